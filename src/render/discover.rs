//! Which folders look like environments, where no configuration says so.
//!
//! A kustomization that no other one includes is what somebody applies; what others include is a base. Where there is none,
//! the topmost folders that hold Kubernetes manifests are.

use std::collections::{BTreeMap, BTreeSet};

use super::kustomize;
use super::memory::Parsed;
use super::source::{Reading, Source};
use crate::manifest::load;
use crate::manifest::node::Node;
use crate::model::path::RepoPath;
use crate::model::tree::{Entry, EntryKind, Tree};

/// Folders looked at: ten times those of the largest public GitOps repository. A build folder may hold more, and then the person must say what is meant.
const MAX_FOLDERS: usize = 50_000;
/// Folders inside each other: what a tree walk allows.
const MAX_DEPTH: usize = 64;
/// YAML files of one folder that are opened to see whether one is a manifest; folders of other YAML are not read whole.
const MAX_OPENED: usize = 200;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Discovered {
    /// The folders, sorted.
    pub folders: Vec<RepoPath>,
    /// Whether there were too many folders to look at all of them.
    pub cut: bool,
}

/// Every folder of the repository with a kustomization that no other kustomization includes. Components are no environments.
pub fn overlays(tree: &Tree<'_>) -> Discovered {
    let mut parsed = Parsed::default();
    let mut source = Source::new(tree, &mut parsed);
    let mut included: BTreeMap<RepoPath, BTreeSet<RepoPath>> = BTreeMap::new();
    let mut candidates = Vec::new();
    let cut = walk(tree, &RepoPath::root(), &mut |folder, _| {
        // A folder with two is refused when it is rendered; here it only counts as one.
        if let kustomize::Found::One(path) | kustomize::Found::Many(path, _) = kustomize::find(&mut source, folder) {
            let documents = source.documents(&path, Reading::Plain).ok().flatten();
            let node = documents.as_ref().and_then(|documents| documents.first());
            if !node.is_some_and(is_foreign) {
                included.insert(folder.clone(), node.map(|node| includes(tree, folder, node)).unwrap_or_default());
                candidates.extend((!node.is_some_and(is_component)).then(|| folder.clone()));
            }
        }
        true
    });
    let by_others: BTreeSet<&RepoPath> =
        included.iter().flat_map(|(by, all)| all.iter().filter(move |folder| *folder != by)).collect();
    candidates.sort();
    let (roots, rest): (Vec<_>, Vec<_>) = candidates.into_iter().partition(|folder| !by_others.contains(folder));
    let mut folders = Vec::new();
    let mut covered = BTreeSet::new();
    // What only a circle includes has no root, and must not go unseen for that: its first folder stands for it.
    for folder in roots.into_iter().chain(rest) {
        if !covered.contains(&folder) {
            cover(&folder, &included, &mut covered);
            folders.push(folder);
        }
    }
    folders.iter_mut().for_each(|folder| climb(tree, folder));
    folders.sort();
    folders.dedup();
    Discovered { folders, cut }
}

/// Flux's bootstrap writes a kustomization of its own into `flux-system`, inside the plain folder it applies.
fn climb(tree: &Tree<'_>, folder: &mut RepoPath) {
    let above = folder.parent();
    let has_own = kustomize::FILE_NAMES.iter().any(|name| tree.is_file(&above.child(name)));
    let entries = tree.list(&above).unwrap_or_default();
    if folder.name() == "flux-system" && !has_own && manifests(tree, &above, &entries) {
        *folder = above;
    }
}

/// Adds a folder and all it includes; each once, so that circles end.
fn cover(from: &RepoPath, included: &BTreeMap<RepoPath, BTreeSet<RepoPath>>, covered: &mut BTreeSet<RepoPath>) {
    let mut open = vec![from];
    while let Some(folder) = open.pop() {
        if covered.insert(folder.clone()) {
            open.extend(included.get(folder).into_iter().flatten());
        }
    }
}

/// The topmost folders at or below `folder` that directly hold a Kubernetes manifest; Helm charts are left out.
pub fn plain(tree: &Tree<'_>, folder: &RepoPath) -> Discovered {
    let mut folders = Vec::new();
    let cut = walk(tree, folder, &mut |here, entries| {
        if here.name() == ".github" || entries.iter().any(|entry| entry.name == "Chart.yaml") {
            return false;
        }
        let found = manifests(tree, here, entries);
        folders.extend(found.then(|| here.clone()));
        !found
    });
    folders.sort();
    Discovered { folders, cut }
}

/// Shows `see` every folder at or below `from`, links not followed, and descends where it says so. True when it had to stop.
fn walk(tree: &Tree<'_>, from: &RepoPath, see: &mut dyn FnMut(&RepoPath, &[Entry]) -> bool) -> bool {
    let mut open = vec![(from.clone(), 0)];
    let mut count = 0;
    while let Some((here, depth)) = open.pop() {
        count += 1;
        if count > MAX_FOLDERS || depth > MAX_DEPTH {
            return true;
        }
        let Ok(entries) = tree.list(&here) else { continue };
        if see(&here, &entries) {
            let below = entries.iter().filter(|entry| entry.kind == EntryKind::Folder);
            open.extend(below.map(|entry| (here.child(&entry.name), depth + 1)));
        }
    }
    false
}

/// Whether it is of a kind Kustomize does not build, such as Flux's own `Kustomization` under this file name.
fn is_foreign(node: &Node) -> bool {
    node.str_at(&["apiVersion"]).is_some_and(|version| !version.starts_with("kustomize.config.k8s.io/"))
}

fn is_component(node: &Node) -> bool {
    node.str_at(&["kind"]) == Some("Component")
}

/// The folders a kustomization includes.
fn includes(tree: &Tree<'_>, folder: &RepoPath, node: &Node) -> BTreeSet<RepoPath> {
    let lists = ["resources", "bases", "components"].into_iter().flat_map(|key| node.list_at(&[key]));
    let paths = lists.filter_map(|entry| folder.join(entry.as_str()?).ok());
    paths.filter_map(|path| tree.resolve(&path).ok()).map(|(real, _)| real).collect()
}

/// Whether a folder directly holds a manifest.
fn manifests(tree: &Tree<'_>, folder: &RepoPath, entries: &[Entry]) -> bool {
    let yaml = entries.iter().filter(|e| e.name.ends_with(".yaml") || e.name.ends_with(".yml"));
    yaml.take(MAX_OPENED).any(|entry| holds_manifest(tree, &folder.child(&entry.name)))
}

fn holds_manifest(tree: &Tree<'_>, path: &RepoPath) -> bool {
    let Ok(bytes) = tree.read(path) else { return false };
    // Most other YAML has no such word; reading it all would cost.
    let may = bytes.windows(10).any(|window| window == b"apiVersion");
    let is_manifest = |node: &Node| node.str_at(&["apiVersion"]).is_some() && node.str_at(&["kind"]).is_some();
    may && load(path, &bytes).documents.iter().any(|document| is_manifest(&document.node))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tree::MemoryObjects;

    fn found(files: &[(&str, &str)], how: impl Fn(&Tree<'_>) -> Discovered) -> Vec<String> {
        let mut objects = MemoryObjects::default();
        let root = objects.add_text(files.iter().copied()).unwrap();
        let discovered = how(&Tree::new(root, &objects));
        assert!(!discovered.cut);
        discovered.folders.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn bases_and_components_are_no_environments() {
        let files = [
            ("base/kustomization.yaml", "resources: [x.yaml]"),
            ("parts/tls/kustomization.yaml", "kind: Component"),
            ("parts/unused/kustomization.yaml", "kind: Component"),
            ("env/dev/kustomization.yaml", "resources: [../../base]"),
            ("env/prod/Kustomization", "bases: [../../base/]\ncomponents: [../../parts/tls]"),
            ("env/broken/kustomization.yml", "resources: ["),
            ("clusters/prod/apps.yaml", "apiVersion: x/v1\nkind: X"),
            ("clusters/prod/flux-system/kustomization.yaml", "resources: [x.yaml]"),
            ("flux/kustomization.yaml", "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization"),
        ];
        assert_eq!(found(&files, overlays), ["clusters/prod", "env/broken", "env/dev", "env/prod"]);
    }

    #[test]
    fn a_circle_of_kustomizations_and_one_that_includes_itself_end() {
        let files = [
            ("a/kustomization.yaml", "resources: [../b]"),
            ("b/kustomization.yaml", "resources: [../a]"),
            ("c/kustomization.yaml", "resources: [.]"),
        ];
        assert_eq!(found(&files, overlays), ["a", "c"]);
    }

    #[test]
    fn plain_folders_begin_where_manifests_do() {
        let object = "apiVersion: v1\nkind: Namespace\nmetadata: { name: x }\n";
        let files = [
            (".github/x.yaml", object),
            ("chart/Chart.yaml", "apiVersion: v2\nname: x"),
            ("chart/crds/x.yaml", object),
            ("ci.yml", "jobs: {}"),
            ("deploy/app/x.yaml", object),
            ("deploy/app/more/y.yaml", object),
            ("deploy/web/x.yml", object),
        ];
        assert_eq!(found(&files, |tree| plain(tree, &RepoPath::root())), ["deploy/app", "deploy/web"]);
    }
}
