//! Apply: one arm an effect, each a conditional, idempotent write.

use jiff::Timestamp;

use super::{Reconciler, Trouble};
use crate::git::GitError;
use crate::github::{ApiError, Kind, RepoAt, Scope};
use crate::model::id::{Key, Oid};
use crate::model::ledger::LEDGER_BRANCH;
use crate::model::path::RepoPath;
use crate::model::plan::{Effect, Promotion, VersionEdit};
use crate::model::snapshot::{Comment, Configuration, PullState, Snapshot};
use crate::model::tree::Tree;
use crate::queue::{Note, Wake};
use crate::render::versions::{self, NewVersion};

/// Deployments only tell: where the permission was not granted, or one is gone, nothing else waits for them.
fn told(answer: Result<Option<u64>, ApiError>) -> Result<Option<u64>, Trouble> {
    match answer {
        Err(error) if matches!(error.kind, Kind::Denied | Kind::Gone | Kind::Invalid) => {
            tracing::warn!(%error, "a deployment cannot be told");
            Ok(None)
        }
        answer => Ok(answer?),
    }
}

/// Suggestions are an offer: where GitHub will not show a line, or the head has moved on, nothing waits for them.
fn offered(answer: Result<u64, ApiError>) -> Result<Option<u64>, Trouble> {
    match answer {
        Err(error) if matches!(error.kind, Kind::Denied | Kind::Gone | Kind::Invalid) => {
            tracing::warn!(%error, "a suggestion cannot be made");
            Ok(None)
        }
        answer => Ok(Some(answer?)),
    }
}

impl Reconciler {
    /// Makes one effect so, and returns the number GitHub gave what it created.
    pub(super) async fn apply(&self, snapshot: &Snapshot, effect: &Effect) -> Result<Option<u64>, Trouble> {
        let Some(listing) = self.directory.find(snapshot.common.repo.id) else {
            return Err(Trouble::bug("the repository left the directory in the middle of a pass"));
        };
        let (at, github) = (&listing.at, &self.parts.github);
        let branch = &snapshot.common.repo.default_branch;
        tracing::info!(repo = %at.name, write = effect.natural_key(), "writing");
        match effect {
            Effect::Wake(_) | Effect::Tell { .. } => Err(Trouble::bug("wakes are gathered, not written")),
            Effect::PutCheck { head, existing, pages, output } => {
                github.put_pages(at, *head, *pages, output).await?;
                Ok(Some(github.put_check(at, *head, *existing, output).await?))
            }
            Effect::PutComment { number, existing, body } => {
                Ok(Some(github.put_comment(at, *number, *existing, body).await?))
            }
            Effect::Reply { number, to: _, body } => Ok(Some(github.put_comment(at, *number, None, body).await?)),
            Effect::React { comment, reaction } => {
                github.react(at, *comment, *reaction).await?;
                Ok(None)
            }
            Effect::Record { files, message, expected } => {
                self.record(at, files, message, *expected).await.map(|()| None)
            }
            Effect::Promote(promotion) => Ok(Some(self.promote(snapshot, at, promotion).await?)),
            Effect::Propose(file) => Ok(Some(self.propose(snapshot, at, file).await?)),
            Effect::PutDesk { existing: _, body } => self.put_desk(at, body).await,
            Effect::Commit { base, edit, message } => {
                let files = self.edits(snapshot, at, *base, edit).await?;
                github.commit(at, (branch, *base), &files, message).await?;
                Ok(None)
            }
            Effect::Close { number, comment } => {
                self.close(snapshot, at, *number, comment).await?;
                Ok(None)
            }
            Effect::UpdateBranch { number, head } => {
                github.update_branch(at, *number, *head).await?;
                Ok(None)
            }
            Effect::Merge { number, head, method, title } => {
                let merged = github.merge(at, (*number, *head), *method, title).await;
                merged.map_err(|error| self.merge_refused(at.id, (*number, *head), error))?;
                Ok(None)
            }
            Effect::Enqueue { number, node, head, .. } => {
                let enqueued = github.enqueue(at, node, *head).await;
                enqueued.map_err(|error| self.merge_refused(at.id, (*number, *head), error))?;
                Ok(None)
            }
            Effect::Dequeue { node, .. } => {
                github.dequeue(at, node).await?;
                Ok(None)
            }
            Effect::Say { number, body } => Ok(Some(github.put_comment(at, *number, None, body).await?)),
            Effect::Suggest(review) => offered(github.suggest(at, review).await),
            Effect::Deploy(new) => told(github.deploy(at, new).await.map(Some)),
            Effect::SetDeployment { id, status } => told(github.set_deployment(at, *id, status).await.map(|()| None)),
            Effect::RequestReviews { number, teams } => {
                github.request_reviews(at, *number, teams).await?;
                Ok(None)
            }
        }
    }

    /// The wakes of another key; what a delivery told about tags goes with it to the pipelines.
    pub(super) fn wakes(&self, snapshot: &Snapshot, key: &Key, notes: &[Note]) -> Vec<(Wake, Timestamp)> {
        let wake = |note| Wake { key: key.clone(), installation: snapshot.common.repo.installation, note };
        let mut wakes = vec![wake(None)];
        if matches!(key, Key::Pipeline(..)) {
            wakes.extend(notes.iter().cloned().map(|note| wake(Some(note))));
        }
        let now = self.parts.clock.now();
        wakes.into_iter().map(|wake| (wake, now)).collect()
    }

    /// Wakes what was gathered, as one transaction: a repository wakes all its open pull requests at once.
    pub(super) async fn wake(&self, wakes: &mut Vec<(Wake, Timestamp)>) -> Result<(), Trouble> {
        if wakes.is_empty() {
            return Ok(());
        }
        tracing::info!(keys = wakes.len(), first = %wakes[0].0.key, "waking");
        Ok(self.parts.queue.wake(std::mem::take(wakes)).await?)
    }

    /// Closes a pull request with a word why: only one that is still open, and the word only once, since a comment has no natural key.
    async fn close(&self, snapshot: &Snapshot, at: &RepoAt, number: u64, body: &str) -> Result<(), Trouble> {
        let github = &self.parts.github;
        let (_, subject) = github.pull(at, number).await?;
        if !subject.pull.is_some_and(|pull| pull.brief.state == PullState::Open) {
            return Ok(());
        }
        let ours = |comment: &Comment| snapshot.common.bot.is(&comment.author) && comment.body.trim() == body.trim();
        if !subject.comments.iter().any(ours) {
            github.put_comment(at, number, None, body).await?;
        }
        Ok(github.close_pull(at, number).await?)
    }

    /// Writes decisions onto the newest ledger. What others decided since ours was made stays, and ours counts as long as it is about
    /// other files: sixty teams do not wait for each other.
    async fn record(
        &self,
        at: &RepoAt,
        files: &[(RepoPath, String)],
        message: &str,
        expected: Option<Oid>,
    ) -> Result<(), Trouble> {
        let bytes: Vec<(RepoPath, Vec<u8>)> =
            files.iter().map(|(path, text)| (path.clone(), text.clone().into_bytes())).collect();
        let _turn = self.ledgers.turn(at.id).await;
        let here = self.fetch(at, &[]).await?;
        let Some(tip) = here.refs.heads.get(LEDGER_BRANCH).copied() else {
            let made = self.parts.github.create_ledger(at, &bytes, message).await?;
            self.known.made(made);
            return Ok(());
        };
        if expected != Some(tip) {
            let paths: Vec<RepoPath> = files.iter().map(|(path, _)| path.clone()).collect();
            let same = here.blocking(move |repo| {
                let ids = |commit: Oid| -> Result<Vec<Option<Oid>>, GitError> {
                    let tree = Tree::new(repo.tree_of(commit)?, repo);
                    Ok(paths.iter().map(|path| Some(tree.entry(path).ok()??.id)).collect())
                };
                let before = expected.map_or(Ok(vec![None; paths.len()]), ids)?;
                Ok(before == ids(tip)?)
            });
            if !same.await? {
                let moved = "somebody else decided on the same at the same time";
                return Err(ApiError::new(Kind::Conflict, Scope::Pull, moved).into());
            }
        }
        let made = self.parts.github.commit(at, (LEDGER_BRANCH, tip), &bytes, message).await?;
        self.known.made(made);
        Ok(())
    }

    /// Branch, signed commit, pull request: each step finds what a killed pass before it left.
    async fn promote(&self, snapshot: &Snapshot, at: &RepoAt, promotion: &Promotion) -> Result<u64, Trouble> {
        let (github, base_branch) = (&self.parts.github, snapshot.common.repo.default_branch.as_str());
        let files = self.edits(snapshot, at, promotion.base, &promotion.edit).await?;
        if let Some(open) = self.branch_anew(at, &promotion.branch, promotion.base).await? {
            return Ok(open);
        }
        github.commit(at, (&promotion.branch, promotion.base), &files, &promotion.message).await?;
        Ok(github.open_pull(at, (&promotion.branch, base_branch), &promotion.title, &promotion.body).await?)
    }

    /// A branch of ours at this base; the open pull request from it where there is one after all.
    pub(super) async fn branch_anew(&self, at: &RepoAt, branch: &str, base: Oid) -> Result<Option<u64>, Trouble> {
        let github = &self.parts.github;
        match github.create_branch(at, branch, base).await {
            Ok(()) => Ok(None),
            Err(error) if error.kind == Kind::Conflict => {
                // The branch is left over: from a pass that was killed before it opened the pull request, or from one that was
                // closed. Unless something open uses it after all, it starts anew at the base this plan was made on.
                let pulls = github.branch_pulls(at, branch).await?;
                if let Some(open) = pulls.iter().find(|pull| pull.state == PullState::Open) {
                    return Ok(Some(open.number));
                }
                github.delete_branch(at, branch).await?;
                github.create_branch(at, branch, base).await?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The files a version edit changes, computed from the tree the plan was made on.
    async fn edits(
        &self,
        snapshot: &Snapshot,
        at: &RepoAt,
        base: Oid,
        edit: &VersionEdit,
    ) -> Result<Vec<(RepoPath, Vec<u8>)>, Trouble> {
        let app = match &snapshot.common.config {
            Configuration::Valid(pipeline) => pipeline.app(&edit.app).cloned(),
            Configuration::Missing | Configuration::Broken(_) => None,
        };
        let app = app.ok_or_else(|| Trouble::bug("a promotion of an application that is not configured"))?;
        let here = self.fetch(at, &[base]).await?;
        let edit = edit.clone();
        let files = here
            .blocking(move |repo| {
                let tree = Tree::new(repo.tree_of(base)?, repo);
                let new = |(image, tag): &(String, String)| NewVersion {
                    image: image.clone(),
                    tag: tag.clone(),
                    digest: edit.digests.get(image).cloned(),
                };
                let tags: Vec<_> = edit.tags.iter().map(new).collect();
                Ok(versions::version_edits(&tree, &edit.folder, &app, &tags))
            })
            .await?;
        files.map_err(|problems| {
            tracing::warn!(?problems, "the version cannot be written");
            Trouble::bug("the version cannot be written where it was read a moment ago")
        })
    }
}
