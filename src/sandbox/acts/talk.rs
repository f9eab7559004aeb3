//! Comments, reactions and labels.

use serde_json::json;

use super::super::cx::Cx;
use super::super::limits;
use super::super::refusal::Refusal;
use super::super::world::{Comment, Label, Labeling, Reaction};
use super::pulls;

/// GitHub refuses further comments on one issue after this many.
const COMMENTS: usize = 2_500;

/// Comments on an issue or pull request.
pub(crate) fn comment(cx: &mut Cx<'_>, repo: u64, number: u64, body: &str) -> Result<u64, Refusal> {
    limits::comment(body)?;
    let (now, author) = (cx.now, cx.login());
    let found = cx.repo(repo)?;
    if !found.issues.contains_key(&number) {
        return Err(Refusal::not_found());
    }
    if found.comments.values().filter(|comment| comment.number == number).count() >= COMMENTS {
        return Err(Refusal::new(403, "Commenting is disabled on issues with more than 2500 comments"));
    }
    let id = cx.world.id();
    let comment = Comment {
        id,
        number,
        author,
        body: body.to_owned(),
        created_at: now,
        updated_at: now,
        edited_at: None,
        minimized: None,
        reactions: Vec::new(),
    };
    cx.repo_mut(repo)?.comments.insert(id, comment);
    tell(cx, repo, id, "created", json!({}))?;
    Ok(id)
}

fn tell(cx: &mut Cx<'_>, repo: u64, id: u64, action: &str, more: serde_json::Value) -> Result<(), Refusal> {
    let number = cx.repo(repo)?.comments.get(&id).ok_or_else(Refusal::not_found)?.number;
    let mut body = json!({ "issue": cx.issue(repo, number)?, "comment": cx.comment(repo, id)? });
    if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
        body.extend(more.clone());
    }
    cx.emit(repo, "issue_comment", Some(action), body)
}

/// Rewrites a comment.
pub(crate) fn edit(cx: &mut Cx<'_>, repo: u64, id: u64, body: &str) -> Result<(), Refusal> {
    limits::comment(body)?;
    let now = cx.now;
    let comment = cx.repo_mut(repo)?.comments.get_mut(&id).ok_or_else(Refusal::not_found)?;
    let old = std::mem::replace(&mut comment.body, body.to_owned());
    comment.updated_at = now;
    comment.edited_at = Some(now);
    tell(cx, repo, id, "edited", json!({ "changes": { "body": { "from": old } } }))
}

/// Removes a comment.
pub(crate) fn delete(cx: &mut Cx<'_>, repo: u64, id: u64) -> Result<(), Refusal> {
    tell(cx, repo, id, "deleted", json!({}))?;
    cx.repo_mut(repo)?.comments.remove(&id);
    Ok(())
}

/// Reacts to a comment; `false` when the same reaction was there already.
pub(crate) fn react(cx: &mut Cx<'_>, repo: u64, id: u64, content: &str) -> Result<(Reaction, bool), Refusal> {
    limits::reaction(content)?;
    let (at, author) = (cx.now, cx.login());
    let next = cx.world.id();
    let comment = cx.repo_mut(repo)?.comments.get_mut(&id).ok_or_else(Refusal::not_found)?;
    let same = |one: &&Reaction| one.author == author && one.content == content;
    if let Some(found) = comment.reactions.iter().find(same) {
        return Ok((found.clone(), false));
    }
    let reaction = Reaction { id: next, author, content: content.to_owned(), at };
    comment.reactions.push(reaction.clone());
    Ok((reaction, true))
}

/// Adds labels to an issue or pull request, making those that do not exist.
pub(crate) fn label(cx: &mut Cx<'_>, repo: u64, number: u64, names: &[&str]) -> Result<(), Refusal> {
    let (at, by) = (cx.now, cx.login());
    for name in names {
        if name.is_empty() || name.chars().count() > 50 {
            return Err(Refusal::invalid("Label", "name", "name is too long (maximum is 50 characters)"));
        }
        let key = name.to_lowercase();
        let id = cx.world.id();
        let found = cx.repo_mut(repo)?;
        found.labels.entry(key.clone()).or_insert_with(|| Label {
            id,
            name: (*name).to_owned(),
            color: "ededed".into(),
            description: Some(String::new()),
        });
        let issue = found.issues.get_mut(&number).ok_or_else(Refusal::not_found)?;
        if issue.labels.insert(key.clone()) {
            issue.labelings.push(Labeling { label: key.clone(), set: true, by: by.clone(), at });
            issue.updated_at = at;
            tell_label(cx, repo, number, &key, "labeled")?;
        }
    }
    Ok(())
}

/// Takes a label off.
pub(crate) fn unlabel(cx: &mut Cx<'_>, repo: u64, number: u64, name: &str) -> Result<(), Refusal> {
    let key = name.to_lowercase();
    let (at, by) = (cx.now, cx.login());
    let issue = cx.repo_mut(repo)?.issues.get_mut(&number).ok_or_else(Refusal::not_found)?;
    if !issue.labels.remove(&key) {
        return Err(Refusal::new(404, "Label does not exist"));
    }
    issue.labelings.push(Labeling { label: key.clone(), set: false, by, at });
    issue.updated_at = at;
    tell_label(cx, repo, number, &key, "unlabeled")
}

fn tell_label(cx: &mut Cx<'_>, repo: u64, number: u64, key: &str, action: &str) -> Result<(), Refusal> {
    let label = cx.label(repo, key)?;
    if cx.repo(repo)?.pulls.contains_key(&number) {
        return pulls::tell(cx, repo, number, action, json!({ "label": label }));
    }
    let shape = cx.issue(repo, number)?;
    cx.emit(repo, "issues", Some(action), json!({ "issue": shape, "label": label }))
}
