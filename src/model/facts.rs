//! What others tell of a version: a cluster how it fares, GitHub how it came.

use jiff::Timestamp;

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
