//! Gatekeeper constraints: which objects each looks at, and what its template says of them.

use regorus::Value;
use serde_json::json;

use super::rules::{Outcome, Rules};
use super::scene::{Scene, Subject};
use super::selector::{is_set, labels, only_by_name, selects};
use super::template::{Engine, Template};
use super::{found, unjudged};
use crate::manifest::{Node, Object};
use crate::model::finding::{Finding, Severity};
use crate::policy::cel::value::{self, Held};
use crate::policy::glob;
use crate::policy::rego::template::Judge;
use crate::policy::world::name_of;

/// One constraint.
pub(super) struct Constraint {
    /// The constraint itself.
    pub(super) object: Object,
    severity: Severity,
}

impl Constraint {
    /// Reads a constraint.
    pub(super) fn read(object: &Object) -> Self {
        Self { object: object.clone(), severity: severity(&object.node) }
    }

    /// What findings call it: the template's kind and its own name.
    fn rule(&self) -> String {
        format!("{}/{}", self.object.kind(), name_of(&self.object))
    }

    /// What it and its template say of every object.
    pub(super) fn judge(&self, template: &Template, scene: &Scene<'_>, inventory: &Value) -> Vec<Finding> {
        let parameters = template.parameters(&self.object.node);
        match &template.engine {
            Engine::Broken => {
                let (rule, why) = (self.rule(), "its template is broken");
                vec![unjudged((&rule, self.severity), None, self.object.location(), why)]
            }
            Engine::Rego(judge) => self.by_rego(Judge::clone(judge), Value::from(parameters), scene, inventory),
            Engine::Cel { rules, ignores } => self.by_cel((rules, *ignores), value::of_json(&parameters), scene),
        }
    }

    /// The objects it looks at, and whether that is sure.
    fn subjects<'s>(&self, scene: &Scene<'s>) -> impl Iterator<Item = (Subject<'s>, bool)> {
        let all = scene.objects.iter().map(|object| scene.subject(object));
        all.filter_map(|subject| self.looks_at(&subject).map(|sure| (subject, sure)))
    }

    fn by_rego(&self, mut judge: Judge, parameters: Value, scene: &Scene<'_>, inventory: &Value) -> Vec<Finding> {
        let rule = self.rule();
        let known = if judge.wants_inventory { judge.know(inventory) } else { Ok(()) };
        if let Err(why) = known {
            return vec![unjudged((&rule, self.severity), None, judge.place().clone(), &why)];
        }
        let mut told = Vec::new();
        for (subject, sure) in self.subjects(scene) {
            let object = subject.object;
            match ask(&mut judge, &subject, &parameters) {
                Ok(messages) => told.extend(messages.into_iter().map(|message| {
                    found((&rule, self.severity), &subject, ("constraint", sure), (message, object.location()))
                })),
                Err((why, timed_out)) => {
                    let about = (!timed_out).then_some(object);
                    told.push(unjudged((&rule, self.severity), about, judge.place().clone(), &why));
                    if timed_out {
                        break;
                    }
                }
            }
        }
        told
    }

    /// The API server's own way: `params` is the constraint, `variables.params` its parameters.
    fn by_cel(&self, (rules, ignores): (&Rules, bool), parameters: Held, scene: &Scene<'_>) -> Vec<Finding> {
        let rule = self.rule();
        let params = [("params", value::of(&self.object.node))];
        let mut told = Vec::new();
        for (subject, sure) in self.subjects(scene) {
            let object = subject.object;
            let own = [("anyObject", value::of(&object.node)), ("params", parameters.clone())];
            told.extend(rules.judge(&subject, &params, &own).into_iter().map(|outcome| match outcome {
                Outcome::No { message, at } => {
                    found((&rule, self.severity), &subject, ("constraint", sure), (message, at))
                }
                Outcome::Failed { why } => {
                    let severity = if ignores { Severity::Info } else { self.severity };
                    unjudged((&rule, severity), Some(object), object.location(), &why)
                }
            }));
        }
        told
    }

    /// Whether it looks at this object, and whether that is sure: the labels of a namespace may be unknown.
    fn looks_at(&self, subject: &Subject<'_>) -> Option<bool> {
        let Some(asks) = self.object.node.at(&["spec", "match"]) else { return Some(true) };
        let texts = |key: &str| asks.list_at(&[key]).iter().filter_map(Node::as_str).collect::<Vec<_>>();
        // A namespace counts as within itself; what belongs to none is neither left out nor not asked for.
        let home = if subject.is_namespace() { subject.name } else { subject.namespace };
        let within = |names: &[&str]| names.iter().any(|name| glob::matches(name, home));
        let (namespaces, excluded) = (texts("namespaces"), texts("excludedNamespaces"));
        let scope = match asks.str_at(&["scope"]) {
            Some("Cluster") => subject.namespace.is_empty(),
            Some("Namespaced") => !subject.namespace.is_empty(),
            _ => true,
        };
        let named =
            asks.str_at(&["name"]).is_none_or(|pattern| pattern.is_empty() || glob::matches(pattern, subject.name));
        // What is checked here is what was written; nothing is generated from it.
        let written = asks.str_at(&["source"]) != Some("Generated");
        let is = kinds(asks, subject)
            && (home.is_empty() || namespaces.is_empty() || within(&namespaces))
            && (home.is_empty() || !within(&excluded))
            && scope
            && named
            && written
            && selects(asks.get("labelSelector"), &labels(&subject.object.node));
        if !is {
            return None;
        }
        let selector = asks.get("namespaceSelector").filter(|selector| is_set(Some(selector)));
        let Some(selector) = selector.filter(|_| !home.is_empty()) else { return Some(true) };
        if subject.is_namespace() {
            return selects(Some(selector), &labels(&subject.object.node)).then_some(true);
        }
        let selected = selects(Some(selector), &subject.namespace_labels());
        if subject.knows_namespace() || only_by_name(selector) { selected.then_some(true) } else { Some(false) }
    }
}

fn kinds(asks: &Node, subject: &Subject<'_>) -> bool {
    let kinds = asks.list_at(&["kinds"]);
    let has = |of: &Node, key: &str, wanted: &str| {
        let listed = of.list_at(&[key]);
        listed.is_empty() || listed.iter().filter_map(Node::as_str).any(|one| one == "*" || one == wanted)
    };
    kinds.is_empty() || kinds.iter().any(|of| has(of, "apiGroups", subject.group) && has(of, "kinds", subject.kind))
}

fn ask(judge: &mut Judge, subject: &Subject<'_>, parameters: &Value) -> Result<Vec<String>, (String, bool)> {
    let mut review = subject.request();
    review["object"] = subject.object.node.to_json();
    if let Some(old) = subject.old {
        review["oldObject"] = old.node.to_json();
    }
    review["_unstable"] = json!({ "namespace": subject.namespace_object() });
    if subject.namespace.is_empty()
        && let Some(review) = review.as_object_mut()
    {
        review.remove("namespace");
    }
    let mut input = Value::from(json!({ "review": review }));
    if let Ok(input) = input.as_object_mut() {
        input.insert("parameters".into(), parameters.clone());
    }
    judge.ask(input).map_err(|no| (no.why, no.timed_out))
}

/// How grave a violation is: what the constraint would do with it. Of several actions by enforcement point the gravest counts.
fn severity(constraint: &Node) -> Severity {
    let of = |action: &str| match action {
        "deny" => Severity::Error,
        "warn" => Severity::Warning,
        _ => Severity::Info,
    };
    match constraint.str_at(&["spec", "enforcementAction"]) {
        Some("scoped") => {
            let scoped = constraint.list_at(&["spec", "scopedEnforcementActions"]);
            scoped.iter().filter_map(|one| one.str_at(&["action"])).map(of).max().unwrap_or(Severity::Info)
        }
        Some(action) if !action.is_empty() => of(action),
        _ => Severity::Error,
    }
}
