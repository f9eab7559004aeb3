//! An environment's folder → the objects Flux would apply, each value with the line that set it.
//!
//! Pure, in memory, over a [`Tree`]: no process, no network, no path outside the repository. What is not supported is refused
//! by name and line; a wrong object is never given out.

pub mod discover;
pub mod flux;
mod kustomize;
mod memory;
mod plain;
pub mod propose;
pub mod reach;
mod reading;
mod source;
pub mod versions;

use std::collections::BTreeSet;

use crate::manifest::node::{Node, Object};
use crate::model::finding::{Location, Problem};
use crate::model::path::RepoPath;
use crate::model::tree::Tree;

use self::flux::Applier;
pub use self::memory::Memory;
use self::memory::Parsed;
use self::source::Source;

/// What became of a folder.
#[derive(Debug, Clone, Default)]
pub struct Rendered {
    /// The objects in the order `kustomize build` prints them; none when something is wrong, since Flux would apply none.
    pub objects: Vec<Object>,
    /// What is wrong, each at its line.
    pub problems: Vec<Problem>,
    /// What is worth knowing and not wrong: what could not be known, and what is not rendered.
    pub notes: Vec<Problem>,
    /// Where what is applied is read otherwise than one would think, each at its line.
    pub readings: Vec<Problem>,
    /// Every file and folder that was read or looked for: see [`reach::closure_touches`].
    pub reads: BTreeSet<RepoPath>,
    /// Which Flux Kustomization applies which of the objects; nothing where Flux was not looked for.
    pub layers: Vec<Layer>,
    /// Whether it rendered.
    pub ok: bool,
}

/// Objects that one Flux Kustomization applies: those from a place on, up to where the next layer begins.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The place of its first object.
    pub from: usize,
    /// The Kustomization; nothing when nobody is known to apply them.
    pub by: Option<Node>,
}

/// Renders a folder by itself: what stands in it, without what the Flux Kustomization that applies it adds.
///
/// Never fails: what is wrong is in the result. [`Memory::render_as`] renders it as Flux applies it, and does for several folders,
/// or two trees, the same with less work.
pub fn render(tree: &Tree<'_>, folder: &RepoPath) -> Rendered {
    anew(tree, folder, How::Bare, &mut Parsed::default()).0
}

/// Whether a folder is rendered by itself, or as Flux applies it.
#[derive(Clone, Copy)]
enum How<'a> {
    Bare,
    /// By whom, and whether the Kustomizations it holds are followed.
    Applied(Option<&'a Applier>, bool),
}

/// Renders with what is parsed already, and tells how many values it copied.
fn anew(tree: &Tree<'_>, folder: &RepoPath, how: How<'_>, parsed: &mut Parsed) -> (Rendered, usize) {
    let mut source = Source::new(tree, parsed);
    let (mut notes, mut layers) = (Vec::new(), Vec::new());
    let objects = match how {
        How::Bare => bare(&mut source, folder, None),
        How::Applied(applier, follows) => {
            flux::applied(&mut source, folder, (applier, follows), (&mut notes, &mut layers))
        }
    };
    let Source { reads, problems, weight, notes: readings, .. } = source;
    let ok = objects.is_some() && problems.is_empty();
    let objects = objects.filter(|_| ok).unwrap_or_default();
    (Rendered { objects, problems, notes, readings, reads, layers, ok }, weight)
}

/// The objects of a folder; `flux` is the `spec` of the Flux Kustomization that applies it.
fn bare(source: &mut Source<'_>, folder: &RepoPath, flux: Option<&Node>) -> Option<Vec<Object>> {
    match source.tree.resolve(folder) {
        Ok((real, _)) if source.tree.is_folder(&real) => {
            // A kustomization's own files are remembered one by one; the folder itself only when all in it counts.
            source.saw_way(folder);
            match kustomize::find(source, &real) {
                kustomize::Found::None => plain::build(source, &real, flux),
                _ => kustomize::build(source, &real, flux),
            }
        }
        Ok(_) => {
            missing(source, folder, format!("`{folder}` is a file, not a folder"));
            None
        }
        Err(error) => {
            missing(source, folder, error.to_string());
            None
        }
    }
}

fn missing(source: &mut Source<'_>, folder: &RepoPath, message: String) {
    source.saw(folder);
    let location = Location { path: folder.clone(), line: 0, column: 0 };
    source.problem(location, message, "Check the environment's `path` in .github/trunkline.yaml.");
}

#[cfg(test)]
mod tests;
