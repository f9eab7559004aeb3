//! What a change makes worse: findings of base and head, compared as multisets.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::Hash;

use crate::model::finding::{Delta, Finding, ObjectName, Severity};

/// One rule's findings in one environment, listed one by one. Beyond it nobody reads, and reports have limits of their own; the rest is counted.
pub const MAX_PER_RULE: usize = 100;

type Identity = (String, Option<ObjectName>, String);

fn identity(finding: &Finding) -> Identity {
    let (rule, object, message) = finding.identity();
    (rule.to_owned(), object.cloned(), message.to_owned())
}

/// Marks each finding as new, already there, or fixed; what blocks first, then new ones, by severity, rule and place.
///
/// Two equal findings at base and three at head are one new finding: the one furthest down, since new text is mostly added below.
pub fn compare(base: Vec<Finding>, head: Vec<Finding>) -> Vec<Finding> {
    listed(marked(base, head, identity))
}

/// Only what differs, where it counts as well how grave a finding is and whether somebody accepts it.
pub(super) fn news(base: Vec<Finding>, head: Vec<Finding>) -> Vec<Finding> {
    let judged = |finding: &Finding| (identity(finding), finding.severity, finding.accepted.is_some());
    let mut all = marked(base, head, judged);
    all.retain(|finding| finding.delta != Delta::Existing);
    listed(all)
}

/// Every finding, marked; two with one key are the same.
fn marked<K: Eq + Hash>(base: Vec<Finding>, head: Vec<Finding>, key: impl Fn(&Finding) -> K) -> Vec<Finding> {
    let mut known: HashMap<K, Vec<Finding>> = HashMap::new();
    for finding in base {
        known.entry(key(&finding)).or_default().push(finding);
    }
    let mut all = Vec::with_capacity(head.len());
    for mut finding in head {
        let met = known.get_mut(&key(&finding)).and_then(Vec::pop).is_some();
        finding.delta = if met { Delta::Existing } else { Delta::New };
        all.push(finding);
    }
    let fixed = known.into_values().flatten().map(|finding| Finding { delta: Delta::Fixed, ..finding });
    all.extend(fixed);
    all
}

fn listed(mut findings: Vec<Finding>) -> Vec<Finding> {
    sort(&mut findings);
    bound(findings)
}

fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        // What is accepted comes last, so that it never pushes out what is not.
        // What blocks comes first, for the same reason.
        let key = |f: &Finding| (Reverse(f.blocks()), f.delta, f.accepted.is_some(), Reverse(f.severity));
        key(a).cmp(&key(b)).then_with(|| {
            (&a.rule, &a.location, &a.object, &a.message).cmp(&(&b.rule, &b.location, &b.object, &b.message))
        })
    });
}

/// Keeps the gravest [`MAX_PER_RULE`] of each rule and says how many more there are; what is cut never blocks where what is kept does not.
fn bound(findings: Vec<Finding>) -> Vec<Finding> {
    let mut count: HashMap<String, usize> = HashMap::new();
    let mut cut: Vec<(Finding, usize)> = Vec::new();
    let mut kept = Vec::with_capacity(findings.len());
    for finding in findings {
        let seen = count.entry(finding.rule.clone()).or_default();
        *seen += 1;
        if *seen <= MAX_PER_RULE {
            kept.push(finding);
        } else {
            match cut.iter_mut().find(|(first, _)| first.rule == finding.rule) {
                Some((_, more)) => *more += 1,
                None => cut.push((finding, 1)),
            }
        }
    }
    for (first, more) in cut {
        let severity = if first.delta == Delta::Fixed { Severity::Info } else { first.severity };
        let message = format!("{more} more findings of this rule are not listed; deal with those listed first");
        kept.push(Finding { message, severity, object: None, location: None, ..first });
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::finding::Blocks;

    fn finding(message: &str) -> Finding {
        Finding::new("R", Severity::Error, message)
    }

    fn shown(base: &[&str], head: &[&str]) -> Vec<(Delta, String)> {
        let list = |messages: &[&str]| messages.iter().map(|message| finding(message)).collect();
        compare(list(base), list(head)).into_iter().map(|finding| (finding.delta, finding.message)).collect()
    }

    #[test]
    fn only_what_is_worse_is_new() {
        let got = shown(&["a", "b", "b"], &["b", "b", "b", "c"]);
        let want =
            [(Delta::New, "b"), (Delta::New, "c"), (Delta::Existing, "b"), (Delta::Existing, "b"), (Delta::Fixed, "a")];
        assert_eq!(got, want.map(|(delta, message)| (delta, message.to_owned())));
    }

    #[test]
    fn what_blocks_is_never_cut() {
        let old: Vec<Finding> = (0..50).map(|n| finding(&format!("old {n}"))).collect();
        let new = (0..MAX_PER_RULE).map(|n| Finding { severity: Severity::Warning, ..finding(&format!("new {n}")) });
        let head = old.iter().cloned().chain(new).map(|one| Finding { blocks: Blocks::AllErrors, ..one }).collect();
        let got = compare(old, head);
        assert_eq!(got.iter().filter(|one| one.blocks()).count(), 50);
        assert_eq!((got[0].delta, got[50].delta), (Delta::Existing, Delta::New));
    }

    #[test]
    fn t19_ten_thousand_findings_are_counted_and_block() {
        let many: Vec<String> = (0..10_000).map(|n| format!("{n:05}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let got = compare(Vec::new(), many.iter().map(|message| finding(message)).collect());
        assert_eq!(got.len(), MAX_PER_RULE + 1);
        assert!(got.iter().all(Finding::blocks));
        assert_eq!(
            got[MAX_PER_RULE].message,
            "9900 more findings of this rule are not listed; deal with those listed first"
        );
        // One new finding among many old ones is never the one that is cut.
        let base = many.iter().skip(1).map(|message| finding(message)).collect();
        let got = compare(base, many.iter().map(|message| finding(message)).collect());
        assert_eq!((got[0].delta, got[0].message.as_str()), (Delta::New, "00000"));
    }
}
