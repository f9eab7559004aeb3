//! The queue, held against what it promises: a conformance suite any store must pass, a model, and a killed process.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use trunkline::clock::Clock;
use trunkline::model::id::{InstallationId, Key, Oid, RepoId};
use trunkline::queue::{
    Accepted, Delivery, Due, Lease, MAX_NOTES, Note, Outcome, PATIENCE, QUIET, Queue, QueueError, SAME_BODY, Wake,
};

const LEASE: Duration = Duration::from_secs(60);

fn start() -> Timestamp {
    "2026-01-05T09:00:00Z".parse().unwrap()
}

fn wake(repo: u64) -> Wake {
    Wake { key: Key::Repo(RepoId(repo)), installation: InstallationId(1), note: None }
}

fn tag(repo: u64, tag: &str) -> Wake {
    let note = Note::TagPushed { tag: tag.into(), commit_or_object: Oid([7; 20]), pusher: "ada".into() };
    Wake { note: Some(note), ..wake(repo) }
}

fn delivery(guid: &str, wakes: Vec<Wake>) -> Delivery {
    let mut body_sha256 = [0; 32];
    let bytes = guid.as_bytes();
    body_sha256[..bytes.len().min(32)].copy_from_slice(&bytes[..bytes.len().min(32)]);
    Delivery { app: 1, guid: guid.into(), body_sha256, event: "push".into(), wakes }
}

async fn claim(queue: &Queue) -> Vec<Lease> {
    queue.claim(100, LEASE).await.unwrap()
}

async fn done(queue: &Queue, lease: Lease) {
    queue.finish(lease, Outcome::Done { look_again_at: None }).await.unwrap();
}

/// What every store behind `Queue` must do; each takes an empty queue and the manual clock it runs on.
mod conformance {
    use super::*;

    pub(super) async fn t3_t4_a_delivery_counts_once(queue: Queue, clock: Clock) {
        let first = delivery("a", vec![wake(1)]);
        assert_eq!(queue.accept(first.clone()).await, Ok(Accepted::New));
        assert_eq!(queue.accept(first.clone()).await, Ok(Accepted::Duplicate));
        let fresh_guid = Delivery { guid: "b".into(), ..first.clone() };
        assert_eq!(
            queue.accept(fresh_guid.clone()).await,
            Ok(Accepted::Duplicate),
            "the GUID is not signed, the body is"
        );
        let other_body = Delivery { body_sha256: [9; 32], ..first.clone() };
        assert_eq!(queue.accept(other_body).await, Ok(Accepted::Duplicate), "a redelivery keeps its GUID");
        let other_app = Delivery { app: 2, ..first.clone() };
        assert_eq!(queue.accept(other_app).await, Ok(Accepted::New), "two Apps share a GUID");
        clock.advance(PATIENCE);
        assert_eq!(claim(&queue).await.len(), 1);
        clock.advance(SAME_BODY);
        assert_eq!(queue.accept(fresh_guid).await, Ok(Accepted::New), "two events may be alike to the byte");
        clock.advance(PATIENCE);
        assert_eq!(claim(&queue).await.len(), 1);
    }

    pub(super) async fn a_burst_is_one_pass(queue: Queue, clock: Clock) {
        for second in 0..30 {
            queue.accept(delivery(&format!("d{second}"), vec![wake(1)])).await.unwrap();
            let due = start().saturating_add(PATIENCE).unwrap().min(clock.now().saturating_add(QUIET).unwrap());
            if second <= 9 {
                assert_eq!(queue.next_due().await, Ok(Some((due, Due::Soon))), "second {second}");
                assert!(claim(&queue).await.is_empty(), "second {second}");
            }
            clock.advance(Duration::from_secs(1));
        }
        let leases = claim(&queue).await;
        assert_eq!(leases.len(), 1);
        assert_eq!(leases[0].attempt, 1);
        done(&queue, leases[0].clone()).await;
        assert_eq!(queue.next_due().await, Ok(None));
    }

    pub(super) async fn a_wake_during_a_pass_is_kept(queue: Queue, clock: Clock) {
        queue.accept(delivery("a", vec![tag(1, "v1")])).await.unwrap();
        clock.advance(QUIET);
        let lease = claim(&queue).await.remove(0);
        queue.accept(delivery("b", vec![tag(1, "v2")])).await.unwrap();
        clock.advance(QUIET);
        assert!(claim(&queue).await.is_empty(), "one pass a key at a time");
        let first = lease.notes.clone();
        done(&queue, lease).await;
        let lease = claim(&queue).await.remove(0);
        assert_eq!([first, lease.notes.clone()].concat(), [tag(1, "v1"), tag(1, "v2")].map(|wake| wake.note.unwrap()));
        done(&queue, lease).await;
        assert_eq!(queue.stats().await.unwrap(), trunkline::queue::Stats::default());
    }

    pub(super) async fn notes_stay_until_a_pass_is_done(queue: Queue, clock: Clock) {
        queue.accept(delivery("a", vec![tag(1, "v1")])).await.unwrap();
        clock.advance(QUIET);
        for attempt in 1..=3 {
            let lease = claim(&queue).await.remove(0);
            assert_eq!((lease.attempt, lease.notes.len()), (attempt, 1));
            let at = clock.now().saturating_add(QUIET).unwrap();
            queue.finish(lease, Outcome::Retry { at, reason: "502".into() }).await.unwrap();
            assert_eq!(queue.next_due().await, Ok(Some((at, Due::Soon))));
            clock.advance(QUIET);
        }
        let lease = claim(&queue).await.remove(0);
        queue.finish(lease, Outcome::Parked { reason: "no access".into() }).await.unwrap();
        assert_eq!(queue.next_due().await, Ok(None));
        assert_eq!(queue.stats().await.unwrap().parked, 1);
        queue.wake(vec![(wake(1), clock.now())]).await.unwrap();
        let lease = claim(&queue).await.remove(0);
        assert_eq!((lease.attempt, lease.notes.len()), (1, 1), "roused: a new beginning, nothing forgotten");
    }

    pub(super) async fn the_least_timer_rules(queue: Queue, clock: Clock) {
        let at = |seconds: u64| start().saturating_add(Duration::from_secs(seconds)).unwrap();
        queue.wake(vec![(wake(1), at(0)), (wake(2), at(300))]).await.unwrap();
        let lease = claim(&queue).await.remove(0);
        queue.finish(lease, Outcome::Done { look_again_at: Some(at(600)) }).await.unwrap();
        assert_eq!(queue.next_due().await, Ok(Some((at(300), Due::Later))));
        assert_eq!(queue.next_soon().await, Ok(None));
        queue.wake(vec![(wake(1), at(100)), (wake(1), at(200))]).await.unwrap();
        assert_eq!(queue.next_due().await, Ok(Some((at(100), Due::Later))));
        clock.advance(Duration::from_secs(150));
        let lease = claim(&queue).await.remove(0);
        queue.finish(lease, Outcome::Retry { at: at(400), reason: String::new() }).await.unwrap();
        assert_eq!(queue.next_due().await, Ok(Some((at(300), Due::Later))));
        assert_eq!(queue.next_soon().await, Ok(Some(at(400))), "also behind a far timer");
        clock.advance(Duration::from_secs(250));
        assert_eq!(claim(&queue).await.len(), 2);
        assert_eq!(queue.next_due().await, Ok(Some((at(460), Due::Soon))), "the leases' end");
    }

    pub(super) async fn a_lost_lease_is_fenced_off(queue: Queue, clock: Clock) {
        queue.wake(vec![(wake(1), clock.now())]).await.unwrap();
        let old = claim(&queue).await.remove(0);
        clock.advance(LEASE);
        let new = claim(&queue).await.remove(0);
        assert_eq!(new.attempt, 2);
        let lost = queue.finish(old, Outcome::Done { look_again_at: None }).await;
        assert_eq!(lost, Err(QueueError::LeaseLost(Key::Repo(RepoId(1)))));
        done(&queue, new.clone()).await;
        assert!(queue.finish(new, Outcome::Done { look_again_at: None }).await.is_err(), "finished once");
    }

    pub(super) async fn t10_a_flood_of_one_installation_delays_nobody(queue: Queue, clock: Clock) {
        let of = |installation, repo| (Wake { installation: InstallationId(installation), ..wake(repo) }, start());
        queue.wake((0..3000).map(|repo| of(5, repo)).collect()).await.unwrap();
        queue.wake(vec![of(1, 8001), of(9, 8009), of(9, 8010)]).await.unwrap();
        clock.advance(QUIET);
        let mut served = Vec::new();
        for _ in 0..8 {
            let lease = queue.claim(1, LEASE).await.unwrap().remove(0);
            served.push(lease.installation.0);
            done(&queue, lease).await;
        }
        assert_eq!(served, [1, 5, 9, 5, 9, 5, 5, 5]);
        let batch = queue.claim(4, LEASE).await.unwrap();
        assert_eq!(batch.len(), 4, "alone, it gets everything");
    }

    pub(super) async fn notes_are_bounded(queue: Queue, clock: Clock) {
        for n in 0..MAX_NOTES + 5 {
            queue.wake(vec![(tag(1, &format!("v{n}")), clock.now())]).await.unwrap();
        }
        let lease = claim(&queue).await.remove(0);
        assert_eq!(lease.notes.len(), MAX_NOTES as usize);
        assert_eq!(lease.notes[0], tag(1, "v5").note.unwrap(), "the oldest go first");
    }

    pub(super) async fn it_answers_and_closes(queue: Queue, _clock: Clock) {
        queue.probe().await.unwrap();
        queue.wake(vec![(wake(1), start())]).await.unwrap();
        queue.wait_for_work(None).await;
        queue.close().await.unwrap();
        assert_eq!(queue.probe().await, Err(QueueError::Closed));
        assert_eq!(queue.accept(delivery("a", vec![])).await, Err(QueueError::Closed));
    }
}

macro_rules! on_sqlite {
    ($($name:ident)*) => {$(
        #[tokio::test]
        async fn $name() {
            let clock = Clock::manual(start());
            conformance::$name(Queue::in_memory(clock.clone()).await.unwrap(), clock.clone()).await;
            let folder = tempfile::tempdir().unwrap();
            let clock = Clock::manual(start());
            let queue = Queue::open(&folder.path().join("queue.db"), clock.clone()).await.unwrap();
            conformance::$name(queue, clock).await;
        }
    )*};
}

on_sqlite! {
    t3_t4_a_delivery_counts_once
    a_burst_is_one_pass
    a_wake_during_a_pass_is_kept
    notes_stay_until_a_pass_is_done
    the_least_timer_rules
    a_lost_lease_is_fenced_off
    t10_a_flood_of_one_installation_delays_nobody
    notes_are_bounded
    it_answers_and_closes
}

/// One thing that can happen to a queue.
#[derive(Debug, Clone)]
enum Step {
    Deliver { guid: u8, repo: u64, tag: bool },
    Wake { repo: u64, after: u64 },
    Claim,
    Finish { which: usize, outcome: u8, after: u64 },
    Pass(u64),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..20_u8, 0..4_u64, any::<bool>()).prop_map(|(guid, repo, tag)| Step::Deliver { guid, repo, tag }),
        2 => (0..4_u64, 0..30_u64).prop_map(|(repo, after)| Step::Wake { repo, after }),
        4 => Just(Step::Claim),
        4 => (0..3_usize, 0..3_u8, 0..30_u64).prop_map(|(which, outcome, after)| Step::Finish { which, outcome, after }),
        4 => (0..20_u64).prop_map(Step::Pass),
        1 => Just(Step::Reopen),
    ]
}

/// A key as the promises describe it, without a database.
#[derive(Debug, Default, Clone)]
struct Row {
    first: Option<Timestamp>,
    wake: Option<Timestamp>,
    retry: Option<Timestamp>,
    sweep: Option<Timestamp>,
    look: Option<Timestamp>,
    notes: Vec<Note>,
    attempt: u32,
    parked: bool,
    leased: Option<(Timestamp, usize)>,
}

impl Row {
    fn run_at(&self) -> Option<Timestamp> {
        [self.wake, self.retry, self.sweep, self.look].into_iter().flatten().min()
    }

    fn soon_at(&self) -> Option<Timestamp> {
        match self.leased {
            Some((until, _)) => Some(until),
            None => [self.wake, self.retry].into_iter().flatten().min(),
        }
    }

    fn free(&mut self, now: Timestamp) {
        self.leased = None;
        self.retry = Some(now);
    }
}

#[derive(Debug, Default)]
struct Model {
    guids: Vec<u8>,
    rows: BTreeMap<u64, Row>,
}

impl Model {
    fn deliver(&mut self, guid: u8, wake: &Wake, now: Timestamp) -> Accepted {
        if self.guids.contains(&guid) {
            return Accepted::Duplicate;
        }
        self.guids.push(guid);
        let row = self.rows.entry(wake.key.repo().0).or_default();
        let first = *row.first.get_or_insert(now);
        row.wake = Some((first + PATIENCE).min(now + QUIET));
        row.notes.extend(wake.note.clone());
        Accepted::New
    }

    fn claim(&mut self, now: Timestamp) -> Vec<(u64, u32, Vec<Note>)> {
        let mut claimed = Vec::new();
        for (repo, row) in &mut self.rows {
            if row.leased.is_some_and(|(until, _)| until <= now) {
                row.free(now);
            }
            if row.leased.is_some() || row.run_at().is_none_or(|at| at > now) {
                continue;
            }
            let later = |at: Option<Timestamp>| at.filter(|at| *at > now);
            (row.first, row.wake, row.retry) = (None, None, None);
            (row.sweep, row.look) = (later(row.sweep), later(row.look));
            row.attempt = if row.parked { 1 } else { row.attempt + 1 };
            row.parked = false;
            row.leased = Some((now + LEASE, row.notes.len()));
            claimed.push((*repo, row.attempt, row.notes.clone()));
        }
        claimed
    }

    /// Whether the lease still held.
    fn finish(&mut self, lease: &Lease, current: bool, outcome: &Outcome) -> bool {
        let repo = lease.key.repo().0;
        let Some(row) = self.rows.get_mut(&repo).filter(|row| current && row.leased.is_some()) else { return false };
        let Some((_, notes)) = row.leased.take() else { return false };
        match outcome {
            Outcome::Done { look_again_at } => {
                row.look = *look_again_at;
                row.attempt = 0;
                row.notes.drain(..notes);
                if row.run_at().is_none() {
                    self.rows.remove(&repo);
                }
            }
            Outcome::Retry { at, .. } => row.retry = Some(*at),
            Outcome::Parked { .. } => row.parked = true,
        }
        true
    }
}

/// The real queue and the model, side by side.
struct Pair {
    folder: tempfile::TempDir,
    clock: Clock,
    queue: Queue,
    model: Model,
    leases: Vec<Lease>,
    /// The newest lease handed out for each key; older ones are fenced off.
    newest: BTreeMap<u64, i64>,
}

impl Pair {
    async fn new() -> Pair {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(start());
        let queue = Queue::open(&folder.path().join("queue.db"), clock.clone()).await.unwrap();
        Pair { folder, clock, queue, model: Model::default(), leases: Vec::new(), newest: BTreeMap::new() }
    }

    async fn take(&mut self, step: Step) {
        let now = self.clock.now();
        match step {
            Step::Deliver { guid, repo, tag: tagged } => {
                let wake = if tagged { tag(repo, &guid.to_string()) } else { wake(repo) };
                let expected = self.model.deliver(guid, &wake, now);
                assert_eq!(self.queue.accept(delivery(&format!("d{guid}"), vec![wake])).await, Ok(expected));
            }
            Step::Wake { repo, after } => {
                let at = now + Duration::from_secs(after);
                let row = self.model.rows.entry(repo).or_default();
                row.sweep = Some(row.sweep.map_or(at, |old| old.min(at)));
                self.queue.wake(vec![(wake(repo), at)]).await.unwrap();
            }
            Step::Claim => {
                let leases = claim(&self.queue).await;
                let mut seen: Vec<_> =
                    leases.iter().map(|lease| (lease.key.repo().0, lease.attempt, lease.notes.clone())).collect();
                seen.sort_by_key(|(repo, ..)| *repo);
                assert_eq!(seen, self.model.claim(now));
                self.newest.extend(leases.iter().map(|lease| (lease.key.repo().0, lease.token)));
                self.leases.extend(leases);
            }
            Step::Finish { which, outcome, after } => {
                self.finish(which, outcome, now + Duration::from_secs(after)).await
            }
            Step::Pass(seconds) => self.clock.advance(Duration::from_secs(seconds)),
            Step::Reopen => {
                self.queue.close().await.unwrap();
                self.queue = Queue::open(&self.folder.path().join("queue.db"), self.clock.clone()).await.unwrap();
                self.model.rows.values_mut().filter(|row| row.leased.is_some()).for_each(|row| row.free(now));
            }
        }
        self.compare().await;
    }

    async fn finish(&mut self, which: usize, outcome: u8, at: Timestamp) {
        if which >= self.leases.len() {
            return;
        }
        let lease = self.leases.remove(which);
        let outcome = match outcome {
            0 => Outcome::Done { look_again_at: (which == 0).then_some(at) },
            1 => Outcome::Retry { at, reason: "later".into() },
            _ => Outcome::Parked { reason: "no".into() },
        };
        let current = self.newest.get(&lease.key.repo().0) == Some(&lease.token);
        let held = self.model.finish(&lease, current, &outcome);
        assert_eq!(self.queue.finish(lease, outcome).await.is_ok(), held);
    }

    async fn compare(&self) {
        let rows = || self.model.rows.values();
        let soon = rows().filter_map(Row::soon_at).min();
        assert_eq!(self.queue.next_soon().await.unwrap(), soon);
        let any = rows().filter(|row| row.leased.is_none()).filter_map(Row::run_at).chain(soon).min();
        assert_eq!(self.queue.next_due().await.unwrap().map(|(at, _)| at), any);
        let stats = self.queue.stats().await.unwrap();
        assert_eq!(stats.notes as usize, rows().map(|row| row.notes.len()).sum::<usize>());
        assert_eq!(stats.leased as usize, rows().filter(|row| row.leased.is_some()).count());
        assert_eq!((stats.waiting + stats.leased + stats.parked) as usize, rows().count());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_is_as_the_model_says(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut pair = Pair::new().await;
            for step in steps {
                pair.take(step).await;
            }
        });
    }
}

#[tokio::test]
async fn the_loop_wakes_at_the_time_or_by_a_wake() {
    let queue = Queue::in_memory(Clock::System).await.unwrap();
    let begun = std::time::Instant::now();
    queue.wait_for_work(Some(Timestamp::now() - Duration::from_secs(5))).await;
    queue.wait_for_work(Some(Timestamp::now() + Duration::from_millis(20))).await;
    let far = Timestamp::now() + Duration::from_secs(3600);
    let sleeper = queue.clone();
    tokio::join!(sleeper.wait_for_work(Some(far)), async {
        queue.wake(vec![(wake(1), Timestamp::now())]).await.unwrap();
    });
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert_eq!(claim(&queue).await.len(), 1);
}

#[tokio::test]
async fn t47_the_file_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    std::fs::write(&path, "").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let queue = Queue::open(&path, Clock::System).await.unwrap();
    queue.accept(delivery("a", vec![wake(1)])).await.unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.file_name());
        seen += 1;
    }
    assert_eq!(seen, 4, "the file, its log, the log's index, the lock");
}

#[tokio::test]
async fn t48_a_second_process_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let queue = Queue::open(&path, Clock::System).await.unwrap();
    let error =
        Queue::open(&path, Clock::System).await.unwrap_err().to_string().replace(path.to_str().unwrap(), "[file]");
    insta::assert_snapshot!(error, @"`[file]` is in use by another Trunkline; stop that one first, or give this one its own data folder");
    queue.close().await.unwrap();
    Queue::open(&path, Clock::System).await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_database_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let content = "SQLite, but not quite; long enough to be looked at as a page of a database file.";
    std::fs::write(&path, content).unwrap();
    let queue = Queue::open(&path, Clock::System).await.unwrap();
    queue.accept(delivery("a", vec![wake(1)])).await.unwrap();
    assert_eq!(std::fs::read_to_string(folder.path().join("queue.db.unreadable")).unwrap(), content);
}

#[tokio::test]
async fn t47_a_damaged_file_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let queue = Queue::open(&path, Clock::System).await.unwrap();
    for n in 0..500 {
        queue.accept(delivery(&n.to_string(), vec![wake(n)])).await.unwrap();
    }
    queue.close().await.unwrap();
    // The first page, with the schema, is whole; the rest is not.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096..].fill(0xa5);
    std::fs::write(&path, &bytes).unwrap();
    let queue = Queue::open(&path, Clock::System).await.unwrap();
    assert_eq!(queue.accept(delivery("1", vec![wake(1)])).await, Ok(Accepted::New), "a fresh file");
    assert_eq!(std::fs::read(folder.path().join("queue.db.damaged")).unwrap(), bytes);
    queue.close().await.unwrap();
    let queue = Queue::open(&path, Clock::System).await.unwrap();
    assert_eq!(queue.accept(delivery("1", vec![wake(1)])).await, Ok(Accepted::Duplicate), "which then stays");
}

#[tokio::test]
async fn another_schema_version_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let queue = Queue::open(&path, Clock::System).await.unwrap();
    queue.accept(delivery("a", vec![wake(1)])).await.unwrap();
    queue.close().await.unwrap();
    // The version stands in the database's header, big-endian, at byte 60.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[60..64].copy_from_slice(&99_u32.to_be_bytes());
    std::fs::write(&path, &bytes).unwrap();
    let queue = Queue::open(&path, Clock::System).await.unwrap();
    assert_eq!(queue.accept(delivery("a", vec![wake(1)])).await, Ok(Accepted::New), "a fresh file");
    assert!(folder.path().join("queue.db.version-99").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t3_a_hundred_at_once_are_one() {
    let folder = tempfile::tempdir().unwrap();
    let queue = Queue::open(&folder.path().join("queue.db"), Clock::System).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let queue = queue.clone();
        tasks.spawn(async move { queue.accept(delivery("same", vec![tag(1, "v1")])).await.unwrap() });
    }
    let answers = tasks.join_all().await;
    assert_eq!(answers.iter().filter(|answer| **answer == Accepted::New).count(), 1);
    assert_eq!(queue.stats().await.unwrap().notes, 1);
}

/// The folder in which a child of this very test binary accepts deliveries until it is killed.
const CHILD: &str = "TRUNKLINE_TEST_QUEUE_CHILD";

/// In the parent: nothing. In the child: accepts deliveries as fast as it can and prints each id once it is acknowledged.
#[test]
fn kill_child() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let queue = Queue::open(Path::new(&path), Clock::System).await.unwrap();
        let (acked, mut inbox) = tokio::sync::mpsc::unbounded_channel::<String>();
        for _ in 0..16 {
            let (queue, acked) = (queue.clone(), acked.clone());
            tokio::spawn(async move {
                loop {
                    let id = uuid::Uuid::new_v4().simple().to_string();
                    let repo = u64::from(id.as_bytes()[0]);
                    if queue.accept(delivery(&id, vec![tag(repo, &id)])).await.is_ok() {
                        let _parent_gone = acked.send(id);
                    }
                }
            });
        }
        // A pass or two, so that the kill also meets leases; never finished, so that every note must survive.
        queue.claim(5, LEASE).await.unwrap();
        let mut out = std::io::stdout();
        while let Some(id) = inbox.recv().await {
            out.write_all(format!("acked {id}\n").as_bytes()).unwrap();
        }
    });
}

#[test]
fn kill_9_loses_no_acknowledged_delivery() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let mut acked: Vec<String> = Vec::new();
    for round in 0..12_usize {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["queue::kill_child", "--exact", "--nocapture", "--test-threads=1"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Killed after a number of acknowledgements, not of milliseconds: the moment inside the group is random enough.
        let enough = 1 + (round * 97) % 400;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let id = |line: String| line.rsplit_once("acked ").map(|(_, id)| id.to_owned()).filter(|id| id.len() == 32);
        let mut seen = 0;
        while seen < enough {
            let Some(line) = lines.next() else { panic!("the child ended by itself in round {round}") };
            let before = acked.len();
            acked.extend(id(line));
            seen += acked.len() - before;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        acked.extend(lines.filter_map(id));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let queue = Queue::open(&path, Clock::System).await.unwrap();
        assert_eq!(queue.stats().await.unwrap().leased, 0, "the dead hold nothing");
        for id in &acked {
            let again = queue.accept(delivery(id, vec![])).await.unwrap();
            assert_eq!(again, Accepted::Duplicate, "{id} was acknowledged and lost");
        }
        assert!(acked.len() > 1000, "{} deliveries is no test", acked.len());
    });
}
