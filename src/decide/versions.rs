//! Which version an environment should hold: the newest it takes, the one somebody asked for, or none.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use crate::model::id::Oid;
use crate::model::ledger::{Entry, Request, promotion_name};
use crate::model::pipeline::{App, Environment, OnNewer, Takes};
use crate::model::plan::Need;
use crate::model::snapshot::{Commit, Holding, PipelineFacts, PullBrief, Snapshot, Source, Tag};
use crate::model::verdict::Verdict;
use crate::model::version::Version;

/// A commit that no check has spoken of for so long is one that nothing builds: documentation, `[skip ci]`. GitHub's own runners
/// announce themselves within seconds, others within minutes.
pub(super) const QUIET: SignedDuration = SignedDuration::from_mins(30);

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
    /// What there is to say of newer ones that were passed over: they wait, or were not built.
    pub(super) notes: Vec<Verdict>,
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
    /// A tag's version.
    pub(super) fn tagged(app: &App, tag: &Tag) -> Self {
        let version = version_of(app, tag).map_or_else(|| tag.name.clone(), |version| version.to_string());
        Self { version, commit: tag.commit, tag: Some(tag.clone()), cause: Cause::Newest, notes: Vec::new() }
    }

    /// A commit of trunk.
    pub(super) fn on_trunk(commit: Oid) -> Self {
        Self { version: commit.short(), commit, tag: None, cause: Cause::Newest, notes: Vec::new() }
    }

    /// The branch its promotion lives on.
    pub(super) fn branch(&self, app: &str, environment: &str) -> String {
        format!("trunkline/{environment}/{app}/{}", self.promotion())
    }

    /// What that branch is called after the environment and the application.
    pub(super) fn promotion(&self) -> String {
        promotion_name(&self.version, self.commit)
    }

    /// The image tags it means, and what else of the application carries it.
    pub(super) fn image_tags(&self, app: &App) -> Vec<(String, String)> {
        let version = self.tag.is_some().then_some(self.version.as_str());
        app.values(version, &self.commit)
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

/// What decides which version an environment should hold.
#[derive(Clone, Copy)]
pub(super) struct Looking<'a> {
    /// The snapshot, for time, checks and who we are.
    pub(super) snapshot: &'a Snapshot,
    /// The application.
    pub(super) app: &'a App,
    /// The environment.
    pub(super) environment: &'a Environment,
    /// What is known of the application's way.
    pub(super) facts: &'a PipelineFacts,
    /// The source repository.
    pub(super) source: &'a Source,
    /// What people decided about it.
    pub(super) entry: &'a Entry,
}

impl<'a> Looking<'a> {
    /// What the environment holds now.
    fn now(&self) -> Option<&'a Holding> {
        self.facts.environments.get(&self.environment.name)?.history.first()
    }

    /// The open promotions of this application into this environment, oldest first.
    pub(super) fn open(&self) -> Vec<&'a PullBrief> {
        let here = |pull: &&PullBrief| {
            read_branch(&pull.branch)
                .is_some_and(|(environment, app, _)| environment == self.environment.name && app == self.app.name)
        };
        let mut open: Vec<&PullBrief> = self.facts.promotions.iter().filter(here).collect();
        open.sort_by_key(|pull| pull.number);
        open
    }
}

/// The version an environment should move to, or the verdict that says why it stays.
///
/// # Errors
/// The verdict, when nothing should enter.
pub(super) fn wanted(looking: &Looking<'_>, needs: &mut Vec<Need>) -> Result<Candidate, Verdict> {
    let (app, source, entry, now) = (looking.app, looking.source, looking.entry, looking.now());
    let back = open_request(entry.rollbacks.last(), now).map(|asked| (asked, Cause::Rollback(asked.clone())));
    let forward = open_request(entry.requests.last(), now).map(|asked| (asked, Cause::Asked(asked.clone())));
    let mut asked = back
        .into_iter()
        .chain(forward)
        .map(|(asked, cause)| candidate_of(app, source, asked).map(|candidate| Candidate { cause, ..candidate }));
    let wanted = if let Some(asked) = asked.find(|asked| !is_refused(looking, asked, needs)) {
        asked
    } else {
        let newest = match looking.environment.takes {
            Takes::Trunk => newest_trunk(looking, needs),
            Takes::Prereleases => newest_tag(looking, true),
            Takes::Releases => newest_tag(looking, false),
        };
        newest.map(|newest| first_in_line(looking, newest))
    };
    wanted.map(|candidate| remembered(candidate, entry))
}

/// Whether somebody refused what was asked for since, by closing or cancelling its promotion: then the request is over, and what is
/// newer comes again.
fn is_refused(looking: &Looking<'_>, asked: &Result<Candidate, Verdict>, needs: &mut Vec<Need>) -> bool {
    let Ok(candidate) = asked else { return false };
    let (Cause::Asked(request) | Cause::Rollback(request)) = &candidate.cause else { return false };
    if looking.entry.cancelled.iter().any(|by| by.promotion == candidate.promotion() && by.at >= request.at) {
        return true;
    }
    let branch = candidate.branch(&looking.app.name, &looking.environment.name);
    let Some(pulls) = looking.snapshot.facts.branches.get(&branch) else {
        // What cannot be read is told by the gate that asks the same.
        let need = Need::Branch(branch);
        if !looking.snapshot.facts.unmet.contains_key(&need) {
            needs.push(need);
        }
        return false;
    };
    let bot = &looking.snapshot.common.bot;
    pulls.iter().any(|pull| pull.is_rejection(bot) && pull.closed_at.is_some_and(|at| at >= request.at))
}

/// Where newer versions queue, what is open is what is wanted, as long as it could still enter; of those that come while it is open
/// only the newest will follow it.
fn first_in_line(looking: &Looking<'_>, newest: Candidate) -> Candidate {
    if looking.environment.on_newer == OnNewer::Supersede {
        return newest;
    }
    let (app, environment) = (&looking.app.name, &looking.environment.name);
    let held = looking.now().and_then(|now| now.version.as_deref()).and_then(Version::parse);
    let forward = |tag: &&Tag| {
        let version = version_of(looking.app, tag);
        tag.reachable && version.is_some_and(|version| held.as_ref().is_none_or(|held| version > *held))
    };
    let tagged = looking.source.tags.iter().filter(forward).map(|tag| Candidate::tagged(looking.app, tag));
    let all: Vec<Candidate> = match looking.environment.takes {
        Takes::Trunk => looking.source.earlier.iter().map(|commit| Candidate::on_trunk(commit.id)).collect(),
        Takes::Prereleases | Takes::Releases => tagged.collect(),
    };
    for pull in looking.open() {
        if pull.branch == newest.branch(app, environment) {
            return newest;
        }
        if let Some(first) = all.iter().find(|one| one.branch(app, environment) == pull.branch) {
            let text = format!("{} is newer, and follows once #{} is merged or closed", newest.version, pull.number);
            return Candidate { notes: vec![Verdict::yes("queued", text)], ..first.clone() };
        }
    }
    newest
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
fn open_request<'a>(request: Option<&'a Request>, now: Option<&Holding>) -> Option<&'a Request> {
    let holds = |now: &Holding, request: &Request| {
        // Several versions may name one commit; only what was asked for as a commit is known by it.
        let as_commit = request.commit.filter(|commit| commit.to_string().starts_with(&request.version));
        as_commit.is_some() && now.commit == as_commit
            || now.version.as_deref().is_some_and(|version| version == request.version)
    };
    request.filter(|request| now.is_none_or(|now| now.since <= request.at && !holds(now, request)))
}

/// The version a request names, if its tag or commit still stands.
///
/// # Errors
/// The verdict, when it is gone.
pub(super) fn candidate_of(app: &App, source: &Source, request: &Request) -> Result<Candidate, Verdict> {
    let tag = source.tags.iter().find(|tag| names(app, tag, &request.version));
    match (tag, request.commit) {
        (Some(tag), _) => Ok(Candidate::tagged(app, tag)),
        (None, Some(commit)) if commit.to_string().starts_with(&request.version) => Ok(Candidate::on_trunk(commit)),
        _ => {
            Err(Verdict::no("tag-gone", format!("the tag {} that @{} asked for is gone", request.version, request.by))
                .next("push the tag again, or ask for another version"))
        }
    }
}

fn newest_trunk(looking: &Looking<'_>, needs: &mut Vec<Need>) -> Result<Candidate, Verdict> {
    let source = looking.source;
    let Some(tip) = &source.trunk else {
        return Err(Verdict::yes("nothing-new", "trunk holds no commit of this application yet"));
    };
    let all: Vec<&Commit> = std::iter::once(tip).chain(&source.earlier).collect();
    let mut notes = Vec::new();
    for (n, commit) in all.iter().enumerate() {
        if let Some(stays) = stays(looking, commit) {
            return Err(nothing_built(notes).unwrap_or(stays));
        }
        match is_built(looking, commit) {
            Some(false) => {
                let text = format!("no check has spoken of {} in {QUIET:#}, so nothing builds it", commit.id.short());
                notes.push(Verdict::yes("not-built", text));
            }
            Some(true) => return Ok(Candidate { notes, ..Candidate::on_trunk(commit.id) }),
            None => {
                // Most of the time the newest was built. Where it was not, the others are asked about at once.
                let more = if n == 0 { 1 } else { all.len() };
                let unknown = all[n..].iter().take(more).take_while(|commit| stays(looking, commit).is_none());
                let unknown = unknown.filter(|commit| is_built(looking, commit).is_none());
                needs.extend(unknown.map(|commit| Need::Checks { repo: source.repo.id, commit: commit.id }));
                return Ok(Candidate::on_trunk(commit.id));
            }
        }
    }
    Err(nothing_built(notes).unwrap_or_else(|| Verdict::yes("nothing-new", "trunk holds nothing that was built")))
}

/// Why a commit of trunk is no news: the environment holds it or a later one, or it stood there at first sight.
fn stays(looking: &Looking<'_>, commit: &Commit) -> Option<Verdict> {
    let follows = |later: Oid| is_or_follows(&looking.source.descendants, commit.id, later);
    let first = looking.entry.first_sight.as_ref().and_then(|first| first.trunk);
    if looking.now().and_then(|now| now.commit).is_some_and(follows) {
        return Some(Verdict::yes("up-to-date", "it holds the newest commit on trunk"));
    }
    first
        .is_some_and(follows)
        .then(|| Verdict::yes("nothing-new", "trunk has not moved since Trunkline first saw this environment"))
}

/// The newest of trunk that was not built, when there is nothing before it to take instead.
fn nothing_built(notes: Vec<Verdict>) -> Option<Verdict> {
    let newest = notes.into_iter().next()?;
    Some(Verdict::wait(&newest.code, newest.text).next("it goes on by itself with the next commit that is built"))
}

/// Whether anything builds a commit of trunk, as far as is known: one that is new, or whose checks cannot be read, may be.
fn is_built(looking: &Looking<'_>, commit: &Commit) -> Option<bool> {
    let (repo, commit, at) = (looking.source.repo.id, commit.id, commit.at);
    if looking.snapshot.common.now < at + QUIET
        || looking.snapshot.facts.unmet.contains_key(&Need::Checks { repo, commit })
    {
        return Some(true);
    }
    let checks = looking.snapshot.facts.checks.get(&(repo, commit))?;
    Some(checks.iter().any(|check| check.app != looking.snapshot.common.bot.slug))
}

fn newest_tag(looking: &Looking<'_>, prereleases: bool) -> Result<Candidate, Verdict> {
    let (app, source, entry) = (looking.app, looking.source, looking.entry);
    let mut versions: Vec<(Version, &Tag)> = source
        .tags
        .iter()
        .filter_map(|tag| version_of(app, tag).map(|version| (version, tag)))
        .filter(|(version, _)| version.is_prerelease() == prereleases)
        .collect();
    versions.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.name.cmp(&b.1.name)));
    let earlier = |tag: &Tag| entry.first_sight.as_ref().is_some_and(|first| first.is_earlier(app, &tag.name));
    let held = looking.now().and_then(|now| now.version.as_deref()).and_then(Version::parse);
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
    Ok(Candidate::tagged(app, tag))
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
    /// Whether a tag stood before Trunkline came: it is listed, is no higher than what was held then, or sorts below what was listed
    /// when the list was cut.
    fn is_earlier(&self, app: &App, tag: &str) -> bool {
        let holds = self.holds.as_deref().and_then(Version::parse);
        holds.is_some_and(|holds| app.tags.version(tag).is_some_and(|version| version <= holds))
            || self.earlier.iter().any(|name| name == tag)
            || self.earlier.len() >= super::first_sight::MAX_EARLIER_TAGS
                && self.earlier.last().and_then(|name| app.tags.version(name)) > app.tags.version(tag)
    }
}
