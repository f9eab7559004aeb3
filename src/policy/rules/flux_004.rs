//! FLUX-004: a rollout that hangs does not hang for ever.

use super::common::{KUSTOMIZATION, seconds};
use super::{E, Hit, I, Rule, W};
use crate::manifest::{Node, Object};
use crate::model::finding::Severity;
use crate::model::path::RepoPath;
use crate::policy::world::World;

pub(super) const RULE: Rule = Rule {
    id: "FLUX-004",
    title: "A Flux Kustomization that waits gives up soon, and tries again soon.",
    severities: [I, W, E],
    why: "While Flux waits for a broken version it applies no newer one: without `timeout` that lasts its whole interval, and a retry as long again.",
    fix: "Set `spec.timeout` to what a rollout really takes (`5m`), at most 15m, and `spec.retryInterval` to a minute or two.",
    good: "# file: env/flux.yaml
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: apps, namespace: flux-system }
spec: { interval: 1h, timeout: 5m, retryInterval: 2m, wait: true, path: ./env }
",
    bad: "# file: env/flux.yaml
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: apps, namespace: flux-system }
spec: { interval: 1h, wait: true, path: ./env }
",
    check,
};

/// Longer than a rollout takes, shorter than people wait for one.
const LONGEST: f64 = 15.0 * 60.0;

fn check(world: &World) -> Vec<Hit> {
    let mut hits: Vec<Hit> = world.of(KUSTOMIZATION.0, KUSTOMIZATION.1).filter_map(judge).collect();
    if !hits.is_empty() && lets_go(world) {
        hits.clear();
    }
    hits
}

/// Whether this repository sets up Flux so that it stops waiting as soon as there is a newer version. Looked for only in the files of Flux
/// itself, and only when there would be something to say.
fn lets_go(world: &World) -> bool {
    /// Files read: Flux's own are a handful a cluster.
    const MOST: usize = 200;
    let files = world.tree.files(&RepoPath::root()).unwrap_or_default();
    let own = files.iter().map(|(path, _)| path).filter(|path| {
        path.parts().any(|part| part.starts_with("flux-"))
            && (path.name().ends_with(".yaml") || path.name().ends_with(".yml"))
    });
    let says = |path: &RepoPath| {
        world
            .tree
            .read(path)
            .is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains("CancelHealthCheckOnNewRevision=true"))
    };
    own.take(MOST).any(says)
}

/// Only one that waits can hang; without `timeout` Flux takes the interval, less half a minute.
fn judge(object: &Object) -> Option<Hit> {
    let spec = |key| object.node.at(&["spec", key]);
    let of = |key| spec(key).and_then(Node::as_str).and_then(seconds);
    let waits = spec("wait").and_then(Node::as_bool) == Some(true);
    if !waits && object.node.list_at(&["spec", "healthChecks"]).is_empty() {
        return None;
    }
    let interval = of("interval")?;
    let mut said = Vec::new();
    match spec("timeout") {
        None if interval - 30.0 > LONGEST => {
            said.push(format!("waits up to {}, for want of a `timeout`", minutes(interval - 30.0)));
        }
        Some(_) if of("timeout").is_some_and(|timeout| timeout > LONGEST) => {
            said.push(format!("waits up to {}, its `timeout`", minutes(of("timeout")?)));
        }
        _ => {}
    }
    if spec("retryInterval").is_none() && interval > LONGEST {
        said.push(format!("{AGAIN} {}, for want of a `retryInterval`", minutes(interval)));
    }
    // To wait long for another try blocks nobody else.
    let most = if said.len() == 1 && said[0].starts_with(AGAIN) { Severity::Warning } else { Severity::Error };
    let key = if spec("timeout").is_some() { "timeout" } else { "interval" };
    (!said.is_empty()).then(|| Hit::at_key(object, &["spec", key], said.join(", and ")).at_most(most))
}

const AGAIN: &str = "tries again only after";

fn minutes(seconds: f64) -> String {
    format!("{} minutes", (seconds / 60.0).round())
}
