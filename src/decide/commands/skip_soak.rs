//! One version that need not soak.

use super::{Outcome, Run, Target};
use crate::command::Right as Act;
use crate::decide::{texts, versions};
use crate::model::ledger::Skip;
use crate::model::pipeline::{App, Environment, Pipeline};
use crate::model::snapshot::PipelineFacts;
use crate::model::verdict::{Answer, Verdict};
use crate::report::markdown::code;
use versions::{Candidate, Looking};

impl Run<'_, '_> {
    pub(super) fn skip_soak(&mut self, pipeline: &Pipeline, target: Target<'_>, reason: &str) -> Outcome {
        let (app, environment) = match self.target(pipeline, target) {
            Ok(target) => target,
            Err(outcome) => return outcome,
        };
        if let Err(outcome) = self.right(Act::Bypass, Some(environment)) {
            return outcome;
        }
        let Some(soak) = environment.soak else {
            let text = format!("{} has no soak to skip", environment.name);
            return Outcome::Refused(Verdict::no("no-soak", text).next("nothing: versions enter without one"));
        };
        let said = |skip: &Skip| {
            let version = code(texts::short_version(&skip.version));
            format!(
                "{version} enters {} without the soak of {soak:#}; every other gate stays.",
                code(&environment.name)
            )
        };
        let entry = self.snapshot.common.ledger.entry(&app.name, &environment.name);
        if entry.has_decision(self.comment.id) {
            let answer = entry.skips.iter().find(|skip| skip.link == self.comment.url).map(said);
            self.recorded_before(app);
            return Outcome::Done(answer);
        }
        let facts = self.facts(app).cloned();
        let known = self.plan.needs.len();
        let wanted = facts.map(|facts| self.wanted(app, environment, &facts));
        if self.plan.needs.len() > known {
            return Outcome::Unknown;
        }
        let candidate = match wanted {
            Ok(Ok(candidate)) => candidate,
            Ok(Err(why)) => return Outcome::Refused(Verdict { answer: Answer::No, ..why }),
            Err(outcome) => return outcome,
        };
        let skip = Skip {
            version: candidate.version.clone(),
            commit: candidate.commit,
            by: self.comment.author.login.clone(),
            at: self.comment.at,
            reason: reason.to_owned(),
            link: self.comment.url.clone(),
        };
        let answer = said(&skip);
        let why = format!("{} skips the soak of {} {} in {}", skip.by, app.name, skip.version, environment.name);
        match self.record(pipeline, app, environment, why, |entry| entry.skip_soak(skip)) {
            Outcome::Done(_) => Outcome::Done(Some(answer)),
            other => other,
        }
    }

    /// The version that wants in, if it is the one the author of the comment looked at: the one of this promotion, or one that was there
    /// before the comment.
    fn wanted(&mut self, app: &App, environment: &Environment, facts: &PipelineFacts) -> Result<Candidate, Verdict> {
        let Some(source) = &facts.source else {
            return Err(texts::unreadable_source(app));
        };
        let entry = self.snapshot.common.ledger.entry(&app.name, &environment.name);
        let looking = Looking { snapshot: self.snapshot, app, environment, facts, source, entry: &entry };
        let candidate = versions::wanted(&looking, &mut self.plan.needs)?;
        let mine = candidate.branch(&app.name, &environment.name);
        let other = self.subject.pull.as_ref().is_some_and(|pull| {
            let promotes = versions::read_branch(&pull.brief.branch);
            promotes.is_some_and(|(into, of, _)| into == environment.name && of == app.name)
                && pull.brief.branch != mine
        });
        let pinned = candidate.tag.as_ref().and_then(|tag| entry.tags.get(&tag.name));
        if other || pinned.is_some_and(|pin| pin.at > self.comment.at) {
            let text = format!("{} wants into {} by now", candidate.version, environment.name);
            return Err(Verdict::no("superseded", text).next("look at that version, then repeat the command"));
        }
        Ok(candidate)
    }
}
