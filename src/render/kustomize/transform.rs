//! The transformers: namespace, name prefix and suffix, labels, annotations, replicas, images.

use std::collections::HashMap;

use regex::{Regex, RegexBuilder};

use super::field::{Field, Make, Walk};
use super::form::Text;
use super::resource::{Gvk, Id, Resource, ensure_map, key, scalar_text, text_node};
use super::shared;
use super::spec::{Image, Labels, Replicas};
use super::tables;
use crate::manifest::node::{Node, Span, Value};

/// Why a transformer gave up, and the line that asked for it.
pub(super) type Failure = Box<(Span, String)>;

fn fail<T>(span: &Span, why: impl Into<String>) -> Result<T, Failure> {
    Err(Box::new((span.clone(), why.into())))
}

/// Puts every namespaced object into a namespace, and what refers to it.
pub(super) fn namespace(all: &mut [Resource], name: &Text) -> Result<(), Failure> {
    for resource in all.iter_mut() {
        resource.remember();
        let gvk = Gvk::of(&resource.node);
        if !gvk.is_cluster_scoped() {
            let Some(metadata) = ensure_map(&mut resource.node, &["metadata"], &name.span) else {
                return fail(&name.span, format!("`metadata` of {} is no mapping", resource.id()));
            };
            metadata.set(key("namespace", &name.span), text_node(&name.value, &name.span), "namespace");
        }
        if matches!(gvk.kind.as_str(), "RoleBinding" | "ClusterRoleBinding") {
            default_subjects(&mut resource.node, name);
        }
        for field in tables::NAMESPACES {
            let core = resource.node.str_at(&["apiVersion"]) == Some("v1");
            if field.path == "metadata/name" && !core {
                continue;
            }
            let mut visit = |node: &mut Node| set_text(node, name, "namespace");
            let mut walk = Walk { make: Make::Scalar, span: &name.span, visit: &mut visit };
            walk.run(&mut resource.node, field, &gvk).or_else(|why| fail(&name.span, why))?;
        }
    }
    let mut seen: HashMap<Id, ()> = HashMap::with_capacity(all.len());
    for resource in all.iter() {
        if seen.insert(resource.id(), ()).is_some() {
            return fail(&name.span, format!("with this namespace, {} would exist twice", resource.id()));
        }
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

/// The service account called `default` is every namespace's own.
fn default_subjects(node: &mut Node, name: &Text) {
    let subjects = node.as_map_mut().and_then(|map| map.get_mut("subjects"));
    let Some(Value::List(subjects)) = subjects.map(|node| &mut node.value) else { return };
    for subject in subjects {
        if subject.str_at(&["name"]) == Some("default")
            && let Some(map) = subject.as_map_mut()
        {
            map.set(key("namespace", &name.span), text_node(&name.value, &name.span), "namespace");
        }
    }
}

/// Which end of a name is extended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Prefix,
    Suffix,
}

/// Adds a prefix or suffix to names, except of kinds whose name is their meaning.
pub(super) fn rename(all: &mut [Resource], text: &Text, end: End) {
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
        let name = match end {
            End::Prefix => format!("{}{}", text.value, resource.name()),
            End::Suffix => format!("{}{}", resource.name(), text.value),
        };
        match end {
            End::Prefix => resource.prefixes.push(text.value.clone()),
            End::Suffix => resource.suffixes.push(text.value.clone()),
        }
        resource.remember();
        let by = if end == End::Prefix { "namePrefix" } else { "nameSuffix" };
        set_name(resource, &name, &text.span, by);
    }
}

/// Gives a resource another name, at the place of what asked for it.
pub(super) fn set_name(resource: &mut Resource, name: &str, span: &Span, by: &'static str) {
    if let Some(metadata) = ensure_map(&mut resource.node, &["metadata"], span) {
        metadata.set(key("name", span), text_node(name, span), by);
    }
}

/// Adds labels where the entry says they go.
pub(super) fn labels(all: &mut [Resource], labels: &Labels) -> Result<(), Failure> {
    let mut fields: Vec<&Field> = tables::METADATA_LABELS.iter().collect();
    if labels.templates {
        fields.extend(tables::TEMPLATE_LABELS);
    }
    if labels.claims {
        fields.extend(tables::CLAIM_LABELS);
    }
    if labels.selectors {
        fields.extend(tables::SELECTORS.iter());
    }
    pairs(all, &labels.pairs, &fields, "labels")
}

/// Adds annotations to objects and the pods they make.
pub(super) fn annotations(all: &mut [Resource], annotations: &[(Text, Text)]) -> Result<(), Failure> {
    pairs(all, annotations, &tables::ANNOTATIONS.iter().collect::<Vec<_>>(), "commonAnnotations")
}

fn pairs(all: &mut [Resource], pairs: &[(Text, Text)], fields: &[&Field], by: &'static str) -> Result<(), Failure> {
    for resource in all {
        let gvk = Gvk::of(&resource.node);
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
pub(super) fn replicas(all: &mut [Resource], replicas: &Replicas) -> Result<(), Failure> {
    let (count, span) = &replicas.count;
    let mut found = false;
    for resource in all {
        let mut ids = resource.earlier_ids();
        ids.push(resource.id());
        let gvk = Gvk::of(&resource.node);
        for field in tables::REPLICAS {
            if !ids.iter().any(|id| id.name == replicas.name.value && field.applies(&id.gvk)) {
                continue;
            }
            found = true;
            let mut visit = |node: &mut Node| {
                *node = Node::new(Value::Int(*count), span.clone()).over(node, "replicas");
                Ok(())
            };
            let mut walk = Walk { make: Make::Scalar, span, visit: &mut visit };
            walk.run(&mut resource.node, field, &gvk).or_else(|why| fail(span, why))?;
        }
    }
    if found {
        return Ok(());
    }
    let message =
        format!("no Deployment, StatefulSet, ReplicaSet or ReplicationController is called `{}`", replicas.name.value);
    fail(&replicas.name.span, message)
}

/// Memory of the expression made of an image's name: Kustomize reads the name as one.
const MAX_NAME_REGEX_BYTES: usize = 1 << 20;

/// Changes the name, tag or digest of an image wherever it is used.
pub(super) fn images(all: &mut [Resource], image: &Image) -> Result<(), Failure> {
    let pattern = format!(
        "^{}(:[a-zA-Z0-9_.{{}}-]*)?(@[a-zA-Z0-9]+([.+_-][a-zA-Z0-9]+)*:[a-zA-Z0-9_.{{}}-]*)?$",
        image.name.value
    );
    // A name that is no expression matches nothing, as in the original.
    let Ok(pattern) = RegexBuilder::new(&pattern).size_limit(MAX_NAME_REGEX_BYTES).build() else { return Ok(()) };
    let at = Update { image, pattern: &pattern };
    for resource in all.iter_mut().filter(|resource| resource.kind() != "CustomResourceDefinition") {
        at.lists(&mut resource.node);
        let gvk = Gvk::of(&resource.node);
        for field in tables::IMAGES {
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
    pattern: &'u Regex,
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
