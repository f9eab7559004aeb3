//! A repository that is its own source: versions travel by its own tags.

use std::time::Duration;

use trunkline::sandbox::seed::{CI, ENVIRONMENTS};

use crate::stories::example_with;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_is_its_own_source_sees_its_tags() {
    let files = example_with(".github/trunkline.yaml", "    source: acme/shop\n", "");
    let mut world = World::with(&files).await;
    let sha = world.github.push_files(ENVIRONMENTS, "main", "ann", "Sell more", &[("CHANGES", Some(b"x".to_vec()))]);
    world.settle().await;
    world.github.add_check(ENVIRONMENTS, &sha, CI, "build", "success");
    world.settle().await;
    world.github.create_tag(ENVIRONMENTS, "v1.0-rc.1", &sha, "ann", false);
    world.settle().await;
    world.advance(Duration::from_secs(60)).await;
    assert!(world.pulls().iter().any(|pull| pull.contains("v1.0-rc.1")), "{:?}", world.pulls());
}
