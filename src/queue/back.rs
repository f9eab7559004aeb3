//! A clock that steps back, as one does that was wrong until it found its time server.
//!
//! Waits are stored as moments. Without this a wake of two seconds, stored by a clock an hour ahead, would wait an hour longer.
//! Promised looks are about the time of day, so they stay.

use std::time::Duration;

use sqlx::SqliteConnection;

use super::file::trouble;
use super::store::span;
use super::{PATIENCE, QueueError};

/// Smaller steps are a clock being slewed; what they add to a wait is not worth a write.
const SLACK: Duration = Duration::from_secs(1);

/// The longest pause that is asked for: until GitHub's hour of requests is over.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// Moves every wait as far back as the clock went.
pub(super) async fn follow(connection: &mut SqliteConnection, latest: i64, now: i64) -> Result<(), QueueError> {
    let back = latest.saturating_sub(now);
    if back < span(SLACK) {
        return Ok(());
    }
    tracing::warn!(back = ?Duration::from_micros(back.cast_unsigned()), "the clock stepped back; what waits goes with it");
    sqlx::query(
        "UPDATE work SET first_wake = first_wake - ?1, wake_at = wake_at - ?1, retry_at = retry_at - ?1,
           sweep_at = sweep_at - ?1, lease_until = lease_until - ?1",
    )
    .bind(back)
    .execute(connection)
    .await
    .map_err(trouble)?;
    Ok(())
}

/// Cuts waits that no clock as right as this one can have meant: it may have stepped back while nobody ran.
pub(super) async fn bound(connection: &mut SqliteConnection, now: i64) -> Result<(), QueueError> {
    sqlx::query(
        "UPDATE work SET first_wake = min(first_wake, ?1), wake_at = min(wake_at, ?1 + ?2), retry_at = min(retry_at, ?1 + ?3)
         WHERE wake_at > ?1 + ?2 OR retry_at > ?1 + ?3",
    )
    .bind(now)
    .bind(span(PATIENCE))
    .bind(span(LONGEST_PAUSE))
    .execute(connection)
    .await
    .map_err(trouble)?;
    Ok(())
}
