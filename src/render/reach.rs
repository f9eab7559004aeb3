//! Which changes reach an environment: those to a path its render read or looked for.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::Memory;
use super::flux::Applier;
use super::kustomize::FILE_NAMES;
use super::source::Reading;
use crate::manifest::node::{Node, Value};
use crate::model::id::Oid;
use crate::model::path::RepoPath;
use crate::model::tree::{Entry, EntryKind, Tree, TreeError};

/// How deep kustomizations are followed: as deep as they render.
const MAX_DEPTH: usize = 32;

/// Whether a change to `changed` can change a render that read `reads`.
///
/// A folder among the reads was taken as a whole, so anything below it counts. A changed path above a read one is a link or
/// folder that became something else.
pub fn closure_touches(reads: &BTreeSet<RepoPath>, changed: &[RepoPath]) -> bool {
    changed.iter().any(|path| {
        let mut above = path.clone();
        let within = loop {
            if reads.contains(&above) {
                break true;
            }
            if above.is_root() {
                break false;
            }
            above = above.parent();
        };
        // Everything below `path` sorts from it on; only the first can tell, apart from names such as `a-b` beside `a/b`.
        within
            || reads
                .range(path.clone()..)
                .take_while(|read| read.as_str().starts_with(path.as_str()))
                .any(|read| read.is_within(path))
    })
}

/// Tells which environments a change leaves alone without rendering them: of thousands, a change touches a few.
///
/// A render goes only where a text of a kustomization leads. So this follows every text of every kustomization, whatever field it
/// stands in, and reaches at least what a render reads. Whatever is unusual (links, plain folders, faults) counts as
/// touched: the render, which is exact, then says.
pub struct Reach<'t> {
    tree: Tree<'t>,
    changed: HashSet<&'t str>,
    /// The folders above what changed.
    above: HashSet<&'t str>,
    /// Folders already looked at; bases are shared by many.
    known: HashMap<RepoPath, bool>,
    /// Whether Kustomizations of Flux that a folder holds lead on.
    follows: bool,
    /// Whether a file speaks of such; the same files are named by many.
    speaks: HashMap<Oid, bool>,
}

/// The words in which a file speaks of Flux's Kustomizations.
const FLUX: &[u8] = b"kustomize.toolkit.fluxcd.io";

impl<'t> Reach<'t> {
    /// The reach of `changed`, seen from the tree after the change.
    pub fn new(tree: Tree<'t>, changed: &'t [RepoPath]) -> Self {
        let changed: HashSet<&str> = changed.iter().map(RepoPath::as_str).collect();
        let mut above = HashSet::from([""]);
        for path in &changed {
            above.extend(folders_above(path));
        }
        Self { tree, changed, above, known: HashMap::new(), follows: false, speaks: HashMap::new() }
    }

    /// The same where Flux is used: the folders it is led to belong to an environment too, so who leads there is for the render to tell.
    pub fn following(mut self, follows: bool) -> Self {
        self.follows = follows;
        self
    }

    /// Whether the change may reach what `folder` is rendered from when `applier` applies it.
    pub fn may_touch_as(&mut self, memory: &mut Memory<'_>, folder: &RepoPath, applier: Option<&Applier>) -> bool {
        let Some(applier) = applier else { return self.may_touch(memory, folder) };
        applier.reads().iter().any(|path| self.is_hit(path))
            || applier.components().any(|path| self.is_hit(&path) || self.may_touch(memory, &path))
            || self.may_touch(memory, folder)
    }

    /// Whether a file may hold a Kustomization of Flux, which leads on.
    fn leads_on(&mut self, id: Oid) -> bool {
        if !self.follows {
            return false;
        }
        if let Some(known) = self.speaks.get(&id) {
            return *known;
        }
        let bytes = self.tree.objects.blob(id);
        let speaks = bytes.map_or(true, |bytes| bytes.windows(FLUX.len()).any(|window| window == FLUX));
        self.speaks.insert(id, speaks);
        speaks
    }

    /// Whether the change may reach what `folder` is rendered from; `false` is certain, `true` is for the render to tell.
    pub fn may_touch(&mut self, memory: &mut Memory<'_>, folder: &RepoPath) -> bool {
        self.touches(memory, folder, 0)
    }

    fn touches(&mut self, memory: &mut Memory<'_>, folder: &RepoPath, depth: usize) -> bool {
        if let Some(known) = self.known.get(folder) {
            return *known;
        }
        // Until it is known: a circle is a fault, and faults are for the render to tell.
        self.known.insert(folder.clone(), true);
        let touched = depth >= MAX_DEPTH || self.look(memory, folder, depth).unwrap_or(true);
        self.known.insert(folder.clone(), touched);
        touched
    }

    /// Looks at one folder; nothing when it is not the usual one with one kustomization.
    fn look(&mut self, memory: &mut Memory<'_>, folder: &RepoPath, depth: usize) -> Option<bool> {
        let (real, entry) = self.tree.resolve(folder).ok()?;
        if real != *folder || entry.kind != EntryKind::Folder {
            return None;
        }
        let entries = self.tree.objects.tree(entry.id).ok()?;
        let mut kustomization = None;
        for name in FILE_NAMES {
            let path = folder.child(name);
            if self.is_hit(&path) {
                return Some(true);
            }
            match entries.iter().find(|entry| entry.name == *name) {
                Some(entry) if kustomization.is_none() && is_file(entry) => kustomization = Some((path, entry.id)),
                None => {}
                Some(_) => return None,
            }
        }
        let (path, id) = kustomization?;
        let objects = self.tree.objects;
        let file = memory.parsed.read((id, &path, Reading::Plain), || objects.blob(id)).ok()?;
        if !file.sound {
            return None;
        }
        let mut open: Vec<&Node> = file.documents.iter().collect();
        while let Some(node) = open.pop() {
            match &node.value {
                Value::List(list) => open.extend(list),
                Value::Map(map) => open.extend(map.iter().map(|(_, value)| value)),
                Value::String(text) => {
                    // Generators write `key=path`.
                    let path = text.split_once('=').map(|(_, path)| path);
                    for text in path.into_iter().chain([text.as_str()]) {
                        if self.leads_to_change(memory, (folder, &entries), text, depth)? {
                            return Some(true);
                        }
                    }
                }
                Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => {}
            }
        }
        Some(false)
    }

    /// Whether a text of a kustomization in `folder`, taken as a path, leads to something that changed.
    fn leads_to_change(
        &mut self,
        memory: &mut Memory<'_>,
        (folder, beside): (&RepoPath, &[Entry]),
        text: &str,
        depth: usize,
    ) -> Option<bool> {
        let Ok(path) = folder.join(text) else { return Some(false) };
        // Most texts are no paths, and most paths are files beside the kustomization: no tree is walked for them.
        if let Some(below) = path.as_str().strip_prefix(folder.as_str()).filter(|_| path.is_within(folder)) {
            let below = below.trim_start_matches('/');
            let first = below.split('/').next().unwrap_or_default();
            match beside.iter().find(|entry| entry.name == first) {
                None if !first.is_empty() => return Some(self.is_hit(&path)),
                Some(entry) if below == first && is_file(entry) => {
                    return (!self.leads_on(entry.id)).then(|| self.is_hit(&path));
                }
                _ => {}
            }
        }
        match self.tree.resolve(&path) {
            Ok((real, _)) if real != path => None,
            // A folder named where a file belongs is a fault, and counts as a whole.
            Ok((real, entry)) if entry.kind == EntryKind::Folder => {
                Some(self.is_hit(&path) || self.touches(memory, &real, depth + 1))
            }
            Ok((_, entry)) if self.leads_on(entry.id) => None,
            Ok(_) | Err(TreeError::NotFound(_)) => Some(self.is_hit(&path)),
            Err(_) => None,
        }
    }

    /// Whether something changed at, below or above a path.
    fn is_hit(&self, path: &RepoPath) -> bool {
        let text = path.as_str();
        self.changed.contains(text)
            || self.above.contains(text)
            || folders_above(text).any(|above| self.changed.contains(above))
    }
}

fn is_file(entry: &Entry) -> bool {
    matches!(entry.kind, EntryKind::File | EntryKind::Executable)
}

/// The folders a path stands in, nearest first, the root left out.
fn folders_above(path: &str) -> impl Iterator<Item = &str> {
    path.rmatch_indices('/').map(|(at, _)| &path[..at])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::tree::{MemoryObjects, changed_paths};
    use crate::render::flux::Fleet;
    use crate::render::render;

    const NAMES: [&str; 6] = ["kustomization.yaml", "Kustomization", "a.yaml", "b.yaml", "c=d.yaml", "e.env"];
    const FOLDERS: [&str; 6] = ["env", "env/sub", "base", "base/deep", "other", "link"];

    /// A text of a kustomization: what leads somewhere, what leads nowhere, and what leads astray.
    fn text() -> impl Strategy<Value = String> {
        let up = prop::sample::select(vec!["", "../", "../../", "./", "sub/", "deep/"]);
        let to = prop::sample::select(vec![
            "base",
            "other",
            "base/deep",
            "link",
            "env",
            "sub",
            "a.yaml",
            "b.yaml",
            "c=d.yaml",
            "x=a.yaml",
            "e.env",
            ".",
            "missing",
            "link/a.yaml",
        ]);
        (up, to).prop_map(|(up, to)| format!("{up}{to}"))
    }

    fn kustomization() -> impl Strategy<Value = String> {
        let field = prop::sample::select(vec![
            "resources: [",
            "components: [",
            "bases: [",
            "patchesStrategicMerge: [",
            "configMapGenerator: [{name: g, files: [",
            "secretGenerator: [{name: s, envs: [",
            "patches: [{path: ",
            "namespace: ",
        ]);
        let field = (field, text()).prop_map(|(field, text)| {
            let closing: String = field
                .chars()
                .rev()
                .filter_map(|c| [('[', ']'), ('{', '}')].iter().find(|p| p.0 == c).map(|p| p.1))
                .collect();
            format!("{field}\"{text}\"{closing}\n")
        });
        prop_oneof![
            8 => prop::collection::vec(field, 0..4).prop_map(|fields| fields.concat()),
            1 => Just("kind: Component\nresources: [a.yaml]\n".to_owned()),
            1 => Just("a: [".to_owned()),
        ]
    }

    type File = (RepoPath, EntryKind, Vec<u8>);

    fn file() -> impl Strategy<Value = File> {
        let place = (prop::sample::select(FOLDERS.to_vec()), prop::sample::select(NAMES.to_vec()));
        let object = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ";
        (place, kustomization(), 0..3u8).prop_map(move |((folder, name), spec, number)| {
            let text = if name.starts_with(['k', 'K']) { spec } else { format!("{object}n{number}}}\n") };
            if folder == "link" {
                return ("link".parse().unwrap(), EntryKind::Symlink, b"base/deep".to_vec());
            }
            (format!("{folder}/{name}").parse().unwrap(), EntryKind::File, text.into_bytes())
        })
    }

    fn tree(files: &[File]) -> std::collections::BTreeMap<RepoPath, File> {
        files.iter().map(|file| (file.0.clone(), file.clone())).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        /// The one that matters: an environment is never hidden from a change that its render reads.
        #[test]
        fn what_a_render_reads_is_never_passed_over(
            files in prop::collection::vec(file(), 1..14),
            gone in prop::collection::vec(0..14usize, 0..2),
            more in prop::collection::vec(file(), 0..2),
        ) {
            let mut objects = MemoryObjects::default();
            let mut before = tree(&files);
            // In every tree there is something to look at.
            before.entry("env/kustomization.yaml".parse().unwrap()).or_insert((
                "env/kustomization.yaml".parse().unwrap(), EntryKind::File, b"resources: [../base, a.yaml]\n".to_vec(),
            ));
            let mut after = before.clone();
            for index in gone {
                let key = after.keys().nth(index).cloned();
                key.and_then(|key| after.remove(&key));
            }
            after.extend(tree(&more));
            let (before, after) = (objects.add(before.into_values()), objects.add(after.into_values()));
            let changed = changed_paths(&objects, before, after).unwrap();
            let head = Tree::new(after, &objects);
            let (mut reach, mut memory) = (Reach::new(head, &changed), Memory::new(&objects));
            for folder in ["env", "base", "env/sub", "other", "link", "missing"] {
                let folder: RepoPath = folder.parse().unwrap();
                let is = render(&head, &folder);
                let may = reach.may_touch(&mut memory, &folder);
                prop_assert!(may || !closure_touches(&is.reads, &changed), "{} {:?} {:?}", folder, is.reads, changed);
                if !may {
                    let was = render(&Tree::new(before, &objects), &folder);
                    // Hints name what stands beside a missing file; a hint alone is no reason to look again.
                    let told = |rendered: &crate::render::Rendered| {
                        let problems = rendered.problems.iter();
                        problems.map(|problem| (problem.location.clone(), problem.message.clone())).collect::<Vec<_>>()
                    };
                    prop_assert_eq!(told(&was), told(&is));
                    prop_assert_eq!(was.objects, is.objects);
                }
            }
        }
    }

    /// A Flux Kustomization somewhere, for some folder.
    fn flux() -> impl Strategy<Value = File> {
        let places = vec![
            "clusters/x/a.yaml",
            "clusters/x/b.yaml",
            "clusters/y/a.yaml",
            "env/a.yaml",
            "base/b.yaml",
            "other/a.yaml",
        ];
        let paths = vec!["env", "base", "other", "env/sub", "clusters/y", "missing"];
        let more = vec![
            "",
            "  components: [../base]\n",
            "  postBuild: {substitute: {n: '1'}}\n",
            "  postBuild: {substitute: {n: '2'}}\n",
            "  namePrefix: p-\n",
            "  postBuild: {substituteFrom: [{kind: ConfigMap, name: n1}]}\n",
        ];
        let choice = (prop::sample::select(places), prop::sample::select(paths), prop::sample::select(more));
        choice.prop_map(|(place, path, more)| {
            let text = format!("apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: k}}\nspec:\n  path: {path}\n{more}");
            (place.parse().unwrap(), EntryKind::File, text.into_bytes())
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        /// The same with Flux: whoever applies a folder, and wherever what it holds leads.
        #[test]
        fn what_flux_makes_of_a_folder_is_never_passed_over(
            files in prop::collection::vec(prop_oneof![2 => file(), 1 => flux()], 1..14),
            gone in prop::collection::vec(0..14usize, 0..2),
            more in prop::collection::vec(prop_oneof![file(), flux()], 0..2),
        ) {
            let mut objects = MemoryObjects::default();
            let mut before = tree(&files);
            before.entry("env/kustomization.yaml".parse().unwrap()).or_insert((
                "env/kustomization.yaml".parse().unwrap(), EntryKind::File, b"resources: [../base, a.yaml]\n".to_vec(),
            ));
            let mut after = before.clone();
            for index in gone {
                let key = after.keys().nth(index).cloned();
                key.and_then(|key| after.remove(&key));
            }
            after.extend(tree(&more));
            let (before, after) = (objects.add(before.into_values()), objects.add(after.into_values()));
            let changed = changed_paths(&objects, before, after).unwrap();
            let mut memory = Memory::new(&objects);
            let wanted: Vec<RepoPath> = ["env", "base", "other", "clusters/x"].iter().map(|path| path.parse().unwrap()).collect();
            let (old, new) = (Fleet::find(&mut memory, before, &wanted), Fleet::find(&mut memory, after, &wanted));
            if old.is_used() != new.is_used() {
                return Ok(());
            }
            let mut reach = Reach::new(Tree::new(after, &objects), &changed).following(new.is_used());
            for folder in &wanted {
                if !new.agrees(&old, folder) {
                    continue;
                }
                for applier in new.of(folder) {
                    let may = reach.may_touch_as(&mut memory, folder, applier);
                    let is = memory.render_as(after, folder, applier, new.is_used());
                    prop_assert!(may || !closure_touches(&is.reads, &changed), "{} {:?} {:?}", folder, is.reads, changed);
                    if !may {
                        // Rendered anew: what is remembered would prove nothing.
                        let was = Memory::new(&objects).render_as(before, folder, applier, old.is_used());
                        prop_assert_eq!(&was.objects, &is.objects);
                    }
                }
            }
        }
    }

    #[test]
    fn the_usual_overlay_of_another_application_is_passed_over() {
        let overlay = "resources: [../../base, net.yaml]\nnamespace: base\nimages: [{name: ghcr.io/a/b, newTag: v1}]\npatches: [{path: p.yaml}]\n";
        let mut files = Vec::new();
        for app in ["one", "two"] {
            for (path, text) in [
                ("base/kustomization.yaml", "resources: [a.yaml]\n"),
                ("base/a.yaml", "a"),
                ("base/README.md", "a"),
                ("env/prod/kustomization.yaml", overlay),
                ("env/prod/net.yaml", "a"),
                ("env/prod/p.yaml", "a"),
            ] {
                files.push((format!("{app}/{path}"), text));
            }
        }
        let mut objects = MemoryObjects::default();
        let root = objects.add_text(files.iter().map(|(path, text)| (path.as_str(), *text))).unwrap();
        let touched = |changed: &str| {
            let changed: [RepoPath; 1] = [changed.parse().unwrap()];
            let (mut reach, mut memory) = (Reach::new(Tree::new(root, &objects), &changed), Memory::new(&objects));
            ["one", "two"].map(|app| reach.may_touch(&mut memory, &format!("{app}/env/prod").parse().unwrap()))
        };
        assert_eq!(touched("one/base/a.yaml"), [true, false]);
        assert_eq!(touched("two/env/prod/p.yaml"), [false, true]);
        assert_eq!(touched("two/env/prod/Kustomization"), [false, true]);
        assert_eq!(touched("one/base"), [true, false]);
        assert_eq!(touched("one/base/README.md"), [true, false]);
        assert_eq!(touched("one/README.md"), [false, false]);
        assert_eq!(touched("README.md"), [false, false]);
    }

    #[test]
    fn folders_reach_below_files_only_themselves() {
        let path = |text: &str| text.parse::<RepoPath>().unwrap();
        let reads: BTreeSet<RepoPath> =
            ["env/prod/kustomization.yaml", "base/a.yaml", "plain", "link/x"].map(path).into();
        for (changed, touches) in [
            ("env/prod/kustomization.yaml", true),
            ("env/prod/README.md", false),
            ("base/a.yaml", true),
            ("base/b.yaml", false),
            ("plain/deep/er.yaml", true),
            ("plainer/a.yaml", false),
            ("link", true),
            ("li", false),
        ] {
            assert_eq!(closure_touches(&reads, &[path(changed)]), touches, "{changed}");
        }
        assert!(closure_touches(&BTreeSet::from([RepoPath::root()]), &[path("anything")]));
        assert!(!closure_touches(&reads, &[]));
    }
}
