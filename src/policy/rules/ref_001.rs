//! REF-001: the configuration, secrets and accounts a pod needs are there.

use std::collections::HashSet;

use super::{E, Hit, Rule};
use crate::manifest::{Node, Object};
use crate::model::finding::Severity;
use crate::policy::world::{Workload, World, has_name, is_placeholder, namespace_of};

pub(super) const RULE: Rule = Rule {
    id: "REF-001",
    title: "Every ConfigMap, Secret and ServiceAccount a pod needs is made in its environment.",
    severities: [E; 3],
    why: "A pod that misses one never starts: the rollout hangs at CreateContainerConfigError.",
    fix: "Add the object (for a secret, an ExternalSecret), correct the name, or mark the reference `optional: true`.",
    good: "# file: env/app.yaml
apiVersion: v1
kind: Pod
metadata: { name: shop }
spec:
  containers:
    - { name: shop, image: shop:v1, envFrom: [{ configMapRef: { name: shop } }, { secretRef: { name: shop-db } }] }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: shop }
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: { name: database }
spec: { target: { name: shop-db } }
",
    bad: "# file: env/app.yaml
apiVersion: v1
kind: Pod
metadata: { name: shop }
spec:
  containers:
    - { name: shop, image: shop:v1, envFrom: [{ configMapRef: { name: shop } }, { secretRef: { name: shop-db } }] }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: shop }
",
    check,
};

/// One reference: the node that holds the name, and whether the pod starts without it.
struct Reference<'a> {
    kind: &'static str,
    name: &'a Node,
    optional: bool,
}

/// Where an environment makes none of a kind, they come from elsewhere (another folder, another tool, somebody's hand): what is missed is
/// then a warning and no fault for certain.
fn check(world: &World) -> Vec<Hit> {
    let made = Made::new(world);
    let mut hits = Vec::new();
    for workload in &world.workloads {
        let namespace = namespace_of(workload.object);
        let mut said = HashSet::new();
        for reference in references(workload) {
            let Some(name) = reference.name.as_str() else { continue };
            if reference.optional || is_placeholder(name) || made.has(world, reference.kind, namespace, name) {
                continue;
            }
            if said.insert((reference.kind, name)) {
                let message = format!("needs {} `{name}`, which nothing in this environment makes", reference.kind);
                let hit = Hit::new(workload.object, reference.name, message);
                hits.push(if made.any(reference.kind) { hit } else { hit.at_most(Severity::Warning) });
            }
        }
    }
    hits
}

struct Made<'a> {
    config_maps: HashSet<(&'a str, &'a str)>,
    secrets: HashSet<(&'a str, &'a str)>,
    accounts: HashSet<(&'a str, &'a str)>,
}

impl<'a> Made<'a> {
    fn new(world: &World<'a>) -> Self {
        let mut secrets = world.names("Secret");
        secrets.extend(world.objects.iter().filter_map(|object| Some((namespace_of(object), made_secret(object)?))));
        Self { config_maps: world.names("ConfigMap"), secrets, accounts: world.names("ServiceAccount") }
    }

    /// Whether the environment makes any of a kind.
    fn any(&self, kind: &str) -> bool {
        let names = match kind {
            "ConfigMap" => &self.config_maps,
            "ServiceAccount" => &self.accounts,
            _ => &self.secrets,
        };
        !names.is_empty()
    }

    fn has(&self, world: &World, kind: &str, namespace: &str, name: &str) -> bool {
        let (names, given): (_, &[&str]) = match kind {
            // Put into every namespace by the cluster itself, or by Istio.
            "ConfigMap" => (&self.config_maps, &["kube-root-ca.crt", "istio-ca-root-cert"]),
            "ServiceAccount" => (&self.accounts, &["default"]),
            _ => (&self.secrets, &[]),
        };
        given.contains(&name)
            || has_name(names, namespace, name)
            || world.made_by_operator(namespace, name)
            || world.makes_unseen(namespace)
    }
}

/// The Secret that a controller makes from this object.
fn made_secret(object: &Object) -> Option<&str> {
    let at = |path: &[&str]| object.node.str_at(path);
    let own = at(&["metadata", "name"]);
    match object.kind() {
        "ExternalSecret" => at(&["spec", "target", "name"]).or(own),
        "ClusterExternalSecret" => at(&["spec", "externalSecretName"]).or(own),
        "SealedSecret" => at(&["spec", "template", "metadata", "name"]).or(own),
        "VaultStaticSecret" | "VaultDynamicSecret" | "VaultPKISecret" | "HCPVaultSecretsApp" => {
            at(&["spec", "destination", "name"])
        }
        "Certificate" => at(&["spec", "secretName"]),
        _ => None,
    }
}

fn references<'a>(workload: &Workload<'a>) -> Vec<Reference<'a>> {
    let mut found = Vec::new();
    let mut add = |kind, holder: Option<&'a Node>, key| {
        let Some(holder) = holder else { return };
        let optional = holder.get("optional").and_then(Node::as_bool) == Some(true);
        found.extend(holder.get(key).map(|name| Reference { kind, name, optional }));
    };
    let Some(spec) = workload.spec() else { return Vec::new() };
    for container in workload.containers() {
        for from in container.node.list_at(&["envFrom"]) {
            add("ConfigMap", from.get("configMapRef"), "name");
            add("Secret", from.get("secretRef"), "name");
        }
        for env in container.node.list_at(&["env"]) {
            add("ConfigMap", env.at(&["valueFrom", "configMapKeyRef"]), "name");
            add("Secret", env.at(&["valueFrom", "secretKeyRef"]), "name");
        }
    }
    for volume in spec.list_at(&["volumes"]) {
        add("ConfigMap", volume.get("configMap"), "name");
        add("Secret", volume.get("secret"), "secretName");
        for source in volume.list_at(&["projected", "sources"]) {
            add("ConfigMap", source.get("configMap"), "name");
            add("Secret", source.get("secret"), "name");
        }
    }
    // Without its pull secret a pod is made all the same, and its private images are refused.
    spec.list_at(&["imagePullSecrets"]).iter().for_each(|secret| add("Secret", Some(secret), "name"));
    add("ServiceAccount", Some(spec), "serviceAccountName");
    found
}
