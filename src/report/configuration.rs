//! A configuration in words: what is wrong with it, or what it means and what it would change.

use std::collections::BTreeMap;

use super::limits::{COMMENT_BYTES, Section, fit};
use super::markdown::{cell_code, code, prose};
use super::sections::Place;
use super::words::{count, listed};
use crate::model::finding::{Blocks, Location};
use crate::model::id::Oid;
use crate::model::pipeline::{App, CheckOf, Environment, Merge, Mode, Pipeline, Policies, ShipsMatch, Takes, Via};

/// What is told about.
#[derive(Debug, Clone)]
pub struct ConfigurationInput<'a> {
    /// The repository's address.
    pub repo_url: &'a str,
    /// The commit whose configuration it is.
    pub head: Oid,
    /// Whose it is: `this pull request`, `the default branch`.
    pub of: &'a str,
    /// What it says.
    pub says: Says<'a>,
    /// What is in force now, when this is another one.
    pub now: Option<&'a Pipeline>,
}

/// What a configuration says.
#[derive(Debug, Clone)]
pub enum Says<'a> {
    /// There is none.
    Nothing,
    /// What is wrong with it: where, what, and what to do.
    Problems(Vec<(Option<&'a Location>, &'a str, &'a str)>),
    /// It is valid.
    Valid(&'a Pipeline),
}

/// The answer to `validate`.
pub fn configuration(input: &ConfigurationInput<'_>) -> String {
    match &input.says {
        Says::Nothing => format!(
            "There is no `.github/trunkline.yaml` in {}. **Next:** add one; `trunkline check` on your own machine helps.\n",
            input.of
        ),
        Says::Problems(problems) => {
            let place = Place { repo_url: input.repo_url, head: input.head, room: COMMENT_BYTES };
            let section = Section {
                open: format!("⛔ The configuration of {} has {}:\n\n", input.of, count(problems.len(), "problem")),
                items: problems.iter().map(|problem| item(*problem, &place)).collect(),
                noun: "problem",
                ..Section::default()
            };
            fit(&[section], COMMENT_BYTES / 2, "the check has them at their lines")
        }
        Says::Valid(pipeline) => valid(input, pipeline),
    }
}

fn item((location, message, help): (Option<&Location>, &str, &str), place: &Place<'_>) -> String {
    let at = location.map_or(String::new(), |location| format!("{} ", place.link(location)));
    let help = if help.is_empty() { String::new() } else { format!(" **Next:** {}", prose(help)) };
    format!("- {at}{}.{help}\n", prose(message.trim_end_matches('.')))
}

fn valid(input: &ConfigurationInput<'_>, pipeline: &Pipeline) -> String {
    let then = if input.now.is_some() { "Once it is merged:" } else { "It means:" };
    let mode = match pipeline.mode {
        Mode::Enforce => "",
        Mode::Observe => {
            "Trunkline only observes (`mode: observe`): checks never block, and no promotion is written.\n\n"
        }
    };
    let head = format!("✅ The configuration of {} is valid. {then}\n\n{mode}", input.of);
    let rows = pipeline.environments.iter().map(|environment| {
        let Row { takes, after, gates, enters } = row(environment);
        let gates = gates.join("; ");
        format!("| {} | {takes} | {after} | {gates} | {enters} |\n", cell_code(&environment.name))
    });
    let environments = Section {
        rank: 1,
        open: "| Environment | Takes | After | Gates | Enters by |\n|:--|:--|:--|:--|:--|\n".to_owned(),
        items: rows.collect(),
        close: "\n".to_owned(),
        noun: "environment",
        ..Section::default()
    };
    let apps = Section {
        rank: 2,
        open: "| Application | Source | Tags | Images |\n|:--|:--|:--|:--|\n".to_owned(),
        items: pipeline.apps.iter().map(application).collect(),
        close: "\n".to_owned(),
        noun: "application",
        ..Section::default()
    };
    let changes = Section {
        rank: 0,
        items: input.now.map(|now| changes(now, pipeline)).unwrap_or_default(),
        ..Section::default()
    };
    let mut sections = vec![Section::whole(0, head), environments, apps];
    if !changes.items.is_empty() {
        sections.push(Section { open: "What changes:\n\n".to_owned(), noun: "change", ..changes });
    } else if input.now.is_some() {
        sections.push(Section::whole(0, "Environments and applications stay as they are.\n"));
    }
    fit(&sections, COMMENT_BYTES / 2, "the file has them all")
}

/// What one environment's configuration comes to, as table cells.
#[derive(PartialEq, Eq)]
struct Row {
    takes: &'static str,
    after: String,
    gates: Vec<String>,
    enters: &'static str,
}

fn row(environment: &Environment) -> Row {
    let after: Vec<String> = environment.after.iter().map(|name| cell_code(name)).collect();
    Row {
        takes: match environment.takes {
            Takes::Trunk => "every commit on trunk",
            Takes::Prereleases => "pre-release tags",
            Takes::Releases => "release tags",
        },
        after: listed(&after, 5),
        gates: gates(environment),
        enters: match (environment.via, environment.merge) {
            (Via::Commit, _) => "a commit to the branch",
            (Via::PullRequest, Merge::Auto) => "a pull request that Trunkline merges",
            (Via::PullRequest, Merge::Manual) => "a pull request that a person merges",
        },
    }
}

fn gates(environment: &Environment) -> Vec<String> {
    let mut gates = Vec::new();
    if let Some(ships) = &environment.ships {
        let what = match ships.matches {
            ShipsMatch::Digest => "the very image",
            ShipsMatch::Commit => "the commit",
        };
        gates.push(format!("ships {what} tested in {}", cell_code(&ships.tested_in)));
    }
    gates.extend(environment.soak.map(|soak| format!("soak of {soak:#}")));
    if let Some(windows) = &environment.windows {
        let openings = count(windows.allow.len(), "window");
        gates.push(format!(
            "{openings}, {} ({})",
            count(windows.exclude.len(), "closure"),
            cell_code(&windows.timezone)
        ));
    }
    for check in &environment.checks {
        let of = if check.of == CheckOf::Source { "the source" } else { "the promotion" };
        gates.push(format!("check {} on {of}", cell_code(&check.name)));
    }
    if let Some(approvals) = &environment.approvals {
        let teams: Vec<String> = approvals.teams.iter().map(|team| cell_code(team)).collect();
        let from = if teams.is_empty() { "people who may write".to_owned() } else { listed(&teams, 5) };
        let four = if approvals.four_eyes { ", four eyes" } else { "" };
        gates.push(format!("{} of {from}{four}", count(approvals.min as usize, "approval")));
    }
    gates
}

fn application(app: &App) -> String {
    let source = app.source.as_ref().map_or("this repository".to_owned(), |source| cell_code(&source.to_string()));
    let images: Vec<String> = app.images.iter().map(|image| cell_code(&image.name)).collect();
    format!("| {} | {source} | {} | {} |\n", cell_code(&app.name), cell_code(&app.tags.0), listed(&images, 4))
}

/// What becomes other, one line each.
fn changes(now: &Pipeline, then: &Pipeline) -> Vec<String> {
    let mut lines = Vec::new();
    if now.mode != then.mode {
        lines.push(match then.mode {
            Mode::Enforce => "- checks can fail and promotions are written (`mode: enforce`)\n".to_owned(),
            Mode::Observe => "- nothing blocks and nothing is written any more (`mode: observe`)\n".to_owned(),
        });
    }
    let rows = |pipeline: &Pipeline| -> BTreeMap<String, Environment> {
        pipeline.environments.iter().map(|environment| (environment.name.clone(), environment.clone())).collect()
    };
    let (was, is) = (rows(now), rows(then));
    for (name, environment) in &is {
        match was.get(name) {
            None => lines.push(format!("- the environment {} is new\n", code(name))),
            Some(before) if before == environment => {}
            Some(before) => lines.push(changed(name, before, environment)),
        }
    }
    let gone = was.keys().filter(|name| !is.contains_key(*name));
    lines.extend(
        gone.map(|name| format!("- the environment {} goes: nothing is promoted into it any more\n", code(name))),
    );
    let fresh = then.apps.iter().filter(|app| now.app(&app.name).is_none());
    lines.extend(fresh.map(|app| format!("- the application {} is new\n", code(&app.name))));
    let other = then.apps.iter().filter(|app| now.app(&app.name).is_some_and(|before| before != *app));
    lines.extend(other.map(|app| format!("- the application {} is followed otherwise\n", code(&app.name))));
    let gone = now.apps.iter().filter(|app| then.app(&app.name).is_none());
    lines.extend(gone.map(|app| format!("- the application {} goes\n", code(&app.name))));
    let blocks = |pipeline: &Pipeline| (pipeline.policies.blocks, pipeline.policies.blocks_in.clone());
    if blocks(now) != blocks(then) {
        lines.push("- other findings block (`policies.blocks`)\n".to_owned());
    }
    let rules = |pipeline: &Pipeline| Policies {
        blocks: Blocks::default(),
        blocks_in: BTreeMap::new(),
        ..pipeline.policies.clone()
    };
    if rules(now) != rules(then) {
        lines.push("- other policies apply\n".to_owned());
    }
    lines
}

fn changed(name: &str, before: &Environment, after: &Environment) -> String {
    let (was, is) = (row(before), row(after));
    let none = |text: &str| if text.is_empty() { "nothing".to_owned() } else { text.replace("\\|", "|") };
    // Only the gates that are other: the table has them all.
    let other = |one: &[String], two: &[String]| {
        one.iter().filter(|gate| !two.contains(gate)).cloned().collect::<Vec<_>>().join("; ")
    };
    let (gone, new) = (other(&was.gates, &is.gates), other(&is.gates, &was.gates));
    let cells = [
        ("takes", was.takes, is.takes),
        ("after", &was.after, &is.after),
        ("gates", &gone, &new),
        ("enters by", was.enters, is.enters),
    ];
    let cells = cells.iter().filter(|(_, was, is)| was != is);
    let mut told: Vec<String> = cells.map(|(what, was, is)| format!("{what}: {} → {}", none(was), none(is))).collect();
    if before.path != after.path {
        told.push(format!("folder: {} → {}", code(&before.path), code(&after.path)));
    }
    if before.rights != after.rights {
        told.push("other people may act there".to_owned());
    }
    if told.is_empty() {
        told.push("other settings of its gates".to_owned());
    }
    format!("- {}: {}\n", code(name), told.join("; "))
}
