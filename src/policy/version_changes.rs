//! Which applications' versions a change moves: read from the fields a promotion would write.

use std::collections::BTreeMap;

use crate::model::finding::VersionChange;
use crate::model::path::RepoPath;
use crate::model::pipeline::{App, Environment};
use crate::model::tree::Tree;
use crate::render::versions::{self, version_fields};

/// The applications of an environment's folder whose version fields differ between the two trees.
pub(super) fn version_changes(
    base: &Tree<'_>,
    head: &Tree<'_>,
    (environment, folder): (&Environment, &RepoPath),
    apps: &[App],
) -> Vec<VersionChange> {
    let here = apps.iter().filter(|app| environment.folder(&app.name).as_ref() == Some(folder));
    here.filter_map(|app| {
        let (before, after) = (held(base, folder, app), held(head, folder, app));
        (before != after && !after.tags.is_empty()).then(|| VersionChange {
            app: app.name.clone(),
            tags: after.tags,
            digests: after.digests,
        })
    })
    .collect()
}

/// What a folder sets of an application, as far as it sets something: another build under the same tag is another version.
#[derive(PartialEq)]
struct Held {
    tags: BTreeMap<String, String>,
    digests: BTreeMap<String, String>,
}

fn held(tree: &Tree<'_>, folder: &RepoPath, app: &App) -> Held {
    let images: Vec<String> = app.images.iter().map(|image| image.name.clone()).collect();
    // Each image for itself: one that is set elsewhere does not hide the others.
    let fields = images.iter().filter_map(|image| version_fields(tree, folder, std::slice::from_ref(image)).ok());
    let fields: Vec<_> = fields.flatten().collect();
    Held { tags: versions::tags(&fields), digests: versions::digests(&fields) }
}
