//! Where we are: the repository around a path, and the path inside it.

use std::path::{Path, PathBuf};

use super::folder::Folder;
use super::{Failure, note};
use crate::config;
use crate::model::path::RepoPath;
use crate::model::tree::Tree;

/// A path inside a working tree.
pub(super) struct Place {
    /// The path, from the repository's root.
    pub(super) path: RepoPath,
    /// Whether it is a folder.
    pub(super) is_folder: bool,
    /// The folder taken for the repository's root, when nothing marks one: then what is missing may only stand outside.
    guessed_root: Option<PathBuf>,
    root: PathBuf,
    folder: Folder,
}

impl Place {
    /// Finds the repository around `path`.
    ///
    /// # Errors
    /// When nothing stands there, or it is no place of a repository.
    pub(super) fn find(path: &Path) -> Result<Place, Failure> {
        let shown = path.display();
        let real = path.canonicalize().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                let here = std::env::current_dir().unwrap_or_default();
                let help =
                    format!("it was looked for from `{}`; pass a folder or a file of your repository", here.display());
                Failure::new(format!("`{shown}` does not exist"), help)
            }
            std::io::ErrorKind::PermissionDenied => Failure::new(
                format!("`{shown}` cannot be read"),
                "check that this user may read it, and every folder above it",
            ),
            _ => Failure::new(format!("`{shown}` cannot be read: {error}"), "check the path"),
        })?;
        let is_folder = real.is_dir();
        if is_folder {
            // What the tree cannot list it would take for empty.
            real.read_dir().map_err(|error| {
                Failure::new(format!("`{shown}` cannot be read: {error}"), "check that this user may read it")
            })?;
        }
        let marked = marked_root(&real, is_folder);
        let root = marked.clone().unwrap_or_else(|| likely_root(&real, is_folder));
        let inside = real.strip_prefix(&root).ok().and_then(Path::to_str).and_then(|path| path.parse().ok());
        let path = inside.ok_or_else(|| {
            let help = "pass a folder of environments; `.git` and names with control characters are not looked into";
            Failure::new(format!("`{shown}` is no place where manifests can be"), help)
        })?;
        let folder = Folder::new(&root);
        Ok(Place { path, is_folder, guessed_root: marked.is_none().then(|| root.clone()), root, folder })
    }

    /// Says what was taken for the repository, when that may be why something is missing.
    pub(super) fn explain_root(&self) {
        if let Some(root) = &self.guessed_root {
            let root = root.display();
            note(&format!(
                "note: nothing outside `{root}` was read; run this from a folder above it, or in a git repository"
            ));
        }
    }

    /// Where a file of the repository stands on this machine.
    pub(super) fn file(&self, path: &RepoPath) -> PathBuf {
        self.root.join(path.as_str())
    }

    /// The whole repository.
    pub(super) fn tree(&self) -> Tree<'_> {
        Tree::new(self.folder.root(), &self.folder)
    }
}

/// The nearest folder, from `path` upwards, that is a repository or holds a configuration.
fn marked_root(path: &Path, is_folder: bool) -> Option<PathBuf> {
    let is_root = |folder: &&Path| folder.join(".git").exists() || folder.join(config::FILE).is_file();
    folder_of(path, is_folder).ancestors().find(is_root).map(Path::to_owned)
}

/// Where nothing marks a root: the current folder when `path` lies in it, because overlays reach their bases by `..` and
/// nothing outside the root is read; else the folder itself.
fn likely_root(path: &Path, is_folder: bool) -> PathBuf {
    let folder = folder_of(path, is_folder);
    let here = std::env::current_dir().and_then(|here| here.canonicalize()).ok();
    here.filter(|here| folder.starts_with(here)).unwrap_or_else(|| folder.to_owned())
}

fn folder_of(path: &Path, is_folder: bool) -> &Path {
    if is_folder { path } else { path.parent().unwrap_or(path) }
}
