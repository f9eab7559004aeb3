//! Which lines a pull request's own changes show, as git's diff and GitHub's tell them: with three lines around each change.

use git2::{Delta, DiffOptions, Patch, Repository};

use super::{GitError, Store, theirs};
use crate::model::id::Oid;
use crate::model::suggestion::Suggestion;

/// What GitHub shows around a change.
const CONTEXT: u32 = 3;
/// Of a file that changes in more lines GitHub shows no diff, and takes no remark.
const MAX_LINES: usize = 3_000;

impl Store {
    /// Those suggestions whose lines stand in `head` as they are meant to be replaced, where its diff from where it left `base` shows them.
    ///
    /// # Errors
    /// When a commit is missing.
    pub fn placed(&self, base: Oid, head: Oid, wanted: &[Suggestion]) -> Result<Vec<Suggestion>, GitError> {
        self.with(|repository| {
            let (base, head) = (theirs(base)?, theirs(head)?);
            let Ok(from) = repository.merge_base(base, head) else { return Ok(Vec::new()) };
            let (old, new) = (repository.find_commit(from)?.tree()?, repository.find_commit(head)?.tree()?);
            let mut options = DiffOptions::new();
            options.context_lines(CONTEXT);
            let diff = repository.diff_tree_to_tree(Some(&old), Some(&new), Some(&mut options))?;
            // A new file may be an old one at another place, of which GitHub shows only what differs.
            let may_be_moved = diff.deltas().any(|delta| delta.status() == Delta::Deleted);
            let mut placed = Vec::new();
            for (index, delta) in diff.deltas().enumerate() {
                let path = delta.new_file().path_bytes().map(String::from_utf8_lossy);
                let here: Vec<&Suggestion> =
                    wanted.iter().filter(|one| path.as_deref() == Some(one.path.as_str())).collect();
                if here.is_empty() || (delta.status() == Delta::Added && may_be_moved) {
                    continue;
                }
                let shown = hunks(Patch::from_diff(&diff, index)?)?;
                let text = text(repository, delta.new_file().id())?;
                let lines: Vec<&str> = text.lines().collect();
                let stands = |one: &&&Suggestion| {
                    let within = |hunk: &(u32, u32)| hunk.0 <= one.first && one.last <= hunk.1;
                    let there = lines.get((one.first as usize).saturating_sub(1)..one.last as usize);
                    shown.iter().any(within) && there.is_some_and(|there| there.join("\n") == one.before)
                };
                placed.extend(here.iter().filter(stands).map(|one| (*one).clone()));
            }
            Ok(placed)
        })
    }
}

/// The first and last new line of each part that is shown.
fn hunks(patch: Option<Patch<'_>>) -> Result<Vec<(u32, u32)>, GitError> {
    let Some(patch) = patch else { return Ok(Vec::new()) };
    let (_, added, removed) = patch.line_stats()?;
    if added + removed > MAX_LINES {
        return Ok(Vec::new());
    }
    let mut shown = Vec::new();
    for index in 0..patch.num_hunks() {
        let (hunk, _) = patch.hunk(index)?;
        shown.push((hunk.new_start(), (hunk.new_start() + hunk.new_lines()).saturating_sub(1)));
    }
    Ok(shown)
}

fn text(repository: &Repository, id: git2::Oid) -> Result<String, GitError> {
    let blob = repository.find_blob(id)?;
    Ok(String::from_utf8_lossy(blob.content()).into_owned())
}
