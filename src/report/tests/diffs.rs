use super::*;
use crate::model::finding::Cost;
use crate::model::pipeline::Mode;
use crate::report::comment::{CommentInput, comment};
use crate::report::reply;

fn change(kind: ChangeKind, name: &str) -> Change {
    Change {
        object: object("Deployment", name),
        kind,
        was: None,
        follows: Vec::new(),
        diff: String::new(),
        lines: (0, 0),
        location: at("base/a.yaml", 3, 1),
    }
}

fn amount(what: &str, of: &str, from: &str, to: &str) -> AmountChange {
    AmountChange { what: what.into(), of: of.into(), from: from.into(), to: to.into() }
}

/// Everything that can happen to an object.
fn eventful() -> Evaluation {
    let mut evaluation = calm();
    let env = &mut evaluation.environments[0];
    let image = |name: &str| ImageChange { name: name.into(), from: "v0.9".into(), to: "v1.0".into() };
    env.images = vec![image("ghcr.io/acme/shop"), image("quay.io/acme/shop"), image("ghcr.io/acme/web")];
    env.amounts = vec![
        amount("replicas", "web", "2", "3"),
        amount("memory limit", "web/app", "128Mi", "96Mi"),
        amount("cpu request", "web/app", "", "100m"),
        amount("example.com/a|b limit", "web/app", "1", ""),
    ];
    let generated = |name: &str| ObjectName { group: String::new(), ..object("ConfigMap", name) };
    env.changes = vec![
        Change {
            object: generated("settings-2b4d56789f"),
            was: Some(generated("settings-t6g5m2h5k2")),
            diff: "@@ data @@\n-  a: 1\n+  a: 2\n".into(),
            lines: (1, 1),
            ..change(ChangeKind::Changed, "")
        },
        Change { follows: vec!["settings-2b4d56789f".into()], ..change(ChangeKind::Changed, "web") },
        Change { follows: vec!["settings-2b4d56789f".into()], ..change(ChangeKind::Changed, "worker") },
        Change {
            follows: vec!["settings-2b4d56789f".into()],
            diff: "@@ spec @@\n-  replicas: 2\n+  replicas: 3\n".into(),
            lines: (1, 1),
            ..change(ChangeKind::Changed, "api")
        },
        Change { was: Some(object("Deployment", "old")), ..change(ChangeKind::Renamed, "new") },
        Change {
            was: Some(ObjectName { namespace: "before".into(), ..object("Deployment", "moved") }),
            ..change(ChangeKind::Renamed, "moved")
        },
        Change { lines: (100_000, 3), ..change(ChangeKind::Changed, "huge") },
    ];
    evaluation
}

#[test]
fn what_a_reviewer_reads_of_each_kind_of_change() {
    let evaluation = eventful();
    let text = comment(&CommentInput {
        repo_url: REPO,
        head: oid('a'),
        evaluation: &evaluation,
        verdict: None,
        mode: Mode::Enforce,
        check_url: None,
        picture: None,
    });
    let text = text.replace(&format!("/blob/{}", oid('a')), "/blob/…");
    insta::assert_snapshot!(text.lines().skip(1).collect::<Vec<_>>().join("\n"), @r"
    ### No new findings in dev

    This change alters 7 objects in `dev`.

    | Environment | Objects | In short | Findings |
    |:--|:--|:--|:--|
    | `dev` | \~5 2 renamed | `ghcr.io/acme/shop` `v0.9` → `v1.0` · `quay.io/acme/shop` `v0.9` → `v1.0` · `web` `v0.9` → `v1.0` · replicas `web` `2` → `3` · memory limit `web/app` `128Mi` → `96Mi` · cpu request `web/app` none → `100m` · `example.com/a\|b limit` `web/app` `1` → none | none |

    <details><summary><code>dev</code>: 7 changed objects</summary>

    <details><summary><code>ConfigMap shop/settings-2b4d56789f</code> changed (+1 −1), was <code>settings-t6g5m2h5k2</code></summary>

    from [`base/a.yaml:3`](https://github.com/acme/environments/blob/…/base/a.yaml#L3)

    ```diff
    @@ data @@
    -  a: 1
    +  a: 2
    ```

    </details>

    <details><summary><code>Deployment shop/api</code> changed (+1 −1)</summary>

    from [`base/a.yaml:3`](https://github.com/acme/environments/blob/…/base/a.yaml#L3)

    ```diff
    @@ spec @@
    -  replicas: 2
    +  replicas: 3
    ```

    *It also follows the new name of `settings-2b4d56789f`.*

    </details>

    <details><summary><code>Deployment shop/new</code> renamed, was <code>old</code></summary>

    from [`base/a.yaml:3`](https://github.com/acme/environments/blob/…/base/a.yaml#L3)

    Nothing but the name changes; Kubernetes deletes the old object and creates this one.

    </details>

    <details><summary><code>Deployment shop/moved</code> renamed, was <code>before/moved</code></summary>

    from [`base/a.yaml:3`](https://github.com/acme/environments/blob/…/base/a.yaml#L3)

    Nothing but the name changes; Kubernetes deletes the old object and creates this one.

    </details>

    <details><summary><code>Deployment shop/huge</code> changed (+100000 −3)</summary>

    from [`base/a.yaml:3`](https://github.com/acme/environments/blob/…/base/a.yaml#L3)

    *100003 lines not shown: this change is too large to show all of it.*

    </details>

    These change only because `settings-2b4d56789f` has a new name; their pods start anew: `Deployment shop/web` and `Deployment shop/worker`.

    </details>

    <sub>Checked at [`aaaaaaa`](https://github.com/acme/environments/commit/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa); a later commit with the same result changes nothing here. You can say `/trunkline plan`, `/trunkline help`.</sub>
    ");
}

#[test]
fn the_plan_says_what_this_pull_request_does() {
    let mut evaluation = eventful();
    evaluation.environments[0].cost.to = Cost { cpu: 300, memory: 96 << 20, volumes: 0 };
    evaluation.environments.push(EnvironmentEvaluation {
        rendered: false,
        amounts: Vec::new(),
        cost: CostChange::default(),
        images: Vec::new(),
        ..environment("b|c")
    });
    insta::assert_snapshot!(reply::this_change(&evaluation), @r"
    | This pull request | Objects | In short |
    |:--|:--|:--|
    | `dev` | \~5 2 renamed | `ghcr.io/acme/shop` `v0.9` → `v1.0` · `quay.io/acme/shop` `v0.9` → `v1.0` · `web` `v0.9` → `v1.0` · replicas `web` `2` → `3` · memory limit `web/app` `128Mi` → `96Mi` · cpu request `web/app` none → `100m` · `example.com/a\|b limit` `web/app` `1` → none |
    | `b\|c` | does not build |  |

    - Requests in `dev`: CPU 0 → 0.3, memory 0 → 96Mi
    ");
    assert_eq!(reply::this_change(&Evaluation::default()), "");
}
