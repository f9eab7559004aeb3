//! Reviews: given, asked for, and which of them stand.

use serde_json::json;

use super::super::cx::Cx;
use super::super::limits;
use super::super::refusal::Refusal;
use super::super::world::{Pull, Review};
use super::pulls::tell;

/// Each reviewer's last word that is an opinion.
pub(crate) fn standing(pull: &Pull) -> Vec<&Review> {
    let mut last: std::collections::BTreeMap<&str, &Review> = std::collections::BTreeMap::new();
    for review in pull.reviews.iter().filter(|review| review.state != "COMMENTED") {
        last.insert(&review.author, review);
    }
    let mut last: Vec<&Review> = last.into_values().collect();
    last.sort_by_key(|review| review.id);
    last
}

/// Reviews a pull request: `APPROVED`, `CHANGES_REQUESTED` or `COMMENTED`.
pub(crate) fn review(cx: &mut Cx<'_>, repo: u64, number: u64, state: &str, body: &str) -> Result<u64, Refusal> {
    limits::body("PullRequestReview", body)?;
    let (now, author) = (cx.now, cx.login());
    let found = cx.repo(repo)?;
    let pull = found.pulls.get(&number).ok_or_else(Refusal::not_found)?;
    let own = found.issues.get(&number).is_some_and(|issue| issue.author.eq_ignore_ascii_case(&author));
    if own && state != "COMMENTED" {
        let what = if state == "APPROVED" {
            "approve your own pull request"
        } else {
            "request changes on your own pull request"
        };
        return Err(Refusal::new(422, format!("Can not {what}")));
    }
    let commit = pull.head_sha.clone();
    let id = cx.world.id();
    let review = Review { id, author: author.clone(), state: state.into(), body: body.into(), commit, at: now };
    if let Some(pull) = cx.repo_mut(repo)?.pulls.get_mut(&number) {
        pull.reviews.push(review.clone());
        pull.asked_users.remove(&author.to_ascii_lowercase());
    }
    let mut shape = cx.review(repo, number, &review)?;
    shape["state"] = state.to_lowercase().into();
    let body = json!({ "review": shape, "pull_request": cx.pull_simple(repo, number)? });
    cx.emit(repo, "pull_request_review", Some("submitted"), body)?;
    Ok(id)
}

/// Asks people and teams for a review; only who can read may be asked.
pub(crate) fn ask(cx: &mut Cx<'_>, repo: u64, number: u64, users: &[&str], teams: &[&str]) -> Result<(), Refusal> {
    let found = cx.repo(repo)?;
    let owner = found.owner.to_ascii_lowercase();
    let author = found.issues.get(&number).map(|issue| issue.author.clone()).unwrap_or_default();
    if !found.pulls.contains_key(&number) {
        return Err(Refusal::not_found());
    }
    for user in users {
        if author.eq_ignore_ascii_case(user) {
            return Err(Refusal::new(422, "Review cannot be requested from pull request author."));
        }
        if cx.world.account(user).is_none() || cx.world.role(found, user) < super::super::world::Role::Read {
            let what = "Reviews may only be requested from collaborators. One or more of the users or teams you specified is not a collaborator";
            return Err(Refusal::new(422, format!("{what} of the {} repository.", found.full_name())));
        }
    }
    for team in teams {
        if !cx.world.teams.contains_key(&(owner.clone(), (*team).to_owned())) {
            return Err(Refusal::new(422, format!("Could not resolve to a node with the slug of '{team}'.")));
        }
    }
    for user in users {
        let pull = cx.repo_mut(repo)?.pulls.get_mut(&number).ok_or_else(Refusal::not_found)?;
        if pull.asked_users.insert(user.to_ascii_lowercase()) {
            let who = cx.user(user);
            tell(cx, repo, number, "review_requested", json!({ "requested_reviewer": who }))?;
        }
    }
    for team in teams {
        let pull = cx.repo_mut(repo)?.pulls.get_mut(&number).ok_or_else(Refusal::not_found)?;
        if pull.asked_teams.insert((*team).to_owned()) {
            let who = cx.team(&owner, team)?;
            tell(cx, repo, number, "review_requested", json!({ "requested_team": who }))?;
        }
    }
    Ok(())
}
