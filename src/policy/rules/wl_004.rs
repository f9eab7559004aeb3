//! WL-004: selectors select, and ports lead somewhere.

use super::{E, Hit, Rule};
use crate::manifest::{Node, Object, Value};
use crate::policy::world::{Workload, World, namespace_of};

pub(super) const RULE: Rule = Rule {
    id: "WL-004",
    title: "Selectors match pod labels, and a Service's target ports exist.",
    severities: [E; 3],
    why: "The API server refuses a workload whose selector misses its own pods, and a Service that selects nothing answers nobody, without a word.",
    fix: "Make the selector, the pod labels and the port names agree.",
    good: "# file: env/app.yaml
apiVersion: v1
kind: Service
metadata: { name: shop }
spec: { selector: { app: shop }, ports: [{ port: 80, targetPort: http }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: shop }
spec:
  selector: { matchLabels: { app: shop } }
  template:
    metadata: { labels: { app: shop } }
    spec: { containers: [{ name: shop, image: shop:v1, ports: [{ name: http, containerPort: 8080 }] }] }
",
    bad: "# file: env/app.yaml
apiVersion: v1
kind: Service
metadata: { name: shop }
spec: { selector: { app: shop }, ports: [{ port: 80, targetPort: web }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: shop }
spec:
  selector: { matchLabels: { app: shop } }
  template:
    metadata: { labels: { app: shop } }
    spec: { containers: [{ name: shop, image: shop:v1, ports: [{ name: http, containerPort: 8080 }] }] }
",
    check,
};

fn check(world: &World) -> Vec<Hit> {
    let mut hits: Vec<Hit> = world.workloads.iter().filter_map(own_selector).collect();
    for service in world.of("", "Service") {
        let Some(selector) = service.node.at(&["spec", "selector"]) else { continue };
        if service.node.str_at(&["spec", "type"]) == Some("ExternalName")
            || selector.as_map().is_none_or(|map| map.is_empty())
        {
            continue;
        }
        let selected: Vec<&Workload> = world.selected(namespace_of(service), selector).collect();
        if selected.is_empty() {
            if !made_elsewhere(world, service, selector) {
                let message =
                    format!("selector `{}` matches the pods of no workload in this environment", labels(selector));
                hits.push(Hit::new(service, selector, message));
            }
            continue;
        }
        hits.extend(
            service.node.list_at(&["spec", "ports"]).iter().filter_map(|port| lost_port(service, port, &selected)),
        );
    }
    hits
}

fn own_selector(workload: &Workload) -> Option<Hit> {
    let selector = workload.object.node.at(&["spec", "selector", "matchLabels"])?;
    let wanted = selector.as_map().filter(|map| !map.is_empty())?;
    // Jobs select by a label the controller adds.
    if !workload.is_long_running() || workload.has_labels(selector) {
        return None;
    }
    let own = workload.template.at(&["metadata", "labels"]);
    let (key, value) = wanted.iter().find(|(key, value)| own.and_then(|own| own.get(&key.text)) != Some(value))?;
    let value = value.as_str().unwrap_or_default();
    let message = format!("selector asks for `{}: {value}`, which the pod template's labels do not have", key.text);
    Some(Hit::new(workload.object, wanted.get(&key.text).unwrap_or(selector), message))
}

fn made_elsewhere(world: &World, service: &Object, selector: &Node) -> bool {
    let namespace = namespace_of(service);
    let values = selector.as_map().into_iter().flat_map(|map| map.iter().filter_map(|(_, value)| value.as_str()));
    world.makes_unseen(namespace) || values.into_iter().any(|value| world.made_by_operator(namespace, value))
}

/// A target port that no container of the selected pods lists. Listing ports is voluntary in Kubernetes, so a number is doubted only where
/// the pods do list ports; a name must be listed to work at all.
fn lost_port(service: &Object, port: &Node, selected: &[&Workload]) -> Option<Hit> {
    let target = port.get("targetPort").or(port.get("port"))?;
    let mut listed = selected
        .iter()
        .flat_map(|workload| workload.containers())
        .flat_map(|container| container.node.list_at(&["ports"]))
        .peekable();
    let wanted = match &target.value {
        Value::String(name) => format!("port `{name}`"),
        Value::Int(number) if listed.peek().is_some() => format!("port {number}"),
        _ => return None,
    };
    if listed.any(|port| port.get("name") == Some(target) || port.get("containerPort") == Some(target)) {
        return None;
    }
    let message = format!("sends traffic to {wanted}, which no container behind it lists");
    Some(Hit::new(service, target, message))
}

fn labels(selector: &Node) -> String {
    let text = |(key, value): (&crate::manifest::node::Key, &Node)| {
        format!("{}={}", key.text, value.as_str().unwrap_or_default())
    };
    selector.as_map().map(|map| map.iter().map(text).collect::<Vec<_>>().join(",")).unwrap_or_default()
}
