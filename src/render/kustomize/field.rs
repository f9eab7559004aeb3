//! Field paths: where transformers write, as Kustomize's built-in configuration names the places.

use super::resource::{Gvk, key};
use crate::manifest::node::{Map, Node, Span, Value};

/// A place in objects of some kind; empty parts of group, version and kind match all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    pub(super) kind: &'static str,
    /// Where `path` begins, when that is not the object itself: the pod in a workload.
    pub(super) base: &'static str,
    /// Keys joined by `/`; lists on the way are entered by themselves. A key with `[]` is a list, never made.
    pub(super) path: &'static str,
    /// Whether missing parts are made.
    pub(super) create: bool,
}

impl Field {
    pub(super) fn applies(&self, gvk: &Gvk) -> bool {
        (self.kind.is_empty() || self.kind == gvk.kind)
            && (self.group.is_empty() || self.group == gvk.group)
            && (self.version.is_empty() || self.version == gvk.version)
    }
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
        let make = if field.create { self.make } else { Make::Nothing };
        let mut parts = if field.base.is_empty() { Vec::new() } else { split(field.base) };
        parts.extend(split(field.path));
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
        let made = match make {
            _ if is_list => None,
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
fn split(path: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut glue = false;
    for piece in path.split('/') {
        let (text, escaped) = piece.strip_suffix('\\').map_or((piece, false), |text| (text, true));
        match parts.last_mut() {
            Some(last) if glue => {
                last.push('/');
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
