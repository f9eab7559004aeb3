//! ING-003: an Ingress holds no code, and has a controller with a future.

use super::common::{HELM_RELEASE, texts};
use super::{E, Hit, Rule, W};
use crate::manifest::Object;
use crate::model::finding::Severity;
use crate::policy::world::World;

pub(super) const RULE: Rule = Rule {
    id: "ING-003",
    title: "No Ingress carries snippets; what still needs ingress-nginx is known.",
    severities: [W, E, E],
    why: "A snippet is code that runs in the controller, which holds the keys of every host; and ingress-nginx, retired in March 2026, gets no fixes.",
    fix: "Say it with an annotation of its own or in the application; plan the move to Gateway API or another controller.",
    good: "# file: env/ingress.yaml
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: shop }
spec: { ingressClassName: alb, rules: [] }
",
    bad: "# file: env/ingress.yaml
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: shop
  annotations:
    nginx.ingress.kubernetes.io/configuration-snippet: more_set_headers Server=shop;
spec: { ingressClassName: nginx, rules: [] }
",
    check,
};

/// That the controller is retired is said once an environment, as a warning; which classes there are, only the cluster knows.
fn check(world: &World) -> Vec<Hit> {
    let mut hits = Vec::new();
    let mut retired = controller(world);
    for ingress in world.of("networking.k8s.io", "Ingress") {
        for (key, value) in texts(ingress, &["metadata", "annotations"]) {
            let is_nginx = key.starts_with("nginx.ingress.kubernetes.io/") || key.starts_with("nginx.org/");
            if is_nginx && (key.ends_with("-snippet") || key.ends_with("-snippets")) {
                let name = key.split('/').next_back().unwrap_or(key);
                hits.push(Hit::new(ingress, value, format!("`{name}` is code that runs in the controller")));
            }
            if key.starts_with("nginx.ingress.kubernetes.io/") && retired.is_none() {
                retired = Some(Hit::new(ingress, value, RETIRED.to_owned()));
            }
        }
    }
    hits.extend(retired.map(|hit| hit.at_most(Severity::Warning)));
    hits
}

const RETIRED: &str = "is for ingress-nginx, which is retired and gets no security fixes";

/// The chart of the controller itself, or its class.
fn controller(world: &World) -> Option<Hit> {
    let chart = |release: &&Object| release.node.str_at(&["spec", "chart", "spec", "chart"]) == Some("ingress-nginx");
    if let Some(release) = world.of(HELM_RELEASE.0, HELM_RELEASE.1).find(chart) {
        return Some(Hit::at_key(release, &["spec", "chart", "spec", "chart"], RETIRED.to_owned()));
    }
    let is_its = |class: &&Object| class.node.str_at(&["spec", "controller"]) == Some("k8s.io/ingress-nginx");
    let class = world.of("networking.k8s.io", "IngressClass").find(is_its)?;
    Some(Hit::at_key(class, &["spec", "controller"], RETIRED.to_owned()))
}
