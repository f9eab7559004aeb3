//! One read of a repository for all the keys that were asked for before it: a sweep or a push wakes every application at once, and each
//! would ask GitHub the same question.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::model::id::RepoId;
use crate::model::snapshot::{Repo, RepoSubject};

/// What was read is used this long: a thousand applications are looked at within it, and what nobody told about does not wait longer.
const LIFETIME: Duration = Duration::from_secs(60);
/// Repositories kept; each holds at most 500 open pull requests in few words.
const CAPACITY: usize = 64;

/// The last read of each repository.
#[derive(Debug, Default)]
pub(super) struct Reads {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    reads: HashMap<RepoId, (Timestamp, Repo, RepoSubject)>,
    /// Our last write to each: no read that began before it shows it.
    writes: HashMap<RepoId, Timestamp>,
    /// The same for repositories whose last write was forgotten.
    floor: Timestamp,
}

impl Reads {
    /// A read that began after `asked_at` and after our last write; `None` when GitHub must be asked.
    pub(super) fn after(&self, repo: RepoId, asked_at: Timestamp, now: Timestamp) -> Option<(Repo, RepoSubject)> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let (begun, repo, subject) = inner.reads.get(&repo)?;
        // A clock that stepped back makes no old read new.
        let young = *begun <= now && now <= *begun + LIFETIME;
        (young && asked_at < *begun).then(|| (repo.clone(), subject.clone()))
    }

    /// Keeps a read, unless we wrote since it began.
    pub(super) fn keep(&self, begun: Timestamp, repo: &Repo, subject: &RepoSubject) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let written = inner.writes.get(&repo.id).copied().unwrap_or(inner.floor);
        if begun <= written {
            return;
        }
        if inner.reads.len() >= CAPACITY {
            inner.reads.clear();
        }
        inner.reads.insert(repo.id, (begun, repo.clone(), subject.clone()));
    }

    /// We write to a repository: what was read of it no longer counts.
    pub(super) fn written(&self, repo: RepoId, now: Timestamp) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.reads.remove(&repo);
        if inner.writes.len() >= CAPACITY {
            inner.floor = inner.floor.max(now);
            inner.writes.clear();
        }
        inner.writes.insert(repo, now);
    }
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
        let found = |asked_at, now| reads.after(RepoId(1), asked_at, now).is_some();
        assert!(!found(at, at));
        reads.keep(at, &repo(), &RepoSubject::default());
        assert!(found(at - second, at) && found(at - second, at + LIFETIME));
        assert!(!found(at, at), "the wake may tell of something the read did not see");
        assert!(!found(at - second, at + LIFETIME + second), "too old");
        assert!(!found(at - second * 9, at - second), "the clock stepped back");
        reads.written(RepoId(1), at + second);
        assert!(!found(at - second, at + second));
        reads.keep(at + second, &repo(), &RepoSubject::default());
        assert!(!found(at - second, at + second), "it began before the write was over");
        reads.keep(at + second * 2, &repo(), &RepoSubject::default());
        assert!(found(at + second, at + second * 2));
    }
}
