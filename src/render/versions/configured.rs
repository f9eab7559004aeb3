//! The way to a configured field: `spec.values.image.tag`, `spec.containers[name=web].image`, `data["shop/version"]`.

use super::Holder;
use super::find::{Form, Place};
use crate::manifest::node::Node;
use crate::model::pipeline::Write;
use crate::render::kustomize::split_image;

/// The places of a configured field in a file's documents: one in each document that is meant and has it.
pub(super) fn places<'n>(documents: &'n [Node], write: &Write) -> Vec<Place<'n>> {
    let meant = documents.iter().filter(|document| is_meant(document, write));
    let nodes = meant.filter_map(|document| follow(document, &write.field));
    let scalars = nodes.filter(|node| node.as_map().is_none() && node.as_list().is_none());
    let is_reference = |node: &Node| {
        let image = node.as_str().map(|text| split_image(text).0);
        write.image.is_some() && image == write.image.as_deref()
    };
    let form = |node| if is_reference(node) { Form::Reference(node) } else { Form::Text(node) };
    scalars.map(|node| Place { carrier: write.key(), holder: Holder::Configured, form: form(node) }).collect()
}

/// Whether the document is of the configured kind and name.
pub(super) fn is_meant(document: &Node, write: &Write) -> bool {
    let is = |wanted: &Option<String>, path: &[&str]| {
        wanted.as_deref().is_none_or(|wanted| document.str_at(path) == Some(wanted))
    };
    is(&write.kind, &["kind"]) && is(&write.name, &["metadata", "name"])
}

/// The node a way leads to.
fn follow<'n>(document: &'n Node, field: &str) -> Option<&'n Node> {
    let mut here = document;
    let mut rest = field;
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix("[\"") {
            let (key, after) = inside.split_once("\"]")?;
            (here, rest) = (here.get(key)?, after);
        } else if let Some(inside) = rest.strip_prefix('[') {
            let (which, after) = inside.split_once(']')?;
            let list = here.as_list()?;
            let item = match which.split_once('=') {
                Some((key, value)) => list.iter().find(|item| item.str_at(&[key]) == Some(value)),
                None => list.get(which.parse::<usize>().ok()?),
            };
            (here, rest) = (item?, after);
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            (here, rest) = (here.get(&rest[..end])?, &rest[end..]);
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
    }
    Some(here)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::load;
    use crate::model::path::RepoPath;

    #[test]
    fn ways_lead_to_fields() {
        let text = "spec: {values: {image: {tag: v1}}, containers: [{name: a}, {name: web, image: x:v1}]}\ndata: {shop/version: v2, 'a.b': v3}\n";
        let node = &load(&RepoPath::root(), text.as_bytes()).documents[0].node;
        let at = |field: &str| follow(node, field).and_then(Node::as_str);
        assert_eq!(at("spec.values.image.tag"), Some("v1"));
        assert_eq!(at("spec.containers[name=web].image"), Some("x:v1"));
        assert_eq!(at("spec.containers[1].image"), Some("x:v1"));
        assert_eq!(at("data.shop/version"), Some("v2"));
        assert_eq!(at("data[\"a.b\"]"), Some("v3"));
        assert_eq!(at("spec.containers[name=c].image"), None);
        assert_eq!(at("spec.values.image.tag.more"), None);
    }
}
