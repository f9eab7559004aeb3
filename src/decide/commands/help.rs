//! What *you* may do here, environment by environment where their teams differ.

use std::collections::BTreeSet;

use super::{Outcome, Run};
use crate::command::{self, Right as Act, Verb, You};
use crate::decide::rights::{self, Right};
use crate::model::pipeline::{Environment, Pipeline};
use crate::report::reply;

/// Teams that are asked for one answer, each a request: anybody who may read can ask for help.
const MAX_TEAMS: usize = 40;

/// Every right there is to ask about.
const RIGHTS: [Act; 7] = [Act::Read, Act::Triage, Act::Promote, Act::Write, Act::Rollback, Act::Freeze, Act::Bypass];

impl Run<'_, '_> {
    pub(super) fn help(&mut self, pipeline: &Pipeline, verb: Option<Verb>) -> Outcome {
        if let Err(outcome) = self.right(Act::Read, None) {
            return outcome;
        }
        let all = pipeline.environments.iter().flat_map(|environment| RIGHTS.map(|act| teams(environment, act)));
        let many = all.flatten().collect::<BTreeSet<_>>().len() > MAX_TEAMS;
        let before = self.plan.needs.len();
        let answers: Vec<(Act, You)> = RIGHTS.map(|act| (act, self.you(pipeline, act, many))).into();
        if self.plan.needs.len() > before {
            return Outcome::Unknown;
        }
        let may = |right| {
            let found = answers.iter().find(|(act, _)| *act == right);
            found.map_or(You::No, |(_, you)| you.clone())
        };
        Outcome::Done(Some(reply::help(&command::help(verb, may))))
    }

    /// Where the author of the comment may do this.
    fn you(&mut self, pipeline: &Pipeline, act: Act, many: bool) -> You {
        let login = &self.comment.author.login;
        if matches!(act, Act::Read | Act::Triage | Act::Write) {
            let right = rights::may(self.snapshot, login, act, None, &mut self.plan.needs);
            return if right == Right::Granted { You::Yes } else { You::No };
        }
        let mut names = Vec::new();
        for environment in &pipeline.environments {
            if many && !teams(environment, act).is_empty() {
                return You::Depends;
            }
            if rights::may(self.snapshot, login, act, Some(environment), &mut self.plan.needs) == Right::Granted {
                names.push(environment.name.clone());
            }
        }
        match names.len() {
            0 => You::No,
            all if all == pipeline.environments.len() => You::Yes,
            _ => You::In(names),
        }
    }
}

fn teams(environment: &Environment, act: Act) -> &[String] {
    match act {
        Act::Read | Act::Triage | Act::Write => &[],
        Act::Promote => &environment.rights.promote,
        Act::Rollback => &environment.rights.rollback,
        Act::Freeze => &environment.rights.freeze,
        Act::Bypass => &environment.rights.bypass,
    }
}
