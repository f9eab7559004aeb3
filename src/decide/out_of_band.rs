//! What reached a gated environment past its gates: said everywhere, and never overwritten in silence.
//!
//! Nothing is remembered: the commit that brought a version, and the pull request it came with, tell. A version came as it should when
//! that pull request's head carries our green check (an override makes it green as well), or when we merged or wrote it ourselves; and
//! what stood there at first sight is accepted. Anything else waits for a person's word, with one exception: a version that follows
//! what was pushed, and comes through every gate, takes nothing away. Whoever took an environment back by hand gets what a rollback
//! gets: nothing newer comes by itself.

use jiff::SignedDuration;

use super::gates::Entering;
use super::versions::{Candidate, Cause, is_or_follows};
use super::{ask, ways_in};
use crate::model::facts::Arrival;
use crate::model::ledger::Entry;
use crate::model::pipeline::{App, Environment};
use crate::model::plan::{Need, Plan};
use crate::model::snapshot::{Holding, PipelineFacts, Pull, Snapshot};
use crate::model::verdict::Verdict;
use crate::model::version::Version;

const CODE: &str = "out-of-band";

/// GitHub tells a moment late which pull request a commit came with.
const LAG: SignedDuration = SignedDuration::from_mins(2);

/// How what an environment holds came there.
enum Came {
    /// As it should, or before our time.
    Well,
    /// That is not known yet.
    Unknown(Verdict),
    /// Past the gates: in what way.
    Past(String),
}

/// The gate of whatever takes the place of something that came past the gates.
pub(super) fn gate(entering: &Entering<'_>, pull: Option<&Pull>, needs: &mut Vec<Need>) -> Option<Verdict> {
    let (snapshot, candidate) = (entering.snapshot, entering.candidate);
    let history = entering.history(&entering.environment.name);
    let now = history.first()?;
    if candidate.is_rollback() {
        return None;
    }
    let text = match came(snapshot, entering.environment, (history, &entering.entry()), needs) {
        Came::Well => return None,
        Came::Unknown(verdict) => return Some(verdict),
        Came::Past(how) => told(entering.environment, history, &how),
    };
    let by_hand = pull.is_some_and(|pull| !ways_in::is_promotion(snapshot, pull));
    Some(match (&candidate.cause, went_back(history)) {
        (Cause::Asked(request), _) => Verdict::yes(CODE, format!("{text}; {} asked to replace it", request.by)),
        _ if by_hand => Verdict::yes(CODE, format!("{text}; this replaces it")),
        (_, false) if follows(entering, now, candidate) => {
            Verdict::yes(CODE, format!("{text}; {} follows it", candidate.version))
        }
        _ => Verdict::wait(CODE, text)
            .next(format!("to replace it, comment `/promote {} {}`", entering.environment.name, candidate.version)),
    })
}

/// The same for an environment that nothing wants into, for those who ask how things stand.
pub(super) fn report(
    snapshot: &Snapshot,
    (app, environment): (&App, &Environment),
    facts: &PipelineFacts,
    needs: &mut Vec<Need>,
) -> Option<Verdict> {
    let history = &facts.environments.get(&environment.name)?.history;
    let entry = snapshot.common.ledger.entry(&app.name, &environment.name);
    match came(snapshot, environment, (history, &entry), needs) {
        Came::Well => None,
        Came::Unknown(verdict) => Some(verdict),
        Came::Past(how) => Some(Verdict::wait(CODE, told(environment, history, &how)).next(format!(
            "look at it; what does not follow it comes only when somebody comments `/promote {}`",
            environment.name
        ))),
    }
}

fn came(
    snapshot: &Snapshot,
    environment: &Environment,
    (history, entry): (&[Holding], &Entry),
    needs: &mut Vec<Need>,
) -> Came {
    let Some(now) = history.first() else { return Came::Well };
    let Some(first) = entry.first_sight.as_ref().filter(|_| ways_in::gated(environment)) else { return Came::Well };
    // A commit's time is whatever its author's clock said, so the version decides where it is known.
    let before = now.since <= first.at;
    let met = match &first.holds {
        Some(holds) => now.version.as_ref() == Some(holds) && (before || !went_back(history)),
        None => before,
    };
    if met {
        return Came::Well;
    }
    let Some(arrival) = snapshot.facts.arrivals.get(&now.by) else {
        let mut plan = Plan::default();
        ask(snapshot, &mut plan, Need::Arrival(now.by));
        let text = match plan.needs.is_empty() {
            true => format!("how commit {} came here cannot be read", now.by.short()),
            false => format!("looking up how commit {} came here", now.by.short()),
        };
        needs.append(&mut plan.needs);
        return Came::Unknown(Verdict::wait(CODE, text).next("it goes on once GitHub tells"));
    };
    let Some(pull) = &arrival.pull else {
        let settled = now.since + LAG;
        return if arrival.ours {
            Came::Well
        } else if snapshot.common.now < settled {
            let text = format!("GitHub has not told yet with which pull request commit {} came", now.by.short());
            Came::Unknown(Verdict::wait(CODE, text).until(settled))
        } else {
            Came::Past(format!("commit {} by {}, pushed straight to the branch", now.by.short(), name(arrival)))
        };
    };
    let bot = &snapshot.common.bot;
    let by_us = bot.is(&pull.author) && arrival.by.as_ref().is_some_and(|by| bot.is(by));
    if arrival.green || by_us {
        return Came::Well;
    }
    Came::Past(format!("{} merged #{} before they were open (commit {})", name(arrival), pull.number, now.by.short()))
}

fn name(arrival: &Arrival) -> &str {
    arrival.by.as_ref().map_or("somebody", |by| by.login.as_str())
}

fn told(environment: &Environment, history: &[Holding], how: &str) -> String {
    let version =
        history.first().and_then(|now| now.version.as_deref()).map_or("what is here", super::texts::short_version);
    match went_back(history) {
        true => format!("{} was taken back to {version} by hand: {how}", environment.name),
        false => format!("{version} reached {} past its gates: {how}", environment.name),
    }
}

/// Whether what is here now was here before, or is lower than what it replaced.
fn went_back(history: &[Holding]) -> bool {
    let Some((now, before)) = history.split_first() else { return false };
    let version = |holding: &Holding| holding.version.as_deref().and_then(Version::parse);
    let lower = before.first().and_then(version).zip(version(now)).is_some_and(|(before, now)| now < before);
    lower || before.iter().any(|old| old.tags == now.tags)
}

/// Whether the version that wants in comes after the one that is here, so that nothing of it is lost.
fn follows(entering: &Entering<'_>, now: &Holding, candidate: &Candidate) -> bool {
    now.commit.is_some_and(|held| is_or_follows(&entering.source.descendants, held, candidate.commit))
}
