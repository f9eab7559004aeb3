//! GitHub's limits, kept on our side: writes an installation may make, and the waits GitHub asked for.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};

use super::error::{ApiError, Kind, Scope};

/// Content writes a minute and an hour (GitHub's documented secondary limits).
const WINDOWS: [(usize, SignedDuration); 2] =
    [(80, SignedDuration::from_secs(60)), (500, SignedDuration::from_secs(3600))];
/// What talk may take of each window, in fifths. Anybody who may open a pull request makes us talk, so a flood of them must leave
/// room for what carries versions.
const TALK_FIFTHS: usize = 4;
/// Writes that are promised a time when they must wait: those of the longest window. Who comes after shares the last time.
const MAX_PROMISES: usize = WINDOWS[1].0;
/// What is promised at once to who carries a version: a branch, a commit and its pull request follow each other, and to be sent away
/// between them would cost another look at everything.
const TOGETHER: usize = 3;
/// Who does not come at the time it was told has nothing to write any more.
const PROMISE_LASTS: SignedDuration = SignedDuration::from_secs(60);
/// Installations remembered; each costs at most 500 times. When there are more, the longest idle is forgotten.
const MAX_INSTALLATIONS: usize = 10_000;

/// What a request does, as far as limits go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sends {
    /// Nothing is written.
    Read,
    /// Checks, comments, reactions: strangers can cause them.
    Talk,
    /// Branches, commits, pull requests, merges: what carries a version, and the ledger.
    Carry,
}

/// What is left of the hourly budgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Budget {
    /// REST calls left.
    pub rest: Option<u64>,
    /// GraphQL points left.
    pub graphql: Option<u64>,
    /// Content writes we may still make this hour.
    pub writes: usize,
}

#[derive(Debug, Default)]
struct Pace {
    writes: VecDeque<Timestamp>,
    /// When those who had to wait were told to come again, in order: at one time for all, each would look at everything anew and
    /// all but a few would be sent away once more.
    promised: VecDeque<Timestamp>,
    blocked_until: Option<Timestamp>,
    budget: Budget,
    used: Timestamp,
}

/// The pace of every installation.
#[derive(Debug, Default)]
pub(super) struct Pacer(Mutex<HashMap<u64, Pace>>);

impl Pacer {
    /// Asks to send one request now; a write is counted.
    pub(super) fn admit(&self, installation: u64, sends: Sends, now: Timestamp) -> Result<(), ApiError> {
        let mut paces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if paces.len() >= MAX_INSTALLATIONS && !paces.contains_key(&installation) {
            let idle = paces.iter().min_by_key(|(_, pace)| pace.used).map(|(id, _)| *id);
            idle.and_then(|id| paces.remove(&id));
        }
        let pace = paces.entry(installation).or_default();
        pace.used = now;
        if let Some(until) = pace.blocked_until.filter(|until| now < *until) {
            return Err(wait(until, "GitHub asked us to wait"));
        }
        if sends == Sends::Read {
            return Ok(());
        }
        let (_, longest) = WINDOWS[1];
        while pace.writes.front().is_some_and(|at| now.duration_since(*at) >= longest) {
            pace.writes.pop_front();
        }
        while pace.promised.front().is_some_and(|at| now.duration_since(*at) >= PROMISE_LASTS) {
            pace.promised.pop_front();
        }
        if room(pace.writes.iter(), sends, 1).is_none_or(|at| at <= now) {
            // Whoever comes takes the place of the first who is due.
            if pace.promised.front().is_some_and(|at| *at <= now) {
                pace.promised.pop_front();
            }
            pace.writes.push_back(now);
            return Ok(());
        }
        if let Some(last) = pace.promised.back().filter(|_| pace.promised.len() >= MAX_PROMISES) {
            return Err(wait(*last, TOO_MANY));
        }
        let together = if sends == Sends::Carry { TOGETHER } else { 1 };
        let at = room(pace.writes.iter().chain(&pace.promised), sends, together).unwrap_or(now);
        let place = pace.promised.partition_point(|other| *other <= at);
        (0..together).for_each(|_| pace.promised.insert(place, at));
        Err(wait(at, TOO_MANY))
    }

    /// Notes what an answer said of the budgets.
    pub(super) fn heard(&self, installation: u64, headers: &HeaderMap) {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let Some(remaining) = text("x-ratelimit-remaining").and_then(|v| v.parse().ok()) else { return };
        let mut paces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pace) = paces.get_mut(&installation) else { return };
        match text("x-ratelimit-resource") {
            Some("graphql") => pace.budget.graphql = Some(remaining),
            _ => pace.budget.rest = Some(remaining),
        }
    }

    /// Sends nothing more for this installation before `until`.
    pub(super) fn block(&self, installation: u64, until: Timestamp) {
        let mut paces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pace) = paces.get_mut(&installation) {
            pace.blocked_until = pace.blocked_until.max(Some(until));
        }
    }

    /// What is left, as far as GitHub said; of writes we know ourselves.
    pub(super) fn budget(&self, installation: u64, now: Timestamp) -> Budget {
        let (most, window) = WINDOWS[1];
        let paces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pace) = paces.get(&installation) else { return Budget { writes: most, ..Budget::default() } };
        let recent = pace.writes.iter().filter(|at| now.duration_since(**at) < window).count();
        Budget { writes: most.saturating_sub(recent), ..pace.budget }
    }
}

const TOO_MANY: &str = "as many writes as GitHub allows in this time";

/// When there is room for so many more after these, made or promised, in order; `None`: at once.
fn room<'t>(
    times: impl DoubleEndedIterator<Item = &'t Timestamp> + Clone,
    sends: Sends,
    more: usize,
) -> Option<Timestamp> {
    let after = |(most, window): (usize, SignedDuration)| {
        let most = if sends == Sends::Talk { most * TALK_FIFTHS / 5 } else { most };
        // The one that must leave the window before as many fit.
        times.clone().rev().nth(most - more).map(|at| *at + window)
    };
    WINDOWS.into_iter().filter_map(after).max()
}

fn wait(until: Timestamp, why: &str) -> ApiError {
    ApiError::new(Kind::ThrottledUntil(until), Scope::Installation, format!("{why}; next at {until}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_stay_under_both_limits_and_reads_do_not_count() {
        let pacer = Pacer::default();
        let start: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let at = |seconds| start + SignedDuration::from_secs(seconds);
        for _ in 0..80 {
            pacer.admit(1, Sends::Carry, start).unwrap();
        }
        assert_eq!(pacer.admit(1, Sends::Carry, at(59)).unwrap_err().kind, Kind::ThrottledUntil(at(60)));
        pacer.admit(1, Sends::Read, at(59)).unwrap();
        pacer.admit(2, Sends::Carry, at(59)).unwrap();
        let mut sent = 80;
        for second in 60..3600 {
            sent += usize::from(pacer.admit(1, Sends::Carry, at(second)).is_ok());
        }
        assert_eq!(sent, 500);
        assert_eq!((pacer.budget(1, at(3599)).writes, pacer.budget(2, at(3599)).writes), (0, 499));
        assert_eq!((pacer.budget(3, start).writes, pacer.budget(1, at(3600)).writes), (500, 80));
        pacer.admit(1, Sends::Carry, at(3600)).unwrap();
    }

    #[test]
    fn who_must_wait_is_told_a_time_at_which_there_is_room() {
        let pacer = Pacer::default();
        let start: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let at = |seconds| start + SignedDuration::from_secs(seconds);
        let told = |sends| match pacer.admit(1, sends, start).map_err(|error| error.kind) {
            Ok(()) => start,
            Err(Kind::ThrottledUntil(at)) => at,
            Err(other) => panic!("{other:?}"),
        };
        assert_eq!((0..80).map(|_| told(Sends::Carry)).max(), Some(start));
        // A hundred promotions, three writes each: a minute has room for 26.
        let times: Vec<Timestamp> = (0..100).map(|_| told(Sends::Carry)).collect();
        assert_eq!((times[0], times[25], times[26], times[99]), (at(60), at(60), at(120), at(240)));
        // Each comes at its time, and none is sent away again.
        for time in &times {
            for write in 0..3 {
                assert!(pacer.admit(1, Sends::Carry, *time).is_ok(), "write {write} at {time}");
            }
        }
        assert_eq!(pacer.budget(1, at(240)).writes, 500 - 380);
    }

    #[test]
    fn t40_a_flood_of_talk_leaves_room_for_promotions() {
        let pacer = Pacer::default();
        let start: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let (mut talk, mut carried) = (0, 0);
        // Strangers open pull requests all the time; every few minutes a promotion takes its four writes.
        for second in 0..3600 {
            let now = start + SignedDuration::from_secs(second);
            talk += (0..10).filter(|_| pacer.admit(1, Sends::Talk, now).is_ok()).count();
            if second % 150 == 149 {
                for _ in 0..4 {
                    pacer.admit(1, Sends::Carry, now).unwrap();
                    carried += 1;
                }
            }
        }
        assert_eq!(carried, 96);
        assert!((300..=400).contains(&talk), "{talk}");
        assert!(pacer.budget(1, start + SignedDuration::from_secs(3600)).writes <= 500);
        let wait = pacer.admit(1, Sends::Talk, start + SignedDuration::from_secs(3599)).unwrap_err();
        assert!(matches!(wait.kind, Kind::ThrottledUntil(_)), "{wait}");
    }

    #[test]
    fn nothing_is_sent_before_the_wait_is_over() {
        let pacer = Pacer::default();
        let start: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        pacer.admit(1, Sends::Read, start).unwrap();
        let until = start + SignedDuration::from_secs(30);
        pacer.block(1, until);
        assert_eq!(pacer.admit(1, Sends::Read, start).unwrap_err().kind, Kind::ThrottledUntil(until));
        pacer.admit(2, Sends::Read, start).unwrap();
        pacer.admit(1, Sends::Read, until).unwrap();
    }
}
