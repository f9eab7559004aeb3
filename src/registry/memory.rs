//! What is remembered between questions: answers for a moment, since when an image is missing, and who wants a pause.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::error::RegistryError;
use crate::model::image::{Digest, ImageName, ImageRef, ImageState, RegistryHost};

/// Several passes look at one promotion within seconds of each other; a tag seldom moves in a minute.
const FOUND_FOR: Duration = Duration::from_secs(60);
/// A digest names one image for ever; it can only be deleted.
const PINNED_FOR: Duration = Duration::from_secs(3600);
/// Shorter than the first pause of a promotion that waits for its image.
const MISSING_FOR: Duration = Duration::from_secs(10);
/// Whoever waits looks at least every quarter of an hour; what nobody asks for any more is forgotten after this.
const KEPT_FOR: Duration = Duration::from_secs(3600);
/// A host that does not answer keeps the next question from waiting as long.
const AWAY_FOR: Duration = Duration::from_secs(20);
/// Images of 1,000 applications in ten environments; each takes a few hundred bytes.
const CAPACITY: usize = 10_000;
/// Configurations list a few registries each.
const MAX_PAUSES: usize = 1_000;

type Key = (ImageName, ImageRef);

#[derive(Debug, Default)]
pub(super) struct Memory {
    seen: Mutex<HashMap<Key, (Timestamp, ImageState)>>,
    pauses: Mutex<HashMap<RegistryHost, (Timestamp, Timestamp, RegistryError)>>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether what was learnt at `at` counts for `lasts`; a clock that stepped back would keep it for as long as it stepped.
fn is_fresh(at: Timestamp, now: Timestamp, lasts: Duration) -> bool {
    at <= now && now < at + lasts
}

impl Memory {
    /// The answer of a moment ago.
    pub(super) fn known(&self, key: &Key, now: Timestamp) -> Option<ImageState> {
        let seen = lock(&self.seen);
        let (at, state) = seen.get(key)?;
        let lasts = match (state, &key.1) {
            (ImageState::Missing { .. }, _) => MISSING_FOR,
            (ImageState::Found(_), ImageRef::Tag(_)) => FOUND_FOR,
            (ImageState::Found(_), ImageRef::Digest(_)) => PINNED_FOR,
        };
        is_fresh(*at, now, lasts).then(|| state.clone())
    }

    /// Keeps an answer; what is missing is so since it was first missed.
    pub(super) fn remember(&self, key: Key, found: Option<Digest>, now: Timestamp) -> ImageState {
        let mut seen = lock(&self.seen);
        if seen.len() >= CAPACITY {
            seen.retain(|_, (at, _)| is_fresh(*at, now, KEPT_FOR));
        }
        if seen.len() >= CAPACITY {
            seen.clear();
        }
        let before = seen.get(&key).filter(|(at, _)| is_fresh(*at, now, KEPT_FOR));
        let state = match (found, before) {
            (Some(digest), _) => ImageState::Found(digest),
            (None, Some((_, ImageState::Missing { since }))) => ImageState::Missing { since: (*since).min(now) },
            (None, _) => ImageState::Missing { since: now },
        };
        seen.insert(key, (now, state.clone()));
        state
    }

    /// Why a registry is left alone for now.
    pub(super) fn is_paused(&self, host: &RegistryHost, now: Timestamp) -> Result<(), RegistryError> {
        match lock(&self.pauses).get(host) {
            Some((from, until, why)) if *from <= now && now < *until => Err(why.clone()),
            _ => Ok(()),
        }
    }

    /// Leaves a registry alone that asked for it, or that is away.
    pub(super) fn pause(&self, host: &RegistryHost, error: &RegistryError, now: Timestamp) {
        let until = error.paused_until.or_else(|| error.is_away.then(|| now + AWAY_FOR));
        let Some(until) = until else { return };
        let mut pauses = lock(&self.pauses);
        if pauses.len() >= MAX_PAUSES {
            pauses.retain(|_, (_, until, _)| now < *until);
        }
        if pauses.len() < MAX_PAUSES {
            pauses.insert(host.clone(), (now, until, error.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_so_since_it_was_first_missed() {
        let memory = Memory::default();
        let key: Key = ("ghcr.io/acme/shop".parse().unwrap(), ImageRef::Tag("v1".parse().unwrap()));
        let start: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let at = |seconds| start + Duration::from_secs(seconds);
        let missing = ImageState::Missing { since: start };
        assert_eq!(memory.remember(key.clone(), None, start), missing);
        assert_eq!(memory.known(&key, at(9)), Some(missing.clone()));
        assert_eq!(memory.known(&key, at(10)), None);
        assert_eq!(memory.remember(key.clone(), None, at(900)), missing);
        let digest: Digest = format!("sha256:{}", "a".repeat(64)).parse().unwrap();
        assert_eq!(memory.remember(key.clone(), Some(digest.clone()), at(930)), ImageState::Found(digest.clone()));
        assert_eq!(memory.known(&key, at(989)), Some(ImageState::Found(digest)));
        assert_eq!(memory.known(&key, at(990)), None);
        assert_eq!(memory.known(&key, start), None, "the clock stepped back");
        assert_eq!(memory.remember(key, None, at(1000)), ImageState::Missing { since: at(1000) });
    }

    #[test]
    fn a_registry_that_wants_a_pause_gets_one() {
        let (memory, now) = (Memory::default(), Timestamp::UNIX_EPOCH);
        let host: RegistryHost = "ghcr.io".parse().unwrap();
        let headers = |text: &'static str| {
            let mut headers = http::HeaderMap::new();
            headers.insert(http::header::RETRY_AFTER, http::HeaderValue::from_static(text));
            headers
        };
        let busy = RegistryError::busy(&host, &headers("30"), now);
        memory.pause(&host, &busy, now);
        assert_eq!(memory.is_paused(&host, now + Duration::from_secs(29)), Err(busy));
        assert_eq!(memory.is_paused(&host, now + Duration::from_secs(30)), Ok(()));
        assert_eq!(memory.is_paused(&"quay.io".parse().unwrap(), now), Ok(()));
        memory.pause(&host, &RegistryError::busy(&host, &headers("999999999"), now), now);
        assert_eq!(memory.is_paused(&host, now + Duration::from_secs(3600)), Ok(()), "nobody silences us for ever");
    }
}
