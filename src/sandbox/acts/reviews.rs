//! Reviews: given, asked for, and which of them stand.

use serde_json::{Value, json};

use super::super::cx::Cx;
use super::super::git::FileDiff;
use super::super::limits;
use super::super::refusal::Refusal;
use super::super::world::{Pull, Review};
use super::pulls::tell;

/// What a review says of a line.
#[derive(Debug, Clone)]
pub(crate) struct Remark {
    pub(crate) id: u64,
    pub(crate) path: String,
    /// The first of several lines.
    pub(crate) start: Option<u64>,
    pub(crate) line: u64,
    pub(crate) body: String,
    pub(crate) hunk: String,
}

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

/// A remark as it was asked for, where the pull request's changes show its lines; GitHub takes no other.
fn remark(cx: &mut Cx<'_>, files: &[FileDiff], told: &Value) -> Result<Remark, Refusal> {
    let unresolved = |what: &str| {
        let mut refusal = Refusal::new(422, "Unprocessable Entity");
        refusal.errors.push(format!("{what} could not be resolved").into());
        refusal
    };
    let (path, body) = (told["path"].as_str().unwrap_or_default(), told["body"].as_str().unwrap_or_default());
    limits::comment(body)?;
    let file = files.iter().find(|file| file.path == path).ok_or_else(|| unresolved("Path"))?;
    let line = told["line"].as_u64().ok_or_else(|| unresolved("Line"))?;
    let start = told["start_line"].as_u64();
    let sides = [&told["side"], &told["start_side"]];
    if sides.iter().any(|side| side.as_str().is_some_and(|side| side != "RIGHT")) {
        return Err(Refusal::schema("this sandbox takes remarks on the right side only"));
    }
    if start.is_some_and(|start| start >= line) {
        return Err(unresolved("Start line"));
    }
    let shown = |hunk: &&str| {
        let (first, last) = new_lines(hunk);
        first <= start.unwrap_or(line) && line <= last
    };
    let patch = file.patch.as_deref().unwrap_or_default();
    let hunk = hunks(patch).into_iter().find(|hunk| shown(&hunk.as_str())).ok_or_else(|| unresolved("Line"))?;
    Ok(Remark { id: cx.world.id(), path: path.to_owned(), start, line, body: body.to_owned(), hunk })
}

/// A patch in its parts, each with its heading.
fn hunks(patch: &str) -> Vec<String> {
    let mut hunks: Vec<String> = Vec::new();
    for line in patch.lines() {
        match hunks.last_mut() {
            Some(hunk) if !line.starts_with("@@") => *hunk += &format!("\n{line}"),
            _ => hunks.push(line.to_owned()),
        }
    }
    hunks
}

/// The first and last new line of a part: `@@ -1,2 +3,4 @@`.
fn new_lines(hunk: &str) -> (u64, u64) {
    let range = hunk.split(' ').find_map(|word| word.strip_prefix('+')).unwrap_or_default();
    let (first, count) = range.split_once(',').unwrap_or((range, "1"));
    let (first, count): (u64, u64) = (first.parse().unwrap_or(0), count.parse().unwrap_or(0));
    (first, (first + count).saturating_sub(1))
}

/// Reviews a pull request: `APPROVED`, `CHANGES_REQUESTED` or `COMMENTED`.
pub(crate) fn review(cx: &mut Cx<'_>, repo: u64, number: u64, state: &str, body: &str) -> Result<u64, Refusal> {
    review_lines(cx, (repo, number), (state, body), &[])
}

/// The same with remarks on lines: all of them stand, or the whole review is refused.
pub(crate) fn review_lines(
    cx: &mut Cx<'_>,
    (repo, number): (u64, u64),
    (state, body): (&str, &str),
    remarks: &[Value],
) -> Result<u64, Refusal> {
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
    let files = if remarks.is_empty() { Vec::new() } else { cx.pull_files(found, pull)? };
    let remarks = remarks.iter().map(|told| remark(cx, &files, told)).collect::<Result<_, _>>()?;
    let id = cx.world.id();
    let review =
        Review { id, author: author.clone(), state: state.into(), body: body.into(), commit, at: now, remarks };
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
