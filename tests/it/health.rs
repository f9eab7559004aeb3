//! The gate of upstream health: a fact that clusters will tell, taken here as told.

use std::collections::BTreeMap;
use std::time::Duration;

use trunkline::model::facts::{Health, HealthState};
use trunkline::model::snapshot::CheckState;

use crate::properties::Little;

const MINUTE: Duration = Duration::from_secs(60);

const CONFIG: &str = "\
version: 1
apps:
  shop: { images: [ghcr.io/acme/shop], source: acme/shop }
environments:
  dev: { path: dev, takes: trunk, merge: auto }
  stage: { path: stage, takes: prereleases, after: [dev], merge: auto }
  prod: { path: prod, takes: releases, after: [stage], soak: 1h, merge: auto, health: { timeout: 20m, unknown: wait } }
";

/// `v1.0` asks for production; stage holds its candidate, and no cluster is connected.
fn asking(config: &str) -> Little {
    let mut little = Little::new(config);
    little.settle(0).unwrap();
    let place = little.push(Some(CheckState::Passed));
    little.settle(0).unwrap();
    little.tag("v1.0-rc.1", place);
    little.settle(0).unwrap();
    little.tag("v1.0", place);
    little.settle(0).unwrap();
    assert_eq!(little.holds("stage"), "v1.0-rc.1");
    little
}

fn fares(little: &mut Little, state: HealthState, message: &str) {
    let health = Health { state, since: little.now, message: message.into() };
    little.health = Some(BTreeMap::from([("stage".to_owned(), health)]));
}

/// The lines of the gates that speak of health or soak.
fn gates(little: &Little) -> String {
    let all = little.verdict("prod");
    let wanted = |line: &&str| ["health", "soak", "progressing", "unhealthy"].iter().any(|word| line.contains(word));
    all.lines().filter(wanted).map(str::trim).collect::<Vec<_>>().join("\n")
}

#[test]
fn without_a_cluster_nobody_asks_for_health() {
    let mut little = asking(CONFIG);
    insta::assert_snapshot!(gates(&little), @"wait soak: soaks for 1h (until 2026-11-02 10:00 UTC)");
    little.pass(60 * MINUTE);
    little.settle(0).unwrap();
    assert_eq!(little.holds("prod"), "v1.0");
}

#[test]
fn e18_what_fails_upstream_goes_no_further_and_soak_begins_when_it_is_well() {
    let mut little = asking(CONFIG);
    fares(&mut little, HealthState::Progressing, "2 of 3 pods are ready");
    insta::assert_snapshot!(gates(&little), @"
    wait progressing: stage is not healthy yet: 2 of 3 pods are ready; it has 20m (until 2026-11-02 09:20 UTC)
    wait soak: soak of 1h has not begun [next: it begins once stage holds this commit]
    ");
    little.pass(25 * MINUTE);
    insta::assert_snapshot!(gates(&little), @"
    no   unhealthy: stage has not become healthy in 20m: 2 of 3 pods are ready [next: look into stage; once it is healthy this goes on by itself]
    wait soak: soak of 1h has not begun [next: it begins once stage holds this commit]
    ");
    fares(&mut little, HealthState::Failed, "ImagePullBackOff");
    insta::assert_snapshot!(gates(&little), @"
    no   unhealthy: stage fails since 2026-11-02 09:25 UTC: ImagePullBackOff [next: look into stage; once it is healthy this goes on by itself]
    wait soak: soak of 1h has not begun [next: it begins once stage holds this commit]
    ");
    fares(&mut little, HealthState::Healthy, "");
    insta::assert_snapshot!(gates(&little), @"
    ok   healthy: stage is healthy since 2026-11-02 09:25 UTC
    wait soak: soaks for 1h (until 2026-11-02 10:25 UTC)
    ");
    little.pass(59 * MINUTE);
    little.settle(0).unwrap();
    assert_eq!(little.holds("prod"), "v0.9");
    little.pass(MINUTE);
    little.settle(0).unwrap();
    assert_eq!(little.holds("prod"), "v1.0");
}

#[test]
fn e17_a_newer_version_upstream_does_not_start_the_clock_anew() {
    let mut little = asking(CONFIG);
    fares(&mut little, HealthState::Healthy, "");
    little.pass(30 * MINUTE);
    let place = little.push(Some(CheckState::Passed));
    little.settle(0).unwrap();
    little.tag("v1.1-rc.1", place);
    little.settle(0).unwrap();
    fares(&mut little, HealthState::Healthy, "");
    little.pass(30 * MINUTE);
    little.settle(0).unwrap();
    assert_eq!((little.holds("stage"), little.holds("prod")), ("v1.1-rc.1", "v1.0"));
}

#[test]
fn e71_what_is_not_known_waits_blocks_or_is_ignored_as_configured() {
    for (word, wanted) in
        [("wait", "wait health-unknown"), ("block", "no   health-unknown"), ("ignore", "ok   health-unknown")]
    {
        let mut little = asking(&CONFIG.replace("unknown: wait", &format!("unknown: {word}")));
        little.health = Some(BTreeMap::new());
        little.pass(60 * MINUTE);
        let text = gates(&little);
        assert!(text.contains(wanted), "{text}");
        little.settle(0).unwrap();
        assert_eq!(little.holds("prod") == "v1.0", word == "ignore", "{word}");
    }
}
