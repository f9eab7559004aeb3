//! The sandbox as GitHub: driven by the real git client, by REST and GraphQL, and held to GitHub's limits.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt as _;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use trunkline::clock::Clock;
use trunkline::sandbox::{AppSpec, Delivery, Options, Protection, Sandbox};

pub(crate) const MANIFEST: &str = "
name: Trunkline
url: https://example.com
default_events: [push, create, delete, pull_request, pull_request_review, issue_comment, check_run, check_suite, status, merge_group]
default_permissions:
  metadata: read
  contents: write
  pull_requests: write
  checks: write
  deployments: write
  issues: write
  statuses: write
  members: read
  merge_queues: write
";

/// A sandbox with `acme/env` and `acme/shop`, people, and the App installed on both.
pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    pub(crate) dir: tempfile::TempDir,
    pub(crate) installation: u64,
}

/// 2026-03-02T09:00:00Z, a Monday morning.
const START: i64 = 1_772_442_000;

pub(crate) async fn stage() -> Stage {
    stage_at("http://127.0.0.1:4000").await
}

pub(crate) async fn stage_at(base_url: &str) -> Stage {
    let clock = Clock::manual(jiff::Timestamp::from_second(START).unwrap());
    stage_with(base_url, clock, None).await
}

async fn stage_with(base_url: &str, clock: Clock, deliver_to: Option<String>) -> Stage {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        dir: dir.path().to_owned(),
        clock,
        base_url: base_url.to_owned(),
        app: AppSpec::from_manifest(MANIFEST).unwrap(),
        webhook_secret: "hook secret".into(),
        deliver_to,
    };
    let sandbox = Sandbox::start(options).await.unwrap();
    sandbox.create_org("acme");
    for login in ["alice", "bob", "carol", "mallory"] {
        sandbox.create_user(login);
    }
    sandbox.create_team("acme", "sre", &["bob"]);
    let readme = [("README.md", b"# env\n".to_vec()), ("environments/dev/app.yaml", b"tag: v1\n".to_vec())];
    sandbox.create_repo("acme", "env", false, &readme, "alice");
    sandbox.create_repo("acme", "shop", true, &[("main.go", b"package main\n".to_vec())], "alice");
    sandbox.set_permission("acme/env", "bob", "write");
    sandbox.set_permission("acme/shop", "bob", "write");
    let installation = sandbox.install("acme", &["env", "shop"]);
    sandbox.take_deliveries();
    Stage { sandbox, dir, installation }
}

impl Stage {
    pub(crate) fn jwt(&self, issued: i64, ends: i64) -> String {
        let now = self.sandbox.clock().now().as_second();
        let claims = json!({ "iat": now + issued, "exp": now + ends, "iss": self.sandbox.client_id() });
        let key = EncodingKey::from_rsa_pem(self.sandbox.app_private_key_pem().as_bytes()).unwrap();
        format!("Bearer {}", encode(&Header::new(Algorithm::RS256), &claims, &key).unwrap())
    }

    pub(crate) async fn call(&self, method: &str, path: &str, auth: &str, body: Value) -> (u16, Value) {
        let (status, _, body) = self.raw(method, path, &[("authorization", auth)], body).await;
        (status, body)
    }

    pub(crate) async fn raw(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> (u16, http::HeaderMap, Value) {
        let mut request = http::Request::builder().method(method).uri(path);
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let response = self.sandbox.router().oneshot(request.body(body).unwrap()).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, headers, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    pub(crate) async fn token(&self, ask: Value) -> String {
        let path = format!("/api/v3/app/installations/{}/access_tokens", self.installation);
        let (status, body) = self.call("POST", &path, &self.jwt(-60, 540), ask).await;
        assert_eq!(status, 201, "{body}");
        format!("Bearer {}", body["token"].as_str().unwrap())
    }

    pub(crate) async fn graphql(&self, auth: &str, query: &str, variables: Value) -> Value {
        let body = json!({ "query": query, "variables": variables });
        let (status, body) = self.call("POST", "/api/graphql", auth, body).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// The same for a document that GitHub's own schema must accept.
    async fn valid_graphql(&self, auth: &str, query: &str, variables: Value) -> Value {
        assert_eq!(super::contract::check_graphql(query), Vec::<String>::new());
        let body = self.graphql(auth, query, variables).await;
        assert!(body.get("errors").is_none(), "{body:#}");
        body
    }

    async fn page(&self, method: &str, path: &str, origin: &str, form: &str) -> (u16, String) {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("host", "127.0.0.1:4000")
            .header("origin", origin)
            .body(Body::from(form.to_owned()))
            .unwrap();
        let response = self.sandbox.router().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&bytes).into_owned())
    }

    async fn main(&self, repo: &str) -> String {
        let (_, body) =
            self.call("GET", &format!("/api/v3/repos/{repo}/git/ref/heads/main"), "token ghp_alice", Value::Null).await;
        body["object"]["sha"].as_str().unwrap().to_owned()
    }
}

fn events(deliveries: &[Delivery]) -> Vec<String> {
    deliveries
        .iter()
        .map(|one| match &one.action {
            Some(action) => format!("{}.{action}", one.event),
            None => one.event.clone(),
        })
        .collect()
}

#[tokio::test]
async fn app_jwts_are_held_to_githubs_clock_limits() {
    let stage = stage().await;
    let status = async |issued, ends| {
        let (status, body) = stage.call("GET", "/api/v3/app", &stage.jwt(issued, ends), Value::Null).await;
        (status, body["message"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(status(-60, 540).await.0, 200);
    assert_eq!(status(0, 600).await.0, 200);
    let (code, message) = status(-60, 601).await;
    assert_eq!((code, message.as_str()), (401, "'Expiration time' claim ('exp') is too far in the future"));
    let (code, message) = status(30, 540).await;
    assert_eq!(code, 401);
    assert!(message.starts_with("'Issued at'"), "{message}");
    assert_eq!(status(-700, -100).await.0, 401);
    // Signed by somebody else, or not at all.
    let forged = stage.jwt(-60, 540) + "AAAA";
    assert_eq!(stage.call("GET", "/api/v3/app", &forged, Value::Null).await.0, 401);
    assert_eq!(stage.call("GET", "/api/v3/app", "Bearer a.b.c", Value::Null).await.0, 401);
}

#[tokio::test]
async fn installation_tokens_reach_no_further_than_they_were_minted_for() {
    let stage = stage().await;
    let path = format!("/api/v3/app/installations/{}/access_tokens", stage.installation);
    let jwt = stage.jwt(-60, 540);
    let more = json!({ "permissions": { "administration": "write" } });
    assert_eq!(stage.call("POST", &path, &jwt, more).await.0, 422);
    assert_eq!(stage.call("POST", &path, &jwt, json!({ "repositories": ["nowhere"] })).await.0, 422);
    let token = stage.token(json!({ "repositories": ["env"], "permissions": { "contents": "read" } })).await;
    assert_eq!(stage.call("GET", "/api/v3/repos/acme/env", &token, Value::Null).await.0, 200);
    assert_eq!(stage.call("GET", "/api/v3/repos/acme/shop", &token, Value::Null).await.0, 404);
    let sha = stage.main("acme/env").await;
    let ask = json!({ "ref": "refs/heads/x", "sha": sha });
    let (status, body) = stage.call("POST", "/api/v3/repos/acme/env/git/refs", &token, ask).await;
    assert_eq!((status, body["message"].as_str()), (403, Some("Resource not accessible by integration")));
    // An hour later it is over.
    stage.sandbox.clock().advance(Duration::from_secs(3_601));
    assert_eq!(stage.call("GET", "/api/v3/repos/acme/env", &token, Value::Null).await.0, 401);
}

#[tokio::test]
async fn installation_tokens_come_in_both_formats() {
    let stage = stage().await;
    let path = format!("/api/v3/app/installations/{}/access_tokens", stage.installation);
    let jwt = stage.jwt(-60, 540);
    for (word, long) in [("enabled", true), ("disabled", false)] {
        let headers = [("authorization", jwt.as_str()), ("x-github-stateless-s2s-token", word)];
        let (_, _, body) = stage.raw("POST", &path, &headers, json!({})).await;
        let token = body["token"].as_str().unwrap();
        assert!(token.starts_with("ghs_"));
        assert_eq!(token.len() > 300, long, "{token}");
        assert_eq!(token.matches('.').count(), if long { 2 } else { 0 });
        let (status, _) =
            stage.call("GET", "/api/v3/installation/repositories", &format!("token {token}"), Value::Null).await;
        assert_eq!(status, 200);
    }
}

#[tokio::test]
async fn a_pull_request_is_opened_checked_commented_and_merged() {
    let stage = stage().await;
    let token = stage.token(json!({})).await;
    let sandbox = &stage.sandbox;
    let head = sandbox.push_files(
        "acme/env",
        "bump",
        "bob",
        "Bump",
        &[("environments/dev/app.yaml", Some(b"tag: v2\n".to_vec()))],
    );
    assert_eq!(events(&sandbox.take_deliveries()), ["create", "push", "check_suite.requested"]);
    let ask = json!({ "title": "Bump", "head": "bump", "base": "main", "body": "please" });
    let (status, pull) = stage.call("POST", "/api/v3/repos/acme/env/pulls", "token ghp_bob", ask.clone()).await;
    assert_eq!(status, 201, "{pull}");
    assert_eq!(
        (pull["number"].as_u64(), pull["mergeable"].as_bool(), pull["changed_files"].as_u64()),
        (Some(1), Some(true), Some(1))
    );
    let (status, twice) = stage.call("POST", "/api/v3/repos/acme/env/pulls", "token ghp_bob", ask).await;
    assert_eq!(status, 422);
    assert_eq!(twice["errors"][0]["message"], "A pull request already exists for acme:bump.");
    let check = json!({ "name": "trunkline", "head_sha": head, "status": "completed", "conclusion": "success",
        "output": { "title": "Fine", "summary": "All fine" } });
    let (status, check) = stage.call("POST", "/api/v3/repos/acme/env/check-runs", &token, check).await;
    assert_eq!((status, check["status"].as_str()), (201, Some("completed")), "{check}");
    let (status, comment) =
        stage.call("POST", "/api/v3/repos/acme/env/issues/1/comments", &token, json!({ "body": "hello" })).await;
    assert_eq!((status, comment["user"]["login"].as_str()), (201, Some("trunkline[bot]")));
    let reaction = format!("/api/v3/repos/acme/env/issues/comments/{}/reactions", comment["id"]);
    assert_eq!(stage.call("POST", &reaction, &token, json!({ "content": "eyes" })).await.0, 201);
    assert_eq!(stage.call("POST", &reaction, &token, json!({ "content": "eyes" })).await.0, 200);
    let merge = "/api/v3/repos/acme/env/pulls/1/merge";
    let (status, _) = stage.call("PUT", merge, &token, json!({ "sha": "0".repeat(40) })).await;
    assert_eq!(status, 409);
    let (status, merged) = stage.call("PUT", merge, &token, json!({ "sha": head, "merge_method": "squash" })).await;
    assert_eq!(status, 200, "{merged}");
    assert_eq!(stage.main("acme/env").await, merged["sha"].as_str().unwrap());
    assert_eq!(stage.call("PUT", merge, &token, json!({})).await.0, 405);
    assert_eq!(
        events(&sandbox.take_deliveries()),
        [
            "pull_request.opened",
            "check_run.created",
            "check_run.completed",
            "check_suite.completed",
            "issue_comment.created",
            "pull_request.closed",
            "push",
            "check_suite.requested",
        ]
    );
    insta::assert_snapshot!(sandbox.dump(), @r#"
    acme/env
      refs/heads/bump 2846ef6633
      refs/heads/main 3e18fd0339 signed
      pull #1 merged: "Bump", by bob
        main <- bump
        merged by trunkline[bot]
        body:
          please
        comment by trunkline[bot] eyes:trunkline[bot]
          hello
      check 2846ef6633 trunkline/trunkline: success "Fine"
    acme/shop (private)
      refs/heads/main 9b8bdebace
    "#);
}

#[tokio::test]
async fn deliveries_are_signed_over_their_raw_bytes() {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let stage = stage().await;
    stage.sandbox.push_files("acme/env", "main", "bob", "Edit", &[("a", Some(b"b".to_vec()))]);
    let delivery = stage.sandbox.take_deliveries().into_iter().find(|one| one.event == "push").unwrap();
    let header =
        |name: &str| delivery.headers.iter().find(|(one, _)| one == name).map(|(_, value)| value.clone()).unwrap();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"hook secret").unwrap();
    mac.update(&delivery.body);
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(header("X-Hub-Signature-256"), format!("sha256={hex}"));
    assert_eq!(header("X-GitHub-Event"), "push");
    assert_eq!(header("X-GitHub-Delivery"), delivery.guid);
    let body: Value = serde_json::from_slice(&delivery.body).unwrap();
    assert_eq!(body["installation"]["id"], stage.installation);
    assert_eq!((body["ref"].as_str(), body["sender"]["login"].as_str()), (Some("refs/heads/main"), Some("bob")));
    assert_eq!(body["repository"]["default_branch"], "main");
    // Never delivered: it shows in the App's list, and comes again with its GUID when asked.
    let jwt = stage.jwt(-60, 540);
    let (_, list) = stage.call("GET", "/api/v3/app/hook/deliveries?per_page=100", &jwt, Value::Null).await;
    assert!(list.as_array().unwrap().iter().any(|row| row["guid"] == delivery.guid.as_str()));
    let again = format!("/api/v3/app/hook/deliveries/{}/attempts", delivery.id);
    assert_eq!(stage.call("POST", &again, &jwt, Value::Null).await.0, 202);
    let second = stage.sandbox.take_deliveries();
    assert_eq!((second.len(), &second[0].guid), (1, &delivery.guid));
}

#[tokio::test]
async fn more_than_three_tags_at_once_are_told_to_nobody() {
    let stage = stage().await;
    let sha = stage.main("acme/shop").await;
    let sandbox = &stage.sandbox;
    sandbox.push_tags("acme/shop", "bob", &[("a", &sha), ("b", &sha), ("c", &sha)]);
    assert_eq!(events(&sandbox.take_deliveries()).iter().filter(|one| *one == "push").count(), 3);
    sandbox.push_tags("acme/shop", "bob", &[("v1", &sha), ("v2", &sha), ("v3", &sha), ("v4", &sha)]);
    assert!(sandbox.take_deliveries().is_empty());
    let (_, refs) =
        stage.call("GET", "/api/v3/repos/acme/shop/git/matching-refs/tags/v", "token ghp_bob", Value::Null).await;
    assert_eq!(refs.as_array().unwrap().len(), 4);
    let object = sandbox.create_tag("acme/shop", "v5", &sha, "bob", true);
    assert_ne!(object, sha);
    let (_, tag) =
        stage.call("GET", &format!("/api/v3/repos/acme/shop/git/tags/{object}"), "token ghp_bob", Value::Null).await;
    assert_eq!((tag["object"]["sha"].as_str(), tag["tagger"]["name"].as_str()), (Some(sha.as_str()), Some("bob")));
}

#[tokio::test]
async fn githubs_limits_are_enforced() {
    let stage = stage().await;
    let token = stage.token(json!({})).await;
    let sha = stage.main("acme/env").await;
    let note = json!({ "path": "a", "start_line": 1, "end_line": 1, "annotation_level": "failure", "message": "x" });
    let run = |change: fn(&mut Value, &Value)| {
        let mut run = json!({ "name": "trunkline", "head_sha": sha, "output": { "title": "t", "summary": "s" } });
        change(&mut run, &note);
        run
    };
    let cases: Vec<(&str, Value)> = vec![
        ("51 annotations", run(|run, note| run["output"]["annotations"] = vec![note.clone(); 51].into())),
        ("summary", run(|run, _| run["output"]["summary"] = "x".repeat(65_536).into())),
        ("text", run(|run, _| run["output"]["text"] = "x".repeat(65_536).into())),
        ("no conclusion", run(|run, _| run["status"] = "completed".into())),
        ("unknown sha", run(|run, _| run["head_sha"] = "1".repeat(40).into())),
        (
            "level",
            run(|run, note| {
                run["output"]["annotations"] = json!([note]);
                run["output"]["annotations"][0]["annotation_level"] = "error".into();
            }),
        ),
        (
            "columns over lines",
            run(|run, note| {
                run["output"]["annotations"] = json!([note]);
                run["output"]["annotations"][0]["end_line"] = 2.into();
                run["output"]["annotations"][0]["start_column"] = 1.into();
            }),
        ),
        (
            "4 actions",
            run(|run, _| {
                run["actions"] = vec![json!({ "label": "a", "description": "b", "identifier": "c" }); 4].into();
            }),
        ),
        (
            "long label",
            run(|run, _| {
                run["actions"] = json!([{ "label": "a".repeat(21), "description": "b", "identifier": "c" }]);
            }),
        ),
        ("no name", run(|run, _| run["name"] = Value::Null)),
    ];
    for (what, body) in cases {
        let (status, body) = stage.call("POST", "/api/v3/repos/acme/env/check-runs", &token, body).await;
        assert_eq!(status, 422, "{what}: {body}");
    }
    let full = run(|run, note| {
        run["output"]["annotations"] = vec![note.clone(); 50].into();
        run["output"]["summary"] = "x".repeat(65_535).into();
    });
    assert_eq!(stage.call("POST", "/api/v3/repos/acme/env/check-runs", &token, full).await.0, 201);
    let number = stage.sandbox.open_issue("acme/env", "alice", "Desk", "");
    let comments = format!("/api/v3/repos/acme/env/issues/{number}/comments");
    let comment = |length: usize| json!({ "body": "x".repeat(length) });
    assert_eq!(stage.call("POST", &comments, &token, comment(65_537)).await.0, 422);
    assert_eq!(stage.call("POST", &comments, &token, comment(65_536)).await.0, 201);
    let issue = json!({ "title": "x".repeat(257) });
    assert_eq!(stage.call("POST", "/api/v3/repos/acme/env/issues", &token, issue).await.0, 422);
    for name in
        ["refs/heads/a..b", "refs/heads/a b", "refs/heads/-a", "refs/heads/a.lock", "heads/x", "refs/pull/1/head"]
    {
        let ask = json!({ "ref": name, "sha": sha });
        assert_eq!(stage.call("POST", "/api/v3/repos/acme/env/git/refs", &token, ask).await.0, 422, "{name}");
    }
    let long = json!({ "ref": format!("refs/heads/{}", "x".repeat(256)), "sha": sha });
    assert_eq!(stage.call("POST", "/api/v3/repos/acme/env/git/refs", &token, long).await.0, 422);
}

#[tokio::test]
async fn commits_by_graphql_are_signed_and_guarded_by_the_head() {
    let stage = stage().await;
    let token = stage.token(json!({})).await;
    let head = stage.main("acme/env").await;
    let query = "mutation($input: CreateCommitOnBranchInput!) { createCommitOnBranch(input: $input) {
        clientMutationId commit { oid url signature { isValid wasSignedByGitHub } author { name user { login } } } ref { name } } }";
    let input = json!({ "input": {
        "branch": { "repositoryNameWithOwner": "acme/env", "branchName": "main" },
        "message": { "headline": "Promote", "body": "why" }, "expectedHeadOid": head, "clientMutationId": "m1",
        "fileChanges": { "additions": [{ "path": "environments/dev/app.yaml", "contents": "dGFnOiB2Mgo=" }],
            "deletions": [{ "path": "README.md" }] },
    } });
    let body = stage.graphql(&token, query, input.clone()).await;
    let commit = &body["data"]["createCommitOnBranch"]["commit"];
    assert_eq!(commit["signature"]["wasSignedByGitHub"], true, "{body}");
    assert_eq!(commit["author"]["name"], "trunkline[bot]");
    // `GitActor.user` is a `User`, and bots are none.
    assert_eq!(commit["author"]["user"], Value::Null);
    assert_eq!(commit["oid"], stage.main("acme/env").await.as_str());
    // The same again: the head moved.
    let body = stage.graphql(&token, query, input).await;
    assert_eq!(body["errors"][0]["type"], "STALE_DATA", "{body}");
    assert_eq!(body["data"]["createCommitOnBranch"], Value::Null);
    let (_, file) =
        stage.call("GET", "/api/v3/repos/acme/env/contents/environments/dev/app.yaml", &token, Value::Null).await;
    assert_eq!(file["content"], "dGFnOiB2Mgo=");
}

#[tokio::test]
async fn graphql_walks_fragments_pages_and_refuses_what_does_not_exist() {
    let stage = stage().await;
    let token = stage.token(json!({})).await;
    for (branch, tag) in [("one", "v2"), ("two", "v3"), ("three", "v4")] {
        let text = format!("tag: {tag}\n").into_bytes();
        stage.sandbox.push_files("acme/env", branch, "bob", branch, &[("environments/dev/app.yaml", Some(text))]);
        stage.sandbox.open_pull("acme/env", "bob", branch, "main", branch, "");
    }
    let comment = stage.sandbox.comment("acme/env", "alice", 1, "/trunkline help");
    let query = "query($after: String) { repository(owner: \"ACME\", name: \"env\") { nameWithOwner
        pullRequests(first: 2, after: $after, states: [OPEN], orderBy: {field: CREATED_AT, direction: ASC}) {
          totalCount pageInfo { hasNextPage endCursor } nodes { ...P } } } }
        fragment P on PullRequest { number author { __typename login ... on User { databaseId } } comments(first: 5) { nodes { databaseId body reactionGroups { content viewerHasReacted } } } }";
    let page = stage.graphql(&token, query, json!({})).await;
    let found = &page["data"]["repository"]["pullRequests"];
    assert_eq!(
        (found["totalCount"].as_u64(), found["pageInfo"]["hasNextPage"].as_bool()),
        (Some(3), Some(true)),
        "{page}"
    );
    assert_eq!(found["nodes"][0]["comments"]["nodes"][0]["databaseId"], comment);
    assert_eq!(found["nodes"][0]["author"]["__typename"], "User");
    let page = stage.graphql(&token, query, json!({ "after": found["pageInfo"]["endCursor"] })).await;
    let found = &page["data"]["repository"]["pullRequests"];
    assert_eq!(
        (found["nodes"].as_array().unwrap().len(), found["nodes"][0]["number"].as_u64()),
        (1, Some(3)),
        "{page}"
    );
    let wrong = stage.graphql(&token, "{ repository(owner: \"acme\", name: \"env\") { nope } }", json!({})).await;
    assert_eq!(wrong["errors"][0]["extensions"]["code"], "undefinedField");
    let gone = stage.graphql(&token, "{ repository(owner: \"acme\", name: \"no\") { id } }", json!({})).await;
    assert_eq!((gone["errors"][0]["type"].as_str(), &gone["data"]["repository"]), (Some("NOT_FOUND"), &Value::Null));
    let unbound = stage
        .graphql(&token, "{ repository(owner: \"acme\", name: \"env\") { pullRequests { totalCount } } }", json!({}))
        .await;
    assert_eq!(unbound["errors"][0]["type"], "MISSING_PAGINATION_BOUNDARIES");
    let circle = "{ repository(owner: \"acme\", name: \"env\") { ...A } } fragment A on Repository { id ...A }";
    assert!(stage.graphql(&token, circle, json!({})).await["data"].is_object());
    let narrow = stage.token(json!({ "permissions": { "contents": "read" } })).await;
    let no = stage
        .graphql(&narrow, "{ repository(owner: \"acme\", name: \"env\") { pullRequest(number: 1) { id } } }", json!({}))
        .await;
    assert_eq!(no["errors"][0]["type"], "FORBIDDEN");
}

#[tokio::test]
async fn stale_reads_answer_from_the_world_before_the_last_write() {
    let stage = stage().await;
    let token = stage.token(json!({})).await;
    let old = stage.main("acme/env").await;
    let new = stage.sandbox.push_files("acme/env", "main", "bob", "Edit", &[("a", Some(b"b".to_vec()))]);
    let headers = [("authorization", token.as_str()), ("x-sandbox-stale", "1")];
    let path = "/api/v3/repos/acme/env/git/ref/heads/main";
    let (_, _, stale) = stage.raw("GET", path, &headers, Value::Null).await;
    let (_, fresh) = stage.call("GET", path, &token, Value::Null).await;
    assert_eq!(
        (stale["object"]["sha"].as_str(), fresh["object"]["sha"].as_str()),
        (Some(old.as_str()), Some(new.as_str()))
    );
    let query =
        json!({ "query": "{ repository(owner: \"acme\", name: \"env\") { defaultBranchRef { target { oid } } } }" });
    let (_, _, stale) = stage.raw("POST", "/api/graphql", &headers, query).await;
    assert_eq!(stale["data"]["repository"]["defaultBranchRef"]["target"]["oid"], old.as_str());
}

#[tokio::test]
async fn branch_protection_holds_merges_and_pushes() {
    let stage = stage().await;
    let token = stage.token(json!({})).await;
    let sandbox = &stage.sandbox;
    let rules =
        Protection { required_checks: vec!["ci".into()], required_reviews: 1, no_push: true, ..Protection::default() };
    sandbox.protect("acme/env", "main", rules);
    let head = sandbox.push_files("acme/env", "x", "bob", "x", &[("x", Some(b"x".to_vec()))]);
    sandbox.open_pull("acme/env", "bob", "x", "main", "x", "");
    let merge = async || stage.call("PUT", "/api/v3/repos/acme/env/pulls/1/merge", &token, json!({})).await;
    let (status, body) = merge().await;
    assert_eq!((status, body["message"].as_str()), (405, Some("Required status check \"ci\" is expected.")));
    sandbox.add_check("acme/env", &head, "github-actions", "ci", "success");
    assert_eq!(merge().await.0, 405);
    let own = stage
        .call("POST", "/api/v3/repos/acme/env/pulls/1/reviews", "token ghp_bob", json!({ "event": "APPROVE" }))
        .await;
    assert_eq!(own.0, 422);
    sandbox.review("acme/env", "mallory", 1, "APPROVED");
    assert_eq!(merge().await.0, 405, "mallory may only read");
    sandbox.review("acme/env", "alice", 1, "APPROVED");
    assert_eq!(merge().await.0, 200);
    let sha = stage.main("acme/env").await;
    let ask = json!({ "sha": head, "force": true });
    assert_eq!(stage.call("PATCH", "/api/v3/repos/acme/env/git/refs/heads/main", &token, ask).await.0, 422);
    assert_eq!(stage.main("acme/env").await, sha);
}

#[tokio::test]
async fn remarks_stand_on_lines_that_the_changes_show_or_the_review_is_refused_as_a_whole() {
    let stage = stage().await;
    let token = stage.token(json!({})).await;
    let text =
        |line: &str| (1..=30).map(|n| if n == 15 { format!("{line}\n") } else { format!("{n}\n") }).collect::<String>();
    stage.sandbox.push_files("acme/env", "main", "bob", "x", &[("x", Some(text("15").into_bytes()))]);
    let head = stage.sandbox.push_files("acme/env", "topic", "bob", "x", &[("x", Some(text("y").into_bytes()))]);
    stage.sandbox.open_pull("acme/env", "bob", "topic", "main", "x", "");
    let review = async |commit: &str, remarks: Value| {
        let ask = json!({ "commit_id": commit, "event": "COMMENT", "body": "look", "comments": remarks });
        let path = "/api/v3/repos/acme/env/pulls/1/reviews";
        let (status, body) = stage.call("POST", path, &token, ask).await;
        (status, body["errors"][0].as_str().unwrap_or_default().to_owned())
    };
    let good = json!({ "path": "x", "line": 15, "side": "RIGHT", "body": "```suggestion\nz\n```" });
    for (remark, why) in [
        (json!({ "path": "x", "line": 11, "side": "RIGHT", "body": "a" }), "Line could not be resolved"),
        (json!({ "path": "x", "line": 19, "side": "RIGHT", "body": "a" }), "Line could not be resolved"),
        (
            json!({ "path": "x", "start_line": 11, "line": 15, "side": "RIGHT", "body": "a" }),
            "Line could not be resolved",
        ),
        (
            json!({ "path": "x", "start_line": 15, "line": 15, "side": "RIGHT", "body": "a" }),
            "Start line could not be resolved",
        ),
        (json!({ "path": "README.md", "line": 1, "side": "RIGHT", "body": "a" }), "Path could not be resolved"),
    ] {
        assert_eq!(review(&head, json!([good, remark])).await, (422, why.to_owned()));
    }
    assert_eq!(review(&"0".repeat(40), json!([good])).await.0, 422);
    let comments = async || stage.call("GET", "/api/v3/repos/acme/env/pulls/1/comments", &token, Value::Null).await.1;
    assert_eq!(comments().await, json!([]), "a refused review leaves nothing");
    let more =
        json!({ "path": "x", "start_line": 12, "start_side": "RIGHT", "line": 18, "side": "RIGHT", "body": "b" });
    assert_eq!(review(&head, json!([good, more])).await.0, 200);
    let there = comments().await;
    assert_eq!(
        (&there[0]["line"], &there[1]["start_line"], &there[1]["commit_id"]),
        (&json!(15), &json!(12), &json!(head))
    );
    let (_, page) = stage.page("GET", "/acme/env/pull/1", "", "").await;
    assert!(page.contains("on x:15") && page.contains("on x:12-18"), "{page}");
}

#[tokio::test]
async fn e32_listing_pulls_heeds_head_only_with_an_owner() {
    let stage = stage().await;
    for branch in ["one", "two"] {
        stage.sandbox.push_files("acme/env", branch, "bob", branch, &[(branch, Some(b"x".to_vec()))]);
        stage.sandbox.open_pull("acme/env", "bob", branch, "main", branch, "");
    }
    let count = async |head: &str| {
        let path = format!("/api/v3/repos/acme/env/pulls?head={head}");
        stage.call("GET", &path, "token ghp_bob", Value::Null).await.1.as_array().unwrap().len()
    };
    assert_eq!((count("acme:one").await, count("one").await, count("other:one").await), (1, 2, 0));
    let headers = [("authorization", "token ghp_bob")];
    let (_, headers, page) = stage.raw("GET", "/api/v3/repos/acme/env/pulls?per_page=1", &headers, Value::Null).await;
    assert_eq!(page[0]["number"], 2, "newest first");
    let link = headers["link"].to_str().unwrap();
    assert!(
        link.contains("http://127.0.0.1:4000/api/v3/repos/acme/env/pulls?per_page=1&page=2>; rel=\"next\""),
        "{link}"
    );
}

#[tokio::test]
async fn forks_bring_their_heads_and_may_vanish() {
    let stage = stage().await;
    let sandbox = &stage.sandbox;
    sandbox.create_fork("acme/env", "mallory");
    sandbox.take_deliveries();
    let sha = sandbox.push_files("mallory/env", "evil", "mallory", "evil", &[("x", Some(b"x".to_vec()))]);
    assert!(sandbox.take_deliveries().is_empty(), "the App is not installed on the fork");
    let number = sandbox.open_pull("acme/env", "mallory", "mallory:evil", "main", "Evil", "");
    let path = format!("/api/v3/repos/acme/env/pulls/{number}");
    let (_, pull) = stage.call("GET", &path, "token ghp_bob", Value::Null).await;
    assert_eq!(
        (pull["head"]["label"].as_str(), pull["head"]["repo"]["fork"].as_bool()),
        (Some("mallory:evil"), Some(true))
    );
    let head = format!("/api/v3/repos/acme/env/git/ref/pull/{number}/head");
    assert_eq!(stage.call("GET", &head, "token ghp_bob", Value::Null).await.1["object"]["sha"], sha.as_str());
    sandbox.delete_repo("mallory/env", "mallory");
    let (_, pull) = stage.call("GET", &path, "token ghp_bob", Value::Null).await;
    assert_eq!(pull["head"]["repo"], Value::Null);
}

#[tokio::test]
async fn teams_and_rights_can_be_asked_for() {
    let stage = stage().await;
    let token = stage.token(json!({})).await;
    let get = async |path: &str| stage.call("GET", &format!("/api/v3{path}"), &token, Value::Null).await;
    assert_eq!(get("/orgs/acme/teams/sre/memberships/bob").await.1["state"], "active");
    assert_eq!(get("/orgs/acme/teams/sre/memberships/alice").await.0, 404);
    stage.sandbox.set_permission("acme/env", "carol", "maintain");
    let (_, rights) = get("/repos/acme/env/collaborators/carol/permission").await;
    assert_eq!((rights["permission"].as_str(), rights["role_name"].as_str()), (Some("write"), Some("maintain")));
    let (_, rights) = get("/repos/acme/shop/collaborators/mallory/permission").await;
    assert_eq!(rights["permission"], "none");
    let narrow = stage.token(json!({ "permissions": { "contents": "read" } })).await;
    let (status, _) = stage.call("GET", "/api/v3/orgs/acme/teams/sre/members", &narrow, Value::Null).await;
    assert_eq!(status, 403);
    stage.sandbox.push_files("acme/env", "x", "alice", "x", &[("x", Some(b"x".to_vec()))]);
    stage.sandbox.open_pull("acme/env", "alice", "x", "main", "x", "");
    let ask = json!({ "reviewers": ["bob"], "team_reviewers": ["sre"] });
    let (status, body) = stage.call("POST", "/api/v3/repos/acme/env/pulls/1/requested_reviewers", &token, ask).await;
    assert_eq!((status, body["requested_teams"][0]["slug"].as_str()), (201, Some("sre")));
}

#[tokio::test]
async fn the_log_tells_who_asked_for_what() {
    let stage = stage().await;
    let token = stage.token(json!({})).await;
    stage.graphql(&token, "{ viewer { login } }", json!({})).await;
    stage.call("GET", "/api/v3/repos/acme/no", &token, Value::Null).await;
    let log: Vec<_> = stage
        .sandbox
        .requests()
        .into_iter()
        .map(|one| (one.method, one.path, one.status, one.token, one.graphql))
        .collect();
    let path = format!("/api/v3/app/installations/{}/access_tokens", stage.installation);
    assert_eq!(
        log,
        [
            ("POST".into(), path, 201, "app", None),
            ("POST".into(), "/api/graphql".into(), 200, "installation", Some("viewer".into())),
            ("GET".into(), "/api/v3/repos/acme/no".into(), 404, "installation", None),
        ]
    );
}

/// The real git client, with nobody's configuration.
fn git(dir: &Path, args: &[&str]) -> (bool, String) {
    let output = Command::new("git")
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_AUTHOR_NAME", "bob")
        .env("GIT_AUTHOR_EMAIL", "bob@example.com")
        .env("GIT_COMMITTER_NAME", "bob")
        .env("GIT_COMMITTER_EMAIL", "bob@example.com")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

/// Serves a sandbox on a free port of loopback; the server ends with the test's runtime.
pub(crate) async fn served() -> (Stage, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let stage = stage_at(&address).await;
    let router = stage.sandbox.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (stage, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_git_client_clones_pushes_and_tags() {
    let (stage, address) = served().await;
    let with = |user: &str| address.replace("http://", &format!("http://{user}:any@"));
    let home = stage.dir.path().join("work");
    std::fs::create_dir(&home).unwrap();
    let sandbox = stage.sandbox.clone();
    let token = stage.token(json!({ "repositories": ["shop"] })).await;
    let token = token.trim_start_matches("Bearer ").to_owned();
    let urls = (
        with("bob"),
        with("mallory"),
        address.clone(),
        address.replace("http://", &format!("http://x-access-token:{token}@")),
    );
    let run = tokio::task::spawn_blocking(move || {
        let (bob, mallory, nobody, bot) = urls;
        let ok = |dir: &Path, args: &[&str]| {
            let (ok, text) = git(dir, args);
            assert!(ok, "git {args:?}: {text}");
            text
        };
        let refused = |dir: &Path, args: &[&str]| assert!(!git(dir, args).0, "git {args:?} went through");
        ok(&home, &["clone", "-q", &format!("{bob}/acme/shop.git"), "shop"]);
        let shop = home.join("shop");
        assert!(shop.join("main.go").exists());
        // Private: nobody and strangers see nothing; public: everybody reads, few write.
        refused(&home, &["clone", "-q", &format!("{nobody}/acme/shop.git"), "no"]);
        refused(&home, &["clone", "-q", &format!("{mallory}/acme/shop.git"), "no"]);
        ok(&home, &["clone", "-q", &format!("{nobody}/acme/env"), "env"]);
        refused(&home.join("env"), &["push", &format!("{mallory}/acme/env.git"), "HEAD:main"]);
        // The bot's token reaches only what it was minted for; a shallow, partial fetch by id works as on github.com.
        let head = ok(&shop, &["rev-parse", "HEAD"]);
        ok(
            &home,
            &[
                "clone",
                "-q",
                "--depth",
                "1",
                "--filter=blob:none",
                "--no-checkout",
                &format!("{bot}/acme/shop.git"),
                "bot",
            ],
        );
        ok(&home.join("bot"), &["fetch", "-q", "--depth", "1", "origin", head.trim()]);
        refused(&home.join("env"), &["push", &format!("{bot}/acme/env.git"), "HEAD:refs/heads/x"]);
        std::fs::write(shop.join("new.go"), "package main\n").unwrap();
        ok(&shop, &["add", "."]);
        ok(&shop, &["commit", "-qm", "New"]);
        ok(&shop, &["push", "-q", "origin", "HEAD:main"]);
        ok(&shop, &["tag", "v1.0-rc.1"]);
        ok(&shop, &["tag", "-am", "Release", "v1.0"]);
        ok(&shop, &["push", "-q", "origin", "v1.0-rc.1", "v1.0"]);
        refused(&shop, &["push", "-q", "origin", "HEAD:refs/pull/1/head"]);
        for tag in ["a", "b", "c", "d"] {
            ok(&shop, &["tag", tag]);
        }
        let before = events(&sandbox.take_deliveries());
        ok(&shop, &["push", "-q", "--tags", "origin"]);
        (before, events(&sandbox.take_deliveries()), ok(&shop, &["rev-parse", "HEAD", "v1.0"]))
    });
    let (first, second, heads) = run.await.unwrap();
    assert_eq!(first, ["push", "check_suite.requested", "create", "push", "create", "push"]);
    assert_eq!(second, Vec::<String>::new());
    let heads: Vec<&str> = heads.split_whitespace().collect();
    assert_eq!(stage.main("acme/shop").await, heads[0]);
    let (_, tag) = stage.call("GET", "/api/v3/repos/acme/shop/git/ref/tags/v1.0", "token ghp_bob", Value::Null).await;
    assert_eq!((tag["object"]["type"].as_str(), tag["object"]["sha"].as_str()), (Some("tag"), Some(heads[1])));
}

#[tokio::test]
async fn every_field_the_sandbox_answers_is_in_githubs_schema() {
    let stage = stage().await;
    let token = stage.token(json!({})).await;
    let sandbox = &stage.sandbox;
    let head = sandbox.push_files("acme/env", "x", "bob", "Edit\n\nwhy", &[("a/b.yaml", Some(b"a: 1\n".to_vec()))]);
    let n = sandbox.open_pull("acme/env", "bob", "x", "main", "Edit", "body");
    sandbox.review("acme/env", "alice", n, "APPROVED");
    sandbox.comment("acme/env", "alice", n, "hello");
    sandbox.add_label("acme/env", "alice", n, "trunkline");
    sandbox.add_check("acme/env", &head, "github-actions", "ci", "success");
    sandbox.set_status("acme/env", "alice", &head, "legacy", "pending");
    sandbox.create_tag("acme/env", "v1", &head, "bob", true);
    let ask = json!({ "reviewers": ["carol"], "team_reviewers": ["sre"] });
    stage.call("POST", "/api/v3/repos/acme/env/pulls/1/requested_reviewers", &token, ask).await;
    let run = json!({ "name": "trunkline", "head_sha": head, "output": { "title": "t", "summary": "s",
        "annotations": [{ "path": "a/b.yaml", "start_line": 1, "end_line": 1, "annotation_level": "warning", "message": "m" }] } });
    stage.call("POST", "/api/v3/repos/acme/env/check-runs", &token, run).await;
    let body = stage.valid_graphql(&token, "query { rateLimit { limit cost remaining resetAt used nodeCount } viewer { login databaseId }
      repository(owner: \"acme\", name: \"env\") { id databaseId name nameWithOwner url isPrivate isArchived isFork isEmpty visibility
        owner { login __typename } mergeCommitAllowed squashMergeAllowed rebaseMergeAllowed autoMergeAllowed deleteBranchOnMerge
        defaultBranchRef { id name prefix target { oid __typename ... on Commit { history(first: 5, path: \"README.md\") { totalCount nodes { oid messageHeadline } } } } }
        ref(qualifiedName: \"refs/tags/v1\") { name target { oid ... on Tag { name message tagger { name date user { login } } target { oid } } } }
        refs(refPrefix: \"refs/heads/\", first: 10) { nodes { name target { oid } } pageInfo { endCursor hasNextPage } totalCount edges { cursor node { name } } }
        file: object(expression: \"x:a/b.yaml\") { oid ... on Blob { text byteSize isBinary isTruncated } }
        folder: object(expression: \"x:\") { ... on Tree { entries { name oid mode type object { oid } } } }
        issues(first: 1, states: [OPEN]) { totalCount nodes { number title state author { login } } }
        pullRequests(first: 5, states: [OPEN, MERGED], baseRefName: \"main\", orderBy: {field: UPDATED_AT, direction: DESC}) { nodes { ...P } } } }
      fragment P on PullRequest { id databaseId number url title body state isDraft createdAt updatedAt closedAt merged mergedAt mergedBy { login } mergeCommit { oid }
        author { login url __typename ... on User { databaseId } ... on Bot { databaseId } } baseRefName baseRefOid headRefName headRefOid isCrossRepository
        headRepository { nameWithOwner } headRepositoryOwner { login } mergeable mergeStateStatus reviewDecision autoMergeRequest { mergeMethod } isInMergeQueue additions deletions changedFiles
        labels(first: 10) { nodes { name color } } files(first: 10) { nodes { path additions deletions changeType } }
        reviews(first: 10) { nodes { id databaseId state body author { login } submittedAt commit { oid } authorCanPushToRepository } }
        latestReviews(first: 10) { nodes { state } } latestOpinionatedReviews(first: 10, writersOnly: true) { nodes { state author { login } } }
        reviewRequests(first: 10) { nodes { requestedReviewer { __typename ... on User { login } ... on Team { slug combinedSlug } } } }
        comments(first: 10) { nodes { id databaseId body author { login } createdAt lastEditedAt url viewerDidAuthor isMinimized minimizedReason authorAssociation
          reactionGroups { content viewerHasReacted createdAt } reactions(first: 5, content: EYES) { totalCount nodes { content user { login } } } } }
        commits(last: 1) { nodes { commit { oid message messageBody committedDate authoredDate author { name email user { login } } committer { name }
          signature { isValid wasSignedByGitHub state } parents(first: 2) { nodes { oid } } associatedPullRequests(first: 3) { nodes { number } }
          statusCheckRollup { state contexts(first: 10) { nodes { __typename ... on CheckRun { name conclusion } ... on StatusContext { context state targetUrl } } } }
          checkSuites(first: 10, filterBy: {checkName: \"trunkline\"}) { nodes { id databaseId status conclusion app { slug databaseId name }
            checkRuns(first: 10, filterBy: {checkName: \"trunkline\"}) { nodes { id databaseId name status conclusion title summary text externalId detailsUrl startedAt completedAt
              annotations(first: 5) { nodes { path message title annotationLevel rawDetails location { start { line column } end { line } } } } } } } } } } } }", json!({})).await;
    let pull = &body["data"]["repository"]["pullRequests"]["nodes"][0];
    let commit = &pull["commits"]["nodes"][0]["commit"];
    assert_eq!(commit["statusCheckRollup"]["state"], "PENDING");
    assert_eq!(
        commit["checkSuites"]["nodes"][0]["checkRuns"]["nodes"][0]["annotations"]["nodes"][0]["location"]["start"]["line"],
        1
    );
    assert_eq!(pull["reviewRequests"]["nodes"][1]["requestedReviewer"]["combinedSlug"], "acme/sre");
    assert_eq!(body["data"]["repository"]["file"]["text"], "a: 1\n");
    assert_eq!(body["data"]["repository"]["ref"]["target"]["target"]["oid"], head.as_str());
    let comment = pull["comments"]["nodes"][0]["id"].clone();
    let hide = "mutation($id: ID!) { minimizeComment(input: {subjectId: $id, classifier: OUTDATED}) { minimizedComment { isMinimized minimizedReason } } }";
    let body = stage.valid_graphql(&token, hide, json!({ "id": comment })).await;
    assert_eq!(body["data"]["minimizeComment"]["minimizedComment"]["minimizedReason"], "outdated");
    let again = "mutation($id: ID!) { enablePullRequestAutoMerge(input: {pullRequestId: $id, mergeMethod: SQUASH}) { pullRequest { number } } }";
    let body = stage.graphql(&token, again, json!({ "id": pull["id"] })).await;
    assert_eq!(body["errors"][0]["type"], "UNPROCESSABLE");
}

const QUEUED: &str = "query { repository(owner: \"acme\", name: \"env\") { pullRequest(number: 1) { id isInMergeQueue isMergeQueueEnabled
  mergeQueueEntry { id position state enqueuedAt jump solo estimatedTimeToMerge enqueuer { login } headCommit { oid } baseCommit { oid } pullRequest { number } }
  timelineItems(last: 5, itemTypes: [ADDED_TO_MERGE_QUEUE_EVENT, REMOVED_FROM_MERGE_QUEUE_EVENT]) { nodes { __typename
    ... on AddedToMergeQueueEvent { createdAt actor { login } } ... on RemovedFromMergeQueueEvent { createdAt reason actor { login } } } } } } }";
const ENQUEUE: &str = "mutation($id: ID!, $head: GitObjectID) { enqueuePullRequest(input: { pullRequestId: $id, expectedHeadOid: $head }) {
  clientMutationId mergeQueueEntry { position state } } }";
const DEQUEUE: &str = "mutation($id: ID!) { dequeuePullRequest(input: { id: $id }) { mergeQueueEntry { position } } }";

#[tokio::test]
async fn a_merge_queue_is_asked_by_graphql_and_heeds_its_preconditions() {
    let stage = stage().await;
    let (sandbox, token) = (&stage.sandbox, stage.token(json!({})).await);
    let head = sandbox.push_files("acme/env", "x", "bob", "x", &[("a.yaml", Some(b"a: 1\n".to_vec()))]);
    sandbox.open_pull("acme/env", "bob", "x", "main", "X", "");
    let pull =
        async || stage.valid_graphql(&token, QUEUED, json!({})).await["data"]["repository"]["pullRequest"].clone();
    let id = pull().await["id"].clone();
    let refused = async |document: &str, variables: Value| {
        stage.graphql(&token, document, variables).await["errors"][0]["message"].as_str().unwrap().to_owned()
    };
    assert!(refused(ENQUEUE, json!({ "id": id, "head": head })).await.contains("not enabled"));
    let rules =
        trunkline::sandbox::Protection { queue: true, required_checks: vec!["ci".into()], ..Default::default() };
    sandbox.protect("acme/env", "main", rules.clone());
    assert!(refused(ENQUEUE, json!({ "id": id, "head": head })).await.contains("\"ci\" is expected"));
    sandbox.set_status("acme/env", "bob", &head, "ci", "success");
    assert!(refused(ENQUEUE, json!({ "id": id, "head": "0".repeat(40) })).await.contains("modified"));
    assert!(refused(DEQUEUE, json!({ "id": id })).await.contains("not in the merge queue"));
    let narrow = stage.token(json!({ "permissions": { "contents": "write", "pull_requests": "write" } })).await;
    let body = stage.graphql(&narrow, ENQUEUE, json!({ "id": id, "head": head })).await;
    assert_eq!(body["errors"][0]["type"], "FORBIDDEN");
    let body = stage.valid_graphql(&token, ENQUEUE, json!({ "id": id, "head": head })).await;
    assert_eq!(
        body["data"]["enqueuePullRequest"]["mergeQueueEntry"],
        json!({ "position": 1, "state": "AWAITING_CHECKS" })
    );
    assert!(refused(ENQUEUE, json!({ "id": id, "head": head })).await.contains("already in the merge queue"));
    let entry = pull().await;
    assert_eq!((&entry["isInMergeQueue"], &entry["isMergeQueueEnabled"]), (&json!(true), &json!(true)));
    assert_eq!(entry["mergeQueueEntry"]["enqueuer"]["login"], "trunkline");
    // A push takes it out, as somebody's word does.
    sandbox.push_files("acme/env", "x", "bob", "x again", &[("a.yaml", Some(b"a: 2\n".to_vec()))]);
    let gone = pull().await;
    assert_eq!((&gone["isInMergeQueue"], &gone["mergeQueueEntry"]), (&json!(false), &Value::Null));
    let last = gone["timelineItems"]["nodes"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["__typename"], &last["actor"]["login"]), (&json!("RemovedFromMergeQueueEvent"), &json!("bob")));
}

#[tokio::test]
async fn a_merge_queue_merges_in_its_own_way_and_builds_anew_when_its_base_moves() {
    for (method, parents) in [("SQUASH", 1), ("MERGE", 2), ("REBASE", 1)] {
        let stage = stage().await;
        let sandbox = &stage.sandbox;
        let head = sandbox.push_files("acme/env", "x", "bob", "x", &[("a.yaml", Some(b"a: 1\n".to_vec()))]);
        let number = sandbox.open_pull("acme/env", "bob", "x", "main", "X", "");
        sandbox.set_status("acme/env", "bob", &head, "ci", "success");
        let (required_checks, queue_method) = (vec!["ci".into()], method.to_owned());
        let rules = trunkline::sandbox::Protection { queue: true, queue_method, required_checks, ..Default::default() };
        sandbox.protect("acme/env", "main", rules);
        sandbox.enqueue_pull("acme/env", "bob", number);
        let first = sandbox.merge_queue("acme/env").remove(0).1.unwrap();
        let base = sandbox.push_files("acme/env", "main", "alice", "Elsewhere", &[("b", Some(b"b".to_vec()))]);
        let built = sandbox.merge_queue("acme/env").remove(0).1.unwrap();
        assert_ne!(built, first, "{method}");
        assert_eq!(sandbox.branches("acme/env", "gh-readonly-queue/"), [format!("gh-readonly-queue/main/pr-1-{base}")]);
        // What was built before is nobody's any more.
        sandbox.set_status("acme/env", "bob", &first, "ci", "success");
        assert_eq!(sandbox.merge_queue("acme/env").len(), 1, "{method}");
        sandbox.set_status("acme/env", "bob", &built, "ci", "success");
        assert_eq!(sandbox.branch_tip("acme/env", "main"), built, "{method}");
        let git = git2::Repository::open_bare(sandbox.repo_path("acme/env").unwrap()).unwrap();
        let commit = git.find_commit(built.parse().unwrap()).unwrap();
        assert_eq!((commit.parent_count(), commit.parent_id(0).unwrap().to_string()), (parents, base), "{method}");
        assert_eq!(commit.author().name().unwrap(), "bob", "{method}");
    }
}

#[tokio::test]
async fn the_page_shows_and_does_what_a_person_would() {
    let stage = stage().await;
    let own = "http://127.0.0.1:4000";
    stage.sandbox.push_files("acme/env", "x", "bob", "x", &[("a.yaml", Some(b"a: <1>\n".to_vec()))]);
    let form = "as=bob&title=Edit+%3Cb%3E&head=x&base=main&body=**why**";
    assert_eq!(stage.page("POST", "/acme/env/pulls", own, form).await.0, 303);
    assert_eq!(
        stage.page("POST", "/acme/env/pull/1/comment", own, "as=alice&body=%7Ca%7C%0D%0A%7C-%7C%0D%0A%7Cb%7C").await.0,
        303
    );
    let (status, html) = stage.page("GET", "/acme/env/pull/1", "", "").await;
    assert_eq!(status, 200);
    for shown in ["Edit &lt;b&gt;", "<strong>why</strong>", "<td>b</td>", "+a: &lt;1&gt;", "Merge pull request"] {
        assert!(html.contains(shown), "{shown}: {html}");
    }
    for path in [
        "/",
        "/acme/env",
        "/acme/env/pulls",
        "/acme/env/issues",
        "/acme/env/tree/x/a.yaml",
        "/acme/env/tree/main/environments",
    ] {
        assert_eq!(stage.page("GET", path, "", "").await.0, 200, "{path}");
    }
    // Rights are the person's; other sites and other hosts press no buttons.
    assert_eq!(stage.page("POST", "/acme/env/pull/1/merge", own, "as=mallory").await.0, 403);
    assert_eq!(stage.page("POST", "/acme/env/pull/1/merge", "https://evil.example", "as=bob").await.0, 403);
    assert_eq!(stage.page("POST", "/acme/env/pull/1/review", own, "as=alice&state=APPROVED&body=").await.0, 303);
    assert_eq!(stage.page("POST", "/acme/env/pull/1/merge", own, "as=bob").await.0, 303);
    let sha = stage.main("acme/env").await;
    assert_eq!(
        stage.page("POST", "/acme/env/tags", own, &format!("as=bob&tag=v1.0&sha={sha}&annotated=on")).await.0,
        303
    );
    let before = stage.sandbox.clock().now();
    assert_eq!(stage.page("POST", "/advance", own, "seconds=3600").await.0, 303);
    assert_eq!(stage.sandbox.clock().now().as_second() - before.as_second(), 3_600);
    let (_, html) = stage.page("GET", "/acme/env/pull/1", "", "").await;
    assert!(html.contains("Merged") && html.contains("approved"), "{html}");
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_are_posted_once_and_their_outcome_is_listed() {
    let (heard, mut hears) = tokio::sync::mpsc::channel::<String>(100);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/webhook", listener.local_addr().unwrap());
    let receiver = axum::Router::new().route(
        "/webhook",
        axum::routing::post(async move |headers: http::HeaderMap| {
            let event = headers["x-github-event"].to_str().unwrap().to_owned();
            heard.send(event.clone()).await.unwrap();
            if event == "push" { http::StatusCode::INTERNAL_SERVER_ERROR } else { http::StatusCode::ACCEPTED }
        }),
    );
    tokio::spawn(async move { axum::serve(listener, receiver).await });
    let clock = Clock::manual(jiff::Timestamp::from_second(START).unwrap());
    let stage = stage_with("http://127.0.0.1:4000", clock, Some(url)).await;
    assert_eq!(hears.recv().await.unwrap(), "installation");
    stage.sandbox.push_files("acme/env", "main", "bob", "Edit", &[("a", Some(b"b".to_vec()))]);
    assert_eq!(hears.recv().await.unwrap(), "push");
    // The next one is posted only after the outcome of the one before is written down.
    assert_eq!(hears.recv().await.unwrap(), "check_suite");
    let jwt = stage.jwt(-60, 540);
    let (_, failed) = stage.call("GET", "/api/v3/app/hook/deliveries?status=failure", &jwt, Value::Null).await;
    assert_eq!((failed[0]["event"].as_str(), failed[0]["status_code"].as_u64()), (Some("push"), Some(500)));
    assert_eq!(failed.as_array().unwrap().len(), 1);
    let again = format!("/api/v3/app/hook/deliveries/{}/attempts", failed[0]["id"]);
    assert_eq!(stage.call("POST", &again, &jwt, Value::Null).await.0, 202);
    assert_eq!(hears.recv().await.unwrap(), "push");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_github_client_with_app_auth_tells_a_story() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if !root.join(".tools/node_modules/@octokit/auth-app").exists() {
        eprintln!("skipped: no Octokit in .tools; run tests/tools/install");
        return;
    }
    if Command::new("node").arg("--version").output().is_err() {
        eprintln!("skipped: Node.js is not installed");
        return;
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    // The client goes by the system's time, so this sandbox does too.
    let stage = stage_with(&address, Clock::System, None).await;
    let router = stage.sandbox.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let mut node = Command::new("node");
    node.arg("tests/tools/client.mjs")
        .current_dir(root)
        .env("BASE", &address)
        .env("APP_ID", stage.sandbox.app_id().to_string())
        .env("PEM", stage.sandbox.app_private_key_pem())
        .env("INSTALLATION", stage.installation.to_string());
    let output = tokio::task::spawn_blocking(move || node.output()).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("story told"), "{text}");
}

#[tokio::test]
async fn the_same_story_at_other_times_reads_the_same() {
    let tell = async |late: u64| {
        let stage = stage().await;
        let sandbox = &stage.sandbox;
        let token = stage.token(json!({})).await;
        sandbox.clock().advance(Duration::from_secs(late));
        let sha = sandbox.push_files("acme/env", "x", "bob", "Edit", &[("a", Some(b"a".to_vec()))]);
        sandbox.clock().advance(Duration::from_secs(late * 7));
        sandbox.open_pull("acme/env", "bob", "x", "main", &format!("Take {}", &sha[..7]), "");
        sandbox.create_tag("acme/env", "v1", &sha, "bob", true);
        let token = if late > 3_000 { stage.token(json!({})).await } else { token };
        let body = json!({ "body": format!("See {sha} at {}", sandbox.clock().now()) });
        let (status, _) = stage.call("POST", "/api/v3/repos/acme/env/issues/1/comments", &token, body).await;
        assert_eq!(status, 201);
        (sha, sandbox.dump())
    };
    let (one, first) = tell(0).await;
    let (two, second) = tell(3_601).await;
    assert_ne!(one, two);
    assert_eq!(first, second);
    assert!(first.contains("at <time>") && !first.contains(&one[..7]), "{first}");
}

#[tokio::test]
async fn a_renamed_repository_leads_to_its_new_place() {
    let stage = stage().await;
    let token = stage.token(json!({})).await;
    stage.sandbox.rename_repo("acme/env", "alice", "environments");
    let headers = [("authorization", token.as_str())];
    let (status, headers, _) =
        stage.raw("GET", "/api/v3/repos/acme/env/git/ref/heads/main", &headers, Value::Null).await;
    assert_eq!(status, 301);
    let to = headers["location"].to_str().unwrap().trim_start_matches("http://127.0.0.1:4000");
    assert_eq!(stage.call("GET", to, &token, Value::Null).await.1["ref"], "refs/heads/main");
    assert_eq!(stage.call("GET", "/api/v3/repos/acme/environments", &token, Value::Null).await.0, 200);
}

#[tokio::test]
async fn a_base_that_moves_is_seen_at_the_branch_only() {
    let stage = stage().await;
    let sandbox = &stage.sandbox;
    let old = stage.main("acme/env").await;
    let head = sandbox.push_files("acme/env", "x", "bob", "x", &[("x", Some(b"x".to_vec()))]);
    sandbox.open_pull("acme/env", "bob", "x", "main", "x", "");
    let merge_ref = "/api/v3/repos/acme/env/git/ref/pull/1/merge";
    let (_, before) = stage.call("GET", merge_ref, "token ghp_bob", Value::Null).await;
    sandbox.push_files("acme/env", "main", "bob", "clash", &[("x", Some(b"y".to_vec()))]);
    let pull = async || stage.call("GET", "/api/v3/repos/acme/env/pulls/1", "token ghp_bob", Value::Null).await.1;
    let found = pull().await;
    assert_eq!((found["base"]["sha"].as_str(), found["mergeable"].as_bool()), (Some(old.as_str()), Some(false)));
    let (_, after) = stage.call("GET", merge_ref, "token ghp_bob", Value::Null).await;
    assert_eq!(before["object"], after["object"]);
    sandbox.force_push(
        "acme/env",
        "x",
        "bob",
        sandbox.push_files("acme/env", "y", "bob", "y", &[("z", Some(b"z".to_vec()))]),
    );
    let found = pull().await;
    assert_ne!(found["head"]["sha"], head.as_str());
    assert_eq!(
        (found["base"]["sha"].as_str(), found["mergeable"].as_bool()),
        (Some(stage.main("acme/env").await.as_str()), Some(true))
    );
}

#[tokio::test]
async fn each_door_asks_for_its_own_permission() {
    let stage = stage().await;
    let sandbox = &stage.sandbox;
    let head = sandbox.push_files("acme/env", "x", "bob", "x", &[("x", Some(b"x".to_vec()))]);
    sandbox.open_pull("acme/env", "bob", "x", "main", "x", "");
    sandbox.open_issue("acme/env", "bob", "Desk", "");
    let only = async |name: &str, level: &str| stage.token(json!({ "permissions": { name: level } })).await;
    let run = json!({ "name": "t", "head_sha": head });
    for (name, level, method, path, body, wanted) in [
        ("pull_requests", "write", "POST", "/issues/1/comments", json!({ "body": "b" }), 201),
        ("pull_requests", "write", "POST", "/issues/2/comments", json!({ "body": "b" }), 403),
        ("issues", "write", "POST", "/issues/1/comments", json!({ "body": "b" }), 201),
        ("issues", "read", "POST", "/issues/1/comments", json!({ "body": "b" }), 403),
        ("contents", "write", "POST", "/pulls", json!({ "title": "t", "head": "x", "base": "main" }), 403),
        ("checks", "read", "POST", "/check-runs", run.clone(), 403),
        ("checks", "write", "POST", "/check-runs", run, 201),
        ("contents", "read", "PUT", "/pulls/1/merge", json!({}), 403),
        ("checks", "read", "GET", "/contents/x", Value::Null, 403),
        ("contents", "read", "GET", "/commits/main/status", Value::Null, 403),
        ("contents", "write", "POST", "/deployments", json!({ "ref": "main" }), 403),
        ("contents", "write", "PUT", "/pulls/1/merge", json!({}), 200),
    ] {
        let token = only(name, level).await;
        let (status, answer) = stage.call(method, &format!("/api/v3/repos/acme/env{path}"), &token, body).await;
        assert_eq!(status, wanted, "{name}: {level} {method} {path}: {answer}");
    }
    // A person cannot create checks, and the App's own JWT opens no repository.
    let (status, _) = stage.call("POST", "/api/v3/repos/acme/env/check-runs", "token ghp_alice", json!({})).await;
    assert_eq!(status, 403);
    assert_eq!(stage.call("GET", "/api/v3/repos/acme/env", &stage.jwt(-60, 540), Value::Null).await.0, 403);
}
