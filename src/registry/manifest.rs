//! One question about one manifest, and what the answer says of its digest.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;
use sha2::{Digest as _, Sha256};
use tower::ServiceExt;

use super::error::RegistryError;
use crate::model::image::{Digest, ImageRef, RegistryHost};
use crate::transport::{self, HttpRequest, HttpService};

/// Registries answer in tens of milliseconds; the slowest that was met, Docker Hub on a bad day, in two seconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// The specification's bound for a manifest.
const MAX_MANIFEST: usize = 4 * 1024 * 1024;
/// Every form of an image, those for several architectures first: what is pinned must be what a node pulls.
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";
const DIGEST: &str = "docker-content-digest";

/// What came back.
pub(super) type Answer = (StatusCode, HeaderMap, Bytes);

/// A request for a manifest.
pub(super) fn request(method: &Method, uri: &str, authorization: Option<&HeaderValue>) -> Option<HttpRequest> {
    let mut builder = Request::builder()
        .method(method)
        .uri(uri)
        .header(http::header::ACCEPT, ACCEPT)
        .header(http::header::USER_AGENT, concat!("trunkline/", env!("CARGO_PKG_VERSION")));
    if let Some(authorization) = authorization {
        builder = builder.header(http::header::AUTHORIZATION, authorization);
    }
    builder.body(Full::default()).ok()
}

/// Sends one request to a registry, or to where it keeps its tokens: bounded in time and size, and never sent on elsewhere.
pub(super) async fn exchange(
    service: HttpService,
    host: &RegistryHost,
    request: HttpRequest,
) -> Result<Answer, RegistryError> {
    let bodyless = request.method() == Method::HEAD;
    let whole = async {
        let (parts, body) = service.oneshot(request).await?.into_parts();
        let body = if bodyless { Bytes::new() } else { transport::collect(body, MAX_MANIFEST).await? };
        Ok::<_, transport::BoxError>((parts.status, parts.headers, body))
    };
    match tokio::time::timeout(ANSWER_WITHIN, whole).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => {
            tracing::info!(registry = %host, %error, "a registry cannot be asked");
            Err(if transport::is_inside(&*error) {
                RegistryError::inside(host)
            } else {
                RegistryError::unreachable(host)
            })
        }
        Err(_) => Err(RegistryError::unreachable(host)),
    }
}

/// The digest of the manifest that was found; `None` when only its body could tell.
pub(super) fn digest(
    headers: &HeaderMap,
    body: &Bytes,
    (host, reference): (&RegistryHost, &ImageRef),
    method: &Method,
) -> Result<Option<Digest>, RegistryError> {
    let said: Option<Digest> = headers.get(DIGEST).and_then(|value| value.to_str().ok()?.parse().ok());
    let found = match (said, method) {
        (Some(digest), _) => digest,
        (None, &Method::GET) => {
            let hex: String = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
            format!("sha256:{hex}").parse().map_err(|_| RegistryError::unreadable(host, "its digest has no form"))?
        }
        (None, _) => return Ok(None),
    };
    match reference {
        ImageRef::Digest(asked) if *asked != found => {
            Err(RegistryError::unreadable(host, "it answers with another image than was asked for"))
        }
        _ => Ok(Some(found)),
    }
}
