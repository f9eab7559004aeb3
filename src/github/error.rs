//! What can go wrong with a call, by what to do about it.

use http::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::transport::BoxError;

/// Without a date from GitHub a throttled caller waits at least a minute (GitHub's own guidance).
const THROTTLE_WITHOUT_DATE: SignedDuration = SignedDuration::from_secs(60);
/// A date further away than this is a mistake of somebody's clock; primary limits reset within the hour.
const THROTTLE_AT_MOST: SignedDuration = SignedDuration::from_secs(2 * 3600);
/// Messages are for one line of a log or a comment.
const MAX_MESSAGE: usize = 500;

/// A call that did not do what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// What to do about it.
    pub kind: Kind,
    /// How far the trouble reaches.
    pub scope: Scope,
    /// What happened, in words; never holds a token.
    pub message: String,
}

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Try again with back-off: the network, a 5xx, something not yet visible.
    Transient,
    /// Send nothing for this installation before then.
    ThrottledUntil(Timestamp),
    /// We may not; a person must change something.
    Denied,
    /// It is not there (any more).
    Gone,
    /// The world moved: observe again.
    Conflict,
    /// GitHub does not accept what we wrote; trying again changes nothing.
    Invalid,
}

/// How far an error reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// This pull request, commit or branch.
    Pull,
    /// The repository.
    Repo,
    /// All of the installation.
    Installation,
    /// Everything: GitHub is away, or the App's own key is wrong.
    Global,
}

impl ApiError {
    /// An error in plain words, cut and cleaned of what looks like a secret.
    pub fn new(kind: Kind, scope: Scope, message: impl Into<String>) -> Self {
        Self { kind, scope, message: clean(&message.into()) }
    }

    /// GitHub could not be reached, or cut the connection: whether a write happened is unknown.
    pub(super) fn network(call: &str, error: &BoxError) -> Self {
        let mut words = error.to_string();
        let mut cause = error.source();
        // Hyper's outer errors say little; four levels reach the operating system's word.
        for _ in 0..4 {
            let Some(inner) = cause else { break };
            words = format!("{words}: {inner}");
            cause = inner.source();
        }
        Self::new(Kind::Transient, Scope::Global, format!("GitHub did not answer ({call}: {words})"))
    }

    /// An answer we do not understand.
    pub(super) fn unreadable(call: &str, why: &dyn std::fmt::Display) -> Self {
        Self::new(Kind::Transient, Scope::Pull, format!("GitHub's answer makes no sense ({call}: {why})"))
    }

    /// The same error, reaching at least this far.
    pub(super) fn reaching(mut self, scope: Scope) -> Self {
        self.scope = self.scope.max(scope);
        self
    }
}

#[derive(Deserialize, Default)]
struct Refusal {
    #[serde(default)]
    message: String,
    #[serde(default)]
    errors: Vec<serde_json::Value>,
}

/// GitHub's own words in a refused answer.
pub(super) fn words(body: &[u8]) -> String {
    let refusal: Refusal = serde_json::from_slice(body).unwrap_or_default();
    let more: Vec<&str> = refusal
        .errors
        .iter()
        .filter_map(|e| e["message"].as_str().or_else(|| e.as_str()).or(e["code"].as_str()))
        .collect();
    if more.is_empty() { refusal.message } else { format!("{}: {}", refusal.message, more.join("; ")) }
}

/// Turns a refused REST answer into an error.
pub(super) fn refused(call: &str, status: StatusCode, headers: &HeaderMap, body: &[u8], now: Timestamp) -> ApiError {
    let said = words(body);
    let words =
        if said.is_empty() { status.canonical_reason().unwrap_or("refused") } else { said.trim_end_matches('.') };
    let message = format!("{words} (GitHub, {call} {})", status.as_u16());
    if let Some(until) = throttled_until(status, headers, &said, now) {
        return ApiError::new(Kind::ThrottledUntil(until), Scope::Installation, message);
    }
    let lower = said.to_ascii_lowercase();
    let (kind, scope) = match status.as_u16() {
        401 => (Kind::Denied, Scope::Installation),
        403 if lower.contains("suspended") => (Kind::Denied, Scope::Installation),
        403 => (Kind::Denied, Scope::Repo),
        404 | 410 | 451 => (Kind::Gone, Scope::Pull),
        405 | 409 | 412 => (Kind::Conflict, Scope::Pull),
        408 | 425 | 500..=599 => (Kind::Transient, Scope::Pull),
        300..=399 => (Kind::Gone, Scope::Repo),
        _ => (Kind::Invalid, Scope::Pull),
    };
    ApiError::new(kind, scope, message)
}

/// Until when nothing may be sent, when the answer says that we send too much.
pub(super) fn throttled_until(
    status: StatusCode,
    headers: &HeaderMap,
    said: &str,
    now: Timestamp,
) -> Option<Timestamp> {
    if status != StatusCode::FORBIDDEN && status != StatusCode::TOO_MANY_REQUESTS {
        return None;
    }
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
    let soon = now + THROTTLE_WITHOUT_DATE;
    let until = if let Some(seconds) = number("retry-after") {
        now.checked_add(SignedDuration::from_secs(seconds.max(1))).ok()
    } else if number("x-ratelimit-remaining") == Some(0) {
        number("x-ratelimit-reset").and_then(|at| Timestamp::from_second(at).ok()).map(|at| at.max(now))
    } else if status == StatusCode::TOO_MANY_REQUESTS || said.to_ascii_lowercase().contains("rate limit") {
        Some(soon)
    } else {
        return None;
    };
    Some(until.unwrap_or(soon).min(now + THROTTLE_AT_MOST))
}

/// One entry of `errors` in a GraphQL answer.
#[derive(Debug, Deserialize)]
pub(super) struct GraphqlError {
    #[serde(default, rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(default)]
    message: String,
}

/// Turns the errors of a GraphQL answer (whose status is 200) into one error: the most telling of them.
pub(super) fn graphql(call: &str, errors: &[GraphqlError], headers: &HeaderMap, now: Timestamp) -> ApiError {
    let rank = |e: &GraphqlError| match e.kind.as_deref() {
        Some("RATE_LIMITED") => 0,
        Some("STALE_DATA") => 1,
        Some("FORBIDDEN" | "INSUFFICIENT_SCOPES") => 2,
        _ => 3,
    };
    let first = errors.iter().min_by_key(|e| rank(e));
    let said = first.map_or("an error without words", |e| e.message.as_str());
    let message = format!("{} (GitHub, {call})", said.trim_end_matches('.'));
    let (kind, scope) = match first.and_then(|e| e.kind.as_deref()).unwrap_or_default() {
        "RATE_LIMITED" => {
            let until = throttled_until(StatusCode::FORBIDDEN, headers, "rate limit", now);
            (Kind::ThrottledUntil(until.unwrap_or(now + THROTTLE_WITHOUT_DATE)), Scope::Installation)
        }
        "STALE_DATA" => (Kind::Conflict, Scope::Pull),
        "NOT_FOUND" => (Kind::Gone, Scope::Pull),
        "FORBIDDEN" | "INSUFFICIENT_SCOPES" => (Kind::Denied, Scope::Repo),
        "UNPROCESSABLE" => (Kind::Invalid, Scope::Pull),
        // GitHub answers "Something went wrong while executing your query" without a type when it runs out of time.
        "" => (Kind::Transient, Scope::Pull),
        _ => (Kind::Invalid, Scope::Pull),
    };
    ApiError::new(kind, scope, message)
}

/// Cuts a message to one line's length and blanks whatever looks like a token or a key.
fn clean(message: &str) -> String {
    let cut: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_MESSAGE).collect();
    let token = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let mut out = String::with_capacity(cut.len());
    let mut rest = cut.as_str();
    let prefixes = ["ghs_", "ghp_", "gho_", "ghu_", "ghr_", "github_pat_", "eyJ", "-----BEGIN"];
    while let Some((at, prefix)) = prefixes.iter().filter_map(|p| rest.find(p).map(|at| (at, *p))).min() {
        out.push_str(&rest[..at]);
        out.push_str("[secret]");
        rest = rest[at + prefix.len()..].trim_start_matches(token);
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-20T12:00:00Z".parse().unwrap()
    }

    fn refusal(status: u16, headers: &[(&'static str, &str)], body: &str) -> ApiError {
        let headers = headers.iter().map(|(k, v)| (http::HeaderName::from_static(k), v.parse().unwrap())).collect();
        refused("Merge", StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes(), now())
    }

    #[test]
    fn every_status_has_a_kind() {
        let throttled = |seconds| Kind::ThrottledUntil(now() + SignedDuration::from_secs(seconds));
        let reset = (now().as_second() + 90).to_string();
        for (status, headers, body, kind) in [
            (502, &[][..], "<html>", Kind::Transient),
            (404, &[], r#"{"message":"Not Found"}"#, Kind::Gone),
            (409, &[], r#"{"message":"Head branch was modified"}"#, Kind::Conflict),
            (405, &[], "{}", Kind::Conflict),
            (422, &[], r#"{"message":"Validation Failed","errors":[{"code":"custom","message":"no"}]}"#, Kind::Invalid),
            (403, &[], r#"{"message":"Resource not accessible by integration"}"#, Kind::Denied),
            (403, &[("retry-after", "7")], "{}", throttled(7)),
            (429, &[], "{}", throttled(60)),
            (403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", &reset)], "{}", throttled(90)),
            (403, &[], r#"{"message":"You have exceeded a secondary rate limit"}"#, throttled(60)),
            (403, &[("retry-after", "999999999")], "{}", throttled(7200)),
        ] {
            assert_eq!(refusal(status, headers, body).kind, kind, "{status} {body}");
        }
        assert_eq!(
            refusal(422, &[], r#"{"message":"Validation Failed","errors":[{"message":"too long"},"odd"]}"#).message,
            "Validation Failed: too long; odd (GitHub, Merge 422)"
        );
    }

    #[test]
    fn graphql_errors_hide_in_a_200() {
        let kind = |text: &str| {
            let errors: Vec<GraphqlError> = serde_json::from_str(text).unwrap();
            graphql("Pull", &errors, &HeaderMap::new(), now()).kind
        };
        assert_eq!(kind(r#"[{"type":"NOT_FOUND","message":"m"}]"#), Kind::Gone);
        assert_eq!(kind(r#"[{"type":"FORBIDDEN","message":"m"},{"type":"NOT_FOUND"}]"#), Kind::Denied);
        assert_eq!(kind(r#"[{"message":"Something went wrong"}]"#), Kind::Transient);
        assert_eq!(kind(r#"[{"type":"STALE_DATA","message":"m"}]"#), Kind::Conflict);
        assert!(matches!(kind(r#"[{"type":"RATE_LIMITED","message":"m"}]"#), Kind::ThrottledUntil(_)));
    }

    #[test]
    fn t39_messages_hold_no_token() {
        let long = format!("ghs_4711_{}.{}-x_y.z", "a".repeat(200), "b".repeat(250));
        let error = ApiError::new(Kind::Invalid, Scope::Pull, format!("bad `{long}` and ghp_abc\n-----BEGIN KEY"));
        assert_eq!(error.message, "bad `[secret]` and [secret] [secret] KEY");
    }
}
