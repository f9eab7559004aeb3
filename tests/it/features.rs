//! The main job, end to end: what people do, and what they then see.

use std::time::Duration;

use trunkline::sandbox::seed::{self, CI, ENVIRONMENTS, SHOP};

use crate::stories::{desk, example, example_with, in_prod, in_stage, merge_to_trunk, pull, say, tag, text};
use crate::world::World;

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn at_rest_nothing_is_written_but_first_sight() {
    let world = World::example().await;
    insta::assert_snapshot!(world.brief(), @"
    acme/environments
      refs/heads/main 22828f9bf4
      refs/heads/trunkline-ledger 0e61217bf3 signed
      ledger dev/shop.yaml
          first-sight:
            at: <time>
            holds: v0.9
            trunk: 68113e662d18f396ee6e25c677f274c6d66acc1a
      ledger prod/shop.yaml
          first-sight:
            at: <time>
            holds: v0.9
      ledger stage/shop.yaml
          first-sight:
            at: <time>
            holds: v0.9
    acme/shop
      refs/heads/main 68113e662d
      refs/tags/v0.9 68113e662d
      check 68113e662d github-actions/build: success
    ");
}

#[tokio::test]
async fn a_merge_to_trunk_reaches_dev() {
    let mut world = World::example().await;
    merge_to_trunk(&mut world, "Sell more").await;
    insta::assert_snapshot!(world.brief(), @r#"
    acme/environments
      refs/heads/main acbf7ec508 signed
      refs/heads/trunkline-ledger 0e61217bf3 signed
      refs/heads/trunkline/dev/shop/1123e8d 73bf4f8b57 signed
      ledger dev/shop.yaml
          first-sight:
            at: <time>
            holds: v0.9
            trunk: 68113e662d18f396ee6e25c677f274c6d66acc1a
      ledger prod/shop.yaml
          first-sight:
            at: <time>
            holds: v0.9
      ledger stage/shop.yaml
          first-sight:
            at: <time>
            holds: v0.9
      pull #1 merged: "Promote shop 1123e8d to dev", by trunkline[bot]
        main <- trunkline/dev/shop/1123e8d
        merged by trunkline[bot]
        body:
        comment by trunkline[bot]
      check 73bf4f8b57 trunkline/trunkline: success "No new findings in dev"
      deployment acbf7ec508 to dev: success
    acme/shop
      refs/heads/main 1123e8de86
      refs/tags/v0.9 68113e662d
      check 1123e8de86 github-actions/build: success
      check 68113e662d github-actions/build: success
    "#);
}

#[tokio::test]
async fn nothing_promotes_before_it_exists() {
    let mut world = World::example().await;
    let sha = world.github.push_files(SHOP, "main", "ann", "Sell more", &[("CHANGES", text("x"))]);
    world.settle().await;
    assert_eq!(world.pulls(), [""; 0]);
    world.github.add_check(SHOP, &sha, CI, "build", "failure");
    world.settle().await;
    assert_eq!(world.pulls(), [""; 0]);
    let number = desk(&mut world).await;
    say(&mut world, "rob", number, "/trunkline plan dev").await;
    insta::assert_snapshot!(world.said(number), @"
    <!-- trunkline:v1 reply-33 5b9a84b4bd3fcee3 -->
    This is what would happen now. Nothing was done.

    **`dev`**

    - ⛔ 4993ce1 wants into dev (`entering`)
      - ✅ commit 4993ce1
      - ⛔ build failed on 4993ce1 (`build-failed`). **Next:** fix the build, or re-run it

    It would come as a pull request that Trunkline merges once every gate is open.

    `shop-frontend` `v0.9` → `4993ce1` · `shop-backend` `v0.9` → `4993ce1`

    Writes `environments/dev/kustomization.yaml` lines 9, 11.
    ");
}

#[tokio::test]
async fn a_tag_asks_for_production_and_says_what_it_waits_for() {
    let mut world = World::example().await;
    let sha = in_stage(&mut world).await;
    tag(&mut world, "v1.0", &sha).await;
    let number = world.newest_pull();
    insta::assert_snapshot!(world.body(number), @"
    body:
    <!-- trunkline:v1 promotion a8ebbb3472a71dfd -->
    Brings `shop` in `prod` from `v0.9` ([`68113e6`](http://github.test/acme/shop/commit/68113e662d18f396ee6e25c677f274c6d66acc1a)) to **`v1.0` ([`1123e8d`](http://github.test/acme/shop/commit/1123e8de8679e904d437e0db2336d5d538c4d7dc))**. ann pushed the tag v1.0.

    | Images |
    |:--|
    | `shop-frontend` `v0.9` → `v1.0` · `shop-backend` `v0.9` → `v1.0` |

    Writes `environments/prod/kustomization.yaml` lines 10, 12.

    ### What is new

    1 commit ([see the comparison](http://github.test/acme/shop/compare/68113e662d18f396ee6e25c677f274c6d66acc1a...1123e8de8679e904d437e0db2336d5d538c4d7dc))

    - [`1123e8d`](http://github.test/acme/shop/commit/1123e8de8679e904d437e0db2336d5d538c4d7dc) Sell more by `ann`

    ---
    What it waits for stands in the comment below, which is kept up to date. Closing this pull request rejects `v1.0` for `prod` until a newer version comes; `/trunkline hold prod` stops everything here.
    ");
    insta::assert_snapshot!(world.said(number), @r#"
    <!-- trunkline:v1 sticky ba942e23153f2351 -->
    ### Waits: soaks for 1h (and 1 more)

    This change alters 2 objects in `prod`.

    ```mermaid
    flowchart LR
      source(["shop"])
      e0["dev<br>1123e8d"]
      e1["stage<br>v1.0-rc.1"]
      e2["prod<br>v0.9"]
      source --> e0
      e0 --> e1
      e1 ==>|"v1.0"| e2
      style e2 stroke-width:3px
    ```

    #### Gates: v1.0 into prod

    - ✅ v1.0 is commit 1123e8d
    - ✅ the checks on 1123e8d have passed
    - ✅ stage has held this commit since 2026-11-02 09:00 UTC
    - ✅ commit 1123e8d was tested in stage
    - ⏳ soaks for 1h (`soak`), until 2026-11-02 10:00 UTC
    - ⏳ 0 of 1 approval from acme/sre (`approvals`). **Next:** acme/sre reviews and approves the newest commit

    <details><summary><code>prod</code>: 2 changed objects</summary>

    <details><summary><code>Deployment shop-prod/backend</code> changed (+1 −1)</summary>

    from [`environments/base/backend.yaml:1`](http://github.test/acme/environments/blob/556d3cc675b15db07029096b064f15a38d93a8da/environments/base/backend.yaml#L1)

    ```diff
    @@ spec.template.spec.containers[backend] @@
           automountServiceAccountToken: false
           containers:
           - name: backend
    -        image: ghcr.io/acme/shop-backend:v0.9
    +        image: ghcr.io/acme/shop-backend:v1.0
             env:
             - name: DATABASE_PASSWORD
               valueFrom:
    ```

    </details>

    <details><summary><code>Deployment shop-prod/frontend</code> changed (+1 −1)</summary>

    from [`environments/base/frontend.yaml:1`](http://github.test/acme/environments/blob/556d3cc675b15db07029096b064f15a38d93a8da/environments/base/frontend.yaml#L1)

    ```diff
    @@ spec.template.spec.containers[frontend] @@
           automountServiceAccountToken: false
           containers:
           - name: frontend
    -        image: ghcr.io/acme/shop-frontend:v0.9
    +        image: ghcr.io/acme/shop-frontend:v1.0
             env:
             - name: API_URL
               value: http://backend:8080
    ```

    </details>

    </details>

    <sub>Checked at [`556d3cc`](http://github.test/acme/environments/commit/556d3cc675b15db07029096b064f15a38d93a8da); a later commit with the same result changes nothing here. You can say `/trunkline cancel`, `/trunkline hold <env>`, `/trunkline help`.</sub>
    "#);
    world.advance(HOUR).await;
    insta::assert_snapshot!(world.check(number), @"in_progress: Waits: 0 of 1 approval from acme/sre (0 annotations)");
}

#[tokio::test]
async fn e12_four_eyes_approve_what_others_tagged_and_wrote() {
    let mut world = World::example().await;
    let sha = in_stage(&mut world).await;
    tag(&mut world, "v1.0", &sha).await;
    world.advance(HOUR).await;
    let number = world.newest_pull();
    for (user, why) in [("ann", "tagged it and wrote it"), ("ben", "is in no team")] {
        world.github.review(ENVIRONMENTS, user, number, "APPROVED");
        world.settle().await;
        assert!(world.check(number).contains("in_progress"), "{user} {why}: {}", world.check(number));
    }
    world.github.review(ENVIRONMENTS, "sue", number, "APPROVED");
    world.settle().await;
    insta::assert_snapshot!(world.said(number), @r#"
    <!-- trunkline:v1 sticky d4d47583089fb697 -->
    ### No new findings in prod

    This change alters 2 objects in `prod`.

    ```mermaid
    flowchart LR
      source(["shop"])
      e0["dev<br>1123e8d"]
      e1["stage<br>v1.0-rc.1"]
      e2["prod<br>v0.9"]
      source --> e0
      e0 --> e1
      e1 ==>|"v1.0"| e2
      style e2 stroke-width:3px
    ```

    #### Every gate is open: v1.0 into prod

    - ✅ v1.0 is commit 1123e8d
    - ✅ the checks on 1123e8d have passed
    - ✅ stage has held this commit since 2026-11-02 09:00 UTC
    - ✅ commit 1123e8d was tested in stage
    - ✅ soaked for 1h
    - ✅ approved by sue
      - ⛔ ann's approval does not count: they tagged, wrote or asked for this version (`four-eyes`)
      - ⛔ ben's approval does not count: they are not in acme/sre (`approval`)

    <details><summary><code>prod</code>: 2 changed objects</summary>

    <details><summary><code>Deployment shop-prod/backend</code> changed (+1 −1)</summary>

    from [`environments/base/backend.yaml:1`](http://github.test/acme/environments/blob/556d3cc675b15db07029096b064f15a38d93a8da/environments/base/backend.yaml#L1)

    ```diff
    @@ spec.template.spec.containers[backend] @@
           automountServiceAccountToken: false
           containers:
           - name: backend
    -        image: ghcr.io/acme/shop-backend:v0.9
    +        image: ghcr.io/acme/shop-backend:v1.0
             env:
             - name: DATABASE_PASSWORD
               valueFrom:
    ```

    </details>

    <details><summary><code>Deployment shop-prod/frontend</code> changed (+1 −1)</summary>

    from [`environments/base/frontend.yaml:1`](http://github.test/acme/environments/blob/556d3cc675b15db07029096b064f15a38d93a8da/environments/base/frontend.yaml#L1)

    ```diff
    @@ spec.template.spec.containers[frontend] @@
           automountServiceAccountToken: false
           containers:
           - name: frontend
    -        image: ghcr.io/acme/shop-frontend:v0.9
    +        image: ghcr.io/acme/shop-frontend:v1.0
             env:
             - name: API_URL
               value: http://backend:8080
    ```

    </details>

    </details>

    <sub>Checked at [`556d3cc`](http://github.test/acme/environments/commit/556d3cc675b15db07029096b064f15a38d93a8da); a later commit with the same result changes nothing here. You can say `/trunkline cancel`, `/trunkline hold <env>`, `/trunkline help`.</sub>
    "#);
    assert!(world.check(number).contains("success"), "{}", world.check(number));
    // `merge: manual`: the button stays with a person.
    assert!(world.pulls().iter().any(|pull| pull.starts_with(&format!("#{number} open"))));
    world.github.merge_pull(ENVIRONMENTS, "ben", number);
    world.settle().await;
    say(&mut world, "rob", number, "/trunkline status").await;
    insta::assert_snapshot!(world.said(number), @"
    <!-- trunkline:v1 reply-111 0eb2d37996d543a7 -->
    | Environment | Version | Since | Next |
    |:--|:--|:--|:--|
    | `dev` | [`1123e8d`](http://github.test/acme/shop/commit/1123e8de8679e904d437e0db2336d5d538c4d7dc) | 2026-11-02 09:00 UTC | up to date |
    | `stage` | `v1.0-rc.1` [`1123e8d`](http://github.test/acme/shop/commit/1123e8de8679e904d437e0db2336d5d538c4d7dc) | 2026-11-02 09:00 UTC | up to date |
    | `prod` | `v1.0` [`1123e8d`](http://github.test/acme/shop/commit/1123e8de8679e904d437e0db2336d5d538c4d7dc) | 2026-11-02 10:00 UTC | up to date |
    ");
}

#[tokio::test]
async fn e9_newest_supersedes_and_lower_never_enters() {
    let mut world = World::example().await;
    let sha = in_stage(&mut world).await;
    tag(&mut world, "v1.0", &sha).await;
    tag(&mut world, "v1.0.1", &sha).await;
    insta::assert_snapshot!(world.pulls().join("\n"), @r#"
    #1 merged: "Promote shop 1123e8d to dev", by trunkline[bot]
    #2 merged: "Promote shop v1.0-rc.1 to stage", by trunkline[bot]
    #3 closed: "Promote shop v1.0 to prod", by trunkline[bot]
    #4 open: "Promote shop v1.0.1 to prod", by trunkline[bot]
    "#);
    insta::assert_snapshot!(world.said(3), @"Superseded by #4: `v1.0.1` is what wants in now.");
    tag(&mut world, "v0.8", &sha).await;
    assert_eq!(world.pulls().len(), 4);
}

#[tokio::test]
async fn e22_a_closed_promotion_is_remembered_until_somebody_asks_again() {
    let mut world = World::example().await;
    let sha = in_stage(&mut world).await;
    tag(&mut world, "v1.0", &sha).await;
    let number = world.newest_pull();
    world.github.close_pull(ENVIRONMENTS, "sam", number);
    world.settle().await;
    world.sweep().await;
    assert_eq!(world.newest_pull(), number);
    say(&mut world, "rob", number, "/trunkline status prod").await;
    insta::assert_snapshot!(world.said(number), @r"
    <!-- trunkline:v1 reply-90 458a9e42e405f2af -->
    | Environment | Version | Since | Next |
    |:--|:--|:--|:--|
    | `prod` | `v0.9` [`68113e6`](http://github.test/acme/shop/commit/68113e662d18f396ee6e25c677f274c6d66acc1a) | 2026-11-02 09:00 UTC | ⛔ `rejected`, `soak`, `approvals` |

    **`prod`**

    - ⛔ v1.0 wants into prod (`entering`)
      - ✅ v1.0 is commit 1123e8d
      - ✅ the checks on 1123e8d have passed
      - ✅ stage has held this commit since 2026-11-02 09:00 UTC
      - ✅ commit 1123e8d was tested in stage
      - ⏳ soaks for 1h (`soak`), until 2026-11-02 10:00 UTC
      - ⏳ needs 1 approval from acme/sre (`approvals`). **Next:** acme/sre reviews the pull request once it is open
      - ⛔ sam closed \#3, so v1.0 is rejected (`rejected`). **Next:** comment `/promote prod v1.0` to ask for it again
    ");
    world.advance(HOUR).await;
    say(&mut world, "ben", number, "/promote prod v1.0").await;
    insta::assert_snapshot!(world.pulls().join("\n"), @r#"
    #1 merged: "Promote shop 1123e8d to dev", by trunkline[bot]
    #2 merged: "Promote shop v1.0-rc.1 to stage", by trunkline[bot]
    #3 closed: "Promote shop v1.0 to prod", by trunkline[bot]
    #4 open: "Promote shop v1.0 to prod", by trunkline[bot]
    "#);
}

#[tokio::test]
async fn e7_a_moved_tag_blocks_and_a_deleted_one_cancels() {
    let mut world = World::example().await;
    let sha = in_stage(&mut world).await;
    tag(&mut world, "v1.0", &sha).await;
    let number = world.newest_pull();
    let other = world.example.as_ref().unwrap().first.clone();
    world.github.move_tag(SHOP, "v1.0", &other, "ann");
    world.settle().await;
    insta::assert_snapshot!(world.pulls().join("\n"), @r#"
    #1 merged: "Promote shop 1123e8d to dev", by trunkline[bot]
    #2 merged: "Promote shop v1.0-rc.1 to stage", by trunkline[bot]
    #3 open: "Promote shop v1.0 to prod", by trunkline[bot]
    "#);
    let desk = desk(&mut world).await;
    say(&mut world, "rob", desk, "/trunkline status prod").await;
    insta::assert_snapshot!(world.said(desk), @"
    <!-- trunkline:v1 reply-91 862bdbc756698c1f -->
    | Environment | Version | Since | Next |
    |:--|:--|:--|:--|
    | `prod` | `v0.9` [`68113e6`](http://github.test/acme/shop/commit/68113e662d18f396ee6e25c677f274c6d66acc1a) | 2026-11-02 09:00 UTC | ⛔ `tag-moved`, `soak`, `approvals` |

    **`prod`**

    - ⛔ v1.0 wants into prod (`entering`)
      - ⛔ the tag v1.0 was moved from 1123e8d to 68113e6 (`tag-moved`). **Next:** push a new tag; a tag that started something never moves
      - ✅ the checks on 68113e6 have passed
      - ✅ stage has held this commit since 2026-11-02 09:00 UTC
      - ✅ commit 68113e6 was tested in stage
      - ⏳ soaks for 1h (`soak`), until 2026-11-02 10:00 UTC
      - ⏳ needs 1 approval from acme/sre (`approvals`). **Next:** acme/sre reviews the pull request once it is open
    ");
    world.github.delete_tag(SHOP, "v1.0", "ann");
    world.settle().await;
    insta::assert_snapshot!(world.said(number), @"Closed, because the tag `v1.0` was deleted. Push it again to ask again.");
}

#[tokio::test]
async fn e1_tags_no_webhook_told_of_are_found_by_the_sweep_and_need_two_approvers() {
    let mut world = World::example().await;
    let sha = in_stage(&mut world).await;
    let tags: Vec<String> = (1..=4).map(|n| format!("v1.{n}")).collect();
    let pushed: Vec<(&str, &str)> = tags.iter().map(|tag| (tag.as_str(), sha.as_str())).collect();
    world.github.push_tags(SHOP, "ann", &pushed);
    world.settle().await;
    assert_eq!(world.pulls().len(), 2, "GitHub is silent about more than three tags");
    world.sweep().await;
    insta::assert_snapshot!(world.pulls().join("\n"), @r#"
    #1 merged: "Promote shop 1123e8d to dev", by trunkline[bot]
    #2 merged: "Promote shop v1.0-rc.1 to stage", by trunkline[bot]
    #3 open: "Promote shop v1.4 to prod", by trunkline[bot]
    "#);
    world.advance(HOUR).await;
    let number = world.newest_pull();
    world.github.review(ENVIRONMENTS, "sue", number, "APPROVED");
    world.settle().await;
    insta::assert_snapshot!(world.check(number), @"in_progress: Waits: 1 of 2 approvals from acme/sre; nobody knows who pushed the tag, so two people must approve (0 annotations)");
    world.github.review(ENVIRONMENTS, "sam", number, "APPROVED");
    world.settle().await;
    insta::assert_snapshot!(world.check(number), @"success: No new findings in prod (0 annotations)");
}

#[tokio::test]
async fn via_commit_goes_straight_to_the_branch() {
    let files = example_with(
        ".github/trunkline.yaml",
        "    takes: trunk\n    merge: auto\n",
        "    takes: trunk\n    via: commit\n    merge: auto\n",
    );
    let mut world = World::with(&files).await;
    merge_to_trunk(&mut world, "Sell more").await;
    insta::assert_snapshot!(world.brief(), @"
    acme/environments
      refs/heads/main 0684fc0456 signed
      refs/heads/trunkline-ledger 0e61217bf3 signed
      ledger dev/shop.yaml
          first-sight:
            at: <time>
            holds: v0.9
            trunk: 68113e662d18f396ee6e25c677f274c6d66acc1a
      ledger prod/shop.yaml
          first-sight:
            at: <time>
            holds: v0.9
      ledger stage/shop.yaml
          first-sight:
            at: <time>
            holds: v0.9
      deployment 0684fc0456 to dev: success
    acme/shop
      refs/heads/main 1123e8de86
      refs/tags/v0.9 68113e662d
      check 1123e8de86 github-actions/build: success
      check 68113e662d github-actions/build: success
    ");
}

#[tokio::test]
async fn observing_says_and_writes_no_promotion() {
    let mut world = World::with(&example_with(".github/trunkline.yaml", "mode: enforce", "mode: observe")).await;
    merge_to_trunk(&mut world, "Sell more").await;
    let number = desk(&mut world).await;
    say(&mut world, "rob", number, "/trunkline plan").await;
    insta::assert_snapshot!(world.brief(), @r#"
    acme/environments
      refs/heads/main 28a1d1037d
      issue #1 open: "Environments", by ann
        comment by rob eyes:trunkline[bot] rocket:trunkline[bot]
        comment by trunkline[bot]
    acme/shop
      refs/heads/main 1123e8de86
      refs/tags/v0.9 68113e662d
      check 1123e8de86 github-actions/build: success
      check 68113e662d github-actions/build: success
    "#);
    insta::assert_snapshot!(world.said(number), @"
    <!-- trunkline:v1 reply-29 8bdb68339e190dbd -->
    This is what would happen now. Nothing was done.

    **`dev`**

    - ✅ 1123e8d wants into dev
      - ✅ commit 1123e8d
      - ✅ the checks on 1123e8d have passed

    It would come as a pull request that Trunkline merges once every gate is open.

    `shop-frontend` `v0.9` → `1123e8d` · `shop-backend` `v0.9` → `1123e8d`

    Writes `environments/dev/kustomization.yaml` lines 9, 11.

    - ⛔ this repository is in `mode: observe`, so nothing is written (`observing`). **Next:** set `mode: enforce` in `.github/trunkline.yaml`
    ");
}

#[tokio::test]
async fn first_sight_of_an_old_repository_starts_nothing() {
    let mut world = World::empty().await;
    let example = seed::example(&world.github, &seed::environments());
    // Years of tags, an open pull request and an old command, before the bot ever ran.
    let tags: Vec<String> = (1..=20).map(|n| format!("v1.{n}")).collect();
    for chunk in tags.chunks(3) {
        let pushed: Vec<(&str, &str)> = chunk.iter().map(|tag| (tag.as_str(), example.first.as_str())).collect();
        world.github.push_tags(SHOP, "ann", &pushed);
    }
    world.github.push_files(ENVIRONMENTS, "topic", "ben", "Old", &[("notes.txt", text("x"))]);
    let number = world.github.open_pull(ENVIRONMENTS, "ben", "topic", "main", "Old", "");
    world.github.comment(ENVIRONMENTS, "ben", number, "/promote prod v1.1");
    world.clock.advance(2 * HOUR);
    world.lose_deliveries();
    world.link(SHOP, &example.shop.path);
    world.link(ENVIRONMENTS, &example.environments.path);
    world.start().await;
    world.settle().await;
    insta::assert_snapshot!(world.brief(), @r#"
    acme/environments
      refs/heads/main 22828f9bf4
      refs/heads/topic 9b7117310e
      refs/heads/trunkline-ledger 454f7df53a signed
      ledger dev/shop.yaml
          first-sight:
            at: <time>
            holds: v0.9
            trunk: 68113e662d18f396ee6e25c677f274c6d66acc1a
      ledger prod/shop.yaml
          first-sight:
            at: <time>
            holds: v0.9
            earlier:
            - v1.20
            - v1.19
            - v1.18
            - v1.17
            - v1.16
            - v1.15
            - v1.14
            - v1.13
            - v1.12
            - v1.11
            - v1.10
            - v1.9
            - v1.8
            - v1.7
            - v1.6
            - v1.5
            - v1.4
            - v1.3
            - v1.2
            - v1.1
      ledger stage/shop.yaml
          first-sight:
            at: <time>
            holds: v0.9
      pull #1 open: "Old", by ben
        main <- topic
        comment by ben
      check 9b7117310e trunkline/trunkline: success "Touches no environment"
    acme/shop
      refs/heads/main 68113e662d
      refs/tags/v0.9 68113e662d
      refs/tags/v1.1 68113e662d
      refs/tags/v1.10 68113e662d
      refs/tags/v1.11 68113e662d
      refs/tags/v1.12 68113e662d
      refs/tags/v1.13 68113e662d
      refs/tags/v1.14 68113e662d
      refs/tags/v1.15 68113e662d
      refs/tags/v1.16 68113e662d
      refs/tags/v1.17 68113e662d
      refs/tags/v1.18 68113e662d
      refs/tags/v1.19 68113e662d
      refs/tags/v1.2 68113e662d
      refs/tags/v1.20 68113e662d
      refs/tags/v1.3 68113e662d
      refs/tags/v1.4 68113e662d
      refs/tags/v1.5 68113e662d
      refs/tags/v1.6 68113e662d
      refs/tags/v1.7 68113e662d
      refs/tags/v1.8 68113e662d
      refs/tags/v1.9 68113e662d
      check 68113e662d github-actions/build: success
    "#);
    // A tag that is pushed from now on does start something.
    world.github.create_tag(SHOP, "v2.0", &example.first, "ann", false);
    world.settle().await;
    insta::assert_snapshot!(world.pulls().join("\n"), @r#"
    #1 open: "Old", by ben
    #2 open: "Promote shop v2.0 to prod", by trunkline[bot]
    "#);
}

#[tokio::test]
async fn any_way_in_meets_the_same_gates() {
    let mut world = World::example().await;
    let sha = in_stage(&mut world).await;
    tag(&mut world, "v1.0", &sha).await;
    let bump = example("environments/prod/kustomization.yaml", "newTag: v0.9", "newTag: v1.0");
    let number = pull(&mut world, "Bump production by hand", &[("environments/prod/kustomization.yaml", bump)]).await;
    insta::assert_snapshot!(world.check(number), @"in_progress: Waits: soaks for 1h (and 1 more) (0 annotations)");
    insta::assert_snapshot!(world.said(number), @r"
    <!-- trunkline:v1 sticky 04206ea7381acce4 -->
    ### Waits: soaks for 1h (and 1 more)

    This change alters 2 objects in `prod`.

    | Environment | Objects | In short | Findings |
    |:--|:--|:--|:--|
    | `prod` | \~2 | `shop-backend` `v0.9` → `v1.0` · `shop-frontend` `v0.9` → `v1.0` | none |

    #### Gates: v1.0 into prod

    - ✅ v1.0 is commit 1123e8d
    - ✅ the checks on 1123e8d have passed
    - ✅ stage has held this commit since 2026-11-02 09:00 UTC
    - ✅ commit 1123e8d was tested in stage
    - ⏳ soaks for 1h (`soak`), until 2026-11-02 10:00 UTC
    - ⏳ 0 of 1 approval from acme/sre (`approvals`). **Next:** acme/sre reviews and approves the newest commit

    <details><summary><code>prod</code>: 2 changed objects</summary>

    <details><summary><code>Deployment shop-prod/backend</code> changed (+1 −1)</summary>

    from [`environments/base/backend.yaml:1`](http://github.test/acme/environments/blob/480b48a1db525381fe9efed21f8e01b364bbcb3a/environments/base/backend.yaml#L1)

    ```diff
    @@ spec.template.spec.containers[backend] @@
           automountServiceAccountToken: false
           containers:
           - name: backend
    -        image: ghcr.io/acme/shop-backend:v0.9
    +        image: ghcr.io/acme/shop-backend:v1.0
             env:
             - name: DATABASE_PASSWORD
               valueFrom:
    ```

    </details>

    <details><summary><code>Deployment shop-prod/frontend</code> changed (+1 −1)</summary>

    from [`environments/base/frontend.yaml:1`](http://github.test/acme/environments/blob/480b48a1db525381fe9efed21f8e01b364bbcb3a/environments/base/frontend.yaml#L1)

    ```diff
    @@ spec.template.spec.containers[frontend] @@
           automountServiceAccountToken: false
           containers:
           - name: frontend
    -        image: ghcr.io/acme/shop-frontend:v0.9
    +        image: ghcr.io/acme/shop-frontend:v1.0
             env:
             - name: API_URL
               value: http://backend:8080
    ```

    </details>

    </details>

    <sub>Checked at [`480b48a`](http://github.test/acme/environments/commit/480b48a1db525381fe9efed21f8e01b364bbcb3a); a later commit with the same result changes nothing here. You can say `/trunkline status`, `/trunkline hold <env>`, `/trunkline help`.</sub>
    ");
}

#[tokio::test]
async fn somebody_elses_commits_are_not_merged() {
    let mut world = World::example().await;
    let sha = world.github.push_files(SHOP, "main", "ann", "Sell more", &[("CHANGES", text("x"))]);
    world.settle().await;
    world.github.add_check(SHOP, &sha, CI, "build", "success");
    // Before the bot gets to merge, somebody pushes to its branch.
    world.settle_until_pull().await;
    let branch = format!("trunkline/dev/shop/{}", &sha[..7]);
    world.github.push_files(ENVIRONMENTS, &branch, "ben", "Mine too", &[("environments/dev/extra.txt", text("x"))]);
    world.settle().await;
    insta::assert_snapshot!(world.check(1), @"failure: Somebody else's commits are on this branch, so Trunkline will not merge it (0 annotations)");
    assert!(world.pulls()[0].starts_with("#1 open"));
}

#[tokio::test]
async fn a_lost_disk_loses_nothing() {
    let mut world = World::example().await;
    let sha = in_stage(&mut world).await;
    tag(&mut world, "v1.0", &sha).await;
    let desk = desk(&mut world).await;
    say(&mut world, "ann", desk, "/trunkline hold prod the fair is on").await;
    let before = world.sees();
    world.lose_everything().await;
    world.settle().await;
    world.sweep().await;
    assert_eq!(before, world.sees());
}

#[tokio::test]
async fn deliveries_missed_while_down_are_made_up_for() {
    let mut world = World::example().await;
    let sha = world.github.push_files(SHOP, "main", "ann", "Sell more", &[("CHANGES", text("x"))]);
    world.github.add_check(SHOP, &sha, CI, "build", "success");
    assert!(world.lose_deliveries() > 0);
    world.settle().await;
    assert_eq!(world.pulls(), [""; 0]);
    world.sweep().await;
    insta::assert_snapshot!(world.pulls().join("\n"), @r#"#1 merged: "Promote shop 4993ce1 to dev", by trunkline[bot]"#);
}

#[tokio::test]
async fn who_pushed_a_tag_is_learnt_when_the_delivery_is_late() {
    let mut world = World::example().await;
    let sha = in_stage(&mut world).await;
    world.github.create_tag(SHOP, "v1.0", &sha, "ann", false);
    let late = world.github.take_deliveries();
    world.sweep().await;
    let number = world.newest_pull();
    let pushers = |world: &World| world.sees().matches("pusher: ann").count();
    assert_eq!(pushers(&world), 1, "the candidate's only");
    world.deliver_these(late).await;
    world.settle().await;
    assert_eq!((world.newest_pull(), pushers(&world)), (number, 2));
}

#[tokio::test]
async fn who_pushed_a_tag_is_told_when_the_wait_is_over() {
    let mut world = World::example().await;
    let sha = in_stage(&mut world).await;
    let number = desk(&mut world).await;
    say(&mut world, "ann", number, "/trunkline hold prod").await;
    tag(&mut world, "v1.0", &sha).await;
    say(&mut world, "ann", number, "/trunkline unhold prod").await;
    let body = world.body(world.newest_pull());
    assert!(body.contains("ann pushed the tag v1.0"), "{body}");
}

#[tokio::test]
async fn commands_help_status_and_plan_are_answered() {
    let mut world = World::example().await;
    in_prod(&mut world).await;
    let number = desk(&mut world).await;
    for command in ["/trunkline help", "/trunkline status", "/trunkline plan", "/trunkline statsu"] {
        say(&mut world, "rob", number, command).await;
    }
    insta::assert_snapshot!(world.talk(number), @r#"
    comment by rob eyes:trunkline[bot] rocket:trunkline[bot]
    /trunkline help

    comment by trunkline[bot]
    <!-- trunkline:v1 reply-106 872f1e6d2d5497db -->
    | Command | What it does | Who may | You |
    |:--|:--|:--|:--|
    | `/trunkline help [verb]` | lists the commands | readers | yes |
    | `/trunkline status [env] [--app name]` | shows what runs where, and what waits for what | readers | yes |
    | `/trunkline plan [env] [version] [--app name]` | shows what would happen next, or if that version came, and does nothing | readers | yes |
    | `/trunkline diff <env> <env> [--app name]` | compares two environments: versions, commits in between, rendered objects | readers | yes |
    | `/trunkline promote <env> [version] [--app name] [--sha commit] [--force "reason"]` | opens or refreshes the promotion of a version, by default the newest that may enter | writers, or the environment's `promote` teams where listed | no |
    | `/trunkline rollback <env> [version] [--app name] [--sha commit]` | opens a pull request with the last version that passed there, and holds the environment | the environment's `rollback` teams | no |
    | `/trunkline hold <env> [reason] [--app name]` | stops promotions into an environment until somebody lifts the hold | triage and up | no |
    | `/trunkline unhold <env> [--app name]` | lifts a hold | triage and up | no |
    | `/trunkline freeze <env\|all> [for 4h \| until 2026-12-01T08:00] "reason" [--except label=name]` | lets nothing into an environment until then (UTC) or until somebody lifts it; rollbacks pass, and so does a pull request on which one of those teams set the label | the environment's `freeze` teams | no |
    | `/trunkline unfreeze <env\|all>` | lifts every freeze of an environment | the environment's `freeze` teams | no |
    | `/trunkline skip-soak <env> "reason" [--app name] [--sha commit]` | lets the version that wants in, and no other, enter without its soak | the environment's `bypass` teams | no |
    | `/trunkline override <rule> "reason" [--sha commit], or: override cancel <rule>` | accepts what a rule found, or the `gates` of a pull request that is no promotion, for its newest commit only | the environment's `bypass` teams | no |
    | `/trunkline retry [--sha commit]` | looks at this pull request again | writers | no |
    | `/trunkline cancel [env] [--app name]` | closes the open promotion, this one or that into the environment, and rejects its version | writers, or the environment's `promote` teams where listed | no |
    | `/trunkline resync` | reads tags, pull requests and checks anew, for all applications here | writers | no |
    | `/trunkline validate` | checks the configuration of this pull request, and says what it would mean | readers | yes |
    | `/trunkline history [env] [--app name]` | shows the last decisions and versions: who, when and why | readers | yes |

    `/promote`, `/rollback`, `/freeze` and `/unfreeze` also work without `/trunkline`.

    A command stands at the start of a line of a new comment, outside code and quotes. Approvals are GitHub's own reviews.


    comment by rob eyes:trunkline[bot] rocket:trunkline[bot]
    /trunkline status

    comment by trunkline[bot]
    <!-- trunkline:v1 reply-112 0eb2d37996d543a7 -->
    | Environment | Version | Since | Next |
    |:--|:--|:--|:--|
    | `dev` | [`1123e8d`](http://github.test/acme/shop/commit/1123e8de8679e904d437e0db2336d5d538c4d7dc) | 2026-11-02 09:00 UTC | up to date |
    | `stage` | `v1.0-rc.1` [`1123e8d`](http://github.test/acme/shop/commit/1123e8de8679e904d437e0db2336d5d538c4d7dc) | 2026-11-02 09:00 UTC | up to date |
    | `prod` | `v1.0` [`1123e8d`](http://github.test/acme/shop/commit/1123e8de8679e904d437e0db2336d5d538c4d7dc) | 2026-11-02 10:00 UTC | up to date |


    comment by rob eyes:trunkline[bot] rocket:trunkline[bot]
    /trunkline plan

    comment by trunkline[bot]
    <!-- trunkline:v1 reply-118 d0b9cffd0fd81caa -->
    Nothing would happen: every environment holds what it should.


    comment by rob confused:trunkline[bot] eyes:trunkline[bot]
    /trunkline statsu

    comment by trunkline[bot]
    <!-- trunkline:v1 reply-124 560b6eb2fc88aecd -->
    > `/trunkline statsu`

    There is no command `statsu`. Did you mean `/trunkline status`?
    "#);
}

#[tokio::test]
async fn a_hold_stops_promotions_until_it_is_lifted() {
    let mut world = World::example().await;
    let number = desk(&mut world).await;
    say(&mut world, "ann", number, "/trunkline hold dev load test running").await;
    merge_to_trunk(&mut world, "Sell more").await;
    assert_eq!(world.pulls(), [""; 0]);
    say(&mut world, "rob", number, "/trunkline status dev").await;
    insta::assert_snapshot!(world.said(number), @"
    <!-- trunkline:v1 reply-40 821e26dfc694d1d0 -->
    | Environment | Version | Since | Next |
    |:--|:--|:--|:--|
    | `dev` | `v0.9` [`68113e6`](http://github.test/acme/shop/commit/68113e662d18f396ee6e25c677f274c6d66acc1a) | 2026-11-02 09:00 UTC | ⏳ `held` |

    **`dev`**

    - ⏳ 1123e8d wants into dev (`entering`)
      - ✅ commit 1123e8d
      - ✅ the checks on 1123e8d have passed
      - ⏳ held by ann since 2026-11-02 09:00 UTC: load test running (`held`). **Next:** ann or somebody with the rollback right comments `/trunkline unhold dev`
    ");
    say(&mut world, "ben", number, "/trunkline unhold dev").await;
    insta::assert_snapshot!(world.said(number), @"
    <!-- trunkline:v1 reply-46 3ed572131a3b9b81 -->
    > `/trunkline unhold dev`

    - ⛔ ann holds it, and you may only lift a hold of your own: no team has the rollback right in dev; list one under `rights` (`not-allowed`). **Next:** each lifts their own hold; somebody with the rollback right lifts all
    ");
    say(&mut world, "ann", number, "/trunkline unhold dev").await;
    insta::assert_snapshot!(world.pulls().join("\n"), @r#"#2 merged: "Promote shop 1123e8d to dev", by trunkline[bot]"#);
}

#[tokio::test]
async fn e24_a_rollback_goes_back_and_holds() {
    let mut world = World::example().await;
    in_prod(&mut world).await;
    let number = desk(&mut world).await;
    say(&mut world, "ann", number, "/rollback prod").await;
    insta::assert_snapshot!(world.said(number), @"
    <!-- trunkline:v1 reply-106 fcccdd9c4b2d20f1 -->
    > `/rollback prod`

    - ⛔ it needs a member of acme/sre (`not-allowed`). **Next:** ask somebody who may; `/trunkline help` lists who may do what here
    ");
    say(&mut world, "sam", number, "/rollback prod").await;
    let back = world.newest_pull();
    insta::assert_snapshot!(world.body(back), @r"
    body:
    <!-- trunkline:v1 promotion a70b342f578473e8 -->
    Takes `shop` in `prod` from `v1.0` ([`1123e8d`](http://github.test/acme/shop/commit/1123e8de8679e904d437e0db2336d5d538c4d7dc)) back to **`v0.9` ([`68113e6`](http://github.test/acme/shop/commit/68113e662d18f396ee6e25c677f274c6d66acc1a))**, which passed here before, and holds it there. sam asked to go back: http://github.test/acme/environments/issues/4\#issuecomment-112

    | Images |
    |:--|
    | `shop-frontend` `v1.0` → `v0.9` · `shop-backend` `v1.0` → `v0.9` |

    Writes `environments/prod/kustomization.yaml` lines 10, 12.

    ---
    What it waits for stands in the comment below, which is kept up to date. Closing this pull request rejects `v0.9` for `prod` until a newer version comes; `/trunkline hold prod` stops everything here.
    ");
    insta::assert_snapshot!(world.check(back), @"in_progress: Waits: 0 of 1 approval from acme/sre (0 annotations)");
    world.github.review(ENVIRONMENTS, "sue", back, "APPROVED");
    world.settle().await;
    world.github.merge_pull(ENVIRONMENTS, "sam", back);
    world.settle().await;
    world.sweep().await;
    say(&mut world, "rob", number, "/trunkline status prod").await;
    insta::assert_snapshot!(world.talk(number), @r"
    comment by ann confused:trunkline[bot] eyes:trunkline[bot]
    /rollback prod

    comment by trunkline[bot]
    <!-- trunkline:v1 reply-106 fcccdd9c4b2d20f1 -->
    > `/rollback prod`

    - ⛔ it needs a member of acme/sre (`not-allowed`). **Next:** ask somebody who may; `/trunkline help` lists who may do what here


    comment by sam eyes:trunkline[bot] rocket:trunkline[bot]
    /rollback prod

    comment by rob eyes:trunkline[bot] rocket:trunkline[bot]
    /trunkline status prod

    comment by trunkline[bot]
    <!-- trunkline:v1 reply-144 68ce53d56c63c0a2 -->
    | Environment | Version | Since | Next |
    |:--|:--|:--|:--|
    | `prod` | `v0.9` [`68113e6`](http://github.test/acme/shop/commit/68113e662d18f396ee6e25c677f274c6d66acc1a) | 2026-11-02 10:00 UTC | ⛔ `rejected`, `held`, `approvals` |

    **`prod`**

    - ⛔ v1.0 wants into prod (`entering`)
      - ✅ v1.0 is commit 1123e8d
      - ✅ the checks on 1123e8d have passed
      - ✅ stage has held this commit since 2026-11-02 09:00 UTC
      - ✅ commit 1123e8d was tested in stage
      - ✅ soaked for 1h
      - ⏳ held by sam since 2026-11-02 10:00 UTC: rollback to v0.9 (`held`). **Next:** sam or somebody with the rollback right comments `/trunkline unhold prod`
      - ⏳ needs 1 approval from acme/sre (`approvals`). **Next:** acme/sre reviews the pull request once it is open
      - ⛔ v1.0 entered with \#3 and was replaced since (`rejected`). **Next:** comment `/promote prod v1.0` to ask for it again
    ");
    insta::assert_snapshot!(world.pulls().join("\n"), @r#"
    #1 merged: "Promote shop 1123e8d to dev", by trunkline[bot]
    #2 merged: "Promote shop v1.0-rc.1 to stage", by trunkline[bot]
    #3 merged: "Promote shop v1.0 to prod", by trunkline[bot]
    #5 merged: "Roll back shop in prod to v0.9", by trunkline[bot]
    "#);
}

#[tokio::test]
async fn t26_t27_commands_nobody_may_run_or_nobody_meant() {
    let mut world = World::example().await;
    let number = desk(&mut world).await;
    say(&mut world, "rob", number, "/trunkline hold prod").await;
    say(
        &mut world,
        "ben",
        number,
        "```\n/trunkline hold prod\n```\n> /trunkline hold prod\n\n<!-- /trunkline hold prod -->",
    )
    .await;
    say(&mut world, "ben", number, "/hold prod").await;
    let old = world.github.comment(ENVIRONMENTS, "ben", number, "nothing");
    world.github.edit_comment(ENVIRONMENTS, "ben", old, "/trunkline hold prod");
    world.settle().await;
    say(&mut world, "ben", number, "/promote prdo").await;
    say(&mut world, "ben", number, "/promote prod v9.9").await;
    insta::assert_snapshot!(world.talk(number), @"
    comment by rob confused:trunkline[bot] eyes:trunkline[bot]
    /trunkline hold prod

    comment by trunkline[bot]
    <!-- trunkline:v1 reply-25 2d73cac16205da43 -->
    > `/trunkline hold prod`

    - ⛔ it needs the triage permission on this repository (`not-allowed`). **Next:** ask somebody who may; `/trunkline help` lists who may do what here


    comment by ben
    ```
    /trunkline hold prod
    ```
    > /trunkline hold prod

    <!-- /trunkline hold prod -->

    comment by ben
    /hold prod

    comment by ben
    /trunkline hold prod

    comment by ben confused:trunkline[bot] eyes:trunkline[bot]
    /promote prdo

    comment by trunkline[bot]
    <!-- trunkline:v1 reply-38 0ed2c2d370b3c817 -->
    > `/promote prdo`

    - ⛔ there is no environment `prdo` (`unknown-environment`). **Next:** the environments are dev, stage, prod


    comment by ben confused:trunkline[bot] eyes:trunkline[bot]
    /promote prod v9.9

    comment by trunkline[bot]
    <!-- trunkline:v1 reply-44 ba5874acc38d4c08 -->
    > `/promote prod v9.9`

    - ⛔ no tag of acme/shop names `v9.9` (`unknown-version`). **Next:** the newest versions are v0.9
    ");
    assert!(!world.sees().contains("holds:\n"));
}

#[tokio::test]
async fn e37_a_promotion_that_conflicts_is_made_anew() {
    let mut world = World::example().await;
    let sha = in_stage(&mut world).await;
    tag(&mut world, "v1.0", &sha).await;
    let bump = example("environments/prod/kustomization.yaml", "newTag: v0.9", "newTag: v0.9.5");
    world.github.push_files(ENVIRONMENTS, "main", "sam", "By hand", &[("environments/prod/kustomization.yaml", bump)]);
    world.settle().await;
    insta::assert_snapshot!(world.said(3), @"Closed, because it conflicts with its base in environments/prod/kustomization.yaml. A fresh promotion follows, made on what stands there now.");
    // How the version that stands there came is asked again a moment later.
    world.advance(Duration::from_secs(180)).await;
    insta::assert_snapshot!(world.pulls().join("\n"), @r#"
    #1 merged: "Promote shop 1123e8d to dev", by trunkline[bot]
    #2 merged: "Promote shop v1.0-rc.1 to stage", by trunkline[bot]
    #3 closed: "Promote shop v1.0 to prod", by trunkline[bot]
    #4 open: "Promote shop v1.0 to prod", by trunkline[bot]
    "#);
}

#[tokio::test]
async fn what_is_left_of_githubs_budgets_is_counted_by_installation() {
    let mut world = World::example().await;
    world.github.push_files(ENVIRONMENTS, "topic", "ben", "A note", &[("README.md", text("# Notes"))]);
    world.github.open_pull(ENVIRONMENTS, "ben", "topic", "main", "A note", "");
    let counted = world.counted_passes().await;
    // The check is the one write since; the sandbox always says that 4,999 requests are left.
    for line in [r#"",bucket="rest"} 4999"#, r#"",bucket="writes"} 49"#] {
        let found =
            counted.lines().any(|l| l.starts_with("trunkline_github_rate_limit_remaining{") && l.contains(line));
        assert!(found, "{line} is not in\n{counted}");
    }
}

#[tokio::test]
async fn a_push_that_changes_nothing_told_is_answered_by_its_check_alone() {
    let mut world = World::example().await;
    let path = "environments/prod/kustomization.yaml";
    let push = |world: &World, to: &str| {
        let files = [(path, example(path, "namespace:", to))];
        world.github.push_files(ENVIRONMENTS, "topic", "ben", "A change", &files);
    };
    push(&world, "namePrefix: a-\nnamespace:");
    world.github.open_pull(ENVIRONMENTS, "ben", "topic", "main", "A change", "");
    world.settle().await;
    let edits = |world: &World| world.github.requests().iter().filter(|r| r.path.contains("/issues/comments/")).count();
    let checks = |world: &World| world.github.requests().iter().filter(|r| r.path.ends_with("/check-runs")).count();
    let (before, checked) = (edits(&world), checks(&world));
    world.advance(Duration::from_secs(180)).await;
    push(&world, "namePrefix: a-\n# why\nnamespace:");
    world.settle().await;
    assert_eq!((edits(&world), checks(&world)), (before, checked + 1), "the same objects: a check, and no edit");
    world.advance(Duration::from_secs(180)).await;
    push(&world, "namePrefix: b-\nnamespace:");
    world.settle().await;
    assert_eq!((edits(&world), checks(&world)), (before + 1, checked + 2), "other objects: both");
}

#[tokio::test]
async fn an_hour_of_heads_costs_one_token_of_a_kind_and_repository() {
    let mut world = World::example().await;
    world.advance(Duration::from_secs(3600)).await;
    let since = world.github.requests().len();
    for n in 0..5 {
        let (branch, note) = (format!("topic-{n}"), format!("# Note {n}"));
        world.github.push_files(ENVIRONMENTS, &branch, "ben", "A note", &[("README.md", text(&note))]);
        world.github.open_pull(ENVIRONMENTS, "ben", &branch, "main", "A note", "");
        world.settle().await;
        world.advance(Duration::from_secs(480)).await;
    }
    let requests = world.github.requests();
    let of = |end: &str| requests[since..].iter().filter(|request| request.path.ends_with(end)).count();
    // To look, and to write; nothing else is left of the hour before.
    assert_eq!((of("/check-runs"), of("/access_tokens")), (5, 2));
}
