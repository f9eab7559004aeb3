//! Durable wakes and timers.
//!
//! A delivery is durable before it is acknowledged, a key that already waits absorbs further wakes, and one key is worked
//! on by one pass at a time. What is stored is which key to look at and when, plus the few facts only a delivery knows;
//! everything else is observed again. So the file is disposable: lose it, sweep, and nothing of value is gone.
//!
//! One task owns the one SQLite connection and commits up to 256 commands at once, because the sync is the cost and lock
//! fights between writers are the latency (`reliability.md`, section 3.2).

mod back;
mod file;
mod schema;
mod store;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::clock::Clock;
use crate::model::id::{InstallationId, Key, Oid};

use writer::{Command, Reply};

/// A wake waits this long for the burst it belongs to: GitHub sends five to ten deliveries for one push.
pub const QUIET: Duration = Duration::from_secs(2);

/// The longest a burst can hold a key back, so that a busy pull request is still looked at.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The most keys that wait at once: 5,000 repositories with 40 open keys each. Beyond it the receiver answers 503, and
/// the sweep finds what GitHub then recorded as failed.
pub const MAX_KEYS: u64 = 200_000;

/// The most notes a key keeps: one push announces at most three tags, so this is eighty pushes of tags between two passes.
/// Older ones go first; a pusher we no longer know costs a second approver, never safety.
pub const MAX_NOTES: u32 = 256;

/// How long a delivery's id and hash are remembered: GitHub redelivers for three days, and a week leaves room.
pub const REMEMBER: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long a body counts as the same delivery under any GUID. The GUID is not signed, so who has caught one signed body can send
/// it again under fresh ones; they get one look per key in this time. Not longer, because two honest events may be alike to the
/// byte (a check re-run twice), and the second is a wake of its own.
pub const SAME_BODY: Duration = Duration::from_secs(10 * 60);

/// Commands waiting for the writer: four full groups; more means the disk is too slow, and the sender should know.
const MAX_COMMANDS: usize = 1024;

/// A key to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wake {
    /// What to look at.
    pub key: Key,
    /// Whose token reaches it.
    pub installation: InstallationId,
    /// What cannot be observed later, if anything.
    pub note: Option<Note>,
}

/// What a delivery alone knows and nothing else can tell later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "note")]
pub enum Note {
    /// A tag was created or moved; for a lightweight tag no git object says by whom.
    TagPushed {
        /// The tag, without `refs/tags/`.
        tag: String,
        /// What it points to: a commit, or the object of an annotated tag.
        commit_or_object: Oid,
        /// The login of who pushed it.
        pusher: String,
    },
}

/// One webhook delivery, reduced to what is kept of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The App it was sent to: GitHub gives two Apps the same GUID for one event.
    pub app: u64,
    /// GitHub's id of the delivery; a redelivery carries the same.
    pub guid: String,
    /// The hash of the signed body: the GUID is not signed, so a replay may bring a fresh one.
    pub body_sha256: [u8; 32],
    /// The event's name, for the log of deliveries.
    pub event: String,
    /// The keys it wakes.
    pub wakes: Vec<Wake>,
}

/// Whether a delivery was the first of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// It is stored, and its keys are awake.
    New,
    /// It was here before, by GUID, or by body within [`SAME_BODY`]; nothing changed.
    Duplicate,
}

/// The right to work on a key until the lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What to look at.
    pub key: Key,
    /// Whose token reaches it.
    pub installation: InstallationId,
    /// What deliveries told that nothing else can, oldest first.
    pub notes: Vec<Note>,
    /// When it was asked for last, and for timers and retries when it was claimed: a read begun after this shows why.
    pub asked_at: Timestamp,
    /// Which pass this is since the last that was done, from 1.
    pub attempt: u32,
    /// Which claim this is; a later claim of the same key fences this one off.
    pub token: i64,
    /// The newest note handed out; what came later stays.
    upto: i64,
}

/// How a pass ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The plan is empty; the notes were used.
    Done {
        /// When time alone may change the answer.
        look_again_at: Option<Timestamp>,
    },
    /// Something failed that may work later.
    Retry {
        /// When.
        at: Timestamp,
        /// What failed, in words.
        reason: String,
    },
    /// It will not work until something changes: a wake, or a look that was promised earlier, rouses it.
    Parked {
        /// What failed, in words.
        reason: String,
    },
}

/// Which kind of timer comes next; tests settle the first and never run into the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// A debounce, a back-off or the end of a lease.
    Soon,
    /// A look that was promised, or a sweep spread over time.
    Later,
}

/// The queue in figures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Keys with a wake or a timer that no pass holds.
    pub waiting: u64,
    /// Those of them that are due.
    pub due: u64,
    /// Keys a pass holds.
    pub leased: u64,
    /// Keys that wait for a wake only.
    pub parked: u64,
    /// Notes kept.
    pub notes: u64,
    /// How long the oldest due key has waited.
    pub oldest_due: Duration,
}

/// Why the queue could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// Too many commands wait for the disk.
    #[error("the queue's disk is too slow: {MAX_COMMANDS} commands already wait for it")]
    Busy,
    /// Too many keys wait.
    #[error("the queue is full: {MAX_KEYS} keys wait")]
    Full,
    /// The lease ended and the key was claimed again, or it was finished before.
    #[error("the lease on `{0}` was lost to a later pass")]
    LeaseLost(Key),
    /// Another process works on the file.
    #[error("`{0}` is in use by another Trunkline; stop that one first, or give this one its own data folder")]
    Locked(String),
    /// The folder is on a file system that other machines share, where neither locks nor SQLite's log can be relied on.
    #[error(
        "`{0}` is on a network file system ({1}), where a queue can be damaged; put the data folder on a local disk"
    )]
    Network(String, String),
    /// The file or the disk failed.
    #[error("the queue's file failed: {0}")]
    Store(String),
    /// The file is damaged; the next start sets it aside.
    #[error("the queue's file is damaged: {0}; restart Trunkline, which then begins a fresh one and sweeps")]
    Damaged(String),
    /// The queue was closed.
    #[error("the queue is closed")]
    Closed,
}

/// The durable queue; clones share it.
#[derive(Debug, Clone)]
pub struct Queue {
    commands: mpsc::Sender<Command>,
    work: Arc<Notify>,
    clock: Clock,
}

impl Queue {
    /// Opens or creates the queue's file, and frees what a killed process left claimed.
    ///
    /// A file of another schema version, or one that is damaged or no database, is set aside beside it and a fresh one begun.
    ///
    /// # Errors
    /// When another process holds it, or the disk fails.
    pub async fn open(path: &Path, clock: Clock) -> Result<Queue, QueueError> {
        let (store, lock) = file::open(path, clock.clone()).await?;
        Ok(Self::start(store, Some(lock), clock))
    }

    /// A queue that is gone with the process, for tests and the sandbox.
    ///
    /// # Errors
    /// When SQLite cannot start.
    pub async fn in_memory(clock: Clock) -> Result<Queue, QueueError> {
        let store = file::in_memory(clock.clone()).await?;
        Ok(Self::start(store, None, clock))
    }

    fn start(store: store::Store, lock: Option<std::fs::File>, clock: Clock) -> Queue {
        let (commands, inbox) = mpsc::channel(MAX_COMMANDS);
        let work = Arc::new(Notify::new());
        tokio::spawn(writer::run(store, lock, inbox, work.clone()));
        Queue { commands, work, clock }
    }

    /// Stores a delivery and wakes its keys; both are on the disk when this returns.
    ///
    /// # Errors
    /// `Busy` or `Full` when the sender should come again, else the disk's trouble. Nothing is stored then.
    pub async fn accept(&self, delivery: Delivery) -> Result<Accepted, QueueError> {
        let (reply, answer) = oneshot::channel();
        // The only call that does not wait for a place: GitHub waits ten seconds and a 503 is an honest answer.
        self.commands.try_send(Command::Accept(delivery, reply)).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => QueueError::Busy,
            mpsc::error::TrySendError::Closed(_) => QueueError::Closed,
        })?;
        answer.await.map_err(|_| QueueError::Closed)?
    }

    /// Wakes keys from inside, each not before its time: sweeps spread their load, a pass wakes another key at once.
    ///
    /// # Errors
    /// `Full`, or the disk's trouble; none of the wakes is stored then.
    pub async fn wake(&self, wakes: Vec<(Wake, Timestamp)>) -> Result<(), QueueError> {
        self.ask(|reply| Command::Wake(wakes, reply)).await
    }

    /// Claims up to `max` keys that are due, in turns across installations, each for the length of `lease`.
    ///
    /// A pass must end within its lease: afterwards the key may be claimed again.
    ///
    /// # Errors
    /// The disk's trouble.
    pub async fn claim(&self, max: usize, lease: Duration) -> Result<Vec<Lease>, QueueError> {
        self.ask(|reply| Command::Claim(max, lease, reply)).await
    }

    /// Ends a pass. A wake that came in meanwhile is kept, and notes are dropped only when the pass is done.
    ///
    /// # Errors
    /// `LeaseLost` when a later pass holds the key; nothing changes then. Else the disk's trouble.
    pub async fn finish(&self, lease: Lease, outcome: Outcome) -> Result<(), QueueError> {
        self.ask(|reply| Command::Finish(lease, outcome, reply)).await
    }

    /// The earliest time at which there is something to claim.
    ///
    /// # Errors
    /// The disk's trouble.
    pub async fn next_due(&self) -> Result<Option<(Timestamp, Due)>, QueueError> {
        self.ask(Command::NextDue).await
    }

    /// The earliest debounce or back-off, also when a far timer comes before it.
    ///
    /// # Errors
    /// The disk's trouble.
    pub async fn next_soon(&self) -> Result<Option<Timestamp>, QueueError> {
        self.ask(Command::NextSoon).await
    }

    /// Sleeps until a wake comes in or `until` is reached; a wake since the last call returns at once.
    ///
    /// Meant for the one loop that claims. On a manual clock only a wake ends the sleep: whoever moves the clock claims.
    pub async fn wait_for_work(&self, until: Option<Timestamp>) {
        match (until, &self.clock) {
            (Some(until), Clock::System | Clock::Shifted(_)) => {
                let left = Duration::try_from(until.duration_since(self.clock.now())).unwrap_or_default();
                // A clock that somebody moves does not say so.
                let left = if self.clock.is_movable() { left.min(Duration::from_millis(250)) } else { left };
                // Reaching the time and being woken mean the same to the caller: look again.
                let _woken = tokio::time::timeout(left, self.work.notified()).await;
            }
            _ => self.work.notified().await,
        }
    }

    /// The queue in figures.
    ///
    /// # Errors
    /// The disk's trouble.
    pub async fn stats(&self) -> Result<Stats, QueueError> {
        self.ask(Command::Stats).await
    }

    /// Commits a row, to know that the disk still takes them.
    ///
    /// # Errors
    /// When it does not.
    pub async fn probe(&self) -> Result<(), QueueError> {
        self.ask(Command::Probe).await
    }

    /// Ends the writer after what was asked before, folds the log into the file and frees the lock.
    ///
    /// # Errors
    /// When it was closed before.
    pub async fn close(&self) -> Result<(), QueueError> {
        self.ask(Command::Close).await
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, QueueError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| QueueError::Closed)?;
        answer.await.map_err(|_| QueueError::Closed)?
    }
}
