//! Edits that keep the format: bytes are spliced at a node's span, and everything else stays as its author wrote it.
//!
//! Each edit is read back: the result must mean what was asked for and nothing more, or it is refused. So a file that
//! plays tricks with anchors, tags or odd layout costs an error, never a wrong commit.

use std::ops::Range;

use super::emit::{double_quoted, means_itself, plain_syntax, single_quoted, string};
use super::load::{Document, load};
use super::node::{Key, Node, Span, Value};

/// Why a file was not edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// It is not sound YAML, so nothing in it has a sure place.
    #[error("this file cannot be edited until it is valid YAML: line {line}: {message}")]
    Unreadable {
        /// The first problem's line.
        line: u32,
        /// What is wrong there.
        message: String,
    },
    /// Nothing of the wanted sort stands at the place; the file has changed since it was read.
    #[error("nothing that can be edited stands at line {line}, column {column}")]
    NotFound {
        /// The line asked for.
        line: u32,
        /// The column asked for.
        column: u32,
    },
    /// Two edits touch the same text.
    #[error("two edits of line {0} at once")]
    Overlap(u32),
    /// The key to insert is already there.
    #[error("`{0}` is already there")]
    Exists(String),
    /// The layout leaves no safe way; a person must do it.
    #[error("line {line} cannot be edited safely ({why}); please edit it by hand")]
    Layout {
        /// The line.
        line: u32,
        /// What stands in the way.
        why: &'static str,
    },
}

/// Replaces the scalar at `at` with the text `new`. See [`set_scalars`].
///
/// # Errors
/// When the place holds no scalar, or the result would not mean exactly this.
pub fn set_scalar(bytes: &[u8], at: &Span, new: &str) -> Result<Vec<u8>, EditError> {
    set_scalars(bytes, &[(at.clone(), new.to_owned())])
}

/// Replaces several scalars of one file with text. Quotes stay; plain text stays plain while it still reads as text
/// (`1.10`, `0012345` and `123e4567` would not, and get quotes). An anchored scalar changes for all its aliases.
///
/// # Errors
/// When a place holds no scalar, places overlap, or the result would not mean exactly this.
pub fn set_scalars(bytes: &[u8], edits: &[(Span, String)]) -> Result<Vec<u8>, EditError> {
    let mut expected = read(bytes)?;
    let mut splices = Vec::with_capacity(edits.len());
    for (span, new) in edits {
        let in_flow = expected.iter().find_map(|document| flow_of_scalar(&document.node, span, bytes, false));
        let in_flow = in_flow.ok_or(EditError::NotFound { line: span.line, column: span.column })?;
        splices.push((range(span), scalar(bytes, span, new, in_flow), span.line));
    }
    splices.sort_by_key(|(range, _, _)| (range.start, range.end));
    if let Some(pair) = splices.windows(2).find(|pair| pair[1].0.start < pair[0].0.end.max(pair[0].0.start + 1)) {
        return Err(EditError::Overlap(pair[1].2));
    }
    for document in &mut expected {
        each_node(&mut document.node, &mut |node| {
            let edit = edits.iter().find(|(span, _)| is_scalar(node) && same_place(&node.span, span));
            if let Some((_, new)) = edit {
                node.value = Value::String(new.as_str().into());
            }
        });
    }
    let mut out = bytes.to_vec();
    for (range, text, _) in splices.into_iter().rev() {
        out.splice(range, text.into_bytes());
    }
    verified(out, &expected, edits.first().map_or(1, |(span, _)| span.line))
}

/// Adds `key: value` behind the entry whose key stands at `sibling`, in the sibling's own style, block or flow.
///
/// # Errors
/// When no key stands there, the key exists already, or the layout leaves no safe way.
pub fn insert_after(bytes: &[u8], sibling: &Span, key: &str, value: &str) -> Result<Vec<u8>, EditError> {
    let mut expected = read(bytes)?;
    let entry = Entry::find(&expected, sibling, bytes)?;
    if entry.keys.iter().any(|found| found == key) {
        return Err(EditError::Exists(key.to_owned()));
    }
    let (at, text) = if entry.in_flow {
        let end =
            entry.end.ok_or(EditError::Layout { line: sibling.line, why: "the entry before it has no plain end" })?;
        (end, format!(", {}: {}", flow_string(key), flow_string(value)))
    } else {
        let line_start = line_start(bytes, range(sibling).start);
        // What stands before the key, dashes included, is its indentation.
        let indent: String =
            String::from_utf8_lossy(&bytes[line_start..sibling.start as usize]).chars().map(|_| ' ').collect();
        let (at, lead, tail) = next_line(bytes, entry.end.unwrap_or(sibling.end as usize));
        (at, format!("{lead}{indent}{}: {}{tail}", string(key), string(value)))
    };
    for document in &mut expected {
        each_node(&mut document.node, &mut |node| {
            if let Some(map) = node.as_map_mut()
                && map.iter().any(|(found, _)| same_place(&found.span, sibling))
            {
                let node = Node::new(Value::String(value.into()), sibling.clone());
                map.insert(Key { text: key.into(), span: sibling.clone() }, node);
            }
        });
    }
    let mut out = bytes.to_vec();
    out.splice(at..at, text.into_bytes());
    verified(out, &expected, sibling.line)
}

/// Takes the entry whose key stands at `key` out of its mapping, its line comment with it.
///
/// # Errors
/// When no key stands there, it is the only one, or the layout leaves no safe way.
pub fn remove_key(bytes: &[u8], key: &Span) -> Result<Vec<u8>, EditError> {
    let mut expected = read(bytes)?;
    let entry = Entry::find(&expected, key, bytes)?;
    let layout = |why| EditError::Layout { line: key.line, why };
    let start = range(key).start;
    let line = line_start(bytes, start);
    let alone = bytes[line..start].iter().all(|byte| *byte == b' ');
    let cut = match (entry.in_flow || !alone, entry.next) {
        (false, _) => line..next_line(bytes, entry.end.unwrap_or(key.end as usize)).0,
        (true, Some(next)) => start..next,
        (true, None) => match (entry.in_flow, entry.previous_end, entry.end) {
            (true, Some(previous), Some(end)) => previous..end,
            _ => return Err(layout("it is the only entry here")),
        },
    };
    if entry.keys.len() == 1 {
        return Err(layout("it is the only entry here"));
    }
    for document in &mut expected {
        each_node(&mut document.node, &mut |node| {
            if let Some(map) = node.as_map_mut() {
                map.retain(|found, _| !same_place(&found.span, key));
            }
        });
    }
    let mut out = bytes.to_vec();
    out.drain(cut);
    verified(out, &expected, key.line)
}

/// An entry of a mapping, and what stands around it.
struct Entry {
    in_flow: bool,
    keys: Vec<String>,
    /// Where its value ends; none when the value is omitted or an alias, whose span lies elsewhere.
    end: Option<usize>,
    previous_end: Option<usize>,
    next: Option<usize>,
}

impl Entry {
    fn find(documents: &[Document], key: &Span, bytes: &[u8]) -> Result<Self, EditError> {
        let not_found = EditError::NotFound { line: key.line, column: key.column };
        let map = documents.iter().find_map(|document| map_with_key(&document.node, key)).ok_or(not_found)?;
        let (Value::Map(entries), span) = (&map.value, &map.span) else { unreachable!("it was found as a mapping") };
        let spans: Vec<(&Key, &Node)> = entries.iter().collect();
        let at = spans.iter().position(|(found, _)| same_place(&found.span, key)).unwrap_or_default();
        let end = |at: usize| {
            let (key, value) = spans.get(at)?;
            let limit = spans.get(at + 1).map_or(span.end, |(next, _)| next.span.start);
            let inside =
                value.span.start > key.span.end && value.span.end <= limit && value.span.end > value.span.start;
            inside.then_some(value.span.end as usize)
        };
        Ok(Entry {
            in_flow: bytes.get(span.start as usize) == Some(&b'{'),
            keys: spans.iter().map(|(key, _)| key.text.to_string()).collect(),
            end: end(at),
            previous_end: at.checked_sub(1).and_then(end),
            next: spans.get(at + 1).map(|(next, _)| next.span.start as usize).filter(|next| *next > key.end as usize),
        })
    }
}

fn map_with_key<'a>(node: &'a Node, key: &Span) -> Option<&'a Node> {
    match &node.value {
        Value::Map(map) if map.iter().any(|(found, _)| same_place(&found.span, key)) => Some(node),
        Value::Map(map) => map.iter().find_map(|(_, value)| map_with_key(value, key)),
        Value::List(list) => list.iter().find_map(|item| map_with_key(item, key)),
        _ => None,
    }
}

/// Whether the scalar at `span` stands inside brackets; none when no scalar stands there.
fn flow_of_scalar(node: &Node, span: &Span, bytes: &[u8], in_flow: bool) -> Option<bool> {
    let inside = || in_flow || matches!(bytes.get(node.span.start as usize), Some(b'{' | b'['));
    match &node.value {
        Value::Map(map) => map.iter().find_map(|(_, value)| flow_of_scalar(value, span, bytes, inside())),
        Value::List(list) => list.iter().find_map(|item| flow_of_scalar(item, span, bytes, inside())),
        _ => same_place(&node.span, span).then_some(in_flow),
    }
}

/// Calls `change` for the node and all below; as deep as the reader allows.
fn each_node(node: &mut Node, change: &mut impl FnMut(&mut Node)) {
    change(node);
    match &mut node.value {
        Value::Map(map) => map.iter_mut().for_each(|(_, value)| each_node(value, change)),
        Value::List(list) => list.iter_mut().for_each(|item| each_node(item, change)),
        _ => {}
    }
}

fn is_scalar(node: &Node) -> bool {
    !matches!(node.value, Value::Map(_) | Value::List(_))
}

fn same_place(a: &Span, b: &Span) -> bool {
    (a.start, a.end) == (b.start, b.end)
}

fn range(span: &Span) -> Range<usize> {
    span.start as usize..span.end as usize
}

/// The new text as it is written in place of the old scalar.
fn scalar(bytes: &[u8], span: &Span, new: &str, in_flow: bool) -> String {
    let old = &bytes[range(span)];
    let blank = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_whitespace);
    match old.first() {
        Some(b'"') => double_quoted(new),
        Some(b'\'') if !new.chars().any(char::is_control) => single_quoted(new),
        // A block becomes one line; the line break that ended it stays.
        Some(b'|' | b'>') => {
            let end = old.iter().rposition(|byte| !byte.is_ascii_whitespace()).map_or(0, |last| last + 1);
            format!("{}{}", double_quoted(new), String::from_utf8_lossy(&old[end..]))
        }
        Some(_) => plain(new, in_flow),
        // Nothing was written: keep clear of what stands before and after.
        None => {
            let (before, after) = (bytes[..range(span).start].last(), bytes.get(range(span).end));
            let lead = if blank(before) { "" } else { " " };
            let tail = if blank(after) || matches!(after, Some(b',' | b'}' | b']')) { "" } else { " " };
            format!("{lead}{}{tail}", plain(new, in_flow))
        }
    }
}

fn plain(new: &str, in_flow: bool) -> String {
    if in_flow { flow_string(new) } else { string(new) }
}

fn flow_string(text: &str) -> String {
    let safe = means_itself(text) && plain_syntax(text, false) && !plain_syntax(text, true);
    if safe { single_quoted(text) } else { string(text) }
}

fn line_start(bytes: &[u8], at: usize) -> usize {
    bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)
}

/// Where the line after the one that ends an entry begins, and what to write before and after a new line there.
fn next_line(bytes: &[u8], end: usize) -> (usize, &'static str, &'static str) {
    let windows = bytes.windows(2).any(|pair| pair == b"\r\n");
    let line_break = if windows { "\r\n" } else { "\n" };
    if end > 0 && bytes[end - 1] == b'\n' {
        return (end, "", line_break);
    }
    match bytes[end..].iter().position(|byte| *byte == b'\n') {
        Some(length) => (end + length + 1, "", line_break),
        None => (bytes.len(), line_break, ""),
    }
}

fn read(bytes: &[u8]) -> Result<Vec<Document>, EditError> {
    let loaded = load(&crate::model::path::RepoPath::root(), bytes);
    match loaded.problems.first() {
        None => Ok(loaded.documents),
        Some(problem) => Err(EditError::Unreadable {
            line: problem.location.as_ref().map_or(1, |at| at.line),
            message: problem.message.clone(),
        }),
    }
}

/// The edited bytes, when they mean exactly what is expected.
fn verified(out: Vec<u8>, expected: &[Document], line: u32) -> Result<Vec<u8>, EditError> {
    let refused = EditError::Layout { line, why: "the result would mean something else" };
    let found = read(&out).map_err(|_| refused.clone())?;
    let same = found.len() == expected.len()
        && found.iter().zip(expected).all(|(a, b)| a.index == b.index && a.node == b.node);
    if same { Ok(out) } else { Err(refused) }
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
