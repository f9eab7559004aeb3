//! How bytes reach GitHub: one plain HTTP service type that the API client and the git client share.
//!
//! It stands outside both because adapters never import each other; it knows nothing of GitHub. Tests plug in the sandbox's
//! router, or a layer that loses answers, where production opens sockets.

mod guard;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

pub use guard::{Exempt, is_inside};

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::rt::TokioExecutor;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};

/// Any error, boxed.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// What is sent; bodies are small, or built whole before they are sent.
pub type HttpRequest = Request<Full<Bytes>>;
/// What comes back; a pack may be large, so the body streams.
pub type HttpBody = UnsyncBoxBody<Bytes, BoxError>;
/// Something that answers HTTP requests.
pub type HttpService = BoxCloneSyncService<HttpRequest, Response<HttpBody>, BoxError>;

/// A peer that has not taken the connection by then is down: five seconds is several lost SYNs.
const CONNECT: Duration = Duration::from_secs(5);
/// Idle connections to keep per host: more than this are never busy at once (see `github::client`).
const IDLE_CONNECTIONS: usize = 16;

/// Where requests go.
#[derive(Clone)]
pub enum Transport {
    /// Over the network: TLS, or plain HTTP to loopback only.
    Network,
    /// Into a service in this process.
    Service(HttpService),
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transport::Network => "Network",
            Transport::Service(_) => "Service",
        })
    }
}

impl Transport {
    /// A transport into `service`, for instance an axum router: no socket is opened.
    pub fn of<S, B>(service: S) -> Self
    where
        S: Service<HttpRequest, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: http_body_util::BodyExt + hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let service = service
            .map_response(|response: Response<B>| response.map(|body| body.map_err(Into::into).boxed_unsync()))
            .map_err(Into::into);
        Transport::Service(BoxCloneSyncService::new(service))
    }

    /// The same transport with its connections opened once and shared by all who are given a clone: call it at start, since
    /// every [`Transport::service`] of a bare [`Transport::Network`] reads the root certificates and begins a pool of its own.
    ///
    /// # Errors
    /// When the system has no root certificates.
    pub fn opened(&self) -> Result<Self, std::io::Error> {
        self.service().map(Transport::Service)
    }

    /// The service behind it.
    ///
    /// # Errors
    /// When the system has no root certificates.
    pub fn service(&self) -> Result<HttpService, std::io::Error> {
        match self {
            Transport::Network => network(),
            Transport::Service(service) => Ok(service.clone()),
        }
    }
}

fn network() -> Result<HttpService, std::io::Error> {
    let client = client(GaiResolver::new())?;
    let service = tower::service_fn(move |request: HttpRequest| {
        let mut client = client.clone();
        async move {
            if request.uri().scheme_str() != Some("https") && !is_loopback(request.uri().host().unwrap_or_default()) {
                return Err(BoxError::from("plain HTTP is only for loopback; write the address with https://"));
            }
            client.call(request).await
        }
    });
    Ok(BoxCloneSyncService::new(service))
}

/// A pool of connections that finds hosts through `resolver`.
fn client<R>(resolver: R) -> Result<HttpService, std::io::Error>
where
    R: Service<Name> + Clone + Send + Sync + 'static,
    R::Response: Iterator<Item = SocketAddr> + Send,
    R::Error: Into<BoxError>,
    R::Future: Send,
{
    let mut tcp = HttpConnector::new_with_resolver(resolver);
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT));
    // Without it a small request waits 40 ms for a delayed acknowledgement.
    tcp.set_nodelay(true);
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_native_roots()?
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    let client: Client<_, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).pool_max_idle_per_host(IDLE_CONNECTIONS).build(connector);
    Ok(BoxCloneSyncService::new(tower::service_fn(move |request: HttpRequest| {
        let client = client.clone();
        async move {
            let response = client.request(request).await.map_err(BoxError::from)?;
            Ok(response.map(|body| body.map_err(BoxError::from).boxed_unsync()))
        }
    })))
}

/// Reads a whole body of at most `limit` bytes.
///
/// # Errors
/// When it is longer, or breaks off.
pub async fn collect(mut body: HttpBody, limit: usize) -> Result<Bytes, BoxError> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if whole.len() + data.len() > limit {
            return Err(BoxError::from(format!("the answer is longer than {limit} bytes")));
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn plain_http_never_leaves_the_machine() {
        let service = Transport::Network.service().unwrap();
        let request = Request::builder().uri("http://example.invalid/").body(Full::default()).unwrap();
        let error = service.oneshot(request).await.unwrap_err();
        assert!(error.to_string().contains("loopback"), "{error}");
        assert!(is_loopback("127.0.0.1") && is_loopback("[::1]") && !is_loopback("127.0.0.1.evil.example"));
    }
}
