//! Pull requests.

use serde_json::{Value, json};

use super::super::acts::pulls::{self, Open};
use super::super::acts::reviews;
use super::super::auth::Level::{Read, Write};
use super::super::cx::Cx;
use super::super::git;
use super::super::http::{Answer, Call};
use super::super::refusal::Refusal;
use super::super::world::Pull;
use super::{Result, issues, number};

pub(super) fn route(cx: &mut Cx<'_>, call: &Call, repo: u64, path: &[&str]) -> Result {
    // Merging asks for contents alone.
    if path.get(1) != Some(&"merge") {
        cx.allow(repo, "pull_requests", Read)?;
    }
    match (call.method.as_str(), path) {
        ("GET", []) => list(cx, call, repo),
        ("POST", []) => open(cx, call, repo),
        (_, [n, rest @ ..]) => {
            let n = number(n)?;
            if !cx.repo(repo)?.pulls.contains_key(&n) {
                return Err(Refusal::not_found());
            }
            match call.method.as_str() {
                "GET" => look(cx, call, repo, n, rest),
                _ => change(cx, call, repo, n, rest),
            }
        }
        _ => Err(Refusal::not_found()),
    }
}

fn list(cx: &Cx<'_>, call: &Call, repo: u64) -> Result {
    let found = cx.repo(repo)?;
    let query = |name: &str| call.query.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let state = query("state").unwrap_or("open");
    // GitHub heeds `head` only as owner:branch; without an owner it silently lists everything.
    let head = query("head").and_then(|head| head.split_once(':'));
    let wanted = |pull: &&Pull| {
        let open = found.issues.get(&pull.number).is_some_and(|issue| issue.open);
        let owner = pull.head_repo.and_then(|id| cx.world.repos.get(&id)).map_or("", |repo| repo.owner.as_str());
        (state == "all" || open == (state == "open"))
            && query("base").is_none_or(|base| base == pull.base)
            && head.is_none_or(|(user, branch)| user.eq_ignore_ascii_case(owner) && branch == pull.head)
    };
    let mut rows: Vec<&Pull> = found.pulls.values().filter(wanted).collect();
    let updated = |pull: &&Pull| found.issues.get(&pull.number).map(|issue| issue.updated_at);
    if query("sort") == Some("updated") {
        rows.sort_by_key(updated);
    }
    let ascending = match query("direction") {
        Some(direction) => direction == "asc",
        None => query("sort").is_some_and(|sort| sort != "created"),
    };
    if !ascending {
        rows.reverse();
    }
    let rows = rows.into_iter().map(|pull| cx.pull_simple(repo, pull.number)).collect::<std::result::Result<_, _>>()?;
    Ok(call.page(&cx.inner.options.base_url, rows))
}

fn open(cx: &mut Cx<'_>, call: &Call, repo: u64) -> Result {
    cx.allow(repo, "pull_requests", Write)?;
    let field = |name: &str| call.text(name).ok_or_else(|| Refusal::invalid("PullRequest", name, "missing_field"));
    let ask = Open {
        head: field("head")?,
        base: field("base")?,
        title: field("title")?,
        body: call.text("body"),
        draft: call.body["draft"].as_bool().unwrap_or_default(),
    };
    let number = pulls::open(cx, repo, &ask)?;
    Ok(Answer::new(201, cx.pull(repo, number)?))
}

fn look(cx: &Cx<'_>, call: &Call, repo: u64, n: u64, rest: &[&str]) -> Result {
    let base = &cx.inner.options.base_url;
    let found = cx.repo(repo)?;
    let pull = found.pulls.get(&n).ok_or_else(Refusal::not_found)?;
    match rest {
        [] => Ok(Answer::ok(cx.pull(repo, n)?)),
        ["files"] => {
            let files = cx.pull_files(found, pull)?;
            Ok(call.page(base, files.iter().map(|file| cx.file(found, &pull.head_sha, file)).collect()))
        }
        ["commits"] => {
            let git = cx.git(repo)?;
            let head = git::oid(&pull.head_sha)?;
            let from = git::merge_base(&git, git::oid(pulls::base_tip(found, pull))?, head);
            // 250 is where GitHub stops listing.
            let shas = git::between(&git, from, head, 250)?.into_iter().rev();
            let rows = shas.map(|sha| cx.commit(repo, &sha.to_string())).collect::<std::result::Result<_, _>>()?;
            Ok(call.page(base, rows))
        }
        ["reviews"] => {
            let rows = pull.reviews.iter().map(|one| cx.review(repo, n, one));
            Ok(call.page(base, rows.collect::<std::result::Result<_, _>>()?))
        }
        ["comments"] => {
            let all = pull.reviews.iter().flat_map(|review| review.remarks.iter().map(move |one| (review, one)));
            let rows = all.map(|(review, one)| cx.remark(repo, n, (review, one)));
            Ok(call.page(base, rows.collect::<std::result::Result<_, _>>()?))
        }
        ["requested_reviewers"] => {
            let whole = cx.pull_simple(repo, n)?;
            Ok(Answer::ok(json!({ "users": whole["requested_reviewers"], "teams": whole["requested_teams"] })))
        }
        ["merge"] if pull.merged.is_some() => Ok(Answer::empty()),
        _ => Err(Refusal::not_found()),
    }
}

fn change(cx: &mut Cx<'_>, call: &Call, repo: u64, n: u64, rest: &[&str]) -> Result {
    match (call.method.as_str(), rest) {
        ("PATCH", []) => {
            cx.allow(repo, "pull_requests", Write)?;
            pulls::edit(cx, repo, n, (call.text("title"), call.text("body")), call.text("base"))?;
            issues::set_state(cx, repo, n, call.text("state"))?;
            Ok(Answer::ok(cx.pull(repo, n)?))
        }
        ("PUT", ["merge"]) => {
            cx.allow(repo, "contents", Write)?;
            let how = (call.text("merge_method").unwrap_or("merge"), call.text("sha"));
            let sha = pulls::merge(cx, repo, n, how, (call.text("commit_title"), call.text("commit_message")))?;
            Ok(Answer::ok(json!({ "sha": sha, "merged": true, "message": "Pull Request successfully merged" })))
        }
        ("PUT", ["update-branch"]) => {
            cx.allow(repo, "contents", Write)?;
            cx.allow(repo, "pull_requests", Write)?;
            pulls::update_branch(cx, repo, n, call.text("expected_head_sha"))?;
            let url = cx.repo_html(cx.repo(repo)?, &format!("/pull/{n}"));
            Ok(Answer::new(202, json!({ "message": "Updating pull request branch.", "url": url })))
        }
        ("POST", ["requested_reviewers"]) => {
            cx.allow(repo, "pull_requests", Write)?;
            let users = words(&call.body["reviewers"]);
            let teams = words(&call.body["team_reviewers"]);
            reviews::ask(cx, repo, n, &users, &teams)?;
            Ok(Answer::new(201, cx.pull_simple(repo, n)?))
        }
        ("DELETE", ["requested_reviewers"]) => {
            cx.allow(repo, "pull_requests", Write)?;
            let pull = cx.repo_mut(repo)?.pulls.get_mut(&n).ok_or_else(Refusal::not_found)?;
            let users = words(&call.body["reviewers"]);
            let teams = words(&call.body["team_reviewers"]);
            pull.asked_users.retain(|login| !users.iter().any(|user| user.eq_ignore_ascii_case(login)));
            pull.asked_teams.retain(|slug| !teams.contains(&slug.as_str()));
            Ok(Answer::ok(cx.pull_simple(repo, n)?))
        }
        ("POST", ["reviews"]) => review(cx, call, repo, n),
        _ => Err(Refusal::not_found()),
    }
}

fn words(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn review(cx: &mut Cx<'_>, call: &Call, repo: u64, n: u64) -> Result {
    cx.allow(repo, "pull_requests", Write)?;
    let state = match call.text("event") {
        Some("APPROVE") => "APPROVED",
        Some("REQUEST_CHANGES") => "CHANGES_REQUESTED",
        Some("COMMENT") => "COMMENTED",
        _ => return Err(Refusal::schema("event must be APPROVE, REQUEST_CHANGES or COMMENT")),
    };
    let body = call.text("body").unwrap_or_default();
    if body.is_empty() && state != "APPROVED" {
        return Err(Refusal::new(422, "Unprocessable Entity: a body is needed"));
    }
    let head = cx.repo(repo)?.pulls.get(&n).ok_or_else(Refusal::not_found)?.head_sha.clone();
    if call.text("commit_id").is_some_and(|commit| commit != head) {
        return Err(Refusal::new(422, "Unprocessable Entity: the commit is not the head of this pull request"));
    }
    let remarks = call.body["comments"].as_array().cloned().unwrap_or_default();
    let id = reviews::review_lines(cx, (repo, n), (state, body), &remarks)?;
    let pull = cx.repo(repo)?.pulls.get(&n).ok_or_else(Refusal::not_found)?;
    let review = pull.reviews.iter().find(|one| one.id == id).ok_or_else(Refusal::not_found)?;
    Ok(Answer::ok(cx.review(repo, n, review)?))
}
