//! Observe: one immutable snapshot of what a key is about, configuration and ledger from the default branch included.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Reconciler, Trouble};
use crate::config;
use crate::git::{Content, GitError, RefSpec, Refs, RepoSlot, Store};
use crate::github::{Access, RepoAt, RepoListing};
use crate::model::finding::{Location, Problem};
use crate::model::id::{Key, Oid};
use crate::model::ledger::{LEDGER_BRANCH, Ledger};
use crate::model::merging::{MergeGroup, QUEUE_BRANCHES};
use crate::model::path::RepoPath;
use crate::model::snapshot::{
    Common, Configuration, Facts, PipelineSubject, PullBrief, Repo, RepoSubject, Snapshot, Subject,
};
use crate::model::tree::{EntryKind, Tree, TreeError};
use crate::queue::Lease;

/// A repository whose refs were just read and whose objects are at hand.
#[derive(Clone)]
pub(super) struct Fetched {
    /// Which.
    pub(super) at: RepoAt,
    /// Its refs.
    pub(super) refs: Arc<Refs>,
    store: Arc<Store>,
}

impl Fetched {
    /// Runs blocking work on the repository away from the async threads.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, GitError> + Send + 'static,
    ) -> Result<T, Trouble> {
        let store = Arc::clone(&self.store);
        let done = tokio::task::spawn_blocking(move || work(&store)).await;
        Ok(done.map_err(|_| Trouble::bug("work on a repository panicked"))??)
    }

    /// The repository's objects.
    pub(super) fn objects(&self) -> Arc<dyn crate::model::tree::Objects> {
        Arc::clone(&self.store) as Arc<dyn crate::model::tree::Objects>
    }
}

impl Reconciler {
    /// Sees what a key is about; `None` when it is no more.
    pub(super) async fn observe(&self, lease: &Lease) -> Result<Option<Snapshot>, Trouble> {
        let Some(at) = self.reach(lease).await? else { return Ok(None) };
        let Some(mut seen) = self.see(&at, lease).await? else { return Ok(None) };
        // The API answered from before what git shows, and would take for open what was just merged: it is asked once more.
        if matches!(lease.key, Key::Pull(..) | Key::Head(..)) && is_behind(&seen.0, &seen.2.refs) {
            let Some(again) = self.see(&at, lease).await? else { return Ok(None) };
            seen = again;
        }
        let (repo, subject, here) = seen;
        let common = self.common(repo, &here).await?;
        let subject = match on_fetched_tips(subject, &here.refs) {
            Subject::Pipeline(pipeline) => match self.fill(&common, &here, pipeline, lease).await? {
                Some(subject) => subject,
                None => return Ok(None),
            },
            other => other,
        };
        self.set_routes(&common);
        Ok(Some(Snapshot { common, subject, facts: Facts::default() }))
    }

    /// What the API says of a key, and git after it; `None` when it is no more.
    async fn see(&self, at: &RepoAt, lease: &Lease) -> Result<Option<(Repo, Subject, Fetched)>, Trouble> {
        let (repo, subject) = match self.subject(at, lease).await {
            Ok(found) => found,
            Err(Trouble::Api(error)) if error.kind == crate::github::Kind::Gone => return Ok(None),
            Err(trouble) => return Err(trouble),
        };
        let wants: Vec<Oid> = match &subject {
            Subject::Head(head) => head.pulls.iter().map(|_| head.head).take(1).collect(),
            Subject::Pull(pull) => pull.pull.iter().map(|pull| pull.brief.head).collect(),
            Subject::Repo(_) | Subject::Pipeline(_) => Vec::new(),
        };
        let here = self.fetch(at, &wants).await?;
        Ok(Some((repo, subject, here)))
    }

    /// How a key's repository is reached: through the installation that lists it, whatever a delivery says.
    async fn reach(&self, lease: &Lease) -> Result<Option<RepoAt>, Trouble> {
        let (id, claimed) = (lease.key.repo(), lease.installation);
        let known = self.directory.find(id);
        if let Some(listing) = known.as_ref().filter(|listing| listing.at.installation == claimed) {
            return Ok(Some(listing.at.clone()));
        }
        // New to us, or passed to another account: look once.
        match self.parts.github.repositories(claimed).await {
            Ok(listings) => self.directory.replace(claimed, listings),
            Err(error) if known.is_none() => return Err(error.into()),
            // What is known does not wait for an installation that cannot be asked.
            Err(error) => tracing::warn!(installation = claimed.0, %error, "its repositories cannot be listed"),
        }
        let found = self.directory.find(id);
        if found.as_ref().is_none_or(|listing| listing.at.installation != claimed) {
            tracing::warn!(
                repo = id.0,
                installation = claimed.0,
                security = true,
                "a wake for a repository that its installation does not hold"
            );
        }
        Ok(found.map(|listing| listing.at))
    }

    async fn subject(&self, at: &RepoAt, lease: &Lease) -> Result<(Repo, Subject), Trouble> {
        let github = &self.parts.github;
        Ok(match &lease.key {
            Key::Repo(id) => {
                let (repo, mut subject) = github.repo(at).await?;
                subject.pipelines = self.directory.pipelines_of(*id);
                (repo, Subject::Repo(subject))
            }
            Key::Pull(_, number) => {
                let (repo, subject) = github.pull(at, *number).await?;
                (repo, Subject::Pull(subject))
            }
            Key::Head(_, sha) => {
                let (repo, subject) = github.head(at, *sha).await?;
                (repo, Subject::Head(subject))
            }
            Key::Pipeline(_, app) => {
                let (repo, subject) = self.repo(at, lease.asked_at).await?;
                // The open pull requests ride along until the configuration is known.
                (repo, Subject::Pipeline(waiting(app, subject)))
            }
        })
    }

    /// A repository and its open pull requests, as they were at some moment after `asked_at`.
    pub(super) async fn repo(&self, at: &RepoAt, asked_at: Timestamp) -> Result<(Repo, RepoSubject), Trouble> {
        let begun = self.parts.clock.now();
        if let Some(known) = self.reads.repos.after(&at.id, asked_at, begun) {
            return Ok(known);
        }
        let read = self.parts.github.repo(at).await?;
        self.reads.keep(&self.reads.repos, (at.id, at.id), begun, read.clone());
        Ok(read)
    }

    /// Fills in an application's way; `None` when the configuration knows no such application.
    async fn fill(
        &self,
        common: &Common,
        here: &Fetched,
        waiting: PipelineSubject,
        lease: &Lease,
    ) -> Result<Option<Subject>, Trouble> {
        let Configuration::Valid(pipeline) = &common.config else {
            return Ok(Some(Subject::Pipeline(waiting)));
        };
        let Some(app) = pipeline.app(&waiting.app) else { return Ok(None) };
        let facts = self.way(common, here, (app, pipeline), &waiting.facts.promotions, &lease.notes).await?;
        Ok(Some(Subject::Pipeline(PipelineSubject { app: waiting.app, facts })))
    }

    /// Reads the refs of a repository and fetches what is new, and the wanted commits.
    pub(super) async fn fetch(&self, at: &RepoAt, commits: &[Oid]) -> Result<Fetched, Trouble> {
        let refs = [RefSpec::Default, RefSpec::Branch(LEDGER_BRANCH.to_owned()), RefSpec::Listed(QUEUE_BRANCHES)];
        let want: Vec<_> = refs.into_iter().chain(commits.iter().copied().map(RefSpec::Commit)).collect();
        self.sync(at, Content::All, &want).await
    }

    /// These commits, whatever the refs are now: the server is asked only when one is missing, and the refs are not told.
    pub(super) async fn commits(&self, at: &RepoAt, commits: &[Oid]) -> Result<Fetched, Trouble> {
        let want: Vec<_> = commits.iter().copied().map(RefSpec::Commit).collect();
        self.sync(at, Content::All, &want).await
    }

    /// The same for a source, of which only commits and tags are needed, and the branches its tags may come from.
    pub(super) async fn fetch_source(&self, at: &RepoAt, branches: &[String]) -> Result<Fetched, Trouble> {
        let refs = [RefSpec::Default, RefSpec::Tags];
        let want: Vec<_> = refs.into_iter().chain(branches.iter().cloned().map(RefSpec::Branch)).collect();
        self.sync(at, Content::Commits, &want).await
    }

    /// A commit of a source with the folders of all its history, but no files.
    pub(super) async fn folders_at(&self, at: &RepoAt, tip: Oid) -> Result<Fetched, Trouble> {
        self.sync(at, Content::Trees, &[RefSpec::Commit(tip)]).await
    }

    async fn sync(&self, at: &RepoAt, content: Content, want: &[RefSpec]) -> Result<Fetched, Trouble> {
        let token = self.parts.github.token(at, Access::ReadContents).await?;
        let remote = self.parts.remotes.of(&at.name, &token)?;
        let slot = RepoSlot { installation: at.installation, repo: at.id, content };
        let (store, refs) = self.parts.git.sync(slot, &remote, want).await?;
        Ok(Fetched { at: at.clone(), refs: Arc::new(refs), store })
    }

    async fn common(&self, mut repo: Repo, here: &Fetched) -> Result<Common, Trouble> {
        // The API may lag behind git: what was fetched is what is decided on.
        repo.default_branch = here.refs.default_branch.clone().unwrap_or(repo.default_branch);
        repo.tip = here.refs.heads.get(&repo.default_branch).copied();
        let config = match repo.tip {
            Some(tip) => self.configuration(here, tip).await?,
            None => Configuration::Missing,
        };
        let ledger = match config {
            Configuration::Missing => Ledger::default(),
            _ => self.ledger(here, here.refs.heads.get(LEDGER_BRANCH).copied()).await?,
        };
        Ok(Common { now: self.parts.clock.now(), bot: self.bot.clone(), repo, config, ledger })
    }

    /// The configuration at a commit; the same file is read once, since every pass over every application asks for it.
    async fn configuration(&self, here: &Fetched, tip: Oid) -> Result<Configuration, Trouble> {
        let file = here.blocking(move |repo| {
            let Ok(path) = config::FILE.parse::<RepoPath>() else { return Ok(None) };
            let entry = Tree::new(repo.tree_of(tip)?, repo).entry(&path).ok().flatten();
            Ok(entry.filter(|entry| matches!(entry.kind, EntryKind::File | EntryKind::Executable)).map(|file| file.id))
        });
        let Some(file) = file.await? else {
            return Ok(here.blocking(move |repo| Ok(configuration(repo, tip))).await??);
        };
        if let Some(known) = self.caches.configuration(file) {
            return Ok(known);
        }
        let read = here.blocking(move |repo| Ok(configuration(repo, tip))).await??;
        self.caches.remember_configuration(file, read.clone());
        Ok(read)
    }

    /// A repository as the gates see it, from what listing and refs say.
    pub(super) fn repo_of(&self, listing: &RepoListing, fetched: &Fetched) -> Repo {
        let default_branch = fetched.refs.default_branch.as_ref().unwrap_or(&listing.default_branch);
        Repo {
            id: listing.at.id,
            installation: listing.at.installation,
            name: listing.at.name.clone(),
            url: self.parts.remotes.page(&listing.at.name),
            private: listing.private,
            default_branch: default_branch.clone(),
            tip: fetched.refs.heads.get(default_branch).copied(),
            merge_methods: Vec::new(),
        }
    }
}

/// Whether the API knows another tip of the default branch than git.
fn is_behind(repo: &Repo, refs: &Refs) -> bool {
    let branch = refs.default_branch.as_ref().unwrap_or(&repo.default_branch);
    repo.tip != refs.heads.get(branch).copied()
}

/// The base tips as git has them: the API may lag behind, and what was fetched is what is decided on. Merge groups are told by their
/// branches alone.
fn on_fetched_tips(mut subject: Subject, refs: &Refs) -> Subject {
    match &mut subject {
        Subject::Repo(repo) => repo.groups = MergeGroup::heads(&refs.heads),
        Subject::Head(head) => head.group = MergeGroup::of(&refs.heads, head.head),
        Subject::Pull(_) | Subject::Pipeline(_) => {}
    }
    let pulls = match &mut subject {
        Subject::Pull(pull) => pull.pull.as_mut_slice(),
        Subject::Head(head) => head.pulls.as_mut_slice(),
        Subject::Repo(_) | Subject::Pipeline(_) => &mut [],
    };
    for pull in pulls {
        if let Some(tip) = refs.heads.get(&pull.brief.base) {
            pull.base_tip = *tip;
        }
    }
    subject
}

fn waiting(app: &str, subject: RepoSubject) -> PipelineSubject {
    let promotions: Vec<PullBrief> = subject.open;
    let facts = crate::model::snapshot::PipelineFacts { promotions, ..Default::default() };
    PipelineSubject { app: app.to_owned(), facts }
}

/// The configuration at a commit.
pub(super) fn configuration(repo: &Store, tip: Oid) -> Result<Configuration, GitError> {
    let Ok(path) = config::FILE.parse::<RepoPath>() else { return Ok(Configuration::Missing) };
    let tree = Tree::new(repo.tree_of(tip)?, repo);
    let bytes = match tree.read(&path) {
        Ok(bytes) => bytes,
        Err(TreeError::NotFound(_)) => return Ok(Configuration::Missing),
        Err(error) => {
            let location = Some(Location { path, line: 1, column: 1 });
            return Ok(Configuration::Broken(vec![Problem { location, message: error.to_string(), help: None }]));
        }
    };
    let parsed = config::parse(&path, &String::from_utf8_lossy(&bytes));
    Ok(match parsed.pipeline {
        Some(pipeline) => Configuration::Valid(pipeline),
        None => Configuration::Broken(parsed.problems),
    })
}
