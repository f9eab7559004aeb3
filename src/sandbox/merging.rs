//! What people do around a merge besides pressing the button: conversations, and pushes to what is being merged.

use serde_json::json;

use super::Sandbox;
use super::auth::Actor;
use super::refusal::Refusal;
use super::world::{Deployment, Thread};

impl Sandbox {
    /// Somebody starts a conversation about a line of a pull request; its number.
    pub fn start_conversation(&self, repo: &str, user: &str, number: u64) -> u64 {
        self.by("start a conversation", user, repo, |cx, id| {
            let thread = cx.world.id();
            let pull = cx.repo_mut(id)?.pulls.get_mut(&number).ok_or_else(Refusal::not_found)?;
            pull.threads.push(Thread { id: thread, resolved: false });
            Ok(thread)
        })
    }

    /// Somebody resolves it.
    pub fn resolve_conversation(&self, repo: &str, user: &str, number: u64, thread: u64) {
        self.by("resolve a conversation", user, repo, |cx, id| {
            let pull = cx.repo_mut(id)?.pulls.get_mut(&number).ok_or_else(Refusal::not_found)?;
            let found = pull.threads.iter_mut().find(|one| one.id == thread).ok_or_else(Refusal::not_found)?;
            found.resolved = true;
            let node = super::shape::node("PullRequestReviewThread", thread);
            let body = json!({
                "thread": { "node_id": node, "comments": [] }, "pull_request": cx.pull_simple(id, number)?,
            });
            cx.emit(id, "pull_request_review_thread", Some("resolved"), body)
        });
    }

    /// Whether GitHub still works out what merges, as it does for seconds after each push.
    pub fn set_computing(&self, repo: &str, computing: bool) {
        self.settings(repo, |found| found.settings.computing = computing);
    }

    /// The deployments of a repository, one a line: environment, what, how it stands, in which words, and where to read on.
    pub fn deployments(&self, repo: &str) -> Vec<String> {
        let (owner, name) = repo.split_once('/').unwrap_or_default();
        self.read(Actor::Anonymous, false, |cx| {
            let found = cx.world.repo_named(owner, name).into_iter().flat_map(|repo| repo.deployments.values());
            let line = |one: &Deployment| {
                let what = one.description.as_deref().unwrap_or_default();
                let Some(last) = one.statuses.last() else { return format!("{} {what}: no status", one.environment) };
                let places = [&last.log_url, &last.environment_url].map(|url| format!(" {url}")).concat();
                format!("{} {what}: {} \"{}\"{}", one.environment, last.state, last.description, places.trim_end())
            };
            found.map(line).collect()
        })
    }

    /// The branches of a repository that start like this.
    pub fn branches(&self, repo: &str, start: &str) -> Vec<String> {
        let (owner, name) = repo.split_once('/').unwrap_or_default();
        let start = format!("refs/heads/{start}");
        self.read(Actor::Anonymous, false, |cx| {
            let refs = cx.world.repo_named(owner, name).into_iter().flat_map(|repo| repo.refs.keys());
            refs.filter(|name| name.starts_with(&start)).map(|name| name["refs/heads/".len()..].to_owned()).collect()
        })
    }

    /// The number of an App's newest check run on a pull request.
    pub fn check_number(&self, repo: &str, number: u64, app: &str) -> Option<u64> {
        let (owner, name) = repo.split_once('/')?;
        self.read(Actor::Anonymous, false, |cx| {
            let repo = cx.world.repo_named(owner, name)?;
            let head = &repo.pulls.get(&number)?.head_sha;
            repo.checks.values().rfind(|check| check.head_sha == *head && check.app == app).map(|check| check.id)
        })
    }
}
