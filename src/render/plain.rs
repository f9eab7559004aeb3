//! A folder without a kustomization: all its YAML, as Flux gathers it, what `.sourceignore` names left out.

use super::flux::ignore::Ignore;
use super::kustomize;
use super::source::Source;
use crate::manifest::node::{Node, Object};
use crate::model::finding::Location;
use crate::model::path::RepoPath;
use crate::model::tree::EntryKind;

/// Entries looked at in one plain folder: the same bound as on files that are read.
const MAX_ENTRIES: usize = 10_000;
/// Folders inside each other: what a tree walk allows.
const MAX_DEPTH: usize = 64;

/// Renders every `*.yaml` and `*.yml` below a folder. A folder with its own kustomization is rendered by that.
pub(super) fn build(source: &mut Source<'_>, folder: &RepoPath, flux: Option<&Node>) -> Option<Vec<Object>> {
    source.saw(folder);
    let tree = source.tree;
    let mut ignore = Ignore::new(tree, source.ignore.as_deref());
    let mut found = Vec::new();
    let mut count = 0;
    let mut open = vec![(folder.clone(), 0)];
    while let Some((here, depth)) = open.pop() {
        let entries = match source.tree.list(&here) {
            Ok(entries) => entries,
            Err(error) => {
                source.problem(Location { path: here, line: 0, column: 0 }, error.to_string(), "");
                return None;
            }
        };
        count += entries.len();
        if count > MAX_ENTRIES || depth > MAX_DEPTH {
            let message =
                format!("this folder holds more than {MAX_ENTRIES} files, or {MAX_DEPTH} folders inside each other");
            let help = "Add a kustomization.yaml that lists what belongs to the environment.";
            source.problem(Location { path: folder.clone(), line: 0, column: 0 }, message, help);
            return None;
        }
        for entry in entries.iter() {
            let path = here.child(&entry.name);
            match entry.kind {
                EntryKind::Folder => match kustomize::find(source, &path) {
                    kustomize::Found::One(file) | kustomize::Found::Many(file, _) if !ignore.leaves_out(&file) => {
                        found.push((path, EntryKind::Folder));
                    }
                    _ => open.push((path, depth + 1)),
                },
                EntryKind::File | EntryKind::Executable if is_yaml(&entry.name) && !ignore.leaves_out(&path) => {
                    found.push((path, EntryKind::File));
                }
                EntryKind::Submodule => {
                    let message = format!("`{path}` is a git submodule, which Trunkline does not follow");
                    source.problem(
                        Location { path, line: 0, column: 0 },
                        message,
                        "Copy the manifests into this repository.",
                    );
                }
                // Flux packs no symbolic links into what it applies, so they are not part of the environment.
                EntryKind::File | EntryKind::Executable | EntryKind::Symlink => {}
            }
        }
    }
    ignore.reads().for_each(|path| source.saw(&path));
    found.sort_by(|a, b| a.0.parts().cmp(b.0.parts()));
    kustomize::build_list(source, folder, &found, flux)
}

fn is_yaml(name: &str) -> bool {
    name.ends_with(".yaml") || name.ends_with(".yml")
}
