//! Prepared policies × objects → findings.

use regorus::Value;
use serde_json::json;

use super::compile::{CompiledPolicies, Entry, Kind};
use super::{EngineError, problem};
use crate::manifest::{Node, Object};
use crate::model::finding::{Finding, Location, Severity};
use crate::policy::{Class, EnvironmentInfo};

/// A policy that says more than this about one object says nothing; the rest is left out and said so.
const MAX_ANSWERS: usize = 100;
/// Longer messages are cut: GitHub shows an annotation's first lines.
const MAX_MESSAGE_CHARS: usize = 2_000;

/// What the policies say about each object, `input` being the object.
pub(in crate::policy) fn evaluate(
    policies: &CompiledPolicies,
    environment: &EnvironmentInfo,
    objects: &[Object],
) -> Vec<Finding> {
    let Some(engine) = &policies.engine else { return Vec::new() };
    let mut engine = engine.clone();
    let mut findings = Vec::new();
    if policies.wants_context
        && let Err(error) = engine.add_data(context(environment, objects).into())
    {
        let message = format!("`data.trunkline` could not be set: {error}");
        findings.push(problem(None, message, "Name no package or data file `trunkline`."));
    }
    let mut stopped = vec![false; policies.entries.len()];
    for object in objects {
        engine.set_input(object.node.to_json().into());
        let excused = exceptions(&mut engine, policies, &mut findings);
        for (entry, stopped) in policies.entries.iter().zip(&mut stopped) {
            if *stopped
                || excused.iter().any(|(package, name)| *package == entry.package && *name == suffix(&entry.name))
            {
                continue;
            }
            match engine.eval_rule(format!("data.{}.{}", entry.package, entry.name)) {
                Ok(value) => findings.extend(answers(entry, object, &value)),
                Err(error) => {
                    let error = EngineError::new(&error);
                    *stopped = error.timed_out;
                    findings.push(failed(entry, object, error));
                }
            }
        }
    }
    findings
}

fn context(environment: &EnvironmentInfo, objects: &[Object]) -> serde_json::Value {
    let (class, takes) = match environment.class {
        Class::Dev => ("dev", "trunk"),
        Class::Stage => ("stage", "prereleases"),
        Class::Prod => ("prod", "releases"),
    };
    let objects: Vec<_> = objects.iter().map(|object| object.node.to_json()).collect();
    json!({ "trunkline": { "environment": { "name": environment.name, "class": class, "takes": takes }, "objects": objects } })
}

/// conftest's `exception` rules name, without their prefix, the rules an object is excused from.
fn exceptions(
    engine: &mut regorus::Engine,
    policies: &CompiledPolicies,
    findings: &mut Vec<Finding>,
) -> Vec<(String, String)> {
    let mut excused = Vec::new();
    for package in &policies.exceptions {
        match engine.eval_rule(format!("data.{package}.exception")) {
            Ok(value) => {
                let lists = items(&value);
                let names =
                    lists.iter().flat_map(items).filter_map(|name| name.as_string().ok().map(|name| name.to_string()));
                excused.extend(names.map(|name| (package.clone(), name)));
            }
            Err(error) => {
                let error = EngineError::new(&error);
                let message = format!("`{package}.exception` could not be evaluated: {}", error.text);
                findings.push(problem(error.location(), message, "Correct the rule; until then it excuses nothing."));
            }
        }
    }
    excused
}

fn suffix(name: &str) -> String {
    name.split_once('_').map_or(String::new(), |(_, rest)| rest.to_owned())
}

/// A rule that takes too long is told once and asked no more; what else fails may fail for this object only.
fn failed(entry: &Entry, object: &Object, error: EngineError) -> Finding {
    let location = error.location().unwrap_or_else(|| entry.location.clone());
    let message = format!("`{}.{}` could not be evaluated: {}", entry.package, entry.name, error.text);
    let mut finding =
        problem(Some(location), message, "Correct the policy; until then this object is not checked by it.");
    finding.object = (!error.timed_out).then(|| object.name());
    finding
}

pub(super) fn items(value: &Value) -> Vec<Value> {
    match value {
        Value::Set(set) => set.iter().cloned().collect(),
        Value::Array(list) => list.iter().cloned().collect(),
        _ => Vec::new(),
    }
}

/// A set or list of answers, or one answer by itself.
fn answers(entry: &Entry, object: &Object, value: &Value) -> Vec<Finding> {
    let all = match value {
        Value::Undefined | Value::Null | Value::Bool(false) => return Vec::new(),
        Value::Set(_) | Value::Array(_) => items(value),
        one => vec![one.clone()],
    };
    let left_out = all.len().saturating_sub(MAX_ANSWERS);
    let mut findings: Vec<Finding> =
        all.iter().take(MAX_ANSWERS).map(|answer| finding(entry, object, answer)).collect();
    if left_out > 0 {
        findings.push(Finding {
            message: format!("{left_out} more answers of this policy are left out"),
            ..finding(entry, object, value)
        });
    }
    findings
}

fn finding(entry: &Entry, object: &Object, answer: &Value) -> Finding {
    let text = |key: &str| answer[key].as_string().map(|text| cut(text)).unwrap_or_default();
    let message = match answer {
        Value::String(text) => cut(text),
        Value::Bool(_) => format!("`{}` forbids this object", entry.name),
        Value::Object(_) if answer["msg"].as_string().is_ok() => text("msg"),
        other => cut(&other.to_json_str().unwrap_or_default()),
    };
    let severity = if entry.kind == Kind::Deny { Severity::Error } else { Severity::Warning };
    Finding {
        object: Some(object.name()),
        why: text("why"),
        fix: text("fix"),
        location: Some(place(object, answer)),
        ..Finding::new(format!("{}.{}", entry.package, entry.name), severity, message)
    }
}

pub(super) fn cut(text: &str) -> String {
    text.chars().take(MAX_MESSAGE_CHARS).collect()
}

/// The line the policy points at: a `path` into the object, else conftest's `_loc.line` or `line`, else the object.
fn place(object: &Object, answer: &Value) -> Location {
    let mut location = object.location();
    if !matches!(answer, Value::Object(_)) {
        return location;
    }
    if let Some(node) = path(answer).and_then(|path| follow(&object.node, &path)) {
        return node.span.location();
    }
    let line = [&answer["_loc"]["line"], &answer["line"]].into_iter().find_map(|line| line.as_u32().ok());
    if let Some(line) = line.filter(|line| *line > 0) {
        location = Location { line, column: 0, ..location };
    }
    location
}

/// `["spec", "replicas"]`, or `spec.containers[0].image`, or the same with dots.
fn path(answer: &Value) -> Option<Vec<String>> {
    match &answer["path"] {
        Value::Array(list) => Some(
            list.iter()
                .map(|part| part.as_string().map_or_else(|_| part.to_string(), |text| text.to_string()))
                .collect(),
        ),
        Value::String(text) => Some(
            text.replace('[', ".")
                .replace(']', "")
                .split('.')
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect(),
        ),
        _ => None,
    }
}

fn follow<'a>(node: &'a Node, path: &[String]) -> Option<&'a Node> {
    path.iter().try_fold(node, |node, part| match node.as_list() {
        Some(list) => list.get(part.parse::<usize>().ok()?),
        None => node.get(part),
    })
}
