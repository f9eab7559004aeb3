//! A fetch client for git's protocol v2 over HTTP: one request for the refs, one for the objects.
//!
//! libgit2's own client speaks only v0 (every fetch downloads every ref) and stalls 40 ms a request; git's command line would
//! be a program to run. This one takes the objects of a webhook's commit in a single POST. Source: gitprotocol-v2(5).

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use bytes::{Bytes, BytesMut};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use secrecy::{ExposeSecret, SecretString};
use tokio::io::AsyncWriteExt;
use tower::ServiceExt;

use super::objects::Repo;
use super::pkt::{self, Packet};
use super::{GitError, Refs, WITHIN, blocking};
use crate::model::id::Oid;
use crate::transport::{HttpBody, HttpService};

/// 200,000 refs of 80 bytes; a repository with more is not read.
const MAX_REFS_BYTES: usize = 16 * 1024 * 1024;
/// The largest pack that is taken: GitHub recommends repositories under 1 GB.
const MAX_PACK_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// A remote over HTTP.
pub(super) struct Client<'a> {
    pub(super) name: &'a str,
    pub(super) url: &'a str,
    pub(super) token: &'a SecretString,
    pub(super) service: &'a HttpService,
}

impl Client<'_> {
    /// The branches and tags as they are now.
    pub(super) async fn ls_refs(&self) -> Result<Refs, GitError> {
        let mut body = Vec::new();
        pkt::line(&mut body, "command=ls-refs");
        pkt::line(&mut body, "object-format=sha1");
        body.extend(b"0001");
        for argument in ["peel", "symrefs", "ref-prefix HEAD", "ref-prefix refs/heads/", "ref-prefix refs/tags/"] {
            pkt::line(&mut body, argument);
        }
        body.extend(b"0000");
        let refs = async {
            let mut answer = Answer::new(self.post(body).await?, self.name);
            let mut refs = Refs::default();
            let mut seen = 0;
            while let Some(packet) = answer.next().await? {
                let Packet::Data(line) = packet else { break };
                seen += line.len();
                if seen > MAX_REFS_BYTES {
                    return Err(self.too_large("more than 16 MiB of refs"));
                }
                self.take_ref(&mut refs, &line)?;
            }
            Ok(refs)
        };
        tokio::time::timeout(WITHIN, refs).await.map_err(|_| self.failed("no answer within two minutes"))?
    }

    fn take_ref(&self, refs: &mut Refs, line: &[u8]) -> Result<(), GitError> {
        // A name that is no UTF-8 cannot be shown or configured, so nobody can mean it.
        let Ok(line) = std::str::from_utf8(line) else { return Ok(()) };
        let line = line.trim_end_matches('\n');
        if let Some(error) = line.strip_prefix("ERR ") {
            return Err(self.failed(error));
        }
        let mut words = line.split(' ');
        let object = words.next().and_then(|word| word.parse::<Oid>().ok());
        let (Some(object), Some(name)) = (object, words.next()) else {
            return Err(self.failed("a ref that cannot be read"));
        };
        let mut peeled = None;
        for attribute in words {
            if let Some(target) = attribute.strip_prefix("symref-target:refs/heads/").filter(|_| name == "HEAD") {
                refs.head = Some(target.to_owned());
            }
            if let Some(id) = attribute.strip_prefix("peeled:") {
                peeled = id.parse().ok();
            }
        }
        refs.take(name, object, peeled);
        Ok(())
    }

    /// Brings `wants` into `repo`, given that it has `haves`.
    pub(super) async fn fetch(
        &self,
        repo: &Repo,
        wants: &[Oid],
        haves: &[Oid],
        commits_only: bool,
    ) -> Result<(), GitError> {
        let filter = commits_only.then_some("filter tree:0");
        match self.fetch_pack(repo, wants, haves, filter).await {
            // A server that knows no filters says so by refusing the request; everything then comes along.
            Err(GitError::Remote { .. }) if filter.is_some() => self.fetch_pack(repo, wants, haves, None).await,
            done => done,
        }
    }

    async fn fetch_pack(
        &self,
        repo: &Repo,
        wants: &[Oid],
        haves: &[Oid],
        filter: Option<&str>,
    ) -> Result<(), GitError> {
        let mut body = Vec::new();
        pkt::line(&mut body, "command=fetch");
        pkt::line(&mut body, "object-format=sha1");
        body.extend(b"0001");
        for argument in ["thin-pack", "ofs-delta", "no-progress"] {
            pkt::line(&mut body, argument);
        }
        if let Some(filter) = filter {
            pkt::line(&mut body, filter);
        }
        wants.iter().for_each(|id| pkt::line(&mut body, &format!("want {id}")));
        haves.iter().for_each(|id| pkt::line(&mut body, &format!("have {id}")));
        pkt::line(&mut body, "done");
        body.extend(b"0000");
        let pack = tokio::time::timeout(WITHIN, self.receive(body));
        let pack = pack.await.map_err(|_| self.failed("the pack did not arrive within two minutes"))??;
        let (repo, name) = (repo.clone(), self.name.to_owned());
        blocking(move || {
            repo.index(pack.into_std()?)
                .map_err(|error| GitError::Remote { remote: name, why: format!("a broken pack: {error}") })
        })
        .await
    }

    /// The pack of one answer, in an unnamed file.
    async fn receive(&self, body: Vec<u8>) -> Result<Pack, GitError> {
        let mut answer = Answer::new(self.post(body).await?, self.name);
        // Sections before the pack (acknowledgments, shallow-info) end with a delimiter; we send `done`, so there are none to obey.
        loop {
            match answer.next().await? {
                Some(Packet::Data(line)) if line.starts_with(b"packfile") => break,
                Some(Packet::Data(line)) if line.starts_with(b"ERR ") => {
                    return Err(self.failed(&String::from_utf8_lossy(&line[4..])));
                }
                Some(Packet::Data(_) | Packet::Delimiter) => {}
                _ => return Err(self.failed("an answer without a pack")),
            }
        }
        let file = blocking(|| Ok(unnamed()?)).await?;
        let mut file = tokio::fs::File::from_std(file);
        let mut size = 0;
        while let Some(Packet::Data(frame)) = answer.next().await? {
            let Some((band, data)) = frame.split_first() else { continue };
            match band {
                1 => {
                    size += data.len() as u64;
                    if size > MAX_PACK_BYTES {
                        return Err(self.too_large("the pack is larger than 2 GiB"));
                    }
                    file.write_all(data).await?;
                }
                2 => {}
                _ => return Err(self.failed(&String::from_utf8_lossy(data))),
            }
        }
        file.flush().await?;
        Ok(Pack(file))
    }

    async fn post(&self, body: Vec<u8>) -> Result<HttpBody, GitError> {
        let request = Request::post(format!("{}/git-upload-pack", self.url))
            .header(header::CONTENT_TYPE, "application/x-git-upload-pack-request")
            .header(header::ACCEPT, "application/x-git-upload-pack-result")
            .header(header::USER_AGENT, "git/trunkline")
            .header("git-protocol", "version=2")
            .header(header::AUTHORIZATION, basic(self.token))
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| self.failed("an address that is none"))?;
        let answer = self.service.clone().oneshot(request).await.map_err(|error| self.failed(&error.to_string()))?;
        match answer.status() {
            StatusCode::OK => Ok(answer.into_body()),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) => {
                Err(GitError::Denied { remote: self.name.to_owned(), status: status.as_u16() })
            }
            // Not followed: the token is for this host, and a renamed repository is found by its number at the next sweep.
            status if status.is_redirection() => {
                Err(self.failed("the server redirects elsewhere, which is not followed"))
            }
            status => Err(self.failed(&format!("HTTP {}", status.as_u16()))),
        }
    }

    fn failed(&self, why: &str) -> GitError {
        let why = why.chars().filter(|c| !c.is_control()).take(200).collect();
        GitError::Remote { remote: self.name.to_owned(), why }
    }

    fn too_large(&self, why: &str) -> GitError {
        GitError::TooLarge { remote: self.name.to_owned(), why: why.to_owned() }
    }
}

/// A pack in an unnamed file, written and not yet read.
struct Pack(tokio::fs::File);

impl Pack {
    fn into_std(self) -> Result<std::fs::File, GitError> {
        use std::io::Seek;
        let mut file = self.0.try_into_std().map_err(|_| GitError::broken("the pack is still being written"))?;
        file.rewind()?;
        Ok(file)
    }
}

fn unnamed() -> std::io::Result<std::fs::File> {
    let path = std::env::temp_dir().join(format!("trunkline-pack-{}", uuid::Uuid::new_v4()));
    let file = std::fs::File::options().read(true).write(true).create_new(true).open(&path)?;
    // Unlinked at once: whatever happens, nothing stays behind.
    std::fs::remove_file(&path)?;
    Ok(file)
}

fn basic(token: &SecretString) -> header::HeaderValue {
    let text = format!("x-access-token:{}", token.expose_secret());
    let mut value =
        format!("Basic {}", BASE64.encode(text)).parse().unwrap_or_else(|_| header::HeaderValue::from_static("Basic"));
    header::HeaderValue::set_sensitive(&mut value, true);
    value
}

/// The frames of an answer, as they arrive.
struct Answer<'a> {
    body: HttpBody,
    buffer: BytesMut,
    name: &'a str,
}

impl<'a> Answer<'a> {
    fn new(body: HttpBody, name: &'a str) -> Self {
        Self { body, buffer: BytesMut::new(), name }
    }

    async fn next(&mut self) -> Result<Option<Packet>, GitError> {
        let failed = |why: String| GitError::Remote { remote: self.name.to_owned(), why };
        loop {
            if let Some(packet) = pkt::next(&mut self.buffer).map_err(failed)? {
                return Ok(Some(packet));
            }
            match self.body.frame().await {
                None if self.buffer.is_empty() => return Ok(None),
                None => return Err(failed("the answer ends in the middle of a line".to_owned())),
                Some(Err(error)) => return Err(failed(error.to_string())),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
            }
        }
    }
}
