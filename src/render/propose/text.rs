//! The proposed file, with its guesses and questions as comments where they belong.

use std::collections::BTreeSet;

use super::apps::Guess;
use super::layout::Place;
use crate::model::path::RepoPath;
use crate::model::pipeline::Takes;

/// Lines of things that were not taken up; the pull request is read by a person.
const MAX_LISTED: usize = 20;

/// What goes into the file.
pub(super) struct Draft<'a> {
    pub(super) apps: &'a [Guess],
    pub(super) places: &'a [Place],
    /// Images that are somebody else's.
    pub(super) foreign: &'a BTreeSet<String>,
    /// Folders that were not taken up, and why.
    pub(super) left: &'a [(RepoPath, &'static str)],
    pub(super) sources_known: bool,
}

const HEAD: &str = "\
# How versions travel through the environments of this repository: proposed by Trunkline from what stands in its folders.
# Lines marked “guessed” are worth a look; everything is yours to change. Nothing is written while `mode` is `observe`.
version: 1
mode: observe                      # says what it would do, and writes no promotion; later: enforce
";

pub(super) fn write(draft: &Draft<'_>) -> String {
    let mut out = HEAD.to_owned();
    out.push_str("apps:\n");
    draft.apps.iter().for_each(|app| write_app(app, draft, &mut out));
    let foreign: Vec<String> = draft.foreign.iter().map(|image| comment(image)).collect();
    list(
        &mut out,
        "  # Somebody else's images, by their names. Is one of them built by you? Then list it above:",
        &foreign,
    );
    out.push_str("environments:\n");
    draft.places.iter().for_each(|place| write_place(place, &mut out));
    let left: Vec<String> = draft.left.iter().map(|(path, why)| format!("{}: {why}", comment(path.as_str()))).collect();
    list(
        &mut out,
        "# Folders that were not taken up. Is one of them an environment? Then give it a name and `takes` above:",
        &left,
    );
    out
}

fn list(out: &mut String, head: &str, items: &[String]) {
    if items.is_empty() {
        return;
    }
    let indent: String = head.chars().take_while(|c| *c == ' ').collect();
    out.push_str(head);
    out.push('\n');
    items.iter().take(MAX_LISTED).for_each(|item| out.push_str(&format!("{indent}#   {item}\n")));
    if items.len() > MAX_LISTED {
        out.push_str(&format!("{indent}#   and {} more\n", items.len() - MAX_LISTED));
    }
}

fn write_app(app: &Guess, draft: &Draft<'_>, out: &mut String) {
    out.push_str(&format!("  {}:\n", scalar(&app.name)));
    match &app.source {
        Some(source) => line(out, &format!("    source: {}", scalar(&source.to_string())), "guessed from the name: where trunk and the tags are"),
        None if draft.sources_known => out.push_str("    # source: owner/name           # where are trunk and the tags? Without this line: in this repository\n"),
        None => {}
    }
    let shared = draft.apps.iter().filter(|other| other.source == app.source).count() > 1;
    match (shared, app.bare) {
        (true, _) => line(
            out,
            &format!("    tags: {:?}", format!("{}/v*", app.name)),
            "guessed: several applications share a source, so each needs tags of its own",
        ),
        (false, true) => line(out, "    tags: \"*\"", "guessed: with and without `v`, as the images have none"),
        (false, false) => line(out, "    tags: \"v*\"", "which git tags are versions"),
    }
    if !app.images.is_empty() {
        out.push_str("    images:\n");
        for image in &app.images {
            match app.bare {
                true => out.push_str(&format!("      - {{ name: {}, tag: \"{{version}}\" }}\n", scalar(image))),
                false => out.push_str(&format!("      - {}\n", scalar(image))),
            }
        }
    }
    if !app.charts.is_empty() {
        let charts: Vec<String> = app.charts.iter().map(|chart| scalar(chart)).collect();
        line(out, &format!("    charts: [{}]", charts.join(", ")), "guessed: the chart's version is the application's");
    }
}

fn write_place(place: &Place, out: &mut String) {
    out.push_str(&format!("  {}:\n    path: {}\n", scalar(&place.name), scalar(&place.path)));
    let (takes, meaning, merge) = match place.stage.takes {
        Takes::Trunk => ("trunk", "every commit on trunk", "auto"),
        Takes::Prereleases => ("prereleases", "tags such as v1.0-rc.1", "auto"),
        Takes::Releases => ("releases", "tags such as v1.0", "manual"),
    };
    let because = match place.word.is_empty() {
        true => "guessed, as its name does not say".to_owned(),
        false => format!("guessed from `{}`", comment(&place.word)),
    };
    line(out, &format!("    takes: {takes}"), &format!("{because}: {meaning}"));
    if !place.after.is_empty() {
        let after: Vec<String> = place.after.iter().map(|name| scalar(name)).collect();
        line(out, &format!("    after: [{}]", after.join(", ")), "guessed: a version must have been there first");
    }
    let pressed =
        if merge == "auto" { "Trunkline merges once every gate is open" } else { "a person presses the button" };
    line(out, &format!("    merge: {merge}"), pressed);
    if place.stage.takes == Takes::Releases {
        out.push_str("    # soak: 24h                    # how long it must have run before\n");
        out.push_str("    # approvals: { min: 1, four-eyes: true }\n");
    }
}

/// A line with a remark behind it, in one column where there is room.
fn line(out: &mut String, text: &str, remark: &str) {
    out.push_str(&format!("{text:<34} # {remark}\n"));
}

/// A text as a YAML scalar that is a text to every reader.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    let braces = text.replace("{app}", "");
    let sure = braces.starts_with(|c: char| c.is_ascii_alphabetic())
        && braces.chars().all(plain)
        && !["y", "n", "yes", "no", "on", "off", "true", "false", "null"].contains(&text.to_ascii_lowercase().as_str());
    // A brace inside a plain scalar is text, but not as its first letter.
    if sure && !text.starts_with('{') { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

/// A text inside a comment: one line without tricks.
fn comment(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}')).take(200).collect()
}
