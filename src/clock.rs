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
}

impl Clock {
    /// A clock that stands at `start`.
    pub fn manual(start: Timestamp) -> Self {
        Clock::Manual(Arc::new(AtomicI64::new(start.as_microsecond())))
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match self {
            Clock::System => Timestamp::now(),
            Clock::Manual(micros) => {
                Timestamp::from_microsecond(micros.load(Ordering::SeqCst)).unwrap_or(Timestamp::MAX)
            }
        }
    }

    /// Moves a manual clock forward; the system's clock does not listen.
    pub fn advance(&self, by: Duration) {
        if let Clock::Manual(micros) = self {
            micros.fetch_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX / 4), Ordering::SeqCst);
        }
    }
}
