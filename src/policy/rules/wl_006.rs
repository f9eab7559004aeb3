//! WL-006: pods stay inside their own walls.

use super::{E, Hit, Rule, W};
use crate::manifest::Node;
use crate::policy::world::World;

pub(super) const RULE: Rule = Rule {
    id: "WL-006",
    title: "No privileged container, no `hostPath`, no host namespaces.",
    severities: [W, E, E],
    why: "Whoever breaks into such a pod holds the node, and with it every other pod there.",
    fix: "Remove it, or use a volume or capability made for the purpose.",
    good: "# file: env/pod.yaml
apiVersion: v1
kind: Pod
metadata: { name: shop }
spec:
  containers: [{ name: shop, image: shop:v1, securityContext: { privileged: false } }]
  volumes: [{ name: tmp, emptyDir: {} }]
",
    bad: "# file: env/pod.yaml
apiVersion: v1
kind: Pod
metadata: { name: shop }
spec:
  containers: [{ name: shop, image: shop:v1, securityContext: { privileged: true } }]
  volumes: [{ name: tmp, hostPath: { path: /tmp } }]
",
    check,
};

fn check(world: &World) -> Vec<Hit> {
    let mut hits = Vec::new();
    let is_true = |node: &&Node| node.as_bool() == Some(true);
    for workload in &world.workloads {
        for container in workload.containers() {
            if let Some(node) = container.node.at(&["securityContext", "privileged"]).filter(is_true) {
                hits.push(Hit::new(workload.object, node, format!("container `{}` is privileged", container.name())));
            }
        }
        let Some(spec) = workload.spec() else { continue };
        for volume in spec.list_at(&["volumes"]) {
            if let Some(node) = volume.get("hostPath") {
                let name = volume.str_at(&["name"]).unwrap_or_default();
                let path = node.str_at(&["path"]).unwrap_or_default();
                hits.push(Hit::new(workload.object, node, format!("volume `{name}` mounts `{path}` of the node")));
            }
        }
        for key in ["hostNetwork", "hostPID", "hostIPC"] {
            if let Some(node) = spec.get(key).filter(is_true) {
                hits.push(Hit::new(workload.object, node, format!("`{key}` shares the node's own")));
            }
        }
    }
    hits
}
