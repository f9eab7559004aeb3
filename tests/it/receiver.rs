//! The receiver, held against what strangers may send. Tests carry the number of the threat they meet.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, Method, Request, StatusCode};
use futures_util::stream;
use http_body_util::BodyExt;
use jiff::Timestamp;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;
use trunkline::clock::Clock;
use trunkline::queue::{QUIET, Queue, Stats};
use trunkline::telemetry::metrics::Metrics;
use trunkline::web::{Secrets, Us, WebState, ops_router, public_router, serve, signature};

const SECRET: &str = "correct horse battery staple";
const OLD_SECRET: &str = "an older secret, still in use";

struct Receiver {
    queue: Queue,
    clock: Clock,
    state: WebState,
    public: Router,
    ops: Router,
}

async fn receiver_with(secrets: &[(&str, &str)]) -> Receiver {
    let clock = Clock::manual(Timestamp::UNIX_EPOCH);
    let queue = Queue::in_memory(clock.clone()).await.unwrap();
    let secrets = secrets.iter().map(|(label, secret)| ((*label).into(), (*secret).into())).collect();
    let us = Us { app_id: 77, login: Some("trunkline[bot]".into()) };
    let state = WebState::new(queue.clone(), Secrets::new(secrets).unwrap(), us, Metrics::new());
    Receiver { queue, clock, public: public_router(state.clone()), ops: ops_router(state.clone()), state }
}

async fn receiver() -> Receiver {
    receiver_with(&[("current", SECRET)]).await
}

impl Receiver {
    async fn send(&self, request: Request<Body>) -> (StatusCode, String) {
        answer(&self.public, request).await
    }

    async fn ops(&self, path: &str) -> (StatusCode, String) {
        answer(&self.ops, Request::get(path).body(Body::empty()).unwrap()).await
    }

    async fn stored(&self) -> Stats {
        self.queue.stats().await.unwrap()
    }
}

async fn answer(router: &Router, request: Request<Body>) -> (StatusCode, String) {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn push(repo: u64) -> Vec<u8> {
    let sha = "0123456789abcdef0123456789abcdef01234567";
    json!({
        "ref": "refs/tags/v1.0", "after": sha, "created": true,
        "repository": { "id": repo }, "installation": { "id": 5 }, "sender": { "login": "ada" }
    })
    .to_string()
    .into_bytes()
}

/// A delivery as GitHub sends it.
fn delivery(event: &str, guid: &str, body: &[u8]) -> Request<Body> {
    signed_with(SECRET, event, guid, body)
}

fn signed_with(secret: &str, event: &str, guid: &str, body: &[u8]) -> Request<Body> {
    Request::post("/webhook")
        .header("content-type", "application/json")
        .header("x-github-event", event)
        .header("x-github-delivery", guid)
        .header("x-hub-signature-256", signature::sign(&secret.into(), body))
        .body(Body::from(body.to_vec()))
        .unwrap()
}

fn with(mut request: Request<Body>, name: &'static str, value: &[u8]) -> Request<Body> {
    request.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap());
    request
}

#[tokio::test]
async fn a_delivery_is_stored_and_answered() {
    let receiver = receiver().await;
    assert_eq!(receiver.send(delivery("push", "a", &push(9))).await, (StatusCode::ACCEPTED, "Accepted.\n".into()));
    assert_eq!(
        receiver.send(delivery("push", "a", &push(9))).await,
        (StatusCode::ACCEPTED, "Accepted before.\n".into())
    );
    assert_eq!(receiver.send(delivery("star", "b", b"{}")).await.0, StatusCode::NO_CONTENT);
    assert_eq!(receiver.send(delivery("ping", "c", br#"{"zen":"x"}"#)).await.0, StatusCode::NO_CONTENT);
    receiver.clock.advance(QUIET);
    let leases = receiver.queue.claim(9, Duration::from_secs(60)).await.unwrap();
    insta::assert_snapshot!(format!("{} of {:?} {:?}", leases[0].key, leases[0].installation, leases[0].notes), @r#"
    repo/9 of InstallationId(5) [TagPushed { tag: "v1.0", commit_or_object: 0123456789abcdef0123456789abcdef01234567, pusher: "ada" }]
    "#);
    assert_eq!(leases.len(), 1);
}

#[tokio::test]
async fn t1_malformed_signatures_get_one_answer_and_leave_nothing() {
    let receiver = receiver().await;
    let body = push(9);
    let good = signature::sign(&SECRET.into(), &body);
    let hex = good.strip_prefix("sha256=").unwrap();
    let other = signature::sign(&SECRET.into(), b"another body");
    let wrong = [
        String::new(),
        "sha256=".into(),
        "sha256".into(),
        hex.into(),
        format!("sha1={}", &hex[..40]),
        format!("sha1={hex}"),
        format!("sha512={hex}"),
        format!("SHA256={hex}"),
        format!("Sha256={hex}"),
        format!("sha256={}", hex.to_uppercase()),
        format!("sha256={}", &hex[..63]),
        format!("sha256={}", &hex[..62]),
        format!("sha256={hex}0"),
        format!("sha256={hex}{hex}"),
        format!("sha256= {hex}"),
        format!(" sha256={hex}x"),
        format!("sha256:{hex}"),
        format!("sha256=={hex}"),
        format!("sha256=0x{}", &hex[2..]),
        format!("sha256={}", "0".repeat(64)),
        format!("sha256={}", "f".repeat(64)),
        format!("sha256={}", "g".repeat(64)),
        format!("sha256={}", "-".repeat(64)),
        format!("sha256={}", "\u{e9}".repeat(32)),
        format!("{good},{good}"),
        format!("{good};"),
        format!("\"{good}\""),
        other,
        signature::sign(&"".into(), &body),
        signature::sign(&"correct horse battery stapl".into(), &body),
        signature::sign(&"correct horse battery staple\n".into(), &body),
        signature::sign(&OLD_SECRET.into(), &body),
    ];
    for (n, value) in wrong.iter().enumerate() {
        let request = with(delivery("push", &n.to_string(), &body), "x-hub-signature-256", value.as_bytes());
        assert_eq!(receiver.send(request).await, (StatusCode::UNAUTHORIZED, "Unauthorized.\n".into()), "{value}");
    }
    let mut unsigned = delivery("push", "x", &body);
    unsigned.headers_mut().remove("x-hub-signature-256");
    unsigned.headers_mut().insert("x-hub-signature", HeaderValue::from_static("sha1=0000"));
    assert_eq!(receiver.send(unsigned).await.0, StatusCode::UNAUTHORIZED);
    let mut doubled = delivery("push", "x", &body);
    doubled.headers_mut().append("x-hub-signature-256", good.parse().unwrap());
    assert_eq!(receiver.send(doubled).await.0, StatusCode::UNAUTHORIZED, "two signatures, both right");
    // Broken JSON and a wrong event learn nothing either, before the signature holds.
    let broken = with(delivery("push", "x", b"{"), "x-hub-signature-256", b"sha256=00");
    assert_eq!(receiver.send(broken).await.1, "Unauthorized.\n");
    assert_eq!(receiver.stored().await, Stats::default());
    assert_eq!(receiver.send(delivery("push", "x", &body)).await.0, StatusCode::ACCEPTED, "and the right one is taken");
}

#[tokio::test]
async fn t2_both_secrets_work_while_they_rotate() {
    let both = receiver_with(&[("new", SECRET), ("old", OLD_SECRET)]).await;
    assert_eq!(both.send(signed_with(SECRET, "push", "a", &push(1))).await.0, StatusCode::ACCEPTED);
    assert_eq!(both.send(signed_with(OLD_SECRET, "push", "b", &push(2))).await.0, StatusCode::ACCEPTED);
    let metrics = both.ops("/metrics").await.1;
    for label in ["new", "old"] {
        let line = format!("trunkline_webhook_deliveries_total{{outcome=\"accepted\",secret=\"{label}\"}} 1");
        assert!(metrics.contains(&line), "{metrics}");
    }
    let one = receiver_with(&[("new", SECRET)]).await;
    assert_eq!(one.send(signed_with(OLD_SECRET, "push", "b", &push(2))).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn t3_a_hundred_replays_are_one() {
    let receiver = receiver().await;
    let body = push(9);
    let answers = futures_util::future::join_all((0..100).map(|_| receiver.send(delivery("push", "a", &body)))).await;
    assert!(answers.iter().all(|(status, _)| *status == StatusCode::ACCEPTED));
    assert_eq!(answers.iter().filter(|(_, text)| text == "Accepted.\n").count(), 1);
    let stats = receiver.stored().await;
    assert_eq!((stats.waiting, stats.notes), (1, 1));
}

#[tokio::test]
async fn t4_a_fresh_guid_or_event_makes_no_new_delivery() {
    let receiver = receiver().await;
    for n in 0..50 {
        receiver.send(delivery("push", &format!("guid-{n}"), &push(9))).await;
    }
    assert_eq!(receiver.stored().await.notes, 1);
    let comment = json!({
        "action": "created", "issue": { "number": 3 }, "comment": {},
        "repository": { "id": 9 }, "installation": { "id": 5 }, "sender": { "login": "ada" }
    });
    let (status, text) = receiver.send(delivery("pull_request", "x", comment.to_string().as_bytes())).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(text, "The body is not that of the event in the header x-github-event.\n");
}

#[tokio::test]
async fn t5_an_endless_body_is_cut() {
    let receiver = receiver().await;
    let chunk = Bytes::from(vec![b' '; 1 << 20]);
    let sent = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = sent.clone();
    let endless = stream::iter(std::iter::repeat_with(move || {
        counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok::<_, Infallible>(chunk.clone())
    }));
    let mut request = delivery("push", "a", b"");
    *request.body_mut() = Body::from_stream(endless);
    assert_eq!(receiver.send(request).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(sent.load(std::sync::atomic::Ordering::Relaxed), 27, "one MiB past the limit, and no more");
    let largest = vec![b' '; 26 << 20];
    assert_eq!(receiver.send(delivery("push", "b", &largest)).await.0, StatusCode::BAD_REQUEST, "read, and no JSON");
}

#[tokio::test]
async fn t7_compressed_bodies_are_refused() {
    let receiver = receiver().await;
    for (encoding, status) in [("gzip", 415), ("br", 415), ("gzip, identity", 415), ("deflate", 415), ("identity", 202)]
    {
        let request = with(
            delivery("push", encoding.split(',').next().unwrap(), &push(1)),
            "content-encoding",
            encoding.as_bytes(),
        );
        assert_eq!(receiver.send(request).await.0.as_u16(), status, "{encoding}");
    }
    for (kind, status) in [
        ("application/x-www-form-urlencoded", 415),
        ("text/plain", 415),
        ("application/jsonx", 415),
        ("Application/JSON; charset=utf-8", 202),
    ] {
        let request = with(delivery("push", "k", &push(2)), "content-type", kind.as_bytes());
        assert_eq!(receiver.send(request).await.0.as_u16(), status, "{kind}");
    }
}

#[tokio::test]
async fn t8_bombs_with_a_good_signature_are_refused() {
    let receiver = receiver().await;
    for bomb in ["[".repeat(1 << 20), "{\"a\":".repeat(200_000), "9".repeat(1 << 20), "\u{0}".into(), "{\"ref\"".into()]
    {
        let (status, text) = receiver.send(delivery("push", "a", bomb.as_bytes())).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(text.starts_with("The body is not readable as GitHub's JSON"), "{text}");
    }
    assert_eq!(receiver.stored().await, Stats::default());
}

#[tokio::test]
async fn t10_what_cannot_be_stored_is_not_acknowledged() {
    let receiver = receiver().await;
    receiver.queue.close().await.unwrap();
    let (status, text) = receiver.send(delivery("push", "a", &push(1))).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text, "Not stored: the disk does not keep up. Redeliver it later.\n");
    assert_eq!(receiver.ops("/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(receiver.ops("/healthz").await.0, StatusCode::OK);
}

#[tokio::test]
async fn t10_too_much_at_once_is_shed() {
    let receiver = receiver().await;
    let mut held = tokio::task::JoinSet::new();
    let (started, mut begun) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..512 {
        let mut request = delivery("push", "a", b"");
        let started = started.clone();
        let never = stream::once(async move {
            started.send(()).unwrap();
            std::future::pending::<Result<Bytes, Infallible>>().await
        });
        *request.body_mut() = Body::from_stream(never);
        held.spawn(receiver.public.clone().oneshot(request));
    }
    for _ in 0..512 {
        begun.recv().await.unwrap();
    }
    let (status, text) = receiver.send(delivery("push", "b", &push(1))).await;
    assert_eq!((status, text.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "Too much at once; come again.\n"));
    held.shutdown().await;
    assert_eq!(receiver.send(delivery("push", "b", &push(1))).await.0, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn t38_headers_that_would_forge_log_lines_are_refused() {
    let receiver = receiver().await;
    let long = [b'a'; 65];
    for bad in [&b""[..], b"a b", b"a\tb", b"\xe2\x80\xae", b"\x80\x9b", b"a;b", b"../x", b"<b>", &long] {
        for header in ["x-github-event", "x-github-delivery"] {
            let (status, text) = receiver.send(with(delivery("push", "a", &push(1)), header, bad)).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{bad:?}");
            assert_eq!(text, format!("The header {header} is not as GitHub writes it.\n"));
        }
    }
    assert_eq!(receiver.stored().await, Stats::default());
}

#[tokio::test]
async fn t50_the_public_side_shows_nothing() {
    let receiver = receiver().await;
    for (method, path, status) in [
        (Method::GET, "/", 404),
        (Method::GET, "/metrics", 404),
        (Method::GET, "/readyz", 404),
        (Method::GET, "/webhook", 405),
        (Method::PUT, "/webhook", 405),
        (Method::POST, "/webhook/", 404),
        (Method::GET, "/healthz", 200),
    ] {
        let request = Request::builder().method(&method).uri(path).body(Body::empty()).unwrap();
        let response = receiver.public.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{method} {path}");
        assert!(
            response.headers().keys().all(|name| ["content-type", "content-length", "allow"].contains(&name.as_str()))
        );
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(!String::from_utf8_lossy(&body).contains(env!("CARGO_PKG_VERSION")));
    }
    assert_eq!(receiver.ops("/readyz").await, (StatusCode::OK, "ready\n".into()));
    receiver.state.drain();
    assert_eq!(receiver.ops("/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert!(receiver.ops("/metrics").await.1.ends_with("# EOF\n"));
}

/// A receiver on loopback, on real time, for what only sockets can show.
struct Served {
    address: std::net::SocketAddr,
    stop: tokio::sync::oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<()>,
}

async fn served() -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let router = receiver().await.public;
    let ended = tokio::spawn(serve(listener, router, async { drop(stopped.await) }));
    Served { address, stop, ended }
}

impl Served {
    /// Sends `text`, then waits for the other side to close; what it said, and after how long.
    async fn say(&self, text: &[u8]) -> (String, Duration) {
        let begun = Instant::now();
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text).await.unwrap();
        let mut said = Vec::new();
        // A reset is as good an end as any.
        let _reset = stream.read_to_end(&mut said).await;
        (String::from_utf8_lossy(&said).into_owned(), begun.elapsed())
    }
}

fn head(more: &str) -> Vec<u8> {
    let signature = format!("sha256={}", "0".repeat(64));
    format!("POST /webhook HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nx-hub-signature-256: {signature}\r\n{more}\r\n")
        .into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t5_an_announced_giant_is_refused_unread() {
    let served = served().await;
    let (said, after) = served.say(&head("content-length: 27262977\r\nconnection: close\r\n")).await;
    assert!(said.starts_with("HTTP/1.1 413 "), "{said}");
    assert!(after < Duration::from_secs(4), "not one byte of the body was awaited: {after:?}");
    let many: String = (0..65).map(|n| format!("x-{n}: 1\r\n")).collect();
    assert!(served.say(&head(&many)).await.0.starts_with("HTTP/1.1 431 "));
    let wide = format!("x: {}\r\n", "y".repeat(64 << 10));
    assert!(served.say(&head(&wide)).await.0.starts_with("HTTP/1.1 431 "));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t6_slow_sockets_are_closed_within_ten_seconds() {
    let served = served().await;
    let half_headers = served.say(b"POST /webhook HTTP/1.1\r\nhost: x\r\nx-a: ");
    let body = head("content-length: 100\r\n");
    let half_body = async { served.say(&[&body[..], b"half"].concat()).await };
    let chunked = head("transfer-encoding: chunked\r\n");
    let half_chunk = async { served.say(&[&chunked[..], b"5\r\nab"].concat()).await };
    let silent = served.say(b"");
    let kept_alive = served.say(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
    let good = async {
        let mut slowest = Duration::ZERO;
        for _ in 0..50 {
            let (said, after) = served.say(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
            assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
            slowest = slowest.max(after);
        }
        slowest
    };
    let (half_headers, half_body, half_chunk, silent, kept_alive, slowest) =
        tokio::join!(half_headers, half_body, half_chunk, silent, kept_alive, good);
    for (what, (said, after)) in [
        ("headers", half_headers),
        ("body", half_body),
        ("chunk", half_chunk),
        ("silent", silent),
        ("idle", kept_alive),
    ] {
        assert!(after < Duration::from_secs(10), "{what}: open after {after:?}, {said}");
        let status = said.get(9..12).unwrap_or_default();
        assert!(
            matches!((what, status), ("body" | "chunk", "408") | ("idle", "200") | ("headers" | "silent", "" | "408")),
            "{what}: {said}"
        );
    }
    assert!(slowest < Duration::from_secs(2), "good traffic waited {slowest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_ends_idle_connections_and_returns() {
    let served = served().await;
    let mut idle = TcpStream::connect(served.address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.unwrap();
    let begun = Instant::now();
    served.stop.send(()).unwrap();
    served.ended.await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(4), "an idle connection held the shutdown up");
    assert!(TcpStream::connect(served.address).await.is_err());
}

/// Set in a child of this very test binary, which then panics with a token in its message.
const PANICS: &str = "TRUNKLINE_TEST_PANIC_CHILD";

/// In the parent: nothing. In the child: logs, then panics on a thread of its own.
#[test]
fn panic_child() {
    if std::env::var_os(PANICS).is_none() {
        return;
    }
    trunkline::telemetry::init(trunkline::telemetry::LogFormat::Json, "info").unwrap();
    tracing::info!(branch = "a\nb", "begun");
    let panicked = std::thread::spawn(|| panic!("no answer for ghs_CANARY.CANARY\nto anybody")).join();
    assert!(panicked.is_err());
}

#[test]
fn t39_a_panic_is_one_log_line_without_its_secrets() {
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["receiver::panic_child", "--exact", "--nocapture"])
        .env(PANICS, "1")
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    assert!(child.status.success());
    let log = String::from_utf8(child.stderr).unwrap();
    assert!(!log.contains("CANARY"), "{log}");
    let lines: Vec<serde_json::Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert_eq!(lines[1]["message"], "panic: no answer for [secret removed]\nto anybody");
    assert!(lines[1]["place"].as_str().unwrap().contains("receiver.rs"));
}
