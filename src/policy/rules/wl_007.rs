//! WL-007: two pods never write one disk.

use super::common::is_database;
use super::{E, Hit, Rule, W};
use crate::manifest::{Node, Object};
use crate::model::finding::Severity;
use crate::policy::world::{Workload, World, namespace_of};

pub(super) const RULE: Rule = Rule {
    id: "WL-007",
    title: "A Deployment with a volume for one node runs one pod, and stops it before the next starts.",
    severities: [W, E, E],
    why: "A rolling update starts the new pod while the old one holds the disk: it hangs, or two databases write the same files.",
    fix: "Use a StatefulSet, or `replicas: 1` with `strategy: { type: Recreate }`.",
    good: "# file: env/db.yaml
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: data }
spec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Gi } } }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: db }
spec:
  strategy: { type: Recreate }
  selector: { matchLabels: { app: db } }
  template:
    metadata: { labels: { app: db } }
    spec:
      containers: [{ name: db, image: postgres:17 }]
      volumes: [{ name: data, persistentVolumeClaim: { claimName: data } }]
",
    bad: "# file: env/db.yaml
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: data }
spec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Gi } } }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: db }
spec:
  selector: { matchLabels: { app: db } }
  template:
    metadata: { labels: { app: db } }
    spec:
      containers: [{ name: db, image: postgres:17 }]
      volumes: [{ name: data, persistentVolumeClaim: { claimName: data } }]
",
    check,
};

/// What is no database mostly survives, if late: a warning.
fn check(world: &World) -> Vec<Hit> {
    let deployments = world.workloads.iter().filter(|workload| workload.object.kind() == "Deployment");
    deployments.filter_map(|workload| judge(world, workload)).collect()
}

fn judge(world: &World, workload: &Workload) -> Option<Hit> {
    let volumes = workload.spec()?.list_at(&["volumes"]);
    let claim =
        volumes.iter().filter_map(|volume| volume.at(&["persistentVolumeClaim", "claimName"])).find(|claim| {
            let name = claim.as_str().unwrap_or_default();
            world.find_of(("", "PersistentVolumeClaim"), namespace_of(workload.object), name).is_some_and(is_for_one)
        })?;
    let spec = |path: &[&str]| workload.object.node.at(&["spec"]).and_then(|spec| spec.at(path));
    let replicas = spec(&["replicas"]).map_or(Some(1), Node::as_int)?;
    let stops_first = spec(&["strategy", "type"]).and_then(Node::as_str) == Some("Recreate")
        || spec(&["strategy", "rollingUpdate", "maxSurge"]).is_some_and(|surge| surge.as_int() == Some(0));
    let name = claim.as_str().unwrap_or_default();
    let (path, what): (&[&str], String) = match (replicas > 1, stops_first) {
        (true, _) => (&["spec", "replicas"], format!("{replicas} pods share")),
        (false, false) => (&["spec", "strategy"], "an update starts a second pod on".to_owned()),
        (false, true) => return None,
    };
    let message = format!("{what} volume claim `{name}`, which one node at a time can mount");
    let hit = Hit::at_key(workload.object, path, message);
    Some(if is_database(workload.template) { hit } else { hit.at_most(Severity::Warning) })
}

/// Whether only one node can mount it.
fn is_for_one(claim: &Object) -> bool {
    let modes = claim.node.list_at(&["spec", "accessModes"]);
    !modes.is_empty() && modes.iter().all(|mode| matches!(mode.as_str(), Some("ReadWriteOnce" | "ReadWriteOncePod")))
}

/// Whether a Deployment keeps its data on a volume: one pod is then what it is meant to have.
pub(super) fn is_bound(workload: &Workload) -> bool {
    let volumes = workload.spec().map(|spec| spec.list_at(&["volumes"])).unwrap_or_default();
    volumes.iter().any(|volume| volume.get("persistentVolumeClaim").is_some())
}
