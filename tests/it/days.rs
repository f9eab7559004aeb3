//! Random days: people push, tag, approve, hold and close in any order, deliveries come twice, late or never, calls fail; whatever
//! happens, a small model that knows only what people did finds every version where it may be, and nowhere else.
//!
//! On every second day two bots of one App run at once (E73).
//!
//! The seed is printed; `TRUNKLINE_DAYS=200` plays more days, `TRUNKLINE_DAY=<seed>` one again.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use jiff::Timestamp;
use trunkline::sandbox::seed::{CI, ENVIRONMENTS, SHOP};

use crate::faults::normal;
use crate::stories::{example_with, text};
use crate::world::{Fault, World};

/// What people do in one day.
const ACTS: usize = 40;
/// Days played by default: each takes five seconds.
const DAYS: u64 = 4;
const SOAK: Duration = Duration::from_secs(3600);

/// Small, and the same everywhere: xorshift.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }

    pub(crate) fn of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        if all.is_empty() { None } else { Some(&all[self.below(all.len())]) }
    }
}

/// What an independent bookkeeper knows: who did what, and what each environment held since when.
#[derive(Default)]
struct Book {
    /// Trunk's commits, oldest first, with author and whether the build passed.
    trunk: Vec<(String, &'static str, bool)>,
    /// Tags by name: the commit when it was first pushed, and by whom.
    tags: BTreeMap<String, (String, &'static str)>,
    moved: BTreeSet<String>,
    /// Approvals by promotion branch.
    approvals: BTreeMap<String, BTreeSet<&'static str>>,
    /// Holds the bot was told of.
    holds: BTreeMap<&'static str, BTreeSet<&'static str>>,
    /// Holds it may not know of yet: GitHub was silent.
    said: Vec<(&'static str, &'static str)>,
    /// What each environment held, oldest first.
    held: BTreeMap<&'static str, Vec<(String, Timestamp)>>,
    /// The newest commit of the environments that was looked at.
    seen: String,
    done: Vec<String>,
}

const PEOPLE: [&str; 5] = ["ann", "ben", "sam", "sue", "rob"];
const SRE: [&str; 2] = ["sam", "sue"];

fn git(world: &World, repo: &str, args: &[&str]) -> String {
    let path = world.github.repo_path(repo).unwrap();
    let out = Command::new("git").arg("-C").arg(path).args(args).output().unwrap();
    String::from_utf8(out.stdout).unwrap()
}

/// The tag an environment's kustomization names, when its images agree.
fn version(kustomization: &str) -> Option<String> {
    let mut tags = kustomization.lines().filter_map(|line| line.trim().strip_prefix("newTag: "));
    let first = tags.next()?.trim_matches('"').to_owned();
    tags.all(|tag| tag.trim_matches('"') == first).then_some(first)
}

impl Book {
    fn commit_of(&self, version: &str) -> Option<&str> {
        let trunk = || self.trunk.iter().map(|(sha, ..)| sha.as_str()).find(|sha| sha.starts_with(version));
        self.tags.get(version).map(|(sha, _)| sha.as_str()).or_else(trunk)
    }

    fn place(&self, commit: &str) -> Option<usize> {
        self.trunk.iter().position(|(sha, ..)| sha == commit)
    }

    /// When an environment first held this commit or, unless exact, one after it.
    fn held_since(&self, environment: &str, commit: &str, exact: bool) -> Option<Timestamp> {
        let wanted = self.place(commit)?;
        let held = self.held.get(environment)?.iter();
        let fits = |place: usize| if exact { place == wanted } else { place >= wanted };
        held.filter(|(version, _)| self.commit_of(version).and_then(|held| self.place(held)).is_some_and(fits))
            .map(|(_, since)| *since)
            .min()
    }

    /// Looks at what reached the environments since the last time, and holds each step against the rules.
    fn look(&mut self, world: &World) {
        let range = if self.seen.is_empty() { "main".to_owned() } else { format!("{}..main", self.seen) };
        let log = git(world, ENVIRONMENTS, &["log", "--first-parent", "--reverse", "--format=%H", &range]);
        for commit in log.lines() {
            for environment in ["dev", "stage", "prod"] {
                let file = format!("{commit}:environments/{environment}/kustomization.yaml");
                let Some(now) = version(&git(world, ENVIRONMENTS, &["show", &file])) else { continue };
                let before =
                    self.held.get(environment).and_then(|held| held.last()).map(|(version, _)| version.clone());
                if before.as_ref() == Some(&now) {
                    continue;
                }
                if let Some(before) = before {
                    self.entered(world, environment, &before, &now);
                }
                self.held.entry(environment).or_default().push((now, world.clock.now()));
            }
            self.seen = commit.to_owned();
        }
    }

    /// A version entered: every gate must have been open.
    fn entered(&self, world: &World, environment: &'static str, before: &str, now: &str) {
        let wrong = |why: &str| panic!("{environment}: {before} → {now}: {why}\n{}", self.done.join("\n"));
        let Some(commit) = self.commit_of(now) else { return wrong("nobody made this version") };
        let Some(place) = self.place(commit) else { return wrong("it is not on trunk") };
        if !self.trunk[place].2 {
            wrong("its build did not pass");
        }
        if self.moved.contains(now) {
            wrong("its tag was moved");
        }
        if let Some(old) = self.commit_of(before).and_then(|old| self.place(old))
            && environment == "dev"
            && old > place
        {
            wrong("it goes back");
        }
        if self.holds.get(environment).is_some_and(|holds| !holds.is_empty()) {
            wrong("it was held");
        }
        match environment {
            "stage" if self.held_since("dev", commit, false).is_none() => wrong("dev never held it"),
            "prod" => {
                let Some(since) = self.held_since("stage", commit, true) else {
                    return wrong("stage never held exactly this commit");
                };
                if world.clock.now().duration_since(since) < jiff::SignedDuration::try_from(SOAK).unwrap() {
                    wrong("it did not soak");
                }
                // The world's own names of commits differ from git's, so the branch is known by its version.
                let branch = format!("trunkline/prod/shop/{now}-");
                let hands: BTreeSet<&str> =
                    self.trunk[..=place].iter().map(|(_, author, _)| *author).chain([self.tags[now].1]).collect();
                let good = self.approvals.iter().filter(|(name, _)| name.starts_with(&branch)).flat_map(|(_, who)| who);
                // Authors since what prod held before count too; the model takes all of trunk, so only the pusher is held against it.
                let eyes = good.filter(|who| SRE.contains(who) && **who != self.tags[now].1).count();
                if eyes == 0 {
                    wrong(&format!("nobody of sre approved {branch} whose hands were not in it: {hands:?}"));
                }
            }
            _ => {}
        }
    }

    /// One thing somebody does.
    fn act(&mut self, world: &World, dice: &mut Dice) {
        let who = *dice.of(&PEOPLE).unwrap_or(&"ann");
        let done = match dice.below(16) {
            0..=2 => self.push(world, dice),
            3 | 4 => self.tag(world, dice, true),
            5..=7 => self.tag(world, dice, false),
            8..=10 => {
                let who = if dice.below(2) == 0 { "sue" } else { who };
                self.approve(world, who)
            }
            11 => self.hold(world, dice, who),
            12 => self.close(world, dice, who),
            13 => self.move_a_tag(world, dice),
            _ => Some(format!("nothing but time: {:?}", {
                let time = Duration::from_secs(600 * (1 + dice.below(9)) as u64);
                world.clock.advance(time);
                time
            })),
        };
        self.done.extend(done.map(|done| format!("{} {done}", world.clock.now())));
    }

    fn push(&mut self, world: &World, dice: &mut Dice) -> Option<String> {
        let author = *dice.of(&["ann", "ben"])?;
        let what = format!("Change {}", self.trunk.len());
        let sha = world.github.push_files(SHOP, "main", author, &what, &[("CHANGES", text(&what))]);
        let passed = dice.below(4) > 0;
        world.github.add_check(SHOP, &sha, CI, "build", if passed { "success" } else { "failure" });
        self.trunk.push((sha.clone(), author, passed));
        Some(format!("{author} pushes {sha}, build passed: {passed}"))
    }

    fn tag(&mut self, world: &World, dice: &mut Dice, candidate: bool) -> Option<String> {
        let pusher = *dice.of(&["ann", "ben", "sam"])?;
        // Mostly what makes sense: the newest that was built, what was tested, a number higher than all before; sometimes anything.
        let built = self.trunk.iter().rev().find(|(_, _, passed)| *passed).map(|(sha, ..)| sha.clone());
        let tested = self.held.get("stage").and_then(|held| self.commit_of(&held.last()?.0)).map(str::to_owned);
        let sensible = if candidate { built } else { tested };
        let sha = sensible.filter(|_| dice.below(5) > 0).or_else(|| Some(dice.of(&self.trunk)?.0.clone()))?;
        let number = if dice.below(5) > 0 { self.tags.len() } else { dice.below(6) };
        let name = if candidate { format!("v1.{number}-rc.{}", dice.below(3)) } else { format!("v1.{number}") };
        if self.tags.contains_key(&name) {
            return None;
        }
        world.github.create_tag(SHOP, &name, &sha, pusher, dice.below(2) == 0);
        self.tags.insert(name.clone(), (sha.clone(), pusher));
        Some(format!("{pusher} tags {sha} as {name}"))
    }

    /// The open promotions: number and branch.
    fn open(world: &World) -> Vec<(u64, String)> {
        let dump = world.github.dump();
        let (mut open, mut number) = (Vec::new(), None);
        for line in dump.lines() {
            if let Some(pull) = line.strip_prefix("  pull #") {
                number = pull.split_once(" open: ").and_then(|(number, _)| number.parse().ok());
            }
            let branch =
                line.split_whitespace().find(|word| word.starts_with("trunkline/") && line.starts_with("    "));
            if let (Some(at), Some(branch)) = (number, branch) {
                open.push((at, branch.to_owned()));
                number = None;
            }
        }
        open
    }

    fn approve(&mut self, world: &World, who: &'static str) -> Option<String> {
        let (number, branch) = Self::open(world).pop()?;
        world.github.review(ENVIRONMENTS, who, number, "APPROVED");
        self.approvals.entry(branch.clone()).or_default().insert(who);
        Some(format!("{who} approves #{number} {branch}"))
    }

    fn hold(&mut self, world: &World, dice: &mut Dice, who: &'static str) -> Option<String> {
        let environment = *dice.of(&["stage", "prod"])?;
        // Readers may not hold; what the model does not know it does not count.
        let holds = self.holds.entry(environment).or_default();
        if who == "rob" {
            world.github.comment(ENVIRONMENTS, who, 1, &format!("/trunkline hold {environment} for fun"));
        } else if holds.is_empty() {
            world.github.comment(ENVIRONMENTS, who, 1, &format!("/trunkline hold {environment} a reason"));
            self.said.push((environment, who));
        } else {
            world.github.comment(ENVIRONMENTS, "sam", 1, &format!("/trunkline unhold {environment}"));
            holds.clear();
            self.said.retain(|(held, _)| *held != environment);
        }
        Some(format!("{who} on the hold of {environment}"))
    }

    fn close(&mut self, world: &World, dice: &mut Dice, who: &'static str) -> Option<String> {
        let open = Self::open(world);
        let (number, branch) = dice.of(&open).filter(|_| who != "rob")?;
        world.github.close_pull(ENVIRONMENTS, who, *number);
        Some(format!("{who} closes #{number} {branch}"))
    }

    fn move_a_tag(&mut self, world: &World, dice: &mut Dice) -> Option<String> {
        let names: Vec<String> = self.tags.keys().cloned().collect();
        let name = dice.of(&names)?.clone();
        let (sha, ..) = dice.of(&self.trunk)?.clone();
        if self.tags[&name].0 == sha || self.moved.contains(&name) {
            return None;
        }
        world.github.move_tag(SHOP, &name, &sha, "ben");
        // One that had started nothing is a new tag wherever it stands now.
        if self.held.values().flatten().any(|(version, _)| *version == name) {
            self.moved.insert(name.clone());
        } else {
            self.tags.get_mut(&name)?.0.clone_from(&sha);
        }
        Some(format!("ben moves {name} to {sha}"))
    }
}

/// Deliveries come as sent, twice, the other way round, or not at all; `false` then.
async fn deliver(world: &mut World, dice: &mut Dice) -> bool {
    let mut deliveries = world.github.take_deliveries();
    match dice.below(6) {
        0 => deliveries.reverse(),
        1 => deliveries.extend(deliveries.clone()),
        2 => return false,
        _ => {}
    }
    world.deliver_these(deliveries).await;
    true
}

/// Plays one; how many versions entered each environment.
async fn day(seed: u64) -> BTreeMap<&'static str, usize> {
    let files = example_with(".github/trunkline.yaml", "    merge: manual\n", "    merge: auto\n");
    let mut world = World::with(&files).await;
    world.github.open_issue(ENVIRONMENTS, "ann", "Environments", "");
    world.settle().await;
    if seed.is_multiple_of(2) {
        // E73: a day on which two of us run, each with a queue of its own, and overtake each other at every call.
        world.start_second().await;
        world.settle().await;
        world.clock.advance(Duration::from_secs(15));
        world.faults.jitter(seed as usize);
    }
    let (mut dice, mut book) = (Dice::new(seed), Book::default());
    for log in git(&world, SHOP, &["log", "--reverse", "--format=%H", "main"]).lines() {
        book.trunk.push((log.to_owned(), "ann", true));
    }
    for tag in git(&world, SHOP, &["tag"]).lines() {
        let commit = git(&world, SHOP, &["rev-list", "-1", tag]).trim().to_owned();
        book.tags.insert(tag.to_owned(), (commit, "ann"));
    }
    book.look(&world);
    for _ in 0..ACTS {
        let before = book.said.len();
        book.act(&world, &mut dice);
        if dice.below(8) == 0 {
            let kind = *dice.of(&[Fault::Refuse, Fault::Lose, Fault::Crash, Fault::Stale]).unwrap_or(&Fault::Lose);
            world.faults.set(dice.below(40), kind);
        }
        let mut silent = if deliver(&mut world, &mut dice).await { before } else { book.said.len() };
        world.settle().await;
        if dice.below(3) == 0 {
            world.advance(Duration::from_secs(900)).await;
            world.sweep().await;
            silent = 0;
        }
        book.look(&world);
        for (environment, who) in book.said.split_off(silent.min(book.said.len())) {
            book.holds.entry(environment).or_default().insert(who);
        }
    }
    world.advance(Duration::from_secs(150)).await;
    world.sweep().await;
    book.look(&world);
    let (writes, end) = (world.writes(), normal(&world.sees()));
    world.sweep().await;
    assert_eq!(world.writes(), writes, "a second sweep writes");
    assert_eq!(normal(&world.sees()), end);
    let entered = book.held.iter().map(|(name, held)| (*name, held.len() - 1)).collect();
    eprintln!("day {seed}: {} acts, entered: {entered:?}", book.done.len());
    entered
}

#[tokio::test]
async fn whatever_happens_no_version_is_where_it_may_not_be() {
    if let Some(seed) = std::env::var("TRUNKLINE_DAY").ok().and_then(|seed| seed.parse().ok()) {
        day(seed).await;
        return;
    }
    let days = std::env::var("TRUNKLINE_DAYS").ok().and_then(|days| days.parse().ok()).unwrap_or(DAYS);
    let mut entered: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in 1..=days {
        eprintln!("TRUNKLINE_DAY={seed}");
        for (environment, count) in day(seed).await {
            *entered.entry(environment).or_default() += count;
        }
    }
    assert!(["dev", "stage", "prod"].iter().all(|name| entered[name] > 0), "too quiet to prove anything: {entered:?}");
}
