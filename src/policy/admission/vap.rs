//! ValidatingAdmissionPolicies and their bindings: what they match, with which parameters, and what they say.

use super::rules::{Outcome, Rules};
use super::scene::{Scene, Subject};
use super::selector::{is_set, labels, only_by_name, selects};
use super::{found, unjudged};
use crate::manifest::{Node, Object};
use crate::model::finding::{Finding, Severity};
use crate::policy::cel::value::{self, Held};
use crate::policy::rego::problem;
use crate::policy::world::name_of;

/// One policy, ready to be asked.
pub(super) struct Policy {
    object: Object,
    rules: Option<Rules>,
}

/// Objects that parameters may be, of the policy folders.
pub(super) type Shelf = [Object];

const RIGHT: &str = "Correct the policy; until then it checks nothing.";

impl Policy {
    /// Reads a policy, and tells what is wrong with it.
    pub(super) fn read(object: &Object, problems: &mut Vec<Finding>) -> Self {
        let rules = match object.node.get("spec").map(Rules::read) {
            Some(Ok(rules)) => Some(rules),
            Some(Err(wrong)) => {
                problems.extend(wrong.into_iter().map(|(message, at)| problem(Some(at), message, RIGHT)));
                None
            }
            None => {
                problems.push(problem(Some(object.location()), "the policy has no `spec`".to_owned(), RIGHT));
                None
            }
        };
        Self { object: object.clone(), rules }
    }

    /// Its name, which is what findings call it.
    pub(super) fn name(&self) -> &str {
        name_of(&self.object)
    }

    /// What it says of every object, as `binding` binds it.
    pub(super) fn judge(&self, binding: &Object, scene: &Scene<'_>, shelf: &Shelf) -> Vec<Finding> {
        let severity = severity(&binding.node);
        let Some(rules) = &self.rules else {
            return vec![unjudged((self.name(), severity), None, self.object.location(), "the policy is broken")];
        };
        let node = &self.object.node;
        let ignores = node.str_at(&["spec", "failurePolicy"]) == Some("Ignore");
        let mut told = Vec::new();
        for object in scene.objects {
            let subject = scene.subject(object);
            let first = matches(node.at(&["spec", "matchConstraints"]), &subject, true);
            let second = matches(binding.node.at(&["spec", "matchResources"]), &subject, false);
            let (Some(first), Some(second)) = (first, second) else { continue };
            let sure = first && second;
            let failed = |why: &str| {
                let severity = if ignores { Severity::Info } else { severity };
                unjudged((self.name(), severity), Some(object), object.location(), why)
            };
            let params = match self.params(binding, &subject, (scene, shelf)) {
                Ok(params) => params,
                Err(why) => {
                    told.push(failed(&why));
                    continue;
                }
            };
            for params in params {
                for outcome in rules.judge(&subject, &[("params", params)], &[]) {
                    told.push(match outcome {
                        Outcome::No { message, at } => {
                            found((self.name(), severity), &subject, ("policy", sure), (message, at))
                        }
                        Outcome::Failed { why } => failed(&why),
                    });
                }
            }
        }
        told
    }

    /// The parameters the binding names: one evaluation for each, `null` where it names none.
    fn params(
        &self,
        binding: &Object,
        subject: &Subject<'_>,
        (scene, shelf): (&Scene<'_>, &Shelf),
    ) -> Result<Vec<Held>, String> {
        let Some(kind) = self.object.node.at(&["spec", "paramKind"]) else { return Ok(vec![value::null()]) };
        let Some(wanted) = binding.node.at(&["spec", "paramRef"]) else { return Ok(vec![value::null()]) };
        let namespace = wanted.str_at(&["namespace"]).unwrap_or(subject.namespace);
        let is = |object: &&Object| {
            let own = object.node.str_at(&["metadata", "namespace"]).unwrap_or_default();
            Some(object.api_version()) == kind.str_at(&["apiVersion"])
                && Some(object.kind()) == kind.str_at(&["kind"])
                && (own.is_empty() || own == namespace)
                && match wanted.str_at(&["name"]) {
                    Some(name) => object.node.str_at(&["metadata", "name"]) == Some(name),
                    None => selects(wanted.get("selector"), &labels(&object.node)),
                }
        };
        // What is applied comes before what lies in a policy folder.
        let mut found: Vec<Held> = scene.objects.iter().filter(is).map(|object| value::of(&object.node)).collect();
        if found.is_empty() {
            found = shelf.iter().filter(is).map(|object| value::of(&object.node)).collect();
        }
        if !found.is_empty() || wanted.str_at(&["parameterNotFoundAction"]) == Some("Allow") {
            return Ok(found);
        }
        let name = wanted.str_at(&["name"]).unwrap_or("the selector's");
        let kind = kind.str_at(&["kind"]).unwrap_or_default();
        Err(format!("its parameters ({kind} `{name}`) are neither in this environment nor in a policy folder"))
    }
}

/// What becomes of a no: the gravest of the binding's actions.
fn severity(binding: &Node) -> Severity {
    let actions = binding.list_at(&["spec", "validationActions"]).iter().filter_map(Node::as_str);
    let of = |action| match action {
        "Deny" => Severity::Error,
        "Warn" => Severity::Warning,
        _ => Severity::Info,
    };
    actions.map(of).max().unwrap_or(Severity::Error)
}

/// Whether rules of resources match an object, and whether that is sure: the labels of a namespace may be unknown.
///
/// A policy matches nothing without `resourceRules`; a binding without them only narrows nothing.
fn matches(asks: Option<&Node>, subject: &Subject<'_>, needs_rules: bool) -> Option<bool> {
    let Some(asks) = asks else { return (!needs_rules).then_some(true) };
    let rules = asks.list_at(&["resourceRules"]);
    let any = |rules: &[Node]| rules.iter().any(|rule| fits(rule, subject));
    if (rules.is_empty() && needs_rules) || (!rules.is_empty() && !any(rules)) {
        return None;
    }
    if any(asks.list_at(&["excludeResourceRules"])) {
        return None;
    }
    let selector = asks.get("objectSelector");
    let own = selects(selector, &labels(&subject.object.node));
    let old = || subject.old.is_some_and(|old| selects(selector, &labels(&old.node)));
    if !own && !old() {
        return None;
    }
    let selector = asks.get("namespaceSelector").filter(|selector| is_set(Some(selector)));
    let Some(selector) = selector else { return Some(true) };
    if subject.is_namespace() {
        return selects(Some(selector), &labels(&subject.object.node)).then_some(true);
    }
    if subject.namespace.is_empty() {
        return Some(true);
    }
    // The one label every namespace has can decide, also where the others are not known.
    let selected = selects(Some(selector), &subject.namespace_labels());
    if subject.knows_namespace() || only_by_name(selector) { selected.then_some(true) } else { Some(false) }
}

fn fits(rule: &Node, subject: &Subject<'_>) -> bool {
    let has = |key: &str, wanted: &str| {
        rule.list_at(&[key]).iter().filter_map(Node::as_str).any(|one| one == "*" || one == wanted)
    };
    let resource = |one: &str| {
        let (name, sub) = one.split_once('/').unwrap_or((one, ""));
        (name == "*" || name == subject.resource) && (sub.is_empty() || sub == "*")
    };
    let scope = match rule.str_at(&["scope"]) {
        Some("Cluster") => subject.namespace.is_empty(),
        Some("Namespaced") => !subject.namespace.is_empty(),
        _ => true,
    };
    let names = rule.list_at(&["resourceNames"]);
    has("apiGroups", subject.group)
        && has("apiVersions", subject.version)
        && has("operations", subject.operation())
        && rule.list_at(&["resources"]).iter().filter_map(Node::as_str).any(resource)
        && (names.is_empty() || has("resourceNames", subject.name))
        && scope
}
