//! A value as the rules of its definition see it: unknown fields gone, names escaped, texts with a format of their type.

use serde_json::{Map, Value as Json};

use super::catalog::{Catalog, Kind, Rest, Schema};
use super::format;
use crate::policy::cel::converted;
use crate::policy::cel::value::{self, Held, Mapping};
use crate::policy::scrub::decode;

/// The words of CEL that no field may be called in an expression.
const RESERVED: &str = "true false null in as break const continue else for function if import let loop package namespace return var void while";

/// The value under the schema of that number. Recursion is bounded by the depth of manifests and of definitions.
pub(super) fn typed(catalog: &Catalog, written: &Json, number: u32) -> Held {
    let Some(schema) = catalog.schema(number) else { return value::of_json(written) };
    match (schema.kind, written) {
        (Kind::Object, Json::Object(map)) => object(catalog, map, schema),
        (Kind::Array, Json::Array(list)) => {
            let item = |item: &Json| schema.items.map_or_else(|| value::of_json(item), |of| typed(catalog, item, of));
            value::list(list.iter().map(item).collect())
        }
        (Kind::Text, Json::String(text)) => {
            let format = schema.rules.as_ref().and_then(|rules| rules.format.as_deref()).unwrap_or_default();
            formatted(format, text).unwrap_or_else(|| value::of_json(written))
        }
        (Kind::Number, Json::Number(number)) => value::double(number.as_f64().unwrap_or(f64::NAN)),
        // `2.0` is a whole number on its way to the API server.
        (Kind::Int, Json::Number(number)) => match number.as_f64().filter(|_| !number.is_i64()) {
            Some(float) => value::of_json(&Json::from(float as i64)),
            None => value::of_json(written),
        },
        _ => value::of_json(written),
    }
}

fn object(catalog: &Catalog, map: &Map<String, Json>, schema: &Schema) -> Held {
    let is_dropped = |of: u32, value: &Json| value.is_null() && catalog.schema(of).is_some_and(|of| !of.nullable);
    let mut entries: Vec<(String, Held)> = Vec::with_capacity(map.len());
    for (key, value) in map {
        let is_field = schema.fields.binary_search_by(|field| field.name.as_str().cmp(key)).is_ok();
        match (schema.of_field(key), schema.rest) {
            (Some(of), _) if is_dropped(of, value) => {}
            (Some(of), _) => {
                entries.push((if is_field { escaped(key) } else { key.clone() }, typed(catalog, value, of)));
            }
            (None, Rest::Open) => entries.push((key.clone(), value::of_json(value))),
            (None, _) => {}
        }
    }
    Box::new(Mapping::new(entries.into_iter()))
}

fn formatted(format: &str, text: &str) -> Option<Held> {
    match format {
        "date-time" => converted("timestamp", text),
        "date" => converted("timestamp", &format!("{text}T00:00:00Z")),
        "duration" => converted("duration", &format!("{}ns", format::duration(text)?)),
        "byte" => decode(text).map(value::bytes),
        _ => None,
    }
}

/// A field's name as expressions write it.
pub(super) fn escaped(name: &str) -> String {
    if RESERVED.split(' ').any(|word| word == name) {
        return format!("__{name}__");
    }
    let name = name.replace("__", "__underscores__");
    name.replace('.', "__dot__").replace('-', "__dash__").replace('/', "__slash__")
}
