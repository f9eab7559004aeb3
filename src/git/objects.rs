//! One bare cache: its objects, its handles, and what keeps it small.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use git2::{ObjectType, Repository, RepositoryInitOptions};

use super::{GitError, MAX_SEEN, OURS, Refs, Want, wanted};
use crate::model::id::Oid;
use crate::model::tree::{Entry, EntryKind, MAX_BLOB_BYTES, ObjectError, Objects};

/// Handles kept ready; one a running pass.
const MAX_HANDLES: usize = 16;
/// Decoded trees kept: a 5,700-file repository has 1,500, and most passes read the same few hundred.
const MAX_TREES: usize = 20_000;

/// A bare cache, cheap to clone and usable from any thread.
#[derive(Clone)]
pub struct Repo {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    handles: Mutex<Vec<Repository>>,
    trees: Mutex<HashMap<Oid, Arc<[Entry]>>>,
}

pub(super) fn to_git(id: Oid) -> git2::Oid {
    // Twenty bytes are always an id; the fallback is the id of nothing, which is then not found.
    git2::Oid::from_bytes(&id.0).unwrap_or_else(|_| git2::Oid::ZERO_SHA1)
}

pub(super) fn from_git(id: git2::Oid) -> Oid {
    let mut bytes = [0; 20];
    bytes.copy_from_slice(&id.as_bytes()[..20]);
    Oid(bytes)
}

impl Repo {
    /// Opens the cache at `path`, and starts anew when it is missing, broken or worn out.
    pub(super) fn open(path: &Path, max_packs: usize) -> Result<Self, GitError> {
        let packs = std::fs::read_dir(path.join("objects/pack")).map_or(0, |entries| entries.count() / 2);
        let handle = match Repository::open_bare(path).ok().filter(|_| packs <= max_packs) {
            Some(handle) => handle,
            None => {
                if path.exists() {
                    std::fs::remove_dir_all(path)?;
                }
                let mut options = RepositoryInitOptions::new();
                // No template: a template could bring hooks.
                Repository::init_opts(path, options.bare(true).mkpath(true).external_template(false))?
            }
        };
        let handles = Mutex::new(vec![handle]);
        Ok(Self { inner: Arc::new(Inner { path: path.to_owned(), handles, trees: Mutex::default() }) })
    }

    /// Runs `work` on a handle of its own.
    pub(super) fn with<T>(&self, work: impl FnOnce(&Repository) -> Result<T, GitError>) -> Result<T, GitError> {
        let ready = self.lock().pop();
        let handle = match ready {
            Some(handle) => handle,
            None => Repository::open_bare(&self.inner.path)?,
        };
        let done = work(&handle);
        let mut handles = self.lock();
        if handles.len() < MAX_HANDLES {
            handles.push(handle);
        }
        done
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Repository>> {
        self.inner.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The objects, for whoever reads trees.
    pub fn objects(&self) -> Arc<dyn Objects> {
        Arc::new(self.clone())
    }

    /// Which of `ids` are not here.
    pub(super) fn missing(&self, ids: &[Oid]) -> Result<Vec<Oid>, GitError> {
        self.with(|repo| {
            let odb = repo.odb()?;
            // Another handle may have brought a pack since this one looked.
            if ids.iter().any(|id| !odb.exists(to_git(*id))) {
                odb.refresh()?;
            }
            Ok(ids.iter().copied().filter(|id| !odb.exists(to_git(*id))).collect())
        })
    }

    /// Commits to tell a server about, so that it sends only what is new.
    pub(super) fn haves(&self) -> Result<Vec<Oid>, GitError> {
        self.with(|repo| {
            let refs = repo.references_glob(&format!("{OURS}*"))?;
            let known = refs.filter_map(|found| found.ok()?.target().map(from_git));
            Ok(known.take(MAX_SEEN * 4).collect())
        })
    }

    /// Remembers what was just wanted as the next "have", and forgets the oldest.
    pub(super) fn keep(&self, ids: &[Oid]) -> Result<(), GitError> {
        self.with(|repo| {
            let odb = repo.odb()?;
            for id in ids.iter().take(MAX_SEEN).filter(|id| odb.exists(to_git(**id))) {
                repo.reference(&format!("{OURS}{id}"), to_git(*id), true, "")?;
            }
            let known = repo.references_glob(&format!("{OURS}*"))?.flatten();
            let mut old: Vec<_> =
                known.filter(|found| found.target().is_some_and(|id| !ids.contains(&from_git(id)))).collect();
            let excess = (old.len() + ids.len().min(MAX_SEEN)).saturating_sub(MAX_SEEN * 2);
            for reference in old.iter_mut().take(excess) {
                reference.delete()?;
            }
            Ok(())
        })
    }

    /// Stores a pack; a thin one is completed from what is here.
    pub(super) fn index(&self, mut pack: std::fs::File) -> Result<(), GitError> {
        self.with(|repo| {
            let odb = repo.odb()?;
            let mut writer = odb.packwriter()?;
            std::io::copy(&mut pack, &mut writer)?;
            writer.commit()?;
            odb.refresh()?;
            Ok(())
        })
    }

    /// Reads the refs of a bare repository on this machine and copies what is wanted and missing.
    pub(super) fn fetch_folder(&self, path: &Path, want: &Want) -> Result<Refs, GitError> {
        let theirs = Repository::open_bare(path)?;
        let mut refs = Refs::default();
        refs.head = theirs
            .find_reference("HEAD")
            .ok()
            .and_then(|head| head.symbolic_target().ok().flatten()?.strip_prefix("refs/heads/").map(str::to_owned));
        for reference in theirs.references()?.flatten() {
            let Ok(name) = reference.name().map(str::to_owned) else { continue };
            let Some(object) = reference.target() else { continue };
            let peeled = reference.peel_to_commit().ok().map(|commit| from_git(commit.id()));
            refs.take(&name, from_git(object), peeled);
        }
        let missing = self.missing(&wanted(&refs, want))?;
        if missing.is_empty() {
            return Ok(refs);
        }
        self.with(|repo| {
            let mut builder = theirs.packbuilder()?;
            let mut walk = theirs.revwalk()?;
            for id in &missing {
                // A tag object is not walked to: it goes along by itself, and its commit is.
                builder.insert_object(to_git(*id), None)?;
                let peeled = theirs.find_object(to_git(*id), None)?.peel_to_commit()?;
                walk.push(peeled.id())?;
            }
            for have in self.haves()? {
                if theirs.find_commit(to_git(have)).is_ok() {
                    walk.hide(to_git(have))?;
                }
            }
            builder.insert_walk(&mut walk)?;
            let odb = repo.odb()?;
            let mut writer = odb.packwriter()?;
            builder.foreach(|bytes| std::io::Write::write_all(&mut writer, bytes).is_ok())?;
            writer.commit()?;
            odb.refresh()?;
            Ok(())
        })?;
        Ok(refs)
    }
}

impl Objects for Repo {
    fn tree(&self, id: Oid) -> Result<Arc<[Entry]>, ObjectError> {
        let trees = || self.inner.trees.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = trees().get(&id) {
            return Ok(Arc::clone(known));
        }
        let entries: Arc<[Entry]> = self
            .with(|repo| {
                let tree = repo.find_tree(to_git(id))?;
                Ok(tree.iter().filter_map(|entry| entry_of(&entry)).collect::<Vec<_>>())
            })
            .map_err(|error| absent(id, &error))?
            .into();
        let mut trees = trees();
        if trees.len() >= MAX_TREES {
            trees.clear();
        }
        trees.insert(id, Arc::clone(&entries));
        Ok(entries)
    }

    fn blob(&self, id: Oid) -> Result<Arc<[u8]>, ObjectError> {
        enum Read {
            Bytes(Arc<[u8]>),
            TooLarge(u64),
        }
        let read = self.with(|repo| {
            let odb = repo.odb()?;
            let (size, _) = odb.read_header(to_git(id))?;
            if size as u64 > MAX_BLOB_BYTES {
                return Ok(Read::TooLarge(size as u64));
            }
            Ok(Read::Bytes(odb.read(to_git(id))?.data().into()))
        });
        match read.map_err(|error| absent(id, &error))? {
            Read::Bytes(bytes) => Ok(bytes),
            Read::TooLarge(size) => Err(ObjectError::TooLarge { size, limit: MAX_BLOB_BYTES }),
        }
    }
}

fn absent(id: Oid, error: &GitError) -> ObjectError {
    let text = error.to_string();
    if text.contains("not found") { ObjectError::Missing(id) } else { ObjectError::Broken(text) }
}

/// An entry whose name is no UTF-8 is left out: no manifest can name it, and no page can show it.
fn entry_of(entry: &git2::TreeEntry<'_>) -> Option<Entry> {
    let kind = match (entry.kind(), entry.filemode()) {
        (Some(ObjectType::Tree), _) => EntryKind::Folder,
        (Some(ObjectType::Commit), _) => EntryKind::Submodule,
        (Some(ObjectType::Blob), 0o120_000) => EntryKind::Symlink,
        (Some(ObjectType::Blob), 0o100_755) => EntryKind::Executable,
        (Some(ObjectType::Blob), _) => EntryKind::File,
        _ => return None,
    };
    Some(Entry { name: entry.name().ok()?.to_owned(), kind, id: from_git(entry.id()) })
}
