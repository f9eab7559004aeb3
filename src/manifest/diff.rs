//! What a change does to rendered objects, as people read it: by identity and meaning, not by text.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::emit::yaml;
use super::lines::line_diff;
use super::mask::{MaskKey, mask};
use super::node::{Map, Node, Object, Value};
use crate::model::finding::{Change, ChangeKind, ImageChange, ObjectName};

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

/// Longer image references are cut where they are shown; registries refuse names over 255 characters.
const MAX_IMAGE_CHARS: usize = 300;

/// What changes from `before` to `after`, sorted by object; every secret is masked before anything is compared or shown.
///
/// Objects are paired by group, kind, namespace and name, several of one identity in their order. A generated ConfigMap or
/// Secret whose name differs only in its hash is one change, not two.
pub fn changes(before: &[Object], after: &[Object], key: &MaskKey) -> Vec<Change> {
    let mut pairs: BTreeMap<ObjectName, (Vec<&Object>, Vec<&Object>)> = BTreeMap::new();
    before.iter().for_each(|object| pairs.entry(object.name()).or_default().0.push(object));
    after.iter().for_each(|object| pairs.entry(object.name()).or_default().1.push(object));
    let mut changes = Vec::new();
    let (mut gone, mut new) = (Vec::new(), Vec::new());
    for (name, (old, fresh)) in &pairs {
        let both = old.len().min(fresh.len());
        changes.extend(old.iter().zip(fresh).filter_map(|(old, fresh)| changed(name, old, fresh, key)));
        gone.extend(old[both..].iter().map(|object| (name, *object)));
        new.extend(fresh[both..].iter().map(|object| (name, *object)));
    }
    // Which gone objects wait under which stem; the last one is taken first, so they wait in reverse.
    let mut stems: HashMap<ObjectName, Vec<usize>> = HashMap::new();
    for (at, (name, _)) in gone.iter().enumerate().rev() {
        stem(name).into_iter().for_each(|stem| stems.entry(stem).or_default().push(at));
    }
    let mut renamed = HashSet::new();
    for (name, object) in new {
        match stem(name).and_then(|stem| stems.get_mut(&stem)?.pop()) {
            Some(at) => {
                renamed.insert(at);
                changes.extend(changed(name, gone[at].1, object, key));
            }
            None => changes.push(whole(name, object, ChangeKind::Added, key)),
        }
    }
    let gone = gone.into_iter().enumerate().filter(|(at, _)| !renamed.contains(at));
    changes.extend(gone.map(|(_, (name, object))| whole(name, object, ChangeKind::Removed, key)));
    changes.sort_by(|a, b| a.object.cmp(&b.object));
    changes
}

/// A generated name without its hash: kustomize ends it with ten characters of an alphabet of sixteen.
fn stem(name: &ObjectName) -> Option<ObjectName> {
    let generated = name.group.is_empty() && matches!(name.kind.as_str(), "ConfigMap" | "Secret");
    let (stem, hash) = name.name.rsplit_once('-').filter(|_| generated)?;
    let is_hash = hash.len() == 10 && hash.bytes().all(|byte| b"2456789bcdfghkmt".contains(&byte));
    is_hash.then(|| ObjectName { name: stem.to_owned(), ..name.clone() })
}

fn whole(name: &ObjectName, object: &Object, kind: ChangeKind, key: &MaskKey) -> Change {
    let text = yaml(&canonical(&mask(object, key).node));
    let (before, after) = if kind == ChangeKind::Added { ("", text.as_str()) } else { (text.as_str(), "") };
    let diff = line_diff(before, after);
    let lines = (diff.added, diff.removed);
    Change { object: name.clone(), kind, diff: diff.text, lines, location: Some(object.location()) }
}

fn changed(name: &ObjectName, before: &Object, after: &Object, key: &MaskKey) -> Option<Change> {
    if before.node == after.node {
        return None;
    }
    let new = canonical(&mask(after, key).node);
    let mut old = canonical(&mask(before, key).node);
    align(&mut old, &new);
    let mut diff = line_diff(&yaml(&old), &yaml(&new));
    if diff.text.is_empty() {
        // Kubernetes may still roll out again, so it is not nothing.
        diff.text = "  (only the order of list items changes)\n".to_owned();
    }
    let lines = (diff.added, diff.removed);
    let location = Some(after.location());
    Some(Change { object: name.clone(), kind: ChangeKind::Changed, diff: diff.text, lines, location })
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

/// Brings keyed lists of `old` into the order they have in `new`; what `new` lacks stays behind what it followed.
fn align(old: &mut Node, new: &Node) {
    match (&mut old.value, &new.value) {
        (Value::Map(old), Value::Map(new)) => {
            let index: HashMap<&str, &Node> = new.iter().map(|(key, value)| (key.text.as_str(), value)).collect();
            for (key, value) in old.iter_mut() {
                let Some(other) = index.get(key.text.as_str()) else { continue };
                if let Some((_, fields)) = KEYED_LISTS.iter().find(|(list, _)| *list == key.text) {
                    reorder(value, other, fields);
                }
                align(value, other);
            }
        }
        (Value::List(old), Value::List(new)) => old.iter_mut().zip(new).for_each(|(old, new)| align(old, new)),
        _ => {}
    }
}

fn reorder(old: &mut Node, new: &Node, fields: &[&str]) {
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
    old.sort_by_cached_key(|item| {
        // Called once an item, in order.
        last = identity(item).and_then(|identity| places.get(&identity).copied()).unwrap_or(last);
        last
    });
}

/// Images that change anywhere in pod templates, each name once a tag, sorted.
pub fn image_changes(before: &[Object], after: &[Object]) -> Vec<ImageChange> {
    let (old, new) = (images(before), images(after));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let none = BTreeSet::new();
    let mut changes = Vec::new();
    for name in names {
        let (old, new) = (old.get(name).unwrap_or(&none), new.get(name).unwrap_or(&none));
        let (gone, fresh): (Vec<_>, Vec<_>) = (old.difference(new).collect(), new.difference(old).collect());
        for at in 0..gone.len().max(fresh.len()) {
            let tag = |tags: &[&String]| tags.get(at).map_or(String::new(), |tag| (*tag).clone());
            changes.push(ImageChange { name: name.clone(), from: tag(&gone), to: tag(&fresh) });
        }
    }
    changes
}

/// Every image's tags. An image without tag is `latest`, which is what Kubernetes pulls.
fn images(objects: &[Object]) -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::<String, BTreeSet<String>>::new();
    for object in objects {
        collect_images(&object.node, &mut |image| {
            let image: String = image.chars().take(MAX_IMAGE_CHARS).collect();
            let (name, tag) = split_image(&image);
            found.entry(name.to_owned()).or_default().insert(tag.to_owned());
        });
    }
    found
}

fn collect_images(node: &Node, found: &mut impl FnMut(&str)) {
    match &node.value {
        Value::Map(map) => {
            for (key, value) in map.iter() {
                if matches!(key.text.as_str(), "containers" | "initContainers" | "ephemeralContainers") {
                    value
                        .as_list()
                        .unwrap_or_default()
                        .iter()
                        .filter_map(|item| item.str_at(&["image"]))
                        .for_each(&mut *found);
                } else {
                    collect_images(value, found);
                }
            }
        }
        Value::List(list) => list.iter().for_each(|item| collect_images(item, found)),
        _ => {}
    }
}

/// An image's name, and its tag, digest, or both as written.
fn split_image(image: &str) -> (&str, &str) {
    let name_end = image.find('@').unwrap_or(image.len());
    let path = image[..name_end].rfind('/').map_or(0, |slash| slash + 1);
    match image[path..name_end].find(':') {
        Some(colon) => (&image[..path + colon], &image[path + colon + 1..]),
        None if name_end < image.len() => (&image[..name_end], &image[name_end + 1..]),
        None => (image, "latest"),
    }
}

#[cfg(test)]
#[path = "diff_tests.rs"]
mod tests;
