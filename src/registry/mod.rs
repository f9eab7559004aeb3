//! Image registries: whether an image is there, and under which digest. They are only ever read.
//!
//! The OCI distribution API over our own transport. A repository's configuration names the registry, so it is a stranger: only
//! public addresses are asked unless the operator lists the host (see `transport::guard`), no redirect is followed, answers are
//! bounded in time and size, and credentials go to the registry they are for and nowhere else.

mod auth;
mod config;
mod error;
mod manifest;
mod memory;

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::sync::Semaphore;

pub use config::{Config, Credentials, Listed};
pub use error::RegistryError;

use crate::clock::Clock;
use crate::model::image::{Digest, ImageName, ImageRef, ImageState, RegistryHost};
use crate::transport::{HttpService, Transport};

/// Requests under way at once to all registries: a pass asks for a handful of images, one after the other.
const AT_ONCE: usize = 8;

/// Everything we ask of registries; clones share tokens, pauses and memory.
#[derive(Clone)]
pub struct Registries {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    service: HttpService,
    clock: Clock,
    tokens: auth::Tokens,
    memory: memory::Memory,
    gate: Semaphore,
}

impl Registries {
    /// Nothing is asked yet; over the network only public places and what `config` lists can be reached.
    ///
    /// # Errors
    /// When the system has no root certificates.
    pub fn new(config: Config, clock: Clock, transport: &Transport) -> Result<Self, std::io::Error> {
        let service = match transport {
            Transport::Network => Transport::guarded(config.exempt())?.service()?,
            Transport::Service(_) => transport.service()?,
        };
        let (tokens, memory) = (auth::Tokens::default(), memory::Memory::default());
        let gate = Semaphore::new(AT_ONCE);
        Ok(Self { inner: Arc::new(Inner { config, service, clock, tokens, memory, gate }) })
    }

    /// Whether an image is in its registry, and under which digest.
    ///
    /// # Errors
    /// When the registry may not be asked, does not answer well, or does not let us see. The message names no secret and quotes
    /// nothing a registry said.
    pub async fn find(&self, image: &ImageName, reference: &ImageRef) -> Result<ImageState, RegistryError> {
        let inner = &self.inner;
        let now = inner.clock.now();
        let key = (image.clone(), reference.clone());
        if let Some(known) = inner.memory.known(&key, now) {
            return Ok(known);
        }
        inner.config.admit(&image.registry)?;
        inner.memory.is_paused(&image.registry, now)?;
        let _place = inner.gate.acquire().await.map_err(|_| RegistryError::unreachable(&image.registry))?;
        match inner.ask(image, reference).await {
            Ok(found) => Ok(inner.memory.remember(key, found, inner.clock.now())),
            Err(error) => {
                inner.memory.pause(&image.registry, &error, inner.clock.now());
                Err(error)
            }
        }
    }
}

impl Inner {
    /// The digest, or `None` when the registry does not have it.
    async fn ask(&self, image: &ImageName, reference: &ImageRef) -> Result<Option<Digest>, RegistryError> {
        let host = &image.registry;
        let mut method = Method::HEAD;
        let mut authorization = self.tokens.at_hand(image, self.clock.now()).await;
        let mut asked = false;
        // As often as there is something to change about the request: its authorization once, its method once.
        for _ in 0..3 {
            let uri = format!("{}/v2/{}/manifests/{reference}", self.config.endpoint(host), image.repository);
            let ask =
                manifest::request(&method, &uri, authorization.as_ref()).ok_or(RegistryError::unreachable(host))?;
            let (status, headers, body) = manifest::exchange(self.service.clone(), host, ask).await?;
            match status {
                StatusCode::OK => match manifest::digest(&headers, &body, (host, reference), &method)? {
                    Some(digest) => return Ok(Some(digest)),
                    None => method = Method::GET,
                },
                StatusCode::NOT_FOUND => return Ok(None),
                StatusCode::UNAUTHORIZED if !asked => {
                    asked = true;
                    authorization = Some(self.authorize(image, &headers, authorization).await?);
                }
                // Some do not know the method.
                StatusCode::METHOD_NOT_ALLOWED if method == Method::HEAD => method = Method::GET,
                _ => return Err(self.refused(image, status, &headers)),
            }
        }
        Err(RegistryError::unreadable(host, "it names no digest"))
    }

    fn refused(&self, image: &ImageName, status: StatusCode, headers: &HeaderMap) -> RegistryError {
        let host = &image.registry;
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                RegistryError::denied(image, self.config.credentials.of(image).is_some())
            }
            StatusCode::TOO_MANY_REQUESTS => RegistryError::busy(host, headers, self.clock.now()),
            status if status.is_redirection() => {
                RegistryError::unreadable(host, "it sends us to another place; list that registry instead")
            }
            status => RegistryError::answered(host, status),
        }
    }

    /// What to put into the header, once a registry has said what it wants there.
    async fn authorize(
        &self,
        image: &ImageName,
        headers: &HeaderMap,
        refused: Option<HeaderValue>,
    ) -> Result<HeaderValue, RegistryError> {
        let credential = self.config.credentials.of(image);
        match auth::challenge(headers) {
            Some(auth::Challenge::Basic) => {
                let basic = credential.and_then(|credential| credential.basic());
                basic.ok_or_else(|| RegistryError::denied(image, credential.is_some()))
            }
            Some(auth::Challenge::Bearer(wanted)) => {
                let mint = auth::mint(self, image, &wanted, credential);
                self.tokens.get(image, refused, self.clock.now(), mint).await
            }
            None => Err(RegistryError::unreadable(&image.registry, "it does not say how to sign in")),
        }
    }
}

impl std::fmt::Debug for Registries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Registries")
    }
}

/// Where a registry's API is: Docker Hub's is not where its name says.
fn api_host(host: &RegistryHost) -> &str {
    if host.as_str() == crate::model::image::DOCKER_HUB { "registry-1.docker.io" } else { host.as_str() }
}
