//! What authors see, where values come from, and what hostile input meets.

use super::*;
use crate::model::tree::{EntryKind, MemoryObjects};

const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: v\n";
const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: 1\n  template:\n    spec:\n      containers:\n        - name: web\n          image: acme/web:1\n";

fn path(text: &str) -> RepoPath {
    text.parse().unwrap()
}

fn rendered(files: &[(&str, &str)]) -> Rendered {
    let mut objects = MemoryObjects::default();
    let root = objects.add_text(files.iter().copied()).unwrap();
    render(&Tree::new(root, &objects), &path("env"))
}

/// Everything that is said about a kustomization and the files beside it.
fn said(kustomization: &str, files: &[(&str, &str)]) -> String {
    let mut all =
        vec![("env/kustomization.yaml", kustomization), ("env/a.yaml", CONFIG_MAP), ("env/web.yaml", DEPLOYMENT)];
    all.extend(files);
    let rendered = rendered(&all);
    assert!(!rendered.ok && rendered.objects.is_empty(), "it rendered");
    let line = |problem: &Problem| {
        let place = problem.location.as_ref().map_or_else(String::new, ToString::to_string);
        let help = problem.help.as_ref().map_or_else(String::new, |help| format!("\n  {help}"));
        format!("{place}: {}{help}", problem.message)
    };
    rendered.problems.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_value_knows_the_line_that_set_it() {
    let overlay = "resources: [../base]\nnamespace: prod\nnamePrefix: p-\nlabels:\n  - pairs: {team: a}\nimages:\n  - name: acme/web\n    newTag: v2\nreplicas:\n  - name: web\n    count: 3\npatches:\n  - path: patch.yaml\n  - patch: |-\n      apiVersion: apps/v1\n      kind: Deployment\n      metadata: {name: web}\n      spec:\n        paused: true\n  - target: {kind: Deployment}\n    patch: '[{\"op\": \"add\", \"path\": \"/spec/minReadySeconds\", \"value\": 5}]'\nconfigMapGenerator:\n  - name: settings\n    literals:\n      - a=1\n    envs: [vars.env]\n";
    let patch = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      containers:\n        - name: web\n          envFrom: [{configMapRef: {name: settings}}]\n          command: [run]\n";
    let all = rendered(&[
        ("base/kustomization.yaml", "resources: [web.yaml]\n"),
        ("base/web.yaml", DEPLOYMENT),
        ("env/kustomization.yaml", overlay),
        ("env/patch.yaml", patch),
        ("env/vars.env", "# x\nB=2\n"),
    ]);
    assert_eq!(all.problems, []);
    let find = |kind: &str| &all.objects.iter().find(|object| object.kind() == kind).unwrap().node;
    let (web, settings) = (find("Deployment"), find("ConfigMap"));
    let container = &web.list_at(&["spec", "template", "spec", "containers"])[0];
    let env_from = container.list_at(&["envFrom"])[0].at(&["configMapRef", "name"]).unwrap();
    assert!(env_from.as_str().unwrap().starts_with("p-settings-"), "{env_from:?}");
    for (node, place) in [
        (web.get("kind"), "base/web.yaml:2:7"),
        (web.at(&["metadata", "name"]), "env/kustomization.yaml:3:13"),
        (web.at(&["metadata", "namespace"]), "env/kustomization.yaml:2:12"),
        (web.at(&["metadata", "labels", "team"]), "env/kustomization.yaml:5:19"),
        (web.at(&["spec", "replicas"]), "env/kustomization.yaml:11:12"),
        (web.at(&["spec", "paused"]), "env/kustomization.yaml:19:17"),
        (web.at(&["spec", "minReadySeconds"]), "env/kustomization.yaml:21:12"),
        (container.get("image"), "env/kustomization.yaml:8:13"),
        (container.get("name"), "env/patch.yaml:8:17"),
        (container.list_at(&["command"]).first(), "env/patch.yaml:10:21"),
        (settings.at(&["data", "a"]), "env/kustomization.yaml:25:9"),
        (settings.at(&["data", "B"]), "env/vars.env:2:1"),
    ] {
        let node = node.unwrap_or_else(|| panic!("nothing for {place}"));
        assert_eq!(node.span.location().to_string(), place);
    }
    // Bytes too: an edit or an excerpt must meet exactly the value.
    let paused = &web.at(&["spec", "paused"]).unwrap().span;
    assert_eq!(&overlay[paused.start as usize..paused.end as usize], "true");
}

#[test]
fn a_plain_folder_is_all_its_yaml() {
    let all = rendered(&[
        ("env/z.yaml", CONFIG_MAP),
        ("env/deep/er/b.yml", "kind: Namespace\napiVersion: v1\nmetadata: {name: b}\n"),
        ("env/app/kustomization.yaml", "resources: [x.yaml]\nnamePrefix: app-\n"),
        ("env/app/x.yaml", CONFIG_MAP),
        ("env/app/not-listed.yaml", "nonsense"),
        ("env/README.md", "# text"),
    ]);
    let names: Vec<String> = all.objects.iter().map(|object| object.name().to_string()).collect();
    assert_eq!(
        (names, all.problems),
        (vec!["Namespace b".into(), "ConfigMap a".into(), "ConfigMap app-a".into()], vec![])
    );
    assert!(reach::closure_touches(&all.reads, &[path("env/deep/new.yaml")]));
    let broken = rendered(&[("env/a.yaml", CONFIG_MAP), ("env/values.yaml", "replicas: 3\n")]);
    assert_eq!(broken.problems[0].location.as_ref().unwrap().to_string(), "env/values.yaml:1:1");
    assert_eq!(broken.problems[0].message, "this object has no `apiVersion`");
}

#[test]
fn the_closure_is_what_was_read() {
    let all = rendered(&[
        ("base/kustomization.yaml", "resources: [web.yaml]\n"),
        ("base/web.yaml", DEPLOYMENT),
        ("base/unused.yaml", CONFIG_MAP),
        ("env/kustomization.yaml", "resources: [../base]\n"),
    ]);
    let touches = |text: &str| reach::closure_touches(&all.reads, &[path(text)]);
    for (text, expected) in [
        ("base/web.yaml", true),
        ("base/kustomization.yaml", true),
        ("env/kustomization.yml", true),
        ("base/unused.yaml", false),
        ("env/other.yaml", false),
        ("other/x.yaml", false),
    ] {
        assert_eq!(touches(text), expected, "{text}");
    }
    let missing = rendered(&[("env/kustomization.yaml", "resources: [gone.yaml]\n")]);
    assert!(reach::closure_touches(&missing.reads, &[path("env/gone.yaml")]), "adding what is missing repairs it");
}

#[test]
fn what_is_not_supported_is_refused_by_name_and_line() {
    insta::assert_snapshot!(said(
        "resources: [a.yaml, \"https://example.com/x.yaml\", \"github.com/acme/base?ref=v1\"]\nhelmCharts:\n  - name: x\ntransformers: [t.yaml]\nreplacements:\n  - path: r.yaml\nnamePrefx: x-\nlabels:\n  - pairs: {a: b}\n    fields: [{path: x}]\nimages:\n  - name: acme/web\n    newTag: 1.0\n",
        &[],
    ), @"
    env/kustomization.yaml:7:1: `kustomization.yaml` has no field `namePrefx`
      Did you mean `namePrefix`?
    env/kustomization.yaml:2:1: `helmCharts` is not supported
      Charts are not rendered here. Commit the rendered manifests, or let Flux apply a HelmRelease.
    env/kustomization.yaml:13:13: `newTag` of `images[0]` is text
      Put it in quotes.
    ");
}

#[test]
fn mistakes_are_shown_where_they_are_made() {
    insta::assert_snapshot!(said(
        "resources: [a.yaml, b.yaml, ../bse, sub, twice.yaml]\n",
        &[("base/x.yaml", CONFIG_MAP), ("env/sub/x.yaml", CONFIG_MAP), ("env/twice.yaml", CONFIG_MAP)],
    ), @"
    env/kustomization.yaml:1:21: `b.yaml` does not exist; paths are relative to `env`
      Did you mean `env/web.yaml`?
    env/kustomization.yaml:1:29: `../bse` does not exist; paths are relative to `env`
      Did you mean `base`?
    env/kustomization.yaml:1:37: `env/sub` has no kustomization.yaml
      Add one to that folder, or name its files one by one.
    env/twice.yaml:1:1: ConfigMap a exists twice, first at env/a.yaml:1:1
      Keep one, or rename one with a prefix.
    ");
    insta::assert_snapshot!(said(
        "resources: [a.yaml, web.yaml]\npatches:\n  - path: gone.yaml\n  - patch: |-\n      apiVersion: v1\n      kind: ConfigMap\n      metadata: {name: b}\n  - patch: |-\n      - {op: remove, path: /spec/x}\n    target: {kind: Deployment}\n  - patch: |-\n      - {op: remove, path: /spec/x}\n  - patch: |-\n      apiVersion: apps/v1\n      kind: Deployment\n      metadata: {name: web}\n      spec: {template: [1]}\n  - patch: |-\n      a: [\n  - target: {name: \"(\"}\n    path: a.yaml\n",
        &[],
    ), @"
    env/kustomization.yaml:3:11: `env/gone.yaml` does not exist
    env/kustomization.yaml:5:7: this patch is for ConfigMap b, which is not there
      It must have the kind, name and namespace of an object in `resources`.
    env/kustomization.yaml:9:28: Deployment web: `x` does not exist
    env/kustomization.yaml:11:5: a JSON patch needs a `target`
      Add `target:` with the kind and name of the object.
    env/kustomization.yaml:17:24: the patch has another shape here than the object: mapping, list and plain value do not mix
    env/kustomization.yaml:19:10: not valid YAML: unclosed bracket '['
      Look at this line and the one before it: indentation, an open quote or bracket, or a missing `: `.
    env/kustomization.yaml:20:20: this is no regular expression that can be used
      The whole name must match, as in `web|api-.*`.
    ");
    insta::assert_snapshot!(said(
        "resources: [a.yaml]\nreplicas: [{name: web, count: 2}]\n", &[],
    ), @"env/kustomization.yaml:2:19: no Deployment, StatefulSet, ReplicaSet or ReplicationController is called `web`");
    insta::assert_snapshot!(said(
        "resources: [a.yaml]\nconfigMapGenerator:\n  - name: a\n    literals: [x]\n    files: [gone, ../../../etc/passwd]\n  - literals: [a=1]\n", &[],
    ), @"
    env/kustomization.yaml:6:5: `configMapGenerator[1]` needs a `name`
    ");
    insta::assert_snapshot!(said(
        "resources: [a.yaml]\nconfigMapGenerator:\n  - name: a\n    literals: [b=x, x, b=y]\n  - {name: a}\n", &[],
    ), @"
    env/kustomization.yaml:4:21: `x` is no literal: write `key=value`
    env/kustomization.yaml:4:24: the key `b` is already set at env/kustomization.yaml:4:16
      Keep one of them.
    ");
    insta::assert_snapshot!(said(
        "resources: [a.yaml]\nconfigMapGenerator: [{name: a}]\npatches: [{patch: '[{op: x}]', target: {kind: X}}]\n", &[],
    ), @"
    env/kustomization.yaml:2:22: ConfigMap a exists already; `behavior: merge` or `replace` changes it
    ");
    insta::assert_snapshot!(said("resources: [a.yaml]\n", &[("env/kustomization.yml", "resources: [web.yaml]\n")]), @"
    env/kustomization.yml:1: `env/kustomization.yaml` and `env/kustomization.yml` stand in one folder; Kustomize accepts only one of them
      Delete one of them.
    ");
    insta::assert_snapshot!(said("kind: Kustomization\n", &[]), @"
    env/kustomization.yaml:1: this kustomization is empty
      List files under `resources`.
    ");
}

#[test]
fn t13_t14_nothing_leads_out_of_the_repository() {
    insta::assert_snapshot!(said(
        "resources: [../../outside, /etc/passwd, ../.git/config]\ncomponents: [../../x]\npatches:\n  - path: ../../../p.yaml\n",
        &[],
    ), @"
    env/kustomization.yaml:1:13: `../../outside` is not a path inside the repository
      Name a file or folder of this repository, relative to this folder.
    env/kustomization.yaml:1:28: `/etc/passwd` is not a relative path
      Name a file or folder of this repository, relative to this folder.
    env/kustomization.yaml:1:41: `../.git/config` is not a path inside the repository
      Name a file or folder of this repository, relative to this folder.
    env/kustomization.yaml:2:14: `../../x` is not a path inside the repository
      Name a file or folder of this repository, relative to this folder.
    ");
    let mut objects = MemoryObjects::default();
    let file = |name: &str, kind, text: &str| (path(name), kind, text.as_bytes().to_vec());
    let root = objects.add([
        file("env/kustomization.yaml", EntryKind::File, "resources: [out.yaml, abs, loop, in.yaml]\n"),
        file("env/out.yaml", EntryKind::Symlink, "../../secret.yaml"),
        file("env/abs", EntryKind::Symlink, "/etc"),
        file("env/loop", EntryKind::Symlink, "loop"),
        file("env/in.yaml", EntryKind::Symlink, "../base/a.yaml"),
        file("base/a.yaml", EntryKind::File, CONFIG_MAP),
    ]);
    let rendered = render(&Tree::new(root, &objects), &path("env"));
    let messages: Vec<&str> = rendered.problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "`env/out.yaml` is a symbolic link that points outside the repository",
            "`env/abs` is a symbolic link that points outside the repository",
            "`env/loop` is a symbolic link that leads in a circle",
        ]
    );
    assert!(rendered.reads.contains(&path("base/a.yaml")) && rendered.reads.contains(&path("env/in.yaml")));
}

#[test]
fn t15_t16_submodules_and_lfs_pointers_are_named() {
    let mut objects = MemoryObjects::default();
    let root = objects.add([
        (path("env/kustomization.yaml"), EntryKind::File, b"resources: [sub, big.yaml]\n".to_vec()),
        (path("env/sub"), EntryKind::Submodule, vec![]),
        (path("env/big.yaml"), EntryKind::File, b"version https://git-lfs.github.com/spec/v1\n".to_vec()),
    ]);
    let rendered = render(&Tree::new(root, &objects), &path("env"));
    let messages: Vec<&str> = rendered.problems.iter().map(|problem| problem.message.as_str()).collect();
    assert!(messages[0].contains("submodule") && messages[1].contains("LFS"), "{messages:?}");
}

#[test]
fn t11_circles_bombs_and_towers_end() {
    let circle = said("resources: [../b]\n", &[("b/kustomization.yaml", "resources: [../env]\n")]);
    assert!(circle.starts_with("b/kustomization.yaml:1:13: `../env` goes in a circle"), "{circle}");
    assert!(said("resources: [..]\n", &[("kustomization.yaml", "resources: [env]\n")]).contains("goes in a circle"));
    assert!(said("resources: [.]\n", &[]).contains("goes in a circle"));
    let bomb: String = (0..9)
        .map(|i| {
            format!("a{i}: &a{i} [{}]\n", vec![if i == 0 { "x".into() } else { format!("*a{}", i - 1) }; 9].join(","))
        })
        .collect();
    let bomb = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: b}}\n{bomb}");
    assert!(said("resources: [b.yaml]\n", &[("env/b.yaml", &bomb)]).contains("more than 250000 values"));
    // Each level uses the one below twice: 2^40 renders without a limit.
    let tower: Vec<(String, String)> = (0..40)
        .map(|i| {
            let text = format!("resources: [../{}/a, ../{}/b]\n", i + 1, i + 1);
            (format!("t/{i}/kustomization.yaml"), text)
        })
        .collect();
    let sides: Vec<(String, String)> = (1..=40)
        .flat_map(|i| {
            ["a", "b"].map(|side| {
                (
                    format!("t/{i}/{side}/kustomization.yaml"),
                    format!("namePrefix: {side}\nresources: [../../{}/a, ../../{}/b]\n", i + 1, i + 1),
                )
            })
        })
        .collect();
    let files: Vec<(&str, &str)> =
        tower.iter().chain(&sides).map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let said = said("resources: [../t/1/a]\n", &files);
    assert!(said.contains("inside each other"), "{said}");
}

#[test]
fn t11_patches_cannot_multiply_without_end() {
    let many: String =
        (0..1000).map(|i| format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m{i}}}\n")).collect();
    let big: String = (0..6000).map(|i| format!("  k{i}: v\n")).collect();
    let patch = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x}}\ndata:\n{big}");
    let said = said(
        "resources: [many.yaml]\npatches:\n  - path: p.yaml\n    target: {kind: ConfigMap}\n",
        &[("env/many.yaml", &many), ("env/p.yaml", &patch)],
    );
    assert!(said.contains("more than 2000000 values"), "{said}");
    let regex = self::said(
        "resources: [a.yaml]\npatches:\n  - path: a.yaml\n    target: {name: \"((a{1000}){1000}){1000}\"}\n",
        &[],
    );
    assert!(regex.contains("no regular expression"), "{regex}");
}

#[test]
fn t42_t43_nothing_is_fetched_and_nothing_is_run() {
    let exec = "apiVersion: x/v1\nkind: Exec\nmetadata:\n  name: e\n  annotations: {config.kubernetes.io/function: \"exec: {path: ./run.sh}\"}\n";
    let helm = "apiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: h}\nname: nats\nrepo: http://localhost\n";
    for (field, file, words) in [
        ("generators", exec, "is a program, not a built-in generator"),
        ("transformers", exec, "is a program, not a built-in transformer"),
        ("validators", exec, "is a program, not a built-in transformer"),
        ("generators", helm, "runs Helm, which is not done here"),
    ] {
        let said = said(&format!("resources: [a.yaml]\n{field}: [p.yaml]\n"), &[("env/p.yaml", file)]);
        assert!(said.contains(words), "{field}: {said}");
    }
    for (field, path) in [("openapi", "{path: http://localhost/x.json}"), ("crds", "[http://localhost/x.json]")] {
        let said = said(&format!("resources: [a.yaml]\n{field}: {path}\n"), &[]);
        assert!(said.contains("does not exist"), "{said}");
    }
    let remote = said(
        "resources:\n  - https://169.254.169.254/latest/meta-data\n  - git@github.com:acme/x.git\n  - github.com/acme/x//deploy?ref=main\n",
        &[],
    );
    assert_eq!(remote.matches("is on the network, and nothing is fetched").count(), 3, "{remote}");
    let patch = said("resources: [a.yaml]\npatches:\n  - path: http://localhost/p.yaml\n", &[]);
    assert!(patch.contains("is not fetched"), "{patch}");
}

#[test]
fn hostile_kustomizations_never_panic() {
    for text in [
        "",
        "[]",
        "a",
        "resources: 1",
        "resources: [1, [], {}]",
        "images: [a]",
        "patches: [null]",
        "labels: {}",
        "- a\n- b",
        "---\n---\n",
        "replicas: [{name: a, count: a}]",
        "sortOptions: 3",
        "namespace: [x]",
        "patches: [{patch: \"\\t\"}]",
        "patchesStrategicMerge: [\"\\n\"]",
        "configMapGenerator: [{}]",
        "resources: [\"\"]",
        "components: [a.yaml]",
        "replacements: [{source: {}, targets: [{}]}]",
        "replacements: [{source: {kind: ConfigMap}, targets: [{select: {}, fieldPaths: [\"\", \".\", \"[\", \"[=\", \"a.[x]\"]}]}]\nresources: [a.yaml]",
        "replacements: [{source: {kind: ConfigMap}, targets: [{select: {}, fieldPaths: [\"data.l.[name=(].x\"], options: {create: true}}]}]\nresources: [a.yaml]",
        "replacements: [{sourceValue: \"\", targets: [{select: {}, fieldPaths: [data.k.x], options: {create: true, delimiter: k, index: -9223372036854775808}}]}]\nresources: [a.yaml]",
        "vars: [{}, {name: A}, {name: A}]\nresources: [a.yaml]",
        "configurations: [a.yaml]",
        "crds: [a.yaml]",
        "openapi: {path: a.yaml}\nresources: [a.yaml]",
        "transformers: [\"\\n\", \"{\", \"- a\\n\", a.yaml]",
        "generators: [\"apiVersion: builtin\\nkind: IAMPolicyGenerator\\nmetadata: {name: x}\"]",
        "buildMetadata: [x, originAnnotations]\nresources: [a.yaml]",
    ] {
        let files = [("env/kustomization.yaml", text), ("env/a.yaml", CONFIG_MAP)];
        let _ = rendered(&files);
    }
}
