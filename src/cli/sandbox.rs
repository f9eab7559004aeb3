//! `trunkline sandbox`: the bot and a GitHub to run against, in one process on this machine, to try everything on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use tokio::sync::watch;

use super::folder::Folder;
use super::stage::{Stage, failed};
use super::{Failure, Verdict, print, tour};
use crate::clock::Clock;
use crate::config;
use crate::model::path::RepoPath;
use crate::model::pipeline::Pipeline;
use crate::model::tree::{EntryKind, Objects, Tree};
use crate::reconcile::Running;
use crate::sandbox::Sandbox;
use crate::sandbox::seed::{self, CI, ENVIRONMENTS, ORG, SHOP};
use crate::telemetry::{self, LogFormat};

/// Try it here: the bot and a GitHub of its own on this machine, with an example organisation
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct SandboxArgs {
    /// Play the whole story by itself, say what happens, and end
    #[arg(long, conflicts_with_all = ["from", "port"])]
    tour: bool,
    /// Start from this checkout instead of the example
    #[arg(long, value_name = "FOLDER")]
    from: Option<PathBuf>,
    /// Where the sandbox's GitHub listens on loopback; 0 takes any free port
    #[arg(long, default_value_t = 4000)]
    port: u16,
    /// What to log, as in `RUST_LOG`
    #[arg(long, default_value = "warn", value_name = "FILTER")]
    log: String,
}

const EXAMPLES: &str = "\
Examples:
  trunkline sandbox                     Then open http://127.0.0.1:4000
  trunkline sandbox --from ~/gitops     See your own repository answered
  trunkline sandbox --tour              Watch the whole story, from a merge to production";

/// Files of a checkout that are taken in: a large GitOps repository has some 6,000.
const MAX_FILES: usize = 60_000;
/// How long the stand-in for a CI lets people wait for a build.
const BUILD_TIME: Duration = Duration::from_secs(2);

pub(super) fn run(args: &SandboxArgs) -> Result<Verdict, Failure> {
    telemetry::init(LogFormat::Human, &args.log).map_err(|error| Failure::new(error.to_string(), "correct `--log`"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        Failure::new(format!("no threads can be started: {error}"), "look at this machine's limits")
    })?;
    let dir = scratch()?;
    let done = if args.tour { runtime.block_on(tour::play(&dir)) } else { runtime.block_on(stay(args, &dir)) };
    // A folder in the system's own place for such; what cannot be removed is no reason to fail.
    let _left_behind = std::fs::remove_dir_all(&dir);
    done
}

/// A folder of our own that goes away with us: everything of value lives in git and GitHub, and here both are made up.
fn scratch() -> Result<PathBuf, Failure> {
    let dir = std::env::temp_dir().join(format!("trunkline-sandbox-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(&dir).map_err(|error| {
        Failure::new(format!("cannot make `{}`: {error}", dir.display()), "point `TMPDIR` at a folder you may write to")
    })?;
    Ok(dir)
}

/// Runs until somebody ends it.
async fn stay(args: &SandboxArgs, dir: &Path) -> Result<Verdict, Failure> {
    let (stop, stopped) = watch::channel(false);
    let stage = Stage::start(dir, args.port, Clock::shifted(), stopped.clone()).await?;
    let url = stage.url.clone();
    let welcome = match &args.from {
        None => {
            seed::example(&stage.github, &seed::environments());
            example_welcome(&url)
        }
        Some(folder) => from_checkout(&stage.github, folder, &url)?,
    };
    let (github, bot) = stage.bot(dir).await?;
    print(&welcome)?;
    tokio::spawn(build(github));
    let mut told = stopped.clone();
    let looping = bot.reconciler.run_with(Running::every(None), async move { drop(told.wait_for(|stop| *stop).await) });
    tokio::select! {
        () = looping => {}
        _ = tokio::signal::ctrl_c() => { let _nobody_waits = stop.send(true); }
    }
    bot.queue.close().await.map_err(failed("the queue did not close"))?;
    print("\nGone, with everything in it.\n")?;
    Ok(Verdict::Clean)
}

fn example_welcome(url: &str) -> String {
    format!(
        "\
Trunkline's sandbox: a GitHub of its own at {url}, with the bot installed. Nothing leaves this machine.

  {ORG} sells things. Its repositories: {url}/{SHOP} and {url}/{ENVIRONMENTS}
  People: ann and ben write the shop, sam and sue are its SREs, rob only reads.
  For git, any of these names with any password. A stand-in for a CI reports every commit of the shop as built.

Three things to try:

  1. Ask for a change, and read what the bot says about it:
       git clone http://ann:x@{host}/{ENVIRONMENTS}.git && cd environments
       git switch -c less-memory && sed -i 's/128Mi/96Mi/' environments/base/frontend.yaml
       git commit -am 'Less memory for the frontend' && git push -u origin less-memory
     then open the pull request at {url}/{ENVIRONMENTS}/pulls

  2. Release something, from trunk to production:
       git clone http://ann:x@{host}/{SHOP}.git && cd shop
       echo more >> backend/main.go && git commit -am 'Sell more' && git push      # dev gets it
       git tag v1.0-rc.1 && git push origin v1.0-rc.1                              # stage gets it
       git tag v1.0 && git push origin v1.0                                        # prod is asked for
     then let an hour pass at {url}/ (it soaks), and approve the promotion as sue.

  3. Talk to it: comment `/trunkline status`, `/trunkline hold prod` or `/rollback prod` in any pull request or issue.

Ctrl-C ends it, and nothing stays behind. The same story plays by itself with `trunkline sandbox --tour`.
",
        host = url.trim_start_matches("http://"),
    )
}

/// A stand-in for a CI: what is on a source's trunk is built a moment later.
async fn build(github: Sandbox) {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    loop {
        tokio::time::sleep(BUILD_TIME).await;
        for repo in github.repositories() {
            let tip = github.branch_tip(&repo, "main");
            let known = seen.insert(repo.clone(), tip.clone());
            // The example's first commits are built already; environments are not built at all.
            if known.is_some_and(|known| known != tip) && repo != ENVIRONMENTS {
                github.add_check(&repo, &tip, CI, "build", "success");
            }
        }
    }
}

/// Makes the repositories of somebody's own checkout: theirs as it stands, and an empty one for each source it names.
fn from_checkout(github: &Sandbox, folder: &Path, url: &str) -> Result<String, Failure> {
    let help = "name the top folder of a git checkout";
    let shown = folder.display();
    if !folder.is_dir() {
        return Err(Failure::new(format!("`{shown}` is no folder"), help));
    }
    let name = folder.canonicalize().ok().and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
    let name = name.filter(|name| format!("you/{name}").parse::<crate::model::id::RepoName>().is_ok());
    let name = name.unwrap_or_else(|| "checkout".to_owned());
    let (files, pipeline) =
        read(folder).map_err(|why| Failure::new(format!("`{shown}` cannot be read: {why}"), help))?;
    if files.is_empty() {
        return Err(Failure::new(format!("`{shown}` holds no files"), help));
    }
    github.create_user("you");
    let borrowed: Vec<(&str, Vec<u8>)> = files.iter().map(|(path, bytes)| (path.as_str(), bytes.clone())).collect();
    let made = github.try_create_repo(("you", &name), false, &borrowed, "you");
    made.map_err(failed("the checkout cannot be taken in"))?;
    github.install("you", &[]);
    let environments: Vec<&str> =
        pipeline.iter().flat_map(|pipeline| pipeline.environments.iter().map(|env| env.name.as_str())).collect();
    let found = if environments.is_empty() {
        "It has no valid `.github/trunkline.yaml`, so the bot is silent until a pull request brings one; `trunkline check` says what it would find.".to_owned()
    } else {
        format!("Its environments: {}.", environments.join(", "))
    };
    let host = url.trim_start_matches("http://");
    Ok(format!(
        "\
Trunkline's sandbox: a GitHub of its own at {url}, with the bot installed. Nothing leaves this machine, and your checkout is only read.

  {files} files of {shown} are {url}/you/{name}. {found}

Try it:
  git clone http://you:x@{host}/you/{name}.git
then push a branch, and open a pull request at {url}/you/{name}/pulls

Ctrl-C ends it, and nothing stays behind.
",
        files = files.len(),
    ))
}

type Files = Vec<(String, Vec<u8>)>;

/// The files of a checkout, and its configuration when there is a valid one.
fn read(folder: &Path) -> Result<(Files, Option<Pipeline>), String> {
    let objects = Folder::new(folder);
    let tree = Tree::new(objects.root(), &objects);
    let mut files = Vec::new();
    for (path, entry) in tree.files(&RepoPath::root()).map_err(|error| error.to_string())? {
        // Links and submodules are not content; what is too large for a manifest is no manifest.
        if !matches!(entry.kind, EntryKind::File | EntryKind::Executable) {
            continue;
        }
        let Ok(bytes) = objects.blob(entry.id) else { continue };
        files.push((path.as_str().to_owned(), bytes.to_vec()));
        if files.len() > MAX_FILES {
            return Err(format!("it holds more than {MAX_FILES} files; start from a clean clone"));
        }
    }
    let config = files.iter().find(|(path, _)| path == config::FILE);
    let pipeline =
        config.and_then(|(path, bytes)| config::parse(&path.parse().ok()?, &String::from_utf8_lossy(bytes)).pipeline);
    Ok((files, pipeline))
}
