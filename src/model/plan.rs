//! What to do: verdicts, effects, what must be known first, and when to look again.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::id::{Key, Oid, RepoId};
use super::image::{ImageName, ImageRef};
use super::merging::DeploymentState;
use super::path::RepoPath;
use super::snapshot::{MergeMethod, Reaction};
use super::suggestion::{Review, Suggestion};
use super::verdict::Verdict;

/// The outcome of `decide`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// Why.
    pub verdicts: Vec<Verdict>,
    /// What, in order.
    pub effects: Vec<Effect>,
    /// What must be known before this plan is whole; nothing is applied while a need can still be met.
    pub needs: Vec<Need>,
    /// When to look again even if nothing happens.
    pub look_again_at: Option<Timestamp>,
}

impl Plan {
    /// Looks again at `at`, or earlier if that was planned.
    pub fn look_again(&mut self, at: Timestamp) {
        self.look_again_at = Some(self.look_again_at.map_or(at, |old| old.min(at)));
    }
}

/// Something `decide` has to know and the snapshot does not say yet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// What merging `head` into `base` does to the environments.
    Evaluation {
        /// The tip of the base branch.
        base: Oid,
        /// The head.
        head: Oid,
    },
    /// The checks on a commit.
    Checks {
        /// The repository.
        repo: RepoId,
        /// The commit.
        commit: Oid,
    },
    /// The pull requests ever opened from a branch.
    Branch(String),
    /// What a person may do here.
    Permission(String),
    /// Whether a person is in a team (`org/slug`).
    Member {
        /// The team.
        team: String,
        /// The login.
        login: String,
    },
    /// Who set a label on a pull request.
    Labelled {
        /// The pull request.
        number: u64,
        /// The label.
        label: String,
    },
    /// The commits between two versions of an application.
    Changelog {
        /// The application.
        app: String,
        /// From, excluded; `None`: only the newest few.
        from: Option<Oid>,
        /// To, included.
        to: Oid,
    },
    /// What is known of an application's way.
    Pipeline(String),
    /// What GitHub asks of the merge of a pull request.
    Merging {
        /// Its number.
        number: u64,
        /// The branch it wants into.
        base: String,
        /// The head that is asked about.
        head: Oid,
    },
    /// Our open promotions into a branch.
    Turn(String),
    /// What became of a merged promotion.
    Landed {
        /// Its number.
        number: u64,
        /// Its head.
        head: Oid,
        /// The folders of the environments it was for.
        folders: Vec<RepoPath>,
    },
    /// Our deployments to these environments, by GitHub's names, and where these commits came from.
    Deployments {
        /// The names.
        environments: Vec<String>,
        /// The commits that brought what each holds.
        commits: Vec<Oid>,
    },
    /// How a commit reached the default branch.
    Arrival(Oid),
    /// Whether an image is in its registry, and under which digest.
    Image {
        /// The image.
        image: ImageName,
        /// Its tag or digest.
        reference: ImageRef,
    },
    /// An open pull request.
    Pull(u64),
    /// What is said on a pull request or issue.
    Talk(u64),
    /// What we offered on a pull request, and which of these suggestions it can take.
    Suggested {
        /// Its number.
        number: u64,
        /// The branch's tip and the head.
        sides: (Oid, Oid),
        /// The suggestions.
        wanted: Vec<Suggestion>,
    },
    /// The configuration that the folders speak for.
    Proposal,
    /// The issue that is the desk.
    Desk,
    /// How two environments of an application differ on the default branch.
    Between {
        /// The application.
        app: String,
        /// From this environment.
        from: String,
        /// To this one.
        to: String,
    },
    /// The last decisions in the ledger about an application in an environment.
    Decisions {
        /// The application.
        app: String,
        /// The environment.
        environment: String,
    },
}

/// A write: conditional, idempotent, with a natural key.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Wake another key.
    Wake(Key),
    /// Wake another key when this is news: what it was told last is remembered as long as the process lives.
    Tell {
        /// The key.
        key: Key,
        /// What there is to know.
        news: String,
    },
    /// Create or update our check on a commit.
    PutCheck {
        /// The commit.
        head: Oid,
        /// The run to update; `None` creates one.
        existing: Option<u64>,
        /// Further pages of the run before: those beyond the new ones are emptied.
        pages: usize,
        /// What it says.
        output: CheckOutput,
    },
    /// Create or edit the sticky comment.
    PutComment {
        /// The pull request.
        number: u64,
        /// The comment to edit; `None` creates one.
        existing: Option<u64>,
        /// Its text.
        body: String,
    },
    /// Answer a comment, once.
    Reply {
        /// The pull request or issue.
        number: u64,
        /// The comment that is answered.
        to: u64,
        /// The answer.
        body: String,
    },
    /// React to a comment.
    React {
        /// The comment.
        comment: u64,
        /// With what.
        reaction: Reaction,
    },
    /// Write decisions to the ledger.
    Record {
        /// The files and their whole new texts.
        files: Vec<(RepoPath, String)>,
        /// The commit's message.
        message: String,
        /// The ledger's tip it was decided on; `None` when the branch does not exist.
        expected: Option<Oid>,
    },
    /// Open a promotion: branch, signed commit, pull request.
    Promote(Box<Promotion>),
    /// Propose a file: branch, signed commit, pull request.
    Propose(Box<ProposedFile>),
    /// Open the desk, or bring its text up to date.
    PutDesk {
        /// The issue to edit; `None` opens one.
        existing: Option<u64>,
        /// Its text.
        body: String,
    },
    /// Write a version straight to the default branch.
    Commit {
        /// The tip it was decided on.
        base: Oid,
        /// What to write.
        edit: VersionEdit,
        /// The commit's message.
        message: String,
    },
    /// Close a pull request with a word why.
    Close {
        /// The pull request.
        number: u64,
        /// Why.
        comment: String,
    },
    /// Bring a branch up to date with its base.
    UpdateBranch {
        /// The pull request.
        number: u64,
        /// The head it was decided on.
        head: Oid,
    },
    /// Merge a pull request.
    Merge {
        /// The pull request.
        number: u64,
        /// The head it was decided on.
        head: Oid,
        /// How.
        method: MergeMethod,
        /// The commit's first line.
        title: String,
    },
    /// Put a pull request into the merge queue.
    Enqueue {
        /// The pull request.
        number: u64,
        /// GitHub's own name of it.
        node: String,
        /// The head it was decided on.
        head: Oid,
        /// When it was last taken out, as far as was seen: what was done before that is no reason not to do it again.
        since: Option<Timestamp>,
    },
    /// Take a pull request out of the merge queue.
    Dequeue {
        /// The pull request.
        number: u64,
        /// GitHub's own name of it.
        node: String,
    },
    /// Say something on a pull request once.
    Say {
        /// The pull request.
        number: u64,
        /// The text, whose marker tells what it is about.
        body: String,
    },
    /// Offer suggestions in a review.
    Suggest(Box<Review>),
    /// Tell GitHub that a commit is deployed to an environment, and how that stands.
    Deploy(Box<NewDeployment>),
    /// Tell GitHub how a deployment stands now.
    SetDeployment {
        /// The deployment.
        id: u64,
        /// How it stands.
        status: DeploymentStatus,
    },
    /// Ask for reviews.
    RequestReviews {
        /// The pull request.
        number: u64,
        /// Teams as `org/slug`.
        teams: Vec<String>,
    },
}

/// A promotion pull request to open.
#[derive(Debug, Clone, PartialEq)]
pub struct Promotion {
    /// The branch.
    pub branch: String,
    /// The tip of the default branch it starts from.
    pub base: Oid,
    /// What to write.
    pub edit: VersionEdit,
    /// The commit's message.
    pub message: String,
    /// The pull request's title.
    pub title: String,
    /// The pull request's description.
    pub body: String,
}

/// A file to propose in a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposedFile {
    /// The branch.
    pub branch: String,
    /// The tip of the default branch it starts from.
    pub base: Oid,
    /// The file.
    pub path: RepoPath,
    /// What it holds.
    pub text: String,
    /// The commit's message.
    pub message: String,
    /// The pull request's title.
    pub title: String,
    /// The pull request's description.
    pub body: String,
}

/// A deployment to create, unless there is one of this commit to this environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDeployment {
    /// GitHub's name of the environment.
    pub environment: String,
    /// The commit of this repository.
    pub commit: Oid,
    /// The application, for machines.
    pub app: String,
    /// What is deployed, in a few words.
    pub description: String,
    /// How it stands.
    pub status: DeploymentStatus,
}

/// How a deployment stands, and where to read on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeploymentStatus {
    /// The state.
    pub state: DeploymentState,
    /// At most 140 characters.
    pub description: String,
    /// Where it is told how it came about.
    pub log_url: String,
    /// Where the environment is to be seen.
    pub environment_url: Option<String>,
}

/// Which version to write into which folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionEdit {
    /// The application.
    pub app: String,
    /// The environment's folder.
    pub folder: RepoPath,
    /// The new tag by image, or by whatever else carries the version.
    pub tags: Vec<(String, String)>,
    /// The digest by image, for those that are pinned to one.
    pub digests: BTreeMap<String, String>,
}

/// What a check run says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CheckOutput {
    /// `None` while something is awaited.
    pub conclusion: Option<Conclusion>,
    /// At most 255 characters.
    pub title: String,
    /// Markdown, at most 65,535 characters.
    pub summary: String,
    /// More Markdown, at most 65,535 characters; may be empty.
    pub text: String,
    /// More of the text, each at most 65,535 characters: runs of their own, which decide nothing.
    pub pages: Vec<String>,
    /// All annotations; the adapter sends them 50 at a time.
    pub annotations: Vec<Annotation>,
}

/// How a check ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// All is well.
    Success,
    /// Something must change.
    Failure,
    /// Observed only.
    Neutral,
}

/// A remark on a line of the pull request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Annotation {
    /// The file.
    pub path: RepoPath,
    /// The line, from 1.
    pub line: u32,
    /// How bad.
    pub level: AnnotationLevel,
    /// At most 255 characters.
    pub title: String,
    /// At most 64 KiB.
    pub message: String,
}

/// How bad a remark is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnnotationLevel {
    /// Worth knowing.
    Notice,
    /// Worth fixing.
    Warning,
    /// Must be fixed.
    Failure,
}

impl CheckOutput {
    /// A hash of the content, kept in the run's `external_id` so that an unchanged check is not written again.
    pub fn fingerprint(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        let pages = if self.pages.is_empty() { String::new() } else { format!("-p{}", self.pages.len()) };
        format!("v1-{:016x}{pages}", hasher.finish())
    }

    /// The name of the run that holds a further page, from 2.
    pub fn page_name(number: usize) -> String {
        format!("trunkline (page {number})")
    }

    /// How many further pages a run of this fingerprint had.
    pub fn pages_of(fingerprint: &str) -> usize {
        fingerprint.rsplit_once("-p").and_then(|(_, pages)| pages.parse().ok()).unwrap_or_default()
    }
}

impl Effect {
    /// What this write is about: two writes with one natural key are the same write, perhaps with other content.
    pub fn natural_key(&self) -> String {
        match self {
            Effect::Wake(key) | Effect::Tell { key, .. } => format!("wake {key}"),
            Effect::PutCheck { head, .. } => format!("check {head}"),
            Effect::PutComment { number, .. } => format!("comment {number}"),
            Effect::Reply { to, .. } => format!("reply {to}"),
            Effect::React { comment, reaction } => format!("react {comment} {reaction:?}"),
            Effect::Record { message, .. } => format!("record {message}"),
            Effect::Promote(promotion) => format!("promote {}", promotion.branch),
            Effect::Propose(file) => format!("propose {}", file.branch),
            Effect::PutDesk { .. } => "desk".to_owned(),
            Effect::Commit { edit, .. } => format!("commit {}", edit.folder),
            Effect::Close { number, .. } => format!("close {number}"),
            Effect::UpdateBranch { number, head } => format!("update {number} {head}"),
            Effect::Merge { number, head, .. } => format!("merge {number} {head}"),
            Effect::Enqueue { number, .. } | Effect::Dequeue { number, .. } => format!("queue {number}"),
            Effect::Say { number, .. } => format!("say {number}"),
            Effect::Suggest(review) => format!("suggest {} {}", review.number, review.head),
            Effect::Deploy(new) => format!("deploy {} {}", new.environment, new.commit),
            Effect::SetDeployment { id, .. } => format!("deployment {id}"),
            Effect::RequestReviews { number, teams } => format!("request {number} {}", teams.join(",")),
        }
    }

    /// Whether GitHub itself would make a second one of it: such effects wait a moment after a start, when reads may be stale.
    pub fn creates(&self) -> bool {
        matches!(
            self,
            Effect::PutCheck { existing: None, .. }
                | Effect::PutComment { existing: None, .. }
                | Effect::Reply { .. }
                | Effect::Promote(_)
                | Effect::Propose(_)
                | Effect::PutDesk { existing: None, .. }
                | Effect::Say { .. }
                | Effect::Suggest(_)
                | Effect::Deploy(_)
        )
    }
}
