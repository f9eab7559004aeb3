//! An object as the YAML text that Flux replaces variables in: go-yaml v2's, quotes included.
//!
//! The quotes decide what a value becomes: `"${n}"` is written without quotes, since `${n}` is text by itself, and so turns into
//! a number. That is how Flux works, and why the style of the original matters here as nowhere else.

use crate::manifest::emit::means_itself;
use crate::manifest::node::{Map, Node, Span, Value};

/// The longest key that stands before its colon; longer ones are marked with `?`.
const MAX_KEY: usize = 128;

/// An object as text, and where in it which value stands.
#[derive(Default)]
pub(super) struct Written<'n> {
    pub(super) text: String,
    /// The values that variables may stand in, by the byte they begin at.
    pub(super) marks: Vec<(usize, &'n Span)>,
}

impl<'n> Written<'n> {
    /// The value at or before a byte of the text.
    pub(super) fn value_at(&self, byte: usize) -> Option<&'n Span> {
        let after = self.marks.partition_point(|(from, _)| *from <= byte);
        Some(self.marks.get(after.checked_sub(1)?)?.1)
    }

    /// Writes a mapping; its first line continues the one that is open. Recursion is bounded by the reader's depth limit.
    fn mapping(&mut self, map: &'n Map, indent: usize) {
        for (index, (key, value)) in map.iter().enumerate() {
            if index > 0 {
                pad(&mut self.text, indent);
            }
            let long = key.text.len() > MAX_KEY || key.text.contains('\n');
            if long {
                self.text.push_str("? ");
            }
            self.mark(&key.text, &key.span);
            scalar(&mut self.text, &key.text, indent, true);
            if long {
                self.text.push('\n');
                pad(&mut self.text, indent);
            }
            self.text.push(':');
            match &value.value {
                Value::Map(map) if !map.is_empty() => {
                    self.text.push('\n');
                    pad(&mut self.text, indent + 2);
                    self.mapping(map, indent + 2);
                }
                Value::List(list) if !list.is_empty() => {
                    self.text.push('\n');
                    pad(&mut self.text, indent);
                    self.sequence(list, indent);
                }
                _ => {
                    self.text.push(' ');
                    self.leaf(value, indent);
                }
            }
        }
    }

    fn sequence(&mut self, list: &'n [Node], indent: usize) {
        for (index, item) in list.iter().enumerate() {
            if index > 0 {
                pad(&mut self.text, indent);
            }
            self.text.push_str("- ");
            match &item.value {
                Value::Map(map) if !map.is_empty() => self.mapping(map, indent + 2),
                Value::List(list) if !list.is_empty() => self.sequence(list, indent + 2),
                _ => self.leaf(item, indent),
            }
        }
    }

    fn leaf(&mut self, node: &'n Node, indent: usize) {
        match &node.value {
            Value::Null => self.text.push_str("null"),
            Value::Bool(truth) => self.text.push_str(&truth.to_string()),
            Value::Int(number) => self.text.push_str(&number.to_string()),
            Value::Float(number) => self.text.push_str(&format!("{number:?}")),
            Value::String(text) => {
                self.mark(text, &node.span);
                return line(&mut self.text, text, indent);
            }
            Value::List(_) => self.text.push_str("[]"),
            Value::Map(_) => self.text.push_str("{}"),
        }
        self.text.push('\n');
    }

    fn mark(&mut self, text: &str, span: &'n Span) {
        if text.contains('$') {
            self.marks.push((self.text.len(), span));
        }
    }
}

/// The object as text.
pub(super) fn written(node: &Node) -> Written<'_> {
    let mut out = Written::default();
    match &node.value {
        Value::Map(map) if !map.is_empty() => out.mapping(map, 0),
        Value::List(list) if !list.is_empty() => out.sequence(list, 0),
        _ => out.leaf(node, 0),
    }
    out
}

fn line(out: &mut String, text: &str, indent: usize) {
    scalar(out, text, indent, false);
    if !out.ends_with('\n') || !text.contains('\n') {
        out.push('\n');
    }
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

/// What a text allows.
struct Look {
    plain: bool,
    single: bool,
    block: bool,
}

fn look(text: &str) -> Look {
    let edge = |c: char| c == ' ' || is_break(c);
    let starts = |signs: &[char]| text.starts_with(signs);
    let blank_at = |at: usize| text[at..].chars().next().is_none_or(|c| c == ' ' || c == '\t');
    let indicator = text.starts_with("---")
        || text.starts_with("...")
        || starts(&['#', ',', '[', ']', '{', '}', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`'])
        || starts(&['?', '-']) && blank_at(1)
        || text.match_indices(':').any(|(at, _)| blank_at(at + 1))
        || text
            .match_indices('#')
            .any(|(at, _)| text[..at].chars().next_back().is_some_and(|c| c == ' ' || c == '\t' || is_break(c)));
    let special = text.chars().any(|c| !is_printable(c));
    let pairs = || text.chars().zip(text.chars().skip(1));
    let space_then_break = pairs().any(|(a, b)| a == ' ' && is_break(b));
    let break_then_space = pairs().any(|(a, b)| is_break(a) && b == ' ');
    let breaks = text.contains(is_break);
    let ends = text.ends_with(' ');
    let strange = special || space_then_break;
    Look {
        plain: !indicator && !strange && !breaks && !text.starts_with(edge) && !text.ends_with(edge),
        single: !strange && !break_then_space,
        block: !strange && !ends && !text.is_empty(),
    }
}

fn scalar(out: &mut String, text: &str, indent: usize, key: bool) {
    let look = look(text);
    let broken = text.contains('\n');
    if broken && look.block && !key {
        return block(out, text, indent);
    }
    let itself = !text.is_empty() && (text.contains('$') || means_itself(text));
    let mut line = Line { out, indent: indent + 2, breaks: !key };
    match () {
        () if broken || !itself => double(&mut line, text),
        () if look.plain => {
            for (at, c) in text.char_indices() {
                let next_is_space = text[at + c.len_utf8()..].starts_with(' ');
                line.push(c, text[..at].ends_with(' ') || next_is_space);
            }
        }
        () if look.single && !text.contains(is_break) => {
            line.out.push('\'');
            for (at, c) in text.char_indices() {
                let rest = &text[at + c.len_utf8()..];
                line.push(c, at == 0 || text[..at].ends_with(' ') || rest.is_empty() || rest.starts_with(' '));
                line.out.extend((c == '\'').then_some('\''));
            }
            line.out.push('\'');
        }
        () => double(&mut line, text),
    }
}

/// A line that is broken at a space once it is long.
struct Line<'o> {
    out: &'o mut String,
    indent: usize,
    breaks: bool,
}

impl Line<'_> {
    /// Characters after which a line is broken at the next single space.
    const WIDTH: usize = 80;

    fn is_long(&self) -> bool {
        let start = self.out.rfind('\n').map_or(0, |at| at + 1);
        self.breaks && self.out.len() - start > Self::WIDTH && self.out[start..].chars().count() > Self::WIDTH
    }

    /// Writes a character; a space becomes a line break where the line is long, unless `keep`.
    fn push(&mut self, c: char, keep: bool) {
        if c == ' ' && !keep && self.is_long() {
            self.out.push('\n');
            pad(self.out, self.indent);
        } else {
            self.out.push(c);
        }
    }
}

fn block(out: &mut String, text: &str, indent: usize) {
    out.push('|');
    if text.starts_with(|c| c == ' ' || is_break(c)) {
        out.push('2');
    }
    match text.strip_suffix('\n') {
        None => out.push('-'),
        Some("") => out.push('+'),
        Some(body) if body.ends_with('\n') => out.push('+'),
        Some(_) => {}
    }
    out.push('\n');
    for line in text.split_inclusive('\n') {
        if line != "\n" {
            pad(out, indent + 2);
        }
        out.push_str(line);
    }
    if !text.ends_with('\n') {
        out.push('\n');
    }
}

fn double(line: &mut Line<'_>, text: &str) {
    line.out.push('"');
    for (at, c) in text.char_indices() {
        let rest = &text[at + c.len_utf8()..];
        if c == ' ' {
            let before = line.out.len();
            line.push(c, at == 0 || rest.is_empty() || text[..at].ends_with(' '));
            // A space at the beginning of a line would be lost.
            line.out.extend((line.out.len() > before + 1 && rest.starts_with(' ')).then_some('\\'));
            continue;
        }
        let out = &mut *line.out;
        let short = match c {
            '\0' => '0',
            '\u{7}' => 'a',
            '\u{8}' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\u{b}' => 'v',
            '\u{c}' => 'f',
            '\r' => 'r',
            '\u{1b}' => 'e',
            '"' => '"',
            '\\' => '\\',
            '\u{85}' => 'N',
            '\u{2028}' => 'L',
            '\u{2029}' => 'P',
            c if is_printable(c) => {
                out.push(c);
                continue;
            }
            c => {
                let code = u32::from(c);
                match code {
                    ..=0xff => out.push_str(&format!("\\x{code:02X}")),
                    0x100..=0xffff => out.push_str(&format!("\\u{code:04X}")),
                    _ => out.push_str(&format!("\\U{code:08X}")),
                }
                continue;
            }
        };
        out.extend(['\\', short]);
    }
    line.out.push('"');
}

fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// What go-yaml writes as it is. Characters above the basic plane are not among it.
fn is_printable(c: char) -> bool {
    matches!(c, '\n' | '\u{20}'..='\u{7e}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}') && c != '\u{feff}'
}
