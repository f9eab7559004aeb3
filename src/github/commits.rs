//! Branches and commits: signed by GitHub, compare-and-set by the head they were decided on.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::apply::{already_exists, conflict};
use super::calls::Op;
use super::client::Ask;
use super::error::{ApiError, Kind, Scope};
use super::{GitHub, RepoAt};
use crate::model::id::Oid;
use crate::model::ledger::LEDGER_BRANCH;
use crate::model::path::{RepoPath, is_ref_name};

/// A GraphQL request over about 40 MB is refused; what we write is a few small YAML files.
const MAX_COMMIT_BYTES: usize = 20 * 1024 * 1024;
/// Files in one commit; a hundred additions is the most anybody reports to work.
const MAX_COMMIT_FILES: usize = 100;

#[derive(Deserialize)]
struct Sha {
    sha: Oid,
}

impl GitHub {
    /// Creates a branch at a commit; one that stands there already is as good.
    ///
    /// # Errors
    /// `Conflict` when the branch exists elsewhere.
    pub async fn create_branch(&self, at: &RepoAt, branch: &str, commit: Oid) -> Result<(), ApiError> {
        #[derive(Deserialize)]
        struct Ref {
            object: Sha,
        }
        valid(branch)?;
        let (owner, name) = (at.name.owner.as_str(), at.name.name.as_str());
        let request = json!({ "ref": format!("refs/heads/{branch}"), "sha": commit.to_string() });
        match self.client.send(Ask::new(Op::CreateRef, at, &[owner, name]).body(request)).await {
            Ok(_) => Ok(()),
            Err(error) if already_exists(&error) => {
                let ask = Ask::new(Op::GetRef, at, &[owner, name, &format!("heads/{branch}")]);
                let found: Ref = self.client.send(ask).await?.json()?;
                if found.object.sha == commit { Ok(()) } else { Err(conflict(error)) }
            }
            Err(error) => Err(error),
        }
    }

    /// Deletes a branch; one that is gone is as good.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn delete_branch(&self, at: &RepoAt, branch: &str) -> Result<(), ApiError> {
        valid(branch)?;
        let ask = Ask::new(Op::DeleteRef, at, &[&at.name.owner, &at.name.name, &format!("heads/{branch}")]);
        match self.client.send(ask).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind == Kind::Gone => Ok(()),
            Err(error) if error.message.contains("Reference does not exist") => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Writes whole files in one commit signed by GitHub, if the branch is still at `expected`, and returns the commit.
    ///
    /// # Errors
    /// `Conflict` when the branch moved.
    pub async fn commit(
        &self,
        at: &RepoAt,
        (branch, expected): (&str, Oid),
        files: &[(RepoPath, Vec<u8>)],
        message: &str,
    ) -> Result<Oid, ApiError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            create_commit_on_branch: Option<Payload>,
        }
        #[derive(Deserialize)]
        struct Payload {
            commit: Option<Commit>,
        }
        #[derive(Deserialize)]
        struct Commit {
            oid: Oid,
        }
        valid(branch)?;
        within_limits(files)?;
        let (headline, body) = message.split_once('\n').unwrap_or((message, ""));
        let addition =
            |(path, bytes): &(RepoPath, Vec<u8>)| json!({ "path": path.as_str(), "contents": STANDARD.encode(bytes) });
        let input = json!({
            "branch": { "repositoryNameWithOwner": at.name.to_string(), "branchName": branch },
            "expectedHeadOid": expected.to_string(),
            "message": { "headline": headline, "body": body.trim_start_matches('\n') },
            "fileChanges": { "additions": files.iter().map(addition).collect::<Vec<_>>() },
        });
        let data: Data = self.client.graphql(Op::CommitOnBranch, at, json!({ "input": input })).await.map_err(moved)?;
        let commit = data.create_commit_on_branch.and_then(|payload| payload.commit);
        Ok(commit.ok_or_else(|| ApiError::unreadable("CommitOnBranch", &"no commit"))?.oid)
    }

    /// Starts the ledger: a commit without parent, and its branch. Without author, so that GitHub signs it.
    ///
    /// # Errors
    /// `Conflict` when the branch exists: somebody was faster.
    pub async fn create_ledger(
        &self,
        at: &RepoAt,
        files: &[(RepoPath, Vec<u8>)],
        message: &str,
    ) -> Result<Oid, ApiError> {
        within_limits(files)?;
        let values = [at.name.owner.as_str(), at.name.name.as_str()];
        let entries: Result<Vec<Value>, ApiError> = files.iter().map(entry).collect();
        let ask = Ask::new(Op::CreateTree, at, &values).body(json!({ "tree": entries? }));
        let tree: Sha = self.client.send(ask).await?.json()?;
        let request = json!({ "message": message, "tree": tree.sha.to_string(), "parents": [] });
        let commit: Sha = self.client.send(Ask::new(Op::CreateCommit, at, &values).body(request)).await?.json()?;
        let request = json!({ "ref": format!("refs/heads/{LEDGER_BRANCH}"), "sha": commit.sha.to_string() });
        match self.client.send(Ask::new(Op::CreateRef, at, &values).body(request)).await {
            Ok(_) => Ok(commit.sha),
            Err(error) if already_exists(&error) => Err(conflict(error)),
            Err(error) => Err(error),
        }
    }
}

fn entry((path, bytes): &(RepoPath, Vec<u8>)) -> Result<Value, ApiError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| ApiError::new(Kind::Invalid, Scope::Pull, format!("`{path}` is not text")))?;
    Ok(json!({ "path": path.as_str(), "mode": "100644", "type": "blob", "content": text }))
}

/// GitHub says that a branch moved in more than one way.
fn moved(error: ApiError) -> ApiError {
    let says = |words: &str| error.message.contains(words);
    if says("Expected branch to point to") || says("expectedHeadOid") { conflict(error) } else { error }
}

fn valid(branch: &str) -> Result<(), ApiError> {
    if is_ref_name(branch) {
        return Ok(());
    }
    Err(ApiError::new(Kind::Invalid, Scope::Pull, format!("`{}` is no branch name", branch.escape_default())))
}

fn within_limits(files: &[(RepoPath, Vec<u8>)]) -> Result<(), ApiError> {
    let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    if bytes <= MAX_COMMIT_BYTES && files.len() <= MAX_COMMIT_FILES {
        return Ok(());
    }
    let message = format!("{} files of {bytes} bytes are too much for one commit", files.len());
    Err(ApiError::new(Kind::Invalid, Scope::Pull, message))
}
