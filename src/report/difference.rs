//! How two environments differ: versions, the commits in between, rendered objects.

use jiff::Timestamp;

use super::diffs::diffs;
use super::limits::{COMMENT_BYTES, Section, fit};
use super::markdown::{cell_code, code, link, prose};
use super::promotion::{Audience, ChangelogEntry, change, version_cell};
use super::sections::{Place, objects};
use super::short::short;
use super::words::{count, time};
use crate::model::finding::Evaluation;
use crate::model::id::Oid;

/// One of the two environments.
#[derive(Debug, Clone)]
pub struct Side<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it holds, with its commit when known, and since when.
    pub holds: Option<(&'a str, Option<Oid>, Timestamp)>,
    /// The commits it holds and the other one does not, newest first, and how many there are in all; `None` when nobody knows.
    pub alone: Option<(Vec<ChangelogEntry>, usize)>,
}

/// What is compared.
#[derive(Debug, Clone)]
pub struct DifferenceInput<'a> {
    /// The application.
    pub app: &'a str,
    /// The environments: from, to.
    pub sides: [Side<'a>; 2],
    /// The source repository's address.
    pub source_url: &'a str,
    /// Who can read this.
    pub audience: Audience,
    /// What would change if the first became the second; `None` when it could not be compared.
    pub evaluation: Option<&'a Evaluation>,
    /// The repository's address, and the commit that was compared.
    pub repo_url: &'a str,
    /// The commit that was compared.
    pub at: Oid,
}

/// More commits than this are a link.
const MAX_COMMITS: usize = 20;

/// The answer to `diff`.
pub fn difference(input: &DifferenceInput<'_>) -> String {
    let [from, to] = &input.sides;
    let mut sections = vec![Section::whole(0, versions(input))];
    sections.extend([(from, to), (to, from)].into_iter().map(|(has, lacks)| commits(input, has, lacks)));
    let place = Place { repo_url: input.repo_url, head: input.at, room: COMMENT_BYTES };
    match input.evaluation {
        None => {
            sections.push(Section::whole(1, "The two cannot be compared now. **Next:** comment again in a while.\n"))
        }
        Some(evaluation) => {
            sections.push(Section::whole(1, rendered(input, evaluation)));
            let failed = evaluation.all_findings().map(|(_, finding)| {
                let at =
                    finding.location.as_ref().map_or(String::new(), |location| format!("{} ", place.link(location)));
                let fix =
                    if finding.fix.is_empty() { String::new() } else { format!(" **Next:** {}", prose(&finding.fix)) };
                format!("- {at}{}.{fix}\n", prose(finding.message.trim_end_matches('.')))
            });
            let failed = Section { rank: 2, items: failed.collect(), noun: "problem", ..Section::default() };
            if !failed.items.is_empty() {
                sections.push(failed);
            }
            sections.extend(diffs(evaluation, &place));
        }
    }
    fit(&sections, COMMENT_BYTES / 2, "compare the folders with `trunkline render` on your own machine")
}

fn versions(input: &DifferenceInput<'_>) -> String {
    let [from, to] = &input.sides;
    let row = |side: &Side<'_>| match side.holds {
        None => format!("| {} | nothing yet | |\n", cell_code(side.name)),
        Some((version, commit, since)) => {
            format!(
                "| {} | {} | {} |\n",
                cell_code(side.name),
                version_cell(version, commit, input.source_url),
                time(since)
            )
        }
    };
    format!(
        "**{}: from {} to {}**\n\n| Environment | Version | Since |\n|:--|:--|:--|\n{}{}\n",
        code(input.app),
        code(from.name),
        code(to.name),
        row(from),
        row(to)
    )
}

fn commits(input: &DifferenceInput<'_>, has: &Side<'_>, lacks: &Side<'_>) -> Section {
    let Some((changes, total)) = &has.alone else { return Section::whole(2, "") };
    if *total == 0 {
        return Section::whole(2, "");
    }
    let commit = |side: &Side<'_>| side.holds.and_then(|(_, commit, _)| commit);
    let compare = commit(lacks).zip(commit(has)).map_or(String::new(), |(base, head)| {
        format!(" ({})", link("see the comparison", &format!("{}/compare/{base}...{head}", input.source_url)))
    });
    let open =
        format!("{} in {} that {} has not{compare}\n\n", count(*total, "commit"), code(has.name), code(lacks.name));
    if input.audience == Audience::Wider {
        return Section::whole(2, open);
    }
    let items: Vec<String> = changes.iter().take(MAX_COMMITS).map(|entry| change(input.source_url, entry)).collect();
    let more = total.saturating_sub(items.len());
    let close = if more == 0 { "\n".to_owned() } else { format!("- and {more} more\n\n") };
    Section { rank: 2, open, items, close, noun: "commit", ..Section::default() }
}

fn rendered(input: &DifferenceInput<'_>, evaluation: &Evaluation) -> String {
    let [from, to] = &input.sides;
    let Some(found) = evaluation.environments.first() else { return String::new() };
    if !found.rendered {
        return "One of the two does not build, so their objects cannot be compared:\n\n".to_owned();
    }
    if found.changes.is_empty() {
        return "They render the same objects; namespaces and affixes of names aside.\n".to_owned();
    }
    let short = short(found);
    let short = if short.is_empty() { String::new() } else { format!(": {short}").replace("\\|", "|") };
    format!(
        "{} ({}){short}\n\nWhat is removed and lines with `-` are {}'s, what is added and lines with `+` are {}'s; namespaces and affixes \
         of names aside.\n\n",
        if found.changes.len() == 1 {
            "1 object differs".to_owned()
        } else {
            format!("{} objects differ", found.changes.len())
        },
        objects(found),
        code(from.name),
        code(to.name)
    )
}
