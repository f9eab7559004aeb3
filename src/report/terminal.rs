//! Findings for a person at a terminal: the rule, the place, the line itself, and what to do.

use std::collections::{HashMap, HashSet};

use super::markdown::{is_trick, line};
use super::redact::redact;
use super::sections::{Told, told};
use super::words::{count, listed};
use crate::model::finding::{Delta, Evaluation, Finding, Location, Severity};
use crate::model::path::RepoPath;
use crate::model::suggestion::Suggestion;
use crate::model::tree::Tree;

/// Reads one line (from 1) of a file, without its end; `None` when there is none.
pub type SourceLine<'a> = &'a dyn Fn(&RepoPath, u32) -> Option<String>;

/// Wider lines are no lines of a terminal.
const MAX_COLUMNS: usize = 160;

/// The report: findings worst first, then one line that sums up.
pub fn terminal(evaluation: &Evaluation, source: SourceLine<'_>, color: bool) -> String {
    let paint = Paint { color };
    let mut out = String::new();
    let mut said = Said::new();
    let shown = shown(evaluation);
    let hidden = Hidden::of(shown.iter().map(|told| &*told.finding));
    let source = |path: &RepoPath, line| hidden.cut(path, line, source(path, line)?);
    for told in &shown {
        out.push_str(&finding(&told.finding, &told.environments, (&source, &mut said), &paint));
        out.push('\n');
    }
    out.push_str(&total(evaluation, &shown, &paint));
    out
}

/// The line that sums up, alone.
pub fn summary(evaluation: &Evaluation, color: bool) -> String {
    total(evaluation, &shown(evaluation), &Paint { color })
}

fn shown(evaluation: &Evaluation) -> Vec<Told<'_>> {
    [Delta::New, Delta::Existing].into_iter().flat_map(|delta| told(evaluation, delta)).collect()
}

/// Findings alone, in the order given.
pub fn findings(findings: &[Finding], source: SourceLine<'_>, color: bool) -> String {
    let (paint, mut said) = (Paint { color }, Said::new());
    let hidden = Hidden::of(findings.iter());
    let source = |path: &RepoPath, line| hidden.cut(path, line, source(path, line)?);
    findings.iter().map(|one| finding(one, &[], (&source, &mut said), &paint)).collect::<Vec<_>>().join("\n")
}

/// One line of a file of a tree, for [`SourceLine`]; none where a secret may stand, because logs of CI jobs are read by many.
pub fn line_of(tree: &Tree<'_>, path: &RepoPath, line: u32) -> Option<String> {
    let bytes = tree.read(path).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let at = usize::try_from(line).ok()?.checked_sub(1)?;
    let shown = *lines.get(at)?;
    let begin = lines[..at].iter().rposition(|line| line.starts_with("---")).map_or(0, |at| at + 1);
    let end = lines[at..].iter().position(|line| line.starts_with("---")).map_or(lines.len(), |more| at + more);
    // Also where the document does not parse, which is when its lines are shown.
    let holds_secret = lines[begin..end.max(begin)].iter().any(|line| {
        let bare: String = line.chars().filter(|c| !c.is_whitespace() && !matches!(c, '"' | '\'')).collect();
        // `SecretStore` is another kind.
        let is_secret = |(_, rest): (&str, &str)| !rest.starts_with(|c: char| c.is_alphanumeric());
        bare.split_once("kind:Secret").is_some_and(is_secret) || bare.contains("secretGenerator:")
    });
    let harmless = ["apiVersion:", "kind:", "metadata:", "name:", "namespace:", "type:", "- name:", "resources:"];
    let is_harmless = harmless.iter().any(|key| shown.trim_start().starts_with(key)) && !shown.contains(['{', '=']);
    let is_path = !shown.contains([':', '=']);
    let is_name = is_harmless || (is_path && path.name().to_ascii_lowercase().starts_with("kustomization"));
    (!holds_secret || is_name).then(|| shown.to_owned())
}

/// Where secrets stand in lines that are to be shown: what comes from there on is not.
struct Hidden<'a>(HashMap<(&'a RepoPath, u32), u32>);

impl<'a> Hidden<'a> {
    /// What the findings themselves call a secret.
    fn of(findings: impl Iterator<Item = &'a Finding>) -> Self {
        let mut columns = HashMap::new();
        let is_secret = |finding: &&Finding| {
            finding.rule.starts_with("SEC-") || finding.object.as_ref().is_some_and(|object| object.kind == "Secret")
        };
        for at in findings.filter(is_secret).filter_map(|finding| finding.location.as_ref()) {
            let column = columns.entry((&at.path, at.line)).or_insert(at.column);
            *column = at.column.min(*column);
        }
        Self(columns)
    }

    fn cut(&self, path: &RepoPath, line: u32, text: String) -> Option<String> {
        let Some(column) = self.0.get(&(path, line)) else { return Some(text) };
        let before = usize::try_from(*column).ok()?.checked_sub(1)?;
        Some(text.chars().take(before).chain("(hidden)".chars()).collect())
    }
}

/// What was explained already, by rule: read once, it is only in the way.
type Said<'a> = HashSet<(&'a str, &'a str)>;

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

fn finding<'a>(
    finding: &'a Finding,
    environments: &[&str],
    (source, said): (SourceLine<'_>, &mut Said<'a>),
    paint: &Paint,
) -> String {
    let accepted = if finding.accepted.is_some() { "accepted " } else { "" };
    let head = format!("{accepted}{}[{}]", finding.severity, line(&finding.rule, 100));
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
    let mut text = |text: &'a str| (!text.is_empty() && said.insert((&finding.rule, text))).then(|| line(text, 1_000));
    let by = finding.accepted.as_ref().map(|by| line(by, 1_000));
    let notes = [
        ("object", object),
        ("in", environments),
        ("accepted", by),
        ("why", text(&finding.why)),
        ("help", text(&finding.fix)),
    ];
    for (label, note) in notes {
        if let Some(note) = note {
            out.push_str(&format!("{pad} {} {label}: {note}\n", paint.quiet("=")));
        }
    }
    // What may not be shown as it stands is not shown as it should be.
    let is_shown = |suggestion: &&Suggestion| {
        let mut lines = (suggestion.first..).zip(suggestion.before.lines());
        lines.all(|(at, text)| source(&suggestion.path, at).as_deref() == Some(text) && redact(text) == text)
    };
    if let Some(suggestion) = finding.suggestion.as_ref().filter(is_shown) {
        out.push_str(&replacement(suggestion, &pad, paint));
    }
    out
}

/// The lines to write instead, below those that stand there now; what stays the same at the top is context.
fn replacement(suggestion: &Suggestion, pad: &str, paint: &Paint) -> String {
    let (before, after): (Vec<&str>, Vec<&str>) =
        (suggestion.before.lines().collect(), suggestion.after.lines().collect());
    let same = before.iter().zip(&after).take_while(|(a, b)| a == b).count();
    let mut out = format!("{pad} {} replace with:\n{pad} {}\n", paint.quiet("="), paint.quiet("|"));
    let width = pad.len();
    let mut row = |number: usize, sign: &str, color: &str, text: &str| {
        let number = paint.quiet(&format!("{number:>width$}"));
        let text: String = text.chars().filter(|c| !is_trick(*c)).take(MAX_COLUMNS).collect();
        out.push_str(&format!("{number} {}\n", paint.with(color, format!("{sign} {text}").trim_end())));
    };
    let first = suggestion.first as usize;
    before[..same].iter().enumerate().for_each(|(at, text)| row(first + at, "|", "0", text));
    before[same..].iter().enumerate().for_each(|(at, text)| row(first + same + at, "-", "31", text));
    after[same..].iter().enumerate().for_each(|(at, text)| row(first + same + at, "+", "32", text));
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
        let rest: String = visible.chars().skip(column - 1).collect();
        let marks = token(&rest).chars().count().clamp(1, 60);
        out.push_str(&format!(
            "{pad} {bar} {}{}\n",
            " ".repeat(column - 1),
            paint.severity(severity, &"^".repeat(marks))
        ));
    }
    out
}

/// What a person takes for one thing: up to a comment, or the next entry of a list on one line; a list or a quoted text whole.
fn token(rest: &str) -> &str {
    let end = match rest.chars().next() {
        Some('[' | '{' | '"' | '\'') => None,
        _ => [", ", "]", " }", " #"].iter().filter_map(|stop| rest.find(stop)).min(),
    };
    rest[..end.unwrap_or(rest.len())].trim_end()
}

fn total(evaluation: &Evaluation, shown: &[Told<'_>], paint: &Paint) -> String {
    let environments = evaluation.environments.len();
    let objects: usize = evaluation.environments.iter().map(|env| env.objects as usize).sum();
    let checked = format!("{} in {}", count(objects, "object"), count(environments, "environment"));
    if shown.is_empty() {
        return format!("{} {checked} checked, nothing found\n", paint.with("1;32", "ok:"));
    }
    let found = super::sections::severities(shown.iter().map(|told| &*told.finding));
    let unusual = super::sections::unusual(evaluation).map(|text| format!("; {text}")).unwrap_or_default();
    format!("{found} ({checked} checked){unusual}\n")
}
