//! Where things stand in the text that the parser's events do not say.

use super::node::Span;

/// Moves a span's start back to an indicator that its event leaves out: a block scalar's `|`, a list's first `-`.
pub(super) fn back_to(text: &str, from: usize, indicators: &[char], span: &mut Span) {
    let gap = text.get(from..span.start as usize).unwrap_or_default();
    let (mut comment, mut before) = (false, ' ');
    for (at, c) in gap.char_indices() {
        match c {
            '\n' | '\r' => comment = false,
            '#' if before.is_whitespace() => comment = true,
            c if indicators.contains(&c) && !comment && before.is_whitespace() => {
                let line = text[..from + at].rfind(['\n', '\r']).map_or(0, |end| end + 1);
                span.line -= gap[at..].replace("\r\n", "\n").matches(['\n', '\r']).count() as u32;
                span.column = text[line..from + at].trim_start_matches('\u{feff}').chars().count() as u32 + 1;
                span.start = (from + at) as u32;
                return;
            }
            _ => {}
        }
        before = c;
    }
}

/// Whether a tab indents what stands at `at`: go-yaml refuses that, the parser does not. A block collection or a
/// list's item is indented by all that stands before it on its line, dashes included; anything else only when it comes first.
pub(super) fn after_tab(text: &str, at: usize, block: bool) -> bool {
    let blank = text[..at].bytes().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let (line, blanks) = text[..at].split_at(at - blank);
    blanks.contains('\t') && (block || line.is_empty() || line.ends_with(['\n', '\r']))
}

/// Where the last line's text ends when no line break follows it: a block scalar that ends there has none for go-yaml.
pub(super) fn open_end(text: &str) -> usize {
    let written = text.trim_end_matches(' ');
    if written.ends_with(['\n', '\r']) { usize::MAX } else { written.len() }
}
