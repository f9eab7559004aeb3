//! Which applications the images speak of: those that travel together are one.

use std::collections::{BTreeMap, BTreeSet};

use super::Here;
use super::carriers::{Carriers, Whose};
use super::layout::{Place, slug};
use crate::model::id::RepoName;
use crate::model::path::RepoPath;
use crate::model::version::Version;

/// Applications of one proposal: a person is to read it.
const MAX_APPS: usize = 200;

/// An application as it is proposed.
#[derive(Debug, Clone, Default)]
pub(super) struct Guess {
    pub(super) name: String,
    pub(super) images: BTreeSet<String>,
    pub(super) charts: BTreeSet<String>,
    /// Where its tags probably are, when a repository bears the name; `None`: in this one, or nobody knows.
    pub(super) source: Option<RepoName>,
    /// Whether its image tags are versions without the `v` that git tags may have.
    pub(super) bare: bool,
}

/// What was found of each folder, by folder.
pub(super) type Found = BTreeMap<RepoPath, Carriers>;

/// The applications of these environments.
pub(super) fn guess(places: &[Place], found: &Found, whose: &Whose, here: &Here<'_>) -> Vec<Guess> {
    let mut names: BTreeSet<&String> = places.iter().flat_map(|place| place.folders.keys()).collect();
    let together = names.remove(&String::new());
    let mut guesses: Vec<Guess> = Vec::new();
    for name in names {
        let held: Vec<&Carriers> = held(places, found, name);
        let images: BTreeSet<String> = ours(&held, whose).map(|(image, _)| image.clone()).collect();
        let charts = held.iter().filter(|_| images.is_empty()).flat_map(|one| one.charts.clone()).collect();
        guesses.push(Guess { name: name.clone(), images, charts, ..Guess::default() });
    }
    if together {
        let held = held(places, found, "");
        for images in groups(&held, whose) {
            guesses.push(Guess { name: named(&images, here), images, ..Guess::default() });
        }
        if guesses.is_empty() {
            let charts: BTreeSet<&String> = held.iter().flat_map(|one| &one.charts).collect();
            let guess = |chart: &String| Guess {
                name: slug(last(chart)),
                charts: BTreeSet::from([chart.clone()]),
                ..Guess::default()
            };
            guesses.extend(charts.into_iter().map(guess));
        }
    }
    guesses.retain(|guess| !guess.images.is_empty() || !guess.charts.is_empty());
    once(&mut guesses);
    for guess in &mut guesses {
        guess.source = source(guess, here);
        guess.bare = is_bare(guess, found);
    }
    guesses
}

fn held<'f>(places: &[Place], found: &'f Found, app: &str) -> Vec<&'f Carriers> {
    places.iter().filter_map(|place| found.get(place.folders.get(app)?)).collect()
}

/// The images that are built here, with their tags.
fn ours<'f>(
    held: &[&'f Carriers],
    whose: &Whose,
) -> impl Iterator<Item = (&'f String, &'f BTreeSet<String>)> + use<'f> {
    let all: Vec<_> = held.iter().flat_map(|one| one.images.iter()).filter(|(image, _)| whose.is_ours(image)).collect();
    all.into_iter()
}

/// Images that have the same tag wherever both stand travel together.
fn groups(held: &[&Carriers], whose: &Whose) -> Vec<BTreeSet<String>> {
    let all: BTreeSet<&String> = ours(held, whose).map(|(image, _)| image).collect();
    let mut groups: Vec<BTreeSet<String>> = Vec::new();
    for image in all {
        let alike = |other: &String| {
            let mut both = held.iter().filter_map(|one| Some((one.images.get(image)?, one.images.get(other)?)));
            both.clone().next().is_some() && both.all(|(one, two)| one == two)
        };
        match groups.iter_mut().find(|group| group.iter().all(alike)) {
            Some(group) => drop(group.insert(image.clone())),
            None => groups.push(BTreeSet::from([image.clone()])),
        }
    }
    groups
}

/// What images that travel together are called: as they begin, else as the folder of their registry, else as the repository.
fn named(images: &BTreeSet<String>, here: &Here<'_>) -> String {
    let lasts: BTreeSet<&str> = images.iter().map(|image| last(image)).collect();
    if let (Some(first), true) = (lasts.first(), lasts.len() == 1) {
        return slug(first);
    }
    let words = |text: &str| text.split(['-', '_', '.']).map(str::to_owned).collect::<Vec<_>>();
    let mut common = words(lasts.first().copied().unwrap_or_default());
    for other in &lasts {
        let same = common.iter().zip(words(other)).take_while(|(a, b)| **a == *b).count();
        common.truncate(same);
    }
    if !common.is_empty() {
        return slug(&common.join("-"));
    }
    let above = |image: &String| image.rsplit_once('/').map(|(path, _)| path.to_owned());
    let folders: BTreeSet<Option<String>> = images.iter().map(above).collect();
    match (folders.len(), folders.first()) {
        // One part is a host or an account, which is no application.
        (1, Some(Some(folder))) if folder.matches('/').count() >= 2 => slug(last(folder)),
        _ => slug(&here.name.name),
    }
}

fn last(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, last)| last)
}

/// Names are given once, and an image to one application: the first that has it.
fn once(guesses: &mut Vec<Guess>) {
    let (mut names, mut images) = (BTreeSet::new(), BTreeSet::new());
    for guess in guesses.iter_mut() {
        guess.images.retain(|image| images.insert(image.clone()));
        let start = guess.name.clone();
        // As many applications as are taken need no higher number.
        for n in 2..=MAX_APPS {
            if names.insert(guess.name.clone()) {
                break;
            }
            guess.name = format!("{}-{n}", start.chars().take(36).collect::<String>().trim_end_matches('-'));
        }
    }
    guesses.retain(|guess| !guess.images.is_empty() || !guess.charts.is_empty());
    guesses.truncate(MAX_APPS);
}

/// The repository that bears the application's name, or with whose name all its images begin.
fn source(guess: &Guess, here: &Here<'_>) -> Option<RepoName> {
    let begins = |repo: &RepoName| {
        let name = repo.name.to_ascii_lowercase();
        let of = |image: &String| last(image) == name || last(image).starts_with(&format!("{name}-"));
        slug(&repo.name) == guess.name || !guess.images.is_empty() && guess.images.iter().all(of)
    };
    here.sources.iter().filter(|repo| *repo != here.name && begins(repo)).max_by_key(|repo| repo.name.len()).cloned()
}

/// Whether all versions among its tags lack the `v`; then git tags with and without are taken.
fn is_bare(guess: &Guess, found: &Found) -> bool {
    let images = found.values().flat_map(|one| one.images.iter()).filter(|(image, _)| guess.images.contains(*image));
    let tags = images.flat_map(|(_, tags)| tags).filter(|tag| Version::parse(tag).is_some());
    let mut tags = tags.filter(|tag| tag.contains('.')).peekable();
    tags.peek().is_some() && tags.all(|tag| tag.starts_with(|c: char| c.is_ascii_digit()))
}
