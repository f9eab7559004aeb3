//! The git client against the real `git upload-pack`, in process: no socket, but every byte of the protocol.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full};
use secrecy::SecretString;

use super::*;
use crate::model::path::RepoPath;
use crate::model::suggestion::Suggestion;
use crate::model::tree::{Objects, Tree, TreeError};
use crate::transport::{BoxError, HttpRequest, Transport};

fn git(dir: &Path, args: &[&str]) -> String {
    let out = Command::new("git")
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .envs(["AUTHOR", "COMMITTER"].iter().flat_map(|who| {
            [
                (format!("GIT_{who}_NAME"), "Ann"),
                (format!("GIT_{who}_EMAIL"), "ann@example.com"),
                (format!("GIT_{who}_DATE"), "2026-11-20T10:00:00Z"),
            ]
        }))
        .output()
        .unwrap();
    assert!(out.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

fn commit(dir: &Path, files: &[(&str, &str)], message: &str) -> Oid {
    for (path, text) in files {
        let path = dir.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    git(dir, &["add", "-A"]);
    git(dir, &["commit", "-q", "--allow-empty", "-m", message]);
    git(dir, &["rev-parse", "HEAD"]).parse().unwrap()
}

/// A repository with a branch `main`, and any requests it met.
struct Server {
    dir: tempfile::TempDir,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        git(dir.path(), &["init", "-q", "-b", "main"]);
        git(dir.path(), &["config", "uploadpack.allowAnySHA1InWant", "true"]);
        git(dir.path(), &["config", "uploadpack.allowFilter", "true"]);
        Self { dir, seen: Arc::default() }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// `git upload-pack` behind HTTP; `change` may spoil the answer.
    fn transport(&self, change: fn(Vec<u8>) -> Vec<u8>) -> Transport {
        let (path, seen) = (self.path().to_owned(), Arc::clone(&self.seen));
        Transport::of(tower::service_fn(move |request: HttpRequest| {
            let (path, seen) = (path.clone(), Arc::clone(&seen));
            async move {
                assert_eq!(request.headers()["git-protocol"], "version=2");
                let auth = request.headers().get("authorization").map(|v| v.to_str().unwrap().to_owned());
                let uri = request.uri().to_string();
                let body = request.into_body().collect().await?.to_bytes();
                let text = String::from_utf8_lossy(&body).into_owned();
                seen.lock().unwrap().push(format!("{uri} {} {text}", auth.unwrap_or_default()));
                let mut child = Command::new("git")
                    .args(["upload-pack", "--stateless-rpc", path.to_str().unwrap()])
                    .env("GIT_PROTOCOL", "version=2")
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::null())
                    .spawn()?;
                child.stdin.take().unwrap().write_all(&body)?;
                let out = child.wait_with_output()?.stdout;
                let response = Response::builder().header("content-type", "application/x-git-upload-pack-result");
                Ok::<_, BoxError>(response.body(Full::new(Bytes::from(change(out))))?)
            }
        }))
    }

    fn remote(&self) -> Remote {
        Remote::http("https://git.example/acme/env.git", None, &self.transport(|out| out)).unwrap()
    }

    fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

fn cache() -> (tempfile::TempDir, Cache) {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::new(dir.path().join("git")).unwrap();
    (dir, cache)
}

fn slot(content: Content) -> RepoSlot {
    RepoSlot { installation: InstallationId(1), repo: RepoId(7), content }
}

fn path(text: &str) -> RepoPath {
    text.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_lists_once_fetches_once_and_then_only_what_is_new() {
    let (server, (_dir, cache)) = (Server::new(), cache());
    let first = commit(server.path(), &[("env/dev/a.yaml", "a: 1\n")], "first");
    git(server.path(), &["tag", "v1.0"]);
    git(server.path(), &["tag", "-a", "-m", "x", "v1.1-rc.1"]);
    let want = [RefSpec::Heads, RefSpec::Tags];
    let (_, refs) = cache.sync(slot(Content::All), &server.remote(), &want).await.unwrap();
    assert_eq!(refs.default_branch.as_deref(), Some("main"));
    assert_eq!(refs.heads["main"], first);
    assert_eq!(refs.tags["v1.0"], TagRef { object: first, commit: first });
    assert_eq!((refs.tags["v1.1-rc.1"].commit, refs.tags["v1.1-rc.1"].object != first), (first, true));
    assert_eq!(refs.tags_with("v1.1").map(|(name, _)| name).collect::<Vec<_>>(), ["v1.1-rc.1"]);
    assert_eq!(server.requests().len(), 2);

    cache.sync(slot(Content::All), &server.remote(), &want).await.unwrap();
    assert_eq!(server.requests().len(), 1, "nothing new, nothing fetched");

    let second = commit(server.path(), &[("env/dev/a.yaml", "a: 2\n")], "second");
    cache.sync(slot(Content::All), &server.remote(), &[RefSpec::Commit(second)]).await.unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 1, "a known commit needs no list");
    assert!(requests[0].contains(&format!("have {first}")), "{}", requests[0]);

    let store = cache.store(slot(Content::All)).unwrap();
    let tree = store.tree_of(second).unwrap();
    assert_eq!(&*Tree::new(tree, &*store).read(&path("env/dev/a.yaml")).unwrap(), b"a: 2\n");
    assert!(store.is_ancestor(first, second).unwrap());
    assert!(!store.is_ancestor(second, first).unwrap());
    let fsck = git(store.path(), &["fsck", "--strict"]);
    assert!(fsck.is_empty(), "{fsck}");
    let refs = git(store.path(), &["for-each-ref", "--format=%(refname)"]);
    assert!(refs.lines().all(|name| name.starts_with("refs/trunkline/keep/")), "{refs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_brings_commits_without_files_and_an_old_server_brings_all() {
    let (server, (_dir, cache)) = (Server::new(), cache());
    commit(server.path(), &[("src/main.rs", "fn main() {}")], "one");
    let tip = commit(server.path(), &[("src/main.rs", "fn main() { }")], "two");
    cache.sync(slot(Content::Commits), &server.remote(), &[RefSpec::Heads]).await.unwrap();
    let store = cache.store(slot(Content::Commits)).unwrap();
    let log = store.log_between(None, tip, 10).unwrap();
    assert_eq!(log.commits.iter().map(|c| c.subject.as_str()).collect::<Vec<_>>(), ["two", "one"]);
    let tree = store.tree_of(tip).unwrap();
    assert!(matches!(store.tree(tree), Err(crate::model::tree::ObjectError::Missing(_))));

    git(server.path(), &["config", "uploadpack.allowFilter", "false"]);
    let tip = commit(server.path(), &[("src/main.rs", "fn main() {  }")], "three");
    let (_, refs) = cache.sync(slot(Content::Commits), &server.remote(), &[RefSpec::Heads]).await.unwrap();
    assert_eq!(refs.heads["main"], tip);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_repository_is_fetched_whole() {
    let (server, (_dir, cache)) = (Server::new(), cache());
    let first = commit(server.path(), &[("a", "1")], "first");
    git(server.path(), &["tag", "-a", "-m", "x", "v1"]);
    let side = commit(server.path(), &[("a", "2")], "side");
    git(server.path(), &["update-ref", "refs/pull/1/head", "HEAD"]);
    git(server.path(), &["reset", "-q", "--hard", "HEAD~1"]);
    let remote = Remote::local(server.path());
    let want = [RefSpec::Heads, RefSpec::Tags, RefSpec::Commit(side)];
    let (_, refs) = cache.sync(slot(Content::All), &remote, &want).await.unwrap();
    assert_eq!((refs.heads["main"], refs.tags["v1"].commit), (first, first));
    assert_eq!(refs.default_branch.as_deref(), Some("main"));
    assert!(cache.store(slot(Content::All)).unwrap().is_ancestor(first, side).unwrap());
    git(server.path(), &["branch", "-m", "main", "main/x"]);
    let next = commit(server.path(), &[("a", "3")], "third");
    let (_, refs) = cache.sync(slot(Content::All), &remote, &want).await.unwrap();
    assert_eq!(refs.heads, [("main/x".to_owned(), next)].into());
    let gone = Oid([7; 20]);
    let error = cache.sync(slot(Content::All), &remote, &[RefSpec::Commit(gone)]).await.unwrap_err();
    assert_eq!(error, GitError::Missing(gone));
}

#[tokio::test(flavor = "multi_thread")]
async fn merges_are_previewed_as_git_would_make_them() {
    let (server, (_dir, cache)) = (Server::new(), cache());
    let dir = server.path();
    let base = commit(dir, &[("env/a", "1\n2\n3\n4\n5\n6\n7\n"), ("env/b", "1\n")], "base");
    git(dir, &["checkout", "-q", "-b", "side"]);
    let side = commit(dir, &[("env/a", "1\n2\n3\n4\n5\n6\n7!\n")], "side");
    git(dir, &["checkout", "-q", "-b", "clash", &base.to_string()]);
    let clash = commit(dir, &[("env/a", "0\n2\n3\n4\n5\n6\n7\n")], "clash");
    git(dir, &["checkout", "-q", "main"]);
    let main = commit(dir, &[("env/a", "1!\n2\n3\n4\n5\n6\n7\n"), ("c", "c")], "main");
    git(dir, &["merge", "-q", "--no-ff", "-m", "m", "side"]);
    let merged: Oid = git(dir, &["rev-parse", "HEAD^{tree}"]).parse().unwrap();
    cache.sync(slot(Content::All), &server.remote(), &[RefSpec::Heads]).await.unwrap();
    let store = cache.store(slot(Content::All)).unwrap();
    assert_eq!(store.merge_preview(main, side).unwrap(), Merge::Tree(merged));
    assert_eq!(store.merge_preview(main, clash).unwrap(), Merge::Conflict(vec!["env/a".into()]));
    let forward = store.tree_of(side).unwrap();
    assert_eq!(store.merge_preview(base, side).unwrap(), Merge::Tree(forward));
    assert_eq!(store.merge_preview(side, base).unwrap(), Merge::Tree(forward));
    assert_eq!(store.merge_base(main, side).unwrap(), Some(base));
    let read = Tree::new(merged, &*store).read(&path("env/a")).unwrap();
    assert_eq!(&*read, b"1!\n2\n3\n4\n5\n6\n7!\n");
    let missing = Oid([9; 20]);
    assert_eq!(store.merge_preview(main, missing).unwrap_err(), GitError::Missing(missing));
}

#[tokio::test(flavor = "multi_thread")]
async fn history_names_the_commits_that_changed_a_folder() {
    let (server, (_dir, cache)) = (Server::new(), cache());
    let dir = server.path();
    commit(dir, &[("readme", "1")], "start");
    let one = commit(dir, &[("env/dev/a", "1")], "one");
    commit(dir, &[("env/prod/a", "1")], "elsewhere");
    git(dir, &["checkout", "-q", "-b", "side"]);
    let inner = commit(dir, &[("env/dev/a", "2")], "inner\n\nbody");
    git(dir, &["checkout", "-q", "main"]);
    git(dir, &["merge", "-q", "--no-ff", "-m", "two", "side"]);
    let two: Oid = git(dir, &["rev-parse", "HEAD"]).parse().unwrap();
    commit(dir, &[], "empty");
    git(dir, &["rm", "-rq", "env/dev"]);
    let three = commit(dir, &[], "gone");
    cache.sync(slot(Content::All), &server.remote(), &[RefSpec::Heads]).await.unwrap();
    let store = cache.store(slot(Content::All)).unwrap();
    let history = store.first_parent_history(three, &path("env/dev"), 10).unwrap();
    assert_eq!(history.iter().map(|f| f.commit).collect::<Vec<_>>(), [three, two, one]);
    assert!(history[0].tree.is_none() && history[1].tree != history[2].tree);
    let history = store.first_parent_history(three, &path("env/dev"), 2).unwrap();
    assert_eq!(history.len(), 2);
    let log = store.log_between(Some(one), two, 2).unwrap();
    assert_eq!((log.total, log.commits.len()), (2, 2), "the merge says nothing of its own");
    assert!(
        log.commits.iter().any(|c| c.id == inner && c.subject == "inner" && c.author == "Ann")
            || log.commits.len() == 2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_is_read_from_its_branch() {
    let (server, (_dir, cache)) = (Server::new(), cache());
    let tip = commit(
        server.path(),
        &[("prod/shop.yaml", "decisions:\n- 7\n"), ("prod/bad.yaml", "decisions: x"), ("README.md", "hello")],
        "ledger",
    );
    cache.sync(slot(Content::All), &server.remote(), &[RefSpec::Branch("main".into())]).await.unwrap();
    let ledger = cache.store(slot(Content::All)).unwrap().read_ledger(tip).unwrap();
    assert_eq!(ledger.head, Some(tip));
    assert!(ledger.entry("shop", "prod").has_decision(7));
    assert!(ledger.problems.contains_key(&("bad".into(), "prod".into())));
}

#[tokio::test(flavor = "multi_thread")]
async fn t17_packs_too_large_or_broken_never_enter() {
    let (server, (_dir, cache)) = (Server::new(), cache());
    let tip = commit(server.path(), &[("a", &"x".repeat(5000))], "first");
    let want = [RefSpec::Commit(tip)];
    let sync = async |remote: Remote| cache.sync(slot(Content::All), &remote, &want).await.unwrap_err();
    let error = sync(server.remote().with_limits(40, 100)).await;
    assert_eq!(error, GitError::Refused("a pack of more than 40 bytes".into()));
    let error = sync(server.remote().with_limits(1 << 20, 2)).await;
    assert_eq!(error, GitError::Refused("a pack of 3 objects, 2 allowed".into()));
    let spoilt = |change| Remote::http("https://git.example/x.git", None, &server.transport(change)).unwrap();
    let error = sync(spoilt(|mut out| {
        let middle = out.len() / 2;
        out[middle] ^= 0xff;
        out
    }))
    .await;
    assert!(matches!(error, GitError::Refused(_)), "{error}");
    let error = sync(spoilt(|out| out[..out.len() - 30].to_vec())).await;
    assert!(matches!(error, GitError::Network(_)), "{error}");
    let error = sync(spoilt(|_| b"<html>".to_vec())).await;
    assert!(matches!(error, GitError::Refused(_)), "{error}");
    let error = sync(spoilt(|_| lines(&["ERR nope\n"]))).await;
    assert_eq!(error, GitError::Refused("nope".into()));
    let store = cache.store(slot(Content::All)).unwrap();
    assert!(matches!(store.tree_of(tip), Err(GitError::Missing(_))));
    let packs = std::fs::read_dir(store.path().join("objects/pack"))
        .map(|dir| dir.filter(|e| e.as_ref().unwrap().path().extension().is_some_and(|e| e == "pack")).count());
    assert_eq!(packs.unwrap_or(0), 0);
    cache.sync(slot(Content::All), &server.remote(), &want).await.unwrap();
}

fn redirect(to: &'static str) -> Transport {
    Transport::of(tower::service_fn(move |_: HttpRequest| async move {
        let response = Response::builder().status(StatusCode::MOVED_PERMANENTLY).header("location", to);
        Ok::<_, BoxError>(response.body(Full::<Bytes>::default())?)
    }))
}

#[tokio::test]
async fn t17_redirects_stay_on_the_host_and_in_number() {
    let (_dir, cache) = cache();
    for (to, says) in [
        ("http://169.254.169.254/latest/git-upload-pack", "another host"),
        ("https://git.example:444/x.git/git-upload-pack", "another host"),
        ("http://git.example/x.git/git-upload-pack", "another host"),
        ("file:///etc/passwd", "another host"),
        ("//evil.example/x.git/git-upload-pack", "circle"),
        ("/y.git/git-upload-pack", "circle"),
    ] {
        let remote = Remote::http("https://git.example/x.git", None, &redirect(to)).unwrap();
        let error = cache.sync(slot(Content::All), &remote, &[RefSpec::Heads]).await.unwrap_err();
        assert!(matches!(&error, GitError::Refused(why) if why.contains(says)), "{to}: {error}");
    }
    for bad in
        ["file:///x", "ssh://git.example/x", "ext::sh -c id", "https://user:pw@git.example/x", "/x", "https://h/x?y"]
    {
        assert!(Remote::http(bad, None, &redirect("/")).is_err(), "{bad}");
    }
}

fn lines(lines: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines {
        out.extend(format!("{:04x}{line}", line.len() + 4).bytes());
    }
    out.extend(b"0000");
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn t18_hostile_refs_go_nowhere() {
    let (server, (_dir, cache)) = (Server::new(), cache());
    let transport = server.transport(|_| {
        let id = "1".repeat(40);
        let names = ["--upload-pack=x", "a..b", "x.lock", "\u{1b}[31m", "\u{202e}abc", "../../../config", "a//b"];
        let mut all: Vec<String> = names.iter().map(|name| format!("{id} refs/heads/{name}\n")).collect();
        all.extend(names.iter().map(|name| format!("{id} refs/tags/{name}\n")));
        all.push(format!("{id} HEAD symref-target:refs/heads/--evil\n"));
        all.push(format!("{id} config\n"));
        lines(&all.iter().map(String::as_str).collect::<Vec<_>>())
    });
    let remote = Remote::http("https://git.example/x.git", None, &transport).unwrap();
    let (_, refs) = cache.sync(slot(Content::All), &remote, &[RefSpec::Heads, RefSpec::Tags]).await.unwrap();
    assert_eq!(refs, Refs::default());
    let (_, refs) =
        cache.sync(slot(Content::All), &server.remote(), &[RefSpec::Branch("a\n0000".into())]).await.unwrap();
    assert_eq!(refs, Refs::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn t41_two_installations_never_share_a_folder() {
    let (server, (dir, cache)) = (Server::new(), cache());
    let tip = commit(server.path(), &[("a", "1")], "first");
    cache.sync(slot(Content::All), &server.remote(), &[RefSpec::Heads]).await.unwrap();
    let other = RepoSlot { installation: InstallationId(2), ..slot(Content::All) };
    let store = cache.store(other).unwrap();
    assert!(matches!(store.tree_of(tip), Err(GitError::Missing(_))));
    let folders: std::collections::BTreeSet<String> = std::fs::read_dir(dir.path().join("git"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(folders.into_iter().collect::<Vec<_>>(), ["1-7-all.git", "2-7-all.git"]);
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(dir.path().join("git/1-7-all.git")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn t39_the_secret_is_in_a_header_and_nowhere_else() {
    let (server, (_dir, cache)) = (Server::new(), cache());
    commit(server.path(), &[("a", "1")], "first");
    let secret = SecretString::from("ghs_1_canary.x-y");
    let auth = Some(("x-access-token", &secret));
    let transport = server.transport(|out| out);
    let remote = Remote::http("https://git.example/x.git", auth, &transport).unwrap();
    cache.sync(slot(Content::All), &remote, &[RefSpec::Heads]).await.unwrap();
    let seen = server.requests();
    assert!(seen.iter().all(|request| request.contains("Basic ") && !request.contains("canary")), "{seen:?}");
    assert!(!format!("{remote:?}").contains("canary"));
    let denied = Transport::of(tower::service_fn(|_: HttpRequest| async {
        Ok::<_, BoxError>(Response::builder().status(401).body(Full::<Bytes>::default())?)
    }));
    let remote = Remote::http("https://git.example/x.git", auth, &denied).unwrap();
    let error = cache.sync(slot(Content::All), &remote, &[RefSpec::Heads]).await.unwrap_err();
    assert_eq!(error, GitError::Denied("https://git.example/x.git answered 401 Unauthorized".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn trees_with_names_git_forbids_are_refused() {
    let (server, (_dir, cache)) = (Server::new(), cache());
    let tip = commit(server.path(), &[("a", "1"), ("run.sh", "x")], "first");
    let blob = git(server.path(), &["rev-parse", "HEAD:a"]);
    cache.sync(slot(Content::All), &server.remote(), &[RefSpec::Commit(tip)]).await.unwrap();
    let store = cache.store(slot(Content::All)).unwrap();
    let raw = [b"100644 ..\0".to_vec(), blob.parse::<Oid>().unwrap().0.to_vec()].concat();
    let bad = store.with(|r| Ok(ours(r.odb()?.write(git2::ObjectType::Tree, &raw)?))).unwrap();
    let error = Tree::new(bad, &*store).read(&path("x")).unwrap_err();
    assert!(matches!(error, TreeError::Object { .. }), "{error}");
    let large = vec![b'x'; 6 * 1024 * 1024];
    let large = store.with(|r| Ok(ours(r.blob(&large)?))).unwrap();
    assert!(matches!(store.blob(large), Err(crate::model::tree::ObjectError::TooLarge { .. })));
    let tree = store.tree_of(tip).unwrap();
    assert!(matches!(store.blob(tree), Err(crate::model::tree::ObjectError::Missing(_))));
    assert_eq!(store.tree(tree).unwrap().len(), 2);
}

/// A tree of small files: which of six files are there, and with which of three contents.
fn tree_of(repository: &git2::Repository, files: &[usize]) -> git2::Oid {
    let mut index = git2::Index::new().unwrap();
    for (i, content) in files.iter().enumerate().filter(|(_, content)| **content > 0) {
        let text = format!("first {i}\n\n\n\n{}\n", ["", "one", "two", "three"][*content]);
        let path = ["a", "b/c", "b/d", "e/f/g", "e/h", "e/f/i"][i];
        let entry = git2::IndexEntry {
            ctime: git2::IndexTime::new(0, 0),
            mtime: git2::IndexTime::new(0, 0),
            dev: 0,
            ino: 0,
            mode: 0o100_644,
            uid: 0,
            gid: 0,
            file_size: 0,
            id: repository.blob(text.as_bytes()).unwrap(),
            flags: 0,
            flags_extended: 0,
            path: path.into(),
        };
        index.add(&entry).unwrap();
    }
    index.write_tree_to(repository).unwrap()
}

#[test]
fn merging_by_id_is_what_libgit2_makes_of_it() {
    use proptest::prelude::*;
    let dir = tempfile::tempdir().unwrap();
    let repository = git2::Repository::init_bare(dir.path()).unwrap();
    let side = || proptest::collection::vec(0usize..4, 6);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(300));
    let short = std::cell::Cell::new(0);
    runner
        .run(&(side(), side(), side(), 0usize..63), |(base, ours, theirs, keep)| {
            // Most files stay as they were on one side, or nothing would ever merge.
            let like = |side: Vec<usize>, bits: usize| -> Vec<usize> {
                side.iter().zip(&base).enumerate().map(|(i, (a, b))| if bits >> i & 1 == 1 { *a } else { *b }).collect()
            };
            let trees = [&base, &like(ours, keep), &like(theirs, !keep)].map(|files| tree_of(&repository, files));
            let found = merge::merge_by_id(&repository, trees, 0).unwrap();
            let [b, o, t] = trees.map(|id| repository.find_tree(id).unwrap());
            let mut options = git2::MergeOptions::new();
            options.find_renames(false);
            let mut index = repository.merge_trees(&b, &o, &t, Some(&options)).unwrap();
            if let Some(found) = found {
                prop_assert!(!index.has_conflicts());
                prop_assert_eq!(found, index.write_tree_to(&repository).unwrap());
                short.set(short.get() + 1);
            }
            Ok(())
        })
        .unwrap();
    assert!(short.get() > 100, "{short:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_repository_and_a_damaged_cache_are_no_trouble() {
    let (server, (dir, cache)) = (Server::new(), cache());
    let (_, refs) = cache.sync(slot(Content::All), &server.remote(), &[RefSpec::Heads, RefSpec::Tags]).await.unwrap();
    assert!(refs.heads.is_empty() && refs.tags.is_empty());
    let first = commit(server.path(), &[("a", "1")], "first");
    cache.sync(slot(Content::All), &server.remote(), &[RefSpec::Heads]).await.unwrap();
    let pack = dir.path().join("git/1-7-all.git/objects/pack");
    for file in std::fs::read_dir(pack).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    let cache = Cache::new(dir.path().join("git")).unwrap();
    let second = commit(server.path(), &[("a", "2")], "second");
    cache.sync(slot(Content::All), &server.remote(), &[RefSpec::Heads]).await.unwrap();
    assert!(cache.store(slot(Content::All)).unwrap().is_ancestor(first, second).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_was_asked_for_is_listed_and_fetched() {
    let (server, (_dir, cache)) = (Server::new(), cache());
    let first = commit(server.path(), &[("a", "1")], "first");
    git(server.path(), &["checkout", "-q", "-b", "release/1"]);
    let release = commit(server.path(), &[("a", "2")], "release");
    git(server.path(), &["checkout", "-q", "-b", "other"]);
    let other = commit(server.path(), &[("a", "3")], "other");
    git(server.path(), &["tag", "v1"]);
    git(server.path(), &["checkout", "-q", "main"]);
    let want = [RefSpec::Default, RefSpec::Branch("release/*".into()), RefSpec::Branch("none".into())];
    let http = slot(Content::All);
    let local = RepoSlot { repo: RepoId(8), ..http };
    for (slot, remote) in [(http, server.remote()), (local, Remote::local(server.path()))] {
        let (store, refs) = cache.sync(slot, &remote, &want).await.unwrap();
        assert_eq!(refs.default_branch.as_deref(), Some("main"));
        assert_eq!(refs.heads, [("main".into(), first), ("release/1".into(), release)].into());
        assert!(refs.tags.is_empty());
        assert_eq!(store.commit_info(other), Err(GitError::Missing(other)));
    }
    let listed = &server.requests()[0];
    assert!(!listed.contains("ref-prefix refs/heads/\n") && !listed.contains("refs/tags"), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ancestry_and_abbreviated_ids_are_answered() {
    let (server, (_dir, cache)) = (Server::new(), cache());
    let one = commit(server.path(), &[("a", "1")], "one");
    git(server.path(), &["checkout", "-q", "-b", "side"]);
    let side = commit(server.path(), &[("b", "1")], "side");
    git(server.path(), &["checkout", "-q", "main"]);
    let two = commit(server.path(), &[("a", "2")], "two");
    let (store, _) = cache.sync(slot(Content::Commits), &server.remote(), &[RefSpec::Heads]).await.unwrap();
    assert_eq!(store.ancestors(&[two]).unwrap(), [one, two].into());
    assert_eq!(store.ancestors(&[two, side]).unwrap(), [one, two, side].into());
    let missing = Oid([7; 20]);
    assert_eq!(store.ancestors(&[missing]), Err(GitError::Missing(missing)));
    let follows = store.descendants(&[one, two, missing].into(), &[two, side].into()).unwrap();
    assert_eq!(follows.keys().collect::<Vec<_>>(), [&one]);
    assert_eq!(follows[&one].iter().collect::<std::collections::BTreeSet<_>>(), [&two, &side].into());
    assert_eq!(store.find_commit(&two.to_string()[..7]), Some(two));
    for none in ["v1.0", "main", &two.to_string()[..6], "zzzzzzz", "0000000", &two.to_string().repeat(2)] {
        assert_eq!(store.find_commit(none), None, "{none}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_longer_history_continues_the_one_that_is_known() {
    let (server, (_dir, cache)) = (Server::new(), cache());
    let mut steps = Vec::new();
    for i in 0..6 {
        steps.insert(0, commit(server.path(), &[("env/a", &i.to_string())], "env"));
        let tip = commit(server.path(), &[("x", &i.to_string())], "elsewhere");
        let (known, _) = cache.sync(slot(Content::All), &server.remote(), &[RefSpec::Heads]).await.unwrap();
        let fresh = Store::open(known.path().to_owned()).unwrap();
        for limit in [2, 10] {
            let history = known.first_parent_history(tip, &path("env"), limit).unwrap();
            assert_eq!(history, fresh.first_parent_history(tip, &path("env"), limit).unwrap());
            assert_eq!(history, known.first_parent_history(tip, &path("env"), limit).unwrap());
            let expected = steps.iter().take(limit).copied().collect::<Vec<_>>();
            assert_eq!(history.iter().map(|step| step.commit).collect::<Vec<_>>(), expected);
        }
    }
    // Somebody takes commits back: what is known lies on no first-parent line any more.
    git(server.path(), &["reset", "-q", "--hard", "HEAD~4"]);
    let (store, refs) = cache.sync(slot(Content::All), &server.remote(), &[RefSpec::Heads]).await.unwrap();
    let history = store.first_parent_history(refs.heads["main"], &path("env"), 10).unwrap();
    assert_eq!(history.iter().map(|step| step.commit).collect::<Vec<_>>(), steps[2..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewritten_past_leaves_only_the_newest_to_tell() {
    let (server, (_dir, cache)) = (Server::new(), cache());
    let mut tip = Oid::ZERO;
    for i in 0..15 {
        tip = commit(server.path(), &[("a", &i.to_string())], &format!("n{i}"));
    }
    let (store, _) = cache.sync(slot(Content::Commits), &server.remote(), &[RefSpec::Heads]).await.unwrap();
    let log = store.log_between(Some(Oid([7; 20])), tip, 100).unwrap();
    assert_eq!((log.total, log.commits.len(), log.commits[0].id), (10, 10, tip));
    assert_eq!(store.log_between(Some(Oid([7; 20])), tip, 100).unwrap(), log);
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_at_hand_cost_no_request_and_one_that_is_missing_costs_one() {
    let (server, (_dir, cache)) = (Server::new(), cache());
    let first = commit(server.path(), &[("a", "1")], "first");
    cache.sync(slot(Content::All), &server.remote(), &[RefSpec::Default]).await.unwrap();
    assert_eq!(server.requests().len(), 2);
    // The branch has moved on; who wants these commits wants them and not the branch.
    let second = commit(server.path(), &[("a", "2")], "second");
    let hand = [RefSpec::Commit(first)];
    let (store, refs) = cache.sync(slot(Content::All), &server.remote(), &hand).await.unwrap();
    assert!(server.requests().is_empty(), "nobody is asked for what is there");
    assert_eq!(refs, Refs::default(), "and nothing is told of refs that were not read");
    assert!(store.commit_info(second).is_err());

    let both = [RefSpec::Commit(first), RefSpec::Commit(second)];
    let (store, refs) = cache.sync(slot(Content::All), &server.remote(), &both).await.unwrap();
    assert_eq!((server.requests().len(), refs), (1, Refs::default()), "a fetch, and no list");
    assert!(store.commit_info(second).is_ok());
    cache.sync(slot(Content::All), &server.remote(), &both).await.unwrap();
    assert!(server.requests().is_empty());

    // Many at once: one brings it, the others find it.
    let third = commit(server.path(), &[("a", "3")], "third");
    let (want, remote) = ([RefSpec::Commit(third)], server.remote());
    let all = futures_util::future::join_all((0..5).map(|_| cache.sync(slot(Content::All), &remote, &want))).await;
    assert!(all.into_iter().all(|one| one.unwrap().0.commit_info(third).is_ok()));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worn_or_broken_cache_starts_anew() {
    let (server, (_dir, cache)) = (Server::new(), cache());
    let first = commit(server.path(), &[("a", "1")], "first");
    let want = [RefSpec::Heads];
    let (store, _) = cache.sync(slot(Content::All), &server.remote(), &want).await.unwrap();
    let place = store.path().to_owned();
    for i in 0..400 {
        std::fs::write(place.join(format!("objects/pack/{i}")), "").unwrap();
        store.grew();
    }
    std::fs::write(place.join("mark"), "").unwrap();
    cache.sync(slot(Content::All), &server.remote(), &want).await.unwrap();
    assert!(place.join("mark").exists(), "somebody reads it");
    drop(store);
    let (store, _) = cache.sync(slot(Content::All), &server.remote(), &want).await.unwrap();
    assert!(!place.join("mark").exists() && store.commit_info(first).is_ok());
    drop((store, cache));

    std::fs::remove_file(place.join("HEAD")).unwrap();
    let cache = Cache::new(place.parent().unwrap()).unwrap();
    let (store, _) = cache.sync(slot(Content::All), &server.remote(), &want).await.unwrap();
    assert!(store.commit_info(first).is_ok());
}

#[tokio::test]
async fn remotes_are_found_by_name_and_show_no_secret() {
    let (server, (dir, cache)) = (Server::new(), cache());
    let tip = commit(server.path(), &[("a", "1")], "first");
    let (name, token) = ("acme/env".parse().unwrap(), SecretString::from("ghs_canary"));
    let folder = dir.path().join("remotes");
    std::fs::create_dir_all(folder.join("acme")).unwrap();
    std::os::unix::fs::symlink(server.path(), folder.join("acme/env.git")).unwrap();
    let by_folder = Remotes::folder("https://git.example/", &folder);
    assert_eq!(by_folder.page(&name), "https://git.example/acme/env");
    let by_http = Remotes::http("https://git.example/", &server.transport(|out| out)).unwrap();
    for (repo, remotes) in [(1, by_folder), (2, by_http)] {
        let slot = RepoSlot { repo: RepoId(repo), ..slot(Content::All) };
        let remote = remotes.of(&name, &token).unwrap();
        assert!(!format!("{remotes:?} {remote:?}").contains("canary"));
        assert_eq!(cache.sync(slot, &remote, &[RefSpec::Default]).await.unwrap().1.heads["main"], tip);
    }
    assert!(server.requests()[0].starts_with("https://git.example/acme/env.git/git-upload-pack Basic "));
}

#[tokio::test(flavor = "multi_thread")]
async fn suggestions_are_placed_where_the_branchs_own_changes_show_their_lines_as_they_stand() {
    let (server, (_dir, cache)) = (Server::new(), cache());
    let dir = server.path();
    let numbers = |change: &dyn Fn(u32) -> String| (1..=40).map(change).collect::<String>();
    let plain = numbers(&|n| format!("{n}\n"));
    commit(dir, &[("a", &plain), ("moved", &plain), ("b", "1\n")], "start");
    git(dir, &["checkout", "-q", "-b", "side"]);
    let side = commit(
        dir,
        &[("a", &numbers(&|n| if n == 20 { "x\n".into() } else { format!("{n}\n") })), ("new", "1\n2\n")],
        "side",
    );
    git(dir, &["checkout", "-q", "-b", "move", "side"]);
    git(dir, &["mv", "moved", "there"]);
    let moved = commit(dir, &[], "move");
    git(dir, &["checkout", "-q", "main"]);
    // What the base does meanwhile moves no line of the branch.
    let main = commit(dir, &[("a", &format!("0\n{plain}")), ("b", "2\n")], "main");
    cache.sync(slot(Content::All), &server.remote(), &[RefSpec::Heads]).await.unwrap();
    let store = cache.store(slot(Content::All)).unwrap();
    let wanted = |path: &str, (first, last): (u32, u32), before: &str| Suggestion {
        path: path.parse().unwrap(),
        first,
        last,
        before: before.to_owned(),
        after: "y".to_owned(),
    };
    let placed = |head: Oid, path: &str, lines: (u32, u32), before: &str| {
        !store.placed(main, head, &[wanted(path, lines, before)]).unwrap().is_empty()
    };
    assert!(
        placed(side, "a", (20, 20), "x") && placed(side, "a", (17, 17), "17") && placed(side, "a", (22, 23), "22\n23")
    );
    assert!(!placed(side, "a", (16, 16), "16") && !placed(side, "a", (23, 24), "23\n24"), "not shown");
    assert!(!placed(side, "a", (20, 20), "20") && !placed(side, "a", (99, 99), "x") && !placed(side, "a", (0, 0), "x"));
    assert!(!placed(side, "b", (1, 1), "1") && !placed(side, "b", (1, 1), "2"), "not its own change");
    assert!(placed(side, "new", (1, 2), "1\n2"));
    // GitHub shows nothing of a file that was only moved, and what is new may have been.
    assert!(
        !placed(moved, "there", (1, 1), "1") && !placed(moved, "new", (1, 1), "1") && placed(moved, "a", (20, 20), "x")
    );
}
