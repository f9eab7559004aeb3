//! The one sticky comment on a pull request that touches an environment.

use super::cost::costs;
use super::diffs::diffs;
use super::limits::{COMMENT_BYTES, Section, fit};
use super::markdown::{code, link, prose};
use super::marker::{Marker, find, mark_as};
use super::preview::preview;
use super::sections::{Place, findings, table, title_of, unusual};
use super::verdict;
use super::words::sentence;
use crate::model::finding::{Delta, Evaluation};
use crate::model::id::Oid;
use crate::model::pipeline::Mode;
use crate::model::verdict::{Answer, Verdict};

/// What the comment is about.
#[derive(Debug, Clone)]
pub struct CommentInput<'a> {
    /// The repository's address: `https://host/owner/name`.
    pub repo_url: &'a str,
    /// The commit that was evaluated.
    pub head: Oid,
    /// What the change does.
    pub evaluation: &'a Evaluation,
    /// The gates, when this pull request promotes something.
    pub verdict: Option<&'a Verdict>,
    /// The pipeline's picture, on a promotion of ours: there the description tells what the change is, and the comment how it stands.
    pub picture: Option<&'a str>,
    /// Act, or only say.
    pub mode: Mode,
    /// Where the check run with the whole report is shown.
    pub check_url: Option<&'a str>,
}

/// Whether a comment is our sticky one; its author must be checked beside.
pub fn is_ours(body: &str) -> bool {
    find(body) == Some(Marker::Sticky)
}

/// The comment's text, marker included, within GitHub's limits.
pub fn comment(input: &CommentInput<'_>) -> String {
    // A push that changes nothing told here is answered by its check alone: a comment edited for a new commit id says nothing new,
    // and GitHub allows an installation 500 of them an hour.
    let essence = text(&CommentInput { head: NO_COMMIT, ..input.clone() });
    mark_as(&Marker::Sticky, &essence, &text(input))
}

/// Stands for any commit where two texts are compared; of the same length, so that what is cut is cut at the same place.
const NO_COMMIT: Oid = Oid([0; 20]);

fn text(input: &CommentInput<'_>) -> String {
    let place = Place { repo_url: input.repo_url, head: input.head, room: COMMENT_BYTES };
    let mut sections = vec![Section::whole(0, head(input))];
    // What a promotion changes stands in its description; a table of one row would say it again.
    let told = input.picture.is_some() && input.evaluation.environments.len() == 1;
    if !input.evaluation.environments.is_empty() && !told {
        sections.push(table(input.evaluation));
    }
    sections.extend(costs(input.evaluation));
    sections.extend(input.picture.map(|picture| Section::whole(2, picture)));
    if let Some(verdict) = input.verdict {
        sections.push(Section::whole(1, gates(verdict)));
    }
    sections.extend(findings(input.evaluation, &place));
    sections.extend(preview(input.evaluation, &place));
    sections.extend(diffs(input.evaluation, &place));
    sections.push(Section::whole(0, footer(input)));
    let elsewhere = match input.check_url {
        Some(url) => link("the check has the whole report", url),
        None => "the check named `trunkline` has the whole report".to_owned(),
    };
    fit(&sections, COMMENT_BYTES - 100, &elsewhere)
}

fn head(input: &CommentInput<'_>) -> String {
    let consequence = consequence(input.evaluation, input.mode);
    let observe = match input.mode {
        Mode::Observe => {
            "> [!NOTE]\n> Trunkline only observes here: nothing blocks, and no promotion is written. \
             Set `mode: enforce` in `.github/trunkline.yaml` to change that.\n\n"
        }
        Mode::Enforce => "",
    };
    format!(
        "### {}\n\n{observe}{}{consequence}\n\n",
        prose(&title_of(input.evaluation, input.verdict)),
        summary(input.evaluation)
    )
}

/// What the findings do to the check.
fn consequence(evaluation: &Evaluation, mode: Mode) -> String {
    let unusual = unusual(evaluation).map(|text| format!(" {}.", sentence(&text))).unwrap_or_default();
    let before = evaluation.all_findings().any(|(_, found)| found.blocks() && found.delta == Delta::Existing);
    let text = match (evaluation.blocks(), before, mode) {
        (true, false, Mode::Enforce) => " The check fails until what is new is fixed.",
        (true, true, Mode::Enforce) => " The check fails until what blocks is fixed.",
        (true, false, Mode::Observe) => " What is new would fail the check.",
        (true, true, Mode::Observe) => " What blocks would fail the check.",
        (false, ..) => "",
    };
    format!("{text}{unusual}")
}

fn summary(evaluation: &Evaluation) -> String {
    let changes: usize = evaluation.environments.iter().map(|env| env.changes.len()).sum();
    let names: Vec<String> = evaluation.environments.iter().map(|env| code(&env.label())).collect();
    let where_ = super::words::listed(&names, 6);
    let broken = evaluation.environments.iter().filter(|env| !env.rendered).count();
    match (changes, broken) {
        _ if names.is_empty() => "This change touches no environment.".to_owned(),
        (0, 0) => format!("This change touches {where_} and alters no object there."),
        (n, 0) => format!("This change alters {} in {where_}.", super::words::count(n, "object")),
        _ => format!("This change touches {where_}; what does not build cannot be compared."),
    }
}

fn gates(root: &Verdict) -> String {
    let title = match root.answer {
        Answer::Yes => "Every gate is open",
        Answer::Wait => "Gates",
        Answer::No => "This will not go in as it is",
    };
    // One version into one environment: the heading says which, so the list needs no root.
    let single =
        root.code == "entering" && !root.because.is_empty() && root.because.iter().all(|v| v.code != "entering");
    match single {
        true => {
            let list: String = root.because.iter().map(verdict::markdown).collect();
            format!("#### {title}: {}\n\n{list}\n", prose(&root.text))
        }
        false => format!("#### {title}\n\n{}\n", verdict::markdown(root)),
    }
}

fn footer(input: &CommentInput<'_>) -> String {
    let commands = match input.verdict {
        Some(_) if input.picture.is_some() => "`/trunkline cancel`, `/trunkline hold <env>`, `/trunkline help`",
        Some(_) => "`/trunkline status`, `/trunkline hold <env>`, `/trunkline help`",
        None => "`/trunkline plan`, `/trunkline help`",
    };
    let commit = link(&code(&input.head.short()), &format!("{}/commit/{}", input.repo_url, input.head));
    format!(
        "<sub>Checked at {commit}; a later commit with the same result changes nothing here. You can say {commands}.</sub>\n"
    )
}
