//! Who set a label: asked only where a label is an exemption, since any triager can set one.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::calls::Op;
use super::error::ApiError;
use super::observe::same;
use super::wire::{ActorNode, Nodes, actor};
use super::{GitHub, RepoAt};
use crate::model::id::RepoId;
use crate::model::snapshot::Labelled;

/// Labels set and taken off that are looked back on: 5 pages of 100. Who plays with labels more than that exempts nothing.
const MAX_PAGES: usize = 5;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    database_id: u64,
    pull_request: Option<Timeline>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Timeline {
    timeline_items: Nodes<Event>,
}

#[derive(Deserialize)]
#[serde(tag = "__typename")]
enum Event {
    #[serde(rename = "LabeledEvent", rename_all = "camelCase")]
    On { actor: Option<ActorNode>, created_at: Timestamp, label: Label },
    #[serde(rename = "UnlabeledEvent")]
    Off { label: Label },
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

impl Event {
    fn label(&self) -> &str {
        match self {
            Event::On { label, .. } | Event::Off { label } => &label.name,
        }
    }
}

impl GitHub {
    /// Who set a label of a pull request last, and when; `None` when it was taken off since, or nobody is known to have set it.
    ///
    /// # Errors
    /// When GitHub does not answer well.
    pub async fn labelled(&self, at: &RepoAt, number: u64, label: &str) -> Result<Option<Labelled>, ApiError> {
        let label = label.to_lowercase();
        let mut before = serde_json::Value::Null;
        for _ in 0..MAX_PAGES {
            let page: Page = self.ask(Op::Labels, at, json!({ "number": number, "before": before })).await?;
            same(at, RepoId(page.database_id))?;
            let Some(pull) = page.pull_request else { return Ok(None) };
            let previous = pull.timeline_items.page_info.previous();
            let events = pull.timeline_items.into_vec().into_iter().rev();
            match events.into_iter().find(|event| event.label().to_lowercase() == label) {
                Some(Event::On { actor: by, created_at, .. }) => {
                    return Ok(Some(Labelled { by: actor(by), at: created_at }));
                }
                Some(Event::Off { .. }) => return Ok(None),
                None => {}
            }
            let Some(cursor) = previous else { return Ok(None) };
            before = cursor.into();
        }
        Ok(None)
    }
}
