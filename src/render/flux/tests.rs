//! What Flux makes of folders and variables: facts, measured on fluxcd/pkg (kustomize 1.41, envsubst 1.8), as tables.

use super::envsubst::{Expanded, Known, Refusal, expand};
use super::glob::Fuel;
use super::ignore::Ignore;
use super::text::written;
use super::*;
use crate::manifest::{load, yaml};
use crate::model::tree::MemoryObjects;
use crate::render::{Memory, Rendered};

fn path(text: &str) -> RepoPath {
    text.parse().unwrap()
}

fn known(name: &str) -> Known<'static> {
    match name {
        "a" => Known::Value("foo.bar.baz"),
        "dir" => Known::Value("/a/b/c.txt"),
        "word" => Known::Value("hELLO"),
        "empty" => Known::Value(""),
        "n" => Known::Value("3"),
        "hole" => Known::Hole,
        "perhaps" => Known::Perhaps,
        _ => Known::Unset,
    }
}

fn expanded(text: &str) -> Result<Expanded, Refusal> {
    expand(text, &known, true, &mut Fuel::default())
}

#[test]
fn expressions_become_what_the_original_makes_of_them() {
    for (text, becomes) in [
        ("plain $a $ {a} $(a)", "plain $a $ {a} $(a)"),
        ("${n}-${n}", "3-3"),
        ("$${n} $$n $$$${n} $$${n}", "${n} $n $${n} $3"),
        ("${#a}", "11"),
        ("${a:0:3} ${a:4} ${a: -3} ${a:1:-1} ${a:50} ${a:x}", "foo bar.baz foo.bar.baz oo.bar.ba  foo.bar.baz"),
        ("${no:-x} ${no:=y} ${no:?z} ${no:+w} ${no=v}", "x y z w v"),
        ("${empty:-x} ${n:-x} ${n=x}", "x 3 3"),
        ("${no:-${no:=${n}}} ${no:-a ${n} b}", "3 a 3 b"),
        ("${no:-}", ""),
        ("${word^} ${word^^} ${word,} ${word,,}", "HELLO HELLO hELLO hello"),
        ("${a#*.} ${a##*.} ${a%.*} ${a%%.*}", "bar.baz baz foo.bar foo"),
        ("${dir##*/} ${dir%/*} ${dir#/?}", "c.txt /a/b /b/c.txt"),
        ("${a#[a-f]} ${a#[^a-f]} ${a#nothing}", "oo.bar.baz foo.bar.baz foo.bar.baz"),
        (
            "${a/./-} ${a//./-} ${a/#foo/x} ${a/%baz/x} ${a/o/}",
            "foo-bar.baz foo-bar-baz x.bar.baz foo.bar.x fo.bar.baz",
        ),
        ("${dir//\\//-}", "-a-b-c.txt"),
    ] {
        assert_eq!(expanded(text).map(|expanded| expanded.text).as_deref(), Ok(becomes), "{text}");
    }
    for text in [
        "${no}",
        "${no^^}",
        "${#no}",
        "${}",
        "${n",
        "${n-x}",
        "${n+x}",
        "${n?x}",
        "${n x}",
        "${n#}",
        "${a:}",
        "${n:-${no}}",
        "${a/b}",
    ] {
        assert!(expanded(text).is_err(), "{text}");
    }
}

#[test]
fn what_only_the_cluster_knows_stays_as_it_is() {
    for (text, becomes, holes) in [
        ("${hole}/${n}", "${hole}/3", 1),
        ("${hole:-x} ${hole^^}", "${hole:-x} ${hole^^}", 2),
        ("${no:-${hole}}", "${hole}", 1),
        ("${n:-${hole}}", "3", 0),
        ("${a#${hole}}", "${a#${hole}}", 1),
        ("${perhaps:-x} ${perhaps}", "x ${perhaps}", 1),
        ("$${hole}", "${hole}", 0),
    ] {
        let expanded = expanded(text).unwrap();
        assert_eq!((expanded.text.as_str(), expanded.holes.len()), (becomes, holes), "{text}");
    }
}

#[test]
fn hostile_expressions_end() {
    let deep = "${no:-".repeat(10_000);
    assert!(expanded(&deep).is_err());
    let big = "x".repeat(100_000);
    let known = |name: &str| if name == "big" { Known::Value(&big) } else { Known::Value("*x*x*x*x*y") };
    let ask = |text: &str| expand(text, &known, true, &mut Fuel::default()).map(|expanded| expanded.text.len());
    assert!(ask("${big//x/${big}}").is_err());
    assert!(ask("${big//x/${big//x/${big}}}").is_err());
    assert!(ask(&"${big}".repeat(100)).is_err());
    assert!(ask("${big##${p}}").is_err());
    // What takes long and makes nothing.
    assert!(ask(&"${big//a/}".repeat(2_000)).is_err());
    assert_eq!(ask("${big:5}").unwrap(), 99_995);
}

#[test]
fn objects_are_written_as_go_yaml_writes_them() {
    let text = "a: \"${n}\"\nb: 'x: ${n}'\nc: \"${n} # x\"\nd: \"tab\\t${n}\"\ne: |\n  one ${n}\n  two\nf: \"trailing \\n${n}\"\ng: [{h: '${n}', i: ['- x', 1, true, null]}]\nj: 'true'\nk: ''\n";
    let node = load(&path("x"), text.as_bytes()).documents.remove(0).node;
    insta::assert_snapshot!(written(&node).text, @r#"
    a: ${n}
    b: 'x: ${n}'
    c: '${n} # x'
    d: "tab\t${n}"
    e: |
      one ${n}
      two
    f: "trailing \n${n}"
    g:
    - h: ${n}
      i:
      - '- x'
      - 1
      - true
      - null
    j: "true"
    k: ""
    "#);
}

#[test]
fn files_are_left_out_as_flux_leaves_them_out() {
    let left = |files: &[(&str, &str)], own: Option<&str>| {
        let mut objects = MemoryObjects::default();
        let root = objects.add_text(files.iter().copied()).unwrap();
        let tree = Tree::new(root, &objects);
        let mut ignore = Ignore::new(&tree, own);
        let mut left: Vec<&str> = files.iter().map(|(file, _)| *file).collect();
        left.retain(|file| !file.ends_with(".sourceignore") && ignore.leaves_out(&path(file)));
        left.join(" ")
    };
    let files =
        [("a/x.yaml", ""), ("a/b/x.yaml", ""), ("a/.sops.yaml", ""), (".github/x.yaml", ""), ("a/.gitignore", "")];
    let with = |text: &'static str| [&files[..], &[("a/.sourceignore", text)]].concat();
    assert_eq!(left(&files, None), "a/.sops.yaml .github/x.yaml a/.gitignore");
    // Any pattern puts the defaults out of force, but git's own files.
    assert_eq!(left(&with("b/\n"), None), "a/b/x.yaml a/.gitignore");
    assert_eq!(left(&files, Some("/*\n!/a")), ".github/x.yaml");
    assert_eq!(left(&with("x.yaml\n!/b/*.yaml\n# c\n"), None), "a/x.yaml a/.gitignore");
    assert_eq!(left(&with("**/x.yaml\n"), Some("!a/b")), "a/x.yaml a/.gitignore");
    assert_eq!(left(&with("[\n/x.ya**l\n"), None), "a/.gitignore");
}

const SYNC: &str = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: flux-system, namespace: flux-system}\nspec: {url: 'https://github.com/acme/fleet'}\n---\napiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: flux-system, namespace: flux-system}\nspec:\n  path: ./clusters/prod\n  sourceRef: {kind: GitRepository, name: flux-system}\n";
const WEB: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: ${n}\n  template:\n    spec:\n      containers:\n        - name: web\n          image: acme/web:1\n          args: ['${host}', '${key}', \"${v:=1.10}\", '${q}']\n";
const SETTINGS: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: flux-system}\ndata: {host: a.example, n: '1', q: \"yes\"}\n";

/// A Kustomization called `name` that applies `folder`, with more of its `spec`.
fn kustomization(name: &str, folder: &str, more: &str) -> String {
    format!(
        "---\napiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: {name}, namespace: flux-system}}\nspec:\n  path: {folder}\n  sourceRef: {{kind: GitRepository, name: flux-system}}\n{more}"
    )
}

fn store(files: &[(&str, &str)]) -> (MemoryObjects, crate::model::id::Oid) {
    let mut objects = MemoryObjects::default();
    let root = objects.add_text(files.iter().copied()).unwrap();
    (objects, root)
}

/// The folder as everyone who applies it does.
fn applied(files: &[(&str, &str)], folder: &str) -> Vec<std::sync::Arc<Rendered>> {
    let (objects, root) = store(files);
    let mut memory = Memory::new(&objects);
    let fleet = Fleet::find(&mut memory, root, &[path(folder)]);
    let ways = fleet.of(&path(folder)).into_iter();
    ways.map(|applier| memory.render_as(root, &path(folder), applier, fleet.is_used())).collect()
}

fn told(rendered: &Rendered) -> String {
    let line = |problem: &Problem| {
        format!("{}: {}\n", problem.location.as_ref().map_or_else(String::new, ToString::to_string), problem.message)
    };
    let objects: Vec<String> = rendered.objects.iter().map(|object| yaml(&object.node)).collect();
    let problems: String = rendered.problems.iter().map(line).collect();
    let notes: String = rendered.notes.iter().map(line).collect();
    format!("{}{problems}{notes}", objects.join("---\n"))
}

#[test]
fn a_folder_is_rendered_as_its_kustomization_applies_it() {
    let more = "  targetNamespace: shop\n  namePrefix: p-\n  commonMetadata: {labels: {team: a}}\n  images: [{name: acme/web, newTag: '2'}]\n  patches:\n    - target: {kind: Deployment}\n      patch: |\n        - {op: add, path: /spec/paused, value: true}\n  postBuild:\n    substitute: {n: '3'}\n    substituteFrom:\n      - {kind: ConfigMap, name: settings}\n      - {kind: Secret, name: keys}\n";
    let apps = kustomization("apps", "./env", more);
    let files = [
        ("clusters/prod/flux-system/gotk-sync.yaml", SYNC),
        ("clusters/prod/settings.yaml", SETTINGS),
        ("clusters/prod/apps.yaml", &apps),
        (
            "env/kustomization.yaml",
            "resources: [web.yaml]\nnamespace: other\nimages: [{name: acme/web, newName: acme/shop, digest: 'sha256:1'}]\n",
        ),
        ("env/web.yaml", WEB),
    ];
    let all = applied(&files, "env");
    assert_eq!(all.len(), 1);
    insta::assert_snapshot!(told(&all[0]), @"
    apiVersion: apps/v1
    kind: Deployment
    metadata:
      name: p-web
      namespace: shop
      labels:
        team: a
    spec:
      replicas: 3
      template:
        spec:
          containers:
          - name: web
            image: acme/shop:2
            args:
            - a.example
            - ${key}
            - ${v:=1.10}
            - true
      paused: true
    clusters/prod/apps.yaml:4:18: `${key}`, `${v:=1.10}` stay as they are: only the cluster knows Secret flux-system/keys
    ");
    let node = &all[0].objects[0].node;
    let replicas = node.at(&["spec", "replicas"]).unwrap();
    assert_eq!(replicas.span.location().to_string(), "env/web.yaml:5:13");
    assert!(replicas.made.as_ref().unwrap().before.as_ref().unwrap().0 == "${n}");
    for read in ["clusters/prod/apps.yaml", "clusters/prod/settings.yaml", "env/web.yaml"] {
        assert!(all[0].reads.contains(&path(read)), "{read}");
    }
    // Where a Secret is in the repository its names are known, and its values stay where they are.
    let secret =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: keys, namespace: flux-system}\nstringData: {key: hush}\n";
    let files = [&files[..], &[("clusters/prod/keys.yaml", secret)]].concat();
    let all = applied(&files, "env");
    assert!(all[0].ok && !told(&all[0]).contains("hush") && told(&all[0]).contains("- ${key}"), "{}", told(&all[0]));
}

#[test]
fn what_flux_refuses_is_said_at_its_line() {
    for (more, says) in [
        ("  postBuild: {substitute: {host: a, key: b, q: c}}\n", "env/web.yaml:5:13: `${n}`: nothing sets `n`\n"),
        (
            "  postBuild: {substitute: {n: 3}}\n",
            "clusters/prod/apps.yaml:8:31: the value of the variable `n` is not text\n",
        ),
        (
            "  postBuild: {substitute: {a-b: '3'}}\n",
            "clusters/prod/apps.yaml:8:33: `a-b` cannot be the name of a variable\n",
        ),
        ("  postBuild: {substitute: {n: '[', host: a, key: b, q: c}}\n", ""),
        (
            "  components: [../nowhere]\n",
            "clusters/prod/apps.yaml:8:16: `../nowhere` does not exist; paths are relative to `env`\n",
        ),
        (
            "  components: ['https://example.com/x']\n",
            "clusters/prod/apps.yaml:8:16: the component `https://example.com/x` is not a folder of this repository\n",
        ),
    ] {
        let apps = kustomization("apps", "env", more);
        let files = [("clusters/prod/apps.yaml", apps.as_str()), ("env/web.yaml", WEB)];
        let all = applied(&files, "env");
        assert!(!all[0].ok, "{more}");
        assert!(told(&all[0]).starts_with(says), "{}\n{says}", told(&all[0]));
    }
    // Without variables nothing is replaced, and missing components may be allowed.
    let apps = kustomization("apps", "env", "  components: [../nowhere]\n  ignoreMissingComponents: true\n");
    let all = applied(&[("clusters/prod/apps.yaml", &apps), ("env/web.yaml", WEB)], "env");
    assert!(all[0].ok && told(&all[0]).contains("replicas: ${n}"), "{}", told(&all[0]));
}

#[test]
fn nested_kustomizations_belong_to_the_environment_and_circles_end() {
    let cm = |name: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{x: \"${{n:=0}}\"}}\n")
    };
    let root = format!("{}{}", kustomization("apps", "/apps/", ""), kustomization("elsewhere", "./missing", ""));
    let apps = format!(
        "{}{}",
        kustomization("one", "./one", "  postBuild: {substitute: {n: '7'}}\n"),
        kustomization("back", "clusters/prod", "")
    );
    let (a, b) = (cm("a"), cm("b"));
    let files = [
        ("clusters/prod/flux-system/gotk-sync.yaml", SYNC),
        ("clusters/prod/all.yaml", root.as_str()),
        ("apps/one.yaml", &apps),
        ("apps/a.yaml", &a),
        ("one/b.yaml", &b),
    ];
    let all = applied(&files, "clusters/prod");
    let text = told(&all[0]);
    assert!(all[0].ok, "{text}");
    assert!(text.contains("name: a\ndata:\n  x: ${n:=0}\n") && text.contains("name: b\ndata:\n  x: 7\n"), "{text}");
    assert!(text.contains("flux-system/back applies `clusters/prod`, which leads to itself"), "{text}");
    assert!(all[0].reads.contains(&path("one")));
}

#[test]
fn each_way_to_apply_a_folder_is_rendered() {
    let apps = |n: &str| {
        kustomization("apps", "env", &format!("  postBuild: {{substitute: {{n: '{n}', host: a, key: b, q: c}}}}\n"))
    };
    let (east, west, more) = (apps("1"), apps("2"), apps("1"));
    let files = [
        ("clusters/east/apps.yaml", east.as_str()),
        ("clusters/west/apps.yaml", &west),
        ("clusters/more/apps.yaml", &more),
        ("env/web.yaml", WEB),
    ];
    let all: Vec<String> = applied(&files, "env").iter().map(|one| told(one)).collect();
    assert_eq!(all.len(), 2, "{all:?}");
    assert!(all[0].contains("replicas: 1") && all[1].contains("replicas: 2"), "{all:?}");
}

#[test]
fn artifacts_lead_back_to_the_folders_they_were_copied_from() {
    let generator = "---\napiVersion: source.extensions.fluxcd.io/v1beta1\nkind: ArtifactGenerator\nmetadata: {name: x, namespace: flux-system}\nspec:\n  sources: [{alias: git, kind: GitRepository, name: flux-system}]\n";
    let ks = |name: &str, to: &str| {
        kustomization("apps", to, "")
            .replace("kind: GitRepository, name: flux-system", &format!("kind: ExternalArtifact, name: {name}"))
    };
    for (spec, name, to, folder) in [
        (
            "  artifacts: [{name: apps, copy: [{from: '@git/apps/**', to: '@artifact/'}]}]\n",
            "apps",
            "./env",
            "apps/env",
        ),
        (
            "  artifacts: [{name: apps, copy: [{from: '@git/apps/', to: '@artifact/x/'}]}]\n",
            "apps",
            "x/apps/env",
            "apps/env",
        ),
        ("  artifacts: [{name: apps, copy: [{from: '@git/apps/env', to: '@artifact/y'}]}]\n", "apps", "y", "apps/env"),
        (
            "  pathPattern: '@git/apps/{env}'\n  artifacts: [{name: 'a-{env}', copy: [{from: '@git/apps/{env}/**', to: '@artifact/'}]}]\n",
            "a-env",
            "./",
            "apps/env",
        ),
    ] {
        let root = format!("{generator}{spec}{}", ks(name, to));
        let (objects, root) = store(&[("clusters/prod/x.yaml", &root), ("apps/env/web.yaml", WEB)]);
        let fleet = Fleet::find(&mut Memory::new(&objects), root, &[path(folder)]);
        assert!(fleet.of(&path(folder))[0].is_some(), "{spec}");
    }
}

#[test]
fn what_another_repository_holds_is_not_taken_for_ours() {
    let other = "---\napiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: other, namespace: flux-system}\nspec: {url: 'https://github.com/acme/other'}\n";
    let apps = kustomization("apps", "env", "").replace("name: flux-system}", "name: other}");
    let root = format!("{other}{apps}");
    let files =
        [("clusters/prod/flux-system/gotk-sync.yaml", SYNC), ("clusters/prod/a.yaml", &root), ("env/web.yaml", WEB)];
    let (objects, root) = store(&files);
    assert!(Fleet::find(&mut Memory::new(&objects), root, &[path("env")]).of(&path("env"))[0].is_none());
}

#[test]
fn layers_say_who_applies_what() {
    let kustomization = |name: &str| {
        format!(
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{ name: {name}, namespace: flux-system }}\nspec: {{ path: ./{name}, sourceRef: {{ kind: GitRepository, name: flux-system }} }}\n"
        )
    };
    let map = |name: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: {name} }}\n");
    let files = [
        ("clusters/prod/a.yaml", kustomization("apps")),
        ("apps/b.yaml", format!("{}---\n{}", map("one"), kustomization("more"))),
        ("more/c.yaml", map("two")),
    ];
    let mut store = MemoryObjects::default();
    let root = store.add_text(files.iter().map(|(path, text)| (*path, text.as_str()))).unwrap();
    let rendered = Memory::new(&store).render_as(root, &path("clusters/prod"), None, true);
    let name = |layer: &Layer| layer.by.as_ref().and_then(|by| by.str_at(&["metadata", "name"]).map(str::to_owned));
    let layers: Vec<_> = rendered.layers.iter().map(|layer| (layer.from, name(layer))).collect();
    let names: Vec<String> = rendered.objects.iter().map(|object| object.name().name).collect();
    assert_eq!(names, ["apps", "one", "more", "two"]);
    assert_eq!(layers, [(0, None), (1, Some("apps".to_owned())), (3, Some("more".to_owned()))]);
}
