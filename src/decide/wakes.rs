//! A repository wakes what it holds: its open pull requests, their heads, its pipelines, and pipelines it is the source of.

use crate::model::id::Key;
use crate::model::pipeline::Pipeline;
use crate::model::plan::{Effect, Plan};
use crate::model::snapshot::{Configuration, RepoSubject, Snapshot};

/// Plans the wakes of one repository.
pub(super) fn plan(snapshot: &Snapshot, subject: &RepoSubject, plan: &mut Plan) {
    let repo = snapshot.common.repo.id;
    let mut keys: Vec<Key> = subject.pipelines.iter().map(|(repo, app)| Key::Pipeline(*repo, app.clone())).collect();
    if snapshot.common.config != Configuration::Missing {
        for pull in &subject.open {
            keys.extend([Key::Head(repo, pull.head), Key::Pull(repo, pull.number)]);
        }
        keys.extend(subject.recent.iter().map(|number| Key::Pull(repo, *number)));
    }
    if let Configuration::Valid(Pipeline { apps, .. }) = &snapshot.common.config {
        keys.extend(apps.iter().map(|app| Key::Pipeline(repo, app.name.clone())));
    }
    keys.sort();
    keys.dedup();
    plan.effects.extend(keys.into_iter().map(Effect::Wake));
}
