//! What regorus is known to read differently from OPA without saying so, found in the text before it can pass for an answer.

use super::problem;
use crate::model::finding::{Finding, Location};
use crate::policy::files::PolicyFile;

/// Builtins whose answer depends on the day, on chance, or on the machine: the same change must always get the same answer.
const UNSTEADY: &[&str] =
    &["time.now_ns", "rand.intn", "uuid.rfc4122", "opa.runtime", "http.send", "net.lookup_ip_addr"];

/// One piece of Rego text with comments and strings taken out.
#[derive(Debug, PartialEq)]
struct Token<'a> {
    text: &'a str,
    line: u32,
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
    found.extend(chained_bodies(&tokens).map(|line| {
        problem(
            place(line),
            "a second `{ … }` body follows the first; the engine does not support chained bodies".to_owned(),
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

/// The text with a `;` before each statement that begins with `(` below one that ends in a name: the engine would read the two as a call,
/// where OPA sees two lines. No line moves.
pub(super) fn separated(text: &str) -> String {
    const WORDS: [&str; 8] = ["not", "in", "if", "else", "with", "as", "some", "every"];
    let (mut open, mut places) = (Vec::new(), Vec::new());
    for pair in tokens(text).0.windows(2) {
        let [before, token] = pair else { continue };
        match before.text {
            "{" | "(" | "[" => open.push(before.text),
            "}" | ")" | "]" => drop(open.pop()),
            _ => {}
        }
        let is_name = before.text.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ']');
        let begins = token.text == "(" && token.line > before.line && open.last() == Some(&"{");
        if begins && is_name && !WORDS.contains(&before.text) {
            places.push(token.text.as_ptr() as usize - text.as_ptr() as usize);
        }
    }
    let mut all = text.to_owned();
    places.into_iter().rev().for_each(|place| all.insert(place, ';'));
    all
}

/// The lines where, outside of all brackets, one body follows another.
fn chained_bodies(tokens: &[Token]) -> impl Iterator<Item = u32> {
    let mut depth = 0_i32;
    let mut ended = false;
    let mut lines = Vec::new();
    for token in tokens {
        match token.text {
            "{" if depth == 0 && ended => lines.push(token.line),
            _ => {}
        }
        match token.text {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        ended = depth == 0 && token.text == "}";
    }
    lines.into_iter()
}

/// The text's tokens, and the formats in its strings that `sprintf` of this engine lacks.
fn tokens(text: &str) -> (Vec<Token<'_>>, Vec<Token<'_>>) {
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
                    formats.extend(unknown_format(string).map(|text| Token { text, line }));
                }
                line += u32::try_from(string.matches('\n').count()).unwrap_or(0);
                tokens.push(Token { text: "\"\"", line });
            }
            byte if byte.is_ascii_whitespace() => at += 1,
            byte if word(byte) => {
                at += bytes[at..].iter().position(|byte| !word(*byte)).unwrap_or(bytes.len() - at);
                tokens.push(Token { text: text.get(start..at).unwrap_or_default(), line });
            }
            _ => {
                at += 1;
                tokens.push(Token { text: text.get(start..at).unwrap_or_default(), line });
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
