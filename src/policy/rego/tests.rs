use super::*;
use crate::manifest::{load, objects};
use crate::policy::files::{PolicyFile, PolicyFiles};
use crate::policy::{Class, EnvironmentInfo};

fn files(files: &[(&str, &str)]) -> PolicyFiles {
    let folder: RepoPath = "policies".parse().unwrap();
    let file = |(path, text): &(&str, &str)| PolicyFile {
        path: folder.join(path).unwrap(),
        folder: folder.clone(),
        text: (*text).into(),
    };
    PolicyFiles { files: files.iter().map(file).collect(), problems: Vec::new() }
}

fn shown(finding: &Finding) -> String {
    let place =
        finding.location.as_ref().map(|location| format!("{}:{}", location.path, location.line)).unwrap_or_default();
    let object = finding.object.as_ref().map(|object| format!("{object}: ")).unwrap_or_default();
    format!("{place} {} {}: {object}{}", finding.severity, finding.rule, finding.message)
}

/// What `policies` say about `yaml`: first what is wrong with them, then their findings.
fn ask(policies: &[(&str, &str)], yaml: &str) -> Vec<String> {
    let compiled = compile(&files(policies));
    let loaded = load(&"env/a.yaml".parse().unwrap(), yaml.as_bytes());
    let (objects, problems) = objects(&loaded);
    assert_eq!(problems, []);
    let environment =
        EnvironmentInfo { name: "prod".into(), class: Class::Prod, folder: "env".parse().unwrap(), kubernetes: 37 };
    compiled.problems.iter().chain(&evaluate(&compiled, &environment, &objects)).map(shown).collect()
}

const SERVICE: &str = "apiVersion: v1
kind: Service
metadata: { name: web, labels: { owner: shop } }
spec:
  type: NodePort
  ports: [{ port: 80 }]
";

#[test]
fn today_and_yesterday_and_conftest_shapes() {
    let v1 = "package main

deny contains msg if {
  input.spec.type == \"NodePort\"
  msg := sprintf(\"%s %s opens a node port\", [input.kind, input.metadata.name])
}

warn contains {\"msg\": \"no team\", \"fix\": \"Add one.\", \"path\": [\"metadata\", \"labels\"]} if not input.metadata.labels.team
";
    let v0 = "package old

violation[{\"msg\": msg, \"path\": \"spec.ports[0].port\"}] {
  input.spec.ports[_].port == 80
  msg := \"port 80\"
}

deny_all = true { input.kind == \"Service\" }
";
    insta::assert_snapshot!(ask(&[("a.rego", v1), ("b.rego", v0)], SERVICE).join("\n"), @r"
    env/a.yaml:1 error main.deny: Service web: Service web opens a node port
    env/a.yaml:3 warning main.warn: Service web: no team
    env/a.yaml:6 error old.violation: Service web: port 80
    env/a.yaml:1 error old.deny_all: Service web: `deny_all` forbids this object
    ");
}

#[test]
fn a_line_that_begins_with_a_bracket_is_no_call() {
    let policy = "package main
deny[\"few\"] {
  least := input.spec.ports[0].port
  (least + 1) > 80
  most := least
  (most - 1) < 80
}
";
    assert_eq!(ask(&[("a.rego", policy)], SERVICE), ["env/a.yaml:1 error main.deny: Service web: few"]);
}

#[test]
fn exceptions_excuse() {
    let policy = "package main
import rego.v1
deny_port contains \"port\" if input.kind == \"Service\"
deny_name contains \"name\" if input.kind == \"Service\"
exception contains rules if {
  input.metadata.name == \"web\"
  rules := [\"port\"]
}
";
    assert_eq!(ask(&[("a.rego", policy)], SERVICE), ["env/a.yaml:1 error main.deny_name: Service web: name"]);
}

#[test]
fn data_files_and_context() {
    let policy = "package main
deny contains sprintf(\"%s in %s of %d\", [input.metadata.name, data.trunkline.environment.name, count(data.trunkline.objects)]) if {
  input.spec.type in data.limits.types
  data.trunkline.environment.class == \"prod\"
}
";
    let data = "types: [NodePort]\n";
    assert_eq!(
        ask(
            &[("a.rego", policy), ("limits/values.yaml", data), ("template.yaml", "kind: ConstraintTemplate\n")],
            SERVICE
        ),
        ["env/a.yaml:1 error main.deny: Service web: web in prod of 1"]
    );
    assert_eq!(
        ask(&[("x.yaml", "[1]"), ("y.json", "{\n]"), ("a/z.yaml", "v: 1"), ("b.json", "{\"a\": {\"v\": 2}}")], SERVICE),
        [
            "policies/x.yaml:1 error POLICY: a data file holds a mapping at its top",
            "policies/y.json:2 error POLICY: the data file is no JSON: key must be a string at line 2 column 1",
            "policies/b.json:1 error POLICY: `a.v` is also defined by another data file",
        ]
    );
}

#[test]
fn what_does_not_run_is_a_finding_at_its_line() {
    let said = |text: &str| ask(&[("a.rego", text)], SERVICE).join("\n");
    let all = [
        // Syntax, of both times.
        "package main\ndeny contains msg if {\n  msg := \n}\n",
        "package main\ndeny[msg] {\n  msg = (\n}\n",
        "deny := 1\n",
        // Builtins that do not exist here, or not at all.
        "package main\ndeny contains crypto.sha256(input.kind) if true\n",
        "package main\ndeny contains \"x\" if {\n  http.send({\"url\": \"http://x\", \"method\": \"get\"})\n}\n",
        "package main\ndeny contains \"x\" if {\n  frobnicate(input)\n}\n",
        "package main\ndeny contains \"x\" if {\n  time.now_ns() > 0\n}\n",
        // A builtin that fails.
        "package main\ndeny contains \"x\" if {\n  to_number(\"abc\") > 1\n}\n",
        // Known divergences.
        "package main\nf(x) {\n  x == 1\n} {\n  x == 2\n}\ndeny[\"x\"] { f(2) }\n",
        "package main\ndeny contains sprintf(\"%5.2f\", [1.5]) if true\n",
        "package main\ndeny contains msg if {\n  msg := sprintf(\"%T\", [input])\n}\n",
        "package main\nnames[input.spec.ports[_].port] { true }\ndeny[\"x\"] { names[80] }\n",
        // Conflicts and recursion.
        "package main\na := 1\na := 2\ndeny contains \"x\" if a == 1\n",
        "package main\na if b\nb if a\ndeny contains \"x\" if a\n",
    ];
    insta::assert_snapshot!(all.map(said).join("\n"), @r"
    policies/a.rego:3 error POLICY: the policy does not parse: expecting `}` while parsing set
    policies/a.rego:2 error POLICY: the policy does not parse: expecting }
    policies/a.rego:1 error POLICY: the policy does not parse: expecting `package` Missing package declaration.
    policies/a.rego:2 error POLICY: Service web: `main.deny` could not be evaluated: could not find function crypto.sha256
    policies/a.rego:3 error POLICY: the policy calls `http.send`, whose answer changes from run to run
    policies/a.rego:3 error POLICY: Service web: `main.deny` could not be evaluated: could not find function frobnicate
    policies/a.rego:3 error POLICY: the policy calls `time.now_ns`, whose answer changes from run to run
    policies/a.rego:3 error POLICY: Service web: `main.deny` could not be evaluated: could not parse string as number
    env/a.yaml:1 error main.deny: Service web: x
    policies/a.rego:2 error POLICY: `%5.2f` is a format the engine does not know
    policies/a.rego:3 error POLICY: `%T` is a format the engine does not know
    env/a.yaml:1 error main.deny: Service web: x
    policies/a.rego:3 error POLICY: Service web: `main.deny` could not be evaluated: rule conflicts with rule at policies/a.rego:2:1
    policies/a.rego:2 error POLICY: Service web: `main.deny` could not be evaluated: recursion detected when evaluating rule:
    ");
}

#[test]
fn bodies_that_follow_another_are_rules_of_their_own() {
    let policy = "package main

named(x) = { \"name\": x } {
  x == 1
}

kind(
  x,
) = \"two\" { x == 1; false } {
  x == 2
} { x == 3 }

deny[kind(2)] { named(1) }
deny[msg] { false } { msg := \"again\" } { msg := kind(3); msg == \"three\" }
";
    assert_eq!(
        ask(&[("a.rego", policy)], SERVICE),
        ["env/a.yaml:1 error main.deny: Service web: again", "env/a.yaml:1 error main.deny: Service web: two"]
    );
    // Which body an `else` belongs to is not ours to guess.
    let other = "package main\nf(x) = 1 { x == 1 } else = 2 { x == 2 } {\n  x == 3\n}\ndeny[\"x\"] { f(3) }\n";
    assert_eq!(
        ask(&[("a.rego", other)], SERVICE),
        [
            "policies/a.rego:2 error POLICY: the policy does not parse: expected `else` keyword",
            "policies/a.rego:2 error POLICY: a second `{ … }` body follows the first; the engine would lose it"
        ]
    );
}

#[test]
fn what_is_denied_of_nothing_is_undefined_as_in_opa() {
    // Each held against conftest 0.69: OPA looks at the arguments of a negated call before it negates.
    let undefined = [
        "not f(1, input.nope.x)",
        "not startswith(input.nope, \"x\")",
        "not startswith(input.spec[\"nope\"].x, \"x\")",
        "not startswith(lower(input.nope), \"x\")",
        "not input.nope > 1",
        "not input.nope != 1",
        "not input.nope in {1, 2}",
        "not \"x\" in input.nope",
        "not f(1, [input.nope])",
        "not f(1, {\"a\": input.nope})",
        "not f(1,\n    input.nope)",
        "not f(input.nope, 1) == true; true",
        "c := input; not f(1, c.nope)",
        "true; not f(1, data.nope.x); true",
        "count([x | x := 1; not f(x, input.nope)]) == 1",
        "not input.spec[sprintf(\"%v\", [input.nope])]",
        "not input.spec[input.nope]",
    ];
    let true_in_both = [
        "not input.nope == 1",
        "not input.nope == input.spec.type",
        "not input.nope",
        "not f(1, [x | x := input.nope])",
        "not f(1, input.kind)",
        "not f(1, input.nope) with input.nope as 1",
        "not f(1, input.nope)\n    with input.nope as 1",
        "not input.spec.nope[\"x\"]",
        "not startswith(\"input.nope\", \"x.y\")",
        "not input.spec.nope[sprintf(\"%v\", [input.kind])]",
    ];
    let rules = |head: &str, all: &[&str]| -> String {
        all.iter()
            .enumerate()
            .map(|(at, body)| format!("deny contains \"{head} {at}\" if {{\n  {body}\n}}\n"))
            .collect()
    };
    let policy = format!(
        "package main\nimport rego.v1\nf(a, b) if {{ a == 2; b }}\n{}{}deny contains \"one line\" if not f(1, input.nope.x)\ndeny contains \"true 10\" if not f(1, input.kind) # here\n",
        rules("undefined", &undefined),
        rules("true", &true_in_both)
    );
    let said = ask(&[("a.rego", &policy)], SERVICE);
    let mut wanted: Vec<String> =
        (0..=10).map(|at| format!("env/a.yaml:1 error main.deny: Service web: true {at}")).collect();
    wanted.sort();
    assert_eq!(said, wanted);
}

#[test]
fn no_line_moves_where_the_text_is_changed_for_the_engine() {
    let policy = "package main
deny contains msg if {
  not startswith(input.spec[
    \"nope\"
  ], \"x\")
  not f(1, input.kind)
  msg := to_number(input.kind)
}
f(a, b) if { a == 2; b }
";
    assert_eq!(
        ask(&[("a.rego", policy)], SERVICE),
        [
            "policies/a.rego:7 error POLICY: Service web: `main.deny` could not be evaluated: could not parse string as number"
        ]
    );
}

#[test]
fn a_broken_file_leaves_the_others_running() {
    let good = ("good.rego", "package good\ndeny contains \"no\" if input.kind == \"Service\"\n");
    let bad = ("bad.rego", "package bad\ndeny contains if if\n");
    let said = ask(&[bad, good], SERVICE);
    assert!(said[0].starts_with("policies/bad.rego:2 error POLICY: the policy does not parse"), "{said:?}");
    assert_eq!(said[1..], ["env/a.yaml:1 error good.deny: Service web: no"]);
}

#[test]
fn t44_an_endless_rule_is_stopped_once() {
    let policy = "package main
deny contains \"x\" if {
  some a in numbers.range(1, 1000)
  some b in numbers.range(1, 1000)
  some c in numbers.range(1, 1000)
  a + b + c == 0
}
deny_other contains \"y\" if input.kind
";
    let said = ask(&[("a.rego", policy)], &format!("{SERVICE}---\n{SERVICE}"));
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].contains("POLICY: `main.deny` could not be evaluated: it took more than 1 s"), "{said:?}");
}

#[test]
fn t44_a_thousand_answers_are_counted() {
    let policy = "package main\ndeny contains n if some n in numbers.range(1, 1000)\n";
    let said = ask(&[("a.rego", policy)], SERVICE);
    assert_eq!((said.len(), said[100].ends_with("900 more answers of this policy are left out")), (101, true));
}
