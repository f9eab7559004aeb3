//! Ledgers: one writer of each at a time, and what in them is ours.
//!
//! Those who would only be refused and decide again take turns instead. Who wrote the commits is asked once after a start and
//! where somebody else wrote; our own are known.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex, MutexGuard};

use super::observe::Fetched;
use super::{Reconciler, Trouble};
use crate::model::authorship::{Authorship, Step, Writer};
use crate::model::id::{Oid, RepoId};
use crate::model::ledger::{LEDGER_BRANCH, Ledger};

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

/// Repositories whose ledger is remembered; each costs a few hundred bytes a file.
const CAPACITY: usize = 256;
/// Commits of ours that are remembered, each until the next read of its ledger; forgotten ones only cost a question.
const MAX_OURS: usize = 10_000;
/// A read may be older than the one before it for as long as GitHub's replicas lag; after that the branch was set back.
const LAG: SignedDuration = SignedDuration::from_secs(120);

/// What is known of each ledger.
#[derive(Debug, Default)]
pub(super) struct Known {
    seen: Lock<HashMap<RepoId, Arc<Seen>>>,
    /// Since when a tip lacks what was known.
    lost: Lock<HashMap<RepoId, Timestamp>>,
    /// Commits we made since we started.
    ours: Lock<HashSet<Oid>>,
}

/// One ledger as it was last seen.
#[derive(Debug, Clone, Default)]
struct Seen {
    tip: Option<Oid>,
    newest_ours: Option<Oid>,
    authorship: Authorship,
}

impl Known {
    fn get(&self, repo: RepoId) -> Option<Arc<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(&repo).cloned()
    }

    fn keep(&self, repo: RepoId, new: Arc<Seen>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= CAPACITY && !seen.contains_key(&repo) {
            seen.clear();
        }
        seen.insert(repo, new);
        self.found_again(repo);
    }

    /// Nothing is missing any more, if anything was.
    fn found_again(&self, repo: RepoId) {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).remove(&repo);
    }

    /// We made this commit.
    pub(super) fn made(&self, commit: Oid) {
        let mut ours = self.ours.lock().unwrap_or_else(PoisonError::into_inner);
        if ours.len() >= MAX_OURS {
            ours.clear();
        }
        ours.insert(commit);
    }

    fn all_ours(&self, steps: &[Step]) -> bool {
        let ours = self.ours.lock().unwrap_or_else(PoisonError::into_inner);
        steps.iter().all(|step| ours.contains(&step.commit))
    }

    fn lost_since(&self, repo: RepoId, now: Timestamp) -> Timestamp {
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner).entry(repo).or_insert(now)
    }
}

impl Reconciler {
    /// The ledger as we wrote it; what others made of its files is told and does not count, and what they took away is missed.
    pub(super) async fn ledger(&self, here: &Fetched, tip: Option<Oid>) -> Result<Ledger, Trouble> {
        let known = self.known.get(here.at.id).unwrap_or_default();
        let Some(tip) = tip else {
            return if known.newest_ours.is_none() { Ok(Ledger::default()) } else { self.lost(here, None) };
        };
        let mut ledger = here.blocking(move |repo| repo.read_ledger(tip)).await?;
        match self.authorship(here, known, tip).await? {
            Some(seen) => seen.authorship.strip(&mut ledger),
            None => return self.lost(here, Some(tip)),
        }
        Ok(ledger)
    }

    /// A ledger that lacks decisions of ours: perhaps only an old read of it, which a later one mends.
    fn lost(&self, here: &Fetched, head: Option<Oid>) -> Result<Ledger, Trouble> {
        let now = self.parts.clock.now();
        if now.duration_since(self.known.lost_since(here.at.id, now)) < LAG {
            let soon = now + Duration::from_secs(10);
            return Err(Trouble::later(soon, "the ledger that was read lacks decisions that it had"));
        }
        let lost = format!("the branch `{LEDGER_BRANCH}` was set back or deleted, and lost decisions");
        Ok(Ledger { head, lost: Some(lost), ..Ledger::default() })
    }

    /// What of the ledger is ours at a commit; `None` when it lacks commits of ours that it had.
    async fn authorship(&self, here: &Fetched, known: Arc<Seen>, tip: Oid) -> Result<Option<Arc<Seen>>, Trouble> {
        let repo = here.at.id;
        if known.tip == Some(tip) {
            self.known.found_again(repo);
            return Ok(Some(known));
        }
        let before = Arc::clone(&known);
        let found = here.blocking(move |store| {
            let newer = store.ledger_steps(tip, before.tip)?;
            if newer.whole {
                return Ok(Some((before.authorship.clone(), newer.steps)));
            }
            // Set back or rewritten: what others wrote may go, what we wrote may not.
            let kept =
                before.newest_ours.is_none_or(|ours| store.ledger_steps(tip, Some(ours)).is_ok_and(|all| all.whole));
            Ok(if kept { Some((Authorship::default(), store.ledger_steps(tip, None)?.steps)) } else { None })
        });
        let Some((mut authorship, steps)) = found.await? else { return Ok(None) };
        let writers = match self.known.all_ours(&steps) {
            true => steps.iter().map(|step| (step.commit, Writer::Us)).collect(),
            false => self.parts.github.ledger_writers(&here.at, (tip, steps.len()), &self.bot).await?,
        };
        // What is too old to be listed counts as ours only where nobody else wrote since.
        let older = match writers.values().all(|writer| *writer == Writer::Us) {
            true => Writer::Us,
            false => Writer::Other("somebody, too long ago to tell who,".to_owned()),
        };
        let mut newest_ours = known.newest_ours;
        for step in steps.iter().rev() {
            let writer = writers.get(&step.commit).unwrap_or(&older);
            authorship.step(step, writer);
            if *writer == Writer::Us {
                newest_ours = Some(step.commit);
            }
        }
        let seen = Arc::new(Seen { tip: Some(tip), newest_ours, authorship });
        self.known.keep(repo, Arc::clone(&seen));
        Ok(Some(seen))
    }
}
