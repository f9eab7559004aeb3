//! What people read and ask: the promotion's comment, questions and their answers, the end of a promotion by a word.

use std::time::Duration;

use trunkline::sandbox::seed::{self, CI, ENVIRONMENTS, SHOP};

use crate::faults::{act, hold};
use crate::stories::{desk, example, in_prod, in_stage, merge_to_trunk, pull, say, tag, text};
use crate::world::World;

const HOUR: Duration = Duration::from_secs(3600);

/// Production's promotion of `v1.0` is open; the answer is its number.
async fn asked_for_prod(world: &mut World) -> u64 {
    let sha = in_stage(world).await;
    tag(world, "v1.0", &sha).await;
    world.newest_pull()
}

fn open(world: &World) -> Vec<String> {
    world.pulls().into_iter().filter(|pull| pull.contains(" open")).collect()
}

#[tokio::test]
async fn the_comment_on_a_promotion_shows_how_it_stands() {
    let mut world = World::example().await;
    let number = asked_for_prod(&mut world).await;
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
    let before = world.said(number);
    // A newer commit on trunk changes the picture, and nothing else; a person's hold shows at once.
    merge_to_trunk(&mut world, "Sell even more").await;
    let after = world.said(number);
    assert_ne!(before, after);
    say(&mut world, "ann", number, "/trunkline hold prod the fair is on").await;
    insta::assert_snapshot!(crate::faults::difference(&after, &world.first_said(number)), @r#"
    @@ -1,5 +1,5 @@
    -<!-- trunkline:v1 sticky 1adf9ddd670c21b1 -->
    -### Waits: soaks for 1h (and 1 more)
    +<!-- trunkline:v1 sticky 95c9cabaf4cb7562 -->
    +### Waits: soaks for 1h (and 2 more)
     
     This change alters 2 objects in `prod`.
     
    @@ -8,11 +8,13 @@
       source(["shop"])
       e0["dev<br>b6a3150"]
       e1["stage<br>v1.0-rc.1"]
    -  e2["prod<br>v0.9"]
    +  e2["prod<br>v0.9<br>✋ held"]
       source --> e0
       e0 --> e1
       e1 ==>|"v1.0"| e2
       style e2 stroke-width:3px
    +  classDef stopped stroke-dasharray:5
    +  class e2 stopped
     ```
     
     #### Gates: v1.0 into prod
    @@ -22,6 +24,7 @@
     - ✅ stage has held this commit since 2026-11-02 09:00 UTC
     - ✅ commit 1123e8d was tested in stage
     - ⏳ soaks for 1h (`soak`), until 2026-11-02 10:00 UTC
    +- ⏳ held by ann since 2026-11-02 09:00 UTC: the fair is on (`held`). **Next:** ann or somebody with the rollback right comments `/trunkline unhold prod`
     - ⏳ 0 of 1 approval from acme/sre (`approvals`). **Next:** acme/sre reviews and approves the newest commit
     
     <details><summary><code>prod</code>: 2 changed objects</summary>
    "#);
    // The description was written once and is still true.
    assert!(!world.body(number).contains("soak"), "{}", world.body(number));
}

#[tokio::test]
async fn e22_a_promotion_is_cancelled_by_a_word() {
    let mut world = World::example().await;
    let number = asked_for_prod(&mut world).await;
    say(&mut world, "ann", number, "/trunkline cancel").await;
    insta::assert_snapshot!(world.talk(number).split("comment by").last().unwrap(), @"
     trunkline[bot]
    Closed, because `ann` cancelled it ([said here](http://github.test/acme/environments/pull/3#issuecomment-89)). It stays out until a newer version comes, or somebody asks for it by `/promote`.
    ");
    assert_eq!(open(&world), [""; 0]);
    let desk = desk(&mut world).await;
    say(&mut world, "rob", desk, "/trunkline status prod").await;
    insta::assert_snapshot!(world.said(desk), @"
    <!-- trunkline:v1 reply-100 6f1c2a487178f01b -->
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
      - ⛔ ann cancelled v1.0 on 2026-11-02 09:00 UTC (`rejected`). **Next:** comment `/promote prod v1.0` to ask for it again
    ");
    // It stays out, whatever wakes it, until somebody asks for it.
    world.advance(HOUR * 2).await;
    world.lose_everything().await;
    world.advance(Duration::from_secs(60)).await;
    world.sweep().await;
    assert_eq!(open(&world), [""; 0]);
    say(&mut world, "ann", desk, "/promote prod v1.0").await;
    assert_eq!(open(&world).len(), 1, "{:?}", world.pulls());
    assert_ne!(world.newest_pull(), number);
}

#[tokio::test]
async fn e22_something_newer_comes_after_a_cancelled_promotion() {
    let mut world = World::example().await;
    let number = asked_for_prod(&mut world).await;
    let desk = desk(&mut world).await;
    say(&mut world, "ann", desk, "/trunkline cancel prod").await;
    assert_eq!(open(&world), [""; 0]);
    let sha = world.github.branch_tip(SHOP, "main");
    tag(&mut world, "v1.1", &sha).await;
    assert_eq!(open(&world).len(), 1, "{:?}", world.pulls());
    assert!(world.newest_pull() > number);
}

#[tokio::test]
async fn a_cancelled_rollback_does_not_come_back() {
    let mut world = World::with(&crate::stories::example_with(
        ".github/trunkline.yaml",
        "rollback: [acme/sre]",
        "rollback: [acme/sre], promote: [acme/sre]",
    ))
    .await;
    in_prod(&mut world).await;
    let desk = desk(&mut world).await;
    say(&mut world, "sue", desk, "/rollback prod").await;
    assert_eq!(open(&world).len(), 1, "{:?}", world.pulls());
    // Writers who are not in the team may not.
    say(&mut world, "ann", desk, "/trunkline cancel prod").await;
    insta::assert_snapshot!(world.said(desk), @"
    <!-- trunkline:v1 reply-128 c5e8b8ca7c4ae4ff -->
    > `/trunkline cancel prod`

    - ⛔ it needs a member of acme/sre (`not-allowed`). **Next:** ask somebody who may; `/trunkline help` lists who may do what here
    ");
    say(&mut world, "sue", desk, "/trunkline cancel prod").await;
    assert_eq!(open(&world), [""; 0]);
    world.sweep().await;
    assert_eq!(open(&world), [""; 0]);
}

#[tokio::test]
async fn cancel_says_what_it_needs() {
    let mut world = World::example().await;
    let desk = desk(&mut world).await;
    say(&mut world, "ann", desk, "/trunkline cancel\n/trunkline cancel prod\n/trunkline cancle prod").await;
    insta::assert_snapshot!(world.said(desk), @"
    <!-- trunkline:v1 reply-25 67d41ffdb4e61056 -->
    > `/trunkline cancel`

    - ⛔ this is no promotion of Trunkline's (`which-promotion`). **Next:** name the environment: `/trunkline cancel <env>`, one of dev, stage, prod

    > `/trunkline cancel prod`

    - ⛔ no promotion of shop into prod is open (`nothing-open`). **Next:** `/trunkline status prod` shows what is; to keep promotions out, comment `/trunkline hold prod`

    > `/trunkline cancle prod`

    There is no command `cancle`. Did you mean `/trunkline cancel`?
    ");
    let number = asked_for_prod(&mut world).await;
    say(&mut world, "rob", number, "/trunkline cancel").await;
    insta::assert_snapshot!(world.said(number), @"
    <!-- trunkline:v1 reply-96 19e0ae1756204c00 -->
    > `/trunkline cancel`

    - ⛔ it needs the write permission on this repository (`not-allowed`). **Next:** ask somebody who may; `/trunkline help` lists who may do what here
    ");
    assert_eq!(open(&world).len(), 1);
}

#[tokio::test]
async fn cancelling_survives_every_fault() {
    let mut start = World::example().await;
    asked_for_prod(&mut start).await;
    let act = act!(world, {
        let number = world.newest_pull();
        world.github.comment(ENVIRONMENTS, "ann", number, "/trunkline cancel");
        world.settle().await;
    });
    hold(&start, act).await;
}

#[tokio::test]
async fn status_and_plan_speak_as_the_check_does() {
    let mut world = World::example().await;
    let number = asked_for_prod(&mut world).await;
    let desk = desk(&mut world).await;
    world.github.review(ENVIRONMENTS, "ann", number, "APPROVED");
    world.settle().await;
    say(&mut world, "rob", desk, "/trunkline status prod").await;
    insta::assert_snapshot!(world.said(desk), @"
    <!-- trunkline:v1 reply-93 ceeda1a7c3cbceae -->
    | Environment | Version | Since | Next |
    |:--|:--|:--|:--|
    | `prod` | `v0.9` [`68113e6`](http://github.test/acme/shop/commit/68113e662d18f396ee6e25c677f274c6d66acc1a) | 2026-11-02 09:00 UTC | `v1.0` in [pull request 3](http://github.test/acme/environments/pull/3): ⏳ `soak`, `approvals` |

    **`prod`**

    - ⏳ v1.0 wants into prod (`entering`)
      - ✅ v1.0 is commit 1123e8d
      - ✅ the checks on 1123e8d have passed
      - ✅ stage has held this commit since 2026-11-02 09:00 UTC
      - ✅ commit 1123e8d was tested in stage
      - ⏳ soaks for 1h (`soak`), until 2026-11-02 10:00 UTC
      - ⏳ 0 of 1 approval from acme/sre (`approvals`). **Next:** acme/sre reviews and approves the newest commit
        - ⛔ ann's approval does not count: they tagged, wrote or asked for this version (`four-eyes`)
    ");
    // The gates are the very lines of the promotion's own comment.
    let said = world.said(desk);
    let comment = world.first_said(number);
    let is_gate = |line: &&str| ["- ✅", "- ⏳", "- ⛔"].iter().any(|mark| line.starts_with(mark));
    let gates: Vec<&str> = comment.lines().filter(is_gate).collect();
    assert!(gates.len() > 4, "{comment}");
    for gate in gates {
        assert!(said.contains(gate), "{gate}\n{said}");
    }
    say(&mut world, "rob", desk, "/trunkline plan").await;
    insta::assert_snapshot!(world.said(desk), @"
    <!-- trunkline:v1 reply-99 6588a0b12e1ebf7e -->
    This is what would happen now. Nothing was done.

    **`prod`**

    - ⏳ v1.0 wants into prod (`entering`)
      - ✅ v1.0 is commit 1123e8d
      - ✅ the checks on 1123e8d have passed
      - ✅ stage has held this commit since 2026-11-02 09:00 UTC
      - ✅ commit 1123e8d was tested in stage
      - ⏳ soaks for 1h (`soak`), until 2026-11-02 10:00 UTC
      - ⏳ 0 of 1 approval from acme/sre (`approvals`). **Next:** acme/sre reviews and approves the newest commit
        - ⛔ ann's approval does not count: they tagged, wrote or asked for this version (`four-eyes`)

    It is in [pull request 3](http://github.test/acme/environments/pull/3), which a person merges once every gate is open.

    `shop-frontend` `v0.9` → `v1.0` · `shop-backend` `v0.9` → `v1.0`

    Writes `environments/prod/kustomization.yaml` lines 10, 12.
    ");
}

#[tokio::test]
async fn a_version_is_foreseen() {
    let mut world = World::example().await;
    let sha = in_stage(&mut world).await;
    let desk = desk(&mut world).await;
    // Two tags that nobody would promote by themselves any more: one is lower than the newest.
    world.github.create_tag(SHOP, "v1.1", &sha, "ann", false);
    tag(&mut world, "v1.0", &sha).await;
    say(&mut world, "rob", desk, "/trunkline plan prod v1.0\n/trunkline plan prod v0.1\n/trunkline plan prod v0.9")
        .await;
    insta::assert_snapshot!(world.said(desk), @"
    <!-- trunkline:v1 reply-91 572b925d6db3dc88 -->
    > `/trunkline plan prod v1.0`

    This is what would happen now. Nothing was done.

    **`prod`**

    - ⏳ v1.0 wants into prod (`entering`)
      - ✅ v1.0 is commit 1123e8d
      - ✅ the checks on 1123e8d have passed
      - ✅ stage has held this commit since 2026-11-02 09:00 UTC
      - ✅ commit 1123e8d was tested in stage
      - ⏳ soaks for 1h (`soak`), until 2026-11-02 10:00 UTC
      - ⏳ needs 1 approval from acme/sre (`approvals`). **Next:** acme/sre reviews the pull request once it is open

    It would come as a pull request that a person merges once every gate is open.

    `shop-frontend` `v0.9` → `v1.0` · `shop-backend` `v0.9` → `v1.0`

    Writes `environments/prod/kustomization.yaml` lines 10, 12.

    To ask for it: `/promote prod v1.0`

    > `/trunkline plan prod v0.1`

    It would not enter `prod`:

    - ⛔ no tag of acme/shop names `v0.1` (`unknown-version`). **Next:** the newest versions are v1.1, v1.0, v1.0-rc.1, v0.9

    > `/trunkline plan prod v0.9`

    It would not enter `prod`:

    - ⛔ prod holds v0.9 already (`already-there`). **Next:** nothing: it is there
    ");
}

#[tokio::test]
async fn environments_are_compared() {
    let mut world = World::example().await;
    in_stage(&mut world).await;
    merge_to_trunk(&mut world, "Sell even more").await;
    let desk = desk(&mut world).await;
    say(&mut world, "rob", desk, "/trunkline diff stage prod").await;
    insta::assert_snapshot!(world.said(desk), @r"
    <!-- trunkline:v1 reply-99 85dcd7e5db1a25d1 -->
    **`shop`: from `stage` to `prod`**

    | Environment | Version | Since |
    |:--|:--|:--|
    | `stage` | `v1.0-rc.1` [`1123e8d`](http://github.test/acme/shop/commit/1123e8de8679e904d437e0db2336d5d538c4d7dc) | 2026-11-02 09:00 UTC |
    | `prod` | `v0.9` [`68113e6`](http://github.test/acme/shop/commit/68113e662d18f396ee6e25c677f274c6d66acc1a) | 2026-11-02 09:00 UTC |

    1 commit in `stage` that `prod` has not ([see the comparison](http://github.test/acme/shop/compare/68113e662d18f396ee6e25c677f274c6d66acc1a...1123e8de8679e904d437e0db2336d5d538c4d7dc))

    - [`1123e8d`](http://github.test/acme/shop/commit/1123e8de8679e904d437e0db2336d5d538c4d7dc) Sell more by `ann`

    8 objects differ (+2 \~6): `shop-backend` `v1.0-rc.1` → `v0.9` · `shop-frontend` `v1.0-rc.1` → `v0.9` · min replicas `backend` `1` → `2` · min replicas `frontend` `1` → `2` · cpu request `database/postgres` `100m` → `500m` · memory request `database/postgres` `256Mi` → `1Gi` · memory limit `database/postgres` `512Mi` → `2Gi`

    What is removed and lines with `-` are `stage`'s, what is added and lines with `+` are `prod`'s; namespaces and affixes of names aside.

    <details><summary><code>prod</code>: 8 changed objects</summary>

    <details><summary><code>Deployment shop-prod/backend</code> changed (+1 −1)</summary>

    from [`environments/base/backend.yaml:1`](http://github.test/acme/environments/blob/8b3d23e581a6924d1b2fedef07b357b2f707ba80/environments/base/backend.yaml#L1)

    ```diff
    @@ spec.template.spec.containers[backend] @@
           automountServiceAccountToken: false
           containers:
           - name: backend
    -        image: ghcr.io/acme/shop-backend:v1.0-rc.1
    +        image: ghcr.io/acme/shop-backend:v0.9
             env:
             - name: DATABASE_PASSWORD
               valueFrom:
    ```

    </details>

    <details><summary><code>Deployment shop-prod/frontend</code> changed (+1 −1)</summary>

    from [`environments/base/frontend.yaml:1`](http://github.test/acme/environments/blob/8b3d23e581a6924d1b2fedef07b357b2f707ba80/environments/base/frontend.yaml#L1)

    ```diff
    @@ spec.template.spec.containers[frontend] @@
           automountServiceAccountToken: false
           containers:
           - name: frontend
    -        image: ghcr.io/acme/shop-frontend:v1.0-rc.1
    +        image: ghcr.io/acme/shop-frontend:v0.9
             env:
             - name: API_URL
               value: http://backend:8080
    ```

    </details>

    <details><summary><code>StatefulSet shop-prod/database</code> changed (+3 −3)</summary>

    from [`environments/base/database.yaml:1`](http://github.test/acme/environments/blob/8b3d23e581a6924d1b2fedef07b357b2f707ba80/environments/base/database.yaml#L1)

    ```diff
    @@ spec.template.spec.containers[postgres].resources @@
                 - shop
             resources:
               limits:
    -            memory: 512Mi
    +            memory: 2Gi
               requests:
    -            cpu: 100m
    -            memory: 256Mi
    +            cpu: 500m
    +            memory: 1Gi
             securityContext:
               allowPrivilegeEscalation: false
               capabilities:
    ```

    </details>

    <details><summary><code>HorizontalPodAutoscaler shop-prod/backend</code> changed (+1 −1)</summary>

    from [`environments/base/backend.yaml:59`](http://github.test/acme/environments/blob/8b3d23e581a6924d1b2fedef07b357b2f707ba80/environments/base/backend.yaml#L59)

    ```diff
    @@ spec @@
             averageUtilization: 70
             type: Utilization
         type: Resource
    -  minReplicas: 1
    +  minReplicas: 2
       scaleTargetRef:
         apiVersion: apps/v1
         kind: Deployment
    ```

    </details>

    <details><summary><code>HorizontalPodAutoscaler shop-prod/frontend</code> changed (+1 −1)</summary>

    from [`environments/base/frontend.yaml:53`](http://github.test/acme/environments/blob/8b3d23e581a6924d1b2fedef07b357b2f707ba80/environments/base/frontend.yaml#L53)

    ```diff
    @@ spec @@
             averageUtilization: 70
             type: Utilization
         type: Resource
    -  minReplicas: 1
    +  minReplicas: 2
       scaleTargetRef:
         apiVersion: apps/v1
         kind: Deployment
    ```

    </details>

    <details><summary><code>Ingress shop-prod/shop</code> changed (+2 −2)</summary>

    from [`environments/base/ingress.yaml:1`](http://github.test/acme/environments/blob/8b3d23e581a6924d1b2fedef07b357b2f707ba80/environments/base/ingress.yaml#L1)

    ```diff
    @@ spec.rules @@
     spec:
       ingressClassName: nginx
       rules:
    -  - host: stage.shop.example.com
    +  - host: shop.example.com
         http:
           paths:
           - backend:
    @@ spec.tls[0].hosts @@
             pathType: Prefix
       tls:
       - hosts:
    -    - stage.shop.example.com
    +    - shop.example.com
         secretName: shop-tls
    ```

    </details>

    <details><summary><code>PodDisruptionBudget shop-prod/backend</code> added (+10 −0)</summary>

    from [`environments/prod/disruption.yaml:11`](http://github.test/acme/environments/blob/8b3d23e581a6924d1b2fedef07b357b2f707ba80/environments/prod/disruption.yaml#L11)

    ```diff
    +apiVersion: policy/v1
    +kind: PodDisruptionBudget
    +metadata:
    +  name: backend
    +  namespace: shop-prod
    +spec:
    +  maxUnavailable: 1
    +  selector:
    +    matchLabels:
    +      app: backend
    ```

    </details>

    <details><summary><code>PodDisruptionBudget shop-prod/frontend</code> added (+10 −0)</summary>

    from [`environments/prod/disruption.yaml:1`](http://github.test/acme/environments/blob/8b3d23e581a6924d1b2fedef07b357b2f707ba80/environments/prod/disruption.yaml#L1)

    ```diff
    +apiVersion: policy/v1
    +kind: PodDisruptionBudget
    +metadata:
    +  name: frontend
    +  namespace: shop-prod
    +spec:
    +  maxUnavailable: 1
    +  selector:
    +    matchLabels:
    +      app: frontend
    ```

    </details>

    </details>
    ");
    say(&mut world, "rob", desk, "/trunkline diff stage stage\n/trunkline diff stage prud").await;
    insta::assert_snapshot!(world.said(desk), @"
    <!-- trunkline:v1 reply-105 0624ef38169f83c9 -->
    > `/trunkline diff stage stage`

    - ⛔ `stage` differs in nothing from itself (`same-environment`). **Next:** name two environments

    > `/trunkline diff stage prud`

    - ⛔ there is no environment `prud` (`unknown-environment`). **Next:** the environments are dev, stage, prod
    ");
}

#[tokio::test]
async fn what_does_not_build_cannot_be_compared() {
    let mut world = World::example().await;
    let broken = [("environments/stage/kustomization.yaml", text("resources: [gone.yaml]\n"))];
    world.github.push_files(ENVIRONMENTS, "main", "sam", "Break stage", &broken);
    world.settle().await;
    let desk = desk(&mut world).await;
    say(&mut world, "rob", desk, "/trunkline diff stage prod").await;
    insta::assert_snapshot!(world.said(desk), @"
    <!-- trunkline:v1 reply-28 308a3e44ca400f0e -->
    **`shop`: from `stage` to `prod`**

    | Environment | Version | Since |
    |:--|:--|:--|
    | `stage` | nothing yet | |
    | `prod` | `v0.9` [`68113e6`](http://github.test/acme/shop/commit/68113e662d18f396ee6e25c677f274c6d66acc1a) | 2026-11-02 09:00 UTC |

    One of the two does not build, so their objects cannot be compared:

    - [`environments/stage/kustomization.yaml:1`](http://github.test/acme/environments/blob/4e53fef3cf111ba092fcd9db9d5dddf034ac4b7f/environments/stage/kustomization.yaml#L1) `gone.yaml` does not exist; paths are relative to `environments/stage`. **Next:** Remove the entry, or add what it names.
    ");
}

#[tokio::test]
async fn a_configuration_is_validated_before_it_counts() {
    let path = ".github/trunkline.yaml";
    let mut world = World::example().await;
    let number = pull(&mut world, "Soak longer", &[(path, example(path, "soak: 1h", "soak: 48h"))]).await;
    say(&mut world, "rob", number, "/trunkline validate").await;
    insta::assert_snapshot!(world.said(number), @"
    <!-- trunkline:v1 reply-34 7d8dd5ba2adc041d -->
    ✅ The configuration of this pull request is valid. Once it is merged:

    | Environment | Takes | After | Gates | Enters by |
    |:--|:--|:--|:--|:--|
    | `dev` | every commit on trunk |  |  | a pull request that Trunkline merges |
    | `stage` | pre-release tags | `dev` |  | a pull request that Trunkline merges |
    | `prod` | release tags | `stage` | ships the commit tested in `stage`; soak of 48h; 1 approval of `acme/sre`, four eyes | a pull request that a person merges |

    | Application | Source | Tags | Images |
    |:--|:--|:--|:--|
    | `shop` | `acme/shop` | `v*` | `ghcr.io/acme/shop-frontend` and `ghcr.io/acme/shop-backend` |

    What changes:

    - `prod`: gates: soak of 1h → soak of 48h
    ");
    world.github.push_files(
        ENVIRONMENTS,
        "topic",
        "ben",
        "Break it",
        &[(path, example(path, "soak: 1h", "soka: 48h\n    via: email"))],
    );
    world.settle().await;
    say(&mut world, "rob", number, "/trunkline validate").await;
    insta::assert_snapshot!(world.said(number), @"
    <!-- trunkline:v1 reply-50 80c08c8180f2db7c -->
    ⛔ The configuration of this pull request has 2 problems:

    - [`.github/trunkline.yaml:28`](http://github.test/acme/environments/blob/1aeec6194102196425c73693e2c2f60dbc4613a8/.github/trunkline.yaml#L28) unknown key `soka` in `environments.prod`. **Next:** Did you mean `soak`?
    - [`.github/trunkline.yaml:29`](http://github.test/acme/environments/blob/1aeec6194102196425c73693e2c2f60dbc4613a8/.github/trunkline.yaml#L29) `environments.prod.via` should be `pull-request` or `commit`, but is `email`.
    ");
    let desk = desk(&mut world).await;
    say(&mut world, "rob", desk, "/trunkline validate").await;
    insta::assert_snapshot!(world.said(desk).lines().nth(1).unwrap(), @"✅ The configuration of the default branch is valid. It means:");
}

#[tokio::test]
async fn a_first_configuration_is_validated_in_its_pull_request() {
    let path = ".github/trunkline.yaml";
    let mut files = seed::environments();
    let whole = files.iter().position(|(name, _)| *name == path).map(|at| files.remove(at).1);
    let mut world = World::with(&files).await;
    let number = pull(&mut world, "Promote", &[(path, whole)]).await;
    say(&mut world, "rob", number, "/trunkline status\n/trunkline help").await;
    say(&mut world, "rob", number, "/trunkline validate").await;
    assert_eq!(world.talk(number).matches("comment by trunkline[bot]").count(), 1, "{}", world.talk(number));
    insta::assert_snapshot!(world.said(number).lines().nth(1).unwrap(), @"✅ The configuration of this pull request is valid. It means:");
}

#[tokio::test]
async fn history_tells_decisions_and_versions() {
    let mut world = World::example().await;
    in_prod(&mut world).await;
    let desk = desk(&mut world).await;
    world.advance(HOUR).await;
    say(&mut world, "ann", desk, "/trunkline hold prod the fair is on").await;
    world.advance(HOUR).await;
    say(&mut world, "ann", desk, "/trunkline unhold prod").await;
    say(&mut world, "rob", desk, "/trunkline history prod").await;
    insta::assert_snapshot!(world.said(desk), @"
    <!-- trunkline:v1 reply-128 fff843553456a963 -->
    **`shop` in `prod`**

    | When | What |
    |:--|:--|
    | 2026-11-02 12:00 UTC | ann lifts the hold on shop in prod ([said here](http://github.test/acme/environments/issues/4#issuecomment-117)) |
    | 2026-11-02 11:00 UTC | ann holds shop in prod: the fair is on ([said here](http://github.test/acme/environments/issues/4#issuecomment-109)) |
    | 2026-11-02 10:00 UTC | `v1.0` [`1123e8d`](http://github.test/acme/shop/commit/1123e8de8679e904d437e0db2336d5d538c4d7dc) came with [`e3bc6b4`](http://github.test/acme/environments/commit/e3bc6b481cb9d2f4ef53f3eaef3059cb44a2c7c2) |
    | 2026-11-02 09:00 UTC | the tag v1.0 of shop asks for prod: commit 1123e8d, pushed by ann |
    | 2026-11-02 09:00 UTC | `v0.9` [`68113e6`](http://github.test/acme/shop/commit/68113e662d18f396ee6e25c677f274c6d66acc1a) came with [`22828f9`](http://github.test/acme/environments/commit/22828f9bf436792fa6c75c0bc6cddd31b9918e9e) |
    | 2026-11-02 09:00 UTC | first sight of shop in prod: it holds v0.9 |

    <sub>Decisions stand in full in `git log` of the branch `trunkline-ledger`, versions in that of the folders.</sub>
    ");
    say(&mut world, "rob", desk, "/trunkline history").await;
    assert_eq!(world.said(desk).matches("| When | What |").count(), 3, "{}", world.said(desk));
}

#[tokio::test]
async fn resync_finds_what_no_delivery_told() {
    let mut world = World::example().await;
    let sha = in_stage(&mut world).await;
    let desk = desk(&mut world).await;
    world.github.create_tag(SHOP, "v1.0", &sha, "ann", false);
    assert!(world.lose_deliveries() > 0);
    world.settle().await;
    assert_eq!(open(&world), [""; 0]);
    say(&mut world, "rob", desk, "/trunkline resync").await;
    insta::assert_snapshot!(world.said(desk), @"
    <!-- trunkline:v1 reply-75 1ba28c5c4e4e3c04 -->
    > `/trunkline resync`

    - ⛔ it needs the write permission on this repository (`not-allowed`). **Next:** ask somebody who may; `/trunkline help` lists who may do what here
    ");
    say(&mut world, "ann", desk, "/trunkline resync").await;
    insta::assert_snapshot!(world.said(desk), @"
    <!-- trunkline:v1 reply-81 9b5405e317b4ebda -->
    Reading anew: open pull requests and their checks, and tags and trunk of 1 application. What follows shows in the pull requests.
    ");
    assert_eq!(open(&world).len(), 1, "{:?}", world.pulls());
}

/// Eight applications of one source in two environments each.
fn many() -> Vec<(String, Vec<u8>)> {
    let mut config = "version: 1\napps:\n".to_owned();
    let mut files = Vec::new();
    for n in 1..=8 {
        config.push_str(&format!(
            "  app{n}:\n    source: acme/shop\n    tags: \"app{n}/v*\"\n    images: [ghcr.io/acme/app{n}]\n"
        ));
        for environment in ["stage", "prod"] {
            let kustomization =
                format!("resources: [app.yaml]\nimages:\n- name: ghcr.io/acme/app{n}\n  newTag: v0.9\n");
            let manifest = format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: app{n}}}\nspec:\n  containers:\n  - {{name: app, image: ghcr.io/acme/app{n}}}\n"
            );
            files.push((format!("{environment}/app{n}/kustomization.yaml"), kustomization.into_bytes()));
            files.push((format!("{environment}/app{n}/app.yaml"), manifest.into_bytes()));
        }
    }
    config.push_str(
        "environments:\n  stage:\n    path: stage/{app}\n    takes: prereleases\n    merge: auto\n  prod:\n    path: prod/{app}\n    takes: releases\n    after: [stage]\n    merge: manual\npolicies: { packs: [minimal] }\n",
    );
    files.push((".github/trunkline.yaml".to_owned(), config.into_bytes()));
    files
}

#[tokio::test]
async fn many_applications_are_told_in_few_lines() {
    let files = many();
    let files: Vec<(&str, Vec<u8>)> = files.iter().map(|(path, text)| (path.as_str(), text.clone())).collect();
    let mut world = World::with(&files).await;
    let sha = world.github.push_files(SHOP, "main", "ann", "More", &[("CHANGES", text("x"))]);
    world.github.add_check(SHOP, &sha, CI, "build", "success");
    for tag in ["app3/v1.0-rc.1", "app5/v1.0", "app7/v1.0"] {
        world.advance(Duration::from_secs(60)).await;
        world.github.create_tag(SHOP, tag, &sha, "ann", false);
        world.settle().await;
    }
    let bad = world.github.push_files(SHOP, "topic", "ann", "Elsewhere", &[("CHANGES", text("y"))]);
    world.github.create_tag(SHOP, "app2/v2.0", &bad, "ann", false);
    world.settle().await;
    let desk = desk(&mut world).await;
    say(&mut world, "rob", desk, "/trunkline status").await;
    insta::assert_snapshot!(world.said(desk), @"
    <!-- trunkline:v1 reply-112 8ec749d030b612a3 -->
    8 applications in 16 places: 1 blocked, 2 waiting, 13 up to date.

    | App | Environment | Version | Next |
    |:--|:--|:--|:--|
    | `app2` | `prod` | `v0.9` | ⛔ `not-on-trunk` |
    | `app7` | `prod` | `v0.9` | `v1.0` in [pull request 3](http://github.test/acme/environments/pull/3): ⏳ `after` |
    | `app5` | `prod` | `v0.9` | `v1.0` in [pull request 2](http://github.test/acme/environments/pull/2): ⏳ `after` |

    For the reasons of one: `/trunkline status --app <name>`.
    ");
    say(&mut world, "rob", desk, "/trunkline diff stage prod\n/trunkline history").await;
    insta::assert_snapshot!(world.said(desk), @"
    <!-- trunkline:v1 reply-118 ec540a78d2099f05 -->
    > `/trunkline diff stage prod`

    - ⛔ there are several applications: app1, app2, app3, app4, app5, app6, app7, app8 (`which-app`). **Next:** name one with `--app <name>`

    > `/trunkline history`

    - ⛔ there are several applications: app1, app2, app3, app4, app5, app6, app7, app8 (`which-app`). **Next:** name one with `--app <name>`
    ");
}
