//! Which object before is which object after.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};

use super::node::{Node, Object, Value};
use crate::model::finding::ObjectName;

/// Kinds whose name is their meaning or their data: under another name they are another thing, and the old one's end is news.
const NEVER_RENAMED: [&str; 5] =
    ["Namespace", "PersistentVolumeClaim", "PersistentVolume", "StatefulSet", "CustomResourceDefinition"];

/// An object before and after.
#[derive(Debug, Default)]
pub(crate) struct Pair<'o> {
    pub(crate) old: Option<&'o Object>,
    pub(crate) new: Option<&'o Object>,
    /// Who it was, when it has another name now.
    pub(crate) was: Option<ObjectName>,
    /// Who it is, when there is one after.
    pub(crate) name: Option<ObjectName>,
    /// Whether only the hash of a generated name differs.
    pub(crate) generated: bool,
}

/// Pairs objects by group, kind, namespace and name, several of one identity in their order; then generated ConfigMaps and
/// Secrets by their names without hash; then what is the same but for its name.
pub(crate) fn pairs<'o>(before: &'o [Object], after: &'o [Object]) -> Vec<Pair<'o>> {
    let mut named: BTreeMap<ObjectName, (Vec<&Object>, Vec<&Object>)> = BTreeMap::new();
    before.iter().for_each(|object| named.entry(object.name()).or_default().0.push(object));
    after.iter().for_each(|object| named.entry(object.name()).or_default().1.push(object));
    let (mut pairs, mut gone, mut new) = (Vec::new(), Vec::new(), Vec::new());
    for (name, (old, fresh)) in &named {
        let both = old.len().min(fresh.len());
        pairs.extend(old.iter().zip(fresh).map(|(old, fresh)| Pair {
            old: Some(old),
            new: Some(fresh),
            name: Some(name.clone()),
            ..Pair::default()
        }));
        gone.extend(old[both..].iter().map(|object| (name, *object)));
        new.extend(fresh[both..].iter().map(|object| (name, *object)));
    }
    renamed(&mut pairs, (&mut gone, &mut new), true, |name, _| stem(name), |_, _| true);
    let content = |name: &ObjectName, object: &Object| {
        let may = !NEVER_RENAMED.contains(&name.kind.as_str());
        may.then(|| (name.kind.clone(), fingerprint(&object.node)))
    };
    renamed(&mut pairs, (&mut gone, &mut new), false, content, same_but_name);
    pairs.extend(gone.into_iter().map(|(_, object)| Pair { old: Some(object), ..Pair::default() }));
    let fresh =
        |(name, object): (&ObjectName, _)| Pair { new: Some(object), name: Some(name.clone()), ..Pair::default() };
    pairs.extend(new.into_iter().map(fresh));
    pairs
}

type Named<'n, 'o> = Vec<(&'n ObjectName, &'o Object)>;

/// Pairs what is gone with what is new when both have the same key; in order, and each at most once.
fn renamed<'o, K: Hash + Eq>(
    pairs: &mut Vec<Pair<'o>>,
    (gone, new): (&mut Named<'_, 'o>, &mut Named<'_, 'o>),
    generated: bool,
    key: impl Fn(&ObjectName, &Object) -> Option<K>,
    agree: impl Fn(&Object, &Object) -> bool,
) {
    if gone.is_empty() || new.is_empty() {
        return;
    }
    let mut waiting: HashMap<K, Vec<usize>> = HashMap::new();
    // The last one is taken first, so they wait in reverse.
    for (at, (name, object)) in gone.iter().enumerate().rev() {
        key(name, object).into_iter().for_each(|key| waiting.entry(key).or_default().push(at));
    }
    let mut taken = vec![false; gone.len()];
    new.retain(|(name, object)| {
        let all = key(name, object).and_then(|key| waiting.get_mut(&key));
        let Some(at) = all.and_then(|all| all.pop_if(|at| agree(gone[*at].1, object))) else { return true };
        taken[at] = true;
        let (was, old) = gone[at];
        let (was, name) = (Some(was.clone()), Some((*name).clone()));
        pairs.push(Pair { old: Some(old), new: Some(object), was, name, generated });
        false
    });
    let mut at = 0;
    gone.retain(|_| {
        at += 1;
        !taken[at - 1]
    });
}

/// A generated name without its hash: kustomize ends it with ten characters of an alphabet of sixteen.
pub(crate) fn stem_of(name: &str) -> Option<&str> {
    let (stem, hash) = name.rsplit_once('-')?;
    let is_hash = hash.len() == 10 && hash.bytes().all(|byte| b"2456789bcdfghkmt".contains(&byte));
    is_hash.then_some(stem)
}

fn stem(name: &ObjectName) -> Option<ObjectName> {
    let generated = name.group.is_empty() && matches!(name.kind.as_str(), "ConfigMap" | "Secret");
    let stem = generated.then(|| stem_of(&name.name)).flatten()?;
    Some(ObjectName { name: stem.to_owned(), ..name.clone() })
}

/// A number that is the same for objects that are the same but for name and namespace.
fn fingerprint(node: &Node) -> u64 {
    digest(node, 0)
}

/// Where a node stands, as far as names matter: the object, its metadata, elsewhere.
fn is_name(level: usize, key: &str) -> bool {
    level == 1 && matches!(key, "name" | "namespace")
}

/// The order of keys does not count, so their digests are added up. Recursion is bounded by the reader's depth limit.
fn digest(node: &Node, level: usize) -> u64 {
    let mut hasher = DefaultHasher::new();
    std::mem::discriminant(&node.value).hash(&mut hasher);
    match &node.value {
        Value::Null => {}
        Value::Bool(truth) => truth.hash(&mut hasher),
        Value::Int(number) => number.hash(&mut hasher),
        // Zero and its negative are equal.
        Value::Float(number) => (number + 0.0).to_bits().hash(&mut hasher),
        Value::String(text) => text.hash(&mut hasher),
        Value::List(list) => list.iter().for_each(|item| digest(item, 2).hash(&mut hasher)),
        Value::Map(map) => {
            let mut sum = 0u64;
            for (key, value) in map.iter().filter(|(key, _)| !is_name(level, &key.text)) {
                let below = if level == 0 && key.text == "metadata" { 1 } else { 2 };
                let mut entry = DefaultHasher::new();
                (&key.text, digest(value, below)).hash(&mut entry);
                sum = sum.wrapping_add(entry.finish());
            }
            sum.hash(&mut hasher);
        }
    }
    hasher.finish()
}

fn same_but_name(old: &Object, new: &Object) -> bool {
    let bare = |object: &Object| {
        let mut node = object.node.clone();
        if let Some(metadata) = node.as_map_mut().and_then(|map| map.get_mut("metadata")).and_then(Node::as_map_mut) {
            metadata.retain(|key, _| !is_name(1, &key.text));
        }
        node
    };
    bare(old) == bare(new)
}
