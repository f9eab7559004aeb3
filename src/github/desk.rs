//! The issue that is the desk: found among what we opened, and written.

use serde::Deserialize;
use serde_json::json;

use super::calls::Op;
use super::client::Ask;
use super::error::ApiError;
use super::{GitHub, RepoAt};

/// Pages of 100 of what we opened, oldest first: the desk is opened before the first promotion, so it is on the first one.
const MAX_PAGES: usize = 5;

/// An issue we opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeskIssue {
    /// Its number.
    pub number: u64,
    /// Whether it is open.
    pub open: bool,
    /// Its text.
    pub body: String,
}

#[derive(Deserialize)]
struct Listed {
    number: u64,
    state: String,
    #[serde(default)]
    body: Option<String>,
    user: Option<User>,
    pull_request: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

#[derive(Deserialize)]
struct Number {
    number: u64,
}

impl GitHub {
    /// The issues that this App opened, pull requests left out, oldest first; open or closed.
    ///
    /// # Errors
    /// When GitHub does not answer well.
    pub async fn own_issues(&self, at: &RepoAt, slug: &str) -> Result<Vec<DeskIssue>, ApiError> {
        let login = format!("{slug}[bot]");
        let mut all = Vec::new();
        for page in 1..=MAX_PAGES {
            let ask = Ask::new(Op::Issues, at, &[&at.name.owner, &at.name.name]);
            let ask = ask.query("creator", &login).query("state", "all").query("sort", "created");
            let ask = ask.query("direction", "asc").query("per_page", "100").query("page", &page.to_string());
            let found: Vec<Listed> = self.client.send(ask).await?.json()?;
            let whole = found.len() == 100;
            // GitHub lists everything when it cannot read the filter, so what it lists is looked at again.
            let ours = found.into_iter().filter(|issue| {
                issue.pull_request.is_none() && issue.user.as_ref().is_some_and(|user| user.login == login)
            });
            all.extend(ours.map(|issue| DeskIssue {
                number: issue.number,
                open: issue.state == "open",
                body: issue.body.unwrap_or_default(),
            }));
            if !whole {
                break;
            }
        }
        all.sort_by_key(|issue| issue.number);
        Ok(all)
    }

    /// Opens an issue and returns its number.
    ///
    /// # Errors
    /// `Gone` where issues are switched off.
    pub async fn open_issue(&self, at: &RepoAt, title: &str, body: &str) -> Result<u64, ApiError> {
        let ask = Ask::new(Op::CreateIssue, at, &[&at.name.owner, &at.name.name]);
        let answer = self.client.send(ask.body(json!({ "title": title, "body": body }))).await?;
        Ok(answer.json::<Number>()?.number)
    }

    /// Gives an issue another text.
    ///
    /// # Errors
    /// When it is gone, or GitHub refuses.
    pub async fn edit_issue(&self, at: &RepoAt, number: u64, body: &str) -> Result<(), ApiError> {
        let ask = Ask::new(Op::UpdateIssue, at, &[&at.name.owner, &at.name.name, &number.to_string()]);
        self.client.send(ask.body(json!({ "body": body }))).await.map(drop)
    }
}
