//! Takes secrets out of what will be shown: a policy may quote any value of an object in its message, and an engine any value in its error.

use std::collections::BTreeSet;

use super::rules::{is_named_credential, scrub_patterns};
use crate::manifest::{Node, Object, Value};
use crate::model::finding::Finding;

/// Shorter secrets are words such as `root`; hiding them everywhere would hide the message, so they are hidden only in findings about the Secret itself.
const WORD: usize = 6;
/// What stands where a secret stood.
const MASK: &str = "(hidden)";

/// The secrets of an environment.
#[derive(Default)]
pub(super) struct Secrets {
    texts: BTreeSet<String>,
}

impl Secrets {
    /// Every value of a Secret, as written and decoded, and every setting that is a credential by its name.
    pub(super) fn of(objects: &[Object]) -> Self {
        let mut secrets = Self::default();
        for object in objects {
            if object.kind() == "Secret" {
                for (_, value) in ["data", "stringData"]
                    .iter()
                    .filter_map(|field| object.node.get(field)?.as_map())
                    .flat_map(|map| map.iter())
                {
                    secrets.add(value);
                }
            }
            secrets.collect(&object.node);
        }
        secrets
    }

    fn add(&mut self, value: &Node) {
        let Some(text) = value.as_str() else { return };
        let decoded = decode(text).and_then(|bytes| String::from_utf8(bytes).ok());
        // Of a text with several lines, such as a key, each line gives it away.
        for text in [Some(text.to_owned()), decoded].into_iter().flatten() {
            self.texts.extend(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
        }
    }

    /// Recursion over rendered values is bounded by the loader's own depth limit.
    fn collect(&mut self, node: &Node) {
        match &node.value {
            Value::List(list) => list.iter().for_each(|node| self.collect(node)),
            Value::Map(map) => {
                if let (Some(name), Some(value)) = (node.str_at(&["name"]), node.get("value"))
                    && is_named_credential(name, value)
                {
                    self.add(value);
                }
                for (key, value) in map.iter() {
                    if is_named_credential(&key.text, value) {
                        self.add(value);
                    }
                    self.collect(value);
                }
            }
            _ => {}
        }
    }

    /// Whether one of them stands in a text.
    pub(super) fn stand_in(&self, text: &str) -> bool {
        !scrub_patterns(text).is_empty() || self.texts.iter().any(|secret| text.contains(secret.as_str()))
    }

    /// The finding without secrets.
    pub(super) fn scrub(&self, mut finding: Finding) -> Finding {
        let about_secret = finding.object.as_ref().is_some_and(|object| object.kind == "Secret");
        for text in [&mut finding.message, &mut finding.why, &mut finding.fix] {
            // Longest first, so that no rest of a longer secret stays behind a shorter one's mask.
            let mut found: Vec<String> = self
                .texts
                .iter()
                .filter(|secret| (about_secret || secret.len() >= WORD) && text.contains(secret.as_str()))
                .cloned()
                .collect();
            found.extend(scrub_patterns(text).into_iter().map(str::to_owned));
            found.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
            for secret in found {
                *text = text.replace(&secret, MASK);
            }
        }
        finding
    }
}

/// Standard base64 with padding, white space allowed, as the API server reads `data`.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held, mut padding) = (0_u32, 0_u32, 0);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                padding += 1;
                continue;
            }
            _ => return None,
        };
        if padding > 0 {
            return None;
        }
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    (padding <= 2).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_the_api_servers() {
        for (text, bytes) in
            [("", &b""[..]), ("Zg==", b"f"), ("Zm8=", b"fo"), ("Zm9v", b"foo"), ("Zm9v\nYmFy", b"foobar")]
        {
            assert_eq!(decode(text).as_deref(), Some(bytes), "{text}");
        }
        assert_eq!(decode("no base64!"), None);
    }
}
