//! What a promotion waits for besides time and people: a hold, opening hours, and something newer.

use super::tell::{replaced, text};
use super::{CONFIG, HOUR, Tour};
use crate::cli::Failure;
use crate::sandbox::seed::{ENVIRONMENTS, SHOP};

/// Where production's settings end in the example.
pub(super) const PROD_MERGE: &str = "    merge: manual\n";

impl Tour {
    pub(super) async fn a_hold_and_opening_hours(&mut self) -> Result<(), Failure> {
        let number = self.newest();
        self.tell("v1.4 has soaked and has its two approvals, but Ann holds production: the fair is on.")?;
        self.comment("ann", number, "/trunkline hold prod the fair is on").await?;
        for who in ["sue", "sam"] {
            self.github.review(ENVIRONMENTS, who, number, "APPROVED");
        }
        self.pass(HOUR).await?;
        self.check_says(number, "in_progress", "held by ann")?;

        self.tell("The fair is over. Meanwhile Sam has given production opening hours, on the default branch.")?;
        let hours = "    windows: { timezone: Europe/Berlin, allow: [{ cron: \"0 6 * * 1-5\", for: 2h }] }\n";
        let config = replaced(&text(CONFIG), PROD_MERGE, &format!("{PROD_MERGE}{hours}"));
        self.push(ENVIRONMENTS, "main", "sam", "Production opens at six", &[(CONFIG, &config)]);
        self.settle().await?;
        self.comment("ann", number, "/trunkline unhold prod").await?;
        self.check_says(number, "in_progress", "outside of its windows")?;

        self.tell("The next morning, at half past six in Berlin, it opens by itself.")?;
        self.until("2026-11-03T05:30:00Z").await?;
        self.check_says(number, "success", "")?;
        self.github.merge_pull(ENVIRONMENTS, "sam", number);
        self.settle().await?;
        self.push(ENVIRONMENTS, "main", "sam", "Production is always open again", &[(CONFIG, &text(CONFIG))]);
        self.settle().await
    }

    pub(super) async fn the_newest_takes_its_place(&mut self, sha: &str) -> Result<(), Failure> {
        self.tell("Ann tags v1.5, finds a typo, and tags v1.5.1: the newer one takes the place of the older.")?;
        self.github.create_tag(SHOP, "v1.5", sha, "ann", false);
        self.settle().await?;
        let older = self.newest();
        self.github.create_tag(SHOP, "v1.5.1", sha, "ann", false);
        self.settle().await?;
        self.bot_says(older)?;
        let newest = self.title(self.newest());
        self.holds("one promotion is open, the newest", newest.contains("v1.5.1") && self.open(ENVIRONMENTS).len() == 1)
    }
}
