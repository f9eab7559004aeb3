//! The bot and the sandbox's GitHub in one process, talking over loopback HTTP; every call of the bot is written down.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Body;
use http::Request;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tower::ServiceExt;
use trunkline::clock::Clock;
use trunkline::git;
use trunkline::github::{Config, GitHub};
use trunkline::model::id::Key;
use trunkline::queue::{Outcome, Queue};
use trunkline::reconcile::{Parts, Reconciler};
use trunkline::registry::{self, Registries};
use trunkline::sandbox::{AppSpec, Options, Sandbox};
use trunkline::telemetry::metrics::Metrics;
use trunkline::transport::{BoxError, HttpRequest, Transport};
use trunkline::web::{Secrets, Us, WebState, public_router, serve};
use trunkline::worker::{Limits, Worker};

/// What deliveries are signed with.
pub(crate) const SECRET: &str = "a webhook secret of enough bytes";

/// One call of the bot, and when its answer was there.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    /// The body tells queries from mutations, and finished checks from begun ones.
    pub(crate) body: bytes::Bytes,
    pub(crate) answered: Instant,
}

impl Call {
    /// Whether its body holds a text.
    pub(crate) fn has(&self, text: &str) -> bool {
        self.body.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

/// Everything the bot asked GitHub.
pub(crate) type Calls = Arc<Mutex<Vec<Call>>>;

struct Bot {
    queue: Queue,
    web: axum::Router,
    stop: oneshot::Sender<()>,
    running: tokio::task::JoinHandle<()>,
}

/// The world.
pub(crate) struct World {
    pub(crate) github: Sandbox,
    pub(crate) url: String,
    pub(crate) calls: Calls,
    clock: Clock,
    dir: tempfile::TempDir,
    bot: Option<Bot>,
}

impl World {
    /// A GitHub with nobody in it, and no bot yet.
    pub(crate) async fn empty() -> World {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let clock = Clock::manual("2026-11-02T08:00:00Z".parse().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let options = Options {
            dir: dir.path().join("github"),
            clock: clock.clone(),
            base_url: url.clone(),
            app: AppSpec::from_manifest(include_str!("../../app-manifest.yml")).unwrap(),
            webhook_secret: SECRET.into(),
            deliver_to: None,
        };
        let github = Sandbox::start(options).await.unwrap();
        tokio::spawn(serve(listener, github.router(), std::future::pending()));
        World { github, url, calls: Calls::default(), clock, dir, bot: None }
    }

    /// Starts the bot, with a real child as its worker. `pipelines` says whether the first look at every application is made:
    /// with hundreds of them it takes longer than everything else here, and it is not what is measured.
    pub(crate) async fn start(&mut self, pipelines: bool) {
        let transport = self.transport();
        let config = Config {
            api_url: format!("{}/api/v3", self.url),
            graphql_url: format!("{}/api/graphql", self.url),
            web_url: self.url.clone(),
            app_id: self.github.app_id(),
            client_id: None,
            private_key: SecretString::from(self.github.app_private_key_pem()),
        };
        let queue = Queue::open(&self.dir.path().join("queue.sqlite"), self.clock.clone()).await.unwrap();
        let program = PathBuf::from(env!("CARGO_BIN_EXE_trunkline"));
        let two = NonZeroUsize::new(2).unwrap();
        let parts = Parts {
            github: GitHub::new(&config, self.clock.clone(), &transport).unwrap(),
            git: git::Cache::new(self.dir.path().join("cache")).unwrap(),
            remotes: git::Remotes::http(&self.url, &transport).unwrap(),
            queue: queue.clone(),
            worker: Worker::new(program, Limits::default(), two),
            mask_secret: [7; 32],
            registries: Registries::new(registry::Config::default(), self.clock.clone(), &transport).unwrap(),
            clock: self.clock.clone(),
        };
        let reconciler = Reconciler::start(parts).await.unwrap();
        let secrets = Secrets::new(vec![("one".into(), SecretString::from(SECRET))]).unwrap();
        let us = Us { app_id: self.github.app_id(), login: Some(format!("{}[bot]", reconciler.bot().slug)) };
        let web = public_router(WebState::new(queue.clone(), secrets, us, Metrics::new()));
        let (stop, stopped) = oneshot::channel();
        // Past the quiet time after a start.
        self.clock.advance(Duration::from_secs(11));
        if !pipelines {
            while self.skip_pipelines(&queue).await > 0 {
                reconciler.step().await.unwrap();
            }
        }
        let running = tokio::spawn(reconciler.run(async { drop(stopped.await) }));
        self.bot = Some(Bot { queue, web, stop, running });
    }

    /// Lets go of every pipeline that waits, and says how many other keys do.
    async fn skip_pipelines(&self, queue: &Queue) -> usize {
        let mut others = Vec::new();
        loop {
            let leases = queue.claim(256, Duration::from_secs(300)).await.unwrap();
            if leases.is_empty() {
                break;
            }
            for lease in leases {
                if matches!(lease.key, Key::Pipeline(..)) {
                    queue.finish(lease, Outcome::Done { look_again_at: None }).await.unwrap();
                } else {
                    others.push(lease);
                }
            }
        }
        let count = others.len();
        for lease in others {
            let outcome = Outcome::Retry { at: self.clock.now(), reason: "not what is skipped".into() };
            queue.finish(lease, outcome).await.unwrap();
        }
        count
    }

    /// Stops the bot; what it has on disk stays.
    pub(crate) async fn stop(&mut self) {
        let Some(bot) = self.bot.take() else { return };
        let _ = bot.stop.send(());
        bot.running.await.unwrap();
        bot.queue.close().await.unwrap();
    }

    fn bot(&self) -> &Bot {
        self.bot.as_ref().expect("the bot is started")
    }

    /// The queue, for counting.
    pub(crate) fn queue(&self) -> &Queue {
        &self.bot().queue
    }

    /// The network, with every call written down.
    fn transport(&self) -> Transport {
        let network = Transport::Network.service().unwrap();
        let calls = self.calls.clone();
        Transport::of(tower::service_fn(move |request: HttpRequest| {
            let (network, calls) = (network.clone(), calls.clone());
            async move {
                use http_body_util::BodyExt;
                let (parts, body) = request.into_parts();
                let (method, path) = (parts.method.to_string(), parts.uri.path().to_owned());
                let bytes = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                let request = HttpRequest::from_parts(parts, bytes.clone().into());
                let answer = network.oneshot(request).await;
                let call = Call { method, path, body: bytes, answered: Instant::now() };
                calls.lock().unwrap().push(call);
                answer.map_err(|error: BoxError| error)
            }
        }))
    }

    /// Hands over what GitHub has to tell; how many deliveries that were.
    pub(crate) async fn deliver(&self) -> usize {
        self.deliver_only(|_| true).await
    }

    /// The same, of the wanted events only.
    pub(crate) async fn deliver_only(&self, wanted: impl Fn(&str) -> bool) -> usize {
        let deliveries = self.github.take_deliveries();
        let count = deliveries.len();
        for delivery in deliveries.into_iter().filter(|delivery| wanted(&delivery.event)) {
            let mut request = Request::post("/webhook");
            for (name, value) in &delivery.headers {
                request = request.header(name, value);
            }
            let answer =
                self.bot().web.clone().oneshot(request.body(Body::from(delivery.body)).unwrap()).await.unwrap();
            assert!(answer.status().is_success(), "{} was answered {}", delivery.event, answer.status());
            self.github.mark_delivered(delivery.id, answer.status().as_u16());
        }
        count
    }

    /// Moves the clock to the next debounce or back-off; `false` when there is none.
    pub(crate) async fn tick(&self) -> bool {
        let Some(at) = self.queue().next_soon().await.unwrap() else { return false };
        let left = Duration::try_from(at.duration_since(self.clock.now())).unwrap_or_default();
        self.clock.advance(left);
        self.rouse().await;
        true
    }

    /// On a manual clock only a wake ends the loop's sleep.
    async fn rouse(&self) {
        self.queue().wake(Vec::new()).await.unwrap();
    }

    /// Waits until nothing is due and nothing runs.
    pub(crate) async fn idle(&self) {
        // Passes take milliseconds; half an hour of them means that something is broken.
        for _ in 0..1_000_000 {
            let stats = self.queue().stats().await.unwrap();
            if stats.due == 0 && stats.leased == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("it does not come to rest");
    }

    /// Delivers and passes until nothing is due, debounce and back-off included.
    pub(crate) async fn settle(&self) {
        for _ in 0..2_000 {
            self.idle().await;
            let delivered = self.deliver().await;
            if !self.tick().await && delivered == 0 {
                return;
            }
        }
        panic!("it does not settle");
    }

    /// Lets time pass, and settles.
    pub(crate) async fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.rouse().await;
        // The loop sweeps before it claims; on a busy machine it takes its time to wake up.
        tokio::time::sleep(Duration::from_millis(250)).await;
        self.settle().await;
    }

    /// When a check was concluded, if one was since call number `since`.
    pub(crate) fn concluded(&self, since: usize) -> Option<Instant> {
        let calls = self.calls.lock().unwrap();
        let mut checks = calls.iter().skip(since).filter(|call| call.path.contains("/check-runs"));
        checks.find(|call| call.method != "GET" && call.has("\"completed\"")).map(|call| call.answered)
    }
}
