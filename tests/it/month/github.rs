//! A GitHub in memory, as plain as `decide` sees one: it answers what is asked, and takes a write only when its precondition holds.

use std::collections::BTreeMap;

use jiff::Timestamp;
use trunkline::model::facts::Arrival;
use trunkline::model::finding::{CostChange, EnvironmentEvaluation, Evaluation, VersionChange};
use trunkline::model::id::{InstallationId, Key, Oid, RepoId};
use trunkline::model::ledger::Ledger;
use trunkline::model::merging::Merging;
use trunkline::model::path::RepoPath;
use trunkline::model::pipeline::Pipeline;
use trunkline::model::plan::{Effect, Need};
use trunkline::model::snapshot::*;

pub(super) const ENVIRONMENTS: [&str; 4] = ["dev", "stage", "prod-eu", "prod-us"];
/// The repository that holds the environments.
pub(super) const REPO: RepoId = RepoId(1);
/// The issue people talk to the bot in.
pub(super) const DESK: u64 = 1;

/// A commit of an application.
pub(super) struct Change {
    pub(super) id: Oid,
    pub(super) author: &'static str,
    pub(super) build: CheckState,
}

/// An application's repository.
pub(super) struct Shop {
    pub(super) trunk: Vec<Change>,
    pub(super) tags: BTreeMap<String, Oid>,
}

impl Shop {
    pub(super) fn place(&self, commit: Oid) -> Option<usize> {
        self.trunk.iter().position(|change| change.id == commit)
    }
}

/// A promotion pull request.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) brief: PullBrief,
    pub(super) app: usize,
    pub(super) environment: &'static str,
    pub(super) reviews: Vec<Review>,
    from: BTreeMap<String, String>,
    to: BTreeMap<String, String>,
    checks: Vec<OwnCheck>,
    comments: Vec<Comment>,
    requested: Vec<String>,
    /// The commit on the default branch that its merge made.
    merged_as: Option<Oid>,
}

/// Everything GitHub knows.
pub(super) struct GitHub {
    pub(super) now: Timestamp,
    pub(super) pipeline: Pipeline,
    pub(super) shops: Vec<Shop>,
    pub(super) held: BTreeMap<(usize, &'static str), Vec<Holding>>,
    pub(super) pulls: Vec<Request>,
    pub(super) desk: Vec<Comment>,
    /// Writes the bot made, by natural key.
    pub(super) writes: usize,
    ledger: Ledger,
    tip: Oid,
    count: u64,
}

fn bot() -> Bot {
    Bot { app: 1, slug: "trunkline".into() }
}

fn actor(login: &str) -> Actor {
    let bot = login == "trunkline";
    Actor { login: login.into(), bot }
}

pub(super) fn name(app: usize) -> String {
    format!("app-{app:02}")
}

fn image(app: usize) -> String {
    format!("ghcr.io/acme/{}", name(app))
}

impl GitHub {
    pub(super) fn new(now: Timestamp, pipeline: Pipeline, apps: usize) -> Self {
        let mut this = Self {
            now,
            pipeline,
            shops: Vec::new(),
            held: BTreeMap::new(),
            pulls: Vec::new(),
            desk: Vec::new(),
            writes: 0,
            ledger: Ledger::default(),
            tip: Oid([9; 20]),
            count: 0,
        };
        for app in 0..apps {
            let first = Change { id: this.oid(), author: "ann", build: CheckState::Passed };
            let tags = BTreeMap::from([("v0.9".to_owned(), first.id)]);
            for environment in ENVIRONMENTS {
                let held = this.holding(app, "v0.9", first.id);
                this.held.insert((app, environment), vec![held]);
            }
            this.shops.push(Shop { trunk: vec![first], tags });
        }
        this
    }

    pub(super) fn oid(&mut self) -> Oid {
        self.count += 1;
        // Spread over the first digits, so that short names differ.
        let mixed = self.count.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&mixed.to_be_bytes());
        bytes[12..].copy_from_slice(&self.count.to_be_bytes());
        Oid(bytes)
    }

    fn holding(&mut self, app: usize, version: &str, commit: Oid) -> Holding {
        let tags = BTreeMap::from([(image(app), version.to_owned())]);
        let trunk = version == commit.short();
        let version = Some(if trunk { commit.to_string() } else { version.to_owned() });
        Holding { tags, digests: Default::default(), version, commit: Some(commit), since: self.now, by: self.oid() }
    }

    fn repo(&self, id: RepoId, name: &str) -> Repo {
        Repo {
            id,
            installation: InstallationId(1),
            name: format!("acme/{name}").parse().unwrap(),
            url: format!("https://github.test/acme/{name}"),
            private: false,
            default_branch: "main".into(),
            tip: Some(self.tip),
            merge_methods: vec![MergeMethod::Squash],
        }
    }

    fn app_of(name: &str) -> usize {
        name.trim_start_matches("app-").parse().unwrap()
    }

    /// What a pass over this key sees; `pushers` is what deliveries told of tags. Only what the key is about comes along of
    /// ledger and configuration: copies of all of it would be most of the time.
    pub(super) fn observe(&self, key: &Key, pushers: &BTreeMap<String, String>) -> Option<Snapshot> {
        let mut only = None;
        let subject = match key {
            Key::Repo(_) => {
                let open = self.pulls.iter().filter(|pull| pull.brief.state == PullState::Open);
                let open = open.map(|pull| pull.brief.clone()).collect();
                Subject::Repo(RepoSubject { open, recent: vec![DESK], ..RepoSubject::default() })
            }
            Key::Pipeline(_, app) => {
                let facts = self.facts(Self::app_of(app), pushers);
                only = Some(app.clone());
                Subject::Pipeline(PipelineSubject { app: app.clone(), facts })
            }
            Key::Head(_, head) => {
                let on = self.pulls.iter().filter(|pull| pull.brief.head == *head);
                let checks = on.clone().flat_map(|pull| pull.checks.clone()).collect();
                only = on.clone().map(|pull| name(pull.app)).next();
                let open = on.filter(|pull| pull.brief.state == PullState::Open);
                let pulls = open.map(|pull| self.pull(pull)).collect();
                Subject::Head(HeadSubject { head: *head, checks, pulls, group: None })
            }
            Key::Pull(_, DESK) => Subject::Pull(PullSubject {
                number: DESK,
                pull: None,
                comments: self.desk.clone(),
                checked_at: None,
                check_since: None,
            }),
            Key::Pull(_, number) => {
                let pull = self.pulls.iter().find(|pull| pull.brief.number == *number)?;
                only = Some(name(pull.app));
                let checked = pull.checks.iter().find(|check| check.completed);
                Subject::Pull(PullSubject {
                    number: *number,
                    pull: Some(self.pull(pull)),
                    comments: pull.comments.clone(),
                    checked_at: checked.and_then(|check| check.completed_at),
                    check_since: pull.checks.iter().filter_map(|check| check.started_at).min(),
                })
            }
        };
        let (ledger, pipeline) = match only {
            None => (self.ledger.clone(), self.pipeline.clone()),
            Some(only) => {
                let entries = self.ledger.entries.iter().filter(|((app, _), _)| *app == only);
                let entries = entries.map(|(key, entry)| (key.clone(), entry.clone())).collect();
                let apps = self.pipeline.app(&only).cloned().into_iter().collect();
                let environments = self.pipeline.environments.clone();
                let (mode, policies) = (self.pipeline.mode, self.pipeline.policies.clone());
                (
                    Ledger {
                        entries,
                        head: self.ledger.head,
                        freezes: self.ledger.freezes.clone(),
                        ..Ledger::default()
                    },
                    Pipeline { mode, apps, environments, policies, registries: Vec::new() },
                )
            }
        };
        let common = Common {
            now: self.now,
            bot: bot(),
            repo: self.repo(REPO, "environments"),
            config: Configuration::Valid(pipeline),
            ledger,
        };
        Some(Snapshot { common, subject, facts: Facts::default() })
    }

    fn pull(&self, pull: &Request) -> Pull {
        Pull {
            brief: pull.brief.clone(),
            body: String::new(),
            draft: false,
            base_tip: self.tip,
            mergeable: Some(true),
            reviews: pull.reviews.clone(),
            requested: pull.requested.clone(),
            labels: Vec::new(),
            commit_authors: vec![actor("trunkline")],
        }
    }

    fn facts(&self, app: usize, pushers: &BTreeMap<String, String>) -> PipelineFacts {
        let shop = &self.shops[app];
        let held = ENVIRONMENTS.map(|environment| (environment, &self.held[&(app, environment)]));
        let tags: Vec<Tag> = shop
            .tags
            .iter()
            .map(|(name, commit)| Tag {
                name: name.clone(),
                commit: *commit,
                reachable: true,
                pusher: pushers.get(name).cloned(),
            })
            .collect();
        let wanting = tags.iter().map(|tag| tag.commit).chain(shop.trunk.last().map(|tip| tip.id));
        let mut descendants: BTreeMap<Oid, Vec<Oid>> = BTreeMap::new();
        for commit in wanting {
            let later = |other: &Oid| shop.place(*other) > shop.place(commit);
            let all = held.iter().flat_map(|(_, history)| history.iter().filter_map(|holding| holding.commit));
            descendants.insert(commit, all.filter(later).collect());
        }
        let commit = |change: &Change| Commit { id: change.id, subject: "A change".into(), at: self.now };
        let earlier = shop.trunk.iter().rev().skip(1).take(5).map(commit).collect();
        let trunk = shop.trunk.last().map(commit);
        let source = Source { repo: self.repo(Self::shop_id(app), &name(app)), trunk, earlier, tags, descendants };
        let environments = held.into_iter().map(|(environment, history)| {
            let folder = format!("{environment}/{}", name(app)).parse().unwrap();
            (environment.to_owned(), Holdings { folder, history: history.clone(), ..Holdings::default() })
        });
        let open = self.pulls.iter().filter(|pull| pull.app == app && pull.brief.state == PullState::Open);
        PipelineFacts {
            source: Some(source),
            environments: environments.collect(),
            promotions: open.map(|pull| pull.brief.clone()).collect(),
            ..PipelineFacts::default()
        }
    }

    fn shop_id(app: usize) -> RepoId {
        RepoId(100 + app as u64)
    }

    /// Answers what a plan must know first.
    pub(super) fn answer(&self, need: &Need, pushers: &BTreeMap<String, String>, facts: &mut Facts) {
        match need {
            Need::Evaluation { base, head } => {
                facts.evaluations.insert((*base, *head), self.evaluate(*head));
            }
            Need::Checks { repo, commit } => {
                let shop = repo.0.checked_sub(100).and_then(|app| self.shops.get(app as usize));
                let found = shop.and_then(|shop| Some(&shop.trunk[shop.place(*commit)?]));
                let check = |change: &Change| CommitCheck {
                    name: "build".into(),
                    app: "github-actions".into(),
                    state: change.build,
                };
                facts.checks.insert((*repo, *commit), found.map(check).into_iter().collect());
            }
            Need::Branch(branch) => {
                let all = self.pulls.iter().filter(|pull| pull.brief.branch == *branch);
                facts.branches.insert(branch.clone(), all.map(|pull| pull.brief.clone()).collect());
            }
            // No registry is listed in these months.
            Need::Image { .. } => unreachable!("nothing asks for images"),
            Need::Permission(login) => {
                let permission = if login == "rob" { Permission::Read } else { Permission::Write };
                facts.permissions.insert(login.clone(), permission);
            }
            Need::Member { team, login } => {
                let member = ["sam", "sue"].contains(&login.as_str());
                facts.members.insert((team.clone(), login.clone()), member);
            }
            Need::Changelog { app, from, to } => {
                let shop = &self.shops[Self::app_of(app)];
                let end = shop.place(*to).map_or(0, |at| at + 1);
                let begin = from.and_then(|from| shop.place(from)).map_or(0, |at| at + 1).min(end);
                let changes = shop.trunk[begin..end].iter().map(|change| trunkline::model::snapshot::Change {
                    commit: change.id,
                    subject: "A change".into(),
                    author: change.author.into(),
                    login: Some(change.author.into()),
                    pull: None,
                });
                let changelog = Changelog { changes: changes.collect(), total: end - begin };
                facts.changelogs.insert((app.clone(), *from, *to), changelog);
            }
            Need::Arrival(commit) => {
                let merged = |pull: &&Request| pull.merged_as == Some(*commit);
                let pull = self.pulls.iter().find(merged).map(|pull| pull.brief.clone());
                let arrival = Arrival { by: Some(actor("trunkline")), ours: false, green: pull.is_some(), pull };
                facts.arrivals.insert(*commit, arrival);
            }
            // This GitHub asks nothing of merges, and shows no deployments.
            Need::Merging { number, .. } => {
                facts.merging.insert(*number, Merging::default());
            }
            other @ (Need::Labelled { .. } | Need::Turn(_) | Need::Landed { .. } | Need::Deployments { .. }) => {
                facts.unmet.insert(other.clone(), "nobody looks that up here".into());
            }
            Need::Pipeline(app) => {
                facts.pipelines.insert(app.clone(), self.facts(Self::app_of(app), pushers));
            }
            // Asked for by questions only, and nobody asks any in these months.
            Need::Pull(_)
            | Need::Between { .. }
            | Need::Decisions { .. }
            | Need::Talk(_)
            | Need::Proposal
            | Need::Suggested { .. }
            | Need::Desk => {
                facts.unmet.insert(need.clone(), "nobody knows".into());
            }
        }
    }

    /// What merging a promotion does: the version moves, nothing does, or it conflicts with what was written since.
    fn evaluate(&self, head: Oid) -> Result<Evaluation, String> {
        let Some(pull) = self.pulls.iter().find(|pull| pull.brief.head == head) else {
            return Ok(Evaluation::default());
        };
        let now = &self.held[&(pull.app, pull.environment)][0].tags;
        if *now == pull.to {
            return Ok(Evaluation::default());
        }
        if *now != pull.from {
            return Err("it conflicts with its base".into());
        }
        let touched = EnvironmentEvaluation {
            environment: pull.environment.into(),
            applier: String::new(),
            path: RepoPath::default(),
            changes: Vec::new(),
            images: Vec::new(),
            amounts: Vec::new(),
            cost: CostChange::default(),
            versions: vec![VersionChange { app: name(pull.app), tags: pull.to.clone(), digests: Default::default() }],
            findings: Vec::new(),
            objects: 1,
            rendered: true,
            digest: format!("{:?}", pull.to),
        };
        Ok(Evaluation { environments: vec![touched], ..Evaluation::default() })
    }

    /// Takes a write when its precondition holds; `Err` when it does not. The answer is what GitHub then tells about.
    pub(super) fn apply(&mut self, effect: &Effect) -> Result<Vec<Key>, &'static str> {
        self.writes += 1;
        match effect {
            Effect::Wake(key) | Effect::Tell { key, .. } => {
                self.writes -= 1;
                return Ok(vec![key.clone()]);
            }
            Effect::PutCheck { head, existing, output, .. } => {
                let (id, now) = (self.oid().0[19].into(), self.now);
                let pull = self.pulls.iter_mut().find(|pull| pull.brief.head == *head).ok_or("no such head")?;
                let completed = output.conclusion.is_some();
                let check = OwnCheck {
                    id: existing.unwrap_or(id),
                    external_id: output.fingerprint(),
                    completed,
                    started_at: Some(now),
                    completed_at: completed.then_some(now),
                };
                pull.checks.retain(|old| Some(old.id) != *existing);
                pull.checks.insert(0, check);
            }
            Effect::PutComment { number, body, .. } => self.comment(*number, "trunkline", body),
            Effect::Reply { number, body, .. } => self.comment(*number, "trunkline", body),
            Effect::React { comment, reaction } => {
                let all = self.desk.iter_mut().chain(self.pulls.iter_mut().flat_map(|pull| &mut pull.comments));
                all.filter(|old| old.id == *comment).for_each(|old| old.reactions.push(*reaction));
            }
            Effect::Record { files, expected, .. } => {
                if *expected != self.ledger.head {
                    return Err("the ledger moved");
                }
                files.iter().for_each(|(path, text)| self.ledger.read(path, text));
                assert!(self.ledger.problems.is_empty(), "{:?}", self.ledger.problems);
                self.ledger.head = Some(self.oid());
            }
            Effect::Promote(promotion) => return self.open(promotion),
            Effect::Close { number, .. } => {
                let now = self.now;
                let pull = self.open_pull(*number)?;
                (pull.brief.state, pull.brief.closed_by) = (PullState::Closed, Some(actor("trunkline")));
                pull.brief.closed_at = Some(now);
                return Ok(vec![Key::Pipeline(REPO, name(pull.app))]);
            }
            Effect::Merge { number, head, .. } => {
                let pull = self.open_pull(*number)?;
                if pull.brief.head != *head {
                    return Err("the head moved");
                }
                return self.merge(*number);
            }
            Effect::RequestReviews { number, teams } => {
                let teams = teams.clone();
                self.open_pull(*number)?.requested = teams;
            }
            Effect::Commit { .. }
            | Effect::UpdateBranch { .. }
            | Effect::Enqueue { .. }
            | Effect::Dequeue { .. }
            | Effect::Say { .. }
            | Effect::Suggest(_)
            | Effect::Deploy(_)
            | Effect::Propose(_)
            | Effect::PutDesk { .. }
            | Effect::SetDeployment { .. } => return Err("nobody does this here"),
        }
        Ok(Vec::new())
    }

    fn open_pull(&mut self, number: u64) -> Result<&mut Request, &'static str> {
        let open = |pull: &&mut Request| pull.brief.number == number && pull.brief.state == PullState::Open;
        self.pulls.iter_mut().find(open).ok_or("it is not open")
    }

    fn open(&mut self, promotion: &trunkline::model::plan::Promotion) -> Result<Vec<Key>, &'static str> {
        let open = |pull: &&Request| pull.brief.branch == promotion.branch && pull.brief.state == PullState::Open;
        if self.pulls.iter().any(|pull| open(&pull)) {
            return Ok(Vec::new());
        }
        if promotion.base != self.tip {
            return Err("the base moved");
        }
        let folder = promotion.edit.folder.as_str();
        let (environment, app) = folder.split_once('/').unwrap();
        let (app, environment) =
            (Self::app_of(app), *ENVIRONMENTS.iter().find(|known| **known == environment).unwrap());
        let head = self.oid();
        let number = DESK + 1 + self.pulls.len() as u64;
        let brief = PullBrief {
            number,
            state: PullState::Open,
            title: promotion.title.clone(),
            author: actor("trunkline"),
            branch: promotion.branch.clone(),
            fork: false,
            head,
            base: "main".into(),
            closed_at: None,
            closed_by: None,
            branch_deleted: false,
        };
        self.pulls.push(Request {
            brief,
            app,
            environment,
            reviews: Vec::new(),
            from: self.held[&(app, environment)][0].tags.clone(),
            // What else the edit names no environment here writes.
            to: promotion.edit.tags.iter().filter(|(name, _)| *name == image(app)).cloned().collect(),
            checks: Vec::new(),
            comments: Vec::new(),
            requested: Vec::new(),
            merged_as: None,
        });
        Ok(vec![Key::Pull(REPO, number), Key::Head(REPO, head), Key::Pipeline(REPO, name(app))])
    }

    fn merge(&mut self, number: u64) -> Result<Vec<Key>, &'static str> {
        let pull = self.open_pull(number)?.clone();
        let (app, environment) = (pull.app, pull.environment);
        if self.held[&(app, environment)][0].tags != pull.from {
            return Err("it conflicts");
        }
        let version = pull.to.values().next().cloned().unwrap_or_default();
        let shop = &self.shops[app];
        let on_trunk = shop.trunk.iter().map(|change| change.id).find(|id| id.short() == version);
        // A tag that is gone or moved still ran as what it was: the branch says which commit.
        let named = pull.brief.branch.rsplit('-').next().unwrap_or_default().to_owned();
        let of_branch = shop.trunk.iter().map(|change| change.id).find(|id| id.short() == named);
        let commit = of_branch.or(on_trunk).ok_or("nobody made this version")?;
        let holding = self.holding(app, &version, commit);
        let merged_as = Some(holding.by);
        self.held.get_mut(&(app, environment)).unwrap().insert(0, holding);
        let now = self.now;
        let pull = self.open_pull(number)?;
        (pull.brief.state, pull.brief.closed_at, pull.merged_as) = (PullState::Merged, Some(now), merged_as);
        self.tip = self.oid();
        Ok(vec![Key::Pipeline(REPO, name(app)), Key::Pull(REPO, number)])
    }

    /// Somebody comments.
    pub(super) fn comment(&mut self, number: u64, login: &str, body: &str) {
        let id = u64::from_be_bytes(self.oid().0[12..].try_into().unwrap());
        let comment = Comment {
            id,
            author: actor(login),
            body: body.into(),
            at: self.now,
            edited: false,
            url: format!("https://github.test/acme/environments/issues/{number}#issuecomment-{id}"),
            reactions: Vec::new(),
        };
        if number == DESK {
            // What is answered long ago is on a page nobody reads any more.
            let keep = self.desk.len().saturating_sub(20);
            self.desk.drain(..keep);
            self.desk.push(comment);
        } else if let Some(pull) = self.pulls.iter_mut().find(|pull| pull.brief.number == number) {
            pull.comments.retain(|old| !(old.author.bot && login == "trunkline"));
            pull.comments.push(comment);
        }
    }

    /// Somebody approves what is there now.
    pub(super) fn approve(&mut self, number: u64, login: &str) {
        let now = self.now;
        let Ok(pull) = self.open_pull(number) else { return };
        let review =
            Review { author: actor(login), state: ReviewState::Approved, commit: Some(pull.brief.head), at: now };
        pull.reviews.retain(|old| old.author.login != login);
        pull.reviews.push(review);
    }

    /// Somebody closes it without merging.
    pub(super) fn close(&mut self, number: u64, login: &str) {
        let now = self.now;
        let Ok(pull) = self.open_pull(number) else { return };
        (pull.brief.state, pull.brief.closed_by) = (PullState::Closed, Some(actor(login)));
        pull.brief.closed_at = Some(now);
    }
}
