//! Text of others, made safe to stand in a text of ours (T36).
//!
//! Everything that came from a repository, a ref, a comment or a policy is hostile: it may try to mention a thousand
//! people, load an image, close our `<details>`, forge our marker, or turn the reading direction around.

use super::redact::redact;

/// Written after `@`, `#` and inside `://`: GitHub looks for mentions and addresses in the rendered text, where a backslash is
/// already gone. Invisible, and no place to break a line.
const JOINER: char = '\u{2060}';

/// Whether a character has no business in a text people decide by: control, direction, or invisible.
pub(super) fn is_trick(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// One line without tricks, cut to `max` characters. For places that are plain text already: titles, annotations, trailers.
pub fn line(text: &str, max: usize) -> String {
    let mut clean = String::new();
    let mut space = false;
    for c in text.chars() {
        if c.is_whitespace() || matches!(c, '\u{2028}' | '\u{2029}') {
            space = !clean.is_empty();
        } else if !is_trick(c) {
            if std::mem::take(&mut space) {
                clean.push(' ');
            }
            clean.push(c);
        }
        // Enough to know that it is too long; hostile text may be megabytes.
        if clean.len() > 4 * max + 8 {
            break;
        }
    }
    cut(&redact(&clean), max)
}

/// Several lines without tricks, cut to `max` characters: for plain-text places that keep line breaks.
pub fn lines(text: &str, max: usize) -> String {
    let keep = |c: &char| *c == '\n' || *c == '\t' || !is_trick(*c);
    let clean: String = text.chars().take(4 * max).filter(keep).collect();
    cut(redact(&clean).trim_end(), max)
}

fn cut(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some(_) => {
            let mut short: String = text.chars().take(max.saturating_sub(1)).collect();
            short.push('…');
            short
        }
    }
}

/// Longer messages are no messages; the file they came from has the rest.
const MAX_TEXT: usize = 1_000;

/// Running text: shown as written, one line, without any Markdown, mention, reference or address in it.
pub fn text(text: &str) -> String {
    let clean = line(text, MAX_TEXT);
    let mut out = String::with_capacity(clean.len() + 16);
    let mut only_digits = true;
    for (at, c) in clean.char_indices() {
        let rest = &clean[at + c.len_utf8()..];
        let special = match c {
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '&' | '$' | '!' => true,
            // Markdown only at the start of a line, which this text may be put at.
            '-' | '+' | '=' | ':' => at == 0,
            '.' | ')' => only_digits && at > 0,
            _ => false,
        };
        if special {
            out.push('\\');
        }
        out.push(c);
        only_digits &= c.is_ascii_digit();
        if links_after(&clean[..at], c, rest) {
            out.push(JOINER);
        }
    }
    out
}

/// Whether GitHub could make a link of `c` and what follows: `@ada`, `#12`, `GH-12`, `https://`, `www.`.
fn links_after(before: &str, c: char, rest: &str) -> bool {
    let ends_with = |word: &str| {
        before.get(before.len().saturating_sub(word.len())..).is_some_and(|end| end.eq_ignore_ascii_case(word))
    };
    match c {
        '@' | '#' => true,
        ':' => rest.starts_with('/'),
        '-' => ends_with("gh"),
        'w' | 'W' => ends_with("ww") && rest.starts_with('.'),
        _ => false,
    }
}

/// Inline code: nothing inside is Markdown, a mention or an address. For names, paths, versions, commits.
pub fn code(text: &str) -> String {
    let clean = line(text, 300);
    if clean.is_empty() {
        return "*(empty)*".to_owned();
    }
    let fence = "`".repeat(longest_run(&clean) + 1);
    let pad = if clean.starts_with('`') || clean.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{clean}{pad}{fence}")
}

/// Inline code inside a table, where a bar would end the cell even in code.
pub fn cell_code(text: &str) -> String {
    code(text).replace('|', "\\|")
}

/// Running text in which what the author put between backticks is code; our own messages are written so, around names of theirs.
pub fn prose(text: &str) -> String {
    let clean = line(text, MAX_TEXT);
    let pieces: Vec<&str> = clean.split('`').collect();
    // An odd number of backticks closes nothing: then none of them means code.
    if pieces.len().is_multiple_of(2) {
        return self::text(&clean);
    }
    let mut out = String::new();
    for (index, piece) in pieces.iter().enumerate() {
        match (index % 2 == 1, piece.is_empty()) {
            (_, true) => {}
            (true, false) => out.push_str(&code(piece)),
            (false, false) => out.push_str(&spaced(piece, index)),
        }
    }
    if out.is_empty() { self::text(&clean) } else { out }
}

/// `text` drops spaces at the ends, which here stand between words and code.
fn spaced(piece: &str, index: usize) -> String {
    let start = if piece.starts_with(' ') && index > 0 { " " } else { "" };
    let end = if piece.ends_with(' ') && !piece.trim().is_empty() { " " } else { "" };
    format!("{start}{}{end}", text(piece))
}

/// A fenced block, its fence longer than any run of backticks inside.
pub fn block(language: &str, text: &str) -> String {
    let keep = |c: &char| *c == '\n' || *c == '\t' || !is_trick(*c);
    let clean: String = text.chars().filter(keep).collect();
    let clean = redact(&clean);
    let clean = clean.trim_end_matches('\n');
    let fence = "`".repeat(longest_run(clean).max(2) + 1);
    format!("{fence}{language}\n{clean}\n{fence}\n")
}

/// Text inside an HTML element of ours, such as `<summary>`.
pub fn html(text: &str) -> String {
    let mut out = String::new();
    let clean = line(text, 300);
    for (at, c) in clean.char_indices() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            _ => out.push(c),
        }
        if links_after(&clean[..at], c, &clean[at + c.len_utf8()..]) {
            out.push(JOINER);
        }
    }
    out
}

/// A link; the label is Markdown already, the address is ours with what others wrote in it encoded by `path_in_url`.
pub fn link(label: &str, url: &str) -> String {
    format!("[{label}]({url})")
}

/// A link to a place in the repository at `within`; the label alone when the address leads elsewhere or holds what an address has not.
pub fn link_within(label: &str, url: &str, within: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:#?=&%".contains(&byte);
    let inside = url.strip_prefix(within).is_some_and(|rest| rest.starts_with('/'));
    if inside && url.bytes().all(plain) { link(label, url) } else { label.to_owned() }
}

/// A path or ref for an address: everything but plain letters, digits and `-._~/` as percent codes.
pub fn path_in_url(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}
