//! Gathering: what a kustomization lists is found, read and put together, before anything is changed.

use std::collections::HashSet;

use super::form::Text;
use super::generate::{self, Kind};
use super::origin::{self, By};
use super::resource::{Id, Resource, append, complaint, weigh};
use super::spec::Spec;
use super::{Build, Gathered, Place, config, help_for, is_remote, vars};
use crate::manifest::node::{Node, Span, Value};
use crate::model::path::RepoPath;
use crate::model::tree::{EntryKind, TreeError};
use crate::render::source::{Documents, Reading};

/// Weighing a document stops here: larger ones do not pass the reader.
const WEIGH_LIMIT: usize = 1_000_000;

/// Where an entry of `resources` or `components` leads.
enum Goal {
    File(RepoPath),
    Folder(RepoPath),
}

impl Build<'_, '_> {
    /// Gathers and transforms what a kustomization says; `seed` is what a component works on.
    pub(super) fn accumulate(&mut self, place: &Place<'_>, spec: &Spec, seed: Gathered) -> Option<Gathered> {
        let mut gathered = seed;
        let mut sound = self.list(place.folder, &spec.resources, &mut gathered);
        let configs = [
            config::read(self.source, place.folder, &spec.configurations),
            config::read_crds(self.source, place.folder, &spec.crds),
        ];
        for config in configs {
            match config.map(|config| config::merge(&mut gathered.config, &config)) {
                Some(Ok(())) => {}
                Some(Err(why)) => {
                    let span = spec.configurations.first().or(spec.crds.first()).map(|text| &text.span);
                    let message = format!("places of this kustomization and its bases do not fit: {why}");
                    span.into_iter().for_each(|span| self.source.wrong(span, message.clone(), ""));
                    sound = false;
                }
                None => sound = false,
            }
        }
        sound &= self.generate(place, spec, &mut gathered, sound);
        for entry in &spec.components {
            let goal = self.locate(place.folder, entry);
            if !sound {
                continue;
            }
            let changed = match goal {
                Some(Goal::Folder(path)) => self.enter(&path, entry, std::mem::take(&mut gathered), true),
                Some(Goal::File(_)) => {
                    self.source.wrong(&entry.span, format!("`{}` is a file; a component is a folder", entry.value), "");
                    None
                }
                None => None,
            };
            match changed {
                Some(changed) => gathered = changed,
                None => sound = false,
            }
        }
        if !(sound && self.transform(place, spec, &mut gathered)) {
            return None;
        }
        match vars::join(&mut gathered.vars, &spec.vars, &mut gathered.all) {
            Ok(()) => Some(gathered),
            Err(failure) => {
                self.source.wrong(&failure.0, failure.1, "");
                None
            }
        }
    }

    /// Reads the files and folders of a list; false when something is wrong, which is noted.
    pub(super) fn list(&mut self, folder: &RepoPath, entries: &[Text], gathered: &mut Gathered) -> bool {
        let mut sound = true;
        let mut taken: HashSet<Id> = gathered.all.iter().map(Resource::id).collect();
        for entry in entries {
            let more = match self.locate(folder, entry) {
                Some(Goal::File(path)) => self.read_file(&path, Some(entry)).map(Gathered::of),
                Some(Goal::Folder(path)) => self.enter(&path, entry, Gathered::default(), false),
                None => None,
            };
            sound &= more.is_some_and(|more| self.take_in(gathered, &mut taken, more, &entry.span));
        }
        sound
    }

    /// Adds what a base gathered.
    pub(super) fn take_in(
        &mut self,
        gathered: &mut Gathered,
        taken: &mut HashSet<Id>,
        more: Gathered,
        asked: &Span,
    ) -> bool {
        if !self.add(&mut gathered.all, taken, more.all) {
            return false;
        }
        if let Err(why) = config::merge(&mut gathered.config, &more.config) {
            self.source.wrong(asked, format!("the places this base adds do not fit those of others: {why}"), "");
            return false;
        }
        match vars::merge(&mut gathered.vars, &more.vars) {
            Ok(()) => true,
            Err(failure) => {
                self.source.wrong(&failure.0, failure.1, "Give one of them another name.");
                false
            }
        }
    }

    /// Makes what generators make; what cannot be made is said also when something else is wrong already.
    fn generate(&mut self, place: &Place<'_>, spec: &Spec, gathered: &mut Gathered, sound: bool) -> bool {
        let mut sound = sound;
        let generators = spec.config_maps.iter().map(|entry| (entry, Kind::ConfigMap));
        for (entry, kind) in generators.chain(spec.secrets.iter().map(|entry| (entry, Kind::Secret))) {
            let mut made = generate::generate(self.source, place.folder, entry, kind);
            if let (Some(made), Some(file)) = (&mut made, self.here(place)) {
                origin::mark_made(made, &By::built_in(file, kind.generator()));
            }
            let done = sound.then(|| made.map(|made| generate::absorb(&mut gathered.all, made, &entry.span))).flatten();
            match done {
                Some(Ok(())) => {}
                Some(Err(failure)) => {
                    self.source.wrong(&failure.0, failure.1, "");
                    sound = false;
                }
                None => sound = false,
            }
        }
        sound && self.run_generators(place, spec, gathered)
    }

    /// The path of this kustomization as annotations name it, when they are asked for.
    pub(super) fn here(&self, place: &Place<'_>) -> Option<String> {
        Some(origin::joined(self.origin.as_ref()?, place.file))
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
    fn enter(&mut self, path: &RepoPath, entry: &Text, seed: Gathered, component: bool) -> Option<Gathered> {
        if let Some(open) = self.stack.iter().find(|open| open.is_within(path)) {
            let message = format!("`{}` goes in a circle: `{open}` stands in it and is being rendered", entry.value);
            self.source.wrong(&entry.span, message, "A base lies beside what uses it, not above it.");
            return None;
        }
        let before = self.origin.clone();
        if let Some(origin) = &mut self.origin {
            *origin = origin::joined(origin, &entry.value);
        }
        let gathered = self.visit(path, Some(entry), seed, component).map(|(gathered, _)| gathered);
        self.origin = before;
        gathered
    }

    /// The objects of a file.
    pub(super) fn read_file(&mut self, path: &RepoPath, asked: Option<&Text>) -> Option<Vec<Resource>> {
        self.source.rest.clear();
        let Some(documents) = self.documents(path, asked.map(|asked| &asked.span), Reading::Kustomize) else {
            // A broken document does not hide what is wrong with the others.
            let rest = std::mem::take(&mut self.source.rest);
            self.objects(&rest);
            return None;
        };
        let mut all = self.objects(&documents)?;
        if let (Some(origin), Some(asked)) = (&self.origin, asked) {
            let path = origin::joined(origin, &asked.value);
            all.iter_mut().for_each(|resource| origin::mark_read(resource, &path));
        }
        Some(all)
    }

    /// The objects of some documents, lists opened.
    pub(super) fn objects(&mut self, documents: &[Node]) -> Option<Vec<Resource>> {
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
                        self.known.met(node);
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

    pub(super) fn add(&mut self, all: &mut Vec<Resource>, taken: &mut HashSet<Id>, more: Vec<Resource>) -> bool {
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

    /// The documents of a file that an entry names.
    pub(super) fn documents(&mut self, path: &RepoPath, asked: Option<&Span>, reading: Reading) -> Option<Documents> {
        match self.source.documents(path, reading) {
            Ok(documents) => documents,
            Err(error) => {
                let here = crate::model::finding::Location { path: path.clone(), line: 1, column: 0 };
                self.source.problem(asked.map_or(here, Span::location), error.to_string(), help_for(&error));
                None
            }
        }
    }
}
