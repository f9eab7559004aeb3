//! Questions, and the wish to look again: nothing is decided by them.

use super::{Outcome, Run};
use crate::command::Right as Act;
use crate::decide::{promotions, texts};
use crate::model::id::Key;
use crate::model::pipeline::{Mode, Pipeline};
use crate::model::plan::Effect;
use crate::model::snapshot::PullState;
use crate::report::{reply, verdict};

impl Run<'_, '_> {
    pub(super) fn status(
        &mut self,
        pipeline: &Pipeline,
        environment: Option<&str>,
        app: Option<&str>,
        plan: bool,
    ) -> Outcome {
        if let Err(outcome) = self.right(Act::Read, None) {
            return outcome;
        }
        if let Some(name) = environment.filter(|name| pipeline.environment(name).is_none()) {
            return Outcome::Refused(texts::unknown_environment(pipeline, name));
        }
        if let Some(name) = app.filter(|name| pipeline.app(name).is_none()) {
            return Outcome::Refused(texts::unknown_app(pipeline, name));
        }
        let mut parts = Vec::new();
        for app in pipeline.apps.iter().filter(|candidate| app.is_none_or(|name| candidate.name == name)) {
            let facts = match self.facts(app) {
                Ok(facts) => facts.clone(),
                Err(outcome) => return outcome,
            };
            let known = self.plan.needs.len();
            let mut standings = promotions::standings(self.snapshot, pipeline, app, &facts, &mut self.plan.needs);
            if self.plan.needs.len() > known {
                return Outcome::Unknown;
            }
            standings.retain(|standing| environment.is_none_or(|name| standing.environment.name == name));
            parts.push(texts::status(self.snapshot, app, &facts, &standings, plan));
        }
        if let Some(pull) = self.subject.pull.as_ref().filter(|pull| plan && pull.brief.state == PullState::Open) {
            let evaluation = crate::decide::comment::evaluation(self.snapshot, self.subject, self.plan);
            if !self.snapshot.facts.evaluations.contains_key(&(pull.base_tip, pull.brief.head)) {
                return Outcome::Unknown;
            }
            parts.extend(evaluation.map(|evaluation| reply::this_change(&evaluation)).filter(|text| !text.is_empty()));
        }
        if pipeline.mode == Mode::Observe {
            parts.push(verdict::markdown(&texts::observing()));
        }
        Outcome::Done(Some(parts.join("\n\n")))
    }

    pub(super) fn retry(&mut self, pipeline: &Pipeline) -> Outcome {
        if let Err(outcome) = self.right(Act::Write, None) {
            return outcome;
        }
        let repo = self.snapshot.common.repo.id;
        let apps = pipeline.apps.iter().map(|app| Key::Pipeline(repo, app.name.clone()));
        let head = self.subject.pull.iter().map(|pull| Key::Head(repo, pull.brief.head));
        self.plan.effects.extend(apps.chain(head).map(Effect::Wake));
        Outcome::Done(None)
    }
}
