//! Names of container images, as registries know them: checked once at the door, then safe to put into an address.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::id::BadName;

/// Docker Hub, by the name people know it.
pub const DOCKER_HUB: &str = "docker.io";

/// Longer names are refused by every registry.
const MAX_NAME: usize = 255;
/// The OCI specification's own bound.
const MAX_TAG: usize = 128;

/// The address of a registry: a host, and a port where it is not the usual one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RegistryHost(String);

impl RegistryHost {
    /// `ghcr.io`, or `registry.example.com:5000`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host without its port.
    pub fn host(&self) -> &str {
        let bare = self.0.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
        bare.map_or(&self.0, |(host, _)| host)
    }
}

impl fmt::Display for RegistryHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RegistryHost {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let bad = || BadName::new(text, "a registry written as host or host:port");
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        };
        let label = |label: &str| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        let good = host.len() <= MAX_NAME && host.split('.').all(label);
        let port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|number| number.to_string() == port));
        if !good || !port {
            return Err(bad());
        }
        let text = text.to_ascii_lowercase();
        // Docker Hub has several names; configuration and images shall mean the same one.
        let hub = ["index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"].contains(&text.as_str());
        Ok(Self(if hub { DOCKER_HUB.to_owned() } else { text }))
    }
}

/// An image without tag and digest: its registry, and its name there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageName {
    /// The registry.
    pub registry: RegistryHost,
    /// Its name in the registry: `acme/shop`, `library/nginx`.
    pub repository: String,
}

impl ImageName {
    /// The last part of the name, by which people tell the images of one application apart.
    pub fn short(&self) -> &str {
        self.repository.rsplit_once('/').map_or(&self.repository, |(_, name)| name)
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)
    }
}

impl FromStr for ImageName {
    type Err = BadName;

    /// Reads a name as Kustomize and the pod spec write it: without a host it is Docker Hub's.
    fn from_str(text: &str) -> Result<Self, BadName> {
        let bad = || BadName::new(text, "an image name without tag or digest");
        let (host, rest) = match text.split_once('/') {
            Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => (host, rest),
            _ => (DOCKER_HUB, text),
        };
        let registry: RegistryHost = host.parse().map_err(|_| bad())?;
        let official = registry.as_str() == DOCKER_HUB && !rest.contains('/');
        let repository = if official { format!("library/{rest}") } else { rest.to_owned() };
        if text.len() > MAX_NAME || !repository.split('/').all(is_name_part) {
            return Err(bad());
        }
        Ok(Self { registry, repository })
    }
}

/// Lower-case letters and digits, with single separators inside: `.`, `_`, `__` or any number of dashes.
fn is_name_part(part: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let separators = part.split(|c: char| c.is_ascii() && plain(c as u8)).filter(|between| !between.is_empty());
    let ends = part.bytes().next().is_some_and(plain) && part.bytes().last().is_some_and(plain);
    ends && separators.into_iter().all(|s| matches!(s, "." | "_" | "__") || s.bytes().all(|b| b == b'-'))
}

/// The hash of an image's manifest, which names one build and no other.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Digest(String);

impl Digest {
    /// `sha256:…`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `sha256:` and twelve digits, as people compare them.
    pub fn short(&self) -> &str {
        self.0.get(..self.0.find(':').unwrap_or_default() + 13).unwrap_or(&self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Digest {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let bad = || BadName::new(text, "a digest written as sha256:<64 hex digits>");
        let (algorithm, hex) = text.split_once(':').ok_or_else(bad)?;
        let length = match algorithm {
            "sha256" => 64,
            "sha512" => 128,
            _ => return Err(bad()),
        };
        let good = hex.len() == length && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if good { Ok(Self(text.to_owned())) } else { Err(bad()) }
    }
}

/// What names one build of an image: a tag, which may move, or a digest, which cannot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ImageRef {
    /// A tag.
    Tag(ImageTag),
    /// A digest.
    Digest(Digest),
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImageRef::Tag(tag) => f.write_str(&tag.0),
            ImageRef::Digest(digest) => digest.fmt(f),
        }
    }
}

/// The tag of an image.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageTag(String);

impl FromStr for ImageTag {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let good = text.len() <= MAX_TAG
            && text.bytes().next().is_some_and(word)
            && text.bytes().all(|b| word(b) || b == b'.' || b == b'-');
        if good { Ok(Self(text.to_owned())) } else { Err(BadName::new(text, "an image tag")) }
    }
}

/// What a registry says of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageState {
    /// It is there, under this digest.
    Found(Digest),
    /// It is not there.
    Missing {
        /// Since when, as far as this process has looked.
        since: Timestamp,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_their_registry() {
        let read = |text: &str| text.parse::<ImageName>().map(|name| (name.registry.0, name.repository)).ok();
        let is = |host: &str, name: &str| Some((host.to_owned(), name.to_owned()));
        assert_eq!(read("nginx"), is("docker.io", "library/nginx"));
        assert_eq!(read("acme/shop"), is("docker.io", "acme/shop"));
        assert_eq!(read("index.docker.io/acme/shop"), is("docker.io", "acme/shop"));
        assert_eq!(read("ghcr.io/acme/shop"), is("ghcr.io", "acme/shop"));
        assert_eq!(read("localhost:5000/a_b/c--d.e__f"), is("localhost:5000", "a_b/c--d.e__f"));
        assert_eq!(read("ghcr.io/acme/shop").unwrap().1, "acme/shop");
    }

    #[test]
    fn t42_what_would_leave_its_place_in_an_address_is_no_name() {
        for bad in [
            "",
            "ghcr.io/",
            "ghcr.io/../x",
            "ghcr.io/a//b",
            "ghcr.io/a?b",
            "ghcr.io/A",
            "ghcr.io/a/",
            "ghcr.io:99999/a",
            "user@ghcr.io/a",
            "ghcr.io#/a",
            "ghcr.io/a._b",
            "-x.io/a",
            "[::1]:5000/a",
            "ghcr.io/a\n",
            "ghcr.io/é",
        ] {
            assert!(bad.parse::<ImageName>().is_err(), "{bad:?}");
        }
        for bad in ["", ".x", "a/b", "a b", "..", "a:b", &"x".repeat(129)] {
            assert!(bad.parse::<ImageTag>().is_err(), "{bad:?}");
        }
        for bad in ["", "sha256:", "sha256:AB", "md5:00", &format!("sha256:{}", "g".repeat(64))] {
            assert!(bad.parse::<Digest>().is_err(), "{bad:?}");
        }
        let digest: Digest = format!("sha256:{}", "0123456789abcdef".repeat(4)).parse().unwrap();
        assert_eq!(digest.short(), "sha256:0123456789ab");
    }
}
