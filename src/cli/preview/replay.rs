//! The last versions and merges again, each judged by `decide` and the rules as things stood then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::config;
use crate::decide::{Outlook, holdings, outlook};
use crate::git::{GitError, Refs, Scope, Store};
use crate::model::facts::{Arrival, CheckState, CommitCheck};
use crate::model::finding::{Evaluation, Problem, Severity};
use crate::model::id::{InstallationId, Oid, RepoId, RepoName};
use crate::model::ledger::Ledger;
use crate::model::pipeline::{App, Pipeline};
use crate::model::plan::Need;
use crate::model::snapshot::{
    Bot, Commit, Common, Configuration, Facts, PipelineFacts, PipelineSubject, Repo, Snapshot, Source, Subject, Tag,
};
use crate::model::tree::{Objects, Tree};
use crate::model::verdict::Answer;
use crate::policy::files;
use crate::reconcile::held_at;
use crate::report::markdown::line;
use crate::report::verdict::blockers;
use crate::worker::{Request, Worker};

/// Applications that are told about: a table of more is read by nobody.
pub(super) const MAX_APPS: usize = 10;
/// Commits and tags that may be candidates: the twenty that are told about, and what stood before them.
const MAX_CANDIDATES: usize = 60;
/// Rounds of looking things up for one moment, as the bot has.
const MAX_ROUNDS: usize = 8;
/// Gates named in one line.
const MAX_GATES: usize = 3;

pub(super) const LIMITS: &str = "\
What git does not tell, and so is not known here:
  - whether builds had passed: every version is taken for built (the bot asks for its checks)
  - approvals, labels, holds and freezes of that time: where approvals are asked for, it waits for them
  - clusters, and images in registries: gates on them wait
  - when a tag was pushed: it counts from the time of its commit, and versions compete with those before them
  - pull requests that were never merged: only what reached the default branch is shown
";

/// The repository with the environments.
pub(super) struct Place {
    pub(super) name: RepoName,
    pub(super) url: String,
    pub(super) store: Arc<Store>,
    pub(super) tip: Oid,
}

pub(super) struct Replay {
    pub(super) here: Place,
    pub(super) pipeline: Pipeline,
    pub(super) is_proposed: bool,
    pub(super) last: usize,
    pub(super) worker: Worker,
}

/// Something that would have woken the bot.
struct Event {
    at: Timestamp,
    commit: Oid,
    /// The tag; `None`: a commit on trunk.
    tag: Option<String>,
}

impl Replay {
    pub(super) fn head(&self) -> String {
        let by = match self.is_proposed {
            true => format!("the configuration it would propose: there is no {} yet", config::FILE),
            false => format!("{} on its default branch", config::FILE),
        };
        let names: Vec<&str> = self.pipeline.environments.iter().map(|environment| environment.name.as_str()).collect();
        format!(
            "What Trunkline would have done in {}, by {by}.\nEnvironments: {}.\n\n",
            self.here.name,
            names.join(", ")
        )
    }

    /// The last versions of an application, and where they would have gone.
    pub(super) fn app(&self, app: &App, source: &RepoName, store: &Store, refs: &Refs) -> Result<String, GitError> {
        let facts = self.facts(app, source, store, refs)?;
        let mut events = events(store, &facts)?;
        events.sort_by(|a, b| (b.at, &b.tag).cmp(&(a.at, &a.tag)));
        let mut out = format!("{}, from {source}\n", app.name);
        for event in events.iter().take(self.last) {
            let then = back_to(&facts, event.at, store);
            let found = self.judged(app, then, event.at);
            let what = event.tag.clone().unwrap_or_else(|| event.commit.short());
            let mut told = false;
            for one in found.iter().filter(|one| is_about(one, event)) {
                row(&mut out, event.at, &what, &format!("{:<12} {}", one.environment, outcome(one)));
                told = true;
            }
            if !told {
                row(&mut out, event.at, &what, "nothing: no environment would have taken it then");
            }
        }
        if events.is_empty() {
            out.push_str("  no version: no tag fits, and trunk is empty\n");
        }
        out.push('\n');
        Ok(out)
    }

    /// Applications that are not told about.
    pub(super) fn unshown(&self) -> String {
        let names: Vec<&str> = self.pipeline.apps.iter().skip(MAX_APPS).map(|app| app.name.as_str()).collect();
        if names.is_empty() {
            String::new()
        } else {
            format!("Not shown, for length: {}\n\n", line(&names.join(", "), 500))
        }
    }

    /// What is known of an application's way, as it stands now.
    fn facts(&self, app: &App, source: &RepoName, store: &Store, refs: &Refs) -> Result<PipelineFacts, GitError> {
        let branch = refs.default_branch.clone().unwrap_or_else(|| "main".to_owned());
        let tip = refs.heads.get(&branch).copied();
        let trunk = match tip {
            Some(tip) => store.trunk(tip, &Scope { within: Vec::new(), without: Vec::new() }, MAX_CANDIDATES)?,
            None => Vec::new(),
        };
        let reachable = store.ancestors(&tip.into_iter().collect::<Vec<_>>())?;
        let mut versions: Vec<_> =
            refs.tags.iter().filter_map(|(name, tag)| Some((app.tags.version(name)?, name, tag.commit))).collect();
        versions.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        let tag = |(_, name, commit): &(_, &String, Oid)| Tag {
            name: (*name).clone(),
            commit: *commit,
            reachable: reachable.contains(commit),
            pusher: None,
        };
        let repo = self.repo(RepoId(2), source, &branch, tip);
        let mut commits = trunk.into_iter().map(|info| Commit { id: info.id, subject: info.subject, at: info.at });
        let (trunk, earlier) = (commits.next(), commits.collect());
        let tags = versions.iter().take(MAX_CANDIDATES).map(tag).collect();
        let mut source = Source { repo, trunk, earlier, tags, descendants: BTreeMap::new() };
        let mut facts = PipelineFacts::default();
        for environment in &self.pipeline.environments {
            let Some(folder) = environment.folder(&app.name) else { continue };
            let mut held = held_at(&self.here.store, self.here.tip, app, folder)?;
            let words = held
                .history
                .iter()
                .flat_map(|holding| holding.tags.values())
                .flat_map(|tag| holdings::commit_words(tag));
            let words = words.filter_map(|word| Some((word.to_owned(), store.find_commit(word)?))).collect();
            holdings::name_versions(app, &source, &words, &mut held.history);
            facts.environments.insert(environment.name.clone(), held);
        }
        let held =
            facts.environments.values().flat_map(|held| held.history.iter().filter_map(|holding| holding.commit));
        let wanting = source
            .tags
            .iter()
            .map(|tag| tag.commit)
            .chain(source.trunk.iter().chain(&source.earlier).map(|commit| commit.id));
        let all: BTreeSet<Oid> = held.chain(wanting).collect();
        source.descendants = store.descendants(&all, &all)?.into_iter().collect();
        facts.source = Some(source);
        Ok(facts)
    }

    fn repo(&self, id: RepoId, name: &RepoName, branch: &str, tip: Option<Oid>) -> Repo {
        Repo {
            id,
            installation: InstallationId(0),
            name: name.clone(),
            url: self.here.url.clone(),
            private: true,
            default_branch: branch.to_owned(),
            tip,
            merge_methods: Vec::new(),
        }
    }

    /// What `decide` says of that moment; what only GitHub, a registry or a cluster knows is answered as the closing words say.
    fn judged(&self, app: &App, facts: PipelineFacts, now: Timestamp) -> Vec<Outlook> {
        let common = Common {
            now,
            bot: Bot { app: 0, slug: "trunkline".to_owned() },
            repo: self.repo(RepoId(1), &self.here.name, "main", Some(self.here.tip)),
            config: Configuration::Valid(self.pipeline.clone()),
            ledger: Ledger::default(),
        };
        let subject = Subject::Pipeline(PipelineSubject { app: app.name.clone(), facts });
        let mut snapshot = Snapshot { common, subject, facts: Facts::default() };
        for _ in 0..MAX_ROUNDS {
            let (found, needs) = outlook(&snapshot);
            if needs.is_empty() {
                return found;
            }
            needs.into_iter().for_each(|need| answer(need, &mut snapshot.facts));
        }
        outlook(&snapshot).0
    }

    /// What the rules would have said of the last merges.
    pub(super) async fn merges(&self) -> Result<String, GitError> {
        let Place { store, tip, .. } = &self.here;
        let commits = store.trunk(*tip, &Scope { within: Vec::new(), without: Vec::new() }, self.last)?;
        let rules = store.tree_of(*tip)?;
        let tree = Tree::new(rules, &**store);
        let entry = config::FILE.parse().ok().and_then(|path| tree.entry(&path).ok().flatten());
        let policies = files::list(&tree, &self.pipeline.policies.paths);
        let mut out = format!("What it would have said of the last merges to {}\n", self.here.name);
        let before = out.len();
        for commit in commits {
            // The first commit of all changes everything, and says nothing.
            let Some(parent) = store.first_parent(commit.id)? else { continue };
            let request = Request {
                installation: InstallationId(0),
                base: store.tree_of(parent)?,
                head: store.tree_of(commit.id)?,
                pipeline: self.pipeline.clone(),
                config: entry.as_ref().map(|entry| entry.id),
                policies: policies.clone(),
                today: Some(commit.at.to_zoned(TimeZone::UTC).date()),
                mask: [0; 32],
                between: None,
            };
            let objects = Arc::clone(store) as Arc<dyn Objects>;
            let evaluation = self.worker.evaluate(objects, request).await;
            let what = format!("{} ({})", said(&evaluation), line(&commit.subject, 60));
            row(&mut out, commit.at, &commit.id.short(), &what);
        }
        if out.len() == before {
            out.push_str("  nothing: nothing was merged yet\n");
        }
        out.push('\n');
        Ok(out)
    }
}

/// An application whose source cannot be read.
pub(super) fn unread(app: &str, problems: &[Problem]) -> String {
    let why: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    format!("{app}\n  its versions are not shown: {}\n\n", line(&why.join("; "), 500))
}

fn events(store: &Store, facts: &PipelineFacts) -> Result<Vec<Event>, GitError> {
    let Some(source) = &facts.source else { return Ok(Vec::new()) };
    let trunk = source.trunk.iter().chain(&source.earlier);
    let mut events: Vec<Event> = trunk.map(|commit| Event { at: commit.at, commit: commit.id, tag: None }).collect();
    for tag in &source.tags {
        let at = store.commit_info(tag.commit)?.at;
        events.push(Event { at, commit: tag.commit, tag: Some(tag.name.clone()) });
    }
    Ok(events)
}

/// What was known at an earlier moment.
fn back_to(facts: &PipelineFacts, at: Timestamp, store: &Store) -> PipelineFacts {
    let mut then = facts.clone();
    if let Some(source) = &mut then.source {
        let mut commits =
            source.trunk.take().into_iter().chain(std::mem::take(&mut source.earlier)).filter(|commit| commit.at <= at);
        (source.trunk, source.earlier) = (commits.next(), commits.collect());
        source.tags.retain(|tag| store.commit_info(tag.commit).is_ok_and(|info| info.at <= at));
    }
    for held in then.environments.values_mut() {
        held.history.retain(|holding| holding.since <= at);
    }
    then
}

/// What the closing words say of what git does not tell.
fn answer(need: Need, facts: &mut Facts) {
    match need {
        Need::Checks { repo, commit } => {
            let built = CommitCheck { name: "build".to_owned(), app: String::new(), state: CheckState::Passed };
            facts.checks.insert((repo, commit), vec![built]);
        }
        Need::Branch(branch) => drop(facts.branches.insert(branch, Vec::new())),
        // Whatever stands was put there by people who knew no gates.
        Need::Arrival(commit) => {
            facts.arrivals.insert(commit, Arrival { by: None, ours: true, green: true, pull: None });
        }
        other => drop(facts.unmet.insert(other, "a preview reads nothing but git".to_owned())),
    }
}

fn is_about(one: &Outlook, event: &Event) -> bool {
    let Some((version, commit)) = &one.version else { return false };
    let named = event.tag.as_ref().map_or(*version == event.commit.short(), |tag| tag.ends_with(version.as_str()));
    *commit == event.commit && named
}

fn outcome(one: &Outlook) -> String {
    if one.verdict.answer == Answer::Yes {
        return "would be promoted".to_owned();
    }
    let blockers = blockers(&one.verdict);
    let shown: Vec<String> =
        blockers.iter().take(MAX_GATES).map(|gate| format!("{} ({})", line(&gate.text, 120), gate.code)).collect();
    let more = blockers.len().saturating_sub(MAX_GATES);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let word = if one.verdict.answer == Answer::Wait { "would wait" } else { "would stay out" };
    format!("{word}: {}{more}", shown.join("; "))
}

fn said(evaluation: &Evaluation) -> String {
    if evaluation.environments.is_empty() && evaluation.findings.is_empty() {
        return "touches no environment".to_owned();
    }
    let names: BTreeSet<&str> = evaluation.environments.iter().map(|one| one.environment.as_str()).collect();
    let touched = names.into_iter().collect::<Vec<_>>().join(", ");
    let all = || evaluation.environments.iter().flat_map(|one| &one.findings).chain(&evaluation.findings);
    let new = || all().filter(|finding| finding.delta == crate::model::finding::Delta::New);
    let errors = new().filter(|finding| finding.severity == Severity::Error).count();
    let rules: BTreeSet<&str> = new().map(|finding| finding.rule.as_str()).collect();
    match new().count() {
        0 => format!("{touched}: no new finding"),
        count => format!(
            "{touched}: {count} new findings, {errors} of them errors: {}",
            rules.into_iter().collect::<Vec<_>>().join(", ")
        ),
    }
}

fn row(out: &mut String, at: Timestamp, what: &str, outcome: &str) {
    out.push_str(&format!("  {}  {:<14} {outcome}\n", at.strftime("%Y-%m-%d %H:%M"), line(what, 40)));
}
