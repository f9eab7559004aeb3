//! Writing a version: byte-exact edits of the files that hold it, each read back.

use std::collections::{BTreeMap, BTreeSet};

use super::find::{self, Form, Place, Search};
use super::look::{Look, is_marked};
use super::survey::Shelf;
use super::{Holder, NewVersion, VersionField, configured, explain};
use crate::manifest::edit::{EditError, append_item, insert_after, remove_key, set_scalars};
use crate::manifest::load;
use crate::manifest::node::{Node, Span};
use crate::model::finding::{Location, Problem};
use crate::model::path::RepoPath;
use crate::model::pipeline::App;
use crate::model::tree::Tree;
use crate::render::kustomize::split_image;

/// Steps taken in one file: all scalars are one, and each of at most 50 images of an application may add or remove two keys in a
/// dozen places.
const MAX_STEPS: usize = 1_000;

/// The text of a scalar as its author wrote it: `1.10` is not the number 1.1.
pub(super) fn node_text(node: &Node, bytes: &[u8]) -> String {
    match node.as_str() {
        Some(text) => text.to_owned(),
        None if node.is_null() => String::new(),
        None => {
            let raw = bytes.get(node.span.start as usize..node.span.end as usize).unwrap_or_default();
            String::from_utf8_lossy(raw).into_owned()
        }
    }
}

/// The texts under a mapping's two keys; empty where there is none.
pub(super) fn keys_text(map: &Node, (tag, digest): (&str, &str), bytes: &[u8]) -> (String, String) {
    let text = |key: &str| map.get(key).map_or(String::new(), |node| node_text(node, bytes));
    (text(tag), text(digest))
}

/// The edited files.
pub(super) fn edits(
    shelf: &mut Shelf,
    (tree, look): (&Tree<'_>, &Look),
    app: &App,
    new: &[NewVersion],
) -> Result<Vec<(RepoPath, Vec<u8>)>, Vec<Problem>> {
    let mut problems = Vec::new();
    let ours = || look.fields.iter().filter(|field| field.left.is_none());
    if ours().next().is_none() {
        return Err(look.fields.iter().map(explain::left).collect());
    }
    let mut files: BTreeMap<&RepoPath, Vec<&VersionField>> = BTreeMap::new();
    for field in ours() {
        if !new.iter().any(|version| version.image == field.image) {
            problems.push(no_value(field));
        }
        files.entry(&field.file).or_default().push(field);
    }
    let mut edited = Vec::new();
    for (file, fields) in files {
        let Some((_, before)) = shelf.read(tree, file) else { continue };
        let job = Job { app, look, new, fields: &fields, file };
        match job.write(&before) {
            Ok(after) if after != *before => edited.push((file.clone(), after)),
            Ok(_) => {}
            Err(problem) => problems.push(*problem),
        }
    }
    problems.sort();
    problems.dedup();
    if problems.is_empty() { Ok(edited) } else { Err(problems) }
}

fn no_value(field: &VersionField) -> Problem {
    let (message, help) = match field.holder {
        Holder::GitTag => (
            format!("what comes from trunk has no tag, and this is the {}", field.image),
            "Write `ref.branch`, which Flux follows by itself, or `ref.commit`.",
        ),
        _ => (format!("nothing says which version {} gets", field.image), "Comment `/trunkline retry`."),
    };
    Problem { location: Some(field.location.location()), message, help: Some(help.to_owned()) }
}

/// One file to write.
struct Job<'j> {
    app: &'j App,
    look: &'j Look,
    new: &'j [NewVersion],
    fields: &'j [&'j VersionField],
    file: &'j RepoPath,
}

impl Job<'_> {
    fn write(&self, before: &[u8]) -> Result<Vec<u8>, Box<Problem>> {
        let mut bytes = self.added(before)?;
        let wanted: BTreeSet<(&str, Holder)> =
            self.fields.iter().map(|field| (field.image.as_str(), field.holder)).collect();
        for _ in 0..MAX_STEPS {
            let documents: Vec<Node> =
                load(self.file, &bytes).documents.into_iter().map(|document| document.node).collect();
            let mut places = self.places(&documents);
            places.retain(|place| wanted.contains(&(place.carrier.as_str(), place.holder)));
            let steps = places.iter().filter_map(|place| Some((place, self.version(&place.carrier)?)));
            let steps: Vec<(&Place<'_>, &NewVersion)> = steps.collect();
            let sets: Vec<(Span, String)> = steps.iter().flat_map(|(place, new)| sets(place, new, &bytes)).collect();
            if !sets.is_empty() {
                let line = sets[0].0.clone();
                bytes = set_scalars(&bytes, &sets).map_err(|error| self.failed(&line, &error))?;
                continue;
            }
            match steps.iter().find_map(|(place, new)| Some((place, reshape(place, new, &bytes)?))) {
                Some((place, edited)) => {
                    bytes = edited.map_err(|error| self.failed(span_of(&place.form), &error))?;
                }
                None => return Ok(bytes),
            }
        }
        let error = EditError::Layout { line: 1, why: "it has too many places" };
        Err(self.failed(&self.fields[0].location, &error))
    }

    fn version(&self, carrier: &str) -> Option<&NewVersion> {
        self.new.iter().find(|version| version.image == carrier)
    }

    /// The file with an `images` entry for each image that only a base sets.
    fn added(&self, before: &[u8]) -> Result<Vec<u8>, Box<Problem>> {
        let mut bytes = before.to_vec();
        let mut done = BTreeSet::new();
        for field in self.fields.iter().filter(|field| field.holder == Holder::Base) {
            let Some(version) = self.version(&field.image).filter(|version| done.insert(&version.image)) else {
                continue;
            };
            let mut item = vec![("name", version.image.as_str()), ("newTag", version.tag.as_str())];
            item.extend(version.digest.as_deref().map(|digest| ("digest", digest)));
            bytes = append_item(&bytes, "images", &item).map_err(|error| self.failed(&field.location, &error))?;
        }
        Ok(bytes)
    }

    /// The places of the file as it stands now.
    fn places<'n>(&self, documents: &'n [Node]) -> Vec<Place<'n>> {
        let survey = &self.look.survey;
        let mut found = Vec::new();
        for write in &self.app.writes {
            if survey.home.join(write.file.as_str()).as_ref() == Ok(self.file) {
                found.extend(configured::places(documents, write));
            }
        }
        if survey.own.contains(self.file) {
            found.extend(documents.iter().flat_map(|root| find::entries(root, self.app)));
        } else if survey.own_files.contains(self.file) {
            found.extend(Search { app: self.app, releases: &self.look.releases }.objects(documents));
        }
        found
    }

    fn failed(&self, span: &Span, error: &EditError) -> Box<Problem> {
        let location = Location { path: self.file.clone(), line: span.line, column: span.column };
        let carriers: BTreeSet<&str> = self.fields.iter().map(|field| field.image.as_str()).collect();
        let carriers: Vec<&str> = carriers.into_iter().collect();
        Box::new(Problem {
            location: Some(location),
            message: format!("the version of {} cannot be written: {error}", carriers.join(", ")),
            help: match error {
                // It says itself what to do.
                EditError::Shared { .. } => None,
                _ => Some("Write the name and the version on lines of their own.".to_owned()),
            },
        })
    }
}

fn span_of<'n>(form: &Form<'n>) -> &'n Span {
    match form {
        Form::Keys { map, .. } => &map.span,
        Form::Reference(node) | Form::Text(node) | Form::Range(node) => &node.span,
    }
}

/// The scalars of a place that hold something else than they shall.
fn sets(place: &Place<'_>, new: &NewVersion, bytes: &[u8]) -> Vec<(Span, String)> {
    let digest = new.digest.as_deref();
    let pinned = |text: &str| match digest {
        Some(digest) => format!("{text}@{digest}"),
        None => text.to_owned(),
    };
    let set = |node: &Node, text: String| {
        let same = node.as_str() == Some(text.as_str());
        let free = !same && !is_marked(bytes, node.span.line);
        free.then(|| (node.span.clone(), text))
    };
    match place.form {
        Form::Range(_) => Vec::new(),
        Form::Reference(node) => {
            let name = split_image(node.as_str().unwrap_or_default()).0;
            set(node, pinned(&format!("{name}:{}", new.tag))).into_iter().collect()
        }
        // A tag that was pinned stays pinned, when there is something to pin it to.
        Form::Text(node) => {
            let inline = node_text(node, bytes).contains("@sha256:");
            set(node, if inline { pinned(&new.tag) } else { new.tag.clone() }).into_iter().collect()
        }
        Form::Keys { map, tag, digest: key, .. } => {
            let inline = map.get(key).is_none() && keys_text(map, (tag, key), bytes).0.contains("@sha256:");
            let written = if inline && place.holder == Holder::Values { pinned(&new.tag) } else { new.tag.clone() };
            let mut sets: Vec<_> = map.get(tag).and_then(|node| set(node, written)).into_iter().collect();
            if let Some(node) = map.get(key) {
                let old = node_text(node, bytes);
                match digest {
                    Some(digest) => sets.extend(set(node, digest.to_owned())),
                    // Taking it out of values would bring back the one of a base or of the chart.
                    None if place.holder == Holder::Values && !old.is_empty() => sets.extend(set(node, String::new())),
                    None => {}
                }
            }
            sets
        }
    }
}

/// The next key to add to a place or to take out of it.
fn reshape(place: &Place<'_>, new: &NewVersion, bytes: &[u8]) -> Option<Result<Vec<u8>, EditError>> {
    let Form::Keys { map, tag, digest, behind } = place.form else { return None };
    let key = |name: &str| map.as_map().and_then(|entries| entries.key(name)).map(|key| key.span.clone());
    let mut lines = [tag, digest].into_iter().filter_map(|name| map.get(name)).map(|node| node.span.line);
    if lines.any(|line| is_marked(bytes, line)) {
        return None;
    }
    // Not every chart knows a digest; what does has the key.
    let pins = place.holder != Holder::Values;
    match (key(tag), key(digest), &new.digest) {
        (None, ..) => {
            let sibling = behind.iter().find_map(|name| key(name)).unwrap_or_else(|| map.span.clone());
            Some(insert_after(bytes, &sibling, tag, &new.tag))
        }
        (Some(at), None, Some(pinned)) if pins => Some(insert_after(bytes, &at, digest, pinned)),
        // A digest that stays would pin the old image under the new tag.
        (Some(_), Some(at), None) if pins => Some(remove_key(bytes, &at)),
        _ => None,
    }
}

impl Shelf {
    /// Why a version could not be written where it was found: each field is given another value, and nothing is kept of it.
    pub fn rehearse(&mut self, tree: &Tree<'_>, look: &Look, app: &App) -> Vec<Problem> {
        let ours = look.fields.iter().filter(|field| field.left.is_none());
        let carriers: BTreeSet<&str> = ours.map(|field| field.image.as_str()).collect();
        let new =
            |carrier: &str| NewVersion { image: carrier.to_owned(), tag: "v0.0.0-rehearsal".to_owned(), digest: None };
        let new: Vec<NewVersion> = carriers.into_iter().map(new).collect();
        if new.is_empty() { Vec::new() } else { edits(self, (tree, look), app, &new).err().unwrap_or_default() }
    }
}
