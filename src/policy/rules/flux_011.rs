//! FLUX-011: Flux is told when an operator's object is well.

use std::collections::HashSet;

use super::{Hit, I, Rule, W};
use crate::manifest::Node;
use crate::policy::world::{World, group_of};

pub(super) const RULE: Rule = Rule {
    id: "FLUX-011",
    title: "A Kustomization that waits knows when objects without a standard status are ready.",
    severities: [I, I, W],
    why: "Flux takes a kind that reports no standard conditions for ready at once: a failed canary counts as healthy.",
    fix: "Add the kind to `spec.healthCheckExprs`; Flux's documentation has the expression for each of these kinds.",
    good: "# file: clusters/prod/flux.yaml
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: apps, namespace: flux-system }
spec:
  path: ./apps
  wait: true
  sourceRef: { kind: GitRepository, name: flux-system }
  healthCheckExprs: [{ apiVersion: flagger.app/v1beta1, kind: Canary, current: status.phase == 'Succeeded' }]
# file: apps/canary.yaml
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: { name: shop }
",
    bad: "# file: clusters/prod/flux.yaml
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: apps, namespace: flux-system }
spec: { path: ./apps, wait: true, sourceRef: { kind: GitRepository, name: flux-system } }
# file: apps/canary.yaml
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: { name: shop }
",
    check,
};

/// Kinds whose readiness Flux does not see by itself.
const SILENT: [(&str, &str); 3] =
    [("flagger.app", "Canary"), ("bitnami.com", "SealedSecret"), ("schemas.schemahero.io", "Table")];

fn check(world: &World) -> Vec<Hit> {
    let mut hits = Vec::new();
    for (by, objects) in world.layers() {
        let waits = |by: &&Node| by.at(&["spec", "wait"]).and_then(Node::as_bool) == Some(true);
        let Some(by) = by.filter(waits) else { continue };
        let known: HashSet<(&str, &str)> = by
            .list_at(&["spec", "healthCheckExprs"])
            .iter()
            .filter_map(|one| Some((one.str_at(&["apiVersion"])?.split('/').next()?, one.str_at(&["kind"])?)))
            .collect();
        let mut said = HashSet::new();
        for object in objects {
            let kind = (group_of(object), object.kind());
            if SILENT.contains(&kind) && !known.contains(&kind) && said.insert(kind) {
                let name = by.str_at(&["metadata", "name"]).unwrap_or_default();
                let message = format!("Kustomization `{name}` waits, and takes every {} for ready at once", kind.1);
                hits.push(Hit::at_key(object, &["kind"], message));
            }
        }
    }
    hits
}
