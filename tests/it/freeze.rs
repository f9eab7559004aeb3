//! Stops and ways past them: freezes and their exemption, skipped soaks, overrides, several holds, approvals of older heads.

use std::time::Duration;

use trunkline::sandbox::seed::{ENVIRONMENTS, ORG};

use crate::faults::{act, hold};
use crate::stories::{desk, example, example_with, in_prod, in_stage, merge_to_trunk, pull, say, tag, text};
use crate::world::World;

const HOUR: Duration = Duration::from_secs(3600);
const CONFIG: &str = ".github/trunkline.yaml";
const RIGHTS: &str = "rights: { rollback: [acme/sre], freeze: [acme/sre], bypass: [acme/leads] }";

/// The example, with freezes for Sam and Sue, and exceptions for Sam alone; dev knows no rollbacks.
async fn world() -> World {
    let mut files = example_with(CONFIG, "rights: { rollback: [acme/sre] }", RIGHTS);
    let config = files.iter_mut().find(|(path, _)| *path == CONFIG).unwrap();
    let dev = "takes: trunk\n    merge: auto\n";
    let rights = RIGHTS.replace("rollback: [acme/sre], ", "");
    config.1 = String::from_utf8(config.1.clone()).unwrap().replace(dev, &format!("{dev}    {rights}\n")).into_bytes();
    let mut world = World::with(&files).await;
    world.github.create_team(ORG, "leads", &["sam"]);
    world.settle().await;
    world
}

/// An open promotion to production that only waits for its approval.
async fn nearly_in_prod(world: &mut World) -> u64 {
    let sha = in_stage(world).await;
    tag(world, "v1.0", &sha).await;
    world.advance(HOUR).await;
    world.newest_pull()
}

/// The gates of a pull request, as its sticky comment lists them.
fn gates(world: &World, number: u64) -> String {
    let talk = world.talk(number);
    let sticky = talk.split("comment by ").find(|text| text.contains("trunkline:v1 sticky")).unwrap_or_default();
    let lines = sticky.lines().skip_while(|line| !line.starts_with("#### "));
    lines.take_while(|line| !line.starts_with("<details>") && !line.starts_with("<sub>")).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn e51_a_freeze_shows_on_open_promotions_in_one_pass_and_never_fails_a_check() {
    let mut world = world().await;
    let number = nearly_in_prod(&mut world).await;
    world.github.review(ENVIRONMENTS, "sue", number, "APPROVED");
    world.settle().await;
    assert!(world.check(number).starts_with("success"), "{}", world.check(number));
    let desk = desk(&mut world).await;
    say(&mut world, "sue", desk, "/freeze all for 4h \"the fair is on\"").await;
    insta::assert_snapshot!(world.said(desk), @"
    <!-- trunkline:v1 reply-102 d9bc7011f6f27564 -->
    Every environment is frozen until 2026-11-02 14:00 UTC: the fair is on. Promotions are still prepared, but nothing is merged. A rollback passes. `/unfreeze all` lifts it.
    ");
    insta::assert_snapshot!(world.check(number), @"in_progress: Waits: frozen by sue since 2026-11-02 10:00 UTC: the fair is on (0 annotations)");
    insta::assert_snapshot!(gates(&world, number), @"
    #### Gates: v1.0 into prod

    - ✅ v1.0 is commit 1123e8d
    - ✅ the checks on 1123e8d have passed
    - ✅ stage has held this commit since 2026-11-02 09:00 UTC
    - ✅ commit 1123e8d was tested in stage
    - ✅ soaked for 1h
    - ⏳ frozen by sue since 2026-11-02 10:00 UTC: the fair is on (`frozen`), until 2026-11-02 14:00 UTC. **Next:** somebody with the freeze right comments `/unfreeze prod`
    - ✅ approved by sue
    ");
    // It ends by the clock, without a word from anybody.
    world.advance(4 * HOUR).await;
    insta::assert_snapshot!(world.check(number), @"success: No new findings in prod (0 annotations)");
    say(&mut world, "sue", desk, "/unfreeze all").await;
    insta::assert_snapshot!(world.said(desk), @"
    <!-- trunkline:v1 reply-120 b4d50220c8eb8b00 -->
    > `/unfreeze all`

    - ⛔ nothing is frozen (`not-frozen`). **Next:** `/trunkline status` shows what everything waits for
    ");
}

#[tokio::test]
async fn a_freeze_stops_merges_but_not_promotions_and_lifting_it_lets_them_go() {
    let mut world = world().await;
    let desk = desk(&mut world).await;
    say(&mut world, "ben", desk, "/freeze dev \"mine now\"").await;
    insta::assert_snapshot!(world.said(desk), @r#"
    <!-- trunkline:v1 reply-26 d9c90781ed85d105 -->
    > `/freeze dev "mine now"`

    - ⛔ it needs a member of acme/sre (`not-allowed`). **Next:** ask somebody who may; `/trunkline help` lists who may do what here
    "#);
    say(&mut world, "sue", desk, "/freeze dev \"database migration\"").await;
    insta::assert_snapshot!(world.said(desk), @"
    <!-- trunkline:v1 reply-33 8d92961fbe3a6b4c -->
    `dev` is frozen until somebody lifts it: database migration. Promotions are still prepared, but nothing is merged. A rollback passes. `/unfreeze dev` lifts it.
    ");
    merge_to_trunk(&mut world, "Sell more").await;
    let number = world.newest_pull();
    insta::assert_snapshot!(world.check(number), @"in_progress: Waits: frozen by sue since 2026-11-02 09:00 UTC: database migration (0 annotations)");
    world.sweep().await;
    assert!(world.pulls()[0].contains("open"), "{:?}", world.pulls());
    say(&mut world, "rob", desk, "/trunkline status dev").await;
    insta::assert_snapshot!(world.said(desk), @"
    <!-- trunkline:v1 reply-63 8b326bcaed1e1508 -->
    | Environment | Version | Since | Next |
    |:--|:--|:--|:--|
    | `dev` | `v0.9` [`68113e6`](http://github.test/acme/shop/commit/68113e662d18f396ee6e25c677f274c6d66acc1a) | 2026-11-02 09:00 UTC | `1123e8d` in [pull request 2](http://github.test/acme/environments/pull/2): ⏳ `frozen` |

    **`dev`**

    - ⏳ 1123e8d wants into dev (`entering`)
      - ✅ commit 1123e8d
      - ✅ the checks on 1123e8d have passed
      - ⏳ frozen by sue since 2026-11-02 09:00 UTC: database migration (`frozen`). **Next:** somebody with the freeze right comments `/unfreeze dev`
    ");
    say(&mut world, "sam", desk, "/unfreeze dev").await;
    insta::assert_snapshot!(world.said(desk), @"
    <!-- trunkline:v1 reply-69 63839098e3707bc4 -->
    `dev` is no longer frozen.
    ");
    insta::assert_snapshot!(world.pulls().join("\n"), @r#"#2 merged: "Promote shop 1123e8d to dev", by trunkline[bot]"#);
}

#[tokio::test]
async fn a_pull_request_by_anybody_into_a_frozen_environment_waits_even_where_there_are_no_gates() {
    let mut world = world().await;
    let desk = desk(&mut world).await;
    say(&mut world, "sue", desk, "/freeze dev for 30m \"load test\"").await;
    let path = "environments/dev/kustomization.yaml";
    let number = pull(&mut world, "Older", &[(path, example(path, "newTag: v0.9", "newTag: v0.8"))]).await;
    insta::assert_snapshot!(world.check(number), @"in_progress: Waits: frozen by sue since 2026-11-02 09:00 UTC: load test (0 annotations)");
    insta::assert_snapshot!(gates(&world, number), @"
    #### Gates: shop into dev

    - ⏳ frozen by sue since 2026-11-02 09:00 UTC: load test (`frozen`), until 2026-11-02 09:30 UTC. **Next:** somebody with the freeze right comments `/unfreeze dev`
    ");
    world.advance(HOUR / 2).await;
    insta::assert_snapshot!(world.check(number), @"success: No new findings in dev (0 annotations)");
}

#[tokio::test]
async fn e52_e65_a_label_exempts_only_when_somebody_with_the_right_set_it() {
    let mut world = world().await;
    let number = nearly_in_prod(&mut world).await;
    world.github.review(ENVIRONMENTS, "sue", number, "APPROVED");
    world.settle().await;
    say(&mut world, "sue", number, "/freeze prod until 2026-11-02T18:00 \"the fair is on\" --except label=hotfix")
        .await;
    insta::assert_snapshot!(world.said(number), @"
    <!-- trunkline:v1 reply-101 99f73fd1cc76aed6 -->
    `prod` is frozen until 2026-11-02 18:00 UTC: the fair is on. Promotions are still prepared, but nothing is merged. A rollback passes, and so does a pull request on which somebody with the freeze right sets the label `hotfix`. `/unfreeze prod` lifts it.
    ");
    world.github.add_label(ENVIRONMENTS, "ben", number, "HotFix");
    world.settle().await;
    insta::assert_snapshot!(world.check(number), @"in_progress: Waits: frozen by sue since 2026-11-02 10:00 UTC: the fair is on (the label hotfix does not count, because ben set it: it needs a member of acme/sre) (0 annotations)");
    // Who has the right sets it again: it had to come off first.
    world.github.remove_label(ENVIRONMENTS, "ben", number, "HotFix");
    world.github.add_label(ENVIRONMENTS, "sam", number, "hotfix");
    world.settle().await;
    insta::assert_snapshot!(world.check(number), @"success: No new findings in prod (0 annotations)");
    insta::assert_snapshot!(gates(&world, number), @"
    #### Every gate is open: v1.0 into prod

    - ✅ v1.0 is commit 1123e8d
    - ✅ the checks on 1123e8d have passed
    - ✅ stage has held this commit since 2026-11-02 09:00 UTC
    - ✅ commit 1123e8d was tested in stage
    - ✅ soaked for 1h
    - ✅ frozen by sue since 2026-11-02 10:00 UTC: the fair is on, until 2026-11-02 18:00 UTC; exempt, because sam set the label `hotfix` at 2026-11-02 10:00 UTC
    - ✅ approved by sue
    ");
    let desk = desk(&mut world).await;
    say(&mut world, "rob", desk, "/trunkline status prod").await;
    insta::assert_snapshot!(world.said(desk), @"
    <!-- trunkline:v1 reply-121 dff84059bb2ee0bf -->
    | Environment | Version | Since | Next |
    |:--|:--|:--|:--|
    | `prod` | `v0.9` [`68113e6`](http://github.test/acme/shop/commit/68113e662d18f396ee6e25c677f274c6d66acc1a) | 2026-11-02 09:00 UTC | `v1.0` in [pull request 3](http://github.test/acme/environments/pull/3) |
    ");
    world.github.remove_label(ENVIRONMENTS, "sam", number, "hotfix");
    world.github.add_label(ENVIRONMENTS, "deploys[bot]", number, "hotfix");
    world.settle().await;
    insta::assert_snapshot!(world.check(number), @"in_progress: Waits: frozen by sue since 2026-11-02 10:00 UTC: the fair is on (the label hotfix does not count: the bot deploys set it) (0 annotations)");
    world.github.remove_label(ENVIRONMENTS, "ben", number, "hotfix");
    world.settle().await;
    insta::assert_snapshot!(world.check(number), @"in_progress: Waits: frozen by sue since 2026-11-02 10:00 UTC: the fair is on (0 annotations)");
}

#[tokio::test]
async fn e52_whoever_set_the_label_is_found_behind_a_hundred_other_labels() {
    let mut world = into_dev().await;
    say(&mut world, "sue", 2, "/freeze dev \"load test\" --except label=hotfix").await;
    world.github.add_label(ENVIRONMENTS, "sam", 1, "hotfix");
    for _ in 0..60 {
        world.github.add_label(ENVIRONMENTS, "ben", 1, "noise");
        world.github.remove_label(ENVIRONMENTS, "ben", 1, "noise");
    }
    world.settle().await;
    assert!(world.check(1).starts_with("success"), "{}", world.check(1));
    assert!(gates(&world, 1).contains("exempt, because sam set the label"), "{}", gates(&world, 1));
}

#[tokio::test]
async fn a_rollback_passes_a_freeze() {
    let mut world = world().await;
    let (_, number) = in_prod(&mut world).await;
    say(&mut world, "sue", number, "/freeze all \"incident\"").await;
    say(&mut world, "sam", number, "/rollback prod").await;
    let back = world.newest_pull();
    world.github.review(ENVIRONMENTS, "sue", back, "APPROVED");
    world.settle().await;
    insta::assert_snapshot!(gates(&world, back), @"
    #### Every gate is open: v0.9 into prod

    - ✅ v0.9 is commit 68113e6
    - ✅ the checks on 68113e6 have passed
    - ✅ a rollback to a version that passed here before skips order, soak, windows, freezes and four eyes
    - ✅ approved by sue
    ");
    insta::assert_snapshot!(world.check(back), @"success: No new findings in prod (0 annotations)");
}

#[tokio::test]
async fn a_freeze_beats_force() {
    let mut world = world().await;
    let sha = in_stage(&mut world).await;
    say_at_desk(&mut world, "sue", "/freeze prod \"incident\"").await;
    tag(&mut world, "v1.0", &sha).await;
    say_at_desk(&mut world, "sam", "/promote prod v1.0 --force \"it cannot wait\"").await;
    let number = world.newest_pull();
    world.github.review(ENVIRONMENTS, "sue", number, "APPROVED");
    world.settle().await;
    insta::assert_snapshot!(gates(&world, number), @"
    #### Gates: v1.0 into prod

    - ✅ v1.0 is commit 1123e8d
    - ✅ the checks on 1123e8d have passed
    - ✅ order, ships, soak and windows are passed over: it cannot wait
    - ⏳ frozen by sue since 2026-11-02 09:00 UTC: incident (`frozen`). **Next:** somebody with the freeze right comments `/unfreeze prod`
    - ✅ approved by sue
    ");
    insta::assert_snapshot!(world.check(number), @"in_progress: Waits: frozen by sue since 2026-11-02 09:00 UTC: incident (0 annotations)");
}

/// Somebody says something in an issue of its own.
async fn say_at_desk(world: &mut World, user: &str, body: &str) {
    let number = desk(world).await;
    say(world, user, number, body).await;
}

#[tokio::test]
async fn a_freeze_that_cannot_be_read_freezes_everything() {
    let mut world = world().await;
    say_at_desk(&mut world, "sue", "/freeze prod \"incident\"").await;
    world.github.push_files(
        ENVIRONMENTS,
        "trunkline-ledger",
        "ben",
        "Tidy up",
        &[("freezes.yaml", text("freezes: none"))],
    );
    merge_to_trunk(&mut world, "Sell more").await;
    let number = world.newest_pull();
    insta::assert_snapshot!(world.check(number), @"in_progress: Waits: nobody knows what is frozen: freezes.yaml on trunkline-ledger is no longer as Trunkline wrote it: ben changed it in 228098f (0 annotations)");
    say_at_desk(&mut world, "sue", "/unfreeze prod").await;
    insta::assert_snapshot!(world.said(number + 1), @"
    <!-- trunkline:v1 reply-61 e4228068fc648c21 -->
    > `/unfreeze prod`

    - ⛔ the ledger cannot be read: `freezes.yaml` on `trunkline-ledger` is no longer as Trunkline wrote it: ben changed it in 53bf4df (`ledger-broken`). **Next:** take back the last change to the ledger branch that Trunkline did not make
    ");
}

#[tokio::test]
async fn two_people_decide_at_once_and_neither_is_lost() {
    let mut world = world().await;
    let desk = desk(&mut world).await;
    let other = world.github.open_issue(ENVIRONMENTS, "ann", "Another", "");
    world.settle().await;
    // Several commands in one comment are one commit; two comments elsewhere meet it.
    world.github.comment(
        ENVIRONMENTS,
        "sue",
        desk,
        "/freeze prod \"one\"\n/freeze dev \"two\"\n/trunkline hold stage three",
    );
    world.github.comment(ENVIRONMENTS, "sam", other, "/freeze prod for 2h \"four\"\n/trunkline hold stage five");
    world.settle().await;
    insta::assert_snapshot!(ledger(&world, "freezes.yaml"), @"
    freezes:
    - by: sue
      since: <time>
      reason: one
      environments:
      - prod
      link: http://github.test/acme/environments/issues/1#issuecomment-27
    - by: sue
      since: <time>
      reason: two
      environments:
      - dev
      link: http://github.test/acme/environments/issues/1#issuecomment-27
    - by: sam
      since: <time>
      until: <time>
      reason: four
      environments:
      - prod
      link: http://github.test/acme/environments/issues/2#issuecomment-29
    decisions:
    - 27
    - 29
    ");
    insta::assert_snapshot!(ledger(&world, "stage/shop.yaml"), @"
    first-sight:
      at: <time>
      holds: v0.9
    holds:
    - by: sue
      at: <time>
      reason: three
      link: http://github.test/acme/environments/issues/1#issuecomment-27
    - by: sam
      at: <time>
      reason: five
      link: http://github.test/acme/environments/issues/2#issuecomment-29
    decisions:
    - 27
    - 29
    ");
    // The newest word of the same person counts, and what ended goes with the next write.
    world.advance(2 * HOUR).await;
    say(&mut world, "sue", desk, "/freeze prod for 1d \"six\"").await;
    insta::assert_snapshot!(ledger(&world, "freezes.yaml"), @"
    freezes:
    - by: sue
      since: <time>
      reason: two
      environments:
      - dev
      link: http://github.test/acme/environments/issues/1#issuecomment-27
    - by: sue
      since: <time>
      until: <time>
      reason: six
      environments:
      - prod
      link: http://github.test/acme/environments/issues/1#issuecomment-46
    decisions:
    - 27
    - 29
    - 46
    ");
}

/// A file of the ledger.
fn ledger(world: &World, path: &str) -> String {
    let dump = world.sees();
    let lines = dump.lines().skip_while(|line| *line != format!("  ledger {path}")).skip(1);
    lines.take_while(|line| line.starts_with("      ")).map(|line| &line[6..]).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn what_cannot_be_frozen_says_why() {
    let mut world = world().await;
    let desk = desk(&mut world).await;
    for line in [
        "/freeze stage \"no team is listed there for dev\"",
        "/freeze prod until 2026-11-02 \"yesterday\"",
        "/freeze prod until 2027-11-02 \"a year\"",
        "/freeze nowhere \"x\"",
        "/unfreeze prod",
        "/unfreeze all",
    ] {
        say(&mut world, "sue", desk, line).await;
    }
    insta::assert_snapshot!(world.talk(desk), @r#"
    comment by sue eyes:trunkline[bot] rocket:trunkline[bot]
    /freeze stage "no team is listed there for dev"

    comment by trunkline[bot]
    <!-- trunkline:v1 reply-26 5dd8eea5ed8cb23d -->
    `stage` is frozen until somebody lifts it: no team is listed there for dev. Promotions are still prepared, but nothing is merged. A rollback passes. `/unfreeze stage` lifts it.


    comment by sue confused:trunkline[bot] eyes:trunkline[bot]
    /freeze prod until 2026-11-02 "yesterday"

    comment by trunkline[bot]
    <!-- trunkline:v1 reply-36 c7a69e832d1261cf -->
    > `/freeze prod until 2026-11-02 "yesterday"`

    - ⛔ 2026-11-02 00:00 UTC is over: it was 2026-11-02 09:00 UTC when you wrote this (`freeze-past`). **Next:** times without an offset are in UTC


    comment by sue confused:trunkline[bot] eyes:trunkline[bot]
    /freeze prod until 2027-11-02 "a year"

    comment by trunkline[bot]
    <!-- trunkline:v1 reply-42 556621c4e79d0c97 -->
    > `/freeze prod until 2027-11-02 "a year"`

    - ⛔ a freeze lasts 90 days at most (`freeze-too-long`). **Next:** close an environment for longer with `windows.exclude` in `.github/trunkline.yaml`


    comment by sue confused:trunkline[bot] eyes:trunkline[bot]
    /freeze nowhere "x"

    comment by trunkline[bot]
    <!-- trunkline:v1 reply-48 1495407e9394fc2d -->
    > `/freeze nowhere "x"`

    - ⛔ there is no environment `nowhere` (`unknown-environment`). **Next:** the environments are dev, stage, prod


    comment by sue confused:trunkline[bot] eyes:trunkline[bot]
    /unfreeze prod

    comment by trunkline[bot]
    <!-- trunkline:v1 reply-54 dcddfa356028f950 -->
    > `/unfreeze prod`

    - ⛔ prod is not frozen (`not-frozen`). **Next:** `/trunkline status` shows what everything waits for


    comment by sue eyes:trunkline[bot] rocket:trunkline[bot]
    /unfreeze all

    comment by trunkline[bot]
    <!-- trunkline:v1 reply-60 8ae118735402464b -->
    Nothing is frozen any more.
    "#);
}

#[tokio::test]
async fn e66_each_lifts_their_own_hold_and_the_rollback_right_lifts_all() {
    let mut world = world().await;
    let number = nearly_in_prod(&mut world).await;
    for (who, line) in [
        ("ann", "/trunkline hold prod first"),
        ("ben", "/trunkline hold prod mine"),
        ("ann", "/trunkline hold prod second"),
    ] {
        say(&mut world, who, number, line).await;
    }
    insta::assert_snapshot!(gates(&world, number), @"
    #### Gates: v1.0 into prod

    - ✅ v1.0 is commit 1123e8d
    - ✅ the checks on 1123e8d have passed
    - ✅ stage has held this commit since 2026-11-02 09:00 UTC
    - ✅ commit 1123e8d was tested in stage
    - ✅ soaked for 1h
    - ⏳ held by ben since 2026-11-02 10:00 UTC: mine (`held`). **Next:** ben or somebody with the rollback right comments `/trunkline unhold prod`
    - ⏳ held by ann since 2026-11-02 10:00 UTC: second (`held`). **Next:** ann or somebody with the rollback right comments `/trunkline unhold prod`
    - ⏳ 0 of 1 approval from acme/sre (`approvals`). **Next:** acme/sre reviews and approves the newest commit
    ");
    say(&mut world, "ben", number, "/trunkline unhold prod").await;
    world.github.create_user("tim");
    world.github.set_permission(ENVIRONMENTS, "tim", "write");
    say(&mut world, "tim", number, "/trunkline unhold prod").await;
    insta::assert_snapshot!(world.said(number), @"
    <!-- trunkline:v1 reply-129 cdeb603963285a40 -->
    > `/trunkline unhold prod`

    - ⛔ ann holds it, and you may only lift a hold of your own: it needs a member of acme/sre (`not-allowed`). **Next:** each lifts their own hold; somebody with the rollback right lifts all
    ");
    insta::assert_snapshot!(ledger(&world, "prod/shop.yaml"), @"
    first-sight:
      at: <time>
      holds: v0.9
    tags:
      v1.0:
        commit: 1123e8de8679e904d437e0db2336d5d538c4d7dc
        pusher: ann
        at: <time>
    holds:
    - by: ann
      at: <time>
      reason: second
      link: http://github.test/acme/environments/pull/3#issuecomment-111
    decisions:
    - 95
    - 103
    - 111
    - 119
    ");
    say(&mut world, "ben", number, "/trunkline hold prod again").await;
    say(&mut world, "sue", number, "/trunkline unhold prod").await;
    assert!(!ledger(&world, "prod/shop.yaml").contains("holds:\n-"), "{}", ledger(&world, "prod/shop.yaml"));
}

#[tokio::test]
async fn a_soak_is_skipped_for_one_version_only() {
    let mut world = world().await;
    let sha = in_stage(&mut world).await;
    tag(&mut world, "v1.0", &sha).await;
    let number = world.newest_pull();
    say(&mut world, "sue", number, "/trunkline skip-soak prod \"tested by hand\"").await;
    insta::assert_snapshot!(world.said(number), @r#"
    <!-- trunkline:v1 reply-90 d0396574e01ea0e4 -->
    > `/trunkline skip-soak prod "tested by hand"`

    - ⛔ it needs a member of acme/leads (`not-allowed`). **Next:** ask somebody who may; `/trunkline help` lists who may do what here
    "#);
    say(&mut world, "sam", number, "/trunkline skip-soak prod \"tested by hand\"").await;
    insta::assert_snapshot!(world.said(number), @"
    <!-- trunkline:v1 reply-97 1843a995cb366e30 -->
    `v1.0` enters `prod` without the soak of 1h; every other gate stays.
    ");
    insta::assert_snapshot!(gates(&world, number), @"
    #### Gates: v1.0 into prod

    - ✅ v1.0 is commit 1123e8d
    - ✅ the checks on 1123e8d have passed
    - ✅ stage has held this commit since 2026-11-02 09:00 UTC
    - ✅ commit 1123e8d was tested in stage
    - ✅ soak skipped by sam: tested by hand
    - ⏳ 0 of 1 approval from acme/sre (`approvals`). **Next:** acme/sre reviews and approves the newest commit
    ");
    let next = merge_to_trunk(&mut world, "Sell even more").await;
    tag(&mut world, "v1.1-rc.1", &next).await;
    tag(&mut world, "v1.1", &next).await;
    let newer = world.newest_pull();
    assert!(world.check(newer).contains("soaks for 1h"), "{}", world.check(newer));
    // What the comment is about is no longer what wants in.
    say(&mut world, "sam", number, "/trunkline skip-soak prod \"x\"").await;
    insta::assert_snapshot!(world.said(number), @r#"
    <!-- trunkline:v1 reply-174 97ceca1252bdf476 -->
    > `/trunkline skip-soak prod "x"`

    - ⛔ v1.1 wants into prod by now (`superseded`). **Next:** look at that version, then repeat the command
    "#);
    say(&mut world, "sam", number, "/trunkline skip-soak dev \"x\"").await;
    insta::assert_snapshot!(world.said(number), @r#"
    <!-- trunkline:v1 reply-180 ead46f11de59c3ef -->
    > `/trunkline skip-soak dev "x"`

    - ⛔ dev has no soak to skip (`no-soak`). **Next:** nothing: versions enter without one
    "#);
}

/// A pull request that brings a forbidden tag to production.
async fn forbidden(world: &mut World) -> u64 {
    let path = "environments/prod/kustomization.yaml";
    let number = pull(world, "Newest", &[(path, example(path, "newTag: v0.9", "newTag: latest"))]).await;
    // Somebody looks at it.
    world.advance(Duration::from_secs(5)).await;
    number
}

#[tokio::test]
async fn an_override_accepts_a_rule_and_the_gates_on_one_head_and_ends_with_a_new_push() {
    let mut world = world().await;
    let number = forbidden(&mut world).await;
    insta::assert_snapshot!(world.check(number), @"failure: 2 new errors in prod (2 annotations)");
    say(&mut world, "sue", number, "/trunkline override IMG-001 \"the vendor has no other tag\"").await;
    insta::assert_snapshot!(world.said(number), @r#"
    <!-- trunkline:v1 reply-37 ef3cace43025b8a2 -->
    > `/trunkline override IMG-001 "the vendor has no other tag"`

    - ⛔ it needs a member of acme/leads (`not-allowed`). **Next:** ask somebody who may; `/trunkline help` lists who may do what here
    "#);
    say(&mut world, "sam", number, "/trunkline override img-001 \"the vendor has no other tag\"").await;
    insta::assert_snapshot!(world.check(number), @"failure: Latest, latest names no version of shop we know (2 annotations)");
    say(&mut world, "sam", number, "/trunkline override gates \"as said\"").await;
    insta::assert_snapshot!(world.check(number), @"success: No errors, 2 accepted in prod (2 annotations)");
    insta::assert_snapshot!(world.talk(number), @r#"
    comment by trunkline[bot]
    <!-- trunkline:v1 sticky 4d1d6b0d12e8a675 -->
    ### No errors, 2 accepted in prod

    This change alters 2 objects in `prod`.

    | Environment | Objects | In short | Findings |
    |:--|:--|:--|:--|
    | `prod` | \~2 | `shop-backend` `v0.9` → `latest` · `shop-frontend` `v0.9` → `latest` | 2 accepted |

    #### Every gate is open: shop into prod

    - ✅ overridden by sam: as said
      - ⛔ latest, latest names no version of shop we know (`unknown-version`). **Next:** tag the commit in the source, or comment `/promote prod`

    #### New findings

    - **error** `IMG-001` · `Deployment shop-prod/frontend` · `prod` · [`environments/prod/kustomization.yaml:10`](http://github.test/acme/environments/blob/d9a92875a2b0ee08939e5c5ca698ec4580ef825b/environments/prod/kustomization.yaml#L10)<br>image `ghcr.io/acme/shop-frontend:latest` of container `frontend` is tagged `latest`<br>**Overridden by sam: the vendor has no other tag**<br>*Why:* What `latest` means changes under a running environment, so what was tested is not what runs, and a rollback goes nowhere.<br>*Fix:* Name the version, such as `:v1.0`, or pin the digest.
    - **error** `IMG-001` · `Deployment shop-prod/backend` · `prod` · [`environments/prod/kustomization.yaml:12`](http://github.test/acme/environments/blob/d9a92875a2b0ee08939e5c5ca698ec4580ef825b/environments/prod/kustomization.yaml#L12)<br>image `ghcr.io/acme/shop-backend:latest` of container `backend` is tagged `latest`<br>**Overridden by sam: the vendor has no other tag**<br>*Why:* What `latest` means changes under a running environment, so what was tested is not what runs, and a rollback goes nowhere.<br>*Fix:* Name the version, such as `:v1.0`, or pin the digest.

    <details><summary><code>prod</code>: 2 changed objects</summary>

    <details><summary><code>Deployment shop-prod/backend</code> changed (+1 −1)</summary>

    from [`environments/base/backend.yaml:1`](http://github.test/acme/environments/blob/d9a92875a2b0ee08939e5c5ca698ec4580ef825b/environments/base/backend.yaml#L1)

    ```diff
    @@ spec.template.spec.containers[backend] @@
           automountServiceAccountToken: false
           containers:
           - name: backend
    -        image: ghcr.io/acme/shop-backend:v0.9
    +        image: ghcr.io/acme/shop-backend:latest
             env:
             - name: DATABASE_PASSWORD
               valueFrom:
    ```

    </details>

    <details><summary><code>Deployment shop-prod/frontend</code> changed (+1 −1)</summary>

    from [`environments/base/frontend.yaml:1`](http://github.test/acme/environments/blob/d9a92875a2b0ee08939e5c5ca698ec4580ef825b/environments/base/frontend.yaml#L1)

    ```diff
    @@ spec.template.spec.containers[frontend] @@
           automountServiceAccountToken: false
           containers:
           - name: frontend
    -        image: ghcr.io/acme/shop-frontend:v0.9
    +        image: ghcr.io/acme/shop-frontend:latest
             env:
             - name: API_URL
               value: http://backend:8080
    ```

    </details>

    </details>

    <sub>Checked at [`d9a9287`](http://github.test/acme/environments/commit/d9a92875a2b0ee08939e5c5ca698ec4580ef825b); a later commit with the same result changes nothing here. You can say `/trunkline status`, `/trunkline hold <env>`, `/trunkline help`.</sub>

    comment by sue confused:trunkline[bot] eyes:trunkline[bot]
    /trunkline override IMG-001 "the vendor has no other tag"

    comment by trunkline[bot]
    <!-- trunkline:v1 reply-37 ef3cace43025b8a2 -->
    > `/trunkline override IMG-001 "the vendor has no other tag"`

    - ⛔ it needs a member of acme/leads (`not-allowed`). **Next:** ask somebody who may; `/trunkline help` lists who may do what here


    comment by sam eyes:trunkline[bot] rocket:trunkline[bot]
    /trunkline override img-001 "the vendor has no other tag"

    comment by sam eyes:trunkline[bot] rocket:trunkline[bot]
    /trunkline override gates "as said"
    "#);
    insta::assert_snapshot!(ledger(&world, "overrides.yaml"), @"
    overrides:
    - pull: 1
      head: d9a92875a2b0ee08939e5c5ca698ec4580ef825b
      rule: IMG-001
      environments:
      - prod
      by: sam
      at: <time>
      reason: the vendor has no other tag
      link: http://github.test/acme/environments/pull/1#issuecomment-44
    - pull: 1
      head: d9a92875a2b0ee08939e5c5ca698ec4580ef825b
      rule: gates
      environments:
      - prod
      by: sam
      at: <time>
      reason: as said
      link: http://github.test/acme/environments/pull/1#issuecomment-56
    decisions:
    - 44
    - 56
    ");
    let path = "environments/prod/kustomization.yaml";
    let more = example(path, "newTag: v0.9", "newTag: latest").unwrap();
    let more = [more, b"# more\n".to_vec()].concat();
    world.github.push_files(ENVIRONMENTS, "topic", "ben", "More", &[(path, Some(more))]);
    world.settle().await;
    insta::assert_snapshot!(world.check(number), @"failure: 2 new errors in prod (2 annotations)");
}

#[tokio::test]
async fn an_override_is_taken_back_and_never_covers_a_freeze() {
    let mut world = world().await;
    let number = forbidden(&mut world).await;
    say(&mut world, "sam", number, "/freeze prod \"incident\"").await;
    say(&mut world, "sam", number, "/trunkline override IMG-001 \"once\"\n/trunkline override gates \"once\"").await;
    insta::assert_snapshot!(world.check(number), @"in_progress: Waits: frozen by sam since 2026-11-02 09:00 UTC: incident (2 annotations)");
    say(&mut world, "ann", number, "/trunkline override cancel IMG-001").await;
    insta::assert_snapshot!(world.said(number), @"
    <!-- trunkline:v1 reply-62 993e870217a21653 -->
    > `/trunkline override cancel IMG-001`

    - ⛔ it needs a member of acme/leads (`not-allowed`). **Next:** ask somebody who may; `/trunkline help` lists who may do what here
    ");
    say(&mut world, "sam", number, "/trunkline override cancel IMG-001").await;
    insta::assert_snapshot!(world.check(number), @"failure: 2 new errors in prod (2 annotations)");
    say(&mut world, "sam", number, "/trunkline override cancel IMG-001").await;
    insta::assert_snapshot!(world.said(number), @"
    <!-- trunkline:v1 reply-79 e7b7314a36b693be -->
    > `/trunkline override cancel IMG-001`

    - ⛔ nobody overrides IMG-001 at d9a9287 (`not-overridden`). **Next:** look at the comment, which names what is overridden and by whom
    ");
}

#[tokio::test]
async fn t20_e61_an_override_is_about_the_commit_its_author_saw() {
    let mut world = world().await;
    let path = "environments/prod/kustomization.yaml";
    let files = [(path, example(path, "newTag: v0.9", "newTag: latest"))];
    let head = world.github.push_files(ENVIRONMENTS, "topic", "ben", "Newest", &files);
    let number = world.github.open_pull(ENVIRONMENTS, "ben", "topic", "main", "Newest", "");
    // Said before anything of ours stood on that commit.
    world.github.comment(ENVIRONMENTS, "sam", number, "/trunkline override IMG-001 \"once\"");
    world.settle().await;
    let short = &head[..7];
    insta::assert_snapshot!(world.said(number).replace(&head[..12], "<twelve>").replace(short, "<seven>"), @r#"
    <!-- trunkline:v1 reply-31 a8ef2e5c5b1ef44f -->
    > `/trunkline override IMG-001 "once"`

    - ⛔ nobody can tell whether you saw d9a9287, which is as new as your comment (`which-commit`). **Next:** look at it, then repeat the command: `/trunkline override IMG-001 "reason" --sha d9a92875a2b0`
    "#);
    world.github.comment(
        ENVIRONMENTS,
        "sam",
        number,
        &format!("/trunkline override IMG-001 \"once\" --sha {}", &head[..12]),
    );
    world.settle().await;
    assert!(ledger(&world, "overrides.yaml").contains("rule: IMG-001"), "{}", world.talk(number));
    say(&mut world, "sam", number, "/trunkline override NP-999 \"once\"").await;
    insta::assert_snapshot!(world.said(number), @r#"
    <!-- trunkline:v1 reply-56 1888967b1500fd93 -->
    > `/trunkline override NP-999 "once"`

    - ⛔ no finding of NP-999 stands in the way here (`nothing-to-override`). **Next:** what does is `IMG-001`
    "#);
    let desk = desk(&mut world).await;
    say(&mut world, "sam", desk, "/trunkline override IMG-001 \"once\"").await;
    insta::assert_snapshot!(world.said(desk), @r#"
    <!-- trunkline:v1 reply-63 6f3e89ad7511f398 -->
    > `/trunkline override IMG-001 "once"`

    - ⛔ an override is about one open pull request (`no-pull-request`). **Next:** say it in a comment on that pull request
    "#);
}

#[tokio::test]
async fn what_does_not_build_and_our_own_promotions_gates_are_not_overridden() {
    let mut world = world().await;
    let number = nearly_in_prod(&mut world).await;
    say(&mut world, "sam", number, "/trunkline override gates \"once\"").await;
    insta::assert_snapshot!(world.said(number), @r#"
    <!-- trunkline:v1 reply-95 126101ac2a87865b -->
    > `/trunkline override gates "once"`

    - ⛔ a promotion of Trunkline's own passes its gates (`not-overridable`). **Next:** for an emergency there are `/promote <env> <version> --force "reason"` and `/trunkline skip-soak`
    "#);
    let path = "environments/prod/kustomization.yaml";
    let number = pull(&mut world, "Broken", &[(path, text("resources: [gone.yaml]\n"))]).await;
    insta::assert_snapshot!(world.check(number), @"failure: 1 new error in prod (1 annotations)");
    world.advance(Duration::from_secs(5)).await;
    say(&mut world, "sam", number, "/trunkline override KUST-001 \"once\"").await;
    insta::assert_snapshot!(world.said(number), @r#"
    <!-- trunkline:v1 reply-113 6424cb6119a87c52 -->
    > `/trunkline override KUST-001 "once"`

    - ⛔ KUST-001 says what could not be seen or relied on, which nobody can accept (`not-overridable`). **Next:** fix it as the finding says
    "#);
}

/// Version 1.0 brought to production by hand, and approved.
async fn by_hand(world: &mut World) -> (u64, Vec<u8>) {
    nearly_in_prod(world).await;
    let path = "environments/prod/kustomization.yaml";
    let new = example(path, "newTag: v0.9", "newTag: v1.0").unwrap();
    let number = pull(world, "By hand", &[(path, Some(new.clone()))]).await;
    world.github.review(ENVIRONMENTS, "sue", number, "APPROVED");
    world.settle().await;
    assert!(gates(world, number).contains("approved by sue\n"), "{}", gates(world, number));
    (number, new)
}

#[tokio::test]
async fn e35_an_approval_is_carried_over_when_the_branch_is_only_brought_up_to_date() {
    let mut world = world().await;
    let (number, _) = by_hand(&mut world).await;
    world.github.push_files(ENVIRONMENTS, "main", "ben", "Docs", &[("docs.md", text("x"))]);
    world.settle().await;
    world.github.update_branch(ENVIRONMENTS, "ben", number);
    world.settle().await;
    insta::assert_snapshot!(gates(&world, number), @"
    #### Every gate is open: v1.0 into prod

    - ✅ v1.0 is commit 1123e8d
    - ✅ the checks on 1123e8d have passed
    - ✅ stage has held this commit since 2026-11-02 09:00 UTC
    - ✅ commit 1123e8d was tested in stage
    - ✅ soaked for 1h
    - ✅ approved by sue (on 61846e3, which renders the same)
    ");
    insta::assert_snapshot!(world.check(number), @"success: No new findings in prod (0 annotations)");
    // What comes with the base is not the pull request's: it is approved where it came in.
    let path = "environments/prod/namespace.yaml";
    let labelled = example(path, "metadata:\n", "metadata:\n  annotations: {a: b}\n");
    world.github.push_files(ENVIRONMENTS, "main", "sam", "Annotate", &[(path, labelled)]);
    world.settle().await;
    world.github.update_branch(ENVIRONMENTS, "ben", number);
    world.settle().await;
    insta::assert_snapshot!(world.check(number), @"success: No new findings in prod (0 annotations)");
}

#[tokio::test]
async fn t22_an_approval_ends_with_a_push_that_renders_something_else() {
    let mut world = world().await;
    let (number, new) = by_hand(&mut world).await;
    let path = "environments/prod/kustomization.yaml";
    // A comment changes no object.
    let same = [new, b"# a comment\n".to_vec()].concat();
    world.github.push_files(ENVIRONMENTS, "topic", "ben", "Comment", &[(path, Some(same.clone()))]);
    world.settle().await;
    insta::assert_snapshot!(gates(&world, number), @"
    #### Every gate is open: v1.0 into prod

    - ✅ v1.0 is commit 1123e8d
    - ✅ the checks on 1123e8d have passed
    - ✅ stage has held this commit since 2026-11-02 09:00 UTC
    - ✅ commit 1123e8d was tested in stage
    - ✅ soaked for 1h
    - ✅ approved by sue (on 61846e3, which renders the same)
    ");
    let other = [same, b"commonAnnotations: {a: b}\n".to_vec()].concat();
    world.github.push_files(ENVIRONMENTS, "topic", "ben", "Annotate", &[(path, Some(other))]);
    world.settle().await;
    insta::assert_snapshot!(gates(&world, number), @"
    #### Gates: v1.0 into prod

    - ✅ v1.0 is commit 1123e8d
    - ✅ the checks on 1123e8d have passed
    - ✅ stage has held this commit since 2026-11-02 09:00 UTC
    - ✅ commit 1123e8d was tested in stage
    - ✅ soaked for 1h
    - ⏳ 0 of 1 approval from acme/sre (`approvals`). **Next:** acme/sre reviews and approves the newest commit
      - ⛔ sue's approval does not count: it is for an older commit (`approval`)
    ");
}

#[tokio::test]
async fn t26_help_says_what_you_may_do_and_where() {
    let mut world = world().await;
    let desk = desk(&mut world).await;
    let mut told = Vec::new();
    for who in ["rob", "ben", "sue", "sam"] {
        say(&mut world, who, desk, "/trunkline help").await;
        let said = world.said(desk).replace("\\|", "/");
        let rows = said.lines().filter(|line| line.starts_with("| `/trunkline")).map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            format!("{}: {}", cells[1].split_whitespace().nth(1).unwrap_or_default().trim_end_matches('`'), cells[4])
        });
        told.push(format!("{who} {}", rows.collect::<Vec<_>>().join(", ")));
    }
    insta::assert_snapshot!(told.join("\n"), @"
    rob help: yes, status: yes, plan: yes, diff: yes, promote: no, rollback: no, hold: no, unhold: no, freeze: no, unfreeze: no, skip-soak: no, override: no, retry: no, cancel: no, resync: no, validate: yes, history: yes
    ben help: yes, status: yes, plan: yes, diff: yes, promote: yes, rollback: no, hold: yes, unhold: yes, freeze: no, unfreeze: no, skip-soak: no, override: no, retry: yes, cancel: yes, resync: yes, validate: yes, history: yes
    sue help: yes, status: yes, plan: yes, diff: yes, promote: yes, rollback: `stage` and `prod`, hold: yes, unhold: yes, freeze: yes, unfreeze: yes, skip-soak: no, override: no, retry: yes, cancel: yes, resync: yes, validate: yes, history: yes
    sam help: yes, status: yes, plan: yes, diff: yes, promote: yes, rollback: `stage` and `prod`, hold: yes, unhold: yes, freeze: yes, unfreeze: yes, skip-soak: yes, override: yes, retry: yes, cancel: yes, resync: yes, validate: yes, history: yes
    ");
}

/// One pull request into dev, and the desk; each act below is one step, because a step that was not seen is made up for later.
async fn into_dev() -> World {
    let mut world = world().await;
    let path = "environments/dev/kustomization.yaml";
    pull(&mut world, "Older", &[(path, example(path, "newTag: v0.9", "newTag: v0.8"))]).await;
    desk(&mut world).await;
    world
}

#[tokio::test]
async fn freezes_survive_every_fault() {
    let start = into_dev().await;
    let act = act!(world, {
        world.github.comment(
            ENVIRONMENTS,
            "sue",
            2,
            "/freeze all for 1d \"the fair is on\"\n/freeze dev \"load test\"",
        );
        world.settle().await;
    });
    hold(&start, act).await;
}

#[tokio::test]
async fn exemptions_and_the_end_of_freezes_survive_every_fault() {
    let mut start = into_dev().await;
    say(&mut start, "sue", 2, "/freeze all for 1d \"the fair is on\" --except label=hotfix").await;
    start.advance(Duration::from_secs(150)).await;
    let act = act!(world, {
        world.github.add_label(ENVIRONMENTS, "sam", 1, "hotfix");
        world.settle().await;
    });
    hold(&start, act).await;
    let act = act!(world, {
        world.github.comment(ENVIRONMENTS, "sam", 2, "/unfreeze dev");
        world.settle().await;
    });
    hold(&start, act).await;
}

#[tokio::test]
async fn skipped_soaks_survive_every_fault() {
    let mut start = world().await;
    let sha = in_stage(&mut start).await;
    tag(&mut start, "v1.0", &sha).await;
    let act = act!(world, {
        let number = world.newest_pull();
        world.github.comment(ENVIRONMENTS, "sam", number, "/trunkline skip-soak prod \"tested by hand\"");
        world.settle().await;
    });
    hold(&start, act).await;
}

#[tokio::test]
async fn overrides_survive_every_fault() {
    let mut start = world().await;
    forbidden(&mut start).await;
    let act = act!(world, {
        let both = "/trunkline override IMG-001 \"no other tag\"\n/trunkline override gates \"as said\"";
        world.github.comment(ENVIRONMENTS, "sam", 1, both);
        world.settle().await;
    });
    hold(&start, act).await;
    say(&mut start, "sam", 1, "/trunkline override IMG-001 \"no other tag\"").await;
    start.advance(Duration::from_secs(150)).await;
    let act = act!(world, {
        world.github.comment(ENVIRONMENTS, "sam", 1, "/trunkline override cancel IMG-001");
        world.settle().await;
    });
    hold(&start, act).await;
}

#[tokio::test]
async fn carried_approvals_survive_every_fault() {
    let mut start = world().await;
    by_hand(&mut start).await;
    start.github.push_files(ENVIRONMENTS, "main", "ben", "Docs", &[("docs.md", text("x"))]);
    start.settle().await;
    let act = act!(world, {
        let number = world.newest_pull();
        world.github.update_branch(ENVIRONMENTS, "ben", number);
        world.settle().await;
    });
    hold(&start, act).await;
}
