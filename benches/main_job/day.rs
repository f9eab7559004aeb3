//! What a day costs of GitHub's budgets: calls and writes for every head that was evaluated.

use std::collections::BTreeMap;
use std::time::Duration;

use trunkline::sandbox::seed::{self, CI, ENVIRONMENTS, SHOP};

use crate::world::{Call, World};

const PULLS: usize = 30;
const MINUTES: u64 = 60;

/// Calls by their kind.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Count {
    pub(crate) rest: usize,
    /// Those of them that mint a token, which the App asks for and not the installation.
    pub(crate) tokens: usize,
    pub(crate) graphql: usize,
    git: usize,
    /// Checks, comments, commits, pull requests, merges.
    writes: usize,
    /// Those of them that GitHub counts as content: 80 a minute, 500 an hour.
    pub(crate) content: usize,
}

pub(crate) async fn run() {
    println!("\n## A day: {PULLS} pull requests with two pushes each, 10 promotions, a sweep every quarter of an hour");
    let mut world = World::empty().await;
    seed::example(&world.github, &seed::environments());
    world.start(true).await;
    world.settle().await;
    print("start and first sight", &world, 0, 0);

    let since = world.calls.lock().unwrap().len();
    for _ in 0..40 {
        world.advance(Duration::from_secs(15 * 60)).await;
    }
    let idle = print("10 h in which nothing happens", &world, since, 0);

    let since = world.calls.lock().unwrap().len();
    for number in 0..PULLS {
        pull(&world, number).await;
    }
    // The sweeps of the idle hours are known; what is left is the heads' own.
    let hours = PULLS as f64 * 1.5 * 10.0 / 600.0;
    let quiet = print("30 pull requests, 60 heads", &world, since, 2 * PULLS);
    let left = (quiet.rest as f64 - idle.rest as f64 * hours) / (2.0 * PULLS as f64);
    println!("{:44} {left:.2} REST calls a head without the sweeps", "");

    let since = world.calls.lock().unwrap().len();
    let mut promoted = 0;
    for number in 1..=4 {
        promoted += travel(&world, number).await;
    }
    print("10 promotions: 4 to dev, 3 to stage, 3 to prod", &world, since, promoted);
    world.stop().await;
}

/// A pull request with a second push, then closed. A third touches every environment, a third production, a third none.
async fn pull(world: &World, number: usize) {
    let (path, from, to) = [
        ("environments/base/backend.yaml", "containerPort: 8080", "containerPort: 8081"),
        ("environments/prod/kustomization.yaml", "namespace:", "# a note\nnamespace:"),
        ("policies/README.md", "#", "##"),
    ][number % 3];
    let branch = format!("topic-{number}");
    let old = seed::environments().into_iter().find(|(name, _)| *name == path).map(|(_, bytes)| bytes).unwrap();
    let old = String::from_utf8(old).unwrap();
    let new = old.replacen(from, to, 1);
    assert_ne!(old, new, "{path} holds no {from:?}");
    let push = |text: &str| {
        world.github.push_files(ENVIRONMENTS, &branch, "ben", "A change", &[(path, Some(text.as_bytes().to_vec()))])
    };
    push(&new);
    let pull = world.github.open_pull(ENVIRONMENTS, "ben", &branch, "main", "A change", "");
    world.settle().await;
    world.advance(Duration::from_secs(5 * MINUTES)).await;
    push(&format!("{new}# the second push\n"));
    world.settle().await;
    world.advance(Duration::from_secs(10 * MINUTES)).await;
    world.github.close_pull(ENVIRONMENTS, "ben", pull);
    world.settle().await;
}

/// A merge to trunk enters dev by itself; its candidate enters stage; its release enters production after an approval.
async fn travel(world: &World, number: usize) -> usize {
    let files = [("CHANGES", Some(format!("version {number}").into_bytes()))];
    let sha = world.github.push_files(SHOP, "main", "ann", "Sell more", &files);
    world.settle().await;
    world.github.add_check(SHOP, &sha, CI, "build", "success");
    world.settle().await;
    if number == 4 {
        return 1;
    }
    world.github.create_tag(SHOP, &format!("v1.{number}-rc.1"), &sha, "ann", false);
    world.settle().await;
    world.github.create_tag(SHOP, &format!("v1.{number}"), &sha, "ann", false);
    world.settle().await;
    world.advance(Duration::from_secs(61 * MINUTES)).await;
    let open = newest(world);
    world.github.review(ENVIRONMENTS, "sue", open, "APPROVED");
    world.settle().await;
    world.github.merge_pull(ENVIRONMENTS, "ben", open);
    world.settle().await;
    3
}

fn newest(world: &World) -> u64 {
    let dump = world.github.dump();
    let numbers = dump.lines().filter_map(|line| line.strip_prefix("  pull #")?.split(' ').next()?.parse().ok());
    numbers.max().expect("a pull request")
}

/// Prints what was asked since call number `since`, and for each head.
pub(crate) fn print(what: &str, world: &World, since: usize, heads: usize) -> Count {
    let calls = world.calls.lock().unwrap();
    let calls = &calls[since..];
    let mut count = Count::default();
    calls.iter().for_each(|call| take(&mut count, call));
    let Count { rest, tokens, graphql, git, writes, content } = count;
    println!(
        "{what:44} REST {rest} ({tokens} tokens), GraphQL {graphql}, git {git}; writes {writes}, of which content {content}"
    );
    if heads > 0 {
        let each = |count: usize| count as f64 / heads as f64;
        println!(
            "{:44} a head ({heads}): REST {:.2}, GraphQL {:.2}, git {:.2}, content writes {:.2}",
            "",
            each(rest),
            each(graphql),
            each(git),
            each(content)
        );
    }
    if std::env::var_os("BENCH_KINDS").is_some() {
        kinds(calls).iter().for_each(|(kind, count)| println!("    {count:>6} {kind}"));
    }
    count
}

/// How often each kind of call was made.
pub(crate) fn kinds(calls: &[Call]) -> BTreeMap<String, usize> {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    calls.iter().for_each(|call| *kinds.entry(kind(call)).or_default() += 1);
    kinds
}

fn take(count: &mut Count, call: &Call) {
    if call.path.ends_with("/api/graphql") {
        count.graphql += 1;
        let mutation = call.has("\"mutation");
        count.writes += usize::from(mutation);
        count.content += usize::from(mutation);
    } else if call.path.starts_with("/api/") {
        count.rest += 1;
        let token = call.path.ends_with("/access_tokens");
        count.tokens += usize::from(token);
        let write = call.method != "GET" && !token;
        count.writes += usize::from(write);
        count.content += usize::from(write && !call.path.contains("/check-runs"));
    } else {
        count.git += 1;
    }
}

/// The call without its numbers.
fn kind(call: &Call) -> String {
    let plain = |part: &str| match part {
        part if part.chars().all(|c| c.is_ascii_digit()) && !part.is_empty() => "N".to_owned(),
        part if part.len() == 40 => "SHA".to_owned(),
        part => part.to_owned(),
    };
    let path: Vec<String> = call.path.split('/').map(plain).collect();
    let start = if call.path.ends_with("/graphql") { 90 } else { 0 };
    let query = String::from_utf8_lossy(&call.body[..call.body.len().min(start)]).into_owned();
    format!("{} {} {query}", call.method, path.join("/"))
}
