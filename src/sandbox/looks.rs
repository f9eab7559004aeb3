//! What can be seen here, and how a repository is set up, as a Rust interface for tests, the tour and the stand-in for a CI.

use super::{Sandbox, git};

impl Sandbox {
    /// Switches a repository's issues on or off.
    pub fn set_issues(&self, repo: &str, on: bool) {
        self.settings(repo, |found| found.settings.issues = on);
    }

    /// Archives a repository.
    pub fn archive(&self, repo: &str) {
        self.settings(repo, |found| found.settings.archived = true);
    }

    /// A file on a branch, when it is there and text.
    pub fn read_file(&self, repo: &str, branch: &str, path: &str) -> Option<String> {
        let state = self.lock();
        let (owner, name) = repo.split_once('/')?;
        let found = state.world.repo_named(owner, name)?;
        let tip = git::oid(found.branch(branch)?).ok()?;
        let git = git2::Repository::open_bare(self.inner.repo_path(found.id)).ok()?;
        let entry = git.find_commit(tip).ok()?.tree().ok()?.get_path(std::path::Path::new(path)).ok()?;
        String::from_utf8(git.find_blob(entry.id()).ok()?.content().to_vec()).ok()
    }

    /// Every repository, by full name.
    pub fn repositories(&self) -> Vec<String> {
        self.lock().world.repos.values().map(|repo| repo.full_name()).collect()
    }

    /// The pull requests of a repository, oldest first: number, `open`, `closed` or `merged`, title.
    pub fn pulls(&self, repo: &str) -> Vec<(u64, String, String)> {
        let state = self.lock();
        let found = repo.split_once('/').and_then(|(owner, name)| state.world.repo_named(owner, name));
        let pulls = found.into_iter().flat_map(|repo| {
            repo.pulls.values().filter_map(|pull| {
                let issue = repo.issues.get(&pull.number)?;
                let stands = match (issue.open, &pull.merged) {
                    (true, _) => "open",
                    (false, Some(_)) => "merged",
                    (false, None) => "closed",
                };
                Some((pull.number, stands.to_owned(), issue.title.clone()))
            })
        });
        pulls.collect()
    }

    /// What somebody said last on a pull request or issue.
    pub fn last_comment(&self, repo: &str, number: u64, author: &str) -> Option<String> {
        let state = self.lock();
        let (owner, name) = repo.split_once('/')?;
        let comments = &state.world.repo_named(owner, name)?.comments;
        let mut theirs = comments.values().filter(|comment| comment.number == number && comment.author == author);
        theirs.next_back().map(|comment| comment.body.clone())
    }

    /// Whether webhooks are under way that nobody has answered yet.
    pub fn delivering(&self) -> bool {
        let state = self.lock();
        self.inner.outbox.is_some() && state.world.deliveries.values().any(|logged| logged.status_code.is_none())
    }

    /// The tip of a branch; empty when there is none.
    pub fn branch_tip(&self, repo: &str, branch: &str) -> String {
        let state = self.lock();
        let found = repo.split_once('/').and_then(|(owner, name)| state.world.repo_named(owner, name));
        found.and_then(|repo| repo.branch(branch)).map(ToString::to_string).unwrap_or_default()
    }

    /// How an App's newest check on a pull request stands: status or conclusion, title, number of annotations.
    pub fn check_on(&self, repo: &str, number: u64, app: &str) -> Option<(String, String, usize)> {
        let state = self.lock();
        let (owner, name) = repo.split_once('/')?;
        let repo = state.world.repo_named(owner, name)?;
        let head = &repo.pulls.get(&number)?.head_sha;
        let check = repo.checks.values().rfind(|check| check.head_sha == *head && check.app == app)?;
        let stands = check.conclusion.clone().unwrap_or_else(|| check.status.clone());
        Some((stands, check.title.clone().unwrap_or_default(), check.annotations.len()))
    }
}
