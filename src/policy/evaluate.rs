//! What a change does to every environment it touches: pure, costly, and the same wherever it runs.

use std::collections::BTreeSet;

use super::files::{self, PolicyFiles};
use super::preview::{Rules, preview};
use super::rules::{KUST_001, from_problem};
use super::schema::{Elsewhere, NO_SCHEMA};
use super::version_changes::version_changes;
use super::waivers::{NEVER, Side, Tally, Waivers};
use super::{CheckInput, CompiledPolicies, EnvironmentInfo, Suggestions, admission, check, compile, delta};
use crate::config;
use crate::manifest::{self, MaskKey, Node, Object};
use crate::model::finding::{
    Blocks, Change, CostChange, Delta, EnvironmentEvaluation, Evaluation, Finding, Preview, Problem, Severity,
};
use crate::model::id::Oid;
use crate::model::path::RepoPath;
use crate::model::pipeline::{Environment, Pipeline};
use crate::model::tree::{Tree, changed_paths};
use crate::render::flux::{Applier, Fleet};
use crate::render::reach::{Reach, closure_touches};
use crate::render::versions::Shelf;
use crate::render::{Memory, Rendered};

/// The rule id of what is wrong with a changed configuration.
pub const CONFIG: &str = "CONFIG";
/// The rule id of what could not be evaluated, so that silence is never taken for health.
pub const LIMIT: &str = "LIMIT";
/// The rule id of what only the cluster knows, and of what is not rendered.
pub const FLUX: &str = "FLUX";

/// What is evaluated: two trees of one store, under the rules of the default branch.
pub struct Job<'a> {
    /// Before.
    pub base: Tree<'a>,
    /// After.
    pub head: Tree<'a>,
    /// The default branch's configuration.
    pub pipeline: &'a Pipeline,
    /// The default branch's policies.
    pub policies: &'a PolicyFiles,
    /// The default branch's waivers.
    pub waivers: &'a Waivers,
    /// What masks are keyed with, so that equal secrets look equal within one comparison.
    pub mask: &'a MaskKey,
}

/// What the change does. `progress` is told which environment comes next, so that a killed worker's last words are known.
///
/// An environment is listed when a file it is rendered from is touched, directly or through a base. A broken base never hides head: it is an
/// empty one with its own findings.
pub fn evaluate(job: &Job, progress: &mut dyn FnMut(&str)) -> Evaluation {
    let changed = match changed_paths(job.head.objects, job.base.root, job.head.root) {
        Ok(changed) => changed,
        Err(error) => return unreadable(&error.to_string()),
    };
    if changed.is_empty() {
        return Evaluation::default();
    }
    progress("the policies");
    let policies = compile(job.policies);
    let rules = |path: &RepoPath| {
        path.as_str() == config::FILE || job.pipeline.policies.paths.iter().any(|folder| path.is_within(folder))
    };
    let mut evaluation = Evaluation { touches_rules: changed.iter().any(rules), ..Evaluation::default() };
    progress("who applies the environments");
    let mut memory = Memory::new(job.head.objects);
    let fleets = Fleets::find(job, &mut memory);
    let mut shelf = Shelf::default();
    let mut elsewhere = Elsewhere::default();
    let (mut tally, mut suggestions) = (Tally::new(job.waivers), Suggestions::default());
    let mut reach = Reach::new(job.head, &changed).following(fleets.head.is_used() || fleets.base.is_used());
    let (redefines, mut others) = (elsewhere.is_among(&[job.base, job.head], &changed), 0);
    for environment in &job.pipeline.environments {
        for folder in environment.folders(&job.pipeline.apps) {
            let ways = fleets.ways(&folder);
            let apart = ways.iter().all(|way| !way.differs && !reach.may_touch_as(&mut memory, &folder, way.is));
            others += usize::from(apart);
            if apart && (!redefines || others > MAX_REDEFINED || ways.len() > MAX_WAYS) {
                evaluation.environments.extend(unrendered((job, &mut shelf), (environment, &folder), &changed));
                continue;
            }
            if ways.len() > MAX_WAYS {
                evaluation.findings.push(too_many_ways(&folder, ways.len()));
                continue;
            }
            progress(&format!("environment `{}`", environment.name));
            let info = EnvironmentInfo::of(environment, folder);
            let folder = info.folder.clone();
            let before = evaluation.environments.len();
            for way in &ways {
                let desk = (job, &mut memory, &mut elsewhere);
                let with = (&policies, &mut tally, &mut suggestions);
                let touched = one(desk, (&info, way), (&changed, redefines), with);
                let Some(mut touched) = touched else { continue };
                touched.versions =
                    version_changes((&job.base, &job.head), (environment, &folder), &job.pipeline.apps, &mut shelf);
                if let (Some(applier), true) = (way.is, ways.len() > 1) {
                    touched.applier.clone_from(&applier.name);
                }
                evaluation.environments.push(touched);
            }
            if evaluation.environments.len() == before {
                evaluation.environments.extend(unrendered((job, &mut shelf), (environment, &folder), &changed));
            }
        }
    }
    spare(&mut evaluation);
    progress("the configuration and policies of the change");
    evaluation.findings.extend((redefines && others > MAX_REDEFINED).then(redefined));
    evaluation.findings.extend(configuration(job, &changed));
    evaluation.proposed = proposed(job, &changed);
    evaluation.waived_until = tally.until();
    evaluation.findings.extend(tally.findings(&places(job)));
    let after = changed_policies(job, &changed);
    evaluation.preview =
        previewed((job, &mut memory, &mut elsewhere), &evaluation, (&policies, after.as_ref()), progress);
    evaluation.findings.extend(policy_changes(job, policies, after, &evaluation));
    evaluation
}

/// Every environment with each of its folders that head has.
fn places(job: &Job) -> Vec<(String, RepoPath)> {
    let all = job.pipeline.environments.iter().flat_map(|environment| {
        environment.folders(&job.pipeline.apps).into_iter().map(|folder| (environment.name.clone(), folder))
    });
    all.filter(|(_, folder)| job.head.is_folder(folder)).collect()
}

/// An environment whose version changes in a file that no render reads, such as a Score file or a configured field: the gates
/// are the same, though nothing rendered differs.
fn unrendered(
    (job, shelf): (&Job, &mut Shelf),
    (environment, folder): (&Environment, &RepoPath),
    changed: &[RepoPath],
) -> Option<EnvironmentEvaluation> {
    if !changed.iter().any(|path| path.is_within(folder)) {
        return None;
    }
    let versions = version_changes((&job.base, &job.head), (environment, folder), &job.pipeline.apps, shelf);
    // No render tells two heads apart, so no approval is carried over.
    (!versions.is_empty())
        .then(|| EnvironmentEvaluation { versions, ..EnvironmentEvaluation::of(&environment.name, folder.clone()) })
}

/// Ways to apply one folder that are compared, each a render of its own: fleets of 200 clusters apply one in a handful.
const MAX_WAYS: usize = 100;

fn too_many_ways(folder: &RepoPath, count: usize) -> Finding {
    let problem = Problem {
        location: None,
        message: format!("`{folder}` is applied in {count} different ways, and no more than {MAX_WAYS} are compared"),
        help: Some("Give the clusters overlays of their own, or the same settings.".to_owned()),
    };
    from_problem(LIMIT, &problem)
}

/// Environments that are rendered only because a CustomResourceDefinition elsewhere changes: that many take a second, of which there are 30.
const MAX_REDEFINED: usize = 100;

fn redefined() -> Finding {
    let problem = Problem {
        location: None,
        message: format!(
            "a CustomResourceDefinition changes, and only the first {MAX_REDEFINED} environments were held to it"
        ),
        help: Some("Run `trunkline check` on this change: it holds all of them to it.".to_owned()),
    };
    Finding { severity: Severity::Info, ..from_problem(NO_SCHEMA, &problem) }
}

/// Who applies what, before and after.
struct Fleets {
    base: Fleet,
    head: Fleet,
}

/// One way a folder is applied.
struct Way<'f> {
    was: Option<&'f Applier>,
    is: Option<&'f Applier>,
    /// Whether the change makes it another.
    differs: bool,
    /// Whether Kustomizations that it holds are followed.
    follows: bool,
}

impl Fleets {
    fn find(job: &Job, memory: &mut Memory<'_>) -> Self {
        let apps = &job.pipeline.apps;
        let wanted: Vec<RepoPath> =
            job.pipeline.environments.iter().flat_map(|environment| environment.folders(apps)).collect();
        Self { base: Fleet::find(memory, job.base.root, &wanted), head: Fleet::find(memory, job.head.root, &wanted) }
    }

    /// The ways a folder is applied after the change, each beside the one of the same name before it.
    fn ways(&self, folder: &RepoPath) -> Vec<Way<'_>> {
        let (before, after) = (self.base.of(folder), self.head.of(folder));
        let follows = self.base.is_used() || self.head.is_used();
        let differs = !self.head.agrees(&self.base, folder);
        let named = |applier: &Applier| before.iter().flatten().find(|was| was.name == applier.name).copied();
        let first = before.first().copied().flatten();
        let way = |is: Option<&'_ Applier>| is.and_then(named).or(first);
        after.into_iter().map(|is| Way { was: way(is), is, differs, follows }).collect()
    }
}

/// Diffs kept in all; the largest report GitHub takes is a hundredth of it. Beyond, an object's change is told without its text.
const MAX_DIFF_BYTES: usize = 8 << 20;

pub(super) fn spare(evaluation: &mut Evaluation) {
    let mut left = MAX_DIFF_BYTES;
    for change in evaluation.environments.iter_mut().flat_map(|environment| &mut environment.changes) {
        match left.checked_sub(change.diff.len()) {
            Some(rest) => left = rest,
            None => change.diff.clear(),
        }
    }
}

fn unreadable(why: &str) -> Evaluation {
    let problem = Problem {
        location: None,
        message: format!("the change could not be read: {why}"),
        help: Some("Comment `/trunkline retry`; if it stays, push the branch again.".to_owned()),
    };
    Evaluation { findings: vec![from_problem(LIMIT, &problem)], ..Evaluation::default() }
}

/// One environment's folder, when the change touches what it is rendered from, or `redefines` a kind so that something else is wrong.
fn one(
    (job, memory, elsewhere): (&Job, &mut Memory<'_>, &mut Elsewhere),
    (info, way): (&EnvironmentInfo, &Way<'_>),
    (changed, redefines): (&[RepoPath], bool),
    (policies, tally, suggestions): (&CompiledPolicies, &mut Tally<'_>, &mut Suggestions),
) -> Option<EnvironmentEvaluation> {
    let (was, is) = (job.base.is_folder(&info.folder), job.head.is_folder(&info.folder));
    if !was && !is {
        return None;
    }
    let after = memory.render_as(job.head.root, &info.folder, way.is, way.follows);
    // What head reads is what base reads, up to the first file that differs; and that file is among what head reads.
    let apart = was == is && !way.differs && !closure_touches(&after.reads, changed);
    if apart && !redefines {
        return None;
    }
    // An environment that is new has nothing before; rendering its absence would only say so as a fault.
    let before = was.then(|| memory.render_as(job.base.root, &info.folder, way.was, way.follows));
    let with = (policies, job.pipeline);
    // What did not render holds nothing to compare with; nor does an environment that is new.
    let was = before.as_ref().filter(|before| before.ok).map(|before| before.objects.as_slice());
    let mut found =
        findings((memory, elsewhere), info, (&job.head, &after, Before { objects: was, judges: was }), with);
    let had =
        before.as_ref().map(|before| findings((memory, elsewhere), info, (&job.base, before, Before::default()), with));
    let mut had = had.unwrap_or_default();
    let stays = |finding: &Finding| finding.delta == Delta::Existing;
    if apart && delta::compare(had.clone(), found.clone()).iter().all(stays) {
        return None;
    }
    tally.accept((&info.name, &info.folder), Side::Base, &mut had);
    let old = before.as_ref().map(|before| before.objects.as_slice()).unwrap_or_default();
    tally.accept((&info.name, &info.folder), Side::Head(after.ok), &mut found);
    // What does not render is not empty: to say that all objects go and all findings are fixed would be a lie.
    let (mut changes, mut images, mut amounts) = (Vec::new(), Vec::new(), Vec::new());
    let mut cost = CostChange::default();
    if after.ok || !is {
        changes = manifest::changes(old, &after.objects, job.mask);
        images = manifest::image_changes(old, &after.objects);
        amounts = manifest::amount_changes(old, &after.objects);
        cost = CostChange { from: manifest::cost(old), to: manifest::cost(&after.objects) };
    } else {
        had.retain(|finding| finding.rule == KUST_001);
    }
    let mut findings = delta::compare(had, found);
    suggestions.add(&job.head, &after.objects, &mut findings);
    Some(EnvironmentEvaluation {
        changes,
        images,
        amounts,
        cost,
        findings,
        objects: u32::try_from(after.objects.len()).unwrap_or(u32::MAX),
        rendered: after.ok,
        digest: if after.ok { manifest::digest(&after.objects) } else { String::new() },
        ..EnvironmentEvaluation::of(&info.name, info.folder.clone())
    })
}

/// What was there before a change; nothing when there is no change, or nothing before it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Before<'a> {
    /// The objects as they were, for policies that compare.
    pub objects: Option<&'a [Object]>,
    /// The objects whose own policies count; without them those of the environment as it is do.
    pub judges: Option<&'a [Object]>,
}

/// Everything wrong with one rendered environment, and with what it was before when a change made it so.
pub fn findings(
    (memory, elsewhere): (&mut Memory<'_>, &mut Elsewhere),
    info: &EnvironmentInfo,
    (tree, rendered, before): (&Tree, &Rendered, Before<'_>),
    (policies, pipeline): (&CompiledPolicies, &Pipeline),
) -> Vec<Finding> {
    let kustomizations = kustomizations(memory, tree.root, &rendered.reads);
    let mut all = check(&CheckInput {
        environment: info,
        objects: &rendered.objects,
        problems: &rendered.problems,
        notes: &rendered.readings,
        kustomizations: &kustomizations,
        tree: *tree,
        definitions: &elsewhere.of(tree, &info.folder, &rendered.objects),
        layers: &rendered.layers,
        // Against objects that are not there, each that was would look taken away.
        before: if rendered.ok { before } else { Before { objects: None, ..before } },
        policies,
        pipeline,
    });
    let notes = rendered.notes.iter().filter(|_| rendered.ok);
    all.extend(notes.map(|note| Finding { severity: Severity::Info, ..from_problem(FLUX, note) }));
    let blocks = pipeline.policies.blocks_in(&info.name);
    // What could not be seen blocks also where nothing does: silence would look like health.
    let seen = |finding: &&mut Finding| blocks != Blocks::Nothing || !NEVER.contains(&finding.rule.as_str());
    all.iter_mut().filter(seen).for_each(|finding| finding.blocks = blocks);
    all
}

/// The names under which Kustomize looks for its file.
const KUSTOMIZATION: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// The kustomization files among what was read, for the rules about them.
pub fn kustomizations(memory: &mut Memory<'_>, root: Oid, reads: &BTreeSet<RepoPath>) -> Vec<Node> {
    let files = reads.iter().filter(|path| KUSTOMIZATION.contains(&path.name()));
    let documents: Vec<_> = files.filter_map(|path| memory.documents(root, path)).collect();
    documents.iter().flat_map(|all| all.iter()).cloned().collect()
}

/// What is wrong with a changed configuration; it is checked and shown, never obeyed.
fn configuration(job: &Job, changed: &[RepoPath]) -> Vec<Finding> {
    let Some(path) = changed.iter().find(|path| path.as_str() == config::FILE) else { return Vec::new() };
    let problems = |tree: &Tree| {
        let text = tree.read(path).ok()?;
        let text = String::from_utf8_lossy(&text).into_owned();
        Some(
            config::parse(path, &text).problems.iter().map(|problem| from_problem(CONFIG, problem)).collect::<Vec<_>>(),
        )
    };
    let Some(after) = problems(&job.head) else {
        let problem = Problem {
            location: None,
            message: format!("this change removes `{}`", config::FILE),
            help: Some(
                "Without it Trunkline promotes nothing here; restore it unless that is what you want.".to_owned(),
            ),
        };
        return vec![Finding { severity: Severity::Warning, ..from_problem(CONFIG, &problem) }];
    };
    delta::compare(problems(&job.base).unwrap_or_default(), after)
}

/// The configuration that the change brings, when it is valid.
fn proposed(job: &Job, changed: &[RepoPath]) -> Option<Pipeline> {
    let path = changed.iter().find(|path| path.as_str() == config::FILE)?;
    config::parse(path, &String::from_utf8_lossy(&job.head.read(path).ok()?)).pipeline
}

/// The policies that the change brings, when it alters them.
fn changed_policies(job: &Job, changed: &[RepoPath]) -> Option<CompiledPolicies> {
    let folders = &job.pipeline.policies.paths;
    let touched = changed.iter().any(|path| folders.iter().any(|folder| path.is_within(folder)));
    touched.then(|| compile(&files::read(job.head.objects, &files::list(&job.head, folders))))
}

/// What is wrong with the policies and waivers: the default branch's as already there, and what the change makes of them.
fn policy_changes(
    job: &Job,
    policies: CompiledPolicies,
    after: Option<CompiledPolicies>,
    evaluation: &Evaluation,
) -> Vec<Finding> {
    let mut problems = policies.problems;
    problems.extend(job.waivers.problems.iter().cloned());
    if let Some(after) = after {
        let listed = files::list(&job.head, &job.pipeline.policies.paths);
        let pipeline = evaluation.proposed.as_ref().unwrap_or(job.pipeline);
        let waivers = job.waivers.after(job.head.objects, &listed, pipeline);
        let mut after = after.problems;
        after.extend(waivers.problems.iter().cloned());
        let mut found = delta::compare(problems, after);
        found.extend(waivers.brought(job.waivers, evaluation));
        return found;
    }
    if evaluation.environments.is_empty() {
        return Vec::new();
    }
    problems.into_iter().map(|finding| Finding { delta: Delta::Existing, ..finding }).collect()
}

/// What the change's own rules would find, when it alters any: in the configuration, in policy folders, or among what an environment applies.
fn previewed(
    (job, memory, elsewhere): (&Job, &mut Memory<'_>, &mut Elsewhere),
    evaluation: &Evaluation,
    (policies, after): (&CompiledPolicies, Option<&CompiledPolicies>),
    progress: &mut dyn FnMut(&str),
) -> Option<Preview> {
    let judges = |change: &Change| admission::is_of_judge(&change.object);
    let applied = evaluation.environments.iter().any(|environment| environment.changes.iter().any(judges));
    let other = evaluation.proposed.as_ref().filter(|proposed| *proposed != job.pipeline);
    if other.is_none() && after.is_none() && !applied {
        return None;
    }
    // Other folders hold other policies, also when none of their files is touched.
    let pipeline = other.unwrap_or(job.pipeline);
    let moved = (pipeline.policies.paths != job.pipeline.policies.paths)
        .then(|| compile(&files::read(job.head.objects, &files::list(&job.head, &pipeline.policies.paths))));
    // Waivers name environments, so another configuration may be enough to change what they accept.
    let waivers = job.waivers.after(job.head.objects, &files::list(&job.head, &pipeline.policies.paths), pipeline);
    let old = Rules { pipeline: job.pipeline, policies, waivers: job.waivers };
    let new = Rules { pipeline, policies: moved.as_ref().or(after).unwrap_or(policies), waivers: &waivers };
    Some(preview((job, memory, elsewhere), [old, new], progress))
}
