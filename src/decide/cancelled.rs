//! Promotions somebody cancelled: closed by us, and rejected until something newer comes or somebody asks for them again.

use super::texts;
use super::versions::{Candidate, read_branch};
use crate::model::ledger::{Cancelled, Entry};
use crate::model::plan::Effect;
use crate::model::snapshot::{PullBrief, Snapshot};
use crate::model::verdict::Verdict;

/// Whether somebody has cancelled this very promotion.
pub(super) fn gate(entry: &Entry, candidate: &Candidate, environment: &str) -> Option<Verdict> {
    let by = found(entry, &candidate.promotion())?;
    Some(
        Verdict::no("rejected", format!("{} cancelled {} on {}", by.by, candidate.version, super::gates::date(by.at)))
            .next(format!("comment `/promote {environment} {}` to ask for it again", candidate.version)),
    )
}

/// Closes what was cancelled, and leaves the rest of what is open.
pub(super) fn close(snapshot: &Snapshot, entry: &Entry, open: &mut Vec<&PullBrief>, effects: &mut Vec<Effect>) {
    open.retain(|pull| {
        let cancelled = read_branch(&pull.branch).and_then(|(_, _, promotion)| found(entry, promotion));
        let close = |by: &Cancelled| Effect::Close {
            number: pull.number,
            comment: texts::cancelled_by(by, &snapshot.common.repo.url),
        };
        effects.extend(cancelled.map(close));
        cancelled.is_none()
    });
}

fn found<'e>(entry: &'e Entry, promotion: &str) -> Option<&'e Cancelled> {
    entry.cancelled.iter().find(|cancelled| cancelled.promotion == promotion)
}
