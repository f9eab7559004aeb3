//! From documents to Kubernetes objects: `List`s flattened, everything else refused with its line.

use super::load::Loaded;
use super::node::{Node, Object, Span, Value};
use crate::model::finding::Problem;

/// The objects of a file: `List`s flattened, documents that are no Kubernetes object refused.
pub fn objects(loaded: &Loaded) -> (Vec<Object>, Vec<Problem>) {
    let mut found = (Vec::new(), Vec::new());
    for document in &loaded.documents {
        collect(&document.node, &mut found);
    }
    found
}

fn collect(node: &Node, found: &mut (Vec<Object>, Vec<Problem>)) {
    let is_list = node.str_at(&["kind"]).is_some_and(|kind| kind.ends_with("List"));
    if let Some(items) = node.get("items").filter(|items| is_list && (items.as_list().is_some() || items.is_null())) {
        // The depth of nested lists is bounded by the reader's own.
        items.as_list().unwrap_or_default().iter().for_each(|item| collect(item, found));
        return;
    }
    match complaint(node) {
        None => found.0.push(Object { node: node.clone() }),
        Some((at, message, help)) => {
            found.1.push(Problem { location: Some(at.location()), message, help: Some(help.to_owned()) });
        }
    }
}

/// Why a node is no Kubernetes object, if it is none.
fn complaint(node: &Node) -> Option<(&Span, String, &'static str)> {
    let missing = "A Kubernetes object needs `apiVersion`, `kind` and `metadata.name`.";
    if node.as_map().is_none() {
        return Some((&node.span, format!("this is {}, not a Kubernetes object", noun(&node.value)), missing));
    }
    let named_later = node.str_at(&["metadata", "generateName"]).is_some();
    for path in [&["apiVersion"][..], &["kind"], &["metadata", "name"]] {
        let at = path.join(".");
        match node.at(path) {
            Some(Node { value: Value::String(text), .. }) if !text.is_empty() => {}
            None if at == "metadata.name" && named_later => {}
            Some(Node { value: Value::String(_) | Value::Null, span, .. }) => {
                return Some((span, format!("`{at}` is empty"), missing));
            }
            Some(other) => {
                let message = format!("`{at}` is {}, not text", noun(&other.value));
                return Some((&other.span, message, "Put it in quotes."));
            }
            None => return Some((&node.span, format!("this object has no `{at}`"), missing)),
        }
    }
    None
}

/// What a value is, in words, with its article.
pub(crate) fn noun(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Int(_) | Value::Float(_) => "a number",
        Value::String(_) => "text",
        Value::List(_) => "a list",
        Value::Map(_) => "a mapping",
    }
}
