//! An environment's folder → the objects Flux would apply, each value with the line that set it.
//!
//! Pure, in memory, over a [`Tree`]: no process, no network, no path outside the repository. What is not supported is refused
//! by name and line; a wrong object is never given out.

pub mod discover;
mod kustomize;
mod plain;
pub mod reach;
mod reading;
mod source;
pub mod versions;

use std::collections::BTreeSet;

use crate::manifest::node::Object;
use crate::model::finding::{Location, Problem};
use crate::model::path::RepoPath;
use crate::model::tree::Tree;

use self::source::Source;

/// What became of a folder.
#[derive(Debug, Clone, Default)]
pub struct Rendered {
    /// The objects in the order `kustomize build` prints them; none when something is wrong, since Flux would apply none.
    pub objects: Vec<Object>,
    /// What is wrong, each at its line.
    pub problems: Vec<Problem>,
    /// What is no fault and good to know, each at its line.
    pub notes: Vec<Problem>,
    /// Every file and folder that was read or looked for: see [`reach::closure_touches`].
    pub reads: BTreeSet<RepoPath>,
    /// Whether it rendered.
    pub ok: bool,
}

/// Renders a folder as Flux would. Never fails: what is wrong is in the result.
pub fn render(tree: &Tree<'_>, folder: &RepoPath) -> Rendered {
    let mut source = Source::new(tree);
    let objects = match tree.resolve(folder) {
        Ok((real, _)) if tree.is_folder(&real) => {
            // A kustomization's own files are remembered one by one; the folder itself only when all in it counts.
            source.saw_way(folder);
            match kustomize::find(&mut source, &real) {
                kustomize::Found::None => plain::build(&mut source, &real),
                _ => kustomize::build(&mut source, &real),
            }
        }
        Ok(_) => {
            missing(&mut source, folder, format!("`{folder}` is a file, not a folder"));
            None
        }
        Err(error) => {
            missing(&mut source, folder, error.to_string());
            None
        }
    };
    let Source { reads, problems, notes, .. } = source;
    let ok = objects.is_some() && problems.is_empty();
    let objects = objects.filter(|_| ok).unwrap_or_default();
    Rendered { objects, problems, notes, reads, ok }
}

fn missing(source: &mut Source<'_>, folder: &RepoPath, message: String) {
    source.saw(folder);
    let location = Location { path: folder.clone(), line: 0, column: 0 };
    source.problem(location, message, "Check the environment's `path` in .github/trunkline.yaml.");
}

#[cfg(test)]
mod tests;
