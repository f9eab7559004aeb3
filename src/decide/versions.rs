//! Which version an environment should hold: the newest it takes, the one somebody asked for, or none.

use std::collections::BTreeMap;

use crate::model::id::Oid;
use crate::model::ledger::{Entry, Request, promotion_name};
use crate::model::pipeline::{App, Environment, Takes};
use crate::model::snapshot::{Holding, Holdings, Source, Tag};
use crate::model::verdict::Verdict;
use crate::model::version::Version;

/// A version that may enter an environment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidate {
    /// How people call it: the tag's version, or the short commit on trunk.
    pub(super) version: String,
    /// The git tag; `None` on trunk.
    pub(super) tag: Option<Tag>,
    /// The commit it is pinned to.
    pub(super) commit: Oid,
    /// Why it is wanted.
    pub(super) cause: Cause,
}

/// Why a version is wanted.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cause {
    /// It is the newest.
    Newest,
    /// Somebody asked for it.
    Asked(Request),
    /// Somebody asked to go back to it.
    Rollback(Request),
}

impl Candidate {
    /// The branch its promotion lives on.
    pub(super) fn branch(&self, app: &str, environment: &str) -> String {
        format!("trunkline/{environment}/{app}/{}", self.promotion())
    }

    /// What that branch is called after the environment and the application.
    pub(super) fn promotion(&self) -> String {
        promotion_name(&self.version, self.commit)
    }

    /// The image tags it means.
    pub(super) fn image_tags(&self, app: &App) -> Vec<(String, String)> {
        let version = self.tag.is_some().then_some(self.version.as_str());
        app.images.iter().map(|image| (image.name.clone(), image.tag_for(version, &self.commit))).collect()
    }

    /// Why its gates of order and time are passed over, when somebody with the bypass right said so.
    pub(super) fn forced(&self) -> Option<&str> {
        if let Cause::Asked(request) = &self.cause { request.forced.as_deref() } else { None }
    }

    /// Whether it is a way back.
    pub(super) fn is_rollback(&self) -> bool {
        matches!(self.cause, Cause::Rollback(_))
    }
}

/// Reads what a promotion branch carries: environment, application, and `version-sha7`.
pub(super) fn read_branch(branch: &str) -> Option<(&str, &str, &str)> {
    let (environment, rest) = branch.strip_prefix("trunkline/")?.split_once('/')?;
    let (app, version) = rest.split_once('/')?;
    (!version.is_empty() && !app.is_empty()).then_some((environment, app, version))
}

/// The version an environment should move to, or the verdict that says why it stays.
///
/// # Errors
/// The verdict, when nothing should enter.
pub(super) fn wanted(
    app: &App,
    environment: &Environment,
    source: &Source,
    holdings: &Holdings,
    entry: &Entry,
) -> Result<Candidate, Verdict> {
    let wanted = if let Some(rollback) = open_request(entry.rollbacks.last(), holdings) {
        candidate_of(app, source, rollback).map(|c| Candidate { cause: Cause::Rollback(rollback.clone()), ..c })
    } else if let Some(asked) = open_request(entry.requests.last(), holdings) {
        candidate_of(app, source, asked).map(|c| Candidate { cause: Cause::Asked(asked.clone()), ..c })
    } else {
        match environment.takes {
            Takes::Trunk => newest_trunk(source, holdings, entry),
            Takes::Prereleases => newest_tag(app, source, holdings, entry, true),
            Takes::Releases => newest_tag(app, source, holdings, entry, false),
        }
    };
    wanted.map(|candidate| remembered(candidate, entry))
}

/// A delivery tells who pushed a tag to one pass only; later ones have it from the ledger.
fn remembered(mut candidate: Candidate, entry: &Entry) -> Candidate {
    if let Some(tag) = &mut candidate.tag
        && tag.pusher.is_none()
        && let Some(pin) = entry.tags.get(&tag.name).filter(|pin| pin.commit == tag.commit)
    {
        tag.pusher.clone_from(&pin.pusher);
    }
    candidate
}

/// A request stands until the environment took something after it was made, or holds what was asked for. Times are whole seconds, so
/// what happened in the same second counts as before.
fn open_request<'a>(request: Option<&'a Request>, holdings: &Holdings) -> Option<&'a Request> {
    let holds = |now: &Holding, request: &Request| {
        now.commit.is_some() && now.commit == request.commit
            || now.version.as_deref().is_some_and(|version| version == request.version)
    };
    request.filter(|request| holdings.history.first().is_none_or(|now| now.since <= request.at && !holds(now, request)))
}

/// The version a request names, if its tag or commit still stands.
///
/// # Errors
/// The verdict, when it is gone.
pub(super) fn candidate_of(app: &App, source: &Source, request: &Request) -> Result<Candidate, Verdict> {
    let tag = source.tags.iter().find(|tag| names(app, tag, &request.version));
    match (tag, request.commit) {
        (Some(tag), _) => Ok(Candidate {
            version: version_of(app, tag).map_or_else(|| tag.name.clone(), |v| v.to_string()),
            commit: tag.commit,
            tag: Some(tag.clone()),
            cause: Cause::Newest,
        }),
        (None, Some(commit)) if commit.to_string().starts_with(&request.version) => {
            Ok(Candidate { version: commit.short(), commit, tag: None, cause: Cause::Newest })
        }
        _ => {
            Err(Verdict::no("tag-gone", format!("the tag {} that @{} asked for is gone", request.version, request.by))
                .next("push the tag again, or ask for another version"))
        }
    }
}

fn newest_trunk(source: &Source, holdings: &Holdings, entry: &Entry) -> Result<Candidate, Verdict> {
    let Some(tip) = &source.trunk else {
        return Err(Verdict::yes("nothing-new", "trunk has no commits yet"));
    };
    if entry.first_sight.as_ref().is_some_and(|first| first.trunk == Some(tip.id)) {
        return Err(Verdict::yes("nothing-new", "trunk has not moved since Trunkline first saw this environment"));
    }
    if holdings.history.first().and_then(|now| now.commit) == Some(tip.id) {
        return Err(Verdict::yes("up-to-date", "it holds the newest commit on trunk"));
    }
    Ok(Candidate { version: tip.id.short(), tag: None, commit: tip.id, cause: Cause::Newest })
}

fn newest_tag(
    app: &App,
    source: &Source,
    holdings: &Holdings,
    entry: &Entry,
    prereleases: bool,
) -> Result<Candidate, Verdict> {
    let mut versions: Vec<(Version, &Tag)> = source
        .tags
        .iter()
        .filter_map(|tag| version_of(app, tag).map(|version| (version, tag)))
        .filter(|(version, _)| version.is_prerelease() == prereleases)
        .collect();
    versions.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.name.cmp(&b.1.name)));
    let earlier = |tag: &Tag| entry.first_sight.as_ref().is_some_and(|first| first.is_earlier(app, &tag.name));
    let holds = holdings.history.first();
    let held = holds.and_then(|now| now.version.as_deref()).and_then(Version::parse);
    let Some((version, tag)) = versions.iter().find(|(_, tag)| !earlier(tag)) else {
        let kind = if prereleases { "pre-release tag" } else { "release tag" };
        return Err(Verdict::yes("nothing-new", format!("no new {kind} since Trunkline first saw this environment")));
    };
    if let Some((_, twin)) = versions.iter().find(|(v, t)| v == version && t.commit != tag.commit) {
        let text = format!("the tags {} and {} are one version on two commits", tag.name, twin.name);
        return Err(Verdict::no("version-twice", text).next("delete one of the two tags"));
    }
    match held {
        Some(held) if *version == held => {
            return Err(Verdict::yes("up-to-date", format!("it holds the newest version, {held}")));
        }
        Some(held) if *version < held => {
            let text =
                format!("{version} is lower than {held}, which it holds; a lower version never promotes by itself");
            return Err(Verdict::yes("lower", text).next("to go back, comment `/rollback`"));
        }
        _ => {}
    }
    if !tag.reachable {
        let text = format!("the tag {} is on a commit that neither trunk nor a release branch reaches", tag.name);
        return Err(
            Verdict::no("not-on-trunk", text).next("merge the commit, or list its branch under `release-branches`")
        );
    }
    Ok(Candidate { version: version.to_string(), tag: Some((*tag).clone()), commit: tag.commit, cause: Cause::Newest })
}

/// The version a tag names for this application.
pub(super) fn version_of(app: &App, tag: &Tag) -> Option<Version> {
    app.tags.version(&tag.name)
}

/// Whether `text`, as a person writes it, names this tag: its name or its version.
pub(super) fn names(app: &App, tag: &Tag, text: &str) -> bool {
    tag.name == text
        || version_of(app, tag).is_some_and(|version| version.as_str() == text || version.without_v() == text)
}

/// Whether `descendant` is `ancestor` or comes after it.
pub(super) fn is_or_follows(descendants: &BTreeMap<Oid, Vec<Oid>>, ancestor: Oid, descendant: Oid) -> bool {
    ancestor == descendant || descendants.get(&ancestor).is_some_and(|list| list.contains(&descendant))
}

impl crate::model::ledger::FirstSight {
    /// Whether a tag stood before Trunkline came: it is listed, or sorts below what was listed when the list was cut.
    fn is_earlier(&self, app: &App, tag: &str) -> bool {
        self.earlier.iter().any(|name| name == tag)
            || self.earlier.len() >= super::first_sight::MAX_EARLIER_TAGS
                && self.earlier.last().and_then(|name| app.tags.version(name)) > app.tags.version(tag)
    }
}
