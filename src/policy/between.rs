//! How two environments of one tree differ: both are rendered, and compared as if the one were to become the other.

use serde::{Deserialize, Serialize};

use super::evaluate::{Job, LIMIT};
use super::rules::from_problem;
use crate::manifest;
use crate::model::finding::{Delta, EnvironmentEvaluation, Evaluation, Finding, Problem};
use crate::model::path::RepoPath;
use crate::render::Memory;
use crate::render::flux::Fleet;

/// Which environments of which application.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sides {
    /// The application.
    pub app: String,
    /// From this environment.
    pub from: String,
    /// To this one.
    pub to: String,
}

/// What would change if the head's `from` became its `to`: as one environment, named after `to`. Namespaces and affixes of names are
/// no difference. Where several apply a folder, the first of them speaks.
pub fn between(job: &Job, sides: &Sides, progress: &mut dyn FnMut(&str)) -> Evaluation {
    let folder = |name: &str| job.pipeline.environment(name).and_then(|environment| environment.folder(&sides.app));
    let (Some(from), Some(to)) = (folder(&sides.from), folder(&sides.to)) else { return Evaluation::default() };
    progress("who applies the environments");
    let mut memory = Memory::new(job.head.objects);
    let fleet = Fleet::find(&mut memory, job.head.root, &[from.clone(), to.clone()]);
    let mut render = |name: &str, folder: &RepoPath| {
        progress(&format!("environment `{name}`"));
        let applier = fleet.of(folder).first().copied().flatten();
        memory.render_as(job.head.root, folder, applier, fleet.is_used())
    };
    let (before, after) = (render(&sides.from, &from), render(&sides.to, &to));
    let problems = before.problems.iter().chain(&after.problems);
    let mut evaluation = EnvironmentEvaluation {
        findings: problems.map(there).collect(),
        objects: u32::try_from(after.objects.len()).unwrap_or(u32::MAX),
        rendered: before.ok && after.ok,
        ..EnvironmentEvaluation::of(&sides.to, to)
    };
    if evaluation.rendered {
        let was = manifest::named_as(&before.objects, &after.objects, (&sides.from, &sides.to));
        evaluation.changes = manifest::changes(&was, &after.objects, job.mask);
        evaluation.images = manifest::image_changes(&was, &after.objects);
        evaluation.amounts = manifest::amount_changes(&was, &after.objects);
    }
    let mut evaluation = Evaluation { environments: vec![evaluation], ..Evaluation::default() };
    super::evaluate::spare(&mut evaluation);
    evaluation
}

/// What keeps an environment from being rendered; it is there already, whoever asks.
fn there(problem: &Problem) -> Finding {
    Finding { delta: Delta::Existing, ..from_problem(LIMIT, problem) }
}
