//! The bookkeeper: knows what people did and nothing of how Trunkline thinks, and says what may be where, and what must.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use trunkline::model::id::Oid;
use trunkline::model::snapshot::CheckState;

use super::github::{ENVIRONMENTS, GitHub};

pub(super) const SOAK: SignedDuration = SignedDuration::from_hours(1);
/// Who may approve.
pub(super) const SRE: [&str; 2] = ["sam", "sue"];

/// What people did.
#[derive(Default)]
pub(super) struct Book {
    /// Tags as they were first pushed: commit and pusher.
    pub(super) tags: BTreeMap<(usize, String), (Oid, &'static str)>,
    /// Applications of which a tag moved, a promotion was closed or a version was asked for by hand: only what must not be is
    /// held against them, since what must be would repeat every rule.
    pub(super) odd: BTreeSet<usize>,
    /// Who holds what, as the bot was told.
    pub(super) holds: BTreeMap<(usize, &'static str), BTreeSet<&'static str>>,
    /// What was frozen: since when it was known, and until when.
    pub(super) freezes: Vec<(&'static str, Timestamp, Timestamp)>,
    /// Approvals by promotion branch.
    pub(super) approvals: BTreeMap<String, BTreeSet<&'static str>>,
    /// Rollbacks asked for by those who may.
    pub(super) rollbacks: BTreeSet<(usize, &'static str, String)>,
    /// What happened, for whoever reads a failure.
    pub(super) done: Vec<String>,
    /// How many versions entered.
    pub(super) entered: usize,
    seen: BTreeMap<(usize, &'static str), usize>,
}

impl Book {
    pub(super) fn note(&mut self, now: Timestamp, what: String) {
        self.done.push(format!("{now} {what}"));
    }

    /// The freeze that an environment is under.
    pub(super) fn frozen(&self, environment: &str, at: Timestamp) -> Option<usize> {
        self.freezes.iter().position(|(name, since, until)| *name == environment && *since <= at && at < *until)
    }

    fn history(&self, app: usize) -> String {
        let mine = format!("app-{app:02}");
        self.done
            .iter()
            .filter(|line| line.contains(&mine) || line.contains("freeze "))
            .cloned()
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Looks at what entered since the last time, each against the rules.
    pub(super) fn look(&mut self, github: &GitHub) {
        for (&(app, environment), history) in &github.held {
            let seen = self.seen.insert((app, environment), history.len()).unwrap_or(1);
            for at in (0..history.len() - seen).rev() {
                self.entered += 1;
                self.judge(github, (app, environment), at);
            }
        }
    }

    /// A version entered: every gate must have been open.
    fn judge(&self, github: &GitHub, (app, environment): (usize, &'static str), at: usize) {
        let history = &github.held[&(app, environment)];
        let (now, before) = (&history[at], &history[at + 1]);
        let shown = now.tags.values().next().unwrap();
        let wrong = |why: &str| {
            panic!(
                "app-{app:02} {environment} at {}: {:?} → {shown}: {why}\n{}",
                now.since,
                before.tags,
                self.history(app)
            )
        };
        let shop = &github.shops[app];
        let Some(place) = now.commit.and_then(|commit| shop.place(commit)) else { return wrong("it is not on trunk") };
        let commit = shop.trunk[place].id;
        if shop.trunk[place].build != CheckState::Passed {
            wrong("its build did not pass");
        }
        if self.rollbacks.contains(&(app, environment, shown.clone())) {
            return;
        }
        if self.holds.get(&(app, environment)).is_some_and(|holds| !holds.is_empty()) {
            wrong("it was held");
        }
        if self.frozen(environment, now.since).is_some() {
            wrong("it was frozen");
        }
        // What the upstream held before that moment: exactly this commit, or one after it as well.
        let since = |upstream: &'static str, exact: bool| {
            let fits = |held: usize| if exact { held == place } else { held >= place };
            let held = github.held[&(app, upstream)].iter().filter(|held| held.since <= now.since);
            held.filter(|held| held.commit.and_then(|c| shop.place(c)).is_some_and(fits)).map(|held| held.since).min()
        };
        match environment {
            "stage" if since("dev", false).is_none() => wrong("dev never held it"),
            "prod-eu" => {
                let Some(tested) = since("stage", true) else { return wrong("stage never held exactly this commit") };
                if now.since.duration_since(tested) < SOAK {
                    wrong("it did not soak");
                }
                let pusher = self.tags.get(&(app, shown.clone())).map(|(_, pusher)| *pusher);
                let branch = format!("trunkline/prod-eu/app-{app:02}/{shown}-{}", commit.short());
                let approved = self.approvals.get(&branch).into_iter().flatten();
                if approved.filter(|who| SRE.contains(who) && Some(**who) != pusher).count() == 0 {
                    wrong("nobody of sre but its pusher approved it");
                }
            }
            "prod-us" => {
                if since("stage", true).is_none() || since("prod-eu", false).is_none() {
                    wrong("stage or prod-eu did not hold it");
                }
                if !is_open(now.since) {
                    wrong("it is no office hour");
                }
            }
            _ => {}
        }
    }

    /// After days of rest with everything approved: what must be where.
    pub(super) fn settled(&self, github: &GitHub) {
        for (app, shop) in github.shops.iter().enumerate().filter(|(app, _)| !self.odd.contains(app)) {
            let newest = |candidate: bool| {
                let number =
                    |name: &str| name.trim_start_matches('v').split('-').next()?.split_once('.')?.1.parse::<u64>().ok();
                let tags = shop.tags.iter().filter(|(name, _)| name.contains("-rc") == candidate && *name != "v0.9");
                tags.max_by_key(|(name, _)| number(name)).map(|(name, commit)| (name.clone(), *commit))
            };
            for environment in ENVIRONMENTS {
                let wanted = match environment {
                    "dev" => shop.trunk.last().map(|tip| (tip.id.short(), tip.id)),
                    "stage" => newest(true),
                    _ => newest(false),
                };
                let Some((version, commit)) = wanted.filter(|(_, commit)| *commit != shop.trunk[0].id) else {
                    continue;
                };
                let place = shop.place(commit).unwrap();
                let holds = |env: &'static str, exact: bool| {
                    let held =
                        github.held[&(app, env)].iter().filter_map(|held| held.commit).filter_map(|c| shop.place(c));
                    held.into_iter().any(|held| if exact { held == place } else { held >= place })
                };
                let order = match environment {
                    "dev" => true,
                    "stage" => holds("dev", false),
                    "prod-eu" => holds("stage", true),
                    _ => holds("stage", true) && holds("prod-eu", false),
                };
                let free = self.holds.get(&(app, environment)).is_none_or(BTreeSet::is_empty);
                let built = shop.trunk[place].build == CheckState::Passed;
                let now = &github.held[&(app, environment)][0];
                if order && free && built && now.tags.values().next() != Some(&version) {
                    let history = self.history(app);
                    panic!(
                        "app-{app:02}: nothing keeps {version} from {environment}, which holds {:?}\n{history}",
                        now.tags
                    );
                }
            }
        }
    }
}

/// The window of prod-us: working days, 08:00 to 18:00 UTC.
pub(super) fn is_open(at: Timestamp) -> bool {
    let at = at.to_zoned(TimeZone::UTC);
    !matches!(at.weekday(), Weekday::Saturday | Weekday::Sunday) && (8..18).contains(&at.hour())
}
