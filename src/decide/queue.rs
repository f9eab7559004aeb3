//! Merge queues: a check on what they are about to merge, promotions that are put in once every gate is open, and taken out when one
//! closes.
//!
//! A queue does not wait, so on its heads a closed gate fails. What it threw out goes in again only when something has changed.

use std::borrow::Cow;

use jiff::Timestamp;

use super::rights::{self, Right};
use super::{check, gates, overrides, versions, ways_in};
use crate::command::{self, Command, Right as Act};
use crate::model::finding::Evaluation;
use crate::model::id::Oid;
use crate::model::merging::{MergeGroup, Merging, TakenOut};
use crate::model::pipeline::{Merge, Pipeline};
use crate::model::plan::{CheckOutput, Effect, Need, Plan};
use crate::model::snapshot::{Comment, Configuration, Pull, PullState, PullSubject, Reaction, Snapshot};
use crate::model::verdict::{Answer, Verdict};

/// The check on the head of a merge group, which concludes at once; `None` when there is nothing to say, or something must be known first.
pub(super) fn check(snapshot: &Snapshot, group: &MergeGroup, head: Oid, plan: &mut Plan) -> Option<CheckOutput> {
    let mut pulls = Vec::new();
    for number in &group.pulls {
        match (snapshot.facts.pulls.get(number), snapshot.facts.unmet.get(&Need::Pull(*number))) {
            // What is merged already is part of the base.
            (Some(pull), _) if pull.brief.state == PullState::Merged => {}
            (Some(pull), _) => pulls.push(Ok(pull)),
            (None, Some(why)) => pulls.push(Err((*number, why.as_str()))),
            (None, None) => plan.needs.push(Need::Pull(*number)),
        }
    }
    if !plan.needs.is_empty() || pulls.is_empty() {
        return None;
    }
    // Never what the names of branches say: anybody who may write could make one.
    let tip = snapshot.common.repo.tip.filter(|_| group.base == snapshot.common.repo.default_branch);
    let base = tip.or_else(|| Some(pulls.iter().rev().find_map(|pull| pull.ok())?.base_tip))?;
    check::output(snapshot, (base, head), true, plan, |evaluation, plan| judge(snapshot, &pulls, evaluation, plan))
}

/// A pull request of a group, or its number and why it cannot be read.
type Found<'s> = Result<&'s Pull, (u64, &'s str)>;

fn judge<'s>(
    snapshot: &'s Snapshot,
    pulls: &[Found<'s>],
    evaluation: &'s Evaluation,
    plan: &mut Plan,
) -> Option<(Cow<'s, Evaluation>, Option<Verdict>)> {
    let Configuration::Valid(pipeline) = &snapshot.common.config else {
        return Some((Cow::Borrowed(evaluation), None));
    };
    let (mut because, mut own) = (Vec::new(), Vec::new());
    for pull in pulls {
        let pull = match pull {
            Ok(pull) => *pull,
            Err((number, why)) => {
                because.push(unread(*number, why));
                continue;
            }
        };
        let number = pull.brief.number;
        match alone(snapshot, pull, plan) {
            Some(Ok(evaluation)) => {
                let ways = ways_in::all(snapshot, pipeline, pull, &evaluation, &mut plan.needs);
                let named = |verdict: Verdict| Verdict { text: format!("#{number}: {}", verdict.text), ..verdict };
                because.extend(ways.into_iter().map(|way| named(way.verdict)));
                own.push(evaluation);
            }
            Some(Err(why)) => because.push(unread(number, &why)),
            None => {}
        }
    }
    if !plan.needs.is_empty() {
        return None;
    }
    because.extend(unexplained(pipeline, evaluation, &own));
    because.iter().filter_map(check::earliest).for_each(|at| plan.look_again(at));
    Some((accepted(evaluation, &own), verdict(because)))
}

fn verdict(because: Vec<Verdict>) -> Option<Verdict> {
    if because.is_empty() {
        return None;
    }
    if because.iter().all(|verdict| verdict.answer == Answer::Yes) {
        return Some(Verdict::all("merge-group", "every gate of what this group merges is open", because));
    }
    let text = "a merge queue does not wait, so a closed gate throws this group out";
    let next = "once every gate is open, Trunkline puts its own promotion in again; anything else somebody puts in again by “Merge when ready”";
    Some(Verdict { because, ..Verdict::no("merge-group", text).next(next) })
}

fn unread(number: u64, why: &str) -> Verdict {
    Verdict::no("merge-group", format!("#{number} cannot be judged: {why}"))
        .next("mend that, then put it in again by “Merge when ready”")
}

/// What one pull request of a group does by itself, which is what its gates are judged on.
fn alone<'s>(snapshot: &'s Snapshot, pull: &'s Pull, plan: &mut Plan) -> Option<Result<Cow<'s, Evaluation>, String>> {
    let repo = &snapshot.common.repo;
    let base = repo.tip.filter(|_| pull.brief.base == repo.default_branch).unwrap_or(pull.base_tip);
    let (key, need) = ((base, pull.brief.head), Need::Evaluation { base, head: pull.brief.head });
    match (snapshot.facts.evaluations.get(&key), snapshot.facts.unmet.get(&need)) {
        (Some(Ok(evaluation)), _) => Some(Ok(overrides::applied(snapshot, pull, evaluation))),
        (Some(Err(why)), _) | (None, Some(why)) => Some(Err(why.clone())),
        (None, None) => {
            plan.needs.push(need);
            None
        }
    }
}

/// Versions in gated environments that none of the pull requests brings by itself: no gate was asked about them.
fn unexplained(pipeline: &Pipeline, group: &Evaluation, own: &[Cow<'_, Evaluation>]) -> Vec<Verdict> {
    let mut because = Vec::new();
    for touched in &group.environments {
        let name = &touched.environment;
        if !pipeline.environment(name).is_some_and(ways_in::gated) {
            continue;
        }
        let brought = own.iter().flat_map(|one| one.environments.iter()).filter(|one| one.environment == *name);
        let brought: Vec<_> = brought.flat_map(|one| &one.versions).collect();
        let strange = touched.versions.iter().filter(|change| !brought.contains(change));
        because.extend(strange.map(|change| {
            let text =
                format!("together they bring another version of {} into {name} than any of them alone", change.app);
            Verdict::no("merge-group", text).next("put them in one after the other")
        }));
    }
    because
}

/// The group's findings, with what was accepted on the pull request that brings them.
fn accepted<'s>(group: &'s Evaluation, own: &[Cow<'_, Evaluation>]) -> Cow<'s, Evaluation> {
    let mut group = Cow::Borrowed(group);
    let accepted = own.iter().flat_map(|one| &one.environments);
    let accepted: Vec<_> = accepted
        .flat_map(|one| one.findings.iter().map(move |finding| (&one.environment, finding)))
        .filter(|(_, finding)| finding.accepted.is_some())
        .collect();
    if accepted.is_empty() {
        return group;
    }
    for environment in &mut group.to_mut().environments {
        let name = environment.environment.clone();
        for finding in environment.findings.iter_mut().filter(|finding| finding.blocks()) {
            let same = accepted.iter().find(|(of, one)| **of == name && one.identity() == finding.identity());
            finding.accepted = same.and_then(|(_, one)| one.accepted.clone());
        }
    }
    group
}

/// Takes a promotion out of the queue it is in: a gate has closed.
pub(super) fn leave(pull: &Pull, merging: &Merging) -> Option<Effect> {
    merging.queued.then(|| Effect::Dequeue { number: pull.brief.number, node: merging.node.clone() })
}

/// Puts a promotion whose gates are all open into the queue, once; what stands in the way of that, or follows from it.
pub(super) fn enter(
    snapshot: &Snapshot,
    subject: &PullSubject,
    merging: &Merging,
    auto: bool,
    plan: &mut Plan,
) -> Option<Verdict> {
    let pull = subject.pull.as_ref()?;
    if merging.queued {
        return Some(
            Verdict::wait("merge-queue", "it is in the merge queue").next("GitHub merges it when its turn comes"),
        );
    }
    if !auto {
        let text = format!("merges into {} go through its merge queue", pull.brief.base);
        return Some(Verdict::wait("merge-queue", text).next("somebody who may write here presses “Merge when ready”"));
    }
    if let Some(out) = stays_out(snapshot, subject, merging, &mut plan.needs) {
        return Some(thrown_out(out, true));
    }
    let since = merging.taken_out.as_ref().map(|out| out.at);
    let (number, node, head) = (pull.brief.number, merging.node.clone(), pull.brief.head);
    plan.effects.push(Effect::Enqueue { number, node, head, since });
    Some(Verdict::wait("merge-queue", "it goes into the merge queue now").next("GitHub merges it when its turn comes"))
}

/// How a promotion was thrown out, while nothing has changed since: our check was concluded before, and nobody has asked to try again.
/// What we took out ourselves goes in again by itself.
fn stays_out<'s>(
    snapshot: &Snapshot,
    subject: &PullSubject,
    merging: &'s Merging,
    needs: &mut Vec<Need>,
) -> Option<&'s TakenOut> {
    let out = merging.taken_out.as_ref()?;
    let changed = subject.checked_at.is_some_and(|at| at > out.at);
    (!changed && !snapshot.common.bot.is(&out.by) && !retried(snapshot, subject, out.at, needs)).then_some(out)
}

/// Whether somebody who may has asked to try again.
fn retried(snapshot: &Snapshot, subject: &PullSubject, since: Timestamp, needs: &mut Vec<Need>) -> bool {
    let asks = |comment: &&Comment| {
        let counts = comment.at >= since && !comment.edited && !comment.author.bot;
        let retry = |parsed: &command::Parsed| match &parsed.outcome {
            command::Outcome::Run(request) => request.command == Command::Retry,
            _ => false,
        };
        counts && !comment.reactions.contains(&Reaction::Confused) && command::parse(&comment.body).iter().any(retry)
    };
    let mut by = subject.comments.iter().filter(asks).map(|comment| comment.author.login.as_str());
    by.any(|login| rights::may(snapshot, login, Act::Write, None, needs) == Right::Granted)
}

fn thrown_out(out: &TakenOut, auto: bool) -> Verdict {
    let (by, at, reason) = (&out.by.login, gates::date(out.at), out.reason.to_uppercase());
    let says = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    let text = if says(&["MANUAL"]) && !out.by.bot {
        format!("{by} took it out of the merge queue on {at}")
    } else {
        let why = match () {
            () if says(&["TIMEOUT"]) => "a required check did not report in time".to_owned(),
            () if says(&["CONFLICT"]) => "it conflicts with what was to be merged before it".to_owned(),
            () if says(&["FAIL"]) => "a required check failed on its merge group".to_owned(),
            () => format!("GitHub says {}", reason.to_lowercase().replace('_', " ")),
        };
        format!("the merge queue threw it out on {at}: {why}")
    };
    Verdict::wait("thrown-out", text).next(match auto {
        true => "comment `/trunkline retry` once that is mended, or press “Merge when ready”",
        false => "somebody who may write here presses “Merge when ready” once that is mended",
    })
}

/// Whether Trunkline merges a promotion by itself.
fn is_auto(snapshot: &Snapshot, subject: &PullSubject) -> bool {
    let Configuration::Valid(pipeline) = &snapshot.common.config else { return false };
    let branch = subject.pull.as_ref().and_then(|pull| versions::read_branch(&pull.brief.branch));
    let environment = branch.and_then(|(name, ..)| pipeline.environment(name));
    environment.is_some_and(|environment| environment.merge == Merge::Auto)
}

/// Adds to the gates of a promotion how it stands with the queue, where people read it and never in the check: a queue waits for
/// checks, and the two would wait for each other.
pub(super) fn tell(snapshot: &Snapshot, subject: &PullSubject, root: &mut Verdict, needs: &mut Vec<Need>) {
    let Some(merging) = snapshot.facts.merging.get(&subject.number).filter(|merging| merging.rules.queue) else {
        return;
    };
    let (open, auto) = (root.answer == Answer::Yes, is_auto(snapshot, subject));
    let told = if merging.queued && open {
        Some(Verdict::yes("merge-queue", "it is in the merge queue"))
    } else if !open && (merging.queued || merging.taken_out.is_some()) {
        let text = "it was taken out of the merge queue, because not every gate is open";
        Some(Verdict::wait("dequeued", text).next(match auto {
            true => "it is put in again by itself once every gate is open",
            false => "somebody who may write here presses “Merge when ready” once every gate is open",
        }))
    } else {
        stays_out(snapshot, subject, merging, needs).map(|out| thrown_out(out, auto))
    };
    root.answer = root.answer.max(told.as_ref().map_or(Answer::Yes, |told| told.answer));
    root.because.extend(told);
}
