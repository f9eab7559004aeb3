//! Mutations: each changes the world wholly or not at all.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::super::acts::refs::{self, Moved};
use super::super::acts::{pulls, queue};
use super::super::auth::Level::Write;
use super::super::cx::Cx;
use super::super::git::{self, Change};
use super::super::limits;
use super::super::refusal::Refusal;
use super::Args;
use super::node::{Found, Node, Out, by_id};

/// Runs one mutation; what it began is undone when it is refused.
pub(super) fn run(cx: &mut Cx<'_>, name: &str, args: &Args) -> Found {
    let input = args.get("input").cloned().unwrap_or_default();
    let (before, sent) = (cx.world.clone(), cx.sent.len());
    let done = match name {
        "createCommitOnBranch" => create_commit(cx, &input),
        "minimizeComment" => minimize(cx, &input),
        "enablePullRequestAutoMerge" => auto_merge(cx, &input),
        "enqueuePullRequest" => enqueue(cx, &input),
        "dequeuePullRequest" => dequeue(cx, &input),
        "createRef" => create_ref(cx, &input),
        "deleteRef" => delete_ref(cx, &input),
        _ => return Ok(None),
    };
    if done.is_err() {
        *cx.world = before;
        cx.sent.truncate(sent);
    } else {
        cx.wrote = true;
    }
    let id = input["clientMutationId"].clone();
    done.map(|fields| {
        let mut fields: std::collections::BTreeMap<_, _> = fields.into_iter().collect();
        fields.insert("clientMutationId", Out::Value(id));
        Some(Out::Node(Node::Plain("Payload", fields)))
    })
}

type Done = Result<Vec<(&'static str, Out)>, Refusal>;

fn branch_of(cx: &Cx<'_>, branch: &Value) -> Result<(u64, String), Refusal> {
    if let Some(id) = branch["id"].as_str() {
        return match by_id(cx, id)? {
            Node::Ref(repo, full) => Ok((repo, full.trim_start_matches("refs/heads/").to_owned())),
            _ => Err(Refusal::not_found()),
        };
    }
    let full = branch["repositoryNameWithOwner"].as_str().unwrap_or_default();
    let (owner, name) = full.split_once('/').unwrap_or_default();
    let missing = || Refusal::new(404, format!("Could not resolve to a Repository with the name '{full}'."));
    let repo = cx.world.repo_named(owner, name).ok_or_else(missing)?.id;
    let branch = branch["branchName"].as_str().unwrap_or_default();
    Ok((repo, branch.trim_start_matches("refs/heads/").to_owned()))
}

fn create_commit(cx: &mut Cx<'_>, input: &Value) -> Done {
    let (repo, branch) = branch_of(cx, &input["branch"])?;
    cx.allow(repo, "contents", Write)?;
    let full = format!("refs/heads/{branch}");
    let missing = || Refusal::new(404, format!("Could not resolve to a Ref with the name {branch}."));
    let tip = cx.repo(repo)?.branch(&branch).cloned().ok_or_else(missing)?;
    refs::may_push(cx, repo, &full)?;
    let expected = input["expectedHeadOid"].as_str().unwrap_or_default();
    if expected != tip {
        let what = format!("Expected branch to point to \"{expected}\" but it did not. Pull and try again.");
        return Err(Refusal::new(409, what).of_kind("STALE_DATA"));
    }
    let headline = input["message"]["headline"].as_str().unwrap_or_default();
    if headline.trim().is_empty() {
        return Err(Refusal::new(422, "A commit message headline is required"));
    }
    let body = input["message"]["body"].as_str().unwrap_or_default();
    let message = if body.is_empty() { headline.to_owned() } else { format!("{headline}\n\n{body}") };
    let mut changes: Vec<Change> = Vec::new();
    for one in input["fileChanges"]["additions"].as_array().into_iter().flatten() {
        let path = one["path"].as_str().unwrap_or_default().to_owned();
        let contents = one["contents"].as_str().unwrap_or_default();
        let bytes =
            STANDARD.decode(contents).map_err(|_| Refusal::new(422, format!("contents of `{path}` are not base64")))?;
        changes.push((path, Some(bytes)));
    }
    for one in input["fileChanges"]["deletions"].as_array().into_iter().flatten() {
        changes.push((one["path"].as_str().unwrap_or_default().to_owned(), None));
    }
    // Files under .github/workflows take a permission of their own.
    if changes.iter().any(|(path, _)| path.starts_with(".github/workflows/")) {
        cx.allow(repo, "workflows", Write)?;
    }
    let sha = refs::commit(cx, repo, &branch, &message, &changes)?;
    cx.repo_mut(repo)?.signed.insert(sha.clone());
    Ok(vec![("commit", Out::Node(Node::Commit(repo, sha))), ("ref", Out::Node(Node::Ref(repo, full)))])
}

fn minimize(cx: &mut Cx<'_>, input: &Value) -> Done {
    let Node::Comment(repo, id) = by_id(cx, input["subjectId"].as_str().unwrap_or_default())? else {
        return Err(Refusal::not_found());
    };
    cx.allow(repo, "issues|pull_requests", Write)?;
    let why = input["classifier"].as_str().unwrap_or_default();
    if !["ABUSE", "DUPLICATE", "OFF_TOPIC", "OUTDATED", "RESOLVED", "SPAM", "LOW_QUALITY"].contains(&why) {
        return Err(Refusal::new(422, format!("`{why}` is not a ReportedContentClassifiers")));
    }
    let comment = cx.repo_mut(repo)?.comments.get_mut(&id).ok_or_else(Refusal::not_found)?;
    comment.minimized = Some(why.to_owned());
    Ok(vec![("minimizedComment", Out::Node(Node::Comment(repo, id)))])
}

fn auto_merge(cx: &mut Cx<'_>, input: &Value) -> Done {
    let Node::Pull(repo, number) = by_id(cx, input["pullRequestId"].as_str().unwrap_or_default())? else {
        return Err(Refusal::not_found());
    };
    cx.allow(repo, "contents", Write)?;
    cx.allow(repo, "pull_requests", Write)?;
    if !cx.repo(repo)?.settings.auto_merge {
        return Err(Refusal::new(422, "Pull request Auto merge is not allowed for this repository"));
    }
    let head = cx.repo(repo)?.pulls.get(&number).map(|pull| pull.head_sha.clone()).unwrap_or_default();
    if input["expectedHeadOid"].as_str().is_some_and(|sha| sha != head) {
        return Err(Refusal::new(409, "Head branch was modified. Review and try again."));
    }
    if pulls::obstacle(cx, repo, number)?.is_none() {
        return Err(Refusal::new(422, "Pull request Pull request is in clean status"));
    }
    let method = input["mergeMethod"].as_str().unwrap_or("MERGE").to_owned();
    if let Some(pull) = cx.repo_mut(repo)?.pulls.get_mut(&number) {
        pull.auto_merge = Some(method);
    }
    pulls::tell(cx, repo, number, "auto_merge_enabled", serde_json::json!({}))?;
    let actor = Node::Account(cx.login());
    Ok(vec![("pullRequest", Out::Node(Node::Pull(repo, number))), ("actor", Out::Node(actor))])
}

/// Puts a pull request into its queue; the merge queue's own permission is asked for beside those of a merge.
fn enqueue(cx: &mut Cx<'_>, input: &Value) -> Done {
    let (repo, number) = queued(cx, &input["pullRequestId"])?;
    let guard = input["expectedHeadOid"].as_str();
    queue::enqueue(cx, repo, number, guard, input["jump"].as_bool().unwrap_or_default())?;
    // It may be merged already.
    Ok(vec![(
        "mergeQueueEntry",
        super::queue::entry(cx.repo(repo)?, number).map_or(Out::Value(Value::Null), Out::Node),
    )])
}

fn dequeue(cx: &mut Cx<'_>, input: &Value) -> Done {
    let (repo, number) = queued(cx, &input["id"])?;
    let Some(entry) = super::queue::entry(cx.repo(repo)?, number) else {
        return Err(Refusal::new(422, "Pull request is not in the merge queue"));
    };
    queue::remove(cx, repo, number, "MANUAL")?;
    Ok(vec![("mergeQueueEntry", Out::Node(entry))])
}

fn queued(cx: &Cx<'_>, id: &Value) -> Result<(u64, u64), Refusal> {
    let Node::Pull(repo, number) = by_id(cx, id.as_str().unwrap_or_default())? else {
        return Err(Refusal::not_found());
    };
    for permission in ["contents", "pull_requests", "merge_queues"] {
        cx.allow(repo, permission, Write)?;
    }
    Ok((repo, number))
}

fn create_ref(cx: &mut Cx<'_>, input: &Value) -> Done {
    let Node::Repo(repo) = by_id(cx, input["repositoryId"].as_str().unwrap_or_default())? else {
        return Err(Refusal::not_found());
    };
    cx.allow(repo, "contents", Write)?;
    let name = input["name"].as_str().unwrap_or_default().to_owned();
    let sha = input["oid"].as_str().unwrap_or_default().to_owned();
    limits::ref_name(&name)?;
    if cx.repo(repo)?.refs.contains_key(&name) {
        return Err(Refusal::new(422, format!("A ref named \"{name}\" already exists in the repository.")));
    }
    if !git::is_commit(&*cx.git(repo)?, &sha) {
        return Err(Refusal::new(422, "Could not resolve to a commit"));
    }
    refs::write(cx, repo, &[Moved { name: name.clone(), new: Some(sha) }])?;
    Ok(vec![("ref", Out::Node(Node::Ref(repo, name)))])
}

fn delete_ref(cx: &mut Cx<'_>, input: &Value) -> Done {
    let id = input["refId"].as_str().unwrap_or_default();
    let Node::Ref(repo, name) = by_id(cx, id)? else { return Err(Refusal::not_found()) };
    cx.allow(repo, "contents", Write)?;
    refs::may_push(cx, repo, &name)?;
    refs::write(cx, repo, &[Moved { name, new: None }])?;
    Ok(Vec::new())
}
