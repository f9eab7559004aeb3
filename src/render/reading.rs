//! YAML as Kustomize reads it, where that differs from the API server: Flux applies what Kustomize read.
//!
//! Measured on kustomize v5.8: `yes` and its like are text, dates become timestamps, whole floats are integers, keys must be
//! text, and a folded text gains a line break before its more-indented lines.

use super::source::Source;
use crate::manifest::node::{Key, Map, Node, Span, Value};

/// A value Kustomize cannot take, and where.
pub(super) type Refusal = Box<(Span, &'static str)>;

/// What is to be known of a folded text that is applied otherwise than it is written.
pub(super) const REFOLDED: &str = "Flux applies this text with an empty line before its more-indented lines";
/// What to do about it.
pub(super) const FOLD_HELP: &str =
    "Write it with `|` instead of `>`; `kubectl apply` would read it without those lines.";

/// Rereads a document of the file `bytes`; tells also which texts became others by being folded twice.
pub(super) fn as_kustomize(node: Node, bytes: &[u8]) -> Result<(Node, Vec<Span>), Refusal> {
    let mut refolded = Vec::new();
    let node = reread(node, &mut Reader { bytes, refolded: &mut refolded }, Place::Object)?;
    Ok((node, refolded))
}

/// The line of a comment that describes how a list is merged: the original obeys it, and no reader here sees comments.
pub(super) fn described_in_comment(bytes: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.contains("x-kubernetes-patch-"))?;
    let told = |line: &str| line.split_once("# {").is_some_and(|(_, comment)| comment.contains("x-kubernetes-patch-"));
    text.lines().position(told).map(|at| at as u32 + 1)
}

/// The text a document was written as, and what is found on the way.
struct Reader<'r> {
    bytes: &'r [u8],
    refolded: &'r mut Vec<Span>,
}

/// Where a value stands: annotations are written anew as plain text, so they do not fold twice.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Object,
    Metadata,
    Annotations,
    Other,
}

impl Place {
    fn below(self, key: &str) -> Self {
        match (self, key) {
            (Place::Object, "metadata") => Place::Metadata,
            (Place::Metadata, "annotations") => Place::Annotations,
            (Place::Annotations, _) => Place::Annotations,
            _ => Place::Other,
        }
    }
}

/// Recursion is bounded by the reader's depth limit.
fn reread(node: Node, reader: &mut Reader<'_>, place: Place) -> Result<Node, Refusal> {
    let Node { value, span, made } = node;
    let bytes = reader.bytes;
    let source = || written(bytes, &span);
    let value = match value {
        // Annotations become text as they were written, `1.10` and `true` alike.
        Value::Bool(_) | Value::Int(_) | Value::Float(_) if place == Place::Annotations && source().is_some() => {
            Value::String(source().unwrap_or_default().to_owned())
        }
        Value::Bool(truth) => match source() {
            Some(word) if is_old_bool(word) => Value::String(word.to_owned()),
            _ => Value::Bool(truth),
        },
        Value::String(text) => match source() {
            Some(word) if word.starts_with('>') && place != Place::Annotations => {
                let folded = refolded(&text);
                if folded != text {
                    reader.refolded.push(span.clone());
                }
                Value::String(folded)
            }
            Some(word) if word == text && place != Place::Annotations => {
                Value::String(date(text).map_err(|why| Box::new((span.clone(), why)))?)
            }
            _ => Value::String(text),
        },
        Value::List(list) => {
            Value::List(list.into_iter().map(|item| reread(item, reader, Place::Other)).collect::<Result<_, _>>()?)
        }
        Value::Map(map) => {
            let mut read = Map::with_capacity(map.len());
            for (key, value) in map {
                let below = place.below(&key.text);
                read.push_new(key_text(key, bytes)?, reread(value, reader, below)?);
            }
            Value::Map(read)
        }
        value => whole(value),
    };
    Ok(Node { value, span, made })
}

/// Rereads only the numbers: what JSON patches hold is read as the API server does.
pub(super) fn as_json(mut node: Node) -> Node {
    node.value = match node.value {
        Value::List(list) => Value::List(list.into_iter().map(as_json).collect()),
        Value::Map(map) => {
            let mut read = Map::with_capacity(map.len());
            map.into_iter().for_each(|(key, value)| read.push_new(key, as_json(value)));
            Value::Map(read)
        }
        value => whole(value),
    };
    node
}

/// A plain text as Kustomize would read it.
pub(super) fn plain(text: &str) -> Result<Value, &'static str> {
    match crate::manifest::scalar::resolve(text) {
        Value::Bool(_) if is_old_bool(text) => Ok(Value::String(text.to_owned())),
        Value::Float(number) if !number.is_finite() => Err("this is no number JSON knows"),
        Value::String(text) => date(text).map(Value::String),
        value => Ok(whole(value)),
    }
}

/// A scalar as text: numbers as they were written, since Kustomize copies their text.
pub(super) fn text(source: &mut Source<'_>, node: &Node) -> Result<String, &'static str> {
    let text = match &node.value {
        Value::Int(number) => Some(number.to_string()),
        Value::Float(_) => None,
        Value::Null | Value::List(_) | Value::Map(_) => Some(String::new()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::String(text) => return Ok(text.clone()),
    };
    let bytes = source.bytes(&node.span.file).ok();
    let word = bytes.as_ref().and_then(|bytes| written(bytes, &node.span));
    match (word, text) {
        (Some(word), _) if plain(word).is_ok_and(|value| value == node.value) => Ok(word.to_owned()),
        (_, Some(text)) => Ok(text),
        (_, None) => Err("this number has a fraction, and how it was written is not known: put it in quotes"),
    }
}

/// The text a scalar was written as.
fn written<'b>(bytes: &'b [u8], span: &Span) -> Option<&'b str> {
    std::str::from_utf8(bytes.get(span.start as usize..span.end as usize)?).ok()
}

/// Words that are booleans for the API server and text for Kustomize.
fn is_old_bool(word: &str) -> bool {
    ["y", "n", "yes", "no", "on", "off"].contains(&word.to_lowercase().as_str())
}

/// A number without fraction, as JSON carries it.
fn whole(value: Value) -> Value {
    match value {
        // Up to 2^53 a float is exactly its integer.
        Value::Float(number) if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 => {
            Value::Int(number as i64)
        }
        value => value,
    }
}

/// A key, which Kustomize takes only as text.
fn key_text(key: Key, bytes: &[u8]) -> Result<Key, Refusal> {
    let plain = match written(bytes, &key.span) {
        Some(word) if is_old_bool(word) => return Ok(Key { text: word.to_owned(), span: key.span }),
        Some(word) => word == key.text,
        None => false,
    };
    let number =
        || key.text.parse::<f64>().is_ok() && key.text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    let truth = ["true", "false", "null", "~", ""].contains(&key.text.to_lowercase().as_str());
    if plain && (truth || number()) {
        return Err(Box::new((key.span, "Kustomize takes only text as a key, and fails on this one")));
    }
    Ok(key)
}

/// A plain text that is a date becomes a timestamp.
fn date(text: String) -> Result<String, &'static str> {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    match shape.as_str() {
        "0000-00-00" => Ok(format!("{text}T00:00:00Z")),
        "0000-00-00T00:00:00Z" => Ok(text),
        // Cut short, or with fractions and zones: close enough to a date that Kustomize may rewrite it.
        shape if shape.starts_with("0000-0") && shape.chars().all(|c| "0-:.tTzZ+ ".contains(c)) => {
            Err("Kustomize would rewrite this as a timestamp")
        }
        _ => Ok(text),
    }
}

/// A folded text after Kustomize has written and read it once: each step to a more-indented line gains a line break.
fn refolded(text: &str) -> String {
    let mut result = String::with_capacity(text.len() + 8);
    let starts_blank = text.trim_start_matches('\n').starts_with([' ', '\t']);
    let (mut indented, mut pending) = (true, false);
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches('\n');
        if !content.is_empty() {
            let blank = content.starts_with([' ', '\t']);
            if pending && blank && !indented && !starts_blank {
                result.push('\n');
            }
            (indented, pending) = (blank, true);
        }
        result.push_str(line);
    }
    if text.ends_with("\n\n") && !indented && !starts_blank {
        result.push('\n');
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::load;
    use crate::model::path::RepoPath;

    fn read(text: &str) -> Result<String, &'static str> {
        let node = load(&RepoPath::root(), text.as_bytes()).documents.remove(0).node;
        as_kustomize(node, text.as_bytes()).map(|(node, _)| node.to_json().to_string()).map_err(|refusal| refusal.1)
    }

    #[test]
    fn values_are_what_kustomize_makes_of_them() {
        for (text, json) in [
            ("a: [yes, Off, true, 'yes', n]", r#"{"a":["yes","Off",true,"yes","n"]}"#),
            ("{yes: 1.0, b: 1e3, c: 1.5}", r#"{"yes":1,"b":1000,"c":1.5}"#),
            ("a: 2024-01-02", r#"{"a":"2024-01-02T00:00:00Z"}"#),
            ("a: '2024-01-02'", r#"{"a":"2024-01-02"}"#),
            ("a: >-\n  f(c,\n    b\n  )\n", r#"{"a":"f(c,\n\n  b\n)"}"#),
            ("a: >\n  one\n\n  two\n  three\n", r#"{"a":"one\ntwo three\n"}"#),
            ("a: |-\n  f(c,\n    b\n  )\n", r#"{"a":"f(c,\n  b\n)"}"#),
        ] {
            assert_eq!(read(text).unwrap(), json, "{text}");
        }
        assert!(read("{1: a}").is_err());
        assert!(read("{true: a}").is_err());
        assert!(read("a: 2024-1-2").is_err());
        assert!(read("'1': a").is_ok());
    }
}
