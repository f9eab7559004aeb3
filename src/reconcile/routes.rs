//! Routes: from a source repository to the pipelines that draw from it, derived from every configuration the App can see.

use super::Reconciler;
use crate::config;
use crate::github::{File, RepoAt};
use crate::model::id::RepoId;
use crate::model::path::RepoPath;
use crate::model::pipeline::Pipeline;
use crate::model::snapshot::{Common, Configuration};

/// Repositories without a configuration that one sweep looks at: each costs a query and a fetch, and there may be thousands.
const MAX_NEW: usize = 50;

impl Reconciler {
    /// Reads the configurations of many repositories in few requests, derives the routes, and says which repositories have to be
    /// looked at: one without a configuration is looked at once, to be offered one, and one that others draw from with them.
    pub(super) async fn read_routes(&self, all: &[RepoAt]) -> Vec<RepoAt> {
        let Ok(path) = config::FILE.parse::<RepoPath>() else { return all.to_vec() };
        let mut to_look_at = Vec::new();
        let mut by_installation: std::collections::BTreeMap<_, Vec<&RepoAt>> = std::collections::BTreeMap::new();
        for at in all {
            by_installation.entry(at.installation).or_default().push(at);
        }
        for (installation, repos) in by_installation {
            let repos: Vec<RepoAt> = repos.into_iter().cloned().collect();
            match self.parts.github.files(installation, &repos, config::FILE).await {
                Ok(files) => {
                    let mut without = Vec::new();
                    for (at, file) in repos.into_iter().zip(files) {
                        let pipeline = match &file {
                            File::Text(text) => config::parse(&path, text).pipeline,
                            File::Absent | File::Unreadable => None,
                        };
                        self.route(&at, pipeline.as_ref());
                        // In doubt it is looked at.
                        if file == File::Absent { &mut without } else { &mut to_look_at }.push(at);
                    }
                    let new =
                        |at: &RepoAt| self.directory.pipelines_of(at.id).is_empty() && self.directory.is_new(at.id);
                    to_look_at.extend(without.into_iter().filter(new).take(MAX_NEW));
                }
                Err(error) => {
                    tracing::warn!(installation = installation.0, %error, "its routes cannot be read");
                    to_look_at.extend(repos);
                }
            }
        }
        to_look_at
    }

    /// Sets the routes of the repository that was just observed.
    pub(super) fn set_routes(&self, common: &Common) {
        let Some(listing) = self.directory.find(common.repo.id) else { return };
        match &common.config {
            Configuration::Valid(pipeline) => self.route(&listing.at, Some(pipeline)),
            Configuration::Missing => self.route(&listing.at, None),
            // A broken configuration keeps its routes: what it drew from yesterday it will draw from once repaired.
            Configuration::Broken(_) => {}
        }
    }

    fn route(&self, at: &RepoAt, pipeline: Option<&Pipeline>) {
        let source = |app: &crate::model::pipeline::App| -> Option<(RepoId, String)> {
            let id = match &app.source {
                None => at.id,
                Some(name) => self.directory.find_named(at.installation, name)?.at.id,
            };
            Some((id, app.name.clone()))
        };
        let sources = pipeline.into_iter().flat_map(|pipeline| pipeline.apps.iter().filter_map(source)).collect();
        self.directory.route(at.installation, at.id, sources);
    }
}
