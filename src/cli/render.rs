//! `trunkline render`: an environment's objects as YAML.

use std::io;
use std::path::PathBuf;

use super::place::Place;
use super::{Failure, Verdict, colors, note, print};
use crate::manifest::yaml;
use crate::policy::rules::from_render_problem;
use crate::render::render;
use crate::report::explain::explain;
use crate::report::terminal;

/// Print the objects of one environment as YAML
///
/// Renders a folder as Flux would, and prints its objects in the order of `kustomize build`. A folder without a kustomization
/// is rendered as all the manifests in it. Nothing is fetched and no other program is run. Secrets are printed as they are.
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
}

const EXAMPLES: &str = "\
Examples:
  trunkline render environments/prod
  trunkline render environments/prod | kubectl diff -f -
  trunkline render environments/prod --explain Deployment/web spec.replicas";

pub(super) fn run(args: &RenderArgs) -> Result<Verdict, Failure> {
    let (path, asked) = what(args)?;
    let place = Place::find(&path)?;
    if !place.is_folder {
        let help = "pass the folder it stands in";
        return Err(Failure::new(format!("`{}` is a file, not a folder", path.display()), help));
    }
    let tree = place.tree();
    let rendered = render(&tree, &place.path);
    if !rendered.ok {
        let findings: Vec<_> = rendered.problems.iter().map(from_render_problem).collect();
        let told =
            terminal::findings(&findings, &|path, line| terminal::line_of(&tree, path, line), colors(&io::stderr()));
        note(told.trim_end());
        place.explain_root();
        return Ok(Verdict::Findings);
    }
    for told in &rendered.notes {
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
