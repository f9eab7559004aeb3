//! More than one way: two productions behind one stage, and many teams in one repository.

use super::Tour;
use crate::cli::Failure;
use crate::sandbox::seed::{CI, ORG, SHOP};

const REGIONS: &str = "acme/regions";
const TEAMS: &str = "acme/teams";
/// Teams in the second repository.
const MANY: usize = 6;

impl Tour {
    pub(super) async fn two_productions(&mut self) -> Result<(), Failure> {
        self.tell("acme has a second repository: one stage, and behind it a production in Europe and one in America.")?;
        let mut config =
            "version: 1\napps:\n  shop:\n    source: acme/shop\n    images: [ghcr.io/acme/shop]\nenvironments:\n"
                .to_owned();
        config.push_str("  stage: { path: stage, takes: prereleases, merge: auto }\n");
        for region in ["prod-eu", "prod-us"] {
            config
                .push_str(&format!("  {region}: {{ path: {region}, takes: releases, after: [stage], merge: auto }}\n"));
        }
        let folders = ["stage", "prod-eu", "prod-us"].map(|folder| (folder.to_owned(), "shop".to_owned()));
        self.repository("regions", &config, &folders).await?;
        let talk = self.github.open_issue(REGIONS, "sam", "Environments", "");

        self.tell("America holds: its data centre moves. Ann tags v3.0-rc.1 and v3.0; Europe goes ahead alone.")?;
        self.github.comment(REGIONS, "ann", talk, "/trunkline hold prod-us the data centre moves");
        self.settle().await?;
        let sha = self.github.branch_tip(SHOP, "main");
        for tag in ["v3.0-rc.1", "v3.0"] {
            self.github.create_tag(SHOP, tag, &sha, "ann", false);
            self.settle().await?;
        }
        self.github.comment(REGIONS, "rob", talk, "/trunkline status");
        self.settle().await?;
        self.bot_says_in(REGIONS, talk)?;
        let merged = |this: &Self, region: &str| this.merged(REGIONS, &format!("v3.0 to {region}"));
        self.holds("Europe has v3.0, America has not", merged(self, "prod-eu") && !merged(self, "prod-us"))?;
        self.github.comment(REGIONS, "ann", talk, "/trunkline unhold prod-us");
        self.settle().await?;
        self.holds("America follows when its hold is lifted", merged(self, "prod-us"))
    }

    pub(super) async fn one_team_of_many(&mut self) -> Result<(), Failure> {
        self.tell("Many teams share a third repository. Team 2 takes its stage back; nobody else notices.")?;
        let mut config = "version: 1\napps:\n".to_owned();
        let mut folders = Vec::new();
        for team in 1..=MANY {
            config.push_str(&format!(
                "  team-{team}: {{ source: acme/shop, tags: \"team-{team}/v*\", images: [ghcr.io/acme/team-{team}] }}\n"
            ));
            folders.push((format!("apps/team-{team}/stage"), format!("team-{team}")));
        }
        config.push_str("environments:\n  stage:\n    path: apps/{app}/stage\n    takes: prereleases\n    merge: auto\n    rights: { rollback: [acme/sre] }\n");
        self.repository("teams", &config, &folders).await?;
        let talk = self.github.open_issue(TEAMS, "sam", "Environments", "");
        let sha = self.github.branch_tip(SHOP, "main");
        self.github.add_check(SHOP, &sha, CI, "build", "success");
        for tag in ["team-2/v1.0-rc.1", "team-2/v1.0-rc.2"] {
            self.github.create_tag(SHOP, tag, &sha, "ann", false);
            self.settle().await?;
        }
        self.github.comment(TEAMS, "sue", talk, "/rollback stage --app team-2");
        self.settle().await?;
        self.github.create_tag(SHOP, "team-2/v1.0-rc.3", &sha, "ann", false);
        self.github.create_tag(SHOP, "team-5/v1.0-rc.1", &sha, "ben", false);
        self.settle().await?;
        let back = self.merged(TEAMS, "Roll back team-2 in stage to v1.0-rc.1");
        let stays = !self.merged(TEAMS, "team-2 v1.0-rc.3");
        self.holds("team 2 is back at v1.0-rc.1, and stays there", back && stays)?;
        self.holds("team 5 has its new version", self.merged(TEAMS, "team-5 v1.0-rc.1 to stage"))
    }

    /// A repository of environments with the smallest thing that runs in each folder, and the App installed on it.
    async fn repository(&mut self, name: &str, config: &str, folders: &[(String, String)]) -> Result<(), Failure> {
        let mut files: Vec<(String, String)> = vec![(".github/trunkline.yaml".to_owned(), config.to_owned())];
        for (folder, app) in folders {
            let image = format!("ghcr.io/acme/{app}");
            files.push((
                format!("{folder}/kustomization.yaml"),
                format!("resources:\n  - pod.yaml\nimages:\n  - name: {image}\n    newTag: v0.9\n"),
            ));
            files.push((
                format!("{folder}/pod.yaml"),
                format!("apiVersion: v1\nkind: Pod\nmetadata:\n  name: {app}\nspec:\n  containers:\n    - name: {app}\n      image: {image}\n"),
            ));
        }
        let files: Vec<(&str, Vec<u8>)> =
            files.iter().map(|(path, text)| (path.as_str(), text.as_bytes().to_vec())).collect();
        self.github.create_repo(ORG, name, false, &files, "sam");
        for (login, role) in crate::sandbox::seed::PEOPLE {
            self.github.set_permission(&format!("{ORG}/{name}"), login, role);
        }
        self.github.install(ORG, &[name]);
        self.settle().await
    }
}
