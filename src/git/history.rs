//! What happened before: who follows whom, commits between two points, what a folder held, and the ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::merge::commit;
use super::{GitError, Store, ours, theirs};
use crate::model::id::Oid;
use crate::model::path::RepoPath;

/// Commits that are counted between two versions; the texts say "more than".
const MAX_COUNT: usize = 10_000;
/// Commits that are shown where there is nothing to count from: what is newest, not the archive.
const MAX_NEWEST: usize = 10;
/// Commits whose ancestry of tips is gathered: ten years of a busy trunk, 4 MB.
const MAX_ANCESTORS: usize = 200_000;
/// First parents that are walked for a folder's history; ten years of a busy repository.
const MAX_WALK: usize = 50_000;
/// A subject line longer than this is cut for showing.
const MAX_SUBJECT: usize = 300;
/// A message longer than this is cut: ours are a few lines.
const MAX_MESSAGE: usize = 4_000;

/// A commit in a list.
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

/// Commits between two points.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    /// Newest first, as many as were asked for.
    pub commits: Vec<CommitInfo>,
    /// How many there are in all, counted to 10,000; merges are not counted, they say nothing their commits do not say.
    pub total: usize,
}

/// What a log was asked for: from, to, and how many to show.
pub(super) type LogKey = (Option<Oid>, Oid, usize);

/// A folder as a commit left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderAt {
    /// The commit on the first-parent line that brought it.
    pub commit: Oid,
    /// When it was committed.
    pub at: Timestamp,
    /// The folder's tree; `None` when the folder was not there.
    pub tree: Option<Oid>,
}

/// A folder's history as it was once walked; from a newer tip only the commits since are looked at.
#[derive(Debug)]
pub(super) struct History {
    tip: Oid,
    steps: Vec<FolderAt>,
}

impl Store {
    /// The commits that `to` has and `from` has not, all of them and not only first parents, except merges. Without `from`,
    /// or where `from` is not here (somebody rewrote history), only the newest few.
    ///
    /// # Errors
    /// When `to` is missing.
    pub fn log_between(&self, from: Option<Oid>, to: Oid, limit: usize) -> Result<Log, GitError> {
        let key = (from, to, limit);
        if let Some(log) = self.logs.get(&key) {
            return Ok(log);
        }
        let log = self.with(|repository| {
            let mut walk = repository.revwalk()?;
            walk.set_sorting(git2::Sort::TOPOLOGICAL | git2::Sort::TIME)?;
            walk.push(commit(repository, to)?.id())?;
            let from = from.and_then(|from| commit(repository, from).ok());
            if let Some(from) = &from {
                walk.hide(from.id())?;
            }
            let most = if from.is_some() { MAX_COUNT } else { limit.min(MAX_NEWEST) };
            let mut log = Log::default();
            for id in walk.take(most) {
                let commit = repository.find_commit(id?)?;
                if commit.parent_count() > 1 {
                    continue;
                }
                log.total += 1;
                if log.commits.len() < limit {
                    log.commits.push(info(&commit));
                }
            }
            Ok(log)
        })?;
        self.logs.put(key, log.clone(), log.commits.len() + 1);
        Ok(log)
    }

    /// One commit.
    ///
    /// # Errors
    /// When it is missing.
    pub fn commit_info(&self, id: Oid) -> Result<CommitInfo, GitError> {
        self.with(|repository| Ok(info(&commit(repository, id)?)))
    }

    /// The commit a hexadecimal prefix of at least seven digits names, if it names exactly one.
    pub fn find_commit(&self, prefix: &str) -> Option<Oid> {
        if !(7..=40).contains(&prefix.len()) || !prefix.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        self.with(|repository| Ok(ours(repository.find_commit_by_prefix(prefix)?.id()))).ok()
    }

    /// Everything `tips` reach, themselves included, up to 200,000 commits.
    ///
    /// # Errors
    /// When a tip is missing.
    pub fn ancestors(&self, tips: &[Oid]) -> Result<BTreeSet<Oid>, GitError> {
        self.with(|repository| {
            let mut walk = repository.revwalk()?;
            for tip in tips {
                walk.push(commit(repository, *tip)?.id())?;
            }
            walk.take(MAX_ANCESTORS).map(|id| Ok(ours(id?))).collect()
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
        self.with(|repository| {
            let mut found: BTreeMap<Oid, Vec<Oid>> = BTreeMap::new();
            for candidate in candidates {
                for ancestor in ancestors {
                    if repository.graph_descendant_of(theirs(*candidate)?, theirs(*ancestor)?).unwrap_or(false) {
                        found.entry(*ancestor).or_default().push(*candidate);
                    }
                }
            }
            Ok(found)
        })
    }

    /// What a folder held, newest first: one line for each commit on the first-parent line that changed it, and for the first.
    ///
    /// # Errors
    /// When a commit or a tree is missing.
    pub fn first_parent_history(&self, tip: Oid, folder: &RepoPath, limit: usize) -> Result<Vec<FolderAt>, GitError> {
        let key = (folder.clone(), limit);
        let known = self.histories.get(&key);
        if let Some(known) = known.as_ref().filter(|known| known.tip == tip) {
            return Ok(known.steps.clone());
        }
        let steps = self.with(|repository| walk_folder(repository, tip, (folder, limit), known.as_deref()))?;
        let history = Arc::new(History { tip, steps: steps.clone() });
        self.histories.put(key, history, steps.len() + 1);
        Ok(steps)
    }

    /// The commits on the first-parent line that changed a file, newest first, with their whole messages: what the ledger tells of one
    /// (app, environment).
    ///
    /// # Errors
    /// When a commit or a tree is missing.
    pub fn changes_of(&self, tip: Oid, file: &RepoPath, limit: usize) -> Result<Vec<(Timestamp, String)>, GitError> {
        self.with(|repository| {
            let mut found = Vec::new();
            let mut here = commit(repository, tip)?;
            let mut held = entry_of(&here, file)?;
            for _ in 0..MAX_WALK {
                let parent = here.parents().next();
                let before = parent.as_ref().map(|parent| entry_of(parent, file)).transpose()?.flatten();
                if before != held {
                    let message = String::from_utf8_lossy(here.message_bytes()).chars().take(MAX_MESSAGE).collect();
                    found.push((time(&here), message));
                }
                match parent {
                    Some(parent) if found.len() < limit => (here, held) = (parent, before),
                    _ => break,
                }
            }
            Ok(found)
        })
    }
}

fn walk_folder(
    repository: &git2::Repository,
    tip: Oid,
    (folder, limit): (&RepoPath, usize),
    known: Option<&History>,
) -> Result<Vec<FolderAt>, GitError> {
    let mut found = Vec::new();
    let mut here = commit(repository, tip)?;
    // Most commits touch other folders: while the root is the same, or the folder's id is, nothing is read.
    let mut held = folder_of(&here, folder)?;
    for _ in 0..MAX_WALK {
        if let Some(known) = known.filter(|known| known.tip == ours(here.id())) {
            found.extend(known.steps.iter().take(limit - found.len()).cloned());
            break;
        }
        let parent = here.parents().next();
        let before = match &parent {
            Some(parent) if parent.tree_id() == here.tree_id() => held,
            Some(parent) => folder_of(parent, folder)?,
            None => None,
        };
        if before != held {
            found.push(FolderAt { commit: ours(here.id()), at: time(&here), tree: held });
        }
        match parent {
            Some(parent) if found.len() < limit => (here, held) = (parent, before),
            _ => break,
        }
    }
    Ok(found)
}

pub(super) fn info(commit: &git2::Commit<'_>) -> CommitInfo {
    let message = String::from_utf8_lossy(commit.message_bytes());
    let subject = message.trim_start().lines().next().unwrap_or_default();
    let author = String::from_utf8_lossy(commit.author().name_bytes()).into_owned();
    CommitInfo {
        id: ours(commit.id()),
        subject: subject.chars().filter(|c| !c.is_control()).take(MAX_SUBJECT).collect(),
        author: author.chars().filter(|c| !c.is_control()).take(MAX_SUBJECT).collect(),
        at: time(commit),
    }
}

/// The committer's time, which GitHub sets where it merges.
fn time(commit: &git2::Commit<'_>) -> Timestamp {
    Timestamp::from_second(commit.time().seconds()).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn folder_of(commit: &git2::Commit<'_>, folder: &RepoPath) -> Result<Option<Oid>, GitError> {
    if folder.is_root() {
        return Ok(Some(ours(commit.tree_id())));
    }
    match commit.tree()?.get_path(std::path::Path::new(folder.as_str())) {
        Ok(entry) => Ok((entry.kind() == Some(git2::ObjectType::Tree)).then(|| ours(entry.id()))),
        Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What a path names at a commit, file or folder.
fn entry_of(commit: &git2::Commit<'_>, path: &RepoPath) -> Result<Option<Oid>, GitError> {
    match commit.tree()?.get_path(std::path::Path::new(path.as_str())) {
        Ok(entry) => Ok(Some(ours(entry.id()))),
        Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether the repository holds this object.
pub(super) fn holds(repository: &git2::Repository, id: Oid) -> Result<bool, GitError> {
    Ok(repository.odb()?.exists(theirs(id)?))
}
