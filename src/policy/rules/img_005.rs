//! IMG-005: where Flux reads tags as versions, it can.

use std::collections::HashMap;

use super::common::image_parts;
use super::{E, Hit, Rule, W};
use crate::manifest::{Node, Object};
use crate::policy::Class;
use crate::policy::world::{World, name_of, namespace_of};

pub(super) const RULE: Rule = Rule {
    id: "IMG-005",
    title: "Tags and ranges that Flux reads as versions are ones it can read.",
    severities: [W, E, E],
    why: "Flux's image policies pass over a tag like `v1.0` in silence, and a range without a pre-release never chooses one.",
    fix: "Tag with three numbers (`v1.0.0`), choose another policy, or write a range such as `>=1.0.0-0` where pre-releases go.",
    good: "# file: env/image.yaml
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: { name: shop }
spec: { image: ghcr.io/acme/shop }
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: { name: shop }
spec: { imageRepositoryRef: { name: shop }, policy: { semver: { range: '>=1.0.0' } } }
---
apiVersion: v1
kind: Pod
metadata: { name: shop }
spec: { containers: [{ name: shop, image: 'ghcr.io/acme/shop:v1.0.0' }] }
",
    bad: "# file: env/image.yaml
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: { name: shop }
spec: { image: ghcr.io/acme/shop }
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: { name: shop }
spec: { imageRepositoryRef: { name: shop }, policy: { semver: { range: '>=1.0.0' } } }
---
apiVersion: v1
kind: Pod
metadata: { name: shop }
spec: { containers: [{ name: shop, image: 'ghcr.io/acme/shop:v1.0' }] }
",
    check,
};

/// Only where Flux itself reads tags: Trunkline takes `v1.0` for the version it is. A policy that extracts the version from the tag
/// (`filterTags`) may read any.
fn check(world: &World) -> Vec<Hit> {
    let mut hits = Vec::new();
    let mut read: HashMap<&str, &Object> = HashMap::new();
    for policy in world.of("image.toolkit.fluxcd.io", "ImagePolicy") {
        let Some(range) = policy.node.at(&["spec", "policy", "semver", "range"]) else { continue };
        let repository = policy.node.str_at(&["spec", "imageRepositoryRef", "name"]).unwrap_or_default();
        let repository =
            world.find_of(("image.toolkit.fluxcd.io", "ImageRepository"), namespace_of(policy), repository);
        let Some(image) = repository.and_then(|repository| repository.node.str_at(&["spec", "image"])) else {
            continue;
        };
        if policy.node.at(&["spec", "filterTags"]).is_none() {
            read.insert(image, policy);
        }
        hits.extend(no_prereleases(world, policy, range, image));
    }
    if read.is_empty() {
        return hits;
    }
    for workload in &world.workloads {
        for container in workload.containers() {
            let Some(node) = container.node.get("image") else { continue };
            let (name, tag, _) = image_parts(node.as_str().unwrap_or_default());
            if let (Some(policy), Some(tag)) = (read.get(name), tag.filter(|tag| is_short_version(tag))) {
                let policy = name_of(policy);
                let message = format!("tag `{tag}` has no three numbers, so ImagePolicy `{policy}` never chooses it");
                hits.push(Hit::new(workload.object, node, message));
            }
        }
    }
    hits
}

/// Of an application's own image, in an environment that takes pre-releases.
fn no_prereleases(world: &World, policy: &Object, range: &Node, image: &str) -> Option<Hit> {
    let text = range.as_str()?;
    let is_own = world.apps.iter().flat_map(|app| &app.images).any(|own| own.name == image);
    if world.class != Class::Stage || !is_own || text.contains('-') {
        return None;
    }
    let message = format!("range `{text}` chooses no pre-release, and this environment takes them");
    Some(Hit::new(policy, range, message))
}

/// `v1`, `1.0`, `v1.0-rc.1`: a version of fewer than three numbers.
fn is_short_version(tag: &str) -> bool {
    let tag = tag.strip_prefix('v').unwrap_or(tag);
    let core = tag.split(['-', '+']).next().unwrap_or_default();
    let parts: Vec<&str> = core.split('.').collect();
    parts.len() < 3 && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}
