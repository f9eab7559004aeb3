//! The accept loop. axum's own keeps half-sent headers open for ever (measured: 45 s and on); this one has time-outs.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

/// Connections open at once; beyond it they wait in the kernel's backlog. A silent one is gone after five seconds.
const MAX_CONNECTIONS: usize = 2048;

/// From the first byte awaited to the last header: GitHub sends them in one packet.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// GitHub sends about fifteen, a proxy adds a few.
const MAX_HEADERS: usize = 64;

/// Room for the headers; bodies pass through it in pieces.
const MAX_BUFFER: usize = 32 << 10;

/// How long requests under way may take once shutdown has begun: longer than the handlers' own time-out.
const DRAIN: Duration = Duration::from_secs(10);

/// A pause after a failed accept, which is most often too many open files; spinning would not close any.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `router` until `shutdown` resolves, then lets requests under way end for at most ten seconds.
pub async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let (closing, closed) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        // Reap what has ended, so that the set holds live connections only.
        while connections.try_join_next().is_some() {}
        tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &room) => match accepted {
                Some((stream, place)) => {
                    connections.spawn(connection(stream, place, router.clone(), closed.clone()));
                }
                None => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    drop(listener);
    let _nobody_listens = closing.send(true);
    let drained = tokio::time::timeout(DRAIN, async { while connections.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        tracing::warn!(connections = connections.len(), "connections did not end in time and are cut");
    }
}

async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = room.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            None
        }
    }
}

async fn connection(
    stream: TcpStream,
    _place: OwnedSemaphorePermit,
    router: Router,
    mut closed: watch::Receiver<bool>,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_BUFFER)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    // What goes wrong with one connection is the other side's; the layers have answered what could be answered.
    tokio::select! {
        _ended = connection.as_mut() => {}
        _closing = async { closed.wait_for(|closing| *closing).await.is_ok() } => {
            connection.as_mut().graceful_shutdown();
            let _ended = connection.await;
        }
    }
}
