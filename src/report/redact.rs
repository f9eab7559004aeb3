//! The last net for secrets: what has the shape of a credential is masked in every text of others (T35).
//!
//! Values of Secrets are masked where the diff is made, by kind. This net is for what lies where no secret should: a token in
//! a ConfigMap, a key in a commit's title, a password in an address. It masks shapes that nothing else has, so that it
//! never hides what a reviewer must see.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::Value;

/// Shapes and what they are; a first group is kept.
const SHAPES: &[(&str, &str)] = &[
    (r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]*PRIVATE KEY-----|\z)", "private key"),
    (r"gh[pousr]_[A-Za-z0-9][A-Za-z0-9._-]{15,}", "GitHub token"),
    (r"github_pat_[A-Za-z0-9_]{16,}", "GitHub token"),
    (r"glpat-[A-Za-z0-9_-]{16,}", "GitLab token"),
    (r"xox[abeoprs]-[A-Za-z0-9-]{10,}", "Slack token"),
    (r"(?:AKIA|ASIA)[A-Z0-9]{16}\b", "AWS key"),
    (r"AIza[0-9A-Za-z_-]{30,}", "Google key"),
    (r"[rs]k_live_[A-Za-z0-9]{16,}", "Stripe key"),
    (r"npm_[A-Za-z0-9]{30,}", "npm token"),
    (r"AGE-SECRET-KEY-1[A-Z0-9]{20,}", "age key"),
    (r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}", "token"),
    (r"(://[^\s/:@]{1,64}:)[^\s/@]{3,}@", "password"),
];

/// Every shape begins with, or holds, one of these: most texts are let through on them alone.
const HINTS: [&str; 15] = [
    "-----BEGIN ",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xox",
    "AKIA",
    "ASIA",
    "AIza",
    "k_live_",
    "npm_",
    "AGE-SECRET-KEY-",
];
const MORE_HINTS: [&str; 2] = ["eyJ", "://"];

/// Whether one of the hints is in the text: one way over it, since nearly all that is shown comes through here.
fn is_suspect(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().any(|(at, byte)| {
        matches!(byte, b'-' | b'g' | b'x' | b'A' | b'k' | b'n' | b'e' | b':')
            && HINTS.iter().chain(&MORE_HINTS).any(|hint| bytes[at..].starts_with(hint.as_bytes()))
    })
}

/// The text with everything masked that has the shape of a credential.
pub(super) fn redact(text: &str) -> Cow<'_, str> {
    static SHAPES_READ: LazyLock<Vec<(Regex, &str)>> =
        LazyLock::new(|| SHAPES.iter().filter_map(|(shape, what)| Some((Regex::new(shape).ok()?, *what))).collect());
    if !is_suspect(text) {
        return Cow::Borrowed(text);
    }
    let mut out = Cow::Borrowed(text);
    for (shape, what) in SHAPES_READ.iter() {
        if shape.is_match(&out) {
            let mask = |found: &Captures<'_>| match found.get(1) {
                Some(kept) => format!("{}(masked: {what})@", kept.as_str()),
                None => format!("(masked: {what})"),
            };
            out = Cow::Owned(shape.replace_all(&out, mask).into_owned());
        }
    }
    out
}

/// The same value, its texts without what has the shape of a credential.
pub(super) fn redact_json(value: Value) -> Value {
    match value {
        Value::String(text) => redact(&text).into_owned().into(),
        Value::Array(items) => items.into_iter().map(redact_json).collect(),
        Value::Object(map) => Value::Object(map.into_iter().map(|(key, value)| (key, redact_json(value))).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_read() {
        for (shape, _) in SHAPES {
            assert!(Regex::new(shape).is_ok(), "{shape}");
        }
    }

    #[test]
    fn every_hint_is_looked_for() {
        for hint in HINTS.iter().chain(&MORE_HINTS) {
            assert!(is_suspect(&format!("a {hint}")), "{hint}");
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "ghcr.io/acme/shop:v1.0",
            "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "https://github.com/acme/shop",
            "ssh://git@github.com:22/acme/shop",
            "AKIA is a prefix",
            "npm_config_cache",
            "-----BEGIN CERTIFICATE-----",
            "0123456789abcdef0123456789abcdef01234567",
        ] {
            assert_eq!(redact(text), text);
        }
    }

    #[test]
    fn passwords_in_addresses_keep_the_user() {
        assert_eq!(redact("postgres://shop:hunter22@db/shop"), "postgres://shop:(masked: password)@db/shop");
        assert_eq!(redact("+ -----BEGIN RSA PRIVATE KEY-----\n+ MIIE\n+ x"), "+ (masked: private key)");
    }
}
