//! IMG-004: images from catalogs nobody serves any more.

use super::common::image_parts;
use super::{E, Hit, Rule, W};
use crate::policy::world::World;

pub(super) const RULE: Rule = Rule {
    id: "IMG-004",
    title: "No image comes from a closed catalog.",
    severities: [W, W, E],
    why: "The catalog is frozen or gone: the next node that pulls the image may not find it, and it gets no security fixes.",
    fix: "Move to the image its makers publish today, or to a mirror of your own.",
    good: "# file: env/pod.yaml
apiVersion: v1
kind: Pod
metadata: { name: pause }
spec: { containers: [{ name: pause, image: registry.k8s.io/pause:3.10 }] }
",
    bad: "# file: env/pod.yaml
apiVersion: v1
kind: Pod
metadata: { name: pause }
spec: { containers: [{ name: pause, image: k8s.gcr.io/pause:3.5 }] }
",
    check,
};

/// What is closed, and where its images live now.
const DEAD: &[(&str, &str)] = &[
    ("docker.io/bitnami/", "Bitnami's public catalog closed in 2025"),
    ("index.docker.io/bitnami/", "Bitnami's public catalog closed in 2025"),
    ("bitnami/", "Bitnami's public catalog closed in 2025"),
    ("k8s.gcr.io/", "it was frozen in 2023; `registry.k8s.io` took over"),
];

fn check(world: &World) -> Vec<Hit> {
    let mut hits = Vec::new();
    for workload in &world.workloads {
        for container in workload.containers() {
            let Some(node) = container.node.get("image") else { continue };
            let Some(image) = node.as_str() else { continue };
            if let Some((_, why)) = DEAD.iter().find(|(prefix, _)| image.starts_with(prefix)) {
                // A new version breaks nothing anew, so it is no part of the message.
                let (name, of) = (image_parts(image).0, container.name());
                let message = format!("image `{name}` of container `{of}` comes from a closed catalog: {why}");
                hits.push(Hit::new(workload.object, node, message));
            }
        }
    }
    hits
}
