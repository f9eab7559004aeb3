//! Where each application's version stands in each environment: what a promotion would write, or why it would not.

use std::collections::BTreeSet;

use crate::model::finding::Problem;
use crate::model::path::RepoPath;
use crate::model::pipeline::{App, Pipeline};
use crate::model::tree::Tree;
use crate::render::versions::{Holder, Look, Shelf, VersionField, left_alone, shared_versions, tags};
use crate::report::markdown::line;

/// Lines shown; nobody reads more, and 1,000 applications in a dozen environments have more.
const MAX_LINES: usize = 60;

/// One line an application and environment; empty when no application is configured.
pub(super) fn told(tree: &Tree<'_>, pipeline: &Pipeline, folders: &[&RepoPath]) -> String {
    let mut shelf = Shelf::default();
    let (mut lines, mut more) = (Vec::new(), 0);
    for environment in &pipeline.environments {
        for app in &pipeline.apps {
            let Some(folder) = environment.folder(&app.name).filter(|folder| folders.contains(&folder)) else {
                continue;
            };
            if lines.len() >= MAX_LINES {
                more += 1;
                continue;
            }
            let look = shelf.look(tree, &folder, app);
            let problems = rehearsed(&mut shelf, tree, (&folder, app), &look);
            lines.push(format!("  {} in {}: {}\n", app.name, environment.name, one(&look, &problems)));
        }
    }
    if lines.is_empty() {
        return String::new();
    }
    let more = if more == 0 { String::new() } else { format!("  and {more} more\n") };
    format!("\nversions, and where a promotion writes them:\n{}{more}", lines.concat())
}

fn rehearsed(shelf: &mut Shelf, tree: &Tree<'_>, (folder, app): (&RepoPath, &App), look: &Look) -> Vec<Problem> {
    if look.is_whole() {
        let failing = shelf.rehearse(tree, look, app);
        let based = look.fields.iter().any(|field| field.holder == Holder::Base);
        if failing.is_empty() && based { shared_versions(tree, folder, app) } else { failing }
    } else {
        look.problems(tree, folder)
    }
}

fn one(look: &Look, problems: &[Problem]) -> String {
    let said = |problem: &Problem| {
        let place = problem.location.as_ref().map_or(String::new(), |at| format!(" ({at})"));
        let help = problem.help.as_deref().unwrap_or_default();
        format!("{}\n      {}", line(&format!("{}{place}", problem.message), 500), line(help, 500))
    };
    if let Some(left) = left_alone(&look.fields).filter(|_| look.is_whole()) {
        return said(&left);
    }
    if !problems.is_empty() {
        return problems.iter().map(said).collect::<Vec<_>>().join("\n    ");
    }
    let versions: BTreeSet<String> = tags(&look.fields).into_values().collect();
    let versions: Vec<String> = versions.into_iter().collect();
    let ours: Vec<&VersionField> = look.fields.iter().filter(|field| field.left.is_none()).collect();
    let mut places: Vec<String> = Vec::new();
    let mut file: Option<&RepoPath> = None;
    for field in ours {
        let at = if file == Some(&field.file) {
            format!(":{}", field.location.line)
        } else {
            format!("{}:{}", field.file, field.location.line)
        };
        file = Some(&field.file);
        if places.last() != Some(&at) {
            places.push(at);
        }
    }
    let version = if versions.is_empty() { "no version yet".to_owned() } else { versions.join(", ") };
    line(&format!("{version} at {}", places.join(", ")), 1_000)
}
