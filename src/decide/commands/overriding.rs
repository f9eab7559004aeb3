//! What somebody accepts on one head of one pull request: a rule's findings, or the gates of a way in that is no promotion.

use super::{Outcome, Run};
use crate::command::Right as Act;
use crate::decide::overrides::{self, BLIND, GATES};
use crate::decide::{texts, ways_in};
use crate::model::finding::Evaluation;
use crate::model::id::Key;
use crate::model::pipeline::{Environment, Mode, Pipeline};
use crate::model::plan::Need;
use crate::model::snapshot::{Pull, PullState};
use crate::model::verdict::{Answer, Verdict};
use crate::model::wide::{OVERRIDES, Override, Overrides};

/// Digits of a commit that pin it when nothing else does: with seven, somebody can make another commit that begins alike.
const PINNING: usize = 12;

impl Run<'_, '_> {
    pub(super) fn accept(&mut self, pipeline: &Pipeline, rule: &str, reason: &str, sha: Option<&str>) -> Outcome {
        let pull = match self.overridable(pipeline) {
            Ok(pull) => pull,
            Err(why) => return Outcome::Refused(why),
        };
        if self.snapshot.common.ledger.overrides.decisions.contains(&self.comment.id) {
            return self.overridden_before(&pull);
        }
        let (rule, names) = match self.what(pipeline, &pull, rule) {
            Ok(found) => found,
            Err(outcome) => return outcome,
        };
        // Who may not is not asked to say it again.
        let environments: Vec<&Environment> = names.iter().filter_map(|name| pipeline.environment(name)).collect();
        if let Err(outcome) = self.right_in_all(Act::Bypass, &environments) {
            return outcome;
        }
        if let Some(why) = self.unpinned(&pull, &rule, sha) {
            return Outcome::Refused(why);
        }
        let new = Override {
            pull: pull.brief.number,
            head: pull.brief.head,
            rule,
            environments: names,
            by: self.comment.author.login.clone(),
            at: self.comment.at,
            reason: reason.to_owned(),
            link: self.comment.url.clone(),
        };
        let at = format!("{} at {} of #{}", new.environments.join(", "), new.head.short(), new.pull);
        let why = format!("{} overrides {} in {at}: {}", new.by, new.rule, new.reason);
        self.record_overrides(why, |overrides| overrides.add(new), &pull)
    }

    pub(super) fn cancel_override(&mut self, pipeline: &Pipeline, rule: &str) -> Outcome {
        let pull = match self.overridable(pipeline) {
            Ok(pull) => pull,
            Err(why) => return Outcome::Refused(why),
        };
        let overrides = &self.snapshot.common.ledger.overrides;
        if overrides.decisions.contains(&self.comment.id) {
            return self.overridden_before(&pull);
        }
        let (number, head) = (pull.brief.number, pull.brief.head);
        let Some(old) = overrides.on(number, head).find(|one| one.is(number, head, rule)) else {
            let text = format!("nobody overrides {rule} at {}", head.short());
            return Outcome::Refused(
                Verdict::no("not-overridden", text)
                    .next("look at the comment, which names what is overridden and by whom"),
            );
        };
        // Whose word it is may take it back without asking.
        if !old.by.eq_ignore_ascii_case(&self.comment.author.login) {
            let named = old.environments.iter().filter_map(|name| pipeline.environment(name));
            let environments: Vec<&Environment> = named.collect();
            if let Err(outcome) = self.right_in_all(Act::Bypass, &environments) {
                return outcome;
            }
        }
        let at = format!("{} at {} of #{number}", old.environments.join(", "), head.short());
        let why = format!("{} takes back the override of {rule} in {at}", self.comment.author.login);
        self.record_overrides(why, |overrides| overrides.cancel(number, head, rule), &pull)
    }

    /// The open pull request an override is about.
    fn overridable(&self, pipeline: &Pipeline) -> Result<Pull, Verdict> {
        if pipeline.mode == Mode::Observe {
            return Err(texts::observing());
        }
        if let Some(problem) = self.snapshot.common.ledger.wide_trouble(OVERRIDES) {
            return Err(texts::unreadable_ledger(problem));
        }
        let open = self.subject.pull.as_ref().filter(|pull| pull.brief.state == PullState::Open);
        open.cloned().ok_or_else(|| {
            Verdict::no("no-pull-request", "an override is about one open pull request")
                .next("say it in a comment on that pull request")
        })
    }

    /// A comment holds no commit: it is about the one our check stood on before it was written, or the one it names.
    fn unpinned(&self, pull: &Pull, rule: &str, sha: Option<&str>) -> Option<Verdict> {
        // That a commit that is named is the head was seen before.
        let named = sha.is_some_and(|sha| sha.len() >= PINNING);
        let seen = self.subject.check_since.is_some_and(|since| since < self.comment.at);
        if named || seen {
            return None;
        }
        let head = pull.brief.head.to_string();
        let text =
            format!("nobody can tell whether you saw {}, which is as new as your comment", pull.brief.head.short());
        let next = format!(
            "look at it, then repeat the command: `/trunkline override {rule} \"reason\" --sha {}`",
            &head[..PINNING]
        );
        Some(Verdict::no("which-commit", text).next(next))
    }

    /// The rule as it is written, and the environments in which it stands in the way.
    fn what(&mut self, pipeline: &Pipeline, pull: &Pull, rule: &str) -> Result<(String, Vec<String>), Outcome> {
        let key = (pull.base_tip, pull.brief.head);
        let evaluation = match self.snapshot.facts.evaluations.get(&key) {
            Some(Ok(evaluation)) => evaluation,
            Some(Err(why)) => return Err(Outcome::Refused(texts::conflict(why))),
            None => {
                let need = Need::Evaluation { base: key.0, head: key.1 };
                if let Some(why) = self.snapshot.facts.unmet.get(&need) {
                    return Err(Outcome::Refused(texts::conflict(why)));
                }
                self.plan.needs.push(need);
                return Err(Outcome::Unknown);
            }
        };
        if rule.eq_ignore_ascii_case(GATES) {
            return Ok((GATES.to_owned(), self.closed(pipeline, pull, evaluation)?));
        }
        let known = evaluation.all_findings().filter(|(_, finding)| finding.blocks());
        let rules: std::collections::BTreeSet<&str> = known.map(|(_, finding)| finding.rule.as_str()).collect();
        let Some(written) = rules.iter().find(|known| known.eq_ignore_ascii_case(rule)) else {
            let text = format!("no finding of {rule} stands in the way here");
            let names: Vec<String> = rules.iter().map(|rule| format!("`{rule}`")).collect();
            let next = match names.as_slice() {
                [] => "nothing: no finding stands in the way".to_owned(),
                names => format!("what does is {}", names.join(", ")),
            };
            return Err(Outcome::Refused(Verdict::no("nothing-to-override", text).next(next)));
        };
        let names = overrides::environments(evaluation, written);
        let homeless = evaluation.findings.iter().any(|finding| finding.blocks() && finding.rule == *written);
        if homeless || BLIND.contains(written) {
            let text = format!("{written} says what could not be seen or relied on, which nobody can accept");
            return Err(Outcome::Refused(Verdict::no("not-overridable", text).next("fix it as the finding says")));
        }
        Ok(((*written).to_owned(), names))
    }

    /// The environments whose gates this pull request waits for.
    fn closed(&mut self, pipeline: &Pipeline, pull: &Pull, evaluation: &Evaluation) -> Result<Vec<String>, Outcome> {
        if ways_in::is_promotion(self.snapshot, pull) {
            let text = "a promotion of Trunkline's own passes its gates";
            let next =
                "for an emergency there are `/promote <env> <version> --force \"reason\"` and `/trunkline skip-soak`";
            return Err(Outcome::Refused(Verdict::no("not-overridable", text).next(next)));
        }
        let before = self.plan.needs.len();
        let ways = ways_in::all(self.snapshot, pipeline, pull, evaluation, &mut self.plan.needs);
        if self.plan.needs.len() > before {
            return Err(Outcome::Unknown);
        }
        let waits = |gate: &Verdict| gate.answer != Answer::Yes && overrides::may_pass(gate);
        let closed = |verdict: &Verdict| {
            if verdict.because.is_empty() { waits(verdict) } else { verdict.because.iter().any(waits) }
        };
        let mut names: Vec<String> =
            ways.iter().filter(|way| closed(&way.verdict)).map(|way| way.environment.name.clone()).collect();
        names.sort();
        names.dedup();
        if names.is_empty() {
            let text = "this pull request waits for no gate that can be overridden";
            let next = "holds and freezes are lifted by the people who may: `/trunkline unhold`, `/unfreeze`";
            return Err(Outcome::Refused(Verdict::no("nothing-to-override", text).next(next)));
        }
        Ok(names)
    }

    fn overridden_before(&mut self, pull: &Pull) -> Outcome {
        let head = Key::Head(self.snapshot.common.repo.id, pull.brief.head);
        self.plan.effects.push(crate::model::plan::Effect::Wake(head));
        Outcome::Done(None)
    }

    fn record_overrides(&mut self, why: String, change: impl FnOnce(&mut Overrides), pull: &Pull) -> Outcome {
        let comment = self.comment.id;
        self.draft.accept(why, |overrides| {
            change(overrides);
            overrides.decided(comment);
        });
        self.wakes.push(Key::Head(self.snapshot.common.repo.id, pull.brief.head));
        Outcome::Done(None)
    }
}
