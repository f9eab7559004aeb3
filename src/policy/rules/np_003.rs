//! NP-003: who calls may call.

use std::collections::HashSet;

use super::np_001::Policies;
use super::ref_002::called_by;
use super::{E, Hit, Rule, W};
use crate::manifest::{Node, Object, Value};
use crate::policy::world::{Workload, World, name_of, namespace_of, same_namespace};

pub(super) const RULE: Rule = Rule {
    id: "NP-003",
    title: "NetworkPolicies allow what the pods' own settings say they call.",
    severities: [W, W, E],
    why: "A call that no policy allows hangs until it times out, which looks like an outage of the side that is called.",
    fix: "Allow it on both sides: egress of the caller, ingress of the called, to the port of the pod.",
    good: "# file: env/app.yaml
apiVersion: v1
kind: Pod
metadata: { name: shop, labels: { app: shop } }
spec: { containers: [{ name: shop, image: shop:v1, env: [{ name: DB, value: 'db:5432' }] }] }
---
apiVersion: v1
kind: Pod
metadata: { name: db, labels: { app: db } }
spec: { containers: [{ name: db, image: postgres:17 }] }
---
apiVersion: v1
kind: Service
metadata: { name: db }
spec: { selector: { app: db }, ports: [{ port: 5432 }] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: db }
spec:
  podSelector: { matchLabels: { app: db } }
  ingress: [{ from: [{ podSelector: { matchLabels: { app: shop } } }], ports: [{ port: 5432 }] }]
",
    bad: "# file: env/app.yaml
apiVersion: v1
kind: Pod
metadata: { name: shop, labels: { app: shop } }
spec: { containers: [{ name: shop, image: shop:v1, env: [{ name: DB, value: 'db:5432' }] }] }
---
apiVersion: v1
kind: Pod
metadata: { name: db, labels: { app: db } }
spec: { containers: [{ name: db, image: postgres:17 }] }
---
apiVersion: v1
kind: Service
metadata: { name: db }
spec: { selector: { app: db }, ports: [{ port: 5432 }] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: db }
spec:
  podSelector: { matchLabels: { app: db } }
  ingress: [{ from: [{ podSelector: { matchLabels: { app: admin } } }], ports: [{ port: 5432 }] }]
",
    check,
};

/// A call between two workloads of this environment.
struct Call<'w, 'a> {
    caller: &'w Workload<'a>,
    called: &'w Workload<'a>,
    /// The setting that says so.
    at: &'a Node,
    /// The port of the pod, by number or name; nothing when it is not known.
    port: Option<&'a Node>,
}

/// Peers named by addresses, and namespaces whose labels are not here, are taken to fit: silence rather than a false alarm. That all
/// egress is open is a policy's own choice, and not judged.
fn check(world: &World) -> Vec<Hit> {
    let policies: Vec<&Object> = world.of("networking.k8s.io", "NetworkPolicy").collect();
    if policies.is_empty() {
        return Vec::new();
    }
    let policies = Sides { egress: Policies::of(&policies, "Egress"), ingress: Policies::of(&policies, "Ingress") };
    let served: HashSet<&str> = world.of("", "Service").map(namespace_of).collect();
    let mut hits = Vec::new();
    // One closed door is one fault, however many stand before it.
    let mut doors: HashSet<Door> = HashSet::new();
    for caller in &world.workloads {
        let mut asked = HashSet::new();
        for call in calls(world, caller, &served) {
            if !asked.insert((std::ptr::from_ref(call.called.object), call.port.map(std::ptr::from_ref))) {
                continue;
            }
            let Some((way, policy)) = judge(world, &policies, &call) else { continue };
            let (caller, called) = (call.caller.object, call.called.object);
            let closed = format!("no policy allows that {way} (NetworkPolicy `{policy}` denies what it does not name)");
            let (of, message) = match way {
                "egress" => (caller, format!("calls {}, and {closed}", call.called.name())),
                _ => (called, format!("is called, as this setting says, and {closed}")),
            };
            if doors.insert((std::ptr::from_ref(of), message.clone())) {
                hits.push(Hit::new(of, call.at, message));
            }
        }
    }
    hits
}

/// What keeps a call out, and how that is said: the called, or the caller and whom he calls.
type Door = (*const Object, String);

fn calls<'w, 'a>(world: &'w World<'a>, caller: &'w Workload<'a>, served: &HashSet<&'a str>) -> Vec<Call<'w, 'a>> {
    let mut all = Vec::new();
    for address in called_by(caller, served) {
        let Some(service) = world.find_of(("", "Service"), address.namespace, address.service) else { continue };
        let Some(selector) = service.node.at(&["spec", "selector"]) else { continue };
        let ports = service.node.list_at(&["spec", "ports"]);
        let is_meant = |port: &&Node| address.port.is_none() || port.get("port").and_then(Node::as_int) == address.port;
        let port = ports.iter().find(is_meant).and_then(|port| port.get("targetPort").or(port.get("port")));
        // The pods of one Service are alike as far as policies see; the first stands for them.
        if let Some(called) = world.selected(namespace_of(service), selector).next() {
            all.push(Call { caller, called, at: address.at, port });
        }
    }
    all
}

/// The policies of both directions.
struct Sides<'a> {
    egress: Policies<'a>,
    ingress: Policies<'a>,
}

/// The direction in which no policy lets the call pass, and one that denies it.
fn judge<'a>(world: &World<'a>, sides: &Sides<'a>, call: &Call<'_, 'a>) -> Option<(&'static str, &'a str)> {
    let ways = [
        ("egress", "to", &sides.egress, call.caller, call.called),
        ("ingress", "from", &sides.ingress, call.called, call.caller),
    ];
    for (field, peers, policies, own, other) in ways {
        let over: Vec<&'a Object> = policies.over(own).collect();
        let Some(first) = over.first() else { continue };
        let rules = || {
            over.iter().flat_map(|policy| policy.node.list_at(&["spec", field]).iter().map(move |rule| (policy, rule)))
        };
        let fits = |(policy, rule): (&&Object, &Node)| {
            opens(rule, call)
                && (rule.list_at(&[peers]).is_empty()
                    || rule.list_at(&[peers]).iter().any(|peer| meets(world, policy, peer, other)))
        };
        if !rules().any(fits) {
            return Some((field, name_of(first)));
        }
    }
    None
}

/// Whether a rule is open to the port of the call.
fn opens(rule: &Node, call: &Call) -> bool {
    let ports = rule.list_at(&["ports"]);
    let Some(wanted) = call.port.filter(|_| !ports.is_empty()) else { return true };
    // A name stands for the number that the container lists under it, and the other way round.
    let listed = call.called.containers().flat_map(|container| container.node.list_at(&["ports"]));
    let mut alike = vec![wanted];
    for port in listed {
        if port.get("name") == Some(wanted) || port.get("containerPort") == Some(wanted) {
            alike.extend(port.get("name").into_iter().chain(port.get("containerPort")));
        }
    }
    ports.iter().any(|port| match port.get("port") {
        None => true,
        Some(own) => {
            let last = port.get("endPort").and_then(Node::as_int);
            alike.iter().any(|wanted| match (&own.value, &wanted.value) {
                (Value::Int(first), Value::Int(number)) => (*first..=last.unwrap_or(*first)).contains(number),
                (own, wanted) => own == wanted,
            })
        }
    })
}

/// Whether a peer of a rule may be this workload's pods.
fn meets(world: &World, policy: &Object, peer: &Node, pods: &Workload) -> bool {
    if peer.get("ipBlock").is_some() {
        return true;
    }
    let labels = |selector: &Node| {
        selector.get("matchLabels").filter(|labels| labels.as_map().is_some_and(|map| !map.is_empty())).cloned()
    };
    let is_here = match peer.get("namespaceSelector") {
        None => same_namespace(namespace_of(policy), namespace_of(pods.object)),
        Some(selector) => match labels(selector) {
            None => true,
            Some(labels) => is_of(world, namespace_of(pods.object), &labels),
        },
    };
    let fits = peer.get("podSelector").and_then(labels).is_none_or(|labels| pods.has_labels(&labels));
    is_here && fits
}

/// Whether a namespace may have these labels: its name is always one of them, and of one that is not here nothing more is known.
fn is_of(world: &World, namespace: &str, labels: &Node) -> bool {
    let own =
        world.find_of(("", "Namespace"), "", namespace).and_then(|object| object.node.at(&["metadata", "labels"]));
    labels.as_map().is_none_or(|map| {
        map.iter().all(|(key, value)| match key.text.as_str() {
            "kubernetes.io/metadata.name" => namespace.is_empty() || value.as_str() == Some(namespace),
            key => own.is_none_or(|own| own.get(key) == Some(value)),
        })
    })
}
