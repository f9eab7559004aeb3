//! Which applications' versions a change moves: read from the fields a promotion would write.

use std::collections::BTreeMap;

use crate::model::finding::VersionChange;
use crate::model::path::RepoPath;
use crate::model::pipeline::{App, Environment};
use crate::model::tree::Tree;
use crate::render::versions::{self, Shelf};

/// The applications of an environment's folder whose version fields differ between the two trees.
pub(super) fn version_changes(
    (base, head): (&Tree<'_>, &Tree<'_>),
    (environment, folder): (&Environment, &RepoPath),
    apps: &[App],
    shelf: &mut Shelf,
) -> Vec<VersionChange> {
    let here = apps.iter().filter(|app| environment.folder(&app.name).as_ref() == Some(folder));
    here.filter_map(|app| {
        let (before, after) = (held(shelf, base, folder, app), held(shelf, head, folder, app));
        let Held { tags, digests } = after.clone();
        (before != after && !tags.is_empty()).then(|| VersionChange { app: app.name.clone(), tags, digests })
    })
    .collect()
}

/// What a folder sets of an application, as far as it sets something: another build under the same tag is another version.
#[derive(Clone, PartialEq)]
struct Held {
    tags: BTreeMap<String, String>,
    digests: BTreeMap<String, String>,
}

fn held(shelf: &mut Shelf, tree: &Tree<'_>, folder: &RepoPath, app: &App) -> Held {
    let fields = shelf.look(tree, folder, app).fields;
    Held { tags: versions::tags(&fields), digests: versions::digests(&fields) }
}
