//! What is said about the fields that reach into many objects, and where their values come from.

use crate::manifest::node::Node;
use crate::model::finding::Problem;
use crate::model::tree::{MemoryObjects, Tree};
use crate::render::{Rendered, render};

const OBJECTS: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  port: '8080'\n  text: hello\n  map: {}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n  ports: [{name: http, port: 80}]\n";

fn rendered(kustomization: &str, files: &[(&str, &str)]) -> Rendered {
    let mut all = vec![("env/kustomization.yaml", kustomization), ("env/all.yaml", OBJECTS)];
    all.extend(files);
    let mut objects = MemoryObjects::default();
    let root = objects.add_text(all).unwrap();
    render(&Tree::new(root, &objects), &"env".parse().unwrap())
}

fn said(kustomization: &str, files: &[(&str, &str)]) -> String {
    let rendered = rendered(kustomization, files);
    assert!(!rendered.ok, "it rendered");
    told(&rendered.problems)
}

fn told(problems: &[Problem]) -> String {
    let line = |problem: &Problem| {
        let place = problem.location.as_ref().map_or_else(String::new, ToString::to_string);
        let help = problem.help.as_ref().map_or_else(String::new, |help| format!("\n  {help}"));
        format!("{place}: {}{help}", problem.message)
    };
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Each entry alone, since the first mistake of a replacement ends the work.
fn each(entries: &[&str]) -> String {
    let said = |entry: &&str| said(&format!("resources: [all.yaml]\nreplacements:\n  - {entry}\n"), &[]);
    entries.iter().map(said).collect::<Vec<_>>().join("\n")
}

#[test]
fn replacements_say_what_is_wrong_with_them() {
    insta::assert_snapshot!(each(&[
        "{source: {kind: ConfigMap}}",
        "{source: {kind: Secret}, targets: [{select: {kind: Service}}]}",
        "{source: {version: v1}, targets: [{select: {kind: Service}}]}",
        "{source: {kind: ConfigMap, fieldPath: data.gone}, targets: [{select: {kind: Service}}]}",
        "{source: {kind: ConfigMap, fieldPath: data.map}, targets: [{select: {kind: Service}}]}",
        "{source: {kind: ConfigMap, fieldPath: data.text, options: {delimiter: l, index: 9}}, targets: [{select: {kind: Service}}]}",
        "{source: {kind: ConfigMap}, targets: [{}]}",
        "{source: {kind: ConfigMap}, targets: [{select: {kind: Service}, fieldPaths: [spec.type]}]}",
        "{source: {kind: ConfigMap, fieldPath: data.text}, targets: [{select: {kind: Service}, fieldPaths: [\"spec.ports.[name=http].port\"]}]}",
        "{source: {kind: ConfigMap}, targets: [{select: {kind: Service}, fieldPaths: [spec.ports.3.name]}]}",
        "{source: {kind: ConfigMap}, targets: [{select: {kind: Service}, fieldPaths: [spec.ports], options: {delimiter: x}}]}",
        "{source: {kind: ConfigMap}, sourceValue: x, targets: [{select: {kind: Service}}]}",
        "{source: {kind: ConfigMap, feldPath: x}, targets: [{select: {kind: Service}}]}",
        "{path: gone.yaml}",
    ]), @"
    env/kustomization.yaml:3:5: a replacement needs a `source` (or a `sourceValue`) and `targets`
    env/kustomization.yaml:3:14: no object is what this `source` names
    env/kustomization.yaml:3:14: this `source` could be ConfigMap a and Service web
    env/kustomization.yaml:3:43: ConfigMap a has no `data.gone`
    env/kustomization.yaml:3:43: ConfigMap a has no `data.map`
    env/kustomization.yaml:3:43: the value has no part 9 when it is split at `l`
    env/kustomization.yaml:3:43: this target has no `select`
    env/kustomization.yaml:3:82: `spec.type` of Service web: there is no such field; `options: {create: true}` would make it
    env/kustomization.yaml:3:104: `spec.ports.[name=http].port` of Service web: a number stands there, and the value is none
    env/kustomization.yaml:3:82: `spec.ports.3.name` of Service web: the list has 1 items, so there is no item 3
    env/kustomization.yaml:3:82: `spec.ports` of Service web: `delimiter` splits plain text, and there is a list or a mapping
    env/kustomization.yaml:3:46: `source` and `sourceValue` exclude each other
    env/kustomization.yaml:3:32: `source` has no field `feldPath`
      Did you mean `fieldPath`?
    env/kustomization.yaml:3:12: `env/gone.yaml` does not exist
      Name a file of this repository, relative to this folder.
    ");
}

#[test]
fn vars_and_configurations_say_what_is_wrong_with_them() {
    let all = [
        said("resources: [all.yaml]\nvars:\n  - {name: A, objref: {kind: Secret, version: v1, name: x}}\n", &[]),
        said(
            "resources: [all.yaml]\nvars:\n  - {name: A, objref: {kind: ConfigMap, version: v1, name: a}, fieldref: {fieldPath: data.x}}\n",
            &[],
        ),
        said("resources: [all.yaml]\nvars:\n  - {name: A}\n  - {name: A}\n", &[]),
        said(
            "resources: [all.yaml]\nconfigurations: [c.yaml]\n",
            &[("env/c.yaml", "images: [{path: a, knd: x}]\nname: []\n")],
        ),
        said(
            "resources: [all.yaml]\nconfigurations: [c.yaml]\n",
            &[("env/c.yaml", "commonLabels: [{path: metadata/labels}]\n")],
        ),
        said("resources: [all.yaml]\nopenapi: {version: v1.30.0}\n", &[]),
        said("resources: [all.yaml]\nbuildMetadata: [origin]\n", &[]),
    ];
    insta::assert_snapshot!(all.join("\n"), @"
    env/kustomization.yaml:3:5: there is no object that the var `A` could mean
    env/kustomization.yaml:3:86: ConfigMap a has no `data.x`
    env/kustomization.yaml:4:5: the var `A` is already there, at env/kustomization.yaml:3:5
    env/c.yaml:2:1: `this configuration` has no field `name`
      Did you mean `namespace`?
    env/c.yaml:1:20: `images[0]` has no field `knd`
      Did you mean `kind`?
    env/kustomization.yaml:2:18: `c.yaml` does not fit the places that are known: `metadata/labels` has `create: false` in one place and not in another
    env/kustomization.yaml:2:20: the OpenAPI version `v1.30.0` is not built into Kustomize
      Use v1.21.2, or leave `openapi` out.
    env/kustomization.yaml:2:17: `buildMetadata` knows no `origin`
      Known here: originAnnotations, transformerAnnotations, managedByLabel.
    ");
}

#[test]
fn plugins_say_what_is_wrong_with_them() {
    let plugin = |kind: &str, rest: &str| {
        let file = format!("apiVersion: builtin\nkind: {kind}\nmetadata: {{name: x}}\n{rest}");
        said("resources: [all.yaml]\ntransformers: [t.yaml]\n", &[("env/t.yaml", &file)])
    };
    let all = [
        plugin("PrefixTransformer", "prefix: p-\n"),
        plugin("PatchTransformer", ""),
        plugin("PatchTransformer", "patch: x\npath: y\n"),
        plugin("PatchJson6902Transformer", "target: {kind: Service}\njsonOp: '[]'\n"),
        plugin(
            "ReplicaCountTransformer",
            "replica: {name: x, count: 1}\nfieldSpecs: [{path: spec/replicas, kind: Deployment}]\n",
        ),
        plugin("NamespaceTransformer", "metadata: {name: x, namespace: y}\nsetRoleBindingSubjects: all\n"),
        plugin("ValueAddTransformer", "value: x\n"),
        plugin("SortOrderTransformer", ""),
        plugin("ConfigMapGenerator", ""),
    ];
    insta::assert_snapshot!(all.join("\n"), @"
    env/t.yaml:1:1: `PrefixTransformer` needs `fieldSpecs`, such as `- path: metadata/name`
    env/t.yaml:1:1: `PatchTransformer` needs either `path` or `patch`
    env/t.yaml:1:1: `PatchTransformer` needs either `path` or `patch`
    env/t.yaml:1:1: `PatchJson6902Transformer` needs the `name` of its `target`
    env/t.yaml:4:17: no Deployment is called `x`
    env/t.yaml:4:1: key `metadata` is already set on line 3
      Keep one: readers disagree which of them counts.
    env/t.yaml:1:1: `ValueAddTransformer` needs `targets`
    env/t.yaml:2:7: there is no built-in transformer called `SortOrderTransformer`
      Programs are never run. Commit what it makes, or use a built-in of the same purpose.
    env/t.yaml:2:7: there is no built-in transformer called `ConfigMapGenerator`
      Programs are never run. Commit what it makes, or use a built-in of the same purpose.
    ");
    let validator = "apiVersion: builtin\nkind: LabelTransformer\nmetadata: {name: x}\nlabels: {a: b}\nfieldSpecs: [{path: metadata/labels, create: true}]\n";
    insta::assert_snapshot!(said("resources: [all.yaml]\nvalidators: [v.yaml]\n", &[("env/v.yaml", validator)]), @"
    env/v.yaml:1:1: LabelTransformer x is a validator, and it changes objects
      Name it under `transformers` instead.
    ");
}

#[test]
fn replaced_values_know_where_they_come_from() {
    let all = rendered(
        "resources: [all.yaml]\nreplacements:\n  - source: {kind: ConfigMap, fieldPath: data.port}\n    targets:\n      - select: {kind: Service}\n        fieldPaths: [\"spec.ports.[name=http].port\"]\n",
        &[],
    );
    assert_eq!(all.problems, []);
    let service = &all.objects.iter().find(|object| object.kind() == "Service").unwrap().node;
    let port = service.list_at(&["spec", "ports"])[0].get("port").unwrap();
    assert_eq!((port.as_int(), port.span.location().to_string()), (Some(8080), "env/all.yaml:5:9".to_owned()));
    let made = port.made.as_ref().unwrap();
    let (before, place) = made.before.as_ref().unwrap();
    assert_eq!(
        (made.by, before.as_str(), place.location().to_string()),
        ("replacements", "80", "env/all.yaml:13:30".to_owned())
    );
}

#[test]
fn what_reads_differently_is_noted_and_renders() {
    let text =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  rule: >-\n    all(c,\n      c.ok\n    )\n";
    let all = rendered("resources: [f.yaml]\n", &[("env/f.yaml", text)]);
    assert!(all.ok);
    assert_eq!(all.objects[0].node.at(&["data", "rule"]).and_then(Node::as_str), Some("all(c,\n\n  c.ok\n)"));
    insta::assert_snapshot!(told(&all.readings), @"
    env/f.yaml:5:9: Flux applies this text with an empty line before its more-indented lines
      Write it with `|` instead of `>`; `kubectl apply` would read it without those lines.
    ");
}

#[test]
fn a_schema_in_a_comment_is_refused() {
    let text = "apiVersion: v1\nkind: X\nmetadata: {name: a}\nitems: # {\"type\":\"array\",\"x-kubernetes-patch-strategy\":\"merge\"}\n- a\n";
    insta::assert_snapshot!(said("resources: [f.yaml]\n", &[("env/f.yaml", text)]), @"
    env/f.yaml:4: a schema in a comment, which Kustomize obeys, is not read
      Use `openapi` instead.
    ");
}

#[test]
fn one_broken_document_hides_no_other() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, name: b}\n---\na: [\n---\nkind: X\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n";
    insta::assert_snapshot!(said("resources: [f.yaml, gone.yaml]\n", &[("env/f.yaml", text)]), @"
    env/f.yaml:3:21: key `name` is already set on line 3
      Keep one: readers disagree which of them counts.
    env/f.yaml:5:4: not valid YAML: unclosed bracket '['
      Look at this line and the one before it: indentation, an open quote or bracket, or a missing `: `.
    env/f.yaml:7:1: this object has no `apiVersion`
      A Kubernetes object needs `apiVersion`, `kind` and `metadata.name`. Leave out what is none.
    env/kustomization.yaml:1:21: `gone.yaml` does not exist; paths are relative to `env`
      Remove the entry, or add what it names.
    ");
}
