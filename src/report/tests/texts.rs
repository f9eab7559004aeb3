use super::*;
use crate::command;
use crate::model::finding::Blocks;
use crate::model::pipeline::{Merge, Mode, Via};
use crate::model::plan::{AnnotationLevel as Level, CheckOutput, Conclusion};
use crate::report::check::{CheckInput, check};
use crate::report::comment::{CommentInput, comment, is_ours};
use crate::report::promotion::{self, Audience, ChangelogEntry, PromotionInput, PromotionKind};
use crate::report::{github, json, marker, reply, sarif, terminal, verdict};

fn comment_on(evaluation: &Evaluation, verdict: Option<&Verdict>, mode: Mode) -> String {
    comment(&CommentInput { repo_url: REPO, head: oid('a'), evaluation, verdict, mode, check_url: None, picture: None })
}

fn check_of(evaluation: &Evaluation, verdict: Option<&Verdict>, mode: Mode, queue: bool) -> CheckOutput {
    check(&CheckInput { repo_url: REPO, head: oid('a'), evaluation, verdict, mode, queue })
}

#[test]
fn the_comment_on_a_change_with_findings() {
    insta::assert_snapshot!(comment_on(&world(), None, Mode::Enforce), @r"
    <!-- trunkline:v1 sticky e75de7c86043a401 -->
    ### 1 new error in stage and prod, and 1 warning

    This change alters 4 objects in `stage` and `prod`. The check fails until what is new is fixed.

    | Environment | Objects | In short | Findings |
    |:--|:--|:--|:--|
    | `stage` | \~1 −1 | `shop-frontend` `v1.0` → `latest` | **1 error, 1 warning** new, 1 before |
    | `prod` | \~1 −1 | `shop-frontend` `v1.0` → `latest` | **1 error, 1 warning** new, 1 before |

    #### New findings

    - **error** `IMG-001` · `Deployment shop/frontend` · `stage` and `prod` · [`base/frontend.yaml:21`](https://github.com/acme/environments/blob/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/base/frontend.yaml#L21)<br>the image `ghcr.io/acme/shop-frontend` has the tag `latest`<br>*Why:* A tag that moves means two nodes can run different code.<br>*Fix:* Name a version: `newTag: v1.1`.
    - **warning** `main.warn` · `Deployment shop/frontend` · `stage` and `prod`<br>no owner label

    **Fixed here:** `SEC-004` in `Deployment shop/frontend`.

    <details><summary>1 finding that the base already has</summary>

    - **warning** `RES-001` · `Deployment shop/frontend` · `stage` and `prod` · [`base/frontend.yaml:21`](https://github.com/acme/environments/blob/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/base/frontend.yaml#L21)<br>the container `web` has no memory limit

    </details>

    <details><summary><code>stage</code>: 2 changed objects</summary>

    <details><summary><code>Deployment shop/frontend</code> changed (+1 −1)</summary>

    from [`base/frontend.yaml:21`](https://github.com/acme/environments/blob/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/base/frontend.yaml#L21)

    ```diff
    @@ spec.template.spec @@
    -  image: ghcr.io/acme/shop-frontend:v1.0
    +  image: ghcr.io/acme/shop-frontend:latest
    ```

    </details>

    <details><summary><code>ConfigMap shop/old</code> removed (+0 −1)</summary>

    ```diff
    -data: {}
    ```

    </details>

    </details>

    <details><summary><code>prod</code>: 2 changed objects</summary>

    <details><summary><code>Deployment shop/frontend</code> changed (+1 −1)</summary>

    from [`base/frontend.yaml:21`](https://github.com/acme/environments/blob/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/base/frontend.yaml#L21)

    ```diff
    @@ spec.template.spec @@
    -  image: ghcr.io/acme/shop-frontend:v1.0
    +  image: ghcr.io/acme/shop-frontend:latest
    ```

    </details>

    <details><summary><code>ConfigMap shop/old</code> removed (+0 −1)</summary>

    ```diff
    -data: {}
    ```

    </details>

    </details>

    <sub>Checked at [`aaaaaaa`](https://github.com/acme/environments/commit/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa); a later commit with the same result changes nothing here. You can say `/trunkline plan`, `/trunkline help`.</sub>
    ");
}

#[test]
fn the_comment_on_a_calm_change() {
    insta::assert_snapshot!(comment_on(&calm(), None, Mode::Enforce), @r"
    <!-- trunkline:v1 sticky b769a6885fe41131 -->
    ### No new findings in dev

    This change alters 1 object in `dev`.

    | Environment | Objects | In short | Findings |
    |:--|:--|:--|:--|
    | `dev` | \~1 | `shop-frontend` `v1.0` → `latest` | none |

    <details><summary><code>dev</code>: 1 changed object</summary>

    <details><summary><code>Deployment shop/frontend</code> changed (+1 −1)</summary>

    from [`base/frontend.yaml:21`](https://github.com/acme/environments/blob/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/base/frontend.yaml#L21)

    ```diff
    @@ spec.template.spec @@
    -  image: ghcr.io/acme/shop-frontend:v1.0
    +  image: ghcr.io/acme/shop-frontend:latest
    ```

    </details>

    </details>

    <sub>Checked at [`aaaaaaa`](https://github.com/acme/environments/commit/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa); a later commit with the same result changes nothing here. You can say `/trunkline plan`, `/trunkline help`.</sub>
    ");
}

#[test]
fn the_comment_on_a_promotion_that_waits() {
    insta::assert_snapshot!(comment_on(&calm(), Some(&waiting()), Mode::Enforce), @r"
    <!-- trunkline:v1 sticky fad32ad6ef4afea9 -->
    ### Waits: it has been in `stage` for 3 hours of 24 (and 1 more)

    This change alters 1 object in `dev`.

    | Environment | Objects | In short | Findings |
    |:--|:--|:--|:--|
    | `dev` | \~1 | `shop-frontend` `v1.0` → `latest` | none |

    #### Gates

    - ⏳ `v1.0` waits to enter `prod` (`gates`)
      - ✅ `stage` holds this commit
      - ⏳ it has been in `stage` for 3 hours of 24 (`soak`), until 2026-12-20 09:00 UTC
      - ⏳ 0 of 1 approvals (`approvals`). **Next:** a member of `acme/sre` who is not the tagger approves

    <details><summary><code>dev</code>: 1 changed object</summary>

    <details><summary><code>Deployment shop/frontend</code> changed (+1 −1)</summary>

    from [`base/frontend.yaml:21`](https://github.com/acme/environments/blob/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/base/frontend.yaml#L21)

    ```diff
    @@ spec.template.spec @@
    -  image: ghcr.io/acme/shop-frontend:v1.0
    +  image: ghcr.io/acme/shop-frontend:latest
    ```

    </details>

    </details>

    <sub>Checked at [`aaaaaaa`](https://github.com/acme/environments/commit/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa); a later commit with the same result changes nothing here. You can say `/trunkline status`, `/trunkline hold <env>`, `/trunkline help`.</sub>
    ");
}

#[test]
fn the_comment_while_observing() {
    let text = comment_on(&world(), None, Mode::Observe);
    insta::assert_snapshot!(text.lines().skip(1).take(8).collect::<Vec<_>>().join("\n"), @"
    ### 1 new error in stage and prod, and 1 warning

    > [!NOTE]
    > Trunkline only observes here: nothing blocks, and no promotion is written. Set `mode: enforce` in `.github/trunkline.yaml` to change that.

    This change alters 4 objects in `stage` and `prod`. What is new would fail the check.

    | Environment | Objects | In short | Findings |
    ");
}

#[test]
fn a_broken_overlay_says_so() {
    let mut evaluation = calm();
    let dev = &mut evaluation.environments[0];
    dev.rendered = false;
    dev.changes.clear();
    dev.images.clear();
    dev.findings = vec![Finding {
        object: None,
        ..finding("render", Severity::Error, Delta::New, "`resources` names `../bsae`, which does not exist")
    }];
    let text = comment_on(&evaluation, None, Mode::Enforce);
    insta::assert_snapshot!(text.lines().skip(1).take(11).collect::<Vec<_>>().join("\n"), @"
    ### 1 new error in dev

    This change touches `dev`; what does not build cannot be compared. The check fails until what is new is fixed.

    | Environment | Objects | In short | Findings |
    |:--|:--|:--|:--|
    | `dev` | does not build |  | 1 error |

    #### New findings

    - **error** `render` · `dev` · [`base/frontend.yaml:21`](https://github.com/acme/environments/blob/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/base/frontend.yaml#L21)<br>`resources` names `../bsae`, which does not exist
    ");
}

#[test]
fn a_broken_configuration_is_a_finding_like_any_other() {
    let parsed = crate::config::parse(&crate::config::FILE.parse().unwrap(), "version: 1\nenvironmets: {}\n");
    let findings = parsed.problems.iter().map(|problem| crate::report::problem_finding(problem, Delta::New)).collect();
    let evaluation = Evaluation { findings, ..Evaluation::default() };
    insta::assert_snapshot!(comment_on(&evaluation, None, Mode::Enforce), @"
    <!-- trunkline:v1 sticky 2ecb543220841944 -->
    ### 1 new error

    This change touches no environment. The check fails until what is new is fixed.

    #### New findings

    - **error** `configuration` · [`.github/trunkline.yaml:2`](https://github.com/acme/environments/blob/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/.github/trunkline.yaml#L2)<br>unknown key `environmets` in this file<br>*Fix:* Did you mean `environments`?

    <sub>Checked at [`aaaaaaa`](https://github.com/acme/environments/commit/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa); a later commit with the same result changes nothing here. You can say `/trunkline plan`, `/trunkline help`.</sub>
    ");
    assert_eq!(check_of(&evaluation, None, Mode::Enforce, false).conclusion, Some(Conclusion::Failure));
}

#[test]
fn comments_are_found_again_and_compared() {
    let a = comment_on(&world(), None, Mode::Enforce);
    assert!(is_ours(&a) && !is_ours("hello") && !is_ours(&reply::reply(7, &["x".into()])));
    assert_eq!(marker::find(&reply::reply(7, &["x".into()])), Some(marker::Marker::Reply(7)));
    assert!(marker::says_the_same(&a.replace('\n', "\r\n"), &a));
    assert!(!marker::says_the_same(&comment_on(&calm(), None, Mode::Enforce), &a));
    assert!(!marker::says_the_same("hello", "hello"));
    let (evaluation, verdict, check_url) = (&world(), None, None);
    let later = CommentInput {
        repo_url: REPO,
        head: oid('b'),
        evaluation,
        verdict,
        mode: Mode::Enforce,
        check_url,
        picture: None,
    };
    let later = comment(&later);
    assert!(later != a && marker::says_the_same(&later, &a), "another commit with the same result");
    assert!(!is_ours(&format!("> {a}")));
}

#[test]
fn e46_checks_conclude_on_every_head() {
    let told = |check: CheckOutput| (check.conclusion, check.title);
    use Conclusion::{Failure, Neutral, Success};
    let enforce =
        |evaluation: &Evaluation, verdict: Option<&Verdict>| told(check_of(evaluation, verdict, Mode::Enforce, false));
    assert_eq!(enforce(&Evaluation::default(), None), (Some(Success), "Touches no environment".into()));
    assert_eq!(enforce(&calm(), None), (Some(Success), "No new findings in dev".into()));
    assert_eq!(enforce(&world(), None), (Some(Failure), "1 new error in stage and prod, and 1 warning".into()));
    let wait = waiting();
    let title = "Waits: it has been in stage for 3 hours of 24 (and 1 more)".to_owned();
    assert_eq!(enforce(&calm(), Some(&wait)), (None, title.clone()));
    // A finding fails it, whatever waits.
    assert_eq!(enforce(&world(), Some(&wait)).0, Some(Failure));
    assert_eq!(told(check_of(&calm(), Some(&wait), Mode::Enforce, true)), (Some(Failure), title));
    let moved = Verdict::no("tag-moved", "the tag `v1.0` moved from aaaaaaa to bbbbbbb.");
    assert_eq!(enforce(&calm(), Some(&moved)), (Some(Failure), "The tag v1.0 moved from aaaaaaa to bbbbbbb".into()));
    let observed = told(check_of(&world(), Some(&wait), Mode::Observe, false));
    assert_eq!(observed, (Some(Neutral), "Observing: 1 new error in stage and prod, and 1 warning".into()));
}

#[test]
fn the_check_on_a_change_with_findings() {
    let check = check_of(&world(), None, Mode::Enforce, false);
    insta::assert_snapshot!(check.summary, @r"
    | Environment | Objects | In short | Findings |
    |:--|:--|:--|:--|
    | `stage` | \~1 −1 | `shop-frontend` `v1.0` → `latest` | **1 error, 1 warning** new, 1 before |
    | `prod` | \~1 −1 | `shop-frontend` `v1.0` → `latest` | **1 error, 1 warning** new, 1 before |

    1 finding below stands at no line, so it has no annotation.
    ");
    assert!(check.text.starts_with("#### New findings"));
    let levels: Vec<Level> = check.annotations.iter().map(|a| a.level).collect();
    assert_eq!(levels, [Level::Failure, Level::Notice]);
    insta::assert_debug_snapshot!(check.annotations, @r#"
    [
        Annotation {
            path: RepoPath(
                "base/frontend.yaml",
            ),
            line: 21,
            level: Failure,
            title: "IMG-001: Deployment shop/frontend",
            message: "the image `ghcr.io/acme/shop-frontend` has the tag `latest`\nWhy: A tag that moves means two nodes can run different code.\nFix: Name a version: `newTag: v1.1`.\nIn: stage and prod",
        },
        Annotation {
            path: RepoPath(
                "base/frontend.yaml",
            ),
            line: 21,
            level: Notice,
            title: "RES-001: Deployment shop/frontend (was there before)",
            message: "the container `web` has no memory limit\nIn: stage and prod",
        },
    ]
    "#);
}

fn promote(changelog: &[ChangelogEntry], audience: Audience) -> PromotionInput<'_> {
    const IMAGES: &[ImageChange] = &[];
    PromotionInput {
        kind: PromotionKind::Promote,
        app: "shop",
        environment: "prod",
        version: "v1.0",
        commit: oid('b'),
        from: Some(("v0.9", Some(oid('c')))),
        source_url: SOURCE,
        audience,
        cause: "The tag `v1.0` was pushed by ada.",
        images: IMAGES,
        fields: &[],
        changelog,
        changelog_total: 12,
    }
}

fn changelog() -> Vec<ChangelogEntry> {
    vec![
        ChangelogEntry {
            commit: oid('b'),
            title: "cart: count @everyone's items, fixes #7".into(),
            author: "ada".into(),
            pull: Some(41),
        },
        ChangelogEntry { commit: oid('d'), title: "chore".into(), author: String::new(), pull: None },
    ]
}

#[test]
fn a_promotion_says_where_it_writes() {
    let at = |path: &str, line| Location { path: path.parse().unwrap(), line, column: 3 };
    let said = |fields: &[Location]| {
        let body = promotion::body(&PromotionInput { fields, ..promote(&[], Audience::Same) });
        body.lines().find(|line| line.starts_with("Writes")).unwrap_or_default().to_owned()
    };
    let one = at("env/prod/kustomization.yaml", 9);
    assert_eq!(said(&[]), "");
    assert_eq!(said(std::slice::from_ref(&one)), "Writes `env/prod/kustomization.yaml` line 9.");
    let two = [at("env/prod/kustomization.yaml", 11), one, at("env/prod/release.yaml", 3)];
    assert_eq!(said(&two), "Writes `env/prod/kustomization.yaml` lines 9, 11; `env/prod/release.yaml` line 3.");
    assert_eq!(
        said(&[at("env/prod/kustomization.yaml", 0)]),
        "Writes `env/prod/kustomization.yaml`, which gets an `images` entry of its own: only a base that others share sets it so far."
    );
}

#[test]
fn the_body_of_a_promotion() {
    let changelog = changelog();
    let input = promote(&changelog, Audience::Same);
    assert_eq!(promotion::title(&input), "Promote shop v1.0 to prod");
    insta::assert_snapshot!(seen(&promotion::body(&input)), @r"
    <!-- trunkline:v1 promotion 18c769e3fef9d482 -->
    Brings `shop` in `prod` from `v0.9` ([`ccccccc`](https://github.com/acme/shop/commit/cccccccccccccccccccccccccccccccccccccccc)) to **`v1.0` ([`bbbbbbb`](https://github.com/acme/shop/commit/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb))**. The tag `v1.0` was pushed by ada.

    ### What is new

    12 commits ([see the comparison](https://github.com/acme/shop/compare/cccccccccccccccccccccccccccccccccccccccc...bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb))

    - [`bbbbbbb`](https://github.com/acme/shop/commit/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb) cart: count @{joiner}everyone's items, fixes \#{joiner}7 by `ada` ([pull request 41](https://github.com/acme/shop/pull/41))
    - [`ddddddd`](https://github.com/acme/shop/commit/dddddddddddddddddddddddddddddddddddddddd) chore
    - and 10 more

    ---
    What it waits for stands in the comment below, which is kept up to date. Closing this pull request rejects `v1.0` for `prod` until a newer version comes; `/trunkline hold prod` stops everything here.
    ");
    let back = PromotionInput { kind: PromotionKind::Rollback, ..input };
    assert_eq!(promotion::title(&back), "Roll back shop in prod to v1.0");
}

#[test]
fn a_wider_audience_sees_numbers_and_links_only() {
    let changelog = changelog();
    let body = promotion::body(&promote(&changelog, Audience::Wider));
    assert!(body.contains("12 commits ([see the comparison]("));
    for secret in ["cart", "ada's", "chore", "pull request 41"] {
        assert!(!body.contains(secret), "{secret}");
    }
}

#[test]
fn the_commit_message_of_a_promotion() {
    let message = promotion::commit_message(&promote(&[], Audience::Same));
    insta::assert_snapshot!(message, @r#"
    Promote shop v1.0 to prod

    The tag `v1.0` was pushed by ada.

    Trunkline-App: shop
    Trunkline-Environment: prod
    Trunkline-Version: v1.0
    Trunkline-Source-Commit: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
    "#);
    assert_eq!(promotion::trailer(&message, "Trunkline-Version"), Some("v1.0"));
    assert_eq!(promotion::trailer(&message, "Trunkline"), None);
    let forged = promotion::commit_message(&PromotionInput {
        cause: "x\n\nTrunkline-App: evil\n",
        version: "v1\nTrunkline-Environment: dev",
        ..promote(&[], Audience::Same)
    });
    assert_eq!(promotion::trailer(&forged, "Trunkline-App"), Some("shop"));
    assert_eq!(promotion::trailer(&forged, "Trunkline-Environment"), Some("prod"));
}

#[test]
fn answers_to_commands() {
    let verdict = waiting();
    let row = reply::StatusRow {
        environment: "prod",
        app: "shop",
        version: Some("v0.9"),
        commit: Some(oid('c')),
        source_url: SOURCE,
        since: Some("2026-11-02T10:00:00Z".parse().unwrap()),
        open: Some(("v1.0", 12)),
        verdict: Some(&verdict),
    };
    let dev = reply::StatusRow {
        environment: "dev",
        version: None,
        commit: None,
        since: None,
        open: None,
        verdict: None,
        ..row
    };
    insta::assert_snapshot!(reply::status(&[dev, row], REPO), @r#"
    | Environment | Version | Since | Next |
    |:--|:--|:--|:--|
    | `dev` | nothing yet | unknown | up to date |
    | `prod` | `v0.9` [`ccccccc`](https://github.com/acme/shop/commit/cccccccccccccccccccccccccccccccccccccccc) | 2026-11-02 10:00 UTC | `v1.0` in [pull request 12](https://github.com/acme/environments/pull/12): ⏳ `soak`, `approvals` |

    **`prod`**

    - ⏳ `v1.0` waits to enter `prod` (`gates`)
      - ✅ `stage` holds this commit
      - ⏳ it has been in `stage` for 3 hours of 24 (`soak`), until 2026-12-20 09:00 UTC
      - ⏳ 0 of 1 approvals (`approvals`). **Next:** a member of `acme/sre` who is not the tagger approves
    "#);
    let writes = reply::Writes {
        images: vec![ImageChange { name: "ghcr.io/acme/web".into(), from: "v0.9".into(), to: "v1.0".into() }],
        fields: at("environments/prod/kustomization.yaml", 9, 3).into_iter().collect(),
        via: Via::PullRequest,
        merge: Merge::Manual,
        open: None,
    };
    insta::assert_snapshot!(reply::plan(&[reply::Step { app: "shop", environment: "prod", verdict: &verdict, writes: Some(writes) }], false), @"
    This is what would happen now. Nothing was done.

    **`prod`**

    - ⏳ `v1.0` waits to enter `prod` (`gates`)
      - ✅ `stage` holds this commit
      - ⏳ it has been in `stage` for 3 hours of 24 (`soak`), until 2026-12-20 09:00 UTC
      - ⏳ 0 of 1 approvals (`approvals`). **Next:** a member of `acme/sre` who is not the tagger approves

    It would come as a pull request that a person merges once every gate is open.

    `web` `v0.9` → `v1.0`

    Writes `environments/prod/kustomization.yaml` line 9.
    ");
    insta::assert_snapshot!(reply::help(&command::help(None, |right| match right {
        command::Right::Read | command::Right::Triage => command::You::Yes,
        command::Right::Promote => command::You::In(vec!["dev".into(), "stage".into()]),
        _ => command::You::No,
    })), @r#"
    | Command | What it does | Who may | You |
    |:--|:--|:--|:--|
    | `/trunkline help [verb]` | lists the commands | readers | yes |
    | `/trunkline status [env] [--app name]` | shows what runs where, and what waits for what | readers | yes |
    | `/trunkline plan [env] [version] [--app name]` | shows what would happen next, or if that version came, and does nothing | readers | yes |
    | `/trunkline diff <env> <env> [--app name]` | compares two environments: versions, commits in between, rendered objects | readers | yes |
    | `/trunkline promote <env> [version] [--app name] [--sha commit] [--force "reason"]` | opens or refreshes the promotion of a version, by default the newest that may enter | writers, or the environment's `promote` teams where listed | `dev` and `stage` |
    | `/trunkline rollback <env> [version] [--app name] [--sha commit]` | opens a pull request with the last version that passed there, and holds the environment | the environment's `rollback` teams | no |
    | `/trunkline hold <env> [reason] [--app name]` | stops promotions into an environment until somebody lifts the hold | triage and up | yes |
    | `/trunkline unhold <env> [--app name]` | lifts a hold | triage and up | yes |
    | `/trunkline freeze <env\|all> [for 4h \| until 2026-12-01T08:00] "reason" [--except label=name]` | lets nothing into an environment until then (UTC) or until somebody lifts it; rollbacks pass, and so does a pull request on which one of those teams set the label | the environment's `freeze` teams | no |
    | `/trunkline unfreeze <env\|all>` | lifts every freeze of an environment | the environment's `freeze` teams | no |
    | `/trunkline skip-soak <env> "reason" [--app name] [--sha commit]` | lets the version that wants in, and no other, enter without its soak | the environment's `bypass` teams | no |
    | `/trunkline override <rule> "reason" [--sha commit], or: override cancel <rule>` | accepts what a rule found, or the `gates` of a pull request that is no promotion, for its newest commit only | the environment's `bypass` teams | no |
    | `/trunkline retry [--sha commit]` | looks at this pull request again | writers | no |
    | `/trunkline cancel [env] [--app name]` | closes the open promotion, this one or that into the environment, and rejects its version | writers, or the environment's `promote` teams where listed | `dev` and `stage` |
    | `/trunkline resync` | reads tags, pull requests and checks anew, for all applications here | writers | no |
    | `/trunkline validate` | checks the configuration of this pull request, and says what it would mean | readers | yes |
    | `/trunkline history [env] [--app name]` | shows the last decisions and versions: who, when and why | readers | yes |

    `/promote`, `/rollback`, `/freeze` and `/unfreeze` also work without `/trunkline`.

    A command stands at the start of a line of a new comment, outside code and quotes. Approvals are GitHub's own reviews.
    "#);
    let said = command::parse("/trunkline promte prod\n/promote\n/trunkline approve\n/promote prod");
    let answers: Vec<String> = said.iter().filter_map(reply::misread).collect();
    insta::assert_snapshot!(reply::reply(99, &answers), @r#"
    <!-- trunkline:v1 reply-99 50d63fbb7b02cb83 -->
    > `/trunkline promte prod`

    There is no command `promte`. Did you mean `/trunkline promote`?

    > `/promote`

    The environment is missing. It is written `/trunkline promote <env> [version] [--app name] [--sha commit] [--force "reason"]`.

    > `/trunkline approve`

    There is no command `approve`. `/trunkline help` lists those there are.
    "#);
    let no = Verdict::no("not-allowed", "you may not promote to `prod`").next("ask somebody of `acme/release`");
    insta::assert_snapshot!(reply::refusal(&said[3], &no), @r#"
    > `/promote prod`

    - ⛔ you may not promote to `prod` (`not-allowed`). **Next:** ask somebody of `acme/release`
    "#);
}

#[test]
fn verdicts_as_plain_text() {
    insta::assert_snapshot!(verdict::plain(&waiting()), @r#"
    wait gates: `v1.0` waits to enter `prod`
      ok   order: `stage` holds this commit
      wait soak: it has been in `stage` for 3 hours of 24 (until 2026-12-20 09:00 UTC)
      wait approvals: 0 of 1 approvals [next: a member of `acme/sre` who is not the tagger approves]
    "#);
}

fn source(path: &crate::model::path::RepoPath, line: u32) -> Option<String> {
    (path.as_str() == "base/frontend.yaml" && line == 21)
        .then(|| "          image: ghcr.io/acme/shop-frontend:latest".to_owned())
}

#[test]
fn findings_at_a_terminal() {
    insta::assert_snapshot!(terminal::terminal(&world(), &source, false), @r#"
    error[IMG-001]: the image `ghcr.io/acme/shop-frontend` has the tag `latest`
      --> base/frontend.yaml:21:18
       |
    21 |           image: ghcr.io/acme/shop-frontend:latest
       |                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       = object: Deployment shop/frontend
       = in: stage and prod
       = why: A tag that moves means two nodes can run different code.
       = help: Name a version: `newTag: v1.1`.

    warning[main.warn]: no owner label
      = object: Deployment shop/frontend
      = in: stage and prod

    warning[RES-001]: the container `web` has no memory limit
      --> base/frontend.yaml:21:18
       |
    21 |           image: ghcr.io/acme/shop-frontend:latest
       |                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       = object: Deployment shop/frontend
       = in: stage and prod

    1 error, 2 warnings (24 objects in 2 environments checked)
    "#);
    insta::assert_snapshot!(terminal::terminal(&calm(), &source, false), @r#"ok: 12 objects in 1 environment checked, nothing found"#);
    assert!(terminal::terminal(&world(), &source, true).contains("\u{1b}[1;31merror[IMG-001]\u{1b}[0m"));
}

#[test]
fn findings_as_workflow_commands() {
    insta::assert_snapshot!(github::workflow_commands(&world()), @"
    ::error file=base/frontend.yaml,line=21,col=18,title=IMG-001%3A Deployment shop/frontend::the image `ghcr.io/acme/shop-frontend` has the tag `latest` Fix: Name a version: `newTag: v1.1`.
    ::warning title=main.warn%3A Deployment shop/frontend::no owner label
    ::notice file=base/frontend.yaml,line=21,col=18,title=RES-001%3A Deployment shop/frontend::the container `web` has no memory limit
    ");
}

#[test]
fn findings_as_sarif() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&sarif::sarif(&world(), "0.1.0")["runs"][0]["results"][0]).unwrap(), @r#"
    {
      "ruleId": "IMG-001",
      "ruleIndex": 0,
      "level": "error",
      "message": {
        "text": "the image `ghcr.io/acme/shop-frontend` has the tag `latest`"
      },
      "baselineState": "new",
      "suppressions": [],
      "locations": [
        {
          "physicalLocation": {
            "artifactLocation": {
              "uri": "base/frontend.yaml",
              "uriBaseId": "%SRCROOT%"
            },
            "region": {
              "startLine": 21,
              "startColumn": 18
            }
          }
        }
      ],
      "properties": {
        "environments": [
          "stage",
          "prod"
        ],
        "object": "Deployment shop/frontend"
      }
    }
    "#);
    let log = sarif::sarif(&world(), "0.1.0");
    assert_eq!(log["runs"][0]["results"].as_array().unwrap().len(), 4);
    assert_eq!(log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap().len(), 4);
}

#[test]
fn the_whole_evaluation_as_json() {
    let report = json::json(&world());
    assert_eq!(report["blocks"], true);
    assert_eq!(report["errors"]["new"], 2);
    assert_eq!(report["environments"].as_array().unwrap().len(), 2);
}

/// What is said under each setting: title of the check, beginning of the comment, levels of the annotations, the terminal's last line.
#[test]
fn every_text_says_what_blocks_under_each_setting() {
    let said = |blocks| {
        let mut world = world();
        world.environments.truncate(1);
        for finding in &mut world.environments[0].findings {
            finding.blocks = blocks;
            // Something of each kind that was there before.
            if finding.rule == "RES-001" {
                finding.severity = Severity::Error;
            }
        }
        let check = check_of(&world, None, Mode::Enforce, false);
        let levels: Vec<String> = check.annotations.iter().map(|one| format!("{:?}", one.level)).collect();
        let comment = comment_on(&world, None, Mode::Enforce);
        let sections = comment.lines().filter(|line| line.starts_with("####") || line.contains("the base already has"));
        let terminal = terminal::summary(&world, false);
        let commands = github::workflow_commands(&world);
        let commands: Vec<&str> =
            commands.lines().map(|line| line.split([' ', ':']).nth(2).unwrap_or_default()).collect();
        let conclusion = check.conclusion.map(|conclusion| format!("{conclusion:?}"));
        format!(
            "{}: {}\n{}\n{}\n{}\n{terminal}{}\n",
            conclusion.unwrap_or_default(),
            check.title,
            comment.lines().nth(3).unwrap_or_default(),
            sections.collect::<Vec<_>>().join("\n"),
            levels.join(" "),
            commands.join(" "),
        )
    };
    insta::assert_snapshot!(said(Blocks::NewErrors), @"
    Failure: 1 new error in stage, and 1 warning
    This change alters 2 objects in `stage`. The check fails until what is new is fixed.
    #### New findings
    <details><summary>1 finding that the base already has</summary>
    Failure Notice
    2 errors, 1 warning (12 objects in 1 environment checked)
    error warning notice
    ");
    insta::assert_snapshot!(said(Blocks::NewWarnings), @"
    Failure: 1 new error and 1 new warning in stage
    This change alters 2 objects in `stage`. The check fails until what is new is fixed. Here warnings block, as `policies.blocks` says.
    #### New findings
    <details><summary>1 finding that the base already has</summary>
    Failure Notice
    2 errors, 1 warning (12 objects in 1 environment checked); here warnings block, as `policies.blocks` says
    error error notice
    ");
    insta::assert_snapshot!(said(Blocks::AllErrors), @"
    Failure: 1 new error and 1 error from before in stage, and 1 warning
    This change alters 2 objects in `stage`. The check fails until what blocks is fixed. Here errors from before block, as `policies.blocks` says.
    #### New findings
    #### Findings from before that block
    Failure Failure
    2 errors, 1 warning (12 objects in 1 environment checked); here errors from before block, as `policies.blocks` says
    error warning error
    ");
    insta::assert_snapshot!(said(Blocks::Nothing), @"
    Success: Nothing blocks: 1 error, 1 warning in stage
    This change alters 2 objects in `stage`. Here new errors block nothing, as `policies.blocks` says.
    #### New findings
    <details><summary>1 finding that the base already has</summary>
    Warning Notice
    2 errors, 1 warning (12 objects in 1 environment checked); here new errors block nothing, as `policies.blocks` says
    warning warning notice
    ");
}
