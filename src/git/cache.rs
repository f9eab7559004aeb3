//! Where repositories are kept: one bare repository an (installation, repository), made when it is first wanted.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::history::{History, Log, LogKey};
use super::recent::Recent;
use super::trunk::{Scope, Trunk};
use super::{GitError, folder_name};
use crate::model::id::{InstallationId, Oid, RepoId};
use crate::model::path::RepoPath;
use crate::model::tree::Entry;

/// Repositories held open; one costs a few file handles and its mapped packs. The longest idle one is closed.
const MAX_OPEN: usize = 64;
/// Handles kept for one repository; more readers at once open their own.
const MAX_HANDLES: usize = 8;
/// Packs a cache gathers before it starts anew: every lookup asks every pack, and git itself repacks at 50.
const MAX_PACKS: usize = 200;
/// Entries of decoded trees kept: a few megabytes a repository, a monorepo's folders.
const MAX_TREE_ENTRIES: usize = 20_000;
/// Commits in remembered histories and logs: an application has a folder an environment, with some fifty versions in each.
const MAX_REMEMBERED: usize = 20_000;

/// Which repository, in whose installation, and how much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RepoSlot {
    /// The installation; caches never cross it.
    pub installation: InstallationId,
    /// The repository.
    pub repo: RepoId,
    /// How much of it.
    pub content: Content,
}

/// How much of a repository is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Content {
    /// Everything.
    All,
    /// Commits and tags without files, where the server knows how: all that most sources are asked for.
    Commits,
    /// The same with folders, to tell which commits change what.
    Trees,
}

/// All cached repositories. Deleting the folder loses nothing but time.
#[derive(Debug, Clone)]
pub struct Cache {
    dir: Arc<PathBuf>,
    open: Arc<Mutex<Open>>,
}

/// What is open, with when it was last asked for.
type Open = HashMap<RepoSlot, (u64, Arc<Store>)>;

/// One cached repository.
pub struct Store {
    path: PathBuf,
    handles: Mutex<Vec<git2::Repository>>,
    /// Decoded trees, shared by all readers.
    pub(super) trees: Recent<Oid, Arc<[Entry]>>,
    /// The last history of each folder; most passes look at the same ones, from the same tip or one a little older.
    pub(super) histories: Recent<(RepoPath, usize), Arc<History>>,
    /// The last look along trunk for each scope.
    pub(super) trunks: Recent<(Scope, usize), Arc<Trunk>>,
    /// Commits between two, which never change.
    pub(super) logs: Recent<LogKey, Log>,
    /// Packs that are there, so that nobody has to count files.
    packs: AtomicUsize,
    /// One fetch at a time.
    pub(super) fetching: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.path.display())
    }
}

impl Cache {
    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.dir
    }

    /// A cache in `dir`, which is made when missing, only this user can read, and belongs to this process alone.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(dir: impl Into<PathBuf>) -> Result<Self, GitError> {
        let dir = dir.into();
        make_private(&dir)?;
        unlock(&dir)?;
        Ok(Self { dir: Arc::new(dir), open: Arc::default() })
    }

    /// The repository in `slot`, made when missing.
    ///
    /// # Errors
    /// When it cannot be made or opened.
    pub fn store(&self, slot: RepoSlot) -> Result<Arc<Store>, GitError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let tick = open.values().map(|(used, _)| *used).max().unwrap_or_default() + 1;
        // A worn one starts anew as soon as nobody reads it.
        if let Some((used, store)) = open.get_mut(&slot)
            && !(store.worn() && Arc::strong_count(store) == 1)
        {
            *used = tick;
            return Ok(Arc::clone(store));
        }
        open.remove(&slot);
        let path = self.dir.join(folder_name(slot.installation, slot.repo, slot.content));
        let store = Arc::new(Store::open(path)?);
        if open.len() >= MAX_OPEN {
            // One in use elsewhere keeps living there and must not be opened a second time: two fetches would race.
            let idle = open.iter().filter(|(_, (_, s))| Arc::strong_count(s) == 1).min_by_key(|(_, (used, _))| *used);
            idle.map(|(slot, _)| *slot).and_then(|slot| open.remove(&slot));
        }
        open.insert(slot, (tick, Arc::clone(&store)));
        Ok(store)
    }
}

impl Store {
    /// The repository at `path`, begun anew where there is none, a broken one, or a worn one.
    pub(super) fn open(path: PathBuf) -> Result<Self, GitError> {
        let packs = std::fs::read_dir(path.join("objects/pack")).map_or(0, |files| files.count() / 2);
        let sound = git2::Repository::open_bare(&path).ok().filter(|_| packs < MAX_PACKS);
        let (handle, packs) = match sound {
            Some(handle) => (handle, packs),
            None => {
                if path.exists() {
                    std::fs::remove_dir_all(&path).map_err(|error| broken(&path, &error))?;
                }
                make_private(&path)?;
                let mut options = git2::RepositoryInitOptions::new();
                // No template: it could bring hooks.
                options.bare(true).external_template(false);
                (git2::Repository::init_opts(&path, &options)?, 0)
            }
        };
        Ok(Self {
            path,
            handles: Mutex::new(vec![handle]),
            trees: Recent::new(MAX_TREE_ENTRIES),
            histories: Recent::new(MAX_REMEMBERED),
            trunks: Recent::new(MAX_REMEMBERED),
            logs: Recent::new(MAX_REMEMBERED),
            packs: AtomicUsize::new(packs),
            fetching: tokio::sync::Mutex::default(),
        })
    }

    /// Counts one more pack.
    pub(super) fn grew(&self) {
        self.packs.fetch_add(1, Ordering::Relaxed);
    }

    fn worn(&self) -> bool {
        self.packs.load(Ordering::Relaxed) >= MAX_PACKS
    }

    /// Runs blocking work on a handle, away from the async threads.
    ///
    /// # Errors
    /// What the work returns, or `Broken` when it panicked.
    pub(super) async fn run<T, F>(self: &Arc<Self>, work: F) -> Result<T, GitError>
    where
        T: Send + 'static,
        F: FnOnce(&git2::Repository) -> Result<T, GitError> + Send + 'static,
    {
        let store = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || store.with(work)).await;
        done.map_err(|_| GitError::Broken("the work stopped in the middle".to_owned()))?
    }

    /// Runs work on a handle in this thread.
    pub(super) fn with<T>(&self, work: impl FnOnce(&git2::Repository) -> Result<T, GitError>) -> Result<T, GitError> {
        let repository = self.take()?;
        let done = work(&repository);
        self.give(repository);
        done
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn take(&self) -> Result<git2::Repository, GitError> {
        let idle = self.handles.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(repository) => Ok(repository),
            None => Ok(git2::Repository::open_bare(&self.path)?),
        }
    }

    fn give(&self, repository: git2::Repository) {
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        if handles.len() < MAX_HANDLES {
            handles.push(repository);
        }
    }
}

fn make_private(dir: &Path) -> Result<(), GitError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|error| broken(dir, &error))
}

fn broken(path: &Path, error: &std::io::Error) -> GitError {
    GitError::Broken(format!("{}: {error}", path.display()))
}

/// Folders of a cache nest less deep than this: repository, `refs/trunkline`, objects.
const MAX_DEPTH: usize = 8;

/// Takes away the locks that a killed process has left; git would wait for their owner for ever.
fn unlock(folder: &Path) -> Result<(), GitError> {
    let broken = |error: std::io::Error| GitError::Broken(error.to_string());
    let mut open = vec![(folder.to_owned(), 0)];
    while let Some((here, depth)) = open.pop() {
        for entry in std::fs::read_dir(&here).map_err(broken)? {
            let entry = entry.map_err(broken)?;
            let path = entry.path();
            if entry.file_type().map_err(broken)?.is_dir() {
                // Objects are written under names of their own and renamed; only refs and settings are locked.
                if depth < MAX_DEPTH && path.file_name().is_none_or(|name| name != "objects") {
                    open.push((path, depth + 1));
                }
            } else if path.extension().is_some_and(|end| end == "lock") {
                std::fs::remove_file(path).map_err(broken)?;
            }
        }
    }
    Ok(())
}
