//! IMG-003: production pins its images by digest.

use std::collections::BTreeMap;

use super::common::image_parts;
use super::{Hit, I, Rule, W};
use crate::policy::world::{World, is_placeholder};

pub(super) const RULE: Rule = Rule {
    id: "IMG-003",
    title: "Where most images are pinned by digest, all are.",
    severities: [None, I, W],
    why: "A tag can be moved: the next node may pull other bytes than those that were tested, and nothing in git says so.",
    fix: "Add the digest behind the tag: `name:v1@sha256:…`; with `registries` in the configuration Trunkline writes it.",
    good: "# file: env/pod.yaml
apiVersion: v1
kind: Pod
metadata: { name: shop }
spec:
  containers:
    - { name: shop, image: 'shop:v1@sha256:0000000000000000000000000000000000000000000000000000000000000000' }
",
    bad: "# file: env/pod.yaml
apiVersion: v1
kind: Pod
metadata: { name: shop }
spec:
  containers:
    - { name: shop, image: 'shop:v1@sha256:0000000000000000000000000000000000000000000000000000000000000000' }
    - { name: proxy, image: 'proxy:v1' }
",
    check,
};

/// Images of one place, such as `ghcr.io/acme`, are pinned by the same people in the same way: where fewer than half of them are, nobody has
/// chosen to, and what comes from elsewhere is not theirs to pin. The version is no part of the message: a new one breaks nothing anew.
fn check(world: &World) -> Vec<Hit> {
    let mut places: BTreeMap<&str, (usize, Vec<Hit>)> = BTreeMap::new();
    for workload in &world.workloads {
        for container in workload.containers() {
            let Some(node) = container.node.get("image") else { continue };
            let Some(image) = node.as_str().filter(|image| !is_placeholder(image)) else { continue };
            let (name, tag, digest) = image_parts(image);
            let (pinned, bare) = places.entry(name.rsplit_once('/').map_or("", |(place, _)| place)).or_default();
            match (tag, digest) {
                (_, Some(_)) => *pinned += 1,
                // One without a tag is another rule's (IMG-001).
                (Some(_), None) => {
                    let of = container.name();
                    let message =
                        format!("image `{name}` of container `{of}` has no digest, while most beside it have one");
                    bare.push(Hit::new(workload.object, node, message));
                }
                (None, None) => {}
            }
        }
    }
    places.into_values().filter(|(pinned, bare)| *pinned >= bare.len()).flat_map(|(_, bare)| bare).collect()
}
