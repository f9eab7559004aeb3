//! FLUX-003: Flux waits for what it applies.

use super::{E, Hit, I, Rule, W};
use crate::policy::world::World;

pub(super) const RULE: Rule = Rule {
    id: "FLUX-003",
    title: "A Flux Kustomization waits for what it applies.",
    severities: [I, W, E],
    why: "Without it Flux calls a change ready once it is applied, even while its pods crash, and the next environment follows.",
    fix: "Set `spec.wait: true`, or list what must be healthy in `spec.healthChecks`.",
    good: "# file: env/flux.yaml
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: apps, namespace: flux-system }
spec: { path: ./env, wait: true, sourceRef: { kind: GitRepository, name: flux-system } }
",
    bad: "# file: env/flux.yaml
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: apps, namespace: flux-system }
spec: { path: ./env, sourceRef: { kind: GitRepository, name: flux-system } }
",
    check,
};

fn check(world: &World) -> Vec<Hit> {
    world
        .of("kustomize.toolkit.fluxcd.io", "Kustomization")
        .filter(|object| {
            let waits = object.node.at(&["spec", "wait"]).and_then(|wait| wait.as_bool()) == Some(true);
            !waits && object.node.list_at(&["spec", "healthChecks"]).is_empty()
        })
        .map(|object| {
            let message = "neither `wait: true` nor `healthChecks`: applied will be taken for healthy";
            Hit::at_key(object, &["spec", "wait"], message.to_owned())
        })
        .collect()
}
