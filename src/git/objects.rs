//! Trees and blobs of a cached repository, as the pure modules read them.

use std::sync::Arc;

use super::{GitError, Store, ours, theirs};
use crate::model::id::Oid;
use crate::model::tree::{Entry, EntryKind, MAX_BLOB_BYTES, ObjectError, Objects};

/// Entries a folder may have; the largest real ones have thousands.
const MAX_ENTRIES: usize = 100_000;

/// Reads block for microseconds; the caller runs them where that is fine.
impl Objects for Store {
    fn tree(&self, id: Oid) -> Result<Arc<[Entry]>, ObjectError> {
        if let Some(tree) = self.trees.get(&id) {
            return Ok(tree);
        }
        let read = self.with(|repository| {
            let tree = match repository.find_tree(theirs(id)?) {
                Ok(tree) => tree,
                Err(error) if error.code() == git2::ErrorCode::NotFound => return Err(GitError::Missing(id)),
                Err(error) => return Err(error.into()),
            };
            if tree.len() > MAX_ENTRIES {
                return Err(GitError::Refused(format!("a folder of {} entries", tree.len())));
            }
            tree.iter().map(|entry| decode(&entry)).collect::<Result<Arc<[Entry]>, GitError>>()
        });
        let tree = read.map_err(object_error)?;
        // An empty tree costs its key.
        self.trees.put(id, Arc::clone(&tree), tree.len().max(1));
        Ok(tree)
    }

    fn blob(&self, id: Oid) -> Result<Arc<[u8]>, ObjectError> {
        let read = self.with(|repository| {
            let odb = repository.odb()?;
            let missing = |error: git2::Error| match error.code() {
                git2::ErrorCode::NotFound => GitError::Missing(id),
                _ => error.into(),
            };
            // The header first: a blob that is too large is never inflated.
            let (size, kind) = odb.read_header(theirs(id)?).map_err(missing)?;
            if kind != git2::ObjectType::Blob {
                return Err(GitError::Missing(id));
            }
            if size as u64 > MAX_BLOB_BYTES {
                return Ok(Err(size as u64));
            }
            Ok(Ok(Arc::<[u8]>::from(odb.read(theirs(id)?).map_err(missing)?.data())))
        });
        read.map_err(object_error)?.map_err(|size| ObjectError::TooLarge { size, limit: MAX_BLOB_BYTES })
    }
}

fn decode(entry: &git2::TreeEntry<'_>) -> Result<Entry, GitError> {
    // A name that is not UTF-8 matches no path anybody can write; it is shown with replacement characters.
    let name = String::from_utf8_lossy(entry.name_bytes()).into_owned();
    if name.is_empty() || name == "." || name == ".." || name.contains('/') || name.eq_ignore_ascii_case(".git") {
        return Err(GitError::Refused(format!("a file named `{}`", name.escape_default())));
    }
    let kind = match entry.filemode() & 0o170_000 {
        0o040_000 => EntryKind::Folder,
        0o120_000 => EntryKind::Symlink,
        0o160_000 => EntryKind::Submodule,
        _ if entry.filemode() & 0o111 != 0 => EntryKind::Executable,
        _ => EntryKind::File,
    };
    Ok(Entry { name, kind, id: ours(entry.id()) })
}

fn object_error(error: GitError) -> ObjectError {
    match error {
        GitError::Missing(id) => ObjectError::Missing(id),
        other => ObjectError::Broken(other.to_string()),
    }
}
