//! Who made the commits of the ledger, and whether GitHub signed for it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::calls::Op;
use super::client::Ask;
use super::error::{ApiError, Kind};
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
        let mut rows: Vec<Row> = Vec::new();
        for page in 1..=count.div_ceil(PAGE) {
            let ask = Ask::new(Op::Commits, at, &[&at.name.owner, &at.name.name])
                .query("sha", &tip.to_string())
                .query("per_page", &PAGE.to_string())
                .query("page", &page.to_string());
            let more: Vec<Row> = self.client.send(ask).await.map_err(lagging)?.json()?;
            let last = more.len() < PAGE;
            rows.extend(more);
            if last {
                break;
            }
        }
        let host = self.web_url.split_once("://").map_or(self.web_url.as_str(), |(_, rest)| rest);
        Ok(judge(&rows, &format!("{}[bot]", bot.slug), host))
    }
}

/// Who made which commit, given what we are called and where.
fn judge(rows: &[Row], login: &str, host: &str) -> BTreeMap<Oid, Writer> {
    let signs = host == "github.com"
        || host.ends_with(".ghe.com")
        || rows.iter().any(|row| row.names(login) && row.is_signed(host));
    let writer = |row: &Row| match (row.names(login), row.is_signed(host) || !signs) {
        (true, true) => Writer::Us,
        (true, false) => Writer::Other(format!("somebody in the name of {login}, without GitHub's signature,")),
        (false, _) => Writer::Other(row.who()),
    };
    rows.iter().map(|row| (row.sha, writer(row))).collect()
}

/// Git may have seen a commit before the API knows it.
fn lagging(error: ApiError) -> ApiError {
    match error.kind {
        Kind::Gone | Kind::Invalid => ApiError { kind: Kind::Transient, ..error },
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOT: &str = "7+trunkline[bot]@users.noreply.github.com";

    /// Who made a commit, as GitHub shows its account, the two addresses and the signature.
    fn told(host: &str, login: &str, author: &str, committer: &str, verified: bool) -> Writer {
        let row = |n: u8, login: &str, author: &str, committer: &str, verified: bool| {
            let person = |email: &str| serde_json::json!({ "name": "A name", "email": email });
            let commit = serde_json::json!({
                "author": person(author), "committer": person(committer), "verification": { "verified": verified },
            });
            let sha = Oid([n; 20]).to_string();
            serde_json::json!({ "sha": sha, "author": { "login": login }, "commit": commit })
        };
        let own = row(1, "trunkline[bot]", BOT, &format!("noreply@{host}"), host != "git.acme.test");
        let rows = serde_json::json!([own, row(2, login, author, committer, verified)]);
        let rows: Vec<Row> = serde_json::from_value(rows).unwrap();
        judge(&rows, "trunkline[bot]", host).remove(&Oid([2; 20])).unwrap()
    }

    #[test]
    fn t51_only_what_github_signed_for_us_is_ours() {
        let ours = |writer: Writer| writer == Writer::Us;
        for host in ["github.com", "signs.acme.test"] {
            assert!(ours(told(host, "trunkline[bot]", BOT, &format!("noreply@{host}"), true)));
            assert!(ours(told(host, "trunkline[bot]", BOT, BOT, true)));
            // Our name as author, on a commit nobody signed, or signed with a key of one's own.
            assert!(!ours(told(host, "trunkline[bot]", BOT, BOT, false)));
            assert!(!ours(told(host, "trunkline[bot]", BOT, "ben@acme.test", true)));
            assert!(!ours(told(host, "trunkline[bot]", BOT, "noreply@elsewhere.test", true)));
            // Written on GitHub's own page by a person.
            assert_eq!(told(host, "ben", "ben@acme.test", SIGNER, true), Writer::Other("ben".into()));
        }
        // Where nothing of ours is signed, a name is all there is.
        assert!(ours(told("git.acme.test", "trunkline[bot]", BOT, BOT, false)));
        assert!(!ours(told("git.acme.test", "ben", "ben@acme.test", "ben@acme.test", false)));
        assert!(!ours(told("github.com", "trunkline[bot]", BOT, BOT, false)));
    }
}
