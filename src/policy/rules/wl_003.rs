//! WL-003: a node may go without taking the service along.

use std::collections::HashMap;

use super::{E, Hit, Rule, W};
use crate::manifest::{Node, Object, Value};
use crate::model::finding::Severity;
use crate::policy::Class;
use crate::policy::world::{Workload, World, namespace_of};

pub(super) const RULE: Rule = Rule {
    id: "WL-003",
    title: "What serves requests has two pods, and a disruption budget that lets one of them go.",
    severities: [None, W, E],
    why: "Nodes are drained for every upgrade: a single pod is an outage then, and a budget that allows nothing stops the upgrade.",
    fix: "Run two replicas or more, and set `maxUnavailable: 1` in a PodDisruptionBudget that selects them.",
    good: "# file: env/app.yaml
apiVersion: apps/v1
kind: Deployment
metadata: { name: shop }
spec:
  replicas: 2
  selector: { matchLabels: { app: shop } }
  template: { metadata: { labels: { app: shop } }, spec: { containers: [{ name: shop, image: shop:v1 }] } }
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: { name: shop }
spec: { maxUnavailable: 1, selector: { matchLabels: { app: shop } } }
",
    bad: "# file: env/app.yaml
apiVersion: apps/v1
kind: Deployment
metadata: { name: shop }
spec:
  replicas: 2
  selector: { matchLabels: { app: shop } }
  template: { metadata: { labels: { app: shop } }, spec: { containers: [{ name: shop, image: shop:v1 }] } }
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: { name: shop }
spec: { minAvailable: 2, selector: { matchLabels: { app: shop } } }
",
    check,
};

/// A budget that lets nothing go is a fault for certain. One pod, or no budget, is a choice: told as a warning, in production only, and
/// only where some other workload shows that availability is meant (a single-pod environment is one by design).
fn check(world: &World) -> Vec<Hit> {
    let scaled = scaled(world);
    let budgets: Vec<&Object> = world.of("policy", "PodDisruptionBudget").collect();
    let mut hits: Vec<Hit> = budgets.iter().filter_map(|budget| blocks(world, budget, &scaled)).collect();
    let many = |workload: &&Workload| replicas(workload, &scaled).is_none_or(|count| count > 1);
    let is_meant = !budgets.is_empty() || world.workloads.iter().filter(|one| is_replicated(one)).any(|one| many(&one));
    if world.class == Class::Prod && is_meant {
        hits.extend(single(world, &scaled));
    }
    hits
}

fn is_replicated(workload: &Workload) -> bool {
    matches!(workload.object.kind(), "Deployment" | "StatefulSet" | "Rollout")
}

/// Workloads that a Service sends traffic to, and that run one pod.
fn single(world: &World, scaled: &HashMap<*const Object, i64>) -> Vec<Hit> {
    let mut said = std::collections::HashSet::new();
    let mut hits = Vec::new();
    for service in world.of("", "Service") {
        let Some(selector) = service.node.at(&["spec", "selector"]) else { continue };
        for workload in world.selected(namespace_of(service), selector).filter(|one| one.object.kind() == "Deployment")
        {
            let one = replicas(workload, scaled) == Some(1) && !super::wl_007::is_bound(workload);
            if one && said.insert(std::ptr::from_ref(workload.object)) {
                let message =
                    format!("runs one pod behind Service `{}`: it is away whenever its node is", service.name().name);
                hits.push(Hit::at_key(workload.object, &["spec", "replicas"], message).at_most(Severity::Warning));
            }
        }
    }
    hits
}

/// The least number of pods an autoscaler keeps, by its target.
fn scaled(world: &World) -> HashMap<*const Object, i64> {
    let kinds =
        [("autoscaling", "HorizontalPodAutoscaler", "minReplicas"), ("keda.sh", "ScaledObject", "minReplicaCount")];
    let mut least = HashMap::new();
    for (group, kind, field) in kinds {
        for scaler in world.of(group, kind) {
            let at = |key| scaler.node.str_at(&["spec", "scaleTargetRef", key]);
            let target =
                world.find(namespace_of(scaler), at("kind").unwrap_or("Deployment"), at("name").unwrap_or_default());
            if let Some(target) = target {
                let count = scaler.node.at(&["spec", field]).and_then(Node::as_int).unwrap_or(1);
                least.insert(std::ptr::from_ref(target), count);
            }
        }
    }
    least
}

/// How many pods there are at least; `None` where that is not written as a number.
fn replicas(workload: &Workload, scaled: &HashMap<*const Object, i64>) -> Option<i64> {
    if let Some(least) = scaled.get(&std::ptr::from_ref(workload.object)) {
        return Some(*least);
    }
    match workload.object.node.at(&["spec", "replicas"]) {
        None => Some(1),
        Some(node) => node.as_int(),
    }
}

/// A budget that lets no pod of what it selects go.
fn blocks<'a>(world: &World<'a>, budget: &'a Object, scaled: &HashMap<*const Object, i64>) -> Option<Hit> {
    let spec = |key| budget.node.at(&["spec", key]);
    if let Some(node) = spec("maxUnavailable") {
        let none = matches!(&node.value, Value::Int(0)) || matches!(node.as_str(), Some("0" | "0%"));
        return none.then(|| {
            Hit::new(budget, node, "`maxUnavailable: 0` lets no pod go: no node that has one can be drained".into())
        });
    }
    let node = spec("minAvailable")?;
    if node.as_str() == Some("100%") {
        return Some(Hit::new(
            budget,
            node,
            "`minAvailable: 100%` lets no pod go: no node that has one can be drained".into(),
        ));
    }
    let least = node.as_int()?;
    let selector = spec("selector").and_then(|selector| selector.get("matchLabels"))?;
    let selected: Vec<&Workload> =
        world.selected(namespace_of(budget), selector).filter(|one| is_replicated(one)).collect();
    let pods: i64 = selected.iter().map(|workload| replicas(workload, scaled)).sum::<Option<i64>>()?;
    // With a scaled workload there may be more pods than the least; only with exactly as many as must stay is it certain.
    if selected.is_empty()
        || pods == 0
        || least < pods
        || (least == pods && selected.iter().any(|one| is_scaled_up(one, scaled)))
    {
        return None;
    }
    Some(Hit::new(
        budget,
        node,
        format!("`minAvailable: {least}` of {pods} lets no pod go: no node that has one can be drained"),
    ))
}

/// Whether an autoscaler may run more pods than its least.
fn is_scaled_up(workload: &Workload, scaled: &HashMap<*const Object, i64>) -> bool {
    scaled.get(&std::ptr::from_ref(workload.object)).is_some_and(|least| *least > 1)
}
