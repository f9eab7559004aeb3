//! An application's way through the environments: its source's trunk and tags, and what each environment holds and held.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::observe::Fetched;
use super::{Reconciler, Trouble};
use crate::decide::holdings;
use crate::git::{GitError, Scope, Store};
use crate::github::CameWith;
use crate::model::facts::Arrival;
use crate::model::finding::{Location, Problem};
use crate::model::id::{Key, Oid};
use crate::model::ledger::Ledger;
use crate::model::path::RepoPath;
use crate::model::pipeline::{App, Environment, Pipeline, TAG_OF, Takes};
use crate::model::snapshot::{
    Commit, Common, Configuration, HeldField, Holding, Holdings, PipelineFacts, PullBrief, Repo, Source, Tag,
};
use crate::model::tree::Tree;
use crate::queue::Note;
use crate::render::versions::{self, Holder, Shelf, VersionField};

/// Changes of an environment's folder that are looked back on: rollback and soak need the last few versions, not the archive.
const MAX_HISTORY: usize = 50;
/// Commits of trunk to choose from: what waits in a queue, or stands before commits that nothing builds.
const MAX_TRUNK: usize = 20;
/// Tags that may still matter, newest versions first: candidates, and names of what is held.
const MAX_TAGS: usize = 200;

impl Reconciler {
    /// What is known of one application's way.
    pub(super) async fn way(
        &self,
        common: &Common,
        here: &Fetched,
        (app, pipeline): (&App, &Pipeline),
        open: &[PullBrief],
        notes: &[Note],
    ) -> Result<PipelineFacts, Trouble> {
        let mut facts = PipelineFacts::default();
        let bot = &common.bot;
        let ours = |pull: &&PullBrief| {
            bot.is(&pull.author)
                && !pull.fork
                && pull
                    .branch
                    .strip_prefix("trunkline/")
                    .and_then(|b| b.split_once('/'))
                    .is_some_and(|(_, rest)| rest.rsplit_once('/').is_some_and(|(name, _)| name == app.name))
        };
        facts.promotions = open.iter().filter(ours).cloned().collect();
        let source = match self.source(common, here, (app, pipeline), notes).await {
            Ok(source) => source,
            Err(SourceTrouble::Trouble(trouble)) => return Err(trouble),
            Err(SourceTrouble::Problem(problem)) => {
                facts.problems.push(problem);
                return Ok(facts);
            }
        };
        let (mut source, at_source) = source;
        for environment in &pipeline.environments {
            let Some(folder) = environment.folder(&app.name) else { continue };
            let mut held = self.held(common, here, app, folder).await?;
            if let Some(problem) = untagged(environment, &held) {
                held.problems.push(problem);
            }
            self.name_versions(app, &source, &at_source, &mut held).await?;
            facts.environments.insert(environment.name.clone(), held);
        }
        source.descendants = self.descendants(&source, &facts, &common.ledger, &app.name, &at_source).await?;
        facts.source = Some(source);
        Ok(facts)
    }

    async fn source(
        &self,
        common: &Common,
        here: &Fetched,
        (app, pipeline): (&App, &Pipeline),
        notes: &[Note],
    ) -> Result<(Source, Fetched), SourceTrouble> {
        let (repo, fetched) = match app.source.as_ref().filter(|name| **name != common.repo.name) {
            // Tags and release branches of its own come like anybody's.
            None => (common.repo.clone(), self.fetch_source(&here.at, &app.release_branches).await?),
            Some(name) => {
                let Some(listing) = self.directory.find_named(common.repo.installation, name) else {
                    return Err(SourceTrouble::Problem(Problem {
                        location: None,
                        message: format!("the App is not installed on {name}, the source of {}", app.name),
                        help: Some(format!("install the App on {name}, in the same account as this repository")),
                    }));
                };
                let fetched = self.fetch_source(&listing.at, &app.release_branches).await?;
                (self.repo_of(&listing, &fetched), fetched)
            }
        };
        let trunk_branch = repo.default_branch.clone();
        let tip = fetched.refs.heads.get(&trunk_branch).copied();
        let releases = |branch: &String| app.release_branches.iter().any(|pattern| glob(pattern, branch));
        let tips: Vec<Oid> = tip
            .into_iter()
            .chain(fetched.refs.heads.iter().filter(|(branch, _)| releases(branch)).map(|(_, tip)| *tip))
            .collect();
        let reachable = self.ancestors(&fetched, tips).await?;
        let mut versions: Vec<_> = fetched
            .refs
            .tags
            .iter()
            .filter_map(|(name, tag)| app.tags.version(name).map(|version| (version, name, tag)))
            .collect();
        versions.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        let tags = versions.into_iter().take(MAX_TAGS).map(|(_, name, tag)| Tag {
            name: name.clone(),
            commit: tag.commit,
            reachable: reachable.contains(&tag.commit),
            pusher: pusher(notes, name, tag.object, tag.commit),
        });
        let tags = tags.collect();
        let mut trunk = match tip {
            Some(tip) => self.trunk(here, &fetched, tip, scope(common, &repo, app, pipeline)).await?.into_iter(),
            None => Vec::new().into_iter(),
        };
        let (newest, earlier) = (trunk.next(), trunk.collect());
        Ok((Source { repo, trunk: newest, earlier, tags, descendants: BTreeMap::new() }, fetched))
    }

    /// The newest commits of trunk that count for an application.
    async fn trunk(&self, here: &Fetched, fetched: &Fetched, tip: Oid, scope: Scope) -> Result<Vec<Commit>, Trouble> {
        let place = match (scope.is_everything(), fetched.at.id == here.at.id) {
            (true, _) => fetched.clone(),
            // Where the environments are, everything is at hand anyway.
            (false, true) => self.commits(&here.at, &[tip]).await?,
            (false, false) => self.folders_at(&fetched.at, tip).await?,
        };
        let found = place.blocking(move |repo| repo.trunk(tip, &scope, MAX_TRUNK)).await?;
        Ok(found.into_iter().map(|info| Commit { id: info.id, subject: info.subject, at: info.at }).collect())
    }

    /// Everything the tips reach, remembered by tips: years of tags are checked against it at once.
    async fn ancestors(&self, fetched: &Fetched, tips: Vec<Oid>) -> Result<std::sync::Arc<BTreeSet<Oid>>, Trouble> {
        let key = (fetched.at.id, tips.clone());
        if let Some(found) = self.caches.ancestors(&key) {
            return Ok(found);
        }
        let found = std::sync::Arc::new(fetched.blocking(move |repo| repo.ancestors(&tips)).await?);
        self.caches.remember_ancestors(key, std::sync::Arc::clone(&found));
        Ok(found)
    }

    /// What one environment holds of the application, and held before.
    async fn held(&self, common: &Common, here: &Fetched, app: &App, folder: RepoPath) -> Result<Holdings, Trouble> {
        let Some(tip) = common.repo.tip else { return Ok(Holdings { folder, ..Holdings::default() }) };
        let app = app.clone();
        here.blocking(move |repo| held_at(repo, tip, &app, folder)).await
    }

    /// Names what was held in the words of the source.
    async fn name_versions(
        &self,
        app: &App,
        source: &Source,
        at_source: &Fetched,
        held: &mut Holdings,
    ) -> Result<(), Trouble> {
        let tags = held.history.iter().flat_map(|holding| holding.tags.values());
        let words: BTreeSet<String> = tags.flat_map(|tag| holdings::commit_words(tag)).map(str::to_owned).collect();
        let commits = at_source
            .blocking(move |repo| {
                Ok(words.into_iter().filter_map(|s| repo.find_commit(&s).map(|id| (s, id))).collect())
            })
            .await?;
        holdings::name_versions(app, source, &commits, &mut held.history);
        Ok(())
    }

    /// Which of what is held follows which of what wants in.
    async fn descendants(
        &self,
        source: &Source,
        facts: &PipelineFacts,
        ledger: &Ledger,
        app: &str,
        at_source: &Fetched,
    ) -> Result<BTreeMap<Oid, Vec<Oid>>, Trouble> {
        let held: BTreeSet<Oid> = facts
            .environments
            .values()
            .flat_map(|held| held.history.iter().filter_map(|holding| holding.commit))
            .collect();
        let asked = ledger.entries.iter().filter(|((name, _), _)| name == app);
        let asked = asked.flat_map(|(_, entry)| entry.requests.last().into_iter().chain(entry.rollbacks.last()));
        let wanting: BTreeSet<Oid> = source
            .tags
            .iter()
            .take(MAX_HISTORY)
            .map(|tag| tag.commit)
            .chain(source.trunk.iter().map(|tip| tip.id))
            .chain(asked.filter_map(|request| request.commit))
            .collect();
        let firsts = ledger.entries.iter().filter(|((name, _), _)| name == app);
        let firsts = firsts.filter_map(|(_, entry)| entry.first_sight.as_ref()?.trunk);
        let now: BTreeSet<Oid> =
            facts.environments.values().filter_map(|held| held.history.first()?.commit).chain(firsts).collect();
        let earlier: BTreeSet<Oid> = source.trunk.iter().chain(&source.earlier).map(|commit| commit.id).collect();
        at_source
            .blocking(move |repo| {
                let mut found = repo.descendants(&wanting, &held)?;
                // What is held now, or was at first sight, also against what wants in, the other way round, and older trunk.
                for (ancestors, candidates) in [(&now, &wanting), (&earlier, &now)] {
                    for (ancestor, more) in repo.descendants(ancestors, candidates)? {
                        let known = found.entry(ancestor).or_default();
                        known.extend(more);
                        known.sort_unstable();
                        known.dedup();
                    }
                }
                Ok(found)
            })
            .await
    }
}

/// Why a source could not be seen: an author's mistake, or the world's trouble.
enum SourceTrouble {
    Trouble(Trouble),
    Problem(Problem),
}

impl From<Trouble> for SourceTrouble {
    fn from(trouble: Trouble) -> Self {
        SourceTrouble::Trouble(trouble)
    }
}

/// What an environment's folder holds of an application at a commit of the default branch, and held before.
///
/// # Errors
/// When a commit or a tree of it cannot be read.
pub fn held_at(repo: &Store, tip: Oid, app: &App, folder: RepoPath) -> Result<Holdings, GitError> {
    let mut shelf = Shelf::default();
    let tree = Tree::new(repo.tree_of(tip)?, repo);
    let now = shelf.look(&tree, &folder, app);
    let mut held = Holdings { folder, ..Holdings::default() };
    held.problems = now.problems(&tree, &held.folder);
    held.problems.extend(shelf.rehearse(&tree, &now, app));
    held.left = versions::left_alone(&now.fields);
    held.fields = held_fields(&now.fields);
    if !now.is_whole() {
        return Ok(held);
    }
    let place = changes_with(&held.folder, &now.fields);
    let history = repo.first_parent_history(tip, &place, MAX_HISTORY)?;
    // Where the folder was gone, nothing ran of which the next version would have to know.
    for step in history.into_iter().filter(|step| step.tree.is_some()) {
        let tree = Tree::new(repo.tree_of(step.commit)?, repo);
        let then = shelf.look(&tree, &held.folder, app);
        // What once could not be read ends what is looked back on.
        if !then.is_whole() {
            break;
        }
        merge_step(&mut held.history, step.commit, step.at, &then.fields);
    }
    Ok(held)
}

/// The folder whose changes can change what an environment holds: its own, or what it shares with the base that sets a version.
fn changes_with(folder: &RepoPath, fields: &[VersionField]) -> RepoPath {
    let based = fields.iter().filter(|field| field.holder == Holder::Base).map(|field| field.location.file.parent());
    based.fold(folder.clone(), |mut common, base| {
        while !base.is_within(&common) && !common.is_root() {
            common = common.parent();
        }
        common
    })
}

/// Where a promotion would write.
fn held_fields(fields: &[VersionField]) -> Vec<HeldField> {
    let ours = fields.iter().filter(|field| field.left.is_none());
    let held = ours.map(|field| {
        let location = match field.holder {
            Holder::Base => Location { path: field.file.clone(), line: 0, column: 0 },
            _ => field.location.location(),
        };
        HeldField { carrier: field.image.clone(), location }
    });
    let mut held: Vec<HeldField> = held.collect();
    held.dedup();
    held
}

/// A tag of the source cannot be written where every commit of trunk enters.
fn untagged(environment: &Environment, held: &Holdings) -> Option<Problem> {
    let field = held.fields.iter().find(|field| field.carrier.starts_with(TAG_OF))?;
    (environment.takes == Takes::Trunk).then(|| Problem {
        location: Some(field.location.clone()),
        message: format!("{} takes trunk, whose commits have no tag to write as `ref.tag`", environment.name),
        help: Some("Use `ref.branch`, which Flux follows by itself, or `ref.commit`.".to_owned()),
    })
}

/// Adds one older step to a history: equal tags only move the beginning back, unless they named another build then.
fn merge_step(history: &mut Vec<Holding>, by: Oid, at: Timestamp, fields: &[VersionField]) {
    let (tags, digests) = (versions::tags(fields), versions::digests(fields));
    match history.last_mut() {
        Some(newer) if newer.tags == tags && (digests.is_empty() || newer.digests == digests) => {
            (newer.since, newer.by) = (at, by);
        }
        _ => history.push(Holding { tags, digests, version: None, commit: None, since: at, by }),
    }
}

/// Who pushed this very tag, when a delivery said so.
fn pusher(notes: &[Note], tag: &str, object: Oid, commit: Oid) -> Option<String> {
    notes.iter().rev().find_map(|note| match note {
        Note::TagPushed { tag: name, commit_or_object, pusher }
            if name == tag && [object, commit].contains(commit_or_object) =>
        {
            Some(pusher.clone())
        }
        Note::TagPushed { .. } => None,
    })
}

/// Which commits of trunk count for an application. Where the source holds the environments as well, what a promotion writes there
/// is no reason for another one.
fn scope(common: &Common, source: &Repo, app: &App, pipeline: &Pipeline) -> Scope {
    let without = if source.id == common.repo.id {
        pipeline.environments.iter().flat_map(|environment| environment.folders(&pipeline.apps)).collect()
    } else {
        Vec::new()
    };
    Scope { within: app.paths.clone(), without }
}

fn hash(text: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// `release/*` against a branch: one star at the end.
fn glob(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(fixed) => text.starts_with(fixed),
        None => text == pattern,
    }
}

/// What is remembered between passes; all of it derived, bounded, and keyed by object ids.
#[derive(Debug, Default)]
pub(super) struct Caches {
    ancestors: std::sync::Mutex<Vec<(AncestorsKey, std::sync::Arc<BTreeSet<Oid>>)>>,
    /// By the file's id: whoever holds the same file reads the same in it.
    configurations: std::sync::Mutex<Vec<(Oid, Configuration)>>,
    /// Commits that came as they should; the others are few, and asked about again.
    arrivals: std::sync::Mutex<BTreeMap<CommitKey, Arrival>>,
    /// What commits came with, and when that was asked.
    came_with: std::sync::Mutex<BTreeMap<CommitKey, (Timestamp, CameWith)>>,
    /// What keys were told last, as a hash: whoever is told again after a start only looks once more.
    told: std::sync::Mutex<BTreeMap<Key, u64>>,
}

type CommitKey = (crate::model::id::RepoId, Oid);

type AncestorsKey = (crate::model::id::RepoId, Vec<Oid>);

/// Sources whose ancestry is kept: a set of 100,000 commits takes 2 MB.
const MAX_ANCESTRIES: usize = 64;
/// Configurations kept; the largest takes a megabyte or two.
const MAX_CONFIGURATIONS: usize = 32;
/// Commits whose pull request is remembered, some hundred bytes each: the changelogs of some hundred promotions. Then it begins anew.
const MAX_CAME_WITH: usize = 20_000;
/// A commit that came with no pull request mostly never will; GitHub may take a while to know, though.
const ALONE_FOR: std::time::Duration = std::time::Duration::from_secs(600);
/// Keys that are remembered to have been told something: two for each open promotion. Then it begins anew.
const MAX_TOLD: usize = 20_000;
/// Arrivals kept, some hundred bytes each: what 1,000 applications hold in a dozen gated environments. Then it begins anew.
const MAX_ARRIVALS: usize = 12_000;

impl Caches {
    /// What was read in the file with this id; the one used last is forgotten last.
    pub(super) fn configuration(&self, file: Oid) -> Option<Configuration> {
        let mut known = self.configurations.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let at = known.iter().position(|(id, _)| *id == file)?;
        let found = known.remove(at);
        known.push(found.clone());
        Some(found.1)
    }

    pub(super) fn remember_configuration(&self, file: Oid, read: Configuration) {
        let mut known = self.configurations.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.retain(|(id, _)| *id != file);
        if known.len() >= MAX_CONFIGURATIONS {
            known.remove(0);
        }
        known.push((file, read));
    }

    /// Whether a key was told something else before, or nothing.
    pub(super) fn is_news(&self, key: &Key, news: &str) -> bool {
        let known = self.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.get(key) != Some(&hash(news))
    }

    /// Remembers what a key was told.
    pub(super) fn told(&self, key: Key, news: String) {
        let mut known = self.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if known.len() >= MAX_TOLD {
            known.clear();
        }
        known.insert(key, hash(&news));
    }

    /// What a commit came with: a merged pull request for good, none for a while.
    pub(super) fn came_with(&self, key: &CommitKey, now: Timestamp) -> Option<CameWith> {
        let known = self.came_with.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (asked, found) = known.get(key)?;
        let young = *asked <= now && now < *asked + ALONE_FOR;
        (found.pull.is_some() || young).then(|| found.clone())
    }

    pub(super) fn remember_came_with(&self, repo: crate::model::id::RepoId, found: &CameWith, now: Timestamp) {
        let mut known = self.came_with.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if known.len() >= MAX_CAME_WITH {
            known.clear();
        }
        known.insert((repo, found.commit), (now, found.clone()));
    }

    /// How a commit came, when that is settled.
    pub(super) fn arrival(&self, key: &CommitKey) -> Option<Arrival> {
        self.arrivals.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(key).cloned()
    }

    pub(super) fn remember_arrival(&self, key: CommitKey, arrival: Arrival) {
        let mut known = self.arrivals.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if known.len() >= MAX_ARRIVALS {
            known.clear();
        }
        known.insert(key, arrival);
    }

    fn ancestors(&self, key: &AncestorsKey) -> Option<std::sync::Arc<BTreeSet<Oid>>> {
        let known = self.ancestors.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.iter().find(|(k, _)| k == key).map(|(_, found)| std::sync::Arc::clone(found))
    }

    fn remember_ancestors(&self, key: AncestorsKey, found: std::sync::Arc<BTreeSet<Oid>>) {
        let mut known = self.ancestors.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.retain(|((repo, _), _)| *repo != key.0);
        if known.len() >= MAX_ANCESTRIES {
            known.remove(0);
        }
        known.push((key, found));
    }
}
