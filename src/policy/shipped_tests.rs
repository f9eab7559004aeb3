//! The repository's own `policies/` folder: its Rego works, and its page of rules is the table's.

use std::path::PathBuf;

use super::fixture::Example;
use super::rules::{OPTIONAL, Rule, all, before};
use super::*;
use crate::model::finding::Severity;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("policies")
}

fn shipped() -> CompiledPolicies {
    let paths = ["databases.rego", "images.rego", "images/allowed.yaml", "ingress.rego", "owners.rego"];
    let files = paths.map(|path| files::PolicyFile {
        path: format!("policies/{path}").parse().unwrap(),
        folder: "policies".parse().unwrap(),
        text: std::fs::read_to_string(folder().join(path)).unwrap().into(),
    });
    compile(&files::PolicyFiles { files: files.into(), problems: Vec::new() })
}

#[test]
fn shipped_policies_say_what_they_promise() {
    let policies = shipped();
    assert_eq!(policies.problems, []);
    let example = Example::new(
        "# file: env/a.yaml
apiVersion: apps/v1
kind: Deployment
metadata: { name: shop }
spec:
  template:
    spec:
      containers:
        - { name: a, image: ghcr.io/acme/shop:v1 }
        - { name: b, image: nginx:1 }
---
apiVersion: v1
kind: Service
metadata: { name: db }
spec:
  type: NodePort
  ports: [{ port: 5432 }]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: web }
spec:
  tls: [{ hosts: [a.example.org, '*.b.example.org'] }]
  rules:
    - host: a.example.org
    - host: x.b.example.org
    - host: c.example.org
",
    );
    let (objects, _, _) = example.read();
    let said = |class| {
        let environment = EnvironmentInfo { name: "e".into(), class, folder: example.folder.clone(), kubernetes: 33 };
        let input = CheckInput {
            environment: &environment,
            objects: &objects,
            problems: &[],
            notes: &[],
            kustomizations: &[],
            tree: example.tree(),
            policies: &policies,
            definitions: &[],
            layers: &[],
            before: super::evaluate::Before::default(),
            pipeline: &Pipeline::nothing(),
        };
        let line = |finding: &Finding| finding.location.as_ref().map_or(0, |location| location.line);
        let show =
            |finding: &Finding| format!("{} {} {}: {}", line(finding), finding.severity, finding.rule, finding.message);
        check(&input).iter().map(show).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(said(Class::Prod), @r"
    15 error databases.deny: Service `db` opens a database's port 5432 to the world outside the cluster
    9 error images.deny: image `nginx:1` comes from a registry that is not on the list
    3 warning owners.warn: Deployment `shop` has no label `app.kubernetes.io/part-of`
    26 error ingress.deny: host `c.example.org` of Ingress `web` has no TLS
    ");
    assert!(!said(Class::Dev).contains("TLS"));
}

#[test]
fn the_page_of_rules_is_the_tables() {
    let path = folder().join("README.md");
    let page = page();
    if std::env::var_os("UPDATE_PAGES").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page, "policies/README.md is stale: run `UPDATE_PAGES=1 cargo test the_page_of_rules`");
}

fn page() -> String {
    let mut page = String::from(HEAD);
    let word = |severity: Option<Severity>| severity.map_or("–".to_owned(), |severity| severity.to_string());
    for rule in all() {
        let [dev, stage, prod] = rule.severities.map(word);
        page.push_str(&format!(
            "| [{0}](#{1}) | {2} | {dev} | {stage} | {prod} |\n",
            rule.id,
            rule.id.to_lowercase(),
            if OPTIONAL.iter().any(|one| one.id == rule.id) {
                format!("{} (optional)", rule.title)
            } else {
                rule.title.to_owned()
            }
        ));
    }
    for rule in all() {
        page.push_str(&section(rule));
    }
    page
}

fn section(rule: &Rule) -> String {
    let Rule { id, title, why, fix, good, bad, .. } = rule;
    let before = before(id).map_or(String::new(), |before| format!("Before the change:\n\n```yaml\n{before}```\n\n"));
    format!(
        "\n## {id}\n\n{title}\n\n**Why:** {why}\n\n**Fix:** {fix}\n\n{before}Bad:\n\n```yaml\n{bad}```\n\nGood:\n\n```yaml\n{good}```\n"
    )
}

const HEAD: &str = "# Policies

This folder holds the Rego policies of this repository's own example, and this page describes the rules that come with Trunkline.
The page is generated from the rules (`UPDATE_PAGES=1 cargo test the_page_of_rules`); each example is a test.

## Your own policies

Put `.rego` files into a folder that `.github/trunkline.yaml` names under `policies.paths`. They are written as for conftest:

- `input` is one rendered object at a time; `deny` and `violation` are errors, `warn` is a warning; every package counts. Both of Rego's syntaxes are read.
- An answer is a text, or an object with `msg` and, if you like, `why`, `fix`, and `path` (such as `[\"spec\", \"replicas\"]`), which points at the line.
- `exception` rules name the rules an object is excused from.
- YAML and JSON files are data, below the names of the folders between the policy folder and them: `images/allowed.yaml` is `data.images`.
- `data.trunkline.environment` has `name`, `class` (`dev`, `stage` or `prod`) and `takes`; `data.trunkline.objects` has all objects of the environment.
- A policy that does not parse or cannot be evaluated is a finding (`POLICY`) at its line, never a pass. What changes from run to run
  (`time.now_ns`, `http.send`, …) is refused. The policies of the default branch decide; those of a pull request are checked and shown.

## The rules

Packs choose among them: `minimal` holds what is an error everywhere, `recommended` is this table, `strict` treats stage as prod, `optional` adds
the rules marked so. A single rule is set in `.github/trunkline.yaml`, for all environments or for each; `off` silences it:

```yaml
policies:
  packs: [recommended]
  severities:
    WL-003: warning
    FLUX-010: { stage: info, prod: error }
    KUST-002: warning                    # an optional rule, switched on alone
  images-from: [ghcr.io/acme]            # what IMG-002 allows
```

A severity is the most a finding of the rule can be: where a rule says so, some of its findings matter less. A finding is made only of what is
rendered here. What another environment, a chart, an operator or a person at the cluster may bring is not missed, unless the name differs from
one that is here by a slip of the keyboard, or the environment holds the whole cluster (Flux's own Kustomization among its objects).
Two rules, DATA-002 and SH-001, and a part of FLUX-012 speak of a change: in a pull request they compare before and after, and `trunkline check`
has nothing to compare.

What one may look for and not find here: removed and deprecated APIs are SCH-005 and SCH-006, unknown and mistyped fields SCH-001 to SCH-004, rules of custom resources SCH-008;
that a version soaked and that named checks (scans, plans of infrastructure) are green are gates of the environment, `soak` and `checks`; the
repository's own policies report under their own names, and are proven by themselves.

The SCH rules hold objects to the schemas of their kinds, those of the Kubernetes that the environment names (`kubernetes: \"1.33\"`; default: the
newest known). CustomResourceDefinitions in the environment come first, then those elsewhere in the repository (in files whose path holds `crd`; for
kinds of which nothing else is known in any file), then those that come along; what is encrypted or filled in later is not judged. Rules in CEL
that compare with the value before (`oldSelf`) are asked only in a pull request.
An environment that takes trunk counts as dev, one that takes pre-releases as stage, one that takes releases as prod.

| rule | what it asks | dev | stage | prod |
|---|---|---|---|---|
";
