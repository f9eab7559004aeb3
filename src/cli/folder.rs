//! A folder on this machine as a tree: read when asked for, and only once, so that one run sees one state.
//!
//! A working tree holds build folders and modules of gigabytes that no environment reads; hashing them all, as git would,
//! would make `check` useless exactly where people work. So ids are numbers of paths here, never compared across trees.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::id::Oid;
use crate::model::path::RepoPath;
use crate::model::tree::{Entry, EntryKind, MAX_BLOB_BYTES, ObjectError, Objects};

/// Entries of all folders together: ten times the files of a large GitOps repository, some 200 MB of memory.
const MAX_ENTRIES: usize = 1_000_000;
/// Bytes of all files together: a thousand times the manifests of a large repository, and less than a laptop has.
const MAX_BYTES: u64 = 1 << 30;

/// A working tree.
pub(super) struct Folder {
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Where each id stands; the id is its number.
    places: Vec<(PathBuf, EntryKind)>,
    trees: HashMap<Oid, Arc<[Entry]>>,
    blobs: HashMap<Oid, Arc<[u8]>>,
    bytes: u64,
}

impl Folder {
    /// The working tree at `root`.
    pub(super) fn new(root: &Path) -> Self {
        let places = vec![(root.to_owned(), EntryKind::Folder)];
        Self { seen: Mutex::new(Seen { places, ..Seen::default() }) }
    }

    /// The id of its root.
    pub(super) fn root(&self) -> Oid {
        number(0)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Objects for Folder {
    fn tree(&self, id: Oid) -> Result<Arc<[Entry]>, ObjectError> {
        let mut seen = self.seen();
        if let Some(known) = seen.trees.get(&id) {
            return Ok(known.clone());
        }
        let path = seen.place(id)?.0.clone();
        let mut found = list(&path)?;
        if seen.places.len() + found.len() > MAX_ENTRIES {
            return Err(ObjectError::Broken(format!("there are more than {MAX_ENTRIES} files here")));
        }
        let mut entries = Vec::with_capacity(found.len());
        for (name, kind) in found.drain(..) {
            let id = number(seen.places.len());
            seen.places.push((path.join(&name), kind));
            entries.push(Entry { name, kind, id });
        }
        let entries: Arc<[Entry]> = entries.into();
        seen.trees.insert(id, entries.clone());
        Ok(entries)
    }

    fn blob(&self, id: Oid) -> Result<Arc<[u8]>, ObjectError> {
        let mut seen = self.seen();
        if let Some(known) = seen.blobs.get(&id) {
            return Ok(known.clone());
        }
        let (path, kind) = seen.place(id)?.clone();
        let bytes = match kind {
            EntryKind::Symlink => fs::read_link(&path).map_err(broken)?.as_os_str().as_bytes().to_vec(),
            EntryKind::File | EntryKind::Executable => read(&path)?,
            EntryKind::Folder | EntryKind::Submodule => return Err(ObjectError::Missing(id)),
        };
        seen.bytes += bytes.len() as u64;
        if seen.bytes > MAX_BYTES {
            return Err(ObjectError::Broken(format!("more than {} GiB would be read", MAX_BYTES >> 30)));
        }
        let bytes: Arc<[u8]> = bytes.into();
        seen.blobs.insert(id, bytes.clone());
        Ok(bytes)
    }
}

impl Seen {
    fn place(&self, id: Oid) -> Result<&(PathBuf, EntryKind), ObjectError> {
        let [high @ .., _, _, _, _, _, _, _, _] = id.0;
        let low = id.0[high.len()..].try_into().map(u64::from_be_bytes).ok();
        let at = low.and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| self.places.get(at)).ok_or(ObjectError::Missing(id))
    }
}

fn number(at: usize) -> Oid {
    let mut id = Oid::ZERO;
    id.0[12..].copy_from_slice(&(at as u64).to_be_bytes());
    id
}

/// What stands in a folder, in git's order: names no repository may hold are left out, and whatever is neither file, link nor folder.
fn list(path: &Path) -> Result<Vec<(String, EntryKind)>, ObjectError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(broken)? {
        let entry = entry.map_err(broken)?;
        // `.git` is refused here too, in every spelling.
        let Some(name) = entry.file_name().to_str().filter(|name| is_name(name)).map(str::to_owned) else { continue };
        let kind = entry.file_type().map_err(broken)?;
        let kind = if kind.is_symlink() {
            EntryKind::Symlink
        } else if kind.is_dir() {
            // Another repository inside this one is a submodule to git, and none of our files.
            if entry.path().join(".git").exists() { EntryKind::Submodule } else { EntryKind::Folder }
        } else if kind.is_file() {
            EntryKind::File
        } else {
            continue;
        };
        found.push((name, kind));
        if found.len() > MAX_ENTRIES {
            return Err(ObjectError::Broken(format!("it holds more than {MAX_ENTRIES} files")));
        }
    }
    let as_git = |(name, kind): &(String, EntryKind)| match kind {
        EntryKind::Folder => format!("{name}/"),
        _ => name.clone(),
    };
    found.sort_by_cached_key(as_git);
    Ok(found)
}

fn is_name(name: &str) -> bool {
    name.parse::<RepoPath>().is_ok_and(|path| path.as_str() == name && !path.is_root())
}

fn read(path: &Path) -> Result<Vec<u8>, ObjectError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(broken)?;
    let size = file.metadata().map_err(broken)?.len();
    let too_large = |size| ObjectError::TooLarge { size, limit: MAX_BLOB_BYTES };
    if size > MAX_BLOB_BYTES {
        return Err(too_large(size));
    }
    file.take(MAX_BLOB_BYTES + 1).read_to_end(&mut bytes).map_err(broken)?;
    let read = bytes.len() as u64;
    if read > MAX_BLOB_BYTES { Err(too_large(read)) } else { Ok(bytes) }
}

fn broken(error: std::io::Error) -> ObjectError {
    ObjectError::Broken(match error.kind() {
        std::io::ErrorKind::PermissionDenied => "this user may not read it".to_owned(),
        _ => error.to_string(),
    })
}
