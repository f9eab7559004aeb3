//! Evaluations already made, keyed by everything they depend on.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use jiff::civil::Date;

use super::Request;
use crate::model::finding::Evaluation;
use crate::model::id::{InstallationId, Oid};
use crate::model::pipeline::Pipeline;
use crate::policy::between::Sides;
use crate::policy::files::PolicyId;

/// Evaluations kept: a check, its comment and its retries ask for the same one; a busy organisation has some hundred open pull requests.
const MAX_ENTRIES: usize = 256;
/// Rough bytes kept in all; large evaluations are a megabyte.
const MAX_BYTES: usize = 64 << 20;

/// Everything an evaluation depends on. The installation is part of it, so that nothing is ever answered from another's objects.
#[derive(Clone, PartialEq)]
pub(super) struct Key {
    installation: InstallationId,
    base: Oid,
    head: Oid,
    config: Option<Oid>,
    pipeline: Pipeline,
    policies: Vec<PolicyId>,
    today: Option<Date>,
    mask: [u8; 32],
    between: Option<Sides>,
    engine: &'static str,
}

impl Key {
    pub(super) fn new(request: &Request, engine: &'static str) -> Self {
        Self {
            installation: request.installation,
            base: request.base,
            head: request.head,
            config: request.config,
            pipeline: request.pipeline.clone(),
            policies: request.policies.clone(),
            today: request.today,
            mask: request.mask,
            between: request.between.clone(),
            engine,
        }
    }

    /// What finds the few entries worth comparing whole.
    pub(super) fn short(&self) -> Short {
        (self.installation, self.base, self.head)
    }
}

pub(super) type Short = (InstallationId, Oid, Oid);

/// The least recently used goes first.
#[derive(Default)]
pub(super) struct Cache {
    entries: HashMap<Short, (Key, Arc<Evaluation>, usize)>,
    order: VecDeque<Short>,
    bytes: usize,
}

impl Cache {
    pub(super) fn get(&mut self, key: &Key) -> Option<Arc<Evaluation>> {
        let short = key.short();
        let (known, evaluation, _) = self.entries.get(&short)?;
        let found = (known == key).then(|| evaluation.clone())?;
        self.order.retain(|other| *other != short);
        self.order.push_back(short);
        Some(found)
    }

    /// The same trees under other policies replace what was known: the older policies are not coming back.
    pub(super) fn put(&mut self, key: Key, evaluation: Arc<Evaluation>) {
        let short = key.short();
        self.remove(&short);
        let size = size(&evaluation);
        self.bytes += size;
        self.entries.insert(short, (key, evaluation, size));
        self.order.push_back(short);
        while self.entries.len() > MAX_ENTRIES || self.bytes > MAX_BYTES {
            let Some(oldest) = self.order.pop_front() else { break };
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, short: &Short) {
        if let Some((_, _, size)) = self.entries.remove(short) {
            self.bytes -= size;
        }
        self.order.retain(|other| other != short);
    }
}

/// Texts make up nearly all of it.
fn size(evaluation: &Evaluation) -> usize {
    let findings =
        evaluation.all_findings().map(|(_, finding)| 400 + finding.message.len() + finding.fix.len()).sum::<usize>();
    let changes = evaluation
        .environments
        .iter()
        .flat_map(|env| &env.changes)
        .map(|change| 400 + change.diff.len())
        .sum::<usize>();
    findings + changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::pipeline::{Mode, Policies};

    fn key(installation: u64, head: u8) -> Key {
        let policies = Policies::default();
        Key {
            installation: InstallationId(installation),
            base: Oid([0; 20]),
            head: Oid([head; 20]),
            config: None,
            pipeline: Pipeline {
                mode: Mode::Enforce,
                apps: Vec::new(),
                environments: Vec::new(),
                policies,
                registries: Vec::new(),
            },
            policies: Vec::new(),
            today: None,
            mask: [0; 32],
            between: None,
            engine: "1",
        }
    }

    #[test]
    fn t41_nothing_crosses_installations_engines_or_policies() {
        let mut cache = Cache::default();
        cache.put(key(1, 1), Arc::default());
        assert!(cache.get(&key(1, 1)).is_some());
        assert!(cache.get(&key(2, 1)).is_none());
        assert!(cache.get(&Key { engine: "2", ..key(1, 1) }).is_none());
        assert!(cache.get(&Key { today: Some(Date::ZERO), ..key(1, 1) }).is_none());
        assert!(cache.get(&Key { config: Some(Oid::ZERO), ..key(1, 1) }).is_none());
    }

    #[test]
    fn the_cache_is_bounded_and_forgets_the_oldest() {
        let mut cache = Cache::default();
        for installation in 0..300 {
            cache.put(key(installation, 1), Arc::default());
            assert!(cache.get(&key(0, 1)).is_some());
        }
        assert_eq!((cache.entries.len(), cache.order.len()), (MAX_ENTRIES, MAX_ENTRIES));
        assert!(cache.get(&key(1, 1)).is_none() && cache.get(&key(299, 1)).is_some());
        assert_eq!(cache.bytes, 0);
    }
}
