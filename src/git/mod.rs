//! Bare caches of repositories: what is fetched, kept and read, never checked out.
//!
//! Reads through git cost no API budget and no work tree. A cache belongs to one installation and one repository, holds only
//! objects and our own refs, runs no hooks and reads no configuration from content. Its folder is disposable.

mod fetch;
mod history;
mod objects;
mod pkt;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::SecretString;

use crate::model::id::{InstallationId, Oid, RepoId, RepoName};
use crate::model::path::is_ref_name;
use crate::transport::{HttpService, Transport};

pub use history::{CommitInfo, Log, MergePreview, Step};
pub use objects::Repo;

/// Packs a cache gathers before it starts anew: each lookup asks every pack, and git itself repacks at 50.
const MAX_PACKS: usize = 200;
/// Open repositories kept; a handle holds file maps and a little memory.
const MAX_OPEN: usize = 256;
/// Commits remembered as "have" beside the branch tips, so that the next fetch is small.
const MAX_SEEN: usize = 64;
/// Our refs live apart from anything a server could name.
const OURS: &str = "refs/trunkline/";

/// Why git could not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum GitError {
    /// The server said no.
    #[error("{remote} refused the fetch (HTTP {status}); check that the App is installed there")]
    Denied {
        /// Which remote, without credentials.
        remote: String,
        /// What it answered.
        status: u16,
    },
    /// The server could not be reached, or answered nonsense.
    #[error("fetching {remote} failed: {why}")]
    Remote {
        /// Which remote, without credentials.
        remote: String,
        /// What happened.
        why: String,
    },
    /// A limit was reached.
    #[error("fetching {remote} was stopped: {why}")]
    TooLarge {
        /// Which remote.
        remote: String,
        /// Which limit.
        why: String,
    },
    /// The cache itself failed.
    #[error("the git cache failed: {0}")]
    Cache(String),
}

impl GitError {
    /// The cache's content is not what it should be.
    pub fn broken(why: impl Into<String>) -> Self {
        GitError::Cache(why.into())
    }
}

impl From<git2::Error> for GitError {
    fn from(error: git2::Error) -> Self {
        GitError::Cache(error.message().to_owned())
    }
}

impl From<std::io::Error> for GitError {
    fn from(error: std::io::Error) -> Self {
        GitError::Cache(error.to_string())
    }
}

/// Where repositories are fetched from.
#[derive(Clone)]
pub struct Remotes {
    web: String,
    from: From_,
}

#[derive(Clone)]
enum From_ {
    Http(HttpService),
    Folder(PathBuf),
}

impl Remotes {
    /// Over HTTP from the GitHub at `web`, such as `https://github.com`.
    ///
    /// # Errors
    /// When the transport cannot be set up.
    pub fn http(web: &str, transport: &Transport) -> std::io::Result<Self> {
        Ok(Self { web: web.trim_end_matches('/').to_owned(), from: From_::Http(transport.service()?) })
    }

    /// From bare repositories in a folder, `<owner>/<name>.git`; their pages are still at `web`.
    pub fn folder(web: &str, folder: &Path) -> Self {
        Self { web: web.trim_end_matches('/').to_owned(), from: From_::Folder(folder.to_owned()) }
    }

    /// The address of a repository for people.
    pub fn page(&self, name: &RepoName) -> String {
        format!("{}/{name}", self.web)
    }

    /// The remote of one repository, with the token that reads it.
    pub fn of(&self, name: &RepoName, token: SecretString) -> Remote {
        let place = match &self.from {
            From_::Http(service) => {
                Place::Http { url: format!("{}/{name}.git", self.web), token, service: service.clone() }
            }
            From_::Folder(folder) => Place::Folder(folder.join(&name.owner).join(format!("{}.git", name.name))),
        };
        Remote { name: name.to_string(), place }
    }
}

/// One repository on a server.
pub struct Remote {
    /// Its name, which errors show.
    name: String,
    place: Place,
}

enum Place {
    Http { url: String, token: SecretString, service: HttpService },
    Folder(PathBuf),
}

/// The refs of a repository as they are now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refs {
    /// The branch that `HEAD` names.
    pub head: Option<String>,
    /// Branches by name.
    pub heads: std::collections::BTreeMap<String, Oid>,
    /// Tags.
    pub tags: Vec<TagRef>,
}

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagRef {
    /// Its name.
    pub name: String,
    /// What it points at: a commit, or a tag object.
    pub object: Oid,
    /// The commit, peeled.
    pub commit: Oid,
}

impl Refs {
    /// Takes in one ref a server told of; names nobody could have pushed are left out.
    fn take(&mut self, name: &str, object: Oid, peeled: Option<Oid>) {
        if let Some(branch) = name.strip_prefix("refs/heads/").filter(|name| is_ref_name(name)) {
            self.heads.insert(branch.to_owned(), object);
        } else if let Some(tag) = name.strip_prefix("refs/tags/").filter(|name| is_ref_name(name)) {
            self.tags.push(TagRef { name: tag.to_owned(), object, commit: peeled.unwrap_or(object) });
        }
    }
}

/// What to have at hand after a sync.
#[derive(Debug, Clone, Default)]
pub struct Want {
    /// These commits, whatever ref holds them: pull request heads are named by id, not by ref.
    pub commits: Vec<Oid>,
    /// These branches beside the default one; a star at the end matches the rest.
    pub branches: Vec<String>,
    /// Every tag.
    pub tags: bool,
    /// Only commits, no files: all a source repository is read for.
    pub commits_only: bool,
}

/// The bare caches of every repository the bot looks at.
pub struct Cache {
    folder: PathBuf,
    open: Mutex<HashMap<PathBuf, Slot>>,
}

#[derive(Clone)]
struct Slot {
    repo: Repo,
    /// One fetch into a cache at a time; readers do not wait for it.
    fetching: Arc<tokio::sync::Mutex<()>>,
}

impl Cache {
    /// Caches below `folder`, which nobody else may read, and which belong to this process alone.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(folder: &Path) -> Result<Self, GitError> {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        unlock(folder)?;
        Ok(Self { folder: folder.to_owned(), open: Mutex::default() })
    }

    /// Where the caches are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Reads the refs of a remote and fetches what is wanted and missing.
    ///
    /// # Errors
    /// When the remote refuses, cannot be reached or answers nonsense, a limit is reached, or the cache fails.
    pub async fn sync(
        &self,
        of: (InstallationId, RepoId),
        remote: &Remote,
        want: &Want,
    ) -> Result<(Repo, Refs), GitError> {
        let slot = self.slot(self.path(of, want.commits_only)).await?;
        let _one_at_a_time = slot.fetching.lock().await;
        let refs = match &remote.place {
            Place::Http { url, token, service } => {
                let client = fetch::Client { name: &remote.name, url, token, service };
                let refs = client.ls_refs().await?;
                let (repo, tips) = (slot.repo.clone(), wanted(&refs, want));
                let missing = blocking(move || repo.missing(&tips)).await?;
                if !missing.is_empty() {
                    let repo = slot.repo.clone();
                    let haves = blocking(move || repo.haves()).await?;
                    client.fetch(&slot.repo, &missing, &haves, want.commits_only).await?;
                }
                refs
            }
            Place::Folder(path) => {
                let (path, repo, want) = (path.clone(), slot.repo.clone(), want.clone());
                blocking(move || repo.fetch_folder(&path, &want)).await?
            }
        };
        let (repo, tips) = (slot.repo.clone(), wanted(&refs, want));
        blocking(move || repo.keep(&tips)).await?;
        Ok((slot.repo, refs))
    }

    /// Commits without their files have a cache of their own: a server told of them would believe their files are here too.
    fn path(&self, (installation, id): (InstallationId, RepoId), commits_only: bool) -> PathBuf {
        let kind = if commits_only { "commits" } else { "files" };
        self.folder.join(installation.0.to_string()).join(format!("{id}.{kind}.git"))
    }

    async fn slot(&self, path: PathBuf) -> Result<Slot, GitError> {
        if let Some(slot) = self.open.lock().unwrap_or_else(PoisonError::into_inner).get(&path) {
            return Ok(slot.clone());
        }
        let place = path.clone();
        let repo = blocking(move || Repo::open(&place, MAX_PACKS)).await?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= MAX_OPEN {
            open.clear();
        }
        let slot = Slot { repo, fetching: Arc::default() };
        Ok(open.entry(path).or_insert(slot).clone())
    }
}

/// Folders of a cache nest less deep than this: installation, repository, `refs/trunkline`, objects.
const MAX_DEPTH: usize = 8;

/// Takes away the locks that a killed process has left; git would wait for their owner for ever.
fn unlock(folder: &Path) -> Result<(), GitError> {
    let mut open = vec![(folder.to_owned(), 0)];
    while let Some((here, depth)) = open.pop() {
        for entry in std::fs::read_dir(&here)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                // Objects are written under names of their own and renamed; only refs and settings are locked.
                if depth < MAX_DEPTH && path.file_name().is_none_or(|name| name != "objects") {
                    open.push((path, depth + 1));
                }
            } else if path.extension().is_some_and(|end| end == "lock") {
                std::fs::remove_file(path)?;
            }
        }
    }
    Ok(())
}

/// The commits that must be at hand.
fn wanted(refs: &Refs, want: &Want) -> Vec<Oid> {
    let matches = |branch: &str| {
        refs.head.as_deref() == Some(branch)
            || want.branches.iter().any(|pattern| match pattern.strip_suffix('*') {
                Some(fixed) => branch.starts_with(fixed),
                None => pattern == branch,
            })
    };
    let heads = refs.heads.iter().filter(|(branch, _)| matches(branch)).map(|(_, tip)| *tip);
    let tags = refs.tags.iter().filter(|_| want.tags).map(|tag| tag.object);
    let mut all: Vec<Oid> =
        heads.chain(tags).chain(want.commits.iter().copied()).filter(|id| *id != Oid::ZERO).collect();
    all.sort();
    all.dedup();
    all
}

/// Runs blocking work away from the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, GitError> + Send + 'static,
) -> Result<T, GitError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(_) => Err(GitError::broken("the work panicked")),
    }
}

/// How long one request may take: a first fetch of a 1 GB repository at 10 MB/s.
const WITHIN: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests;
