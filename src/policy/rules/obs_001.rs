//! OBS-001: what is watched is there to be seen.

use std::collections::HashMap;

use super::common::{class_of, class_word, image_parts};
use super::{Hit, I, Rule, W};
use crate::manifest::{Node, Object};
use crate::policy::world::{Workload, World, namespace_of};

pub(super) const RULE: Rule = Rule {
    id: "OBS-001",
    title: "Monitors select Services and ports that exist, and tags say what runs.",
    severities: [I, W, W],
    why: "A monitor that selects nothing is silent like a healthy service, and a wrong tag puts one version's errors under another's name.",
    fix: "Correct the selector or port of the monitor, and let the tag follow the image.",
    good: "# file: env/watch.yaml
apiVersion: v1
kind: Service
metadata: { name: shop, labels: { app: shop } }
spec: { clusterIP: None, ports: [{ name: http, port: 80 }] }
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: { name: shop }
spec: { selector: { matchLabels: { app: shop } }, endpoints: [{ port: http }] }
",
    bad: "# file: env/watch.yaml
apiVersion: v1
kind: Service
metadata: { name: shop, labels: { app: shop } }
spec: { clusterIP: None, ports: [{ name: http, port: 80 }] }
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: { name: shop }
spec: { selector: { matchLabels: { app: shop } }, endpoints: [{ port: metrics }] }
",
    check,
};

const GROUP: &str = "monitoring.coreos.com";

/// Whether a service has an alert cannot be seen: expressions name metrics, not workloads.
fn check(world: &World) -> Vec<Hit> {
    let labelled = labelled(world);
    let mut hits: Vec<Hit> =
        world.of(GROUP, "ServiceMonitor").filter_map(|monitor| service_monitor(world, monitor, &labelled)).collect();
    hits.extend(world.of(GROUP, "PodMonitor").filter_map(|monitor| pod_monitor(world, monitor)));
    hits.extend(world.workloads.iter().flat_map(|workload| tags(world, workload)));
    hits
}

/// The Services that carry a label.
fn labelled<'a>(world: &World<'a>) -> HashMap<(&'a str, &'a str), Vec<&'a Object>> {
    let mut all: HashMap<_, Vec<&Object>> = HashMap::new();
    for service in world.of("", "Service") {
        for (key, value) in super::common::texts(service, &["metadata", "labels"]) {
            all.entry((key, value.as_str().unwrap_or_default())).or_default().push(service);
        }
    }
    all
}

/// The labels a monitor selects by, and the namespace it looks in; nothing where that is not simply written.
fn selection(monitor: &Object) -> Option<(&Node, &str)> {
    let selector = monitor.node.at(&["spec", "selector"])?;
    let labels = selector.get("matchLabels").filter(|labels| labels.as_map().is_some_and(|map| !map.is_empty()))?;
    let names = monitor.node.list_at(&["spec", "namespaceSelector", "matchNames"]);
    let any = monitor.node.at(&["spec", "namespaceSelector", "any"]).is_some();
    let namespace = match names {
        [] if !any => namespace_of(monitor),
        [one] => one.as_str()?,
        _ => return None,
    };
    selector.get("matchExpressions").is_none().then_some((labels, namespace))
}

fn service_monitor(world: &World, monitor: &Object, labelled: &HashMap<(&str, &str), Vec<&Object>>) -> Option<Hit> {
    let (labels, namespace) = selection(monitor)?;
    let wanted = labels.as_map()?;
    let (key, value) = wanted.iter().next()?;
    let near = labelled.get(&(key.text.as_str(), value.as_str()?)).map(Vec::as_slice).unwrap_or_default();
    let carries = |service: &&&Object| {
        let own = service.node.at(&["metadata", "labels"]);
        namespace_of(service) == namespace
            && wanted.iter().all(|(key, value)| own.and_then(|own| own.get(&key.text)) == Some(value))
    };
    let mut selected = near.iter().filter(carries).peekable();
    if selected.peek().is_none() {
        let is_served = world.of("", "Service").any(|service| namespace_of(service) == namespace);
        let texts = wanted.iter().filter_map(|(_, value)| value.as_str());
        let made =
            world.makes_unseen(namespace) || texts.into_iter().any(|text| world.made_by_operator(namespace, text));
        let message = "selects no Service of this environment".to_owned();
        return (is_served && !made).then(|| Hit::new(monitor, labels, message));
    }
    let ports: Vec<&Node> = selected.flat_map(|service| service.node.list_at(&["spec", "ports"])).collect();
    let endpoints = monitor.node.list_at(&["spec", "endpoints"]).iter().filter_map(|endpoint| endpoint.get("port"));
    let lost = endpoints.into_iter().find(|port| !ports.iter().any(|own| own.get("name") == Some(port)))?;
    Some(Hit::new(monitor, lost, format!("watches port `{}`, which none of the Services it selects has", lost.brief())))
}

fn pod_monitor<'a>(world: &World<'a>, monitor: &'a Object) -> Option<Hit> {
    let (labels, namespace) = selection(monitor)?;
    let selected: Vec<&Workload> = world.selected(namespace, labels).collect();
    if selected.is_empty() {
        return None;
    }
    let ports =
        || selected.iter().flat_map(|workload| workload.containers()).flat_map(|one| one.node.list_at(&["ports"]));
    let endpoints =
        monitor.node.list_at(&["spec", "podMetricsEndpoints"]).iter().filter_map(|endpoint| endpoint.get("port"));
    let lost = endpoints.into_iter().find(|port| !ports().any(|own| own.get("name") == Some(port)))?;
    Some(Hit::new(monitor, lost, format!("watches port `{}`, which no container it selects lists", lost.brief())))
}

/// Datadog's tags: the version is one of the images', and the environment is this one.
fn tags(world: &World, workload: &Workload) -> Vec<Hit> {
    let labels = workload.template.at(&["metadata", "labels"]);
    let label = |name: &str| labels.and_then(|labels| labels.get(&format!("tags.datadoghq.com/{name}")));
    let mut hits = Vec::new();
    if let Some((node, version)) = label("version").and_then(|node| Some((node, node.as_str()?))) {
        let bare = |text: &str| text.strip_prefix('v').unwrap_or(text).to_owned();
        let images = workload.containers().filter_map(|container| container.node.str_at(&["image"]));
        let tags: Vec<String> = images.filter_map(|image| image_parts(image).1.map(bare)).collect();
        if !version.contains("${") && !tags.is_empty() && !tags.contains(&bare(version)) {
            let message = format!("is tagged version `{version}`, and none of its images is");
            hits.push(Hit::new(workload.object, node, message));
        }
    }
    if let Some((node, class)) = label("env").and_then(|node| Some((node, class_of(node.as_str()?)?)))
        && class != world.class
    {
        hits.push(Hit::new(
            workload.object,
            node,
            format!("is tagged as {}, which this environment is not", class_word(class)),
        ));
    }
    hits
}
