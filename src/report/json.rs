//! The whole evaluation as JSON, for programs.

use serde_json::{Value, json};

use super::redact::redact;

use crate::model::finding::{Delta, Evaluation, Severity};

/// The report: a version of its own shape, a summary, and the evaluation with nothing left out.
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
    masked(json!({
        "version": 1,
        "blocks": evaluation.blocks(),
        "errors": by_delta(Severity::Error),
        "warnings": by_delta(Severity::Warning),
        "notes": by_delta(Severity::Info),
        "environments": evaluation.environments,
        "findings": evaluation.findings,
    }))
}

/// The same value, its texts without what has the shape of a credential.
fn masked(value: Value) -> Value {
    match value {
        Value::String(text) => redact(&text).into_owned().into(),
        Value::Array(items) => items.into_iter().map(masked).collect(),
        Value::Object(map) => Value::Object(map.into_iter().map(|(key, value)| (key, masked(value))).collect()),
        other => other,
    }
}
