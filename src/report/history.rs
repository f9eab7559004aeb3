//! What happened to an application in its environments: decisions and versions, newest first.

use jiff::Timestamp;

use super::limits::{COMMENT_BYTES, Section, fit};
use super::markdown::{code, link, link_within, text};
use super::promotion::version_cell;
use super::words::time;
use crate::model::id::Oid;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: What<'a>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What<'a> {
    /// Somebody decided something: who and what, and where they said it.
    Decided(&'a str, Option<&'a str>),
    /// A version came: its name, its commit when known, and the commit of this repository that brought it.
    Came(&'a str, Option<Oid>, Oid),
}

/// Events of one environment.
#[derive(Debug, Clone)]
pub struct HistoryInput<'a> {
    /// The environment.
    pub environment: &'a str,
    /// What happened, newest first.
    pub events: Vec<Event<'a>>,
}

/// The answer to `history`.
pub fn history(app: &str, environments: &[HistoryInput<'_>], repo_url: &str, source_url: &str) -> String {
    let sections: Vec<Section> = environments
        .iter()
        .map(|input| Section {
            rank: 1,
            open: format!("**{} in {}**\n\n| When | What |\n|:--|:--|\n", code(app), code(input.environment)),
            items: input.events.iter().map(|event| row(event, repo_url, source_url)).collect(),
            close: "\n".to_owned(),
            noun: "event",
            ..Section::default()
        })
        .collect();
    if environments.iter().all(|input| input.events.is_empty()) {
        return format!("Nothing has happened to {} yet.\n", code(app));
    }
    let mut text = fit(&sections, COMMENT_BYTES / 2, "ask for one environment: `/trunkline history <env>`");
    text.push_str("<sub>Decisions stand in full in `git log` of the branch `trunkline-ledger`, versions in that of the folders.</sub>\n");
    text
}

fn row(event: &Event<'_>, repo_url: &str, source_url: &str) -> String {
    let what = match event.what {
        What::Came(version, commit, by) => {
            let by = link(&code(&by.short()), &format!("{repo_url}/commit/{by}"));
            format!("{} came with {by}", version_cell(version, commit, source_url))
        }
        What::Decided(what, said) => {
            let said = said.map_or(String::new(), |url| format!(" ({})", link_within("said here", url, repo_url)));
            format!("{}{said}", text(what))
        }
    };
    format!("| {} | {what} |\n", time(event.at))
}
