//! The formats of text that the API server insists on in custom resources.

use core::net::{Ipv4Addr, Ipv6Addr};

/// Whether text has a format; one that is not known asks nothing.
pub(super) fn fits(format: &str, text: &str) -> bool {
    match format {
        "date-time" => text.parse::<jiff::Timestamp>().is_ok(),
        "date" => text.parse::<jiff::civil::Date>().is_ok() && text.len() == 10,
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "duration" => is_go_duration(text) || text.starts_with('P'),
        _ => true,
    }
}

/// A duration as Go reads it: `1h30m`, `-1.5s`, `0`.
fn is_go_duration(text: &str) -> bool {
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return true;
    }
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, unit) = rest.split_at(digits);
        if !number.bytes().any(|b| b.is_ascii_digit()) || number.matches('.').count() > 1 {
            return false;
        }
        let end = unit.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(unit.len());
        let (unit, next) = unit.split_at(end);
        if !matches!(unit, "ns" | "us" | "µs" | "μs" | "ms" | "s" | "m" | "h") {
            return false;
        }
        rest = next;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn durations_are_gos() {
        for good in ["0", "1h30m", "1.5s", "-2m", "500ms", "PT1H"] {
            assert!(fits("duration", good), "{good}");
        }
        for bad in ["", "5", "1d", "m", "1h 30m", "1..5s"] {
            assert!(!fits("duration", bad), "{bad}");
        }
        assert!(fits("date-time", "2026-01-02T03:04:05Z") && !fits("date-time", "yesterday"));
        assert!(fits("int32", "anything"));
    }
}
