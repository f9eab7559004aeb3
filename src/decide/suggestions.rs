//! Suggested changes: new findings that are mended mechanically get one review a head, whose remarks GitHub offers to commit.
//!
//! A review is a message to people, so there is little of it: nothing that was offered before, nothing beside the lines of the pull
//! request's own changes, nothing where Trunkline only observes, and no second one on a head. GitHub marks what is outdated by itself.

use std::collections::BTreeSet;

use super::comment;
use crate::model::finding::{Delta, Evaluation, Finding};
use crate::model::pipeline::{Mode, Pipeline};
use crate::model::plan::{Effect, Need, Plan};
use crate::model::snapshot::{PullState, PullSubject, Snapshot};
use crate::model::suggestion::Suggestion;
use crate::report::suggestion::{can_be_shown, key, keys, review};

/// Remarks of one review. Each is a message of its own to whoever follows the pull request; more are better mended by hand, all at once.
const MAX_REMARKS: usize = 10;
/// Suggestions that are looked for among the pull request's lines: of many findings the first are offered.
const MAX_WANTED: usize = 50;

/// Plans the review of suggestions.
pub(super) fn plan(snapshot: &Snapshot, subject: &PullSubject, pipeline: &Pipeline, plan: &mut Plan) {
    let Some(pull) = subject.pull.as_ref().filter(|pull| pull.brief.state == PullState::Open) else { return };
    let bot = &snapshot.common.bot;
    // What we write ourselves has nothing to be taken over.
    if pipeline.mode == Mode::Observe || pipeline.policies.no_suggestions || bot.is(&pull.brief.author) {
        return;
    }
    let Some(evaluation) = comment::evaluation(snapshot, subject, plan) else { return };
    let wanted = wanted(&evaluation);
    if wanted.is_empty() {
        return;
    }
    let (number, head) = (subject.number, pull.brief.head);
    let Some(known) = snapshot.facts.suggested.get(&number) else {
        let suggestions = wanted.iter().map(|(_, suggestion)| (*suggestion).clone()).collect();
        let need = Need::Suggested { number, sides: (pull.base_tip, head), wanted: suggestions };
        return super::ask(snapshot, plan, need);
    };
    if known.reviews.iter().any(|(commit, body)| *commit == Some(head) && keys(body).next().is_some()) {
        return;
    }
    let said: BTreeSet<&str> = known.reviews.iter().flat_map(|(_, body)| keys(body)).collect();
    let is_open = |(finding, suggestion): &(&Finding, &Suggestion)| {
        known.placed.contains(suggestion) && !said.contains(key(finding, suggestion).as_str())
    };
    let mut offered: Vec<_> = wanted.into_iter().filter(is_open).collect();
    let more = offered.len().saturating_sub(MAX_REMARKS);
    offered.truncate(MAX_REMARKS);
    if !offered.is_empty() {
        plan.effects.push(Effect::Suggest(Box::new(review((number, head), &offered, more))));
    }
}

/// What mends the new findings that nobody accepted: each line once, since two suggestions for one cannot both be taken over.
fn wanted(evaluation: &Evaluation) -> Vec<(&Finding, &Suggestion)> {
    let mut wanted: Vec<(&Finding, &Suggestion)> = Vec::new();
    let new = evaluation
        .all_findings()
        .map(|(_, finding)| finding)
        .filter(|finding| finding.delta == Delta::New && finding.accepted.is_none());
    for finding in new {
        let Some(suggestion) = finding.suggestion.as_ref().filter(|suggestion| can_be_shown(suggestion)) else {
            continue;
        };
        let meets = |(_, other): &(&Finding, &Suggestion)| {
            other.path == suggestion.path && other.first <= suggestion.last && suggestion.first <= other.last
        };
        if wanted.len() < MAX_WANTED && !wanted.iter().any(meets) {
            wanted.push((finding, suggestion));
        }
    }
    wanted
}
