//! What people accepted on one head of one pull request: findings of a rule, or the gates of a way in that is no promotion.
//!
//! A finding that is accepted stays visible with who and why; a new head needs a new word.

use std::borrow::Cow;

use crate::model::finding::Evaluation;
use crate::model::snapshot::{Pull, Snapshot};
use crate::model::verdict::Verdict;
use crate::model::wide::Override;
use crate::policy::evaluate::LIMIT;
use crate::policy::rules::KUST_001;

/// The name under which the gates of a pull request are overridden.
pub(super) const GATES: &str = "gates";

/// What was not seen cannot be accepted: behind a folder that does not build, or a limit that was reached, anything may stand.
pub(super) const BLIND: [&str; 2] = [KUST_001, LIMIT];

/// Stops that are people's own words; whoever may override gates may ask those people.
const STOPS: [&str; 2] = ["held", "frozen"];

/// An evaluation with what was accepted on this head marked as such.
pub(super) fn applied<'e>(snapshot: &Snapshot, pull: &Pull, evaluation: &'e Evaluation) -> Cow<'e, Evaluation> {
    let all: Vec<&Override> = here(snapshot, pull).collect();
    if all.is_empty() {
        return Cow::Borrowed(evaluation);
    }
    let mut evaluation = evaluation.clone();
    for environment in &mut evaluation.environments {
        let name = &environment.environment;
        for finding in environment.findings.iter_mut().filter(|finding| finding.blocks()) {
            let counts = |one: &&&Override| {
                one.rule == finding.rule && one.environments.contains(name) && !BLIND.contains(&one.rule.as_str())
            };
            finding.accepted = all.iter().find(counts).map(|one| words(one));
        }
    }
    Cow::Owned(evaluation)
}

/// The environments in which findings of a rule block, or would if nobody had accepted them, each once.
pub(super) fn environments(evaluation: &Evaluation, rule: &str) -> Vec<String> {
    let blocking = evaluation
        .all_findings()
        .filter(|(_, finding)| finding.would_block() && finding.rule.eq_ignore_ascii_case(rule));
    let mut names: Vec<String> =
        blocking.filter_map(|(environment, _)| Some(environment?.environment.clone())).collect();
    names.sort();
    names.dedup();
    names
}

/// The gates of a way in that is no promotion, with those somebody passed over on this head below the word that did so.
pub(super) fn pass_over(snapshot: &Snapshot, pull: &Pull, environment: &str, gates: Vec<Verdict>) -> Vec<Verdict> {
    let said =
        here(snapshot, pull).find(|one| one.rule == GATES && one.environments.iter().any(|name| name == environment));
    let Some(said) = said else { return gates };
    let (stops, passed): (Vec<_>, Vec<_>) = gates.into_iter().partition(|gate| STOPS.contains(&gate.code.as_str()));
    let over = Verdict { because: passed, ..Verdict::yes("overridden", words(said)) };
    std::iter::once(over).chain(stops).collect()
}

/// Whether a gate is one that an override may pass over.
pub(super) fn may_pass(gate: &Verdict) -> bool {
    !STOPS.contains(&gate.code.as_str())
}

fn here<'s>(snapshot: &'s Snapshot, pull: &Pull) -> impl Iterator<Item = &'s Override> {
    snapshot.common.ledger.overrides.on(pull.brief.number, pull.brief.head)
}

fn words(one: &Override) -> String {
    format!("overridden by {}: {}", one.by, one.reason)
}
