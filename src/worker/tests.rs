//! One evaluation at a time of the same trees, and as many as there is room for of others.

use std::sync::Condvar;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::model::pipeline::{Mode, Policies};
use crate::model::tree::{Entry, MemoryObjects, ObjectError};

/// Objects that count how often the base's root is asked for, and do something whenever it is.
struct Watched<F> {
    objects: MemoryObjects,
    base: Oid,
    looks: AtomicUsize,
    at_look: F,
}

impl<F: Fn(usize) + Send + Sync> Objects for Watched<F> {
    fn tree(&self, id: Oid) -> Result<Arc<[Entry]>, ObjectError> {
        if id == self.base {
            (self.at_look)(self.looks.fetch_add(1, Ordering::SeqCst));
        }
        self.objects.tree(id)
    }

    fn blob(&self, id: Oid) -> Result<Arc<[u8]>, ObjectError> {
        self.objects.blob(id)
    }
}

/// A change of one file, and what it is watched with.
fn change<F: Fn(usize) + Send + Sync>(after: &str, at_look: F) -> (Arc<Watched<F>>, Request) {
    let mut objects = MemoryObjects::default();
    let base = objects.add_text([("dev/a.yaml", "kind: A")]).unwrap();
    let head = objects.add_text([("dev/a.yaml", after)]).unwrap();
    let policies = Policies::default();
    let pipeline =
        Pipeline { mode: Mode::Enforce, apps: Vec::new(), environments: Vec::new(), policies, registries: Vec::new() };
    let request = Request {
        installation: InstallationId(1),
        base,
        head,
        pipeline,
        config: None,
        policies: Vec::new(),
        today: None,
        mask: [7; 32],
        between: None,
    };
    (Arc::new(Watched { objects, base, looks: AtomicUsize::new(0), at_look }), request)
}

/// How often one evaluation alone looks.
async fn alone() -> usize {
    let (objects, request) = change("kind: B", |_| ());
    Worker::in_process().evaluate(objects.clone(), request).await;
    let looks = objects.looks.load(Ordering::SeqCst);
    assert!(looks > 0);
    looks
}

#[tokio::test]
async fn who_asks_for_the_same_waits_for_the_first() {
    let once = alone().await;
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let held = Arc::clone(&gate);
    // The first look waits until everybody has asked.
    let (objects, request) = change("kind: B", move |_| {
        let (open, opened) = &*held;
        drop(opened.wait_while(open.lock().unwrap(), |open| !*open).unwrap());
    });
    let worker = Worker::in_process();
    let asking = (0..5).map(|_| worker.evaluate(objects.clone(), request.clone()));
    let opening = async {
        assert_eq!(worker.turns.lock().unwrap().len(), 1);
        *gate.0.lock().unwrap() = true;
        gate.1.notify_all();
    };
    // Polled in this order: all ask before the gate opens.
    let (answers, ()) = tokio::join!(biased; futures_util::future::join_all(asking), opening);
    assert!(answers.iter().all(|answer| Arc::ptr_eq(answer, &answers[0])));
    assert_eq!(objects.looks.load(Ordering::SeqCst), once, "evaluated once");

    // Turns end with those who waited: the next one to take a turn finds none.
    let (objects, request) = change("kind: C", |_| ());
    worker.evaluate(objects, request).await;
    assert_eq!(worker.turns.lock().unwrap().len(), 1);
    assert!(worker.turns.lock().unwrap().values().all(|turn| turn.strong_count() == 0));
}

#[tokio::test]
async fn who_asks_for_something_else_does_not_wait() {
    // Each waits at its first look for the other's: in turns they would wait for ever.
    let both = Arc::new((Mutex::new(0), Condvar::new()));
    let meet = |after| {
        let both = Arc::clone(&both);
        change(after, move |look| {
            if look == 0 {
                let mut here = both.0.lock().unwrap();
                *here += 1;
                both.1.notify_all();
                let waited = both.1.wait_timeout_while(here, Duration::from_secs(30), |here| *here < 2).unwrap();
                assert!(!waited.1.timed_out(), "alone for ever");
            }
        })
    };
    let worker = Worker::in_process();
    let ((one, first), (other, second)) = (meet("kind: B"), meet("kind: C"));
    let met = tokio::join!(worker.evaluate(one, first), worker.evaluate(other, second));
    assert!([met.0, met.1].iter().all(|answer| answer.findings.iter().all(|finding| finding.rule != LIMIT)));
}

#[tokio::test]
async fn what_failed_for_the_first_is_tried_again_by_the_next() {
    let once = alone().await;
    let (objects, request) = change("kind: B", |look| assert!(look > 0, "the first look fails"));
    let worker = Worker::in_process();
    let asking = (0..3).map(|_| worker.evaluate(objects.clone(), request.clone()));
    let answers = futures_util::future::join_all(asking).await;
    let failed = |answer: &Evaluation| answer.findings.iter().any(|finding| finding.rule == LIMIT);
    assert_eq!(answers.iter().filter(|answer| failed(answer)).count(), 1);
    assert_eq!(objects.looks.load(Ordering::SeqCst), 1 + once, "one failed, one evaluated, one was told");
}
