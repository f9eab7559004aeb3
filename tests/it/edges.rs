//! Edge cases others learned the hard way, each as small as it gets; `docs/edge-cases.md` lists them all.

use std::path::Path;
use std::time::Duration;

use trunkline::sandbox::seed::{CI, ENVIRONMENTS, SHOP};

use crate::stories::{desk, in_prod, in_stage, merge_to_trunk, say, tag, text};
use crate::world::World;

const HOUR: Duration = Duration::from_secs(3600);

/// The titles of the promotions, oldest first.
fn titles(world: &World) -> Vec<String> {
    let title = |pull: String| pull.split('"').nth(1).unwrap_or_default().to_owned();
    world.pulls().into_iter().map(title).collect()
}

#[tokio::test]
async fn e5_e12_candidates_go_to_stage_and_never_by_themselves_to_production() {
    let mut world = World::example().await;
    in_prod(&mut world).await;
    let sha = merge_to_trunk(&mut world, "Sell even more").await;
    // A candidate of a later version than any release is one all the same.
    tag(&mut world, "v1.1-rc.1", &sha).await;
    world.advance(2 * HOUR).await;
    assert_eq!(titles(&world).last().unwrap(), "Promote shop v1.1-rc.1 to stage");
}

#[tokio::test]
async fn e6_a_candidate_and_its_release_on_one_commit_are_two_versions() {
    let mut world = World::example().await;
    let sha = merge_to_trunk(&mut world, "Sell more").await;
    world.github.push_tags(SHOP, "ann", &[("v1.0-rc.1", &sha), ("v1.0", &sha)]);
    world.settle().await;
    let mut both = titles(&world);
    both.sort();
    assert_eq!(both, ["Promote shop 1123e8d to dev", "Promote shop v1.0 to prod", "Promote shop v1.0-rc.1 to stage"]);
}

#[tokio::test]
async fn e8_an_annotated_tag_names_its_commit() {
    let mut world = World::example().await;
    let sha = in_stage(&mut world).await;
    let object = world.github.create_tag(SHOP, "v1.0", &sha, "ann", true);
    assert_ne!(object, sha);
    world.settle().await;
    let comment = world.first_said(world.newest_pull());
    assert!(comment.contains("was tested in stage"), "{comment}");
}

#[tokio::test]
async fn e9_a_branch_with_the_name_of_a_tag_is_not_the_tag() {
    let mut world = World::example().await;
    let sha = in_stage(&mut world).await;
    world.github.push_files(SHOP, "v1.0", "ann", "A branch", &[("CHANGES", text("else"))]);
    world.settle().await;
    assert!(titles(&world).iter().all(|title| !title.contains("v1.0 ")), "a branch is no version");
    tag(&mut world, "v1.0", &sha).await;
    let comment = world.first_said(world.newest_pull());
    assert!(comment.contains("was tested in stage"), "{comment}");
}

#[tokio::test]
async fn e15_what_fails_is_told_and_not_tried_again_and_again() {
    let mut world = World::example().await;
    let sha = world.github.push_files(SHOP, "main", "ann", "Sell more", &[("CHANGES", text("x"))]);
    world.github.add_check(SHOP, &sha, CI, "build", "failure");
    world.settle().await;
    let before = world.writes();
    for _ in 0..4 {
        world.advance(HOUR).await;
        world.sweep().await;
    }
    assert_eq!((world.writes(), world.pulls().len()), (before, 0));
}

#[tokio::test]
async fn e55_e56_one_comment_is_edited_and_nobody_is_told_twice() {
    let mut world = World::example().await;
    let sha = in_stage(&mut world).await;
    tag(&mut world, "v1.0", &sha).await;
    let number = world.newest_pull();
    for who in ["sue", "ann"] {
        world.github.review(ENVIRONMENTS, who, number, "APPROVED");
        world.advance(HOUR).await;
    }
    world.sweep().await;
    assert_eq!(world.talk(number).matches("comment by trunkline[bot]").count(), 1, "{}", world.talk(number));
}

#[tokio::test]
async fn e61_a_command_about_a_commit_that_moved_on_is_refused() {
    let mut world = World::example().await;
    let sha = in_stage(&mut world).await;
    tag(&mut world, "v1.0", &sha).await;
    let number = world.newest_pull();
    say(&mut world, "ann", number, "/promote prod v1.0 --sha 0123456").await;
    assert!(world.said(number).contains("head-moved"), "{}", world.said(number));
    assert!(!world.sees().contains("requests:\n"), "{}", world.sees());
}

#[tokio::test]
async fn e66_a_hold_has_an_owner_a_reason_and_outlives_the_pull_request_it_was_said_in() {
    let mut world = World::example().await;
    let sha = in_stage(&mut world).await;
    tag(&mut world, "v1.0", &sha).await;
    let number = world.newest_pull();
    say(&mut world, "ann", number, "/trunkline hold prod the fair is on").await;
    world.github.close_pull(ENVIRONMENTS, "ann", number);
    world.settle().await;
    world.lose_everything().await;
    let talk = desk(&mut world).await;
    say(&mut world, "rob", talk, "/trunkline status prod").await;
    // Nothing wants in any more, so nothing waits; the next one does.
    tag(&mut world, "v1.0.1", &sha).await;
    say(&mut world, "rob", talk, "/trunkline status prod").await;
    assert!(world.said(talk).contains("held by ann"), "{}", world.said(talk));
    say(&mut world, "ann", talk, "/trunkline unhold prod").await;
    assert!(titles(&world).last().unwrap().contains("v1.0.1"), "{:?}", world.pulls());
}

/// The names of all tests of the house.
fn tests() -> std::collections::BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = std::collections::BTreeSet::new();
    let mut open = vec![root.join("src"), root.join("tests")];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = std::fs::read_to_string(path).unwrap();
                let names =
                    text.lines().filter_map(|line| line.trim_start().split_once("fn ")?.1.split(['(', '<']).next());
                found.extend(names.map(str::to_owned));
            }
        }
    }
    found
}

/// `docs/edge-cases.md` has a row for each case, in order, every test it names exists, and every test with a case's number is named.
#[test]
fn the_page_of_edge_cases_is_true() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/edge-cases.md");
    let page = std::fs::read_to_string(page).unwrap();
    let known = tests();
    let mut rows = Vec::new();
    let mut wrong = Vec::new();
    for line in page.lines().filter(|line| line.starts_with("| E")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        rows.push(cells[0].to_owned());
        let shown = cells.get(3).copied().unwrap_or_default();
        let names: Vec<&str> = shown.split('`').skip(1).step_by(2).collect();
        wrong.extend(
            names.iter().filter(|name| !known.contains(**name)).map(|name| format!("{}: no test `{name}`", cells[0])),
        );
        if names.is_empty() && !shown.starts_with("to come with") && !shown.starts_with("does not apply") {
            wrong.push(format!("{}: neither a test nor a reason", cells[0]));
        }
    }
    let numbered = regex::Regex::new(r"^e\d+_").unwrap();
    let unnamed = known.iter().filter(|name| numbered.is_match(name) && !page.contains(&format!("`{name}`")));
    wrong.extend(unnamed.map(|name| format!("`{name}` stands in no row")));
    assert_eq!(rows, (1..=77).map(|n| format!("E{n}")).collect::<Vec<_>>());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
