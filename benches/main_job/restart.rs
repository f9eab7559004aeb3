//! How soon a restarted bot is ready, and how fast keys are handed out.

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::task::JoinSet;
use trunkline::clock::Clock;
use trunkline::model::id::{InstallationId, Key, RepoId};
use trunkline::queue::{Delivery, Outcome, Queue, Wake};
use trunkline::sandbox::seed;

use crate::figures::Series;
use crate::world::World;

const KEYS: u64 = 10_000;
const LEASE: Duration = Duration::from_secs(300);

pub(crate) async fn run() {
    println!("\n## Restart, and claims ({KEYS} keys wait)");
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = dir.path().join("queue.sqlite");
    fill(&path).await;
    let mut open = Series::default();
    for round in 0..7 {
        let queue = Queue::open(&path, Clock::System).await.unwrap();
        // As a kill leaves it: keys claimed, the log not folded.
        queue.claim(16, LEASE).await.unwrap();
        queue.close().await.unwrap();
        let begun = Instant::now();
        let queue = Queue::open(&path, Clock::System).await.unwrap();
        queue.accept(delivery(KEYS * 10 + round)).await.unwrap();
        open.took(begun.elapsed());
        queue.close().await.unwrap();
    }
    println!("{:50} {open}", "queue opened, first delivery durable, ms");

    let mut world = World::empty().await;
    seed::example(&world.github, &seed::environments());
    world.start(true).await;
    world.settle().await;
    let mut ready = Series::default();
    for _ in 0..7 {
        world.stop().await;
        let begun = Instant::now();
        world.start(true).await;
        ready.took(begun.elapsed());
        world.settle().await;
    }
    println!("{:50} {ready}", "whole bot up, installation listed, keys woken, ms");
    world.stop().await;
    for workers in [1, 8, 16, 64] {
        println!(
            "{:50} {:.0}",
            format!("keys claimed and finished a second, {workers} passes"),
            claims(&path, workers).await
        );
    }
}

fn delivery(number: u64) -> Delivery {
    let key = Key::Pull(RepoId(number % 500), number % KEYS / 500);
    Delivery {
        app: 77,
        guid: format!("{number:032x}"),
        body_sha256: std::array::from_fn(|at| number.to_be_bytes()[at % 8]),
        event: "pull_request".into(),
        wakes: vec![Wake { key, installation: InstallationId(number % 20), note: None }],
    }
}

async fn fill(path: &Path) {
    let queue = Queue::open(path, Clock::System).await.unwrap();
    let mut sending = JoinSet::new();
    for number in 0..KEYS {
        let queue = queue.clone();
        sending.spawn(async move { queue.accept(delivery(number)).await.unwrap() });
        if number % 500 == 499 {
            while sending.join_next().await.is_some() {}
        }
    }
    queue.close().await.unwrap();
}

/// Every key claimed and finished once, by so many at a time.
async fn claims(path: &Path, workers: usize) -> f64 {
    let queue = Queue::open(path, Clock::System).await.unwrap();
    let now = Timestamp::now();
    let wakes = (0..KEYS).map(|number| (delivery(number).wakes.remove(0), now));
    queue.wake(wakes.collect()).await.unwrap();
    let begun = Instant::now();
    let mut passes = JoinSet::new();
    let mut done = 0;
    // As the loop does: claims as many as there is room for, and finishes them one by one.
    while done < KEYS {
        let leases = queue.claim(workers - passes.len(), LEASE).await.unwrap();
        for lease in leases {
            let queue = queue.clone();
            passes.spawn(async move { queue.finish(lease, Outcome::Done { look_again_at: None }).await.unwrap() });
        }
        if passes.join_next().await.is_none() {
            break;
        }
        done += 1;
        while passes.try_join_next().is_some() {
            done += 1;
        }
    }
    let rate = done as f64 / begun.elapsed().as_secs_f64();
    queue.close().await.unwrap();
    rate
}
