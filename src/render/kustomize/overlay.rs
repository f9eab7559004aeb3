//! What a Flux `Kustomization` adds to the kustomization of the folder it applies, as Flux writes it in before the build.

use super::form::{Form, Text, note};
use super::spec::{self, Image, Spec};
use crate::manifest::node::Node;
use crate::model::finding::Problem;
use crate::model::path::RepoPath;
use crate::render::source::Source;

/// Writes into the kustomization of `folder` what Flux adds; nothing when something is wrong, which is noted.
pub(super) fn write(source: &mut Source<'_>, folder: &RepoPath, spec: &mut Spec, flux: &Node) -> Option<()> {
    let tree = source.tree;
    let exists = |text: &str| folder.join(text).is_ok_and(|path| tree.resolve(&path).is_ok());
    let mut problems = Vec::new();
    add(spec, flux, &exists, &mut problems);
    let sound = problems.is_empty();
    problems.into_iter().for_each(|problem| source.add_problem(problem));
    sound.then_some(())
}

/// Writes the fields of `flux`, the `spec` of a Flux Kustomization, into `spec`.
///
/// Namespace, prefix and suffix take the place of the folder's own; patches and components come after them; images are merged by name.
/// `exists` tells whether a component's folder is there.
fn add(spec: &mut Spec, flux: &Node, exists: &dyn Fn(&str) -> bool, problems: &mut Vec<Problem>) {
    let mut form = Form::new("spec", flux, problems);
    for (slot, name) in
        [(&mut spec.namespace, "targetNamespace"), (&mut spec.prefix, "namePrefix"), (&mut spec.suffix, "nameSuffix")]
    {
        if let Some(text) = form.text(name) {
            *slot = Some(text);
        }
    }
    spec.patches.extend(spec::each(&mut form, "patches", spec::read_patch));
    let ignore_missing = form.flag("ignoreMissingComponents");
    for component in form.texts("components") {
        if super::is_remote(&component.value) || component.value.starts_with('/') {
            let message = format!("the component `{}` is not a folder of this repository", component.value);
            note(form.problems, &component.span, message, "Flux takes only paths relative to the folder it applies.");
        } else if !ignore_missing || exists(&component.value) {
            spec.components.push(component);
        }
    }
    for image in spec::each(&mut form, "images", spec::image).into_iter().flatten() {
        merge(&mut spec.images, image);
    }
}

/// A tag and a digest both say the version, so either takes the place of both.
fn merge(images: &mut Vec<Image>, image: Image) {
    let Some(own) = images.iter_mut().find(|own| own.name.value == image.name.value) else {
        return images.push(image);
    };
    let set = |slot: &mut Option<Text>, text: Option<Text>| *slot = text.or(slot.take());
    set(&mut own.new_name, image.new_name);
    if image.new_tag.is_some() || image.digest.is_some() {
        (own.new_tag, own.digest) = (image.new_tag, image.digest);
    }
    own.span = image.span;
}
