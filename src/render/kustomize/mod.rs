//! Kustomize, in memory: what `kustomize build` prints, with the place of every value.
//!
//! The order of work is the original's: resources, generators and components are gathered, then patches, namespace, prefix,
//! suffix, labels, annotations, JSON patches, replicas and images are applied; hashes and references come last, once.

mod config;
mod field;
mod form;
mod gather;
mod generate;
mod json_patch;
mod merge;
mod merge_keys;
mod names;
mod openapi;
mod order;
mod origin;
mod overlay;
mod patch;
mod path;
mod pattern;
mod plugin_forms;
mod plugins;
mod replacement;
mod resource;
mod select;
mod shared;
mod spec;
mod steps;
mod structured;
mod tables;
mod transform;
mod vars;

use std::collections::HashSet;
use std::sync::Arc;

use self::config::Config;
use self::form::Text;
use self::merge_keys::Schema;
use self::openapi::Known;
use self::resource::Resource;
use self::spec::{Metadata, Spec};
use self::vars::Var;
use super::source::{Reading, Source};
use crate::manifest::node::{Node, Object, Span, Value};
use crate::model::finding::Location;
use crate::model::path::RepoPath;
use crate::model::tree::{EntryKind, TreeError};

pub(super) use self::resource::{ensure_map, key, long, weigh};
pub(super) use self::transform::split as split_image;

/// The names a kustomization may have.
pub(super) const FILE_NAMES: &[&str] = &["kustomization.yaml", "kustomization.yml", "Kustomization"];
/// Kustomizations in one environment, counted once for each use: real ones have a few dozen.
const MAX_VISITS: usize = 5_000;
/// How deep kustomizations may use each other: real ones reach five. Also bounds our own recursion.
const MAX_DEPTH: usize = 32;
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

/// Objects on their way, and what was learned with them.
pub(in crate::render) struct Gathered {
    all: Vec<Resource>,
    config: Arc<Config>,
    vars: Vec<Var>,
}

impl Gathered {
    fn of(all: Vec<Resource>) -> Self {
        Self { all, ..Self::default() }
    }
}

impl Default for Gathered {
    fn default() -> Self {
        Self { all: Vec::new(), config: Config::none(), vars: Vec::new() }
    }
}

/// The kustomization at work.
struct Place<'p> {
    folder: &'p RepoPath,
    /// The name of its file.
    file: &'p str,
    /// What is known about kinds when patches are merged.
    schema: Arc<Schema>,
}

/// Renders a folder that has a kustomization; `flux` is the `spec` of the Flux Kustomization that applies it.
pub(super) fn build(source: &mut Source<'_>, folder: &RepoPath, flux: Option<&Node>) -> Option<Vec<Object>> {
    let mut build = Build { flux, ..Build::new(source, true) };
    let (gathered, spec) = build.visit(folder, None, Gathered::default(), false)?;
    finish(source, gathered, (&spec.sort, &spec.metadata))
}

/// Renders files and folders of `folder` as the kustomization would that Flux generates for a plain folder.
pub(super) fn build_list(
    source: &mut Source<'_>,
    folder: &RepoPath,
    paths: &[(RepoPath, EntryKind)],
    flux: Option<&Node>,
) -> Option<Vec<Object>> {
    let mut build = Build::new(source, false);
    let (mut gathered, mut taken, mut sound) = (Gathered::default(), HashSet::new(), true);
    for (path, kind) in paths {
        let more = match kind {
            EntryKind::Folder => build.visit(path, None, Gathered::default(), false).map(|(more, _)| more),
            _ => build.read_file(path, None).map(Gathered::of),
        };
        let here = Span { file: Arc::new(path.clone()), line: 1, column: 0, start: 0, end: 0 };
        sound &= more.is_some_and(|more| build.take_in(&mut gathered, &mut taken, more, &here));
    }
    // Merging what is built in cannot fail: it is what all others began with.
    sound &= config::merge(&mut gathered.config, &Config::built_in()).is_ok();
    if let Some(flux) = flux.filter(|_| sound) {
        let mut spec = Spec::nothing(&Node::new(Value::Null, flux.span.clone()));
        overlay::write(build.source, folder, &mut spec, flux)?;
        build.stack.push(folder.clone());
        let place = Place { folder, file: FILE_NAMES[0], schema: Schema::built_in() };
        gathered = build.accumulate(&place, &spec, gathered)?;
    }
    sound.then(|| finish(source, gathered, (&spec::Sort::unsaid(), &Metadata::default()))).flatten()
}

/// Hashes, references, vars, order: what is done once, at the end.
fn finish(
    source: &mut Source<'_>,
    gathered: Gathered,
    (sort, metadata): (&spec::Sort, &Metadata),
) -> Option<Vec<Object>> {
    let Gathered { mut all, config, vars } = gathered;
    transform::hashes(&mut all);
    if let Err(failure) = names::follow(&mut all, &config) {
        source.wrong(&failure.0, format!("a reference cannot be followed: {}", failure.1), "");
        return None;
    }
    if let Err(failure) = vars::resolve(source, &mut all, &vars, &config) {
        source.wrong(&failure.0, failure.1, "");
        return None;
    }
    all.retain(|resource| {
        let local = resource.node.at(&["metadata", "annotations", "config.kubernetes.io/local-config"]);
        local.is_none_or(|node| resource::scalar_text(node).as_deref() == Some("false"))
    });
    all.iter_mut().for_each(origin::unmark_inner);
    if metadata.tracks() {
        for resource in &mut all {
            [(origin::ORIGIN, metadata.origins), (origin::CHANGES, metadata.changes)]
                .into_iter()
                .filter(|(_, wanted)| !wanted)
                .for_each(|(name, _)| origin::unmark(resource, name));
        }
    }
    all.iter_mut().for_each(|resource| tidy_annotations(source, resource));
    order::sort(&mut all, sort);
    if let Some(span) = &metadata.manager {
        let text = |value: &str| Text { value: value.to_owned(), span: span.clone() };
        let label = [(text(origin::MANAGED_BY), text(origin::MANAGER))];
        if let Err(failure) = transform::labels(&mut all, &label, tables::METADATA_LABELS) {
            source.wrong(&failure.0, failure.1, "");
            return None;
        }
    }
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
            (Value::Int(_) | Value::Bool(_), Some(text)) => value.value = Value::String(text.into()),
            (Value::Null, _) if value.span.end > value.span.start => value.value = Value::String("null".into()),
            _ => {}
        }
    }
}

struct Build<'b, 's> {
    source: &'b mut Source<'s>,
    /// The folders being rendered, outermost first.
    stack: Vec<RepoPath>,
    visits: usize,
    /// Whether one kustomization is built, which may ask for annotations, not the files of a plain folder.
    lone: bool,
    /// What is known about kinds.
    known: Known,
    /// The way from the folder that is built, as it is written in annotations; nothing when nobody asked for them.
    origin: Option<String>,
    /// The `spec` of the Flux Kustomization that applies the first folder, until that is read.
    flux: Option<&'b Node>,
}

impl<'b, 's> Build<'b, 's> {
    fn new(source: &'b mut Source<'s>, lone: bool) -> Self {
        Self { source, stack: Vec::new(), visits: 0, flux: None, lone, known: Known::default(), origin: None }
    }

    /// Renders one kustomization; `seed` is what a component works on. Nothing when something is wrong, which is noted.
    fn visit(
        &mut self,
        folder: &RepoPath,
        asked: Option<&Text>,
        seed: Gathered,
        component: bool,
    ) -> Option<(Gathered, Spec)> {
        self.visits += 1;
        let flux = self.flux.take();
        let (path, mut spec) = self.read(folder, asked, flux.is_some())?;
        if let Some(flux) = flux {
            overlay::write(self.source, folder, &mut spec, flux)?;
        }
        if self.lone && self.stack.is_empty() && spec.metadata.tracks() {
            self.origin = Some(String::new());
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
        if !self.read_schema(folder, &spec) {
            return None;
        }
        self.stack.push(folder.clone());
        let gathered = self.accumulate(&Place { folder, file: path.name(), schema: Schema::built_in() }, &spec, seed);
        self.stack.pop();
        Some((gathered?, spec))
    }

    fn read(&mut self, folder: &RepoPath, asked: Option<&Text>, may_be_empty: bool) -> Option<(RepoPath, Spec)> {
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
        problems.into_iter().for_each(|problem| self.source.add_problem(problem));
        sound.then_some((path, spec))
    }
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

#[cfg(test)]
mod tests;
