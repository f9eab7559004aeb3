//! One request: its token, its pace, its limits, and what the answer means. octocrab carries it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use octocrab::{AuthState, OctoBody, Octocrab, OctocrabBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;

use super::auth::{App, Token, TokenKey, Tokens};
use super::calls::{Access, Level, Op, encode, fill};
use super::error::{self, ApiError, GraphqlError, Kind, Scope};
use super::pace::{Pacer, Sends};
use super::{Config, RepoAt};
use crate::clock::Clock;
use crate::model::id::InstallationId;
use crate::transport::{self, BoxError, HttpService, Transport};

/// GitHub itself gives a request ten seconds; twice that is a lost answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// Head and body together.
const WHOLE_WITHIN: Duration = Duration::from_secs(30);
/// A page of a hundred comments of 64 KiB is 6.4 MiB; JSON escapes may double it.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// Requests under way at once; GitHub allows 100 and asks for few.
const AT_ONCE: usize = 16;
/// A renamed repository redirects once; twice when the owner moved too.
const MAX_REDIRECTS: usize = 3;

/// Whose eyes a request is made with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Who {
    App,
    Installation(InstallationId),
    Repo(u64, u64),
}

impl From<&RepoAt> for Who {
    fn from(at: &RepoAt) -> Self {
        Who::Repo(at.installation.0, at.id.0)
    }
}

/// A request to make.
pub(super) struct Ask {
    op: Op,
    who: Who,
    path: String,
    body: Option<Value>,
}

impl Ask {
    /// A call with the values for the holes of its path.
    pub(super) fn new(op: Op, who: impl Into<Who>, values: &[&str]) -> Self {
        Self { op, who: who.into(), path: fill(op.call().path, values), body: None }
    }

    /// The same with one more query parameter.
    pub(super) fn query(mut self, name: &str, value: &str) -> Self {
        self.path.push(if self.path.contains('?') { '&' } else { '?' });
        self.path.push_str(name);
        self.path.push('=');
        encode(value, false, &mut self.path);
        self
    }

    /// The same with a body.
    pub(super) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }
}

/// A good answer.
pub(super) struct Answer {
    call: &'static str,
    pub(super) headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    /// Reads the body.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        serde_json::from_slice(&self.body).map_err(|error| ApiError::unreadable(self.call, &error))
    }
}

/// A refused call: the status when there was an answer, and what it means.
type Refused = (Option<StatusCode>, ApiError);

/// Sends requests.
pub(super) struct Client {
    octocrab: Octocrab,
    api: String,
    graphql: String,
    app: App,
    tokens: Tokens,
    pub(super) pacer: Pacer,
    pub(super) clock: Clock,
    gate: Arc<Semaphore>,
}

impl Client {
    /// A client of the GitHub at `config`, which is not asked anything yet.
    pub(super) fn new(config: &Config, clock: Clock, transport: &Transport) -> Result<Self, ApiError> {
        let broken = |message: String| ApiError::new(Kind::Invalid, Scope::Global, message);
        for url in [&config.api_url, &config.graphql_url] {
            let parsed: Uri = url.parse().map_err(|_| broken(format!("`{url}` is no address of GitHub's API")))?;
            if parsed.host().is_none() || parsed.authority().is_some_and(|a| a.as_str().contains('@')) {
                return Err(broken(format!("`{url}` is no address of GitHub's API")));
            }
        }
        let service = transport.service().map_err(|error| broken(format!("no TLS root certificates: {error}")))?;
        // Boxed, with a concrete error: otherwise the compiler does not see that octocrab's bounds hold.
        let carrier: BoxCloneSyncService<Request<OctoBody>, Response<Full<Bytes>>, std::io::Error> =
            BoxCloneSyncService::new(tower::service_fn(move |request| {
                let service = service.clone();
                async move { carry(service, request).await.map_err(std::io::Error::other) }
            }));
        let octocrab = OctocrabBuilder::new_empty()
            .with_service(carrier)
            .with_auth(AuthState::None)
            .build()
            .unwrap_or_else(|never: Infallible| match never {});
        let issuer = config.client_id.clone().unwrap_or_else(|| config.app_id.to_string());
        Ok(Self {
            octocrab,
            api: config.api_url.trim_end_matches('/').to_owned(),
            graphql: config.graphql_url.clone(),
            app: App::new(issuer, &config.private_key, clock.clone())?,
            tokens: Tokens::default(),
            pacer: Pacer::default(),
            clock,
            gate: Arc::new(Semaphore::new(AT_ONCE)),
        })
    }

    /// Makes a REST call; anything but a 2xx is an error.
    pub(super) async fn send(&self, ask: Ask) -> Result<Answer, ApiError> {
        let uri = format!("{}{}", self.api, ask.path);
        self.send_to(&uri, &ask).await
    }

    /// Makes a GraphQL call and reads its data; any error in the answer is an error, even beside data.
    pub(super) async fn graphql<T: DeserializeOwned>(
        &self,
        op: Op,
        who: impl Into<Who>,
        variables: Value,
    ) -> Result<T, ApiError> {
        let document = op.call().document.unwrap_or_default();
        self.graphql_text(op, who, document, variables).await
    }

    /// The same with a document built on the spot.
    pub(super) async fn graphql_text<T: DeserializeOwned>(
        &self,
        op: Op,
        who: impl Into<Who>,
        document: &str,
        variables: Value,
    ) -> Result<T, ApiError> {
        let who = who.into();
        let (answer, errors) = self.ask(op, who, document, variables).await?;
        self.data(op, who, &answer, &errors)
    }

    /// The same where one document asks about several things: what is gone is `null` in the data, and not an error.
    pub(super) async fn graphql_some<T: DeserializeOwned>(
        &self,
        op: Op,
        who: impl Into<Who>,
        document: &str,
        variables: Value,
    ) -> Result<T, ApiError> {
        let who = who.into();
        let (answer, mut errors) = self.ask(op, who, document, variables).await?;
        errors.retain(|error| error.kind.as_deref() != Some("NOT_FOUND"));
        self.data(op, who, &answer, &errors)
    }

    async fn ask(
        &self,
        op: Op,
        who: Who,
        document: &str,
        variables: Value,
    ) -> Result<(Answer, Vec<GraphqlError>), ApiError> {
        #[derive(Deserialize)]
        struct Errors {
            #[serde(default)]
            errors: Vec<GraphqlError>,
        }
        let body = json!({ "query": document, "variables": variables });
        let ask = Ask { op, who, path: String::new(), body: Some(body) };
        let answer = self.send_to(&self.graphql, &ask).await?;
        // Errors first: beside errors `data` may be null where our types expect a value.
        let Errors { errors } = answer.json()?;
        Ok((answer, errors))
    }

    fn data<T: DeserializeOwned>(
        &self,
        op: Op,
        who: Who,
        answer: &Answer,
        errors: &[GraphqlError],
    ) -> Result<T, ApiError> {
        #[derive(Deserialize)]
        struct Data<T> {
            data: Option<T>,
        }
        let name = op.call().name;
        if !errors.is_empty() {
            let error = error::graphql(name, errors, &answer.headers, self.clock.now());
            self.note_throttle(who, &error);
            return Err(error);
        }
        answer.json::<Data<T>>()?.data.ok_or_else(|| ApiError::unreadable(name, &"no data"))
    }

    /// A token for git, or whatever else speaks to GitHub for us.
    pub(super) async fn token(&self, who: Who, access: Access) -> Result<SecretString, ApiError> {
        let Some(key) = token_key(who, access) else { return self.app.jwt() };
        let now = self.clock.now();
        if let Some(wider) = access.served_by().and_then(|wider| token_key(who, wider))
            && let Some(token) = self.tokens.at_hand(wider, now).await
        {
            return Ok(token);
        }
        self.tokens.get(key, now, self.mint(key)).await
    }

    async fn mint(&self, key: TokenKey) -> Result<Token, ApiError> {
        let permissions = key.2.permissions();
        match self.mint_with(key, &permissions).await {
            // An account of one person has no teams, and grants nothing about them: what else there is must still work.
            Err(error) if error.kind == Kind::Invalid && permissions.len() > 1 => {
                let fewer: Vec<_> = permissions.iter().filter(|(name, _)| *name != "members").copied().collect();
                if fewer.len() == permissions.len() {
                    return Err(error);
                }
                self.mint_with(key, &fewer).await
            }
            minted => minted,
        }
    }

    async fn mint_with(
        &self,
        (installation, repository, _): TokenKey,
        permissions: &[(&'static str, Level)],
    ) -> Result<Token, ApiError> {
        #[derive(Deserialize)]
        struct Minted {
            token: String,
            expires_at: jiff::Timestamp,
        }
        self.pacer.admit(installation, Sends::Read, self.clock.now())?;
        let permissions: serde_json::Map<String, Value> =
            permissions.iter().map(|(name, level)| ((*name).to_owned(), level.as_str().into())).collect();
        let mut body = json!({ "permissions": permissions });
        if let Some(repository) = repository {
            body["repository_ids"] = json!([repository]);
        }
        let ask = Ask::new(Op::Token, Who::App, &[&installation.to_string()]).body(body);
        let uri = format!("{}{}", self.api, ask.path);
        let answer = self.exchange(&uri, &ask, &self.app.jwt()?).await.map_err(|(_, error)| error);
        let minted: Minted = answer
            .inspect_err(|error| self.note_throttle(Who::Installation(InstallationId(installation)), error))
            .map_err(|error| match error.kind {
                Kind::Gone | Kind::Denied | Kind::Invalid => error.reaching(Scope::Repo),
                _ => error,
            })?
            .json()?;
        Ok(Token { secret: minted.token.into(), expires: minted.expires_at })
    }

    async fn send_to(&self, uri: &str, ask: &Ask) -> Result<Answer, ApiError> {
        let access = ask.op.call().access;
        let key = token_key(ask.who, access);
        // Two rounds: a token that GitHub took back is replaced once.
        for last in [false, true] {
            let secret = self.token(ask.who, access).await?;
            if let Some((installation, ..)) = key {
                self.pacer.admit(installation, sends(ask.op), self.clock.now())?;
            }
            let answer = self.exchange(uri, ask, &secret).await;
            if let (Err((Some(StatusCode::UNAUTHORIZED), _)), Some(key), false) = (&answer, key, last) {
                self.tokens.drop_token(key, &secret).await;
                continue;
            }
            if let (Ok(answer), Some((installation, ..))) = (&answer, key) {
                self.pacer.heard(installation, &answer.headers);
            }
            return answer.map_err(|(_, error)| error).inspect_err(|error| self.note_throttle(ask.who, error));
        }
        Err(ApiError::unreadable(ask.op.call().name, &"neither token was accepted"))
    }

    fn note_throttle(&self, who: Who, error: &ApiError) {
        if let (Kind::ThrottledUntil(until), Who::Installation(InstallationId(id)) | Who::Repo(id, _)) =
            (error.kind, who)
        {
            self.pacer.block(id, until);
        }
    }

    /// Sends one request and follows the redirects of a read while they stay on the host.
    async fn exchange(&self, uri: &str, ask: &Ask, secret: &SecretString) -> Result<Answer, Refused> {
        let call = ask.op.call();
        let mut uri = uri.to_owned();
        for _ in 0..=MAX_REDIRECTS {
            let (status, headers, body) = self.once(&uri, ask, secret).await.map_err(|error| (None, error))?;
            if status.is_success() {
                return Ok(Answer { call: call.name, headers, body });
            }
            let next = redirect(&uri, status, &headers).filter(|_| call.method == Method::GET);
            match next {
                Some(next) => uri = next,
                None => {
                    let error = error::refused(call.name, status, &headers, &body, self.clock.now());
                    return Err((Some(status), error));
                }
            }
        }
        let message = format!("GitHub redirects in a circle ({})", call.name);
        Err((None, ApiError::new(Kind::Gone, Scope::Repo, message)))
    }

    async fn once(
        &self,
        uri: &str,
        ask: &Ask,
        secret: &SecretString,
    ) -> Result<(StatusCode, HeaderMap, Bytes), ApiError> {
        let call = ask.op.call();
        let lost = |error: &dyn std::fmt::Display| ApiError::network(call.name, &BoxError::from(error.to_string()));
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", secret.expose_secret()))
            .map_err(|_| ApiError::unreadable(call.name, &"a token that fits no header"))?;
        bearer.set_sensitive(true);
        let builder = Request::builder()
            .method(call.method.clone())
            .uri(uri)
            .header(http::header::AUTHORIZATION, bearer)
            .header(http::header::ACCEPT, "application/vnd.github+json")
            .header(http::header::USER_AGENT, concat!("trunkline/", env!("CARGO_PKG_VERSION")));
        let request = self.octocrab.build_request(builder, ask.body.as_ref()).map_err(|error| lost(&error))?;
        let _place = self.gate.acquire().await.map_err(|error| lost(&error))?;
        let response = self.octocrab.execute(request).await.map_err(|error| match error {
            octocrab::Error::Service { source, .. } => ApiError::network(call.name, &source),
            other => lost(&other),
        })?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| lost(&error))?.to_bytes();
        Ok((parts.status, parts.headers, body))
    }
}

/// What a call does to the limits; a call that writes and is not told apart here carries.
fn sends(op: Op) -> Sends {
    let call = op.call();
    match op {
        // They only tell, so promotions go first.
        Op::CreateDeployment | Op::SetDeployment => Sends::Talk,
        Op::Enqueue | Op::Dequeue => Sends::Carry,
        _ if call.access != Access::Work || call.method == Method::GET => Sends::Read,
        Op::CreateCheck | Op::UpdateCheck | Op::CreateComment | Op::UpdateComment | Op::Suggest | Op::React => {
            Sends::Talk
        }
        _ => Sends::Carry,
    }
}

fn token_key(who: Who, access: Access) -> Option<TokenKey> {
    match who {
        Who::App => None,
        Who::Installation(InstallationId(id)) => Some((id, None, access)),
        Who::Repo(installation, repository) => Some((installation, Some(repository), access)),
    }
}

/// Where a redirect leads, when it stays on the same scheme, host and port.
fn redirect(from: &str, status: StatusCode, headers: &HeaderMap) -> Option<String> {
    if !matches!(status.as_u16(), 301 | 302 | 307 | 308) {
        return None;
    }
    let from: Uri = from.parse().ok()?;
    let to: Uri = headers.get(http::header::LOCATION)?.to_str().ok()?.parse().ok()?;
    match (to.scheme(), to.authority()) {
        (None, None) => Some(format!("{}://{}{}", from.scheme_str()?, from.authority()?, to.path_and_query()?)),
        (scheme, authority) if scheme == from.scheme() && authority == from.authority() => Some(to.to_string()),
        _ => None,
    }
}

/// Carries one request of octocrab's over our transport, with limits on time and size.
async fn carry(service: HttpService, request: Request<OctoBody>) -> Result<Response<Full<Bytes>>, BoxError> {
    let (mut parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    // The true length is set where the request is sent; octocrab writes a second one for empty bodies.
    parts.headers.remove(http::header::CONTENT_LENGTH);
    let request = Request::from_parts(parts, Full::new(body));
    let whole = async {
        let answer = tokio::time::timeout(ANSWER_WITHIN, service.oneshot(request)).await;
        let (parts, body) = answer.map_err(|_| "no answer within 20 s")??.into_parts();
        let body = transport::collect(body, MAX_ANSWER).await?;
        Ok(Response::from_parts(parts, Full::new(body)))
    };
    tokio::time::timeout(WHOLE_WITHIN, whole).await.map_err(|_| "the answer took more than 30 s")?
}
