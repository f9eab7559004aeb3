//! What `check` and `policy test` write: every format tells of waivers, and SARIF is what its schema says.

use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;
use trunkline::model::finding::Evaluation;
use trunkline::report::sarif::sarif;

use crate::cli::{repository, trunkline};

const CONFIG: &str = "\
version: 1
environments:
  dev: { path: env/dev, takes: trunk }
  prod: { path: env/prod, takes: releases, after: [dev] }
policies: { packs: [minimal], paths: [policies] }
";
const POLICY: &str = "\
package main

import rego.v1

deny contains \"no owner\" if {
  input.kind == \"ConfigMap\"
  not input.metadata.labels.owner
}
";
const TESTS: &str = "\
package main

import rego.v1

test_an_owner_is_asked_for if deny == {\"no owner\"} with input as {\"kind\": \"ConfigMap\"}

test_others_need_none if {
  print(\"denied:\", deny)
  count(deny) == 1 with input as {\"kind\": \"Service\"}
}
";
const WAIVERS: &str = "\
# Read from the default branch alone.
- rule: main.deny
  object: ConfigMap app
  environments: [dev]
  reason: nobody owns dev
  owner: acme/platform
  expires: 9999-12-30
- rule: main.deny
  path: env/prod
  reason: it was to go
  owner: '@sue'
  expires: 2026-01-31
- rule: main.deny
  object: ConfigMap gone
  reason: it is gone
  owner: '@sue'
  expires: 9999-12-30
- { rule: main.deny, object: app }
";

fn waived() -> TempDir {
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: app }\n";
    repository(&[
        (".github/trunkline.yaml", CONFIG),
        ("env/dev/app.yaml", map),
        ("env/prod/app.yaml", map),
        ("policies/main.rego", POLICY),
        ("policies/waivers.yaml", WAIVERS),
    ])
}

#[test]
fn check_obeys_waivers_and_says_what_is_wrong_with_them() {
    let folder = waived();
    insta::assert_snapshot!(trunkline(folder.path(), ["check"]).seen(folder.path()), @"
    error[WAIVER]: `object` should be `Kind namespace/name`
      --> policies/waivers.yaml:18:30
       |
    18 | - { rule: main.deny, object: app }
       |                              ^^^
       = help: Write it as findings show it, such as `Deployment shop-prod/web`; `*` stands for any text.

    error[WAIVER]: this waiver has no `reason`
      --> policies/waivers.yaml:18:3
       |
    18 | - { rule: main.deny, object: app }
       |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       = help: Say why this is acceptable, for whoever reads it next year.

    error[WAIVER]: this waiver has no `owner`
      --> policies/waivers.yaml:18:3
       |
    18 | - { rule: main.deny, object: app }
       |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       = help: Say who answers for it: a team or a login.

    error[WAIVER]: this waiver has no `expires`
      --> policies/waivers.yaml:18:3
       |
    18 | - { rule: main.deny, object: app }
       |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       = help: Write the last day on which it counts, such as `2027-03-31`.

    error[main.deny]: no owner
     --> env/prod/app.yaml:1:1
      |
    1 | apiVersion: v1
      | ^^^^^^^^^^^^^^
      = object: ConfigMap app
      = in: prod
      = help: A waiver accepted this until 2026-01-31 (`policies/waivers.yaml:8`).

    warning[WAIVER]: this waiver of `main.deny` expired on 2026-01-31; it let through `ConfigMap app` in `prod`: no owner
     --> policies/waivers.yaml:8:3
      |
    8 | - rule: main.deny
      |   ^^^^^^^^^^^^^^^
      = help: Fix that and remove the waiver, or give it a later day if its reason still holds.

    info[WAIVER]: nothing needs this waiver of `main.deny`
      --> policies/waivers.yaml:13:3
       |
    13 | - rule: main.deny
       |   ^^^^^^^^^^^^^^^
       = help: Remove it; or correct `object`, `path` or `environments`, if it was meant for something that is there.

    accepted error[main.deny]: no owner
     --> env/dev/app.yaml:1:1
      |
    1 | apiVersion: v1
      | ^^^^^^^^^^^^^^
      = object: ConfigMap app
      = in: dev
      = accepted: waived until 9999-12-30 by acme/platform: nobody owns dev

    5 errors, 1 warning, 1 note, 1 accepted (2 objects in 2 environments checked)
    [exit 1]
    ");
    // Another environment says nothing of a waiver that may be for it.
    insta::assert_snapshot!(trunkline(folder.path(), ["check", "--environment", "dev"]).seen(folder.path()), @"
    error[WAIVER]: `object` should be `Kind namespace/name`
      --> policies/waivers.yaml:18:30
       |
    18 | - { rule: main.deny, object: app }
       |                              ^^^
       = help: Write it as findings show it, such as `Deployment shop-prod/web`; `*` stands for any text.

    error[WAIVER]: this waiver has no `reason`
      --> policies/waivers.yaml:18:3
       |
    18 | - { rule: main.deny, object: app }
       |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       = help: Say why this is acceptable, for whoever reads it next year.

    error[WAIVER]: this waiver has no `owner`
      --> policies/waivers.yaml:18:3
       |
    18 | - { rule: main.deny, object: app }
       |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       = help: Say who answers for it: a team or a login.

    error[WAIVER]: this waiver has no `expires`
      --> policies/waivers.yaml:18:3
       |
    18 | - { rule: main.deny, object: app }
       |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       = help: Write the last day on which it counts, such as `2027-03-31`.

    accepted error[main.deny]: no owner
     --> env/dev/app.yaml:1:1
      |
    1 | apiVersion: v1
      | ^^^^^^^^^^^^^^
      = object: ConfigMap app
      = in: dev
      = accepted: waived until 9999-12-30 by acme/platform: nobody owns dev

    4 errors, 1 accepted (1 object in 1 environment checked)
    [exit 1]
    ");
    insta::assert_snapshot!(trunkline(folder.path(), ["check", "--format", "github"]).seen(folder.path()), @"
    ::error file=policies/waivers.yaml,line=18,col=30,title=WAIVER::`object` should be `Kind namespace/name` Fix: Write it as findings show it, such as `Deployment shop-prod/web`; `*` stands for any text.
    ::error file=policies/waivers.yaml,line=18,col=3,title=WAIVER::this waiver has no `reason` Fix: Say why this is acceptable, for whoever reads it next year.
    ::error file=policies/waivers.yaml,line=18,col=3,title=WAIVER::this waiver has no `owner` Fix: Say who answers for it: a team or a login.
    ::error file=policies/waivers.yaml,line=18,col=3,title=WAIVER::this waiver has no `expires` Fix: Write the last day on which it counts, such as `2027-03-31`.
    ::error file=env/prod/app.yaml,line=1,col=1,title=main.deny%3A ConfigMap app::no owner Fix: A waiver accepted this until 2026-01-31 (`policies/waivers.yaml:8`).
    ::warning file=policies/waivers.yaml,line=8,col=3,title=WAIVER::this waiver of `main.deny` expired on 2026-01-31; it let through `ConfigMap app` in `prod`: no owner Fix: Fix that and remove the waiver, or give it a later day if its reason still holds.
    ::notice file=policies/waivers.yaml,line=13,col=3,title=WAIVER::nothing needs this waiver of `main.deny` Fix: Remove it; or correct `object`, `path` or `environments`, if it was meant for something that is there.
    ::notice file=env/dev/app.yaml,line=1,col=1,title=main.deny%3A ConfigMap app::no owner (waived until 9999-12-30 by acme/platform: nobody owns dev)
    [exit 1]
    --- standard error
    5 errors, 1 warning, 1 note, 1 accepted (2 objects in 2 environments checked)
    ");
    let ran = trunkline(folder.path(), ["check", "--format", "json"]);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    insta::assert_snapshot!(format!("{} {}", report["errors"], report["environments"][0]["findings"][0]["accepted"]), @r#"{"new":5,"existing":0,"fixed":0,"accepted":1} "waived until 9999-12-30 by acme/platform: nobody owns dev""#);
}

/// The official JSON Schema, which `tests/tools/install` brings.
fn schema() -> Option<jsonschema::Validator> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join(".tools/node_modules/@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: {} is not there; run tests/tools/install", path.display());
        return None;
    };
    // One pattern, of languages, holds a bracket that opens nowhere, which this engine does not let pass.
    let text = text.replace("[a-zA-Z]{2}]?$", "[a-zA-Z]{2}$");
    Some(jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap())
}

/// A finding with as little, or as much, as one can have.
fn finding(delta: &str, location: Value, accepted: Value) -> Value {
    json!({
        "rule": "IMG-001", "severity": "error", "object": null, "message": "a <b> \u{1b}[31m `c`", "why": "", "fix": "do",
        "location": location, "delta": delta, "accepted": accepted,
    })
}

#[test]
fn sarif_is_valid_against_its_schema() {
    let Some(schema) = schema() else { return };
    let valid = |log: &Value| {
        let errors: Vec<String> =
            schema.iter_errors(log).map(|error| format!("{error} at {}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{errors:#?}\n{log:#}");
    };
    let folder = waived();
    for args in [["check", "--format", "sarif"], ["check", "docs", "--format"]] {
        let args = args.iter().copied().chain((args[2] == "--format").then_some("sarif"));
        let ran = trunkline(folder.path(), args);
        if !ran.out.is_empty() {
            valid(&serde_json::from_str(&ran.out).unwrap());
        }
    }
    let place = |line: u32, column: u32| json!({ "path": "a b/ü%.yaml", "line": line, "column": column });
    let mut mended = finding("new", place(3, 7), Value::Null);
    mended["suggestion"] =
        json!({ "path": "a b/ü%.yaml", "first": 3, "last": 3, "before": "  ü: 'x'", "after": "  ü: x\n  y: z" });
    let findings = [
        finding("new", Value::Null, Value::Null),
        finding("existing", place(0, 0), json!("waived until 2027-01-01 by a: b")),
        finding("fixed", place(3, 7), Value::Null),
        mended,
    ];
    let evaluation: Evaluation = serde_json::from_value(json!({ "environments": [], "findings": findings })).unwrap();
    valid(&sarif(&evaluation, "1.0.0"));
    // The schema is one that says no.
    let mut wrong = sarif(&evaluation, "1.0.0");
    wrong["runs"][0]["results"][0]["level"] = json!("grave");
    assert!(!schema.is_valid(&wrong));
}

#[test]
fn every_format_has_the_lines_that_mend_a_finding() {
    let service = "\
apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  # The front door.
  ports: [{ port: \"80\" }]
  selectr: { app: web } # pods
---
apiVersion: v1
kind: Secret
metadata: { name: web }
imutable: true
";
    let folder = repository(&[(".github/trunkline.yaml", CONFIG), ("env/dev/web.yaml", service)]);
    let ran = trunkline(folder.path(), ["check", "--environment", "dev"]);
    insta::assert_snapshot!(ran.seen(folder.path()), @r#"
    error[SCH-002]: `spec.ports[0].port` is text, and a whole number is needed: take the quotes off
     --> env/dev/web.yaml:6:19
      |
    6 |   ports: [{ port: "80" }]
      |                   ^^^^^^^
      = object: Service web
      = in: dev
      = why: The API server refuses an object with a value of another type, and Flux stops there.
      = help: Write the value as the field needs it.
      = replace with:
      |
    6 -   ports: [{ port: "80" }]
    6 +   ports: [{ port: 80 }]

    error[SCH-001]: `spec.selectr` is no field of Service; did you mean `selector`?
     --> env/dev/web.yaml:7:3
      |
    7 |   selectr: { app: web } # pods
      |   ^^^^^^^^^^^^^^^^^^^
      = object: Service web
      = in: dev
      = why: The API server drops a field it does not know, or refuses the object: what was meant does not happen.
      = help: Correct the name, or move the field to where it belongs.
      = replace with:
      |
    7 -   selectr: { app: web } # pods
    7 +   selector: { app: web } # pods

    error[SCH-001]: `imutable` is no field of Secret; did you mean `immutable`?
      --> env/dev/web.yaml:12:1
       = object: Secret web
       = in: dev

    3 errors (2 objects in 1 environment checked)
    [exit 1]
    "#);
    let ran = trunkline(folder.path(), ["check", "--environment", "dev", "--format", "json"]);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    let findings = report["environments"][0]["findings"].as_array().unwrap();
    let suggestions: Vec<&Value> = findings.iter().filter_map(|finding| finding.get("suggestion")).collect();
    insta::assert_snapshot!(json!(suggestions), @r#"[{"path":"env/dev/web.yaml","first":6,"last":6,"before":"  ports: [{ port: \"80\" }]","after":"  ports: [{ port: 80 }]"},{"path":"env/dev/web.yaml","first":7,"last":7,"before":"  selectr: { app: web } # pods","after":"  selector: { app: web } # pods"}]"#);
    let ran = trunkline(folder.path(), ["check", "--environment", "dev", "--format", "sarif"]);
    let log: Value = serde_json::from_str(&ran.out).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let fixes: Vec<&Value> = results.iter().filter_map(|result| result.get("fixes")).collect();
    insta::assert_snapshot!(json!(fixes), @r#"[[{"description":{"text":"Write the value as the field needs it."},"artifactChanges":[{"artifactLocation":{"uri":"env/dev/web.yaml","uriBaseId":"%SRCROOT%"},"replacements":[{"deletedRegion":{"startLine":6,"startColumn":1,"endLine":6,"endColumn":26},"insertedContent":{"text":"  ports: [{ port: 80 }]"}}]}]}],[{"description":{"text":"Correct the name, or move the field to where it belongs."},"artifactChanges":[{"artifactLocation":{"uri":"env/dev/web.yaml","uriBaseId":"%SRCROOT%"},"replacements":[{"deletedRegion":{"startLine":7,"startColumn":1,"endLine":7,"endColumn":31},"insertedContent":{"text":"  selector: { app: web } # pods"}}]}]}]]"#);
}

#[test]
fn fix_takes_over_what_is_certain_once_and_leaves_the_rest() {
    let note = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: note }\nimutable: true # for good\ndata: { a: 1, b: 2 }\nxyz: 3\n";
    let kustomization = "resources: [../base]\n";
    let folder = repository(&[
        (".github/trunkline.yaml", CONFIG),
        ("env/base/note.yaml", note),
        ("env/base/kustomization.yaml", "resources: [note.yaml]\n"),
        ("env/dev/kustomization.yaml", kustomization),
        ("env/prod/kustomization.yaml", kustomization),
    ]);
    let ran = trunkline(folder.path(), ["check", "--fix"]);
    let last = |out: &str| out.lines().rfind(|line| line.contains("checked")).unwrap_or_default().to_owned();
    insta::assert_snapshot!(format!("{}{}", ran.err, last(&ran.out)), @"
    fixed env/base/note.yaml:4 (SCH-001)
    fixed env/base/note.yaml:5 (SCH-002)
    1 more for lines that were just fixed; run it again
    2 errors (2 objects in 2 environments checked)
    ");
    let file = folder.path().join("env/base/note.yaml");
    insta::assert_snapshot!(std::fs::read_to_string(&file).unwrap(), @r#"
    apiVersion: v1
    kind: ConfigMap
    metadata: { name: note }
    immutable: true # for good
    data: { a: "1", b: 2 }
    xyz: 3
    "#);
    for _ in 0..3 {
        trunkline(folder.path(), ["check", "--fix"]);
    }
    let ran = trunkline(folder.path(), ["check", "--fix"]);
    insta::assert_snapshot!(format!("{}{} [exit {}]", ran.err, last(&ran.out), ran.code.unwrap()), @"1 error (2 objects in 2 environments checked) [exit 1]");
    insta::assert_snapshot!(std::fs::read_to_string(&file).unwrap(), @r#"
    apiVersion: v1
    kind: ConfigMap
    metadata: { name: note }
    immutable: true # for good
    data: { a: "1", b: "2" }
    xyz: 3
    "#);
    // What a link leads to is not written through it.
    std::fs::write(folder.path().join("elsewhere.yaml"), note).unwrap();
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("../../elsewhere.yaml", &file).unwrap();
    trunkline(folder.path(), ["check", "--fix"]);
    assert_eq!(std::fs::read_to_string(folder.path().join("elsewhere.yaml")).unwrap(), note);
}

#[test]
fn policy_test_runs_a_folders_own_tests() {
    let folder = repository(&[("policies/main.rego", POLICY), ("policies/main_test.rego", TESTS)]);
    insta::assert_snapshot!(trunkline(folder.path(), ["policy", "test"]).seen(folder.path()), @"
    FAIL policies/main_test.rego:7 main.test_others_need_none
           policies/main_test.rego:8: denied: {}
    1 passed, 1 failed
    [exit 1]
    ");
    std::fs::write(folder.path().join("policies/main_test.rego"), TESTS.replace("== 1", "== 0")).unwrap();
    insta::assert_snapshot!(trunkline(folder.path(), ["policy", "test", "-v", "policies"]).seen(folder.path()), @"
    PASS policies/main_test.rego:5 main.test_an_owner_is_asked_for
    PASS policies/main_test.rego:7 main.test_others_need_none
    2 passed, 0 failed
    [exit 0]
    ");
    std::fs::write(folder.path().join("policies/main.rego"), "package main\n\ndeny contains if\n").unwrap();
    insta::assert_snapshot!(trunkline(folder.path(), ["policy", "test"]).seen(folder.path()), @"
    error[POLICY]: the policy does not parse: unexpected keyword `if`
     --> policies/main.rego:3:15
      |
    3 | deny contains if
      |               ^^
      = why: A policy that does not run lets everything pass.
      = help: Correct the line; `opa check` or `conftest verify` may tell more.

    no test was run: correct the policies first
    [exit 1]
    ");
    let none = repository(&[("policies/main.rego", POLICY)]);
    insta::assert_snapshot!(trunkline(none.path(), ["policy", "test"]).seen(none.path()), @"
    [exit 2]
    --- standard error
    error: there is no test in `policies`
      help: write rules named `test_…` in a file named `…_test.rego`; `trunkline policy test --help` shows one
    ");
}
