//! The parent's side: starts a child, hands it what it asks for, and makes of its end a finding.

use std::collections::HashMap;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use super::wire::{self, MAX_FROM_CHILD, Tag};
use super::{FAULT, Limits, Request, limit};
use crate::model::finding::Evaluation;
use crate::model::id::Oid;
use crate::model::tree::{Entry, EntryKind, ObjectError, Objects};

/// With a folder goes its kustomization, and with the first manifest asked for go those beside it: so a folder that is read
/// costs two turns, not one a file, and one that is only looked at costs little.
const EAGER_FILES: usize = 256;
/// Not more than this in one go: a folder may hold large files nobody asks for.
const EAGER_BYTES: usize = 1 << 20;
/// What a child may say on stderr before it is dropped: a panic's message is a few hundred bytes.
const MAX_STDERR: u64 = 16 << 10;
/// Manifests remembered with what stands beside them; forgotten ones cost a turn each.
const MAX_BESIDE: usize = 200_000;
/// Objects one evaluation may ask for: ten times the largest repository we know of.
const MAX_ASKED: usize = 1_000_000;

/// How a conversation ended.
enum End {
    Answer(Box<Evaluation>),
    Broken(io::Error),
}

pub(super) async fn run(program: &Path, limits: Limits, objects: Arc<dyn Objects>, request: Request) -> Evaluation {
    match start(program, limits, objects, request).await {
        Ok(evaluation) => evaluation,
        Err(error) => {
            tracing::error!(%error, "the worker could not be started");
            limit(
                "the change could not be evaluated: the worker process could not be started",
                "Comment `/trunkline retry`; if it happens again, the bot's machine is out of memory or processes.",
            )
        }
    }
}

async fn start(program: &Path, limits: Limits, objects: Arc<dyn Objects>, request: Request) -> io::Result<Evaluation> {
    // Own pipes: they stay blocking on our side, because objects are read by blocking calls.
    let (child_in, to_child) = io::pipe()?;
    let (from_child, child_out) = io::pipe()?;
    let (errors, child_err) = io::pipe()?;
    let mut command = tokio::process::Command::new(program);
    // No inherited variables, no folder of ours, no terminal; Rust opens everything else close-on-exec.
    command.arg("worker").env_clear().current_dir("/").process_group(0).kill_on_drop(true);
    command.stdin(Stdio::from(child_in)).stdout(Stdio::from(child_out)).stderr(Stdio::from(child_err));
    let mut child = command.spawn()?;
    // The command holds the child's ends of the pipes; while it lives the pipes never end.
    drop(command);

    let said = tokio::task::spawn_blocking(move || {
        let mut text = Vec::new();
        let _ = (&errors).take(MAX_STDERR).read_to_end(&mut text);
        // The rest is taken and dropped: a full or closed pipe would stop the child in the middle of its work.
        let _ = io::copy(&mut &errors, &mut io::sink());
        String::from_utf8_lossy(&text).into_owned()
    });
    let stage = Arc::new(Mutex::new(String::from("the change")));
    let talk = {
        let stage = stage.clone();
        tokio::task::spawn_blocking(move || {
            let (from, to) =
                (BufReader::with_capacity(1 << 16, from_child), BufWriter::with_capacity(1 << 16, to_child));
            let mut talk = Talk { from, to, objects, stage, asked: 0, beside: HashMap::new() };
            talk.run(limits, &request).map_or_else(End::Broken, |evaluation| End::Answer(Box::new(evaluation)))
        })
    };
    let end = tokio::time::timeout(limits.wall, talk).await;
    if let Ok(Ok(End::Answer(evaluation))) = end {
        // It has nothing more to say; dropping it ends it, and tokio reaps it.
        return Ok(*evaluation);
    }
    let status = match end {
        Ok(_) => tokio::time::timeout(limits.wall, child.wait()).await.ok().transpose()?,
        Err(_) => None,
    };
    if status.is_none() {
        // Already ended is as good as killed.
        let _ = child.kill().await;
    }
    let said = said.await.unwrap_or_default();
    let stage = stage.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let broken = if let Ok(Ok(End::Broken(error))) = &end { error.to_string() } else { String::new() };
    tracing::debug!(?status, %stage, %broken, stderr = said, "the worker ended without an answer");
    Ok(obituary(end.is_err(), status, &said, &broken, (&stage, limits)))
}

/// Which limit ended the child, in words, with the next step.
fn obituary(
    timed_out: bool,
    status: Option<ExitStatus>,
    said: &str,
    broken: &str,
    (stage, limits): (&str, Limits),
) -> Evaluation {
    const XCPU: i32 = 24;
    const KILL: i32 = 9;
    let signal = status.and_then(|status| status.signal());
    let smaller = "Look for a policy that does not end or a file that grows when it is read; a smaller change may pass. Then comment `/trunkline retry`.";
    if timed_out {
        let seconds = limits.wall.as_secs();
        limit(&format!("evaluating {stage} took more than {seconds} s and was stopped"), smaller)
    } else if signal == Some(XCPU) {
        limit(&format!("evaluating {stage} took more than {} s of processor time and was stopped", limits.cpu), smaller)
    } else if said.contains("memory allocation of") || said.contains("capacity overflow") {
        let megabytes = limits.memory >> 20;
        limit(&format!("evaluating {stage} took more than {megabytes} MiB of memory and was stopped"), smaller)
    } else if said.contains("overflowed its stack") {
        limit(
            &format!("evaluating {stage} went too deep and was stopped"),
            "Look for nesting of hundreds of levels in a policy or manifest. Then comment `/trunkline retry`.",
        )
    } else if signal == Some(KILL) {
        limit(
            &format!("evaluating {stage} was killed from outside"),
            "Comment `/trunkline retry`; if it happens again, the bot's machine is out of memory.",
        )
    } else if broken.contains("longer than allowed") {
        limit(
            &format!("evaluating {stage} gave an answer of more than {} MiB", MAX_FROM_CHILD >> 20),
            "Split the change.",
        )
    } else {
        limit(&format!("evaluating {stage} ended in a fault of Trunkline's own"), FAULT)
    }
}

/// The names under which Kustomize looks for its file.
const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

fn is_manifest(entry: &Entry) -> bool {
    let name = entry.name.as_str();
    let manifest = [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end)) || KUSTOMIZATIONS.contains(&name);
    manifest && matches!(entry.kind, EntryKind::File | EntryKind::Executable)
}

/// One conversation with a child.
struct Talk<R, W: Write> {
    from: R,
    to: W,
    objects: Arc<dyn Objects>,
    stage: Arc<Mutex<String>>,
    asked: usize,
    /// What to send along with a manifest, once one of its folder is asked for.
    beside: HashMap<Oid, Arc<[Entry]>>,
}

impl<R: Read, W: Write> Talk<R, W> {
    fn run(&mut self, limits: Limits, request: &Request) -> io::Result<Evaluation> {
        wire::write(&mut self.to, Tag::Limits, &[&serde_json::to_vec(&limits)?])?;
        wire::write(&mut self.to, Tag::Request, &[&serde_json::to_vec(request)?])?;
        self.to.flush()?;
        loop {
            let (tag, content) = wire::read(&mut self.from, MAX_FROM_CHILD)?;
            match tag {
                Tag::WantTree | Tag::WantBlob => {
                    self.asked += 1;
                    if self.asked > MAX_ASKED {
                        return Err(io::Error::other("the child asks without end"));
                    }
                    let (id, _) = wire::split_id(&content)?;
                    if tag == Tag::WantTree {
                        self.tree(id)?
                    } else {
                        self.blob(id)?
                    }
                    wire::write(&mut self.to, Tag::Done, &[])?;
                    self.to.flush()?;
                }
                Tag::Progress => {
                    let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
                    *stage = String::from_utf8_lossy(&content).chars().take(200).collect();
                }
                Tag::Answer => return Ok(serde_json::from_slice(&content)?),
                _ => return Err(io::Error::other("an unexpected frame")),
            }
        }
    }

    fn tree(&mut self, id: Oid) -> io::Result<()> {
        match self.objects.tree(id) {
            Ok(entries) => {
                wire::write(&mut self.to, Tag::Tree, &[&id.0, &wire::encode_tree(&entries)])?;
                self.manifests(&entries)
            }
            Err(error) => self.missing(id, &error),
        }
    }

    /// The folder's kustomization, or all its manifests when it has none.
    fn manifests(&mut self, entries: &Arc<[Entry]>) -> io::Result<()> {
        let of_kustomize = |entry: &&Entry| is_manifest(entry) && KUSTOMIZATIONS.contains(&entry.name.as_str());
        let Some(kustomization) = entries.iter().find(of_kustomize) else { return self.send(entries.iter()) };
        if self.beside.len() > MAX_BESIDE {
            self.beside.clear();
        }
        for entry in entries.iter().filter(|entry| is_manifest(entry)).take(EAGER_FILES) {
            self.beside.insert(entry.id, entries.clone());
        }
        self.beside.remove(&kustomization.id);
        self.send(std::iter::once(kustomization))
    }

    /// Manifests nobody asked for yet. What cannot be read is not said here: if it matters, it will be asked for.
    fn send<'e>(&mut self, entries: impl Iterator<Item = &'e Entry>) -> io::Result<()> {
        let mut bytes = 0;
        for entry in entries.filter(|entry| is_manifest(entry)).take(EAGER_FILES) {
            let Ok(blob) = self.objects.blob(entry.id) else { continue };
            bytes += blob.len();
            if bytes > EAGER_BYTES {
                break;
            }
            wire::write(&mut self.to, Tag::Blob, &[&entry.id.0, &blob])?;
        }
        Ok(())
    }

    fn blob(&mut self, id: Oid) -> io::Result<()> {
        match self.objects.blob(id) {
            Ok(blob) => wire::write(&mut self.to, Tag::Blob, &[&id.0, &blob])?,
            Err(error) => return self.missing(id, &error),
        }
        let Some(entries) = self.beside.remove(&id) else { return Ok(()) };
        // Each is sent once: what was sent is not asked for again.
        let rest: Vec<Entry> =
            entries.iter().filter(|entry| self.beside.remove(&entry.id).is_some()).cloned().collect();
        self.send(rest.iter())
    }

    fn missing(&mut self, id: Oid, error: &ObjectError) -> io::Result<()> {
        wire::write(&mut self.to, Tag::Missing, &[&id.0, &serde_json::to_vec(error)?])
    }
}
