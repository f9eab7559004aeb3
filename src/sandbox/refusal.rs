//! How GitHub says no: one shape for every refusal, by REST and by GraphQL.

use serde_json::{Value, json};

/// A request refused, with GitHub's status and words.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) message: String,
    pub(crate) errors: Vec<Value>,
    /// GraphQL's word for the kind of error.
    pub(crate) kind: &'static str,
}

impl Refusal {
    /// A refusal in plain words.
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        let kind = match status {
            403 => "FORBIDDEN",
            404 => "NOT_FOUND",
            409 => "STALE_DATA",
            _ => "UNPROCESSABLE",
        };
        Self { status, message: message.into(), errors: Vec::new(), kind }
    }

    /// The same, of another GraphQL kind.
    pub(crate) fn of_kind(mut self, kind: &'static str) -> Self {
        self.kind = kind;
        self
    }

    /// "There is no such thing", also for what the caller may not see.
    pub(crate) fn not_found() -> Self {
        Self::new(404, "Not Found")
    }

    /// The App lacks a permission.
    pub(crate) fn forbidden() -> Self {
        Self::new(403, "Resource not accessible by integration")
    }

    /// Nobody knows who is asking.
    pub(crate) fn bad_credentials() -> Self {
        Self::new(401, "Bad credentials")
    }

    /// A field that breaks a rule.
    pub(crate) fn invalid(resource: &str, field: &str, message: impl Into<String>) -> Self {
        let mut refusal = Self::new(422, "Validation Failed");
        refusal.errors.push(json!({
            "resource": resource, "field": field, "code": "custom", "message": message.into()
        }));
        refusal
    }

    /// A field that breaks GitHub's request schema.
    pub(crate) fn schema(message: impl Into<String>) -> Self {
        let message = message.into();
        Self::new(422, format!("Invalid request.\n\n{message}"))
    }

    /// A rule told in plain words under "Validation Failed".
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        let mut refusal = Self::new(422, "Validation Failed");
        refusal.errors.push(json!({ "resource": "PullRequest", "code": "custom", "message": message.into() }));
        refusal
    }

    /// The whole text: the message and what its errors say.
    pub(crate) fn text(&self) -> String {
        let more: Vec<&str> = self.errors.iter().filter_map(|error| error["message"].as_str()).collect();
        if more.is_empty() { self.message.clone() } else { format!("{}: {}", self.message, more.join("; ")) }
    }

    /// The body of the answer.
    pub(crate) fn body(&self) -> Value {
        let mut body = json!({
            "message": self.message,
            "documentation_url": "https://docs.github.com/rest",
            "status": self.status.to_string(),
        });
        if !self.errors.is_empty() {
            body["errors"] = Value::Array(self.errors.clone());
        }
        body
    }
}

impl From<git2::Error> for Refusal {
    fn from(error: git2::Error) -> Self {
        match error.code() {
            git2::ErrorCode::NotFound => Refusal::not_found(),
            _ => Refusal::new(422, format!("git: {}", error.message())),
        }
    }
}
