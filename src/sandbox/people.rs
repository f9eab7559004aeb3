//! What people do, as a Rust interface for tests, the tour and the seed; each act sets off the webhooks GitHub would send.
//!
//! These stand for a person's hand: asking for what cannot be is a mistake in the script, and stops it with GitHub's words.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use super::acts::pulls::{self, Open};
use super::acts::refs::{self, Moved};
use super::acts::{checks, reviews, talk};
use super::auth::{Actor, Level};
use super::cx::Cx;
use super::git::{self, Change};
use super::refusal::Refusal;
use super::world::{AccountKind, Installation, Protection, Repo, Role, Settings, Team};
use super::{Error, Sandbox};

/// A repository just made.
#[derive(Debug, Clone)]
pub struct RepoHandle {
    /// GitHub's number for it.
    pub id: u64,
    /// The bare repository on disk.
    pub path: PathBuf,
    /// `owner/name`.
    pub full_name: String,
}

/// Stops the script with the reason.
fn told<T>(what: &str, answer: Result<T, Refusal>) -> T {
    match answer {
        Ok(answer) => answer,
        Err(refusal) => panic!("the sandbox refused to {what}: {}", refusal.text()),
    }
}

fn named(cx: &Cx<'_>, repo: &str) -> Result<u64, Refusal> {
    let (owner, name) = repo.split_once('/').ok_or_else(Refusal::not_found)?;
    let missing = || Refusal::new(404, format!("there is no repository {repo}"));
    cx.world.repo_named(owner, name).map(|repo| repo.id).ok_or_else(missing)
}

impl Sandbox {
    pub(super) fn by<T>(
        &self,
        what: &str,
        user: &str,
        repo: &str,
        change: impl FnOnce(&mut Cx<'_>, u64) -> Result<T, Refusal>,
    ) -> T {
        let actor = Actor::User(user.to_owned());
        let answer = self.act(actor, |cx| {
            cx.ensure_account(user);
            let repo = named(cx, repo)?;
            change(cx, repo)
        });
        told(what, answer)
    }

    /// Makes a person's account.
    pub fn create_user(&self, login: &str) {
        self.lock().world.add_account(login, AccountKind::User);
    }

    /// Makes an organisation.
    pub fn create_org(&self, login: &str) {
        self.lock().world.add_account(login, AccountKind::Organization);
    }

    /// Makes a team of an organisation; members get accounts when they have none.
    pub fn create_team(&self, org: &str, slug: &str, members: &[&str]) {
        let mut state = self.lock();
        members.iter().for_each(|login| state.world.add_account(login, AccountKind::User));
        let id = state.world.id();
        let members = members.iter().map(|login| login.to_ascii_lowercase()).collect();
        let team = Team { id, org: org.to_owned(), slug: slug.to_owned(), members };
        state.world.teams.insert((org.to_ascii_lowercase(), slug.to_owned()), team);
    }

    /// Makes a repository with one first commit of these files on `main`; without files it is empty.
    pub fn create_repo(
        &self,
        owner: &str,
        name: &str,
        private: bool,
        files: &[(&str, Vec<u8>)],
        author: &str,
    ) -> RepoHandle {
        match self.try_create_repo((owner, name), private, files, author) {
            Ok(handle) => handle,
            Err(error) => panic!("the sandbox could not create {owner}/{name}: {error}"),
        }
    }

    /// The same, for callers whose input may be at fault (a folder somebody names, a full disk).
    pub fn try_create_repo(
        &self,
        (owner, name): (&str, &str),
        private: bool,
        files: &[(&str, Vec<u8>)],
        author: &str,
    ) -> Result<RepoHandle, Error> {
        let actor = Actor::User(author.to_owned());
        let id = self.act(actor, |cx| {
            cx.ensure_account(author);
            cx.ensure_account(owner);
            let id = new_repo(cx, owner, name, private, None)?;
            cx.repo_mut(id)?.roles.insert(author.to_ascii_lowercase(), Role::Admin);
            let changes: Vec<Change> =
                files.iter().map(|(path, bytes)| ((*path).to_owned(), Some(bytes.clone()))).collect();
            if !changes.is_empty() {
                refs::commit(cx, id, "main", "First commit", &changes)?;
            }
            Ok(id)
        })?;
        Ok(RepoHandle { id, path: self.inner.repo_path(id), full_name: format!("{owner}/{name}") })
    }

    /// Where a repository lies on disk, for a fetch by `file://`.
    pub fn repo_path(&self, repo: &str) -> Option<PathBuf> {
        let (owner, name) = repo.split_once('/')?;
        let id = self.lock().world.repo_named(owner, name)?.id;
        Some(self.inner.repo_path(id))
    }

    /// Forks a repository into a person's account.
    pub fn create_fork(&self, repo: &str, user: &str) -> RepoHandle {
        let (id, full_name) = self.by("fork", user, repo, |cx, parent| {
            let origin = cx.repo(parent)?.clone();
            let id = new_repo(cx, user, &origin.name, origin.private, Some(parent))?;
            let tip = origin.branch(&origin.default_branch).cloned();
            if let Some(tip) = tip {
                git::bring(&*cx.git(id)?, &cx.path(parent), &tip)?;
                let name = format!("refs/heads/{}", origin.default_branch);
                refs::write(cx, id, &[Moved { name, new: Some(tip) }])?;
            }
            Ok((id, format!("{user}/{}", origin.name)))
        });
        RepoHandle { id, path: self.inner.repo_path(id), full_name }
    }

    /// Deletes a repository; pull requests from it stay, without a head repository.
    pub fn delete_repo(&self, repo: &str, user: &str) {
        self.by("delete", user, repo, |cx, id| {
            cx.world.repos.remove(&id);
            let orphans: Vec<u64> = cx.world.repos.keys().copied().collect();
            for other in orphans {
                for pull in cx.repo_mut(other)?.pulls.values_mut().filter(|pull| pull.head_repo == Some(id)) {
                    pull.head_repo = None;
                }
            }
            Ok(())
        });
    }

    /// Renames a repository; the old name leads to the new one from now on.
    pub fn rename_repo(&self, repo: &str, user: &str, name: &str) {
        self.by("rename", user, repo, |cx, id| {
            let old = cx.repo(id)?.clone();
            cx.world.moved.insert(old.full_name().to_lowercase(), id);
            cx.repo_mut(id)?.name = name.to_owned();
            cx.world.moved.remove(&cx.repo(id)?.full_name().to_lowercase());
            let changes = json!({ "repository": { "name": { "from": old.name } } });
            cx.emit(id, "repository", Some("renamed"), json!({ "changes": changes }))
        });
    }

    /// Gives a person a role: `read`, `triage`, `write`, `maintain`, `admin` or `none`.
    pub fn set_permission(&self, repo: &str, user: &str, role: &str) {
        self.by("set a permission", user, repo, |cx, id| {
            let role = Role::parse(role).ok_or_else(|| Refusal::new(422, format!("`{role}` is not a role")))?;
            cx.repo_mut(id)?.roles.insert(user.to_ascii_lowercase(), role);
            Ok(())
        });
    }

    /// Protects a branch; merges and pushes are held to it from now on.
    pub fn protect(&self, repo: &str, branch: &str, rules: Protection) {
        self.settings(repo, |found| {
            found.protection.insert(branch.to_owned(), rules);
        });
    }

    /// Sets which ways of merging a repository allows, and whether merged branches go.
    pub fn set_merging(&self, repo: &str, methods: &[&str], delete_branch: bool) {
        self.settings(repo, |found| {
            found.settings.merge_commit = methods.contains(&"merge");
            found.settings.squash = methods.contains(&"squash");
            found.settings.rebase = methods.contains(&"rebase");
            found.settings.delete_branch_on_merge = delete_branch;
        });
    }

    pub(super) fn settings(&self, repo: &str, change: impl FnOnce(&mut Repo)) {
        told(
            "change settings",
            self.act(Actor::Anonymous, |cx| {
                let id = named(cx, repo)?;
                change(cx.repo_mut(id)?);
                Ok(())
            }),
        );
    }

    /// Installs the App on these repositories of an account (none named: all of them, also those to come).
    pub fn install(&self, owner: &str, repos: &[&str]) -> u64 {
        let answer = self.act(Actor::User(owner.to_owned()), |cx| {
            cx.ensure_account(owner);
            let full = |name: &&str| if name.contains('/') { (*name).to_owned() } else { format!("{owner}/{name}") };
            let ids: BTreeSet<u64> = repos.iter().map(|name| named(cx, &full(name))).collect::<Result<_, _>>()?;
            let old = cx.world.installations.values().find(|one| one.account.eq_ignore_ascii_case(owner)).cloned();
            let known = old.is_some();
            let (fresh, created_at) = (cx.world.id(), cx.now);
            let mut one = old.unwrap_or(Installation { id: fresh, account: owner.to_owned(), repos: None, created_at });
            one.repos = match (one.repos.take(), ids.is_empty()) {
                (_, true) => None,
                (None, false) => Some(ids.clone()),
                (Some(mut had), false) => {
                    had.extend(&ids);
                    Some(had)
                }
            };
            let id = one.id;
            cx.world.installations.insert(id, one.clone());
            let reach = if ids.is_empty() { cx.world.reach(&one) } else { ids };
            let rows = mentions(cx, &reach);
            if known {
                let more = json!({
                    "repository_selection": "selected", "repositories_added": rows, "repositories_removed": [],
                    "requester": null,
                });
                cx.emit_installation(id, "installation_repositories", "added", more);
            } else {
                let more = json!({ "repositories": rows, "requester": null });
                cx.emit_installation(id, "installation", "created", more);
            }
            Ok(id)
        });
        told("install the App", answer)
    }

    /// A person commits these files (`None` removes one) on a branch, made from the default branch when missing.
    pub fn push_files(
        &self,
        repo: &str,
        branch: &str,
        user: &str,
        message: &str,
        files: &[(&str, Option<Vec<u8>>)],
    ) -> String {
        self.by("push", user, repo, |cx, id| {
            cx.allow(id, "contents", Level::Write)?;
            refs::may_push(cx, id, &format!("refs/heads/{branch}"))?;
            let changes: Vec<Change> = files.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.clone())).collect();
            refs::commit(cx, id, branch, message, &changes)
        })
    }

    /// Points a branch at any commit, ancestor or not; made when missing.
    pub fn force_push(&self, repo: &str, branch: &str, user: &str, sha: impl Display) {
        self.move_ref(repo, &format!("refs/heads/{branch}"), user, Some(sha.to_string()));
    }

    /// Deletes a branch.
    pub fn delete_branch(&self, repo: &str, branch: &str, user: &str) {
        self.move_ref(repo, &format!("refs/heads/{branch}"), user, None);
    }

    fn move_ref(&self, repo: &str, name: &str, user: &str, new: Option<String>) {
        self.by("move a ref", user, repo, |cx, id| {
            cx.allow(id, "contents", Level::Write)?;
            refs::write(cx, id, &[Moved { name: name.to_owned(), new }])
        });
    }

    /// Tags a commit; the answer is what the tag's ref names (the tag object, when annotated).
    pub fn create_tag(&self, repo: &str, tag: &str, sha: impl Display, user: &str, annotated: bool) -> String {
        let sha = sha.to_string();
        self.by("tag", user, repo, |cx, id| {
            cx.allow(id, "contents", Level::Write)?;
            let sha = match annotated {
                true => super::rest::annotate(cx, id, tag, &sha, tag)?,
                false => sha,
            };
            refs::write(cx, id, &[Moved { name: format!("refs/tags/{tag}"), new: Some(sha.clone()) }])?;
            Ok(sha)
        })
    }

    /// Pushes several lightweight tags at once; of more than three GitHub tells nobody.
    pub fn push_tags(&self, repo: &str, user: &str, tags: &[(&str, &str)]) {
        self.by("push tags", user, repo, |cx, id| {
            cx.allow(id, "contents", Level::Write)?;
            let moved =
                |(tag, sha): &(&str, &str)| Moved { name: format!("refs/tags/{tag}"), new: Some((*sha).to_owned()) };
            refs::write(cx, id, &tags.iter().map(moved).collect::<Vec<_>>())
        });
    }

    /// Moves a tag by force.
    pub fn move_tag(&self, repo: &str, tag: &str, sha: impl Display, user: &str) {
        self.move_ref(repo, &format!("refs/tags/{tag}"), user, Some(sha.to_string()));
    }

    /// Deletes a tag.
    pub fn delete_tag(&self, repo: &str, tag: &str, user: &str) {
        self.move_ref(repo, &format!("refs/tags/{tag}"), user, None);
    }

    /// Opens a pull request; `head` may be `owner:branch` of a fork.
    pub fn open_pull(&self, repo: &str, user: &str, head: &str, base: &str, title: &str, body: &str) -> u64 {
        let body = Some(body);
        self.by("open a pull request", user, repo, |cx, id| {
            cx.allow(id, "pull_requests", Level::Write)?;
            pulls::open(cx, id, &Open { head, base, title, body, draft: false })
        })
    }

    /// Opens an issue.
    pub fn open_issue(&self, repo: &str, user: &str, title: &str, body: &str) -> u64 {
        self.by("open an issue", user, repo, |cx, id| pulls::open_issue(cx, id, title, Some(body)))
    }

    /// Closes a pull request or issue.
    pub fn close_pull(&self, repo: &str, user: &str, number: u64) {
        self.by("close", user, repo, |cx, id| pulls::close(cx, id, number));
    }

    /// Opens it again.
    pub fn reopen_pull(&self, repo: &str, user: &str, number: u64) {
        self.by("reopen", user, repo, |cx, id| pulls::reopen(cx, id, number));
    }

    /// Presses the merge button; the answer is the new commit.
    pub fn merge_pull(&self, repo: &str, user: &str, number: u64) -> String {
        self.by("merge", user, repo, |cx, id| {
            cx.allow(id, "contents", Level::Write)?;
            let settings = &cx.repo(id)?.settings;
            let method = if settings.merge_commit {
                "merge"
            } else if settings.squash {
                "squash"
            } else {
                "rebase"
            };
            pulls::merge(cx, id, number, (method, None), (None, None))
        })
    }

    /// Presses "Update branch": the base is merged into a pull request's branch.
    pub fn update_branch(&self, repo: &str, user: &str, number: u64) {
        self.by("update a branch", user, repo, |cx, id| {
            cx.allow(id, "contents", Level::Write)?;
            pulls::update_branch(cx, id, number, None)
        });
    }

    /// Reviews: `APPROVED`, `CHANGES_REQUESTED` or `COMMENTED`.
    pub fn review(&self, repo: &str, user: &str, number: u64, state: &str) -> u64 {
        self.by("review", user, repo, |cx, id| {
            cx.allow(id, "pull_requests", Level::Write)?;
            reviews::review(cx, id, number, state, "")
        })
    }

    /// Comments on a pull request or issue.
    pub fn comment(&self, repo: &str, user: &str, number: u64, body: &str) -> u64 {
        self.by("comment", user, repo, |cx, id| {
            cx.allow(id, "issues|pull_requests", Level::Write)?;
            talk::comment(cx, id, number, body)
        })
    }

    /// Rewrites a comment.
    pub fn edit_comment(&self, repo: &str, user: &str, comment: u64, body: &str) {
        self.by("edit a comment", user, repo, |cx, id| talk::edit(cx, id, comment, body));
    }

    /// Removes a comment.
    pub fn delete_comment(&self, repo: &str, user: &str, comment: u64) {
        self.by("delete a comment", user, repo, |cx, id| talk::delete(cx, id, comment));
    }

    /// Puts a label on a pull request or issue.
    pub fn add_label(&self, repo: &str, user: &str, number: u64, label: &str) {
        self.by("label", user, repo, |cx, id| talk::label(cx, id, number, &[label]));
    }

    /// Takes a label off a pull request or issue.
    pub fn remove_label(&self, repo: &str, user: &str, number: u64, label: &str) {
        self.by("take a label off", user, repo, |cx, id| talk::unlabel(cx, id, number, label));
    }

    /// Another App (a CI, say `github-actions`) reports a concluded check; an empty conclusion leaves it under way.
    pub fn add_check(&self, repo: &str, sha: impl Display, app: &str, name: &str, conclusion: &str) -> u64 {
        let sha = sha.to_string();
        self.by("add a check", &format!("{app}[bot]"), repo, |cx, id| {
            let mut request = json!({ "name": name, "head_sha": sha, "status": "in_progress" });
            if !conclusion.is_empty() {
                request["status"] = "completed".into();
                request["conclusion"] = conclusion.into();
            }
            checks::create(cx, id, app, &request)
        })
    }

    /// Somebody sets a commit status.
    pub fn set_status(&self, repo: &str, user: &str, sha: impl Display, context: &str, state: &str) {
        let sha = sha.to_string();
        self.by("set a status", user, repo, |cx, id| {
            checks::set_status(cx, id, &sha, &json!({ "state": state, "context": context }))
        });
    }

    /// Somebody presses "Re-run" on one of our checks.
    pub fn rerequest_check(&self, repo: &str, user: &str, check: u64) {
        self.by("re-run a check", user, repo, |cx, id| {
            let shape = cx.check(id, check)?;
            cx.emit(id, "check_run", Some("rerequested"), json!({ "check_run": shape }))
        });
    }
}

/// Repositories as installation events name them.
fn mentions(cx: &Cx<'_>, repos: &BTreeSet<u64>) -> Vec<Value> {
    let found = repos.iter().filter_map(|id| cx.world.repos.get(id));
    let row = |repo: &Arc<Repo>| {
        json!({
            "id": repo.id, "node_id": super::shape::node("Repository", repo.id), "name": repo.name,
            "full_name": repo.full_name(), "private": repo.private,
        })
    };
    found.map(row).collect()
}

/// A new repository of an account whose installation covers all of them comes under it at once.
fn comes_under(cx: &mut Cx<'_>, repo: u64) -> Result<(), Refusal> {
    let covers = cx.world.installation_of(cx.repo(repo)?).map(|one| one.id);
    let Some(installation) = covers else { return Ok(()) };
    let rows = mentions(cx, &BTreeSet::from([repo]));
    let more = json!({
        "repository_selection": "all", "repositories_added": rows, "repositories_removed": [], "requester": null,
    });
    cx.emit_installation(installation, "installation_repositories", "added", more);
    Ok(())
}

fn new_repo(cx: &mut Cx<'_>, owner: &str, name: &str, private: bool, fork_of: Option<u64>) -> Result<u64, Refusal> {
    if format!("{owner}/{name}").parse::<crate::model::id::RepoName>().is_err() {
        return Err(Refusal::new(422, format!("{owner}/{name} is not a repository name")));
    }
    if cx.world.repo_named(owner, name).is_some() {
        return Err(Refusal::new(422, "name already exists on this account"));
    }
    let id = cx.world.id();
    git::init(&cx.path(id), "main")?;
    let repo = Repo {
        id,
        owner: owner.to_owned(),
        name: name.to_owned(),
        private,
        fork_of,
        default_branch: "main".into(),
        created_at: cx.now,
        roles: Default::default(),
        refs: Default::default(),
        pushers: Default::default(),
        signed: BTreeSet::new(),
        last_number: 0,
        issues: Default::default(),
        pulls: Default::default(),
        comments: Default::default(),
        suites: Default::default(),
        checks: Default::default(),
        statuses: Vec::new(),
        labels: Default::default(),
        deployments: Default::default(),
        settings: Settings::default(),
        protection: Default::default(),
        queue: Vec::new(),
    };
    cx.world.repos.insert(id, Arc::new(repo));
    comes_under(cx, id)?;
    Ok(id)
}
