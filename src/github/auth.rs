//! Who we are to GitHub: App JWTs minted from our clock, and installation tokens: one for each repository and kind of work,
//! kept until shortly before its end, so that an hour of passes over one repository costs one of a kind.
//!
//! octocrab's own token handling cannot reduce permissions and asks ten times when ten calls start at once, so this is ours.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::calls::Access;
use super::error::{ApiError, Kind, Scope};
use crate::clock::Clock;

/// GitHub refuses a JWT issued in its future; a minute covers honest clocks.
const BACKDATED: SignedDuration = SignedDuration::from_secs(60);
/// GitHub allows ten minutes.
const JWT_LIFE: SignedDuration = SignedDuration::from_mins(9);
/// A token is not used for its last ten minutes, so that a long fetch ends with the token it began with.
const SPARE: SignedDuration = SignedDuration::from_mins(10);
/// Tokens kept; an hour's work of a large installation touches a few thousand repositories.
const MAX_TOKENS: usize = 10_000;

/// The App's identity.
pub(super) struct App {
    issuer: String,
    key: EncodingKey,
    clock: Clock,
}

#[derive(Serialize)]
struct Claims<'a> {
    iat: i64,
    exp: i64,
    iss: &'a str,
}

impl App {
    /// Reads the App's private key.
    pub(super) fn new(issuer: String, pem: &SecretString, clock: Clock) -> Result<Self, ApiError> {
        let key = EncodingKey::from_rsa_pem(pem.expose_secret().as_bytes()).map_err(|_| {
            let message =
                "the App's private key is not an RSA key in PEM form; download a new one from the App's settings";
            ApiError::new(Kind::Invalid, Scope::Global, message)
        })?;
        Ok(Self { issuer, key, clock })
    }

    /// A JWT that is valid now.
    pub(super) fn jwt(&self) -> Result<SecretString, ApiError> {
        let now = self.clock.now();
        let claims =
            Claims { iat: (now - BACKDATED).as_second(), exp: (now + JWT_LIFE).as_second(), iss: &self.issuer };
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key)
            .map(SecretString::from)
            .map_err(|_| ApiError::new(Kind::Invalid, Scope::Global, "the App's private key cannot sign"))
    }
}

/// Which token: an installation, one repository or all, and what it may do.
pub(super) type TokenKey = (u64, Option<u64>, Access);

/// A token and its end.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) secret: SecretString,
    pub(super) expires: Timestamp,
}

impl Token {
    /// Whether work that begins now may begin with it.
    fn lasts(&self, now: Timestamp) -> bool {
        now < self.expires - SPARE
    }
}

type Place = Arc<tokio::sync::Mutex<Option<Token>>>;

/// The tokens we hold, in memory only.
#[derive(Default)]
pub(super) struct Tokens(Mutex<HashMap<TokenKey, Place>>);

impl Tokens {
    /// The token for `key`: the one at hand, or a new one that `mint` brings. Callers of one key wait for one mint.
    pub(super) async fn get<F>(&self, key: TokenKey, now: Timestamp, mint: F) -> Result<SecretString, ApiError>
    where
        F: Future<Output = Result<Token, ApiError>>,
    {
        let place = self.place(key);
        let mut held = place.lock().await;
        if let Some(token) = held.as_ref().filter(|token| token.lasts(now)) {
            return Ok(token.secret.clone());
        }
        *held = None;
        let token = mint.await?;
        let secret = token.secret.clone();
        *held = Some(token);
        Ok(secret)
    }

    /// A token for `key` that is at hand; waits for a mint of it that is under way.
    pub(super) async fn at_hand(&self, key: TokenKey, now: Timestamp) -> Option<SecretString> {
        let place = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).map(Arc::clone)?;
        let held = place.lock().await;
        held.as_ref().filter(|token| token.lasts(now)).map(|token| token.secret.clone())
    }

    /// Forgets a token GitHub no longer accepts, unless somebody already brought another.
    pub(super) async fn drop_token(&self, key: TokenKey, refused: &SecretString) {
        let place = self.place(key);
        let mut held = place.lock().await;
        if held.as_ref().is_some_and(|token| token.secret.expose_secret() == refused.expose_secret()) {
            *held = None;
        }
    }

    fn place(&self, key: TokenKey) -> Place {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= MAX_TOKENS {
            // Places in use are held by their users too and stay.
            places.retain(|_, place| Arc::strong_count(place) > 1);
        }
        Arc::clone(places.entry(key).or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn ten_callers_share_one_mint_and_expired_tokens_go() {
        let tokens = Tokens::default();
        let minted = AtomicUsize::new(0);
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let mint = || async {
            tokio::task::yield_now().await;
            let n = minted.fetch_add(1, Ordering::SeqCst);
            Ok(Token { secret: format!("t{n}").into(), expires: now + SignedDuration::from_hours(1) })
        };
        let key = (1, Some(7), Access::Work);
        let all = futures_util::future::join_all((0..10).map(|_| tokens.get(key, now, mint()))).await;
        assert!(all.iter().all(|token| token.as_ref().unwrap().expose_secret() == "t0"));
        assert_eq!(tokens.get((2, Some(7), Access::Work), now, mint()).await.unwrap().expose_secret(), "t1");
        assert_eq!(tokens.get((1, Some(7), Access::Observe), now, mint()).await.unwrap().expose_secret(), "t2");
        let later = now + SignedDuration::from_mins(50);
        assert_eq!(tokens.get(key, later, mint()).await.unwrap().expose_secret(), "t3");
        tokens.drop_token(key, &"t0".into()).await;
        assert_eq!(tokens.get(key, now, mint()).await.unwrap().expose_secret(), "t3");
        tokens.drop_token(key, &"t3".into()).await;
        assert_eq!(tokens.get(key, now, mint()).await.unwrap().expose_secret(), "t4");
    }

    #[test]
    fn a_key_that_is_none_is_said_without_showing_it() {
        let pem = SecretString::from("-----BEGIN RSA PRIVATE KEY-----\nc2VjcmV0\n-----END RSA PRIVATE KEY-----");
        let error = App::new("1".into(), &pem, Clock::System).err().unwrap();
        assert!(!error.message.contains("c2VjcmV0"), "{error}");
    }
}
