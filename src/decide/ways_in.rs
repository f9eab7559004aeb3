//! Any way in is the same way: whatever pull request changes a version, it meets the same gates.

use std::collections::HashSet;

use super::branch_rules;
use super::gates::{self, Entering};
use super::versions::{self, Candidate, Looking};
use super::{freeze, overrides, texts};
use crate::model::finding::{Evaluation, VersionChange};
use crate::model::pipeline::{App, Environment, Pipeline, Takes};
use crate::model::plan::Need;
use crate::model::snapshot::{PipelineFacts, Pull, Snapshot, Source};
use crate::model::verdict::{Answer, Verdict};
use crate::model::version::Version;

/// What a pull request brings into one environment.
pub(super) struct WayIn<'a> {
    /// The environment.
    pub(super) environment: &'a Environment,
    /// The gates.
    pub(super) verdict: Verdict,
}

/// Whether a pull request is a promotion that we opened.
pub(super) fn is_promotion(snapshot: &Snapshot, pull: &Pull) -> bool {
    snapshot.common.bot.is(&pull.brief.author)
        && !pull.brief.fork
        && versions::read_branch(&pull.brief.branch).is_some()
}

/// Whether one of our promotions has nothing left to say: what it brings is in already, something else is wanted now, or somebody cancelled
/// it. Its pipeline closes it; until then check and comment keep what was last true.
pub(super) fn is_moot(snapshot: &Snapshot, pull: &Pull, evaluation: &Evaluation, ways: &[WayIn<'_>]) -> bool {
    let rejected = |way: &WayIn<'_>| way.verdict.because.iter().any(|reason| reason.code == "rejected");
    let over = |way: &WayIn<'_>| way.verdict.code != "entering" && way.verdict.code != "pipeline" || rejected(way);
    is_promotion(snapshot, pull) && (evaluation.environments.is_empty() || ways.iter().any(over))
}

/// The gates of every version change a pull request makes in a gated environment.
pub(super) fn all<'a>(
    snapshot: &Snapshot,
    pipeline: &'a Pipeline,
    pull: &Pull,
    evaluation: &Evaluation,
    needs: &mut Vec<Need>,
) -> Vec<WayIn<'a>> {
    let mut ways = Vec::new();
    if pull.brief.base != snapshot.common.repo.default_branch {
        return ways;
    }
    // An environment that several apply stands in there once for each; its gates are the same.
    let mut judged = HashSet::new();
    for touched in &evaluation.environments {
        let Some(environment) = pipeline.environment(&touched.environment) else { continue };
        for change in &touched.versions {
            let Some(app) = pipeline.app(&change.app) else { continue };
            if !judged.insert((&touched.environment, change)) {
                continue;
            }
            if !gated(environment) && !is_promotion(snapshot, pull) {
                let frozen = freeze::gates(snapshot, environment, Some(pull), needs);
                if !frozen.is_empty() {
                    let verdict = Verdict::all("entering", format!("{} into {}", app.name, environment.name), frozen);
                    ways.push(WayIn { environment, verdict });
                }
                continue;
            }
            let verdict = match snapshot.facts.pipelines.get(&app.name) {
                Some(facts) => judge(snapshot, (environment, app), (pull, change), facts, needs),
                None => look_up(snapshot, app, needs),
            };
            ways.push(WayIn { environment, verdict });
        }
    }
    ways
}

/// Whether anything stands in front of an environment.
pub(super) fn gated(environment: &Environment) -> bool {
    !environment.after.is_empty()
        || environment.ships.is_some()
        || environment.soak.is_some()
        || environment.approvals.is_some()
        || environment.windows.is_some()
        || environment.health.is_some()
        || !environment.checks.is_empty()
}

fn look_up(snapshot: &Snapshot, app: &App, needs: &mut Vec<Need>) -> Verdict {
    let need = Need::Pipeline(app.name.clone());
    match snapshot.facts.unmet.get(&need) {
        Some(why) => Verdict::wait("pipeline", format!("the versions of {} cannot be read: {why}", app.name))
            .next("check that the App is installed on the source repository, then comment `/trunkline retry`"),
        None => {
            needs.push(need);
            Verdict::wait("pipeline", format!("looking up the versions of {}", app.name)).next("it goes on by itself")
        }
    }
}

fn judge(
    snapshot: &Snapshot,
    (environment, app): (&Environment, &App),
    (pull, change): (&Pull, &VersionChange),
    facts: &PipelineFacts,
    needs: &mut Vec<Need>,
) -> Verdict {
    // Nobody knows who holds it, so that nothing that follows could be relied on.
    if let Some(problem) = snapshot.common.ledger.trouble(&app.name, &environment.name) {
        let headline = format!("{} into {}", app.name, environment.name);
        return Verdict::all("entering", headline, vec![texts::unreadable_ledger(problem)]);
    }
    let Some(source) = &facts.source else {
        return Verdict::wait("source-unreachable", format!("the source of {} cannot be read", app.name))
            .next("install the App on the source repository, or correct `source`");
    };
    let candidate = match candidate(snapshot, (environment, app), (pull, change), (facts, source), needs) {
        Ok(candidate) => candidate,
        Err(verdict) if is_promotion(snapshot, pull) => return verdict,
        Err(verdict) => {
            let mut gates = vec![verdict];
            gates.extend(freeze::gates(snapshot, environment, Some(pull), needs));
            let headline = format!("{} into {}", app.name, environment.name);
            return not_ours(snapshot, (pull, environment), headline, gates);
        }
    };
    let entering = Entering { snapshot, app, environment, facts, source, candidate: &candidate, change: Some(change) };
    let mut because = gates::all(&entering, Some(pull), needs);
    because.extend(foreign_commits(snapshot, pull));
    let headline = format!("{} into {}", candidate.version, environment.name);
    if !is_promotion(snapshot, pull) {
        return not_ours(snapshot, (pull, environment), headline, because);
    }
    because.extend(branch_rules::gate(snapshot, &pull.brief, needs));
    let verdict = Verdict::all("entering", headline, because);
    let open = verdict.answer == Answer::Yes;
    match branch_rules::who_merges(snapshot, &pull.brief, environment.merge).filter(|_| open) {
        Some(who) => verdict.next(who),
        None => verdict,
    }
}

/// The gates of what a person or another bot brings, some of which may be overridden.
fn not_ours(
    snapshot: &Snapshot,
    (pull, environment): (&Pull, &Environment),
    headline: String,
    gates: Vec<Verdict>,
) -> Verdict {
    let mut gates = overrides::pass_over(snapshot, pull, &environment.name, gates);
    // What names no version has no gates but that one, which says it all.
    match gates.len() {
        1 if gates[0].answer != Answer::Yes => gates.remove(0),
        _ => Verdict::all("entering", headline, gates),
    }
}

/// What stands in the way of one of our promotions that somebody else has committed to.
pub(super) fn foreign_commits(snapshot: &Snapshot, pull: &Pull) -> Option<Verdict> {
    let foreign = is_promotion(snapshot, pull) && pull.commit_authors.iter().any(|by| !snapshot.common.bot.is(by));
    let text = "somebody else's commits are on this branch, so Trunkline will not merge it";
    foreign.then(|| {
        Verdict::no("foreign-commits", text).next("close this pull request and open your own, or remove the commits")
    })
}

/// The version a pull request brings, when it names one we know.
fn candidate(
    snapshot: &Snapshot,
    (environment, app): (&Environment, &App),
    (pull, change): (&Pull, &VersionChange),
    (facts, source): (&PipelineFacts, &Source),
    needs: &mut Vec<Need>,
) -> Result<Candidate, Verdict> {
    let nothing = Default::default();
    let holdings = facts.environments.get(&environment.name).unwrap_or(&nothing);
    if is_promotion(snapshot, pull) {
        let entry = snapshot.common.ledger.entry(&app.name, &environment.name);
        let looking = Looking { snapshot, app, environment, facts, source, entry: &entry };
        let wanted = versions::wanted(&looking, needs)?;
        return if wanted.branch(&app.name, &environment.name) == pull.brief.branch {
            Ok(wanted)
        } else {
            Err(Verdict::no("superseded", format!("{} is newer, and takes its place", wanted.version))
                .next("nothing: this one is closed once the newer one is open"))
        };
    }
    let fits = |candidate: &Candidate| {
        let tags = candidate.image_tags(app);
        change.tags.iter().all(|(image, tag)| tags.iter().any(|(name, wanted)| name == image && wanted == tag))
    };
    let tagged = source.tags.iter().filter(|tag| versions::version_of(app, tag).is_some());
    let tagged = tagged.map(|tag| Candidate::tagged(app, tag));
    let on_trunk = source.trunk.iter().chain(&source.earlier).map(|commit| Candidate::on_trunk(commit.id));
    let found = tagged.chain(on_trunk).find(fits).ok_or_else(|| {
        let tags: Vec<&str> = change.tags.values().map(String::as_str).collect();
        Verdict::no("unknown-version", format!("{} names no version of {} we know", tags.join(", "), app.name))
            .next(format!("tag the commit in the source, or comment `/promote {}`", environment.name))
    })?;
    let takes = match environment.takes {
        Takes::Trunk => true,
        Takes::Prereleases => found.tag.is_some(),
        Takes::Releases => Version::parse(&found.version).is_some_and(|version| !version.is_prerelease()),
    };
    if !takes {
        return Err(Verdict::no("not-taken", format!("{} does not take {}", environment.name, found.version))
            .next("tag a release and let it travel"));
    }
    let held = holdings.history.first().and_then(|now| now.version.as_deref()).and_then(Version::parse);
    if let (Some(held), Some(version)) = (held, found.tag.as_ref().and_then(|tag| versions::version_of(app, tag)))
        && version < held
    {
        return Err(Verdict::no("lower", format!("{version} is lower than {held}, which {} holds", environment.name))
            .next(format!("to go back, comment `/rollback {} {version}`", environment.name)));
    }
    Ok(found)
}
