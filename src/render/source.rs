//! What a render reads, and what it finds wrong: every file once, every path remembered, everything bounded.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::memory::Parsed;
use super::reading;
use crate::manifest::load;
use crate::manifest::node::{Node, Span, Value};
use crate::model::finding::{Location, Problem};
use crate::model::path::RepoPath;
use crate::model::tree::{EntryKind, Tree, TreeError};

/// Files one environment may read: ten thousand objects, each in a file of its own, twice. The largest public GitOps repositories
/// have about 6,000 in all their environments.
const MAX_FILES: usize = 20_000;
/// Values copied into objects and patches: 2,000 objects of 100 values, times ten. Keeps memory below the worker's limit.
const MAX_WEIGHT: usize = 2_000_000;
/// Bytes of files that take as long to read as a value takes to copy: 250 MB in all.
const BYTES_A_VALUE: usize = 128;
/// Problems shown: nobody reads more, and hostile input must not fill the memory.
const MAX_PROBLEMS: usize = 100;

/// Whose eyes a file is read with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Reading {
    /// The API server's: kustomizations themselves.
    Plain,
    /// Kustomize's: resources and strategic patches.
    Kustomize,
}

/// The documents of a file, shared by all who name it.
pub(super) type Documents = Arc<[Node]>;

/// What a file holds.
pub(super) struct File {
    /// The sound documents.
    pub(super) documents: Documents,
    /// What is wrong with the others.
    problems: Vec<Problem>,
    /// Where what is applied is read otherwise than one would think.
    notes: Vec<Problem>,
    /// Whether all are sound; a file that is not is not rendered.
    pub(super) sound: bool,
    /// The values in it, for the bounds on what is kept.
    pub(super) values: usize,
    /// Its size in bytes.
    bytes: usize,
}

impl File {
    /// Reads the bytes of the file `path`.
    pub(super) fn read(path: &RepoPath, bytes: &[u8], reading: Reading) -> Self {
        let loaded = load(path, bytes);
        let (mut problems, mut notes, mut values) = (loaded.problems, Vec::new(), 0);
        if let Some(line) = reading::described_in_comment(bytes).filter(|_| reading == Reading::Kustomize) {
            let message = "a schema in a comment, which Kustomize obeys, is not read".to_owned();
            let location = Some(Location { path: path.clone(), line, column: 0 });
            problems.push(Problem { location, message, help: Some("Use `openapi` instead.".to_owned()) });
        }
        let mut documents = Vec::with_capacity(loaded.documents.len());
        for document in loaded.documents {
            let mut node = document.node;
            values += count(&node);
            let is_operations = node.as_list().is_some();
            match reading {
                Reading::Kustomize if is_operations => {
                    reading::as_json(&mut node);
                    documents.push(node);
                }
                Reading::Plain => documents.push(node),
                Reading::Kustomize => match reading::as_kustomize(&mut node, bytes) {
                    Ok(refolded) => {
                        let help = Some(reading::FOLD_HELP.to_owned());
                        notes.extend(refolded.iter().take(MAX_PROBLEMS).map(|span| Problem {
                            location: Some(span.location()),
                            message: reading::REFOLDED.to_owned(),
                            help: help.clone(),
                        }));
                        documents.push(node);
                    }
                    Err(refusal) => {
                        let (span, message) = *refusal;
                        let help = Some("Put it in quotes.".to_owned());
                        problems.push(Problem { location: Some(span.location()), message: message.to_owned(), help });
                    }
                },
            }
        }
        // A problem counts as a value, so that a file of nothing but faults is bounded too.
        values += problems.len() + notes.len() + 1;
        Self { documents: documents.into(), sound: problems.is_empty(), problems, notes, values, bytes: bytes.len() }
    }
}

/// How many values a node holds. Recursion is bounded by the reader's depth limit.
fn count(node: &Node) -> usize {
    1 + match &node.value {
        Value::List(list) => list.iter().map(count).sum(),
        Value::Map(map) => map.iter().map(|(_, value)| count(value)).sum(),
        _ => 0,
    }
}

/// A tree being read.
pub(super) struct Source<'s> {
    pub(super) tree: &'s Tree<'s>,
    /// What was parsed before, also for other renders.
    parsed: &'s mut Parsed,
    /// Every file and folder that was read or looked for: a change to any of them can change the render.
    pub(super) reads: BTreeSet<RepoPath>,
    pub(super) problems: Vec<Problem>,
    /// What the source Flux reads this through leaves out, in its own words.
    pub(super) ignore: Option<String>,
    /// What is no fault and good to know: where what is applied is not what one would think.
    pub(super) notes: Vec<Problem>,
    /// The sound documents of the file that was read last, when others in it are broken.
    pub(super) rest: Vec<Node>,
    loaded: HashMap<(RepoPath, Reading), Option<Documents>>,
    /// Values that were copied so far.
    pub(super) weight: usize,
    /// Whether a limit ended the render; said once.
    over: bool,
}

impl<'s> Source<'s> {
    pub(super) fn new(tree: &'s Tree<'s>, parsed: &'s mut Parsed) -> Self {
        Self {
            tree,
            parsed,
            reads: BTreeSet::new(),
            problems: Vec::new(),
            ignore: None,
            notes: Vec::new(),
            rest: Vec::new(),
            loaded: HashMap::new(),
            weight: 0,
            over: false,
        }
    }

    /// Notes what is wrong at a place.
    pub(super) fn problem(&mut self, location: Location, message: impl Into<String>, help: &str) {
        let help = (!help.is_empty()).then(|| help.to_owned());
        self.add_problem(Problem { location: Some(location), message: message.into(), help });
    }

    /// Notes at a place what does not fail the render.
    pub(super) fn note(&mut self, span: &Span, message: impl Into<String>, help: &str) {
        let help = (!help.is_empty()).then(|| help.to_owned());
        self.add_note(Problem { location: Some(span.location()), message: message.into(), help });
    }

    fn add_note(&mut self, note: Problem) {
        if self.notes.len() < MAX_PROBLEMS && !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Adds a problem, unless it is known or nobody would read it.
    pub(super) fn add_problem(&mut self, problem: Problem) {
        if self.problems.len() < MAX_PROBLEMS && !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// The same, at the place of a node.
    pub(super) fn wrong(&mut self, span: &Span, message: impl Into<String>, help: &str) {
        self.problem(span.location(), message, help);
    }

    /// Counts values that are about to be copied; false when there are too many, which is said once.
    pub(super) fn afford(&mut self, weight: usize, location: &Location) -> bool {
        self.weight = self.weight.saturating_add(weight);
        if self.weight <= MAX_WEIGHT {
            return true;
        }
        if !self.over {
            self.over = true;
            let message = format!("this environment has more than {MAX_WEIGHT} values, counted once for each use");
            self.problem(location.clone(), message, "Split it into several environments.");
        }
        false
    }

    /// How many more values may be copied.
    pub(super) fn room(&self) -> usize {
        MAX_WEIGHT.saturating_sub(self.weight)
    }

    /// Remembers that `path` was looked at, and through which symbolic links.
    pub(super) fn saw(&mut self, path: &RepoPath) {
        if self.reads.insert(path.clone())
            && let Ok((real, _)) = self.tree.resolve(path)
            && real != *path
        {
            self.reads.extend(links(self.tree, path));
            self.reads.insert(real);
        }
    }

    /// Remembers the symbolic links on the way to `path`.
    pub(super) fn saw_way(&mut self, path: &RepoPath) {
        if self.tree.resolve(path).is_ok_and(|(real, _)| real != *path) {
            self.reads.extend(links(self.tree, path));
        }
    }

    /// The bytes of a file; remembers it.
    pub(super) fn bytes(&mut self, path: &RepoPath) -> Result<Arc<[u8]>, TreeError> {
        self.saw(path);
        self.tree.read(path)
    }

    /// The documents of a YAML file; its own faults are noted once, at their lines.
    ///
    /// # Errors
    /// When the file cannot be read at all: for the caller to say at the line that names it.
    pub(super) fn documents(&mut self, path: &RepoPath, reading: Reading) -> Result<Option<Documents>, TreeError> {
        let slot = (path.clone(), reading);
        if let Some(known) = self.loaded.get(&slot) {
            return Ok(known.clone());
        }
        self.saw(path);
        let (_, entry) = self.tree.resolve(path)?;
        let tree = self.tree;
        let file = self.parsed.read((entry.id, path, reading), || tree.read(path))?;
        // A file of nothing but comments takes its time as well, and one file can stand in many places.
        let here = Location { path: path.clone(), line: 1, column: 0 };
        let documents = if !self.afford(file.bytes / BYTES_A_VALUE, &here) {
            None
        } else if self.loaded.len() >= MAX_FILES {
            let message = format!("this environment reads more than {MAX_FILES} files");
            self.problem(
                Location { path: path.clone(), line: 1, column: 0 },
                message,
                "Split it into several environments.",
            );
            None
        } else {
            self.told(&file)
        };
        self.loaded.insert(slot, documents.clone());
        Ok(documents)
    }

    /// The documents of a text of the file `path`; what is wrong with them is noted.
    pub(super) fn read(&mut self, path: &RepoPath, bytes: &[u8], reading: Reading) -> Option<Documents> {
        self.told(&File::read(path, bytes, reading))
    }

    /// The documents of a file whose every document is sound; what is wrong is noted.
    fn told(&mut self, file: &File) -> Option<Documents> {
        for problem in &file.problems {
            if self.problems.len() < MAX_PROBLEMS && !self.problems.contains(problem) {
                self.problems.push(problem.clone());
            }
        }
        file.notes.iter().for_each(|note| self.add_note(note.clone()));
        if !file.sound {
            self.rest = file.documents.to_vec();
            return None;
        }
        Some(file.documents.clone())
    }
}

/// The symbolic links on the way to a path. Bounded by the hops that reading allows.
fn links(tree: &Tree<'_>, path: &RepoPath) -> Vec<RepoPath> {
    let mut found = Vec::new();
    let mut wanted: Vec<String> = path.parts().rev().map(str::to_owned).collect();
    let mut here = RepoPath::root();
    while let Some(part) = wanted.pop() {
        let there = here.child(&part);
        let Ok(Some(entry)) = tree.entry(&there) else { break };
        here = there;
        if entry.kind == EntryKind::Symlink {
            found.push(here.clone());
            let target = tree.objects.blob(entry.id).ok();
            let target = target.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
            let Some(goal) = target.and_then(|target| here.parent().join(target).ok()) else { break };
            wanted.extend(goal.parts().rev().map(str::to_owned));
            here = RepoPath::root();
        }
        // Reading follows at most eight links; a circle never gets here, and this ends anyway.
        if found.len() > 8 {
            break;
        }
    }
    found
}
