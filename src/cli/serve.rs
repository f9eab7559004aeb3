//! `trunkline serve`: the bot, wired together from its settings, until it is told to stop.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tower::ServiceExt;

use super::{Failure, Verdict};
use crate::clock::Clock;
use crate::git::{Cache, Remotes};
use crate::github::{self, GitHub};
use crate::model::finding::Problem;
use crate::queue::Queue;
use crate::reconcile::{Parts, Reconciler, Running, Trouble};
use crate::registry::Registries;
use crate::settings::{ServeArgs, Settings};
use crate::telemetry::{self, metrics::Metrics};
use crate::transport::{HttpRequest, HttpService, Transport};
use crate::web::{Secrets, Us, WebState, ops_router, public_router, serve};
use crate::worker::{Limits, Worker};

pub(super) const ABOUT: &str = "\
Run the bot against GitHub or a GitHub Enterprise Server

It signs in as a GitHub App, takes webhooks at /webhook, and keeps its queue and git caches in a data folder that may be lost \
at any time. Settings come from flags or from the variables named beside them; secrets come from files or variables only. It \
stops on SIGTERM or Ctrl-C, after what is under way has ended.

Exit status: 0 stopped when told to, 2 could not start.";

pub(super) const EXAMPLES: &str = "\
Examples:
  trunkline serve --app-id 12345 --private-key-file app.pem --webhook-secret-file webhook-secret
  trunkline serve --app-id 12345 --private-key-file app.pem --poll 1m
                                        Where no webhook can reach this machine
  trunkline serve --github-url https://github.example.com …
                                        Against a GitHub Enterprise Server";

/// How long passes may take to end once we are told to stop; what they leave is looked at again after the next start.
const PASSES_END_WITHIN: Duration = Duration::from_secs(15);
/// How often GitHub is asked for deliveries nobody took.
const REDELIVER_EVERY: Duration = Duration::from_secs(300);
/// How far back, in hours: at the start all that GitHub keeps, later what several rounds overlap in.
const LOOK_BACK: (i64, i64) = (72, 1);
/// The first and the longest pause while GitHub does not answer at the start.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

pub(super) fn run(args: ServeArgs) -> Result<Verdict, Failure> {
    let settings = Settings::resolve(args, &|name| std::env::var(name).ok()).map_err(Failure)?;
    let filter_help = "correct `--log` or `TRUNKLINE_LOG`";
    telemetry::init(settings.log_format, &settings.log)
        .map_err(|error| Failure::new(error.to_string(), filter_help))?;
    settings.create_data_dir().map_err(|problem| Failure(vec![problem]))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        Failure::new(format!("no threads can be started: {error}"), "look at this machine's limits")
    })?;
    runtime.block_on(bot(settings)).map(|()| Verdict::Clean)
}

/// The bot from its first breath to its last.
async fn bot(settings: Settings) -> Result<(), Failure> {
    let stop = stop_signal()?;
    let metrics = Metrics::new();
    // Both ports before anything else: a port in use is found at once, and what knocks early waits in the kernel.
    let public = match settings.webhook_secrets {
        Some(_) => Some(listen(settings.listen, "--listen").await?),
        None => None,
    };
    let ops = listen(settings.ops_listen, "--ops-listen").await?;
    let queue = Queue::open(&settings.queue_file(), Clock::System).await;
    let queue = queue.map_err(|error| {
        Failure::new(error.to_string(), "look at the data folder, or pass another with `--data-dir`")
    })?;
    let (parts, github) = parts(&settings, queue.clone(), &metrics)?;
    let Some(reconciler) = start(parts, stop.clone()).await? else { return close(&queue).await };
    tracing::info!(
        app = reconciler.bot().slug,
        github = settings.github.web,
        webhooks = %public.as_ref().map_or("none, polling".to_owned(), |(_, address)| address.clone()),
        operators = ops.1,
        "serving"
    );
    let login = Some(format!("{}[bot]", reconciler.bot().slug));
    let us = Us { app_id: settings.app_id, login };
    let state = WebState::new(queue.clone(), secrets(settings.webhook_secrets)?, us, metrics.clone());
    let draining = state.clone();
    let mut drain = stop.clone();
    tokio::spawn(async move {
        stopped(&mut drain).await;
        draining.drain();
    });
    let ops = serve(ops.0, ops_router(state.clone()), until(stop.clone()));
    let web = async {
        if let Some((listener, _)) = public {
            serve(listener, public_router(state), until(stop.clone())).await;
        }
    };
    let redeliver = async {
        // Nobody delivers where we poll.
        if settings.poll.is_none() {
            redeliver(&github, stop.clone()).await;
        }
    };
    let running = Running { metrics: Some(metrics), ..Running::every(settings.poll) };
    tokio::join!(ops, web, redeliver, passes(reconciler, running, stop.clone()));
    close(&queue).await
}

/// Looks at keys until told to stop, and then lets the passes under way end, for a while.
async fn passes(reconciler: Arc<Reconciler>, running: Running, stop: watch::Receiver<bool>) {
    let mut patience = stop.clone();
    let too_long = async {
        stopped(&mut patience).await;
        tokio::time::sleep(PASSES_END_WITHIN).await;
    };
    tokio::select! {
        () = reconciler.run_with(running, until(stop)) => {}
        () = too_long => tracing::warn!("passes did not end in time; the next start looks at their keys again"),
    }
}

/// Signs in; while GitHub does not answer, again and again. `None` when told to stop meanwhile.
async fn start(parts: Parts, mut stop: watch::Receiver<bool>) -> Result<Option<Arc<Reconciler>>, Failure> {
    let mut pause = PAUSE.0;
    let github = parts.github.clone();
    // Only signing in is repeated: it tells whether GitHub is there, and whether it knows us.
    while let Err(error) = github.app().await {
        if !matches!(error.kind, github::Kind::Transient | github::Kind::ThrottledUntil(_)) {
            let help =
                "check `--app-id`, the private key and `--github-url`: all three belong to one App of one GitHub";
            return Err(Failure::new(format!("GitHub does not know this App: {error}"), help));
        }
        tracing::warn!(%error, again_in = ?pause, "GitHub does not answer");
        tokio::select! {
            () = stopped(&mut stop) => return Ok(None),
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSE.1),
        }
    }
    let started = tokio::select! {
        () = stopped(&mut stop) => return Ok(None),
        started = Reconciler::start(parts) => started,
    };
    started.map(Some).map_err(|trouble: Trouble| Failure::new(trouble.to_string(), "start it again; the log says more"))
}

/// Asks GitHub to deliver again what nobody took, at the start and from time to time.
async fn redeliver(github: &GitHub, mut stop: watch::Receiver<bool>) {
    let mut hours = LOOK_BACK.0;
    loop {
        let since = Clock::System.now() - jiff::SignedDuration::from_hours(hours);
        let asked = tokio::select! {
            () = stopped(&mut stop) => return,
            asked = github.redeliver_failed(since) => asked,
        };
        match asked {
            Ok(done) => {
                tracing::debug!(seen = done.seen, again = done.again, "looked for deliveries that failed");
                hours = LOOK_BACK.1;
            }
            Err(error) => {
                tracing::warn!(%error, "failed deliveries cannot be asked for again; the sweep finds what they told")
            }
        }
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = tokio::time::sleep(REDELIVER_EVERY) => {}
        }
    }
}

/// Everything the loop works with.
fn parts(settings: &Settings, queue: Queue, metrics: &Metrics) -> Result<(Parts, GitHub), Failure> {
    let no_network = |error: std::io::Error| {
        Failure::new(
            format!("no connection can be made: {error}"),
            "install the system's root certificates (the package is often called `ca-certificates`)",
        )
    };
    let transport = counted(Transport::Network.service().map_err(no_network)?, settings, metrics.clone());
    let config = github::Config {
        api_url: settings.github.api.clone(),
        graphql_url: settings.github.graphql.clone(),
        web_url: settings.github.web.clone(),
        app_id: settings.app_id,
        client_id: settings.client_id.clone(),
        private_key: settings.private_key.clone(),
    };
    let bad_key = |error: github::ApiError| {
        Failure::new(error.to_string(), "download a new private key from the App's settings page")
    };
    let github = GitHub::new(&config, Clock::System, &transport).map_err(bad_key)?;
    let caches = settings.data_dir.join("git");
    let git = Cache::new(&caches).map_err(|error| {
        Failure::new(error.to_string(), format!("check that this user may write to `{}`", caches.display()))
    })?;
    let program = std::env::current_exe().map_err(|error| {
        Failure::new(format!("this program cannot find itself: {error}"), "start it by its full path")
    })?;
    let at_once = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let mask = Sha256::new().chain_update(b"mask").chain_update(settings.private_key.expose_secret()).finalize();
    let parts = Parts {
        github: github.clone(),
        git,
        remotes: Remotes::http(&settings.github.web, &transport).map_err(no_network)?,
        queue,
        worker: Worker::new(program, Limits::default(), at_once),
        mask_secret: mask.into(),
        registries: Registries::new(settings.registries.clone(), Clock::System, &Transport::Network)
            .map_err(no_network)?,
        clock: Clock::System,
    };
    Ok((parts, github))
}

/// The transport, with every request counted by kind and status.
fn counted(service: HttpService, settings: &Settings, metrics: Metrics) -> Transport {
    let authority = |url: &str| {
        url.parse::<http::Uri>().ok().and_then(|uri| Some((uri.authority()?.to_string(), uri.path().to_owned())))
    };
    let (api, graphql) = (authority(&settings.github.api), authority(&settings.github.graphql));
    Transport::of(tower::service_fn(move |request: HttpRequest| {
        let host = request.uri().authority().map(ToString::to_string);
        let is = |of: &Option<(String, String)>, whole: bool| {
            of.as_ref().is_some_and(|(of, path)| {
                let asked = request.uri().path();
                host.as_deref() == Some(of)
                    && (asked == path || (!whole && asked.starts_with(path.trim_end_matches('/'))))
            })
        };
        let kind = if is(&graphql, true) {
            "graphql"
        } else if is(&api, false) {
            "rest"
        } else {
            "git"
        };
        let (service, metrics) = (service.clone(), metrics.clone());
        async move {
            let answer = service.oneshot(request).await;
            metrics.github_request(kind, answer.as_ref().map_or(0, |answer| answer.status().as_u16()));
            answer
        }
    }))
}

/// What signs deliveries. When polling without a secret no webhook is served, and one that nobody knows stands in.
fn secrets(known: Option<Secrets>) -> Result<Secrets, Failure> {
    if let Some(known) = known {
        return Ok(known);
    }
    let unknown = format!("{}{}", uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
    Secrets::new(vec![("none".to_owned(), SecretString::from(unknown))])
        .map_err(|error| Failure::new(error.to_string(), "report this, please"))
}

async fn listen(address: std::net::SocketAddr, flag: &str) -> Result<(TcpListener, String), Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(format!("cannot listen on {address}: {error}"), format!("choose another address with `{flag}`"))
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?.to_string();
    Ok((listener, bound))
}

async fn close(queue: &Queue) -> Result<(), Failure> {
    tracing::info!("stopped");
    let help = "nothing is lost: the next start looks at everything";
    queue.close().await.map_err(|error| Failure::new(format!("the queue did not close: {error}"), help))
}

/// True from SIGTERM or SIGINT on.
fn stop_signal() -> Result<watch::Receiver<bool>, Failure> {
    let failed = |error: std::io::Error| {
        Failure(vec![Problem { location: None, message: format!("signals cannot be received: {error}"), help: None }])
    };
    let mut term = signal(SignalKind::terminate()).map_err(failed)?;
    let mut int = signal(SignalKind::interrupt()).map_err(failed)?;
    let (tell, told) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        tracing::info!("stopping; what is under way may end");
        let _nobody_waits = tell.send(true);
        // The second signal means it.
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        std::process::exit(130);
    });
    Ok(told)
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // The sender lives as long as the process.
    let _told = stop.wait_for(|stop| *stop).await;
}

async fn until(mut stop: watch::Receiver<bool>) {
    stopped(&mut stop).await;
}
