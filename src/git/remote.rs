//! A git server, spoken to in protocol version 2 over our own transport: one POST lists refs, one POST fetches.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::mpsc;
use tower::ServiceExt;

use super::GitError;
use super::pkt::{Command, Packet, Packets};
use crate::model::id::{Oid, RepoName};
use crate::transport::{HttpBody, HttpService, Transport};

/// The head of an answer comes before any work of the server's.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// A server that prepares a large pack says so every few seconds.
const SILENCE: Duration = Duration::from_secs(60);
/// The largest pack at the slowest line that still makes sense (1 MiB/s).
const WHOLE_WITHIN: Duration = Duration::from_secs(600);
/// Refs that are listed: heads and tags of one repository; the largest public ones have some ten thousand.
const MAX_REFS: usize = 100_000;
/// Bytes of such a list, a hostile name being up to 64 KiB.
const MAX_REF_BYTES: usize = 32 * 1024 * 1024;
/// A pack; the largest environment repository seen is 200 MB with all its history.
const MAX_PACK_BYTES: u64 = 512 * 1024 * 1024;
/// Objects of a pack; the same repository has under a million.
const MAX_PACK_OBJECTS: u32 = 5_000_000;

/// Where a repository is fetched from.
#[derive(Clone)]
pub struct Remote {
    pub(super) place: Place,
    pub(super) max_bytes: u64,
    pub(super) max_objects: u32,
}

#[derive(Clone)]
pub(super) enum Place {
    Http(Box<Http>),
    Local(PathBuf),
}

/// A server by HTTP.
#[derive(Clone)]
pub(super) struct Http {
    url: Uri,
    authorization: Option<HeaderValue>,
    service: HttpService,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            Place::Http(http) => write!(f, "Remote({})", http.url),
            Place::Local(path) => write!(f, "Remote({})", path.display()),
        }
    }
}

/// A ref as the server lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RefLine {
    pub(super) name: String,
    pub(super) id: Oid,
    /// What an annotated tag names in the end.
    pub(super) peeled: Option<Oid>,
}

impl Remote {
    /// A repository on a server; the secret goes into a header, never into the address.
    ///
    /// # Errors
    /// When the address is not one of HTTP, or carries a user or a query.
    pub fn http(url: &str, auth: Option<(&str, &SecretString)>, transport: &Transport) -> Result<Self, GitError> {
        let bad = || GitError::Refused("an address that is not plain http(s)://host/path".to_owned());
        let url: Uri = url.trim_end_matches('/').parse().map_err(|_| bad())?;
        let plain = url.authority().is_some_and(|authority| !authority.as_str().contains('@')) && url.query().is_none();
        if !plain || !matches!(url.scheme_str(), Some("https" | "http")) {
            return Err(bad());
        }
        let authorization = auth.map(|(user, secret)| {
            let pair = STANDARD.encode(format!("{user}:{}", secret.expose_secret()));
            let header = HeaderValue::from_str(&format!("Basic {pair}"));
            header.map(|mut header| {
                header.set_sensitive(true);
                header
            })
        });
        let authorization = authorization.transpose().map_err(|_| bad())?;
        let service = transport.service().map_err(|error| GitError::Network(error.to_string()))?;
        Ok(Self::at(Place::Http(Box::new(Http { url, authorization, service }))))
    }

    /// A repository on this machine, read by libgit2; only code names it, never content.
    pub fn local(path: impl Into<PathBuf>) -> Self {
        Self::at(Place::Local(path.into()))
    }

    /// The same with other limits for one pack.
    pub fn with_limits(self, max_bytes: u64, max_objects: u32) -> Self {
        Self { max_bytes, max_objects, ..self }
    }

    fn at(place: Place) -> Self {
        Self { place, max_bytes: MAX_PACK_BYTES, max_objects: MAX_PACK_OBJECTS }
    }
}

/// Where repositories are fetched from, given their names.
#[derive(Debug, Clone)]
pub struct Remotes {
    web: String,
    from: From,
}

#[derive(Debug, Clone)]
enum From {
    Http(Transport),
    Folder(PathBuf),
}

impl Remotes {
    /// Over HTTP from the GitHub at `web`, such as `https://github.com`; all of them share one set of connections.
    ///
    /// # Errors
    /// When the system has no root certificates.
    pub fn http(web: &str, transport: &Transport) -> std::io::Result<Self> {
        Ok(Self { web: web.trim_end_matches('/').to_owned(), from: From::Http(transport.opened()?) })
    }

    /// From bare repositories in a folder, `<owner>/<name>.git`; their pages are still at `web`.
    pub fn folder(web: &str, folder: &Path) -> Self {
        Self { web: web.trim_end_matches('/').to_owned(), from: From::Folder(folder.to_owned()) }
    }

    /// The address of a repository for people.
    pub fn page(&self, name: &RepoName) -> String {
        format!("{}/{name}", self.web)
    }

    /// The remote of one repository, with the token that reads it.
    ///
    /// # Errors
    /// When `web` is no address.
    pub fn of(&self, name: &RepoName, token: &SecretString) -> Result<Remote, GitError> {
        match &self.from {
            From::Http(transport) => {
                Remote::http(&format!("{}/{name}.git", self.web), Some(("x-access-token", token)), transport)
            }
            From::Folder(folder) => Ok(Remote::local(folder.join(&name.owner).join(format!("{}.git", name.name)))),
        }
    }
}

/// What to fetch.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub(super) wants: Vec<Oid>,
    pub(super) haves: Vec<Oid>,
    /// What to leave out, if the server can, in git's words.
    pub(super) filter: Option<&'static str>,
}

impl Http {
    /// The refs below the prefixes, peeled, and the branch `HEAD` stands for.
    pub(super) async fn ls_refs(&self, prefixes: &[String]) -> Result<(Vec<RefLine>, Option<String>), GitError> {
        let mut command = Command::new("ls-refs");
        command.line("peel\n");
        command.line("symrefs\n");
        for prefix in prefixes {
            command.line(&format!("ref-prefix {prefix}\n"));
        }
        let mut answer = self.post(command.finish()).await?;
        let (mut refs, mut head, mut bytes) = (Vec::new(), None, 0);
        while let Some(packet) = answer.next().await? {
            let Packet::Line(line) = packet else { break };
            bytes += line.len();
            if refs.len() >= MAX_REFS || bytes > MAX_REF_BYTES {
                return Err(GitError::Refused(format!("more than {MAX_REFS} refs, or {MAX_REF_BYTES} bytes of them")));
            }
            told_off(&line)?;
            let (found, target) = ref_line(&line)?;
            head = head.or(target);
            refs.extend(found);
        }
        Ok((refs, head))
    }

    /// Fetches into `sink`, whose end is [`Piece::End`] only when the server's answer was whole.
    pub(super) async fn fetch(&self, wanted: &Wanted, sink: mpsc::Sender<Piece>, max: u64) -> Result<(), GitError> {
        let mut command = Command::new("fetch");
        command.line("thin-pack\n");
        command.line("ofs-delta\n");
        command.line("no-progress\n");
        if let Some(filter) = wanted.filter {
            command.line(&format!("filter {filter}\n"));
        }
        wanted.wants.iter().for_each(|id| command.line(&format!("want {id}\n")));
        wanted.haves.iter().for_each(|id| command.line(&format!("have {id}\n")));
        command.line("done\n");
        let whole = tokio::time::timeout(WHOLE_WITHIN, self.receive(command.finish(), sink, max)).await;
        whole.map_err(|_| GitError::Network("a fetch that took more than ten minutes".to_owned()))?
    }

    async fn receive(&self, request: Bytes, sink: mpsc::Sender<Piece>, max: u64) -> Result<(), GitError> {
        let mut answer = self.post(request).await?;
        let ended = || GitError::Network("the answer ended early".to_owned());
        // git dies without a word on an argument it does not know.
        let mut packet = answer.next().await?.ok_or_else(|| GitError::Refused("an empty answer".to_owned()))?;
        loop {
            match packet {
                Packet::Line(line) if line.strip_suffix(b"\n").unwrap_or(&line) == b"packfile" => break,
                Packet::Line(line) => told_off(&line)?,
                Packet::Delimiter => {}
                Packet::Flush | Packet::End => return Err(ended()),
            }
            packet = answer.next().await?.ok_or_else(ended)?;
        }
        let mut received = 0;
        loop {
            match answer.next().await?.ok_or_else(ended)? {
                Packet::Line(line) => match line.first() {
                    Some(1) => {
                        received += line.len() as u64 - 1;
                        if received > max {
                            return Err(GitError::Refused(format!("a pack of more than {max} bytes")));
                        }
                        // The writer went away because the pack is bad; it says why.
                        if sink.send(Piece::Bytes(line.slice(1..))).await.is_err() {
                            return Ok(());
                        }
                    }
                    Some(3) => return Err(GitError::Network(shown(&line[1..]))),
                    _ => {}
                },
                Packet::Flush | Packet::End => break,
                Packet::Delimiter => {}
            }
        }
        let _ = sink.send(Piece::End).await;
        Ok(())
    }

    /// Posts a command and follows one redirect, which must stay on the same scheme, host and port.
    async fn post(&self, body: Bytes) -> Result<Answer, GitError> {
        let mut uri: Uri = format!("{}/git-upload-pack", self.url).parse().map_err(|_| network("a broken address"))?;
        // A renamed repository redirects once; twice when its owner was renamed too.
        for _ in 0..3 {
            let mut request = Request::post(uri.clone())
                .header(http::header::CONTENT_TYPE, "application/x-git-upload-pack-request")
                .header(http::header::ACCEPT, "application/x-git-upload-pack-result")
                .header(http::header::USER_AGENT, concat!("git/trunkline-", env!("CARGO_PKG_VERSION")))
                .header("git-protocol", "version=2");
            if let Some(authorization) = &self.authorization {
                request = request.header(http::header::AUTHORIZATION, authorization.clone());
            }
            let request = request.body(Full::new(body.clone())).map_err(|error| network(&error.to_string()))?;
            let answer = tokio::time::timeout(ANSWER_WITHIN, self.service.clone().oneshot(request)).await;
            let answer = answer.map_err(|_| network("no answer within 30 s"))?;
            let response = answer.map_err(|error| network(&error.to_string()))?;
            match response.status() {
                StatusCode::OK => return Answer::new(response),
                status if status.is_redirection() => uri = redirected(&uri, response.headers())?,
                status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) => {
                    return Err(GitError::Denied(format!("{} answered {status}", self.url)));
                }
                status => return Err(network(&format!("{} answered {status}", self.url))),
            }
        }
        Err(GitError::Refused("redirects in a circle".to_owned()))
    }
}

/// A part of a pack on its way to the writer.
#[derive(Debug)]
pub(super) enum Piece {
    Bytes(Bytes),
    End,
}

struct Answer {
    body: HttpBody,
    packets: Packets,
}

impl Answer {
    fn new(response: http::Response<HttpBody>) -> Result<Self, GitError> {
        let kind = response.headers().get(http::header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        if kind != Some(b"application/x-git-upload-pack-result") {
            return Err(GitError::Refused("an answer that is not git's".to_owned()));
        }
        Ok(Self { body: response.into_body(), packets: Packets::default() })
    }

    /// The next packet; `None` at the end.
    async fn next(&mut self) -> Result<Option<Packet>, GitError> {
        loop {
            if let Some(packet) = self.packets.next()? {
                return Ok(Some(packet));
            }
            let frame = tokio::time::timeout(SILENCE, self.body.frame()).await;
            match frame.map_err(|_| network("the server fell silent"))? {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.packets.push(&data);
                    }
                }
                Some(Err(error)) => return Err(network(&error.to_string())),
                None if self.packets.is_empty() => return Ok(None),
                None => return Err(network("the answer broke off")),
            }
        }
    }
}

fn network(what: &str) -> GitError {
    GitError::Network(what.chars().take(300).collect())
}

/// Text of the server's, fit to be shown.
fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().chars().filter(|c| !c.is_control()).take(300).collect()
}

/// `ERR` is how version 2 refuses.
fn told_off(line: &Bytes) -> Result<(), GitError> {
    let Some(words) = line.strip_prefix(b"ERR ") else { return Ok(()) };
    let words = shown(words);
    let missing = words.split_once("not our ref ").and_then(|(_, id)| id.trim().parse().ok());
    Err(missing.map_or(GitError::Refused(words), GitError::Missing))
}

/// `<id> <name>[ symref-target:<name>][ peeled:<id>]`; an unborn head has no id and names nothing.
fn ref_line(line: &[u8]) -> Result<(Option<RefLine>, Option<String>), GitError> {
    let bad = || GitError::Refused("a list of refs that is not git's".to_owned());
    // A name that is not UTF-8 cannot be shown or configured; the ref is passed over.
    let Ok(text) = std::str::from_utf8(line) else { return Ok((None, None)) };
    let mut parts = text.trim_end_matches('\n').split(' ');
    let id = parts.next().ok_or_else(bad)?;
    let name = parts.next().ok_or_else(bad)?;
    let of_head = name == "HEAD";
    let (mut peeled, mut target) = (None, None);
    for attribute in parts {
        if let Some(id) = attribute.strip_prefix("peeled:") {
            peeled = Some(id.parse().map_err(|_| bad())?);
        } else if let Some(name) = attribute.strip_prefix("symref-target:") {
            target = name.strip_prefix("refs/heads/").map(str::to_owned);
        }
    }
    let name = match (name, &target) {
        _ if id == "unborn" => return Ok((None, target)),
        ("HEAD", None) => return Ok((None, None)),
        ("HEAD", Some(branch)) => format!("refs/heads/{branch}"),
        (name, _) => name.to_owned(),
    };
    let target = target.filter(|_| of_head);
    Ok((Some(RefLine { name, id: id.parse().map_err(|_| bad())?, peeled }), target))
}

fn redirected(from: &Uri, headers: &http::HeaderMap) -> Result<Uri, GitError> {
    let refused = || GitError::Refused("a redirect to another host".to_owned());
    let location = headers.get(http::header::LOCATION).and_then(|value| value.to_str().ok());
    let to: Uri = location.and_then(|location| location.parse().ok()).ok_or_else(refused)?;
    if to.authority().is_none() && to.scheme().is_none() {
        let mut parts = to.into_parts();
        parts.scheme = from.scheme().cloned();
        parts.authority = from.authority().cloned();
        return Uri::from_parts(parts).map_err(|_| refused());
    }
    if to.scheme() == from.scheme() && to.authority() == from.authority() { Ok(to) } else { Err(refused()) }
}
