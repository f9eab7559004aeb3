//! What runs before this environment runs well: a fact the clusters tell, and what is made of not knowing.
//!
//! Health is a part of the order: what skips the order, a rollback or `--force`, skips it as well.

use jiff::Timestamp;

use super::gates::{Entering, date, passed};
use crate::model::facts::{Health, HealthState};
use crate::model::pipeline::{Health as Wanted, Unknown};
use crate::model::verdict::Verdict;

/// One gate for each upstream environment; none where the configuration asks for none, or while no cluster is connected.
pub(super) fn gates(entering: &Entering<'_>) -> Vec<Verdict> {
    let (Some(wanted), Some(known)) = (&entering.environment.health, &entering.facts.health) else {
        return Vec::new();
    };
    entering
        .environment
        .after
        .iter()
        .map(|upstream| gate(upstream, known.get(upstream), wanted, entering.now()))
        .collect()
}

fn gate(upstream: &str, health: Option<&Health>, wanted: &Wanted, now: Timestamp) -> Verdict {
    let timeout = wanted.timeout;
    let said =
        |health: &Health| if health.message.is_empty() { String::new() } else { format!(": {}", health.message) };
    let look = format!("look into {upstream}; once it is healthy this goes on by itself");
    match health {
        Some(health) if health.state == HealthState::Healthy => {
            Verdict::yes("healthy", format!("{upstream} is healthy since {}", date(health.since)))
        }
        Some(health) if health.state == HealthState::Progressing && now < health.since + timeout => {
            let text = format!("{upstream} is not healthy yet{}; it has {timeout:#}", said(health));
            Verdict::wait("progressing", text).until(health.since + timeout)
        }
        Some(health) if health.state == HealthState::Progressing => {
            let text = format!("{upstream} has not become healthy in {timeout:#}{}", said(health));
            Verdict::no("unhealthy", text).next(look)
        }
        Some(health) if health.state == HealthState::Failed => {
            let text = format!("{upstream} fails since {}{}", date(health.since), said(health));
            Verdict::no("unhealthy", text).next(look)
        }
        unknown => {
            let why = unknown.map(said).unwrap_or_default();
            let text = format!("nobody can tell whether {upstream} is healthy{why}");
            match wanted.unknown {
                Unknown::Ignore => Verdict::yes("health-unknown", text),
                Unknown::Wait => Verdict::wait("health-unknown", text)
                    .next(format!("it goes on by itself once {upstream}'s cluster reports")),
                Unknown::Block => Verdict::no("health-unknown", text)
                    .next(format!("see that {upstream}'s cluster reports, or promote with `--force \"reason\"`")),
            }
        }
    }
}

/// Since when an upstream environment has held this commit, well as far as is known; `None`: not yet.
///
/// Health speaks of what runs there now: of a version that a newer one has replaced since, its time there counts as it is, so that
/// a busy upstream never starves what soaks.
pub(super) fn since(entering: &Entering<'_>, upstream: &str) -> Option<Timestamp> {
    let held = passed(entering, upstream, false)?;
    let now = entering.history(upstream).first().is_some_and(|now| now.by == held.by);
    let health = entering.facts.health.as_ref().and_then(|known| known.get(upstream)).filter(|_| now);
    match health.map(|health| (health.state, health.since)) {
        Some((HealthState::Healthy, since)) => Some(since.max(held.since)),
        // The clock starts once it is well; what configures no health does not wait for it.
        Some((HealthState::Progressing | HealthState::Failed, _)) if entering.environment.health.is_some() => None,
        _ => Some(held.since),
    }
}
