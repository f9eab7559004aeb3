//! Looking for an application's version in an environment: stage by stage, until every carrier is answered for.

use std::collections::BTreeSet;

use super::explain;
use super::find::{self, Form, Place, Releases, Search};
use super::survey::{Shelf, Survey};
use super::write::{keys_text, node_text};
use super::{Holder, Left, VersionField, VersionKind, configured, inherit};
use crate::manifest::node::Node;
use crate::model::finding::{Location, Problem};
use crate::model::path::RepoPath;
use crate::model::pipeline::{App, CHART, Write};
use crate::model::tree::Tree;
use crate::render::kustomize::split_image;

/// What was seen of an application's version in an environment.
pub struct Look {
    /// The fields that hold it.
    pub fields: Vec<VersionField>,
    pub(super) lost: Vec<Lost>,
    pub(super) survey: Survey,
    pub(super) releases: Releases,
}

/// A carrier for which no field was found.
pub(super) struct Lost {
    pub(super) carrier: String,
    /// Why, when that is known already.
    pub(super) problem: Option<Problem>,
}

impl Look {
    /// Whether a field was found for everything that carries the version.
    pub fn is_whole(&self) -> bool {
        self.lost.is_empty()
    }

    /// Why no field was found, one problem for each carrier without; it may take a render.
    pub fn problems(&self, tree: &Tree<'_>, folder: &RepoPath) -> Vec<Problem> {
        if self.lost.is_empty() { Vec::new() } else { explain::lost(tree, folder, self) }
    }

    fn answers(&self, carrier: &str) -> bool {
        self.fields.iter().any(|field| field.image == carrier) || self.lost.iter().any(|lost| lost.carrier == carrier)
    }

    fn lose(&mut self, carrier: &str, problem: Option<Problem>) {
        self.lost.push(Lost { carrier: carrier.to_owned(), problem });
    }
}

impl Shelf {
    /// Looks where the environment in `folder` sets the version of an application.
    pub fn look(&mut self, tree: &Tree<'_>, folder: &RepoPath, app: &App) -> Look {
        let survey = Survey::take(self, tree, folder);
        let mut look = Look { fields: Vec::new(), lost: Vec::new(), survey, releases: Releases::default() };
        self.configured(tree, app, &mut look);
        self.entries(tree, app, &mut look);
        let open = |look: &Look| app.images.iter().any(|image| !look.answers(&image.name));
        // Charts and sources stand in files that nothing else makes us read.
        if open(&look) || !app.charts.is_empty() || app.images.is_empty() && app.writes.is_empty() {
            self.objects(tree, app, &mut look);
            // A chart or a commit of the source that is fetched brings its images itself.
            let brings = |field: &VersionField| {
                matches!(field.holder, Holder::Chart | Holder::GitTag | Holder::GitCommit)
                    || field.holder == Holder::OciRef && field.image.starts_with(CHART)
            };
            let brought = look.fields.iter().any(brings);
            for image in app.images.iter().filter(|_| !brought) {
                if !look.answers(&image.name) {
                    self.based(tree, &image.name, &mut look);
                }
            }
        }
        for chart in &app.charts {
            let carrier = format!("{CHART}{}", chart.name);
            if !look.answers(&carrier) {
                look.lose(&carrier, None);
            }
        }
        if look.fields.is_empty() && look.lost.is_empty() {
            look.lose(&app.name, Some(nothing(folder, app)));
        }
        look
    }

    fn configured(&mut self, tree: &Tree<'_>, app: &App, look: &mut Look) {
        for write in &app.writes {
            let file = look.survey.home.join(write.file.as_str()).unwrap_or_else(|_| look.survey.home.clone());
            let found = self.read(tree, &file);
            let mut fields = Vec::new();
            if let Some((documents, bytes)) = &found {
                let places = configured::places(documents, write);
                places.iter().for_each(|place| fields.extend(fields_of(place, &file, bytes)));
            }
            if fields.is_empty() {
                let problem =
                    not_configured(&look.survey.home, write, found.as_ref().map(|(documents, _)| &**documents));
                look.lose(&write.key(), Some(problem));
            }
            look.fields.extend(fields);
        }
    }

    fn entries(&mut self, tree: &Tree<'_>, app: &App, look: &mut Look) {
        let mut found = Vec::new();
        for file in &look.survey.own {
            let Some((documents, bytes)) = self.read(tree, file) else { continue };
            let places = documents.iter().flat_map(|root| find::entries(root, app));
            let open = places.filter(|place| !look.answers(&place.carrier));
            for place in open {
                match silences_suffix(&place) {
                    Some(problem) => found.push(Err((place.carrier, problem))),
                    None => found.extend(fields_of(&place, file, &bytes).into_iter().map(Ok)),
                }
            }
        }
        let taken: BTreeSet<String> = found.iter().flatten().map(|field: &VersionField| field.image.clone()).collect();
        for one in found {
            match one {
                Ok(field) => look.fields.push(field),
                // Another entry of the same image sets its tag, and this one adds to it.
                Err((carrier, _)) if taken.contains(&carrier) => {}
                Err((carrier, problem)) => look.lose(&carrier, Some(problem)),
            }
        }
    }

    fn objects(&mut self, tree: &Tree<'_>, app: &App, look: &mut Look) {
        let images = app.images.iter().map(|image| find::last(&image.name));
        let mut words: Vec<&str> = images.chain(app.charts.iter().map(|chart| find::last(&chart.name))).collect();
        words.extend(["HelmRelease", "GitRepository"]);
        let own: Vec<_> = look.survey.own_files.iter().cloned().collect();
        let own: Vec<_> = own
            .into_iter()
            .filter_map(|file| self.read_with(tree, &file, &words).map(|(documents, bytes)| (file, documents, bytes)))
            .collect();
        let has_release = own.iter().any(|(_, documents, _)| documents.iter().any(find::is_release));
        own.iter().for_each(|(_, documents, _)| look.releases.learn(documents));
        if has_release {
            for file in &look.survey.shared_files {
                let found = self.read_with(tree, file, &["HelmRelease"]);
                found.iter().for_each(|(documents, _)| look.releases.learn(documents));
            }
        }
        let search = Search { app, releases: &look.releases };
        let mut fields = Vec::new();
        for (file, documents, bytes) in &own {
            let places = search.objects(documents).into_iter().filter(|place| !look.answers(&place.carrier));
            places.for_each(|place| fields.extend(fields_of(&place, file, bytes)));
        }
        let set: BTreeSet<String> =
            fields.iter().filter(|f| f.kind != VersionKind::MissingTag).map(|f| f.image.clone()).collect();
        let charts = fields.iter().any(|field| field.holder == Holder::Chart);
        // A mapping that only names the repository leaves the tag to another file, or to its chart.
        fields.retain(|field| {
            let elsewhere = set.contains(&field.image) || charts && field.holder == Holder::Values;
            field.kind != VersionKind::MissingTag || !elsewhere
        });
        look.fields.extend(fields);
    }

    fn based(&mut self, tree: &Tree<'_>, image: &str, look: &mut Look) {
        match inherit::from_base(self, (tree, &look.survey), image) {
            Ok(fields) if fields.is_empty() => look.lose(image, None),
            Ok(fields) => look.fields.extend(fields),
            Err(problem) => look.lose(image, Some(*problem)),
        }
    }
}

/// What a place says: its tag, its digest, or that it has neither.
pub(super) fn fields_of(place: &Place<'_>, file: &RepoPath, bytes: &[u8]) -> Vec<VersionField> {
    let field = |kind, node: &Node, value: &str, left| VersionField {
        image: place.carrier.clone(),
        location: node.span.clone(),
        file: file.clone(),
        kind,
        value: value.to_owned(),
        holder: place.holder,
        left,
    };
    let marked = |node: &Node| is_marked(bytes, node.span.line).then_some(Left::Marker);
    let both = |node: &Node, tag: &str, digest: &str, found: &mut Vec<VersionField>| {
        let parts = [(VersionKind::NewTag, tag), (VersionKind::Digest, digest)];
        found.extend(
            parts
                .iter()
                .filter(|(_, text)| !text.is_empty())
                .map(|(kind, text)| field(*kind, node, text, marked(node))),
        );
    };
    let mut found = Vec::new();
    match place.form {
        Form::Range(node) => return vec![field(VersionKind::NewTag, node, &node_text(node, bytes), Some(Left::Range))],
        Form::Text(node) => {
            let text = node_text(node, bytes);
            let (tag, digest) =
                text.split_once("@sha256:").map_or((text.as_str(), ""), |(tag, _)| (tag, &text[tag.len() + 1..]));
            both(node, tag, digest, &mut found);
        }
        Form::Reference(node) => {
            let text = node.as_str().unwrap_or_default();
            let (_, tag, digest) = split_image(text);
            both(node, tag, digest, &mut found);
        }
        Form::Keys { map, tag, digest, .. } => {
            let (text, pinned) = keys_text(map, (tag, digest), bytes);
            if let Some(node) = map.get(tag) {
                let (text, inline) = text.split_once('@').unwrap_or((text.as_str(), ""));
                both(node, text, inline, &mut found);
            }
            if let Some(node) = map.get(digest) {
                both(node, "", &pinned, &mut found);
            }
        }
    }
    if found.is_empty() {
        let node = match place.form {
            Form::Keys { map, .. } => map.get("name").or(map.get("repository")).unwrap_or(map),
            Form::Reference(node) | Form::Text(node) | Form::Range(node) => node,
        };
        found.push(field(VersionKind::MissingTag, node, "", marked(node)));
    }
    found
}

/// Whether a line is one that Flux's image automation writes.
pub(super) fn is_marked(bytes: &[u8], line: u32) -> bool {
    let line = bytes.split(|byte| *byte == b'\n').nth((line as usize).saturating_sub(1)).unwrap_or_default();
    String::from_utf8_lossy(line).contains("$imagepolicy")
}

/// A tag would make Kustomize forget a suffix.
fn silences_suffix(place: &Place<'_>) -> Option<Problem> {
    let Form::Keys { map, tag, digest, .. } = place.form else { return None };
    let suffix = map.get("tagSuffix").filter(|_| map.get(tag).is_none() && map.get(digest).is_none())?;
    Some(Problem {
        location: Some(suffix.span.location()),
        message: format!("a `newTag` would silence the `tagSuffix` of {}", place.carrier),
        help: Some("Make the suffix part of the tag, and remove `tagSuffix`.".to_owned()),
    })
}

/// Nothing was listed that could be looked for, and nothing of the source was found.
fn nothing(folder: &RepoPath, app: &App) -> Problem {
    Problem {
        location: None,
        message: format!("nothing in {folder} holds a version of {}", app.name),
        help: Some(
            "List what carries it under `images`, `charts` or `writes` of the app in .github/trunkline.yaml."
                .to_owned(),
        ),
    }
}

/// Why a configured field is not there.
fn not_configured(home: &RepoPath, write: &Write, documents: Option<&[Node]>) -> Problem {
    let path = home.join(write.file.as_str()).unwrap_or_else(|_| home.clone());
    let place = |line| Some(Location { path: path.clone(), line, column: 0 });
    let who = match (&write.kind, &write.name) {
        (Some(kind), Some(name)) => format!("{kind} {name} in "),
        (Some(kind), None) => format!("a {kind} in "),
        (None, Some(name)) => format!("the object {name} in "),
        (None, None) => String::new(),
    };
    let meant = documents.and_then(|all| all.iter().find(|document| configured::is_meant(document, write)));
    let (location, message) = match (documents, meant) {
        (None, _) => (place(0), format!("`writes` names {path}, which is no readable file")),
        (_, None) => (place(1), format!("`writes` names {who}{path}, and there is none")),
        (_, Some(meant)) => {
            (place(meant.span.line), format!("{who}{path} has no field `{}` that could hold a version", write.field))
        }
    };
    let help =
        "Correct `writes` of the app in .github/trunkline.yaml, or add the field with the version that runs now.";
    Problem { location, message, help: Some(help.to_owned()) }
}
