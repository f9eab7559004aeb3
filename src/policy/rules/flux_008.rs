//! FLUX-008: kinds are installed before they are used.

use std::collections::HashMap;

use super::common::{KUSTOMIZATION, depends_on, reachable};
use super::{E, Hit, Rule, W};
use crate::manifest::Object;
use crate::policy::world::{World, group_of, is_custom};

pub(super) const RULE: Rule = Rule {
    id: "FLUX-008",
    title: "What uses a kind waits for the Kustomization that installs it.",
    severities: [W, W, E],
    why: "On a new cluster Flux applies both at once: the object fails until the kind is there, and a rebuild depends on luck.",
    fix: "Add the Kustomization that brings the CustomResourceDefinition to `spec.dependsOn`.",
    good: "# file: clusters/prod/flux.yaml
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: kinds, namespace: flux-system }
spec: { path: ./kinds, sourceRef: { kind: GitRepository, name: flux-system } }
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: teas, namespace: flux-system }
spec: { path: ./teas, dependsOn: [{ name: kinds }], sourceRef: { kind: GitRepository, name: flux-system } }
# file: kinds/tea.yaml
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: teas.acme.dev }
spec: { group: acme.dev, scope: Namespaced, names: { kind: Tea, plural: teas }, versions: [] }
# file: teas/green.yaml
apiVersion: acme.dev/v1
kind: Tea
metadata: { name: green }
",
    bad: "# file: clusters/prod/flux.yaml
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: kinds, namespace: flux-system }
spec: { path: ./kinds, sourceRef: { kind: GitRepository, name: flux-system } }
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: teas, namespace: flux-system }
spec: { path: ./teas, sourceRef: { kind: GitRepository, name: flux-system } }
# file: kinds/tea.yaml
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: teas.acme.dev }
spec: { group: acme.dev, scope: Namespaced, names: { kind: Tea, plural: teas }, versions: [] }
# file: teas/green.yaml
apiVersion: acme.dev/v1
kind: Tea
metadata: { name: green }
",
    check,
};

/// Kinds that charts install cannot be seen. What stands in the same folder as the Kustomization that installs the kind, or applies that
/// Kustomization, is left alone: Flux applies definitions first, and a parent before its children.
fn check(world: &World) -> Vec<Hit> {
    let installed = installers(world);
    if installed.is_empty() {
        return Vec::new();
    }
    let edges: HashMap<*const Object, Vec<*const Object>> = world
        .of(KUSTOMIZATION.0, KUSTOMIZATION.1)
        .map(|one| (std::ptr::from_ref(one), depends_on(world, KUSTOMIZATION, one)))
        .collect();
    let mut hits = Vec::new();
    for (by, objects) in world.layers() {
        let Some(own) = by.and_then(|by| itself(world, by)) else { continue };
        let before = reachable(std::ptr::from_ref(own), &edges);
        let mut said = std::collections::HashSet::new();
        for object in objects.iter().filter(|object| is_custom(object)) {
            let kind = (group_of(object), object.kind());
            let Some(installers) = installed.get(&kind) else { continue };
            let is_before = |one: &&Object| std::ptr::eq(*one, own) || before.contains(&std::ptr::from_ref(*one));
            if installers.iter().any(is_before) || !said.insert(kind) {
                continue;
            }
            let (own, first) = (own.name(), installers[0].name());
            let message = format!(
                "is a {}, whose definition Kustomization `{}` installs, and Kustomization `{}` does not wait for it",
                object.kind(),
                first.name,
                own.name
            );
            hits.push(Hit::at_key(object, &["kind"], message));
        }
    }
    hits
}

/// The Kustomizations whose layers hold a definition, by group and kind.
fn installers<'a>(world: &World<'a>) -> HashMap<(&'a str, &'a str), Vec<&'a Object>> {
    let mut all: HashMap<_, Vec<&Object>> = HashMap::new();
    for (by, objects) in world.layers() {
        for definition in objects.iter().filter(|object| object.kind() == "CustomResourceDefinition") {
            let at = |path: &[&str]| definition.node.str_at(path);
            let (Some(group), Some(kind)) = (at(&["spec", "group"]), at(&["spec", "names", "kind"])) else { continue };
            // What the environment itself installs is there before what it leads to.
            match by.and_then(|by| itself(world, by)) {
                Some(own) => all.entry((group, kind)).or_default().push(own),
                None => all.entry((group, kind)).or_default().clear(),
            }
        }
    }
    all.retain(|_, installers| !installers.is_empty());
    all
}

/// The Kustomization of a layer, among the objects.
fn itself<'a>(world: &World<'a>, node: &crate::manifest::Node) -> Option<&'a Object> {
    let at = |key| node.str_at(&["metadata", key]).unwrap_or_default();
    world.find_of(KUSTOMIZATION, at("namespace"), at("name"))
}
