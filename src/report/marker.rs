//! The hidden line by which we find our own texts again, and see whether they still say the same.

use sha2::{Digest, Sha256};

/// What a text of ours is for; together with its author it is the text's natural key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Marker {
    /// The one sticky comment on a pull request.
    Sticky,
    /// The answer to the comment with this id.
    Reply(u64),
    /// The body of a promotion's pull request.
    Promotion,
    /// What is said about a merge that brought something else than was evaluated.
    Landed,
    /// The issue that is the desk for what belongs to no pull request.
    Desk,
    /// The pull request that proposes a configuration.
    Onboarding,
    /// A review that offers suggestions.
    Suggestions,
}

const START: &str = "<!-- trunkline:v1 ";
const END: &str = " -->";

impl Marker {
    fn word(&self) -> String {
        match self {
            Marker::Sticky => "sticky".to_owned(),
            Marker::Reply(comment) => format!("reply-{comment}"),
            Marker::Promotion => "promotion".to_owned(),
            Marker::Landed => "landed".to_owned(),
            Marker::Desk => "desk".to_owned(),
            Marker::Onboarding => "onboarding".to_owned(),
            Marker::Suggestions => "suggestions".to_owned(),
        }
    }

    fn named(word: &str) -> Option<Marker> {
        match word {
            "sticky" => Some(Marker::Sticky),
            "promotion" => Some(Marker::Promotion),
            "landed" => Some(Marker::Landed),
            "desk" => Some(Marker::Desk),
            "onboarding" => Some(Marker::Onboarding),
            "suggestions" => Some(Marker::Suggestions),
            other => other.strip_prefix("reply-")?.parse().ok().map(Marker::Reply),
        }
    }
}

/// The text with its marker as first line.
pub fn mark(marker: &Marker, body: &str) -> String {
    mark_as(marker, body, body)
}

/// The same for a text that may stay as long as `essence` does, though its letter would change.
pub fn mark_as(marker: &Marker, essence: &str, body: &str) -> String {
    let digest = Sha256::digest(essence.as_bytes());
    let hash: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{START}{} {hash}{END}\n{body}", marker.word())
}

/// What a text is, when its first line is a marker. Who wrote it must be checked beside: anybody can write such a line.
pub fn find(body: &str) -> Option<Marker> {
    Marker::named(parts(body)?.0)
}

/// Whether a text on GitHub already says what `wanted` says, whatever GitHub did to its line ends.
pub fn says_the_same(there: &str, wanted: &str) -> bool {
    match (parts(there), parts(wanted)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

fn parts(body: &str) -> Option<(&str, &str)> {
    let first = body.lines().next()?;
    first.strip_prefix(START)?.strip_suffix(END)?.split_once(' ')
}
