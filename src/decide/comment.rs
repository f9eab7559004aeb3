//! The one sticky comment on a pull request that touches an environment.

use super::branch_rules;
use super::check::{gates, waived_until};
use super::{answers, overrides, queue, ways_in};
use crate::model::finding::Evaluation;
use crate::model::pipeline::Mode;
use crate::model::plan::{Effect, Need, Plan};
use crate::model::snapshot::{Configuration, PullState, PullSubject, Snapshot};
use crate::report::comment::{CommentInput, comment, is_ours};
use crate::report::marker::says_the_same;

/// Plans the sticky comment.
pub(super) fn plan(snapshot: &Snapshot, subject: &PullSubject, plan: &mut Plan) {
    let Some(pull) = subject.pull.as_ref().filter(|pull| pull.brief.state == PullState::Open) else { return };
    // A branch that conflicts says so in its check; the comment keeps what was last true.
    let Some(evaluation) = evaluation(snapshot, subject, plan) else { return };
    let bot = &snapshot.common.bot;
    // The oldest is kept: two may stand here after a crash between write and answer.
    let ours = subject.comments.iter().find(|comment| bot.is(&comment.author) && is_ours(&comment.body));
    let foreseen = evaluation.preview.as_ref().is_some_and(|preview| !preview.evaluation.environments.is_empty());
    if evaluation.environments.is_empty() && evaluation.findings.is_empty() && !foreseen && ours.is_none() {
        return;
    }
    let mode = match &snapshot.common.config {
        Configuration::Valid(pipeline) => pipeline.mode,
        // Without rules to follow there is nothing to say about environments; problems stand in the check.
        Configuration::Missing | Configuration::Broken(_) if !evaluation.touches_rules => return,
        Configuration::Missing | Configuration::Broken(_) => Mode::Enforce,
    };
    let Some(mut verdict) = gates(snapshot, pull, &evaluation, plan) else { return };
    // What GitHub answered stands here and not in the check, which GitHub may be waiting for.
    let refused = snapshot.facts.merging.get(&pull.brief.number).and_then(branch_rules::refused);
    if let (Some(verdict), Some(refused)) = (&mut verdict, refused) {
        verdict.answer = verdict.answer.max(refused.answer);
        verdict.because.push(refused);
    }
    let promotion = ways_in::is_promotion(snapshot, pull);
    if let Some(root) = verdict.as_mut().filter(|_| promotion) {
        queue::tell(snapshot, subject, root, &mut plan.needs);
    }
    let picture = match &snapshot.common.config {
        Configuration::Valid(pipeline) if promotion => Some(answers::picture(snapshot, pipeline, pull)),
        _ => None,
    };
    let body = comment(&CommentInput {
        repo_url: &snapshot.common.repo.url,
        head: pull.brief.head,
        evaluation: &evaluation,
        verdict: verdict.as_ref(),
        picture: picture.as_deref(),
        mode,
        check_url: None,
    });
    if ours.is_none_or(|ours| !says_the_same(&ours.body, &body)) {
        plan.effects.push(Effect::PutComment { number: subject.number, existing: ours.map(|ours| ours.id), body });
    }
}

/// What the pull request does; asked for when it is not known yet.
pub(super) fn evaluation(snapshot: &Snapshot, subject: &PullSubject, plan: &mut Plan) -> Option<Evaluation> {
    let pull = subject.pull.as_ref()?;
    let key = (pull.base_tip, pull.brief.head);
    match snapshot.facts.evaluations.get(&key) {
        Some(Ok(found)) => {
            if let Some(until) = waived_until(found) {
                plan.look_again(until);
            }
            Some(overrides::applied(snapshot, pull, found).into_owned())
        }
        Some(Err(_)) => None,
        None => {
            super::ask(snapshot, plan, Need::Evaluation { base: key.0, head: key.1 });
            None
        }
    }
}
