//! Names and numbers of the things GitHub and git know.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Which installation of the App a thing belongs to; tokens and caches never cross it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InstallationId(pub u64);

/// GitHub's numeric repository id, which survives renames and transfers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RepoId(pub u64);

impl fmt::Display for RepoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A git object id: commit, tree or blob (SHA-1, which is what GitHub serves).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Oid(pub [u8; 20]);

impl Oid {
    /// All zeros: GitHub's word for "no object" in a push.
    pub const ZERO: Oid = Oid([0; 20]);

    /// The first seven hex digits, as people write commits.
    pub fn short(&self) -> String {
        self.to_string()[..7].to_owned()
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
        // One write instead of twenty: ids are in nearly every text.
        let text: String = self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect();
        f.write_str(&text)
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is not the name it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct BadName {
    /// What was given, cut to 100 characters.
    pub text: String,
    /// What was expected, in words.
    pub expected: &'static str,
}

impl BadName {
    /// A refusal of `text`, cut so that hostile input cannot flood a log.
    pub fn new(text: &str, expected: &'static str) -> Self {
        Self { text: text.chars().take(100).collect(), expected }
    }
}

impl FromStr for Oid {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let bad = || BadName::new(text, "a git object id of 40 hex digits");
        if text.len() != 40 || !text.is_ascii() {
            return Err(bad());
        }
        let mut bytes = [0; 20];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| bad())?;
        }
        Ok(Oid(bytes))
    }
}

impl Serialize for Oid {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Oid {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// `owner/name`, as people write it; only for addresses and texts, never a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepoName {
    /// The user or organisation.
    pub owner: String,
    /// The repository's own name.
    pub name: String,
}

impl fmt::Display for RepoName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

impl FromStr for RepoName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let bad = || BadName::new(text, "a repository written as owner/name");
        let ok = |part: &str| {
            (1..=100).contains(&part.len())
                && part != "."
                && part != ".."
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        match text.split_once('/') {
            Some((owner, name)) if ok(owner) && ok(name) => Ok(Self { owner: owner.into(), name: name.into() }),
            _ => Err(bad()),
        }
    }
}

impl Serialize for RepoName {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RepoName {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What to look at: the unit of work, of serialisation and of coalescing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// A repository: onboarding, routes, and the sweep that wakes what it holds.
    Repo(RepoId),
    /// One pull request: sticky comment, commands, merge.
    Pull(RepoId, u64),
    /// One commit that wants a check.
    Head(RepoId, Oid),
    /// One application's way through the environments of the repository that holds them.
    Pipeline(RepoId, String),
}

impl Key {
    /// The repository this key lives in.
    pub fn repo(&self) -> RepoId {
        match self {
            Key::Repo(repo) | Key::Pull(repo, _) | Key::Head(repo, _) | Key::Pipeline(repo, _) => *repo,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Repo(repo) => write!(f, "repo/{repo}"),
            Key::Pull(repo, number) => write!(f, "pull/{repo}/{number}"),
            Key::Head(repo, sha) => write!(f, "head/{repo}/{sha}"),
            Key::Pipeline(repo, app) => write!(f, "pipeline/{repo}/{app}"),
        }
    }
}

impl FromStr for Key {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let bad = || BadName::new(text, "a key");
        let mut parts = text.splitn(3, '/');
        let kind = parts.next().ok_or_else(bad)?;
        let repo = RepoId(parts.next().and_then(|p| p.parse().ok()).ok_or_else(bad)?);
        match (kind, parts.next()) {
            ("repo", None) => Ok(Key::Repo(repo)),
            ("pull", Some(number)) => Ok(Key::Pull(repo, number.parse().map_err(|_| bad())?)),
            ("head", Some(sha)) => Ok(Key::Head(repo, sha.parse()?)),
            ("pipeline", Some(app)) if !app.is_empty() => Ok(Key::Pipeline(repo, app.to_owned())),
            _ => Err(bad()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_a_round_trip() {
        let sha: Oid = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
        for key in [
            Key::Repo(RepoId(1)),
            Key::Pull(RepoId(1), 7),
            Key::Head(RepoId(1), sha),
            Key::Pipeline(RepoId(1), "shop/api".into()),
        ] {
            assert_eq!(key.to_string().parse::<Key>().unwrap(), key);
        }
        for bad in ["", "repo", "repo/x", "pull/1", "head/1/abc", "pipeline/1/", "repo/1/2"] {
            assert!(bad.parse::<Key>().is_err(), "{bad}");
        }
    }

    #[test]
    fn repository_names_cannot_leave_their_place() {
        assert_eq!("acme/shop".parse::<RepoName>().unwrap().to_string(), "acme/shop");
        for bad in ["acme", "acme/", "/shop", "acme/../x", "acme/..", "a b/c", "acme/shop\n", "acme/shop/x"] {
            assert!(bad.parse::<RepoName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn object_ids_refuse_non_ascii_of_the_right_length() {
        assert!("é".repeat(20).parse::<Oid>().is_err());
    }
}
