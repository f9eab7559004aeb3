//! The whole process killed with -9, again and again, while people work and deliveries arrive: the world ends as without the kills.
//!
//! Kills fall at random moments: some time after the start, before or after a call to GitHub, right after a delivery was
//! acknowledged. The seed is printed; `KILL_SEED=…` plays its moments again, as far as two processes allow.
//! One of the few tests that wait in real time: a process that is killed has a clock of its own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::time::{Instant, sleep, timeout};
use trunkline::clock::Clock;
use trunkline::sandbox::Sandbox;
use trunkline::sandbox::seed::{CI, ENVIRONMENTS, SHOP};

use crate::faults::{difference, normal};
use crate::stories::{example, example_with, text};
use crate::world::World;

/// A life that meets no moment to die in ends anyway; nothing is created in the first ten seconds of one.
const LONGEST_LIFE: Duration = Duration::from_secs(14);
/// From the last start to the same world: ten quiet seconds, three promotions with two debounces each, and a machine
/// that builds and tests other things meanwhile.
const PATIENCE: Duration = Duration::from_secs(150);
/// Whatever hangs: lives and patience and as much again for a machine that does ten other things.
const DEADLINE: Duration = Duration::from_secs(420);
/// The end is the end when it stays for longer than a debounce takes.
const STILL: Duration = Duration::from_secs(4);
/// How often the sandbox is asked for what it has to deliver, and how the world looks.
const TICK: Duration = Duration::from_millis(20);
/// How long the guard may take to end a life; SIGKILL itself takes none.
const DEATH: Duration = Duration::from_secs(20);

/// Stands between us and the process: kills it and goes when we close its stdin, which the system does if we are killed ourselves.
/// What the process says goes to a file, so nobody waits for the end of our own output because of it.
const GUARD: &str = r#"trap '' INT HUP TERM; "$@" </dev/null & pid=$!; cat >/dev/null; kill -9 $pid; wait $pid"#;

/// When a life ends.
#[derive(Debug, Clone, Copy)]
enum Moment {
    After(Duration),
    /// At the `n`th call to GitHub: before it gets there, or after GitHub did it and before the answer is back.
    Call(usize, Side),
    /// The same, only calls that change something counted.
    Write(usize, Side),
    /// Right after the `n`th delivery was acknowledged.
    Acknowledged(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

/// Small, and the same everywhere: xorshift.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }

    fn side(&mut self) -> Side {
        if self.below(2) == 0 { Side::Before } else { Side::After }
    }

    /// Twelve ends: quick ones, between them three among the writes, which need a life of more than ten seconds.
    fn moments(&mut self) -> Vec<Moment> {
        let mut quick = |count: usize| -> Vec<Moment> {
            (0..count)
                .map(|_| match self.below(3) {
                    0 => Moment::After(Duration::from_millis(self.below(1500) as u64)),
                    1 => Moment::Call(1 + self.below(40), self.side()),
                    _ => Moment::Acknowledged(1 + self.below(3)),
                })
                .collect()
        };
        let (early, middle, late) = (quick(3), quick(3), quick(3));
        let mut among = |most| vec![Moment::Write(1 + self.below(most), self.side())];
        [early, among(4), middle, among(8), late, among(12)].concat()
    }
}

/// The process, and the plan of its death.
struct Bot {
    folder: PathBuf,
    args: Vec<String>,
    /// The guard of the process that lives now.
    guard: Mutex<Option<Child>>,
    plan: Mutex<Option<Moment>>,
    lives: Mutex<usize>,
    kills: Mutex<usize>,
    /// Deliveries the process acknowledged.
    acknowledged: Mutex<usize>,
}

impl Bot {
    fn start(self: &Arc<Self>, plan: Option<Moment>) {
        let mut lives = self.lives.lock().unwrap();
        *lives += 1;
        let mut log = std::fs::File::create(self.folder.join(format!("life-{lives}.log"))).unwrap();
        writeln!(log, "life {lives}, until {plan:?}").unwrap();
        *self.plan.lock().unwrap() = plan;
        let mut command = Command::new("sh");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TRUNKLINE_")) {
            command.env_remove(name);
        }
        command.args(["-c", GUARD, "guard", env!("CARGO_BIN_EXE_trunkline")]).args(&self.args);
        command.current_dir(&self.folder).stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log);
        *self.guard.lock().unwrap() = Some(command.spawn().unwrap());
    }

    /// SIGKILL, now; what it had in memory and on the way is gone.
    fn kill(&self) {
        let Some(mut guard) = self.guard.lock().unwrap().take() else { return };
        drop(guard.stdin.take());
        let end = std::time::Instant::now() + DEATH;
        while guard.try_wait().unwrap().is_none() {
            assert!(std::time::Instant::now() < end, "the process does not die");
            std::thread::sleep(Duration::from_millis(1));
        }
        *self.kills.lock().unwrap() += 1;
    }

    fn lives(&self) -> bool {
        self.guard.lock().unwrap().is_some()
    }

    /// Where the process that lives now takes webhooks; none before it serves.
    fn address(&self) -> Option<String> {
        let log = self.folder.join(format!("life-{}.log", self.lives.lock().unwrap()));
        let log = std::fs::read_to_string(log).ok().filter(|_| self.lives())?;
        let (_, address) = log.lines().find(|line| line.contains("serving"))?.split_once("webhooks=")?;
        address.split_whitespace().next().map(str::to_owned)
    }

    /// Counts one thing that happened, and kills when it is the one; `count` finds the counter of its kind.
    fn happened(&self, count: impl Fn(&mut Moment) -> Option<&mut usize>) {
        let mut plan = self.plan.lock().unwrap();
        let Some(left) = plan.as_mut().and_then(count) else { return };
        *left = left.saturating_sub(1);
        if *left == 0 {
            *plan = None;
            self.kill();
        }
    }

    fn called(&self, writes: bool, at: Side) {
        self.happened(|moment| match moment {
            Moment::Call(n, side) if *side == at => Some(n),
            Moment::Write(n, side) if writes && *side == at => Some(n),
            _ => None,
        });
    }

    async fn one_life(self: &Arc<Self>, moment: Moment) {
        self.start(Some(moment));
        let longest = match moment {
            Moment::After(time) => time,
            // Quick ones are bounded shorter: their thing may not happen in this life.
            Moment::Call(..) | Moment::Acknowledged(_) => Duration::from_secs(3),
            Moment::Write(..) => LONGEST_LIFE,
        };
        let end = Instant::now() + longest;
        while self.lives() && Instant::now() < end {
            sleep(TICK).await;
        }
        self.kill();
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Brings what GitHub sends to the process, if it is there, and never twice; like GitHub.
async fn postman(github: Sandbox, bot: Arc<Bot>, stop: Arc<AtomicBool>) {
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    while !stop.load(Ordering::SeqCst) {
        for delivery in github.take_deliveries() {
            let address = bot.address();
            let mut status = 502;
            if let Some(address) = address {
                let mut request = http::Request::post(format!("http://{address}/webhook"));
                for (name, value) in &delivery.headers {
                    request = request.header(name, value);
                }
                let request = request.body(Full::new(Bytes::from(delivery.body))).unwrap();
                // GitHub waits ten seconds for an answer.
                let answer = timeout(Duration::from_secs(10), client.request(request)).await;
                status = answer.ok().and_then(Result::ok).map_or(502, |answer| answer.status().as_u16());
            }
            github.mark_delivered(delivery.id, status);
            assert!(status == 502 || (200..300).contains(&status), "{} was answered {status}", delivery.event);
            if status == 202 {
                *bot.acknowledged.lock().unwrap() += 1;
                bot.happened(|moment| match moment {
                    Moment::Acknowledged(n) => Some(n),
                    _ => None,
                });
            }
        }
        sleep(TICK).await;
    }
}

/// The sandbox on loopback, every call counted on its way in and out.
async fn open_door(github: &Sandbox, bot: &Arc<Mutex<Option<Arc<Bot>>>>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let bot = Arc::clone(bot);
    let counted = from_fn(move |request: Request<Body>, next: Next| {
        let bot = bot.lock().unwrap().clone();
        async move {
            let path = request.uri().path();
            // Every GraphQL call counts: which of them write is known only to who reads the body.
            let reads = request.method() == http::Method::GET || path.contains("git-upload-pack");
            let writes = !reads && !path.contains("access_tokens") && !path.ends_with("/graphql");
            let told = |side| bot.iter().for_each(|bot| bot.called(writes, side));
            told(Side::Before);
            let answer = next.run(request).await;
            told(Side::After);
            answer
        }
    });
    let router = github.router().layer(counted);
    tokio::spawn(trunkline::web::serve(listener, router, std::future::pending()));
    url
}

/// What people do, one after the other. Each thing once: of two merges while nobody looked only the newest would travel.
const STORY: [fn(&Sandbox); 8] = [
    |github| {
        github.open_issue(ENVIRONMENTS, "ann", "Environments", "");
    },
    |github| {
        let path = "environments/base/frontend.yaml";
        github.push_files(
            ENVIRONMENTS,
            "topic",
            "ben",
            "Less",
            &[(path, example(path, "memory: 128Mi", "memory: 96Mi"))],
        );
        github.open_pull(ENVIRONMENTS, "ben", "topic", "main", "Less", "");
    },
    |github| {
        github.push_files(SHOP, "main", "ann", "Sell more", &[("CHANGES", text("x"))]);
        github.add_check(SHOP, github.branch_tip(SHOP, "main"), CI, "build", "success");
    },
    |github| {
        github.comment(ENVIRONMENTS, "ann", 1, "/trunkline hold prod the fair is on");
    },
    |github| {
        github.create_tag(SHOP, "v1.0-rc.1", github.branch_tip(SHOP, "main"), "ann", true);
    },
    |github| {
        github.comment(ENVIRONMENTS, "ann", 1, "/trunkline help");
        github.comment(ENVIRONMENTS, "rob", 1, "/trunkline hold stage");
    },
    |github| {
        // Lightweight: who pushed it stands nowhere but in the delivery.
        github.create_tag(SHOP, "v1.0", github.branch_tip(SHOP, "main"), "ann", false);
    },
    |github| {
        github.comment(ENVIRONMENTS, "ann", 1, "/trunkline unhold prod");
    },
];

/// What must be the same however the two clocks of people and bot met: everything but the order of comments, what a promotion
/// waited for when it was opened, the commits it was opened on, and whether it was known by then who pushed the tag.
fn essence(world: &str) -> String {
    let ids = regex::Regex::new(r"\b[0-9a-f]{7,40}\b").unwrap();
    let world = ids.replace_all(world, "<id>");
    let pushed = regex::Regex::new(r"The tag (\S+) was pushed\.").unwrap();
    let world = pushed.replace_all(&world, "ann pushed the tag $1.");
    let passing = ["- ✅", "- ⏳", "### Every gate", "### What it waits"];
    // The picture in a promotion's text is drawn when it is opened, too.
    let drawn = regex::Regex::new(r#"^\s*(e\d+(\[| [-=])|class |classDef )"#).unwrap();
    let stays =
        |line: &&str| !passing.iter().any(|start| line.trim_start().starts_with(start)) && !drawn.is_match(line);
    let mut lines: Vec<&str> = world.lines().filter(stays).filter(|line| !line.trim().is_empty()).collect();
    lines.sort_unstable();
    lines.join("\n")
}

fn now() -> jiff::Timestamp {
    Clock::System.now()
}

async fn killed(base: &World, folder: &Path, seed: u64, wanted: &str) -> (String, Arc<Bot>) {
    let github = base.github.copy(&folder.join("github"), Clock::System).await.unwrap();
    let door = Arc::new(Mutex::new(None));
    let url = open_door(&github, &door).await;
    std::fs::write(folder.join("app.pem"), github.app_private_key_pem()).unwrap();
    std::fs::write(folder.join("hook"), github.webhook_secret()).unwrap();
    let app = github.app_id().to_string();
    let args = ["serve", "--private-key-file", "app.pem", "--webhook-secret-file", "hook", "--data-dir", "data"];
    let more = ["--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0", "--github-url", &url, "--app-id", &app];
    let args = args.into_iter().chain(more).map(str::to_owned).collect();
    let bot = Arc::new(Bot {
        folder: folder.to_owned(),
        args,
        guard: Mutex::default(),
        plan: Mutex::default(),
        lives: Mutex::default(),
        kills: Mutex::default(),
        acknowledged: Mutex::default(),
    });
    *door.lock().unwrap() = Some(Arc::clone(&bot));
    let stop = Arc::new(AtomicBool::new(false));
    let post = tokio::spawn(postman(github.clone(), Arc::clone(&bot), Arc::clone(&stop)));
    let mut dice = Dice(seed | 1);
    let moments = dice.moments();
    eprintln!("seed {seed}: {moments:?}");
    let people = {
        let github = github.clone();
        async move {
            for act in STORY {
                sleep(Duration::from_millis(200 + dice.below(5000) as u64)).await;
                act(&github);
            }
        }
    };
    let lives = async {
        for moment in moments {
            bot.one_life(moment).await;
        }
    };
    tokio::join!(people, lives);
    bot.start(None);
    let end = at_rest(&github, &url, wanted).await;
    stop.store(true, Ordering::SeqCst);
    post.await.unwrap();
    (end, bot)
}

/// The world once it is the wanted one and stays so, or as it stands when patience ends.
async fn at_rest(github: &Sandbox, url: &str, wanted: &str) -> String {
    let seen = || essence(&normal(&github.dump().replace(url, "http://github.test")));
    let end = Instant::now() + PATIENCE;
    let (mut world, mut since) = (seen(), Instant::now());
    while Instant::now() < end && !(world == wanted && since.elapsed() > STILL) {
        sleep(10 * TICK).await;
        let found = seen();
        if found != world {
            (world, since) = (found, Instant::now());
        }
    }
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_the_world_ends_the_same() {
    let files = example_with(".github/trunkline.yaml", "    soak: 1h\n", "");
    let base = World::with_at(&files, now() - jiff::SignedDuration::from_hours(2)).await;
    let mut calm = base.copy().await;
    for act in STORY {
        act(&calm.github);
        calm.settle().await;
    }
    calm.sweep().await;
    let wanted = essence(&normal(&calm.sees()));
    let seed = std::env::var("KILL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| now().as_microsecond().unsigned_abs());
    // Two at once: most of a life is waiting.
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let both = async {
        tokio::join!(
            killed(&base, folders[0].path(), seed, &wanted),
            killed(&base, folders[1].path(), seed + 2, &wanted)
        )
    };
    let Ok((one, two)) = timeout(DEADLINE, both).await else {
        let logs = folders.each_ref().map(|folder| logs(folder.path()));
        panic!("KILL_SEED={seed}: no end in {DEADLINE:?}\n{}", logs.concat());
    };
    for (seed, (got, bot)) in [(seed, one), (seed + 2, two)] {
        let (kills, acknowledged, log) =
            (*bot.kills.lock().unwrap(), *bot.acknowledged.lock().unwrap(), logs(&bot.folder));
        eprintln!("seed {seed}: {kills} kills, {acknowledged} deliveries acknowledged");
        assert!(
            got == wanted,
            "KILL_SEED={seed}: {kills} kills end in another world:\n{}\n{log}",
            difference(&wanted, &got)
        );
        assert!(!log.contains("panicked") && !log.contains("ERROR"), "KILL_SEED={seed}\n{log}");
        assert!(kills >= 12, "KILL_SEED={seed}: only {kills} kills\n{log}");
    }
}

/// What all processes in a folder said, in order.
fn logs(folder: &Path) -> String {
    let read = |life| std::fs::read_to_string(folder.join(format!("life-{life}.log"))).ok();
    (1..).map_while(read).collect()
}
