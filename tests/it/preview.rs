//! `trunkline preview` against a GitHub on loopback: what it would have done, read from git alone.

use std::process::{Command, Output};
use std::time::Duration;

use trunkline::sandbox::seed::{self, ENVIRONMENTS, SHOP};

use crate::onboarding::bare;
use crate::stories::{example, in_prod, text};
use crate::world::World;

/// Runs the program against this world's GitHub, listening.
async fn preview(world: &World, token: Option<&str>, args: &[&str]) -> Output {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(axum::serve(listener, world.github.router()).into_future());
    let mut command = Command::new(env!("CARGO_BIN_EXE_trunkline"));
    command
        .args(["preview", ENVIRONMENTS, "--github-url", &url])
        .args(args)
        .env_remove("GITHUB_TOKEN")
        .env("NO_COLOR", "1");
    if let Some(token) = token {
        command.env("GITHUB_TOKEN", token);
    }
    let done = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    server.abort();
    done
}

/// What it printed, without the commits: their ids hold when they were made.
fn shown(output: &Output) -> String {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let port = regex::Regex::new(r"127\.0\.0\.1:\d+").unwrap();
    let commits = regex::Regex::new(r"\b[0-9a-f]{7}\b|v1\.0-[0-9a-f]{2}…").unwrap();
    commits.replace_all(&port.replace_all(&text, "<host>"), "abcdef0").into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_would_have_done_is_shown_by_version_and_merge_and_nothing_is_written() {
    let mut world = World::example().await;
    in_prod(&mut world).await;
    let path = "environments/dev/kustomization.yaml";
    let files = [(path, example(path, "newTag: v0.9", "newTag: latest"))];
    world.github.push_files(ENVIRONMENTS, "main", "ben", "Newest", &files);
    world.clock.advance(Duration::from_secs(3600));
    let sha = world.github.push_files(SHOP, "main", "ann", "Sell even more", &[("CHANGES", text("z"))]);
    world.github.create_tag(SHOP, "v1.1", &sha, "ann", false);
    let (before, requests) = (world.sees(), world.github.requests().len());
    let output = preview(&world, Some("ghp_rob"), &[]).await;
    assert!(output.status.success(), "{}", shown(&output));
    insta::assert_snapshot!(shown(&output));
    assert_eq!(world.sees(), before);
    let asked = &world.github.requests()[requests..];
    assert!(
        asked.iter().all(|request| request.path.ends_with("/git-upload-pack") || request.path.contains("info/refs")),
        "{asked:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_configuration_the_one_that_would_be_proposed_is_replayed() {
    let world = World::empty().await;
    seed::example(&world.github, &bare());
    let output = preview(&world, None, &["--source", SHOP, "--last", "3"]).await;
    assert!(output.status.success(), "{}", shown(&output));
    let told = shown(&output);
    insta::assert_snapshot!(told.split("What git does not tell").next().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_or_speaks_for_nothing_is_said() {
    let world = World::empty().await;
    world.github.create_user("kim");
    world.github.create_org("acme");
    world.github.create_repo("acme", "environments", true, &[("README.md", b"# Hi".to_vec())], "kim");
    let denied = preview(&world, None, &[]).await;
    assert_eq!(denied.status.code(), Some(2));
    insta::assert_snapshot!(shown(&denied));
    let wrong = preview(&world, Some("ghp_nobody"), &[]).await;
    assert!(!shown(&wrong).contains("ghp_nobody"), "{}", shown(&wrong));
    assert_eq!(wrong.status.code(), Some(2));
    let nothing = preview(&world, Some("ghp_kim"), &[]).await;
    assert_eq!(nothing.status.code(), Some(2));
    insta::assert_snapshot!(shown(&nothing));
}
