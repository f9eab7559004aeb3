//! DATA-002: what cannot be changed is not.

use std::collections::HashSet;

use super::common::quantity;
use super::{E, Hit, Rule};
use crate::manifest::{Node, Object};
use crate::policy::world::{World, group_of};

pub(super) const RULE: Rule = Rule {
    id: "DATA-002",
    title: "No change touches a field that Kubernetes does not let change.",
    severities: [E; 3],
    why: "The API server refuses the object, Flux stops there, and nothing else of the environment is applied either.",
    fix: "Give the object a new name, or let Flux make it anew with the annotation `kustomize.toolkit.fluxcd.io/force: enabled`: data in it is lost.",
    // A rule about a change: its examples are what the change makes of `BEFORE`.
    good: "# file: env/app.yaml
apiVersion: apps/v1
kind: Deployment
metadata: { name: shop }
spec:
  selector: { matchLabels: { app: shop } }
  template: { metadata: { labels: { app: shop } }, spec: { containers: [{ name: shop, image: shop:v2 }] } }
",
    bad: "# file: env/app.yaml
apiVersion: apps/v1
kind: Deployment
metadata: { name: shop }
spec:
  selector: { matchLabels: { app: shop, tier: front } }
  template: { metadata: { labels: { app: shop, tier: front } }, spec: { containers: [{ name: shop, image: shop:v1 }] } }
",
    check,
};

/// What stood there before the change of the examples.
#[cfg(test)]
pub(super) const BEFORE: &str = "# file: env/app.yaml
apiVersion: apps/v1
kind: Deployment
metadata: { name: shop }
spec:
  selector: { matchLabels: { app: shop } }
  template: { metadata: { labels: { app: shop } }, spec: { containers: [{ name: shop, image: shop:v1 }] } }
";

/// The fields of a kind that stay as they were made.
const FIXED: &[(&str, &str, &[&[&str]])] = &[
    ("apps", "Deployment", &[&["spec", "selector"]]),
    ("apps", "DaemonSet", &[&["spec", "selector"]]),
    ("apps", "ReplicaSet", &[&["spec", "selector"]]),
    (
        "apps",
        "StatefulSet",
        &[
            &["spec", "selector"],
            &["spec", "serviceName"],
            &["spec", "podManagementPolicy"],
            &["spec", "volumeClaimTemplates"],
        ],
    ),
    ("batch", "Job", &[&["spec", "template"], &["spec", "selector"], &["spec", "completionMode"]]),
    (
        "",
        "PersistentVolumeClaim",
        &[&["spec", "accessModes"], &["spec", "storageClassName"], &["spec", "volumeName"], &["spec", "volumeMode"]],
    ),
    (
        "storage.k8s.io",
        "StorageClass",
        &[&["provisioner"], &["parameters"], &["reclaimPolicy"], &["volumeBindingMode"]],
    ),
    ("rbac.authorization.k8s.io", "RoleBinding", &[&["roleRef"]]),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding", &[&["roleRef"]]),
];

/// A field that was not written has a default, which the new value may be: only a change from one written value to another is certain.
fn check(world: &World) -> Vec<Hit> {
    let forced = forced(world);
    let mut hits = Vec::new();
    for (now, was) in world.changed() {
        if forced.contains(&std::ptr::from_ref(now)) || is_forced(now) || ends_by_itself(was) {
            continue;
        }
        let fields = FIXED.iter().find(|(group, kind, _)| *group == group_of(now) && *kind == now.kind());
        for path in fields.map(|(_, _, fields)| *fields).unwrap_or_default() {
            hits.extend(differs(now, was, path));
        }
        hits.extend(shrinks(now, was));
        hits.extend(unsealed(now, was));
    }
    hits
}

fn differs(now: &Object, was: &Object, path: &[&str]) -> Option<Hit> {
    let (new, old) = (now.node.at(path)?, was.node.at(path)?);
    if new == old || holds_variable(new) || holds_variable(old) {
        return None;
    }
    Some(Hit::at_key(now, path, format!("`{}` changes, which Kubernetes does not allow", path.join("."))))
}

/// A volume grows, if its class lets it, and never shrinks.
fn shrinks(now: &Object, was: &Object) -> Option<Hit> {
    if now.kind() != "PersistentVolumeClaim" {
        return None;
    }
    let path = ["spec", "resources", "requests", "storage"];
    let (new, old) = (now.node.at(&path)?, was.node.at(&path)?);
    (quantity(new)? < quantity(old)?).then(|| {
        let message = format!("asks for {} instead of {}: a volume never shrinks", new.brief(), old.brief());
        Hit::new(now, new, message)
    })
}

/// A ConfigMap or Secret that says it never changes.
fn unsealed(now: &Object, was: &Object) -> Option<Hit> {
    let is_sealed = was.node.get("immutable").and_then(Node::as_bool) == Some(true);
    let differs = ["data", "stringData", "binaryData"].iter().find(|key| now.node.get(key) != was.node.get(key))?;
    let message = "changes, and was `immutable: true` before".to_owned();
    (is_sealed && matches!(now.kind(), "ConfigMap" | "Secret")).then(|| Hit::at_key(now, &[differs], message))
}

/// Whether Flux makes it anew where it cannot be changed, or leaves it alone once it is there.
fn is_forced(object: &Object) -> bool {
    let of = |key: &str| {
        let mut places = ["annotations", "labels"].into_iter().filter_map(|place| object.node.at(&["metadata", place]));
        places.find_map(|map| map.get(key).and_then(Node::as_str))
    };
    let enabled = of("kustomize.toolkit.fluxcd.io/force").is_some_and(|value| value.eq_ignore_ascii_case("enabled"));
    enabled || of("kustomize.toolkit.fluxcd.io/ssa").is_some_and(|value| !value.eq_ignore_ascii_case("merge"))
}

/// The objects of Kustomizations that force all they apply.
fn forced(world: &World) -> HashSet<*const Object> {
    let forces = |by: &Node| by.at(&["spec", "force"]).and_then(Node::as_bool) == Some(true);
    let layers = world.layers().filter(|(by, _)| by.is_some_and(forces));
    layers.flat_map(|(_, objects)| objects.iter().map(std::ptr::from_ref)).collect()
}

/// A job that is cleared away when it is done is mostly gone before it changes.
fn ends_by_itself(object: &Object) -> bool {
    object.kind() == "Job" && object.node.at(&["spec", "ttlSecondsAfterFinished"]).is_some()
}

/// Whether a value is filled in later. Recursion is bounded by the reader's depth limit.
fn holds_variable(node: &Node) -> bool {
    match &node.value {
        crate::manifest::Value::String(text) => text.contains("${"),
        crate::manifest::Value::List(list) => list.iter().any(holds_variable),
        crate::manifest::Value::Map(map) => map.iter().any(|(_, node)| holds_variable(node)),
        _ => false,
    }
}
