//! Versions travel: for each environment the version it should hold, the gates before it, and the promotion that carries it.

use super::draft::Draft;
use super::gates::{self, Entering};
use super::versions::{self, Candidate, Cause, Looking};
use super::{branch_rules, cancelled, first_sight, images, out_of_band, texts, ways_in};
use crate::model::id::Key;
use crate::model::ledger::{Entry, TagPin};
use crate::model::pipeline::{App, Environment, Mode, Pipeline, Via};
use crate::model::plan::{Effect, Need, Plan, Promotion, VersionEdit};
use crate::model::snapshot::{
    PipelineFacts, PipelineSubject, Pull, PullBrief, PullState, Snapshot, Source, Subject, Tag,
};
use crate::model::verdict::{Answer, Verdict};

/// How one environment stands: what `/status` shows and the pipeline acts on.
pub(super) struct Standing<'a> {
    /// The environment.
    pub(super) environment: &'a Environment,
    /// The version that wants in, if any.
    pub(super) candidate: Option<Candidate>,
    /// Why it is in, waits, or stays out.
    pub(super) verdict: Verdict,
}

/// Plans the promotions of one application.
pub(super) fn plan(snapshot: &Snapshot, subject: &PipelineSubject, pipeline: &Pipeline, plan: &mut Plan) {
    let Some(app) = pipeline.app(&subject.app) else { return };
    let Some(source) = &subject.facts.source else {
        plan.verdicts.push(unreachable_source(&subject.facts));
        return;
    };
    let mut draft = Draft::new(&snapshot.common.ledger);
    let mut effects = Vec::new();
    for environment in &pipeline.environments {
        let pass = Pass { snapshot, pipeline, app, source, facts: &subject.facts, environment };
        let verdict = pass.environment(&mut draft, &mut effects, &mut plan.needs);
        if let Some(until) = super::check::earliest(&verdict) {
            plan.look_again(until);
        }
        plan.verdicts.push(verdict);
    }
    if pipeline.mode == Mode::Observe {
        return;
    }
    plan.effects.extend(draft.effect());
    plan.effects.extend(effects);
}

/// How every environment of an application stands, without planning anything.
pub(super) fn standings<'a>(
    snapshot: &Snapshot,
    pipeline: &'a Pipeline,
    app: &App,
    facts: &PipelineFacts,
    needs: &mut Vec<Need>,
) -> Vec<Standing<'a>> {
    let standing = |environment: &'a Environment| {
        let Some(source) = &facts.source else {
            return Standing { environment, candidate: None, verdict: unreachable_source(facts) };
        };
        let pass = Pass { snapshot, pipeline, app, source, facts, environment };
        let (candidate, verdict) = pass.standing(needs);
        Standing { environment, candidate, verdict }
    };
    pipeline.environments.iter().map(standing).collect()
}

/// The open promotion on a branch.
pub(super) fn open_promotion<'f>(facts: &'f PipelineFacts, branch: &str) -> Option<&'f PullBrief> {
    facts.promotions.iter().find(|pull| pull.branch == branch)
}

/// A pull request as gates see it, where this pass knows it: the one that is looked at, or one that was asked for.
fn known_pull(snapshot: &Snapshot, number: u64) -> Option<&Pull> {
    match &snapshot.subject {
        Subject::Pull(subject) if subject.number == number => subject.pull.as_ref(),
        _ => snapshot.facts.pulls.get(&number),
    }
}

/// How one environment would stand if this version wanted in.
pub(super) fn prognosis<'a>(
    snapshot: &Snapshot,
    pipeline: &Pipeline,
    (app, environment): (&App, &'a Environment),
    (facts, candidate): (&PipelineFacts, Candidate),
    needs: &mut Vec<Need>,
) -> Standing<'a> {
    let Some(source) = &facts.source else {
        return Standing { environment, candidate: None, verdict: unreachable_source(facts) };
    };
    let pass = Pass { snapshot, pipeline, app, source, facts, environment };
    match pass.obstacle() {
        Some(verdict) => Standing { environment, candidate: None, verdict },
        None => {
            let verdict = pass.judged(&candidate, needs);
            Standing { environment, candidate: Some(candidate), verdict }
        }
    }
}

fn unreachable_source(facts: &PipelineFacts) -> Verdict {
    let why = facts.problems.first().map_or("the source repository cannot be read", |problem| problem.message.as_str());
    Verdict::no("source-unreachable", why).next("install the App on the source repository, or correct `source`")
}

/// What a pass over one environment adds to: ledger, effects, needs.
type Writes<'p, 'l> = (&'p mut Draft<'l>, &'p mut Vec<Effect>, &'p mut Vec<Need>);

#[derive(Clone, Copy)]
struct Pass<'a> {
    snapshot: &'a Snapshot,
    pipeline: &'a Pipeline,
    app: &'a App,
    source: &'a Source,
    facts: &'a PipelineFacts,
    environment: &'a Environment,
}

impl Pass<'_> {
    fn looking<'b>(&'b self, entry: &'b Entry) -> Looking<'b> {
        Looking {
            snapshot: self.snapshot,
            app: self.app,
            environment: self.environment,
            facts: self.facts,
            source: self.source,
            entry,
        }
    }

    fn entering<'b>(&'b self, candidate: &'b Candidate) -> Entering<'b> {
        Entering {
            snapshot: self.snapshot,
            app: self.app,
            environment: self.environment,
            facts: self.facts,
            source: self.source,
            candidate,
            change: None,
        }
    }

    /// What keeps this environment from being looked at all.
    fn obstacle(&self) -> Option<Verdict> {
        if let Some(problem) = self.snapshot.common.ledger.trouble(&self.app.name, &self.environment.name) {
            return Some(texts::unreadable_ledger(problem));
        }
        let Some(holdings) = self.facts.environments.get(&self.environment.name) else {
            let text = format!("{} has no place in {}", self.app.name, self.environment.name);
            return Some(Verdict::no("not-here", text).next("correct the environment's `path`"));
        };
        let (problem, is_left) = match (&holdings.left, holdings.problems.first()) {
            (_, Some(problem)) => (problem, false),
            (Some(left), None) => (left, true),
            (None, None) => return None,
        };
        let place = problem.location.as_ref().map(|at| format!(" ({at})")).unwrap_or_default();
        let text = format!("{}{place}", problem.message);
        let help = problem.help.as_deref();
        if is_left {
            let verdict = Verdict::yes("left-to-flux", text);
            return Some(Verdict { next: help.map(str::to_owned), ..verdict });
        }
        let help = help.unwrap_or("write the version where Trunkline finds it: `trunkline check` shows where");
        Some(Verdict::no("no-version-field", text).next(help))
    }

    /// The candidate and its gates.
    fn standing(self, needs: &mut Vec<Need>) -> (Option<Candidate>, Verdict) {
        if let Some(obstacle) = self.obstacle() {
            return (None, obstacle);
        }
        let entry = self.snapshot.common.ledger.entry(&self.app.name, &self.environment.name);
        match versions::wanted(&self.looking(&entry), needs) {
            Err(verdict) => match out_of_band::report(self.snapshot, (self.app, self.environment), self.facts, needs) {
                Some(past) => {
                    (None, Verdict { answer: past.answer.max(verdict.answer), because: vec![past], ..verdict })
                }
                None => (None, verdict),
            },
            Ok(candidate) => {
                let verdict = self.judged(&candidate, needs);
                (Some(candidate), verdict)
            }
        }
    }

    /// The gates of a version that wants in or might, judged on its pull request where that is known.
    fn judged(&self, candidate: &Candidate, needs: &mut Vec<Need>) -> Verdict {
        let open = open_promotion(self.facts, &candidate.branch(&self.app.name, &self.environment.name));
        let pull = open.and_then(|open| known_pull(self.snapshot, open.number));
        let mut because = gates::all(&self.entering(candidate), pull, needs);
        because.extend(pull.and_then(|pull| ways_in::foreign_commits(self.snapshot, pull)));
        because.extend(open.and_then(|open| branch_rules::gate(self.snapshot, open, needs)));
        if open.is_none() {
            because.extend(self.rejected(candidate, needs));
        }
        Verdict::all("entering", self.headline(candidate), because)
    }

    fn headline(&self, candidate: &Candidate) -> String {
        match &candidate.cause {
            Cause::Newest => format!("{} wants into {}", candidate.version, self.environment.name),
            Cause::Asked(by) => {
                format!("{} wants into {}: {} asked for it", candidate.version, self.environment.name, by.by)
            }
            Cause::Rollback(by) => {
                format!("{} goes back to {}: {} asked for it", self.environment.name, candidate.version, by.by)
            }
        }
    }

    fn environment(&self, draft: &mut Draft<'_>, effects: &mut Vec<Effect>, needs: &mut Vec<Need>) -> Verdict {
        if let Some(obstacle) = self.obstacle() {
            return obstacle;
        }
        let entry = self.snapshot.common.ledger.entry(&self.app.name, &self.environment.name);
        let holdings = &self.facts.environments[&self.environment.name];
        if entry.first_sight.is_none() && self.pipeline.mode == Mode::Enforce {
            first_sight::record(self.snapshot, self.app, self.environment, self.source, holdings, draft);
            return Verdict::yes("first-sight", "what it holds now is accepted; later versions start promotions");
        }
        let looking = self.looking(&entry);
        let mut open = looking.open();
        cancelled::close(self.snapshot, &entry, &mut open, effects);
        let candidate = match versions::wanted(&looking, needs) {
            Ok(candidate) => candidate,
            Err(verdict) => {
                let why = |pull: &PullBrief| match self.deleted_tag(pull, &entry) {
                    Some(tag) => texts::cancelled(tag),
                    None => texts::moot(&verdict),
                };
                effects.extend(open.iter().map(|pull| Effect::Close { number: pull.number, comment: why(pull) }));
                return verdict;
            }
        };
        let branch = candidate.branch(&self.app.name, &self.environment.name);
        let headline = self.headline(&candidate);
        if let Some(pull) = open.iter().find(|pull| pull.branch == branch) {
            let older = open.iter().filter(|other| other.branch != branch);
            effects.extend(
                older.map(|other| Effect::Close { number: other.number, comment: texts::superseded(pull, &candidate) }),
            );
            let known = candidate.tag.as_ref().filter(|tag| tag.pusher.is_some());
            if self.pipeline.mode == Mode::Enforce {
                self.pin(known, draft);
            }
            let gates = gates::all(&self.entering(&candidate), None, needs);
            let verdict = Verdict::all("promoting", format!("{headline}, in #{}", pull.number), gates);
            // GitHub tells of checks and tags where the source is; that the promotion's own check reads differently now is told here.
            let pusher = known.and_then(|tag| tag.pusher.as_deref()).unwrap_or_default();
            let news = format!("{pusher}\n{}", crate::report::verdict::plain(&verdict));
            let repo = self.snapshot.common.repo.id;
            let keys = [Key::Pull(repo, pull.number), Key::Head(repo, pull.head)];
            effects.extend(keys.map(|key| Effect::Tell { key, news: news.clone() }));
            return verdict;
        }
        let mut before = gates::exists(&self.entering(&candidate), None, needs);
        let known = before.len();
        if !candidate.is_rollback() {
            before.extend(gates::holds(&self.entering(&candidate)));
        }
        before.extend(cancelled::gate(&entry, &candidate, &self.environment.name));
        before.extend(self.rejected(&candidate, needs));
        // What was merged a moment ago may not be known to have come well: a moment more, and the promotion is opened with the truth.
        before.extend(out_of_band::gate(&self.entering(&candidate), None, needs).filter(|gate| gate.until.is_some()));
        if self.environment.via == Via::Commit {
            before.extend(gates::all(&self.entering(&candidate), None, needs).into_iter().skip(known));
        }
        let verdict = Verdict::all("entering", headline, before);
        if verdict.answer == Answer::Yes && self.pipeline.mode == Mode::Enforce {
            let before = effects.len();
            self.enter(&candidate, &branch, (draft, effects, needs));
            // Once the new promotion has a number, the next pass closes the older one with a word about it.
            if effects.len() > before && !open.is_empty() {
                effects.push(Effect::Wake(Key::Pipeline(self.snapshot.common.repo.id, self.app.name.clone())));
            }
        } else if verdict.answer == Answer::Wait && self.pipeline.mode == Mode::Enforce {
            // Only this pass may know who pushed the tag; when the wait is over, four eyes must still know it.
            self.pin(candidate.tag.as_ref().filter(|tag| tag.pusher.is_some()), draft);
        }
        verdict
    }

    /// The tag that an open promotion was made for, when it is gone from the source.
    fn deleted_tag<'e>(&self, pull: &PullBrief, entry: &'e Entry) -> Option<&'e str> {
        let (_, _, version) = versions::read_branch(&pull.branch)?;
        let made_for = |tag: &&String| {
            let named = self.app.tags.version(tag).map(|version| version.to_string());
            named.is_some_and(|named| version.strip_prefix(&named).is_some_and(|rest| rest.starts_with('-')))
        };
        let tag = entry.tags.keys().find(made_for)?;
        (!self.source.tags.iter().any(|known| known.name == *tag)).then_some(tag.as_str())
    }

    /// Whether a person has closed this very promotion and nobody asked again since.
    fn rejected(&self, candidate: &Candidate, needs: &mut Vec<Need>) -> Option<Verdict> {
        let branch = candidate.branch(&self.app.name, &self.environment.name);
        let Some(pulls) = self.snapshot.facts.branches.get(&branch) else {
            let need = Need::Branch(branch);
            return Some(match self.snapshot.facts.unmet.get(&need) {
                Some(why) => Verdict::wait("promotions", format!("earlier promotions cannot be read: {why}"))
                    .next("comment `/trunkline retry`"),
                None => {
                    needs.push(need);
                    Verdict::wait("promotions", "looking up earlier promotions").next("it goes on by itself")
                }
            });
        };
        let asked = match &candidate.cause {
            Cause::Newest => None,
            Cause::Asked(request) | Cause::Rollback(request) => Some(request.at),
        };
        let ended = |pull: &&PullBrief| {
            let before = pull.closed_at.is_some_and(|at| asked.is_some_and(|asked| at < asked));
            !before && (pull.state == PullState::Merged || pull.is_rejection(&self.snapshot.common.bot))
        };
        let pull = pulls.iter().filter(ended).max_by_key(|pull| pull.number)?;
        let again = format!("comment `/promote {} {}` to ask for it again", self.environment.name, candidate.version);
        let text = match (pull.state, &pull.closed_by) {
            (PullState::Merged, _) => {
                format!("{} entered with #{} and was replaced since", candidate.version, pull.number)
            }
            (_, Some(who)) => format!("{} closed #{}, so {} is rejected", who.login, pull.number, candidate.version),
            (_, None) => format!("#{} was closed, so {} is rejected", pull.number, candidate.version),
        };
        Some(Verdict::no("rejected", text).next(again))
    }

    /// Remembers what a tag names, and who pushed it, from when it first starts something; `false` when nothing was new.
    fn pin(&self, tag: Option<&Tag>, draft: &mut Draft<'_>) -> bool {
        let Some(tag) = tag else { return false };
        let entry = self.snapshot.common.ledger.entry(&self.app.name, &self.environment.name);
        // The tag may have been seen before the delivery that tells who pushed it came in: that much is learnt later.
        let late = |pin: &TagPin| pin.pusher.is_none() && tag.pusher.is_some() && pin.commit == tag.commit;
        if entry.tags.get(&tag.name).is_some_and(|pin| !late(pin)) {
            return false;
        }
        let pin = TagPin { commit: tag.commit, pusher: tag.pusher.clone(), at: self.snapshot.common.now };
        let by = tag.pusher.as_ref().map_or(String::new(), |pusher| format!(", pushed by {pusher}"));
        let (app, environment, commit) = (&self.app.name, &self.environment.name, tag.commit.short());
        let why = format!("the tag {} of {app} asks for {environment}: commit {commit}{by}", tag.name);
        draft.change(&self.app.name, &self.environment.name, why, |entry| {
            entry.tags.entry(tag.name.clone()).or_insert(pin).pusher.clone_from(&tag.pusher);
        });
        true
    }

    /// Writes the promotion, once everything it needs is known.
    fn enter(&self, candidate: &Candidate, branch: &str, (draft, effects, needs): Writes<'_, '_>) {
        let holdings = &self.facts.environments[&self.environment.name];
        let from = holdings.history.first().and_then(|holding| holding.commit);
        let key = (self.app.name.clone(), from, candidate.commit);
        let need = Need::Changelog { app: key.0.clone(), from, to: candidate.commit };
        let changelog = match (self.snapshot.facts.changelogs.get(&key), self.snapshot.facts.unmet.contains_key(&need))
        {
            (Some(changelog), _) => changelog.clone(),
            (None, true) => Default::default(),
            (None, false) => return needs.push(need),
        };
        let Some(base) = self.snapshot.common.repo.tip else { return };
        self.pin(candidate.tag.as_ref(), draft);
        let entering = self.entering(candidate);
        let digests = images::resolve(&entering, None, needs).map(|images| images.digests).unwrap_or_default();
        let tags = candidate.image_tags(self.app);
        let edit = VersionEdit { app: self.app.name.clone(), folder: holdings.folder.clone(), tags, digests };
        let texts = texts::promotion(&entering, holdings, &changelog);
        effects.push(match self.environment.via {
            Via::Commit => Effect::Commit { base, edit, message: texts.message },
            Via::PullRequest => Effect::Promote(Box::new(Promotion {
                branch: branch.to_owned(),
                base,
                edit,
                message: texts.message,
                title: texts.title,
                body: texts.body,
            })),
        });
    }
}
