//! ING-004: databases stay inside.

use std::collections::HashSet;

use super::common::is_database;
use super::{E, Hit, I, Rule, W};
use crate::manifest::{Node, Object};
use crate::policy::world::{World, namespace_of};

pub(super) const RULE: Rule = Rule {
    id: "ING-004",
    title: "No database can be reached from outside the cluster.",
    severities: [I, W, E],
    why: "A database that can be reached can be tried, and its passwords were made for one application, not for the world.",
    fix: "Use type `ClusterIP`; for people `kubectl port-forward` is enough. A load balancer may be internal by its annotation.",
    good: "# file: env/db.yaml
apiVersion: v1
kind: Service
metadata: { name: db }
spec: { selector: { app: db }, ports: [{ port: 5432 }] }
---
apiVersion: v1
kind: Pod
metadata: { name: db, labels: { app: db } }
spec: { containers: [{ name: db, image: postgres:17 }] }
",
    bad: "# file: env/db.yaml
apiVersion: v1
kind: Service
metadata: { name: db }
spec: { type: NodePort, selector: { app: db }, ports: [{ port: 5432 }] }
---
apiVersion: v1
kind: Pod
metadata: { name: db, labels: { app: db } }
spec: { containers: [{ name: db, image: postgres:17 }] }
",
    check,
};

/// A database is known by its image. Which other Services are meant for the public nobody writes down, so they are not judged.
fn check(world: &World) -> Vec<Hit> {
    let routed = routed(world);
    let mut hits = Vec::new();
    for service in world.of("", "Service") {
        let kind = service.node.at(&["spec", "type"]);
        let is_open = matches!(kind.and_then(Node::as_str), Some("NodePort" | "LoadBalancer")) && !is_internal(service);
        let by_route =
            routed.contains(&(namespace_of(service), service.node.str_at(&["metadata", "name"]).unwrap_or_default()));
        let Some(selector) = service.node.at(&["spec", "selector"]).filter(|_| is_open || by_route) else { continue };
        let Some(database) = world.selected(namespace_of(service), selector).find(|one| is_database(one.template))
        else {
            continue;
        };
        let how = if is_open {
            format!("type `{}`", kind.and_then(Node::as_str).unwrap_or_default())
        } else {
            "a route from outside".to_owned()
        };
        let message = format!("opens the database of {} to the world outside the cluster: {how}", database.name());
        hits.push(Hit::at_key(service, &["spec", if is_open { "type" } else { "selector" }], message));
    }
    hits
}

/// A load balancer inside the company's own network, as the clouds' annotations say it.
fn is_internal(service: &Object) -> bool {
    super::common::texts(service, &["metadata", "annotations"]).any(|(key, value)| {
        let value = value.as_str().unwrap_or_default().to_lowercase();
        key.contains("internal")
            || (key.contains("scheme") || key.contains("load-balancer-type")) && value == "internal"
    })
}

/// The Services to which an Ingress sends requests.
fn routed<'a>(world: &World<'a>) -> HashSet<(&'a str, &'a str)> {
    let mut all = HashSet::new();
    for ingress in world.of("networking.k8s.io", "Ingress") {
        let paths = ingress.node.list_at(&["spec", "rules"]).iter().flat_map(|rule| rule.list_at(&["http", "paths"]));
        let backends = paths.filter_map(|path| path.get("backend")).chain(ingress.node.at(&["spec", "defaultBackend"]));
        let names = backends.filter_map(|backend| backend.str_at(&["service", "name"]));
        all.extend(names.map(|name| (namespace_of(ingress), name)));
    }
    all
}
