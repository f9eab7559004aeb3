//! What GitHub shows of what runs where.

use std::time::Duration;

use trunkline::sandbox::seed::{self, ENVIRONMENTS};

use crate::stories::{desk, example, example_with, in_prod, in_stage, merge_to_trunk, say, tag};
use crate::world::{Then, World};

fn deployments(world: &World) -> String {
    world.github.deployments(ENVIRONMENTS).join("\n")
}

#[tokio::test]
async fn a_version_in_an_environment_is_a_deployment_and_replaces_the_one_before() {
    let files = example_with(
        ".github/trunkline.yaml",
        "  stage:\n    path: environments/stage\n",
        "  stage:\n    path: environments/stage\n    url: https://{app}.stage.example.com\n",
    );
    let mut world = World::with(&files).await;
    assert_eq!(deployments(&world), "");
    in_prod(&mut world).await;
    insta::assert_snapshot!(deployments(&world), @r#"
    dev shop f910cce: success "Merged; Flux applies it. No cluster is connected, so Trunkline does not see when." http://github.test/acme/environments/pull/1
    stage shop v1.0-rc.1: success "Merged; Flux applies it. No cluster is connected, so Trunkline does not see when." http://github.test/acme/environments/pull/2 https://shop.stage.example.com
    prod shop v1.0: success "Merged; Flux applies it. No cluster is connected, so Trunkline does not see when." http://github.test/acme/environments/pull/3
    "#);
    let newer = merge_to_trunk(&mut world, "Sell even more").await;
    tag(&mut world, "v1.1-rc.1", &newer).await;
    world.advance(Duration::from_secs(120)).await;
    insta::assert_snapshot!(deployments(&world), @r#"
    dev shop f910cce: inactive ""
    stage shop v1.0-rc.1: inactive ""
    prod shop v1.0: success "Merged; Flux applies it. No cluster is connected, so Trunkline does not see when." http://github.test/acme/environments/pull/3
    dev shop 4b781a9: success "Merged; Flux applies it. No cluster is connected, so Trunkline does not see when." http://github.test/acme/environments/pull/4
    stage shop v1.1-rc.1: success "Merged; Flux applies it. No cluster is connected, so Trunkline does not see when." http://github.test/acme/environments/pull/5 https://shop.stage.example.com
    "#);
    let writes = world.writes();
    world.sweep().await;
    world.lose_everything().await;
    world.settle().await;
    world.sweep().await;
    assert_eq!(world.writes(), writes);
}

#[tokio::test]
async fn in_production_what_was_replaced_is_made_inactive_by_us() {
    let config = String::from_utf8(seed::environments().remove(0).1).unwrap().replace("prod:", "production:");
    let mut files = seed::environments();
    files[0].1 = config.into_bytes();
    let mut world = World::with(&files).await;
    let sha = in_stage(&mut world).await;
    for version in ["v1.0", "v1.1"] {
        tag(&mut world, version, &sha).await;
        world.advance(Duration::from_secs(3600)).await;
        let number = world.newest_pull();
        world.github.review(ENVIRONMENTS, "sue", number, "APPROVED");
        world.settle().await;
        world.github.merge_pull(ENVIRONMENTS, "ben", number);
        world.settle().await;
    }
    world.advance(Duration::from_secs(120)).await;
    let there = deployments(&world);
    let production: Vec<&str> = there.lines().filter(|line| line.starts_with("production")).collect();
    insta::assert_snapshot!(production.join("\n"), @r#"
    production shop v1.0: inactive "Another version took its place."
    production shop v1.1: success "Merged; Flux applies it. No cluster is connected, so Trunkline does not see when." http://github.test/acme/environments/pull/4
    "#);
}

#[tokio::test]
async fn what_people_bring_counts_as_well_and_so_does_going_back() {
    let mut world = World::example().await;
    let path = "environments/dev/kustomization.yaml";
    world.github.push_files(
        ENVIRONMENTS,
        "main",
        "ben",
        "By hand",
        &[(path, example(path, "newTag: v0.9", "newTag: v0.9.1"))],
    );
    world.settle().await;
    insta::assert_snapshot!(deployments(&world), @r#"dev shop v0.9.1: success "Merged; Flux applies it. No cluster is connected, so Trunkline does not see when." http://github.test/acme/environments/commit/e020ee5b12517dd6f70540c00f0b577b3b22e758"#);
    in_prod(&mut world).await;
    let number = desk(&mut world).await;
    say(&mut world, "sam", number, "/rollback prod v0.9").await;
    let back = world.newest_pull();
    world.github.review(ENVIRONMENTS, "sue", back, "APPROVED");
    world.settle().await;
    world.github.merge_pull(ENVIRONMENTS, "ben", back);
    world.settle().await;
    let there = deployments(&world);
    let prod: Vec<&str> = there.lines().filter(|line| line.starts_with("prod")).collect();
    insta::assert_snapshot!(prod.join("\n"), @r#"
    prod shop v1.0: inactive ""
    prod shop v0.9: success "Merged; Flux applies it. No cluster is connected, so Trunkline does not see when." http://github.test/acme/environments/pull/5
    "#);
}

#[tokio::test]
async fn observing_tells_nothing_and_a_refusal_stops_nothing() {
    let files = example_with(".github/trunkline.yaml", "mode: enforce", "mode: observe");
    let mut world = World::with(&files).await;
    let path = "environments/dev/kustomization.yaml";
    let by_hand = [(path, example(path, "newTag: v0.9", "newTag: v0.9.1"))];
    world.github.push_files(ENVIRONMENTS, "main", "ben", "By hand", &by_hand);
    world.settle().await;
    assert_eq!(deployments(&world), "");
    let mut world = World::example().await;
    world.faults.at("/deployments", 0, Then::Answer(403, "Resource not accessible by integration"));
    in_stage(&mut world).await;
    assert!(deployments(&world).starts_with("stage shop v1.0-rc.1"), "{}", deployments(&world));
    world.advance(Duration::from_secs(150)).await;
    world.sweep().await;
    assert_eq!(deployments(&world).lines().count(), 2, "{}", deployments(&world));
}
