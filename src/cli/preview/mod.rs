//! `trunkline preview`: what Trunkline would have done in a repository, from its git alone, installing and writing nothing.

mod replay;

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use clap::Args;
use secrecy::SecretString;

use self::replay::{Place, Replay};
use super::{Failure, Verdict, print};
use crate::config;
use crate::git::{Cache, Content, GitError, RefSpec, Refs, Remotes, RepoSlot, Store};
use crate::model::id::{InstallationId, Oid, RepoId, RepoName};
use crate::model::path::RepoPath;
use crate::model::pipeline::Pipeline;
use crate::model::tree::{Tree, TreeError};
use crate::render::Memory;
use crate::render::propose::{Here, propose};
use crate::settings::github_urls;
use crate::transport::Transport;
use crate::worker::{Limits, Worker};

/// The variable that holds the token: arguments are visible to everybody on the machine.
const TOKEN: &str = "GITHUB_TOKEN";

/// Show what Trunkline would have done in a repository, installing nothing
///
/// Clones the repository and the sources of its applications into a folder that goes away again, and replays the last versions and
/// merges against .github/trunkline.yaml, or against the configuration that would be proposed. Only git is read, with the token in
/// GITHUB_TOKEN: one that may read the repositories' contents is enough, and none is needed where they are public. Nothing is written.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct PreviewArgs {
    /// The repository with the environments
    #[arg(value_name = "OWNER/REPO")]
    repository: RepoName,
    /// How many versions of each application, and how many merges, are looked back on
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=20))]
    last: u8,
    /// Where trunk and the tags of its applications may be, when no configuration says it; may be given several times
    #[arg(long, value_name = "OWNER/REPO")]
    source: Vec<RepoName>,
    /// The GitHub it is on
    #[arg(long, default_value = "https://github.com", value_name = "URL", env = "TRUNKLINE_GITHUB_URL")]
    github_url: String,
}

const EXAMPLES: &str = "\
Examples:
  GITHUB_TOKEN=$(gh auth token) trunkline preview acme/environments
  trunkline preview acme/environments --source acme/shop     Without a configuration there: where the tags are";

pub(super) fn run(args: &PreviewArgs) -> Result<Verdict, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        Failure::new(format!("no threads can be started: {error}"), "look at this machine's limits")
    })?;
    let dir = std::env::temp_dir().join(format!("trunkline-preview-{}", uuid::Uuid::new_v4()));
    let done = runtime.block_on(preview(args, &dir));
    // A folder in the system's own place for such; what cannot be removed is no reason to fail.
    let _left_behind = std::fs::remove_dir_all(&dir);
    print(&done?).map(|()| Verdict::Clean)
}

async fn preview(args: &PreviewArgs, dir: &Path) -> Result<String, Failure> {
    let urls = github_urls(&args.github_url).map_err(|problem| Failure(vec![problem]))?;
    let transport = Transport::Network.opened().map_err(failed)?;
    let clones = Clones {
        cache: Cache::new(dir).map_err(failed)?,
        remotes: Remotes::http(&urls.web, &transport).map_err(failed)?,
        token: std::env::var(TOKEN).ok().filter(|token| !token.trim().is_empty()).map(SecretString::from),
        web: urls.web,
        transport,
    };
    let name = &args.repository;
    let (store, refs) = clones.fetch(name, RepoId(1), Content::All).await?;
    let tip = refs.default_branch.as_ref().and_then(|branch| refs.heads.get(branch)).copied();
    let tip =
        tip.ok_or_else(|| Failure::new(format!("{name} is empty"), "name the repository that holds the environments"))?;
    let (pipeline, is_proposed) = pipeline(&store, tip, args)?;
    let mut sources = Vec::new();
    for (number, app) in pipeline.apps.iter().enumerate().take(replay::MAX_APPS) {
        let source = app.source.clone().unwrap_or_else(|| name.clone());
        sources.push((
            app.clone(),
            source.clone(),
            clones.fetch(&source, RepoId(2 + number as u64), Content::Commits).await,
        ));
    }
    let program = std::env::current_exe().map_err(failed)?;
    let at_once = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let here = Place { name: name.clone(), url: clones.remotes.page(name), store, tip };
    let replay = Replay {
        here,
        pipeline,
        is_proposed,
        last: usize::from(args.last),
        worker: Worker::new(program, Limits::default(), at_once),
    };
    let mut out = replay.head();
    for (app, source, fetched) in sources {
        out.push_str(&match fetched {
            Ok((store, refs)) => replay.app(&app, &source, &store, &refs).map_err(git_failed)?,
            // One application's source that cannot be read hides no other.
            Err(Failure(problems)) => replay::unread(&app.name, &problems),
        });
    }
    out.push_str(&replay.unshown());
    out.push_str(&replay.merges().await.map_err(git_failed)?);
    out.push_str(replay::LIMITS);
    Ok(out)
}

/// The configuration on the default branch, or the one that would be proposed.
fn pipeline(store: &Arc<Store>, tip: Oid, args: &PreviewArgs) -> Result<(Pipeline, bool), Failure> {
    let root = store.tree_of(tip).map_err(git_failed)?;
    let tree = Tree::new(root, &**store);
    let path: RepoPath = config::FILE.parse().map_err(failed)?;
    match tree.read(&path) {
        Ok(bytes) => {
            let parsed = config::parse(&path, &String::from_utf8_lossy(&bytes));
            parsed.pipeline.map(|pipeline| (pipeline, false)).ok_or(Failure(parsed.problems))
        }
        Err(TreeError::NotFound(_)) => {
            let here = Here { name: &args.repository, sources: &args.source };
            let proposal = propose(&mut Memory::new(&**store), root, &here);
            let nothing = || {
                let help = format!("write {}, and check it with `trunkline check`", config::FILE);
                Failure::new(
                    format!("nothing in {} looks like an environment, so nothing would be done", args.repository),
                    help,
                )
            };
            proposal.map(|proposal| (proposal.pipeline, true)).ok_or_else(nothing)
        }
        Err(error) => Err(Failure::new(error.to_string(), "make it an ordinary file")),
    }
}

/// Bare clones in a folder of our own.
struct Clones {
    cache: Cache,
    remotes: Remotes,
    token: Option<SecretString>,
    web: String,
    transport: Transport,
}

impl Clones {
    async fn fetch(&self, name: &RepoName, repo: RepoId, content: Content) -> Result<(Arc<Store>, Refs), Failure> {
        let remote = match &self.token {
            Some(token) => self.remotes.of(name, token),
            None => crate::git::Remote::http(&format!("{}/{name}.git", self.web), None, &self.transport),
        };
        let slot = RepoSlot { installation: InstallationId(0), repo, content };
        let want = [RefSpec::Default, RefSpec::Tags];
        self.cache.sync(slot, &remote.map_err(git_failed)?, &want).await.map_err(|error| match error {
            GitError::Denied(_) | GitError::Refused(_) => {
                let help = format!("put a token that may read its contents into `{TOKEN}`");
                Failure::new(format!("{name} cannot be read: {error}"), help)
            }
            error => Failure::new(format!("{name} cannot be read: {error}"), "check its name, and try again"),
        })
    }
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(format!("the preview cannot begin: {error}"), "point `TMPDIR` at a folder you may write to")
}

fn git_failed(error: GitError) -> Failure {
    Failure::new(format!("the clone cannot be read: {error}"), "try again")
}
