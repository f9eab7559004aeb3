//! Why a registry could not be asked: in our own words, since what it says itself may be anybody's.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use jiff::Timestamp;

use crate::model::image::{ImageName, RegistryHost};

/// How long a busy registry is left alone when it does not say.
const BUSY: Duration = Duration::from_secs(60);
/// No registry needs longer; what asks for more is mistaken or means harm.
const BUSY_MOST: Duration = Duration::from_secs(3600);

/// Why a registry could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RegistryError {
    /// Until when it is left alone, when it asked for that.
    pub(super) paused_until: Option<Timestamp>,
    /// Whether it may be its host that is away, so that the next image there would only wait as long.
    pub(super) is_away: bool,
    /// For people.
    message: String,
}

impl RegistryError {
    fn new(message: String) -> Self {
        Self { paused_until: None, is_away: false, message }
    }

    pub(super) fn not_listed(host: &RegistryHost) -> Self {
        Self::new(format!("whoever runs Trunkline does not let it ask {host} (`--registries`)"))
    }

    pub(super) fn unreachable(host: &RegistryHost) -> Self {
        Self { is_away: true, ..Self::new(format!("{host} does not answer")) }
    }

    /// It is inside somebody's network.
    pub(super) fn inside(host: &RegistryHost) -> Self {
        Self::new(format!(
            "{host} is not at a public address; whoever runs Trunkline may list it (`--registries {host}`)"
        ))
    }

    pub(super) fn answered(host: &RegistryHost, status: StatusCode) -> Self {
        Self { is_away: status.is_server_error(), ..Self::new(format!("{host} answers {}", status.as_u16())) }
    }

    pub(super) fn unreadable(host: &RegistryHost, why: &str) -> Self {
        Self::new(format!("{host} cannot be understood: {why}"))
    }

    /// Registries do not tell what is missing from what is private.
    pub(super) fn denied(image: &ImageName, known: bool) -> Self {
        let why = match known {
            true => "does not accept the credentials we have for it",
            false => "shows it only to those it knows, and we have no credentials for it (`--docker-config`)",
        };
        Self::new(format!("{} {why}", image.registry))
    }

    pub(super) fn foreign_realm(image: &ImageName) -> Self {
        let host = &image.registry;
        Self::new(format!("{host} wants our credentials for it sent to another domain, which we do not do"))
    }

    pub(super) fn busy(host: &RegistryHost, headers: &HeaderMap, now: Timestamp) -> Self {
        let said = headers.get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let pause = said.map_or(BUSY, Duration::from_secs).min(BUSY_MOST);
        Self {
            paused_until: Some(now + pause),
            ..Self::new(format!("{host} has had too many questions and wants a pause"))
        }
    }
}
