//! The conditions a promotion waits for, each a verdict with a reason code, in one list that everything shows.

use jiff::Timestamp;

use super::versions::{Candidate, QUIET, is_or_follows};
use super::{approvals, freeze, health, images, out_of_band, windows};
use crate::model::finding::VersionChange;
use crate::model::id::Oid;
use crate::model::ledger::Entry;
use crate::model::pipeline::{App, CheckOf, Environment, NamedCheck, ShipsMatch};
use crate::model::plan::Need;
use crate::model::snapshot::{CheckState, Holding, PipelineFacts, Pull, ReviewState, Snapshot, Source};
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
    /// What the pull request that brings it writes, once there is one.
    pub(super) change: Option<&'a VersionChange>,
}

impl Entering<'_> {
    pub(super) fn entry(&self) -> Entry {
        self.snapshot.common.ledger.entry(&self.app.name, &self.environment.name)
    }

    pub(super) fn history(&self, environment: &str) -> &[Holding] {
        self.facts.environments.get(environment).map_or(&[], |holdings| &holdings.history)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.snapshot.common.now
    }
}

/// Every gate of a promotion; `pull` is its pull request, once there is one.
pub(super) fn all(entering: &Entering<'_>, pull: Option<&Pull>, needs: &mut Vec<Need>) -> Vec<Verdict> {
    let mut gates = exists(entering, pull, needs);
    if entering.candidate.is_rollback() {
        gates.push(Verdict::yes(
            "rollback",
            "a rollback to a version that passed here before skips order, soak, windows, freezes and four eyes",
        ));
    } else if let Some(why) = entering.candidate.forced() {
        gates.push(Verdict::yes("forced", format!("order, ships, soak and windows are passed over: {why}")));
        gates.extend(holds(entering));
        gates.extend(freeze::gates(entering.snapshot, entering.environment, pull, needs));
    } else {
        gates.extend(entering.environment.after.iter().map(|upstream| after(entering, upstream)));
        gates.extend(health::gates(entering));
        gates.extend(ships(entering));
        gates.extend(soak(entering));
        gates.extend(entering.environment.windows.iter().map(|windows| windows::gate(windows, entering.now())));
        gates.extend(holds(entering));
        gates.extend(freeze::gates(entering.snapshot, entering.environment, pull, needs));
    }
    let checks = entering.environment.checks.iter();
    gates.extend(checks.map(|wanted| named_check(entering, wanted, pull, needs)));
    if let Some(approvals) = &entering.environment.approvals {
        gates.push(approvals::gate(entering, approvals, pull, needs));
    }
    gates.extend(pull.and_then(changes_requested));
    gates.extend(super::cancelled::gate(&entering.entry(), entering.candidate, &entering.environment.name));
    gates.extend(out_of_band::gate(entering, pull, needs));
    gates.extend(entering.candidate.notes.iter().cloned());
    gates
}

/// Whether there is such a version: its tag stands, it was built, its images are in their registries.
pub(super) fn exists(entering: &Entering<'_>, pull: Option<&Pull>, needs: &mut Vec<Need>) -> Vec<Verdict> {
    let mut gates = vec![pinned(entering), built(entering, needs)];
    // What is not built has no images to look for.
    if gates.iter().all(|gate| gate.answer == Answer::Yes) {
        gates.extend(images::resolve(entering, pull, needs).map(|images| images.verdict));
    }
    gates
}

/// The tag still names the commit it named when it first started something.
fn pinned(entering: &Entering<'_>) -> Verdict {
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
fn built(entering: &Entering<'_>, needs: &mut Vec<Need>) -> Verdict {
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
        None => {
            let wait = Verdict::wait("not-built", format!("no check has reported on {short} yet"))
                .next("it goes on by itself once a build reports success");
            // When nothing has come until then, the one before it may count.
            let mut trunk = entering.source.trunk.iter().chain(&entering.source.earlier);
            let at = trunk.find(|known| known.id == commit && entering.candidate.tag.is_none()).map(|known| known.at);
            match at.map(|at| at + QUIET).filter(|until| *until > entering.now()) {
                Some(until) => wait.until(until),
                None => wait,
            }
        }
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
            let mut next = format!("promote it to {upstream} first");
            if !entering.environment.rights.bypass.is_empty() {
                let (name, version) = (&entering.environment.name, &entering.candidate.version);
                let teams = entering.environment.rights.bypass.join(" or ");
                next.push_str(&format!("; in an emergency {teams} may `/promote {name} {version} --force \"reason\"`"));
            }
            Verdict::wait("after", format!("{upstream} has not held commit {} yet", entering.candidate.commit.short()))
                .next(next)
        }
    }
}

/// The oldest holding of `upstream` that counts for this commit.
pub(super) fn passed<'a>(entering: &'a Entering<'_>, upstream: &str, exact: bool) -> Option<&'a Holding> {
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
        (ShipsMatch::Digest, Some(_)) => match images::unlisted(entering).first() {
            None => {
                Verdict::yes("ships", format!("commit {short} was tested in {upstream}; only that very image enters"))
            }
            Some(image) => Verdict::no(
                "ships-digest",
                format!("`match: digest` needs a look into the registry of {image}, which is not listed"),
            )
            .next("list it under `registries`, or use `match: commit` in `ships`"),
        },
    })
}

/// It has been upstream for long enough.
fn soak(entering: &Entering<'_>) -> Option<Verdict> {
    let soak = entering.environment.soak?;
    let commit = entering.candidate.commit;
    if let Some(skip) = entering.entry().skips.iter().find(|skip| skip.commit == commit) {
        return Some(Verdict::yes("soak", format!("soak skipped by {}: {}", skip.by, skip.reason)));
    }
    // The latest of the upstream environments counts: every one of them must have held it for long enough.
    let upstream = entering.environment.after.iter().map(|env| health::since(entering, env));
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
pub(super) fn unknown(snapshot: &Snapshot, needs: &mut Vec<Need>, need: Need, code: &str, what: &str) -> Verdict {
    match snapshot.facts.unmet.get(&need) {
        Some(why) => Verdict::new(Answer::Wait, code, format!("{what} cannot be read: {why}"))
            .next("give the App the permission it lacks, then comment `/trunkline retry`"),
        None => {
            needs.push(need);
            Verdict::wait(code, format!("looking up {what}"))
        }
    }
}

/// A time as people read it, always in UTC, so that the text does not change with the reader.
pub(super) fn date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
