//! Webhooks: what every write sets off, signed, logged, and held or posted.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::cx::Cx;
use super::refusal::Refusal;
use super::world::Logged;
use super::{Inner, Sandbox, State};

/// GitHub cuts the connection after this long.
const PATIENCE: Duration = Duration::from_secs(10);
/// GitHub's cap on one payload.
const PAYLOAD: usize = 25 * 1024 * 1024;
/// How many deliveries the log keeps; GitHub keeps three days of them.
const LOGGED: usize = 2_000;

/// One webhook, as it goes over the wire.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Its number in the App's list of deliveries.
    pub id: u64,
    /// What a redelivery repeats.
    pub guid: String,
    /// The event's name.
    pub event: String,
    /// What happened, for events that say.
    pub action: Option<String>,
    /// GitHub's headers, the signature among them.
    pub headers: Vec<(String, String)>,
    /// The raw bytes that were signed.
    pub body: Vec<u8>,
}

/// The hex HMAC-SHA256 of a body, as `X-Hub-Signature-256` shows it.
fn signature(secret: &str, body: &[u8]) -> String {
    // HMAC takes keys of any length, so this cannot fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(body);
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

fn guid(seed: &str) -> String {
    let hex: String = Sha256::digest(seed).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Events GitHub sends to every App, asked for or not.
fn always(event: &str, action: Option<&str>) -> bool {
    let own_checks = event == "check_suite" && matches!(action, Some("requested" | "rerequested"))
        || event == "check_run" && matches!(action, Some("rerequested" | "requested_action"));
    own_checks || matches!(event, "installation" | "installation_repositories" | "ping" | "github_app_authorization")
}

impl Cx<'_> {
    /// Tells the App what happened in a repository, if it listens and is installed there.
    pub(crate) fn emit(&mut self, repo: u64, event: &str, action: Option<&str>, more: Value) -> Result<(), Refusal> {
        let found = self.repo(repo)?;
        let Some(installation) = self.world.installation_of(found).map(|installation| installation.id) else {
            return Ok(());
        };
        let found = found.clone();
        let mut body = Map::new();
        if let Some(action) = action {
            body.insert("action".into(), action.into());
        }
        body.extend(more.as_object().cloned().unwrap_or_default());
        let whole = if event == "push" { self.push_repository(&found) } else { self.full_repository(&found) };
        body.insert("repository".into(), whole);
        if let Some(org) = self.organization(&found.owner) {
            body.insert("organization".into(), org);
        }
        self.send(Some(repo), Some(installation), event, action, body);
        Ok(())
    }

    /// Tells the App what happened to its installation.
    pub(crate) fn emit_installation(&mut self, installation: u64, event: &str, action: &str, more: Value) {
        let mut body = Map::new();
        body.insert("action".into(), action.into());
        if let Some(found) = self.world.installations.get(&installation) {
            body.insert("installation".into(), self.installation(&found.clone()));
        }
        body.extend(more.as_object().cloned().unwrap_or_default());
        self.send(None, Some(installation), event, Some(action), body);
    }

    fn send(
        &mut self,
        repo: Option<u64>,
        installation: Option<u64>,
        event: &str,
        action: Option<&str>,
        mut body: Map<String, Value>,
    ) {
        let app = &self.inner.options.app;
        if !app.events.contains(event) && !always(event, action) {
            return;
        }
        let (app_id, secret) = (app.id, self.inner.options.webhook_secret.clone());
        if !body.contains_key("installation")
            && let Some(installation) = installation
        {
            let node = format!("MDIzOkludGVncmF0aW9uSW5zdGFsbGF0aW9u{installation}");
            body.insert("installation".into(), json!({ "id": installation, "node_id": node }));
        }
        let login = self.login();
        body.insert("sender".into(), self.user(&login));
        let body = Value::Object(body).to_string().into_bytes();
        // A bigger event is not delivered at all.
        if body.len() > PAYLOAD {
            return;
        }
        let id = self.world.id();
        let guid = guid(&format!("{id} {}", self.now));
        let header = |name: &str, value: String| (name.to_owned(), value);
        let headers = vec![
            header("Content-Type", "application/json".into()),
            header("User-Agent", "GitHub-Hookshot/sandbox".into()),
            header("X-GitHub-Delivery", guid.clone()),
            header("X-GitHub-Event", event.into()),
            header("X-GitHub-Hook-ID", "1".into()),
            header("X-GitHub-Hook-Installation-Target-ID", app_id.to_string()),
            header("X-GitHub-Hook-Installation-Target-Type", "integration".into()),
            header("X-Hub-Signature-256", signature(&secret, &body)),
        ];
        let action = action.map(str::to_owned);
        let delivery = Delivery { id, guid, event: event.into(), action, headers, body };
        let at = self.now;
        let logged = Logged { delivery, installation, repository: repo, at, redelivery: false, status_code: None };
        self.world.deliveries.insert(id, Arc::new(logged));
        while self.world.deliveries.len() > LOGGED {
            self.world.deliveries.pop_first();
        }
        self.sent.push(id);
    }

    /// Sends a delivery once more, with its old GUID.
    pub(crate) fn redeliver(&mut self, id: u64) -> Result<(), Refusal> {
        let mut again = self.world.deliveries.get(&id).map(|one| Logged::clone(one)).ok_or_else(Refusal::not_found)?;
        let id = self.world.id();
        again.delivery.id = id;
        again.at = self.now;
        again.redelivery = true;
        again.status_code = None;
        self.world.deliveries.insert(id, Arc::new(again));
        self.sent.push(id);
        Ok(())
    }
}

/// Gives a delivery to the postman, or holds it.
pub(crate) fn hand_over(inner: &Inner, state: &mut State, id: u64) {
    match &inner.outbox {
        // A full outbox loses the delivery, as GitHub may; the log says so.
        Some(outbox) => {
            if outbox.try_send(id).is_err()
                && let Some(logged) = state.world.deliveries.get_mut(&id)
            {
                Arc::make_mut(logged).status_code = Some(502);
            }
        }
        None => {
            state.held.push_back(id);
            // What nobody takes is forgotten from the front, and stays in the log as undelivered.
            while state.held.len() > LOGGED {
                state.held.pop_front();
            }
        }
    }
}

/// Posts deliveries one by one: ten seconds each, never a second try.
pub(crate) async fn deliver(inner: Weak<Inner>, url: String, mut inbox: mpsc::Receiver<u64>) {
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    while let Some(id) = inbox.recv().await {
        let Some(inner) = inner.upgrade() else { return };
        let sandbox = Sandbox { inner };
        let Some(delivery) = sandbox.lock().world.deliveries.get(&id).map(|logged| logged.delivery.clone()) else {
            continue;
        };
        let mut request = http::Request::post(&url);
        for (name, value) in &delivery.headers {
            request = request.header(name, value);
        }
        let status = match request.body(Full::new(Bytes::from(delivery.body))) {
            Ok(request) => match tokio::time::timeout(PATIENCE, client.request(request)).await {
                Ok(Ok(response)) => response.status().as_u16(),
                Ok(Err(_)) => 502,
                Err(_) => 504,
            },
            Err(_) => 400,
        };
        sandbox.mark_delivered(id, status);
    }
}

impl Sandbox {
    /// Takes the deliveries held so far, oldest first; each goes on as "not delivered" in the App's list until
    /// [`Sandbox::mark_delivered`] says otherwise.
    pub fn take_deliveries(&self) -> Vec<Delivery> {
        let mut state = self.lock();
        let held = std::mem::take(&mut state.held);
        held.into_iter().filter_map(|id| state.world.deliveries.get(&id).map(|one| one.delivery.clone())).collect()
    }

    /// Writes down how a delivery went, for the App's list of deliveries.
    pub fn mark_delivered(&self, id: u64, status_code: u16) {
        if let Some(logged) = self.lock().world.deliveries.get_mut(&id) {
            Arc::make_mut(logged).status_code = Some(status_code);
        }
    }
}
