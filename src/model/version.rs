//! Versions as people tag them, compared as people mean them.

use std::cmp::Ordering;
use std::fmt;

/// A version a tag names: lenient in its parts (`v1.0`, `1.2.3`, `v1.0-rc.1`), strict in its order.
///
/// Rust's `semver` crate refuses two-part versions, which is what the customer's tags are; so this is our own.
/// Compared by precedence, never by text or date; `v1.0` and `v1.0.0` are equal here, and a problem on different commits.
#[derive(Debug, Clone)]
pub struct Version {
    text: String,
    numbers: [u64; 3],
    pre: Vec<Part>,
}

/// One dot-separated part of a pre-release, split further where letters meet digits, so that `rc10` follows `rc9`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(u64),
    Text(String),
}

/// Longer tags name no version anybody means; GitHub itself allows 255.
const MAX_VERSION_BYTES: usize = 128;

impl Version {
    /// Reads a version from what follows a tag's fixed part; `None` when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_VERSION_BYTES {
            return None;
        }
        let rest = text.strip_prefix(['v', 'V']).unwrap_or(text);
        // Build metadata has no precedence in semver; two tags that differ only there would be one version on two commits.
        if rest.contains('+') {
            return None;
        }
        let (core, pre) = match rest.split_once('-') {
            Some((core, pre)) => (core, Some(pre)),
            None => (rest, None),
        };
        let mut numbers = [0; 3];
        for (n, part) in core.split('.').enumerate() {
            let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            let plain = digits && (part == "0" || !part.starts_with('0'));
            *numbers.get_mut(n)? = part.parse().ok().filter(|_| plain)?;
        }
        let pre = match pre {
            None => Vec::new(),
            Some(pre) => pre.split('.').map(split_part).collect::<Option<Vec<_>>>()?.into_iter().flatten().collect(),
        };
        Some(Self { text: text.to_owned(), numbers, pre })
    }

    /// The text as it was written, `v` included.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it has a pre-release part; independent of GitHub's own checkbox.
    pub fn is_prerelease(&self) -> bool {
        !self.pre.is_empty()
    }

    /// The same version with all three numbers, as charts write it.
    pub fn semver(&self) -> String {
        let [major, minor, patch] = self.numbers;
        let pre = self.without_v().split_once('-').map_or(String::new(), |(_, pre)| format!("-{pre}"));
        format!("{major}.{minor}.{patch}{pre}")
    }

    /// The text without a leading `v`, which is what `{version}` stands for in image tags.
    pub fn without_v(&self) -> &str {
        self.text.strip_prefix(['v', 'V']).unwrap_or(&self.text)
    }
}

fn split_part(part: &str) -> Option<Vec<Part>> {
    if part.is_empty() || !part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return None;
    }
    let mut parts = Vec::new();
    let mut rest = part;
    while !rest.is_empty() {
        let digits = rest.bytes().next().is_some_and(|b| b.is_ascii_digit());
        let end = rest.bytes().position(|b| b.is_ascii_digit() != digits).unwrap_or(rest.len());
        let (piece, tail) = rest.split_at(end);
        parts.push(if digits { Part::Number(piece.parse().ok()?) } else { Part::Text(piece.to_owned()) });
        rest = tail;
    }
    Some(parts)
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => self.pre.cmp(&other.pre),
        })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn e3_e4_order_is_precedence() {
        let sorted = [
            "0.9",
            "v1.0-alpha",
            "v1.0-rc.1",
            "v1.0-rc.9",
            "v1.0-rc.10",
            "v1.0",
            "v1.0.1-rc1",
            "v1.0.1-rc9",
            "v1.0.1-rc10",
            "1.0.1",
            "2",
        ];
        for pair in sorted.windows(2) {
            assert!(v(pair[0]) < v(pair[1]), "{pair:?}");
        }
        assert_eq!(v("v1.0"), v("1.0.0"));
        assert!(v("v1.0-rc.1").is_prerelease() && !v("v1.0").is_prerelease());
    }

    #[test]
    fn what_is_no_version() {
        for bad in [
            "",
            "v",
            "latest",
            "1.2.3.4",
            "1..2",
            "01.2",
            "1.0-",
            "1.0-rc..1",
            "1.0+build",
            "v1.0-rc 1",
            "release-1",
            "99999999999999999999",
        ] {
            assert!(Version::parse(bad).is_none(), "{bad}");
        }
    }
}
