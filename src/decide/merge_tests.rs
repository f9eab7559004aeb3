//! Sixty promotions in front of a branch that takes only what is up to date: decisions alone, without a GitHub.

use std::collections::BTreeMap;

use super::decide;
use crate::model::finding::{CostChange, EnvironmentEvaluation, Evaluation, VersionChange};
use crate::model::id::{InstallationId, Oid, RepoId};
use crate::model::ledger::Ledger;
use crate::model::merging::{BranchRules, InLine, MergeState, Merging, RequiredCheck, RuleSource};
use crate::model::pipeline::{
    App, Environment, Image, Merge, Mode, OnNewer, Pipeline, Policies, Rights, TagPattern, TagTemplate, Takes, Via,
};
use crate::model::plan::{CheckOutput, Effect};
use crate::model::snapshot::{
    Actor, Bot, CheckState, Comment, CommitCheck, Common, Configuration, Facts, HeadSubject, Holding, Holdings,
    MergeMethod, OwnCheck, PipelineFacts, Pull, PullBrief, PullState, PullSubject, Repo, Snapshot, Source, Subject,
    Tag,
};

const PROMOTIONS: u8 = 60;

fn oid(kind: u8, n: u8, step: u8) -> Oid {
    let mut bytes = [0; 20];
    bytes[..3].copy_from_slice(&[kind, n, step]);
    Oid(bytes)
}

/// One open promotion as GitHub holds it.
struct Open {
    n: u8,
    step: u8,
    behind: bool,
    merged: bool,
    comment: Option<String>,
    check: Option<CheckOutput>,
}

impl Open {
    fn number(&self) -> u64 {
        u64::from(self.n) + 1
    }

    fn head(&self) -> Oid {
        oid(1, self.n, self.step)
    }

    fn branch(&self) -> String {
        format!("trunkline/stage/{}/v1.0-{}", app(self.n).name, oid(2, self.n, 0).short())
    }

    fn pull(&self, tip: Oid) -> Pull {
        let bot = Actor { login: "trunkline".to_owned(), bot: true };
        Pull {
            brief: PullBrief {
                number: self.number(),
                state: PullState::Open,
                title: format!("Promote {} v1.0 to stage", app(self.n).name),
                author: bot.clone(),
                branch: self.branch(),
                fork: false,
                head: self.head(),
                base: "main".to_owned(),
                closed_at: None,
                closed_by: None,
                branch_deleted: false,
            },
            body: String::new(),
            draft: false,
            base_tip: tip,
            mergeable: Some(true),
            reviews: Vec::new(),
            requested: Vec::new(),
            labels: Vec::new(),
            commit_authors: vec![bot],
        }
    }
}

fn app(n: u8) -> App {
    App {
        name: format!("app-{n:02}"),
        source: None,
        tags: TagPattern("v*".to_owned()),
        images: vec![Image { name: format!("ghcr.io/acme/app-{n:02}"), tag: TagTemplate::Default }],
        charts: Vec::new(),
        writes: Vec::new(),
        release_branches: Vec::new(),
        paths: Vec::new(),
    }
}

fn pipeline() -> Pipeline {
    let stage = Environment {
        kubernetes: None,
        flux: None,
        name: "stage".to_owned(),
        path: "stage/{app}".to_owned(),
        takes: Takes::Releases,
        via: Via::PullRequest,
        on_newer: OnNewer::Supersede,
        merge: Merge::Auto,
        after: Vec::new(),
        ships: None,
        soak: None,
        approvals: None,
        windows: None,
        health: None,
        checks: Vec::new(),
        rights: Rights::default(),
        url: None,
    };
    Pipeline {
        mode: Mode::Enforce,
        apps: (0..PROMOTIONS).map(app).collect(),
        environments: vec![stage],
        policies: Policies::default(),
        registries: Vec::new(),
    }
}

fn repo(tip: Oid) -> Repo {
    Repo {
        id: RepoId(1),
        installation: InstallationId(1),
        name: "acme/all".parse().unwrap(),
        url: "https://github.test/acme/all".to_owned(),
        private: false,
        default_branch: "main".to_owned(),
        tip: Some(tip),
        merge_methods: vec![MergeMethod::Squash],
    }
}

/// What is known of one application: `v1.0` is tagged and built, and stage holds `v0.9`.
fn way(n: u8, tip: Oid) -> PipelineFacts {
    let image = |tag: &str| BTreeMap::from([(app(n).images[0].name.clone(), tag.to_owned())]);
    let held = Holding {
        tags: image("v0.9"),
        digests: BTreeMap::new(),
        version: Some("v0.9".to_owned()),
        commit: Some(oid(3, n, 0)),
        since: "2026-11-20T10:00:00Z".parse().unwrap(),
        by: oid(4, n, 0),
    };
    let folder = format!("stage/{}", app(n).name).parse().unwrap();
    let tag = Tag { name: "v1.0".to_owned(), commit: oid(2, n, 0), reachable: true, pusher: None };
    PipelineFacts {
        source: Some(Source {
            repo: repo(tip),
            trunk: None,
            earlier: Vec::new(),
            tags: vec![tag],
            descendants: BTreeMap::new(),
        }),
        environments: BTreeMap::from([(
            "stage".to_owned(),
            Holdings { folder, history: vec![held], ..Holdings::default() },
        )]),
        ..PipelineFacts::default()
    }
}

fn evaluation(n: u8) -> Evaluation {
    let tags = BTreeMap::from([(app(n).images[0].name.clone(), "v1.0".to_owned())]);
    let touched = EnvironmentEvaluation {
        environment: "stage".to_owned(),
        applier: String::new(),
        path: format!("stage/{}", app(n).name).parse().unwrap(),
        changes: Vec::new(),
        images: Vec::new(),
        amounts: Vec::new(),
        cost: CostChange::default(),
        versions: vec![VersionChange { app: app(n).name, tags, digests: BTreeMap::new() }],
        findings: Vec::new(),
        objects: 1,
        rendered: true,
        digest: String::new(),
    };
    Evaluation { environments: vec![touched], ..Evaluation::default() }
}

/// The whole repository.
struct There {
    config: Configuration,
    tip: u8,
    open: Vec<Open>,
    updates: usize,
    writes: usize,
}

impl There {
    fn tip(&self) -> Oid {
        oid(9, 0, self.tip)
    }

    fn facts(&self, one: &Open) -> Facts {
        let rules = BranchRules {
            up_to_date: true,
            checks: vec![RequiredCheck { name: "trunkline".to_owned(), app: None }],
            sources: vec![RuleSource { name: "the ruleset `main` of acme/all".to_owned(), bypass: false, whole: true }],
            ..BranchRules::default()
        };
        let state = match (&one.check, one.behind) {
            (None, _) => MergeState::Blocked,
            (Some(_), true) => MergeState::Behind,
            (Some(_), false) => MergeState::Clean,
        };
        let line = self.open.iter().filter(|one| !one.merged).map(|one| InLine {
            number: one.number(),
            branch: one.branch(),
            ready: one.check.as_ref().is_none_or(|check| check.conclusion.is_some()),
            conflicts: false,
        });
        let built = CommitCheck { name: "build".to_owned(), app: "ci".to_owned(), state: CheckState::Passed };
        Facts {
            evaluations: BTreeMap::from([((self.tip(), one.head()), Ok(evaluation(one.n)))]),
            checks: BTreeMap::from([((RepoId(1), oid(2, one.n, 0)), vec![built])]),
            pipelines: BTreeMap::from([(app(one.n).name, way(one.n, self.tip()))]),
            merging: BTreeMap::from([(
                one.number(),
                Merging { rules, state, behind: one.behind, ..Merging::default() },
            )]),
            turns: BTreeMap::from([("main".to_owned(), line.collect())]),
            ..Facts::default()
        }
    }

    fn snapshot(&self, one: &Open, subject: Subject) -> Snapshot {
        let common = Common {
            now: "2026-11-20T12:00:00Z".parse().unwrap(),
            bot: Bot { app: 1, slug: "trunkline".to_owned() },
            repo: repo(self.tip()),
            config: self.config.clone(),
            ledger: Ledger::default(),
        };
        Snapshot { common, subject, facts: self.facts(one) }
    }

    /// One look at one promotion's head, and one at its pull request; how much was brought up to date.
    fn look(&mut self, at: usize) -> usize {
        let one = &self.open[at];
        let own = one.check.as_ref().map(|check| OwnCheck {
            id: 1,
            external_id: check.fingerprint(),
            completed: check.conclusion.is_some(),
            started_at: None,
            completed_at: Some("2026-11-20T12:00:00Z".parse().unwrap()),
        });
        let checked_at = own.as_ref().and_then(|check| check.completed_at);
        let pull = one.pull(self.tip());
        let (checks, pulls) = (own.into_iter().collect(), vec![pull.clone()]);
        let head = HeadSubject { head: one.head(), checks, pulls, group: None };
        let comment = one.comment.iter().map(|body| Comment {
            id: 1,
            author: Actor { login: "trunkline".to_owned(), bot: true },
            body: body.clone(),
            at: "2026-11-20T12:00:00Z".parse().unwrap(),
            edited: false,
            url: String::new(),
            reactions: Vec::new(),
        });
        let subject = PullSubject {
            number: one.number(),
            pull: Some(pull),
            comments: comment.collect(),
            checked_at,
            check_since: checked_at,
        };
        let plans = [Subject::Head(head), Subject::Pull(subject)].map(|subject| decide(&self.snapshot(one, subject)));
        let mut updated = 0;
        for effect in plans.into_iter().flat_map(|plan| {
            assert_eq!(plan.needs, []);
            plan.effects
        }) {
            self.writes += usize::from(!matches!(effect, Effect::Wake(_)));
            match effect {
                Effect::PutCheck { output, .. } => self.open[at].check = Some(output),
                Effect::PutComment { body, .. } => self.open[at].comment = Some(body),
                Effect::UpdateBranch { .. } => {
                    updated += 1;
                    self.open[at].step += 1;
                    self.open[at].behind = false;
                    self.open[at].check = None;
                }
                Effect::Merge { .. } => {
                    self.tip += 1;
                    self.open.iter_mut().for_each(|other| other.behind = true);
                    self.open[at].merged = true;
                }
                Effect::Wake(_) => {}
                other => panic!("{other:?}"),
            }
        }
        self.updates += updated;
        updated
    }
}

#[test]
fn of_sixty_promotions_only_the_next_one_is_brought_up_to_date() {
    let open = |n| Open { n, step: 0, behind: true, merged: false, comment: None, check: None };
    let mut there = There {
        config: Configuration::Valid(pipeline()),
        tip: 0,
        open: (0..PROMOTIONS).map(open).collect(),
        updates: 0,
        writes: 0,
    };
    // As events come: whatever is written wakes that one again, and a merge wakes all of them, here the newest first.
    let mut wakes: Vec<usize> = (0..there.open.len()).collect();
    let (mut merged, mut updated) = (0, 0);
    while let Some(at) = wakes.pop() {
        if there.open[at].merged {
            continue;
        }
        let before = there.writes;
        updated += there.look(at);
        wakes.extend((there.writes > before).then_some(at));
        if there.open[at].merged {
            merged += 1;
            // Between two merges one is brought up to date, and no other.
            assert_eq!(updated, merged, "after {merged} merges");
            wakes = (0..there.open.len()).collect();
        }
    }
    assert!(there.open.iter().all(|one| one.merged));
    assert_eq!(there.updates, usize::from(PROMOTIONS));
    // A check and a comment when it opens, the update, the check on the new head, the merge; nothing when others merge.
    assert_eq!(there.writes, 5 * usize::from(PROMOTIONS));
}
