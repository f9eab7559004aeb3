//! What mends a finding, and how it is offered on a pull request.

use serde::{Deserialize, Serialize};

use super::id::Oid;
use super::path::RepoPath;

/// Lines to write instead of others: taken over as they are, they mend a finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Suggestion {
    /// The file.
    pub path: RepoPath,
    /// The first line, from 1.
    pub first: u32,
    /// The last line.
    pub last: u32,
    /// What stands there, without the last line break.
    pub before: String,
    /// What is to stand there.
    pub after: String,
}

/// What would mend a finding, at the place of a key or a value: written out as a [`Suggestion`] where somebody is to see it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edit {
    /// The file.
    pub path: RepoPath,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
    /// The first byte of the key or value.
    pub start: u32,
    /// The byte after its last.
    pub end: u32,
    /// What to write.
    pub write: Write,
}

/// What to write. Each says what must stand at the place, or nothing is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Write {
    /// Another key.
    Key {
        /// The key that stands there.
        was: String,
        /// The right one.
        new: String,
    },
    /// Other text.
    Text {
        /// What stands there, as it is written.
        was: String,
        /// The right text.
        new: String,
    },
    /// A boolean instead of text.
    Bool {
        /// The text.
        was: String,
        /// The boolean.
        new: bool,
    },
    /// A whole number instead of text.
    Number {
        /// The text.
        was: String,
        /// The number.
        new: i64,
    },
    /// A further entry.
    Entry {
        /// The key that stands there, and below which the entry goes.
        below: String,
        /// The new key.
        key: String,
        /// Its value.
        value: bool,
    },
}

/// What stands of our suggestions on a pull request, and which of those that are wanted it can take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Suggested {
    /// Our reviews: the commit each is about, and its text.
    pub reviews: Vec<(Option<Oid>, String)>,
    /// Those that are wanted and whose lines stand, as they are, in what GitHub shows of the pull request's own changes.
    pub placed: Vec<Suggestion>,
}

/// A review that offers suggestions: at most one a head, never edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// The pull request.
    pub number: u64,
    /// The head it is about.
    pub head: Oid,
    /// Its text.
    pub body: String,
    /// Its remarks, each on lines of its own.
    pub remarks: Vec<Remark>,
}

/// A remark on lines of a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The file.
    pub path: RepoPath,
    /// The first line.
    pub first: u32,
    /// The last line.
    pub last: u32,
    /// Its text.
    pub body: String,
}
