use super::*;
use crate::manifest::{load, objects};
use crate::model::tree::MemoryObjects;
use crate::policy::fixture;
use crate::policy::schema::faults;

/// The definition of a Tea whose `spec` has one field, a whole number.
fn tea(field: &str) -> String {
    fixture::tea(field, "integer")
}

const GREEN: &str = "apiVersion: acme.dev/v1\nkind: Tea\nmetadata: { name: green }\nspec: { x: 1 }\n";

/// What is said of the objects of `env/prod` in a repository of these files: `line rule message`.
fn said(files: &[(&str, &str)], manifest: &str) -> Vec<String> {
    let mut store = MemoryObjects::default();
    let root = store.add_text(files.iter().copied()).unwrap();
    let tree = Tree::new(root, &store);
    let folder = "env/prod".parse().unwrap();
    let (all, _) = objects(&load(&"env/prod/app.yaml".parse().unwrap(), manifest.as_bytes()));
    let elsewhere = Elsewhere::default().of(&tree, &folder, &all);
    let told = faults(&all, (&elsewhere, None), 33);
    told.into_iter().map(|(_, fault)| format!("{} {} {}", fault.at.line, fault.rule, fault.message)).collect()
}

fn unknown(kind: &str) -> [String; 1] {
    [format!("4 SCH-001 `spec.x` is no field of {kind}")]
}

#[test]
fn a_kind_is_held_to_a_definition_wherever_it_stands() {
    assert_eq!(said(&[], GREEN), ["2 SCH-007 no schema is known for `acme.dev/v1` Tea, so its fields are not checked"]);
    let size = tea("size");
    for path in
        ["infrastructure/crds/tea.yaml", "clusters/x/crds.yaml", "env/stage/kinds.yaml", "charts/tea/crds/a.yml"]
    {
        assert_eq!(said(&[(path, &size)], GREEN), unknown("Tea"), "{path}");
        assert_eq!(said(&[(path, &size)], &GREEN.replace('x', "size")), [""; 0], "{path}");
    }
    // What is no manifest, and another group's or kind's, is none.
    for (path, text) in [
        ("docs/crds.md", size.clone()),
        ("crds/a.yaml", size.replace("acme.dev", "other.dev")),
        ("crds/a.yaml", size.replace("kind: Tea", "kind: Coffee")),
        ("crds/a.yaml", size.replace("openAPIV3Schema", "nothing")),
        ("crds/a.yaml", format!("{{{{- if .Values.crds }}}}\n{size}{{{{- end }}}}\n")),
    ] {
        assert_eq!(said(&[(path, &text)], GREEN).len(), 1, "{path} {text}");
        assert!(said(&[(path, &text)], GREEN)[0].contains("SCH-007"), "{path} {text}");
    }
}

#[test]
fn the_environment_goes_first_then_what_says_it_then_what_is_near() {
    let (x, size) = (tea("x"), tea("size"));
    let own = format!("{GREEN}---\n{x}");
    assert_eq!(said(&[("crds/a.yaml", &size)], &own), [""; 0]);
    let first = |good: &str, bad: &str| {
        assert_eq!(said(&[(good, &x), (bad, &size)], GREEN), [""; 0], "{good} before {bad}");
        assert_eq!(said(&[(good, &size), (bad, &x)], GREEN), unknown("Tea"), "{good} before {bad}");
    };
    first("infrastructure/crds/a.yaml", "env/stage/tea.yaml");
    first("env/crds/a.yaml", "a/crds/a.yaml");
    first("env/prod/crds/a.yaml", "env/crds/a.yaml");
    first("a/crds/a.yaml", "b/crds/a.yaml");
    first("env/stage/tea.yaml", "a/tea.yaml");
}

#[test]
fn what_comes_along_gives_way_to_what_says_it_is_a_definition() {
    let canary = tea("size")
        .replace("acme.dev", "flagger.app")
        .replace("Tea", "Canary")
        .replace("v1\n      served", "v1beta1\n      served");
    let manifest = "apiVersion: flagger.app/v1beta1\nkind: Canary\nmetadata: { name: a }\nspec: { x: 1 }\n";
    assert_eq!(said(&[("crds/flagger.yaml", &canary)], manifest), unknown("Canary"));
    // Elsewhere nobody looks for it, and the schema that comes along misses more.
    let along = said(&[], manifest);
    assert!(along.len() > 1, "{along:?}");
    assert_eq!(said(&[("infrastructure/flagger.yaml", &canary)], manifest), along);
    // A kind of Kubernetes itself is nobody else's to define.
    let built_in = tea("x").replace("acme.dev", "apps").replace("Tea", "Deployment");
    let manifest = "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: a }\nspec: { x: 1 }\n";
    let told = said(&[("crds/a.yaml", &built_in)], manifest);
    assert!(told.contains(&"4 SCH-001 `spec.x` is no field of Deployment".to_owned()), "{told:?}");
}

#[test]
fn a_change_of_definitions_is_known_in_either_tree() {
    let mut store = MemoryObjects::default();
    let size = tea("size");
    let with = store.add_text([("kinds/tea.yaml", size.as_str()), ("a.yaml", "a: 1")]).unwrap();
    let without = store.add_text([("kinds/tea.yaml", "a: 1"), ("a.yaml", "a: 2")]).unwrap();
    let trees = [with, without].map(|root| Tree::new(root, &store));
    let changes = |path: &str| Elsewhere::default().is_among(&trees, &[path.parse().unwrap()]);
    assert!(changes("kinds/tea.yaml") && !changes("a.yaml") && !changes("missing.yaml"));
}

#[test]
fn only_so_many_files_are_searched() {
    let filler: Vec<(String, String)> = (0..MAX_FILES).map(|n| (format!("a/{n:05}.yaml"), format!("a: {n}"))).collect();
    let mut files: Vec<(&str, &str)> = filler.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let size = tea("size");
    files.push(("b/tea.yaml", &size));
    assert!(said(&files, GREEN)[0].contains("SCH-007"));
    files.remove(0);
    assert_eq!(said(&files, GREEN), unknown("Tea"));
}
