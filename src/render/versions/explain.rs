//! Saying why a version cannot be written, or is not ours to write, and what would change that.

use std::collections::BTreeMap;

use super::look::Look;
use super::{Holder, Left, VersionField};
use crate::manifest::node::{Node, Span};
use crate::model::finding::Problem;
use crate::model::path::RepoPath;
use crate::model::pipeline::CHART;
use crate::model::tree::Tree;
use crate::render::kustomize::split_image;
use crate::render::render;

/// One problem for each carrier without a field. What uses an image is only known from a render.
pub(super) fn lost(tree: &Tree<'_>, folder: &RepoPath, look: &Look) -> Vec<Problem> {
    let mut used: Option<(bool, BTreeMap<String, Span>)> = None;
    let mut problems = Vec::new();
    for lost in &look.lost {
        if let Some(problem) = &lost.problem {
            problems.push(problem.clone());
            continue;
        }
        let (ok, images) = used.get_or_insert_with(|| {
            let rendered = render(tree, folder);
            let mut images = BTreeMap::new();
            rendered.objects.iter().for_each(|object| collect_images(&object.node, &mut images));
            (rendered.ok, images)
        });
        problems.push(unknown(folder, look, &lost.carrier, (*ok, images.get(&lost.carrier))));
    }
    problems
}

fn unknown(folder: &RepoPath, look: &Look, carrier: &str, (ok, used): (bool, Option<&Span>)) -> Problem {
    let configured = "Check `images` of the app in .github/trunkline.yaml.".to_owned();
    if let Some(chart) = carrier.strip_prefix(CHART) {
        let message = format!("no HelmRelease in {folder} sets a version of the chart {chart}");
        let help = "Write `spec.chart.spec.version` in the HelmRelease there, or in a patch of it.";
        return Problem { location: None, message, help: Some(help.to_owned()) };
    }
    let add = match &look.survey.root {
        Some(file) => format!("Add an `images:` entry with `name: {carrier}` and `newTag` to {file}."),
        None => "Write the image in a manifest there, or name the field that holds it under `writes`.".to_owned(),
    };
    let (message, help) = match used {
        Some(span) if !span.file.is_within(folder) => {
            let there = span.file.parent();
            (format!("the tag of {carrier} is set in {there}, which other environments share"), add)
        }
        Some(span) => (format!("the tag of {carrier} is set in {} in a way that cannot be written", span.file), add),
        None if ok => (format!("nothing in {folder} uses the image {carrier}"), configured),
        None => (format!("nothing in {folder} sets a version of {carrier}"), add),
    };
    Problem { location: used.map(Span::location), message, help: Some(help) }
}

/// Every image in an object by name, with the line that sets it. Recursion is bounded by the reader's depth limit.
fn collect_images(node: &Node, found: &mut BTreeMap<String, Span>) {
    if let Some(list) = node.as_list() {
        list.iter().for_each(|item| collect_images(item, found));
    }
    for (key, value) in node.as_map().into_iter().flat_map(|map| map.iter()) {
        match value.as_str() {
            Some(image) if key.text == "image" => {
                found.entry(split_image(image).0.to_owned()).or_insert_with(|| value.span.clone());
            }
            _ => collect_images(value, found),
        }
    }
}

/// An image that only a base sets, and the edit that makes it the environment's own.
pub(super) fn based(folder: &RepoPath, field: &VersionField) -> Problem {
    let there = field.location.file.parent();
    let message = match field.location.file.is_within(folder) {
        true => format!("the tag of {} is set by a patch inside {}", field.image, field.location.file),
        false => format!("the tag of {} is set in {there}, which other environments share", field.image),
    };
    let tag = if field.value.is_empty() { "latest" } else { &field.value };
    let help = format!(
        "The first promotion adds `images: [{{ name: {}, newTag: {tag} }}]` to {}, with its own tag; add that now to split it earlier.",
        field.image, field.file
    );
    Problem { location: Some(field.location.location()), message, help: Some(help) }
}

/// Why nothing here is ours to write, when all that holds the version is left to Flux.
pub fn left_alone(fields: &[VersionField]) -> Option<Problem> {
    if fields.iter().any(|field| field.left.is_none()) {
        return None;
    }
    fields.first().map(left)
}

/// Why one field is not written.
pub(super) fn left(field: &VersionField) -> Problem {
    let (message, help) = match field.left {
        Some(Left::Range) if field.holder == Holder::GitTag => (
            format!("Flux follows `{}` of the source here by itself", field.value),
            "Write `ref.tag` if Trunkline shall set the version.",
        ),
        Some(Left::Range) => (
            format!("`{}` lets Flux choose the version of {}, so it is left to Flux", field.value, field.image),
            "Write one exact version there if Trunkline shall set it.",
        ),
        Some(Left::Marker) | None => (
            format!("this line is written by Flux (`$imagepolicy`), so the version of {} is left to it", field.image),
            "Remove the marker comment if Trunkline shall set the version.",
        ),
    };
    Problem { location: Some(field.location.location()), message, help: Some(help.to_owned()) }
}
