//! Where an environment sets the versions of its images, and the edit that gives it another.
//!
//! Only the environment's own kustomizations count: the folder's, and those inside the folder that it uses. A version that
//! stands in a base outside is shared with other environments, so writing it there would promote them all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::kustomize::{self, Found, split_image};
use super::memory::Parsed;
use super::render;
use super::source::{Reading, Source};
use crate::manifest::edit::{EditError, insert_after, remove_key, set_scalars};
use crate::manifest::load;
use crate::manifest::node::{Node, Span};
use crate::model::finding::{Location, Problem};
use crate::model::path::RepoPath;
use crate::model::tree::Tree;

/// Kustomizations looked at for one environment: real ones have a few dozen.
const MAX_KUSTOMIZATIONS: usize = 1_000;

/// Which field of an `images` entry holds a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum VersionKind {
    /// `newTag`.
    NewTag,
    /// `digest`, which makes Kustomize ignore the tag the manifests write.
    Digest,
    /// The entry has neither: it only renames the image.
    MissingTag,
}

/// A place that sets an image's version in an environment.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionField {
    /// The image, as it was asked for.
    pub image: String,
    /// The scalar that holds the version; the entry's name when there is none.
    pub location: Span,
    /// The kustomization it stands in.
    pub file: RepoPath,
    /// Which field it is.
    pub kind: VersionKind,
    /// The version; empty when there is none.
    pub value: String,
}

/// A version that an image shall have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVersion {
    /// The image without tag and digest.
    pub image: String,
    /// Its tag.
    pub tag: String,
    /// Its digest, such as `sha256:…`, when the environment shall be pinned to it.
    pub digest: Option<String>,
}

/// Where the environment itself sets the versions of `images`.
///
/// # Errors
/// Why it does not, for each image of which no version is set in the environment's own kustomizations.
pub fn version_fields(
    tree: &Tree<'_>,
    folder: &RepoPath,
    images: &[String],
) -> Result<Vec<VersionField>, Vec<Problem>> {
    let survey = Survey::take(tree, folder)?;
    let mut fields = Vec::new();
    let mut missing = Vec::new();
    for image in images {
        let before = fields.len();
        for (file, bytes) in &survey.own {
            let Some(root) = document(file, bytes) else { continue };
            entries(&root, image).for_each(|entry| fields.extend(fields_of(entry, image, file)));
        }
        if fields.len() == before {
            missing.push(image);
        }
    }
    if missing.is_empty() { Ok(fields) } else { Err(explain(tree, folder, &survey, &missing)) }
}

/// Why versions of `images` cannot be set for this environment alone: one problem for each image that it shares (PROM-001).
pub fn shared_versions(tree: &Tree<'_>, folder: &RepoPath, images: &[String]) -> Vec<Problem> {
    version_fields(tree, folder, images).err().unwrap_or_default()
}

/// The files to write so that the environment has these versions, byte-exact otherwise; files that stay the same are left out.
///
/// # Errors
/// Why it cannot be done, all at once; then nothing shall be written.
pub fn version_edits(
    tree: &Tree<'_>,
    folder: &RepoPath,
    new: &[NewVersion],
) -> Result<Vec<(RepoPath, Vec<u8>)>, Vec<Problem>> {
    let images: Vec<String> = new.iter().map(|version| version.image.clone()).collect();
    let fields = version_fields(tree, folder, &images)?;
    let files: BTreeSet<&RepoPath> = fields.iter().map(|field| &field.file).collect();
    let mut problems = Vec::new();
    let mut edited = BTreeMap::new();
    for file in files {
        let Ok(before) = tree.read(file) else { continue };
        let mut bytes = before.to_vec();
        for version in new {
            match set_version(file, &bytes, version) {
                Ok(after) => bytes = after,
                Err(mut why) => problems.append(&mut why),
            }
        }
        if bytes != *before {
            edited.insert(file.clone(), bytes);
        }
    }
    problems.sort();
    problems.dedup();
    if problems.is_empty() { Ok(edited.into_iter().collect()) } else { Err(problems) }
}

/// The tag of each image, or its digest where no tag stands.
pub fn tags(fields: &[VersionField]) -> BTreeMap<String, String> {
    let of = |digest: bool| fields.iter().filter(move |field| (field.kind == VersionKind::Digest) == digest);
    of(true).chain(of(false)).map(|field| (field.image.clone(), field.value.clone())).collect()
}

/// The digest of each image that is pinned to one.
pub fn digests(fields: &[VersionField]) -> BTreeMap<String, String> {
    let pinned = fields.iter().filter(|field| field.kind == VersionKind::Digest);
    pinned.map(|field| (field.image.clone(), field.value.clone())).collect()
}

/// The kustomizations an environment uses.
struct Survey {
    /// Those that are its own, with their bytes, outermost first.
    own: Vec<(RepoPath, Arc<[u8]>)>,
    /// Those outside its folder.
    shared: Vec<(RepoPath, Arc<[u8]>)>,
}

impl Survey {
    fn take(tree: &Tree<'_>, folder: &RepoPath) -> Result<Self, Vec<Problem>> {
        let mut parsed = Parsed::default();
        let mut source = Source::new(tree, &mut parsed);
        let mut survey = Self { own: Vec::new(), shared: Vec::new() };
        let home = tree.resolve(folder).map_or_else(|_| folder.clone(), |(real, _)| real);
        let mut open = std::collections::VecDeque::from([home.clone()]);
        let mut seen = BTreeSet::new();
        while let Some(here) = open.pop_front() {
            if !seen.insert(here.clone()) || seen.len() > MAX_KUSTOMIZATIONS {
                continue;
            }
            let Found::One(file) = kustomize::find(&mut source, &here) else { continue };
            let (Ok(Some(documents)), Ok(bytes)) = (source.documents(&file, Reading::Plain), tree.read(&file)) else {
                continue;
            };
            for field in ["resources", "bases", "components"] {
                let names = documents.iter().flat_map(|node| node.list_at(&[field])).filter_map(Node::as_str);
                let paths = names.filter_map(|name| here.join(name).ok());
                open.extend(
                    paths.filter(|path| tree.is_folder(path)).filter_map(|path| Some(tree.resolve(&path).ok()?.0)),
                );
            }
            let list = if here.is_within(&home) { &mut survey.own } else { &mut survey.shared };
            list.push((file, bytes));
        }
        if survey.own.is_empty() {
            let location = Location { path: folder.clone(), line: 0, column: 0 };
            let message = format!("`{folder}` has no kustomization.yaml that could hold a version");
            let help = "Add one that lists the folder's files under `resources` and the versions under `images`.";
            source.problem(location, message, help);
            return Err(source.problems);
        }
        Ok(survey)
    }
}

/// The one document of a kustomization.
fn document(file: &RepoPath, bytes: &[u8]) -> Option<Node> {
    load(file, bytes).documents.into_iter().next().map(|document| document.node)
}

/// The `images` entries for an image: those that match it, and those that turn another into it.
fn entries<'n>(root: &'n Node, image: &'n str) -> impl Iterator<Item = &'n Node> {
    let all = root.list_at(&["images"]).iter().chain(root.list_at(&["imageTags"]));
    all.filter(move |entry| [entry.str_at(&["name"]), entry.str_at(&["newName"])].contains(&Some(image)))
}

fn fields_of(entry: &Node, image: &str, file: &RepoPath) -> Vec<VersionField> {
    let field = |kind, node: &Node, value: &str| VersionField {
        image: image.to_owned(),
        location: node.span.clone(),
        file: file.clone(),
        kind,
        value: value.to_owned(),
    };
    let known = [(VersionKind::NewTag, "newTag"), (VersionKind::Digest, "digest")];
    let set = known.into_iter().filter_map(|(kind, name)| {
        let node = entry.get(name)?;
        Some(field(kind, node, node.as_str().filter(|text| !text.is_empty())?))
    });
    let mut fields: Vec<VersionField> = set.collect();
    if fields.is_empty() {
        let name = entry.get("name").unwrap_or(entry);
        fields.push(field(VersionKind::MissingTag, name, ""));
    }
    fields
}

/// Says where the versions are instead, and what would make them the environment's own.
fn explain(tree: &Tree<'_>, folder: &RepoPath, survey: &Survey, images: &[&String]) -> Vec<Problem> {
    let rendered = render(tree, folder);
    let mut used: BTreeMap<String, Span> = BTreeMap::new();
    rendered.objects.iter().for_each(|object| collect_images(&object.node, &mut used));
    let own = &survey.own[0].0;
    let problem = |image: &String| {
        let shared = survey.shared.iter().find_map(|(file, bytes)| {
            let root = document(file, bytes)?;
            let entry = entries(&root, image).next()?;
            fields_of(entry, image, file).into_iter().next().map(|field| field.location)
        });
        let place = shared.or_else(|| used.get(image.as_str()).cloned());
        let add = format!("Add an `images:` entry with `name: {image}` and `newTag` to {own}.");
        let (message, help) = match &place {
            Some(span) if !span.file.is_within(folder) => {
                let there = span.file.parent();
                (format!("the tag of {image} is set in {there}, which other environments share"), add)
            }
            Some(span) => {
                (format!("the tag of {image} is part of the manifest {}, not a field of its own", span.file), add)
            }
            None if rendered.ok => {
                let help = "Check `images` of the app in .github/trunkline.yaml.".to_owned();
                (format!("nothing in {folder} uses the image {image}"), help)
            }
            None => (format!("no kustomization of {folder} sets a version of {image}"), add),
        };
        Problem { location: place.map(|span| span.location()), message, help: Some(help) }
    };
    images.iter().map(|image| problem(image)).collect()
}

/// Every image in an object by name, with the line that sets it. Recursion is bounded by the reader's depth limit.
fn collect_images(node: &Node, found: &mut BTreeMap<String, Span>) {
    if let Some(list) = node.as_list() {
        list.iter().for_each(|item| collect_images(item, found));
    }
    for (key, value) in node.as_map().into_iter().flat_map(|map| map.iter()) {
        match value.as_str() {
            Some(image) if key.text == "image" => {
                found.entry(split_image(image).0.to_owned()).or_insert_with(|| value.span.clone());
            }
            _ => collect_images(value, found),
        }
    }
}

/// The bytes of a kustomization with one image's version changed wherever it is set.
fn set_version(file: &RepoPath, bytes: &[u8], version: &NewVersion) -> Result<Vec<u8>, Vec<Problem>> {
    let count = document(file, bytes).map_or(0, |root| entries(&root, &version.image).count());
    let mut bytes = bytes.to_vec();
    for at in 0..count {
        // Each edit moves what follows, so places are looked up anew; an entry takes at most four.
        for _ in 0..4 {
            let Some(root) = document(file, &bytes) else { break };
            let Some(entry) = entries(&root, &version.image).nth(at) else { break };
            match next_edit(entry, &bytes, version).map_err(|problem| vec![problem])? {
                Some(edited) => bytes = edited,
                None => break,
            }
        }
    }
    Ok(bytes)
}

/// The next step towards the wanted version, if one is left.
fn next_edit(entry: &Node, bytes: &[u8], version: &NewVersion) -> Result<Option<Vec<u8>>, Problem> {
    let text = |name: &str| entry.get(name).and_then(Node::as_str).filter(|text| !text.is_empty());
    let at = |name: &str| entry.get(name).map_or_else(|| entry.span.clone(), |node| node.span.clone());
    let problem = |span: &Span, message: String, help: &str| Problem {
        location: Some(span.location()),
        message,
        help: Some(help.to_owned()),
    };
    for name in ["newTag", "digest", "newName", "name"] {
        if entry.get(name).is_some() && line(bytes, at(name).line).contains("$imagepolicy") {
            let message = format!(
                "this line is written by Flux (`$imagepolicy`), so the version of {} is left to it",
                version.image
            );
            return Err(problem(&at(name), message, "Remove the marker comment if Trunkline shall set the version."));
        }
    }
    if let (Some(_), None, None) = (entry.get("tagSuffix"), text("newTag"), text("digest")) {
        let message = format!("a `newTag` would silence the `tagSuffix` of {}", version.image);
        return Err(problem(&at("tagSuffix"), message, "Make the suffix part of the tag, and remove `tagSuffix`."));
    }
    let failed = |error: EditError| {
        problem(
            &entry.span,
            format!("the version of {} cannot be written: {error}", version.image),
            "Write `name` and `newTag` on lines of their own.",
        )
    };
    let key = |name: &str| entry.as_map().and_then(|map| map.key(name)).map(|key| key.span.clone());
    let place = |names: &[&str]| names.iter().find_map(|name| key(name)).unwrap_or_else(|| entry.span.clone());
    let set = |name: &str, new: &str| set_scalars(bytes, &[(at(name), new.to_owned())]).map(Some).map_err(failed);
    let insert =
        |names: &[&str], name, new: &str| insert_after(bytes, &place(names), name, new).map(Some).map_err(failed);
    match (text("newTag"), text("digest"), &version.digest) {
        // Pinned to a digest alone, and a digest is known: the tag is not the author's way.
        (None, Some(old), Some(new)) if old != new => set("digest", new),
        (None, Some(_), Some(_)) => Ok(None),
        (Some(old), ..) if old != version.tag => set("newTag", &version.tag),
        (None, ..) if entry.get("newTag").is_some() => set("newTag", &version.tag),
        (None, ..) => insert(&["newName", "name"], "newTag", &version.tag),
        (Some(_), Some(old), Some(new)) if old != new => set("digest", new),
        (Some(_), None, Some(new)) if entry.get("digest").is_some() => set("digest", new),
        (Some(_), None, Some(new)) => insert(&["newTag"], "digest", new),
        // A digest that stays would pin the old image under the new tag.
        (Some(_), Some(_), None) => remove_key(bytes, &place(&["digest"])).map(Some).map_err(failed),
        (Some(_), _, _) => Ok(None),
    }
}

/// One line of a file.
fn line(bytes: &[u8], number: u32) -> String {
    let line = bytes.split(|byte| *byte == b'\n').nth((number as usize).saturating_sub(1));
    String::from_utf8_lossy(line.unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests;
