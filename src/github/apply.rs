//! Writes on commits, pull requests and issues. Each is made once; what it meets that is already so counts as done.

use serde::Deserialize;
use serde_json::{Value, json};

use super::calls::Op;
use super::client::Ask;
use super::error::{ApiError, Kind, Scope};
use super::{GitHub, RepoAt};
use crate::model::id::Oid;
use crate::model::plan::{Annotation, CheckOutput};
use crate::model::snapshot::{MergeMethod, Reaction};

/// GitHub takes no more annotations in one request.
const ANNOTATIONS: usize = 50;
/// Annotations in all, so that a check costs at most ten requests; the summary says how many there are.
const MAX_ANNOTATIONS: usize = 500;
/// A fingerprint that asks for more was not written by us.
const MAX_OLD_PAGES: usize = 20;
/// The one check's name.
const CHECK: &str = "trunkline";

#[derive(Deserialize)]
struct Id {
    id: u64,
}

#[derive(Deserialize)]
struct Number {
    number: u64,
}

/// A pull request in GitHub's list.
#[derive(Deserialize)]
struct Listed {
    number: u64,
    head: Side,
    base: Side,
}

#[derive(Deserialize)]
struct Side {
    #[serde(rename = "ref")]
    name: String,
}

/// The mark that says which comment a reply answers, so that it is found before it is written again.
pub fn reply_marker(to: u64) -> String {
    format!("<!-- trunkline:reply {to} -->")
}

impl GitHub {
    /// Creates or updates our check on a commit and returns the number of the run that now speaks.
    ///
    /// Annotations can only be added to a run, never removed, so a run that has or gets some is replaced by a new one of the
    /// same name, which is what GitHub then shows. With more than 50 the fingerprint is written last: a run cut short in the
    /// middle does not pass for a whole one.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn put_check(
        &self,
        at: &RepoAt,
        head: Oid,
        existing: Option<u64>,
        output: &CheckOutput,
    ) -> Result<u64, ApiError> {
        #[derive(Deserialize)]
        struct Run {
            id: u64,
            output: RunOutput,
        }
        #[derive(Deserialize)]
        struct RunOutput {
            #[serde(default)]
            annotations_count: u64,
        }
        let annotations = &output.annotations[..output.annotations.len().min(MAX_ANNOTATIONS)];
        if let (Some(run), true) = (existing, annotations.is_empty()) {
            match self.update_check(at, run, self.check(output, &[], true)).await {
                Ok(answer) => {
                    let run: Run = answer.json()?;
                    if run.output.annotations_count == 0 {
                        return Ok(run.id);
                    }
                }
                // GitHub lets go of old runs: a new one says the same.
                Err(error) if error.kind == Kind::Gone => {}
                Err(error) => return Err(error),
            }
        }
        let mut pages = annotations.chunks(ANNOTATIONS);
        let first = pages.next().unwrap_or_default();
        let mut left = pages.len();
        let mut body = self.check(output, first, left == 0);
        body["name"] = CHECK.into();
        body["head_sha"] = head.to_string().into();
        let run: Id = self.create_check(at, body).await?.json()?;
        for page in pages {
            left -= 1;
            self.update_check(at, run.id, self.check(output, page, left == 0)).await?;
        }
        Ok(run.id)
    }

    /// Writes the further pages of a report as runs of their own, which decide nothing, and empties those of the report `before` that
    /// are left. Write them before the check: its fingerprint then says that they stand.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn put_pages(&self, at: &RepoAt, head: Oid, before: usize, output: &CheckOutput) -> Result<(), ApiError> {
        let all = output.pages.len();
        for page in 0..all.max(before.min(MAX_OLD_PAGES)) {
            let name = CheckOutput::page_name(page + 2);
            let mut told = json!({
                "title": "No longer part of the report",
                "summary": "The report of the check `trunkline` on this commit became shorter; this page holds nothing any more.",
            });
            if let Some(text) = output.pages.get(page) {
                told["title"] = format!("Page {} of {} of the report", page + 2, all + 1).into();
                told["summary"] =
                    "It goes on here from the check `trunkline` on this commit. This page decides nothing.".into();
                told["text"] = text.as_str().into();
            }
            let body = json!({
                "name": name, "head_sha": head.to_string(), "status": "completed", "conclusion": "neutral", "output": told,
            });
            self.create_check(at, body).await?;
        }
        Ok(())
    }

    async fn create_check(&self, at: &RepoAt, body: Value) -> Result<super::client::Answer, ApiError> {
        let ask = Ask::new(Op::CreateCheck, at, &[&at.name.owner, &at.name.name]).body(body);
        self.client.send(ask).await.map_err(|error| match error.kind {
            // The head was pushed away, or GitHub does not see it yet: observe again.
            Kind::Invalid if error.message.contains("No commit found") => ApiError { kind: Kind::Gone, ..error },
            _ => error,
        })
    }

    async fn update_check(&self, at: &RepoAt, run: u64, body: Value) -> Result<super::client::Answer, ApiError> {
        let ask = Ask::new(Op::UpdateCheck, at, &[&at.name.owner, &at.name.name, &run.to_string()]);
        self.client.send(ask.body(body)).await
    }

    fn check(&self, output: &CheckOutput, annotations: &[Annotation], whole: bool) -> Value {
        let mut body = json!({
            "external_id": if whole { output.fingerprint() } else { String::new() },
            "output": {
                "title": output.title,
                "summary": output.summary,
                "annotations": annotations.iter().map(annotation).collect::<Vec<_>>(),
            },
        });
        if !output.text.is_empty() {
            body["output"]["text"] = output.text.as_str().into();
        }
        match output.conclusion.filter(|_| whole) {
            Some(conclusion) => {
                body["status"] = "completed".into();
                body["conclusion"] = json!(conclusion);
                body["completed_at"] = self.client.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into();
            }
            None => body["status"] = "in_progress".into(),
        }
        body
    }

    /// Creates a comment, or edits the one given, and returns its number.
    ///
    /// # Errors
    /// `Gone` when the comment to edit was deleted: observe again, then create.
    pub async fn put_comment(
        &self,
        at: &RepoAt,
        number: u64,
        existing: Option<u64>,
        body: &str,
    ) -> Result<u64, ApiError> {
        let (owner, name) = (at.name.owner.as_str(), at.name.name.as_str());
        let ask = match existing {
            None => Ask::new(Op::CreateComment, at, &[owner, name, &number.to_string()]),
            Some(comment) => Ask::new(Op::UpdateComment, at, &[owner, name, &comment.to_string()]),
        };
        Ok(self.client.send(ask.body(json!({ "body": body }))).await?.json::<Id>()?.id)
    }

    /// Answers a comment, marked with [`reply_marker`], and returns the answer's number.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn reply(&self, at: &RepoAt, number: u64, to: u64, body: &str) -> Result<u64, ApiError> {
        self.put_comment(at, number, None, &format!("{body}\n\n{}", reply_marker(to))).await
    }

    /// Reacts to a comment; a reaction that is there already stays one.
    ///
    /// # Errors
    /// When the comment is gone, or GitHub refuses.
    pub async fn react(&self, at: &RepoAt, comment: u64, reaction: Reaction) -> Result<(), ApiError> {
        let content = match reaction {
            Reaction::Eyes => "eyes",
            Reaction::Rocket => "rocket",
            Reaction::Confused => "confused",
        };
        let ask = Ask::new(Op::React, at, &[&at.name.owner, &at.name.name, &comment.to_string()]);
        self.client.send(ask.body(json!({ "content": content }))).await.map(drop)
    }

    /// Opens a pull request from a branch of this repository, or finds the one that is open already, and returns its number.
    ///
    /// # Errors
    /// When GitHub refuses, for instance because the branch holds nothing new.
    pub async fn open_pull(
        &self,
        at: &RepoAt,
        (branch, base): (&str, &str),
        title: &str,
        body: &str,
    ) -> Result<u64, ApiError> {
        let values = [at.name.owner.as_str(), at.name.name.as_str()];
        let request = json!({ "title": title, "head": branch, "base": base, "body": body });
        match self.client.send(Ask::new(Op::OpenPull, at, &values).body(request)).await {
            Ok(answer) => Ok(answer.json::<Number>()?.number),
            Err(error) if already_exists(&error) => {
                let head = format!("{}:{branch}", at.name.owner);
                let ask = Ask::new(Op::FindPull, at, &values).query("head", &head).query("base", base);
                let open: Vec<Listed> = self.client.send(ask.query("state", "open")).await?.json()?;
                // GitHub lists everything when it cannot read the filter, so what it lists is looked at again.
                let same = |pull: &&Listed| pull.head.name == branch && pull.base.name == base;
                open.iter().find(same).map(|pull| pull.number).ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Closes a pull request; a closed one stays closed.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn close_pull(&self, at: &RepoAt, number: u64) -> Result<(), ApiError> {
        let ask = Ask::new(Op::UpdatePull, at, &[&at.name.owner, &at.name.name, &number.to_string()]);
        self.client.send(ask.body(json!({ "state": "closed" }))).await.map(drop)
    }

    /// Merges a pull request if its head is still the one that was decided on, and returns the commit that brought it in.
    ///
    /// # Errors
    /// `Conflict` with GitHub's words when the head moved, or a rule of the branch does not allow it.
    pub async fn merge(
        &self,
        at: &RepoAt,
        (number, head): (u64, Oid),
        method: MergeMethod,
        title: &str,
    ) -> Result<Oid, ApiError> {
        #[derive(Deserialize)]
        struct Merged {
            sha: Oid,
        }
        let mut request = json!({ "sha": head.to_string(), "merge_method": match method {
            MergeMethod::Merge => "merge",
            MergeMethod::Squash => "squash",
            MergeMethod::Rebase => "rebase",
        }});
        if method != MergeMethod::Rebase {
            request["commit_title"] = title.into();
        }
        let ask = Ask::new(Op::Merge, at, &[&at.name.owner, &at.name.name, &number.to_string()]);
        let answer = self.client.send(ask.body(request)).await.map_err(conflict)?;
        Ok(answer.json::<Merged>()?.sha)
    }

    /// Merges the base into a pull request's branch if its head is still the one that was decided on; GitHub does so later.
    ///
    /// # Errors
    /// `Conflict` when the head moved, or there is nothing to bring in.
    pub async fn update_branch(&self, at: &RepoAt, number: u64, head: Oid) -> Result<(), ApiError> {
        let ask = Ask::new(Op::UpdateBranch, at, &[&at.name.owner, &at.name.name, &number.to_string()]);
        let answer = self.client.send(ask.body(json!({ "expected_head_sha": head.to_string() }))).await;
        answer.map(drop).map_err(conflict)
    }

    /// Asks teams (`org/slug`) for their review.
    ///
    /// # Errors
    /// `Invalid` when a team has no access to the repository.
    pub async fn request_reviews(&self, at: &RepoAt, number: u64, teams: &[String]) -> Result<(), ApiError> {
        let slugs: Vec<&str> =
            teams.iter().map(|team| team.rsplit_once('/').map_or(team.as_str(), |(_, t)| t)).collect();
        let ask = Ask::new(Op::RequestReviews, at, &[&at.name.owner, &at.name.name, &number.to_string()]);
        self.client.send(ask.body(json!({ "team_reviewers": slugs }))).await.map(drop)
    }
}

fn annotation(annotation: &Annotation) -> Value {
    json!({
        "path": annotation.path.as_str(),
        "start_line": annotation.line,
        "end_line": annotation.line,
        "annotation_level": annotation.level,
        "title": annotation.title,
        "message": annotation.message,
    })
}

/// Whether GitHub refused because the thing is there.
pub(super) fn already_exists(error: &ApiError) -> bool {
    error.kind == Kind::Invalid && error.message.to_ascii_lowercase().contains("already exists")
}

/// A 422 that says the world moved: observe again.
pub(super) fn conflict(error: ApiError) -> ApiError {
    match error.kind {
        Kind::Invalid => ApiError { kind: Kind::Conflict, scope: Scope::Pull, ..error },
        _ => error,
    }
}
