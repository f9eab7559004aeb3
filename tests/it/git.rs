//! The git client over the sandbox's smart HTTP: in process with tokens, and over a socket beside the git program.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::SecretString;
use trunkline::git::{Cache, Content, GitError, Merge, RefSpec, Remote, RepoSlot};
use trunkline::github::Access;
use trunkline::model::id::Oid;
use trunkline::transport::Transport;

use crate::github::Stage;

fn cache() -> (tempfile::TempDir, Cache) {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::new(dir.path().join("git")).unwrap();
    (dir, cache)
}

impl Stage {
    fn slot(&self, content: Content) -> RepoSlot {
        RepoSlot { installation: self.at.installation, repo: self.at.id, content }
    }

    fn remote(&self, token: Option<&SecretString>) -> Remote {
        let auth = token.map(|token| ("x-access-token", token));
        Remote::http(&self.github.git_url(&self.at), auth, &Transport::of(self.sandbox.router())).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_repository_is_fetched_with_a_token_and_not_without() {
    let (stage, (_dir, cache)) = (Stage::new().await, cache());
    let token = stage.github.token(&stage.at, Access::ReadContents).await.unwrap();
    let want = [RefSpec::Heads, RefSpec::Tags];
    let all = stage.slot(Content::All);
    let error = cache.sync(all, &stage.remote(None), &want).await.unwrap_err();
    assert!(matches!(error, GitError::Denied(_)), "{error}");
    let wrong = SecretString::from("ghs_wrong");
    let error = cache.sync(all, &stage.remote(Some(&wrong)), &want).await.unwrap_err();
    assert!(matches!(&error, GitError::Denied(why) if !why.contains("wrong")), "{error}");
    let (_, refs) = cache.sync(all, &stage.remote(Some(&token)), &want).await.unwrap();
    assert_eq!(refs.default_branch.as_deref(), Some("main"));

    let fork = stage.sandbox.create_fork("acme/env", "ann");
    let head = stage.sandbox.push_files(&fork.full_name, "f", "ann", "f", &[("z", Some(b"z".to_vec()))]);
    stage.sandbox.open_pull("acme/env", "ann", "ann:f", "main", "Fork", "");
    let head: Oid = head.parse().unwrap();
    cache.sync(all, &stage.remote(Some(&token)), &[RefSpec::Commit(head)]).await.unwrap();
    let store = cache.store(all).unwrap();
    assert!(matches!(store.merge_preview(refs.heads["main"], head).unwrap(), Merge::Tree(_)));
    let gone = Oid([7; 20]);
    let error = cache.sync(all, &stage.remote(Some(&token)), &[RefSpec::Commit(gone)]).await.unwrap_err();
    assert_eq!(error, GitError::Missing(gone));
    let commits = stage.slot(Content::Commits);
    cache.sync(commits, &stage.remote(Some(&token)), &want).await.unwrap();
    let log = cache.store(commits).unwrap().log_between(None, refs.heads["main"], 10).unwrap();
    assert_eq!(log.total, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_a_socket_one_request_brings_a_pull_request() {
    let (stage, (dir, cache)) = (Stage::new().await, cache());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(axum::serve(listener, stage.sandbox.router()).into_future());
    let token = stage.github.token(&stage.at, Access::ReadContents).await.unwrap();
    let remote = Remote::http(
        &format!("{base}/acme/env.git"),
        Some(("x-access-token", &token)),
        &Transport::Network.opened().unwrap(),
    )
    .unwrap();
    let slot = stage.slot(Content::All);
    cache.sync(slot, &remote, &[RefSpec::Heads]).await.unwrap();
    let mirror = dir.path().join("mirror");
    let git = |args: &[&str]| {
        let url = format!("http.extraHeader=Authorization: Basic {}", basic(&token));
        let done = Command::new("git").args(["-c", &url]).args(args).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    let (address, mirror) = (format!("{base}/acme/env.git"), mirror.to_str().unwrap().to_owned());
    git(&["clone", "-q", "--mirror", &address, &mirror]);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for i in 0..5 {
        let text = format!("{i}\n").into_bytes();
        let head = stage.sandbox.push_files("acme/env", &format!("b{i}"), "ann", "m", &[("x", Some(text))]);
        let start = Instant::now();
        cache.sync(slot, &remote, &[RefSpec::Commit(head.parse().unwrap())]).await.unwrap();
        ours.push(start.elapsed());
        let start = Instant::now();
        tokio::task::block_in_place(|| git(&["-C", &mirror, "fetch", "-q", &address, &format!("refs/heads/b{i}")]));
        theirs.push(start.elapsed());
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times[times.len() / 2]
    };
    eprintln!("fetch of one commit: ours {:?}, git {:?}", median(&mut ours), median(&mut theirs));
    server.abort();
    let store = Arc::clone(&cache.store(slot).unwrap());
    assert!(store.log_between(None, Oid([7; 20]), 1).is_err());
}

fn basic(token: &SecretString) -> String {
    use base64::Engine as _;
    use secrecy::ExposeSecret as _;
    base64::engine::general_purpose::STANDARD.encode(format!("x-access-token:{}", token.expose_secret()))
}
