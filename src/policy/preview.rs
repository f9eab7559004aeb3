//! What a change to policies or configuration would make of every environment, were it in force: it is judged by the old ones.

use super::evaluate::{Before, Job, findings};
use super::schema::Elsewhere;
use super::waivers::{Side, Tally, Waivers};
use super::{CompiledPolicies, EnvironmentInfo, delta};
use crate::manifest::Object;
use crate::model::finding::{EnvironmentEvaluation, Evaluation, Preview};
use crate::model::path::RepoPath;
use crate::model::pipeline::Pipeline;
use crate::render::Memory;
use crate::render::flux::{Applier, Fleet};

/// Environments that are looked at. A render takes some milliseconds and a policy as many, twice; a fleet of hundreds shows the same in its first.
const MAX_ENVIRONMENTS: usize = 30;

/// One set of rules: a configuration, its policies, and what is accepted of them.
pub(super) struct Rules<'a> {
    pub(super) pipeline: &'a Pipeline,
    pub(super) policies: &'a CompiledPolicies,
    pub(super) waivers: &'a Waivers,
}

/// What the change's own rules say of its own environments and the old ones do not, and the other way round.
pub(super) fn preview(
    (job, memory, elsewhere): (&Job, &mut Memory<'_>, &mut Elsewhere),
    [old, new]: [Rules<'_>; 2],
    progress: &mut dyn FnMut(&str),
) -> Preview {
    let apps = &new.pipeline.apps;
    let all = new.pipeline.environments.iter().flat_map(|environment| {
        environment.folders(apps).into_iter().map(move |folder| EnvironmentInfo::of(environment, folder))
    });
    let all: Vec<EnvironmentInfo> = all.filter(|info| job.head.is_folder(&info.folder)).collect();
    let wanted: Vec<RepoPath> = all.iter().take(MAX_ENVIRONMENTS).map(|info| info.folder.clone()).collect();
    let fleet = Fleet::find(memory, job.head.root, &wanted);
    let mut told = Evaluation::default();
    for info in all.iter().take(MAX_ENVIRONMENTS) {
        progress(&format!("environment `{}` under the change's own policies", info.name));
        let before = old.pipeline.environment(&info.name).map(|was| EnvironmentInfo::of(was, info.folder.clone()));
        // Clusters that apply one folder differ in variables; the first speaks for all.
        let applier = fleet.of(&info.folder).first().copied().flatten();
        let with = (applier, fleet.is_used());
        let found = compare((job, memory, elsewhere), (before.as_ref(), info), with, [&old, &new]);
        if !found.findings.is_empty() {
            told.environments.push(found);
        }
    }
    let left_out = u32::try_from(all.len().saturating_sub(MAX_ENVIRONMENTS)).unwrap_or(u32::MAX);
    let looked_at = u32::try_from(all.len().min(MAX_ENVIRONMENTS)).unwrap_or(u32::MAX);
    Preview { evaluation: Box::new(told), looked_at, left_out }
}

fn compare(
    (job, memory, elsewhere): (&Job, &mut Memory<'_>, &mut Elsewhere),
    (was, is): (Option<&EnvironmentInfo>, &EnvironmentInfo),
    (applier, follows): (Option<&Applier>, bool),
    [old, new]: [&Rules<'_>; 2],
) -> EnvironmentEvaluation {
    let head = memory.render_as(job.head.root, &is.folder, applier, follows);
    let base = job.base.is_folder(&is.folder).then(|| memory.render_as(job.base.root, &is.folder, applier, follows));
    let base: Option<&[Object]> = base.as_ref().filter(|base| base.ok).map(|base| base.objects.as_slice());
    let mut under = |info: &EnvironmentInfo, side: &Rules<'_>, judges: Option<&[Object]>| {
        let before = Before { objects: base, judges };
        let mut found = findings((memory, elsewhere), info, (&job.head, &head, before), (side.policies, side.pipeline));
        Tally::new(side.waivers).accept((&info.name, &info.folder), Side::Head(head.ok), &mut found);
        found
    };
    let had = was.map(|was| under(was, old, base)).unwrap_or_default();
    let has = under(is, new, None);
    EnvironmentEvaluation {
        findings: delta::news(had, has),
        objects: u32::try_from(head.objects.len()).unwrap_or(u32::MAX),
        rendered: head.ok,
        ..EnvironmentEvaluation::of(&is.name, is.folder.clone())
    }
}
