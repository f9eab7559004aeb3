//! An image whose version only a base sets, which other environments share: what it is, and whether an entry would change it.

use super::find::{Form, Releases, Search, entries};
use super::look::fields_of;
use super::survey::{Shelf, Survey};
use super::{Holder, VersionField, VersionKind};
use crate::manifest::load;
use crate::manifest::node::{Node, Span};
use crate::model::finding::Problem;
use crate::model::path::RepoPath;
use crate::model::pipeline::App;
use crate::model::tree::Tree;

/// What sets the image's version outside the folder, as fields of the kustomization that an entry can be added to; none when
/// nothing does.
///
/// # Errors
/// Why an entry would not do.
pub(super) fn from_base(
    shelf: &mut Shelf,
    (tree, survey): (&Tree<'_>, &Survey),
    image: &str,
) -> Result<Vec<VersionField>, Box<Problem>> {
    let Some(root) = &survey.root else { return Ok(Vec::new()) };
    let app = App::of_images("", &[image]);
    let mut found = patched(shelf, (tree, survey), &app);
    for file in &survey.shared {
        if !found.is_empty() {
            break;
        }
        let Some((documents, bytes)) = shelf.read(tree, file) else { continue };
        for place in documents.iter().flat_map(|document| entries(document, &app)) {
            let Form::Keys { map, .. } = place.form else { continue };
            // What it is called further up is what an entry would have to match.
            if let Some(renamed) = map.get("newName").filter(|name| name.as_str() != Some(image)) {
                return Err(Box::new(renames(image, renamed)));
            }
            found.extend(fields_of(&place, file, &bytes));
        }
        found.retain(|field| field.kind != VersionKind::MissingTag);
    }
    if found.is_empty() {
        found = manifests(shelf, (tree, survey), &app);
    }
    if let Some(field) = found.iter().find(|field| field.holder == Holder::Values || field.holder == Holder::OciRef) {
        return Err(Box::new(in_values(survey, field)));
    }
    if let Some(field) = found.iter().find(|field| field.value.contains("${")) {
        return Err(Box::new(variable(field)));
    }
    for field in &mut found {
        field.file.clone_from(root);
        field.holder = Holder::Base;
        // What is pinned below is not pinned by the entry, and a marker there does not bind us here.
        field.left = None;
    }
    Ok(found)
}

/// What patches set that stand as text inside the folder's kustomizations.
fn patched(shelf: &mut Shelf, (tree, survey): (&Tree<'_>, &Survey), app: &App) -> Vec<VersionField> {
    let mut found = Vec::new();
    for file in &survey.own {
        let Some((documents, bytes)) = shelf.read(tree, file) else { continue };
        for patch in documents.iter().flat_map(inline_patches) {
            let Some(text) = patch.as_str().filter(|text| app.images.iter().any(|image| text.contains(&image.name)))
            else {
                continue;
            };
            found.extend(read_patch(app, file, (text, &patch.span), &bytes));
        }
    }
    found
}

fn inline_patches(kustomization: &Node) -> Vec<&Node> {
    let lists = ["patches", "patchesJson6902"].into_iter().flat_map(|field| kustomization.list_at(&[field]));
    let texts = kustomization.list_at(&["patchesStrategicMerge"]);
    lists.filter_map(|patch| patch.get("patch")).chain(texts).collect()
}

fn read_patch(app: &App, file: &RepoPath, (text, span): (&str, &Span), bytes: &[u8]) -> Vec<VersionField> {
    let documents: Vec<Node> =
        load(file, text.as_bytes()).documents.into_iter().map(|document| document.node).collect();
    let search = Search { app, releases: &Releases::default() };
    let places = search.objects(&documents);
    let mut fields: Vec<VersionField> = places.iter().flat_map(|place| fields_of(place, file, bytes)).collect();
    fields.iter_mut().for_each(|field| field.location = span.clone());
    fields
}

/// What the manifests outside the folder say.
fn manifests(shelf: &mut Shelf, (tree, survey): (&Tree<'_>, &Survey), app: &App) -> Vec<VersionField> {
    let words: Vec<&str> = app.images.iter().map(|image| super::find::last(&image.name)).collect();
    let mut found = Vec::new();
    let releases = Releases::default();
    let search = Search { app, releases: &releases };
    for file in &survey.shared_files {
        let Some((documents, bytes)) = shelf.read_with(tree, file, &words) else { continue };
        found.extend(search.objects(&documents).iter().flat_map(|place| fields_of(place, file, &bytes)));
    }
    found
}

fn renames(image: &str, renamed: &Node) -> Problem {
    let new = renamed.as_str().unwrap_or_default();
    Problem {
        location: Some(renamed.span.location()),
        message: format!("a base turns {image} into {new}, so nothing above it can be matched by the old name"),
        help: Some(format!("Write {new} in `images` of the app in .github/trunkline.yaml.")),
    }
}

fn in_values(survey: &Survey, field: &VersionField) -> Problem {
    let (what, key) = match field.holder {
        Holder::OciRef => ("an OCIRepository", "spec.ref.tag"),
        _ => ("Helm values", "tag"),
    };
    let (there, own) = (field.location.file.parent(), &survey.home);
    Problem {
        location: Some(field.location.location()),
        message: format!("the tag of {} is part of {what} in {there}, which other environments share", field.image),
        help: Some(format!(
            "Give {own} a patch of that object that sets its own `{key}: {}`; from then on it is promoted there.",
            if field.value.is_empty() { "<tag>" } else { &field.value }
        )),
    }
}

fn variable(field: &VersionField) -> Problem {
    Problem {
        location: Some(field.location.location()),
        message: format!("the tag of {} is the variable `{}`, which Flux fills in", field.image, field.value),
        help: Some(
            "Name the field that holds the variable's value under `writes` of the app in .github/trunkline.yaml."
                .to_owned(),
        ),
    }
}
