//! HPA-002: one hand on the number of replicas.

use super::{E, Hit, Rule};
use crate::policy::world::{World, namespace_of};

pub(super) const RULE: Rule = Rule {
    id: "HPA-002",
    title: "A workload under an autoscaler leaves `spec.replicas` out.",
    severities: [E; 3],
    why: "Flux sets the written number again at every reconciliation, and the autoscaler undoes it: pods come and go under load.",
    fix: "Remove `spec.replicas` (and any `replicas` entry of a kustomization); the autoscaler's minimum takes its place.",
    good: "# file: env/app.yaml
apiVersion: apps/v1
kind: Deployment
metadata: { name: shop }
spec: { template: { spec: { containers: [{ name: shop, image: shop:v1 }] } } }
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: { name: shop }
spec: { scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: shop }, minReplicas: 2, maxReplicas: 4 }
",
    bad: "# file: env/app.yaml
apiVersion: apps/v1
kind: Deployment
metadata: { name: shop }
spec: { replicas: 2, template: { spec: { containers: [{ name: shop, image: shop:v1 }] } } }
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: { name: shop }
spec: { scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: shop }, minReplicas: 2, maxReplicas: 4 }
",
    check,
};

fn check(world: &World) -> Vec<Hit> {
    let mut hits = Vec::new();
    let scalers = [
        ("autoscaling", "HorizontalPodAutoscaler", "scaleTargetRef"),
        ("keda.sh", "ScaledObject", "scaleTargetRef"),
        ("flagger.app", "Canary", "targetRef"),
    ];
    for (group, kind, field) in scalers {
        for scaler in world.of(group, kind) {
            let Some(target) = scaler.node.at(&["spec", field]) else { continue };
            // KEDA leaves the kind out when it means a Deployment.
            let target_kind = target.str_at(&["kind"]).unwrap_or("Deployment");
            let name = target.str_at(&["name"]).unwrap_or_default();
            let Some(object) = world.find(namespace_of(scaler), target_kind, name) else { continue };
            let Some(replicas) = object.node.at(&["spec", "replicas"]) else { continue };
            let by = scaler.name();
            let message = format!("`spec.replicas` is set, while {kind} `{}` decides the number", by.name);
            if !hits.iter().any(|hit: &Hit| hit.object.as_ref() == Some(&object.name())) {
                hits.push(Hit::new(object, replicas, message));
            }
        }
    }
    hits
}
