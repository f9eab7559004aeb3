//! What a delivery means: which keys to look at. A pure function of the event's name and the body.
//!
//! Only ids, shas and logins are read, and of those only what a later look cannot find out. The body's shape must be that
//! of the named event, because GitHub signs the body and not the header.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::model::id::{InstallationId, Key, Oid, RepoId};
use crate::queue::{Note, Wake};

/// Keys one delivery wakes at most: an installation may name thousands of repositories, and the sweep finds the rest.
const MAX_WAKES: usize = 1000;

/// A tag's name longer than this is not one GitHub accepts; a note of it would only fill the store.
const MAX_TAG: usize = 255;

/// GitHub's logins have at most 39 characters and bots add `[bot]`; managed users add a suffix.
const MAX_LOGIN: usize = 100;

/// Who we are, to tell our own echoes from the world's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Us {
    /// The App's id.
    pub app_id: u64,
    /// The login our comments appear under, such as `trunkline[bot]`; unknown until GitHub has told the App's slug.
    pub login: Option<String>,
}

/// What a delivery asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mapped {
    /// Keys to look at; never empty.
    Wakes(Vec<Wake>),
    /// Nothing, and why.
    Ignored(&'static str),
}

/// Why a signed body cannot be read as the event it was sent as.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadDelivery {
    /// It is no JSON, or a field is of another type. The body is not quoted: it may hold anything.
    #[error("The body is not readable as GitHub's JSON (line {line}, column {column}).")]
    Json {
        /// The line, from 1.
        line: usize,
        /// The column.
        column: usize,
    },
    /// The body is that of another event.
    #[error("The body is not that of the event in the header x-github-event.")]
    Shape,
}

#[derive(Deserialize)]
struct Id {
    id: u64,
}

#[derive(Deserialize)]
struct Commit {
    sha: Oid,
}

#[derive(Deserialize)]
struct Numbered {
    number: u64,
}

#[derive(Deserialize)]
struct PullRequest {
    number: u64,
    head: Commit,
}

#[derive(Deserialize)]
struct Headed {
    head_sha: Oid,
    app: Option<Id>,
}

#[derive(Deserialize)]
struct Built {
    head_sha: Oid,
}

#[derive(Deserialize)]
struct Sender<'a> {
    #[serde(borrow)]
    login: Cow<'a, str>,
}

/// The repository a delivery is about.
#[derive(Deserialize)]
struct Repository<'a> {
    id: u64,
    #[serde(borrow, default)]
    default_branch: Option<Cow<'a, str>>,
}

/// The union of the bodies we know; what is absent or present tells which one it is.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    action: Option<Cow<'a, str>>,
    installation: Option<Id>,
    #[serde(borrow)]
    repository: Option<Repository<'a>>,
    #[serde(borrow)]
    sender: Option<Sender<'a>>,
    #[serde(borrow, rename = "ref")]
    reference: Option<Cow<'a, str>>,
    ref_type: Option<IgnoredAny>,
    after: Option<Oid>,
    #[serde(default)]
    created: Flag,
    #[serde(default)]
    forced: Flag,
    #[serde(default)]
    deleted: Flag,
    issue: Option<Numbered>,
    comment: Option<IgnoredAny>,
    pull_request: Option<PullRequest>,
    review: Option<IgnoredAny>,
    thread: Option<IgnoredAny>,
    check_run: Option<Headed>,
    check_suite: Option<Headed>,
    merge_group: Option<Built>,
    sha: Option<Oid>,
    #[serde(default)]
    repositories: Option<Vec<Id>>,
    repositories_added: Option<Vec<Id>>,
}

/// `true` in a push; other events use the same words for other things, which must not fail the reading.
#[derive(Deserialize, Default)]
#[serde(untagged)]
enum Flag {
    Bool(bool),
    Other(IgnoredAny),
    #[default]
    Absent,
}

impl Flag {
    fn is_true(&self) -> bool {
        matches!(self, Flag::Bool(true))
    }
}

impl Body<'_> {
    /// The parts that tell events apart, in the order of the table [`EVENTS`].
    fn parts(&self) -> impl Iterator<Item = &'static str> {
        [
            ("ref", self.reference.is_some()),
            ("ref_type", self.ref_type.is_some()),
            ("issue", self.issue.is_some()),
            ("comment", self.comment.is_some()),
            ("pull_request", self.pull_request.is_some()),
            ("review", self.review.is_some()),
            ("thread", self.thread.is_some()),
            ("check_run", self.check_run.is_some()),
            ("check_suite", self.check_suite.is_some()),
            ("merge_group", self.merge_group.is_some()),
            ("sha", self.sha.is_some()),
            ("repositories_added", self.repositories_added.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, present)| present.then_some(name))
    }
}

/// The events we know, each with the parts its body has, neither more nor fewer. A test holds them equal to the events the
/// manifest subscribes to and those that come unasked: `push` tells what `create` and `delete` would tell again.
pub static EVENTS: &[(&str, &[&str])] = &[
    ("check_run", &["check_run"]),
    ("check_suite", &["check_suite"]),
    ("installation", &[]),
    ("installation_repositories", &["repositories_added"]),
    ("issue_comment", &["issue", "comment"]),
    ("merge_group", &["merge_group"]),
    ("pull_request", &["pull_request"]),
    ("pull_request_review", &["pull_request", "review"]),
    ("pull_request_review_thread", &["pull_request", "thread"]),
    ("push", &["ref"]),
    ("repository", &[]),
    ("status", &["sha"]),
];

/// The keys a delivery wakes.
///
/// # Errors
/// When the body is no JSON, or not that of the event.
pub fn wakes(event: &str, body: &[u8], us: &Us) -> Result<Mapped, BadDelivery> {
    let Some((_, shape)) = EVENTS.iter().find(|(name, _)| *name == event) else {
        return Ok(Mapped::Ignored("an event without meaning here"));
    };
    let body: Body<'_> = serde_json::from_slice(body)
        .map_err(|error| BadDelivery::Json { line: error.line(), column: error.column() })?;
    if !body.parts().eq(shape.iter().copied()) {
        return Err(BadDelivery::Shape);
    }
    let Some(Id { id }) = body.installation else { return Ok(Mapped::Ignored("sent for no installation")) };
    let keys = match event {
        "installation" | "installation_repositories" => repositories(&body),
        _ => {
            let repo = RepoId(body.repository.as_ref().ok_or(BadDelivery::Shape)?.id);
            keys(event, repo, &body, us)?
        }
    };
    if keys.is_empty() {
        return Ok(Mapped::Ignored("an action without meaning here"));
    }
    let wake = |(key, note)| Wake { key, installation: InstallationId(id), note };
    Ok(Mapped::Wakes(keys.into_iter().take(MAX_WAKES).map(wake).collect()))
}

type Keys = Vec<(Key, Option<Note>)>;

fn keys(event: &str, repo: RepoId, body: &Body<'_>, us: &Us) -> Result<Keys, BadDelivery> {
    let action = body.action.as_deref().unwrap_or_default();
    let whole = || (Key::Repo(repo), None);
    let head = |sha: Oid| (Key::Head(repo, sha), None);
    let pull = |number: u64| (Key::Pull(repo, number), None);
    Ok(match event {
        "push" => return push(repo, body),
        // Our own reviews only offer, and say nothing that we do not know.
        "pull_request_review" if is_us(body, us) => Vec::new(),
        "pull_request" | "pull_request_review" | "pull_request_review_thread" => {
            let PullRequest { number, head: Commit { sha } } = body.pull_request.as_ref().ok_or(BadDelivery::Shape)?;
            let mut keys = vec![pull(*number), head(*sha)];
            // Merged or not, a closed one changes what its pipelines may do next.
            keys.extend((event == "pull_request" && action == "closed").then(whole));
            keys
        }
        // Commands count in created comments only; our own comments are answers, not questions.
        "issue_comment" if action == "created" && !is_us(body, us) => numbered(body)?.map(pull).into_iter().collect(),
        "check_run" | "check_suite" => {
            let checked = body.check_run.as_ref().or(body.check_suite.as_ref()).ok_or(BadDelivery::Shape)?;
            // Our own completed checks are what we just wrote; only a person's click on them is news.
            let ours = checked.app.as_ref().is_some_and(|app| app.id == us.app_id);
            let news = match action {
                "completed" => !ours,
                "rerequested" | "requested_action" => true,
                _ => false,
            };
            if news { vec![head(checked.head_sha), whole()] } else { Vec::new() }
        }
        "merge_group" => vec![head(body.merge_group.as_ref().ok_or(BadDelivery::Shape)?.head_sha)],
        "status" => vec![head(body.sha.ok_or(BadDelivery::Shape)?), whole()],
        "repository" => vec![whole()],
        _ => Vec::new(),
    })
}

fn numbered(body: &Body<'_>) -> Result<Option<u64>, BadDelivery> {
    Ok(Some(body.issue.as_ref().ok_or(BadDelivery::Shape)?.number))
}

fn is_us(body: &Body<'_>, us: &Us) -> bool {
    body.sender.as_ref().is_some_and(|sender| us.login.as_deref() == Some(&*sender.login))
}

/// A push to trunk wakes its repository; branches of pull requests have events of their own, and the rest is nobody's. One of a tag also leaves a note of the pusher, whom nothing else can name later.
fn push(repo: RepoId, body: &Body<'_>) -> Result<Keys, BadDelivery> {
    let reference = body.reference.as_deref().ok_or(BadDelivery::Shape)?;
    let after = body.after.ok_or(BadDelivery::Shape)?;
    let Some(tag) = reference.strip_prefix("refs/tags/") else {
        let trunk = body.repository.as_ref().and_then(|repository| repository.default_branch.as_deref());
        let branch = reference.strip_prefix("refs/heads/").filter(|branch| trunk.is_none_or(|trunk| trunk == *branch));
        return Ok(if branch.is_some() { vec![(Key::Repo(repo), None)] } else { Vec::new() });
    };
    let set = (body.created.is_true() || body.forced.is_true()) && !body.deleted.is_true() && after != Oid::ZERO;
    let pusher = body.sender.as_ref().map(|sender| &*sender.login).filter(|login| login.len() <= MAX_LOGIN);
    let note = pusher.filter(|_| set && tag.len() <= MAX_TAG).map(|pusher| Note::TagPushed {
        tag: tag.to_owned(),
        commit_or_object: after,
        pusher: pusher.to_owned(),
    });
    Ok(vec![(Key::Repo(repo), note)])
}

/// What an installation can newly see; what it lost needs no look.
fn repositories(body: &Body<'_>) -> Keys {
    let seen = match body.action.as_deref() {
        Some("created" | "added" | "unsuspend" | "new_permissions_accepted") => {
            body.repositories_added.as_deref().or(body.repositories.as_deref()).unwrap_or_default()
        }
        _ => &[],
    };
    seen.iter().map(|repo| (Key::Repo(RepoId(repo.id)), None)).collect()
}

#[cfg(test)]
mod tests;
