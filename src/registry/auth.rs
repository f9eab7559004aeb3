//! Signing in: what a registry asks for, and the short-lived tokens it is given.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Full;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::config::Credential;
use super::error::RegistryError;
use super::{Inner, api_host, manifest};
use crate::model::image::ImageName;
use crate::transport::HttpRequest;

/// What the specification says a token lasts when its maker does not.
const DEFAULT_LIFE: Duration = Duration::from_secs(60);
/// A token is taken for longer than this from nobody.
const MAX_LIFE: Duration = Duration::from_secs(3600);
/// A request begun with a token must end with it.
const SPARE: Duration = Duration::from_secs(15);
/// One an image; they are small and made anew in one request.
const MAX_TOKENS: usize = 2_000;
/// Longer words of a challenge are no challenge.
const MAX_WORD: usize = 2_000;

/// How a registry wants us to sign in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A name and a password, with each request.
    Basic,
    /// A token.
    Bearer(Bearer),
}

/// Where tokens are made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bearer {
    realm: String,
    service: Option<String>,
}

/// Reads what a registry asks for, a token rather than a password.
pub(super) fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let all = headers.get_all(http::header::WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    let mut basic = None;
    for text in all.filter(|text| text.len() <= MAX_WORD) {
        let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        if scheme.eq_ignore_ascii_case("bearer") {
            let words = words(rest);
            if let Some(realm) = words.get("realm") {
                return Some(Challenge::Bearer(Bearer {
                    realm: realm.clone(),
                    service: words.get("service").cloned(),
                }));
            }
        } else if scheme.eq_ignore_ascii_case("basic") {
            basic = Some(Challenge::Basic);
        }
    }
    basic
}

/// `realm="…",service="…"`; a quoted word may hold commas.
fn words(text: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    let mut rest = text;
    // Each round takes at least one character, and the text is bounded.
    while let Some((name, after)) = rest.split_once('=') {
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').map_or((after, ""), |(value, tail)| (value, tail)),
        };
        found.insert(name.trim_matches([',', ' ']).to_ascii_lowercase(), value.trim().to_owned());
        rest = after;
    }
    found
}

#[derive(Deserialize)]
struct Minted {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

/// A token and its end.
#[derive(Clone)]
pub(super) struct Token {
    header: HeaderValue,
    expires: Timestamp,
}

impl Token {
    fn lasts(&self, now: Timestamp) -> bool {
        now + SPARE < self.expires && self.expires <= now + MAX_LIFE
    }
}

/// Makes a token that may pull one image and nothing else.
pub(super) async fn mint(
    inner: &Inner,
    image: &ImageName,
    wanted: &Bearer,
    credential: Option<&Credential>,
) -> Result<Token, RegistryError> {
    let host = &image.registry;
    let bad = || RegistryError::unreadable(host, "where its tokens are made is no address we would ask");
    let realm: Uri = wanted.realm.parse().map_err(|_| bad())?;
    let authority = realm.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(bad)?;
    let own = authority.as_str().eq_ignore_ascii_case(api_host(host));
    if realm.scheme_str() != Some("https") && !(own && inner.config.is_plain(host)) {
        return Err(bad());
    }
    if credential.is_some() && !own && !is_of_one_domain(bare(api_host(host)), authority.host()) {
        return Err(RegistryError::foreign_realm(image));
    }
    let scope = format!("repository:{}:pull", image.repository);
    let request = ask(&realm, (wanted.service.as_deref(), &scope), credential).ok_or_else(bad)?;
    let (status, headers, body) = manifest::exchange(inner.service.clone(), host, request).await?;
    match status {
        StatusCode::OK => read(&body, inner.clock.now())
            .ok_or_else(|| RegistryError::unreadable(host, "the token it gives cannot be read")),
        // A refusal is worded for the registry as a whole; several answer 400 to a token they do not know.
        StatusCode::BAD_REQUEST if credential.is_some() => Err(RegistryError::denied(image, true)),
        _ => Err(inner.refused(image, status, &headers)),
    }
}

fn ask(realm: &Uri, (service, scope): (Option<&str>, &str), credential: Option<&Credential>) -> Option<HttpRequest> {
    let mut words = vec![("scope", scope)];
    words.extend(service.map(|service| ("service", service)));
    let builder = Request::builder().header(http::header::USER_AGENT, concat!("trunkline/", env!("CARGO_PKG_VERSION")));
    if let Some(Credential::Identity(token)) = credential {
        words.extend([("grant_type", "refresh_token"), ("client_id", "trunkline")]);
        words.push(("refresh_token", token.expose_secret()));
        let builder = builder.header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        return builder.method(Method::POST).uri(realm.clone()).body(Full::new(Bytes::from(form(&words)))).ok();
    }
    let builder = match credential.and_then(Credential::basic) {
        Some(basic) => builder.header(http::header::AUTHORIZATION, basic),
        None => builder,
    };
    let between = if realm.query().is_some() { '&' } else { '?' };
    builder.uri(format!("{realm}{between}{}", form(&words))).body(Full::default()).ok()
}

fn form(words: &[(&str, &str)]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encode = |text: &str| {
        text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect::<String>()
    };
    words.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect::<Vec<_>>().join("&")
}

fn read(body: &Bytes, now: Timestamp) -> Option<Token> {
    let minted: Minted = serde_json::from_slice(body).ok()?;
    let secret = minted.token.or(minted.access_token)?;
    let mut header = HeaderValue::from_str(&format!("Bearer {secret}")).ok()?;
    header.set_sensitive(true);
    let life = minted.expires_in.map_or(DEFAULT_LIFE, Duration::from_secs).clamp(DEFAULT_LIFE, MAX_LIFE);
    Some(Token { header, expires: now + life })
}

fn bare(authority: &str) -> &str {
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

/// Whether two hosts belong together: one, a part of the other, or two parts of one domain (`auth.docker.io`, `registry-1.docker.io`).
fn is_of_one_domain(registry: &str, realm: &str) -> bool {
    let (registry, realm) = (registry.to_ascii_lowercase(), realm.to_ascii_lowercase());
    if registry == realm {
        return true;
    }
    // A number has no domain, and neither has the name of a whole country.
    fn parent(host: &str) -> Option<&str> {
        let named = host.parse::<std::net::IpAddr>().is_err();
        host.split_once('.').map(|(_, parent)| parent).filter(|parent| named && parent.contains('.'))
    }
    let (above, beside) = (parent(&registry), parent(&realm));
    above == Some(realm.as_str()) || beside == Some(registry.as_str()) || above.is_some() && above == beside
}

type Place = Arc<tokio::sync::Mutex<Option<Token>>>;

/// The tokens we hold, in memory only.
#[derive(Default)]
pub(super) struct Tokens(Mutex<HashMap<ImageName, Place>>);

impl Tokens {
    /// The header for an image: the one at hand, or one that `mint` brings. Callers of one image wait for one mint.
    pub(super) async fn get(
        &self,
        image: &ImageName,
        refused: Option<HeaderValue>,
        now: Timestamp,
        mint: impl Future<Output = Result<Token, RegistryError>>,
    ) -> Result<HeaderValue, RegistryError> {
        let place = self.place(image);
        let mut held = place.lock().await;
        if let Some(token) = held.as_ref().filter(|token| token.lasts(now) && refused.as_ref() != Some(&token.header)) {
            return Ok(token.header.clone());
        }
        *held = None;
        let token = mint.await?;
        let header = token.header.clone();
        *held = Some(token);
        Ok(header)
    }

    /// The header for an image, when one is at hand.
    pub(super) async fn at_hand(&self, image: &ImageName, now: Timestamp) -> Option<HeaderValue> {
        let place = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(image).map(Arc::clone)?;
        let held = place.lock().await;
        held.as_ref().filter(|token| token.lasts(now)).map(|token| token.header.clone())
    }

    fn place(&self, image: &ImageName) -> Place {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= MAX_TOKENS {
            // Places in use are held by their users too and stay.
            places.retain(|_, place| Arc::strong_count(place) > 1);
        }
        Arc::clone(places.entry(image.clone()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        let read = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(http::header::WWW_AUTHENTICATE, HeaderValue::from_static(text));
            challenge(&headers)
        };
        let bearer = |realm: &str, service: Option<&str>| {
            Some(Challenge::Bearer(Bearer { realm: realm.into(), service: service.map(str::to_owned) }))
        };
        assert_eq!(
            read(r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="a:b:pull,push""#),
            bearer("https://auth.docker.io/token", Some("registry.docker.io"))
        );
        assert_eq!(read(r#"bearer scope="a,b", realm=https://x/t"#), bearer("https://x/t", None));
        assert_eq!(read(r#"Basic realm="registry""#), Some(Challenge::Basic));
        for none in ["", "Bearer", "Bearer realm", "Negotiate", r#"Bearer service="x""#] {
            assert_eq!(read(none), None, "{none}");
        }
        assert_eq!(read(r#"Bearer realm="https://x/t"#), bearer("https://x/t", None));
    }

    #[test]
    fn t39_credentials_stay_in_the_registrys_domain() {
        for (registry, realm) in [
            ("ghcr.io", "ghcr.io"),
            ("registry-1.docker.io", "auth.docker.io"),
            ("registry.gitlab.com", "gitlab.com"),
            ("127.0.0.1", "127.0.0.1"),
        ] {
            assert!(is_of_one_domain(registry, realm), "{registry} {realm}");
        }
        for (registry, realm) in [
            ("ghcr.io", "evil.io"),
            ("ghcr.io", "io"),
            ("ghcr.io", "ghcr.io.evil.example"),
            ("registry.gitlab.com", "evilgitlab.com"),
            ("registry.gitlab.com", "com"),
            ("10.0.0.1", "11.0.0.1"),
            ("localhost", "evil"),
        ] {
            assert!(!is_of_one_domain(registry, realm), "{registry} {realm}");
        }
    }
}
