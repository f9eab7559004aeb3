//! Arguments and the commands behind them.
//!
//! Each command is a file: it takes its own arguments and says how it ended. Standard output carries what was asked for and
//! nothing else, so that it can be piped; everything about it goes to standard error.

mod check;
mod fields;
mod folder;
mod mend;
mod place;
mod policy;
mod preview;
mod render;
mod sandbox;
mod serve;
mod stage;
mod tour;

use std::io::{self, IsTerminal, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config;
use crate::model::finding::Problem;
use crate::settings::ServeArgs;

/// Carries releases from trunk to production through pull requests, and lets Flux do the deploying
#[derive(Debug, Parser)]
#[command(name = "trunkline", version, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  trunkline sandbox                     Try it here: the bot and a GitHub of its own, on this machine
  trunkline check                       Validate the environments of the repository you are in
  trunkline render environments/prod    Print the objects of one environment
  trunkline preview acme/environments   See what it would have done there, installing nothing
  trunkline serve --help                See what the bot needs to run

Every command explains itself with --help.";

/// One line and one arm in [`run`] a command.
#[derive(Debug, Subcommand)]
enum Command {
    Check(check::CheckArgs),
    /// Work on the repository's own policies
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    Preview(preview::PreviewArgs),
    Render(render::RenderArgs),
    Sandbox(sandbox::SandboxArgs),
    /// Print the JSON Schema of .github/trunkline.yaml
    #[command(after_long_help = SCHEMA_EXAMPLES)]
    Schema,
    /// Run the bot against GitHub or a GitHub Enterprise Server
    #[command(long_about = serve::ABOUT, after_long_help = serve::EXAMPLES)]
    Serve(Box<ServeArgs>),
    /// Evaluates in a process of its own; `main` starts it before arguments are read
    #[command(hide = true)]
    Worker,
}

const SCHEMA_EXAMPLES: &str = "\
Examples:
  trunkline schema > trunkline.schema.json
  Then, as the first line of .github/trunkline.yaml, for editors with the YAML language server:
  # yaml-language-server: $schema=../trunkline.schema.json";

/// How a command ended that could do what it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// All is well.
    Clean,
    /// It found errors, or something does not render.
    Findings,
}

/// Why a command could not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failure(Vec<Problem>);

impl Failure {
    fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self(vec![Problem { location: None, message: message.into(), help: Some(help.into()) }])
    }
}

/// Reads the arguments of this process and runs what they ask for.
///
/// 0: all is well; 1: it found errors; 2: it could not do what it was asked for.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // A bug of ours must not pass for a verdict about somebody's files; the panic itself is already on standard error.
    match catch_unwind(AssertUnwindSafe(|| run(cli.command))) {
        Ok(Ok(Verdict::Clean)) => ExitCode::SUCCESS,
        Ok(Ok(Verdict::Findings)) => ExitCode::from(1),
        Ok(Err(Failure(problems))) => {
            problems.iter().for_each(tell);
            ExitCode::from(2)
        }
        Err(_) => {
            let help = "please report it, with the lines above and the file that causes it";
            Failure::new("that is a bug in Trunkline", help).0.iter().for_each(tell);
            ExitCode::from(2)
        }
    }
}

fn run(command: Command) -> Result<Verdict, Failure> {
    match command {
        Command::Check(args) => check::run(&args),
        Command::Policy(policy::PolicyCommand::Test(args)) => policy::test(&args),
        Command::Preview(args) => preview::run(&args),
        Command::Render(args) => render::run(&args),
        Command::Schema => print(&format!("{:#}\n", config::schema())).map(|()| Verdict::Clean),
        Command::Sandbox(args) => sandbox::run(&args),
        Command::Serve(args) => serve::run(*args),
        Command::Worker => Err(Failure::new("`worker` is not for people", "run `trunkline --help`")),
    }
}

/// Writes to standard output. A reader that has seen enough, such as `head`, is no failure.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("the output cannot be written: {error}"), "check that its disk has room"))
        }
        _ => Ok(()),
    }
}

/// Writes one problem to standard error; when nobody reads that, there is nobody to tell.
fn tell(problem: &Problem) {
    let mut text = format!("{} {}\n", paint_error("error:"), problem.message);
    if let Some(help) = &problem.help {
        text.push_str(&format!("  help: {help}\n"));
    }
    let _nobody_reads = io::stderr().write_all(text.as_bytes());
}

/// Writes a remark to standard error.
fn note(text: &str) {
    let _nobody_reads = io::stderr().write_all(format!("{text}\n").as_bytes());
}

fn paint_error(text: &str) -> String {
    if colors(&io::stderr()) { format!("\u{1b}[1;31m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// Whether to use colours: only for a person's eyes, and not when they said no (https://no-color.org).
fn colors(out: &impl IsTerminal) -> bool {
    let says_no = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    out.is_terminal() && !says_no && !dumb
}
