//! Issues, pull requests, comments, reviews and reactions.

use serde_json::{Value, json};

use super::super::acts::pulls::base_tip;
use super::super::acts::reviews::Remark;
use super::super::cx::{Cx, iso};
use super::super::git;
use super::super::refusal::Refusal;
use super::super::world::{Pull, Reaction, Repo, Review, Role};
use super::node;

/// Whether base and head merge without a conflict.
pub(crate) fn mergeable(cx: &Cx<'_>, repo: &Repo, pull: &Pull) -> Result<bool, Refusal> {
    let git = cx.git(repo.id)?;
    Ok(git::merged_tree(&git, git::oid(base_tip(repo, pull))?, git::oid(&pull.head_sha)?)?.is_some())
}

impl Cx<'_> {
    fn association(&self, repo: &Repo, login: &str) -> &'static str {
        match self.world.role(repo, login) {
            Role::Admin if repo.owner.eq_ignore_ascii_case(login) => "OWNER",
            Role::None | Role::Read => "NONE",
            _ => "COLLABORATOR",
        }
    }

    /// An issue, or the issue half of a pull request.
    pub(crate) fn issue(&self, repo: u64, number: u64) -> Result<Value, Refusal> {
        let repo = self.repo(repo)?;
        let issue = repo.issues.get(&number).ok_or_else(Refusal::not_found)?;
        let api = self.repo_api(repo, &format!("/issues/{number}"));
        let pull = repo.pulls.get(&number);
        let kind = if pull.is_some() { "pull" } else { "issues" };
        let html = self.repo_html(repo, &format!("/{kind}/{number}"));
        let comments = repo.comments.values().filter(|comment| comment.number == number).count();
        let assignees: Vec<Value> = issue.assignees.iter().map(|login| self.user(login)).collect();
        let mut shape = json!({
            "id": issue.id,
            "node_id": node("Issue", format!("{}:{number}", repo.id)),
            "url": api,
            "repository_url": self.repo_api(repo, ""),
            "labels_url": format!("{api}/labels{{/name}}"),
            "comments_url": format!("{api}/comments"),
            "events_url": format!("{api}/events"),
            "html_url": html,
            "number": number,
            "state": if issue.open { "open" } else { "closed" },
            "state_reason": null,
            "title": issue.title,
            "body": issue.body,
            "user": self.user(&issue.author),
            "labels": issue.labels.iter().map(|key| self.label_of(repo, key)).collect::<Vec<_>>(),
            "assignee": assignees.first(),
            "assignees": assignees,
            "milestone": null,
            "locked": false,
            "active_lock_reason": null,
            "comments": comments,
            "created_at": iso(issue.created_at),
            "updated_at": iso(issue.updated_at),
            "closed_at": issue.closed_at.map(iso),
            "author_association": self.association(repo, &issue.author),
            "performed_via_github_app": null,
            "reactions": rollup(&api, &[]),
        });
        if let Some(pull) = pull {
            shape["draft"] = pull.draft.into();
            shape["pull_request"] = json!({
                "url": self.repo_api(repo, &format!("/pulls/{number}")),
                "html_url": html,
                "diff_url": format!("{html}.diff"),
                "patch_url": format!("{html}.patch"),
                "merged_at": pull.merged.as_ref().map(|merged| iso(merged.at)),
            });
        }
        Ok(shape)
    }

    fn side(&self, home: Option<&Repo>, branch: &str, sha: &str, owner: &str) -> Value {
        let login = home.map_or(owner, |home| home.owner.as_str());
        json!({
            "label": format!("{login}:{branch}"),
            "ref": branch,
            "sha": sha,
            "user": self.user(login),
            "repo": home.map(|home| self.full_repository(home)),
        })
    }

    /// A pull request as lists and events show it.
    pub(crate) fn pull_simple(&self, repo: u64, number: u64) -> Result<Value, Refusal> {
        let repo = self.repo(repo)?;
        let pull = repo.pulls.get(&number).ok_or_else(Refusal::not_found)?;
        let mut shape = self.issue(repo.id, number)?;
        let api = self.repo_api(repo, &format!("/pulls/{number}"));
        let html = self.repo_html(repo, &format!("/pull/{number}"));
        let issue_url = shape["url"].clone();
        let Some(map) = shape.as_object_mut() else { return Err(Refusal::not_found()) };
        for gone in [
            "repository_url",
            "labels_url",
            "events_url",
            "state_reason",
            "comments",
            "pull_request",
            "reactions",
            "performed_via_github_app",
        ] {
            map.shift_remove(gone);
        }
        let statuses = self.repo_api(repo, &format!("/statuses/{}", pull.head_sha));
        let comments = format!("{}/comments", issue_url.as_str().unwrap_or_default());
        let review_comment = self.repo_api(repo, "/pulls/comments{/number}");
        let link = |href: &str| json!({ "href": href });
        let merge_sha = match &pull.merged {
            Some(merged) => Some(merged.sha.clone()),
            None => repo.refs.get(&format!("refs/pull/{number}/merge")).cloned(),
        };
        let head_repo = pull.head_repo.and_then(|id| self.world.repos.get(&id)).map(|repo| repo.as_ref());
        let teams = pull.asked_teams.iter().filter_map(|slug| self.team(&repo.owner, slug).ok());
        for (name, value) in [
            ("id", Value::from(pull.id)),
            ("node_id", node("PullRequest", format!("{}:{number}", repo.id)).into()),
            ("url", api.clone().into()),
            ("html_url", html.clone().into()),
            ("diff_url", format!("{html}.diff").into()),
            ("patch_url", format!("{html}.patch").into()),
            ("issue_url", issue_url.clone()),
            ("commits_url", format!("{api}/commits").into()),
            ("review_comments_url", format!("{api}/comments").into()),
            ("review_comment_url", review_comment.clone().into()),
            ("comments_url", comments.clone().into()),
            ("statuses_url", statuses.clone().into()),
            ("merged_at", pull.merged.as_ref().map(|merged| iso(merged.at)).into()),
            ("merge_commit_sha", merge_sha.into()),
            ("draft", pull.draft.into()),
            ("auto_merge", Value::Null),
            ("requested_reviewers", pull.asked_users.iter().map(|login| self.user(login)).collect()),
            ("requested_teams", teams.collect()),
            ("head", self.side(head_repo, &pull.head, &pull.head_sha, &repo.owner)),
            ("base", self.side(Some(repo), &pull.base, &pull.base_sha, &repo.owner)),
            (
                "_links",
                json!({
                    "self": link(&api), "html": link(&html), "issue": link(issue_url.as_str().unwrap_or_default()),
                    "comments": link(&comments), "review_comments": link(&format!("{api}/comments")),
                    "review_comment": link(&review_comment), "commits": link(&format!("{api}/commits")),
                    "statuses": link(&statuses),
                }),
            ),
        ] {
            map.insert(name.into(), value);
        }
        Ok(shape)
    }

    /// A pull request in full.
    pub(crate) fn pull(&self, id: u64, number: u64) -> Result<Value, Refusal> {
        let mut shape = self.pull_simple(id, number)?;
        let repo = self.repo(id)?;
        let pull = repo.pulls.get(&number).ok_or_else(Refusal::not_found)?;
        let files = self.pull_files(repo, pull)?;
        let git = self.git(id)?;
        let fork_point = git::merge_base(&git, git::oid(base_tip(repo, pull))?, git::oid(&pull.head_sha)?);
        let commits = git::between(&git, fork_point, git::oid(&pull.head_sha)?, 250)?.len();
        let open = repo.issues.get(&number).is_some_and(|issue| issue.open);
        let mergeable = if open { Some(mergeable(self, repo, pull)?) } else { None };
        let state = match mergeable {
            Some(true) if super::super::acts::pulls::obstacle(self, id, number)?.is_some() => "blocked",
            Some(true) => "clean",
            Some(false) => "dirty",
            None => "unknown",
        };
        for (name, value) in [
            ("merged", Value::from(pull.merged.is_some())),
            ("mergeable", mergeable.into()),
            ("rebaseable", mergeable.into()),
            ("mergeable_state", state.into()),
            ("merged_by", pull.merged.as_ref().map(|merged| self.user(&merged.by)).into()),
            ("comments", repo.comments.values().filter(|one| one.number == number).count().into()),
            ("review_comments", 0.into()),
            ("maintainer_can_modify", pull.maintainer_can_modify.into()),
            ("commits", commits.into()),
            ("additions", files.iter().map(|file| file.additions).sum::<usize>().into()),
            ("deletions", files.iter().map(|file| file.deletions).sum::<usize>().into()),
            ("changed_files", files.len().into()),
        ] {
            shape[name] = value;
        }
        Ok(shape)
    }

    /// What a pull request changes: from the merge base to the head.
    pub(crate) fn pull_files(&self, repo: &Repo, pull: &Pull) -> Result<Vec<git::FileDiff>, Refusal> {
        let git = self.git(repo.id)?;
        let head = git::oid(&pull.head_sha)?;
        let base = git::merge_base(&git, git::oid(base_tip(repo, pull))?, head);
        // A merged pull request's head is in its base; then its own first commit's parent is where it began.
        let base = base.map(|base| git::tree_of(&git, base)).transpose()?;
        git::diff(&git, base, git::tree_of(&git, head)?)
    }

    /// A comment on an issue or pull request.
    pub(crate) fn comment(&self, repo: u64, id: u64) -> Result<Value, Refusal> {
        let repo = self.repo(repo)?;
        let comment = repo.comments.get(&id).ok_or_else(Refusal::not_found)?;
        let kind = if repo.pulls.contains_key(&comment.number) { "pull" } else { "issues" };
        let api = self.repo_api(repo, &format!("/issues/comments/{id}"));
        let ours = comment.author == self.inner.options.app.bot();
        Ok(json!({
            "id": id,
            "node_id": node("IssueComment", format!("{}:{id}", repo.id)),
            "url": api,
            "html_url": self.repo_html(repo, &format!("/{kind}/{}#issuecomment-{id}", comment.number)),
            "issue_url": self.repo_api(repo, &format!("/issues/{}", comment.number)),
            "user": self.user(&comment.author),
            "body": comment.body,
            "created_at": iso(comment.created_at),
            "updated_at": iso(comment.updated_at),
            "author_association": self.association(repo, &comment.author),
            "performed_via_github_app": ours.then(|| self.integration(&self.inner.options.app.slug)),
            "reactions": rollup(&api, &comment.reactions),
        }))
    }

    /// A reaction.
    pub(crate) fn reaction(&self, reaction: &Reaction) -> Value {
        json!({
            "id": reaction.id,
            "node_id": node("Reaction", reaction.id),
            "user": self.user(&reaction.author),
            "content": reaction.content,
            "created_at": iso(reaction.at),
        })
    }

    /// A remark of a review on lines.
    pub(crate) fn remark(&self, repo: u64, number: u64, (of, one): (&Review, &Remark)) -> Result<Value, Refusal> {
        let repo = self.repo(repo)?;
        let html = self.repo_html(repo, &format!("/pull/{number}#discussion_r{}", one.id));
        let (api, pull) = (
            self.repo_api(repo, &format!("/pulls/comments/{}", one.id)),
            self.repo_api(repo, &format!("/pulls/{number}")),
        );
        Ok(json!({
            "id": one.id,
            "node_id": node("PullRequestReviewComment", one.id),
            "url": api,
            "html_url": html,
            "pull_request_url": pull,
            "pull_request_review_id": of.id,
            "_links": { "self": { "href": api }, "html": { "href": html }, "pull_request": { "href": pull } },
            "user": self.user(&of.author),
            "body": one.body,
            "path": one.path,
            "diff_hunk": one.hunk,
            "line": one.line,
            "original_line": one.line,
            "start_line": one.start,
            "original_start_line": one.start,
            "side": "RIGHT",
            "start_side": one.start.map(|_| "RIGHT"),
            "subject_type": "line",
            "commit_id": of.commit,
            "original_commit_id": of.commit,
            "created_at": iso(of.at),
            "updated_at": iso(of.at),
            "author_association": self.association(repo, &of.author),
        }))
    }

    /// A review.
    pub(crate) fn review(&self, repo: u64, number: u64, review: &Review) -> Result<Value, Refusal> {
        let repo = self.repo(repo)?;
        let html = self.repo_html(repo, &format!("/pull/{number}#pullrequestreview-{}", review.id));
        let api = self.repo_api(repo, &format!("/pulls/{number}"));
        Ok(json!({
            "id": review.id,
            "node_id": node("PullRequestReview", review.id),
            "user": self.user(&review.author),
            "body": review.body,
            "state": review.state,
            "html_url": html,
            "pull_request_url": api,
            "_links": { "html": { "href": html }, "pull_request": { "href": api } },
            "submitted_at": iso(review.at),
            "commit_id": review.commit,
            "author_association": self.association(repo, &review.author),
        }))
    }
}

/// Reactions by kind, as comments show them.
fn rollup(url: &str, reactions: &[Reaction]) -> Value {
    let mut shape = json!({ "url": format!("{url}/reactions"), "total_count": reactions.len() });
    for content in ["+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes"] {
        shape[content] = reactions.iter().filter(|one| one.content == content).count().into();
    }
    shape
}
