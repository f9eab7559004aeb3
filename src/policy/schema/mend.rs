//! What surely mends a fault: a slip of the keyboard in a key or a word, quotes that are missing or too many, an API version that a
//! successor replaces field by field.

use super::catalog::{Catalog, Kind, Rules, Schema};
use super::check::Walk;
use crate::manifest::node::Key;
use crate::manifest::{Node, Object, Value};
use crate::model::suggestion::{Edit, Write};
use crate::policy::rules::edit_at;

/// Characters of a word that is compared: no field of Kubernetes has more, and comparing grows with the square.
const MAX_WORD: usize = 64;

/// The one candidate that `word` is a slip of; none where two are as near. Short words are too near to too much.
fn slip_of<'s>(word: &str, candidates: impl Iterator<Item = &'s str>) -> Option<&'s str> {
    let lower = word.to_lowercase();
    let most = match word.chars().count() {
        0..4 => 0,
        4..9 => 1,
        9..=MAX_WORD => 2,
        _ => return None,
    };
    let mut near: Vec<(usize, &str)> = candidates
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= most)
        .collect();
    near.sort_unstable();
    match near.as_slice() {
        [(_, one)] => Some(one),
        [(first, one), (second, _), ..] if first < second => Some(one),
        _ => None,
    }
}

/// The right key, where the value is one that it may have.
pub(super) fn key<'a>(
    walk: &mut Walk<'a>,
    (key, value): (&Key, &'a Node),
    free: impl Iterator<Item = &'a str>,
    schema: &'a Schema,
) -> Option<Edit> {
    let new = slip_of(&key.text, free)?;
    let field = schema.fields.iter().find(|field| field.name == new)?;
    let fits = !value.is_null() && value.made.is_none() && walk.fitting(value, field.schema);
    let (was, new) = (key.text.to_string(), new.to_owned());
    fits.then(|| edit_at(&key.span, Write::Key { was, new }))
}

/// The same value as the type that is needed.
pub(super) fn value(node: &Node, needed: Kind) -> Option<Edit> {
    if node.made.is_some() {
        return None;
    }
    let write = match (needed, &node.value) {
        (Kind::Text, Value::Int(_) | Value::Bool(_)) if !node.odd => {
            let was = node.brief().to_string();
            Write::Text { new: was.clone(), was }
        }
        (Kind::Bool, Value::String(text)) if matches!(text.as_str(), "true" | "false") => {
            Write::Bool { was: text.to_string(), new: text == "true" }
        }
        (Kind::Int | Kind::Number, Value::String(text)) => {
            let new = text.parse::<i64>().ok().filter(|number| number.to_string() == text.as_str())?;
            Write::Number { was: text.to_string(), new }
        }
        _ => return None,
    };
    Some(edit_at(&node.span, write))
}

/// The allowed word that a value is a slip of.
pub(super) fn word(node: &Node, rules: &Rules) -> Option<Edit> {
    let was = node.as_str().filter(|_| node.made.is_none())?.to_owned();
    let new = slip_of(&was, rules.one_of_these.iter().filter_map(serde_json::Value::as_str))?.to_owned();
    Some(edit_at(&node.span, Write::Text { was, new }))
}

/// API versions whose successor has the same fields with the same meaning. Others (Ingress, webhooks, CustomResourceDefinitions, flow
/// control) changed a field or a default, and a person must look.
const SAME_FIELDS: [(&str, &str, &str); 10] = [
    ("batch/v1beta1", "CronJob", "batch/v1"),
    ("autoscaling/v2beta2", "HorizontalPodAutoscaler", "autoscaling/v2"),
    ("policy/v1beta1", "PodDisruptionBudget", "policy/v1"),
    ("rbac.authorization.k8s.io/v1beta1", "Role", "rbac.authorization.k8s.io/v1"),
    ("rbac.authorization.k8s.io/v1beta1", "RoleBinding", "rbac.authorization.k8s.io/v1"),
    ("rbac.authorization.k8s.io/v1beta1", "ClusterRole", "rbac.authorization.k8s.io/v1"),
    ("rbac.authorization.k8s.io/v1beta1", "ClusterRoleBinding", "rbac.authorization.k8s.io/v1"),
    ("scheduling.k8s.io/v1beta1", "PriorityClass", "scheduling.k8s.io/v1"),
    ("node.k8s.io/v1beta1", "RuntimeClass", "node.k8s.io/v1"),
    ("storage.k8s.io/v1beta1", "StorageClass", "storage.k8s.io/v1"),
];

/// The API version that takes the place of an object's own, where the object fits it as it is. One that a patch changed is left alone:
/// the patch may name the old version.
pub(super) fn api(object: &Object, catalog: &Catalog, minor: u32) -> Option<Edit> {
    let (api, kind) = (object.api_version(), object.kind());
    let (_, _, new) = SAME_FIELDS.iter().find(|(was, of, _)| (*was, *of) == (api, kind))?;
    // An empty selector selected nothing and now selects everything.
    let selects = || ["matchLabels", "matchExpressions"].iter().any(|key| has_some(&object.node, key));
    if kind == "PodDisruptionBudget" && !selects() {
        return None;
    }
    let schema = catalog.find(new, kind, minor)??;
    let mut walk = Walk::new(catalog, kind);
    walk.value(&object.node, schema, true);
    let fits = walk.faults.is_empty() && !walk.is_cut() && is_as_written(&object.node);
    let (at, was, new) = (object.node.get("apiVersion")?, api.to_owned(), (*new).to_owned());
    fits.then(|| edit_at(&at.span, Write::Text { was, new }))
}

fn has_some(budget: &Node, key: &str) -> bool {
    budget.at(&["spec", "selector", key]).is_some_and(|node| match &node.value {
        Value::Map(map) => !map.is_empty(),
        Value::List(list) => !list.is_empty(),
        _ => false,
    })
}

/// Whether nothing in it was set by a kustomization; as deep as the reader allows. A namespace or label that one adds to all is none of
/// a patch.
fn is_as_written(node: &Node) -> bool {
    node.made.is_none()
        && match &node.value {
            Value::Map(map) => map.iter().all(|(key, value)| {
                matches!(key.text.as_str(), "namespace" | "labels" | "annotations") || is_as_written(value)
            }),
            Value::List(list) => list.iter().all(is_as_written),
            _ => true,
        }
}
