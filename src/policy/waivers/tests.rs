//! Waivers at work, from `waivers.yaml` to what an author sees of them.

use jiff::civil::date;

use super::*;
use crate::model::pipeline::{Mode, Policies};
use crate::model::tree::{MemoryObjects, Tree};
use crate::policy::files;

fn waivers(text: &str) -> Waivers {
    let mut store = MemoryObjects::default();
    let root = store.add_text([("policies/team/waivers.yaml", text)]).unwrap();
    let folder: RepoPath = "policies".parse().unwrap();
    let files = files::list(&Tree::new(root, &store), std::slice::from_ref(&folder));
    let policies = Policies { packs: Vec::new(), paths: vec![folder], ..Policies::default() };
    let pipeline =
        Pipeline { mode: Mode::Enforce, apps: Vec::new(), environments: Vec::new(), policies, registries: Vec::new() };
    let mut waivers = Waivers::read(&store, &files, &pipeline, date(2026, 11, 27));
    // The environments are the configuration's; these tests have one without.
    let (list, problems) = read::files(&store, &files, &["dev", "prod"]);
    (waivers.list, waivers.problems) = (list, problems);
    waivers
}

fn found(rule: &str, object: (&str, &str, &str), message: &str) -> Finding {
    let (kind, namespace, name) = object;
    Finding {
        rule: rule.into(),
        object: Some(ObjectName {
            group: String::new(),
            kind: kind.into(),
            namespace: namespace.into(),
            name: name.into(),
        }),
        location: Some(Location { path: "environments/base/web.yaml".parse().unwrap(), line: 7, column: 3 }),
        ..finding((Severity::Error, Delta::New), &place(), message.into(), "")
    }
}

fn place() -> Location {
    Location { path: "x".parse().unwrap(), line: 1, column: 0 }
}

fn places() -> Vec<(String, RepoPath)> {
    ["dev", "prod"].map(|name| (name.to_owned(), format!("environments/{name}").parse().unwrap())).into()
}

/// What `waivers` make of `findings` in the environments `looked` at: each that is accepted or explained, then what is said of the waivers.
fn told(waivers: &Waivers, looked: &[&str], findings: &[Finding]) -> String {
    let mut tally = Tally::new(waivers);
    let mut out = String::new();
    for environment in looked {
        let mut findings = findings.to_vec();
        let folder: RepoPath = format!("environments/{environment}").parse().unwrap();
        tally.accept((environment, &folder), Side::Head(true), &mut findings);
        for finding in findings {
            let object = finding.object.as_ref().unwrap();
            out += &format!(
                "{environment}: {} {object}: {}{}\n",
                finding.rule,
                finding.accepted.unwrap_or_default(),
                finding.fix
            );
        }
    }
    for finding in tally.findings(&places()) {
        let line = finding.location.unwrap().line;
        out += &format!("{line}: {} {:?}: {}. {}\n", finding.severity, finding.delta, finding.message, finding.fix);
    }
    out
}

const GOOD: &str = "
- rule: IMG-001
  object: Deployment shop-*/web
  environments: [dev]
  reason: the vendor publishes no other tag
  owner: acme/shop
  expires: 2026-11-27
- rule: main.deny
  path: environments/base
  reason: as agreed
  owner: '@sue'
  expires: 2026-11-26
- rule: WL-001
  object: '* web'
  reason: one is enough
  owner: '@sue'
  expires: 2027-01-01
";

#[test]
fn a_waiver_accepts_what_it_names_until_its_day_and_says_when_it_is_past_or_unused() {
    let waivers = waivers(GOOD);
    assert_eq!(waivers.problems, []);
    let web = ("Deployment", "shop-dev", "web");
    let findings = [
        found("IMG-001", web, "image `web` is tagged `latest`"),
        found("IMG-001", ("Deployment", "shop-dev", "web2"), "image `web` is tagged `latest`"),
        found("main.deny", web, "no team"),
    ];
    insta::assert_snapshot!(told(&waivers, &["dev", "prod"], &findings), @"
    dev: IMG-001 Deployment shop-dev/web: waived until 2026-11-27 by acme/shop: the vendor publishes no other tag
    dev: IMG-001 Deployment shop-dev/web2: 
    dev: main.deny Deployment shop-dev/web: A waiver accepted this until 2026-11-26 (`policies/team/waivers.yaml:8`).
    prod: IMG-001 Deployment shop-dev/web: 
    prod: IMG-001 Deployment shop-dev/web2: 
    prod: main.deny Deployment shop-dev/web: A waiver accepted this until 2026-11-26 (`policies/team/waivers.yaml:8`).
    8: warning Existing: this waiver of `main.deny` expired on 2026-11-26; it let through 2 findings, the first `Deployment shop-dev/web` in `dev`: no team. Fix that and remove the waiver, or give it a later day if its reason still holds.
    13: info Existing: nothing needs this waiver of `WL-001`. Remove it; or correct `object`, `path` or `environments`, if it was meant for something that is there.
    ");
    insta::assert_snapshot!(told(&waivers, &["prod"], &findings[..1]), @"prod: IMG-001 Deployment shop-dev/web:");
    insta::assert_snapshot!(told(&waivers, &["dev", "prod"], &[]), @"
    2: info Existing: nothing needs this waiver of `IMG-001`. Remove it; or correct `object`, `path` or `environments`, if it was meant for something that is there.
    8: warning Existing: this waiver of `main.deny` expired on 2026-11-26, and nothing needs it any more. Remove it.
    13: info Existing: nothing needs this waiver of `WL-001`. Remove it; or correct `object`, `path` or `environments`, if it was meant for something that is there.
    ");
}

#[test]
fn optional_rules_are_rules() {
    let of = |rule: &str| waivers(&format!("- {{rule: {rule}, path: a, reason: b, owner: c, expires: 2027-01-01}}\n"));
    assert_eq!((of("KUST-002").problems, of("KUST-002").list.len()), (Vec::new(), 1));
    assert_eq!(of("KUST-009").list, []);
}

#[test]
fn what_is_wrong_is_told_at_its_line_all_at_once_and_counts_for_nothing() {
    let waivers = waivers(
        "
- rule: '*'
  object: Deployment web
  reason: r
  owner: o
  expires: 2027-01-01
- rule: IMG-01
  object: web
  reson: r
  owner: o
  expires: soon
- rule: KUST-001
  path: ../elsewhere
  environments: [dve]
  reason: ''
  owner: o
  expires: 2027-02-30
- IMG-001
- rule: IMG-001
  reason: r
  owner: o
  expires: 2027-01-01
",
    );
    assert!(waivers.list.is_empty(), "{:?}", waivers.list);
    let shown = waivers.problems.iter().map(|problem| {
        let at = problem.location.as_ref().unwrap();
        format!("{} {}:{} {}. {}\n", problem.severity, at.line, at.column, problem.message, problem.fix)
    });
    insta::assert_snapshot!(shown.collect::<String>(), @"
    error 2:9 a waiver names one rule, not all that match. Write one waiver a rule, so that nobody accepts what they have not seen.
    error 9:3 unknown key `reson` in a waiver. Did you mean `reason`?
    error 7:9 there is no rule `IMG-01`. Did you mean `IMG-001`?
    error 8:11 `object` should be `Kind namespace/name`. Write it as findings show it, such as `Deployment shop-prod/web`; `*` stands for any text.
    error 11:12 `soon` is no date. Write the last day on which it counts, such as `2027-03-31`.
    error 12:9 `KUST-001` cannot be waived. Fix it: behind what could not be checked anything may stand.
    error 13:9 `path` should be a file or folder of this repository. Write it from the top of the repository, such as `environments/prod/web.yaml`.
    error 14:17 there is no environment `dve`. Did you mean `dev`?
    error 15:11 `reason` should be a text of at most 500 characters. Say why this is acceptable, for whoever reads it next year.
    error 17:12 `2027-02-30` is no date. Write the last day on which it counts, such as `2027-03-31`.
    error 18:3 a waiver is a mapping. Begin it with `- rule: …`.
    error 19:3 this waiver says nothing of where. Add `object: Kind namespace/name`, or `path:` with the file or folder of the source.
    ");
}

#[test]
fn a_file_that_does_not_parse_waives_nothing() {
    for text in ["- rule: IMG-001\n  object: [\n", "waivers: []\n"] {
        let waivers = waivers(&format!("{GOOD}---\n{text}"));
        assert_eq!(waivers.problems.len(), 1, "{:?}", waivers.problems);
        if text.contains('[') && !text.contains(']') {
            assert!(waivers.list.is_empty());
        }
    }
    assert!(waivers("# none yet\n").problems.is_empty());
}

#[test]
fn more_than_a_thousand_waivers_do_not_count() {
    let one = |n: usize| {
        format!("- {{rule: IMG-001, object: 'Deployment */w{n}', reason: r, owner: o, expires: 2027-01-01}}\n")
    };
    let waivers = waivers(&(0..1_001).map(one).collect::<String>());
    assert_eq!(waivers.list.len(), 1_000);
    assert_eq!(waivers.problems.len(), 1);
    assert_eq!(waivers.problems[0].location.as_ref().unwrap().line, 1_001);
}
