//! Merging: what GitHub asks, what it refused, and whether what landed is what was evaluated.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::{Reconciler, Trouble};
use crate::config::codeowners;
use crate::decide::deployments::settled;
use crate::git::{GitError, Merge, Store};
use crate::github::{ApiError, Kind, RepoAt};
use crate::model::id::{Oid, RepoId};
use crate::model::merging::{BranchRules, Deployments, InLine, Landed, Merging, Owned, Refusal};
use crate::model::path::RepoPath;
use crate::model::plan::Need;
use crate::model::snapshot::Snapshot;
use crate::model::tree::Tree;

/// Rules are changed by hand, a few times a year; open promotions are looked at many times a minute.
const RULES_FOR: Duration = Duration::from_secs(60);
/// Pauses after a refused merge, doubled each time: a rule that is lifted counts with the next sweep at the latest.
const PAUSE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(15 * 60));
/// How long what was settled about deployments is taken for granted: nobody but we change ours, and a thousand applications would each
/// ask again.
const DEPLOYMENTS_FOR: Duration = Duration::from_secs(24 * 3600);
/// How long a missing permission for deployments is taken for granted; each application would try for a token of its own.
const DENIED_FOR: Duration = Duration::from_secs(15 * 60);
/// Things of each kind that are remembered: open promotions and applications of 50 busy installations.
const CAPACITY: usize = 5_000;
/// Changed files whose owners are looked up; a promotion changes a few.
const MAX_OWNED: usize = 300;

/// What is remembered between passes; all of it comes back by looking again.
#[derive(Debug, Default)]
pub(super) struct Memory {
    rules: Kept<(RepoId, String), (Timestamp, BranchRules)>,
    refused: Kept<(RepoId, u64), (Oid, u32, Refusal)>,
    evaluated: Kept<(RepoId, u64), (Oid, Oid)>,
    deployments: Kept<Asked, (Timestamp, Deployments)>,
    denied: Kept<RepoId, (Timestamp, ApiError)>,
}

/// What deployments were asked for: the repository, its environments by GitHub's names, and commits.
type Asked = (RepoId, Vec<String>, Vec<Oid>);

/// A bounded list, the oldest entry first.
#[derive(Debug)]
struct Kept<K, V>(Mutex<Vec<(K, V)>>);

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: PartialEq, V: Clone> Kept<K, V> {
    fn get(&self, key: &K) -> Option<V> {
        self.lock().iter().find(|(known, _)| known == key).map(|(_, value)| value.clone())
    }

    fn put(&self, key: K, value: V) {
        let mut all = self.lock();
        all.retain(|(known, _)| *known != key);
        if all.len() >= CAPACITY {
            all.remove(0);
        }
        all.push((key, value));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(K, V)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    /// Notes on which base a promotion was evaluated last.
    pub(super) fn evaluated(&self, repo: RepoId, number: u64, (base, head): (Oid, Oid)) {
        self.evaluated.put((repo, number), (base, head));
    }

    /// Notes that GitHub refused a merge, so that it is not asked again at once and people are told.
    fn refuse(&self, repo: RepoId, (number, head): (u64, Oid), words: &str, now: Timestamp) {
        let before = self.refused.get(&(repo, number)).filter(|(of, ..)| *of == head).map_or(0, |(_, times, _)| times);
        let pause = PAUSE.0.saturating_mul(1 << before.min(16)).min(PAUSE.1);
        let refusal = Refusal { words: words.to_owned(), until: now + pause };
        self.refused.put((repo, number), (head, before + 1, refusal));
    }

    fn refused(&self, repo: RepoId, number: u64, head: Option<Oid>, now: Timestamp) -> Option<Refusal> {
        let (of, _, refusal) = self.refused.get(&(repo, number))?;
        // A clock that stepped back would keep it for as long as it stepped.
        let lasts = now < refusal.until && refusal.until <= now + PAUSE.1;
        (lasts && head.is_none_or(|head| head == of)).then_some(refusal)
    }
}

/// Whether something learnt at `since` still counts; a clock that stepped back makes nothing new.
fn is_fresh(since: Timestamp, lifetime: Duration, now: Timestamp) -> bool {
    since <= now && now < since + lifetime
}

/// Whether an error of a merge is a race, which another look settles, and no answer to people.
fn is_race(error: &ApiError) -> bool {
    let says = |words: &str| error.message.contains(words);
    says("was modified") || says("not mergeable")
}

impl Reconciler {
    /// Whether GitHub said no to a merge rather than "not now": then it is remembered, and the key looks again to tell people.
    pub(super) fn merge_refused(&self, repo: RepoId, pull: (u64, Oid), error: ApiError) -> Trouble {
        if !matches!(error.kind, Kind::Conflict | Kind::Denied) || is_race(&error) {
            return error.into();
        }
        let now = self.parts.clock.now();
        let words = error.message.split(" (GitHub, ").next().unwrap_or_default();
        self.memory.refuse(repo, pull, words, now);
        Trouble::later(now, "GitHub refused the merge")
    }

    /// What GitHub asks of the merge of one pull request, as it was at some moment after `asked_at`.
    pub(super) async fn merging(
        &self,
        snapshot: &Snapshot,
        at: &RepoAt,
        (number, head): (u64, Oid),
        (base, asked_at): (&str, Timestamp),
    ) -> Result<Merging, Trouble> {
        let (key, begun) = ((at.id, number, head), self.parts.clock.now());
        let rules = self.rules(at, base).await?;
        let mut merging = match self.reads.merging.after(&key, asked_at, begun) {
            Some(known) => known,
            None => {
                let read = self.parts.github.merging(at, (number, head), rules).await?;
                self.reads.keep(&self.reads.merging, (at.id, key), begun, read.clone());
                read
            }
        };
        merging.refused = self.memory.refused(at.id, number, Some(head), self.parts.clock.now());
        let Some(tip) = snapshot.common.repo.tip else { return Ok(merging) };
        let here = self.commits(at, &[tip, head]).await?;
        let owners = merging.rules.code_owners;
        (merging.behind, merging.owned) = here
            .blocking(move |repo| {
                let owned = if owners { owned(repo, tip, head)? } else { Vec::new() };
                Ok((!repo.is_ancestor(tip, head)?, owned))
            })
            .await?;
        Ok(merging)
    }

    async fn rules(&self, at: &RepoAt, base: &str) -> Result<BranchRules, Trouble> {
        let (key, now) = ((at.id, base.to_owned()), self.parts.clock.now());
        if let Some((read, rules)) = self.memory.rules.get(&key)
            && is_fresh(read, RULES_FOR, now)
        {
            return Ok(rules);
        }
        let rules = self.parts.github.branch_rules(at, base).await?;
        self.memory.rules.put(key, (now, rules.clone()));
        Ok(rules)
    }

    /// Our open promotions into a branch; one that GitHub refuses holds up nobody.
    pub(super) async fn in_line(&self, at: &RepoAt, base: &str) -> Result<Vec<InLine>, Trouble> {
        let now = self.parts.clock.now();
        let mut line = self.parts.github.in_line(at, &self.bot, base).await?;
        for one in &mut line {
            one.ready &= self.memory.refused(at.id, one.number, None, now).is_none();
        }
        Ok(line)
    }

    /// Whether what a merged promotion brought is what was evaluated: on the base it was evaluated on last, or, where that is not
    /// remembered, on the one it was merged into.
    pub(super) async fn landed(
        &self,
        at: &RepoAt,
        (number, head): (u64, Oid),
        folders: Vec<RepoPath>,
    ) -> Result<Option<Landed>, Trouble> {
        let Some(commit) = self.parts.github.merge_commit(at, number).await? else { return Ok(None) };
        let evaluated = self.memory.evaluated.get(&(at.id, number)).filter(|(_, of)| *of == head).map(|(base, _)| base);
        let wanted: Vec<Oid> = [commit, head].into_iter().chain(evaluated).collect();
        let here = self.commits(at, &wanted).await?;
        let differs = here
            .blocking(move |repo| {
                let Some(base) = evaluated.map_or_else(|| repo.first_parent(commit), |base| Ok(Some(base)))? else {
                    return Ok(Vec::new());
                };
                let Merge::Tree(expected) = repo.merge_preview(base, head)? else { return Ok(Vec::new()) };
                let actual = repo.tree_of(commit)?;
                let at = |root: Oid, folder: &RepoPath| {
                    Tree::new(root, repo).entry(folder).ok().flatten().map(|entry| entry.id)
                };
                let other = folders.into_iter().filter(|folder| at(expected, folder) != at(actual, folder));
                Ok(other.map(|folder| folder.to_string()).collect())
            })
            .await?;
        Ok(Some(Landed { commit, differs }))
    }

    /// Our deployments to these environments, and the pull requests of commits that have none yet.
    pub(super) async fn deployments(
        &self,
        at: &RepoAt,
        environments: &[String],
        commits: &[Oid],
    ) -> Result<Deployments, Trouble> {
        let (key, now) = ((at.id, environments.to_vec(), commits.to_vec()), self.parts.clock.now());
        if let Some((read, found)) = self.memory.deployments.get(&key)
            && is_fresh(read, DEPLOYMENTS_FOR, now)
        {
            return Ok(found);
        }
        if let Some((tried, error)) = self.memory.denied.get(&at.id)
            && is_fresh(tried, DENIED_FOR, now)
        {
            return Err(error.into());
        }
        let known = self.parts.github.deployments(at, &self.bot, environments).await.inspect_err(|error| {
            if matches!(error.kind, Kind::Denied | Kind::Invalid) {
                self.memory.denied.put(at.id, (now, error.clone()));
            }
        })?;
        let mut found = Deployments { known, pulls: Vec::new() };
        if settled(environments, commits, &found) {
            self.memory.deployments.put(key, (now, found.clone()));
            return Ok(found);
        }
        let came_with = self.came_with(at, commits).await?;
        found.pulls = came_with.into_iter().filter_map(|came| Some((came.commit, came.pull?.0))).collect();
        Ok(found)
    }

    /// Meets the needs that are about merging and what follows it.
    pub(super) async fn answer_merging(
        &self,
        snapshot: &mut Snapshot,
        at: &RepoAt,
        need: &Need,
        asked_at: Timestamp,
    ) -> Result<(), Trouble> {
        match need {
            Need::Merging { number, base, head } => {
                let merging = self.merging(snapshot, at, (*number, *head), (base, asked_at)).await?;
                snapshot.facts.merging.insert(*number, merging);
            }
            Need::Turn(base) => {
                let line = self.in_line(at, base).await?;
                snapshot.facts.turns.insert(base.clone(), line);
            }
            Need::Landed { number, head, folders } => match self.landed(at, (*number, *head), folders.clone()).await? {
                Some(landed) => drop(snapshot.facts.landed.insert(*number, landed)),
                None => drop(snapshot.facts.unmet.insert(need.clone(), "GitHub names no merge commit".to_owned())),
            },
            Need::Deployments { environments, commits } => {
                let found = self.deployments(at, environments, commits).await?;
                snapshot.facts.deployments.insert(environments.clone(), found);
            }
            _ => return Err(Trouble::bug("a need that is not about merging")),
        }
        Ok(())
    }
}

/// The changed files that have owners, by the file of owners on the base.
fn owned(repo: &Store, base: Oid, head: Oid) -> Result<Vec<Owned>, GitError> {
    let tree = Tree::new(repo.tree_of(base)?, repo);
    let file = codeowners::FILES.iter().filter_map(|path| tree.read(&path.parse().ok()?).ok()).next();
    let Some(file) = file.filter(|file| file.len() <= codeowners::MAX_BYTES) else { return Ok(Vec::new()) };
    let file = String::from_utf8_lossy(&file).into_owned();
    let Some(from) = repo.merge_base(base, head)? else { return Ok(Vec::new()) };
    let paths = repo.changed_paths(from, head, MAX_OWNED)?;
    let owned = paths.into_iter().map(|path| Owned { owners: codeowners::owners(&file, &path), path });
    Ok(owned.filter(|owned| !owned.owners.is_empty()).collect())
}
