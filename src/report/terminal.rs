//! Findings for a person at a terminal: the rule, the place, the line itself, and what to do.

use super::markdown::{is_trick, line};
use super::redact::redact;
use super::words::{count, listed};
use crate::model::finding::{Delta, Evaluation, Finding, Location, Severity};
use crate::model::path::RepoPath;

/// Reads one line (from 1) of a file, without its end; `None` when there is none.
pub type SourceLine<'a> = &'a dyn Fn(&RepoPath, u32) -> Option<String>;

/// Wider lines are no lines of a terminal.
const MAX_COLUMNS: usize = 160;

/// The report: findings worst first, then one line that sums up.
pub fn terminal(evaluation: &Evaluation, source: SourceLine<'_>, color: bool) -> String {
    let paint = Paint { color };
    let mut out = String::new();
    let mut shown: Vec<&Finding> = Vec::new();
    for delta in [Delta::New, Delta::Existing] {
        for told in super::sections::told(evaluation, delta) {
            out.push_str(&finding(told.finding, &told.environments, source, &paint));
            out.push('\n');
            shown.push(told.finding);
        }
    }
    out.push_str(&total(evaluation, &shown, &paint));
    out
}

struct Paint {
    color: bool,
}

impl Paint {
    fn with(&self, code: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn severity(&self, severity: Severity, text: &str) -> String {
        self.with(
            match severity {
                Severity::Error => "1;31",
                Severity::Warning => "1;33",
                Severity::Info => "1;36",
            },
            text,
        )
    }

    fn quiet(&self, text: &str) -> String {
        self.with("1;34", text)
    }
}

fn finding(finding: &Finding, environments: &[&str], source: SourceLine<'_>, paint: &Paint) -> String {
    let head = format!("{}[{}]", finding.severity, line(&finding.rule, 100));
    let mut out = format!("{}: {}\n", paint.severity(finding.severity, &head), line(&finding.message, 1_000));
    let excerpt = finding.location.as_ref().and_then(|at| Some((at, source(&at.path, at.line)?)));
    let gutter = finding.location.as_ref().map_or(1, |at| at.line.to_string().len());
    let pad = " ".repeat(gutter);
    if let Some(at) = &finding.location {
        out.push_str(&format!("{pad}{} {}\n", paint.quiet("-->"), line(&at.to_string(), 500)));
    }
    if let Some((at, text)) = &excerpt {
        out.push_str(&shown_line(at, text, &pad, finding.severity, paint));
    }
    let object = finding.object.as_ref().map(|object| line(&object.to_string(), 300));
    let names: Vec<String> = environments.iter().map(|name| line(name, 100)).collect();
    let environments = (!names.is_empty()).then(|| listed(&names, 8));
    let text = |text: &str| (!text.is_empty()).then(|| line(text, 1_000));
    let notes = [("object", object), ("in", environments), ("why", text(&finding.why)), ("help", text(&finding.fix))];
    for (label, note) in notes {
        if let Some(note) = note {
            out.push_str(&format!("{pad} {} {label}: {note}\n", paint.quiet("=")));
        }
    }
    out
}

/// The line and, when the column is known, a caret below it; tabs count as one blank so that the caret stands right.
fn shown_line(at: &Location, text: &str, pad: &str, severity: Severity, paint: &Paint) -> String {
    let text = redact(text);
    let plain = text.chars().map(|c| if c == '\t' { ' ' } else { c }).filter(|c| !is_trick(*c));
    let visible: String = plain.take(MAX_COLUMNS).collect();
    let bar = paint.quiet("|");
    let number = paint.quiet(&at.line.to_string());
    let mut out = format!("{pad} {bar}\n{number} {bar} {}\n", visible.trim_end());
    let column = at.column as usize;
    if (1..=visible.chars().count()).contains(&column) {
        let marks = visible.chars().skip(column - 1).collect::<String>().trim_end().chars().count().clamp(1, 60);
        out.push_str(&format!(
            "{pad} {bar} {}{}\n",
            " ".repeat(column - 1),
            paint.severity(severity, &"^".repeat(marks))
        ));
    }
    out
}

fn total(evaluation: &Evaluation, shown: &[&Finding], paint: &Paint) -> String {
    let environments = evaluation.environments.len();
    let objects: usize = evaluation.environments.iter().map(|env| env.objects as usize).sum();
    let checked = format!("{} in {}", count(objects, "object"), count(environments, "environment"));
    if shown.is_empty() {
        return format!("{} {checked} checked, nothing found\n", paint.with("1;32", "ok:"));
    }
    let found = super::sections::severities(shown.iter().copied());
    format!("{found} ({checked} checked)\n")
}
