//! Slash-commands: from a comment to a decision in the ledger or an answer, acknowledged last.

mod ask;
mod cancel;
mod freeze;
mod help;
mod history;
mod hold;
mod overriding;
mod promote;
mod skip_soak;

use jiff::SignedDuration;

use super::draft::Draft;
use super::rights::{self, Right};
use super::{onboarding, texts};
use crate::command::{self, Command, Parsed, Right as Act};
use crate::model::id::Key;
use crate::model::ledger::Entry;
use crate::model::pipeline::{App, Environment, Mode, Pipeline};
use crate::model::plan::{Effect, Need, Plan};
use crate::model::snapshot::{Comment, Configuration, PipelineFacts, PullSubject, Reaction, Snapshot};
use crate::model::verdict::Verdict;

/// Comments older than this start nothing: whoever wrote them no longer waits for an answer.
const FRESH: SignedDuration = SignedDuration::from_hours(1);

/// Plans what the comments ask for, oldest first, one decision a pass so that each is judged on the ledger the one before it left.
pub(super) fn plan(snapshot: &Snapshot, subject: &PullSubject, plan: &mut Plan) {
    for comment in &subject.comments {
        if !is_open(snapshot, comment) {
            continue;
        }
        let parsed = command::parse(&comment.body);
        // Where there is no configuration nobody is spoken to, but in a pull request that brings one or was to bring it.
        let spoken_to = |parsed: &Parsed| match &parsed.outcome {
            command::Outcome::Run(request) => match (&subject.pull, &request.command) {
                (Some(_), Command::Validate) => true,
                (Some(pull), Command::Resync) => onboarding::is_offer(snapshot, pull),
                _ => false,
            },
            _ => false,
        };
        let silent = snapshot.common.config == Configuration::Missing && !parsed.iter().all(spoken_to);
        if parsed.is_empty() || silent {
            continue;
        }
        let mut run = Run::new(snapshot, subject, comment, plan);
        if !run.comment(parsed) {
            // The next comment is judged on the ledger this one leaves, in a pass of its own.
            if run.recorded() {
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
    /// What the comment's commands change in the ledger: one commit, so that none of them is written without the others.
    draft: Draft<'a>,
    /// Who acts on what is recorded, or shows it.
    wakes: Vec<Key>,
    answers: Vec<String>,
    refused: bool,
}

impl<'a, 'p> Run<'a, 'p> {
    fn new(snapshot: &'a Snapshot, subject: &'a PullSubject, comment: &'a Comment, plan: &'p mut Plan) -> Self {
        let draft = Draft::said_in(&snapshot.common.ledger, &comment.url);
        Self { snapshot, subject, comment, plan, draft, wakes: Vec::new(), answers: Vec::new(), refused: false }
    }

    fn recorded(&self) -> bool {
        !self.wakes.is_empty()
    }

    /// Runs every command of one comment; `false` when the pass must end here.
    fn comment(&mut self, parsed: Vec<Parsed>) -> bool {
        let seen = self.comment.reactions.contains(&Reaction::Eyes);
        if !seen {
            self.plan.effects.push(Effect::React { comment: self.comment.id, reaction: Reaction::Eyes });
        }
        let several = parsed.len() > 1;
        for parsed in parsed {
            let command::Outcome::Run(request) = &parsed.outcome else {
                self.refused = true;
                self.answers.push(texts::misread(&parsed));
                continue;
            };
            match self.command(request) {
                Outcome::Unknown => return false,
                // Of several, each answer says to what.
                Outcome::Done(Some(answer)) if several => self.answers.push(texts::answered(&parsed, &answer)),
                Outcome::Done(answer) => self.answers.extend(answer),
                Outcome::Refused(why) => {
                    self.refused = true;
                    self.answers.push(texts::refused(&parsed, &why));
                }
            }
        }
        let draft = std::mem::replace(&mut self.draft, Draft::new(&self.snapshot.common.ledger));
        self.plan.effects.extend(draft.effect());
        self.plan.effects.extend(self.wakes.iter().cloned().map(Effect::Wake));
        if !self.answers.is_empty() && !self.is_replied() {
            let body = texts::reply(self.comment, &self.answers);
            self.plan.effects.push(Effect::Reply { number: self.subject.number, to: self.comment.id, body });
        }
        let reaction = if self.refused { Reaction::Confused } else { Reaction::Rocket };
        self.plan.effects.push(Effect::React { comment: self.comment.id, reaction });
        !self.recorded()
    }

    fn is_replied(&self) -> bool {
        let bot = &self.snapshot.common.bot;
        self.subject.comments.iter().any(|c| bot.is(&c.author) && texts::replies_to(&c.body) == Some(self.comment.id))
    }

    fn command(&mut self, request: &command::Request) -> Outcome {
        if request.command == Command::Validate {
            return self.validate();
        }
        let pipeline = match &self.snapshot.common.config {
            Configuration::Valid(pipeline) => pipeline,
            Configuration::Missing if request.command == Command::Resync => return self.offer_again(),
            _ => return Outcome::Refused(texts::no_configuration()),
        };
        if let Some(moved) = self.moved(request.sha.as_deref()) {
            return Outcome::Refused(moved);
        }
        let app = request.app.as_deref();
        match &request.command {
            Command::Help { verb } => self.help(pipeline, *verb),
            Command::Status { environment } => self.status(pipeline, environment.as_deref(), app),
            Command::Plan { environment, version } => {
                self.plan(pipeline, (environment.as_deref(), version.as_deref()), app)
            }
            Command::Diff { from, to } => self.diff(pipeline, (from, to), app),
            Command::Promote { environment, version, force } => {
                self.promote(pipeline, (environment, app), version.as_deref(), force.as_deref())
            }
            Command::Rollback { environment, version } => {
                self.rollback(pipeline, (environment, app), version.as_deref())
            }
            Command::Hold { environment, reason } => self.hold(pipeline, (environment, app), reason.as_deref()),
            Command::Unhold { environment } => self.unhold(pipeline, (environment, app)),
            Command::Freeze(freezing) => self.freeze(pipeline, freezing),
            Command::Unfreeze { environment } => self.unfreeze(pipeline, environment.as_deref()),
            Command::SkipSoak { environment, reason } => self.skip_soak(pipeline, (environment, app), reason),
            Command::Override { rule, reason } => self.accept(pipeline, rule, reason, request.sha.as_deref()),
            Command::CancelOverride { rule } => self.cancel_override(pipeline, rule),
            Command::Retry => self.retry(pipeline),
            Command::Cancel { environment } => self.cancel(pipeline, environment.as_deref(), app),
            Command::Resync => self.resync(pipeline),
            Command::Validate => self.validate(),
            Command::History { environment } => self.history(pipeline, environment.as_deref(), app),
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
            Right::Denied(why) => Err(Outcome::Refused(texts::not_allowed(why))),
            Right::Unknown => Err(Outcome::Unknown),
        }
    }

    /// Whether somebody may do this in each of these environments; everything that must be looked up for it is asked for at once.
    fn right_in_all(&mut self, act: Act, environments: &[&Environment]) -> Result<(), Outcome> {
        let mut unknown = false;
        let mut denied = Vec::new();
        for environment in environments {
            match self.right(act, Some(environment)) {
                Ok(()) => {}
                Err(Outcome::Refused(why)) => match environments {
                    [_] => denied.push(why.text),
                    _ => denied.push(format!("{}: {}", environment.name, why.text)),
                },
                Err(_) => unknown = true,
            }
        }
        match denied.as_slice() {
            _ if unknown => Err(Outcome::Unknown),
            [] => Ok(()),
            all => Err(Outcome::Refused(texts::not_allowed(all.join("; ")))),
        }
    }

    fn facts(&mut self, app: &App) -> Result<&PipelineFacts, Outcome> {
        let need = Need::Pipeline(app.name.clone());
        if let Some(facts) = self.snapshot.facts.pipelines.get(&app.name) {
            return Ok(facts);
        }
        Err(match self.snapshot.facts.unmet.get(&need) {
            Some(why) => {
                let text = format!("the versions of {} cannot be read: {why}", app.name);
                let next = "check that the App is installed on the source repository, then comment again";
                Outcome::Refused(Verdict::no("pipeline", text).next(next))
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
        Ok((self.app(pipeline, app)?, environment))
    }

    /// The application a command is about: the one named, or the only one.
    fn app<'b>(&self, pipeline: &'b Pipeline, name: Option<&str>) -> Result<&'b App, Outcome> {
        match (name, pipeline.apps.as_slice()) {
            (Some(name), _) => pipeline.app(name).ok_or_else(|| Outcome::Refused(texts::unknown_app(pipeline, name))),
            (None, [only]) => Ok(only),
            (None, _) => Err(Outcome::Refused(texts::which_app(pipeline))),
        }
    }

    /// A pass that was cut short after it wrote this has woken nobody. Only who acts on it is woken now: the repository would wake
    /// this very key, again and again while a read does not show the acknowledgement.
    fn recorded_before(&mut self, app: &App) -> Outcome {
        self.plan.effects.push(Effect::Wake(Key::Pipeline(self.snapshot.common.repo.id, app.name.clone())));
        Outcome::Done(None)
    }

    /// The same, for what is wider than one application.
    fn recorded_before_for_all(&mut self, answer: String) -> Outcome {
        let repo = self.snapshot.common.repo.id;
        if let Configuration::Valid(pipeline) = &self.snapshot.common.config {
            let pipelines = pipeline.apps.iter().map(|app| Key::Pipeline(repo, app.name.clone()));
            self.plan.effects.extend(pipelines.map(Effect::Wake));
        }
        Outcome::Done(Some(answer))
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
        if let Some(problem) = ledger.trouble(&app.name, &environment.name) {
            return Outcome::Refused(texts::unreadable_ledger(problem));
        }
        self.draft.change(&app.name, &environment.name, why, |entry| {
            change(entry);
            entry.decided(self.comment.id);
        });
        // Pipelines act on it, and open promotions say it: their comments and checks show the same gates.
        self.wakes.push(Key::Repo(self.snapshot.common.repo.id));
        Outcome::Done(None)
    }
}
