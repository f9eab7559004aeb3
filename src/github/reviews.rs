//! Our own reviews: found among all there are, and written.

use serde::Deserialize;
use serde_json::{Value, json};

use super::calls::Op;
use super::client::Ask;
use super::error::{ApiError, Kind, Scope};
use super::{GitHub, RepoAt};
use crate::model::id::Oid;
use crate::model::suggestion::{Remark, Review};

/// Pages of 100 reviews. A pull request with more is no place for further ones of ours.
const MAX_PAGES: usize = 5;

#[derive(Deserialize)]
struct Listed {
    user: Option<User>,
    body: Option<String>,
    commit_id: Option<Oid>,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

#[derive(Deserialize)]
struct Id {
    id: u64,
}

impl GitHub {
    /// Our reviews of a pull request, oldest first: the commit each is about, and its text.
    ///
    /// # Errors
    /// When GitHub does not answer well, or there are more than are read: then nobody knows what was said.
    pub async fn own_reviews(
        &self,
        at: &RepoAt,
        number: u64,
        slug: &str,
    ) -> Result<Vec<(Option<Oid>, String)>, ApiError> {
        let login = format!("{slug}[bot]");
        let mut all = Vec::new();
        for page in 1..=MAX_PAGES {
            let ask = Ask::new(Op::Reviews, at, &[&at.name.owner, &at.name.name, &number.to_string()]);
            let ask = ask.query("per_page", "100").query("page", &page.to_string());
            let found: Vec<Listed> = self.client.send(ask).await?.json()?;
            let whole = found.len() == 100;
            let ours = found.into_iter().filter(|one| one.user.as_ref().is_some_and(|user| user.login == login));
            all.extend(ours.map(|one| (one.commit_id, one.body.unwrap_or_default())));
            if !whole {
                return Ok(all);
            }
        }
        Err(ApiError::new(Kind::Invalid, Scope::Pull, "there are more reviews than are read"))
    }

    /// Writes a review that neither approves nor blocks, with its remarks, and returns its number.
    ///
    /// # Errors
    /// `Invalid` when a remark is not on lines that the pull request's changes show, or the head is none of its commits.
    pub async fn suggest(&self, at: &RepoAt, review: &Review) -> Result<u64, ApiError> {
        let body = json!({
            "commit_id": review.head.to_string(),
            "event": "COMMENT",
            "body": review.body,
            "comments": review.remarks.iter().map(remark).collect::<Vec<_>>(),
        });
        let ask = Ask::new(Op::Suggest, at, &[&at.name.owner, &at.name.name, &review.number.to_string()]);
        Ok(self.client.send(ask.body(body)).await?.json::<Id>()?.id)
    }
}

fn remark(remark: &Remark) -> Value {
    let mut told = json!({ "path": remark.path, "line": remark.last, "side": "RIGHT", "body": remark.body });
    if remark.first < remark.last {
        told["start_line"] = remark.first.into();
        told["start_side"] = "RIGHT".into();
    }
    told
}
