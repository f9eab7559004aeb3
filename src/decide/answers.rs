//! What answers and comments are made of: how things stand, as the inputs of `report`.

use jiff::Timestamp;

use super::promotions::{Standing, open_promotion};
use super::texts::{audience, entries, short_version, written};
use super::versions::{Candidate, Cause, read_branch};
use crate::model::finding::{Delta, Evaluation};
use crate::model::id::Oid;
use crate::model::ledger::Entry;
use crate::model::pipeline::{App, Pipeline};
use crate::model::plan::Need;
use crate::model::snapshot::{Configuration, Holding, Holdings, PipelineFacts, Pull, Snapshot};
use crate::model::verdict::Answer;
use crate::policy::evaluate::CONFIG;
use crate::report::configuration::{ConfigurationInput, Says, configuration as told};
use crate::report::difference::{DifferenceInput, Side, difference};
use crate::report::history::{Event, HistoryInput, What};
use crate::report::picture::{Place, Stop, picture as drawn};
use crate::report::promotion::{Audience, ChangelogEntry};
use crate::report::reply::{self, StatusRow, Step, Writes};

/// An application with what is known of it, and how its environments stand.
pub(super) type Stands<'b> = (&'b App, PipelineFacts, Vec<Standing<'b>>);

fn held<'f>(facts: &'f PipelineFacts, environment: &str) -> Option<&'f Holding> {
    facts.environments.get(environment)?.history.first()
}

fn source_url(facts: &PipelineFacts) -> &str {
    facts.source.as_ref().map_or("", |source| &source.repo.url)
}

fn row<'a>(app: &'a App, facts: &'a PipelineFacts, standing: &'a Standing<'_>) -> StatusRow<'a> {
    let now = held(facts, &standing.environment.name);
    let open = standing.candidate.as_ref().and_then(|candidate| {
        let pull = open_promotion(facts, &candidate.branch(&app.name, &standing.environment.name))?;
        Some((candidate.version.as_str(), pull.number))
    });
    StatusRow {
        environment: &standing.environment.name,
        app: &app.name,
        version: now.and_then(|now| now.version.as_deref()).map(short_version),
        commit: now.and_then(|now| now.commit),
        source_url: source_url(facts),
        since: now.map(|now| now.since),
        open,
        verdict: Some(&standing.verdict),
    }
}

/// How a few applications stand, with every reason.
pub(super) fn status(snapshot: &Snapshot, all: &[Stands<'_>]) -> String {
    let rows = |(app, facts, standings): &'_ Stands<'_>| {
        let rows: Vec<StatusRow<'_>> = standings.iter().map(|standing| row(app, facts, standing)).collect();
        reply::status(&rows, &snapshot.common.repo.url)
    };
    all.iter().map(rows).collect::<Vec<_>>().join("\n\n")
}

/// How many applications stand: what is in trouble or waits, newest first, and numbers for the rest.
pub(super) fn status_of_many(snapshot: &Snapshot, all: &[Stands<'_>]) -> String {
    let standings = || all.iter().flat_map(|(app, facts, standings)| standings.iter().map(move |s| (*app, facts, s)));
    let mut troubled: Vec<_> = standings()
        .filter(|(_, _, standing)| standing.candidate.is_some() || standing.verdict.answer != Answer::Yes)
        .map(|(app, facts, standing)| {
            let entry = snapshot.common.ledger.entry(&app.name, &standing.environment.name);
            (standing.verdict.answer, began(facts, &entry, standing), row(app, facts, standing))
        })
        .collect();
    troubled.sort_by_key(|(answer, began, _)| std::cmp::Reverse((*answer, *began)));
    let rows: Vec<StatusRow<'_>> = troubled.into_iter().map(|(_, _, row)| row).collect();
    reply::status_of_many(&rows, (all.len(), standings().count()), &snapshot.common.repo.url)
}

/// When what an environment waits for began, as far as anybody knows.
fn began(facts: &PipelineFacts, entry: &Entry, standing: &Standing<'_>) -> Option<Timestamp> {
    let held = entry.holds.iter().map(|hold| hold.at).max();
    let wanted = standing.candidate.as_ref().and_then(|candidate| match (&candidate.cause, &candidate.tag) {
        (Cause::Asked(request) | Cause::Rollback(request), _) => Some(request.at),
        (Cause::Newest, Some(tag)) => entry.tags.get(&tag.name).map(|pin| pin.at),
        (Cause::Newest, None) => facts.source.as_ref()?.trunk.as_ref().map(|tip| tip.at),
    });
    held.max(wanted)
}

/// What would happen in each environment that something wants into.
pub(super) fn steps<'a>(
    snapshot: &Snapshot,
    app: &'a App,
    facts: &'a PipelineFacts,
    standings: &'a [Standing<'_>],
) -> Vec<Step<'a>> {
    // That Flux writes there is all there is to know, and people ask why nothing happens.
    let wants = |standing: &&Standing<'_>| {
        let verdict = &standing.verdict;
        standing.candidate.is_some() || verdict.answer != Answer::Yes || verdict.code == "left-to-flux"
    };
    let step = |standing: &'a Standing<'_>| Step {
        app: &app.name,
        environment: &standing.environment.name,
        verdict: &standing.verdict,
        writes: standing.candidate.as_ref().map(|candidate| writes(snapshot, app, facts, (standing, candidate))),
    };
    standings.iter().filter(wants).map(step).collect()
}

fn writes(
    snapshot: &Snapshot,
    app: &App,
    facts: &PipelineFacts,
    (standing, candidate): (&Standing<'_>, &Candidate),
) -> Writes {
    let environment = standing.environment;
    let open = open_promotion(facts, &candidate.branch(&app.name, &environment.name)).map(|pull| pull.number);
    let nothing = Holdings::default();
    let holdings = facts.environments.get(&environment.name).unwrap_or(&nothing);
    Writes {
        images: written(app, candidate, holdings),
        fields: holdings.fields.iter().map(|field| field.location.clone()).collect(),
        via: environment.via,
        merge: environment.merge,
        open: open.map(|number| (number, format!("{}/pull/{number}", snapshot.common.repo.url))),
    }
}

/// The two sides of a comparison; what must be known first is asked for.
pub(super) fn sides<'a>(
    snapshot: &'a Snapshot,
    app: &'a App,
    facts: &'a PipelineFacts,
    (from, to): (&'a str, &'a str),
    needs: &mut Vec<Need>,
) -> [Side<'a>; 2] {
    let mut side = |name: &'a str, other: &str| {
        let now = held(facts, name);
        let commits = now.and_then(|now| now.commit).zip(held(facts, other).and_then(|now| now.commit));
        let holds = now.and_then(|now| Some((short_version(now.version.as_deref()?), now.commit, now.since)));
        let alone = commits.and_then(|(to, from)| between(snapshot, app, (from, to), needs));
        Side { name, holds, alone }
    };
    [side(from, to), side(to, from)]
}

fn between(
    snapshot: &Snapshot,
    app: &App,
    (from, to): (Oid, Oid),
    needs: &mut Vec<Need>,
) -> Option<(Vec<ChangelogEntry>, usize)> {
    if from == to {
        return Some((Vec::new(), 0));
    }
    let found = snapshot.facts.changelogs.get(&(app.name.clone(), Some(from), to));
    let need = Need::Changelog { app: app.name.clone(), from: Some(from), to };
    if found.is_none() && !snapshot.facts.unmet.contains_key(&need) {
        needs.push(need);
    }
    found.map(|changelog| (entries(changelog), changelog.total))
}

/// The answer to `diff`.
pub(super) fn diff(
    snapshot: &Snapshot,
    (app, facts): (&App, &PipelineFacts),
    sides: [Side<'_>; 2],
    found: Option<&Evaluation>,
) -> String {
    let repo = &snapshot.common.repo;
    difference(&DifferenceInput {
        app: &app.name,
        sides,
        source_url: source_url(facts),
        audience: facts.source.as_ref().map_or(Audience::Wider, |source| audience(snapshot, source)),
        evaluation: found,
        repo_url: &repo.url,
        at: repo.tip.unwrap_or(Oid::ZERO),
    })
}

/// What happened in one environment, newest first.
pub(super) fn history<'a>(
    snapshot: &'a Snapshot,
    facts: &'a PipelineFacts,
    key: &'a (String, String),
) -> HistoryInput<'a> {
    /// Of decisions and versions together; who wants more asks git.
    const MAX_EVENTS: usize = 20;
    let decided = snapshot.facts.decisions.get(key).into_iter().flatten();
    let decided = decided.map(|one| Event { at: one.at, what: What::Decided(&one.what, one.link.as_deref()) });
    let came = facts.environments.get(&key.1).into_iter().flat_map(|held| &held.history);
    let came = came.filter_map(|one| {
        let version = short_version(one.version.as_deref()?);
        Some(Event { at: one.since, what: What::Came(version, one.commit, one.by) })
    });
    let mut events: Vec<Event<'_>> = came.chain(decided).collect();
    events.sort_by_key(|event| std::cmp::Reverse(event.at));
    events.truncate(MAX_EVENTS);
    HistoryInput { environment: &key.1, events }
}

/// The answer to `history`.
pub(super) fn happened(snapshot: &Snapshot, app: &App, facts: &PipelineFacts, all: &[HistoryInput<'_>]) -> String {
    crate::report::history::history(&app.name, all, &snapshot.common.repo.url, source_url(facts))
}

/// The answer to `validate`: about the pull request, or about the default branch.
pub(super) fn configuration(snapshot: &Snapshot, pull: Option<(&Pull, &Evaluation)>) -> String {
    let repo = &snapshot.common.repo;
    let now = match &snapshot.common.config {
        Configuration::Valid(pipeline) => Some(pipeline),
        Configuration::Missing | Configuration::Broken(_) => None,
    };
    let brings = pull.and_then(|(pull, evaluation)| {
        let wrong = |finding: &&crate::model::finding::Finding| finding.rule == CONFIG && finding.delta != Delta::Fixed;
        let wrong: Vec<_> = evaluation.findings.iter().filter(wrong).collect();
        let problems = wrong.iter().map(|one| (one.location.as_ref(), one.message.as_str(), one.fix.as_str()));
        let says = match &evaluation.proposed {
            Some(pipeline) => Says::Valid(pipeline),
            None if wrong.is_empty() => return None,
            None => Says::Problems(problems.collect()),
        };
        Some((pull.brief.head, says))
    });
    let (head, of, says, now) = match brings {
        Some((head, says)) => (head, "this pull request", says, now),
        None => {
            let says = match &snapshot.common.config {
                Configuration::Missing => Says::Nothing,
                Configuration::Valid(pipeline) => Says::Valid(pipeline),
                Configuration::Broken(problems) => {
                    let told = problems.iter().map(|problem| {
                        (
                            problem.location.as_ref(),
                            problem.message.as_str(),
                            problem.help.as_deref().unwrap_or_default(),
                        )
                    });
                    Says::Problems(told.collect())
                }
            };
            let of = if pull.is_some() {
                "the default branch, which this pull request does not change,"
            } else {
                "the default branch"
            };
            (repo.tip.unwrap_or(Oid::ZERO), of, says, None)
        }
    };
    told(&ConfigurationInput { repo_url: &repo.url, head, of, says, now })
}

/// The picture on one of our promotions; nothing where its pipeline cannot be read.
pub(super) fn picture(snapshot: &Snapshot, pipeline: &Pipeline, pull: &Pull) -> String {
    let Some((entering, app, _)) = read_branch(&pull.brief.branch) else { return String::new() };
    let Some(facts) = snapshot.facts.pipelines.get(app) else { return String::new() };
    let here = pipeline.environments.iter().filter(|environment| facts.environments.contains_key(&environment.name));
    let places: Vec<Place<'_>> = here
        .map(|environment| {
            let here = |branch: &&str| read_branch(branch).is_some_and(|(into, ..)| into == environment.name);
            let own = Some(pull.brief.branch.as_str()).filter(here);
            let open = facts.promotions.iter().map(|open| (open.number, open.branch.as_str()));
            let newest = open.filter(|(_, branch)| here(branch)).max().map(|(_, branch)| branch);
            let ledger = &snapshot.common.ledger;
            let entry = ledger.entry(app, &environment.name);
            let frozen = ledger.freezes.on(&environment.name, snapshot.common.now).next().is_some();
            Place {
                name: &environment.name,
                version: held(facts, &environment.name).and_then(|now| now.version.as_deref()).map(short_version),
                after: &environment.after,
                waiting: own.or(newest).and_then(promoted),
                stop: if frozen { Some(Stop::Frozen) } else { (!entry.holds.is_empty()).then_some(Stop::Held) },
            }
        })
        .collect();
    drawn(app, &places, entering)
}

/// The version a promotion's branch is named after.
fn promoted(branch: &str) -> Option<&str> {
    let (_, _, promotion) = read_branch(branch)?;
    Some(promotion.rsplit_once('-').map_or(promotion, |(version, _)| version))
}
