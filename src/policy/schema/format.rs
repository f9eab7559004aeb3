//! The formats of text that the API server insists on in custom resources.

use core::net::{Ipv4Addr, Ipv6Addr};

/// Whether text has a format; one that is not known asks nothing.
pub(super) fn fits(format: &str, text: &str) -> bool {
    match format {
        "date-time" => text.parse::<jiff::Timestamp>().is_ok(),
        "date" => text.parse::<jiff::civil::Date>().is_ok() && text.len() == 10,
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "duration" => duration(text).is_some(),
        _ => true,
    }
}

/// Nanoseconds in each unit, what Go calls it, and the words for it, of which the last may go on, as in `seconds`.
const UNITS: [(i128, &[&str], &[&str]); 8] = [
    (1, &["ns"], &["nano"]),
    (1_000, &["us", "µs", "μs"], &["micro"]),
    (1_000_000, &["ms"], &["milli"]),
    (1_000_000_000, &["s"], &["sec"]),
    (60_000_000_000, &["m"], &["min"]),
    (3_600_000_000_000, &["h"], &["hr", "hour"]),
    (86_400_000_000_000, &[], &["d", "day"]),
    (604_800_000_000_000, &[], &["w", "wk", "week"]),
];

/// A duration in nanoseconds, as the API server reads it: as Go does (`1h30m`, `-1.5s`), or else in words (`2 days`, `PT1H`).
pub(super) fn duration(text: &str) -> Option<i64> {
    go_duration(text).or_else(|| worded_duration(text)).and_then(|nanos| i64::try_from(nanos).ok())
}

/// A duration in nanoseconds, as Go reads it.
pub(in crate::policy) fn go_duration(text: &str) -> Option<i128> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Some(0);
    }
    let mut nanos: i128 = 0;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != '.')?);
        let (unit, after) = after.split_at(after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len()));
        let (scale, ..) = UNITS.iter().find(|(_, names, _)| names.contains(&unit))?;
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && part.is_empty()) || part.contains('.') {
            return None;
        }
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        // Nobody writes, and nothing keeps, less than a nanosecond.
        let part: String = part.chars().take(18).collect();
        let digits: i128 = if part.is_empty() { 0 } else { part.parse().ok()? };
        let below = digits.checked_mul(*scale)? / 10_i128.pow(u32::try_from(part.len()).ok()?);
        nanos = nanos.checked_add(whole.checked_mul(*scale)?)?.checked_add(below)?;
        rest = after;
    }
    (!text.trim_start_matches(['-', '+']).is_empty()).then_some(sign * nanos)
}

/// Every number that a unit follows, added up; whatever else stands there is passed over.
fn worded_duration(text: &str) -> Option<i128> {
    let mut found = None;
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let from = &rest[start..];
        let (number, after) = from.split_at(from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len()));
        let after = after.trim_start();
        let (unit, after) =
            after.split_at(after.find(|c: char| !c.is_ascii_alphabetic() && c != 'µ').unwrap_or(after.len()));
        rest = after;
        let unit = unit.to_lowercase();
        let is = |(_, names, words): &&(i128, &[&str], &[&str])| {
            names.contains(&unit.as_str())
                || words.contains(&unit.as_str())
                || words.last().is_some_and(|last| unit.starts_with(last))
        };
        if let Some((scale, ..)) = UNITS.iter().find(is) {
            let nanos = number.parse::<i128>().ok()?.checked_mul(*scale)?;
            found = Some(found.unwrap_or(0_i128).checked_add(nanos)?);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{duration, fits};

    #[test]
    fn durations_are_the_api_servers() {
        for (text, nanos) in [
            ("0", Some(0)),
            ("1h30m", Some(5_400_000_000_000)),
            ("1.5s", Some(1_500_000_000)),
            ("-2m", Some(-120_000_000_000)),
            (".5s", Some(500_000_000)),
            ("500ms", Some(500_000_000)),
            ("PT1H", Some(3_600_000_000_000)),
            ("5d", Some(432_000_000_000_000)),
            ("1h 30m", Some(5_400_000_000_000)),
            ("2 Weeks", Some(1_209_600_000_000_000)),
            ("", None),
            ("-", None),
            ("5", None),
            ("m", None),
            ("5x", None),
            ("99999999999999999999h", None),
        ] {
            assert_eq!((duration(text), fits("duration", text)), (nanos, nanos.is_some()), "{text}");
        }
        assert!(fits("date-time", "2026-01-02T03:04:05Z") && !fits("date-time", "yesterday"));
        assert!(fits("int32", "anything"));
    }
}
