//! The end of an open promotion by somebody's word: recorded, so that its pipeline closes it and lets it stay out.

use super::{Outcome, Run};
use crate::command::Right as Act;
use crate::decide::texts;
use crate::decide::versions::read_branch;
use crate::decide::ways_in;
use crate::model::ledger::Cancelled;
use crate::model::pipeline::Pipeline;
use crate::model::verdict::Verdict;

impl Run<'_, '_> {
    pub(super) fn cancel(&mut self, pipeline: &Pipeline, environment: Option<&str>, app: Option<&str>) -> Outcome {
        let here = self.subject.pull.as_ref().filter(|pull| ways_in::is_promotion(self.snapshot, pull));
        let here = here.and_then(|pull| read_branch(&pull.brief.branch));
        let wanted = match (environment, here) {
            (Some(environment), here) => (environment, app.or(here.map(|(_, app, _)| app))),
            (None, Some((environment, own, _))) => (environment, app.or(Some(own))),
            (None, None) => return Outcome::Refused(texts::which_promotion(pipeline)),
        };
        let (app, environment) = match self.target(pipeline, wanted) {
            Ok(target) => target,
            Err(outcome) => return outcome,
        };
        if let Err(outcome) = self.right(Act::Promote, Some(environment)) {
            return outcome;
        }
        // It may be closed already by what this very comment decided.
        if self.snapshot.common.ledger.entry(&app.name, &environment.name).has_decision(self.comment.id) {
            return self.recorded_before(app);
        }
        let promotions = match self.facts(app) {
            Ok(facts) => facts.promotions.clone(),
            Err(outcome) => return outcome,
        };
        let open = promotions.iter().filter_map(|pull| Some((pull.number, read_branch(&pull.branch)?)));
        let into = open.filter(|(_, (into, of, _))| *into == environment.name && *of == app.name);
        let Some((number, (_, _, promotion))) = into.max_by_key(|(number, _)| *number) else {
            let text = format!("no promotion of {} into {} is open", app.name, environment.name);
            return Outcome::Refused(Verdict::no("nothing-open", text).next(format!(
                "`/trunkline status {}` shows what is; to keep promotions out, comment `/trunkline hold {}`",
                environment.name, environment.name
            )));
        };
        let me = self.comment.author.login.clone();
        let why = format!("{me} cancels #{number}: {} {promotion} into {}", app.name, environment.name);
        let cancelled =
            Cancelled { promotion: promotion.to_owned(), by: me, at: self.comment.at, link: self.comment.url.clone() };
        self.record(pipeline, app, environment, why, |entry| entry.cancel(cancelled))
    }
}
