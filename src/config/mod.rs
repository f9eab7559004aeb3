//! `.github/trunkline.yaml` → a validated pipeline, with every problem and its place.
//!
//! One table (`table.rs`) says which keys there are and what they hold. The walker (`shape.rs`) and the JSON Schema
//! (`schema.rs`) both read it, so that an editor and the bot cannot disagree. What no schema can say (graphs, folders,
//! time zones) stands in `rules.rs`. A file with a mistake still passes all three: people get every problem at once.

pub mod codeowners;
mod read;
mod rules;
mod schema;
mod shape;
mod table;

#[cfg(test)]
mod tests;

use crate::manifest::node::Node;
use crate::model::finding::{Location, Problem};
use crate::model::path::RepoPath;
use crate::model::pipeline::Pipeline;

pub use read::duration;
pub use schema::schema;

/// Where the configuration lives, in the default branch of the repository that holds the environments.
pub const FILE: &str = ".github/trunkline.yaml";

/// 1,000 applications of eight lines each leave room for a hundred environments of twenty.
const MAX_BYTES: usize = 512 * 1024;

/// Nobody reads more at once, and one comment must hold them.
const MAX_PROBLEMS: usize = 100;

/// What came of reading the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The pipeline; only when there is no problem.
    pub pipeline: Option<Pipeline>,
    /// Everything that is wrong, in the order of the file.
    pub problems: Vec<Problem>,
}

/// Reads the configuration's text. Never fails: what is wrong is a list of problems, each at its line.
pub fn parse(path: &RepoPath, text: &str) -> Parsed {
    let top = Location { path: path.clone(), line: 1, column: 1 };
    if text.len() > MAX_BYTES {
        let message = format!("this file has {} bytes; at most {MAX_BYTES} are read", text.len());
        return refused(problem(top, message, "split the pipeline: one file describes one repository's environments"));
    }
    let loaded = crate::manifest::load::load(path, text.as_bytes());
    let mut problems = loaded.problems;
    let mut documents = loaded.documents.iter().map(|document| &document.node).filter(|node| !node.is_null());
    let pipeline = match (documents.next(), documents.next()) {
        (Some(root), None) => Some(validate(root, text, &mut problems)),
        (Some(_), Some(second)) => {
            let message = "this file holds more than one YAML document";
            problems.push(problem(second.span.location(), message, "keep one document: nothing after a line `---`"));
            None
        }
        (None, _) if problems.is_empty() => {
            problems.push(problem(top, "this file is empty", "start with `version: 1` and `environments:`"));
            None
        }
        (None, _) => None,
    };
    finish(pipeline, problems)
}

fn validate(root: &Node, text: &str, problems: &mut Vec<Problem>) -> Pipeline {
    shape::check(root, text, problems);
    let pipeline = read::pipeline(root);
    rules::check(root, &pipeline, problems);
    pipeline
}

fn finish(pipeline: Option<Pipeline>, mut problems: Vec<Problem>) -> Parsed {
    problems.sort();
    problems.dedup();
    let pipeline = pipeline.filter(|_| problems.is_empty());
    if problems.len() > MAX_PROBLEMS {
        let more = problems.len() - MAX_PROBLEMS;
        problems.truncate(MAX_PROBLEMS);
        problems.push(Problem { location: None, message: format!("and {more} more problems"), help: None });
    }
    Parsed { pipeline, problems }
}

fn refused(problem: Problem) -> Parsed {
    Parsed { pipeline: None, problems: vec![problem] }
}

fn problem(location: Location, message: impl Into<String>, help: impl Into<String>) -> Problem {
    let help = sentence(&help.into());
    Problem { location: Some(location), message: message.into(), help: (!help.is_empty()).then_some(help) }
}

/// A help as a sentence: it stands by itself wherever it is shown, while a message follows its place.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.is_empty() || text.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

/// Whether an application or an environment may have this name.
pub fn is_name(text: &str) -> bool {
    shape::matches(&table::NAME, text)
}

/// Whether this may stand under `images`.
pub fn is_image(text: &str) -> bool {
    shape::matches(&table::IMAGE, text)
}

/// Whether this may stand under `charts`.
pub fn is_chart(text: &str) -> bool {
    shape::matches(&table::CHART, text)
}

/// Whether this may be an environment's `path`.
pub fn is_folder(text: &str) -> bool {
    shape::matches(&table::FOLDER, text)
}

/// The candidate that `word` was probably meant to be: near enough that a typing slip explains the difference.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.chars().take(64).collect::<String>().to_lowercase();
    let near = |candidate: &str| strsim::damerau_levenshtein(&word, &candidate.to_lowercase());
    candidates
        .into_iter()
        .map(|candidate| (near(candidate), candidate))
        .filter(|(distance, candidate)| {
            let length = candidate.chars().count();
            *distance <= (length / 3).max(1) && *distance < length
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
