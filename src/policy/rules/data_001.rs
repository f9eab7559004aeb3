//! DATA-001: what is kept is kept twice.

use super::{E, Hit, Rule, W};
use crate::manifest::{Node, Object};
use crate::policy::world::{World, namespace_of};

pub(super) const RULE: Rule = Rule {
    id: "DATA-001",
    title: "Where Velero makes backups, every volume claim is in one.",
    severities: [None, W, E],
    why: "A volume that no schedule covers is gone with its disk, its node or a wrong `kubectl delete`.",
    fix: "Add its namespace to a Schedule, or label the claim `velero.io/exclude-from-backup: \"true\"` and say why in a comment.",
    good: "# file: env/data.yaml
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: data, namespace: shop }
---
apiVersion: velero.io/v1
kind: Schedule
metadata: { name: daily, namespace: velero }
spec: { schedule: 0 3 * * *, template: { includedNamespaces: [shop], ttl: 720h } }
",
    bad: "# file: env/data.yaml
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: data, namespace: shop }
---
apiVersion: velero.io/v1
kind: Schedule
metadata: { name: daily, namespace: velero }
spec: { schedule: 0 3 * * *, template: { includedNamespaces: [blog], ttl: 720h } }
",
    check,
};

/// Judged only where the schedules are here too; other ways to make backups (snapshots of the storage, VolSync, dumps) are not known.
fn check(world: &World) -> Vec<Hit> {
    let schedules: Vec<&Object> = world.of("velero.io", "Schedule").collect();
    if schedules.is_empty() {
        return Vec::new();
    }
    let mut hits = Vec::new();
    for claim in world.of("", "PersistentVolumeClaim") {
        hits.extend(judge(&schedules, claim, &claim.node, namespace_of(claim)));
    }
    for set in world.of("apps", "StatefulSet") {
        for template in set.node.list_at(&["spec", "volumeClaimTemplates"]) {
            hits.extend(judge(&schedules, set, template, namespace_of(set)));
        }
    }
    hits
}

fn judge(schedules: &[&Object], object: &Object, claim: &Node, namespace: &str) -> Option<Hit> {
    let label = |key: &str| claim.at(&["metadata", "labels"]).and_then(|labels| labels.get(key)).and_then(Node::as_str);
    if label("velero.io/exclude-from-backup") == Some("true") || namespace.is_empty() {
        return None;
    }
    let covering: Vec<&&Object> = schedules.iter().filter(|schedule| covers(schedule, claim, namespace)).collect();
    let is_paused = |schedule: &&&Object| schedule.node.at(&["spec", "paused"]).and_then(Node::as_bool) == Some(true);
    let name = claim.get("metadata").and_then(|metadata| metadata.get("name")).unwrap_or(claim);
    let text = name.as_str().unwrap_or_default();
    let message = match covering.first() {
        None => format!("volume claim `{text}` is in no backup schedule"),
        Some(first) if covering.iter().all(is_paused) => {
            format!("volume claim `{text}` is in no running backup schedule: `{}` is paused", first.name().name)
        }
        Some(_) => return None,
    };
    Some(Hit::new(object, name, message))
}

/// Whether a schedule takes a claim along. Patterns are taken to fit.
fn covers(schedule: &Object, claim: &Node, namespace: &str) -> bool {
    let template = |key: &str| schedule.node.list_at(&["spec", "template", key]);
    let names =
        |list: &[Node]| list.iter().any(|one| one.as_str().is_some_and(|name| name.contains('*') || name == namespace));
    let included = template("includedNamespaces");
    let excluded = template("excludedNamespaces").iter().any(|one| one.as_str() == Some(namespace));
    let kinds = template("includedResources");
    let kinds = kinds.is_empty()
        || kinds.iter().any(|one| {
            one.as_str()
                .is_some_and(|kind| kind == "*" || kind.starts_with("persistentvolume") || kind.starts_with("pv"))
        });
    let wanted = schedule.node.at(&["spec", "template", "labelSelector", "matchLabels"]).and_then(Node::as_map);
    let labels = claim.at(&["metadata", "labels"]);
    let selected = wanted.is_none_or(|wanted| {
        wanted.iter().all(|(key, value)| labels.and_then(|labels| labels.get(&key.text)) == Some(value))
    });
    (included.is_empty() || names(included)) && !excluded && kinds && selected
}
