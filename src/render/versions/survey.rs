//! Which files an environment is made of, and which of them are its own.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use crate::manifest::node::Node;
use crate::model::id::Oid;
use crate::model::path::RepoPath;
use crate::model::tree::{EntryKind, Tree};
use crate::render::flux::ignore::Ignore;
use crate::render::kustomize::FILE_NAMES;
use crate::render::memory::Parsed;
use crate::render::source::{Documents, Reading};

/// Kustomizations looked at for one environment: real ones have a few dozen.
const MAX_KUSTOMIZATIONS: usize = 1_000;
/// Entries of a folder without kustomization that are looked at: what a render of it allows.
const MAX_ENTRIES: usize = 10_000;
/// Folders inside each other: what a tree walk allows.
const MAX_DEPTH: usize = 64;
/// Bytes of files kept to be searched again: the manifests of 5,000 objects.
const MAX_TEXT_BYTES: usize = 16 << 20;

/// What was read of one store of objects, kept so that the next look, at an older commit or for another application, reads only
/// what differs.
#[derive(Default)]
pub struct Shelf {
    parsed: Parsed,
    texts: HashMap<Oid, Arc<[u8]>>,
    bytes: usize,
}

impl Shelf {
    /// The sound documents of a file and its bytes; none when it cannot be read.
    pub(super) fn read(&mut self, tree: &Tree<'_>, path: &RepoPath) -> Option<(Documents, Arc<[u8]>)> {
        let (id, bytes) = self.text(tree, path)?;
        let text = bytes.clone();
        let read = || Ok::<_, std::convert::Infallible>(text);
        let file = self.parsed.read((id, path, Reading::Plain), read).unwrap_or_else(|never| match never {});
        Some((file.documents.clone(), bytes))
    }

    /// The same, of a file in which one of the words stands: reading all the others would cost.
    pub(super) fn read_with(
        &mut self,
        tree: &Tree<'_>,
        path: &RepoPath,
        words: &[&str],
    ) -> Option<(Documents, Arc<[u8]>)> {
        let (_, bytes) = self.text(tree, path)?;
        let text = std::str::from_utf8(&bytes).ok()?;
        if words.iter().any(|word| text.contains(word)) { self.read(tree, path) } else { None }
    }

    fn text(&mut self, tree: &Tree<'_>, path: &RepoPath) -> Option<(Oid, Arc<[u8]>)> {
        let (_, entry) = tree.resolve(path).ok()?;
        if let Some(known) = self.texts.get(&entry.id) {
            return Some((entry.id, known.clone()));
        }
        let bytes = tree.read(path).ok()?;
        if self.bytes + bytes.len() > MAX_TEXT_BYTES {
            self.texts.clear();
            self.bytes = 0;
        }
        self.bytes += bytes.len();
        self.texts.insert(entry.id, bytes.clone());
        Some((entry.id, bytes))
    }
}

/// The files of one environment.
#[derive(Default)]
pub(super) struct Survey {
    /// Its folder, links followed.
    pub(super) home: RepoPath,
    /// The kustomization of the folder itself.
    pub(super) root: Option<RepoPath>,
    /// The kustomizations inside the folder, outermost first.
    pub(super) own: Vec<RepoPath>,
    /// Those outside.
    pub(super) shared: Vec<RepoPath>,
    /// Other files inside the folder that the environment is made of.
    pub(super) own_files: BTreeSet<RepoPath>,
    /// Those outside.
    pub(super) shared_files: BTreeSet<RepoPath>,
    open: VecDeque<RepoPath>,
}

impl Survey {
    pub(super) fn take(shelf: &mut Shelf, tree: &Tree<'_>, folder: &RepoPath) -> Self {
        let home = tree.resolve(folder).map_or_else(|_| folder.clone(), |(real, _)| real);
        let root = kustomization(tree, &home);
        let mut survey = Self { home: home.clone(), root, ..Self::default() };
        survey.open.push_back(home.clone());
        if survey.root.is_none() {
            survey.plain(tree);
        }
        let mut seen = BTreeSet::new();
        while let Some(here) = survey.open.pop_front() {
            if !seen.insert(here.clone()) || seen.len() > MAX_KUSTOMIZATIONS {
                continue;
            }
            let Some(file) = kustomization(tree, &here) else { continue };
            let Some((documents, _)) = shelf.read(tree, &file) else { continue };
            for document in documents.iter() {
                survey.follow(tree, &here, document);
            }
            let list = if file.is_within(&home) { &mut survey.own } else { &mut survey.shared };
            list.push(file);
        }
        survey.workloads(tree);
        survey
    }

    /// Takes in what a kustomization names.
    fn follow(&mut self, tree: &Tree<'_>, here: &RepoPath, document: &Node) {
        let texts = |field: &'static str| document.list_at(&[field]).iter().filter_map(Node::as_str);
        let lists = ["resources", "bases", "components", "patchesStrategicMerge", "transformers"];
        let paths = ["patches", "patchesJson6902"]
            .into_iter()
            .flat_map(|field| document.list_at(&[field]).iter().filter_map(|patch| patch.str_at(&["path"])));
        let generated = document.list_at(&["configMapGenerator"]).iter().flat_map(|one| one.list_at(&["files"]));
        let generated =
            generated.filter_map(Node::as_str).map(|file| file.rsplit_once('=').map_or(file, |(_, file)| file));
        // A patch in place of a path has line breaks, which no path has.
        let named = lists.into_iter().flat_map(texts).chain(paths).chain(generated).filter(|name| !name.contains('\n'));
        for path in named.filter_map(|name| here.join(name).ok()) {
            let Ok((real, entry)) = tree.resolve(&path) else { continue };
            match entry.kind {
                EntryKind::Folder => self.open.push_back(real),
                _ if is_yaml(real.name()) => self.add(real),
                _ => {}
            }
        }
    }

    fn add(&mut self, file: RepoPath) {
        let list = if file.is_within(&self.home) { &mut self.own_files } else { &mut self.shared_files };
        list.insert(file);
    }

    /// All YAML below a folder without kustomization, as Flux gathers it; a folder with one of its own is followed.
    fn plain(&mut self, tree: &Tree<'_>) {
        let mut ignore = Ignore::new(tree, None);
        let mut open = vec![(self.home.clone(), 0)];
        let mut count = 0;
        while let Some((here, depth)) = open.pop() {
            let entries = tree.list(&here).unwrap_or_default();
            count += entries.len();
            if count > MAX_ENTRIES || depth > MAX_DEPTH {
                return;
            }
            for entry in entries.iter() {
                let path = here.child(&entry.name);
                match entry.kind {
                    EntryKind::Folder if kustomization(tree, &path).is_some() => self.open.push_back(path),
                    EntryKind::Folder => open.push((path, depth + 1)),
                    EntryKind::File | EntryKind::Executable if is_yaml(&entry.name) && !ignore.leaves_out(&path) => {
                        self.own_files.insert(path);
                    }
                    _ => {}
                }
            }
        }
    }

    /// Score files: another program makes manifests of them, so no kustomization names them.
    fn workloads(&mut self, tree: &Tree<'_>) {
        let is_score = |name: &str| {
            let stem = name.strip_suffix(".yaml").or(name.strip_suffix(".yml"));
            stem.is_some_and(|stem| stem == "score" || stem.ends_with(".score"))
        };
        let entries = tree.list(&self.home).unwrap_or_default();
        let files = entries.iter().filter(|entry| entry.kind == EntryKind::File && is_score(&entry.name));
        self.own_files.extend(files.map(|entry| self.home.child(&entry.name)));
    }
}

/// The one kustomization of a folder; two are refused when it is rendered.
fn kustomization(tree: &Tree<'_>, folder: &RepoPath) -> Option<RepoPath> {
    let mut found = FILE_NAMES.iter().map(|name| folder.child(name)).filter(|path| tree.is_file(path));
    match (found.next(), found.next()) {
        (Some(one), None) => Some(tree.resolve(&one).map_or(one, |(real, _)| real)),
        _ => None,
    }
}

fn is_yaml(name: &str) -> bool {
    name.ends_with(".yaml") || name.ends_with(".yml")
}
