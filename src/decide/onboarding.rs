//! Meeting a repository: one without a configuration is offered one, once; one that took the offer gets a desk.

use super::ask;
use jiff::SignedDuration;

use super::rights::{self, Right};
use crate::command::{self, Command, Outcome, Right as Act};
use crate::config;
use crate::model::onboarding::{Desk, ONBOARDING_BRANCH};
use crate::model::pipeline::Pipeline;
use crate::model::plan::{Effect, Need, Plan, ProposedFile};
use crate::model::snapshot::{Comment, Configuration, Pull, PullBrief, PullState, RepoSubject, Snapshot};
use crate::report::marker::says_the_same;
use crate::report::onboarding::{self, DeskInput, OnboardingInput};

/// GitHub's reads lag behind its writes for less than this.
const LAG: SignedDuration = SignedDuration::from_mins(2);

/// Plans what meeting a repository asks for.
pub(super) fn plan(snapshot: &Snapshot, subject: &RepoSubject, plan: &mut Plan) {
    match &snapshot.common.config {
        Configuration::Missing => propose(snapshot, subject, plan),
        Configuration::Valid(pipeline) => desk(snapshot, subject, pipeline, plan),
        Configuration::Broken(_) => {}
    }
}

/// Offers a configuration. A copy is not asked twice, an archive cannot answer, and what others draw from is source.
fn propose(snapshot: &Snapshot, subject: &RepoSubject, plan: &mut Plan) {
    let Some(base) = snapshot.common.repo.tip else { return };
    if subject.fork || subject.archived || !subject.pipelines.is_empty() {
        return;
    }
    if subject.onboarding.iter().any(|pull| pull.state == PullState::Open) {
        return;
    }
    // Whatever ended the last one, by whomever: it was an answer.
    let last = subject.onboarding.iter().max_by_key(|pull| pull.number);
    if last.is_some_and(|last| !is_asked_again(snapshot, last, plan)) {
        return;
    }
    let Some(found) = &snapshot.facts.proposal else { return ask(snapshot, plan, Need::Proposal) };
    let (Some(proposal), Ok(path)) = (found, config::FILE.parse()) else { return };
    let input = OnboardingInput { repo: &snapshot.common.repo, app: snapshot.common.bot.app, proposal };
    // A read that lags behind may keep the check from this pull request; nothing else would look again.
    plan.look_again(snapshot.common.now + LAG);
    plan.effects.push(Effect::Propose(Box::new(ProposedFile {
        branch: ONBOARDING_BRANCH.to_owned(),
        base,
        path,
        text: proposal.text.clone(),
        message: onboarding::message(&input),
        title: onboarding::TITLE.to_owned(),
        body: onboarding::body(&input),
    })));
}

/// Whether somebody who may write asked for another offer since the last one ended.
fn is_asked_again(snapshot: &Snapshot, last: &PullBrief, plan: &mut Plan) -> bool {
    let Some(ended) = last.closed_at else { return false };
    let Some(comments) = snapshot.facts.talks.get(&last.number) else {
        ask(snapshot, plan, Need::Talk(last.number));
        return false;
    };
    let asks = |comment: &&Comment| comment.at >= ended && !comment.edited && !comment.author.bot && is_resync(comment);
    let mut asked = false;
    for comment in comments.iter().filter(asks) {
        let right = rights::may(snapshot, &comment.author.login, Act::Write, None, &mut plan.needs);
        asked |= right == Right::Granted;
    }
    asked
}

fn is_resync(comment: &Comment) -> bool {
    let resync = |outcome: &Outcome| matches!(outcome, Outcome::Run(request) if request.command == Command::Resync);
    command::parse(&comment.body).iter().any(|parsed| resync(&parsed.outcome))
}

/// Whether it is the pull request that offers a configuration, where people may ask for another.
pub(super) fn is_offer(snapshot: &Snapshot, pull: &Pull) -> bool {
    pull.brief.branch == ONBOARDING_BRANCH && !pull.brief.fork && snapshot.common.bot.is(&pull.brief.author)
}

/// The desk of a repository that took the offer; where there are no issues, people talk in pull requests.
fn desk(snapshot: &Snapshot, subject: &RepoSubject, pipeline: &Pipeline, plan: &mut Plan) {
    let took = |pull: &PullBrief| pull.state == PullState::Merged && snapshot.common.bot.is(&pull.author);
    if !subject.issues || subject.archived || !subject.onboarding.iter().any(took) {
        return;
    }
    let Some(found) = &snapshot.facts.desk else { return ask(snapshot, plan, Need::Desk) };
    let existing = match found {
        Desk::Closed => return,
        Desk::Missing => None,
        Desk::Open { number, .. } => Some(*number),
    };
    let body = onboarding::desk(&DeskInput { repo: &snapshot.common.repo, pipeline });
    if !matches!(found, Desk::Open { body: there, .. } if says_the_same(there, &body)) {
        plan.effects.push(Effect::PutDesk { existing, body });
    }
}
