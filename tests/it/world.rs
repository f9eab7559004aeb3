//! A whole world in this process: the sandbox's GitHub, the bot, one manual clock, and a switch for faults on every call.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use secrecy::SecretString;
use tower::ServiceExt;
use trunkline::clock::Clock;
use trunkline::git;
use trunkline::github::{Config, GitHub};
use trunkline::queue::{Due, Queue};
use trunkline::reconcile::{Parts, Reconciler, Running};
use trunkline::registry::{self, Registries};
use trunkline::sandbox::seed::{self, ENVIRONMENTS, SHOP};
use trunkline::sandbox::{AppSpec, Options, Sandbox};
use trunkline::telemetry::metrics::Metrics;
use trunkline::transport::{BoxError, HttpBody, HttpRequest, Transport};
use trunkline::web::{Secrets, Us, WebState, public_router};
use trunkline::worker::Worker;

/// Where the example stands for people.
const WEB: &str = "http://github.test";
pub(crate) const SECRET: &str = "a webhook secret of enough bytes";
/// Passes and deliveries in one settling: a story's step takes a few dozen.
const MAX_ROUNDS: usize = 2_000;

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The call never reaches GitHub.
    Refuse,
    /// GitHub does it; its answer is lost.
    Lose,
    /// The bot is killed before the answer comes, after GitHub did it.
    Crash,
    /// A read shows the world as it was before the last write.
    Stale,
}

/// What a call asks of GitHub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Read,
    Write,
}

impl Call {
    /// A query of GraphQL is posted like a mutation and changes nothing.
    fn of(method: &http::Method, body: &[u8]) -> Call {
        let document =
            || Some(serde_json::from_slice::<serde_json::Value>(body).ok()?.get("query")?.as_str()?.to_owned());
        let query = || document().is_some_and(|document| !document.lines().any(|line| line.starts_with("mutation")));
        if *method == http::Method::GET || query() { Call::Read } else { Call::Write }
    }
}

/// Which call goes wrong; keeps the calls from the moment it is set.
#[derive(Default)]
pub(crate) struct Faults {
    calls: Mutex<Vec<Call>>,
    plan: Mutex<Option<(usize, Fault)>>,
    crashed: tokio::sync::Notify,
    hook: Mutex<Option<Hook>>,
    /// Where two bots run: the dice that let one overtake the other at any call; 0 lets nobody.
    jitter: AtomicUsize,
}

/// Something that happens when the bot makes a certain call, once: who it is for, by the end of its path, and how many of those go
/// by before.
struct Hook {
    path: &'static str,
    after: usize,
    then: Then,
}

/// What happens then.
pub(crate) enum Then {
    /// Somebody does something right before the call reaches GitHub.
    Do(Box<dyn FnOnce() + Send>),
    /// GitHub answers this instead of doing it.
    Answer(u16, &'static str),
}

impl Faults {
    /// Lets each call take its time, differently by seed.
    pub(crate) fn jitter(&self, seed: usize) {
        self.jitter.store(seed, Ordering::SeqCst);
    }

    /// A few turns of whoever else runs.
    async fn dawdle(&self) {
        let seed = self.jitter.load(Ordering::SeqCst);
        if seed != 0 {
            let next = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            self.jitter.store(next | 1, Ordering::SeqCst);
            for _ in 0..(next >> 33) % 6 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Makes the `n`th call from now (from 0) go wrong.
    pub(crate) fn set(&self, n: usize, fault: Fault) {
        *self.plan.lock().unwrap() = Some((n, fault));
        self.calls.lock().unwrap().clear();
    }

    /// The calls made since the last `set` or `count`.
    pub(crate) fn count(&self) -> Vec<Call> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    /// At the call whose path ends like this, after so many others that do: something happens.
    pub(crate) fn at(&self, path: &'static str, after: usize, then: Then) {
        *self.hook.lock().unwrap() = Some(Hook { path, after, then });
    }

    fn hooked(&self, path: &str) -> Option<Then> {
        let mut hook = self.hook.lock().unwrap();
        let found = hook.as_mut().filter(|hook| path.ends_with(hook.path))?;
        if found.after > 0 {
            found.after -= 1;
            return None;
        }
        hook.take().map(|hook| hook.then)
    }

    fn next(&self, call: Call) -> Option<Fault> {
        let n = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(call);
            calls.len() - 1
        };
        self.plan.lock().unwrap().filter(|(at, _)| *at == n).map(|(_, fault)| fault)
    }
}

struct Bot {
    reconciler: Arc<Reconciler>,
    queue: Queue,
    web: axum::Router,
}

/// The world.
pub(crate) struct World {
    pub github: Sandbox,
    pub clock: Clock,
    pub faults: Arc<Faults>,
    pub example: Option<seed::Example>,
    /// Whether a moment passes between passes, as it does outside of tests: only then do they share what was read. Stories stand still,
    /// so that every pass of theirs sees the newest.
    pub ticks: bool,
    bot: Option<Bot>,
    /// Another process of the same App, as while a new release takes over.
    second: Option<Bot>,
    dir: tempfile::TempDir,
    generation: usize,
}

/// Making an RSA key takes longer than a whole story: one serves all worlds of this run.
fn app_key(dir: &std::path::Path) -> PathBuf {
    dir.join("github/app.pem")
}

/// A world's folder: in memory where the system has such a place, since a thousand worlds sync and copy thousands of small files.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

static APP_KEY: OnceLock<String> = OnceLock::new();

impl World {
    /// The example organisation, the bot installed and at rest.
    pub(crate) async fn example() -> World {
        World::with(&seed::environments()).await
    }

    /// The example organisation with other files in `acme/environments`.
    pub(crate) async fn with(files: &[(&str, Vec<u8>)]) -> World {
        World::fill(World::empty().await, files).await
    }

    /// The same at another time: for a copy that goes on under the system's clock.
    pub(crate) async fn with_at(files: &[(&str, Vec<u8>)], now: jiff::Timestamp) -> World {
        World::fill(World::empty_at(now).await, files).await
    }

    async fn fill(mut world: World, files: &[(&str, Vec<u8>)]) -> World {
        let example = seed::example(&world.github, files);
        world.link(SHOP, &example.shop.path);
        world.link(ENVIRONMENTS, &example.environments.path);
        world.example = Some(example);
        world.start().await;
        world.settle().await;
        world
    }

    /// Another world that stands where this one stands, its bot started anew on a copy of the queue.
    pub(crate) async fn copy(&self) -> World {
        let dir = folder();
        let clock = Clock::manual(self.clock.now());
        let github = self.github.copy(&dir.path().join("github"), clock.clone()).await.unwrap();
        let mut world = World {
            github,
            clock,
            faults: Arc::default(),
            example: self.example.clone(),
            ticks: self.ticks,
            bot: None,
            second: None,
            dir,
            generation: 0,
        };
        for name in [SHOP, ENVIRONMENTS] {
            world.link(name, &world.github.repo_path(name).unwrap());
        }
        world.start().await;
        world.settle().await;
        // The moment after a start in which nothing is created is another story's.
        world.clock.advance(Duration::from_secs(15));
        world
    }

    /// How many writes GitHub has taken from the bot so far.
    pub(crate) fn writes(&self) -> usize {
        let requests = self.github.requests();
        let write = |request: &&trunkline::sandbox::RecordedRequest| {
            request.token == "installation"
                && match &request.graphql {
                    Some(field) => {
                        ["createCommitOnBranch", "enqueuePullRequest", "dequeuePullRequest"].contains(&field.as_str())
                    }
                    None => request.method != "GET" && !request.path.contains("git-upload-pack"),
                }
        };
        requests.iter().filter(write).count()
    }

    /// A GitHub with nobody in it, and no bot yet.
    pub(crate) async fn empty() -> World {
        World::empty_at("2026-11-02T09:00:00Z".parse().unwrap()).await
    }

    async fn empty_at(now: jiff::Timestamp) -> World {
        // `RUST_LOG=trunkline=debug cargo test … -- --nocapture` tells the story from the inside.
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().without_time().try_init();
        let dir = folder();
        let clock = Clock::manual(now);
        std::fs::create_dir_all(dir.path().join("github")).unwrap();
        if let Some(pem) = APP_KEY.get() {
            std::fs::write(app_key(dir.path()), pem).unwrap();
        }
        let app = AppSpec::from_manifest(include_str!("../../app-manifest.yml")).unwrap();
        let github = Sandbox::start(Options {
            dir: dir.path().join("github"),
            clock: clock.clone(),
            base_url: WEB.into(),
            app,
            webhook_secret: SECRET.into(),
            deliver_to: None,
        })
        .await
        .unwrap();
        let _ = APP_KEY.set(github.app_private_key_pem());
        let faults = Arc::new(Faults::default());
        World { github, clock, faults, example: None, ticks: false, bot: None, second: None, dir, generation: 0 }
    }

    /// Makes a repository of the sandbox reachable for git by its name.
    pub(crate) fn link(&self, name: &str, path: &std::path::Path) {
        let link = self.dir.path().join("remotes").join(format!("{name}.git"));
        std::fs::create_dir_all(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(path, link).unwrap();
    }

    fn transport(&self) -> Transport {
        let (router, faults) = (self.github.router(), Arc::clone(&self.faults));
        Transport::of(tower::service_fn(move |request: HttpRequest| {
            let (router, faults) = (router.clone(), Arc::clone(&faults));
            async move { call(router, faults, request).await }
        }))
    }

    /// Starts the bot on the queue's file; a killed one is replaced, with nothing in memory.
    pub(crate) async fn start(&mut self) {
        if let Some(old) = self.bot.take() {
            old.queue.close().await.unwrap();
        }
        self.generation += 1;
        self.bot = Some(self.awake("queue.sqlite", "cache").await);
    }

    /// Starts another bot beside the first, with a queue and a cache of its own: both get what GitHub tells, turn by turn.
    pub(crate) async fn start_second(&mut self) {
        self.second = Some(self.awake("second.sqlite", "second").await);
    }

    async fn awake(&self, queue: &str, cache: &str) -> Bot {
        let transport = self.transport();
        let config = Config {
            api_url: format!("{WEB}/api/v3"),
            graphql_url: format!("{WEB}/api/graphql"),
            web_url: WEB.into(),
            app_id: self.github.app_id(),
            client_id: None,
            private_key: SecretString::from(self.github.app_private_key_pem()),
        };
        let queue = Queue::open(&self.dir.path().join(queue), self.clock.clone()).await.unwrap();
        let parts = Parts {
            github: GitHub::new(&config, self.clock.clone(), &transport).unwrap(),
            git: git::Cache::new(self.dir.path().join(cache)).unwrap(),
            remotes: git::Remotes::folder(WEB, &self.dir.path().join("remotes")),
            queue: queue.clone(),
            worker: Worker::in_process(),
            mask_secret: [7; 32],
            registries: Registries::new(registry::Config::default(), self.clock.clone(), &transport).unwrap(),
            clock: self.clock.clone(),
        };
        // A start that meets a fault is tried again, as a supervisor would.
        for _ in 0..5 {
            let tried = tokio::select! {
                tried = Reconciler::start(clone(&parts)) => tried.ok(),
                () = self.faults.crashed.notified() => None,
            };
            if let Some(reconciler) = tried {
                let secrets = Secrets::new(vec![("one".into(), SecretString::from(SECRET))]).unwrap();
                let us = Us { app_id: self.github.app_id(), login: Some(format!("{}[bot]", reconciler.bot().slug)) };
                let web = public_router(WebState::new(queue.clone(), secrets, us, Metrics::new()));
                return Bot { reconciler, queue, web };
            }
        }
        panic!("the bot did not start in five tries");
    }

    /// Throws away everything the bot has on disk and in memory, and starts it anew.
    pub(crate) async fn lose_everything(&mut self) {
        if let Some(old) = self.bot.take() {
            old.queue.close().await.unwrap();
        }
        for name in ["queue.sqlite", "queue.sqlite-wal", "queue.sqlite-shm"] {
            let _ = std::fs::remove_file(self.dir.path().join(name));
        }
        let _ = std::fs::remove_dir_all(self.dir.path().join("cache"));
        self.start().await;
    }

    /// Delivers and passes until nothing is due, debounce and back-off included; far timers are left alone.
    pub(crate) async fn settle(&mut self) {
        for _ in 0..MAX_ROUNDS {
            if !self.round().await {
                return;
            }
        }
        panic!("it does not settle:\n{}", self.sees());
    }

    /// One delivery round and one pass; `false` when there was nothing to do.
    async fn round(&mut self) -> bool {
        let delivered = self.deliver().await;
        if self.ticks {
            self.clock.advance(Duration::from_micros(1));
        }
        let Some(bot) = &self.bot else { return false };
        let (reconciler, queue) = (Arc::clone(&bot.reconciler), bot.queue.clone());
        let second = self.second.as_ref().map(|bot| (Arc::clone(&bot.reconciler), bot.queue.clone()));
        // On the heap: what two passes hold at once is more than a test's stack.
        let both = Box::pin(async {
            match &second {
                None => reconciler.step().await.unwrap(),
                Some((other, _)) => {
                    let (first, second) = tokio::join!(reconciler.step(), other.step());
                    first.unwrap() + second.unwrap()
                }
            }
        });
        let stepped = tokio::select! {
            stepped = both => Some(stepped),
            () = self.faults.crashed.notified() => None,
        };
        match stepped {
            None => {
                drop((reconciler, queue));
                self.start().await;
                true
            }
            Some(0) if delivered == 0 => match soonest(&queue, second.as_ref().map(|(_, queue)| queue)).await {
                Some(at) => {
                    self.clock.advance(between(&self.clock, at));
                    true
                }
                None => false,
            },
            Some(_) => true,
        }
    }

    /// Passes over what is due now as the running bot does, and tells what was counted.
    pub(crate) async fn counted_passes(&mut self) -> String {
        while self.deliver().await == 0 {
            assert!(self.round().await, "nothing is due");
        }
        // Past the debounce.
        self.clock.advance(Duration::from_secs(11));
        let metrics = Metrics::new();
        let running = Running { metrics: Some(metrics.clone()), ..Running::every(None) };
        let bot = self.bot.as_ref().unwrap();
        // It claims before it looks whether to stop, and ends what it claimed.
        Arc::clone(&bot.reconciler).run_with(running, std::future::ready(())).await;
        metrics.text()
    }

    /// Lets time pass and settles.
    pub(crate) async fn advance(&mut self, by: Duration) {
        self.clock.advance(by);
        self.settle().await;
        // What was planned for a moment inside this stretch is due now.
        let Some(bot) = &self.bot else { return };
        if let Some((at, Due::Later)) = bot.queue.next_due().await.unwrap()
            && at <= self.clock.now()
        {
            self.settle().await;
        }
    }

    /// Sweeps, as the bot does every quarter of an hour, and settles.
    pub(crate) async fn sweep(&mut self) {
        for _ in 0..5 {
            let Some(bot) = &self.bot else { return };
            let reconciler = Arc::clone(&bot.reconciler);
            let swept = tokio::select! {
                swept = reconciler.sweep() => swept.is_ok(),
                () = self.faults.crashed.notified() => false,
            };
            if swept {
                break;
            }
            drop(reconciler);
            self.start().await;
        }
        if let Some(second) = &self.second {
            Arc::clone(&second.reconciler).sweep().await.unwrap();
        }
        self.settle().await;
    }

    async fn deliver(&self) -> usize {
        self.deliver_these(self.github.take_deliveries()).await
    }

    /// Delivers these, in this order.
    pub(crate) async fn deliver_these(&self, deliveries: Vec<trunkline::sandbox::Delivery>) -> usize {
        let Some(bot) = &self.bot else { return 0 };
        let count = deliveries.len();
        for delivery in deliveries {
            let mut request = Request::post("/webhook").header("content-type", "application/json");
            for (name, value) in &delivery.headers {
                if !name.eq_ignore_ascii_case("content-type") {
                    request = request.header(name, value);
                }
            }
            let request = request.body(Body::from(delivery.body)).unwrap();
            // Whoever stands in front of two processes gives to one and then to the other.
            let bot = self.second.as_ref().filter(|_| delivery.id % 2 == 0).unwrap_or(bot);
            let answer = bot.web.clone().oneshot(request).await.unwrap();
            assert!(answer.status().is_success(), "{} was answered {}", delivery.event, answer.status());
            self.github.mark_delivered(delivery.id, answer.status().as_u16());
        }
        count
    }

    /// Delivers a body that GitHub never sent, signed as if it had.
    pub(crate) async fn deliver_body(&self, event: &str, body: Vec<u8>) {
        let Some(bot) = &self.bot else { return };
        let request = Request::post("/webhook")
            .header("content-type", "application/json")
            .header("x-github-event", event)
            .header("x-github-delivery", "made-up")
            .header("x-hub-signature-256", trunkline::web::signature::sign(&SECRET.into(), &body))
            .body(Body::from(body))
            .unwrap();
        let answer = bot.web.clone().oneshot(request).await.unwrap();
        assert!(answer.status().is_success(), "{event} was answered {}", answer.status());
    }

    /// How many keys wait in the queue for something other than a far timer.
    pub(crate) async fn waiting(&self) -> u64 {
        let Some(bot) = &self.bot else { return 0 };
        bot.queue.stats().await.unwrap().due
    }

    /// Forgets the deliveries nobody took: GitHub was silent.
    pub(crate) fn lose_deliveries(&self) -> usize {
        self.github.take_deliveries().len()
    }

    /// The same without the texts of descriptions and comments, and with commits by their role instead of their id.
    pub(crate) fn brief(&self) -> String {
        let mut out = String::new();
        let mut inside = false;
        for line in self.sees().lines() {
            let indent = line.len() - line.trim_start().len();
            inside = inside && indent >= 6;
            if !inside {
                out.push_str(line);
                out.push('\n');
            }
            inside |= line.trim_start() == "body:" || line.trim_start().starts_with("comment by");
        }
        out
    }

    /// The lines of the dump about one pull request or issue, from its title on.
    fn about(&self, number: u64) -> Vec<String> {
        let dump = self.sees();
        let start = format!("#{number} ");
        let heads = dump
            .lines()
            .skip_while(|line| !(line.starts_with("  ") && !line.starts_with("   ") && line.contains(&start)));
        let mut lines = heads.map(str::to_owned);
        let first = lines.next();
        first.into_iter().chain(lines.take_while(|line| line.starts_with("    ") || line.is_empty())).collect()
    }

    /// The texts of everything of one kind on a pull request or issue, each with its head line.
    fn texts(&self, number: u64, head: &str) -> Vec<String> {
        let mut texts: Vec<String> = Vec::new();
        let mut taking = false;
        // The joiner that keeps `#3` from becoming a link is invisible, and clippy wants no such thing in a source.
        for line in self.about(number).into_iter().map(|line| line.replace('\u{2060}', "")) {
            if line.starts_with("    ") && !line.starts_with("      ") {
                taking = line.trim_start().starts_with(head);
                if taking {
                    texts.push(format!("{}\n", line.trim()));
                }
            } else if let (true, Some(text)) = (taking, texts.last_mut()) {
                text.push_str(line.get(6..).unwrap_or_default());
                text.push('\n');
            }
        }
        texts
    }

    /// What the bot said last on a pull request or issue.
    pub(crate) fn said(&self, number: u64) -> String {
        let last = self.texts(number, "comment by trunkline[bot]").pop().unwrap_or_default();
        last.split_once('\n').map(|(_, text)| text.to_owned()).unwrap_or_default()
    }

    /// Everything the bot said on a pull request or issue, each text by itself.
    pub(crate) fn texts_of(&self, number: u64) -> Vec<String> {
        self.texts(number, "comment by trunkline[bot]")
    }

    /// The branches of the environments repository that start like this.
    pub(crate) fn branches(&self, start: &str) -> Vec<String> {
        self.github.branches(ENVIRONMENTS, start)
    }

    /// The first thing the bot said on a pull request, as it stands now: on a promotion that is its sticky comment.
    pub(crate) fn first_said(&self, number: u64) -> String {
        let first = self.texts(number, "comment by trunkline[bot]").into_iter().next().unwrap_or_default();
        first.split_once('\n').map(|(_, text)| text.to_owned()).unwrap_or_default()
    }

    /// The whole conversation on a pull request or issue.
    pub(crate) fn talk(&self, number: u64) -> String {
        self.texts(number, "comment by").join("\n")
    }

    /// The description of a pull request.
    pub(crate) fn body(&self, number: u64) -> String {
        self.texts(number, "body:").concat()
    }

    /// Our newest check on the head of a pull request.
    pub(crate) fn check(&self, number: u64) -> String {
        let found = self.github.check_on(ENVIRONMENTS, number, "trunkline");
        found.map_or("none".to_owned(), |(stands, title, notes)| format!("{stands}: {title} ({notes} annotations)"))
    }

    /// The pull requests of the environments repository: number, state, title.
    pub(crate) fn pulls(&self) -> Vec<String> {
        let dump = self.sees();
        let here = dump.split("\nacme/shop").next().unwrap_or_default();
        here.lines().filter_map(|line| line.strip_prefix("  pull ")).map(str::to_owned).collect()
    }

    /// The newest pull request's number.
    pub(crate) fn newest_pull(&self) -> u64 {
        let number = |pull: &String| pull.trim_start_matches('#').split(' ').next().unwrap().parse().unwrap();
        self.pulls().iter().map(number).max().expect("no pull request")
    }

    /// Delivers and passes one at a time until a pull request is open.
    pub(crate) async fn settle_until_pull(&mut self) {
        self.settle_until(|world| !world.pulls().is_empty()).await;
    }

    /// Delivers and passes one at a time until something is so.
    pub(crate) async fn settle_until(&mut self, so: impl Fn(&World) -> bool) {
        for _ in 0..MAX_ROUNDS {
            if so(self) {
                return;
            }
            self.round().await;
        }
        panic!("it never came to that:\n{}", self.sees());
    }

    /// Everything a person could see on this GitHub.
    pub(crate) fn sees(&self) -> String {
        self.github.dump()
    }
}

fn clone(parts: &Parts) -> Parts {
    Parts {
        github: parts.github.clone(),
        git: git::Cache::new(parts.git.folder()).unwrap(),
        remotes: parts.remotes.clone(),
        queue: parts.queue.clone(),
        worker: Worker::in_process(),
        mask_secret: parts.mask_secret,
        registries: parts.registries.clone(),
        clock: parts.clock.clone(),
    }
}

/// When the first of two queues has something due soon.
async fn soonest(one: &Queue, other: Option<&Queue>) -> Option<jiff::Timestamp> {
    let first = one.next_soon().await.unwrap();
    let second = match other {
        Some(other) => other.next_soon().await.unwrap(),
        None => None,
    };
    first.into_iter().chain(second).min()
}

fn between(clock: &Clock, at: jiff::Timestamp) -> Duration {
    Duration::try_from(at.duration_since(clock.now())).unwrap_or_default()
}

/// One call from the bot to GitHub, with whatever is to go wrong with it.
async fn call(router: axum::Router, faults: Arc<Faults>, request: HttpRequest) -> Result<Response<HttpBody>, BoxError> {
    use http_body_util::BodyExt;
    let (mut parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let fault = faults.next(Call::of(&parts.method, &body));
    faults.dawdle().await;
    match faults.hooked(parts.uri.path()) {
        Some(Then::Do(act)) => act(),
        Some(Then::Answer(status, message)) => {
            let text = serde_json::json!({ "message": message }).to_string();
            let body = Body::from(text).map_err(BoxError::from).boxed_unsync();
            return Ok(Response::builder().status(status).body(body).unwrap());
        }
        None => {}
    }
    if fault == Some(Fault::Refuse) {
        return Err("the connection was refused".into());
    }
    if fault == Some(Fault::Stale) {
        parts.headers.insert("x-sandbox-stale", http::HeaderValue::from_static("1"));
    }
    let request = Request::from_parts(parts, Body::from(body));
    let answer = router.oneshot(request).await.unwrap_or_else(|never| match never {});
    faults.dawdle().await;
    match fault {
        Some(Fault::Lose) => Err("the connection broke before the answer".into()),
        Some(Fault::Crash) => {
            faults.crashed.notify_one();
            std::future::pending().await
        }
        _ => Ok(answer.map(|body| body.map_err(BoxError::from).boxed_unsync())),
    }
}
