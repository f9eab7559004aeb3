//! The parts that comment and check share: the table and the findings.

use std::borrow::Cow;

use super::limits::Section;
use super::markdown::{cell_code, code, link, path_in_url, prose};
use super::short::short;
use super::words::{count, listed, sentence};
use crate::model::finding::{
    ChangeKind, Delta, EnvironmentEvaluation, Evaluation, Finding, Location, ObjectName, Severity,
};
use crate::model::id::Oid;
use crate::model::suggestion::Suggestion;
use crate::model::verdict::{Answer, Verdict};

/// Where files are shown: the repository's address and the commit the evaluation saw.
pub(super) struct Place<'a> {
    /// `https://host/owner/name`.
    pub(super) repo_url: &'a str,
    /// The head commit.
    pub(super) head: Oid,
    /// Bytes of findings, and of diffs, worth making: what cannot be shown is only counted.
    pub(super) room: usize,
}

impl Place<'_> {
    /// `path:line`, linked to the file at head.
    pub(super) fn link(&self, location: &Location) -> String {
        let label = code(&format!("{}:{}", location.path, location.line));
        let path = path_in_url(location.path.as_str());
        link(&label, &format!("{}/blob/{}/{path}#L{}", self.repo_url, self.head, location.line))
    }
}

/// A finding and the environments it stands in: a base's mistake is told once, not once an overlay. Overlays put one object into
/// several namespaces; then the finding names it without one.
pub(super) struct Told<'a> {
    pub(super) finding: Cow<'a, Finding>,
    pub(super) environments: Vec<&'a str>,
}

/// The findings of one delta, what blocks and is worst first and what is accepted last, the same one told once.
pub(super) fn told(evaluation: &Evaluation, delta: Delta) -> Vec<Told<'_>> {
    let mut all: Vec<Told<'_>> = Vec::new();
    let mut seen: std::collections::HashMap<_, usize> = std::collections::HashMap::new();
    for (environment, finding) in evaluation.all_findings().filter(|(_, finding)| finding.delta == delta) {
        // Without a line nothing says that two objects of one name come from one place.
        let namespace = |object: &'_ ObjectName| finding.location.is_none().then(|| object.namespace.clone());
        let object =
            finding.object.as_ref().map(|object| (&object.group, &object.kind, namespace(object), &object.name));
        let key = (
            &finding.rule,
            object,
            &finding.message,
            finding.severity,
            (&finding.location, &finding.accepted, finding.blocks()),
        );
        let at = *seen.entry(key).or_insert_with(|| {
            all.push(Told { finding: Cow::Borrowed(finding), environments: Vec::new() });
            all.len() - 1
        });
        if all[at].finding.object != finding.object
            && let Some(object) = &mut all[at].finding.to_mut().object
        {
            object.namespace.clear();
        }
        // Mended in another way elsewhere, it is mended in no certain way.
        if all[at].finding.suggestion != finding.suggestion {
            all[at].finding.to_mut().suggestion = None;
        }
        let environments = &mut all[at].environments;
        let name = environment.map(|environment| environment.environment.as_str());
        environments.extend(name.filter(|name| !environments.contains(name)));
    }
    all.sort_by_key(|told| {
        let finding = &told.finding;
        (!finding.blocks(), finding.accepted.is_some(), std::cmp::Reverse(finding.severity))
    });
    all
}

/// `1 error, 2 warnings`, and what was accepted by itself; empty when there is nothing.
pub(super) fn severities<'a>(findings: impl Iterator<Item = &'a Finding>) -> String {
    let (mut numbers, mut accepted) = ([0usize; 3], 0);
    findings.for_each(|finding| match finding.accepted {
        Some(_) => accepted += 1,
        None => numbers[finding.severity as usize] += 1,
    });
    let [infos, warnings, errors] = numbers;
    let parts = [(errors, "error"), (warnings, "warning"), (infos, "note")];
    let mut parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, one)| count(*n, one)).collect();
    parts.extend((accepted > 0).then(|| format!("{accepted} accepted")));
    parts.join(", ")
}

/// The environments as a table.
pub(super) fn table(evaluation: &Evaluation) -> Section {
    let rows = evaluation.environments.iter().map(|env| {
        let new = severities(env.findings.iter().filter(|finding| finding.delta == Delta::New));
        let old = env.findings.iter().filter(|finding| finding.delta == Delta::Existing).count();
        let findings = match (new.is_empty(), old) {
            (true, 0) => "none".to_owned(),
            (true, old) => format!("none new, {old} before"),
            (false, 0) => new,
            (false, old) => format!("**{new}** new, {old} before"),
        };
        let objects = if env.rendered { objects(env) } else { "does not build".to_owned() };
        format!("| {} | {objects} | {} | {findings} |\n", cell_code(&env.label()), short(env))
    });
    Section {
        rank: 1,
        open: "| Environment | Objects | In short | Findings |\n|:--|:--|:--|:--|\n".to_owned(),
        items: rows.collect(),
        close: "\n".to_owned(),
        noun: "environment",
        ..Section::default()
    }
}

/// How many objects appear, change and go: `+1 ~2 −1`.
pub(super) fn objects(env: &EnvironmentEvaluation) -> String {
    let number = |kind| env.changes.iter().filter(|change| change.kind == kind).count();
    let parts = [("+", ChangeKind::Added), ("~", ChangeKind::Changed), ("−", ChangeKind::Removed)];
    let mut parts: Vec<String> = parts
        .iter()
        .map(|(sign, kind)| (sign, number(*kind)))
        .filter(|(_, n)| *n > 0)
        .map(|(s, n)| format!("{s}{n}"))
        .collect();
    let renamed = number(ChangeKind::Renamed);
    if renamed > 0 {
        parts.push(format!("{renamed} renamed"));
    }
    // A lone `~` is no strikethrough, two would be; the backslash keeps every table alike.
    if parts.is_empty() { "no change".to_owned() } else { parts.join(" ").replace('~', "\\~") }
}

/// The findings: new ones and what blocks open, other existing ones folded, fixed ones in a line.
pub(super) fn findings(evaluation: &Evaluation, place: &Place<'_>) -> Vec<Section> {
    let new = told(evaluation, Delta::New);
    let (before, existing): (Vec<_>, Vec<_>) =
        told(evaluation, Delta::Existing).into_iter().partition(|told| told.finding.blocks());
    let fixed = told(evaluation, Delta::Fixed);
    let mut sections = Vec::new();
    let mut room = place.room;
    for (title, open) in [("New findings", &new), ("Findings from before that block", &before)] {
        if !open.is_empty() {
            let title = format!("#### {title}\n\n");
            let section =
                Section { rank: 2, open: title, close: "\n".to_owned(), noun: "finding", ..Section::default() };
            sections.push(section.fill(open, &mut room, |told| item(told, place)));
        }
    }
    if !fixed.is_empty() {
        let names: Vec<String> = fixed
            .iter()
            .map(|told| {
                let object =
                    told.finding.object.as_ref().map_or(String::new(), |object| format!(" in {}", name(object)));
                format!("{}{object}", code(&told.finding.rule))
            })
            .collect();
        sections.push(Section::whole(3, format!("**Fixed here:** {}.\n\n", listed(&names, 10))));
    }
    if !existing.is_empty() {
        let more = if before.is_empty() { "" } else { "more " };
        let summary = format!("{more}{} that the base already has", count(existing.len(), "finding"));
        sections.push(
            Section {
                rank: 6,
                open: format!("<details><summary>{summary}</summary>\n\n"),
                close: "\n</details>\n\n".to_owned(),
                noun: "finding",
                ..Section::default()
            }
            .fill(&existing, &mut room, |told| item(told, place)),
        );
    }
    sections
}

fn name(object: &ObjectName) -> String {
    code(&object.to_string())
}

pub(super) fn item(told: &Told<'_>, place: &Place<'_>) -> String {
    let finding = &*told.finding;
    let mut head = match finding.severity {
        Severity::Info => "note".to_owned(),
        severity => format!("**{severity}**"),
    };
    head.push_str(&format!(" {}", code(&finding.rule)));
    let environments: Vec<String> = told.environments.iter().map(|name| code(name)).collect();
    let object = finding.object.as_ref().map(name);
    let location = finding.location.as_ref().map(|location| place.link(location));
    let environments = (!environments.is_empty()).then(|| listed(&environments, 5));
    for part in [object, environments, location].into_iter().flatten() {
        head.push_str(&format!(" · {part}"));
    }
    let mut lines = vec![head, prose(&finding.message)];
    lines.extend(finding.accepted.as_ref().map(|by| format!("**{}**", prose(&sentence(by)))));
    if !finding.why.is_empty() {
        lines.push(format!("*Why:* {}", prose(&finding.why)));
    }
    if !finding.fix.is_empty() {
        lines.push(format!("*Fix:* {}", prose(&finding.fix)));
    }
    lines.extend(finding.suggestion.as_ref().and_then(write));
    // GitHub breaks at line ends in comments and does not elsewhere; a `<br>` within one line is read alike.
    format!("- {}\n", lines.join("<br>"))
}

/// The line that mends it, where it is one.
fn write(suggestion: &Suggestion) -> Option<String> {
    let added = suggestion.after.strip_prefix(&suggestion.before).and_then(|rest| rest.strip_prefix('\n'));
    let (how, line) = added.map_or(("Write", suggestion.after.as_str()), |added| ("Add below", added));
    (!line.contains('\n')).then(|| format!("*{how}:* {}", code(line.trim())))
}

/// What a reader must know first: what is wrong, else what it waits for, else that nothing is.
pub(super) fn title_of(evaluation: &Evaluation, verdict: Option<&Verdict>) -> String {
    if !evaluation.blocks()
        && let Some(root) = verdict.filter(|verdict| verdict.answer != Answer::Yes)
    {
        let reasons = super::verdict::blockers(root);
        let first = reasons.first().map_or("", |reason| reason.text.trim_end_matches('.'));
        let more = if reasons.len() > 1 { format!(" (and {} more)", reasons.len() - 1) } else { String::new() };
        return match root.answer {
            Answer::No => format!("{}{more}", sentence(first)),
            _ => format!("Waits: {first}{more}"),
        };
    }
    if evaluation.environments.is_empty() && evaluation.findings.is_empty() {
        return "Touches no environment".to_owned();
    }
    let names: Vec<String> = evaluation.environments.iter().map(|env| env.label()).collect();
    let head = headline(evaluation);
    if evaluation.blocks() || names.is_empty() { head } else { format!("{head} in {}", listed(&names, 4)) }
}

/// What the findings come to.
fn headline(evaluation: &Evaluation) -> String {
    let new = told(evaluation, Delta::New);
    let before = told(evaluation, Delta::Existing);
    let blocking: Vec<&Told<'_>> = new.iter().chain(&before).filter(|told| told.finding.blocks()).collect();
    let others = new.iter().filter(|told| !told.finding.blocks()).map(|told| &*told.finding);
    let tally = severities(others.clone());
    if blocking.is_empty() {
        return match others.clone().any(Finding::is_let_through) {
            _ if tally.is_empty() => "No new findings".to_owned(),
            true => format!("Nothing blocks: {tally}"),
            false => format!("No errors, {tally}"),
        };
    }
    let mut environments: Vec<String> = Vec::new();
    for name in blocking.iter().flat_map(|told| &told.environments) {
        if !environments.iter().any(|seen| seen == name) {
            environments.push((*name).to_owned());
        }
    }
    let number = |delta, severity| {
        blocking.iter().filter(|told| (told.finding.delta, told.finding.severity) == (delta, severity)).count()
    };
    let kinds = [
        (number(Delta::New, Severity::Error), "new error", ""),
        (number(Delta::New, Severity::Warning), "new warning", ""),
        (before.iter().filter(|told| told.finding.blocks()).count(), "error", " from before"),
    ];
    let kinds = kinds.iter().filter(|(number, ..)| *number > 0);
    let kinds: Vec<String> = kinds.map(|(number, one, when)| format!("{}{when}", count(*number, one))).collect();
    let place = if environments.is_empty() { String::new() } else { format!(" in {}", listed(&environments, 4)) };
    let others = if tally.is_empty() { String::new() } else { format!(", and {tally}") };
    format!("{}{place}{others}", listed(&kinds, kinds.len()))
}

/// Where what blocks is not what people take for granted, that it is so because they said it.
pub(super) fn unusual(evaluation: &Evaluation) -> Option<String> {
    let any = |is: &dyn Fn(&Finding) -> bool| evaluation.all_findings().any(|(_, finding)| is(finding));
    let kinds = [
        (any(&|finding| finding.blocks() && finding.severity == Severity::Warning), "warnings block"),
        (any(&|finding| finding.blocks() && finding.delta == Delta::Existing), "errors from before block"),
        (any(&Finding::is_let_through), "new errors block nothing"),
    ];
    let kinds: Vec<String> = kinds.iter().filter(|(is, _)| *is).map(|(_, text)| (*text).to_owned()).collect();
    (!kinds.is_empty()).then(|| format!("here {}, as `policies.blocks` says", listed(&kinds, 3)))
}
