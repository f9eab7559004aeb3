//! Issues, their comments, reactions and labels.

use serde_json::{Value, json};

use super::super::acts::{pulls, talk};
use super::super::auth::Level::{Read, Write};
use super::super::cx::Cx;
use super::super::http::{Answer, Call};
use super::super::refusal::Refusal;
use super::super::world::Role;
use super::{Result, number};

const EITHER: &str = "issues|pull_requests";

/// What talking at this number takes: issues, or for a pull request either of the two.
fn talk_permission(cx: &Cx<'_>, repo: u64, number: u64) -> &'static str {
    let pull = cx.repo(repo).is_ok_and(|found| found.pulls.contains_key(&number));
    if pull { EITHER } else { "issues" }
}

/// The same for a comment.
fn comment_permission(cx: &Cx<'_>, repo: u64, comment: u64) -> &'static str {
    let number = cx.repo(repo).ok().and_then(|found| found.comments.get(&comment)).map(|comment| comment.number);
    talk_permission(cx, repo, number.unwrap_or_default())
}

pub(super) fn route(cx: &mut Cx<'_>, call: &Call, repo: u64, path: &[&str]) -> Result {
    let base = cx.inner.options.base_url.clone();
    match (call.method.as_str(), path) {
        ("GET", ["labels"]) => {
            cx.allow(repo, EITHER, Read)?;
            let found = cx.repo(repo)?;
            Ok(call.page(&base, found.labels.keys().map(|key| cx.label_of(found, key)).collect()))
        }
        ("GET", ["issues"]) => list(cx, call, repo),
        ("POST", ["issues"]) => {
            cx.allow(repo, "issues", Write)?;
            if !cx.repo(repo)?.settings.issues {
                return Err(Refusal::new(410, "Issues has been disabled in this repository."));
            }
            let title = call.text("title").ok_or_else(|| Refusal::schema("\"title\" wasn't supplied."))?;
            let number = pulls::open_issue(cx, repo, title, call.text("body"))?;
            label_all(cx, call, repo, number)?;
            Ok(Answer::new(201, cx.issue(repo, number)?))
        }
        ("GET", ["issues", "comments", id]) => {
            cx.allow(repo, EITHER, Read)?;
            Ok(Answer::ok(cx.comment(repo, number(id)?)?))
        }
        ("PATCH", ["issues", "comments", id]) => {
            let id = own_comment(cx, repo, id)?;
            talk::edit(cx, repo, id, call.text("body").unwrap_or_default())?;
            Ok(Answer::ok(cx.comment(repo, id)?))
        }
        ("DELETE", ["issues", "comments", id]) => {
            let id = own_comment(cx, repo, id)?;
            talk::delete(cx, repo, id)?;
            Ok(Answer::empty())
        }
        (_, ["issues", "comments", id, "reactions", rest @ ..]) => reactions(cx, call, repo, number(id)?, rest),
        (_, ["issues", n, rest @ ..]) => one(cx, call, repo, number(n)?, rest),
        _ => Err(Refusal::not_found()),
    }
}

fn list(cx: &Cx<'_>, call: &Call, repo: u64) -> Result {
    cx.allow(repo, "issues", Read)?;
    let state = call.query.get("state").map_or("open", String::as_str);
    let labels: Vec<String> = call
        .query
        .get("labels")
        .map(|text| text.to_lowercase())
        .into_iter()
        .flat_map(|text| text.split(',').map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let creator = call.query.get("creator");
    let issues = cx.repo(repo)?.issues.values().rev();
    let wanted = issues.filter(|issue| {
        (state == "all" || issue.open == (state == "open"))
            && labels.iter().all(|label| issue.labels.contains(label))
            && creator.is_none_or(|login| issue.author.eq_ignore_ascii_case(login))
    });
    let rows = wanted.map(|issue| cx.issue(repo, issue.number)).collect::<std::result::Result<_, _>>()?;
    Ok(call.page(&cx.inner.options.base_url, rows))
}

/// A comment the caller may change: their own, or any for those who may write.
fn own_comment(cx: &Cx<'_>, repo: u64, id: &str) -> std::result::Result<u64, Refusal> {
    let id = number(id)?;
    cx.allow(repo, comment_permission(cx, repo, id), Write)?;
    let found = cx.repo(repo)?;
    let comment = found.comments.get(&id).ok_or_else(Refusal::not_found)?;
    if let super::super::auth::Actor::User(login) = &cx.actor
        && !comment.author.eq_ignore_ascii_case(login)
        && cx.world.role(found, login) < Role::Write
    {
        return Err(Refusal::new(403, "Must have write access to the repository."));
    }
    Ok(id)
}

fn reactions(cx: &mut Cx<'_>, call: &Call, repo: u64, id: u64, rest: &[&str]) -> Result {
    let either = comment_permission(cx, repo, id);
    match (call.method.as_str(), rest) {
        ("GET", []) => {
            cx.allow(repo, either, Read)?;
            let comment = cx.repo(repo)?.comments.get(&id).ok_or_else(Refusal::not_found)?;
            let wanted = call.query.get("content");
            let rows = comment.reactions.iter().filter(|one| wanted.is_none_or(|content| *content == one.content));
            Ok(call.page(&cx.inner.options.base_url, rows.map(|one| cx.reaction(one)).collect()))
        }
        ("POST", []) => {
            cx.allow(repo, either, Write)?;
            let content = call.text("content").unwrap_or_default();
            let (reaction, new) = talk::react(cx, repo, id, content)?;
            Ok(Answer::new(if new { 201 } else { 200 }, cx.reaction(&reaction)))
        }
        ("DELETE", [reaction]) => {
            cx.allow(repo, either, Write)?;
            let reaction = number(reaction)?;
            let comment = cx.repo_mut(repo)?.comments.get_mut(&id).ok_or_else(Refusal::not_found)?;
            comment.reactions.retain(|one| one.id != reaction);
            Ok(Answer::empty())
        }
        _ => Err(Refusal::not_found()),
    }
}

fn one(cx: &mut Cx<'_>, call: &Call, repo: u64, n: u64, rest: &[&str]) -> Result {
    let base = cx.inner.options.base_url.clone();
    if !cx.repo(repo)?.issues.contains_key(&n) {
        return Err(Refusal::not_found());
    }
    let either = talk_permission(cx, repo, n);
    match (call.method.as_str(), rest) {
        ("GET", []) => {
            cx.allow(repo, either, Read)?;
            Ok(Answer::ok(cx.issue(repo, n)?))
        }
        ("PATCH", []) => {
            cx.allow(repo, either, Write)?;
            pulls::edit(cx, repo, n, (call.text("title"), call.text("body")), None)?;
            set_state(cx, repo, n, call.text("state"))?;
            Ok(Answer::ok(cx.issue(repo, n)?))
        }
        ("GET", ["comments"]) => {
            cx.allow(repo, either, Read)?;
            let ids = cx.repo(repo)?.comments.values().filter(|comment| comment.number == n).map(|comment| comment.id);
            let rows = ids.map(|id| cx.comment(repo, id)).collect::<std::result::Result<_, _>>()?;
            Ok(call.page(&base, rows))
        }
        ("POST", ["comments"]) => {
            cx.allow(repo, either, Write)?;
            let body = call.text("body").ok_or_else(|| Refusal::schema("\"body\" wasn't supplied."))?;
            let id = talk::comment(cx, repo, n, body)?;
            Ok(Answer::new(201, cx.comment(repo, id)?))
        }
        ("GET", ["labels"]) => {
            cx.allow(repo, either, Read)?;
            Ok(call.page(&base, labels(cx, repo, n)?))
        }
        ("POST", ["labels"]) => {
            cx.allow(repo, either, Write)?;
            label_all(cx, call, repo, n)?;
            Ok(Answer::ok(Value::Array(labels(cx, repo, n)?)))
        }
        ("DELETE", ["labels", name]) => {
            cx.allow(repo, either, Write)?;
            talk::unlabel(cx, repo, n, name)?;
            Ok(Answer::ok(Value::Array(labels(cx, repo, n)?)))
        }
        _ => Err(Refusal::not_found()),
    }
}

/// Opens or closes, when asked.
pub(super) fn set_state(cx: &mut Cx<'_>, repo: u64, n: u64, state: Option<&str>) -> std::result::Result<(), Refusal> {
    match state {
        None => Ok(()),
        Some("open") => pulls::reopen(cx, repo, n),
        Some("closed") => pulls::close(cx, repo, n),
        Some(_) => Err(Refusal::schema("state must be open or closed")),
    }
}

fn labels(cx: &Cx<'_>, repo: u64, n: u64) -> std::result::Result<Vec<Value>, Refusal> {
    let found = cx.repo(repo)?;
    let issue = found.issues.get(&n).ok_or_else(Refusal::not_found)?;
    Ok(issue.labels.iter().map(|key| cx.label_of(found, key)).collect())
}

fn label_all(cx: &mut Cx<'_>, call: &Call, repo: u64, n: u64) -> std::result::Result<(), Refusal> {
    let rows =
        call.body.as_array().cloned().unwrap_or_else(|| call.body["labels"].as_array().cloned().unwrap_or_default());
    let name = |row: &Value| row.as_str().or_else(|| row["name"].as_str()).map(str::to_owned);
    let names: Vec<String> = rows.iter().filter_map(name).collect();
    if names.len() != rows.len() {
        return Err(Refusal::schema(json!({ "labels": "must be strings" }).to_string()));
    }
    talk::label(cx, repo, n, &names.iter().map(String::as_str).collect::<Vec<_>>())
}
