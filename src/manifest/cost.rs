//! What an environment asks its cluster for: requests of the pods that stay, times their replicas, and volumes.
//!
//! Left out is what nobody knows from the manifests: how many nodes a DaemonSet runs on, how often a job runs, what a chart brings.

use std::collections::HashMap;

use super::node::{Node, Object, Value};
use super::quantity::thousandths;
use crate::model::finding::Cost;

/// More replicas are no plan but a slip, and the sum must stay a number.
const MAX_REPLICAS: u64 = 100_000;

/// What the objects ask for in all.
pub fn cost(objects: &[Object]) -> Cost {
    let scaled: HashMap<(&str, &str, &str), u64> = objects.iter().filter_map(least).collect();
    let mut sum = Cost::default();
    for object in objects {
        let spec = object.node.get("spec");
        let Some(spec) = spec else { continue };
        match object.kind() {
            "PersistentVolumeClaim" => add(&mut sum, &volume(spec), 1),
            "Pod" => add(&mut sum, &pod(spec), 1),
            "Deployment" | "StatefulSet" | "ReplicaSet" | "ReplicationController" | "Rollout" => {
                let name = object.node.str_at(&["metadata", "name"]).unwrap_or_default();
                let scaled = scaled.get(&(namespace(object), object.kind(), name)).copied();
                let replicas = scaled.unwrap_or_else(|| count(spec.get("replicas"), 1));
                if let Some(template) = spec.at(&["template", "spec"]) {
                    add(&mut sum, &pod(template), replicas);
                }
                for claim in spec.list_at(&["volumeClaimTemplates"]) {
                    claim.get("spec").iter().for_each(|spec| add(&mut sum, &volume(spec), replicas));
                }
            }
            _ => {}
        }
    }
    sum
}

fn namespace(object: &Object) -> &str {
    object.node.str_at(&["metadata", "namespace"]).unwrap_or_default()
}

/// The workload a HorizontalPodAutoscaler scales, and the fewest pods it leaves.
fn least(object: &Object) -> Option<((&str, &str, &str), u64)> {
    if object.kind() != "HorizontalPodAutoscaler" {
        return None;
    }
    let target = object.node.at(&["spec", "scaleTargetRef"])?;
    let key = (namespace(object), target.str_at(&["kind"])?, target.str_at(&["name"])?);
    Some((key, count(object.node.at(&["spec", "minReplicas"]), 1)))
}

fn count(node: Option<&Node>, default: u64) -> u64 {
    node.and_then(Node::as_int).and_then(|number| u64::try_from(number).ok()).unwrap_or(default).min(MAX_REPLICAS)
}

fn add(sum: &mut Cost, one: &Cost, times: u64) {
    let more = |sum: &mut u64, one: u64| *sum = sum.saturating_add(one.saturating_mul(times));
    more(&mut sum.cpu, one.cpu);
    more(&mut sum.memory, one.memory);
    more(&mut sum.volumes, one.volumes);
}

/// What the scheduler sets aside for a pod: its containers with the sidecars, or the hungriest of those that run before them.
fn pod(spec: &Node) -> Cost {
    let mut stays = Cost::default();
    let mut most = Cost::default();
    for container in spec.list_at(&["initContainers"]) {
        let own = requests(container);
        if container.str_at(&["restartPolicy"]) == Some("Always") {
            add(&mut stays, &own, 1);
        } else {
            let mut together = stays.clone();
            add(&mut together, &own, 1);
            most = Cost { cpu: most.cpu.max(together.cpu), memory: most.memory.max(together.memory), volumes: 0 };
        }
    }
    spec.list_at(&["containers"]).iter().for_each(|container| add(&mut stays, &requests(container), 1));
    Cost { cpu: most.cpu.max(stays.cpu), memory: most.memory.max(stays.memory), volumes: 0 }
}

/// A container's requests; where it has only a limit, the API server takes that.
fn requests(container: &Node) -> Cost {
    let of = |what| {
        let at = |side| container.at(&["resources", side, what]).and_then(amount);
        at("requests").or_else(|| at("limits")).unwrap_or_default()
    };
    Cost { cpu: of("cpu"), memory: of("memory").div_ceil(1_000), volumes: 0 }
}

fn volume(spec: &Node) -> Cost {
    let storage = spec.at(&["resources", "requests", "storage"]).and_then(amount).unwrap_or_default();
    Cost { volumes: storage.div_ceil(1_000), ..Cost::default() }
}

fn amount(node: &Node) -> Option<u64> {
    match &node.value {
        Value::Int(number) => thousandths(&number.to_string()),
        Value::Float(number) => thousandths(&number.to_string()),
        Value::String(text) => thousandths(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{load, objects};
    use crate::model::path::RepoPath;

    fn of(text: &str) -> (u64, u64, u64) {
        let Cost { cpu, memory, volumes } = cost(&objects(&load(&RepoPath::root(), text.as_bytes())).0);
        (cpu, memory >> 20, volumes >> 30)
    }

    #[test]
    fn requests_times_replicas_and_volumes() {
        let text = "apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  replicas: 3
  template:
    spec:
      initContainers:
      - {name: proxy, restartPolicy: Always, resources: {requests: {cpu: 50m}}}
      - {name: prepare, resources: {requests: {cpu: 1, memory: 64Mi}}}
      containers:
      - {name: db, resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {cpu: 2}}}
      - {name: log, resources: {limits: {cpu: 0.2}}}
  volumeClaimTemplates:
  - {metadata: {name: data}, spec: {resources: {requests: {storage: 10Gi}}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: extra}
spec: {resources: {requests: {storage: 5Gi}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: now-and-then}
spec: {template: {spec: {containers: [{name: a, resources: {requests: {cpu: 9}}}]}}}
";
        assert_eq!(of(text), (3 * 1050, 3 * 128, 35));
        let scaler = |min: &str| {
            format!(
                "{text}---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: db, namespace: shop}}\n\
                 spec: {{scaleTargetRef: {{apiVersion: apps/v1, kind: StatefulSet, name: db}}{min}, maxReplicas: 9}}\n"
            )
        };
        assert_eq!(of(&scaler(", minReplicas: 5")), (5 * 1050, 5 * 128, 55));
        assert_eq!(of(&scaler("")), (1050, 128, 15));
        assert_eq!(of(&text.replace("replicas: 3", "replicas: ${n}")), (1050, 128, 15));
        assert_eq!(of(&text.replace("replicas: 3", "replicas: 99999999999999999")).2, 1_000_005);
    }
}
