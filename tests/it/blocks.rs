//! `policies.blocks`: the same findings, under what people said of them.

use std::time::Duration;

use trunkline::sandbox::seed;

use crate::cli::{repository, trunkline};
use crate::stories::{example, pull, say, text};
use crate::world::World;

const CONFIG: &str = ".github/trunkline.yaml";
const PROD: &str = "environments/prod/kustomization.yaml";
const DEV: &str = "environments/dev/kustomization.yaml";

/// The example, with this said of what blocks, a team that may override in dev, and production on a tag that moves.
async fn world(blocks: &str) -> World {
    let mut files = seed::environments();
    for (path, content) in &mut files {
        let mut text = String::from_utf8_lossy(content).into_owned();
        match *path {
            CONFIG => {
                text = text.replace("paths: [policies] }", &format!("paths: [policies], blocks: {blocks} }}"));
                text = text.replace("takes: trunk\n", "takes: trunk\n    rights: { bypass: [acme/sre] }\n");
            }
            PROD => text = text.replace("newTag: v0.9", "newTag: latest"),
            _ => continue,
        }
        *content = text.into_bytes();
    }
    World::with(&files).await
}

/// Production's kustomization in that world.
fn prod() -> String {
    let file = seed::environments().into_iter().find(|(path, _)| *path == PROD).unwrap().1;
    String::from_utf8(file).unwrap().replace("newTag: v0.9", "newTag: latest")
}

/// The check, and the first lines of the comment.
fn seen(world: &World, number: u64) -> String {
    let said = world.first_said(number);
    let lines: Vec<&str> = said.lines().skip(1).take(3).filter(|line| !line.is_empty()).collect();
    format!("{}\n{}", world.check(number), lines.join("\n"))
}

#[tokio::test]
async fn new_warnings_block_where_people_want_it_and_can_be_overridden() {
    let mut world = world("{ dev: new-warnings }").await;
    let number = pull(&mut world, "Newest", &[(DEV, example(DEV, "newTag: v0.9", "newTag: latest"))]).await;
    insta::assert_snapshot!(seen(&world, number), @"
    failure: 2 new warnings in dev (2 annotations)
    ### 2 new warnings in dev
    This change alters 2 objects in `dev`. The check fails until what is new is fixed. Here warnings block, as `policies.blocks` says.
    ");
    // She looks at it first.
    world.advance(Duration::from_secs(5)).await;
    say(&mut world, "sue", number, "/trunkline override IMG-001 \"for a day\"").await;
    insta::assert_snapshot!(seen(&world, number), @"
    success: No errors, 2 accepted in dev (2 annotations)
    ### No errors, 2 accepted in dev
    This change alters 2 objects in `dev`.
    ");
}

#[tokio::test]
async fn every_error_of_a_touched_environment_blocks_where_people_want_it() {
    let mut world = world("all-errors").await;
    let file = prod() + "commonAnnotations: { a: b }\n";
    let number = pull(&mut world, "A word more", &[(PROD, text(&file))]).await;
    insta::assert_snapshot!(seen(&world, number), @"
    failure: 2 errors from before in prod (2 annotations)
    ### 2 errors from before in prod
    This change alters 18 objects in `prod`. The check fails until what blocks is fixed. Here errors from before block, as `policies.blocks` says.
    ");
}

#[tokio::test]
async fn where_nothing_blocks_errors_are_told() {
    let mut world = world("{ prod: nothing }").await;
    let note = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: note, nmae: x }\n";
    let files = [
        (PROD, text(&prod().replace("resources:\n", "resources:\n  - note.yaml\n"))),
        ("environments/prod/note.yaml", text(note)),
    ];
    let number = pull(&mut world, "A note", &files).await;
    insta::assert_snapshot!(seen(&world, number), @"
    success: Nothing blocks: 1 error in prod (3 annotations)
    ### Nothing blocks: 1 error in prod
    This change alters 1 object in `prod`. Here new errors block nothing, as `policies.blocks` says.
    ");
}

/// Exit status and last line; `github` adds the commands with which an Actions job shows them.
#[test]
fn the_command_ends_as_the_check_would() {
    let deployment = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: app, nmae: x }\n";
    let policy = "package main\n\nimport rego.v1\n\nwarn contains \"no owner\" if input.kind == \"ConfigMap\"\n";
    let checked = |blocks: &str| {
        let config = format!(
            "version: 1\nenvironments:\n  dev: {{ path: dev, takes: trunk }}\npolicies: {{ packs: [minimal], paths: [policies], blocks: {blocks} }}\n"
        );
        let folder = repository(&[(CONFIG, &config), ("dev/app.yaml", deployment), ("policies/owner.rego", policy)]);
        let human = trunkline(folder.path(), ["check"]);
        let github = trunkline(folder.path(), ["check", "--format", "github"]);
        assert_eq!(human.code, github.code);
        let commands: Vec<&str> = github.out.lines().filter_map(|line| line.split(' ').next()).collect();
        let last = human.out.lines().rfind(|line| line.contains("checked)")).unwrap_or(&human.out);
        format!("[exit {}] {last} {}", human.code.unwrap(), commands.join(" "))
    };
    let all =
        ["new-errors", "new-warnings", "all-errors", "nothing"].map(|blocks| format!("{blocks}: {}", checked(blocks)));
    insta::assert_snapshot!(all.join("\n"), @"
    new-errors: [exit 1] 1 error, 1 warning (1 object in 1 environment checked) ::error ::warning
    new-warnings: [exit 1] 1 error, 1 warning (1 object in 1 environment checked); here warnings block, as `policies.blocks` says ::error ::error
    all-errors: [exit 1] 1 error, 1 warning (1 object in 1 environment checked) ::error ::warning
    nothing: [exit 0] 1 error, 1 warning (1 object in 1 environment checked); here new errors block nothing, as `policies.blocks` says ::warning ::warning
    ");
}
