//! Which applications' versions a change moves: read from the fields a promotion would write.

use std::collections::BTreeMap;

use crate::model::finding::VersionChange;
use crate::model::path::RepoPath;
use crate::model::pipeline::{App, Environment};
use crate::model::tree::Tree;
use crate::render::versions::version_fields;

/// The applications of an environment's folder whose version fields differ between the two trees.
pub(super) fn version_changes(
    base: &Tree<'_>,
    head: &Tree<'_>,
    (environment, folder): (&Environment, &RepoPath),
    apps: &[App],
) -> Vec<VersionChange> {
    let here = apps.iter().filter(|app| environment.folder(&app.name).as_ref() == Some(folder));
    here.filter_map(|app| {
        let (before, after) = (tags(base, folder, app), tags(head, folder, app));
        (before != after && !after.is_empty()).then(|| VersionChange { app: app.name.clone(), tags: after })
    })
    .collect()
}

/// The tag (or digest) of each image, as far as the folder sets one.
fn tags(tree: &Tree<'_>, folder: &RepoPath, app: &App) -> BTreeMap<String, String> {
    let images: Vec<String> = app.images.iter().map(|image| image.name.clone()).collect();
    // Each image for itself: one that is set elsewhere does not hide the others.
    let fields = images.iter().filter_map(|image| version_fields(tree, folder, std::slice::from_ref(image)).ok());
    fields.flatten().map(|field| (field.image, field.value)).collect()
}
