//! Repositories and refs.

use serde_json::Value;

use super::super::auth::Level::Read;
use super::super::cx::{Cx, iso};
use super::super::git;
use super::super::refusal::Refusal;
use super::super::shape;
use super::super::world::{Deployment, Issue, Repo};
use super::Args;
use super::node::{Found, Node, Out};

fn text<'a>(args: &'a Args, name: &str) -> Option<&'a str> {
    args.get(name).and_then(Value::as_str)
}

fn words(args: &Args, name: &str) -> Option<Vec<String>> {
    match args.get(name)? {
        Value::Array(list) => Some(list.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        Value::String(one) => Some(vec![one.clone()]),
        _ => None,
    }
}

/// `Repository`.
pub(super) fn repository(cx: &Cx<'_>, id: u64, name: &str, args: &Args) -> Found {
    let repo = cx.repo(id)?;
    match name {
        "id" => Out::of(shape::node("Repository", id)),
        "databaseId" => Out::of(id),
        "name" => Out::of(repo.name.clone()),
        "nameWithOwner" => Out::of(repo.full_name()),
        "url" => Out::of(cx.repo_html(repo, "")),
        "isPrivate" => Out::of(repo.private),
        "isFork" => Out::of(repo.fork_of.is_some()),
        "isArchived" => Out::of(repo.settings.archived),
        "isDisabled" => Out::of(false),
        "hasIssuesEnabled" => Out::of(repo.settings.issues),
        "isEmpty" => Out::of(!repo.refs.keys().any(|name| name.starts_with("refs/heads/"))),
        "visibility" => Out::of(if repo.private { "PRIVATE" } else { "PUBLIC" }),
        "owner" => Ok(Some(Out::Node(Node::Account(repo.owner.clone())))),
        "createdAt" | "updatedAt" | "pushedAt" => Out::of(iso(repo.created_at)),
        "mergeCommitAllowed" => Out::of(repo.settings.merge_commit),
        "squashMergeAllowed" => Out::of(repo.settings.squash),
        "rebaseMergeAllowed" => Out::of(repo.settings.rebase),
        "autoMergeAllowed" => Out::of(repo.settings.auto_merge),
        "deleteBranchOnMerge" => Out::of(repo.settings.delete_branch_on_merge),
        "viewerPermission" => Out::of(cx.world.role(repo, &cx.login()).name().to_uppercase()),
        "defaultBranchRef" => {
            cx.allow(id, "contents", Read)?;
            let name = format!("refs/heads/{}", repo.default_branch);
            Out::maybe(repo.refs.contains_key(&name).then_some(Node::Ref(id, name)))
        }
        "ref" => {
            cx.allow(id, "contents", Read)?;
            let asked = text(args, "qualifiedName").unwrap_or_default();
            let full = [asked.to_owned(), format!("refs/heads/{asked}"), format!("refs/tags/{asked}")];
            Out::maybe(full.into_iter().find(|name| repo.refs.contains_key(name)).map(|name| Node::Ref(id, name)))
        }
        "refs" => {
            cx.allow(id, "contents", Read)?;
            let prefix = text(args, "refPrefix").unwrap_or_default();
            let query = text(args, "query").unwrap_or_default();
            let names = repo.refs.keys().filter(|name| name.starts_with(prefix) && name.contains(query));
            Ok(Some(Out::Page("RefConnection", names.map(|name| Node::Ref(id, name.clone())).collect())))
        }
        "object" => {
            cx.allow(id, "contents", Read)?;
            object(cx, id, args)
        }
        "pullRequest" => {
            cx.allow(id, "pull_requests", Read)?;
            let number = args.get("number").and_then(Value::as_u64).unwrap_or_default();
            if !repo.pulls.contains_key(&number) {
                let what = format!("Could not resolve to a PullRequest with the number of {number}.");
                return Err(Refusal::new(404, what));
            }
            Ok(Some(Out::Node(Node::Pull(id, number))))
        }
        "issueOrPullRequest" => {
            cx.allow(id, "issues|pull_requests", Read)?;
            let number = args.get("number").and_then(Value::as_u64).unwrap_or_default();
            let what = || {
                Refusal::new(404, format!("Could not resolve to an issue or pull request with the number of {number}."))
            };
            match (repo.issues.contains_key(&number), repo.pulls.contains_key(&number)) {
                (true, true) => Ok(Some(Out::Node(Node::Pull(id, number)))),
                (true, false) => Ok(Some(Out::Node(Node::Issue(id, number)))),
                (false, _) => Err(what()),
            }
        }
        "pullRequests" => {
            cx.allow(id, "pull_requests", Read)?;
            Ok(Some(Out::Page("PullRequestConnection", pulls(repo, args))))
        }
        "deployments" => {
            cx.allow(id, "deployments", Read)?;
            Ok(Some(Out::Page("DeploymentConnection", deployments(repo, args))))
        }
        "issue" => {
            cx.allow(id, "issues|pull_requests", Read)?;
            let number = args.get("number").and_then(Value::as_u64).unwrap_or_default();
            let found = repo.issues.contains_key(&number) && !repo.pulls.contains_key(&number);
            let what = || Refusal::new(404, format!("Could not resolve to an Issue with the number of {number}."));
            if found { Ok(Some(Out::Node(Node::Issue(id, number)))) } else { Err(what()) }
        }
        "issues" => {
            cx.allow(id, "issues", Read)?;
            Ok(Some(Out::Page("IssueConnection", issues(repo, args))))
        }
        _ => Ok(None),
    }
}

fn object(cx: &Cx<'_>, id: u64, args: &Args) -> Found {
    let git = cx.git(id)?;
    let found = match (text(args, "oid"), text(args, "expression")) {
        (Some(oid), _) => git::oid(oid).ok(),
        (None, Some(expression)) => {
            let (name, path) = expression.split_once(':').map_or((expression, None), |(name, path)| (name, Some(path)));
            let commit = super::super::rest::resolve(cx, id, name).ok().and_then(|sha| git::oid(&sha).ok());
            match (commit, path) {
                (Some(commit), Some("")) => git::tree_of(&git, commit).ok(),
                (Some(commit), Some(path)) => git
                    .find_commit(commit)
                    .and_then(|commit| commit.tree())
                    .and_then(|tree| tree.get_path(std::path::Path::new(path)))
                    .ok()
                    .map(|entry| entry.id()),
                (commit, None) => commit,
                (None, _) => None,
            }
        }
        _ => None,
    };
    Out::maybe(found.and_then(|oid| object_node(&git, id, oid)))
}

/// The node of a git object.
pub(super) fn object_node(git: &git2::Repository, repo: u64, oid: git2::Oid) -> Option<Node> {
    let sha = oid.to_string();
    Some(match git.find_object(oid, None).ok()?.kind()? {
        git2::ObjectType::Commit => Node::Commit(repo, sha),
        git2::ObjectType::Tag => Node::Tag(repo, sha),
        git2::ObjectType::Tree => Node::Tree(repo, sha),
        git2::ObjectType::Blob => Node::Blob(repo, sha),
        git2::ObjectType::Any => return None,
    })
}

/// Deployments by the environments asked for, oldest first unless asked otherwise.
fn deployments(repo: &Repo, args: &Args) -> Vec<Node> {
    let wanted = words(args, "environments");
    let here = |one: &&Deployment| wanted.as_ref().is_none_or(|names| names.contains(&one.environment));
    let mut rows: Vec<&Deployment> = repo.deployments.values().filter(here).collect();
    if args.get("orderBy").is_some_and(|order| order["direction"] == "DESC") {
        rows.reverse();
    }
    let text = |text: &str| Out::Value(text.into());
    let node = |one: &Deployment| {
        Node::plain(
            "Deployment",
            [
                ("id", text(&shape::node("Deployment", one.id))),
                ("databaseId", Out::Value(one.id.into())),
                ("commitOid", text(&one.sha)),
                ("commit", Out::Node(Node::Commit(repo.id, one.sha.clone()))),
                ("environment", text(&one.environment)),
                ("task", text(&one.task)),
                ("payload", text(&one.payload.to_string())),
                ("description", Out::Value(serde_json::json!(one.description))),
                ("creator", Out::Node(Node::Account(one.author.clone()))),
                ("createdAt", text(&iso(one.at))),
                ("state", text(deployment_state(one))),
            ],
        )
    };
    rows.into_iter().map(node).collect()
}

/// GitHub calls a successful deployment active until another takes its place.
fn deployment_state(one: &Deployment) -> &'static str {
    match one.statuses.last().map(|status| status.state.as_str()) {
        None | Some("pending") => "PENDING",
        Some("queued") => "QUEUED",
        Some("in_progress") => "IN_PROGRESS",
        Some("success") => "ACTIVE",
        Some("inactive") => "INACTIVE",
        Some("error") => "ERROR",
        Some(_) => "FAILURE",
    }
}

fn pulls(repo: &Repo, args: &Args) -> Vec<Node> {
    let states = words(args, "states");
    let labels = words(args, "labels");
    let (base, head) = (text(args, "baseRefName"), text(args, "headRefName"));
    let wanted = repo.pulls.values().filter_map(|pull| repo.issues.get(&pull.number).map(|issue| (pull, issue)));
    let rows = wanted.filter(|(pull, issue)| {
        states.as_ref().is_none_or(|states| states.iter().any(|one| *one == super::pull::state(repo, issue)))
            && base.is_none_or(|base| base == pull.base)
            && head.is_none_or(|head| head == pull.head)
            && labels
                .as_ref()
                .is_none_or(|labels| labels.iter().any(|label| issue.labels.contains(&label.to_lowercase())))
    });
    let rows = rows.map(|(_, issue)| issue).collect();
    sorted(rows, args).into_iter().map(|number| Node::Pull(repo.id, number)).collect()
}

fn issues(repo: &Repo, args: &Args) -> Vec<Node> {
    let states = words(args, "states");
    let labels = words(args, "labels");
    let creator = args.get("filterBy").and_then(|filter| filter["createdBy"].as_str());
    let rows = repo.issues.values().filter(|issue| {
        !repo.pulls.contains_key(&issue.number)
            && states.as_ref().is_none_or(|states| states.iter().any(|one| *one == super::pull::state(repo, issue)))
            && labels
                .as_ref()
                .is_none_or(|labels| labels.iter().any(|label| issue.labels.contains(&label.to_lowercase())))
            && creator.is_none_or(|login| {
                issue.author.trim_end_matches("[bot]").eq_ignore_ascii_case(login.trim_end_matches("[bot]"))
            })
    });
    sorted(rows.collect(), args).into_iter().map(|number| Node::Issue(repo.id, number)).collect()
}

fn sorted(mut rows: Vec<&Issue>, args: &Args) -> Vec<u64> {
    let order = args.get("orderBy");
    if order.is_some_and(|order| order["field"] == "UPDATED_AT") {
        rows.sort_by_key(|issue| (issue.updated_at, issue.number));
    }
    if order.is_some_and(|order| order["direction"] == "DESC") {
        rows.reverse();
    }
    rows.into_iter().map(|issue| issue.number).collect()
}

/// `Ref`.
pub(super) fn reference(cx: &Cx<'_>, (id, full): (u64, &str), name: &str, args: &Args) -> Found {
    let repo = cx.repo(id)?;
    let short = ["refs/heads/", "refs/tags/"].into_iter().find_map(|prefix| full.strip_prefix(prefix));
    match name {
        "id" => Out::of(shape::node("Ref", format!("{id}:{full}"))),
        "name" => Out::of(short.unwrap_or(full)),
        "prefix" => Out::of(&full[..full.len() - short.unwrap_or(full).len()]),
        "repository" => Ok(Some(Out::Node(Node::Repo(id)))),
        "refUpdateRule" => {
            let asked = repo.protection.get(short.unwrap_or(full)).filter(|asked| asked.classic);
            Out::maybe(asked.map(super::super::acts::rules::update_rule))
        }
        "target" => {
            let git = cx.git(id)?;
            let oid = repo.refs.get(full).map(|sha| git::oid(sha)).transpose()?;
            Out::maybe(oid.and_then(|oid| object_node(&git, id, oid)))
        }
        "associatedPullRequests" => {
            cx.allow(id, "pull_requests", Read)?;
            let mut args = args.clone();
            args.insert("headRefName".into(), short.unwrap_or_default().into());
            Ok(Some(Out::Page("PullRequestConnection", pulls(repo, &args))))
        }
        _ => Ok(None),
    }
}
