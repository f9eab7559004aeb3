//! The small web page: what a person would see and press on GitHub, rendered on the server, on loopback only.

mod act;
mod clean;
mod frame;
mod look;
mod pull;

use std::collections::BTreeMap;

use axum::response::Response;

use super::Sandbox;
use super::auth::Actor;
use super::cx::Cx;
use super::http::plain;
use super::refusal::Refusal;
use frame::Page;

/// One visit of the page.
pub(crate) struct Visit {
    pub(crate) method: String,
    pub(crate) path: Vec<String>,
    pub(crate) form: BTreeMap<String, String>,
    pub(crate) origin: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) cookie: Option<String>,
}

impl Visit {
    /// Who the visitor acts as: chosen in the form, remembered in a cookie, else the first person there is.
    fn who(&self, cx: &Cx<'_>) -> String {
        let remembered = self.cookie.as_deref().into_iter().flat_map(|text| text.split(';'));
        let remembered = remembered.filter_map(|pair| pair.trim().strip_prefix("as=")).map(str::to_owned).next();
        let chosen = self.form.get("as").cloned().or(remembered);
        chosen
            .filter(|login| cx.world.account(login).is_some())
            .unwrap_or_else(|| frame::people(cx).first().cloned().unwrap_or_else(|| "ghost".into()))
    }
}

/// The host of an address, without its port.
fn host(text: &str) -> &str {
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    text.split('/').next().unwrap_or_default()
}

/// Only loopback is served, and only its own pages may send forms: no other site can press a button here.
fn admitted(visit: &Visit) -> bool {
    let Some(own) = visit.host.as_deref() else { return false };
    let name = own.rsplit_once(':').map_or(own, |(name, _)| name);
    if !["127.0.0.1", "localhost", "[::1]"].contains(&name) {
        return false;
    }
    visit.method == "GET" || visit.origin.as_deref().is_some_and(|origin| host(origin) == own)
}

/// Answers a visit.
pub(crate) fn visit(sandbox: &Sandbox, visit: &Visit) -> Response {
    if !admitted(visit) {
        return plain(403, "This page answers only on loopback, and only to its own forms.");
    }
    let path: Vec<&str> = visit.path.iter().map(String::as_str).collect();
    if visit.method == "POST" {
        return match act::act(sandbox, visit, &path) {
            Ok((to, who)) => redirect(&to, &who),
            Err(refusal) => refused(sandbox, visit, &refusal),
        };
    }
    if visit.method != "GET" {
        return plain(405, "Method Not Allowed");
    }
    let page = sandbox.read(Actor::Anonymous, false, |cx| look::look(cx, visit, &path));
    match page {
        Ok(page) => html(200, page),
        Err(refusal) => refused(sandbox, visit, &refusal),
    }
}

fn refused(sandbox: &Sandbox, visit: &Visit, refusal: &Refusal) -> Response {
    let page = sandbox.read(Actor::Anonymous, false, |cx| {
        let text = format!("<p class=\"flash\">{}</p><p><a href=\"/\">Home</a></p>", clean::escape(&refusal.text()));
        frame::frame(cx, visit, &Page { title: "That did not work".into(), crumbs: String::new(), body: text })
    });
    html(refusal.status, page)
}

fn html(status: u16, text: String) -> Response {
    let mut response = plain(status, &text);
    let headers = response.headers_mut();
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        // No script anywhere; the one stylesheet is inline; forms go only here.
        (
            "content-security-policy",
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        ),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
    ] {
        headers.insert(name, http::HeaderValue::from_static(value));
    }
    response
}

fn redirect(to: &str, who: &str) -> Response {
    let mut response = plain(303, "");
    if let Ok(value) = http::HeaderValue::from_str(to) {
        response.headers_mut().insert("location", value);
    }
    if let Ok(value) = http::HeaderValue::from_str(&format!("as={who}; Path=/; SameSite=Strict; HttpOnly")) {
        response.headers_mut().insert("set-cookie", value);
    }
    response
}
