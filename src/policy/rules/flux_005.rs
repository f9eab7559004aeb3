//! FLUX-005: Flux serves what is written for it.

use super::common::is_part_of_flux;
use super::{E, Hit, Rule};
use crate::manifest::Object;
use crate::model::finding::Severity;
use crate::policy::world::{World, group_of};

pub(super) const RULE: Rule = Rule {
    id: "FLUX-005",
    title: "Flux objects are of an API version that the environment's Flux serves.",
    severities: [E; 3],
    why: "A Flux that no longer serves an API version refuses the object, and all that is applied with it.",
    fix: "Write the version that took its place; `flux migrate` does it for the whole repository.",
    good: "# file: env/flux.yaml
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: apps, namespace: flux-system }
spec: { path: ./env }
",
    bad: "# file: env/flux.yaml
apiVersion: kustomize.toolkit.fluxcd.io/v1beta2
kind: Kustomization
metadata: { name: apps, namespace: flux-system }
spec: { path: ./env }
",
    check,
};

/// A group's kinds (none: all of them), the old version, the minor of Flux 2 that dropped it, and what to write.
type Dropped = (&'static str, &'static [&'static str], &'static str, u32, &'static str);

/// As of Flux 2.9. What is older than 2.7 was dropped before it.
const DROPPED: &[Dropped] = &[
    ("kustomize.toolkit.fluxcd.io", &[], "v1beta2", 8, "v1"),
    ("kustomize.toolkit.fluxcd.io", &[], "v1beta1", 7, "v1"),
    ("source.toolkit.fluxcd.io", &[], "v1beta2", 8, "v1"),
    ("source.toolkit.fluxcd.io", &[], "v1beta1", 7, "v1"),
    ("helm.toolkit.fluxcd.io", &[], "v2beta2", 8, "v2"),
    ("helm.toolkit.fluxcd.io", &[], "v2beta1", 7, "v2"),
    ("notification.toolkit.fluxcd.io", &["Alert", "Provider"], "v1beta2", 9, "v1beta3"),
    ("notification.toolkit.fluxcd.io", &["Alert", "Provider"], "v1beta1", 7, "v1beta3"),
    ("notification.toolkit.fluxcd.io", &["Receiver"], "v1beta2", 9, "v1"),
    ("notification.toolkit.fluxcd.io", &["Receiver"], "v1beta1", 7, "v1"),
    ("image.toolkit.fluxcd.io", &[], "v1beta2", 9, "v1"),
    ("image.toolkit.fluxcd.io", &[], "v1beta1", 7, "v1"),
];

fn check(world: &World) -> Vec<Hit> {
    let flux = world.flux.or_else(|| installed(world));
    let groups = |object: &&Object| group_of(object).ends_with(".toolkit.fluxcd.io");
    world.objects.iter().filter(groups).filter_map(|object| judge(object, flux)).collect()
}

/// The minor of the Flux whose own manifests are here.
fn installed(world: &World) -> Option<u32> {
    let own = world.of("", "Namespace").find(|object| is_part_of_flux(object))?;
    let version = own.node.str_at(&["metadata", "labels", "app.kubernetes.io/version"])?;
    version.strip_prefix("v2.")?.split('.').next()?.parse().ok()
}

/// Where nobody says which Flux there is, it may be one that still serves it: that is a warning.
fn judge(object: &Object, flux: Option<u32>) -> Option<Hit> {
    let (api, kind) = (object.api_version(), object.kind());
    let (group, version) = api.split_once('/')?;
    let is = |row: &&Dropped| row.0 == group && row.2 == version && (row.1.is_empty() || row.1.contains(&kind));
    let (_, _, _, dropped, instead) = DROPPED.iter().find(is)?;
    let tell = |message: String| Hit::at_key(object, &["apiVersion"], format!("{message}; write `{group}/{instead}`"));
    match flux {
        Some(flux) if flux >= *dropped => Some(tell(format!("Flux 2.{flux} does not serve `{api}` {kind}"))),
        Some(flux) if flux + 1 == *dropped => {
            Some(tell(format!("Flux 2.{dropped}, the next, does not serve `{api}` {kind}")).at_most(Severity::Info))
        }
        Some(_) => None,
        None => Some(tell(format!("since 2.{dropped} Flux does not serve `{api}` {kind}")).at_most(Severity::Warning)),
    }
}
