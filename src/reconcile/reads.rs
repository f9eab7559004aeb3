//! One read for all the keys that were asked for before it: a sweep or a push wakes every application and every promotion at once, and
//! each would ask GitHub the same questions.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::model::facts::CommitCheck;
use crate::model::id::{Oid, RepoId};
use crate::model::merging::Merging;
use crate::model::snapshot::{Repo, RepoSubject};

/// What was read is used this long: a thousand applications are looked at within it, and what nobody told about does not wait longer.
const LIFETIME: Duration = Duration::from_secs(60);
/// Answers kept of each kind: open promotions of a busy minute. The largest is a repository, with at most 500 pull requests in few words.
const CAPACITY: usize = 1_000;

/// The last reads, by what was asked.
#[derive(Debug, Default)]
pub(super) struct Reads {
    /// A repository and its open pull requests.
    pub(super) repos: Answers<RepoId, (Repo, RepoSubject)>,
    /// The checks of a commit of a source, which many applications may share.
    pub(super) checks: Answers<(RepoId, Oid), Vec<CommitCheck>>,
    /// What GitHub asks of a merge: the check and the comment of a promotion say the same of it.
    pub(super) merging: Answers<(RepoId, u64, Oid), Merging>,
    writes: Mutex<Writes>,
}

/// Our last write to each repository: no read that began before it shows it.
#[derive(Debug, Default)]
struct Writes {
    last: HashMap<RepoId, Timestamp>,
    /// The same for repositories whose last write was forgotten.
    floor: Timestamp,
}

/// Answers to one kind of question, each with when it was asked.
#[derive(Debug)]
pub(super) struct Answers<K, V>(Mutex<HashMap<K, (Timestamp, V)>>);

impl<K, V> Default for Answers<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq, V: Clone> Answers<K, V> {
    /// What was read after `asked_at` and after our last write; `None` when GitHub must be asked.
    pub(super) fn after(&self, key: &K, asked_at: Timestamp, now: Timestamp) -> Option<V> {
        let known = lock(&self.0);
        let (begun, value) = known.get(key)?;
        // A clock that stepped back makes no old read new.
        let young = *begun <= now && now <= *begun + LIFETIME;
        (young && asked_at < *begun).then(|| value.clone())
    }

    fn forget(&self, is_stale: impl Fn(&K) -> bool) {
        lock(&self.0).retain(|key, _| !is_stale(key));
    }
}

impl Reads {
    /// Keeps a read that `begun` then, unless we wrote to its repository since.
    pub(super) fn keep<K: Hash + Eq, V>(
        &self,
        answers: &Answers<K, V>,
        (repo, key): (RepoId, K),
        begun: Timestamp,
        value: V,
    ) {
        let writes = lock(&self.writes);
        let written = writes.last.get(&repo).copied().unwrap_or(writes.floor);
        if begun <= written {
            return;
        }
        let mut known = lock(&answers.0);
        if known.len() >= CAPACITY && !known.contains_key(&key) {
            known.clear();
        }
        known.insert(key, (begun, value));
    }

    /// We write to a repository: what was read of it no longer counts.
    pub(super) fn written(&self, repo: RepoId, now: Timestamp) {
        let mut writes = lock(&self.writes);
        if writes.last.len() >= CAPACITY {
            writes.floor = writes.floor.max(now);
            writes.last.clear();
        }
        writes.last.insert(repo, now);
        self.repos.forget(|id| *id == repo);
        self.checks.forget(|(id, _)| *id == repo);
        self.merging.forget(|(id, ..)| *id == repo);
    }
}

fn lock<T>(inner: &Mutex<T>) -> MutexGuard<'_, T> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::InstallationId;

    fn repo() -> Repo {
        Repo {
            id: RepoId(1),
            installation: InstallationId(1),
            name: "acme/all".parse().unwrap(),
            url: String::new(),
            private: false,
            default_branch: "main".into(),
            tip: None,
            merge_methods: Vec::new(),
        }
    }

    #[test]
    fn a_read_serves_whoever_was_asked_for_before_it_until_we_write() {
        let (reads, second) = (Reads::default(), Duration::from_secs(1));
        let at: Timestamp = "2026-11-20T10:00:00Z".parse().unwrap();
        let found = |asked_at, now| reads.repos.after(&RepoId(1), asked_at, now).is_some();
        let keep = |begun| reads.keep(&reads.repos, (RepoId(1), RepoId(1)), begun, (repo(), RepoSubject::default()));
        assert!(!found(at, at));
        keep(at);
        assert!(found(at - second, at) && found(at - second, at + LIFETIME));
        assert!(!found(at, at), "the wake may tell of something the read did not see");
        assert!(!found(at - second, at + LIFETIME + second), "too old");
        assert!(!found(at - second * 9, at - second), "the clock stepped back");
        reads.written(RepoId(1), at + second);
        assert!(!found(at - second, at + second));
        keep(at + second);
        assert!(!found(at - second, at + second), "it began before the write was over");
        keep(at + second * 2);
        assert!(found(at + second, at + second * 2));
    }
}
