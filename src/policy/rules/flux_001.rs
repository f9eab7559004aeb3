//! FLUX-001: what Flux objects refer to is there, and nobody waits for himself.

use std::collections::HashMap;

use super::common::{HELM_RELEASE, KUSTOMIZATION, SOURCE, depends_on, namespace_in};
use super::{E, Hit, Rule};
use crate::manifest::{Node, Object};
use crate::policy::world::World;

pub(super) const RULE: Rule = Rule {
    id: "FLUX-001",
    title: "What a Flux object names exists, and no `dependsOn` leads back to itself.",
    severities: [E; 3],
    why: "Flux waits for a missing source or dependency for ever, and applies nothing meanwhile; a ring waits for itself.",
    fix: "Correct the name, or take one `dependsOn` out of the ring.",
    good: "# file: env/flux.yaml
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: configs, namespace: flux-system }
spec: { path: ./env, dependsOn: [{ name: controllers }], sourceRef: { kind: GitRepository, name: platform } }
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: controllers, namespace: flux-system }
spec: { path: ./env, sourceRef: { kind: GitRepository, name: platform } }
",
    bad: "# file: env/flux.yaml
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: configs, namespace: flux-system }
spec: { path: ./env, dependsOn: [{ name: controlers }], sourceRef: { kind: GitRepository, name: platform } }
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: controllers, namespace: flux-system }
spec: { path: ./env, dependsOn: [{ name: controllers }], sourceRef: { kind: GitRepository, name: platform } }
",
    check,
};

/// Sources, dependencies and rings. Variables (`substituteFrom`) and decryption keys are mostly put into the cluster by hand or by another
/// tool, so their absence here says nothing; that variables have values is told where they are replaced.
fn check(world: &World) -> Vec<Hit> {
    let mut hits = Vec::new();
    for of in [KUSTOMIZATION, HELM_RELEASE] {
        for object in world.of(of.0, of.1) {
            for dependency in object.node.list_at(&["spec", "dependsOn"]) {
                hits.extend(missing(world, object, of, "waits for", dependency));
            }
        }
        hits.extend(rings(world, of));
    }
    for object in world.of(KUSTOMIZATION.0, KUSTOMIZATION.1) {
        hits.extend(object.node.at(&["spec", "sourceRef"]).and_then(|source| from(world, object, source)));
    }
    let image = "image.toolkit.fluxcd.io";
    for policy in world.of(image, "ImagePolicy") {
        let reference = policy.node.at(&["spec", "imageRepositoryRef"]);
        hits.extend(
            reference.and_then(|one| missing(world, policy, (image, "ImageRepository"), "chooses tags of", one)),
        );
    }
    for alert in world.of("notification.toolkit.fluxcd.io", "Alert") {
        let provider = ("notification.toolkit.fluxcd.io", "Provider");
        let reference = alert.node.at(&["spec", "providerRef"]);
        hits.extend(reference.and_then(|one| missing(world, alert, provider, "sends to", one)));
    }
    hits
}

/// A source, of which kind ever.
pub(super) fn from(world: &World, object: &Object, source: &Node) -> Option<Hit> {
    let kinds = ["GitRepository", "OCIRepository", "Bucket", "HelmRepository", "HelmChart", "ExternalArtifact"];
    let kind = kinds.into_iter().find(|kind| source.str_at(&["kind"]) == Some(*kind))?;
    // Made by bootstrapping Flux; and what generators make has no object of its own in git.
    if source.str_at(&["name"]) == Some("flux-system") || kind == "ExternalArtifact" {
        return None;
    }
    missing(world, object, (SOURCE, kind), "takes its content from", source)
}

fn missing(
    world: &World,
    object: &Object,
    of: (&'static str, &'static str),
    verb: &str,
    reference: &Node,
) -> Option<Hit> {
    let name = reference.get("name")?;
    let text = name.as_str()?;
    let near = world.leads_nowhere(of, namespace_in(reference, object), text)?;
    Some(Hit::new(object, name, format!("{verb} {} `{text}`, which is not there{near}", of.1)))
}

/// One hit a ring, at the first object on it: each object and each of its dependencies is looked at once.
fn rings(world: &World, of: (&'static str, &'static str)) -> Vec<Hit> {
    let all: Vec<&Object> = world.of(of.0, of.1).collect();
    let place: HashMap<*const Object, usize> =
        all.iter().enumerate().map(|(at, object)| (std::ptr::from_ref(*object), at)).collect();
    let depends =
        |object: &&Object| depends_on(world, of, object).iter().filter_map(|on| place.get(on).copied()).collect();
    let edges: Vec<Vec<usize>> = all.iter().map(depends).collect();
    // The way from where the walk began, each with how many of its dependencies were followed.
    let mut way: Vec<(usize, usize)> = Vec::new();
    let mut depth: Vec<Option<usize>> = vec![None; all.len()];
    let (mut done, mut told) = (vec![false; all.len()], vec![false; all.len()]);
    let mut hits = Vec::new();
    for start in 0..all.len() {
        if done[start] {
            continue;
        }
        way.push((start, 0));
        depth[start] = Some(0);
        while let Some((here, next)) = way.last_mut() {
            let Some(to) = edges[*here].get(*next).copied() else {
                (done[*here], depth[*here]) = (true, None);
                way.pop();
                continue;
            };
            *next += 1;
            match depth[to] {
                Some(from) if !told[to] => {
                    way[from..].iter().for_each(|(on, _)| told[*on] = true);
                    let message = "waits for itself through `dependsOn`, so it is never applied".to_owned();
                    hits.push(Hit::at_key(all[to], &["spec", "dependsOn"], message));
                }
                None if !done[to] => {
                    depth[to] = Some(way.len());
                    way.push((to, 0));
                }
                _ => {}
            }
        }
    }
    hits
}
