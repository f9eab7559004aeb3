//! WL-001: what a Service sends traffic to says when it is ready.

use std::collections::HashSet;

use super::{E, Hit, Rule, W};
use crate::manifest::{Node, Object};
use crate::policy::world::{Container, Workload, World, namespace_of};

pub(super) const RULE: Rule = Rule {
    id: "WL-001",
    title: "Every container that a Service sends traffic to has a readiness probe.",
    severities: [W, E, E],
    why: "Without one a pod gets traffic the moment its process starts, so every rollout drops requests and a broken version counts as healthy.",
    fix: "Add a `readinessProbe` that answers only when the container can serve.",
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
    spec:
      containers:
        - name: shop
          image: shop:v1
          ports: [{ name: http, containerPort: 8080 }]
          readinessProbe: { httpGet: { path: /ready, port: http } }
",
    bad: "# file: env/app.yaml
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
    spec:
      containers:
        - name: shop
          image: shop:v1
          ports: [{ name: http, containerPort: 8080 }]
",
    check,
};

fn check(world: &World) -> Vec<Hit> {
    let mut hits = Vec::new();
    // Copies of a container may share their memory, so the workload counts too.
    let mut seen: HashSet<(*const Object, *const Node)> = HashSet::new();
    for service in world.of("", "Service") {
        let Some(selector) = service.node.at(&["spec", "selector"]) else { continue };
        for workload in world.selected(namespace_of(service), selector).filter(|workload| workload.is_long_running()) {
            for container in workload.containers().filter(|container| !container.init) {
                let ready = container.node.get("readinessProbe").is_some();
                let this = (std::ptr::from_ref(workload.object), std::ptr::from_ref(container.node));
                if ready || seen.contains(&this) || !serves(service, workload, container) {
                    continue;
                }
                seen.insert(this);
                let at = container.node.get("name").unwrap_or(container.node);
                let name = &service.name().name;
                let message = format!(
                    "container `{}` has no readiness probe, and Service `{name}` sends it traffic",
                    container.name()
                );
                hits.push(Hit::new(workload.object, at, message));
            }
        }
    }
    hits
}

/// Whether one of the service's ports leads to this container; a pod's only container that lists no ports serves them all.
fn serves(service: &Object, workload: &Workload, container: Container) -> bool {
    let ports = container.node.list_at(&["ports"]);
    if ports.is_empty() {
        return workload.containers().filter(|container| !container.init).count() == 1;
    }
    service.node.list_at(&["spec", "ports"]).iter().any(|port| {
        let target = port.get("targetPort").or(port.get("port"));
        target.is_some_and(|target| {
            ports.iter().any(|port| port.get("containerPort") == Some(target) || port.get("name") == Some(target))
        })
    })
}
