//! The whole evaluation as JSON, for programs.

use serde_json::{Value, json};

use super::redact::redact_json;

use crate::model::finding::{Delta, Evaluation, Finding, Severity};

/// The report: a version of its own shape, a summary, and the evaluation with no finding or change left out.
pub fn json(evaluation: &Evaluation) -> Value {
    let count = |is: &dyn Fn(&Finding) -> bool| evaluation.all_findings().filter(|(_, finding)| is(finding)).count();
    let by_delta = |severity| {
        let number = |delta| count(&|f| f.severity == severity && f.delta == delta && f.accepted.is_none());
        json!({
            "new": number(Delta::New),
            "existing": number(Delta::Existing),
            "fixed": number(Delta::Fixed),
            "accepted": count(&|f| f.severity == severity && f.delta != Delta::Fixed && f.accepted.is_some()),
        })
    };
    let mut environments = json!(evaluation.environments);
    for environment in environments.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        // Secret values are in it: whoever knows the rest could try them out.
        environment.remove("digest");
    }
    redact_json(json!({
        "version": 1,
        "blocks": evaluation.blocks(),
        "errors": by_delta(Severity::Error),
        "warnings": by_delta(Severity::Warning),
        "notes": by_delta(Severity::Info),
        "environments": environments,
        "findings": evaluation.findings,
    }))
}
