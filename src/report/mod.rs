//! Verdicts and findings → Markdown, check output, terminal, SARIF.
//!
//! One tree of reasons, many renderings. Everything a person or a repository wrote passes through `markdown` before it
//! stands in a text of ours, and through `limits` before it is sent; no text here decides anything.

pub mod check;
pub mod comment;
pub mod configuration;
mod cost;
pub mod difference;
mod diffs;
pub mod explain;
pub mod github;
pub mod history;
pub mod json;
pub mod limits;
pub mod markdown;
pub mod marker;
pub mod onboarding;
pub mod picture;
mod preview;
pub mod promotion;
mod redact;
pub mod reply;
pub mod sarif;
mod sections;
mod short;
pub mod suggestion;
pub mod terminal;
pub mod verdict;
mod words;

#[cfg(test)]
mod tests;

use crate::model::finding::{Delta, Finding, Problem, Severity};

/// The rule's name under which an author's mistakes in the configuration are reported.
pub const CONFIGURATION: &str = "configuration";

/// A problem as a finding, so that it stands in checks, comments and reports like any other.
pub fn problem_finding(problem: &Problem, delta: Delta) -> Finding {
    Finding {
        fix: problem.help.clone().unwrap_or_default(),
        location: problem.location.clone(),
        delta,
        ..Finding::new(CONFIGURATION, Severity::Error, problem.message.as_str())
    }
}
