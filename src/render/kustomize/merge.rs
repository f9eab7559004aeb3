//! Strategic merge: a patch laid over an object, as Kustomize's own merge does it, habits included.
//!
//! The result is what the original prints: nulls in a patch delete, `$patch` directives act, lists of built-in kinds with a
//! merge key are merged (items of the patch first), all other lists are replaced whole.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use smol_str::SmolStr;

use super::merge_keys::{Name, Schema, Type};
use super::resource::{as_text, key, scalar_text, text_node};
use crate::manifest::node::{Map, Node, Value};

const DIRECTIVE: &str = "$patch";
/// What a value says set it.
const BY: &str = "patch";
/// Merging by key compares all items with all: real lists (environment variables) have a few hundred.
const MAX_ITEMS: usize = 2_000;

/// What is known about the node at hand.
#[derive(Clone, Copy)]
struct Known<'k> {
    schema: &'k Schema,
    /// The type of the mapping, or of a list's items.
    of: Option<&'k Type>,
    /// The merge keys, when the node is a list that is merged.
    keys: Option<&'k [Name]>,
}

/// Why a patch cannot be applied, and where in it.
pub(super) type Refusal = Box<(Node, String)>;

fn refuse<T>(at: &Node, why: impl Into<String>) -> Result<T, Refusal> {
    Err(Box::new((at.clone(), why.into())))
}

/// Lays `patch` over `object`; nothing is left when the patch deletes it.
pub(super) fn merge(object: Node, patch: &Node, schema: &Schema) -> Result<Option<Node>, Refusal> {
    forbid_unknown_directives(patch)?;
    if patch.str_at(&[DIRECTIVE]) == Some("replace") {
        // Kustomize drops the replacement of a whole object: the object stays as it is.
        return Ok(Some(object));
    }
    walk(Some(object), Some(patch), Known { schema, of: None, keys: None })
}

/// Directives of `kubectl apply` that Kustomize does not know: it would write them into the object as fields.
fn forbid_unknown_directives(patch: &Node) -> Result<(), Refusal> {
    let mut open = vec![patch];
    while let Some(node) = open.pop() {
        match &node.value {
            Value::List(list) => open.extend(list),
            Value::Map(map) => {
                for (key, value) in map.iter() {
                    let known = ["$setElementOrder", "$deleteFromPrimitiveList", "$retainKeys"];
                    if known.iter().any(|directive| key.text.starts_with(directive)) {
                        let at = Node::new(Value::Null, key.span.clone());
                        return refuse(
                            &at,
                            format!("Kustomize does not act on `{}`, it would keep it as a field", key.text),
                        );
                    }
                    open.push(value);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Merges one node. Recursion is bounded by the reader's depth limit.
fn walk(dest: Option<Node>, origin: Option<&Node>, known: Known<'_>) -> Result<Option<Node>, Refusal> {
    let present =
        |node: Option<&Node>| node.filter(|node| !node.is_null()).map(|node| std::mem::discriminant(&node.value));
    let kind = present(dest.as_ref()).or(present(origin));
    let known = with_embedded_kind(known, dest.as_ref(), origin);
    let lead = dest.as_ref().filter(|node| !node.is_null()).or(origin);
    match lead.map(|node| &node.value) {
        Some(Value::List(_)) => {
            same_shape(dest.as_ref(), origin, kind)?;
            match known.keys {
                Some(keys) => merge_list(dest, origin, known, keys),
                None => Ok(match (origin.cloned(), dest) {
                    (Some(origin), Some(dest)) => Some(origin.over(&dest, BY)),
                    (Some(origin), None) => Some(origin.set_by(BY)),
                    (None, dest) => dest,
                }),
            }
        }
        Some(Value::Map(_) | Value::Null) | None => {
            same_shape(dest.as_ref(), origin, kind)?;
            merge_map(dest, origin, known)
        }
        Some(_) => {
            let plain = |node: &Node| !matches!(node.value, Value::List(_) | Value::Map(_));
            match origin.filter(|origin| !plain(origin)).or(dest.as_ref().filter(|dest| !plain(dest))) {
                Some(other) if dest.is_some() && origin.is_some() => mismatch(origin.unwrap_or(other)),
                _ => scalar(dest, origin),
            }
        }
    }
}

/// A plain value over another. The original keeps the old one's quotes, so that a number over quoted text becomes text.
fn scalar(dest: Option<Node>, origin: Option<&Node>) -> Result<Option<Node>, Refusal> {
    match (dest, origin) {
        // What a patch adds is merged with itself: nothing stood there before.
        (Some(dest), Some(origin)) if dest.span == origin.span => Ok(Some(dest.set_by(BY))),
        (Some(dest), Some(origin)) if dest.quoted => match &origin.value {
            Value::Float(_) => {
                refuse(origin, "Kustomize would make text of this number, because the object has quoted text here")
            }
            Value::Int(_) | Value::Bool(_) => match as_text(origin) {
                Some(text) => Ok(Some(text.over(&dest, BY))),
                None => refuse(
                    origin,
                    "Kustomize would make text of this, as it is written, because the object has quoted text here",
                ),
            },
            _ => Ok(Some(origin.clone().over(&dest, BY))),
        },
        (Some(dest), Some(origin)) => Ok(Some(origin.clone().over(&dest, BY))),
        (None, Some(origin)) => Ok(Some(origin.clone().set_by(BY))),
        (dest, None) => Ok(dest),
    }
}

fn mismatch<T>(at: &Node) -> Result<T, Refusal> {
    refuse(at, "the patch has another shape here than the object: mapping, list and plain value do not mix")
}

fn same_shape(
    dest: Option<&Node>,
    origin: Option<&Node>,
    kind: Option<std::mem::Discriminant<Value>>,
) -> Result<(), Refusal> {
    for node in [dest, origin].into_iter().flatten() {
        if !node.is_null() && kind.is_some_and(|kind| kind != std::mem::discriminant(&node.value)) {
            return mismatch(origin.unwrap_or(node));
        }
    }
    Ok(())
}

/// An object inside an object (a claim template, an item) is known by its own kind.
fn with_embedded_kind<'k>(known: Known<'k>, dest: Option<&Node>, origin: Option<&Node>) -> Known<'k> {
    if known.of.is_some() || known.keys.is_some() {
        return known;
    }
    let of = [dest, origin]
        .into_iter()
        .flatten()
        .find_map(|node| known.schema.of_kind(node.str_at(&["apiVersion"])?, node.str_at(&["kind"])?));
    Known { of, ..known }
}

/// What `$patch` says in a mapping, and the mapping without it.
fn directive(map: &Map) -> Result<Option<&str>, Refusal> {
    match map.get(DIRECTIVE) {
        None => Ok(None),
        Some(node) => match node.as_str() {
            Some(word @ ("delete" | "replace" | "merge")) => Ok(Some(word)),
            _ => refuse(node, "`$patch` is `delete`, `replace` or `merge`"),
        },
    }
}

fn without_directive(node: &Node) -> Node {
    let mut node = node.clone();
    if let Some(map) = node.as_map_mut() {
        map.remove(DIRECTIVE);
    }
    node
}

fn merge_map(dest: Option<Node>, origin: Option<&Node>, known: Known<'_>) -> Result<Option<Node>, Refusal> {
    let said = origin.and_then(Node::as_map).map(directive).transpose()?.flatten();
    let origin =
        origin.map(|node| if said.is_some() { Cow::Owned(without_directive(node)) } else { Cow::Borrowed(node) });
    let dest = match (dest, &origin) {
        _ if said == Some("delete") => return Ok(None),
        (Some(dest), None) if dest.is_null() => {
            // An explicit null stays, a value left out goes.
            return Ok((dest.span.end > dest.span.start).then_some(dest));
        }
        (Some(dest), _) if !dest.is_null() => dest,
        // What is added is merged with itself: its nulls and directives act too.
        (_, Some(origin)) => (**origin).clone(),
        (_, None) => return Ok(None),
    };
    match &origin {
        Some(origin) if origin.is_null() => return Ok(None),
        _ => {}
    }
    let mut dest = match &origin {
        Some(origin) if said == Some("replace") => (**origin).clone(),
        _ => dest,
    };
    let span = dest.span.clone();
    let Some(map) = dest.as_map_mut() else { return Ok(Some(dest)) };
    let additions = origin.as_deref().and_then(Node::as_map);
    let mut merged = Map::default();
    let old = std::mem::take(map);
    // Looked up by hash: a patch of many keys must not cost their square.
    let known_keys: HashSet<SmolStr> = old.iter().map(|(key, _)| key.text.clone()).collect();
    let news: HashMap<&str, &Node> =
        additions.into_iter().flat_map(Map::iter).map(|(k, v)| (k.text.as_str(), v)).collect();
    for (key, value) in old {
        let patch = news.get(key.text.as_str()).copied();
        if let Some(value) = walk_field(Some(value), patch, &key.text, known)? {
            merged.push_new(key, value);
        }
    }
    for (key, value) in additions.into_iter().flat_map(Map::iter) {
        if !known_keys.contains(&key.text)
            && let Some(value) = walk_field(None, Some(value), &key.text, known)?
        {
            merged.push_new(key.clone(), value);
        }
    }
    Ok(Some(Node::new(Value::Map(merged), span)))
}

fn walk_field(
    dest: Option<Node>,
    origin: Option<&Node>,
    name: &str,
    known: Known<'_>,
) -> Result<Option<Node>, Refusal> {
    let field = known.of.and_then(|of| of.field(name));
    let of = field.and_then(|field| known.schema.inner(field));
    let known = Known { of, keys: field.and_then(|field| field.keys.as_deref()), ..known };
    let value = walk(dest, origin, known)?;
    // A null from the patch deletes; one that the object wrote out stays.
    Ok(value.filter(|value| !(value.is_null() && origin.is_some())))
}

/// One item's values for the merge keys; empty where it has none.
type Values = Vec<String>;

fn merge_list(
    dest: Option<Node>,
    origin: Option<&Node>,
    known: Known<'_>,
    keys: &[Name],
) -> Result<Option<Node>, Refusal> {
    let span = match (&dest, origin) {
        (Some(dest), _) => dest.span.clone(),
        (None, Some(origin)) => origin.span.clone(),
        (None, None) => return Ok(None),
    };
    let mut patch: Vec<Node> = origin.and_then(Node::as_list).unwrap_or_default().to_vec();
    let base: Vec<Node> = match dest {
        Some(Node { value: Value::List(list), .. }) => {
            if origin.is_some_and(Node::is_null) {
                return Ok(None);
            }
            match list_directive(&mut patch)?.as_deref() {
                Some("delete") => return Ok(None),
                Some("replace") => patch.clone(),
                _ => list.into_iter().collect(),
            }
        }
        // Added: merged with itself, so that its items' nulls and directives act.
        _ => patch.clone(),
    };
    if base.len() + patch.len() > MAX_ITEMS {
        return refuse(&Node::new(Value::Null, span), format!("lists of more than {MAX_ITEMS} items are not merged"));
    }
    // Alone in its list, an item without key has nothing to be mistaken for.
    let mut all = patch.iter().chain(&base);
    if let (Some(one), true) = (all.next(), !keys.is_empty())
        && all.all(|other| other.span == one.span)
        && keys.iter().all(|key| one.get(key).is_none())
    {
        return Ok(Some(Node::new(Value::List(vec![one.clone()].into()), span)));
    }
    let keys: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
    let items = if keys.is_empty() { union(&patch, base) } else { by_keys(&patch, base, &keys, known)? };
    Ok(Some(Node::new(Value::List(items.into()), span)))
}

/// What an item `- $patch: …` says about the whole list; the item goes.
fn list_directive(patch: &mut Vec<Node>) -> Result<Option<String>, Refusal> {
    let alone = |node: &Node| node.as_map().is_some_and(|map| map.len() == 1 && map.get(DIRECTIVE).is_some());
    let Some(at) = patch.iter().position(|item| item.get(DIRECTIVE).is_some()) else { return Ok(None) };
    if !alone(&patch[at]) {
        return Ok(None);
    }
    let word = patch[at].as_map().map(directive).transpose()?.flatten().map(str::to_owned);
    patch.retain(|item| !(alone(item) && item.str_at(&[DIRECTIVE]) == word.as_deref()));
    Ok(word)
}

/// Plain values: those of the patch first, each once.
fn union(patch: &[Node], base: Vec<Node>) -> Vec<Node> {
    let mut items: Vec<Node> = Vec::new();
    for node in patch.iter().cloned().chain(base) {
        if !items.contains(&node) {
            items.push(node);
        }
    }
    items
}

/// Items by merge key: those of the patch first, then those only the object has.
fn by_keys(patch: &[Node], mut base: Vec<Node>, keys: &[&str], known: Known<'_>) -> Result<Vec<Node>, Refusal> {
    let mut all: Vec<Values> = Vec::new();
    for item in patch.iter().chain(&base) {
        let values = values_of(item, keys);
        if values.iter().all(String::is_empty) {
            return refuse(
                item,
                format!("an item of this list has no `{}`: Kustomize would lose the items beside it", keys[0]),
            );
        }
        if !all.contains(&values) {
            all.push(values);
        }
    }
    if keys.len() > 1 {
        complete(&mut all);
    }
    // Keys that no item has do not count.
    let used: Vec<usize> = (0..keys.len()).filter(|i| all.iter().any(|values| !values[*i].is_empty())).collect();
    let valid: Vec<&str> = used.iter().map(|i| keys[*i]).collect();
    let mut items = Vec::new();
    for values in &all {
        let wanted: Values = used.iter().map(|i| values[*i].clone()).collect();
        let (at, origin) = (find(&base, &valid, &wanted), find(patch, &valid, &wanted));
        let dest = at.map(|at| base[at].clone());
        let item = walk(dest, origin.map(|at| &patch[at]), Known { keys: None, ..known })?;
        let Some(mut item) = item.filter(|item| !item.is_null() && item.as_map().is_none_or(|map| !map.is_empty()))
        else {
            set(&mut base, &valid, &wanted, None);
            continue;
        };
        let span = item.span.clone();
        if let Some(map) = item.as_map_mut() {
            for (name, value) in valid.iter().zip(&wanted).filter(|(_, value)| !value.is_empty()) {
                if map.get(name).is_none() {
                    map.push_new(key(name, &span), text_node(value, &span));
                }
            }
        }
        // The original forgets to put a replaced item back over the old one, so `$patch: replace` on an item does nothing.
        let replaced = origin.is_some_and(|at| patch[at].str_at(&[DIRECTIVE]) == Some("replace"));
        if let Some(at) = at.filter(|_| !replaced) {
            base[at] = item.clone();
        }
        set(&mut items, &valid, &wanted, Some(item));
    }
    base.into_iter().for_each(|item| append_rest(&mut items, item, &valid));
    Ok(items)
}

/// Puts what the object had into the merged list: in its place by one key, at the end by several, as the original does.
fn append_rest(items: &mut Vec<Node>, item: Node, keys: &[&str]) {
    let values: Values = keys.iter().filter_map(|key| item.get(key).and_then(scalar_text)).collect();
    if keys.len() > 1 {
        set(items, keys, &values, None);
    }
    set(items, keys, &values, Some(item));
}

fn values_of(item: &Node, keys: &[&str]) -> Values {
    keys.iter().map(|key| item.get(key).and_then(scalar_text).unwrap_or_default()).collect()
}

/// With several keys, `80` and `80/UDP` mean the same item: what one leaves out, the other tells.
fn complete(all: &mut [Values]) {
    for i in 0..all.len() {
        for j in 0..all.len() {
            let (a, b) = (&all[i], &all[j]);
            let agree = a.iter().zip(b).all(|(a, b)| a == b || a.is_empty() || b.is_empty());
            if agree && a.iter().zip(b).any(|(a, b)| a == b) {
                let joined: Values = a.iter().zip(b).map(|(a, b)| if a.is_empty() { b } else { a }.clone()).collect();
                all[i].clone_from(&joined);
                all[j] = joined;
            }
        }
    }
}

/// The first item that has exactly these values. Keys without a value do not take part.
fn find(items: &[Node], keys: &[&str], values: &[String]) -> Option<usize> {
    let wanted = || keys.iter().zip(values).filter(|(_, value)| !value.is_empty());
    items.iter().position(|item| item.as_map().is_some() && wanted().all(|(key, value)| is(item.get(key), value)))
}

/// Whether a plain value reads as `text`.
fn is(node: Option<&Node>, text: &str) -> bool {
    match node.map(|node| &node.value) {
        None => false,
        Some(Value::String(value)) => value == text,
        Some(_) => node.and_then(scalar_text).as_deref() == Some(text),
    }
}

/// Puts an item in the place of those with the same values, or at the end; without an item, takes those away.
fn set(items: &mut Vec<Node>, keys: &[&str], values: &[String], item: Option<Node>) {
    let matches = |node: &Node| {
        // A key beyond the values given is not compared, and an empty value asks only that the key is there.
        node.as_map().is_some()
            && keys.iter().zip(values).all(|(key, value)| {
                let found = node.get(key);
                found.is_some() && (value.is_empty() || is(found, value))
            })
    };
    let mut placed = false;
    let mut kept = Vec::with_capacity(items.len() + 1);
    for node in items.drain(..) {
        if node.is_null() || node.as_map().is_some_and(Map::is_empty) {
            continue;
        }
        if !matches(&node) {
            kept.push(node);
            continue;
        }
        placed = true;
        kept.extend(item.clone());
    }
    if !placed {
        kept.extend(item);
    }
    *items = kept;
}
