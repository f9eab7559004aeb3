//! Exceptions that are announced: a freeze that lets hotfixes through, and an override of one rule that leaves its trace.

use super::tell::{replaced, text};
use super::{CONFIG, DEV, HOUR, Tour};
use crate::cli::Failure;
use crate::sandbox::seed::{CI, ENVIRONMENTS, SHOP};

/// What opens the database to the world.
pub(super) const OPEN: &str = "apiVersion: v1\nkind: Service\nmetadata:\n  name: database-open\nspec:\n  type: LoadBalancer\n  selector:\n    app: database\n  ports:\n    - port: 5432\n      targetPort: postgres\n";

impl Tour {
    pub(super) async fn a_freeze_that_knows_hotfixes(&mut self) -> Result<(), Failure> {
        self.tell("Sam freezes production for the holidays, hotfixes excepted. Ann releases v2.0 all the same.")?;
        let rights = "rights: { rollback: [acme/sre], freeze: [acme/sre], bypass: [acme/sre] }";
        let config = text(CONFIG).replace("rights: { rollback: [acme/sre] }", rights);
        let dev = "    takes: trunk\n    merge: auto\n";
        let config = replaced(&config, dev, &format!("{dev}    rights: {{ bypass: [acme/sre] }}\n"));
        self.push(ENVIRONMENTS, "main", "sam", "Who may freeze", &[(CONFIG, &config)]);
        self.settle().await?;
        let talk = self.newest();
        self.comment("sam", talk, "/freeze prod for 72h \"holidays\" --except label=hotfix").await?;
        self.bot_says(talk)?;
        let sha = self.push(SHOP, "main", "ann", "The other half", &[("backend/rest.go", "package main\n")]);
        self.github.add_check(SHOP, &sha, CI, "build", "success");
        self.settle().await?;
        for tag in ["v2.0-rc.2", "v2.0"] {
            self.github.create_tag(SHOP, tag, &sha, "ann", false);
            self.settle().await?;
        }
        self.pass(HOUR).await?;
        let number = self.newest_open();
        self.github.review(ENVIRONMENTS, "sue", number, "APPROVED");
        self.settle().await?;
        self.check_says(number, "in_progress", "frozen by sam")?;

        self.tell("Ben labels it `hotfix` himself. That does not count: he may not freeze. Sue may, and does.")?;
        self.github.add_label(ENVIRONMENTS, "ben", number, "hotfix");
        self.settle().await?;
        self.check_says(number, "in_progress", "frozen by sam")?;
        self.github.remove_label(ENVIRONMENTS, "sue", number, "hotfix");
        self.github.add_label(ENVIRONMENTS, "sue", number, "hotfix");
        self.settle().await?;
        self.check_says(number, "success", "")?;
        self.github.merge_pull(ENVIRONMENTS, "sam", number);
        self.settle().await?;
        self.comment("sam", talk, "/unfreeze prod").await
    }

    pub(super) async fn one_rule_overridden(&mut self) -> Result<(), Failure> {
        self.tell("Ben needs dev's database open for an afternoon. The company's own policy says no.")?;
        let open = "environments/dev/open.yaml";
        let overlay = replaced(&text(DEV), "  - ../base\n", "  - ../base\n  - open.yaml\n");
        self.push(ENVIRONMENTS, "load-test", "ben", "Open dev's database", &[(DEV, &overlay), (open, OPEN)]);
        let number = self.github.open_pull(ENVIRONMENTS, "ben", "load-test", "main", "Open dev's database", "");
        self.settle().await?;
        self.check_is(number, "failure")?;

        self.tell("Ben overrides it, and may not. Sam may: for this one commit, with a reason that stays on record.")?;
        self.comment("ben", number, "/trunkline override databases.deny \"just today\"").await?;
        self.bot_says(number)?;
        self.comment("sam", number, "/trunkline override databases.deny \"a load test, until five\"").await?;
        self.check_says(number, "success", "1 accepted")?;
        self.comment("rob", number, "/trunkline history dev").await?;
        self.bot_says(number)?;
        self.github.close_pull(ENVIRONMENTS, "ben", number);
        self.settle().await
    }
}
