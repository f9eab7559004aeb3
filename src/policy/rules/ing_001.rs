//! ING-001: what comes in is encrypted.

use super::common::texts;
use super::{E, Hit, Rule, W};
use crate::manifest::{Node, Object};
use crate::policy::world::{World, is_placeholder, namespace_of};

pub(super) const RULE: Rule = Rule {
    id: "ING-001",
    title: "Every host of an Ingress has TLS, and an HTTPRoute hangs on an HTTPS listener.",
    severities: [None, W, E],
    why: "Without TLS everybody on the way reads and changes what passes, passwords and sessions included.",
    fix: "Add the host to `spec.tls` (or the load balancer's certificate), or attach the route to the Gateway's HTTPS listener.",
    good: "# file: env/ingress.yaml
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: shop }
spec:
  tls: [{ hosts: [shop.example.org], secretName: shop-tls }]
  rules: [{ host: shop.example.org }]
",
    bad: "# file: env/ingress.yaml
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: shop }
spec:
  tls: [{ hosts: [www.example.org], secretName: shop-tls }]
  rules: [{ host: shop.example.org }]
",
    check,
};

/// Words in annotations by which load balancers take their certificates, or end TLS at an entry point of their own.
const CERTIFICATES: [&str; 6] =
    ["certificate", "ssl-cert", "pre-shared-cert", "tls-acme", "router.tls", "router.entrypoints"];
/// Classes whose service ends TLS by itself.
const TUNNELS: [&str; 3] = ["tailscale", "cloudflare", "ngrok"];

fn check(world: &World) -> Vec<Hit> {
    let mut hits: Vec<Hit> = world.of("networking.k8s.io", "Ingress").flat_map(bare_hosts).collect();
    hits.extend(world.of("gateway.networking.k8s.io", "HTTPRoute").filter_map(|route| plain_route(world, route)));
    hits
}

fn bare_hosts(ingress: &Object) -> Vec<Hit> {
    let annotated =
        texts(ingress, &["metadata", "annotations"]).any(|(key, _)| CERTIFICATES.iter().any(|word| key.contains(word)));
    let class = ingress.node.str_at(&["spec", "ingressClassName"]).unwrap_or_default();
    let tls = ingress.node.list_at(&["spec", "tls"]);
    // An entry without hosts serves its certificate for all of them.
    let all = tls.iter().any(|entry| entry.list_at(&["hosts"]).is_empty());
    if annotated || all || TUNNELS.iter().any(|tunnel| class.contains(tunnel)) {
        return Vec::new();
    }
    let covered: Vec<&str> = tls.iter().flat_map(|entry| entry.list_at(&["hosts"])).filter_map(Node::as_str).collect();
    let hosts = ingress.node.list_at(&["spec", "rules"]).iter().filter_map(|rule| rule.get("host"));
    let bare = hosts.filter(|host| {
        host.as_str().is_some_and(|name| {
            !is_placeholder(name) && !is_local(name) && !covered.iter().any(|own| covers(own, name))
        })
    });
    bare.map(|host| {
        let name = host.as_str().unwrap_or_default();
        Hit::new(ingress, host, format!("host `{name}` has no TLS"))
    })
    .collect()
}

/// Names that never leave a laptop.
fn is_local(host: &str) -> bool {
    host == "localhost" || [".local", ".localhost", ".test"].iter().any(|end| host.ends_with(end))
}

/// Whether a certificate's name covers a host: itself, or `*` for its first label.
fn covers(own: &str, host: &str) -> bool {
    own == host
        || own.strip_prefix("*.").is_some_and(|rest| host.split_once('.').is_some_and(|(_, above)| above == rest))
}

/// A route all of whose listeners are plain HTTP, and that does more than send people to HTTPS.
fn plain_route(world: &World, route: &Object) -> Option<Hit> {
    let redirects = |rule: &Node| {
        let filters = rule.list_at(&["filters"]);
        filters.iter().any(|filter| filter.str_at(&["type"]) == Some("RequestRedirect"))
    };
    let rules = route.node.list_at(&["spec", "rules"]);
    if rules.is_empty() || rules.iter().all(redirects) {
        return None;
    }
    let parents = route.node.list_at(&["spec", "parentRefs"]);
    let mut plain = None;
    for parent in parents {
        let namespace = parent.str_at(&["namespace"]).unwrap_or_else(|| namespace_of(route));
        let gateway = world.find_of(("gateway.networking.k8s.io", "Gateway"), namespace, parent.str_at(&["name"])?)?;
        let section = parent.str_at(&["sectionName"]);
        let listeners = gateway.node.list_at(&["spec", "listeners"]).iter();
        let mut meant = listeners.filter(|one| section.is_none() || one.str_at(&["name"]) == section).peekable();
        meant.peek()?;
        if meant.any(|one| one.str_at(&["protocol"]) != Some("HTTP")) {
            return None;
        }
        plain = Some((parent, gateway));
    }
    let (parent, gateway) = plain?;
    let message = format!("hangs on listeners of Gateway `{}` that speak plain HTTP only", gateway.name().name);
    Some(Hit::new(route, parent.get("sectionName").or(parent.get("name")).unwrap_or(parent), message))
}
