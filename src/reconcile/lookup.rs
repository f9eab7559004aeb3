//! Looking up what a plan must know first: one arm a need, and what cannot be had is a fact as well.

use super::{Reconciler, Trouble};
use crate::config;
use crate::git::MergePreview;
use crate::github::Kind;
use crate::model::id::Oid;
use crate::model::plan::Need;
use crate::model::snapshot::{Change, Changelog, Configuration, Snapshot};
use crate::queue::Note;
use crate::worker::Request;

/// Commits listed in a changelog; a promotion of more is described by its numbers.
const MAX_CHANGES: usize = 100;

impl Reconciler {
    /// Meets one need, or notes why it cannot be met.
    pub(super) async fn look_up(&self, snapshot: &mut Snapshot, need: Need, notes: &[Note]) -> Result<(), Trouble> {
        match self.answer(snapshot, &need, notes).await {
            Ok(()) => Ok(()),
            // What is denied or gone stays so for this pass: the plan goes on and says so.
            Err(Trouble::Api(error)) if matches!(error.kind, Kind::Denied | Kind::Gone | Kind::Invalid) => {
                snapshot.facts.unmet.insert(need, error.to_string());
                Ok(())
            }
            Err(trouble) => Err(trouble),
        }
    }

    async fn answer(&self, snapshot: &mut Snapshot, need: &Need, notes: &[Note]) -> Result<(), Trouble> {
        let Some(listing) = self.directory.find(snapshot.common.repo.id) else {
            return Err(Trouble::bug("the repository left the directory in the middle of a pass"));
        };
        let (at, github) = (&listing.at, &self.parts.github);
        match need {
            Need::Evaluation { base, head } => {
                let evaluation = self.evaluate(snapshot, *base, *head).await?;
                snapshot.facts.evaluations.insert((*base, *head), evaluation);
            }
            Need::Checks { repo, commit } => {
                let listing = self.directory.find(*repo).ok_or(Trouble::Bug("a source left the directory"))?;
                let checks = github.commit_checks(&listing.at, *commit).await?;
                snapshot.facts.checks.insert((*repo, *commit), checks);
            }
            Need::Branch(branch) => {
                let pulls = github.branch_pulls(at, branch).await?;
                snapshot.facts.branches.insert(branch.clone(), pulls);
            }
            Need::Permission(login) => {
                let permission = github.permission(at, login).await?;
                snapshot.facts.permissions.insert(login.clone(), permission);
            }
            Need::Member { team, login } => {
                let member = github.team_member(at.installation, team, login).await?;
                snapshot.facts.members.insert((team.clone(), login.clone()), member);
            }
            Need::Changelog { app, from, to } => {
                let changelog = self.changelog(snapshot, app, *from, *to).await?;
                snapshot.facts.changelogs.insert((app.clone(), *from, *to), changelog);
            }
            Need::Pipeline(app) => {
                let Configuration::Valid(pipeline) = &snapshot.common.config else { return Ok(()) };
                let Some(app) = pipeline.app(app) else { return Ok(()) };
                let (_, open) = github.repo(at).await?;
                let here = self.fetch(at, &[]).await?;
                let facts = self.way(&snapshot.common, &here, (app, pipeline), &open.open, notes).await?;
                snapshot.facts.pipelines.insert(app.name.clone(), facts);
            }
        }
        Ok(())
    }

    /// What merging `head` into `base` does to the environments, under the rules of the default branch.
    async fn evaluate(
        &self,
        snapshot: &Snapshot,
        base: Oid,
        head: Oid,
    ) -> Result<Result<crate::model::finding::Evaluation, String>, Trouble> {
        let Some(listing) = self.directory.find(snapshot.common.repo.id) else {
            return Err(Trouble::bug("the repository left the directory in the middle of a pass"));
        };
        let here = self.fetch(&listing.at, &[base, head]).await?;
        let rules = snapshot.common.repo.tip.unwrap_or(base);
        let trees = here
            .blocking(move |repo| Ok((repo.tree_of(base)?, repo.merge_preview(base, head)?, repo.tree_of(rules)?)))
            .await?;
        let (base_tree, preview, rules_tree) = trees;
        let head_tree = match preview {
            MergePreview::Tree(tree) => tree,
            MergePreview::Conflict(paths) => {
                let shown: Vec<String> = paths.iter().take(5).map(ToString::to_string).collect();
                let more = if paths.len() > 5 { format!(" and {} more", paths.len() - 5) } else { String::new() };
                return Ok(Err(format!("it conflicts with its base in {}{more}", shown.join(", "))));
            }
        };
        let pipeline = match &snapshot.common.config {
            Configuration::Valid(pipeline) => Some(pipeline.clone()),
            Configuration::Missing | Configuration::Broken(_) => None,
        };
        let request = Request {
            installation: listing.at.installation,
            base: base_tree,
            head: head_tree,
            rules: rules_tree,
            pipeline,
            config_file: config::FILE.to_owned(),
        };
        Ok(Ok(self.parts.worker.evaluate(here.objects(), request).await))
    }

    async fn changelog(&self, snapshot: &Snapshot, app: &str, from: Option<Oid>, to: Oid) -> Result<Changelog, Trouble> {
        let Configuration::Valid(pipeline) = &snapshot.common.config else { return Ok(Changelog::default()) };
        let source = pipeline.app(app).and_then(|app| app.source.clone()).unwrap_or(snapshot.common.repo.name.clone());
        let Some(listing) = self.directory.find_named(snapshot.common.repo.installation, &source) else {
            return Ok(Changelog::default());
        };
        let fetched = self.fetch_source(&listing.at).await?;
        let log = fetched.blocking(move |repo| repo.log_between(from, to, MAX_CHANGES)).await?;
        let commits: Vec<Oid> = log.commits.iter().map(|commit| commit.id).collect();
        let known = self.parts.github.commit_pulls(&listing.at, &commits).await?;
        let changes = log
            .commits
            .into_iter()
            .map(|commit| {
                let came = known.iter().find(|came| came.commit == commit.id);
                Change {
                    commit: commit.id,
                    subject: commit.subject,
                    author: commit.author,
                    login: came.and_then(|came| came.login.clone()),
                    pull: came.and_then(|came| came.pull.clone()),
                }
            })
            .collect();
        Ok(Changelog { changes, total: log.total })
    }
}
