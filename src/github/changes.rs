//! What is asked about many things at once: where commits came from, and one file of every repository.

use serde::Deserialize;
use serde_json::{Value, json};

use super::calls::Op;
use super::client::Who;
use super::error::ApiError;
use super::observe::{Answer, IdNode, gone, same};
use super::wire::{LoginNode, Nodes};
use super::{GitHub, RepoAt};
use crate::model::id::{InstallationId, Oid, RepoId, RepoName};

/// Commits or repositories asked about in one request, so that it stays within GitHub's ten seconds.
const MAX_ALIASES: usize = 50;
/// Commits asked about in all; a changelog shows fewer.
const MAX_CAME_WITH: usize = 500;

/// What GitHub knows of where a commit came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameWith {
    /// The commit.
    pub commit: Oid,
    /// Its author's login.
    pub login: Option<String>,
    /// The merged pull request it came with: number and title.
    pub pull: Option<(u64, String)>,
}

/// A file that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum File {
    /// Its text.
    Text(String),
    /// The repository is there and the file is not.
    Absent,
    /// Something is there that is no text, or more than GitHub tells; or the repository has another name by now.
    Unreadable,
}

impl GitHub {
    /// Who GitHub says wrote each commit, and the pull request each came with; commits it does not know are left out.
    ///
    /// # Errors
    /// When GitHub does not answer well.
    pub async fn commit_pulls(&self, at: &RepoAt, commits: &[Oid]) -> Result<Vec<CameWith>, ApiError> {
        let mut all = Vec::new();
        for batch in commits[..commits.len().min(MAX_CAME_WITH)].chunks(MAX_ALIASES) {
            let variables = json!({ "owner": at.name.owner, "name": at.name.name });
            let page: Answer<serde_json::Map<String, Value>> =
                self.client.graphql_text(Op::CameWith, at, &came_with(batch), variables).await?;
            let mut page = page.repository.ok_or_else(|| gone(at))?;
            same(at, RepoId(page.get("databaseId").and_then(Value::as_u64).unwrap_or_default()))?;
            for i in 0..batch.len() {
                let node = page.remove(&format!("c{i}")).unwrap_or_default();
                let node: Option<CameWithNode> = serde_json::from_value(node)
                    .map_err(|error| ApiError::unreadable(Op::CameWith.call().name, &error))?;
                all.extend(node.map(|node| node.came_with(at.id)));
            }
        }
        Ok(all)
    }

    /// One file on the default branch of each repository, in the order asked.
    ///
    /// # Errors
    /// When GitHub does not answer well.
    pub async fn files(
        &self,
        installation: InstallationId,
        repos: &[RepoAt],
        path: &str,
    ) -> Result<Vec<File>, ApiError> {
        let mut all = Vec::with_capacity(repos.len());
        for batch in repos.chunks(MAX_ALIASES) {
            let variables = json!({ "expression": format!("HEAD:{path}") });
            let who = Who::Installation(installation);
            let mut page: serde_json::Map<String, Value> =
                self.client.graphql_some(Op::Files, who, &files(batch), variables).await?;
            for (i, at) in batch.iter().enumerate() {
                let node: Option<FileNode> = serde_json::from_value(page.remove(&format!("r{i}")).unwrap_or_default())
                    .map_err(|error| ApiError::unreadable(Op::Files.call().name, &error))?;
                all.push(match node.filter(|node| node.database_id == at.id.0) {
                    None => File::Unreadable,
                    Some(FileNode { object: None, .. }) => File::Absent,
                    Some(FileNode { object: Some(blob), .. }) => {
                        let whole = blob.text.filter(|_| !blob.is_truncated.unwrap_or(false));
                        whole.map_or(File::Unreadable, File::Text)
                    }
                });
            }
        }
        Ok(all)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CameWithNode {
    oid: Oid,
    author: Option<AuthorNode>,
    associated_pull_requests: Option<Nodes<CameWithPull>>,
}

#[derive(Deserialize)]
struct AuthorNode {
    user: Option<LoginNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CameWithPull {
    number: u64,
    title: String,
    state: String,
    base_repository: Option<IdNode>,
}

impl CameWithNode {
    fn came_with(self, repo: RepoId) -> CameWith {
        let pulls = self.associated_pull_requests.map(Nodes::into_vec).unwrap_or_default();
        let here = |pull: &CameWithPull| pull.base_repository.as_ref().is_some_and(|base| base.database_id == repo.0);
        let pull = pulls.into_iter().find(|pull| here(pull) && pull.state == "MERGED");
        CameWith {
            commit: self.oid,
            login: self.author.and_then(|author| author.user).map(|user| user.login),
            pull: pull.map(|pull| (pull.number, pull.title)),
        }
    }
}

/// The document that asks about several commits at once; ids are hex digits, so nothing in it needs quoting.
pub fn came_with(commits: &[Oid]) -> String {
    let fragment = Op::CameWith.call().document.unwrap_or_default();
    let mut text = "query CameWith($owner: String!, $name: String!) {\n  repository(owner: $owner, name: $name) {\n    databaseId\n".to_owned();
    for (i, commit) in commits.iter().enumerate() {
        text.push_str(&format!("    c{i}: object(oid: \"{commit}\") {{ ...CameWithFields }}\n"));
    }
    text + "  }\n}\n" + fragment
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FileNode {
    database_id: u64,
    object: Option<BlobNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlobNode {
    text: Option<String>,
    is_truncated: Option<bool>,
}

/// The document that asks for one file of several repositories; names are of a type that needs no quoting.
pub fn files(repos: &[RepoAt]) -> String {
    let fragment = Op::Files.call().document.unwrap_or_default();
    let mut text = "query Files($expression: String!) {\n".to_owned();
    for (i, at) in repos.iter().enumerate() {
        let RepoName { owner, name } = &at.name;
        text.push_str(&format!("  r{i}: repository(owner: \"{owner}\", name: \"{name}\") {{ ...FileFields }}\n"));
    }
    text + "}\n" + fragment
}
