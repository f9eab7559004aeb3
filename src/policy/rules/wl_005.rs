//! WL-005: pods ask for no more than they need.

use std::collections::HashSet;

use super::{E, Hit, I, Rule, W, and, edit_at};
use crate::manifest::{Node, Value};
use crate::model::finding::Severity;
use crate::model::suggestion::{Edit, Write};
use crate::policy::world::{Container, Workload, World, name_of, namespace_of};

pub(super) const RULE: Rule = Rule {
    id: "WL-005",
    title: "Pods meet the Pod Security Standard \"restricted\".",
    severities: [I, W, E],
    why: "A process that is root, may become it, or keeps capabilities turns a hole in the application into one in the node.",
    fix: "Set `runAsNonRoot: true`, `seccompProfile: { type: RuntimeDefault }`, `allowPrivilegeEscalation: false` and drop `ALL` capabilities.",
    good: "# file: env/pod.yaml
apiVersion: v1
kind: Pod
metadata: { name: shop }
spec:
  securityContext: { runAsNonRoot: true, seccompProfile: { type: RuntimeDefault } }
  containers:
    - name: shop
      image: shop:v1
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: [ALL] } }
",
    bad: "# file: env/pod.yaml
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { pod-security.kubernetes.io/enforce: restricted } }
---
apiVersion: v1
kind: Pod
metadata: { name: shop, namespace: shop }
spec:
  securityContext: { runAsNonRoot: true }
  containers:
    - name: shop
      image: shop:v1
      securityContext: { capabilities: { drop: [ALL] } }
",
    check,
};

/// In a namespace that enforces the standard such a pod is refused: an error. Elsewhere it is a warning, and the seccomp profile, which many
/// clusters set by default, is not missed where all the rest is there. What a mesh adds to a manifest is the mesh's.
fn check(world: &World) -> Vec<Hit> {
    let label = "pod-security.kubernetes.io/enforce";
    let enforces = |namespace: &&crate::manifest::Object| {
        namespace.node.at(&["metadata", "labels"]).and_then(|labels| labels.get(label)).and_then(Node::as_str)
            == Some("restricted")
    };
    let enforcing: HashSet<&str> = world.of("", "Namespace").filter(enforces).map(name_of).collect();
    let mut hits = Vec::new();
    for workload in &world.workloads {
        let lacks = lacks(workload);
        let Some((first, _)) = lacks.first() else { continue };
        let mut what: Vec<&str> = lacks.iter().map(|(_, what)| *what).collect();
        what.dedup();
        let most = match what.as_slice() {
            _ if enforcing.contains(namespace_of(workload.object)) => Severity::Error,
            [SECCOMP] => continue,
            _ => Severity::Warning,
        };
        let message = format!("container `{}` lacks {}", first.name(), and(&what));
        let at = first.node.get("securityContext").and(first.node.as_map()).and_then(|map| map.key("securityContext"));
        let at = at.or(first.node.as_map().and_then(|map| map.key("name"))).map_or(&first.node.span, |key| &key.span);
        let edit = if what == [ESCALATION] { no_escalation(first) } else { None };
        hits.push(Hit { object: Some(workload.name()), most, edit, ..Hit::in_file(at.location(), message) });
    }
    hits
}

const INJECTED: [&str; 3] = ["istio-init", "istio-proxy", "linkerd-init"];
const SECCOMP: &str = "a seccomp profile";
const ESCALATION: &str = "`allowPrivilegeEscalation: false`";

/// The line that is all a container lacks. One that says otherwise means it, and with these powers the API server refuses the line.
fn no_escalation(container: &Container<'_>) -> Option<Edit> {
    let own = container.node.get("securityContext").filter(|own| own.made.is_none())?;
    let added = own.list_at(&["capabilities", "add"]);
    let is_mighty = own.get("privileged").and_then(Node::as_bool) == Some(true)
        || added.iter().any(|one| matches!(one.as_str(), Some("SYS_ADMIN" | "CAP_SYS_ADMIN")));
    if is_mighty || own.get("allowPrivilegeEscalation").is_some() {
        return None;
    }
    let (below, _) = own.as_map()?.iter().next_back()?;
    let (key, value) = ("allowPrivilegeEscalation".to_owned(), false);
    Some(edit_at(&below.span, Write::Entry { below: below.text.to_string(), key, value }))
}

/// What the first container that falls short lacks: one hit a workload says it all.
fn lacks<'a>(workload: &Workload<'a>) -> Vec<(Container<'a>, &'static str)> {
    let pod = workload.spec().and_then(|spec| spec.get("securityContext"));
    let is_windows = workload.spec().and_then(|spec| spec.str_at(&["os", "name"])) == Some("windows");
    if is_windows {
        return Vec::new();
    }
    for container in workload.containers().filter(|one| !INJECTED.contains(&one.name())) {
        let own = container.node.get("securityContext");
        let either = |key: &str| own.and_then(|own| own.get(key)).or(pod.and_then(|pod| pod.get(key)));
        let of = |key: &str| own.and_then(|own| own.get(key));
        let is = |node: Option<&Node>, truth| node.and_then(Node::as_bool) == Some(truth);
        let some_user = either("runAsUser").and_then(Node::as_int).is_some_and(|user| user > 0);
        let dropped = own.map(|own| own.list_at(&["capabilities", "drop"])).unwrap_or_default();
        let mut lacks = Vec::new();
        if !is(either("runAsNonRoot"), true) && !some_user {
            lacks.push((container, "`runAsNonRoot: true`"));
        }
        if !is(of("allowPrivilegeEscalation"), false) {
            lacks.push((container, ESCALATION));
        }
        if !dropped.iter().any(|one| one.as_str().is_some_and(|name| name.eq_ignore_ascii_case("all"))) {
            lacks.push((container, "dropped capabilities"));
        }
        if !matches!(either("seccompProfile").map(|node| &node.value), Some(Value::Map(_))) {
            lacks.push((container, SECCOMP));
        }
        if !lacks.is_empty() {
            return lacks;
        }
    }
    Vec::new()
}
