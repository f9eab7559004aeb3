//! FLUX-010: what is in git is applied.

use super::{E, Hit, I, Rule, W};
use crate::policy::world::{World, group_of};

pub(super) const RULE: Rule = Rule {
    id: "FLUX-010",
    title: "Nothing is switched off in git.",
    severities: [I, W, E],
    why: "While it is suspended, git says one thing and the cluster does another; what was meant for an hour is found a year later.",
    fix: "Remove the line; to stop Flux for a while, use `flux suspend` and a freeze.",
    good: "# file: env/flux.yaml
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: apps, namespace: flux-system }
spec: { path: ./env, suspend: false }
",
    bad: "# file: env/flux.yaml
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: apps, namespace: flux-system }
spec: { path: ./env, suspend: true }
",
    check,
};

fn check(world: &World) -> Vec<Hit> {
    let mut hits = Vec::new();
    for object in world.objects {
        let suspended = object.node.at(&["spec", "suspend"]);
        if let Some(node) = suspended.filter(|node| node.as_bool() == Some(true))
            && group_of(object).ends_with(".toolkit.fluxcd.io")
        {
            hits.push(Hit::new(object, node, "`suspend: true`: Flux does not apply it".to_owned()));
        }
        let ignored = ["annotations", "labels"]
            .into_iter()
            .find_map(|place| object.node.at(&["metadata", place])?.get("kustomize.toolkit.fluxcd.io/ssa"));
        if let Some(node) = ignored.filter(|node| node.as_str().map(str::to_lowercase).as_deref() == Some("ignore")) {
            hits.push(Hit::new(object, node, "`ssa: Ignore`: Flux does not apply it".to_owned()));
        }
        let reconcile = object.node.at(&["metadata", "annotations"]);
        let reconcile = reconcile.and_then(|map| map.get("kustomize.toolkit.fluxcd.io/reconcile"));
        if let Some(node) = reconcile.filter(|node| node.as_str() == Some("disabled")) {
            hits.push(Hit::new(object, node, "`reconcile: disabled`: Flux does not apply it".to_owned()));
        }
    }
    hits
}
