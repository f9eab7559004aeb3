//! The ledger is ours alone: what somebody else writes into it counts for nothing, is told, and is over when it is taken back.

use std::time::Duration;

use trunkline::sandbox::seed::{ENVIRONMENTS, SHOP};

use crate::stories::{desk, in_stage, merge_to_trunk, say, tag, text};
use crate::world::World;

const LEDGER: &str = "trunkline-ledger";
const HOUR: Duration = Duration::from_secs(3600);

/// What Ben makes of the file about production: a request of his own that is forced past the gates.
fn forged(sha: &str) -> String {
    format!(
        "requests:\n- {{ version: v1.0, commit: {sha}, by: sam, at: 2026-11-02T09:00:00Z, link: 'https://x', forced: believe me }}\n"
    )
}

fn write(world: &World, path: &str, content: &str) {
    world.github.push_files(ENVIRONMENTS, LEDGER, "ben", "Decide", &[(path, text(content))]);
}

#[tokio::test]
async fn a_decision_that_somebody_else_wrote_down_is_none() {
    let mut world = World::example().await;
    world.settle().await;
    let sha = merge_to_trunk(&mut world, "Sell more").await;
    let honest = world.github.branch_tip(ENVIRONMENTS, LEDGER);
    write(&world, "prod/shop.yaml", &forged(&sha));
    tag(&mut world, "v1.0", &sha).await;
    world.advance(HOUR).await;
    assert!(world.pulls().iter().all(|pull| !pull.contains("to prod")), "{:?}", world.pulls());
    let desk = desk(&mut world).await;
    say(&mut world, "rob", desk, "/trunkline status prod").await;
    insta::assert_snapshot!(world.said(desk), @"
    <!-- trunkline:v1 reply-57 620cfbf85b88ba45 -->
    | Environment | Version | Since | Next |
    |:--|:--|:--|:--|
    | `prod` | `v0.9` [`68113e6`](http://github.test/acme/shop/commit/68113e662d18f396ee6e25c677f274c6d66acc1a) | 2026-11-02 09:00 UTC | ⛔ `ledger-broken` |

    **`prod`**

    - ⛔ the ledger cannot be read: `prod/shop.yaml` on `trunkline-ledger` is no longer as Trunkline wrote it: ben changed it in 69845b7 (`ledger-broken`). **Next:** take back the last change to the ledger branch that Trunkline did not make
    ");
    say(&mut world, "ann", desk, "/trunkline hold prod").await;
    insta::assert_snapshot!(world.said(desk), @"
    <!-- trunkline:v1 reply-66 7a7c9e173a800a35 -->
    > `/trunkline hold prod`

    - ⛔ the ledger cannot be read: `prod/shop.yaml` on `trunkline-ledger` is no longer as Trunkline wrote it: ben changed it in 69845b7 (`ledger-broken`). **Next:** take back the last change to the ledger branch that Trunkline did not make
    ");
    // A bot that has just started knows it, too.
    world.lose_everything().await;
    world.sweep().await;
    assert!(world.pulls().iter().all(|pull| !pull.contains("to prod")), "{:?}", world.pulls());
    // The branch is as we left it: whoever put it back.
    world.github.force_push(ENVIRONMENTS, LEDGER, "ben", &honest);
    world.sweep().await;
    tag(&mut world, "v1.0-rc.1", &sha).await;
    assert!(world.pulls().iter().any(|pull| pull.contains("v1.0 to prod")), "{:?}", world.pulls());
}

#[tokio::test]
async fn freezes_and_overrides_of_somebody_else_are_told_and_stop_what_they_are_about() {
    let mut world = World::example().await;
    world.settle().await;
    write(&world, "freezes.yaml", "freezes: []\n");
    merge_to_trunk(&mut world, "Sell more").await;
    let number = world.newest_pull();
    insta::assert_snapshot!(world.check(number), @"in_progress: Waits: nobody knows what is frozen: freezes.yaml on trunkline-ledger is no longer as Trunkline wrote it: ben changed it in 6eaee8c (0 annotations)");
    world.github.push_files(ENVIRONMENTS, LEDGER, "ben", "Undo", &[("freezes.yaml", None)]);
    world.sweep().await;
    assert!(world.pulls()[0].contains("merged"), "{:?}", world.pulls());
}

#[tokio::test]
async fn a_ledger_that_was_set_back_stops_promotions_until_it_is_whole() {
    let mut world = World::example().await;
    world.settle().await;
    let before = world.github.branch_tip(ENVIRONMENTS, LEDGER);
    let talk = desk(&mut world).await;
    say(&mut world, "ann", talk, "/trunkline hold stage the fair is on").await;
    let whole = world.github.branch_tip(ENVIRONMENTS, LEDGER);
    world.github.force_push(ENVIRONMENTS, LEDGER, "ben", &before);
    let sha = in_stage(&mut world).await;
    world.advance(HOUR).await;
    world.sweep().await;
    assert!(world.pulls().iter().all(|pull| !pull.contains("merged")), "{:?}", world.pulls());
    say(&mut world, "rob", talk, "/trunkline status dev").await;
    insta::assert_snapshot!(world.said(talk), @"
    <!-- trunkline:v1 reply-45 8c3834a993707650 -->
    | Environment | Version | Since | Next |
    |:--|:--|:--|:--|
    | `dev` | `v0.9` [`68113e6`](http://github.test/acme/shop/commit/68113e662d18f396ee6e25c677f274c6d66acc1a) | 2026-11-02 09:00 UTC | ⛔ `ledger-broken` |

    **`dev`**

    - ⛔ the ledger cannot be read: the branch `trunkline-ledger` was set back or deleted, and lost decisions (`ledger-broken`). **Next:** take back the last change to the ledger branch that Trunkline did not make
    ");
    world.github.force_push(ENVIRONMENTS, LEDGER, "ben", &whole);
    world.sweep().await;
    say(&mut world, "ann", talk, "/trunkline unhold stage").await;
    world.sweep().await;
    let tip = world.github.branch_tip(SHOP, "main");
    assert_eq!(tip, sha);
    assert!(
        world.pulls().iter().any(|pull| pull.contains("v1.0-rc.1 to stage") && pull.contains("merged")),
        "{:?}",
        world.pulls()
    );
}

#[tokio::test]
async fn a_hold_that_somebody_else_struck_out_still_stands_in_the_way() {
    let mut world = World::example().await;
    let sha = in_stage(&mut world).await;
    tag(&mut world, "v1.0", &sha).await;
    let number = world.newest_pull();
    say(&mut world, "ann", number, "/trunkline hold prod the fair is on").await;
    world.github.review(ENVIRONMENTS, "sue", number, "APPROVED");
    world.advance(HOUR).await;
    assert!(world.check(number).starts_with("in_progress: Waits: held by ann"), "{}", world.check(number));
    write(&world, "prod/shop.yaml", "{}\n");
    say(&mut world, "ann", number, "/trunkline retry").await;
    insta::assert_snapshot!(world.check(number), @"failure: The ledger cannot be read: prod/shop.yaml on trunkline-ledger is no longer as Trunkline wrote it: ben changed it in a69d8df (0 annotations)");
}

#[tokio::test]
async fn a_ledger_that_was_deleted_is_not_begun_anew() {
    let mut world = World::example().await;
    let talk = desk(&mut world).await;
    say(&mut world, "ann", talk, "/trunkline hold stage the fair is on").await;
    let whole = world.github.branch_tip(ENVIRONMENTS, LEDGER);
    world.github.delete_branch(ENVIRONMENTS, LEDGER, "ben");
    in_stage(&mut world).await;
    world.advance(HOUR).await;
    world.sweep().await;
    assert!(world.pulls().iter().all(|pull| !pull.contains("merged")), "{:?}", world.pulls());
    say(&mut world, "ann", talk, "/trunkline hold prod").await;
    insta::assert_snapshot!(world.said(talk), @"
    <!-- trunkline:v1 reply-45 70ac6b31445b9806 -->
    > `/trunkline hold prod`

    - ⛔ the ledger cannot be read: the branch `trunkline-ledger` was set back or deleted, and lost decisions (`ledger-broken`). **Next:** take back the last change to the ledger branch that Trunkline did not make
    ");
    assert_eq!(world.github.branch_tip(ENVIRONMENTS, LEDGER), "");
    world.github.force_push(ENVIRONMENTS, LEDGER, "ben", &whole);
    world.sweep().await;
    let dev = |pull: &String| pull.contains("to dev") && pull.contains("merged");
    assert!(world.pulls().iter().any(dev), "{:?}", world.pulls());
    assert!(
        world.pulls().iter().all(|pull| !pull.contains("to stage") || pull.contains("open")),
        "{:?}",
        world.pulls()
    );
}
