//! The CEL that a ValidatingAdmissionPolicy and a Gatekeeper template share: conditions, variables, validations.

use super::scene::Subject;
use crate::manifest::Node;
use crate::model::finding::Location;
use crate::policy::cel::value::{self, Held, Mapping};
use crate::policy::cel::{Expression, Scope};

/// A policy's expressions, ready to be evaluated.
pub(super) struct Rules {
    conditions: Vec<(String, Expression)>,
    variables: Vec<(String, Expression)>,
    validations: Vec<Validation>,
    annotations: Vec<(String, Expression)>,
}

struct Validation {
    expression: Expression,
    message: Option<String>,
    message_expression: Option<Expression>,
}

/// What an evaluation comes to, for one object.
pub(super) enum Outcome {
    /// A validation says no: with its message, at the line it is about.
    No { message: String, at: Location },
    /// It could not be evaluated.
    Failed { why: String },
}

/// More validations than this in one policy are refused: the API server takes 64 expressions or so before its budget ends.
const MAX_EXPRESSIONS: usize = 256;

/// What a policy may not be: a text and where it stands.
pub(super) type Wrong = (String, Location);

impl Rules {
    /// Reads the expressions below a policy's `spec`, or says what is wrong with each that cannot be.
    pub(super) fn read(spec: &Node) -> Result<Self, Vec<Wrong>> {
        let mut wrong = Vec::new();
        let rules = Self {
            conditions: named(spec, "matchConditions", ("name", "expression"), &mut wrong),
            variables: named(spec, "variables", ("name", "expression"), &mut wrong),
            annotations: named(spec, "auditAnnotations", ("key", "valueExpression"), &mut wrong),
            validations: validations(spec, &mut wrong),
        };
        let count = rules.conditions.len() + rules.variables.len() + rules.annotations.len() + rules.validations.len();
        if count > MAX_EXPRESSIONS {
            wrong.push((format!("the policy has more than {MAX_EXPRESSIONS} expressions"), spec.span.location()));
        }
        if wrong.is_empty() { Ok(rules) } else { Err(wrong) }
    }

    /// What it says of one object, `extra` being variables of the caller's and `own` members of `variables`.
    pub(super) fn judge(&self, subject: &Subject<'_>, extra: &[(&str, Held)], own: &[(&str, Held)]) -> Vec<Outcome> {
        let mut scope = Scope::new();
        scope.set("object", value::of(&subject.object.node));
        scope.set("oldObject", subject.old.map_or_else(value::null, |old| value::of(&old.node)));
        scope.set("request", value::of_json(&subject.request()));
        scope.set("namespaceObject", value::of_json(&subject.namespace_object()));
        for (name, value) in extra {
            scope.set(name, value.clone());
        }
        match self.applies(&scope) {
            Ok(true) => {}
            Ok(false) => return Vec::new(),
            Err(why) => return vec![Outcome::Failed { why }],
        }
        let failed = self.variables(&mut scope, own);
        let said = |why: String| match failed.iter().find(|(name, _)| why.ends_with(&format!("No such key: {name}"))) {
            Some((name, why)) => format!("the variable `{name}`: {why}"),
            None => why,
        };
        let mut outcomes = Vec::new();
        for validation in &self.validations {
            match evaluate(&validation.expression, &scope) {
                Ok(true) => {}
                Ok(false) => outcomes.push(Outcome::No {
                    message: validation.message(&scope),
                    at: self.place(subject, &validation.expression),
                }),
                Err(why) => outcomes.push(Outcome::Failed { why: said(why) }),
            }
        }
        for (key, expression) in &self.annotations {
            // What an audit would note is for the audit; only that it can be noted is checked.
            if let Err(why) = expression.evaluate(&scope) {
                outcomes.push(Outcome::Failed { why: format!("the annotation `{key}`: {}", said(why)) });
            }
        }
        outcomes
    }

    /// A condition that says no wins over one that cannot be evaluated.
    fn applies(&self, scope: &Scope<'_>) -> Result<bool, String> {
        let mut failed = None;
        for (name, condition) in &self.conditions {
            match evaluate(condition, scope) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(why) => failed = failed.or_else(|| Some(format!("the condition `{name}`: {why}"))),
            }
        }
        failed.map_or(Ok(true), Err)
    }

    /// Sets `variables`, each seeing those before it; one without a value is not there, and its reason is told by what needs it.
    fn variables(&self, scope: &mut Scope<'_>, own: &[(&str, Held)]) -> Vec<(&str, String)> {
        let mut known: Vec<(String, Held)> =
            own.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let mut failed = Vec::new();
        let all = |known: &[(String, Held)]| Box::new(Mapping::new(known.iter().cloned()));
        scope.set("variables", all(&known));
        for (name, expression) in &self.variables {
            match expression.evaluate(scope) {
                Ok(value) => {
                    known.retain(|(other, _)| other != name);
                    known.push((name.clone(), value));
                    scope.set("variables", all(&known));
                }
                Err(why) => failed.push((name.as_str(), why)),
            }
        }
        failed
    }

    /// The field the expression reads, itself or through the variables it uses; else the object.
    fn place(&self, subject: &Subject<'_>, expression: &Expression) -> Location {
        let mut ways = expression.fields_of("object");
        for used in expression.fields_of("variables") {
            let variable = self.variables.iter().find(|(name, _)| used.first() == Some(name));
            ways.extend(variable.into_iter().flat_map(|(_, expression)| expression.fields_of("object")));
        }
        let node = &subject.object.node;
        let depth = |way: &&Vec<String>| {
            let mut at = node;
            way.iter().take_while(|part| at.get(part).map(|next| at = next).is_some()).count()
        };
        match ways.iter().max_by_key(depth).filter(|way| depth(way) > 0) {
            Some(way) => node.place_of(way).location(),
            None => subject.object.location(),
        }
    }
}

impl Validation {
    fn message(&self, scope: &Scope<'_>) -> String {
        let told = self.message_expression.as_ref().and_then(|expression| expression.evaluate(scope).ok());
        let told = told.and_then(|value| value::text(value.as_ref()).map(str::trim).map(str::to_owned));
        // The API server falls back on `message` for what is empty or has several lines.
        let told = told.filter(|text| !text.is_empty() && !text.contains('\n'));
        told.or_else(|| self.message.clone())
            .unwrap_or_else(|| format!("failed expression: {}", self.expression.source.trim()))
    }
}

fn evaluate(expression: &Expression, scope: &Scope<'_>) -> Result<bool, String> {
    let value = expression.evaluate(scope)?;
    value::truth(value.as_ref()).ok_or_else(|| "it is neither true nor false".to_owned())
}

fn named(spec: &Node, list: &str, keys: (&str, &str), wrong: &mut Vec<Wrong>) -> Vec<(String, Expression)> {
    let mut all = Vec::new();
    for item in spec.list_at(&[list]) {
        let name = item.str_at(&[keys.0]).unwrap_or_default();
        if let Some(expression) = compiled(item, keys.1, wrong) {
            all.push((name.to_owned(), expression));
        }
    }
    all
}

fn compiled(item: &Node, key: &str, wrong: &mut Vec<Wrong>) -> Option<Expression> {
    let Some(node) = item.get(key) else {
        wrong.push((format!("there is no `{key}`"), item.span.location()));
        return None;
    };
    match Expression::compile(node.as_str().unwrap_or_default()) {
        Ok(expression) => Some(expression),
        Err(why) => {
            wrong.push((format!("`{key}` is no expression that can be evaluated: {why}"), node.span.location()));
            None
        }
    }
}

fn validations(spec: &Node, wrong: &mut Vec<Wrong>) -> Vec<Validation> {
    let mut all = Vec::new();
    for item in spec.list_at(&["validations"]) {
        let Some(expression) = compiled(item, "expression", wrong) else { continue };
        let message_expression =
            item.get("messageExpression").is_some().then(|| compiled(item, "messageExpression", wrong)).flatten();
        let message = item.str_at(&["message"]).map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        all.push(Validation { expression, message, message_expression });
    }
    all
}
