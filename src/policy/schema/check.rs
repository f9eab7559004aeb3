//! One value against one schema: what is unknown, missing, of another type, or not allowed, each at its own line.

use std::collections::HashSet;

use super::catalog::{Catalog, Kind, Rest, Rules, Schema};
use super::{MISSING, NOT_ALLOWED, UNKNOWN, WRONG_TYPE, mend};
use crate::config::nearest;
use crate::manifest::node::{Key, Map};
use crate::manifest::objects::noun;
use crate::manifest::{Node, Span, Value};
use crate::model::suggestion::Edit;

/// Something wrong with one object.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The id of the rule it breaks.
    pub rule: &'static str,
    /// What is wrong. Names fields, never quotes a value, which may be a secret; only the author of a kind may quote some in a message.
    pub message: String,
    /// Where.
    pub at: Span,
    /// What mends it, where that is certain.
    pub edit: Option<Edit>,
}

/// Faults told of one object: nobody corrects more at once, and a hostile object must not fill the report.
const MAX_FAULTS: usize = 50;
/// Values compared with schemas for one object, junctors counted: the largest real ones (CRDs with 60,000 values) stay far below.
const MAX_STEPS: u32 = 2_000_000;

/// A walk over one object.
pub(super) struct Walk<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) kind: &'a str,
    pub(super) faults: Vec<Fault>,
    way: Vec<Step<'a>>,
    /// Inside a junctor only whether it fits is asked.
    silent: bool,
    fits: bool,
    steps: u32,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Item(usize, Option<&'a str>),
}

impl<'a> Walk<'a> {
    pub(super) fn new(catalog: &'a Catalog, kind: &'a str) -> Self {
        Self { catalog, kind, faults: Vec::new(), way: Vec::new(), silent: false, fits: true, steps: 0 }
    }

    fn fault(&mut self, rule: &'static str, at: &Span, message: impl FnOnce(&Self) -> String) {
        self.fits = false;
        if self.is_told() {
            let message = message(self);
            self.faults.push(Fault { rule, message, at: at.clone(), edit: None });
        }
    }

    /// Whether a fault met now is told.
    fn is_told(&self) -> bool {
        !self.silent && self.faults.len() < MAX_FAULTS
    }

    /// The same, with what mends it.
    fn slip(&mut self, rule: &'static str, at: &Span, edit: Option<Edit>, message: impl FnOnce(&Self) -> String) {
        let before = self.faults.len();
        self.fault(rule, at, message);
        if let Some(fault) = self.faults.get_mut(before) {
            fault.edit = edit;
        }
    }

    /// Whether there was more to compare than is compared: what nobody looked at has not passed.
    pub(super) fn is_cut(&self) -> bool {
        self.steps >= MAX_STEPS
    }

    fn path(&self, last: Option<&str>) -> String {
        let mut path = String::new();
        for step in self.way.iter().copied().chain(last.map(Step::Key)) {
            match step {
                Step::Key(key) if path.is_empty() => path.push_str(key),
                Step::Key(key) => path.extend([".", key]),
                Step::Item(_, Some(name)) => path.push_str(&format!("[{name}]")),
                Step::Item(at, None) => path.push_str(&format!("[{at}]")),
            }
        }
        path
    }

    /// One value. `key` is where a fault of the whole value is shown.
    pub(super) fn value(&mut self, node: &'a Node, number: u32, required: bool) {
        self.steps += 1;
        let Some(schema) = self.catalog.schema(number).filter(|_| self.steps < MAX_STEPS) else { return };
        if node.is_null() && self.null_is_fine(schema, required) {
            return;
        }
        // What is filled in or decrypted later may become anything.
        if node.as_str().is_some_and(is_filled_later) {
            return;
        }
        if !is_of(schema.kind, &node.value) {
            let (is, needs) = (noun(&node.value), needed(schema.kind));
            let hint = hint(schema.kind, &node.value);
            let span = node.span.clone();
            let edit = mend::value(node, schema.kind).filter(|_| self.is_told());
            let message = |walk: &Self| format!("`{}` is {is}, and {needs} is needed{hint}", walk.path(None));
            self.slip(WRONG_TYPE, &span, edit, message);
            return;
        }
        match &node.value {
            Value::Map(map) => self.object(node, map, schema),
            Value::List(list) => {
                for (at, item) in list.iter().enumerate() {
                    let Some(of) = schema.items else { break };
                    self.way.push(Step::Item(at, item.str_at(&["name"])));
                    self.value(item, of, false);
                    self.way.pop();
                }
            }
            _ => {}
        }
        if let Some(rules) = &schema.rules {
            self.rules(node, rules);
        }
    }

    fn null_is_fine(&self, schema: &Schema, required: bool) -> bool {
        let scalar = !matches!(schema.kind, Kind::Quantity | Kind::IntOrText);
        schema.nullable || schema.kind == Kind::Any || (self.catalog.is_kubernetes && scalar && !required)
    }

    fn object(&mut self, node: &'a Node, map: &'a Map, schema: &'a Schema) {
        // Looked up from the shorter side, so that many keys and many fields stay linear.
        for (key, value) in map.iter() {
            let text = key.text.as_str();
            let known = schema.fields.binary_search_by(|field| field.name.as_str().cmp(text)).ok();
            let field = known.and_then(|at| schema.fields.get(at));
            let (of, required) = match (field, schema.rest) {
                (Some(field), _) => (field.schema, field.required),
                (None, Rest::Of(of)) => (of, false),
                (None, Rest::Open) => continue,
                (None, Rest::Unknown) => {
                    let is_root_extra = self.way.is_empty() && is_root_extra(text, value);
                    if !is_filled_later(text) && !is_root_extra {
                        self.unknown((key, value), map, schema);
                    }
                    continue;
                }
            };
            self.way.push(Step::Key(text));
            self.value(value, of, required);
            self.way.pop();
        }
        let missing: Vec<&str> = self.missing(map, schema);
        for name in missing {
            let span = node.span.clone();
            self.fault(MISSING, &span, |walk| format!("`{}` is missing", walk.path(Some(name))));
        }
    }

    fn missing(&self, map: &Map, schema: &'a Schema) -> Vec<&'a str> {
        let required: Vec<&str> =
            schema.fields.iter().filter(|field| field.required).map(|field| field.name.as_str()).collect();
        if required.is_empty() || map.iter().any(|(key, _)| is_filled_later(&key.text)) {
            return Vec::new();
        }
        let keys: HashSet<&str> = map.iter().map(|(key, _)| key.text.as_str()).collect();
        required.into_iter().filter(|name| !keys.contains(name)).collect()
    }

    fn unknown(&mut self, (key, value): (&Key, &'a Node), map: &Map, schema: &'a Schema) {
        let text = key.text.as_str();
        let free = || schema.fields.iter().map(|field| field.name.as_str()).filter(|name| map.get(name).is_none());
        let edit = if self.is_told() { mend::key(self, (key, value), free(), schema) } else { None };
        self.slip(UNKNOWN, &key.span, edit, |walk| {
            let kind = walk.kind;
            let near = nearest(text, free()).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            format!("`{}` is no field of {kind}{near}", walk.path(Some(text)))
        });
    }

    fn rules(&mut self, node: &'a Node, rules: &'a Rules) {
        if let Some(wrong) = plain(node, rules) {
            let span = node.span.clone();
            let edit = if self.is_told() { mend::word(node, rules) } else { None };
            self.slip(NOT_ALLOWED, &span, edit, |walk| format!("`{}` {wrong}", walk.path(None)));
        }
        for of in &rules.all {
            self.value(node, *of, false);
        }
        if !rules.any.is_empty() && !rules.any.iter().any(|of| self.fitting(node, *of)) {
            self.junctor(node, "fits none of the forms its schema offers");
        }
        if !rules.one.is_empty() {
            match rules.one.iter().filter(|of| self.fitting(node, **of)).count() {
                1 => {}
                0 => self.junctor(node, "fits none of the forms its schema offers"),
                _ => self.junctor(node, "fits more than one of the forms its schema offers, and only one may be"),
            }
        }
        if rules.not.is_some_and(|of| self.fitting(node, of)) {
            self.junctor(node, "has a form its schema rules out");
        }
    }

    fn junctor(&mut self, node: &Node, what: &str) {
        let span = node.span.clone();
        self.fault(NOT_ALLOWED, &span, |walk| {
            let path = walk.path(None);
            if path.is_empty() { format!("this {} {what}", walk.kind) } else { format!("`{path}` {what}") }
        });
    }

    /// Whether a value fits a schema.
    pub(super) fn fitting(&mut self, node: &'a Node, of: u32) -> bool {
        let before = (self.silent, self.fits);
        (self.silent, self.fits) = (true, true);
        self.value(node, of, false);
        let fits = self.fits;
        (self.silent, self.fits) = before;
        fits
    }
}

/// What only tools read at an object's root: SOPS keeps its record there until Flux decrypts the file.
fn is_root_extra(key: &str, value: &Node) -> bool {
    key == "sops" && value.get("mac").is_some()
}

/// Whether text is filled in by Flux, or decrypted by SOPS, after this is read.
pub(super) fn is_filled_later(text: &str) -> bool {
    text.contains("${") || text.starts_with("ENC[")
}

fn is_of(kind: Kind, value: &Value) -> bool {
    let whole = |number: f64| number.fract() == 0.0;
    match kind {
        Kind::Any => true,
        Kind::Object => matches!(value, Value::Map(_)),
        Kind::Array => matches!(value, Value::List(_)),
        Kind::Text => matches!(value, Value::String(_)),
        Kind::Bool => matches!(value, Value::Bool(_)),
        Kind::Number => matches!(value, Value::Int(_) | Value::Float(_)),
        Kind::Quantity => matches!(value, Value::Int(_) | Value::Float(_) | Value::String(_)),
        Kind::Int => matches!(value, Value::Int(_)) || matches!(value, Value::Float(number) if whole(*number)),
        Kind::IntOrText => {
            matches!(value, Value::Int(_) | Value::String(_)) || matches!(value, Value::Float(number) if whole(*number))
        }
    }
}

fn needed(kind: Kind) -> &'static str {
    match kind {
        Kind::Any => "anything",
        Kind::Object => "a mapping",
        Kind::Array => "a list",
        Kind::Text => "text",
        Kind::Int => "a whole number",
        Kind::Number => "a number",
        Kind::Bool => "`true` or `false`",
        Kind::Quantity => "an amount such as `500m` or `2Gi`",
        Kind::IntOrText => "a whole number or text",
    }
}

/// What usually mends it.
fn hint(kind: Kind, value: &Value) -> &'static str {
    match (kind, value) {
        (Kind::Text, Value::Int(_) | Value::Float(_) | Value::Bool(_)) => ": put it in quotes",
        (Kind::Int | Kind::Number, Value::String(text)) if text.parse::<f64>().is_ok() => ": take the quotes off",
        (Kind::Bool, Value::String(text)) if matches!(text.as_str(), "true" | "false") => ": take the quotes off",
        (Kind::Array, _) => ": begin each item with `- `",
        (Kind::Object, Value::List(_)) => ": take the dashes off",
        _ => "",
    }
}

/// What is wrong with a value in itself.
fn plain(node: &Node, rules: &Rules) -> Option<String> {
    if !rules.one_of_these.is_empty() && !rules.one_of_these.iter().any(|one| same(one, node)) {
        /// Words listed; beyond, nobody reads on.
        const MAX_WORDS: usize = 12;
        let words: Vec<String> =
            rules.one_of_these.iter().take(MAX_WORDS).map(|one| format!("`{}`", bare(one))).collect();
        let more = if rules.one_of_these.len() > MAX_WORDS { ", …" } else { "" };
        return Some(format!("is none of {}{more}", words.join(", ")));
    }
    let size = match &node.value {
        Value::String(text) => {
            if rules.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(text)) {
                let pattern = rules.pattern.as_ref().map(ToString::to_string).unwrap_or_default();
                return Some(format!("does not match `{pattern}`"));
            }
            if let Some(format) = rules.format.as_deref().filter(|format| !super::format::fits(format, text)) {
                return Some(format!("is no {format}"));
            }
            Some((text.chars().count() as u64, "characters"))
        }
        Value::List(list) => Some((list.len() as u64, "items")),
        Value::Map(map) => Some((map.len() as u64, "fields")),
        _ => None,
    };
    if let Some((size, what)) = size {
        return match rules.size {
            (Some(least), _) if size < least => Some(format!("needs at least {least} {what}")),
            (_, Some(most)) if size > most => Some(format!("has more than {most} {what}")),
            _ => None,
        };
    }
    let number = match node.value {
        Value::Int(number) => number as f64,
        Value::Float(number) => number,
        _ => return None,
    };
    match (rules.least, rules.most) {
        (Some((least, open)), _) if number < least || (open && number == least) => Some(format!("is below {least}")),
        (_, Some((most, open))) if number > most || (open && number == most) => Some(format!("is above {most}")),
        _ => None,
    }
}

fn bare(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn same(one: &serde_json::Value, node: &Node) -> bool {
    match (&node.value, one) {
        (Value::String(text), serde_json::Value::String(one)) => text.as_str() == one,
        (Value::Int(number), serde_json::Value::Number(one)) => one.as_f64() == Some(*number as f64),
        (Value::Float(number), serde_json::Value::Number(one)) => one.as_f64() == Some(*number),
        _ => node.to_json() == *one,
    }
}
