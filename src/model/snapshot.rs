//! What was seen: one immutable value that `decide` reads, the time included.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::facts::{Arrival, Health};
pub use super::facts::{Change, Changelog, CheckState, CommitCheck, Decided, Permission};
use super::finding::{Evaluation, Location, Problem};
use super::id::{InstallationId, Oid, RepoId, RepoName};
use super::image::{ImageName, ImageRef, ImageState};
use super::ledger::Ledger;
use super::merging::{Deployments, InLine, Landed, MergeGroup, Merging};
use super::onboarding::{Desk, Proposal};
use super::path::RepoPath;
use super::pipeline::Pipeline;
use super::plan::Need;
use super::suggestion::Suggested;

/// Everything one pass knows.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// What every key shares.
    pub common: Common,
    /// What the key is about.
    pub subject: Subject,
    /// What was looked up because an earlier plan of this pass asked for it.
    pub facts: Facts,
}

/// What every key shares.
#[derive(Debug, Clone)]
pub struct Common {
    /// The time of this pass.
    pub now: Timestamp,
    /// Who we are.
    pub bot: Bot,
    /// The repository of the key.
    pub repo: Repo,
    /// The configuration on its default branch.
    pub config: Configuration,
    /// The ledger.
    pub ledger: Ledger,
}

/// The App itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bot {
    /// The App's id.
    pub app: u64,
    /// The App's slug; its REST login is `<slug>[bot]`, its GraphQL login the slug.
    pub slug: String,
}

impl Bot {
    /// Whether an author is this App.
    pub fn is(&self, author: &Actor) -> bool {
        author.bot && author.login == self.slug
    }
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Actor {
    /// The login, without `[bot]`; `ghost` when the account is gone.
    pub login: String,
    /// Whether it is a bot.
    pub bot: bool,
}

/// A repository as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repo {
    /// Its number.
    pub id: RepoId,
    /// Its installation.
    pub installation: InstallationId,
    /// Its name.
    pub name: RepoName,
    /// Its address for people, without trailing slash.
    pub url: String,
    /// Whether it has a narrower audience than the world.
    pub private: bool,
    /// Its default branch.
    pub default_branch: String,
    /// The tip of the default branch; `None` when the repository is empty.
    pub tip: Option<Oid>,
    /// The ways a pull request may be merged here, best first.
    pub merge_methods: Vec<MergeMethod>,
}

/// How a pull request is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MergeMethod {
    /// A merge commit.
    Merge,
    /// One commit.
    Squash,
    /// The commits replayed.
    Rebase,
}

/// What the configuration file says.
#[derive(Debug, Clone, PartialEq)]
pub enum Configuration {
    /// There is none.
    Missing,
    /// It has problems; nothing is obeyed.
    Broken(Vec<Problem>),
    /// It is valid.
    Valid(Pipeline),
}

/// What the key is about.
#[derive(Debug, Clone)]
pub enum Subject {
    /// A repository.
    Repo(RepoSubject),
    /// A pull request or an issue.
    Pull(PullSubject),
    /// A commit that wants a check.
    Head(HeadSubject),
    /// An application's way.
    Pipeline(PipelineSubject),
}

/// A repository's open work.
#[derive(Debug, Clone, Default)]
pub struct RepoSubject {
    /// Its open pull requests.
    pub open: Vec<PullBrief>,
    /// Issues and pull requests with comments in the last hour that may hold commands.
    pub recent: Vec<u64>,
    /// Pipelines, in any repository, whose source this repository is.
    pub pipelines: Vec<(RepoId, String)>,
    /// Pull requests ever opened from the branch that proposes a configuration, newest first.
    pub onboarding: Vec<PullBrief>,
    /// Whether it is a copy of another repository.
    pub fork: bool,
    /// Whether nobody can write to it any more.
    pub archived: bool,
    /// Whether it has issues.
    pub issues: bool,
    /// The heads of the merge groups that its merge queues have built.
    pub groups: Vec<Oid>,
}

/// A pull request in few words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullBrief {
    /// Its number.
    pub number: u64,
    /// Its state.
    pub state: PullState,
    /// Its title.
    pub title: String,
    /// Who opened it.
    pub author: Actor,
    /// Its branch.
    pub branch: String,
    /// Whether the branch is in another repository.
    pub fork: bool,
    /// Its newest commit.
    pub head: Oid,
    /// The branch it wants into.
    pub base: String,
    /// When it was closed or merged.
    pub closed_at: Option<Timestamp>,
    /// Who closed it, when known.
    pub closed_by: Option<Actor>,
    /// Whether it is closed because its branch was deleted.
    pub branch_deleted: bool,
}

impl PullBrief {
    /// Whether a person closed it without merging. Tidying up branches is no word about a version: it is proposed again.
    pub fn is_rejection(&self, bot: &Bot) -> bool {
        let by_us = self.closed_by.as_ref().is_some_and(|actor| bot.is(actor));
        self.state == PullState::Closed && !by_us && !self.branch_deleted
    }
}

/// Whether a pull request is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullState {
    /// Open.
    Open,
    /// Closed without merging.
    Closed,
    /// Merged.
    Merged,
}

/// A pull request as gates see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// The brief facts.
    pub brief: PullBrief,
    /// The description.
    pub body: String,
    /// Whether it is a draft.
    pub draft: bool,
    /// The tip of the base branch.
    pub base_tip: Oid,
    /// Whether GitHub thinks it merges; `None` while it computes.
    pub mergeable: Option<bool>,
    /// The newest opinion of each reviewer.
    pub reviews: Vec<Review>,
    /// Teams (`org/slug`) and people already asked to review.
    pub requested: Vec<String>,
    /// Labels.
    pub labels: Vec<String>,
    /// Logins of the authors of its commits, as far as GitHub knows them.
    pub commit_authors: Vec<Actor>,
}

/// A label as it was set last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    /// By whom.
    pub by: Actor,
    /// When.
    pub at: Timestamp,
}

/// A review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Whose.
    pub author: Actor,
    /// What it says.
    pub state: ReviewState,
    /// The commit it was given on.
    pub commit: Option<Oid>,
    /// When.
    pub at: Timestamp,
}

/// What a review says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewState {
    /// Approved.
    Approved,
    /// Changes requested.
    ChangesRequested,
    /// Dismissed or without opinion.
    Other,
}

/// A pull request or issue with its comments.
#[derive(Debug, Clone)]
pub struct PullSubject {
    /// Its number.
    pub number: u64,
    /// The pull request; `None` for an issue.
    pub pull: Option<Pull>,
    /// Its comments, oldest first.
    pub comments: Vec<Comment>,
    /// When our newest concluded check on the head was posted.
    pub checked_at: Option<Timestamp>,
    /// Since when our check, concluded or not, has stood on the head.
    pub check_since: Option<Timestamp>,
}

/// A comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Its number.
    pub id: u64,
    /// Who wrote it.
    pub author: Actor,
    /// Its text.
    pub body: String,
    /// When.
    pub at: Timestamp,
    /// Whether it was edited since.
    pub edited: bool,
    /// Its address.
    pub url: String,
    /// Our reactions on it.
    pub reactions: Vec<Reaction>,
}

/// A reaction we give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Reaction {
    /// 👀: seen.
    Eyes,
    /// 🚀: done.
    Rocket,
    /// 😕: refused.
    Confused,
}

/// A commit with our check and the open pull requests it heads.
#[derive(Debug, Clone)]
pub struct HeadSubject {
    /// The commit.
    pub head: Oid,
    /// Our check runs on it, newest first.
    pub checks: Vec<OwnCheck>,
    /// The open pull requests it heads.
    pub pulls: Vec<Pull>,
    /// What a merge queue is about to merge with it.
    pub group: Option<MergeGroup>,
}

/// Our check run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnCheck {
    /// Its number.
    pub id: u64,
    /// What we wrote into `external_id`: the hash of its content.
    pub external_id: String,
    /// Whether it is concluded.
    pub completed: bool,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it was concluded.
    pub completed_at: Option<Timestamp>,
}

/// One application's way through the environments.
#[derive(Debug, Clone)]
pub struct PipelineSubject {
    /// The application.
    pub app: String,
    /// What is known of it.
    pub facts: PipelineFacts,
}

/// What is known of an application's way.
#[derive(Debug, Clone, Default)]
pub struct PipelineFacts {
    /// The source repository; `None` when it cannot be reached, with the reason in `problems`.
    pub source: Option<Source>,
    /// What each environment holds.
    pub environments: BTreeMap<String, Holdings>,
    /// Our open promotion pull requests for this application.
    pub promotions: Vec<PullBrief>,
    /// How each environment fares in its cluster; `None` while no cluster is connected.
    pub health: Option<BTreeMap<String, Health>>,
    /// What could not be seen.
    pub problems: Vec<Problem>,
}

/// The repository with trunk and tags.
#[derive(Debug, Clone)]
pub struct Source {
    /// The repository.
    pub repo: Repo,
    /// The newest commit of trunk that counts for the application.
    pub trunk: Option<Commit>,
    /// Those that count before it, newest first; bounded.
    pub earlier: Vec<Commit>,
    /// Its tags that match the pattern, with what they name.
    pub tags: Vec<Tag>,
    /// Ancestry among the commits that matter: descendants by ancestor.
    pub descendants: BTreeMap<Oid, Vec<Oid>>,
}

/// A commit of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its id.
    pub id: Oid,
    /// The first line of its message.
    pub subject: String,
    /// When it was committed.
    pub at: Timestamp,
}

/// A tag of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Its name.
    pub name: String,
    /// What it names, peeled.
    pub commit: Oid,
    /// Whether trunk or a listed release branch reaches it.
    pub reachable: bool,
    /// Who pushed it, when a delivery said so.
    pub pusher: Option<String>,
}

/// What an environment holds of one application, and held before.
#[derive(Debug, Clone, Default)]
pub struct Holdings {
    /// The folder.
    pub folder: RepoPath,
    /// Newest first; the first is what it holds now. Empty when no field was found.
    pub history: Vec<Holding>,
    /// Why the version cannot be written here, when it cannot.
    pub problems: Vec<Problem>,
    /// Where a promotion writes.
    pub fields: Vec<HeldField>,
    /// Why the version here is Flux's to write, when it is.
    pub left: Option<Problem>,
}

/// A field that holds a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldField {
    /// What carries the version: an image, or what else the application names.
    pub carrier: String,
    /// The field; without line where it is yet to be added.
    pub location: Location,
}

/// One version an environment held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// The image tags by image.
    pub tags: BTreeMap<String, String>,
    /// The digests by image, of those that are pinned to one.
    pub digests: BTreeMap<String, String>,
    /// The version all images agree on: a tag's name, or a full commit for trunk.
    pub version: Option<String>,
    /// The source commit, when the version names one we know.
    pub commit: Option<Oid>,
    /// When it entered the default branch.
    pub since: Timestamp,
    /// The commit that brought it.
    pub by: Oid,
}

/// What was looked up on demand.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Evaluations by (base tip, head); an `Err` says why it could not be made at all (conflict, gone).
    pub evaluations: BTreeMap<(Oid, Oid), Result<Evaluation, String>>,
    /// Checks on a commit of a repository.
    pub checks: BTreeMap<(RepoId, Oid), Vec<CommitCheck>>,
    /// Pull requests ever opened from a branch of the key's repository.
    pub branches: BTreeMap<String, Vec<PullBrief>>,
    /// Permission of a login in the key's repository.
    pub permissions: BTreeMap<String, Permission>,
    /// Membership of (team, login).
    pub members: BTreeMap<(String, String), bool>,
    /// Who set a label of a pull request last; `None` when it is not set.
    pub labelled: BTreeMap<(u64, String), Option<Labelled>>,
    /// How commits reached the default branch of the key's repository.
    pub arrivals: BTreeMap<Oid, Arrival>,
    /// Changelogs by application, from, to.
    pub changelogs: BTreeMap<(String, Option<Oid>, Oid), Changelog>,
    /// Pipelines by application.
    pub pipelines: BTreeMap<String, PipelineFacts>,
    /// What GitHub asks of the merge of a pull request, by number.
    pub merging: BTreeMap<u64, Merging>,
    /// Our open promotions into a branch, oldest first.
    pub turns: BTreeMap<String, Vec<InLine>>,
    /// What became of merged promotions, by number.
    pub landed: BTreeMap<u64, Landed>,
    /// Deployments by GitHub's names of the environments that were asked about.
    pub deployments: BTreeMap<Vec<String>, Deployments>,
    /// What registries say of images.
    pub images: BTreeMap<(ImageName, ImageRef), ImageState>,
    /// Open pull requests by number.
    pub pulls: BTreeMap<u64, Pull>,
    /// Comments by pull request or issue, oldest first.
    pub talks: BTreeMap<u64, Vec<Comment>>,
    /// What was offered on pull requests, and can be, by number.
    pub suggested: BTreeMap<u64, Suggested>,
    /// The configuration that the folders speak for; `None` inside where they do not.
    pub proposal: Option<Option<Proposal>>,
    /// The issue that is the desk.
    pub desk: Option<Desk>,
    /// How two environments differ, by application, from, to.
    pub between: BTreeMap<(String, String, String), Evaluation>,
    /// The last decisions by (application, environment), newest first.
    pub decisions: BTreeMap<(String, String), Vec<Decided>>,
    /// Needs that could not be met, and why.
    pub unmet: BTreeMap<Need, String>,
}
