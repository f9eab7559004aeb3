//! The commits of trunk that count for an application: those that change something where it lives.

use std::sync::Arc;

use super::history::{CommitInfo, info};
use super::merge::commit;
use super::{GitError, Store, ours};
use crate::model::id::Oid;
use crate::model::path::RepoPath;

/// First parents that are looked at for commits that count: a year of a busy monorepo.
const MAX_WALK: usize = 5_000;

/// Where a commit must change something to count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Scope {
    /// Folders and files it must touch; none: anything.
    pub within: Vec<RepoPath>,
    /// Folders that do not count.
    pub without: Vec<RepoPath>,
}

impl Scope {
    /// Whether every commit counts, so that no tree has to be read.
    pub fn is_everything(&self) -> bool {
        self.within.is_empty() && self.without.is_empty()
    }
}

/// What was found along trunk from a tip.
#[derive(Debug)]
pub(super) struct Trunk {
    tip: Oid,
    commits: Vec<CommitInfo>,
}

impl Store {
    /// The newest commits on the first-parent line from `tip` that change something in `scope`, against their first parent:
    /// a merge counts for what it brings, a rename for both its places.
    ///
    /// # Errors
    /// When a commit, or a tree that has to be read, is missing.
    pub fn trunk(&self, tip: Oid, scope: &Scope, limit: usize) -> Result<Vec<CommitInfo>, GitError> {
        let key = (scope.clone(), limit);
        let known = self.trunks.get(&key);
        if let Some(known) = known.as_ref().filter(|known| known.tip == tip) {
            return Ok(known.commits.clone());
        }
        let commits = self.with(|repository| walk(repository, tip, (scope, limit), known.as_deref()))?;
        let weight = commits.len() + 1;
        self.trunks.put(key, Arc::new(Trunk { tip, commits: commits.clone() }), weight);
        Ok(commits)
    }
}

fn walk(
    repository: &git2::Repository,
    tip: Oid,
    (scope, limit): (&Scope, usize),
    known: Option<&Trunk>,
) -> Result<Vec<CommitInfo>, GitError> {
    let mut found = Vec::new();
    let mut next = Some(commit(repository, tip)?);
    for _ in 0..MAX_WALK {
        let Some(here) = next.filter(|_| found.len() < limit) else { break };
        if let Some(known) = known.filter(|known| known.tip == ours(here.id())) {
            found.extend(known.commits.iter().take(limit - found.len()).cloned());
            break;
        }
        let parent = here.parents().next();
        let counts = scope.is_everything() || {
            let before = parent.as_ref().map(git2::Commit::tree).transpose()?;
            touches(repository, before.as_ref(), Some(&here.tree()?), ("", scope))?
        };
        if counts {
            found.push(info(&here));
        }
        next = parent;
    }
    Ok(found)
}

/// Whether two trees at `place` differ where it counts. Only folders that a scope speaks about are opened.
fn touches(
    repository: &git2::Repository,
    before: Option<&git2::Tree<'_>>,
    after: Option<&git2::Tree<'_>>,
    (place, scope): (&str, &Scope),
) -> Result<bool, GitError> {
    let names = |tree: Option<&git2::Tree<'_>>| -> Vec<Vec<u8>> {
        tree.iter().flat_map(|tree| tree.iter()).map(|entry| entry.name_bytes().to_vec()).collect()
    };
    let entry = |tree: Option<&git2::Tree<'_>>, name: &[u8]| {
        tree.and_then(|tree| tree.get_name_bytes(name)).map(|entry| (entry.id(), entry.filemode()))
    };
    let mut all = names(before);
    all.extend(names(after));
    all.sort_unstable();
    all.dedup();
    for name in all {
        let (old, new) = (entry(before, &name), entry(after, &name));
        if old == new {
            continue;
        }
        let name = String::from_utf8_lossy(&name);
        let path = if place.is_empty() { name.into_owned() } else { format!("{place}/{name}") };
        match look(scope, &path) {
            Look::Counts => return Ok(true),
            Look::Not => {}
            Look::Inside => {
                let tree = |side: Option<(git2::Oid, i32)>| side.and_then(|(id, _)| repository.find_tree(id).ok());
                let (old, new) = (tree(old), tree(new));
                if touches(repository, old.as_ref(), new.as_ref(), (&path, scope))? {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

enum Look {
    Counts,
    Not,
    Inside,
}

/// What a difference at a path means for a scope.
fn look(scope: &Scope, path: &str) -> Look {
    let is_within = |folder: &RepoPath| {
        folder.is_root()
            || path.strip_prefix(folder.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let is_above = |folder: &RepoPath| folder.as_str().strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
    if scope.without.iter().any(is_within) {
        return Look::Not;
    }
    let inside = scope.within.is_empty() || scope.within.iter().any(is_within);
    let opens = scope.without.iter().any(is_above) || !inside && scope.within.iter().any(is_above);
    match (opens, inside) {
        (true, _) => Look::Inside,
        (false, true) => Look::Counts,
        (false, false) => Look::Not,
    }
}
