//! PROM-001: each environment has a version of its own.

use super::common::image_parts;
use super::{E, Hit, Rule, W};
use crate::policy::world::World;

pub(super) const RULE: Rule = Rule {
    id: "PROM-001",
    title: "An environment's version stands in its own folder.",
    severities: [None, W, E],
    why: "A version in a shared base is every environment's at once: changing it there deploys to production without its gates.",
    fix: "Add the image to `images` of the kustomization in the environment's folder; the first promotion does it by itself.",
    good: "# file: env/kustomization.yaml
resources: [../base]
images: [{ name: ghcr.io/acme/shop, newTag: v1 }]
# file: base/kustomization.yaml
resources: [pod.yaml]
# file: base/pod.yaml
apiVersion: v1
kind: Pod
metadata: { name: shop }
spec: { containers: [{ name: shop, image: ghcr.io/acme/shop }] }
",
    bad: "# file: env/kustomization.yaml
resources: [../base]
# file: base/kustomization.yaml
resources: [pod.yaml]
# file: base/pod.yaml
apiVersion: v1
kind: Pod
metadata: { name: shop }
spec: { containers: [{ name: shop, image: 'ghcr.io/acme/shop:v1' }] }
",
    check,
};

/// Only images of configured applications: of others nobody promotes a version. Once an image, at its first place.
fn check(world: &World) -> Vec<Hit> {
    let mut said = std::collections::HashSet::new();
    let mut hits = Vec::new();
    for workload in &world.workloads {
        for container in workload.containers() {
            let Some(node) = container.node.get("image") else { continue };
            let (name, tag, digest) = image_parts(node.as_str().unwrap_or_default());
            let app = world.apps.iter().find(|app| app.images.iter().any(|image| image.name == name));
            let Some(app) = app.filter(|_| tag.is_some() || digest.is_some()) else { continue };
            if node.span.file.is_within(world.folder) || !said.insert(name) {
                continue;
            }
            let message = format!(
                "the version of `{}` stands in `{}`, outside this environment's folder",
                app.name, node.span.file
            );
            hits.push(Hit::new(workload.object, node, message));
        }
    }
    hits
}
