//! Deployments: what GitHub shows of what runs where. They have no natural key, so they are found before they are made.

use serde::Deserialize;
use serde_json::json;

use super::calls::Op;
use super::client::Ask;
use super::error::ApiError;
use super::wire::{ActorNode, Nodes, actor};
use super::{GitHub, RepoAt};
use crate::model::id::{Oid, RepoId};
use crate::model::merging::{Deployment, DeploymentState};
use crate::model::plan::{DeploymentStatus, NewDeployment};
use crate::model::snapshot::Bot;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    database_id: u64,
    deployments: Nodes<DeploymentNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeploymentNode {
    database_id: Option<u64>,
    commit_oid: Oid,
    state: Option<String>,
    environment: Option<String>,
    creator: Option<ActorNode>,
}

impl GitHub {
    /// Our newest deployments to these environments, oldest first; what others deploy there is theirs.
    ///
    /// # Errors
    /// `Denied` or `Invalid` where the permission was not granted.
    pub async fn deployments(
        &self,
        at: &RepoAt,
        bot: &Bot,
        environments: &[String],
    ) -> Result<Vec<Deployment>, ApiError> {
        let page: Page = self.ask(Op::Deployments, at, json!({ "environments": environments })).await?;
        super::observe::same(at, RepoId(page.database_id))?;
        let ours = page.deployments.into_vec().into_iter().filter_map(|node| node.deployment(bot));
        let mut ours: Vec<Deployment> = ours.collect();
        ours.sort_by_key(|deployment| deployment.id);
        Ok(ours)
    }

    /// Creates a deployment and says how it stands; its number.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn deploy(&self, at: &RepoAt, new: &NewDeployment) -> Result<u64, ApiError> {
        #[derive(Deserialize)]
        struct Created {
            id: u64,
        }
        let ask = Ask::new(Op::CreateDeployment, at, &[&at.name.owner, &at.name.name]).body(json!({
            "ref": new.commit.to_string(),
            "environment": new.environment,
            "description": new.description,
            "payload": { "trunkline": { "app": new.app } },
            // GitHub's defaults would merge the default branch into the ref, and refuse while any check is red.
            "auto_merge": false,
            "required_contexts": [],
        }));
        let created: Created = self.client.send(ask).await?.json()?;
        self.set_deployment(at, created.id, &new.status).await?;
        Ok(created.id)
    }

    /// Says how a deployment stands.
    ///
    /// # Errors
    /// When GitHub refuses, or the deployment is gone.
    pub async fn set_deployment(&self, at: &RepoAt, id: u64, status: &DeploymentStatus) -> Result<(), ApiError> {
        let mut body = json!({
            "state": match status.state {
                DeploymentState::Pending => "pending",
                DeploymentState::Queued => "queued",
                DeploymentState::InProgress => "in_progress",
                DeploymentState::Success => "success",
                DeploymentState::Failure => "failure",
                DeploymentState::Inactive => "inactive",
            },
            "description": status.description,
        });
        if !status.log_url.is_empty() {
            body["log_url"] = status.log_url.as_str().into();
        }
        if let Some(url) = &status.environment_url {
            body["environment_url"] = url.as_str().into();
        }
        let ask = Ask::new(Op::SetDeployment, at, &[&at.name.owner, &at.name.name, &id.to_string()]);
        self.client.send(ask.body(body)).await.map(drop)
    }
}

impl DeploymentNode {
    fn deployment(self, bot: &Bot) -> Option<Deployment> {
        let ours = bot.is(&actor(self.creator));
        let state = match self.state.as_deref().unwrap_or("PENDING") {
            "ACTIVE" | "SUCCESS" => DeploymentState::Success,
            "QUEUED" | "WAITING" => DeploymentState::Queued,
            "IN_PROGRESS" => DeploymentState::InProgress,
            "ERROR" | "FAILURE" => DeploymentState::Failure,
            "INACTIVE" | "DESTROYED" => DeploymentState::Inactive,
            // `ABANDONED` too: GitHub gave up waiting for a word.
            _ => DeploymentState::Pending,
        };
        let (id, environment) = (self.database_id?, self.environment?);
        ours.then_some(Deployment { id, environment, commit: self.commit_oid, state })
    }
}
