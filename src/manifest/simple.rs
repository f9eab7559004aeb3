//! The YAML that people write, read in one pass: block mappings and lists, plain and quoted scalars, literal and folded
//! blocks, and brackets on one line.
//!
//! This is the fast half of the reader. Whatever it is not sure of it leaves to the general parser, with the whole file: tabs,
//! anchors, tags, scalars of several lines, anything wrong. So what it reads, it must read exactly as the other half does,
//! values and places; `load_tests.rs` and a fuzz target hold them together.

use std::collections::HashSet;
use std::sync::Arc;

use smol_str::SmolStr;

use super::load::{Document, MAX_DOCUMENTS, MAX_NODES};
use super::node::{Key, Map, Node, Span, Value};
use super::scalar;
use crate::model::path::RepoPath;

/// Deeper nesting is left to the general parser, which says where it ends.
const MAX_DEPTH: usize = 48;
/// Longer keys are left to the general parser: YAML allows 1,024 characters.
const MAX_KEY: usize = 500;
/// From here on keys are looked up in a hash table, so that reading stays linear.
const SMALL_MAP: usize = 16;

/// The documents of a text; nothing when the general parser has to read it.
pub(super) fn read(file: &Arc<RepoPath>, text: &str) -> Option<Vec<Document>> {
    let ascii = text.is_ascii();
    if text.contains('\r') || (!ascii && text.contains('\u{feff}')) {
        return None;
    }
    let mut reader = Reader {
        file,
        text,
        bytes: text.as_bytes(),
        ascii,
        at: 0,
        line: 1,
        line_start: 0,
        indent: NOTHING,
        nodes: 0,
        entries: Vec::new(),
        items: Vec::new(),
    };
    let (mut documents, mut count) = (Vec::new(), 0);
    reader.rest_of_lines()?;
    while reader.at < reader.bytes.len() {
        if reader.is_marker() {
            count += 1;
            reader.at += 3;
            reader.end_of_line()?;
            continue;
        }
        if reader.indent == NOTHING || reader.bytes[reader.at] == b'%' {
            return None;
        }
        count = count.max(1);
        reader.count(1)?;
        let node = reader.block(NOTHING, 0)?;
        documents.push(Document { node, index: count - 1 });
        if reader.indent != NOTHING || count > MAX_DOCUMENTS {
            return None;
        }
    }
    (count <= MAX_DOCUMENTS).then_some(documents)
}

/// The indentation of what is no line of this document: the end of the file, or a marker between documents.
const NOTHING: isize = -1;

pub(super) struct Reader<'t> {
    file: &'t Arc<RepoPath>,
    pub(super) text: &'t str,
    pub(super) bytes: &'t [u8],
    /// Whether columns are bytes.
    pub(super) ascii: bool,
    /// What is read next: a token, never a space.
    pub(super) at: usize,
    /// The line it stands on, from 1.
    pub(super) line: u32,
    pub(super) line_start: usize,
    /// How far the line at hand is indented, when nothing of it has been read yet.
    pub(super) indent: isize,
    nodes: usize,
    /// Entries and items of the collections being read, those of outer ones first.
    entries: Vec<(Key, Node)>,
    items: Vec<Node>,
}

/// A scalar or a key as it is written.
pub(super) struct Written {
    pub(super) text: SmolStr,
    pub(super) span: Span,
    pub(super) quoted: bool,
}

impl Reader<'_> {
    /// The byte at a place; a line break behind the last.
    pub(super) fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(b'\n')
    }

    pub(super) fn span(&self, start: usize, end: usize) -> Span {
        let before = &self.bytes[self.line_start..start];
        let columns = if self.ascii {
            before.len()
        } else {
            // Bytes that go on with a character are not counted.
            before.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
        };
        // Files are smaller than 4 GiB by far, so nothing is cut off.
        let (column, start, end) = (columns as u32 + 1, start as u32, end as u32);
        Span { file: Arc::clone(self.file), line: self.line, column, start, end }
    }

    fn is_marker(&self) -> bool {
        self.at == self.line_start && self.bytes[self.at..].starts_with(b"---") && is_blank(self.byte(self.at + 3))
    }

    pub(super) fn skip_spaces(&mut self) {
        while self.byte(self.at) == b' ' && self.at < self.bytes.len() {
            self.at += 1;
        }
    }

    /// Goes to the next line that says something. Nothing but a comment may stand on what is left of this one.
    pub(super) fn end_of_line(&mut self) -> Option<()> {
        let from = self.at;
        self.skip_spaces();
        match self.byte(self.at) {
            b'\n' => {}
            b'#' if self.at > from => self.at = self.line_end(self.at)?,
            _ => return None,
        }
        if self.at < self.bytes.len() {
            self.at += 1;
            self.line += 1;
            self.line_start = self.at;
        }
        self.rest_of_lines()
    }

    /// Where the line ends; nothing when there is a tab in it.
    fn line_end(&self, from: usize) -> Option<usize> {
        let found = self.bytes[from..].iter().position(|byte| matches!(byte, b'\n' | b'\t'));
        match found {
            None => Some(self.bytes.len()),
            Some(after) => (self.bytes[from + after] == b'\n').then_some(from + after),
        }
    }

    /// From the beginning of a line to the first that says something.
    pub(super) fn rest_of_lines(&mut self) -> Option<()> {
        while self.at < self.bytes.len() {
            self.skip_spaces();
            match self.byte(self.at) {
                b'\n' if self.at >= self.bytes.len() => break,
                b'\n' => {}
                b'#' => self.at = self.line_end(self.at)?,
                b'\t' => return None,
                _ => {
                    let indent = self.at - self.line_start;
                    let ends = indent == 0
                        && (self.is_marker()
                            || self.bytes[self.at..].starts_with(b"...")
                            || self.bytes[self.at..].starts_with(b"---"));
                    self.indent = if ends { NOTHING } else { indent as isize };
                    return Some(());
                }
            }
            if self.at >= self.bytes.len() {
                break;
            }
            self.at += 1;
            self.line += 1;
            self.line_start = self.at;
        }
        self.at = self.bytes.len();
        self.indent = NOTHING;
        Some(())
    }

    pub(super) fn count(&mut self, nodes: usize) -> Option<()> {
        self.nodes += nodes;
        (self.nodes <= MAX_NODES).then_some(())
    }

    /// What stands on lines of its own, further in than `outer`.
    fn block(&mut self, outer: isize, depth: usize) -> Option<Node> {
        if self.indent <= outer || depth > MAX_DEPTH {
            return None;
        }
        let column = self.indent;
        if self.is_dash() {
            return self.list(column, depth);
        }
        let key = self.key()??;
        self.map(column, key, depth)
    }

    fn is_dash(&self) -> bool {
        self.byte(self.at) == b'-' && is_blank(self.byte(self.at + 1))
    }

    /// The key that stands here, and past its colon; the inner nothing when it is no key but a scalar, of which nothing is read then.
    fn key(&mut self) -> Option<Option<Written>> {
        let (from, first) = (self.at, self.byte(self.at));
        let key = if matches!(first, b'"' | b'\'') {
            let key = self.quoted()?;
            self.skip_spaces();
            key
        } else {
            let (end, colon) = self.plain_end()?;
            let Some(colon) = colon else { return Some(None) };
            self.at = colon;
            Written { text: self.text[from..end].into(), span: self.span(from, end), quoted: false }
        };
        if self.byte(self.at) != b':' || self.at >= self.bytes.len() {
            self.at = from;
            return Some(None);
        }
        if !is_blank(self.byte(self.at + 1)) || key.text.len() > MAX_KEY {
            return None;
        }
        // Keys that are no text, and those that take over another mapping, are rare.
        if !key.quoted && (key.text == "<<" || !scalar::is_text(&key.text)) {
            return None;
        }
        self.at += 1;
        Some(Some(key))
    }

    /// A mapping whose first key is read already; the others stand at the same column.
    fn map(&mut self, column: isize, first: Written, depth: usize) -> Option<Node> {
        let (from, mut key) = (self.entries.len(), first);
        let (mut known, begin) = (HashSet::new(), key.span.clone());
        loop {
            self.count(2)?;
            let entries = &self.entries[from..];
            if entries.len() < SMALL_MAP {
                if entries.iter().any(|(other, _)| other.text == key.text) {
                    return None;
                }
            } else {
                if known.is_empty() {
                    known.extend(entries.iter().map(|(other, _)| other.text.clone()));
                }
                if !known.insert(key.text.clone()) {
                    return None;
                }
            }
            let value = self.value(column, depth)?;
            self.entries.push((Key { text: key.text, span: key.span }, value));
            if self.indent < column {
                break;
            }
            if self.indent > column || self.is_dash() {
                return None;
            }
            key = self.key()??;
        }
        let entries: Vec<_> = self.entries.drain(from..).collect();
        let end = entries.last().map_or(begin.end, |(_, value)| value.span.end);
        Some(Node::new(Value::Map(Map::of_unique(entries)), Span { end, ..begin }))
    }

    /// What stands behind a colon, or on the lines below it.
    fn value(&mut self, column: isize, depth: usize) -> Option<Node> {
        let colon = self.at;
        self.skip_spaces();
        if matches!(self.byte(self.at), b'\n' | b'#') {
            let nothing = self.span(colon, colon);
            self.at = colon;
            self.end_of_line()?;
            return match self.indent {
                indent if indent > column => self.block(column, depth + 1),
                // The items of a list may stand as far out as the key.
                indent if indent == column && self.is_dash() => self.list(column, depth + 1),
                _ => Some(Node::new(Value::Null, nothing)),
            };
        }
        self.inline(column, depth + 1)
    }

    /// A list whose dashes stand at `column`.
    fn list(&mut self, column: isize, depth: usize) -> Option<Node> {
        if depth > MAX_DEPTH {
            return None;
        }
        let (from, begin) = (self.items.len(), self.span(self.at, self.at));
        loop {
            self.count(1)?;
            self.at += 1;
            let dash = self.at;
            self.skip_spaces();
            let item = match self.byte(self.at) {
                b'\n' | b'#' => {
                    self.at = dash;
                    self.end_of_line()?;
                    self.block(column, depth + 1)?
                }
                _ => {
                    let inner = (self.at - self.line_start) as isize;
                    if self.is_dash() {
                        self.list(inner, depth + 1)?
                    } else if let Some(key) = self.key_if_any()? {
                        self.map(inner, key, depth + 1)?
                    } else {
                        self.inline(column, depth + 1)?
                    }
                }
            };
            self.items.push(item);
            if self.indent < column || (self.indent == column && !self.is_dash()) {
                break;
            }
            if self.indent > column {
                return None;
            }
        }
        let items: Vec<_> = self.items.drain(from..).collect();
        let end = items.last().map_or(begin.end, |item| item.span.end);
        Some(Node::new(Value::List(items.into()), Span { end, ..begin }))
    }

    /// The key of a mapping that begins behind a dash, if one does.
    fn key_if_any(&mut self) -> Option<Option<Written>> {
        match self.byte(self.at) {
            b'|' | b'>' | b'[' | b'{' => Some(None),
            _ => self.key(),
        }
    }

    /// A value that begins on this line and is no block mapping or list; lines further in than `column` would go on with it.
    fn inline(&mut self, column: isize, depth: usize) -> Option<Node> {
        if depth > MAX_DEPTH {
            return None;
        }
        let node = match self.byte(self.at) {
            b'|' | b'>' => return self.block_scalar(column),
            b'[' | b'{' => self.flow(depth)?,
            b'"' | b'\'' => {
                let Written { text, span, .. } = self.quoted()?;
                Node { quoted: true, ..Node::new(Value::String(text), span) }
            }
            _ => {
                let from = self.at;
                let (end, None) = self.plain_end()? else { return None };
                self.at = end;
                self.plain(from, end)?
            }
        };
        self.end_of_line()?;
        // What is further in goes on with a scalar, or is wrong.
        (self.indent <= column).then_some(node)
    }

    /// The value of plain text.
    pub(super) fn plain(&self, from: usize, end: usize) -> Option<Node> {
        let text = &self.text[from..end];
        let value = match scalar::resolve(text) {
            Value::Float(number) if !number.is_finite() => return None,
            value => value,
        };
        let odd = scalar::is_odd(&value, text);
        Some(Node { odd, ..Node::new(value, self.span(from, end)) })
    }

    /// Where plain text that begins here ends, and the colon behind it when it is a key.
    fn plain_end(&self) -> Option<(usize, Option<usize>)> {
        self.plain_start(false).then_some(())?;
        let mut at = self.at;
        loop {
            match self.byte(at) {
                b'\n' => return Some((self.trimmed(at), None)),
                b'\t' => return None,
                b':' if is_blank(self.byte(at + 1)) => return Some((self.trimmed(at), Some(at))),
                b'#' if self.byte(at - 1) == b' ' => return Some((self.trimmed(at), None)),
                _ => at += 1,
            }
        }
    }

    /// Whether plain text may begin here. What would be something else, or is read in different ways, is left out.
    pub(super) fn plain_start(&self, flow: bool) -> bool {
        match self.byte(self.at) {
            b'-' => {
                let next = self.byte(self.at + 1);
                !(is_blank(next) || flow && b",[]{}".contains(&next))
            }
            b',' | b'[' | b']' | b'{' | b'}' | b'#' | b'&' | b'*' | b'!' | b'|' | b'>' | b'\'' | b'"' | b'%' | b'@'
            | b'`' | b'?' | b':' | b'\n' | b'\t' | b' ' => false,
            _ => true,
        }
    }

    /// The end of the text before `at`, without spaces.
    pub(super) fn trimmed(&self, at: usize) -> usize {
        let mut end = at;
        while self.byte(end - 1) == b' ' {
            end -= 1;
        }
        end
    }
}

/// Whether a byte ends a word: a space or a line break.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n')
}
