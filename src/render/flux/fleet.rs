//! Who applies a folder: the Flux Kustomizations of all clusters whose folders this repository holds.
//!
//! A cluster begins where Flux was bootstrapped (`flux-system/gotk-sync.yaml`), or in a folder below one that is called `clusters` or
//! the like. Only these are rendered, and folders they apply only as long as somebody is looked for.

use std::collections::{BTreeMap, HashSet, VecDeque};

use super::applier::{Applier, Holders};
use super::origin::{Origin, is_kustomization};
use super::{level, queue};
use crate::manifest::load;
use crate::manifest::node::Object;
use crate::model::id::Oid;
use crate::model::path::RepoPath;
use crate::model::tree::{Entry, EntryKind, Tree};
use crate::render::Memory;
use crate::render::memory::Parsed;
use crate::render::source::Source;

/// Folders listed on the search for clusters: they stand near the root, and source code below it is not searched through.
const MAX_LISTED: usize = 1_500;
/// How deep a cluster's folder may stand: `platform/environments/clusters/eu/prod` is the deepest that was seen.
const MAX_DEPTH: usize = 5;
/// Clusters of one repository: large fleets have about 200.
const MAX_CLUSTERS: usize = 500;
/// Folders rendered to find who applies the others.
const MAX_RENDERED: usize = 200;
/// Kustomizations of one repository: its largest clusters have about 300.
const MAX_APPLIERS: usize = 20_000;
/// Folders that are called so hold clusters.
const HOLDERS: [&str; 6] = ["clusters", "cluster", "flux", "fleet", "flux-clusters", "gitops"];
/// Folders nobody keeps clusters in, and that may be large.
const OTHERS: [&str; 6] = ["node_modules", "vendor", "target", "src", "charts", "docs"];

/// The Kustomizations that apply folders of one version of a repository.
#[derive(Debug, Clone, Default)]
pub struct Fleet {
    appliers: Vec<Applier>,
    /// Whether Flux is used here at all.
    used: bool,
}

impl Fleet {
    /// Finds who applies the `wanted` folders.
    pub fn find(memory: &mut Memory<'_>, root: Oid, wanted: &[RepoPath]) -> Self {
        let tree = &Tree::new(root, memory.objects);
        // All these renders together may cost what one environment may: what they find is kept.
        let mut search = Search { tree, parsed: &mut memory.parsed, weight: 0, over: false };
        let read = |(folder, sync): Root| search.step(|source| Cluster::read(source, folder, &sync)).flatten();
        let mut clusters: Vec<Cluster> = roots(tree).into_iter().filter_map(read).collect();
        let mut rendered = 0;
        for cluster in &mut clusters {
            // First those where variables of what is wanted are still missing, or where somebody may still be found.
            while rendered < MAX_RENDERED && cluster.lacks(wanted) && search.goes_on(cluster) {
                rendered += 1;
            }
        }
        let all = |clusters: &[Cluster], folder: &RepoPath| {
            clusters.iter().any(|cluster| cluster.appliers.iter().any(|applier| applier.folder == *folder))
        };
        let missing: Vec<&RepoPath> = wanted.iter().filter(|folder| !all(&clusters, folder)).collect();
        let mut lacking = missing.len();
        for at in 0..clusters.len() {
            while rendered < MAX_RENDERED && lacking > 0 && search.goes_on(&mut clusters[at]) {
                rendered += 1;
                lacking = missing.iter().filter(|folder| !all(&clusters, folder)).count();
            }
        }
        let used = !clusters.is_empty();
        Self { appliers: clusters.into_iter().flat_map(|cluster| cluster.appliers).collect(), used }
    }

    /// Whether Flux is used here at all, as far as can be seen.
    pub fn is_used(&self) -> bool {
        self.used
    }

    /// Those that apply `folder`, one for each way to apply it; a single nothing when nobody is known to.
    pub fn of(&self, folder: &RepoPath) -> Vec<Option<&Applier>> {
        let mut found: Vec<Option<&Applier>> = Vec::new();
        for applier in self.appliers.iter().filter(|applier| applier.folder == *folder) {
            if !found.iter().flatten().any(|known| known.is_like(applier)) {
                found.push(Some(applier));
            }
        }
        if found.is_empty() { vec![None] } else { found }
    }

    /// Whether `folder` is applied in the same ways as in another version.
    pub fn agrees(&self, other: &Fleet, folder: &RepoPath) -> bool {
        let (ours, theirs) = (self.of(folder), other.of(folder));
        let like = |a: &Option<&Applier>, b: &Option<&Applier>| match (a, b) {
            (Some(a), Some(b)) => a.is_like(b),
            (None, None) => true,
            (Some(one), None) | (None, Some(one)) => !one.has_settings(),
        };
        ours.len() == theirs.len() && ours.iter().all(|a| theirs.iter().any(|b| like(a, b)))
    }
}

/// The search for who applies folders.
struct Search<'s> {
    tree: &'s Tree<'s>,
    parsed: &'s mut Parsed,
    /// The values copied so far.
    weight: usize,
    /// Whether those were too many; then nothing more is read.
    over: bool,
}

impl Search<'_> {
    fn step<T>(&mut self, work: impl FnOnce(&mut Source<'_>) -> T) -> Option<T> {
        if self.over {
            return None;
        }
        let mut source = Source::new(self.tree, self.parsed);
        source.weight = self.weight;
        let done = work(&mut source);
        (self.weight, self.over) = (source.weight, source.room() == 0);
        Some(done)
    }

    /// Renders one more folder of a cluster; false when there is none left, or too much was rendered.
    fn goes_on(&mut self, cluster: &mut Cluster) -> bool {
        self.step(|source| cluster.go_on(source)).unwrap_or_default()
    }
}

/// One cluster: what its root holds, and what that leads to.
#[derive(Default)]
struct Cluster {
    origin: Origin,
    /// All objects seen, for variables.
    objects: Vec<Object>,
    holders: Holders,
    appliers: Vec<Applier>,
    /// The names and folders of the appliers.
    known: HashSet<(String, RepoPath)>,
    /// The appliers whose folders were not rendered yet, by place.
    open: VecDeque<usize>,
}

impl Cluster {
    fn read(source: &mut Source<'_>, folder: RepoPath, sync: &[Object]) -> Option<Self> {
        let mut cluster = Self::default();
        cluster.origin.learn(sync);
        let own = sync.iter().find(|object| is_kustomization(object));
        let applier = own.map(|own| {
            cluster.origin.own_is(own);
            let mut applier = Applier::new(own, folder.clone());
            applier.ignore = cluster.origin.ignore(own);
            applier.learn(&[], &Holders::default());
            applier
        });
        let objects = level(source, &folder, applier.as_ref(), &mut Vec::new()).unwrap_or_default();
        cluster.known.extend(applier.iter().map(|applier| (applier.name.clone(), applier.folder.clone())));
        cluster.appliers.extend(applier);
        cluster.take(source, objects, &folder);
        (!cluster.appliers.is_empty()).then_some(cluster)
    }

    /// Takes up the objects of a folder.
    fn take(&mut self, source: &mut Source<'_>, objects: Vec<Object>, folder: &RepoPath) {
        self.origin.learn(&objects);
        let mut found = VecDeque::new();
        queue(source.tree, &self.origin, &objects, &[], &mut found);
        self.holders.learn(&objects);
        self.objects.extend(objects);
        let new = self.appliers.len();
        for next in found {
            let known = (next.applier.name.clone(), next.applier.folder.clone());
            // Bootstrap's own Kustomization stands in the folder it applies.
            if next.applier.folder != *folder && self.appliers.len() < MAX_APPLIERS && self.known.insert(known) {
                self.open.push_back(self.appliers.len());
                self.appliers.push(next.applier);
            }
        }
        for (at, applier) in self.appliers.iter_mut().enumerate() {
            // What was found stays what was found first.
            if at >= new || applier.lacks() {
                applier.learn(&self.objects, &self.holders);
                if !source.afford(applier.cost, &applier.location) {
                    applier.gives_up();
                    return;
                }
            }
        }
    }

    /// Whether an applier of what is wanted still lacks variables.
    fn lacks(&self, wanted: &[RepoPath]) -> bool {
        self.appliers.iter().any(|applier| applier.lacks() && wanted.contains(&applier.folder))
    }

    /// Renders one more folder; false when there is none left.
    fn go_on(&mut self, source: &mut Source<'_>) -> bool {
        let Some(at) = self.open.pop_front() else { return false };
        let applier = self.appliers[at].clone();
        if let Some(objects) = level(source, &applier.folder, Some(&applier), &mut Vec::new()) {
            self.take(source, objects, &applier.folder);
        }
        true
    }
}

/// A cluster's folder, and what bootstrap wrote for it.
type Root = (RepoPath, Vec<Object>);

/// The folders where clusters begin.
fn roots(tree: &Tree<'_>) -> Vec<Root> {
    let mut found: BTreeMap<RepoPath, Vec<Object>> = BTreeMap::new();
    let mut open = VecDeque::from([(RepoPath::root(), 0, false)]);
    let mut listed = 0;
    while let Some((folder, depth, held)) = open.pop_front() {
        listed += 1;
        if listed > MAX_LISTED || found.len() >= MAX_CLUSTERS {
            break;
        }
        let entries = tree.list(&folder).unwrap_or_default();
        if folder.name() == "flux-system" && entries.iter().any(|entry| entry.name == "gotk-sync.yaml") {
            if let Some((folder, sync)) = sync(tree, &folder.child("gotk-sync.yaml")) {
                found.insert(folder, sync);
            }
            continue;
        }
        let holder = HOLDERS.contains(&folder.name());
        if (held || holder) && entries.iter().any(is_yaml) {
            found.entry(folder.clone()).or_default();
        }
        for entry in entries.iter().filter(|entry| entry.kind == EntryKind::Folder && depth < MAX_DEPTH) {
            let near = held || holder || HOLDERS.contains(&entry.name.as_str()) || entry.name == "flux-system";
            if !entry.name.starts_with('.') && !OTHERS.contains(&entry.name.as_str()) && (near || depth < 3) {
                let next = (folder.child(&entry.name), depth + 1, held || holder);
                // What looks like it comes first, so that large repositories do not hide it.
                if near { open.push_front(next) } else { open.push_back(next) }
            }
        }
    }
    // What stands in a folder that is a cluster's anyway is applied with it.
    let folders: Vec<RepoPath> = found.keys().cloned().collect();
    let inside = |folder: &RepoPath| folders.iter().any(|other| other != folder && folder.is_within(other));
    found.into_iter().filter(|(folder, sync)| !sync.is_empty() || !inside(folder)).collect()
}

fn is_yaml(entry: &Entry) -> bool {
    let named = entry.name.ends_with(".yaml") || entry.name.ends_with(".yml");
    named && matches!(entry.kind, EntryKind::File | EntryKind::Executable)
}

/// What bootstrap wrote: the source, and the Kustomization that applies the cluster's folder.
fn sync(tree: &Tree<'_>, path: &RepoPath) -> Option<Root> {
    let documents = load(path, &tree.read(path).ok()?).documents;
    let objects: Vec<Object> = documents.into_iter().map(|document| Object { node: document.node }).collect();
    let own = objects.iter().find(|object| is_kustomization(object))?;
    let text = own.node.str_at(&["spec", "path"]).unwrap_or_default();
    let folder = RepoPath::root().join(text.trim_start_matches('/')).ok()?;
    tree.is_folder(&folder).then_some((folder, objects))
}
