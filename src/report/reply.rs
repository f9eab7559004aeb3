//! Answers to commands.

use jiff::Timestamp;

use super::cost::costs;
use super::limits::{COMMENT_BYTES, Section, fit};
use super::markdown::{cell_code, code, line, link, prose};
use super::marker::{Marker, mark};
use super::promotion::{version_cell, written};
use super::sections::objects;
use super::short::{images, short};
use super::verdict;
use super::words::{count, listed, time};
use crate::command::{HelpRow, Outcome, Parsed, You};
use crate::model::finding::{Evaluation, ImageChange, Location};
use crate::model::id::Oid;
use crate::model::pipeline::{Merge, Via};
use crate::model::verdict::{Answer, Verdict};

/// Rows of an answer about many applications; the eye takes in no more.
const MAX_ROWS: usize = 50;

/// One (app, environment) in an answer to `status`.
#[derive(Debug, Clone)]
pub struct StatusRow<'a> {
    /// The environment.
    pub environment: &'a str,
    /// The application.
    pub app: &'a str,
    /// What runs there, as its folder says; `None` when nothing does.
    pub version: Option<&'a str>,
    /// Its commit in the source repository.
    pub commit: Option<Oid>,
    /// The source repository's address.
    pub source_url: &'a str,
    /// Since when.
    pub since: Option<Timestamp>,
    /// The open promotion: its version and its pull request's number.
    pub open: Option<(&'a str, u64)>,
    /// What stands before the next version.
    pub verdict: Option<&'a Verdict>,
}

/// The reply's text with its marker: one answer for each line of the comment that asked something.
pub fn reply(comment: u64, answers: &[String]) -> String {
    let sections: Vec<Section> =
        answers.iter().map(|answer| Section::whole(1, format!("{}\n\n", answer.trim_end()))).collect();
    mark(&Marker::Reply(comment), &fit(&sections, COMMENT_BYTES - 100, "ask for one environment at a time"))
}

/// What runs where, and what waits for what.
pub fn status(rows: &[StatusRow<'_>], repo_url: &str) -> String {
    if rows.is_empty() {
        return "There is no such environment here.\n".to_owned();
    }
    let one_app = rows.iter().all(|row| row.app == rows[0].app);
    let app_head = if one_app { ["", ""] } else { [" App |", ":--|"] };
    let lines = rows.iter().map(|row| {
        let app = if one_app { String::new() } else { format!(" {} |", cell_code(row.app)) };
        let version =
            row.version.map_or("nothing yet".to_owned(), |version| version_cell(version, row.commit, row.source_url));
        let since = row.since.map_or("unknown".to_owned(), time);
        format!("| {} |{app} {version} | {since} | {} |\n", cell_code(row.environment), waiting_for(row, repo_url))
    });
    let table = Section {
        rank: 0,
        open: format!("| Environment |{} Version | Since | Next |\n|:--|{}:--|:--|:--|\n", app_head[0], app_head[1]),
        items: lines.collect(),
        close: "\n".to_owned(),
        noun: "environment",
        ..Section::default()
    };
    let reasons =
        rows.iter().filter_map(|row| Some((row, row.verdict?))).filter(|(_, root)| root.answer != Answer::Yes);
    let reasons = reasons.map(|(row, root)| {
        let app = if one_app { String::new() } else { format!(" {}", code(row.app)) };
        Section {
            noun: "explanation",
            ..Section::whole(1, format!("**{}**{app}\n\n{}\n", code(row.environment), verdict::markdown(root)))
        }
    });
    let sections: Vec<Section> = std::iter::once(table).chain(reasons).collect();
    fit(&sections, COMMENT_BYTES / 2, "ask for one environment: `/trunkline status <env>`")
}

fn waiting_for(row: &StatusRow<'_>, repo_url: &str) -> String {
    let open = row.open.map(|(version, number)| {
        format!(
            "{} in {}",
            cell_code(version),
            link(&format!("pull request {number}"), &format!("{repo_url}/pull/{number}"))
        )
    });
    let reason = row.verdict.filter(|root| root.answer != Answer::Yes).map(|root| {
        let codes: Vec<String> = verdict::blockers(root).iter().take(4).map(|reason| cell_code(&reason.code)).collect();
        format!("{} {}", verdict::mark(root.answer), codes.join(", "))
    });
    match (open, reason) {
        (None, None) if row.verdict.is_some_and(|root| root.code == "left-to-flux") => "left to Flux".to_owned(),
        (None, None) => "up to date".to_owned(),
        (open, reason) => [open, reason].into_iter().flatten().collect::<Vec<_>>().join(": "),
    }
}

/// How many applications stand: these rows, worst and newest first, and numbers for the rest; `all` counts applications and their
/// places in environments.
pub fn status_of_many(rows: &[StatusRow<'_>], all: (usize, usize), repo_url: &str) -> String {
    let number = |answer| rows.iter().filter(|row| row.verdict.is_some_and(|root| root.answer == answer)).count();
    let (blocked, waiting) = (number(Answer::No), number(Answer::Wait));
    let ready = rows.len() - blocked - waiting;
    let parts =
        [(blocked, "blocked"), (waiting, "waiting"), (ready, "about to enter"), (all.1 - rows.len(), "up to date")];
    let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    let head = format!("{} in {}: {}.\n\n", count(all.0, "application"), count(all.1, "place"), parts.join(", "));
    let lines = rows.iter().map(|row| {
        let version =
            row.version.map_or("nothing yet".to_owned(), |version| version_cell(version, row.commit, row.source_url));
        format!(
            "| {} | {} | {version} | {} |\n",
            cell_code(row.app),
            cell_code(row.environment),
            waiting_for(row, repo_url)
        )
    });
    let table = Section {
        rank: 1,
        open: "| App | Environment | Version | Next |\n|:--|:--|:--|:--|\n".to_owned(),
        items: lines.take(MAX_ROWS).collect(),
        unmade: rows.len().saturating_sub(MAX_ROWS),
        close: "\n".to_owned(),
        noun: "place",
    };
    let why = Section::whole(0, "For the reasons of one: `/trunkline status --app <name>`.\n");
    let sections =
        if rows.is_empty() { vec![Section::whole(0, head)] } else { vec![Section::whole(0, head), table, why] };
    fit(&sections, COMMENT_BYTES / 2, "ask for one environment: `/trunkline status <env>`")
}

/// What would happen in one environment.
#[derive(Debug, Clone)]
pub struct Step<'a> {
    /// The application.
    pub app: &'a str,
    /// The environment.
    pub environment: &'a str,
    /// The gates.
    pub verdict: &'a Verdict,
    /// What would be written, where a version wants in.
    pub writes: Option<Writes>,
}

/// What a promotion writes, and how.
#[derive(Debug, Clone)]
pub struct Writes {
    /// The images that change.
    pub images: Vec<ImageChange>,
    /// Where they stand.
    pub fields: Vec<Location>,
    /// Straight to the branch, or by a pull request.
    pub via: Via,
    /// Who merges that.
    pub merge: Merge,
    /// Its number and address, once it is open.
    pub open: Option<(u64, String)>,
}

/// What would happen next; nothing was done.
pub fn plan(steps: &[Step<'_>], several: bool) -> String {
    if steps.is_empty() {
        return "Nothing would happen: every environment holds what it should.\n".to_owned();
    }
    let step = |step: &Step<'_>| {
        let app = if several { format!(" {}", code(step.app)) } else { String::new() };
        let writes = step.writes.as_ref().map(writes).unwrap_or_default();
        let text = format!("**{}**{app}\n\n{}\n{writes}", code(step.environment), verdict::markdown(step.verdict));
        Section { noun: "environment", ..Section::whole(1, text) }
    };
    let head = Section::whole(0, "This is what would happen now. Nothing was done.\n\n");
    let sections: Vec<Section> = std::iter::once(head).chain(steps.iter().map(step)).collect();
    fit(&sections, COMMENT_BYTES / 2, "ask for one environment: `/trunkline plan <env>`")
}

fn writes(writes: &Writes) -> String {
    let merges = match writes.merge {
        Merge::Auto => "Trunkline merges",
        Merge::Manual => "a person merges",
    };
    let once = "once every gate is open";
    let how = match (&writes.open, writes.via) {
        (Some((number, url)), _) => {
            format!("It is in {}, which {merges} {once}.", link(&format!("pull request {number}"), url))
        }
        (None, Via::PullRequest) => format!("It would come as a pull request that {merges} {once}."),
        (None, Via::Commit) => format!("It would be committed straight to the branch {once}."),
    };
    let what = images(&writes.images).replace("\\|", "|");
    if what.is_empty() { format!("{how}\n\n") } else { format!("{how}\n\n{what}\n\n{}", written(&writes.fields)) }
}

/// Why a version that was asked about would not enter at all.
pub fn would_not(environment: &str, why: &Verdict) -> String {
    format!("It would not enter {}:\n\n{}", code(environment), verdict::markdown(why))
}

/// How to make it so.
pub fn to_ask_for(environment: &str, version: &str) -> String {
    format!("To ask for it: {}\n", code(&format!("/promote {environment} {version}")))
}

/// What a new reading of everything was asked to read.
pub fn resync(apps: usize) -> String {
    format!(
        "Reading anew: open pull requests and their checks, and tags and trunk of {}. What follows shows in the pull requests.\n",
        count(apps, "application")
    )
}

/// What the pull request that is asked about does itself: a line for each environment; nothing when it touches none.
pub fn this_change(evaluation: &Evaluation) -> String {
    let rows = evaluation.environments.iter().map(|env| {
        let objects = if env.rendered { objects(env) } else { "does not build".to_owned() };
        format!("| {} | {objects} | {} |\n", cell_code(&env.label()), short(env))
    });
    let section = Section {
        rank: 1,
        open: "| This pull request | Objects | In short |\n|:--|:--|:--|\n".to_owned(),
        items: rows.collect(),
        noun: "environment",
        ..Section::default()
    };
    if section.items.is_empty() {
        return String::new();
    }
    // Text right below a table would be a row of it.
    let costs = costs(evaluation).map(|costs| Section { open: "\n".to_owned(), ..costs });
    let sections: Vec<Section> = [section].into_iter().chain(costs).collect();
    fit(&sections, COMMENT_BYTES / 4, "its comment has them all")
}

/// The commands, with who may run them.
pub fn help(rows: &[HelpRow]) -> String {
    let mut out = "| Command | What it does | Who may | You |\n|:--|:--|:--|:--|\n".to_owned();
    for row in rows {
        let you = match &row.you {
            You::Yes => "yes".to_owned(),
            You::No => "no".to_owned(),
            You::In(names) => listed(&names.iter().map(|name| cell_code(name)).collect::<Vec<_>>(), 10),
            You::Depends => "if you are in its teams".to_owned(),
        };
        let usage = cell_code(&format!("/trunkline {}", row.info.usage));
        out.push_str(&format!("| {usage} | {} | {} | {you} |\n", row.info.about, row.info.right));
    }
    let bare: Vec<String> =
        rows.iter().filter(|row| row.info.bare).map(|row| code(&format!("/{}", row.info.name))).collect();
    if !bare.is_empty() {
        let works = if bare.len() == 1 { "works" } else { "work" };
        out.push_str(&format!("\n{} also {works} without `/trunkline`.\n", listed(&bare, bare.len())));
    }
    out.push_str("\nA command stands at the start of a line of a new comment, outside code and quotes. Approvals are GitHub's own reviews.\n");
    out
}

/// A refusal: the command as it was written, why not, and what to do instead.
pub fn refusal(command: &Parsed, verdict: &Verdict) -> String {
    format!("{}\n\n{}", quote(command), verdict::markdown(verdict))
}

/// One of several answers: the command as it was written, and what there is to say.
pub fn answered(command: &Parsed, answer: &str) -> String {
    format!("{}\n\n{answer}", quote(command))
}

/// What to answer to a line that could not be read; nothing for one that could.
pub fn misread(command: &Parsed) -> Option<String> {
    let answer = match &command.outcome {
        Outcome::Run(_) => return None,
        Outcome::Unknown { verb, suggestion: Some(near) } => {
            format!("There is no command {}. Did you mean {}?", code(verb), code(&format!("/trunkline {near}")))
        }
        Outcome::Unknown { verb, suggestion: None } => {
            format!("There is no command {}. {} lists those there are.", code(verb), code("/trunkline help"))
        }
        Outcome::Wrong { problem, usage, .. } => {
            let problem = prose(&super::words::sentence(&line(problem, 300)));
            format!("{problem}. It is written {}.", code(&format!("/trunkline {usage}")))
        }
        Outcome::TooMany => "A comment may hold ten commands; this one and those after it were not read.".to_owned(),
    };
    Some(format!("{}\n\n{answer}\n", quote(command)))
}

fn quote(command: &Parsed) -> String {
    format!("> {}", code(&line(&command.text, 200)))
}
