//! CAT-001: the catalog knows what runs.

use std::collections::HashSet;

use super::{Hit, I, Rule, W};
use crate::manifest::Node;
use crate::manifest::load::load;
use crate::model::path::RepoPath;
use crate::policy::world::World;

pub(super) const RULE: Rule = Rule {
    id: "CAT-001",
    title: "Backstage's catalog names an owner, and the workloads it stands for.",
    severities: [I, I, W],
    why: "What the catalog does not connect to its workload has no owner in the night it breaks.",
    fix: "Set `spec.owner`, and let `backstage.io/kubernetes-id` in `catalog-info.yaml` and on the workload be the same.",
    good: "# file: env/app.yaml
apiVersion: v1
kind: Pod
metadata: { name: shop, labels: { backstage.io/kubernetes-id: shop } }
spec: { containers: [{ name: shop, image: shop:v1 }] }
# file: catalog-info.yaml
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: { name: shop, annotations: { backstage.io/kubernetes-id: shop } }
spec: { type: service, lifecycle: production, owner: group:shop }
",
    bad: "# file: env/app.yaml
apiVersion: v1
kind: Pod
metadata: { name: shop, labels: { backstage.io/kubernetes-id: shops } }
spec: { containers: [{ name: shop, image: shop:v1 }] }
# file: catalog-info.yaml
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: { name: shop, annotations: { backstage.io/kubernetes-id: shop } }
spec: { type: service, lifecycle: production }
",
    check,
};

const ID: &str = "backstage.io/kubernetes-id";

/// The catalog file at the root of the repository. Whether an owner exists, and what the repository is called, is not known here.
fn check(world: &World) -> Vec<Hit> {
    let path = RepoPath::root().child("catalog-info.yaml");
    let Ok(bytes) = world.tree.read(&path) else { return Vec::new() };
    let documents = load(&path, &bytes).documents;
    let (mut hits, mut ids) = (Vec::new(), HashSet::new());
    for document in &documents {
        let node = &document.node;
        ids.extend(
            node.at(&["metadata", "annotations"]).and_then(|map| map.get(ID)).and_then(Node::as_str).map(str::to_owned),
        );
        if node.str_at(&["kind"]) == Some("Component") && node.str_at(&["spec", "owner"]).is_none_or(str::is_empty) {
            let at = node.at(&["metadata", "name"]).unwrap_or(node);
            let message = format!("component `{}` has no owner", at.brief());
            hits.push(Hit::in_file(at.span.location(), message));
        }
    }
    if ids.is_empty() {
        return hits;
    }
    for workload in &world.workloads {
        let id = workload.object.node.at(&["metadata", "labels"]).and_then(|labels| labels.get(ID));
        if let Some(node) = id.filter(|id| !id.as_str().is_some_and(|id| ids.contains(id))) {
            let message =
                format!("is `{}` to Backstage, and the catalog of this repository has no such id", node.brief());
            hits.push(Hit::new(workload.object, node, message));
        }
    }
    hits
}
