//! `/app`, installations, deliveries, people and teams.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::auth::{self, Actor};
use super::super::cx::{Cx, iso};
use super::super::http::{Answer, Call};
use super::super::refusal::Refusal;
use super::super::world::{AccountKind, Logged};
use super::{Result, number};

pub(super) fn app(cx: &mut Cx<'_>, call: &Call, path: &[&str]) -> Result {
    cx.app_only()?;
    match (call.method.as_str(), path) {
        ("GET", []) => {
            let mut app = cx.integration(&cx.inner.options.app.slug);
            app["installations_count"] = cx.world.installations.len().into();
            Ok(Answer::ok(app))
        }
        ("GET", ["installations"]) => {
            let all = cx.world.installations.values().map(|one| cx.installation(one)).collect();
            Ok(call.page(&cx.inner.options.base_url, all))
        }
        ("GET", ["installations", id]) => {
            let id = number(id)?;
            let found = cx.world.installations.get(&id).ok_or_else(Refusal::not_found)?;
            Ok(Answer::ok(cx.installation(found)))
        }
        ("POST", ["installations", id, "access_tokens"]) => token(cx, call, number(id)?),
        ("GET", ["hook", "deliveries"]) => Ok(deliveries(cx, call)),
        ("GET", ["hook", "deliveries", id]) => {
            let logged = cx.world.deliveries.get(&number(id)?).ok_or_else(Refusal::not_found)?;
            let mut whole = delivery(logged);
            let headers: serde_json::Map<String, Value> =
                logged.delivery.headers.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
            let payload: Value = serde_json::from_slice(&logged.delivery.body).unwrap_or_default();
            whole["request"] = json!({ "headers": headers, "payload": payload });
            whole["response"] = json!({ "headers": {}, "payload": "" });
            Ok(Answer::ok(whole))
        }
        ("POST", ["hook", "deliveries", id, "attempts"]) => {
            cx.redeliver(number(id)?)?;
            Ok(Answer::new(202, json!({})))
        }
        _ => Err(Refusal::not_found()),
    }
}

fn token(cx: &mut Cx<'_>, call: &Call, installation: u64) -> Result {
    let token = auth::mint(cx, installation, &call.body, call.long_token)?;
    let Some(found) = cx.world.tokens.get(&token) else { return Err(Refusal::not_found()) };
    let mut body = json!({
        "token": token,
        "expires_at": iso(found.expires_at),
        "permissions": found.permissions,
        "repository_selection": if found.repos.is_some() { "selected" } else { "all" },
    });
    if let Some(repos) = &found.repos {
        let repos = repos.iter().filter_map(|id| cx.world.repos.get(id));
        body["repositories"] = repos.map(|repo| cx.full_repository(repo)).collect();
    }
    Ok(Answer::new(201, body))
}

fn delivery(logged: &Arc<Logged>) -> Value {
    let status = match logged.status_code {
        None => "pending",
        Some(200..=299) => "OK",
        Some(_) => "Invalid HTTP Response",
    };
    json!({
        "id": logged.delivery.id,
        "guid": logged.delivery.guid,
        "delivered_at": iso(logged.at),
        "redelivery": logged.redelivery,
        "duration": 0.1,
        "status": status,
        "status_code": logged.status_code.unwrap_or(0),
        "event": logged.delivery.event,
        "action": logged.delivery.action,
        "installation_id": logged.installation,
        "repository_id": logged.repository,
        "throttled_at": null,
    })
}

/// The App's deliveries, newest first; the cursor is the number of the last one shown.
fn deliveries(cx: &Cx<'_>, call: &Call) -> Answer {
    let (_, size) = call.paging();
    let cursor: u64 = call.query.get("cursor").and_then(|text| text.parse().ok()).unwrap_or(u64::MAX);
    let wanted = call.query.get("status").map(String::as_str);
    let mut rows = cx.world.deliveries.range(..cursor).rev().filter(|(_, logged)| match (wanted, logged.status_code) {
        (Some("success"), code) => code.is_some_and(|code| code < 400),
        (Some("failure"), code) => code.is_some_and(|code| (400..600).contains(&code)),
        _ => true,
    });
    let shown: Vec<(u64, Value)> = rows.by_ref().take(size).map(|(id, logged)| (*id, delivery(logged))).collect();
    let more = rows.next().is_some();
    let last = shown.last().map(|(id, _)| *id).filter(|_| more);
    let link = last.map(|last| {
        let address = cx.api("/app/hook/deliveries");
        format!("<{address}?per_page={size}&cursor={last}>; rel=\"next\"")
    });
    Answer { link, ..Answer::ok(shown.into_iter().map(|(_, row)| row).collect()) }
}

pub(super) fn convert(cx: &Cx<'_>) -> Result {
    let mut app = cx.integration(&cx.inner.options.app.slug);
    app["client_secret"] = "sandbox".into();
    app["webhook_secret"] = cx.inner.options.webhook_secret.clone().into();
    app["pem"] = cx.inner.key.pem.clone().into();
    Ok(Answer::new(201, app))
}

pub(super) fn repositories(cx: &Cx<'_>, call: &Call) -> Result {
    cx.installation_only()?;
    let Actor::Installation(grant) = &cx.actor else { return Err(Refusal::forbidden()) };
    let repos = grant.repos.iter().filter_map(|id| cx.world.repos.get(id));
    let all: Vec<Value> = repos.map(|repo| cx.full_repository(repo)).collect();
    let count = all.len();
    let mut answer = call.page(&cx.inner.options.base_url, all);
    answer.body = json!({ "total_count": count, "repository_selection": "all", "repositories": answer.body });
    Ok(answer)
}

pub(super) fn installation_of(cx: &Cx<'_>, repo: u64) -> Result {
    cx.app_only()?;
    let found = cx.world.installation_of(cx.repo(repo)?).ok_or_else(Refusal::not_found)?;
    Ok(Answer::ok(cx.installation(found)))
}

pub(super) fn people(cx: &Cx<'_>, call: &Call, path: &[&str]) -> Result {
    if call.method != "GET" {
        return Err(Refusal::not_found());
    }
    match path {
        ["user"] => match &cx.actor {
            Actor::User(login) => Ok(Answer::ok(cx.public_user(login))),
            Actor::Anonymous => Err(Refusal::new(401, "Requires authentication")),
            _ => Err(Refusal::forbidden()),
        },
        ["users", login] => {
            cx.world.account(login).ok_or_else(Refusal::not_found)?;
            Ok(Answer::ok(cx.public_user(login)))
        }
        ["users" | "orgs", login, "installation"] => {
            cx.app_only()?;
            let found = cx.world.installations.values().find(|one| one.account.eq_ignore_ascii_case(login));
            Ok(Answer::ok(cx.installation(found.ok_or_else(Refusal::not_found)?)))
        }
        ["orgs", org, "teams", slug] => team_visible(cx, org).and_then(|()| Ok(Answer::ok(cx.team(org, slug)?))),
        ["orgs", org, "teams", slug, "members"] => {
            team_visible(cx, org)?;
            let members = team(cx, org, slug)?;
            Ok(call.page(&cx.inner.options.base_url, members.iter().map(|login| cx.user(login)).collect()))
        }
        ["orgs", org, "teams", slug, "memberships", login] => {
            team_visible(cx, org)?;
            if !team(cx, org, slug)?.contains(&login.to_ascii_lowercase()) {
                return Err(Refusal::not_found());
            }
            let url = cx.api(&format!("/orgs/{org}/teams/{slug}/memberships/{login}"));
            Ok(Answer::ok(json!({ "url": url, "role": "member", "state": "active" })))
        }
        _ => Err(Refusal::not_found()),
    }
}

fn team<'a>(
    cx: &'a Cx<'_>,
    org: &str,
    slug: &str,
) -> std::result::Result<&'a std::collections::BTreeSet<String>, Refusal> {
    let key = (org.to_ascii_lowercase(), slug.to_owned());
    cx.world.teams.get(&key).map(|team| &team.members).ok_or_else(Refusal::not_found)
}

/// Team questions take `members: read` of an App installed on that organisation.
fn team_visible(cx: &Cx<'_>, org: &str) -> std::result::Result<(), Refusal> {
    cx.world.account(org).filter(|one| one.kind == AccountKind::Organization).ok_or_else(Refusal::not_found)?;
    match &cx.actor {
        Actor::User(_) => Ok(()),
        Actor::Installation(grant) => {
            let here = cx
                .world
                .installations
                .get(&grant.installation)
                .is_some_and(|one| one.account.eq_ignore_ascii_case(org));
            if here && grant.permissions.contains_key("members") { Ok(()) } else { Err(Refusal::forbidden()) }
        }
        _ => Err(Refusal::forbidden()),
    }
}
