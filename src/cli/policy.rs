//! `trunkline policy test`: a policy folder's own tests, in the engine that will ask the policies.

use std::io;
use std::path::PathBuf;

use super::place::Place;
use super::{Failure, Verdict, colors, print};
use crate::config;
use crate::model::path::RepoPath;
use crate::model::tree::Tree;
use crate::policy::files;
use crate::policy::rego::verify::{Outcome, Test, Verified, verify};
use crate::report::terminal;

/// What can be done with policies.
#[derive(Debug, clap::Subcommand)]
pub(super) enum PolicyCommand {
    Test(TestArgs),
}

/// Run the tests of a policy folder
///
/// A test is a rule named test_…, usually in a file named …_test.rego: it passes when it is true. `with input as` gives it an
/// object. Policies, data and tests of both Rego versions are read as the bot reads them, so what passes here is what will count.
///
/// Exit status: 0 every test passes, 1 one does not or a policy cannot be read, 2 there is no test.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct TestArgs {
    /// The folder; by default those that .github/trunkline.yaml names, or `policies`
    path: Option<PathBuf>,
    /// Name the tests that pass as well
    #[arg(long, short)]
    verbose: bool,
}

const EXAMPLES: &str = "\
Examples:
  trunkline policy test
  trunkline policy test --verbose policies/images

A test:
  package images

  import rego.v1

  test_latest_is_refused if {
    count(deny) == 1 with input as {\"kind\": \"Pod\", \"spec\": {\"containers\": [{\"image\": \"web:latest\"}]}}
  }";

/// Runs the tests, and tells of them as they stand in their files.
pub(super) fn test(args: &TestArgs) -> Result<Verdict, Failure> {
    let place = Place::find(args.path.as_deref().unwrap_or(std::path::Path::new(".")))?;
    let tree = place.tree();
    let folders = if args.path.is_some() { vec![place.path.clone()] } else { configured(&tree) };
    let found = verify(&files::read(tree.objects, &files::list_with_tests(&tree, &folders)));
    if found.tests.is_empty() && found.problems.is_empty() {
        let shown: Vec<String> = folders.iter().map(|folder| format!("`{folder}`")).collect();
        let help = "write rules named `test_…` in a file named `…_test.rego`; `trunkline policy test --help` shows one";
        return Err(Failure::new(format!("there is no test in {}", shown.join(", ")), help));
    }
    let source = |path: &RepoPath, line| terminal::line_of(&tree, path, line);
    if !found.problems.is_empty() {
        print(&terminal::findings(&found.problems, &source, colors(&io::stdout())))?;
    }
    print(&told(&found, args.verbose))?;
    let is_fine = |test: &Test| matches!(test.outcome, Outcome::Passed | Outcome::Skipped);
    Ok(if found.problems.is_empty() && found.tests.iter().all(is_fine) { Verdict::Clean } else { Verdict::Findings })
}

/// The policy folders of the repository.
fn configured(tree: &Tree<'_>) -> Vec<RepoPath> {
    let path: Option<RepoPath> = config::FILE.parse().ok();
    let parsed = path.and_then(|path| {
        let text = tree.read(&path).ok()?;
        config::parse(&path, &String::from_utf8_lossy(&text)).pipeline
    });
    parsed.map_or_else(|| "policies".parse().into_iter().collect(), |pipeline| pipeline.policies.paths)
}

fn told(found: &Verified, verbose: bool) -> String {
    let mut out = String::new();
    let mut numbers = [0_usize; 3];
    for test in &found.tests {
        let (word, number, more) = match &test.outcome {
            Outcome::Passed => ("PASS", 0, Vec::new()),
            Outcome::Failed(printed) => ("FAIL", 1, printed.clone()),
            Outcome::Broken(why) => ("FAIL", 1, vec![why.clone()]),
            Outcome::Skipped => ("SKIP", 2, Vec::new()),
        };
        numbers[number] += 1;
        if verbose || number > 0 {
            let at = &test.location;
            out.push_str(&format!("{word} {}:{} {}\n", at.path, at.line, test.name));
        }
        more.iter().for_each(|line| out.push_str(&format!("       {}\n", plain(line))));
    }
    if found.problems.is_empty() {
        let [passed, failed, skipped] = numbers;
        let skipped = if skipped > 0 { format!(", {skipped} to do") } else { String::new() };
        out.push_str(&format!("{passed} passed, {failed} failed{skipped}\n"));
    } else {
        out.push_str("\nno test was run: correct the policies first\n");
    }
    out
}

/// What a policy prints may hold anything; a terminal gets one line of it.
fn plain(text: &str) -> String {
    text.chars().take(500).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
