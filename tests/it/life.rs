//! The life of a promotion: what comes past the gates, what queues, what soaks, what was never built, and two bots at once.

use std::time::Duration;

use trunkline::sandbox::seed::{CI, ENVIRONMENTS, SHOP};

use crate::stories::{desk, example, example_with, in_prod, in_stage, merge_to_trunk, pull, say, tag, text};
use crate::world::World;

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);
const PROD: &str = "environments/prod/kustomization.yaml";
const CONFIG: &str = ".github/trunkline.yaml";

/// Somebody writes production's version straight to the branch.
async fn push_to_prod(world: &mut World, who: &str, version: &str) {
    let files = [(PROD, example(PROD, "newTag: v0.9", &format!("newTag: {version}")))];
    world.github.push_files(ENVIRONMENTS, "main", who, &format!("Production runs {version}"), &files);
    world.settle().await;
    world.advance(3 * MINUTE).await;
}

/// The lines of the last answer that hold `word`; commits of the environments change with every word of ours in them.
fn lines(world: &World, number: u64, word: &str) -> String {
    let commits = regex::Regex::new(r"commit [0-9a-f]{7}\b").unwrap();
    let said = world.said(number);
    let found: Vec<&str> = said.lines().filter(|line| line.contains(word)).collect();
    commits.replace_all(&found.join("\n"), "commit <sha>").into_owned()
}

#[tokio::test]
async fn what_is_pushed_past_the_gates_is_told_and_not_overwritten_until_somebody_asks() {
    let mut world = World::example().await;
    let number = desk(&mut world).await;
    push_to_prod(&mut world, "ben", "hotfix-7").await;
    say(&mut world, "rob", number, "/trunkline status prod").await;
    insta::assert_snapshot!(lines(&world, number, "out-of-band"), @"
    | `prod` | `hotfix-7` | 2026-11-02 09:00 UTC | ⏳ `out-of-band` |
      - ⏳ hotfix-7 reached prod past its gates: commit <sha> by ben, pushed straight to the branch (`out-of-band`). **Next:** look at it; what does not follow it comes only when somebody comments `/promote prod`
    ");
    let sha = in_stage(&mut world).await;
    tag(&mut world, "v1.0", &sha).await;
    world.advance(HOUR).await;
    let promotion = world.newest_pull();
    world.github.review(ENVIRONMENTS, "sue", promotion, "APPROVED");
    world.settle().await;
    assert!(
        world.check(promotion).starts_with("in_progress: Waits: hotfix-7 reached prod past its gates"),
        "{}",
        world.check(promotion)
    );
    insta::assert_snapshot!(lines(&world, promotion, "out-of-band"), @"- ⏳ hotfix-7 reached prod past its gates: commit <sha> by ben, pushed straight to the branch (`out-of-band`). **Next:** to replace it, comment `/promote prod v1.0`");
    say(&mut world, "ben", promotion, "/promote prod v1.0").await;
    world.sweep().await;
    insta::assert_snapshot!(world.check(promotion), @"success: No new findings in prod (0 annotations)");
    insta::assert_snapshot!(lines(&world, promotion, "past its gates"), @"- ✅ hotfix-7 reached prod past its gates: commit <sha> by ben, pushed straight to the branch; ben asked to replace it");
}

#[tokio::test]
async fn what_is_merged_before_its_gates_are_open_is_told() {
    let mut world = World::example().await;
    let sha = in_stage(&mut world).await;
    world.github.create_tag(SHOP, "v1.0.1", &sha, "ann", false);
    world.settle().await;
    let bump = example(PROD, "newTag: v0.9", "newTag: v1.0.1");
    let number = pull(&mut world, "We cannot wait", &[(PROD, bump)]).await;
    insta::assert_snapshot!(world.check(number), @"in_progress: Waits: soaks for 1h (and 1 more) (0 annotations)");
    world.github.merge_pull(ENVIRONMENTS, "ben", number);
    world.settle().await;
    say(&mut world, "rob", number, "/trunkline status prod").await;
    insta::assert_snapshot!(lines(&world, number, "out-of-band"), @r"
    | `prod` | `v1.0.1` [`1123e8d`](http://github.test/acme/shop/commit/1123e8de8679e904d437e0db2336d5d538c4d7dc) | 2026-11-02 09:00 UTC | ⏳ `out-of-band` |
      - ⏳ v1.0.1 reached prod past its gates: ben merged \#4 before they were open (commit <sha>) (`out-of-band`). **Next:** look at it; what does not follow it comes only when somebody comments `/promote prod`
    ");
}

#[tokio::test]
async fn what_follows_a_pushed_version_and_passes_every_gate_takes_nothing_away() {
    let mut world = World::example().await;
    let sha = in_stage(&mut world).await;
    push_to_prod(&mut world, "ben", "v1.0-rc.1").await;
    tag(&mut world, "v1.0", &sha).await;
    world.advance(HOUR).await;
    let number = world.newest_pull();
    world.github.review(ENVIRONMENTS, "sue", number, "APPROVED");
    world.settle().await;
    insta::assert_snapshot!(world.check(number), @"success: No new findings in prod (0 annotations)");
    insta::assert_snapshot!(lines(&world, number, "past its gates"), @"- ✅ v1.0-rc.1 reached prod past its gates: commit <sha> by ben, pushed straight to the branch; v1.0 follows it");
}

#[tokio::test]
async fn e24_who_takes_production_back_by_hand_is_not_overruled() {
    let mut world = World::example().await;
    let (_, number) = in_prod(&mut world).await;
    let back = text(&String::from_utf8(example(PROD, "v0.9", "v0.9").unwrap()).unwrap());
    world.github.push_files(ENVIRONMENTS, "main", "sam", "Back to v0.9", &[(PROD, back)]);
    world.settle().await;
    world.advance(3 * MINUTE).await;
    let sha = merge_to_trunk(&mut world, "Sell even more").await;
    tag(&mut world, "v1.1-rc.1", &sha).await;
    tag(&mut world, "v1.1", &sha).await;
    world.advance(HOUR).await;
    let next = world.newest_pull();
    world.github.review(ENVIRONMENTS, "sue", next, "APPROVED");
    world.settle().await;
    assert!(
        world.check(next).starts_with("in_progress: Waits: prod was taken back to v0.9 by hand"),
        "{}",
        world.check(next)
    );
    say(&mut world, "rob", number, "/trunkline status prod").await;
    insta::assert_snapshot!(lines(&world, number, "out-of-band"), @"
    | `prod` | `v0.9` [`68113e6`](http://github.test/acme/shop/commit/68113e662d18f396ee6e25c677f274c6d66acc1a) | 2026-11-02 10:00 UTC | `v1.1` in [pull request 6](http://github.test/acme/environments/pull/6): ⏳ `out-of-band` |
      - ⏳ prod was taken back to v0.9 by hand: commit <sha> by sam, pushed straight to the branch (`out-of-band`). **Next:** to replace it, comment `/promote prod v1.1`
    ");
}

#[tokio::test]
async fn where_there_are_no_gates_nothing_is_past_them() {
    let mut world = World::example().await;
    let number = desk(&mut world).await;
    let path = "environments/dev/kustomization.yaml";
    let files = [(path, example(path, "newTag: v0.9", "newTag: v0.9.1"))];
    world.github.push_files(ENVIRONMENTS, "main", "ben", "Try something", &files);
    world.settle().await;
    merge_to_trunk(&mut world, "Sell more").await;
    say(&mut world, "rob", number, "/trunkline status dev").await;
    assert!(!world.said(number).contains("out-of-band"), "{}", world.said(number));
    assert!(world.pulls()[0].contains("merged"), "{:?}", world.pulls());
}

#[tokio::test]
async fn e23_where_versions_queue_the_next_waits_for_the_one_that_is_open() {
    let files = example_with(CONFIG, "    merge: manual\n", "    merge: manual\n    on-newer: queue\n");
    let mut world = World::with(&files).await;
    let sha = in_stage(&mut world).await;
    tag(&mut world, "v1.0", &sha).await;
    let first = world.newest_pull();
    for newer in ["v1.0.1", "v1.0.2"] {
        tag(&mut world, newer, &sha).await;
    }
    assert_eq!(world.newest_pull(), first);
    say(&mut world, "rob", first, "/trunkline plan prod").await;
    insta::assert_snapshot!(lines(&world, first, "newer"), @r"  - ✅ v1.0.2 is newer, and follows once \#3 is merged or closed");
    world.advance(HOUR).await;
    world.github.review(ENVIRONMENTS, "sue", first, "APPROVED");
    world.settle().await;
    assert!(world.check(first).starts_with("success"), "{}", world.check(first));
    world.github.merge_pull(ENVIRONMENTS, "ben", first);
    world.settle().await;
    insta::assert_snapshot!(world.pulls().join("\n"), @r#"
    #1 merged: "Promote shop 1123e8d to dev", by trunkline[bot]
    #2 merged: "Promote shop v1.0-rc.1 to stage", by trunkline[bot]
    #3 merged: "Promote shop v1.0 to prod", by trunkline[bot]
    #4 open: "Promote shop v1.0.2 to prod", by trunkline[bot]
    "#);
    // Closing one lets the next go, too.
    world.github.close_pull(ENVIRONMENTS, "ben", world.newest_pull());
    world.settle().await;
    tag(&mut world, "v1.0.3", &sha).await;
    insta::assert_snapshot!(world.pulls().join("\n"), @r#"
    #1 merged: "Promote shop 1123e8d to dev", by trunkline[bot]
    #2 merged: "Promote shop v1.0-rc.1 to stage", by trunkline[bot]
    #3 merged: "Promote shop v1.0 to prod", by trunkline[bot]
    #4 closed: "Promote shop v1.0.2 to prod", by trunkline[bot]
    #5 open: "Promote shop v1.0.3 to prod", by trunkline[bot]
    "#);
}

#[tokio::test]
async fn e17_a_busy_stage_does_not_starve_what_soaks() {
    let mut world = World::example().await;
    let sha = in_stage(&mut world).await;
    tag(&mut world, "v1.0", &sha).await;
    let number = world.newest_pull();
    world.github.review(ENVIRONMENTS, "sue", number, "APPROVED");
    for n in 1..=4 {
        world.advance(15 * MINUTE).await;
        let next = merge_to_trunk(&mut world, &format!("Sell more, {n}")).await;
        tag(&mut world, &format!("v1.1-rc.{n}"), &next).await;
    }
    world.settle().await;
    assert!(world.check(number).starts_with("success"), "{}", world.check(number));
    assert!(world.pulls().iter().any(|pull| pull.starts_with(&format!("#{number} open"))));
}

#[tokio::test]
async fn a_commit_that_nothing_builds_is_told_once_and_the_one_before_it_counts() {
    let mut world = World::example().await;
    let number = desk(&mut world).await;
    let built = world.github.push_files(SHOP, "main", "ann", "Sell more", &[("CHANGES", text("more"))]);
    world.github.push_files(SHOP, "main", "ann", "Explain it", &[("README.md", text("why"))]);
    world.settle().await;
    world.github.add_check(SHOP, &built, CI, "build", "success");
    world.settle().await;
    say(&mut world, "rob", number, "/trunkline status dev").await;
    insta::assert_snapshot!(lines(&world, number, "not-built"), @"
    | `dev` | `v0.9` [`68113e6`](http://github.test/acme/shop/commit/68113e662d18f396ee6e25c677f274c6d66acc1a) | 2026-11-02 09:00 UTC | ⏳ `not-built` |
      - ⏳ no check has reported on 1a88110 yet (`not-built`), until 2026-11-02 09:30 UTC. **Next:** it goes on by itself once a build reports success
    ");
    world.advance(31 * MINUTE).await;
    insta::assert_snapshot!(world.pulls().join("\n"), @r#"#2 merged: "Promote shop 5d9a396 to dev", by trunkline[bot]"#);
    say(&mut world, "rob", number, "/trunkline status dev").await;
    insta::assert_snapshot!(lines(&world, number, "not-built"), @"
    | `dev` | [`5d9a396`](http://github.test/acme/shop/commit/5d9a3968ac81dc15e5b92dcb53db6968adce2c27) | 2026-11-02 09:31 UTC | ⏳ `not-built` |
    - ⏳ no check has spoken of 1a88110 in 30m, so nothing builds it (`not-built`). **Next:** it goes on by itself with the next commit that is built
    ");
    assert!(!world.sees().contains("failure"));
}

#[tokio::test]
async fn commit_statuses_count_like_checks() {
    let from = "    takes: prereleases\n";
    let files = example_with(CONFIG, from, &format!("{from}    checks: [{{ name: ci/e2e }}]\n"));
    let mut world = World::with(&files).await;
    let sha = world.github.push_files(SHOP, "main", "ann", "Sell more", &[("CHANGES", text("x"))]);
    world.github.set_status(SHOP, "ann", &sha, "ci/build", "pending");
    world.settle().await;
    assert_eq!(world.pulls(), [""; 0]);
    world.github.set_status(SHOP, "ann", &sha, "ci/build", "success");
    world.settle().await;
    assert_eq!(world.pulls().len(), 1, "the status of a build is a build");
    tag(&mut world, "v1.0-rc.1", &sha).await;
    let number = world.newest_pull();
    insta::assert_snapshot!(world.check(number), @"in_progress: Waits: the check ci/e2e has not reported on dd14da4 yet (0 annotations)");
    world.github.set_status(SHOP, "ann", &sha, "ci/e2e", "failure");
    world.settle().await;
    insta::assert_snapshot!(world.check(number), @"failure: Ci/e2e failed on dd14da4 (and 1 more) (0 annotations)");
    world.github.set_status(SHOP, "ann", &sha, "ci/e2e", "success");
    world.settle().await;
    assert!(world.pulls().iter().all(|pull| pull.contains("merged")), "{:?}", world.pulls());
}

#[tokio::test]
async fn e10_a_hotfix_from_a_release_branch_passes_a_stage_that_runs_something_newer() {
    let from = "    tags: \"v*\"\n";
    let mut files = example_with(CONFIG, from, &format!("{from}    release-branches: [\"release/*\"]\n"));
    let config = files.iter_mut().find(|(path, _)| *path == CONFIG).unwrap();
    let prod = "merge: manual\n    rights: { rollback: [acme/sre] }";
    let more = "merge: manual\n    rights: { rollback: [acme/sre], bypass: [acme/sre] }";
    config.1 = String::from_utf8(config.1.clone()).unwrap().replace(prod, more).into_bytes();
    let mut world = World::with(&files).await;
    let (old, number) = in_prod(&mut world).await;
    // Trunk goes on, and stage with it.
    let newer = merge_to_trunk(&mut world, "Something unfinished").await;
    tag(&mut world, "v1.1-rc.1", &newer).await;
    world.github.force_push(SHOP, "release/1.0", "ann", &old);
    let fix = world.github.push_files(SHOP, "release/1.0", "ann", "Stop the bleeding", &[("FIX", text("x"))]);
    world.settle().await;
    tag(&mut world, "v1.0.1", &fix).await;
    assert!(world.pulls().iter().all(|pull| !pull.contains("v1.0.1")), "no CI has run there: {:?}", world.pulls());
    world.github.add_check(SHOP, &fix, CI, "build", "success");
    world.settle().await;
    let hotfix = world.newest_pull();
    insta::assert_snapshot!(lines(&world, hotfix, "`after`"), @r#"- ⏳ stage has not held commit <sha> yet (`after`). **Next:** promote it to stage first; in an emergency acme/sre may `/promote prod v1.0.1 --force "reason"`"#);
    say(&mut world, "ann", number, "/promote prod v1.0.1 --force \"orders are lost\"").await;
    insta::assert_snapshot!(lines(&world, number, "not-allowed"), @"- ⛔ it needs a member of acme/sre (`not-allowed`). **Next:** ask somebody who may; `/trunkline help` lists who may do what here");
    say(&mut world, "sam", number, "/promote prod v1.0.1 --force \"orders are lost\"").await;
    world.github.review(ENVIRONMENTS, "sue", hotfix, "APPROVED");
    world.settle().await;
    insta::assert_snapshot!(lines(&world, hotfix, "passed over"), @"- ✅ order, ships, soak and windows are passed over: orders are lost");
    assert!(world.check(hotfix).starts_with("success"), "{}", world.check(hotfix));
    world.github.merge_pull(ENVIRONMENTS, "sam", hotfix);
    world.settle().await;
    // Stage keeps what it had.
    say(&mut world, "rob", number, "/trunkline status").await;
    insta::assert_snapshot!(lines(&world, number, "| `"), @"
    | `dev` | [`0e07224`](http://github.test/acme/shop/commit/0e0722420ab77cbad194f8816ed2146b981828a3) | 2026-11-02 10:00 UTC | up to date |
    | `stage` | `v1.1-rc.1` [`0e07224`](http://github.test/acme/shop/commit/0e0722420ab77cbad194f8816ed2146b981828a3) | 2026-11-02 10:00 UTC | up to date |
    | `prod` | `v1.0.1` [`d304ef8`](http://github.test/acme/shop/commit/d304ef899cfb08617ed9480206c4523f0c1159f7) | 2026-11-02 10:00 UTC | up to date |
    ");
}

#[tokio::test]
async fn e73_two_bots_at_once_never_open_two_pull_requests_nor_merge_what_is_not_ready() {
    for seed in 1..=4 {
        let mut world = World::example().await;
        world.start_second().await;
        world.settle().await;
        world.clock.advance(Duration::from_secs(15));
        world.faults.jitter(seed);
        let sha = in_stage(&mut world).await;
        tag(&mut world, "v1.0", &sha).await;
        world.sweep().await;
        tag(&mut world, "v1.0.1", &sha).await;
        world.advance(HOUR).await;
        world.sweep().await;
        let titles: Vec<String> = world.pulls().iter().map(|pull| pull.split_once(' ').unwrap().1.to_owned()).collect();
        assert_eq!(
            titles,
            [
                "merged: \"Promote shop 1123e8d to dev\", by trunkline[bot]",
                "merged: \"Promote shop v1.0-rc.1 to stage\", by trunkline[bot]",
                "closed: \"Promote shop v1.0 to prod\", by trunkline[bot]",
                "open: \"Promote shop v1.0.1 to prod\", by trunkline[bot]",
            ],
            "seed {seed}"
        );
        let before = world.writes();
        world.sweep().await;
        assert_eq!(world.writes(), before, "seed {seed}: a second settling writes");
    }
}

/// The one that was open is merged, so that the next may go.
fn the_next_goes<'a>(world: &'a mut World) -> std::pin::Pin<Box<dyn Future<Output = ()> + 'a>> {
    Box::pin(async {
        world.github.merge_pull(ENVIRONMENTS, "ben", world.newest_pull());
        world.settle().await;
    })
}

#[tokio::test]
async fn a_queue_that_moves_on_survives_every_fault() {
    let files = example_with(CONFIG, "    merge: manual\n", "    merge: manual\n    on-newer: queue\n");
    let mut start = World::with(&files).await;
    let sha = in_stage(&mut start).await;
    tag(&mut start, "v1.0", &sha).await;
    tag(&mut start, "v1.0.1", &sha).await;
    crate::faults::hold(&start, the_next_goes).await;
}

#[tokio::test]
async fn e22_who_closes_a_way_back_ends_it_and_what_is_newer_comes_again() {
    let mut world = World::example().await;
    let (sha, _) = in_prod(&mut world).await;
    let desk = desk(&mut world).await;
    say(&mut world, "sam", desk, "/rollback prod").await;
    world.github.close_pull(ENVIRONMENTS, "sue", world.newest_pull());
    world.settle().await;
    tag(&mut world, "v1.1", &sha).await;
    say(&mut world, "sam", desk, "/trunkline unhold prod").await;
    let newest = world.pulls().pop().unwrap_or_default();
    assert!(newest.contains("open") && newest.contains("Promote shop v1.1 to prod"), "{newest}");
}
