//! `trunkline check --fix`: suggestions, taken over into the working tree.

use std::collections::BTreeMap;
use std::fs;

use super::place::Place;
use super::{Failure, note};
use crate::model::finding::{Delta, Evaluation, Finding};
use crate::model::path::RepoPath;
use crate::model::suggestion::Suggestion;

/// Takes over what mends the findings, file by file, and says what was changed. Nothing is written where a file is no longer what was
/// looked at; of suggestions for the same lines the first is taken.
///
/// # Errors
/// When a file has changed meanwhile, or cannot be written.
pub(super) fn take_over(place: &Place, evaluation: &Evaluation) -> Result<(), Failure> {
    let (chosen, left) = chosen(evaluation);
    let mut texts = Vec::new();
    for (path, suggestions) in &chosen {
        texts.push((*path, mended(place, path, suggestions)?));
    }
    for (path, text) in texts {
        let failed =
            |error| Failure::new(format!("`{path}` cannot be written: {error}"), "check that this user may write it");
        fs::write(place.file(path), text).map_err(failed)?;
        for (rule, suggestion) in &chosen[path] {
            note(&format!("fixed {path}:{} ({rule})", suggestion.first));
        }
    }
    if left > 0 {
        note(&format!("{left} more for lines that were just fixed; run it again"));
    }
    Ok(())
}

type Chosen<'a> = BTreeMap<&'a RepoPath, Vec<(&'a str, &'a Suggestion)>>;

/// The suggestions to take over, those of each file in the order of its lines, and how many others meet them.
fn chosen(evaluation: &Evaluation) -> (Chosen<'_>, usize) {
    let is_open = |finding: &&Finding| finding.delta == Delta::New && finding.accepted.is_none();
    let open = evaluation.all_findings().map(|(_, finding)| finding).filter(is_open);
    let mut all: Vec<(&str, &Suggestion)> =
        open.filter_map(|finding| Some((finding.rule.as_str(), finding.suggestion.as_ref()?))).collect();
    // Environments share files, and tell the same of them.
    all.sort_by_key(|(rule, one)| (&one.path, one.first, one.last, *rule, &one.after));
    all.dedup();
    let (mut chosen, mut left): (Chosen<'_>, usize) = (BTreeMap::new(), 0);
    for (rule, suggestion) in all {
        let file = chosen.entry(&suggestion.path).or_default();
        if file.last().is_some_and(|(_, before)| suggestion.first <= before.last) {
            left += 1;
        } else {
            file.push((rule, suggestion));
        }
    }
    (chosen, left)
}

/// A file with its suggestions taken over; everything else stays as it is.
fn mended(place: &Place, path: &RepoPath, suggestions: &[(&str, &Suggestion)]) -> Result<String, Failure> {
    let file = place.file(path);
    let moved =
        || Failure::new(format!("`{path}` has changed while it was looked at"), "nothing was written; run it again");
    let is_plain = fs::symlink_metadata(&file).is_ok_and(|about| about.is_file());
    if !is_plain {
        let help = "fix it in the file itself; nothing was written";
        return Err(Failure::new(format!("`{path}` is a link or stands behind one"), help));
    }
    let text = fs::read_to_string(&file).map_err(|_| moved())?;
    let mut lines: Vec<&str> = text.split('\n').collect();
    for (_, suggestion) in suggestions.iter().rev() {
        let (first, last) = (suggestion.first as usize - 1, suggestion.last as usize);
        if lines.get(first..last).is_none_or(|there| there.join("\n") != suggestion.before) {
            return Err(moved());
        }
        lines.splice(first..last, suggestion.after.split('\n'));
    }
    Ok(lines.join("\n"))
}
