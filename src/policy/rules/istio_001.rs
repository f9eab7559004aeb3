//! ISTIO-001: a VirtualService leads somewhere.

use std::collections::HashMap;

use super::{E, Hit, Rule};
use crate::manifest::{Node, Object};
use crate::model::finding::Severity;
use crate::policy::world::{World, namespace_of};

pub(super) const RULE: Rule = Rule {
    id: "ISTIO-001",
    title: "A VirtualService's destinations, subsets and gateways exist, and its weights add up.",
    severities: [E; 3],
    why: "The mesh answers 503 for a destination or subset that is not there, and takes the route without a complaint.",
    fix: "Name a Service of this environment, a subset of its DestinationRule, and weights that add up to 100.",
    good: "# file: env/route.yaml
apiVersion: v1
kind: Service
metadata: { name: shop, namespace: shop }
spec: { clusterIP: None, ports: [{ port: 80 }] }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: shop, namespace: shop }
spec: { host: shop, subsets: [{ name: v1 }, { name: v2 }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: shop, namespace: shop }
spec:
  hosts: [shop]
  http:
    - route:
        - { destination: { host: shop, subset: v1 }, weight: 90 }
        - { destination: { host: shop, subset: v2 }, weight: 10 }
",
    bad: "# file: env/route.yaml
apiVersion: v1
kind: Service
metadata: { name: shop, namespace: shop }
spec: { clusterIP: None, ports: [{ port: 80 }] }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: shop, namespace: shop }
spec: { host: shop, subsets: [{ name: v1 }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: shop, namespace: shop }
spec:
  hosts: [shop]
  http:
    - route:
        - { destination: { host: shop, subset: v1 }, weight: 90 }
        - { destination: { host: shop, subset: v2 }, weight: 20 }
    - route: [{ destination: { host: shopp } }]
",
    check,
};

const GROUP: &str = "networking.istio.io";

/// Hosts outside the cluster, and Services of namespaces that are not here, are not missed.
fn check(world: &World) -> Vec<Hit> {
    let subsets = subsets(world);
    let services = services(world);
    let mut hits = Vec::new();
    for route in world.of(GROUP, "VirtualService") {
        let entries = ["http", "tcp", "tls"].into_iter().flat_map(|kind| route.node.list_at(&["spec", kind]));
        for entry in entries {
            let targets = entry.list_at(&["route"]);
            for target in targets.iter().filter_map(|target| target.get("destination")).chain(entry.get("mirror")) {
                hits.extend(destination(world, route, target, (&subsets, &services)));
            }
            hits.extend(weights(route, targets));
        }
        for gateway in route.node.list_at(&["spec", "gateways"]) {
            hits.extend(self::gateway(world, route, gateway));
        }
    }
    hits
}

/// The subsets of each Service, by namespace and name; nothing for a host that no rule is for.
fn subsets<'a>(world: &World<'a>) -> HashMap<(&'a str, &'a str), Vec<&'a str>> {
    let mut all: HashMap<_, Vec<&str>> = HashMap::new();
    for rule in world.of(GROUP, "DestinationRule") {
        if let Some(service) = rule.node.str_at(&["spec", "host"]).and_then(|host| service_of(host, namespace_of(rule)))
        {
            let names = rule.node.list_at(&["spec", "subsets"]).iter().filter_map(|subset| subset.str_at(&["name"]));
            all.entry(service).or_default().extend(names);
        }
    }
    all
}

/// How many Services each namespace has here.
fn services<'a>(world: &World<'a>) -> HashMap<&'a str, usize> {
    let mut all = HashMap::new();
    for service in world.of("", "Service") {
        *all.entry(namespace_of(service)).or_default() += 1;
    }
    all
}

/// The Service and namespace of a host inside the cluster.
fn service_of<'a>(host: &'a str, own: &'a str) -> Option<(&'a str, &'a str)> {
    match host.split('.').collect::<Vec<_>>().as_slice() {
        [name] if *name != "*" => Some((own, name)),
        [name, namespace, "svc", ..] if *name != "*" => Some((namespace, name)),
        _ => None,
    }
}

type Known<'m, 'a> = (&'m HashMap<(&'a str, &'a str), Vec<&'a str>>, &'m HashMap<&'a str, usize>);

fn destination(world: &World, route: &Object, target: &Node, (subsets, services): Known) -> Option<Hit> {
    let host = target.get("host")?;
    let (namespace, name) = service_of(host.as_str()?, namespace_of(route))?;
    if name.contains("${") {
        return None;
    }
    if world.find_of(("", "Service"), namespace, name).is_none() {
        let listed = world.of(GROUP, "ServiceEntry").any(|entry| entry.node.list_at(&["spec", "hosts"]).contains(host));
        let is_canary = name.strip_suffix("-primary").or(name.strip_suffix("-canary")).is_some();
        let unknown = !services.contains_key(namespace) || world.makes_unseen(namespace);
        if listed || is_canary || unknown || world.made_by_operator(namespace, name) {
            return None;
        }
        return Some(Hit::new(
            route,
            host,
            format!("sends requests to Service `{name}`, which this environment does not have"),
        ));
    }
    let (node, subset) = (target.get("subset")?, target.str_at(&["subset"])?);
    let known = subsets.get(&(namespace, name))?;
    (!known.contains(&subset)).then(|| {
        Hit::new(route, node, format!("sends requests to subset `{subset}`, which no DestinationRule of `{name}` has"))
    })
}

/// Newer meshes take weights as shares of their sum, older ones refuse them.
fn weights(route: &Object, targets: &[Node]) -> Option<Hit> {
    let weights: Option<Vec<i64>> = targets.iter().map(|target| target.get("weight").and_then(Node::as_int)).collect();
    let sum: i64 = weights.filter(|all| all.len() > 1)?.into_iter().fold(0, i64::saturating_add);
    if sum == 100 {
        return None;
    }
    let at = targets.last().and_then(|target| target.get("weight"))?;
    Some(Hit::new(route, at, format!("the weights of this route add up to {sum}, not 100")).at_most(Severity::Warning))
}

fn gateway(world: &World, route: &Object, node: &Node) -> Option<Hit> {
    let text = node.as_str().filter(|text| *text != "mesh")?;
    let (namespace, name) = text.split_once('/').unwrap_or((namespace_of(route), text));
    let near = world.leads_nowhere((GROUP, "Gateway"), namespace, name)?;
    let message = format!("hangs on Gateway `{text}`, which is not there{near}");
    Some(Hit::new(route, node, message))
}
