//! Pull requests are validated: what their author sees.

use trunkline::sandbox::seed::ENVIRONMENTS;

use crate::stories::{example, pull, text};
use crate::world::World;

const DEV: &str = "environments/dev/kustomization.yaml";

#[tokio::test]
async fn a_finding_fails_the_check_until_it_is_fixed() {
    let mut world = World::example().await;
    let number = pull(&mut world, "Try the newest", &[(DEV, example(DEV, "newTag: v0.9", "newTag: latest"))]).await;
    insta::assert_snapshot!(world.check(number), @"success: No errors, 2 warnings in dev (2 annotations)");
    insta::assert_snapshot!(world.said(number), @r"
    <!-- trunkline:v1 sticky 44e809e1d9b722c1 -->
    ### No errors, 2 warnings in dev

    This change alters 2 objects in `dev`.

    | Environment | Objects | In short | Findings |
    |:--|:--|:--|:--|
    | `dev` | \~2 | `shop-backend` `v0.9` → `latest` · `shop-frontend` `v0.9` → `latest` | 2 warnings |

    #### New findings

    - **warning** `IMG-001` · `Deployment shop-dev/frontend` · `dev` · [`environments/dev/kustomization.yaml:9`](http://github.test/acme/environments/blob/861218d036e1a751bcfed83ad45ca9a1aed9cc67/environments/dev/kustomization.yaml#L9)<br>image `ghcr.io/acme/shop-frontend:latest` of container `frontend` is tagged `latest`<br>*Why:* What `latest` means changes under a running environment, so what was tested is not what runs, and a rollback goes nowhere.<br>*Fix:* Name the version, such as `:v1.0`, or pin the digest.
    - **warning** `IMG-001` · `Deployment shop-dev/backend` · `dev` · [`environments/dev/kustomization.yaml:11`](http://github.test/acme/environments/blob/861218d036e1a751bcfed83ad45ca9a1aed9cc67/environments/dev/kustomization.yaml#L11)<br>image `ghcr.io/acme/shop-backend:latest` of container `backend` is tagged `latest`<br>*Why:* What `latest` means changes under a running environment, so what was tested is not what runs, and a rollback goes nowhere.<br>*Fix:* Name the version, such as `:v1.0`, or pin the digest.

    <details><summary><code>dev</code>: 2 changed objects</summary>

    <details><summary><code>Deployment shop-dev/backend</code> changed (+1 −1)</summary>

    from [`environments/base/backend.yaml:1`](http://github.test/acme/environments/blob/861218d036e1a751bcfed83ad45ca9a1aed9cc67/environments/base/backend.yaml#L1)

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

    <details><summary><code>Deployment shop-dev/frontend</code> changed (+1 −1)</summary>

    from [`environments/base/frontend.yaml:1`](http://github.test/acme/environments/blob/861218d036e1a751bcfed83ad45ca9a1aed9cc67/environments/base/frontend.yaml#L1)

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

    <sub>Checked at [`861218d`](http://github.test/acme/environments/commit/861218d036e1a751bcfed83ad45ca9a1aed9cc67); a later commit with the same result changes nothing here. You can say `/trunkline plan`, `/trunkline help`.</sub>
    ");
    world.github.push_files(
        ENVIRONMENTS,
        "topic",
        "ben",
        "Pin it",
        &[(DEV, example(DEV, "newTag: v0.9", "newTag: v0.9.1"))],
    );
    world.settle().await;
    insta::assert_snapshot!(world.check(number), @"success: No new findings in dev (0 annotations)");
    insta::assert_snapshot!(world.talk(number), @r"
    comment by trunkline[bot]
    <!-- trunkline:v1 sticky 445525f2df209fce -->
    ### No new findings in dev

    This change alters 2 objects in `dev`.

    | Environment | Objects | In short | Findings |
    |:--|:--|:--|:--|
    | `dev` | \~2 | `shop-backend` `v0.9` → `v0.9.1` · `shop-frontend` `v0.9` → `v0.9.1` | none |

    <details><summary><code>dev</code>: 2 changed objects</summary>

    <details><summary><code>Deployment shop-dev/backend</code> changed (+1 −1)</summary>

    from [`environments/base/backend.yaml:1`](http://github.test/acme/environments/blob/ac6184d3b67395ef95cc27c63941b52fec363077/environments/base/backend.yaml#L1)

    ```diff
    @@ spec.template.spec.containers[backend] @@
           automountServiceAccountToken: false
           containers:
           - name: backend
    -        image: ghcr.io/acme/shop-backend:v0.9
    +        image: ghcr.io/acme/shop-backend:v0.9.1
             env:
             - name: DATABASE_PASSWORD
               valueFrom:
    ```

    </details>

    <details><summary><code>Deployment shop-dev/frontend</code> changed (+1 −1)</summary>

    from [`environments/base/frontend.yaml:1`](http://github.test/acme/environments/blob/ac6184d3b67395ef95cc27c63941b52fec363077/environments/base/frontend.yaml#L1)

    ```diff
    @@ spec.template.spec.containers[frontend] @@
           automountServiceAccountToken: false
           containers:
           - name: frontend
    -        image: ghcr.io/acme/shop-frontend:v0.9
    +        image: ghcr.io/acme/shop-frontend:v0.9.1
             env:
             - name: API_URL
               value: http://backend:8080
    ```

    </details>

    </details>

    <sub>Checked at [`ac6184d`](http://github.test/acme/environments/commit/ac6184d3b67395ef95cc27c63941b52fec363077); a later commit with the same result changes nothing here. You can say `/trunkline plan`, `/trunkline help`.</sub>
    ");
}

#[tokio::test]
async fn a_shared_base_shows_every_environment_it_reaches() {
    let mut world = World::example().await;
    let path = "environments/base/frontend.yaml";
    let number = pull(&mut world, "Less memory", &[(path, example(path, "memory: 128Mi", "memory: 96Mi"))]).await;
    insta::assert_snapshot!(world.said(number), @r"
    <!-- trunkline:v1 sticky 22eaa90a08d8ab20 -->
    ### No new findings in dev, stage and prod

    This change alters 3 objects in `dev`, `stage` and `prod`.

    | Environment | Objects | In short | Findings |
    |:--|:--|:--|:--|
    | `dev` | \~1 | memory limit `frontend/frontend` `128Mi` → `96Mi` | none |
    | `stage` | \~1 | memory limit `frontend/frontend` `128Mi` → `96Mi` | none |
    | `prod` | \~1 | memory limit `frontend/frontend` `128Mi` → `96Mi` | none |

    <details><summary><code>dev</code>: 1 changed object</summary>

    <details><summary><code>Deployment shop-dev/frontend</code> changed (+1 −1)</summary>

    from [`environments/base/frontend.yaml:1`](http://github.test/acme/environments/blob/ec86c4a706b6c18091975a52d5a73079308d1ee2/environments/base/frontend.yaml#L1)

    ```diff
    @@ spec.template.spec.containers[frontend].resources.limits @@
                 port: http
             resources:
               limits:
    -            memory: 128Mi
    +            memory: 96Mi
               requests:
                 cpu: 50m
                 memory: 64Mi
    ```

    </details>

    </details>

    <details><summary><code>stage</code>: 1 changed object</summary>

    <details><summary><code>Deployment shop-stage/frontend</code> changed (+1 −1)</summary>

    from [`environments/base/frontend.yaml:1`](http://github.test/acme/environments/blob/ec86c4a706b6c18091975a52d5a73079308d1ee2/environments/base/frontend.yaml#L1)

    ```diff
    @@ spec.template.spec.containers[frontend].resources.limits @@
                 port: http
             resources:
               limits:
    -            memory: 128Mi
    +            memory: 96Mi
               requests:
                 cpu: 50m
                 memory: 64Mi
    ```

    </details>

    </details>

    <details><summary><code>prod</code>: 1 changed object</summary>

    <details><summary><code>Deployment shop-prod/frontend</code> changed (+1 −1)</summary>

    from [`environments/base/frontend.yaml:1`](http://github.test/acme/environments/blob/ec86c4a706b6c18091975a52d5a73079308d1ee2/environments/base/frontend.yaml#L1)

    ```diff
    @@ spec.template.spec.containers[frontend].resources.limits @@
                 port: http
             resources:
               limits:
    -            memory: 128Mi
    +            memory: 96Mi
               requests:
                 cpu: 50m
                 memory: 64Mi
    ```

    </details>

    </details>

    <sub>Checked at [`ec86c4a`](http://github.test/acme/environments/commit/ec86c4a706b6c18091975a52d5a73079308d1ee2); a later commit with the same result changes nothing here. You can say `/trunkline plan`, `/trunkline help`.</sub>
    ");
}

#[tokio::test]
async fn e46_a_change_outside_every_environment_gets_a_check_and_no_comment() {
    let mut world = World::example().await;
    let number = pull(&mut world, "Notes", &[("NOTES.md", text("hello"))]).await;
    insta::assert_snapshot!(world.check(number), @"success: Touches no environment (0 annotations)");
    assert_eq!(world.said(number), "");
}

#[tokio::test]
async fn what_does_not_build_is_named_at_its_line() {
    let mut world = World::example().await;
    let broken = example(DEV, "  - ../base\n", "  - ../bsae\n");
    let number = pull(&mut world, "A typo", &[(DEV, broken)]).await;
    insta::assert_snapshot!(world.said(number), @"
    <!-- trunkline:v1 sticky 71dc280b8ad0ee48 -->
    ### 1 new error in dev

    This change touches `dev`; what does not build cannot be compared. The check fails until what is new is fixed.

    | Environment | Objects | In short | Findings |
    |:--|:--|:--|:--|
    | `dev` | does not build |  | 1 error |

    #### New findings

    - **error** `KUST-001` · `dev` · [`environments/dev/kustomization.yaml:6`](http://github.test/acme/environments/blob/c36854c3d24fc0c14ae16456229c95c110618cdc/environments/dev/kustomization.yaml#L6)<br>`../bsae` does not exist; paths are relative to `environments/dev`<br>*Why:* Flux stops at the first thing it cannot build, and nothing of this environment is applied any more.<br>*Fix:* Did you mean `environments/base`?

    <sub>Checked at [`c36854c`](http://github.test/acme/environments/commit/c36854c3d24fc0c14ae16456229c95c110618cdc); a later commit with the same result changes nothing here. You can say `/trunkline plan`, `/trunkline help`.</sub>
    ");
    let broken = text("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop-dev\n  labels: {a: b\n");
    world.github.push_files(
        ENVIRONMENTS,
        "topic",
        "ben",
        "Another",
        &[(DEV, example(DEV, "newTag: v0.9", "newTag: v0.9")), ("environments/dev/namespace.yaml", broken)],
    );
    world.settle().await;
    insta::assert_snapshot!(world.said(number), @r"
    <!-- trunkline:v1 sticky ffa0e7780d3b53a9 -->
    ### 1 new error in dev

    This change touches `dev`; what does not build cannot be compared. The check fails until what is new is fixed.

    | Environment | Objects | In short | Findings |
    |:--|:--|:--|:--|
    | `dev` | does not build |  | 1 error |

    #### New findings

    - **error** `KUST-001` · `dev` · [`environments/dev/namespace.yaml:5`](http://github.test/acme/environments/blob/c5d2b63dcb935141515767d784a10719733b08e1/environments/dev/namespace.yaml#L5)<br>not valid YAML: unclosed bracket '\{'<br>*Why:* Flux stops at the first thing it cannot build, and nothing of this environment is applied any more.<br>*Fix:* Look at this line and the one before it: indentation, an open quote or bracket, or a missing `:`.

    <sub>Checked at [`c5d2b63`](http://github.test/acme/environments/commit/c5d2b63dcb935141515767d784a10719733b08e1); a later commit with the same result changes nothing here. You can say `/trunkline plan`, `/trunkline help`.</sub>
    ");
}

#[tokio::test]
async fn t35_secret_values_never_show_but_their_change_does() {
    let mut world = World::example().await;
    let secret = |value: &str| {
        text(&format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: token\nstringData:\n  token: {value}\n"))
    };
    let with = example(DEV, "  - ../base\n", "  - ../base\n  - secret.yaml\n");
    let number =
        pull(&mut world, "A secret", &[(DEV, with), ("environments/dev/secret.yaml", secret("hunter2-canary"))]).await;
    world.github.merge_pull(ENVIRONMENTS, "sam", number);
    world.settle().await;
    world.github.push_files(
        ENVIRONMENTS,
        "other",
        "ben",
        "Change it",
        &[("environments/dev/secret.yaml", secret("swordfish-canary"))],
    );
    let number = world.github.open_pull(ENVIRONMENTS, "ben", "other", "main", "Change it", "");
    world.settle().await;
    insta::assert_snapshot!(world.said(number), @r"
    <!-- trunkline:v1 sticky 6d859eb16e99e346 -->
    ### No new findings in dev

    This change alters 1 object in `dev`.

    | Environment | Objects | In short | Findings |
    |:--|:--|:--|:--|
    | `dev` | \~1 |  | none new, 1 before |

    <details><summary>1 finding that the base already has</summary>

    - **warning** `SEC-001` · `Secret shop-dev/token` · `dev` · [`environments/dev/secret.yaml:6`](http://github.test/acme/environments/blob/e128667384dfb9ce049cc98322a08d60d280be45/environments/dev/secret.yaml#L6)<br>holds `token` readable in git<br>*Why:* Base64 hides nothing: everybody who can read the repository, now or ever, has the secret.<br>*Fix:* Use an ExternalSecret or encrypt it (SOPS, SealedSecret), and change the secret itself: git remembers.

    </details>

    <details><summary><code>dev</code>: 1 changed object</summary>

    <details><summary><code>Secret shop-dev/token</code> changed (+1 −1)</summary>

    from [`environments/dev/secret.yaml:1`](http://github.test/acme/environments/blob/e128667384dfb9ce049cc98322a08d60d280be45/environments/dev/secret.yaml#L1)

    ```diff
    @@ stringData @@
       name: token
       namespace: shop-dev
     stringData:
    -  token: «masked, fingerprint 23be7206f624»
    +  token: «masked, fingerprint 2b772a69ef9b»
    ```

    </details>

    </details>

    <sub>Checked at [`e128667`](http://github.test/acme/environments/commit/e128667384dfb9ce049cc98322a08d60d280be45); a later commit with the same result changes nothing here. You can say `/trunkline plan`, `/trunkline help`.</sub>
    ");
    for canary in ["hunter2-canary", "swordfish-canary"] {
        assert!(!world.sees().contains(canary));
    }
}

#[tokio::test]
async fn t23_a_pull_request_never_changes_the_rules_it_is_judged_by() {
    let mut world = World::example().await;
    let config = example(".github/trunkline.yaml", "mode: enforce", "mode: observed");
    let policy = text("package images\n\ndeny contains msg if {\n");
    let files = [
        (".github/trunkline.yaml", config),
        ("policies/images.rego", policy),
        (DEV, example(DEV, "newTag: v0.9", "newTag: latest")),
    ];
    let number = pull(&mut world, "New rules", &files).await;
    insta::assert_snapshot!(world.check(number), @"failure: 2 new errors, and 2 warnings (4 annotations)");
    insta::assert_snapshot!(world.said(number), @r"
    <!-- trunkline:v1 sticky 6593ae3ea3e3e3ce -->
    ### 2 new errors, and 2 warnings

    This change alters 2 objects in `dev`. The check fails until what is new is fixed.

    | Environment | Objects | In short | Findings |
    |:--|:--|:--|:--|
    | `dev` | \~2 | `shop-backend` `v0.9` → `latest` · `shop-frontend` `v0.9` → `latest` | 2 warnings |

    #### New findings

    - **error** `CONFIG` · [`.github/trunkline.yaml:4`](http://github.test/acme/environments/blob/b62ab38d9a777da76d48302b58699aade474c0d6/.github/trunkline.yaml#L4)<br>`mode` should be `enforce` or `observe`, but is `observed`<br>*Fix:* Did you mean `observe`?
    - **error** `POLICY` · [`policies/images.rego:4`](http://github.test/acme/environments/blob/b62ab38d9a777da76d48302b58699aade474c0d6/policies/images.rego#L4)<br>the policy does not parse: expecting expression<br>*Why:* A policy that does not run lets everything pass.<br>*Fix:* Correct the line; `opa check` or `conftest verify` may tell more.
    - **warning** `IMG-001` · `Deployment shop-dev/frontend` · `dev` · [`environments/dev/kustomization.yaml:9`](http://github.test/acme/environments/blob/b62ab38d9a777da76d48302b58699aade474c0d6/environments/dev/kustomization.yaml#L9)<br>image `ghcr.io/acme/shop-frontend:latest` of container `frontend` is tagged `latest`<br>*Why:* What `latest` means changes under a running environment, so what was tested is not what runs, and a rollback goes nowhere.<br>*Fix:* Name the version, such as `:v1.0`, or pin the digest.
    - **warning** `IMG-001` · `Deployment shop-dev/backend` · `dev` · [`environments/dev/kustomization.yaml:11`](http://github.test/acme/environments/blob/b62ab38d9a777da76d48302b58699aade474c0d6/environments/dev/kustomization.yaml#L11)<br>image `ghcr.io/acme/shop-backend:latest` of container `backend` is tagged `latest`<br>*Why:* What `latest` means changes under a running environment, so what was tested is not what runs, and a rollback goes nowhere.<br>*Fix:* Name the version, such as `:v1.0`, or pin the digest.

    #### Once this is merged

    This change alters policies or configuration. It is judged by those of the default branch; over 3 environments, its own would find the same.


    <details><summary><code>dev</code>: 2 changed objects</summary>

    <details><summary><code>Deployment shop-dev/backend</code> changed (+1 −1)</summary>

    from [`environments/base/backend.yaml:1`](http://github.test/acme/environments/blob/b62ab38d9a777da76d48302b58699aade474c0d6/environments/base/backend.yaml#L1)

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

    <details><summary><code>Deployment shop-dev/frontend</code> changed (+1 −1)</summary>

    from [`environments/base/frontend.yaml:1`](http://github.test/acme/environments/blob/b62ab38d9a777da76d48302b58699aade474c0d6/environments/base/frontend.yaml#L1)

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

    <sub>Checked at [`b62ab38`](http://github.test/acme/environments/commit/b62ab38d9a777da76d48302b58699aade474c0d6); a later commit with the same result changes nothing here. You can say `/trunkline plan`, `/trunkline help`.</sub>
    ");
}

#[tokio::test]
async fn t25_a_fork_is_validated_and_nothing_more() {
    let mut world = World::example().await;
    world.github.create_user("eve");
    let fork = world.github.create_fork(ENVIRONMENTS, "eve");
    world.github.push_files(
        &fork.full_name,
        "topic",
        "eve",
        "From outside",
        &[(DEV, example(DEV, "newTag: v0.9", "newTag: latest"))],
    );
    let number =
        world.github.open_pull(ENVIRONMENTS, "eve", "eve:topic", "main", "From outside", "@acme/sre <img src=x>");
    world.settle().await;
    world.github.comment(ENVIRONMENTS, "eve", number, "/promote prod");
    world.settle().await;
    insta::assert_snapshot!(world.check(number), @"success: No errors, 2 warnings in dev (2 annotations)");
    insta::assert_snapshot!(world.said(number), @"
    <!-- trunkline:v1 reply-36 750004c8e3c6104e -->
    > `/promote prod`

    - ⛔ it needs the write permission on this repository (`not-allowed`). **Next:** ask somebody who may; `/trunkline help` lists who may do what here
    ");
}

#[tokio::test]
async fn a_conflict_is_said_and_a_base_that_moves_is_followed() {
    let mut world = World::example().await;
    let number = pull(&mut world, "Mine", &[(DEV, example(DEV, "newTag: v0.9", "newTag: v1.5"))]).await;
    world.github.push_files(
        ENVIRONMENTS,
        "main",
        "sam",
        "Theirs",
        &[(DEV, example(DEV, "newTag: v0.9", "newTag: v1.6"))],
    );
    world.settle().await;
    insta::assert_snapshot!(world.check(number), @"failure: It conflicts with its base in environments/dev/kustomization.yaml (0 annotations)");
}

#[tokio::test]
async fn a_broken_configuration_on_main_is_a_verdict() {
    let mut world = World::example().await;
    let config = example(".github/trunkline.yaml", "mode: enforce", "mode: observed");
    world.github.push_files(ENVIRONMENTS, "main", "sam", "Oops", &[(".github/trunkline.yaml", config)]);
    world.settle().await;
    let number = pull(&mut world, "Anything", &[(DEV, example(DEV, "newTag: v0.9", "newTag: v0.9.1"))]).await;
    insta::assert_snapshot!(world.check(number), @"failure: The configuration on the default branch has problems, so nothing can be judged (1 annotations)");
    let repair = example(".github/trunkline.yaml", "mode: enforce", "mode: enforce");
    world.github.push_files(ENVIRONMENTS, "topic", "ben", "Repair", &[(".github/trunkline.yaml", repair)]);
    world.settle().await;
    insta::assert_snapshot!(world.check(number), @"success: No new findings (0 annotations)");
}

/// What Flux replaces in an environment is part of it, though it stands in the cluster's folder.
#[tokio::test]
async fn a_variable_of_the_cluster_shows_where_it_lands() {
    const CLUSTER: &str = "environments/clusters/dev/shop.yaml";
    let level = "restricted\n    level: ${level}";
    let mut files = crate::stories::example_with("environments/dev/namespace.yaml", "restricted", level);
    let set = |value: &str| {
        let wait = "  wait: true\n";
        example(CLUSTER, wait, &format!("{wait}  postBuild:\n    substitute:\n      level: {value}\n"))
    };
    files.retain(|(path, _)| *path != CLUSTER);
    files.push((CLUSTER, set("low").unwrap()));
    let mut world = World::with(&files).await;
    let number = pull(&mut world, "Raise the level", &[(CLUSTER, set("high"))]).await;
    assert_eq!(world.check(number), "success: No new findings in dev (0 annotations)");
    let said = world.said(number);
    assert!(said.contains("-    level: low\n+    level: high"), "{said}");
    assert!(!said.contains("`prod`"), "{said}");
}
