//! Expectations: what was confirmed is remembered until a later read shows it, so that a stale read never repeats a write.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::model::id::RepoId;
use crate::model::plan::Effect;

/// GitHub's reads lag its writes by seconds; two minutes covers the worst that was reported.
const LIFETIME: Duration = Duration::from_secs(120);
/// One entry a write and at most 80 writes a minute an installation: this is room for 60 busy installations.
const CAPACITY: usize = 10_000;

/// Writes that were confirmed a moment ago.
#[derive(Debug, Default)]
pub(super) struct Expectations {
    writes: Mutex<HashMap<(RepoId, String), Written>>,
}

#[derive(Debug, Clone)]
struct Written {
    content: u64,
    id: Option<u64>,
    until: Timestamp,
}

/// What to do with a planned write.
#[derive(Debug, PartialEq)]
pub(super) enum Advice {
    /// Do it.
    Write(Effect),
    /// It was done; look again when the memory of it ends.
    Skip(Timestamp),
}

impl Expectations {
    /// Whether a write is still to be done, given what was done a moment ago.
    pub(super) fn advise(&self, repo: RepoId, effect: Effect, now: Timestamp) -> Advice {
        let writes = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that stepped back would keep it for as long as it stepped.
        let remembered = |written: &&Written| written.until > now && written.until <= now + LIFETIME;
        let Some(written) = writes.get(&(repo, effect.natural_key())).filter(remembered) else {
            return Advice::Write(effect);
        };
        if written.content == content(&effect) {
            return Advice::Skip(written.until);
        }
        // The same thing with other content: what a stale read did not show is edited, not made a second time.
        Advice::Write(match effect {
            Effect::PutCheck { head, existing: None, pages, output } if output.conclusion.is_some() => {
                Effect::PutCheck { head, existing: None, pages, output }
            }
            Effect::PutCheck { head, existing: None, pages, output } => {
                Effect::PutCheck { head, existing: written.id, pages, output }
            }
            Effect::PutComment { number, existing: None, body } => {
                Effect::PutComment { number, existing: written.id, body }
            }
            Effect::PutDesk { existing: None, body } => Effect::PutDesk { existing: written.id, body },
            other => other,
        })
    }

    /// Remembers a confirmed write and the number GitHub gave it.
    pub(super) fn written(&self, repo: RepoId, effect: &Effect, id: Option<u64>, now: Timestamp) {
        if matches!(effect, Effect::Wake(_) | Effect::Tell { .. }) {
            return;
        }
        let mut writes = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        if writes.len() >= CAPACITY {
            writes.retain(|_, written| written.until > now);
        }
        if writes.len() < CAPACITY {
            let until = now + LIFETIME;
            writes.insert((repo, effect.natural_key()), Written { content: content(effect), id, until });
        }
    }
}

/// A hash of what a write says, without the numbers that only tell create from edit.
fn content(effect: &Effect) -> u64 {
    let mut hasher = DefaultHasher::new();
    match effect {
        Effect::PutCheck { output, .. } => output.hash(&mut hasher),
        Effect::PutDesk { body, .. }
        | Effect::PutComment { body, .. }
        | Effect::Reply { body, .. }
        | Effect::Say { body, .. } => body.hash(&mut hasher),
        Effect::Record { files, .. } => files.hash(&mut hasher),
        // On another base it is another promotion: the one before was closed because it conflicted.
        Effect::Promote(promotion) => (&promotion.edit.tags, &promotion.edit.digests, promotion.base).hash(&mut hasher),
        Effect::Commit { edit, base, .. } => (&edit.tags, &edit.digests, base).hash(&mut hasher),
        Effect::SetDeployment { status, .. } => status.hash(&mut hasher),
        Effect::Enqueue { head, since, .. } => (head, since).hash(&mut hasher),
        Effect::Wake(_)
        | Effect::Deploy(_)
        | Effect::Propose(_)
        | Effect::Tell { .. }
        | Effect::React { .. }
        | Effect::Close { .. }
        | Effect::UpdateBranch { .. }
        | Effect::Merge { .. }
        | Effect::Dequeue { .. }
        | Effect::Suggest(_)
        | Effect::RequestReviews { .. } => {}
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confirmed_write_is_not_repeated_until_it_is_forgotten() {
        let (repo, expectations) = (RepoId(1), Expectations::default());
        let now: Timestamp = "2026-11-20T10:00:00Z".parse().unwrap();
        let comment = |body: &str, existing| Effect::PutComment { number: 7, existing, body: body.to_owned() };
        assert_eq!(expectations.advise(repo, comment("a", None), now), Advice::Write(comment("a", None)));
        expectations.written(repo, &comment("a", None), Some(99), now);
        assert_eq!(expectations.advise(repo, comment("a", None), now), Advice::Skip(now + LIFETIME));
        assert_eq!(expectations.advise(repo, comment("b", None), now), Advice::Write(comment("b", Some(99))));
        assert_eq!(expectations.advise(RepoId(2), comment("a", None), now), Advice::Write(comment("a", None)));
        assert_eq!(expectations.advise(repo, comment("a", None), now + LIFETIME), Advice::Write(comment("a", None)));
        let stepped_back = now - Duration::from_secs(3600);
        assert_eq!(expectations.advise(repo, comment("a", None), stepped_back), Advice::Write(comment("a", None)));
    }
}
