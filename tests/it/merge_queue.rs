//! Merge queues: put in instead of merged, judged on the group's head, taken out when a gate closes.

use std::time::Duration;

use trunkline::sandbox::Protection;
use trunkline::sandbox::seed::{self, CI, ENVIRONMENTS};

use crate::faults::{act, hold};
use crate::stories::{desk, example, merge_to_trunk, say, tag};
use crate::world::World;

const MINUTE: Duration = Duration::from_secs(60);

/// A queue that asks for our check and for these.
fn queue(checks: &[&str]) -> Protection {
    let mut required_checks = vec!["trunkline".to_owned()];
    required_checks.extend(checks.iter().map(|check| (*check).to_owned()));
    Protection { queue: true, required_checks, ..Protection::default() }
}

/// A version in dev, a queue in front of the environments, and a pre-release tag: its promotion to stage is the second pull request.
async fn into_stage(checks: &[&str]) -> World {
    let mut world = World::example().await;
    let sha = merge_to_trunk(&mut world, "Sell more").await;
    world.github.protect(ENVIRONMENTS, "main", queue(checks));
    world.advance(2 * MINUTE).await;
    tag(&mut world, "v1.0-rc.1", &sha).await;
    // What is asked of the pull request itself before it may go in.
    for check in checks {
        report(&mut world, 2, check, "success").await;
    }
    world
}

/// Another App reports on the head of a pull request, or on what the queue built of it once it is in.
async fn report(world: &mut World, number: u64, check: &str, conclusion: &str) {
    let sha = group(world, number).unwrap_or_else(|| {
        let branch = world.branches("trunkline/").into_iter().rev().find(|name| name.contains("stage")).unwrap();
        world.github.branch_tip(ENVIRONMENTS, &branch)
    });
    world.github.add_check(ENVIRONMENTS, sha, CI, check, conclusion);
    world.settle().await;
}

/// The head of what the queue built of a pull request.
fn group(world: &World, number: u64) -> Option<String> {
    world.github.merge_queue(ENVIRONMENTS).into_iter().find(|(one, _)| *one == number)?.1
}

fn in_line(world: &World) -> Vec<u64> {
    world.github.merge_queue(ENVIRONMENTS).into_iter().map(|(number, _)| number).collect()
}

/// Our newest check on a commit.
fn judged(world: &World, sha: &str) -> String {
    let found = world.github.check_of(ENVIRONMENTS, sha, "trunkline");
    found.map_or("none".to_owned(), |(stands, title, _)| format!("{stands}: {title}"))
}

/// The gates in our newest check on a commit.
fn reasons(world: &World, sha: &str) -> String {
    let (.., summary) = world.github.check_of(ENVIRONMENTS, sha, "trunkline").unwrap();
    summary.replace('\u{2060}', "").split("#### Gates").nth(1).unwrap_or_default().trim().to_owned()
}

/// What the comment says of the gates.
fn gates(world: &World, number: u64) -> String {
    let said = world.first_said(number);
    let from = said.find("#### ").unwrap_or_default();
    let to = said[from..].find("<details>").map_or(said.len(), |to| from + to);
    said[from..to].trim_end().to_owned()
}

/// How often the bot called a mutation, or a path.
fn asked(world: &World, what: &str) -> usize {
    let requests = world.github.requests();
    let fits = |one: &&trunkline::sandbox::RecordedRequest| {
        one.token == "installation" && (one.graphql.as_deref() == Some(what) || one.path.ends_with(what))
    };
    requests.iter().filter(fits).count()
}

fn state(world: &World, number: u64) -> String {
    let start = format!("#{number} ");
    let pull = world.pulls().into_iter().find(|pull| pull.starts_with(&start)).unwrap();
    pull.split([' ', ':']).nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn e33_a_promotion_is_put_into_the_queue_and_never_merged_past_it() {
    let mut world = into_stage(&["lint"]).await;
    assert_eq!((in_line(&world), asked(&world, "enqueuePullRequest")), (vec![2], 1));
    let head = group(&world, 2).unwrap();
    // Our check concludes at once; the queue waits for the other one.
    insta::assert_snapshot!(judged(&world, &head), @"");
    insta::assert_snapshot!(reasons(&world, &head), @"");
    insta::assert_snapshot!(gates(&world, 2), @"");
    world.sweep().await;
    assert_eq!((state(&world, 2).as_str(), asked(&world, "enqueuePullRequest")), ("open", 1));
    report(&mut world, 2, "lint", "success").await;
    assert_eq!((state(&world, 2).as_str(), in_line(&world)), ("merged", vec![]));
    assert_eq!(world.github.branch_tip(ENVIRONMENTS, "main"), head);
    assert_eq!(asked(&world, "/2/merge"), 0);
    assert!(world.branches("gh-readonly-queue/").is_empty());
    world.advance(5 * MINUTE).await;
    let writes = world.writes();
    world.sweep().await;
    assert_eq!(world.writes(), writes);
    assert!(!world.talk(2).contains("landed-otherwise"), "{}", world.talk(2));
}

#[tokio::test]
async fn a_hold_takes_a_promotion_out_of_the_queue_and_lifting_it_puts_it_in_again() {
    let mut world = into_stage(&["lint"]).await;
    let head = group(&world, 2).unwrap();
    let desk = desk(&mut world).await;
    say(&mut world, "ann", desk, "/trunkline hold stage the fair is on").await;
    assert_eq!(in_line(&world), Vec::<u64>::new());
    insta::assert_snapshot!(gates(&world, 2), @"");
    // What is thrown away is not judged any more, and nobody merges what was judged before.
    report(&mut world, 2, "lint", "success").await;
    assert_eq!(state(&world, 2), "open");
    world.sweep().await;
    assert_eq!(asked(&world, "enqueuePullRequest"), 1);
    say(&mut world, "ann", desk, "/trunkline unhold stage").await;
    assert_eq!((in_line(&world), asked(&world, "enqueuePullRequest")), (vec![2], 2));
    assert_ne!(group(&world, 2), None);
    drop(head);
    report(&mut world, 2, "lint", "success").await;
    assert_eq!(state(&world, 2), "merged");
}

#[tokio::test]
async fn a_closed_gate_fails_what_a_person_puts_into_the_queue() {
    let mut world = World::example().await;
    world.github.protect(ENVIRONMENTS, "main", queue(&[]));
    let path = "environments/prod/kustomization.yaml";
    // Somebody brings a version past every gate; the check on the pull request is not required of it here.
    world.github.push_files(ENVIRONMENTS, "topic", "ben", "To prod", &[(path, example(path, "newTag: v0.9", "newTag: v9.9"))]);
    let number = world.github.open_pull(ENVIRONMENTS, "ben", "topic", "main", "To prod", "");
    world.settle().await;
    world.github.protect(ENVIRONMENTS, "main", queue(&["slow"]));
    let head = world.github.branch_tip(ENVIRONMENTS, "topic");
    for check in ["trunkline", "slow"] {
        world.github.set_status(ENVIRONMENTS, "ben", &head, check, "success");
    }
    assert_eq!(world.check(number), "");
}
