//! The REST API under `/api/v3`: each endpoint names the permission it takes.

mod apps;
mod git;
mod issues;
mod pulls;
mod repos;
mod runs;

use serde_json::{Value, json};

use super::auth::Level;
use super::cx::Cx;
use super::http::{Answer, Call};
use super::refusal::Refusal;

pub(crate) use git::annotate;
pub(crate) use repos::resolve;

pub(crate) type Result = std::result::Result<Answer, Refusal>;

/// Finds the endpoint.
pub(crate) fn handle(cx: &mut Cx<'_>, call: &Call, path: &[&str]) -> Result {
    match path {
        ["app", rest @ ..] => apps::app(cx, call, rest),
        ["app-manifests", _, "conversions"] if call.method == "POST" => apps::convert(cx),
        ["installation", "repositories"] if call.method == "GET" => apps::repositories(cx, call),
        ["user"] | ["users", ..] | ["orgs", ..] => apps::people(cx, call, path),
        ["rate_limit"] => Ok(Answer::ok(rate_limit(cx))),
        ["meta"] => Ok(Answer::ok(json!({
            "verifiable_password_authentication": false,
            "installed_version": "3.19.0",
            "hooks": ["127.0.0.1/32"],
        }))),
        ["repos", owner, name, rest @ ..] => {
            let old = format!("{owner}/{name}").to_lowercase();
            match (cx.world.repo_named(owner, name).map(|repo| repo.id), cx.world.moved.get(&old).copied()) {
                (Some(found), _) => in_repo(cx, call, found, rest),
                (None, Some(found)) => moved(cx, call, found, rest),
                (None, None) => Err(Refusal::not_found()),
            }
        }
        ["repositories", id, rest @ ..] => {
            let id = id.parse().map_err(|_| Refusal::not_found())?;
            in_repo(cx, call, id, rest)
        }
        _ => Err(Refusal::not_found()),
    }
}

fn in_repo(cx: &mut Cx<'_>, call: &Call, repo: u64, path: &[&str]) -> Result {
    if path == ["installation"] && call.method == "GET" {
        return apps::installation_of(cx, repo);
    }
    cx.allow(repo, "metadata", Level::Read)?;
    match path.first() {
        Some(&"issues" | &"labels") => issues::route(cx, call, repo, path),
        Some(&"pulls") => pulls::route(cx, call, repo, &path[1..]),
        Some(&"check-runs" | &"check-suites" | &"statuses" | &"deployments") => runs::route(cx, call, repo, path),
        Some(&"commits") if matches!(path.last(), Some(&"check-runs" | &"status" | &"statuses" | &"check-suites")) => {
            runs::route(cx, call, repo, path)
        }
        Some(&"git") => git::route(cx, call, repo, &path[1..]),
        _ => repos::route(cx, call, repo, path),
    }
}

/// A repository that was renamed answers where it is now: by its number, which never changes.
fn moved(cx: &Cx<'_>, call: &Call, repo: u64, path: &[&str]) -> Result {
    cx.allow(repo, "metadata", Level::Read)?;
    let below: String = path.iter().map(|part| format!("/{part}")).collect();
    let query: Vec<String> =
        call.query.iter().map(|(name, value)| format!("{name}={}", super::http::encode(value))).collect();
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    let url = cx.api(&format!("/repositories/{repo}{}{query}", super::http::encode(&below)));
    let body =
        json!({ "message": "Moved Permanently", "url": url, "documentation_url": "https://docs.github.com/rest" });
    let status = if call.method == "GET" { 301 } else { 307 };
    Ok(Answer { location: Some(url), ..Answer::new(status, body) })
}

fn rate_limit(cx: &Cx<'_>) -> Value {
    let now = cx.now.as_second();
    let left = json!({ "limit": 5000, "used": 1, "remaining": 4999, "reset": now - now.rem_euclid(3600) + 3600 });
    json!({ "resources": { "core": left, "search": left, "graphql": left }, "rate": left })
}

/// Reads a number from a path.
fn number(text: &str) -> std::result::Result<u64, Refusal> {
    text.parse().map_err(|_| Refusal::not_found())
}
