//! Merge queues: put in instead of merged, judged on the group's head, taken out when a gate closes.

use std::time::Duration;

use trunkline::sandbox::Protection;
use trunkline::sandbox::seed::{self, CI, ENVIRONMENTS};

use crate::faults::{act, hold};
use crate::stories::{asked, desk, example, example_with, gates, in_stage, merge_to_trunk, say, state, tag};
use crate::world::{Then, World};

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

#[tokio::test]
async fn e33_a_promotion_is_put_into_the_queue_and_never_merged_past_it() {
    let mut world = into_stage(&["lint"]).await;
    assert_eq!((in_line(&world), asked(&world, "enqueuePullRequest")), (vec![2], 1));
    let head = group(&world, 2).unwrap();
    // Our check concludes at once; the queue waits for the other one.
    insta::assert_snapshot!(judged(&world, &head), @"success: No new findings in stage");
    insta::assert_snapshot!(reasons(&world, &head), @r"
    - ✅ every gate of what this group merges is open
      - ✅ \#2: v1.0-rc.1 into stage
        - ✅ v1.0-rc.1 is commit f910cce
        - ✅ the checks on f910cce have passed
        - ✅ dev has held this commit since 2026-11-02 09:00 UTC
        - ✅ what GitHub asks of merges into main is met
          - ✅ merges into main go through its merge queue
    ");
    insta::assert_snapshot!(gates(&world, 2), @"
    #### Every gate is open: v1.0-rc.1 into stage

    - ✅ v1.0-rc.1 is commit 1123e8d
    - ✅ the checks on 1123e8d have passed
    - ✅ dev has held this commit since 2026-11-02 09:00 UTC
    - ✅ what GitHub asks of merges into main is met
      - ✅ merges into main go through its merge queue
    - ✅ it is in the merge queue
    ");
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
    insta::assert_snapshot!(gates(&world, 2), @"
    #### Gates: v1.0-rc.1 into stage

    - ✅ v1.0-rc.1 is commit 1123e8d
    - ✅ the checks on 1123e8d have passed
    - ✅ dev has held this commit since 2026-11-02 09:00 UTC
    - ⏳ held by ann since 2026-11-02 09:02 UTC: the fair is on (`held`). **Next:** ann or somebody with the rollback right comments `/trunkline unhold stage`
    - ✅ what GitHub asks of merges into main is met
      - ✅ merges into main go through its merge queue
    - ⏳ it was taken out of the merge queue, because not every gate is open (`dequeued`). **Next:** it is put in again by itself once every gate is open
    ");
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

/// Somebody's own change to dev, in the queue and waiting for lint.
async fn of_a_person() -> (World, u64) {
    let mut files = example_with(".github/trunkline.yaml", "rights: { rollback: [acme/sre] }", RIGHTS);
    let config = files.iter_mut().find(|(path, _)| *path == ".github/trunkline.yaml").unwrap();
    let dev = "takes: trunk\n    merge: auto\n";
    let text = String::from_utf8(config.1.clone()).unwrap().replace(dev, &format!("{dev}    {RIGHTS}\n"));
    config.1 = text.into_bytes();
    let mut world = World::with(&files).await;
    world.github.protect(ENVIRONMENTS, "main", queue(&["lint"]));
    let path = "environments/dev/kustomization.yaml";
    let change = [(path, example(path, "newTag: v0.9", "newTag: v0.8"))];
    let number = crate::stories::pull(&mut world, "Back in dev", &change).await;
    let head = world.github.branch_tip(ENVIRONMENTS, "topic");
    world.github.add_check(ENVIRONMENTS, head, CI, "lint", "success");
    world.settle().await;
    world.github.enqueue_pull(ENVIRONMENTS, "ben", number);
    world.settle().await;
    (world, number)
}

const RIGHTS: &str = "rights: { rollback: [acme/sre], freeze: [acme/sre] }";

#[tokio::test]
async fn a_closed_gate_fails_what_a_person_has_put_into_the_queue() {
    let (mut world, number) = of_a_person().await;
    let head = group(&world, number).unwrap();
    insta::assert_snapshot!(judged(&world, &head), @"success: No new findings in dev");
    let desk = desk(&mut world).await;
    say(&mut world, "sue", desk, "/freeze dev for 4h \"the fair is on\"").await;
    insta::assert_snapshot!(judged(&world, &head), @"failure: Frozen by sue since 2026-11-02 09:00 UTC: the fair is on");
    insta::assert_snapshot!(reasons(&world, &head), @r"
    - ⛔ a merge queue does not wait, so a closed gate throws this group out (`merge-group`). **Next:** once every gate is open, Trunkline puts its own promotion in again; anything else somebody puts in again by “Merge when ready”
      - ⏳ \#1: shop into dev (`entering`)
        - ⏳ frozen by sue since 2026-11-02 09:00 UTC: the fair is on (`frozen`), until 2026-11-02 13:00 UTC. **Next:** somebody with the freeze right comments `/unfreeze dev`
    ");
    assert_eq!((state(&world, number).as_str(), in_line(&world)), ("open", vec![]));
    // Trunkline puts nobody's pull request into the queue but its own.
    say(&mut world, "sue", desk, "/unfreeze dev").await;
    assert_eq!((in_line(&world), asked(&world, "enqueuePullRequest")), (vec![], 0));
    world.github.enqueue_pull(ENVIRONMENTS, "ben", number);
    world.settle().await;
    report(&mut world, number, "lint", "success").await;
    assert_eq!(state(&world, number), "merged");
}

#[tokio::test]
async fn what_the_queue_threw_out_goes_in_again_when_somebody_asks_and_not_before() {
    let mut world = into_stage(&["lint"]).await;
    report(&mut world, 2, "lint", "failure").await;
    assert_eq!((state(&world, 2).as_str(), in_line(&world)), ("open", vec![]));
    insta::assert_snapshot!(gates(&world, 2), @"
    #### Gates: v1.0-rc.1 into stage

    - ✅ v1.0-rc.1 is commit 1123e8d
    - ✅ the checks on 1123e8d have passed
    - ✅ dev has held this commit since 2026-11-02 09:00 UTC
    - ✅ what GitHub asks of merges into main is met
      - ✅ merges into main go through its merge queue
    - ⏳ the merge queue threw it out on 2026-11-02 09:02 UTC: a required check failed on its merge group (`thrown-out`). **Next:** comment `/trunkline retry` once that is mended, or press “Merge when ready”
    ");
    for _ in 0..8 {
        world.advance(15 * MINUTE).await;
        world.sweep().await;
    }
    assert_eq!((in_line(&world), asked(&world, "enqueuePullRequest")), (vec![], 1));
    // Whoever may not write is not heard.
    say(&mut world, "zoe", 2, "/trunkline retry").await;
    assert_eq!(in_line(&world), Vec::<u64>::new());
    say(&mut world, "ben", 2, "/trunkline retry").await;
    assert_eq!((in_line(&world), asked(&world, "enqueuePullRequest")), (vec![2], 2));
    // One word is good for one try.
    report(&mut world, 2, "lint", "failure").await;
    world.advance(5 * MINUTE).await;
    world.sweep().await;
    assert_eq!((in_line(&world), asked(&world, "enqueuePullRequest")), (vec![], 2));
    // A person may press the button instead.
    world.github.enqueue_pull(ENVIRONMENTS, "ann", 2);
    world.settle().await;
    report(&mut world, 2, "lint", "success").await;
    assert_eq!((state(&world, 2).as_str(), asked(&world, "enqueuePullRequest")), ("merged", 2));
}

#[tokio::test]
async fn what_a_person_took_out_of_the_queue_stays_out() {
    let mut world = into_stage(&["lint"]).await;
    world.github.dequeue_pull(ENVIRONMENTS, "ben", 2);
    world.settle().await;
    world.sweep().await;
    assert_eq!((in_line(&world), asked(&world, "enqueuePullRequest")), (vec![], 1));
    insta::assert_snapshot!(gates(&world, 2).lines().last().unwrap(), @"- ⏳ ben took it out of the merge queue on 2026-11-02 09:02 UTC (`thrown-out`). **Next:** comment `/trunkline retry` once that is mended, or press “Merge when ready”");
}

#[tokio::test]
async fn where_a_person_merges_a_person_puts_it_into_the_queue() {
    let mut world = World::example().await;
    let sha = in_stage(&mut world).await;
    world.github.protect(ENVIRONMENTS, "main", queue(&["lint"]));
    tag(&mut world, "v1.0", &sha).await;
    world.advance(60 * MINUTE).await;
    let number = world.newest_pull();
    world.github.review(ENVIRONMENTS, "sue", number, "APPROVED");
    let branch = world.branches("trunkline/prod/").remove(0);
    let head = world.github.branch_tip(ENVIRONMENTS, &branch);
    world.github.add_check(ENVIRONMENTS, head, CI, "lint", "success");
    world.settle().await;
    assert_eq!((in_line(&world), asked(&world, "enqueuePullRequest")), (vec![], 0));
    insta::assert_snapshot!(gates(&world, number), @"
    #### Every gate is open: v1.0 into prod

    - ✅ v1.0 is commit 1123e8d
    - ✅ the checks on 1123e8d have passed
    - ✅ stage has held this commit since 2026-11-02 09:00 UTC
    - ✅ commit 1123e8d was tested in stage
    - ✅ soaked for 1h
    - ✅ approved by sue
    - ✅ what GitHub asks of merges into main is met
      - ✅ merges into main go through its merge queue
    ");
    world.github.enqueue_pull(ENVIRONMENTS, "ben", number);
    world.settle().await;
    assert_eq!(in_line(&world), [number]);
    // It is cancelled while it waits.
    say(&mut world, "ann", number, "/trunkline cancel").await;
    assert_eq!((state(&world, number).as_str(), in_line(&world)), ("closed", vec![]));
    assert!(world.branches("gh-readonly-queue/").is_empty());
}

#[tokio::test]
async fn a_newer_version_takes_the_place_of_one_in_the_queue() {
    let mut world = into_stage(&["lint"]).await;
    let sha = world.github.branch_tip(seed::SHOP, "main");
    tag(&mut world, "v1.0-rc.2", &sha).await;
    let number = world.newest_pull();
    assert_eq!((state(&world, 2).as_str(), state(&world, number).as_str()), ("closed", "open"));
    report(&mut world, number, "lint", "success").await;
    assert_eq!(in_line(&world), [number]);
    report(&mut world, number, "lint", "success").await;
    assert_eq!(state(&world, number), "merged");
}

#[tokio::test]
async fn two_promotions_stand_in_one_queue_and_the_second_is_built_anew_when_the_first_falls() {
    let files = crate::merging::with_apps(2);
    let files: Vec<(&str, Vec<u8>)> = files.iter().map(|(path, bytes)| (path.as_str(), bytes.clone())).collect();
    let mut world = World::with(&files).await;
    world.github.protect(ENVIRONMENTS, "main", queue(&["lint"]));
    let sha = world.github.branch_tip(seed::SHOP, "main");
    for n in 0..2 {
        world.github.create_tag(seed::SHOP, &format!("app-{n:02}/v1.0"), &sha, "ann", false);
    }
    world.settle().await;
    for branch in world.branches("trunkline/stage/") {
        let head = world.github.branch_tip(ENVIRONMENTS, &branch);
        world.github.add_check(ENVIRONMENTS, head, CI, "lint", "success");
    }
    world.settle().await;
    let line = in_line(&world);
    assert_eq!(line.len(), 2);
    let (first, second) = (line[0], line[1]);
    // The second is judged together with the first, on which it is built.
    insta::assert_snapshot!(reasons(&world, &group(&world, second).unwrap()), @r"
    - ✅ every gate of what this group merges is open
      - ✅ \#1: v1.0 into stage
        - ✅ app-00/v1.0 is commit 30c263c
        - ✅ the checks on 30c263c have passed
        - ✅ what GitHub asks of merges into main is met
          - ✅ merges into main go through its merge queue
      - ✅ \#2: v1.0 into stage
        - ✅ app-01/v1.0 is commit 30c263c
        - ✅ the checks on 30c263c have passed
        - ✅ what GitHub asks of merges into main is met
          - ✅ merges into main go through its merge queue
    ");
    report(&mut world, first, "lint", "failure").await;
    assert_eq!(in_line(&world), [second]);
    let built = group(&world, second).unwrap();
    insta::assert_snapshot!(reasons(&world, &built), @r"
    - ✅ every gate of what this group merges is open
      - ✅ \#2: v1.0 into stage
        - ✅ app-01/v1.0 is commit 30c263c
        - ✅ the checks on 30c263c have passed
        - ✅ what GitHub asks of merges into main is met
          - ✅ merges into main go through its merge queue
    ");
    report(&mut world, second, "lint", "success").await;
    assert_eq!((state(&world, first).as_str(), state(&world, second).as_str()), ("open", "merged"));
    assert_eq!(world.github.branch_tip(ENVIRONMENTS, "main"), built);
    say(&mut world, "ben", first, "/trunkline retry").await;
    report(&mut world, first, "lint", "success").await;
    assert_eq!(state(&world, first), "merged");
}

#[tokio::test]
async fn e46_a_merge_group_that_nobody_told_of_is_found_by_the_sweep() {
    let (mut world, number) = of_a_person().await;
    world.github.dequeue_pull(ENVIRONMENTS, "ben", number);
    world.settle().await;
    world.github.enqueue_pull(ENVIRONMENTS, "ben", number);
    assert!(world.lose_deliveries() > 0);
    let head = group(&world, number).unwrap();
    assert_eq!(judged(&world, &head), "none");
    world.sweep().await;
    assert!(judged(&world, &head).starts_with("success"), "{}", judged(&world, &head));
}

#[tokio::test]
async fn a_branch_that_looks_like_a_queues_is_judged_by_what_it_holds() {
    let mut world = World::example().await;
    let path = "environments/prod/kustomization.yaml";
    let harmless = crate::stories::pull(&mut world, "Notes", &[("NOTES.md", crate::stories::text("x"))]).await;
    let change = [(path, example(path, "newTag: v0.9", "newTag: v9.9"))];
    let head = world.github.push_files(ENVIRONMENTS, "hidden", "ben", "To prod", &change);
    let name = format!("gh-readonly-queue/main/pr-{harmless}-{head}");
    world.github.force_push(ENVIRONMENTS, &name, "ben", &head);
    world.settle().await;
    world.sweep().await;
    insta::assert_snapshot!(judged(&world, &head), @"failure: Together they bring another version of shop into prod than any of them alone");
    insta::assert_snapshot!(reasons(&world, &head), @"
    - ⛔ a merge queue does not wait, so a closed gate throws this group out (`merge-group`). **Next:** once every gate is open, Trunkline puts its own promotion in again; anything else somebody puts in again by “Merge when ready”
      - ⛔ together they bring another version of shop into prod than any of them alone (`merge-group`). **Next:** put them in one after the other
    ");
}

#[tokio::test]
async fn an_account_that_has_not_granted_the_queue_is_told_and_nothing_else_is_lost() {
    let mut world = World::example().await;
    let sha = merge_to_trunk(&mut world, "Sell more").await;
    world.github.protect(ENVIRONMENTS, "main", queue(&[]));
    world.advance(2 * MINUTE).await;
    // The only token that is still to be made.
    let words = "The permissions requested are not granted to this installation.";
    world.faults.at("/access_tokens", 0, Then::Answer(422, words));
    tag(&mut world, "v1.0-rc.1", &sha).await;
    assert_eq!((state(&world, 2).as_str(), in_line(&world)), ("open", vec![]));
    insta::assert_snapshot!(gates(&world, 2).lines().last().unwrap(), @"- ⏳ GitHub refused the merge: The permissions requested are not granted to this installation (`refused`). **Next:** an owner of the account accepts the permissions Trunkline asks for");
}

#[tokio::test]
async fn going_into_the_queue_survives_every_fault() {
    let mut start = into_stage(&[]).await;
    // It went through at once; the next one waits for a check on the pull request, and then for the same on what the queue builds.
    assert_eq!(state(&start, 2), "merged");
    start.github.protect(ENVIRONMENTS, "main", queue(&["lint"]));
    start.advance(2 * MINUTE).await;
    let sha = start.github.branch_tip(seed::SHOP, "main");
    tag(&mut start, "v1.0-rc.2", &sha).await;
    let act = act!(world, {
        let number = world.newest_pull();
        report(world, number, "lint", "success").await;
    });
    hold(&start, act).await;
}

#[tokio::test]
async fn coming_out_of_the_queue_survives_every_fault() {
    let mut start = into_stage(&["lint"]).await;
    desk(&mut start).await;
    let act = act!(world, {
        say(world, "ann", 3, "/trunkline hold stage the fair is on").await;
    });
    hold(&start, act).await;
}
