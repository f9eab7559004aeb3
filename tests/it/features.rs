//! The main job, end to end: what people do, and what they then see.

use std::time::Duration;

use trunkline::sandbox::seed::{CI, ENVIRONMENTS, SHOP};

use crate::world::World;

pub fn text(text: &str) -> Option<Vec<u8>> {
    Some(text.as_bytes().to_vec())
}

/// Somebody merges to trunk, and the build succeeds.
pub async fn merge_to_trunk(world: &mut World, what: &str) -> String {
    let sha = world.github.push_files(SHOP, "main", "ann", what, &[("CHANGES", text(what))]);
    world.settle().await;
    world.github.add_check(SHOP, &sha, CI, "build", "success");
    world.settle().await;
    sha
}

#[tokio::test]
async fn at_rest_nothing_is_written_but_first_sight() {
    let world = World::example().await;
    insta::assert_snapshot!(world.brief(), @"");
}

#[tokio::test]
async fn a_merge_to_trunk_reaches_dev() {
    let mut world = World::example().await;
    merge_to_trunk(&mut world, "Sell more").await;
    insta::assert_snapshot!(world.brief(), @"");
}

#[tokio::test]
async fn a_version_travels_to_production() {
    let mut world = World::example().await;
    let sha = merge_to_trunk(&mut world, "Sell more").await;
    world.github.create_tag(SHOP, "v1.0-rc.1", &sha, "ann", false);
    world.settle().await;
    world.github.create_tag(SHOP, "v1.0", &sha, "ann", false);
    world.settle().await;
    world.advance(Duration::from_secs(3600)).await;
    insta::assert_snapshot!(world.brief(), @"");
    let prod = 3;
    world.github.review(ENVIRONMENTS, "sue", prod, "APPROVED");
    world.settle().await;
    insta::assert_snapshot!(world.said(prod), @"");
}
