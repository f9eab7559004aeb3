//! What merging would give, computed in memory: GitHub's own test merges may be hours old.

use std::collections::BTreeMap;

use super::{GitError, Store, ours, theirs};
use crate::model::id::Oid;

/// Conflicting paths that are named; more help nobody.
const MAX_CONFLICTS: usize = 50;
/// Files looked at for renames; beyond that libgit2's search grows with the square.
const RENAME_TARGETS: u32 = 400;
/// Merge bases merged with each other in criss-cross histories; git's own merges need one or two.
const RECURSION: u32 = 8;

/// Deeper folders are left to libgit2, which has its own limit.
const MAX_DEPTH: usize = 64;
/// The mode of a folder's entry.
const FOLDER: i32 = 0o040_000;

/// What merging gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merge {
    /// The tree of the result.
    Tree(Oid),
    /// The files both sides changed, at most 50 of them.
    Conflict(Vec<String>),
}

impl Store {
    /// The tree that merging `head` into `base` gives.
    ///
    /// # Errors
    /// When a commit is missing.
    pub fn merge_preview(&self, base: Oid, head: Oid) -> Result<Merge, GitError> {
        self.with(|repository| {
            let (ours_, theirs_) = (commit(repository, base)?, commit(repository, head)?);
            let merge_base = repository.merge_base(ours_.id(), theirs_.id()).ok();
            // The common case, and the exact one: nothing happened on the base since.
            if merge_base == Some(ours_.id()) {
                return Ok(Merge::Tree(ours(theirs_.tree_id())));
            }
            if merge_base == Some(theirs_.id()) {
                return Ok(Merge::Tree(ours(ours_.tree_id())));
            }
            let bases =
                repository.merge_bases(ours_.id(), theirs_.id()).map(|bases| bases.to_vec()).unwrap_or_default();
            if let [base] = bases[..] {
                let roots = [repository.find_commit(base)?.tree_id(), ours_.tree_id(), theirs_.tree_id()];
                if let Some(tree) = merge_by_id(repository, roots, 0)? {
                    return Ok(Merge::Tree(ours(tree)));
                }
            }
            let mut options = git2::MergeOptions::new();
            options.find_renames(true).target_limit(RENAME_TARGETS).recursion_limit(RECURSION);
            let mut index = repository.merge_commits(&ours_, &theirs_, Some(&options))?;
            if index.has_conflicts() {
                return Ok(Merge::Conflict(conflicts(&index)?));
            }
            Ok(Merge::Tree(ours(index.write_tree_to(repository)?)))
        })
    }

    /// The root tree of a commit.
    ///
    /// # Errors
    /// When the commit is missing.
    pub fn tree_of(&self, id: Oid) -> Result<Oid, GitError> {
        self.with(|repository| Ok(ours(commit(repository, id)?.tree_id())))
    }

    /// The commit a commit stands on; `None` for the first of all.
    ///
    /// # Errors
    /// When the commit is missing.
    pub fn first_parent(&self, id: Oid) -> Result<Option<Oid>, GitError> {
        self.with(|repository| Ok(commit(repository, id)?.parent_ids().next().map(ours)))
    }

    /// The paths that differ between two commits, at most so many.
    ///
    /// # Errors
    /// When a commit is missing.
    pub fn changed_paths(&self, from: Oid, to: Oid, most: usize) -> Result<Vec<String>, GitError> {
        self.with(|repository| {
            let (from, to) = (commit(repository, from)?.tree()?, commit(repository, to)?.tree()?);
            let diff = repository.diff_tree_to_tree(Some(&from), Some(&to), None)?;
            // Without looking for renames a moved file is there twice, at both of its places.
            let path = |file: git2::DiffFile<'_>| Some(String::from_utf8_lossy(file.path_bytes()?).into_owned());
            let paths = diff.deltas().filter_map(|delta| path(delta.new_file()).or_else(|| path(delta.old_file())));
            Ok(paths.take(most).collect())
        })
    }

    /// The best common ancestor; `None` for histories that share nothing.
    ///
    /// # Errors
    /// When a commit is missing.
    pub fn merge_base(&self, a: Oid, b: Oid) -> Result<Option<Oid>, GitError> {
        self.with(|repository| {
            let (a, b) = (commit(repository, a)?.id(), commit(repository, b)?.id());
            match repository.merge_base(a, b) {
                Ok(id) => Ok(Some(ours(id))),
                Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
                Err(error) => Err(error.into()),
            }
        })
    }

    /// Whether `ancestor` is `commit` or lies in its history.
    ///
    /// # Errors
    /// When a commit is missing.
    pub fn is_ancestor(&self, ancestor: Oid, descendant: Oid) -> Result<bool, GitError> {
        self.with(|repository| {
            let (a, d) = (commit(repository, ancestor)?.id(), commit(repository, descendant)?.id());
            Ok(a == d || repository.graph_descendant_of(d, a)?)
        })
    }
}

/// Merges folder by folder, taking whole what only one side changed, so that the cost is the change and not the repository:
/// libgit2 writes every folder anew. `None` where a line-by-line merge or a rename has to be looked at.
pub(super) fn merge_by_id(
    repository: &git2::Repository,
    roots: [git2::Oid; 3],
    depth: usize,
) -> Result<Option<git2::Oid>, GitError> {
    if depth > MAX_DEPTH {
        return Ok(None);
    }
    let mut sides: BTreeMap<Vec<u8>, [Option<(git2::Oid, i32)>; 3]> = BTreeMap::new();
    for (side, root) in roots.into_iter().enumerate().filter(|(_, root)| !root.is_zero()) {
        for entry in repository.find_tree(root)?.iter() {
            sides.entry(entry.name_bytes().to_vec()).or_default()[side] = Some((entry.id(), entry.filemode_raw()));
        }
    }
    let mut merged = repository.treebuilder(Some(&repository.find_tree(roots[1])?))?;
    for (name, [base, ours, theirs]) in sides {
        if ours.is_none() && theirs.is_none() {
            // Gone on both sides: perhaps renamed to two places, which is a conflict.
            return Ok(None);
        }
        if ours == theirs || theirs == base {
            continue;
        }
        let folder = |entry: Option<(git2::Oid, i32)>| entry.filter(|(_, mode)| *mode == FOLDER).map(|(id, _)| id);
        let new = match (ours == base, folder(ours), folder(theirs)) {
            (true, _, _) => theirs,
            (false, Some(ours), Some(theirs)) if base.is_none() || folder(base).is_some() => {
                let base = folder(base).unwrap_or(git2::Oid::ZERO_SHA1);
                match merge_by_id(repository, [base, ours, theirs], depth + 1)? {
                    Some(tree) => (!repository.find_tree(tree)?.is_empty()).then_some((tree, FOLDER)),
                    None => return Ok(None),
                }
            }
            _ => return Ok(None),
        };
        match new {
            Some((id, mode)) => drop(merged.insert(name, id, mode)?),
            None => merged.remove(name)?,
        }
    }
    Ok(Some(merged.write()?))
}

fn conflicts(index: &git2::Index) -> Result<Vec<String>, GitError> {
    let mut paths = Vec::new();
    for conflict in index.conflicts()?.take(MAX_CONFLICTS) {
        let conflict = conflict?;
        let side = conflict.our.or(conflict.their).or(conflict.ancestor);
        paths.extend(side.map(|entry| String::from_utf8_lossy(&entry.path).into_owned()));
    }
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// The commit `id`.
pub(super) fn commit(repository: &git2::Repository, id: Oid) -> Result<git2::Commit<'_>, GitError> {
    match repository.find_commit(theirs(id)?) {
        Ok(commit) => Ok(commit),
        Err(error) if error.code() == git2::ErrorCode::NotFound => Err(GitError::Missing(id)),
        Err(error) => Err(error.into()),
    }
}
