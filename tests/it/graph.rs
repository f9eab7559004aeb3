//! Pipelines that are graphs, several applications in one repository, and applications that share their source.

use std::time::Duration;

use trunkline::sandbox::seed::{CI, ENVIRONMENTS, SHOP};

use crate::stories::{desk, say, tag, text};
use crate::world::World;

const MINUTE: Duration = Duration::from_secs(60);

/// A repository of environments: the configuration and, for each (folder, application), the smallest thing that runs.
fn files(config: &str, folders: &[(&str, &str)]) -> Vec<(&'static str, Vec<u8>)> {
    let mut files: Vec<(&'static str, Vec<u8>)> = vec![(".github/trunkline.yaml", config.as_bytes().to_vec())];
    for (folder, app) in folders {
        let kustomization = format!(
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: {app}\nresources:\n  - pod.yaml\nimages:\n  - name: ghcr.io/acme/{app}\n    newTag: v0.9\n"
        );
        let pod = format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {app}\nspec:\n  containers:\n    - name: {app}\n      image: ghcr.io/acme/{app}\n"
        );
        for (name, content) in [("kustomization.yaml", kustomization), ("pod.yaml", pod)] {
            // A handful of names, for as long as the tests run.
            files.push((Box::leak(format!("{folder}/{name}").into_boxed_str()), content.into_bytes()));
        }
    }
    files
}

/// Dev, two stages side by side, a production behind each, and a worldwide one behind both.
fn graph() -> Vec<(&'static str, Vec<u8>)> {
    let environment = |name: &str, takes: &str, after: &str| {
        format!("  {name}:\n    path: environments/{name}\n    takes: {takes}\n    after: [{after}]\n    merge: auto\n")
    };
    let mut config =
        "version: 1\napps:\n  shop:\n    source: acme/shop\n    images: [ghcr.io/acme/shop]\nenvironments:\n"
            .to_owned();
    config.push_str("  dev:\n    path: environments/dev\n    takes: trunk\n    merge: auto\n");
    for (name, takes, after) in [
        ("stage-eu", "prereleases", "dev"),
        ("stage-us", "prereleases", "dev"),
        ("prod-eu", "releases", "stage-eu"),
        ("prod-us", "releases", "stage-us"),
        ("prod-world", "releases", "stage-eu, stage-us"),
    ] {
        config.push_str(&environment(name, takes, after));
    }
    config.push_str("policies: { packs: [minimal] }\n");
    let names = ["dev", "stage-eu", "stage-us", "prod-eu", "prod-us", "prod-world"];
    let folders: Vec<(String, &str)> = names.iter().map(|name| (format!("environments/{name}"), "shop")).collect();
    let folders: Vec<(&str, &str)> = folders.iter().map(|(folder, app)| (folder.as_str(), *app)).collect();
    files(&config, &folders)
}

/// Who holds what, as `/trunkline status` tells: environment and version.
async fn holds(world: &mut World, number: u64) -> String {
    say(world, "rob", number, "/trunkline status").await;
    let said = world.said(number);
    let rows = said.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| row.split('`').filter(|cell| !cell.contains('|')).take(2).collect::<Vec<_>>().join(" "));
    cells.collect::<Vec<_>>().join(", ")
}

/// The pull requests; commits of a repository that we write to change with every word of ours in them.
fn pulls(world: &World) -> String {
    let commits = regex::Regex::new(r" [0-9a-f]{7} ").unwrap();
    commits.replace_all(&world.pulls().join("\n"), " <sha> ").into_owned()
}

async fn built(world: &mut World, repo: &str, what: &str, files: &[(&str, Option<Vec<u8>>)]) -> String {
    let sha = world.github.push_files(repo, "main", "ann", what, files);
    world.settle().await;
    world.github.add_check(repo, &sha, CI, "build", "success");
    world.settle().await;
    sha
}

#[tokio::test]
async fn parallel_regions_go_their_own_ways_and_a_diamond_waits_for_both() {
    let mut world = World::with(&graph()).await;
    let number = desk(&mut world).await;
    say(&mut world, "ann", number, "/trunkline hold stage-us the data centre moves").await;
    let sha = built(&mut world, SHOP, "Sell more", &[("CHANGES", text("x"))]).await;
    tag(&mut world, "v1.0-rc.1", &sha).await;
    tag(&mut world, "v1.0", &sha).await;
    insta::assert_snapshot!(holds(&mut world, number).await, @"dev 4993ce1, stage-eu v1.0-rc.1, stage-us v0.9, prod-eu v1.0, prod-us v0.9, prod-world v0.9");
    say(&mut world, "rob", number, "/trunkline plan prod-world").await;
    insta::assert_snapshot!(world.said(number).lines().filter(|line| line.contains("held")).collect::<Vec<_>>().join("\n"), @"
    - ✅ stage-eu has held this commit since 2026-11-02 09:00 UTC
    - ⏳ stage-us has not held commit 4993ce1 yet (`after`). **Next:** promote it to stage-us first
    ");
    say(&mut world, "ann", number, "/trunkline unhold stage-us").await;
    world.sweep().await;
    insta::assert_snapshot!(holds(&mut world, number).await, @"dev 4993ce1, stage-eu v1.0-rc.1, stage-us v1.0-rc.1, prod-eu v1.0, prod-us v1.0, prod-world v1.0");
}

/// Applications side by side: one folder an application in each environment.
fn side_by_side(apps: &str) -> String {
    format!(
        "version: 1\napps:\n{apps}environments:\n  dev:\n    path: apps/{{app}}/dev\n    takes: trunk\n    merge: auto\n  prod:\n    path: apps/{{app}}/prod\n    takes: releases\n    after: [dev]\n    merge: auto\npolicies: {{ packs: [minimal] }}\n"
    )
}

const BOTH: [(&str, &str); 4] =
    [("apps/shop/dev", "shop"), ("apps/shop/prod", "shop"), ("apps/api/dev", "api"), ("apps/api/prod", "api")];

#[tokio::test]
async fn e26_one_application_in_trouble_never_delays_another() {
    let apps = "  api:\n    source: acme/api\n    images: [ghcr.io/acme/api]\n  shop:\n    source: acme/shop\n    images: [ghcr.io/acme/shop]\n";
    let config = side_by_side(apps);
    // The source of `api` is out of reach, and then its folder loses the field its version stands in.
    let mut world = World::with(&files(&config, &BOTH)).await;
    let number = desk(&mut world).await;
    let sha = built(&mut world, SHOP, "Sell more", &[("CHANGES", text("x"))]).await;
    tag(&mut world, "v1.0", &sha).await;
    insta::assert_snapshot!(world.pulls().join("\n"), @r#"
    #2 merged: "Promote shop 4993ce1 to dev", by trunkline[bot]
    #3 merged: "Promote shop v1.0 to prod", by trunkline[bot]
    "#);
    say(&mut world, "rob", number, "/trunkline status prod").await;
    let said = world.said(number);
    insta::assert_snapshot!(said.lines().skip(1).collect::<Vec<_>>().join("\n"), @"
    | Environment | Version | Since | Next |
    |:--|:--|:--|:--|
    | `prod` | nothing yet | unknown | ⛔ `source-unreachable` |

    **`prod`**

    - ⛔ the App is not installed on acme/api, the source of api (`source-unreachable`). **Next:** install the App on the source repository, or correct `source`



    | Environment | Version | Since | Next |
    |:--|:--|:--|:--|
    | `prod` | `v1.0` [`4993ce1`](http://github.test/acme/shop/commit/4993ce1d5de83dac8bed3dd2c82df2f0abb7fcc3) | 2026-11-02 09:00 UTC | up to date |
    ");
    // A hold on one is no hold on the other.
    say(&mut world, "ann", number, "/trunkline hold prod --app api").await;
    let sha = built(&mut world, SHOP, "Sell even more", &[("CHANGES", text("y"))]).await;
    tag(&mut world, "v1.1", &sha).await;
    assert!(world.pulls().last().unwrap().contains("merged: \"Promote shop v1.1 to prod\""), "{:?}", world.pulls());
}

/// Two applications whose sources, environments and tags all stand in one repository.
fn monorepo(paths: bool) -> Vec<(&'static str, Vec<u8>)> {
    let app = |name: &str| {
        let paths = if paths { format!("    paths: [services/{name}, lib/common.txt]\n") } else { String::new() };
        format!("  {name}:\n    tags: \"{name}/v*\"\n{paths}    images: [ghcr.io/acme/{name}]\n")
    };
    let mut all = files(&side_by_side(&format!("{}{}", app("api"), app("shop"))), &BOTH);
    all.push(("services/shop/main.go", b"package main\n".to_vec()));
    all.push(("services/api/main.go", b"package main\n".to_vec()));
    all.push(("lib/common.txt", b"one\n".to_vec()));
    all
}

#[tokio::test]
async fn e13_e14_in_a_monorepo_tags_have_prefixes_and_promotions_start_nothing() {
    let mut world = World::with(&monorepo(false)).await;
    let number = desk(&mut world).await;
    let sha = built(&mut world, ENVIRONMENTS, "Sell more", &[("services/shop/main.go", text("package shop\n"))]).await;
    // Without paths every commit is a new version of both; what their promotions write to trunk is none.
    world.sweep().await;
    insta::assert_snapshot!(pulls(&world), @r#"
    #2 merged: "Promote api <sha> to dev", by trunkline[bot]
    #3 merged: "Promote shop <sha> to dev", by trunkline[bot]
    "#);
    world.github.create_tag(ENVIRONMENTS, "shop/v1.0", &sha, "ann", false);
    world.settle().await;
    insta::assert_snapshot!(holds(&mut world, number).await, @"dev 48aa69b, prod v0.9, dev 48aa69b, prod v1.0");
}

#[tokio::test]
async fn e19_e20_only_commits_that_change_its_paths_are_versions_of_an_application() {
    let mut world = World::with(&monorepo(true)).await;
    built(&mut world, ENVIRONMENTS, "Explain it", &[("README.md", text("why\n"))]).await;
    assert_eq!(world.pulls(), [""; 0], "that touches nobody's paths");
    built(&mut world, ENVIRONMENTS, "Sell more", &[("services/shop/main.go", text("package shop\n"))]).await;
    // A file that moves away has changed where it was.
    let moved = [("services/api/main.go", None), ("attic/main.go", text("package main\n"))];
    built(&mut world, ENVIRONMENTS, "Tidy up", &moved).await;
    // A merge counts for what it brings.
    let files = [("lib/common.txt", text("two\n"))];
    world.github.push_files(ENVIRONMENTS, "topic", "ben", "For everybody", &files);
    let merge = world.github.open_pull(ENVIRONMENTS, "ben", "topic", "main", "For everybody", "");
    world.settle().await;
    let sha = world.github.merge_pull(ENVIRONMENTS, "ben", merge);
    world.github.add_check(ENVIRONMENTS, &sha, CI, "build", "success");
    world.settle().await;
    insta::assert_snapshot!(pulls(&world), @r#"
    #1 merged: "Promote shop <sha> to dev", by trunkline[bot]
    #2 merged: "Promote api <sha> to dev", by trunkline[bot]
    #3 merged: "For everybody", by ben
    #4 merged: "Promote api <sha> to dev", by trunkline[bot]
    #5 merged: "Promote shop <sha> to dev", by trunkline[bot]
    "#);
}

#[tokio::test]
async fn e57_a_commit_of_many_files_is_seen_whole() {
    let mut world = World::with(&monorepo(true)).await;
    let names: Vec<String> = (0..400).map(|n| format!("a/{n}.txt")).collect();
    let mut many: Vec<(&str, Option<Vec<u8>>)> = names.iter().map(|name| (name.as_str(), text("x"))).collect();
    many.push(("services/shop/main.go", text("package shop\n")));
    built(&mut world, ENVIRONMENTS, "A great deal", &many).await;
    assert_eq!(world.pulls().len(), 1, "{:?}", world.pulls());
    assert!(world.pulls()[0].contains("Promote shop"), "{:?}", world.pulls());
}

#[tokio::test]
async fn commits_are_taken_in_turn_where_versions_of_trunk_queue() {
    let config = side_by_side("  shop:\n    source: acme/shop\n    images: [ghcr.io/acme/shop]\n")
        .replace("takes: trunk\n    merge: auto\n", "takes: trunk\n    merge: manual\n    on-newer: queue\n");
    let mut world = World::with(&files(&config, &BOTH[..2])).await;
    built(&mut world, SHOP, "One", &[("CHANGES", text("1"))]).await;
    let first = world.newest_pull();
    for n in ["Two", "Three"] {
        built(&mut world, SHOP, n, &[("CHANGES", text(n))]).await;
        world.advance(MINUTE).await;
    }
    assert_eq!(world.pulls().len(), 1, "{:?}", world.pulls());
    world.github.merge_pull(ENVIRONMENTS, "ben", first);
    world.settle().await;
    insta::assert_snapshot!(world.pulls().join("\n"), @r#"
    #1 merged: "Promote shop 83bfd13 to dev", by trunkline[bot]
    #2 open: "Promote shop 35031d8 to dev", by trunkline[bot]
    "#);
}

#[tokio::test]
async fn e26_a_stage_rollback_of_one_team_does_not_stop_59_others() {
    let mut config = "version: 1\napps:\n".to_owned();
    let teams: Vec<String> = (1..=60).map(|n| format!("team-{n:02}")).collect();
    for team in &teams {
        config.push_str(&format!(
            "  {team}: {{ source: acme/shop, tags: \"{team}/v*\", images: [ghcr.io/acme/{team}] }}\n"
        ));
    }
    config.push_str("environments:\n  stage:\n    path: apps/{app}/stage\n    takes: prereleases\n    merge: auto\n    rights: { rollback: [acme/sre] }\npolicies: { packs: [minimal] }\n");
    let folders: Vec<String> = teams.iter().map(|team| format!("apps/{team}/stage")).collect();
    let folders: Vec<(&str, &str)> = folders.iter().map(String::as_str).zip(teams.iter().map(String::as_str)).collect();
    let mut world = World::with(&files(&config, &folders)).await;
    let number = desk(&mut world).await;
    let sha = world.example.as_ref().unwrap().first.clone();
    for version in ["team-07/v1.0-rc.1", "team-07/v1.0-rc.2"] {
        tag(&mut world, version, &sha).await;
    }
    say(&mut world, "sue", number, "/rollback stage --app team-07").await;
    tag(&mut world, "team-07/v1.0-rc.3", &sha).await;
    for team in ["team-01", "team-33", "team-60"] {
        tag(&mut world, &format!("{team}/v1.0-rc.1"), &sha).await;
    }
    insta::assert_snapshot!(world.pulls().join("\n"), @r#"
    #2 merged: "Promote team-07 v1.0-rc.1 to stage", by trunkline[bot]
    #3 merged: "Promote team-07 v1.0-rc.2 to stage", by trunkline[bot]
    #4 merged: "Roll back team-07 in stage to v1.0-rc.1", by trunkline[bot]
    #5 merged: "Promote team-01 v1.0-rc.1 to stage", by trunkline[bot]
    #6 merged: "Promote team-33 v1.0-rc.1 to stage", by trunkline[bot]
    #7 merged: "Promote team-60 v1.0-rc.1 to stage", by trunkline[bot]
    "#);
    assert_eq!(world.sees().matches("      holds:\n").count(), 1, "one team is held, 59 are not");
}

#[tokio::test]
async fn what_we_wrote_straight_to_a_gated_branch_came_as_it_should() {
    let config = side_by_side("  shop:\n    source: acme/shop\n    images: [ghcr.io/acme/shop]\n")
        .replace("after: [dev]\n    merge: auto\n", "after: [dev]\n    via: commit\n");
    let mut world = World::with(&files(&config, &BOTH[..2])).await;
    let number = desk(&mut world).await;
    for version in ["v1.0", "v1.1"] {
        let sha = built(&mut world, SHOP, version, &[("CHANGES", text(version))]).await;
        tag(&mut world, version, &sha).await;
        world.advance(3 * MINUTE).await;
        assert!(holds(&mut world, number).await.contains(&format!("prod {version}")), "{}", world.said(number));
    }
    assert!(!world.said(number).contains("out-of-band"), "{}", world.said(number));
}
