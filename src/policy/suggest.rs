//! What mends a finding, written out as lines to take over: only where it is certain, small, and gives nothing away.

use std::collections::HashMap;
use std::sync::Arc;

use super::scrub::Secrets;
use crate::manifest::edit::insert_value_after;
use crate::manifest::mend::{Lines, lines, rename_key, set_plain};
use crate::manifest::{EditError, Object, Span, Value, set_scalar};
use crate::model::finding::{Delta, Finding, Location};
use crate::model::path::RepoPath;
use crate::model::suggestion::{Edit, Suggestion, Write};
use crate::model::tree::Tree;

/// Edits written out for one change. Each costs two readings of its file, and nobody takes over more at once.
const MAX_EDITS: usize = 300;
/// Ten times what people write by hand; larger files are generated, and mended where they are made.
const MAX_FILE_BYTES: usize = 64 * 1024;
/// Characters of the lines, before and after together: more is no small edit.
const MAX_CHARS: usize = 1_000;

/// Writes edits out as lines, each once: overlays share their bases, and find the same in each.
#[derive(Default)]
pub struct Suggestions {
    known: HashMap<Edit, Option<Suggestion>>,
    files: HashMap<RepoPath, Option<Arc<[u8]>>>,
}

impl Suggestions {
    /// Writes out the edits of what is new among the findings of one environment, and drops the others.
    pub fn add(&mut self, tree: &Tree<'_>, objects: &[Object], findings: &mut [Finding]) {
        let is_wanted = |finding: &Finding| {
            finding.delta == Delta::New && finding.object.as_ref().is_none_or(|object| object.kind != "Secret")
        };
        let edits = findings.iter_mut().map(|finding| finding.edit.take().filter(|_| is_wanted(finding)));
        let made: Vec<Option<Suggestion>> = edits.map(|edit| self.made(tree, edit?)).collect();
        if made.iter().all(Option::is_none) {
            return;
        }
        let secrets = Secrets::of(objects);
        // A line that holds a credential is shown nowhere.
        let told: Vec<Location> = findings
            .iter()
            .filter(|finding| finding.rule.starts_with("SEC-"))
            .filter_map(|finding| finding.location.clone())
            .collect();
        let is_safe = |one: &Suggestion| {
            let holds = |at: &Location| at.path == one.path && (one.first..=one.last).contains(&at.line);
            !secrets.stand_in(&one.before) && !told.iter().any(holds)
        };
        for (finding, suggestion) in findings.iter_mut().zip(made) {
            finding.suggestion = suggestion.filter(is_safe);
        }
    }

    fn made(&mut self, tree: &Tree<'_>, edit: Edit) -> Option<Suggestion> {
        if let Some(known) = self.known.get(&edit) {
            return known.clone();
        }
        if self.known.len() >= MAX_EDITS {
            return None;
        }
        let read = || tree.read(&edit.path).ok();
        let bytes = self.files.entry(edit.path.clone()).or_insert_with(read).clone();
        let made = bytes.and_then(|bytes| written(&bytes, &edit));
        self.known.insert(edit, made.clone());
        made
    }
}

fn written(bytes: &[u8], edit: &Edit) -> Option<Suggestion> {
    // What GitHub makes of other line ends in a suggestion is not known.
    if bytes.len() > MAX_FILE_BYTES || bytes.contains(&b'\r') {
        return None;
    }
    let Lines { first, last, before, after } = lines(bytes, &edited(bytes, edit).ok()?)?;
    let is_small = before.chars().count() + after.chars().count() <= MAX_CHARS;
    is_small.then(|| Suggestion { path: edit.path.clone(), first, last, before, after })
}

/// The file with the edit made. What stands at the place must be what the finding was about: a value that was put there by a patch,
/// a generator or a variable does not stand there.
fn edited(bytes: &[u8], edit: &Edit) -> Result<Vec<u8>, EditError> {
    let (line, column) = (edit.line, edit.column);
    let at = Span { file: Arc::new(edit.path.clone()), line, column, start: edit.start, end: edit.end };
    let text = |text: &str| Value::String(text.into());
    let not_there = EditError::NotFound { line, column };
    match &edit.write {
        Write::Key { was, new } => rename_key(bytes, &at, (was, new)),
        Write::Bool { was, new } => set_plain(bytes, &at, (&text(was), &Value::Bool(*new))),
        Write::Number { was, new } => set_plain(bytes, &at, (&text(was), &Value::Int(*new))),
        Write::Text { was, new } => match bytes.get(at.start as usize..at.end as usize) {
            Some(there) if unquoted(there) == was.as_bytes() => set_scalar(bytes, &at, new),
            _ => Err(not_there),
        },
        Write::Entry { below, key, value } => match bytes.get(at.start as usize..at.end as usize) {
            Some(there) if unquoted(there) == below.as_bytes() => {
                insert_value_after(bytes, &at, key, &Value::Bool(*value))
            }
            _ => Err(not_there),
        },
    }
}

fn unquoted(text: &[u8]) -> &[u8] {
    match text {
        [first @ (b'"' | b'\''), inner @ .., last] if first == last => inner,
        text => text,
    }
}
