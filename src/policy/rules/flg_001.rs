//! FLG-001: a canary can sing.

use super::{E, Hit, Rule, W};
use crate::manifest::Object;
use crate::policy::world::{World, name_of, namespace_of};

pub(super) const RULE: Rule = Rule {
    id: "FLG-001",
    title: "A Flagger Canary has a target it can split, Services of its own, and something to judge by.",
    severities: [None, W, E],
    why: "Without a target it does nothing; without an analysis it promotes every version; and Flux undoes what it does to a Service in git.",
    fix: "Name the target, leave the Services it makes out of git, and give `analysis` metrics or webhooks with a threshold.",
    good: "# file: env/app.yaml
apiVersion: apps/v1
kind: Deployment
metadata: { name: shop }
spec:
  selector: { matchLabels: { app: shop } }
  template: { metadata: { labels: { app: shop } }, spec: { containers: [{ name: shop, image: shop:v1 }] } }
---
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: { name: shop }
spec:
  targetRef: { apiVersion: apps/v1, kind: Deployment, name: shop }
  service: { port: 80 }
  analysis: { interval: 1m, threshold: 5, maxWeight: 50, stepWeight: 10, metrics: [{ name: request-success-rate }] }
",
    bad: "# file: env/app.yaml
apiVersion: apps/v1
kind: Deployment
metadata: { name: shop }
spec:
  selector: { matchLabels: { component: shop } }
  template: { metadata: { labels: { component: shop } }, spec: { containers: [{ name: shop, image: shop:v1 }] } }
---
apiVersion: v1
kind: Service
metadata: { name: shop }
spec: { selector: { component: shop }, ports: [{ port: 80 }] }
---
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: { name: shop }
spec:
  targetRef: { apiVersion: apps/v1, kind: Deployment, name: shop }
  service: { port: 80 }
  analysis: { interval: 1m, threshold: 5, iterations: 10 }
",
    check,
};

/// The labels by which Flagger tells the pods of two versions apart, unless it was installed with others.
const LABELS: [&str; 3] = ["app", "name", "app.kubernetes.io/name"];

fn check(world: &World) -> Vec<Hit> {
    world.of("flagger.app", "Canary").flat_map(|canary| judge(world, canary)).collect()
}

fn judge(world: &World, canary: &Object) -> Vec<Hit> {
    let mut hits = Vec::new();
    let namespace = namespace_of(canary);
    let target = |key| canary.node.str_at(&["spec", "targetRef", key]).unwrap_or_default();
    let (kind, name) = (target("kind"), target("name"));
    match world.find(namespace, kind, name) {
        Some(found) if kind == "Deployment" => hits.extend(unsplit(found)),
        Some(_) => {}
        None if name.is_empty() || world.makes_unseen(namespace) || world.made_by_operator(namespace, name) => {}
        // A slip, or an application that brings its Services but not this.
        None if world.of("apps", kind_of(kind)).any(|one| namespace_of(one) == namespace) => {
            let message = format!("is for {kind} `{name}`, which this environment does not have");
            hits.push(Hit::at_key(canary, &["spec", "targetRef", "name"], message));
        }
        None => {}
    }
    // Flagger makes these three; what Gateway API or a mesh without Services needs is the same.
    let apex = canary.node.str_at(&["spec", "service", "name"]).unwrap_or(name);
    for end in ["", "-primary", "-canary"] {
        if let Some(service) = world.find_of(("", "Service"), namespace, &format!("{apex}{end}")) {
            let message = format!("is made by Flagger for Canary `{}`, and Flux would change it back", name_of(canary));
            hits.push(Hit::on(service, message));
        }
    }
    hits.extend(unjudged(canary));
    hits
}

/// The kinds of `apps`; another one leads nowhere.
fn kind_of(kind: &str) -> &'static str {
    if kind == "DaemonSet" { "DaemonSet" } else { "Deployment" }
}

fn unsplit(target: &Object) -> Option<Hit> {
    let labels = target.node.at(&["spec", "selector", "matchLabels"])?;
    if LABELS.iter().any(|label| labels.get(label).is_some()) {
        return None;
    }
    let message =
        "is a canary's target, and its selector has none of the labels `app`, `name`, `app.kubernetes.io/name`";
    Some(Hit::at_key(target, &["spec", "selector", "matchLabels"], message.to_owned()))
}

fn unjudged(canary: &Object) -> Option<Hit> {
    let skip = canary.node.at(&["spec", "skipAnalysis"]);
    if let Some(node) = skip.filter(|node| node.as_bool() == Some(true)) {
        return Some(Hit::new(canary, node, "`skipAnalysis: true` promotes every version unseen".to_owned()));
    }
    let analysis = canary.node.at(&["spec", "analysis"])?;
    let has = |key| !analysis.list_at(&[key]).is_empty();
    let judged = has("metrics") || has("webhooks");
    (!judged).then(|| {
        Hit::at_key(canary, &["spec", "analysis"], "has neither metrics nor webhooks: every version passes".to_owned())
    })
}
