//! What a change does to rendered objects, as people read it: by identity and meaning, not by text.

use std::collections::{BTreeSet, HashMap};

use super::emit::yaml;
use super::lines::line_diff;
use super::mask::{MaskKey, mask};
use super::node::{Map, Node, Object, Value};
use super::outline::Outline;
use super::pairs::{Pair, pairs};
use crate::model::finding::{Change, ChangeKind, ObjectName};

/// Lists whose order carries no meaning, and the fields that tell their items apart: a reorder there is no news.
const KEYED_LISTS: [(&str, &[&str]); 11] = [
    ("containers", &["name"]),
    ("ephemeralContainers", &["name"]),
    ("env", &["name"]),
    ("ports", &["name", "containerPort", "port", "protocol"]),
    ("volumes", &["name"]),
    ("volumeMounts", &["mountPath", "subPath"]),
    ("volumeDevices", &["devicePath"]),
    ("imagePullSecrets", &["name"]),
    ("hostAliases", &["ip"]),
    ("subjects", &["kind", "namespace", "name"]),
    ("volumeClaimTemplates", &["name"]),
];

/// What stands first in a mapping; the rest follows by name. The order is always the same, so it never makes a diff.
const FIRST_KEYS: [&str; 6] = ["apiVersion", "kind", "metadata", "name", "namespace", "image"];

/// What changes from `before` to `after`, sorted by object; every secret is masked before anything is compared or shown.
///
/// A generated ConfigMap or Secret under a new hash is one change, and objects that only follow its new name say so instead of
/// showing it. What is the same under another name is told as renamed.
pub fn changes(before: &[Object], after: &[Object], key: &MaskKey) -> Vec<Change> {
    let pairs = pairs(before, after);
    let mut renames = Renames::default();
    for pair in &pairs {
        if let (Some(old), Some(new), true) = (&pair.was, &pair.name, pair.generated) {
            renames.insert((old.namespace.clone(), old.name.clone()), new.name.clone());
        }
    }
    let mut changes: Vec<Change> = pairs.iter().filter_map(|pair| change(pair, &renames, key)).collect();
    changes.sort_by(|a, b| a.object.cmp(&b.object));
    changes
}

/// Namespace and name of generated objects, and their new names.
type Renames = HashMap<(String, String), String>;

fn change(pair: &Pair<'_>, renames: &Renames, key: &MaskKey) -> Option<Change> {
    match (pair.old, pair.new) {
        (Some(old), Some(new)) => changed(pair, (old, new), renames, key),
        (None, Some(new)) => Some(whole(new, ChangeKind::Added, key)),
        (Some(old), None) => Some(whole(old, ChangeKind::Removed, key)),
        (None, None) => None,
    }
}

fn whole(object: &Object, kind: ChangeKind, key: &MaskKey) -> Change {
    let (outline, text) = written(&canonical(&mask(object, key).node));
    let nothing = Outline::default();
    let (before, after) = match kind {
        ChangeKind::Added => (("", &nothing), (text.as_str(), &outline)),
        _ => ((text.as_str(), &outline), ("", &nothing)),
    };
    let diff = line_diff(before, after);
    let (name, location) = (object.name(), Some(object.location()));
    let lines = (diff.added, diff.removed);
    Change { object: name, kind, was: None, follows: Vec::new(), diff: diff.text, lines, location }
}

fn changed(pair: &Pair<'_>, (before, after): (&Object, &Object), renames: &Renames, key: &MaskKey) -> Option<Change> {
    if before.node == after.node {
        return None;
    }
    let object = after.name();
    let new = canonical(&mask(after, key).node);
    let mut old = canonical(&mask(before, key).node);
    let mut follows = BTreeSet::new();
    if let Some(was) = &pair.was {
        rename(&mut old, was, &object);
    }
    if !renames.is_empty() {
        follow(&mut old, &object.namespace, renames, &mut follows);
    }
    align(&mut old, &new);
    let ((from, before), (to, after_text)) = (written(&old), written(&new));
    let mut diff = line_diff((&before, &from), (&after_text, &to));
    let same = diff.text.is_empty();
    let kind = if same && pair.was.is_some() { ChangeKind::Renamed } else { ChangeKind::Changed };
    if same && follows.is_empty() && kind == ChangeKind::Changed {
        // Kubernetes may still roll out again, so it is not nothing.
        diff.text = "  (only the order of list items changes)\n".to_owned();
    }
    let (follows, lines) = (follows.into_iter().collect(), (diff.added, diff.removed));
    let (was, location) = (pair.was.clone(), Some(after.location()));
    Some(Change { object, kind, was, follows, diff: diff.text, lines, location })
}

fn written(node: &Node) -> (Outline, String) {
    (Outline::of(node), yaml(node))
}

/// Gives the object before the name it has after: that it is another one is told beside the diff.
fn rename(node: &mut Node, was: &ObjectName, is: &ObjectName) {
    let Some(metadata) = node.as_map_mut().and_then(|map| map.get_mut("metadata")).and_then(Node::as_map_mut) else {
        return;
    };
    for (field, old, new) in [("name", &was.name, &is.name), ("namespace", &was.namespace, &is.namespace)] {
        if let Some(value) = metadata.get_mut(field).filter(|value| old != new && value.as_str() == Some(old)) {
            value.value = Value::String(new.as_str().into());
        }
    }
}

/// Lets references to generated objects follow their new names. Recursion is bounded by the reader's depth limit.
fn follow(node: &mut Node, namespace: &str, renames: &Renames, follows: &mut BTreeSet<String>) {
    match &mut node.value {
        Value::List(list) => list.iter_mut().for_each(|item| follow(item, namespace, renames, follows)),
        Value::Map(map) => map.iter_mut().for_each(|(_, value)| follow(value, namespace, renames, follows)),
        Value::String(text) => {
            // Most texts are no names: the hash is looked for before anything is copied.
            let is_hashed = super::pairs::stem_of(text).is_some();
            if let Some(name) = is_hashed.then(|| renames.get(&(namespace.to_owned(), text.to_string()))).flatten() {
                follows.insert(name.clone());
                *text = name.as_str().into();
            }
        }
        _ => {}
    }
}

/// The same node with its keys in the one order diffs use.
fn canonical(node: &Node) -> Node {
    let value = match &node.value {
        Value::List(list) => Value::List(list.iter().map(canonical).collect()),
        Value::Map(map) => {
            let rank = |key: &str| FIRST_KEYS.iter().position(|first| *first == key).unwrap_or(FIRST_KEYS.len());
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| (rank(&key.text), key.text.as_str()));
            let mut sorted = Map::default();
            entries.into_iter().for_each(|(key, value)| sorted.push_new(key.clone(), canonical(value)));
            Value::Map(sorted)
        }
        value => value.clone(),
    };
    Node::new(value, node.span.clone())
}

/// Brings keyed lists of `old` into the order they have in `new`; what `new` lacks stays behind what it followed. Recursion is
/// bounded by the reader's depth limit.
fn align(old: &mut Node, new: &Node) {
    match (&mut old.value, &new.value) {
        (Value::Map(old), Value::Map(new)) => {
            let index: HashMap<&str, &Node> = new.iter().map(|(key, value)| (key.text.as_str(), value)).collect();
            for (key, value) in old.iter_mut() {
                let Some(other) = index.get(key.text.as_str()) else { continue };
                match KEYED_LISTS.iter().find(|(list, _)| *list == key.text) {
                    Some((_, fields)) => align_keyed(value, other, fields),
                    None => align(value, other),
                }
            }
        }
        (Value::List(old), Value::List(new)) => old.iter_mut().zip(new).for_each(|(old, new)| align(old, new)),
        _ => {}
    }
}

fn align_keyed(old: &mut Node, new: &Node, fields: &[&str]) {
    let (Value::List(old), Value::List(new)) = (&mut old.value, &new.value) else { return };
    let identity = |item: &Node| {
        let parts: Vec<String> = fields
            .iter()
            .map(|field| item.get(field).map(|value| value.to_json().to_string()).unwrap_or_default())
            .collect();
        parts.iter().any(|part| !part.is_empty()).then_some(parts)
    };
    let places: HashMap<_, _> = new.iter().enumerate().filter_map(|(at, item)| Some((identity(item)?, at))).collect();
    let mut last = 0;
    let mut placed = Vec::with_capacity(old.len());
    for mut item in std::mem::take(old) {
        let place = match identity(&item) {
            Some(identity) => places.get(&identity).copied(),
            // What has no identity is compared with what stands in its place.
            None => Some(placed.len()).filter(|at| new.get(*at).is_some_and(|other| identity(other).is_none())),
        };
        if let Some(place) = place {
            align(&mut item, &new[place]);
            last = place;
        }
        placed.push((last, item));
    }
    placed.sort_by_key(|(place, _)| *place);
    old.extend(placed.into_iter().map(|(_, item)| item));
}

#[cfg(test)]
#[path = "diff_tests.rs"]
mod tests;
