//! The one clock: the system's, or one that tests and the sandbox move by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

/// Tells the time. A manual clock stands still until it is advanced; tokio's own clock is never paused.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The system's time.
    System,
    /// Microseconds since the epoch, moved by hand and shared by all clones.
    Manual(Arc<AtomicI64>),
    /// The system's time and what was added to it by hand, in microseconds, shared by all clones.
    Shifted(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `start`.
    pub fn manual(start: Timestamp) -> Self {
        Clock::Manual(Arc::new(AtomicI64::new(start.as_microsecond())))
    }

    /// The system's clock, which can be moved forward by hand.
    pub fn shifted() -> Self {
        Clock::Shifted(Arc::default())
    }

    /// Whether it can be moved by hand.
    pub fn is_movable(&self) -> bool {
        !matches!(self, Clock::System)
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match self {
            Clock::System => Timestamp::now(),
            Clock::Shifted(added) => {
                let added = jiff::SignedDuration::from_micros(added.load(Ordering::SeqCst));
                Timestamp::now().saturating_add(added).unwrap_or(Timestamp::MAX)
            }
            Clock::Manual(micros) => {
                Timestamp::from_microsecond(micros.load(Ordering::SeqCst)).unwrap_or(Timestamp::MAX)
            }
        }
    }

    /// Moves the clock forward by hand; the system's clock does not listen.
    pub fn advance(&self, by: Duration) {
        if let Clock::Manual(micros) | Clock::Shifted(micros) = self {
            micros.fetch_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX / 4), Ordering::SeqCst);
        }
    }
}
