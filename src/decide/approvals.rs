//! The gate `approvals`: enough people approved what enters, and none of them had a hand in it.
//!
//! A new head ends an approval, unless it renders the very same: a branch that was only brought up to date asks nobody again (E35).

use std::collections::BTreeSet;

use super::gates::{Entering, unknown};
use super::versions::Cause;
use crate::model::finding::{EnvironmentEvaluation, Evaluation};
use crate::model::id::Oid;
use crate::model::pipeline::Approvals;
use crate::model::plan::Need;
use crate::model::snapshot::{Actor, Permission, Pull, Review, ReviewState, Snapshot};
use crate::model::verdict::Verdict;

/// Approvals of older heads that are looked at, newest first: each may cost an evaluation.
const MAX_CARRIED: usize = 3;

/// Enough people approved who had no hand in it.
pub(super) fn gate(entering: &Entering<'_>, wanted: &Approvals, pull: Option<&Pull>, needs: &mut Vec<Need>) -> Verdict {
    let from = if wanted.teams.is_empty() { "people who may write here".to_owned() } else { wanted.teams.join(" or ") };
    let Some(pull) = pull else {
        return Verdict::wait("approvals", format!("needs {} from {from}", plural(wanted.min, "approval")))
            .next(format!("{from} reviews the pull request once it is open"));
    };
    let (involved, strict) = if wanted.four_eyes && !entering.candidate.is_rollback() {
        match involved(entering, pull, needs) {
            Ok(found) => found,
            Err(unknown) => return unknown,
        }
    } else {
        (BTreeSet::new(), false)
    };
    let min = if strict { wanted.min.max(2) } else { wanted.min };
    let mut good = Vec::new();
    let mut because = Vec::new();
    let mut older = Vec::new();
    for review in pull.reviews.iter().filter(|review| review.state == ReviewState::Approved && !review.author.bot) {
        let who = &review.author.login;
        let reason = if involved.contains(&who.to_lowercase()) {
            Some(("four-eyes", "they tagged, wrote or asked for this version".to_owned()))
        } else {
            stranger(entering.snapshot, wanted, review, needs).map(|reason| ("approval", reason))
        };
        match reason {
            Some((code, reason)) => because.push(discounted(code, who, &reason)),
            None if review.commit == Some(pull.brief.head) => good.push(who.clone()),
            None => older.push(review),
        }
    }
    older.sort_by_key(|review| std::cmp::Reverse(review.at));
    for (n, review) in older.into_iter().enumerate() {
        let who = &review.author.login;
        let missing = good.len() < usize::try_from(min).unwrap_or(usize::MAX);
        match carried(entering, pull, review.commit.filter(|_| missing && n < MAX_CARRIED), needs) {
            Ok(commit) => good.push(format!("{who} (on {}, which renders the same)", commit.short())),
            Err(reason) => because.push(discounted("approval", who, &reason)),
        }
    }
    let have = u32::try_from(good.len()).unwrap_or(u32::MAX);
    let mut verdict = if have >= min {
        Verdict::yes("approvals", format!("approved by {}", good.join(", ")))
    } else {
        let mut text = format!("{have} of {} from {from}", plural(min, "approval"));
        if strict {
            text.push_str("; nobody knows who pushed the tag, so two people must approve");
        }
        Verdict::wait("approvals", text).next(format!("{from} reviews and approves the newest commit"))
    };
    verdict.because = because;
    verdict
}

fn discounted(code: &str, who: &str, reason: &str) -> Verdict {
    Verdict::no(code, format!("{who}'s approval does not count: {reason}"))
}

/// The older commit an approval was given on, when the newest one renders the same; else why it does not count.
fn carried(entering: &Entering<'_>, pull: &Pull, commit: Option<Oid>, needs: &mut Vec<Need>) -> Result<Oid, String> {
    let no = || "it is for an older commit".to_owned();
    let commit = commit.ok_or_else(no)?;
    let (base, facts) = (pull.base_tip, &entering.snapshot.facts);
    let Some(then) = facts.evaluations.get(&(base, commit)) else {
        let need = Need::Evaluation { base, head: commit };
        if facts.unmet.contains_key(&need) {
            return Err(no());
        }
        needs.push(need);
        return Err("it is for an older commit, which is being compared".to_owned());
    };
    let now = facts.evaluations.get(&(base, pull.brief.head));
    match (then, now) {
        (Ok(then), Some(Ok(now))) if renders_the_same(then, now) => Ok(commit),
        _ => Err(no()),
    }
}

/// Whether two heads make the same of the same environments. One that touches the rules is another change whatever it renders.
fn renders_the_same(then: &Evaluation, now: &Evaluation) -> bool {
    let same = |(a, b): (&EnvironmentEvaluation, &EnvironmentEvaluation)| {
        !a.digest.is_empty()
            && (&a.environment, &a.applier, &a.path, &a.digest) == (&b.environment, &b.applier, &b.path, &b.digest)
    };
    !then.touches_rules
        && !now.touches_rules
        && then.environments.len() == now.environments.len()
        && then.environments.iter().zip(&now.environments).all(same)
}

/// Why the reviewer is nobody whose approval is asked for, or `None` when they are.
fn stranger(snapshot: &Snapshot, wanted: &Approvals, review: &Review, needs: &mut Vec<Need>) -> Option<String> {
    let login = &review.author.login;
    if wanted.teams.is_empty() {
        return match snapshot.facts.permissions.get(login) {
            Some(permission) if *permission >= Permission::Write => None,
            Some(_) => Some("they may not write here".to_owned()),
            None => Some(ask(snapshot, needs, Need::Permission(login.clone()))),
        };
    }
    let mut asking = None;
    for team in &wanted.teams {
        match snapshot.facts.members.get(&(team.clone(), login.clone())) {
            Some(true) => return None,
            Some(false) => {}
            None => asking = Some(ask(snapshot, needs, Need::Member { team: team.clone(), login: login.clone() })),
        }
    }
    Some(asking.unwrap_or_else(|| format!("they are not in {}", wanted.teams.join(" or "))))
}

/// Everybody who had a hand in this version, lower-cased, and whether its pusher is unknown.
fn involved(entering: &Entering<'_>, pull: &Pull, needs: &mut Vec<Need>) -> Result<(BTreeSet<String>, bool), Verdict> {
    let candidate = entering.candidate;
    let mut people: BTreeSet<String> = BTreeSet::new();
    let people_of =
        |actors: &[Actor]| actors.iter().filter(|a| !a.bot).map(|a| a.login.to_lowercase()).collect::<Vec<_>>();
    people.extend(people_of(&pull.commit_authors));
    if let Cause::Asked(request) | Cause::Rollback(request) = &candidate.cause {
        people.insert(request.by.to_lowercase());
    }
    let from = entering.history(&entering.environment.name).first().and_then(|holding| holding.commit);
    let key = (entering.app.name.clone(), from, candidate.commit);
    let Some(changelog) = entering.snapshot.facts.changelogs.get(&key) else {
        let need = Need::Changelog { app: key.0, from, to: candidate.commit };
        return Err(unknown(entering.snapshot, needs, need, "approvals", "who wrote this version"));
    };
    people
        .extend(changelog.changes.iter().filter_map(|change| change.login.as_ref()).map(|login| login.to_lowercase()));
    let pin =
        candidate.tag.as_ref().and_then(|tag| entering.entry().tags.get(&tag.name).and_then(|pin| pin.pusher.clone()));
    let pusher = pin.or_else(|| candidate.tag.as_ref().and_then(|tag| tag.pusher.clone()));
    let pusher_unknown = candidate.tag.is_some() && pusher.is_none();
    people.extend(pusher.map(|login| login.to_lowercase()));
    Ok((people, pusher_unknown))
}

fn ask(snapshot: &Snapshot, needs: &mut Vec<Need>, need: Need) -> String {
    match snapshot.facts.unmet.get(&need) {
        Some(why) => format!("their rights cannot be read: {why}"),
        None => {
            needs.push(need);
            "their rights are being looked up".to_owned()
        }
    }
}

fn plural(count: u32, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}
