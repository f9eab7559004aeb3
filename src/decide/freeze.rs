//! The gate `frozen`: while a freeze stands nothing enters, except for rollbacks and what the freeze itself exempted.
//!
//! It only ever waits, so that a check never fails because of it. An exemption is a label, and a label counts for who set it: any
//! triager can label, and anybody can name a branch.

use super::gates::date;
use super::rights::{self, Right};
use super::texts;
use crate::command::Right as Act;
use crate::model::pipeline::Environment;
use crate::model::plan::Need;
use crate::model::snapshot::{Pull, Snapshot};
use crate::model::verdict::Verdict;
use crate::model::wide::{FREEZES, Freeze};

/// One gate for each freeze that stands on an environment; `pull` is the way in, once there is one.
pub(super) fn gates(
    snapshot: &Snapshot,
    environment: &Environment,
    pull: Option<&Pull>,
    needs: &mut Vec<Need>,
) -> Vec<Verdict> {
    let ledger = &snapshot.common.ledger;
    if let Some(problem) = ledger.wide_trouble(FREEZES) {
        let text = format!("nobody knows what is frozen: {problem}");
        return vec![Verdict::wait("frozen", text).next(texts::MEND_LEDGER)];
    }
    let standing = ledger.freezes.on(&environment.name, snapshot.common.now);
    standing.map(|freeze| gate(snapshot, environment, (freeze, pull), needs)).collect()
}

fn gate(
    snapshot: &Snapshot,
    environment: &Environment,
    (freeze, pull): (&Freeze, Option<&Pull>),
    needs: &mut Vec<Need>,
) -> Verdict {
    let mut text = format!("frozen by {} since {}: {}", freeze.by, date(freeze.since), freeze.reason);
    let verdict = match exemption(snapshot, environment, (freeze, pull), needs) {
        Exemption::Counts(why) => {
            let until = freeze.until.map_or_else(String::new, |until| format!(", until {}", date(until)));
            Verdict::yes("frozen", format!("{text}{until}; exempt, because {why}"))
        }
        other => {
            if let Exemption::Refused(why) = other {
                text.push_str(&format!(" ({why})"));
            }
            let mut next = format!("somebody with the freeze right comments `/unfreeze {}`", environment.name);
            if let Some(label) = &freeze.except {
                next.push_str(&format!(", or sets the label `{label}` on the pull request that may pass"));
            }
            Verdict::wait("frozen", text).next(next)
        }
    };
    match freeze.until {
        Some(until) => verdict.until(until),
        None => verdict,
    }
}

/// Whether a pull request is what the freeze exempted.
enum Exemption {
    /// It is not.
    None,
    /// It carries the label, which does not count, and why.
    Refused(String),
    /// It is, and why.
    Counts(String),
}

fn exemption(
    snapshot: &Snapshot,
    environment: &Environment,
    (freeze, pull): (&Freeze, Option<&Pull>),
    needs: &mut Vec<Need>,
) -> Exemption {
    let (Some(label), Some(pull)) = (&freeze.except, pull) else { return Exemption::None };
    // GitHub's labels differ by more than their case.
    if !pull.labels.iter().any(|name| name.to_lowercase() == label.to_lowercase()) {
        return Exemption::None;
    }
    let key = (pull.brief.number, label.clone());
    let Some(found) = snapshot.facts.labelled.get(&key) else {
        let need = Need::Labelled { number: key.0, label: key.1 };
        return match snapshot.facts.unmet.get(&need) {
            Some(why) => Exemption::Refused(format!("who set the label `{label}` cannot be read: {why}")),
            None => {
                needs.push(need);
                Exemption::Refused(format!("looking up who set the label `{label}`"))
            }
        };
    };
    let Some(set) = found else { return Exemption::None };
    if set.by.bot {
        return Exemption::Refused(format!("the label `{label}` does not count: the bot {} set it", set.by.login));
    }
    match rights::may(snapshot, &set.by.login, Act::Freeze, Some(environment), needs) {
        Right::Granted => Exemption::Counts(format!("{} set the label `{label}` at {}", set.by.login, date(set.at))),
        Right::Denied(why) => {
            Exemption::Refused(format!("the label `{label}` does not count, because {} set it: {why}", set.by.login))
        }
        Right::Unknown => Exemption::Refused(format!("looking up the rights of {}, who set `{label}`", set.by.login)),
    }
}
