//! Git over HTTP: the real `git upload-pack` and `git receive-pack` on the bare repositories.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use super::Sandbox;
use super::acts::refs::{self, Moved};
use super::auth::{self, Actor, Level};
use super::refusal::Refusal;

/// A push larger than this is no story for a sandbox (GitHub stops at 2 GB).
pub(crate) const PUSH: usize = 512 * 1024 * 1024;
/// What one answer may hold in memory.
const ANSWER: u64 = 1024 * 1024 * 1024;
/// A git that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// One request of the git protocol, taken apart.
pub(crate) struct GitCall {
    pub(crate) repo: u64,
    pub(crate) service: Service,
    pub(crate) advertise: bool,
    pub(crate) protocol: Option<String>,
    pub(crate) gzip: bool,
    pub(crate) body: Bytes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Upload,
    Receive,
}

impl Service {
    /// Reads a service as git names it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "git-upload-pack" => Some(Service::Upload),
            "git-receive-pack" => Some(Service::Receive),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Service::Upload => "upload-pack",
            Service::Receive => "receive-pack",
        }
    }
}

/// Who may do what with git, in git's own words: 401 asks for a name, 403 is a no, 404 hides.
pub(crate) fn admit(sandbox: &Sandbox, header: Option<&str>, repo: u64, service: Service) -> Result<Actor, Refusal> {
    let actor = {
        let state = sandbox.lock();
        auth::actor(&sandbox.inner, &state.world, header)?
    };
    let anonymous = matches!(actor, Actor::Anonymous);
    let level = if service == Service::Receive { Level::Write } else { Level::Read };
    sandbox.read(actor.clone(), false, |cx| match cx.allow(repo, "contents", level) {
        Err(_) if anonymous => Err(Refusal::new(401, "Authentication required")),
        other => other,
    })?;
    Ok(actor)
}

/// Answers one request of the git protocol.
pub(crate) async fn serve(sandbox: &Sandbox, actor: Actor, call: GitCall) -> Result<Response, Refusal> {
    let path = sandbox.inner.repo_path(call.repo);
    let kind = if call.advertise { "advertisement" } else { "result" };
    let mime = format!("application/x-git-{}-{kind}", call.service.name());
    let body = if call.gzip { inflate(&call.body)? } else { call.body.to_vec() };
    let answer = if call.service == Service::Receive && !call.advertise {
        // Held over the whole push, so that what changed on disk has one author.
        let _turn = sandbox.inner.pushing.lock().await;
        push_rules(sandbox, &actor, call.repo, &body)?;
        let answer = run(sandbox, &path, &call, body).await?;
        sandbox.act(actor, |cx| take_note(cx, call.repo))?;
        answer
    } else {
        run(sandbox, &path, &call, body).await?
    };
    let mut whole = Vec::new();
    if call.advertise && call.protocol.as_deref() != Some("version=2") {
        let line = format!("# service=git-{}\n", call.service.name());
        whole.extend_from_slice(format!("{:04x}{line}0000", line.len() + 4).as_bytes());
    }
    whole.extend_from_slice(&answer);
    Response::builder()
        .header("content-type", mime)
        .header("cache-control", "no-cache")
        .body(Body::from(whole))
        .map_err(|e| Refusal::new(500, e.to_string()))
}

fn inflate(body: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut text = Vec::new();
    let limited = std::io::Read::take(flate2::read::GzDecoder::new(body), PUSH as u64);
    std::io::Read::read_to_end(&mut { limited }, &mut text).map_err(|_| Refusal::new(400, "the body is not gzip"))?;
    Ok(text)
}

async fn run(sandbox: &Sandbox, path: &Path, call: &GitCall, body: Vec<u8>) -> Result<Vec<u8>, Refusal> {
    let broken = |e: std::io::Error| Refusal::new(500, format!("git: {e}"));
    let mut command = Command::new("git");
    command.arg(call.service.name()).arg("--stateless-rpc");
    if call.advertise {
        command.arg("--advertise-refs");
    }
    command
        .arg(path)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", sandbox.inner.options.dir.join("home"))
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    if let Some(protocol) = call.protocol.as_deref().filter(|text| text.len() < 100) {
        command.env("GIT_PROTOCOL", protocol);
    }
    let mut child = command.spawn().map_err(broken)?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let talk = async {
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A git that has heard enough closes its ear; its answer is what counts.
                let _ = stdin.write_all(&body).await;
            }
        };
        let mut answer = Vec::new();
        let listen = async {
            match stdout {
                Some(stdout) => stdout.take(ANSWER).read_to_end(&mut answer).await,
                None => Ok(0),
            }
        };
        let (_, heard) = tokio::join!(feed, listen);
        heard.map_err(broken)?;
        child.wait().await.map_err(broken)?;
        Ok(answer)
    };
    tokio::time::timeout(PATIENCE, talk).await.map_err(|_| Refusal::new(504, "git took too long"))?
}

/// Refuses a push that rules forbid, before git sees it: pull request refs and protected branches.
fn push_rules(sandbox: &Sandbox, actor: &Actor, repo: u64, body: &[u8]) -> Result<(), Refusal> {
    let names = commands(body);
    sandbox.read(actor.clone(), false, |cx| {
        names.iter().try_for_each(|name| {
            if name.starts_with("refs/pull/") {
                return Err(Refusal::new(403, "deny updating a hidden ref"));
            }
            refs::may_push(cx, repo, name)
        })
    })
}

/// The refs a push wants to move: pkt-lines of `old new name` up to the flush.
fn commands(body: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = body;
    while let Some(length) = rest.get(..4).and_then(|hex| std::str::from_utf8(hex).ok()) {
        let Ok(length) = usize::from_str_radix(length, 16) else { break };
        let Some(line) = rest.get(4..length) else { break };
        let line = String::from_utf8_lossy(line.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned();
        if let Some(name) = line.trim_end().splitn(3, ' ').nth(2) {
            names.push(name.to_owned());
        }
        rest = &rest[length..];
    }
    names
}

/// What a push changed on disk becomes known, with its events.
fn take_note(cx: &mut super::cx::Cx<'_>, repo: u64) -> Result<(), Refusal> {
    let on_disk = super::git::refs(&*cx.git(repo)?)?;
    let known = cx.repo(repo)?.refs.clone();
    let names: std::collections::BTreeSet<&String> = on_disk.keys().chain(known.keys()).collect();
    let moved: Vec<Moved> = names
        .into_iter()
        .filter(|name| !name.starts_with("refs/pull/") && on_disk.get(*name) != known.get(*name))
        .map(|name| Moved { name: name.clone(), new: on_disk.get(name).cloned() })
        .collect();
    refs::moved(cx, repo, &moved)
}

#[cfg(test)]
mod tests {
    use super::commands;

    #[test]
    fn the_refs_of_a_push_are_read_up_to_the_flush() {
        let zero = "0".repeat(40);
        let line = |name: &str, caps: &str| {
            let text = format!("{zero} {zero} {name}{caps}\n");
            format!("{:04x}{text}", text.len() + 4)
        };
        let body = line("refs/heads/main", "\0report-status") + &line("refs/tags/v 1", "") + "0000PACK";
        assert_eq!(commands(body.as_bytes()), ["refs/heads/main", "refs/tags/v 1"]);
        for hostile in ["", "00", "0001", "ffffx", "zzzz", "0004", "\u{e9}\u{e9}\u{e9}"] {
            assert!(commands(hostile.as_bytes()).is_empty(), "{hostile}");
        }
    }
}
