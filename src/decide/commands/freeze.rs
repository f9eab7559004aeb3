//! A freeze and its end: the one decision that is wider than an (app, environment).

use jiff::{SignedDuration, Timestamp};

use super::{Outcome, Run};
use crate::command::{End, Freezing, MAX_FREEZE_DAYS, Right as Act};
use crate::decide::gates::date;
use crate::decide::texts;
use crate::model::id::Key;
use crate::model::pipeline::{Environment, Mode, Pipeline};
use crate::model::verdict::Verdict;
use crate::model::wide::{FREEZES, Freeze, Freezes};
use crate::report::markdown::{code, prose};

impl Run<'_, '_> {
    pub(super) fn freeze(&mut self, pipeline: &Pipeline, asked: &Freezing) -> Outcome {
        let environments = match self.chosen(pipeline, asked.environment.as_deref()) {
            Ok(environments) => environments,
            Err(outcome) => return outcome,
        };
        if let Err(outcome) = self.right_in_all(Act::Freeze, &environments) {
            return outcome;
        }
        let until = match self.end(asked.end.as_ref()) {
            Ok(until) => until,
            Err(why) => return Outcome::Refused(why),
        };
        let names: Vec<String> = environments.iter().map(|environment| environment.name.clone()).collect();
        let freeze = Freeze {
            by: self.comment.author.login.clone(),
            since: self.comment.at,
            until,
            reason: asked.reason.clone(),
            environments: names.clone(),
            except: asked.except.clone(),
            link: self.comment.url.clone(),
        };
        let answer = told(&freeze, asked.environment.as_deref());
        if self.knows_freezes() {
            return self.recorded_before_for_all(answer);
        }
        if self.draft.freezes().is_full(names.len(), self.snapshot.common.now) {
            return Outcome::Refused(
                Verdict::no("too-many-freezes", "there are as many freezes as are ever remembered")
                    .next("lift those that are over with `/unfreeze <env>`"),
            );
        }
        let why = format!("{} freezes {}: {}", freeze.by, names.join(", "), freeze.reason);
        self.record_freezes(why, |freezes| freezes.add(freeze), answer)
    }

    pub(super) fn unfreeze(&mut self, pipeline: &Pipeline, environment: Option<&str>) -> Outcome {
        let mut environments = match self.chosen(pipeline, environment) {
            Ok(environments) => environments,
            Err(outcome) => return outcome,
        };
        let answer = match environment {
            Some(name) => format!("{} is no longer frozen.", code(name)),
            None => "Nothing is frozen any more.".to_owned(),
        };
        if self.knows_freezes() {
            return self.recorded_before_for_all(answer);
        }
        let now = self.snapshot.common.now;
        let frozen = |environment: &&Environment| self.draft.freezes().on(&environment.name, now).next().is_some();
        environments.retain(frozen);
        if environments.is_empty() {
            let text =
                environment.map_or_else(|| "nothing is frozen".to_owned(), |name| format!("{name} is not frozen"));
            let next = "`/trunkline status` shows what everything waits for";
            return Outcome::Refused(Verdict::no("not-frozen", text).next(next));
        }
        if let Err(outcome) = self.right_in_all(Act::Freeze, &environments) {
            return outcome;
        }
        let names: Vec<&str> = environments.iter().map(|environment| environment.name.as_str()).collect();
        let why = format!("{} lifts the freeze of {}", self.comment.author.login, names.join(", "));
        self.record_freezes(why, |freezes| freezes.lift(&names), answer)
    }

    /// Whether a pass that was cut short has written this comment's freezes already.
    fn knows_freezes(&self) -> bool {
        self.snapshot.common.ledger.freezes.decisions.contains(&self.comment.id)
    }

    /// The environments a freeze is about, where freezes can be written at all.
    fn chosen<'p>(&self, pipeline: &'p Pipeline, name: Option<&str>) -> Result<Vec<&'p Environment>, Outcome> {
        if pipeline.mode == Mode::Observe {
            return Err(Outcome::Refused(texts::observing()));
        }
        if let Some(problem) = self.snapshot.common.ledger.wide_trouble(FREEZES) {
            return Err(Outcome::Refused(texts::unreadable_ledger(problem)));
        }
        let Some(name) = name else { return Ok(pipeline.environments.iter().collect()) };
        let found = pipeline.environment(name).map(|found| vec![found]);
        found.ok_or_else(|| Outcome::Refused(texts::unknown_environment(pipeline, name)))
    }

    fn end(&self, end: Option<&End>) -> Result<Option<Timestamp>, Verdict> {
        let said = self.comment.at;
        let Some(end) = end else { return Ok(None) };
        let until = match end {
            End::For(length) => said.checked_add(*length).ok(),
            End::Until(until) => Some(*until),
        };
        let latest = said.checked_add(SignedDuration::from_hours(24 * MAX_FREEZE_DAYS)).ok();
        match until {
            Some(until) if until <= said => {
                let text = format!("{} is over: it was {} when you wrote this", date(until), date(said));
                Err(Verdict::no("freeze-past", text).next("times without an offset are in UTC"))
            }
            Some(until) if latest.is_some_and(|latest| until <= latest) => Ok(Some(until)),
            _ => Err(Verdict::no("freeze-too-long", format!("a freeze lasts {MAX_FREEZE_DAYS} days at most"))
                .next("close an environment for longer with `windows.exclude` in `.github/trunkline.yaml`")),
        }
    }

    fn record_freezes(&mut self, why: String, change: impl FnOnce(&mut Freezes), answer: String) -> Outcome {
        let (now, comment) = (self.snapshot.common.now, self.comment.id);
        self.draft.freeze(why, |freezes| {
            freezes.expire(now);
            change(freezes);
            freezes.decided(comment);
        });
        self.wakes.push(Key::Repo(self.snapshot.common.repo.id));
        Outcome::Done(Some(answer))
    }
}

/// What a freeze means, for whoever reads the conversation.
fn told(freeze: &Freeze, environment: Option<&str>) -> String {
    let (what, is, name) = match environment {
        Some(name) => (code(name), "is", name),
        None => ("Every environment".to_owned(), "is", "all"),
    };
    let until =
        freeze.until.map_or_else(|| "until somebody lifts it".to_owned(), |until| format!("until {}", date(until)));
    let except = freeze.except.as_ref().map_or_else(String::new, |label| {
        format!(", and so does a pull request on which somebody with the freeze right sets the label {}", code(label))
    });
    format!(
        "{what} {is} frozen {until}: {}. Promotions are still prepared, but nothing is merged. A rollback passes{except}. {} lifts it.",
        prose(freeze.reason.trim_end_matches('.')),
        code(&format!("/unfreeze {name}")),
    )
}
