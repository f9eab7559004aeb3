//! GitHub deployments: one an environment and commit that brought a version, however it came in.
//!
//! Without a connected cluster nobody can say when Flux has applied a commit. A deployment that stayed `queued` would then say for
//! ever that something is about to happen, and GitHub would not show which version an environment holds. So it becomes `success` at
//! once, with a description that says what that rests on: the branch that Flux applies holds it.

use super::texts;
use crate::model::id::Oid;
use crate::model::merging::{Deployment, DeploymentState, Deployments};
use crate::model::pipeline::{App, Environment, Mode, Pipeline};
use crate::model::plan::{DeploymentStatus, Effect, Need, NewDeployment, Plan};
use crate::model::snapshot::{Holding, PipelineSubject, Snapshot};
use crate::model::verdict::Verdict;

/// When GitHub has long made the deployments inactive that a newer one replaced, where it does so by itself.
const LOOK_AFTER: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);

/// Plans the deployments of one application.
pub(super) fn plan(snapshot: &Snapshot, subject: &PipelineSubject, pipeline: &Pipeline, plan: &mut Plan) {
    let Some(app) = pipeline.app(&subject.app).filter(|_| pipeline.mode == Mode::Enforce) else { return };
    let wanted: Vec<Wanted<'_>> = pipeline
        .environments
        .iter()
        .filter_map(|environment| {
            let holding = subject.facts.environments.get(&environment.name)?.history.first()?;
            let name = name(pipeline, environment, app);
            entered(snapshot, environment, app, holding).then_some(Wanted { name, app, environment, holding })
        })
        .collect();
    if wanted.is_empty() {
        return;
    }
    let environments: Vec<String> = wanted.iter().map(|wanted| wanted.name.clone()).collect();
    let commits: Vec<Oid> = wanted.iter().map(|wanted| wanted.holding.by).collect();
    let need = Need::Deployments { environments: environments.clone(), commits };
    let Some(found) = snapshot.facts.deployments.get(&environments) else {
        if let Some(why) = snapshot.facts.unmet.get(&need) {
            plan.verdicts.push(
                Verdict::wait("deployments", format!("deployments cannot be shown: {why}"))
                    .next("an owner grants the App the permission `deployments`"),
            );
        }
        return super::ask(snapshot, plan, need);
    };
    let before = plan.effects.len();
    let connected = subject.facts.health.is_some();
    wanted.iter().for_each(|wanted| plan.effects.extend(one(snapshot, wanted, found, connected)));
    if plan.effects.len() > before {
        plan.look_again(snapshot.common.now + LOOK_AFTER);
    }
}

/// Whether nothing is left to say about deployments of these commits: what was read then may be kept.
pub fn settled(environments: &[String], commits: &[Oid], found: &Deployments) -> bool {
    environments.iter().zip(commits).all(|(environment, commit)| {
        let Some(kept) = kept(environment, *commit, found) else { return false };
        !is_under_way(kept.state) && replaced(kept, found).next().is_none()
    })
}

/// What an environment holds, and has to be told to GitHub.
struct Wanted<'a> {
    name: String,
    app: &'a App,
    environment: &'a Environment,
    holding: &'a Holding,
}

/// GitHub's name of the environment: applications that share one would take each other's place.
fn name(pipeline: &Pipeline, environment: &Environment, app: &App) -> String {
    if pipeline.apps.len() > 1 { format!("{}/{}", environment.name, app.name) } else { environment.name.clone() }
}

/// Whether this version came after first sight; what stood there before was not deployed by anything we saw.
fn entered(snapshot: &Snapshot, environment: &Environment, app: &App, holding: &Holding) -> bool {
    let first = snapshot.common.ledger.entry(&app.name, &environment.name).first_sight;
    first.is_some_and(|first| holding.since > first.at || first.holds != holding.version)
}

/// What is to be told of one environment; where a cluster is connected, it tells how a deployment goes on from `queued`.
fn one(snapshot: &Snapshot, wanted: &Wanted<'_>, found: &Deployments, connected: bool) -> Vec<Effect> {
    let commit = wanted.holding.by;
    let repo = &snapshot.common.repo.url;
    let came_with = found.pulls.iter().find(|(of, _)| *of == commit);
    let log_url = came_with.map_or(format!("{repo}/commit/{commit}"), |(_, number)| format!("{repo}/pull/{number}"));
    let (state, description) = match connected {
        true => (DeploymentState::Queued, texts::QUEUED),
        false => (DeploymentState::Success, texts::DEPLOYED),
    };
    let status = DeploymentStatus {
        state,
        description: description.to_owned(),
        log_url,
        environment_url: wanted.environment.url_of(&wanted.app.name),
    };
    let Some(kept) = kept(&wanted.name, commit, found) else {
        return vec![Effect::Deploy(Box::new(NewDeployment {
            environment: wanted.name.clone(),
            commit,
            app: wanted.app.name.clone(),
            description: texts::deployment(&wanted.app.name, wanted.holding),
            status,
        }))];
    };
    if is_under_way(kept.state) {
        let news = !connected || kept.state == DeploymentState::Pending;
        return news.then_some(Effect::SetDeployment { id: kept.id, status }).into_iter().collect();
    }
    let inactive = |old: &Deployment| Effect::SetDeployment {
        id: old.id,
        status: DeploymentStatus {
            state: DeploymentState::Inactive,
            description: texts::REPLACED.to_owned(),
            log_url: String::new(),
            environment_url: None,
        },
    };
    replaced(kept, found).map(inactive).collect()
}

/// The deployment of this commit; the oldest, where a crash made two.
fn kept<'a>(environment: &str, commit: Oid, found: &'a Deployments) -> Option<&'a Deployment> {
    found.known.iter().find(|known| known.environment == environment && known.commit == commit)
}

/// What still looks as if it ran, though this one took its place. GitHub makes most of them inactive by itself.
fn replaced<'a>(kept: &'a Deployment, found: &'a Deployments) -> impl Iterator<Item = &'a Deployment> {
    found.known.iter().filter(move |known| {
        known.environment == kept.environment
            && known.id != kept.id
            && (known.state == DeploymentState::Success || is_under_way(known.state))
    })
}

fn is_under_way(state: DeploymentState) -> bool {
    matches!(state, DeploymentState::Pending | DeploymentState::Queued | DeploymentState::InProgress)
}
