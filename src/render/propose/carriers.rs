//! What carries versions in a folder: images, charts, and whose they probably are.

use std::collections::{BTreeMap, BTreeSet};

use crate::config;
use crate::manifest::images::split_image;
use crate::manifest::node::{Node, Value};
use crate::model::path::RepoPath;
use crate::model::tree::Tree;
use crate::render::Memory;

/// Images that everybody runs and nobody here builds, by how their names begin.
const FOREIGN: [&str; 17] = [
    "docker.io/library/",
    "public.ecr.aws/docker/library/",
    "registry.k8s.io/",
    "k8s.gcr.io/",
    "ghcr.io/fluxcd/",
    "quay.io/prometheus",
    "quay.io/jetstack/",
    "quay.io/argoproj/",
    "bitnami/",
    "docker.io/bitnami",
    "prom/",
    "grafana/",
    "docker.io/grafana/",
    "otel/",
    "mcr.microsoft.com/",
    "cgr.dev/",
    "gcr.io/distroless/",
];

/// A folder that may be an environment, and what carries versions in it.
#[derive(Debug, Clone, Default)]
pub(super) struct Carriers {
    pub(super) folder: RepoPath,
    /// The tags of each image.
    pub(super) images: BTreeMap<String, BTreeSet<String>>,
    pub(super) charts: BTreeSet<String>,
    /// Why it does not render, when it does not.
    pub(super) broken: Option<String>,
}

impl Carriers {
    /// Looks into one folder. One that does not render is read file by file: what is in it is still worth a proposal.
    pub(super) fn of(memory: &mut Memory<'_>, tree: &Tree<'_>, folder: &RepoPath) -> Self {
        let mut found = Carriers { folder: folder.clone(), ..Carriers::default() };
        let rendered = memory.render(tree.root, folder);
        rendered.objects.iter().for_each(|object| found.take(&object.node));
        if !rendered.ok {
            found.broken = rendered.problems.first().map(|problem| problem.message.clone());
            for file in rendered.reads.iter().filter(|path| tree.is_file(path)) {
                let documents = memory.documents(tree.root, file);
                documents.iter().flat_map(|all| all.iter()).for_each(|document| found.take(document));
            }
        }
        found
    }

    fn take(&mut self, object: &Node) {
        if object.str_at(&["kind"]) == Some("HelmRelease")
            && let Some(chart) = object.str_at(&["spec", "chart", "spec", "chart"])
            && config::is_chart(chart)
        {
            self.charts.insert(chart.to_owned());
        }
        if object.str_at(&["kind"]) == Some("OCIRepository")
            && let Some(name) = object.str_at(&["spec", "url"]).and_then(|url| url.strip_prefix("oci://"))
        {
            self.image(name, object.str_at(&["spec", "ref", "tag"]).unwrap_or_default());
        }
        self.walk(object);
    }

    /// Recursion is bounded by the reader's depth limit.
    fn walk(&mut self, node: &Node) {
        if let Value::List(list) = &node.value {
            list.iter().for_each(|item| self.walk(item));
        }
        if let (Some(repository), Some(tag)) = (node.str_at(&["repository"]), node.get("tag")) {
            let registry = node.str_at(&["registry"]).filter(|registry| !registry.is_empty());
            let name = registry.map_or(repository.to_owned(), |registry| format!("{registry}/{repository}"));
            self.image(&name, &tag.brief());
        }
        for (key, value) in node.as_map().into_iter().flat_map(|map| map.iter()) {
            match value.as_str() {
                Some(image) if key.text == "image" => {
                    let (name, tag) = split_image(image);
                    self.image(name, tag);
                }
                _ => self.walk(value),
            }
        }
    }

    fn image(&mut self, name: &str, tag: &str) {
        if config::is_image(name) {
            let tag = tag.split_once('@').map_or(tag, |(tag, _)| tag);
            self.images.entry(name.to_owned()).or_default().insert(tag.to_owned());
        }
    }

    /// Whether a promotion would have something to write here.
    pub(super) fn is_versioned(&self, whose: &Whose) -> bool {
        self.images.keys().any(|image| whose.is_ours(image)) || !self.charts.is_empty()
    }
}

/// Which images are built by the people here, as far as names tell.
pub(super) struct Whose {
    /// The owner of the repository, when images bear the name: then only those are theirs.
    owner: Option<String>,
}

impl Whose {
    /// Judges by all images of all folders.
    pub(super) fn judge<'a>(owner: &str, images: impl Iterator<Item = &'a String>) -> Self {
        let owner = owner.to_ascii_lowercase();
        let bears = images.into_iter().any(|image| bears(image, &owner));
        Self { owner: bears.then_some(owner) }
    }

    pub(super) fn is_ours(&self, image: &str) -> bool {
        match &self.owner {
            Some(owner) => bears(image, owner),
            None => !is_foreign(image),
        }
    }
}

fn bears(image: &str, owner: &str) -> bool {
    image.rsplit_once('/').is_some_and(|(path, _)| path.split('/').any(|part| part == owner))
}

/// Whether an image is one that everybody runs: an official one has no owner before its name.
fn is_foreign(image: &str) -> bool {
    let path = image.strip_prefix("docker.io/").unwrap_or(image);
    !path.contains('/') || FOREIGN.iter().any(|start| image.starts_with(start))
}
