//! Looking up what a plan must know first: one arm a need, and what cannot be had is a fact as well.

use super::observe::Fetched;
use super::{Reconciler, Trouble};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use crate::config;
use crate::git::{GitError, Merge};
use crate::github::{CameWith, Kind, RepoAt};
use crate::model::facts::{Arrival, CommitCheck};
use crate::model::finding::Evaluation;
use crate::model::id::Oid;
use crate::model::ledger::Ledger;
use crate::model::path::RepoPath;
use crate::model::pipeline::Pipeline;
use crate::model::plan::Need;
use crate::model::snapshot::{
    Change, Changelog, Common, Configuration, Decided, Permission, PullBrief, Snapshot, Subject,
};
use crate::model::suggestion::Suggested;
use crate::model::tree::Tree;
use crate::model::wide::{FREEZES, OVERRIDES};
use crate::policy::between::Sides;
use crate::policy::files;
use crate::queue::Lease;
use crate::worker::Request;

/// Commits listed in a changelog; a promotion of more is described by its numbers.
const MAX_CHANGES: usize = 100;

/// Decisions of the ledger told at once; `git log` of its branch has them all.
const MAX_DECISIONS: usize = 20;

/// What one pass has read of its repository, so that fifty applications are looked up with one reading of it.
#[derive(Default)]
pub(super) struct Seen {
    here: Option<(Fetched, Vec<PullBrief>)>,
}

impl Reconciler {
    /// Meets one need, or notes why it cannot be met.
    pub(super) async fn look_up(
        &self,
        snapshot: &mut Snapshot,
        need: Need,
        lease: &Lease,
        seen: &mut Seen,
    ) -> Result<(), Trouble> {
        match self.answer(snapshot, &need, lease, seen).await {
            Ok(()) => Ok(()),
            // What is denied or gone stays so for this pass: the plan goes on and says so.
            Err(Trouble::Api(error)) if matches!(error.kind, Kind::Denied | Kind::Gone | Kind::Invalid) => {
                snapshot.facts.unmet.insert(need, error.to_string());
                Ok(())
            }
            // A commit somebody pushed away and approved before that: gone from the server, it counts for nothing.
            Err(Trouble::Git(error @ (GitError::Missing(_) | GitError::Refused(_)))) if is_past(snapshot, &need) => {
                snapshot.facts.unmet.insert(need, error.to_string());
                Ok(())
            }
            Err(trouble) => Err(trouble),
        }
    }

    async fn answer(
        &self,
        snapshot: &mut Snapshot,
        need: &Need,
        lease: &Lease,
        seen: &mut Seen,
    ) -> Result<(), Trouble> {
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
                let checks = self.checks(&listing.at, *commit, lease.asked_at).await?;
                snapshot.facts.checks.insert((*repo, *commit), checks);
            }
            Need::Branch(branch) => {
                let pulls = github.branch_pulls(at, branch).await?;
                snapshot.facts.branches.insert(branch.clone(), pulls);
            }
            Need::Arrival(commit) => {
                let arrival = self.arrival(&snapshot.common, at, *commit).await?;
                snapshot.facts.arrivals.insert(*commit, arrival);
            }
            Need::Permission(login) => {
                let permission = self.permission(at, login).await?;
                snapshot.facts.permissions.insert(login.clone(), permission);
            }
            Need::Member { team, login } => {
                let member = self.member(at, team, login).await?;
                snapshot.facts.members.insert((team.clone(), login.clone()), member);
            }
            Need::Labelled { number, label } => {
                let labelled = github.labelled(at, *number, label).await?;
                snapshot.facts.labelled.insert((*number, label.clone()), labelled);
            }
            Need::Changelog { app, from, to } => {
                let changelog = self.changelog(snapshot, app, *from, *to).await?;
                snapshot.facts.changelogs.insert((app.clone(), *from, *to), changelog);
            }
            Need::Pipeline(app) => {
                let Configuration::Valid(pipeline) = &snapshot.common.config else { return Ok(()) };
                let Some(app) = pipeline.app(app) else { return Ok(()) };
                if seen.here.is_none() {
                    let (_, open) = self.repo(at, lease.asked_at).await?;
                    seen.here = Some((self.fetch(at, &[]).await?, open.open));
                }
                let Some((here, open)) = &seen.here else { return Ok(()) };
                let facts = self.way(&snapshot.common, here, (app, pipeline), open, &lease.notes).await?;
                snapshot.facts.pipelines.insert(app.name.clone(), facts);
            }
            Need::Suggested { number, sides: (base, head), wanted } => {
                let reviews = github.own_reviews(at, *number, &snapshot.common.bot.slug).await?;
                let here = self.commits(at, &[*base, *head]).await?;
                let (base, head, wanted) = (*base, *head, wanted.clone());
                let placed = here.blocking(move |repo| repo.placed(base, head, &wanted)).await?;
                snapshot.facts.suggested.insert(*number, Suggested { reviews, placed });
            }
            Need::Merging { .. } | Need::Turn(_) | Need::Landed { .. } | Need::Deployments { .. } => {
                self.answer_merging(snapshot, at, need, lease.asked_at).await?;
            }
            // A registry in trouble holds up what waits for its images and nothing else, so every trouble with it is a fact.
            Need::Image { image, reference } => match self.parts.registries.find(image, reference).await {
                Ok(state) => drop(snapshot.facts.images.insert((image.clone(), reference.clone()), state)),
                Err(error) => drop(snapshot.facts.unmet.insert(need.clone(), error.to_string())),
            },
            Need::Talk(_) | Need::Proposal | Need::Desk => self.answer_onboarding(snapshot, at, need).await?,
            Need::Pull(number) => {
                let (_, found) = github.pull(at, *number).await?;
                let why = || "it is no pull request any more".to_owned();
                match found.pull {
                    Some(pull) => drop(snapshot.facts.pulls.insert(*number, pull)),
                    None => drop(snapshot.facts.unmet.insert(need.clone(), why())),
                }
            }
            Need::Between { app, from, to } => {
                let sides = Sides { app: app.clone(), from: from.clone(), to: to.clone() };
                let found = self.between(snapshot, sides).await?;
                snapshot.facts.between.insert((app.clone(), from.clone(), to.clone()), found);
            }
            Need::Decisions { app, environment } => {
                let found = self.decisions(snapshot, app, environment).await?;
                snapshot.facts.decisions.insert((app.clone(), environment.clone()), found);
            }
        }
        Ok(())
    }

    /// The checks of a commit, as they were at some moment after `asked_at`.
    async fn checks(&self, at: &RepoAt, commit: Oid, asked_at: Timestamp) -> Result<Vec<CommitCheck>, Trouble> {
        let (key, begun) = ((at.id, commit), self.parts.clock.now());
        if let Some(known) = self.reads.checks.after(&key, asked_at, begun) {
            return Ok(known);
        }
        let checks = self.parts.github.commit_checks(at, commit).await?;
        self.reads.keep(&self.reads.checks, (at.id, key), begun, checks.clone());
        Ok(checks)
    }

    /// Who wrote each commit and what it came with; commits GitHub does not know are left out.
    pub(super) async fn came_with(&self, at: &RepoAt, commits: &[Oid]) -> Result<Vec<CameWith>, Trouble> {
        let now = self.parts.clock.now();
        let (mut all, mut unknown) = (Vec::with_capacity(commits.len()), Vec::new());
        for commit in commits {
            match self.caches.came_with(&(at.id, *commit), now) {
                Some(known) => all.push(known),
                None => unknown.push(*commit),
            }
        }
        let asked = self.parts.github.commit_pulls(at, &unknown).await?;
        asked.iter().for_each(|came| self.caches.remember_came_with(at.id, came, now));
        all.extend(asked);
        Ok(all)
    }

    async fn permission(&self, at: &RepoAt, login: &str) -> Result<Permission, Trouble> {
        let now = self.parts.clock.now();
        if let Some(known) = self.people.permission(at.id, login, now) {
            return Ok(known);
        }
        let permission = self.parts.github.permission(at, login).await?;
        self.people.remember_permission(at.id, login, permission, now);
        Ok(permission)
    }

    async fn member(&self, at: &RepoAt, team: &str, login: &str) -> Result<bool, Trouble> {
        // The configuration lets no other text through; nobody is a member of what is no team.
        let Some((org, slug)) = team.split_once('/') else { return Ok(false) };
        let now = self.parts.clock.now();
        if let Some(known) = self.people.member(at.installation, team, login, now) {
            return Ok(known);
        }
        let member = self.parts.github.team_member(at.installation, org, slug, login).await?;
        self.people.remember_member(at.installation, (team, login), member, now);
        Ok(member)
    }

    /// What merging `head` into `base` does to the environments, under the rules of the default branch.
    async fn evaluate(&self, snapshot: &Snapshot, base: Oid, head: Oid) -> Result<Result<Evaluation, String>, Trouble> {
        let Some(listing) = self.directory.find(snapshot.common.repo.id) else {
            return Err(Trouble::bug("the repository left the directory in the middle of a pass"));
        };
        let rules = snapshot.common.repo.tip.unwrap_or(base);
        let here = self.commits(&listing.at, &[base, head, rules]).await?;
        let pipeline = match &snapshot.common.config {
            Configuration::Valid(pipeline) => pipeline.clone(),
            // Without rules to follow nothing is rendered; what the change does to the rules themselves is still told.
            Configuration::Missing | Configuration::Broken(_) => Pipeline::nothing(),
        };
        let folders = pipeline.policies.paths.clone();
        let trees = here.blocking(move |repo| {
            let rules = repo.tree_of(rules)?;
            let tree = Tree::new(rules, repo);
            let config =
                config::FILE.parse().ok().and_then(|path| tree.entry(&path).ok().flatten()).map(|entry| entry.id);
            let policies = files::list(&tree, &folders);
            // Also for those the change brings: it is told when one of them is past its day.
            let brought = files::list(&Tree::new(repo.tree_of(head)?, repo), &folders);
            let waives = policies.iter().chain(&brought).any(|file| files::is_waivers(&file.path));
            Ok((repo.tree_of(base)?, repo.merge_preview(base, head)?, config, (policies, waives)))
        });
        let (base_tree, preview, config, (policies, waives)) = trees.await?;
        let head_tree = match preview {
            Merge::Tree(tree) => tree,
            Merge::Conflict(paths) => {
                let shown: Vec<String> = paths.iter().take(5).map(ToString::to_string).collect();
                let more = if paths.len() > 5 { format!(" and {} more", paths.len() - 5) } else { String::new() };
                return Ok(Err(format!("it conflicts with its base in {}{more}", shown.join(", "))));
            }
        };
        let mask = self.mask(base_tree, head_tree);
        let installation = listing.at.installation;
        let today = waives.then(|| day(snapshot.common.now));
        let request = Request {
            installation,
            base: base_tree,
            head: head_tree,
            pipeline,
            config,
            policies,
            today,
            mask,
            between: None,
        };
        Ok(Ok((*self.parts.worker.evaluate(here.objects(), request).await).clone()))
    }

    /// How two environments differ on the default branch.
    async fn between(&self, snapshot: &Snapshot, sides: Sides) -> Result<Evaluation, Trouble> {
        let (Some(listing), Some(tip), Configuration::Valid(pipeline)) =
            (self.directory.find(snapshot.common.repo.id), snapshot.common.repo.tip, &snapshot.common.config)
        else {
            return Ok(Evaluation::default());
        };
        let here = self.commits(&listing.at, &[tip]).await?;
        let tree = here.blocking(move |repo| repo.tree_of(tip)).await?;
        let request = Request {
            installation: listing.at.installation,
            base: tree,
            head: tree,
            pipeline: pipeline.clone(),
            config: None,
            policies: Vec::new(),
            today: None,
            mask: self.mask(tree, tree),
            between: Some(sides),
        };
        Ok((*self.parts.worker.evaluate(here.objects(), request).await).clone())
    }

    /// What the ledger tells of one (app, environment), newest first.
    async fn decisions(&self, snapshot: &Snapshot, app: &str, environment: &str) -> Result<Vec<Decided>, Trouble> {
        let (Some(listing), Some(tip), Ok(file)) =
            (self.directory.find(snapshot.common.repo.id), snapshot.common.ledger.head, Ledger::path(app, environment))
        else {
            return Ok(Vec::new());
        };
        let here = self.commits(&listing.at, &[tip]).await?;
        let wide: Vec<RepoPath> = [FREEZES, OVERRIDES].iter().filter_map(|file| file.parse().ok()).collect();
        let (own, wide) = here
            .blocking(move |repo| {
                let read = |file: &RepoPath| repo.changes_of(tip, file, MAX_DECISIONS);
                let wide: Vec<_> = wide.iter().map(read).collect::<Result<_, _>>()?;
                Ok((read(&file)?, wide.concat()))
            })
            .await?;
        let own = own.into_iter().map(|(at, message)| Decided::read(at, &message, app, environment));
        let wide = wide.into_iter().map(|(at, message)| Decided::read(at, &message, environment, environment));
        Ok(own.chain(wide.filter(|decided| decided.is_about(environment))).collect())
    }

    /// How a commit reached the default branch; that it came as it should never changes.
    async fn arrival(&self, common: &Common, at: &RepoAt, commit: Oid) -> Result<Arrival, Trouble> {
        let key = (at.id, commit);
        if let Some(known) = self.caches.arrival(&key) {
            return Ok(known);
        }
        let found = self.parts.github.arrival(at, commit, &common.repo.default_branch, &self.bot).await?;
        if found.green || found.ours {
            self.caches.remember_arrival(key, found.clone());
        }
        Ok(found)
    }

    /// The key of masks in one comparison: the same trees give the same text again, and no fingerprint fits another comparison.
    fn mask(&self, base: Oid, head: Oid) -> [u8; 32] {
        Sha256::new().chain_update(self.parts.mask_secret).chain_update(base.0).chain_update(head.0).finalize().into()
    }

    async fn changelog(
        &self,
        snapshot: &Snapshot,
        app: &str,
        from: Option<Oid>,
        to: Oid,
    ) -> Result<Changelog, Trouble> {
        let Configuration::Valid(pipeline) = &snapshot.common.config else { return Ok(Changelog::default()) };
        let source = pipeline.app(app).and_then(|app| app.source.clone()).unwrap_or(snapshot.common.repo.name.clone());
        let Some(listing) = self.directory.find_named(snapshot.common.repo.installation, &source) else {
            return Ok(Changelog::default());
        };
        let fetched = self.fetch_source(&listing.at, &[]).await?;
        let log = fetched.blocking(move |repo| repo.log_between(from, to, MAX_CHANGES)).await?;
        let commits: Vec<Oid> = log.commits.iter().map(|commit| commit.id).collect();
        let known = self.came_with(&listing.at, &commits).await?;
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

/// The day, in UTC.
fn day(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

/// Whether an evaluation is of a commit that no longer heads what the key is about.
fn is_past(snapshot: &Snapshot, need: &Need) -> bool {
    let Need::Evaluation { head, .. } = need else { return false };
    match &snapshot.subject {
        Subject::Head(subject) => subject.head != *head,
        Subject::Pull(subject) => subject.pull.as_ref().is_none_or(|pull| pull.brief.head != *head),
        Subject::Repo(_) | Subject::Pipeline(_) => false,
    }
}
