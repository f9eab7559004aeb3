//! An application's way through the environments: its source's trunk and tags, and what each environment holds and held.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::observe::Fetched;
use super::{Reconciler, Trouble};
use crate::decide::holdings;
use crate::model::finding::Problem;
use crate::model::id::Oid;
use crate::model::ledger::Ledger;
use crate::model::path::RepoPath;
use crate::model::pipeline::{App, Pipeline};
use crate::model::snapshot::{Commit, Common, Configuration, Holding, Holdings, PipelineFacts, PullBrief, Source, Tag};
use crate::model::tree::Tree;
use crate::queue::Note;
use crate::render::versions::{self, VersionField};

/// Changes of an environment's folder that are looked back on: rollback and soak need the last few versions, not the archive.
const MAX_HISTORY: usize = 50;
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
        let source = match self.source(common, here, app, notes).await {
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
            let held = self.holdings(common, here, app, &folder, &source, &at_source).await?;
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
        app: &App,
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
        let trunk = match tip {
            Some(id) => self.commit_info(&fetched, id).await?,
            None => None,
        };
        Ok((Source { repo, trunk, tags, descendants: BTreeMap::new() }, fetched))
    }

    async fn commit_info(&self, fetched: &Fetched, id: Oid) -> Result<Option<Commit>, Trouble> {
        let info = fetched.blocking(move |repo| repo.commit_info(id)).await?;
        Ok(Some(Commit { id, subject: info.subject, at: info.at }))
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
    async fn holdings(
        &self,
        common: &Common,
        here: &Fetched,
        app: &App,
        folder: &RepoPath,
        source: &Source,
        at_source: &Fetched,
    ) -> Result<Holdings, Trouble> {
        let mut held = Holdings { folder: folder.clone(), ..Holdings::default() };
        let Some(tip) = common.repo.tip else { return Ok(held) };
        let images: Vec<String> = app.images.iter().map(|image| image.name.clone()).collect();
        let place = folder.clone();
        let steps = here
            .blocking(move |repo| {
                let mut steps = Vec::new();
                let history = repo.first_parent_history(tip, &place, MAX_HISTORY)?;
                // Where the folder was gone, nothing ran of which the next version would have to know.
                for step in history.into_iter().filter(|step| step.tree.is_some()) {
                    let root = repo.tree_of(step.commit)?;
                    let fields = versions::version_fields(&Tree::new(root, repo), &place, &images);
                    steps.push((step.commit, step.at, fields));
                }
                Ok(steps)
            })
            .await?;
        for (n, (by, at, fields)) in steps.into_iter().enumerate() {
            match fields {
                Ok(fields) => merge_step(&mut held.history, by, at, &fields),
                Err(problems) if n == 0 => held.problems = problems,
                // What once could not be read ends what is looked back on.
                Err(_) => break,
            }
        }
        let shorts: BTreeSet<String> = held.history.iter().flat_map(|h| h.tags.values().cloned()).collect();
        let commits = at_source
            .blocking(move |repo| {
                Ok(shorts.into_iter().filter_map(|s| repo.find_commit(&s).map(|id| (s, id))).collect())
            })
            .await?;
        holdings::name_versions(app, source, &commits, &mut held.history);
        Ok(held)
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
        at_source.blocking(move |repo| repo.descendants(&wanting, &held)).await
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
}

type AncestorsKey = (crate::model::id::RepoId, Vec<Oid>);

/// Sources whose ancestry is kept: a set of 100,000 commits takes 2 MB.
const MAX_ANCESTRIES: usize = 64;
/// Configurations kept; the largest takes a megabyte or two.
const MAX_CONFIGURATIONS: usize = 32;

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
