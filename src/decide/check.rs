//! The check `trunkline` on a commit: what the pull requests it heads do to the environments, and what they wait for.

use std::borrow::Cow;

use jiff::tz::TimeZone;

use super::{overrides, queue, ways_in};
use crate::model::finding::{Delta, Evaluation};
use crate::model::id::{Key, Oid};
use crate::model::pipeline::Mode;
use crate::model::plan::{CheckOutput, Conclusion, Effect, Need, Plan};
use crate::model::snapshot::{Configuration, HeadSubject, Pull, Snapshot};
use crate::model::verdict::Verdict;
use crate::report::check::{CheckInput, check};
use crate::report::problem_finding;

/// GitHub calls an unfinished run stale after 14 days; a fresh one takes its place long before.
const RENEW_AFTER_HOURS: i64 = 7 * 24;

/// Plans the check on one head.
pub(super) fn plan(snapshot: &Snapshot, subject: &HeadSubject, plan: &mut Plan) {
    let mut outputs = Vec::new();
    for pull in &subject.pulls {
        let sides = (pull.base_tip, pull.brief.head);
        outputs.extend(output(snapshot, sides, false, plan, |evaluation, plan| {
            let evaluation = overrides::applied(snapshot, pull, evaluation);
            let verdict = gates(snapshot, pull, &evaluation, plan)?;
            Some((evaluation, verdict))
        }));
    }
    if let Some(group) = &subject.group {
        outputs.extend(queue::check(snapshot, group, subject.head, plan));
    }
    // Several pull requests may share a head; the check is one, so the strictest speaks.
    let Some(output) = outputs.into_iter().max_by_key(|output| match output.conclusion {
        Some(Conclusion::Success) => 0,
        Some(Conclusion::Neutral) => 1,
        None => 2,
        Some(Conclusion::Failure) => 3,
    }) else {
        return;
    };
    let concluded = output.conclusion.is_some();
    let before = plan.effects.len();
    put(snapshot, subject, output, plan);
    // A promotion merges once its check stands, and GitHub tells nobody about our own checks.
    if concluded && plan.effects.len() > before {
        let promotions = subject.pulls.iter().filter(|pull| ways_in::is_promotion(snapshot, pull));
        let repo = snapshot.common.repo.id;
        plan.effects.extend(promotions.map(|pull| Effect::Wake(Key::Pull(repo, pull.brief.number))));
    }
}

/// Writes the check when it says something new: a run that waits is updated, a concluded one is replaced.
fn put(snapshot: &Snapshot, subject: &HeadSubject, output: CheckOutput, plan: &mut Plan) {
    let newest = subject.checks.first();
    let old = newest.and_then(|check| check.started_at).is_some_and(|started| {
        output.conclusion.is_none() && snapshot.common.now.duration_since(started).as_hours() >= RENEW_AFTER_HOURS
    });
    // GitHub cannot take a run back, so what an earlier report had more of is emptied.
    let pages = newest.map_or(0, |check| CheckOutput::pages_of(&check.external_id));
    match newest {
        Some(check) if check.external_id == output.fingerprint() && !old => {}
        Some(check) if !check.completed && !old => {
            plan.effects.push(Effect::PutCheck { head: subject.head, existing: Some(check.id), pages, output });
        }
        _ => plan.effects.push(Effect::PutCheck { head: subject.head, existing: None, pages, output }),
    }
}

/// What the check says about a commit that wants into another; `None` when it says nothing, or something must be known first. What was
/// accepted, and the gates, `judge` knows.
pub(super) fn output<'s>(
    snapshot: &'s Snapshot,
    (base, head): (Oid, Oid),
    queue: bool,
    plan: &mut Plan,
    judge: impl FnOnce(&'s Evaluation, &mut Plan) -> Option<(Cow<'s, Evaluation>, Option<Verdict>)>,
) -> Option<CheckOutput> {
    let Some(found) = snapshot.facts.evaluations.get(&(base, head)) else {
        super::ask(snapshot, plan, Need::Evaluation { base, head });
        return None;
    };
    let repo = &snapshot.common.repo;
    let input =
        |evaluation, verdict, mode| check(&CheckInput { repo_url: &repo.url, head, evaluation, verdict, mode, queue });
    let evaluation = match found {
        Ok(evaluation) => evaluation,
        Err(_) if snapshot.common.config == Configuration::Missing => return None,
        Err(why) => {
            let verdict =
                Verdict::no("conflict", why).next("merge or rebase the base branch into this one, and resolve it");
            let mode = mode(snapshot);
            return Some(input(&Evaluation::default(), Some(&verdict), mode));
        }
    };
    if let Some(until) = waived_until(evaluation) {
        plan.look_again(until);
    }
    match &snapshot.common.config {
        // Repositories that only hold source get no check, unless this very change brings a configuration.
        Configuration::Missing if !evaluation.touches_rules => None,
        Configuration::Missing => Some(input(&*judge(evaluation, plan)?.0, None, Mode::Enforce)),
        Configuration::Broken(problems) => {
            let mut evaluation = judge(evaluation, plan)?.0.into_owned();
            if !evaluation.touches_rules {
                evaluation.findings.extend(problems.iter().map(|problem| problem_finding(problem, Delta::Existing)));
            }
            let verdict = (!evaluation.touches_rules).then(|| {
                Verdict::no(
                    "no-configuration",
                    "the configuration on the default branch has problems, so nothing can be judged",
                )
                .next("merge a pull request that repairs `.github/trunkline.yaml`")
            });
            Some(input(&evaluation, verdict.as_ref(), Mode::Enforce))
        }
        Configuration::Valid(pipeline) => {
            let (evaluation, verdict) = judge(evaluation, plan)?;
            Some(input(&evaluation, verdict.as_ref(), pipeline.mode))
        }
    }
}

fn mode(snapshot: &Snapshot) -> Mode {
    match &snapshot.common.config {
        Configuration::Valid(pipeline) => pipeline.mode,
        _ => Mode::Enforce,
    }
}

/// The gates of whatever version a pull request brings, as one verdict; shared by check and comment. `None` when nothing is to be
/// said now: something is still being looked up, or the promotion is moot.
pub(super) fn gates(
    snapshot: &Snapshot,
    pull: &Pull,
    evaluation: &Evaluation,
    plan: &mut Plan,
) -> Option<Option<Verdict>> {
    let Configuration::Valid(pipeline) = &snapshot.common.config else { return Some(None) };
    let before = plan.needs.len();
    let mut ways = ways_in::all(snapshot, pipeline, pull, evaluation, &mut plan.needs);
    // A gate that is still being looked up would be written as one that waits.
    if plan.needs.len() > before || ways_in::is_moot(snapshot, pull, evaluation, &ways) {
        return None;
    }
    if let Some(until) = ways.iter().filter_map(|way| earliest(&way.verdict)).min() {
        plan.look_again(until);
    }
    Some(match ways.len() {
        0 => None,
        1 => ways.pop().map(|way| way.verdict),
        _ => {
            let because: Vec<Verdict> = ways.into_iter().map(|way| way.verdict).collect();
            Some(Verdict::all("entering", "several versions enter with this pull request", because))
        }
    })
}

/// When the first waiver that keeps errors of this change from counting has ended.
pub(super) fn waived_until(evaluation: &Evaluation) -> Option<jiff::Timestamp> {
    let next = evaluation.waived_until?.tomorrow().ok()?;
    Some(next.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// The first moment at which a verdict may change by itself, or at which what it rests on is looked at again.
pub(super) fn earliest(verdict: &Verdict) -> Option<jiff::Timestamp> {
    verdict.until.into_iter().chain(verdict.again).chain(verdict.because.iter().filter_map(earliest)).min()
}
