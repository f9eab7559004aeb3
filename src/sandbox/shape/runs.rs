//! Check suites, check runs, statuses, deployments.

use serde_json::{Value, json};

use super::super::cx::{Cx, iso};
use super::super::refusal::Refusal;
use super::super::world::{Check, Deployment, DeploymentStatus, Repo, Status};
use super::node;

impl Cx<'_> {
    fn pulls_at(&self, repo: &Repo, sha: &str) -> Vec<Value> {
        let here = |branch: &str, sha: &str| {
            json!({ "ref": branch, "sha": sha, "repo": {
                "id": repo.id, "url": self.repo_api(repo, ""), "name": repo.name,
            } })
        };
        let open = |number: &u64| repo.issues.get(number).is_some_and(|issue| issue.open);
        repo.pulls
            .values()
            .filter(|pull| pull.head_sha == sha && pull.head_repo == Some(repo.id) && open(&pull.number))
            .map(|pull| {
                json!({
                    "id": pull.id,
                    "number": pull.number,
                    "url": self.repo_api(repo, &format!("/pulls/{}", pull.number)),
                    "head": here(&pull.head, &pull.head_sha),
                    "base": here(&pull.base, &pull.base_sha),
                })
            })
            .collect()
    }

    /// A check run.
    pub(crate) fn check(&self, repo: u64, id: u64) -> Result<Value, Refusal> {
        let repo = self.repo(repo)?;
        Ok(self.check_of(repo, repo.checks.get(&id).ok_or_else(Refusal::not_found)?))
    }

    /// The same, at hand.
    pub(crate) fn check_of(&self, repo: &Repo, check: &Check) -> Value {
        let api = self.repo_api(repo, &format!("/check-runs/{}", check.id));
        json!({
            "id": check.id,
            "name": check.name,
            "node_id": node("CheckRun", format!("{}:{}", repo.id, check.id)),
            "head_sha": check.head_sha,
            "external_id": check.external_id,
            "url": api,
            "html_url": self.repo_html(repo, &format!("/runs/{}", check.id)),
            // Without an own address it is the App's page.
            "details_url": check.details_url.clone().unwrap_or_else(|| self.html(&format!("/apps/{}", check.app))),
            "status": check.status,
            "conclusion": check.conclusion,
            "started_at": iso(check.started_at),
            "completed_at": check.completed_at.map(iso),
            "output": {
                "title": check.title,
                "summary": check.summary,
                "text": check.text,
                "annotations_count": check.annotations.len(),
                "annotations_url": format!("{api}/annotations"),
            },
            "check_suite": { "id": check.suite },
            "app": self.integration(&check.app),
            "pull_requests": self.pulls_at(repo, &check.head_sha),
        })
    }

    /// An annotation as it is read back.
    pub(crate) fn annotation(&self, repo: &Repo, check: &Check, one: &Value) -> Value {
        json!({
            "path": one["path"],
            "start_line": one["start_line"],
            "end_line": one["end_line"],
            "start_column": one["start_column"],
            "end_column": one["end_column"],
            "annotation_level": one["annotation_level"],
            "title": one["title"],
            "message": one["message"],
            "raw_details": one["raw_details"],
            "blob_href": self.repo_html(repo, &format!("/blob/{}/{}", check.head_sha, one["path"].as_str().unwrap_or_default())),
        })
    }

    /// A check suite, as its events carry it.
    pub(crate) fn suite(&self, repo: u64, id: u64) -> Result<Value, Refusal> {
        let repo = self.repo(repo)?;
        let suite = repo.suites.get(&id).ok_or_else(Refusal::not_found)?;
        let api = self.repo_api(repo, &format!("/check-suites/{id}"));
        let runs: Vec<_> = repo.checks.values().filter(|check| check.suite == id).collect();
        let done = !runs.is_empty() && runs.iter().all(|check| check.status == "completed");
        let branch = repo.refs.iter().find(|(name, sha)| **sha == suite.head_sha && name.starts_with("refs/heads/"));
        let failed = runs.iter().any(|check| check.conclusion.as_deref() == Some("failure"));
        let head = super::super::git::oid(&suite.head_sha).and_then(|sha| self.push_commit(repo.id, sha))?;
        Ok(json!({
            "id": id,
            "node_id": node("CheckSuite", format!("{}:{id}", repo.id)),
            "head_branch": branch.map(|(name, _)| &name["refs/heads/".len()..]),
            "head_sha": suite.head_sha,
            "status": if done { "completed" } else { "queued" },
            "conclusion": done.then_some(if failed { "failure" } else { "success" }),
            "url": api,
            "before": null,
            "after": suite.head_sha,
            "pull_requests": self.pulls_at(repo, &suite.head_sha),
            "app": self.integration(&suite.app),
            "created_at": iso(suite.created_at),
            "updated_at": iso(suite.created_at),
            "rerequestable": true,
            "runs_rerequestable": true,
            "latest_check_runs_count": runs.len(),
            "check_runs_url": format!("{api}/check-runs"),
            "head_commit": head,
        }))
    }

    /// A commit status.
    pub(crate) fn status(&self, repo: &Repo, status: &Status) -> Value {
        let creator = self.user(&status.author);
        json!({
            "url": self.repo_api(repo, &format!("/statuses/{}", status.sha)),
            "avatar_url": creator["avatar_url"],
            "id": status.id,
            "node_id": node("StatusContext", status.id),
            "state": status.state,
            "description": status.description,
            "target_url": status.target_url,
            "context": status.context,
            "created_at": iso(status.at),
            "updated_at": iso(status.at),
            "creator": creator,
        })
    }

    /// The `status` event's own fields.
    pub(crate) fn status_event(&self, repo: u64, status: &Status) -> Result<Value, Refusal> {
        let found = self.repo(repo)?;
        Ok(json!({
            "id": status.id,
            "sha": status.sha,
            "name": found.full_name(),
            "avatar_url": null,
            "target_url": status.target_url,
            "context": status.context,
            "description": status.description,
            "state": status.state,
            "commit": self.commit(repo, &status.sha)?,
            "branches": self.branches_at(found, &status.sha),
            "created_at": iso(status.at),
            "updated_at": iso(status.at),
        }))
    }

    fn branches_at(&self, repo: &Repo, sha: &str) -> Vec<Value> {
        repo.refs
            .iter()
            .filter(|(name, at)| at.as_str() == sha && name.starts_with("refs/heads/"))
            .map(|(name, _)| {
                json!({
                    "name": &name["refs/heads/".len()..],
                    "commit": { "sha": sha, "url": self.repo_api(repo, &format!("/commits/{sha}")) },
                    "protected": false,
                })
            })
            .collect()
    }

    /// A deployment.
    pub(crate) fn deployment(&self, repo: &Repo, one: &Deployment) -> Value {
        let api = self.repo_api(repo, &format!("/deployments/{}", one.id));
        json!({
            "url": api,
            "id": one.id,
            "node_id": node("Deployment", one.id),
            "sha": one.sha,
            "ref": one.git_ref,
            "task": one.task,
            "payload": one.payload,
            "original_environment": one.environment,
            "environment": one.environment,
            "description": one.description,
            "creator": self.user(&one.author),
            "created_at": iso(one.at),
            "updated_at": iso(one.statuses.last().map_or(one.at, |status| status.at)),
            "statuses_url": format!("{api}/statuses"),
            "repository_url": self.repo_api(repo, ""),
        })
    }

    /// What became of a deployment.
    pub(crate) fn deployment_status(&self, repo: &Repo, one: &Deployment, status: &DeploymentStatus) -> Value {
        let api = self.repo_api(repo, &format!("/deployments/{}", one.id));
        json!({
            "url": format!("{api}/statuses/{}", status.id),
            "id": status.id,
            "node_id": node("DeploymentStatus", status.id),
            "state": status.state,
            "creator": self.user(&status.author),
            "description": status.description,
            "environment": one.environment,
            "target_url": status.log_url,
            "log_url": status.log_url,
            "environment_url": status.environment_url,
            "created_at": iso(status.at),
            "updated_at": iso(status.at),
            "deployment_url": api,
            "repository_url": self.repo_api(repo, ""),
        })
    }
}
