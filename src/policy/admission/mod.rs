//! Admission as a cluster would do it: Gatekeeper's templates and constraints, and ValidatingAdmissionPolicies with their bindings.
//!
//! They come from the policy folders and from what an environment itself applies. What cannot be judged is a finding, never a pass.

mod constraint;
mod rules;
mod scene;
mod selector;
mod template;
mod vap;

use regorus::Value;

use self::constraint::Constraint;
use self::scene::{Scene, Subject};
use self::template::Template;
use self::vap::Policy;
use super::files::PolicyFiles;
use super::rego::{POLICY, problem};
use super::world::group_of;
use crate::manifest::{Object, load, objects};
use crate::model::finding::{Finding, Location, ObjectName, Severity};

/// What judges objects on their way into a cluster, ready to be asked.
#[derive(Default)]
pub(super) struct Admission {
    /// Every object of the policy folders: what it is made of, and what parameters are looked for in.
    sources: Vec<Object>,
    templates: Vec<Template>,
    constraints: Vec<Constraint>,
    policies: Vec<Policy>,
    bindings: Vec<Object>,
}

/// A message and where it points.
type Told = (String, Location);

impl Admission {
    /// The judges of the policy folders. Documents that are no objects are other parts' to tell of.
    pub(super) fn of_files(files: &PolicyFiles, problems: &mut Vec<Finding>) -> Self {
        let texts =
            files.files.iter().filter(|file| !file.path.name().ends_with(".rego") && file.text.contains("kind"));
        let loaded = texts.map(|file| load(&file.path, file.text.as_bytes()));
        Self::of(loaded.flat_map(|loaded| objects(&loaded).0).collect(), problems)
    }

    /// The judges among `sources`.
    fn of(sources: Vec<Object>, problems: &mut Vec<Finding>) -> Self {
        let mut all = Self::default();
        for object in &sources {
            match (group_of(object), object.kind()) {
                ("templates.gatekeeper.sh", "ConstraintTemplate") => {
                    let known = |template: &Template| all.templates.iter().any(|other| other.kind == template.kind);
                    if let Some(template) = Template::read(object, problems).filter(|template| !known(template)) {
                        all.templates.push(template);
                    }
                }
                ("constraints.gatekeeper.sh", _) => all.constraints.push(Constraint::read(object)),
                (ADMISSION, "ValidatingAdmissionPolicy") => all.policies.push(Policy::read(object, problems)),
                (ADMISSION, "ValidatingAdmissionPolicyBinding") => all.bindings.push(object.clone()),
                _ => {}
            }
        }
        all.sources = sources;
        all.unmatched(problems);
        all
    }

    /// What cannot take effect, since its other half is missing.
    fn unmatched(&self, problems: &mut Vec<Finding>) {
        for constraint in &self.constraints {
            let object = &constraint.object;
            if !self.templates.iter().any(|template| template.kind == object.kind()) {
                let message =
                    format!("there is no ConstraintTemplate for {}, so nothing can be judged by it", object.kind());
                problems.push(problem(Some(object.location()), message, "Put the template beside its constraints."));
            }
        }
        for binding in &self.bindings {
            let name = binding.node.str_at(&["spec", "policyName"]).unwrap_or_default();
            if !self.policies.iter().any(|policy| policy.name() == name) {
                let message = format!("there is no ValidatingAdmissionPolicy `{name}` to bind");
                problems.push(problem(Some(binding.location()), message, "Put the policy beside its binding."));
            }
        }
    }

    /// With what an environment itself applies, when there is any of it; an object of a policy folder wins over one of the same name.
    pub(super) fn with(&self, rendered: &[Object], problems: &mut Vec<Finding>) -> Option<Self> {
        let known: Vec<_> = self.sources.iter().map(Object::name).collect();
        let own = rendered.iter().filter(|object| is_judge(object) && !known.contains(&object.name()));
        let own: Vec<Object> = own.cloned().collect();
        if own.is_empty() {
            return None;
        }
        let mut told = Vec::new();
        let all = Self::of(self.sources.iter().cloned().chain(own).collect(), &mut told);
        // What is wrong with the folders' own has been told.
        let from_folders: Vec<_> = self.sources.iter().map(|object| object.location().path).collect();
        told.retain(|found| found.location.as_ref().is_none_or(|at| !from_folders.contains(&at.path)));
        problems.extend(told);
        Some(all)
    }

    /// What it says of an environment's objects, `before` being what they were before a change.
    pub(super) fn judge(&self, objects: &[Object], before: Option<&[Object]>) -> Vec<Finding> {
        if self.constraints.is_empty() && self.bindings.is_empty() {
            return Vec::new();
        }
        let scene = Scene::new(objects, before);
        let wanted = self.templates.iter().any(Template::wants_inventory);
        let inventory = if wanted { Value::from(scene.inventory()) } else { Value::new_object() };
        let mut told = Vec::new();
        for constraint in &self.constraints {
            let template = self.templates.iter().find(|template| template.kind == constraint.object.kind());
            told.extend(template.into_iter().flat_map(|template| constraint.judge(template, &scene, &inventory)));
        }
        for binding in &self.bindings {
            let name = binding.node.str_at(&["spec", "policyName"]);
            let policy = self.policies.iter().find(|policy| Some(policy.name()) == name);
            told.extend(policy.into_iter().flat_map(|policy| policy.judge(binding, &scene, &self.sources)));
        }
        told
    }
}

const ADMISSION: &str = "admissionregistration.k8s.io";

/// Whether an object judges others.
fn is_judge(object: &Object) -> bool {
    is_of_judge(&object.name())
}

/// Whether an object of this kind judges others.
pub(super) fn is_of_judge(name: &ObjectName) -> bool {
    match name.group.as_str() {
        "templates.gatekeeper.sh" => name.kind == "ConstraintTemplate",
        "constraints.gatekeeper.sh" => true,
        ADMISSION => name.kind.starts_with("ValidatingAdmissionPolicy"),
        _ => false,
    }
}

/// A no, `by` a constraint or a policy. Where it hangs on the labels of a namespace that is not in the environment, it is a warning that
/// says so.
fn found(
    (rule, severity): (&str, Severity),
    subject: &Subject<'_>,
    (by, sure): (&str, bool),
    (message, at): Told,
) -> Finding {
    let (severity, message) = match sure {
        true => (severity, message),
        false => {
            let namespace = subject.namespace;
            let unless = format!(
                "if the labels of the namespace `{namespace}`, which is not in this environment, are what the {by} asks for"
            );
            (severity.min(Severity::Warning), format!("{message} ({unless})"))
        }
    };
    Finding {
        object: Some(subject.object.name()),
        why: "The cluster's admission would say so when this is applied.".to_owned(),
        location: Some(at),
        ..Finding::new(rule, severity, message)
    }
}

/// That a policy said nothing about an object, or about any. It is as grave as what the policy would have done.
fn unjudged((rule, severity): (&str, Severity), object: Option<&Object>, at: Location, why: &str) -> Finding {
    let message = format!("`{rule}` could not be judged: {why}");
    let fix = "Correct the policy or the object; what is not judged has not passed.";
    Finding { rule: POLICY.to_owned(), severity, object: object.map(Object::name), ..problem(Some(at), message, fix) }
}

#[cfg(test)]
mod tests;
