//! A pull request, from fetch to concluded check: the whole bot, against the script people write in CI.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use trunkline::sandbox::RepoHandle;

use crate::figures::Series;
use crate::repository::{configured, files, overlay, patch};
use crate::world::World;

const REPO: &str = "acme/environments";

/// Clone the default branch, fetch the pull request, build both sides of the touched overlays two at a time, compare.
const SCRIPT: &str = r#"set -e
cd "$DIR"
git clone --depth 1 -q "$URL" base
git -C base fetch --depth 1 -q origin "refs/pull/$NUMBER/head"
git -C base worktree add -q --detach ../head FETCH_HEAD
mkdir out out/base out/head
for side in base head; do while read -r overlay; do echo "$side $overlay"; done < "$OVERLAYS"; done |
  xargs -P 2 -L 1 sh -c '$BUILD "$0/$1" > "out/$0/$(echo "$1" | tr / _).yaml"'
diff -ruN out/base out/head > out/diff && exit 3
test "$(grep -c '^diff ' out/diff)" = "$(wc -l < "$OVERLAYS")"
"#;

/// Measures pull requests that touch so many overlays: how many, how often ours, how often theirs.
pub(crate) async fn run(apps: usize, cases: &[(usize, usize, usize)]) {
    let (files, configured) = (apps * 19, configured(apps));
    println!("\n## Pull requests: {files} files of {apps} applications, {configured} of them in the configuration");
    let begun = Instant::now();
    let world = world(apps).await;
    println!("(set-up: {:.1} s)", begun.elapsed().as_secs_f64());
    let build = program();
    if build.is_none() {
        println!("(the peer is skipped: neither kustomize nor kubectl is on the PATH)");
    }
    println!(
        "{:>8} {:>24} {:>24} {:>30} {:>24}",
        "overlays", "check concluded ms", "all written ms", "clone+kustomize+diff ms", "ours / theirs"
    );
    let mut megabytes = 600;
    for (overlays, times, peer_times) in cases {
        let (mut check, mut all, mut theirs, mut ratio) =
            (Series::default(), Series::default(), Series::default(), Series::default());
        for time in 0..*times {
            megabytes += 1;
            let (number, touched) = open(&world, apps, *overlays, megabytes);
            let since = world.calls.lock().unwrap().len();
            let (concluded, written) = ours(&world).await;
            // The patch changes one object an overlay: a check that says anything else was not what is measured.
            let told = format!("alters {overlays} object");
            assert!(world.calls.lock().unwrap()[since..].iter().any(|call| call.has(&told)), "nobody said: {told}");
            // The very first also fetches what the bot's cache lacks; it counts like the others.
            check.took(concluded);
            all.took(written);
            if let Some(build) = build.as_ref().filter(|_| time < *peer_times) {
                let took = peer(&world, build, number, &touched).await;
                theirs.took(took);
                ratio.add(concluded.as_secs_f64() / took.as_secs_f64());
            }
        }
        println!(
            "{overlays:>8} {check:>24} {all:>24} {theirs:>30} {ratio:>24}  (n = {}, {})",
            check.len(),
            theirs.len()
        );
    }
}

async fn world(apps: usize) -> World {
    let mut world = World::empty().await;
    world.github.create_org("acme");
    ["ann", "ben"].iter().for_each(|login| world.github.create_user(login));
    let shop = [("README.md", b"# The shop\n".to_vec())];
    world.github.create_repo("acme", "shop", false, &shop, "ann");
    let files = files(apps);
    let files: Vec<(&str, Vec<u8>)> = files.iter().map(|(path, bytes)| (path.as_str(), bytes.clone())).collect();
    let repo: RepoHandle = world.github.create_repo("acme", "environments", false, &files, "ann");
    world.github.set_permission(REPO, "ben", "write");
    // As on a server that has been running for a while; loose objects would slow the peer's clone down.
    let packed = Command::new("git").arg("-C").arg(&repo.path).args(["repack", "-adq"]).status().unwrap();
    assert!(packed.success());
    world.github.install("acme", &["shop", "environments"]);
    world.github.take_deliveries();
    world.start(false).await;
    world
}

/// Somebody opens a pull request; its number and the overlays it touches.
fn open(world: &World, apps: usize, overlays: usize, megabytes: usize) -> (u64, Vec<String>) {
    let touched: Vec<String> = (0..overlays).map(|number| overlay(megabytes + number * 7, configured(apps))).collect();
    let changes: Vec<(String, Option<Vec<u8>>)> = touched.iter().map(|overlay| patch(overlay, megabytes)).collect();
    let changes: Vec<(&str, Option<Vec<u8>>)> =
        changes.iter().map(|(path, text)| (path.as_str(), text.clone())).collect();
    let branch = format!("topic-{megabytes}");
    world.github.push_files(REPO, &branch, "ben", "More memory", &changes);
    (world.github.open_pull(REPO, "ben", &branch, "main", "More memory", ""), touched)
}

/// From the moment the pull request's keys are due to the answer to the concluded check, and to rest.
async fn ours(world: &World) -> (Duration, Duration) {
    // The push itself wakes the repository, which looks at every application again: not what is measured.
    world.deliver_only(|event| event == "pull_request").await;
    let since = world.calls.lock().unwrap().len();
    let begun = Instant::now();
    assert!(world.tick().await, "the deliveries woke nothing");
    let mut written = None;
    let mut concluded = None;
    // 30,000 looks, 2 ms apart, are a minute.
    for _ in 0..30_000 {
        concluded = concluded.or_else(|| world.concluded(since));
        let last = world.calls.lock().unwrap().last().map(|call| call.answered);
        let stats = world.queue().stats().await.unwrap();
        if concluded.is_some() && stats.leased == 0 && stats.due == 0 {
            written = last;
            break;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let (Some(concluded), Some(written)) = (concluded, written) else { panic!("no check was concluded") };
    world.github.take_deliveries();
    if std::env::var_os("BENCH_CALLS").is_some() {
        for call in world.calls.lock().unwrap().iter().skip(since) {
            let at = call.answered.saturating_duration_since(begun).as_secs_f64() * 1e3;
            let body = String::from_utf8_lossy(&call.body[..call.body.len().min(400)]).replace('\n', " ");
            println!("    {at:7.1} ms {} {} {body}", call.method, call.path);
        }
    }
    (concluded - begun, written - begun)
}

/// What builds overlays on this machine.
fn program() -> Option<&'static str> {
    let works = |name: &str, word: &str| Command::new(name).arg(word).output().is_ok_and(|done| done.status.success());
    if works("kustomize", "version") {
        Some("kustomize build")
    } else if works("kubectl", "help") {
        Some("kubectl kustomize")
    } else {
        None
    }
}

/// The script's time; its work tree is in memory where the machine has that, which is kind to it.
async fn peer(world: &World, build: &str, number: u64, touched: &[String]) -> Duration {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory } else { Path::new(env!("CARGO_TARGET_TMPDIR")) };
    let dir = tempfile::tempdir_in(place).unwrap();
    let list = dir.path().join("overlays");
    std::fs::write(&list, touched.iter().map(|overlay| format!("{overlay}\n")).collect::<String>()).unwrap();
    let mut script = tokio::process::Command::new("sh");
    script.arg("-c").arg(SCRIPT).env("DIR", dir.path()).env("URL", format!("{}/{REPO}.git", world.url));
    script.env("NUMBER", number.to_string()).env("OVERLAYS", &list).env("BUILD", build);
    let begun = Instant::now();
    let done = script.output().await.unwrap();
    let took = begun.elapsed();
    assert!(done.status.success(), "the peer failed: {}", String::from_utf8_lossy(&done.stderr));
    took
}
