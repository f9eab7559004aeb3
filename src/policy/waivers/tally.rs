//! What waivers accept in one evaluation, and what that says of the waivers themselves.

use std::collections::HashMap;

use jiff::civil::Date;

use super::{Waiver, Waivers, finding};
use crate::model::finding::{Delta, Finding, Severity};
use crate::model::path::RepoPath;

/// Which side of a change findings are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Before.
    Base,
    /// After. `false`: not all of it was seen.
    Head(bool),
}

/// Waivers at work: what each has met so far.
pub struct Tally<'w> {
    waivers: &'w Waivers,
    met: Vec<Met>,
    /// Which waivers are about a rule, so that many findings and many waivers stay a few comparisons each.
    by_rule: HashMap<&'w str, Vec<usize>>,
    /// The environments that were looked at, folder by folder, and whether all of each was seen.
    looked: HashMap<(String, RepoPath), bool>,
}

#[derive(Default, Clone)]
struct Met {
    /// Findings at head.
    number: usize,
    /// The first of them, in words.
    first: String,
    /// Whether one of them would block without it.
    blocks: bool,
    /// Whether it met anything at base.
    before: bool,
}

impl<'w> Tally<'w> {
    /// Nothing met yet.
    pub fn new(waivers: &'w Waivers) -> Self {
        let mut by_rule: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, waiver) in waivers.list.iter().enumerate() {
            by_rule.entry(&waiver.rule).or_default().push(at);
        }
        Self { waivers, met: vec![Met::default(); waivers.list.len()], by_rule, looked: HashMap::new() }
    }

    /// Marks what is accepted among the findings of one environment's folder.
    pub fn accept(&mut self, (environment, folder): (&str, &RepoPath), side: Side, findings: &mut [Finding]) {
        if let Side::Head(seen) = side {
            // Applied in several ways, a folder is seen when each of them is.
            *self.looked.entry((environment.to_owned(), folder.clone())).or_insert(true) &= seen;
        }
        for finding in findings {
            for at in self.by_rule.get(finding.rule.as_str()).into_iter().flatten() {
                let waiver = &self.waivers.list[*at];
                if waiver.covers(environment, finding) {
                    self.met[*at].note(environment, side, finding);
                    mark(finding, waiver, self.waivers.is_expired(waiver));
                }
            }
        }
    }

    /// The last day of the first to expire among those that keep a finding from blocking.
    pub fn until(&self) -> Option<Date> {
        let counts = self.each().filter(|(waiver, met)| met.blocks && !self.waivers.is_expired(waiver));
        counts.map(|(waiver, _)| waiver.expires).min()
    }

    /// The waivers that are expired, and those that nothing needs. The latter are told only where all the environments they are for, of
    /// `all` there are, were looked at: a change of one environment says nothing of the others.
    pub fn findings(&self, all: &[(String, RepoPath)]) -> Vec<Finding> {
        self.each().filter_map(|(waiver, met)| self.said(waiver, met, all)).collect()
    }

    fn each(&self) -> impl Iterator<Item = (&Waiver, &Met)> {
        self.waivers.list.iter().zip(&self.met)
    }

    fn said(&self, waiver: &Waiver, met: &Met, all: &[(String, RepoPath)]) -> Option<Finding> {
        let (rule, day) = (&waiver.rule, waiver.expires);
        let delta = if met.number == 0 && met.before { Delta::New } else { Delta::Existing };
        let is_expired = self.waivers.is_expired(waiver);
        let (severity, message, fix) = match (is_expired, met.number) {
            (true, number @ 1..) => {
                let of = if number > 1 { format!("{number} findings, the first ") } else { String::new() };
                let message = format!("this waiver of `{rule}` expired on {day}; it let through {of}{}", met.first);
                (
                    Severity::Warning,
                    message,
                    "Fix that and remove the waiver, or give it a later day if its reason still holds.",
                )
            }
            (false, 1..) => return None,
            (_, 0) if !self.saw_all(waiver, all) => return None,
            (true, 0) => {
                let message = format!("this waiver of `{rule}` expired on {day}, and nothing needs it any more");
                (Severity::Warning, message, "Remove it.")
            }
            (false, 0) => (
                Severity::Info,
                format!("nothing needs this waiver of `{rule}`"),
                "Remove it; or correct `object`, `path` or `environments`, if it was meant for something that is there.",
            ),
        };
        Some(finding((severity, delta), &waiver.at, message, fix))
    }

    fn saw_all(&self, waiver: &Waiver, all: &[(String, RepoPath)]) -> bool {
        let mut wanted = all.iter().filter(|(environment, _)| waiver.is_about(environment)).peekable();
        wanted.peek().is_some() && wanted.all(|place| self.looked.get(place) == Some(&true))
    }
}

impl Met {
    fn note(&mut self, environment: &str, side: Side, finding: &Finding) {
        if side == Side::Base {
            self.before = true;
            return;
        }
        if self.number == 0 {
            let object = finding.object.as_ref().map_or(String::new(), |object| format!("`{object}` "));
            self.first = format!("{object}in `{environment}`: {}", finding.message);
        }
        self.number += 1;
        self.blocks |= finding.would_block();
    }
}

fn mark(finding: &mut Finding, waiver: &Waiver, is_expired: bool) {
    if !is_expired {
        finding.accepted.get_or_insert_with(|| waiver.words());
    } else if finding.accepted.is_none() {
        let (day, at) = (waiver.expires, &waiver.at);
        let said = format!("A waiver accepted this until {day} (`{}:{}`).", at.path, at.line);
        let gap = if finding.fix.is_empty() { "" } else { " " };
        finding.fix.push_str(&format!("{gap}{said}"));
    }
}
