//! One writer of a ledger at a time: those who would only be refused and decide again take turns instead.

use tokio::sync::{Mutex, MutexGuard};

use crate::model::id::RepoId;

/// Locks for all repositories: two that share one wait for each other for the length of a request.
const LOCKS: usize = 64;

/// Who writes now.
#[derive(Debug)]
pub(super) struct Turns {
    locks: [Mutex<()>; LOCKS],
}

impl Default for Turns {
    fn default() -> Self {
        Self { locks: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Turns {
    /// Waits for this repository's turn, which lasts as long as what is returned.
    pub(super) async fn turn(&self, repo: RepoId) -> MutexGuard<'_, ()> {
        self.locks[usize::try_from(repo.0 % LOCKS as u64).unwrap_or_default()].lock().await
    }
}
