//! Numbers, lists and times as people read them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// `1 error`, `2 errors`.
pub(super) fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// `a`, `a and b`, `a, b and c`, `a, b, c and 4 more`.
pub(super) fn listed(items: &[String], most: usize) -> String {
    let shown = items.len().min(most);
    let more = items.len() - shown;
    match (&items[..shown], more) {
        ([], 0) => String::new(),
        ([], more) => format!("{more} more"),
        (shown, 0) => match shown.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
            _ => shown.join(""),
        },
        (shown, more) => format!("{} and {more} more", shown.join(", ")),
    }
}

/// `2026-12-20 09:00 UTC`.
pub(super) fn time(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// The first letter in upper case.
pub(super) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}
