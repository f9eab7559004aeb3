//! The lines of a comment that a reader sees as plain text beginning with `/`.

use comrak::nodes::{AstNode, NodeValue};
use comrak::{Arena, Options, parse_document};

/// A line that may be a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// The line in the comment, from 1.
    pub(super) number: u32,
    /// What a reader sees of it.
    pub(super) text: String,
}

/// GitHub takes 65,536 characters; four bytes each. Longer text never came from a comment.
const MAX_BODY_BYTES: usize = 4 * 65_536;

/// The candidates, in order.
pub(super) fn candidates(body: &str) -> Vec<Line> {
    if body.len() > MAX_BODY_BYTES || !body.contains('/') {
        return Vec::new();
    }
    let source: Vec<&str> = body.split('\n').collect();
    let arena = Arena::new();
    let root = parse_document(&arena, body, &options());
    let mut found = Vec::new();
    // Only paragraphs of the document itself: what lies in a quote, a list, a footnote or a table is not said by the author
    // to the bot.
    for paragraph in root.children().filter(|node| matches!(node.data.borrow().value, NodeValue::Paragraph)) {
        let mut number = paragraph.data.borrow().sourcepos.start.line;
        for line in split(paragraph) {
            // `\/trunkline` and `&#47;trunkline` look alike and are not meant; the raw line tells.
            let raw = source.get(number.saturating_sub(1)).map_or("", |raw| raw.trim_start_matches([' ', '\t']));
            if raw.starts_with('/') && line.text.starts_with('/') && line.plain_start {
                found.push(Line { number: u32::try_from(number).unwrap_or(u32::MAX), text: line.text });
            }
            number += 1 + line.swallowed;
        }
    }
    found
}

fn options() -> Options<'static> {
    let mut options = Options::default();
    // As GitHub reads comments. Autolinks stay text: an address in a reason is part of the reason.
    options.extension.table = true;
    options.extension.strikethrough = true;
    options.extension.tasklist = true;
    options.extension.footnotes = true;
    options
}

#[derive(Default)]
struct Draft {
    text: String,
    plain_start: bool,
    /// Line breaks inside one inline, such as a code span over several lines.
    swallowed: usize,
}

/// A paragraph's lines as a reader sees them: text, code and emphasised words; no HTML, no addresses behind links.
fn split<'a>(paragraph: &'a AstNode<'a>) -> Vec<Draft> {
    let mut lines = Vec::new();
    let mut line = Draft::default();
    let mut first = true;
    for child in paragraph.children() {
        let data = child.data.borrow();
        if matches!(data.value, NodeValue::SoftBreak | NodeValue::LineBreak) {
            lines.push(std::mem::take(&mut line));
            first = true;
            continue;
        }
        if first {
            line.plain_start = matches!(data.value, NodeValue::Text(_));
            first = false;
        }
        line.swallowed += data.sourcepos.end.line.saturating_sub(data.sourcepos.start.line);
        drop(data);
        for node in child.descendants() {
            match &node.data.borrow().value {
                NodeValue::Text(text) => line.text.push_str(text),
                NodeValue::Code(code) => line.text.push_str(&code.literal),
                NodeValue::SoftBreak | NodeValue::LineBreak => line.text.push(' '),
                _ => {}
            }
        }
    }
    lines.push(line);
    lines
}
