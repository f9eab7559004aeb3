//! Gates in front of production that time and other Apps open and close, as people meet them.

use std::time::Duration;

use trunkline::sandbox::seed::{CI, ENVIRONMENTS, SHOP};

use crate::stories::{desk, example_with, in_stage, say, tag};
use crate::world::World;

const HOUR: Duration = Duration::from_secs(3600);

/// The example with more in front of production.
async fn with(more: &str) -> World {
    let files = example_with(".github/trunkline.yaml", "    soak: 1h\n", more);
    World::with(&files).await
}

/// The tree of gates in a text of the bot.
fn gates(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with("-  ") && line.trim_start().starts_with("- "));
    lines.collect::<Vec<_>>().join("\n")
}

/// The world's first moment is a Monday, 09:00 UTC.
#[tokio::test]
async fn a_window_holds_a_promotion_until_it_opens_and_turns_the_check_back_when_it_closes() {
    let windows = "    windows: { timezone: Europe/Berlin, allow: [{ cron: \"0 13 * * 1-5\", for: 2h }] }\n";
    let mut world = with(windows).await;
    let sha = in_stage(&mut world).await;
    tag(&mut world, "v1.0", &sha).await;
    let number = world.newest_pull();
    world.github.review(ENVIRONMENTS, "sue", number, "APPROVED");
    world.settle().await;
    let before = world.check(number);
    let comment = gates(&world.said(number));
    world.advance(3 * HOUR).await;
    let open = world.check(number);
    world.advance(2 * HOUR).await;
    let closed = world.check(number);
    insta::assert_snapshot!(format!("{before}\n{open}\n{closed}\n\n{comment}"), @"
    in_progress: Waits: outside of its windows; opens Mon 2026-11-02 13:00 Europe/Berlin (0 annotations)
    success: No new findings in prod (0 annotations)
    in_progress: Waits: outside of its windows; opens Tue 2026-11-03 13:00 Europe/Berlin (0 annotations)

    - ✅ v1.0 is commit 1123e8d
    - ✅ the checks on 1123e8d have passed
    - ✅ stage has held this commit since 2026-11-02 09:00 UTC
    - ✅ commit 1123e8d was tested in stage
    - ⏳ outside of its windows; opens Mon 2026-11-02 13:00 Europe/Berlin (`window`), until 2026-11-02 12:00 UTC
    - ✅ approved by sue
           - name: backend
             - name: DATABASE_PASSWORD
           - name: frontend
             - name: API_URL
    ");
}

#[tokio::test]
async fn a_named_check_on_the_source_and_one_on_the_promotion_are_waited_for() {
    let checks = "    checks: [{ name: e2e, app: github-actions }, { name: smoke, of: promotion }]\n";
    let mut world = with(checks).await;
    let sha = in_stage(&mut world).await;
    tag(&mut world, "v1.0", &sha).await;
    let number = world.newest_pull();
    world.github.review(ENVIRONMENTS, "sue", number, "APPROVED");
    world.settle().await;
    let mut seen = vec![world.check(number), gates(&world.said(number))];
    // Anybody's App may post a check of that name; only the one named counts.
    world.github.add_check(SHOP, &sha, "a-stranger", "e2e", "success");
    world.settle().await;
    seen.push(world.check(number));
    world.github.add_check(SHOP, &sha, CI, "e2e", "success");
    let head = world.github.branch_tip(ENVIRONMENTS, &format!("trunkline/prod/shop/v1.0-{}", &sha[..7]));
    world.github.add_check(ENVIRONMENTS, &head, CI, "smoke", "failure");
    world.settle().await;
    seen.push(world.check(number));
    let desk = desk(&mut world).await;
    say(&mut world, "rob", desk, "/trunkline plan prod").await;
    seen.push(gates(&world.said(desk)));
    world.github.add_check(ENVIRONMENTS, &head, CI, "smoke", "success");
    world.settle().await;
    seen.push(world.check(number));
    let seen = seen.join("\n").replace(&sha[..7], "<source>").replace(&head[..7], "<promotion>");
    insta::assert_snapshot!(seen, @"
    in_progress: Waits: the check e2e of github-actions has not reported on <source> yet (and 1 more) (0 annotations)
    - ✅ v1.0 is commit 1123e8d
    - ✅ the checks on 1123e8d have passed
    - ✅ stage has held this commit since 2026-11-02 09:00 UTC
    - ✅ commit 1123e8d was tested in stage
    - ⏳ the check e2e of github-actions has not reported on 1123e8d yet (`check`). **Next:** it goes on by itself once it reports success
    - ⏳ the check smoke has not reported on 883f223 yet (`check`). **Next:** it goes on by itself once it reports success
    - ✅ approved by sue
           - name: backend
             - name: DATABASE_PASSWORD
           - name: frontend
             - name: API_URL
    in_progress: Waits: the check e2e of github-actions has not reported on <source> yet (and 1 more) (0 annotations)
    failure: The check smoke failed on <promotion> (0 annotations)
    - ⛔ v1.0 wants into prod (`entering`)
      - ✅ v1.0 is commit 1123e8d
      - ✅ the checks on 1123e8d have passed
      - ✅ stage has held this commit since 2026-11-02 09:00 UTC
      - ✅ commit 1123e8d was tested in stage
      - ✅ the check e2e of github-actions passed on 1123e8d
      - ⛔ the check smoke failed on 883f223 (`check-failed`). **Next:** fix what it found, or re-run it
      - ✅ approved by sue
    success: No new findings in prod (0 annotations)
    ");
}
