//! Findings as SARIF 2.1.0, for code scanning and editors.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::markdown::{line, path_in_url};
use super::redact::redact_json;
use super::sections::Told;
use crate::model::finding::{Delta, Evaluation, Finding, Severity};
use crate::model::suggestion::Suggestion;

/// GitHub takes 25,000 results a run and shows 5,000.
const MAX_RESULTS: usize = 5_000;

/// The report as a SARIF log with one run.
pub fn sarif(evaluation: &Evaluation, version: &str) -> Value {
    let deltas = [Delta::New, Delta::Existing, Delta::Fixed];
    let told: Vec<Told<'_>> =
        deltas.into_iter().flat_map(|delta| super::sections::told(evaluation, delta)).take(MAX_RESULTS).collect();
    let mut rules: BTreeMap<&str, &Told<'_>> = BTreeMap::new();
    for told in &told {
        rules.entry(&told.finding.rule).or_insert(told);
    }
    let order: Vec<&str> = rules.keys().copied().collect();
    let results: Vec<Value> = told.iter().map(|told| result(told, &order)).collect();
    let rules: Vec<Value> = rules.values().map(|told| rule(told)).collect();
    redact_json(json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "Trunkline", "version": version, "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    }))
}

fn rule(told: &Told<'_>) -> Value {
    let finding = &*told.finding;
    let mut rule = json!({
        "id": finding.rule,
        "defaultConfiguration": { "level": level(finding.severity) },
    });
    if !finding.why.is_empty() {
        rule["fullDescription"] = json!({ "text": line(&finding.why, 1_000) });
    }
    if !finding.fix.is_empty() {
        rule["help"] = json!({ "text": line(&finding.fix, 1_000) });
    }
    rule
}

fn result(told: &Told<'_>, rules: &[&str]) -> Value {
    let finding = &*told.finding;
    let mut result = json!({
        "ruleId": finding.rule,
        "ruleIndex": rules.iter().position(|rule| *rule == finding.rule),
        "level": level(finding.severity),
        "message": { "text": line(&finding.message, 1_000) },
        "baselineState": match finding.delta {
            Delta::New => "new",
            Delta::Existing => "unchanged",
            Delta::Fixed => "absent",
        },
        // All results of a run say so, or none: the standard wants it that way.
        "suppressions": finding.accepted.iter().map(|by| suppression(by)).collect::<Vec<_>>(),
    });
    if let Some(at) = &finding.location {
        let mut region = json!({ "startLine": at.line.max(1) });
        if at.column > 0 {
            region["startColumn"] = at.column.into();
        }
        let artifact = json!({ "uri": path_in_url(at.path.as_str()), "uriBaseId": "%SRCROOT%" });
        result["locations"] = json!([{ "physicalLocation": { "artifactLocation": artifact, "region": region } }]);
    }
    if let Some(suggestion) = &finding.suggestion {
        result["fixes"] = json!([fix(finding, suggestion)]);
    }
    if !told.environments.is_empty() || finding.object.is_some() {
        let object = finding.object.as_ref().map(ToString::to_string);
        result["properties"] = json!({ "environments": told.environments, "object": object });
    }
    result
}

/// The lines that mend it.
fn fix(finding: &Finding, suggestion: &Suggestion) -> Value {
    let end = suggestion.before.lines().last().unwrap_or_default().chars().count() + 1;
    let region =
        json!({ "startLine": suggestion.first, "startColumn": 1, "endLine": suggestion.last, "endColumn": end });
    let artifact = json!({ "uri": path_in_url(suggestion.path.as_str()), "uriBaseId": "%SRCROOT%" });
    json!({
        "description": { "text": line(&finding.fix, 1_000) },
        "artifactChanges": [{
            "artifactLocation": artifact,
            "replacements": [{ "deletedRegion": region, "insertedContent": { "text": suggestion.after } }],
        }],
    })
}

/// Somebody accepted it, outside of the file it stands in.
fn suppression(by: &str) -> Value {
    json!({ "kind": "external", "status": "accepted", "justification": line(by, 1_000) })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}
