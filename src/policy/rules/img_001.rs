//! IMG-001: an image says which version it is.

use super::{E, Hit, Rule, W};
use crate::policy::world::{World, is_placeholder};

pub(super) const RULE: Rule = Rule {
    id: "IMG-001",
    title: "Every image has a tag other than `latest`, or a digest.",
    severities: [W, E, E],
    why: "What `latest` means changes under a running environment, so what was tested is not what runs, and a rollback goes nowhere.",
    fix: "Name the version, such as `:v1.0`, or pin the digest.",
    good: "# file: env/pod.yaml
apiVersion: v1
kind: Pod
metadata: { name: shop }
spec: { containers: [{ name: shop, image: ghcr.io/acme/shop:v1.0 }] }
",
    bad: "# file: env/pod.yaml
apiVersion: v1
kind: Pod
metadata: { name: shop }
spec: { containers: [{ name: shop, image: ghcr.io/acme/shop }] }
",
    check,
};

fn check(world: &World) -> Vec<Hit> {
    let mut hits = Vec::new();
    for workload in &world.workloads {
        for container in workload.containers() {
            let Some(node) = container.node.get("image") else { continue };
            let Some(image) = node.as_str().filter(|image| !is_placeholder(image) && !image.contains('@')) else {
                continue;
            };
            let name = super::common::image_parts(image).0;
            let wrong = match image.get(name.len() + 1..) {
                None => "has no tag, which means `latest`",
                Some("latest") => "is tagged `latest`",
                Some(_) => continue,
            };
            hits.push(Hit::new(
                workload.object,
                node,
                format!("image `{image}` of container `{}` {wrong}", container.name()),
            ));
        }
    }
    hits
}
