//! The one task that writes: it gathers what waits, commits it as one transaction, and answers afterwards.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, mpsc, oneshot};

use super::store::Store;
use super::{Accepted, Delivery, Due, Lease, Outcome, QueueError, Stats, Wake};

/// Commands in one transaction: past this the sync is paid for (23,000 deliveries a second measured) and latency grows.
const MAX_GROUP: usize = 256;

/// Where the answer goes, once it is durable.
pub(super) type Reply<T> = oneshot::Sender<Result<T, QueueError>>;

/// What the writer can be asked.
#[derive(Debug)]
pub(super) enum Command {
    Accept(Delivery, Reply<Accepted>),
    Wake(Vec<(Wake, Timestamp)>, Reply<()>),
    Claim(usize, Duration, Reply<Vec<Lease>>),
    Finish(Lease, Outcome, Reply<()>),
    NextDue(Reply<Option<(Timestamp, Due)>>),
    NextSoon(Reply<Option<Timestamp>>),
    Stats(Reply<Stats>),
    Probe(Reply<()>),
    Close(Reply<()>),
}

/// An answer that waits for the commit.
struct Held {
    send: Box<dyn FnOnce(Result<(), QueueError>) + Send>,
    /// The store's trouble, which spoils the whole transaction; a refusal does not.
    spoilt: Option<QueueError>,
}

/// Serves commands until every sender is gone or one asks to close. The lock lives as long as the connection.
pub(super) async fn run(mut store: Store, lock: Option<File>, mut inbox: mpsc::Receiver<Command>, work: Arc<Notify>) {
    let mut group = Vec::with_capacity(MAX_GROUP);
    while inbox.recv_many(&mut group, MAX_GROUP).await > 0 {
        let closing = commit(&mut store, &mut group, &work).await;
        if let Some(reply) = closing {
            inbox.close();
            let closed = store.close().await;
            // Said aloud: a process that is being started at this moment holds a copy of the handle, and the lock with it, until it
            // becomes another program.
            let _freed_by_the_end_at_the_latest = lock.map(|lock| lock.unlock());
            let _asker_gone = reply.send(closed);
            return;
        }
    }
    if let Err(error) = store.close().await {
        tracing::warn!(%error, "the queue's file was not closed cleanly; it is whole, and the next start folds its log");
    }
}

/// Runs the gathered commands as one transaction and answers each; returns who asked to close.
async fn commit(store: &mut Store, group: &mut Vec<Command>, work: &Notify) -> Option<Reply<()>> {
    let mut held = Vec::with_capacity(group.len());
    let mut closing = None;
    let mut trouble = store.begin().await.err();
    let mut wakes = false;
    for command in group.drain(..) {
        wakes |= matches!(command, Command::Accept(..) | Command::Wake(..) | Command::Finish(..));
        match command {
            Command::Close(reply) => closing = Some(reply),
            command if trouble.is_some() => drop_unrun(command, trouble.clone().unwrap_or(QueueError::Closed)),
            command => {
                let answer = perform(store, command).await;
                trouble.clone_from(&answer.spoilt);
                held.push(answer.send);
            }
        }
    }
    let done = match trouble {
        None => store.commit().await,
        Some(error) => Err(error),
    };
    if let Err(error) = &done {
        tracing::error!(%error, "the queue could not commit");
        store.roll_back().await;
    }
    for send in held {
        send(done.clone());
    }
    if wakes && done.is_ok() {
        work.notify_one();
    }
    closing
}

/// Answers a command whose transaction was already lost.
fn drop_unrun(command: Command, error: QueueError) {
    fn refuse<T>(reply: Reply<T>, error: QueueError) {
        let _asker_gone = reply.send(Err(error));
    }
    match command {
        Command::Accept(_, reply) => refuse(reply, error),
        Command::Wake(_, reply) | Command::Finish(_, _, reply) | Command::Probe(reply) | Command::Close(reply) => {
            refuse(reply, error);
        }
        Command::Claim(_, _, reply) => refuse(reply, error),
        Command::NextDue(reply) => refuse(reply, error),
        Command::NextSoon(reply) => refuse(reply, error),
        Command::Stats(reply) => refuse(reply, error),
    }
}

async fn perform(store: &mut Store, command: Command) -> Held {
    match command {
        Command::Accept(delivery, reply) => hold(reply, store.accept(delivery).await),
        Command::Wake(wakes, reply) => hold(reply, store.wake(wakes).await),
        Command::Claim(max, lease, reply) => hold(reply, store.claim(max, lease).await),
        Command::Finish(lease, outcome, reply) => hold(reply, store.finish(lease, outcome).await),
        Command::NextDue(reply) => hold(reply, store.next_due().await),
        Command::NextSoon(reply) => hold(reply, store.next_soon().await),
        Command::Stats(reply) => hold(reply, store.stats().await),
        Command::Probe(reply) | Command::Close(reply) => hold(reply, store.probe().await),
    }
}

fn hold<T: Send + 'static>(reply: Reply<T>, result: Result<T, QueueError>) -> Held {
    let spoilt = match &result {
        Err(error @ (QueueError::Store(_) | QueueError::Damaged(_))) => Some(error.clone()),
        _ => None,
    };
    let send = move |done: Result<(), QueueError>| {
        // Whoever asked may have given up waiting; what was done stays done.
        let _asker_gone = reply.send(done.and(result));
    };
    Held { send: Box::new(send), spoilt }
}
