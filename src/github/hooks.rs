//! Deliveries GitHub made and nobody took: GitHub repeats nothing by itself, so we ask it to.

use std::collections::BTreeMap;

use http::HeaderMap;
use jiff::Timestamp;
use serde::Deserialize;

use super::GitHub;
use super::calls::Op;
use super::client::{Ask, Who};
use super::error::{ApiError, Kind};

/// Pages of 100 that are looked through; beyond that the sweep finds what was missed.
const MAX_PAGES: usize = 10;
/// Deliveries asked for again in one go; each answer wakes one key, and the sweep wakes all.
const MAX_REDELIVERIES: usize = 100;

/// What was asked for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Redelivered {
    /// Deliveries looked at.
    pub seen: usize,
    /// Events no delivery of which succeeded, asked for again.
    pub again: usize,
}

#[derive(Deserialize)]
struct Delivery {
    id: u64,
    guid: String,
    delivered_at: Timestamp,
    #[serde(default)]
    status_code: u16,
}

impl GitHub {
    /// Asks GitHub to deliver again what failed since then. A repeated event keeps its guid and the failed row stays, so rows
    /// are grouped by guid and one success settles the group.
    ///
    /// # Errors
    /// When GitHub does not answer well.
    pub async fn redeliver_failed(&self, since: Timestamp) -> Result<Redelivered, ApiError> {
        let mut groups: BTreeMap<String, (u64, bool)> = BTreeMap::new();
        let mut cursor: Option<String> = None;
        let mut done = Redelivered::default();
        for _ in 0..MAX_PAGES {
            let mut ask = Ask::new(Op::Deliveries, Who::App, &[]).query("per_page", "100");
            if let Some(cursor) = &cursor {
                ask = ask.query("cursor", cursor);
            }
            let answer = self.client.send(ask).await?;
            let page: Vec<Delivery> = answer.json()?;
            // Newest first: the first that is too old ends the search.
            let old = page.iter().any(|delivery| delivery.delivered_at < since);
            for delivery in page.into_iter().filter(|delivery| delivery.delivered_at >= since) {
                done.seen += 1;
                let group = groups.entry(delivery.guid).or_insert((delivery.id, false));
                group.1 |= (200..300).contains(&delivery.status_code);
            }
            cursor = next_cursor(&answer.headers);
            if old || cursor.is_none() {
                break;
            }
        }
        for (id, _) in groups.into_values().filter(|(_, taken)| !taken).take(MAX_REDELIVERIES) {
            match self.client.send(Ask::new(Op::Redeliver, Who::App, &[&id.to_string()])).await {
                Ok(_) => done.again += 1,
                // Too old to repeat, or its hook is gone: the sweep covers it.
                Err(error) if matches!(error.kind, Kind::Gone | Kind::Invalid) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }
}

/// The cursor in `Link: <…?cursor=X>; rel="next"`.
fn next_cursor(headers: &HeaderMap) -> Option<String> {
    let link = headers.get(http::header::LINK)?.to_str().ok()?;
    let next = link.split(',').find(|part| part.contains("rel=\"next\""))?;
    let address = next.split_once('<')?.1.split_once('>')?.0;
    let query = address.split_once('?')?.1;
    query.split('&').find_map(|pair| pair.strip_prefix("cursor=")).map(unescape)
}

/// Undoes percent-encoding, since the cursor is encoded again when it is sent.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = (*first == b'%').then(|| tail.get(..2)).flatten().and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_cursor_is_read_from_the_link() {
        let mut headers = HeaderMap::new();
        let link =
            r#"<https://h/app/hook/deliveries?per_page=100&cursor=v1_9%3D>; rel="next", <https://h/x>; rel="first""#;
        headers.insert(http::header::LINK, link.parse().unwrap());
        assert_eq!(next_cursor(&headers).as_deref(), Some("v1_9="));
        assert_eq!(unescape("%"), "%");
        assert_eq!(next_cursor(&HeaderMap::new()), None);
    }
}
