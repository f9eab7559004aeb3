//! What the API server puts into a custom resource where nothing is written, before it looks at anything else.

use serde_json::Value as Json;

use super::catalog::{Catalog, Schema};
use crate::manifest::node::{Key, Map};
use crate::manifest::{Node, Span, Value};

/// Values put into one object: as many as a file may hold. Definitions put in dozens; items by the thousand could make much of a large one.
const MAX_PUT: usize = 250_000;

/// Puts in what a schema says.
pub(super) struct Filler<'a> {
    catalog: &'a Catalog,
    left: usize,
}

impl<'a> Filler<'a> {
    pub(super) fn new(catalog: &'a Catalog) -> Self {
        Self { catalog, left: MAX_PUT }
    }

    /// Whether there was more to put in than is put in.
    pub(super) fn is_cut(&self) -> bool {
        self.left == 0
    }

    /// The value with what was not written; nothing where all of it was. What is put in stands at the place of what it is put into.
    ///
    /// Recursion is bounded by the depth of manifests and of definitions.
    pub(super) fn filled(&mut self, node: &Node, number: u32) -> Option<Node> {
        let schema = self.catalog.schema(number)?;
        let value = match &node.value {
            Value::Map(map) => Value::Map(self.map(map, &node.span, schema)?),
            Value::List(list) => {
                let items = schema.items?;
                let below: Vec<Option<Node>> = list.iter().map(|item| self.filled(item, items)).collect();
                let is_whole = below.iter().all(Option::is_none);
                let both = list.iter().zip(below).map(|(item, new)| new.unwrap_or_else(|| item.clone()));
                (!is_whole).then(|| Value::List(both.collect()))?
            }
            _ => return None,
        };
        Some(Node { value, ..node.clone() })
    }

    fn map(&mut self, map: &Map, at: &Span, schema: &Schema) -> Option<Map> {
        let mut below: Vec<Option<Node>> = Vec::with_capacity(map.len());
        for (key, value) in map.iter() {
            let of = schema.of_field(&key.text);
            below.push(of.and_then(|of| match self.default(of).filter(|_| value.is_null()) {
                Some(default) if !self.catalog.schema(of).is_some_and(|of| of.nullable) => {
                    self.put(default, &value.span, of)
                }
                _ => self.filled(value, of),
            }));
        }
        let mut more = Vec::new();
        for field in &schema.fields {
            let default = self.default(field.schema).filter(|_| map.get(&field.name).is_none());
            if let Some(node) = default.and_then(|default| self.put(default, at, field.schema)) {
                more.push((Key { text: field.name.clone(), span: at.clone() }, node));
            }
        }
        if more.is_empty() && below.iter().all(Option::is_none) {
            return None;
        }
        let mut map = map.clone();
        for ((_, value), new) in map.iter_mut().zip(below) {
            if let Some(new) = new {
                *value = new;
            }
        }
        more.into_iter().for_each(|(key, node)| map.push_new(key, node));
        Some(map)
    }

    fn default(&self, number: u32) -> Option<&'a Json> {
        let catalog: &'a Catalog = self.catalog;
        catalog.schema(number)?.default()
    }

    /// A default, with the defaults within.
    fn put(&mut self, default: &Json, at: &Span, number: u32) -> Option<Node> {
        let node = self.made(default, at)?;
        Some(self.filled(&node, number).unwrap_or(node))
    }

    fn made(&mut self, json: &Json, at: &Span) -> Option<Node> {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            return None;
        }
        let value = match json {
            Json::Null => Value::Null,
            Json::Bool(truth) => Value::Bool(*truth),
            Json::Number(number) => match number.as_i64() {
                Some(number) => Value::Int(number),
                None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Value::String(text.into()),
            Json::Array(list) => Value::List(list.iter().filter_map(|item| self.made(item, at)).collect()),
            Json::Object(fields) => {
                let mut map = Map::with_capacity(fields.len());
                for (key, value) in fields {
                    map.push_new(Key { text: key.into(), span: at.clone() }, self.made(value, at)?);
                }
                Value::Map(map)
            }
        };
        Some(Node::new(value, at.clone()))
    }
}
