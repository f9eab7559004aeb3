//! Emergencies: somebody passes the gates by hand, and a hotfix that cannot wait for what stage runs.

use super::tell::{replaced, text};
use super::{CONFIG, HOUR, PROD, Tour};
use crate::cli::Failure;
use crate::sandbox::seed::{CI, ENVIRONMENTS, SHOP};

impl Tour {
    pub(super) async fn past_the_gates(&mut self, sha: &str) -> Result<(), Failure> {
        let number = self.newest();
        self.tell("At night, Ben writes a version of his own straight into production, past every gate.")?;
        let overlay = text(PROD).replace("newTag: v0.9", "newTag: quick-fix");
        self.push(ENVIRONMENTS, "main", "ben", "Quick fix", &[(PROD, &overlay)]);
        self.settle().await?;
        self.pass(HOUR).await?;
        self.comment("rob", number, "/trunkline status prod").await?;
        self.bot_says(number)?;

        self.tell(
            "v1.5.1 wants in, and is approved. It does not wipe out in silence what Ben did: somebody has to say so.",
        )?;
        let number = self.newest_open();
        self.github.review(ENVIRONMENTS, "sue", number, "APPROVED");
        self.settle().await?;
        self.check_says(number, "in_progress", "past its gates")?;
        self.comment("ben", number, "/promote prod v1.5.1").await?;
        let number = self.newest_open();
        self.github.review(ENVIRONMENTS, "sue", number, "APPROVED");
        self.settle().await?;
        self.check_says(number, "success", "")?;
        self.github.merge_pull(ENVIRONMENTS, "sam", number);
        self.settle().await?;
        let _unchanged = sha;
        Ok(())
    }

    pub(super) async fn a_hotfix_from_a_release_branch(&mut self, sha: &str) -> Result<(), Failure> {
        self.tell("Trunk and stage have gone on to v2.0-rc.1 when production needs a fix: Ann cuts release/1.5.")?;
        let config =
            replaced(&text(CONFIG), "    tags: \"v*\"\n", "    tags: \"v*\"\n    release-branches: [\"release/*\"]\n");
        let config = replaced(
            &config,
            "merge: manual\n    rights: { rollback: [acme/sre] }",
            "merge: manual\n    rights: { rollback: [acme/sre], bypass: [acme/sre] }",
        );
        self.push(ENVIRONMENTS, "main", "sam", "Hotfixes come from release branches", &[(CONFIG, &config)]);
        let newer = self.push(SHOP, "main", "ann", "Half a rewrite", &[("backend/main.go", "package main\n")]);
        self.github.add_check(SHOP, &newer, CI, "build", "success");
        self.settle().await?;
        self.github.create_tag(SHOP, "v2.0-rc.1", &newer, "ann", false);
        self.settle().await?;
        self.github.force_push(SHOP, "release/1.5", "ann", sha);
        let fix = self.push(SHOP, "release/1.5", "ann", "Count orders once", &[("backend/fix.go", "package main\n")]);
        self.github.add_check(SHOP, &fix, CI, "build", "success");
        self.github.create_tag(SHOP, "v1.5.2", &fix, "ann", false);
        self.settle().await?;
        let number = self.newest_open();
        self.check_says(number, "in_progress", "stage has not held commit")?;

        self.tell(
            "Stage cannot take it: it runs something newer. Sam, who may, passes over order and soak, and says why.",
        )?;
        self.comment("sam", number, "/promote prod v1.5.2 --force \"orders are counted twice\"").await?;
        let number = self.newest_open();
        self.github.review(ENVIRONMENTS, "sue", number, "APPROVED");
        self.settle().await?;
        self.bot_says(number)?;
        self.check_says(number, "success", "")?;
        self.github.merge_pull(ENVIRONMENTS, "sam", number);
        self.settle().await?;
        self.comment("rob", number, "/trunkline status").await?;
        self.bot_says(number)
    }
}
