//! How folders fit together: which of them are one environment for several applications, and in which order versions pass.

use std::collections::{BTreeMap, BTreeSet};

use crate::config;
use crate::model::onboarding::{Stage, stage};
use crate::model::path::RepoPath;

/// A folder whose path says which environment it is.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) folder: RepoPath,
    parts: Vec<String>,
    /// Which part of the path says it.
    at: usize,
    pub(super) stage: Stage,
}

impl Named {
    pub(super) fn read(folder: &RepoPath) -> Option<Self> {
        let (at, stage) = stage(folder)?;
        let parts = folder.parts().map(str::to_owned).collect();
        Some(Self { folder: folder.clone(), parts, at, stage })
    }

    /// The part that says which environment it is.
    fn word(&self) -> &str {
        &self.parts[self.at]
    }

    /// Its path with the environment's part left open, and the application's when one is meant.
    fn shape(&self, app: Option<usize>) -> Vec<&str> {
        let open = |(at, part)| match at {
            at if at == self.at => "{environment}",
            at if Some(at) == app => "{app}",
            _ => part,
        };
        self.parts.iter().map(String::as_str).enumerate().map(open).collect()
    }
}

/// An environment as the folders suggest it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) name: String,
    /// Its path; may hold `{app}`.
    pub(super) path: String,
    pub(super) stage: Stage,
    /// What said so.
    pub(super) word: String,
    pub(super) after: Vec<String>,
    /// The folder of each application; of all, under an empty name, where the path has no `{app}`.
    pub(super) folders: BTreeMap<String, RepoPath>,
}

/// The environments, and the folders that would be of the same name but fit no common path.
pub(super) fn places(named: &[Named]) -> (Vec<Place>, Vec<RepoPath>) {
    let Some((chosen, app)) = best(named) else { return (Vec::new(), Vec::new()) };
    let mut places: BTreeMap<(u8, String), Place> = BTreeMap::new();
    let mut left = Vec::new();
    for one in named {
        let fits = one.shape(app) == chosen && app != Some(one.at);
        let name = slug(one.word());
        let app_name = app.and_then(|at| one.parts.get(at)).cloned().unwrap_or_default();
        if !fits || !config::is_name(&name) || app.is_some() && !config::is_name(&app_name) {
            left.push(one.folder.clone());
            continue;
        }
        let mut parts = one.parts.clone();
        if let Some(part) = app.and_then(|at| parts.get_mut(at)) {
            *part = "{app}".to_owned();
        }
        let path = parts.join("/");
        let place = places.entry((one.stage.rank, name.clone())).or_insert_with(|| Place {
            name,
            path: path.clone(),
            stage: one.stage,
            word: one.word().to_owned(),
            after: Vec::new(),
            folders: BTreeMap::new(),
        });
        // `Prod` and `prod` would be one name.
        if place.path == path && config::is_folder(&path) {
            place.folders.insert(app_name, one.folder.clone());
        } else {
            left.push(one.folder.clone());
        }
    }
    let mut places: Vec<Place> = places.into_values().filter(|place| !place.folders.is_empty()).collect();
    order(&mut places);
    (places, left)
}

/// Each environment comes after all of the nearest kind before it.
pub(super) fn order(places: &mut [Place]) {
    let ranks: BTreeSet<u8> = places.iter().map(|place| place.stage.rank).collect();
    let names: Vec<(u8, String)> = places.iter().map(|place| (place.stage.rank, place.name.clone())).collect();
    for place in places {
        let before = ranks.range(..place.stage.rank).next_back();
        let after = names.iter().filter(|(rank, _)| Some(rank) == before).map(|(_, name)| name.clone());
        place.after = after.collect();
    }
}

/// The shape that most folders have, with the place of the application's part; one without is preferred where it covers as many.
fn best(named: &[Named]) -> Option<(Vec<&str>, Option<usize>)> {
    let mut shapes: BTreeMap<(Vec<&str>, Option<usize>), BTreeSet<&RepoPath>> = BTreeMap::new();
    for one in named {
        let apps = (0..one.parts.len()).filter(|at| *at != one.at).map(Some);
        for app in std::iter::once(None).chain(apps) {
            shapes.entry((one.shape(app), app)).or_default().insert(&one.folder);
        }
    }
    let size = |((shape, app), folders): &((Vec<&str>, Option<usize>), BTreeSet<&RepoPath>)| {
        (folders.len(), app.is_none(), std::cmp::Reverse(shape.len()), std::cmp::Reverse(shape.join("/")))
    };
    shapes.into_iter().max_by_key(size).map(|(shape, _)| shape)
}

/// A name made of any text: lower-case letters, digits and dashes.
pub(super) fn slug(text: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let all: String = text.chars().map(letter).take(40).collect();
    let name = all.trim_matches('-');
    if name.is_empty() { "app".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(folders: &[&str]) -> Vec<String> {
        let named: Vec<Named> = folders.iter().filter_map(|path| Named::read(&path.parse().unwrap())).collect();
        let (places, left) = places(&named);
        let told = places.iter().map(|place| {
            let apps: Vec<&str> = place.folders.keys().map(String::as_str).filter(|app| !app.is_empty()).collect();
            format!("{} {} {:?} after {:?} {}", place.name, place.path, place.stage.takes, place.after, apps.join(","))
        });
        told.map(|line| line.trim_end().to_owned()).chain(left.iter().map(|path| format!("left {path}"))).collect()
    }

    #[test]
    fn one_folder_an_environment() {
        insta::assert_snapshot!(found(&["deploy/overlays/staging", "deploy/overlays/dev", "deploy/overlays/production"]).join("\n"), @r#"
        dev deploy/overlays/dev Trunk after []
        staging deploy/overlays/staging Prereleases after ["dev"]
        production deploy/overlays/production Releases after ["staging"]
        "#);
    }

    #[test]
    fn one_folder_an_application_and_environment() {
        let folders = ["apps/shop/dev", "apps/shop/prod", "apps/cart/dev", "apps/cart/prod", "infra/prod"];
        insta::assert_snapshot!(found(&folders).join("\n"), @r#"
        dev apps/{app}/dev Trunk after [] cart,shop
        prod apps/{app}/prod Releases after ["dev"] cart,shop
        left infra/prod
        "#);
        insta::assert_snapshot!(found(&["prod/shop", "prod/cart", "stage/shop"]).join("\n"), @r#"
        stage stage/{app} Prereleases after [] shop
        prod prod/{app} Releases after ["stage"] cart,shop
        "#);
    }

    #[test]
    fn regions_stand_side_by_side() {
        insta::assert_snapshot!(found(&["env/prod-eu", "env/prod-us", "env/qa", "env/uat"]).join("\n"), @r#"
        qa env/qa Prereleases after []
        uat env/uat Prereleases after ["qa"]
        prod-eu env/prod-eu Releases after ["uat"]
        prod-us env/prod-us Releases after ["uat"]
        "#);
    }
}
