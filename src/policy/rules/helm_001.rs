//! HELM-001: a HelmRelease says which chart, once, and where it is.

use super::common::{HELM_RELEASE, SOURCE, namespace_in};
use super::{E, Hit, Rule, W};
use crate::manifest::{Node, Object};
use crate::policy::world::{World, is_placeholder};

pub(super) const RULE: Rule = Rule {
    id: "HELM-001",
    title: "A HelmRelease names one chart, from a source that exists.",
    severities: [W, E, E],
    why: "helm-controller refuses a release with no chart or with two, and waits for ever for a source that is not there.",
    fix: "Keep one of `spec.chart` and `spec.chartRef`, and correct the source's name.",
    good: "# file: env/release.yaml
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: { name: podinfo, namespace: apps }
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: { name: podinfo, namespace: apps }
spec: { chart: { spec: { chart: podinfo, version: 6.5.4, sourceRef: { kind: HelmRepository, name: podinfo } } } }
",
    bad: "# file: env/release.yaml
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: { name: podinfo, namespace: apps }
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: { name: podinfo, namespace: apps }
spec:
  chart: { spec: { chart: podinfo, version: 6.5.4, sourceRef: { kind: HelmRepository, name: podinfos } } }
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: { name: other, namespace: apps }
spec: { interval: 1h }
",
    check,
};

/// A chart in this repository is looked up; one from elsewhere, and its values, are not rendered and not judged.
fn check(world: &World) -> Vec<Hit> {
    world.of(HELM_RELEASE.0, HELM_RELEASE.1).flat_map(|release| judge(world, release)).collect()
}

fn judge(world: &World, release: &Object) -> Vec<Hit> {
    let (chart, reference) = (release.node.at(&["spec", "chart"]), release.node.at(&["spec", "chartRef"]));
    let mut hits = Vec::new();
    match (chart, reference) {
        (None, None) => {
            hits.push(Hit::at_key(release, &["spec"], "names no chart: neither `chart` nor `chartRef`".into()))
        }
        (Some(_), Some(_)) => {
            let message = "names two charts: `chart` and `chartRef` exclude each other".to_owned();
            hits.push(Hit::at_key(release, &["spec", "chartRef"], message));
        }
        _ => {}
    }
    let source = chart.and_then(|chart| chart.at(&["spec", "sourceRef"]));
    hits.extend(source.into_iter().chain(reference).filter_map(|source| missing(world, release, source)));
    if let (Some(chart), Some("GitRepository")) = (chart, source.and_then(|source| source.str_at(&["kind"])))
        && source.and_then(|source| source.str_at(&["name"])) == Some("flux-system")
    {
        hits.extend(chart.at(&["spec", "chart"]).and_then(|path| absent(world, release, path)));
    }
    hits
}

fn missing(world: &World, release: &Object, source: &Node) -> Option<Hit> {
    let kinds = ["HelmRepository", "GitRepository", "Bucket", "OCIRepository", "HelmChart"];
    let kind = kinds.into_iter().find(|kind| source.str_at(&["kind"]) == Some(*kind))?;
    let (name, text) = (source.get("name")?, source.str_at(&["name"])?);
    if text == "flux-system" {
        return None;
    }
    let near = world.leads_nowhere((SOURCE, kind), namespace_in(source, release), text)?;
    Some(Hit::new(release, name, format!("takes its chart from {kind} `{text}`, which is not there{near}")))
}

/// `flux-system` is this repository, so a chart it names must be in it.
fn absent(world: &World, release: &Object, path: &Node) -> Option<Hit> {
    let text = path.as_str().filter(|text| !is_placeholder(text))?;
    let folder = crate::model::path::RepoPath::root().join(text.trim_start_matches('/')).ok()?;
    if world.tree.is_file(&folder.child("Chart.yaml")) || world.tree.is_file(&folder) {
        return None;
    }
    Some(Hit::new(release, path, format!("takes its chart from `{text}`, and this repository has none there")))
}
