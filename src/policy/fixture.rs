//! Example environments as text, for tests.

use crate::manifest::{Node, Object, load, objects};
use crate::model::finding::Problem;
use crate::model::id::Oid;
use crate::model::path::RepoPath;
use crate::model::tree::{MemoryObjects, Tree};

/// Files after lines `# file: path`, held in memory.
pub(super) struct Example {
    pub(super) store: MemoryObjects,
    pub(super) root: Oid,
    pub(super) folder: RepoPath,
}

impl Example {
    pub(super) fn new(text: &str) -> Self {
        let mut files: Vec<(&str, String)> = Vec::new();
        for line in text.lines() {
            match (line.strip_prefix("# file: "), files.last_mut()) {
                (Some(path), _) => files.push((path, String::new())),
                (None, Some((_, text))) => {
                    text.push_str(line);
                    text.push('\n');
                }
                (None, None) => panic!("an example begins with `# file: path`"),
            }
        }
        let mut store = MemoryObjects::default();
        let root = store.add_text(files.iter().map(|(path, text)| (*path, text.as_str()))).unwrap();
        let folder = files[0].0.parse::<RepoPath>().unwrap().parent();
        Self { store, root, folder }
    }

    pub(super) fn tree(&self) -> Tree<'_> {
        Tree::new(self.root, &self.store)
    }

    /// The objects of the folder's files as they stand, the kustomizations among them, and what is wrong.
    pub(super) fn read(&self) -> (Vec<Object>, Vec<Node>, Vec<Problem>) {
        let (mut found, mut kustomizations, mut problems) = (Vec::new(), Vec::new(), Vec::new());
        for (path, _) in self.tree().files(&self.folder).unwrap() {
            let loaded = load(&path, &self.tree().read(&path).unwrap());
            if path.name() == "kustomization.yaml" {
                kustomizations.extend(loaded.documents.into_iter().map(|document| document.node));
                continue;
            }
            let (objects, wrong) = objects(&loaded);
            found.extend(objects);
            problems.extend(loaded.problems.into_iter().chain(wrong));
        }
        (found, kustomizations, problems)
    }
}
