//! The merge of a promotion, the reviews it needs, and its turn: only our own pull requests, only when every gate is open.

use jiff::{SignedDuration, Timestamp};

use super::{branch_rules, overrides, queue, texts, versions, ways_in};
use crate::model::finding::Evaluation;
use crate::model::id::Key;
use crate::model::merging::{InLine, Merging};
use crate::model::pipeline::{Merge, Mode, Pipeline};
use crate::model::plan::{Effect, Need, Plan};
use crate::model::snapshot::{Pull, PullState, PullSubject, ReviewState, Snapshot};
use crate::model::verdict::{Answer, Verdict};

/// GitHub works out within seconds whether something merges, and begins when it is asked.
const UNKNOWN_FOR: SignedDuration = SignedDuration::from_secs(10);
/// What landed is compared while somebody may still do something about it at once; later, the next promotion shows it.
const LANDED_LATELY: SignedDuration = SignedDuration::from_hours(1);

/// What ends the wait of a branch that lacks what is new.
const TURN: &str = "it goes on by itself, one promotion after the other";

/// Plans the merge of one of our promotions.
pub(super) fn plan(snapshot: &Snapshot, subject: &PullSubject, pipeline: &Pipeline, plan: &mut Plan) {
    let Some(pull) = &subject.pull else { return };
    if pipeline.mode == Mode::Observe || !ways_in::is_promotion(snapshot, pull) {
        return;
    }
    match pull.brief.state {
        PullState::Open => {}
        PullState::Merged => return landed(snapshot, subject, pull, pipeline, plan),
        PullState::Closed => return,
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
    because.extend(obstacles(subject, pull, &evaluation));
    let open = because.iter().all(|verdict| verdict.answer == Answer::Yes);
    let auto = ways.iter().all(|way| way.environment.merge == Merge::Auto);
    // The gates have asked for it; without it nothing is open.
    if let Some(merging) = snapshot.facts.merging.get(&pull.brief.number) {
        let at_github = AtGitHub { snapshot, pipeline, pull, merging };
        match open.then(|| at_github.ready(plan)) {
            None => plan.effects.extend(queue::leave(pull, merging)),
            // A queue brings it up to date by itself.
            Some(Ok(())) if merging.rules.queue => because.extend(queue::enter(snapshot, subject, merging, auto, plan)),
            Some(Ok(())) if auto => plan.effects.extend(at_github.merge()),
            Some(Ok(())) => {}
            Some(Err(verdict)) => because.push(verdict),
        }
    }
    plan.verdicts.push(Verdict::all("merge", format!("merge #{}", pull.brief.number), because));
}

/// What stands in the way besides the gates.
fn obstacles(subject: &PullSubject, pull: &Pull, evaluation: &Evaluation) -> Vec<Verdict> {
    let mut because = Vec::new();
    if evaluation.blocks() {
        because.push(
            Verdict::no("findings", "findings stand in the way")
                .next("fix what its check lists, on trunk with a new tag or in this repository"),
        );
    }
    if subject.checked_at.is_none() {
        because
            .push(Verdict::wait("check", "the check has not reported on this commit yet").next("it does so by itself"));
    }
    if pull.draft {
        because.push(Verdict::wait("draft", "it is a draft").next("mark it as ready for review"));
    }
    because
}

/// A promotion whose gates are all open, in front of GitHub.
struct AtGitHub<'a> {
    snapshot: &'a Snapshot,
    pipeline: &'a Pipeline,
    pull: &'a Pull,
    merging: &'a Merging,
}

impl AtGitHub<'_> {
    /// Whether it can be merged now; what brings it nearer is planned.
    fn ready(&self, plan: &mut Plan) -> Result<(), Verdict> {
        let now = self.snapshot.common.now;
        let rules = &self.merging.rules;
        if let Some(verdict) = branch_rules::refused(self.merging) {
            let until = self.merging.refused.as_ref().map_or(now, |refused| refused.until);
            plan.look_again(until);
            return Err(verdict.until(until));
        }
        let up_to_date = rules.up_to_date || self.merging.state == crate::model::merging::MergeState::Behind;
        if up_to_date && !rules.queue && self.merging.behind {
            return Err(self.turn(plan));
        }
        match self.pull.mergeable {
            Some(true) => Ok(()),
            None => {
                plan.look_again(now + UNKNOWN_FOR);
                Err(Verdict::wait("mergeable", "GitHub has not worked out yet whether it merges")
                    .next("it goes on by itself a moment later"))
            }
            Some(false) => {
                let text = format!("GitHub cannot merge it into {} cleanly", self.pull.brief.base);
                Err(Verdict::wait("conflict", text)
                    .next("somebody presses “Update branch”, or comments `/trunkline retry`"))
            }
        }
    }

    /// Brings it up to date when it is next: one at a time, since each merge leaves all others behind again.
    fn turn(&self, plan: &mut Plan) -> Verdict {
        let (brief, base) = (&self.pull.brief, &self.pull.brief.base);
        let text = format!("it lacks what is new on {base}");
        let Some(line) = self.snapshot.facts.turns.get(base) else {
            super::ask(self.snapshot, plan, Need::Turn(base.clone()));
            return Verdict::wait("turn", text).next(TURN);
        };
        let next =
            line.iter().filter(|one| one.ready && !one.conflicts).min_by_key(|one| (self.is_manual(one), one.number));
        match next {
            // The listing may lag: whoever is not in it yet waits for the next look.
            None => {
                plan.look_again(self.snapshot.common.now + UNKNOWN_FOR);
                Verdict::wait("turn", text).next(TURN)
            }
            Some(next) if next.number == brief.number => {
                plan.effects.push(Effect::UpdateBranch { number: brief.number, head: brief.head });
                Verdict::wait("turn", format!("{text}, and is brought up to date now")).next(TURN)
            }
            Some(next) => Verdict::wait("turn", format!("{text}; #{} is next", next.number)).next(TURN),
        }
    }

    /// Whether a person merges it; those that merge by themselves go first, so that nobody's lunch holds them up.
    fn is_manual(&self, one: &InLine) -> bool {
        let environment = versions::read_branch(&one.branch).and_then(|(name, ..)| self.pipeline.environment(name));
        environment.is_none_or(|environment| environment.merge == Merge::Manual)
    }

    fn merge(&self) -> Option<Effect> {
        let brief = &self.pull.brief;
        let method = branch_rules::method(&self.snapshot.common.repo, &self.merging.rules, &brief.base).ok()?;
        let title = format!("{} (#{})", brief.title, brief.number);
        Some(Effect::Merge { number: brief.number, head: brief.head, method, title })
    }
}

/// Says when what was merged is not what was evaluated: the merge API guards the head, not the base.
fn landed(snapshot: &Snapshot, subject: &PullSubject, pull: &Pull, pipeline: &Pipeline, plan: &mut Plan) {
    let lately = |at: Timestamp| snapshot.common.now.duration_since(at) <= LANDED_LATELY;
    let brief = &pull.brief;
    let of = versions::read_branch(&brief.branch);
    let folder = of.and_then(|(name, app, _)| pipeline.environment(name)?.folder(app));
    let (Some(folder), true) = (folder, brief.closed_at.is_some_and(lately)) else { return };
    let Some(landed) = snapshot.facts.landed.get(&brief.number) else {
        let need = Need::Landed { number: brief.number, head: brief.head, folders: vec![folder] };
        return super::ask(snapshot, plan, need);
    };
    let bot = &snapshot.common.bot;
    let said = subject.comments.iter().any(|comment| bot.is(&comment.author) && texts::is_about_landing(&comment.body));
    if landed.differs.is_empty() || said {
        return;
    }
    plan.verdicts.push(texts::landed_otherwise(landed));
    plan.effects.push(Effect::Say { number: brief.number, body: texts::landing(landed) });
}

/// Closes a promotion that conflicts; closed by us it is no rejection, so its pipeline opens a fresh one.
fn renew(snapshot: &Snapshot, pull: &Pull, why: &str, plan: &mut Plan) {
    plan.verdicts.push(Verdict::no("conflict", why).next("nothing: a fresh promotion follows"));
    plan.effects.push(Effect::Close { number: pull.brief.number, comment: texts::conflicting(why) });
    if let Some((_, app, _)) = versions::read_branch(&pull.brief.branch) {
        plan.effects.push(Effect::Wake(Key::Pipeline(snapshot.common.repo.id, app.to_owned())));
    }
}
