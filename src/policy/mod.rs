//! Objects × rules → findings: the rule pack, the repository's own Rego, and what a change makes of both.
//!
//! Findings name the thing and the line, and never quote a secret.

mod admission;
pub mod between;
mod cel;
pub mod delta;
pub mod evaluate;
pub mod files;
#[cfg(test)]
mod fixture;
mod glob;
pub mod levels;
mod preview;
pub mod rego;
pub mod rules;
pub mod schema;
mod scrub;
mod suggest;
pub mod version_changes;
pub mod waivers;
mod world;

use crate::manifest::{Node, Object};
use crate::model::finding::{Finding, Problem};
use crate::model::onboarding::stage;
use crate::model::path::RepoPath;
use crate::model::pipeline::{Environment, NEWEST_KUBERNETES, Pipeline, Takes};
use crate::model::tree::Tree;
use crate::render::Layer;

pub use levels::Levels;
pub use rego::{CompiledPolicies, compile};
pub use rules::Pack;
pub use suggest::Suggestions;

/// How grave things are in an environment: the column of the rule table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Takes every commit.
    Dev,
    /// Takes pre-releases.
    Stage,
    /// Takes releases.
    Prod,
}

impl Class {
    /// The class of an environment that takes `takes`.
    pub fn of(takes: Takes) -> Self {
        match takes {
            Takes::Trunk => Class::Dev,
            Takes::Prereleases => Class::Stage,
            Takes::Releases => Class::Prod,
        }
    }

    /// The class a folder suggests by the words in its name or in one above it, where no configuration says.
    ///
    /// Stage when nothing does: a fault must not go unseen, and prod's rules would fail what was never meant for it.
    pub fn named(folder: &RepoPath) -> Self {
        stage(folder).map_or(Class::Stage, |(_, stage)| Class::of(stage.takes))
    }
}

/// The environment that is checked.
#[derive(Debug, Clone)]
pub struct EnvironmentInfo {
    /// Its name.
    pub name: String,
    /// How grave things are there.
    pub class: Class,
    /// Its folder.
    pub folder: RepoPath,
    /// The minor of its Kubernetes: 33 is 1.33.
    pub kubernetes: u32,
}

impl EnvironmentInfo {
    /// A configured environment in one of its folders.
    pub fn of(environment: &Environment, folder: RepoPath) -> Self {
        Self {
            name: environment.name.clone(),
            class: Class::of(environment.takes),
            folder,
            kubernetes: environment.kubernetes.unwrap_or(NEWEST_KUBERNETES),
        }
    }
}

/// What is checked, and by what.
pub struct CheckInput<'a> {
    /// The environment.
    pub environment: &'a EnvironmentInfo,
    /// Its rendered objects.
    pub objects: &'a [Object],
    /// What could not be rendered.
    pub problems: &'a [Problem],
    /// What is good to know of how they were read.
    pub notes: &'a [Problem],
    /// The kustomization files that were read to render them.
    pub kustomizations: &'a [Node],
    /// The repository's tree they were rendered from.
    pub tree: Tree<'a>,
    /// What the rest of the repository defines of their kinds.
    pub definitions: &'a [schema::Definition],
    /// Which Flux Kustomization applies which of the objects.
    pub layers: &'a [Layer],
    /// The repository's own policies.
    pub policies: &'a CompiledPolicies,
    /// The configuration: the packs, the severities, the applications.
    pub pipeline: &'a Pipeline,
    /// What was there before a change.
    pub before: evaluate::Before<'a>,
}

/// Everything wrong with one environment. Problems of the policies themselves are not among it: they belong to no environment.
pub fn check(input: &CheckInput) -> Vec<Finding> {
    let class = input.environment.class;
    let mut world = world::World::new(class, &input.environment.folder, input.objects, input.tree);
    world.kustomizations = input.kustomizations;
    world.notes = input.notes;
    world.kubernetes = input.environment.kubernetes;
    world.environment = &input.environment.name;
    world.flux = input.pipeline.environment(&input.environment.name).and_then(|environment| environment.flux);
    world.layers = input.layers;
    world.definitions = input.definitions;
    world.before = input.before.objects;
    world.renders = input.problems.is_empty();
    world.apps = &input.pipeline.apps;
    world.images_from = &input.pipeline.policies.images_from;
    let levels = Levels::of(&input.pipeline.policies, &input.environment.name, class);
    let secrets = scrub::Secrets::of(input.objects);
    let told = input.problems.iter().map(rules::from_render_problem);
    let told = told.chain(rego::evaluate(input.policies, input.environment, input.objects));
    let told = told.chain(admitted(input));
    let mut findings: Vec<Finding> = told.map(|finding| secrets.scrub(finding)).collect();
    for rule in rules::all() {
        if let Some(severity) = levels.of_rule(rule) {
            let found = (rule.check)(&world).into_iter().map(|hit| rule.finding(severity, hit));
            // The author of a kind may quote any value in a message.
            let quotes = rule.id == schema::BROKEN;
            findings.extend(found.map(|finding| if quotes { secrets.scrub(finding) } else { finding }));
        }
    }
    findings
}

/// What admission says, by the policy folders and by what the environment itself applied before the change.
fn admitted(input: &CheckInput) -> Vec<Finding> {
    let mut told = Vec::new();
    let folders = &input.policies.admission;
    let with = folders.with(input.before.judges.unwrap_or(input.objects), &mut told);
    told.extend(with.as_ref().unwrap_or(folders).judge(input.objects, input.before.objects));
    told
}

#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod evaluate_tests;
#[cfg(test)]
mod preview_tests;
#[cfg(test)]
mod shipped_tests;
#[cfg(test)]
mod suggest_tests;
