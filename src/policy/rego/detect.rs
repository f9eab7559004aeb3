//! What regorus is known to read differently from OPA without saying so, found in the text before it can pass for an answer.

use super::adapt::chained_bodies;
use super::problem;
use crate::model::finding::{Finding, Location};
use crate::policy::files::PolicyFile;

/// Builtins whose answer depends on the day, on chance, or on the machine: the same change must always get the same answer.
const UNSTEADY: &[&str] =
    &["time.now_ns", "rand.intn", "uuid.rfc4122", "opa.runtime", "http.send", "net.lookup_ip_addr"];

/// One piece of Rego text with comments and strings taken out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Token<'a> {
    /// Itself; `""` for any string.
    pub(super) text: &'a str,
    /// Where it begins in the text, in bytes.
    pub(super) at: usize,
    /// Where it ends.
    pub(super) end: usize,
    /// The line it ends on.
    pub(super) line: u32,
}

impl Token<'_> {
    /// Whether what follows continues it: an operator, whose other side is still to come.
    pub(super) fn is_operator(self) -> bool {
        matches!(
            self.text,
            "=" | ":" | "," | "|" | "&" | "+" | "-" | "*" | "/" | "%" | "<" | ">" | "!" | "in" | "default"
        )
    }
}

/// Whether the text is today's Rego and nothing else. Read as yesterday's, its `if` would be a name, and the rule would say something else
/// without a word; so that reading is not even tried unless the text asks for it with `import future.keywords`.
pub(super) fn is_only_v1(text: &str) -> bool {
    let tokens = tokens(text).0;
    let keyword = |pair: &[Token]| pair[0].text == "if" || (pair[0].text == "contains" && pair[1].text != "(");
    let import = |pair: &[Token], what: &str| pair[0].text == "import" && pair[1].text.starts_with(what);
    tokens.windows(2).any(|pair| import(pair, "rego.v1"))
        || (tokens.windows(2).any(keyword) && !tokens.windows(2).any(|pair| import(pair, "future.keywords")))
}

/// The places where the answer would silently differ.
pub(super) fn divergences(file: &PolicyFile) -> Vec<Finding> {
    let (tokens, formats) = tokens(&file.text);
    let place = |line| Some(Location { path: file.path.clone(), line, column: 0 });
    let mut found = Vec::new();
    for token in &tokens {
        // `input.http.send` is data, not a builtin; only the bare name is one.
        if let Some(name) = UNSTEADY.iter().find(|name| token.text == **name) {
            found.push(problem(
                place(token.line),
                format!("the policy calls `{name}`, whose answer changes from run to run"),
                "Compare with data in the repository instead.",
            ));
        }
    }
    let kept = chained_bodies(&file.text, &tokens).into_iter().filter(|chained| chained.head.is_none());
    found.extend(kept.map(|chained| {
        problem(
            place(chained.body.line),
            "a second `{ … }` body follows the first; the engine would lose it".to_owned(),
            "Write the rule's head again before the second body.",
        )
    }));
    found.extend(formats.iter().map(|token| {
        problem(
            place(token.line),
            format!("`{}` is a format the engine does not know", token.text),
            "Use `%d`, `%s`, `%v` or `%.2f` without a width.",
        )
    }));
    found
}

/// The text's tokens, and the formats in its strings that `sprintf` of this engine lacks.
pub(super) fn tokens(text: &str) -> (Vec<Token<'_>>, Vec<Token<'_>>) {
    let bytes = text.as_bytes();
    let (mut tokens, mut formats) = (Vec::new(), Vec::new());
    let (mut at, mut line) = (0, 1);
    while at < bytes.len() {
        let start = at;
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.' || byte >= 0x80;
        match bytes[at] {
            b'\n' => {
                line += 1;
                at += 1;
            }
            b'#' => at += bytes[at..].iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len() - at),
            quote @ (b'"' | b'`') => {
                at += 1;
                while at < bytes.len() && bytes[at] != quote && (quote == b'`' || bytes[at] != b'\n') {
                    at += if quote == b'"' && bytes[at] == b'\\' { 2 } else { 1 };
                }
                at = (at + 1).min(bytes.len());
                let string = text.get(start..at).unwrap_or_default();
                if tokens.iter().rev().take(2).any(|token: &Token| token.text == "sprintf") {
                    formats.extend(unknown_format(string).map(|text| Token { text, at: start, end: at, line }));
                }
                line += u32::try_from(string.matches('\n').count()).unwrap_or(0);
                tokens.push(Token { text: "\"\"", at: start, end: at, line });
            }
            byte if byte.is_ascii_whitespace() => at += 1,
            byte if word(byte) => {
                at += bytes[at..].iter().position(|byte| !word(*byte)).unwrap_or(bytes.len() - at);
                tokens.push(Token { text: text.get(start..at).unwrap_or_default(), at: start, end: at, line });
            }
            _ => {
                at += 1;
                tokens.push(Token { text: text.get(start..at).unwrap_or_default(), at: start, end: at, line });
            }
        }
    }
    (tokens, formats)
}

/// A width before a precision, and Go's `%T` and `%q` family, which this engine turns into nothing.
fn unknown_format(string: &str) -> Option<&str> {
    let mut from = 0;
    while let Some(found) = string[from..].find('%') {
        let start = from + found;
        let rest = &string[start + 1..];
        let flags =
            rest.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '-' | '+' | ' ' | '#')).unwrap_or(rest.len());
        let verb = rest[flags..].chars().next();
        let end = start + 1 + flags + verb.map_or(0, char::len_utf8);
        let width = rest[..flags].starts_with(|c: char| c.is_ascii_digit()) && rest[..flags].contains('.');
        if verb == Some('T') || width {
            return string.get(start..end);
        }
        from = end.max(start + 1);
    }
    None
}
