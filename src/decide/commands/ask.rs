//! Questions, and the wish to look again: nothing is decided by them.

use super::{Outcome, Run, promote};
use crate::command::Right as Act;
use crate::decide::answers::{self, Stands};
use crate::decide::promotions;
use crate::decide::{ask, texts, versions};
use crate::model::id::Key;
use crate::model::ledger::Request;
use crate::model::pipeline::{App, Environment, Mode, Pipeline};
use crate::model::plan::{Effect, Need};
use crate::model::snapshot::{PipelineFacts, PullState};
use crate::model::verdict::Verdict;
use crate::report::{reply, verdict};

/// With more applications than this, what is calm is counted and not listed, and nothing is explained at length.
const FEW: usize = 3;
/// Open promotions that are looked into for one answer; each costs a query, and more than these nobody reads at once.
const MAX_PULLS: usize = 12;

impl Run<'_, '_> {
    pub(super) fn status(&mut self, pipeline: &Pipeline, environment: Option<&str>, app: Option<&str>) -> Outcome {
        let all = match self.standings(pipeline, environment, app) {
            Ok(all) => all,
            Err(outcome) => return outcome,
        };
        let few = all.len() <= FEW;
        let mut parts = vec![match few {
            true => answers::status(self.snapshot, &all),
            false => answers::status_of_many(self.snapshot, &all),
        }];
        parts.extend(observing(pipeline));
        Outcome::Done(Some(joined(&parts)))
    }

    pub(super) fn plan(
        &mut self,
        pipeline: &Pipeline,
        (environment, version): (Option<&str>, Option<&str>),
        app: Option<&str>,
    ) -> Outcome {
        if let (Some(environment), Some(version)) = (environment, version) {
            return self.prognosis(pipeline, (environment, app), version);
        }
        let all = match self.standings(pipeline, environment, app) {
            Ok(all) => all,
            Err(outcome) => return outcome,
        };
        let steps = all.iter().flat_map(|(app, facts, standings)| answers::steps(self.snapshot, app, facts, standings));
        let mut parts = vec![reply::plan(&steps.collect::<Vec<_>>(), all.len() > 1)];
        if let Some(pull) = self.subject.pull.as_ref().filter(|pull| pull.brief.state == PullState::Open) {
            let evaluation = crate::decide::comment::evaluation(self.snapshot, self.subject, self.plan);
            if !self.snapshot.facts.evaluations.contains_key(&(pull.base_tip, pull.brief.head)) {
                return Outcome::Unknown;
            }
            parts.extend(evaluation.map(|evaluation| reply::this_change(&evaluation)).filter(|text| !text.is_empty()));
        }
        parts.extend(observing(pipeline));
        Outcome::Done(Some(joined(&parts)))
    }

    /// What would happen if this version wanted in.
    fn prognosis(&mut self, pipeline: &Pipeline, target: (&str, Option<&str>), version: &str) -> Outcome {
        if let Err(outcome) = self.right(Act::Read, None) {
            return outcome;
        }
        let (app, environment) = match self.target(pipeline, target) {
            Ok(target) => target,
            Err(outcome) => return outcome,
        };
        let facts = match self.facts(app) {
            Ok(facts) => facts.clone(),
            Err(outcome) => return outcome,
        };
        let known = self.plan.needs.len();
        let needs = &mut self.plan.needs;
        let named = match promote::newest_or(self.snapshot, (app, environment), &facts, Some(version), needs) {
            Ok(named) => named,
            Err(why) => return Outcome::Done(Some(reply::would_not(&environment.name, &why))),
        };
        let request = Request {
            version: named.0,
            commit: named.1,
            by: self.comment.author.login.clone(),
            at: self.comment.at,
            link: String::new(),
            forced: None,
        };
        let candidate = facts.source.as_ref().map(|source| versions::candidate_of(app, source, &request));
        let candidate = match candidate {
            Some(Ok(candidate)) => candidate,
            Some(Err(why)) => return Outcome::Done(Some(reply::would_not(&environment.name, &why))),
            None => return Outcome::Refused(texts::unreadable_source(app)),
        };
        if !self.pulls_are_known(std::iter::once(&facts), Some(environment)) {
            return Outcome::Unknown;
        }
        let standing = promotions::prognosis(
            self.snapshot,
            pipeline,
            (app, environment),
            (&facts, candidate),
            &mut self.plan.needs,
        );
        if self.plan.needs.len() > known {
            return Outcome::Unknown;
        }
        let standings = [standing];
        let mut parts = vec![reply::plan(&answers::steps(self.snapshot, app, &facts, &standings), false)];
        parts.push(reply::to_ask_for(&environment.name, version));
        parts.extend(observing(pipeline));
        Outcome::Done(Some(joined(&parts)))
    }

    pub(super) fn diff(&mut self, pipeline: &Pipeline, (from, to): (&str, &str), app: Option<&str>) -> Outcome {
        if let Err(outcome) = self.right(Act::Read, None) {
            return outcome;
        }
        let (app, from) = match self.target(pipeline, (from, app)) {
            Ok(target) => target,
            Err(outcome) => return outcome,
        };
        let Some(to) = pipeline.environment(to) else {
            return Outcome::Refused(texts::unknown_environment(pipeline, to));
        };
        if from.name == to.name {
            let text = format!("`{}` differs in nothing from itself", from.name);
            return Outcome::Refused(Verdict::no("same-environment", text).next("name two environments"));
        }
        let facts = match self.facts(app) {
            Ok(facts) => facts.clone(),
            Err(outcome) => return outcome,
        };
        let between = Need::Between { app: app.name.clone(), from: from.name.clone(), to: to.name.clone() };
        let known = self.plan.needs.len();
        let key = (app.name.clone(), from.name.clone(), to.name.clone());
        let found = self.snapshot.facts.between.get(&key);
        if found.is_none() {
            ask(self.snapshot, self.plan, between);
        }
        let sides = answers::sides(self.snapshot, app, &facts, (&from.name, &to.name), &mut self.plan.needs);
        if self.plan.needs.len() > known {
            return Outcome::Unknown;
        }
        Outcome::Done(Some(answers::diff(self.snapshot, (app, &facts), sides, found)))
    }

    /// What the configuration of this pull request says; in an issue, that of the default branch.
    pub(super) fn validate(&mut self) -> Outcome {
        if let Err(outcome) = self.right(Act::Read, None) {
            return outcome;
        }
        let open = self.subject.pull.as_ref().filter(|pull| pull.brief.state == PullState::Open);
        let Some(pull) = open else { return Outcome::Done(Some(answers::configuration(self.snapshot, None))) };
        let key = (pull.base_tip, pull.brief.head);
        if let Some(Err(why)) = self.snapshot.facts.evaluations.get(&key) {
            return Outcome::Refused(texts::conflict(why));
        }
        match crate::decide::comment::evaluation(self.snapshot, self.subject, self.plan) {
            Some(evaluation) => Outcome::Done(Some(answers::configuration(self.snapshot, Some((pull, &evaluation))))),
            None => Outcome::Unknown,
        }
    }

    pub(super) fn retry(&mut self, pipeline: &Pipeline) -> Outcome {
        if let Err(outcome) = self.right(Act::Write, None) {
            return outcome;
        }
        let repo = self.snapshot.common.repo.id;
        let head = self.subject.pull.iter().map(|pull| Key::Head(repo, pull.brief.head));
        self.plan.effects.extend(pipelines(pipeline, repo).chain(head).map(Effect::Wake));
        Outcome::Done(None)
    }

    /// Wakes the repository, which looks at its folders anew and reads here that it was asked to.
    pub(super) fn offer_again(&mut self) -> Outcome {
        if let Err(outcome) = self.right(Act::Write, None) {
            return outcome;
        }
        self.plan.effects.push(Effect::Wake(Key::Repo(self.snapshot.common.repo.id)));
        Outcome::Done(None)
    }

    /// Wakes the repository, which wakes its pull requests and their heads, and every pipeline, which reads its source anew.
    pub(super) fn resync(&mut self, pipeline: &Pipeline) -> Outcome {
        if let Err(outcome) = self.right(Act::Write, None) {
            return outcome;
        }
        let repo = self.snapshot.common.repo.id;
        let keys = pipelines(pipeline, repo).chain(std::iter::once(Key::Repo(repo)));
        self.plan.effects.extend(keys.map(Effect::Wake));
        Outcome::Done(Some(reply::resync(pipeline.apps.len())))
    }

    /// How the applications that are asked about stand, with what is known of each; one in trouble is told beside the others.
    fn standings<'b>(
        &mut self,
        pipeline: &'b Pipeline,
        environment: Option<&str>,
        app: Option<&str>,
    ) -> Result<Vec<Stands<'b>>, Outcome> {
        self.right(Act::Read, None)?;
        let environment = environment.map(|name| {
            let found = pipeline.environment(name);
            found.ok_or_else(|| Outcome::Refused(texts::unknown_environment(pipeline, name)))
        });
        let environment = environment.transpose()?;
        if let Some(name) = app.filter(|name| pipeline.app(name).is_none()) {
            return Err(Outcome::Refused(texts::unknown_app(pipeline, name)));
        }
        let apps: Vec<&App> = pipeline.apps.iter().filter(|one| app.is_none_or(|name| one.name == name)).collect();
        let known = self.plan.needs.len();
        let facts: Vec<PipelineFacts> = apps.iter().filter_map(|app| self.facts_or_problem(app)).collect();
        if self.plan.needs.len() > known || !self.pulls_are_known(facts.iter(), environment) {
            return Err(Outcome::Unknown);
        }
        let all = apps.into_iter().zip(facts).map(|(app, facts)| {
            let mut standings = promotions::standings(self.snapshot, pipeline, app, &facts, &mut self.plan.needs);
            standings.retain(|standing| environment.is_none_or(|only| standing.environment.name == only.name));
            (app, facts, standings)
        });
        let all = all.collect();
        if self.plan.needs.len() > known { Err(Outcome::Unknown) } else { Ok(all) }
    }

    /// What is known of an application's way, or why nothing is; `None` when it is being looked up.
    fn facts_or_problem(&mut self, app: &App) -> Option<PipelineFacts> {
        match self.facts(app) {
            Ok(facts) => Some(facts.clone()),
            Err(Outcome::Refused(why)) => {
                let problem = crate::model::finding::Problem { location: None, message: why.text, help: why.next };
                Some(PipelineFacts { problems: vec![problem], ..PipelineFacts::default() })
            }
            Err(_) => None,
        }
    }

    /// Whether the open promotions that are asked about have been looked into; with many only the newest are.
    fn pulls_are_known<'f>(
        &mut self,
        facts: impl Iterator<Item = &'f PipelineFacts>,
        environment: Option<&Environment>,
    ) -> bool {
        let open = facts.flat_map(|facts| &facts.promotions).filter(|pull| {
            let into = versions::read_branch(&pull.branch).map(|(into, _, _)| into);
            into.is_some() && environment.is_none_or(|only| into == Some(only.name.as_str()))
        });
        let mut numbers: Vec<u64> = open.map(|pull| pull.number).collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        numbers.truncate(MAX_PULLS);
        let known = self.plan.needs.len();
        for number in numbers.into_iter().filter(|number| *number != self.subject.number) {
            if !self.snapshot.facts.pulls.contains_key(&number) {
                ask(self.snapshot, self.plan, Need::Pull(number));
            }
        }
        self.plan.needs.len() == known
    }
}

fn pipelines(pipeline: &Pipeline, repo: crate::model::id::RepoId) -> impl Iterator<Item = Key> {
    pipeline.apps.iter().map(move |app| Key::Pipeline(repo, app.name.clone()))
}

fn observing(pipeline: &Pipeline) -> Option<String> {
    (pipeline.mode == Mode::Observe).then(|| verdict::markdown(&texts::observing()))
}

fn joined(parts: &[String]) -> String {
    parts.iter().map(|part| part.trim_end()).collect::<Vec<_>>().join("\n\n")
}
