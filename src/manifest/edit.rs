//! Edits that keep the format: bytes are spliced at a node's span, and everything else stays as its author wrote it.
//!
//! Each edit is read back: the result must mean what was asked for and nothing more, or it is refused. So a file that
//! plays tricks with anchors, tags or odd layout costs an error, never a wrong commit.

use std::collections::HashMap;
use std::ops::Range;

use super::emit::{double_quoted, means_itself, plain_syntax, single_quoted, string};
use super::load::{Document, load};
use super::node::{Key, Map, Node, Span, Value};

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
    /// The text is an anchor's, and fields that were not meant repeat it.
    #[error(
        "line {line} is an anchor that other fields share, and would change them as well; write its value out where it is used"
    )]
    Shared {
        /// The anchor's line.
        line: u32,
    },
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
/// (`1.10`, `0012345` and `123e4567` would not, and get quotes). An anchored scalar changes for all its aliases, which stand at
/// its place: it is only done when the place is named once for each of them.
///
/// # Errors
/// When a place holds no scalar, places overlap, fields that were not named would change, or the result would not mean exactly this.
pub fn set_scalars(bytes: &[u8], edits: &[(Span, String)]) -> Result<Vec<u8>, EditError> {
    let mut expected = read(bytes)?;
    let mut uses: HashMap<(u32, u32), usize> = HashMap::new();
    for document in &mut expected {
        each_node(&mut document.node, &mut |node| {
            if is_scalar(node) {
                *uses.entry((node.span.start, node.span.end)).or_default() += 1;
            }
        });
    }
    let mut splices = Vec::with_capacity(edits.len());
    let mut named: HashMap<(u32, u32), (usize, &str)> = HashMap::new();
    for (span, new) in edits {
        let (count, first) = named.entry((span.start, span.end)).or_insert((0, new));
        *count += 1;
        let most = uses.get(&(span.start, span.end)).copied().unwrap_or(1);
        if *count > most || first != new {
            return Err(EditError::Overlap(span.line));
        }
        if *count > 1 {
            continue;
        }
        let in_flow = expected.iter().find_map(|document| flow_of_scalar(&document.node, span, bytes, false));
        let in_flow = in_flow.ok_or(EditError::NotFound { line: span.line, column: span.column })?;
        splices.push((range(span), scalar(bytes, span, new, in_flow), span.line));
    }
    if let Some((span, _)) = edits.iter().find(|(span, _)| {
        let place = (span.start, span.end);
        named.get(&place).map(|(count, _)| count) < uses.get(&place)
    }) {
        return Err(EditError::Shared { line: span.line });
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
    insert_value_after(bytes, sibling, key, &Value::String(value.into()))
}

/// The same with a value that is text, a boolean or a whole number.
///
/// # Errors
/// As above.
pub fn insert_value_after(bytes: &[u8], sibling: &Span, key: &str, value: &Value) -> Result<Vec<u8>, EditError> {
    let new = Node::new(value.clone(), sibling.clone());
    let written = |text: fn(&str) -> String| new.as_str().map_or_else(|| new.brief().to_string(), text);
    let mut expected = read(bytes)?;
    let entry = Entry::find(&expected, sibling, bytes)?;
    if entry.keys.iter().any(|found| found == key) {
        return Err(EditError::Exists(key.to_owned()));
    }
    let (at, text) = if entry.in_flow {
        let end =
            entry.end.ok_or(EditError::Layout { line: sibling.line, why: "the entry before it has no plain end" })?;
        (end, format!(", {}: {}", flow_string(key), written(flow_string)))
    } else {
        let line_start = line_start(bytes, range(sibling).start);
        // What stands before the key, dashes included, is its indentation.
        let indent: String =
            String::from_utf8_lossy(&bytes[line_start..sibling.start as usize]).chars().map(|_| ' ').collect();
        let (at, lead, tail) = next_line(bytes, entry.end.unwrap_or(sibling.end as usize));
        (at, format!("{lead}{indent}{}: {}{tail}", string(key), written(string)))
    };
    for document in &mut expected {
        each_node(&mut document.node, &mut |node| {
            if let Some(map) = node.as_map_mut()
                && map.iter().any(|(found, _)| same_place(&found.span, sibling))
            {
                map.insert(Key { text: key.into(), span: sibling.clone() }, new.clone());
            }
        });
    }
    let mut out = bytes.to_vec();
    out.splice(at..at, text.into_bytes());
    verified(out, &expected, sibling.line)
}

/// Adds a mapping of texts at the end of the list `key` of the file's only document, in the list's own style; a list that is not
/// there is made at the end of the file.
///
/// # Errors
/// When there are several documents, the key holds something else, or the layout leaves no safe way.
pub fn append_item(bytes: &[u8], key: &str, item: &[(&str, &str)]) -> Result<Vec<u8>, EditError> {
    let mut expected = read(bytes)?;
    let layout = |line, why| EditError::Layout { line, why };
    let [document] = expected.as_mut_slice() else { return Err(layout(1, "it does not hold exactly one document")) };
    let top = document.node.span.clone();
    let Some(map) = document.node.as_map_mut().filter(|_| bytes.get(top.start as usize) != Some(&b'{')) else {
        return Err(layout(top.line, "it is not a mapping of one key a line"));
    };
    let (at, text) = appended(bytes, (map, &top), key, item)?;
    let mut entry = Map::default();
    for (key, value) in item {
        let value = Node::new(Value::String((*value).into()), top.clone());
        entry.insert(Key { text: (*key).into(), span: top.clone() }, value);
    }
    let mut items = map.get(key).and_then(Node::as_list).unwrap_or_default().to_vec();
    items.push(Node::new(Value::Map(entry), top.clone()));
    map.insert(Key { text: key.into(), span: top.clone() }, Node::new(Value::List(items.into()), top.clone()));
    let mut out = bytes.to_vec();
    out.splice(at..at, text.into_bytes());
    verified(out, &expected, top.line)
}

/// The text of a new item of the list `key`, and where it belongs.
fn appended(
    bytes: &[u8],
    (map, top): (&Map, &Span),
    key: &str,
    item: &[(&str, &str)],
) -> Result<(usize, String), EditError> {
    let refused = |span: &Span, why| EditError::Layout { line: span.line, why };
    let style = map.iter().find_map(|(_, node)| Dash::of(node, bytes));
    let style = style.unwrap_or(Dash { before: "  ".to_owned(), gap: " ".to_owned() });
    let (Some(found), Some(list)) = (map.key(key), map.get(key)) else {
        let lead = if bytes.ends_with(b"\n") { "" } else { line_break(bytes) };
        let start = line_start(bytes, top.start as usize);
        let indent = String::from_utf8_lossy(&bytes[start..top.start as usize]);
        let line_break = line_break(bytes);
        let text = format!("{lead}{indent}{}:{line_break}{}{line_break}", string(key), style.item(item, line_break));
        return Ok((bytes.len(), text));
    };
    if list.is_null() && list.span.start == list.span.end {
        let (at, lead, tail) = next_line(bytes, found.span.end as usize);
        return Ok((at, format!("{lead}{}{tail}", style.item(item, line_break(bytes)))));
    }
    let Some(items) = list.as_list() else { return Err(refused(&found.span, "it holds no list")) };
    if list.span.start <= found.span.end {
        return Err(refused(&found.span, "its value is an alias"));
    }
    if bytes.get(list.span.start as usize) == Some(&b'[') {
        let lead = if items.is_empty() { "" } else { ", " };
        return Ok((list.span.end as usize - 1, format!("{lead}{}", flow_item(item))));
    }
    let own = Dash::of(list, bytes).ok_or(refused(&list.span, "its items stand in an odd place"))?;
    let end = last_byte(list).ok_or(refused(&list.span, "its last item has no plain end"))?;
    let (at, lead, tail) = next_line(bytes, end);
    Ok((at, format!("{lead}{}{tail}", own.item(item, line_break(bytes)))))
}

fn flow_item(item: &[(&str, &str)]) -> String {
    let entries: Vec<String> =
        item.iter().map(|(key, value)| format!("{}: {}", flow_string(key), flow_string(value))).collect();
    format!("{{ {} }}", entries.join(", "))
}

/// How a list of one item a line is written: what stands before its dashes, and between a dash and its item.
struct Dash {
    before: String,
    gap: String,
}

impl Dash {
    fn of(list: &Node, bytes: &[u8]) -> Option<Self> {
        let first = list.as_list()?.first()?;
        let (dash, item) = (list.span.start as usize, first.span.start as usize);
        let before = String::from_utf8_lossy(bytes.get(line_start(bytes, dash)..dash)?).into_owned();
        let gap = String::from_utf8_lossy(bytes.get(dash + 1..item)?).into_owned();
        let blank = |text: &str| text.chars().all(|c| c == ' ');
        (bytes.get(dash) == Some(&b'-') && blank(&before) && blank(&gap) && !gap.is_empty())
            .then_some(Self { before, gap })
    }

    /// A mapping as an item, without the last line break.
    fn item(&self, item: &[(&str, &str)], line_break: &str) -> String {
        let Self { before, gap } = self;
        let between = format!("{line_break}{before} {}", " ".repeat(gap.len()));
        let entries: Vec<String> =
            item.iter().map(|(key, value)| format!("{}: {}", string(key), string(value))).collect();
        format!("{before}-{gap}{}", entries.join(&between))
    }
}

/// Where the last scalar in a node ends; none when that is an alias or nothing is written there.
fn last_byte(node: &Node) -> Option<usize> {
    let (last, after) = match &node.value {
        Value::Map(map) => map.iter().next_back().map(|(key, value)| (value, key.span.end))?,
        Value::List(list) => (list.last()?, node.span.start),
        _ => return (node.span.end > node.span.start).then_some(node.span.end as usize),
    };
    if last.span.start < after {
        return None;
    }
    match &last.value {
        Value::Map(map) if map.is_empty() => Some(last.span.end as usize),
        Value::List(list) if list.is_empty() => Some(last.span.end as usize),
        _ => last_byte(last),
    }
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
pub(super) fn each_node(node: &mut Node, change: &mut impl FnMut(&mut Node)) {
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

pub(super) fn same_place(a: &Span, b: &Span) -> bool {
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

/// What ends a line in this file.
fn line_break(bytes: &[u8]) -> &'static str {
    if bytes.windows(2).any(|pair| pair == b"\r\n") { "\r\n" } else { "\n" }
}

/// Where the line after the one that ends an entry begins, and what to write before and after a new line there.
fn next_line(bytes: &[u8], end: usize) -> (usize, &'static str, &'static str) {
    let line_break = line_break(bytes);
    if end > 0 && bytes[end - 1] == b'\n' {
        return (end, "", line_break);
    }
    match bytes[end..].iter().position(|byte| *byte == b'\n') {
        Some(length) => (end + length + 1, "", line_break),
        None => (bytes.len(), line_break, ""),
    }
}

pub(super) fn read(bytes: &[u8]) -> Result<Vec<Document>, EditError> {
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
pub(super) fn verified(out: Vec<u8>, expected: &[Document], line: u32) -> Result<Vec<u8>, EditError> {
    let refused = EditError::Layout { line, why: "the result would mean something else" };
    let found = read(&out).map_err(|_| refused.clone())?;
    let same = found.len() == expected.len()
        && found.iter().zip(expected).all(|(a, b)| a.index == b.index && a.node == b.node);
    if same { Ok(out) } else { Err(refused) }
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
