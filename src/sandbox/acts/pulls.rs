//! Pull requests: opened, pushed to, reviewed, updated, merged, closed.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::cx::Cx;
use super::super::git::{self, Words};
use super::super::limits;
use super::super::refusal::Refusal;
use super::super::world::{Issue, Merged, Pull, Repo};
use super::refs::{self, Moved};
use super::{queue, rules};

/// A pull request as somebody asks for it; `head` may be `owner:branch`.
pub(crate) struct Open<'a> {
    pub(crate) head: &'a str,
    pub(crate) base: &'a str,
    pub(crate) title: &'a str,
    pub(crate) body: Option<&'a str>,
    pub(crate) draft: bool,
}

fn issue_row(cx: &mut Cx<'_>, number: u64, title: &str, body: Option<&str>) -> Issue {
    Issue {
        id: cx.world.id(),
        number,
        title: title.to_owned(),
        body: body.map(str::to_owned),
        author: cx.login(),
        open: true,
        labels: BTreeSet::new(),
        labelings: Vec::new(),
        assignees: BTreeSet::new(),
        created_at: cx.now,
        updated_at: cx.now,
        closed_at: None,
        closed_by: None,
    }
}

/// Opens an issue.
pub(crate) fn open_issue(cx: &mut Cx<'_>, repo: u64, title: &str, body: Option<&str>) -> Result<u64, Refusal> {
    limits::title("Issue", title)?;
    limits::body("Issue", body.unwrap_or_default())?;
    let found = cx.repo_mut(repo)?;
    found.last_number += 1;
    let number = found.last_number;
    let issue = issue_row(cx, number, title, body);
    cx.repo_mut(repo)?.issues.insert(number, issue);
    let shape = cx.issue(repo, number)?;
    cx.emit(repo, "issues", Some("opened"), json!({ "issue": shape }))?;
    Ok(number)
}

/// Opens a pull request.
pub(crate) fn open(cx: &mut Cx<'_>, repo: u64, ask: &Open<'_>) -> Result<u64, Refusal> {
    limits::title("PullRequest", ask.title)?;
    limits::body("PullRequest", ask.body.unwrap_or_default())?;
    let found = cx.repo(repo)?;
    let (head_repo, head) = match ask.head.split_once(':') {
        Some((owner, branch)) if !owner.eq_ignore_ascii_case(&found.owner) => {
            let fork = cx
                .world
                .repos
                .values()
                .find(|fork| fork.owner.eq_ignore_ascii_case(owner) && fork.fork_of == Some(repo));
            (fork.ok_or_else(|| Refusal::invalid("PullRequest", "head", "invalid"))?.id, branch)
        }
        Some((_, branch)) => (repo, branch),
        None => (repo, ask.head),
    };
    let missing = |field: &str| Refusal::invalid("PullRequest", field, "invalid");
    let base_sha = found.branch(ask.base).cloned().ok_or_else(|| missing("base"))?;
    let head_sha = cx.repo(head_repo)?.branch(head).cloned().ok_or_else(|| missing("head"))?;
    let owner = cx.repo(head_repo)?.owner.clone();
    let twin = found.pulls.values().any(|pull| {
        pull.head_repo == Some(head_repo)
            && pull.head == head
            && pull.base == ask.base
            && found.issues.get(&pull.number).is_some_and(|issue| issue.open)
    });
    if twin {
        return Err(Refusal::failed(format!("A pull request already exists for {owner}:{head}.")));
    }
    let git = cx.git(repo)?;
    if head_repo != repo {
        git::bring(&git, &cx.path(head_repo), &head_sha)?;
    }
    if git::contains(&git, git::oid(&base_sha)?, git::oid(&head_sha)?) {
        return Err(Refusal::failed(format!("No commits between {} and {head}", ask.base)));
    }
    let number = cx.repo(repo)?.last_number + 1;
    let row = issue_row(cx, number, ask.title, ask.body);
    let id = cx.world.id();
    let pull = Pull {
        id,
        number,
        base: ask.base.to_owned(),
        base_sha,
        head: head.to_owned(),
        head_sha: head_sha.clone(),
        head_repo: Some(head_repo),
        draft: ask.draft,
        merged: None,
        reviews: Vec::new(),
        threads: Vec::new(),
        queueings: Vec::new(),
        head_deleted_at: None,
        asked_users: BTreeSet::new(),
        asked_teams: BTreeSet::new(),
        auto_merge: None,
        maintainer_can_modify: false,
    };
    let found = cx.repo_mut(repo)?;
    found.last_number = number;
    found.issues.insert(number, row);
    found.pulls.insert(number, pull);
    refresh_refs(cx, repo, number)?;
    tell(cx, repo, number, "opened", json!({}))?;
    Ok(number)
}

/// What a pull request would be merged into now. Its own `base_sha` is only what the base was when the head last moved,
/// as on GitHub; who wants the tip has to ask the branch.
pub(crate) fn base_tip<'a>(repo: &'a Repo, pull: &'a Pull) -> &'a str {
    let tip = repo.branch(&pull.base).filter(|_| pull.merged.is_none());
    tip.map_or(pull.base_sha.as_str(), String::as_str)
}

/// Sends a `pull_request` event.
pub(crate) fn tell(cx: &mut Cx<'_>, repo: u64, number: u64, action: &str, more: Value) -> Result<(), Refusal> {
    let mut body = json!({ "number": number, "pull_request": cx.pull(repo, number)? });
    if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
        body.extend(more.clone());
    }
    cx.emit(repo, "pull_request", Some(action), body)
}

/// Keeps `refs/pull/N/head` and `refs/pull/N/merge` where GitHub would.
fn refresh_refs(cx: &mut Cx<'_>, repo: u64, number: u64) -> Result<(), Refusal> {
    let git = cx.git(repo)?;
    let pull = cx.repo(repo)?.pulls.get(&number).cloned().ok_or_else(Refusal::not_found)?;
    let (base, head) = (git::oid(&pull.base_sha)?, git::oid(&pull.head_sha)?);
    let mut set = vec![(format!("refs/pull/{number}/head"), pull.head_sha.clone())];
    if let Some(tree) = git::merged_tree(&git, base, head)? {
        let message = format!("Merge {head} into {base}");
        let person = ("GitHub", "noreply@github.com");
        let words = Words { message: &message, author: person, committer: person, at: cx.now };
        set.push((
            format!("refs/pull/{number}/merge"),
            git::commit_tree(&git, &[base, head], tree, &words)?.to_string(),
        ));
    }
    for (name, sha) in set {
        git.reference(&name, git::oid(&sha)?, true, "sandbox")?;
        cx.repo_mut(repo)?.refs.insert(name, sha);
    }
    Ok(())
}

/// What open pull requests feel when a branch moves: new heads, new bases, merges by push, lost branches.
pub(crate) fn branch_moved(cx: &mut Cx<'_>, repo: u64, branch: &str, new: Option<&str>) -> Result<(), Refusal> {
    // Pull requests from a fork live in the repository it was forked from.
    let homes: Vec<u64> = [Some(repo), cx.repo(repo)?.fork_of].into_iter().flatten().collect();
    for home in homes {
        if new.is_none() {
            let now = cx.now;
            let of = |pull: &&mut Pull| pull.head_repo == Some(repo) && pull.head == branch;
            cx.repo_mut(home)?.pulls.values_mut().filter(of).for_each(|pull| pull.head_deleted_at = Some(now));
        }
        let found = cx.repo(home)?;
        let open = |number: &u64| found.issues.get(number).is_some_and(|issue| issue.open);
        let numbers: Vec<u64> = found.pulls.keys().copied().filter(open).collect();
        for number in numbers {
            let Some(pull) = cx.repo(home)?.pulls.get(&number).cloned() else { continue };
            let is_head = pull.head_repo == Some(repo) && pull.head == branch;
            let is_base = home == repo && pull.base == branch;
            match new {
                None if is_head || is_base => close(cx, home, number)?,
                Some(sha) if is_head => head_moved(cx, home, &pull, sha, repo)?,
                Some(sha) if is_base => base_moved(cx, home, &pull, sha)?,
                _ => {}
            }
        }
    }
    queue::base_moved(cx, repo, branch, new)
}

fn head_moved(cx: &mut Cx<'_>, home: u64, pull: &Pull, sha: &str, from: u64) -> Result<(), Refusal> {
    if from != home {
        git::bring(&*cx.git(home)?, &cx.path(from), sha)?;
    }
    let now = cx.now;
    let found = cx.repo_mut(home)?;
    let base_sha = found.branch(&pull.base).cloned();
    let costs = found.protection.get(&pull.base).is_some_and(|asked| asked.dismiss_stale);
    if let Some(pull) = found.pulls.get_mut(&pull.number) {
        pull.head_sha = sha.to_owned();
        pull.head_deleted_at = None;
        if costs {
            pull.reviews
                .iter_mut()
                .filter(|one| one.state == "APPROVED")
                .for_each(|one| one.state = "DISMISSED".into());
        }
        pull.base_sha = base_sha.unwrap_or_else(|| pull.base_sha.clone());
    }
    if let Some(issue) = found.issues.get_mut(&pull.number) {
        issue.updated_at = now;
    }
    refresh_refs(cx, home, pull.number)?;
    queue::remove(cx, home, pull.number, "UNKNOWN_REMOVAL_REASON")?;
    tell(cx, home, pull.number, "synchronize", json!({ "before": pull.head_sha, "after": sha }))
}

fn base_moved(cx: &mut Cx<'_>, home: u64, pull: &Pull, sha: &str) -> Result<(), Refusal> {
    let git = cx.git(home)?;
    let (tip, head) = (git::oid(sha)?, git::oid(&pull.head_sha)?);
    if git::contains(&git, tip, head) {
        // Pushed by hand: GitHub shows such a pull request as merged.
        return conclude(cx, home, pull.number, sha);
    }
    // The merge ref stays as it is until the head or the merge base moves.
    let before = git::merge_base(&git, git::oid(&pull.base_sha)?, head);
    if before == git::merge_base(&git, tip, head) {
        return Ok(());
    }
    if let Some(pull) = cx.repo_mut(home)?.pulls.get_mut(&pull.number) {
        pull.base_sha = sha.to_owned();
    }
    refresh_refs(cx, home, pull.number)
}

/// Closes a pull request or an issue without merging.
pub(crate) fn close(cx: &mut Cx<'_>, repo: u64, number: u64) -> Result<(), Refusal> {
    turn(cx, repo, number, false)
}

/// Opens it again.
pub(crate) fn reopen(cx: &mut Cx<'_>, repo: u64, number: u64) -> Result<(), Refusal> {
    let found = cx.repo(repo)?;
    if let Some(pull) = found.pulls.get(&number) {
        let head = pull.head_repo.and_then(|repo| cx.world.repos.get(&repo)).and_then(|repo| repo.branch(&pull.head));
        if pull.merged.is_some() || head.is_none() {
            return Err(Refusal::invalid(
                "PullRequest",
                "state",
                "state cannot be changed. The branch is gone or merged.",
            ));
        }
    }
    turn(cx, repo, number, true)
}

fn turn(cx: &mut Cx<'_>, repo: u64, number: u64, open: bool) -> Result<(), Refusal> {
    let login = cx.login();
    let now = cx.now;
    let found = cx.repo_mut(repo)?;
    let issue = found.issues.get_mut(&number).ok_or_else(Refusal::not_found)?;
    if issue.open == open {
        return Ok(());
    }
    issue.open = open;
    issue.updated_at = now;
    issue.closed_at = (!open).then_some(now);
    issue.closed_by = (!open).then_some(login);
    let action = if open { "reopened" } else { "closed" };
    if found.pulls.contains_key(&number) {
        queue::remove(cx, repo, number, "MANUAL")?;
        return tell(cx, repo, number, action, json!({}));
    }
    let shape = cx.issue(repo, number)?;
    cx.emit(repo, "issues", Some(action), json!({ "issue": shape }))
}

const NOT_MERGEABLE: &str = "Pull Request is not mergeable";

/// Why a pull request cannot be merged right now, in GitHub's words.
pub(crate) fn obstacle(cx: &Cx<'_>, repo: u64, number: u64) -> Result<Option<String>, Refusal> {
    let found = cx.repo(repo)?;
    let pull = found.pulls.get(&number).ok_or_else(Refusal::not_found)?;
    if !found.issues.get(&number).is_some_and(|issue| issue.open) || pull.draft {
        return Ok(Some(NOT_MERGEABLE.into()));
    }
    if !super::super::shape::mergeable(cx, found, pull)? {
        return Ok(Some(NOT_MERGEABLE.into()));
    }
    match found.protection.get(&pull.base) {
        Some(asked) => rules::obstacle(cx, found, pull, asked),
        None => Ok(None),
    }
}

/// Merges a pull request; `guard` is the head the caller believes in.
pub(crate) fn merge(
    cx: &mut Cx<'_>,
    repo: u64,
    number: u64,
    (method, guard): (&str, Option<&str>),
    (title, text): (Option<&str>, Option<&str>),
) -> Result<String, Refusal> {
    let found = cx.repo(repo)?;
    let pull = found.pulls.get(&number).cloned().ok_or_else(Refusal::not_found)?;
    if pull.merged.is_some() {
        return Err(Refusal::new(405, "Pull Request is not mergeable"));
    }
    if guard.is_some_and(|sha| sha != pull.head_sha) {
        return Err(Refusal::new(409, "Head branch was modified. Review and try the merge again."));
    }
    let settings = &found.settings;
    let allowed = match method {
        "merge" => (settings.merge_commit, "Merge commits are not allowed on this repository."),
        "squash" => (settings.squash, "Squash merges are not allowed on this repository."),
        "rebase" => (settings.rebase, "Rebase merges are not allowed on this repository."),
        _ => return Err(Refusal::schema("merge_method must be merge, squash or rebase")),
    };
    if !allowed.0 {
        return Err(Refusal::new(405, allowed.1));
    }
    // Who is on a bypass list merges whatever the rules ask, but not what conflicts.
    let passes = found.protection.get(&pull.base).is_some_and(|asked| asked.lets_pass(&cx.login()));
    if let Some(why) = obstacle(cx, repo, number)?.filter(|why| !passes || why == NOT_MERGEABLE) {
        return Err(Refusal::new(405, why));
    }
    if let Some(why) = rules::wrong_method(cx.repo(repo)?, &pull, method).filter(|_| !passes) {
        return Err(Refusal::new(405, why));
    }
    let found = cx.repo(repo)?;
    let issue = found.issues.get(&number).ok_or_else(Refusal::not_found)?;
    let (delete, full_title) = (found.settings.delete_branch_on_merge, issue.title.clone());
    let from = format!("{}/{}", found.owner, pull.head);
    let default = if method == "squash" {
        (format!("{full_title} (#{number})"), issue.body.clone().unwrap_or_default())
    } else {
        (format!("Merge pull request #{number} from {from}"), full_title.clone())
    };
    let message = format!("{}\n\n{}", title.unwrap_or(&default.0), text.unwrap_or(&default.1));
    let tip = base_tip(cx.repo(repo)?, &pull).to_owned();
    let pull = Pull { base_sha: tip.clone(), ..pull };
    let sha = merge_commit(cx, repo, &pull, method, message.trim_end())?;
    if let Some(pull) = cx.repo_mut(repo)?.pulls.get_mut(&number) {
        pull.base_sha = tip;
    }
    cx.repo_mut(repo)?.signed.insert(sha.clone());
    conclude(cx, repo, number, &sha)?;
    refs::write(cx, repo, &[Moved { name: format!("refs/heads/{}", pull.base), new: Some(sha.clone()) }])?;
    if delete && pull.head_repo == Some(repo) {
        refs::write(cx, repo, &[Moved { name: format!("refs/heads/{}", pull.head), new: None }])?;
    }
    Ok(sha)
}

/// The commit that merges a pull request into its `base_sha`.
pub(crate) fn merge_commit(
    cx: &Cx<'_>,
    repo: u64,
    pull: &Pull,
    method: &str,
    message: &str,
) -> Result<String, Refusal> {
    let git = cx.git(repo)?;
    let (base, head) = (git::oid(&pull.base_sha)?, git::oid(&pull.head_sha)?);
    let login = cx.login();
    let mail = cx.mail(&login);
    let words = Words { message, author: (&login, &mail), committer: ("GitHub", "noreply@github.com"), at: cx.now };
    let conflict = || Refusal::new(405, "Pull Request is not mergeable");
    if method == "rebase" {
        return Ok(git::rebased(&git, base, head, &words)?.ok_or_else(conflict)?.to_string());
    }
    let tree = git::merged_tree(&git, base, head)?.ok_or_else(conflict)?;
    let parents = if method == "squash" { vec![base] } else { vec![base, head] };
    Ok(git::commit_tree(&git, &parents, tree, &words)?.to_string())
}

/// Marks a pull request as merged by `sha`.
pub(crate) fn conclude(cx: &mut Cx<'_>, repo: u64, number: u64, sha: &str) -> Result<(), Refusal> {
    let (now, by) = (cx.now, cx.login());
    if let Some(pull) = cx.repo_mut(repo)?.pulls.get_mut(&number) {
        pull.merged = Some(Merged { at: now, by, sha: sha.to_owned() });
        pull.auto_merge = None;
    }
    turn(cx, repo, number, false)
}

/// Merges the base branch into the head branch, if the head is still `expected`.
pub(crate) fn update_branch(cx: &mut Cx<'_>, repo: u64, number: u64, expected: Option<&str>) -> Result<(), Refusal> {
    let pull = cx.repo(repo)?.pulls.get(&number).cloned().ok_or_else(Refusal::not_found)?;
    if expected.is_some_and(|sha| sha != pull.head_sha) {
        return Err(Refusal::failed("expected head sha didn’t match current head ref."));
    }
    if pull.head_repo != Some(repo) {
        return Err(Refusal::forbidden());
    }
    let git = cx.git(repo)?;
    let (base, head) = (git::oid(base_tip(cx.repo(repo)?, &pull))?, git::oid(&pull.head_sha)?);
    if git::contains(&git, head, base) {
        return Err(Refusal::failed("There are no new commits on the base branch."));
    }
    let conflict = || Refusal::failed("merge conflict between base and head");
    let tree = git::merged_tree(&git, head, base)?.ok_or_else(conflict)?;
    let login = cx.login();
    let mail = cx.mail(&login);
    let message = format!("Merge branch '{}' into {}", pull.base, pull.head);
    let people = (login.as_str(), mail.as_str());
    let words = Words { message: &message, author: people, committer: ("GitHub", "noreply@github.com"), at: cx.now };
    let sha = git::commit_tree(&git, &[head, base], tree, &words)?.to_string();
    cx.repo_mut(repo)?.signed.insert(sha.clone());
    refs::write(cx, repo, &[Moved { name: format!("refs/heads/{}", pull.head), new: Some(sha) }])
}

/// Changes what an issue or pull request says: title, body, base.
pub(crate) fn edit(
    cx: &mut Cx<'_>,
    repo: u64,
    number: u64,
    (title, body): (Option<&str>, Option<&str>),
    base: Option<&str>,
) -> Result<(), Refusal> {
    title.map_or(Ok(()), |title| limits::title("PullRequest", title))?;
    limits::body("PullRequest", body.unwrap_or_default())?;
    let now = cx.now;
    let found = cx.repo_mut(repo)?;
    let mut changes = json!({});
    if let Some(base) = base {
        let sha = found.branch(base).cloned().ok_or_else(|| Refusal::invalid("PullRequest", "base", "invalid"))?;
        let pull = found.pulls.get_mut(&number).ok_or_else(Refusal::not_found)?;
        if pull.base != base {
            changes["base"] = json!({ "ref": { "from": pull.base }, "sha": { "from": pull.base_sha } });
            (pull.base, pull.base_sha) = (base.to_owned(), sha);
        }
    }
    let issue = found.issues.get_mut(&number).ok_or_else(Refusal::not_found)?;
    if let Some(title) = title.filter(|title| *title != issue.title) {
        changes["title"] = json!({ "from": issue.title });
        issue.title = title.to_owned();
    }
    if let Some(body) = body.filter(|body| Some(*body) != issue.body.as_deref()) {
        changes["body"] = json!({ "from": issue.body.clone().unwrap_or_default() });
        issue.body = Some(body.to_owned());
    }
    if changes.as_object().is_some_and(|changes| changes.is_empty()) {
        return Ok(());
    }
    issue.updated_at = now;
    if found.pulls.contains_key(&number) {
        refresh_refs(cx, repo, number)?;
        return tell(cx, repo, number, "edited", json!({ "changes": changes }));
    }
    let shape = cx.issue(repo, number)?;
    cx.emit(repo, "issues", Some("edited"), json!({ "issue": shape, "changes": changes }))
}
