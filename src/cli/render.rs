//! `trunkline render`: an environment's objects as YAML.

use std::io;
use std::path::PathBuf;

use super::place::Place;
use super::{Failure, Verdict, colors, note, print};
use crate::manifest::yaml;
use crate::policy::rules::from_render_problem;
use crate::render::render;
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
    path: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  trunkline render environments/prod
  trunkline render environments/prod | kubectl diff -f -";

pub(super) fn run(args: &RenderArgs) -> Result<Verdict, Failure> {
    let place = Place::find(&args.path)?;
    if !place.is_folder {
        let help = "pass the folder it stands in";
        return Err(Failure::new(format!("`{}` is a file, not a folder", args.path.display()), help));
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
    if rendered.objects.is_empty() {
        note(&format!("nothing to render: `{}` holds no Kubernetes manifests", args.path.display()));
    }
    let documents: Vec<String> = rendered.objects.iter().map(|object| yaml(&object.node)).collect();
    print(&documents.join("---\n"))?;
    Ok(Verdict::Clean)
}
