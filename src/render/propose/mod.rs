//! A configuration for a repository that has none, from what its folders say: the environments, what they take, in which order, and
//! the applications whose images stand in them.
//!
//! Names are guesses, and are told as such. What comes out parses and validates, or nothing comes out.

mod apps;
mod carriers;
mod layout;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use self::apps::Found;
use self::carriers::{Carriers, Whose};
use self::layout::{Named, Place};
use super::Memory;
use super::discover::{self, Discovered};
use super::versions::{self, Shelf};
use crate::config;
use crate::model::finding::Problem;
use crate::model::id::{Oid, RepoName};
use crate::model::onboarding::{Proposal, Stage};
use crate::model::path::RepoPath;
use crate::model::pipeline::{App, Pipeline, Takes};
use crate::model::tree::Tree;

/// Folders that are rendered for a proposal: fifty applications in four environments, with as many others. What is beyond is said.
const MAX_LOOKED: usize = 400;
/// Folders in which versions are looked for once the file stands; what is wrong in one is mostly wrong in the others.
const MAX_TRIED: usize = 200;
/// Folders of this name serve the cluster, or show how something is used; nobody promotes into them.
const OTHERS: [&str; 22] = [
    "infrastructure",
    "infra",
    "monitoring",
    "addons",
    "add-ons",
    "controllers",
    "crds",
    "platform",
    "system",
    "flux-system",
    "observability",
    "components",
    "bootstrap",
    "tenants",
    "tests",
    "example",
    "examples",
    "sample",
    "samples",
    "docs",
    "hack",
    "vendor",
];

/// Where the proposal is for.
pub struct Here<'a> {
    /// The repository.
    pub name: &'a RepoName,
    /// Repositories that may be sources: none that fewer people see than this one.
    pub sources: &'a [RepoName],
}

/// What is proposed; `None` where nothing speaks for itself.
pub fn propose(memory: &mut Memory<'_>, root: Oid, here: &Here<'_>) -> Option<Proposal> {
    let tree = &Tree::new(root, memory.objects);
    let candidates = Candidates::find(memory, tree);
    let images = candidates.found.values().flat_map(|one| one.images.keys());
    let whose = Whose::judge(&here.name.owner, images);
    let (places, left) = candidates.places(&whose);
    let apps = apps::guess(&places, &candidates.found, &whose, here);
    if places.is_empty() || apps.is_empty() {
        return None;
    }
    let inside = |one: &&Carriers| places.iter().any(|place| place.folders.values().any(|path| *path == one.folder));
    let foreign = candidates.found.values().filter(inside).flat_map(|one| one.images.keys());
    let foreign: BTreeSet<String> = foreign.filter(|image| !whose.is_ours(image)).cloned().collect();
    let draft = text::Draft {
        apps: &apps,
        places: &places,
        foreign: &foreign,
        left: &left,
        sources_known: !here.sources.is_empty(),
    };
    let text = text::write(&draft);
    // Whatever stands in the folders: what does not hold by our own rules is not proposed.
    let pipeline = config::parse(&config::FILE.parse().ok()?, &text).pipeline?;
    let notes = notes(tree, &pipeline);
    let questions = questions(&places, &apps, &candidates.found, left.len());
    Some(Proposal { text, pipeline, reasons: reasons(&places), questions, notes, cut: candidates.cut })
}

/// The folders that may be environments.
struct Candidates {
    found: Found,
    /// Whether they are kustomizations, and not just folders with manifests.
    overlays: bool,
    /// Whether there were more than are looked at.
    cut: bool,
}

impl Candidates {
    fn find(memory: &mut Memory<'_>, tree: &Tree<'_>) -> Self {
        let mut discovered = discover::overlays(tree);
        let overlays = !discovered.folders.is_empty();
        if !overlays {
            discovered = discover::plain(tree, &RepoPath::root());
        }
        let Discovered { mut folders, cut } = discovered;
        // Those whose names say something first, should there be too many.
        folders.sort_by_key(|folder| (Named::read(folder).is_none(), folder.clone()));
        let more = folders.len() > MAX_LOOKED;
        folders.truncate(MAX_LOOKED);
        let found: BTreeMap<_, _> =
            folders.iter().map(|folder| (folder.clone(), Carriers::of(memory, tree, folder))).collect();
        Self { found, overlays, cut: cut || more }
    }

    /// The environments, and what was not taken up.
    fn places(&self, whose: &Whose) -> (Vec<Place>, Vec<(RepoPath, &'static str)>) {
        let versioned: Vec<&Carriers> = self.found.values().filter(|one| one.is_versioned(whose)).collect();
        let apart =
            |one: &&&Carriers| one.folder.parts().any(|part| OTHERS.contains(&part.to_ascii_lowercase().as_str()));
        let named = versioned.iter().filter(|one| !apart(one)).filter_map(|one| Named::read(&one.folder));
        let (mut places, odd) = layout::places(&named.collect::<Vec<_>>());
        if places.is_empty() && self.overlays {
            // Charts alone say little: whatever runs in a cluster has some.
            let built =
                versioned.iter().filter(|one| !apart(one) && one.images.keys().any(|image| whose.is_ours(image)));
            places.extend(built.min_by_key(|one| one.folder.parts().count()).and_then(|one| unnamed(&one.folder)));
        }
        let taken = |folder: &RepoPath| places.iter().any(|place| place.folders.values().any(|path| path == folder));
        let why = |one: &&Carriers| match () {
            () if odd.contains(&one.folder) => "its path is another than that of the others",
            () if apart(&one) => "it looks like a part of the platform, or an example",
            () => "its name does not say which environment it is",
        };
        let left = versioned.iter().filter(|one| !taken(&one.folder)).map(|one| (one.folder.clone(), why(one)));
        let left = left.collect();
        (places, left)
    }
}

/// The one environment of a repository none of whose folders says what it is.
fn unnamed(folder: &RepoPath) -> Option<Place> {
    let name = if folder.is_root() { "prod".to_owned() } else { layout::slug(folder.name()) };
    let stage = Stage { takes: Takes::Releases, rank: 7 };
    let folders = BTreeMap::from([(String::new(), folder.clone())]);
    let path = folder.to_string();
    config::is_name(&name).then(|| Place { name, path, stage, word: String::new(), after: Vec::new(), folders })
}

fn reasons(places: &[Place]) -> Vec<(String, String)> {
    let why = |place: &Place| match place.word.is_empty() {
        true => "no folder's name says which environment it is; this one stands nearest to the top".to_owned(),
        false => format!("the folder is called {}", place.word),
    };
    places.iter().map(|place| (place.name.clone(), why(place))).collect()
}

/// What a person must answer.
fn questions(places: &[Place], apps: &[apps::Guess], found: &Found, left: usize) -> Vec<String> {
    let mut all = Vec::new();
    for app in apps.iter().filter(|app| app.source.is_none()) {
        all.push(format!(
            "Where are trunk and the tags of {}? Without `source`, they are taken to be in this repository.",
            app.name
        ));
    }
    if places.iter().any(|place| place.word.is_empty()) {
        all.push("Which environment is it, and which versions does it take? No folder's name says so.".to_owned());
    }
    let folders = places.iter().flat_map(|place| place.folders.values());
    for (folder, why) in folders.filter_map(|folder| Some((folder, found.get(folder)?.broken.as_ref()?))) {
        all.push(format!("{folder} does not render: {why}. Is that on purpose?"));
    }
    if left > 0 {
        let (folders, are) = if left == 1 { ("folder holds", "is") } else { ("folders hold", "are") };
        all.push(format!(
            "{left} more {folders} versions and {are} listed at the end of the file: does it belong to an environment?"
        ));
    }
    all
}

/// What a promotion would meet in each environment: versions that only a shared base sets, that Flux chooses, or that stand nowhere.
fn notes(tree: &Tree<'_>, pipeline: &Pipeline) -> Vec<(String, Problem)> {
    let mut shelf = Shelf::default();
    let mut notes = Vec::new();
    let pairs =
        pipeline.environments.iter().flat_map(|environment| pipeline.apps.iter().map(move |app| (environment, app)));
    for (environment, app) in pairs.take(MAX_TRIED) {
        let Some(folder) = environment.folder(&app.name).filter(|folder| tree.is_folder(folder)) else { continue };
        let mut all = met(&mut shelf, tree, &folder, app);
        all.sort();
        // A base may set an image in twenty places: one entry answers for all of them.
        let mut told = BTreeSet::new();
        all.retain(|problem| problem.help.is_none() || told.insert(problem.help.clone()));
        notes.extend(all.into_iter().map(|problem| (environment.name.clone(), problem)));
    }
    notes
}

fn met(shelf: &mut Shelf, tree: &Tree<'_>, folder: &RepoPath, app: &App) -> Vec<Problem> {
    let look = shelf.look(tree, folder, app);
    match versions::left_alone(&look.fields) {
        Some(left) if !look.fields.is_empty() && look.is_whole() => vec![left],
        _ => versions::shared_versions(tree, folder, app),
    }
}

#[cfg(test)]
mod tests;
