//! `POST /webhook`: raw body, signature, headers, meaning, queue, answer; in this order.

use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};
use tokio::sync::OwnedSemaphorePermit;

use super::WebState;
use super::delivery::{BadDelivery, Mapped, wakes};
use super::signature::signature;
use crate::queue::{Accepted, Delivery, QueueError};

/// GitHub sends at most 25 MB and nothing at all beyond; the rest is slack for what it may mean by MB.
const MAX_BODY: usize = 26 << 20;

/// GUIDs have 36 characters and the longest event name 40; more is not GitHub's.
const MAX_HEADER: usize = 64;

/// What becomes of a delivery.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Accepted,
    Duplicate,
    Ignored(&'static str),
    Unauthorized,
    Compressed,
    NotJson,
    TooLarge,
    Cut,
    Malformed(String),
    Busy(String),
}

impl Answer {
    /// The word in the metric.
    fn name(&self) -> &'static str {
        match self {
            Answer::Accepted => "accepted",
            Answer::Duplicate => "duplicate",
            Answer::Ignored(_) => "ignored",
            Answer::Unauthorized => "unauthorized",
            Answer::Compressed => "compressed",
            Answer::NotJson => "not-json",
            Answer::TooLarge => "too-large",
            Answer::Cut => "cut",
            Answer::Malformed(_) => "malformed",
            Answer::Busy(_) => "busy",
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let told = |status: StatusCode, text: &str| (status, format!("{text}\n")).into_response();
        match self {
            Answer::Accepted => told(StatusCode::ACCEPTED, "Accepted."),
            Answer::Duplicate => told(StatusCode::ACCEPTED, "Accepted before."),
            Answer::Ignored(_) => StatusCode::NO_CONTENT.into_response(),
            Answer::Unauthorized => told(StatusCode::UNAUTHORIZED, "Unauthorized."),
            Answer::Compressed => told(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Send the body without Content-Encoding."),
            Answer::NotJson => told(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Set the webhook's content type to application/json in the App's settings.",
            ),
            Answer::TooLarge => told(StatusCode::PAYLOAD_TOO_LARGE, "GitHub sends no body larger than 25 MB."),
            Answer::Cut => told(StatusCode::BAD_REQUEST, "The body ended early."),
            Answer::Malformed(why) => told(StatusCode::BAD_REQUEST, &why),
            Answer::Busy(why) => {
                told(StatusCode::SERVICE_UNAVAILABLE, &format!("Not stored: {why}. Redeliver it later."))
            }
        }
    }
}

/// Takes one delivery from the network to the disk.
pub(super) async fn webhook(State(state): State<WebState>, request: Request) -> Response {
    let begun = Instant::now();
    let mut signer = None;
    let (Ok(answer) | Err(answer)) = receive(&state, request, &mut signer).await;
    state.metrics.delivery(answer.name(), signer.unwrap_or("none"));
    if matches!(answer, Answer::Accepted | Answer::Duplicate) {
        state.metrics.acknowledged(begun.elapsed());
    }
    answer.into_response()
}

async fn receive<'s>(state: &'s WebState, request: Request, signer: &mut Option<&'s str>) -> Result<Answer, Answer> {
    let (parts, body) = request.into_parts();
    check_kind(&parts.headers)?;
    // Before the body: who cannot even write a signature costs us no memory.
    let mac = signature(&parts.headers).ok_or(Answer::Unauthorized)?;
    let (body, _held) = read(state, &parts.headers, body).await?;
    *signer = Some(state.secrets.signer(&mac, &body).ok_or(Answer::Unauthorized)?);

    let event = name(&parts.headers, "x-github-event")?;
    let guid = name(&parts.headers, "x-github-delivery")?;
    let wakes = match wakes(event, &body, &state.us) {
        Ok(Mapped::Wakes(wakes)) => wakes,
        Ok(Mapped::Ignored(why)) => {
            tracing::debug!(event, guid, why, "a delivery that asks for nothing");
            return Ok(Answer::Ignored(why));
        }
        Err(bad) => return Err(malformed(event, guid, &bad)),
    };
    let keys = wakes.len();
    let body_sha256 = Sha256::digest(&body).into();
    let delivery =
        Delivery { app: state.us.app_id, guid: guid.to_owned(), body_sha256, event: event.to_owned(), wakes };
    match state.queue.accept(delivery).await {
        Ok(Accepted::New) => {
            tracing::info!(event, guid, keys, "a delivery is stored");
            Ok(Answer::Accepted)
        }
        Ok(Accepted::Duplicate) => Ok(Answer::Duplicate),
        Err(error) => {
            tracing::error!(event, guid, %error, "a delivery was refused");
            // The disk's trouble is for the log; the sender learns only that it may come again.
            let why = if error == QueueError::Full { "too much waits already" } else { "the disk does not keep up" };
            Err(Answer::Busy(why.to_owned()))
        }
    }
}

fn malformed(event: &str, guid: &str, bad: &BadDelivery) -> Answer {
    tracing::warn!(event, guid, %bad, "a signed delivery that cannot be read");
    Answer::Malformed(bad.to_string())
}

/// A compressed body could be a bomb, and a form is not what we can verify and read as one.
fn check_kind(headers: &HeaderMap) -> Result<(), Answer> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?").trim().to_ascii_lowercase());
    if text(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(Answer::Compressed);
    }
    let kind = text(header::CONTENT_TYPE).unwrap_or_default();
    if kind.split(';').next().map(str::trim) == Some("application/json") { Ok(()) } else { Err(Answer::NotJson) }
}

/// Reads the body as far as the bounds allow; the permit holds its place in memory as long as it is needed.
async fn read(
    state: &WebState,
    headers: &HeaderMap,
    mut body: Body,
) -> Result<(BytesMut, OwnedSemaphorePermit), Answer> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > MAX_BODY) {
        return Err(Answer::TooLarge);
    }
    let busy = || Answer::Busy("too much is being received".to_owned());
    let take = |bytes: usize| {
        let permits = u32::try_from(bytes).map_err(|_| Answer::TooLarge)?;
        state.memory.clone().try_acquire_many_owned(permits).map_err(|_| busy())
    };
    let mut held = take(0)?;
    // Grown by what arrives, not by what was announced: a promise of 26 MiB must cost its sender 26 MiB.
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(chunk) = frame.map_err(|_| Answer::Cut)?.into_data() else { continue };
        if bytes.len() + chunk.len() > MAX_BODY {
            return Err(Answer::TooLarge);
        }
        held.merge(take(chunk.len())?);
        bytes.extend_from_slice(&chunk);
    }
    Ok((bytes, held))
}

/// A header that names something: one, short, and of harmless characters, since it goes to the log and the store.
fn name<'h>(headers: &'h HeaderMap, header: &'static str) -> Result<&'h str, Answer> {
    let mut values = headers.get_all(header).iter();
    let value = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().unwrap_or_default(),
        _ => "",
    };
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=MAX_HEADER).contains(&value.len()) && value.bytes().all(harmless) {
        Ok(value)
    } else {
        Err(Answer::Malformed(format!("The header {header} is not as GitHub writes it.")))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::clock::Clock;
    use crate::queue::Queue;
    use crate::telemetry::metrics::Metrics;
    use crate::web::{Secrets, Us};

    #[tokio::test]
    async fn t5_bodies_in_memory_are_bounded_together() {
        let queue = Queue::in_memory(Clock::manual(Timestamp::UNIX_EPOCH)).await.unwrap();
        let secrets = Secrets::new(vec![("1".into(), "0123456789abcdef".into())]).unwrap();
        let mut state = WebState::new(queue, secrets, Us { app_id: 1, login: None }, Metrics::new());
        state.memory = Arc::new(Semaphore::new(10));
        let headers = HeaderMap::new();
        let first = read(&state, &headers, Body::from("1234567")).await.unwrap();
        assert_eq!(&first.0[..], b"1234567");
        let second = read(&state, &headers, Body::from("1234")).await;
        assert_eq!(second.unwrap_err(), Answer::Busy("too much is being received".to_owned()));
        drop(first);
        assert!(read(&state, &headers, Body::from("1234567890")).await.is_ok(), "its place is free again");
        assert_eq!(state.memory.available_permits(), 10);
    }
}
