//! Decisions that are wider than one (app, environment): freezes, and what was accepted on one commit. Each kind has one file at the
//! ledger's root.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::id::Oid;
use super::ledger::remember;

/// The file of the freezes.
pub const FREEZES: &str = "freezes.yaml";
/// The file of the overrides.
pub const OVERRIDES: &str = "overrides.yaml";

/// Freezes that stand at once; people make them by hand, a few a year.
const MAX_FREEZES: usize = 50;
/// Environments named in one file, so that it stays within what is read of a ledger's file.
const MAX_NAMES: usize = 2_000;
/// Overrides that are remembered, newest last: whoever has more open at once has a rule to change. What is forgotten fails again.
const MAX_OVERRIDES: usize = 200;

/// Every freeze that stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Freezes {
    /// The freezes, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freezes: Vec<Freeze>,
    /// The comments whose decisions are in here, newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<u64>,
}

/// A stop with a reason and, usually, an end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Freeze {
    /// Whose.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when; `None`: until somebody lifts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: String,
    /// The environments that are frozen, by name.
    pub environments: Vec<String>,
    /// The label that lets one pull request through, when somebody with the freeze right set it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub except: Option<String>,
    /// The comment that said it.
    pub link: String,
}

impl Freeze {
    /// Whether it still counts.
    pub fn stands(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl Freezes {
    /// The freezes that stand on an environment now.
    pub fn on<'a>(&'a self, environment: &'a str, now: Timestamp) -> impl Iterator<Item = &'a Freeze> {
        let here = move |freeze: &&Freeze| freeze.environments.iter().any(|name| name == environment);
        self.freezes.iter().filter(move |freeze| freeze.stands(now)).filter(here)
    }

    /// Adds a freeze; what the same person said before about the same environments no longer counts.
    pub fn add(&mut self, freeze: Freeze) {
        let mine = |old: &Freeze| old.by.eq_ignore_ascii_case(&freeze.by);
        for old in self.freezes.iter_mut().filter(|old| mine(old)) {
            old.environments.retain(|name| !freeze.environments.contains(name));
        }
        self.freezes.push(freeze);
        self.tidy();
    }

    /// Whether another freeze of so many environments has no room.
    pub fn is_full(&self, environments: usize, now: Timestamp) -> bool {
        let standing = || self.freezes.iter().filter(|freeze| freeze.stands(now));
        let names: usize = standing().map(|freeze| freeze.environments.len()).sum();
        standing().count() >= MAX_FREEZES || names + environments > MAX_NAMES
    }

    /// Lifts every freeze of these environments, whoever's.
    pub fn lift(&mut self, environments: &[&str]) {
        for freeze in &mut self.freezes {
            freeze.environments.retain(|name| !environments.contains(&name.as_str()));
        }
        self.tidy();
    }

    /// Drops what ended by now.
    pub fn expire(&mut self, now: Timestamp) {
        self.freezes.retain(|freeze| freeze.stands(now));
    }

    fn tidy(&mut self) {
        self.freezes.retain(|freeze| !freeze.environments.is_empty());
    }

    /// Remembers that the comment's decision is in here.
    pub fn decided(&mut self, comment: u64) {
        remember(&mut self.decisions, comment);
    }
}

/// What people accepted, each on one head of one pull request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Overrides {
    /// The overrides, newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Override>,
    /// The comments whose decisions are in here, newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<u64>,
}

/// One thing somebody accepted on one head of one pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Override {
    /// The pull request.
    pub pull: u64,
    /// Its head.
    pub head: Oid,
    /// The rule whose findings are accepted, or `gates`.
    pub rule: String,
    /// The environments it was said for, whose bypass teams the person is in.
    pub environments: Vec<String>,
    /// Whose word it is.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// The comment that said it.
    pub link: String,
}

impl Override {
    /// Whether it is about this head and rule.
    pub fn is(&self, pull: u64, head: Oid, rule: &str) -> bool {
        self.pull == pull && self.head == head && self.rule.eq_ignore_ascii_case(rule)
    }
}

impl Overrides {
    /// What was accepted on this head of this pull request.
    pub fn on(&self, pull: u64, head: Oid) -> impl Iterator<Item = &Override> {
        self.overrides.iter().filter(move |one| one.pull == pull && one.head == head)
    }

    /// Adds one; a newer word about the same thing takes the place of the older.
    pub fn add(&mut self, new: Override) {
        self.cancel(new.pull, new.head, &new.rule);
        self.overrides.push(new);
        let names = |all: &[Override]| all.iter().map(|one| one.environments.len()).sum::<usize>();
        // Ends when one is left at the latest.
        while self.overrides.len() > MAX_OVERRIDES || self.overrides.len() > 1 && names(&self.overrides) > MAX_NAMES {
            self.overrides.remove(0);
        }
    }

    /// Takes it back.
    pub fn cancel(&mut self, pull: u64, head: Oid, rule: &str) {
        self.overrides.retain(|one| !one.is(pull, head, rule));
    }

    /// Remembers that the comment's decision is in here.
    pub fn decided(&mut self, comment: u64) {
        remember(&mut self.decisions, comment);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn freeze(by: &str, environments: &[&str], until: Option<&str>) -> Freeze {
        Freeze {
            by: by.into(),
            since: "2026-11-20T10:00:00Z".parse().unwrap(),
            until: until.map(|until| until.parse().unwrap()),
            reason: "the fair is on".into(),
            environments: environments.iter().map(|name| (*name).into()).collect(),
            except: None,
            link: "https://github.com/acme/env/issues/1#issuecomment-1".into(),
        }
    }

    fn told(freezes: &Freezes) -> String {
        let told = freezes.freezes.iter().map(|freeze| format!("{}:{}", freeze.by, freeze.environments.join("+")));
        told.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn several_people_freeze_and_the_newest_word_of_each_counts() {
        let mut freezes = Freezes::default();
        freezes.add(freeze("sue", &["stage", "prod"], None));
        freezes.add(freeze("sam", &["prod"], None));
        freezes.add(freeze("Sue", &["prod"], Some("2026-11-20T12:00:00Z")));
        assert_eq!(told(&freezes), "sue:stage sam:prod Sue:prod");
        let on = |at: &str| freezes.on("prod", at.parse().unwrap()).map(|f| f.by.as_str()).collect::<Vec<_>>();
        assert_eq!(on("2026-11-20T11:59:59Z"), ["sam", "Sue"]);
        assert_eq!(on("2026-11-20T12:00:00Z"), ["sam"]);
        freezes.expire("2026-11-20T12:00:00Z".parse().unwrap());
        freezes.lift(&["stage"]);
        assert_eq!(told(&freezes), "sam:prod");
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        assert!(!freezes.is_full(2, now) && freezes.is_full(2_000, now));
        (0..49).for_each(|n| freezes.add(freeze(&format!("p{n}"), &["prod"], None)));
        assert!(freezes.is_full(1, now));
    }

    #[test]
    fn an_override_is_about_one_head_and_forgotten_when_there_are_too_many() {
        let head = |n: u8| Oid([n; 20]);
        let one = |n: u8| Override {
            pull: 7,
            head: head(n),
            rule: "IMG-001".into(),
            environments: vec!["prod".into()],
            by: "sue".into(),
            at: "2026-11-20T10:00:00Z".parse().unwrap(),
            reason: "once".into(),
            link: String::new(),
        };
        let mut overrides = Overrides::default();
        (0..=200).for_each(|n| overrides.add(one(n)));
        overrides.add(one(200));
        assert_eq!(overrides.overrides.len(), 200);
        assert_eq!((overrides.on(7, head(0)).count(), overrides.on(7, head(1)).count()), (0, 1));
        assert_eq!(overrides.on(8, head(1)).count(), 0);
        overrides.cancel(7, head(1), "img-001");
        assert_eq!(overrides.on(7, head(1)).count(), 0);
    }
}
