//! Comment text → commands, Markdown-aware.
//!
//! What a reader sees as a line of plain text that begins with `/` may be a command; what is code, quoted, hidden in an
//! HTML comment, in a list, a table or a heading never is. Whether the author may run it is decided elsewhere.

mod freeze;
mod lines;
mod parse;
mod verbs;

#[cfg(test)]
mod tests;

pub use freeze::{End, Freezing, MAX_FREEZE_DAYS};
pub use parse::parse;
pub use verbs::{HelpRow, Right, VERBS, Verb, VerbInfo, You, help};

/// One line of a comment that addressed Trunkline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The line in the comment, from 1.
    pub line: u32,
    /// The line's text, cut, for quoting in a reply.
    pub text: String,
    /// What it asks for.
    pub outcome: Outcome,
}

/// What came of reading one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A command, to be authorised and run.
    Run(Request),
    /// The prefix was used with a verb that does not exist.
    Unknown {
        /// What was written.
        verb: String,
        /// The verb that was probably meant.
        suggestion: Option<&'static str>,
    },
    /// A known verb, written wrongly.
    Wrong {
        /// The verb.
        verb: Verb,
        /// What is wrong, in one sentence.
        problem: String,
        /// How it is written.
        usage: &'static str,
    },
    /// This and the following lines were not read: a comment holds at most ten commands.
    TooMany,
}

/// A command and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What to do.
    pub command: Command,
    /// The application, where a repository holds several (`--app`).
    pub app: Option<String>,
    /// The commit the author looked at, at least seven hex digits in lower case (`--sha`).
    pub sha: Option<String>,
}

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Which verbs there are.
    Help {
        /// Only this one.
        verb: Option<Verb>,
    },
    /// What runs where, and what waits for what.
    Status {
        /// Only this environment.
        environment: Option<String>,
    },
    /// What would happen, without doing it.
    Plan {
        /// Only this environment.
        environment: Option<String>,
        /// If this version came.
        version: Option<String>,
    },
    /// How two environments differ.
    Diff {
        /// From this one.
        from: String,
        /// To this one.
        to: String,
    },
    /// Open or refresh a promotion.
    Promote {
        /// Into this environment.
        environment: String,
        /// This version; default: the newest that may enter.
        version: Option<String>,
        /// Pass order, soak and windows, for this reason.
        force: Option<String>,
    },
    /// Go back to a version that passed here before, and hold.
    Rollback {
        /// This environment.
        environment: String,
        /// This version; default: the last one that passed.
        version: Option<String>,
    },
    /// Stop promotions into an environment.
    Hold {
        /// This environment.
        environment: String,
        /// Why.
        reason: Option<String>,
    },
    /// Lift a hold.
    Unhold {
        /// From this environment.
        environment: String,
    },
    /// Let nothing in.
    Freeze(Freezing),
    /// Lift every freeze.
    Unfreeze {
        /// Of this environment; `None`: of all.
        environment: Option<String>,
    },
    /// Let one version in without its soak.
    SkipSoak {
        /// Into this environment.
        environment: String,
        /// Why.
        reason: String,
    },
    /// Accept on this head what a rule found, or the gates.
    Override {
        /// The rule's id, or `gates`.
        rule: String,
        /// Why.
        reason: String,
    },
    /// Take an override back.
    CancelOverride {
        /// The rule's id, or `gates`.
        rule: String,
    },
    /// Look again.
    Retry,
    /// Close an open promotion, and reject its version.
    Cancel {
        /// Into this environment; default: the one this pull request promotes into.
        environment: Option<String>,
    },
    /// Read everything anew.
    Resync,
    /// Check the configuration.
    Validate,
    /// The last decisions and versions.
    History {
        /// Only of this environment.
        environment: Option<String>,
    },
}

impl Command {
    /// The verb, for rights and texts.
    pub fn verb(&self) -> Verb {
        match self {
            Command::Help { .. } => Verb::Help,
            Command::Status { .. } => Verb::Status,
            Command::Plan { .. } => Verb::Plan,
            Command::Diff { .. } => Verb::Diff,
            Command::Promote { .. } => Verb::Promote,
            Command::Rollback { .. } => Verb::Rollback,
            Command::Hold { .. } => Verb::Hold,
            Command::Unhold { .. } => Verb::Unhold,
            Command::Freeze(_) => Verb::Freeze,
            Command::Unfreeze { .. } => Verb::Unfreeze,
            Command::SkipSoak { .. } => Verb::SkipSoak,
            Command::Override { .. } | Command::CancelOverride { .. } => Verb::Override,
            Command::Retry => Verb::Retry,
            Command::Cancel { .. } => Verb::Cancel,
            Command::Resync => Verb::Resync,
            Command::Validate => Verb::Validate,
            Command::History { .. } => Verb::History,
        }
    }

    /// The right that running it needs.
    pub fn right(&self) -> Right {
        match self {
            Command::Promote { force: Some(_), .. } => Right::Bypass,
            other => other.verb().info().right,
        }
    }
}
