//! `trunkline sandbox --tour`: the whole story, played on a sandbox of its own, told as a person would tell it.
//!
//! Each step says what was done and what the bot answered, and ends the tour when it does not hold.

use std::path::Path;
use std::time::Duration;

use tokio::sync::watch;

use super::stage::{Bot, Stage, failed};
use super::{Failure, Verdict, print};
use crate::clock::Clock;
use crate::sandbox::Sandbox;
use crate::sandbox::seed::{self, CI, ENVIRONMENTS, SHOP};

/// Rounds of delivering and passing in one step: a step takes a few dozen.
const MAX_ROUNDS: usize = 1_000;
/// Deliveries arrive over loopback in milliseconds; this long without one means that none is under way.
const QUIET: Duration = Duration::from_millis(40);

const HOUR: Duration = Duration::from_secs(3600);
const DEV: &str = "environments/dev/kustomization.yaml";

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
        self.say("\nThat is the whole story. Try it yourself: trunkline sandbox\n")
    }

    async fn installed(&mut self) -> Result<(), Failure> {
        self.tell("acme installs the App on its shop and its environments, which have been there for a while.")?;
        self.settle().await?;
        self.holds("nothing is opened and nobody is spoken to", self.github.pulls(ENVIRONMENTS).is_empty())?;
        self.said("It notes in its ledger what every environment holds, and is silent.")
    }

    async fn a_change_is_answered(&mut self) -> Result<(), Failure> {
        self.tell("Ben asks for a change: dev shall run whatever is `latest`, and expose the database.")?;
        let overlay = text(DEV)
            .replace("newTag: v0.9", "newTag: latest")
            .replace("  - ../base\n", "  - ../base\n  - open.yaml\n");
        let open = "apiVersion: v1\nkind: Service\nmetadata:\n  name: database-open\nspec:\n  type: LoadBalancer\n  selector:\n    app: database\n  ports:\n    - port: 5432\n      targetPort: postgres\n";
        self.push(
            ENVIRONMENTS,
            "open",
            "ben",
            "Open the database",
            &[(DEV, &overlay), ("environments/dev/open.yaml", open)],
        );
        let number = self.github.open_pull(ENVIRONMENTS, "ben", "open", "main", "Open the database", "");
        self.settle().await?;
        self.bot_says(number)?;
        self.check_is(number, "failure")?;

        self.tell("Ben thinks again: a pinned version, and no open door.")?;
        let overlay = text(DEV).replace("newTag: v0.9", "newTag: v0.9.1");
        self.remove(ENVIRONMENTS, "open", "ben", "Not open after all", "environments/dev/open.yaml", (DEV, &overlay));
        self.settle().await?;
        self.check_is(number, "success")?;
        self.github.close_pull(ENVIRONMENTS, "ben", number);
        self.settle().await
    }

    async fn reach_stage(&mut self) -> Result<String, Failure> {
        self.tell("Ann merges to the shop's trunk. The build is still running.")?;
        let sha = self.push(
            SHOP,
            "main",
            "ann",
            "Sell more",
            &[("backend/main.go", "package main\n\nfunc main() { sell() }\n")],
        );
        self.settle().await?;
        self.holds("nothing promotes before it exists", self.open(ENVIRONMENTS).is_empty())?;

        self.tell("The build succeeds.")?;
        self.github.add_check(SHOP, &sha, CI, "build", "success");
        self.settle().await?;
        self.holds("dev has it, merged by the bot", self.merged_last("dev"))?;
        self.last_title()?;

        self.tell("Ann tags v1.0-rc.1.")?;
        self.github.create_tag(SHOP, "v1.0-rc.1", &sha, "ann", false);
        self.settle().await?;
        self.holds("stage has it, merged by the bot", self.merged_last("stage"))?;
        self.last_title()?;
        Ok(sha)
    }

    async fn reach_production(&mut self, sha: &str) -> Result<u64, Failure> {
        self.tell("Ann tags v1.0: a pull request asks for production.")?;
        self.github.create_tag(SHOP, "v1.0", sha, "ann", false);
        self.settle().await?;
        let number = self.newest();
        self.bot_says(number)?;
        self.check_is(number, "in_progress")?;

        self.tell("Ann approves what she tagged. An hour passes.")?;
        self.github.review(ENVIRONMENTS, "ann", number, "APPROVED");
        self.clock.advance(HOUR);
        self.settle().await?;
        self.check_is(number, "in_progress")?;
        self.said("Four eyes: whoever tagged or wrote it cannot be the one who approves.")?;

        self.tell("Sue, an SRE who had no hand in it, approves.")?;
        self.github.review(ENVIRONMENTS, "sue", number, "APPROVED");
        self.settle().await?;
        self.check_is(number, "success")?;
        self.said("Every gate is open. `merge: manual` leaves the button to a person; Sam presses it.")?;
        self.github.merge_pull(ENVIRONMENTS, "sam", number);
        self.settle().await?;

        self.tell("Rob asks how things stand: /trunkline status")?;
        self.github.comment(ENVIRONMENTS, "rob", number, "/trunkline status");
        self.settle().await?;
        self.bot_says(number)?;
        Ok(number)
    }

    async fn back_again(&mut self, talk: u64) -> Result<(), Failure> {
        self.tell("Production misbehaves. Ben, who may not, says: /rollback prod")?;
        self.github.comment(ENVIRONMENTS, "ben", talk, "/rollback prod");
        self.settle().await?;
        self.bot_says(talk)?;

        self.tell("Sam, who may, says it too.")?;
        self.github.comment(ENVIRONMENTS, "sam", talk, "/rollback prod");
        self.settle().await?;
        let number = self.newest();
        self.last_title()?;
        self.github.review(ENVIRONMENTS, "sue", number, "APPROVED");
        self.settle().await?;
        self.check_is(number, "success")?;
        self.github.merge_pull(ENVIRONMENTS, "sam", number);
        self.settle().await?;
        self.holds("it went back, and nothing newer comes by itself", self.newest() == number)?;
        self.github.comment(ENVIRONMENTS, "rob", talk, "/trunkline status prod");
        self.settle().await?;
        self.bot_says(talk)
    }

    async fn what_is_refused(&mut self, sha: &str) -> Result<(), Failure> {
        self.tell("Sam lifts the hold. Ann tags v1.0.1, and then moves the tag to another commit.")?;
        let talk = self.newest();
        self.github.comment(ENVIRONMENTS, "sam", talk, "/trunkline unhold prod");
        self.settle().await?;
        self.github.create_tag(SHOP, "v1.0.1", sha, "ann", false);
        self.settle().await?;
        self.last_title()?;
        self.github.move_tag(SHOP, "v1.0.1", &self.first, "ann");
        self.settle().await?;
        self.github.comment(ENVIRONMENTS, "rob", talk, "/trunkline status prod");
        self.settle().await?;
        self.bot_says(talk)?;

        self.tell("Four tags in one push: GitHub tells nobody. The sweep, every quarter of an hour, finds them.")?;
        let tags: Vec<String> = (1..=4).map(|n| format!("v1.{n}")).collect();
        let pushed: Vec<(&str, &str)> = tags.iter().map(|tag| (tag.as_str(), sha)).collect();
        self.github.push_tags(SHOP, "ann", &pushed);
        self.settle().await?;
        self.bot.reconciler.sweep().await.map_err(failed("the sweep failed"))?;
        self.settle().await?;
        self.last_title()?;
        let newest = self.title(self.newest());
        self.holds("the newest of them is what is asked for", newest.contains("v1.4"))
    }

    /// Delivers and passes until nothing is due, debounce and back-off included.
    async fn settle(&mut self) -> Result<(), Failure> {
        for _ in 0..MAX_ROUNDS {
            let passes = self.bot.reconciler.step().await.map_err(failed("the queue failed"))?;
            if passes > 0 {
                continue;
            }
            if self.github.delivering() {
                tokio::time::sleep(QUIET / 4).await;
                continue;
            }
            match self.bot.queue.next_soon().await.map_err(failed("the queue failed"))? {
                Some(at) => {
                    let ahead = at.duration_since(self.clock.now());
                    self.clock.advance(Duration::try_from(ahead).unwrap_or_default());
                }
                None => {
                    if self.bot.reconciler.step().await.map_err(failed("the queue failed"))? == 0 {
                        return Ok(());
                    }
                }
            }
        }
        Err(Failure::new("the bot does not come to rest", "please report it, with the lines above"))
    }

    fn push(&self, repo: &str, branch: &str, user: &str, message: &str, files: &[(&str, &str)]) -> String {
        let files: Vec<(&str, Option<Vec<u8>>)> =
            files.iter().map(|(path, text)| (*path, Some(text.as_bytes().to_vec()))).collect();
        self.github.push_files(repo, branch, user, message, &files)
    }

    fn remove(&self, repo: &str, branch: &str, user: &str, message: &str, path: &str, other: (&str, &str)) {
        let files = [(path, None), (other.0, Some(other.1.as_bytes().to_vec()))];
        self.github.push_files(repo, branch, user, message, &files);
    }

    fn open(&self, repo: &str) -> Vec<(u64, String, String)> {
        self.github.pulls(repo).into_iter().filter(|(_, state, _)| state == "open").collect()
    }

    fn newest(&self) -> u64 {
        self.github.pulls(ENVIRONMENTS).last().map_or(0, |(number, ..)| *number)
    }

    fn title(&self, number: u64) -> String {
        let found = self.github.pulls(ENVIRONMENTS).into_iter().find(|(n, ..)| *n == number);
        found.map(|(_, _, title)| title).unwrap_or_default()
    }

    fn merged_last(&self, environment: &str) -> bool {
        let last = self.github.pulls(ENVIRONMENTS).pop();
        last.is_some_and(|(_, state, title)| state == "merged" && title.ends_with(&format!("to {environment}")))
    }

    fn tell(&mut self, what: &str) -> Result<(), Failure> {
        self.step += 1;
        self.say(&format!("\n{:>2}. {what}\n", self.step))
    }

    fn said(&self, what: &str) -> Result<(), Failure> {
        self.say(&format!("    {what}\n"))
    }

    fn last_title(&self) -> Result<(), Failure> {
        let number = self.newest();
        self.said(&format!("The bot: pull request #{number}, {:?}", self.title(number)))
    }

    /// Prints what the bot said last on a pull request, as it wrote it.
    fn bot_says(&self, number: u64) -> Result<(), Failure> {
        let Some(body) = self.github.last_comment(ENVIRONMENTS, number, "trunkline[bot]") else {
            return self.holds("the bot answers", false);
        };
        let shown: String =
            body.lines().skip_while(|line| line.starts_with("<!--")).map(|line| format!("    │ {line}\n")).collect();
        self.say(&format!("    The bot says in #{number}:\n{shown}"))
    }

    fn check_is(&self, number: u64, wanted: &str) -> Result<(), Failure> {
        let found = self.github.check_on(ENVIRONMENTS, number, "trunkline");
        let (stands, title, _) = found.unwrap_or_else(|| ("missing".into(), String::new(), 0));
        self.said(&format!("The check `trunkline` on #{number}: {stands}, {title:?}"))?;
        self.holds(&format!("the check is {wanted}"), stands == wanted)
    }

    fn holds(&self, what: &str, holds: bool) -> Result<(), Failure> {
        if holds {
            return self.said(&format!("✓ {what}"));
        }
        self.said(&format!("✗ {what}"))?;
        Err(Failure::new(
            format!("step {} of the tour does not hold: {what}", self.step),
            "please report it, with the lines above",
        ))
    }

    fn say(&self, text: &str) -> Result<(), Failure> {
        print(text)
    }
}

/// A file of the example as this binary carries it.
fn text(path: &str) -> String {
    let file = seed::FILES.iter().find(|(name, _)| *name == path);
    file.map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
}
