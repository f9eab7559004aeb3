//! Field paths: where transformers write, as Kustomize's built-in configuration names the places.

use std::borrow::Cow;

use super::resource::{Gvk, key, too_deep};
use crate::manifest::List;
use crate::manifest::node::{Map, Node, Span, Value};

/// A text of the built-in tables, or one that somebody wrote.
type Word = Cow<'static, str>;

/// A place in objects of some kind; empty parts of group, version and kind match all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) group: Word,
    pub(super) version: Word,
    pub(super) kind: Word,
    /// Where `path` begins, when that is not the object itself: the pod in a workload.
    pub(super) base: Word,
    /// Keys joined by `/`; lists on the way are entered by themselves. A key with `[]` is a list, never made.
    pub(super) path: Word,
    /// Whether missing parts are made.
    pub(super) create: bool,
}

impl Field {
    pub(super) fn applies(&self, gvk: &Gvk) -> bool {
        (self.kind.is_empty() || self.kind == gvk.kind)
            && (self.group.is_empty() || self.group == gvk.group)
            && (self.version.is_empty() || self.version == gvk.version)
    }

    /// Whether this place, which is known already, stands for `other` too: its kind is one of those and the path is the same.
    pub(super) fn covers(&self, other: &Field) -> bool {
        (other.kind.is_empty() || self.kind == other.kind)
            && (other.group.is_empty() || self.group == other.group)
            && (other.version.is_empty() || self.version == other.version)
            && self.same_path(other)
    }

    /// Built-in paths are kept in two parts, those that somebody wrote in one.
    fn same_path(&self, other: &Field) -> bool {
        match (self.base.is_empty(), other.base.is_empty()) {
            (true, true) => self.path == other.path,
            _ => self.whole_path() == other.whole_path(),
        }
    }

    fn whole_path(&self) -> Word {
        if self.base.is_empty() {
            return self.path.clone();
        }
        Cow::Owned(format!("{}/{}", self.base, self.path))
    }
}

/// Adds places to a list, each once.
///
/// # Errors
/// When a place is there already, but one of the two is made where it is missing and the other is not.
pub(super) fn join(all: &mut Vec<Field>, more: &[Field]) -> Result<(), String> {
    for field in more {
        match all.iter().find(|known| known.covers(field)) {
            Some(known) if known.create != field.create => {
                return Err(format!("`{}` has `create: {}` in one place and not in another", field.path, field.create));
            }
            Some(_) => {}
            None => all.push(field.clone()),
        }
    }
    Ok(())
}

/// What stands at the end of a path that is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Make {
    Nothing,
    Scalar,
    Mapping,
}

/// A walk along one path.
pub(super) struct Walk<'w> {
    pub(super) make: Make,
    /// The place of what asked for it: made parts carry it.
    pub(super) span: &'w Span,
    /// What is done at the end of the path.
    pub(super) visit: &'w mut dyn FnMut(&mut Node) -> Result<(), String>,
}

impl Walk<'_> {
    /// Follows `field` through `node` when it applies to its kind.
    pub(super) fn run(&mut self, node: &mut Node, field: &Field, gvk: &Gvk) -> Result<(), String> {
        if !field.applies(gvk) {
            return Ok(());
        }
        self.follow(node, field, gvk)
    }

    /// The same, whatever the kind.
    pub(super) fn follow(&mut self, node: &mut Node, field: &Field, gvk: &Gvk) -> Result<(), String> {
        let make = if field.create { self.make } else { Make::Nothing };
        let mut parts = if field.base.is_empty() { Vec::new() } else { split(&field.base) };
        parts.extend(split(&field.path));
        too_deep(parts.len(), 1)?;
        self.step(node, &parts, make).map_err(|why| format!("`{}` of {}: {why}", field.path, gvk.kind))
    }

    /// Recursion is bounded by the path's length and the reader's depth limit.
    fn step(&mut self, node: &mut Node, path: &[String], make: Make) -> Result<(), String> {
        let Some((first, rest)) = path.split_first() else { return (self.visit)(node) };
        match &mut node.value {
            Value::Null => Ok(()),
            Value::List(list) => list.iter_mut().try_for_each(|item| self.step(item, path, make)),
            Value::Map(map) => self.enter(map, first, rest, make),
            _ => Err("a mapping or a list was expected".to_owned()),
        }
    }

    fn enter(&mut self, map: &mut Map, first: &str, rest: &[String], make: Make) -> Result<(), String> {
        let (name, is_list) = first.strip_suffix("[]").map_or((first, false), |name| (name, true));
        if name.is_empty() {
            return Err("a part of the path is empty".to_owned());
        }
        let made = match make {
            // Never made, but what is null where a list is expected becomes one.
            _ if is_list => map.get(name).map(|_| Value::List(List::default())),
            Make::Nothing => None,
            Make::Scalar if rest.is_empty() => Some(Value::Null),
            Make::Scalar | Make::Mapping => Some(Value::Map(Map::default())),
        };
        match (map.get_mut(name), made) {
            (None, None) => Ok(()),
            (None, Some(value)) => {
                map.push_new(key(name, self.span), Node::new(value, self.span.clone()));
                map.get_mut(name).map_or(Ok(()), |node| self.step(node, rest, make))
            }
            (Some(node), made) => {
                if let (true, Some(value)) = (node.is_null(), made) {
                    *node = Node::new(value, self.span.clone());
                }
                self.step(node, rest, make)
            }
        }
    }
}

/// Parts of a path; `\/` is a slash inside a part, as annotation names have them.
pub(super) fn split(path: &str) -> Vec<String> {
    split_at(path, '/')
}

/// The same with another separator.
pub(super) fn split_at(path: &str, separator: char) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut glue = false;
    // One separator may stand before the first part.
    for piece in path.strip_prefix(separator).unwrap_or(path).split(separator) {
        let (text, escaped) = piece.strip_suffix('\\').map_or((piece, false), |text| (text, true));
        match parts.last_mut() {
            Some(last) if glue => {
                last.push(separator);
                last.push_str(text);
            }
            _ => parts.push(text.to_owned()),
        }
        glue = escaped;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_can_be_part_of_a_key() {
        assert_eq!(split(r"metadata/annotations/a.io\/b"), ["metadata", "annotations", "a.io/b"]);
    }
}
