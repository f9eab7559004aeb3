//! A repository itself: rights, branches, commits, files, comparisons, rules.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::acts::rules;
use super::super::auth::Level::Read;
use super::super::cx::Cx;
use super::super::git;
use super::super::http::{Answer, Call};
use super::super::refusal::Refusal;
use super::super::world::{Repo, Role};
use super::Result;

pub(super) fn route(cx: &Cx<'_>, call: &Call, repo: u64, path: &[&str]) -> Result {
    if call.method != "GET" {
        return Err(Refusal::not_found());
    }
    let base = &cx.inner.options.base_url;
    let found = cx.repo(repo)?;
    match path {
        [] => Ok(Answer::ok(cx.full_repository(found))),
        ["collaborators", login, "permission"] => permission(cx, found, login),
        ["collaborators", login] => match cx.world.role(found, login) {
            Role::None => Err(Refusal::not_found()),
            _ => Ok(Answer::empty()),
        },
        ["branches"] => {
            cx.allow(repo, "contents", Read)?;
            let heads = found.refs.iter().filter_map(|(name, sha)| Some((name.strip_prefix("refs/heads/")?, sha)));
            Ok(call.page(base, heads.map(|(name, sha)| short_branch(cx, found, name, sha)).collect()))
        }
        ["branches", name @ ..] => branch(cx, found, &name.join("/")),
        ["commits"] => {
            cx.allow(repo, "contents", Read)?;
            let start = call.query.get("sha").map_or(found.default_branch.as_str(), String::as_str);
            let git = cx.git(repo)?;
            let start = resolve(cx, repo, start)?;
            let (page, size) = call.paging();
            // Only what the page needs is walked.
            let shas = git::between(&git, None, git::oid(&start)?, page * size + 1)?;
            let rows =
                shas.iter().map(|sha| cx.commit(repo, &sha.to_string())).collect::<std::result::Result<_, _>>()?;
            Ok(call.page(base, rows))
        }
        ["commits", sha, "pulls"] => {
            cx.allow(repo, "pull_requests", Read)?;
            let mut rows = Vec::new();
            for pull in found.pulls.values() {
                let merged = pull.merged.as_ref().is_some_and(|merged| merged.sha == *sha);
                if merged || pull.head_sha == *sha {
                    rows.push(cx.pull_simple(repo, pull.number)?);
                }
            }
            Ok(call.page(base, rows))
        }
        ["commits", name @ ..] => commit(cx, call, found, &name.join("/")),
        ["contents", path @ ..] => contents(cx, call, found, &path.join("/")),
        ["compare", spec @ ..] => compare(cx, call, found, &spec.join("/")),
        ["rules", "branches", name @ ..] => Ok(call.page(base, rules::listed(found, &name.join("/")))),
        ["rulesets", id] if call.method == "GET" => rules::ruleset(cx, found, super::number(id)?).map(Answer::ok),
        ["tags"] => {
            cx.allow(repo, "contents", Read)?;
            let git = cx.git(repo)?;
            let mut rows = Vec::new();
            for (name, sha) in found.refs.iter().filter_map(|(name, sha)| Some((name.strip_prefix("refs/tags/")?, sha)))
            {
                let sha = git::peel(&git, sha)?.to_string();
                rows.push(json!({
                    "name": name,
                    "commit": { "sha": sha, "url": cx.repo_api(found, &format!("/commits/{sha}")) },
                    "zipball_url": cx.repo_api(found, &format!("/zipball/refs/tags/{name}")),
                    "tarball_url": cx.repo_api(found, &format!("/tarball/refs/tags/{name}")),
                    "node_id": super::super::shape::node("Ref", format!("{repo}:refs/tags/{name}")),
                }));
            }
            Ok(call.page(base, rows))
        }
        _ => Err(Refusal::not_found()),
    }
}

/// The commit a name stands for: an object id, a branch, a tag or a full ref.
pub(crate) fn resolve(cx: &Cx<'_>, repo: u64, name: &str) -> std::result::Result<String, Refusal> {
    let (found, git) = (cx.repo(repo)?, cx.git(repo)?);
    if git::is_commit(&git, name) {
        return Ok(name.to_owned());
    }
    let full = [format!("refs/heads/{name}"), format!("refs/tags/{name}"), format!("refs/{name}"), name.to_owned()];
    if let Some(sha) = full.iter().find_map(|name| found.refs.get(name)) {
        return Ok(git::peel(&git, sha)?.to_string());
    }
    if name == "HEAD" {
        return found.branch(&found.default_branch).cloned().ok_or_else(Refusal::not_found);
    }
    let hex = name.len() >= 7 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    match git.find_commit_by_prefix(name) {
        Ok(commit) if hex => Ok(commit.id().to_string()),
        _ => Err(Refusal::new(422, format!("No commit found for SHA: {name}"))),
    }
}

fn permission(cx: &Cx<'_>, repo: &Repo, login: &str) -> Result {
    cx.world.account(login).ok_or_else(Refusal::not_found)?;
    let role = cx.world.role(repo, login);
    let mut user = cx.user(login);
    user["role_name"] = role.name().into();
    user["permissions"] = json!({
        "admin": role >= Role::Admin, "maintain": role >= Role::Maintain, "push": role >= Role::Write,
        "triage": role >= Role::Triage, "pull": role >= Role::Read,
    });
    Ok(Answer::ok(json!({ "permission": role.coarse(), "user": user, "role_name": role.name() })))
}

fn short_branch(cx: &Cx<'_>, repo: &Repo, name: &str, sha: &str) -> Value {
    json!({
        "name": name,
        "commit": { "sha": sha, "url": cx.repo_api(repo, &format!("/commits/{sha}")) },
        "protected": repo.protection.contains_key(name),
    })
}

fn branch(cx: &Cx<'_>, repo: &Repo, name: &str) -> Result {
    cx.allow(repo.id, "contents", Read)?;
    let sha = repo.branch(name).ok_or_else(|| Refusal::new(404, "Branch not found"))?;
    let api = cx.repo_api(repo, &format!("/branches/{name}"));
    let asked = repo.protection.get(name);
    let contexts = asked.map(|asked| asked.required_checks.clone()).unwrap_or_default();
    let checks: Vec<Value> = contexts.iter().map(|context| json!({ "context": context, "app_id": null })).collect();
    Ok(Answer::ok(json!({
        "name": name,
        "commit": cx.commit(repo.id, sha)?,
        "_links": { "self": api, "html": cx.repo_html(repo, &format!("/tree/{name}")) },
        "protected": asked.is_some(),
        "protection": {
            "enabled": asked.is_some(),
            "required_status_checks": { "enforcement_level": "off", "contexts": contexts, "checks": checks },
        },
        "protection_url": format!("{api}/protection"),
    })))
}

fn commit(cx: &Cx<'_>, call: &Call, repo: &Repo, name: &str) -> Result {
    cx.allow(repo.id, "contents", Read)?;
    let sha = resolve(cx, repo.id, name)?;
    if call.accept.contains("sha") {
        return Ok(Answer { raw: Some(sha.into_bytes()), ..Answer::ok(Value::Null) });
    }
    let git = cx.git(repo.id)?;
    let found = git.find_commit(git::oid(&sha)?)?;
    let parent = found.parent(0).ok().map(|parent| parent.tree_id());
    let files = git::diff(&git, parent, found.tree_id())?;
    let mut shape = cx.commit(repo.id, &sha)?;
    let (plus, minus) = sums(&files);
    shape["stats"] = json!({ "additions": plus, "deletions": minus, "total": plus + minus });
    // 300 files is one page of a commit.
    shape["files"] = files.iter().take(300).map(|file| cx.file(repo, &sha, file)).collect();
    Ok(Answer::ok(shape))
}

fn sums(files: &[git::FileDiff]) -> (usize, usize) {
    files.iter().fold((0, 0), |(plus, minus), file| (plus + file.additions, minus + file.deletions))
}

fn contents(cx: &Cx<'_>, call: &Call, repo: &Repo, path: &str) -> Result {
    cx.allow(repo.id, "contents", Read)?;
    let name = call.query.get("ref").map_or(repo.default_branch.as_str(), String::as_str);
    let missing = |_| Refusal::new(404, format!("No commit found for the ref {name}"));
    let sha = resolve(cx, repo.id, name).map_err(missing)?;
    let git = cx.git(repo.id)?;
    let tree = git.find_tree(git::tree_of(&git, git::oid(&sha)?)?)?;
    let path = path.trim_matches('/');
    let row = |path: &str, entry: (git2::Oid, Option<git2::ObjectType>, i32)| {
        let api = cx.repo_api(repo, &format!("/contents/{path}?ref={name}"));
        let kind = match (entry.1, entry.2) {
            (Some(git2::ObjectType::Tree), _) => "dir",
            (_, 0o120_000) => "symlink",
            (_, 0o160_000) => "submodule",
            _ => "file",
        };
        let blob = if kind == "dir" { "tree" } else { "blob" };
        let html = cx.repo_html(repo, &format!("/{blob}/{name}/{path}"));
        let git_url = cx.repo_api(repo, &format!("/git/{blob}s/{}", entry.0));
        json!({
            "name": path.rsplit('/').next(), "path": path, "sha": entry.0.to_string(),
            "size": git.find_blob(entry.0).map_or(0, |blob| blob.size()), "url": api, "html_url": html,
            "git_url": git_url, "type": kind,
            "download_url": (kind == "file").then(|| cx.repo_html(repo, &format!("/raw/{name}/{path}"))),
            "_links": { "self": api, "git": git_url, "html": html },
        })
    };
    let list = |tree: &git2::Tree<'_>| {
        let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
        // 1,000 entries is all GitHub shows of a folder.
        let rows = tree
            .iter()
            .take(1_000)
            .map(|entry| row(&join(entry.name().unwrap_or_default()), (entry.id(), entry.kind(), entry.filemode())));
        Ok(Answer::ok(rows.collect()))
    };
    if path.is_empty() {
        return list(&tree);
    }
    let entry = tree.get_path(std::path::Path::new(path))?;
    if let Ok(folder) = git.find_tree(entry.id()) {
        return list(&folder);
    }
    let blob = git.find_blob(entry.id())?;
    if call.accept.contains("raw") {
        return Ok(Answer { raw: Some(blob.content().to_vec()), ..Answer::ok(Value::Null) });
    }
    let mut whole = row(path, (entry.id(), entry.kind(), entry.filemode()));
    if entry.filemode() == 0o120_000 {
        whole["target"] = String::from_utf8_lossy(blob.content()).into_owned().into();
        return Ok(Answer::ok(whole));
    }
    // Files over 1 MB come without content.
    let small = blob.size() <= 1024 * 1024;
    whole["content"] = if small { STANDARD.encode(blob.content()) } else { String::new() }.into();
    whole["encoding"] = if small { "base64" } else { "none" }.into();
    Ok(Answer::ok(whole))
}

fn compare(cx: &Cx<'_>, call: &Call, repo: &Repo, spec: &str) -> Result {
    cx.allow(repo.id, "contents", Read)?;
    let (base, head) = spec.split_once("...").ok_or_else(Refusal::not_found)?;
    let side = |name: &str| {
        let name = name.strip_prefix(&format!("{}:", repo.owner)).unwrap_or(name);
        resolve(cx, repo.id, name).map_err(|_| Refusal::not_found())
    };
    let (base_sha, head_sha) = (side(base)?, side(head)?);
    let git = cx.git(repo.id)?;
    let (old, new) = (git::oid(&base_sha)?, git::oid(&head_sha)?);
    let fork = git::merge_base(&git, old, new)
        .ok_or_else(|| Refusal::new(404, format!("No common ancestor between {base} and {head}.")))?;
    // Past 10,000 commits the count alone would be the work.
    let ahead = git::between(&git, Some(old), new, 10_000)?;
    let behind = git::between(&git, Some(new), old, 10_000)?.len();
    let status = match (ahead.len(), behind) {
        (0, 0) => "identical",
        (_, 0) => "ahead",
        (0, _) => "behind",
        _ => "diverged",
    };
    let files = git::diff(&git, Some(git::tree_of(&git, fork)?), git::tree_of(&git, new)?)?;
    let (page, size) = call.paging();
    let size = if call.query.contains_key("per_page") { size } else { 250 };
    let commits = ahead.iter().rev().skip((page - 1) * size).take(size);
    let commits: Vec<Value> =
        commits.map(|sha| cx.commit(repo.id, &sha.to_string())).collect::<std::result::Result<_, _>>()?;
    let html = cx.repo_html(repo, &format!("/compare/{spec}"));
    Ok(Answer::ok(json!({
        "url": cx.repo_api(repo, &format!("/compare/{spec}")),
        "html_url": html,
        "permalink_url": html,
        "diff_url": format!("{html}.diff"),
        "patch_url": format!("{html}.patch"),
        "base_commit": cx.commit(repo.id, &base_sha)?,
        "merge_base_commit": cx.commit(repo.id, &fork.to_string())?,
        "status": status,
        "ahead_by": ahead.len(),
        "behind_by": behind,
        "total_commits": ahead.len(),
        "commits": commits,
        "files": files.iter().take(300).map(|file| cx.file(repo, &head_sha, file)).collect::<Vec<_>>(),
    })))
}
