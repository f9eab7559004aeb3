//! GitHub's signature: HMAC-SHA256 over the raw body, under one of the secrets we know.

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// Shorter secrets can be guessed offline from one signed body.
const MIN_SECRET: usize = 16;

/// Two are enough for a rotation; the others are for the person who forgot the last one.
const MAX_SECRETS: usize = 4;

/// GitHub's header; the older SHA-1 one is not looked at.
const HEADER: &str = "x-hub-signature-256";

/// The secrets a delivery may be signed with, each with a label for the metric that tells when the old one is unused.
#[derive(Debug)]
pub struct Secrets(Vec<(String, SecretString)>);

/// Why secrets cannot be used; whoever read them adds which setting they came from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSecrets {
    /// Without a secret anybody could send deliveries.
    #[error("no webhook secret is set")]
    None,
    /// Too short.
    #[error("webhook secret {0} has fewer than {MIN_SECRET} bytes")]
    Short(String),
    /// Too many.
    #[error("more than {MAX_SECRETS} webhook secrets are set; remove those GitHub no longer uses")]
    Many,
}

impl Secrets {
    /// Takes labelled secrets, the current one first.
    ///
    /// # Errors
    /// When there is none, too many, or a short one.
    pub fn new(secrets: Vec<(String, SecretString)>) -> Result<Self, BadSecrets> {
        if secrets.is_empty() {
            return Err(BadSecrets::None);
        }
        if secrets.len() > MAX_SECRETS {
            return Err(BadSecrets::Many);
        }
        match secrets.iter().find(|(_, secret)| secret.expose_secret().len() < MIN_SECRET) {
            Some((label, _)) => Err(BadSecrets::Short(label.clone())),
            None => Ok(Self(secrets)),
        }
    }

    /// The label of the secret that signed `body`, if one did. Every secret is tried and compared in constant time, so
    /// that the answer's time tells nothing.
    pub fn signer(&self, mac: &[u8; 32], body: &[u8]) -> Option<&str> {
        let mut signer = None;
        for (label, secret) in &self.0 {
            // HMAC takes keys of any length; there is no error to meet.
            let Ok(hmac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else { continue };
            if hmac.chain_update(body).verify_slice(mac).is_ok() {
                signer = signer.or(Some(label.as_str()));
            }
        }
        signer
    }
}

/// The signature in the headers, when there is exactly one and it is written as GitHub writes it.
pub fn signature(headers: &HeaderMap) -> Option<[u8; 32]> {
    let mut values = headers.get_all(HEADER).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let hex = value.as_bytes().strip_prefix(b"sha256=")?;
    if hex.len() != 64 {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut mac = [0; 32];
    for (byte, pair) in mac.iter_mut().zip(hex.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(mac)
}

/// Signs a body as GitHub would, with the header's prefix; for those who play GitHub.
pub fn sign(secret: &SecretString, body: &[u8]) -> String {
    let Ok(hmac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else { return String::new() };
    let mac = hmac.chain_update(body).finalize().into_bytes();
    mac.iter().fold("sha256=".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(texts: &[&str]) -> Result<Secrets, BadSecrets> {
        Secrets::new(texts.iter().enumerate().map(|(n, text)| ((n + 1).to_string(), (*text).into())).collect())
    }

    #[test]
    fn githubs_own_example_verifies() {
        // From GitHub's page on validating deliveries.
        let known = secrets(&["It's a Secret to Everybody"]).unwrap();
        let value = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let headers = HeaderMap::from_iter([(HEADER.parse().unwrap(), value.parse().unwrap())]);
        assert_eq!(known.signer(&signature(&headers).unwrap(), b"Hello, World!"), Some("1"));
        assert_eq!(known.signer(&signature(&headers).unwrap(), b"Hello, World"), None);
        assert_eq!(sign(&"It's a Secret to Everybody".into(), b"Hello, World!"), value);
    }

    #[test]
    fn t1_weak_secrets_are_refused() {
        assert_eq!(secrets(&[]).unwrap_err(), BadSecrets::None);
        assert_eq!(secrets(&["0123456789abcdef", ""]).unwrap_err(), BadSecrets::Short("2".into()));
        assert_eq!(secrets(&["0123456789abcde"]).unwrap_err().to_string(), "webhook secret 1 has fewer than 16 bytes");
        assert_eq!(secrets(&["0123456789abcdef"; 5]).unwrap_err(), BadSecrets::Many);
    }

    #[test]
    fn t39_debug_tells_nothing() {
        assert!(!format!("{:?}", secrets(&["0123456789abcdef"])).contains("0123456789"));
    }
}
