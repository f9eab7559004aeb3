//! Findings that people accepted in git: which rule, where, why, who answers for it, and until when.
//!
//! They are read from the default branch. One that is broken or past its day counts for nothing, and says so at its line.

mod read;
mod tally;

use jiff::civil::Date;

use crate::model::finding::{Delta, Evaluation, Finding, Location, ObjectName, Severity};
use crate::model::path::RepoPath;
use crate::model::pipeline::Pipeline;
use crate::model::tree::Objects;

use super::evaluate::{CONFIG, LIMIT};
use super::files::PolicyId;
use super::glob;
use super::rego::POLICY;
use super::rules::KUST_001;

pub use tally::{Side, Tally};

/// The rule id of what is wrong with a waiver.
pub const WAIVER: &str = "WAIVER";

/// What cannot be accepted: behind what was not seen, or by what does not run, anything may stand.
pub(super) const NEVER: [&str; 5] = [KUST_001, LIMIT, POLICY, CONFIG, WAIVER];

/// One accepted finding, or several of one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    rule: String,
    object: Option<ObjectPattern>,
    /// The file of the source line, or a folder above it.
    path: Option<RepoPath>,
    /// Empty: all of them.
    environments: Vec<String>,
    reason: String,
    owner: String,
    /// The last day on which it counts, in UTC.
    expires: Date,
    at: Location,
}

/// An object as findings show it, `Kind namespace/name`, each part with `*` for any text. No namespace stands for any.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ObjectPattern {
    kind: String,
    namespace: Option<String>,
    name: String,
}

impl ObjectPattern {
    fn is(&self, object: &ObjectName) -> bool {
        glob::matches(&self.kind, &object.kind)
            && self.namespace.as_ref().is_none_or(|namespace| glob::matches(namespace, &object.namespace))
            && glob::matches(&self.name, &object.name)
    }
}

impl Waiver {
    /// Whether it is about this finding, expired or not.
    fn covers(&self, environment: &str, finding: &Finding) -> bool {
        let within = |path: &RepoPath| finding.location.as_ref().is_some_and(|at| at.path.is_within(path));
        self.rule == finding.rule
            && self.is_about(environment)
            && self.object.as_ref().is_none_or(|pattern| finding.object.as_ref().is_some_and(|name| pattern.is(name)))
            && self.path.as_ref().is_none_or(within)
    }

    fn is_about(&self, environment: &str) -> bool {
        self.environments.is_empty() || self.environments.iter().any(|name| name == environment)
    }

    fn words(&self) -> String {
        format!("waived until {} by {}: {}", self.expires, self.owner, self.reason)
    }

    /// Whether it says the same as another one, wherever that stands.
    fn equals(&self, other: &Self) -> bool {
        *self == Self { at: self.at.clone(), ..other.clone() }
    }
}

/// The waivers of one version of a repository.
#[derive(Debug)]
pub struct Waivers {
    list: Vec<Waiver>,
    /// The day by which they are judged, in UTC.
    today: Date,
    /// What is wrong with their files.
    pub problems: Vec<Finding>,
}

impl Waivers {
    /// Reads those among `files`, from [`super::files::list`]. Nothing of a broken entry counts, and nothing of a file that does not parse.
    pub fn read(objects: &dyn Objects, files: &[PolicyId], pipeline: &Pipeline, today: Date) -> Self {
        let environments: Vec<&str> =
            pipeline.environments.iter().map(|environment| environment.name.as_str()).collect();
        let (list, problems) = read::files(objects, files, &environments);
        Self { list, today, problems }
    }

    /// Those of another version of the repository, by the same day.
    pub fn after(&self, objects: &dyn Objects, files: &[PolicyId], pipeline: &Pipeline) -> Self {
        Self::read(objects, files, pipeline, self.today)
    }

    fn is_expired(&self, waiver: &Waiver) -> bool {
        waiver.expires < self.today
    }

    /// What the waivers a change brings would accept of it, once they count: said where they stand, because they do not count yet.
    pub fn brought(&self, before: &Waivers, evaluation: &Evaluation) -> Vec<Finding> {
        let known = |waiver: &&Waiver| !before.list.iter().any(|other| waiver.equals(other));
        let counts = self.list.iter().filter(|waiver| !self.is_expired(waiver)).filter(known);
        let accepts = |waiver: &Waiver| {
            let mut all =
                evaluation.environments.iter().flat_map(|one| one.findings.iter().map(move |found| (one, found)));
            all.any(|(one, found)| found.blocks() && waiver.covers(&one.environment, found))
        };
        let said = |waiver: &Waiver| {
            let message = "this waiver counts once it is on the default branch; until then what it is for stands";
            let fix = "Merge it first, in a pull request of its own, where it is seen for what it is.";
            finding((Severity::Info, Delta::New), &waiver.at, message.to_owned(), fix)
        };
        counts.filter(|waiver| accepts(waiver)).map(said).collect()
    }
}

fn finding((severity, delta): (Severity, Delta), at: &Location, message: String, fix: &str) -> Finding {
    Finding { fix: fix.to_owned(), location: Some(at.clone()), delta, ..Finding::new(WAIVER, severity, message) }
}

#[cfg(test)]
mod tests;
