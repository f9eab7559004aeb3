//! Paths into objects, as replacements and vars write them: `spec.containers.[name=web].image`, `rules.*.host`, `args.0`.

use std::cell::RefCell;
use std::collections::HashMap;

use regex::{Regex, RegexBuilder};

use super::field;
use super::resource::{key, scalar_text, text_node};
use crate::manifest::List;
use crate::manifest::load;
use crate::manifest::node::{Map, Node, Span, Value};
use crate::model::path::RepoPath;

/// Memory of the expression in `[name=expression]`: real ones are a name.
const MAX_REGEX_BYTES: usize = 1 << 20;

/// Expressions by their text: one path is looked for in every object, and compiling is dear.
pub(super) type Regexes = RefCell<HashMap<String, Regex>>;

/// The parts of a path; `\.` is a dot inside a part, and so is one inside brackets.
pub(super) fn split(path: &str) -> Vec<String> {
    let (mut parts, mut open): (Vec<String>, Option<String>) = (Vec::new(), None);
    let finish = |text: String| match text.contains('=') {
        true => text,
        false => text.trim_matches(['[', ']']).to_owned(),
    };
    for part in field::split_at(path, '.') {
        match open.take() {
            Some(mut text) => {
                text.push('.');
                text.push_str(&part);
                if part.ends_with(']') { parts.push(finish(text)) } else { open = Some(text) }
            }
            None if part.starts_with('[') && !part.ends_with(']') => open = Some(part),
            None => parts.push(part),
        }
    }
    parts.extend(open.map(finish));
    parts
}

/// A part that is a place in a list.
fn number(part: &str) -> Option<usize> {
    part.parse().ok()
}

/// The two sides of `[name=value]`.
fn condition(part: &str) -> Option<Result<(&str, &str), String>> {
    let inner = part.strip_prefix('[')?.strip_suffix(']')?;
    Some(inner.split_once('=').ok_or_else(|| format!("`{part}` is no condition, such as `[name=web]`")))
}

/// The one node a path leads to, if it leads to one.
pub(super) fn lookup<'n>(node: &'n Node, parts: &[String]) -> Result<Option<&'n Node>, String> {
    let mut here = node;
    for part in parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()) {
        let list = || match &here.value {
            Value::List(list) => Ok(list.as_slice()),
            Value::Null => Ok(&[][..]),
            _ => Err(format!("there is no list in which `{part}` could be a place")),
        };
        let found = match (number(part), condition(part)) {
            (Some(at), _) => list()?.get(at),
            (None, _) if part == "-" => list()?.last(),
            (None, _) if part == "*" => return Err("`*` stands for several values, and one is needed".to_owned()),
            (None, Some(condition)) => {
                let (name, value) = condition?;
                let fits = |item: &&Node| match name {
                    "" => scalar_text(item).as_deref() == Some(value),
                    name => item.get(name).and_then(scalar_text).as_deref() == Some(value),
                };
                list()?.iter().find(fits)
            }
            (None, None) => match &here.value {
                Value::Map(map) => map.get(part),
                Value::Null => None,
                _ => return Err(format!("there is no mapping in which `{part}` could be a field")),
            },
        };
        match found.filter(|node| !node.is_null()) {
            Some(node) => here = node,
            None => return Ok(None),
        }
    }
    Ok(Some(here))
}

/// What is made at the end of a path where nothing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaf {
    Scalar,
    List,
    Mapping,
}

impl Leaf {
    pub(super) fn of(node: &Node) -> Self {
        match node.value {
            Value::List(_) => Self::List,
            Value::Map(_) => Self::Mapping,
            _ => Self::Scalar,
        }
    }

    fn value(self) -> Value {
        match self {
            Self::Scalar => Value::Null,
            Self::List => Value::List(List::default()),
            Self::Mapping => Value::Map(Map::default()),
        }
    }
}

/// What is done at the end of a path; told whether the node was made just now.
pub(super) type Visit<'v> = &'v mut dyn FnMut(&mut Node, bool) -> Result<(), String>;

/// A walk to all nodes a path leads to.
pub(super) struct Matcher<'m> {
    /// What is made when a part is missing, if anything is.
    pub(super) create: Option<Leaf>,
    /// The place of what is made.
    pub(super) span: &'m Span,
    pub(super) regexes: &'m Regexes,
    pub(super) visit: Visit<'m>,
}

impl Matcher<'_> {
    /// Visits every node the path leads to; says how many there are. Recursion is bounded by the path's length.
    pub(super) fn run(&mut self, node: &mut Node, parts: &[String], fresh: bool) -> Result<usize, String> {
        let Some((part, rest)) = parts.split_first() else {
            (self.visit)(node, fresh)?;
            return Ok(1);
        };
        match (number(part), condition(part)) {
            (Some(at), _) => self.place(node, at, rest),
            (None, Some(condition)) => self.items(node, condition?, rest),
            (None, None) if part == "*" => {
                let mut count = 0;
                for item in items(node)? {
                    count += self.run(item, rest, false)?;
                }
                Ok(count)
            }
            (None, None) => self.field(node, part, rest),
        }
    }

    /// What is made for the part before `rest`.
    fn made(&self, leaf: Leaf, rest: &[String]) -> Node {
        let value = match rest.first() {
            None => leaf.value(),
            Some(next) if number(next).is_some() || condition(next).is_some() => Value::List(List::default()),
            Some(_) => Value::Map(Map::default()),
        };
        Node::new(value, self.span.clone())
    }

    fn field(&mut self, node: &mut Node, part: &str, rest: &[String]) -> Result<usize, String> {
        // Where nothing stands, the original makes the field and then prints the nothing around it.
        if node.is_null() && self.create.is_some() {
            return Ok(1);
        }
        let map = match &mut node.value {
            Value::Map(map) => map,
            Value::Null => return Ok(0),
            _ => return Err(format!("there is no mapping in which `{part}` could be a field")),
        };
        let mut fresh = false;
        if map.get(part).is_none() {
            let Some(leaf) = self.create else { return Ok(0) };
            map.push_new(key(part, self.span), self.made(leaf, rest));
            fresh = true;
        }
        let Some(field) = map.get_mut(part) else { return Ok(0) };
        match &field.value {
            Value::Map(_) | Value::List(_) | Value::Null => self.run(field, rest, fresh),
            _ if rest.is_empty() => self.run(field, rest, fresh),
            // The original looks into text that is YAML, and what it sets in this way is lost.
            _ => {
                let text = scalar_text(field).unwrap_or_default();
                let mut inner = read(&text).ok_or("the text there is no YAML")?;
                let (create, span, regexes) = (self.create, self.span, self.regexes);
                Matcher { create, span, regexes, visit: &mut |_, _| Ok(()) }.run(&mut inner, rest, false)
            }
        }
    }

    fn place(&mut self, node: &mut Node, at: usize, rest: &[String]) -> Result<usize, String> {
        let made = self.create.map(|leaf| self.made(leaf, rest));
        let Value::List(list) = &mut node.value else {
            return Err(format!("there is no list in which `{at}` could be a place"));
        };
        let length = list.len();
        if let Some(made) = made.filter(|_| at == length) {
            list.push(made);
        }
        match list.get_mut(at) {
            Some(item) => self.run(item, rest, at == length),
            None => Err(format!("the list has {length} items, so there is no item {at}")),
        }
    }

    fn items(&mut self, node: &mut Node, (name, value): (&str, &str), rest: &[String]) -> Result<usize, String> {
        let regex = self.regex(value)?;
        let found = self.matching(node, name, &regex, rest)?;
        if found > 0 || self.create.is_none() {
            return Ok(found);
        }
        let text = text_node(value, self.span);
        let item = match name {
            "" => text,
            name => {
                let mut map = Map::default();
                map.push_new(key(name, self.span), text);
                Node::new(Value::Map(map), self.span.clone())
            }
        };
        match &mut node.value {
            Value::List(list) => list.push(item),
            _ => return Err(format!("there is no list to which an item with `{name}` could be added")),
        }
        match self.matching(node, name, &regex, rest)? {
            0 => Err(format!("an item `{value}` was made, and is not found by its own name")),
            found => Ok(found),
        }
    }

    fn regex(&self, text: &str) -> Result<Regex, String> {
        if let Some(known) = self.regexes.borrow().get(text) {
            return Ok(known.clone());
        }
        let regex = RegexBuilder::new(text).size_limit(MAX_REGEX_BYTES).build();
        let regex = regex.map_err(|_| format!("`{text}` is no regular expression that can be used"))?;
        self.regexes.borrow_mut().insert(text.to_owned(), regex.clone());
        Ok(regex)
    }

    fn matching(&mut self, node: &mut Node, name: &str, regex: &Regex, rest: &[String]) -> Result<usize, String> {
        let mut count = 0;
        for item in items(node)? {
            match name {
                // What stands after a condition on plain values is not looked at, as in the original.
                "" if regex.is_match(&written(item)) => {
                    (self.visit)(item, false)?;
                    count += 1;
                }
                "" => {}
                name if item.get(name).is_some_and(|field| regex.is_match(&written(field))) => {
                    count += self.run(item, rest, false)?;
                }
                _ => {}
            }
        }
        Ok(count)
    }
}

fn items(node: &mut Node) -> Result<&mut [Node], String> {
    match &mut node.value {
        Value::List(list) => Ok(list),
        Value::Null => Ok(&mut []),
        _ => Err("there is no list whose items could be looked at".to_owned()),
    }
}

/// A value as it was written, as far as it matters for an expression: quotes are part of it.
fn written(node: &Node) -> String {
    let text = scalar_text(node).unwrap_or_default();
    let quoted = node.as_str().is_some() && (node.span.end - node.span.start) as usize == text.len() + 2;
    if quoted { format!("\"{text}\"") } else { text }
}

/// The first document of a text, when it is YAML.
pub(super) fn read(text: &str) -> Option<Node> {
    let mut loaded = load(&RepoPath::root(), text.as_bytes());
    let sound = loaded.problems.is_empty() && loaded.documents.len() == 1;
    sound.then(|| loaded.documents.remove(0).node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_in_brackets_and_escaped_ones_belong_to_the_part() {
        for (path, parts) in [
            ("a.b", vec!["a", "b"]),
            (r"metadata.annotations.a\.io/b", vec!["metadata", "annotations", "a.io/b"]),
            ("spec.[name=a.b].x", vec!["spec", "[name=a.b]", "x"]),
            ("metadata.annotations.[a.io/b]", vec!["metadata", "annotations", "a.io/b"]),
            ("l.0.*", vec!["l", "0", "*"]),
        ] {
            assert_eq!(split(path), parts, "{path}");
        }
    }
}
