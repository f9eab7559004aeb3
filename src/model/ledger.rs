//! People's decisions, as they stand in git: one small file an (app, environment) on the branch `trunkline-ledger`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::id::{BadName, Oid};
use super::path::RepoPath;
use super::wide::{FREEZES, Freezes, OVERRIDES, Overrides};

/// The branch that holds the ledger; an orphan, so it shares no history with the environments.
pub const LEDGER_BRANCH: &str = "trunkline-ledger";

/// Decisions remembered by id, so that a repeated pass knows them; older ones are long acknowledged.
const MAX_DECISIONS: usize = 100;
/// Versions whose soak was skipped that are remembered: each is about one version, and older ones are long in.
const MAX_SKIPS: usize = 20;

/// Cancelled promotions remembered: only the newest version can come by itself, so older ones matter no more.
const MAX_CANCELLED: usize = 20;

/// Every entry of the ledger, read at one commit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// The tip it was read at; `None` when the branch does not exist yet.
    pub head: Option<Oid>,
    /// The entries by application, then environment.
    pub entries: BTreeMap<(String, String), Entry>,
    /// Files that could not be read, and why: promotions of that (app, environment) stop.
    pub problems: BTreeMap<(String, String), String>,
    /// The freezes.
    pub freezes: Freezes,
    /// What was accepted on single heads.
    pub overrides: Overrides,
    /// Files at the root that could not be read, and why: no environment takes anything, no override counts.
    pub unreadable: BTreeMap<String, String>,
    /// Why decisions that were there are there no more: nothing enters anywhere, and nothing is decided on top of what is left.
    pub lost: Option<String>,
}

/// What people decided about one application in one environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Entry {
    /// What the environment held when Trunkline first saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_sight: Option<FirstSight>,
    /// Tags that started something, pinned to their commit.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, TagPin>,
    /// Stops people put on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Hold>,
    /// Versions people asked for by `/promote`, newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<Request>,
    /// Rollbacks people asked for, newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rollbacks: Vec<Request>,
    /// Versions that need not soak, newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skips: Vec<Skip>,
    /// Promotions people cancelled, newest last: rejected until something newer or a `/promote`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cancelled: Vec<Cancelled>,
    /// The comments whose decisions are in here, newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<u64>,
}

/// The state Trunkline met and accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FirstSight {
    /// When.
    pub at: Timestamp,
    /// The image tag it held, when all of its images agreed on one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<String>,
    /// The trunk commit then, for what takes trunk: it and its ancestors start nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trunk: Option<Oid>,
    /// The tags that stood above what it held: they start nothing by themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<String>,
}

/// A tag as it was when it first started something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TagPin {
    /// The commit it named.
    pub commit: Oid,
    /// Who pushed it, when a delivery said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pusher: Option<String>,
    /// When it was recorded.
    pub at: Timestamp,
}

/// A person's stop on one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Hold {
    /// Whose.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
    /// Why; empty when not said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The comment that said it.
    pub link: String,
}

/// A version whose soak somebody skipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Skip {
    /// The version, as people call it.
    pub version: String,
    /// Its commit; no other need not soak.
    pub commit: Oid,
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// The comment that said it.
    pub link: String,
}

/// A version somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Request {
    /// The version: a tag, or a commit for what takes trunk.
    pub version: String,
    /// Its commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Oid>,
    /// Who asked.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// The comment that asked.
    pub link: String,
    /// Why order, `ships`, soak and windows are passed over, when they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced: Option<String>,
}

/// A promotion somebody cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Cancelled {
    /// What its branch was called after the environment and the application: version and commit.
    pub promotion: String,
    /// Who cancelled it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// The comment that said it.
    pub link: String,
}

impl Ledger {
    /// The file of an (app, environment) on the ledger branch.
    ///
    /// # Errors
    /// When a name is no path part, which the configuration rules out.
    pub fn path(app: &str, environment: &str) -> Result<RepoPath, BadName> {
        format!("{environment}/{app}.yaml").parse()
    }

    /// The entry of an (app, environment), empty when none was written.
    pub fn entry(&self, app: &str, environment: &str) -> Entry {
        self.entries.get(&(app.to_owned(), environment.to_owned())).cloned().unwrap_or_default()
    }

    /// Why nobody knows what was decided about an (app, environment).
    pub fn trouble(&self, app: &str, environment: &str) -> Option<&str> {
        let own = self.problems.get(&(app.to_owned(), environment.to_owned()));
        self.lost.as_ref().or(own).map(String::as_str)
    }

    /// Why nobody knows what a file at the root says.
    pub fn wide_trouble(&self, file: &str) -> Option<&str> {
        self.lost.as_ref().or_else(|| self.unreadable.get(file)).map(String::as_str)
    }

    /// Adds the file at `path` to what was read.
    pub fn read(&mut self, path: &RepoPath, text: &str) {
        let unreadable = |error: serde_yaml::Error| format!("`{path}` on `{LEDGER_BRANCH}`: {error}");
        let wide = match path.as_str() {
            FREEZES => serde_yaml::from_str(text).map(|freezes| self.freezes = freezes),
            OVERRIDES => serde_yaml::from_str(text).map(|overrides| self.overrides = overrides),
            _ => Ok(()),
        };
        if let Err(error) = wide {
            self.unreadable.insert(path.to_string(), unreadable(error));
        }
        let Some(key) = key_of(path) else { return };
        match serde_yaml::from_str(text) {
            Ok(entry) => drop(self.entries.insert(key, entry)),
            Err(error) => drop(self.problems.insert(key, unreadable(error))),
        }
    }

    /// Forgets what a file says, and why it does not count.
    pub(super) fn distrust(&mut self, path: &RepoPath, why: &str) {
        match path.as_str() {
            FREEZES => self.freezes = Freezes::default(),
            OVERRIDES => self.overrides = Overrides::default(),
            _ => {
                let Some(key) = key_of(path) else { return };
                self.entries.remove(&key);
                self.problems.insert(key, why.to_owned());
                return;
            }
        }
        self.unreadable.insert(path.to_string(), why.to_owned());
    }
}

/// Which application and environment a file is about.
fn key_of(path: &RepoPath) -> Option<(String, String)> {
    let (environment, app) = path.as_str().strip_suffix(".yaml")?.split_once('/')?;
    Some((app.to_owned(), environment.to_owned()))
}

impl Request {
    /// What the branch of its promotion is called after the environment and the application.
    pub fn promotion(&self) -> Option<String> {
        self.commit.map(|commit| promotion_name(&self.version, commit))
    }
}

/// What the branch of a promotion is called after the environment and the application: a version and its commit, or the commit alone
/// where that is the version.
pub fn promotion_name(version: &str, commit: Oid) -> String {
    let short = commit.short();
    if version == short { short } else { format!("{version}-{short}") }
}

impl Entry {
    /// The file's text.
    ///
    /// # Errors
    /// Never for these types; the error is the serialiser's own.
    pub fn write(&self) -> Result<String, serde_yaml::Error> {
        serde_yaml::to_string(self)
    }

    /// Cancels a promotion: what asked for it is withdrawn, and its version stays out until somebody asks for it again.
    pub fn cancel(&mut self, cancelled: Cancelled) {
        let other = |request: &Request| request.promotion().as_ref() != Some(&cancelled.promotion);
        self.requests.retain(other);
        self.rollbacks.retain(other);
        self.lift(&cancelled.promotion);
        self.cancelled.push(cancelled);
        let excess = self.cancelled.len().saturating_sub(MAX_CANCELLED);
        self.cancelled.drain(..excess);
    }

    /// Lets a cancelled promotion come again.
    pub fn lift(&mut self, promotion: &str) {
        self.cancelled.retain(|cancelled| cancelled.promotion != promotion);
    }

    /// Whether the comment's decision is already in here.
    pub fn has_decision(&self, comment: u64) -> bool {
        self.decisions.contains(&comment)
    }

    /// Remembers that the comment's decision is in here.
    pub fn decided(&mut self, comment: u64) {
        remember(&mut self.decisions, comment);
    }

    /// Holds it; what the same person held it for before no longer counts.
    pub fn hold(&mut self, hold: Hold) {
        self.holds.retain(|old| !old.by.eq_ignore_ascii_case(&hold.by));
        self.holds.push(hold);
    }

    /// Skips the soak of one version.
    pub fn skip_soak(&mut self, skip: Skip) {
        self.skips.retain(|old| old.commit != skip.commit);
        self.skips.push(skip);
        let excess = self.skips.len().saturating_sub(MAX_SKIPS);
        self.skips.drain(..excess);
    }
}

/// Adds a comment to the decisions that are remembered, once.
pub(super) fn remember(decisions: &mut Vec<u64>, comment: u64) {
    if decisions.last() != Some(&comment) {
        decisions.push(comment);
    }
    let excess = decisions.len().saturating_sub(MAX_DECISIONS);
    decisions.drain(..excess);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_survive_a_round_trip_and_broken_ones_are_named() {
        let entry = Entry {
            holds: vec![Hold {
                by: "ann".into(),
                at: "2026-11-20T10:00:00Z".parse().unwrap(),
                reason: "db: migration\n# not a comment".into(),
                link: "https://github.com/acme/env/issues/1#issuecomment-1".into(),
            }],
            decisions: vec![1],
            ..Entry::default()
        };
        let mut ledger = Ledger::default();
        let path = Ledger::path("shop", "prod").unwrap();
        ledger.read(&path, &entry.write().unwrap());
        assert_eq!(ledger.entry("shop", "prod"), entry);
        ledger.read(&path, "holds: 7");
        assert!(ledger.problems[&("shop".into(), "prod".into())].contains("prod/shop.yaml"));
        ledger.read(&FREEZES.parse().unwrap(), "freezes: [{by: sue}]");
        assert!(ledger.unreadable[FREEZES].contains("missing field"), "{:?}", ledger.unreadable);
    }

    #[test]
    fn e66_several_people_hold_at_once_each_with_one_reason() {
        let hold = |by: &str, reason: &str| Hold {
            by: by.into(),
            at: "2026-11-20T10:00:00Z".parse().unwrap(),
            reason: reason.into(),
            link: String::new(),
        };
        let mut entry = Entry::default();
        for hold in [hold("ann", "first"), hold("ben", "mine"), hold("Ann", "second")] {
            entry.hold(hold);
        }
        let told: Vec<String> = entry.holds.iter().map(|hold| format!("{}: {}", hold.by, hold.reason)).collect();
        assert_eq!(told, ["ben: mine", "Ann: second"]);
    }
}
