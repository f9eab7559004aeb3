//! The worker against what a repository may hold: whatever happens to the child, the parent lives and says what happened.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use trunkline::model::finding::{Delta, Evaluation};
use trunkline::model::id::{InstallationId, Oid};
use trunkline::model::pipeline::{Environment, Merge, Mode, OnNewer, Pipeline, Policies, Rights, Takes, Via};
use trunkline::model::tree::{Entry, MemoryObjects, ObjectError, Objects, Tree};
use trunkline::policy::files;
use trunkline::worker::{Limits, Request, Worker};

fn environment(name: &str, takes: Takes) -> Environment {
    Environment {
        name: name.to_owned(),
        path: format!("environments/{name}"),
        takes,
        via: Via::PullRequest,
        merge: Merge::Auto,
        on_newer: OnNewer::Supersede,
        after: Vec::new(),
        ships: None,
        soak: None,
        approvals: None,
        windows: None,
        health: None,
        checks: Vec::new(),
        rights: Rights::default(),
        url: None,
        kubernetes: None,
        flux: None,
    }
}

fn pipeline() -> Pipeline {
    Pipeline {
        mode: Mode::Enforce,
        apps: Vec::new(),
        environments: vec![environment("dev", Takes::Trunk), environment("prod", Takes::Releases)],
        policies: Policies {
            packs: vec!["recommended".into()],
            paths: vec!["policies".parse().unwrap()],
            ..Policies::default()
        },
        registries: Vec::new(),
    }
}

fn worker(limits: Limits) -> Worker {
    Worker::new(PathBuf::from(env!("CARGO_BIN_EXE_trunkline")), limits, NonZeroUsize::MIN)
}

/// A repository before and after, policies from before.
fn change(before: &[(&str, &str)], after: &[(&str, &str)]) -> (MemoryObjects, Request) {
    let mut store = MemoryObjects::default();
    let base = store.add_text(before.iter().copied()).unwrap();
    let head = store.add_text(after.iter().copied()).unwrap();
    let pipeline = pipeline();
    let policies = files::list(&Tree::new(base, &store), &pipeline.policies.paths);
    let request = Request {
        installation: InstallationId(1),
        base,
        head,
        pipeline,
        config: None,
        policies,
        today: None,
        mask: [7; 32],
        between: None,
    };
    (store, request)
}

async fn evaluate(worker: &Worker, before: &[(&str, &str)], after: &[(&str, &str)]) -> Arc<Evaluation> {
    let (store, request) = change(before, after);
    worker.evaluate(Arc::new(store), request).await
}

/// `rule delta message`, the environment's name first.
fn said(evaluation: &Evaluation) -> Vec<String> {
    let show = |(environment, finding): (
        Option<&trunkline::model::finding::EnvironmentEvaluation>,
        &trunkline::model::finding::Finding,
    )| {
        let environment = environment.map_or("-", |environment| &environment.environment);
        format!("{environment} {} {:?} {}: {}", finding.severity, finding.delta, finding.rule, finding.message)
    };
    evaluation.all_findings().map(show).collect()
}

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: { name: shop }\nspec:\n  containers:\n    - name: shop\n      image: shop:v1\n      resources: { requests: { cpu: 1m, memory: 1Mi }, limits: { memory: 1Mi } }\n      securityContext: { runAsNonRoot: true, allowPrivilegeEscalation: false, capabilities: { drop: [ALL] } }\n";

#[tokio::test]
async fn the_child_says_what_this_process_says() {
    let latest = POD.replace(":v1", ":latest");
    let policy = "package main\ndeny contains msg if {\n  endswith(input.spec.containers[_].image, \"latest\")\n  msg := \"no latest\"\n}\n";
    let before = [("environments/dev/pod.yaml", POD), ("environments/prod/pod.yaml", POD), ("policies/a.rego", policy)];
    let after = [before[0], ("environments/prod/pod.yaml", latest.as_str()), before[2]];
    let there = evaluate(&worker(Limits::default()), &before, &after).await;
    let here = evaluate(&Worker::in_process(), &before, &after).await;
    assert_eq!(there, here);
    assert_eq!(
        said(&there),
        [
            "prod error New IMG-001: image `shop:latest` of container `shop` is tagged `latest`",
            "prod error New main.deny: no latest"
        ]
    );
    assert!(there.blocks());
}

#[tokio::test]
async fn t23_policies_and_configuration_of_the_change_are_shown_and_not_obeyed() {
    let deny = "package main\ndeny contains \"never\" if input.kind\n";
    let broken = "package main\ndeny contains msg if {\n";
    let before = [("environments/dev/pod.yaml", POD), ("policies/a.rego", deny)];
    let after = [
        ("environments/dev/pod.yaml", &*format!("{POD}\n# x\n")),
        ("policies/a.rego", broken),
        (".github/trunkline.yaml", "version: 1\nenviroments: {}\n"),
    ];
    let evaluation = evaluate(&worker(Limits::default()), &before, &after).await;
    let said = said(&evaluation);
    assert!(said.iter().any(|line| line.starts_with("- error New CONFIG: ")), "{said:#?}");
    assert!(said.iter().any(|line| line.starts_with("- error New POLICY: the policy does not parse")), "{said:#?}");
    assert!(said.contains(&"dev error Existing main.deny: never".to_owned()), "{said:#?}");
}

#[tokio::test]
async fn t35_the_canary_never_leaves() {
    const CANARY: &str = "canary-7f3a9b";
    let secret = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{ name: db }}\nstringData: {{ password: {CANARY} }}\n---\napiVersion: v1\nkind: Secret\nmetadata: {{ name: db64 }}\ndata: {{ password: Y2FuYXJ5LTdmM2E5Yg== }}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: c }}\ndata: {{ URL: 'postgres://u:{CANARY}@db/x', DB_PASSWORD: {CANARY} }}\n---\napiVersion: v1\nkind: Pod\nmetadata: {{ name: p }}\nspec: {{ containers: [{{ name: p, image: 'p:1', env: [{{ name: API_TOKEN, value: {CANARY} }}], args: ['--url=http://u:{CANARY}@x/'] }}] }}\n"
    );
    let policy = "package main\ndeny contains sprintf(\"%v\", [input]) if true\nwarn contains base64.decode(input.data.password) if input.kind == \"Secret\"\nwarn_broken contains to_number(input.stringData.password) if true\n";
    let older = secret.replace("7f3a9b", "000000").replace("Y2FuYXJ5LTdmM2E5Yg==", "Y2FuYXJ5LTAwMDAwMA==");
    // What does not even parse may not be quoted either.
    let broken =
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{ name: x }}\nstringData: {{ password: {CANARY}: [}}\n");
    let before = [("policies/a.rego", policy), ("environments/prod/all.yaml", older.as_str())];
    let after =
        [before[0], ("environments/prod/all.yaml", secret.as_str()), ("environments/dev/broken.yaml", broken.as_str())];
    let evaluation = evaluate(&worker(Limits::default()), &before, &after).await;
    let text = serde_json::to_string(&evaluation).unwrap();
    assert!(text.contains("main.deny") && text.contains("SEC-001") && text.contains("SEC-002"), "{text}");
    assert_eq!(evaluation.environments.len(), 2);
    for canary in ["canary-", "Y2FuYXJ5L"] {
        assert!(!text.contains(canary), "{text}");
    }
    assert_eq!(evaluation.environments[1].changes.len(), 4, "changes still show: {text}");
}

/// What the child meets, and whether it survives it is its own affair: there is an answer in bounded time, and it blocks.
async fn hostile(file: &str, text: &str) -> Vec<String> {
    let start = Instant::now();
    let evaluation = evaluate(&worker(Limits::default()), &[("a", "")], &[("a", ""), (file, text)]).await;
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert!(evaluation.blocks(), "{evaluation:?}");
    said(&evaluation)
}

#[tokio::test]
async fn t11_alias_bomb_and_depth() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for n in 1..10 {
        let all = vec![format!("*a{}", n - 1); 9].join(", ");
        bomb.push_str(&format!("a{n}: &a{n} [{all}]\n"));
    }
    let said = hostile("environments/dev/bomb.yaml", &bomb).await;
    assert!(said[0].starts_with("dev error New KUST-001"), "{said:?}");
    for deep in [format!("a: {}", "[".repeat(100_000)), format!("a: {}", "{a: ".repeat(100_000)), "- ".repeat(100_000)]
    {
        let said = hostile("environments/dev/deep.yaml", &deep).await;
        assert!(said[0].starts_with("dev error New KUST-001"), "{said:?}");
    }
}

fn limited(policy: &str, limits: Limits) -> impl Future<Output = (Arc<Evaluation>, Worker)> {
    let policy = policy.to_owned();
    async move {
        let worker = worker(limits);
        let before = [("policies/a.rego", policy.as_str())];
        let after = [before[0], ("environments/prod/pod.yaml", POD)];
        let evaluation = evaluate(&worker, &before, &after).await;
        // The parent lives, and the next evaluation works.
        let next = evaluate(&worker, &[("a", "")], &[("environments/dev/pod.yaml", POD)]).await;
        assert_eq!(next.environments.len(), 1, "{next:?}");
        (evaluation, worker)
    }
}

#[tokio::test]
async fn t44_a_policy_that_takes_all_memory() {
    let policy = "package main\ndeny contains \"x\" if count(numbers.range(1, 300000000)) == 0\n";
    let (evaluation, _) = limited(policy, Limits { memory: 512 << 20, ..Limits::default() }).await;
    assert_eq!(
        said(&evaluation),
        ["- error New LIMIT: evaluating environment `prod` took more than 512 MiB of memory and was stopped"]
    );
    assert!(evaluation.blocks() && evaluation.findings[0].fix.contains("/trunkline retry"));
}

#[tokio::test]
async fn t44_a_policy_that_takes_all_time() {
    let policy = "package main\ndeny contains \"x\" if count(numbers.range(1, 300000000)) == 0\n";
    let (evaluation, _) = limited(policy, Limits { cpu: 1, memory: 16 << 30, ..Limits::default() }).await;
    assert_eq!(
        said(&evaluation),
        ["- error New LIMIT: evaluating environment `prod` took more than 1 s of processor time and was stopped"]
    );
    let (evaluation, _) =
        limited(policy, Limits { wall: Duration::from_secs(1), memory: 16 << 30, ..Limits::default() }).await;
    assert_eq!(
        said(&evaluation),
        ["- error New LIMIT: evaluating environment `prod` took more than 1 s and was stopped"]
    );
}

#[tokio::test]
async fn t44_an_endless_rule_is_the_policys_fault() {
    let policy = "package main\ndeny contains \"x\" if {\n  some a in numbers.range(1, 1000)\n  some b in numbers.range(1, 1000)\n  some c in numbers.range(1, 1000)\n  a + b + c == 0\n}\n";
    let (evaluation, _) = limited(policy, Limits::default()).await;
    let said = said(&evaluation);
    assert!(
        said.iter().any(|line| line.starts_with("prod error New POLICY: `main.deny` could not be evaluated")),
        "{said:#?}"
    );
}

#[tokio::test]
async fn t44_a_policy_that_is_nested_without_end() {
    let nested =
        format!("package main\ndeny contains x if {{\n  x := {}1{}\n}}\n", "[\n".repeat(9_000), "]\n".repeat(9_000));
    let (evaluation, _) = limited(&nested, Limits::default()).await;
    let said = said(&evaluation);
    let stopped = said == ["- error New LIMIT: evaluating the policies went too deep and was stopped"];
    assert!(stopped || said.iter().any(|line| line.contains("POLICY")), "{said:#?}");
}

/// Objects that kill the child the moment it asks for the second one.
struct Killer {
    inner: MemoryObjects,
    asked: AtomicUsize,
}

impl Objects for Killer {
    fn tree(&self, id: Oid) -> Result<Arc<[Entry]>, ObjectError> {
        if self.asked.fetch_add(1, Ordering::SeqCst) == 1 {
            kill_my_child();
        }
        self.inner.tree(id)
    }

    fn blob(&self, id: Oid) -> Result<Arc<[u8]>, ObjectError> {
        self.inner.blob(id)
    }
}

/// The one child of this very thread's process that waits for us is found through the kernel, and only it is killed.
fn kill_my_child() {
    let me = std::process::id().to_string();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name();
        let pid = name.to_string_lossy();
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let Ok(command) = std::fs::read(entry.path().join("cmdline")) else { continue };
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1).map(str::to_owned));
        let marked = std::fs::read_link(entry.path().join("exe")).is_ok_and(|exe| exe.ends_with("doomed"));
        if parent.as_deref() == Some(&me) && marked && command.ends_with(b"worker\0") {
            std::process::Command::new("kill").args(["-9", &pid]).status().unwrap();
        }
    }
}

#[tokio::test]
async fn a_child_killed_mid_way_is_said_and_not_remembered() {
    // A copy under its own name, so that only this test's child is met.
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("doomed");
    std::fs::copy(env!("CARGO_BIN_EXE_trunkline"), &program).unwrap();
    let (inner, request) = change(&[("a", "")], &[("environments/dev/pod.yaml", POD)]);
    let objects: Arc<dyn Objects> = Arc::new(Killer { inner, asked: AtomicUsize::new(0) });
    let worker = Worker::new(program, Limits::default(), NonZeroUsize::MIN);
    let killed = worker.evaluate(objects.clone(), request.clone()).await;
    assert_eq!(said(&killed), ["- error New LIMIT: evaluating the change was killed from outside"]);
    // The same question again is asked again, and answered.
    let retried = worker.evaluate(objects, request).await;
    assert_eq!(retried.environments.len(), 1, "{retried:?}");
}

#[tokio::test]
async fn a_missing_program_is_a_finding() {
    let worker = Worker::new("/nonexistent/trunkline".into(), Limits::default(), NonZeroUsize::MIN);
    let evaluation = evaluate(&worker, &[("a", "")], &[("environments/dev/pod.yaml", POD)]).await;
    assert_eq!(
        said(&evaluation),
        ["- error New LIMIT: the change could not be evaluated: the worker process could not be started"]
    );
}

#[tokio::test]
async fn a_broken_base_does_not_hide_head_and_a_broken_head_removes_nothing() {
    let latest = POD.replace(":v1", ":latest");
    let worker = Worker::in_process();
    let base = [("environments/dev/pod.yaml", "a: [")];
    let head = [("environments/dev/pod.yaml", latest.as_str())];
    let mended = evaluate(&worker, &base, &head).await;
    let lines = said(&mended);
    assert!(lines.iter().any(|line| line.starts_with("dev warning New IMG-001")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("dev error Fixed KUST-001")), "{lines:#?}");
    let broken = evaluate(&worker, &head, &base).await;
    assert!(broken.blocks() && broken.environments[0].changes.is_empty(), "{broken:?}");
    assert!(broken.all_findings().all(|(_, finding)| finding.delta == Delta::New), "{broken:?}");
}
