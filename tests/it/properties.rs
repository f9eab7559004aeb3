//! What always holds, whatever people do and in whatever order: `decide` alone against a little world of plain data.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use trunkline::decide::decide;
use trunkline::model::facts::{Arrival, Health};
use trunkline::model::finding::{CostChange, EnvironmentEvaluation, Evaluation, VersionChange};
use trunkline::model::id::{InstallationId, Oid, RepoId};
use trunkline::model::ledger::{Hold, Ledger, Request};
use trunkline::model::pipeline::Pipeline;
use trunkline::model::plan::{Effect, Need, Plan};
use trunkline::model::snapshot::{
    Actor, Bot, Change, Changelog, CheckState, Comment, Commit, CommitCheck, Common, Configuration, Facts, Holding,
    Holdings, MergeMethod, Permission, PipelineFacts, PipelineSubject, Pull, PullBrief, PullState, PullSubject, Repo,
    Review, ReviewState, Snapshot, Source, Subject, Tag,
};
use trunkline::model::version::Version;
use trunkline::report::verdict;

/// Cases of each property; a case takes a millisecond or two.
const CASES: u32 = 300;
/// Rounds until a settled world must be at rest: each promotion takes a handful.
const MAX_ROUNDS: usize = 60;
const SOAK: Duration = Duration::from_secs(3600);
const IMAGE: &str = "ghcr.io/acme/shop";

const CONFIG: &str = "\
version: 1
apps:
  shop: { images: [ghcr.io/acme/shop], source: acme/shop }
environments:
  dev: { path: dev, takes: trunk, merge: auto }
  stage: { path: stage, takes: prereleases, after: [dev], merge: auto }
  prod:
    path: prod
    takes: releases
    after: [stage]
    soak: 1h
    approvals: { min: 1 }
    merge: auto
    health: { timeout: 20m, unknown: wait }
";

fn id(kind: u8, n: usize) -> Oid {
    let mut bytes = [kind; 20];
    bytes[..2].copy_from_slice(&u16::try_from(n).unwrap().to_be_bytes());
    Oid(bytes)
}

fn person(login: &str) -> Actor {
    Actor { login: login.into(), bot: false }
}

fn us() -> Actor {
    Actor { login: "trunkline".into(), bot: true }
}

/// A promotion and what it would write.
#[derive(Debug, Clone)]
struct Promotion {
    brief: PullBrief,
    environment: String,
    tags: BTreeMap<String, String>,
    approved_by: BTreeSet<String>,
    comments: Vec<String>,
}

/// GitHub, git and the ledger, as little of them as `decide` can tell.
#[derive(Debug, Clone)]
pub(crate) struct Little {
    pub(crate) pipeline: Pipeline,
    pub(crate) now: Timestamp,
    /// Trunk, oldest first: when it was committed, and how its build stands.
    trunk: Vec<(Timestamp, Option<CheckState>)>,
    /// Tags and the place on trunk of what they name.
    tags: Vec<(String, usize)>,
    ledger: Ledger,
    held: BTreeMap<String, Vec<Holding>>,
    by_hand: BTreeSet<Oid>,
    promotions: Vec<Promotion>,
    pub(crate) health: Option<BTreeMap<String, Health>>,
    /// Writes to the default branch, to the ledger.
    main: usize,
    records: usize,
}

impl Little {
    /// Everything holds `v0.9`, the first commit of trunk.
    pub(crate) fn new(config: &str) -> Self {
        let parsed = trunkline::config::parse(&".github/trunkline.yaml".parse().unwrap(), config);
        assert_eq!(parsed.problems, []);
        let now: Timestamp = "2026-11-02T09:00:00Z".parse().unwrap();
        let mut little = Self {
            pipeline: parsed.pipeline.unwrap(),
            now,
            trunk: vec![(now, Some(CheckState::Passed))],
            tags: vec![("v0.9".into(), 0)],
            ledger: Ledger::default(),
            held: BTreeMap::new(),
            by_hand: BTreeSet::new(),
            promotions: Vec::new(),
            health: None,
            main: 0,
            records: 0,
        };
        for environment in little.names() {
            little.enters(&environment, "v0.9");
        }
        little
    }

    fn names(&self) -> Vec<String> {
        self.pipeline.environments.iter().map(|environment| environment.name.clone()).collect()
    }

    fn place(&self, version: &str) -> Option<usize> {
        let tagged = self.tags.iter().find(|(tag, _)| tag == version).map(|(_, place)| *place);
        tagged.or_else(|| (0..self.trunk.len()).find(|place| id(1, *place).short() == version))
    }

    fn enters(&mut self, environment: &str, version: &str) -> Oid {
        self.main += 1;
        let by = id(2, self.main);
        let place = self.place(version);
        let holding = Holding {
            digests: Default::default(),
            tags: BTreeMap::from([(IMAGE.to_owned(), version.to_owned())]),
            version: Some(match place {
                Some(place) if !self.tags.iter().any(|(tag, _)| tag == version) => id(1, place).to_string(),
                _ => version.to_owned(),
            }),
            commit: place.map(|place| id(1, place)),
            since: self.now,
            by,
        };
        self.held.entry(environment.to_owned()).or_default().insert(0, holding);
        by
    }

    /// Somebody merges to trunk.
    pub(crate) fn push(&mut self, build: Option<CheckState>) -> usize {
        self.trunk.push((self.now, build));
        self.trunk.len() - 1
    }

    /// Somebody tags.
    pub(crate) fn tag(&mut self, name: &str, place: usize) {
        if !self.tags.iter().any(|(tag, _)| tag == name) {
            self.tags.push((name.to_owned(), place));
        }
    }

    /// Somebody writes a version straight to the branch.
    pub(crate) fn push_by_hand(&mut self, environment: &str, version: &str) {
        if self.holds(environment) == version {
            return;
        }
        let by = self.enters(environment, version);
        self.by_hand.insert(by);
    }

    /// Time passes.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// What an environment holds.
    pub(crate) fn holds(&self, environment: &str) -> &str {
        self.held[environment][0].tags[IMAGE].as_str()
    }

    fn repo(&self, number: u64, name: &str) -> Repo {
        Repo {
            id: RepoId(number),
            installation: InstallationId(1),
            name: name.parse().unwrap(),
            url: format!("https://github.test/{name}"),
            private: false,
            default_branch: "main".into(),
            tip: Some(id(2, self.main)),
            merge_methods: vec![MergeMethod::Squash],
        }
    }

    fn facts(&self) -> PipelineFacts {
        let commit = |place: usize| Commit { id: id(1, place), subject: "Sell".into(), at: self.trunk[place].0 };
        let mut trunk = (0..self.trunk.len()).rev().map(commit);
        let places = 0..self.trunk.len();
        let follows = |place: usize| (place + 1..self.trunk.len()).map(|later| id(1, later)).collect();
        let mut tags: Vec<Tag> = self
            .tags
            .iter()
            .map(|(name, place)| Tag {
                name: name.clone(),
                commit: id(1, *place),
                reachable: true,
                pusher: Some("ann".into()),
            })
            .collect();
        tags.sort_by_key(|tag| std::cmp::Reverse(Version::parse(&tag.name)));
        let source = Source {
            repo: self.repo(7, "acme/shop"),
            trunk: trunk.next(),
            earlier: trunk.collect(),
            tags,
            descendants: places.map(|place| (id(1, place), follows(place))).collect(),
        };
        let holdings = |history: &Vec<Holding>| Holdings { history: history.clone(), ..Holdings::default() };
        PipelineFacts {
            source: Some(source),
            environments: self.held.iter().map(|(name, history)| (name.clone(), holdings(history))).collect(),
            promotions: self.open().map(|promotion| promotion.brief.clone()).collect(),
            health: self.health.clone(),
            ..PipelineFacts::default()
        }
    }

    fn open(&self) -> impl Iterator<Item = &Promotion> {
        self.promotions.iter().filter(|promotion| promotion.brief.state == PullState::Open)
    }

    fn snapshot(&self, subject: Subject) -> Snapshot {
        let common = Common {
            now: self.now,
            bot: Bot { app: 1, slug: "trunkline".into() },
            repo: self.repo(8, "acme/environments"),
            config: Configuration::Valid(self.pipeline.clone()),
            ledger: self.ledger.clone(),
        };
        Snapshot { common, subject, facts: Facts::default() }
    }

    /// The plan, every question answered.
    fn plan(&self, subject: Subject) -> Plan {
        let mut snapshot = self.snapshot(subject);
        for _ in 0..8 {
            let plan = decide(&snapshot);
            if plan.needs.is_empty() {
                return plan;
            }
            for need in plan.needs {
                self.answer(need, &mut snapshot.facts);
            }
        }
        panic!("it keeps asking");
    }

    fn answer(&self, need: Need, facts: &mut Facts) {
        match need {
            Need::Evaluation { base, head } => {
                let promotion = self.promotions.iter().find(|promotion| promotion.brief.head == head).unwrap();
                let change =
                    VersionChange { app: "shop".into(), tags: promotion.tags.clone(), digests: Default::default() };
                let environment = EnvironmentEvaluation {
                    environment: promotion.environment.clone(),
                    applier: String::new(),
                    path: promotion.environment.parse().unwrap(),
                    changes: Vec::new(),
                    images: Vec::new(),
                    amounts: Vec::new(),
                    cost: CostChange::default(),
                    versions: vec![change],
                    findings: Vec::new(),
                    objects: 1,
                    rendered: true,
                    digest: format!("{:?}", promotion.tags),
                };
                let evaluation = Evaluation { environments: vec![environment], ..Evaluation::default() };
                facts.evaluations.insert((base, head), Ok(evaluation));
            }
            Need::Checks { repo, commit } => {
                let place = (0..self.trunk.len()).find(|place| id(1, *place) == commit);
                let state = place.and_then(|place| self.trunk[place].1);
                let check = |state| CommitCheck { name: "build".into(), app: "ci".into(), state };
                facts.checks.insert((repo, commit), state.map(check).into_iter().collect());
            }
            Need::Branch(branch) => {
                let pulls = self.promotions.iter().map(|promotion| promotion.brief.clone());
                let pulls = pulls.filter(|pull| pull.branch == branch).collect();
                facts.branches.insert(branch, pulls);
            }
            Need::Permission(login) => drop(facts.permissions.insert(login, Permission::Write)),
            Need::Member { team, login } => drop(facts.members.insert((team, login), true)),
            Need::Changelog { app, from, to } => {
                let change = Change {
                    commit: to,
                    subject: "Sell".into(),
                    author: "Ann".into(),
                    login: Some("ann".into()),
                    pull: None,
                };
                facts.changelogs.insert((app, from, to), Changelog { changes: vec![change], total: 1 });
            }
            Need::Pipeline(app) => drop(facts.pipelines.insert(app, self.facts())),
            Need::Merging { number, .. } => drop(facts.merging.insert(number, Default::default())),
            Need::Arrival(commit) => {
                let arrival = if self.by_hand.contains(&commit) {
                    Arrival { by: Some(person("ben")), ours: false, pull: None, green: false }
                } else {
                    Arrival { by: Some(us()), ours: true, pull: None, green: true }
                };
                facts.arrivals.insert(commit, arrival);
            }
            other => drop(facts.unmet.insert(other, "not here".into())),
        }
    }

    fn pipeline_subject(&self) -> Subject {
        Subject::Pipeline(PipelineSubject { app: "shop".into(), facts: self.facts() })
    }

    fn pull_subject(&self, promotion: &Promotion) -> Subject {
        let review = |login: &String| Review {
            author: person(login),
            state: ReviewState::Approved,
            commit: Some(promotion.brief.head),
            at: self.now,
        };
        let comment = |(n, body): (usize, &String)| Comment {
            id: n as u64 + 1,
            author: us(),
            body: body.clone(),
            at: self.now,
            edited: false,
            url: "https://github.test/c".into(),
            reactions: Vec::new(),
        };
        let pull = Pull {
            brief: promotion.brief.clone(),
            body: String::new(),
            draft: false,
            base_tip: id(2, self.main),
            mergeable: Some(true),
            reviews: promotion.approved_by.iter().map(review).collect(),
            requested: Vec::new(),
            labels: Vec::new(),
            commit_authors: vec![us()],
        };
        Subject::Pull(PullSubject {
            number: promotion.brief.number,
            pull: Some(pull),
            comments: promotion.comments.iter().enumerate().map(comment).collect(),
            checked_at: Some(self.now),
            check_since: Some(self.now),
        })
    }

    /// How an environment stands, as plain text.
    pub(crate) fn verdict(&self, environment: &str) -> String {
        let at = self.pipeline.environments.iter().position(|env| env.name == environment).unwrap();
        match self.open().find(|promotion| promotion.environment == environment) {
            Some(promotion) => {
                let plan = self.plan(self.pull_subject(promotion));
                plan.verdicts.iter().map(verdict::plain).collect()
            }
            None => verdict::plain(&self.plan(self.pipeline_subject()).verdicts[at]),
        }
    }

    /// Looks at one thing and does what the plan says; whether that was anything.
    fn look(&mut self, subject: Subject) -> Result<bool, TestCaseError> {
        let plan = self.plan(subject);
        let mut wrote = false;
        for effect in plan.effects {
            wrote |= !matches!(effect, Effect::Wake(_) | Effect::Tell { .. } | Effect::RequestReviews { .. });
            self.apply(effect)?;
        }
        Ok(wrote)
    }

    fn apply(&mut self, effect: Effect) -> Result<(), TestCaseError> {
        match effect {
            Effect::Record { files, expected, .. } => {
                prop_assert_eq!(expected, self.ledger.head);
                self.records += 1;
                files.iter().for_each(|(path, text)| self.ledger.read(path, text));
                self.ledger.head = Some(id(3, self.records));
            }
            Effect::Promote(promotion) => {
                prop_assert_eq!(promotion.base, id(2, self.main));
                prop_assert!(self.open().all(|open| open.brief.branch != promotion.branch), "two of one version");
                let number = self.promotions.len() as u64 + 1;
                let environment = promotion.branch.split('/').nth(1).unwrap().to_owned();
                let brief = PullBrief {
                    number,
                    state: PullState::Open,
                    title: promotion.title,
                    author: us(),
                    branch: promotion.branch,
                    fork: false,
                    head: id(4, self.promotions.len() + 1),
                    base: "main".into(),
                    closed_at: None,
                    closed_by: None,
                    branch_deleted: false,
                };
                let tags = promotion.edit.tags.into_iter().collect();
                let (approved_by, comments) = (BTreeSet::new(), Vec::new());
                self.promotions.push(Promotion { brief, environment, tags, approved_by, comments });
            }
            Effect::Close { number, .. } => self.end(number, PullState::Closed, us()),
            Effect::PutComment { number, existing, body } => {
                let comments = &mut self.promotions[number as usize - 1].comments;
                match existing {
                    Some(comment) => comments[comment as usize - 1] = body,
                    None => comments.push(body),
                }
            }
            Effect::Merge { number, head, .. } => {
                let promotion = self.promotions[number as usize - 1].clone();
                prop_assert_eq!(promotion.brief.head, head);
                self.may_merge(&promotion)?;
                self.end(number, PullState::Merged, us());
                let version = promotion.tags[IMAGE].clone();
                self.enters(&promotion.environment, &version);
            }
            Effect::Wake(_) | Effect::Tell { .. } | Effect::RequestReviews { .. } => {}
            other => prop_assert!(false, "nobody asked for {other:?}"),
        }
        Ok(())
    }

    fn end(&mut self, number: u64, state: PullState, who: Actor) {
        let brief = &mut self.promotions[number as usize - 1].brief;
        (brief.state, brief.closed_at, brief.closed_by) = (state, Some(self.now), Some(who));
    }

    /// The rules once more, by somebody who does not know how `decide` thinks.
    fn may_merge(&self, promotion: &Promotion) -> Result<(), TestCaseError> {
        let (environment, version) = (&promotion.environment, &promotion.tags[IMAGE]);
        let place = self.place(version);
        prop_assert!(place.is_some(), "{} is no version", version);
        let place = place.unwrap();
        prop_assert_eq!(self.trunk[place].1, Some(CheckState::Passed), "{} was not built", version);
        let entry = self.ledger.entry("shop", environment);
        prop_assert!(entry.holds.is_empty(), "{} is held", environment);
        prop_assert!(entry.first_sight.is_some(), "{} was never seen", environment);
        let configured = self.pipeline.environment(environment).unwrap();
        for upstream in &configured.after {
            let passed = |holding: &&Holding| holding.commit.is_some_and(|commit| commit >= id(1, place));
            let since = self.held[upstream].iter().filter(passed).map(|holding| holding.since).min();
            prop_assert!(since.is_some(), "{} skips {}", version, upstream);
            if configured.soak.is_some() {
                prop_assert!(self.now >= since.unwrap() + SOAK, "{} did not soak", version);
            }
        }
        if configured.approvals.is_some() {
            prop_assert!(promotion.approved_by.iter().any(|who| who != "ann"), "only who wrote it approved");
        }
        let history = &self.held[environment];
        let parsed = |text: &str| Version::parse(text).filter(|_| environment != "dev");
        if let (Some(held), Some(new)) = (history[0].version.as_deref().and_then(parsed), parsed(version)) {
            prop_assert!(new > held, "{} goes back from {}", version, held);
        }
        let asked = entry.requests.last().is_some_and(|request| request.version == *version);
        if self.by_hand.contains(&history[0].by) && !configured.after.is_empty() && !asked {
            let back = history[1..].iter().any(|old| old.tags == history[0].tags);
            let follows = history[0].commit.is_some_and(|held| held <= id(1, place));
            prop_assert!(follows && !back, "{} overwrites what was pushed by hand", version);
        }
        Ok(())
    }

    /// Looks at everything, in an order of the caller's, until nothing is left to do.
    pub(crate) fn settle(&mut self, order: usize) -> Result<(), TestCaseError> {
        for round in 0..MAX_ROUNDS {
            let mut keys: Vec<Option<u64>> = self.open().map(|promotion| Some(promotion.brief.number)).collect();
            keys.insert((order + round) % (keys.len() + 1), None);
            if order % 2 == 1 {
                keys.reverse();
            }
            let mut wrote = false;
            for key in keys {
                let subject = match key {
                    None => self.pipeline_subject(),
                    Some(number) => self.pull_subject(&self.promotions[number as usize - 1]),
                };
                let open = key.is_none_or(|n| self.promotions[n as usize - 1].brief.state == PullState::Open);
                wrote |= open && self.look(subject)?;
            }
            if !wrote {
                return Ok(());
            }
        }
        Err(TestCaseError::fail(format!("it does not come to rest: {:#?}", self.held)))
    }

    /// What people see in the end.
    fn end_state(&self) -> (Vec<&str>, BTreeSet<&str>) {
        (
            self.held.keys().map(|name| self.holds(name)).collect(),
            self.open().map(|promotion| promotion.brief.branch.as_str()).collect(),
        )
    }

    fn act(&mut self, act: &Act) {
        // Times are whole seconds: people take at least one.
        self.pass(Duration::from_secs(1));
        match act {
            Act::Push(build) => drop(self.push(*build)),
            Act::Build(place, state) => {
                let place = place % self.trunk.len();
                self.trunk[place].1 = Some(*state);
            }
            Act::Tag(number, candidate, place) => {
                let name = candidate.map_or(format!("v1.{number}"), |rc| format!("v1.{number}-rc.{rc}"));
                self.tag(&name, place % self.trunk.len());
            }
            Act::Hold(at) => {
                let hold = Hold { by: "sam".into(), at: self.now, reason: String::new(), link: String::new() };
                self.decided(*at, |entry| entry.holds.push(hold));
            }
            Act::Unhold(at) => self.decided(*at, |entry| entry.holds.clear()),
            Act::Approve(who) => {
                if let Some(n) = self.open().filter(|one| one.environment == "prod").map(|one| one.brief.number).last()
                {
                    self.promotions[n as usize - 1].approved_by.insert((*who).to_owned());
                }
            }
            Act::Close => {
                if let Some(number) = self.open().map(|promotion| promotion.brief.number).last() {
                    self.end(number, PullState::Closed, person("sam"));
                }
            }
            Act::ByHand(at, n) => {
                let (name, _) = &self.tags[n % self.tags.len()];
                let version = if n % 5 == 0 { "whatever".to_owned() } else { name.clone() };
                let environment = self.names()[at % 3].clone();
                self.push_by_hand(&environment, &version);
            }
            Act::Ask(at) => {
                let newest = self.tags.iter().filter_map(|(tag, place)| Some((Version::parse(tag)?, *place)));
                let takes = |version: &Version| version.is_prerelease() == (*at == 0);
                let newest = newest.filter(|(version, _)| takes(version)).max_by(|a, b| a.0.cmp(&b.0));
                let held = Version::parse(self.holds(&self.names()[1 + at % 2]));
                // The command refuses what is no step forward.
                let forward = |version: &Version| held.as_ref().is_none_or(|held| version > held);
                if let Some((version, place)) = newest.filter(|(version, _)| forward(version)) {
                    let request = Request {
                        version: version.to_string(),
                        commit: Some(id(1, place)),
                        by: "ben".into(),
                        at: self.now,
                        link: String::new(),
                        forced: None,
                    };
                    self.decided(1 + at % 2, |entry| entry.requests.push(request));
                }
            }
            Act::Time(minutes) => self.pass(Duration::from_secs(60 * u64::from(*minutes))),
        }
    }

    fn decided(&mut self, at: usize, change: impl FnOnce(&mut trunkline::model::ledger::Entry)) {
        let environment = self.names()[at % 3].clone();
        change(self.ledger.entries.entry(("shop".to_owned(), environment)).or_default());
        self.records += 1;
        self.ledger.head = Some(id(3, self.records));
    }
}

/// What people do.
#[derive(Debug, Clone)]
enum Act {
    Push(Option<CheckState>),
    Build(usize, CheckState),
    Tag(u8, Option<u8>, usize),
    Hold(usize),
    Unhold(usize),
    Approve(&'static str),
    Close,
    ByHand(usize, usize),
    Ask(usize),
    Time(u16),
}

fn states() -> impl Strategy<Value = CheckState> {
    prop_oneof![4 => Just(CheckState::Passed), 1 => Just(CheckState::Failed), 1 => Just(CheckState::Pending)]
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => proptest::option::weighted(0.8, states()).prop_map(Act::Push),
        2 => (0..20usize, states()).prop_map(|(place, state)| Act::Build(place, state)),
        6 => (0..6u8, proptest::option::of(0..3u8), 0..20usize).prop_map(|(n, rc, place)| Act::Tag(n, rc, place)),
        1 => (0..3usize).prop_map(Act::Hold),
        1 => (0..3usize).prop_map(Act::Unhold),
        4 => prop_oneof![Just("sue"), Just("ann")].prop_map(Act::Approve),
        1 => Just(Act::Close),
        1 => (0..3usize, 0..20usize).prop_map(|(at, n)| Act::ByHand(at, n)),
        1 => (0..2usize).prop_map(Act::Ask),
        4 => (1..90u16).prop_map(Act::Time),
    ]
}

fn runs() -> ProptestConfig {
    ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(runs())]

    /// `may_merge` holds at every merge: no environment is skipped, every gate was open at the observed head. And it comes to rest.
    #[test]
    fn no_environment_is_skipped_and_no_gate_is_passed(story in prop::collection::vec((acts(), 0..4usize), 1..40)) {
        let mut little = Little::new(CONFIG);
        little.settle(0)?;
        for (act, order) in &story {
            little.act(act);
            // Some things happen before anybody has looked.
            if *order > 0 {
                little.settle(*order)?;
            }
        }
        little.settle(1)?;
        let before = (little.main, little.records, little.promotions.len());
        little.settle(2)?;
        prop_assert_eq!((little.main, little.records, little.promotions.len()), before, "a second look writes");
    }

    /// Whatever stands there when we come, we only write it down.
    #[test]
    fn nothing_happens_on_first_sight(story in prop::collection::vec(acts(), 0..30)) {
        let mut little = Little::new(CONFIG);
        for act in story.iter().filter(|act| !matches!(act, Act::Ask(_))) {
            little.act(act);
        }
        let before: Vec<String> = little.held.keys().map(|name| little.holds(name).to_owned()).collect();
        little.settle(0)?;
        prop_assert!(little.promotions.is_empty(), "{:?}", little.promotions);
        prop_assert_eq!(little.held.keys().map(|name| little.holds(name).to_owned()).collect::<Vec<_>>(), before);
        for name in little.names() {
            prop_assert!(little.ledger.entry("shop", &name).first_sight.is_some());
        }
    }

    /// What became known in any order, and was looked at in any order, ends in the same world.
    #[test]
    fn the_order_of_news_makes_no_difference(
        commits in 1..5usize,
        tags in prop::collection::btree_map((0..5u8, proptest::option::of(0..3u8)), 0..5usize, 1..8),
        shuffle in any::<u64>(),
        order in 0..6usize,
    ) {
        let news: Vec<Act> = tags.iter().map(|((n, rc), place)| Act::Tag(*n, *rc, *place)).collect();
        let mut other = news.clone();
        for n in (1..other.len()).rev() {
            other.swap(n, (shuffle.rotate_left(n as u32 * 7) % (n as u64 + 1)) as usize);
        }
        let play = |news: &[Act], order: usize| {
            let mut little = Little::new(CONFIG);
            little.settle(0)?;
            for _ in 0..commits {
                little.push(Some(CheckState::Passed));
            }
            for act in news {
                little.act(act);
            }
            little.settle(order)?;
            little.pass(2 * SOAK);
            little.settle(order + 1)?;
            Ok::<_, TestCaseError>(little)
        };
        let (one, two) = (play(&news, 0)?, play(&other, order)?);
        prop_assert_eq!(one.end_state(), two.end_state());
    }
}

/// The little world is no still life: promotions do travel in it, all the way.
#[test]
fn versions_do_travel_in_the_little_world() {
    let mut little = Little::new(CONFIG);
    little.settle(0).unwrap();
    let place = little.push(Some(CheckState::Passed));
    little.settle(0).unwrap();
    little.tag("v1.0-rc.1", place);
    little.settle(0).unwrap();
    little.tag("v1.0", place);
    little.settle(0).unwrap();
    little.act(&Act::Approve("sue"));
    little.settle(0).unwrap();
    assert_eq!(little.holds("prod"), "v0.9", "it soaks");
    little.pass(SOAK);
    little.settle(0).unwrap();
    assert_eq!((little.holds("stage"), little.holds("prod")), ("v1.0-rc.1", "v1.0"));
}
