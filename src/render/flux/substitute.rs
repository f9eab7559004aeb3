//! `postBuild`: variables replaced in the text of every object, which is then read again.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::super::kustomize::{long, weigh};
use super::super::reading::as_json;
use super::super::source::Source;
use super::envsubst::{Known, expand};
use super::glob::Fuel;
use super::text::{Written, written};
use crate::manifest::load;
use crate::manifest::node::{Key, Map, Node, Object, Span, Value};

/// What a replaced value's history says.
pub(super) const BY: &str = "postBuild";
/// The label or annotation that keeps an object as it is.
const SWITCH: &str = "kustomize.toolkit.fluxcd.io/substitute";

/// What is known about the variables of one Flux Kustomization.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Variables {
    /// Names and values.
    pub(super) values: BTreeMap<String, String>,
    /// Names whose values are secret.
    pub(super) secret: BTreeSet<String>,
    /// Sources that are not in the repository, such as `Secret flux-system/cluster-secrets`.
    pub(super) unseen: Vec<String>,
    /// Sources that are not in the repository, and need not be anywhere.
    pub(super) optional: Vec<String>,
    /// Whether to replace even when nothing is set, for the sake of defaults.
    pub(super) always: bool,
}

impl Variables {
    fn known(&self, name: &str) -> Known<'_> {
        match self.values.get(name) {
            _ if self.secret.contains(name) => Known::Hole,
            Some(value) => Known::Value(value),
            None if !self.unseen.is_empty() => Known::Hole,
            None if !self.optional.is_empty() => Known::Perhaps,
            None => Known::Unset,
        }
    }

    /// Learns what others know of the same sources.
    pub(super) fn merge(&mut self, other: Variables) {
        self.unseen.retain(|source| other.unseen.contains(source));
        self.optional.retain(|source| other.optional.contains(source));
        for (name, value) in other.values {
            if !self.secret.contains(&name) {
                self.values.entry(name).or_insert(value);
            }
        }
        self.secret.extend(other.secret.into_iter().filter(|name| !self.values.contains_key(name)));
    }

    /// Whether Flux replaces anything at all.
    pub(super) fn apply(&self) -> bool {
        self.always || !self.values.is_empty() || !self.secret.is_empty() || !self.unseen.is_empty()
    }
}

/// Replaces the variables of all objects; gives the expressions that stay, since only the cluster knows their values.
pub(super) fn substitute(
    source: &mut Source<'_>,
    objects: &mut [Object],
    variables: &Variables,
) -> Option<BTreeSet<String>> {
    let (mut holes, mut sound, mut fuel) = (BTreeSet::new(), true, Fuel::default());
    if !variables.apply() {
        return Some(holes);
    }
    let mut names = HashSet::new();
    for object in objects {
        if has_dollar(&object.node) && !is_switched_off(object) {
            match one(source, &object.node, variables, &mut fuel) {
                Some((node, more)) => {
                    object.node = node;
                    holes.extend(more);
                }
                // With nothing left to spend, every further object would be refused as well.
                None if source.room() == 0 => return None,
                None => sound = false,
            }
        }
        if sound && !names.insert(object.name()) {
            let message = format!("after variables are replaced, {} exists twice", object.name());
            source.wrong(&object.node.span, message, "Give them different names.");
            sound = false;
        }
    }
    // Many folders are rendered in one environment, each with fuel of its own.
    source.weight = source.weight.saturating_add(usize::try_from(fuel.burnt() / 64).unwrap_or(usize::MAX));
    sound.then_some(holes)
}

fn is_switched_off(object: &Object) -> bool {
    let off = |place| object.node.at(&["metadata", place]).and_then(|map| map.get(SWITCH)).and_then(Node::as_str);
    off("labels") == Some("disabled") || off("annotations") == Some("disabled")
}

/// Whether any text has a dollar sign. Recursion is bounded by the reader's depth limit.
fn has_dollar(node: &Node) -> bool {
    match &node.value {
        Value::String(text) => text.contains('$'),
        Value::List(list) => list.iter().any(has_dollar),
        Value::Map(map) => map.iter().any(|(key, value)| key.text.contains('$') || has_dollar(value)),
        _ => false,
    }
}

fn one(source: &mut Source<'_>, node: &Node, variables: &Variables, fuel: &mut Fuel) -> Option<(Node, Vec<String>)> {
    let text = written(node);
    let known = |name: &str| variables.known(name);
    let expanded = match expand(&text.text, &known, true, fuel) {
        Ok(expanded) => expanded,
        Err(refusal) => {
            let span = text.value_at(refusal.at).unwrap_or(&node.span);
            let help = "Set it under `postBuild.substitute`, give it a default as in `${name:=value}`, or write `$${name}` to keep the text.";
            source.wrong(span, format!("{}: {}", expression(&text.text, refusal.at), refusal.message), help);
            return None;
        }
    };
    if expanded.text == text.text {
        return Some((node.clone(), expanded.holes));
    }
    if !source.afford(long(&expanded.text), &node.span.location()) {
        return None;
    }
    let loaded = load(&node.span.file, expanded.text.as_bytes());
    if let Some(problem) = loaded.problems.first() {
        let line = problem.location.as_ref().map_or(0, |location| location.line);
        let message = format!("with its variables replaced this is no YAML any more: {}", problem.message);
        let help =
            "Flux replaces text, not values: put quotes into the value, or choose one without special characters.";
        source.wrong(span_of_line(&text, line).unwrap_or(&node.span), message, help);
        return None;
    }
    let mut documents = loaded.documents;
    let (Some(document), true) = (documents.pop(), documents.is_empty()) else {
        source.wrong(&node.span, "with its variables replaced this is no object any more", "");
        return None;
    };
    let mut read = document.node;
    as_json(&mut read);
    let made = place(node, read);
    // Text can become many values.
    if !source.afford(weigh(&made, source.room() + 1), &node.span.location()) {
        return None;
    }
    for path in [&["apiVersion"][..], &["kind"], &["metadata", "name"]] {
        if made.str_at(path).is_none_or(str::is_empty) {
            let span = made.at(path).unwrap_or(&made).span.clone();
            let message = format!("with its variables replaced this object has no `{}` that is text", path.join("."));
            source.wrong(&span, message, "Check the variable it comes from.");
            return None;
        }
    }
    Some((made, expanded.holes))
}

/// The beginning of an expression, as people are shown it.
fn expression(text: &str, at: usize) -> String {
    /// Longer ones are cut: a name and an operator fit.
    const MOST: usize = 60;
    let rest = text.get(at..).unwrap_or_default();
    let end = rest.find(['}', '\n']).map_or(rest.len(), |end| end + 1);
    let shown: String = rest[..end].trim_end().chars().take(MOST).collect();
    format!("`{shown}`")
}

/// Values have no line breaks, so lines stay where they were.
fn span_of_line<'n>(text: &Written<'n>, line: u32) -> Option<&'n Span> {
    let end = text.text.match_indices('\n').nth(usize::try_from(line).ok()?.checked_sub(1)?);
    text.value_at(end.map_or(text.text.len(), |(at, _)| at))
}

/// Gives what was read again the places of what it was written from. Recursion is bounded by the reader's depth limit.
fn place(old: &Node, new: Node) -> Node {
    let Node { value, .. } = new;
    let value = match (&old.value, value) {
        (Value::Map(was), Value::Map(is)) if was.len() == is.len() => {
            let mut map = Map::default();
            for ((key, old), (new_key, value)) in was.iter().zip(is) {
                map.push_new(Key { text: new_key.text, span: key.span.clone() }, place(old, value));
            }
            return Node {
                value: Value::Map(map),
                span: old.span.clone(),
                made: old.made.clone(),
                quoted: false,
                odd: false,
            };
        }
        (Value::List(was), Value::List(is)) if was.len() == is.len() => {
            let list = was.iter().zip(is).map(|(old, value)| place(old, value)).collect();
            return Node {
                value: Value::List(list),
                span: old.span.clone(),
                made: old.made.clone(),
                quoted: false,
                odd: false,
            };
        }
        // What holds no variable is what it was, whatever writing and reading make of it.
        (Value::String(was), _) if !was.contains('$') => return old.clone(),
        (Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_), _) => return old.clone(),
        (was, is) if *was == is => return old.clone(),
        (_, is) => is,
    };
    settle(value, &old.span).over(old, BY)
}

/// Puts all that a value made at one place.
fn settle(value: Value, span: &Span) -> Node {
    let value = match value {
        Value::List(list) => Value::List(list.into_iter().map(|node| settle(node.value, span)).collect()),
        Value::Map(map) => {
            let mut settled = Map::default();
            for (key, node) in map {
                settled.push_new(Key { text: key.text, span: span.clone() }, settle(node.value, span));
            }
            Value::Map(settled)
        }
        value => value,
    };
    Node::new(value, span.clone())
}
