//! Versions people ask for: forward by `promote`, back by `rollback`.

use super::{Outcome, Run, Target};
use crate::command::Right as Act;
use crate::decide::texts;
use crate::decide::versions::{self, Looking};
use crate::model::id::Oid;
use crate::model::ledger::Request;
use crate::model::pipeline::{App, Environment, Pipeline, Takes};
use crate::model::plan::Need;
use crate::model::snapshot::{Holding, Holdings, PipelineFacts, Snapshot};
use crate::model::verdict::{Answer, Verdict};
use crate::model::version::Version;

impl Run<'_, '_> {
    pub(super) fn promote(
        &mut self,
        pipeline: &Pipeline,
        target: Target<'_>,
        version: Option<&str>,
        force: Option<&str>,
    ) -> Outcome {
        let (app, environment) = match self.target(pipeline, target) {
            Ok(target) => target,
            Err(outcome) => return outcome,
        };
        let act = if force.is_some() { Act::Bypass } else { Act::Promote };
        if let Err(outcome) = self.right(act, Some(environment)) {
            return outcome;
        }
        let facts = match self.facts(app) {
            Ok(facts) => facts.clone(),
            Err(outcome) => return outcome,
        };
        let known = self.plan.needs.len();
        let found = newest_or(self.snapshot, (app, environment), &facts, version, &mut self.plan.needs);
        if self.plan.needs.len() > known {
            return Outcome::Unknown;
        }
        let (version, commit) = match found {
            Ok(found) => found,
            Err(why) => return Outcome::Refused(why),
        };
        let request = Request { forced: force.map(str::to_owned), ..self.request(&version, commit) };
        let force = force.map_or(String::new(), |reason| format!(", by force: {reason}"));
        let why =
            format!("{} asks for {} {version} in {}{force}", self.comment.author.login, app.name, environment.name);
        self.record(pipeline, app, environment, why, |entry| {
            request.promotion().iter().for_each(|promotion| entry.lift(promotion));
            entry.requests.push(request);
        })
    }

    pub(super) fn rollback(&mut self, pipeline: &Pipeline, target: Target<'_>, version: Option<&str>) -> Outcome {
        let (app, environment) = match self.target(pipeline, target) {
            Ok(target) => target,
            Err(outcome) => return outcome,
        };
        if let Err(outcome) = self.right(Act::Rollback, Some(environment)) {
            return outcome;
        }
        let back = self.facts(app).map(|facts| passed_before(facts.environments.get(&environment.name), version));
        let (version, commit) = match back {
            Ok(Some(found)) => found,
            Ok(None) => return Outcome::Refused(texts::nothing_to_go_back_to(environment, version)),
            Err(outcome) => return outcome,
        };
        let request = self.request(&version, commit);
        let hold = self.held(&format!("rollback to {version}"));
        let why = format!(
            "{} takes {} in {} back to {version}, and holds it",
            self.comment.author.login, app.name, environment.name
        );
        self.record(pipeline, app, environment, why, |entry| {
            entry.rollbacks.push(request);
            entry.hold(hold);
        })
    }

    fn request(&self, version: &str, commit: Option<Oid>) -> Request {
        Request {
            version: version.to_owned(),
            commit,
            by: self.comment.author.login.clone(),
            at: self.comment.at,
            link: self.comment.url.clone(),
            forced: None,
        }
    }
}
/// The version a `/promote` means: the one named, or the newest the environment takes.
pub(super) fn newest_or(
    snapshot: &Snapshot,
    (app, environment): (&App, &Environment),
    facts: &PipelineFacts,
    version: Option<&str>,
    needs: &mut Vec<Need>,
) -> Result<(String, Option<Oid>), Verdict> {
    let Some(source) = &facts.source else {
        return Err(texts::unreadable_source(app));
    };
    let nothing = Holdings::default();
    let holdings = facts.environments.get(&environment.name).unwrap_or(&nothing);
    let Some(version) = version else {
        let looking = Looking { snapshot, app, environment, facts, source, entry: &Default::default() };
        let found = versions::wanted(&looking, needs);
        return found.map(|candidate| (candidate.version.clone(), Some(candidate.commit))).map_err(|verdict| {
            let other = || format!("name a version: `/promote {} <version>`", environment.name);
            Verdict { answer: Answer::No, next: verdict.next.clone().or_else(|| Some(other())), ..verdict }
        });
    };
    if environment.takes == Takes::Trunk {
        let tip = source.trunk.as_ref().filter(|tip| version.len() >= 7 && tip.id.to_string().starts_with(version));
        return match tip {
            Some(tip) => Ok((tip.id.short(), Some(tip.id))),
            None => {
                let text = format!("{} takes trunk, and `{version}` is not its newest commit", environment.name);
                Err(Verdict::no("unknown-version", text).next(format!("comment `/promote {}`", environment.name)))
            }
        };
    }
    let tag = source.tags.iter().find(|tag| versions::names(app, tag, version));
    let Some(tag) = tag else { return Err(texts::unknown_version(app, source, version)) };
    let wanted = versions::version_of(app, tag);
    let held = holdings.history.first().and_then(|now| now.version.as_deref()).and_then(Version::parse);
    if let (Some(held), Some(wanted)) = (&held, &wanted)
        && wanted <= held
    {
        if wanted == held {
            let text = format!("{} holds {held} already", environment.name);
            return Err(Verdict::no("already-there", text).next("nothing: it is there"));
        }
        let text = format!("{} holds {held}, which is higher than {wanted}", environment.name);
        return Err(
            Verdict::no("lower", text).next(format!("to go back, comment `/rollback {} {wanted}`", environment.name))
        );
    }
    if !tag.reachable {
        let text = format!("the tag {} is on a commit that neither trunk nor a release branch reaches", tag.name);
        return Err(
            Verdict::no("not-on-trunk", text).next("merge the commit, or list its branch under `release-branches`")
        );
    }
    if environment.takes == Takes::Releases && wanted.as_ref().is_some_and(Version::is_prerelease) {
        let text = format!("{} takes releases, and {} is a pre-release", environment.name, tag.name);
        return Err(Verdict::no("not-taken", text).next("tag the commit as a release"));
    }
    Ok((wanted.map_or_else(|| tag.name.clone(), |v| v.to_string()), Some(tag.commit)))
}

/// The version to go back to: the one named, or the last another one than now, if it passed here before.
fn passed_before(holdings: Option<&Holdings>, version: Option<&str>) -> Option<(String, Option<Oid>)> {
    let holdings = holdings?;
    let now = holdings.history.first()?;
    let mut before = holdings.history.iter().skip(1).filter(|old| old.commit.is_some() && old.tags != now.tags);
    let wanted = |old: &&Holding| {
        let Some(version) = version else { return old.version.is_some() };
        old.version.as_deref().is_some_and(|held| {
            held == version
                || held.strip_prefix('v') == Some(version)
                || held.starts_with(version) && version.len() >= 7
        })
    };
    let found = before.find(wanted)?;
    let name = found.version.clone()?;
    // A trunk version is a full commit; people see the short one.
    let shown = if found.commit.is_some_and(|commit| commit.to_string() == name) { name[..7].to_owned() } else { name };
    Some((shown, found.commit))
}
