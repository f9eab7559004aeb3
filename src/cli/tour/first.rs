//! The first acts: from the installation to production and back, and what is refused on the way.

use super::exceptions::OPEN;
use super::tell::text;
use super::{DEV, HOUR, Tour};
use crate::cli::Failure;
use crate::cli::stage::failed;
use crate::sandbox::seed::{CI, ENVIRONMENTS, SHOP};

impl Tour {
    pub(super) async fn installed(&mut self) -> Result<(), Failure> {
        self.tell("acme installs the App on its shop and its environments, which have been there for a while.")?;
        self.settle().await?;
        self.holds("nothing is opened and nobody is spoken to", self.github.pulls(ENVIRONMENTS).is_empty())?;
        self.said("It notes in its ledger what every environment holds, and is silent.")
    }

    pub(super) async fn a_change_is_answered(&mut self) -> Result<(), Failure> {
        self.tell("Ben asks for a change: dev shall run whatever is `latest`, and expose the database.")?;
        let overlay = text(DEV)
            .replace("newTag: v0.9", "newTag: latest")
            .replace("  - ../base\n", "  - ../base\n  - open.yaml\n");
        self.push(
            ENVIRONMENTS,
            "open",
            "ben",
            "Open the database",
            &[(DEV, &overlay), ("environments/dev/open.yaml", OPEN)],
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

    pub(super) async fn reach_stage(&mut self) -> Result<String, Failure> {
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

    pub(super) async fn reach_production(&mut self, sha: &str) -> Result<u64, Failure> {
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

    pub(super) async fn back_again(&mut self, talk: u64) -> Result<(), Failure> {
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

    pub(super) async fn what_is_refused(&mut self, sha: &str) -> Result<(), Failure> {
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
}
