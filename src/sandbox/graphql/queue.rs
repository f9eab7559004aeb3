//! Entries of a merge queue.

use serde_json::Value;

use super::super::cx::iso;
use super::super::shape;
use super::super::world::Repo;
use super::node::{Node, Out};

/// `MergeQueueEntry`, while a pull request is in a queue.
pub(super) fn entry(repo: &Repo, number: u64) -> Option<Node> {
    let found = repo.queue.iter().find(|one| one.number == number)?;
    let position = repo.queue.iter().filter(|one| one.base == found.base).position(|one| one.number == number)? + 1;
    let commit =
        |sha: Option<&String>| sha.map_or(Out::Value(Value::Null), |sha| Out::Node(Node::Commit(repo.id, sha.clone())));
    let group = found.group.as_ref();
    // A built entry that is still here waits: what has passed or failed is gone, or stands behind one that waits.
    let state = if group.is_some() { "AWAITING_CHECKS" } else { "QUEUED" };
    Some(Node::plain(
        "MergeQueueEntry",
        [
            ("id", Out::Value(shape::node("MergeQueueEntry", found.id).into())),
            ("position", Out::Value(position.into())),
            ("state", Out::Value(state.into())),
            ("enqueuedAt", Out::Value(iso(found.at).into())),
            ("enqueuer", Out::Node(Node::Account(found.by.clone()))),
            ("baseCommit", commit(group.map(|group| &group.base_sha))),
            ("headCommit", commit(group.map(|group| &group.head_sha))),
            ("jump", Out::Value(false.into())),
            ("solo", Out::Value(false.into())),
            ("estimatedTimeToMerge", Out::Value(Value::Null)),
            ("pullRequest", Out::Node(Node::Pull(repo.id, number))),
        ],
    ))
}
