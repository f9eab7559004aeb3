//! Git: bare caches, fetches, trees, merges in memory, history. The only user of git2 beside `sandbox`.
//!
//! libgit2 speaks only the old protocol over HTTP, which sends every ref of the repository on each fetch (2.7 MB where there
//! are 40,000 pull requests), so fetching is ours: protocol version 2, over the same transport as the API. libgit2 indexes
//! what arrives and reads it. No working tree, no hooks, no configuration from content, no other program.

mod cache;
mod history;
mod ledger;
mod merge;
mod objects;
mod pkt;
mod placed;
mod recent;
mod remote;
mod sync;
mod trunk;

use crate::model::id::{InstallationId, Oid, RepoId};

pub use cache::{Cache, Content, RepoSlot, Store};
pub use history::{CommitInfo, FolderAt, Log};
pub use ledger::LedgerSteps;
pub use merge::Merge;
pub use remote::{Remote, Remotes};
pub use sync::{RefSpec, Refs, TagRef};
pub use trunk::Scope;

/// What went wrong with git.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GitError {
    /// The server could not be reached, or broke off: try again.
    #[error("git could not fetch: {0}")]
    Network(String),
    /// The server does not let us in, or does not know the repository.
    #[error("git may not fetch: {0}")]
    Denied(String),
    /// The server sent what git does not allow, or more than we take.
    #[error("git refused what the server sent: {0}")]
    Refused(String),
    /// An object is not in the cache.
    #[error("git object {0} is missing")]
    Missing(Oid),
    /// The cache itself is broken.
    #[error("git cache: {0}")]
    Broken(String),
}

impl From<git2::Error> for GitError {
    fn from(error: git2::Error) -> Self {
        // libgit2's messages name paths of our own and object ids; no remote's address reaches it with a secret.
        GitError::Broken(error.message().chars().take(300).collect())
    }
}

fn ours(id: git2::Oid) -> Oid {
    let mut bytes = [0; 20];
    bytes.copy_from_slice(&id.as_bytes()[..20]);
    Oid(bytes)
}

fn theirs(id: Oid) -> Result<git2::Oid, GitError> {
    Ok(git2::Oid::from_bytes(&id.0)?)
}

/// A folder's name for what belongs to one installation and one repository, so that nothing is shared between two.
fn folder_name(installation: InstallationId, repo: RepoId, content: Content) -> String {
    format!(
        "{}-{}-{}.git",
        installation.0,
        repo.0,
        match content {
            Content::All => "all",
            Content::Commits => "commits",
            Content::Trees => "trees",
        }
    )
}

#[cfg(test)]
mod tests;
