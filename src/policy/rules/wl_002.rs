//! WL-002: containers say what they need.

use super::{E, Hit, Rule, W, and};
use crate::policy::world::{World, namespace_of, same_namespace};

pub(super) const RULE: Rule = Rule {
    id: "WL-002",
    title: "Every container requests CPU and memory, and limits memory.",
    severities: [W, E, E],
    why: "Without requests the scheduler packs nodes blindly; without a memory limit one leak takes its neighbours down.",
    fix: "Set `resources.requests.cpu`, `resources.requests.memory` and `resources.limits.memory`.",
    good: "# file: env/pod.yaml
apiVersion: v1
kind: Pod
metadata: { name: shop }
spec:
  containers:
    - name: shop
      image: shop:v1
      resources: { requests: { cpu: 10m, memory: 64Mi }, limits: { memory: 64Mi } }
",
    bad: "# file: env/pod.yaml
apiVersion: v1
kind: Pod
metadata: { name: shop }
spec:
  containers:
    - name: shop
      image: shop:v1
      resources: { requests: { cpu: 10m } }
",
    check,
};

fn check(world: &World) -> Vec<Hit> {
    let mut hits = Vec::new();
    for workload in &world.workloads {
        if has_defaults(world, namespace_of(workload.object)) {
            continue;
        }
        for container in workload.containers().filter(|container| !container.init) {
            let resources = container.node.get("resources");
            let at = |path: &[&str]| resources.and_then(|resources| resources.at(path));
            // A limit alone is a request too: the API server copies it.
            let cpu = at(&["requests", "cpu"]).or(at(&["limits", "cpu"]));
            let memory = at(&["requests", "memory"]).or(at(&["limits", "memory"]));
            let missing: Vec<&str> =
                [(cpu, "a CPU request"), (memory, "a memory request"), (at(&["limits", "memory"]), "a memory limit")]
                    .into_iter()
                    .filter_map(|(found, name)| if found.is_none() { Some(name) } else { None })
                    .collect();
            if !missing.is_empty() {
                let place = resources.or(container.node.get("name")).unwrap_or(container.node);
                let message = format!("container `{}` lacks {}", container.name(), and(&missing));
                hits.push(Hit::new(workload.object, place, message));
            }
        }
    }
    hits
}

/// A LimitRange of the namespace fills in what a container leaves out.
pub(super) fn has_defaults(world: &World, namespace: &str) -> bool {
    world.of("", "LimitRange").any(|range| same_namespace(namespace_of(range), namespace))
}
