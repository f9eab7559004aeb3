//! A simulated month: fifty applications on their way through four environments. People push, tag, approve, hold, freeze, close, go
//! back and move tags at random; deliveries are lost and repeated, passes are cut short, reads are stale. `decide` is the real one, the
//! GitHub around it is plain data, and a bookkeeper who knows only what people did says what may be where, and what must.
//!
//! The seed is printed when it fails; `TRUNKLINE_MONTH=<seed>` plays one again, `TRUNKLINE_MONTHS=<n>` more of them.

mod book;
mod github;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use trunkline::config;
use trunkline::decide::decide;
use trunkline::model::id::{Key, Oid};
use trunkline::model::pipeline::Pipeline;
use trunkline::model::snapshot::{CheckState, Facts, PullState, Snapshot};

use crate::days::Dice;
use book::{Book, SRE};
use github::{Change, DESK, ENVIRONMENTS, GitHub, REPO, name};

const APPS: usize = 50;
/// What people do in a month.
const ACTS: usize = 200;
/// Months played by default, a few seconds each; CI plays 200.
const MONTHS: u64 = 12;
/// Passes between two acts: a sweep looks at every application and promotion a few times.
const MAX_PASSES: usize = 5_000;
/// Answers a plan asks for before it is whole.
const MAX_ROUNDS: usize = 12;

const RULES: &str = "
environments:
  dev: { path: \"dev/{app}\", takes: trunk, merge: auto, rights: { freeze: [acme/sre] } }
  stage:
    path: \"stage/{app}\"
    takes: prereleases
    after: [dev]
    merge: auto
    rights: { rollback: [acme/sre], freeze: [acme/sre] }
  prod-eu:
    path: \"prod-eu/{app}\"
    takes: releases
    after: [stage]
    ships: { tested-in: stage, match: commit }
    soak: 1h
    approvals: { teams: [acme/sre], min: 1, four-eyes: true }
    merge: auto
    rights: { rollback: [acme/sre], freeze: [acme/sre] }
  prod-us:
    path: \"prod-us/{app}\"
    takes: releases
    after: [stage, prod-eu]
    ships: { tested-in: stage, match: commit }
    windows: { timezone: UTC, allow: [{ cron: \"0 8 * * 1-5\", for: 10h }] }
    merge: auto
    rights: { rollback: [acme/sre], freeze: [acme/sre] }
";

fn pipeline() -> Pipeline {
    let app = |app| format!("  {0}: {{ source: acme/{0}, tags: \"v*\", images: [ghcr.io/acme/{0}] }}\n", name(app));
    let apps: String = (0..APPS).map(app).collect();
    let parsed =
        config::parse(&config::FILE.parse().unwrap(), &format!("version: 1\nmode: enforce\napps:\n{apps}{RULES}"));
    parsed.pipeline.unwrap_or_else(|| panic!("{:#?}", parsed.problems))
}

/// The bot's queue and memory around `decide`.
struct Month {
    github: GitHub,
    book: Book,
    dice: Dice,
    due: BTreeMap<Key, Timestamp>,
    /// What deliveries told of tags.
    pushers: BTreeMap<usize, BTreeMap<String, String>>,
    /// What each key's last pass saw, for a read that is as old.
    last: BTreeMap<Key, Snapshot>,
    troubles: bool,
}

impl Month {
    fn new(seed: u64) -> Self {
        // A Monday.
        let now = "2026-11-02T09:00:00Z".parse().unwrap();
        let mut this = Self {
            github: GitHub::new(now, pipeline(), APPS),
            book: Book::default(),
            dice: Dice::new(seed),
            due: BTreeMap::new(),
            pushers: BTreeMap::new(),
            last: BTreeMap::new(),
            troubles: false,
        };
        this.sweep();
        this.run();
        this.troubles = true;
        this
    }

    fn wake(&mut self, key: Key, at: Timestamp) {
        let old = self.due.get(&key).copied().unwrap_or(at);
        self.due.insert(key, at.min(old));
    }

    fn sweep(&mut self) {
        self.wake(Key::Repo(REPO), self.github.now);
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.troubles && self.dice.below(one_in) == 0
    }

    /// Passes over what is due now.
    fn run(&mut self) {
        for _ in 0..MAX_PASSES {
            let now = self.github.now;
            let Some(key) = self.due.iter().find(|(_, at)| **at <= now).map(|(key, _)| key.clone()) else {
                return self.book.look(&self.github);
            };
            self.due.remove(&key);
            self.pass(&key);
        }
        panic!("it does not come to rest: {:?}", self.due.iter().take(5).collect::<Vec<_>>());
    }

    /// Lets time pass, and looks at each thing when it is due.
    fn advance(&mut self, by: Duration) {
        let end = self.github.now + by;
        self.run();
        while let Some(next) = self.due.values().min().copied().filter(|at| *at <= end) {
            self.github.now = next.max(self.github.now);
            self.run();
        }
        self.github.now = end;
        self.run();
    }

    fn pass(&mut self, key: &Key) {
        let again = self.github.now + Duration::from_secs(30);
        let pushers = match key {
            Key::Pipeline(_, app) => {
                app.trim_start_matches("app-").parse().ok().and_then(|app| self.pushers.remove(&app))
            }
            _ => None,
        }
        .unwrap_or_default();
        let Some(mut snapshot) = self.github.observe(key, &pushers) else { return };
        if self.chance(25)
            && let Some(old) = self.last.get(key)
        {
            // A stale read: all of it is as old, but for the time.
            let now = snapshot.common.now;
            snapshot = old.clone();
            (snapshot.common.now, snapshot.facts) = (now, Facts::default());
            self.wake(key.clone(), again);
        }
        let mut rounds = 0;
        let plan = loop {
            let plan = decide(&snapshot);
            if plan.needs.is_empty() {
                break plan;
            }
            rounds += 1;
            assert!(rounds < MAX_ROUNDS, "{key} keeps asking: {:?}", plan.needs);
            for need in &plan.needs {
                self.github.answer(need, &pushers, &mut snapshot.facts);
            }
        };
        self.last.insert(key.clone(), snapshot);
        plan.look_again_at.inspect(|at| self.wake(key.clone(), *at));
        for effect in &plan.effects {
            // Killed before the write, or after it and before anybody was told.
            if self.chance(80) {
                return self.wake(key.clone(), again);
            }
            match self.github.apply(effect) {
                Ok(keys) => keys.into_iter().for_each(|key| self.wake(key, self.github.now)),
                Err(_) => return self.wake(key.clone(), again),
            }
            if self.chance(80) {
                return self.wake(key.clone(), again);
            }
        }
    }

    /// A delivery: told once, twice, or never.
    fn deliver(&mut self, keys: Vec<Key>) -> bool {
        if self.chance(6) {
            return false;
        }
        keys.into_iter().for_each(|key| self.wake(key, self.github.now));
        true
    }

    fn act(&mut self) {
        let app = self.dice.below(APPS);
        match self.dice.below(21) {
            0..=4 => self.push(app, None),
            5..=7 => self.tag(app, true),
            8..=10 => self.tag(app, false),
            11..=14 => self.approve_something(),
            15 | 16 => self.hold(app),
            17 => self.close_something(),
            18 => self.roll_back(app),
            19 => self.freeze(),
            _ => self.move_a_tag(app),
        }
    }

    fn push(&mut self, app: usize, build: Option<CheckState>) {
        let author = *self.dice.of(&["ann", "ben"]).unwrap();
        let passed = if self.dice.below(4) > 0 { CheckState::Passed } else { CheckState::Failed };
        let build = build.unwrap_or(passed);
        let id = self.github.oid();
        self.github.shops[app].trunk.push(Change { id, author, build });
        self.book.note(self.github.now, format!("{author} pushes {} to {}: {build:?}", id.short(), name(app)));
        self.deliver(vec![Key::Pipeline(REPO, name(app))]);
    }

    fn tag(&mut self, app: usize, candidate: bool) {
        let pusher = *self.dice.of(&["ann", "ben", "sam"]).unwrap();
        let shop = &self.github.shops[app];
        let tested = self.github.held[&(app, "stage")][0].commit.unwrap();
        let at = self.dice.below(shop.trunk.len());
        let sensible = if candidate { shop.trunk.last().unwrap().id } else { tested };
        let commit = if self.dice.below(5) > 0 { sensible } else { shop.trunk[at].id };
        let number = shop.tags.len();
        let tag = if candidate { format!("v1.{number}-rc.1") } else { format!("v1.{number}") };
        self.put_tag(app, tag, commit, pusher);
    }

    fn put_tag(&mut self, app: usize, tag: String, commit: Oid, pusher: &'static str) {
        self.github.shops[app].tags.insert(tag.clone(), commit);
        self.book.tags.insert((app, tag.clone()), (commit, pusher));
        self.book.note(self.github.now, format!("{pusher} tags {} of {} as {tag}", commit.short(), name(app)));
        if self.deliver(vec![Key::Pipeline(REPO, name(app))]) {
            self.pushers.entry(app).or_default().insert(tag, pusher.to_owned());
        }
    }

    /// The open promotions: number, branch, application.
    fn open(&self) -> Vec<(u64, String, usize)> {
        let open = self.github.pulls.iter().filter(|pull| pull.brief.state == PullState::Open);
        open.map(|pull| (pull.brief.number, pull.brief.branch.clone(), pull.app)).collect()
    }

    fn approve(&mut self, who: &'static str, number: u64, branch: &str) {
        self.github.approve(number, who);
        self.book.approvals.entry(branch.to_owned()).or_default().insert(who);
        let head = self.github.pulls.iter().find(|pull| pull.brief.number == number).map(|pull| pull.brief.head);
        let keys = [Key::Pull(REPO, number)].into_iter().chain(head.map(|head| Key::Head(REPO, head))).collect();
        self.deliver(keys);
    }

    fn approve_something(&mut self) {
        let who = *self.dice.of(&["sue", "sam", "ann", "rob"]).unwrap();
        let open = self.open();
        let Some((number, branch, _)) = self.dice.of(&open).cloned() else { return };
        self.book.note(self.github.now, format!("{who} approves #{number} {branch}"));
        self.approve(who, number, &branch);
    }

    /// Somebody says something at the desk; whether the bot was told.
    fn say(&mut self, who: &str, what: &str) -> bool {
        self.github.comment(DESK, who, what);
        self.book.note(self.github.now, format!("{who} says {what}"));
        self.deliver(vec![Key::Pull(REPO, DESK)])
    }

    /// Lets the bot hear what was said, whatever was lost: within the hour in which a command counts there is a sweep.
    fn heard(&mut self) {
        self.troubles = false;
        self.sweep();
        self.advance(Duration::from_secs(120));
        self.troubles = true;
    }

    fn hold(&mut self, app: usize) {
        let environment = *self.dice.of(&ENVIRONMENTS).unwrap();
        let who = *self.dice.of(&["ann", "ben", "sam"]).unwrap();
        if self.book.holds.get(&(app, environment)).is_some_and(|holds| !holds.is_empty()) {
            // The right to lift anybody's hold is that of going back, which dev grants nobody.
            let owners = self.book.holds.remove(&(app, environment)).unwrap();
            for who in if environment == "dev" { owners } else { [SRE[0]].into() } {
                self.say(who, &format!("/trunkline unhold {environment} --app {}", name(app)));
                self.heard();
            }
            return;
        }
        self.say(who, &format!("/trunkline hold {environment} a reason --app {}", name(app)));
        self.heard();
        self.book.holds.entry((app, environment)).or_default().insert(who);
        // Readers may not.
        self.say("rob", &format!("/trunkline hold {environment} --app {}", name((app + 1) % APPS)));
    }

    fn freeze(&mut self) {
        let environment = *self.dice.of(&ENVIRONMENTS).unwrap();
        let who = *self.dice.of(&["sam", "sue", "ben"]).unwrap();
        let since = self.github.now;
        if let Some(frozen) = self.book.frozen(environment, since).filter(|_| SRE.contains(&who)) {
            self.book.freezes[frozen].2 = since;
            self.say(who, &format!("/unfreeze {environment}"));
            return self.heard();
        }
        self.say(who, &format!("/freeze {environment} for 6h \"load test\""));
        self.heard();
        if SRE.contains(&who) {
            self.book.freezes.push((environment, self.github.now, since + jiff::SignedDuration::from_hours(6)));
        }
    }

    fn roll_back(&mut self, app: usize) {
        let environment = *self.dice.of(&["stage", "prod-eu", "prod-us"]).unwrap();
        let may = self.dice.below(3) > 0;
        let who = if may { "sam" } else { "ben" };
        let history = &self.github.held[&(app, environment)];
        let back = history.iter().skip(1).find(|held| held.tags != history[0].tags).cloned();
        let Some(back) = back.filter(|_| !self.book.odd.contains(&app)) else { return };
        self.say(who, &format!("/rollback {environment} --app {}", name(app)));
        if may {
            self.book.odd.insert(app);
            self.book.rollbacks.insert((app, environment, back.tags.values().next().cloned().unwrap()));
            self.heard();
            self.book.holds.entry((app, environment)).or_default().insert("sam");
        }
    }

    fn close_something(&mut self) {
        let open = self.open();
        let Some((number, branch, app)) = self.dice.of(&open).cloned() else { return };
        self.github.close(number, "ben");
        self.book.odd.insert(app);
        self.book.note(self.github.now, format!("ben closes #{number} {branch}"));
        self.deliver(vec![Key::Pull(REPO, number), Key::Pipeline(REPO, name(app))]);
    }

    fn move_a_tag(&mut self, app: usize) {
        let shop = &mut self.github.shops[app];
        let at = self.dice.below(shop.trunk.len());
        let commit = shop.trunk[at].id;
        let Some((tag, old)) = shop.tags.iter_mut().next_back() else { return };
        if *old == commit || tag == "v0.9" {
            return;
        }
        *old = commit;
        self.book.odd.insert(app);
        self.book.note(self.github.now, format!("ben moves {tag} of {} to {}", name(app), commit.short()));
        self.deliver(vec![Key::Pipeline(REPO, name(app))]);
    }

    /// A few working days in which everybody who may approves everything, and GitHub and the bot have no trouble.
    fn rest(&mut self) {
        self.troubles = false;
        for _ in 0..6 {
            self.sweep();
            self.run();
            for (number, branch, _) in self.open() {
                SRE.iter().for_each(|who| self.approve(who, number, &branch));
            }
            self.advance(Duration::from_secs(12 * 3600));
        }
        self.troubles = true;
    }
}

/// Plays one; how many versions entered.
fn month(seed: u64) -> usize {
    let mut month = Month::new(seed);
    for act in 0..ACTS {
        month.act();
        let pause = month.dice.below(7 * 3600) as u64;
        month.advance(Duration::from_secs(pause));
        if act % 10 == 9 {
            month.sweep();
        }
        if act == ACTS / 2 || act == ACTS - 1 {
            month.rest();
            month.book.settled(&month.github);
        }
    }
    month.ends_well();
    month.book.entered
}

impl Month {
    /// Whatever happened: lift the holds, release once more, and it is everywhere; then nothing is left to do.
    fn ends_well(&mut self) {
        self.troubles = false;
        for ((app, environment), owners) in std::mem::take(&mut self.book.holds) {
            for who in owners {
                self.say(who, &format!("/trunkline unhold {environment} --app {}", name(app)));
                self.heard();
            }
        }
        self.troubles = false;
        for app in 0..APPS {
            self.push(app, Some(CheckState::Passed));
            let commit = self.github.shops[app].trunk.last().unwrap().id;
            self.put_tag(app, "v9.0-rc.1".into(), commit, "ann");
            self.put_tag(app, "v9.0".into(), commit, "ann");
        }
        self.rest();
        for (app, environment) in (0..APPS).flat_map(|app| ENVIRONMENTS.map(|environment| (app, environment))) {
            let commit = self.github.shops[app].trunk.last().map(|tip| tip.id);
            let held = &self.github.held[&(app, environment)][0];
            assert_eq!(held.commit, commit, "{} in {environment} holds {:?}", name(app), held.tags);
        }
        self.troubles = false;
        let writes = self.github.writes;
        self.sweep();
        self.run();
        assert_eq!(self.github.writes, writes, "at rest it still writes");
    }
}

fn play(seed: u64) -> usize {
    std::panic::catch_unwind(|| month(seed)).unwrap_or_else(|why| {
        eprintln!("the month with the seed {seed}: TRUNKLINE_MONTH={seed} plays it again");
        std::panic::resume_unwind(why)
    })
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn whatever_happens_in_a_month_versions_are_where_they_may_be_and_where_they_must() {
    let seeds = match number("TRUNKLINE_MONTH") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TRUNKLINE_MONTHS").unwrap_or(MONTHS),
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let entered: usize = std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads)
            .map(|thread| {
                let mine = seeds.clone().filter(move |seed| seed % threads == thread);
                scope.spawn(move || mine.map(play).sum::<usize>())
            })
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).sum()
    });
    let months = seeds.end - seeds.start;
    assert!(entered as u64 > months * 250, "only {entered} versions entered in {months} months: nothing was tried");
}
