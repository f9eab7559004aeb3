//! Pull requests, issues, comments and reviews.

use serde_json::{Value, json};

use super::super::acts::{pulls, reviews, rules};
use super::super::auth::Level::Read;
use super::super::cx::{Cx, iso};
use super::super::git;
use super::super::refusal::Refusal;
use super::super::shape;
use super::super::world::{Issue, Protection, Pull, Repo};
use super::node::{Found, Node, Out, reaction_groups};
use super::{Args, queue};

/// An issue's state, or a pull request's.
pub(super) fn state(repo: &Repo, issue: &Issue) -> &'static str {
    match (issue.open, repo.pulls.get(&issue.number)) {
        (true, _) => "OPEN",
        (false, Some(pull)) if pull.merged.is_some() => "MERGED",
        _ => "CLOSED",
    }
}

/// What issues and pull requests share.
pub(super) fn issue(cx: &Cx<'_>, (id, number): (u64, u64), name: &str, args: &Args) -> Found {
    let repo = cx.repo(id)?;
    let issue = repo.issues.get(&number).ok_or_else(Refusal::not_found)?;
    let is_pull = repo.pulls.contains_key(&number);
    let kind = if is_pull { ("PullRequest", "pull") } else { ("Issue", "issues") };
    match name {
        "id" => Out::of(shape::node(kind.0, format!("{id}:{number}"))),
        "databaseId" | "fullDatabaseId" => Out::of(issue.id),
        "number" => Out::of(number),
        "title" => Out::of(issue.title.clone()),
        "body" => Out::of(issue.body.clone().unwrap_or_default()),
        "state" => Out::of(state(repo, issue)),
        "closed" => Out::of(!issue.open),
        "url" => Out::of(cx.repo_html(repo, &format!("/{}/{number}", kind.1))),
        "author" => Ok(Some(Out::Node(Node::Account(issue.author.clone())))),
        "createdAt" => Out::of(iso(issue.created_at)),
        "updatedAt" => Out::of(iso(issue.updated_at)),
        "closedAt" => Out::of(json!(issue.closed_at.map(iso))),
        "locked" => Out::of(false),
        "repository" => Ok(Some(Out::Node(Node::Repo(id)))),
        "viewerDidAuthor" => Out::of(issue.author == cx.login()),
        "reactionGroups" => reaction_groups(cx, &[]),
        "labels" => {
            let rows = issue.labels.iter().filter_map(|key| label(repo, key));
            Ok(Some(Out::Page("LabelConnection", rows.collect())))
        }
        "comments" => {
            cx.allow(id, "issues|pull_requests", Read)?;
            let mut rows: Vec<_> = repo.comments.values().filter(|comment| comment.number == number).collect();
            if args.get("orderBy").is_some_and(|order| order["direction"] == "DESC") {
                rows.reverse();
            }
            let rows = rows.into_iter().map(|comment| Node::Comment(id, comment.id));
            Ok(Some(Out::Page("IssueCommentConnection", rows.collect())))
        }
        _ => Ok(None),
    }
}

/// `PullRequest`.
pub(super) fn pull(cx: &Cx<'_>, at: (u64, u64), name: &str, args: &Args) -> Found {
    let (id, number) = at;
    let repo = cx.repo(id)?;
    let pull = repo.pulls.get(&number).ok_or_else(Refusal::not_found)?;
    let open = repo.issues.get(&number).is_some_and(|issue| issue.open);
    match name {
        "databaseId" | "fullDatabaseId" => Out::of(pull.id),
        "isDraft" => Out::of(pull.draft),
        "potentialMergeCommit" => {
            let sha = repo.refs.get(&format!("refs/pull/{number}/merge"));
            Out::maybe(sha.map(|sha| Node::Commit(id, sha.clone())))
        }
        "mergeable" if !open || repo.settings.computing => Out::of("UNKNOWN"),
        "mergeable" => Out::of(if shape::mergeable(cx, repo, pull)? { "MERGEABLE" } else { "CONFLICTING" }),
        "mergeStateStatus" => merge_state(cx, repo, pull),
        "autoMergeRequest" => {
            let method = pull.auto_merge.clone();
            Out::maybe(
                method.map(|method| Node::plain("AutoMergeRequest", [("mergeMethod", Out::Value(method.into()))])),
            )
        }
        "reviewDecision" => review_decision(cx, repo, pull),
        "additions" | "deletions" | "changedFiles" => {
            let files = cx.pull_files(repo, pull)?;
            Out::of(match name {
                "additions" => files.iter().map(|file| file.additions).sum::<usize>(),
                "deletions" => files.iter().map(|file| file.deletions).sum(),
                _ => files.len(),
            })
        }
        "timelineItems" => timeline((repo.issues.get(&number).ok_or_else(Refusal::not_found)?, pull), repo, args),
        "reviewThreads" => {
            let rows = pull.threads.iter().map(|thread| {
                let id = shape::node("PullRequestReviewThread", thread.id);
                Node::plain(
                    "PullRequestReviewThread",
                    [("id", Out::Value(id.into())), ("isResolved", Out::Value(thread.resolved.into()))],
                )
            });
            Ok(Some(Out::Page("PullRequestReviewThreadConnection", rows.collect())))
        }
        "reviews" | "latestReviews" | "latestOpinionatedReviews" | "reviewRequests" => {
            reviews(cx, repo, pull, name, args)
        }
        "commits" => {
            let git = cx.git(id)?;
            let head = git::oid(&pull.head_sha)?;
            let from = git::merge_base(&git, git::oid(pulls::base_tip(repo, pull))?, head);
            // 250 is where GitHub stops listing.
            let shas = git::between(&git, from, head, 250)?.into_iter().rev();
            let rows = shas.map(|sha| {
                Node::plain("PullRequestCommit", [("commit", Out::Node(Node::Commit(id, sha.to_string())))])
            });
            Ok(Some(Out::Page("PullRequestCommitConnection", rows.collect())))
        }
        "files" => {
            let rows = cx.pull_files(repo, pull)?.into_iter().map(|file| {
                let change = match file.status {
                    "removed" => "DELETED".to_owned(),
                    other => other.to_uppercase(),
                };
                Node::plain(
                    "PullRequestChangedFile",
                    [
                        ("path", Out::Value(file.path.into())),
                        ("additions", Out::Value(file.additions.into())),
                        ("deletions", Out::Value(file.deletions.into())),
                        ("changeType", Out::Value(change.into())),
                    ],
                )
            });
            Ok(Some(Out::Page("PullRequestChangedFileConnection", rows.collect())))
        }
        "statusCheckRollup" => super::commit::commit(cx, (id, &pull.head_sha), name, args),
        _ => match sides(cx, repo, pull, name)? {
            Some(found) => Ok(Some(found)),
            None => issue(cx, at, name, args),
        },
    }
}

fn label(repo: &Repo, key: &str) -> Option<Node> {
    let label = repo.labels.get(key)?;
    Some(Node::plain(
        "Label",
        [
            ("id", Out::Value(shape::node("Label", label.id).into())),
            ("name", Out::Value(label.name.clone().into())),
            ("color", Out::Value(label.color.clone().into())),
            ("description", Out::Value(json!(label.description))),
        ],
    ))
}

/// Of all that happens on a pull request, the timeline here knows who labelled it, who queued it and who closed it.
fn timeline((issue, pull): (&Issue, &Pull), repo: &Repo, args: &Args) -> Found {
    let wanted = |kind: &str| {
        let types = args.get("itemTypes").and_then(Value::as_array);
        types.is_none_or(|types| types.iter().any(|one| one == kind))
    };
    let event = |kind, who: &str, at: Option<jiff::Timestamp>| {
        let fields =
            [("actor", Out::Node(Node::Account(who.to_owned()))), ("createdAt", Out::Value(json!(at.map(iso))))];
        Node::plain(kind, fields)
    };
    let mut rows = Vec::new();
    for one in &issue.labelings {
        let (kind, word) =
            if one.set { ("LabeledEvent", "LABELED_EVENT") } else { ("UnlabeledEvent", "UNLABELED_EVENT") };
        // What happened to a label that is no more is gone with it.
        let (true, Some(label)) = (wanted(word), label(repo, &one.label)) else { continue };
        let mut node = event(kind, &one.by, Some(one.at));
        if let Node::Plain(_, fields) = &mut node {
            fields.insert("label", Out::Node(label));
        }
        rows.push(node);
    }
    for one in &pull.queueings {
        let (kind, word) = match one.out {
            None => ("AddedToMergeQueueEvent", "ADDED_TO_MERGE_QUEUE_EVENT"),
            Some(_) => ("RemovedFromMergeQueueEvent", "REMOVED_FROM_MERGE_QUEUE_EVENT"),
        };
        if !wanted(word) {
            continue;
        }
        let mut node = event(kind, &one.by, Some(one.at));
        if let (Node::Plain(_, fields), Some(reason)) = (&mut node, one.out) {
            fields.insert("reason", Out::Value(reason.into()));
        }
        rows.push(node);
    }
    // Deleting the branch of an open pull request closes it, and comes first; who deleted it nobody asks.
    let deleted = pull.head_deleted_at.filter(|_| wanted("HEAD_REF_DELETED_EVENT"));
    let deleted = deleted.map(|at| event("HeadRefDeletedEvent", "ghost", Some(at)));
    let closed = issue.closed_by.as_ref().filter(|_| !issue.open && wanted("CLOSED_EVENT"));
    let closed = closed.map(|who| event("ClosedEvent", who, issue.closed_at));
    match pull.head_deleted_at > issue.closed_at {
        true => rows.extend(closed.into_iter().chain(deleted)),
        false => rows.extend(deleted.into_iter().chain(closed)),
    }
    Ok(Some(Out::Page("PullRequestTimelineItemsConnection", rows)))
}

/// Where a pull request comes from, where it goes, and how it got there.
fn sides(cx: &Cx<'_>, repo: &Repo, pull: &Pull, name: &str) -> Found {
    let id = repo.id;
    match name {
        "baseRefName" => Out::of(pull.base.clone()),
        "baseRefOid" => Out::of(pull.base_sha.clone()),
        "baseRepository" => Ok(Some(Out::Node(Node::Repo(id)))),
        "baseRef" => {
            let full = format!("refs/heads/{}", pull.base);
            Out::maybe(repo.refs.contains_key(&full).then_some(Node::Ref(id, full)))
        }
        "headRefName" => Out::of(pull.head.clone()),
        "headRefOid" => Out::of(pull.head_sha.clone()),
        "headRef" => {
            let home = pull.head_repo.and_then(|id| cx.world.repos.get(&id));
            let full = format!("refs/heads/{}", pull.head);
            Out::maybe(home.filter(|home| home.refs.contains_key(&full)).map(|home| Node::Ref(home.id, full)))
        }
        "headRepository" => Out::maybe(pull.head_repo.map(Node::Repo)),
        "headRepositoryOwner" => {
            let home = pull.head_repo.and_then(|id| cx.world.repos.get(&id));
            Out::maybe(home.map(|home| Node::Account(home.owner.clone())))
        }
        "isCrossRepository" => Out::of(pull.head_repo != Some(id)),
        "maintainerCanModify" => Out::of(pull.maintainer_can_modify),
        "merged" => Out::of(pull.merged.is_some()),
        "mergedAt" => Out::of(json!(pull.merged.as_ref().map(|merged| iso(merged.at)))),
        "mergedBy" => Out::maybe(pull.merged.as_ref().map(|merged| Node::Account(merged.by.clone()))),
        "mergeCommit" => Out::maybe(pull.merged.as_ref().map(|merged| Node::Commit(id, merged.sha.clone()))),
        "isInMergeQueue" => Out::of(repo.queue.iter().any(|one| one.number == pull.number)),
        "isMergeQueueEnabled" => Out::of(repo.protection.get(&pull.base).is_some_and(|asked| asked.queue)),
        "mergeQueueEntry" => Out::maybe(queue::entry(repo, pull.number)),
        _ => Ok(None),
    }
}

fn merge_state(cx: &Cx<'_>, repo: &Repo, pull: &Pull) -> Found {
    if repo.settings.computing || !repo.issues.get(&pull.number).is_some_and(|issue| issue.open) {
        return Out::of("UNKNOWN");
    }
    if pull.draft {
        return Out::of("DRAFT");
    }
    if !shape::mergeable(cx, repo, pull)? {
        return Out::of("DIRTY");
    }
    Out::of(match pulls::obstacle(cx, repo.id, pull.number)? {
        None => "CLEAN",
        Some(why) if why == rules::OUT_OF_DATE => "BEHIND",
        Some(_) => "BLOCKED",
    })
}

fn review_decision(cx: &Cx<'_>, repo: &Repo, pull: &Pull) -> Found {
    let asks = |asked: &&Protection| asked.required_reviews > 0 || asked.code_owners;
    let Some(asked) = repo.protection.get(&pull.base).filter(asks) else {
        return Out::of(Value::Null);
    };
    if reviews::standing(pull).iter().any(|review| review.state == "CHANGES_REQUESTED") {
        return Out::of("CHANGES_REQUESTED");
    }
    Out::of(if rules::reviews(cx, repo, pull, asked)?.is_some() { "REVIEW_REQUIRED" } else { "APPROVED" })
}

fn reviews(cx: &Cx<'_>, repo: &Repo, pull: &Pull, name: &str, args: &Args) -> Found {
    let (id, number) = (repo.id, pull.number);
    let node = |review: u64| Node::Review(id, number, review);
    let page = |rows: Vec<Node>| Ok(Some(Out::Page("PullRequestReviewConnection", rows)));
    match name {
        "reviews" => {
            let states = args.get("states").and_then(Value::as_array).cloned();
            let wanted = |state: &str| states.as_ref().is_none_or(|states| states.iter().any(|one| one == state));
            page(pull.reviews.iter().filter(|review| wanted(&review.state)).map(|review| node(review.id)).collect())
        }
        "latestOpinionatedReviews" => {
            let writers = args.get("writersOnly").and_then(Value::as_bool).unwrap_or_default();
            let may = |login: &str| !writers || cx.world.role(repo, login) >= super::super::world::Role::Write;
            let rows = reviews::standing(pull).into_iter().filter(|review| may(&review.author));
            page(rows.map(|review| node(review.id)).collect())
        }
        "latestReviews" => {
            let mut last = std::collections::BTreeMap::new();
            for review in &pull.reviews {
                last.insert(review.author.clone(), review.id);
            }
            page(last.into_values().map(node).collect())
        }
        _ => {
            let users = pull.asked_users.iter().map(|login| Node::Account(login.clone()));
            let teams = pull.asked_teams.iter().map(|slug| Node::Team(repo.owner.clone(), slug.clone()));
            let rows = users.chain(teams).map(|who| {
                Node::plain(
                    "ReviewRequest",
                    [("requestedReviewer", Out::Node(who)), ("asCodeOwner", Out::Value(false.into()))],
                )
            });
            Ok(Some(Out::Page("ReviewRequestConnection", rows.collect())))
        }
    }
}

/// `PullRequestReview`.
pub(super) fn review(cx: &Cx<'_>, (id, number, review): (u64, u64, u64), name: &str) -> Found {
    let repo = cx.repo(id)?;
    let pull = repo.pulls.get(&number).ok_or_else(Refusal::not_found)?;
    let review = pull.reviews.iter().find(|one| one.id == review).ok_or_else(Refusal::not_found)?;
    match name {
        "id" => Out::of(shape::node("PullRequestReview", review.id)),
        "databaseId" | "fullDatabaseId" => Out::of(review.id),
        "state" => Out::of(review.state.clone()),
        "body" => Out::of(review.body.clone()),
        "author" => Ok(Some(Out::Node(Node::Account(review.author.clone())))),
        "authorCanPushToRepository" => Out::of(cx.world.role(repo, &review.author) >= super::super::world::Role::Write),
        "submittedAt" | "createdAt" | "updatedAt" => Out::of(iso(review.at)),
        "commit" => Ok(Some(Out::Node(Node::Commit(id, review.commit.clone())))),
        "url" => Out::of(cx.repo_html(repo, &format!("/pull/{number}#pullrequestreview-{}", review.id))),
        "pullRequest" => Ok(Some(Out::Node(Node::Pull(id, number)))),
        _ => Ok(None),
    }
}

/// `IssueComment`.
pub(super) fn comment(cx: &Cx<'_>, (id, comment): (u64, u64), name: &str, args: &Args) -> Found {
    let repo = cx.repo(id)?;
    let comment = repo.comments.get(&comment).ok_or_else(Refusal::not_found)?;
    let kind = if repo.pulls.contains_key(&comment.number) { "pull" } else { "issues" };
    match name {
        "id" => Out::of(shape::node("IssueComment", format!("{id}:{}", comment.id))),
        "databaseId" | "fullDatabaseId" => Out::of(comment.id),
        "body" => Out::of(comment.body.clone()),
        "author" => Ok(Some(Out::Node(Node::Account(comment.author.clone())))),
        "createdAt" | "publishedAt" => Out::of(iso(comment.created_at)),
        "updatedAt" => Out::of(iso(comment.updated_at)),
        "lastEditedAt" => Out::of(json!(comment.edited_at.map(iso))),
        "includesCreatedEdit" => Out::of(comment.edited_at.is_some()),
        "url" => Out::of(cx.repo_html(repo, &format!("/{kind}/{}#issuecomment-{}", comment.number, comment.id))),
        "viewerDidAuthor" => Out::of(comment.author == cx.login()),
        "isMinimized" => Out::of(comment.minimized.is_some()),
        "minimizedReason" => Out::of(json!(comment.minimized.as_ref().map(|why| why.to_lowercase()))),
        "authorAssociation" => Out::of(cx.comment(id, comment.id)?["author_association"].clone()),
        "reactionGroups" => reaction_groups(cx, &comment.reactions),
        "reactions" => {
            let wanted = args.get("content").and_then(Value::as_str);
            let word = |content: &str| match content {
                "+1" => "THUMBS_UP".to_owned(),
                "-1" => "THUMBS_DOWN".to_owned(),
                other => other.to_uppercase(),
            };
            let rows = comment.reactions.iter().filter(|one| wanted.is_none_or(|wanted| wanted == word(&one.content)));
            let rows = rows.map(|one| {
                Node::plain(
                    "Reaction",
                    [
                        ("id", Out::Value(shape::node("Reaction", one.id).into())),
                        ("databaseId", Out::Value(one.id.into())),
                        ("content", Out::Value(word(&one.content).into())),
                        ("createdAt", Out::Value(iso(one.at).into())),
                        ("user", Out::Node(Node::Account(one.author.clone()))),
                    ],
                )
            });
            Ok(Some(Out::Page("ReactionConnection", rows.collect())))
        }
        "issue" => Ok(Some(Out::Node(Node::Issue(id, comment.number)))),
        "pullRequest" => {
            let found = repo.pulls.contains_key(&comment.number);
            Out::maybe(found.then_some(Node::Pull(id, comment.number)))
        }
        "repository" => Ok(Some(Out::Node(Node::Repo(id)))),
        _ => Ok(None),
    }
}
