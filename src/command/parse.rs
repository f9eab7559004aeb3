//! A line → a request: words, options, and what each verb wants.

use super::freeze::{because, freeze, one_or_all};
use super::lines::{Line, candidates};
use super::verbs::{VERBS, Verb};
use super::{Command, Outcome, Parsed, Request};
use crate::config::nearest;
use crate::model::path::is_ref_name;

/// The word that addresses this bot.
const PREFIX: &str = "/trunkline";

/// More in one comment is a mistake or an attack; each costs API calls.
const MAX_COMMANDS: usize = 10;

/// A reason is shown in tables and commit messages.
const MAX_REASON: usize = 200;

/// The commands of a comment, in order, with those written wrongly. Text that addresses nobody gives nothing.
pub fn parse(body: &str) -> Vec<Parsed> {
    let mut parsed = Vec::new();
    for line in candidates(body) {
        let Some(outcome) = read(&line.text) else { continue };
        let full = parsed.len() >= MAX_COMMANDS;
        let outcome = if full { Outcome::TooMany } else { outcome };
        parsed.push(Parsed { line: line.number, text: quoted(&line), outcome });
        if full {
            break;
        }
    }
    parsed
}

fn quoted(line: &Line) -> String {
    line.text.trim_end().chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

fn read(text: &str) -> Option<Outcome> {
    let (head, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let (name, rest) = if head.eq_ignore_ascii_case(PREFIX) {
        let rest = rest.trim_start();
        rest.split_once(char::is_whitespace).unwrap_or((rest, ""))
    } else {
        let bare = head.strip_prefix('/')?;
        Verb::named(bare).filter(|verb| verb.info().bare)?;
        (bare, rest)
    };
    if name.is_empty() {
        return Some(run(Command::Help { verb: None }));
    }
    let Some(verb) = Verb::named(name) else {
        let suggestion = nearest(name, VERBS.iter().map(|info| info.name)).and_then(Verb::named);
        let verb = name.chars().filter(|c| !c.is_control()).take(40).collect();
        return Some(Outcome::Unknown { verb, suggestion: suggestion.map(|verb| verb.info().name) });
    };
    let request = arguments(rest).and_then(|arguments| request(verb, arguments));
    Some(match request {
        Ok(request) => Outcome::Run(request),
        Err(problem) => Outcome::Wrong { verb, problem, usage: verb.info().usage },
    })
}

fn run(command: Command) -> Outcome {
    Outcome::Run(Request { command, app: None, sha: None })
}

#[derive(Default)]
struct Arguments {
    words: Vec<String>,
    app: Option<String>,
    sha: Option<String>,
    force: Option<String>,
    except: Option<String>,
}

/// The words of a command that are still to be read.
pub(super) type Words = std::vec::IntoIter<String>;

/// A word, and whether it was in quotes.
type Word = (String, bool);

fn words(text: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        // Phones and text programs turn quotes into typographic ones.
        let quote = |c: char| matches!(c, '"' | '\u{201c}' | '\u{201d}' | '\u{201e}');
        if quote(first) {
            let inner = &rest[first.len_utf8()..];
            let end = inner.find(quote).ok_or("a quote is not closed")?;
            words.push((inner[..end].to_owned(), true));
            rest = inner[end..].strip_prefix(quote).unwrap_or_default();
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            words.push((rest[..end].to_owned(), false));
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    Ok(words)
}

fn arguments(text: &str) -> Result<Arguments, String> {
    let mut arguments = Arguments::default();
    let mut words = words(text)?.into_iter();
    while let Some((word, quoted)) = words.next() {
        // The same programs turn `--` into a dash.
        let option = word.strip_prefix("--").or_else(|| word.strip_prefix('\u{2014}')).filter(|name| !name.is_empty());
        let Some(option) = option.filter(|_| !quoted) else {
            arguments.words.push(word);
            continue;
        };
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (option, None),
        };
        let slot = match name {
            "app" => &mut arguments.app,
            "sha" => &mut arguments.sha,
            "force" => &mut arguments.force,
            "except" => &mut arguments.except,
            other => {
                let near = nearest(other, ["app", "sha", "force", "except"]);
                let hint = near.map_or(String::new(), |near| format!("; did you mean `--{near}`?"));
                return Err(format!("there is no option `--{}`{hint}", shown(other)));
            }
        };
        let value = value.or_else(|| words.next().map(|(word, _)| word)).filter(|value| !value.trim().is_empty());
        let value = value.ok_or_else(|| format!("`--{name}` needs a value"))?;
        if slot.replace(value).is_some() {
            return Err(format!("`--{name}` stands twice"));
        }
    }
    Ok(arguments)
}

fn request(verb: Verb, arguments: Arguments) -> Result<Request, String> {
    let Arguments { words, app, sha, force, except } = arguments;
    let takes = |option: &str| verb.info().usage.contains(option);
    let given = [("--app", &app), ("--sha", &sha), ("--force", &force), ("--except", &except)];
    for (option, given) in given.map(|(option, value)| (option, value.is_some())) {
        if given && !takes(option) {
            return Err(format!("`{}` takes no `{option}`", verb.info().name));
        }
    }
    let app = app.map(|app| name(&app, "an application")).transpose()?;
    let sha = sha.map(|text| commit(&text)).transpose()?;
    let mut words = words.into_iter();
    let command = match verb {
        Verb::Help => Command::Help { verb: words.next().map(|word| known(&word)).transpose()? },
        Verb::Status => Command::Status { environment: optional_environment(words.next())? },
        Verb::Plan => Command::Plan {
            environment: optional_environment(words.next())?,
            version: words.next().map(|word| version(&word)).transpose()?,
        },
        Verb::Diff => Command::Diff { from: environment(words.next())?, to: second(words.next())? },
        Verb::Promote => Command::Promote {
            environment: environment(words.next())?,
            version: words.next().map(|word| version(&word)).transpose()?,
            force: force.map(reason),
        },
        Verb::Rollback => Command::Rollback {
            environment: environment(words.next())?,
            version: words.next().map(|word| version(&word)).transpose()?,
        },
        Verb::Hold => {
            let environment = environment(words.next())?;
            let rest: Vec<String> = words.by_ref().collect();
            Command::Hold { environment, reason: (!rest.is_empty()).then(|| reason(rest.join(" "))) }
        }
        Verb::Unhold => Command::Unhold { environment: environment(words.next())? },
        Verb::Freeze => freeze(&mut words, except)?,
        Verb::Unfreeze => Command::Unfreeze { environment: one_or_all(words.next())? },
        Verb::SkipSoak => Command::SkipSoak { environment: environment(words.next())?, reason: because(&mut words)? },
        Verb::Override => overriding(&mut words)?,
        Verb::Retry => Command::Retry,
        Verb::Cancel => Command::Cancel { environment: optional_environment(words.next())? },
        Verb::Resync => Command::Resync,
        Verb::Validate => Command::Validate,
        Verb::History => Command::History { environment: optional_environment(words.next())? },
    };
    match words.next() {
        Some(extra) => Err(format!("`{}` is one word too many", shown(&extra))),
        None => Ok(Request { command, app, sha }),
    }
}

fn overriding(words: &mut Words) -> Result<Command, String> {
    let missing = || "the rule is missing; a finding names it, such as `IMG-001`".to_owned();
    let first = words.next().ok_or_else(missing)?;
    if first.eq_ignore_ascii_case("cancel") {
        return Ok(Command::CancelOverride { rule: rule(&words.next().ok_or_else(missing)?)? });
    }
    Ok(Command::Override { rule: rule(&first)?, reason: because(words)? })
}

/// A rule's id as findings name it: `IMG-001`, or a policy's package and rule.
fn rule(word: &str) -> Result<String, String> {
    let good = (1..=100).contains(&word.len())
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/'));
    if good { Ok(word.to_owned()) } else { Err(format!("`{}` cannot be a rule", shown(word))) }
}

fn known(word: &str) -> Result<Verb, String> {
    Verb::named(word.trim_start_matches('/')).ok_or_else(|| format!("there is no command `{}`", shown(word)))
}

fn optional_environment(word: Option<String>) -> Result<Option<String>, String> {
    word.map(|word| name(&word, "an environment")).transpose()
}

pub(super) fn environment(word: Option<String>) -> Result<String, String> {
    word.ok_or_else(|| "the environment is missing".to_owned()).and_then(|word| name(&word, "an environment"))
}

fn second(word: Option<String>) -> Result<String, String> {
    word.ok_or_else(|| "the second environment is missing".to_owned()).and_then(|word| name(&word, "an environment"))
}

/// Names as the configuration allows them, so that nothing else ever reaches a path, a branch or a text.
fn name(word: &str, what: &str) -> Result<String, String> {
    let good = (1..=40).contains(&word.len())
        && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !word.starts_with('-')
        && !word.ends_with('-');
    if good { Ok(word.to_owned()) } else { Err(format!("`{}` cannot be {what}", shown(word))) }
}

/// A tag or a commit: whatever git would accept, within what a branch name can carry.
fn version(word: &str) -> Result<String, String> {
    let good = word.len() <= 128 && is_ref_name(word);
    if good { Ok(word.to_owned()) } else { Err(format!("`{}` cannot be a version", shown(word))) }
}

fn commit(text: &str) -> Result<String, String> {
    let good = (7..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    let problem = || format!("`{}` is no commit; write 7 to 40 hex digits", shown(text));
    if good { Ok(text.to_ascii_lowercase()) } else { Err(problem()) }
}

pub(super) fn reason(text: String) -> String {
    text.trim().chars().filter(|c| !c.is_control()).take(MAX_REASON).collect()
}

/// What was written, short and without what could break out of inline code.
pub(super) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && *c != '`').take(40).collect()
}
