//! Check runs, statuses and deployments.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::acts::checks;
use super::super::auth::Level::{Read, Write};
use super::super::cx::Cx;
use super::super::git;
use super::super::http::{Answer, Call};
use super::super::refusal::Refusal;
use super::super::world::{Check, Deployment, DeploymentStatus, Repo, Status};
use super::{Result, number, repos};

pub(super) fn route(cx: &mut Cx<'_>, call: &Call, repo: u64, path: &[&str]) -> Result {
    match (call.method.as_str(), path) {
        (method, ["check-runs", rest @ ..]) => check_runs(cx, call, repo, (method, rest)),
        ("GET", ["commits", git_ref @ .., "check-runs"]) => {
            cx.allow(repo, "checks", Read)?;
            let sha = repos::resolve(cx, repo, &git_ref.join("/"))?;
            at_commit(cx, call, repo, &sha)
        }
        ("GET", ["commits", git_ref @ .., "check-suites"]) => {
            cx.allow(repo, "checks", Read)?;
            let sha = repos::resolve(cx, repo, &git_ref.join("/"))?;
            let ids = cx.repo(repo)?.suites.values().filter(|suite| suite.head_sha == sha).map(|suite| suite.id);
            let whole = cx.minimal_repository(cx.repo(repo)?);
            let with = |mut suite: Value| {
                suite["repository"] = whole.clone();
                suite
            };
            let rows = ids.map(|id| cx.suite(repo, id).map(with));
            let rows: Vec<Value> = rows.collect::<std::result::Result<_, _>>()?;
            let mut answer = call.page(&cx.inner.options.base_url, rows.clone());
            answer.body = json!({ "total_count": rows.len(), "check_suites": answer.body });
            Ok(answer)
        }
        ("GET", ["commits", git_ref @ .., "status"]) => combined(cx, repo, &git_ref.join("/")),
        ("GET", ["commits", git_ref @ .., "statuses"]) => {
            cx.allow(repo, "statuses", Read)?;
            let sha = repos::resolve(cx, repo, &git_ref.join("/"))?;
            let found = cx.repo(repo)?;
            let rows = found.statuses.iter().rev().filter(|status| status.sha == sha);
            Ok(call.page(&cx.inner.options.base_url, rows.map(|status| cx.status(found, status)).collect()))
        }
        ("POST", ["statuses", sha]) => {
            cx.allow(repo, "statuses", Write)?;
            let id = checks::set_status(cx, repo, sha, &call.body)?;
            let found = cx.repo(repo)?;
            let status = found.statuses.iter().find(|status| status.id == id).ok_or_else(Refusal::not_found)?;
            Ok(Answer::new(201, cx.status(found, status)))
        }
        (method, ["deployments", rest @ ..]) => deployments(cx, call, repo, (method, rest)),
        _ => Err(Refusal::not_found()),
    }
}

fn check_runs(cx: &mut Cx<'_>, call: &Call, repo: u64, (method, rest): (&str, &[&str])) -> Result {
    match (method, rest) {
        ("POST", []) => {
            cx.installation_only()?;
            cx.allow(repo, "checks", Write)?;
            let slug = cx.inner.options.app.slug.clone();
            let id = checks::create(cx, repo, &slug, &call.body)?;
            Ok(Answer::new(201, cx.check(repo, id)?))
        }
        ("PATCH", [id]) => {
            cx.installation_only()?;
            cx.allow(repo, "checks", Write)?;
            let id = number(id)?;
            let check = cx.repo(repo)?.checks.get(&id).ok_or_else(Refusal::not_found)?;
            if check.app != cx.inner.options.app.slug {
                let id = cx.inner.options.app.id;
                return Err(Refusal::new(
                    403,
                    format!(
                        "Invalid app_id `{id}` - check run can only be modified by the GitHub App that created it."
                    ),
                ));
            }
            checks::update(cx, repo, id, &call.body)?;
            Ok(Answer::ok(cx.check(repo, id)?))
        }
        ("GET", [id]) => {
            cx.allow(repo, "checks", Read)?;
            Ok(Answer::ok(cx.check(repo, number(id)?)?))
        }
        ("GET", [id, "annotations"]) => {
            cx.allow(repo, "checks", Read)?;
            let found = cx.repo(repo)?;
            let check = found.checks.get(&number(id)?).ok_or_else(Refusal::not_found)?;
            let rows = check.annotations.iter().map(|one| cx.annotation(found, check, one));
            Ok(call.page(&cx.inner.options.base_url, rows.collect()))
        }
        _ => Err(Refusal::not_found()),
    }
}

fn at_commit(cx: &Cx<'_>, call: &Call, repo: u64, sha: &str) -> Result {
    let found = cx.repo(repo)?;
    let query = |name: &str| call.query.get(name).map(String::as_str);
    let mut rows: Vec<&Check> = found
        .checks
        .values()
        .rev()
        .filter(|check| check.head_sha == sha)
        .filter(|check| query("check_name").is_none_or(|name| name == check.name))
        .filter(|check| query("status").is_none_or(|status| status == check.status))
        .filter(|check| query("app_id").is_none_or(|id| cx.integration(&check.app)["id"].as_u64() == id.parse().ok()))
        .collect();
    if query("filter") != Some("all") {
        // Only the latest of each name in each suite.
        let mut latest: BTreeMap<(u64, &str), u64> = BTreeMap::new();
        for check in &rows {
            let slot = latest.entry((check.suite, &check.name)).or_default();
            *slot = (*slot).max(check.id);
        }
        rows.retain(|check| latest.values().any(|id| *id == check.id));
    }
    let count = rows.len();
    let rows = rows.into_iter().map(|check| cx.check_of(found, check)).collect();
    let mut answer = call.page(&cx.inner.options.base_url, rows);
    answer.body = json!({ "total_count": count, "check_runs": answer.body });
    Ok(answer)
}

fn combined(cx: &Cx<'_>, repo: u64, git_ref: &str) -> Result {
    cx.allow(repo, "statuses", Read)?;
    let sha = repos::resolve(cx, repo, git_ref)?;
    let found = cx.repo(repo)?;
    let mut latest: BTreeMap<&str, &Status> = BTreeMap::new();
    for status in found.statuses.iter().filter(|status| status.sha == sha) {
        latest.insert(&status.context, status);
    }
    let any = |states: &[&str]| latest.values().any(|status| states.contains(&status.state.as_str()));
    let state = if any(&["error", "failure"]) {
        "failure"
    } else if latest.is_empty() || any(&["pending"]) {
        "pending"
    } else {
        "success"
    };
    let simple = |status: &Status| {
        let mut shape = cx.status(found, status);
        if let Some(shape) = shape.as_object_mut() {
            shape.shift_remove("creator");
        }
        shape
    };
    let statuses: Vec<Value> = latest.values().map(|status| simple(status)).collect();
    Ok(Answer::ok(json!({
        "state": state,
        "statuses": statuses,
        "sha": sha,
        "total_count": latest.len(),
        "repository": cx.minimal_repository(found),
        "commit_url": cx.repo_api(found, &format!("/commits/{sha}")),
        "url": cx.repo_api(found, &format!("/commits/{sha}/status")),
    })))
}

fn deployments(cx: &mut Cx<'_>, call: &Call, repo: u64, (method, rest): (&str, &[&str])) -> Result {
    let level = if method == "GET" { Read } else { Write };
    cx.allow(repo, "deployments", level)?;
    match (method, rest) {
        ("GET", []) => {
            let found = cx.repo(repo)?;
            let query = |name: &str| call.query.get(name).map(String::as_str);
            let rows = found.deployments.values().rev().filter(|one| {
                query("environment").is_none_or(|name| name == one.environment)
                    && query("sha").is_none_or(|sha| sha == one.sha)
                    && query("ref").is_none_or(|name| name == one.git_ref)
            });
            Ok(call.page(&cx.inner.options.base_url, rows.map(|one| cx.deployment(found, one)).collect()))
        }
        ("POST", []) => deploy(cx, call, repo),
        ("GET", [id]) => {
            let found = cx.repo(repo)?;
            let one = found.deployments.get(&number(id)?).ok_or_else(Refusal::not_found)?;
            Ok(Answer::ok(cx.deployment(found, one)))
        }
        ("GET", [id, "statuses"]) => {
            let found = cx.repo(repo)?;
            let one = found.deployments.get(&number(id)?).ok_or_else(Refusal::not_found)?;
            let rows = one.statuses.iter().rev().map(|status| cx.deployment_status(found, one, status));
            Ok(call.page(&cx.inner.options.base_url, rows.collect()))
        }
        ("POST", [id, "statuses"]) => deployment_status(cx, call, repo, number(id)?),
        _ => Err(Refusal::not_found()),
    }
}

/// Whether every check and status on a commit has passed.
fn all_green(repo: &Repo, sha: &str) -> bool {
    let checks = repo.checks.values().filter(|check| check.head_sha == sha).map(|check| check.name.as_str());
    let statuses = repo.statuses.iter().filter(|status| status.sha == sha).map(|status| status.context.as_str());
    checks.chain(statuses).all(|name| checks::outcome(repo, sha, name) == Some(true))
}

/// Deployments and their statuses are counted by themselves.
fn next_id(repo: &Repo) -> u64 {
    let of = |one: &Deployment| one.statuses.iter().map(|status| status.id).fold(one.id, u64::max);
    repo.deployments.values().map(of).max().unwrap_or_default() + 1
}

fn deploy(cx: &mut Cx<'_>, call: &Call, repo: u64) -> Result {
    let git_ref = call.text("ref").ok_or_else(|| Refusal::schema("\"ref\" wasn't supplied."))?.to_owned();
    let sha = repos::resolve(cx, repo, &git_ref)?;
    // GitHub's default merges the default branch into the ref: here, as there, one has to say no.
    if call.body["auto_merge"].as_bool().unwrap_or(true) {
        let found = cx.repo(repo)?;
        let git = cx.git(repo)?;
        let main = found.branch(&found.default_branch).map(|sha| git::oid(sha)).transpose()?;
        if main.is_some_and(|main| git::oid(&sha).is_ok_and(|sha| !git::contains(&git, sha, main))) {
            return Ok(Answer::new(202, json!({ "message": "Auto-merged the default branch into the ref" })));
        }
    }
    // Unless it is told which checks matter, GitHub asks for all of them.
    if !call.body["required_contexts"].is_array() && !all_green(cx.repo(repo)?, &sha) {
        return Err(Refusal::new(409, format!("Conflict: Commit status checks failed for {git_ref}.")));
    }
    let text = |name: &str| call.text(name).map(str::to_owned);
    let one = Deployment {
        id: next_id(cx.repo(repo)?),
        sha,
        git_ref,
        environment: text("environment").unwrap_or_else(|| "production".into()),
        task: text("task").unwrap_or_else(|| "deploy".into()),
        payload: call.body.get("payload").cloned().unwrap_or_else(|| json!({})),
        description: text("description"),
        author: cx.login(),
        at: cx.now,
        statuses: Vec::new(),
    };
    let id = one.id;
    cx.repo_mut(repo)?.deployments.insert(id, one.clone());
    let shape = cx.deployment(cx.repo(repo)?, &one);
    cx.emit(repo, "deployment", Some("created"), json!({ "deployment": shape }))?;
    Ok(Answer::new(201, shape))
}

/// Makes what ran in the same environment before inactive, as GitHub does for all but production.
fn replace(
    cx: &mut Cx<'_>,
    repo: u64,
    new: &Deployment,
    status: &DeploymentStatus,
) -> std::result::Result<(), Refusal> {
    let ran = |old: &Deployment| {
        old.id != new.id
            && old.environment == new.environment
            && old.statuses.last().is_some_and(|status| status.state == "success")
    };
    let olds: Vec<u64> = cx.repo(repo)?.deployments.values().filter(|old| ran(old)).map(|old| old.id).collect();
    for old in olds {
        let id = next_id(cx.repo(repo)?);
        if let Some(old) = cx.repo_mut(repo)?.deployments.get_mut(&old) {
            let (state, description) = ("inactive".to_owned(), String::new());
            let author = status.author.clone();
            let (log_url, environment_url) = (String::new(), String::new());
            old.statuses.push(DeploymentStatus {
                id,
                state,
                description,
                log_url,
                environment_url,
                author,
                at: status.at,
            });
        }
    }
    Ok(())
}

fn deployment_status(cx: &mut Cx<'_>, call: &Call, repo: u64, id: u64) -> Result {
    let state = call.text("state").unwrap_or_default();
    if !["error", "failure", "inactive", "in_progress", "queued", "pending", "success"].contains(&state) {
        return Err(Refusal::schema("state is not one GitHub knows"));
    }
    let text = |name: &str| call.text(name).unwrap_or_default().to_owned();
    if text("description").chars().count() > 140 {
        return Err(Refusal::schema("description is limited to 140 characters"));
    }
    let status = DeploymentStatus {
        id: next_id(cx.repo(repo)?),
        state: state.to_owned(),
        description: text("description"),
        log_url: text("log_url"),
        environment_url: text("environment_url"),
        author: cx.login(),
        at: cx.now,
    };
    let one = cx.repo_mut(repo)?.deployments.get_mut(&id).ok_or_else(Refusal::not_found)?;
    one.statuses.push(status.clone());
    let one = one.clone();
    let auto_inactive = call.body["auto_inactive"].as_bool().unwrap_or(true);
    if state == "success" && auto_inactive && one.environment != "production" {
        replace(cx, repo, &one, &status)?;
    }
    let found = cx.repo(repo)?;
    let (shape, deployment) = (cx.deployment_status(found, &one, &status), cx.deployment(found, &one));
    let body = json!({ "deployment_status": shape, "deployment": deployment });
    cx.emit(repo, "deployment_status", Some("created"), body)?;
    Ok(Answer::new(201, shape))
}
