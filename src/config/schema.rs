//! The table as a JSON Schema, for editors and CI jobs.

use serde_json::{Map, Value, json};

use super::table::{self, Format, Key, Kind};

/// The JSON Schema (draft 2020-12) of the configuration file.
///
/// It accepts every file the bot accepts. What it cannot say (an unknown environment in `after`, folders inside each
/// other) only the bot refuses.
pub fn schema() -> Value {
    let mut root = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Trunkline",
        "description": "How versions travel from trunk to production: `.github/trunkline.yaml`.",
    });
    merge(&mut root, record(table::FILE));
    root
}

fn record(keys: &'static [Key]) -> Value {
    let properties: Map<String, Value> = keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let required: Vec<&str> = keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    let mut schema = json!({"type": "object", "properties": properties, "additionalProperties": false});
    if !required.is_empty() {
        merge(&mut schema, json!({ "required": required }));
    }
    schema
}

fn property(key: &'static Key) -> Value {
    let mut description = key.about.to_owned();
    if let Kind::Word(words) | Kind::Either(Kind::Word(words), _) = &key.kind {
        let lines: Vec<String> = words.iter().map(|word| format!("- `{}`: {}", word.word, word.about)).collect();
        description = format!("{description}\n\n{}", lines.join("\n"));
    }
    let mut schema = json!({ "description": description });
    merge(&mut schema, value(&key.kind));
    schema
}

fn value(kind: &'static Kind) -> Value {
    match kind {
        Kind::One => json!({"const": 1}),
        Kind::Truth => json!({"type": "boolean"}),
        Kind::Number { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
        Kind::Text(format) => text(format),
        Kind::Word(words) => json!({"enum": words.iter().map(|word| word.word).collect::<Vec<_>>()}),
        Kind::List { of, max } => json!({"type": "array", "items": value(of), "maxItems": max}),
        Kind::Record(keys) => record(keys),
        Kind::Named { of, min, max } => json!({
            "type": "object",
            "propertyNames": {"pattern": table::NAME.pattern},
            "additionalProperties": record(of),
            "minProperties": min,
            "maxProperties": max,
        }),
        Kind::TextOrRecord(format, keys) => json!({"oneOf": [text(format), record(keys)]}),
        Kind::Listed { keys, of, .. } => json!({
            "type": "object",
            "propertyNames": {"enum": keys},
            "additionalProperties": value(of),
        }),
        Kind::PerEnvironment(of) => json!({
            "type": "object",
            "propertyNames": {"pattern": table::NAME.pattern},
            "additionalProperties": value(of),
            "maxProperties": table::MAX_ENVIRONMENTS,
        }),
        Kind::Either(plain, mapping) => json!({"oneOf": [value(plain), value(mapping)]}),
    }
}

fn text(format: &'static Format) -> Value {
    json!({
        "type": "string",
        "pattern": format.pattern,
        "minLength": 1,
        "maxLength": format.max,
        "examples": [format.example],
    })
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}
