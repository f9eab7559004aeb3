//! What people do in these tests, by name: each is a short story that ends with the world at rest.

use std::time::Duration;

use trunkline::sandbox::seed::{CI, ENVIRONMENTS, SHOP};

use crate::world::World;

/// A file's new content.
pub(crate) fn text(text: &str) -> Option<Vec<u8>> {
    Some(text.as_bytes().to_vec())
}

/// A file of the example, with a part replaced.
pub(crate) fn example(path: &str, from: &str, to: &str) -> Option<Vec<u8>> {
    let file = trunkline::sandbox::seed::environments().into_iter().find(|(name, _)| *name == path);
    let file = String::from_utf8(file.unwrap_or_else(|| panic!("no {path} in the example")).1).unwrap();
    assert!(file.contains(from), "{path} holds no {from:?}");
    text(&file.replace(from, to))
}

/// The example with one file changed.
pub(crate) fn example_with(path: &'static str, from: &str, to: &str) -> Vec<(&'static str, Vec<u8>)> {
    let mut files = trunkline::sandbox::seed::environments();
    files.retain(|(name, _)| *name != path);
    files.push((path, example(path, from, to).unwrap()));
    files
}

/// Somebody merges to trunk, and the build succeeds.
pub(crate) async fn merge_to_trunk(world: &mut World, what: &str) -> String {
    let sha = world.github.push_files(SHOP, "main", "ann", what, &[("CHANGES", text(what))]);
    world.settle().await;
    world.github.add_check(SHOP, &sha, CI, "build", "success");
    world.settle().await;
    sha
}

/// Somebody pushes a lightweight tag.
pub(crate) async fn tag(world: &mut World, tag: &str, sha: &str) {
    world.github.create_tag(SHOP, tag, sha, "ann", false);
    world.settle().await;
}

/// Trunk and a release candidate: dev and stage hold the new version.
pub(crate) async fn in_stage(world: &mut World) -> String {
    let sha = merge_to_trunk(world, "Sell more").await;
    tag(world, "v1.0-rc.1", &sha).await;
    sha
}

/// The whole way: production holds `v1.0`; the answer is its promotion's number.
pub(crate) async fn in_prod(world: &mut World) -> (String, u64) {
    let sha = in_stage(world).await;
    tag(world, "v1.0", &sha).await;
    world.advance(Duration::from_secs(3600)).await;
    let number = world.newest_pull();
    world.github.review(ENVIRONMENTS, "sue", number, "APPROVED");
    world.settle().await;
    world.github.merge_pull(ENVIRONMENTS, "ben", number);
    world.settle().await;
    (sha, number)
}

/// Somebody opens a pull request in the environments repository.
pub(crate) async fn pull(world: &mut World, title: &str, files: &[(&str, Option<Vec<u8>>)]) -> u64 {
    world.github.push_files(ENVIRONMENTS, "topic", "ben", title, files);
    let number = world.github.open_pull(ENVIRONMENTS, "ben", "topic", "main", title, "");
    world.settle().await;
    number
}

/// An issue to talk to the bot in.
pub(crate) async fn desk(world: &mut World) -> u64 {
    let number = world.github.open_issue(ENVIRONMENTS, "ann", "Environments", "");
    world.settle().await;
    number
}

/// Somebody comments.
pub(crate) async fn say(world: &mut World, user: &str, number: u64, body: &str) {
    world.github.comment(ENVIRONMENTS, user, number, body);
    world.settle().await;
}

/// What the comment says of the gates.
pub(crate) fn gates(world: &World, number: u64) -> String {
    let said = world.first_said(number);
    let from = said.find("#### ").unwrap_or_default();
    let to = said[from..].find("<details>").map_or(said.len(), |to| from + to);
    said[from..to].trim_end().to_owned()
}

/// How often the bot called a mutation, or a path.
pub(crate) fn asked(world: &World, what: &str) -> usize {
    let requests = world.github.requests();
    let fits = |one: &&trunkline::sandbox::RecordedRequest| {
        one.token == "installation" && (one.graphql.as_deref() == Some(what) || one.path.ends_with(what))
    };
    requests.iter().filter(fits).count()
}

/// Whether a pull request is open, merged or closed.
pub(crate) fn state(world: &World, number: u64) -> String {
    let start = format!("#{number} ");
    let pull = world.pulls().into_iter().find(|pull| pull.starts_with(&start)).unwrap();
    pull.split([' ', ':']).nth(1).unwrap().to_owned()
}
