//! A promotion's pull request: title, body, commit message.

use std::collections::{BTreeMap, BTreeSet};

use super::limits::{COMMENT_BYTES, Section, TITLE_CHARS, fit};
use super::markdown::{cell_code, code, line, link, path_in_url, prose, text};
use super::marker::{Marker, mark};
use super::short::images;
use super::words::count;
use crate::model::finding::{ImageChange, Location};
use crate::model::id::Oid;
use crate::model::path::RepoPath;

/// What a promotion does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromotionKind {
    /// A newer version enters.
    Promote,
    /// An older version that passed before returns.
    Rollback,
}

/// Who can read the pull request, compared to the source it tells about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Nobody who may not read the source as well: titles and names may show.
    Same,
    /// More people than may read the source: numbers and links only.
    Wider,
}

/// A commit between what runs and what is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangelogEntry {
    /// The commit in the source repository.
    pub commit: Oid,
    /// The commit's first line, or the title of its pull request.
    pub title: String,
    /// Who wrote it.
    pub author: String,
    /// Its pull request in the source repository.
    pub pull: Option<u64>,
}

/// What is to be promoted.
#[derive(Debug, Clone)]
pub struct PromotionInput<'a> {
    /// Forward or back.
    pub kind: PromotionKind,
    /// The application.
    pub app: &'a str,
    /// The environment it enters.
    pub environment: &'a str,
    /// The version that enters.
    pub version: &'a str,
    /// Its commit in the source repository.
    pub commit: Oid,
    /// The version that runs now, and its commit, when known.
    pub from: Option<(&'a str, Option<Oid>)>,
    /// The source repository's address: `https://host/owner/name`.
    pub source_url: &'a str,
    /// Who can read this.
    pub audience: Audience,
    /// Why: the tag, the push or the command that started it, in one sentence.
    pub cause: &'a str,
    /// The images that change.
    pub images: &'a [ImageChange],
    /// Where they are written: a place without line is a file that gets an entry of its own.
    pub fields: &'a [Location],
    /// The commits in between, newest first; as many as were read.
    pub changelog: &'a [ChangelogEntry],
    /// How many there are in all.
    pub changelog_total: usize,
}

/// More commits than this are a link.
const MAX_CHANGELOG: usize = 100;

/// The pull request's title, within GitHub's 256 characters.
pub fn title(input: &PromotionInput<'_>) -> String {
    let PromotionInput { app, environment, version, .. } = input;
    let title = match input.kind {
        PromotionKind::Promote => format!("Promote {app} {version} to {environment}"),
        PromotionKind::Rollback => format!("Roll back {app} in {environment} to {version}"),
    };
    line(&title, TITLE_CHARS)
}

/// The pull request's body: what, from where to where, what is new. It is written once, so it holds what stays true; what it waits for
/// stands in the comment.
pub fn body(input: &PromotionInput<'_>) -> String {
    let sections = [Section::whole(0, what(input)), changelog(input), Section::whole(0, next(input))];
    mark(&Marker::Promotion, &fit(&sections, COMMENT_BYTES - 100, &compare(input).unwrap_or_default()))
}

fn what(input: &PromotionInput<'_>) -> String {
    let (app, environment) = (code(input.app), code(input.environment));
    let to = version(input, input.version, Some(input.commit));
    let from = input.from.map(|(text, commit)| version(input, text, commit));
    let sentence = match (input.kind, from) {
        (PromotionKind::Promote, Some(from)) => format!("Brings {app} in {environment} from {from} to **{to}**."),
        (PromotionKind::Promote, None) => format!("Brings {app} **{to}** into {environment}."),
        (PromotionKind::Rollback, Some(from)) => {
            format!(
                "Takes {app} in {environment} from {from} back to **{to}**, which passed here before, and holds it there."
            )
        }
        (PromotionKind::Rollback, None) => format!("Takes {app} in {environment} back to **{to}**."),
    };
    let mut out = format!("{sentence} {}\n\n", prose(input.cause));
    if !input.images.is_empty() {
        out.push_str(&format!("| Images |\n|:--|\n| {} |\n\n", images(input.images)));
    }
    out.push_str(&written(input.fields));
    out
}

/// Files that are named; a version is rarely in more than two.
const MAX_FILES: usize = 10;
/// Lines that are named of one file.
const MAX_LINES: usize = 12;

/// Which fields are written where.
pub(super) fn written(fields: &[Location]) -> String {
    let mut files: BTreeMap<&RepoPath, BTreeSet<u32>> = BTreeMap::new();
    for field in fields {
        files.entry(&field.path).or_default().insert(field.line);
    }
    let file = |(path, lines): (&&RepoPath, &BTreeSet<u32>)| {
        let name = code(&line(path.as_str(), 200));
        let shown: Vec<String> = lines.iter().filter(|line| **line > 0).map(u32::to_string).take(MAX_LINES).collect();
        let more = if lines.len() > MAX_LINES { " and more" } else { "" };
        match (lines.contains(&0), shown.as_slice()) {
            (true, _) => {
                format!("{name}, which gets an `images` entry of its own: only a base that others share sets it so far")
            }
            (false, [one]) => format!("{name} line {one}"),
            (false, all) => format!("{name} lines {}{more}", all.join(", ")),
        }
    };
    let shown: Vec<String> = files.iter().take(MAX_FILES).map(file).collect();
    let more = files.len().saturating_sub(shown.len());
    let more = if more == 0 { String::new() } else { format!("; and {more} more files") };
    if shown.is_empty() { String::new() } else { format!("Writes {}{more}.\n\n", shown.join("; ")) }
}

fn version(input: &PromotionInput<'_>, text: &str, commit: Option<Oid>) -> String {
    match commit {
        None => code(text),
        Some(commit) if text == commit.short() => {
            link(&code(&commit.short()), &format!("{}/commit/{commit}", input.source_url))
        }
        Some(commit) => {
            format!(
                "{} ({})",
                code(text),
                link(&code(&commit.short()), &format!("{}/commit/{commit}", input.source_url))
            )
        }
    }
}

fn compare(input: &PromotionInput<'_>) -> Option<String> {
    let from = input.from?.1?;
    Some(link("see the comparison", &format!("{}/compare/{from}...{}", input.source_url, input.commit)))
}

fn changelog(input: &PromotionInput<'_>) -> Section {
    if input.changelog_total == 0 {
        return Section::whole(3, "");
    }
    let commits = count(input.changelog_total, "commit");
    let compare = compare(input).map_or(String::new(), |link| format!(" ({link})"));
    if input.audience == Audience::Wider {
        let why = "Their titles stay in the source repository, which fewer people can read.";
        return Section::whole(3, format!("### What is new\n\n{commits}{compare}. {why}\n\n"));
    }
    let shown = input.changelog.iter().take(MAX_CHANGELOG).map(|entry| change(input.source_url, entry));
    let shown: Vec<String> = shown.collect();
    let more = input.changelog_total.saturating_sub(shown.len());
    let more = if more == 0 { String::new() } else { format!("- and {more} more\n") };
    Section {
        rank: 3,
        open: format!("### What is new\n\n{commits}{compare}\n\n"),
        items: shown,
        close: format!("{more}\n"),
        noun: "commit",
        ..Section::default()
    }
}

/// A commit in a list.
pub(super) fn change(source_url: &str, entry: &ChangelogEntry) -> String {
    let title = text(&line(&entry.title, 200));
    let author = match entry.author.is_empty() {
        true => String::new(),
        false => format!(" by {}", code(&line(&entry.author, 100))),
    };
    let commit = link(&code(&entry.commit.short()), &format!("{source_url}/commit/{}", entry.commit));
    let pull = entry.pull.map_or(String::new(), |number| {
        format!(" ({})", link(&format!("pull request {number}"), &format!("{source_url}/pull/{number}")))
    });
    format!("- {commit} {title}{author}{pull}\n")
}

fn next(input: &PromotionInput<'_>) -> String {
    let environment = line(input.environment, 40);
    format!(
        "---\nWhat it waits for stands in the comment below, which is kept up to date. Closing this pull request rejects {} for {} \
         until a newer version comes; {} stops everything here.\n",
        code(input.version),
        code(&environment),
        code(&format!("/trunkline hold {environment}")),
    )
}

/// The promotion's commit message: a subject, a reason, and trailers that a sweep can read again.
pub fn commit_message(input: &PromotionInput<'_>) -> String {
    // Git tools show 72 characters of a subject; validated names keep it near that.
    let subject = line(&title(input), 120);
    let value = |text: &str| line(text, 200);
    format!(
        "{subject}\n\n{}\n\nTrunkline-App: {}\nTrunkline-Environment: {}\nTrunkline-Version: {}\nTrunkline-Source-Commit: {}\n",
        value(input.cause),
        value(input.app),
        value(input.environment),
        value(input.version),
        input.commit,
    )
}

/// The value of a trailer in a commit message's last paragraph.
pub fn trailer<'m>(message: &'m str, name: &str) -> Option<&'m str> {
    let last = message.trim_end().rsplit("\n\n").next()?;
    last.lines().rev().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// A version and its commit for a table cell.
pub(super) fn version_cell(version: &str, commit: Option<Oid>, source_url: &str) -> String {
    let Some(commit) = commit else { return cell_code(version) };
    let url = format!("{source_url}/commit/{}", path_in_url(&commit.to_string()));
    let linked = link(&cell_code(&commit.short()), &url);
    // A version on trunk is its commit; saying it twice helps nobody.
    if version == commit.short() { linked } else { format!("{} {linked}", cell_code(version)) }
}
