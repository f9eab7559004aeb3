//! Commits: who follows whom, what lies between, how a folder came to be, and what a merge would give.

use std::collections::{BTreeMap, BTreeSet};

use git2::{MergeOptions, Repository, Sort};
use jiff::Timestamp;

use super::GitError;
use super::objects::{Repo, from_git, to_git};
use crate::model::id::Oid;
use crate::model::path::RepoPath;

/// Commits walked in one question: ten years of a busy trunk.
const MAX_WALK: usize = 200_000;

/// A commit, in few words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitInfo {
    /// Its id.
    pub id: Oid,
    /// The first line of its message.
    pub subject: String,
    /// Who wrote it, as git says.
    pub author: String,
    /// When it was committed.
    pub at: Timestamp,
}

/// The commits between two.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    /// Newest first, as many as were asked for.
    pub commits: Vec<CommitInfo>,
    /// How many there are.
    pub total: usize,
}

/// A commit on the first-parent line that changed a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The commit.
    pub commit: Oid,
    /// When.
    pub at: Timestamp,
}

/// What merging would give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MergePreview {
    /// This tree.
    Tree(Oid),
    /// Conflicts in these paths.
    Conflict(Vec<String>),
}

impl Repo {
    /// The root tree of a commit.
    ///
    /// # Errors
    /// When it is not here.
    pub fn tree_of(&self, commit: Oid) -> Result<Oid, GitError> {
        self.with(|repo| Ok(from_git(repo.find_commit(to_git(commit))?.tree_id())))
    }

    /// A commit in few words.
    ///
    /// # Errors
    /// When it is not here.
    pub fn commit_info(&self, commit: Oid) -> Result<CommitInfo, GitError> {
        self.with(|repo| Ok(info(&repo.find_commit(to_git(commit))?)))
    }

    /// The commit a hexadecimal prefix of at least seven digits names, if it names exactly one.
    pub fn find_commit(&self, prefix: &str) -> Option<Oid> {
        if !(7..=40).contains(&prefix.len()) || !prefix.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let found = self.with(|repo| Ok(repo.find_commit_by_prefix(prefix).map(|commit| from_git(commit.id()))?));
        found.ok()
    }

    /// Everything `tips` reach, themselves included, up to 200,000 commits.
    ///
    /// # Errors
    /// When a commit on the way is not here.
    pub fn ancestors(&self, tips: &[Oid]) -> Result<BTreeSet<Oid>, GitError> {
        self.with(|repo| {
            let mut walk = repo.revwalk()?;
            for tip in tips {
                walk.push(to_git(*tip))?;
            }
            walk.take(MAX_WALK).map(|id| Ok(from_git(id?))).collect()
        })
    }

    /// For each of `ancestors`, which of `candidates` follow it.
    ///
    /// # Errors
    /// When the repository cannot be read; a commit that is not here follows nothing.
    pub fn descendants(
        &self,
        ancestors: &BTreeSet<Oid>,
        candidates: &BTreeSet<Oid>,
    ) -> Result<BTreeMap<Oid, Vec<Oid>>, GitError> {
        self.with(|repo| {
            let mut found: BTreeMap<Oid, Vec<Oid>> = BTreeMap::new();
            for candidate in candidates {
                for ancestor in ancestors {
                    if repo.graph_descendant_of(to_git(*candidate), to_git(*ancestor)).unwrap_or(false) {
                        found.entry(*ancestor).or_default().push(*candidate);
                    }
                }
            }
            Ok(found)
        })
    }

    /// The commits that `to` has and `from` has not, newest first; without `from`, only the newest few of `to`.
    ///
    /// # Errors
    /// When a commit is not here.
    pub fn log_between(&self, from: Option<Oid>, to: Oid, limit: usize) -> Result<Log, GitError> {
        self.with(|repo| {
            let mut walk = repo.revwalk()?;
            walk.set_sorting(Sort::TOPOLOGICAL | Sort::TIME)?;
            walk.push(to_git(to))?;
            let known = from.filter(|from| repo.find_commit(to_git(*from)).is_ok());
            if let Some(from) = known {
                walk.hide(to_git(from))?;
            }
            let mut log = Log::default();
            let most = if known.is_some() { MAX_WALK } else { limit.min(10) };
            for id in walk.take(most) {
                let commit = repo.find_commit(id?)?;
                // A merge says nothing its commits do not say.
                if commit.parent_count() > 1 {
                    continue;
                }
                log.total += 1;
                if log.commits.len() < limit {
                    log.commits.push(info(&commit));
                }
            }
            Ok(log)
        })
    }

    /// The commits on the first-parent line from `tip` that changed `folder`, newest first, at most `limit`.
    ///
    /// # Errors
    /// When a commit on the way is not here.
    pub fn first_parent_history(&self, tip: Oid, folder: &RepoPath, limit: usize) -> Result<Vec<Step>, GitError> {
        self.with(|repo| {
            let mut steps = Vec::new();
            let mut commit = repo.find_commit(to_git(tip))?;
            let mut here = folder_id(repo, &commit, folder)?;
            for _ in 0..MAX_WALK {
                let parent = commit.parent(0).ok();
                let before = match &parent {
                    Some(parent) => folder_id(repo, parent, folder)?,
                    None => None,
                };
                if here != before && here.is_some() {
                    steps.push(Step { commit: from_git(commit.id()), at: at(&commit) });
                }
                match parent {
                    Some(parent) if steps.len() < limit => (commit, here) = (parent, before),
                    _ => break,
                }
            }
            Ok(steps)
        })
    }

    /// What merging `head` into `base` would give, computed here: GitHub's own preview may be twelve hours old.
    ///
    /// # Errors
    /// When a commit is not here.
    pub fn merge_preview(&self, base: Oid, head: Oid) -> Result<MergePreview, GitError> {
        self.with(|repo| {
            let (ours, theirs) = (repo.find_commit(to_git(base))?, repo.find_commit(to_git(head))?);
            match repo.merge_base(ours.id(), theirs.id()) {
                Ok(meeting) if meeting == ours.id() => return Ok(MergePreview::Tree(from_git(theirs.tree_id()))),
                Ok(meeting) if meeting == theirs.id() => return Ok(MergePreview::Tree(from_git(ours.tree_id()))),
                _ => {}
            }
            let mut options = MergeOptions::new();
            // Renames are not followed: GitHub follows them, but a moved manifest is another file to Flux.
            options.find_renames(false);
            let mut index = repo.merge_commits(&ours, &theirs, Some(&options))?;
            if index.has_conflicts() {
                let paths = index.conflicts()?.flatten().filter_map(|conflict| {
                    let entry = conflict.our.or(conflict.their).or(conflict.ancestor)?;
                    Some(String::from_utf8_lossy(&entry.path).into_owned())
                });
                return Ok(MergePreview::Conflict(paths.take(100).collect()));
            }
            Ok(MergePreview::Tree(from_git(index.write_tree_to(repo)?)))
        })
    }
}

fn folder_id(repo: &Repository, commit: &git2::Commit<'_>, folder: &RepoPath) -> Result<Option<git2::Oid>, GitError> {
    let tree = repo.find_tree(commit.tree_id())?;
    if folder.is_root() {
        return Ok(Some(tree.id()));
    }
    Ok(tree.get_path(std::path::Path::new(folder.as_str())).ok().map(|entry| entry.id()))
}

fn info(commit: &git2::Commit<'_>) -> CommitInfo {
    let subject = commit.summary().ok().flatten().unwrap_or_default();
    CommitInfo {
        id: from_git(commit.id()),
        subject: subject.to_owned(),
        author: commit.author().name().unwrap_or_default().to_owned(),
        at: at(commit),
    }
}

fn at(commit: &git2::Commit<'_>) -> Timestamp {
    Timestamp::from_second(commit.time().seconds()).unwrap_or(Timestamp::UNIX_EPOCH)
}
