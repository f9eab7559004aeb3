//! The ledger's branch: what its files say, and which commit changed which of them.

use super::merge::commit;
use super::{GitError, Store, ours};
use crate::model::authorship::Step;
use crate::model::id::Oid;
use crate::model::ledger::Ledger;
use crate::model::path::RepoPath;
use crate::model::wide::{FREEZES, OVERRIDES};

/// Ledger files that are read: applications times environments.
const MAX_LEDGER_FILES: usize = 5_000;
/// One entry holds at most a hundred decisions of some hundred bytes.
const MAX_LEDGER_BYTES: usize = 256 * 1024;
/// Commits whose author is looked at: what GitHub lists in ten pages. Most decisions of a year are long replaced by newer ones.
const MAX_LEDGER_STEPS: usize = 1_000;

/// The newest commits of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerSteps {
    /// Newest first.
    pub steps: Vec<Step>,
    /// Whether they reach back to the commit that was known, or to the first one where none was.
    pub whole: bool,
}

impl Store {
    /// The ledger at a commit of its branch.
    ///
    /// # Errors
    /// When the commit is missing, or the ledger is larger than any ledger.
    pub fn read_ledger(&self, tip: Oid) -> Result<Ledger, GitError> {
        self.with(|repository| {
            let mut ledger = Ledger { head: Some(tip), ..Ledger::default() };
            let root = commit(repository, tip)?.tree()?;
            let read = |ledger: &mut Ledger, path: &RepoPath, file: git2::Oid| -> Result<(), GitError> {
                let blob = repository.find_blob(file)?;
                // Too long or not text: the ledger's own parser says so, and the pipeline stops.
                let text = std::str::from_utf8(blob.content()).unwrap_or("\u{0}");
                ledger.read(path, if text.len() > MAX_LEDGER_BYTES { "\u{0}" } else { text });
                Ok(())
            };
            for (name, file) in [FREEZES, OVERRIDES].iter().filter_map(|name| Some((name, root.get_name(name)?))) {
                if let (Ok(path), Some(git2::ObjectType::Blob)) = (name.parse(), file.kind()) {
                    read(&mut ledger, &path, file.id())?;
                }
            }
            let mut files = 0;
            for environment in root.iter().filter(|e| e.kind() == Some(git2::ObjectType::Tree)) {
                let folder = repository.find_tree(environment.id())?;
                for file in folder.iter().filter(|e| e.kind() == Some(git2::ObjectType::Blob)) {
                    files += 1;
                    if files > MAX_LEDGER_FILES {
                        return Err(GitError::Refused(format!("a ledger of more than {MAX_LEDGER_FILES} files")));
                    }
                    let (Ok(environment), Ok(name)) = (environment.name(), file.name()) else { continue };
                    let Ok(path) = format!("{environment}/{name}").parse::<RepoPath>() else { continue };
                    read(&mut ledger, &path, file.id())?;
                }
            }
            Ok(ledger)
        })
    }

    /// The commits on the first-parent line down to `known`, which is not among them.
    ///
    /// # Errors
    /// When a commit or a tree is missing.
    pub fn ledger_steps(&self, tip: Oid, known: Option<Oid>) -> Result<LedgerSteps, GitError> {
        self.with(|repository| {
            let mut steps = Vec::new();
            let mut next = Some(commit(repository, tip)?);
            while let Some(here) = next.take() {
                if Some(ours(here.id())) == known {
                    return Ok(LedgerSteps { steps, whole: true });
                }
                if steps.len() == MAX_LEDGER_STEPS {
                    return Ok(LedgerSteps { steps, whole: false });
                }
                let parent = here.parents().next();
                let before = parent.as_ref().map(git2::Commit::tree).transpose()?;
                let diff = repository.diff_tree_to_tree(before.as_ref(), Some(&here.tree()?), None)?;
                let file = |delta: git2::DiffDelta<'_>| {
                    let path = delta.new_file().path().or(delta.old_file().path())?.to_str()?.parse().ok()?;
                    let held = (delta.status() != git2::Delta::Deleted).then(|| ours(delta.new_file().id()));
                    Some((path, held))
                };
                // None is left out, as it would count as ours; what a fetch may bring bounds them.
                let files = diff.deltas().filter_map(file).collect();
                steps.push(Step { commit: ours(here.id()), files });
                next = parent;
            }
            Ok(LedgerSteps { steps, whole: known.is_none() })
        })
    }
}
