//! Replica counts and resources a change moves, summed up for the eye.

use std::collections::{BTreeMap, HashMap};

use super::node::{Map, Node, Object, Value};
use crate::model::finding::{AmountChange, ObjectName};

/// Changes kept of one environment: what is shown is a line.
const MAX_CHANGES: usize = 200;
/// A longer amount is no amount; it is cut where it is shown.
const MAX_CHARS: usize = 40;

/// What an amount is of, and which: sorts as it is told, replicas first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Slot {
    rank: u8,
    of: String,
    what: String,
    /// Requests before limits.
    limit: bool,
}

/// Replica counts, requests and limits that differ in objects that are there before and after.
pub fn amount_changes(before: &[Object], after: &[Object]) -> Vec<AmountChange> {
    let old: HashMap<ObjectName, &Object> = before.iter().map(|object| (object.name(), object)).collect();
    let mut changes = Vec::new();
    for object in after {
        let Some(other) = old.get(&object.name()) else { continue };
        if other.node != object.node {
            compare(&amounts(other), &amounts(object), &mut changes);
        }
        if changes.len() > MAX_CHANGES {
            break;
        }
    }
    changes.sort();
    changes.truncate(MAX_CHANGES);
    changes.into_iter().map(|(_, change)| change).collect()
}

type Amounts = BTreeMap<Slot, String>;

fn compare(old: &Amounts, new: &Amounts, changes: &mut Vec<(Slot, AmountChange)>) {
    let text = |amounts: &Amounts, slot: &Slot| amounts.get(slot).cloned().unwrap_or_default();
    let differs = |slot: &Slot| (text(old, slot), text(new, slot));
    let added = new.keys().filter(|slot| !old.contains_key(*slot));
    for slot in old.keys().chain(added) {
        let (from, to) = differs(slot);
        let other = Slot { limit: !slot.limit, ..slot.clone() };
        let is_resource = slot.rank > 0;
        let together = is_resource && differs(&other) == (from.clone(), to.clone());
        // A request and a limit that move together are told once.
        if from == to || (together && slot.limit) {
            continue;
        }
        let side = match (is_resource, together, slot.limit) {
            (false, ..) | (_, true, _) => "",
            (.., false) => " request",
            (.., true) => " limit",
        };
        let what = format!("{}{side}", slot.what);
        changes.push((slot.clone(), AmountChange { what, of: slot.of.clone(), from, to }));
    }
}

fn amounts(object: &Object) -> Amounts {
    let (mut found, name) = (Amounts::new(), object.name().name);
    let mut replicas = |what: &str, path: &[&str]| {
        if let Some(text) = object.node.at(path).and_then(amount) {
            found.insert(Slot { rank: 0, of: name.clone(), what: what.to_owned(), limit: false }, text);
        }
    };
    match object.kind() {
        "HorizontalPodAutoscaler" => {
            replicas("min replicas", &["spec", "minReplicas"]);
            replicas("max replicas", &["spec", "maxReplicas"]);
        }
        "PersistentVolumeClaim" => {
            if let Some(spec) = object.node.get("spec").and_then(Node::as_map) {
                resources(spec, &name, &mut found);
            }
        }
        _ => replicas("replicas", &["spec", "replicas"]),
    }
    containers(&object.node, &name, &mut found);
    found
}

/// Recursion is bounded by the reader's depth limit.
fn containers(node: &Node, name: &str, found: &mut Amounts) {
    match &node.value {
        Value::List(list) => list.iter().for_each(|item| containers(item, name, found)),
        Value::Map(map) => {
            for (key, value) in map.iter() {
                let label: &[&str] = match key.text.as_str() {
                    "containers" | "initContainers" | "ephemeralContainers" => &["name"],
                    "volumeClaimTemplates" => &["metadata", "name"],
                    _ => {
                        containers(value, name, found);
                        continue;
                    }
                };
                for item in value.as_list().unwrap_or_default() {
                    let holder = if label.len() == 1 { Some(item) } else { item.get("spec") };
                    let of = format!("{name}/{}", item.str_at(label).unwrap_or_default());
                    if let Some(holder) = holder.and_then(Node::as_map) {
                        resources(holder, &of, found);
                    }
                }
            }
        }
        _ => {}
    }
}

fn resources(holder: &Map, of: &str, found: &mut Amounts) {
    for (side, limit) in [("requests", false), ("limits", true)] {
        let Some(map) = holder.get("resources").and_then(|node| node.get(side)).and_then(Node::as_map) else {
            continue;
        };
        for (key, value) in map.iter() {
            let rank = match key.text.as_str() {
                "cpu" => 1,
                "memory" => 2,
                _ => 3,
            };
            let slot = Slot { rank, of: of.to_owned(), what: key.text.chars().take(MAX_CHARS).collect(), limit };
            amount(value).into_iter().for_each(|text| {
                found.insert(slot.clone(), text);
            });
        }
    }
}

fn amount(node: &Node) -> Option<String> {
    let text = match &node.value {
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::String(text) => text.chars().take(MAX_CHARS).collect(),
        _ => return None,
    };
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{load, objects};
    use crate::model::path::RepoPath;

    fn shown(before: &str, after: &str) -> String {
        let read = |text: &str| objects(&load(&RepoPath::root(), text.as_bytes())).0;
        let told = |change: AmountChange| format!("{} {}: {} -> {}\n", change.what, change.of, change.from, change.to);
        amount_changes(&read(before), &read(after)).into_iter().map(told).collect()
    }

    #[test]
    fn replicas_and_resources_that_change() {
        let before = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  template:
    spec:
      containers:
      - name: app
        resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 128Mi}}
      - name: proxy
        resources: {requests: {memory: 64Mi}, limits: {memory: 96Mi, cpu: 1}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec: {minReplicas: 2, maxReplicas: 5}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {resources: {requests: {storage: 10Gi}}}
";
        let after = before
            .replace("  replicas: 2", "  replicas: 3")
            .replace("128Mi", "256Mi")
            .replace("{requests: {memory: 64Mi}, limits: {memory: 96Mi", "{limits: {memory: 128Mi")
            .replace("maxReplicas: 5", "maxReplicas: 9")
            .replace("10Gi", "20Gi");
        assert_eq!(shown(before, before), "");
        insta::assert_snapshot!(shown(before, &after), @"
        max replicas web: 5 -> 9
        replicas web: 2 -> 3
        memory web/app: 128Mi -> 256Mi
        memory request web/proxy: 64Mi -> 
        memory limit web/proxy: 96Mi -> 128Mi
        storage request data: 10Gi -> 20Gi
        ");
        assert_eq!(shown("", before), "");
    }
}
