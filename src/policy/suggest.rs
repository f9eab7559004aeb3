//! What mends a finding, written out as lines to take over: only where it is certain, small, and gives nothing away.

use std::collections::HashMap;
use std::sync::Arc;

use super::scrub::Secrets;
use crate::manifest::{self, EditError, Object, Span, Value};
use crate::model::finding::{Delta, Finding};
use crate::model::path::RepoPath;
use crate::model::suggestion::{Edit, Suggestion, Write};
use crate::model::tree::Tree;

/// Findings of one environment's folder that get lines. Each costs two readings of its file, and nobody takes over more at once.
const MAX_SUGGESTIONS: usize = 100;
/// Larger files are generated, and mended where they are made.
const MAX_FILE_BYTES: usize = 256 * 1024;
/// Characters of the lines, before and after together: more is no small edit.
const MAX_CHARS: usize = 1_000;

/// Writes out the edits of what is new among the findings of one environment, and drops the others.
pub fn suggest(tree: &Tree<'_>, objects: &[Object], findings: &mut [Finding]) {
    let is_wanted = |finding: &Finding| {
        finding.delta == Delta::New && finding.object.as_ref().is_none_or(|object| object.kind != "Secret")
    };
    let edits = findings.iter_mut().map(|finding| finding.edit.take().filter(|_| is_wanted(finding)));
    let edits: Vec<Option<Edit>> = edits.collect();
    if edits.iter().all(Option::is_none) {
        return;
    }
    let secrets = Secrets::of(objects);
    let mut files = HashMap::new();
    let mut made = Vec::new();
    for (at, edit) in edits.iter().enumerate() {
        let Some(edit) = edit else { continue };
        made.extend(written((tree, &mut files), edit, &secrets).map(|suggestion| (at, suggestion)));
        if made.len() == MAX_SUGGESTIONS {
            break;
        }
    }
    // A line that holds a credential is shown nowhere.
    made.retain(|(_, suggestion)| !findings.iter().any(|finding| tells_of_secret(finding, suggestion)));
    for (at, suggestion) in made {
        findings[at].suggestion = Some(suggestion);
    }
}

fn tells_of_secret(finding: &Finding, suggestion: &Suggestion) -> bool {
    let lines = suggestion.first..=suggestion.last;
    let is_there = |path: &RepoPath, line| *path == suggestion.path && lines.contains(&line);
    finding.rule.starts_with("SEC-") && finding.location.as_ref().is_some_and(|at| is_there(&at.path, at.line))
}

type Files = HashMap<RepoPath, Option<Arc<[u8]>>>;

fn written((tree, files): (&Tree<'_>, &mut Files), edit: &Edit, secrets: &Secrets) -> Option<Suggestion> {
    let read = || tree.read(&edit.path).ok();
    let bytes = files.entry(edit.path.clone()).or_insert_with(read).clone()?;
    // What GitHub makes of other line ends in a suggestion is not known.
    if bytes.len() > MAX_FILE_BYTES || bytes.contains(&b'\r') {
        return None;
    }
    let lines = manifest::mend::lines(&bytes, &edited(&bytes, edit).ok()?)?;
    let is_small = lines.before.chars().count() + lines.after.chars().count() <= MAX_CHARS;
    (is_small && !secrets.stand_in(&lines.before)).then(|| Suggestion {
        path: edit.path.clone(),
        first: lines.first,
        last: lines.last,
        before: lines.before,
        after: lines.after,
    })
}

/// The file with the edit made. What stands at the place must be what the finding was about: a value that was put there by a patch,
/// a generator or a variable does not stand there.
fn edited(bytes: &[u8], edit: &Edit) -> Result<Vec<u8>, EditError> {
    let (line, column) = (edit.line, edit.column);
    let at = Span { file: Arc::new(edit.path.clone()), line, column, start: edit.start, end: edit.end };
    let text = |text: &str| Value::String(text.into());
    let not_there = EditError::NotFound { line, column };
    match &edit.write {
        Write::Key { was, new } => manifest::mend::rename_key(bytes, &at, (was, new)),
        Write::Bool { was, new } => manifest::mend::set_plain(bytes, &at, (&text(was), &Value::Bool(*new))),
        Write::Number { was, new } => manifest::mend::set_plain(bytes, &at, (&text(was), &Value::Int(*new))),
        Write::Text { was, new } => match bytes.get(at.start as usize..at.end as usize) {
            Some(there) if unquoted(there) == was.as_bytes() => manifest::set_scalar(bytes, &at, new),
            _ => Err(not_there),
        },
        Write::Entry { below, key, value } => match bytes.get(at.start as usize..at.end as usize) {
            Some(there) if unquoted(there) == below.as_bytes() => {
                manifest::edit::insert_value_after(bytes, &at, key, &Value::Bool(*value))
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
