//! The tables, and every statement that touches them. Each function runs inside the writer's transaction.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row, SqliteConnection};

use super::back;
use super::file::trouble;
use super::{
    Accepted, Delivery, Due, Lease, MAX_KEYS, MAX_NOTES, Note, Outcome, PATIENCE, QUIET, QueueError, REMEMBER,
    SAME_BODY, Stats, Wake,
};
use crate::clock::Clock;
use crate::model::id::{InstallationId, Key};

/// Claimed at once at most: what one machine works on in parallel, with room.
const MAX_CLAIM: usize = 256;

/// Rows looked at by one pruning, so that it never holds a group up.
const PRUNE: i64 = 1000;

/// Commands between two prunings; each takes up to 1,000 rows, so they leave faster than they come.
const PRUNE_EVERY: u32 = 256;

/// Deliveries remembered at most, whatever their age: a week of the largest organisation twice over, about 1 GB.
const MAX_DELIVERIES: i64 = 5_000_000;

/// The reason kept with a key, cut: it is shown to people, and may quote what a server said.
const MAX_REASON: usize = 500;

/// The connection and what the writer remembers between transactions.
pub(super) struct Store {
    connection: SqliteConnection,
    clock: Clock,
    /// Rows of `work` at most: every wake adds one, known or not, and a count corrects it when that matters.
    keys_at_most: u64,
    max_keys: u64,
    /// The installation that was served last; the next claim begins after it.
    turn: i64,
    until_prune: u32,
    /// When the last transaction was committed, and when this one began.
    latest: i64,
    began: i64,
}

impl Store {
    pub(super) fn new(connection: SqliteConnection, clock: Clock) -> Self {
        Self { connection, clock, keys_at_most: 0, max_keys: MAX_KEYS, turn: 0, until_prune: 0, latest: 0, began: 0 }
    }

    /// Frees every claim: the lock says that whoever made it is dead.
    pub(super) async fn recover(&mut self) -> Result<(), QueueError> {
        self.begin().await?;
        self.free_leases(i64::MAX).await?;
        back::bound(&mut self.connection, self.began).await?;
        self.prune().await?;
        self.commit().await?;
        self.count_keys().await
    }

    pub(super) async fn begin(&mut self) -> Result<(), QueueError> {
        self.run("BEGIN").await?;
        self.began = self.now();
        back::follow(&mut self.connection, self.latest, self.began).await
    }

    async fn run(&mut self, statement: &'static str) -> Result<(), QueueError> {
        sqlx::query(statement).execute(&mut self.connection).await.map_err(trouble)?;
        Ok(())
    }

    pub(super) async fn commit(&mut self) -> Result<(), QueueError> {
        self.run("COMMIT").await?;
        self.latest = self.began;
        Ok(())
    }

    /// Undoes the transaction, as far as SQLite has not done so itself.
    pub(super) async fn roll_back(&mut self) {
        // Fails when the failed commit already ended the transaction; then there is nothing to undo.
        let _already_ended = self.run("ROLLBACK").await;
        if let Err(error) = self.count_keys().await {
            tracing::error!(%error, "the queue's file cannot be read");
        }
    }

    pub(super) async fn close(self) -> Result<(), QueueError> {
        self.connection.close().await.map_err(trouble)
    }

    pub(super) async fn accept(&mut self, delivery: Delivery) -> Result<Accepted, QueueError> {
        if self.is_full_for(delivery.wakes.len()).await? {
            return Err(QueueError::Full);
        }
        self.prune_now_and_then().await?;
        let new = sqlx::query(
            "INSERT INTO delivery (app, guid, body, event, received) SELECT ?1, ?2, ?3, ?4, ?5
             WHERE NOT EXISTS (SELECT 1 FROM delivery WHERE app = ?1 AND body = ?3 AND received > ?6)
             ON CONFLICT DO NOTHING",
        )
        .bind(delivery.app.cast_signed())
        .bind(delivery.guid)
        .bind(delivery.body_sha256.to_vec())
        .bind(delivery.event)
        .bind(self.now())
        .bind(self.now().saturating_sub(span(SAME_BODY)))
        .execute(&mut self.connection)
        .await
        .map_err(trouble)?;
        if new.rows_affected() == 0 {
            return Ok(Accepted::Duplicate);
        }
        for wake in delivery.wakes {
            self.debounce(&wake).await?;
            self.take_note(wake).await?;
        }
        Ok(Accepted::New)
    }

    pub(super) async fn wake(&mut self, wakes: Vec<(Wake, Timestamp)>) -> Result<(), QueueError> {
        if self.is_full_for(wakes.len()).await? {
            return Err(QueueError::Full);
        }
        for (wake, not_before) in wakes {
            sqlx::query(
                "INSERT INTO work (key, installation, sweep_at, last_wake) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (key) DO UPDATE SET installation = excluded.installation, last_wake = excluded.last_wake,
                   sweep_at = min(ifnull(sweep_at, excluded.sweep_at), excluded.sweep_at)",
            )
            .bind(wake.key.to_string())
            .bind(wake.installation.0.cast_signed())
            .bind(micros(not_before))
            .bind(self.now())
            .execute(&mut self.connection)
            .await
            .map_err(trouble)?;
            self.take_note(wake).await?;
        }
        Ok(())
    }

    pub(super) async fn claim(&mut self, max: usize, lease: Duration) -> Result<Vec<Lease>, QueueError> {
        let now = self.now();
        self.free_leases(now).await?;
        let max = max.min(MAX_CLAIM);
        // In turns, beginning after whoever was served last: a flood of one delays another by no more than a turn.
        let mut waiting = self.installations(self.turn, i64::MAX, max).await?;
        if waiting.len() < max {
            waiting.extend(self.installations(i64::MIN, self.turn, max - waiting.len()).await?);
        }
        let mut offers = Vec::with_capacity(waiting.len());
        let each = if waiting.len() < max { max } else { 1 };
        for installation in waiting {
            offers.push((installation, self.most_urgent(installation, each).await?.into_iter()));
        }
        let until = now.saturating_add(span(lease));
        let mut leases = Vec::with_capacity(max);
        while !offers.is_empty() && leases.len() < max {
            let mut left = Vec::with_capacity(offers.len());
            for (installation, mut keys) in offers {
                let Some(key) = keys.next().filter(|_| leases.len() < max) else { continue };
                leases.extend(self.lease(key, installation, until).await?);
                self.turn = installation;
                left.push((installation, keys));
            }
            offers = left;
        }
        Ok(leases)
    }

    /// Installations with something due, between two of them, found by skipping through the index: the cost is that of
    /// the installations, not of the keys that wait.
    async fn installations(&mut self, after: i64, to: i64, max: usize) -> Result<Vec<i64>, QueueError> {
        let rows = sqlx::query(
            "WITH RECURSIVE one (installation) AS (
               SELECT min(installation) FROM work WHERE token IS NULL AND installation > ?1
               UNION ALL
               SELECT (SELECT min(installation) FROM work WHERE token IS NULL AND installation > one.installation)
               FROM one WHERE one.installation < ?2
             )
             SELECT installation FROM one WHERE installation <= ?2 AND EXISTS (
               SELECT 1 FROM work AS d WHERE d.token IS NULL AND d.installation = one.installation AND d.run_at <= ?3)
             LIMIT ?4",
        )
        .bind(after)
        .bind(to)
        .bind(self.now())
        .bind(i64::try_from(max).unwrap_or_default())
        .fetch_all(&mut self.connection)
        .await
        .map_err(trouble)?;
        rows.iter().map(|row| get(row, 0)).collect()
    }

    async fn most_urgent(&mut self, installation: i64, max: usize) -> Result<Vec<String>, QueueError> {
        let rows = sqlx::query(
            "SELECT key FROM work WHERE token IS NULL AND installation = ?1 AND run_at <= ?2 ORDER BY run_at LIMIT ?3",
        )
        .bind(installation)
        .bind(self.now())
        .bind(i64::try_from(max).unwrap_or_default())
        .fetch_all(&mut self.connection)
        .await
        .map_err(trouble)?;
        rows.iter().map(|row| get(row, 0)).collect()
    }

    /// Hands one key out. The wakes and timers that are due are absorbed by this pass; later ones stay.
    async fn lease(&mut self, key: String, installation: i64, until: i64) -> Result<Option<Lease>, QueueError> {
        let token = uuid::Uuid::new_v4().as_u64_pair().0.cast_signed();
        let row = sqlx::query(
            "UPDATE work SET token = ?2, lease_until = ?3, first_wake = NULL, wake_at = NULL, retry_at = NULL,
               last_wake = CASE WHEN retry_at IS NULL AND ifnull(look_at, ?4 + 1) > ?4 THEN last_wake END,
               sweep_at = CASE WHEN sweep_at > ?4 THEN sweep_at END, look_at = CASE WHEN look_at > ?4 THEN look_at END,
               attempt = CASE WHEN parked_at IS NULL THEN attempt + 1 ELSE 1 END, parked_at = NULL
             WHERE key = ?1 RETURNING attempt, last_wake",
        )
        .bind(&key)
        .bind(token)
        .bind(until)
        .bind(self.now())
        .fetch_one(&mut self.connection)
        .await
        .map_err(trouble)?;
        let attempt: i64 = get(&row, 0)?;
        let asked: Option<i64> = get(&row, 1)?;
        let Ok(known) = key.parse::<Key>() else {
            // Only another program can have written it; leaving it leased would keep it for ever.
            tracing::error!(key, "the queue's file holds a key that is none; it is dropped");
            let drop_it = sqlx::query("DELETE FROM work WHERE key = ?1").bind(&key);
            drop_it.execute(&mut self.connection).await.map_err(trouble)?;
            return Ok(None);
        };
        let (notes, upto) = self.notes(&key).await?;
        let installation = InstallationId(installation.cast_unsigned());
        let attempt = u32::try_from(attempt).unwrap_or(u32::MAX);
        let asked_at = Timestamp::from_microsecond(asked.unwrap_or(self.now())).unwrap_or(Timestamp::MAX);
        Ok(Some(Lease { key: known, installation, notes, asked_at, attempt, token, upto }))
    }

    async fn notes(&mut self, key: &str) -> Result<(Vec<Note>, i64), QueueError> {
        let rows = sqlx::query("SELECT id, body FROM note WHERE key = ?1 ORDER BY id")
            .bind(key)
            .fetch_all(&mut self.connection)
            .await
            .map_err(trouble)?;
        let mut notes = Vec::with_capacity(rows.len());
        let mut upto = 0;
        for row in rows {
            upto = get(&row, 0)?;
            let body: String = get(&row, 1)?;
            match serde_json::from_str(&body) {
                Ok(note) => notes.push(note),
                Err(error) => {
                    tracing::error!(key, %error, "the queue's file holds a note that is none; it is passed over")
                }
            }
        }
        Ok((notes, upto))
    }

    pub(super) async fn finish(&mut self, lease: Lease, outcome: Outcome) -> Result<(), QueueError> {
        let key = lease.key.to_string();
        let done = matches!(outcome, Outcome::Done { .. });
        let now = self.now();
        let cut = |reason: String| reason.chars().take(MAX_REASON).collect::<String>();
        let query = match outcome {
            Outcome::Done { look_again_at } => sqlx::query(
                "UPDATE work SET token = NULL, lease_until = NULL, attempt = 0, reason = NULL, look_at = ?3
                 WHERE key = ?1 AND token = ?2",
            )
            .bind(&key)
            .bind(lease.token)
            .bind(look_again_at.map(micros)),
            Outcome::Retry { at, reason } => sqlx::query(
                "UPDATE work SET token = NULL, lease_until = NULL, retry_at = ?3, reason = ?4 WHERE key = ?1 AND token = ?2",
            )
            .bind(&key)
            .bind(lease.token)
            .bind(micros(at))
            .bind(cut(reason)),
            Outcome::Parked { reason } => sqlx::query(
                "UPDATE work SET token = NULL, lease_until = NULL, parked_at = ?3, reason = ?4 WHERE key = ?1 AND token = ?2",
            )
            .bind(&key)
            .bind(lease.token)
            .bind(now)
            .bind(cut(reason)),
        };
        if query.execute(&mut self.connection).await.map_err(trouble)?.rows_affected() == 0 {
            return Err(QueueError::LeaseLost(lease.key));
        }
        if done { self.forget(&key, lease.upto).await } else { Ok(()) }
    }

    /// Drops the notes a done pass has used, and the key when nothing is left to do.
    async fn forget(&mut self, key: &str, upto: i64) -> Result<(), QueueError> {
        sqlx::query("DELETE FROM note WHERE key = ?1 AND id <= ?2")
            .bind(key)
            .bind(upto)
            .execute(&mut self.connection)
            .await
            .map_err(trouble)?;
        let gone = sqlx::query("DELETE FROM work WHERE key = ?1 AND run_at IS NULL")
            .bind(key)
            .execute(&mut self.connection)
            .await
            .map_err(trouble)?;
        self.keys_at_most = self.keys_at_most.saturating_sub(gone.rows_affected());
        Ok(())
    }

    pub(super) async fn next_due(&mut self) -> Result<Option<(Timestamp, Due)>, QueueError> {
        let soon = self.next_soon().await?;
        let any = self.earliest("SELECT min(run_at) FROM work WHERE token IS NULL").await?;
        Ok(match (soon, any) {
            (Some(soon), Some(any)) if any < soon => Some((any, Due::Later)),
            (Some(soon), _) => Some((soon, Due::Soon)),
            (None, any) => any.map(|any| (any, Due::Later)),
        })
    }

    pub(super) async fn next_soon(&mut self) -> Result<Option<Timestamp>, QueueError> {
        let soon = self.earliest("SELECT min(soon_at) FROM work WHERE token IS NULL").await?;
        let lease = self.earliest("SELECT min(lease_until) FROM work WHERE token IS NOT NULL").await?;
        Ok(soon.into_iter().chain(lease).min())
    }

    async fn earliest(&mut self, query: &'static str) -> Result<Option<Timestamp>, QueueError> {
        let row = sqlx::query(query).fetch_one(&mut self.connection).await.map_err(trouble)?;
        let at: Option<i64> = get(&row, 0)?;
        Ok(at.map(|at| Timestamp::from_microsecond(at).unwrap_or(Timestamp::MAX)))
    }

    pub(super) async fn stats(&mut self) -> Result<Stats, QueueError> {
        let now = self.now();
        let row = sqlx::query(
            "SELECT count(*) FILTER (WHERE token IS NULL AND run_at IS NOT NULL),
               count(*) FILTER (WHERE token IS NULL AND run_at <= ?1),
               count(*) FILTER (WHERE token IS NOT NULL),
               count(*) FILTER (WHERE token IS NULL AND run_at IS NULL),
               (SELECT count(*) FROM note),
               min(run_at) FILTER (WHERE token IS NULL)
             FROM work",
        )
        .bind(now)
        .fetch_one(&mut self.connection)
        .await
        .map_err(trouble)?;
        let count = |at| get::<i64>(&row, at).map(i64::cast_unsigned);
        let oldest = get::<Option<i64>>(&row, 5)?.map_or(0, |at| now.saturating_sub(at).max(0));
        Ok(Stats {
            waiting: count(0)?,
            due: count(1)?,
            leased: count(2)?,
            parked: count(3)?,
            notes: count(4)?,
            oldest_due: Duration::from_micros(oldest.cast_unsigned()),
        })
    }

    pub(super) async fn probe(&mut self) -> Result<(), QueueError> {
        sqlx::query("INSERT INTO probe (id, at) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET at = excluded.at")
            .bind(self.now())
            .execute(&mut self.connection)
            .await
            .map_err(trouble)?;
        Ok(())
    }

    /// A delivery's wake: it waits for the burst to end, but never longer than the first of the burst allows.
    async fn debounce(&mut self, wake: &Wake) -> Result<(), QueueError> {
        let now = self.now();
        sqlx::query(
            "INSERT INTO work (key, installation, first_wake, last_wake, wake_at) VALUES (?1, ?2, ?3, ?3, ?3 + ?4)
             ON CONFLICT (key) DO UPDATE SET installation = excluded.installation, last_wake = excluded.last_wake,
               first_wake = ifnull(first_wake, excluded.first_wake),
               wake_at = min(ifnull(first_wake, excluded.first_wake) + ?5, excluded.wake_at)",
        )
        .bind(wake.key.to_string())
        .bind(wake.installation.0.cast_signed())
        .bind(now)
        .bind(span(QUIET))
        .bind(span(PATIENCE))
        .execute(&mut self.connection)
        .await
        .map_err(trouble)?;
        Ok(())
    }

    async fn take_note(&mut self, wake: Wake) -> Result<(), QueueError> {
        let Some(note) = wake.note else { return Ok(()) };
        let body = serde_json::to_string(&note).map_err(|error| QueueError::Store(error.to_string()))?;
        let key = wake.key.to_string();
        sqlx::query("INSERT INTO note (key, body) VALUES (?1, ?2)")
            .bind(&key)
            .bind(body)
            .execute(&mut self.connection)
            .await
            .map_err(trouble)?;
        sqlx::query(
            "DELETE FROM note WHERE key = ?1
             AND id <= (SELECT id FROM note WHERE key = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
        )
        .bind(&key)
        .bind(i64::from(MAX_NOTES))
        .execute(&mut self.connection)
        .await
        .map_err(trouble)?;
        Ok(())
    }

    /// Whether these wakes could bring more keys than may wait; counts only when the bound says that it might be so.
    async fn is_full_for(&mut self, wakes: usize) -> Result<bool, QueueError> {
        let wakes = wakes as u64;
        if self.keys_at_most + wakes > self.max_keys {
            self.count_keys().await?;
        }
        let full = self.keys_at_most + wakes > self.max_keys;
        self.keys_at_most += if full { 0 } else { wakes };
        Ok(full)
    }

    async fn count_keys(&mut self) -> Result<(), QueueError> {
        let row = sqlx::query("SELECT count(*) FROM work").fetch_one(&mut self.connection).await.map_err(trouble)?;
        self.keys_at_most = get::<i64>(&row, 0)?.cast_unsigned();
        Ok(())
    }

    /// Ends the claims that ran out by `until`; what they had absorbed is due again at once.
    async fn free_leases(&mut self, until: i64) -> Result<(), QueueError> {
        let freed = sqlx::query(
            "UPDATE work SET token = NULL, lease_until = NULL, retry_at = ?2 WHERE token IS NOT NULL AND lease_until <= ?1",
        )
        .bind(until)
        .bind(self.now())
        .execute(&mut self.connection)
        .await
        .map_err(trouble)?;
        if freed.rows_affected() > 0 {
            tracing::warn!(keys = freed.rows_affected(), "passes that did not end are begun again");
        }
        Ok(())
    }

    async fn prune_now_and_then(&mut self) -> Result<(), QueueError> {
        self.until_prune = self.until_prune.checked_sub(1).unwrap_or(PRUNE_EVERY);
        if self.until_prune == 0 { self.prune().await } else { Ok(()) }
    }

    /// Forgets deliveries after a week, and keys that were parked for as long and hold no note.
    async fn prune(&mut self) -> Result<(), QueueError> {
        let before = self.now().saturating_sub(span(REMEMBER));
        sqlx::query(
            "DELETE FROM delivery WHERE id IN (
               SELECT id FROM (SELECT id, received FROM delivery ORDER BY id LIMIT ?1)
               WHERE received < ?2 OR id <= (SELECT max(id) FROM delivery) - ?3)",
        )
        .bind(PRUNE)
        .bind(before)
        .bind(MAX_DELIVERIES)
        .execute(&mut self.connection)
        .await
        .map_err(trouble)?;
        let parked = sqlx::query(
            "DELETE FROM work WHERE key IN (
               SELECT key FROM work WHERE parked_at < ?2 AND run_at IS NULL AND token IS NULL
                 AND NOT EXISTS (SELECT 1 FROM note WHERE note.key = work.key) LIMIT ?1)",
        )
        .bind(PRUNE)
        .bind(before)
        .execute(&mut self.connection)
        .await
        .map_err(trouble)?;
        self.keys_at_most = self.keys_at_most.saturating_sub(parked.rows_affected());
        Ok(())
    }

    fn now(&self) -> i64 {
        micros(self.clock.now())
    }
}

fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

pub(super) fn span(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn get<'r, T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>>(
    row: &'r SqliteRow,
    at: usize,
) -> Result<T, QueueError> {
    row.try_get(at).map_err(trouble)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::RepoId;

    #[tokio::test]
    async fn t10_a_full_queue_refuses_and_frees_itself() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let mut store = crate::queue::file::in_memory(clock.clone()).await.unwrap();
        store.max_keys = 2;
        let delivery = |n: u8| Delivery {
            app: 1,
            guid: n.to_string(),
            body_sha256: [n; 32],
            event: "push".into(),
            wakes: vec![Wake { key: Key::Repo(RepoId(u64::from(n))), installation: InstallationId(1), note: None }],
        };
        assert_eq!(store.accept(delivery(1)).await, Ok(Accepted::New));
        assert_eq!(store.accept(delivery(2)).await, Ok(Accepted::New));
        assert_eq!(store.accept(delivery(3)).await, Err(QueueError::Full));
        clock.advance(QUIET);
        let lease = store.claim(1, QUIET).await.unwrap().remove(0);
        store.finish(lease, Outcome::Done { look_again_at: None }).await.unwrap();
        assert_eq!(store.accept(delivery(3)).await, Ok(Accepted::New), "what was refused was not remembered");
    }

    #[tokio::test]
    async fn t3_deliveries_are_forgotten_after_a_week() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let mut store = crate::queue::file::in_memory(clock.clone()).await.unwrap();
        let delivery = Delivery { app: 1, guid: "a".into(), body_sha256: [1; 32], event: "push".into(), wakes: vec![] };
        assert_eq!(store.accept(delivery.clone()).await, Ok(Accepted::New));
        clock.advance(REMEMBER);
        store.prune().await.unwrap();
        assert_eq!(store.accept(delivery.clone()).await, Ok(Accepted::Duplicate));
        clock.advance(Duration::from_secs(1));
        store.prune().await.unwrap();
        assert_eq!(store.accept(delivery).await, Ok(Accepted::New));
    }

    fn step_back(clock: &Clock, by: Duration) {
        if let Clock::Manual(micros) = clock {
            micros.fetch_sub(span(by), std::sync::atomic::Ordering::SeqCst);
        }
    }

    /// Claims in a transaction of its own, as the writer does.
    async fn claim(store: &mut Store) -> Vec<Lease> {
        store.begin().await.unwrap();
        let leases = store.claim(1, QUIET).await.unwrap();
        store.commit().await.unwrap();
        leases
    }

    async fn with_one_wake(clock: &Clock) -> Store {
        let mut store = crate::queue::file::in_memory(clock.clone()).await.unwrap();
        let wake = Wake { key: Key::Repo(RepoId(1)), installation: InstallationId(1), note: None };
        let (guid, event) = ("a".to_owned(), "push".to_owned());
        let delivery = Delivery { app: 1, guid, body_sha256: [1; 32], event, wakes: vec![wake] };
        store.begin().await.unwrap();
        assert_eq!(store.accept(delivery).await, Ok(Accepted::New));
        store.commit().await.unwrap();
        store
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn what_waits_steps_back_with_the_clock() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH + 10 * HOUR);
        let mut store = with_one_wake(&clock).await;
        step_back(&clock, HOUR);
        assert_eq!(claim(&mut store).await, [], "the burst is not over");
        clock.advance(QUIET);
        let lease = claim(&mut store).await.remove(0);
        let retry = Outcome::Retry { at: clock.now() + QUIET, reason: String::new() };
        store.finish(lease, retry).await.unwrap();
        step_back(&clock, HOUR);
        assert_eq!(claim(&mut store).await, [], "the pause is not over");
        clock.advance(QUIET);
        let lease = claim(&mut store).await.remove(0);
        step_back(&clock, HOUR);
        assert_eq!(claim(&mut store).await, [], "the lease holds");
        clock.advance(QUIET);
        assert_eq!(claim(&mut store).await[0].key, lease.key);
    }

    #[tokio::test]
    async fn a_clock_that_stepped_back_between_two_starts_delays_nothing_for_long() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH + 10 * HOUR);
        let mut store = with_one_wake(&clock).await;
        // A new process remembers nothing.
        store.latest = 0;
        step_back(&clock, 5 * HOUR);
        store.recover().await.unwrap();
        clock.advance(PATIENCE);
        assert_eq!(claim(&mut store).await.len(), 1);
    }
}
