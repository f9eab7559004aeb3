//! The check run `trunkline`: status, conclusion, texts and annotations.

use super::cost::costs;
use super::diffs::diffs;
use super::limits::{CHECK_BYTES, MAX_PAGES, Section, TITLE_CHARS, fit, spread};
use super::markdown::{line, lines};
use super::preview::preview;
use super::sections::{Place, findings, table, title_of, told};
use super::verdict;
use super::words::{count, listed, sentence};
use crate::model::finding::{Delta, Evaluation, Finding, Severity};
use crate::model::id::Oid;
use crate::model::pipeline::Mode;
use crate::model::plan::{Annotation, AnnotationLevel, CheckOutput, Conclusion};
use crate::model::verdict::{Answer, Verdict};

/// Ten requests of fifty; nobody reads more, and the text has the rest.
const MAX_ANNOTATIONS: usize = 500;

/// GitHub takes 64 KB; four thousand characters are a page.
const MESSAGE_CHARS: usize = 4_000;

/// What the check is about.
#[derive(Debug, Clone)]
pub struct CheckInput<'a> {
    /// The repository's address: `https://host/owner/name`.
    pub repo_url: &'a str,
    /// The commit the check stands on.
    pub head: Oid,
    /// What the change does.
    pub evaluation: &'a Evaluation,
    /// The gates, when this head promotes something.
    pub verdict: Option<&'a Verdict>,
    /// Act, or only say.
    pub mode: Mode,
    /// Whether the head is a merge queue's: it must be told at once, and a closed gate fails it.
    pub queue: bool,
}

/// The check for one head.
pub fn check(input: &CheckInput<'_>) -> CheckOutput {
    let conclusion = conclusion(input);
    let place = Place { repo_url: input.repo_url, head: input.head, room: MAX_PAGES * CHECK_BYTES };
    let mut text = findings(input.evaluation, &place);
    text.extend(preview(input.evaluation, &place));
    text.extend(diffs(input.evaluation, &place));
    let mut pages = spread(text, CHECK_BYTES, "`trunkline check` on your own machine shows everything").into_iter();
    CheckOutput {
        conclusion,
        title: line(&title(input), TITLE_CHARS),
        summary: fit(&summary(input), CHECK_BYTES, "the pull request's comment may show more"),
        text: pages.next().unwrap_or_default(),
        pages: pages.collect(),
        annotations: annotations(input.evaluation),
    }
}

fn conclusion(input: &CheckInput<'_>) -> Option<Conclusion> {
    if input.mode == Mode::Observe {
        return Some(Conclusion::Neutral);
    }
    if input.evaluation.blocks() {
        return Some(Conclusion::Failure);
    }
    match input.verdict.map(|verdict| verdict.answer) {
        None | Some(Answer::Yes) => Some(Conclusion::Success),
        Some(Answer::No) => Some(Conclusion::Failure),
        Some(Answer::Wait) if input.queue => Some(Conclusion::Failure),
        Some(Answer::Wait) => None,
    }
}

fn title(input: &CheckInput<'_>) -> String {
    // Titles are plain text: backticks would show.
    let title = title_of(input.evaluation, input.verdict).replace('`', "");
    match input.mode {
        Mode::Enforce => title,
        Mode::Observe => format!("Observing: {title}"),
    }
}

fn summary(input: &CheckInput<'_>) -> Vec<Section> {
    let mut sections = Vec::new();
    if input.mode == Mode::Observe {
        sections.push(Section::whole(0, "Trunkline only observes here: this check never blocks.\n\n"));
    }
    if input.evaluation.environments.is_empty() {
        sections.push(Section::whole(
            0,
            "This change touches no environment, so there is nothing to render or compare.\n\n",
        ));
    } else {
        sections.push(table(input.evaluation));
        sections.extend(costs(input.evaluation));
    }
    if let Some(root) = input.verdict {
        sections.push(Section::whole(1, format!("#### Gates\n\n{}\n", verdict::markdown(root))));
    }
    let told = [Delta::New, Delta::Existing].into_iter().flat_map(|delta| told(input.evaluation, delta));
    let unplaced = told.filter(|told| told.finding.location.is_none()).count();
    if unplaced > 0 {
        let text = format!("{} below stands at no line, so it has no annotation.\n", count(unplaced, "finding"));
        sections.push(Section::whole(4, text));
    }
    sections
}

/// The findings that have a place, new ones first, the same one once.
fn annotations(evaluation: &Evaluation) -> Vec<Annotation> {
    let told = [Delta::New, Delta::Existing].into_iter().flat_map(|delta| told(evaluation, delta));
    told.filter_map(|told| annotation(&told.finding, &told.environments)).take(MAX_ANNOTATIONS).collect()
}

fn annotation(finding: &Finding, environments: &[&str]) -> Option<Annotation> {
    let location = finding.location.as_ref()?;
    let level = match (finding.delta, finding.severity) {
        _ if finding.blocks() => AnnotationLevel::Failure,
        // What the change did not bring must not look as if it did.
        (Delta::Existing | Delta::Fixed, _) | (_, Severity::Info) => AnnotationLevel::Notice,
        (Delta::New, Severity::Warning) if finding.accepted.is_some() => AnnotationLevel::Notice,
        (Delta::New, Severity::Warning | Severity::Error) => AnnotationLevel::Warning,
    };
    let object = finding.object.as_ref().map_or(String::new(), |object| format!(": {object}"));
    let before = if finding.delta == Delta::Existing { " (was there before)" } else { "" };
    let mut message = line(&finding.message, MESSAGE_CHARS);
    message.extend(finding.accepted.as_ref().map(|by| format!("\n{}", line(&sentence(by), MESSAGE_CHARS))));
    for (label, text) in [("Why", &finding.why), ("Fix", &finding.fix)] {
        if !text.is_empty() {
            message.push_str(&format!("\n{label}: {}", line(text, MESSAGE_CHARS)));
        }
    }
    if !environments.is_empty() {
        let names: Vec<String> = environments.iter().map(|name| (*name).to_owned()).collect();
        message.push_str(&format!("\nIn: {}", listed(&names, 10)));
    }
    Some(Annotation {
        path: location.path.clone(),
        line: location.line.max(1),
        level,
        title: line(&format!("{}{object}{before}", finding.rule), TITLE_CHARS),
        message: lines(&message, 3 * MESSAGE_CHARS),
    })
}
