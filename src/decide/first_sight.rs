//! First sight: what an environment holds when Trunkline meets it is accepted, and nothing older starts anything.

use super::draft::Draft;
use super::versions::version_of;
use crate::model::ledger::FirstSight;
use crate::model::pipeline::{App, Environment, Takes};
use crate::model::snapshot::{Holdings, Snapshot, Source};
use crate::model::version::Version;

/// Tags listed by name in a first sight; below the lowest of them everything is earlier anyway.
pub(super) const MAX_EARLIER_TAGS: usize = 50;

/// Records what stands, so that installing Trunkline on an old repository starts nothing.
pub(super) fn record(
    snapshot: &Snapshot,
    app: &App,
    environment: &Environment,
    source: &Source,
    held: &Holdings,
    draft: &mut Draft,
) {
    let now = held.history.first();
    let holds = now.and_then(|holding| holding.version.clone());
    let held_version = holds.as_deref().and_then(Version::parse);
    let prereleases = environment.takes == Takes::Prereleases;
    let mut earlier: Vec<(Version, String)> = source
        .tags
        .iter()
        .filter_map(|tag| version_of(app, tag).map(|version| (version, tag.name.clone())))
        .filter(|(version, _)| environment.takes != Takes::Trunk && version.is_prerelease() == prereleases)
        .filter(|(version, _)| held_version.as_ref().is_none_or(|held| version > held))
        .collect();
    earlier.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    earlier.truncate(MAX_EARLIER_TAGS);
    let trunk = source.trunk.as_ref().filter(|_| environment.takes == Takes::Trunk).map(|commit| commit.id);
    let text = match &holds {
        Some(version) => format!("first sight of {} in {}: it holds {version}", app.name, environment.name),
        None => format!("first sight of {} in {}", app.name, environment.name),
    };
    let first = FirstSight {
        at: snapshot.common.now,
        holds,
        trunk,
        earlier: earlier.into_iter().map(|(_, name)| name).collect(),
    };
    draft.change(&app.name, &environment.name, text, |entry| entry.first_sight = Some(first));
}
