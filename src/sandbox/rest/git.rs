//! The Git Data API: refs, tags, blobs, trees and commits.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::acts::refs::{self, Moved};
use super::super::auth::Actor;
use super::super::auth::Level::{Read, Write};
use super::super::cx::Cx;
use super::super::git::{self, Words};
use super::super::http::{Answer, Call};
use super::super::limits;
use super::super::refusal::Refusal;
use super::Result;

pub(super) fn route(cx: &mut Cx<'_>, call: &Call, repo: u64, path: &[&str]) -> Result {
    let level = if call.method == "GET" { Read } else { Write };
    cx.allow(repo, "contents", level)?;
    match (call.method.as_str(), path) {
        ("GET", ["ref", name @ ..]) => {
            let name = format!("refs/{}", name.join("/"));
            let sha = cx.repo(repo)?.refs.get(&name).ok_or_else(Refusal::not_found)?;
            Ok(Answer::ok(cx.git_ref(repo, &name, sha)?))
        }
        ("GET", ["matching-refs", name @ ..]) => {
            let prefix = format!("refs/{}", name.join("/"));
            let found = cx.repo(repo)?.refs.iter().filter(|(name, _)| name.starts_with(&prefix));
            let rows = found.map(|(name, sha)| cx.git_ref(repo, name, sha)).collect::<std::result::Result<_, _>>()?;
            Ok(call.page(&cx.inner.options.base_url, rows))
        }
        ("POST", ["refs"]) => create_ref(cx, call, repo),
        ("PATCH", ["refs", name @ ..]) => move_ref(cx, call, repo, &format!("refs/{}", name.join("/"))),
        ("DELETE", ["refs", name @ ..]) => {
            let name = format!("refs/{}", name.join("/"));
            if !cx.repo(repo)?.refs.contains_key(&name) {
                return Err(Refusal::new(422, "Reference does not exist"));
            }
            refs::may_push(cx, repo, &name)?;
            refs::write(cx, repo, &[Moved { name, new: None }])?;
            Ok(Answer::empty())
        }
        ("GET", ["tags", sha]) => Ok(Answer::ok(cx.git_tag(repo, sha)?)),
        ("POST", ["tags"]) => create_tag(cx, call, repo),
        ("GET", ["commits", sha]) => Ok(Answer::ok(cx.git_commit(repo, sha)?)),
        ("POST", ["commits"]) => create_commit(cx, call, repo),
        ("GET", ["blobs", sha]) => blob(cx, repo, sha),
        ("POST", ["blobs"]) => create_blob(cx, call, repo),
        ("GET", ["trees", name @ ..]) => tree(cx, call, repo, &name.join("/")),
        ("POST", ["trees"]) => create_tree(cx, call, repo),
        _ => Err(Refusal::not_found()),
    }
}

fn create_ref(cx: &mut Cx<'_>, call: &Call, repo: u64) -> Result {
    let (Some(name), Some(sha)) = (call.text("ref"), call.text("sha")) else {
        return Err(Refusal::schema("\"ref\" and \"sha\" are needed."));
    };
    if !name.starts_with("refs/heads/") && !name.starts_with("refs/tags/") {
        return Err(Refusal::new(422, "Reference name must start with refs/heads/ or refs/tags/"));
    }
    limits::ref_name(name)?;
    if cx.repo(repo)?.refs.contains_key(name) {
        return Err(Refusal::new(422, "Reference already exists"));
    }
    must_exist(cx, repo, sha)?;
    refs::write(cx, repo, &[Moved { name: name.to_owned(), new: Some(sha.to_owned()) }])?;
    Ok(Answer::new(201, cx.git_ref(repo, name, sha)?))
}

fn must_exist(cx: &Cx<'_>, repo: u64, sha: &str) -> std::result::Result<(), Refusal> {
    let git = cx.git(repo)?;
    let there = git::oid(sha).is_ok_and(|oid| git.find_object(oid, None).is_ok());
    if there { Ok(()) } else { Err(Refusal::new(422, "Object does not exist")) }
}

fn move_ref(cx: &mut Cx<'_>, call: &Call, repo: u64, name: &str) -> Result {
    let sha = call.text("sha").ok_or_else(|| Refusal::schema("\"sha\" wasn't supplied."))?;
    let Some(old) = cx.repo(repo)?.refs.get(name).cloned() else {
        return Err(Refusal::new(422, "Reference does not exist"));
    };
    if name.starts_with("refs/pull/") {
        return Err(Refusal::new(422, "Reference cannot be updated"));
    }
    must_exist(cx, repo, sha)?;
    refs::may_push(cx, repo, name)?;
    let git = cx.git(repo)?;
    let forward = git::contains(&git, git::peel(&git, sha)?, git::peel(&git, &old)?);
    if !forward && !call.body["force"].as_bool().unwrap_or_default() {
        return Err(Refusal::new(422, "Update is not a fast forward"));
    }
    refs::write(cx, repo, &[Moved { name: name.to_owned(), new: Some(sha.to_owned()) }])?;
    Ok(Answer::ok(cx.git_ref(repo, name, sha)?))
}

fn create_tag(cx: &mut Cx<'_>, call: &Call, repo: u64) -> Result {
    let (Some(tag), Some(object)) = (call.text("tag"), call.text("object")) else {
        return Err(Refusal::schema("\"tag\", \"message\" and \"object\" are needed."));
    };
    let sha = annotate(cx, repo, tag, object, call.text("message").unwrap_or_default())?;
    Ok(Answer::new(201, cx.git_tag(repo, &sha)?))
}

/// Writes a tag object; the ref comes by itself.
pub(crate) fn annotate(
    cx: &Cx<'_>,
    repo: u64,
    tag: &str,
    object: &str,
    message: &str,
) -> std::result::Result<String, Refusal> {
    limits::ref_name(&format!("refs/tags/{tag}"))?;
    let git = cx.git(repo)?;
    let login = cx.login();
    let time = git2::Time::new(cx.now.as_second(), 0);
    let tagger = git2::Signature::new(&login, &cx.mail(&login), &time)?;
    let target = git.find_object(git::oid(object)?, None)?;
    Ok(git.tag_annotation_create(tag, &target, &tagger, message)?.to_string())
}

fn create_commit(cx: &mut Cx<'_>, call: &Call, repo: u64) -> Result {
    let (Some(message), Some(tree)) = (call.text("message"), call.text("tree")) else {
        return Err(Refusal::schema("\"message\" and \"tree\" are needed."));
    };
    let git = cx.git(repo)?;
    let parents = call.body["parents"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let parents: Vec<_> = parents.map(git::oid).collect::<std::result::Result<_, _>>()?;
    let login = cx.login();
    let mail = cx.mail(&login);
    let given = |who: &str, field: &str| call.body[who][field].as_str().map(str::to_owned);
    let named = call.body.get("author").is_some() || call.body.get("committer").is_some();
    let (name, address) =
        (given("author", "name").unwrap_or_else(|| login.clone()), given("author", "email").unwrap_or(mail));
    // Signed only for an App that names neither author nor committer.
    let signed = matches!(cx.actor, Actor::Installation(_)) && !named;
    let author = (name.as_str(), address.as_str());
    let committer = if signed { ("GitHub", "noreply@github.com") } else { author };
    let words = Words { message, author, committer, at: cx.now };
    let sha = git::commit_tree(&git, &parents, git::oid(tree)?, &words)?.to_string();
    if signed {
        cx.repo_mut(repo)?.signed.insert(sha.clone());
    }
    Ok(Answer::new(201, cx.git_commit(repo, &sha)?))
}

fn blob(cx: &Cx<'_>, repo: u64, sha: &str) -> Result {
    let git = cx.git(repo)?;
    let blob = git.find_blob(git::oid(sha)?)?;
    Ok(Answer::ok(json!({
        "sha": sha,
        "node_id": super::super::shape::node("Blob", sha),
        "size": blob.size(),
        "url": cx.repo_api(cx.repo(repo)?, &format!("/git/blobs/{sha}")),
        "content": STANDARD.encode(blob.content()),
        "encoding": "base64",
    })))
}

fn create_blob(cx: &Cx<'_>, call: &Call, repo: u64) -> Result {
    let content = call.text("content").ok_or_else(|| Refusal::schema("\"content\" wasn't supplied."))?;
    let bytes = match call.text("encoding") {
        Some("base64") => {
            STANDARD.decode(content.replace('\n', "")).map_err(|_| Refusal::schema("content is not base64"))?
        }
        _ => content.as_bytes().to_vec(),
    };
    let sha = cx.git(repo)?.blob(&bytes)?.to_string();
    let url = cx.repo_api(cx.repo(repo)?, &format!("/git/blobs/{sha}"));
    Ok(Answer::new(201, json!({ "sha": sha, "url": url })))
}

fn tree_shape(cx: &Cx<'_>, repo: u64, sha: git2::Oid, deep: bool) -> Result {
    let git = cx.git(repo)?;
    let tree = git.find_tree(sha)?;
    let found = cx.repo(repo)?;
    let mut rows = Vec::new();
    let mut add = |root: &str, entry: &git2::TreeEntry<'_>| {
        let kind = entry.kind().map(|kind| kind.str()).unwrap_or("commit");
        let mut row = json!({
            "path": format!("{root}{}", entry.name().unwrap_or_default()),
            "mode": format!("{:06o}", entry.filemode()),
            "type": kind,
            "sha": entry.id().to_string(),
            "url": cx.repo_api(found, &format!("/git/{kind}s/{}", entry.id())),
        });
        if kind == "blob" {
            row["size"] = git.find_blob(entry.id()).map_or(0, |blob| blob.size()).into();
        }
        rows.push(row);
    };
    if deep {
        tree.walk(git2::TreeWalkMode::PreOrder, |root, entry| {
            add(root, entry);
            git2::TreeWalkResult::Ok
        })?;
    } else {
        tree.iter().for_each(|entry| add("", &entry));
    }
    // 100,000 entries is where GitHub cuts.
    let truncated = rows.len() > 100_000;
    rows.truncate(100_000);
    let url = cx.repo_api(found, &format!("/git/trees/{sha}"));
    Ok(Answer::ok(json!({ "sha": sha.to_string(), "url": url, "tree": rows, "truncated": truncated })))
}

fn tree(cx: &Cx<'_>, call: &Call, repo: u64, name: &str) -> Result {
    let git = cx.git(repo)?;
    let deep = call.query.contains_key("recursive");
    if let Ok(sha) = git::oid(name)
        && git.find_tree(sha).is_ok()
    {
        return tree_shape(cx, repo, sha, deep);
    }
    let sha = super::repos::resolve(cx, repo, name)?;
    let sha = git::tree_of(&git, git::oid(&sha)?)?;
    tree_shape(cx, repo, sha, deep)
}

fn create_tree(cx: &Cx<'_>, call: &Call, repo: u64) -> Result {
    let git = cx.git(repo)?;
    let base = match call.text("base_tree") {
        Some(sha) => {
            let object = git.find_object(git::oid(sha)?, None)?;
            object.peel_to_tree()?
        }
        None => git.find_tree(git.treebuilder(None)?.write()?)?,
    };
    let mut update = git2::build::TreeUpdateBuilder::new();
    for row in call.body["tree"].as_array().into_iter().flatten() {
        let Some(path) = row["path"].as_str() else { return Err(Refusal::schema("a tree entry needs a path")) };
        let mode = match row["mode"].as_str() {
            Some("100755") => git2::FileMode::BlobExecutable,
            Some("120000") => git2::FileMode::Link,
            Some("160000") => git2::FileMode::Commit,
            Some("040000") => git2::FileMode::Tree,
            _ => git2::FileMode::Blob,
        };
        match (row["content"].as_str(), row["sha"].as_str()) {
            (Some(content), _) => update.upsert(path, git.blob(content.as_bytes())?, mode),
            (None, Some(sha)) => update.upsert(path, git::oid(sha)?, mode),
            (None, None) => update.remove(path),
        };
    }
    let sha = update.create_updated(&git, &base)?;
    let mut answer = tree_shape(cx, repo, sha, false)?;
    answer.status = 201;
    Ok(answer)
}
