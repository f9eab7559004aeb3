//! NP-002: who may talk out may also ask for names.

use std::collections::HashMap;

use super::np_001::Policies;
use super::{E, Hit, Rule, W};
use crate::manifest::{Node, Object, Value};
use crate::policy::world::{Workload, World, namespace_of, same_namespace};

pub(super) const RULE: Rule = Rule {
    id: "NP-002",
    title: "Where egress is restricted, DNS stays allowed.",
    severities: [W, E, E],
    why: "Without DNS a pod reaches nothing by name, not even what the policy allows, and the error looks like an outage of the other side.",
    fix: "Allow egress to port 53 over UDP and TCP, for instance to namespace `kube-system`.",
    good: "# file: env/policy.yaml
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: shop }
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to: [{ namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: kube-system } } }]
      ports: [{ protocol: UDP, port: 53 }, { protocol: TCP, port: 53 }]
",
    bad: "# file: env/policy.yaml
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: shop }
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - ports: [{ protocol: TCP, port: 5432 }]
",
    check,
};

/// Policies add up, so each is judged by what all policies over the same pods allow together.
fn check(world: &World) -> Vec<Hit> {
    let policies: Vec<&Object> =
        world.of("networking.k8s.io", "NetworkPolicy").filter(|policy| restricts_egress(policy)).collect();
    let egress = Policies::of(&policies, "Egress");
    // For each policy the first pod it covers that may not ask for names, if there is one.
    let mut covering: HashMap<*const Object, Option<(&Workload, &'static str)>> = HashMap::new();
    for workload in &world.workloads {
        let over: Vec<&Object> = egress.over(workload).collect();
        let found = missing(over.iter().copied()).map(|missing| (workload, missing));
        for policy in over {
            let first = covering.entry(std::ptr::from_ref(policy)).or_default();
            *first = first.or(found);
        }
    }
    let judge = |policy: &&Object| judge(&policies, policy, covering.get(&std::ptr::from_ref(*policy)));
    policies.iter().filter_map(judge).collect()
}

fn judge(policies: &[&Object], policy: &Object, covering: Option<&Option<(&Workload, &'static str)>>) -> Option<Hit> {
    let written = policy.node.at(&["spec", "egress"]).is_some();
    let at = ["spec", if written { "egress" } else { "policyTypes" }];
    if let Some(covering) = covering {
        let (workload, missing) = (*covering)?;
        let message = format!("restricts egress of {}, and nothing allows it DNS over {missing}", workload.name());
        return Some(Hit::at_key(policy, &at, message));
    }
    // A plain "deny all" beside no pods is a floor that the applications' own policies, in folders of their own, build on.
    if policy.node.list_at(&["spec", "egress"]).is_empty() {
        return None;
    }
    let near = policies.iter().filter(|other| same_namespace(namespace_of(other), namespace_of(policy)));
    let missing = missing(near.filter(|other| contains(other, policy)).copied())?;
    Some(Hit::at_key(policy, &at, format!("restricts egress and does not allow DNS over {missing}")))
}

fn restricts_egress(policy: &Object) -> bool {
    let types = policy.node.list_at(&["spec", "policyTypes"]);
    if types.is_empty() {
        policy.node.at(&["spec", "egress"]).is_some()
    } else {
        types.iter().any(|kind| kind.as_str() == Some("Egress"))
    }
}

/// Whether every pod of `inner` is one of `outer`: its labels are fewer.
fn contains(outer: &Object, inner: &Object) -> bool {
    let labels = |policy: &'_ Object| {
        policy.node.at(&["spec", "podSelector", "matchLabels"]).and_then(Node::as_map).cloned().unwrap_or_default()
    };
    let inner = labels(inner);
    labels(outer).iter().all(|(key, value)| inner.get(&key.text) == Some(value))
}

fn missing<'a>(policies: impl Iterator<Item = &'a Object>) -> Option<&'static str> {
    let (mut udp, mut tcp) = (false, false);
    for rule in policies.flat_map(|policy| policy.node.list_at(&["spec", "egress"])) {
        if reaches_dns(rule) {
            udp |= opens(rule, "UDP");
            tcp |= opens(rule, "TCP");
        }
    }
    match (udp, tcp) {
        (true, true) => None,
        (false, false) => Some("UDP and TCP port 53"),
        (false, true) => Some("UDP port 53"),
        (true, false) => Some("TCP port 53, which long answers need"),
    }
}

/// A peer named by pod labels alone is in the same namespace, where the cluster's DNS is not.
fn reaches_dns(rule: &Node) -> bool {
    let to = rule.list_at(&["to"]);
    to.is_empty() || to.iter().any(|peer| peer.get("namespaceSelector").is_some() || peer.get("ipBlock").is_some())
}

fn opens(rule: &Node, protocol: &str) -> bool {
    let ports = rule.list_at(&["ports"]);
    let open = |port: &Node| {
        let same = port.str_at(&["protocol"]).unwrap_or("TCP") == protocol;
        let last = port.get("endPort").and_then(Node::as_int);
        same && match port.get("port").map(|port| &port.value) {
            None | Some(Value::Null) => true,
            Some(Value::Int(first)) => (*first..=last.unwrap_or(*first)).contains(&53),
            // CoreDNS calls its ports `dns` and `dns-tcp`.
            Some(Value::String(name)) => name.starts_with("dns"),
            Some(_) => false,
        }
    };
    ports.is_empty() || ports.iter().any(open)
}
