//! KUST-002: fields that Kustomize gives up.

use super::{Hit, I, Rule, W, instead};
use crate::manifest::node::Key;
use crate::policy::world::World;

pub(super) const RULE: Rule = Rule {
    id: "KUST-002",
    title: "No kustomization uses a field that Kustomize gives up.",
    severities: [I, W, W],
    why: "These fields are deprecated and go with a later Kustomize, which Flux then brings along.",
    fix: "Let `kustomize edit fix` rewrite the file, or write the field's successor.",
    good: "# file: env/kustomization.yaml
resources: [app.yaml]
labels: [{ pairs: { team: shop }, includeSelectors: true }]
# file: env/app.yaml
apiVersion: v1
kind: ConfigMap
metadata: { name: app }
",
    bad: "# file: env/kustomization.yaml
resources: [app.yaml]
commonLabels: { team: shop }
# file: env/app.yaml
apiVersion: v1
kind: ConfigMap
metadata: { name: app }
",
    check,
};

/// The old field and the new one.
const FIELDS: [(&str, &str); 6] = [
    ("bases", "resources"),
    ("commonLabels", "labels"),
    ("patchesStrategicMerge", "patches"),
    ("patchesJson6902", "patches"),
    ("imageTags", "images"),
    ("vars", "replacements"),
];

fn check(world: &World) -> Vec<Hit> {
    let maps = world.kustomizations.iter().filter_map(|file| file.as_map());
    let old = maps.flat_map(|map| FIELDS.iter().filter_map(|(old, new)| Some((map.key(old)?, new))));
    let hit = |(key, new): (&Key, &&str)| {
        let message = format!("`{}` is deprecated; `{new}` took its place", key.text);
        // The others changed their form as well.
        let edit = (key.text == "bases").then(|| instead(key, new));
        Hit { edit, ..Hit::in_file(key.span.location(), message) }
    };
    old.map(hit).collect()
}
