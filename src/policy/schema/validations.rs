//! The rules in CEL that the author of a kind wrote into its definition (`x-kubernetes-validations`), asked as the API server asks them.
//!
//! A rule that compares with the value before is asked where that is known: in a change, of an object that was there.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use serde_json::Value as Json;

use super::catalog::{Catalog, Schema};
use super::check::is_filled_later;
use super::typed::typed;
use super::{BROKEN, Fault};
use crate::manifest::{Node, Span, Value};
use crate::policy::cel::value::{self, Held};
use crate::policy::cel::{Expression, Scope};

/// Rules asked of one object, those of its items counted each: real ones stay below a thousand.
const MAX_ASKED: u32 = 20_000;
/// Faults told of one object: nobody corrects more at once.
const MAX_FAULTS: usize = 50;
/// Characters of a message that are told; the API server allows more, and nobody reads on.
const MAX_MESSAGE: usize = 1_000;
/// Characters of a rule that are told.
const MAX_RULE: usize = 160;
/// The value before.
const OLD: &str = "oldSelf";

/// One rule of a schema.
#[derive(Debug)]
pub(super) struct Check {
    rule: String,
    message: Option<String>,
    message_expression: Option<String>,
    /// The field it is about, from the schema's own value on.
    field: Vec<String>,
    /// Whether it is also asked where nothing was before.
    optional_old: bool,
    /// Compiled when first asked.
    expression: OnceLock<Result<Expression, String>>,
    telling: OnceLock<Option<Expression>>,
}

/// What a rule says of a value.
enum Answer {
    Holds,
    Broken(String),
    /// It could not be evaluated over this value.
    Failed(String),
    /// It cannot be evaluated at all.
    Unreadable(String),
}

impl Check {
    /// One item of `x-kubernetes-validations`.
    pub(super) fn read(item: &Json) -> Self {
        let text = |key: &str| item[key].as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        Self {
            rule: text("rule").unwrap_or_default(),
            message: text("message"),
            message_expression: text("messageExpression"),
            field: item["fieldPath"].as_str().map(parts).unwrap_or_default(),
            optional_old: item["optionalOldSelf"] == true,
            expression: OnceLock::new(),
            telling: OnceLock::new(),
        }
    }

    fn ask(&self, own: &Held, old: Option<&Held>) -> Answer {
        if self.rule.is_empty() {
            return Answer::Holds;
        }
        let expression = match self.expression.get_or_init(|| Expression::compile(&self.rule)) {
            Ok(expression) => expression,
            Err(why) => return Answer::Unreadable(why.clone()),
        };
        if expression.reads(OLD) && old.is_none() && !self.optional_old {
            return Answer::Holds;
        }
        let mut scope = Scope::new();
        scope.set("self", own.clone());
        if self.optional_old {
            scope.set(OLD, value::optional(old.cloned()));
        } else if let Some(old) = old {
            scope.set(OLD, old.clone());
        }
        match expression.evaluate(&scope).map(|value| value::truth(value.as_ref())) {
            Ok(Some(true)) => Answer::Holds,
            Ok(Some(false)) => Answer::Broken(self.told(&scope)),
            Ok(None) => Answer::Failed("it is neither true nor false".to_owned()),
            Err(why) => Answer::Failed(why),
        }
    }

    /// What the author says of a value that breaks the rule.
    fn told(&self, scope: &Scope<'_>) -> String {
        let compile = || Expression::compile(self.message_expression.as_deref()?).ok();
        let value = self.telling.get_or_init(compile).as_ref().and_then(|telling| telling.evaluate(scope).ok());
        let told = value.and_then(|value| value::text(value.as_ref()).map(str::trim).map(str::to_owned));
        // The API server falls back on `message` for what is empty or has several lines.
        let told = told.filter(|text| !text.is_empty() && !text.contains('\n')).or_else(|| self.message.clone());
        cut(&told.unwrap_or_else(|| format!("failed rule: {}", self.rule)), MAX_MESSAGE)
    }
}

/// The rules of one object's kind, asked.
pub(super) struct Judge<'a, 'u> {
    catalog: &'a Catalog,
    /// Its API version and kind.
    of: (&'a str, &'a str),
    /// The rules that cannot be evaluated at all, each told once.
    unjudged: &'u mut HashSet<(String, String)>,
    asked: u32,
    pub(super) faults: Vec<Fault>,
}

/// A value, where it is shown, and what it was before.
#[derive(Clone, Copy)]
struct Here<'a> {
    node: &'a Node,
    at: &'a Span,
    old: Option<&'a Node>,
}

impl<'a, 'u> Judge<'a, 'u> {
    pub(super) fn new(
        catalog: &'a Catalog,
        of: (&'a str, &'a str),
        unjudged: &'u mut HashSet<(String, String)>,
    ) -> Self {
        Self { catalog, of, unjudged, asked: 0, faults: Vec::new() }
    }

    /// A whole object, shown at its name.
    pub(super) fn object(&mut self, node: &'a Node, old: Option<&'a Node>, number: u32) {
        self.value(Here { node, at: node.place_of(&["metadata", "name"]), old }, number);
        if self.asked > MAX_ASKED {
            let message =
                format!("this {} is too large to be held to the rules of its definition to the end", self.of.1);
            self.faults.push(Fault { rule: BROKEN, message, at: node.place_of(&["kind"]).clone(), edit: None });
        }
    }

    /// Recursion is bounded by the loader's own depth limit.
    fn value(&mut self, here: Here<'a>, number: u32) {
        let Some(schema) = self.catalog.schema(number).filter(|_| !here.node.is_null()) else { return };
        self.checks(here, schema, number);
        for of in schema.rules.iter().flat_map(|rules| &rules.all) {
            // It narrows the same value.
            self.catalog.schema(*of).into_iter().for_each(|narrower| self.checks(here, narrower, number));
        }
        match &here.node.value {
            Value::Map(map) => {
                let was = here.old.and_then(Node::as_map).into_iter().flat_map(|map| map.iter());
                let was: HashMap<&str, &Node> = was.map(|(key, value)| (key.text.as_str(), value)).collect();
                for (key, node) in map.iter() {
                    if let Some(of) = schema.of_field(&key.text) {
                        self.value(Here { node, at: &key.span, old: was.get(key.text.as_str()).copied() }, of);
                    }
                }
            }
            Value::List(list) => {
                let Some(of) = schema.items else { return };
                let keys = schema.rules.as_ref().map(|rules| rules.list_keys.as_slice()).unwrap_or_default();
                let name = |item: &Node| -> Vec<String> {
                    keys.iter()
                        .map(|key| item.get(key).map(|value| value.to_json().to_string()).unwrap_or_default())
                        .collect()
                };
                // Items are the same ones only where a field tells them apart.
                let was = here.old.and_then(Node::as_list).filter(|_| !keys.is_empty()).unwrap_or_default();
                let was: HashMap<Vec<String>, &Node> = was.iter().map(|item| (name(item), item)).collect();
                for node in list.iter() {
                    let old = if was.is_empty() { None } else { was.get(&name(node)).copied() };
                    self.value(Here { node, at: &node.span, old }, of);
                }
            }
            _ => {}
        }
    }

    fn checks(&mut self, here: Here<'a>, schema: &'a Schema, number: u32) {
        let checks = schema.rules.as_ref().map(|rules| rules.checks.as_slice()).unwrap_or_default();
        if checks.is_empty() || self.faults.len() >= MAX_FAULTS {
            return;
        }
        self.asked = self.asked.saturating_add(u32::try_from(checks.len()).unwrap_or(u32::MAX));
        if self.asked > MAX_ASKED {
            return;
        }
        let written = here.node.to_json();
        let own = typed(self.catalog, &written, number);
        let old = here.old.filter(|old| !old.is_null()).map(|old| typed(self.catalog, &old.to_json(), number));
        for check in checks {
            let answer = check.ask(&own, old.as_ref());
            // What is filled in or decrypted later may become what the rule asks for.
            if matches!(answer, Answer::Broken(_) | Answer::Failed(_)) && waits(&written) {
                continue;
            }
            let at = if check.field.is_empty() { here.at } else { found(here, &check.field) };
            self.tell(check, answer, at.clone());
        }
    }

    fn tell(&mut self, check: &Check, answer: Answer, at: Span) {
        let (api, kind) = self.of;
        let rule = cut(&check.rule, MAX_RULE);
        let unjudged = |why: &str| {
            format!("the rule `{rule}` in the CustomResourceDefinition of `{api}` {kind} could not be judged: {why}")
        };
        let message = match answer {
            Answer::Holds => return,
            Answer::Broken(message) => message,
            Answer::Failed(why) => match &check.message {
                Some(asks) => format!("{} (it asks: {})", unjudged(&why), cut(asks, MAX_MESSAGE)),
                None => unjudged(&why),
            },
            Answer::Unreadable(why) => {
                if !self.unjudged.insert((format!("{api} {kind}"), check.rule.clone())) {
                    return;
                }
                unjudged(&why)
            }
        };
        self.faults.push(Fault { rule: BROKEN, message, at, edit: None });
    }
}

/// The place of a field of a value, or of the last one on the way to it.
fn found<'a>(here: Here<'a>, field: &[String]) -> &'a Span {
    let is_there = field.first().is_some_and(|first| here.node.get(first).is_some());
    if is_there { here.node.place_of(field) } else { here.at }
}

/// Whether something in a value is filled in or decrypted later.
fn waits(value: &Json) -> bool {
    match value {
        Json::String(text) => is_filled_later(text),
        Json::Array(list) => list.iter().any(waits),
        Json::Object(map) => map.iter().any(|(key, value)| is_filled_later(key) || waits(value)),
        _ => false,
    }
}

/// The parts of a path such as `.spec.ports` or `.data['a.b']`.
fn parts(path: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let quoted = rest.strip_prefix("['").and_then(|inner| inner.split_once("']"));
        if let Some((name, after)) = quoted {
            parts.push(name.to_owned());
            rest = after;
            continue;
        }
        let start = rest.strip_prefix('.').unwrap_or(rest);
        let end = start.find(['.', '[']).unwrap_or(start.len());
        let (name, after) = start.split_at(end);
        // What is no path leads nowhere.
        if name.is_empty() {
            return Vec::new();
        }
        parts.push(name.to_owned());
        rest = after;
    }
    parts
}

fn cut(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
#[path = "validations_tests.rs"]
mod tests;
