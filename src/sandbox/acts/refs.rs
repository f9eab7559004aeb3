//! Branches and tags move: the ref on disk, the mirror in the world, the events, and what hangs on them.

use serde_json::json;

use super::super::auth::Actor;
use super::super::cx::Cx;
use super::super::git::{self, Change, Words};
use super::super::refusal::Refusal;
use super::{checks, pulls};

/// A ref and what it names from now on; `None` deletes it.
pub(crate) struct Moved {
    pub(crate) name: String,
    pub(crate) new: Option<String>,
}

/// GitHub sends no event at all when more tags than this are pushed at once.
const TAGS_TOLD: usize = 3;
/// Commits listed in one push event.
const COMMITS_TOLD: usize = 2_048;
const ZERO: &str = "0000000000000000000000000000000000000000";

/// Refuses a direct push to a branch whose rules forbid it.
pub(crate) fn may_push(cx: &Cx<'_>, repo: u64, name: &str) -> Result<(), Refusal> {
    let Some(branch) = name.strip_prefix("refs/heads/") else { return Ok(()) };
    let login = cx.login();
    match cx.repo(repo)?.protection.get(branch) {
        Some(rules) if (rules.no_push || rules.locked) && !rules.lets_pass(&login) => {
            let message = format!("Repository rule violations found\n\nCannot update this protected ref: {branch}");
            Err(Refusal::new(422, message))
        }
        _ => Ok(()),
    }
}

/// Moves refs on disk and lets the world know.
pub(crate) fn write(cx: &mut Cx<'_>, repo: u64, changes: &[Moved]) -> Result<(), Refusal> {
    let git = cx.git(repo)?;
    for change in changes {
        super::super::limits::ref_name(&change.name)?;
        match &change.new {
            Some(sha) => {
                git.reference(&change.name, git::oid(sha)?, true, "sandbox")?;
            }
            None => git.find_reference(&change.name)?.delete()?,
        }
    }
    moved(cx, repo, changes)
}

/// Mirrors refs that moved on disk, and sets off `push`, `create`, `delete`, check suites and what pull requests feel.
pub(crate) fn moved(cx: &mut Cx<'_>, repo: u64, changes: &[Moved]) -> Result<(), Refusal> {
    let login = cx.login();
    let tags = changes.iter().filter(|change| change.name.starts_with("refs/tags/")).count();
    let mut told = Vec::new();
    for change in changes {
        let found = cx.repo_mut(repo)?;
        let old = match &change.new {
            Some(sha) => found.refs.insert(change.name.clone(), sha.clone()),
            None => found.refs.remove(&change.name),
        };
        if old != change.new {
            found.pushers.insert(change.name.clone(), login.clone());
            told.push((change, old));
        }
    }
    for (change, old) in told {
        let tag = change.name.starts_with("refs/tags/");
        if (tag && tags > TAGS_TOLD) || change.name.starts_with("refs/pull/") {
            continue;
        }
        tell(cx, repo, change, old.as_deref())?;
        let Some(branch) = change.name.strip_prefix("refs/heads/") else { continue };
        if let Some(sha) = &change.new {
            checks::ask_for_checks(cx, repo, branch, sha)?;
        }
        pulls::branch_moved(cx, repo, branch, change.new.as_deref())?;
    }
    Ok(())
}

fn tell(cx: &mut Cx<'_>, repo: u64, change: &Moved, old: Option<&str>) -> Result<(), Refusal> {
    let (short, kind) = match change.name.strip_prefix("refs/tags/") {
        Some(tag) => (tag, "tag"),
        None => (change.name.trim_start_matches("refs/heads/"), "branch"),
    };
    let event = match (&old, &change.new) {
        (None, Some(_)) => Some("create"),
        (Some(_), None) => Some("delete"),
        _ => None,
    };
    if let Some(event) = event {
        let mut body = json!({ "ref": short, "ref_type": kind, "pusher_type": "user" });
        if event == "create" {
            body["master_branch"] = cx.repo(repo)?.default_branch.clone().into();
            body["description"] = serde_json::Value::Null;
        }
        cx.emit(repo, event, None, body)?;
    }
    let body = push(cx, repo, change, old)?;
    cx.emit(repo, "push", None, body)
}

fn push(cx: &Cx<'_>, repo: u64, change: &Moved, old: Option<&str>) -> Result<serde_json::Value, Refusal> {
    let git = cx.git(repo)?;
    let full_name = cx.repo(repo)?.full_name();
    let new = change.new.as_deref();
    let new_commit = new.and_then(|sha| git::peel(&git, sha).ok());
    let old_commit = old.and_then(|sha| git::peel(&git, sha).ok());
    let forced = match (old_commit, new_commit) {
        (Some(old), Some(new)) => !git::contains(&git, new, old),
        _ => false,
    };
    let mut commits = Vec::new();
    if let (Some(old), Some(new)) = (old_commit, new_commit) {
        for sha in git::between(&git, Some(old), new, COMMITS_TOLD)?.into_iter().rev() {
            commits.push(cx.push_commit(repo, sha)?);
        }
    }
    let head = match new_commit {
        Some(new) => cx.push_commit(repo, new)?,
        None => serde_json::Value::Null,
    };
    let login = cx.login();
    let range = format!("{}...{}", &old.unwrap_or(ZERO)[..12], &new.unwrap_or(ZERO)[..12]);
    Ok(json!({
        "ref": change.name,
        "before": old.unwrap_or(ZERO),
        "after": new.unwrap_or(ZERO),
        "created": old.is_none(),
        "deleted": new.is_none(),
        "forced": forced,
        "base_ref": null,
        "compare": format!("{}/{full_name}/compare/{range}", cx.inner.options.base_url),
        "commits": commits,
        "head_commit": head,
        "pusher": { "name": login, "email": cx.mail(&login) },
    }))
}

/// Commits changes on a branch (made when missing) as the one who acts, and moves the branch.
pub(crate) fn commit(
    cx: &mut Cx<'_>,
    repo: u64,
    branch: &str,
    message: &str,
    changes: &[Change],
) -> Result<String, Refusal> {
    let name = format!("refs/heads/{branch}");
    let found = cx.repo(repo)?;
    let tip = found.branch(branch).or_else(|| found.branch(&found.default_branch)).cloned();
    let git = cx.git(repo)?;
    let parents: Vec<_> = tip.iter().map(|sha| git::oid(sha)).collect::<Result<_, _>>()?;
    let login = cx.login();
    let mail = cx.mail(&login);
    let person = (login.as_str(), mail.as_str());
    // The App commits through GitHub, which signs; people commit by themselves.
    let by_app = matches!(cx.actor, Actor::Installation(_));
    let committer = if by_app { ("GitHub", "noreply@github.com") } else { person };
    let words = Words { message, author: person, committer, at: cx.now };
    let sha = git::commit(&git, &parents, changes, &words)?.to_string();
    if by_app {
        cx.repo_mut(repo)?.signed.insert(sha.clone());
    }
    write(cx, repo, &[Moved { name, new: Some(sha.clone()) }])?;
    Ok(sha)
}
