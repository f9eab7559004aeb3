//! The repository's own Rego policies, as conftest users write them: `deny`, `warn` and `violation` over one object at a time.
//!
//! regorus is not OPA. Where it is known to differ in silence, it is given what OPA would read, or the policy is refused with its line; where it fails, the failure is a finding.
//! Nothing here ever turns into "no violation".

mod adapt;
mod compile;
mod detect;
mod evaluate;
pub(super) mod template;
pub mod verify;

pub use compile::{CompiledPolicies, compile};
pub(super) use evaluate::evaluate;
use evaluate::{cut, items};

use crate::model::finding::{Finding, Location, Severity};
use crate::model::path::RepoPath;

/// The rule id of what is wrong with a policy itself.
pub const POLICY: &str = "POLICY";

/// A policy that cannot be relied on is as grave as a broken one: it lets things pass.
pub(super) fn problem(location: Option<Location>, message: String, fix: &str) -> Finding {
    Finding {
        why: "A policy that does not run lets everything pass.".to_owned(),
        fix: fix.to_owned(),
        location,
        ..Finding::new(POLICY, Severity::Error, message)
    }
}

/// What regorus says, in one line, with the place it names.
struct EngineError {
    place: Option<(String, u32, u32)>,
    text: String,
    timed_out: bool,
}

impl EngineError {
    fn new(error: &dyn std::fmt::Display) -> Self {
        // `{:#}` of the error is a picture: an arrow line with file:line:column, the source, and the message last.
        let picture = error.to_string();
        let place = picture.lines().find_map(|line| {
            let mut parts = line.trim().strip_prefix("--> ")?.rsplitn(3, ':');
            let column = parts.next()?.parse().ok()?;
            let line = parts.next()?.parse().ok()?;
            Some((parts.next()?.to_owned(), line, column))
        });
        let message = picture.lines().rev().find_map(|line| line.trim().strip_prefix("error: ").map(str::to_owned));
        let mut text = message.unwrap_or_else(|| picture.split_whitespace().collect::<Vec<_>>().join(" "));
        let timed_out = text.contains("exceeded time limit");
        if timed_out {
            // The engine tells the nanoseconds, which would make a new finding of every run.
            text = format!("it took more than {} s", compile::TIME_LIMIT.as_secs());
        }
        Self { place, text: text.chars().take(MAX_ERROR_CHARS).collect(), timed_out }
    }

    fn location(&self) -> Option<Location> {
        let (path, line, column) = self.place.as_ref()?;
        Some(Location { path: path.parse::<RepoPath>().ok()?, line: *line, column: *column })
    }
}

/// An engine's message may quote a whole value; what follows the first lines helps nobody.
const MAX_ERROR_CHARS: usize = 300;

#[cfg(test)]
mod tests;
