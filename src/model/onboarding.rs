//! Meeting a repository: what is proposed to one without a configuration, and the desk it gets once it has one.

use super::finding::Problem;
use super::path::RepoPath;
use super::pipeline::{Pipeline, Takes};

/// The branch of the one pull request that proposes a configuration.
pub const ONBOARDING_BRANCH: &str = "trunkline/onboarding";

/// A configuration that a repository's folders speak for.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// The whole file.
    pub text: String,
    /// What it says.
    pub pipeline: Pipeline,
    /// Why each environment was taken for what it says, by name.
    pub reasons: Vec<(String, String)>,
    /// What nothing answers, as sentences.
    pub questions: Vec<String>,
    /// What keeps a version from being written in an environment, or will be done with the first promotion there.
    pub notes: Vec<(String, Problem)>,
    /// Whether there was more to look at than is looked at.
    pub cut: bool,
}

/// The issue that is the desk for commands that belong to no pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Desk {
    /// There is none yet.
    Missing,
    /// It is open.
    Open {
        /// Its number.
        number: u64,
        /// Its text.
        body: String,
    },
    /// Somebody closed it.
    Closed,
}

/// What an environment's name commonly means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// The versions it takes.
    pub takes: Takes,
    /// How near it is to production, from 0.
    pub rank: u8,
}

/// Names people give environments.
const NAMES: [(&str, Takes, u8); 19] = [
    ("dev", Takes::Trunk, 0),
    ("develop", Takes::Trunk, 0),
    ("development", Takes::Trunk, 0),
    ("int", Takes::Trunk, 1),
    ("integration", Takes::Trunk, 1),
    ("test", Takes::Prereleases, 2),
    ("testing", Takes::Prereleases, 2),
    ("qa", Takes::Prereleases, 3),
    ("uat", Takes::Prereleases, 4),
    ("stg", Takes::Prereleases, 5),
    ("stage", Takes::Prereleases, 5),
    ("staging", Takes::Prereleases, 5),
    ("preprod", Takes::Prereleases, 6),
    ("preproduction", Takes::Prereleases, 6),
    ("nonprod", Takes::Prereleases, 6),
    ("prod", Takes::Releases, 7),
    ("production", Takes::Releases, 7),
    ("live", Takes::Releases, 7),
    ("prd", Takes::Releases, 7),
];

/// What a folder's path says it is: the place of the part that says it, from 0, and what it says. The last part counts most.
pub fn stage(folder: &RepoPath) -> Option<(usize, Stage)> {
    let parts: Vec<&str> = folder.parts().collect();
    parts.iter().enumerate().rev().find_map(|(at, part)| Some((at, stage_of(part)?)))
}

/// What one name says it is.
fn stage_of(name: &str) -> Option<Stage> {
    let words: Vec<&str> = name.split(['-', '_', '.']).collect();
    let known = |word: &str| NAMES.iter().find(|(known, ..)| word.eq_ignore_ascii_case(known));
    let at = words.iter().position(|word| known(word).is_some())?;
    let (_, takes, rank) = known(words[at])?;
    let before = at.checked_sub(1).map(|at| words[at].to_ascii_lowercase()).unwrap_or_default();
    // `pre-prod` and `non-prod` are anything but production.
    Some(match (takes, before.as_str()) {
        (Takes::Releases, "pre" | "non") => Stage { takes: Takes::Prereleases, rank: 6 },
        _ => Stage { takes: *takes, rank: *rank },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_what_people_mean() {
        let said = |path: &str| stage(&path.parse().unwrap()).map(|(at, stage)| (at, stage.takes));
        assert_eq!(said("environments/dev"), Some((1, Takes::Trunk)));
        assert_eq!(said("apps/shop/Staging"), Some((2, Takes::Prereleases)));
        assert_eq!(said("clusters/prod-eu/apps"), Some((1, Takes::Releases)));
        assert_eq!(said("dev/production"), Some((1, Takes::Releases)));
        assert_eq!(said("overlays/pre-prod"), Some((1, Takes::Prereleases)));
        assert_eq!(said("overlays/nonprod"), Some((1, Takes::Prereleases)));
        assert_eq!(said("kustomize/tests/memorystore"), None);
        assert_eq!(said("devices/product"), None);
        assert_eq!(said("."), None);
    }
}
