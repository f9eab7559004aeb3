//! The figures operators watch, in Prometheus' words.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::queue::Stats;

/// Installations with figures of their own at most: theirs is the one label whose values come from outside.
const MAX_INSTALLATIONS: usize = 1000;

/// From a quiet disk (1 ms) to GitHub's patience (10 s).
const ACK_BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 8.0];

/// From a pass that finds nothing to do, to one that renders a hundred overlays.
const PASS_BUCKETS: [f64; 10] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];

type One = [(&'static str, String); 1];
type Two = [(&'static str, String); 2];

/// Everything that is counted; clones share it.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    deliveries: Family<Two, Counter>,
    ack: Histogram,
    queue: Family<One, Gauge>,
    oldest: Gauge<f64, std::sync::atomic::AtomicU64>,
    passes: Family<Two, Counter>,
    pass_time: Histogram,
    requests: Family<Two, Counter>,
    remaining: Family<Two, Gauge>,
    installations: Arc<Mutex<BTreeSet<u64>>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All metrics, at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("trunkline");
        let metrics = Self {
            registry: Arc::default(),
            deliveries: Family::default(),
            ack: Histogram::new(ACK_BUCKETS),
            queue: Family::default(),
            oldest: Gauge::default(),
            passes: Family::default(),
            pass_time: Histogram::new(PASS_BUCKETS),
            requests: Family::default(),
            remaining: Family::default(),
            installations: Arc::default(),
        };
        registry.register(
            "webhook_deliveries",
            "Deliveries by outcome and by the secret that signed them",
            metrics.deliveries.clone(),
        );
        registry.register(
            "webhook_ack_seconds",
            "From a delivery's headers to its durable answer",
            metrics.ack.clone(),
        );
        registry.register("queue_keys", "Keys in the queue by state", metrics.queue.clone());
        registry.register("queue_oldest_due_seconds", "How long the oldest due key has waited", metrics.oldest.clone());
        registry.register("passes", "Passes by kind of key and outcome", metrics.passes.clone());
        registry.register("pass_seconds", "How long a pass takes", metrics.pass_time.clone());
        registry.register("github_requests", "Requests to GitHub by kind and status", metrics.requests.clone());
        registry.register(
            "github_rate_limit_remaining",
            "What is left of an installation's hourly budgets when it was last heard of: rest and graphql as GitHub tells, writes as we count",
            metrics.remaining.clone(),
        );
        Self { registry: Arc::new(registry), ..metrics }
    }

    /// A delivery was answered; `secret` is the label of the secret that signed it, or `none`.
    pub fn delivery(&self, outcome: &'static str, secret: &str) {
        count(&self.deliveries, [("outcome", outcome.to_owned()), ("secret", secret.to_owned())]);
    }

    /// A delivery was acknowledged after this long.
    pub fn acknowledged(&self, after: Duration) {
        self.ack.observe(after.as_secs_f64());
    }

    /// The queue's figures, as of now.
    pub fn queue(&self, stats: &Stats) {
        let states = [
            ("waiting", stats.waiting),
            ("due", stats.due),
            ("leased", stats.leased),
            ("parked", stats.parked),
            ("notes", stats.notes),
        ];
        for (state, keys) in states {
            let keys = i64::try_from(keys).unwrap_or(i64::MAX);
            self.queue.get_or_create(&[("state", state.to_owned())]).set(keys);
        }
        self.oldest.set(stats.oldest_due.as_secs_f64());
    }

    /// A pass over a key of this kind ended so, after this long.
    pub fn pass(&self, kind: &'static str, outcome: &'static str, took: Duration) {
        count(&self.passes, [("kind", kind.to_owned()), ("outcome", outcome.to_owned())]);
        self.pass_time.observe(took.as_secs_f64());
    }

    /// GitHub answered a request of this kind; a status of 0 means that it did not.
    pub fn github_request(&self, kind: &'static str, status: u16) {
        count(&self.requests, [("kind", kind.to_owned()), ("status", status.to_string())]);
    }

    /// What is left of an installation's budget: `rest`, `graphql` or `writes`.
    pub fn rate_limit(&self, installation: u64, bucket: &'static str, remaining: u64) {
        // A panic while it was held left a set of numbers, which is as good as before.
        let mut known = self.installations.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(&installation) || known.len() < MAX_INSTALLATIONS {
            known.insert(installation);
            let labels = [("installation", installation.to_string()), ("bucket", bucket.to_owned())];
            self.remaining.get_or_create(&labels).set(i64::try_from(remaining).unwrap_or(i64::MAX));
        }
    }

    /// All of it as OpenMetrics text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _written = encode(&mut text, &self.registry);
        text
    }
}

fn count(family: &Family<Two, Counter>, labels: Two) {
    family.get_or_create(&labels).inc();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_holds_what_was_recorded() {
        let metrics = Metrics::new();
        metrics.delivery("accepted", "1");
        metrics.pass("pull", "done", Duration::from_millis(20));
        metrics.github_request("checks.create", 201);
        metrics.rate_limit(5, "rest", 4999);
        metrics.queue(&Stats { waiting: 3, oldest_due: Duration::from_millis(1500), ..Stats::default() });
        let text = metrics.text();
        for line in [
            r#"trunkline_webhook_deliveries_total{outcome="accepted",secret="1"} 1"#,
            r#"trunkline_passes_total{kind="pull",outcome="done"} 1"#,
            r#"trunkline_github_requests_total{kind="checks.create",status="201"} 1"#,
            r#"trunkline_github_rate_limit_remaining{installation="5",bucket="rest"} 4999"#,
            r#"trunkline_queue_keys{state="waiting"} 3"#,
            "trunkline_queue_oldest_due_seconds 1.5",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn series_are_bounded() {
        let metrics = Metrics::new();
        (0..MAX_INSTALLATIONS as u64 + 10).for_each(|installation| metrics.rate_limit(installation, "rest", 1));
        assert_eq!(metrics.text().matches("limit_remaining{").count(), MAX_INSTALLATIONS);
    }
}
