//! `trunkline sandbox --tour`: the whole story, played on a sandbox of its own, told as a person would tell it.
//!
//! Each step says what was done and what the bot answered, and ends the tour when it does not hold. The acts stand in files by
//! what they are about, and play one after the other in one world; a new one is a method and a line in `story`.

mod emergencies;
mod exceptions;
mod first;
mod regions;
mod tell;
mod waits;

use std::path::Path;
use std::time::Duration;

use tokio::sync::watch;

use super::stage::{Bot, Stage, failed};
use super::{Failure, Verdict};
use crate::clock::Clock;
use crate::sandbox::Sandbox;
use crate::sandbox::seed;

/// Rounds of delivering and passing in one step: a step takes a few dozen.
const MAX_ROUNDS: usize = 1_000;
/// Deliveries arrive over loopback in milliseconds; this long without one means that none is under way.
const QUIET: Duration = Duration::from_millis(40);

const HOUR: Duration = Duration::from_secs(3600);
const DEV: &str = "environments/dev/kustomization.yaml";
const PROD: &str = "environments/prod/kustomization.yaml";
const CONFIG: &str = ".github/trunkline.yaml";

/// Plays the story; the first step that does not hold is a failure.
pub(super) async fn play(dir: &Path) -> Result<Verdict, Failure> {
    let (stop, stopped) = watch::channel(false);
    let start = "2026-11-02T09:00:00Z".parse().map_err(failed("the tour's first day is no day"))?;
    let clock = Clock::manual(start);
    let stage = Stage::start(dir, 0, clock.clone(), stopped).await?;
    let example = seed::example(&stage.github, &seed::environments());
    let (github, bot) = stage.bot(dir).await?;
    let mut tour = Tour { github, bot, clock, first: example.first, step: 0 };
    let told = tour.story().await;
    let _nobody_waits = stop.send(true);
    told.map(|()| Verdict::Clean)
}

struct Tour {
    github: Sandbox,
    bot: Bot,
    clock: Clock,
    first: String,
    step: usize,
}

impl Tour {
    async fn story(&mut self) -> Result<(), Failure> {
        self.installed().await?;
        self.a_change_is_answered().await?;
        let version = self.reach_stage().await?;
        let production = self.reach_production(&version).await?;
        self.back_again(production).await?;
        self.what_is_refused(&version).await?;
        self.a_hold_and_opening_hours().await?;
        self.the_newest_takes_its_place(&version).await?;
        self.past_the_gates(&version).await?;
        self.a_hotfix_from_a_release_branch(&version).await?;
        self.a_freeze_that_knows_hotfixes().await?;
        self.one_rule_overridden().await?;
        self.two_productions().await?;
        self.one_team_of_many().await?;
        self.say("\nThat is the whole story. Try it yourself: trunkline sandbox\n")
    }
}
