//! The child process that evaluates, its limits and protocol.
//!
//! Whatever a repository holds (alias bombs, endless policies, gigabytes of patches), it can only end the child, and its end is a finding:
//! no report is lost. The child has no network, no files and no environment to use; it asks the parent for git objects by id.

mod cache;
mod child;
mod parent;
mod wire;

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::manifest::MaskKey;
use crate::model::finding::{Evaluation, Finding, Severity};
use crate::model::id::{InstallationId, Oid};
use crate::model::pipeline::Pipeline;
use crate::model::tree::{Objects, Tree};
use crate::policy::between::{Sides, between};
use crate::policy::evaluate::{Job, LIMIT, evaluate};
use crate::policy::files::{self, PolicyId};
use crate::policy::waivers::Waivers;

pub use child::child_main;

/// Part of every cache key: raise it when the same trees would be judged differently.
const ENGINE: &str = concat!(env!("CARGO_PKG_VERSION"), "/3");

/// What one evaluation may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Address space in bytes. 1.5 GiB: a repository of 60,000 files takes some 300 MB, and small machines have 4 GB.
    pub memory: u64,
    /// Processor seconds. 100 overlays take less than one.
    pub cpu: u64,
    /// Seconds by the parent's clock, in case the child sleeps or the machine is busy.
    pub wall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory: 1536 << 20, cpu: 30, wall: Duration::from_secs(60) }
    }
}

/// What is to be evaluated, all by id.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// Whose objects these are; answers are never shared across installations.
    pub installation: InstallationId,
    /// The root tree before.
    pub base: Oid,
    /// The root tree after.
    pub head: Oid,
    /// The default branch's configuration.
    pub pipeline: Pipeline,
    /// The blob the configuration was read from, when there is one.
    pub config: Option<Oid>,
    /// The default branch's policy files, from [`files::list`].
    pub policies: Vec<PolicyId>,
    /// The day by which waivers are judged, in UTC; left out where there are none, so that answers last longer than a day.
    #[serde(default)]
    pub today: Option<Date>,
    /// The key of masks. Derive it from a secret and the two trees: then the same comparison gives the same text, and no fingerprint can be
    /// compared with another's.
    pub mask: [u8; 32],
    /// Two environments of head to compare, instead of base and head.
    #[serde(default)]
    pub between: Option<Sides>,
}

/// Evaluates: in a child process for the bot, in this process for a laptop's `check` and for tests.
pub struct Worker {
    how: How,
    cache: Mutex<cache::Cache>,
    /// Evaluations under way: a check and its comment ask for the same one at the same moment, and the second waits for the first.
    turns: Mutex<HashMap<cache::Short, Weak<tokio::sync::Mutex<()>>>>,
    /// Children at once; each may use its whole memory limit.
    slots: Semaphore,
}

enum How {
    InProcess,
    Child { program: PathBuf, limits: Limits },
}

impl Worker {
    /// A worker that runs `program worker` (this same binary), `at_once` at a time.
    pub fn new(program: PathBuf, limits: Limits, at_once: NonZeroUsize) -> Self {
        Self::with(How::Child { program, limits }, at_once.get())
    }

    /// A worker that evaluates in this process, for input the user trusts: their own working tree.
    pub fn in_process() -> Self {
        Self::with(How::InProcess, 2)
    }

    fn with(how: How, at_once: usize) -> Self {
        Self { how, cache: Mutex::default(), turns: Mutex::default(), slots: Semaphore::new(at_once) }
    }

    /// What the change does. Never fails: what stopped the evaluation is a finding that blocks and says what to do, and is not remembered.
    pub async fn evaluate(&self, objects: Arc<dyn Objects>, request: Request) -> Arc<Evaluation> {
        let key = cache::Key::new(&request, ENGINE);
        let turn = self.turn(&key);
        let _turn = turn.lock().await;
        if let Some(known) = self.cache().get(&key) {
            return known;
        }
        let evaluation = {
            // The semaphore is never closed.
            let _slot = self.slots.acquire().await;
            Arc::new(match &self.how {
                How::InProcess => in_process(objects, request).await,
                How::Child { program, limits } => parent::run(program, *limits, objects, request).await,
            })
        };
        if !evaluation.findings.iter().any(|finding| finding.rule == LIMIT) {
            self.cache().put(key, evaluation.clone());
        }
        evaluation
    }

    /// The turn of whoever evaluates these trees; it is forgotten with the last who waits for it.
    fn turn(&self, key: &cache::Key) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(&key.short()).and_then(Weak::upgrade) {
            return turn;
        }
        // At most the passes at once, so looking through all of them is nothing.
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        turns.insert(key.short(), Arc::downgrade(&turn));
        turn
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, cache::Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn in_process(objects: Arc<dyn Objects>, request: Request) -> Evaluation {
    let run = tokio::task::spawn_blocking(move || run(&*objects, &request, &mut |_| {}));
    run.await.unwrap_or_else(|_| limit("evaluating the change ended in a fault of Trunkline's own", FAULT))
}

/// The evaluation itself, wherever it runs.
fn run(objects: &dyn Objects, request: &Request, progress: &mut dyn FnMut(&str)) -> Evaluation {
    let policies = files::read(objects, &request.policies);
    // Without a day every waiver is past its own.
    let today = request.today.unwrap_or(Date::MAX);
    let waivers = Waivers::read(objects, &request.policies, &request.pipeline, today);
    let job = Job {
        waivers: &waivers,
        base: Tree::new(request.base, objects),
        head: Tree::new(request.head, objects),
        pipeline: &request.pipeline,
        policies: &policies,
        mask: &MaskKey(request.mask),
    };
    match &request.between {
        Some(sides) => between(&job, sides, progress),
        None => evaluate(&job, progress),
    }
}

const FAULT: &str = "Comment `/trunkline retry`; if it happens again, please report it with the file that causes it.";

/// The evaluation of what could not be evaluated.
fn limit(message: &str, fix: &str) -> Evaluation {
    let finding = Finding {
        why: "What could not be checked must not pass for checked.".to_owned(),
        fix: fix.to_owned(),
        ..Finding::new(LIMIT, Severity::Error, message)
    };
    Evaluation { findings: vec![finding], ..Evaluation::default() }
}

#[cfg(test)]
mod tests;
