//! One pull request as GitHub's merge box sees it, and whose turn it is.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::apply::conflict;
use super::calls::Op;
use super::error::{ApiError, Kind, Scope};
use super::rules::ClassicNode;
use super::wire::{ActorNode, ContextNode, Nodes, OidNode, actor};
use super::{GitHub, RepoAt};
use crate::model::id::Oid;
use crate::model::merging::{BranchRules, HeadCheck, InLine, MergeState, Merging, ReviewDecision, TakenOut};
use crate::model::snapshot::Bot;

/// Open pull requests into one branch that are looked at: 5 pages of 100, as elsewhere.
const MAX_PAGES: usize = 5;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MergingPage {
    database_id: u64,
    pull_request: Option<MergingNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MergingNode {
    id: String,
    head_ref_oid: Oid,
    #[serde(default)]
    is_in_merge_queue: bool,
    queueings: Option<Nodes<QueueingNode>>,
    merge_state_status: String,
    review_decision: Option<String>,
    latest_opinionated_reviews: Option<Nodes<OpinionNode>>,
    review_threads: Nodes<ThreadNode>,
    base_ref: Option<BaseNode>,
    commits: Nodes<SignedNode>,
    newest: Nodes<NewestNode>,
}

#[derive(Deserialize)]
#[serde(tag = "__typename", rename_all_fields = "camelCase")]
enum QueueingNode {
    RemovedFromMergeQueueEvent {
        created_at: Timestamp,
        reason: Option<String>,
        actor: Option<ActorNode>,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct OpinionNode {
    author: Option<ActorNode>,
    state: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ThreadNode {
    is_resolved: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BaseNode {
    ref_update_rule: Option<ClassicNode>,
}

#[derive(Deserialize)]
struct SignedNode {
    commit: SignedCommit,
}

#[derive(Deserialize)]
struct SignedCommit {
    oid: Oid,
    signature: Option<Signature>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Signature {
    is_valid: bool,
}

#[derive(Deserialize)]
struct NewestNode {
    commit: RollupCommit,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RollupCommit {
    status_check_rollup: Option<Rollup>,
}

#[derive(Deserialize)]
struct Rollup {
    contexts: Nodes<ContextNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TurnPage {
    database_id: u64,
    open: Nodes<TurnNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TurnNode {
    number: u64,
    author: Option<ActorNode>,
    head_ref_name: String,
    is_cross_repository: bool,
    is_draft: bool,
    mergeable: String,
    newest: Nodes<CheckedNode>,
}

#[derive(Deserialize)]
struct CheckedNode {
    commit: CheckedCommit,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CheckedCommit {
    check_suites: Option<Nodes<CheckedSuite>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CheckedSuite {
    check_runs: Option<Nodes<Concluded>>,
}

#[derive(Deserialize)]
struct Concluded {
    conclusion: Option<String>,
}

impl GitHub {
    /// One pull request as GitHub's merge box sees it; `rules` are the rulesets' of its base branch, `head` the commit meant.
    ///
    /// # Errors
    /// `Conflict` when the head is another by now.
    pub async fn merging(
        &self,
        at: &RepoAt,
        (number, head): (u64, Oid),
        rules: BranchRules,
    ) -> Result<Merging, ApiError> {
        let variables = json!({ "number": number, "queue": rules.queue });
        let page: MergingPage = self.ask(Op::Merging, at, variables).await?;
        super::observe::same(at, crate::model::id::RepoId(page.database_id))?;
        let gone = || ApiError::new(Kind::Gone, Scope::Pull, format!("{}#{number} is gone", at.name));
        let node = page.pull_request.ok_or_else(gone)?;
        if node.head_ref_oid != head {
            let message = format!("{}#{number} has another head by now", at.name);
            return Err(ApiError::new(Kind::Conflict, Scope::Pull, message));
        }
        Ok(node.merging(rules))
    }

    /// Our open promotions into a branch, oldest first.
    ///
    /// # Errors
    /// When GitHub does not answer well.
    pub async fn in_line(&self, at: &RepoAt, bot: &Bot, base: &str) -> Result<Vec<InLine>, ApiError> {
        let mut all = Vec::new();
        let mut after = Value::Null;
        for _ in 0..MAX_PAGES {
            let variables = json!({ "base": base, "app": self.app_id, "after": after });
            let page: TurnPage = self.ask(Op::Turn, at, variables).await?;
            super::observe::same(at, crate::model::id::RepoId(page.database_id))?;
            let next = page.open.page_info.next();
            all.extend(page.open.into_vec().into_iter().filter_map(|node| node.in_line(bot)));
            match next {
                Some(next) => after = next.into(),
                None => break,
            }
        }
        Ok(all)
    }

    /// Puts a pull request into its merge queue if its head is still the one that was decided on; one that is in there is as good.
    ///
    /// # Errors
    /// `Conflict` with GitHub's words when the head moved, or a rule of the branch does not allow it.
    pub async fn enqueue(&self, at: &RepoAt, node: &str, head: Oid) -> Result<(), ApiError> {
        let input = json!({ "pullRequestId": node, "expectedHeadOid": head });
        self.queue(Op::Enqueue, at, input, "already in").await
    }

    /// Takes a pull request out of its merge queue; one that is in none is as good.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn dequeue(&self, at: &RepoAt, node: &str) -> Result<(), ApiError> {
        self.queue(Op::Dequeue, at, json!({ "id": node }), "not in").await
    }

    async fn queue(&self, op: Op, at: &RepoAt, input: Value, done: &str) -> Result<(), ApiError> {
        match self.client.graphql::<Value>(op, at, json!({ "input": input })).await {
            Err(error) if error.message.contains(done) && error.message.contains("queue") => Ok(()),
            answer => answer.map(drop).map_err(conflict),
        }
    }

    /// The commit that brought a merged pull request in; `None` when GitHub does not say.
    ///
    /// # Errors
    /// When GitHub does not answer well.
    pub async fn merge_commit(&self, at: &RepoAt, number: u64) -> Result<Option<Oid>, ApiError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Page {
            database_id: u64,
            pull_request: Option<Pull>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Pull {
            merge_commit: Option<OidNode>,
        }
        let page: Page = self.ask(Op::Landed, at, json!({ "number": number })).await?;
        super::observe::same(at, crate::model::id::RepoId(page.database_id))?;
        Ok(page.pull_request.and_then(|pull| pull.merge_commit).map(|commit| commit.oid))
    }
}

impl MergingNode {
    fn merging(self, mut rules: BranchRules) -> Merging {
        if let Some(classic) = self.base_ref.and_then(|base| base.ref_update_rule) {
            classic.add(&mut rules);
        }
        let opinions = self.latest_opinionated_reviews.map(Nodes::into_vec).unwrap_or_default();
        let approving = opinions.into_iter().filter(|opinion| opinion.state == "APPROVED");
        let checks = self.newest.into_vec().pop().and_then(|newest| newest.commit.status_check_rollup);
        let checks = checks.map(|rollup| rollup.contexts.into_vec()).unwrap_or_default();
        let unsigned = self.commits.into_vec().into_iter().map(|node| node.commit);
        Merging {
            rules,
            state: match self.merge_state_status.as_str() {
                "CLEAN" | "HAS_HOOKS" | "UNSTABLE" => MergeState::Clean,
                "BEHIND" => MergeState::Behind,
                "BLOCKED" | "DRAFT" => MergeState::Blocked,
                "DIRTY" => MergeState::Conflicting,
                _ => MergeState::Unknown,
            },
            decision: self.review_decision.map(|word| match word.as_str() {
                "APPROVED" => ReviewDecision::Approved,
                "CHANGES_REQUESTED" => ReviewDecision::ChangesRequested,
                _ => ReviewDecision::Required,
            }),
            approvals: approving.map(|opinion| actor(opinion.author)).filter(|who| !who.bot).map(|w| w.login).collect(),
            unresolved: self.review_threads.into_vec().iter().filter(|thread| !thread.is_resolved).count(),
            unsigned: unsigned
                .filter(|commit| !commit.signature.as_ref().is_some_and(|signature| signature.is_valid))
                .map(|commit| commit.oid)
                .collect(),
            checks: checks
                .into_iter()
                .map(|context| {
                    let app = context.app_id();
                    let check = context.check();
                    HeadCheck { name: check.name, app, state: check.state }
                })
                .collect(),
            taken_out: self.queueings.map(Nodes::into_vec).unwrap_or_default().pop().and_then(QueueingNode::taken_out),
            node: self.id,
            queued: self.is_in_merge_queue,
            ..Merging::default()
        }
    }
}

impl QueueingNode {
    fn taken_out(self) -> Option<TakenOut> {
        match self {
            QueueingNode::RemovedFromMergeQueueEvent { created_at, reason, actor: by } => {
                Some(TakenOut { at: created_at, by: actor(by), reason: reason.unwrap_or_default() })
            }
            QueueingNode::Other => None,
        }
    }
}

impl TurnNode {
    fn in_line(self, bot: &Bot) -> Option<InLine> {
        if !bot.is(&actor(self.author)) || self.is_cross_repository {
            return None;
        }
        let suites = self.newest.into_vec().pop().and_then(|node| node.commit.check_suites);
        let runs = suites.map(Nodes::into_vec).unwrap_or_default().into_iter().filter_map(|suite| suite.check_runs);
        // A head without any check was pushed a moment ago, by bringing it up to date for instance: it keeps its turn.
        let passed = runs.flat_map(Nodes::into_vec).all(|run| run.conclusion.as_deref() == Some("SUCCESS"));
        Some(InLine {
            number: self.number,
            branch: self.head_ref_name,
            ready: passed && !self.is_draft,
            conflicts: self.mergeable == "CONFLICTING",
        })
    }
}
