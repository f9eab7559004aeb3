//! Durable webhooks a second, against the same work without the store.
//!
//! The server has one thread, the sender another: on two cores each has its own. Senders keep 64 connections busy and wait
//! for each answer (closed loop), so the latency is that of a saturated server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::routing::post;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::{BodyExt, Limited};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use trunkline::clock::Clock;
use trunkline::queue::Queue;
use trunkline::telemetry::metrics::Metrics;
use trunkline::web::{Secrets, Us, WebState, delivery, public_router, serve, signature};

use crate::figures::Series;
use crate::world::SECRET;

const CONNECTIONS: usize = 64;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
/// A usual pull_request body of GitHub.
const BODY: usize = 25 * 1024;

/// What one round gave.
struct Round {
    a_second: f64,
    latency: Series,
}

pub(crate) fn run() {
    println!("## Webhooks: {} kB pull_request, HMAC, {CONNECTIONS} connections, loopback", BODY / 1024);
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = dir.path().join("queue.sqlite");
    let guids = AtomicU64::new(0);
    let [mut stored, mut counted] = [(); 2].map(|()| (Series::default(), Series::default(), Series::default()));
    let mut ratio = Series::default();
    for _ in 0..ROUNDS {
        let ours = round(&guids, async || {
            let queue = Queue::open(&path, Clock::System).await.unwrap();
            public_router(WebState::new(queue, secrets(), us(), Metrics::new()))
        });
        let theirs = round(&guids, async || without_store());
        ratio.add(ours.a_second / theirs.a_second);
        for (all, one) in [(&mut stored, ours), (&mut counted, theirs)] {
            all.0.add(one.a_second);
            all.1.add(one.latency.at(0.5));
            all.2.add(one.latency.at(0.99));
        }
    }
    println!("{:34} {:>22} {:>20} {:>20}", "", "a second", "p50 ms", "p99 ms");
    println!("{:34} {:>22} {:>20} {:>20}", "stored before 202 (`Queue`, file)", stored.0, stored.1, stored.2);
    println!("{:34} {:>22} {:>20} {:>20}", "the same, counted only", counted.0, counted.1, counted.2);
    println!("rate with the store / without: {ratio}");
    let bytes: u64 = std::fs::read_dir(dir.path()).unwrap().flatten().map(|file| file.metadata().unwrap().len()).sum();
    println!("{} deliveries stored in {} kB", kept(&path), bytes / 1024);
}

/// Deliveries in the file: every one that was acknowledged must be there.
fn kept(path: &std::path::Path) -> String {
    use sqlx::{ConnectOptions, Row};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut file = sqlx::sqlite::SqliteConnectOptions::new().filename(path).connect().await.unwrap();
        let row = sqlx::query("SELECT count(*) FROM delivery").fetch_one(&mut file).await.unwrap();
        let count: i64 = row.get(0);
        count.to_string()
    })
}

fn secrets() -> Secrets {
    Secrets::new(vec![("one".into(), SECRET.into())]).unwrap()
}

fn us() -> Us {
    Us { app_id: 77, login: Some("trunkline[bot]".into()) }
}

/// The same handler as far as it goes without a store: signature, meaning, hash, and a count instead of a row.
fn without_store() -> Router {
    let state = Arc::new((secrets(), us(), AtomicU64::new(0)));
    Router::new().route("/webhook", post(count)).with_state(state)
}

async fn count(State(state): State<Arc<(Secrets, Us, AtomicU64)>>, request: Request) -> (StatusCode, &'static str) {
    let (parts, body) = request.into_parts();
    let (secrets, us, counter) = &*state;
    let Some(mac) = signature::signature(&parts.headers) else { return (StatusCode::UNAUTHORIZED, "") };
    let body = Limited::new(body, 26 << 20).collect().await.unwrap().to_bytes();
    if secrets.signer(&mac, &body).is_none() {
        return (StatusCode::UNAUTHORIZED, "");
    }
    let event = parts.headers["x-github-event"].to_str().unwrap();
    let Ok(delivery::Mapped::Wakes(wakes)) = delivery::wakes(event, &body, us) else {
        return (StatusCode::BAD_REQUEST, "");
    };
    std::hint::black_box((Sha256::digest(&body), wakes));
    counter.fetch_add(1, Ordering::Relaxed);
    (StatusCode::ACCEPTED, "Accepted.\n")
}

/// Serves `router` in a thread of its own and sends to it from another for one round.
fn round(guids: &AtomicU64, router: impl AsyncFnOnce() -> Router + Send) -> Round {
    let (told, address) = std::sync::mpsc::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            let router = runtime.block_on(router());
            let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
            told.send(listener.local_addr().unwrap()).unwrap();
            let serving = runtime.spawn(serve(listener, router, async { drop(stopped.await) }));
            runtime.block_on(serving).unwrap();
        });
        let address = address.recv().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let round = runtime.block_on(async {
            let until = Instant::now() + ROUND;
            let begun = Instant::now();
            let mut senders = tokio::task::JoinSet::new();
            for number in 0..CONNECTIONS {
                let first = guids.fetch_add(1 << 32, Ordering::Relaxed);
                senders.spawn(send(address, number, first, until));
            }
            let latencies = senders.join_all().await;
            let took = begun.elapsed();
            let mut all: Vec<Duration> = latencies.into_iter().flatten().collect();
            all.sort();
            let mut latency = Series::default();
            latency.take(all.iter().map(|time| time.as_secs_f64() * 1e3));
            Round { a_second: all.len() as f64 / took.as_secs_f64(), latency }
        });
        drop(runtime);
        let _ = stop.send(());
        round
    })
}

/// One connection: sends, waits for the answer, sends the next.
async fn send(address: std::net::SocketAddr, number: usize, first: u64, until: Instant) -> Vec<Duration> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let body = body(number);
    // Signing is the sender's work: all but the last bytes are hashed once.
    let mut signed = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    signed.update(&body);
    let (mut answer, mut latencies) = ([0; 4096], Vec::new());
    for guid in first.. {
        if Instant::now() > until {
            break;
        }
        let end = format!("\"nonce\":\"{guid:016x}\"}}");
        let mut mac = signed.clone();
        mac.update(end.as_bytes());
        let mac: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let head = format!(
            "POST /webhook HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\nx-github-event: pull_request\r\n\
             x-github-delivery: {guid:032x}\r\nx-hub-signature-256: sha256={mac}\r\ncontent-length: {}\r\n\r\n",
            body.len() + end.len()
        );
        let request = [head.as_bytes(), &body, end.as_bytes()].concat();
        let begun = Instant::now();
        stream.write_all(&request).await.unwrap();
        let mut got = 0;
        while !answer[..got].ends_with(b"Accepted.\n") {
            let more = stream.read(&mut answer[got..]).await.unwrap();
            assert!(more > 0, "the server hung up: {}", String::from_utf8_lossy(&answer[..got]));
            got += more;
            assert!(answer.starts_with(b"HTTP/1.1 202"), "{}", String::from_utf8_lossy(&answer[..got]));
        }
        latencies.push(begun.elapsed());
    }
    latencies
}

/// A body as GitHub sends it, without its last bytes: what we read of it, and much that we do not.
fn body(number: usize) -> Vec<u8> {
    let url = "https://api.github.com/repos/acme/environments/pulls";
    let mut text = format!(
        "{{\"action\":\"synchronize\",\"number\":{number},\"pull_request\":{{\"number\":{number},\
         \"head\":{{\"sha\":\"{number:040x}\",\"ref\":\"topic\"}}"
    );
    let mut field = 0;
    while text.len() < BODY - 300 {
        text.push_str(&format!(
            ",\"field_{field}\":{{\"id\":{field},\"url\":\"{url}/{field}\",\"draft\":false,\"labels\":[1,2,3]}}"
        ));
        field += 1;
    }
    text.push_str("},\"repository\":{\"id\":9},\"installation\":{\"id\":5},\"sender\":{\"login\":\"ada\"},");
    text.into_bytes()
}
