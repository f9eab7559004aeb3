//! NP-001: what is not allowed is denied.

use std::collections::{BTreeMap, HashMap};

use super::common::is_part_of_flux;
use super::{E, Hit, Rule, W, and};
use crate::manifest::{Node, Object};
use crate::policy::world::{Workload, World, namespace_of, same_namespace};

pub(super) const RULE: Rule = Rule {
    id: "NP-001",
    title: "Where NetworkPolicies are used, every application's namespace denies by default, in and out.",
    severities: [None, W, E],
    why: "A pod that no policy covers may speak to everybody and be spoken to by everybody, whatever the other policies allow.",
    fix: "Add a NetworkPolicy with `podSelector: {}` and `policyTypes: [Ingress, Egress]` and no rules to the namespace.",
    good: "# file: env/app.yaml
apiVersion: v1
kind: Pod
metadata: { name: shop, labels: { app: shop } }
spec: { containers: [] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: deny }
spec: { podSelector: {}, policyTypes: [Ingress, Egress] }
",
    bad: "# file: env/app.yaml
apiVersion: v1
kind: Pod
metadata: { name: shop, labels: { app: shop } }
spec: { containers: [] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: shop }
spec: { podSelector: { matchLabels: { app: shop } }, policyTypes: [Ingress] }
",
    check,
};

/// A namespace is judged when this environment runs pods in it and uses NetworkPolicies at all; one without any may be guarded by a mesh, by
/// Cilium, or by the platform, none of which is seen here.
fn check(world: &World) -> Vec<Hit> {
    let policies: Vec<&Object> =
        world.of("networking.k8s.io", "NetworkPolicy").filter(|policy| !is_part_of_flux(policy)).collect();
    let others = ["CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy", "AdminNetworkPolicy", "GlobalNetworkPolicy"];
    if policies.is_empty() || world.objects.iter().any(|object| others.contains(&object.kind())) {
        return Vec::new();
    }
    let mut namespaces: BTreeMap<&str, Vec<&Workload>> = BTreeMap::new();
    for workload in world.workloads.iter().filter(|one| one.is_long_running()) {
        namespaces.entry(namespace_of(workload.object)).or_default().push(workload);
    }
    let ways = ["Ingress", "Egress"].map(|way| (way, Policies::of(&policies, way)));
    let judge = |(namespace, pods): (&str, Vec<&Workload>)| {
        let is_open = |(_, policies): &&(&str, Policies)| pods.iter().any(|pod| policies.over(pod).next().is_none());
        let open: Vec<String> = ways.iter().filter(is_open).map(|(way, _)| way.to_lowercase()).collect();
        let open: Vec<&str> = open.iter().map(String::as_str).collect();
        let (first, _) = (pods.first()?, open.first()?);
        let whose =
            if namespace.is_empty() { "this environment".to_owned() } else { format!("namespace `{namespace}`") };
        let near = policies.iter().copied().find(|policy| same_namespace(namespace_of(policy), namespace));
        let message = format!("no policy denies {} by default to all pods of {whose}", and(&open));
        Some(Hit::on(near.unwrap_or(first.object), message))
    };
    namespaces.into_iter().filter_map(judge).collect()
}

/// The policies that restrict one direction: most name one label, and are found by it.
pub(super) struct Policies<'a> {
    by_label: HashMap<(&'a str, &'a str), Vec<&'a Object>>,
    others: Vec<&'a Object>,
}

impl<'a> Policies<'a> {
    pub(super) fn of(all: &[&'a Object], way: &str) -> Self {
        let mut policies = Self { by_label: HashMap::new(), others: Vec::new() };
        for policy in all.iter().copied().filter(|policy| restricts(policy, way)) {
            match only_label(policy) {
                Some(label) => policies.by_label.entry(label).or_default().push(policy),
                None => policies.others.push(policy),
            }
        }
        policies
    }

    /// Those that cover a pod.
    pub(super) fn over<'p>(&'p self, pod: &'p Workload<'a>) -> impl Iterator<Item = &'a Object> + 'p {
        let labels =
            pod.template.at(&["metadata", "labels"]).and_then(Node::as_map).into_iter().flat_map(|map| map.iter());
        let named = labels.filter_map(|(key, value)| self.by_label.get(&(key.text.as_str(), value.as_str()?)));
        let near = |policy: &&Object| same_namespace(namespace_of(policy), namespace_of(pod.object));
        named.flatten().chain(&self.others).copied().filter(near).filter(|policy| covers(policy, pod))
    }
}

/// Whether a policy says something of this direction; without `policyTypes` it speaks of ingress, and of egress where it has rules for it.
fn restricts(policy: &Object, way: &str) -> bool {
    let types = policy.node.list_at(&["spec", "policyTypes"]);
    if types.is_empty() {
        return way == "Ingress" || policy.node.at(&["spec", "egress"]).is_some();
    }
    types.iter().any(|one| one.as_str() == Some(way))
}

fn only_label(policy: &Object) -> Option<(&str, &str)> {
    let selector = policy.node.at(&["spec", "podSelector"])?;
    let labels = selector.get("matchLabels")?.as_map().filter(|map| map.len() == 1)?;
    let (key, value) = labels.iter().next()?;
    selector.get("matchExpressions").is_none().then_some((key.text.as_str(), value.as_str()?))
}

/// Whether a policy's selector covers a pod; expressions are taken to, which errs towards silence.
fn covers(policy: &Object, pod: &Workload) -> bool {
    match policy.node.at(&["spec", "podSelector", "matchLabels"]) {
        Some(labels) if labels.as_map().is_some_and(|map| !map.is_empty()) => pod.has_labels(labels),
        _ => true,
    }
}
