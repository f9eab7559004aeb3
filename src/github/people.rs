//! What people may do, asked about one person at a time; every doubt is a no.

use serde::Deserialize;

use super::calls::Op;
use super::client::{Ask, Who};
use super::error::{ApiError, Kind};
use super::{GitHub, RepoAt};
use crate::model::id::InstallationId;
use crate::model::snapshot::Permission;

impl GitHub {
    /// What a login may do in a repository; nothing when GitHub does not know it there.
    ///
    /// # Errors
    /// When GitHub does not answer well; the caller then grants nothing.
    pub async fn permission(&self, at: &RepoAt, login: &str) -> Result<Permission, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            permission: String,
            #[serde(default)]
            role_name: String,
        }
        let ask = Ask::new(Op::Permission, at, &[&at.name.owner, &at.name.name, login]);
        let answer: Answer = match self.client.send(ask).await {
            Ok(answer) => answer.json()?,
            Err(error) if error.kind == Kind::Gone => return Ok(Permission::None),
            Err(error) => return Err(error),
        };
        // A custom role has a name of its own; `permission` is then the base role it extends.
        Ok(named(&answer.role_name).or_else(|| named(&answer.permission)).unwrap_or(Permission::None))
    }

    /// Whether a login is an active member of a team, sub-teams included.
    ///
    /// # Errors
    /// When GitHub does not answer well; the caller then counts nobody as a member.
    pub async fn team_member(
        &self,
        installation: InstallationId,
        org: &str,
        team: &str,
        login: &str,
    ) -> Result<bool, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            state: String,
        }
        let ask = Ask::new(Op::Member, Who::Installation(installation), &[org, team, login]);
        match self.client.send(ask).await {
            Ok(answer) => Ok(answer.json::<Answer>()?.state == "active"),
            Err(error) if error.kind == Kind::Gone => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn named(role: &str) -> Option<Permission> {
    Some(match role {
        "none" => Permission::None,
        "read" | "pull" => Permission::Read,
        "triage" => Permission::Triage,
        "write" | "push" => Permission::Write,
        "maintain" => Permission::Maintain,
        "admin" => Permission::Admin,
        _ => return None,
    })
}
