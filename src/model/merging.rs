//! What GitHub itself asks of a merge, and what it said of one pull request: facts, without judgement.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::id::Oid;
use super::snapshot::{Actor, CheckState, MergeMethod};

/// Where merge queues build what they are about to merge.
pub const QUEUE_BRANCHES: &str = "gh-readonly-queue/";
/// Pull requests in one merge group; GitHub builds at most a hundred at once.
const MAX_GROUP: usize = 100;

/// What a branch asks of a merge: its active rulesets and its classic protection, taken together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BranchRules {
    /// How many approving reviews.
    pub reviews: u32,
    /// Whether the owners of the changed files must be among them.
    pub code_owners: bool,
    /// Whether a push takes the approvals away, or must be approved by somebody else again.
    pub push_costs_approvals: bool,
    /// Whether every conversation must be resolved.
    pub conversations: bool,
    /// The checks that must have passed.
    pub checks: Vec<RequiredCheck>,
    /// Whether the branch must hold the newest base.
    pub up_to_date: bool,
    /// Whether every commit must be signed.
    pub signatures: bool,
    /// Whether merge commits are kept out.
    pub linear: bool,
    /// The ways of merging that are left; `None` when no rule says.
    pub methods: Option<Vec<MergeMethod>>,
    /// Whether merges go through a queue.
    pub queue: bool,
    /// Environments to which the branch must have been deployed.
    pub deployments: Vec<String>,
    /// Whether only those on a bypass list may change the branch, and we are not.
    pub locked: bool,
    /// Rules of other kinds, by GitHub's names: only GitHub can judge them.
    pub others: Vec<String>,
    /// Where the rules come from.
    pub sources: Vec<RuleSource>,
}

/// A check that a branch requires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredCheck {
    /// Its name.
    pub name: String,
    /// The number of the App that must have posted it.
    pub app: Option<u64>,
}

/// A ruleset, or classic protection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSource {
    /// How people find it: `the ruleset "main" of acme/shop`.
    pub name: String,
    /// Whether we are on its bypass list.
    pub bypass: bool,
    /// Whether all that it asks can be seen; of classic protection only administrators see everything.
    pub whole: bool,
}

/// One pull request as GitHub's merge box sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merging {
    /// What its base branch asks.
    pub rules: BranchRules,
    /// GitHub's own summary.
    pub state: MergeState,
    /// What the reviews come to; `None` when none are required.
    pub decision: Option<ReviewDecision>,
    /// Who approved, of those who may write.
    pub approvals: Vec<String>,
    /// Conversations that are not resolved.
    pub unresolved: usize,
    /// Commits without a valid signature.
    pub unsigned: Vec<Oid>,
    /// The newest checks and statuses on the head.
    pub checks: Vec<HeadCheck>,
    /// Whether the base has commits the branch has not.
    pub behind: bool,
    /// Changed files that have owners.
    pub owned: Vec<Owned>,
    /// What GitHub said when we last tried.
    pub refused: Option<Refusal>,
    /// GitHub's own name of the pull request, which its merge queue asks for.
    pub node: String,
    /// Whether it is in the merge queue.
    pub queued: bool,
    /// How it came out of the merge queue, unless it is in again.
    pub taken_out: Option<TakenOut>,
}

/// A pull request that was taken out of the merge queue, or thrown out by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenOut {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: Actor,
    /// GitHub's word for the reason.
    pub reason: String,
}

/// What a merge queue is about to merge with one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeGroup {
    /// The branch it goes into.
    pub base: String,
    /// The pull requests, first to last.
    pub pulls: Vec<u64>,
}

impl MergeGroup {
    /// The group whose head is this commit, as the names of its branches tell: `gh-readonly-queue/main/pr-7-<what it was built on>`.
    pub fn of(heads: &BTreeMap<String, Oid>, head: Oid) -> Option<Self> {
        let entries = || heads.iter().filter_map(|(name, tip)| Some((Self::read(name)?, *tip)));
        let ((base, number, mut below), _) = entries().find(|(_, tip)| *tip == head)?;
        let mut pulls = vec![number];
        while let Some(((_, number, next), _)) = entries().find(|((of, ..), tip)| *of == base && *tip == below)
            && pulls.len() < MAX_GROUP
        {
            pulls.push(number);
            below = next;
        }
        pulls.reverse();
        Some(Self { base: base.to_owned(), pulls })
    }

    /// The heads of all groups.
    pub fn heads(heads: &BTreeMap<String, Oid>) -> Vec<Oid> {
        heads.iter().filter(|(name, _)| Self::read(name).is_some()).map(|(_, tip)| *tip).collect()
    }

    fn read(name: &str) -> Option<(&str, u64, Oid)> {
        let (base, entry) = name.strip_prefix(QUEUE_BRANCHES)?.rsplit_once('/')?;
        let (number, below) = entry.strip_prefix("pr-")?.split_once('-')?;
        Some((base, number.parse().ok()?, below.parse().ok()?))
    }
}

/// GitHub's own summary of whether a pull request can be merged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MergeState {
    /// Nothing stands in the way.
    Clean,
    /// Only the newest base is missing.
    Behind,
    /// A rule stands in the way.
    Blocked,
    /// It conflicts with its base.
    Conflicting,
    /// GitHub has not worked it out yet.
    #[default]
    Unknown,
}

/// What the reviews of a pull request come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewDecision {
    /// There are enough.
    Approved,
    /// Somebody wants changes.
    ChangesRequested,
    /// Some are missing.
    Required,
}

/// A check or status on the head of a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadCheck {
    /// Its name.
    pub name: String,
    /// The number of its App; `None` for a commit status.
    pub app: Option<u64>,
    /// How it stands.
    pub state: CheckState,
}

/// A changed file and who owns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    /// The file.
    pub path: String,
    /// `@login`, `@org/team` or an address, as the file of owners has it.
    pub owners: Vec<String>,
}

/// A merge that GitHub refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// GitHub's words.
    pub words: String,
    /// When it may be tried again.
    pub until: Timestamp,
}

/// An open promotion that is up for its turn to be brought up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InLine {
    /// Its number.
    pub number: u64,
    /// Its branch.
    pub branch: String,
    /// Whether our newest check on its head passed, since then every gate was open, or is still to come.
    pub ready: bool,
    /// Whether it cannot be merged as it is, because of a conflict.
    pub conflicts: bool,
}

/// What became of a merged promotion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landed {
    /// The commit that brought it in.
    pub commit: Oid,
    /// Folders whose content is not what was evaluated.
    pub differs: Vec<String>,
}

/// A deployment of ours as GitHub has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Its number.
    pub id: u64,
    /// GitHub's name of the environment.
    pub environment: String,
    /// The commit of this repository.
    pub commit: Oid,
    /// Its newest state.
    pub state: DeploymentState,
}

/// How a deployment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeploymentState {
    /// Nothing was said of it yet.
    Pending,
    /// It waits to be applied.
    Queued,
    /// It is being applied.
    InProgress,
    /// It holds.
    Success,
    /// It could not be applied.
    Failure,
    /// Another took its place.
    Inactive,
}

/// Deployments of an application's environments, and the pull requests their commits came with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deployments {
    /// Ours, oldest first.
    pub known: Vec<Deployment>,
    /// The merged pull request by commit, of the commits asked about.
    pub pulls: Vec<(Oid, u64)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_read_from_its_branches() {
        let [tip, one, two, other] = [1, 2, 3, 4].map(|n| Oid([n; 20]));
        let heads = [
            ("main".to_owned(), tip),
            (format!("gh-readonly-queue/main/pr-7-{tip}"), one),
            (format!("gh-readonly-queue/main/pr-9-{one}"), two),
            (format!("gh-readonly-queue/release/1.x/pr-8-{one}"), other),
            ("gh-readonly-queue/main/pr-x-y".to_owned(), tip),
        ];
        let heads: BTreeMap<String, Oid> = heads.into_iter().collect();
        let group = |base: &str, pulls: &[u64]| Some(MergeGroup { base: base.to_owned(), pulls: pulls.to_vec() });
        assert_eq!(MergeGroup::of(&heads, one), group("main", &[7]));
        assert_eq!(MergeGroup::of(&heads, two), group("main", &[7, 9]));
        assert_eq!(MergeGroup::of(&heads, other), group("release/1.x", &[8]));
        assert_eq!(MergeGroup::of(&heads, tip), None);
        assert_eq!(MergeGroup::heads(&heads).len(), 3);
        // Branches that name each other end all the same.
        let circle = [(format!("gh-readonly-queue/main/pr-1-{one}"), one)].into_iter().collect();
        assert_eq!(MergeGroup::of(&circle, one).unwrap().pulls.len(), MAX_GROUP);
    }
}
