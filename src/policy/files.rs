//! The repository's own policy files, as data: found in a tree by id, read by id, never by path.

use std::sync::Arc;

use crate::model::finding::{Location, Problem};
use crate::model::id::Oid;
use crate::model::path::RepoPath;
use crate::model::tree::{EntryKind, Objects, Tree};

/// More policy files than this are refused: the largest public policy libraries hold about 300.
const MAX_FILES: usize = 2_000;
/// All policy text together; a parsed policy takes some twenty times its text, and the child has 1.5 GiB.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// One policy or data file.
#[derive(Debug, Clone)]
pub struct PolicyFile {
    /// Where it stands.
    pub path: RepoPath,
    /// The policy folder it was found through; data files are named by what lies between.
    pub folder: RepoPath,
    /// Its text.
    pub text: Arc<str>,
}

/// The policies of one version of a repository.
#[derive(Debug, Clone, Default)]
pub struct PolicyFiles {
    /// The files, sorted by path.
    pub files: Vec<PolicyFile>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

/// Where a policy file stands and the id of its content: what is sent to the worker and what caches are keyed by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct PolicyId {
    /// Where it stands.
    pub path: RepoPath,
    /// The policy folder it was found through.
    pub folder: RepoPath,
    /// Its content.
    pub id: Oid,
}

/// The policy and data files below `folders`, sorted by path; a folder that does not exist holds none, because a configuration may name it
/// before the first policy is written.
///
/// `_test.rego` files test policies and decide nothing; `waivers.yaml` is listed beside the policies, and no data of theirs.
pub fn list(tree: &Tree, folders: &[RepoPath]) -> Vec<PolicyId> {
    let mut found = list_with_tests(tree, folders);
    found.retain(|file| !file.path.name().ends_with("_test.rego"));
    found
}

/// The same with the policies' own tests.
pub fn list_with_tests(tree: &Tree, folders: &[RepoPath]) -> Vec<PolicyId> {
    let mut found = Vec::new();
    for folder in folders {
        for (path, entry) in tree.files(folder).unwrap_or_default() {
            let name = path.name();
            let wanted = [".rego", ".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end));
            let plain = matches!(entry.kind, EntryKind::File | EntryKind::Executable);
            if wanted && plain {
                found.push(PolicyId { path, folder: folder.clone(), id: entry.id });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found.dedup_by(|a, b| a.path == b.path);
    found
}

/// Whether a file holds waivers.
pub fn is_waivers(path: &RepoPath) -> bool {
    matches!(path.name(), "waivers.yaml" | "waivers.yml")
}

/// Reads the policies and their data behind `ids`. What cannot be read is a problem, so that no policy is dropped in silence.
pub fn read(objects: &dyn Objects, ids: &[PolicyId]) -> PolicyFiles {
    let mut read = PolicyFiles::default();
    let mut bytes = 0;
    for (at, file) in ids.iter().filter(|file| !is_waivers(&file.path)).enumerate() {
        let mut refuse = |message: String, help: &str| {
            let location = Some(Location { path: file.path.clone(), line: 1, column: 0 });
            read.problems.push(Problem { location, message, help: Some(help.to_owned()) });
        };
        if at >= MAX_FILES || bytes > MAX_BYTES {
            refuse(
                format!("policies from here on are not read: more than {MAX_FILES} files or 16 MiB"),
                "Remove what is no policy from the policy folders.",
            );
            break;
        }
        match objects.blob(file.id) {
            Ok(content) => match std::str::from_utf8(&content) {
                Ok(text) => {
                    bytes += text.len();
                    read.files.push(PolicyFile {
                        path: file.path.clone(),
                        folder: file.folder.clone(),
                        text: text.into(),
                    });
                }
                Err(_) => refuse("the file is not UTF-8 text".to_owned(), "Save it as UTF-8."),
            },
            Err(error) => refuse(format!("the file could not be read: {error}"), "Correct or remove it."),
        }
    }
    read
}
