//! GitHub's GraphQL answers as we ask for them, and their translation into the model's nouns.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use super::ended::{EndNode, end};
use crate::model::id::{InstallationId, Oid, RepoId, RepoName};
use crate::model::snapshot::{
    Actor, CheckState, Comment, CommitCheck, MergeMethod, OwnCheck, Pull, PullBrief, PullState, Reaction, Repo, Review,
    ReviewState,
};

/// The name for an account that is gone, or that GitHub cannot tell.
const GHOST: &str = "ghost";

/// A list, of whose entries GitHub may withhold some.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Nodes<T> {
    #[serde(default = "Vec::new")]
    nodes: Vec<Option<T>>,
    #[serde(default)]
    pub(super) page_info: PageInfo,
    #[serde(default)]
    pub(super) total_count: usize,
}

impl<T> Nodes<T> {
    /// The entries that are there.
    pub(super) fn into_vec(self) -> Vec<T> {
        self.nodes.into_iter().flatten().collect()
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
    has_previous_page: bool,
    start_cursor: Option<String>,
}

impl PageInfo {
    /// The cursor to ask on after.
    pub(super) fn next(&self) -> Option<String> {
        self.end_cursor.clone().filter(|_| self.has_next_page)
    }

    /// The cursor to ask on before.
    pub(super) fn previous(&self) -> Option<String> {
        self.start_cursor.clone().filter(|_| self.has_previous_page)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RepoNode {
    database_id: u64,
    name_with_owner: RepoName,
    url: String,
    is_private: bool,
    merge_commit_allowed: bool,
    squash_merge_allowed: bool,
    rebase_merge_allowed: bool,
    default_branch_ref: Option<RefNode>,
}

#[derive(Deserialize)]
pub(super) struct RefNode {
    #[serde(default)]
    name: String,
    target: Option<OidNode>,
}

#[derive(Deserialize)]
pub(super) struct OidNode {
    pub(super) oid: Oid,
}

impl RepoNode {
    /// The repository's number.
    pub(super) fn id(&self) -> RepoId {
        RepoId(self.database_id)
    }

    /// The repository.
    pub(super) fn repo(self, installation: InstallationId) -> Repo {
        // A squash keeps one commit a promotion and GitHub's signature; a rebase loses the signature.
        let methods = [
            (self.squash_merge_allowed, MergeMethod::Squash),
            (self.merge_commit_allowed, MergeMethod::Merge),
            (self.rebase_merge_allowed, MergeMethod::Rebase),
        ];
        let tip = self.default_branch_ref.as_ref().and_then(|r| r.target.as_ref()).map(|target| target.oid);
        Repo {
            id: RepoId(self.database_id),
            installation,
            name: self.name_with_owner,
            url: self.url.trim_end_matches('/').to_owned(),
            private: self.is_private,
            // An empty repository has no branch to name; GitHub calls the first one `main`.
            default_branch: self.default_branch_ref.map_or_else(|| "main".to_owned(), |r| r.name),
            tip,
            merge_methods: methods.into_iter().filter(|(allowed, _)| *allowed).map(|(_, method)| method).collect(),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct ActorNode {
    #[serde(rename = "__typename", default)]
    kind: String,
    login: String,
}

/// An author as the model names people; GraphQL bots have no suffix, and `ghost` stands for the deleted.
pub(super) fn actor(node: Option<ActorNode>) -> Actor {
    match node {
        Some(node) => {
            let bot = node.kind == "Bot";
            let login = if bot { node.login.trim_end_matches("[bot]").to_owned() } else { node.login };
            Actor { login, bot }
        }
        None => Actor { login: GHOST.to_owned(), bot: false },
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BriefNode {
    pub(super) number: u64,
    state: PullStateNode,
    title: String,
    author: Option<ActorNode>,
    head_ref_name: String,
    pub(super) head_ref_oid: Oid,
    base_ref_name: String,
    is_cross_repository: bool,
    closed_at: Option<Timestamp>,
    merged_by: Option<ActorNode>,
    timeline_items: Nodes<EndNode>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum PullStateNode {
    Open,
    Closed,
    Merged,
}

impl BriefNode {
    /// Whether it is open.
    pub(super) fn is_open(&self) -> bool {
        self.state == PullStateNode::Open
    }

    /// Whether it was merged into this branch.
    pub(super) fn is_merged_into(&self, base: &str) -> bool {
        self.state == PullStateNode::Merged && self.base_ref_name == base
    }

    /// The brief facts.
    pub(super) fn brief(self) -> PullBrief {
        let (closer, by_deleting) = end(self.timeline_items.into_vec());
        let (state, closer) = match self.state {
            PullStateNode::Open => (PullState::Open, None),
            PullStateNode::Closed => (PullState::Closed, closer),
            PullStateNode::Merged => (PullState::Merged, self.merged_by.or(closer)),
        };
        PullBrief {
            number: self.number,
            state,
            title: self.title,
            author: actor(self.author),
            branch: self.head_ref_name,
            fork: self.is_cross_repository,
            head: self.head_ref_oid,
            base: self.base_ref_name,
            closed_at: self.closed_at,
            closed_by: closer.map(|closer| actor(Some(closer))),
            branch_deleted: by_deleting,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PullNode {
    #[serde(flatten)]
    pub(super) brief: BriefNode,
    #[serde(default)]
    body: String,
    is_draft: bool,
    mergeable: String,
    base_ref_oid: Oid,
    base_ref: Option<RefNode>,
    labels: Option<Nodes<NameNode>>,
    latest_opinionated_reviews: Option<Nodes<ReviewNode>>,
    review_requests: Option<Nodes<RequestNode>>,
    commits: Nodes<PullCommitNode>,
}

#[derive(Deserialize)]
struct NameNode {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReviewNode {
    author: Option<ActorNode>,
    state: String,
    submitted_at: Option<Timestamp>,
    commit: Option<OidNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestNode {
    requested_reviewer: Option<ReviewerNode>,
}

#[derive(Deserialize)]
struct ReviewerNode {
    login: Option<String>,
    #[serde(rename = "combinedSlug")]
    team: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct LoginNode {
    pub(super) login: String,
}

#[derive(Deserialize)]
struct PullCommitNode {
    commit: CommitAuthorsNode,
}

#[derive(Deserialize)]
struct CommitAuthorsNode {
    authors: Nodes<GitActorNode>,
    signature: Option<SignatureNode>,
}

#[derive(Deserialize)]
struct GitActorNode {
    email: Option<String>,
    user: Option<LoginNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignatureNode {
    is_valid: bool,
    was_signed_by_git_hub: bool,
}

impl CommitAuthorsNode {
    /// The authors; a bot only where GitHub itself signed, because anybody may write a bot's address into a commit.
    fn actors(self) -> Vec<Actor> {
        let signed = self.signature.is_some_and(|s| s.is_valid && s.was_signed_by_git_hub);
        let actor = |author: GitActorNode| {
            let login = author.user.map(|user| user.login);
            let by_login = login.as_deref().and_then(|login| login.strip_suffix("[bot]"));
            match (by_login.or_else(|| author.email.as_deref().and_then(bot_of_address)), &login) {
                (Some(bot), _) if signed => Actor { login: bot.to_owned(), bot: true },
                (None, Some(login)) => Actor { login: login.clone(), bot: false },
                _ => actor(None),
            }
        };
        self.authors.into_vec().into_iter().map(actor).collect()
    }
}

/// The slug in `123+slug[bot]@users.noreply.github.com`.
fn bot_of_address(address: &str) -> Option<&str> {
    let (local, host) = address.split_once('@')?;
    let local = local.split_once('+').map_or(local, |(_, rest)| rest);
    local.strip_suffix("[bot]").filter(|slug| host.starts_with("users.noreply.") && !slug.is_empty())
}

impl PullNode {
    /// The pull request.
    pub(super) fn pull(self) -> Pull {
        let mut authors = Vec::new();
        // More commits than one page: some author is unknown, and unknown authors are nobody's approvers.
        let unknown = self.commits.total_count > 100;
        for commit in self.commits.into_vec() {
            authors.extend(commit.commit.actors());
        }
        authors.extend(unknown.then(|| actor(None)));
        authors.sort();
        authors.dedup();
        let base_tip = self.base_ref.and_then(|r| r.target).map_or(self.base_ref_oid, |target| target.oid);
        Pull {
            brief: self.brief.brief(),
            body: self.body,
            draft: self.is_draft,
            base_tip,
            mergeable: match self.mergeable.as_str() {
                "MERGEABLE" => Some(true),
                "CONFLICTING" => Some(false),
                _ => None,
            },
            reviews: self
                .latest_opinionated_reviews
                .map(Nodes::into_vec)
                .unwrap_or_default()
                .into_iter()
                .filter_map(review)
                .collect(),
            requested: self
                .review_requests
                .map(Nodes::into_vec)
                .unwrap_or_default()
                .into_iter()
                .filter_map(requested)
                .collect(),
            labels: self.labels.map(Nodes::into_vec).unwrap_or_default().into_iter().map(|label| label.name).collect(),
            commit_authors: authors,
        }
    }
}

fn review(node: ReviewNode) -> Option<Review> {
    let state = match node.state.as_str() {
        "APPROVED" => ReviewState::Approved,
        "CHANGES_REQUESTED" => ReviewState::ChangesRequested,
        _ => ReviewState::Other,
    };
    // Not submitted is not said.
    Some(Review { author: actor(node.author), state, commit: node.commit.map(|c| c.oid), at: node.submitted_at? })
}

fn requested(node: RequestNode) -> Option<String> {
    let reviewer = node.requested_reviewer?;
    reviewer.team.or(reviewer.login)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CommentNode {
    #[serde(deserialize_with = "big")]
    full_database_id: u64,
    author: Option<ActorNode>,
    body: String,
    created_at: Timestamp,
    last_edited_at: Option<Timestamp>,
    url: String,
    reaction_groups: Option<Vec<ReactionNode>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReactionNode {
    content: String,
    viewer_has_reacted: bool,
}

/// GraphQL's BigInt: a number in a string.
fn big<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Text(String),
    }
    match Either::deserialize(d)? {
        Either::Number(number) => Ok(number),
        Either::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

impl CommentNode {
    /// The comment.
    pub(super) fn comment(self) -> Comment {
        let reaction = |group: &ReactionNode| match group.content.as_str() {
            "EYES" => Some(Reaction::Eyes),
            "ROCKET" => Some(Reaction::Rocket),
            "CONFUSED" => Some(Reaction::Confused),
            _ => None,
        };
        let groups = self.reaction_groups.unwrap_or_default();
        Comment {
            id: self.full_database_id,
            author: actor(self.author),
            body: self.body,
            at: self.created_at,
            edited: self.last_edited_at.is_some(),
            url: self.url,
            reactions: groups.iter().filter(|group| group.viewer_has_reacted).filter_map(reaction).collect(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SuitesNode {
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
    #[serde(default)]
    external_id: Option<String>,
    status: String,
    started_at: Option<Timestamp>,
    completed_at: Option<Timestamp>,
}

impl SuitesNode {
    /// Our check runs, newest first.
    pub(super) fn checks(self) -> Vec<OwnCheck> {
        let suites = self.check_suites.map(Nodes::into_vec).unwrap_or_default();
        let runs = suites.into_iter().filter_map(|suite| suite.check_runs).flat_map(Nodes::into_vec);
        let mut checks: Vec<OwnCheck> = runs
            .map(|run| OwnCheck {
                id: run.database_id,
                external_id: run.external_id.unwrap_or_default(),
                completed: run.status == "COMPLETED",
                started_at: run.started_at,
                completed_at: run.completed_at,
            })
            .collect();
        checks.sort_by_key(|check| std::cmp::Reverse(check.id));
        checks
    }
}

#[derive(Deserialize)]
#[serde(tag = "__typename", rename_all_fields = "camelCase")]
pub(super) enum ContextNode {
    CheckRun { name: String, status: String, conclusion: Option<String>, check_suite: Option<AppSuiteNode> },
    StatusContext { context: String, state: String },
}

#[derive(Deserialize)]
pub(super) struct AppSuiteNode {
    app: Option<SlugNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SlugNode {
    slug: String,
    #[serde(default)]
    database_id: Option<u64>,
}

impl ContextNode {
    /// The number of its App, where it was asked for; a status has none.
    pub(super) fn app_id(&self) -> Option<u64> {
        match self {
            ContextNode::CheckRun { check_suite, .. } => check_suite.as_ref()?.app.as_ref()?.database_id,
            ContextNode::StatusContext { .. } => None,
        }
    }

    /// The check or status; what we do not know counts as failed.
    pub(super) fn check(self) -> CommitCheck {
        match self {
            ContextNode::CheckRun { name, status, conclusion, check_suite } => {
                let state = match (status.as_str(), conclusion.as_deref()) {
                    ("COMPLETED", Some("SUCCESS" | "NEUTRAL" | "SKIPPED")) => CheckState::Passed,
                    ("COMPLETED", _) => CheckState::Failed,
                    _ => CheckState::Pending,
                };
                let app = check_suite.and_then(|suite| suite.app).map_or_else(String::new, |app| app.slug);
                CommitCheck { name, app, state }
            }
            ContextNode::StatusContext { context, state } => {
                let state = match state.as_str() {
                    "SUCCESS" => CheckState::Passed,
                    "PENDING" | "EXPECTED" => CheckState::Pending,
                    _ => CheckState::Failed,
                };
                CommitCheck { name: context, app: String::new(), state }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bots_are_known_by_type_never_by_name() {
        let parse = |text: &str| actor(serde_json::from_str(text).unwrap());
        assert_eq!(
            parse(r#"{"__typename":"Bot","login":"trunkline"}"#),
            Actor { login: "trunkline".into(), bot: true }
        );
        assert_eq!(
            parse(r#"{"__typename":"User","login":"trunkline"}"#),
            Actor { login: "trunkline".into(), bot: false }
        );
        assert_eq!(parse("null").login, "ghost");
    }

    #[test]
    fn a_bots_address_counts_only_under_githubs_signature() {
        let actors = |signature: &str| {
            let text = format!(
                r#"{{"authors":{{"nodes":[{{"email":"1+trunkline[bot]@users.noreply.github.com","user":null}}]}},"signature":{signature}}}"#
            );
            serde_json::from_str::<CommitAuthorsNode>(&text).unwrap().actors().remove(0)
        };
        assert_eq!(
            actors(r#"{"isValid":true,"wasSignedByGitHub":true}"#),
            Actor { login: "trunkline".into(), bot: true }
        );
        assert_eq!(actors(r#"{"isValid":true,"wasSignedByGitHub":false}"#).login, "ghost");
        assert_eq!(actors("null").login, "ghost");
        assert_eq!(bot_of_address("1+x[bot]@evil.example"), None);
    }

    #[test]
    fn comment_ids_outgrew_32_bits() {
        let text = r#"{"fullDatabaseId":"3000000000","author":null,"body":"b","createdAt":"2026-11-20T12:00:00Z",
            "lastEditedAt":null,"url":"u","reactionGroups":[{"content":"EYES","viewerHasReacted":true},{"content":"HEART","viewerHasReacted":true}]}"#;
        let comment = serde_json::from_str::<CommentNode>(text).unwrap().comment();
        assert_eq!((comment.id, comment.reactions), (3_000_000_000, vec![Reaction::Eyes]));
    }
}
