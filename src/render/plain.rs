//! A folder without a kustomization: all its YAML, as Flux gathers it.

use super::kustomize;
use super::source::Source;
use crate::manifest::node::Object;
use crate::model::finding::Location;
use crate::model::path::RepoPath;
use crate::model::tree::EntryKind;

/// Entries looked at in one plain folder: the same bound as on files that are read.
const MAX_ENTRIES: usize = 10_000;
/// Folders inside each other: what a tree walk allows.
const MAX_DEPTH: usize = 64;

/// Renders every `*.yaml` and `*.yml` below a folder. A folder with its own kustomization is rendered by that.
pub(super) fn build(source: &mut Source<'_>, folder: &RepoPath) -> Option<Vec<Object>> {
    source.saw(folder);
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
                EntryKind::Folder if matches!(kustomize::find(source, &path), kustomize::Found::None) => {
                    open.push((path, depth + 1));
                }
                EntryKind::Folder => found.push((path, EntryKind::Folder)),
                EntryKind::File | EntryKind::Executable if is_yaml(&entry.name) => found.push((path, EntryKind::File)),
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
    found.sort_by(|a, b| a.0.parts().cmp(b.0.parts()));
    kustomize::build_list(source, &found)
}

fn is_yaml(name: &str) -> bool {
    name.ends_with(".yaml") || name.ends_with(".yml")
}
