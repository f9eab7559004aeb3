//! What people read and ask: the promotion's comment, questions and their answers, the end of a promotion by a word.

use std::time::Duration;

use trunkline::sandbox::seed::{self, CI, ENVIRONMENTS, SHOP};

use crate::act;
use crate::faults::hold;
use crate::stories::{desk, example, in_prod, in_stage, merge_to_trunk, pull, say, tag, text};
use crate::world::World;

const HOUR: Duration = Duration::from_secs(3600);

/// Production's promotion of `v1.0` is open; the answer is its number.
async fn asked_for_prod(world: &mut World) -> u64 {
    let sha = in_stage(world).await;
    tag(world, "v1.0", &sha).await;
    world.newest_pull()
}

fn open(world: &World) -> Vec<String> {
    world.pulls().into_iter().filter(|pull| pull.contains(" open")).collect()
}

#[tokio::test]
async fn the_comment_on_a_promotion_shows_how_it_stands() {
    let mut world = World::example().await;
    let number = asked_for_prod(&mut world).await;
    insta::assert_snapshot!(world.said(number), @"");
    let before = world.said(number);
    // A newer commit on trunk changes the picture, and nothing else; a person's hold shows at once.
    merge_to_trunk(&mut world, "Sell even more").await;
    let after = world.said(number);
    assert_ne!(before, after);
    say(&mut world, "ann", number, "/trunkline hold prod the fair is on").await;
    insta::assert_snapshot!(crate::faults::difference(&after, &world.first_said(number)), @"");
    // The description was written once and is still true.
    assert!(!world.body(number).contains("soak"), "{}", world.body(number));
}

#[tokio::test]
async fn e22_a_promotion_is_cancelled_by_a_word() {
    let mut world = World::example().await;
    let number = asked_for_prod(&mut world).await;
    say(&mut world, "ann", number, "/trunkline cancel").await;
    insta::assert_snapshot!(world.talk(number).split("comment by").last().unwrap(), @"");
    assert_eq!(open(&world), [""; 0]);
    let desk = desk(&mut world).await;
    say(&mut world, "rob", desk, "/trunkline status prod").await;
    insta::assert_snapshot!(world.said(desk), @"");
    // It stays out, whatever wakes it, until somebody asks for it.
    world.advance(HOUR * 2).await;
    world.lose_everything().await;
    world.advance(Duration::from_secs(60)).await;
    world.sweep().await;
    assert_eq!(open(&world), [""; 0]);
    say(&mut world, "ann", desk, "/promote prod v1.0").await;
    assert_eq!(open(&world).len(), 1, "{:?}", world.pulls());
    assert_ne!(world.newest_pull(), number);
}

#[tokio::test]
async fn e22_something_newer_comes_after_a_cancelled_promotion() {
    let mut world = World::example().await;
    let number = asked_for_prod(&mut world).await;
    let desk = desk(&mut world).await;
    say(&mut world, "ann", desk, "/trunkline cancel prod").await;
    assert_eq!(open(&world), [""; 0]);
    let sha = world.github.branch_tip(SHOP, "main");
    tag(&mut world, "v1.1", &sha).await;
    assert_eq!(open(&world).len(), 1, "{:?}", world.pulls());
    assert!(world.newest_pull() > number);
}

#[tokio::test]
async fn a_cancelled_rollback_does_not_come_back() {
    let mut world = World::with(&crate::stories::example_with(
        ".github/trunkline.yaml",
        "rollback: [acme/sre]",
        "rollback: [acme/sre], promote: [acme/sre]",
    ))
    .await;
    in_prod(&mut world).await;
    let desk = desk(&mut world).await;
    say(&mut world, "sue", desk, "/rollback prod").await;
    assert_eq!(open(&world).len(), 1, "{:?}", world.pulls());
    // Writers who are not in the team may not.
    say(&mut world, "ann", desk, "/trunkline cancel prod").await;
    insta::assert_snapshot!(world.said(desk), @"");
    say(&mut world, "sue", desk, "/trunkline cancel prod").await;
    assert_eq!(open(&world), [""; 0]);
    world.sweep().await;
    assert_eq!(open(&world), [""; 0]);
}

#[tokio::test]
async fn cancel_says_what_it_needs() {
    let mut world = World::example().await;
    let desk = desk(&mut world).await;
    say(&mut world, "ann", desk, "/trunkline cancel\n/trunkline cancel prod\n/trunkline cancle prod").await;
    insta::assert_snapshot!(world.said(desk), @"");
    let number = asked_for_prod(&mut world).await;
    say(&mut world, "rob", number, "/trunkline cancel").await;
    insta::assert_snapshot!(world.said(number), @"");
    assert_eq!(open(&world).len(), 1);
}

#[tokio::test]
async fn cancelling_survives_every_fault() {
    let mut start = World::example().await;
    asked_for_prod(&mut start).await;
    let act = act!(world, {
        let number = world.newest_pull();
        world.github.comment(ENVIRONMENTS, "ann", number, "/trunkline cancel");
        world.settle().await;
    });
    hold(&start, act).await;
}

#[tokio::test]
async fn status_and_plan_speak_as_the_check_does() {
    let mut world = World::example().await;
    let number = asked_for_prod(&mut world).await;
    let desk = desk(&mut world).await;
    world.github.review(ENVIRONMENTS, "ann", number, "APPROVED");
    world.settle().await;
    say(&mut world, "rob", desk, "/trunkline status prod").await;
    insta::assert_snapshot!(world.said(desk), @"");
    // The gates are the very lines of the promotion's own comment.
    let said = world.said(desk);
    let comment = world.first_said(number);
    let gates: Vec<&str> = comment.lines().filter(|line| line.starts_with("- ") && !line.contains('[')).collect();
    assert!(gates.len() > 4, "{comment}");
    for gate in gates {
        assert!(said.contains(gate), "{gate}\n{said}");
    }
    say(&mut world, "rob", desk, "/trunkline plan").await;
    insta::assert_snapshot!(world.said(desk), @"");
}

#[tokio::test]
async fn a_version_is_foreseen() {
    let mut world = World::example().await;
    let sha = in_stage(&mut world).await;
    let desk = desk(&mut world).await;
    // Two tags that nobody would promote by themselves any more: one is lower than the newest.
    world.github.create_tag(SHOP, "v1.1", &sha, "ann", false);
    tag(&mut world, "v1.0", &sha).await;
    say(&mut world, "rob", desk, "/trunkline plan prod v1.0\n/trunkline plan prod v0.1\n/trunkline plan prod v0.9")
        .await;
    insta::assert_snapshot!(world.said(desk), @"");
}

#[tokio::test]
async fn environments_are_compared() {
    let mut world = World::example().await;
    in_stage(&mut world).await;
    merge_to_trunk(&mut world, "Sell even more").await;
    let desk = desk(&mut world).await;
    say(&mut world, "rob", desk, "/trunkline diff stage prod").await;
    insta::assert_snapshot!(world.said(desk), @"");
    say(&mut world, "rob", desk, "/trunkline diff stage stage\n/trunkline diff stage prud").await;
    insta::assert_snapshot!(world.said(desk), @"");
}

#[tokio::test]
async fn what_does_not_build_cannot_be_compared() {
    let mut world = World::example().await;
    let broken = [("environments/stage/kustomization.yaml", text("resources: [gone.yaml]\n"))];
    world.github.push_files(ENVIRONMENTS, "main", "sam", "Break stage", &broken);
    world.settle().await;
    let desk = desk(&mut world).await;
    say(&mut world, "rob", desk, "/trunkline diff stage prod").await;
    insta::assert_snapshot!(world.said(desk), @"");
}

#[tokio::test]
async fn a_configuration_is_validated_before_it_counts() {
    let path = ".github/trunkline.yaml";
    let mut world = World::example().await;
    let number = pull(&mut world, "Soak longer", &[(path, example(path, "soak: 1h", "soak: 48h"))]).await;
    say(&mut world, "rob", number, "/trunkline validate").await;
    insta::assert_snapshot!(world.said(number), @"");
    world.github.push_files(
        ENVIRONMENTS,
        "topic",
        "ben",
        "Break it",
        &[(path, example(path, "soak: 1h", "soka: 48h\n    after: [nowhere]"))],
    );
    world.settle().await;
    say(&mut world, "rob", number, "/trunkline validate").await;
    insta::assert_snapshot!(world.said(number), @"");
    let desk = desk(&mut world).await;
    say(&mut world, "rob", desk, "/trunkline validate").await;
    insta::assert_snapshot!(world.said(desk).lines().nth(1).unwrap(), @"");
}

#[tokio::test]
async fn a_first_configuration_is_validated_in_its_pull_request() {
    let path = ".github/trunkline.yaml";
    let mut files = seed::environments();
    let whole = files.iter().position(|(name, _)| *name == path).map(|at| files.remove(at).1);
    let mut world = World::with(&files).await;
    let number = pull(&mut world, "Promote", &[(path, whole)]).await;
    say(&mut world, "rob", number, "/trunkline status\n/trunkline help").await;
    say(&mut world, "rob", number, "/trunkline validate").await;
    assert_eq!(world.talk(number).matches("comment by trunkline[bot]").count(), 1, "{}", world.talk(number));
    insta::assert_snapshot!(world.said(number).lines().nth(1).unwrap(), @"");
}

#[tokio::test]
async fn history_tells_decisions_and_versions() {
    let mut world = World::example().await;
    in_prod(&mut world).await;
    let desk = desk(&mut world).await;
    world.advance(HOUR).await;
    say(&mut world, "ann", desk, "/trunkline hold prod the fair is on").await;
    world.advance(HOUR).await;
    say(&mut world, "ann", desk, "/trunkline unhold prod").await;
    say(&mut world, "rob", desk, "/trunkline history prod").await;
    insta::assert_snapshot!(world.said(desk), @"");
    say(&mut world, "rob", desk, "/trunkline history").await;
    assert_eq!(world.said(desk).matches("| When | What |").count(), 3, "{}", world.said(desk));
}

#[tokio::test]
async fn resync_finds_what_no_delivery_told() {
    let mut world = World::example().await;
    let sha = in_stage(&mut world).await;
    let desk = desk(&mut world).await;
    world.github.create_tag(SHOP, "v1.0", &sha, "ann", false);
    assert!(world.lose_deliveries() > 0);
    world.settle().await;
    assert_eq!(open(&world), [""; 0]);
    say(&mut world, "rob", desk, "/trunkline resync").await;
    insta::assert_snapshot!(world.said(desk), @"");
    say(&mut world, "ann", desk, "/trunkline resync").await;
    insta::assert_snapshot!(world.said(desk), @"");
    assert_eq!(open(&world).len(), 1, "{:?}", world.pulls());
}

/// Eight applications of one source in two environments each.
fn many() -> Vec<(String, Vec<u8>)> {
    let mut config = "version: 1\napps:\n".to_owned();
    let mut files = Vec::new();
    for n in 1..=8 {
        config.push_str(&format!(
            "  app{n}:\n    source: acme/shop\n    tags: \"app{n}/v*\"\n    images: [ghcr.io/acme/app{n}]\n"
        ));
        for environment in ["stage", "prod"] {
            let kustomization =
                format!("resources: [app.yaml]\nimages:\n- name: ghcr.io/acme/app{n}\n  newTag: v0.9\n");
            let manifest = format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: app{n}}}\nspec:\n  containers:\n  - {{name: app, image: ghcr.io/acme/app{n}}}\n"
            );
            files.push((format!("{environment}/app{n}/kustomization.yaml"), kustomization.into_bytes()));
            files.push((format!("{environment}/app{n}/app.yaml"), manifest.into_bytes()));
        }
    }
    config.push_str(
        "environments:\n  stage:\n    path: stage/{app}\n    takes: prereleases\n    merge: auto\n  prod:\n    path: prod/{app}\n    takes: releases\n    after: [stage]\n    merge: manual\npolicies: { packs: [minimal] }\n",
    );
    files.push((".github/trunkline.yaml".to_owned(), config.into_bytes()));
    files
}

#[tokio::test]
async fn many_applications_are_told_in_few_lines() {
    let files = many();
    let files: Vec<(&str, Vec<u8>)> = files.iter().map(|(path, text)| (path.as_str(), text.clone())).collect();
    let mut world = World::with(&files).await;
    let sha = world.github.push_files(SHOP, "main", "ann", "More", &[("CHANGES", text("x"))]);
    world.github.add_check(SHOP, &sha, CI, "build", "success");
    for tag in ["app3/v1.0-rc.1", "app5/v1.0", "app7/v1.0"] {
        world.advance(Duration::from_secs(60)).await;
        world.github.create_tag(SHOP, tag, &sha, "ann", false);
        world.settle().await;
    }
    let bad = world.github.push_files(SHOP, "topic", "ann", "Elsewhere", &[("CHANGES", text("y"))]);
    world.github.create_tag(SHOP, "app2/v2.0", &bad, "ann", false);
    world.settle().await;
    let desk = desk(&mut world).await;
    say(&mut world, "rob", desk, "/trunkline status").await;
    insta::assert_snapshot!(world.said(desk), @"");
    say(&mut world, "rob", desk, "/trunkline diff stage prod\n/trunkline history").await;
    insta::assert_snapshot!(world.said(desk), @"");
}
