//! What GitHub knows, asked for in one request a key in the ordinary case.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::calls::Op;
use super::client::{Ask, Who};
use super::error::{ApiError, Kind, Scope};
use super::wire::{BriefNode, CommentNode, ContextNode, Nodes, PullNode, RepoNode, SuitesNode};
use super::{GitHub, RepoAt};
use crate::model::id::{InstallationId, Oid, RepoId, RepoName};
use crate::model::onboarding::ONBOARDING_BRANCH;
use crate::model::snapshot::{
    Bot, Comment, CommitCheck, HeadSubject, OwnCheck, Pull, PullBrief, PullSubject, Repo, RepoSubject,
};

/// Installations, or repositories of one, that are listed: 50 pages of 100.
const MAX_LIST_PAGES: usize = 50;
/// Open pull requests that are looked at: 5 pages of 100; repositories of environments have dozens.
const MAX_OPEN_PAGES: usize = 5;
/// GitHub takes no more than 2,500 comments: 25 pages of 100.
const MAX_COMMENT_PAGES: usize = 25;
/// Checks on one commit: 5 pages of 100; GitHub's own page stops at about that.
const MAX_CHECK_PAGES: usize = 5;
/// Pull requests with one head that are looked at; the same commit in more is a prank.
const MAX_SAME_HEAD: usize = 20;
/// Comments older than this start nothing (the design's "first sight").
const RECENT: SignedDuration = SignedDuration::from_hours(1);

/// A repository in an installation's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoListing {
    /// Where it is.
    pub at: RepoAt,
    /// Whether it has a narrower audience than the world.
    pub private: bool,
    /// Its default branch.
    pub default_branch: String,
    /// Whether nobody can write to it any more.
    pub archived: bool,
}

#[derive(Deserialize)]
pub(super) struct Answer<T> {
    pub(super) repository: Option<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RepoPage {
    #[serde(flatten)]
    repo: RepoNode,
    is_fork: bool,
    is_archived: bool,
    has_issues_enabled: bool,
    open: Nodes<BriefNode>,
    onboarding: Nodes<BriefNode>,
    recent_pulls: Nodes<RecentNode>,
    recent_issues: Nodes<RecentNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecentNode {
    number: u64,
    updated_at: Timestamp,
    comments: Count,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Count {
    total_count: u64,
}

/// A page of something of a repository whose number is checked.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<T> {
    database_id: u64,
    #[serde(flatten)]
    rest: T,
}

#[derive(Deserialize)]
struct Open<T> {
    open: Nodes<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PullPage {
    #[serde(flatten)]
    repo: RepoNode,
    issue_or_pull_request: Option<IssueOrPull>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CommentsPage {
    issue_or_pull_request: Option<HasComments>,
}

#[derive(Deserialize)]
struct HasComments {
    comments: Nodes<CommentNode>,
}

#[derive(Deserialize)]
#[serde(tag = "__typename")]
enum IssueOrPull {
    Issue { comments: Nodes<CommentNode> },
    PullRequest(Box<FullPull>),
}

#[derive(Deserialize)]
struct FullPull {
    #[serde(flatten)]
    pull: PullNode,
    comments: Nodes<CommentNode>,
    newest: Nodes<NewestNode>,
}

#[derive(Deserialize)]
struct NewestNode {
    commit: HeadCommit,
}

#[derive(Deserialize)]
struct HeadCommit {
    oid: Oid,
    #[serde(flatten)]
    suites: SuitesNode,
}

#[derive(Deserialize)]
struct HeadPage {
    #[serde(flatten)]
    repo: RepoNode,
    object: Option<HeadObject>,
    open: Nodes<NumberNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeadObject {
    #[serde(flatten)]
    suites: SuitesNode,
    associated_pull_requests: Option<Nodes<AssociatedNode>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AssociatedNode {
    #[serde(flatten)]
    pull: PullNode,
    base_repository: Option<IdNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IdNode {
    pub(super) database_id: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NumberNode {
    number: u64,
    head_ref_oid: Oid,
}

impl GitHub {
    /// Who we are.
    ///
    /// # Errors
    /// When the App's key is not this App's, or GitHub is away.
    pub async fn app(&self) -> Result<Bot, ApiError> {
        #[derive(Deserialize)]
        struct App {
            id: u64,
            slug: String,
        }
        let answer = self.client.send(Ask::new(Op::App, Who::App, &[])).await;
        let app: App = answer.map_err(|error| error.reaching(Scope::Global))?.json()?;
        Ok(Bot { app: app.id, slug: app.slug })
    }

    /// Where the App is installed, suspended installations left out.
    ///
    /// # Errors
    /// When GitHub does not answer well.
    pub async fn installations(&self) -> Result<Vec<InstallationId>, ApiError> {
        #[derive(Deserialize)]
        struct Installation {
            id: u64,
            #[serde(default)]
            suspended_at: Option<Timestamp>,
        }
        let mut all = Vec::new();
        for page in 1..=MAX_LIST_PAGES {
            let ask = Ask::new(Op::Installations, Who::App, &[]).query("per_page", "100");
            let answer = self.client.send(ask.query("page", &page.to_string())).await?;
            let found: Vec<Installation> = answer.json()?;
            let whole = found.len() == 100;
            all.extend(found.into_iter().filter(|i| i.suspended_at.is_none()).map(|i| InstallationId(i.id)));
            if !whole {
                break;
            }
        }
        Ok(all)
    }

    /// The repositories of an installation.
    ///
    /// # Errors
    /// When GitHub does not answer well.
    pub async fn repositories(&self, installation: InstallationId) -> Result<Vec<RepoListing>, ApiError> {
        #[derive(Deserialize)]
        struct Page {
            repositories: Vec<Repository>,
        }
        #[derive(Deserialize)]
        struct Repository {
            id: u64,
            full_name: RepoName,
            private: bool,
            #[serde(default)]
            default_branch: Option<String>,
            #[serde(default)]
            archived: bool,
        }
        let mut all = Vec::new();
        for page in 1..=MAX_LIST_PAGES {
            let ask = Ask::new(Op::Repositories, Who::Installation(installation), &[]).query("per_page", "100");
            let answer = self.client.send(ask.query("page", &page.to_string())).await?;
            let found: Page = answer.json()?;
            let whole = found.repositories.len() == 100;
            all.extend(found.repositories.into_iter().map(|r| RepoListing {
                at: RepoAt { installation, id: RepoId(r.id), name: r.full_name },
                private: r.private,
                default_branch: r.default_branch.unwrap_or_else(|| "main".to_owned()),
                archived: r.archived,
            }));
            if !whole {
                break;
            }
        }
        Ok(all)
    }

    /// A repository with its open pull requests and where somebody commented within the hour; `pipelines` is left empty.
    ///
    /// # Errors
    /// When it is gone, or GitHub does not answer well.
    pub async fn repo(&self, at: &RepoAt) -> Result<(Repo, RepoSubject), ApiError> {
        let since = self.client.clock.now() - RECENT;
        let variables = json!({ "since": since.to_string(), "onboarding": ONBOARDING_BRANCH });
        let page: RepoPage = self.ask(Op::Repo, at, variables).await?;
        same(at, page.repo.id())?;
        let mut next = page.open.page_info.next();
        let mut open: Vec<PullBrief> = page.open.into_vec().into_iter().map(BriefNode::brief).collect();
        for _ in 1..MAX_OPEN_PAGES {
            let Some(after) = next else { break };
            let more: Page<Open<BriefNode>> = self.ask(Op::Open, at, json!({ "after": after })).await?;
            same(at, RepoId(more.database_id))?;
            next = more.rest.open.page_info.next();
            open.extend(more.rest.open.into_vec().into_iter().map(BriefNode::brief));
        }
        let recent = page.recent_pulls.into_vec().into_iter().chain(page.recent_issues.into_vec());
        let mut recent: Vec<u64> =
            recent.filter(|r| r.updated_at >= since && r.comments.total_count > 0).map(|r| r.number).collect();
        recent.sort_unstable();
        recent.dedup();
        let onboarding = page.onboarding.into_vec().into_iter().map(BriefNode::brief);
        let subject = RepoSubject {
            open,
            recent,
            onboarding: onboarding.filter(|pull| pull.branch == ONBOARDING_BRANCH && !pull.fork).collect(),
            fork: page.is_fork,
            archived: page.is_archived,
            issues: page.has_issues_enabled,
            ..RepoSubject::default()
        };
        Ok((page.repo.repo(at.installation), subject))
    }

    /// A pull request or an issue with all its comments.
    ///
    /// # Errors
    /// When it is gone, or GitHub does not answer well.
    pub async fn pull(&self, at: &RepoAt, number: u64) -> Result<(Repo, PullSubject), ApiError> {
        let variables = json!({ "number": number, "app": self.app_id });
        let page: PullPage = self.ask(Op::Pull, at, variables).await?;
        same(at, page.repo.id())?;
        let (pull, comments, checks) = match page.issue_or_pull_request {
            None => return Err(ApiError::new(Kind::Gone, Scope::Pull, format!("{}#{number} is gone", at.name))),
            Some(IssueOrPull::Issue { comments }) => (None, comments, Vec::new()),
            Some(IssueOrPull::PullRequest(full)) => {
                let head = full.pull.brief.head_ref_oid;
                let newest = full.newest.into_vec().pop().filter(|newest| newest.commit.oid == head);
                let checks = newest.map(|newest| newest.commit.suites.checks()).unwrap_or_default();
                (Some(full.pull.pull()), full.comments, checks)
            }
        };
        let comments = self.all_comments(at, number, comments).await?;
        let checked_at =
            checks.iter().filter(|check| check.completed).filter_map(|check: &OwnCheck| check.completed_at).max();
        let check_since = checks.iter().filter_map(|check| check.started_at).min();
        Ok((page.repo.repo(at.installation), PullSubject { number, pull, comments, checked_at, check_since }))
    }

    /// Pages backwards from the newest comments, which came with the pull request.
    async fn all_comments(
        &self,
        at: &RepoAt,
        number: u64,
        newest: Nodes<CommentNode>,
    ) -> Result<Vec<Comment>, ApiError> {
        let mut previous = newest.page_info.previous();
        let mut pages = vec![newest.into_vec()];
        for _ in 1..MAX_COMMENT_PAGES {
            let Some(before) = previous else { break };
            let variables = json!({ "number": number, "before": before });
            let page: Page<CommentsPage> = self.ask(Op::Comments, at, variables).await?;
            same(at, RepoId(page.database_id))?;
            let Some(found) = page.rest.issue_or_pull_request else { break };
            previous = found.comments.page_info.previous();
            pages.push(found.comments.into_vec());
        }
        Ok(pages.into_iter().rev().flatten().map(CommentNode::comment).collect())
    }

    /// A commit with our check runs on it and the open pull requests it heads.
    ///
    /// # Errors
    /// When the commit is gone, or GitHub does not answer well.
    pub async fn head(&self, at: &RepoAt, head: Oid) -> Result<(Repo, HeadSubject), ApiError> {
        let page: HeadPage = self.ask(Op::Head, at, json!({ "oid": head, "app": self.app_id })).await?;
        same(at, page.repo.id())?;
        let gone = || ApiError::new(Kind::Gone, Scope::Pull, format!("commit {} is not in {}", head.short(), at.name));
        let object = page.object.ok_or_else(gone)?;
        let associated = object.associated_pull_requests.map(Nodes::into_vec).unwrap_or_default();
        let mut pulls: Vec<Pull> = associated
            .into_iter()
            .filter(|node| node.base_repository.as_ref().is_some_and(|base| base.database_id == at.id.0))
            .filter(|node| node.pull.brief.is_open() && node.pull.brief.head_ref_oid == head)
            .map(|node| node.pull.pull())
            .collect();
        // GitHub's association lags and forgets forks; the list of open heads does not, so what it adds is asked for.
        for number in self.numbers_of_head(at, head, page.open).await? {
            if pulls.len() < MAX_SAME_HEAD && pulls.iter().all(|pull| pull.brief.number != number) {
                let found = self.pull(at, number).await?.1.pull;
                pulls.extend(found.filter(|pull| pull.brief.head == head));
            }
        }
        pulls.sort_by_key(|pull| pull.brief.number);
        Ok((page.repo.repo(at.installation), HeadSubject { head, checks: object.suites.checks(), pulls, group: None }))
    }

    async fn numbers_of_head(&self, at: &RepoAt, head: Oid, first: Nodes<NumberNode>) -> Result<Vec<u64>, ApiError> {
        let mut next = first.page_info.next();
        let mut open = first.into_vec();
        for _ in 1..MAX_OPEN_PAGES {
            let Some(after) = next else { break };
            let more: Page<Open<NumberNode>> = self.ask(Op::Heads, at, json!({ "after": after })).await?;
            same(at, RepoId(more.database_id))?;
            next = more.rest.open.page_info.next();
            open.extend(more.rest.open.into_vec());
        }
        Ok(open.into_iter().filter(|pull| pull.head_ref_oid == head).map(|pull| pull.number).collect())
    }

    /// Every pull request ever opened from a branch of the repository itself, newest first.
    ///
    /// # Errors
    /// When GitHub does not answer well.
    pub async fn branch_pulls(&self, at: &RepoAt, branch: &str) -> Result<Vec<PullBrief>, ApiError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Branch {
            pull_requests: Nodes<BriefNode>,
        }
        let page: Page<Branch> = self.ask(Op::Branch, at, json!({ "branch": branch })).await?;
        same(at, RepoId(page.database_id))?;
        let pulls = page.rest.pull_requests.into_vec().into_iter().map(BriefNode::brief);
        Ok(pulls.filter(|pull| pull.branch == branch && !pull.fork).collect())
    }

    /// The newest checks of every App and every status on a commit.
    ///
    /// # Errors
    /// When the commit is gone, or GitHub does not answer well.
    pub async fn commit_checks(&self, at: &RepoAt, commit: Oid) -> Result<Vec<CommitCheck>, ApiError> {
        #[derive(Deserialize)]
        struct Object {
            object: Option<Commit>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Commit {
            status_check_rollup: Option<Rollup>,
        }
        #[derive(Deserialize)]
        struct Rollup {
            contexts: Nodes<ContextNode>,
        }
        let mut all = Vec::new();
        let mut after = Value::Null;
        for _ in 0..MAX_CHECK_PAGES {
            let variables = json!({ "oid": commit, "after": after });
            let page: Page<Object> = self.ask(Op::Checks, at, variables).await?;
            same(at, RepoId(page.database_id))?;
            let gone =
                || ApiError::new(Kind::Gone, Scope::Pull, format!("commit {} is not in {}", commit.short(), at.name));
            let Some(rollup) = page.rest.object.ok_or_else(gone)?.status_check_rollup else { break };
            let next = rollup.contexts.page_info.next();
            all.extend(rollup.contexts.into_vec().into_iter().map(ContextNode::check));
            match next {
                Some(next) => after = next.into(),
                None => return Ok(all),
            }
        }
        if after.is_null() {
            return Ok(all);
        }
        // Fail closed: a check that was not read may have failed.
        let message = format!("more than {} checks on commit {}", all.len(), commit.short());
        Err(ApiError::new(Kind::Invalid, Scope::Pull, message))
    }

    pub(super) async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        op: Op,
        at: &RepoAt,
        mut variables: Value,
    ) -> Result<T, ApiError> {
        variables["owner"] = at.name.owner.clone().into();
        variables["name"] = at.name.name.clone().into();
        let answer: Answer<T> = self.client.graphql(op, at, variables).await?;
        answer.repository.ok_or_else(|| gone(at))
    }
}

/// The error for a repository that is not there.
pub(super) fn gone(at: &RepoAt) -> ApiError {
    ApiError::new(Kind::Gone, Scope::Repo, format!("{} is gone, or no longer ours to see", at.name))
}

/// Holds an answer to its repository: a name can pass to another repository; answers about that one are not for this key.
pub(super) fn same(at: &RepoAt, id: RepoId) -> Result<(), ApiError> {
    if at.id == id {
        return Ok(());
    }
    Err(ApiError::new(Kind::Gone, Scope::Repo, format!("{} is another repository now", at.name)))
}
