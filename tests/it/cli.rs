//! The command as people and CI jobs meet it: the built binary, whole outputs, exit codes.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use trunkline::clock::Clock;
use trunkline::sandbox::{AppSpec, Options, Sandbox, seed};

pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn trunkline<S: AsRef<OsStr>>(folder: &Path, args: impl IntoIterator<Item = S>) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trunkline"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TRUNKLINE_")) {
        command.env_remove(name);
    }
    let output = command.args(args).current_dir(folder).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

impl Ran {
    /// Everything a person sees, with the folder's own name taken out.
    pub(crate) fn seen(&self, folder: &Path) -> String {
        let here = folder.canonicalize().unwrap().display().to_string();
        let mut text = format!("{}[exit {}]\n", self.out, self.code.unwrap());
        if !self.err.is_empty() {
            text.push_str(&format!("--- standard error\n{}", self.err));
        }
        text.replace(&here, "<here>")
    }
}

/// A repository: a folder with `.git` in it and these files.
pub(crate) fn repository(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join(".git")).unwrap();
    write(folder.path(), files);
    folder
}

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

fn ourselves() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

const CONFIG: &str = "\
version: 1
environments:
  dev: { path: env/dev, takes: trunk }
  prod: { path: env/prod, takes: releases, after: [dev] }
policies: { packs: [recommended], paths: [policies] }
";
const QUIET: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: app }\ndata: { color: blue }\n";

/// A repository without a fault: a base and two environments on it.
fn sound() -> Vec<(&'static str, &'static str)> {
    vec![
        (".github/trunkline.yaml", CONFIG),
        ("env/base/kustomization.yaml", "resources: [app.yaml]\n"),
        ("env/base/app.yaml", QUIET),
        ("env/dev/kustomization.yaml", "namespace: dev\nresources: [../base]\n"),
        ("env/prod/kustomization.yaml", "namespace: prod\nresources: [../base]\n"),
        ("docs/notes.md", "Nothing to see.\n"),
    ]
}

#[test]
fn check_says_where_a_promotion_writes() {
    let config = "version: 1\napps: { shop: { images: [acme/shop] } }\nenvironments:\n  dev: { path: env/dev, takes: trunk }\n  stage: { path: env/stage, takes: trunk }\n  prod: { path: env/prod, takes: releases, after: [dev] }\npolicies: { packs: [minimal], paths: [] }\n";
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: { name: shop, namespace: shop }\nspec: { containers: [{ name: shop, image: \"acme/shop:v1.0\" }] }\n";
    let folder = repository(&[
        (".github/trunkline.yaml", config),
        ("env/base/kustomization.yaml", "resources: [pod.yaml]\n"),
        ("env/base/pod.yaml", pod),
        ("env/dev/kustomization.yaml", "resources: [../base]\nimages:\n  - name: acme/shop\n    newTag: abcdef0\n"),
        ("env/stage/pod.yaml", &pod.replace("}] }", "}] } # {\"$imagepolicy\": \"flux-system:shop\"}")),
        ("env/prod/kustomization.yaml", "resources: [../base]\n"),
    ]);
    insta::assert_snapshot!(trunkline(folder.path(), ["check"]).seen(folder.path()), @"
    ok: 3 objects in 3 environments checked, nothing found

    versions, and where a promotion writes them:
      shop in dev: abcdef0 at env/dev/kustomization.yaml:4
      shop in stage: this line is written by Flux (`$imagepolicy`), so the version of acme/shop is left to it (env/stage/pod.yaml:4:43)
          Remove the marker comment if Trunkline shall set the version.
      shop in prod: the tag of acme/shop is set in env/base, which other environments share (env/base/pod.yaml:4:43)
          The first promotion adds `images: [{ name: acme/shop, newTag: v1.0 }]` to env/prod/kustomization.yaml, with its own tag; add that now to split it earlier.
    [exit 0]
    ");
}

#[test]
fn our_own_environments_are_clean() {
    let ran = trunkline(&ourselves(), ["check"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    for environment in ["dev", "stage", "prod"] {
        let ran = trunkline(&ourselves(), ["render", &format!("environments/{environment}")]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        assert!(ran.out.starts_with("apiVersion: v1\nkind: Namespace\n"), "{}", ran.out);
    }
}

#[test]
fn a_sound_repository_is_one_line() {
    let folder = repository(&sound());
    insta::assert_snapshot!(trunkline(folder.path(), ["check"]).seen(folder.path()), @"
    ok: 2 objects in 2 environments checked, nothing found
    [exit 0]
    ");
    insta::assert_snapshot!(trunkline(folder.path(), ["check", "env/prod"]).seen(folder.path()), @"
    ok: 1 object in 1 environment checked, nothing found
    [exit 0]
    ");
    insta::assert_snapshot!(trunkline(folder.path(), ["check", "env/base/app.yaml"]).seen(folder.path()), @"
    ok: 2 objects in 2 environments checked, nothing found
    [exit 0]
    ");
    insta::assert_snapshot!(trunkline(folder.path(), ["check", "--environment", "dev"]).seen(folder.path()), @"
    ok: 1 object in 1 environment checked, nothing found
    [exit 0]
    ");
    insta::assert_snapshot!(trunkline(folder.path(), ["check", "docs"]).seen(folder.path()), @"
    nothing to check: `docs` belongs to no environment
    [exit 0]
    ");
    // From inside, the same as from the root.
    let inside = folder.path().join("env/prod");
    insta::assert_snapshot!(trunkline(&inside, ["check"]).seen(folder.path()), @"
    ok: 1 object in 1 environment checked, nothing found
    [exit 0]
    ");
    insta::assert_snapshot!(trunkline(&inside, ["render", "."]).seen(folder.path()), @"
    apiVersion: v1
    kind: ConfigMap
    metadata:
      name: app
      namespace: prod
    data:
      color: blue
    [exit 0]
    ");
}

#[test]
fn custom_resources_are_held_to_definitions_anywhere_in_the_repository() {
    let definition = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: teas.acme.dev }
spec:
  group: acme.dev
  scope: Namespaced
  names: { kind: Tea, plural: teas }
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              properties: { cups: { type: integer }, pots: { type: integer, default: 1 } }
              x-kubernetes-validations:
                - rule: self.cups <= 6 * self.pots
                  message: a pot holds six cups
                  fieldPath: .cups
";
    let tea = "apiVersion: acme.dev/v1\nkind: Tea\nmetadata: { name: green }\nspec:\n  cups: 9\n  sugar: 1\n";
    let mut files = sound();
    files.extend([
        ("env/prod/tea.yaml", tea),
        ("env/prod/kustomization.yaml", "namespace: prod\nresources: [../base, tea.yaml]\n"),
        ("infrastructure/crds/tea.yaml", definition),
        ("charts/tea/crds/tea.yaml", "{{- if .Values.crds }}\nkind: CustomResourceDefinition\n{{- end }}\n"),
    ]);
    let folder = repository(&files);
    insta::assert_snapshot!(trunkline(folder.path(), ["check"]).seen(folder.path()), @"
    error[SCH-008]: a pot holds six cups
     --> env/prod/tea.yaml:5:3
      |
    5 |   cups: 9
      |   ^^^^^^^
      = object: Tea prod/green
      = in: prod
      = why: The API server refuses a custom resource that breaks a rule of its definition (`x-kubernetes-validations`), and Flux stops there.
      = help: Change the object as its kind's author says. Where a rule could not be judged, correct it in the CustomResourceDefinition.

    error[SCH-001]: `spec.sugar` is no field of Tea
     --> env/prod/tea.yaml:6:3
      |
    6 |   sugar: 1
      |   ^^^^^^^^
      = object: Tea prod/green
      = in: prod
      = why: The API server drops a field it does not know, or refuses the object: what was meant does not happen.
      = help: Correct the name, or move the field to where it belongs.

    2 errors (3 objects in 2 environments checked)
    [exit 1]
    ");
}

#[test]
fn what_is_broken_is_shown_at_its_line() {
    let mut files = sound();
    files.extend([
        ("env/base/app.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: app\ndata: {}\n"),
        ("env/prod/kustomization.yaml", "namespace: prod\nresources:\n  - ../base\n  - ../bse\n  - ../../../etc\n"),
    ]);
    let folder = repository(&files);
    insta::assert_snapshot!(trunkline(folder.path(), ["check"]).seen(folder.path()), @"
    error[KUST-001]: not valid YAML: while parsing a flow mapping, did not find expected ',' or '}'
     --> env/base/app.yaml:4:5
      |
    4 | data: {}
      |     ^^^^
      = in: dev and prod
      = why: Flux stops at the first thing it cannot build, and nothing of this environment is applied any more.
      = help: Look at this line and the one before it: indentation, an open quote or bracket, or a missing `: `.

    error[KUST-001]: `../bse` does not exist; paths are relative to `env/prod`
     --> env/prod/kustomization.yaml:4:5
      |
    4 |   - ../bse
      |     ^^^^^^
      = in: prod
      = help: Did you mean `env/base`?

    error[KUST-001]: `../../../etc` is not a path inside the repository
     --> env/prod/kustomization.yaml:5:5
      |
    5 |   - ../../../etc
      |     ^^^^^^^^^^^^
      = in: prod
      = help: Name a file or folder of this repository, relative to this folder.

    3 errors (0 objects in 2 environments checked)
    [exit 1]
    ");
    insta::assert_snapshot!(trunkline(folder.path(), ["render", "env/dev"]).seen(folder.path()), @"
    [exit 1]
    --- standard error
    error[KUST-001]: not valid YAML: while parsing a flow mapping, did not find expected ',' or '}'
     --> env/base/app.yaml:4:5
      |
    4 | data: {}
      |     ^^^^
      = why: Flux stops at the first thing it cannot build, and nothing of this environment is applied any more.
      = help: Look at this line and the one before it: indentation, an open quote or bracket, or a missing `: `.
    ");
}

#[test]
fn what_is_wrong_with_the_configuration_is_shown_at_its_line() {
    let mut files = sound();
    files.push((
        ".github/trunkline.yaml",
        "version: 1\nenviroments:\n  dev: { path: env/dev, takes: trunk }\n  prod: { path: ../prod, take: releases }\n",
    ));
    let folder = repository(&files);
    insta::assert_snapshot!(trunkline(folder.path(), ["check"]).seen(folder.path()), @"
    error[CONFIG]: unknown key `enviroments` in this file
     --> .github/trunkline.yaml:2:1
      |
    2 | enviroments:
      | ^^^^^^^^^^^^
      = help: Did you mean `environments`?

    1 error (0 objects in 0 environments checked)
    [exit 1]
    --- standard error
    no environment is checked until .github/trunkline.yaml is corrected
    ");
}

#[test]
fn without_a_configuration_the_folders_speak() {
    let mut files = sound();
    files.retain(|(path, _)| *path != ".github/trunkline.yaml");
    files.push(("env/part/kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"));
    let folder = repository(&files);
    insta::assert_snapshot!(trunkline(folder.path(), ["check"]).seen(folder.path()), @"
    ok: 2 objects in 2 environments checked, nothing found
    [exit 0]
    --- standard error
    no .github/trunkline.yaml here; taking these for environments: env/dev as dev, env/prod as prod
    ");
    let folder = repository(&[("ci.yml", "jobs: {}\n"), ("deploy/live/a.yaml", QUIET)]);
    insta::assert_snapshot!(trunkline(folder.path(), ["check"]).seen(folder.path()), @"
    ok: 1 object in 1 environment checked, nothing found
    [exit 0]
    --- standard error
    no .github/trunkline.yaml here; taking these for environments: deploy/live as prod
    ");
    let folder = repository(&[("README.md", "Nothing.\n")]);
    insta::assert_snapshot!(trunkline(folder.path(), ["check"]).seen(folder.path()), @"
    [exit 2]
    --- standard error
    error: there is nothing to check here: no kustomization.yaml and no Kubernetes manifest
      help: pass the folder that holds your environments, or list them in .github/trunkline.yaml
    ");
}

#[test]
fn t13_hostile_links_are_not_followed() {
    let secret = tempfile::tempdir().unwrap();
    std::fs::write(secret.path().join("secret.yaml"), "password: hunter2\n").unwrap();
    let mut files = sound();
    files.push(("env/dev/kustomization.yaml", "resources: [out.yaml, dir, up.yaml, round.yaml]\n"));
    let folder = repository(&files);
    let dev = folder.path().join("env/dev");
    symlink(secret.path().join("secret.yaml"), dev.join("out.yaml")).unwrap();
    symlink(secret.path(), dev.join("dir")).unwrap();
    symlink("../../../../../../../../etc/passwd", dev.join("up.yaml")).unwrap();
    symlink("round.yaml", dev.join("round.yaml")).unwrap();
    for args in [vec!["check"], vec!["render", "env/dev"], vec!["check", "--format", "json"]] {
        let ran = trunkline(folder.path(), &args);
        assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
        assert!(!ran.out.contains("hunter2") && !ran.err.contains("hunter2"), "{}{}", ran.out, ran.err);
        assert!(!ran.out.contains("root:") && !ran.err.contains("root:"), "{}{}", ran.out, ran.err);
    }
    insta::assert_snapshot!(trunkline(folder.path(), ["check"]).seen(folder.path()), @"
    error[KUST-001]: `env/dev/out.yaml` is a symbolic link that points outside the repository
     --> env/dev/kustomization.yaml:1:13
      |
    1 | resources: [out.yaml, dir, up.yaml, round.yaml]
      |             ^^^^^^^^
      = in: dev
      = why: Flux stops at the first thing it cannot build, and nothing of this environment is applied any more.
      = help: Copy the content into this repository.

    error[KUST-001]: `env/dev/dir` is a symbolic link that points outside the repository
     --> env/dev/kustomization.yaml:1:23
      |
    1 | resources: [out.yaml, dir, up.yaml, round.yaml]
      |                       ^^^
      = in: dev

    error[KUST-001]: `env/dev/up.yaml` is a symbolic link that points outside the repository
     --> env/dev/kustomization.yaml:1:28
      |
    1 | resources: [out.yaml, dir, up.yaml, round.yaml]
      |                            ^^^^^^^
      = in: dev

    error[KUST-001]: `env/dev/round.yaml` is a symbolic link that leads in a circle
     --> env/dev/kustomization.yaml:1:37
      |
    1 | resources: [out.yaml, dir, up.yaml, round.yaml]
      |                                     ^^^^^^^^^^
      = in: dev

    4 errors (1 object in 2 environments checked)
    [exit 1]
    ");
}

#[test]
fn t13_a_linked_configuration_is_not_read() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("x.yaml"), CONFIG).unwrap();
    let folder = repository(&sound());
    let file = folder.path().join(".github/trunkline.yaml");
    std::fs::remove_file(&file).unwrap();
    symlink(outside.path().join("x.yaml"), &file).unwrap();
    insta::assert_snapshot!(trunkline(folder.path(), ["check"]).seen(folder.path()), @"
    error[CONFIG]: `.github/trunkline.yaml` is a symbolic link that points outside the repository
     --> .github/trunkline.yaml:1
      = help: Make it an ordinary file of this repository.

    1 error (0 objects in 0 environments checked)
    [exit 1]
    --- standard error
    no environment is checked until .github/trunkline.yaml is corrected
    ");
}

#[test]
fn t35_secrets_are_not_shown_in_excerpts() {
    let secret =
        "apiVersion: v1\nkind: Secret\nmetadata: { name: db }\nstringData:\n  password: hunter2\n  url: hunter2\n";
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: c }\ndata: { COLOR: blue, DB_PASSWORD: hunter2 }\n";
    let broken = "apiVersion: v1\nkind: Secret\nmetadata: { name: db2 }\nstringData:\n  password: \"hunter2\n";
    let generator =
        "secretGenerator:\n  - name: x\n    literals:\n      - hunter2\n      - hunter2=hunter2=\n    nope: hunter2\n";
    let folder = repository(&[
        ("env/prod/secret.yaml", secret),
        ("env/prod/map.yaml", map),
        ("env/stage/broken.yaml", broken),
        ("gen/dev/kustomization.yaml", generator),
    ]);
    for path in ["env/prod", "env/stage", "gen/dev"] {
        for command in ["check", "render"] {
            let ran = trunkline(folder.path(), [command, path]);
            let shown = if command == "render" && ran.code == Some(0) { &ran.err } else { &ran.out };
            assert!(!shown.contains("hunter2") && !ran.err.contains("hunter2"), "{path}: {}{}", ran.out, ran.err);
        }
    }
    insta::assert_snapshot!(trunkline(folder.path(), ["check", "env/prod"]).seen(folder.path()), @"
    error[SEC-002]: `data.DB_PASSWORD` holds what looks like a credential, by its name
     --> env/prod/map.yaml:4:35
      |
    4 | data: { COLOR: blue, DB_PASSWORD: (hidden)
      |                                   ^^^^^^^^
      = object: ConfigMap c
      = in: env/prod
      = why: ConfigMaps, environment variables and arguments are shown, logged and copied freely; nobody guards them as secrets.
      = help: Move it into a secret store and refer to it (`secretKeyRef`), and change the credential itself: git remembers.

    error[SEC-001]: holds `password` and `url` readable in git
     --> env/prod/secret.yaml:5:13
      = object: Secret db
      = in: env/prod
      = why: Base64 hides nothing: everybody who can read the repository, now or ever, has the secret.
      = help: Use an ExternalSecret or encrypt it (SOPS, SealedSecret), and change the secret itself: git remembers.

    2 errors (2 objects in 1 environment checked)
    [exit 1]
    --- standard error
    no .github/trunkline.yaml here; taking these for environments: env/prod as prod
    ");
}

#[test]
fn another_repository_inside_is_not_ours() {
    let mut files = sound();
    files.extend([
        ("env/base/kustomization.yaml", "resources: [app.yaml, other]\n"),
        ("env/base/other/.git", "gitdir: x\n"),
    ]);
    let folder = repository(&files);
    let ran = trunkline(folder.path(), ["check"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.out.contains("`env/base/other` is a git submodule"), "{}", ran.out);
}

const POLICY: &str = "package main\nimport rego.v1\n
deny contains \"100% wrong,\\n::error::really: no\" if input.kind == \"ConfigMap\"\n
warn contains \"mind the map\" if input.kind == \"ConfigMap\"\n";

/// A repository with an error and a warning, in a file whose name needs care.
fn warned() -> TempDir {
    let mut files = sound();
    files.extend([
        ("policies/main.rego", POLICY),
        ("env/base/kustomization.yaml", "resources: [\"a,b%:c.yaml\"]\n"),
        ("env/base/a,b%:c.yaml", QUIET),
    ]);
    repository(&files)
}

#[test]
fn t36_workflow_commands_are_escaped() {
    let folder = warned();
    let ran = trunkline(folder.path(), ["check", "--format", "github"]);
    assert_eq!(ran.out.lines().filter(|line| line.starts_with("::error")).count(), 1, "{}", ran.out);
    insta::assert_snapshot!(ran.seen(folder.path()), @"
    ::error file=env/base/a%2Cb%25%3Ac.yaml,line=1,col=1,title=main.deny%3A ConfigMap app::100%25 wrong, ::error::really: no
    ::warning file=env/base/a%2Cb%25%3Ac.yaml,line=1,col=1,title=main.warn%3A ConfigMap app::mind the map
    [exit 1]
    --- standard error
    1 error, 1 warning (2 objects in 2 environments checked)
    ");
}

#[test]
fn sarif_and_json_are_for_programs() {
    let folder = warned();
    let ran = trunkline(folder.path(), ["check", "--format", "sarif"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), ""));
    let log: Value = serde_json::from_str(&ran.out).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let told: Vec<String> = results
        .iter()
        .map(|result| {
            let place = &result["locations"][0]["physicalLocation"];
            format!("{} {} {} {}", result["level"], result["ruleId"], place["artifactLocation"]["uri"], place["region"])
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    "error" "main.deny" "env/base/a%2Cb%25%3Ac.yaml" {"startLine":1,"startColumn":1}
    "warning" "main.warn" "env/base/a%2Cb%25%3Ac.yaml" {"startLine":1,"startColumn":1}
    "#);

    let ran = trunkline(folder.path(), ["check", "--format", "json"]);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &report["blocks"]), (Some(1), &Value::Bool(true)));
    assert_eq!(report["environments"].as_array().unwrap().len(), 2);

    // Nothing to say is still a document.
    let ran = trunkline(folder.path(), ["check", "docs", "--format", "sarif"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), "nothing to check: `docs` belongs to no environment\n"));
    let log: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(log["runs"][0]["results"], Value::Array(Vec::new()));
}

#[test]
fn warnings_alone_are_clean() {
    let folder = warned();
    let only_warn = POLICY.lines().filter(|line| !line.starts_with("deny")).collect::<Vec<_>>().join("\n");
    write(folder.path(), &[("policies/main.rego", &only_warn)]);
    let ran = trunkline(folder.path(), ["check"]);
    assert_eq!(ran.code, Some(0), "{}", ran.out);
    assert!(ran.out.ends_with("1 warning (2 objects in 2 environments checked)\n"), "{}", ran.out);
    // A pipe is no terminal.
    assert!(!ran.out.contains('\u{1b}'));
}

#[test]
fn what_cannot_be_done_says_why_and_what_next() {
    let folder = repository(&sound());
    let seen = |args: &[&str]| trunkline(folder.path(), args).seen(folder.path());
    insta::assert_snapshot!(seen(&["check", "nowhere"]), @"
    [exit 2]
    --- standard error
    error: `nowhere` does not exist
      help: it was looked for from `<here>`; pass a folder or a file of your repository
    ");
    insta::assert_snapshot!(seen(&["check", ".git"]), @"
    [exit 2]
    --- standard error
    error: `.git` is no place where manifests can be
      help: pass a folder of environments; `.git` and names with control characters are not looked into
    ");
    insta::assert_snapshot!(seen(&["check", "--environment", "prd"]), @"
    [exit 2]
    --- standard error
    error: there is no environment `prd`
      help: did you mean `prod`?
    ");
    insta::assert_snapshot!(seen(&["check", "--environment", "qa"]), @"
    [exit 2]
    --- standard error
    error: there is no environment `qa`
      help: choose from `dev`, `prod`
    ");
    insta::assert_snapshot!(seen(&["check", "--fromat", "json"]), @"
    [exit 2]
    --- standard error
    error: unexpected argument '--fromat' found

      tip: a similar argument exists: '--format'

    Usage: trunkline check --format <FORMAT> [PATH]

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(seen(&["chck"]), @"
    [exit 2]
    --- standard error
    error: unrecognized subcommand 'chck'

      tip: a similar subcommand exists: 'check'

    Usage: trunkline <COMMAND>

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(seen(&["render", "env/base/app.yaml"]), @"
    [exit 2]
    --- standard error
    error: `env/base/app.yaml` is a file, not a folder
      help: pass the folder it stands in
    ");
    insta::assert_snapshot!(seen(&["render"]), @"
    [exit 2]
    --- standard error
    error: the following required arguments were not provided:
      <PATH>

    Usage: trunkline render <PATH>

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(seen(&["serve"]), @"
    [exit 2]
    --- standard error
    error: no App id is set
      help: pass `--app-id` or set `TRUNKLINE_APP_ID`; the id stands at the top of the App's settings page
    error: no private key is set
      help: create one on the App's settings page, then pass its file with `--private-key-file`, or its text in `TRUNKLINE_PRIVATE_KEY`
    error: no webhook secret is set
      help: put the one from the App's settings page into `TRUNKLINE_WEBHOOK_SECRET`, or into a file for `--webhook-secret-file`; or pass `--poll 1m` when no webhook can reach this machine
    ");
}

#[test]
fn every_help_ends_with_examples_and_fits() {
    let folder = tempfile::tempdir().unwrap();
    for command in
        [&["--help"][..], &["check", "--help"], &["render", "--help"], &["schema", "--help"], &["serve", "--help"]]
    {
        let ran = trunkline(folder.path(), command);
        assert_eq!(ran.code, Some(0));
        assert!(ran.out.contains("\nExamples:\n  trunkline "), "{}", ran.out);
        let long = ran.out.lines().find(|line| line.chars().count() > 100);
        assert_eq!(long, None, "{command:?}");
        assert!(!ran.out.contains("worker"), "hidden: {}", ran.out);
    }
    let ran = trunkline(folder.path(), ["--version"]);
    assert_eq!(ran.out, format!("trunkline {}\n", env!("CARGO_PKG_VERSION")));
    insta::assert_snapshot!(trunkline(folder.path(), ["check", "--help"]).out, @"
    Validate the environments of a working tree

    Renders every environment that PATH touches, and checks it with the same rules, policies and code as
    the bot. Environments and policies come from .github/trunkline.yaml. Without that file, every folder
    with a kustomization that no other one includes is taken for an environment, or else every folder
    with manifests below PATH; whether it is dev, stage or prod is read from its name. Nothing is
    fetched, and no other program is run.

    Exit status: 0 nothing that blocks, 1 something blocks (an error, unless `policies.blocks` says
    otherwise; without a base to compare with, everything counts as new), 2 could not check, or there is
    no environment at all. A PATH that belongs to no environment is clean: a change to it reaches none.

    Usage: trunkline check [OPTIONS] [PATH]

    Arguments:
      [PATH]
              A folder or file of the repository: everything it reaches is checked
              
              [default: .]

    Options:
          --format <FORMAT>
              How findings are written

              Possible values:
              - human:  For people, with the lines themselves
              - json:   Everything there is, for programs
              - sarif:  SARIF 2.1.0, for code scanning and editors
              - github: Workflow commands, which GitHub Actions shows at their lines
              
              [default: human]

          --environment <NAME>
              Check only this environment; may be given several times

          --fix
              First take over, in the working tree, every suggestion for a finding: the lines shown as
              `replace with`

      -h, --help
              Print help (see a summary with '-h')

    Examples:
      trunkline check
      trunkline check environments/base            What everything built on that base makes of it
      trunkline check --environment prod
      trunkline check --fix                        Mends slips, quotes and the like, then checks
      trunkline check --format github              Annotations in a GitHub Actions job
      trunkline check --format sarif > trunkline.sarif
    ");
}

#[test]
fn the_schema_is_the_checked_in_one() {
    let ran = trunkline(&ourselves(), ["schema"]);
    let kept = std::fs::read_to_string(ourselves().join("docs/trunkline.schema.json")).unwrap();
    assert!(ran.code == Some(0) && ran.out == kept, "docs/trunkline.schema.json is not what `trunkline schema` prints");
}

#[test]
fn t33_serve_never_shows_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let key = "-----BEGIN RSA PRIVATE KEY-----\nhunter2hunter2hunter2\n-----END RSA PRIVATE KEY-----\n";
    write(folder.path(), &[("app.pem", key), ("hook", "hunter2hunter2hunter2\n")]);
    let args = [
        "serve",
        "--app-id",
        "1",
        "--private-key-file",
        "app.pem",
        "--webhook-secret-file",
        "hook",
        "--github-url",
        "http://127.0.0.1:9",
        "--listen",
        "127.0.0.1:0",
        "--ops-listen",
        "127.0.0.1:0",
    ];
    let ran = trunkline(folder.path(), args);
    assert_eq!(ran.code, Some(2));
    assert!(!ran.err.contains("hunter2"), "{}", ran.err);
    insta::assert_snapshot!(ran.seen(folder.path()), @"
    [exit 2]
    --- standard error
    error: the App's private key is not an RSA key in PEM form; download a new one from the App's settings
      help: download a new private key from the App's settings page
    ");
}

/// The whole bot as a process against the sandbox over loopback: it signs in, polls, fetches by git, evaluates in a child,
/// writes, and stops when told to.
#[tokio::test(flavor = "multi_thread")]
async fn serve_runs_until_told_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let github = Sandbox::start(Options {
        dir: folder.path().join("github"),
        clock: Clock::System,
        base_url: url.clone(),
        app: AppSpec::from_manifest(include_str!("../../app-manifest.yml")).unwrap(),
        webhook_secret: "a webhook secret of enough bytes".into(),
        deliver_to: None,
    })
    .await
    .unwrap();
    seed::example(&github, &seed::environments());
    tokio::spawn(trunkline::web::serve(listener, github.router(), std::future::pending()));
    std::fs::write(folder.path().join("app.pem"), github.app_private_key_pem()).unwrap();
    let mut bot = Command::new(env!("CARGO_BIN_EXE_trunkline"))
        .args(["serve", "--poll", "1m", "--private-key-file", "app.pem", "--log", "trunkline=debug"])
        .args(["--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0", "--data-dir", "data"])
        .args(["--github-url", &url, "--app-id", &github.app_id().to_string()])
        .current_dir(folder.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let err = bot.stderr.take().unwrap();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || BufReader::new(err).lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
    let mut seen = Vec::new();
    // A pass over the pipeline needs all of it: sign-in, sweep, git, GraphQL.
    let ended = told_until(&told, &mut seen, |line| line.contains("looked at") && line.contains("pipeline/"));
    let kill = Command::new("kill").args(["-TERM", &bot.id().to_string()]).status().unwrap();
    if !ended {
        bot.kill().unwrap();
    }
    let status = bot.wait().unwrap();
    assert!(ended && kill.success(), "{}", seen.join("\n"));
    told_until(&told, &mut seen, |_| false);
    let log = seen.join("\n");
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("serving") && log.contains("stopped"), "{log}");
    assert!(!log.contains("ERROR") && !log.contains("PRIVATE KEY") && !log.contains("ghs_"), "{log}");
    assert!(folder.path().join("data/queue.db").is_file());
}

/// Takes in lines until one is the wanted one; false when they end, or none comes for a minute.
fn told_until(lines: &mpsc::Receiver<String>, seen: &mut Vec<String>, wanted: impl Fn(&str) -> bool) -> bool {
    while let Ok(line) = lines.recv_timeout(Duration::from_secs(60)) {
        let found = wanted(&line);
        seen.push(line);
        if found {
            return true;
        }
    }
    false
}

#[test]
fn a_value_is_traced_to_its_line() {
    let folder = repository(&sound());
    let seen = |args: &[&str]| trunkline(folder.path(), [&["render"], args].concat()).seen(folder.path());
    insta::assert_snapshot!(seen(&["env/prod", "--explain", "ConfigMap/app", "metadata.namespace"]), @"
    metadata.namespace: prod
      env/prod/kustomization.yaml:1:12  namespace
    [exit 0]
    ");
    // The folder may come last.
    insta::assert_snapshot!(seen(&["--explain", "app", "env/prod"]), @"
    apiVersion: v1
      env/base/app.yaml:1:13  written here

    kind: ConfigMap
      env/base/app.yaml:2:7  written here

    metadata.name: app
      env/base/app.yaml:3:19  written here

    metadata.namespace: prod
      env/prod/kustomization.yaml:1:12  namespace

    data.color: blue
      env/base/app.yaml:4:16  written here
    [exit 0]
    ");
    insta::assert_snapshot!(seen(&["--explain", "app"]), @"
    [exit 2]
    --- standard error
    error: no folder was given
      help: run `trunkline render <PATH> --explain app`, with the environment's folder
    ");
    insta::assert_snapshot!(seen(&["env/prod", "--explain", "ConfigMap/ap"]), @"
    [exit 2]
    --- standard error
    error: no object is called `ConfigMap/ap`
      help: There is `ConfigMap/prod/app`.
    ");
}

/// Public repositories: their findings are their own, but we never stumble.
#[test]
fn the_corpus_is_checked_and_rendered() {
    let corpus = ourselves().join("../shared/corpus");
    let Ok(repositories) = corpus.read_dir() else {
        eprintln!("skipped: no corpus at {}", corpus.display());
        return;
    };
    for repository in repositories.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        let mut open = vec![repository.clone()];
        while let Some(folder) = open.pop() {
            let below = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
            open.extend(below.filter(|path| path.is_dir()));
            let path = folder.strip_prefix(&repository).unwrap().to_str().unwrap();
            let path = if path.is_empty() { "." } else { path };
            for args in [["check", path], ["render", path]] {
                let ran = trunkline(&repository, args);
                assert!(matches!(ran.code, Some(0 | 1)), "{args:?} in {}: {}", repository.display(), ran.err);
                assert!(!ran.err.contains("panicked"), "{args:?} in {}: {}", repository.display(), ran.err);
            }
        }
    }
}
