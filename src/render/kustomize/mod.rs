//! Kustomize, in memory: what `kustomize build` prints, with the place of every value.
//!
//! The order of work is the original's: resources, generators and components are gathered, then patches, namespace, prefix,
//! suffix, labels, annotations, JSON patches, replicas and images are applied; hashes and references come last, once.

mod field;
mod form;
mod generate;
mod json_patch;
mod merge;
mod merge_keys;
mod names;
mod order;
mod overlay;
mod patch;
mod resource;
mod select;
mod spec;
mod tables;
mod transform;

use std::collections::HashSet;
use std::sync::Arc;

use self::form::Text;
use self::generate::Kind;
use self::patch::Place;
use self::resource::{Id, Resource, append, complaint, weigh};
use self::spec::Spec;
use self::transform::End;
use super::source::{Reading, Source};
use crate::manifest::node::{Node, Object, Span, Value};
use crate::model::finding::Location;
use crate::model::path::RepoPath;
use crate::model::tree::{EntryKind, TreeError};

pub(super) use self::resource::{ensure_map, key};
pub(super) use self::transform::split as split_image;

/// The names a kustomization may have.
pub(super) const FILE_NAMES: &[&str] = &["kustomization.yaml", "kustomization.yml", "Kustomization"];
/// Kustomizations in one environment, counted once for each use: real ones have a few dozen.
const MAX_VISITS: usize = 5_000;
/// How deep kustomizations may use each other: real ones reach five. Also bounds our own recursion.
const MAX_DEPTH: usize = 32;
/// Weighing a document stops here: larger ones do not pass the reader.
const WEIGH_LIMIT: usize = 1_000_000;

/// The kustomization of a folder.
pub(super) enum Found {
    /// There is none.
    None,
    /// There is one.
    One(RepoPath),
    /// There are several, which Kustomize refuses.
    Many(RepoPath, RepoPath),
}

/// Looks for the kustomization of a folder.
pub(super) fn find(source: &mut Source<'_>, folder: &RepoPath) -> Found {
    let paths: Vec<RepoPath> = FILE_NAMES.iter().map(|name| folder.child(name)).collect();
    paths.iter().for_each(|path| source.saw(path));
    let mut found = paths.into_iter().filter(|path| source.tree.is_file(path));
    match (found.next(), found.next()) {
        (None, _) => Found::None,
        (Some(one), None) => Found::One(one),
        (Some(one), Some(other)) => Found::Many(one, other),
    }
}

/// Whether a text names something on the network.
pub(super) fn is_remote(text: &str) -> bool {
    let hosts = ["git@", "git::", "github.com/", "github.com:", "gitlab.com/", "bitbucket.org/"];
    text.contains("://") || text.contains("?ref=") || hosts.iter().any(|host| text.starts_with(host))
}

/// Renders a folder that has a kustomization; `flux` is the `spec` of the Flux Kustomization that applies it.
pub(super) fn build(source: &mut Source<'_>, folder: &RepoPath, flux: Option<&Node>) -> Option<Vec<Object>> {
    let mut build = Build { source, stack: Vec::new(), visits: 0, flux };
    let (all, spec) = build.visit(folder, None, Vec::new(), false)?;
    finish(source, all, &spec.sort)
}

/// Renders files and folders of `folder` as the kustomization would that Flux generates for a plain folder.
pub(super) fn build_list(
    source: &mut Source<'_>,
    folder: &RepoPath,
    paths: &[(RepoPath, EntryKind)],
    flux: Option<&Node>,
) -> Option<Vec<Object>> {
    let mut build = Build { source, stack: Vec::new(), visits: 0, flux: None };
    let (mut all, mut taken, mut sound) = (Vec::new(), HashSet::new(), true);
    for (path, kind) in paths {
        let more = match kind {
            EntryKind::Folder => build.visit(path, None, Vec::new(), false).map(|(more, _)| more),
            _ => build.read_file(path, None),
        };
        sound &= more.is_some_and(|more| build.add(&mut all, &mut taken, more));
    }
    if let Some(flux) = flux.filter(|_| sound) {
        let mut spec = Spec::nothing(&Node::new(Value::Null, flux.span.clone()));
        overlay::write(build.source, folder, &mut spec, flux)?;
        build.stack.push(folder.clone());
        all = build.accumulate(folder, &spec, all, b"")?;
    }
    sound.then(|| finish(source, all, &spec::Sort::unsaid())).flatten()
}

/// Hashes, references, order: what is done once, at the end.
fn finish(source: &mut Source<'_>, mut all: Vec<Resource>, sort: &spec::Sort) -> Option<Vec<Object>> {
    for resource in all.iter_mut().filter(|resource| resource.hashed) {
        let name = format!("{}-{}", resource.name(), generate::hash(&resource.node));
        let span =
            resource.node.at(&["metadata", "name"]).map_or_else(|| resource.node.span.clone(), |n| n.span.clone());
        resource.remember();
        transform::set_name(resource, &name, &span, "the hash of its content");
    }
    if let Err(failure) = names::follow(&mut all) {
        source.wrong(&failure.0, format!("a reference cannot be followed: {}", failure.1), "");
        return None;
    }
    all.retain(|resource| {
        let local = resource.node.at(&["metadata", "annotations", "config.kubernetes.io/local-config"]);
        local.is_none_or(|node| resource::scalar_text(node).as_deref() == Some("false"))
    });
    all.iter_mut().for_each(|resource| tidy_annotations(source, resource));
    order::sort(&mut all, sort);
    Some(all.into_iter().map(|resource| Object { node: resource.node }).collect())
}

/// What the original does to annotations on its way out: an empty mapping goes, and plain values become text.
fn tidy_annotations(source: &mut Source<'_>, resource: &mut Resource) {
    let Some(metadata) = resource.node.as_map_mut().and_then(|map| map.get_mut("metadata")) else { return };
    let Some(metadata) = metadata.as_map_mut() else { return };
    if metadata.get("annotations").is_some_and(|node| node.is_null() || node.as_map().is_some_and(|map| map.is_empty()))
    {
        metadata.remove("annotations");
        return;
    }
    let Some(annotations) = metadata.get_mut("annotations").and_then(Node::as_map_mut) else { return };
    for (_, value) in annotations.iter_mut() {
        match (&value.value, resource::scalar_text(value)) {
            (Value::Float(_), _) => {
                source.wrong(&value.span, "an annotation is text, not a number", "Put it in quotes.")
            }
            (Value::Int(_) | Value::Bool(_), Some(text)) => value.value = Value::String(text),
            (Value::Null, _) if value.span.end > value.span.start => value.value = Value::String("null".to_owned()),
            _ => {}
        }
    }
}

/// Where an entry of `resources` or `components` leads.
enum Goal {
    File(RepoPath),
    Folder(RepoPath),
}

struct Build<'b, 's> {
    source: &'b mut Source<'s>,
    /// The folders being rendered, outermost first.
    stack: Vec<RepoPath>,
    visits: usize,
    /// The `spec` of the Flux Kustomization that applies the first folder, until that is read.
    flux: Option<&'b Node>,
}

impl Build<'_, '_> {
    /// Renders one kustomization; `seed` is what a component works on. Nothing when something is wrong, which is noted.
    fn visit(
        &mut self,
        folder: &RepoPath,
        asked: Option<&Text>,
        seed: Vec<Resource>,
        component: bool,
    ) -> Option<(Vec<Resource>, Spec)> {
        self.visits += 1;
        let flux = self.flux.take();
        let (path, mut spec, text) = self.read(folder, asked, flux.is_some())?;
        if let Some(flux) = flux {
            overlay::write(self.source, folder, &mut spec, flux)?;
        }
        let here = Location { path: path.clone(), line: 1, column: 0 };
        if self.visits > MAX_VISITS || self.stack.len() >= MAX_DEPTH {
            let message = format!("more than {MAX_VISITS} kustomizations, or more than {MAX_DEPTH} inside each other");
            self.source.problem(here, message, "Split the environment, or flatten its bases.");
            return None;
        }
        // On its own, a component renders like any kustomization, for the original too.
        if spec.component != component && asked.is_some() {
            let (message, help) = match component {
                true => ("this is no component: its kind is not `Component`", "Name it under `resources` instead."),
                false => ("this is a component", "Name it under `components` instead of `resources`."),
            };
            let location = asked.map_or(here, |asked| asked.span.location());
            self.source.problem(location, format!("`{folder}`: {message}"), help);
            return None;
        }
        self.stack.push(folder.clone());
        let all = self.accumulate(folder, &spec, seed, &text);
        self.stack.pop();
        Some((all?, spec))
    }

    fn read(
        &mut self,
        folder: &RepoPath,
        asked: Option<&Text>,
        may_be_empty: bool,
    ) -> Option<(RepoPath, Spec, Arc<[u8]>)> {
        let path = match (find(self.source, folder), asked) {
            (Found::One(path), _) => path,
            (Found::Many(one, other), _) => {
                let message = format!("`{one}` and `{other}` stand in one folder; Kustomize accepts only one of them");
                self.source.problem(Location { path: other, line: 1, column: 0 }, message, "Delete one of them.");
                return None;
            }
            (Found::None, Some(asked)) => {
                let message = format!("`{folder}` has no kustomization.yaml");
                self.source.wrong(&asked.span, message, "Add one to that folder, or name its files one by one.");
                return None;
            }
            // Callers look before they ask without an entry.
            (Found::None, None) => return None,
        };
        let documents = self.documents(&path, asked.map(|asked| &asked.span), Reading::Plain)?;
        let text = self.source.bytes(&path).ok()?;
        let here = Location { path: path.clone(), line: 1, column: 0 };
        let content = |node: &Node| {
            node.as_map().is_some_and(|map| {
                map.iter().any(|(key, value)| !value.is_null() && !matches!(key.text.as_str(), "kind" | "apiVersion"))
            })
        };
        let [node] = &*documents else {
            let message = if documents.is_empty() {
                "this kustomization is empty"
            } else {
                "only the first document of this file counts for Kustomize"
            };
            self.source.problem(here, message, "Write one document that lists `resources`.");
            return None;
        };
        if node.as_map().is_some() && !content(node) && !may_be_empty {
            self.source.problem(here, "this kustomization is empty", "List files under `resources`.");
            return None;
        }
        let mut problems = Vec::new();
        let spec = spec::read(node, &mut problems);
        let sound = problems.is_empty();
        problems.into_iter().for_each(|problem| self.source.note(problem));
        sound.then_some((path, spec, text))
    }

    /// The documents of a file that an entry names.
    fn documents(
        &mut self,
        path: &RepoPath,
        asked: Option<&Span>,
        reading: Reading,
    ) -> Option<super::source::Documents> {
        match self.source.documents(path, reading) {
            Ok(documents) => documents,
            Err(error) => {
                let here = Location { path: path.clone(), line: 1, column: 0 };
                self.source.problem(asked.map_or(here, Span::location), error.to_string(), help_for(&error));
                None
            }
        }
    }

    fn accumulate(
        &mut self,
        folder: &RepoPath,
        spec: &Spec,
        seed: Vec<Resource>,
        text: &[u8],
    ) -> Option<Vec<Resource>> {
        let (mut all, mut sound) = (seed, true);
        let mut taken: HashSet<Id> = all.iter().map(Resource::id).collect();
        for entry in &spec.resources {
            let more = match self.locate(folder, entry) {
                Some(Goal::File(path)) => self.read_file(&path, Some(&entry.span)),
                Some(Goal::Folder(path)) => self.enter(&path, entry, Vec::new(), false),
                None => None,
            };
            sound &= more.is_some_and(|more| self.add(&mut all, &mut taken, more));
        }
        let generators = spec.config_maps.iter().map(|entry| (entry, Kind::ConfigMap));
        for (entry, kind) in generators.chain(spec.secrets.iter().map(|entry| (entry, Kind::Secret))) {
            let made = generate::generate(self.source, folder, entry, kind);
            let done = sound.then(|| made.map(|made| generate::absorb(&mut all, made, entry))).flatten();
            match done {
                Some(Ok(())) => {}
                Some(Err(failure)) => {
                    self.source.wrong(&failure.0, failure.1, "");
                    sound = false;
                }
                None => sound = false,
            }
        }
        for entry in &spec.components {
            let goal = self.locate(folder, entry);
            if !sound {
                continue;
            }
            let changed = match goal {
                Some(Goal::Folder(path)) => self.enter(&path, entry, std::mem::take(&mut all), true),
                Some(Goal::File(_)) => {
                    self.source.wrong(&entry.span, format!("`{}` is a file; a component is a folder", entry.value), "");
                    None
                }
                None => None,
            };
            match changed {
                Some(changed) => all = changed,
                None => sound = false,
            }
        }
        if !sound {
            return None;
        }
        self.transform(&Place { folder, text }, spec, all)
    }

    /// Applies what the kustomization says to what it gathered.
    fn transform(&mut self, place: &Place<'_>, spec: &Spec, mut all: Vec<Resource>) -> Option<Vec<Resource>> {
        let before = self.source.problems.len();
        let pairs = spec.labels.iter().map(|labels| labels.pairs.len()).sum::<usize>() + spec.annotations.len();
        let entries = spec.images.len() + spec.replicas.len() + spec.patches.len() + spec.json_patches.len();
        let here = Location { path: place.folder.child(FILE_NAMES[0]), line: 1, column: 0 };
        if !self.source.afford((pairs + entries).saturating_mul(all.len()), &here) {
            return None;
        }
        patch::strategic(self.source, place, spec, &mut all);
        for entry in &spec.patches {
            patch::targeted(self.source, place, entry, false, &mut all);
        }
        if self.source.problems.len() > before {
            return None;
        }
        let done = simple(spec, &mut all);
        for entry in &spec.json_patches {
            patch::targeted(self.source, place, entry, true, &mut all);
        }
        let replicas = || spec.replicas.iter().try_for_each(|entry| transform::replicas(&mut all, entry));
        let images = |all: &mut Vec<Resource>| spec.images.iter().try_for_each(|entry| transform::images(all, entry));
        if let Err(failure) = done.and_then(|()| { replicas }()).and_then(|()| images(&mut all)) {
            self.source.wrong(&failure.0, failure.1, "");
        }
        (self.source.problems.len() == before).then_some(all)
    }

    /// Finds what an entry of `resources` or `components` names.
    fn locate(&mut self, folder: &RepoPath, entry: &Text) -> Option<Goal> {
        let text = &entry.value;
        let local = (!text.contains("://") && !text.is_empty()).then(|| folder.join(text));
        let found = match &local {
            Some(Ok(path)) => {
                let found = self.source.tree.resolve(path);
                match &found {
                    // Of a folder, only what is read counts, and the way to it.
                    Ok((_, entry)) if entry.kind == EntryKind::Folder => self.source.saw_way(path),
                    _ => self.source.saw(path),
                }
                found
            }
            _ => Err(TreeError::NotFound(folder.clone())),
        };
        match (found, local) {
            (Ok((real, entry)), _) if entry.kind == EntryKind::Folder => Some(Goal::Folder(real)),
            (Ok(_), Some(Ok(path))) => Some(Goal::File(path)),
            (Err(_), _) if is_remote(text) => {
                let help = "Copy it into this repository: what is applied must not change without a commit here.";
                self.source.wrong(&entry.span, format!("`{text}` is on the network, and nothing is fetched"), help);
                None
            }
            (_, Some(Err(error))) => {
                let help = "Name a file or folder of this repository, relative to this folder.";
                self.source.wrong(&entry.span, error.to_string(), help);
                None
            }
            (Err(TreeError::NotFound(_)), _) => {
                let message = format!("`{text}` does not exist; paths are relative to `{folder}`");
                let help = self.neighbour(folder, text);
                self.source.wrong(&entry.span, message, &help);
                None
            }
            (Err(error), _) => {
                self.source.wrong(&entry.span, error.to_string(), help_for(&error));
                None
            }
            (Ok(_), None) => None,
        }
    }

    /// What stands beside the place that does not exist, when it is nearly called the same.
    fn neighbour(&self, folder: &RepoPath, text: &str) -> String {
        let near = || {
            let path = folder.join(text).ok()?;
            let entries = self.source.tree.list(&path.parent()).ok()?;
            let score = |name: &str| strsim::jaro_winkler(name, path.name());
            // Listing is bounded by the folder; people misspell by a letter or an ending.
            let best = entries.iter().map(|entry| (score(&entry.name), &entry.name)).max_by(|a, b| a.0.total_cmp(&b.0));
            best.filter(|(score, _)| *score >= 0.85).map(|(_, name)| path.parent().child(name))
        };
        near().map_or_else(
            || "Remove the entry, or add what it names.".to_owned(),
            |near| format!("Did you mean `{near}`?"),
        )
    }

    /// Renders a folder that an entry names, unless that would go in circles.
    fn enter(&mut self, path: &RepoPath, entry: &Text, seed: Vec<Resource>, component: bool) -> Option<Vec<Resource>> {
        if let Some(open) = self.stack.iter().find(|open| open.is_within(path)) {
            let message = format!("`{}` goes in a circle: `{open}` stands in it and is being rendered", entry.value);
            self.source.wrong(&entry.span, message, "A base lies beside what uses it, not above it.");
            return None;
        }
        self.visit(path, Some(entry), seed, component).map(|(all, _)| all)
    }

    /// The objects of a file.
    fn read_file(&mut self, path: &RepoPath, asked: Option<&Span>) -> Option<Vec<Resource>> {
        let documents = self.documents(path, asked, Reading::Kustomize)?;
        let mut wanted: std::collections::VecDeque<&Node> = documents.iter().collect();
        let (mut all, mut sound) = (Vec::new(), true);
        while let Some(node) = wanted.pop_front() {
            let is_list = node.str_at(&["kind"]).is_some_and(|kind| kind.ends_with("List"));
            match node.get("items").filter(|_| is_list).map(|items| &items.value) {
                // The items of a list come after the file's other documents.
                Some(Value::List(items)) => wanted.extend(items),
                Some(Value::Null) => {}
                _ => match complaint(node) {
                    Some((span, message)) => {
                        let help = "A Kubernetes object needs `apiVersion`, `kind` and `metadata.name`. Leave out what is none.";
                        self.source.wrong(&span, message, help);
                        sound = false;
                    }
                    None => {
                        sound &= self.source.afford(weigh(node, WEIGH_LIMIT), &node.span.location());
                        all.push(Resource::new(node.clone()));
                    }
                },
            }
            if !self.source.afford(1, &node.span.location()) {
                return None;
            }
        }
        sound.then_some(all)
    }

    fn add(&mut self, all: &mut Vec<Resource>, taken: &mut HashSet<Id>, more: Vec<Resource>) -> bool {
        match append(all, taken, more) {
            Ok(()) => true,
            Err(taken) => {
                let (id, span) = *taken;
                let first =
                    all.iter().find(|resource| resource.id() == id).map(|resource| resource.node.span.location());
                let first = first.map_or_else(String::new, |place| format!(", first at {place}"));
                self.source.wrong(&span, format!("{id} exists twice{first}"), "Keep one, or rename one with a prefix.");
                false
            }
        }
    }
}

/// The transformers between the two kinds of patches.
fn simple(spec: &Spec, all: &mut [Resource]) -> Result<(), transform::Failure> {
    if let Some(name) = &spec.namespace {
        transform::namespace(all, name)?;
    }
    if let Some(prefix) = &spec.prefix {
        transform::rename(all, prefix, End::Prefix);
    }
    if let Some(suffix) = &spec.suffix {
        transform::rename(all, suffix, End::Suffix);
    }
    for labels in spec.labels.iter().filter(|labels| !labels.pairs.is_empty()) {
        transform::labels(all, labels)?;
    }
    if spec.annotations.is_empty() { Ok(()) } else { transform::annotations(all, &spec.annotations) }
}

/// What to do about a path that cannot be read.
fn help_for(error: &TreeError) -> &'static str {
    match error {
        TreeError::Symlink { .. } => "Copy the content into this repository.",
        TreeError::Submodule(_) => "Copy the manifests into this repository.",
        TreeError::Lfs(_) => "Commit the manifest itself: `git lfs untrack` the pattern.",
        _ => "",
    }
}
