//! `openapi`: a file that describes kinds, so that patches merge their lists as those of built-in kinds.

use std::borrow::Cow;
use std::sync::Arc;

use super::merge_keys::{FieldType, Schema, Type};
use super::resource::{Gvk, Resource};
use super::spec::Spec;
use super::{Build, config};
use crate::manifest::node::Node;
use crate::model::path::RepoPath;
use crate::render::source::Source;

/// The version of the description that is built into Kustomize 5.8.
const VERSION: &str = "v1.21.2";
/// Types in one description, those written in place included: Kubernetes' own has 700.
const MAX_TYPES: usize = 20_000;
/// How deep types written in place are followed.
const MAX_DEPTH: usize = 32;

/// What is known about kinds, and what was met before it was known.
#[derive(Default)]
pub(super) struct Known {
    schema: Option<Arc<Schema>>,
    /// Whether patches were merged by now.
    pub(super) merged: bool,
    /// Whether kinds were met that are in no group of Kubernetes, and such that may or may not be built in.
    custom: bool,
    unsure: bool,
}

impl Known {
    pub(super) fn schema(&self) -> Arc<Schema> {
        self.schema.clone().unwrap_or_else(Schema::built_in)
    }

    /// Takes note of an object that was read.
    pub(super) fn met(&mut self, node: &Node) {
        let Gvk { group, version, .. } = Gvk::of(node);
        let old = ["", "apps", "autoscaling", "batch", "extensions", "policy"].contains(&group.as_str());
        self.custom |= (old && version == "builtin") || !(old || group.ends_with(".k8s.io"));
        self.unsure |= group.ends_with(".k8s.io");
    }

    /// Whether all objects are of kinds whose reach is known; what is not is noted.
    pub(super) fn describes(&self, source: &mut Source<'_>, all: &[Resource]) -> bool {
        let Some(schema) = self.schema.as_ref().filter(|schema| !schema.of_no_namespace.is_empty()) else {
            return true;
        };
        let name = |resource: &Resource| {
            format!("{}/{}", resource.node.str_at(&["apiVersion"]).unwrap_or_default(), resource.kind())
        };
        let odd = all.iter().find(|resource| {
            !Gvk::of(&resource.node).is_cluster_scoped() && schema.of_no_namespace.contains(&name(resource))
        });
        let Some(odd) = odd else { return true };
        let message = format!("`openapi` describes {} as a kind of no namespace, which is not read yet", odd.kind());
        source.wrong(&odd.node.span, message, "Take its path out of the description.");
        false
    }
}

impl Build<'_, '_> {
    /// Reads the `openapi` of a kustomization; that of the outermost counts, else the first that has one. False when it is
    /// wrong, which is noted.
    pub(super) fn read_schema(&mut self, folder: &RepoPath, spec: &Spec) -> bool {
        let Some(openapi) = &spec.openapi else { return true };
        if self.known.schema.is_some() {
            return true;
        }
        if let Some(version) = &openapi.version {
            if let Some(path) = &openapi.path {
                let message = "`openapi` has a `path` or a `version`, not both";
                self.source.wrong(&path.span, message, "Leave one of them out.");
                return false;
            }
            if version.value != VERSION {
                let message = format!("the OpenAPI version `{}` is not built into Kustomize", version.value);
                self.source.wrong(&version.span, message, "Use v1.21.2, or leave `openapi` out.");
                return false;
            }
            self.known.schema = Some(Schema::built_in());
            return true;
        }
        let Some(path) = &openapi.path else { return true };
        // The original forgets its built-in kinds for a description, unless it needed them before.
        let builtin = self.known.merged || self.known.custom;
        if self.known.unsure && !builtin {
            let message =
                "whether built-in kinds are still known beside this description depends on what was read before it";
            let help = "Write `openapi` into the kustomization that is built.";
            self.source.wrong(&path.span, message, help);
            return false;
        }
        let Some(documents) = config::document(self.source, folder, path) else { return false };
        let mut schema = if builtin { Schema::clone(&Schema::built_in()) } else { Schema::default() };
        let node = documents.first();
        if node.is_none_or(|node| node.as_map().is_none()) || !node.is_some_and(|node| add(&mut schema, node)) {
            self.source.wrong(&path.span, format!("`{}` describes no kinds, or too many", path.value), "");
            return false;
        }
        if let Some(odd) = unknown(&schema).filter(|_| builtin) {
            let message =
                format!("`{}` refers to `{odd}` of Kubernetes, whose description is not kept here", path.value);
            self.source.wrong(&path.span, message, "Add its definition to this file.");
            return false;
        }
        self.known.schema = Some(Arc::new(schema));
        true
    }
}

/// What the types of pods and metadata are called in Kubernetes' own description; the built-in table has their short names.
const OWN: [&str; 2] = ["io.k8s.api.core.v1.", "io.k8s.apimachinery.pkg.apis.meta.v1."];

fn type_name(name: &str) -> &str {
    OWN.iter().find_map(|own| name.strip_prefix(own)).unwrap_or(name)
}

/// A type of Kubernetes that is referred to and not described, where that could matter.
fn unknown(schema: &Schema) -> Option<String> {
    let fields = schema.types.values().flat_map(|known| known.fields.values().chain(&known.others));
    let mut odd =
        fields.map(|field| &field.of).filter(|of| of.starts_with("io.k8s.") && !schema.types.contains_key(*of));
    odd.next().map(|of| of.clone().into_owned())
}

/// Adds the definitions of a description; false when there are too many.
fn add(schema: &mut Schema, description: &Node) -> bool {
    for (name, definition) in description.get("definitions").and_then(Node::as_map).into_iter().flat_map(|m| m.iter()) {
        if !describe(schema, type_name(&name.text), definition, 0) {
            return false;
        }
        for kind in definition.list_at(&["x-kubernetes-group-version-kind"]) {
            schema.kinds.insert(Cow::Owned(kind_name(kind)), Cow::Owned(type_name(&name.text).to_owned()));
        }
    }
    let mut namespaced = Vec::new();
    for (path, item) in description.get("paths").and_then(Node::as_map).into_iter().flat_map(|m| m.iter()) {
        let Some(kind) = item.at(&["get", "x-kubernetes-group-version-kind"]) else { continue };
        match path.text.contains("namespaces/{namespace}") {
            true => namespaced.push(kind_name(kind)),
            false => schema.of_no_namespace.push(kind_name(kind)),
        }
    }
    let namespaced: std::collections::HashSet<String> = namespaced.into_iter().collect();
    schema.of_no_namespace.retain(|kind| !namespaced.contains(kind));
    true
}

fn kind_name(kind: &Node) -> String {
    let word = |name| kind.str_at(&[name]).unwrap_or_default();
    match word("group") {
        "" => format!("{}/{}", word("version"), word("kind")),
        group => format!("{group}/{}/{}", word("version"), word("kind")),
    }
}

/// Describes one type and those written in place below it; false when there are too many.
fn describe(schema: &mut Schema, name: &str, definition: &Node, depth: usize) -> bool {
    if schema.types.len() >= MAX_TYPES || depth > MAX_DEPTH {
        return false;
    }
    let mut found = Type::default();
    // A place for it already, so that what is written in place counts.
    schema.types.insert(Cow::Owned(name.to_owned()), Type::default());
    for (field, property) in definition.get("properties").and_then(Node::as_map).into_iter().flat_map(|m| m.iter()) {
        let Some(of) = field_type(schema, &format!("{name}.{}", field.text), property, depth) else { return false };
        found.fields.insert(Cow::Owned(field.text.to_string()), of);
    }
    if let Some(others) = definition.get("additionalProperties").filter(|node| node.as_map().is_some()) {
        let Some(of) = field_type(schema, &format!("{name}.*"), others, depth) else { return false };
        found.others = Some(of);
    }
    schema.types.insert(Cow::Owned(name.to_owned()), found);
    true
}

fn field_type(schema: &mut Schema, name: &str, property: &Node, depth: usize) -> Option<FieldType> {
    let is_list = property.str_at(&["type"]) == Some("array");
    let of = if is_list { property.get("items") } else { Some(property) };
    let of = match of.map(|of| (of, of.str_at(&["$ref"]))) {
        Some((_, Some(reference))) => type_name(reference.rsplit('/').next().unwrap_or_default()).to_owned(),
        Some((of, None)) if of.get("properties").is_some() || of.get("additionalProperties").is_some() => {
            if !describe(schema, name, of, depth + 1) {
                return None;
            }
            name.to_owned()
        }
        _ => String::new(),
    };
    let strategy = property.str_at(&["x-kubernetes-patch-strategy"]).unwrap_or_default();
    let merged = is_list && strategy.split(',').any(|word| word == "merge");
    let keys = || {
        let listed = property.list_at(&["x-kubernetes-list-map-keys"]);
        let keys: Vec<_> = listed.iter().filter_map(Node::as_str).map(|key| Cow::Owned(key.to_owned())).collect();
        let one = property.str_at(&["x-kubernetes-patch-merge-key"]).map(|key| Cow::Owned(key.to_owned()));
        if keys.is_empty() { one.into_iter().collect() } else { keys }
    };
    Some(FieldType { of: Cow::Owned(of), keys: merged.then(keys) })
}
