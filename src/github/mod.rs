//! GitHub: observe, apply, App auth, rate budget. The only user of octocrab.
//!
//! octocrab carries requests and serialises bodies; its retry, token cache, HTTP cache and pagination stay off, because each
//! of them repeated a write, leaked across installations, or lost the token on GitHub Enterprise when it was tried. A call is
//! a row in [`CALLS`]; it is made once, and what went wrong comes back as an [`ApiError`] whose kind says what to do.

mod apply;
mod arrival;
mod auth;
mod authors;
mod calls;
mod changes;
mod client;
mod commits;
mod deployments;
mod desk;
mod ended;
mod error;
mod hooks;
mod labels;
mod merging;
mod observe;
mod pace;
mod people;
mod reviews;
mod rules;
mod wire;

use std::sync::Arc;

use secrecy::SecretString;

pub use apply::reply_marker;
pub use calls::{Access, CALLS, Call, EVENTS, Level};
pub use changes::{CameWith, File, came_with, files};
pub use desk::DeskIssue;
pub use error::{ApiError, Kind, Scope};
pub use hooks::Redelivered;
pub use observe::RepoListing;
pub use pace::Budget;

use crate::clock::Clock;
use crate::model::id::{InstallationId, RepoId, RepoName};
use crate::transport::Transport;

/// Which GitHub, and who we are there.
#[derive(Debug, Clone)]
pub struct Config {
    /// The REST API without trailing slash: `https://api.github.com`, or `https://<host>/api/v3`.
    pub api_url: String,
    /// The GraphQL API: `https://api.github.com/graphql`, or `https://<host>/api/graphql`.
    pub graphql_url: String,
    /// Where people and git go: `https://github.com`, or `https://<host>`.
    pub web_url: String,
    /// The App's number.
    pub app_id: u64,
    /// The App's client id, which GitHub prefers as the issuer of its JWTs.
    pub client_id: Option<String>,
    /// The App's private key, as PEM.
    pub private_key: SecretString,
}

/// A repository as calls address it: the numbers are who it is, the name is where it is today.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepoAt {
    /// Its installation.
    pub installation: InstallationId,
    /// Its number.
    pub id: RepoId,
    /// Its name.
    pub name: RepoName,
}

/// A connection to GitHub; clones share tokens and pace.
#[derive(Clone)]
pub struct GitHub {
    client: Arc<client::Client>,
    app_id: u64,
    web_url: String,
}

impl std::fmt::Debug for GitHub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GitHub({}, app {})", self.web_url, self.app_id)
    }
}

impl GitHub {
    /// A connection that has not asked anything yet; must be called inside a tokio runtime, which octocrab wants.
    ///
    /// # Errors
    /// When an address or the private key cannot be read.
    pub fn new(config: &Config, clock: Clock, transport: &Transport) -> Result<Self, ApiError> {
        let client = client::Client::new(config, clock, transport)?;
        let web_url = config.web_url.trim_end_matches('/').to_owned();
        Ok(Self { client: Arc::new(client), app_id: config.app_id, web_url })
    }

    /// A token for one repository, for instance to fetch it by git as the user `x-access-token`.
    ///
    /// # Errors
    /// When GitHub does not give one.
    pub async fn token(&self, at: &RepoAt, access: Access) -> Result<SecretString, ApiError> {
        self.client.token(at.into(), access).await
    }

    /// The address git fetches a repository from.
    pub fn git_url(&self, at: &RepoAt) -> String {
        let path = calls::fill(calls::Op::Fetch.call().path, &[&at.name.owner, &at.name.name]);
        format!("{}{}", self.web_url, path.trim_end_matches("/git-upload-pack"))
    }

    /// What is left of an installation's budgets, as far as GitHub said and we counted.
    pub fn budget(&self, installation: InstallationId) -> Budget {
        self.client.pacer.budget(installation.0, self.client.clock.now())
    }
}
