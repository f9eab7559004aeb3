//! RBAC-001: no account holds the whole cluster.

use super::common::is_part_of_flux;
use super::{E, Hit, Rule, W};
use crate::manifest::{Node, Object};
use crate::policy::world::World;

pub(super) const RULE: Rule = Rule {
    id: "RBAC-001",
    title: "No service account is cluster-admin, may do everything, or may give itself more rights.",
    severities: [W, E, E],
    why: "Whoever gets into one pod with such an account has every secret and every node of the cluster.",
    fix: "List the resources and verbs it needs; bind within a namespace where that is enough.",
    good: "# file: env/rbac.yaml
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: reader }
rules: [{ apiGroups: [''], resources: [pods], verbs: [get, list, watch] }]
",
    bad: "# file: env/rbac.yaml
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: shop }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin }
subjects: [{ kind: ServiceAccount, name: shop, namespace: shop }]
",
    check,
};

/// Verbs by which an account takes rights it was not given.
const CLIMBING: [&str; 3] = ["escalate", "bind", "impersonate"];
const GROUP: &str = "rbac.authorization.k8s.io";

/// Flux's own bindings are Flux's; people's groups may well be administrators; and an administrator of one namespace, as tenants have, is
/// meant. Whether a cloud role belongs to this environment's account nobody writes down.
fn check(world: &World) -> Vec<Hit> {
    let mut hits: Vec<Hit> = world.of(GROUP, "ClusterRoleBinding").filter_map(admin).collect();
    for role in world.of(GROUP, "ClusterRole").filter(|role| !is_part_of_flux(role)) {
        // What an aggregated role may do is written elsewhere, and this is how Kubernetes' own roles are extended.
        hits.extend(role.node.list_at(&["rules"]).iter().filter_map(|rule| all_powers(role, rule)));
    }
    hits
}

fn admin(binding: &Object) -> Option<Hit> {
    let role = binding.node.at(&["roleRef", "name"]).filter(|role| role.as_str() == Some("cluster-admin"))?;
    if is_part_of_flux(binding) {
        return None;
    }
    let everybody = ["system:authenticated", "system:unauthenticated", "system:anonymous", "system:serviceaccounts"];
    let subject = binding.node.list_at(&["subjects"]).iter().find(|subject| {
        subject.str_at(&["kind"]) == Some("ServiceAccount")
            || subject.str_at(&["name"]).is_some_and(|name| everybody.contains(&name))
    })?;
    let name = subject.str_at(&["name"]).unwrap_or_default();
    Some(Hit::new(binding, role, format!("makes `{name}` an administrator of the whole cluster")))
}

fn all_powers(role: &Object, rule: &Node) -> Option<Hit> {
    let has = |list: &str, word: &str| rule.list_at(&[list]).iter().any(|one| one.as_str() == Some(word));
    if has("apiGroups", "*") && has("resources", "*") && has("verbs", "*") {
        return Some(Hit::new(role, rule, "may do everything with everything".to_owned()));
    }
    let verb =
        rule.list_at(&["verbs"]).iter().find(|verb| verb.as_str().is_some_and(|verb| CLIMBING.contains(&verb)))?;
    // With names it is bounded to these.
    if !rule.list_at(&["resourceNames"]).is_empty() {
        return None;
    }
    Some(Hit::new(
        role,
        verb,
        format!("may `{}`, and so take rights it was not given", verb.as_str().unwrap_or_default()),
    ))
}
