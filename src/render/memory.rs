//! What was read and rendered already, so that it is done once: for one store of objects, for as long as its owner lives.
//!
//! A file is known by its blob's id, its path (places carry it) and how it was read. A render is known by the ids of everything
//! it read or looked for: when they are the same in another tree, so is the render. Both are forgotten whole when they grow
//! too large, which keeps them simple, and costs no more than not to have had them.

use std::collections::HashMap;
use std::sync::Arc;

use super::flux::Applier;
use super::source::{File, Reading};
use super::{How, Rendered};
use crate::manifest::node::Node;
use crate::model::id::Oid;
use crate::model::path::RepoPath;
use crate::model::tree::{EntryKind, Objects, Tree, TreeError};

/// Values kept in parsed files, about 150 bytes each: with the values of two renders that is a third of a worker's memory.
const MAX_PARSED_VALUES: usize = 1_000_000;
/// Parsed files kept, however small: a render reads at most half as many.
const MAX_PARSED_FILES: usize = 40_000;
/// Values kept in rendered objects, counted as [`super::source::Source`] counts them.
const MAX_RENDERED_VALUES: usize = 1_000_000;
/// Paths whose ids rendered objects are known by, about 200 bytes each.
const MAX_PATHS: usize = 200_000;
/// Renders kept of one folder: before and after a change, by itself and by up to three who apply it.
const VERSIONS: usize = 8;

/// What was read and rendered of one store of objects.
///
/// It belongs to the store it was made for and reads from no other, so nothing crosses from one repository, or one
/// installation, to another. `evaluate` makes one and drops it at its end.
pub struct Memory<'o> {
    pub(super) objects: &'o dyn Objects,
    pub(super) parsed: Parsed,
    rendered: HashMap<RepoPath, Vec<Known>>,
    values: usize,
    paths: usize,
}

impl<'o> Memory<'o> {
    /// A memory of nothing yet.
    pub fn new(objects: &'o dyn Objects) -> Self {
        Self { objects, parsed: Parsed::default(), rendered: HashMap::new(), values: 0, paths: 0 }
    }

    /// Renders a folder as [`super::render`] does, or finds that it did so already: then ids are compared, and nothing else is done.
    pub fn render(&mut self, root: Oid, folder: &RepoPath) -> Arc<Rendered> {
        self.either(root, folder, How::Bare)
    }

    /// Renders a folder as Flux applies it: with the settings of `applier`, and with the Kustomizations it holds if it `follows` them,
    /// which is so where Flux is used: see [`super::flux::Fleet::is_used`].
    pub fn render_as(
        &mut self,
        root: Oid,
        folder: &RepoPath,
        applier: Option<&Applier>,
        follows: bool,
    ) -> Arc<Rendered> {
        self.either(root, folder, How::Applied(applier, follows))
    }

    fn either(&mut self, root: Oid, folder: &RepoPath, how: How<'_>) -> Arc<Rendered> {
        let tree = Tree::new(root, self.objects);
        if let Some(known) = self.recall(&tree, folder, how) {
            return known;
        }
        let (rendered, weight) = super::anew(&tree, folder, how, &mut self.parsed);
        let rendered = Arc::new(rendered);
        // What is wrong may name what stands beside it, which is not among what was read.
        if rendered.ok {
            self.keep((&tree, folder, how), &rendered, weight);
        }
        rendered
    }

    /// The documents of a YAML file as the API server reads them; none when there is no such file.
    pub fn documents(&mut self, root: Oid, path: &RepoPath) -> Option<Arc<[Node]>> {
        let tree = Tree::new(root, self.objects);
        let (_, entry) = tree.resolve(path).ok()?;
        let file = self.parsed.read((entry.id, path, Reading::Plain), || tree.read(path)).ok()?;
        Some(file.documents.clone())
    }

    fn recall(&mut self, tree: &Tree<'_>, folder: &RepoPath, how: How<'_>) -> Option<Arc<Rendered>> {
        let known = self.rendered.get_mut(folder)?;
        let found = known.iter_mut().find(|known| {
            known.way.is(how)
                && (known.root == tree.root || known.read.iter().all(|(path, seen)| *seen == Seen::in_tree(tree, path)))
        })?;
        found.root = tree.root;
        Some(found.rendered.clone())
    }

    fn keep(&mut self, (tree, folder, how): (&Tree<'_>, &RepoPath, How<'_>), rendered: &Arc<Rendered>, values: usize) {
        let paths = rendered.reads.len();
        if self.values + values > MAX_RENDERED_VALUES || self.paths + paths > MAX_PATHS {
            self.rendered.clear();
            (self.values, self.paths) = (0, 0);
        }
        if values > MAX_RENDERED_VALUES || paths > MAX_PATHS {
            return;
        }
        let read = rendered.reads.iter().map(|path| (path.clone(), Seen::in_tree(tree, path))).collect();
        let known = self.rendered.entry(folder.clone()).or_default();
        if known.len() >= VERSIONS {
            let oldest = known.remove(0);
            self.values -= oldest.values;
            self.paths -= oldest.read.len();
        }
        self.values += values;
        self.paths += paths;
        known.push(Known { way: Way::of(how), root: tree.root, read, rendered: rendered.clone(), values });
    }
}

/// A render, and what it was made of.
struct Known {
    way: Way,
    /// The tree it was last found to hold for.
    root: Oid,
    read: Vec<(RepoPath, Seen)>,
    rendered: Arc<Rendered>,
    values: usize,
}

/// How it was rendered: [`How`], to be kept.
enum Way {
    Bare,
    Applied(Option<Box<Applier>>, bool),
}

impl Way {
    fn of(how: How<'_>) -> Self {
        match how {
            How::Bare => Self::Bare,
            How::Applied(applier, follows) => Self::Applied(applier.cloned().map(Box::new), follows),
        }
    }

    /// Whether it is the same way, also in where its settings are written, which places of values come from.
    fn is(&self, how: How<'_>) -> bool {
        match (self, how) {
            (Self::Bare, How::Bare) => true,
            (Self::Applied(None, a), How::Applied(None, b)) => *a == b,
            (Self::Applied(Some(a), follows), How::Applied(Some(b), also)) => {
                *follows == also && a.name == b.name && a.location == b.location && a.is_like(b)
            }
            _ => false,
        }
    }
}

/// What stood at a path.
#[derive(PartialEq)]
enum Seen {
    /// The path itself, without links on the way.
    Here(EntryKind, Oid),
    /// What links lead to.
    There(RepoPath, EntryKind, Oid),
    /// Nothing that can be read.
    Not(TreeError),
}

impl Seen {
    fn in_tree(tree: &Tree<'_>, path: &RepoPath) -> Self {
        match tree.resolve(path) {
            Ok((real, entry)) if real == *path => Self::Here(entry.kind, entry.id),
            Ok((real, entry)) => Self::There(real, entry.kind, entry.id),
            Err(error) => Self::Not(error),
        }
    }
}

/// Files that were parsed.
#[derive(Default)]
pub(super) struct Parsed {
    files: HashMap<(Oid, RepoPath, Reading), Arc<File>>,
    values: usize,
}

impl Parsed {
    /// A file as it was parsed before, or its bytes parsed now.
    ///
    /// # Errors
    /// When its bytes cannot be had.
    pub(super) fn read<E>(
        &mut self,
        (id, path, reading): (Oid, &RepoPath, Reading),
        bytes: impl FnOnce() -> Result<Arc<[u8]>, E>,
    ) -> Result<Arc<File>, E> {
        let slot = (id, path.clone(), reading);
        if let Some(known) = self.files.get(&slot) {
            return Ok(known.clone());
        }
        let file = Arc::new(File::read(path, &bytes()?, reading));
        if self.values + file.values > MAX_PARSED_VALUES || self.files.len() >= MAX_PARSED_FILES {
            *self = Self::default();
        }
        self.values += file.values;
        self.files.insert(slot, file.clone());
        Ok(file)
    }
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
