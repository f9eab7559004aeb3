//! What a scalar means: the rules of go-yaml v2, by which the API server reads.
//!
//! YAML 1.2 readers see other values in the same file (`yes`, `0777`, `1_000`, `123e4567`); a policy must see what is applied.

use smol_str::{SmolStr, ToSmolStr};

use super::node::Value;

/// What is wrong with a scalar, and what to do.
pub(crate) type Complaint = (String, &'static str);

const YAML: &str = "tag:yaml.org,2002:";

/// The value of a scalar as it was written: its text, whether it is plain, and its resolved tag.
pub(crate) fn read(text: &str, plain: bool, tag: Option<&str>) -> Result<Value, Complaint> {
    let value = match tag {
        None if plain => resolve(text),
        None => Value::String(text.into()),
        Some(tag) => tagged(tag.strip_prefix(YAML).unwrap_or_default(), text)?,
    };
    match value {
        Value::Float(number) if !number.is_finite() => {
            Err((format!("`{text}` is no number JSON knows"), "Put it in quotes if text is meant."))
        }
        value => Ok(value),
    }
}

fn tagged(kind: &str, text: &str) -> Result<Value, Complaint> {
    match (kind, resolve(text)) {
        ("int", value @ Value::Int(_)) | ("float", value @ (Value::Int(_) | Value::Float(_))) => Ok(value),
        ("int", value @ Value::Float(number)) if !text.contains(['.', 'e', 'E']) && number.is_finite() => Ok(value),
        ("bool", value @ Value::Bool(_)) | ("null", value @ Value::Null) => Ok(value),
        ("int" | "float" | "bool" | "null", _) => {
            // The value is not shown: it may be a secret's.
            Err((format!("this value does not fit its tag `!!{kind}`"), "Remove the tag, or correct the value."))
        }
        ("binary", _) => match base64(text) {
            Some(bytes) => Ok(Value::String(String::from_utf8_lossy(&bytes).into())),
            None => Err(("this `!!binary` value is not base64".to_owned(), "Correct it, or remove the tag.")),
        },
        // Unknown tags, `!!str` and `!!timestamp` leave the text alone.
        _ => Ok(Value::String(text.into())),
    }
}

/// Whether a number or boolean is written otherwise than it prints.
pub(crate) fn is_odd(value: &Value, text: &str) -> bool {
    match value {
        Value::Int(_) => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            digits.is_empty()
                || !digits.bytes().all(|byte| byte.is_ascii_digit())
                || digits.starts_with('0') && text != "0"
        }
        Value::Bool(truth) => text != if *truth { "true" } else { "false" },
        _ => false,
    }
}

/// Whether plain text without a tag is text.
pub(crate) fn is_text(text: &str) -> bool {
    is_word(text) || matches!(resolve(text), Value::String(_))
}

/// Whether plain text can only be text, by its first letter.
fn is_word(text: &str) -> bool {
    text.as_bytes().first().is_some_and(|byte| byte.is_ascii_alphabetic() && !b"tTfFnNyYoO".contains(byte))
}

/// The value of plain text without a tag. Infinities and NaN come back as such; the reader refuses them.
pub(crate) fn resolve(text: &str) -> Value {
    if is_word(text) {
        return Value::String(text.into());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Value::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Value::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Value::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let number = match text.as_bytes()[0] {
        // Here Go itself reads the number, and it wants underscores between digits.
        b'.' if underscores_between_digits(text) => decimal(&text.replace('_', "")),
        b'+' | b'-' | b'0'..=b'9' => {
            let plain = text.replace('_', "");
            integer(&plain).or_else(|| decimal(&plain)).or_else(|| odd_binary(&plain))
        }
        _ => None,
    };
    number.unwrap_or_else(|| Value::String(text.into()))
}

fn underscores_between_digits(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    bytes.iter().enumerate().all(|(at, byte)| *byte != b'_' || at > 0 && digit(at - 1) && digit(at + 1))
}

/// An integer in Go's notation: `0x`, `0o`, `0b`, and `0` for octal; larger than an `i64` only without sign.
fn integer(text: &str) -> Option<Value> {
    let (negative, digits) = match text.as_bytes()[0] {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.get(..2).map(str::to_ascii_lowercase);
    let (digits, radix) = match lower.as_deref() {
        Some("0x") => (&digits[2..], 16),
        Some("0o") => (&digits[2..], 8),
        Some("0b") => (&digits[2..], 2),
        Some(two) if two.starts_with('0') => (&digits[1..], 8),
        _ => (digits, 10),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let wide = u64::from_str_radix(digits, radix).ok()?;
    let signed = if negative { 0_i64.checked_sub_unsigned(wide) } else { i64::try_from(wide).ok() };
    match signed {
        Some(number) => Some(Value::Int(number)),
        None if text.starts_with(['-', '+']) => None,
        None => Some(Value::Float(wide as f64)),
    }
}

/// A decimal number; one too large for an `f64` is text, which is what keeps a git id such as `123e4567` whole.
fn decimal(text: &str) -> Option<Value> {
    let bytes = text.strip_prefix(['-', '+']).unwrap_or(text).as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = digits(0);
    let mut at = whole;
    if bytes.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if whole + fraction == 0 {
            return None;
        }
        at += 1 + fraction;
    } else if whole == 0 {
        return None;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at);
        if exponent == 0 {
            return None;
        }
        at += exponent;
    }
    if at != bytes.len() {
        return None;
    }
    let number: f64 = text.parse().ok().filter(|number: &f64| number.is_finite())?;
    // Go writes a whole number to JSON without a point, so the API server sees an integer.
    let whole = number.trunc() == number && number.abs() < 9.2e18;
    Some(if whole { Value::Int(number as i64) } else { Value::Float(number) })
}

/// `0b-1`: go-yaml cuts the prefix off and reads what is left, sign included.
fn odd_binary(text: &str) -> Option<Value> {
    let rest = text.strip_prefix("0b")?;
    rest.starts_with(['-', '+']).then(|| i64::from_str_radix(rest, 2).ok().map(Value::Int)).flatten()
}

/// The text of a mapping's key as JSON has it; what cannot be one is named.
pub(crate) fn key(value: &Value) -> Result<SmolStr, &'static str> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(truth) => Ok(truth.to_smolstr()),
        Value::Int(number) => Ok(number.to_smolstr()),
        Value::Float(number) => Ok(short_float(*number as f32).into()),
        Value::Null => Err("null"),
        Value::List(_) => Err("a list"),
        Value::Map(_) => Err("a mapping"),
    }
}

/// A number as Go's `%g` prints a 32-bit float, which is what number keys become.
fn short_float(number: f32) -> String {
    let scientific = format!("{number:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return format!("{number}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// Standard base64, line breaks ignored, padding required: Go's `StdEncoding`.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    let text: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect();
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for (at, four) in text.chunks(4).enumerate() {
        let last = (at + 1) * 4 == text.len();
        let padding = four.iter().rev().take_while(|byte| **byte == b'=').count();
        if four.len() != 4 || padding > 2 || (padding > 0 && !last) {
            return None;
        }
        let mut bits = 0;
        for byte in &four[..4 - padding] {
            let six = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(six);
        }
        bits <<= 6 * padding;
        bytes.extend_from_slice(&bits.to_be_bytes()[1..4 - padding]);
    }
    Some(bytes)
}
