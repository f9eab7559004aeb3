//! Work on the bare repositories: commits, merges, walks and differences.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use git2::build::TreeUpdateBuilder;
use git2::{Delta, DiffOptions, FileMode, ObjectType, Oid, Repository, Signature, Sort, Time};
use jiff::Timestamp;

use super::refusal::Refusal;

/// A file's new content, or its removal.
pub(crate) type Change = (String, Option<Vec<u8>>);

/// A new commit's words and people.
pub(crate) struct Words<'a> {
    pub(crate) message: &'a str,
    pub(crate) author: (&'a str, &'a str),
    pub(crate) committer: (&'a str, &'a str),
    pub(crate) at: Timestamp,
}

/// A file that differs between two trees.
pub(crate) struct FileDiff {
    pub(crate) path: String,
    pub(crate) previous: Option<String>,
    pub(crate) status: &'static str,
    pub(crate) sha: String,
    pub(crate) additions: usize,
    pub(crate) deletions: usize,
    pub(crate) patch: Option<String>,
}

/// Makes a bare repository that serves what github.com serves.
pub(crate) fn init(path: &Path, branch: &str) -> Result<(), Refusal> {
    let mut options = git2::RepositoryInitOptions::new();
    options.bare(true).external_template(false).initial_head(branch);
    let repo = Repository::init_opts(path, &options)?;
    let mut config = repo.config()?;
    for (key, value) in [
        ("http.receivepack", true),
        ("uploadpack.allowFilter", true),
        ("uploadpack.allowAnySHA1InWant", true),
        ("uploadpack.allowReachableSHA1InWant", true),
    ] {
        config.set_bool(key, value)?;
    }
    // Pull request refs are GitHub's own: they show, but nobody pushes them.
    config.set_str("receive.hideRefs", "refs/pull")?;
    config.set_i32("gc.auto", 0)?;
    Ok(())
}

/// Reads an object id.
pub(crate) fn oid(text: &str) -> Result<Oid, Refusal> {
    if text.len() != 40 {
        return Err(Refusal::not_found());
    }
    Oid::from_str(text).map_err(|_| Refusal::not_found())
}

/// All refs with the objects they name.
pub(crate) fn refs(repo: &Repository) -> Result<BTreeMap<String, String>, Refusal> {
    let mut found = BTreeMap::new();
    for reference in repo.references()? {
        let reference = reference?;
        if let (Ok(name), Some(target)) = (reference.name(), reference.target()) {
            found.insert(name.to_owned(), target.to_string());
        }
    }
    Ok(found)
}

/// The commit a ref's object stands for, through annotated tags.
pub(crate) fn peel(repo: &Repository, sha: &str) -> Result<Oid, Refusal> {
    Ok(repo.find_object(oid(sha)?, None)?.peel(ObjectType::Commit)?.id())
}

/// Whether an object is there and is a commit.
pub(crate) fn is_commit(repo: &Repository, sha: &str) -> bool {
    oid(sha).is_ok_and(|oid| repo.find_commit(oid).is_ok())
}

/// Writes a commit with these changes on top of its first parent's tree.
pub(crate) fn commit(
    repo: &Repository,
    parents: &[Oid],
    changes: &[Change],
    words: &Words<'_>,
) -> Result<Oid, Refusal> {
    let base = match parents.first() {
        Some(parent) => repo.find_commit(*parent)?.tree()?,
        None => repo.find_tree(repo.treebuilder(None)?.write()?)?,
    };
    let mut update = TreeUpdateBuilder::new();
    for (path, content) in changes {
        let safe = !path.is_empty()
            && path.split('/').all(|part| !["", ".", "..", ".git"].contains(&part.to_ascii_lowercase().as_str()));
        if !safe || path.contains('\0') {
            return Err(Refusal::new(422, format!("`{path}` is not a path in a repository")));
        }
        match content {
            Some(bytes) => update.upsert(path, repo.blob(bytes)?, kept_mode(&base, path)),
            None if base.get_path(Path::new(path)).is_err() => {
                let message = format!("A path was requested for deletion which does not exist: `{path}`");
                return Err(Refusal::new(422, message));
            }
            None => update.remove(path),
        };
    }
    let tree = update.create_updated(repo, &base)?;
    commit_tree(repo, parents, tree, words)
}

fn kept_mode(base: &git2::Tree<'_>, path: &str) -> FileMode {
    match base.get_path(Path::new(path)).map(|entry| entry.filemode()) {
        Ok(0o100_755) => FileMode::BlobExecutable,
        _ => FileMode::Blob,
    }
}

/// Writes a commit of a tree that is already there.
pub(crate) fn commit_tree(repo: &Repository, parents: &[Oid], tree: Oid, words: &Words<'_>) -> Result<Oid, Refusal> {
    let time = Time::new(words.at.as_second(), 0);
    let author = Signature::new(words.author.0, words.author.1, &time)?;
    let committer = Signature::new(words.committer.0, words.committer.1, &time)?;
    let parents: Vec<_> = parents.iter().map(|parent| repo.find_commit(*parent)).collect::<Result<_, _>>()?;
    let parents: Vec<_> = parents.iter().collect();
    Ok(repo.commit(None, &author, &committer, words.message, &repo.find_tree(tree)?, &parents)?)
}

/// The tree of merging `head` into `base`; `None` when they conflict.
pub(crate) fn merged_tree(repo: &Repository, base: Oid, head: Oid) -> Result<Option<Oid>, Refusal> {
    let mut index = repo.merge_commits(&repo.find_commit(base)?, &repo.find_commit(head)?, None)?;
    if index.has_conflicts() { Ok(None) } else { Ok(Some(index.write_tree_to(repo)?)) }
}

/// Replays the commits of `head` that `base` lacks onto `base`; `None` when one conflicts.
pub(crate) fn rebased(repo: &Repository, base: Oid, head: Oid, words: &Words<'_>) -> Result<Option<Oid>, Refusal> {
    let mut tip = base;
    // 250 commits is more than GitHub rebases by itself (100).
    for sha in between(repo, Some(base), head, 250)?.into_iter().rev() {
        let commit = repo.find_commit(sha)?;
        if commit.parent_count() != 1 {
            return Ok(None);
        }
        let mut index = repo.cherrypick_commit(&commit, &repo.find_commit(tip)?, 0, None)?;
        if index.has_conflicts() {
            return Ok(None);
        }
        let tree = index.write_tree_to(repo)?;
        let (name, mail) = people(&commit.author());
        let kept = Words { message: commit.message().unwrap_or_default(), author: (&name, &mail), ..*words };
        tip = commit_tree(repo, &[tip], tree, &kept)?;
    }
    Ok(Some(tip))
}

/// A signature's name and address.
pub(crate) fn people(signature: &Signature<'_>) -> (String, String) {
    (signature.name().unwrap_or_default().to_owned(), signature.email().unwrap_or_default().to_owned())
}

/// Whether `old` is `new` or one of its ancestors.
pub(crate) fn contains(repo: &Repository, new: Oid, old: Oid) -> bool {
    new == old || repo.graph_descendant_of(new, old).unwrap_or(false)
}

/// The best common ancestor.
pub(crate) fn merge_base(repo: &Repository, one: Oid, two: Oid) -> Option<Oid> {
    repo.merge_base(one, two).ok()
}

/// Commits of `head` that `base` lacks, newest first, at most `most`.
pub(crate) fn between(repo: &Repository, base: Option<Oid>, head: Oid, most: usize) -> Result<Vec<Oid>, Refusal> {
    let mut walk = repo.revwalk()?;
    walk.set_sorting(Sort::TOPOLOGICAL | Sort::TIME)?;
    walk.push(head)?;
    if let Some(base) = base {
        walk.hide(base)?;
    }
    Ok(walk.take(most).collect::<Result<_, _>>()?)
}

/// The tree a commit holds.
pub(crate) fn tree_of(repo: &Repository, commit: Oid) -> Result<Oid, Refusal> {
    Ok(repo.find_commit(commit)?.tree_id())
}

/// The files that differ between two trees, renames followed, with their patches.
pub(crate) fn diff(repo: &Repository, old: Option<Oid>, new: Oid) -> Result<Vec<FileDiff>, Refusal> {
    let old = old.map(|old| repo.find_tree(old)).transpose()?;
    let mut options = DiffOptions::new();
    options.context_lines(3);
    let mut diff = repo.diff_tree_to_tree(old.as_ref(), Some(&repo.find_tree(new)?), Some(&mut options))?;
    diff.find_similar(None)?;
    let mut files = Vec::new();
    // 3,000 files is where GitHub stops listing.
    for index in 0..diff.deltas().len().min(3_000) {
        let Some(delta) = diff.get_delta(index) else { continue };
        let text = |path: Option<&Path>| path.map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
        let (before, after) = (text(delta.old_file().path()), text(delta.new_file().path()));
        let status = match delta.status() {
            Delta::Added => "added",
            Delta::Deleted => "removed",
            Delta::Renamed => "renamed",
            Delta::Copied => "copied",
            _ => "modified",
        };
        let patch = git2::Patch::from_diff(&diff, index)?;
        let (mut additions, mut deletions, mut hunks) = (0, 0, None);
        if let Some(mut patch) = patch {
            let (_, plus, minus) = patch.line_stats()?;
            (additions, deletions) = (plus, minus);
            let whole = patch.to_buf()?;
            let whole = String::from_utf8_lossy(&whole).into_owned();
            hunks = whole.find("@@").map(|at| whole[at..].trim_end().to_owned());
        }
        let id = if status == "removed" { delta.old_file().id() } else { delta.new_file().id() };
        let path = if status == "removed" { before.clone() } else { after };
        let previous = (status == "renamed").then_some(before);
        files.push(FileDiff { path, previous, status, sha: id.to_string(), additions, deletions, patch: hunks });
    }
    Ok(files)
}

/// Paths that differ between a commit and its first parent.
pub(crate) fn touched(repo: &Repository, commit: Oid) -> Result<BTreeSet<(char, String)>, Refusal> {
    let commit = repo.find_commit(commit)?;
    let parent = commit.parent(0).ok().map(|parent| parent.tree()).transpose()?;
    let diff = repo.diff_tree_to_tree(parent.as_ref(), Some(&commit.tree()?), None)?;
    let mut paths = BTreeSet::new();
    for delta in diff.deltas() {
        let (kind, file) = match delta.status() {
            Delta::Added => ('+', delta.new_file()),
            Delta::Deleted => ('-', delta.old_file()),
            _ => ('~', delta.new_file()),
        };
        if let Some(path) = file.path() {
            paths.insert((kind, path.to_string_lossy().into_owned()));
        }
    }
    Ok(paths)
}

/// Brings commits from another repository on this disk, for pull requests from forks.
pub(crate) fn bring(into: &Repository, from: &Path, sha: &str) -> Result<(), Refusal> {
    if into.find_commit(oid(sha)?).is_ok() {
        return Ok(());
    }
    let source = Repository::open_bare(from)?;
    let mut pack = source.packbuilder()?;
    let mut walk = source.revwalk()?;
    walk.push(oid(sha)?)?;
    pack.insert_walk(&mut walk)?;
    let mut bytes = git2::Buf::new();
    pack.write_buf(&mut bytes)?;
    let odb = into.odb()?;
    let mut writer = odb.packwriter()?;
    std::io::Write::write_all(&mut writer, &bytes).map_err(|e| Refusal::new(500, e.to_string()))?;
    writer.commit()?;
    Ok(())
}
