//! Schemas from CustomResourceDefinitions in the repository itself: what it brings is what its objects are held to.

use super::catalog::{Catalog, Field, Kind, Rest, Rules, Schema};
use crate::manifest::{Node, Object, Value};

/// The group and kind that an object defines, when it is a CustomResourceDefinition.
pub(super) fn defined(object: &Object) -> Option<(&str, &str)> {
    let is_definition =
        object.kind() == "CustomResourceDefinition" && object.api_version().starts_with("apiextensions.k8s.io/");
    let text = |path: &[&str]| object.node.str_at(path).filter(|_| is_definition);
    Some((text(&["spec", "group"])?, text(&["spec", "names", "kind"])?))
}

/// Whether a CustomResourceDefinition says anything of fields: what patches one says nothing.
pub(super) fn has_schema(object: &Object) -> bool {
    let mut versions = object.node.list_at(&["spec", "versions"]).iter();
    versions.any(|version| version.at(&["schema", "openAPIV3Schema"]).is_some())
        || object.node.at(&["spec", "validation", "openAPIV3Schema"]).is_some()
}

/// Adds every version of a CustomResourceDefinition, also when that is the old `v1beta1`.
pub(super) fn add(catalog: &mut Catalog, object: &Object) {
    let Some((group, kind)) = defined(object) else { return };
    let spec = |path: &[&str]| object.node.at(&[&["spec"], path].concat());
    let text = |path: &[&str]| spec(path).and_then(Node::as_str);
    let shared = spec(&["validation", "openAPIV3Schema"]);
    let versions = object.node.list_at(&["spec", "versions"]);
    for version in versions {
        let Some(name) = version.str_at(&["name"]) else { continue };
        let schema = version.at(&["schema", "openAPIV3Schema"]).or(shared);
        serve(catalog, format!("{group}/{name}"), kind, schema);
    }
    if let (Some(name), true) = (text(&["version"]), versions.is_empty()) {
        serve(catalog, format!("{group}/{name}"), kind, shared);
    }
}

fn serve(catalog: &mut Catalog, api: String, kind: &str, schema: Option<&Node>) {
    let root = match schema {
        Some(schema) => schema_of(catalog, schema, Place::Root),
        None => {
            let any = Schema {
                kind: Kind::Any,
                fields: Vec::new(),
                rest: Rest::Open,
                items: None,
                nullable: true,
                rules: None,
            };
            catalog.add(any)
        }
    };
    catalog.serve(api, kind, root);
}

/// Where a schema stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// The whole object: `apiVersion`, `kind` and `metadata` are always there.
    Root,
    Field,
    /// Within `anyOf` and the like, where fields that are not named are not forbidden.
    Junctor,
}

/// Recursion over a schema is bounded by the loader's own depth limit.
fn schema_of(catalog: &mut Catalog, node: &Node, place: Place) -> u32 {
    let has = |key: &str| node.get(key).and_then(Node::as_bool) == Some(true);
    let kind = if has("x-kubernetes-int-or-string") || node.str_at(&["format"]) == Some("int-or-string") {
        Kind::IntOrText
    } else {
        kind_of(node)
    };
    let below = if place == Place::Junctor { Place::Junctor } else { Place::Field };
    let mut schema = Schema {
        kind,
        fields: fields(catalog, node, below),
        rest: rest(catalog, node, place, below),
        items: None,
        nullable: has("nullable"),
        rules: None,
    };
    schema.items = node.get("items").filter(|items| items.as_map().is_some()).map(|of| schema_of(catalog, of, below));
    if place == Place::Root {
        root_fields(catalog, &mut schema);
    }
    let mut rules = Rules::default();
    let written = node.as_map().into_iter().flat_map(|map| map.iter());
    for (key, value) in written.filter(|(key, _)| Rules::KEYWORDS.contains(&key.text.as_str())) {
        rules.take(&key.text, &value.to_json());
    }
    // That of a number or text only says so once more.
    if kind != Kind::IntOrText {
        rules.any = junctor(catalog, node, "anyOf");
    }
    rules.all = junctor(catalog, node, "allOf");
    rules.one = junctor(catalog, node, "oneOf");
    rules.not = node.get("not").map(|of| schema_of(catalog, of, Place::Junctor));
    schema.rules = rules.boxed();
    catalog.add(schema)
}

fn kind_of(node: &Node) -> Kind {
    match node.str_at(&["type"]) {
        Some("object") => Kind::Object,
        Some("array") => Kind::Array,
        Some("string") => Kind::Text,
        Some("integer") => Kind::Int,
        Some("number") => Kind::Number,
        Some("boolean") => Kind::Bool,
        _ => Kind::Any,
    }
}

fn fields(catalog: &mut Catalog, node: &Node, below: Place) -> Vec<Field> {
    let required: Vec<&str> = node.list_at(&["required"]).iter().filter_map(Node::as_str).collect();
    let properties = node.get("properties").and_then(Node::as_map);
    let mut fields: Vec<Field> = properties
        .into_iter()
        .flat_map(|map| map.iter())
        .map(|(key, of)| Field {
            name: key.text.clone(),
            required: required.contains(&key.text.as_str()),
            schema: schema_of(catalog, of, below),
        })
        .collect();
    for name in required {
        if properties.and_then(|map| map.get(name)).is_none() {
            fields.push(Field { name: name.into(), required: true, schema: u32::MAX });
        }
    }
    fields.sort_by(|a, b| a.name.cmp(&b.name));
    fields
}

fn rest(catalog: &mut Catalog, node: &Node, place: Place, below: Place) -> Rest {
    let keeps = node.get("x-kubernetes-preserve-unknown-fields").and_then(Node::as_bool) == Some(true);
    match node.get("additionalProperties").map(|of| (&of.value, of)) {
        Some((Value::Bool(false), _)) => Rest::Unknown,
        Some((Value::Map(_), of)) => Rest::Of(schema_of(catalog, of, below)),
        Some(_) => Rest::Open,
        None if keeps || place == Place::Junctor || node.get("properties").is_none() => Rest::Open,
        None => Rest::Unknown,
    }
}

/// What every object has, written in its schema or not.
fn root_fields(catalog: &mut Catalog, schema: &mut Schema) {
    for (name, kind) in [("apiVersion", Kind::Text), ("kind", Kind::Text), ("metadata", Kind::Object)] {
        if let Err(at) = schema.fields.binary_search_by(|field| field.name.as_str().cmp(name)) {
            let of = Schema { kind, fields: Vec::new(), rest: Rest::Open, items: None, nullable: false, rules: None };
            let of = catalog.add(of);
            schema.fields.insert(at, Field { name: name.into(), required: false, schema: of });
        }
    }
}

fn junctor(catalog: &mut Catalog, node: &Node, key: &str) -> Vec<u32> {
    node.list_at(&[key]).iter().map(|of| schema_of(catalog, of, Place::Junctor)).collect()
}
