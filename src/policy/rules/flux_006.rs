//! FLUX-006: no variable is left over.

use super::{E, Hit, Rule};
use crate::manifest::{Node, Object, Value};
use crate::policy::world::World;

pub(super) const RULE: Rule = Rule {
    id: "FLUX-006",
    title: "No variable is left where it means nothing.",
    severities: [E; 3],
    why: "A Kustomization without `postBuild` applies `${name}` as it stands: an image or host of that name does not exist.",
    fix: "Set the variable under `spec.postBuild.substitute` of the Kustomization, or write the value.",
    good: "# file: clusters/prod/flux.yaml
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: apps, namespace: flux-system }
spec: { path: ./apps, sourceRef: { kind: GitRepository, name: flux-system }, postBuild: { substitute: { TAG: v1 } } }
# file: apps/pod.yaml
apiVersion: v1
kind: Pod
metadata: { name: shop }
spec: { containers: [{ name: shop, image: 'ghcr.io/acme/shop:${TAG}' }] }
",
    bad: "# file: clusters/prod/flux.yaml
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: apps, namespace: flux-system }
spec: { path: ./apps, sourceRef: { kind: GitRepository, name: flux-system } }
# file: apps/pod.yaml
apiVersion: v1
kind: Pod
metadata: { name: shop }
spec: { containers: [{ name: shop, image: 'ghcr.io/acme/shop:${TAG}' }] }
",
    check,
};

/// Where variables are replaced, one without a value is told by the renderer (KUST-001): Flux stops at it. Left over are those that nobody
/// replaces. In commands, settings and texts of any kind `${…}` may be a shell's or a template's, so only names, hosts and images count;
/// and where it is not known who applies the folder, somebody may replace them.
fn check(world: &World) -> Vec<Hit> {
    let mut hits = Vec::new();
    for (by, objects) in world.layers() {
        let Some(by) = by.filter(|by| by.at(&["spec", "postBuild"]).is_none()) else { continue };
        let name = by.str_at(&["metadata", "name"]).unwrap_or_default();
        for object in objects {
            for node in places(object) {
                if node.as_str().is_some_and(is_variable) {
                    let text = node.as_str().unwrap_or_default();
                    let message = format!("`{text}` stays as it is: Kustomization `{name}` replaces no variables");
                    hits.push(Hit::new(object, node, message));
                }
            }
        }
    }
    hits
}

/// `${name}`, with nothing unusual in it.
fn is_variable(text: &str) -> bool {
    let inside = text.split_once("${").and_then(|(_, rest)| rest.split_once('}')).map(|(inside, _)| inside);
    inside.is_some_and(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
}

/// The fields of an object that Kubernetes reads as names.
fn places(object: &Object) -> Vec<&Node> {
    let mut all: Vec<&Node> = Vec::new();
    all.extend(["name", "namespace"].iter().filter_map(|key| object.node.at(&["metadata", key])));
    let template = object.node.at(&["spec", "template"]).filter(|node| matches!(node.value, Value::Map(_)));
    let pod = template.unwrap_or(&object.node);
    let containers = pod.list_at(&["spec", "containers"]).iter().chain(pod.list_at(&["spec", "initContainers"]));
    all.extend(containers.filter_map(|container| container.get("image")));
    if matches!(object.kind(), "Ingress" | "HTTPRoute") {
        all.extend(object.node.list_at(&["spec", "rules"]).iter().filter_map(|rule| rule.get("host")));
        all.extend(object.node.list_at(&["spec", "hostnames"]));
    }
    all
}
