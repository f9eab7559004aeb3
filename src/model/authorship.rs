//! Who wrote the ledger. Whoever may push could invent a decision, so an entry counts only as we wrote it: what somebody else
//! made of a file stops what the file is about, until it reads again as we left it.

use std::collections::BTreeMap;

use super::id::Oid;
use super::ledger::{LEDGER_BRANCH, Ledger};
use super::path::RepoPath;

/// One commit on the first-parent line of the ledger's branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub commit: Oid,
    /// The files it changed, and what they hold since: nothing, where it deleted one.
    pub files: Vec<(RepoPath, Option<Oid>)>,
}

/// Who made a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Writer {
    /// This App, and GitHub signed for it.
    Us,
    /// Somebody else, in words.
    Other(String),
}

/// What is known of the ledger's files at one commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Authorship {
    ours: BTreeMap<RepoPath, Option<Oid>>,
    foreign: BTreeMap<RepoPath, String>,
}

impl Authorship {
    /// Takes in the next newer commit.
    pub fn step(&mut self, step: &Step, writer: &Writer) {
        for (path, held) in &step.files {
            match writer {
                Writer::Us => {
                    self.ours.insert(path.clone(), *held);
                    self.foreign.remove(path);
                }
                Writer::Other(_) if self.ours.get(path).copied().flatten() == *held => {
                    self.foreign.remove(path);
                }
                Writer::Other(who) => {
                    let why = format!(
                        "`{path}` on `{LEDGER_BRANCH}` is no longer as Trunkline wrote it: {who} changed it in {}",
                        step.commit.short()
                    );
                    self.foreign.insert(path.clone(), why);
                }
            }
        }
    }

    /// Takes out of the ledger what others wrote into it.
    pub fn strip(&self, ledger: &mut Ledger) {
        self.foreign.iter().for_each(|(path, why)| ledger.distrust(path, why));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ledger::{Entry, Hold};
    use crate::model::wide::FREEZES;

    fn oid(n: u8) -> Oid {
        Oid([n; 20])
    }

    fn step(n: u8, path: &str, held: Option<u8>) -> Step {
        Step { commit: oid(n), files: vec![(path.parse().unwrap(), held.map(oid))] }
    }

    #[test]
    fn what_others_write_does_not_count_until_it_is_taken_back() {
        let ben = Writer::Other("ben".into());
        let path = "prod/shop.yaml";
        let mut known = Authorship::default();
        known.step(&step(1, path, Some(11)), &Writer::Us);
        known.step(&step(2, path, Some(12)), &ben);
        let hold =
            Hold { by: "ann".into(), at: jiff::Timestamp::UNIX_EPOCH, reason: String::new(), link: String::new() };
        let entry = Entry { holds: vec![hold], ..Entry::default() };
        let read = |known: &Authorship| {
            let mut ledger = Ledger::default();
            ledger.read(&path.parse().unwrap(), &entry.write().unwrap());
            known.strip(&mut ledger);
            ledger
        };
        let ledger = read(&known);
        assert!(ledger.entries.is_empty(), "{ledger:?}");
        let why = &ledger.problems[&("shop".into(), "prod".into())];
        assert_eq!(
            why,
            "`prod/shop.yaml` on `trunkline-ledger` is no longer as Trunkline wrote it: ben changed it in 0202020"
        );
        // A revert makes it what we wrote.
        known.step(&step(3, path, Some(11)), &ben);
        assert_eq!(read(&known).entry("shop", "prod"), entry);
        // A file that we never wrote, and one of ours that is gone.
        known.step(&step(4, FREEZES, Some(14)), &ben);
        known.step(&step(5, path, None), &ben);
        let ledger = read(&known);
        assert!(ledger.unreadable.contains_key(FREEZES) && ledger.problems.len() == 1, "{ledger:?}");
        known.step(&step(6, FREEZES, None), &ben);
        assert!(read(&known).unreadable.is_empty());
    }
}
