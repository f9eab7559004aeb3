//! The transformers: namespace, name prefix and suffix, labels, annotations, replicas, images.

use std::collections::HashSet;

use smol_str::ToSmolStr;

use super::config::Config;
use super::field::{self, Field, Make, Walk};
use super::form::{MAX_NAME, Text};
use super::generate;
use super::pattern::ImagePattern;
use super::resource::{Gvk, Id, Resource, ensure_map, key, scalar_text, text_node};
use super::shared;
use super::spec::{Image, Labels, Replicas};
use super::tables;
use crate::manifest::node::{Map, Node, Span, Value};
use crate::render::reading;

/// Why a transformer gave up, and the line that asked for it.
pub(super) type Failure = Box<(Span, String)>;

fn fail<T>(span: &Span, why: impl Into<String>) -> Result<T, Failure> {
    Err(Box::new((span.clone(), why.into())))
}

/// Which subjects of role bindings get the namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subjects {
    /// The service account `default`, which is every namespace's own.
    Default,
    /// All service accounts.
    Accounts,
    None,
}

/// A namespace, and how it is set.
pub(super) struct Namespace<'n> {
    pub(super) name: &'n Text,
    pub(super) subjects: Subjects,
    /// Whether a namespace that is written stays.
    pub(super) unset_only: bool,
}

impl<'n> Namespace<'n> {
    /// As the field `namespace` means it.
    pub(super) fn new(name: &'n Text) -> Self {
        Self { name, subjects: Subjects::Default, unset_only: false }
    }

    fn set(&self, node: &mut Node) -> Result<(), String> {
        if self.unset_only && scalar_text(node).is_some_and(|text| !text.is_empty()) {
            return Ok(());
        }
        set_text(node, self.name, "namespace")
    }

    fn set_in(&self, map: &mut Map) -> Result<(), String> {
        let span = &self.name.span;
        if let Some(node) = map.get_mut("namespace") {
            return self.set(node);
        }
        map.push_new(key("namespace", span), text_node(&self.name.value, span).set_by("namespace"));
        Ok(())
    }
}

/// Puts every namespaced object into a namespace, and what refers to it.
pub(super) fn namespace(all: &mut [Resource], how: &Namespace<'_>, fields: &[Field]) -> Result<(), Failure> {
    let span = &how.name.span;
    let by_helm = |resource: &Resource| {
        let note = resource.node.str_at(&["metadata", "annotations", "internal.config.kubernetes.io/helm-generated"]);
        note == Some("true")
    };
    for resource in all.iter_mut().filter(|resource| !by_helm(resource)) {
        resource.remember();
        let gvk = Gvk::of(&resource.node);
        let binding = is_binding(&gvk.kind);
        set_namespace(resource, how)?;
        let core = resource.node.str_at(&["apiVersion"]) == Some("v1");
        for field in fields {
            let subject = is_binding(&field.kind);
            match &*field.path {
                "metadata/namespace" => continue,
                "metadata/name" if !core => continue,
                "subjects/namespace" if binding && subject => continue,
                _ => {}
            }
            let mut visit = |node: &mut Node| how.set(node);
            let mut walk = Walk { make: Make::Scalar, span, visit: &mut visit };
            walk.run(&mut resource.node, field, &gvk).or_else(|why| fail(span, why))?;
        }
    }
    let mut seen: HashSet<Id> = HashSet::with_capacity(all.len());
    for resource in all.iter() {
        if !seen.insert(resource.id()) {
            return fail(span, format!("with this namespace, {} would exist twice", resource.id()));
        }
    }
    Ok(())
}

fn is_binding(kind: &str) -> bool {
    matches!(kind, "RoleBinding" | "ClusterRoleBinding")
}

/// Sets an object's own namespace, and that of the subjects of a role binding.
pub(super) fn set_namespace(resource: &mut Resource, how: &Namespace<'_>) -> Result<(), Failure> {
    let (gvk, span) = (Gvk::of(&resource.node), &how.name.span);
    if !gvk.is_cluster_scoped() {
        let Some(metadata) = ensure_map(&mut resource.node, &["metadata"], span) else {
            return fail(span, format!("`metadata` of {} is no mapping", resource.id()));
        };
        how.set_in(metadata).or_else(|why| fail(span, format!("`metadata.namespace`: {why}")))?;
    }
    if is_binding(&gvk.kind) {
        subjects(&mut resource.node, how).or_else(|why| fail(span, why))?;
    }
    Ok(())
}

/// Sets the namespace of a role binding's subjects.
fn subjects(node: &mut Node, how: &Namespace<'_>) -> Result<(), String> {
    let wanted = |subject: &Node| match how.subjects {
        Subjects::Default => subject.str_at(&["name"]) == Some("default"),
        Subjects::Accounts => subject.str_at(&["kind"]) == Some("ServiceAccount"),
        Subjects::None => false,
    };
    let subjects = node.as_map_mut().and_then(|map| map.get_mut("subjects"));
    let Some(Value::List(subjects)) = subjects.map(|node| &mut node.value) else { return Ok(()) };
    let maps = subjects.iter_mut().filter(|subject| wanted(subject)).filter_map(Node::as_map_mut);
    for map in maps {
        how.set_in(map)?;
    }
    Ok(())
}

fn set_text(node: &mut Node, text: &Text, by: &'static str) -> Result<(), String> {
    if matches!(node.value, Value::List(_) | Value::Map(_)) {
        return Err("plain text was expected".to_owned());
    }
    *node = text_node(&text.value, &text.span).over(node, by);
    Ok(())
}

/// Which end of a name is extended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Prefix,
    Suffix,
}

/// Adds a prefix or suffix to names, except of kinds whose name is their meaning.
pub(super) fn rename(all: &mut [Resource], text: &Text, end: End, fields: &[Field]) -> Result<(), Failure> {
    let by = if end == End::Prefix { "namePrefix" } else { "nameSuffix" };
    for resource in all {
        let original = resource.original_id().gvk;
        let fixed = match original.kind.as_str() {
            "CustomResourceDefinition" | "Namespace" => true,
            "APIService" => original.group == "apiregistration.k8s.io",
            _ => false,
        };
        if fixed {
            continue;
        }
        for field in fields.iter().filter(|field| field.applies(&original)) {
            if field.path == "metadata/name" {
                match end {
                    End::Prefix => resource.prefixes.push(text.value.clone()),
                    End::Suffix => resource.suffixes.push(text.value.clone()),
                }
                if !text.value.is_empty() {
                    resource.remember();
                }
            }
            let mut visit = |node: &mut Node| {
                let Some(old) = scalar_text(node) else { return Err("plain text was expected".to_owned()) };
                let new = match end {
                    End::Prefix => format!("{}{old}", text.value),
                    End::Suffix => format!("{old}{}", text.value),
                };
                // Every name an object ever had is kept.
                if new.len() > MAX_NAME {
                    return Err(format!("this makes a name of more than {MAX_NAME} bytes"));
                }
                if !is_text(&new) {
                    return Err(format!(
                        "Kustomize would write `{new}` without quotes, so that it is no text any more"
                    ));
                }
                *node = text_node(&new, &text.span).over(node, by);
                Ok(())
            };
            let gvk = Gvk::of(&resource.node);
            let mut walk = Walk { make: Make::Scalar, span: &text.span, visit: &mut visit };
            walk.run(&mut resource.node, field, &gvk).or_else(|why| fail(&text.span, why))?;
        }
    }
    Ok(())
}

/// Ends the names of generated objects with the hash of their content.
pub(super) fn hashes(all: &mut [Resource]) {
    for resource in all.iter_mut().filter(|resource| resource.hashed) {
        let name = format!("{}-{}", resource.name(), generate::hash(&resource.node));
        let span =
            resource.node.at(&["metadata", "name"]).map_or_else(|| resource.node.span.clone(), |n| n.span.clone());
        resource.remember();
        set_name(resource, &name, &span, "the hash of its content");
    }
}

/// Gives a resource another name, at the place of what asked for it.
pub(super) fn set_name(resource: &mut Resource, name: &str, span: &Span, by: &'static str) {
    if let Some(metadata) = ensure_map(&mut resource.node, &["metadata"], span) {
        metadata.set(key("name", span), text_node(name, span), by);
    }
}

/// Where the labels of an entry go.
pub(super) fn label_fields(labels: &Labels, config: &Config) -> Result<Vec<Field>, String> {
    let mut fields = Vec::new();
    field::join(&mut fields, &labels.fields)?;
    field::join(&mut fields, &config.labels)?;
    if labels.selectors {
        field::join(&mut fields, &config.common_labels)?;
        return Ok(fields);
    }
    if labels.templates {
        field::join(&mut fields, &config.template_labels)?;
    }
    if labels.claims {
        field::join(&mut fields, &config.claim_labels)?;
    }
    field::join(&mut fields, tables::METADATA_LABELS)?;
    Ok(fields)
}

/// Adds labels at some places.
pub(super) fn labels(all: &mut [Resource], labels: &[(Text, Text)], fields: &[Field]) -> Result<(), Failure> {
    pairs(all, labels, fields, "labels")
}

/// Adds annotations at some places: those of objects and of the pods they make.
pub(super) fn annotations(all: &mut [Resource], annotations: &[(Text, Text)], fields: &[Field]) -> Result<(), Failure> {
    pairs(all, annotations, fields, "commonAnnotations")
}

/// Whether a key that is written without quotes is text.
pub(super) fn is_text(name: &str) -> bool {
    matches!(reading::plain(name), Ok(Value::String(_)))
}

fn pairs(all: &mut [Resource], pairs: &[(Text, Text)], fields: &[Field], by: &'static str) -> Result<(), Failure> {
    if let Some((name, _)) = pairs.iter().find(|(name, _)| !is_text(&name.value)) {
        return fail(
            &name.span,
            format!("Kustomize writes the name `{}` without quotes and then fails on it", name.value),
        );
    }
    for resource in all {
        let gvk = Gvk::of(&resource.node);
        // One value in all its new places, as in the original: see `shared`.
        let new: Vec<Node> = pairs.iter().map(|(_, value)| text_node(&value.value, &value.span).set_by(by)).collect();
        for field in fields.iter().filter(|field| field.applies(&gvk)) {
            for ((name, value), new) in pairs.iter().zip(&new) {
                let mut changed = false;
                let mut visit = |node: &mut Node| match node.as_map_mut() {
                    Some(map) => {
                        let key = key(&name.value, &name.span);
                        if map.get(&name.value).is_some() {
                            map.set(key, text_node(&value.value, &value.span), by);
                            changed = true;
                        } else {
                            map.push_new(key, new.clone());
                        }
                        Ok(())
                    }
                    None => Err("a mapping was expected".to_owned()),
                };
                let mut walk = Walk { make: Make::Mapping, span: &name.span, visit: &mut visit };
                walk.run(&mut resource.node, field, &gvk).or_else(|why| fail(&name.span, why))?;
                if changed {
                    shared::follow(&mut resource.node);
                }
            }
        }
    }
    Ok(())
}

/// Sets the replica count of the workloads with a name.
pub(super) fn replicas(all: &mut [Resource], replicas: &Replicas, fields: &[Field]) -> Result<(), Failure> {
    let (count, span) = &replicas.count;
    let mut found = false;
    for resource in all {
        let ids = resource.all_ids();
        let gvk = Gvk::of(&resource.node);
        for field in fields {
            if !ids.iter().any(|id| id.name == replicas.name.value && field.applies(&id.gvk)) {
                continue;
            }
            found = true;
            let mut visit = |node: &mut Node| {
                // The original keeps the quotes of what it replaces, and then it is no number.
                let value = if node.quoted { Value::String(count.to_smolstr()) } else { Value::Int(*count) };
                *node = Node::new(value, span.clone()).over(node, "replicas");
                Ok(())
            };
            let mut walk = Walk { make: Make::Scalar, span, visit: &mut visit };
            walk.run(&mut resource.node, field, &gvk).or_else(|why| fail(span, why))?;
        }
    }
    if found {
        return Ok(());
    }
    let mut kinds: Vec<&str> = fields.iter().map(|field| &*field.kind).collect();
    kinds.dedup();
    let message = format!("no {} is called `{}`", either(&kinds), replicas.name.value);
    fail(&replicas.name.span, message)
}

/// `a, b or c`.
fn either(words: &[&str]) -> String {
    match words {
        [] => "object".to_owned(),
        [one] => (*one).to_owned(),
        [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
    }
}

/// Memory of the expression made of an image's name: Kustomize reads the name as one.
const MAX_NAME_REGEX_BYTES: usize = 1 << 20;

/// Changes the name, tag or digest of an image wherever it is used.
pub(super) fn images(all: &mut [Resource], image: &Image, fields: &[Field]) -> Result<(), Failure> {
    // A name that is no expression matches nothing, as in the original.
    let Ok(pattern) = ImagePattern::new(&image.name.value, MAX_NAME_REGEX_BYTES) else { return Ok(()) };
    let at = Update { image, pattern: &pattern };
    for resource in all.iter_mut().filter(|resource| resource.kind() != "CustomResourceDefinition") {
        at.lists(&mut resource.node);
        let gvk = Gvk::of(&resource.node);
        for field in fields {
            let mut visit = |node: &mut Node| {
                at.set(node);
                Ok(())
            };
            let mut walk = Walk { make: Make::Nothing, span: &image.span, visit: &mut visit };
            walk.run(&mut resource.node, field, &gvk).or_else(|why| fail(&image.span, why))?;
        }
    }
    Ok(())
}

struct Update<'u> {
    image: &'u Image,
    pattern: &'u ImagePattern,
}

impl Update<'_> {
    /// Every `containers` and `initContainers` list, wherever it stands. Recursion is bounded by the reader's depth.
    fn lists(&self, node: &mut Node) {
        match &mut node.value {
            Value::List(list) => list.iter_mut().for_each(|item| self.lists(item)),
            Value::Map(map) => {
                for (name, value) in map.iter_mut() {
                    self.lists(value);
                    let containers = matches!(name.text.as_str(), "containers" | "initContainers");
                    if let (true, Value::List(list)) = (containers, &mut value.value) {
                        let images = list.iter_mut().filter_map(|item| item.as_map_mut()?.get_mut("image"));
                        images.for_each(|image| self.set(image));
                    }
                }
            }
            _ => {}
        }
    }

    fn set(&self, node: &mut Node) {
        let Some(old) = scalar_text(node).filter(|old| self.pattern.is_match(old)) else { return };
        let (mut name, mut tag, mut digest) = split(&old);
        let mut span = None;
        if let Some(new) = &self.image.new_name {
            name = &new.value;
            span = Some(&new.span);
        }
        let suffixed;
        match (&self.image.new_tag, &self.image.digest, &self.image.tag_suffix) {
            (Some(new), pinned, _) => {
                (tag, digest) = (&new.value, pinned.as_ref().map_or("", |pinned| &pinned.value));
                span = Some(&new.span);
            }
            (None, Some(pinned), _) => {
                (tag, digest) = ("", &pinned.value);
                span = Some(&pinned.span);
            }
            (None, None, Some(suffix)) => {
                suffixed = format!("{tag}{}", suffix.value);
                (tag, digest) = (&suffixed, "");
                span = Some(&suffix.span);
            }
            (None, None, None) => {}
        }
        let mut text = name.to_owned();
        if !tag.is_empty() {
            text.push(':');
            text.push_str(tag);
        }
        if !digest.is_empty() {
            text.push('@');
            text.push_str(digest);
        }
        if text != old {
            *node = text_node(&text, span.unwrap_or(&self.image.span)).over(node, "images");
        } else if let Some(span) = span.filter(|span| **span != node.span) {
            // The entry sets it all the same: this is the line to change.
            *node = text_node(&text, span).over(node, "images");
        }
    }
}

/// Name, tag and digest of an image; a port in the registry's address is part of the name.
pub(in crate::render) fn split(image: &str) -> (&str, &str, &str) {
    let path = image.find('/').filter(|at| *at > 0).unwrap_or(0);
    let (rest, digest) = match image[path..].find('@') {
        Some(at) => (&image[..path + at], &image[path + at + 1..]),
        None => (image, ""),
    };
    match rest[path.min(rest.len())..].find(':') {
        Some(at) => (&rest[..path + at], &rest[path + at + 1..], digest),
        None => (rest, "", digest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_fall_into_name_tag_and_digest() {
        for (image, parts) in [
            ("nginx", ("nginx", "", "")),
            ("nginx:1.0", ("nginx", "1.0", "")),
            ("localhost:5000/a/b", ("localhost:5000/a/b", "", "")),
            ("localhost:5000/a/b:v1", ("localhost:5000/a/b", "v1", "")),
            ("ghcr.io/a/b@sha256:12", ("ghcr.io/a/b", "", "sha256:12")),
            ("ghcr.io/a/b:v1@sha256:12", ("ghcr.io/a/b", "v1", "sha256:12")),
            ("", ("", "", "")),
        ] {
            assert_eq!(split(image), parts, "{image}");
        }
    }
}
