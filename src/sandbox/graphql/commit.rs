//! Commits, tags, trees, blobs, check suites and check runs.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::auth::Level::Read;
use super::super::cx::{Cx, iso};
use super::super::git;
use super::super::refusal::Refusal;
use super::super::shape;
use super::super::world::{Check, Repo};
use super::Args;
use super::node::{Found, Node, Out};

/// How far a history is walked; a longer one is cut, as no caller here pages so far.
const HISTORY: usize = 10_000;

fn when(signature: &git2::Signature<'_>) -> Value {
    Timestamp::from_second(signature.when().seconds()).map(iso).map_or(Value::Null, Value::from)
}

fn git_actor(cx: &Cx<'_>, signature: &git2::Signature<'_>) -> Out {
    let (name, mail) = git::people(signature);
    // `GitActor.user` is a `User`, and bots are none.
    let user = cx.account_of_mail(&mail).filter(|login| !login.ends_with("[bot]")).map(Node::Account);
    Out::Node(Node::plain(
        "GitActor",
        [
            ("name", Out::Value(name.into())),
            ("email", Out::Value(mail.into())),
            ("date", Out::Value(when(signature))),
            ("user", user.map_or(Out::Value(Value::Null), Out::Node)),
        ],
    ))
}

/// `Commit`.
pub(super) fn commit(cx: &Cx<'_>, (id, sha): (u64, &str), name: &str, args: &Args) -> Found {
    let (repo, git) = (cx.repo(id)?, cx.git(id)?);
    let oid = git::oid(sha)?;
    let commit = git.find_commit(oid)?;
    let message = commit.message().unwrap_or_default().trim_end();
    let (headline, body) = message.split_once('\n').unwrap_or((message, ""));
    match name {
        "id" => Out::of(shape::node("Commit", format!("{id}:{sha}"))),
        "oid" => Out::of(sha),
        "abbreviatedOid" => Out::of(&sha[..7]),
        "message" => Out::of(message),
        "messageHeadline" => Out::of(headline),
        "messageBody" => Out::of(body.trim_start()),
        "url" | "commitUrl" => Out::of(cx.repo_html(repo, &format!("/commit/{sha}"))),
        "author" => Ok(Some(git_actor(cx, &commit.author()))),
        "committer" => Ok(Some(git_actor(cx, &commit.committer()))),
        "authoredDate" => Out::of(when(&commit.author())),
        "committedDate" => Out::of(when(&commit.committer())),
        "authors" => {
            let Out::Node(author) = git_actor(cx, &commit.author()) else { return Ok(None) };
            Ok(Some(Out::Page("GitActorConnection", vec![author])))
        }
        "tree" => Ok(Some(Out::Node(Node::Tree(id, commit.tree_id().to_string())))),
        "repository" => Ok(Some(Out::Node(Node::Repo(id)))),
        "signature" => Out::maybe(repo.signed.contains(sha).then(signature)),
        "parents" => {
            let rows = commit.parent_ids().map(|parent| Node::Commit(id, parent.to_string()));
            Ok(Some(Out::Page("CommitConnection", rows.collect())))
        }
        "history" => history(&git, id, oid, args),
        "associatedPullRequests" => {
            cx.allow(id, "pull_requests", Read)?;
            let rows = repo.pulls.values().filter(|pull| {
                let merged = pull.merged.as_ref().is_some_and(|merged| merged.sha == sha);
                merged || pull.head_sha == sha || brings(&git, &pull.base_sha, &pull.head_sha, oid)
            });
            Ok(Some(Out::Page("PullRequestConnection", rows.map(|pull| Node::Pull(id, pull.number)).collect())))
        }
        "checkSuites" => {
            cx.allow(id, "checks", Read)?;
            let filter = args.get("filterBy").cloned().unwrap_or_default();
            let app = filter["appId"].as_u64();
            let rows = repo.suites.values().filter(|suite| suite.head_sha == sha).filter(|suite| {
                let check = filter["checkName"].as_str();
                app.is_none_or(|app| cx.integration(&suite.app)["id"] == app)
                    && check
                        .is_none_or(|name| repo.checks.values().any(|one| one.suite == suite.id && one.name == name))
            });
            Ok(Some(Out::Page("CheckSuiteConnection", rows.map(|suite| Node::Suite(id, suite.id)).collect())))
        }
        "statusCheckRollup" => {
            cx.allow(id, "checks|statuses", Read)?;
            Out::maybe(rollup(repo, sha))
        }
        _ => Ok(None),
    }
}

fn brings(git: &git2::Repository, base: &str, head: &str, oid: git2::Oid) -> bool {
    let (Ok(base), Ok(head)) = (git::oid(base), git::oid(head)) else { return false };
    git::between(git, Some(base), head, 250).is_ok_and(|commits| commits.contains(&oid))
}

/// GitHub's own signature; there is no other kind here.
fn signature() -> Node {
    let flag = |value: bool| Out::Value(value.into());
    Node::plain(
        "GpgSignature",
        [
            ("isValid", flag(true)),
            ("wasSignedByGitHub", flag(true)),
            ("state", Out::Value("VALID".into())),
            ("email", Out::Value("noreply@github.com".into())),
            ("signer", Out::Value(Value::Null)),
            ("keyId", Out::Value("4AEE18F83AFDEB23".into())),
        ],
    )
}

fn history(git: &git2::Repository, id: u64, from: git2::Oid, args: &Args) -> Found {
    let path = args.get("path").and_then(Value::as_str);
    let mut rows = Vec::new();
    for sha in git::between(git, None, from, HISTORY)? {
        let touches = match path {
            None => true,
            Some(path) => {
                let commit = git.find_commit(sha)?;
                let at = |tree: git2::Tree<'_>| tree.get_path(Path::new(path)).ok().map(|entry| entry.id());
                let parent = commit.parent(0).ok().and_then(|parent| parent.tree().ok()).and_then(at);
                at(commit.tree()?) != parent
            }
        };
        if touches {
            rows.push(Node::Commit(id, sha.to_string()));
        }
    }
    Ok(Some(Out::Page("CommitHistoryConnection", rows)))
}

/// The latest run of each name in each suite.
fn latest<'a>(repo: &'a Repo, sha: &str) -> Vec<&'a Check> {
    let mut found: BTreeMap<(u64, &str), &Check> = BTreeMap::new();
    for check in repo.checks.values().filter(|check| check.head_sha == sha) {
        found.insert((check.suite, &check.name), check);
    }
    let mut found: Vec<_> = found.into_values().collect();
    found.sort_by_key(|check| check.id);
    found
}

fn rollup(repo: &Repo, sha: &str) -> Option<Node> {
    let checks = latest(repo, sha);
    let mut statuses = BTreeMap::new();
    for status in repo.statuses.iter().filter(|status| status.sha == sha) {
        statuses.insert(&status.context, status);
    }
    if checks.is_empty() && statuses.is_empty() {
        return None;
    }
    let mut outcomes: Vec<&str> = checks
        .iter()
        .map(|check| match check.conclusion.as_deref() {
            None => "PENDING",
            Some("success" | "neutral" | "skipped") => "SUCCESS",
            Some(_) => "FAILURE",
        })
        .collect();
    outcomes.extend(statuses.values().map(|status| match status.state.as_str() {
        "success" => "SUCCESS",
        "pending" => "PENDING",
        "error" => "ERROR",
        _ => "FAILURE",
    }));
    let state = ["ERROR", "FAILURE", "PENDING"].into_iter().find(|one| outcomes.contains(one)).unwrap_or("SUCCESS");
    let mut rows: Vec<Node> = checks.iter().map(|check| Node::Check(repo.id, check.id)).collect();
    rows.extend(statuses.values().map(|status| {
        Node::plain(
            "StatusContext",
            [
                ("id", Out::Value(shape::node("StatusContext", status.id).into())),
                ("context", Out::Value(status.context.clone().into())),
                ("state", Out::Value(status.state.to_uppercase().into())),
                ("description", Out::Value(json!(status.description))),
                ("targetUrl", Out::Value(json!(status.target_url))),
                ("createdAt", Out::Value(iso(status.at).into())),
                ("creator", Out::Node(Node::Account(status.author.clone()))),
            ],
        )
    }));
    Some(Node::plain(
        "StatusCheckRollup",
        [("state", Out::Value(state.into())), ("contexts", Out::Page("StatusCheckRollupContextConnection", rows))],
    ))
}

fn app(cx: &Cx<'_>, slug: &str) -> Out {
    let shown = cx.integration(slug);
    Out::Node(Node::plain(
        "App",
        [
            ("id", Out::Value(shown["node_id"].clone())),
            ("databaseId", Out::Value(shown["id"].clone())),
            ("slug", Out::Value(slug.into())),
            ("name", Out::Value(shown["name"].clone())),
        ],
    ))
}

/// `CheckSuite`.
pub(super) fn suite(cx: &Cx<'_>, (id, suite): (u64, u64), name: &str, args: &Args) -> Found {
    let repo = cx.repo(id)?;
    let suite = repo.suites.get(&suite).ok_or_else(Refusal::not_found)?;
    let whole = || cx.suite(id, suite.id);
    let upper = |value: &Value| value.as_str().map_or(Value::Null, |text| text.to_uppercase().into());
    match name {
        "id" => Out::of(shape::node("CheckSuite", format!("{id}:{}", suite.id))),
        "databaseId" => Out::of(suite.id),
        "app" => Ok(Some(app(cx, &suite.app))),
        "commit" => Ok(Some(Out::Node(Node::Commit(id, suite.head_sha.clone())))),
        "createdAt" | "updatedAt" => Out::of(iso(suite.created_at)),
        "status" => Out::of(upper(&whole()?["status"])),
        "conclusion" => Out::of(upper(&whole()?["conclusion"])),
        "checkRuns" => {
            let filter = args.get("filterBy").cloned().unwrap_or_default();
            let all = filter["checkType"] == "ALL";
            let wanted = filter["checkName"].as_str();
            let rows = latest(repo, &suite.head_sha);
            let rows = if all { repo.checks.values().collect() } else { rows };
            let rows =
                rows.into_iter().filter(|one| one.suite == suite.id && wanted.is_none_or(|name| name == one.name));
            Ok(Some(Out::Page("CheckRunConnection", rows.map(|one| Node::Check(id, one.id)).collect())))
        }
        _ => Ok(None),
    }
}

/// `CheckRun`.
pub(super) fn check(cx: &Cx<'_>, (id, check): (u64, u64), name: &str) -> Found {
    let repo = cx.repo(id)?;
    let check = repo.checks.get(&check).ok_or_else(Refusal::not_found)?;
    match name {
        "id" => Out::of(shape::node("CheckRun", format!("{id}:{}", check.id))),
        "databaseId" => Out::of(check.id),
        "name" => Out::of(check.name.clone()),
        "status" => Out::of(check.status.to_uppercase()),
        "conclusion" => Out::of(json!(check.conclusion.as_ref().map(|text| text.to_uppercase()))),
        "title" => Out::of(json!(check.title)),
        "summary" => Out::of(json!(check.summary)),
        "text" => Out::of(json!(check.text)),
        "externalId" => Out::of(check.external_id.clone()),
        "detailsUrl" => Out::of(json!(check.details_url)),
        "url" | "permalink" => Out::of(cx.repo_html(repo, &format!("/runs/{}", check.id))),
        "startedAt" => Out::of(iso(check.started_at)),
        "completedAt" => Out::of(json!(check.completed_at.map(iso))),
        "checkSuite" => Ok(Some(Out::Node(Node::Suite(id, check.suite)))),
        "repository" => Ok(Some(Out::Node(Node::Repo(id)))),
        "isRequired" => Out::of(repo.protection.values().any(|rules| rules.required_checks.contains(&check.name))),
        "annotations" => {
            let rows = check.annotations.iter().map(|one| {
                let end = |line: &str, column: &str| {
                    Out::Node(Node::plain(
                        "CheckAnnotationPosition",
                        [("line", Out::Value(one[line].clone())), ("column", Out::Value(one[column].clone()))],
                    ))
                };
                let span = Node::plain(
                    "CheckAnnotationSpan",
                    [("start", end("start_line", "start_column")), ("end", end("end_line", "end_column"))],
                );
                let level = one["annotation_level"].as_str().unwrap_or_default().to_uppercase();
                Node::plain(
                    "CheckAnnotation",
                    [
                        ("path", Out::Value(one["path"].clone())),
                        ("annotationLevel", Out::Value(level.into())),
                        ("title", Out::Value(one["title"].clone())),
                        ("message", Out::Value(one["message"].clone())),
                        ("rawDetails", Out::Value(one["raw_details"].clone())),
                        ("location", Out::Node(span)),
                    ],
                )
            });
            Ok(Some(Out::Page("CheckAnnotationConnection", rows.collect())))
        }
        _ => Ok(None),
    }
}

/// `Tag`.
pub(super) fn tag(cx: &Cx<'_>, (id, sha): (u64, &str), name: &str) -> Found {
    let git = cx.git(id)?;
    let tag = git.find_tag(git::oid(sha)?)?;
    match name {
        "id" => Out::of(shape::node("Tag", format!("{id}:{sha}"))),
        "oid" => Out::of(sha),
        "abbreviatedOid" => Out::of(&sha[..7]),
        "name" => Out::of(tag.name().unwrap_or_default()),
        "message" => Out::of(tag.message().ok().flatten().unwrap_or_default()),
        "tagger" => Ok(Some(tag.tagger().map_or(Out::Value(Value::Null), |tagger| git_actor(cx, &tagger)))),
        "target" => Out::maybe(super::repo::object_node(&git, id, tag.target_id())),
        _ => Ok(None),
    }
}

/// `Tree`.
pub(super) fn tree(cx: &Cx<'_>, (id, sha): (u64, &str), name: &str) -> Found {
    let git = cx.git(id)?;
    let tree = git.find_tree(git::oid(sha)?)?;
    match name {
        "id" => Out::of(shape::node("Tree", format!("{id}:{sha}"))),
        "oid" => Out::of(sha),
        "abbreviatedOid" => Out::of(&sha[..7]),
        "entries" => {
            let rows = tree.iter().map(|entry| {
                let object = super::repo::object_node(&git, id, entry.id());
                Node::plain(
                    "TreeEntry",
                    [
                        ("name", Out::Value(entry.name().unwrap_or_default().into())),
                        ("oid", Out::Value(entry.id().to_string().into())),
                        ("mode", Out::Value(entry.filemode().into())),
                        ("type", Out::Value(entry.kind().map_or("commit", |kind| kind.str()).into())),
                        ("object", object.map_or(Out::Value(Value::Null), Out::Node)),
                    ],
                )
            });
            Ok(Some(Out::List(rows.collect())))
        }
        _ => Ok(None),
    }
}

/// `Blob`.
pub(super) fn blob(cx: &Cx<'_>, (id, sha): (u64, &str), name: &str) -> Found {
    let git = cx.git(id)?;
    let blob = git.find_blob(git::oid(sha)?)?;
    match name {
        "id" => Out::of(shape::node("Blob", format!("{id}:{sha}"))),
        "oid" => Out::of(sha),
        "abbreviatedOid" => Out::of(&sha[..7]),
        "byteSize" => Out::of(blob.size()),
        "isBinary" => Out::of(blob.is_binary()),
        "isTruncated" => Out::of(false),
        "text" => Out::of(json!(std::str::from_utf8(blob.content()).ok())),
        _ => Ok(None),
    }
}
