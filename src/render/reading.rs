//! YAML as Kustomize reads it, where that differs from the API server: Flux applies what Kustomize read.
//!
//! Measured on kustomize v5.8: `yes` and its like are text, dates become timestamps, whole floats are integers, keys must be
//! text, and a folded text gains a line break before its more-indented lines.

use smol_str::{SmolStr, format_smolstr};

use super::source::Source;
use crate::manifest::node::{Key, Node, Span, Value};

/// A value Kustomize cannot take, and where.
pub(super) type Refusal = Box<(Span, &'static str)>;

/// What is to be known of a folded text that is applied otherwise than it is written.
pub(super) const REFOLDED: &str = "Flux applies this text with an empty line before its more-indented lines";
/// What to do about it.
pub(super) const FOLD_HELP: &str =
    "Write it with `|` instead of `>`; `kubectl apply` would read it without those lines.";

/// Rereads a document of the file `bytes`; tells which texts became others by being folded twice.
pub(super) fn as_kustomize(node: &mut Node, bytes: &[u8]) -> Result<Vec<Span>, Refusal> {
    let mut refolded = Vec::new();
    reread(node, &mut Reader { bytes, refolded: &mut refolded }, Place::Object)?;
    Ok(refolded)
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
fn reread(node: &mut Node, reader: &mut Reader<'_>, place: Place) -> Result<(), Refusal> {
    let bytes = reader.bytes;
    let quoted = node.quoted;
    match &mut node.value {
        // Annotations become text as they were written, `1.10` and `true` alike.
        Value::Bool(_) | Value::Int(_) | Value::Float(_) if place == Place::Annotations => {
            if let Some(word) = written(bytes, &node.span) {
                node.value = Value::String(word.into());
            }
        }
        Value::Bool(_) => {
            if let Some(word) = written(bytes, &node.span).filter(|word| is_old_bool(word)) {
                node.value = Value::String(word.into());
                // Kustomize puts quotes around it at once.
                node.quoted = true;
            }
        }
        Value::Float(number) => {
            if let Some(number) = whole(*number) {
                node.value = Value::Int(number);
            }
        }
        Value::Null | Value::Int(_) => {}
        Value::String(_) if place == Place::Annotations => {}
        Value::String(text) if quoted => {
            if bytes.get(node.span.start as usize) == Some(&b'>') {
                let folded = refolded(text);
                if folded != *text {
                    reader.refolded.push(node.span.clone());
                    *text = folded.into();
                }
            }
        }
        Value::String(text) => {
            if written(bytes, &node.span) == Some(text)
                && let Some(stamp) = date(text).map_err(|why| Box::new((node.span.clone(), why)))?
            {
                *text = stamp;
            }
        }
        Value::List(list) => list.iter_mut().try_for_each(|item| reread(item, reader, Place::Other))?,
        Value::Map(map) => {
            for (key, value) in map.entries_mut() {
                let below = place.below(&key.text);
                key_text(key, bytes)?;
                reread(value, reader, below)?;
            }
        }
    }
    Ok(())
}

/// Rereads only the numbers: what JSON patches hold is read as the API server does.
pub(super) fn as_json(node: &mut Node) {
    match &mut node.value {
        Value::List(list) => list.iter_mut().for_each(as_json),
        Value::Map(map) => map.iter_mut().for_each(|(_, value)| as_json(value)),
        Value::Float(number) => {
            if let Some(number) = whole(*number) {
                node.value = Value::Int(number);
            }
        }
        _ => {}
    }
}

/// A plain text as Kustomize would read it.
pub(super) fn plain(text: &str) -> Result<Value, &'static str> {
    match crate::manifest::scalar::resolve(text) {
        Value::Bool(_) if is_old_bool(text) => Ok(Value::String(text.into())),
        Value::Float(number) if !number.is_finite() => Err("this is no number JSON knows"),
        Value::Float(number) => Ok(whole(number).map_or(Value::Float(number), Value::Int)),
        Value::String(text) => Ok(Value::String(date(&text)?.unwrap_or(text))),
        value => Ok(value),
    }
}

/// A scalar as text: numbers as they were written, since Kustomize copies their text.
pub(super) fn text(source: &mut Source<'_>, node: &Node) -> Result<String, &'static str> {
    let text = match &node.value {
        Value::Int(number) => Some(number.to_string()),
        Value::Float(_) => None,
        Value::Null | Value::List(_) | Value::Map(_) => Some(String::new()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::String(text) => return Ok(text.to_string()),
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
    word.len() <= 3 && ["y", "n", "yes", "no", "on", "off"].iter().any(|old| word.eq_ignore_ascii_case(old))
}

/// A number without fraction, as JSON carries it.
fn whole(number: f64) -> Option<i64> {
    // Up to 2^53 a float is exactly its integer.
    (number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0).then_some(number as i64)
}

/// A key, which Kustomize takes only as text.
fn key_text(key: &mut Key, bytes: &[u8]) -> Result<(), Refusal> {
    // Most keys are words that cannot be anything else.
    if key.text.starts_with(|c: char| c.is_ascii_alphabetic() && !"tTfFnNyYoO".contains(c)) {
        return Ok(());
    }
    let plain = match written(bytes, &key.span) {
        Some(word) if is_old_bool(word) => {
            key.text = word.into();
            return Ok(());
        }
        Some(word) => word == key.text,
        None => false,
    };
    let number =
        || key.text.parse::<f64>().is_ok() && key.text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    let truth = || ["true", "false", "null", "~", ""].iter().any(|word| key.text.eq_ignore_ascii_case(word));
    if plain && (truth() || number()) {
        return Err(Box::new((key.span.clone(), "Kustomize takes only text as a key, and fails on this one")));
    }
    Ok(())
}

/// The timestamp that a plain text becomes when it is a date.
fn date(text: &str) -> Result<Option<SmolStr>, &'static str> {
    // Dates begin with a year; other text, which is nearly all, is not looked at closer.
    if !matches!(text.as_bytes(), [a, b, c, d, b'-', ..] if [a, b, c, d].iter().all(|byte| byte.is_ascii_digit())) {
        return Ok(None);
    }
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    match shape.as_str() {
        "0000-00-00" => Ok(Some(format_smolstr!("{text}T00:00:00Z"))),
        "0000-00-00T00:00:00Z" => Ok(None),
        // Cut short, or with fractions and zones: close enough to a date that Kustomize may rewrite it.
        shape if shape.starts_with("0000-0") && shape.chars().all(|c| "0-:.tTzZ+ ".contains(c)) => {
            Err("Kustomize would rewrite this as a timestamp")
        }
        _ => Ok(None),
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
        let mut node = load(&RepoPath::root(), text.as_bytes()).documents.remove(0).node;
        as_kustomize(&mut node, text.as_bytes()).map_err(|refusal| refusal.1)?;
        Ok(node.to_json().to_string())
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
