//! Example environments as text, for tests.

use std::sync::Arc;

use super::evaluate;
use crate::manifest::{Node, Object};
use crate::model::finding::Problem;
use crate::model::id::Oid;
use crate::model::path::RepoPath;
use crate::model::tree::{MemoryObjects, Tree};
use crate::render::flux::Fleet;
use crate::render::{Memory, Rendered};

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

    /// The rendered objects, the kustomizations behind them, and what is wrong.
    pub(super) fn read(&self) -> (Vec<Object>, Vec<Node>, Vec<Problem>) {
        let (rendered, kustomizations) = self.rendered();
        (rendered.objects.clone(), kustomizations, rendered.problems.clone())
    }

    /// The environment as Flux applies it, and the kustomizations behind it.
    pub(super) fn rendered(&self) -> (Arc<Rendered>, Vec<Node>) {
        let mut memory = Memory::new(&self.store);
        let fleet = Fleet::find(&mut memory, self.root, std::slice::from_ref(&self.folder));
        let applier = fleet.of(&self.folder).first().copied().flatten();
        let rendered = memory.render_as(self.root, &self.folder, applier, fleet.is_used());
        let kustomizations = evaluate::kustomizations(&mut memory, self.root, &rendered.reads);
        (rendered, kustomizations)
    }
}

/// The definition of a Tea whose `spec` has one field.
pub(super) fn tea(field: &str, of: &str) -> String {
    format!(
        "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{ name: teas.acme.dev }}
spec:
  group: acme.dev
  scope: Namespaced
  names: {{ kind: Tea, plural: teas }}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties: {{ spec: {{ type: object, properties: {{ {field}: {{ type: {of} }} }} }} }}
"
    )
}
