//! Meeting a repository: looking up what its folders speak for and whether its desk stands, and writing both.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::{Reconciler, Trouble};
use crate::github::{DeskIssue, Kind, RepoAt};
use crate::model::id::{Oid, RepoId};
use crate::model::onboarding::{Desk, Proposal};
use crate::model::path::RepoPath;
use crate::model::plan::{Need, ProposedFile};
use crate::model::snapshot::Snapshot;
use crate::render::Memory;
use crate::render::propose::{Here, propose};
use crate::report::marker::{Marker, find};

/// A desk that was seen is looked for again with the next sweep but one, should somebody close it.
const SEEN_FOR: SignedDuration = SignedDuration::from_mins(20);
/// Desks and proposals remembered: a few kilobytes each. Then it begins anew.
const CAPACITY: usize = 1_000;
/// The desk's title.
const TITLE: &str = "Environments";

/// What was seen a while ago, by repository.
#[derive(Debug, Default)]
pub(super) struct Met {
    desks: Mutex<HashMap<RepoId, (Timestamp, Desk)>>,
    /// With the tip whose folders were looked at.
    proposals: Mutex<HashMap<RepoId, (Oid, Option<Proposal>)>>,
}

impl Met {
    fn desk(&self, repo: RepoId, now: Timestamp) -> Option<Desk> {
        let known = self.desks.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that stepped back forgets everything.
        known.get(&repo).filter(|(at, _)| *at <= now && now < *at + SEEN_FOR).map(|(_, desk)| desk.clone())
    }

    fn saw_desk(&self, repo: RepoId, now: Timestamp, desk: Desk) {
        keep(&self.desks, repo, (now, desk));
    }

    fn proposal(&self, repo: RepoId, tip: Oid) -> Option<Option<Proposal>> {
        let known = self.proposals.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&repo).filter(|(of, _)| *of == tip).map(|(_, found)| found.clone())
    }

    fn found(&self, repo: RepoId, tip: Oid, proposal: Option<Proposal>) {
        keep(&self.proposals, repo, (tip, proposal));
    }
}

fn keep<T>(all: &Mutex<HashMap<RepoId, T>>, repo: RepoId, seen: T) {
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    if all.len() >= CAPACITY && !all.contains_key(&repo) {
        all.clear();
    }
    all.insert(repo, seen);
}

impl Reconciler {
    pub(super) async fn answer_onboarding(
        &self,
        snapshot: &mut Snapshot,
        at: &RepoAt,
        need: &Need,
    ) -> Result<(), Trouble> {
        match need {
            Need::Talk(number) => {
                let (_, found) = self.parts.github.pull(at, *number).await?;
                snapshot.facts.talks.insert(*number, found.comments);
            }
            Need::Proposal => snapshot.facts.proposal = Some(self.proposal(snapshot, at).await?),
            Need::Desk => snapshot.facts.desk = Some(self.desk(at).await?),
            _ => return Err(Trouble::bug("a need that is no part of meeting a repository")),
        }
        Ok(())
    }

    /// What the folders on the default branch speak for.
    async fn proposal(&self, snapshot: &Snapshot, at: &RepoAt) -> Result<Option<Proposal>, Trouble> {
        let repo = &snapshot.common.repo;
        let Some(tip) = repo.tip else { return Ok(None) };
        if let Some(known) = self.met.proposal(repo.id, tip) {
            return Ok(known);
        }
        let here = self.fetch(at, &[tip]).await?;
        let (name, sources) = (repo.name.clone(), self.directory.seen_from(at.installation, repo.private));
        let found = here.blocking(move |store| {
            let mut memory = Memory::new(store);
            Ok(propose(&mut memory, store.tree_of(tip)?, &Here { name: &name, sources: &sources }))
        });
        let found = found.await?;
        self.met.found(repo.id, tip, found.clone());
        Ok(found)
    }

    async fn desk(&self, at: &RepoAt) -> Result<Desk, Trouble> {
        let now = self.parts.clock.now();
        if let Some(known) = self.met.desk(at.id, now) {
            return Ok(known);
        }
        let desk = match self.find_desk(at).await? {
            None => return Ok(Desk::Missing),
            Some(DeskIssue { open: false, .. }) => Desk::Closed,
            Some(DeskIssue { number, body, .. }) => Desk::Open { number, body },
        };
        self.met.saw_desk(at.id, now, desk.clone());
        Ok(desk)
    }

    /// The oldest issue of ours that is a desk.
    async fn find_desk(&self, at: &RepoAt) -> Result<Option<DeskIssue>, Trouble> {
        let all = self.parts.github.own_issues(at, &self.bot.slug).await?;
        Ok(all.into_iter().find(|issue| find(&issue.body) == Some(Marker::Desk)))
    }

    /// Opens the desk or brings its text up to date. An issue has no natural key, so it is looked for right before; a closed one is
    /// left alone, and so is a repository that has switched issues off in the meantime.
    pub(super) async fn put_desk(&self, at: &RepoAt, body: &str) -> Result<Option<u64>, Trouble> {
        let github = &self.parts.github;
        let (number, desk) = match self.find_desk(at).await? {
            Some(issue) if !issue.open => (issue.number, Desk::Closed),
            Some(issue) => {
                github.edit_issue(at, issue.number, body).await?;
                (issue.number, Desk::Open { number: issue.number, body: body.to_owned() })
            }
            None => match github.open_issue(at, TITLE, body).await {
                Ok(number) => (number, Desk::Open { number, body: body.to_owned() }),
                Err(error) if matches!(error.kind, Kind::Gone | Kind::Denied) => {
                    tracing::warn!(%error, repo = %at.name, "the desk cannot be opened");
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            },
        };
        self.met.saw_desk(at.id, self.parts.clock.now(), desk);
        Ok(Some(number))
    }

    /// Branch, signed commit, pull request: each step finds what a killed pass before it left.
    pub(super) async fn propose(&self, snapshot: &Snapshot, at: &RepoAt, file: &ProposedFile) -> Result<u64, Trouble> {
        let (github, base) = (&self.parts.github, snapshot.common.repo.default_branch.as_str());
        if let Some(open) = self.branch_anew(at, &file.branch, file.base).await? {
            return Ok(open);
        }
        let files: [(RepoPath, Vec<u8>); 1] = [(file.path.clone(), file.text.clone().into_bytes())];
        github.commit(at, (&file.branch, file.base), &files, &file.message).await?;
        Ok(github.open_pull(at, (&file.branch, base), &file.title, &file.body).await?)
    }
}
