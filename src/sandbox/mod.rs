//! A GitHub to run against, on loopback, with real git.
//!
//! Stateful and strict: it checks tokens, scopes, limits and preconditions as GitHub does, signs what it delivers, and
//! keeps real bare repositories. It imports no adapter, so that it can judge them.

mod acts;
mod app;
mod auth;
mod cx;
mod dump;
mod git;
mod graphql;
mod hooks;
mod http;
mod limits;
mod looks;
mod page;
mod people;
mod refusal;
mod registry;
mod rest;
pub mod seed;
mod shape;
mod smart;
mod world;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use app::AppSpec;
pub use hooks::Delivery;
pub use http::RecordedRequest;
pub use people::RepoHandle;
pub use world::Protection;

use crate::clock::Clock;
use app::AppKey;
use auth::Actor;
use cx::Cx;
use refusal::Refusal;
use world::World;

/// How many requests the log remembers: enough for any one test, small enough for a long evening.
const REQUESTS: usize = 10_000;

/// How the sandbox is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the bare repositories and the App's key live; made when missing.
    pub dir: PathBuf,
    /// The time the sandbox goes by.
    pub clock: Clock,
    /// The address people reach it under, without a slash at the end; used in links.
    pub base_url: String,
    /// The App it plays host to.
    pub app: AppSpec,
    /// What deliveries are signed with.
    pub webhook_secret: String,
    /// Where deliveries go; without it they are held for [`Sandbox::take_deliveries`].
    pub deliver_to: Option<String>,
}

/// Why the sandbox could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The App's manifest does not read.
    #[error("the App manifest does not read: {0}")]
    Manifest(String),
    /// The App's key could not be made or read.
    #[error(
        "the App's private key could not be made or read; remove `app.pem` in the sandbox's folder and start again"
    )]
    Key,
    /// The disk did not play along.
    #[error("the sandbox cannot use {path}: {source}")]
    Disk {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// An act GitHub would refuse, with its words.
    #[error("{0}")]
    Refused(String),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Error::Refused(refusal.text())
    }
}

/// A running GitHub; cheap to clone, all clones are the same one.
#[derive(Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) options: Options,
    pub(crate) key: AppKey,
    pub(crate) state: Mutex<State>,
    /// One push at a time, so that what changed on disk has one author.
    pub(crate) pushing: tokio::sync::Mutex<()>,
    pub(crate) outbox: Option<tokio::sync::mpsc::Sender<u64>>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) world: World,
    /// The world before the last write, for reads that are answered late.
    pub(crate) before: World,
    pub(crate) held: VecDeque<u64>,
    pub(crate) requests: VecDeque<RecordedRequest>,
}

impl Sandbox {
    /// Makes the folder and the App's key and starts an empty GitHub; nothing listens before [`Sandbox::router`] is served.
    pub async fn start(options: Options) -> Result<Sandbox, Error> {
        let disk = |path: &Path, source| Error::Disk { path: path.to_owned(), source };
        let git = options.dir.join("git");
        std::fs::create_dir_all(&git).map_err(|e| disk(&git, e))?;
        // An empty home, so that nobody's own git configuration reaches the sandbox's git.
        let home = options.dir.join("home");
        std::fs::create_dir_all(&home).map_err(|e| disk(&home, e))?;
        let pem = options.dir.join("app.pem");
        let key = match std::fs::read_to_string(&pem) {
            Ok(text) => AppKey::from_pem(&text)?,
            Err(_) => {
                let key = AppKey::generate()?;
                std::fs::write(&pem, &key.pem).map_err(|e| disk(&pem, e))?;
                key
            }
        };
        // 10,000 deliveries in flight are more than any story here makes; beyond that they are logged as lost.
        let (outbox, inbox) = tokio::sync::mpsc::channel(10_000);
        let outbox = options.deliver_to.is_some().then_some(outbox);
        let (state, pushing) = (Mutex::default(), tokio::sync::Mutex::new(()));
        let sandbox = Sandbox { inner: Arc::new(Inner { options, key, state, pushing, outbox }) };
        let bot = sandbox.inner.options.app.bot();
        sandbox.lock().world.add_account(&bot, world::AccountKind::Bot);
        if let Some(url) = sandbox.inner.options.deliver_to.clone() {
            tokio::spawn(hooks::deliver(Arc::downgrade(&sandbox.inner), url, inbox));
        }
        Ok(sandbox)
    }

    /// Another GitHub that stands where this one stands, in a folder of its own and on a clock of its own.
    pub async fn copy(&self, dir: &Path, clock: Clock) -> Result<Sandbox, Error> {
        let disk = |source| Error::Disk { path: dir.to_owned(), source };
        copy_folder(&self.inner.options.dir, dir).map_err(disk)?;
        let options = Options { dir: dir.to_owned(), clock, ..self.inner.options.clone() };
        let copy = Sandbox::start(options).await?;
        let (world, before, held) = {
            let state = self.lock();
            (state.world.clone(), state.before.clone(), state.held.clone())
        };
        {
            let mut state = copy.lock();
            (state.world, state.before, state.held) = (world, before, held);
        }
        Ok(copy)
    }

    /// All of it as one router: REST under `/api/v3`, GraphQL at `/api/graphql`, git and the page under `/{owner}/{repo}`.
    pub fn router(&self) -> axum::Router {
        http::router(self.clone())
    }

    /// The private key the bot signs its JWTs with.
    pub fn app_private_key_pem(&self) -> String {
        self.inner.key.pem.clone()
    }

    /// The App's number.
    pub fn app_id(&self) -> u64 {
        self.inner.options.app.id
    }

    /// The App's client id, which may stand for its number in a JWT.
    pub fn client_id(&self) -> String {
        auth::client_id(self.app_id())
    }

    /// What deliveries are signed with.
    pub fn webhook_secret(&self) -> String {
        self.inner.options.webhook_secret.clone()
    }

    /// The address people reach it under.
    pub fn base_url(&self) -> &str {
        &self.inner.options.base_url
    }

    /// The time the sandbox goes by.
    pub fn clock(&self) -> &Clock {
        &self.inner.options.clock
    }

    /// The requests answered so far (the last 10,000), for budgets and permission tests.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.lock().requests.iter().cloned().collect()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic inside an act leaves the world as it was before it: writes are put back on the way out.
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn record(&self, request: RecordedRequest) {
        let mut state = self.lock();
        if state.requests.len() >= REQUESTS {
            state.requests.pop_front();
        }
        state.requests.push_back(request);
    }

    /// Reads the world, or the one before the last write.
    pub(crate) fn read<T>(&self, actor: Actor, stale: bool, look: impl FnOnce(&mut Cx<'_>) -> T) -> T {
        let state = self.lock();
        let mut world = if stale { state.before.clone() } else { state.world.clone() };
        drop(state);
        look(&mut Cx::new(&self.inner, &mut world, actor))
    }

    /// Changes the world: all of it or, when refused, nothing; what it set off is delivered afterwards.
    pub(crate) fn act<T>(
        &self,
        actor: Actor,
        change: impl FnOnce(&mut Cx<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut state = self.lock();
        let mut world = state.world.clone();
        let mut cx = Cx::new(&self.inner, &mut world, actor);
        let answer = change(&mut cx)?;
        let sent = std::mem::take(&mut cx.sent);
        let old = std::mem::replace(&mut state.world, world);
        // A minted token is no write that anybody could read late.
        if !state.world.same_repos(&old) {
            state.before = old;
        }
        for id in sent {
            hooks::hand_over(&self.inner, &mut state, id);
        }
        Ok(answer)
    }
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
