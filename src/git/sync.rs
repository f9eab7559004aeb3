//! Bringing a cached repository up to date: list the refs, fetch what is missing, remember the tips.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::history::holds;
use super::remote::{Http, Piece, Place, RefLine, Remote, Wanted};
use super::{Cache, Content, GitError, RepoSlot, Store, ours, theirs};
use crate::model::id::Oid;
use crate::model::path::is_ref_name;

/// Tips remembered, for telling the server what we have and for keeping their objects.
const MAX_KEPT: usize = 20_000;
/// Tips told to the server; the newest suffice, since each stands for its whole history.
const MAX_HAVES: usize = 256;
/// Pieces of a pack waiting for the writer: at most 64 KiB each.
const PIECES: usize = 64;

/// Which refs, or which commit, to bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefSpec {
    /// All branches.
    Heads,
    /// The branch `HEAD` stands for.
    Default,
    /// One branch, or with a star at the end all that begin so.
    Branch(String),
    /// All branches that begin so, which are told and not fetched.
    Listed(&'static str),
    /// All tags.
    Tags,
    /// A commit, for instance a pull request's head, whose branch may live in a fork.
    Commit(Oid),
}

/// A tag as it is on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TagRef {
    /// The object it names: the tag object of an annotated tag.
    pub object: Oid,
    /// The commit it names in the end.
    pub commit: Oid,
}

/// The refs as they were on the server a moment ago; only names git allows and people can read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refs {
    /// The branch `HEAD` stands for.
    pub default_branch: Option<String>,
    /// The tips of the branches that were asked for.
    pub heads: BTreeMap<String, Oid>,
    /// The tags, when they were asked for.
    pub tags: BTreeMap<String, TagRef>,
}

impl Refs {
    /// The tags whose name starts so.
    pub fn tags_with<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, TagRef)> {
        let from = self.tags.range(prefix.to_owned()..);
        from.take_while(move |(name, _)| name.starts_with(prefix)).map(|(name, tag)| (name.as_str(), *tag))
    }

    fn add(&mut self, line: RefLine) {
        // T18: hostile names go no further than this.
        if let Some(name) = line.name.strip_prefix("refs/heads/").filter(|name| is_ref_name(name)) {
            self.heads.insert(name.to_owned(), line.id);
        } else if let Some(name) = line.name.strip_prefix("refs/tags/").filter(|name| is_ref_name(name)) {
            let tag = TagRef { object: line.id, commit: line.peeled.unwrap_or(line.id) };
            self.tags.insert(name.to_owned(), tag);
        }
    }

    /// Keeps what was asked for: a prefix matches more than the name.
    fn only(&mut self, want: &[RefSpec]) {
        let default = self.default_branch.as_deref();
        let wanted = |name: &str| {
            want.iter().any(|want| match want {
                RefSpec::Heads => true,
                RefSpec::Default => default == Some(name),
                RefSpec::Branch(pattern) => match pattern.strip_suffix('*') {
                    Some(fixed) => name.starts_with(fixed),
                    None => name == pattern,
                },
                RefSpec::Listed(fixed) => name.starts_with(fixed),
                RefSpec::Tags | RefSpec::Commit(_) => false,
            })
        };
        self.heads.retain(|name, _| wanted(name));
        if !want.contains(&RefSpec::Tags) {
            self.tags.clear();
        }
    }
}

impl Cache {
    /// Brings what is wanted into the cache: at most one request that lists refs and one that fetches. Syncs of one
    /// repository wait for each other.
    ///
    /// # Errors
    /// When the server does not answer well, or sends what we do not take; the cache is then as it was.
    pub async fn sync(
        &self,
        slot: RepoSlot,
        remote: &Remote,
        want: &[RefSpec],
    ) -> Result<(Arc<Store>, Refs), GitError> {
        let cache = self.clone();
        let opened = tokio::task::spawn_blocking(move || cache.store(slot)).await;
        let store = opened.map_err(|_| GitError::Broken("the cache could not be opened".to_owned()))??;
        let _one = store.fetching.lock().await;
        let refs = match &remote.place {
            Place::Http(http) => store.sync_http(http, remote, (slot.content, want)).await?,
            Place::Local(path) => {
                let (path, want, here) = (path.clone(), want.to_vec(), Arc::clone(&store));
                store.run(move |repository| here.sync_local(repository, &path, &want)).await?
            }
        };
        Ok((Arc::clone(&store), refs))
    }
}

impl Store {
    async fn sync_http(
        self: &Arc<Self>,
        http: &Http,
        remote: &Remote,
        (content, want): (Content, &[RefSpec]),
    ) -> Result<Refs, GitError> {
        let prefixes = prefixes(want);
        let mut refs = Refs::default();
        if !prefixes.is_empty() {
            let (lines, head) = http.ls_refs(&prefixes).await?;
            lines.into_iter().for_each(|line| refs.add(line));
            refs.default_branch = head.filter(|name| is_ref_name(name));
            refs.only(want);
        }
        let tips = tips(&refs, want);
        let (store, asked) = (Arc::clone(self), tips.clone());
        let wanted = self.run(move |repository| missing(repository, &asked, &store.kept()?, content)).await?;
        if wanted.wants.is_empty() {
            return Ok(refs);
        }
        match self.fetch(http, remote, wanted.clone()).await {
            // A server without filters refuses the argument; then everything comes.
            Err(GitError::Refused(_)) if wanted.filter.is_some() => {
                self.fetch(http, remote, Wanted { filter: None, ..wanted.clone() }).await?;
            }
            done => done?,
        }
        let store = Arc::clone(self);
        let missing = self.run(move |repository| {
            let missing = first_missing(repository, &wanted.wants)?;
            if missing.is_none() {
                store.keep(store.kept()?, &tips)?;
            }
            Ok(missing)
        });
        if let Some(id) = missing.await? {
            return Err(GitError::Missing(id));
        }
        Ok(refs)
    }

    /// Receives a pack and has libgit2 index it; what is not whole and sound never enters the cache.
    async fn fetch(self: &Arc<Self>, http: &Http, remote: &Remote, wanted: Wanted) -> Result<(), GitError> {
        let (sink, pieces) = mpsc::channel(PIECES);
        let max_objects = remote.max_objects;
        let writing = self.run(move |repository| write_pack(repository, pieces, max_objects));
        let (received, written) = tokio::join!(http.fetch(&wanted, sink, remote.max_bytes), writing);
        // The receiver's word first: an early end makes the writer fail too.
        received.and(written)?;
        self.grew();
        Ok(())
    }

    /// Copies from a repository on this machine what is wanted and missing.
    fn sync_local(
        &self,
        repository: &git2::Repository,
        path: &std::path::Path,
        want: &[RefSpec],
    ) -> Result<Refs, GitError> {
        let there = git2::Repository::open(path)?;
        let refs = local_refs(&there, want)?;
        let tips = tips(&refs, want);
        let wanted = missing(repository, &tips, &self.kept()?, Content::All)?;
        if wanted.wants.is_empty() {
            return Ok(refs);
        }
        let (mut pack, mut walk) = (there.packbuilder()?, there.revwalk()?);
        for id in wanted.wants {
            let absent = |_| GitError::Missing(id);
            // A tag object is not walked to: it goes along by itself, and its commit is.
            let object = there.find_object(theirs(id)?, None).map_err(absent)?;
            pack.insert_object(object.id(), None)?;
            walk.push(object.peel_to_commit().map_err(absent)?.id())?;
        }
        for id in wanted.haves {
            if there.find_commit(theirs(id)?).is_ok() {
                walk.hide(theirs(id)?)?;
            }
        }
        pack.insert_walk(&mut walk)?;
        let odb = repository.odb()?;
        let mut writer = odb.packwriter()?;
        pack.foreach(|bytes| writer.write_all(bytes).is_ok())?;
        writer.commit()?;
        self.grew();
        self.keep(self.kept()?, &tips)?;
        Ok(refs)
    }

    /// The tips remembered, oldest first.
    fn kept(&self) -> Result<Vec<Oid>, GitError> {
        match std::fs::read_to_string(self.path().join("packed-refs")) {
            Ok(text) => Ok(text.lines().filter_map(|line| line.split(' ').next()?.parse().ok()).collect()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(GitError::Broken(error.to_string())),
        }
    }

    /// Remembers tips as refs named by age and id, never by anything the server said.
    fn keep(&self, mut kept: Vec<Oid>, tips: &[Oid]) -> Result<(), GitError> {
        let new: BTreeSet<Oid> = tips.iter().copied().collect();
        kept.retain(|id| !new.contains(id));
        let excess = (kept.len() + tips.len()).saturating_sub(MAX_KEPT);
        let mut text = String::from("# pack-refs with: sorted \n");
        let mut seen = BTreeSet::new();
        let order = kept.iter().chain(tips).skip(excess).filter(|id| seen.insert(**id));
        for (age, id) in order.enumerate() {
            text.push_str(&format!("{id} refs/trunkline/keep/{age:08}-{id}\n"));
        }
        let broken = |error: std::io::Error| GitError::Broken(error.to_string());
        let (new, place) = (self.path().join("packed-refs.new"), self.path().join("packed-refs"));
        std::fs::write(&new, text).map_err(broken)?;
        std::fs::rename(&new, &place).map_err(broken)
    }
}

/// What to ask a server's list for; the head comes with every list, and nothing is listed where only commits are wanted.
fn prefixes(want: &[RefSpec]) -> Vec<String> {
    let prefix = |want: &RefSpec| match want {
        RefSpec::Heads => Some("refs/heads/".to_owned()),
        RefSpec::Branch(branch) => {
            let fixed = branch.strip_suffix('*').unwrap_or(branch);
            is_ref_name(fixed.trim_end_matches('/')).then(|| format!("refs/heads/{fixed}"))
        }
        RefSpec::Listed(fixed) => Some(format!("refs/heads/{fixed}")),
        RefSpec::Tags => Some("refs/tags/".to_owned()),
        RefSpec::Default => Some("HEAD".to_owned()),
        RefSpec::Commit(_) => None,
    };
    let mut prefixes: Vec<String> = want.iter().filter_map(prefix).collect();
    if !prefixes.is_empty() && !want.contains(&RefSpec::Default) {
        prefixes.push("HEAD".to_owned());
    }
    prefixes
}

/// Everything that must be there afterwards, the most useful for the next fetch last.
fn tips(refs: &Refs, want: &[RefSpec]) -> Vec<Oid> {
    let commits = want.iter().filter_map(|want| match want {
        RefSpec::Commit(id) => Some(*id),
        _ => None,
    });
    let default = refs.default_branch.as_ref().and_then(|branch| refs.heads.get(branch)).copied();
    let tags = refs.tags.values().map(|tag| tag.object);
    let listed = |name: &str| want.iter().any(|want| matches!(want, RefSpec::Listed(fixed) if name.starts_with(fixed)));
    let heads = refs.heads.iter().filter(|(name, _)| !listed(name)).map(|(_, tip)| *tip);
    let all: Vec<Oid> = tags.chain(heads).chain(commits).chain(default).collect();
    let mut seen = BTreeSet::new();
    let mut newest_last: Vec<Oid> = all.into_iter().rev().filter(|id| seen.insert(*id)).collect();
    newest_last.reverse();
    newest_last
}

fn missing(repository: &git2::Repository, tips: &[Oid], kept: &[Oid], content: Content) -> Result<Wanted, GitError> {
    let filter = match content {
        Content::All => None,
        Content::Commits => Some("tree:0"),
        Content::Trees => Some("blob:none"),
    };
    let mut wanted = Wanted { filter, ..Wanted::default() };
    for id in tips {
        if !holds(repository, *id)? {
            wanted.wants.push(*id);
        }
    }
    if wanted.wants.is_empty() {
        return Ok(wanted);
    }
    // Only tips whose fetch was completed: an object alone does not prove its history. And only what is still there: a
    // damaged cache that claimed more would be sent differences to nothing.
    for id in kept.iter().rev().filter(|id| !wanted.wants.contains(id)).take(MAX_HAVES) {
        if holds(repository, *id)? {
            wanted.haves.push(*id);
        }
    }
    Ok(wanted)
}

fn first_missing(repository: &git2::Repository, ids: &[Oid]) -> Result<Option<Oid>, GitError> {
    for id in ids {
        if !holds(repository, *id)? {
            return Ok(Some(*id));
        }
    }
    Ok(None)
}

fn write_pack(
    repository: &git2::Repository,
    mut pieces: mpsc::Receiver<Piece>,
    max_objects: u32,
) -> Result<(), GitError> {
    let odb = repository.odb()?;
    let mut writer = odb.packwriter()?;
    let mut head = Vec::with_capacity(12);
    let refused = |error: &dyn std::fmt::Display| GitError::Refused(format!("a broken pack: {error}"));
    while let Some(piece) = pieces.blocking_recv() {
        let Piece::Bytes(bytes) = piece else {
            writer.commit().map_err(|error| refused(&error.message()))?;
            return Ok(());
        };
        if head.len() < 12 {
            head.extend(bytes.iter().take(12 - head.len()));
            if let [b'P', b'A', b'C', b'K', _, _, _, _, a, b, c, d] = head[..] {
                let objects = u32::from_be_bytes([a, b, c, d]);
                if objects > max_objects {
                    return Err(GitError::Refused(format!("a pack of {objects} objects, {max_objects} allowed")));
                }
            }
        }
        writer.write_all(&bytes).map_err(|error| refused(&error))?;
    }
    Err(GitError::Network("the pack broke off".to_owned()))
}

/// The refs of a repository on this machine, as a server would list them.
fn local_refs(there: &git2::Repository, want: &[RefSpec]) -> Result<Refs, GitError> {
    let head =
        there.find_reference("HEAD").ok().and_then(|head| head.symbolic_target().ok().flatten().map(str::to_owned));
    let head = head.as_deref().and_then(|head| head.strip_prefix("refs/heads/"));
    let mut refs = Refs { default_branch: head.map(str::to_owned), ..Refs::default() };
    for reference in there.references()? {
        let reference = reference?;
        let (Ok(name), Some(id)) = (reference.name(), reference.target()) else { continue };
        let peeled = reference.peel_to_commit().ok().map(|commit| ours(commit.id()));
        refs.add(RefLine { name: name.to_owned(), id: ours(id), peeled });
    }
    refs.only(want);
    Ok(refs)
}
