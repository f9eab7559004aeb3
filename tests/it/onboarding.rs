//! Meeting a repository: one that speaks for itself is offered a configuration, once; taking the offer is all it takes.

use std::time::Duration;

use trunkline::sandbox::seed::{self, ENVIRONMENTS, SHOP};

use crate::faults::{act, hold};
use crate::stories::{merge_to_trunk, say, tag, text};
use crate::world::World;

pub(crate) const CONFIG: &str = ".github/trunkline.yaml";
const HOUR: Duration = Duration::from_secs(3600);

/// The example without its configuration.
pub(crate) fn bare() -> Vec<(&'static str, Vec<u8>)> {
    let mut files = seed::environments();
    files.retain(|(path, _)| *path != CONFIG);
    files
}

/// What the configuration on a branch says.
pub(crate) fn file(world: &World, branch: &str) -> String {
    world.github.read_file(ENVIRONMENTS, branch, CONFIG).unwrap_or_default()
}

/// Somebody sets `mode: enforce`.
pub(crate) async fn enforce(world: &mut World) {
    let now = file(world, "main");
    assert!(now.contains("mode: observe"));
    let files = [(CONFIG, text(&now.replace("mode: observe", "mode: enforce")))];
    world.github.push_files(ENVIRONMENTS, "main", "sam", "Let it act", &files);
    world.settle().await;
}

#[tokio::test]
async fn a_repository_that_speaks_for_itself_is_offered_a_configuration_once() {
    let mut world = World::with(&bare()).await;
    insta::assert_snapshot!(world.pulls().join("\n"), @r#"#1 open: "Let Trunkline watch these environments", by trunkline[bot]"#);
    insta::assert_snapshot!("offered_file", file(&world, "trunkline/onboarding"));
    insta::assert_snapshot!("offered_body", world.body(1));
    insta::assert_snapshot!(world.check(1));
    let before = world.writes();
    world.github.push_files(ENVIRONMENTS, "main", "sam", "Something else", &[("NOTES", text("x"))]);
    world.settle().await;
    world.start().await;
    world.sweep().await;
    world.advance(HOUR).await;
    assert_eq!(world.writes(), before, "{:?}", world.pulls());
}

#[tokio::test]
async fn who_takes_the_offer_gets_a_desk_and_after_enforce_a_first_promotion() {
    let mut world = World::with(&bare()).await;
    world.github.merge_pull(ENVIRONMENTS, "sam", 1);
    world.settle().await;
    insta::assert_snapshot!("desk", world.body(2));
    say(&mut world, "ann", 2, "/trunkline status").await;
    insta::assert_snapshot!(world.said(2));
    let sha = merge_to_trunk(&mut world, "Sell more").await;
    assert_eq!(world.pulls().len(), 1, "observing writes no promotion: {:?}", world.pulls());
    say(&mut world, "ann", 2, "/trunkline plan dev").await;
    insta::assert_snapshot!(world.said(2));
    enforce(&mut world).await;
    assert_eq!(world.pulls().len(), 1, "what runs is accepted: {:?}", world.pulls());
    let newer = merge_to_trunk(&mut world, "Sell even more").await;
    assert_ne!(sha, newer);
    tag(&mut world, "v1.0-rc.1", &newer).await;
    tag(&mut world, "v1.0", &newer).await;
    insta::assert_snapshot!(world.pulls().join("\n"));
}

#[tokio::test]
async fn a_closed_offer_is_an_answer_until_somebody_who_may_asks_again() {
    let mut world = World::with(&bare()).await;
    world.github.close_pull(ENVIRONMENTS, "sam", 1);
    world.settle().await;
    world.github.push_files(ENVIRONMENTS, "main", "sam", "Something else", &[("NOTES", text("x"))]);
    world.settle().await;
    world.start().await;
    world.sweep().await;
    say(&mut world, "rob", 1, "/trunkline resync").await;
    say(&mut world, "ann", 1, "/trunkline status").await;
    world.advance(HOUR).await;
    assert_eq!(world.pulls().len(), 1, "{:?}", world.pulls());
    insta::assert_snapshot!(world.talk(1));
    say(&mut world, "ann", 1, "/trunkline resync").await;
    world.advance(3 * Duration::from_secs(60)).await;
    insta::assert_snapshot!(world.pulls().join("\n"));
    // The word counted for one offer.
    let newest = world.newest_pull();
    world.github.close_pull(ENVIRONMENTS, "sam", newest);
    world.settle().await;
    world.start().await;
    world.sweep().await;
    world.advance(HOUR).await;
    assert_eq!(world.newest_pull(), newest, "{:?}", world.pulls());
}

#[tokio::test]
async fn copies_archives_sources_and_empty_repositories_are_left_in_peace() {
    let mut world = World::empty().await;
    let files = bare();
    seed::example(&world.github, &seed::environments());
    let text = |path, text: &str| (path, text.as_bytes().to_vec());
    world.github.create_repo("acme", "empty", false, &[], "sam");
    world.github.create_repo("acme", "website", false, &[text("index.html", "<h1>Hi</h1>")], "sam");
    world.github.create_repo("acme", "old", false, &files, "sam");
    world.github.archive("acme/old");
    world.github.create_repo("kim", "gitops", false, &files, "kim");
    world.github.create_fork("kim/gitops", "acme");
    // The shop's own manifests: its configuration stands elsewhere.
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: { name: x }\nspec: { containers: [{ name: x, image: ghcr.io/acme/shop:v1 }] }\n";
    world.github.push_files(
        SHOP,
        "main",
        "ann",
        "Run it",
        &[
            ("deploy/prod/pod.yaml", Some(pod.as_bytes().to_vec())),
            ("deploy/prod/kustomization.yaml", Some(b"resources: [pod.yaml]\n".to_vec())),
        ],
    );
    world.github.install("acme", &[]);
    for name in world.github.repositories() {
        let path = world.github.repo_path(&name).unwrap();
        world.link(&name, &path);
    }
    world.start().await;
    world.settle().await;
    world.sweep().await;
    assert!(!world.sees().contains("Let Trunkline watch"), "{}", world.sees());
    let website = [
        ("prod/kustomization.yaml", Some(b"resources: [pod.yaml]\n".to_vec())),
        ("prod/pod.yaml", Some(pod.as_bytes().to_vec())),
    ];
    world.github.push_files("acme/website", "main", "sam", "Run it", &website);
    world.settle().await;
    assert!(world.sees().contains("Let Trunkline watch"), "what comes to speak for itself is offered one");
}

#[tokio::test]
async fn an_offer_survives_every_fault() {
    let start = World::example().await;
    let act = act!(world, {
        world.github.push_files(ENVIRONMENTS, "main", "sam", "Begin anew", &[(CONFIG, None)]);
        world.settle().await;
    });
    hold(&start, act).await;
}

#[tokio::test]
async fn taking_the_offer_survives_every_fault() {
    let mut start = World::with(&bare()).await;
    let edited = file(&start, "trunkline/onboarding").replace("mode: observe", "mode: enforce");
    start.github.push_files(ENVIRONMENTS, "trunkline/onboarding", "sam", "At once", &[(CONFIG, text(&edited))]);
    start.settle().await;
    let act = act!(world, {
        world.github.merge_pull(ENVIRONMENTS, "sam", 1);
        world.settle().await;
    });
    hold(&start, act).await;
}

#[tokio::test]
async fn the_desk_follows_the_configuration_and_stays_closed() {
    let mut world = World::with(&bare()).await;
    world.github.merge_pull(ENVIRONMENTS, "sam", 1);
    world.settle().await;
    assert!(world.body(2).contains("only observes"), "{}", world.body(2));
    enforce(&mut world).await;
    assert!(!world.body(2).contains("only observes"), "{}", world.body(2));
    world.github.close_pull(ENVIRONMENTS, "sam", 2);
    world.advance(HOUR).await;
    let more = file(&world, "main").replace("merge: auto", "merge: manual");
    world.github.push_files(ENVIRONMENTS, "main", "sam", "People press", &[(CONFIG, text(&more))]);
    world.settle().await;
    world.start().await;
    world.sweep().await;
    let issues =
        world.sees().lines().filter(|line| line.starts_with("  issue ")).map(str::to_owned).collect::<Vec<_>>();
    insta::assert_snapshot!(issues.join("\n"));
}

#[tokio::test]
async fn without_issues_there_is_no_desk_and_no_fuss() {
    let mut world = World::with(&bare()).await;
    world.github.set_issues(ENVIRONMENTS, false);
    world.github.merge_pull(ENVIRONMENTS, "sam", 1);
    world.settle().await;
    world.sweep().await;
    assert!(!world.sees().contains("\n  issue "), "{}", world.sees());
    assert_eq!(world.waiting().await, 0);
    // Where somebody wrote the configuration by hand, nobody asked for a desk.
    let by_hand = World::example().await;
    assert!(!by_hand.sees().contains("\n  issue "));
}
