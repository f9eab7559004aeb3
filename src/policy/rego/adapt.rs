//! A policy's text, changed where the engine would read it otherwise than OPA; no line moves, so that what is said of a line stays true.

use std::collections::BTreeSet;

use super::detect::{Token, tokens};

/// The text as the engine must be given it to read what OPA reads.
///
/// - A statement that begins with `(` below one that ends in a name would be a call: it gets a `;` before it.
/// - A second body would be lost: it gets the head of its rule.
/// - `not f(input.a)` would be true where there is no `input.a`; OPA looks at what is asked for first, outside of the negation, and so
///   does the engine when that is written before it.
pub(super) fn adapted(text: &str) -> String {
    let tokens = tokens(text).0;
    let mut insertions: Vec<(usize, String)> =
        calls_that_are_none(&tokens).map(|token| (token.at, "; ".to_owned())).collect();
    let chained = chained_bodies(text, &tokens).into_iter();
    insertions.extend(chained.filter_map(|chained| Some((chained.body.at, chained.head?.replace('\n', " ") + " "))));
    insertions.extend(negations(text, &tokens));
    insertions.sort();
    let (mut all, mut from) = (String::with_capacity(text.len()), 0);
    for (at, piece) in insertions {
        all.push_str(&text[from..at]);
        all.push_str(&piece);
        from = at;
    }
    all + &text[from..]
}

/// Each `(` that begins a statement below one that ends in a name.
fn calls_that_are_none<'a>(tokens: &'a [Token<'a>]) -> impl Iterator<Item = &'a Token<'a>> {
    const WORDS: [&str; 8] = ["not", "in", "if", "else", "with", "as", "some", "every"];
    let mut open = Vec::new();
    tokens.windows(2).filter_map(move |pair| {
        let [before, token] = pair else { return None };
        match before.text {
            "{" | "(" | "[" => open.push(before.text),
            "}" | ")" | "]" => drop(open.pop()),
            _ => {}
        }
        let is_name = before.text.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ']');
        let begins = token.text == "(" && token.line > before.line && open.last() == Some(&"{");
        (begins && is_name && !WORDS.contains(&before.text)).then_some(token)
    })
}

/// A body that follows another of the same rule.
pub(super) struct Chained<'a> {
    /// Its first brace.
    pub(super) body: Token<'a>,
    /// What stands before the rule's first body; `None` where writing it again would not be the same rule.
    pub(super) head: Option<&'a str>,
}

/// Bodies that get their rule's head in one file; libraries hold some dozens. More are refused, as is a head longer than the engine's lines
/// (1,024), so that a hostile text does not grow by more than a megabyte.
const MAX_UNCHAINED: usize = 1_000;
const MAX_HEAD: usize = 1_000;

/// The places where, outside of all brackets, one body follows another.
pub(super) fn chained_bodies<'a>(text: &'a str, tokens: &[Token<'a>]) -> Vec<Chained<'a>> {
    let mut chained = Vec::new();
    // How deep, where a line outside of all brackets began, whether the last brace closed a body, and the head of that body.
    let (mut depth, mut start, mut ended, mut head) = (0_i32, 0, false, None);
    let mut is_body = false;
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| tokens[before]);
        let begins = before.is_none_or(|before| before.line < token.line && !before.is_operator());
        if depth == 0 && begins && token.text != "{" {
            start = at;
        }
        if depth == 0 && token.text == "{" {
            // After an operator it begins a value.
            is_body = before.is_some_and(|before| !before.is_operator());
            if ended {
                let head = head.filter(|_| chained.len() < MAX_UNCHAINED);
                chained.push(Chained { body: *token, head });
                is_body = true;
            } else if is_body {
                head = head_of(text, &tokens[start..=at]);
            }
        }
        match token.text {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        ended = depth == 0 && token.text == "}" && is_body;
    }
    chained
}

/// The text of a rule's head, from the first of its tokens up to the brace that ends it.
fn head_of<'a>(text: &'a str, tokens: &[Token<'a>]) -> Option<&'a str> {
    let (first, rest) = tokens.split_first()?;
    let is_name = first.text.starts_with(|c: char| c.is_alphabetic() || c == '_') && first.text != "default";
    // `if` and `else` belong to one body, and a comment would swallow what follows it.
    let is_plain = !rest.iter().any(|token| matches!(token.text, "if" | "else"));
    let head = &text[first.at..rest.last()?.at];
    (is_name && is_plain && head.len() <= MAX_HEAD && !head.contains('#')).then_some(head)
}

/// References looked at before one negation; people write one to three. One with more stays as it is.
const MAX_LOOKED_AT: usize = 16;
/// Tokens of one negated statement; a longer one stays as it is, so that negations within negations cost no more than their text.
const MAX_STATEMENT: usize = 256;

/// What is to stand before negations, and where.
fn negations(text: &str, tokens: &[Token]) -> Vec<(usize, String)> {
    let mut insertions = Vec::new();
    for (at, token) in tokens.iter().enumerate().filter(|(_, token)| token.text == "not") {
        let Some(before) = at.checked_sub(1).map(|before| tokens[before]) else { continue };
        let Some(statement) = statement(*token, &tokens[at + 1..]) else { continue };
        let Some(looked_at) = asked_for(text, statement) else { continue };
        let looked_at: String = looked_at.iter().map(|reference| format!("_ = {reference}; ")).collect();
        if before.text == "if" {
            // One statement without braces gets them.
            let end = statement.last().map_or(token.end, |last| last.end);
            insertions.push((token.at, format!("{{ {looked_at}")));
            insertions.push((end, " }".to_owned()));
        } else if before.line < token.line || matches!(before.text, "{" | ";" | "|") {
            insertions.push((token.at, looked_at));
        }
    }
    insertions
}

/// The tokens of the statement that begins after `not`.
fn statement<'t, 'a>(not: Token<'a>, tokens: &'t [Token<'a>]) -> Option<&'t [Token<'a>]> {
    let (mut depth, mut before) = (0_i32, not);
    for (at, token) in tokens.iter().take(MAX_STATEMENT).enumerate() {
        let goes_on = at == 0 || token.line == before.line || [before, *token].iter().any(|one| one.is_operator());
        if depth == 0 && (matches!(token.text, ";" | "}" | ")" | "]") || !(goes_on || token.text == "with")) {
            return Some(&tokens[..at]);
        }
        match token.text {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        before = *token;
    }
    (tokens.len() < MAX_STATEMENT).then_some(tokens)
}

/// The references in a negated statement that OPA looks at first: all but those that are themselves what is negated. None where what is
/// written before it would not be the same.
fn asked_for<'a>(text: &'a str, statement: &[Token<'a>]) -> Option<BTreeSet<&'a str>> {
    let (mut depth, mut is_compared, mut is_equality) = (0_i32, false, false);
    let mut depths = Vec::new();
    for (at, token) in statement.iter().enumerate() {
        match token.text {
            // Where something is assumed, or where names of its own hold.
            "with" | "|" | "every" | "some" | "else" => return None,
            // The sides of an equality are looked at inside the negation.
            "=" if depth == 0 && !at.checked_sub(1).is_some_and(|at| matches!(statement[at].text, "!" | "<" | ">")) => {
                is_equality = true;
            }
            "<" | ">" | "!" | "+" | "-" | "*" | "/" | "%" | "&" | "in" if depth == 0 => is_compared = true,
            _ => {}
        }
        depths.push(depth);
        match token.text {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
    }
    let first = (0..statement.len()).filter(|at| (is_compared && !is_equality) || depths[*at] > 0);
    let references: BTreeSet<&str> = first.filter_map(|at| reference(text, statement, at)).collect();
    (!references.is_empty() && references.len() <= MAX_LOOKED_AT).then_some(references)
}

/// The reference that begins with this token, as far as it is made of names and strings: `input.a`, `x["b"].c`.
fn reference<'a>(text: &'a str, tokens: &[Token<'a>], at: usize) -> Option<&'a str> {
    let first = tokens.get(at)?;
    let is_name = first.text.starts_with(|c: char| c.is_alphabetic() || c == '_');
    let continues =
        at.checked_sub(1).is_some_and(|before| tokens[before].end == first.at && tokens[before].text == "]");
    if !is_name || continues {
        return None;
    }
    let (mut last, mut next) = (*first, at + 1);
    loop {
        match tokens.get(next..) {
            Some([open, string, close, ..]) if (open.text, string.text, close.text) == ("[", "\"\"", "]") => {
                (last, next) = (*close, next + 3);
            }
            Some([field, ..]) if last.text == "]" && field.text.starts_with('.') => (last, next) = (*field, next + 1),
            _ => break,
        }
    }
    // A name alone is bound or it is not; what is called is no reference; and one of several lines would move what follows.
    let is_one = (next > at + 1 || first.text.contains('.')) && tokens.get(next).is_none_or(|token| token.text != "(");
    (is_one && first.line == last.line).then(|| &text[first.at..last.end])
}
