//! Which repositories the App can reach, what they are called now, and which pipelines draw from which source.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use crate::github::{RepoAt, RepoListing};
use crate::model::id::{InstallationId, RepoId, RepoName};

/// Repositories by number and routes by source; derived, so losing it costs one sweep.
#[derive(Debug, Default)]
pub(super) struct Directory {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    repos: BTreeMap<RepoId, RepoListing>,
    routes: BTreeMap<RepoId, BTreeSet<(InstallationId, RepoId, String)>>,
    /// Repositories without a configuration that were looked at.
    met: BTreeSet<RepoId>,
}

impl Directory {
    /// Replaces what is known of one installation.
    pub(super) fn replace(&self, installation: InstallationId, listings: Vec<RepoListing>) {
        let mut inner = self.lock();
        inner.repos.retain(|_, listing| listing.at.installation != installation);
        inner.repos.extend(listings.into_iter().map(|listing| (listing.at.id, listing)));
    }

    /// Forgets installations that are gone.
    pub(super) fn keep(&self, installations: &[InstallationId]) {
        self.lock().repos.retain(|_, listing| installations.contains(&listing.at.installation));
    }

    /// How to reach a repository.
    pub(super) fn find(&self, id: RepoId) -> Option<RepoListing> {
        self.lock().repos.get(&id).cloned()
    }

    /// How to reach a repository by name, within one installation only: a source must be in the same one.
    pub(super) fn find_named(&self, installation: InstallationId, name: &RepoName) -> Option<RepoListing> {
        let same = |listing: &&RepoListing| {
            listing.at.installation == installation
                && listing.at.name.to_string().eq_ignore_ascii_case(&name.to_string())
        };
        self.lock().repos.values().find(same).cloned()
    }

    /// The repositories that everybody sees who sees one of this audience: what may be named there.
    pub(super) fn seen_from(&self, installation: InstallationId, private: bool) -> Vec<RepoName> {
        let inner = self.lock();
        let here = inner.repos.values().filter(|listing| listing.at.installation == installation && !listing.archived);
        here.filter(|listing| private || !listing.private).map(|listing| listing.at.name.clone()).collect()
    }

    /// Whether a repository without a configuration is looked at for the first time since the start.
    pub(super) fn is_new(&self, repo: RepoId) -> bool {
        self.lock().met.insert(repo)
    }

    /// Every repository that can be reached and is not archived.
    pub(super) fn all(&self) -> Vec<RepoAt> {
        self.lock().repos.values().filter(|listing| !listing.archived).map(|listing| listing.at.clone()).collect()
    }

    /// Sets the routes into one repository's pipelines.
    pub(super) fn route(&self, installation: InstallationId, into: RepoId, sources: Vec<(RepoId, String)>) {
        let mut inner = self.lock();
        for pipelines in inner.routes.values_mut() {
            pipelines.retain(|(_, repo, _)| *repo != into);
        }
        for (source, app) in sources {
            inner.routes.entry(source).or_default().insert((installation, into, app));
        }
        inner.routes.retain(|_, pipelines| !pipelines.is_empty());
    }

    /// The pipelines that draw from a source.
    pub(super) fn pipelines_of(&self, source: RepoId) -> Vec<(RepoId, String)> {
        let inner = self.lock();
        let routes = inner.routes.get(&source).into_iter().flatten();
        routes.map(|(_, repo, app)| (*repo, app.clone())).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
