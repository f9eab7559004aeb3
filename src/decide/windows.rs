//! When an environment takes promotions: openings by cron in its own time zone, closures by date, closures first.

use croner::Cron;
use croner::parser::CronParser;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

use crate::model::pipeline::Windows;
use crate::model::verdict::Verdict;

/// How often the search for the next opening may meet a closure: closures are listed by people, one a holiday.
const MAX_CLOSURES: usize = 1_000;

/// Whether the environment is open now, until when, and when it opens next.
pub(super) fn gate(windows: &Windows, now: Timestamp) -> Verdict {
    let Some(calendar) = Calendar::of(windows) else {
        // The configuration's rules let no such text through; closed is the safe reading of what cannot be read.
        return Verdict::no("window", "`windows` cannot be read").next("correct it in .github/trunkline.yaml");
    };
    let here = now.to_zoned(calendar.zone.clone());
    if calendar.closure(&here).is_none()
        && let Some(end) = calendar.open(&here)
    {
        return match end {
            // What was green must not stay so when the window closes.
            Some(end) => Verdict::yes("window", format!("the window is open until {}", calendar.shown(end))).until(end),
            None => Verdict::yes("window", "no closure applies"),
        };
    }
    let why = match calendar.closure(&here) {
        Some((reason, _)) if !reason.is_empty() => format!("closed for {reason}"),
        Some(_) => "closed by date".to_owned(),
        None => "outside of its windows".to_owned(),
    };
    match calendar.next(here) {
        Some(next) => Verdict::wait("window", format!("{why}; opens {}", calendar.shown(next))).until(next),
        None => Verdict::no("window", format!("{why}, and no window ever opens again"))
            .next("add an opening to `windows` in .github/trunkline.yaml"),
    }
}

struct Calendar<'w> {
    windows: &'w Windows,
    zone: TimeZone,
    openings: Vec<(Cron, SignedDuration)>,
}

impl<'w> Calendar<'w> {
    fn of(windows: &'w Windows) -> Option<Self> {
        let zone = TimeZone::get(&windows.timezone).ok()?;
        let opening = |window: &crate::model::pipeline::Window| {
            Some((CronParser::new().parse(&window.cron).ok()?, window.length))
        };
        let openings = windows.allow.iter().map(opening).collect::<Option<Vec<_>>>()?;
        Some(Self { windows, zone, openings })
    }

    /// The closure a moment falls into: its reason and the midnight after its last day.
    fn closure(&self, at: &Zoned) -> Option<(&'w str, Option<Timestamp>)> {
        let closed = self.windows.exclude.iter().filter(|closed| (closed.from..=closed.to).contains(&at.date()));
        let last = closed.max_by_key(|closed| closed.to)?;
        let end = last.to.tomorrow().ok().and_then(|day| day.to_zoned(self.zone.clone()).ok());
        Some((&last.reason, end.map(|end| end.timestamp())))
    }

    /// Whether an opening covers a moment, closures aside, and when the last of them ends; without any it is always open.
    fn open(&self, at: &Zoned) -> Option<Option<Timestamp>> {
        if self.openings.is_empty() {
            return Some(None);
        }
        let end = |(cron, length): &(Cron, SignedDuration)| {
            let began: Zoned = cron.find_previous_occurrence(at, true).ok()?;
            began.timestamp().checked_add(*length).ok().filter(|end| *end > at.timestamp())
        };
        self.openings.iter().filter_map(end).max().map(Some)
    }

    /// The next moment that is open and in no closure.
    fn next(&self, mut at: Zoned) -> Option<Timestamp> {
        for _ in 0..MAX_CLOSURES {
            if let Some((_, end)) = self.closure(&at) {
                at = end?.to_zoned(self.zone.clone());
            } else if self.open(&at).is_some() {
                return Some(at.timestamp());
            } else {
                let starts = self.openings.iter().filter_map(|(cron, _)| cron.find_next_occurrence(&at, false).ok());
                at = starts.min_by_key(Zoned::timestamp)?;
            }
        }
        None
    }

    /// A moment as the people of that environment read it.
    fn shown(&self, at: Timestamp) -> String {
        format!("{} {}", at.to_zoned(self.zone.clone()).strftime("%a %Y-%m-%d %H:%M"), self.windows.timezone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::pipeline::{Exclusion, Window};

    fn windows(allow: &[(&str, i64)], exclude: &[(&str, &str, &str)]) -> Windows {
        let window =
            |(cron, hours): &(&str, i64)| Window { cron: (*cron).into(), length: SignedDuration::from_hours(*hours) };
        let closed = |(from, to, reason): &(&str, &str, &str)| Exclusion {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            reason: (*reason).into(),
        };
        Windows {
            timezone: "Europe/Berlin".into(),
            allow: allow.iter().map(window).collect(),
            exclude: exclude.iter().map(closed).collect(),
        }
    }

    fn told(windows: &Windows, now: &str) -> String {
        let verdict = gate(windows, now.parse().unwrap());
        let until = verdict.until.map_or_else(String::new, |until| format!(" until {until}"));
        format!("{:?}{until}: {}", verdict.answer, verdict.text)
    }

    #[test]
    fn openings_are_read_in_their_own_time_zone() {
        let office = windows(&[("0 9 * * 1-4", 7)], &[]);
        // Monday, 10:00 in Berlin in winter; 08:59 and 16:00 are outside.
        let at = ["2026-11-23T09:00:00Z", "2026-11-23T07:59:00Z", "2026-11-23T15:00:00Z", "2026-11-26T16:00:00Z"];
        insta::assert_snapshot!(at.map(|at| told(&office, at)).join("\n"), @"
        Yes until 2026-11-23T15:00:00Z: the window is open until Mon 2026-11-23 16:00 Europe/Berlin
        Wait until 2026-11-23T08:00:00Z: outside of its windows; opens Mon 2026-11-23 09:00 Europe/Berlin
        Wait until 2026-11-24T08:00:00Z: outside of its windows; opens Tue 2026-11-24 09:00 Europe/Berlin
        Wait until 2026-11-30T08:00:00Z: outside of its windows; opens Mon 2026-11-30 09:00 Europe/Berlin
        ");
    }

    #[test]
    fn closures_beat_openings() {
        let office = windows(
            &[("0 9 * * 1-5", 7)],
            &[("2026-12-20", "2027-01-02", "the holidays"), ("2027-01-03", "2027-01-04", "")],
        );
        let at = ["2026-12-18T10:00:00Z", "2026-12-21T10:00:00Z", "2027-01-04T10:00:00Z", "2026-12-18T16:00:00Z"];
        insta::assert_snapshot!(at.map(|at| told(&office, at)).join("\n"), @"
        Yes until 2026-12-18T15:00:00Z: the window is open until Fri 2026-12-18 16:00 Europe/Berlin
        Wait until 2027-01-05T08:00:00Z: closed for the holidays; opens Tue 2027-01-05 09:00 Europe/Berlin
        Wait until 2027-01-05T08:00:00Z: closed by date; opens Tue 2027-01-05 09:00 Europe/Berlin
        Wait until 2027-01-05T08:00:00Z: outside of its windows; opens Tue 2027-01-05 09:00 Europe/Berlin
        ");
        // Only closures: open on all other days.
        let closed = windows(&[], &[("2026-12-24", "2026-12-24", "")]);
        insta::assert_snapshot!(["2026-12-24T12:00:00Z", "2026-12-25T12:00:00Z"].map(|at| told(&closed, at)).join("\n"), @"
        Wait until 2026-12-24T23:00:00Z: closed by date; opens Fri 2026-12-25 00:00 Europe/Berlin
        Yes: no closure applies
        ");
    }

    #[test]
    fn clocks_that_jump_do_not_move_a_window() {
        // 2027-03-28 02:00 → 03:00 and 2026-10-25 03:00 → 02:00.
        let night = windows(&[("30 2 * * *", 2)], &[]);
        let at = [
            "2027-03-28T00:45:00Z",
            "2027-03-28T01:15:00Z",
            "2026-10-25T00:15:00Z",
            "2026-10-25T00:45:00Z",
            "2026-10-25T02:45:00Z",
        ];
        insta::assert_snapshot!(at.map(|at| told(&night, at)).join("\n"), @"
        Wait until 2027-03-28T01:00:00Z: outside of its windows; opens Sun 2027-03-28 03:00 Europe/Berlin
        Yes until 2027-03-28T03:00:00Z: the window is open until Sun 2027-03-28 05:00 Europe/Berlin
        Wait until 2026-10-25T00:30:00Z: outside of its windows; opens Sun 2026-10-25 02:30 Europe/Berlin
        Yes until 2026-10-25T02:30:00Z: the window is open until Sun 2026-10-25 03:30 Europe/Berlin
        Wait until 2026-10-26T01:30:00Z: outside of its windows; opens Mon 2026-10-26 02:30 Europe/Berlin
        ");
    }

    #[test]
    fn what_never_opens_says_so() {
        let never = windows(&[("0 9 30 2 *", 1)], &[]);
        insta::assert_snapshot!(told(&never, "2026-11-23T09:00:00Z"), @"No: outside of its windows, and no window ever opens again");
    }
}
