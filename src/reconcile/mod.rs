//! The loop: observe, decide, apply, acknowledge, again until the plan is empty.
//!
//! The only module that knows both `github` and `git`. Every pass is one key, on its own, caught when it panics; what it wrote
//! and GitHub confirmed is expected until a read shows it, so that passes may be repeated at any point.

mod apply;
mod directory;
mod expect;
mod ledgers;
mod lookup;
mod merging;
mod observe;
mod onboarding;
mod people;
mod reads;
mod routes;
mod trouble;
mod way;

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use jiff::Timestamp;

use crate::clock::Clock;
use crate::decide::decide;
use crate::git;
use crate::github::GitHub;
use crate::model::id::Key;
use crate::model::plan::{Effect, Plan};
use crate::model::snapshot::{Bot, PullState, PullSubject, Snapshot, Subject};
use crate::queue::{Lease, Outcome, Queue, QueueError, Wake};
use crate::registry::Registries;
use crate::telemetry::metrics::Metrics;
use crate::worker::Worker;

use directory::Directory;
use expect::{Advice, Expectations};
pub use trouble::Trouble;
pub use way::held_at;

/// Rounds of looking things up in one pass: the deepest chain is evaluation, pipeline, changelog, permission, team.
const MAX_ROUNDS: usize = 8;
/// Passes at once: they wait for GitHub most of the time, and GitHub allows 100 requests at once.
const MAX_PASSES: usize = 16;
/// A pass that takes longer than this has lost its key to another: fetch and evaluation are each bounded below it.
const LEASE: Duration = Duration::from_secs(300);
/// How often everything is looked at even if GitHub says nothing.
const SWEEP_EVERY: Duration = Duration::from_secs(15 * 60);
/// After a start, reads may not show what the process before us wrote; nothing is created for this long.
const QUIET_AFTER_START: Duration = Duration::from_secs(10);

/// What the loop works with.
pub struct Parts {
    /// The API.
    pub github: GitHub,
    /// The bare caches.
    pub git: git::Cache,
    /// Where repositories are fetched from, given their full name.
    pub remotes: git::Remotes,
    /// The durable queue.
    pub queue: Queue,
    /// Who evaluates.
    pub worker: Worker,
    /// What masks of secret values are keyed with; derive it from the App's key, so that it outlives a restart.
    pub mask_secret: [u8; 32],
    /// Where images are looked up.
    pub registries: Registries,
    /// The time.
    pub clock: Clock,
}

/// How the loop runs.
#[derive(Debug, Clone)]
pub struct Running {
    /// How often everything is looked at even if GitHub says nothing.
    pub sweep_every: Duration,
    /// Where passes are counted.
    pub metrics: Option<Metrics>,
}

impl Running {
    /// Sweeping this often where no webhook can reach us, else from time to time; nothing is counted.
    pub fn every(poll: Option<Duration>) -> Self {
        Self { sweep_every: poll.unwrap_or(SWEEP_EVERY), metrics: None }
    }
}

/// The bot: everything between a wake and a write.
pub struct Reconciler {
    parts: Parts,
    bot: Bot,
    directory: Directory,
    expectations: Expectations,
    caches: way::Caches,
    memory: merging::Memory,
    reads: reads::Reads,
    ledgers: ledgers::Turns,
    known: ledgers::Known,
    people: people::People,
    met: onboarding::Met,
    /// Until when nothing is created: reads may be stale right after a start.
    quiet_until: Mutex<Timestamp>,
}

impl Reconciler {
    /// Learns who we are and what we can reach, and wakes every repository with a configuration.
    ///
    /// # Errors
    /// When GitHub refuses the App's key, or the queue fails.
    pub async fn start(parts: Parts) -> Result<Arc<Self>, Trouble> {
        let bot = parts.github.app().await?;
        let quiet_until = Mutex::new(parts.clock.now() + QUIET_AFTER_START);
        let this = Arc::new(Self {
            parts,
            bot,
            directory: Directory::default(),
            expectations: Expectations::default(),
            caches: way::Caches::default(),
            memory: merging::Memory::default(),
            reads: reads::Reads::default(),
            ledgers: ledgers::Turns::default(),
            known: ledgers::Known::default(),
            people: people::People::default(),
            met: onboarding::Met::default(),
            quiet_until,
        });
        this.sweep().await?;
        Ok(this)
    }

    /// Who we are.
    pub fn bot(&self) -> &Bot {
        &self.bot
    }

    /// Runs until `stop` resolves; passes under way are finished.
    pub async fn run(self: Arc<Self>, stop: impl Future<Output = ()>) {
        self.run_with(Running::every(None), stop).await;
    }

    /// The same, at somebody's own pace. Dropping it cuts the passes under way, which is safe: their leases run out.
    pub async fn run_with(self: Arc<Self>, running: Running, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut passes = tokio::task::JoinSet::new();
        let mut sweep_at = self.parts.clock.now() + running.sweep_every;
        loop {
            // Never further away than one round, should the clock step back.
            sweep_at = sweep_at.min(self.parts.clock.now() + running.sweep_every);
            if self.parts.clock.now() >= sweep_at {
                if let Err(trouble) = self.sweep().await {
                    tracing::warn!(%trouble, next_in = ?running.sweep_every, "the sweep was cut short");
                }
                sweep_at = self.parts.clock.now() + running.sweep_every;
            }
            let room = MAX_PASSES - passes.len();
            let leases = match self.parts.queue.claim(room, LEASE).await {
                Ok(leases) => leases,
                Err(error) => {
                    tracing::error!(%error, "the queue cannot be read");
                    Vec::new()
                }
            };
            for lease in leases {
                passes.spawn(Arc::clone(&self).pass(lease, running.metrics.clone()));
            }
            let until = self.next_look(sweep_at).await;
            tokio::select! {
                () = &mut stop => break,
                Some(_) = passes.join_next(), if !passes.is_empty() => {}
                () = self.parts.queue.wait_for_work(Some(until)), if passes.len() < MAX_PASSES => {}
            }
        }
        while passes.join_next().await.is_some() {}
    }

    /// When there is something to claim or to sweep, if nothing wakes us before.
    async fn next_look(&self, sweep_at: Timestamp) -> Timestamp {
        let due = self.parts.queue.next_due().await.ok().flatten().map_or(sweep_at, |(at, _)| at.min(sweep_at));
        // What is due and was not claimed a moment ago waits for a pass to end: no reason to spin.
        due.max(self.parts.clock.now() + Duration::from_millis(20))
    }

    /// Runs what is due now, one key after the other, and says how many passes that were: for tests and the tour.
    ///
    /// # Errors
    /// When the queue fails.
    pub async fn step(self: &Arc<Self>) -> Result<usize, QueueError> {
        let leases = self.parts.queue.claim(1, LEASE).await?;
        let count = leases.len();
        for lease in leases {
            Arc::clone(self).pass(lease, None).await;
        }
        Ok(count)
    }

    /// Learns what can be reached and wakes every repository with a configuration: finds what no webhook told.
    ///
    /// # Errors
    /// When GitHub or the queue fails.
    pub async fn sweep(&self) -> Result<(), Trouble> {
        let installations = self.parts.github.installations().await?;
        self.directory.keep(&installations);
        for installation in installations {
            // One installation in trouble never holds up another.
            match self.parts.github.repositories(installation).await {
                Ok(listings) => self.directory.replace(installation, listings),
                Err(error) => {
                    tracing::warn!(installation = installation.0, %error, "its repositories cannot be listed")
                }
            }
        }
        let now = self.parts.clock.now();
        let all = self.directory.all();
        let all = self.read_routes(&all).await;
        let wake = |at: crate::github::RepoAt| {
            (Wake { key: Key::Repo(at.id), installation: at.installation, note: None }, now)
        };
        self.parts.queue.wake(all.into_iter().map(wake).collect()).await?;
        Ok(())
    }

    /// One pass over one key, whatever happens in it.
    async fn pass(self: Arc<Self>, lease: Lease, metrics: Option<Metrics>) {
        let begun = Instant::now();
        let outcome = match AssertUnwindSafe(self.attempt(&lease)).catch_unwind().await {
            Ok(Ok(look_again_at)) => Outcome::Done { look_again_at },
            Ok(Err(trouble)) => trouble.outcome(lease.attempt, self.parts.clock.now()),
            Err(_) => trouble::panicked(lease.attempt, self.parts.clock.now()),
        };
        let key = lease.key.to_string();
        let ended = match &outcome {
            Outcome::Done { .. } => {
                tracing::debug!(key, "looked at");
                "done"
            }
            Outcome::Retry { reason, .. } => {
                tracing::info!(key, reason, "will be looked at again");
                "retry"
            }
            Outcome::Parked { reason } => {
                tracing::warn!(key, reason, "parked until something wakes it");
                "parked"
            }
        };
        if let Some(metrics) = metrics {
            metrics.pass(kind(&lease.key), ended, begun.elapsed());
            let (installation, budget) = (lease.installation.0, self.parts.github.budget(lease.installation));
            let writes = u64::try_from(budget.writes).ok();
            for (bucket, left) in [("rest", budget.rest), ("graphql", budget.graphql), ("writes", writes)] {
                left.inspect(|left| metrics.rate_limit(installation, bucket, *left));
            }
        }
        if let Err(error) = self.parts.queue.finish(lease, outcome).await {
            tracing::error!(key, %error, "the end of the pass could not be stored; its lease will run out");
        }
    }

    async fn attempt(&self, lease: &Lease) -> Result<Option<Timestamp>, Trouble> {
        let Some(mut snapshot) = self.observe(lease).await? else { return Ok(None) };
        let plan = self.plan(&mut snapshot, lease).await?;
        let mut look_again_at = plan.look_again_at;
        let later = |at: Timestamp, old: Option<Timestamp>| Some(old.map_or(at, |old| old.min(at)));
        for verdict in &plan.verdicts {
            tracing::debug!(key = %lease.key, code = verdict.code, answer = ?verdict.answer, "{}", verdict.text);
        }
        let (mut wakes, mut told) = (Vec::new(), Vec::new());
        for effect in plan.effects {
            match &effect {
                Effect::Wake(key) => {
                    wakes.extend(self.wakes(&snapshot, key, &lease.notes));
                    continue;
                }
                Effect::Tell { key, news } => {
                    if self.caches.is_news(key, news) {
                        wakes.extend(self.wakes(&snapshot, key, &lease.notes));
                        told.push((key.clone(), news.clone()));
                    }
                    continue;
                }
                _ => {}
            }
            self.wake(&mut wakes).await?;
            let now = self.parts.clock.now();
            match self.expectations.advise(snapshot.common.repo.id, effect, now) {
                Advice::Skip(until) => look_again_at = later(until, look_again_at),
                Advice::Write(effect) if effect.creates() => {
                    self.is_quiet_over(now)?;
                    self.write(&snapshot, &effect).await?;
                }
                Advice::Write(effect) => {
                    if matches!(effect, Effect::Merge { .. } | Effect::Enqueue { .. }) {
                        self.confirm(lease, &effect).await?;
                    }
                    self.write(&snapshot, &effect).await?;
                }
            }
        }
        self.wake(&mut wakes).await?;
        told.into_iter().for_each(|(key, news)| self.caches.told(key, news));
        Ok(look_again_at)
    }

    /// Looks and decides once more right before a merge: evaluating may take a while, and in that time something newer may have been
    /// tagged, a hold set, an approval taken back.
    async fn confirm(&self, lease: &Lease, effect: &Effect) -> Result<(), Trouble> {
        // No read from before counts.
        let mut anew = lease.clone();
        anew.asked_at = self.parts.clock.now();
        let still = match self.observe(&anew).await? {
            Some(mut snapshot) => self.plan(&mut snapshot, &anew).await?.effects.contains(effect),
            None => false,
        };
        // Not at once, should what was seen keep changing.
        let soon = self.parts.clock.now() + Duration::from_secs(2);
        if still { Ok(()) } else { Err(Trouble::later(soon, "something changed right before the merge")) }
    }

    /// Whether reads may be trusted enough to create something.
    fn is_quiet_over(&self, now: Timestamp) -> Result<(), Trouble> {
        let mut until = self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner);
        // Never further away than it was at first, should the clock step back.
        *until = (*until).min(now + QUIET_AFTER_START);
        let until = *until;
        if now < until { Err(Trouble::later(until, "just started; reads may be stale")) } else { Ok(()) }
    }

    /// Decides, looks up what the plan asks for, and decides again.
    async fn plan(&self, snapshot: &mut Snapshot, lease: &Lease) -> Result<Plan, Trouble> {
        let mut seen = lookup::Seen::default();
        for _ in 0..MAX_ROUNDS {
            let plan = decide(snapshot);
            if plan.needs.is_empty() {
                self.remember_base(snapshot);
                return Ok(plan);
            }
            for need in plan.needs {
                self.look_up(snapshot, need, lease, &mut seen).await?;
            }
        }
        Err(Trouble::bug("the plan kept asking for more than eight rounds"))
    }

    /// On which base an open pull request was judged, so that what lands can be compared with it.
    fn remember_base(&self, snapshot: &Snapshot) {
        if let Subject::Pull(PullSubject { number, pull: Some(pull), .. }) = &snapshot.subject
            && pull.brief.state == PullState::Open
            && snapshot.common.bot.is(&pull.brief.author)
        {
            self.memory.evaluated(snapshot.common.repo.id, *number, (pull.base_tip, pull.brief.head));
        }
    }

    async fn write(&self, snapshot: &Snapshot, effect: &Effect) -> Result<(), Trouble> {
        let repo = snapshot.common.repo.id;
        let applied = self.apply(snapshot, effect).await;
        // Also what failed may have been done.
        self.reads.written(repo, self.parts.clock.now());
        let id = applied?;
        self.expectations.written(repo, effect, id, self.parts.clock.now());
        Ok(())
    }
}

/// What a key is about, in a word that metrics may count by.
fn kind(key: &Key) -> &'static str {
    match key {
        Key::Repo(..) => "repo",
        Key::Pull(..) => "pull",
        Key::Head(..) => "head",
        Key::Pipeline(..) => "pipeline",
    }
}
