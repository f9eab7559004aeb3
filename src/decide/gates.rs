//! The conditions a promotion waits for, each a verdict with a reason code, in one list that everything shows.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::versions::{Candidate, Cause, is_or_follows};
use super::windows;
use crate::model::id::Oid;
use crate::model::ledger::Entry;
use crate::model::pipeline::{App, Approvals, CheckOf, Environment, NamedCheck, ShipsMatch};
use crate::model::plan::Need;
use crate::model::snapshot::{
    Actor, CheckState, Holding, Permission, PipelineFacts, Pull, Review, ReviewState, Snapshot, Source,
};
use crate::model::verdict::{Answer, Verdict};

/// What the gates of one promotion are judged on.
pub(super) struct Entering<'a> {
    /// The whole snapshot, for time, ledger and facts.
    pub(super) snapshot: &'a Snapshot,
    /// The application.
    pub(super) app: &'a App,
    /// The environment it enters.
    pub(super) environment: &'a Environment,
    /// What is known of the application's way.
    pub(super) facts: &'a PipelineFacts,
    /// The source repository.
    pub(super) source: &'a Source,
    /// The version.
    pub(super) candidate: &'a Candidate,
}

impl Entering<'_> {
    fn entry(&self) -> Entry {
        self.snapshot.common.ledger.entry(&self.app.name, &self.environment.name)
    }

    fn history(&self, environment: &str) -> &[Holding] {
        self.facts.environments.get(environment).map_or(&[], |holdings| &holdings.history)
    }

    fn now(&self) -> Timestamp {
        self.snapshot.common.now
    }
}

/// Every gate of a promotion; `pull` is its pull request, once there is one.
pub(super) fn all(entering: &Entering<'_>, pull: Option<&Pull>, needs: &mut Vec<Need>) -> Vec<Verdict> {
    let mut gates = vec![pinned(entering), built(entering, needs)];
    if entering.candidate.is_rollback() {
        gates.push(Verdict::yes(
            "rollback",
            "a rollback to a version that passed here before skips order, soak, windows and four eyes",
        ));
    } else if let Some(why) = entering.candidate.forced() {
        gates.push(Verdict::yes("forced", format!("order, ships, soak and windows are passed over: {why}")));
        gates.extend(holds(entering));
    } else {
        gates.extend(entering.environment.after.iter().map(|upstream| after(entering, upstream)));
        gates.extend(ships(entering));
        gates.extend(soak(entering));
        gates.extend(entering.environment.windows.iter().map(|windows| windows::gate(windows, entering.now())));
        gates.extend(holds(entering));
    }
    let checks = entering.environment.checks.iter();
    gates.extend(checks.map(|wanted| named_check(entering, wanted, pull, needs)));
    if let Some(approvals) = &entering.environment.approvals {
        gates.push(approved(entering, approvals, pull, needs));
    }
    gates.extend(pull.and_then(changes_requested));
    gates.extend(super::cancelled::gate(&entering.entry(), entering.candidate, &entering.environment.name));
    gates
}

/// The tag still names the commit it named when it first started something.
pub(super) fn pinned(entering: &Entering<'_>) -> Verdict {
    let candidate = entering.candidate;
    let Some(tag) = &candidate.tag else {
        return Verdict::yes("pinned", format!("commit {}", candidate.commit.short()));
    };
    match entering.entry().tags.get(&tag.name) {
        Some(pin) if pin.commit != tag.commit => {
            let text = format!("the tag {} was moved from {} to {}", tag.name, pin.commit.short(), tag.commit.short());
            Verdict::no("tag-moved", text).next("push a new tag; a tag that started something never moves")
        }
        _ => Verdict::yes("pinned", format!("{} is commit {}", tag.name, tag.commit.short())),
    }
}

/// The version exists: the checks on its source commit have passed.
pub(super) fn built(entering: &Entering<'_>, needs: &mut Vec<Need>) -> Verdict {
    let (repo, commit) = (entering.source.repo.id, entering.candidate.commit);
    let Some(checks) = entering.snapshot.facts.checks.get(&(repo, commit)) else {
        return unknown(
            entering.snapshot,
            needs,
            Need::Checks { repo, commit },
            "built",
            "the checks of the source commit",
        );
    };
    // Our own check says nothing about a build, and in a monorepo it would wait for itself.
    let others: Vec<_> = checks.iter().filter(|check| check.app != entering.snapshot.common.bot.slug).collect();
    let named =
        |state| others.iter().filter(|c| c.state == state).map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
    let short = commit.short();
    match others.iter().map(|check| check.state).max() {
        None => Verdict::wait("not-built", format!("no check has reported on {short} yet"))
            .next("it goes on by itself once a build reports success"),
        Some(CheckState::Failed) => {
            Verdict::no("build-failed", format!("{} failed on {short}", named(CheckState::Failed)))
                .next("fix the build, or re-run it")
        }
        Some(CheckState::Pending) => {
            Verdict::wait("building", format!("{} is still running on {short}", named(CheckState::Pending)))
                .next("it goes on by itself once a build reports success")
        }
        Some(CheckState::Passed) => Verdict::yes("built", format!("the checks on {short} have passed")),
    }
}

/// The upstream environment holds, or has held, this commit or one that follows it.
fn after(entering: &Entering<'_>, upstream: &str) -> Verdict {
    match passed(entering, upstream, false) {
        Some(holding) => {
            Verdict::yes("after", format!("{upstream} has held this commit since {}", date(holding.since)))
        }
        None => {
            Verdict::wait("after", format!("{upstream} has not held commit {} yet", entering.candidate.commit.short()))
                .next(format!("promote it to {upstream} first"))
        }
    }
}

/// The oldest holding of `upstream` that counts for this commit.
fn passed<'a>(entering: &'a Entering<'_>, upstream: &str, exact: bool) -> Option<&'a Holding> {
    let commit = entering.candidate.commit;
    let counts = |held: Oid| held == commit || !exact && is_or_follows(&entering.source.descendants, commit, held);
    entering.history(upstream).iter().rev().find(|holding| holding.commit.is_some_and(counts))
}

/// The version that enters is the one that was tested.
fn ships(entering: &Entering<'_>) -> Option<Verdict> {
    let ships = entering.environment.ships.as_ref()?;
    let upstream = &ships.tested_in;
    let short = entering.candidate.commit.short();
    Some(match (ships.matches, passed(entering, upstream, true)) {
        (_, None) => Verdict::wait("ships", format!("{upstream} has not held exactly commit {short}"))
            .next(format!("tag the commit that was tested in {upstream}, or promote this one there")),
        (ShipsMatch::Commit, Some(_)) => Verdict::yes("ships", format!("commit {short} was tested in {upstream}")),
        (ShipsMatch::Digest, Some(_)) => Verdict::no(
            "ships-digest",
            "`match: digest` needs a look into the image registry, which this version cannot do",
        )
        .next("use `match: commit` in `ships`"),
    })
}

/// It has been upstream for long enough.
fn soak(entering: &Entering<'_>) -> Option<Verdict> {
    let soak = entering.environment.soak?;
    // The latest of the upstream environments counts: every one of them must have held it for long enough.
    let upstream = entering.environment.after.iter().map(|env| passed(entering, env, false).map(|held| held.since));
    let since = upstream.collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().max());
    Some(match since.map(|since| since + soak) {
        None => Verdict::wait("soak", format!("soak of {soak:#} has not begun"))
            .next(format!("it begins once {} holds this commit", entering.environment.after.join(" and "))),
        Some(end) if end <= entering.now() => Verdict::yes("soak", format!("soaked for {soak:#}")),
        Some(end) => Verdict::wait("soak", format!("soaks for {soak:#}")).until(end),
    })
}

/// A check the configuration names: on the source commit, or on the promotion's head once there is one.
fn named_check(entering: &Entering<'_>, wanted: &NamedCheck, pull: Option<&Pull>, needs: &mut Vec<Need>) -> Verdict {
    let name = &wanted.name;
    let (repo, commit) = match (wanted.of, pull) {
        (CheckOf::Source, _) => (entering.source.repo.id, entering.candidate.commit),
        (CheckOf::Promotion, Some(pull)) => (entering.snapshot.common.repo.id, pull.brief.head),
        (CheckOf::Promotion, None) => {
            return Verdict::wait("check", format!("needs the check {name} on the promotion's pull request"))
                .next("it runs once the pull request is open");
        }
    };
    let Some(checks) = entering.snapshot.facts.checks.get(&(repo, commit)) else {
        return unknown(entering.snapshot, needs, Need::Checks { repo, commit }, "check", &format!("the check {name}"));
    };
    // Anybody's App may post a check of any name: where the configuration names the App, only its word counts.
    let from = wanted.app.as_ref().map_or_else(String::new, |app| format!(" of {app}"));
    let mine = checks.iter().filter(|check| check.name == *name);
    let states = mine.filter(|check| wanted.app.as_ref().is_none_or(|app| check.app == *app)).map(|check| check.state);
    let short = commit.short();
    match states.max() {
        None => Verdict::wait("check", format!("the check {name}{from} has not reported on {short} yet"))
            .next("it goes on by itself once it reports success"),
        Some(CheckState::Pending) => {
            Verdict::wait("check", format!("the check {name}{from} is still running on {short}"))
                .next("it goes on by itself once it reports success")
        }
        Some(CheckState::Failed) => Verdict::no("check-failed", format!("the check {name}{from} failed on {short}"))
            .next("fix what it found, or re-run it"),
        Some(CheckState::Passed) => Verdict::yes("check", format!("the check {name}{from} passed on {short}")),
    }
}

/// Nobody holds this environment.
pub(super) fn holds(entering: &Entering<'_>) -> Vec<Verdict> {
    entering.entry().holds.iter().map(|hold| held(&entering.environment.name, hold)).collect()
}

fn held(environment: &str, hold: &crate::model::ledger::Hold) -> Verdict {
    let reason = if hold.reason.is_empty() { String::new() } else { format!(": {}", hold.reason) };
    Verdict::wait("held", format!("held by {} since {}{reason}", hold.by, date(hold.at)))
        .next(format!("{} or somebody with the rollback right comments `/trunkline unhold {environment}`", hold.by))
}

/// Enough people approved who had no hand in it.
fn approved(entering: &Entering<'_>, wanted: &Approvals, pull: Option<&Pull>, needs: &mut Vec<Need>) -> Verdict {
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
    for review in pull.reviews.iter().filter(|review| review.state == ReviewState::Approved && !review.author.bot) {
        let who = &review.author.login;
        let reason = if involved.contains(&who.to_lowercase()) {
            Some(("four-eyes", "they tagged, wrote or asked for this version".to_owned()))
        } else {
            counts(entering.snapshot, wanted, review, pull, needs).map(|reason| ("approval", reason))
        };
        match reason {
            Some((code, reason)) => {
                because.push(Verdict::no(code, format!("{who}'s approval does not count: {reason}")));
            }
            None => good.push(who.as_str()),
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

/// Why a review does not count, or `None` when it does.
fn counts(
    snapshot: &Snapshot,
    wanted: &Approvals,
    review: &Review,
    pull: &Pull,
    needs: &mut Vec<Need>,
) -> Option<String> {
    if review.commit != Some(pull.brief.head) {
        return Some("it is for an older commit".to_owned());
    }
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

fn changes_requested(pull: &Pull) -> Option<Verdict> {
    let who: Vec<&str> = pull
        .reviews
        .iter()
        .filter(|review| review.state == ReviewState::ChangesRequested && !review.author.bot)
        .map(|review| review.author.login.as_str())
        .collect();
    (!who.is_empty()).then(|| {
        Verdict::wait("changes-requested", format!("{} asked for changes", who.join(", ")))
            .next("they approve or dismiss their review, or close the pull request")
    })
}

/// A gate that cannot be judged yet: waiting, with the question noted; fails closed when there is no answer to be had.
fn unknown(snapshot: &Snapshot, needs: &mut Vec<Need>, need: Need, code: &str, what: &str) -> Verdict {
    match snapshot.facts.unmet.get(&need) {
        Some(why) => Verdict::new(Answer::Wait, code, format!("{what} cannot be read: {why}"))
            .next("give the App the permission it lacks, then comment `/trunkline retry`"),
        None => {
            needs.push(need);
            Verdict::wait(code, format!("looking up {what}"))
        }
    }
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

/// A time as people read it, always in UTC, so that the text does not change with the reader.
pub(super) fn date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
