//! The diffs: folded, one an object, by environment.

use super::limits::{DIFF_BYTES, Section, whole_lines};
use super::markdown::{block, code, html};
use super::sections::Place;
use super::words::{count, listed};
use crate::model::finding::{Change, ChangeKind, EnvironmentEvaluation, Evaluation};

/// The diffs of every environment that something changes in.
pub(super) fn diffs(evaluation: &Evaluation, place: &Place<'_>) -> Vec<Section> {
    let changed = evaluation.environments.iter().filter(|env| !env.changes.is_empty());
    let mut room = place.room;
    changed.map(|env| environment(env, place, &mut room)).collect()
}

fn environment(env: &EnvironmentEvaluation, place: &Place<'_>, room: &mut usize) -> Section {
    let (only_follow, told): (Vec<&Change>, Vec<&Change>) = env.changes.iter().partition(|change| follows_only(change));
    let name = html(&env.label());
    let section = Section {
        rank: 5,
        open: format!(
            "<details><summary><code>{name}</code>: {}</summary>\n\n",
            count(env.changes.len(), "changed object")
        ),
        close: "</details>\n\n".to_owned(),
        noun: "object",
        ..Section::default()
    };
    let mut section = section.fill(&told, room, |change| diff(change, place));
    if !only_follow.is_empty() && section.unmade == 0 {
        section.items.push(followers(&only_follow));
    }
    section
}

/// Whether nothing happens to an object but that something it names has a new generated name.
fn follows_only(change: &Change) -> bool {
    change.kind == ChangeKind::Changed && !change.follows.is_empty() && change.diff.is_empty() && change.lines == (0, 0)
}

/// Objects that only follow new names: one line for all, since there is nothing to read in them.
fn followers(changes: &[&Change]) -> String {
    /// More names are no news.
    const MOST: usize = 10;
    let mut objects: Vec<String> = changes.iter().take(MOST).map(|change| code(&change.object.to_string())).collect();
    objects.extend(changes.iter().skip(MOST).map(|_| String::new()));
    let mut names: Vec<&String> = changes.iter().flat_map(|change| &change.follows).collect();
    names.sort();
    names.dedup();
    let has = if names.len() == 1 { "has" } else { "have" };
    let names: Vec<String> = names.into_iter().map(|name| code(name)).collect();
    format!(
        "These change only because {} {} a new name; their pods start anew: {}.\n\n",
        listed(&names, 3),
        has,
        listed(&objects, MOST)
    )
}

fn diff(change: &Change, place: &Place<'_>) -> String {
    let renamed = change.was.as_ref().filter(|was| **was != change.object).map(|was| {
        let was = if was.namespace == change.object.namespace {
            was.name.clone()
        } else {
            format!("{}/{}", was.namespace, was.name)
        };
        format!(", was <code>{}</code>", html(&was))
    });
    let what = match change.kind {
        ChangeKind::Added => "added",
        ChangeKind::Changed => "changed",
        ChangeKind::Removed => "removed",
        ChangeKind::Renamed => "renamed",
    };
    let lines = match change.lines {
        (0, 0) => String::new(),
        (plus, minus) => format!(" (+{plus} −{minus})"),
    };
    let object = html(&change.object.to_string());
    let summary = format!("<code>{object}</code> {what}{lines}{}", renamed.unwrap_or_default());
    // Removed objects are not at head, so there is nothing to link to.
    let from = match (&change.location, change.kind) {
        (Some(location), ChangeKind::Added | ChangeKind::Changed | ChangeKind::Renamed) => {
            format!("from {}\n\n", place.link(location))
        }
        _ => String::new(),
    };
    format!("<details><summary>{summary}</summary>\n\n{from}{}\n</details>\n\n", body(change))
}

/// What there is to read inside; it always says when that is not all.
fn body(change: &Change) -> String {
    if change.kind == ChangeKind::Renamed {
        return "Nothing but the name changes; Kubernetes deletes the old object and creates this one.\n".to_owned();
    }
    if change.diff.is_empty() && change.lines != (0, 0) {
        let (plus, minus) = change.lines;
        return format!(
            "*{} not shown: this change is too large to show all of it.*\n",
            count((plus + minus) as usize, "line")
        );
    }
    let (shown, more) = whole_lines(&change.diff, DIFF_BYTES);
    let mut body = block("diff", shown);
    if more > 0 {
        body.push_str(&format!("\n*{} of this object not shown.*\n", count(more, "more line")));
    }
    if !change.follows.is_empty() {
        let names: Vec<String> = change.follows.iter().map(|name| code(name)).collect();
        body.push_str(&format!("\n*It also follows the new name of {}.*\n", listed(&names, 3)));
    }
    body
}
