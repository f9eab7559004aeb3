//! The whole evaluation as JSON, for programs.

use serde_json::{Value, json};

use super::redact::redact_json;

use crate::model::finding::{Delta, Evaluation, Severity};

/// The report: a version of its own shape, a summary, and the evaluation with no finding or change left out.
pub fn json(evaluation: &Evaluation) -> Value {
    let number = |severity: Severity, delta: Delta| {
        evaluation.all_findings().filter(|(_, f)| f.severity == severity && f.delta == delta).count()
    };
    let by_delta = |severity| {
        json!({
            "new": number(severity, Delta::New),
            "existing": number(severity, Delta::Existing),
            "fixed": number(severity, Delta::Fixed),
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
