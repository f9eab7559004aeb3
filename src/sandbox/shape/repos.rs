//! Repositories and labels.

use serde_json::{Map, Value, json};

use super::super::cx::{Cx, iso};
use super::super::refusal::Refusal;
use super::super::world::Repo;
use super::node;

/// The addresses every repository shows, with GitHub's own templates.
const URLS: &[(&str, &str)] = &[
    ("archive_url", "/{archive_format}{/ref}"),
    ("assignees_url", "/assignees{/user}"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("branches_url", "/branches{/branch}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("comments_url", "/comments{/number}"),
    ("commits_url", "/commits{/sha}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("contents_url", "/contents/{+path}"),
    ("contributors_url", "/contributors"),
    ("deployments_url", "/deployments"),
    ("downloads_url", "/downloads"),
    ("events_url", "/events"),
    ("forks_url", "/forks"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("hooks_url", "/hooks"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("issue_events_url", "/issues/events{/number}"),
    ("issues_url", "/issues{/number}"),
    ("keys_url", "/keys{/key_id}"),
    ("labels_url", "/labels{/name}"),
    ("languages_url", "/languages"),
    ("merges_url", "/merges"),
    ("milestones_url", "/milestones{/number}"),
    ("notifications_url", "/notifications{?since,all,participating}"),
    ("pulls_url", "/pulls{/number}"),
    ("releases_url", "/releases{/id}"),
    ("stargazers_url", "/stargazers"),
    ("statuses_url", "/statuses/{sha}"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("tags_url", "/tags"),
    ("teams_url", "/teams"),
    ("trees_url", "/git/trees{/sha}"),
];

impl Cx<'_> {
    /// A repository's REST address.
    pub(crate) fn repo_api(&self, repo: &Repo, path: &str) -> String {
        self.api(&format!("/repos/{}{path}", repo.full_name()))
    }

    /// A repository's page.
    pub(crate) fn repo_html(&self, repo: &Repo, path: &str) -> String {
        self.html(&format!("/{}{path}", repo.full_name()))
    }

    /// A repository as others mention it.
    pub(crate) fn minimal_repository(&self, repo: &Repo) -> Value {
        let mut shape = Map::new();
        for (name, value) in [
            ("id", Value::from(repo.id)),
            ("node_id", node("Repository", repo.id).into()),
            ("name", repo.name.clone().into()),
            ("full_name", repo.full_name().into()),
            ("private", repo.private.into()),
            ("owner", self.user(&repo.owner)),
            ("html_url", self.repo_html(repo, "").into()),
            ("description", Value::Null),
            ("fork", repo.fork_of.is_some().into()),
            ("url", self.repo_api(repo, "").into()),
        ] {
            shape.insert(name.into(), value);
        }
        for (name, path) in URLS {
            shape.insert((*name).into(), self.repo_api(repo, path).into());
        }
        Value::Object(shape)
    }

    /// A repository in full.
    pub(crate) fn full_repository(&self, repo: &Repo) -> Value {
        let mut shape = self.minimal_repository(repo);
        let open = repo.issues.values().filter(|issue| issue.open).count();
        let clone = self.repo_html(repo, ".git");
        let born = iso(repo.created_at);
        let settings = &repo.settings;
        for (name, value) in [
            ("git_url", Value::from(clone.clone())),
            ("ssh_url", clone.clone().into()),
            ("clone_url", clone.into()),
            ("svn_url", self.repo_html(repo, "").into()),
            ("mirror_url", Value::Null),
            ("homepage", Value::Null),
            ("language", Value::Null),
            ("license", Value::Null),
            ("forks_count", 0.into()),
            ("forks", 0.into()),
            ("stargazers_count", 0.into()),
            ("watchers_count", 0.into()),
            ("watchers", 0.into()),
            ("size", 1.into()),
            ("default_branch", repo.default_branch.clone().into()),
            ("open_issues_count", open.into()),
            ("open_issues", open.into()),
            ("is_template", false.into()),
            ("topics", json!([])),
            ("has_issues", settings.issues.into()),
            ("has_projects", false.into()),
            ("has_wiki", false.into()),
            ("has_pages", false.into()),
            ("has_downloads", false.into()),
            ("has_discussions", false.into()),
            ("archived", settings.archived.into()),
            ("disabled", false.into()),
            ("visibility", if repo.private { "private" } else { "public" }.into()),
            ("pushed_at", born.clone().into()),
            ("created_at", born.clone().into()),
            ("updated_at", born.into()),
            ("allow_forking", true.into()),
            ("web_commit_signoff_required", false.into()),
            ("subscribers_count", 0.into()),
            ("network_count", 0.into()),
            ("allow_merge_commit", settings.merge_commit.into()),
            ("allow_squash_merge", settings.squash.into()),
            ("allow_rebase_merge", settings.rebase.into()),
            ("allow_auto_merge", settings.auto_merge.into()),
            ("delete_branch_on_merge", settings.delete_branch_on_merge.into()),
        ] {
            shape[name] = value;
        }
        shape
    }

    /// A repository as push events carry it, with its times as numbers.
    pub(crate) fn push_repository(&self, repo: &Repo) -> Value {
        let mut shape = self.full_repository(repo);
        let born = repo.created_at.as_second();
        shape["created_at"] = born.into();
        shape["pushed_at"] = self.now.as_second().into();
        shape["url"] = self.repo_html(repo, "").into();
        shape["stargazers"] = 0.into();
        shape["master_branch"] = repo.default_branch.clone().into();
        shape["owner"]["name"] = repo.owner.clone().into();
        shape["owner"]["email"] = Value::Null;
        shape
    }

    /// A label, by its lower-case name.
    pub(crate) fn label_of(&self, repo: &Repo, key: &str) -> Value {
        let Some(label) = repo.labels.get(key) else { return Value::Null };
        json!({
            "id": label.id,
            "node_id": node("Label", label.id),
            "url": self.repo_api(repo, &format!("/labels/{}", label.name)),
            "name": label.name,
            "color": label.color,
            "default": false,
            "description": label.description,
        })
    }

    /// The same, for a repository by its number.
    pub(crate) fn label(&self, repo: u64, key: &str) -> Result<Value, Refusal> {
        Ok(self.label_of(self.repo(repo)?, key))
    }
}
