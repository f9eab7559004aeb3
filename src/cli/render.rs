//! `trunkline render`: an environment's objects as YAML.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::place::Place;
use super::{Failure, Verdict, colors, note, print};
use crate::manifest::yaml;
use crate::model::path::RepoPath;
use crate::model::tree::Tree;
use crate::policy::rules::from_render_problem;
use crate::render::flux::Fleet;
use crate::render::{Memory, Rendered, render};
use crate::report::explain::explain;
use crate::report::terminal;

/// Print the objects of one environment as YAML
///
/// Renders a folder as Flux would, and prints its objects in the order of `kustomize build`. A folder without a kustomization
/// is rendered as all the manifests in it. Where a Flux Kustomization of this repository applies the folder, its settings and
/// variables are applied too, and the Kustomizations the folder holds are followed. Nothing is fetched and no other program is run.
/// Secrets are printed as they are.
///
/// Exit status: 0 rendered, 1 does not render (the reasons are on standard error), 2 could not try.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct RenderArgs {
    /// The environment's folder
    #[arg(required_unless_present = "explain")]
    path: Option<PathBuf>,
    /// Tell where values come from: the line to change, and what set it on the way
    ///
    /// The object is `Kind/name` or `Kind/namespace/name`; the field, such as `spec.template.spec.containers[app].image`, has an
    /// item's name or number in brackets. Without a field, all values of the object are told.
    #[arg(long, value_names = ["OBJECT", "FIELD"], num_args = 1..=2)]
    explain: Option<Vec<String>>,
    /// Render the folder by itself, whoever applies it
    #[arg(long, conflicts_with = "applier")]
    plain: bool,
    /// Render it as this Flux Kustomization applies it, where several do
    #[arg(long = "as", value_name = "NAME")]
    applier: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  trunkline render environments/prod
  trunkline render environments/prod | kubectl diff -f -
  trunkline render environments/prod --plain          What stands in the folder, without Flux's settings
  trunkline render environments/prod --explain Deployment/web spec.replicas";

pub(super) fn run(args: &RenderArgs) -> Result<Verdict, Failure> {
    let (path, asked) = what(args)?;
    let place = Place::find(&path)?;
    if !place.is_folder {
        let help = "pass the folder it stands in";
        return Err(Failure::new(format!("`{}` is a file, not a folder", path.display()), help));
    }
    let tree = place.tree();
    let rendered = match args.plain {
        true => Arc::new(render(&tree, &place.path)),
        false => applied(&tree, &place.path, args.applier.as_deref())?,
    };
    if !rendered.ok {
        let findings: Vec<_> = rendered.problems.iter().map(from_render_problem).collect();
        let told =
            terminal::findings(&findings, &|path, line| terminal::line_of(&tree, path, line), colors(&io::stderr()));
        note(told.trim_end());
        place.explain_root();
        return Ok(Verdict::Findings);
    }
    for told in &rendered.readings {
        let place = told.location.as_ref().map_or_else(String::new, |place| format!("{place}: "));
        note(&format!("{place}{}", told.message));
    }
    if rendered.objects.is_empty() {
        note(&format!("nothing to render: `{}` holds no Kubernetes manifests", path.display()));
    }
    if let Some((object, field)) = asked {
        let told = explain(&rendered.objects, object, field).map_err(|why| Failure::new(why.message, why.help))?;
        print(&told)?;
        return Ok(Verdict::Clean);
    }
    let documents: Vec<String> = rendered.objects.iter().map(|object| yaml(&object.node)).collect();
    print(&documents.join("---\n"))?;
    Ok(Verdict::Clean)
}

/// Renders a folder as the Flux Kustomization does that applies it, and says which that is when it makes a difference.
fn applied(tree: &Tree<'_>, folder: &RepoPath, wanted: Option<&str>) -> Result<Arc<Rendered>, Failure> {
    let mut memory = Memory::new(tree.objects);
    let fleet = Fleet::find(&mut memory, tree.root, std::slice::from_ref(folder));
    let ways = fleet.of(folder);
    let names = || ways.iter().flatten().map(|applier| format!("`{}`", applier.name)).collect::<Vec<_>>().join(", ");
    let applier = match wanted {
        Some(name) => {
            let is_wanted = |applier: &&crate::render::flux::Applier| {
                applier.name == name || applier.name.rsplit('/').next() == Some(name)
            };
            let Some(applier) = ways.iter().flatten().copied().find(is_wanted) else {
                let help = match names() {
                    names if names.is_empty() => "no Flux Kustomization of this repository is known to".to_owned(),
                    names => format!("those that do: {names}"),
                };
                return Err(Failure::new(format!("no Kustomization `{name}` applies `{folder}`"), help));
            };
            Some(applier)
        }
        None => ways.first().copied().flatten(),
    };
    if let Some(applier) = applier.filter(|applier| applier.has_settings()) {
        let others = if ways.len() > 1 && wanted.is_none() {
            format!("; of {}, choose with --as", names())
        } else {
            String::new()
        };
        note(&format!(
            "as `{}` applies it ({}): {}{others}",
            applier.name,
            applier.location,
            applier.settings().join(", ")
        ));
    }
    let rendered = memory.render_as(tree.root, folder, applier, fleet.is_used());
    rendered.notes.iter().filter(|_| rendered.ok).for_each(|told| note(&told.message));
    Ok(rendered)
}

/// An object and perhaps a field of it.
type Asked<'a> = (&'a str, Option<&'a str>);

/// The folder to render and what is to be explained. `--explain` takes what follows it, so the folder may be its second word.
fn what(args: &RenderArgs) -> Result<(PathBuf, Option<Asked<'_>>), Failure> {
    let (object, second) = match args.explain.as_deref() {
        Some([object]) => (object, None),
        Some([object, second, ..]) => (object, Some(second.as_str())),
        _ => return Ok((args.path.clone().unwrap_or_default(), None)),
    };
    match (&args.path, second) {
        (Some(path), field) => Ok((path.clone(), Some((object, field)))),
        (None, Some(path)) => Ok((path.into(), Some((object, None)))),
        (None, None) => Err(Failure::new(
            "no folder was given",
            format!("run `trunkline render <PATH> --explain {object}`, with the environment's folder"),
        )),
    }
}
