//! Writing: a node as YAML in kustomize's style, so that what people see reads like `kustomize build`.
//!
//! Two spaces, lists at their key's column, quotes only where a reader would see something else without them, text of
//! several lines as `|` blocks, keys in the order given.

use super::node::{Key, Map, Node, Value};
use super::scalar::resolve;

/// YAML readers give up on longer keys unless they are marked with `?` (the limit is 1,024 characters).
const MAX_PLAIN_KEY: usize = 500;

/// The node as YAML, ending with a line break. Reading it again gives an equal node.
pub fn yaml(node: &Node) -> String {
    let mut out = String::new();
    match &node.value {
        Value::Map(map) if !map.is_empty() => write_map(&mut out, map, 0, true),
        Value::List(list) if !list.is_empty() => write_list(&mut out, list, 0),
        // At the root a block has no indentation to stand on.
        Value::String(text) if text.contains('\n') => out.push_str(&double_quoted(text)),
        value => out.push_str(&flat(value)),
    }
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

/// Writes a mapping; the first line is not indented when it follows a `- `.
fn write_map(out: &mut String, map: &Map, indent: usize, mut indented: bool) {
    for (key, value) in map.iter() {
        if std::mem::replace(&mut indented, true) {
            pad(out, indent);
        }
        let text = string(&key.text);
        if text.len() > MAX_PLAIN_KEY {
            out.push_str("? ");
            out.push_str(&text);
            out.push('\n');
            pad(out, indent);
        } else {
            out.push_str(&text);
        }
        out.push(':');
        match &value.value {
            Value::Map(map) if !map.is_empty() => {
                out.push('\n');
                write_map(out, map, indent + 2, true);
            }
            Value::List(list) if !list.is_empty() => {
                out.push('\n');
                write_list(out, list, indent);
            }
            value => {
                out.push(' ');
                write_leaf(out, value, indent);
            }
        }
    }
}

fn write_list(out: &mut String, list: &[Node], indent: usize) {
    for (at, item) in list.iter().enumerate() {
        // What follows a dash on its own line is already indented by the caller.
        if at > 0 || out.is_empty() || out.ends_with('\n') {
            pad(out, indent);
        }
        out.push_str("- ");
        match &item.value {
            Value::Map(map) if !map.is_empty() => write_map(out, map, indent + 2, false),
            Value::List(list) if !list.is_empty() => write_list(out, list, indent + 2),
            value => write_leaf(out, value, indent),
        }
    }
}

fn write_leaf(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::String(text) if fits_block(text) => write_block(out, text, indent + 2),
        value => {
            out.push_str(&flat(value));
            out.push('\n');
        }
    }
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn write_block(out: &mut String, text: &str, indent: usize) {
    out.push('|');
    // A reader takes the first line's indentation for the block's, unless it is told.
    if text.starts_with([' ', '\n', '\t']) {
        out.push('2');
    }
    let body = match text.strip_suffix('\n') {
        None => {
            out.push('-');
            text
        }
        Some(body) => {
            if body.ends_with('\n') {
                out.push('+');
            }
            body
        }
    };
    out.push('\n');
    for line in body.split('\n') {
        if !line.is_empty() {
            pad(out, indent);
            out.push_str(line);
        }
        out.push('\n');
    }
}

/// How many lines a value takes after the one it begins on: those of a text block.
pub(crate) fn block_lines(value: &Value) -> usize {
    match value {
        Value::String(text) if fits_block(text) => text.strip_suffix('\n').unwrap_or(text).split('\n').count(),
        _ => 0,
    }
}

/// Whether a key is so long that it takes a line of its own.
pub(crate) fn has_long_key(key: &Key) -> bool {
    // Quoting only makes it longer, and at most six times.
    key.text.len() > MAX_PLAIN_KEY / 6 && string(&key.text).len() > MAX_PLAIN_KEY
}

/// Whether text reads best, and safely, as a `|` block.
fn fits_block(text: &str) -> bool {
    let strange = |c: char| c != '\n' && c != '\t' && !printable(c);
    text.contains('\n') && !text.trim_matches('\n').is_empty() && !text.contains(strange)
}

/// A value that needs one line.
fn flat(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => format!("{number:?}"),
        Value::String(text) => string(text),
        Value::List(_) => "[]".to_owned(),
        Value::Map(_) => "{}".to_owned(),
    }
}

/// Text on one line, quoted only when needed: double quotes where the meaning would change, single where only the syntax
/// would break, double again where an escape is needed.
pub(crate) fn string(text: &str) -> String {
    if !text.chars().all(printable) || !means_itself(text) {
        // What begins like a date can hold quotes as well.
        double_quoted(text)
    } else if !plain_syntax(text, false) {
        single_quoted(text)
    } else {
        text.to_owned()
    }
}

/// Whether plain text would still be text for every reader in the chain: ours, kubectl's, and kustomize's.
pub(crate) fn means_itself(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let date = digits == 4 && text[digits..].starts_with('-');
    let sexagesimal = text.contains(':') && text.bytes().all(|b| b.is_ascii_digit() || b"+-:._".contains(&b));
    let number_elsewhere = text.parse::<f64>().is_ok();
    matches!(resolve(text), Value::String(_))
        && !matches!(text, "<<" | "=")
        && !date
        && !sexagesimal
        && !number_elsewhere
}

/// Whether text can stand unquoted, as far as the syntax goes.
pub(crate) fn plain_syntax(text: &str, in_flow: bool) -> bool {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return false };
    let spaced = |c: Option<char>| c.is_none_or(|c| c == ' ');
    let good_start = match first {
        '-' | '?' | ':' => !spaced(chars.next()) && !in_flow,
        ',' | '[' | ']' | '{' | '}' | '#' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => false,
        _ => true,
    };
    good_start
        && text.trim() == text
        && text.chars().all(printable)
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.ends_with(':')
        && !text.starts_with("---")
        && !text.starts_with("...")
        && !(in_flow && text.contains([',', '[', ']', '{', '}', ':', '#', '?']))
}

/// What every YAML reader takes as it is; the rest is escaped.
fn printable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

pub(crate) fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

pub(crate) fn double_quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if printable(c) => out.push(c),
            c if (c as u32) < 0x100 => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push_str(&format!("\\u{:04x}", c as u32)),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::manifest::load;
    use crate::manifest::node::Span;
    use crate::manifest::outline::Outline;
    use crate::model::path::RepoPath;

    fn span() -> Span {
        Span { file: std::sync::Arc::new(RepoPath::root()), line: 1, column: 1, start: 0, end: 0 }
    }

    fn read(text: &str) -> Node {
        let loaded = load(&RepoPath::root(), text.as_bytes());
        assert!(loaded.problems.is_empty(), "{:?}\n{text}", loaded.problems);
        loaded.documents.into_iter().next().map_or(Node::new(Value::Null, span()), |document| document.node)
    }

    #[test]
    fn reads_like_kustomize() {
        let text = "a: {b: [1, {c: d, e: []}, [x, y]], f: {}}\ng: \"\"\nh: 'true'\ni: 'a: b'\nj: '*'\nk: \"l\\n m\\n\"\n\
            n: \"\\n o\"\np: \"q\\n\\n\"\n'yes': ~\nr: -x\ns: \"1.10\"\nt: \"0012345\"\nu: 123e4567\nv: \"\\x07\"\nw: 1.5\n\
            'y': it's\n'<<': '- z'\n";
        insta::assert_snapshot!(yaml(&read(text)), @r#"
        a:
          b:
          - 1
          - c: d
            e: []
          - - x
            - true
          f: {}
        g: ""
        h: "true"
        i: 'a: b'
        j: '*'
        k: |
          l
           m
        "false": |2-

           o
        p: |+
          q

        "yes": null
        r: -x
        s: "1.10"
        t: "0012345"
        u: "123e4567"
        v: "\x07"
        w: 1.5
        "y": it's
        "<<": '- z'
        "#);
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z0-9._:/ #'\"\\-\n\t{}\\[\\],&*!|>%@`~=+?]{0,12}",
            "[ \n]{0,4}[a-z]{0,3}[ \n]{0,4}",
            "[0-9eExob_.+-]{1,6}",
            "\\PC{0,6}",
            any::<String>(),
            Just("yes".to_owned()),
            Just("---".to_owned()),
            "k{600}",
        ]
    }

    fn node() -> impl Strategy<Value = Node> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            // A whole number without point is an integer for the API server, so no such float can be read.
            any::<f64>()
                .prop_filter("fraction", |f| f.is_finite() && (f.trunc() != *f || f.abs() > 9.3e18))
                .prop_map(Value::Float),
            text().prop_map(|text| Value::String(text.into())),
        ]
        .prop_map(|value| Node::new(value, span()));
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|list| Node::new(Value::List(list.into()), span())),
                prop::collection::vec((text(), inner), 0..4).prop_map(|entries| {
                    let mut map = Map::default();
                    entries
                        .into_iter()
                        .for_each(|(text, value)| map.insert(Key { text: text.into(), span: span() }, value));
                    Node::new(Value::Map(map), span())
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(node in node()) {
            let text = yaml(&node);
            let again = read(&text);
            prop_assert!(again == node, "{}\n{:?}\n{:?}", text, node.to_json(), again.to_json());
            prop_assert_eq!(yaml(&again), text);
        }

        #[test]
        fn an_outline_has_the_lines_that_are_written(node in node()) {
            prop_assert_eq!(Outline::of(&node).len(), yaml(&node).lines().count());
        }
    }
}
