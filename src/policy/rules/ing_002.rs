//! ING-002: what comes in arrives.

use super::{E, Hit, Rule};
use crate::manifest::{Node, Object, Value};
use crate::policy::world::{World, namespace_of, same_namespace};

pub(super) const RULE: Rule = Rule {
    id: "ING-002",
    title: "The Service and port behind an Ingress or HTTPRoute exist.",
    severities: [E; 3],
    why: "Requests to a backend that is not there end in 503, and no controller stops the rollout for it.",
    fix: "Name a Service of this environment and one of its ports.",
    good: "# file: env/app.yaml
apiVersion: v1
kind: Service
metadata: { name: shop }
spec: { clusterIP: None, ports: [{ name: http, port: 80 }] }
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: shop }
spec: { defaultBackend: { service: { name: shop, port: { name: http } } } }
",
    bad: "# file: env/app.yaml
apiVersion: v1
kind: Service
metadata: { name: shop }
spec: { clusterIP: None, ports: [{ name: http, port: 80 }] }
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: shop }
spec: { defaultBackend: { service: { name: shop, port: { number: 8080 } } } }
",
    check,
};

fn check(world: &World) -> Vec<Hit> {
    let mut hits = Vec::new();
    for ingress in world.of("networking.k8s.io", "Ingress") {
        let own = ingress.node.at(&["spec", "defaultBackend"]).into_iter();
        let paths = ingress.node.list_at(&["spec", "rules"]).iter().flat_map(|rule| rule.list_at(&["http", "paths"]));
        for backend in own.chain(paths.filter_map(|path| path.get("backend"))) {
            let Some(service) = backend.get("service") else { continue };
            let port = service.get("port");
            let port = port.and_then(|port| port.get("number").or(port.get("name")));
            hits.extend(judge(world, ingress, namespace_of(ingress), service.get("name"), port));
        }
    }
    for route in world.of("gateway.networking.k8s.io", "HTTPRoute") {
        for backend in route.node.list_at(&["spec", "rules"]).iter().flat_map(|rule| rule.list_at(&["backendRefs"])) {
            if backend.str_at(&["kind"]).unwrap_or("Service") == "Service"
                && backend.str_at(&["group"]).unwrap_or_default().is_empty()
            {
                let namespace = backend.str_at(&["namespace"]).unwrap_or_else(|| namespace_of(route));
                // Another namespace is often another environment's folder.
                if same_namespace(namespace, namespace_of(route)) {
                    hits.extend(judge(world, route, namespace, backend.get("name"), backend.get("port")));
                }
            }
        }
    }
    hits
}

fn judge(world: &World, from: &Object, namespace: &str, name: Option<&Node>, port: Option<&Node>) -> Option<Hit> {
    let node = name?;
    let name = node.as_str().filter(|name| !name.contains("${"))?;
    let service = world.find(namespace, "Service", name);
    let Some(service) = service else {
        if world.makes_unseen(namespace) || world.made_by_operator(namespace, name) || by_controller(from, name) {
            return None;
        }
        return Some(Hit::new(
            from,
            node,
            format!("sends requests to Service `{name}`, which this environment does not have"),
        ));
    };
    let port = port?;
    let ports = service.node.list_at(&["spec", "ports"]);
    if ports.iter().any(|own| own.get("port") == Some(port) || own.get("name") == Some(port)) {
        return None;
    }
    let wanted = match &port.value {
        Value::Int(number) => number.to_string(),
        Value::String(name) => format!("`{name}`"),
        _ => return None,
    };
    Some(Hit::new(from, port, format!("sends requests to port {wanted} of Service `{name}`, which has no such port")))
}

/// The AWS load balancer controller lets an annotation stand where a Service would: `use-annotation`.
fn by_controller(from: &Object, name: &str) -> bool {
    let action = format!("alb.ingress.kubernetes.io/actions.{name}");
    from.node.at(&["metadata", "annotations", &action]).is_some()
}
