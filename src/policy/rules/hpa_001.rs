//! HPA-001: an autoscaler can do its work.

use super::{E, Hit, Rule};
use crate::manifest::{Node, Object};
use crate::policy::world::{World, namespace_of};

pub(super) const RULE: Rule = Rule {
    id: "HPA-001",
    title: "An autoscaler's target exists, its bounds are in order, and what it measures is requested.",
    severities: [E; 3],
    why: "An autoscaler that cannot compute does nothing, which shows only under load.",
    fix: "Correct `scaleTargetRef`, the bounds, or add the missing requests to the target's containers.",
    good: "# file: env/app.yaml
apiVersion: apps/v1
kind: Deployment
metadata: { name: shop }
spec: { template: { spec: { containers: [{ name: shop, image: shop:v1, resources: { requests: { cpu: 10m } } }] } } }
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: { name: shop }
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: shop }
  minReplicas: 2
  maxReplicas: 4
  metrics: [{ type: Resource, resource: { name: cpu, target: { type: Utilization, averageUtilization: 80 } } }]
",
    bad: "# file: env/app.yaml
apiVersion: apps/v1
kind: Deployment
metadata: { name: shop }
spec: { template: { spec: { containers: [{ name: shop, image: shop:v1 }] } } }
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: { name: shop }
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: shop }
  minReplicas: 5
  maxReplicas: 4
  metrics: [{ type: Resource, resource: { name: cpu, target: { type: Utilization, averageUtilization: 80 } } }]
",
    check,
};

fn check(world: &World) -> Vec<Hit> {
    let mut hits = Vec::new();
    for scaler in world.of("autoscaling", "HorizontalPodAutoscaler") {
        let spec = |key| scaler.node.at(&["spec", key]);
        if let (Some(min), Some(max)) = (spec("minReplicas"), spec("maxReplicas"))
            && let (Some(low), Some(high)) = (min.as_int(), max.as_int())
            && low > high
        {
            hits.push(Hit::new(scaler, min, format!("`minReplicas` {low} is more than `maxReplicas` {high}")));
        }
        let Some(target) = spec("scaleTargetRef") else { continue };
        let kind = target.str_at(&["kind"]).unwrap_or_default();
        let name = target.str_at(&["name"]).unwrap_or_default();
        let namespace = namespace_of(scaler);
        match world.find(namespace, kind, name) {
            Some(found) => hits.extend(unrequested(world, scaler, found)),
            None if world.makes_unseen(namespace) || world.made_by_operator(namespace, name) => {}
            None => {
                let message = format!("scales {kind} `{name}`, which this environment does not have");
                hits.push(Hit::new(scaler, target.get("name").unwrap_or(target), message));
            }
        }
    }
    hits
}

/// Utilisation is a share of the request; with one container that requests nothing the autoscaler computes nothing.
fn unrequested(world: &World, scaler: &Object, target: &Object) -> Vec<Hit> {
    let workload = world.workloads.iter().find(|workload| std::ptr::eq(workload.object, target));
    let Some(workload) = workload.filter(|workload| !super::wl_002::has_defaults(world, namespace_of(workload.object)))
    else {
        return Vec::new();
    };
    let mut hits = Vec::new();
    for metric in scaler.node.list_at(&["spec", "metrics"]) {
        let Some(resource) = metric.str_at(&["resource", "name"]) else { continue };
        if metric.at(&["resource", "target", "averageUtilization"]).is_none() {
            continue;
        }
        let requests = |node: &Node| {
            let at = |list| node.at(&["resources", list, resource]).is_some();
            at("requests") || at("limits")
        };
        let bare = workload.containers().find(|container| !container.init && !requests(container.node));
        if let Some(container) = bare {
            let message = format!(
                "scales by {resource} utilisation, but container `{}` of {} requests no {resource}",
                container.name(),
                target.name()
            );
            hits.push(Hit::new(scaler, metric.at(&["resource", "name"]).unwrap_or(metric), message));
        }
    }
    hits
}
