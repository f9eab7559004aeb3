//! FLUX-009: a tenant deploys with a tenant's rights.

use std::collections::HashSet;

use super::common::{HELM_RELEASE, KUSTOMIZATION};
use super::{E, Hit, Rule, W};
use crate::policy::world::{World, namespace_of};

pub(super) const RULE: Rule = Rule {
    id: "FLUX-009",
    title: "A tenant's Kustomizations and HelmReleases use the tenant's account and sources.",
    severities: [None, W, E],
    why: "Without `serviceAccountName` Flux applies with its own rights, which are the cluster's: the tenant's limits are none.",
    fix: "Set `spec.serviceAccountName` to the tenant's account, and name a source in the tenant's own namespace.",
    good: "# file: env/tenant.yaml
apiVersion: v1
kind: ServiceAccount
metadata: { name: dev-team, namespace: dev-team, labels: { toolkit.fluxcd.io/tenant: dev-team } }
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: apps, namespace: dev-team }
spec: { serviceAccountName: dev-team, sourceRef: { kind: GitRepository, name: dev-team } }
",
    bad: "# file: env/tenant.yaml
apiVersion: v1
kind: ServiceAccount
metadata: { name: dev-team, namespace: dev-team, labels: { toolkit.fluxcd.io/tenant: dev-team } }
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: apps, namespace: dev-team }
spec: { sourceRef: { kind: GitRepository, name: platform, namespace: flux-system } }
",
    check,
};

/// A tenant is whom `flux create tenant` gave an account, which bears its label; a namespace without one is the platform's own business.
fn check(world: &World) -> Vec<Hit> {
    let labelled = |label: &&crate::manifest::Object| {
        label.node.at(&["metadata", "labels"]).is_some_and(|labels| labels.get("toolkit.fluxcd.io/tenant").is_some())
    };
    let tenants: HashSet<&str> = world.of("", "ServiceAccount").filter(labelled).map(namespace_of).collect();
    let mut hits = Vec::new();
    for (of, source) in
        [(KUSTOMIZATION, &["spec", "sourceRef"][..]), (HELM_RELEASE, &["spec", "chart", "spec", "sourceRef"])]
    {
        for object in world.of(of.0, of.1).filter(|object| tenants.contains(namespace_of(object))) {
            let tenant = namespace_of(object);
            if object.node.at(&["spec", "serviceAccountName"]).is_none() {
                let message = format!("deploys into tenant `{tenant}` with Flux's own rights: no `serviceAccountName`");
                hits.push(Hit::at_key(object, &["spec", "serviceAccountName"], message));
            }
            let elsewhere = object.node.at(source).and_then(|source| source.get("namespace"));
            if let Some(node) = elsewhere
                && let Some(name) = node.as_str().filter(|name| *name != tenant)
            {
                let message = format!("takes its content from namespace `{name}`, which is not the tenant's");
                hits.push(Hit::new(object, node, message));
            }
        }
    }
    hits
}
