//! What people may do, remembered for a minute: a pass over sixty promotions asks about the same few people.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::model::id::{InstallationId, RepoId};
use crate::model::snapshot::Permission;

/// Who lost a right may use it for as long as this; GitHub itself takes about as long to tell everybody.
const LIFETIME: Duration = Duration::from_secs(60);
/// A few hundred people a busy minute; what has no room is asked again.
const CAPACITY: usize = 10_000;

/// What GitHub said within the last minute. Errors are not remembered, and grant nothing anyway.
#[derive(Debug, Default)]
pub(super) struct People {
    permissions: Mutex<Known<(RepoId, String), Permission>>,
    members: Mutex<Known<(InstallationId, String, String), bool>>,
}

type Known<K, V> = HashMap<K, (V, Timestamp)>;

impl People {
    /// A login's permission in a repository.
    pub(super) fn permission(&self, repo: RepoId, login: &str, now: Timestamp) -> Option<Permission> {
        get(&self.permissions, &(repo, login.to_owned()), now)
    }

    pub(super) fn remember_permission(&self, repo: RepoId, login: &str, permission: Permission, now: Timestamp) {
        put(&self.permissions, (repo, login.to_owned()), permission, now);
    }

    /// Whether a login is in a team (`org/slug`).
    pub(super) fn member(&self, at: InstallationId, team: &str, login: &str, now: Timestamp) -> Option<bool> {
        get(&self.members, &(at, team.to_owned(), login.to_owned()), now)
    }

    pub(super) fn remember_member(
        &self,
        at: InstallationId,
        (team, login): (&str, &str),
        member: bool,
        now: Timestamp,
    ) {
        put(&self.members, (at, team.to_owned(), login.to_owned()), member, now);
    }
}

/// A clock that stepped back forgets everything: nothing is remembered from the future.
fn fresh(at: Timestamp, now: Timestamp) -> bool {
    at <= now && now < at + LIFETIME
}

fn get<K: std::hash::Hash + Eq, V: Copy>(known: &Mutex<Known<K, V>>, key: &K, now: Timestamp) -> Option<V> {
    let known = known.lock().unwrap_or_else(PoisonError::into_inner);
    known.get(key).filter(|(_, at)| fresh(*at, now)).map(|(value, _)| *value)
}

fn put<K: std::hash::Hash + Eq, V>(known: &Mutex<Known<K, V>>, key: K, value: V, now: Timestamp) {
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= CAPACITY {
        known.retain(|_, (_, at)| fresh(*at, now));
    }
    if known.len() < CAPACITY {
        known.insert(key, (value, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t26_rights_are_remembered_for_a_minute_and_no_longer() {
        let (people, now) = (People::default(), "2026-11-20T10:00:00Z".parse::<Timestamp>().unwrap());
        people.remember_member(InstallationId(1), ("acme/sre", "sue"), true, now);
        let member = |installation, now| people.member(InstallationId(installation), "acme/sre", "sue", now);
        assert_eq!(member(1, now + Duration::from_secs(59)), Some(true));
        assert_eq!(member(1, now + Duration::from_secs(60)), None);
        assert_eq!(member(1, now - Duration::from_secs(1)), None);
        assert_eq!(member(2, now), None);
        people.remember_permission(RepoId(1), "sue", Permission::Write, now);
        assert_eq!(people.permission(RepoId(1), "sue", now), Some(Permission::Write));
        assert_eq!(people.permission(RepoId(2), "sue", now), None);
    }
}
