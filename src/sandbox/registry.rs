//! A small image registry beside the GitHub: it tells which images there are, to anybody, and takes none over the wire.
//!
//! It answers for every host: in this process `ghcr.io/acme/shop` is its `acme/shop`, so that nothing needs the network.

use std::collections::BTreeMap;
use std::convert::Infallible;

use axum::body::Body;
use axum::response::Response;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tower::ServiceExt as _;

use super::Sandbox;
use super::auth::Actor;
use super::http::plain;
use crate::transport::{HttpRequest, Transport};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// One image: what its tags name, and its manifests by their digest.
#[derive(Debug, Clone, Default)]
pub(crate) struct Image {
    tags: BTreeMap<String, String>,
    manifests: BTreeMap<String, String>,
}

impl Sandbox {
    /// A build pushes an image, under a tag that may have named another one; the answer is its digest. Equal content is the same image.
    pub fn push_image(&self, image: &str, tag: &str, content: &str) -> String {
        let config = digest(content);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": content.len() },
            "layers": [],
        });
        let manifest = manifest.to_string();
        let digest = digest(&manifest);
        let mut state = self.lock();
        let image = state.world.images.entry(name(image).to_owned()).or_default();
        image.tags.insert(tag.to_owned(), digest.clone());
        image.manifests.insert(digest.clone(), manifest);
        digest
    }

    /// Somebody deletes an image by its tag or its digest, and every tag that named it.
    pub fn delete_image(&self, image: &str, reference: &str) {
        let mut state = self.lock();
        let Some(image) = state.world.images.get_mut(name(image)) else { return };
        let digest = image.tags.get(reference).cloned().unwrap_or_else(|| reference.to_owned());
        image.tags.retain(|_, names| *names != digest);
        image.manifests.remove(&digest);
    }

    /// The way to the registry inside this process, whatever host an image names.
    pub fn registry(&self) -> Transport {
        let router = self.router();
        Transport::of(tower::service_fn(move |request: HttpRequest| {
            let answer = router.clone().oneshot(request.map(Body::new));
            async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
        }))
    }
}

fn digest(text: &str) -> String {
    let hex: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// An image's name without its host.
fn name(image: &str) -> &str {
    image.split_once('/').filter(|(host, _)| host.contains(['.', ':'])).map_or(image, |(_, name)| name)
}

/// Answers what `/v2/…` is asked.
pub(super) fn answer(sandbox: &Sandbox, method: &str, path: &[&str], stale: bool) -> Response {
    if method != "GET" && method != "HEAD" {
        return refused(405, "UNSUPPORTED", "images are pushed by the sandbox's own people");
    }
    let [name @ .., "manifests", reference] = path else {
        return if path.is_empty() { plain(200, "{}") } else { refused(404, "UNSUPPORTED", "no such operation") };
    };
    let found = sandbox.read(Actor::Anonymous, stale, |cx| {
        let image = cx.world.images.get(&name.join("/"))?;
        let digest = image.tags.get(*reference).map_or(*reference, String::as_str);
        Some((digest.to_owned(), image.manifests.get(digest)?.clone()))
    });
    let Some((digest, manifest)) = found else {
        return refused(404, "MANIFEST_UNKNOWN", "manifest unknown");
    };
    let response = Response::builder()
        .header("content-type", MANIFEST)
        .header("docker-content-digest", digest)
        .header("docker-distribution-api-version", "registry/2.0")
        .header("content-length", manifest.len());
    let body = if method == "HEAD" { Body::empty() } else { Body::from(manifest) };
    response.body(body).unwrap_or_else(|_| plain(500, "no answer"))
}

fn refused(status: u16, code: &str, message: &str) -> Response {
    let body = json!({ "errors": [{ "code": code, "message": message }] }).to_string();
    let mut response = plain(status, &body);
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    response
}
