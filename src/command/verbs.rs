//! The verbs: one table for the grammar, the help and the rights.

use std::fmt;

/// A verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// `help`
    Help,
    /// `status`
    Status,
    /// `plan`
    Plan,
    /// `diff`
    Diff,
    /// `promote`
    Promote,
    /// `rollback`
    Rollback,
    /// `hold`
    Hold,
    /// `unhold`
    Unhold,
    /// `freeze`
    Freeze,
    /// `unfreeze`
    Unfreeze,
    /// `skip-soak`
    SkipSoak,
    /// `override`
    Override,
    /// `retry`
    Retry,
    /// `cancel`
    Cancel,
    /// `resync`
    Resync,
    /// `validate`
    Validate,
    /// `history`
    History,
}

/// What a person must hold to run a verb: a floor, which an environment's `rights` may narrow to teams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Right {
    /// Read access.
    Read,
    /// Triage access.
    Triage,
    /// Write access, or the environment's `promote` teams.
    Promote,
    /// Write access.
    Write,
    /// The environment's `rollback` teams.
    Rollback,
    /// The environment's `freeze` teams.
    Freeze,
    /// The environment's `bypass` teams.
    Bypass,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Right::Read => "readers",
            Right::Triage => "triage and up",
            Right::Promote => "writers, or the environment's `promote` teams where listed",
            Right::Write => "writers",
            Right::Rollback => "the environment's `rollback` teams",
            Right::Freeze => "the environment's `freeze` teams",
            Right::Bypass => "the environment's `bypass` teams",
        })
    }
}

/// What there is to know about a verb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerbInfo {
    /// The verb.
    pub verb: Verb,
    /// As it is written.
    pub name: &'static str,
    /// How it is used, after `/trunkline `.
    pub usage: &'static str,
    /// What it does, in one sentence.
    pub about: &'static str,
    /// Who may.
    pub right: Right,
    /// Whether `/verb` alone is enough: only where no other bot listens.
    pub bare: bool,
}

const fn verb(verb: Verb, name: &'static str, usage: &'static str, about: &'static str, right: Right) -> VerbInfo {
    let bare = matches!(verb, Verb::Promote | Verb::Rollback | Verb::Freeze | Verb::Unfreeze);
    VerbInfo { verb, name, usage, about, right, bare }
}

/// Every verb, in the order of the help.
pub const VERBS: [VerbInfo; 17] = [
    verb(Verb::Help, "help", "help [verb]", "lists the commands", Right::Read),
    verb(
        Verb::Status,
        "status",
        "status [env] [--app name]",
        "shows what runs where, and what waits for what",
        Right::Read,
    ),
    verb(
        Verb::Plan,
        "plan",
        "plan [env] [version] [--app name]",
        "shows what would happen next, or if that version came, and does nothing",
        Right::Read,
    ),
    verb(
        Verb::Diff,
        "diff",
        "diff <env> <env> [--app name]",
        "compares two environments: versions, commits in between, rendered objects",
        Right::Read,
    ),
    verb(
        Verb::Promote,
        "promote",
        "promote <env> [version] [--app name] [--sha commit] [--force \"reason\"]",
        "opens or refreshes the promotion of a version, by default the newest that may enter",
        Right::Promote,
    ),
    verb(
        Verb::Rollback,
        "rollback",
        "rollback <env> [version] [--app name] [--sha commit]",
        "opens a pull request with the last version that passed there, and holds the environment",
        Right::Rollback,
    ),
    verb(
        Verb::Hold,
        "hold",
        "hold <env> [reason] [--app name]",
        "stops promotions into an environment until somebody lifts the hold",
        Right::Triage,
    ),
    verb(Verb::Unhold, "unhold", "unhold <env> [--app name]", "lifts a hold", Right::Triage),
    verb(
        Verb::Freeze,
        "freeze",
        "freeze <env|all> [for 4h | until 2026-12-01T08:00] \"reason\" [--except label=name]",
        "lets nothing into an environment until then (UTC) or until somebody lifts it; rollbacks pass, and so does a pull request \
         on which one of those teams set the label",
        Right::Freeze,
    ),
    verb(Verb::Unfreeze, "unfreeze", "unfreeze <env|all>", "lifts every freeze of an environment", Right::Freeze),
    verb(
        Verb::SkipSoak,
        "skip-soak",
        "skip-soak <env> \"reason\" [--app name] [--sha commit]",
        "lets the version that wants in, and no other, enter without its soak",
        Right::Bypass,
    ),
    verb(
        Verb::Override,
        "override",
        "override <rule> \"reason\" [--sha commit], or: override cancel <rule>",
        "accepts what a rule found, or the `gates` of a pull request that is no promotion, for its newest commit only",
        Right::Bypass,
    ),
    verb(Verb::Retry, "retry", "retry [--sha commit]", "looks at this pull request again", Right::Write),
    verb(
        Verb::Cancel,
        "cancel",
        "cancel [env] [--app name]",
        "closes the open promotion, this one or that into the environment, and rejects its version",
        Right::Promote,
    ),
    verb(
        Verb::Resync,
        "resync",
        "resync",
        "reads tags, pull requests and checks anew, for all applications here",
        Right::Write,
    ),
    verb(
        Verb::Validate,
        "validate",
        "validate",
        "checks the configuration of this pull request, and says what it would mean",
        Right::Read,
    ),
    verb(
        Verb::History,
        "history",
        "history [env] [--app name]",
        "shows the last decisions and versions: who, when and why",
        Right::Read,
    ),
];

impl Verb {
    /// The verb of this name, in any case.
    pub fn named(name: &str) -> Option<Verb> {
        VERBS.iter().find(|info| info.name.eq_ignore_ascii_case(name)).map(|info| info.verb)
    }

    /// What there is to know about it.
    pub fn info(self) -> &'static VerbInfo {
        static TABLE: [VerbInfo; 17] = VERBS;
        // The table stands in the order of the enum; a test holds it.
        &TABLE[self as usize]
    }
}

/// Whether somebody may run a verb, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum You {
    /// Everywhere.
    Yes,
    /// Nowhere.
    No,
    /// In these environments.
    In(Vec<String>),
    /// It depends on more teams than are looked up for an answer.
    Depends,
}

/// One line of the help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelpRow {
    /// The verb and everything about it.
    pub info: &'static VerbInfo,
    /// Whether the person who asked may run it.
    pub you: You,
}

/// The help as data: every verb, or one, with whether the person who asked may run it.
pub fn help(only: Option<Verb>, may: impl Fn(Right) -> You) -> Vec<HelpRow> {
    let shown = VERBS.iter().filter(|info| only.is_none_or(|verb| info.verb == verb));
    shown.map(|info| HelpRow { info: info.verb.info(), you: may(info.right) }).collect()
}
