//! Check suites, check runs and commit statuses.

use serde_json::{Value, json};

use super::super::cx::Cx;
use super::super::git;
use super::super::limits;
use super::super::refusal::Refusal;
use super::super::world::{Check, Repo, Status, Suite};

/// GitHub opens a suite for our App on every pushed head and asks for checks.
pub(crate) fn ask_for_checks(cx: &mut Cx<'_>, repo: u64, branch: &str, sha: &str) -> Result<(), Refusal> {
    let app = &cx.inner.options.app;
    let installed = cx.world.installation_of(cx.repo(repo)?).is_some();
    let writes = app.permissions.get("checks").is_some_and(|level| level == "write");
    let slug = app.slug.clone();
    let there = cx.repo(repo)?.suites.values().any(|suite| suite.app == slug && suite.head_sha == sha);
    if !installed || !writes || there {
        return Ok(());
    }
    let id = suite(cx, repo, &slug, sha)?;
    let mut shape = cx.suite(repo, id)?;
    shape["head_branch"] = branch.into();
    cx.emit(repo, "check_suite", Some("requested"), json!({ "check_suite": shape }))
}

/// The suite of an App on a commit, made when missing.
pub(crate) fn suite(cx: &mut Cx<'_>, repo: u64, app: &str, sha: &str) -> Result<u64, Refusal> {
    let found = cx.repo(repo)?.suites.values().find(|suite| suite.app == app && suite.head_sha == sha);
    if let Some(found) = found {
        return Ok(found.id);
    }
    let (id, created_at) = (cx.world.id(), cx.now);
    let suite = Suite { id, app: app.to_owned(), head_sha: sha.to_owned(), created_at };
    cx.repo_mut(repo)?.suites.insert(id, suite);
    Ok(id)
}

fn text(request: &Value, field: &str) -> Option<String> {
    request[field].as_str().map(str::to_owned)
}

/// Creates a check run of an App from GitHub's request body.
pub(crate) fn create(cx: &mut Cx<'_>, repo: u64, app: &str, request: &Value) -> Result<u64, Refusal> {
    let Some(name) = request["name"].as_str().filter(|name| !name.is_empty()) else {
        return Err(Refusal::schema("\"name\" wasn't supplied."));
    };
    let Some(sha) = request["head_sha"].as_str() else {
        return Err(Refusal::schema("\"head_sha\" wasn't supplied."));
    };
    limits::check_run(request, true)?;
    if !git::is_commit(&*cx.git(repo)?, sha) {
        return Err(Refusal::new(422, format!("No commit found for SHA: {sha}")));
    }
    let suite = suite(cx, repo, app, sha)?;
    let id = cx.world.id();
    let mut check = Check {
        id,
        suite,
        app: app.to_owned(),
        name: name.to_owned(),
        head_sha: sha.to_owned(),
        external_id: String::new(),
        details_url: None,
        status: "queued".into(),
        conclusion: None,
        started_at: cx.now,
        completed_at: None,
        title: None,
        summary: None,
        text: None,
        annotations: Vec::new(),
        actions: Vec::new(),
    };
    apply(&mut check, request, cx.now);
    let done = check.status == "completed";
    cx.repo_mut(repo)?.checks.insert(id, check);
    tell(cx, repo, id, "created")?;
    if done {
        finished(cx, repo, id)?;
    }
    Ok(id)
}

/// Updates a check run; annotations are appended, everything else is replaced.
pub(crate) fn update(cx: &mut Cx<'_>, repo: u64, id: u64, request: &Value) -> Result<(), Refusal> {
    limits::check_run(request, false)?;
    let now = cx.now;
    let check = cx.repo_mut(repo)?.checks.get_mut(&id).ok_or_else(Refusal::not_found)?;
    let before = check.status.clone();
    apply(check, request, now);
    if before != "completed" && check.status == "completed" {
        finished(cx, repo, id)?;
    }
    Ok(())
}

fn apply(check: &mut Check, request: &Value, now: jiff::Timestamp) {
    if let Some(name) = text(request, "name") {
        check.name = name;
    }
    if let Some(id) = text(request, "external_id") {
        check.external_id = id;
    }
    if let Some(url) = text(request, "details_url") {
        check.details_url = Some(url);
    }
    let time = |field: &str| request[field].as_str().and_then(|text| text.parse().ok());
    if let Some(at) = time("started_at") {
        check.started_at = at;
    }
    if let Some(status) = text(request, "status") {
        check.status = status;
    }
    if let Some(conclusion) = text(request, "conclusion") {
        check.conclusion = Some(conclusion);
        check.status = "completed".into();
        check.completed_at = Some(time("completed_at").unwrap_or(now));
    } else if check.status != "completed" {
        check.conclusion = None;
        check.completed_at = None;
    }
    let output = &request["output"];
    for (field, slot) in [("title", &mut check.title), ("summary", &mut check.summary), ("text", &mut check.text)] {
        if let Some(text) = text(output, field) {
            *slot = Some(text);
        }
    }
    check.annotations.extend(output["annotations"].as_array().cloned().unwrap_or_default());
    if let Some(actions) = request["actions"].as_array() {
        check.actions = actions.clone();
    }
}

fn tell(cx: &mut Cx<'_>, repo: u64, id: u64, action: &str) -> Result<(), Refusal> {
    let shape = cx.check(repo, id)?;
    cx.emit(repo, "check_run", Some(action), json!({ "check_run": shape }))
}

fn finished(cx: &mut Cx<'_>, repo: u64, id: u64) -> Result<(), Refusal> {
    tell(cx, repo, id, "completed")?;
    let found = cx.repo(repo)?;
    let suite = found.checks.get(&id).map(|check| check.suite).unwrap_or_default();
    let open = found.checks.values().any(|check| check.suite == suite && check.status != "completed");
    let sha = found.checks.get(&id).map(|check| check.head_sha.clone()).unwrap_or_default();
    if !open && cx.inner.options.app.events.contains("check_suite") {
        let shape = cx.suite(repo, suite)?;
        cx.emit(repo, "check_suite", Some("completed"), json!({ "check_suite": shape }))?;
    }
    super::queue::checked(cx, repo, &sha)
}

/// How the latest check or status of this name went on a commit; `None` while it is missing or under way.
pub(crate) fn outcome(repo: &Repo, sha: &str, name: &str) -> Option<bool> {
    let check = repo.checks.values().rfind(|check| check.head_sha == sha && check.name == name);
    let status = repo.statuses.iter().rfind(|status| status.sha == sha && status.context == name);
    let check = check.map(|check| {
        check.conclusion.as_deref().map(|conclusion| matches!(conclusion, "success" | "neutral" | "skipped"))
    });
    let status = status.map(|status| match status.state.as_str() {
        "success" => Some(true),
        "pending" => None,
        _ => Some(false),
    });
    match (check, status) {
        (None, None) => None,
        // Where both exist, both must pass.
        (one, two) => Some(one.unwrap_or(Some(true))? && two.unwrap_or(Some(true))?),
    }
}

/// Sets a commit status.
pub(crate) fn set_status(cx: &mut Cx<'_>, repo: u64, sha: &str, request: &Value) -> Result<u64, Refusal> {
    let state = request["state"].as_str().unwrap_or_default();
    if !["error", "failure", "pending", "success"].contains(&state) {
        return Err(Refusal::invalid("Status", "state", "state is not included in the list"));
    }
    if text(request, "description").is_some_and(|text| text.chars().count() > 140) {
        let what = "description is too long (maximum is 140 characters)";
        return Err(Refusal::invalid("Status", "description", what));
    }
    if !git::is_commit(&*cx.git(repo)?, sha) {
        return Err(Refusal::new(422, format!("No commit found for SHA: {sha}")));
    }
    let status = Status {
        id: cx.world.id(),
        sha: sha.to_owned(),
        state: state.to_owned(),
        context: text(request, "context").unwrap_or_else(|| "default".into()),
        description: text(request, "description"),
        target_url: text(request, "target_url"),
        author: cx.login(),
        at: cx.now,
    };
    let (id, body) = (status.id, cx.status_event(repo, &status)?);
    cx.repo_mut(repo)?.statuses.push(status);
    cx.emit(repo, "status", None, body)?;
    super::queue::checked(cx, repo, sha)?;
    Ok(id)
}
