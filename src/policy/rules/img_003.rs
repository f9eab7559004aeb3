//! IMG-003: production pins its images by digest.

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

/// An environment that pins fewer than half of its images has not chosen to pin: there the rule would say the same of most containers, and
/// is silent.
fn check(world: &World) -> Vec<Hit> {
    let mut bare = Vec::new();
    let mut pinned = 0;
    for workload in &world.workloads {
        for container in workload.containers() {
            let Some(node) = container.node.get("image") else { continue };
            let Some(image) = node.as_str().filter(|image| !is_placeholder(image)) else { continue };
            match image_parts(image) {
                (_, _, Some(_)) => pinned += 1,
                // One without a tag is another rule's (IMG-001).
                (_, Some(_), None) => bare.push((workload.object, node, image, container.name())),
                _ => {}
            }
        }
    }
    let tell = |(object, node, image, name)| {
        Hit::new(object, node, format!("image `{image}` of container `{name}` has no digest, while most here have one"))
    };
    if pinned >= bare.len() { bare.into_iter().map(tell).collect() } else { Vec::new() }
}
