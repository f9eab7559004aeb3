//! Many applications at once: what one promotion costs of GitHub's budgets does not grow with how many others are under way.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use trunkline::sandbox::seed::{self, CI, ENVIRONMENTS, SHOP};

use crate::onboarding::CONFIG;
use crate::world::World;

const HOUR: Duration = Duration::from_secs(3600);

/// A world of so many applications of one source, each about to be promoted into production.
async fn world(apps: usize) -> World {
    let mut world = World::empty().await;
    world.ticks = true;
    let mut config = String::from("version: 1\napps:\n");
    let mut files = Vec::new();
    for app in 0..apps {
        // Writing to a String cannot fail.
        let _ = writeln!(
            config,
            "  app-{app:02}: {{ source: {SHOP}, tags: \"app-{app:02}/v*\", images: [ghcr.io/acme/app-{app:02}] }}"
        );
        let text = format!("images:\n  - {{ name: ghcr.io/acme/app-{app:02}, newTag: v0.9 }}\n");
        files.push((format!("prod/app-{app:02}/kustomization.yaml"), text.into_bytes()));
    }
    config.push_str("environments:\n  prod: { path: \"prod/{app}\", takes: releases, merge: auto, approvals: { teams: [acme/sre], min: 1 } }\n");
    files.push((CONFIG.to_owned(), config.into_bytes()));
    let files: Vec<(&str, Vec<u8>)> = files.iter().map(|(path, text)| (path.as_str(), text.clone())).collect();
    seed::example(&world.github, &files);
    world.github.install(seed::ORG, &[]);
    for name in world.github.repositories() {
        let path = world.github.repo_path(&name).unwrap();
        world.link(&name, &path);
    }
    let sha = world.github.branch_tip(SHOP, "main");
    world.github.add_check(SHOP, &sha, CI, "build", "success");
    world.start().await;
    world.settle().await;
    world.clock.advance(Duration::from_secs(15));
    world
}

/// What the bot asked since, by name.
fn asked(world: &World, since: usize) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for request in world.github.requests().split_off(since).into_iter().filter(|one| one.token == "installation") {
        let rest = || format!("{} {}", request.method, request.path.rsplit('/').next().unwrap_or_default());
        *count.entry(request.graphql.clone().unwrap_or_else(rest)).or_default() += 1;
    }
    count
}

fn open(world: &World) -> usize {
    world.github.pulls(ENVIRONMENTS).iter().filter(|(_, state, _)| state == "open").count()
}

/// GraphQL queries among them.
fn queries(asked: &BTreeMap<String, usize>) -> usize {
    asked.iter().filter(|(name, _)| !name.contains(' ') && !name.starts_with("create")).map(|(_, count)| count).sum()
}

#[tokio::test]
async fn a_burst_of_tags_costs_each_promotion_little_more_than_it_would_alone() {
    // More writes than GitHub allows in a minute: who must wait is told a time at which there is room.
    for apps in [1, 30] {
        let mut world = world(apps).await;
        let sha = world.github.branch_tip(SHOP, "main");
        let since = world.github.requests().len();
        for app in 0..apps {
            world.github.create_tag(SHOP, &format!("app-{app:02}/v1.0"), &sha, "ann", false);
        }
        world.settle().await;
        let count = asked(&world, since);
        assert_eq!((open(&world), count["POST pulls"], count["POST comments"]), (apps, apps, apps));
        // Alone it takes seventeen.
        assert!(queries(&count) <= 26 * apps, "{apps} promotions: {count:?}");

        world.sweep().await;
        let since = world.github.requests().len();
        world.advance(HOUR).await;
        assert_eq!(asked(&world, since), BTreeMap::new(), "nothing is due in an hour in which nothing happens");
        world.sweep().await;
        let count = asked(&world, since);
        let of = |name: &str| count.get(name).copied().unwrap_or_default();
        // What many share is read once: the repositories, their configurations, a commit's checks and what it came with.
        assert_eq!((of("Pull"), of("Head"), of("Merging")), (apps, apps, apps), "{count:?}");
        assert!(queries(&count) <= 3 * apps + 10, "a sweep over {apps}: {count:?}");
    }
}
