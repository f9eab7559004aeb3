//! FLUX-002: the folder a Flux Kustomization applies exists.

use super::{E, Hit, Rule};
use crate::manifest::Object;
use crate::model::path::RepoPath;
use crate::policy::world::World;

pub(super) const RULE: Rule = Rule {
    id: "FLUX-002",
    title: "The path of a Flux Kustomization exists.",
    severities: [E; 3],
    why: "Flux answers \"kustomization path not found\" and applies nothing of it any more.",
    fix: "Write the folder's path from the repository's root, or add the folder.",
    good: "# file: env/flux.yaml
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: apps, namespace: flux-system }
spec: { path: ./apps, sourceRef: { kind: GitRepository, name: flux-system } }
# file: apps/app.yaml
apiVersion: v1
kind: ConfigMap
metadata: { name: app }
",
    bad: "# file: env/flux.yaml
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: apps, namespace: flux-system }
spec: { path: ./app, sourceRef: { kind: GitRepository, name: flux-system } }
# file: apps/app.yaml
apiVersion: v1
kind: ConfigMap
metadata: { name: app }
",
    check,
};

fn check(world: &World) -> Vec<Hit> {
    let all: Vec<&Object> = world.of("kustomize.toolkit.fluxcd.io", "Kustomization").collect();
    let mut hits = Vec::new();
    for object in &all {
        let Some(path) = object.node.at(&["spec", "path"]) else { continue };
        let Some(text) = path.as_str().filter(|text| !text.contains("${")) else { continue };
        if exists(world, text) || !is_this_repository(world, &all, object) {
            continue;
        }
        hits.push(Hit::new(object, path, format!("`spec.path` is `{text}`, and this repository has no such folder")));
    }
    hits
}

fn exists(world: &World, text: &str) -> bool {
    folder(text).is_some_and(|path| world.tree.is_folder(&path))
}

/// Flux reads a leading slash as the root of the source.
fn folder(text: &str) -> Option<RepoPath> {
    RepoPath::root().join(text.trim_start_matches('/')).ok()
}

/// Whether the source is this very repository: `flux-system`, which `flux bootstrap` writes into the repository it points at, or a source under
/// which another path of this environment does exist here. Of other sources we know nothing.
fn is_this_repository(world: &World, all: &[&Object], object: &Object) -> bool {
    let source = |object: &Object| {
        let at = |key| object.node.str_at(&["spec", "sourceRef", key]).map(str::to_owned);
        (at("kind"), at("name"))
    };
    let own = source(object);
    if own.0.as_deref() != Some("GitRepository") {
        return false;
    }
    let proof = |other: &&&Object| {
        let path = other.node.str_at(&["spec", "path"]).and_then(folder);
        source(other) == own && path.is_some_and(|path| !path.is_root() && world.tree.is_folder(&path))
    };
    own.1.as_deref() == Some("flux-system") || all.iter().any(|other| proof(&other))
}
