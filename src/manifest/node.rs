//! The node: a value, and the place it was written at.

use std::collections::HashMap;
use std::sync::Arc;

use smol_str::{SmolStr, ToSmolStr, format_smolstr};

use super::list::List;
use crate::model::finding::{Location, ObjectName};
use crate::model::path::RepoPath;

/// Where a node was written: a byte range of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The file, shared by all nodes read from it.
    pub file: Arc<RepoPath>,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1, in characters.
    pub column: u32,
    /// The first byte of the value in the file, quotes included.
    pub start: u32,
    /// The byte after the last; equal to `start` for what no text stands for, such as an omitted value.
    pub end: u32,
}

impl Span {
    /// The place as people are shown it.
    pub fn location(&self) -> Location {
        Location { path: (*self.file).clone(), line: self.line, column: self.column }
    }
}

/// A value and its place. What a transformer makes carries the place of what told it to.
#[derive(Debug, Clone)]
pub struct Node {
    /// The value, as the Kubernetes API server would read it.
    pub value: Value,
    /// Where it was written: the line to change.
    pub span: Span,
    /// How it came to be; nothing when it simply is what stands at its place.
    pub made: Option<Arc<Made>>,
    /// Whether it is a scalar that stands in quotes or as a block. Kustomize keeps that when it sets another value there.
    pub quoted: bool,
    /// Whether it is a number or boolean written otherwise than it prints, such as `0x10` or `True`.
    pub odd: bool,
}

/// A step on a value's way: what set it, and what was there before.
#[derive(Debug, Clone)]
pub struct Made {
    /// What set it: the field of a kustomization, such as `images`, or a patch.
    pub by: &'static str,
    /// What stood there before and where, when something did.
    pub before: Option<(SmolStr, Span)>,
    /// How that came to be.
    pub past: Option<Arc<Made>>,
    /// How many steps there are, this one included.
    steps: u32,
}

/// Steps remembered for one value: real ones have up to five, and a longer chain would be dropped by recursion.
const MAX_STEPS: u32 = 64;
/// Characters kept of a value that was replaced: enough to know it again.
const MAX_BEFORE: usize = 120;

/// A YAML value under go-yaml's scalar rules, which are the API server's.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`, `~`, or nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number that is no `i64`.
    Float(f64),
    /// Text; short ones need no memory of their own, long ones are shared by all copies.
    String(SmolStr),
    /// A sequence.
    List(List),
    /// A mapping, in the order written.
    Map(Map),
}

/// A mapping in the order written, keys unique. Copies share the entries until one of them is changed.
#[derive(Debug, Clone, Default)]
pub struct Map {
    entries: Arc<Vec<(Key, Node)>>,
}

/// A mapping's key and where it was written.
#[derive(Debug, Clone)]
pub struct Key {
    /// The key's text; Kubernetes knows no other keys.
    pub text: SmolStr,
    /// Where it was written.
    pub span: Span,
}

/// Two nodes are equal when their values are, wherever they were written; maps compare without order.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// Equality without order. Entries mostly stand in the same order; only one that does not costs an index, so that
/// comparing large hostile maps stays linear.
impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        let mut index: Option<HashMap<&str, &Node>> = None;
        self.len() == other.len()
            && self.entries.iter().zip(&*other.entries).all(|((key, value), (near, candidate))| {
                if key == near {
                    return value == candidate;
                }
                let index = index.get_or_insert_with(|| other.iter().map(|(k, v)| (k.text.as_str(), v)).collect());
                index.get(key.text.as_str()) == Some(&value)
            })
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Map {
    /// An empty mapping with room for so many entries.
    pub fn with_capacity(entries: usize) -> Self {
        Self { entries: Arc::new(Vec::with_capacity(entries)) }
    }

    /// A mapping of entries whose keys the caller knows to be unique.
    pub(super) fn of_unique(entries: Vec<(Key, Node)>) -> Self {
        Self { entries: Arc::new(entries) }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries.iter().find(|(k, _)| k.text == key).map(|(_, v)| v)
    }

    /// The value of `key`, to change.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        let at = self.entries.iter().position(|(k, _)| k.text == key)?;
        Some(&mut self.own()[at].1)
    }

    /// The entries, for this mapping alone to change.
    fn own(&mut self) -> &mut Vec<(Key, Node)> {
        Arc::make_mut(&mut self.entries)
    }

    /// The key itself, for its place.
    pub fn key(&self, key: &str) -> Option<&Key> {
        self.entries.iter().find(|(k, _)| k.text == key).map(|(k, _)| k)
    }

    /// Sets `key`: in place when it is there, at the end otherwise. The key keeps its first place.
    pub fn insert(&mut self, key: Key, value: Node) {
        match self.get_mut(&key.text) {
            Some(old) => *old = value,
            None => self.push_new(key, value),
        }
    }

    /// Sets `key` as [`Map::insert`] does; the value remembers what set it and what it replaces.
    pub fn set(&mut self, key: Key, value: Node, by: &'static str) {
        let value = match self.get(&key.text) {
            Some(old) => value.over(old, by),
            None => value.set_by(by),
        };
        self.insert(key, value);
    }

    /// Appends an entry whose key the caller knows to be new: linear reading of large maps depends on it.
    pub fn push_new(&mut self, key: Key, value: Node) {
        self.own().push((key, value));
    }

    /// Takes `key` out, keeping the order of the rest.
    pub fn remove(&mut self, key: &str) -> Option<Node> {
        let at = self.entries.iter().position(|(k, _)| k.text == key)?;
        Some(self.own().remove(at).1)
    }

    /// The entries, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Key, &Node)> {
        self.entries.iter().map(|(k, v)| (k, v))
    }

    /// The entries, in order, values to change.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (&Key, &mut Node)> {
        self.own().iter_mut().map(|(k, v)| (&*k, v))
    }

    /// The entries, in order, keys to change too; they must stay unique.
    pub(crate) fn entries_mut(&mut self) -> impl Iterator<Item = &mut (Key, Node)> {
        self.own().iter_mut()
    }

    /// Keeps the entries that `keep` accepts.
    pub fn retain(&mut self, mut keep: impl FnMut(&Key, &Node) -> bool) {
        self.own().retain(|(k, v)| keep(k, v));
    }
}

impl IntoIterator for Map {
    type Item = (Key, Node);
    type IntoIter = std::vec::IntoIter<(Key, Node)>;

    fn into_iter(self) -> Self::IntoIter {
        Arc::unwrap_or_clone(self.entries).into_iter()
    }
}

impl Node {
    /// A node made by the program, standing at the place of what told it to.
    pub fn new(value: Value, span: Span) -> Self {
        Self { value, span, made: None, quoted: false, odd: false }
    }

    /// The same, as something set where nothing was.
    pub fn set_by(mut self, by: &'static str) -> Self {
        self.made = Some(Arc::new(Made { by, before: None, past: None, steps: 1 }));
        self
    }

    /// The same, as something that takes the place of `old` and goes on with its history.
    pub fn over(mut self, old: &Node, by: &'static str) -> Self {
        self.quoted = old.quoted;
        let past = old.made.clone().filter(|past| past.steps < MAX_STEPS);
        let steps = past.as_ref().map_or(0, |past| past.steps) + 1;
        self.made = Some(Arc::new(Made { by, before: Some((old.brief(), old.span.clone())), past, steps }));
        self
    }

    /// A plain value's text, or what it is instead; never long.
    pub fn brief(&self) -> SmolStr {
        let cut = |text: &SmolStr| match text.char_indices().nth(MAX_BEFORE) {
            Some((end, _)) => format_smolstr!("{}…", &text[..end]),
            None => text.clone(),
        };
        match &self.value {
            Value::Null => SmolStr::new_static("null"),
            Value::Bool(truth) => truth.to_smolstr(),
            Value::Int(number) => number.to_smolstr(),
            Value::Float(number) => number.to_smolstr(),
            Value::String(text) => cut(text),
            Value::List(list) => format_smolstr!("a list of {}", list.len()),
            Value::Map(map) => format_smolstr!("a mapping of {}", map.len()),
        }
    }

    /// The mapping, if it is one.
    pub fn as_map(&self) -> Option<&Map> {
        if let Value::Map(map) = &self.value { Some(map) } else { None }
    }

    /// The mapping, to change, if it is one.
    pub fn as_map_mut(&mut self) -> Option<&mut Map> {
        if let Value::Map(map) = &mut self.value { Some(map) } else { None }
    }

    /// The sequence, if it is one.
    pub fn as_list(&self) -> Option<&[Node]> {
        if let Value::List(list) = &self.value { Some(list) } else { None }
    }

    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        if let Value::String(text) = &self.value { Some(text) } else { None }
    }

    /// The integer, if it is one.
    pub fn as_int(&self) -> Option<i64> {
        if let Value::Int(number) = self.value { Some(number) } else { None }
    }

    /// The boolean, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        if let Value::Bool(truth) = self.value { Some(truth) } else { None }
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// The value of `key`, when this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.get(key)
    }

    /// The node at a path of keys, such as `["spec", "template", "spec"]`.
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The text at a path of keys.
    pub fn str_at(&self, path: &[&str]) -> Option<&str> {
        self.at(path)?.as_str()
    }

    /// The place of the key at the end of a path, or of the last one on the way to it: a mapping itself stands where its first key does,
    /// which is another line than the one a person looks for.
    pub fn place_of<S: AsRef<str>>(&self, path: &[S]) -> &Span {
        let (mut node, mut at) = (self, &self.span);
        for part in path {
            let part = part.as_ref();
            let Some((key, value)) = node.as_map().and_then(|map| Some((map.key(part)?, map.get(part)?))) else {
                break;
            };
            (node, at) = (value, &key.span);
        }
        at
    }

    /// The items of the list at a path of keys; none when there is no list.
    pub fn list_at(&self, path: &[&str]) -> &[Node] {
        self.at(path).and_then(Node::as_list).unwrap_or_default()
    }

    /// The same value as JSON, for schemas and policies.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(truth) => (*truth).into(),
            Value::Int(number) => (*number).into(),
            Value::Float(number) => (*number).into(),
            Value::String(text) => text.as_str().into(),
            Value::List(list) => list.iter().map(Node::to_json).collect(),
            Value::Map(map) => {
                serde_json::Value::Object(map.iter().map(|(k, v)| (k.text.to_string(), v.to_json())).collect())
            }
        }
    }
}

/// A Kubernetes object: a mapping with `apiVersion`, `kind` and a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// The whole object.
    pub node: Node,
}

impl Object {
    /// Who it is.
    pub fn name(&self) -> ObjectName {
        let text = |path: &[&str]| self.node.str_at(path).unwrap_or_default().to_owned();
        let api = text(&["apiVersion"]);
        ObjectName {
            group: api.split_once('/').map_or(String::new(), |(group, _)| group.to_owned()),
            kind: text(&["kind"]),
            namespace: text(&["metadata", "namespace"]),
            name: text(&["metadata", "name"]),
        }
    }

    /// The kind, empty when it is no text.
    pub fn kind(&self) -> &str {
        self.node.str_at(&["kind"]).unwrap_or_default()
    }

    /// The API version, empty when it is no text.
    pub fn api_version(&self) -> &str {
        self.node.str_at(&["apiVersion"]).unwrap_or_default()
    }

    /// Where the object begins.
    pub fn location(&self) -> Location {
        self.node.span.location()
    }
}
