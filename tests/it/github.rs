//! The GitHub adapter against the sandbox, in process: every call of the table is made, and its answer read.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use secrecy::ExposeSecret as _;
use tower::ServiceExt as _;
use trunkline::clock::Clock;
use trunkline::github::{Access, CALLS, Config, File, GitHub, Kind, RepoAt, Scope};
use trunkline::model::id::{InstallationId, Oid, RepoId};
use trunkline::model::plan::{Annotation, AnnotationLevel, CheckOutput, Conclusion};
use trunkline::model::snapshot::{
    Actor, CheckState, CommitCheck, MergeMethod, Permission, PullState, Reaction, ReviewState,
};
use trunkline::sandbox::{AppSpec, Options, Sandbox};
use trunkline::transport::{BoxError, HttpRequest, Transport};

const BASE: &str = "http://127.0.0.1:4000";

/// A sandbox with `acme/env`, its App made from our own manifest, and the adapter plugged into its router.
pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    pub(crate) github: GitHub,
    pub(crate) clock: Clock,
    pub(crate) at: RepoAt,
    _dir: tempfile::TempDir,
}

/// The App's key, made once: that takes a while.
static KEY: tokio::sync::OnceCell<String> = tokio::sync::OnceCell::const_new();

impl Stage {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        if let Some(pem) = KEY.get() {
            std::fs::write(dir.path().join("app.pem"), pem).unwrap();
        }
        let clock = Clock::manual("2026-11-20T12:00:00Z".parse().unwrap());
        let manifest = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/app-manifest.yml")).unwrap();
        let options = Options {
            dir: dir.path().to_owned(),
            clock: clock.clone(),
            base_url: BASE.into(),
            app: AppSpec::from_manifest(&manifest).unwrap(),
            webhook_secret: "secret".into(),
            deliver_to: None,
        };
        let sandbox = Sandbox::start(options).await.unwrap();
        KEY.get_or_init(|| async { sandbox.app_private_key_pem() }).await;
        sandbox.create_org("acme");
        for login in ["ann", "bob", "eve"] {
            sandbox.create_user(login);
        }
        sandbox.create_team("acme", "sre", &["bob"]);
        let files = [("environments/dev/app.yaml", b"tag: v1\n".to_vec()), ("README.md", b"# env\n".to_vec())];
        let repo = sandbox.create_repo("acme", "env", true, &files, "ann");
        sandbox.set_permission("acme/env", "bob", "maintain");
        let installation = InstallationId(sandbox.install("acme", &["env"]));
        let github = connect(&sandbox, &clock, &Transport::of(sandbox.router()));
        let at = RepoAt { installation, id: RepoId(repo.id), name: "acme/env".parse().unwrap() };
        Self { sandbox, github, clock, at, _dir: dir }
    }

    fn tip(&self) -> Oid {
        self.sandbox.push_files("acme/env", "main", "ann", "next", &[("x", Some(b"x".to_vec()))]).parse().unwrap()
    }
}

fn connect(sandbox: &Sandbox, clock: &Clock, transport: &Transport) -> GitHub {
    let config = Config {
        api_url: format!("{BASE}/api/v3"),
        graphql_url: format!("{BASE}/api/graphql"),
        web_url: BASE.into(),
        app_id: sandbox.app_id(),
        client_id: None,
        private_key: sandbox.app_private_key_pem().into(),
    };
    GitHub::new(&config, clock.clone(), transport).unwrap()
}

fn person(login: &str) -> Actor {
    Actor { login: login.into(), bot: false }
}

fn bot() -> Actor {
    Actor { login: "trunkline".into(), bot: true }
}

fn output(conclusion: Option<Conclusion>, annotations: usize) -> CheckOutput {
    let annotation = |i: usize| Annotation {
        path: "environments/dev/app.yaml".parse().unwrap(),
        line: 1,
        level: AnnotationLevel::Warning,
        title: format!("finding {i}"),
        message: "fix it".into(),
    };
    CheckOutput {
        conclusion,
        title: "dev: 1 object changed".into(),
        summary: "All is well.".into(),
        text: String::new(),
        pages: Vec::new(),
        annotations: (0..annotations).map(annotation).collect(),
    }
}

#[tokio::test]
async fn lists_say_who_we_are_and_where() {
    let stage = Stage::new().await;
    let app = stage.github.app().await.unwrap();
    assert_eq!((app.app, app.slug.as_str()), (stage.sandbox.app_id(), "trunkline"));
    assert_eq!(stage.github.installations().await.unwrap(), [stage.at.installation]);
    let repositories = stage.github.repositories(stage.at.installation).await.unwrap();
    assert_eq!(repositories.len(), 1);
    assert_eq!((&repositories[0].at, repositories[0].private), (&stage.at, true));
    assert_eq!(repositories[0].default_branch, "main");
    assert_eq!(stage.github.git_url(&stage.at), "http://127.0.0.1:4000/acme/env.git");
}

#[tokio::test]
async fn a_repository_shows_its_open_pulls_and_recent_talk() {
    let stage = Stage::new().await;
    let (sandbox, at) = (&stage.sandbox, &stage.at);
    let old = sandbox.open_issue("acme/env", "ann", "old", "b");
    sandbox.comment("acme/env", "ann", old, "/trunkline help");
    stage.clock.advance(Duration::from_secs(2 * 3600));
    let tip = stage.tip();
    sandbox.push_files("acme/env", "change", "bob", "change", &[("y", Some(b"y".to_vec()))]);
    let pull = sandbox.open_pull("acme/env", "bob", "change", "main", "Change y", "body");
    sandbox.comment("acme/env", "ann", pull, "hello");
    let (repo, subject) = stage.github.repo(at).await.unwrap();
    assert_eq!((repo.id, repo.installation, repo.tip, repo.private), (at.id, at.installation, Some(tip), true));
    assert_eq!(repo.url, "http://127.0.0.1:4000/acme/env");
    assert_eq!(repo.merge_methods, [MergeMethod::Squash, MergeMethod::Merge, MergeMethod::Rebase]);
    assert_eq!(subject.open.len(), 1);
    let brief = &subject.open[0];
    assert_eq!((brief.number, brief.state, &brief.author), (pull, PullState::Open, &person("bob")));
    assert_eq!((brief.branch.as_str(), brief.base.as_str(), brief.fork), ("change", "main", false));
    assert_eq!(subject.recent, [pull]);
}

#[tokio::test]
async fn e32_a_pull_request_that_is_there_is_found_by_its_branch_whatever_is_listed() {
    let stage = Stage::new().await;
    let router = stage.sandbox.router();
    // Where GitHub cannot read the filter it lists everything; this one never can.
    let deaf = Transport::of(tower::service_fn(move |mut request: HttpRequest| {
        let router = router.clone();
        if request.method() == http::Method::GET && request.uri().path().ends_with("/pulls") {
            *request.uri_mut() = request.uri().path().parse().unwrap();
        }
        async move {
            let answer = router.oneshot(request.map(axum::body::Body::new)).await.unwrap();
            Ok::<_, BoxError>(answer.map(|body| {
                http_body_util::BodyExt::boxed_unsync(http_body_util::BodyExt::map_err(body, BoxError::from))
            }))
        }
    }));
    let github = connect(&stage.sandbox, &stage.clock, &deaf);
    let mut numbers = Vec::new();
    for branch in ["one", "two", "three"] {
        stage.sandbox.push_files("acme/env", branch, "bob", branch, &[(branch, Some(b"x".to_vec()))]);
        numbers.push(stage.sandbox.open_pull("acme/env", "bob", branch, "main", branch, ""));
    }
    for (branch, number) in ["one", "two", "three"].into_iter().zip(numbers) {
        assert_eq!(github.open_pull(&stage.at, (branch, "main"), "t", "b").await.unwrap(), number);
    }
}

#[tokio::test]
async fn a_pull_request_is_seen_whole_in_one_request() {
    let stage = Stage::new().await;
    let (sandbox, at) = (&stage.sandbox, &stage.at);
    let head: Oid =
        sandbox.push_files("acme/env", "change", "bob", "c", &[("y", Some(b"y".to_vec()))]).parse().unwrap();
    let number = sandbox.open_pull("acme/env", "bob", "change", "main", "Change y", "the body");
    sandbox.review("acme/env", "ann", number, "APPROVED");
    sandbox.add_label("acme/env", "ann", number, "hotfix");
    let command = sandbox.comment("acme/env", "ann", number, "/trunkline status");
    let edited = sandbox.comment("acme/env", "ann", number, "first");
    stage.clock.advance(Duration::from_secs(1));
    sandbox.edit_comment("acme/env", "ann", edited, "second");
    stage.github.react(at, command, Reaction::Eyes).await.unwrap();
    stage.github.react(at, command, Reaction::Eyes).await.unwrap();
    stage.github.request_reviews(at, number, &["acme/sre".into()]).await.unwrap();
    stage.github.put_check(at, head, None, &output(Some(Conclusion::Success), 0)).await.unwrap();
    let checked_at = stage.clock.now();
    let answer = stage.github.reply(at, number, command, "All is well.").await.unwrap();

    let before = sandbox.requests().len();
    let (_, subject) = stage.github.pull(at, number).await.unwrap();
    let queries = sandbox.requests()[before..].iter().filter(|r| r.graphql.is_some()).count();
    assert_eq!(queries, 1);
    let pull = subject.pull.unwrap();
    assert_eq!((pull.brief.head, pull.body.as_str(), pull.draft), (head, "the body", false));
    assert_eq!(pull.mergeable, Some(true));
    assert_eq!(pull.labels, ["hotfix"]);
    assert_eq!(pull.requested, ["acme/sre"]);
    assert_eq!(pull.commit_authors, [person("bob")]);
    assert_eq!(pull.reviews.len(), 1);
    assert_eq!((&pull.reviews[0].author, pull.reviews[0].state), (&person("ann"), ReviewState::Approved));
    assert_eq!(pull.reviews[0].commit, Some(head));
    assert_eq!(subject.checked_at, Some(checked_at));
    let comments: Vec<_> = subject.comments.iter().map(|c| (c.id, c.edited, c.reactions.as_slice())).collect();
    assert_eq!(comments, [(command, false, &[Reaction::Eyes][..]), (edited, true, &[]), (answer, false, &[])]);
    assert_eq!(subject.comments[2].author, bot());
    assert!(subject.comments[2].body.ends_with(&trunkline::github::reply_marker(command)));

    let issue = sandbox.open_issue("acme/env", "ann", "Environments", "desk");
    let said = sandbox.comment("acme/env", "bob", issue, "/trunkline help");
    let (_, subject) = stage.github.pull(at, issue).await.unwrap();
    assert!(subject.pull.is_none());
    assert_eq!(subject.comments.iter().map(|c| c.id).collect::<Vec<_>>(), [said]);
    assert_eq!(stage.github.pull(at, 999).await.unwrap_err().kind, Kind::Gone);
}

#[tokio::test]
async fn comments_are_paged_backwards_to_the_first() {
    let stage = Stage::new().await;
    let issue = stage.sandbox.open_issue("acme/env", "ann", "long", "b");
    let written: Vec<u64> =
        (0..230).map(|i| stage.sandbox.comment("acme/env", "ann", issue, &format!("comment {i}"))).collect();
    let (_, subject) = stage.github.pull(&stage.at, issue).await.unwrap();
    assert_eq!(subject.comments.iter().map(|c| c.id).collect::<Vec<_>>(), written);
}

#[tokio::test]
async fn a_head_knows_its_pulls_forks_included_and_our_checks() {
    let stage = Stage::new().await;
    let (sandbox, at) = (&stage.sandbox, &stage.at);
    let head = sandbox.push_files("acme/env", "change", "bob", "c", &[("y", Some(b"y".to_vec()))]);
    let one = sandbox.open_pull("acme/env", "bob", "change", "main", "One", "");
    sandbox.push_files("acme/env", "release", "bob", "r", &[("r", Some(b"r".to_vec()))]);
    let two = sandbox.open_pull("acme/env", "bob", "change", "release", "Two", "");
    sandbox.add_check("acme/env", &head, "github-actions", "trunkline", "success");
    let head: Oid = head.parse().unwrap();
    let first = stage.github.put_check(at, head, None, &output(None, 0)).await.unwrap();
    let second = stage.github.put_check(at, head, None, &output(Some(Conclusion::Failure), 1)).await.unwrap();
    let (repo, subject) = stage.github.head(at, head).await.unwrap();
    assert_eq!(repo.id, at.id);
    assert_eq!(subject.pulls.iter().map(|p| p.brief.number).collect::<Vec<_>>(), [one, two]);
    assert_eq!(
        subject.checks.iter().map(|c| (c.id, c.completed)).collect::<Vec<_>>(),
        [(second, true), (first, false)]
    );
    assert_eq!(subject.checks[0].external_id, output(Some(Conclusion::Failure), 1).fingerprint());

    sandbox.set_permission("acme/env", "eve", "read");
    let fork = sandbox.create_fork("acme/env", "eve");
    let head = sandbox.push_files(&fork.full_name, "fork", "eve", "f", &[("z", Some(b"z".to_vec()))]);
    let three = sandbox.open_pull("acme/env", "eve", "eve:fork", "main", "Three", "");
    let (_, subject) = stage.github.head(at, head.parse().unwrap()).await.unwrap();
    assert_eq!(subject.pulls.iter().map(|p| (p.brief.number, p.brief.fork)).collect::<Vec<_>>(), [(three, true)]);
    assert_eq!(stage.github.head(at, Oid([7; 20])).await.unwrap_err().kind, Kind::Gone);
}

#[tokio::test]
async fn more_than_a_page_of_open_pulls_is_paged() {
    let stage = Stage::new().await;
    let (sandbox, at) = (&stage.sandbox, &stage.at);
    let head = sandbox.push_files("acme/env", "b0", "bob", "c", &[("y", Some(b"y".to_vec()))]);
    for i in 0..101 {
        sandbox.force_push("acme/env", &format!("b{i}"), "bob", &head);
        sandbox.open_pull("acme/env", "bob", &format!("b{i}"), "main", "t", "");
    }
    let (_, subject) = stage.github.repo(at).await.unwrap();
    assert_eq!(subject.open.len(), 101);
    let (_, subject) = stage.github.head(at, head.parse().unwrap()).await.unwrap();
    assert_eq!(subject.pulls.len(), 20, "the same commit in more is a prank");
    let asked: BTreeSet<&str> = CALLS.iter().filter(|call| call.document.is_some()).map(|call| call.name).collect();
    assert!(asked.contains("Open") && asked.contains("Heads"));
}

#[tokio::test]
async fn annotations_go_in_fifties_and_replaced_runs_are_new() {
    let stage = Stage::new().await;
    let (at, tip) = (&stage.at, stage.tip());
    let put = async |existing, output: &CheckOutput| stage.github.put_check(at, tip, existing, output).await.unwrap();
    let waiting = put(None, &output(None, 0)).await;
    assert_eq!(put(Some(waiting), &output(Some(Conclusion::Success), 0)).await, waiting);
    let many = put(Some(waiting), &output(Some(Conclusion::Failure), 120)).await;
    assert_ne!(many, waiting);
    let writes = stage.sandbox.requests().iter().filter(|r| r.path.contains("/check-runs")).count();
    assert_eq!(writes, 1 + 1 + 3);
    let clean = put(Some(many), &output(Some(Conclusion::Success), 0)).await;
    assert_ne!(clean, many, "annotations cannot be taken back");
    let (_, subject) = stage.github.head(at, tip).await.unwrap();
    assert_eq!(subject.checks[0].external_id, output(Some(Conclusion::Success), 0).fingerprint());
}

#[tokio::test]
async fn checks_of_others_are_read_and_doubt_is_failure() {
    let stage = Stage::new().await;
    let (sandbox, tip) = (&stage.sandbox, stage.tip());
    sandbox.add_check("acme/env", tip, "github-actions", "build", "success");
    sandbox.add_check("acme/env", tip, "github-actions", "lint", "timed_out");
    sandbox.add_check("acme/env", tip, "github-actions", "e2e", "");
    sandbox.set_status("acme/env", "ann", tip, "ci/legacy", "pending");
    let mut checks = stage.github.commit_checks(&stage.at, tip).await.unwrap();
    checks.sort_by(|a, b| a.name.cmp(&b.name));
    let check = |name: &str, app: &str, state| CommitCheck { name: name.into(), app: app.into(), state };
    assert_eq!(
        checks,
        [
            check("build", "github-actions", CheckState::Passed),
            check("ci/legacy", "", CheckState::Pending),
            check("e2e", "github-actions", CheckState::Pending),
            check("lint", "github-actions", CheckState::Failed),
        ]
    );
}

#[tokio::test]
async fn files_are_read_in_one_request_and_what_is_gone_costs_no_other() {
    let stage = Stage::new().await;
    let at = &stage.at;
    let gone = RepoAt { id: RepoId(9), name: "acme/gone".parse().unwrap(), ..at.clone() };
    let passed_on = RepoAt { id: RepoId(9), ..at.clone() };
    let before = stage.sandbox.requests().len();
    let files = async |repos: &[RepoAt], path| stage.github.files(at.installation, repos, path).await.unwrap();
    let repos = [gone, at.clone(), passed_on];
    let text = File::Text("tag: v1\n".into());
    assert_eq!(files(&repos, "environments/dev/app.yaml").await, [File::Unreadable, text, File::Unreadable]);
    assert_eq!(files(&repos[1..2], "nothing").await, [File::Absent]);
    assert_eq!(stage.sandbox.requests()[before..].iter().filter(|r| r.graphql.is_some()).count(), 2);

    // Any other error is an error: nobody must believe that a configuration went away.
    let answer = r#"{"data":{"r0":null},"errors":[{"type":"FORBIDDEN","message":"no"},{"type":"NOT_FOUND"}]}"#;
    let (transport, _) = layer(&stage.sandbox, move |request, _| {
        request.uri().path().ends_with("/graphql").then(|| says(200, &[], answer)).flatten()
    });
    let github = connect(&stage.sandbox, &stage.clock, &transport);
    assert_eq!(github.files(at.installation, &repos[..1], "x").await.unwrap_err().kind, Kind::Denied);
}

#[tokio::test]
async fn people_may_what_github_says() {
    let stage = Stage::new().await;
    let permission = async |login| stage.github.permission(&stage.at, login).await.unwrap();
    assert_eq!(permission("ann").await, Permission::Admin);
    assert_eq!(permission("bob").await, Permission::Maintain);
    assert_eq!(permission("eve").await, Permission::None);
    assert_eq!(permission("nobody-at-all").await, Permission::None);
    let member =
        async |team, login| stage.github.team_member(stage.at.installation, "acme", team, login).await.unwrap();
    assert!(member("sre", "bob").await);
    assert!(!member("sre", "ann").await);
    assert!(!member("no-such-team", "bob").await);
}

#[tokio::test]
async fn a_promotion_travels_from_branch_to_merge() {
    let stage = Stage::new().await;
    let (github, at, tip) = (&stage.github, &stage.at, stage.tip());
    let branch = "trunkline/prod/shop/v1.0-abc1234";
    github.create_branch(at, branch, tip).await.unwrap();
    github.create_branch(at, branch, tip).await.unwrap();
    let other: Oid = "1111111111111111111111111111111111111111".parse().unwrap();
    let edit = [("environments/dev/app.yaml".parse().unwrap(), b"tag: v2\n".to_vec())];
    let commit = github.commit(at, (branch, tip), &edit, "prod: shop v1.0\n\nbody").await.unwrap();
    assert_eq!(github.create_branch(at, branch, tip).await.unwrap_err().kind, Kind::Conflict);
    assert_eq!(github.commit(at, (branch, tip), &edit, "again").await.unwrap_err().kind, Kind::Conflict);
    let number = github.open_pull(at, (branch, "main"), "Promote shop v1.0 to prod", "body").await.unwrap();
    let again = github.open_pull(at, (branch, "main"), "Promote shop v1.0 to prod", "body").await.unwrap();
    assert_eq!(number, again);
    let comment = github.put_comment(at, number, None, "sticky").await.unwrap();
    assert_eq!(github.put_comment(at, number, Some(comment), "edited").await.unwrap(), comment);
    assert_eq!(github.put_comment(at, number, Some(999_999), "edited").await.unwrap_err().kind, Kind::Gone);

    let (_, subject) = github.pull(at, number).await.unwrap();
    let pull = subject.pull.unwrap();
    assert_eq!((pull.brief.head, &pull.brief.author, &pull.commit_authors[..]), (commit, &bot(), &[bot()][..]));
    assert_eq!(subject.comments[0].body, "edited");

    let moved = stage.tip();
    github.update_branch(at, number, commit).await.unwrap();
    assert_eq!(github.update_branch(at, number, commit).await.unwrap_err().kind, Kind::Conflict);
    let head = github.pull(at, number).await.unwrap().1.pull.unwrap().brief.head;
    assert_ne!((head, moved), (commit, other));
    let error = github.merge(at, (number, commit), MergeMethod::Squash, "Promote").await.unwrap_err();
    assert_eq!((error.kind, error.scope), (Kind::Conflict, Scope::Pull));
    let merged = github.merge(at, (number, head), MergeMethod::Squash, "Promote shop v1.0 (#1)").await.unwrap();
    let pulls = github.branch_pulls(at, branch).await.unwrap();
    assert_eq!(pulls.len(), 1);
    assert_eq!((pulls[0].state, pulls[0].closed_by.clone()), (PullState::Merged, Some(bot())));
    let came = github.commit_pulls(at, &[merged, tip, other]).await.unwrap();
    assert_eq!(came.len(), 2);
    assert_eq!(came[0].pull, Some((number, "Promote shop v1.0 to prod".into())));
    assert_eq!((came[1].login.as_deref(), &came[1].pull), (Some("ann"), &None));
    github.delete_branch(at, branch).await.unwrap();
    github.delete_branch(at, branch).await.unwrap();
}

#[tokio::test]
async fn a_closed_pull_says_who_closed_it() {
    let stage = Stage::new().await;
    let (github, at) = (&stage.github, &stage.at);
    let open = |branch: &str| {
        stage.sandbox.push_files("acme/env", branch, "bob", "c", &[(branch, Some(b"y".to_vec()))]);
        stage.sandbox.open_pull("acme/env", "bob", branch, "main", "t", "")
    };
    let (one, two) = (open("one"), open("two"));
    stage.sandbox.close_pull("acme/env", "ann", one);
    github.close_pull(at, two).await.unwrap();
    github.close_pull(at, two).await.unwrap();
    for (branch, closer) in [("one", person("ann")), ("two", bot())] {
        let pulls = github.branch_pulls(at, branch).await.unwrap();
        assert_eq!((pulls[0].state, pulls[0].closed_by.clone()), (PullState::Closed, Some(closer)), "{branch}");
        assert!(pulls[0].closed_at.is_some());
    }
    assert!(github.branch_pulls(at, "none").await.unwrap().is_empty());
}

#[tokio::test]
async fn the_ledger_begins_with_a_commit_without_parent() {
    let stage = Stage::new().await;
    let (github, at) = (&stage.github, &stage.at);
    let file = [("prod/shop.yaml".parse().unwrap(), b"decisions: []\n".to_vec())];
    let root = github.create_ledger(at, &file, "Start the ledger").await.unwrap();
    assert_eq!(github.create_ledger(at, &file, "Start the ledger").await.unwrap_err().kind, Kind::Conflict);
    let next = [("prod/shop.yaml".parse().unwrap(), b"decisions: [1]\n".to_vec())];
    github.commit(at, ("trunkline-ledger", root), &next, "hold").await.unwrap();
}

#[tokio::test]
async fn deliveries_nobody_took_are_asked_for_again_once_each() {
    let stage = Stage::new().await;
    let since = stage.clock.now();
    stage.sandbox.take_deliveries();
    stage.tip();
    stage.tip();
    let deliveries = stage.sandbox.take_deliveries();
    assert!(deliveries.len() >= 2);
    stage.sandbox.mark_delivered(deliveries[0].id, 202);
    for lost in &deliveries[1..] {
        stage.sandbox.mark_delivered(lost.id, 502);
    }
    let done = stage.github.redeliver_failed(since).await.unwrap();
    assert!(done.again >= deliveries.len() - 1, "{done:?}");
    let again: BTreeSet<String> = stage.sandbox.take_deliveries().into_iter().map(|d| d.guid).collect();
    assert!(deliveries[1..].iter().all(|lost| again.contains(&lost.guid)));
    assert!(!again.contains(&deliveries[0].guid));
    stage.clock.advance(Duration::from_secs(3600));
    assert_eq!(stage.github.redeliver_failed(stage.clock.now()).await.unwrap().again, 0);
}

/// A layer that notes requests and may answer in GitHub's place.
fn layer(
    sandbox: &Sandbox,
    answer: impl Fn(&HttpRequest, usize) -> Option<Response<Full<Bytes>>> + Send + Sync + 'static,
) -> (Transport, Arc<Mutex<Vec<String>>>) {
    let (router, answer) = (sandbox.router(), Arc::new(answer));
    let seen = Arc::new(Mutex::new(Vec::<String>::new()));
    let noted = Arc::clone(&seen);
    let service = tower::service_fn(move |request: HttpRequest| {
        let (router, answer, noted) = (router.clone(), Arc::clone(&answer), Arc::clone(&noted));
        async move {
            let line = format!("{} {}", request.method(), request.uri().path());
            let nth = {
                let mut noted = noted.lock().unwrap();
                noted.push(line);
                noted.len()
            };
            match answer(&request, nth) {
                Some(response) => Ok::<_, BoxError>(response.map(axum::body::Body::new)),
                None => Ok(router.oneshot(request.map(axum::body::Body::new)).await?),
            }
        }
    });
    (Transport::of(service), seen)
}

fn says(status: u16, headers: &[(&str, &str)], body: &str) -> Option<Response<Full<Bytes>>> {
    let mut response = Response::new(Full::from(body.to_owned()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        response.headers_mut().insert(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    Some(response)
}

#[tokio::test]
async fn a_token_taken_back_is_replaced_once_and_writes_are_never_repeated() {
    let stage = Stage::new().await;
    let comments = |path: &str| path.ends_with("/comments");
    let issue = stage.sandbox.open_issue("acme/env", "ann", "t", "b");
    let (transport, seen) = layer(&stage.sandbox, move |request, nth| {
        (comments(request.uri().path()) && nth == 2)
            .then(|| says(401, &[], r#"{"message":"Bad credentials"}"#))
            .flatten()
    });
    let github = connect(&stage.sandbox, &stage.clock, &transport);
    github.put_comment(&stage.at, issue, None, "hello").await.unwrap();
    let paths: Vec<String> = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!(paths.iter().filter(|p| p.contains("access_tokens")).count(), 2);
    assert_eq!(paths.iter().filter(|p| p.ends_with("/comments")).count(), 2);

    let (transport, seen) = layer(&stage.sandbox, move |request, _| {
        comments(request.uri().path()).then(|| says(502, &[], "<html>Unicorn</html>")).flatten()
    });
    let github = connect(&stage.sandbox, &stage.clock, &transport);
    let error = github.put_comment(&stage.at, issue, None, "hello").await.unwrap_err();
    assert_eq!(error.kind, Kind::Transient);
    assert_eq!(seen.lock().unwrap().iter().filter(|p| p.ends_with("/comments")).count(), 1);

    let (transport, seen) = layer(&stage.sandbox, move |request, _| {
        comments(request.uri().path()).then(|| says(401, &[], r#"{"message":"Bad credentials"}"#)).flatten()
    });
    let github = connect(&stage.sandbox, &stage.clock, &transport);
    assert_eq!(github.put_comment(&stage.at, issue, None, "hello").await.unwrap_err().kind, Kind::Denied);
    assert_eq!(seen.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn nothing_is_sent_before_retry_after() {
    let stage = Stage::new().await;
    let (transport, seen) = layer(&stage.sandbox, |request, nth| {
        let graphql = request.uri().path().ends_with("/graphql");
        (graphql && nth == 2)
            .then(|| says(403, &[("retry-after", "30")], r#"{"message":"secondary rate limit"}"#))
            .flatten()
    });
    let github = connect(&stage.sandbox, &stage.clock, &transport);
    let until = Kind::ThrottledUntil(stage.clock.now() + Duration::from_secs(30));
    let error = github.repo(&stage.at).await.unwrap_err();
    assert_eq!((error.kind, error.scope), (until, Scope::Installation));
    assert_eq!(github.repo(&stage.at).await.unwrap_err().kind, until);
    assert_eq!(seen.lock().unwrap().len(), 2);
    stage.clock.advance(Duration::from_secs(30));
    github.repo(&stage.at).await.unwrap();
}

#[tokio::test]
async fn reads_follow_a_rename_on_the_host_and_nowhere_else() {
    let stage = Stage::new().await;
    for (to, works) in [
        (format!("{BASE}/api/v3/repos/acme/env/collaborators/ann/permission"), true),
        ("/api/v3/repos/acme/env/collaborators/ann/permission".to_owned(), true),
        ("http://127.0.0.1:4001/api/v3/repos/acme/env/collaborators/ann/permission".to_owned(), false),
        ("http://169.254.169.254/latest".to_owned(), false),
    ] {
        let location = to.clone();
        let (transport, seen) = layer(&stage.sandbox, move |request, nth| {
            let read = request.uri().path().contains("collaborators") && nth == 2;
            read.then(|| says(301, &[("location", &location)], "{}")).flatten()
        });
        let github = connect(&stage.sandbox, &stage.clock, &transport);
        let answer = github.permission(&stage.at, "ann").await;
        // A refused redirect is a repository that is not there: nobody may anything.
        assert_eq!(answer.unwrap() == Permission::Admin, works, "{to}");
        assert_eq!(seen.lock().unwrap().len(), if works { 3 } else { 2 });
    }
}

#[tokio::test]
async fn t41_a_name_that_passed_to_another_repository_is_gone() {
    let stage = Stage::new().await;
    let other = RepoAt { id: RepoId(stage.at.id.0 + 1_000_000), ..stage.at.clone() };
    let error = stage.github.pull(&other, 1).await.unwrap_err();
    assert!(matches!(error.kind, Kind::Gone | Kind::Invalid), "{error}");
}

#[tokio::test]
async fn t39_tokens_are_long_opaque_and_never_told() {
    let stage = Stage::new().await;
    let (transport, _) = layer(&stage.sandbox, |request, _| {
        let auth = request.headers()["authorization"].to_str().unwrap().to_owned();
        let echo = !request.uri().path().contains("access_tokens");
        echo.then(|| says(422, &[], &format!("{{\"message\":\"bad `{auth}`\"}}"))).flatten()
    });
    let github = connect(&stage.sandbox, &stage.clock, &transport);
    let error = github.put_comment(&stage.at, 1, None, "x").await.unwrap_err();
    assert!(error.message.contains("[secret]") && !error.message.contains("ghs_"), "{error}");
    assert!(!format!("{github:?}").contains("PRIVATE"));
}

#[tokio::test]
async fn each_job_has_its_own_token() {
    let stage = Stage::new().await;
    stage.github.token(&stage.at, Access::ReadContents).await.unwrap();
    stage.github.repo(&stage.at).await.unwrap();
    stage.github.repo(&stage.at).await.unwrap();
    let before = stage.github.token(&stage.at, Access::Observe).await.unwrap();
    let git = stage.github.token(&stage.at, Access::ReadContents).await.unwrap();
    assert_eq!(git.expose_secret(), before.expose_secret(), "what is at hand and reads no less serves git too");
    let minted = stage.sandbox.requests().iter().filter(|r| r.path.contains("access_tokens")).count();
    assert_eq!(minted, 2);
    stage.clock.advance(Duration::from_secs(3600));
    stage.github.repo(&stage.at).await.unwrap();
    let minted = stage.sandbox.requests().iter().filter(|r| r.path.contains("access_tokens")).count();
    assert_eq!(minted, 3);
}

#[tokio::test]
async fn an_account_without_teams_is_observed_all_the_same() {
    let stage = Stage::new().await;
    let (transport, seen) = layer(&stage.sandbox, |request, _| {
        let body = request.body().clone().into_inner().unwrap_or_default();
        let members = String::from_utf8_lossy(&body).contains("\"members\"");
        let says_no = r#"{"message":"The permissions requested are not granted to this installation."}"#;
        (request.uri().path().contains("access_tokens") && members).then(|| says(422, &[], says_no)).flatten()
    });
    let github = connect(&stage.sandbox, &stage.clock, &transport);
    github.repo(&stage.at).await.unwrap();
    assert_eq!(seen.lock().unwrap().len(), 3);
    let nobody = github.team_member(stage.at.installation, "acme", "sre", "bob").await.unwrap_err();
    assert_eq!(nobody.kind, Kind::Invalid);
}

#[test]
fn events_are_handled_that_we_ask_for_and_no_others() {
    let asked = trunkline::github::EVENTS.iter().map(|(event, _)| *event);
    let asked: BTreeSet<&str> = asked.chain(["installation", "installation_repositories"]).collect();
    let handled: BTreeSet<&str> = trunkline::web::delivery::EVENTS.iter().map(|(event, _)| *event).collect();
    assert_eq!(handled, asked);
}

#[test]
fn every_document_is_valid_against_githubs_schema() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/.tools/node_modules/@octokit/graphql-schema/schema.graphql");
    let Ok(text) = std::fs::read_to_string(root) else {
        eprintln!(
            "skipped: {root} is missing; `npm install --prefix .tools @octokit/graphql-schema` brings GitHub's schema"
        );
        return;
    };
    // The published schema has duplicate fields, which are no concern of ours.
    let schema = match apollo_compiler::Schema::parse_and_validate(text, "schema.graphql") {
        Ok(schema) => schema,
        Err(errors) => apollo_compiler::validation::Valid::assume_valid(errors.partial),
    };
    let mut documents: Vec<(String, String)> = Vec::new();
    for call in CALLS {
        let Some(document) = call.document else { continue };
        let whole = match call.name {
            "CameWith" => trunkline::github::came_with(&[Oid([1; 20]), Oid([2; 20])]),
            "Files" => {
                let at =
                    |name: &str| RepoAt { installation: InstallationId(1), id: RepoId(1), name: name.parse().unwrap() };
                trunkline::github::files(&[at("acme/env"), at("acme/shop")])
            }
            _ => document.to_owned(),
        };
        documents.push((call.name.to_owned(), whole));
    }
    assert!(documents.len() >= 9);
    for (name, document) in documents {
        let parsed = apollo_compiler::ExecutableDocument::parse_and_validate(&schema, document, &name);
        if let Err(errors) = parsed {
            panic!("{name}: {errors}");
        }
    }
}
