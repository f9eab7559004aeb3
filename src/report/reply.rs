//! Answers to commands.

use jiff::Timestamp;

use super::limits::{COMMENT_BYTES, Section, fit};
use super::markdown::{cell_code, code, line, link, prose};
use super::marker::{Marker, mark};
use super::promotion::version_cell;
use super::sections::objects;
use super::short::short;
use super::verdict;
use super::words::{listed, time};
use crate::command::{HelpRow, Outcome, Parsed, You};
use crate::model::finding::Evaluation;
use crate::model::id::Oid;
use crate::model::verdict::{Answer, Verdict};

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
        format!("| {} |{app} {version} | {since} | {} |\n", cell_code(row.environment), waiting(row, repo_url))
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

fn waiting(row: &StatusRow<'_>, repo_url: &str) -> String {
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

/// What would happen next; nothing was done.
pub fn plan(steps: &[(&str, &Verdict)]) -> String {
    if steps.is_empty() {
        return "Nothing would happen: every environment holds what it should.\n".to_owned();
    }
    let sections: Vec<Section> =
        std::iter::once(Section::whole(0, "This is what would happen now. Nothing was done.\n\n"))
            .chain(steps.iter().map(|(environment, root)| Section {
                noun: "environment",
                ..Section::whole(1, format!("**{}**\n\n{}\n", code(environment), verdict::markdown(root)))
            }))
            .collect();
    fit(&sections, COMMENT_BYTES / 2, "ask for one environment: `/trunkline plan <env>`")
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
        String::new()
    } else {
        fit(&[section], COMMENT_BYTES / 4, "its comment has them all")
    }
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
