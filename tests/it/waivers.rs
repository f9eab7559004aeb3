//! Waivers as the author of a pull request meets them: in the check, in the comment, and on the day they end.

use std::time::Duration;

use trunkline::sandbox::seed::{self, ENVIRONMENTS};

use crate::stories::{example, pull, text};
use crate::world::World;

const WAIVERS: &str = "policies/waivers.yaml";
const PROD: &str = "environments/prod/kustomization.yaml";
const TOOL: &str = "environments/prod/tool.yaml";

fn waiver(expires: &str) -> String {
    format!(
        "# What we live with for now.\n- rule: IMG-001\n  object: Job shop-prod/tool\n  environments: [prod]\n  \
         reason: its vendor tags nothing else\n  owner: acme/sre\n  expires: {expires}\n"
    )
}

/// A job in production that breaks no rule but the one about tags.
fn tool() -> [(&'static str, Option<Vec<u8>>); 2] {
    let job = "apiVersion: batch/v1\nkind: Job\nmetadata: { name: tool, labels: { owner: shop } }\nspec:\n  backoffLimit: 1\n  \
               template:\n    metadata: { labels: { app: tool } }\n    spec:\n      restartPolicy: Never\n      \
               automountServiceAccountToken: false\n      containers:\n      - name: tool\n        image: ghcr.io/acme/tool:latest\n        \
               resources: { requests: { cpu: 100m, memory: 64Mi }, limits: { memory: 64Mi } }\n        \
               securityContext: { runAsNonRoot: true, allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, \
               capabilities: { drop: [ALL] }, seccompProfile: { type: RuntimeDefault } }\n";
    [(PROD, example(PROD, "resources:\n", "resources:\n  - tool.yaml\n")), (TOOL, text(job))]
}

#[tokio::test]
async fn a_waived_finding_does_not_block_is_shown_with_its_owner_and_stands_again_when_the_waiver_ends() {
    let mut files = seed::environments();
    files.push((WAIVERS, waiver("2026-11-03").into_bytes()));
    let mut world = World::with(&files).await;
    let number = pull(&mut world, "A tool", &tool()).await;
    insta::assert_snapshot!(world.check(number), @"success: No errors, 1 accepted in prod (1 annotations)");
    insta::assert_snapshot!(world.said(number), @"
    <!-- trunkline:v1 sticky e0c5c7091d4a1015 -->
    ### No errors, 1 accepted in prod

    This change alters 1 object in `prod`.

    | Environment | Objects | In short | Findings |
    |:--|:--|:--|:--|
    | `prod` | +1 | `tool` `latest` (new) | 1 accepted |

    #### New findings

    - **error** `IMG-001` · `Job shop-prod/tool` · `prod` · [`environments/prod/tool.yaml:13`](http://github.test/acme/environments/blob/916687c85077880257a2390addaf1c850b4743de/environments/prod/tool.yaml#L13)<br>image `ghcr.io/acme/tool:latest` of container `tool` is tagged `latest`<br>**Waived until 2026-11-03 by acme/sre: its vendor tags nothing else**<br>*Why:* What `latest` means changes under a running environment, so what was tested is not what runs, and a rollback goes nowhere.<br>*Fix:* Name the version, such as `:v1.0`, or pin the digest.

    <details><summary><code>prod</code>: 1 changed object</summary>

    <details><summary><code>Job shop-prod/tool</code> added (+34 −0)</summary>

    from [`environments/prod/tool.yaml:1`](http://github.test/acme/environments/blob/916687c85077880257a2390addaf1c850b4743de/environments/prod/tool.yaml#L1)

    ```diff
    +apiVersion: batch/v1
    +kind: Job
    +metadata:
    +  name: tool
    +  namespace: shop-prod
    +  labels:
    +    owner: shop
    +spec:
    +  backoffLimit: 1
    +  template:
    +    metadata:
    +      labels:
    +        app: tool
    +    spec:
    +      automountServiceAccountToken: false
    +      containers:
    +      - name: tool
    +        image: ghcr.io/acme/tool:latest
    +        resources:
    +          limits:
    +            memory: 64Mi
    +          requests:
    +            cpu: 100m
    +            memory: 64Mi
    +        securityContext:
    +          allowPrivilegeEscalation: false
    +          capabilities:
    +            drop:
    +            - ALL
    +          readOnlyRootFilesystem: true
    +          runAsNonRoot: true
    +          seccompProfile:
    +            type: RuntimeDefault
    +      restartPolicy: Never
    ```

    </details>

    </details>

    <sub>Checked at [`916687c`](http://github.test/acme/environments/commit/916687c85077880257a2390addaf1c850b4743de); a later commit with the same result changes nothing here. You can say `/trunkline plan`, `/trunkline help`.</sub>
    ");
    // The day is over: nobody does anything, and the check is another.
    world.advance(Duration::from_secs(48 * 3600)).await;
    insta::assert_snapshot!(world.check(number), @"failure: 1 new error in prod (2 annotations)");
    let findings = world.said(number);
    let findings = findings.lines().filter(|line| line.starts_with("- **") || line.contains("WAIVER"));
    insta::assert_snapshot!(findings.collect::<Vec<_>>().join("\n"), @r"
    - **error** `IMG-001` · `Job shop-prod/tool` · `prod` · [`environments/prod/tool.yaml:13`](http://github.test/acme/environments/blob/916687c85077880257a2390addaf1c850b4743de/environments/prod/tool.yaml#L13)<br>image `ghcr.io/acme/tool:latest` of container `tool` is tagged `latest`<br>*Why:* What `latest` means changes under a running environment, so what was tested is not what runs, and a rollback goes nowhere.<br>*Fix:* Name the version, such as `:v1.0`, or pin the digest. A waiver accepted this until 2026-11-03 (`policies/waivers.yaml:2`).
    - **warning** `WAIVER` · [`policies/waivers.yaml:2`](http://github.test/acme/environments/blob/916687c85077880257a2390addaf1c850b4743de/policies/waivers.yaml#L2)<br>this waiver of `IMG-001` expired on 2026-11-03; it let through `Job shop-prod/tool` in `prod`\: image `ghcr.io/acme/tool:latest` of container `tool` is tagged `latest`<br>*Fix:* Fix that and remove the waiver, or give it a later day if its reason still holds.
    ");
    // A later day, agreed on in the branch that counts.
    world.github.push_files(ENVIRONMENTS, "main", "sam", "Renew", &[(WAIVERS, text(&waiver("2026-12-01")))]);
    world.settle().await;
    world.advance(Duration::from_secs(5)).await;
    insta::assert_snapshot!(world.check(number), @"success: No errors, 1 accepted in prod (1 annotations)");
}

#[tokio::test]
async fn a_waiver_of_the_change_itself_is_checked_and_not_obeyed() {
    let mut world = World::example().await;
    let mut files = tool().to_vec();
    files.push((WAIVERS, text(&format!("{}- rule: IMG-001\n  path: environments/prod\n", waiver("2026-12-01")))));
    let number = pull(&mut world, "A tool and its waiver", &files).await;
    insta::assert_snapshot!(world.check(number), @"failure: 4 new errors in prod, and 1 note (5 annotations)");
    let said = world.said(number);
    let findings = said.lines().filter(|line| line.contains("WAIVER"));
    insta::assert_snapshot!(findings.collect::<Vec<_>>().join("\n"), @"
    - **error** `WAIVER` · [`policies/waivers.yaml:8`](http://github.test/acme/environments/blob/af64a406f7fbed6e86cd623f2fdd1a1976364b99/policies/waivers.yaml#L8)<br>this waiver has no `expires`<br>*Fix:* Write the last day on which it counts, such as `2027-03-31`.
    - **error** `WAIVER` · [`policies/waivers.yaml:8`](http://github.test/acme/environments/blob/af64a406f7fbed6e86cd623f2fdd1a1976364b99/policies/waivers.yaml#L8)<br>this waiver has no `owner`<br>*Fix:* Say who answers for it: a team or a login.
    - **error** `WAIVER` · [`policies/waivers.yaml:8`](http://github.test/acme/environments/blob/af64a406f7fbed6e86cd623f2fdd1a1976364b99/policies/waivers.yaml#L8)<br>this waiver has no `reason`<br>*Fix:* Say why this is acceptable, for whoever reads it next year.
    - note `WAIVER` · [`policies/waivers.yaml:2`](http://github.test/acme/environments/blob/af64a406f7fbed6e86cd623f2fdd1a1976364b99/policies/waivers.yaml#L2)<br>this waiver counts once it is on the default branch; until then what it is for stands<br>*Fix:* Merge it first, in a pull request of its own, where it is seen for what it is.
    ");
}

#[tokio::test]
async fn a_report_too_long_for_one_check_goes_on_in_others_and_they_are_emptied_when_it_shrinks() {
    let mut world = World::example().await;
    // A hundred Jobs without a registry anybody trusts, each with a long name of its own, in three environments.
    let job = |n: usize| {
        format!(
            "apiVersion: batch/v1\nkind: Job\nmetadata: {{ name: job-{n}-{} }}\nspec:\n  template:\n    spec:\n      restartPolicy: Never\n      \
             containers:\n      - {{ name: a, image: 'example.org/{}:latest' }}\n---\n",
            "x".repeat(40),
            "y".repeat(120)
        )
    };
    let base = "environments/base/kustomization.yaml";
    let jobs: String = (0..100).map(job).collect();
    let files = [
        (base, example(base, "resources:\n", "resources:\n  - jobs.yaml\n")),
        ("environments/base/jobs.yaml", text(&jobs)),
    ];
    let number = pull(&mut world, "Jobs", &files).await;
    assert!(world.check(number).starts_with("failure"), "{}", world.check(number));
    let pages = |world: &World| {
        let dump = world.sees();
        let lines = dump.lines().filter(|line| line.contains("trunkline (page"));
        lines.map(|line| line.trim().split_once("trunkline/").unwrap().1.to_owned()).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(pages(&world), @r#"
    trunkline (page 2): neutral "Page 2 of 8 of the report"
    trunkline (page 3): neutral "Page 3 of 8 of the report"
    trunkline (page 4): neutral "Page 4 of 8 of the report"
    trunkline (page 5): neutral "Page 5 of 8 of the report"
    trunkline (page 6): neutral "Page 6 of 8 of the report"
    trunkline (page 7): neutral "Page 7 of 8 of the report"
    trunkline (page 8): neutral "Page 8 of 8 of the report"
    "#);
    // Without rules there is less to say.
    world.github.push_files(
        ENVIRONMENTS,
        "main",
        "sam",
        "No rules",
        &[(
            ".github/trunkline.yaml",
            example(
                ".github/trunkline.yaml",
                "policies: { packs: [recommended], paths: [policies] }",
                "policies: { packs: [], paths: [] }",
            ),
        )],
    );
    world.settle().await;
    world.advance(Duration::from_secs(5)).await;
    insta::assert_snapshot!(pages(&world), @r#"
    trunkline (page 2): neutral "Page 2 of 4 of the report", 2 runs
    trunkline (page 3): neutral "Page 3 of 4 of the report", 2 runs
    trunkline (page 4): neutral "Page 4 of 4 of the report", 2 runs
    trunkline (page 5): neutral "No longer part of the report", 2 runs
    trunkline (page 6): neutral "No longer part of the report", 2 runs
    trunkline (page 7): neutral "No longer part of the report", 2 runs
    trunkline (page 8): neutral "No longer part of the report", 2 runs
    "#);
}
