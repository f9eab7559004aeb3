//! The merge of a promotion, and the reviews it needs: only our own pull requests, only when every gate is open.

use super::{overrides, ways_in};
use crate::model::id::Key;
use crate::model::pipeline::{Merge, Mode, Pipeline};
use crate::model::plan::{Effect, Need, Plan};
use crate::model::snapshot::{Pull, PullState, PullSubject, ReviewState, Snapshot};
use crate::model::verdict::{Answer, Verdict};

/// Plans the merge of one of our promotions.
pub(super) fn plan(snapshot: &Snapshot, subject: &PullSubject, pipeline: &Pipeline, plan: &mut Plan) {
    let Some(pull) = &subject.pull else { return };
    if pull.brief.state != PullState::Open || pipeline.mode == Mode::Observe || !ways_in::is_promotion(snapshot, pull) {
        return;
    }
    let key = (pull.base_tip, pull.brief.head);
    let evaluation = match snapshot.facts.evaluations.get(&key) {
        Some(Ok(evaluation)) => overrides::applied(snapshot, pull, evaluation),
        // Somebody else wrote where this promotion writes: a fresh one is made on what stands there now.
        Some(Err(why)) => return renew(snapshot, pull, why, plan),
        None => {
            super::ask(snapshot, plan, Need::Evaluation { base: key.0, head: key.1 });
            return;
        }
    };
    let ways = ways_in::all(snapshot, pipeline, pull, &evaluation, &mut plan.needs);
    let Some(first) = ways.first() else {
        plan.verdicts.push(Verdict::no("no-version", "this promotion changes no version any more").next("close it"));
        return;
    };
    let teams: Vec<String> = first.environment.approvals.iter().flat_map(|approvals| approvals.teams.clone()).collect();
    let opined = pull.reviews.iter().any(|review| review.state != ReviewState::Other && !review.author.bot);
    if !teams.is_empty() && pull.requested.is_empty() && !opined {
        plan.effects.push(Effect::RequestReviews { number: pull.brief.number, teams });
    }
    let mut because: Vec<Verdict> = ways.iter().map(|way| way.verdict.clone()).collect();
    if evaluation.blocks() {
        because.push(
            Verdict::no("findings", "new findings at error stand in the way").next("fix them on trunk and tag again"),
        );
    }
    if subject.checked_at.is_none() {
        because
            .push(Verdict::wait("check", "the check has not reported on this commit yet").next("it does so by itself"));
    }
    if pull.draft {
        because.push(Verdict::wait("draft", "it is a draft").next("mark it as ready for review"));
    }
    let verdict = Verdict::all("merge", format!("merge #{}", pull.brief.number), because);
    let auto = ways.iter().all(|way| way.environment.merge == Merge::Auto);
    if verdict.answer == Answer::Yes
        && auto
        && let Some(method) = snapshot.common.repo.merge_methods.first()
    {
        plan.effects.push(Effect::Merge {
            number: pull.brief.number,
            head: pull.brief.head,
            method: *method,
            title: format!("{} (#{})", pull.brief.title, pull.brief.number),
        });
    }
    plan.verdicts.push(verdict);
}

/// Closes a promotion that conflicts; closed by us it is no rejection, so its pipeline opens a fresh one.
fn renew(snapshot: &Snapshot, pull: &Pull, why: &str, plan: &mut Plan) {
    plan.verdicts.push(Verdict::no("conflict", why).next("nothing: a fresh promotion follows"));
    plan.effects.push(Effect::Close { number: pull.brief.number, comment: super::texts::conflicting(why) });
    if let Some((_, app, _)) = super::versions::read_branch(&pull.brief.branch) {
        plan.effects.push(Effect::Wake(Key::Pipeline(snapshot.common.repo.id, app.to_owned())));
    }
}
