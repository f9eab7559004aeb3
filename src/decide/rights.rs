//! Who may do what: one place every command passes through, and which denies what nobody granted.

use crate::command::Right as Act;
use crate::model::pipeline::Environment;
use crate::model::plan::Need;
use crate::model::snapshot::{Permission, Snapshot};

/// Whether somebody may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Right {
    /// They may.
    Granted,
    /// They may not, and why.
    Denied(String),
    /// Not known yet; the need has been noted.
    Unknown,
}

/// Whether `login` may do `act` in `environment`.
pub(super) fn may(
    snapshot: &Snapshot,
    login: &str,
    act: Act,
    environment: Option<&Environment>,
    needs: &mut Vec<Need>,
) -> Right {
    let (floor, word) = match act {
        // Rollback, freeze and bypass are granted by team alone; reading is the least anybody in such a team has.
        Act::Read | Act::Rollback | Act::Freeze | Act::Bypass => (Permission::Read, "read"),
        Act::Triage => (Permission::Triage, "triage"),
        Act::Promote | Act::Write => (Permission::Write, "write"),
    };
    let need = Need::Permission(login.to_owned());
    match (snapshot.facts.permissions.get(login), snapshot.facts.unmet.get(&need)) {
        (Some(permission), _) if *permission >= floor => {}
        (Some(_), _) => return Right::Denied(format!("it needs the {word} permission on this repository")),
        (None, Some(why)) => return Right::Denied(format!("your permission cannot be read: {why}")),
        (None, None) => {
            needs.push(need);
            return Right::Unknown;
        }
    }
    let Some(environment) = environment else { return Right::Granted };
    let (teams, name) = match act {
        Act::Read | Act::Triage | Act::Write => return Right::Granted,
        Act::Promote if environment.rights.promote.is_empty() => return Right::Granted,
        Act::Promote => (&environment.rights.promote, "promote"),
        Act::Rollback => (&environment.rights.rollback, "rollback"),
        Act::Freeze => (&environment.rights.freeze, "freeze"),
        Act::Bypass => (&environment.rights.bypass, "bypass"),
    };
    if teams.is_empty() {
        return Right::Denied(format!("no team has the {name} right in {}; list one under `rights`", environment.name));
    }
    let mut unknown = false;
    for team in teams {
        let need = Need::Member { team: team.clone(), login: login.to_owned() };
        match snapshot.facts.members.get(&(team.clone(), login.to_owned())) {
            Some(true) => return Right::Granted,
            Some(false) => {}
            None if snapshot.facts.unmet.contains_key(&need) => {}
            None => {
                needs.push(need);
                unknown = true;
            }
        }
    }
    if unknown { Right::Unknown } else { Right::Denied(format!("it needs a member of {}", teams.join(" or "))) }
}
