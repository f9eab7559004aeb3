//! REF-002: addresses inside the cluster lead somewhere.

use std::collections::HashSet;

use super::{E, Hit, Rule, W};
use crate::manifest::node::Key;
use crate::manifest::{Node, Object};
use crate::model::finding::Severity;
use crate::policy::world::{Workload, World, namespace_of};

pub(super) const RULE: Rule = Rule {
    id: "REF-002",
    title: "Addresses of Services in settings name a Service and port that exist.",
    severities: [W, W, E],
    why: "A wrong name or port shows only when the first request fails, in the pod that calls and not in the one that is meant.",
    fix: "Write the Service's name and one of its ports, as in `shop-db:5432` or `http://api.shop.svc:8080`.",
    good: "# file: env/app.yaml
apiVersion: v1
kind: Service
metadata: { name: db }
spec: { ports: [{ port: 5432 }] }
---
apiVersion: v1
kind: Pod
metadata: { name: shop }
spec: { containers: [{ name: shop, image: shop:v1, env: [{ name: DATABASE, value: 'db:5432' }] }] }
",
    bad: "# file: env/app.yaml
apiVersion: v1
kind: Service
metadata: { name: db }
spec: { ports: [{ port: 5432 }] }
---
apiVersion: v1
kind: Pod
metadata: { name: shop }
spec:
  containers:
    - name: shop
      image: shop:v1
      env: [{ name: DATABASE, value: 'db:5433' }, { name: CACHE, value: 'redis://cache:6379' }]
",
    check,
};

/// An address in a setting.
pub(super) struct Address<'a> {
    /// The setting.
    pub(super) at: &'a Node,
    pub(super) namespace: &'a str,
    pub(super) service: &'a str,
    pub(super) port: Option<i64>,
}

/// A Service is missed only in a namespace where calls from one workload to another's Service are seen to arrive: elsewhere the Services may
/// be another folder's. And only where no chart or operator makes more of them.
fn check(world: &World) -> Vec<Hit> {
    let served: HashSet<&str> = world.of("", "Service").map(namespace_of).collect();
    let all = everywhere(world, &served);
    let arrive = all.iter().filter(|(object, address)| arrives(world, object, address));
    let whole: HashSet<&str> = arrive.map(|(_, address)| address.namespace).collect();
    // The same address in ten settings of one object is one fault.
    let mut said = HashSet::new();
    let first = all.iter().filter(|(object, Address { namespace, service, port, .. })| {
        said.insert((std::ptr::from_ref(*object), *namespace, *service, *port))
    });
    first.filter_map(|(object, address)| judge(world, object, address, &whole)).collect()
}

/// Whether a call leads to a Service of this environment that is not the caller's own.
fn arrives(world: &World, caller: &Object, address: &Address) -> bool {
    let Some(service) = world.find_of(("", "Service"), address.namespace, address.service) else { return false };
    let labels = caller.node.at(&["spec", "template", "metadata", "labels"]);
    let is_own = |(key, value): (&Key, &Node)| labels.and_then(|labels| labels.get(&key.text)) == Some(value);
    let selector = service.node.at(&["spec", "selector"]).and_then(Node::as_map);
    selector.is_none_or(|selector| !selector.iter().all(is_own))
}

/// All addresses in the settings of pods and in ConfigMaps.
fn everywhere<'a>(world: &World<'a>, served: &HashSet<&'a str>) -> Vec<(&'a Object, Address<'a>)> {
    let mut all = Vec::new();
    for workload in &world.workloads {
        all.extend(called_by(workload, served).into_iter().map(|address| (workload.object, address)));
    }
    for object in world.of("", "ConfigMap") {
        let values = object.node.get("data").and_then(Node::as_map).into_iter().flat_map(|map| map.iter());
        for (_, value) in values {
            let found = addresses(value, namespace_of(object), served);
            all.extend(found.into_iter().map(|address| (object, address)));
        }
    }
    all
}

/// The addresses in the environment variables of a workload.
pub(super) fn called_by<'a>(workload: &Workload<'a>, served: &HashSet<&'a str>) -> Vec<Address<'a>> {
    let containers = workload.containers();
    let values = containers.flat_map(|container| container.node.list_at(&["env"])).filter_map(|env| env.get("value"));
    values.flat_map(|value| addresses(value, namespace_of(workload.object), served)).collect()
}

fn judge(world: &World, object: &Object, address: &Address, whole: &HashSet<&str>) -> Option<Hit> {
    let Address { namespace, service: name, port, .. } = *address;
    let at = |message| Some(Hit::new(object, address.at, message));
    let Some(service) = world.find_of(("", "Service"), namespace, name) else {
        if name == "kubernetes" || world.makes_unseen(namespace) || world.made_by_operator(namespace, name) {
            return None;
        }
        // A Service that is not there may belong to a feature that is off; a slip never does.
        let near = world.leads_nowhere(("", "Service"), namespace, name).unwrap_or_default();
        if near.is_empty() && !whole.contains(namespace) {
            return None;
        }
        let hit = at(format!("speaks to `{name}`, and this environment has no such Service{near}"))?;
        return Some(if near.is_empty() { hit.at_most(Severity::Warning) } else { hit });
    };
    let spec = |key| service.node.str_at(&["spec", key]);
    let ports = service.node.list_at(&["spec", "ports"]);
    // Behind a headless Service every port of its pods can be reached, behind an external name every port there.
    if spec("clusterIP") == Some("None") || spec("type") == Some("ExternalName") || ports.is_empty() {
        return None;
    }
    let port = port.filter(|port| !ports.iter().any(|own| own.get("port").and_then(Node::as_int) == Some(*port)))?;
    at(format!("speaks to port {port} of Service `{name}`, which has no such port"))
}

/// Schemes under which applications speak to each other; under others, such as `s3://`, the name is no host.
const SCHEMES: [&str; 18] = [
    "http",
    "https",
    "grpc",
    "tcp",
    "udp",
    "ws",
    "wss",
    "postgres",
    "postgresql",
    "mysql",
    "mariadb",
    "redis",
    "rediss",
    "mongodb",
    "amqp",
    "amqps",
    "nats",
    "memcached",
];

/// `host:port` as the whole text, and every `scheme://host:port` in it.
fn addresses<'a>(node: &'a Node, own: &'a str, served: &HashSet<&'a str>) -> Vec<Address<'a>> {
    let Some(text) = node.as_str() else { return Vec::new() };
    let mut all = Vec::new();
    let mut add = |authority: &'a str| {
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        // Too long for a port, or no number: not an address after all.
        let port = port.map(str::parse::<u16>);
        if let Some(Err(_)) = port {
            return;
        }
        let port = port.and_then(Result::ok).map(i64::from);
        if let Some((service, namespace)) = service(host, own, served) {
            all.push(Address { at: node, namespace, service, port });
        }
    };
    if !text.contains("://") {
        if text.contains(':') {
            add(text.trim());
        }
        return all;
    }
    for (at, _) in text.match_indices("://") {
        let scheme = text[..at].rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        let rest = &text[at + 3..];
        let end = rest.find(|c: char| c.is_whitespace() || "/?#\"'`<>,;)]}|\\".contains(c)).unwrap_or(rest.len());
        let authority = rest[..end].rsplit('@').next().unwrap_or_default();
        if SCHEMES.contains(&scheme) {
            add(authority);
        }
    }
    all
}

/// The Service and namespace a host name means, where that is certain: `db`, `db.shop` (of a namespace that is here), `db.shop.svc…`.
fn service<'a>(host: &'a str, own: &'a str, served: &HashSet<&'a str>) -> Option<(&'a str, &'a str)> {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.starts_with(|c: char| c.is_ascii_lowercase())
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let labels: Vec<&str> = host.split('.').collect();
    if host == "localhost" || !labels.iter().all(|label| is_label(label)) {
        return None;
    }
    let (name, namespace) = match labels.as_slice() {
        [name] => (*name, own),
        [name, namespace] => (*name, *namespace),
        [name, namespace, "svc", ..] => (*name, *namespace),
        _ => return None,
    };
    served.contains(namespace).then_some((name, namespace))
}
