//! The child: takes its limits, then the request, then evaluates what it is sent.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use rlimit::Resource;

use super::wire::{self, MAX_FROM_PARENT, Tag};
use super::{Limits, Request, run};
use crate::model::id::Oid;
use crate::model::tree::{Entry, MAX_BLOB_BYTES, ObjectError, Objects};

/// Runs as the child: the hidden subcommand `worker`. Call it before any thread or runtime is started: it may start none afterwards.
pub fn child_main() -> ExitCode {
    match pipes().and_then(|(from, to)| serve(from, to)) {
        Ok(()) => ExitCode::SUCCESS,
        // The parent has gone, or does not speak our language: nobody is there to be told.
        Err(_) => ExitCode::from(2),
    }
}

/// Standard input and output without the standard library's own buffers and line breaking.
fn pipes() -> io::Result<(File, File)> {
    let own = |fd: BorrowedFd| fd.try_clone_to_owned().map(File::from);
    Ok((own(io::stdin().as_fd())?, own(io::stdout().as_fd())?))
}

fn serve(from: impl Read + Send, to: impl Write + Send) -> io::Result<()> {
    let (mut from, to) = (BufReader::with_capacity(1 << 16, from), BufWriter::with_capacity(1 << 16, to));
    let (_, limits) = wire::read(&mut from, MAX_FROM_PARENT)?;
    confine(serde_json::from_slice(&limits)?)?;
    let (_, request) = wire::read(&mut from, MAX_FROM_PARENT)?;
    let request: Request = serde_json::from_slice(&request)?;
    let remote = Remote { pipe: Mutex::new(Pipe { from, to }), known: Mutex::default() };
    let evaluation = run(&remote, &request, &mut |what| {
        let mut pipe = remote.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        // When the pipe is broken the next read says so.
        let _ = wire::write(&mut pipe.to, Tag::Progress, &[what.as_bytes()]);
        let _ = pipe.to.flush();
    });
    let answer = serde_json::to_vec(&evaluation)?;
    let mut pipe = remote.pipe.lock().unwrap_or_else(PoisonError::into_inner);
    wire::write(&mut pipe.to, Tag::Answer, &[&answer])?;
    pipe.to.flush()
}

/// Hard limits, which the child itself cannot raise again.
fn confine(limits: Limits) -> io::Result<()> {
    Resource::AS.set(limits.memory, limits.memory)?;
    // One second between the signal and the kill, so that the parent can tell which limit it was.
    Resource::CPU.set(limits.cpu, limits.cpu + 1)?;
    Resource::CORE.set(0, 0)?;
    Resource::FSIZE.set(0, 0)?;
    // Nothing more can be opened than the three pipes there are.
    Resource::NOFILE.set(3, 3)?;
    // Neither threads nor processes (without effect for root).
    Resource::NPROC.set(0, 0)
}

/// The parent's objects, as seen from here.
struct Remote<R, W: Write> {
    pipe: Mutex<Pipe<R, W>>,
    known: Mutex<Known>,
}

struct Pipe<R, W: Write> {
    from: R,
    to: W,
}

#[derive(Default)]
struct Known {
    trees: HashMap<Oid, Result<Arc<[Entry]>, ObjectError>>,
    blobs: HashMap<Oid, Result<Arc<[u8]>, ObjectError>>,
}

impl<R: Read + Send, W: Write + Send> Remote<R, W> {
    /// Asks, and takes in everything sent until the parent is done: often more than was asked for.
    fn ask(&self, tag: Tag, id: Oid) -> io::Result<()> {
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        wire::write(&mut pipe.to, tag, &[&id.0])?;
        pipe.to.flush()?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let (tag, content) = wire::read(&mut pipe.from, MAX_FROM_PARENT)?;
            if tag == Tag::Done {
                return Ok(());
            }
            let (id, rest) = wire::split_id(&content)?;
            match tag {
                Tag::Tree => {
                    let tree = wire::decode_tree(rest).ok_or_else(|| io::Error::other("a tree that is none"))?;
                    known.trees.insert(id, Ok(tree));
                }
                Tag::Blob => {
                    known.blobs.insert(id, Ok(rest.into()));
                }
                Tag::Missing => {
                    let error = wire::decode_error(id, rest);
                    known.trees.entry(id).or_insert(Err(error.clone()));
                    known.blobs.entry(id).or_insert(Err(error));
                }
                _ => return Err(io::Error::other("an unexpected frame")),
            }
        }
    }

    fn fetch<T: Clone>(
        &self,
        tag: Tag,
        id: Oid,
        of: fn(&mut Known) -> &mut HashMap<Oid, Result<T, ObjectError>>,
    ) -> Result<T, ObjectError> {
        let look = || of(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner)).get(&id).cloned();
        if let Some(known) = look() {
            return known;
        }
        self.ask(tag, id).map_err(|error| ObjectError::Broken(format!("the parent process: {error}")))?;
        look().unwrap_or(Err(ObjectError::Missing(id)))
    }
}

impl<R: Read + Send, W: Write + Send> Objects for Remote<R, W> {
    fn tree(&self, id: Oid) -> Result<Arc<[Entry]>, ObjectError> {
        self.fetch(Tag::WantTree, id, |known| &mut known.trees)
    }

    fn blob(&self, id: Oid) -> Result<Arc<[u8]>, ObjectError> {
        let blob = self.fetch(Tag::WantBlob, id, |known| &mut known.blobs)?;
        let size = blob.len() as u64;
        if size > MAX_BLOB_BYTES { Err(ObjectError::TooLarge { size, limit: MAX_BLOB_BYTES }) } else { Ok(blob) }
    }
}
