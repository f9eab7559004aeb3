//! XP-001: Crossplane can compose.

use std::collections::HashMap;

use super::common::image_parts;
use super::{E, Hit, Rule};
use crate::manifest::{Node, Object};
use crate::model::finding::Severity;
use crate::policy::world::{World, is_placeholder};

pub(super) const RULE: Rule = Rule {
    id: "XP-001",
    title: "Crossplane's Compositions fit their definitions, and its packages are pinned.",
    severities: [E; 3],
    why: "A Composition for a version nobody defines composes nothing; a package without a version changes under running infrastructure.",
    fix: "Use `mode: Pipeline`, a version that the definition serves, functions that are installed, and a tag on each package.",
    good: "# file: env/database.yaml
apiVersion: apiextensions.crossplane.io/v2
kind: CompositeResourceDefinition
metadata: { name: databases.acme.dev }
spec: { group: acme.dev, scope: Namespaced, names: { kind: Database, plural: databases }, versions: [{ name: v1, served: true }] }
---
apiVersion: apiextensions.crossplane.io/v1
kind: Composition
metadata: { name: database }
spec: { mode: Pipeline, compositeTypeRef: { apiVersion: acme.dev/v1, kind: Database }, pipeline: [] }
---
apiVersion: pkg.crossplane.io/v1
kind: Provider
metadata: { name: aws }
spec: { package: 'xpkg.crossplane.io/upbound/provider-aws-rds:v2.1.0' }
",
    bad: "# file: env/database.yaml
apiVersion: apiextensions.crossplane.io/v2
kind: CompositeResourceDefinition
metadata: { name: databases.acme.dev }
spec: { group: acme.dev, scope: Namespaced, names: { kind: Database, plural: databases }, versions: [{ name: v1, served: true }] }
---
apiVersion: apiextensions.crossplane.io/v1
kind: Composition
metadata: { name: database }
spec: { mode: Pipeline, compositeTypeRef: { apiVersion: acme.dev/v1alpha1, kind: Database }, pipeline: [] }
---
apiVersion: pkg.crossplane.io/v1
kind: Provider
metadata: { name: aws }
spec: { package: xpkg.crossplane.io/upbound/provider-aws-rds }
",
    check,
};

const EXTENSIONS: &str = "apiextensions.crossplane.io";
const PACKAGES: &str = "pkg.crossplane.io";

/// Composite resources themselves are not held to the schema of their definition.
fn check(world: &World) -> Vec<Hit> {
    let mut hits = Vec::new();
    let mut defined: HashMap<(&str, &str), Vec<&str>> = HashMap::new();
    for definition in world.of(EXTENSIONS, "CompositeResourceDefinition") {
        let at = |path: &[&str]| definition.node.str_at(path).unwrap_or_default();
        let versions =
            definition.node.list_at(&["spec", "versions"]).iter().filter_map(|version| version.str_at(&["name"]));
        defined.entry((at(&["spec", "group"]), at(&["spec", "names", "kind"]))).or_default().extend(versions);
        hits.extend(claims(definition));
    }
    for composition in world.of(EXTENSIONS, "Composition") {
        hits.extend(compose(world, composition, &defined));
    }
    for kind in ["Provider", "Function", "Configuration"] {
        hits.extend(world.of(PACKAGES, kind).filter_map(unpinned));
    }
    hits
}

/// Claims went with the second version of definitions, except for those of the old scope.
fn claims(definition: &Object) -> Option<Hit> {
    if definition.api_version() == "apiextensions.crossplane.io/v1" {
        let message = "is of version v1, which Crossplane 2 deprecates; v2 took its place".to_owned();
        return Some(Hit::at_key(definition, &["apiVersion"], message).at_most(Severity::Warning));
    }
    definition.node.at(&["spec", "claimNames"])?;
    let is_old = definition.node.str_at(&["spec", "scope"]) == Some("LegacyCluster");
    let message = "offers claims, which v2 has only with `scope: LegacyCluster`".to_owned();
    (!is_old).then(|| Hit::at_key(definition, &["spec", "claimNames"], message))
}

fn compose(world: &World, composition: &Object, defined: &HashMap<(&str, &str), Vec<&str>>) -> Vec<Hit> {
    let mut hits = Vec::new();
    if composition.node.str_at(&["spec", "mode"]) != Some("Pipeline") {
        let message = "composes without a pipeline, which Crossplane 2 does not do any more".to_owned();
        hits.push(Hit::at_key(composition, &["spec", "mode"], message));
    }
    let reference = composition.node.at(&["spec", "compositeTypeRef"]);
    let api = reference.and_then(|reference| reference.str_at(&["apiVersion"]));
    if let Some((group, version)) = api.and_then(|api| api.split_once('/'))
        && let Some(kind) = reference.and_then(|reference| reference.str_at(&["kind"]))
        && let Some(versions) = defined.get(&(group, kind))
        && !versions.contains(&version)
    {
        let message = format!("composes `{group}/{version}` {kind}, and its definition has no such version");
        hits.push(Hit::at_key(composition, &["spec", "compositeTypeRef", "apiVersion"], message));
    }
    for name in
        composition.node.list_at(&["spec", "pipeline"]).iter().filter_map(|step| step.at(&["functionRef", "name"]))
    {
        let text = name.as_str().unwrap_or_default();
        if let Some(near) = world.leads_nowhere((PACKAGES, "Function"), "", text) {
            hits.push(Hit::new(
                composition,
                name,
                format!("calls Function `{text}`, which is not installed here{near}"),
            ));
        }
    }
    hits
}

fn unpinned(package: &Object) -> Option<Hit> {
    let node: &Node = package.node.at(&["spec", "package"])?;
    let text = node.as_str().filter(|text| !is_placeholder(text))?;
    let (_, tag, digest) = image_parts(text);
    let message = match tag {
        _ if digest.is_some() => return None,
        None => format!("`{text}` has no version"),
        Some("latest") => format!("`{text}` follows whatever is newest"),
        Some(_) => return None,
    };
    Some(Hit::new(package, node, message))
}
