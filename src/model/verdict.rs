//! Answers that explain themselves: a tree of reasons, of which comment, check, `/status` and audit trail are renderings.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Yes, not yet, or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// Nothing stands in the way.
    Yes,
    /// Something is awaited that can come by itself or from a person.
    Wait,
    /// It will not happen unless somebody changes something.
    No,
}

/// An answer with its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The answer.
    pub answer: Answer,
    /// The stable reason code, such as `held` or `tag-moved`, for machines and tests.
    pub code: String,
    /// The reason in one sentence, for people; plain text, escaped by whoever shows it.
    pub text: String,
    /// Who may do what next, when somebody can.
    pub next: Option<String>,
    /// When it is expected to change by itself: a wait ends, an opening closes.
    pub until: Option<Timestamp>,
    /// When to look again although nothing may have changed by then; nobody is shown it.
    #[serde(skip)]
    pub again: Option<Timestamp>,
    /// The reasons below this one.
    pub because: Vec<Verdict>,
}

impl Verdict {
    /// A verdict without reasons below it.
    pub fn new(answer: Answer, code: &str, text: impl Into<String>) -> Self {
        Self {
            answer,
            code: code.to_owned(),
            text: text.into(),
            next: None,
            until: None,
            again: None,
            because: Vec::new(),
        }
    }

    /// Nothing stands in the way.
    pub fn yes(code: &str, text: impl Into<String>) -> Self {
        Self::new(Answer::Yes, code, text)
    }

    /// Something is awaited.
    pub fn wait(code: &str, text: impl Into<String>) -> Self {
        Self::new(Answer::Wait, code, text)
    }

    /// Somebody must change something.
    pub fn no(code: &str, text: impl Into<String>) -> Self {
        Self::new(Answer::No, code, text)
    }

    /// Adds who may do what next.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// Adds when it is expected to change by itself.
    #[must_use]
    pub fn until(mut self, until: Timestamp) -> Self {
        self.until = Some(until);
        self
    }

    /// Adds when to look again.
    #[must_use]
    pub fn again(mut self, at: Timestamp) -> Self {
        self.again = Some(at);
        self
    }

    /// One verdict over several gates: the worst answer wins, and all reasons stay.
    #[must_use]
    pub fn all(code: &str, text: impl Into<String>, because: Vec<Verdict>) -> Self {
        let answer = because.iter().map(|v| v.answer).max().unwrap_or(Answer::Yes);
        Self { because, ..Self::new(answer, code, text) }
    }
}
