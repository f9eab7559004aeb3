//! `freeze prod for 4h "reason" --except label=hotfix`: how long, why, and what passes all the same.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::Command;
use super::parse::{Words, environment, reason, shown};
use crate::config::duration;

/// A quarter: what is closed for longer is no incident, and belongs into the configuration as `windows.exclude`, where it is reviewed.
pub const MAX_FREEZE_DAYS: i64 = 90;
/// GitHub's own limit for the name of a label.
const MAX_LABEL: usize = 50;

/// What a `/freeze` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freezing {
    /// This environment; `None`: all.
    pub environment: Option<String>,
    /// When it ends; `None`: when somebody lifts it.
    pub end: Option<End>,
    /// Why.
    pub reason: String,
    /// The label that lets a pull request through.
    pub except: Option<String>,
}

/// When a freeze ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// So long after it was said.
    For(SignedDuration),
    /// At this moment.
    Until(Timestamp),
}

/// `all`, or one environment.
pub(super) fn one_or_all(word: Option<String>) -> Result<Option<String>, String> {
    environment(word).map(|name| Some(name).filter(|name| name != "all"))
}

/// Reads what follows `freeze`.
pub(super) fn freeze(words: &mut Words, except: Option<String>) -> Result<Command, String> {
    let environment = one_or_all(words.next())?;
    let mut rest = words.peekable();
    let keyword = rest.next_if(|word| ["for", "until"].contains(&word.to_ascii_lowercase().as_str()));
    let end = match keyword.map(|word| word.to_ascii_lowercase()).as_deref() {
        Some("for") => Some(End::For(length(rest.next())?)),
        Some(_) => Some(End::Until(moment(rest.next())?)),
        None => None,
    };
    let reason = because(&mut rest)?;
    Ok(Command::Freeze(Freezing { environment, end, reason, except: except.map(label).transpose()? }))
}

/// The rest of the line, which must say something.
pub(super) fn because(words: &mut impl Iterator<Item = String>) -> Result<String, String> {
    let reason = reason(words.collect::<Vec<_>>().join(" "));
    if reason.is_empty() { Err("the reason is missing; say why, in quotes".to_owned()) } else { Ok(reason) }
}

fn length(word: Option<String>) -> Result<SignedDuration, String> {
    let word = word.ok_or("`for` needs a duration such as 30m, 4h or 2d")?;
    let length = duration(&word).ok_or_else(|| {
        format!(
            "`{}` is no duration; write 30m, 4h or 2d, and put a reason that begins with `for` in quotes",
            shown(&word)
        )
    })?;
    if length > SignedDuration::from_hours(24 * MAX_FREEZE_DAYS) { Err(too_long()) } else { Ok(length) }
}

/// Why a freeze cannot be that long.
pub(super) fn too_long() -> String {
    format!(
        "a freeze lasts {MAX_FREEZE_DAYS} days at most; close an environment for longer with `windows.exclude` in the configuration"
    )
}

/// A moment with its offset, or a date or time of day in UTC: whoever reads the comment later need not know where it was written.
fn moment(word: Option<String>) -> Result<Timestamp, String> {
    let word = word.ok_or("`until` needs a time in UTC such as 2026-12-01T08:00")?;
    if let Ok(moment) = word.parse::<Timestamp>() {
        return Ok(moment);
    }
    let local = match word.parse::<Date>() {
        // A whole day written alone is what `DateTime` takes for its midnight as well; what else it takes has a `T`.
        Ok(date) if word.len() == 10 => Some(date.to_datetime(Default::default())),
        _ => word.parse::<DateTime>().ok().filter(|_| word.contains(['T', 't']) && word.len() <= 19),
    };
    let moment = local.and_then(|local| local.to_zoned(TimeZone::UTC).ok());
    moment.map(|moment| moment.timestamp()).ok_or_else(|| {
        format!("`{}` is no time; write it in UTC as 2026-12-01 or 2026-12-01T08:00, or with its offset", shown(&word))
    })
}

fn label(value: String) -> Result<String, String> {
    let name = value.strip_prefix("label=").map(str::trim).filter(|name| !name.is_empty());
    let name = name.ok_or("`--except` takes a label: `--except label=hotfix`")?;
    let good = name.chars().count() <= MAX_LABEL && !name.contains(|c: char| c.is_control() || c == '`');
    if good { Ok(name.to_owned()) } else { Err(format!("`{}` cannot be a label", shown(name))) }
}
