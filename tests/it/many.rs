//! Several repositories: one source for two of environments, one application in trouble beside another, and a source that few may see.

use trunkline::sandbox::seed::{self, CI, SHOP};

use crate::onboarding::CONFIG;
use crate::stories::{example_with, text};
use crate::world::World;

const PLATFORM: &str = "acme/platform";
const VAULT: &str = "acme/vault";

/// A world whose repositories are all made and linked before the bot starts.
async fn start(world: &mut World) {
    world.github.install(seed::ORG, &[]);
    for name in world.github.repositories() {
        let path = world.github.repo_path(&name).unwrap();
        world.link(&name, &path);
    }
    world.start().await;
    world.settle().await;
    world.clock.advance(std::time::Duration::from_secs(15));
}

#[tokio::test]
async fn one_source_feeds_two_repositories_of_environments_and_trouble_in_one_stays_there() {
    let mut world = World::empty().await;
    seed::example(&world.github, &seed::environments());
    let config = "version: 1\napps:\n  shop: { source: acme/shop, images: [ghcr.io/acme/shop] }\n  lost: { source: acme/nowhere, images: [ghcr.io/acme/lost] }\nenvironments:\n  edge: { path: edge, takes: trunk, merge: auto }\n";
    let kustomization =
        "images:\n  - { name: ghcr.io/acme/shop, newTag: v0.9 }\n  - { name: ghcr.io/acme/lost, newTag: v1 }\n";
    let files = [(CONFIG, config.as_bytes().to_vec()), ("edge/kustomization.yaml", kustomization.as_bytes().to_vec())];
    world.github.create_repo("acme", "platform", false, &files, "sam");
    start(&mut world).await;
    let sha = world.github.push_files(SHOP, "main", "ann", "Sell more", &[("CHANGES", text("x"))]);
    world.settle().await;
    world.github.add_check(SHOP, &sha, CI, "build", "success");
    world.settle().await;
    let short = &sha[..7];
    let pulls = |repo: &str| {
        world.github.pulls(repo).into_iter().map(|(_, state, title)| format!("{state}: {title}")).collect::<Vec<_>>()
    };
    assert_eq!(pulls(seed::ENVIRONMENTS), [format!("merged: Promote shop {short} to dev")]);
    assert_eq!(pulls(PLATFORM), [format!("merged: Promote shop {short} to edge")]);
}

#[tokio::test]
async fn a_private_source_shows_links_and_counts_where_more_people_look() {
    let mut world = World::empty().await;
    seed::example(&world.github, &example_with(CONFIG, "source: acme/shop", "source: acme/vault"));
    world.github.create_repo("acme", "vault", true, &[("README.md", b"# Vault".to_vec())], "ann");
    start(&mut world).await;
    let sha = world.github.push_files(VAULT, "main", "ann", "The secret sauce", &[("SAUCE", text("x"))]);
    world.settle().await;
    world.github.add_check(VAULT, &sha, CI, "build", "success");
    world.settle().await;
    let pulls = world.github.pulls(seed::ENVIRONMENTS);
    assert_eq!(pulls.len(), 1, "{pulls:?}");
    assert!(!world.sees().contains("secret sauce"), "{}", world.sees());
    assert!(world.body(1).contains("/acme/vault/commit"), "{}", world.body(1));
}
