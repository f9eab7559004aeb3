//! The merge queue: pull requests in line, each built on the one before it, and merged once what was built has passed.
//!
//! Whoever is first decides: it merges when its required checks have passed, and is thrown out when one has failed; those
//! behind it are then built anew. GitHub also throws out what nobody answers within an hour; nobody waits that long here.

use serde_json::{Value, json};

use super::super::auth::Actor;
use super::super::cx::Cx;
use super::super::git;
use super::super::refusal::Refusal;
use super::super::world::{Group, Protection, Pull, Queued, Queueing, Repo};
use super::pulls::{self, tell};
use super::refs::{self, Moved};
use super::rules as branch;

/// Who does what nobody does by hand.
const BOT: &str = "github-merge-queue[bot]";
/// Entries that are built at once, as the ruleset says.
const BUILDS: usize = 5;

/// Whether a pull request is merged by a queue.
pub(crate) fn rules(repo: &Repo, number: u64) -> bool {
    let asked = repo.pulls.get(&number).and_then(|pull| repo.protection.get(&pull.base));
    asked.is_some_and(|asked| asked.queue)
}

/// Puts a pull request at the end of its base's queue, or at the front; `guard` is the head the caller believes in.
pub(crate) fn enqueue(cx: &mut Cx<'_>, repo: u64, number: u64, guard: Option<&str>, jump: bool) -> Result<(), Refusal> {
    let found = cx.repo(repo)?;
    let pull = found.pulls.get(&number).cloned().ok_or_else(Refusal::not_found)?;
    if !rules(found, number) {
        let what = "Pull request cannot be enqueued: the merge queue is not enabled on the base branch";
        return Err(Refusal::new(422, what));
    }
    if guard.is_some_and(|sha| sha != pull.head_sha) {
        return Err(Refusal::new(409, "Head branch was modified. Review and try again."));
    }
    if found.queue.iter().any(|one| one.number == number) {
        return Err(Refusal::new(422, "Pull request is already in the merge queue"));
    }
    // The queue itself brings what it builds up to date.
    if let Some(why) = pulls::obstacle(cx, repo, number)?.filter(|why| why != branch::OUT_OF_DATE) {
        return Err(Refusal::new(422, format!("Pull request cannot be enqueued: {why}")));
    }
    let entry = Queued { id: cx.world.id(), number, base: pull.base.clone(), by: cx.login(), at: cx.now, group: None };
    let front = cx.repo(repo)?.queue.iter().position(|one| jump && one.base == pull.base);
    if let Some(front) = front {
        demolish(cx, repo, &pull.base, front, "invalidated")?;
    }
    let queue = &mut cx.repo_mut(repo)?.queue;
    queue.insert(front.unwrap_or(queue.len()), entry);
    note(cx, repo, number, None)?;
    tell(cx, repo, number, "enqueued", json!({}))?;
    advance(cx, repo, &pull.base)
}

/// Takes a pull request out of its queue, if it is in one; what was built on it is built anew.
pub(crate) fn remove(cx: &mut Cx<'_>, repo: u64, number: u64, reason: &'static str) -> Result<(), Refusal> {
    if let Some(base) = take_out(cx, repo, number, reason)? {
        advance(cx, repo, &base)?;
    }
    Ok(())
}

fn take_out(cx: &mut Cx<'_>, repo: u64, number: u64, reason: &'static str) -> Result<Option<String>, Refusal> {
    let Some(at) = cx.repo(repo)?.queue.iter().position(|one| one.number == number) else { return Ok(None) };
    let base = cx.repo(repo)?.queue[at].base.clone();
    demolish(cx, repo, &base, at + 1, "invalidated")?;
    let entry = cx.repo_mut(repo)?.queue.remove(at);
    note(cx, repo, number, Some(reason))?;
    tell(cx, repo, number, "dequeued", json!({ "reason": reason }))?;
    if let Some(group) = entry.group {
        destroy(cx, repo, &base, &group, "dequeued")?;
    }
    Ok(Some(base))
}

fn note(cx: &mut Cx<'_>, repo: u64, number: u64, out: Option<&'static str>) -> Result<(), Refusal> {
    let queueing = Queueing { out, by: cx.login(), at: cx.now };
    let pull = cx.repo_mut(repo)?.pulls.get_mut(&number).ok_or_else(Refusal::not_found)?;
    pull.queueings.push(queueing);
    Ok(())
}

/// The base moved past the queue: everything in line is built anew.
pub(crate) fn base_moved(cx: &mut Cx<'_>, repo: u64, base: &str, new: Option<&str>) -> Result<(), Refusal> {
    let first = cx.repo(repo)?.queue.iter().position(|one| one.base == base);
    let Some(first) = first else { return Ok(()) };
    let stands = cx.repo(repo)?.queue[first].group.as_ref().is_none_or(|group| Some(group.base_sha.as_str()) == new);
    if stands {
        return Ok(());
    }
    demolish(cx, repo, base, first, "invalidated")?;
    advance(cx, repo, base)
}

/// A check or status on a commit came to its end.
pub(crate) fn checked(cx: &mut Cx<'_>, repo: u64, sha: &str) -> Result<(), Refusal> {
    let built = |one: &&Queued| one.group.as_ref().is_some_and(|group| group.head_sha == sha);
    match cx.repo(repo)?.queue.iter().find(built).map(|one| one.base.clone()) {
        Some(base) => advance(cx, repo, &base),
        None => Ok(()),
    }
}

/// Builds what is in line, and merges or throws out whoever is first as long as its checks say which.
fn advance(cx: &mut Cx<'_>, repo: u64, base: &str) -> Result<(), Refusal> {
    cx.ensure_account(BOT);
    let actor = std::mem::replace(&mut cx.actor, Actor::User(BOT.to_owned()));
    let done = run(cx, repo, base);
    cx.actor = actor;
    done
}

fn run(cx: &mut Cx<'_>, repo: u64, base: &str) -> Result<(), Refusal> {
    let Some(asked) = cx.repo(repo)?.protection.get(base).cloned() else { return Ok(()) };
    // Each turn but the last takes one out.
    for _ in 0..=cx.repo(repo)?.queue.len() {
        build(cx, repo, base, &asked)?;
        let found = cx.repo(repo)?;
        let Some(first) = found.queue.iter().find(|one| one.base == base).cloned() else { return Ok(()) };
        let Some(group) = &first.group else { return Ok(()) };
        match branch::passed(cx, found, &asked, &group.head_sha) {
            None => return Ok(()),
            Some(true) => merge(cx, repo, &first, group)?,
            Some(false) => drop(take_out(cx, repo, first.number, "CI_FAILURE")?),
        }
    }
    Ok(())
}

/// Gives the first entries their merge groups; what conflicts with those before it is thrown out.
fn build(cx: &mut Cx<'_>, repo: u64, base: &str, asked: &Protection) -> Result<(), Refusal> {
    let Some(mut tip) = cx.repo(repo)?.branch(base).cloned() else { return Ok(()) };
    let line: Vec<Queued> = cx.repo(repo)?.queue.iter().filter(|one| one.base == base).take(BUILDS).cloned().collect();
    for entry in line {
        if let Some(group) = &entry.group {
            tip = group.head_sha.clone();
            continue;
        }
        let Some(head_sha) = commit(cx, repo, &entry, &tip, asked)? else {
            take_out(cx, repo, entry.number, "MERGE_CONFLICT")?;
            continue;
        };
        let name = format!("refs/heads/gh-readonly-queue/{base}/pr-{}-{tip}", entry.number);
        let group = Group { name: name.clone(), base_sha: tip, head_sha: head_sha.clone() };
        let queue = &mut cx.repo_mut(repo)?.queue;
        queue.iter_mut().filter(|one| one.id == entry.id).for_each(|one| one.group = Some(group.clone()));
        refs::write(cx, repo, &[Moved { name, new: Some(head_sha.clone()) }])?;
        let shape = shape(cx, repo, base, &group)?;
        cx.emit(repo, "merge_group", Some("checks_requested"), json!({ "merge_group": shape }))?;
        tip = head_sha;
    }
    Ok(())
}

/// A pull request on top of `tip`, by its author; `None` when it conflicts.
fn commit(
    cx: &mut Cx<'_>,
    repo: u64,
    entry: &Queued,
    tip: &str,
    asked: &Protection,
) -> Result<Option<String>, Refusal> {
    let found = cx.repo(repo)?;
    let missing = Refusal::not_found;
    let issue = found.issues.get(&entry.number).ok_or_else(missing)?;
    let (title, body, author) = (issue.title.clone(), issue.body.clone().unwrap_or_default(), issue.author.clone());
    let pull = found.pulls.get(&entry.number).cloned().ok_or_else(missing)?;
    let message = match asked.queue_method() {
        "SQUASH" => format!("{title} (#{})\n\n{body}", entry.number),
        _ => format!("Merge pull request #{} from {}/{}\n\n{title}", entry.number, found.owner, pull.head),
    };
    let pull = Pull { base_sha: tip.to_owned(), ..pull };
    let actor = std::mem::replace(&mut cx.actor, Actor::User(author));
    let made = pulls::merge_commit(cx, repo, &pull, &asked.queue_method().to_lowercase(), message.trim_end());
    cx.actor = actor;
    match made {
        Ok(sha) => {
            cx.repo_mut(repo)?.signed.insert(sha.clone());
            Ok(Some(sha))
        }
        Err(refusal) if refusal.status == 405 => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

/// The base moves to what was built, and the pull request is merged.
fn merge(cx: &mut Cx<'_>, repo: u64, entry: &Queued, group: &Group) -> Result<(), Refusal> {
    let number = entry.number;
    let found = cx.repo_mut(repo)?;
    found.queue.retain(|one| one.id != entry.id);
    let delete = found.settings.delete_branch_on_merge;
    let pull = found.pulls.get_mut(&number).ok_or_else(Refusal::not_found)?;
    pull.base_sha = group.base_sha.clone();
    let head = pull.head.clone();
    let own = pull.head_repo == Some(repo);
    note(cx, repo, number, Some("MERGE"))?;
    tell(cx, repo, number, "dequeued", json!({ "reason": "MERGE" }))?;
    pulls::conclude(cx, repo, number, &group.head_sha)?;
    let moved = Moved { name: format!("refs/heads/{}", entry.base), new: Some(group.head_sha.clone()) };
    refs::write(cx, repo, &[moved])?;
    destroy(cx, repo, &entry.base, group, "merged")?;
    if delete && own {
        refs::write(cx, repo, &[Moved { name: format!("refs/heads/{head}"), new: None }])?;
    }
    Ok(())
}

/// Takes down what was built of one branch's entries from a place in the queue on.
fn demolish(cx: &mut Cx<'_>, repo: u64, base: &str, from: usize, reason: &str) -> Result<(), Refusal> {
    let behind = cx.repo_mut(repo)?.queue.iter_mut().skip(from).filter(|one| one.base == base);
    let groups: Vec<Group> = behind.filter_map(|one| one.group.take()).collect();
    groups.iter().try_for_each(|group| destroy(cx, repo, base, group, reason))
}

fn destroy(cx: &mut Cx<'_>, repo: u64, base: &str, group: &Group, reason: &str) -> Result<(), Refusal> {
    let shape = shape(cx, repo, base, group)?;
    refs::write(cx, repo, &[Moved { name: group.name.clone(), new: None }])?;
    cx.emit(repo, "merge_group", Some("destroyed"), json!({ "merge_group": shape, "reason": reason }))
}

/// A merge group as its events show it.
fn shape(cx: &Cx<'_>, repo: u64, base: &str, group: &Group) -> Result<Value, Refusal> {
    let git = cx.git(repo)?;
    let commit = git.find_commit(git::oid(&group.head_sha)?)?;
    let person = |who: &git2::Signature<'_>| json!({ "name": who.name().unwrap_or_default(), "email": who.email().unwrap_or_default() });
    Ok(json!({
        "head_sha": group.head_sha,
        "head_ref": group.name,
        "base_sha": group.base_sha,
        "base_ref": format!("refs/heads/{base}"),
        "head_commit": {
            "id": group.head_sha,
            "tree_id": commit.tree_id().to_string(),
            "message": commit.message().unwrap_or_default(),
            "timestamp": super::super::cx::iso(cx.now),
            "author": person(&commit.author()),
            "committer": person(&commit.committer()),
        },
    }))
}
