//! What decisions say: the inputs of `report`, and the few sentences that belong to a decision itself.

use super::gates::Entering;
use super::versions::{Candidate, Cause, version_of};
use crate::command::Parsed;
use crate::model::finding::{ImageChange, Location};
use crate::model::ledger::Cancelled;
use crate::model::merging::Landed;
use crate::model::pipeline::{App, Environment, Pipeline};
use crate::model::snapshot::{Change, Changelog, Comment, Holding, Holdings, PullBrief, Snapshot, Source};
use crate::model::verdict::Verdict;
use crate::report::markdown::{code, link_within};
use crate::report::promotion::{self, Audience, ChangelogEntry, PromotionInput, PromotionKind};
use crate::report::reply;
use crate::report::{marker, verdict};

/// The three texts of a promotion.
pub(super) struct PromotionTexts {
    pub(super) title: String,
    pub(super) body: String,
    pub(super) message: String,
}

/// The texts of a promotion that is about to be opened.
pub(super) fn promotion(entering: &Entering<'_>, holdings: &Holdings, changelog: &Changelog) -> PromotionTexts {
    let candidate = entering.candidate;
    let now = holdings.history.first();
    let images = written(entering.app, candidate, holdings);
    let entries = entries(changelog);
    let shown = now.and_then(|now| now.version.as_deref()).map(short_version);
    let cause = cause(candidate);
    let fields: Vec<Location> = holdings.fields.iter().map(|field| field.location.clone()).collect();
    let input = PromotionInput {
        kind: if candidate.is_rollback() { PromotionKind::Rollback } else { PromotionKind::Promote },
        app: &entering.app.name,
        environment: &entering.environment.name,
        version: &candidate.version,
        commit: candidate.commit,
        from: shown.map(|version| (version, now.and_then(|now| now.commit))),
        source_url: &entering.source.repo.url,
        audience: audience(entering.snapshot, entering.source),
        cause: &cause,
        images: &images,
        fields: &fields,
        changelog: &entries,
        changelog_total: changelog.total,
    };
    PromotionTexts {
        title: promotion::title(&input),
        body: promotion::body(&input),
        message: promotion::commit_message(&input),
    }
}

/// What a version would change of what carries it here, from what is held now.
pub(super) fn written(app: &App, candidate: &Candidate, holdings: &Holdings) -> Vec<ImageChange> {
    let now = holdings.history.first();
    let from = |name: &str| now.and_then(|now| now.tags.get(name)).cloned().unwrap_or_default();
    let tags = candidate.image_tags(app).into_iter();
    let here = tags.filter(|(name, _)| holdings.fields.iter().any(|field| field.carrier == *name));
    here.map(|(name, to)| ImageChange { from: from(&name), name, to }).filter(|image| image.from != image.to).collect()
}

/// The commits of a changelog, for a list.
pub(super) fn entries(changelog: &Changelog) -> Vec<ChangelogEntry> {
    let entry = |change: &Change| ChangelogEntry {
        commit: change.commit,
        title: change.pull.as_ref().map_or_else(|| change.subject.clone(), |(_, title)| title.clone()),
        author: change.login.clone().unwrap_or_else(|| change.author.clone()),
        pull: change.pull.as_ref().map(|(number, _)| *number),
    };
    changelog.changes.iter().map(entry).collect()
}

/// Who can read what is told about a source here.
pub(super) fn audience(snapshot: &Snapshot, source: &Source) -> Audience {
    if source.repo.private && !snapshot.common.repo.private { Audience::Wider } else { Audience::Same }
}

fn cause(candidate: &Candidate) -> String {
    match (&candidate.cause, &candidate.tag) {
        (Cause::Asked(request), _) => format!("{} asked for it: {}", request.by, request.link),
        (Cause::Rollback(request), _) => format!("{} asked to go back: {}", request.by, request.link),
        (Cause::Newest, Some(tag)) => match &tag.pusher {
            Some(pusher) => format!("{pusher} pushed the tag {}.", tag.name),
            None => format!("The tag {} was pushed.", tag.name),
        },
        (Cause::Newest, None) => "It is the newest commit on trunk.".to_owned(),
    }
}

/// A version as people write it: a whole commit is cut to seven digits.
pub(super) fn short_version(version: &str) -> &str {
    let whole_commit = version.len() == 40 && version.bytes().all(|b| b.is_ascii_hexdigit());
    if whole_commit { &version[..7] } else { version }
}

/// Why an open promotion is closed: something newer takes its place.
pub(super) fn superseded(by: &PullBrief, candidate: &Candidate) -> String {
    format!("Superseded by #{}: {} is what wants in now.", by.number, code(&candidate.version))
}

/// Why an open promotion is closed: somebody else wrote where it writes.
pub(super) fn conflicting(why: &str) -> String {
    format!(
        "Closed, because {}. A fresh promotion follows, made on what stands there now.",
        crate::report::markdown::prose(why)
    )
}

/// What a deployment rests on while no cluster is connected; GitHub takes 140 characters.
pub(super) const DEPLOYED: &str = "Merged; Flux applies it. No cluster is connected, so Trunkline does not see when.";

/// What is said of a deployment until its cluster reports.
pub(super) const QUEUED: &str = "Merged; Flux applies it.";

/// Why a deployment is no longer active.
pub(super) const REPLACED: &str = "Another version took its place.";

/// What a deployment brings, in GitHub's list of deployments.
pub(super) fn deployment(app: &str, holding: &Holding) -> String {
    let tags = || holding.tags.values().next().map(String::as_str);
    let version = holding.version.as_deref().map(short_version).or_else(tags).unwrap_or("a new version");
    // GitHub takes 140 characters; a name has 40, a tag may have more than the rest.
    crate::report::markdown::line(&format!("{app} {version}"), 140)
}

/// Whether a text of ours tells that a merge brought something else than was evaluated.
pub(super) fn is_about_landing(body: &str) -> bool {
    marker::find(body) == Some(marker::Marker::Landed)
}

/// A merge that brought something else than was evaluated.
pub(super) fn landed_otherwise(landed: &Landed) -> Verdict {
    let folders = landed.differs.join(", ");
    let text =
        format!("{folders} holds something else than what was checked: somebody changed it while this was merged");
    Verdict::no("landed-otherwise", text).next(format!(
        "compare commit {} with this pull request, and roll back with `/rollback` if it should not be so",
        landed.commit.short()
    ))
}

/// The same as a comment.
pub(super) fn landing(landed: &Landed) -> String {
    marker::mark(&marker::Marker::Landed, &verdict::markdown(&landed_otherwise(landed)))
}

/// Why an open promotion is closed: somebody cancelled it.
pub(super) fn cancelled_by(cancelled: &Cancelled, repo_url: &str) -> String {
    format!(
        "Closed, because {} cancelled it ({}). It stays out until a newer version comes, or somebody asks for it by `/promote`.",
        code(&cancelled.by),
        link_within("said here", &cancelled.link, repo_url)
    )
}

/// Why an open promotion is closed: its tag is gone.
pub(super) fn cancelled(tag: &str) -> String {
    format!("Closed, because the tag {} was deleted. Push it again to ask again.", code(tag))
}

/// Why an open promotion is closed: there is nothing left to promote.
pub(super) fn moot(verdict: &Verdict) -> String {
    format!("Closed, because it has nothing left to do:\n\n{}", verdict::markdown(verdict))
}

/// The reply that answers a comment.
pub(super) fn reply(comment: &Comment, answers: &[String]) -> String {
    reply::reply(comment.id, answers)
}

/// Which comment a text of ours answers.
pub(super) fn replies_to(body: &str) -> Option<u64> {
    match marker::find(body) {
        Some(marker::Marker::Reply(comment)) => Some(comment),
        _ => None,
    }
}

/// What to say to a line that could not be read.
pub(super) fn misread(parsed: &Parsed) -> String {
    reply::misread(parsed).unwrap_or_default()
}

/// A refusal, with the command quoted.
pub(super) fn refused(parsed: &Parsed, verdict: &Verdict) -> String {
    reply::refusal(parsed, verdict)
}

/// One of several answers, with the command quoted.
pub(super) fn answered(parsed: &Parsed, answer: &str) -> String {
    reply::answered(parsed, answer)
}

/// No configuration, no commands.
pub(super) fn no_configuration() -> Verdict {
    Verdict::no("no-configuration", "the configuration on the default branch has problems, so no command runs")
        .next("merge a pull request that repairs `.github/trunkline.yaml`; its check says what is wrong")
}

/// In observe mode nothing is decided.
pub(super) fn observing() -> Verdict {
    Verdict::no("observing", "this repository is in `mode: observe`, so nothing is written")
        .next("set `mode: enforce` in `.github/trunkline.yaml`")
}

/// An environment that is not configured, with those that are.
pub(super) fn unknown_environment(pipeline: &Pipeline, name: &str) -> Verdict {
    let names: Vec<&str> = pipeline.environments.iter().map(|env| env.name.as_str()).collect();
    Verdict::no("unknown-environment", format!("there is no environment `{name}`"))
        .next(format!("the environments are {}", names.join(", ")))
}

/// An application that is not configured, with those that are.
pub(super) fn unknown_app(pipeline: &Pipeline, name: &str) -> Verdict {
    Verdict::no("unknown-app", format!("there is no application `{name}`"))
        .next(format!("the applications are {}", app_names(pipeline)))
}

/// Several applications, and none named.
pub(super) fn which_app(pipeline: &Pipeline) -> Verdict {
    Verdict::no("which-app", format!("there are several applications: {}", app_names(pipeline)))
        .next("name one with `--app <name>`")
}

fn app_names(pipeline: &Pipeline) -> String {
    pipeline.apps.iter().map(|app| app.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// Nothing older passed here.
pub(super) fn nothing_to_go_back_to(environment: &Environment, version: Option<&str>) -> Verdict {
    let name = &environment.name;
    match version {
        Some(version) => {
            Verdict::no("never-passed", format!("`{version}` has not run in {name}, as far as git remembers"))
                .next("go back to a version that did, or promote this one")
        }
        None => Verdict::no("never-passed", format!("no earlier version of this application has run in {name}"))
            .next(format!("promote another version: `/promote {name} <version>`")),
    }
}

/// A version no tag names, with the newest that one does.
pub(super) fn unknown_version(app: &App, source: &Source, version: &str) -> Verdict {
    let newest: Vec<String> =
        source.tags.iter().filter_map(|tag| version_of(app, tag)).take(5).map(|version| version.to_string()).collect();
    let next = match newest.as_slice() {
        [] => "push a tag first".to_owned(),
        newest => format!("the newest versions are {}", newest.join(", ")),
    };
    Verdict::no("unknown-version", format!("no tag of {} names `{version}`", source.repo.name)).next(next)
}

/// A source that cannot be read.
pub(super) fn unreadable_source(app: &App) -> Verdict {
    Verdict::no("source-unreachable", format!("the source of {} cannot be read", app.name))
        .next("install the App on the source repository, or correct `source`")
}

/// No promotion here, and none named.
pub(super) fn which_promotion(pipeline: &Pipeline) -> Verdict {
    let names: Vec<&str> = pipeline.environments.iter().map(|env| env.name.as_str()).collect();
    Verdict::no("which-promotion", "this is no promotion of Trunkline's")
        .next(format!("name the environment: `/trunkline cancel <env>`, one of {}", names.join(", ")))
}

/// What lets the ledger be read again.
pub(super) const MEND_LEDGER: &str = "take back the last change to the ledger branch that Trunkline did not make";

/// A file of the ledger that cannot be read.
pub(super) fn unreadable_ledger(problem: &str) -> Verdict {
    Verdict::no("ledger-broken", format!("the ledger cannot be read: {problem}")).next(MEND_LEDGER)
}

/// Somebody else may do this.
pub(super) fn not_allowed(why: String) -> Verdict {
    Verdict::no("not-allowed", why).next("ask somebody who may; `/trunkline help` lists who may do what here")
}

/// A pull request that conflicts with its base.
pub(super) fn conflict(why: &str) -> Verdict {
    Verdict::no("conflict", why).next("merge or rebase the base branch into this one, and resolve it")
}
