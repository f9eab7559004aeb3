//! The bot and a GitHub of its own in one process, on loopback: what `sandbox` shows and `--tour` plays on.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::Failure;
use crate::clock::Clock;
use crate::git::{Cache, Remotes};
use crate::github::{Config, GitHub};
use crate::queue::Queue;
use crate::reconcile::{Parts, Reconciler};
use crate::registry::{self, Registries};
use crate::sandbox::{AppSpec, Options, Sandbox};
use crate::telemetry::metrics::Metrics;
use crate::transport::Transport;
use crate::web::{Secrets, Us, WebState, public_router, serve};
use crate::worker::{Limits, Worker};

/// What the App may do, which the sandbox holds the bot to.
const MANIFEST: &str = include_str!("../../app-manifest.yml");

/// A GitHub that listens, and a bot that is installed nowhere yet.
pub(super) struct Stage {
    pub(super) github: Sandbox,
    pub(super) clock: Clock,
    pub(super) url: String,
    bot: TcpListener,
    secret: SecretString,
    stop: watch::Receiver<bool>,
}

/// The bot, awake.
pub(super) struct Bot {
    pub(super) reconciler: Arc<Reconciler>,
    pub(super) queue: Queue,
}

impl Stage {
    /// Starts the GitHub on `port` (0: any free one), its state below `dir`.
    pub(super) async fn start(
        dir: &Path,
        port: u16,
        clock: Clock,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, Failure> {
        let github = listen(port).await?;
        let bot = listen(0).await?;
        let url = format!("http://{}", address(&github)?);
        let receiver = format!("http://{}/webhook", address(&bot)?);
        let secret = SecretString::from(format!("{}{}", uuid::Uuid::new_v4(), uuid::Uuid::new_v4()));
        let app = AppSpec::from_manifest(MANIFEST).map_err(failed("the App's manifest does not read"))?;
        let sandbox = Sandbox::start(Options {
            dir: dir.join("github"),
            clock: clock.clone(),
            base_url: url.clone(),
            app,
            webhook_secret: secret.expose_secret().to_owned(),
            deliver_to: Some(receiver),
        })
        .await
        .map_err(failed("the sandbox does not start"))?;
        let (router, mut stopped) = (sandbox.router(), stop.clone());
        tokio::spawn(async move {
            let stopped = async move { drop(stopped.wait_for(|stop| *stop).await) };
            // The receiver's own server: the same limits on what a stranger on this machine may send.
            serve(github, router, stopped).await;
        });
        Ok(Self { github: sandbox, clock, url, bot, secret, stop })
    }

    /// Starts the bot on it, with its queue and caches below `dir`.
    pub(super) async fn bot(self, dir: &Path) -> Result<(Sandbox, Bot), Failure> {
        let file = dir.join("queue.sqlite");
        let queue = Queue::open(&file, self.clock.clone()).await.map_err(failed("the queue does not open"))?;
        let transport = Transport::Network.opened().map_err(failed("no connection can be made"))?;
        let key = SecretString::from(self.github.app_private_key_pem());
        let config = Config {
            api_url: format!("{}/api/v3", self.url),
            graphql_url: format!("{}/api/graphql", self.url),
            web_url: self.url.clone(),
            app_id: self.github.app_id(),
            client_id: None,
            private_key: key.clone(),
        };
        let github = GitHub::new(&config, self.clock.clone(), &transport).map_err(failed("the App cannot sign in"))?;
        // Whatever host an image names, its registry is the sandbox's own: nothing here needs the network.
        let registries = Registries::new(registry::Config::default(), self.clock.clone(), &self.github.registry());
        let registries = registries.map_err(failed("the registry does not start"))?;
        let program = std::env::current_exe().map_err(failed("this program cannot find itself"))?;
        let at_once = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let parts = Parts {
            github,
            git: Cache::new(dir.join("caches")).map_err(failed("the git caches cannot be made"))?,
            remotes: Remotes::http(&self.url, &transport).map_err(failed("no connection can be made"))?,
            queue: queue.clone(),
            worker: Worker::new(program, Limits::default(), at_once),
            mask_secret: Sha256::new().chain_update(b"mask").chain_update(key.expose_secret()).finalize().into(),
            registries,
            clock: self.clock.clone(),
        };
        let reconciler = Reconciler::start(parts).await.map_err(failed("the bot does not start"))?;
        let secrets =
            Secrets::new(vec![("sandbox".to_owned(), self.secret)]).map_err(failed("the secret is no good"))?;
        let us = Us { app_id: self.github.app_id(), login: Some(format!("{}[bot]", reconciler.bot().slug)) };
        let state = WebState::new(queue.clone(), secrets, us, Metrics::new());
        let mut stop = self.stop;
        let stopped = async move { drop(stop.wait_for(|stop| *stop).await) };
        tokio::spawn(serve(self.bot, public_router(state), stopped));
        Ok((self.github, Bot { reconciler, queue }))
    }
}

async fn listen(port: u16) -> Result<TcpListener, Failure> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).await.map_err(|error| {
        Failure::new(
            format!("cannot listen on {address}: {error}"),
            "choose another port with `--port`, or 0 for any free one",
        )
    })
}

fn address(listener: &TcpListener) -> Result<SocketAddr, Failure> {
    listener.local_addr().map_err(failed("the system does not say which port it gave"))
}

/// A failure with a word in front of the system's own.
pub(super) fn failed<E: std::fmt::Display>(what: &'static str) -> impl Fn(E) -> Failure {
    move |error| Failure::new(format!("{what}: {error}"), "try again with a fresh `--data-dir`")
}
