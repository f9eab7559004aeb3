//! Where in a file an application's version stands, by the kinds of fields there are.

use std::collections::HashMap;

use super::Holder;
use crate::manifest::node::Node;
use crate::model::pipeline::{App, CHART, COMMIT_OF, TAG_OF};
use crate::render::kustomize::split_image;

/// A place that holds a carrier's version.
#[derive(Debug, Clone)]
pub(super) struct Place<'n> {
    /// What carries the version, named as [`App::values`] does.
    pub(super) carrier: String,
    pub(super) holder: Holder,
    pub(super) form: Form<'n>,
}

/// How a version is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form<'n> {
    /// As entries of a mapping: the tag's key, the digest's, and behind which keys a missing tag belongs.
    Keys { map: &'n Node, tag: &'static str, digest: &'static str, behind: &'static [&'static str] },
    /// As part of a whole image reference.
    Reference(&'n Node),
    /// As it is.
    Text(&'n Node),
    /// As a range, from which Flux chooses.
    Range(&'n Node),
}

/// The `images` entries of a kustomization.
pub(super) fn entries<'n>(root: &'n Node, app: &App) -> Vec<Place<'n>> {
    let all = root.list_at(&["images"]).iter().chain(root.list_at(&["imageTags"]));
    all.flat_map(|entry| entry_places(entry, app, Holder::Images)).collect()
}

/// The places of an entry: of the image it matches, and of the one it turns that into.
fn entry_places<'n>(entry: &'n Node, app: &App, holder: Holder) -> Vec<Place<'n>> {
    let form = Form::Keys { map: entry, tag: "newTag", digest: "digest", behind: &["newName", "name"] };
    let names = [entry.str_at(&["name"]), entry.str_at(&["newName"])];
    let meant = app.images.iter().filter(|image| names.contains(&Some(image.name.as_str())));
    meant.map(|image| Place { carrier: image.name.clone(), holder, form }).collect()
}

/// What the HelmReleases of an environment say in all their files together: a patch names no chart and no repository.
#[derive(Debug, Default)]
pub(super) struct Releases {
    /// The chart by the release's name.
    charts: HashMap<String, String>,
    /// The repository by the release's name and the way to the mapping in its values.
    repositories: HashMap<(String, String), String>,
}

impl Releases {
    /// Takes in the releases among `documents`; what was learned first stays.
    pub(super) fn learn(&mut self, documents: &[Node]) {
        for release in documents.iter().filter(|node| is_release(node)) {
            let name = name_of(release).to_owned();
            if let Some(chart) = release.str_at(&["spec", "chart", "spec", "chart"]) {
                self.charts.entry(name.clone()).or_insert_with(|| chart.to_owned());
            }
            if let Some(values) = release.at(&["spec", "values"]) {
                self.learn_values(&name, "", values);
            }
        }
    }

    /// Recursion is bounded by the reader's depth limit.
    fn learn_values(&mut self, name: &str, way: &str, node: &Node) {
        if let Some(repository) = repository(node) {
            self.repositories.entry((name.to_owned(), way.to_owned())).or_insert(repository);
        }
        for (key, value) in node.as_map().into_iter().flat_map(|map| map.iter()) {
            self.learn_values(name, &below(way, &key.text), value);
        }
    }
}

/// Whether a document is a HelmRelease.
pub(super) fn is_release(node: &Node) -> bool {
    is(node, "HelmRelease", "helm.toolkit.fluxcd.io/")
}

fn is(node: &Node, kind: &str, group: &str) -> bool {
    node.str_at(&["kind"]) == Some(kind) && node.str_at(&["apiVersion"]).is_some_and(|api| api.starts_with(group))
}

fn name_of(node: &Node) -> &str {
    node.str_at(&["metadata", "name"]).unwrap_or_default()
}

/// The image that a mapping of Helm values names in pieces.
fn repository(map: &Node) -> Option<String> {
    let repository = map.str_at(&["repository"])?;
    Some(match map.str_at(&["registry"]).filter(|registry| !registry.is_empty()) {
        Some(registry) => format!("{registry}/{repository}"),
        None => repository.to_owned(),
    })
}

fn below(way: &str, key: &str) -> String {
    if way.is_empty() { key.to_owned() } else { format!("{way}.{key}") }
}

/// What is looked for in the files that are no kustomizations.
pub(super) struct Search<'a> {
    pub(super) app: &'a App,
    pub(super) releases: &'a Releases,
}

impl Search<'_> {
    /// The places in a file's documents.
    pub(super) fn objects<'n>(&self, documents: &'n [Node]) -> Vec<Place<'n>> {
        let mut found = Vec::new();
        for document in documents {
            if is(document, "Kustomization", "kustomize.config.k8s.io/") {
                continue;
            }
            if is(document, "Kustomization", "kustomize.toolkit.fluxcd.io/") {
                let entries = document.list_at(&["spec", "images"]);
                found.extend(entries.iter().flat_map(|entry| entry_places(entry, self.app, Holder::FluxImages)));
            }
            if is(document, "OCIRepository", "source.toolkit.fluxcd.io/") {
                found.extend(self.artifact(document));
            }
            if is(document, "GitRepository", "source.toolkit.fluxcd.io/") {
                found.extend(self.source(document));
            }
            let score = document.str_at(&["apiVersion"]).is_some_and(|api| api.starts_with("score.dev/"));
            let holder = if score { Holder::Score } else { Holder::Container };
            if is_release(document) {
                found.extend(self.chart(document));
                let renderers = document.list_at(&["spec", "postRenderers"]).iter();
                let entries = renderers.flat_map(|renderer| renderer.list_at(&["kustomize", "images"]));
                found.extend(entries.flat_map(|entry| entry_places(entry, self.app, Holder::FluxImages)));
                if let Some(values) = document.at(&["spec", "values"]) {
                    self.values(values, (name_of(document), ""), &mut found);
                }
            } else {
                self.anywhere(document, holder, &mut found);
            }
        }
        found
    }

    /// Whether there is such an image.
    fn image(&self, name: &str) -> Option<String> {
        self.app.images.iter().find(|image| image.name == name).map(|image| image.name.clone())
    }

    /// Whole references and pairs of repository and tag, at any depth. Recursion is bounded by the reader's depth limit.
    fn anywhere<'n>(&self, node: &'n Node, holder: Holder, found: &mut Vec<Place<'n>>) {
        if let Some(list) = node.as_list() {
            list.iter().for_each(|item| self.anywhere(item, holder, found));
        }
        let operation = node.str_at(&["path"]).filter(|path| node.get("op").is_some() && path.ends_with("/image"));
        if let (Some(_), Some(value)) = (operation, node.get("value")) {
            found.extend(self.reference(value, holder));
        }
        if let Some(carrier) = repository(node).and_then(|name| self.image(&name)) {
            found.push(Place { carrier, holder: Holder::Values, form: pair(node) });
        }
        for (key, value) in node.as_map().into_iter().flat_map(|map| map.iter()) {
            match value.as_str() {
                Some(_) if key.text == "image" => found.extend(self.reference(value, holder)),
                _ => self.anywhere(value, holder, found),
            }
        }
    }

    fn reference<'n>(&self, node: &'n Node, holder: Holder) -> Option<Place<'n>> {
        let carrier = self.image(split_image(node.as_str()?).0)?;
        Some(Place { carrier, holder, form: Form::Reference(node) })
    }

    /// Helm values: whole references, pairs, and `image.tag` whose repository stands elsewhere or in the chart.
    fn values<'n>(&self, node: &'n Node, (release, way): (&str, &str), found: &mut Vec<Place<'n>>) {
        let named = repository(node).or_else(|| {
            let versioned = node.get("tag").or(node.get("digest")).is_some();
            let key = (release.to_owned(), way.to_owned());
            self.releases.repositories.get(&key).filter(|_| versioned).cloned()
        });
        let carrier = match named {
            Some(name) => self.image(&name),
            None => self.by_name(node, release, way),
        };
        if let Some(carrier) = carrier {
            found.push(Place { carrier, holder: Holder::Values, form: pair(node) });
        }
        for item in node.as_list().unwrap_or_default() {
            self.anywhere(item, Holder::Values, found);
        }
        for (key, value) in node.as_map().into_iter().flat_map(|map| map.iter()) {
            match value.as_str() {
                Some(_) if key.text == "image" => found.extend(self.reference(value, Holder::Values)),
                _ => self.values(value, (release, &below(way, &key.text)), found),
            }
        }
    }

    /// The image that `image: { tag }` without a repository means: the one whose last part is the name of what stands above it,
    /// of the release or of its chart; or the only one, where the release has the application's name.
    fn by_name(&self, node: &Node, release: &str, way: &str) -> Option<String> {
        let above = way.strip_suffix("image")?;
        if node.get("tag").is_none() || !(above.is_empty() || above.ends_with('.')) {
            return None;
        }
        let parent = above.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
        let chart = self.releases.charts.get(release).map_or("", String::as_str);
        let names = if parent.is_empty() { vec![release, chart] } else { vec![parent] };
        let mut meant = self.app.images.iter().filter(|image| names.contains(&last(&image.name)));
        match (meant.next(), meant.next(), self.app.images.as_slice()) {
            (Some(image), None, _) => Some(image.name.clone()),
            (None, _, [only]) if parent.is_empty() && release == self.app.name => Some(only.name.clone()),
            _ => None,
        }
    }

    fn chart<'n>(&self, release: &'n Node) -> Option<Place<'n>> {
        let version = release.at(&["spec", "chart", "spec", "version"])?;
        let own = release.str_at(&["spec", "chart", "spec", "chart"]);
        let chart = own.or_else(|| self.releases.charts.get(name_of(release)).map(String::as_str))?;
        let chart = self.app.charts.iter().find(|known| known.name == chart)?;
        let form = if version.as_str().is_some_and(is_range) { Form::Range(version) } else { Form::Text(version) };
        Some(Place { carrier: format!("{CHART}{}", chart.name), holder: Holder::Chart, form })
    }

    fn artifact<'n>(&self, object: &'n Node) -> Option<Place<'n>> {
        let url = object.str_at(&["spec", "url"])?;
        let name = url.strip_prefix("oci://")?.trim_end_matches('/');
        let chart = || self.app.charts.iter().any(|chart| chart.name == name).then(|| format!("{CHART}{name}"));
        let carrier = self.image(name).or_else(chart)?;
        let map = object.at(&["spec", "ref"])?;
        let form = match map.get("semver").filter(|_| map.get("digest").is_none()) {
            Some(range) => Form::Range(range),
            None => Form::Keys { map, tag: "tag", digest: "digest", behind: &["digest"] },
        };
        Some(Place { carrier, holder: Holder::OciRef, form })
    }

    /// The source as Flux fetches it.
    fn source<'n>(&self, object: &'n Node) -> Option<Place<'n>> {
        let source = self.app.source.as_ref()?.to_string();
        let url = object.str_at(&["spec", "url"])?;
        let path = url.trim_end_matches('/').trim_end_matches(".git");
        let start = path.len().checked_sub(source.len())?;
        let same = path.is_char_boundary(start) && path[start..].eq_ignore_ascii_case(&source);
        if !same || !path[..start].ends_with(['/', ':']) {
            return None;
        }
        let reference = object.at(&["spec", "ref"])?;
        let place = |what: &str, holder, form| Some(Place { carrier: format!("{what}{source}"), holder, form });
        // Flux prefers them in this order.
        match (reference.get("commit"), reference.get("semver"), reference.get("tag")) {
            (Some(commit), _, _) => place(COMMIT_OF, Holder::GitCommit, Form::Text(commit)),
            (None, Some(range), _) => place(TAG_OF, Holder::GitTag, Form::Range(range)),
            (None, None, Some(tag)) => place(TAG_OF, Holder::GitTag, Form::Text(tag)),
            // What follows a branch is Flux's to move.
            (None, None, None) => place(TAG_OF, Holder::GitTag, Form::Range(reference.get("branch")?)),
        }
    }
}

fn pair(map: &Node) -> Form<'_> {
    Form::Keys { map, tag: "tag", digest: "digest", behind: &["repository", "digest"] }
}

/// The last part of an image's name.
pub(super) fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// Whether a chart version leaves a choice.
fn is_range(version: &str) -> bool {
    version.is_empty()
        || version.contains(['<', '>', '=', '~', '^', '*', '|', ',', ' '])
        || version.split(['.', '-']).any(|part| part.eq_ignore_ascii_case("x"))
}
