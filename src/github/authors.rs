//! Who made the commits of the ledger, and whether GitHub signed for it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::calls::Op;
use super::client::Ask;
use super::error::ApiError;
use super::{GitHub, RepoAt};
use crate::model::authorship::Writer;
use crate::model::id::Oid;
use crate::model::snapshot::Bot;

/// Commits on a page.
const PAGE: usize = 100;
/// A name longer than this is cut where it is shown.
const MAX_NAME: usize = 60;
/// What GitHub's own commits are signed as; on a server of one's own it is `noreply` at its host.
const SIGNER: &str = "noreply@github.com";

#[derive(Deserialize)]
struct Row {
    sha: Oid,
    author: Option<Account>,
    commit: Inner,
}

#[derive(Deserialize)]
struct Account {
    login: String,
}

#[derive(Deserialize)]
struct Inner {
    author: Option<Person>,
    committer: Option<Person>,
    verification: Option<Verification>,
}

#[derive(Deserialize)]
struct Person {
    name: Option<String>,
    email: Option<String>,
}

#[derive(Deserialize)]
struct Verification {
    verified: bool,
}

impl Row {
    fn names(&self, login: &str) -> bool {
        self.author.as_ref().is_some_and(|account| account.login.eq_ignore_ascii_case(login))
    }

    /// Signed with a key that is nobody's but GitHub's: anybody may name the App as author and sign with a key of their own.
    fn is_signed(&self, host: &str) -> bool {
        let mail =
            |person: &Option<Person>| person.as_ref().and_then(|person| person.email.clone()).unwrap_or_default();
        let (author, committer) = (mail(&self.commit.author), mail(&self.commit.committer));
        let by_github = committer == SIGNER || committer == format!("noreply@{host}") || committer == author;
        by_github && self.commit.verification.as_ref().is_some_and(|one| one.verified)
    }

    fn who(&self) -> String {
        let name = || self.commit.author.as_ref().and_then(|person| person.name.clone());
        let name = self.author.as_ref().map(|account| account.login.clone()).or_else(name);
        let name = name.unwrap_or_else(|| "somebody".to_owned());
        name.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect()
    }
}

impl GitHub {
    /// Who made the newest commits of the ledger before `tip`, itself included, at least these many as far as there are so many.
    ///
    /// A server that signs none of our commits (GitHub Enterprise Server, unless its administrator turned web commit signing on) is
    /// taken at the author's word, since it knows no better; github.com never is.
    ///
    /// # Errors
    /// When GitHub does not answer well.
    pub async fn ledger_writers(
        &self,
        at: &RepoAt,
        (tip, count): (Oid, usize),
        bot: &Bot,
    ) -> Result<BTreeMap<Oid, Writer>, ApiError> {
        let host = self.web_url.split_once("://").map_or(self.web_url.as_str(), |(_, rest)| rest);
        let login = format!("{}[bot]", bot.slug);
        let mut rows: Vec<Row> = Vec::new();
        for page in 1..=count.div_ceil(PAGE) {
            let ask = Ask::new(Op::Commits, at, &[&at.name.owner, &at.name.name])
                .query("sha", &tip.to_string())
                .query("per_page", &PAGE.to_string())
                .query("page", &page.to_string());
            let more: Vec<Row> = self.client.send(ask).await?.json()?;
            let last = more.len() < PAGE;
            rows.extend(more);
            if last {
                break;
            }
        }
        let signs = host == "github.com"
            || host.ends_with(".ghe.com")
            || rows.iter().any(|row| row.names(&login) && row.is_signed(host));
        let writer = |row: &Row| match (row.names(&login), row.is_signed(host) || !signs) {
            (true, true) => Writer::Us,
            (true, false) => Writer::Other(format!("somebody in the name of {login}, without GitHub's signature,")),
            (false, _) => Writer::Other(row.who()),
        };
        Ok(rows.iter().map(|row| (row.sha, writer(row))).collect())
    }
}
