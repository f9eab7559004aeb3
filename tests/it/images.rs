//! Images in their registry: waited for, pinned, compared with what was tested, and no hindrance on the way back.

use std::time::Duration;

use trunkline::sandbox::seed::{CI, ENVIRONMENTS, SHOP};

use crate::faults::{act, hold};
use crate::stories::{desk, example, example_with, merge_to_trunk, pull, say, tag, text};
use crate::world::World;

const HOUR: Duration = Duration::from_secs(3600);
const IMAGES: [&str; 2] = ["ghcr.io/acme/shop-frontend", "ghcr.io/acme/shop-backend"];

/// The example with its registry listed, and what `ships` asks of prod.
async fn listed(matches: &str) -> World {
    let config = ".github/trunkline.yaml";
    let mut files = example_with(config, "version: 1\n", "version: 1\nregistries: [ghcr.io]\n");
    for (path, bytes) in &mut files {
        if *path == config {
            let text = String::from_utf8(bytes.clone()).unwrap();
            *bytes = text.replace("match: commit", &format!("match: {matches}")).into_bytes();
        }
    }
    World::with(&files).await
}

/// A build pushes both images.
fn push(world: &World, tag: &str, content: &str) {
    for image in IMAGES {
        world.github.push_image(image, tag, content);
    }
}

/// What an environment's file says of its images.
fn pins(world: &World, environment: &str) -> String {
    let path = world.github.repo_path(ENVIRONMENTS).unwrap();
    let file = format!("main:environments/{environment}/kustomization.yaml");
    let out = std::process::Command::new("git").arg("-C").arg(path).args(["show", &file]).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    text.lines().skip_while(|line| !line.starts_with("images:")).map(|line| format!("{line}\n")).collect()
}

/// Trunk in dev and the candidate in stage, with images of one build.
async fn in_stage(world: &mut World) -> String {
    let sha = world.github.push_files(SHOP, "main", "ann", "Sell more", &[("CHANGES", text("x"))]);
    push(world, &sha[..7], "built once");
    push(world, "v1.0-rc.1", "built once");
    world.github.add_check(SHOP, &sha, CI, "build", "success");
    world.settle().await;
    tag(world, "v1.0-rc.1", &sha).await;
    sha
}

async fn plan(world: &mut World, environment: &str) -> String {
    let number = desk(world).await;
    say(world, "rob", number, &format!("/trunkline plan {environment}")).await;
    let said = world.said(number);
    said.split_once("Nothing was done.\n\n").map_or(said.clone(), |(_, plan)| plan.to_owned())
}

#[tokio::test]
async fn e27_a_promotion_waits_for_its_images_and_pins_their_digests() {
    let mut world = listed("commit").await;
    let sha = merge_to_trunk(&mut world, "Sell more").await;
    assert_eq!(world.pulls(), [""; 0]);
    insta::assert_snapshot!(plan(&mut world, "dev").await, @"
    **`dev`**

    - ⏳ 1123e8d wants into dev (`entering`)
      - ✅ commit 1123e8d
      - ✅ the checks on 1123e8d have passed
      - ⏳ images that are not there as they should (`images`)
        - ⏳ the image shop-frontend:1123e8d is not in ghcr.io yet (`not-in-registry`). **Next:** it goes on by itself once the image is pushed
        - ⏳ the image shop-backend:1123e8d is not in ghcr.io yet (`not-in-registry`). **Next:** it goes on by itself once the image is pushed

    It would come as a pull request that Trunkline merges once every gate is open.

    `shop-frontend` `v0.9` → `1123e8d` · `shop-backend` `v0.9` → `1123e8d`

    Writes `environments/dev/kustomization.yaml` lines 9, 11.
    ");
    let short = &sha[..7];
    world.github.push_image(IMAGES[0], short, "front");
    world.advance(Duration::from_secs(31)).await;
    assert_eq!(world.pulls(), [""; 0], "one of two");
    world.github.push_image(IMAGES[1], short, "back");
    // Nothing tells of it: it is looked for again, after pauses that double.
    world.advance(Duration::from_secs(65)).await;
    insta::assert_snapshot!(world.pulls().join("\n"), @r#"#2 merged: "Promote shop 1123e8d to dev", by trunkline[bot]"#);
    insta::assert_snapshot!(pins(&world, "dev"), @"
    images: # Trunkline writes the tags; everything else here is yours.
      - name: ghcr.io/acme/shop-frontend
        newTag: f910cce
        digest: sha256:ef27141599eb8e4c02404ea9ac2ce2277bc10695e986ef5d7ec9238d265e1f76
      - name: ghcr.io/acme/shop-backend
        newTag: f910cce
        digest: sha256:586694c8563e54e20a87eef24629fbf1e42e8ff648292b3fd8d5ea7fcb66ddb9
    patches:
      - target: { kind: Ingress, name: shop }
        patch: |-
          - { op: replace, path: /spec/rules/0/host, value: dev.shop.example.com }
          - { op: replace, path: /spec/tls/0/hosts/0, value: dev.shop.example.com }
    ");
    insta::assert_snapshot!(world.check(world.newest_pull()), @"success: No new findings in dev (0 annotations)");
    // What it holds is known by its tag, digest or not.
    insta::assert_snapshot!(plan(&mut world, "dev").await, @"
    <!-- trunkline:v1 reply-60 d0b9cffd0fd81caa -->
    Nothing would happen: every environment holds what it should.
    ");
}

#[tokio::test]
async fn an_image_that_never_comes_is_a_plain_no_after_two_hours_and_no_failed_check() {
    let mut world = listed("commit").await;
    let sha = merge_to_trunk(&mut world, "Sell more").await;
    for _ in 0..9 {
        world.advance(Duration::from_secs(15 * 60)).await;
    }
    insta::assert_snapshot!(plan(&mut world, "dev").await, @"
    **`dev`**

    - ⛔ 1123e8d wants into dev (`entering`)
      - ✅ commit 1123e8d
      - ✅ the checks on 1123e8d have passed
      - ⛔ images that are not there as they should (`images`)
        - ⛔ the image shop-frontend:1123e8d is still not in ghcr.io, 2h after it was first looked for (`not-in-registry`). **Next:** push it, or correct that image in the configuration; then comment `/trunkline retry`
        - ⛔ the image shop-backend:1123e8d is still not in ghcr.io, 2h after it was first looked for (`not-in-registry`). **Next:** push it, or correct that image in the configuration; then comment `/trunkline retry`

    It would come as a pull request that Trunkline merges once every gate is open.

    `shop-frontend` `v0.9` → `1123e8d` · `shop-backend` `v0.9` → `1123e8d`

    Writes `environments/dev/kustomization.yaml` lines 9, 11.
    ");
    // The sweep still looks.
    push(&world, &sha[..7], "late");
    world.advance(Duration::from_secs(11)).await;
    world.sweep().await;
    insta::assert_snapshot!(world.pulls().join("\n"), @r#"#2 merged: "Promote shop 1123e8d to dev", by trunkline[bot]"#);
}

#[tokio::test]
async fn a_change_that_names_an_image_nobody_pushed_waits_and_is_told() {
    let mut world = listed("commit").await;
    let sha = in_stage(&mut world).await;
    tag(&mut world, "v1.0", &sha).await;
    let path = "environments/prod/kustomization.yaml";
    let number = pull(&mut world, "By hand", &[(path, example(path, "newTag: v0.9", "newTag: v1.0"))]).await;
    insta::assert_snapshot!(world.check(number), @"in_progress: Waits: the image shop-frontend:v1.0 is not in ghcr.io yet (and 3 more) (0 annotations)");
    insta::assert_snapshot!(world.said(number), @r"
    <!-- trunkline:v1 sticky 63179c6752fd118a -->
    ### Waits: the image shop-frontend:v1.0 is not in ghcr.io yet (and 3 more)

    This change alters 2 objects in `prod`.

    | Environment | Objects | In short | Findings |
    |:--|:--|:--|:--|
    | `prod` | \~2 | `shop-backend` `v0.9` → `v1.0` · `shop-frontend` `v0.9` → `v1.0` | none |

    #### Gates: v1.0 into prod

    - ✅ v1.0 is commit 4993ce1
    - ✅ the checks on 4993ce1 have passed
    - ⏳ images that are not there as they should (`images`)
      - ⏳ the image shop-frontend:v1.0 is not in ghcr.io yet (`not-in-registry`). **Next:** it goes on by itself once the image is pushed
      - ⏳ the image shop-backend:v1.0 is not in ghcr.io yet (`not-in-registry`). **Next:** it goes on by itself once the image is pushed
    - ✅ stage has held this commit since 2026-11-02 09:00 UTC
    - ✅ commit 4993ce1 was tested in stage
    - ⏳ soaks for 1h (`soak`), until 2026-11-02 10:00 UTC
    - ⏳ 0 of 1 approval from acme/sre (`approvals`). **Next:** acme/sre reviews and approves the newest commit

    <details><summary><code>prod</code>: 2 changed objects</summary>

    <details><summary><code>Deployment shop-prod/backend</code> changed (+1 −1)</summary>

    from [`environments/base/backend.yaml:1`](http://github.test/acme/environments/blob/482f47c4f6f4a5baef5ca6025136fd813c2d8bf5/environments/base/backend.yaml#L1)

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

    from [`environments/base/frontend.yaml:1`](http://github.test/acme/environments/blob/482f47c4f6f4a5baef5ca6025136fd813c2d8bf5/environments/base/frontend.yaml#L1)

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

    <sub>Checked at [`482f47c`](http://github.test/acme/environments/commit/482f47c4f6f4a5baef5ca6025136fd813c2d8bf5); a later commit with the same result changes nothing here. You can say `/trunkline status`, `/trunkline hold <env>`, `/trunkline help`.</sub>
    ");
    push(&world, "v1.0", "built once");
    world.advance(Duration::from_secs(60)).await;
    insta::assert_snapshot!(world.check(number), @"in_progress: Waits: soaks for 1h (and 1 more) (0 annotations)");
}

#[tokio::test]
async fn t32_a_digest_that_is_not_what_its_tag_names_does_not_enter_under_its_name() {
    let mut world = listed("commit").await;
    let sha = in_stage(&mut world).await;
    push(&world, "v1.0", "built once");
    tag(&mut world, "v1.0", &sha).await;
    let evil = world.github.push_image(IMAGES[1], "v0.0.1-evil", "evil");
    let path = "environments/prod/kustomization.yaml";
    let change = example(path, "newTag: v0.9", &format!("newTag: v1.0\n    digest: {evil}"));
    let number = pull(&mut world, "By hand", &[(path, change)]).await;
    insta::assert_snapshot!(world.check(number), @"failure: The image shop-frontend:v1.0 is sha256:3e2442afe262 in ghcr.io, and not sha256:d48855940024, which is written here (and 3 more) (0 annotations)");
    insta::assert_snapshot!(world.said(number), @r"
    <!-- trunkline:v1 sticky 954ca1f5d28db603 -->
    ### The image shop-frontend:v1.0 is sha256:3e2442afe262 in ghcr.io, and not sha256:d48855940024, which is written here (and 3 more)

    This change alters 2 objects in `prod`.

    | Environment | Objects | In short | Findings |
    |:--|:--|:--|:--|
    | `prod` | \~2 | `shop-backend` `v0.9` → `v1.0@sha256:d488559400247104dc9691fe63e1d83c9c4f383d06f1de7e3304a4068bf8f7dc` · `shop-frontend` `v0.9` → `v1.0@sha256:d488559400247104dc9691fe63e1d83c9c4f383d06f1de7e3304a4068bf8f7dc` | none |

    #### This will not go in as it is: v1.0 into prod

    - ✅ v1.0 is commit 4993ce1
    - ✅ the checks on 4993ce1 have passed
    - ⛔ images that are not there as they should (`images`)
      - ⛔ the image shop-frontend:v1.0 is sha256:3e2442afe262 in ghcr.io, and not sha256:d48855940024, which is written here (`other-build`). **Next:** pin that one, or leave the digest out
      - ⛔ the image shop-backend:v1.0 is sha256:3e2442afe262 in ghcr.io, and not sha256:d48855940024, which is written here (`other-build`). **Next:** pin that one, or leave the digest out
    - ✅ stage has held this commit since 2026-11-02 09:00 UTC
    - ✅ commit 4993ce1 was tested in stage
    - ⏳ soaks for 1h (`soak`), until 2026-11-02 10:00 UTC
    - ⏳ 0 of 1 approval from acme/sre (`approvals`). **Next:** acme/sre reviews and approves the newest commit

    <details><summary><code>prod</code>: 2 changed objects</summary>

    <details><summary><code>Deployment shop-prod/backend</code> changed (+1 −1)</summary>

    from [`environments/base/backend.yaml:1`](http://github.test/acme/environments/blob/3aa004377c41a07922e214ba29bbeed164f73966/environments/base/backend.yaml#L1)

    ```diff
    @@ spec.template.spec.containers[backend] @@
           automountServiceAccountToken: false
           containers:
           - name: backend
    -        image: ghcr.io/acme/shop-backend:v0.9
    +        image: ghcr.io/acme/shop-backend:v1.0@sha256:d488559400247104dc9691fe63e1d83c9c4f383d06f1de7e3304a4068bf8f7dc
             env:
             - name: DATABASE_PASSWORD
               valueFrom:
    ```

    </details>

    <details><summary><code>Deployment shop-prod/frontend</code> changed (+1 −1)</summary>

    from [`environments/base/frontend.yaml:1`](http://github.test/acme/environments/blob/3aa004377c41a07922e214ba29bbeed164f73966/environments/base/frontend.yaml#L1)

    ```diff
    @@ spec.template.spec.containers[frontend] @@
           automountServiceAccountToken: false
           containers:
           - name: frontend
    -        image: ghcr.io/acme/shop-frontend:v0.9
    +        image: ghcr.io/acme/shop-frontend:v1.0@sha256:d488559400247104dc9691fe63e1d83c9c4f383d06f1de7e3304a4068bf8f7dc
             env:
             - name: API_URL
               value: http://backend:8080
    ```

    </details>

    </details>

    <sub>Checked at [`3aa0043`](http://github.test/acme/environments/commit/3aa004377c41a07922e214ba29bbeed164f73966); a later commit with the same result changes nothing here. You can say `/trunkline status`, `/trunkline hold <env>`, `/trunkline help`.</sub>
    ");
}

#[tokio::test]
async fn production_ships_the_very_image_that_stage_ran() {
    let mut world = listed("digest").await;
    let sha = in_stage(&mut world).await;
    push(&world, "v1.0", "built once");
    tag(&mut world, "v1.0", &sha).await;
    let number = world.newest_pull();
    world.advance(HOUR).await;
    world.github.review(ENVIRONMENTS, "sue", number, "APPROVED");
    world.settle().await;
    insta::assert_snapshot!(world.said(number), @r#"
    <!-- trunkline:v1 sticky 0d16431565f3d4b9 -->
    ### No new findings in prod

    This change alters 2 objects in `prod`.

    ```mermaid
    flowchart LR
      source(["shop"])
      e0["dev<br>4993ce1"]
      e1["stage<br>v1.0-rc.1"]
      e2["prod<br>v0.9"]
      source --> e0
      e0 --> e1
      e1 ==>|"v1.0"| e2
      style e2 stroke-width:3px
    ```

    #### Every gate is open: v1.0 into prod

    - ✅ v1.0 is commit 4993ce1
    - ✅ the checks on 4993ce1 have passed
    - ✅ shop-frontend:v1.0 is the very image that stage ran (sha256:3e2442afe262); shop-backend:v1.0 is the very image that stage ran (sha256:3e2442afe262)
    - ✅ stage has held this commit since 2026-11-02 09:00 UTC
    - ✅ commit 4993ce1 was tested in stage; only that very image enters
    - ✅ soaked for 1h
    - ✅ approved by sue

    <details><summary><code>prod</code>: 2 changed objects</summary>

    <details><summary><code>Deployment shop-prod/backend</code> changed (+1 −1)</summary>

    from [`environments/base/backend.yaml:1`](http://github.test/acme/environments/blob/c67a16aa46237d33f30785f63046b5c4c485922b/environments/base/backend.yaml#L1)

    ```diff
    @@ spec.template.spec.containers[backend] @@
           automountServiceAccountToken: false
           containers:
           - name: backend
    -        image: ghcr.io/acme/shop-backend:v0.9
    +        image: ghcr.io/acme/shop-backend:v1.0@sha256:3e2442afe262afd71ee3d42c46cb4931da86738f689183a338155533c12d8c82
             env:
             - name: DATABASE_PASSWORD
               valueFrom:
    ```

    </details>

    <details><summary><code>Deployment shop-prod/frontend</code> changed (+1 −1)</summary>

    from [`environments/base/frontend.yaml:1`](http://github.test/acme/environments/blob/c67a16aa46237d33f30785f63046b5c4c485922b/environments/base/frontend.yaml#L1)

    ```diff
    @@ spec.template.spec.containers[frontend] @@
           automountServiceAccountToken: false
           containers:
           - name: frontend
    -        image: ghcr.io/acme/shop-frontend:v0.9
    +        image: ghcr.io/acme/shop-frontend:v1.0@sha256:3e2442afe262afd71ee3d42c46cb4931da86738f689183a338155533c12d8c82
             env:
             - name: API_URL
               value: http://backend:8080
    ```

    </details>

    </details>

    <sub>Checked at [`c67a16a`](http://github.test/acme/environments/commit/c67a16aa46237d33f30785f63046b5c4c485922b); a later commit with the same result changes nothing here. You can say `/trunkline cancel`, `/trunkline hold <env>`, `/trunkline help`.</sub>
    "#);
    world.github.merge_pull(ENVIRONMENTS, "ben", number);
    world.settle().await;
    insta::assert_snapshot!(pins(&world, "prod"), @"
    images: # Trunkline writes the tags; everything else here is yours.
      - name: ghcr.io/acme/shop-frontend
        newTag: v1.0
        digest: sha256:3e2442afe262afd71ee3d42c46cb4931da86738f689183a338155533c12d8c82
      - name: ghcr.io/acme/shop-backend
        newTag: v1.0
        digest: sha256:3e2442afe262afd71ee3d42c46cb4931da86738f689183a338155533c12d8c82
    patches:
      - target: { kind: Ingress, name: shop }
        patch: |-
          - { op: replace, path: /spec/rules/0/host, value: shop.example.com }
          - { op: replace, path: /spec/tls/0/hosts/0, value: shop.example.com }
      - target: { kind: HorizontalPodAutoscaler }
        patch: |-
          - { op: replace, path: /spec/minReplicas, value: 2 }
      - path: database.yaml
    ");
}

#[tokio::test]
async fn a_release_nobody_built_again_is_deployed_by_the_tested_digest() {
    let mut world = listed("digest").await;
    let sha = in_stage(&mut world).await;
    tag(&mut world, "v1.0", &sha).await;
    let number = world.newest_pull();
    insta::assert_snapshot!(world.body(number), @"
    body:
    <!-- trunkline:v1 promotion 7ed7398d3ec925db -->
    Brings `shop` in `prod` from `v0.9` ([`68113e6`](http://github.test/acme/shop/commit/68113e662d18f396ee6e25c677f274c6d66acc1a)) to **`v1.0` ([`4993ce1`](http://github.test/acme/shop/commit/4993ce1d5de83dac8bed3dd2c82df2f0abb7fcc3))**. ann pushed the tag v1.0.

    | Images |
    |:--|
    | `shop-frontend` `v0.9` → `v1.0` · `shop-backend` `v0.9` → `v1.0` |

    Writes `environments/prod/kustomization.yaml` lines 10, 12.

    ### What is new

    1 commit ([see the comparison](http://github.test/acme/shop/compare/68113e662d18f396ee6e25c677f274c6d66acc1a...4993ce1d5de83dac8bed3dd2c82df2f0abb7fcc3))

    - [`4993ce1`](http://github.test/acme/shop/commit/4993ce1d5de83dac8bed3dd2c82df2f0abb7fcc3) Sell more by `ann`

    ---
    What it waits for stands in the comment below, which is kept up to date. Closing this pull request rejects `v1.0` for `prod` until a newer version comes; `/trunkline hold prod` stops everything here.
    ");
    insta::assert_snapshot!(world.check(number), @"in_progress: Waits: soaks for 1h (and 1 more) (0 annotations)");
    world.advance(HOUR).await;
    world.github.review(ENVIRONMENTS, "sue", number, "APPROVED");
    world.settle().await;
    assert_eq!(world.check(number), "success: No new findings in prod (0 annotations)");
}

#[tokio::test]
async fn another_build_of_the_tested_commit_is_not_what_was_tested() {
    let mut world = listed("digest").await;
    let sha = in_stage(&mut world).await;
    push(&world, "v1.0", "built again");
    tag(&mut world, "v1.0", &sha).await;
    insta::assert_snapshot!(world.pulls().join("\n"), @r#"
    #1 merged: "Promote shop 4993ce1 to dev", by trunkline[bot]
    #2 merged: "Promote shop v1.0-rc.1 to stage", by trunkline[bot]
    "#);
    insta::assert_snapshot!(plan(&mut world, "prod").await, @"
    **`prod`**

    - ⛔ v1.0 wants into prod (`entering`)
      - ✅ v1.0 is commit 4993ce1
      - ✅ the checks on 4993ce1 have passed
      - ⛔ images that are not there as they should (`images`)
        - ⛔ the image shop-frontend:v1.0 is another build (sha256:2a86138f16af) than what stage ran (sha256:3e2442afe262) (`other-build`). **Next:** tag the image that stage ran as v1.0, or use `match: commit` in `ships`
        - ⛔ the image shop-backend:v1.0 is another build (sha256:2a86138f16af) than what stage ran (sha256:3e2442afe262) (`other-build`). **Next:** tag the image that stage ran as v1.0, or use `match: commit` in `ships`
      - ✅ stage has held this commit since 2026-11-02 09:00 UTC
      - ✅ commit 4993ce1 was tested in stage; only that very image enters
      - ⏳ soaks for 1h (`soak`), until 2026-11-02 10:00 UTC
      - ⏳ needs 1 approval from acme/sre (`approvals`). **Next:** acme/sre reviews the pull request once it is open

    It would come as a pull request that a person merges once every gate is open.

    `shop-frontend` `v0.9` → `v1.0` · `shop-backend` `v0.9` → `v1.0`

    Writes `environments/prod/kustomization.yaml` lines 10, 12.
    ");
    // The way out: the tested image gets the tag.
    push(&world, "v1.0", "built once");
    world.advance(Duration::from_secs(61)).await;
    world.sweep().await;
    insta::assert_snapshot!(world.pulls().join("\n"), @r#"
    #1 merged: "Promote shop 4993ce1 to dev", by trunkline[bot]
    #2 merged: "Promote shop v1.0-rc.1 to stage", by trunkline[bot]
    #4 open: "Promote shop v1.0 to prod", by trunkline[bot]
    "#);
}

#[tokio::test]
async fn what_stage_ran_without_a_digest_is_what_its_tag_names_and_said_so() {
    // Stage was not pinned: its registry was listed only later.
    let config = ".github/trunkline.yaml";
    let mut world = World::example().await;
    let sha = crate::stories::in_stage(&mut world).await;
    for name in ["v1.0-rc.1", "v1.0"] {
        push(&world, name, "built once");
    }
    let later = example(config, "version: 1\n", "version: 1\nregistries: [ghcr.io]\n").unwrap();
    let later = String::from_utf8(later).unwrap().replace("match: commit", "match: digest");
    world.github.push_files(ENVIRONMENTS, "main", "sam", "List the registry", &[(config, text(&later))]);
    world.settle().await;
    tag(&mut world, "v1.0", &sha).await;
    insta::assert_snapshot!(plan(&mut world, "prod").await, @"
    **`prod`**

    - ⏳ v1.0 wants into prod (`entering`)
      - ✅ v1.0 is commit 1123e8d
      - ✅ the checks on 1123e8d have passed
      - ✅ shop-frontend:v1.0 is the very image that stage ran (sha256:3e2442afe262, as v1.0-rc.1 names it now); shop-backend:v1.0 is the very image that stage ran (sha256:3e2442afe262, as v1.0-rc.1 names it now)
      - ✅ stage has held this commit since 2026-11-02 09:00 UTC
      - ✅ commit 1123e8d was tested in stage; only that very image enters
      - ⏳ soaks for 1h (`soak`), until 2026-11-02 10:00 UTC
      - ⏳ 0 of 1 approval from acme/sre (`approvals`). **Next:** acme/sre reviews and approves the newest commit

    It is in [pull request 3](http://github.test/acme/environments/pull/3), which a person merges once every gate is open.

    `shop-frontend` `v0.9` → `v1.0` · `shop-backend` `v0.9` → `v1.0`

    Writes `environments/prod/kustomization.yaml` lines 10, 12.
    ");
}

#[tokio::test]
async fn digests_without_a_listed_registry_are_refused_in_words() {
    let mut world = World::with(&example_with(".github/trunkline.yaml", "match: commit", "match: digest")).await;
    let sha = crate::stories::in_stage(&mut world).await;
    tag(&mut world, "v1.0", &sha).await;
    insta::assert_snapshot!(plan(&mut world, "prod").await, @"
    **`prod`**

    - ⛔ v1.0 wants into prod (`entering`)
      - ✅ v1.0 is commit 1123e8d
      - ✅ the checks on 1123e8d have passed
      - ✅ stage has held this commit since 2026-11-02 09:00 UTC
      - ⛔ `match: digest` needs a look into the registry of ghcr.io/acme/shop-frontend, which is not listed (`ships-digest`). **Next:** list it under `registries`, or use `match: commit` in `ships`
      - ⏳ soaks for 1h (`soak`), until 2026-11-02 10:00 UTC
      - ⏳ 0 of 1 approval from acme/sre (`approvals`). **Next:** acme/sre reviews and approves the newest commit

    It is in [pull request 3](http://github.test/acme/environments/pull/3), which a person merges once every gate is open.

    `shop-frontend` `v0.9` → `v1.0` · `shop-backend` `v0.9` → `v1.0`

    Writes `environments/prod/kustomization.yaml` lines 10, 12.
    ");
}

#[tokio::test]
async fn e24_a_way_back_needs_no_registry_and_restores_the_very_image() {
    let mut world = listed("commit").await;
    let sha = in_stage(&mut world).await;
    let before = pins(&world, "stage");
    let next = world.github.push_files(SHOP, "main", "ann", "Sell even more", &[("CHANGES", text("y"))]);
    push(&world, &next[..7], "built twice");
    push(&world, "v1.0-rc.2", "built twice");
    world.github.add_check(SHOP, &next, CI, "build", "success");
    world.settle().await;
    tag(&mut world, "v1.0-rc.2", &next).await;
    assert!(pins(&world, "stage").contains("v1.0-rc.2"), "{}", pins(&world, "stage"));
    for image in IMAGES {
        world.github.delete_image(image, "v1.0-rc.1");
    }
    let number = desk(&mut world).await;
    say(&mut world, "sam", number, "/rollback stage").await;
    assert_eq!(pins(&world, "stage"), before, "{sha}");
}

#[tokio::test]
async fn an_image_that_arrives_survives_every_fault() {
    let mut start = listed("commit").await;
    merge_to_trunk(&mut start, "Sell more").await;
    let act = act!(world, {
        let sha = world.github.branch_tip(SHOP, "main");
        push(world, &sha[..7], "built once");
        world.advance(Duration::from_secs(40)).await;
    });
    hold(&start, act).await;
}
