//! What is offered, and what is not.

use super::evaluate_tests::{change, change_under, pipeline};
use crate::model::finding::Evaluation;
use crate::model::suggestion::Suggestion;

const APP: &str = "environments/dev/app.yaml";

/// The suggestions for a file that is new, by rule.
fn suggestions(text: &str) -> Vec<(String, Suggestion)> {
    let evaluation = change(&[("x", "y")], &[(APP, text)]);
    of(&evaluation)
}

fn of(evaluation: &Evaluation) -> Vec<(String, Suggestion)> {
    let all = evaluation.all_findings().map(|(_, finding)| finding);
    all.filter_map(|finding| Some((finding.rule.clone(), finding.suggestion.clone()?))).collect()
}

/// The suggestions as a person sees them; each of them, taken over, mends its finding and brings no other.
fn shown(text: &str) -> String {
    let found = |text: &str| {
        let evaluation = change(&[("x", "y")], &[(APP, text)]);
        let mut all: Vec<String> =
            evaluation.all_findings().map(|(_, finding)| format!("{} {}", finding.rule, finding.message)).collect();
        all.sort();
        all
    };
    let before = found(text);
    let mut out = String::new();
    for (rule, one) in suggestions(text) {
        let mut lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[one.first as usize - 1..one.last as usize].join("\n"), one.before);
        lines.splice(one.first as usize - 1..one.last as usize, one.after.lines());
        let after = found(&format!("{}\n", lines.join("\n")));
        assert!(after.len() < before.len() && after.iter().all(|one| before.contains(one)), "{after:#?}");
        out.push_str(&format!("{rule} {}-{}: {:?} → {:?}\n", one.first, one.last, one.before, one.after));
    }
    out
}

fn config_map(rest: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: app }}\n{rest}")
}

#[test]
fn slips_and_quotes_are_mended_in_the_style_of_the_file() {
    insta::assert_snapshot!(shown(&config_map("imutable: true # why\n")), @r#"SCH-001 4-4: "imutable: true # why" → "immutable: true # why""#);
    insta::assert_snapshot!(shown(&config_map("data:\n  port: 80\n  debug: true\n  'quoted': 0x10\nimmutable: 'true'\n")), @r#"
    SCH-002 5-5: "  port: 80" → "  port: \"80\""
    SCH-002 6-6: "  debug: true" → "  debug: \"true\""
    SCH-002 8-8: "immutable: 'true'" → "immutable: true"
    "#);
    let service = "apiVersion: v1\nkind: Service\nmetadata: { name: app }\nspec:\n  ports: [{ port: \"80\" }]\n  sessionAfinity: None # sticks to nobody\n";
    insta::assert_snapshot!(shown(service), @r#"
    SCH-001 6-6: "  sessionAfinity: None # sticks to nobody" → "  sessionAffinity: None # sticks to nobody"
    SCH-002 5-5: "  ports: [{ port: \"80\" }]" → "  ports: [{ port: 80 }]"
    "#);
}

#[test]
fn a_word_that_a_schema_lists_is_mended() {
    let rule = super::rules::all().find(|rule| rule.id == "SCH-004").unwrap();
    let with = |size: &str| rule.bad.strip_prefix("# file: env/crd.yaml\n").unwrap().replace("medium", size);
    insta::assert_snapshot!(shown(&with("Small")), @r#"SCH-004 21-21: "spec: { size: Small }" → "spec: { size: small }""#);
    insta::assert_snapshot!(shown(&with("\"lrage\"")), @r#"SCH-004 21-21: "spec: { size: \"lrage\" }" → "spec: { size: \"large\" }""#);
    assert_eq!(suggestions(&with("medium")), []);
}

#[test]
fn an_api_version_is_replaced_where_the_successor_means_the_same() {
    let budget = |selector: &str| {
        format!(
            "apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata: {{ name: app }}\nspec: {{ maxUnavailable: 1{selector} }}\n"
        )
    };
    insta::assert_snapshot!(shown(&budget(", selector: { matchLabels: { app: x } }")), @r#"SCH-005 1-1: "apiVersion: policy/v1beta1" → "apiVersion: policy/v1""#);
    assert_eq!(suggestions(&budget(", selector: {}")), []);
    assert_eq!(suggestions(&budget("")), []);
}

#[test]
fn the_one_line_that_a_container_lacks_is_added_below_its_siblings() {
    let pod = |context: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{ name: app }}\nspec:\n  automountServiceAccountToken: false\n  containers:\n  - name: app\n    \
             image: app:v1\n    resources: {{ requests: {{ cpu: 1m, memory: 1Mi }}, limits: {{ memory: 1Mi }} }}\n    securityContext:\n{context}"
        )
    };
    let most = "      runAsNonRoot: true\n      seccompProfile: { type: RuntimeDefault }\n      capabilities: { drop: [ALL] } # none\n";
    insta::assert_snapshot!(shown(&pod(most)), @r#"WL-005 13-13: "      capabilities: { drop: [ALL] } # none" → "      capabilities: { drop: [ALL] } # none\n      allowPrivilegeEscalation: false""#);
    assert_eq!(suggestions(&pod(&format!("{most}      allowPrivilegeEscalation: true\n"))), []);
    assert_eq!(suggestions(&pod(&format!("{most}      privileged: true\n"))), []);
    assert_eq!(suggestions(&pod("      runAsNonRoot: true\n")), [], "more is missing");
}

#[test]
fn what_is_not_certain_is_not_offered() {
    // As near to one field as to another, or to none; a value of another type; a variable; text that reads as something else.
    for rest in [
        "dat: 3\n",
        "data: { a: '${b}' }\nxyz: 1\n",
        "data: { a: 0x10 }\n",
        "data: { a: True }\n",
        "immutable: 'yes'\n",
        "data: &d { a: 1 }\nbinaryData: *d\n",
    ] {
        assert_eq!(suggestions(&config_map(rest)), [], "{rest}");
    }
    // What is taken from elsewhere does not stand there.
    let files = [
        (
            "environments/dev/kustomization.yaml",
            "resources: [app.yaml]\npatches:\n- patch: |\n    - { op: add, path: /immutable, value: 'true' }\n  target: { kind: ConfigMap }\n",
        ),
        (APP, "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: app }\ndata: { a: b }\n"),
    ];
    let evaluation = change(&[("x", "y")], &files);
    assert!(evaluation.all_findings().any(|(_, finding)| finding.rule == "SCH-002"), "{evaluation:?}");
    assert_eq!(of(&evaluation), []);
}

#[test]
fn t35_no_suggestion_gives_a_secret_away() {
    let secret =
        "apiVersion: v1\nkind: Secret\nmetadata: { name: app }\nstringData: { password: 12345678 }\nimutable: true\n";
    assert_eq!(suggestions(secret), []);
    let named = config_map("data: { PASSWORD: hunter22, port: 80 }\n");
    assert_eq!(suggestions(&named), []);
}

#[test]
fn what_is_long_odd_or_was_there_before_is_left_alone() {
    assert_eq!(suggestions(&config_map("data: { port: 80 }\r\n")), []);
    let long = format!("data:\n  a: {}\n  port: 80 # {}\n", "x".repeat(2_000), "y".repeat(2_000));
    assert_eq!(suggestions(&config_map(&long)), []);
    let (before, after) = (config_map("data: { port: 80 }\n"), config_map("data: { port: 80, x: 1 }\n"));
    let told: Vec<String> =
        of(&change(&[(APP, &before)], &[(APP, &after)])).into_iter().map(|(_, one)| one.after).collect();
    assert_eq!(told, ["data: { port: 80, x: \"1\" }"]);
}

#[test]
fn an_old_field_of_a_kustomization_gets_its_new_name_where_the_form_is_the_same() {
    let mut pipeline = pipeline();
    pipeline.policies.packs.push("optional".into());
    let after = |kustomization: &str| -> Vec<String> {
        let base = [
            ("base/kustomization.yaml", "resources: [app.yaml]\n"),
            ("base/app.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: app }\n"),
        ];
        let files = [&base[..], &[("environments/dev/kustomization.yaml", kustomization)]].concat();
        of(&change_under(&pipeline, &[("x", "y")], &files)).into_iter().map(|(_, one)| one.after).collect()
    };
    assert_eq!(after("bases: [../../base] # ours\n"), ["resources: [../../base] # ours"]);
    assert_eq!(after("bases: [../../base]\nresources: []\n"), [""; 0], "the name is taken");
    assert_eq!(after("resources: [../../base]\ncommonLabels: { a: b }\n"), [""; 0], "another form");
}

/// Every suggestion for an example of the pack mends it.
#[test]
fn examples_of_the_pack_are_mended() {
    let mut mended = Vec::new();
    for rule in super::rules::all() {
        let bad = rule.bad.strip_prefix("# file: env/app.yaml\n").filter(|text| !text.contains("# file:"));
        if bad.is_some_and(|bad| !shown(bad).is_empty()) {
            mended.push(rule.id);
        }
    }
    insta::assert_debug_snapshot!(mended, @r#"
    [
        "SCH-001",
        "SCH-002",
        "SCH-005",
    ]
    "#);
}

#[test]
fn what_overlays_share_is_mended_once_and_much_is_bounded() {
    let many: String = (0..400).map(|n| format!("  n{n}: {n}\n")).collect();
    let base = config_map(&format!("data:\n{many}"));
    let overlay = "resources: [../../base]\n";
    let files = [
        ("base/kustomization.yaml", "resources: [app.yaml]\n"),
        ("base/app.yaml", base.as_str()),
        ("environments/dev/kustomization.yaml", overlay),
        ("environments/prod/kustomization.yaml", overlay),
    ];
    let all = of(&change(&[("x", "y")], &files));
    // Faults told of one object are fewer than edits that are made, and both environments have them.
    let (dev, prod) = all.split_at(all.len() / 2);
    assert!(dev == prod && (20..=100).contains(&dev.len()), "{}", all.len());
}
