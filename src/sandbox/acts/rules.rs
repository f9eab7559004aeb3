//! Branch rules: what they ask, in GitHub's shape, and why they refuse a merge, in GitHub's words.

use serde_json::{Value, json};

use super::super::cx::{Cx, iso};
use super::super::git;
use super::super::graphql::{Node, Out};
use super::super::refusal::Refusal;
use super::super::shape;
use super::super::world::{Protection, Pull, Repo, Review, Role};
use super::pulls::base_tip;
use super::{checks, reviews as given};

/// What GitHub says of a head that lacks the newest base.
pub(crate) const OUT_OF_DATE: &str = "Head branch is out of date. Review and try the merge again.";

/// Why the rules do not let a pull request in.
pub(crate) fn obstacle(cx: &Cx<'_>, repo: &Repo, pull: &Pull, asked: &Protection) -> Result<Option<String>, Refusal> {
    if asked.locked {
        return Ok(Some(match asked.classic {
            true => "This branch is locked and cannot be changed.".into(),
            false => format!("Repository rule violations found\n\nCannot update this protected ref: {}", pull.base),
        }));
    }
    for (name, app) in required(asked) {
        match outcome(cx, repo, &pull.head_sha, (name, app)) {
            Some(true) => {}
            Some(false) => return Ok(Some(format!("Required status check \"{name}\" is failing."))),
            None => return Ok(Some(format!("Required status check \"{name}\" is expected."))),
        }
    }
    if let Some(why) = reviews(cx, repo, pull, asked)? {
        return Ok(Some(why));
    }
    if asked.conversations && pull.threads.iter().any(|thread| !thread.resolved) {
        return Ok(Some("A conversation must be resolved before this pull request can be merged.".into()));
    }
    let git = cx.git(repo.id)?;
    let (base, head) = (git::oid(base_tip(repo, pull))?, git::oid(&pull.head_sha)?);
    if asked.signatures {
        let from = git::merge_base(&git, base, head);
        let commits = git::between(&git, from, head, 250)?;
        if commits.iter().any(|sha| !repo.signed.contains(&sha.to_string())) {
            return Ok(Some("Commits must have verified signatures.".into()));
        }
    }
    for name in &asked.deployments {
        let done = repo.deployments.values().any(|one| {
            one.environment == *name
                && one.sha == pull.head_sha
                && one.statuses.iter().any(|status| status.state == "success")
        });
        if !done {
            return Ok(Some(format!("Missing successful active {name} deployment.")));
        }
    }
    Ok((asked.up_to_date && !git::contains(&git, head, base)).then(|| OUT_OF_DATE.into()))
}

/// The checks a branch requires, each with the App that must post it.
fn required(asked: &Protection) -> impl Iterator<Item = (&str, Option<u64>)> {
    let names = asked.required_checks.iter().map(|name| (name.as_str(), None));
    names.chain(asked.app_checks.iter().map(|(name, app)| (name.as_str(), Some(*app))))
}

/// How the required checks went on a commit; `None` while one is missing or under way and none has failed.
pub(crate) fn passed(cx: &Cx<'_>, repo: &Repo, asked: &Protection, sha: &str) -> Option<bool> {
    let outcomes: Vec<Option<bool>> = required(asked).map(|check| outcome(cx, repo, sha, check)).collect();
    if outcomes.contains(&Some(false)) {
        return Some(false);
    }
    outcomes.iter().all(Option::is_some).then_some(true)
}

/// Why the reviews are not enough.
pub(crate) fn reviews(cx: &Cx<'_>, repo: &Repo, pull: &Pull, asked: &Protection) -> Result<Option<String>, Refusal> {
    let standing = given::standing(pull);
    if standing.iter().any(|review| review.state == "CHANGES_REQUESTED") {
        return Ok(Some("Changes have been requested on this pull request.".into()));
    }
    let writer = |review: &&&Review| cx.world.role(repo, &review.author) >= Role::Write;
    let approvals: Vec<&Review> =
        standing.iter().filter(|review| review.state == "APPROVED").filter(|r| writer(r)).copied().collect();
    if approvals.len() < asked.required_reviews {
        let needed = asked.required_reviews;
        let what = format!("At least {needed} approving review is required by reviewers with write access.");
        return Ok(Some(what));
    }
    if asked.code_owners {
        for path in cx.pull_files(repo, pull)?.into_iter().map(|file| file.path) {
            let owners = owners(cx, repo, &pull.base, &path)?;
            let approved = |owner: &String| approvals.iter().any(|review| is_owner(cx, owner, &review.author));
            if !owners.is_empty() && !owners.iter().any(approved) {
                let names: Vec<&str> = owners.iter().map(|owner| owner.trim_start_matches('@')).collect();
                return Ok(Some(format!("Waiting on code owner review from {}.", names.join(" and/or "))));
            }
        }
    }
    Ok(None)
}

/// Who owns a path, by the plain patterns of CODEOWNERS: `*`, a folder with its slash, or a whole path.
fn owners(cx: &Cx<'_>, repo: &Repo, base: &str, path: &str) -> Result<Vec<String>, Refusal> {
    let git = cx.git(repo.id)?;
    let Some(tip) = repo.branch(base) else { return Ok(Vec::new()) };
    let tree = git.find_tree(git::tree_of(&git, git::oid(tip)?)?)?;
    let Ok(entry) = tree.get_path(std::path::Path::new(".github/CODEOWNERS")) else { return Ok(Vec::new()) };
    let text = String::from_utf8_lossy(git.find_blob(entry.id())?.content()).into_owned();
    let fits = |pattern: &str| {
        let plain = pattern.trim_start_matches('/');
        pattern == "*" || plain == path || plain.ends_with('/') && path.starts_with(plain)
    };
    let lines = text.lines().rev().map(str::split_whitespace);
    let found = lines.filter_map(|mut words| words.next().filter(|pattern| fits(pattern)).map(|_| words)).next();
    Ok(found.map(|words| words.map(str::to_owned).collect()).unwrap_or_default())
}

fn is_owner(cx: &Cx<'_>, owner: &str, login: &str) -> bool {
    let name = owner.trim_start_matches('@').to_ascii_lowercase();
    match name.split_once('/') {
        None => name.eq_ignore_ascii_case(login),
        Some((org, slug)) => {
            let team = cx.world.teams.get(&(org.to_owned(), slug.to_owned()));
            team.is_some_and(|team| team.members.contains(&login.to_ascii_lowercase()))
        }
    }
}

fn outcome(cx: &Cx<'_>, repo: &Repo, sha: &str, (name, app): (&str, Option<u64>)) -> Option<bool> {
    let Some(app) = app else { return checks::outcome(repo, sha, name) };
    let from = |slug: &str| cx.integration(slug)["id"] == app;
    let check = repo.checks.values().rfind(|one| one.head_sha == sha && one.name == name && from(&one.app))?;
    check.conclusion.as_deref().map(|conclusion| matches!(conclusion, "success" | "neutral" | "skipped"))
}

/// Why the rules do not take this way of merging.
pub(crate) fn wrong_method(repo: &Repo, pull: &Pull, method: &str) -> Option<String> {
    let asked = repo.protection.get(&pull.base)?;
    if asked.queue {
        return Some("Changes must be made through the merge queue".into());
    }
    if asked.linear && method == "merge" {
        return Some("Merge commits are not allowed on this branch.".into());
    }
    let listed = asked.methods.is_empty() || asked.methods.iter().any(|one| one == method);
    (!listed).then(|| format!("Repository rule violations found\n\nThe merge method {method} is not allowed."))
}

/// The rules that hold for a branch, in GitHub's ruleset shape; classic protection is not among them.
pub(crate) fn listed(repo: &Repo, branch: &str) -> Vec<Value> {
    let Some(id) = ruleset_id(repo, branch) else { return Vec::new() };
    let asked = &repo.protection[branch];
    let mut rows = rows(asked);
    for row in &mut rows {
        row["ruleset_source_type"] = "Repository".into();
        row["ruleset_source"] = repo.full_name().into();
        row["ruleset_id"] = id.into();
    }
    rows
}

/// Rulesets are counted from 1, one a branch.
fn ruleset_id(repo: &Repo, branch: &str) -> Option<u64> {
    let at = repo.protection.iter().position(|(name, asked)| name == branch && !asked.classic)?;
    u64::try_from(at).ok().map(|at| at + 1)
}

fn rows(asked: &Protection) -> Vec<Value> {
    let mut rows = Vec::new();
    let checks = asked.required_checks.iter().map(|name| json!({ "context": name }));
    let mut checks: Vec<Value> = checks.collect();
    checks.extend(asked.app_checks.iter().map(|(name, app)| json!({ "context": name, "integration_id": app })));
    if !checks.is_empty() || asked.up_to_date {
        rows.push(json!({ "type": "required_status_checks", "parameters": {
            "required_status_checks": checks, "strict_required_status_checks_policy": asked.up_to_date,
        } }));
    }
    let reviews = asked.required_reviews > 0 || asked.code_owners || asked.conversations || asked.dismiss_stale;
    if reviews || asked.no_push || !asked.methods.is_empty() {
        let mut parameters = json!({
            "required_approving_review_count": asked.required_reviews,
            "dismiss_stale_reviews_on_push": asked.dismiss_stale,
            "require_code_owner_review": asked.code_owners,
            "require_last_push_approval": false,
            "required_review_thread_resolution": asked.conversations,
        });
        if !asked.methods.is_empty() {
            parameters["allowed_merge_methods"] = json!(asked.methods);
        }
        rows.push(json!({ "type": "pull_request", "parameters": parameters }));
    }
    let flags = [(asked.signatures, "required_signatures"), (asked.linear, "required_linear_history")];
    rows.extend(flags.into_iter().filter(|(asked, _)| *asked).map(|(_, kind)| json!({ "type": kind })));
    if asked.locked {
        rows.push(json!({ "type": "update", "parameters": { "update_allows_fetch_and_merge": false } }));
    }
    if !asked.deployments.is_empty() {
        let parameters = json!({ "required_deployment_environments": asked.deployments });
        rows.push(json!({ "type": "required_deployments", "parameters": parameters }));
    }
    if asked.queue {
        rows.push(json!({ "type": "merge_queue", "parameters": {
            "check_response_timeout_minutes": 60, "grouping_strategy": "ALLGREEN", "max_entries_to_build": 5,
            "max_entries_to_merge": 5, "merge_method": asked.queue_method(), "min_entries_to_merge": 1,
            "min_entries_to_merge_wait_minutes": 5,
        } }));
    }
    rows
}

/// One ruleset, as somebody who may not change it sees it.
pub(crate) fn ruleset(cx: &Cx<'_>, repo: &Repo, id: u64) -> Result<Value, Refusal> {
    let found = repo.protection.iter().find(|(branch, _)| ruleset_id(repo, branch) == Some(id));
    let (branch, asked) = found.ok_or_else(Refusal::not_found)?;
    let passes = asked.lets_pass(&cx.login());
    Ok(json!({
        "id": id,
        "name": format!("protect {branch}"),
        "target": "branch",
        "source_type": "Repository",
        "source": repo.full_name(),
        "enforcement": "active",
        "node_id": shape::node("RepositoryRuleset", id),
        "current_user_can_bypass": if passes { "always" } else { "never" },
        "conditions": { "ref_name": { "include": [format!("refs/heads/{branch}")], "exclude": [] } },
        "rules": rows(asked),
        "_links": { "self": { "href": cx.repo_api(repo, &format!("/rulesets/{id}")) } },
        "created_at": iso(repo.created_at),
        "updated_at": iso(repo.created_at),
    }))
}

/// Classic protection as GraphQL shows it to whoever is no administrator: not whether it is locked, nor whether it wants the newest
/// base.
pub(crate) fn update_rule(asked: &Protection) -> Node {
    let flag = |value: bool| Out::Value(value.into());
    let checks: Vec<&String> =
        asked.required_checks.iter().chain(asked.app_checks.iter().map(|(name, _)| name)).collect();
    let reviews = (asked.required_reviews > 0).then_some(asked.required_reviews);
    Node::plain(
        "RefUpdateRule",
        [
            ("requiredApprovingReviewCount", Out::Value(json!(reviews))),
            ("requiredStatusCheckContexts", Out::Value(json!(checks))),
            ("requiresCodeOwnerReviews", flag(asked.code_owners)),
            ("requiresConversationResolution", flag(asked.conversations)),
            ("requiresLinearHistory", flag(asked.linear)),
            ("requiresSignatures", flag(asked.signatures)),
            ("allowsDeletions", flag(false)),
            ("allowsForcePushes", flag(false)),
        ],
    )
}
