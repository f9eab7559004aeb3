//! The fast half of the reader: scalars in quotes or as blocks, and brackets on one line.

use smol_str::SmolStr;

use super::node::{Key, Map, Node, Value};
use super::simple::{Reader, Written, is_blank};

impl Reader<'_> {
    /// Text in quotes on one line. Escapes that are not among the most common are left to the general parser.
    pub(super) fn quoted(&mut self) -> Option<Written> {
        let (from, quote) = (self.at, self.byte(self.at));
        let mut changed: Option<String> = None;
        let mut copied = from + 1;
        let mut at = from + 1;
        loop {
            let keep = |changed: &mut Option<String>, text: &str| changed.get_or_insert_default().push_str(text);
            match self.byte(at) {
                b'\n' | b'\t' => return None,
                b'\\' if quote == b'"' => {
                    keep(&mut changed, &self.text[copied..at]);
                    let meant = match self.byte(at + 1) {
                        b'n' => "\n",
                        b't' => "\t",
                        b'"' => "\"",
                        b'\\' => "\\",
                        _ => return None,
                    };
                    keep(&mut changed, meant);
                    at += 2;
                    copied = at;
                }
                b'\'' if quote == b'\'' && self.byte(at + 1) == b'\'' => {
                    keep(&mut changed, &self.text[copied..=at]);
                    at += 2;
                    copied = at;
                }
                byte if byte == quote => break,
                _ => at += 1,
            }
        }
        let rest = &self.text[copied..at];
        let text = match changed {
            Some(mut text) => {
                text.push_str(rest);
                text.into()
            }
            None => SmolStr::new(rest),
        };
        self.at = at + 1;
        Some(Written { text, span: self.span(from, at + 1), quoted: true })
    }

    /// A literal or folded block whose lines stand further in than `column`, and on to the next line behind it.
    pub(super) fn block_scalar(&mut self, column: isize) -> Option<Node> {
        let folded = self.byte(self.at) == b'>';
        let mut span = self.span(self.at, self.at);
        self.at += 1;
        let chomp = match self.byte(self.at) {
            sign @ (b'-' | b'+') => {
                self.at += 1;
                sign
            }
            _ => b' ',
        };
        self.skip_spaces();
        // A comment or an indentation here is rare.
        if self.byte(self.at) != b'\n' || self.at >= self.bytes.len() {
            return None;
        }
        let (text, end) = self.block_text(column, folded, chomp)?;
        span.end = end as u32;
        self.rest_of_lines()?;
        if self.indent > column {
            return None;
        }
        Some(Node { quoted: true, ..Node::new(Value::String(text), span) })
    }

    /// The text of a block whose header ends here, and where the block ends.
    fn block_text(&mut self, column: isize, folded: bool, chomp: u8) -> Option<(SmolStr, usize)> {
        let mut text = String::new();
        let (mut indent, mut breaks, mut end) = (0, 0_usize, self.at + 1);
        let mut kept = chomp;
        self.next_line();
        while self.at < self.bytes.len() {
            let begin = self.at;
            let stop = match self.bytes[begin..].iter().position(|byte| *byte == b'\n') {
                Some(length) => begin + length,
                None if chomp != b'+' && !self.text.ends_with(' ') => self.bytes.len(),
                None => return None,
            };
            let line = &self.bytes[begin..stop];
            let blank = line.iter().take_while(|byte| **byte == b' ').count();
            if blank == line.len() && (indent == 0 || blank <= indent) {
                // Blanks before the first line that say nothing, or too much, and those behind the last.
                if indent == 0 && blank > 0 {
                    return None;
                }
                breaks += 1;
            } else {
                if indent == 0 {
                    indent = blank;
                }
                if blank < indent || indent as isize <= column {
                    // The general parser counts the next line's indentation as a part of the block, as libyaml does.
                    end = begin + blank;
                    break;
                }
                let content = &self.text[begin + indent..stop];
                if content.bytes().all(|byte| matches!(byte, b' ' | b'\t')) {
                    return None;
                }
                if folded && (content.starts_with([' ', '\t']) || (text.is_empty() && breaks > 0)) {
                    return None;
                }
                match (folded && !text.is_empty(), breaks) {
                    (true, 1) => text.push(' '),
                    (true, _) => text.extend(std::iter::repeat_n('\n', breaks.saturating_sub(1))),
                    (false, _) => text.extend(std::iter::repeat_n('\n', breaks)),
                }
                text.push_str(content);
                breaks = 1;
                if stop == self.bytes.len() {
                    // The last line of a file, which does not end: go-yaml sees no line break there.
                    kept = b'-';
                }
            }
            end = (stop + 1).min(self.bytes.len());
            self.at = stop;
            self.next_line();
        }
        // A block of no lines is read in different ways.
        if text.is_empty() {
            return None;
        }
        let kept = match kept {
            b'-' => 0,
            b'+' => breaks,
            _ => 1,
        };
        text.extend(std::iter::repeat_n('\n', kept));
        Some((text.into(), end))
    }

    fn next_line(&mut self) {
        self.at += 1;
        self.line += 1;
        self.line_start = self.at;
    }

    /// A list or mapping in brackets, on one line. Recursion is bounded by the depth that the caller counts.
    pub(super) fn flow(&mut self, depth: usize) -> Option<Node> {
        /// Brackets inside each other; more are left to the general parser.
        const MOST: usize = 40;
        /// Entries in braces, each compared with those before it.
        const MOST_ENTRIES: usize = 64;
        /// Characters of a line are counted anew for each value; in longer ones the general parser does it once.
        const LONG_LINE: usize = 2_000;
        if depth > MOST || (!self.ascii && self.at - self.line_start > LONG_LINE) {
            return None;
        }
        let (from, open) = (self.at, self.byte(self.at));
        let close = if open == b'[' { b']' } else { b'}' };
        let (mut entries, mut items) = (Vec::<(Key, Node)>::new(), Vec::new());
        self.at += 1;
        self.skip_spaces();
        while self.byte(self.at) != close {
            if open == b'{' {
                let key = self.flow_key()?;
                if entries.len() >= MOST_ENTRIES || entries.iter().any(|(other, _)| other.text == key.text) {
                    return None;
                }
                self.count(2)?;
                entries.push((key, self.flow_value(depth)?));
            } else {
                self.count(1)?;
                items.push(self.flow_value(depth)?);
            }
            match self.byte(self.at) {
                b',' => {
                    self.at += 1;
                    self.skip_spaces();
                    // A comma at the end is rare.
                    if self.byte(self.at) == close {
                        return None;
                    }
                }
                byte if byte == close => {}
                _ => return None,
            }
        }
        self.at += 1;
        let value = if open == b'[' { Value::List(items.into()) } else { Value::Map(Map::of_unique(entries)) };
        Some(Node::new(value, self.span(from, self.at)))
    }

    /// The key of an entry in braces, and past its colon.
    fn flow_key(&mut self) -> Option<Key> {
        let Written { text, span, quoted } = self.flow_scalar()?;
        if self.byte(self.at) != b':' || self.byte(self.at + 1) != b' ' {
            return None;
        }
        if !quoted && (text == "<<" || !super::scalar::is_text(&text)) {
            return None;
        }
        self.at += 1;
        self.skip_spaces();
        Some(Key { text, span })
    }

    /// A value in brackets, and on to what stands behind it.
    fn flow_value(&mut self, depth: usize) -> Option<Node> {
        let node = match self.byte(self.at) {
            b'[' | b'{' => self.flow(depth + 1)?,
            _ => {
                let Written { text, span, quoted } = self.flow_scalar()?;
                if quoted {
                    Node { quoted, ..Node::new(Value::String(text), span) }
                } else {
                    self.plain(span.start as usize, span.end as usize)?
                }
            }
        };
        self.skip_spaces();
        Some(node)
    }

    fn flow_scalar(&mut self) -> Option<Written> {
        if matches!(self.byte(self.at), b'"' | b'\'') {
            let text = self.quoted()?;
            self.skip_spaces();
            return Some(text);
        }
        self.plain_start(true).then_some(())?;
        let from = self.at;
        loop {
            match self.byte(self.at) {
                b'\n' | b'\t' | b'#' | b'[' | b'{' => return None,
                b',' | b']' | b'}' => break,
                b':' if is_blank(self.byte(self.at + 1)) => break,
                b':' if b",[]{}".contains(&self.byte(self.at + 1)) => return None,
                _ => self.at += 1,
            }
        }
        let end = self.trimmed(self.at);
        Some(Written { text: self.text[from..end].into(), span: self.span(from, end), quoted: false })
    }
}
