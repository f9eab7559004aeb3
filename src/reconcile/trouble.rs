//! The world's failures, and what each means for the key: try again, wait, or stop until something changes.

use std::time::Duration;

use jiff::Timestamp;

use crate::git::GitError;
use crate::github::{ApiError, Kind};
use crate::queue::{Outcome, QueueError};

/// Retries of what may pass by itself; with the back-off below that is about half an hour, after which the sweep takes over.
const MAX_ATTEMPTS: u32 = 10;
/// The first and the longest pause between attempts.
const PAUSE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));
/// A panic is a bug: once more in case the world changed, then leave it.
const MAX_PANICS: u32 = 2;

/// Why a pass did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// GitHub's API.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// A fetch or a repository.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The queue.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The right thing to do is to wait.
    #[error("{reason}")]
    Later {
        /// Until when.
        at: Timestamp,
        /// Why.
        reason: &'static str,
    },
    /// Ours.
    #[error("{0}")]
    Bug(&'static str),
}

impl Trouble {
    /// Waits until `at`.
    pub(super) fn later(at: Timestamp, reason: &'static str) -> Self {
        Trouble::Later { at, reason }
    }

    /// Something that cannot happen, did.
    pub(super) fn bug(what: &'static str) -> Self {
        Trouble::Bug(what)
    }

    /// What becomes of the key.
    pub(super) fn outcome(&self, attempt: u32, now: Timestamp) -> Outcome {
        let reason = self.to_string();
        match self {
            Trouble::Later { at, .. } => Outcome::Retry { at: *at, reason },
            Trouble::Api(error) => match error.kind {
                Kind::ThrottledUntil(at) => Outcome::Retry { at, reason },
                // Somebody was faster: look again at once, but not for ever.
                Kind::Conflict | Kind::Transient => back_off(attempt, now, reason),
                Kind::Denied | Kind::Gone | Kind::Invalid => Outcome::Parked { reason },
            },
            Trouble::Git(_) | Trouble::Queue(_) => back_off(attempt, now, reason),
            Trouble::Bug(_) => Outcome::Parked { reason },
        }
    }
}

/// What becomes of a key whose pass panicked.
pub(super) fn panicked(attempt: u32, now: Timestamp) -> Outcome {
    let reason = "the pass panicked; the log has the place".to_owned();
    if attempt >= MAX_PANICS { Outcome::Parked { reason } } else { back_off(attempt, now, reason) }
}

fn back_off(attempt: u32, now: Timestamp, reason: String) -> Outcome {
    if attempt >= MAX_ATTEMPTS {
        return Outcome::Parked { reason };
    }
    let pause = PAUSE.0.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(PAUSE.1);
    Outcome::Retry { at: now + pause, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let now = Timestamp::UNIX_EPOCH;
        let pause = |attempt| match back_off(attempt, now, String::new()) {
            Outcome::Retry { at, .. } => Some(at.duration_since(now).as_secs()),
            _ => None,
        };
        assert_eq!([1, 2, 3, 8, 9].map(pause), [Some(2), Some(4), Some(8), Some(256), Some(300)]);
        assert_eq!(pause(10), None);
        assert!(matches!(panicked(2, now), Outcome::Parked { .. }));
    }
}
