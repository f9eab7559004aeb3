//! The front door: which part of GitHub a request is for, who makes it, and what is written down of it.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use serde_json::Value;

use super::auth::{self, Actor};
use super::refusal::Refusal;
use super::smart::{self, GitCall, Service};
use super::{Sandbox, graphql, page, registry, rest};

/// A REST or GraphQL body: GitHub takes about 40 MB in one commit.
const BODY: usize = 45 * 1024 * 1024;

/// What the log remembers of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedRequest {
    /// The HTTP method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The status it was answered with.
    pub status: u16,
    /// `app`, `installation`, `user` or `none`.
    pub token: &'static str,
    /// Whose installation, for installation tokens.
    pub installation: Option<u64>,
    /// A GraphQL query by its name, a mutation by its field, for instance `createCommitOnBranch`.
    pub graphql: Option<String>,
}

/// One request, read.
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) raw_path: String,
    pub(crate) path: Vec<String>,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) body: Value,
    pub(crate) accept: String,
    /// What `X-GitHub-Stateless-S2S-Token` asks for.
    pub(crate) long_token: Option<bool>,
    pub(crate) stale: bool,
}

/// What is sent back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) link: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) raw: Option<Vec<u8>>,
}

impl Answer {
    /// A JSON answer.
    pub(crate) fn new(status: u16, body: Value) -> Self {
        Self { status, body, link: None, location: None, raw: None }
    }

    /// 200 with a body.
    pub(crate) fn ok(body: Value) -> Self {
        Self::new(200, body)
    }

    /// 204.
    pub(crate) fn empty() -> Self {
        Self::new(204, Value::Null)
    }
}

impl Call {
    /// The slice of `items` that was asked for, with GitHub's Link header.
    pub(crate) fn page(&self, base_url: &str, items: Vec<Value>) -> Answer {
        let (page, size) = self.paging();
        let last = items.len().div_ceil(size).max(1);
        let mut links = Vec::new();
        let mut link = |to: usize, rel: &str| {
            let mut query: Vec<String> = Vec::new();
            for (name, value) in self.query.iter().filter(|(name, _)| *name != "page") {
                query.push(format!("{name}={}", encode(value)));
            }
            query.push(format!("page={to}"));
            links.push(format!("<{base_url}{}?{}>; rel=\"{rel}\"", self.raw_path, query.join("&")));
        };
        if page > 1 {
            link(page - 1, "prev");
        }
        if page < last {
            link(page + 1, "next");
            link(last, "last");
        }
        if page > 1 {
            link(1, "first");
        }
        let slice = items.into_iter().skip((page - 1).saturating_mul(size)).take(size).collect();
        let link = (!links.is_empty()).then(|| links.join(", "));
        Answer { link, ..Answer::ok(Value::Array(slice)) }
    }

    /// The page asked for and its size, at most 100.
    pub(crate) fn paging(&self) -> (usize, usize) {
        let number = |name: &str, default: usize| {
            self.query.get(name).and_then(|text| text.parse().ok()).unwrap_or(default).max(1)
        };
        (number("page", 1), number("per_page", 30).min(100))
    }

    /// A string field of the body.
    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        self.body[field].as_str()
    }
}

/// Percent-encodes what a query or a path cannot hold.
pub(crate) fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' | b':' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// Reads percent-encoding; `+` is a space only in queries and forms.
pub(crate) fn decode(text: &str, plus: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match (bytes[at], hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) if plus => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Reads a query or a form.
pub(crate) fn pairs(text: &str) -> BTreeMap<String, String> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name, true), decode(value, true)))
        .collect()
}

/// The router: one door, because GitHub's paths hold refs and files with slashes.
pub(crate) fn router(sandbox: Sandbox) -> axum::Router {
    axum::Router::new().fallback(door).with_state(sandbox)
}

async fn door(State(sandbox): State<Sandbox>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let raw_path = parts.uri.path().to_owned();
    let path: Vec<String> =
        raw_path.split('/').filter(|part| !part.is_empty()).map(|part| decode(part, false)).collect();
    let query = pairs(parts.uri.query().unwrap_or_default());
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let segments: Vec<&str> = path.iter().map(String::as_str).collect();
    if let Some((owner, name, service, advertise)) = git_request(&segments, &query) {
        let Ok(body) = axum::body::to_bytes(body, smart::PUSH).await else { return plain(413, "push too large") };
        let protocol = header("git-protocol");
        let gzip = header("content-encoding").as_deref() == Some("gzip");
        let call = GitCall { repo: 0, service, advertise, protocol, gzip, body };
        return git(&sandbox, (owner, name), header("authorization").as_deref(), call).await;
    }
    let Ok(bytes) = axum::body::to_bytes(body, BODY).await else { return plain(413, "body too large") };
    let stale = header("x-sandbox-stale").as_deref() == Some("1");
    if let ["v2", below @ ..] = segments.as_slice() {
        return registry::answer(&sandbox, parts.method.as_str(), below, stale);
    }
    if segments.first() != Some(&"api") {
        let visit = page::Visit {
            method: parts.method.to_string(),
            path,
            form: pairs(&String::from_utf8_lossy(&bytes)),
            origin: header("origin").or_else(|| header("referer")),
            host: header("host"),
            cookie: header("cookie"),
        };
        return page::visit(&sandbox, &visit);
    }
    let call = Call {
        method: parts.method.to_string(),
        raw_path,
        path,
        query,
        body: Value::Null,
        accept: header("accept").unwrap_or_default(),
        long_token: header("x-github-stateless-s2s-token").map(|word| word == "enabled"),
        stale,
    };
    api(&sandbox, call, header("authorization").as_deref(), &bytes)
}

fn api(sandbox: &Sandbox, mut call: Call, authorization: Option<&str>, bytes: &Bytes) -> Response {
    let who = {
        let state = sandbox.lock();
        auth::actor(&sandbox.inner, &state.world, authorization)
    };
    let (token, installation) = match &who {
        Ok(Actor::App) => ("app", None),
        Ok(Actor::Installation(grant)) => ("installation", Some(grant.installation)),
        Ok(Actor::User(_)) => ("user", None),
        _ => ("none", None),
    };
    let mut graphql = None;
    let answer = who.and_then(|actor| {
        if !bytes.is_empty() {
            call.body = serde_json::from_slice(bytes).map_err(|_| Refusal::new(400, "Problems parsing JSON"))?;
        }
        let segments: Vec<&str> = call.path.iter().map(String::as_str).collect();
        match segments.as_slice() {
            ["api", "graphql"] if call.method == "POST" => {
                let (answer, operation) = graphql::answer(sandbox, actor, &call);
                graphql = operation;
                Ok(answer)
            }
            ["api", "v3", rest @ ..] if call.method == "GET" => {
                sandbox.read(actor, call.stale, |cx| rest::handle(cx, &call, rest))
            }
            ["api", "v3", rest @ ..] => sandbox.act(actor, |cx| rest::handle(cx, &call, rest)),
            _ => Err(Refusal::not_found()),
        }
    });
    let answer = answer.unwrap_or_else(|refusal| Answer::new(refusal.status, refusal.body()));
    sandbox.record(RecordedRequest {
        method: call.method,
        path: call.raw_path,
        status: answer.status,
        token,
        installation,
        graphql,
    });
    respond(sandbox, answer)
}

fn respond(sandbox: &Sandbox, answer: Answer) -> Response {
    let now = sandbox.inner.options.clock.now().as_second();
    let mut response = Response::builder()
        .status(answer.status)
        .header("x-github-media-type", "github.v3; format=json")
        .header("x-github-api-version-selected", "2022-11-28")
        .header("x-ratelimit-limit", "5000")
        .header("x-ratelimit-remaining", "4999")
        .header("x-ratelimit-used", "1")
        .header("x-ratelimit-resource", "core")
        .header("x-ratelimit-reset", now - now.rem_euclid(3600) + 3600);
    if let Some(location) = answer.location {
        response = response.header("location", location);
    }
    if let Some(link) = answer.link {
        response = response.header("link", link);
    }
    let body = match answer.raw {
        Some(raw) => Body::from(raw),
        None if answer.status == 204 || answer.status == 304 => Body::empty(),
        None => {
            response = response.header("content-type", "application/json; charset=utf-8");
            Body::from(answer.body.to_string())
        }
    };
    response.body(body).unwrap_or_else(|_| plain(500, "no answer"))
}

/// A few words as an answer.
pub(crate) fn plain(status: u16, text: &str) -> Response {
    let mut response = Response::new(Body::from(text.to_owned()));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response
}

fn git_request<'a>(path: &[&'a str], query: &BTreeMap<String, String>) -> Option<(&'a str, &'a str, Service, bool)> {
    match path {
        [owner, name, "info", "refs"] => {
            let service = Service::parse(query.get("service")?)?;
            Some((owner, name.trim_end_matches(".git"), service, true))
        }
        [owner, name, service] => Some((owner, name.trim_end_matches(".git"), Service::parse(service)?, false)),
        _ => None,
    }
}

async fn git(sandbox: &Sandbox, place: (&str, &str), authorization: Option<&str>, mut call: GitCall) -> Response {
    let found = {
        let state = sandbox.lock();
        let moved = || state.world.moved.get(&format!("{}/{}", place.0, place.1).to_lowercase()).copied();
        state.world.repo_named(place.0, place.1).map(|repo| repo.id).or_else(moved)
    };
    // What does not exist asks for a name first, as GitHub does, so that nobody can probe for private repositories.
    let admitted = match found {
        Some(repo) => {
            call.repo = repo;
            smart::admit(sandbox, authorization, repo, call.service)
        }
        None if authorization.is_none() => Err(Refusal::new(401, "Authentication required")),
        None => Err(Refusal::not_found()),
    };
    let answer = match admitted {
        Ok(actor) => smart::serve(sandbox, actor, call).await,
        Err(refusal) => Err(refusal),
    };
    answer.unwrap_or_else(|refusal| {
        let mut response = plain(refusal.status, &refusal.text());
        if refusal.status == 401 {
            let ask = http::HeaderValue::from_static("Basic realm=\"GitHub\"");
            response.headers_mut().insert("www-authenticate", ask);
        }
        response
    })
}
