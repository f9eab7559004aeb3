//! Which registries may be asked, and with which credentials: the operator's word, not the configuration's.

use std::collections::BTreeMap;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::api_host;
use super::error::RegistryError;
use crate::model::id::BadName;
use crate::model::image::{ImageName, RegistryHost};
use crate::transport::Exempt;

/// How registries are asked.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The only registries that are asked; `None`: any public one that a configuration lists.
    pub listed: Option<Vec<Listed>>,
    /// What they know us by.
    pub credentials: Credentials,
}

/// A registry that the operator lists; it may have a private address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    host: RegistryHost,
    /// Whether it is spoken to without TLS.
    plain: bool,
}

impl FromStr for Listed {
    type Err = BadName;

    /// `ghcr.io`, `registry.internal:5000`, or `http://registry.internal:5000` for one without TLS.
    fn from_str(text: &str) -> Result<Self, BadName> {
        let plain = text.strip_prefix("http://");
        let host = plain.or(text.strip_prefix("https://")).unwrap_or(text).trim_end_matches('/');
        Ok(Self { host: host.parse()?, plain: plain.is_some() })
    }
}

impl Config {
    /// Whether a registry may be asked at all.
    pub(super) fn admit(&self, host: &RegistryHost) -> Result<(), RegistryError> {
        match &self.listed {
            Some(listed) if listed.iter().all(|one| one.host != *host) => Err(RegistryError::not_listed(host)),
            _ => Ok(()),
        }
    }

    /// The address of a registry's API, without slash at the end.
    pub(super) fn endpoint(&self, host: &RegistryHost) -> String {
        let scheme = if self.is_plain(host) { "http" } else { "https" };
        format!("{scheme}://{}", api_host(host))
    }

    /// Whether a registry is spoken to without TLS.
    pub(super) fn is_plain(&self, host: &RegistryHost) -> bool {
        self.listed.iter().flatten().any(|one| one.host == *host && one.plain)
    }

    /// What the transport may reach beyond the public internet.
    pub(super) fn exempt(&self) -> Exempt {
        let listed = || self.listed.iter().flatten();
        let place = |one: &Listed| api_host(&one.host).to_owned();
        Exempt { private: listed().map(place).collect(), plain: listed().filter(|one| one.plain).map(place).collect() }
    }
}

/// Credentials by the registry, or the part of it, that they are for.
#[derive(Debug, Clone, Default)]
pub struct Credentials(BTreeMap<String, Credential>);

/// What a registry knows us by.
#[derive(Debug, Clone)]
pub(super) enum Credential {
    /// A name and its password.
    Password(String, SecretString),
    /// A token from which others are made.
    Identity(SecretString),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, DockerAuth>,
    creds_store: Option<String>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct DockerAuth {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

impl Credentials {
    /// Reads a docker configuration, such as a Kubernetes Secret of type `kubernetes.io/dockerconfigjson` holds.
    ///
    /// # Errors
    /// What is wrong with it, quoting none of it.
    pub fn from_docker_config(text: &SecretString) -> Result<Self, String> {
        let read: DockerConfig = serde_json::from_str(text.expose_secret()).map_err(|error| {
            format!("is no docker configuration (line {}, column {})", error.line(), error.column())
        })?;
        if read.creds_store.is_some_and(|store| !store.is_empty()) || !read.cred_helpers.is_empty() {
            return Err(
                "leaves credentials to a helper program (`credsStore`, `credHelpers`), and none is run".to_owned()
            );
        }
        let mut all = BTreeMap::new();
        for (place, auth) in read.auths {
            let shown: String = place.chars().filter(|c| !c.is_control()).take(100).collect();
            let key = key(&place).ok_or_else(|| format!("names `{shown}`, which is no registry"))?;
            let credential =
                credential(auth).ok_or_else(|| format!("holds no credentials for `{shown}` that can be read"))?;
            all.insert(key, credential);
        }
        Ok(Self(all))
    }

    /// Those for an image: the longest part of its name that some are for.
    pub(super) fn of(&self, image: &ImageName) -> Option<&Credential> {
        let mut place = image.to_string();
        // Once for each part of the name, which is bounded.
        loop {
            if let Some(found) = self.0.get(&place) {
                return Some(found);
            }
            place.truncate(place.rfind('/')?);
        }
    }
}

/// `https://index.docker.io/v1/` is Docker Hub, `ghcr.io/acme` one part of a registry.
fn key(place: &str) -> Option<String> {
    let bare = place.strip_prefix("https://").or(place.strip_prefix("http://")).unwrap_or(place);
    let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
    let host: RegistryHost = host.parse().ok()?;
    let path = path.trim_end_matches('/');
    // The version of an API that `docker login` writes is no part of any name.
    let path = if ["v1", "v2"].contains(&path) { "" } else { path };
    Some(if path.is_empty() { host.to_string() } else { format!("{host}/{path}") })
}

fn credential(auth: DockerAuth) -> Option<Credential> {
    if let Some(token) = auth.identitytoken.filter(|token| !token.is_empty()) {
        return Some(Credential::Identity(token.into()));
    }
    if let (Some(user), Some(password)) = (auth.username.filter(|user| !user.is_empty()), auth.password) {
        return Some(Credential::Password(user, password.into()));
    }
    let whole = STANDARD.decode(auth.auth?.trim()).ok()?;
    let (user, password) = std::str::from_utf8(&whole).ok()?.split_once(':')?;
    Some(Credential::Password(user.to_owned(), password.trim_end_matches('\0').into()))
}

impl Credential {
    /// The header of HTTP's own sign-in; an identity token is none for it.
    pub(super) fn basic(&self) -> Option<HeaderValue> {
        let Credential::Password(user, password) = self else { return None };
        let whole = STANDARD.encode(format!("{user}:{}", password.expose_secret()));
        let mut header = HeaderValue::from_str(&format!("Basic {whole}")).ok()?;
        header.set_sensitive(true);
        Some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Credentials, String> {
        Credentials::from_docker_config(&SecretString::from(text))
    }

    #[test]
    fn t39_credentials_are_for_their_registry_and_show_nowhere() {
        let all = read(
            r#"{"auths": {"https://index.docker.io/v1/": {"auth": "YW5uOnMzY3JldA=="},
                "ghcr.io": {"username": "ben", "password": "hunter2"},
                "ghcr.io/acme/tools": {"identitytoken": "id3ntity"}}}"#,
        )
        .unwrap();
        let of = |image: &str| match all.of(&image.parse().unwrap()) {
            Some(Credential::Password(user, _)) => user.clone(),
            Some(Credential::Identity(_)) => "identity".to_owned(),
            None => "none".to_owned(),
        };
        let images =
            ["nginx", "ghcr.io/acme/shop", "ghcr.io/acme/tools/x", "quay.io/acme/shop", "ghcr.io.evil.example/a"];
        assert_eq!(images.map(of), ["ann", "ben", "identity", "none", "none"]);
        let shown = format!("{all:?}");
        for secret in ["s3cret", "hunter2", "id3ntity", "YW5u"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    #[test]
    fn a_docker_configuration_that_cannot_be_used_says_why() {
        let why = |text: &str| read(text).unwrap_err();
        insta::assert_snapshot!(why("{"), @"is no docker configuration (line 1, column 1)");
        insta::assert_snapshot!(why(r#"{"credsStore": "desktop"}"#), @"leaves credentials to a helper program (`credsStore`, `credHelpers`), and none is run");
        insta::assert_snapshot!(why(r#"{"auths": {"ghcr.io": {}}}"#), @"holds no credentials for `ghcr.io` that can be read");
        insta::assert_snapshot!(why(r#"{"auths": {"not a host": {"auth": "eDp5"}}}"#), @"names `not a host`, which is no registry");
        assert!(read("{}").is_ok());
    }

    #[test]
    fn an_operators_list_is_the_limit_and_says_who_may_be_inside() {
        let listed = |text: &str| text.split(',').map(|one| one.parse().unwrap()).collect();
        let config = Config { listed: Some(listed("ghcr.io,http://127.0.0.1:5000")), ..Config::default() };
        let host = |text: &str| text.parse::<RegistryHost>().unwrap();
        assert_eq!(config.endpoint(&host("127.0.0.1:5000")), "http://127.0.0.1:5000");
        assert_eq!(config.endpoint(&host("docker.io")), "https://registry-1.docker.io");
        assert!(config.admit(&host("ghcr.io")).is_ok());
        insta::assert_snapshot!(config.admit(&host("quay.io")).unwrap_err(), @"whoever runs Trunkline does not let it ask quay.io (`--registries`)");
        assert!(Config::default().admit(&host("quay.io")).is_ok());
        assert_eq!(config.exempt().plain, ["127.0.0.1:5000"]);
    }
}
