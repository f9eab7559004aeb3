//! FLUX-007: production names the versions it runs.

use super::common::{HELM_RELEASE, SOURCE, is_exact};
use super::{Hit, I, Rule, W};
use crate::policy::world::{World, is_placeholder};

pub(super) const RULE: Rule = Rule {
    id: "FLUX-007",
    title: "Production names exact versions of charts and artifacts.",
    severities: [None, I, W],
    why: "A range lets Flux take a new version in all environments at once, with no commit, no approval and no way back by revert.",
    fix: "Write the exact version, and let a bot propose the next one in a pull request.",
    good: "# file: env/release.yaml
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: { name: podinfo }
spec: { chart: { spec: { chart: podinfo, version: 6.5.4, sourceRef: { kind: HelmRepository, name: podinfo } } } }
",
    bad: "# file: env/release.yaml
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: { name: podinfo }
spec: { chart: { spec: { chart: podinfo, version: '>=1.0.0', sourceRef: { kind: HelmRepository, name: podinfo } } } }
",
    check,
};

/// Charts from git follow their commit, not a version; and a GitRepository's branch may well be the one that promotes. Both say nothing.
fn check(world: &World) -> Vec<Hit> {
    let mut hits = Vec::new();
    for release in world.of(HELM_RELEASE.0, HELM_RELEASE.1) {
        let chart = ["spec", "chart", "spec"];
        if release.node.at(&chart).and_then(|chart| chart.str_at(&["sourceRef", "kind"])) != Some("HelmRepository") {
            continue;
        }
        let version = release.node.at(&["spec", "chart", "spec", "version"]);
        match version.and_then(|version| version.as_str()) {
            Some(text) if is_exact(text) || is_placeholder(text) && text != "*" => {}
            Some(text) => {
                let message = format!("takes any chart version that fits `{text}`");
                hits.push(Hit::at_key(release, &["spec", "chart", "spec", "version"], message));
            }
            None if version.is_some() => {}
            None => {
                let message = "names no chart version, so it takes the newest".to_owned();
                hits.push(Hit::at_key(release, &["spec", "chart", "spec", "chart"], message));
            }
        }
    }
    for source in world.of(SOURCE, "OCIRepository") {
        let of = |key| source.node.str_at(&["spec", "ref", key]);
        let pinned = of("digest").is_some() || of("semver").is_some_and(is_exact);
        let message = match (of("semver"), of("tag")) {
            _ if pinned => continue,
            (Some(range), _) => format!("takes any version that fits `{range}`"),
            (None, Some("latest")) => "follows the tag `latest`".to_owned(),
            (None, Some(_)) => continue,
            (None, None) => "names no version, so it follows the tag `latest`".to_owned(),
        };
        let key = if of("semver").is_some() { "semver" } else { "tag" };
        hits.push(Hit::at_key(source, &["spec", "ref", key], message));
    }
    hits
}
