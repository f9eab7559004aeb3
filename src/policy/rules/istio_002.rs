//! ISTIO-002: the mesh encrypts.

use super::{E, Hit, Rule, W};
use crate::manifest::{Node, Object};
use crate::model::finding::Severity;
use crate::policy::world::{World, namespace_of};

pub(super) const RULE: Rule = Rule {
    id: "ISTIO-002",
    title: "PeerAuthentication is strict, and reaches pods of the mesh.",
    severities: [None, W, E],
    why: "With any other mode a pod outside the mesh may still speak in plain text, unnamed; without the mesh the policy does nothing.",
    fix: "Set `mtls.mode: STRICT`, and label the namespace `istio-injection: enabled` or `istio.io/dataplane-mode: ambient`.",
    good: "# file: env/mesh.yaml
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { istio-injection: enabled } }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: shop }
spec: { mtls: { mode: STRICT } }
",
    bad: "# file: env/mesh.yaml
apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: shop }
spec: { mtls: { mode: DISABLE } }
",
    check,
};

/// `PERMISSIVE` is how one moves into a mesh: a warning. Ports with a mode of their own are mostly probes, and left alone.
fn check(world: &World) -> Vec<Hit> {
    let mut hits = Vec::new();
    for policy in world.of("security.istio.io", "PeerAuthentication") {
        if let Some(mode) = policy.node.at(&["spec", "mtls", "mode"]) {
            match mode.as_str() {
                Some("DISABLE") => {
                    hits.push(Hit::new(policy, mode, "`DISABLE` lets everything through in plain text".into()))
                }
                Some("PERMISSIVE") => {
                    let message = "`PERMISSIVE` also takes what is not encrypted".to_owned();
                    hits.push(Hit::new(policy, mode, message).at_most(Severity::Warning));
                }
                _ => {}
            }
        }
        hits.extend(outside(world, policy));
    }
    hits
}

/// The namespace is here, and nothing in it says that its pods are in the mesh.
fn outside(world: &World, policy: &Object) -> Option<Hit> {
    let namespace = namespace_of(policy);
    // The mesh's own namespace holds what is meant for all others.
    if namespace.is_empty() || namespace == "istio-system" {
        return None;
    }
    let own = world.find_of(("", "Namespace"), "", namespace)?;
    let joins = |labels: Option<&Node>| {
        let keys = ["istio-injection", "istio.io/rev", "istio.io/dataplane-mode", "sidecar.istio.io/inject"];
        labels.is_some_and(|labels| keys.iter().any(|key| labels.get(key).is_some()))
    };
    let pods = world.workloads.iter().filter(|workload| namespace_of(workload.object) == namespace);
    let any_pod = pods.into_iter().any(|workload| joins(workload.template.at(&["metadata", "labels"])));
    if joins(own.node.at(&["metadata", "labels"])) || any_pod {
        return None;
    }
    let message = "has a PeerAuthentication, and no label that takes its pods into the mesh";
    Some(Hit::on(own, message.to_owned()))
}
