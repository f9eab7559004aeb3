//! Addresses that somebody else chose: only public ones are connected to, whatever a name says at that moment.
//!
//! A configuration in a repository names registries, and a registry names where its tokens are. Names are judged by what they
//! resolve to, in the resolver of the very connection, so that an answer that changes in between gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hyper_util::client::legacy::connect::dns::Name;
use tower::Service;
use tower::util::BoxCloneSyncService;

use super::{BoxError, HttpRequest, HttpService, Transport, client};

/// What may be reached beyond the public internet, because whoever runs this program said so.
#[derive(Debug, Clone, Default)]
pub struct Exempt {
    /// Hosts, with their port where one is written, that may have private addresses.
    pub private: Vec<String>,
    /// Those of them that are spoken to without TLS.
    pub plain: Vec<String>,
}

impl Transport {
    /// The network, but only public addresses and only TLS, save what is exempt.
    ///
    /// # Errors
    /// When the system has no root certificates.
    pub fn guarded(exempt: Exempt) -> Result<Self, std::io::Error> {
        let public = client(tower::service_fn(resolve_public))?;
        let any = client(hyper_util::client::legacy::connect::dns::GaiResolver::new())?;
        let service: HttpService = BoxCloneSyncService::new(tower::service_fn(move |request: HttpRequest| {
            let way = admit(&request, &exempt).map(|exempt| if exempt { any.clone() } else { public.clone() });
            async move { way?.call(request).await }
        }));
        Ok(Transport::Service(service))
    }
}

/// Whether a request goes to an exempt place; refuses what may not be asked at all.
fn admit(request: &HttpRequest, exempt: &Exempt) -> Result<bool, BoxError> {
    let uri = request.uri();
    let place = uri.authority().map(|authority| authority.as_str().to_ascii_lowercase()).unwrap_or_default();
    let listed = |list: &[String]| list.contains(&place);
    if uri.scheme_str() != Some("https") && !listed(&exempt.plain) {
        return Err(BoxError::from("plain HTTP is not used"));
    }
    if listed(&exempt.private) {
        return Ok(true);
    }
    // A literal address never meets the resolver.
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(address) if !is_public(address) => Err(refused()),
        _ => Ok(false),
    }
}

/// The address is somebody's inside.
#[derive(Debug, thiserror::Error)]
#[error("its address is not a public one")]
struct Inside;

fn refused() -> BoxError {
    Box::new(Inside)
}

/// Whether a request failed because its address is not a public one.
pub fn is_inside(error: &(dyn std::error::Error + 'static)) -> bool {
    // A handful deep: the client wraps the connector's error, which wraps the resolver's.
    std::iter::successors(Some(error), |error| error.source()).take(10).any(|error| error.is::<Inside>())
}

async fn resolve_public(name: Name) -> Result<std::vec::IntoIter<SocketAddr>, BoxError> {
    let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
    // One that is not is reason enough: whoever mixes them has something in mind.
    if found.iter().all(|address| is_public(address.ip())) { Ok(found.into_iter()) } else { Err(refused()) }
}

/// Whether an address is reachable from everywhere, and so belongs to nobody's inside.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = matches!((a, b, c), (0, ..) | (100, 64..=127, _) | (192, 0, 0) | (198, 18..=19, _) | (240.., ..));
    !(special
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, .., y, z] = address.segments();
    let inner = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match (a, b) {
        // Mapped, compatible, translated and tunnelled IPv4 addresses: what counts is the one inside.
        (0, 0) => address.to_ipv4().is_some_and(|_| !address.is_loopback() && inner(y, z)),
        (0x64, 0xff9b) => inner(y, z),
        (0x2002, _) => inner(address.segments()[1], address.segments()[2]),
        // What is given out at all is 2000::/3; in it Teredo hides an address, and 2001:db8::/32 is for books.
        (0x2001, 0 | 0xdb8) => false,
        (0x2000..=0x3fff, _) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::Full;
    use tower::ServiceExt;

    use super::*;

    #[test]
    fn t42_addresses_of_the_inside_are_known_in_every_disguise() {
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "198.18.0.1",
            "::1",
            "::",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "::10.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "2002:a00:1::",
            "2001:0:1::1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001:db8::1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["140.82.112.3", "1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"] {
            assert!(is_public(outside.parse().unwrap()), "{outside}");
        }
    }

    #[tokio::test]
    async fn t42_nothing_inside_is_connected_to_unless_it_is_listed() {
        let ask = |exempt: Exempt, uri: &str| {
            let service = Transport::guarded(exempt).unwrap().service().unwrap();
            let request = http::Request::builder().uri(uri).body(Full::<Bytes>::default()).unwrap();
            async move { service.oneshot(request).await.map(drop).unwrap_err() }
        };
        let says = |error: BoxError, words: &str| {
            let mut causes = std::iter::successors(Some(&*error as &(dyn std::error::Error + 'static)), |e| e.source());
            assert!(causes.any(|cause| cause.to_string().contains(words)), "{error:?}");
        };
        says(ask(Exempt::default(), "http://ghcr.io/v2/").await, "plain HTTP");
        says(ask(Exempt::default(), "http://127.0.0.1:1/v2/").await, "plain HTTP");
        says(ask(Exempt::default(), "https://127.0.0.1:1/v2/").await, "not a public one");
        says(ask(Exempt::default(), "https://[::ffff:10.0.0.1]/v2/").await, "not a public one");
        // A name is judged by what it resolves to.
        says(ask(Exempt::default(), "https://localhost:1/v2/").await, "not a public one");
        // Listed with another port is not listed.
        let listed = Exempt { private: vec!["127.0.0.1:1".into()], plain: vec!["127.0.0.1:1".into()] };
        says(ask(listed.clone(), "https://127.0.0.1:2/").await, "not a public one");
        says(ask(listed, "http://127.0.0.1:1/").await, "refused");
    }
}
