//! SEC-004: the vault survives a node.

use super::common::HELM_RELEASE;
use super::{E, Hit, Rule, W};
use crate::manifest::{Node, Object};
use crate::policy::world::World;

pub(super) const RULE: Rule = Rule {
    id: "SEC-004",
    title: "Vault runs with three replicas on raft, and keeps an audit log.",
    severities: [None, W, E],
    why: "When Vault is away no secret is renewed and no new pod gets one; without an audit log nobody knows who read what.",
    fix: "Set `server.ha.enabled`, `server.ha.raft.enabled`, `server.ha.replicas: 3` and `server.auditStorage.enabled` in the values.",
    good: "# file: env/vault.yaml
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: { name: vault }
spec:
  chart: { spec: { chart: vault, version: 0.31.0, sourceRef: { kind: HelmRepository, name: hashicorp } } }
  values: { server: { ha: { enabled: true, replicas: 3, raft: { enabled: true } }, auditStorage: { enabled: true } } }
",
    bad: "# file: env/vault.yaml
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: { name: vault }
spec:
  chart: { spec: { chart: vault, version: 0.31.0, sourceRef: { kind: HelmRepository, name: hashicorp } } }
  values: { server: { ha: { enabled: true, replicas: 2 } } }
",
    check,
};

fn check(world: &World) -> Vec<Hit> {
    let is_vault = |release: &&Object| release.node.str_at(&["spec", "chart", "spec", "chart"]) == Some("vault");
    world.of(HELM_RELEASE.0, HELM_RELEASE.1).filter(is_vault).filter_map(judge).collect()
}

fn judge(release: &Object) -> Option<Hit> {
    // Values from elsewhere may say the rest.
    if !release.node.list_at(&["spec", "valuesFrom"]).is_empty() {
        return None;
    }
    let values = release.node.at(&["spec", "values"]);
    let at = |path: &[&str]| values.and_then(|values| values.at(path));
    let on = |path: &[&str]| at(path).and_then(Node::as_bool) == Some(true);
    let uses_server = at(&["server", "enabled"]).and_then(Node::as_bool) != Some(false);
    let external =
        at(&["global", "externalVaultAddr"]).and_then(Node::as_str).is_some_and(|address| !address.is_empty());
    if !uses_server || external {
        return None;
    }
    let mut lacks = Vec::new();
    if !on(&["server", "ha", "enabled"]) {
        lacks.push("high availability");
    }
    // The chart's own default is three.
    if at(&["server", "ha", "replicas"]).and_then(Node::as_int).is_some_and(|count| count < 3) {
        lacks.push("three replicas");
    }
    if !on(&["server", "ha", "raft", "enabled"]) {
        lacks.push("raft storage");
    }
    if !on(&["server", "auditStorage", "enabled"]) {
        lacks.push("an audit log");
    }
    let message = format!("Vault runs without {}", super::and(&lacks));
    (!lacks.is_empty()).then(|| Hit::at_key(release, &["spec", "values", "server", "ha"], message))
}
