//! How a commit reached the default branch: with which pull request, who merged it, and how our check on it stood.

use serde::Deserialize;
use serde_json::json;

use super::calls::Op;
use super::error::{ApiError, Kind, Scope};
use super::observe::{IdNode, same};
use super::wire::{BriefNode, LoginNode, Nodes, OidNode};
use super::{GitHub, RepoAt};
use crate::model::facts::Arrival;
use crate::model::id::{Oid, RepoId};
use crate::model::snapshot::{Actor, Bot};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    database_id: u64,
    object: Option<CommitNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CommitNode {
    author: Option<AuthorNode>,
    signature: Option<SignatureNode>,
    associated_pull_requests: Option<Nodes<BroughtNode>>,
}

#[derive(Deserialize)]
struct AuthorNode {
    name: Option<String>,
    email: Option<String>,
    user: Option<LoginNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignatureNode {
    is_valid: bool,
    was_signed_by_git_hub: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BroughtNode {
    #[serde(flatten)]
    brief: BriefNode,
    base_repository: Option<IdNode>,
    merge_commit: Option<OidNode>,
    newest: Nodes<NewestNode>,
}

#[derive(Deserialize)]
struct NewestNode {
    commit: HeadNode,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeadNode {
    oid: Oid,
    check_suites: Option<Nodes<SuiteNode>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SuiteNode {
    check_runs: Option<Nodes<RunNode>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RunNode {
    database_id: u64,
    status: String,
    conclusion: Option<String>,
}

/// Whether our newest run on the head has ended and lets it pass.
fn is_green(newest: Nodes<NewestNode>, head: Oid) -> bool {
    let newest = newest.into_vec().pop().filter(|newest| newest.commit.oid == head);
    let suites = newest.and_then(|newest| newest.commit.check_suites).map(Nodes::into_vec).unwrap_or_default();
    let runs = suites.into_iter().filter_map(|suite| suite.check_runs).flat_map(Nodes::into_vec);
    runs.max_by_key(|run| run.database_id).is_some_and(|run| {
        run.status == "COMPLETED" && matches!(run.conclusion.as_deref(), Some("SUCCESS" | "NEUTRAL"))
    })
}

impl GitHub {
    /// How a commit reached the branch `base`.
    ///
    /// # Errors
    /// When the commit is gone, or GitHub does not answer well.
    pub async fn arrival(&self, at: &RepoAt, commit: Oid, base: &str, us: &Bot) -> Result<Arrival, ApiError> {
        let page: Page = self.ask(Op::Arrival, at, json!({ "oid": commit, "app": us.app })).await?;
        same(at, RepoId(page.database_id))?;
        let gone =
            || ApiError::new(Kind::Gone, Scope::Pull, format!("commit {} is not in {}", commit.short(), at.name));
        let node = page.object.ok_or_else(gone)?;
        let signed = node.signature.is_some_and(|signature| signature.is_valid && signature.was_signed_by_git_hub);
        let brought = node.associated_pull_requests.map(Nodes::into_vec).unwrap_or_default();
        let mut brought: Vec<_> = brought
            .into_iter()
            .filter(|pull| pull.base_repository.as_ref().is_some_and(|base| base.database_id == at.id.0))
            .filter(|pull| pull.brief.is_merged_into(base))
            .collect();
        // A commit may be known to several; the one whose merge it is has brought it.
        brought.sort_by_key(|pull| pull.merge_commit.as_ref().is_none_or(|merge| merge.oid != commit));
        let Some(pull) = brought.into_iter().next() else {
            // Whose name a commit bears is for anybody to write; GitHub signs only what it wrote itself, for whoever asked it.
            let mail = format!("+{}[bot]@users.noreply.", us.slug);
            let ours = signed
                && node.author.as_ref().and_then(|author| author.email.as_ref()).is_some_and(|own| own.contains(&mail));
            return Ok(Arrival { by: node.author.and_then(AuthorNode::actor), ours, pull: None, green: false });
        };
        let head = pull.brief.head_ref_oid;
        let green = is_green(pull.newest, head);
        let brief = pull.brief.brief();
        Ok(Arrival { by: brief.closed_by.clone(), ours: false, pull: Some(brief), green })
    }
}

impl AuthorNode {
    fn actor(self) -> Option<Actor> {
        let login = self.user.map(|user| user.login).or(self.name)?;
        Some(Actor { login, bot: false })
    }
}
