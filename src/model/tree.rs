//! A repository's files as data: a listing plus a content-addressed reader.
//!
//! Reading by id is not an effect: the same id gives the same bytes for ever. So the pure modules may read trees without
//! knowing whether they come from git, from a folder, or over the pipe from the parent process.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};

use super::id::Oid;
use super::path::RepoPath;

/// What an entry of a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryKind {
    /// An ordinary file.
    File,
    /// A file with the executable bit.
    Executable,
    /// A symbolic link; its blob is the target.
    Symlink,
    /// A folder.
    Folder,
    /// Another repository's commit (a git submodule), never followed.
    Submodule,
}

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The name inside its folder.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
    /// The id of its content.
    pub id: Oid,
}

/// Why an object could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum ObjectError {
    /// The store does not hold it.
    #[error("git object {0} is missing")]
    Missing(Oid),
    /// It is larger than a manifest may be.
    #[error("{size} bytes, more than the {limit} allowed")]
    TooLarge {
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The store itself failed.
    #[error("{0}")]
    Broken(String),
}

/// The largest file that is read: Kubernetes itself refuses objects over 1.5 MiB, generated CRD bundles reach 4 MB.
pub const MAX_BLOB_BYTES: u64 = 5 * 1024 * 1024;

/// A content-addressed reader of trees and blobs.
pub trait Objects: Send + Sync {
    /// The entries of the tree `id`, in git's order.
    ///
    /// # Errors
    /// When it is missing, or the store failed.
    fn tree(&self, id: Oid) -> Result<Arc<[Entry]>, ObjectError>;

    /// The bytes of the blob `id`, at most [`MAX_BLOB_BYTES`].
    ///
    /// # Errors
    /// When it is missing, too large, or the store failed.
    fn blob(&self, id: Oid) -> Result<Arc<[u8]>, ObjectError>;
}

/// Why a path could not be read from a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// Nothing stands there.
    #[error("`{0}` does not exist")]
    NotFound(RepoPath),
    /// A file was wanted, a folder stands there.
    #[error("`{0}` is a folder, not a file")]
    IsFolder(RepoPath),
    /// A folder was wanted, a file stands there.
    #[error("`{0}` is a file, not a folder")]
    NotFolder(RepoPath),
    /// A symbolic link points outside the repository, or in a circle.
    #[error("`{path}` is a symbolic link that {why}")]
    Symlink {
        /// The link.
        path: RepoPath,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A submodule: its content is another repository's.
    #[error("`{0}` is a git submodule, which Trunkline does not follow")]
    Submodule(RepoPath),
    /// A git LFS pointer: the content itself is not in git.
    #[error("`{0}` is a git LFS pointer; its content is not in git, so it cannot be checked")]
    Lfs(RepoPath),
    /// The object behind the path could not be read.
    #[error("`{path}`: {error}")]
    Object {
        /// The path.
        path: RepoPath,
        /// What happened.
        error: ObjectError,
    },
}

/// Links followed on one path; the kernel allows 40, real repositories use one.
const MAX_SYMLINKS: usize = 8;
/// Deeper trees are refused: git itself handles 4,096, people use ten.
const MAX_DEPTH: usize = 64;

/// One version of a repository's files.
#[derive(Clone, Copy)]
pub struct Tree<'a> {
    /// The id of the root tree.
    pub root: Oid,
    /// Where objects are read from.
    pub objects: &'a dyn Objects,
}

impl<'a> Tree<'a> {
    /// The tree with this root.
    pub fn new(root: Oid, objects: &'a dyn Objects) -> Self {
        Self { root, objects }
    }

    /// The entry at `path`, symbolic links not followed; the root is a folder.
    ///
    /// # Errors
    /// When a tree on the way cannot be read.
    pub fn entry(&self, path: &RepoPath) -> Result<Option<Entry>, TreeError> {
        let mut entry = Entry { name: String::new(), kind: EntryKind::Folder, id: self.root };
        for part in path.parts() {
            if entry.kind != EntryKind::Folder {
                return Ok(None);
            }
            let folder =
                self.objects.tree(entry.id).map_err(|error| TreeError::Object { path: path.clone(), error })?;
            match named(&folder, part) {
                Some(found) => entry = found.clone(),
                None => return Ok(None),
            }
        }
        Ok(Some(entry))
    }

    /// Where a path leads when no symbolic link, submodule or fault stands on the way: most paths, and nothing is copied for them.
    /// The inner nothing says that nothing stands there, the outer one that it takes a closer look.
    fn straight(&self, path: &RepoPath) -> Option<Option<Entry>> {
        let mut here = self.root;
        let mut parts = path.parts().peekable();
        while let Some(part) = parts.next() {
            let folder = self.objects.tree(here).ok()?;
            let Some(found) = named(&folder, part) else { return Some(None) };
            match (found.kind, parts.peek().is_some()) {
                (EntryKind::Symlink | EntryKind::Submodule, _) => return None,
                (_, false) => return Some(Some(found.clone())),
                (EntryKind::Folder, true) => here = found.id,
                (EntryKind::File | EntryKind::Executable, true) => return Some(None),
            }
        }
        None
    }

    /// The place `path` leads to once symbolic links are followed, which they are only inside the repository.
    ///
    /// # Errors
    /// When nothing stands there, a link leads out or in a circle, or a tree cannot be read.
    pub fn resolve(&self, path: &RepoPath) -> Result<(RepoPath, Entry), TreeError> {
        if let Some(found) = self.straight(path) {
            return found.map(|entry| (path.clone(), entry)).ok_or_else(|| TreeError::NotFound(path.clone()));
        }
        let mut wanted: Vec<String> = path.parts().map(str::to_owned).rev().collect();
        let mut here = RepoPath::root();
        let mut entry = Entry { name: String::new(), kind: EntryKind::Folder, id: self.root };
        let mut links = 0;
        while let Some(part) = wanted.pop() {
            if entry.kind != EntryKind::Folder {
                return Err(TreeError::NotFound(path.clone()));
            }
            let folder =
                self.objects.tree(entry.id).map_err(|error| TreeError::Object { path: here.clone(), error })?;
            let found = named(&folder, &part).ok_or_else(|| TreeError::NotFound(path.clone()))?;
            let there = here.child(&part);
            match found.kind {
                EntryKind::Submodule => return Err(TreeError::Submodule(there)),
                EntryKind::Symlink => {
                    links += 1;
                    if links > MAX_SYMLINKS {
                        return Err(TreeError::Symlink { path: there, why: "leads in a circle" });
                    }
                    let target = self
                        .objects
                        .blob(found.id)
                        .map_err(|error| TreeError::Object { path: there.clone(), error })?;
                    let outside = || TreeError::Symlink { path: there.clone(), why: "points outside the repository" };
                    let target = std::str::from_utf8(&target).map_err(|_| outside())?;
                    let goal = here.join(target).map_err(|_| outside())?;
                    wanted.extend(goal.parts().map(str::to_owned).collect::<Vec<_>>().into_iter().rev());
                    here = RepoPath::root();
                    entry = Entry { name: String::new(), kind: EntryKind::Folder, id: self.root };
                }
                _ => {
                    entry = found.clone();
                    here = there;
                }
            }
        }
        Ok((here, entry))
    }

    /// The bytes of the file at `path`.
    ///
    /// # Errors
    /// When it is not a readable file inside the repository.
    pub fn read(&self, path: &RepoPath) -> Result<Arc<[u8]>, TreeError> {
        let (_, entry) = self.resolve(path)?;
        if entry.kind == EntryKind::Folder {
            return Err(TreeError::IsFolder(path.clone()));
        }
        let bytes = self.objects.blob(entry.id).map_err(|error| TreeError::Object { path: path.clone(), error })?;
        if bytes.starts_with(b"version https://git-lfs.github.com/spec/") {
            return Err(TreeError::Lfs(path.clone()));
        }
        Ok(bytes)
    }

    /// The entries of the folder at `path`.
    ///
    /// # Errors
    /// When it is not a readable folder inside the repository.
    pub fn list(&self, path: &RepoPath) -> Result<Arc<[Entry]>, TreeError> {
        let (_, entry) = self.resolve(path)?;
        if entry.kind != EntryKind::Folder {
            return Err(TreeError::NotFolder(path.clone()));
        }
        self.objects.tree(entry.id).map_err(|error| TreeError::Object { path: path.clone(), error })
    }

    /// Whether `path` leads to a folder.
    pub fn is_folder(&self, path: &RepoPath) -> bool {
        matches!(self.resolve(path), Ok((_, Entry { kind: EntryKind::Folder, .. })))
    }

    /// Whether `path` leads to a file.
    pub fn is_file(&self, path: &RepoPath) -> bool {
        matches!(self.resolve(path), Ok((_, Entry { kind: EntryKind::File | EntryKind::Executable, .. })))
    }

    /// Every file and link below `folder`, links not followed, sorted by path.
    ///
    /// # Errors
    /// When the folder or one below it cannot be read.
    pub fn files(&self, folder: &RepoPath) -> Result<Vec<(RepoPath, Entry)>, TreeError> {
        let mut found = Vec::new();
        let mut open = vec![(folder.clone(), self.list(folder)?, 0)];
        while let Some((here, entries, depth)) = open.pop() {
            for entry in entries.iter() {
                let path = here.child(&entry.name);
                if entry.kind == EntryKind::Folder {
                    if depth >= MAX_DEPTH {
                        continue;
                    }
                    let below =
                        self.objects.tree(entry.id).map_err(|error| TreeError::Object { path: path.clone(), error })?;
                    open.push((path, below, depth + 1));
                } else {
                    found.push((path, entry.clone()));
                }
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(found)
    }
}

/// The entry of that name. Entries stand in git's order, where a folder's name ends with a slash: so it is looked for in two
/// places. A store that keeps another order is still read right, only slower.
fn named<'e>(entries: &'e [Entry], name: &str) -> Option<&'e Entry> {
    /// Fewer are looked through as they come.
    const FEW: usize = 16;
    if entries.len() > FEW {
        let wanted = |slash: bool| name.bytes().chain(slash.then_some(b'/'));
        let place = |slash: bool| {
            entries.binary_search_by(|entry| {
                let slashed = entry.kind == EntryKind::Folder;
                entry.name.bytes().chain(slashed.then_some(b'/')).cmp(wanted(slash))
            })
        };
        if let Some(at) = [false, true].into_iter().find_map(|slash| place(slash).ok()) {
            return Some(&entries[at]);
        }
    }
    entries.iter().find(|entry| entry.name == name)
}

/// The paths that differ between two trees of one store, found by skipping equal ids, so the cost is the change, not the size.
///
/// # Errors
/// When a tree cannot be read.
pub fn changed_paths(objects: &dyn Objects, before: Oid, after: Oid) -> Result<Vec<RepoPath>, TreeError> {
    let mut changed = Vec::new();
    let mut open = vec![(RepoPath::root(), Some(before), Some(after), 0)];
    while let Some((here, before, after, depth)) = open.pop() {
        if before == after || depth > MAX_DEPTH {
            continue;
        }
        let read = |id: Option<Oid>| match id {
            Some(id) => objects.tree(id).map_err(|error| TreeError::Object { path: here.clone(), error }),
            None => Ok(Arc::from([])),
        };
        let (old, new) = (read(before)?, read(after)?);
        let mut both: BTreeMap<&str, (Option<&Entry>, Option<&Entry>)> = BTreeMap::new();
        old.iter().for_each(|e| both.entry(&e.name).or_default().0 = Some(e));
        new.iter().for_each(|e| both.entry(&e.name).or_default().1 = Some(e));
        for (name, (old, new)) in both {
            if old == new {
                continue;
            }
            let folder = |e: Option<&Entry>| e.filter(|e| e.kind == EntryKind::Folder).map(|e| e.id);
            let leaf = |e: Option<&Entry>| e.filter(|e| e.kind != EntryKind::Folder).cloned();
            if leaf(old) != leaf(new) {
                changed.push(here.child(name));
            }
            if folder(old) != folder(new) {
                open.push((here.child(name), folder(old), folder(new), depth + 1));
            }
        }
    }
    changed.sort();
    Ok(changed)
}

/// Files held in memory, addressed as git would address them: for tests, working trees and generated content.
#[derive(Debug, Default)]
pub struct MemoryObjects {
    trees: HashMap<Oid, Arc<[Entry]>>,
    blobs: HashMap<Oid, Arc<[u8]>>,
}

impl Objects for MemoryObjects {
    fn tree(&self, id: Oid) -> Result<Arc<[Entry]>, ObjectError> {
        self.trees.get(&id).cloned().ok_or(ObjectError::Missing(id))
    }

    fn blob(&self, id: Oid) -> Result<Arc<[u8]>, ObjectError> {
        let bytes = self.blobs.get(&id).cloned().ok_or(ObjectError::Missing(id))?;
        let size = bytes.len() as u64;
        if size > MAX_BLOB_BYTES { Err(ObjectError::TooLarge { size, limit: MAX_BLOB_BYTES }) } else { Ok(bytes) }
    }
}

impl MemoryObjects {
    /// Adds a tree of `files` (kind and bytes by path) and returns its root.
    pub fn add(&mut self, files: impl IntoIterator<Item = (RepoPath, EntryKind, Vec<u8>)>) -> Oid {
        let mut folders: BTreeMap<RepoPath, BTreeMap<String, Entry>> =
            BTreeMap::from([(RepoPath::root(), BTreeMap::new())]);
        for (path, kind, bytes) in files {
            let id = hash("blob", &bytes);
            self.blobs.insert(id, bytes.into());
            let mut folder = path.parent();
            let entry = Entry { name: path.name().to_owned(), kind, id };
            folders.entry(folder.clone()).or_default().insert(entry.name.clone(), entry);
            while !folder.is_root() {
                folder = folder.parent();
                folders.entry(folder.clone()).or_default();
            }
        }
        let mut root = Oid::ZERO;
        // Longest first, so that a folder's id is known before its parent is written.
        let mut order: Vec<RepoPath> = folders.keys().cloned().collect();
        order.sort_by_key(|path| std::cmp::Reverse(path.parts().count()));
        for path in order {
            let mut entries: Vec<Entry> = folders.remove(&path).unwrap_or_default().into_values().collect();
            let sort_name =
                |e: &Entry| if e.kind == EntryKind::Folder { format!("{}/", e.name) } else { e.name.clone() };
            entries.sort_by_key(sort_name);
            let mut bytes = Vec::new();
            for entry in &entries {
                bytes.extend(format!("{} {}\0", mode(entry.kind), entry.name).bytes());
                bytes.extend(entry.id.0);
            }
            let id = hash("tree", &bytes);
            self.trees.insert(id, entries.into());
            if path.is_root() {
                root = id;
            } else {
                let name = path.name().to_owned();
                let entry = Entry { name: name.clone(), kind: EntryKind::Folder, id };
                folders.entry(path.parent()).or_default().insert(name, entry);
            }
        }
        root
    }

    /// Adds a tree of ordinary text files and returns its root.
    pub fn add_text<'a>(
        &mut self,
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Oid, super::id::BadName> {
        let files: Result<Vec<_>, _> = files
            .into_iter()
            .map(|(path, text)| Ok((path.parse::<RepoPath>()?, EntryKind::File, text.as_bytes().to_vec())))
            .collect();
        Ok(self.add(files?))
    }
}

fn mode(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::File => "100644",
        EntryKind::Executable => "100755",
        EntryKind::Symlink => "120000",
        EntryKind::Folder => "40000",
        EntryKind::Submodule => "160000",
    }
}

fn hash(kind: &str, bytes: &[u8]) -> Oid {
    let digest = Sha1::new().chain_update(format!("{kind} {}\0", bytes.len())).chain_update(bytes).finalize();
    Oid(digest.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RepoPath {
        text.parse().unwrap()
    }

    #[test]
    fn ids_are_gits_own() {
        let mut objects = MemoryObjects::default();
        let root = objects.add_text([("a.txt", "hello\n")]).unwrap();
        // `printf 'hello\n' | git hash-object --stdin` and `git mktree`.
        let tree = Tree::new(root, &objects);
        assert_eq!(
            tree.entry(&path("a.txt")).unwrap().unwrap().id.to_string(),
            "ce013625030ba8dba906f756967f9e9ca394464a"
        );
        assert_eq!(root.to_string(), "2e81171448eb9f2ee3821e3d447aa6b2fe3ddba1");
    }

    #[test]
    fn entries_are_found_in_large_folders_whatever_their_order() {
        let mut objects = MemoryObjects::default();
        let files: Vec<String> =
            (0..40).flat_map(|n| [format!("f{n}"), format!("d{n}/x"), format!("d{n}.yaml")]).collect();
        let root = objects.add_text(files.iter().map(|path| (path.as_str(), "1"))).unwrap();
        let tree = Tree::new(root, &objects);
        for file in &files {
            assert!(tree.is_file(&path(file)), "{file}");
        }
        assert!(tree.is_folder(&path("d3")) && tree.entry(&path("d3")).unwrap().is_some());
        for missing in ["d", "f", "f40", "d3/y", "f3/x", "z"] {
            assert!(matches!(tree.resolve(&path(missing)), Err(TreeError::NotFound(_))), "{missing}");
        }
        let mut entries = objects.tree(root).unwrap().to_vec();
        entries.reverse();
        assert!(entries.iter().all(|entry| named(&entries, &entry.name) == Some(entry)));
    }

    #[test]
    fn t13_symlinks_stay_inside() {
        let mut objects = MemoryObjects::default();
        let link = |to: &str| (EntryKind::Symlink, to.as_bytes().to_vec());
        let file = |path_: &str, (kind, bytes)| (path(path_), kind, bytes);
        let root = objects.add([
            file("base/x.yaml", (EntryKind::File, b"x".to_vec())),
            file("env/base", link("../base")),
            file("env/out", link("../../etc/passwd")),
            file("env/abs", link("/etc/passwd")),
            file("env/loop", link("loop")),
            file("env/git", link("../.git/config")),
        ]);
        let tree = Tree::new(root, &objects);
        assert_eq!(&*tree.read(&path("env/base/x.yaml")).unwrap(), b"x");
        for bad in ["env/out", "env/abs", "env/loop", "env/git"] {
            assert!(matches!(tree.read(&path(bad)), Err(TreeError::Symlink { .. })), "{bad}");
        }
    }

    #[test]
    fn changes_are_found_by_id() {
        let mut objects = MemoryObjects::default();
        let a = objects.add_text([("a/b/x", "1"), ("a/y", "1"), ("c", "1")]).unwrap();
        let b = objects.add_text([("a/b/x", "2"), ("a/y", "1"), ("c/d", "1")]).unwrap();
        let changed: Vec<String> = changed_paths(&objects, a, b).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(changed, ["a/b/x", "c", "c/d"]);
    }

    #[test]
    fn t15_t16_submodules_and_lfs_pointers_are_named() {
        let mut objects = MemoryObjects::default();
        let root = objects.add([
            (path("sub"), EntryKind::Submodule, vec![]),
            (path("big.yaml"), EntryKind::File, b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n".to_vec()),
        ]);
        let tree = Tree::new(root, &objects);
        assert!(matches!(tree.read(&path("sub/x")), Err(TreeError::Submodule(_))));
        assert!(matches!(tree.read(&path("big.yaml")), Err(TreeError::Lfs(_))));
    }
}
