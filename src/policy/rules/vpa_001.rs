//! VPA-001: two autoscalers do not pull at one rope.

use super::{E, Hit, Rule, W};
use crate::manifest::{Node, Object};
use crate::policy::world::{World, namespace_of};

pub(super) const RULE: Rule = Rule {
    id: "VPA-001",
    title: "No vertical autoscaler changes what a horizontal one measures.",
    severities: [W, W, E],
    why: "Each answers the other: more pods make requests smaller, smaller requests make more pods, and neither comes to rest.",
    fix: "Set the VerticalPodAutoscaler's `updateMode: \"Off\"`, limit its `controlledResources`, or scale by another metric.",
    good: "# file: env/scale.yaml
apiVersion: autoscaling.k8s.io/v1
kind: VerticalPodAutoscaler
metadata: { name: shop }
spec:
  targetRef: { apiVersion: apps/v1, kind: Deployment, name: shop }
  resourcePolicy: { containerPolicies: [{ containerName: '*', controlledResources: [memory] }] }
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: { name: shop }
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: shop }
  maxReplicas: 4
  metrics: [{ type: Resource, resource: { name: cpu, target: { type: Utilization, averageUtilization: 80 } } }]
",
    bad: "# file: env/scale.yaml
apiVersion: autoscaling.k8s.io/v1
kind: VerticalPodAutoscaler
metadata: { name: shop }
spec: { targetRef: { apiVersion: apps/v1, kind: Deployment, name: shop } }
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: { name: shop }
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: shop }
  maxReplicas: 4
  metrics: [{ type: Resource, resource: { name: cpu, target: { type: Utilization, averageUtilization: 80 } } }]
",
    check,
};

/// Who is scaled: namespace, kind and name.
type Target<'a> = (&'a str, &'a str, &'a str);

fn target<'a>(scaler: &'a Object, field: &str) -> Target<'a> {
    let at = |key| scaler.node.str_at(&["spec", field, key]).unwrap_or_default();
    (namespace_of(scaler), at("kind"), at("name"))
}

fn check(world: &World) -> Vec<Hit> {
    let mut measured: std::collections::HashMap<Target, Vec<&str>> = std::collections::HashMap::new();
    for scaler in world.of("autoscaling", "HorizontalPodAutoscaler") {
        let metrics = scaler.node.list_at(&["spec", "metrics"]).iter();
        // An absolute value stays what it is when requests change.
        let shares = metrics.filter(|metric| metric.at(&["resource", "target", "averageUtilization"]).is_some());
        let mut names: Vec<&str> = shares.filter_map(|metric| metric.str_at(&["resource", "name"])).collect();
        let old = scaler.node.at(&["spec", "targetCPUUtilizationPercentage"]);
        names.extend(old.map(|_| "cpu"));
        measured.entry(target(scaler, "scaleTargetRef")).or_default().extend(names);
    }
    let judge = |scaler: &Object| {
        let names = measured.get(&target(scaler, "targetRef"))?;
        let both = names.iter().find(|name| controls(scaler, name))?;
        let message =
            format!("changes the {both} request that a HorizontalPodAutoscaler of the same target measures by");
        Some(Hit::at_key(scaler, &["spec", "targetRef", "name"], message))
    };
    world.of("autoscaling.k8s.io", "VerticalPodAutoscaler").filter_map(judge).collect()
}

/// Whether it changes this resource of at least one container.
fn controls(scaler: &Object, resource: &str) -> bool {
    let mode = scaler.node.at(&["spec", "updatePolicy", "updateMode"]);
    // `Off` without quotes is a boolean.
    if mode.is_some_and(|mode| mode.as_str() == Some("Off") || mode.as_bool() == Some(false)) {
        return false;
    }
    let policies = scaler.node.list_at(&["spec", "resourcePolicy", "containerPolicies"]);
    policies.is_empty()
        || policies.iter().any(|policy| {
            let controlled = policy.list_at(&["controlledResources"]);
            let listed = controlled.is_empty() || controlled.iter().any(|one| one.as_str() == Some(resource));
            let off = policy
                .get("mode")
                .is_some_and(|mode: &Node| mode.as_str() == Some("Off") || mode.as_bool() == Some(false));
            listed && !off
        })
}
