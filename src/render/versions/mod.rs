//! Where an environment sets the versions of an application, and the edit that gives it another.
//!
//! Only what stands inside the environment's folder counts: a version that stands in a base outside is shared with other
//! environments, and writing it there would promote them all. Where only a base sets an image, the environment's own kustomization
//! gets an `images` entry for it, which wins over the base and touches nobody else.
//!
//! The first of these that answers for an image is what is written: a configured field, an `images` entry of the folder's
//! kustomizations, the folder's other files, an entry to be added. So most environments are known from one small file.

mod configured;
mod explain;
mod find;
mod inherit;
mod look;
mod survey;
mod write;

#[cfg(test)]
mod kinds_tests;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::manifest::node::Span;
use crate::model::finding::Problem;
use crate::model::path::RepoPath;
use crate::model::pipeline::App;
use crate::model::tree::Tree;

pub use self::explain::left_alone;
pub use self::look::Look;
pub use self::survey::Shelf;

/// Which part of a version a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum VersionKind {
    /// The tag, or whatever else names the version.
    NewTag,
    /// The digest, which pins an image whatever its tag says.
    Digest,
    /// Neither is there yet: the place only names the image.
    MissingTag,
}

/// What sort of field holds a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// An `images` entry of a kustomization.
    Images,
    /// An `images` entry of a Flux Kustomization, or of what a HelmRelease does after its chart.
    FluxImages,
    /// `tag` and `digest` in the values of a Helm chart.
    Values,
    /// `spec.ref` of an OCIRepository.
    OciRef,
    /// The whole image in a manifest.
    Container,
    /// The whole image in a Score file.
    Score,
    /// The chart version of a HelmRelease.
    Chart,
    /// `spec.ref.tag` of a GitRepository.
    GitTag,
    /// `spec.ref.commit` of a GitRepository.
    GitCommit,
    /// A field that the configuration names.
    Configured,
    /// Nothing of its own yet: a base that others share sets it, and an `images` entry will be added.
    Base,
}

/// Why a field is not ours to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Its line bears Flux's `$imagepolicy` marker.
    Marker,
    /// It is a range, from which Flux chooses.
    Range,
}

/// A place that sets a version in an environment.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionField {
    /// What carries the version: an image, or a chart, a source or a field as [`App::values`] names it.
    pub image: String,
    /// The scalar that holds the version; the image's name when there is none.
    pub location: Span,
    /// The file to write.
    pub file: RepoPath,
    /// Which part it holds.
    pub kind: VersionKind,
    /// The version; empty when there is none.
    pub value: String,
    /// What sort of field it is.
    pub holder: Holder,
    /// Why it is not written, when it is not.
    pub left: Option<Left>,
}

/// A version that an image, or another carrier, shall have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVersion {
    /// The image without tag and digest.
    pub image: String,
    /// Its tag.
    pub tag: String,
    /// Its digest, such as `sha256:…`, when the environment shall be pinned to it.
    pub digest: Option<String>,
}

/// Where the environment itself sets the version of an application.
///
/// # Errors
/// Why it does not, for each carrier of which no version is set in the environment's own files.
pub fn version_fields(tree: &Tree<'_>, folder: &RepoPath, app: &App) -> Result<Vec<VersionField>, Vec<Problem>> {
    let mut shelf = Shelf::default();
    let look = shelf.look(tree, folder, app);
    if look.is_whole() { Ok(look.fields) } else { Err(look.problems(tree, folder)) }
}

/// Which versions of an application this environment shares with others (PROM-001), each with the change that makes it its own.
pub fn shared_versions(tree: &Tree<'_>, folder: &RepoPath, app: &App) -> Vec<Problem> {
    let look = Shelf::default().look(tree, folder, app);
    let based = look.fields.iter().filter(|field| field.holder == Holder::Base);
    let mut problems: Vec<Problem> = based.map(|field| explain::based(folder, field)).collect();
    problems.extend(look.problems(tree, folder));
    problems
}

/// The files to write so that the environment has these versions, byte-exact otherwise; files that stay the same are left out.
///
/// # Errors
/// Why it cannot be done, all at once; then nothing shall be written.
pub fn version_edits(
    tree: &Tree<'_>,
    folder: &RepoPath,
    app: &App,
    new: &[NewVersion],
) -> Result<Vec<(RepoPath, Vec<u8>)>, Vec<Problem>> {
    let mut shelf = Shelf::default();
    let look = shelf.look(tree, folder, app);
    if !look.is_whole() {
        return Err(look.problems(tree, folder));
    }
    write::edits(&mut shelf, (tree, &look), app, new)
}

/// The tag of each carrier, or its digest where no tag stands; several that differ are all named. What is left to Flux counts only
/// when all is.
pub fn tags(fields: &[VersionField]) -> BTreeMap<String, String> {
    let mut tags = held(fields, VersionKind::NewTag);
    for (carrier, digest) in held(fields, VersionKind::Digest) {
        tags.entry(carrier).or_insert(digest);
    }
    tags
}

/// The digest of each carrier that is pinned to one.
pub fn digests(fields: &[VersionField]) -> BTreeMap<String, String> {
    held(fields, VersionKind::Digest)
}

fn held(fields: &[VersionField], kind: VersionKind) -> BTreeMap<String, String> {
    let all_left = fields.iter().all(|field| field.left.is_some());
    let counted = fields.iter().filter(|field| field.kind == kind && (all_left || field.left.is_none()));
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for field in counted.filter(|field| !field.value.is_empty()) {
        let value = found.entry(field.image.clone()).or_default();
        if value.is_empty() {
            value.clone_from(&field.value);
        } else if !value.split(" and ").any(|known| known == field.value) {
            *value = format!("{value} and {}", field.value);
        }
    }
    found
}
