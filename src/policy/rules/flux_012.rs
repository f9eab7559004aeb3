//! FLUX-012: data does not go with a file.

use super::{E, Hit, Rule, W};
use crate::manifest::{Node, Object};
use crate::policy::world::{World, group_of, name_of};

pub(super) const RULE: Rule = Rule {
    id: "FLUX-012",
    title: "What holds data outlives its file.",
    severities: [None, W, E],
    why: "Flux deletes what is taken out of git, and a volume, database or kind takes its data along: a moved file is enough.",
    fix: "Add `kustomize.toolkit.fluxcd.io/prune: disabled` to it; to delete it for good, say `/trunkline override FLUX-012` with the reason.",
    good: "# file: clusters/prod/flux.yaml
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: apps, namespace: flux-system }
spec: { path: ./apps, prune: true, sourceRef: { kind: GitRepository, name: flux-system } }
# file: apps/data.yaml
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: data, annotations: { kustomize.toolkit.fluxcd.io/prune: disabled } }
",
    bad: "# file: clusters/prod/flux.yaml
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: apps, namespace: flux-system }
spec: { path: ./apps, prune: true, sourceRef: { kind: GitRepository, name: flux-system } }
# file: apps/data.yaml
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: data }
",
    check,
};

/// Kinds whose object is the data, unless it is filled from elsewhere when it is made anew. A Namespace or a definition holds data only through what is in it: their removal is told, their
/// annotation is not asked for.
const DATA: [(&str, &str); 5] = [
    ("", "PersistentVolumeClaim"),
    ("databases.schemahero.io", "Database"),
    ("postgresql.cnpg.io", "Cluster"),
    ("mongodbcommunity.mongodb.com", "MongoDBCommunity"),
    ("acid.zalan.do", "postgresql"),
];
const HOLDERS: [(&str, &str); 2] = [("", "Namespace"), ("apiextensions.k8s.io", "CustomResourceDefinition")];

fn check(world: &World) -> Vec<Hit> {
    let mut hits = Vec::new();
    for (by, objects) in world.layers() {
        if !by.is_some_and(prunes) {
            continue;
        }
        for object in
            objects.iter().filter(|object| DATA.contains(&kind(object)) && !is_kept(object) && !is_filled(object))
        {
            let message = "holds data, and Flux deletes it when it is taken out of git".to_owned();
            hits.push(Hit::on(object, message));
        }
    }
    let gone = world.removed().into_iter().filter(|object| {
        (DATA.contains(&kind(object)) && !is_filled(object) || HOLDERS.contains(&kind(object))) && !is_kept(object)
    });
    // The line is gone; it is shown where it stood.
    hits.extend(gone.map(|object| {
        Hit::on(object, "is taken out of git, and where Flux prunes, what it holds goes with it".to_owned())
    }));
    hits
}

fn kind(object: &Object) -> (&str, &str) {
    (group_of(object), object.kind())
}

/// Whether a Kustomization deletes what is taken out of git, also when it goes itself.
fn prunes(by: &Node) -> bool {
    by.at(&["spec", "prune"]).and_then(Node::as_bool) == Some(true)
        && by.str_at(&["spec", "deletionPolicy"]) != Some("Orphan")
}

/// A claim that is filled from a snapshot or backup when it is made, or that by its name holds what can be made anew.
fn is_filled(object: &Object) -> bool {
    name_of(object).split('-').any(|word| matches!(word, "cache" | "tmp" | "scratch"))
        || ["dataSource", "dataSourceRef"].iter().any(|key| object.node.at(&["spec", key]).is_some())
}

fn is_kept(object: &Object) -> bool {
    let off = |place| {
        let found = object.node.at(&["metadata", place]).and_then(|map| map.get("kustomize.toolkit.fluxcd.io/prune"));
        found.and_then(Node::as_str) == Some("disabled")
    };
    off("annotations") || off("labels")
}
