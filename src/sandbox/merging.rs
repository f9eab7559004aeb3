//! What people do around a merge besides pressing the button: conversations, and pushes to what is being merged.

use serde_json::json;

use super::Sandbox;
use super::acts::queue;
use super::auth::{Actor, Level};
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

    /// Presses "Merge when ready" where a merge queue rules.
    pub fn enqueue_pull(&self, repo: &str, user: &str, number: u64) {
        self.by("enqueue", user, repo, |cx, id| {
            cx.allow(id, "contents", Level::Write)?;
            queue::enqueue(cx, id, number, None, false)
        });
    }

    /// Takes a pull request out of the merge queue.
    pub fn dequeue_pull(&self, repo: &str, user: &str, number: u64) {
        self.by("dequeue", user, repo, |cx, id| {
            cx.allow(id, "contents", Level::Write)?;
            queue::remove(cx, id, number, "MANUAL")
        });
    }

    /// The numbers of the pull requests in a repository's merge queues, each with the head of its merge group once that is built.
    pub fn merge_queue(&self, repo: &str) -> Vec<(u64, Option<String>)> {
        let (owner, name) = repo.split_once('/').unwrap_or_default();
        self.read(Actor::Anonymous, false, |cx| {
            let line = cx.world.repo_named(owner, name).into_iter().flat_map(|repo| repo.queue.iter());
            line.map(|one| (one.number, one.group.as_ref().map(|group| group.head_sha.clone()))).collect()
        })
    }

    /// The newest check run of an App on any commit: how it stands, its title and its summary.
    pub fn check_of(&self, repo: &str, sha: &str, app: &str) -> Option<(String, String, String)> {
        let (owner, name) = repo.split_once('/')?;
        self.read(Actor::Anonymous, false, |cx| {
            let checks = &cx.world.repo_named(owner, name)?.checks;
            let check = checks.values().rfind(|check| check.head_sha == sha && check.app == app)?;
            let stands = check.conclusion.as_ref().unwrap_or(&check.status).clone();
            Some((stands, check.title.clone().unwrap_or_default(), check.summary.clone().unwrap_or_default()))
        })
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
