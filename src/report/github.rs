//! Findings as workflow commands: a GitHub Actions job shows them at their lines.

use super::markdown::line;
use crate::model::finding::{Delta, Evaluation, Severity};

/// GitHub shows ten of a kind a step; more than this only fills the log.
const MAX_COMMANDS: usize = 500;

/// One `::error …::message` line a finding, new ones first.
pub fn workflow_commands(evaluation: &Evaluation) -> String {
    let told = [Delta::New, Delta::Existing].into_iter().flat_map(|delta| super::sections::told(evaluation, delta));
    let lines = told.take(MAX_COMMANDS).map(|told| {
        let finding = &*told.finding;
        let command = match finding.severity {
            _ if finding.blocks() => "error",
            Severity::Info => "notice",
            // What is accepted, or was there before, must not look as if it were to be dealt with.
            _ if finding.accepted.is_some() || finding.delta == Delta::Existing => "notice",
            Severity::Error | Severity::Warning => "warning",
        };
        let place = finding.location.as_ref().map_or(String::new(), |at| {
            let column = if at.column > 0 { format!(",col={}", at.column) } else { String::new() };
            let line = if at.line > 0 { format!(",line={}{column}", at.line) } else { String::new() };
            format!("file={}{line},", property(at.path.as_str()))
        });
        let mut message = line(&finding.message, 1_000);
        message.extend(finding.accepted.as_ref().map(|by| format!(" ({})", line(by, 1_000))));
        if !finding.fix.is_empty() {
            message.push_str(&format!(" Fix: {}", line(&finding.fix, 1_000)));
        }
        let object = finding.object.as_ref().map_or(String::new(), |object| format!(": {object}"));
        let title = property(&line(&format!("{}{object}", finding.rule), 250));
        format!("::{command} {place}title={title}::{}\n", data(&message))
    });
    lines.collect()
}

/// The runner undoes exactly these.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
