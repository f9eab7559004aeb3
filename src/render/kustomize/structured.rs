//! Text inside an object that is JSON or YAML itself: a replacement reaches into it, and it is written anew.
//!
//! What is written is what the original writes. YAML is written back only where that is known for sure: mappings, lists and
//! plain or quoted values of one line, without comments.

use super::generate::go_json;
use super::path::{self, Leaf, Matcher};
use super::replacement::{self, Given, Part};
use super::resource::scalar_text;
use crate::manifest::emit;
use crate::manifest::node::{Node, Value};

/// Sets a value inside a text, if the path leads into one; says whether it did.
///
/// # Errors
/// When it leads into YAML whose layout after writing is not known.
pub(super) fn set(object: &mut Node, parts: &[String], given: &Given, part: &Part) -> Result<bool, String> {
    // The first text on the way that can be read is the one.
    let at = (1..parts.len()).find(|at| {
        let found = path::lookup(object, &parts[..*at]).ok().flatten();
        let text = found.filter(|node| Leaf::of(node) == Leaf::Scalar).and_then(scalar_text);
        text.is_some_and(|text| {
            given.work.spend(text.len());
            path::read(&text).is_some()
        })
    });
    let Some(at) = at else { return Ok(false) };
    let Some(field) = reach(object, &parts[..at]) else { return Ok(false) };
    let text = scalar_text(field).unwrap_or_default();
    let Some(mut inner) = path::read(&text) else { return Ok(false) };
    let mut odd = false;
    let mut visit = |node: &mut Node, fresh: bool| match replacement::set(node, fresh, given, part) {
        // What does not fit what stands there is found out only when the text is read again.
        Err(_) if Leaf::of(node) == Leaf::Scalar => {
            odd = true;
            Ok(())
        }
        done => done,
    };
    let create = part.create.then(|| Leaf::of(&given.node));
    let span = given.node.span.clone();
    let regexes = &given.work.regexes;
    let done = Matcher { create, span: &span, regexes, visit: &mut visit }.run(&mut inner, &parts[at..], false);
    if !done.is_ok_and(|count| count > 0) {
        return Ok(false);
    }
    let is_json = text.trim_start().starts_with(['{', '[']);
    match (odd, is_json) {
        (true, true) => return Ok(true),
        (true, false) => return Err("the value does not fit what stands in the YAML there".to_owned()),
        (false, _) => {}
    }
    let unknown = "the text there is YAML, and it is not known how Kustomize would lay it out anew";
    let written = if is_json { json(&inner, &text) } else { yaml(&inner, &text).ok_or(unknown)? };
    let new = Node::new(replacement::retyped(&field.value, &written)?, span);
    *field = new.over(field, "replacements");
    Ok(true)
}

/// The node that a lookup has found, to change.
fn reach<'n>(node: &'n mut Node, parts: &[String]) -> Option<&'n mut Node> {
    let mut here = node;
    for part in parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()) {
        let one = [part.to_owned()];
        let wanted = path::lookup(here, &one).ok()??;
        let is_wanted = |child: &Node| std::ptr::eq(child, wanted);
        // Found before anything is borrowed to be changed, which moves what is shared with other objects.
        here = match &here.value {
            Value::List(list) => {
                let at = list.iter().position(is_wanted)?;
                let Value::List(list) = &mut here.value else { return None };
                list.get_mut(at)?
            }
            Value::Map(map) => {
                let at = map.iter().position(|(_, child)| is_wanted(child))?;
                here.as_map_mut()?.iter_mut().nth(at)?.1
            }
            _ => return None,
        };
    }
    Some(here)
}

/// JSON, on several lines when it was.
fn json(node: &Node, before: &str) -> String {
    if before.contains('\n') && before.contains("  ") {
        let mut text = String::new();
        indented(&node.to_json(), 0, &mut text);
        return text;
    }
    go_json(&node.to_json())
}

/// Recursion is bounded by the reader's depth limit.
fn indented(value: &serde_json::Value, depth: usize, text: &mut String) {
    let line = |text: &mut String, depth: usize| {
        text.push('\n');
        text.push_str(&"  ".repeat(depth));
    };
    match value {
        serde_json::Value::Object(map) if !map.is_empty() => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|a, b| a.0.cmp(b.0));
            text.push('{');
            for (at, (key, value)) in entries.into_iter().enumerate() {
                text.push_str(if at > 0 { "," } else { "" });
                line(text, depth + 1);
                text.push_str(&go_json(&serde_json::Value::String(key.clone())));
                text.push_str(": ");
                indented(value, depth + 1, text);
            }
            line(text, depth);
            text.push('}');
        }
        serde_json::Value::Array(list) if !list.is_empty() => {
            text.push('[');
            for (at, value) in list.iter().enumerate() {
                text.push_str(if at > 0 { "," } else { "" });
                line(text, depth + 1);
                indented(value, depth + 1, text);
            }
            line(text, depth);
            text.push(']');
        }
        other => text.push_str(&go_json(other)),
    }
}

/// YAML in the layout of the original's writer; nothing when that is not known.
fn yaml(node: &Node, before: &str) -> Option<String> {
    let odd = before.contains(['#', '&', '*', '!', '%', '\t', '\r']) || before.contains("---") || before.contains("<<");
    let mut text = String::new();
    (!odd && block(node, before, 0, &mut text)).then(|| text.trim().to_owned())
}

/// Writes a node at an indent; false when its layout is not known. Recursion is bounded by the reader's depth limit.
fn block(node: &Node, before: &str, indent: usize, text: &mut String) -> bool {
    let pad = " ".repeat(indent);
    match &node.value {
        Value::Map(map) if !map.is_empty() && !flow(node, before) => map.iter().all(|(key, value)| {
            text.push_str(&pad);
            // A key that was made stands at the place of what asked for it, in another file.
            let written = before.get(key.span.start as usize..key.span.end as usize);
            match written.filter(|written| written.trim_matches(['"', '\'']) == key.text) {
                Some(written) => text.push_str(written),
                None if emit::means_itself(&key.text) => text.push_str(&key.text),
                None => return false,
            }
            text.push(':');
            below(value, before, indent, text)
        }),
        Value::List(list) if !list.is_empty() && !flow(node, before) => list.iter().all(|item| {
            text.push_str(&pad);
            text.push('-');
            match &item.value {
                // The first key of a mapping stands on the line of the dash.
                Value::Map(map) if !map.is_empty() && !flow(item, before) => {
                    let mut inner = String::new();
                    let done = block(item, before, indent + 2, &mut inner);
                    text.push(' ');
                    text.push_str(inner.trim_start());
                    done
                }
                Value::List(list) if !list.is_empty() && !flow(item, before) => false,
                _ => below(item, before, indent, text),
            }
        }),
        _ => scalar(node, before, text),
    }
}

fn below(value: &Node, before: &str, indent: usize, text: &mut String) -> bool {
    match &value.value {
        Value::Map(map) if !map.is_empty() && !flow(value, before) => {
            text.push('\n');
            block(value, before, indent + 2, text)
        }
        // Lists stand as far in as what holds them.
        Value::List(list) if !list.is_empty() && !flow(value, before) => {
            text.push('\n');
            block(value, before, indent, text)
        }
        _ => {
            text.push(' ');
            let done = scalar(value, before, text);
            text.push('\n');
            done
        }
    }
}

/// A collection in brackets, on one line as the original writes it. Recursion is bounded by the reader's depth limit.
fn in_brackets(node: &Node, before: &str, text: &mut String) -> bool {
    match &node.value {
        Value::List(list) => {
            text.push('[');
            let done = list.iter().enumerate().all(|(at, item)| {
                text.push_str(if at > 0 { ", " } else { "" });
                in_brackets(item, before, text)
            });
            text.push(']');
            done
        }
        Value::Map(map) => {
            text.push('{');
            let done = map.iter().enumerate().all(|(at, (key, value))| {
                text.push_str(if at > 0 { ", " } else { "" });
                let written = before.get(key.span.start as usize..key.span.end as usize);
                let Some(written) = written.filter(|written| written.trim_matches(['"', '\'']) == key.text) else {
                    return false;
                };
                text.push_str(written);
                text.push_str(": ");
                in_brackets(value, before, text)
            });
            text.push('}');
            done
        }
        Value::String(word) if node.made.is_some() && !emit::plain_syntax(word, true) => {
            let start = text.len();
            scalar(node, before, text) && text[start..].starts_with(['"', '\''])
        }
        _ => scalar(node, before, text),
    }
}

fn flow(node: &Node, before: &str) -> bool {
    node.made.is_none() && before.get(node.span.start as usize..).is_some_and(|rest| rest.starts_with(['{', '[']))
}

/// A value of one line: as it was written, or in the quotes of what it took the place of.
fn scalar(node: &Node, before: &str, text: &mut String) -> bool {
    if Leaf::of(node) != Leaf::Scalar {
        // What was put there is laid out as it was where it comes from, which is not known here.
        return node.made.is_none() && flow(node, before) && in_brackets(node, before, text);
    }
    let quote = |span: &crate::manifest::node::Span| before.as_bytes().get(span.start as usize).copied();
    let Some(word) = scalar_text(node) else { return false };
    let Some(made) = &node.made else {
        let written = before.get(node.span.start as usize..node.span.end as usize).unwrap_or_default();
        text.push_str(written);
        return !written.is_empty() && !written.contains('\n') && !written.starts_with(['|', '>', '{', '[']);
    };
    if word.contains('\n') || word.is_empty() {
        return false;
    }
    let old = made.before.as_ref().and_then(|(_, span)| quote(span));
    match (&node.value, old) {
        (Value::String(_), Some(b'"')) => text.push_str(&emit::double_quoted(&word)),
        (Value::String(_), Some(b'\'')) => text.push_str(&emit::single_quoted(&word)),
        (Value::String(_), _) if emit::means_itself(&word) => text.push_str(&word),
        (Value::String(_), _) => text.push_str(&emit::double_quoted(&word)),
        _ => text.push_str(&word),
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid_out(text: &str) -> Option<String> {
        yaml(&path::read(text).unwrap(), text)
    }

    #[test]
    fn yaml_is_laid_out_as_the_original_does_or_not_at_all() {
        for (text, expected) in [
            ("a:\n    b: 1\n    c: \"x\"\nl:\n    - x\n    - 'y'\n", Some("a:\n  b: 1\n  c: \"x\"\nl:\n- x\n- 'y'")),
            ("- a: 1\n  b:\n    - x\n- c", Some("- a: 1\n  b:\n  - x\n- c")),
            ("# said\na: 1", None),
            ("a: {b: 1, c:   [x, 'y',\n  z]}", Some("a: {b: 1, c: [x, 'y', z]}")),
            ("a: |\n  text\n", None),
            ("a:", None),
        ] {
            assert_eq!(laid_out(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn json_is_written_as_go_writes_it() {
        let written = |text: &str| json(&path::read(text).unwrap(), text);
        assert_eq!(written("{\"b\": [1, {}], \"a\": \"<\"}"), "{\"a\":\"\\u003c\",\"b\":[1,{}]}");
        assert_eq!(
            written("{\n  \"b\": [1, []],\n  \"a\": {}\n}"),
            "{\n  \"a\": {},\n  \"b\": [\n    1,\n    []\n  ]\n}"
        );
    }
}
