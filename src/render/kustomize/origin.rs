//! `buildMetadata`: where an object comes from and what changed it, as the original writes it into annotations.

use super::resource::{Resource, ensure_map, key, text_node};
use crate::manifest::emit;
use crate::manifest::node::{Node, Span};

/// Where an object comes from.
pub(super) const ORIGIN: &str = "config.kubernetes.io/origin";
/// What changed it.
pub(super) const CHANGES: &str = "alpha.config.kubernetes.io/transformations";
/// The label of `managedByLabel`.
pub(super) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// What the label says: the version whose output this program reproduces.
pub(super) const MANAGER: &str = "kustomize-v5.8.2";
/// Changes remembered in one annotation: real builds have a few dozen.
const MAX_CHANGES: usize = 64 * 1024;

/// What made or changed an object: a built-in by its name, or a configuration of its own.
#[derive(Debug, Clone)]
pub(super) struct By {
    /// The file that asked for it, from the folder that is built.
    pub(super) file: String,
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) namespace: String,
}

impl By {
    /// A field of a kustomization.
    pub(super) fn built_in(file: String, kind: &str) -> Self {
        let (api_version, kind) = ("builtin".to_owned(), kind.to_owned());
        Self { file, api_version, kind, name: String::new(), namespace: String::new() }
    }

    /// The configuration of a plugin, which knows where it comes from itself.
    pub(super) fn config(config: &Resource) -> Option<Self> {
        let text = |path: &[&str]| config.node.str_at(path).unwrap_or_default().to_owned();
        let origin = config.node.str_at(&["metadata", "annotations", ORIGIN])?;
        let file = origin.lines().find_map(|line| line.strip_prefix("path: ")).unwrap_or_default().to_owned();
        Some(Self {
            file,
            api_version: text(&["apiVersion"]),
            kind: text(&["kind"]),
            name: text(&["metadata", "name"]),
            namespace: text(&["metadata", "namespace"]),
        })
    }

    fn yaml(&self) -> String {
        let mut text = String::new();
        if !self.file.is_empty() {
            text.push_str(&format!("configuredIn: {}\n", emit::string(&self.file)));
        }
        text.push_str("configuredBy:\n");
        let fields = [
            ("apiVersion", &self.api_version),
            ("kind", &self.kind),
            ("name", &self.name),
            ("namespace", &self.namespace),
        ];
        for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
            text.push_str(&format!("  {name}: {}\n", emit::string(value)));
        }
        text
    }
}

/// The annotation of an object that was read from a file.
pub(super) fn mark_read(resource: &mut Resource, path: &str) {
    annotate(resource, ORIGIN, &format!("path: {}\n", emit::string(path)));
}

/// The annotation of an object that was made, unless it has one.
pub(super) fn mark_made(resource: &mut Resource, by: &By) {
    if annotation(resource, ORIGIN).is_none() {
        annotate(resource, ORIGIN, &by.yaml());
    }
}

/// Adds a change to all objects; those that come from nowhere were made by it.
pub(super) fn mark_changed(all: &mut [Resource], by: &By) {
    let lines = by.yaml();
    let entry: String =
        lines.lines().enumerate().map(|(at, line)| format!("{} {line}\n", if at == 0 { "-" } else { " " })).collect();
    for resource in all {
        if annotation(resource, ORIGIN).is_none() {
            annotate(resource, ORIGIN, &lines);
            continue;
        }
        let before = annotation(resource, CHANGES).unwrap_or_default();
        if before.len() < MAX_CHANGES {
            let text = format!("{before}{entry}");
            annotate(resource, CHANGES, &text);
        }
    }
}

fn annotation<'r>(resource: &'r Resource, name: &str) -> Option<&'r str> {
    resource.node.str_at(&["metadata", "annotations", name])
}

fn annotate(resource: &mut Resource, name: &str, text: &str) {
    let span: Span = resource.node.span.clone();
    if let Some(annotations) = ensure_map(&mut resource.node, &["metadata", "annotations"], &span) {
        annotations.set(key(name, &span), text_node(text, &span), "buildMetadata");
    }
}

/// Takes away an annotation that nobody asked to see.
pub(super) fn unmark(resource: &mut Resource, name: &str) {
    let metadata = resource.node.as_map_mut().and_then(|map| map.get_mut("metadata")).and_then(Node::as_map_mut);
    if let Some(annotations) = metadata.and_then(|map| map.get_mut("annotations")).and_then(Node::as_map_mut) {
        annotations.remove(name);
    }
}

/// Takes away the notes that the original keeps in annotations while it builds; who writes them by hand loses them.
pub(super) fn unmark_inner(resource: &mut Resource) {
    let metadata = resource.node.as_map_mut().and_then(|map| map.get_mut("metadata")).and_then(Node::as_map_mut);
    if let Some(annotations) = metadata.and_then(|map| map.get_mut("annotations")).and_then(Node::as_map_mut) {
        annotations.retain(|key, _| !key.text.starts_with("internal.config.kubernetes.io/"));
    }
}

/// A path below another, the dots in it resolved as text: what is named may lie above the folder that is built.
pub(super) fn joined(base: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {

    #[test]
    fn paths_are_joined_as_text() {
        for (base, path, joined) in
            [("", "a.yaml", "a.yaml"), ("../base", "./x/../b.yaml", "../base/b.yaml"), ("a", "../../b", "../b")]
        {
            assert_eq!(super::joined(base, path), joined);
        }
    }
}
