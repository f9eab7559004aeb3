//! CustomResourceDefinitions that stand elsewhere in the repository than in the environment: most keep them in a folder of their own.
//!
//! Files whose path speaks of definitions are looked at for every custom resource, since the repository's own word goes before what comes
//! along. All other YAML is looked at only for kinds of which nothing else is known.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, OnceLock};

use super::catalog::{CUSTOM, Catalog, KUBERNETES};
use super::crd;
use crate::manifest::{Object, load, objects};
use crate::model::id::Oid;
use crate::model::path::RepoPath;
use crate::model::tree::{Entry, EntryKind, Tree};

/// Folders listed of one tree: the largest public fleets have about 3,000; beyond them mostly sources of programs follow.
const MAX_FOLDERS: usize = 5_000;
/// How deep a folder may stand: that of a vendored chart's `crds` is at six.
const MAX_DEPTH: usize = 12;
/// Files of one tree that are searched for definitions: that many take about a tenth of a second.
const MAX_FILES: usize = 2_000;
/// Bytes of one tree that are searched; all definitions of a large platform are about 10 MB.
const MAX_BYTES: usize = 32 << 20;
/// What every file with a definition holds.
const KIND: &str = "CustomResourceDefinition";

/// One CustomResourceDefinition and, once it is asked for, what it says of its kind.
#[derive(Debug, Clone)]
pub struct Definition(Arc<(Object, OnceLock<Catalog>)>);

impl Definition {
    pub(super) fn of(object: Object) -> Option<Self> {
        (crd::defined(&object).is_some() && crd::has_schema(&object)).then(|| Self(Arc::new((object, OnceLock::new()))))
    }

    /// The group and kind it defines.
    pub(super) fn name(&self) -> (&str, &str) {
        crd::defined(&self.0.0).unwrap_or_default()
    }

    /// The schemas of its versions.
    pub(super) fn catalog(&self) -> &Catalog {
        self.0.1.get_or_init(|| {
            let mut catalog = Catalog::default();
            crd::add(&mut catalog, &self.0.0);
            catalog
        })
    }
}

/// The CustomResourceDefinitions of a repository's trees, each found and read when it is first asked for.
///
/// Everything is known by the id of the tree or blob it was read from, so that base and head share what they have in common and nothing
/// else. One evaluation makes it, for one store of objects, and drops it at its end.
#[derive(Debug, Default)]
pub struct Elsewhere {
    trees: HashMap<Oid, Listing>,
    glanced: HashMap<Oid, Arc<Glance>>,
    known: HashMap<Oid, Arc<[Definition]>>,
}

/// What a glance at a blob says.
#[derive(Debug, Default)]
struct Glance {
    bytes: usize,
    /// The groups it may define kinds of; none where it speaks of no definition.
    groups: BTreeSet<String>,
}

impl Glance {
    /// A group is whatever is written after the word.
    fn of(tree: &Tree<'_>, id: Oid) -> Self {
        let blob = tree.objects.blob(id).unwrap_or_default();
        let text = std::str::from_utf8(&blob).ok().filter(|text| text.contains(KIND)).unwrap_or_default();
        let written = text.split("group").skip(1).map(|rest| rest.trim_start_matches(['"', '\'', ':', ' ']));
        let end = |c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-');
        let words = written.filter_map(|rest| rest.split(end).next());
        // It is a domain; other words are not.
        let groups = words.filter(|word| word.contains('.')).map(str::to_owned).collect();
        Self { bytes: blob.len(), groups }
    }
}

/// The YAML files of one tree.
#[derive(Debug, Default)]
struct Listing {
    /// Those whose path speaks of definitions and that hold some.
    named: Arc<[File]>,
    /// All others, until somebody asks which of them hold definitions.
    unread: Vec<(RepoPath, Oid)>,
    /// The others that hold definitions.
    others: Arc<[File]>,
}

/// A file that may hold definitions.
#[derive(Debug, Clone)]
struct File {
    path: RepoPath,
    id: Oid,
    glance: Arc<Glance>,
}

/// A group and kind, and whether nothing is known of it without the repository.
type Wanted<'a> = (&'a str, &'a str, bool);

impl Elsewhere {
    /// What a tree defines of the kinds that an environment's objects are of and that it does not define itself.
    ///
    /// Where several files define one, those whose path speaks of definitions go first, then those nearest to the environment's folder by
    /// the folders they share, then the first by path.
    pub fn of(&mut self, tree: &Tree<'_>, folder: &RepoPath, all: &[Object]) -> Vec<Definition> {
        let own: BTreeSet<_> = all.iter().filter_map(crd::defined).collect();
        // Asked once a kind: there are thousands of objects, and few kinds.
        let kinds: BTreeSet<_> = all.iter().map(|object| (object.api_version(), object.kind())).collect();
        let custom = kinds.into_iter().filter_map(wanted).filter(|(group, kind, _)| !own.contains(&(*group, *kind)));
        let mut wanted: BTreeSet<Wanted<'_>> = custom.collect();
        let mut found = Vec::new();
        if wanted.is_empty() {
            return found;
        }
        let named = self.named(tree);
        self.take(tree, near(&named, folder), &mut wanted, &mut found);
        wanted.retain(|(_, _, is_needed)| *is_needed);
        if !wanted.is_empty() {
            let others = self.others(tree);
            self.take(tree, near(&others, folder), &mut wanted, &mut found);
        }
        found
    }

    /// Whether a change of `paths` is one of definitions, in any of the trees.
    pub fn is_among(&mut self, trees: &[Tree<'_>], paths: &[RepoPath]) -> bool {
        trees.iter().any(|tree| {
            paths.iter().take(MAX_FILES).any(|path| {
                let entry = tree.entry(path).ok().flatten().filter(is_yaml);
                entry.is_some_and(|entry| !self.glance(tree, entry.id).groups.is_empty())
            })
        })
    }

    /// Takes what is wanted from the first file that has it.
    fn take(
        &mut self,
        tree: &Tree<'_>,
        files: Vec<&File>,
        wanted: &mut BTreeSet<Wanted<'_>>,
        found: &mut Vec<Definition>,
    ) {
        for file in files {
            if !wanted.iter().any(|(group, _, _)| file.glance.groups.contains(*group)) {
                continue;
            }
            let known = self.known.entry(file.id).or_insert_with(|| definitions(tree, file));
            wanted.retain(|(group, kind, _)| {
                let defined = known.iter().find(|one| one.name() == (*group, *kind));
                found.extend(defined.cloned());
                defined.is_none()
            });
        }
    }

    /// The files of a tree whose path speaks of definitions and that hold some.
    fn named(&mut self, tree: &Tree<'_>) -> Arc<[File]> {
        if let Some(listing) = self.trees.get(&tree.root) {
            return listing.named.clone();
        }
        let (named, unread) = yaml_files(tree).into_iter().partition(|(path, _)| is_named(path));
        let named = self.holders(tree, named);
        self.trees.insert(tree.root, Listing { named: named.clone(), unread, others: Arc::default() });
        named
    }

    /// The files of a tree that hold definitions though their path does not say so.
    fn others(&mut self, tree: &Tree<'_>) -> Arc<[File]> {
        let unread = std::mem::take(&mut self.trees.entry(tree.root).or_default().unread);
        let others = (!unread.is_empty()).then(|| self.holders(tree, unread));
        let listing = self.trees.entry(tree.root).or_default();
        listing.others = others.unwrap_or_else(|| listing.others.clone());
        listing.others.clone()
    }

    /// Those of `files` that hold definitions, as far as the limits reach.
    fn holders(&mut self, tree: &Tree<'_>, files: Vec<(RepoPath, Oid)>) -> Arc<[File]> {
        let (mut bytes, mut held) = (0, Vec::new());
        for (path, id) in files.into_iter().take(MAX_FILES) {
            let glance = self.glance(tree, id);
            bytes += glance.bytes;
            if bytes > MAX_BYTES {
                break;
            }
            if !glance.groups.is_empty() {
                held.push(File { path, id, glance });
            }
        }
        held.into()
    }

    fn glance(&mut self, tree: &Tree<'_>, id: Oid) -> Arc<Glance> {
        self.glanced.entry(id).or_insert_with(|| Arc::new(Glance::of(tree, id))).clone()
    }
}

/// The group and kind of a custom resource, and whether nothing that comes along knows it.
fn wanted<'a>((api, kind): (&'a str, &'a str)) -> Option<Wanted<'a>> {
    let (group, _) = api.split_once('/')?;
    let is_custom = !api.contains("${") && !kind.contains("${") && !KUBERNETES.has_group(group);
    is_custom.then(|| (group, kind, CUSTOM.find(api, kind, 0).flatten().is_none()))
}

/// Whether a path speaks of definitions, as `infrastructure/crds/tea.yaml` and `clusters/x/tea-crd.yaml` do.
fn is_named(path: &RepoPath) -> bool {
    let path = path.as_str().to_ascii_lowercase();
    path.contains("crd") || path.contains("customresourcedefinition")
}

/// The files of a tree that may be manifests. Those near the root come first, so that the limits cut what lies deep.
fn yaml_files(tree: &Tree<'_>) -> Vec<(RepoPath, Oid)> {
    let mut found = Vec::new();
    let mut open = VecDeque::from([(RepoPath::root(), tree.root, 0)]);
    let mut listed = 0;
    while let Some((folder, id, depth)) = open.pop_front() {
        listed += 1;
        if listed > MAX_FOLDERS {
            break;
        }
        for entry in tree.objects.tree(id).unwrap_or_default().iter() {
            if entry.kind == EntryKind::Folder && depth < MAX_DEPTH && entry.name != "node_modules" {
                open.push_back((folder.child(&entry.name), entry.id, depth + 1));
            } else if is_yaml(entry) {
                found.push((folder.child(&entry.name), entry.id));
            }
        }
    }
    found
}

fn is_yaml(entry: &Entry) -> bool {
    let named = entry.name.ends_with(".yaml") || entry.name.ends_with(".yml");
    named && matches!(entry.kind, EntryKind::File | EntryKind::Executable)
}

/// The definitions of a file. One that cannot be read, such as a template, has none.
fn definitions(tree: &Tree<'_>, file: &File) -> Arc<[Definition]> {
    let bytes = tree.objects.blob(file.id).unwrap_or_default();
    objects(&load(&file.path, &bytes)).0.into_iter().filter_map(Definition::of).collect()
}

/// The files, nearest to a folder first.
fn near<'f>(files: &'f [File], folder: &RepoPath) -> Vec<&'f File> {
    let shared = |path: &RepoPath| path.parts().zip(folder.parts()).take_while(|(a, b)| a == b).count();
    let mut files: Vec<&File> = files.iter().collect();
    files.sort_by_key(|file| (std::cmp::Reverse(shared(&file.path)), &file.path));
    files
}

#[cfg(test)]
#[path = "elsewhere_tests.rs"]
mod tests;
