//! `Snapshot → Plan`: cheap, total, deterministic, one file a feature.
//!
//! A broken configuration or an unknown environment is a verdict, never an error. What a feature must know first it asks for
//! as a `Need`; the loop looks it up and decides again, so this module never reads anything.

mod answers;
mod approvals;
mod branch_rules;
mod cancelled;
mod check;
mod commands;
mod comment;
pub mod deployments;
mod draft;
mod first_sight;
mod freeze;
mod gates;
mod health;
pub mod holdings;
mod images;
mod merge;
#[cfg(test)]
mod merge_tests;
mod onboarding;
mod out_of_band;
mod overrides;
mod promotions;
mod queue;
mod rights;
mod suggestions;
mod texts;
mod versions;
mod wakes;
mod ways_in;
mod windows;

use crate::model::id::Oid;
use crate::model::plan::{Need, Plan};
use crate::model::snapshot::{Configuration, Snapshot, Subject};
use crate::model::verdict::Verdict;

/// Decides what to do about one key.
pub fn decide(snapshot: &Snapshot) -> Plan {
    let mut plan = Plan::default();
    let valid = match &snapshot.common.config {
        Configuration::Valid(pipeline) => Some(pipeline),
        Configuration::Missing | Configuration::Broken(_) => None,
    };
    match &snapshot.subject {
        Subject::Repo(repo) => {
            wakes::plan(snapshot, repo, &mut plan);
            onboarding::plan(snapshot, repo, &mut plan);
        }
        Subject::Head(head) => check::plan(snapshot, head, &mut plan),
        Subject::Pull(pull) => {
            comment::plan(snapshot, pull, &mut plan);
            commands::plan(snapshot, pull, &mut plan);
            if let Some(pipeline) = valid {
                suggestions::plan(snapshot, pull, pipeline, &mut plan);
                merge::plan(snapshot, pull, pipeline, &mut plan);
            }
        }
        Subject::Pipeline(subject) => match valid {
            Some(pipeline) => {
                promotions::plan(snapshot, subject, pipeline, &mut plan);
                deployments::plan(snapshot, subject, pipeline, &mut plan);
            }
            None => plan.verdicts.push(
                Verdict::no("no-configuration", "there is no valid configuration on the default branch")
                    .next("merge a pull request that repairs `.github/trunkline.yaml`"),
            ),
        },
    }
    plan.needs.sort();
    plan.needs.dedup();
    plan
}

/// How one environment of an application stands.
#[derive(Debug, Clone)]
pub struct Outlook {
    /// The environment's name.
    pub environment: String,
    /// The version that wants in and its commit, if any does.
    pub version: Option<(String, Oid)>,
    /// Why it would get in, would wait, or stays out: every gate, with its answer.
    pub verdict: Verdict,
}

/// How the environments of the snapshot's application stand, and what must be known first: what a pipeline goes by, without a plan.
pub fn outlook(snapshot: &Snapshot) -> (Vec<Outlook>, Vec<Need>) {
    let (Configuration::Valid(pipeline), Subject::Pipeline(subject)) = (&snapshot.common.config, &snapshot.subject)
    else {
        return (Vec::new(), Vec::new());
    };
    let Some(app) = pipeline.app(&subject.app) else { return (Vec::new(), Vec::new()) };
    let mut needs = Vec::new();
    let standings = promotions::standings(snapshot, pipeline, app, &subject.facts, &mut needs);
    let outlook = standings.into_iter().map(|standing| Outlook {
        environment: standing.environment.name.clone(),
        version: standing.candidate.map(|candidate| (candidate.version, candidate.commit)),
        verdict: standing.verdict,
    });
    (outlook.collect(), needs)
}

/// Asks for a fact unless it was asked for and cannot be had.
fn ask(snapshot: &Snapshot, plan: &mut Plan, need: Need) {
    if !snapshot.facts.unmet.contains_key(&need) {
        plan.needs.push(need);
    }
}
