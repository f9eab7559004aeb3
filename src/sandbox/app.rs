//! The App the sandbox plays host to: its manifest and its key.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::Error;

/// What `app-manifest.yml` says of the App, plus its number.
#[derive(Debug, Clone)]
pub struct AppSpec {
    /// The App's number.
    pub id: u64,
    /// The last part of its address; its bot user is `<slug>[bot]`.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// What it may do: permission name to `read`, `write` or `admin`.
    pub permissions: BTreeMap<String, String>,
    /// What it subscribes to.
    pub events: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Manifest {
    name: String,
    #[serde(default)]
    default_permissions: BTreeMap<String, String>,
    #[serde(default)]
    default_events: BTreeSet<String>,
}

impl AppSpec {
    /// Reads an App manifest (YAML, or the JSON that GitHub takes).
    pub fn from_manifest(text: &str) -> Result<Self, Error> {
        let manifest: Manifest = serde_yaml::from_str(text).map_err(|e| Error::Manifest(e.to_string()))?;
        Ok(Self {
            id: 4711,
            slug: slug(&manifest.name),
            name: manifest.name,
            permissions: manifest.default_permissions,
            events: manifest.default_events,
        })
    }

    /// The login of the App's bot user, as REST shows it.
    pub fn bot(&self) -> String {
        format!("{}[bot]", self.slug)
    }
}

fn slug(name: &str) -> String {
    let dashed: String = name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    dashed.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

/// The App's RSA key: the private half as PEM for the bot, the public half to check what it signs.
#[derive(Debug, Clone)]
pub(crate) struct AppKey {
    pub(crate) pem: String,
    pub(crate) public: Vec<u8>,
}

impl AppKey {
    /// A 2048-bit key, made once a process: making one takes a while, and nothing here is worth a second.
    pub(crate) fn generate() -> Result<Self, Error> {
        static MADE: Mutex<Option<AppKey>> = Mutex::new(None);
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = made.as_ref() {
            return Ok(key.clone());
        }
        let key = Self::new()?;
        *made = Some(key.clone());
        Ok(key)
    }

    fn new() -> Result<Self, Error> {
        let broken = |_| Error::Key;
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(broken)?;
        let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map_err(broken)?;
        Ok(Self { pem: armour(der.as_ref()), public: pair.public_key().as_ref().to_vec() })
    }

    /// A key from an earlier start.
    pub(crate) fn from_pem(pem: &str) -> Result<Self, Error> {
        let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let der = STANDARD.decode(body).map_err(|_| Error::Key)?;
        let pair = KeyPair::from_pkcs8(&der).map_err(|_| Error::Key)?;
        Ok(Self { pem: pem.to_owned(), public: pair.public_key().as_ref().to_vec() })
    }
}

fn armour(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        // 64 characters a line is what RFC 7468 asks for.
        let (line, tail) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = tail;
    }
    pem + "-----END PRIVATE KEY-----\n"
}
