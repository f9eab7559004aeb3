//! What is looked up on demand: how a version fares and how it came, what checks, people and histories say.

use jiff::Timestamp;

use super::id::Oid;
use super::snapshot::{Actor, PullBrief};

/// How an application fares in an environment, as its cluster says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// How it fares.
    pub state: HealthState,
    /// Since when.
    pub since: Timestamp,
    /// The cluster's own words.
    pub message: String,
}

/// How an application fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthState {
    /// It runs as it should.
    Healthy,
    /// It is on its way.
    Progressing,
    /// It does not run.
    Failed,
    /// Nobody can tell.
    Unknown,
}

/// How a commit reached the default branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Who wrote it or, of a pull request, merged it, as far as GitHub knows.
    pub by: Option<Actor>,
    /// Whether GitHub signed it for us: we wrote it straight to the branch.
    pub ours: bool,
    /// The merged pull request that brought it.
    pub pull: Option<PullBrief>,
    /// How our newest concluded check on that pull request's head ended: whether nothing stood in the way.
    pub green: bool,
}

/// A check of another App or a status on a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitCheck {
    /// Its name.
    pub name: String,
    /// The App's slug; empty for a commit status.
    pub app: String,
    /// How it stands.
    pub state: CheckState,
}

/// How a check stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckState {
    /// Passed, neutral or skipped.
    Passed,
    /// Not finished.
    Pending,
    /// Failed.
    Failed,
}

/// What a person may do in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Nothing.
    None,
    /// Read.
    Read,
    /// Triage.
    Triage,
    /// Write.
    Write,
    /// Maintain.
    Maintain,
    /// Administer.
    Admin,
}

/// One line of a changelog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The commit.
    pub commit: Oid,
    /// The first line of its message.
    pub subject: String,
    /// Who wrote it, as git says.
    pub author: String,
    /// The login GitHub maps the author to.
    pub login: Option<String>,
    /// The pull request it came with.
    pub pull: Option<(u64, String)>,
}

/// The commits between two versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changelog {
    /// Newest first, bounded.
    pub changes: Vec<Change>,
    /// How many there are in all.
    pub total: usize,
}

/// One commit of the ledger about one (app, environment).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// When.
    pub at: Timestamp,
    /// Who and what, in one line.
    pub what: String,
    /// Where it was said, when somebody said it.
    pub link: Option<String>,
}

fn has(line: &str, name: &str) -> bool {
    line.split([' ', ':', ',']).any(|word| word == name)
}

impl Decided {
    /// Reads the message of a ledger's commit: a line what, and below it where it was said; or several such lines, each about another
    /// application or environment.
    pub fn read(at: Timestamp, message: &str, app: &str, environment: &str) -> Self {
        let names = |line: &&str| has(line, app) && has(line, environment);
        let first = message.lines().next().unwrap_or_default();
        let below = message.lines().skip(1);
        let what = below.clone().find(names).unwrap_or(first).to_owned();
        let link = below.filter(|line| line.starts_with("http")).last().map(str::to_owned);
        Self { at, what, link }
    }

    /// Whether the line names this environment.
    pub fn is_about(&self, environment: &str) -> bool {
        has(&self.what, environment)
    }
}
