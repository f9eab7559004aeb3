//! A repository wakes what it holds: its open pull requests, their heads, its pipelines, and pipelines it is the source of.

use crate::model::id::Key;
use crate::model::pipeline::Pipeline;
use crate::model::plan::{Effect, Plan};
use crate::model::snapshot::{Configuration, PullState, RepoSubject, Snapshot};

/// Plans the wakes of one repository.
pub(super) fn plan(snapshot: &Snapshot, subject: &RepoSubject, plan: &mut Plan) {
    let repo = snapshot.common.repo.id;
    let mut keys: Vec<Key> = subject.pipelines.iter().map(|(repo, app)| Key::Pipeline(*repo, app.clone())).collect();
    if snapshot.common.config != Configuration::Missing {
        for pull in &subject.open {
            keys.extend([Key::Head(repo, pull.head), Key::Pull(repo, pull.number)]);
        }
        keys.extend(subject.groups.iter().map(|head| Key::Head(repo, *head)));
        keys.extend(subject.recent.iter().map(|number| Key::Pull(repo, *number)));
    }
    // Where there is no configuration, only the pull request that offers one has something to say.
    let offers = subject.onboarding.iter().filter(|pull| pull.state == PullState::Open);
    keys.extend(offers.flat_map(|pull| [Key::Head(repo, pull.head), Key::Pull(repo, pull.number)]));
    if let Configuration::Valid(Pipeline { apps, .. }) = &snapshot.common.config {
        keys.extend(apps.iter().map(|app| Key::Pipeline(repo, app.name.clone())));
    }
    keys.sort();
    keys.dedup();
    plan.effects.extend(keys.into_iter().map(Effect::Wake));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::{InstallationId, Oid, RepoId};
    use crate::model::ledger::Ledger;
    use crate::model::pipeline::{App, Mode, Policies, TagPattern};
    use crate::model::snapshot::{Bot, Common, Facts, Repo, Subject};

    /// A repository at rest whose configuration lists so many applications, each drawing from the repository itself.
    fn repository(apps: usize) -> Snapshot {
        let app = |n: usize| App {
            name: format!("app-{n:04}"),
            source: None,
            tags: TagPattern(format!("app-{n:04}/v*")),
            images: Vec::new(),
            charts: Vec::new(),
            writes: Vec::new(),
            release_branches: Vec::new(),
            paths: Vec::new(),
        };
        let pipeline = Pipeline {
            mode: Mode::Enforce,
            apps: (0..apps).map(app).collect(),
            environments: Vec::new(),
            policies: Policies::default(),
            registries: Vec::new(),
        };
        let pipelines = pipeline.apps.iter().map(|app| (RepoId(1), app.name.clone())).collect();
        let repo = Repo {
            id: RepoId(1),
            installation: InstallationId(1),
            name: "acme/all".parse().unwrap(),
            url: "https://github.test/acme/all".to_owned(),
            private: false,
            default_branch: "main".to_owned(),
            tip: Some(Oid([1; 20])),
            merge_methods: Vec::new(),
        };
        let common = Common {
            now: "2026-11-20T12:00:00Z".parse().unwrap(),
            bot: Bot { app: 1, slug: "trunkline".to_owned() },
            repo,
            config: Configuration::Valid(pipeline),
            ledger: Ledger::default(),
        };
        let subject = Subject::Repo(RepoSubject { pipelines, ..RepoSubject::default() });
        Snapshot { common, subject, facts: Facts::default() }
    }

    #[test]
    fn each_application_is_woken_once_and_a_thousand_in_no_time() {
        let shortest = |apps: usize| {
            let snapshot = repository(apps);
            let decide = |_| {
                let begun = std::time::Instant::now();
                let plan = crate::decide::decide(&snapshot);
                assert_eq!((plan.effects.len(), plan.needs.len()), (apps, 0));
                begun.elapsed()
            };
            (0..5).map(decide).min().unwrap()
        };
        let (quarter, whole) = (shortest(250), shortest(1000));
        // Four times as many; sixteen times would be the square.
        assert!(whole < quarter * 10, "{quarter:?} for a quarter, {whole:?} for the whole");
        assert!(whole.as_secs() < 1, "{whole:?}");
    }
}
