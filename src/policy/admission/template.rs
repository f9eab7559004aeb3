//! A Gatekeeper ConstraintTemplate: what it checks with, in Rego or CEL, and which parameters it takes.

use serde_json::Value as Json;

use super::rules::Rules;
use crate::manifest::{Node, Object};
use crate::model::finding::Finding;
use crate::policy::rego::problem;
use crate::policy::rego::template::{Judge, Module, judge};

/// A template, ready to be asked.
pub(super) struct Template {
    /// The kind of its constraints.
    pub(super) kind: String,
    /// What it checks with.
    pub(super) engine: Engine,
    /// The schema of its parameters, for their defaults.
    schema: Option<Node>,
}

/// What a template checks with.
pub(super) enum Engine {
    /// Rego.
    Rego(Box<Judge>),
    /// CEL, and whether a failed evaluation is let pass.
    Cel { rules: Rules, ignores: bool },
    /// Nothing that can be used; why has been told.
    Broken,
}

const RIGHT: &str = "Correct the template; until then its constraints check nothing.";

impl Template {
    /// Reads a template; what is wrong with it is told, and its constraints cannot be judged.
    pub(super) fn read(object: &Object, problems: &mut Vec<Finding>) -> Option<Self> {
        let names = object.node.at(&["spec", "crd", "spec"]);
        let Some(kind) = names.and_then(|names| names.str_at(&["names", "kind"])) else {
            let message = "the template does not name the kind of its constraints (`spec.crd.spec.names.kind`)";
            problems.push(problem(Some(object.location()), message.to_owned(), RIGHT));
            return None;
        };
        let schema = names.and_then(|names| names.at(&["validation", "openAPIV3Schema"])).cloned();
        let targets = object.node.list_at(&["spec", "targets"]);
        let engine =
            match targets.iter().find(|target| target.str_at(&["target"]) == Some("admission.k8s.gatekeeper.sh")) {
                Some(target) => engine(target, object, problems),
                None => {
                    let message = "the template has no target `admission.k8s.gatekeeper.sh`";
                    problems.push(problem(Some(object.location()), message.to_owned(), RIGHT));
                    Engine::Broken
                }
            };
        Some(Self { kind: kind.to_owned(), engine, schema })
    }

    /// Whether it looks at other objects than the one in question.
    pub(super) fn wants_inventory(&self) -> bool {
        matches!(&self.engine, Engine::Rego(judge) if judge.wants_inventory)
    }

    /// A constraint's parameters, with the defaults the API server would fill in.
    pub(super) fn parameters(&self, constraint: &Node) -> Json {
        let mut parameters =
            constraint.at(&["spec", "parameters"]).map_or_else(|| Json::Object(Default::default()), Node::to_json);
        if let Some(schema) = &self.schema {
            fill(&mut parameters, schema);
        }
        parameters
    }
}

/// Recursion over the schema is bounded by the loader's own depth limit.
fn fill(value: &mut Json, schema: &Node) {
    match value {
        Json::Object(map) => {
            let properties = schema.get("properties").and_then(Node::as_map);
            for (key, schema) in properties.into_iter().flat_map(|map| map.iter()) {
                if let (None, Some(default)) = (map.get(key.text.as_str()), schema.get("default")) {
                    map.insert(key.text.to_string(), default.to_json());
                }
                if let Some(value) = map.get_mut(key.text.as_str()) {
                    fill(value, schema);
                }
            }
        }
        Json::Array(list) => {
            if let Some(schema) = schema.get("items") {
                list.iter_mut().for_each(|item| fill(item, schema));
            }
        }
        _ => {}
    }
}

/// CEL comes before Rego where a template has both, as in Gatekeeper.
fn engine(target: &Node, object: &Object, problems: &mut Vec<Finding>) -> Engine {
    let code = target.list_at(&["code"]);
    let of = |engine: &str| {
        code.iter().find(|code| code.str_at(&["engine"]) == Some(engine)).and_then(|code| code.get("source"))
    };
    if let Some(source) = of("K8sNativeValidation") {
        return match Rules::read(source) {
            Ok(rules) => Engine::Cel { rules, ignores: source.str_at(&["failurePolicy"]) == Some("Ignore") },
            Err(wrong) => {
                problems.extend(wrong.into_iter().map(|(message, at)| problem(Some(at), message, RIGHT)));
                Engine::Broken
            }
        };
    }
    let source = of("Rego").unwrap_or(target);
    let Some(rego) = source.get("rego") else {
        let message = "the template's target has neither Rego nor CEL that can be read";
        problems.push(problem(Some(object.location()), message.to_owned(), RIGHT));
        return Engine::Broken;
    };
    let texts = std::iter::once(rego).chain(source.list_at(&["libs"]));
    // The text of a block begins on the line below its `|`.
    let modules: Vec<Module<'_>> = texts
        .filter_map(|node| Some(Module { path: &node.span.file, line: node.span.line, text: node.as_str()? }))
        .collect();
    match judge(&modules, source.str_at(&["version"]) == Some("v1")) {
        Ok(judge) => Engine::Rego(Box::new(judge)),
        Err(wrong) => {
            problems.extend(wrong);
            Engine::Broken
        }
    }
}
