//! Which repository a Flux Kustomization reads: this one, or another.

use std::cell::Cell;

use crate::manifest::node::{Node, Object};
use crate::model::path::RepoPath;
use crate::model::tree::{EntryKind, Tree};

use super::applier::GROUP;

/// Who a source is: kind, namespace, name.
type SourceId = (String, String, String);

/// What is known of the sources of one cluster.
#[derive(Debug, Clone, Default)]
pub(super) struct Origin {
    /// The source through which Flux reads this repository, where that is known.
    own: Option<SourceId>,
    /// The addresses of sources, and what they leave out.
    known: Vec<(SourceId, Option<String>, Option<String>)>,
    /// ArtifactGenerators, which copy folders of a source into artifacts.
    generators: Vec<Node>,
    /// What was compared to find the folders of artifacts.
    compared: Cell<usize>,
}

/// Whether an object is a Flux Kustomization.
pub(super) fn is_kustomization(object: &Object) -> bool {
    object.kind() == "Kustomization" && object.api_version().split('/').next() == Some(GROUP)
}

/// The source a Kustomization names.
fn source_of(object: &Object) -> SourceId {
    let text = |path: &[&str]| object.node.str_at(path).unwrap_or_default().to_owned();
    let namespace = object.node.str_at(&["spec", "sourceRef", "namespace"]);
    let namespace = namespace.map_or_else(|| text(&["metadata", "namespace"]), str::to_owned);
    (text(&["spec", "sourceRef", "kind"]), namespace, text(&["spec", "sourceRef", "name"]))
}

impl Origin {
    /// Learns of the sources among objects.
    pub(super) fn learn(&mut self, objects: &[Object]) {
        for object in objects {
            let group = object.api_version().split('/').next().unwrap_or_default();
            let text = |path: &[&str]| object.node.str_at(path).map(str::to_owned);
            let id = || {
                let namespace = text(&["metadata", "namespace"]).unwrap_or_default();
                (object.kind().to_owned(), namespace, text(&["metadata", "name"]).unwrap_or_default())
            };
            match group {
                "source.toolkit.fluxcd.io" => {
                    self.known.push((id(), text(&["spec", "url"]), text(&["spec", "ignore"])));
                }
                "source.extensions.fluxcd.io" if object.kind() == "ArtifactGenerator" => {
                    self.generators.push(object.node.clone());
                }
                _ => {}
            }
        }
    }

    /// Takes the source of a Kustomization for this repository's: it is known to apply a folder of it.
    pub(super) fn own_is(&mut self, object: &Object) {
        self.own = Some(source_of(object));
    }

    /// What a Kustomization's source leaves out, in its own words.
    pub(super) fn ignore(&self, object: &Object) -> Option<String> {
        self.find(&source_of(object)).and_then(|(_, _, ignore)| ignore.clone())
    }

    fn find(&self, id: &SourceId) -> Option<&(SourceId, Option<String>, Option<String>)> {
        self.known.iter().rev().find(|(known, _, _)| known == id)
    }

    /// The folder of this repository that a Kustomization applies; nothing when it reads another one.
    pub(super) fn folder(&self, tree: &Tree<'_>, object: &Object) -> Option<RepoPath> {
        let source = source_of(object);
        let text = object.node.str_at(&["spec", "path"]).unwrap_or_default();
        // Flux joins the path to its root, so a leading `/` says nothing.
        let path = RepoPath::root().join(text.trim_start_matches('/')).ok()?;
        if source.0 == "ExternalArtifact" {
            return self.copied(tree, &source, &path);
        }
        if let Some(own) = &self.own
            && *own != source
        {
            let address = |id| self.find(id).and_then(|(_, url, _)| url.as_deref()).map(plain_address);
            if address(&source).is_some() && address(own).is_some() && address(&source) != address(own) {
                return None;
            }
        }
        // Where nothing says whose it is, a path that exists here is taken as meant, except the root, which always exists.
        let sure = self.own.as_ref() == Some(&source);
        (tree.is_folder(&path) && (sure || !path.is_root())).then_some(path)
    }

    /// The folder of a source that was copied to `path` of an artifact.
    fn copied(&self, tree: &Tree<'_>, artifact: &SourceId, path: &RepoPath) -> Option<RepoPath> {
        let generators = self
            .generators
            .iter()
            .filter(|node| node.str_at(&["metadata", "namespace"]).unwrap_or_default() == artifact.1);
        for generator in generators {
            let artifacts = generator.list_at(&["spec", "artifacts"]);
            for captures in captures(tree, generator) {
                let filled = |text: &str| {
                    captures.iter().fold(text.to_owned(), |text, (name, value)| {
                        // The names of folders can hold such words themselves: what is no path any more stays as it is.
                        if text.len() > MAX_FILLED { text } else { text.replace(&format!("{{{name}}}"), value) }
                    })
                };
                for made in artifacts {
                    let name = made.str_at(&["name"]);
                    let compared = self.compared.get() + 1 + name.map_or(0, str::len) / 64;
                    self.compared.set(compared);
                    if compared > MAX_COMPARED {
                        return None;
                    }
                    if name.map(filled).as_deref() != Some(artifact.2.as_str()) {
                        continue;
                    }
                    let copies = made.list_at(&["copy"]).iter();
                    let texts = copies.filter_map(|copy| Some((copy.str_at(&["from"])?, copy.str_at(&["to"])?)));
                    let found = texts.filter_map(|(from, to)| copy(&filled(from), &filled(to), path));
                    // Later copies write over earlier ones.
                    if let Some(folder) = found.rev().find(|folder| tree.is_folder(folder)) {
                        return Some(folder);
                    }
                }
            }
        }
        None
    }
}

/// Where `path` of an artifact comes from, when this copy makes it.
fn copy(from: &str, to: &str, path: &RepoPath) -> Option<RepoPath> {
    let (from, content) = match below_alias(from)? {
        "**" => ("", true),
        from => from.strip_suffix("/**").map_or((from, false), |from| (from, true)),
    };
    let source = RepoPath::root().join(from.trim_end_matches('/')).ok()?;
    let mut target = RepoPath::root().join(below_alias(to)?.trim_end_matches('/')).ok()?;
    // A folder that is copied into another keeps its name; `**` copies what is in it.
    if !content && (to.ends_with('/') || target.is_root()) && !source.is_root() {
        target = target.child(source.name());
    }
    let rest = path.as_str().strip_prefix(target.as_str())?;
    path.is_within(&target).then(|| source.join(rest.trim_start_matches('/')).ok()).flatten()
}

/// Names compared to find the folders of artifacts: 300 Kustomizations, with ten artifacts for each of 1,000 folders.
const MAX_COMPARED: usize = 3_000_000;
/// Bytes of a text whose words in braces are still replaced: as long as a path can be, and each name has at most as many.
const MAX_FILLED: usize = 4_096;
/// Folders that a `pathPattern` is compared with: real ones match a few dozen.
const MAX_MATCHED: usize = 1_000;

/// What the words in braces of a `pathPattern` stand for, once for each folder that fits; one empty answer without a pattern.
fn captures(tree: &Tree<'_>, generator: &Node) -> Vec<Vec<(String, String)>> {
    let Some(pattern) = generator.str_at(&["spec", "pathPattern"]).and_then(below_alias) else {
        return vec![Vec::new()];
    };
    let mut open: Vec<(RepoPath, Vec<(String, String)>)> = vec![(RepoPath::root(), Vec::new())];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let mut next = Vec::new();
        for (folder, known) in open {
            let word = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
            let entries = tree.list(&folder).unwrap_or_default();
            for entry in entries.iter().filter(|entry| entry.kind == EntryKind::Folder) {
                if next.len() < MAX_MATCHED && (word.is_some() || entry.name == part) {
                    let mut known = known.clone();
                    known.extend(word.map(|word| (word.to_owned(), entry.name.to_lowercase())));
                    next.push((folder.child(&entry.name), known));
                }
            }
        }
        open = next;
    }
    open.into_iter().map(|(_, known)| known).collect()
}

/// `@alias/rest` without its alias.
fn below_alias(text: &str) -> Option<&str> {
    let text = text.strip_prefix('@')?;
    Some(text.split_once('/').map_or("", |(_, rest)| rest))
}

/// An address without what differs between ways to write one repository's.
fn plain_address(url: &str) -> String {
    let url = url.split_once("://").map_or(url, |(_, rest)| rest);
    let url = url.rsplit_once('@').map_or(url, |(_, rest)| rest);
    url.trim_end_matches('/').trim_end_matches(".git").replace(':', "/").to_lowercase()
}
