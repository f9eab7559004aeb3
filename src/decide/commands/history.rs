//! What happened: decisions from the ledger's commits, versions from the folders'.

use super::{Outcome, Run};
use crate::command::Right as Act;
use crate::decide::{answers, ask, texts};
use crate::model::pipeline::Pipeline;
use crate::model::plan::Need;

impl Run<'_, '_> {
    pub(super) fn history(&mut self, pipeline: &Pipeline, environment: Option<&str>, app: Option<&str>) -> Outcome {
        if let Err(outcome) = self.right(Act::Read, None) {
            return outcome;
        }
        if let Some(name) = environment.filter(|name| pipeline.environment(name).is_none()) {
            return Outcome::Refused(texts::unknown_environment(pipeline, name));
        }
        let app = match self.app(pipeline, app) {
            Ok(app) => app,
            Err(outcome) => return outcome,
        };
        let known = self.plan.needs.len();
        let environments = pipeline.environments.iter().map(|one| one.name.clone());
        let wanted = environments.filter(|name| environment.is_none_or(|only| name == only));
        let keys: Vec<(String, String)> = wanted.map(|name| (app.name.clone(), name)).collect();
        for (app, environment) in keys.iter().filter(|key| !self.snapshot.facts.decisions.contains_key(*key)) {
            let need = Need::Decisions { app: app.clone(), environment: environment.clone() };
            ask(self.snapshot, self.plan, need);
        }
        let facts = match self.facts(app) {
            Ok(facts) => facts.clone(),
            Err(outcome) => return outcome,
        };
        if self.plan.needs.len() > known {
            return Outcome::Unknown;
        }
        let all: Vec<_> = keys.iter().map(|key| answers::history(self.snapshot, &facts, key)).collect();
        Outcome::Done(Some(answers::happened(self.snapshot, app, &facts, &all)))
    }
}
