//! Slash-commands: from a comment to a decision in the ledger or an answer, acknowledged last.

use jiff::SignedDuration;

use super::draft::Draft;
use super::rights::{self, Right};
use super::{promotions, texts, versions};
use crate::command::{self, Command, Parsed, Right as Act};
use crate::model::id::{Key, Oid};
use crate::model::ledger::{Entry, Hold, Request};
use crate::model::pipeline::{App, Environment, Mode, Pipeline, Takes};
use crate::model::plan::{Effect, Need, Plan};
use crate::model::snapshot::{
    Comment, Configuration, Holding, Holdings, PipelineFacts, PullSubject, Reaction, Snapshot,
};
use crate::model::verdict::{Answer, Verdict};
use crate::model::version::Version;
use crate::report::verdict;

/// Comments older than this start nothing: whoever wrote them no longer waits for an answer.
const FRESH: SignedDuration = SignedDuration::from_hours(1);

/// Plans what the comments ask for, oldest first, one decision a pass so that each is judged on the ledger the one before it left.
pub(super) fn plan(snapshot: &Snapshot, subject: &PullSubject, plan: &mut Plan) {
    if snapshot.common.config == Configuration::Missing {
        return;
    }
    for comment in &subject.comments {
        if !is_open(snapshot, comment) {
            continue;
        }
        let parsed = command::parse(&comment.body);
        if parsed.is_empty() {
            continue;
        }
        let mut run = Run { snapshot, subject, comment, plan, answers: Vec::new(), refused: false, recorded: false };
        if !run.comment(parsed) {
            // The next comment is judged on the ledger this one leaves, in a pass of its own.
            if run.recorded {
                plan.effects.push(Effect::Wake(Key::Pull(snapshot.common.repo.id, subject.number)));
            }
            return;
        }
    }
}

/// Whether a comment may still hold an unanswered command.
fn is_open(snapshot: &Snapshot, comment: &Comment) -> bool {
    let answered = comment.reactions.iter().any(|r| matches!(r, Reaction::Rocket | Reaction::Confused));
    let fresh = snapshot.common.now.duration_since(comment.at) <= FRESH || comment.reactions.contains(&Reaction::Eyes);
    !answered && fresh && !comment.edited && !comment.author.bot
}

/// The environment and, where there are several, the application a command names.
type Target<'a> = (&'a str, Option<&'a str>);

/// What one command comes to.
enum Outcome {
    /// Done, with something to say or not.
    Done(Option<String>),
    /// Not allowed or not possible, and why.
    Refused(Verdict),
    /// Something must be known first.
    Unknown,
}

struct Run<'a, 'p> {
    snapshot: &'a Snapshot,
    subject: &'a PullSubject,
    comment: &'a Comment,
    plan: &'p mut Plan,
    answers: Vec<String>,
    refused: bool,
    recorded: bool,
}

impl Run<'_, '_> {
    /// Runs every command of one comment; `false` when the pass must end here.
    fn comment(&mut self, parsed: Vec<Parsed>) -> bool {
        let seen = self.comment.reactions.contains(&Reaction::Eyes);
        if !seen {
            self.plan.effects.push(Effect::React { comment: self.comment.id, reaction: Reaction::Eyes });
        }
        for parsed in parsed {
            let command::Outcome::Run(request) = &parsed.outcome else {
                self.refused = true;
                self.answers.push(texts::misread(&parsed));
                continue;
            };
            match self.command(request) {
                Outcome::Unknown => return false,
                Outcome::Done(answer) => self.answers.extend(answer),
                Outcome::Refused(why) => {
                    self.refused = true;
                    self.answers.push(texts::refused(&parsed, &why));
                }
            }
        }
        if !self.answers.is_empty() && !self.is_replied() {
            let body = texts::reply(self.comment, &self.answers);
            self.plan.effects.push(Effect::Reply { number: self.subject.number, to: self.comment.id, body });
        }
        let reaction = if self.refused { Reaction::Confused } else { Reaction::Rocket };
        self.plan.effects.push(Effect::React { comment: self.comment.id, reaction });
        !self.recorded
    }

    fn is_replied(&self) -> bool {
        let bot = &self.snapshot.common.bot;
        self.subject.comments.iter().any(|c| bot.is(&c.author) && texts::replies_to(&c.body) == Some(self.comment.id))
    }

    fn command(&mut self, request: &command::Request) -> Outcome {
        let pipeline = match &self.snapshot.common.config {
            Configuration::Valid(pipeline) => pipeline,
            _ => return Outcome::Refused(texts::no_configuration()),
        };
        if let Some(moved) = self.moved(request.sha.as_deref()) {
            return Outcome::Refused(moved);
        }
        let app = request.app.as_deref();
        match &request.command {
            Command::Help { verb } => self.help(*verb),
            Command::Status { environment } => self.status(pipeline, environment.as_deref(), app, false),
            Command::Plan { environment } => self.status(pipeline, environment.as_deref(), app, true),
            Command::Retry => self.retry(pipeline),
            Command::Promote { environment, version, force } => {
                self.promote(pipeline, (environment, app), version.as_deref(), force.as_deref())
            }
            Command::Rollback { environment, version } => {
                self.rollback(pipeline, (environment, app), version.as_deref())
            }
            Command::Hold { environment, reason } => self.hold(pipeline, (environment, app), reason.as_deref()),
            Command::Unhold { environment } => self.unhold(pipeline, (environment, app)),
        }
    }

    /// A command that names a commit is about that commit and no other.
    fn moved(&self, sha: Option<&str>) -> Option<Verdict> {
        let (sha, pull) = (sha?, self.subject.pull.as_ref()?);
        let head = pull.brief.head;
        (!head.to_string().starts_with(sha)).then(|| {
            Verdict::no("head-moved", format!("this pull request is at {} now, not at {sha}", head.short()))
                .next("look again, then repeat the command")
        })
    }

    fn right(&mut self, act: Act, environment: Option<&Environment>) -> Result<(), Outcome> {
        match rights::may(self.snapshot, &self.comment.author.login, act, environment, &mut self.plan.needs) {
            Right::Granted => Ok(()),
            Right::Denied(why) => Err(Outcome::Refused(Verdict::no("not-allowed", why))),
            Right::Unknown => Err(Outcome::Unknown),
        }
    }

    fn help(&mut self, verb: Option<command::Verb>) -> Outcome {
        if let Err(outcome) = self.right(Act::Read, None) {
            return outcome;
        }
        // Team rights differ by environment, so the help names them and only marks what the permission alone rules out.
        let me = self.snapshot.facts.permissions.get(&self.comment.author.login).copied();
        Outcome::Done(Some(texts::help(verb, me)))
    }

    fn facts(&mut self, app: &App) -> Result<&PipelineFacts, Outcome> {
        let need = Need::Pipeline(app.name.clone());
        if let Some(facts) = self.snapshot.facts.pipelines.get(&app.name) {
            return Ok(facts);
        }
        Err(match self.snapshot.facts.unmet.get(&need) {
            Some(why) => {
                Outcome::Refused(Verdict::no("pipeline", format!("the versions of {} cannot be read: {why}", app.name)))
            }
            None => {
                self.plan.needs.push(need);
                Outcome::Unknown
            }
        })
    }

    /// The application and environment a command is about.
    fn target<'b>(
        &self,
        pipeline: &'b Pipeline,
        (environment, app): Target<'_>,
    ) -> Result<(&'b App, &'b Environment), Outcome> {
        let environment = pipeline
            .environment(environment)
            .ok_or_else(|| Outcome::Refused(texts::unknown_environment(pipeline, environment)))?;
        let app = match (app, pipeline.apps.as_slice()) {
            (Some(name), _) => {
                pipeline.app(name).ok_or_else(|| Outcome::Refused(texts::unknown_app(pipeline, name)))?
            }
            (None, [only]) => only,
            (None, _) => return Err(Outcome::Refused(texts::which_app(pipeline))),
        };
        Ok((app, environment))
    }

    fn status(&mut self, pipeline: &Pipeline, environment: Option<&str>, app: Option<&str>, plan: bool) -> Outcome {
        if let Err(outcome) = self.right(Act::Read, None) {
            return outcome;
        }
        if let Some(name) = environment.filter(|name| pipeline.environment(name).is_none()) {
            return Outcome::Refused(texts::unknown_environment(pipeline, name));
        }
        if let Some(name) = app.filter(|name| pipeline.app(name).is_none()) {
            return Outcome::Refused(texts::unknown_app(pipeline, name));
        }
        let mut parts = Vec::new();
        for app in pipeline.apps.iter().filter(|candidate| app.is_none_or(|name| candidate.name == name)) {
            let facts = match self.facts(app) {
                Ok(facts) => facts.clone(),
                Err(outcome) => return outcome,
            };
            let known = self.plan.needs.len();
            let mut standings = promotions::standings(self.snapshot, pipeline, app, &facts, &mut self.plan.needs);
            if self.plan.needs.len() > known {
                return Outcome::Unknown;
            }
            standings.retain(|standing| environment.is_none_or(|name| standing.environment.name == name));
            parts.push(texts::status(self.snapshot, app, &facts, &standings, plan));
        }
        if pipeline.mode == Mode::Observe {
            parts.push(verdict::markdown(&texts::observing()));
        }
        Outcome::Done(Some(parts.join("\n\n")))
    }

    fn retry(&mut self, pipeline: &Pipeline) -> Outcome {
        if let Err(outcome) = self.right(Act::Write, None) {
            return outcome;
        }
        let repo = self.snapshot.common.repo.id;
        let apps = pipeline.apps.iter().map(|app| Key::Pipeline(repo, app.name.clone()));
        let head = self.subject.pull.iter().map(|pull| Key::Head(repo, pull.brief.head));
        self.plan.effects.extend(apps.chain(head).map(Effect::Wake));
        Outcome::Done(None)
    }

    fn promote(
        &mut self,
        pipeline: &Pipeline,
        target: Target<'_>,
        version: Option<&str>,
        force: Option<&str>,
    ) -> Outcome {
        let (app, environment) = match self.target(pipeline, target) {
            Ok(target) => target,
            Err(outcome) => return outcome,
        };
        let act = if force.is_some() { Act::Bypass } else { Act::Promote };
        if let Err(outcome) = self.right(act, Some(environment)) {
            return outcome;
        }
        let (version, commit) = match self.facts(app).map(|facts| newest_or(app, environment, facts, version)) {
            Ok(Ok(found)) => found,
            Ok(Err(why)) => return Outcome::Refused(why),
            Err(outcome) => return outcome,
        };
        let request = Request { forced: force.map(str::to_owned), ..self.request(&version, commit) };
        let why = format!("{} asks for {} {version} in {}", self.comment.author.login, app.name, environment.name);
        self.record(pipeline, app, environment, why, |entry| entry.requests.push(request))
    }

    fn rollback(&mut self, pipeline: &Pipeline, target: Target<'_>, version: Option<&str>) -> Outcome {
        let (app, environment) = match self.target(pipeline, target) {
            Ok(target) => target,
            Err(outcome) => return outcome,
        };
        if let Err(outcome) = self.right(Act::Rollback, Some(environment)) {
            return outcome;
        }
        let back = self.facts(app).map(|facts| passed_before(facts.environments.get(&environment.name), version));
        let (version, commit) = match back {
            Ok(Some(found)) => found,
            Ok(None) => return Outcome::Refused(texts::nothing_to_go_back_to(environment, version)),
            Err(outcome) => return outcome,
        };
        let request = self.request(&version, commit);
        let hold = self.held(&format!("rollback to {version}"));
        let why = format!(
            "{} takes {} in {} back to {version}, and holds it",
            self.comment.author.login, app.name, environment.name
        );
        self.record(pipeline, app, environment, why, |entry| {
            entry.rollbacks.push(request);
            entry.holds.push(hold);
        })
    }

    fn hold(&mut self, pipeline: &Pipeline, target: Target<'_>, reason: Option<&str>) -> Outcome {
        let (app, environment) = match self.target(pipeline, target) {
            Ok(target) => target,
            Err(outcome) => return outcome,
        };
        if let Err(outcome) = self.right(Act::Triage, Some(environment)) {
            return outcome;
        }
        let hold = self.held(reason.unwrap_or_default());
        let why = format!("{} holds {} in {}", self.comment.author.login, app.name, environment.name);
        self.record(pipeline, app, environment, why, |entry| entry.holds.push(hold))
    }

    fn unhold(&mut self, pipeline: &Pipeline, target: Target<'_>) -> Outcome {
        let (app, environment) = match self.target(pipeline, target) {
            Ok(target) => target,
            Err(outcome) => return outcome,
        };
        let entry = self.snapshot.common.ledger.entry(&app.name, &environment.name);
        if entry.has_decision(self.comment.id) {
            return self.recorded_before(app);
        }
        if entry.holds.is_empty() {
            return Outcome::Refused(Verdict::no(
                "not-held",
                format!("nothing holds {} in {}", app.name, environment.name),
            ));
        }
        let me = self.comment.author.login.clone();
        let mine = entry.holds.iter().any(|hold| hold.by.eq_ignore_ascii_case(&me));
        let everything = match self.right(Act::Rollback, Some(environment)) {
            Ok(()) => true,
            Err(Outcome::Unknown) => return Outcome::Unknown,
            Err(_) if mine => false,
            Err(outcome) => return outcome,
        };
        let why = format!("{me} lifts the hold on {} in {}", app.name, environment.name);
        self.record(pipeline, app, environment, why, move |entry| {
            entry.holds.retain(|hold| !everything && !hold.by.eq_ignore_ascii_case(&me));
        })
    }

    fn request(&self, version: &str, commit: Option<Oid>) -> Request {
        Request {
            version: version.to_owned(),
            commit,
            by: self.comment.author.login.clone(),
            at: self.comment.at,
            link: self.comment.url.clone(),
            forced: None,
        }
    }

    fn held(&self, reason: &str) -> Hold {
        Hold {
            by: self.comment.author.login.clone(),
            at: self.comment.at,
            reason: reason.to_owned(),
            link: self.comment.url.clone(),
        }
    }

    /// A pass that was cut short after it wrote this has woken nobody. Only who acts on it is woken now: the repository would wake
    /// this very key, again and again while a read does not show the acknowledgement.
    fn recorded_before(&mut self, app: &App) -> Outcome {
        self.plan.effects.push(Effect::Wake(Key::Pipeline(self.snapshot.common.repo.id, app.name.clone())));
        Outcome::Done(None)
    }

    /// Writes a decision into the ledger, unless it is in there already.
    fn record(
        &mut self,
        pipeline: &Pipeline,
        app: &App,
        environment: &Environment,
        why: String,
        change: impl FnOnce(&mut Entry),
    ) -> Outcome {
        if pipeline.mode == Mode::Observe {
            return Outcome::Refused(texts::observing());
        }
        let ledger = &self.snapshot.common.ledger;
        if ledger.entry(&app.name, &environment.name).has_decision(self.comment.id) {
            return self.recorded_before(app);
        }
        if let Some(problem) = ledger.problems.get(&(app.name.clone(), environment.name.clone())) {
            return Outcome::Refused(Verdict::no("ledger-broken", format!("the ledger cannot be read: {problem}")));
        }
        let mut draft = Draft::new(ledger);
        let message = format!("{why}\n\n{}", self.comment.url);
        draft.change(&app.name, &environment.name, message, |entry| {
            change(entry);
            entry.decided(self.comment.id);
        });
        self.plan.effects.extend(draft.effect());
        // Pipelines act on it, and open promotions say it: their comments and checks show the same gates.
        self.plan.effects.push(Effect::Wake(Key::Repo(self.snapshot.common.repo.id)));
        self.recorded = true;
        Outcome::Done(None)
    }
}

/// The version a `/promote` means: the one named, or the newest the environment takes.
fn newest_or(
    app: &App,
    environment: &Environment,
    facts: &PipelineFacts,
    version: Option<&str>,
) -> Result<(String, Option<Oid>), Verdict> {
    let Some(source) = &facts.source else {
        return Err(Verdict::no("source-unreachable", format!("the source of {} cannot be read", app.name)));
    };
    let nothing = Holdings::default();
    let holdings = facts.environments.get(&environment.name).unwrap_or(&nothing);
    let Some(version) = version else {
        let found = versions::wanted(app, environment, source, holdings, &Default::default());
        return found
            .map(|candidate| (candidate.version.clone(), Some(candidate.commit)))
            .map_err(|verdict| Verdict { answer: Answer::No, ..verdict });
    };
    if environment.takes == Takes::Trunk {
        let tip = source.trunk.as_ref().filter(|tip| version.len() >= 7 && tip.id.to_string().starts_with(version));
        return match tip {
            Some(tip) => Ok((tip.id.short(), Some(tip.id))),
            None => {
                let text = format!("{} takes trunk, and `{version}` is not its newest commit", environment.name);
                Err(Verdict::no("unknown-version", text).next(format!("comment `/promote {}`", environment.name)))
            }
        };
    }
    let tag = source.tags.iter().find(|tag| versions::names(app, tag, version));
    let Some(tag) = tag else { return Err(texts::unknown_version(app, source, version)) };
    let wanted = versions::version_of(app, tag);
    let held = holdings.history.first().and_then(|now| now.version.as_deref()).and_then(Version::parse);
    if let (Some(held), Some(wanted)) = (&held, &wanted)
        && wanted <= held
    {
        let relation = if wanted == held { "the same as" } else { "higher than" };
        let text = format!("{} holds {held}, which is {relation} {wanted}", environment.name);
        return Err(
            Verdict::no("lower", text).next(format!("to go back, comment `/rollback {} {wanted}`", environment.name))
        );
    }
    if !tag.reachable {
        let text = format!("the tag {} is on a commit that neither trunk nor a release branch reaches", tag.name);
        return Err(Verdict::no("not-on-trunk", text));
    }
    if environment.takes == Takes::Releases && wanted.as_ref().is_some_and(Version::is_prerelease) {
        return Err(Verdict::no(
            "not-taken",
            format!("{} takes releases, and {} is a pre-release", environment.name, tag.name),
        ));
    }
    Ok((wanted.map_or_else(|| tag.name.clone(), |v| v.to_string()), Some(tag.commit)))
}

/// The version to go back to: the one named, or the last another one than now, if it passed here before.
fn passed_before(holdings: Option<&Holdings>, version: Option<&str>) -> Option<(String, Option<Oid>)> {
    let holdings = holdings?;
    let now = holdings.history.first()?;
    let mut before = holdings.history.iter().skip(1).filter(|old| old.commit.is_some() && old.tags != now.tags);
    let wanted = |old: &&Holding| {
        let Some(version) = version else { return old.version.is_some() };
        old.version.as_deref().is_some_and(|held| {
            held == version
                || held.strip_prefix('v') == Some(version)
                || held.starts_with(version) && version.len() >= 7
        })
    };
    let found = before.find(wanted)?;
    let name = found.version.clone()?;
    // A trunk version is a full commit; people see the short one.
    let shown = if found.commit.is_some_and(|commit| commit.to_string() == name) { name[..7].to_owned() } else { name };
    Some((shown, found.commit))
}
