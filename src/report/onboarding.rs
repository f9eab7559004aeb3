//! Meeting a repository: the pull request that proposes a configuration, and the desk.

use super::configuration::{ConfigurationInput, Says, configuration};
use super::limits::{COMMENT_BYTES, Section, fit};
use super::markdown::{block, cell_code, code, path_in_url, prose};
use super::marker::{Marker, mark};
use super::sections::Place;
use super::words::count;
use crate::command::VERBS;
use crate::config;
use crate::model::id::Oid;
use crate::model::ledger::LEDGER_BRANCH;
use crate::model::onboarding::Proposal;
use crate::model::pipeline::{Mode, Pipeline, Takes};
use crate::model::snapshot::Repo;

/// The title of the pull request.
pub const TITLE: &str = "Let Trunkline watch these environments";

/// What the proposal's texts are made of.
#[derive(Debug, Clone, Copy)]
pub struct OnboardingInput<'a> {
    /// The repository.
    pub repo: &'a Repo,
    /// The App's number, which the ruleset names.
    pub app: u64,
    /// What is proposed.
    pub proposal: &'a Proposal,
}

/// The commit's message.
pub fn message(input: &OnboardingInput<'_>) -> String {
    let environments = count(input.proposal.pipeline.environments.len(), "environment");
    format!("Add {}\n\nProposed from what stands in the folders: {environments}, `mode: observe`.", config::FILE)
}

/// The description of the pull request.
pub fn body(input: &OnboardingInput<'_>) -> String {
    let proposal = input.proposal;
    let head = input.repo.tip.unwrap_or(Oid::ZERO);
    let url = &input.repo.url;
    let place = Place { repo_url: url, head, room: COMMENT_BYTES };
    let says = Says::Valid(&proposal.pipeline);
    let tables = configuration(&ConfigurationInput { repo_url: url, head, of: "this pull request", says, now: None });
    let path = |name: &str| proposal.pipeline.environment(name).map_or(String::new(), |env| code(&env.path));
    let reasons =
        proposal.reasons.iter().map(|(name, why)| format!("- {} in {}: {}\n", code(name), path(name), prose(why)));
    let notes = proposal.notes.iter().map(|(environment, problem)| {
        let at = problem.location.as_ref().map_or(String::new(), |location| format!("{}: ", place.link(location)));
        let help = problem.help.as_ref().map_or(String::new(), |help| format!(" **Next:** {}", prose(help)));
        format!("- {}: {at}{}.{help}\n", code(environment), prose(problem.message.trim_end_matches('.')))
    });
    let cut = match proposal.cut {
        true => "There are more folders here than were looked at; what is missing, add by hand.\n\n",
        false => "",
    };
    let sections = [
        Section::whole(0, format!("{INTRODUCTION}{cut}{tables}\n")),
        list(2, "#### Why\n\nNames were all there was to go by:\n\n", reasons.collect(), "reason"),
        list(
            1,
            "#### Please answer, by editing the file here\n\n",
            proposal.questions.iter().map(|q| format!("- {}\n", prose(q))).collect(),
            "question",
        ),
        list(1, NOTES, notes.collect(), "remark"),
        Section::whole(0, merging()),
        Section::whole(3, ruleset(input)),
        Section::whole(0, ENDING),
    ];
    let text = fit(&sections, COMMENT_BYTES, "`trunkline check` shows the rest");
    mark(&Marker::Onboarding, &text)
}

const INTRODUCTION: &str = "\
Trunkline carries releases through environments like these by pull requests. This one proposes how, in one file; it was made from \
what stands in the folders here, and nothing else was read or written.\n\n";

const NOTES: &str = "\
#### What a promotion would meet (PROM-001)\n\nA promotion changes the version in the environment's own folder, so that no other \
environment changes with it:\n\n";

const ENDING: &str = "\
Not wanted? Close this, and it is not proposed again, until somebody who may write here comments `/trunkline resync` on this pull request.\n";

fn list(rank: u8, open: &str, items: Vec<String>, noun: &'static str) -> Section {
    if items.is_empty() {
        return Section::whole(9, "");
    }
    Section { rank, open: open.to_owned(), items, close: "\n".to_owned(), noun, ..Section::default() }
}

fn merging() -> String {
    "\
#### What happens when you merge this

Nothing is written: `mode: observe` means no promotion, no merge, no failing check. Pull requests that touch an environment get a check and a \
comment that say what they would do, an issue “Environments” opens, and `/trunkline status` and `/trunkline plan` there say what Trunkline would do next.

When you like what it says, set `mode: enforce` in a pull request of your own. What runs then is accepted as it is; only later tags and \
commits start promotions. Edit what is wrong before or after: every mistake is shown at its \
line, and `trunkline schema` prints all that can be said.

"
    .to_owned()
}

/// The rule that keeps everybody but the App from the branch of people's decisions.
fn ruleset(input: &OnboardingInput<'_>) -> String {
    let rules = serde_json::json!({
        "name": "Only Trunkline writes its ledger",
        "target": "branch",
        "enforcement": "active",
        "conditions": { "ref_name": { "include": [format!("refs/heads/{LEDGER_BRANCH}")], "exclude": [] } },
        "rules": [{ "type": "creation" }, { "type": "update" }, { "type": "deletion" }, { "type": "non_fast_forward" }],
        "bypass_actors": [{ "actor_id": input.app, "actor_type": "Integration", "bypass_mode": "always" }],
    });
    let name = &input.repo.name;
    let command = format!("gh api --method POST repos/{name}/rulesets --input - <<'JSON'\n{rules:#}\nJSON");
    format!(
        "\
<details><summary>A rule worth having, for an administrator</summary>

People's decisions (holds, freezes, who asked for what) will stand on the branch `{LEDGER_BRANCH}`, one signed commit each. This lets only \
Trunkline write there; or make it by hand under [Rules]({url}/settings/rules):

{command}
</details>

",
        url = input.repo.url,
        command = block("sh", &command),
    )
}

/// What the desk is made of.
#[derive(Debug, Clone, Copy)]
pub struct DeskInput<'a> {
    /// The repository.
    pub repo: &'a Repo,
    /// Its configuration.
    pub pipeline: &'a Pipeline,
}

/// The text of the desk.
pub fn desk(input: &DeskInput<'_>) -> String {
    let url = &input.repo.url;
    let mode = match input.pipeline.mode {
        Mode::Enforce => "",
        Mode::Observe => "Trunkline only observes here (`mode: observe`): it answers, and writes no promotion.\n\n",
    };
    let rows = input.pipeline.environments.iter().map(|environment| {
        let after: Vec<String> = environment.after.iter().map(|name| cell_code(name)).collect();
        let takes = match environment.takes {
            Takes::Trunk => "every commit on trunk",
            Takes::Prereleases => "pre-release tags",
            Takes::Releases => "release tags",
        };
        format!(
            "| {} | {} | {takes} | {} |\n",
            cell_code(&environment.name),
            cell_code(&environment.path),
            after.join(", ")
        )
    });
    let commands = VERBS
        .iter()
        .map(|verb| format!("| {} | {} |\n", cell_code(&format!("/trunkline {}", verb.usage)), prose(verb.about)));
    let sections = [
        Section::whole(
            0,
            format!(
                "This is the desk for what belongs to no pull request: comment here, and Trunkline answers.\n\n{mode}"
            ),
        ),
        Section {
            rank: 1,
            open: "| Environment | Folder | Takes | After |\n|:--|:--|:--|:--|\n".to_owned(),
            items: rows.collect(),
            close: "\n".to_owned(),
            noun: "environment",
            ..Section::default()
        },
        Section {
            rank: 2,
            open: "| Say | and Trunkline |\n|:--|:--|\n".to_owned(),
            items: commands.collect(),
            close: "\n".to_owned(),
            noun: "command",
            ..Section::default()
        },
        Section::whole(
            0,
            format!(
                "[Configuration]({url}/blob/HEAD/{file}) · [open promotions]({url}/pulls) · [deployments]({url}/deployments) · \
             [people's decisions]({url}/commits/{LEDGER_BRANCH})\n\nClose this issue if nobody wants it: it is not opened again.\n",
                file = path_in_url(config::FILE),
            ),
        ),
    ];
    mark(&Marker::Desk, &fit(&sections, COMMENT_BYTES, "the configuration has the rest"))
}
