//! KUST-004: an `images` entry that matches nothing.

use super::common::image_parts;
use super::{E, Hit, Rule, W};
use crate::manifest::Node;
use crate::policy::world::World;

pub(super) const RULE: Rule = Rule {
    id: "KUST-004",
    title: "Every `images` entry of a kustomization matches a container.",
    severities: [W, E, E],
    why: "Kustomize says nothing when an entry matches no container, so a promotion that edits it changes nothing.",
    fix: "Write the image's name as the container has it, or remove the entry.",
    good: "# file: env/kustomization.yaml
resources: [pod.yaml]
images: [{ name: ghcr.io/acme/shop, newTag: v1.0 }]
# file: env/pod.yaml
apiVersion: v1
kind: Pod
metadata: { name: shop }
spec: { containers: [{ name: shop, image: ghcr.io/acme/shop }] }
",
    bad: "# file: env/kustomization.yaml
resources: [pod.yaml]
images: [{ name: acme/shop, newTag: v1.0 }]
# file: env/pod.yaml
apiVersion: v1
kind: Pod
metadata: { name: shop }
spec: { containers: [{ name: shop, image: ghcr.io/acme/shop }] }
",
    check,
};

/// Components are left out: they are written for many environments, of which one may lack an image. An entry counts as matched when a rendered image bears its old or its new name, when an image's text comes from it, or when another entry
/// goes on from where it ended; so chains of overlays raise no false alarm.
fn check(world: &World) -> Vec<Hit> {
    // Against objects that are not there, each entry would look like one for nothing.
    if !world.renders {
        return Vec::new();
    }
    let images: Vec<&Node> = world
        .workloads
        .iter()
        .flat_map(|workload| workload.containers())
        .filter_map(|container| container.node.get("image"))
        .collect();
    let entries = || {
        let own = world.kustomizations.iter().filter(|file| file.str_at(&["kind"]) != Some("Component"));
        own.flat_map(|file| file.list_at(&["images"]))
    };
    let name = |entry: &Node| entry.str_at(&["name"]).unwrap_or_default().to_owned();
    let matched = |entry: &Node| {
        let old = name(entry);
        let new = entry.str_at(&["newName"]).unwrap_or(&old);
        let made = |image: &&&Node| {
            image.span.file == entry.span.file && (entry.span.start..entry.span.end).contains(&image.span.start)
        };
        let named =
            |image: &&&Node| image.as_str().is_some_and(|image| [old.as_str(), new].contains(&image_parts(image).0));
        let onward = |other: &Node| name(other) == new && !std::ptr::eq(other, entry);
        images.iter().any(|image| made(&image) || named(&image)) || (new != old && entries().any(onward))
    };
    entries()
        .filter(|entry| entry.str_at(&["name"]).is_some() && !matched(entry))
        .map(|entry| {
            let message = format!("`images` names `{}`, and no container of this environment uses it", name(entry));
            Hit::in_file(entry.get("name").unwrap_or(entry).span.location(), message)
        })
        .collect()
}
