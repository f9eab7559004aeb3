//! Paths and refs that came from people: checked once at the door, then safe to use.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::id::BadName;

/// A file or folder inside a repository: relative, `/`-separated, without `.`, `..`, empty or `.git` parts.
///
/// The empty path is the repository's root. Everything that names a place in a tree passes through here, so that no text
/// from a pull request or a configuration can point outside.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct RepoPath(String);

/// git refuses longer paths on common file systems; nothing real comes near.
const MAX_PATH_BYTES: usize = 4096;

impl RepoPath {
    /// The repository's root.
    pub fn root() -> Self {
        Self::default()
    }

    /// The path as text, without leading or trailing slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the repository's root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The parts between the slashes.
    pub fn parts(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }

    /// The folder this stands in; the root is its own parent.
    pub fn parent(&self) -> Self {
        Self(self.0.rsplit_once('/').map_or(String::new(), |(parent, _)| parent.to_owned()))
    }

    /// The last part.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }

    /// This path with one more part, which must already be a clean name (as git tree entries are).
    pub fn child(&self, name: &str) -> Self {
        if self.0.is_empty() { Self(name.to_owned()) } else { Self(format!("{}/{name}", self.0)) }
    }

    /// Follows `relative` from this folder, as a `kustomization.yaml` writes it: `..` is allowed while it stays inside.
    ///
    /// # Errors
    /// When it is absolute, leaves the repository, or names something git forbids.
    pub fn join(&self, relative: &str) -> Result<Self, BadName> {
        let bad = |expected| BadName::new(relative, expected);
        if relative.starts_with('/') {
            return Err(bad("a relative path"));
        }
        let mut parts: Vec<&str> = self.parts().collect();
        for part in relative.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop().ok_or_else(|| bad("a path inside the repository"))?;
                }
                part => parts.push(part),
            }
        }
        parts.join("/").parse().map_err(|_| bad("a path inside the repository"))
    }

    /// Whether this is `folder` or lies below it.
    pub fn is_within(&self, folder: &RepoPath) -> bool {
        folder.is_root()
            || self.0 == folder.0
            || self.0.strip_prefix(&folder.0).is_some_and(|rest| rest.starts_with('/'))
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "." } else { &self.0 })
    }
}

impl FromStr for RepoPath {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let bad = || BadName::new(text, "a path inside the repository");
        if text.is_empty() || text == "." {
            return Ok(Self::root());
        }
        let text = text.strip_suffix('/').unwrap_or(text);
        if text.len() > MAX_PATH_BYTES || text.chars().any(|c| c.is_control() || c == '\\') {
            return Err(bad());
        }
        let clean = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.eq_ignore_ascii_case(".git");
        if text.split('/').all(clean) { Ok(Self(text.to_owned())) } else { Err(bad()) }
    }
}

impl Serialize for RepoPath {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RepoPath {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Whether git would accept `name` as the part of a ref after `refs/heads/` or `refs/tags/`.
///
/// The rules of `git check-ref-format`, and no control or bidirectional characters: such a name would be shown to people.
pub fn is_ref_name(name: &str) -> bool {
    let bad_char = |c: char| {
        c.is_control()
            || " ~^:?*[\\\u{7f}".contains(c)
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    !name.is_empty()
        && name.len() <= 255
        && !name.starts_with(['-', '/'])
        && !name.ends_with(['/', '.'])
        && !name.contains("..")
        && !name.contains("@{")
        && name != "@"
        && !name.chars().any(bad_char)
        && name.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_leaves_the_repository() {
        for bad in
            ["../x", "a/../../x", "/etc/passwd", "a//b", "a/./b", "a\\b", "a\0b", ".git/config", "a/.GIT/x", "a\nb"]
        {
            assert!(bad.parse::<RepoPath>().is_err(), "{bad}");
        }
        let here: RepoPath = "environments/prod".parse().unwrap();
        assert_eq!(here.join("../base/./x.yaml").unwrap().as_str(), "environments/base/x.yaml");
        assert_eq!(here.join("../..").unwrap(), RepoPath::root());
        for bad in ["../../..", "/x", "../../../x", "../../.git/config"] {
            assert!(here.join(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn within_knows_whole_parts() {
        let folder: RepoPath = "env/prod".parse().unwrap();
        assert!("env/prod/a.yaml".parse::<RepoPath>().unwrap().is_within(&folder));
        assert!(!"env/production/a.yaml".parse::<RepoPath>().unwrap().is_within(&folder));
    }

    #[test]
    fn hostile_refs_are_refused() {
        for bad in
            ["--upload-pack=x", "a b", "a..b", "a\u{1b}[31m", "x.lock", "a/.b", "refs~1", "\u{202e}abc", "", "a\n"]
        {
            assert!(!is_ref_name(bad), "{bad:?}");
        }
        for good in ["main", "v1.0-rc.1", "shop/v1.0", "trunkline/prod/shop/v1.0-abc1234", "über"] {
            assert!(is_ref_name(good), "{good}");
        }
    }
}
