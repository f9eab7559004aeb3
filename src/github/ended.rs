//! How a pull request ended.

use jiff::Timestamp;
use serde::Deserialize;

use super::wire::ActorNode;

/// How a pull request ended: somebody closed it, or deleted its branch, which closes it as well.
#[derive(Deserialize)]
#[serde(tag = "__typename", rename_all_fields = "camelCase")]
pub(super) enum EndNode {
    ClosedEvent {
        #[serde(default)]
        created_at: Option<Timestamp>,
        #[serde(default)]
        actor: Option<ActorNode>,
    },
    HeadRefDeletedEvent {
        created_at: Timestamp,
    },
}

/// Who closed it, and whether that was by deleting its branch: then GitHub notes the deletion no later than the close.
pub(super) fn end(events: Vec<EndNode>) -> (Option<ActorNode>, bool) {
    let (mut closed, mut deleted) = (None, None);
    for event in events {
        match event {
            EndNode::ClosedEvent { created_at, actor } => closed = Some((created_at, actor)),
            EndNode::HeadRefDeletedEvent { created_at } => deleted = Some(created_at),
        }
    }
    let Some((at, actor)) = closed else { return (None, false) };
    (actor, deleted.is_some_and(|deleted| at.is_some_and(|at| deleted <= at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e36_a_deleted_branch_is_told_from_a_closed_pull_request() {
        let told = |text: &str| {
            let (actor, deleted) = end(serde_json::from_str(text).unwrap());
            (actor.is_some(), deleted)
        };
        let closed = r#"{"__typename":"ClosedEvent","createdAt":"2026-11-20T12:00:05Z","actor":{"__typename":"User","login":"ann"}}"#;
        let deleted =
            |at: &str| format!(r#"{{"__typename":"HeadRefDeletedEvent","createdAt":"2026-11-20T12:00:{at}Z"}}"#);
        assert_eq!(told(&format!("[{closed}]")), (true, false));
        assert_eq!(told(&format!("[{},{closed}]", deleted("05"))), (true, true));
        // Closed, and tidied up after that: the close was a word about the version.
        assert_eq!(told(&format!("[{closed},{}]", deleted("09"))), (true, false));
        assert_eq!(told("[]"), (false, false));
    }
}
