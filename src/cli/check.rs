//! `trunkline check`: a working tree under the rules the bot applies.

use std::io;
use std::path::PathBuf;

use jiff::tz::TimeZone;

use super::place::Place;
use super::{Failure, Verdict, colors, fields, mend, note, print};
use crate::clock::Clock;
use crate::config;
use crate::manifest;
use crate::model::finding::{CostChange, Delta, EnvironmentEvaluation, Evaluation, Finding, Location, Problem};
use crate::model::path::RepoPath;
use crate::model::pipeline::{NEWEST_KUBERNETES, Pipeline, Policies};
use crate::model::tree::{Tree, TreeError};
use crate::policy::evaluate::{Before, CONFIG, findings};
use crate::policy::rules::from_problem;
use crate::policy::schema::Elsewhere;
use crate::policy::waivers::{Side, Tally, Waivers};
use crate::policy::{Class, CompiledPolicies, EnvironmentInfo, Suggestions, compile, files};
use crate::render::Memory;
use crate::render::discover::{self, Discovered};
use crate::render::flux::{Applier, Fleet};
use crate::render::reach::closure_touches;
use crate::report::{github, json, sarif, terminal};

/// Validate the environments of a working tree
///
/// Renders every environment that PATH touches, and checks it with the same rules, policies and code as the bot. Environments
/// and policies come from .github/trunkline.yaml. Without that file, every folder with a kustomization that no other one
/// includes is taken for an environment, or else every folder with manifests below PATH; whether it is dev, stage or prod is
/// read from its name. Nothing is fetched, and no other program is run.
///
/// Exit status: 0 nothing that blocks, 1 something blocks (an error, unless `policies.blocks` says otherwise; without a base
/// to compare with, everything counts as new), 2 could not check, or there is no environment at all.
/// A PATH that belongs to no environment is clean: a change to it reaches none.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct CheckArgs {
    /// A folder or file of the repository: everything it reaches is checked
    #[arg(default_value = ".")]
    path: PathBuf,
    /// How findings are written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Check only this environment; may be given several times
    #[arg(long, value_name = "NAME")]
    environment: Vec<String>,
    /// First take over, in the working tree, every suggestion for a finding: the lines shown as `replace with`
    #[arg(long)]
    fix: bool,
}

const EXAMPLES: &str = "\
Examples:
  trunkline check
  trunkline check environments/base            What everything built on that base makes of it
  trunkline check --environment prod
  trunkline check --fix                        Mends slips, quotes and the like, then checks
  trunkline check --format github              Annotations in a GitHub Actions job
  trunkline check --format sarif > trunkline.sarif";

/// How findings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Format {
    /// For people, with the lines themselves
    #[default]
    Human,
    /// Everything there is, for programs
    Json,
    /// SARIF 2.1.0, for code scanning and editors
    Sarif,
    /// Workflow commands, which GitHub Actions shows at their lines
    Github,
}

pub(super) fn run(args: &CheckArgs) -> Result<Verdict, Failure> {
    if args.fix {
        fix(args)?;
    }
    let place = Place::find(&args.path)?;
    let tree = place.tree();
    let mut memory = Memory::new(tree.objects);
    let house = House::read(&tree, &place, &mut memory)?;
    let chosen = choose(&house.environments, &args.environment)?;
    let evaluation = evaluate((&tree, &mut memory), &place.path, &house, &chosen);
    let is_checked = |info: &&&EnvironmentInfo| evaluation.environments.iter().any(|one| one.path == info.folder);
    let checked: Vec<&EnvironmentInfo> = chosen.iter().filter(is_checked).copied().collect();
    if house.is_guess && !checked.is_empty() {
        note(&guessed(&checked));
    }
    match (reach(&evaluation, &house, &place), args.format) {
        (Some(nothing), Format::Human) if evaluation.findings.is_empty() => print(&format!("{nothing}\n"))?,
        (nothing, format) => {
            nothing.iter().for_each(|nothing| note(nothing));
            tell(&tree, &evaluation, format)?;
        }
    }
    if let Format::Human = args.format {
        let folders: Vec<&RepoPath> = checked.iter().map(|info| &info.folder).collect();
        print(&fields::told(&tree, &house.pipeline, &folders))?;
    }
    if evaluation.environments.iter().any(|environment| !environment.rendered) {
        place.explain_root();
    }
    Ok(if evaluation.blocks() { Verdict::Findings } else { Verdict::Clean })
}

/// Mends what can be; what is found after that is told as always.
fn fix(args: &CheckArgs) -> Result<(), Failure> {
    let place = Place::find(&args.path)?;
    let tree = place.tree();
    let mut memory = Memory::new(tree.objects);
    let house = House::read(&tree, &place, &mut memory)?;
    let chosen = choose(&house.environments, &args.environment)?;
    mend::take_over(&place, &evaluate((&tree, &mut memory), &place.path, &house, &chosen))
}

/// What is to be said when no environment was looked at.
fn reach(evaluation: &Evaluation, house: &House, place: &Place) -> Option<String> {
    match (evaluation.environments.is_empty(), house.is_read) {
        (false, _) => None,
        (true, true) => Some(format!("nothing to check: `{}` belongs to no environment", place.path)),
        (true, false) => Some(format!("no environment is checked until {} is corrected", config::FILE)),
    }
}

/// What holds in a repository.
struct House {
    pipeline: Pipeline,
    policies: Policies,
    environments: Vec<EnvironmentInfo>,
    /// What is wrong with the configuration.
    findings: Vec<Finding>,
    /// Whether the environments were guessed from the folders.
    is_guess: bool,
    /// Whether they are known at all: a broken configuration names none.
    is_read: bool,
}

impl House {
    fn read(tree: &Tree<'_>, place: &Place, memory: &mut Memory<'_>) -> Result<House, Failure> {
        let Some(parsed) = configuration(tree) else { return House::guess(tree, place, memory) };
        let findings = parsed.problems.iter().map(|problem| from_problem(CONFIG, problem)).collect();
        let is_read = parsed.pipeline.is_some();
        let pipeline = parsed.pipeline.unwrap_or_else(Pipeline::nothing);
        let environments = configured(tree, &pipeline);
        let policies = pipeline.policies.clone();
        Ok(House { pipeline, policies, environments, findings, is_guess: false, is_read })
    }

    /// The environments that the folders speak of, under what holds where nothing is configured.
    fn guess(tree: &Tree<'_>, place: &Place, memory: &mut Memory<'_>) -> Result<House, Failure> {
        let of = |folder: RepoPath| EnvironmentInfo {
            name: folder.to_string(),
            class: Class::named(&folder),
            folder,
            kubernetes: NEWEST_KUBERNETES,
        };
        let mut found = discover::overlays(tree);
        let mut within = |folder: &RepoPath| {
            closure_touches(&memory.render(tree.root, folder).reads, std::slice::from_ref(&place.path))
        };
        let is_touched = place.path.is_root() || found.folders.iter().any(&mut within);
        if found.folders.is_empty() || !is_touched {
            let folder = if place.is_folder { place.path.clone() } else { place.path.parent() };
            let Discovered { folders, cut } = discover::plain(tree, &folder);
            found.folders.extend(folders);
            found.cut |= cut;
        }
        if found.cut {
            let help = format!("list the environments in {}, or remove build folders", config::FILE);
            return Err(Failure::new("there are too many folders here to look for environments in", help));
        }
        if found.folders.is_empty() {
            let help = format!("pass the folder that holds your environments, or list them in {}", config::FILE);
            let message = "there is nothing to check here: no kustomization.yaml and no Kubernetes manifest";
            return Err(Failure::new(message, help));
        }
        // What an empty configuration would say.
        let paths = ["policies".parse()].into_iter().flatten().collect();
        let policies = Policies { packs: vec!["recommended".to_owned()], paths, ..Policies::default() };
        let environments = found.folders.into_iter().map(of).collect();
        let pipeline = Pipeline { policies: policies.clone(), ..Pipeline::nothing() };
        Ok(House { pipeline, policies, environments, findings: Vec::new(), is_guess: true, is_read: true })
    }
}

/// The configuration, when there is one; a file that cannot be read is a problem of its own.
fn configuration(tree: &Tree<'_>) -> Option<config::Parsed> {
    let path: RepoPath = config::FILE.parse().ok()?;
    match tree.read(&path) {
        Ok(bytes) => Some(config::parse(&path, &String::from_utf8_lossy(&bytes))),
        Err(TreeError::NotFound(_)) => None,
        Err(error) => {
            let location = Some(Location { path, line: 1, column: 0 });
            let help = Some("Make it an ordinary file of this repository.".to_owned());
            Some(config::Parsed {
                pipeline: None,
                problems: vec![Problem { location, message: error.to_string(), help }],
            })
        }
    }
}

/// The configured environments; a folder that one application of several does not have yet is left out, as the bot does.
fn configured(tree: &Tree<'_>, pipeline: &Pipeline) -> Vec<EnvironmentInfo> {
    let mut all = Vec::new();
    for environment in &pipeline.environments {
        let mut folders = environment.folders(&pipeline.apps);
        if folders.iter().any(|folder| tree.is_folder(folder)) {
            folders.retain(|folder| tree.is_folder(folder));
        }
        all.extend(folders.into_iter().map(|folder| EnvironmentInfo::of(environment, folder)));
    }
    all
}

fn choose<'a>(all: &'a [EnvironmentInfo], wanted: &[String]) -> Result<Vec<&'a EnvironmentInfo>, Failure> {
    for name in wanted {
        if !all.iter().any(|environment| environment.name == *name) {
            let known = || all.iter().map(|environment| environment.name.as_str());
            let help = match config::nearest(name, known()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if all.is_empty() => "none is configured here".to_owned(),
                None => format!("choose from {}", some(known().map(|name| format!("`{name}`")))),
            };
            return Err(Failure::new(format!("there is no environment `{name}`"), help));
        }
    }
    Ok(all.iter().filter(|environment| wanted.is_empty() || wanted.contains(&environment.name)).collect())
}

/// Everything that is wrong; all of it counts as new, since there is no base to compare with.
fn evaluate(
    (tree, memory): (&Tree<'_>, &mut Memory<'_>),
    path: &RepoPath,
    house: &House,
    chosen: &[&EnvironmentInfo],
) -> Evaluation {
    let listed = files::list(tree, &house.policies.paths);
    let policies = compile(&files::read(tree.objects, &listed));
    let today = Clock::System.now().to_zoned(TimeZone::UTC).date();
    let waivers = Waivers::read(tree.objects, &listed, &house.pipeline, today);
    let (mut tally, mut suggestions) = (Tally::new(&waivers), Suggestions::default());
    let changes_rules = house.policies.paths.iter().any(|folder| path.is_within(folder) || folder.is_within(path));
    let wanted: Vec<RepoPath> = chosen.iter().map(|environment| environment.folder.clone()).collect();
    let fleet = Fleet::find(memory, tree.root, &wanted);
    let path = (!changes_rules).then_some(path);
    let mut environments = Vec::new();
    let mut elsewhere = Elsewhere::default();
    for environment in chosen {
        let ways = fleet.of(&environment.folder);
        for way in &ways {
            let way = (*way, fleet.is_used());
            let desk = (tree, &mut *memory, &mut elsewhere);
            let with = (&policies, &house.pipeline, (&mut tally, &mut suggestions));
            let touched = one(desk, (environment, way), path, with);
            let Some(mut one) = touched else { continue };
            if let (Some(applier), true) = (way.0, ways.len() > 1) {
                one.applier.clone_from(&applier.name);
            }
            environments.push(one);
        }
    }
    let mut evaluation = Evaluation { environments, findings: house.findings.clone(), ..Evaluation::default() };
    evaluation.findings.extend(policies.problems.iter().chain(&waivers.problems).cloned());
    let places: Vec<_> = house.environments.iter().map(|one| (one.name.clone(), one.folder.clone())).collect();
    let told = tally.findings(&places).into_iter();
    evaluation.findings.extend(told.map(|finding| Finding { delta: Delta::New, ..finding }));
    evaluation
}

/// One environment, when `path` reaches it; all do when the policies are what is looked at.
fn one(
    (tree, memory, elsewhere): (&Tree<'_>, &mut Memory<'_>, &mut Elsewhere),
    (info, (applier, follows)): (&EnvironmentInfo, (Option<&Applier>, bool)),
    path: Option<&RepoPath>,
    (policies, pipeline, (tally, suggestions)): (&CompiledPolicies, &Pipeline, (&mut Tally<'_>, &mut Suggestions)),
) -> Option<EnvironmentEvaluation> {
    let rendered = memory.render_as(tree.root, &info.folder, applier, follows);
    if path.is_some_and(|path| !closure_touches(&rendered.reads, std::slice::from_ref(path))) {
        return None;
    }
    let with = (policies, pipeline);
    let mut findings = findings((memory, elsewhere), info, (tree, &rendered, Before::default()), with);
    tally.accept((&info.name, &info.folder), Side::Head(rendered.ok), &mut findings);
    findings.sort_by(|a, b| (&a.location, &a.rule).cmp(&(&b.location, &b.rule)));
    suggestions.add(tree, &rendered.objects, &mut findings);
    let cost = manifest::cost(&rendered.objects);
    Some(EnvironmentEvaluation {
        cost: CostChange { from: cost.clone(), to: cost },
        findings,
        objects: u32::try_from(rendered.objects.len()).unwrap_or(u32::MAX),
        rendered: rendered.ok,
        ..EnvironmentEvaluation::of(&info.name, info.folder.clone())
    })
}

fn tell(tree: &Tree<'_>, evaluation: &Evaluation, format: Format) -> Result<(), Failure> {
    let source = |path: &RepoPath, line| terminal::line_of(tree, path, line);
    match format {
        Format::Human => print(&terminal::terminal(evaluation, &source, colors(&io::stdout()))),
        Format::Json => print(&format!("{:#}\n", json::json(evaluation))),
        Format::Sarif => print(&format!("{:#}\n", sarif::sarif(evaluation, env!("CARGO_PKG_VERSION")))),
        Format::Github => {
            print(&github::workflow_commands(evaluation))?;
            note(terminal::summary(evaluation, false).trim_end());
            Ok(())
        }
    }
}

fn guessed(environments: &[&EnvironmentInfo]) -> String {
    let class = |class| match class {
        Class::Dev => "dev",
        Class::Stage => "stage",
        Class::Prod => "prod",
    };
    let shown = environments.iter().map(|environment| format!("{} as {}", environment.name, class(environment.class)));
    format!("no {} here; taking these for environments: {}", config::FILE, some(shown))
}

/// A list that stays readable.
fn some(items: impl Iterator<Item = String>) -> String {
    /// More than fits on two lines of a terminal.
    const MOST: usize = 12;
    let all: Vec<String> = items.collect();
    let more = all.len().saturating_sub(MOST);
    let shown = all.into_iter().take(MOST).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}
