//! What is foretold of changed policies, waivers and configurations.

use super::evaluate_tests::{Files, change_under};
use crate::config;
use crate::model::finding::{Delta, Evaluation};

const CONFIG: &str = "version: 1
environments:
  dev: { path: env/dev, takes: trunk }
  prod: { path: env/prod, takes: releases, after: [dev] }
policies: { packs: [minimal], paths: [policies] }
";
const APP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: app }\nimutable: true\n";
const POLICY: &str =
    "package main\n\nimport rego.v1\n\ndeny contains \"no owner\" if not input.metadata.labels.owner\n";
const WAIVERS: &str = "- rule: main.deny
  object: ConfigMap app
  environments: [dev]
  reason: nobody owns dev
  owner: acme/platform
  expires: 9999-12-30
";

/// The example, with files put over it; an empty text takes one away.
fn files<'a>(over: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut all = vec![(config::FILE, CONFIG), ("env/dev/app.yaml", APP), ("env/prod/app.yaml", APP)];
    all.retain(|(path, _)| over.iter().all(|(other, _)| other != path));
    all.extend(over.iter().filter(|(_, text)| !text.is_empty()));
    all
}

fn change(before: Files, after: Files) -> Evaluation {
    let text = before.iter().find(|(path, _)| *path == config::FILE).unwrap().1;
    let parsed = config::parse(&config::FILE.parse().unwrap(), text);
    assert_eq!(parsed.problems, []);
    change_under(&parsed.pipeline.unwrap(), before, after)
}

/// What the change's own rules would newly find (`+`) and no longer find (`-`), and how many environments were looked at.
fn foretold(before: Files, after: Files) -> String {
    let evaluation = change(before, after);
    let Some(preview) = &evaluation.preview else { return "nothing".to_owned() };
    let mut out = format!("{} looked at, {} left out\n", preview.looked_at, preview.left_out);
    for (environment, finding) in preview.evaluation.all_findings() {
        let sign = match finding.delta {
            Delta::New => "+",
            Delta::Fixed => "-",
            Delta::Existing => panic!("{finding:?} is no news"),
        };
        let accepted = if finding.accepted.is_some() { " accepted" } else { "" };
        let name = &environment.unwrap().environment;
        out.push_str(&format!("{sign} {name}{accepted} {} {}: {}\n", finding.severity, finding.rule, finding.message));
    }
    out
}

#[test]
fn a_policy_is_tried_on_every_environment_and_judges_none() {
    let (without, with) = (files(&[]), files(&[("policies/main.rego", POLICY)]));
    insta::assert_snapshot!(foretold(&without, &with), @"
    2 looked at, 0 left out
    + dev error main.deny: no owner
    + prod error main.deny: no owner
    ");
    insta::assert_snapshot!(foretold(&with, &without), @"
    2 looked at, 0 left out
    - dev error main.deny: no owner
    - prod error main.deny: no owner
    ");
    let evaluation = change(&without, &with);
    assert!(!evaluation.blocks() && evaluation.environments.is_empty(), "{evaluation:?}");
    // Other words for the same.
    let commented = format!("# why\n{POLICY}");
    let same = files(&[("policies/main.rego", &commented)]);
    assert_eq!(foretold(&with, &same), "2 looked at, 0 left out\n");
    // What touches no rule has no preview.
    assert_eq!(foretold(&with, &files(&[("policies/main.rego", POLICY), ("env/dev/app.yaml", "")])), "nothing");
}

#[test]
fn how_grave_a_finding_is_and_who_accepts_it_is_news() {
    let softer = CONFIG.replace("paths: [policies]", "paths: [policies], severities: { SCH-001: { dev: warning } }");
    insta::assert_snapshot!(foretold(&files(&[]), &files(&[(config::FILE, &softer)])), @"
    2 looked at, 0 left out
    + dev warning SCH-001: `imutable` is no field of ConfigMap; did you mean `immutable`?
    - dev error SCH-001: `imutable` is no field of ConfigMap; did you mean `immutable`?
    ");
    let (without, with) = (
        files(&[("policies/main.rego", POLICY)]),
        files(&[("policies/main.rego", POLICY), ("policies/waivers.yaml", WAIVERS)]),
    );
    insta::assert_snapshot!(foretold(&without, &with), @"
    2 looked at, 0 left out
    + dev accepted error main.deny: no owner
    - dev error main.deny: no owner
    ");
    insta::assert_snapshot!(foretold(&with, &without), @"
    2 looked at, 0 left out
    + dev error main.deny: no owner
    - dev accepted error main.deny: no owner
    ");
    // A waiver that is there already, or comes along, is for what is new as well.
    let waived = files(&[("policies/waivers.yaml", WAIVERS)]);
    insta::assert_snapshot!(foretold(&waived, &with), @"
    2 looked at, 0 left out
    + dev accepted error main.deny: no owner
    + prod error main.deny: no owner
    ");
    insta::assert_snapshot!(foretold(&files(&[]), &with), @"
    2 looked at, 0 left out
    + dev accepted error main.deny: no owner
    + prod error main.deny: no owner
    ");
}

#[test]
fn another_configuration_is_tried_on_its_own_environments_and_folders() {
    let other = CONFIG.replace(
        "prod: { path: env/prod, takes: releases, after: [dev] }",
        "live: { path: env/prod, takes: releases }",
    ) + "registries: []\n";
    insta::assert_snapshot!(foretold(&files(&[]), &files(&[(config::FILE, &other)])), @"
    2 looked at, 0 left out
    + live error SCH-001: `imutable` is no field of ConfigMap; did you mean `immutable`?
    ");
    let gone = CONFIG.replace("env/prod", "env/elsewhere");
    assert_eq!(foretold(&files(&[]), &files(&[(config::FILE, &gone)])), "1 looked at, 0 left out\n");
    let moved = CONFIG.replace("[policies]", "[rules]");
    let rules = [("rules/main.rego", POLICY)];
    insta::assert_snapshot!(foretold(&files(&rules), &files(&[rules[0], (config::FILE, &moved)])), @"
    2 looked at, 0 left out
    + dev error main.deny: no owner
    + prod error main.deny: no owner
    ");
    assert_eq!(foretold(&files(&[]), &files(&[(config::FILE, "version: 2\n")])), "nothing", "it is not valid");
}

#[test]
fn a_policy_among_what_an_environment_applies_is_foretold_for_it() {
    let policy = "apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: { name: owned }
spec:
  matchConstraints: { resourceRules: [{ apiGroups: [''], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps] }] }
  validations: [{ expression: \"has(object.metadata.labels)\", message: no labels }]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: { name: owned }
spec: { policyName: owned, validationActions: [Deny] }
";
    insta::assert_snapshot!(foretold(&files(&[]), &files(&[("env/prod/policy.yaml", policy)])), @"
    2 looked at, 0 left out
    + prod error owned: no labels
    ");
}

#[test]
fn a_fleet_is_looked_at_in_part_and_what_goes_is_told_beside_much_that_stays() {
    let fleet: String = (0..33).map(|n| format!("  e{n}: {{ path: env/e{n}, takes: trunk }}\n")).collect();
    let config = CONFIG.replace("environments:\n", &format!("environments:\n{fleet}"));
    let folders: Vec<String> = (0..33).map(|n| format!("env/e{n}/app.yaml")).collect();
    let mut all = files(&[(config::FILE, &config)]);
    all.extend(folders.iter().map(|path| (path.as_str(), "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n")));
    let mut with = all.clone();
    with.push(("policies/main.rego", POLICY));
    let told = foretold(&all, &with);
    assert!(told.starts_with("30 looked at, 5 left out\n") && told.lines().count() == 31, "{told}");
    // More findings of one rule than are listed, of which one goes.
    let many: String =
        (0..150).map(|n| format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: n{n} }}\n")).collect();
    let rule = "if not input.metadata.labels.owner";
    let spared = POLICY.replace(rule, "if { not input.metadata.labels.owner; input.metadata.name != \"n77\" }");
    let before = files(&[("env/dev/many.yaml", &many), ("policies/main.rego", POLICY)]);
    let after = files(&[("env/dev/many.yaml", &many), ("policies/main.rego", &spared)]);
    insta::assert_snapshot!(foretold(&before, &after), @"
    2 looked at, 0 left out
    - dev error main.deny: no owner
    ");
}
