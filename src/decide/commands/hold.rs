//! A person's stop on one environment, and its end.

use super::{Outcome, Run, Target};
use crate::command::Right as Act;
use crate::model::ledger::Hold;
use crate::model::pipeline::Pipeline;
use crate::model::verdict::Verdict;

impl Run<'_, '_> {
    pub(super) fn hold(&mut self, pipeline: &Pipeline, target: Target<'_>, reason: Option<&str>) -> Outcome {
        let (app, environment) = match self.target(pipeline, target) {
            Ok(target) => target,
            Err(outcome) => return outcome,
        };
        if let Err(outcome) = self.right(Act::Triage, Some(environment)) {
            return outcome;
        }
        let hold = self.held(reason.unwrap_or_default());
        let reason = if hold.reason.is_empty() { String::new() } else { format!(": {}", hold.reason) };
        let why = format!("{} holds {} in {}{reason}", self.comment.author.login, app.name, environment.name);
        self.record(pipeline, app, environment, why, |entry| entry.hold(hold))
    }

    pub(super) fn unhold(&mut self, pipeline: &Pipeline, target: Target<'_>) -> Outcome {
        let (app, environment) = match self.target(pipeline, target) {
            Ok(target) => target,
            Err(outcome) => return outcome,
        };
        if self.snapshot.common.ledger.entry(&app.name, &environment.name).has_decision(self.comment.id) {
            return self.recorded_before(app);
        }
        let entry = self.draft.entry(&app.name, &environment.name);
        if entry.holds.is_empty() {
            let text = format!("nothing holds {} in {}", app.name, environment.name);
            let next = format!("`/trunkline status {}` shows what it waits for", environment.name);
            return Outcome::Refused(Verdict::no("not-held", text).next(next));
        }
        let me = self.comment.author.login.clone();
        let mine = entry.holds.iter().any(|hold| hold.by.eq_ignore_ascii_case(&me));
        let everything = match self.right(Act::Rollback, Some(environment)) {
            Ok(()) => true,
            Err(Outcome::Unknown) => return Outcome::Unknown,
            Err(_) if mine => false,
            Err(Outcome::Done(_)) => return Outcome::Done(None),
            Err(Outcome::Refused(why)) => {
                let whose: Vec<&str> = entry.holds.iter().map(|hold| hold.by.as_str()).collect();
                let text =
                    format!("{} holds it, and you may only lift a hold of your own: {}", whose.join(", "), why.text);
                return Outcome::Refused(
                    Verdict::no("not-allowed", text)
                        .next("each lifts their own hold; somebody with the rollback right lifts all"),
                );
            }
        };
        let what = if everything && entry.holds.len() > 1 { "every hold" } else { "the hold" };
        let why = format!("{me} lifts {what} on {} in {}", app.name, environment.name);
        self.record(pipeline, app, environment, why, move |entry| {
            entry.holds.retain(|hold| !everything && !hold.by.eq_ignore_ascii_case(&me));
        })
    }

    pub(super) fn held(&self, reason: &str) -> Hold {
        Hold {
            by: self.comment.author.login.clone(),
            at: self.comment.at,
            reason: reason.to_owned(),
            link: self.comment.url.clone(),
        }
    }
}
