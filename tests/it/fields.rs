//! What a promotion writes, kind by kind: each is promoted from trunk to production by the whole bot, and rolled back.

use std::time::Duration;

use trunkline::sandbox::seed::{CI, ENVIRONMENTS, SHOP};

use crate::stories::{desk, merge_to_trunk, pull, say, tag, text};
use crate::world::World;

/// The pipeline of these stories; the application is told by each.
const PIPELINE: &str = "
environments:
  dev: { path: environments/dev, takes: trunk, merge: auto }
  stage: { path: environments/stage, takes: prereleases, after: [dev], merge: auto }
  prod:
    path: environments/prod
    takes: releases
    after: [stage]
    ships: { tested-in: stage, match: commit }
    merge: auto
    rights: { rollback: [acme/sre] }
policies: { packs: [minimal], paths: [] }
";

/// A repository with one application: the same files in each environment, besides those given with a whole path.
fn repository(app: &str, each: &[(&str, &str)], more: &[(&'static str, &str)]) -> Vec<(&'static str, Vec<u8>)> {
    let config = format!("version: 1\napps:\n  shop:\n    source: acme/shop\n{app}{PIPELINE}");
    let mut files = vec![(".github/trunkline.yaml", config.into_bytes())];
    for environment in ["dev", "stage", "prod"] {
        for (name, text) in each {
            // Names live as long as the test binary; there are a few dozen.
            let path: &'static str = format!("environments/{environment}/{name}").leak();
            files.push((path, text.as_bytes().to_vec()));
        }
    }
    files.extend(more.iter().map(|(path, text)| (*path, text.as_bytes().to_vec())));
    files
}

/// A file as it stands on the environments' main branch.
fn stands(world: &World, path: &str) -> String {
    let repository = world.github.repo_path(ENVIRONMENTS).unwrap();
    let show = std::process::Command::new("git")
        .arg("-C")
        .arg(repository)
        .args(["show", &format!("main:{path}")])
        .output()
        .unwrap();
    assert!(show.status.success(), "{path}: {}", String::from_utf8_lossy(&show.stderr));
    String::from_utf8(show.stdout).unwrap()
}

/// Merges, tags a candidate, tags a release, twice over; goes back in production; and tells what `file` says in each environment
/// after each step.
async fn travel(world: &mut World, file: &str, shown: &str) -> String {
    let mut told = String::new();
    for (n, what) in [(0, "Sell more"), (1, "Sell even more")] {
        let sha = world.github.push_files(SHOP, "main", "ann", what, &[("CHANGES", text(what))]);
        world.settle().await;
        world.github.add_check(SHOP, &sha, CI, "build", "success");
        world.settle().await;
        tag(world, &format!("v1.{n}-rc.1"), &sha).await;
        tag(world, &format!("v1.{n}"), &sha).await;
        told.push_str(&lines(world, file, shown, what));
    }
    let number = desk(world).await;
    say(world, "sam", number, "/rollback prod").await;
    told.push_str(&lines(world, file, shown, "back"));
    told
}

fn lines(world: &World, file: &str, shown: &str, title: &str) -> String {
    let mut told = format!("{title}\n");
    for environment in ["dev", "stage", "prod"] {
        let text = stands(world, &format!("environments/{environment}/{file}"));
        let lines: Vec<&str> = text.lines().filter(|line| line.contains(shown)).map(str::trim).collect();
        told.push_str(&format!("  {environment}: {}\n", lines.join(" | ")));
    }
    told
}

const IMAGES: &str = "    images: [ghcr.io/acme/shop]\n";
const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata: { name: shop, namespace: shop }
spec:
  selector: { matchLabels: { app: shop } }
  template:
    metadata: { labels: { app: shop } }
    spec:
      containers:
        - name: shop
          image: ghcr.io/acme/shop:v0.9 # ours
";
const RELEASE: &str = "apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: { name: shop, namespace: shop }
spec:
  interval: 5m
  chart:
    spec:
      chart: shop
      version: 0.9.0
      sourceRef: { kind: HelmRepository, name: acme }
  values:
    image:
      repository: ghcr.io/acme/shop
      tag: v0.9 # ours
";

#[tokio::test]
async fn plain_manifests_travel() {
    let mut world = World::with(&repository(IMAGES, &[("shop.yaml", DEPLOYMENT)], &[])).await;
    insta::assert_snapshot!(travel(&mut world, "shop.yaml", "image:").await, @"
    Sell more
      dev: image: ghcr.io/acme/shop:f910cce # ours
      stage: image: ghcr.io/acme/shop:v1.0-rc.1 # ours
      prod: image: ghcr.io/acme/shop:v1.0 # ours
    Sell even more
      dev: image: ghcr.io/acme/shop:20c5b4f # ours
      stage: image: ghcr.io/acme/shop:v1.1-rc.1 # ours
      prod: image: ghcr.io/acme/shop:v1.1 # ours
    back
      dev: image: ghcr.io/acme/shop:20c5b4f # ours
      stage: image: ghcr.io/acme/shop:v1.1-rc.1 # ours
      prod: image: ghcr.io/acme/shop:v1.0 # ours
    ");
}

#[tokio::test]
async fn helm_values_travel() {
    let mut world = World::with(&repository(IMAGES, &[("release.yaml", RELEASE)], &[])).await;
    insta::assert_snapshot!(travel(&mut world, "release.yaml", "tag:").await, @"
    Sell more
      dev: tag: f910cce # ours
      stage: tag: v1.0-rc.1 # ours
      prod: tag: v1.0 # ours
    Sell even more
      dev: tag: 20c5b4f # ours
      stage: tag: v1.1-rc.1 # ours
      prod: tag: v1.1 # ours
    back
      dev: tag: 20c5b4f # ours
      stage: tag: v1.1-rc.1 # ours
      prod: tag: v1.0 # ours
    ");
}

#[tokio::test]
async fn chart_versions_travel() {
    let mut world = World::with(&repository("    charts: [shop]\n", &[("release.yaml", RELEASE)], &[])).await;
    insta::assert_snapshot!(travel(&mut world, "release.yaml", "version: ").await, @"
    Sell more
      dev: version: 0.0.0-f910cce
      stage: version: 1.0.0-rc.1
      prod: version: 1.0.0
    Sell even more
      dev: version: 0.0.0-20c5b4f
      stage: version: 1.1.0-rc.1
      prod: version: 1.1.0
    back
      dev: version: 0.0.0-20c5b4f
      stage: version: 1.1.0-rc.1
      prod: version: 1.0.0
    ");
}

#[tokio::test]
async fn oci_artifacts_travel() {
    let source = "apiVersion: source.toolkit.fluxcd.io/v1
kind: OCIRepository
metadata: { name: shop, namespace: flux-system }
spec:
  interval: 5m
  url: oci://ghcr.io/acme/shop
  ref:
    tag: v0.9
";
    let mut world = World::with(&repository(IMAGES, &[("source.yaml", source)], &[])).await;
    insta::assert_snapshot!(travel(&mut world, "source.yaml", "tag:").await, @"
    Sell more
      dev: tag: f910cce
      stage: tag: v1.0-rc.1
      prod: tag: v1.0
    Sell even more
      dev: tag: 20c5b4f
      stage: tag: v1.1-rc.1
      prod: tag: v1.1
    back
      dev: tag: 20c5b4f
      stage: tag: v1.1-rc.1
      prod: tag: v1.0
    ");
}

#[tokio::test]
async fn tags_and_commits_of_a_git_source_travel() {
    let source = |reference: &str| {
        format!(
            "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {{ name: shop, namespace: flux-system }}\nspec:\n  interval: 5m\n  url: https://github.com/acme/shop\n  ref: {{ {reference} }}\n"
        )
    };
    let (commit, tag) = (source("commit: 68113e662d18f396ee6e25c677f274c6d66acc1a"), source("tag: v0.9"));
    let each = [
        ("environments/dev/source.yaml", commit.as_str()),
        ("environments/stage/source.yaml", tag.as_str()),
        ("environments/prod/source.yaml", tag.as_str()),
    ];
    let mut world = World::with(&repository("    images: []\n", &[], &each)).await;
    insta::assert_snapshot!(travel(&mut world, "source.yaml", "ref:").await, @"
    Sell more
      dev: ref: { commit: f910ccef5d0609d1ef11aef74ed2d879657edb55 }
      stage: ref: { tag: v1.0-rc.1 }
      prod: ref: { tag: v1.0 }
    Sell even more
      dev: ref: { commit: 20c5b4fa905b2d67606f0833de3e06e195af4cdf }
      stage: ref: { tag: v1.1-rc.1 }
      prod: ref: { tag: v1.1 }
    back
      dev: ref: { commit: 20c5b4fa905b2d67606f0833de3e06e195af4cdf }
      stage: ref: { tag: v1.1-rc.1 }
      prod: ref: { tag: v1.0 }
    ");
}

#[tokio::test]
async fn images_of_a_flux_kustomization_travel() {
    let flux = "apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: shop, namespace: flux-system }
spec:
  interval: 5m
  prune: true
  path: ./somewhere/else
  sourceRef: { kind: OCIRepository, name: manifests }
  images:
    - name: ghcr.io/acme/shop
      newTag: v0.9
";
    let mut world = World::with(&repository(IMAGES, &[("flux.yaml", flux)], &[])).await;
    insta::assert_snapshot!(travel(&mut world, "flux.yaml", "newTag:").await, @"
    Sell more
      dev: newTag: f910cce
      stage: newTag: v1.0-rc.1
      prod: newTag: v1.0
    Sell even more
      dev: newTag: 20c5b4f
      stage: newTag: v1.1-rc.1
      prod: newTag: v1.1
    back
      dev: newTag: 20c5b4f
      stage: newTag: v1.1-rc.1
      prod: newTag: v1.0
    ");
}

#[tokio::test]
async fn score_files_travel_though_nothing_renders_them() {
    let score = "apiVersion: score.dev/v1b1
metadata: { name: shop }
containers:
  web:
    image: ghcr.io/acme/shop:v0.9
";
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: shop, namespace: shop }\ndata: { a: b }\n";
    let each = [("score.yaml", score), ("kustomization.yaml", "resources: [config.yaml]\n"), ("config.yaml", config)];
    let mut world = World::with(&repository(IMAGES, &each, &[])).await;
    insta::assert_snapshot!(travel(&mut world, "score.yaml", "image:").await, @"
    Sell more
      dev: image: ghcr.io/acme/shop:f910cce
      stage: image: ghcr.io/acme/shop:v1.0-rc.1
      prod: image: ghcr.io/acme/shop:v1.0
    Sell even more
      dev: image: ghcr.io/acme/shop:20c5b4f
      stage: image: ghcr.io/acme/shop:v1.1-rc.1
      prod: image: ghcr.io/acme/shop:v1.1
    back
      dev: image: ghcr.io/acme/shop:20c5b4f
      stage: image: ghcr.io/acme/shop:v1.1-rc.1
      prod: image: ghcr.io/acme/shop:v1.0
    ");
}

#[tokio::test]
async fn configured_fields_travel() {
    let flux = "apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: other, namespace: flux-system }
spec:
  postBuild: { substitute: { shop_version: v0.0 } }
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: shop, namespace: flux-system }
spec:
  postBuild:
    substitute:
      shop_version: \"0.9\" # ours
";
    let app = "    writes:
      - file: flux.yaml
        kind: Kustomization
        name: shop
        field: spec.postBuild.substitute.shop_version
        value: \"{version}\"
";
    let mut world = World::with(&repository(app, &[("flux.yaml", flux)], &[])).await;
    insta::assert_snapshot!(travel(&mut world, "flux.yaml", "shop_version").await, @r#"
    Sell more
      dev: postBuild: { substitute: { shop_version: v0.0 } } | shop_version: "f910cce" # ours
      stage: postBuild: { substitute: { shop_version: v0.0 } } | shop_version: "1.0-rc.1" # ours
      prod: postBuild: { substitute: { shop_version: v0.0 } } | shop_version: "1.0" # ours
    Sell even more
      dev: postBuild: { substitute: { shop_version: v0.0 } } | shop_version: "20c5b4f" # ours
      stage: postBuild: { substitute: { shop_version: v0.0 } } | shop_version: "1.1-rc.1" # ours
      prod: postBuild: { substitute: { shop_version: v0.0 } } | shop_version: "1.1" # ours
    back
      dev: postBuild: { substitute: { shop_version: v0.0 } } | shop_version: "20c5b4f" # ours
      stage: postBuild: { substitute: { shop_version: v0.0 } } | shop_version: "1.1-rc.1" # ours
      prod: postBuild: { substitute: { shop_version: v0.0 } } | shop_version: "1.0" # ours
    "#);
}

/// An overlay for each environment, and what only the base they share sets.
pub(crate) fn shared_base() -> Vec<(&'static str, Vec<u8>)> {
    repository(IMAGES, &[("kustomization.yaml", OVERLAY)], &BASE)
}

const OVERLAY: &str = "resources:\n  - ../base # shared\n";
const BASE: [(&str, &str); 2] =
    [("environments/base/kustomization.yaml", "resources: [shop.yaml]\n"), ("environments/base/shop.yaml", DEPLOYMENT)];

#[tokio::test]
async fn prom_001_what_only_a_base_sets_becomes_each_environments_own() {
    let mut world = World::with(&shared_base()).await;
    let sha = merge_to_trunk(&mut world, "Sell more").await;
    insta::assert_snapshot!(world.body(1).lines().find(|line| line.starts_with("Writes")).unwrap(), @"Writes `environments/dev/kustomization.yaml`, which gets an `images` entry of its own: only a base that others share sets it so far.");
    assert_eq!(
        stands(&world, "environments/dev/kustomization.yaml"),
        format!("{OVERLAY}images:\n  - name: ghcr.io/acme/shop\n    newTag: {}\n", &sha[..7])
    );
    assert_eq!(stands(&world, "environments/stage/kustomization.yaml"), OVERLAY, "nobody else is promoted");
    assert_eq!(stands(&world, "environments/base/shop.yaml"), DEPLOYMENT);
    insta::assert_snapshot!(travel(&mut world, "kustomization.yaml", "newTag").await, @"
    Sell more
      dev: newTag: fbd2798
      stage: newTag: v1.0-rc.1
      prod: newTag: v1.0
    Sell even more
      dev: newTag: 2f2a74e
      stage: newTag: v1.1-rc.1
      prod: newTag: v1.1
    back
      dev: newTag: 2f2a74e
      stage: newTag: v1.1-rc.1
      prod: newTag: v1.0
    ");
}

#[tokio::test]
async fn prom_001_a_bump_of_the_base_meets_the_gates_of_all_who_share_it() {
    let mut world = World::with(&shared_base()).await;
    let sha = merge_to_trunk(&mut world, "Sell more").await;
    tag(&mut world, "v1.0", &sha).await;
    let bumped = text(&DEPLOYMENT.replace("v0.9", "v1.0"));
    let number = pull(&mut world, "Bump", &[("environments/base/shop.yaml", bumped)]).await;
    insta::assert_snapshot!(world.check(number), @"in_progress: Waits: stage has not held commit f910cce yet (and 1 more) (0 annotations)");
}

#[tokio::test]
async fn any_way_in_is_the_same_way_for_every_kind() {
    let source = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: OCIRepository\nmetadata: { name: shop, namespace: flux-system }\nspec:\n  interval: 5m\n  url: oci://ghcr.io/acme/manifests\n  ref: { tag: v0.9 }\n";
    let write = "    writes: [{ file: info.yaml, field: data.version }]\n";
    let info = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: info, namespace: shop }\ndata: { version: v0.9 }\n";
    let kinds = [
        (IMAGES, "shop.yaml", DEPLOYMENT),
        (IMAGES, "release.yaml", RELEASE),
        ("    charts: [shop]\n", "release.yaml", RELEASE),
        ("    images: [ghcr.io/acme/manifests]\n", "source.yaml", source),
        (write, "info.yaml", info),
    ];
    let mut told = String::new();
    for (app, file, content) in kinds {
        let mut files = repository(app, &[(file, content)], &[]);
        let config = String::from_utf8(files[0].1.clone()).unwrap();
        files[0].1 = config.replace("    after: [stage]\n", "    after: [stage]\n    soak: 1h\n").into_bytes();
        let mut world = World::with(&files).await;
        let sha = merge_to_trunk(&mut world, "Sell more").await;
        tag(&mut world, "v1.0-rc.1", &sha).await;
        tag(&mut world, "v1.0", &sha).await;
        // As another bot bumps it, beside ours.
        let path = format!("environments/prod/{file}");
        let bumped = match app.contains("charts") {
            true => content.replace("0.9.0", "1.0.0"),
            false => content.replace("v0.9", "v1.0"),
        };
        world.github.push_files(ENVIRONMENTS, "topic", "ben", "Bump", &[(path.as_str(), text(&bumped))]);
        let number = world.github.open_pull(ENVIRONMENTS, "ben", "topic", "main", "Bump", "");
        world.settle().await;
        let said = world.said(number);
        let gates: Vec<&str> =
            said.lines().filter(|line| line.contains("into prod") || line.contains("soaks")).collect();
        told.push_str(&format!("{file}: {}\n{}\n", world.check(number), gates.join("\n")));
    }
    insta::assert_snapshot!(told, @"
    shop.yaml: in_progress: Waits: soaks for 1h (0 annotations)
    ### Waits: soaks for 1h
    #### Gates: v1.0 into prod
    - ⏳ soaks for 1h (`soak`), until 2026-11-02 10:00 UTC
    release.yaml: in_progress: Waits: soaks for 1h (1 annotations)
    ### Waits: soaks for 1h
    #### Gates: v1.0 into prod
    - ⏳ soaks for 1h (`soak`), until 2026-11-02 10:00 UTC
    release.yaml: in_progress: Waits: soaks for 1h (1 annotations)
    ### Waits: soaks for 1h
    #### Gates: v1.0 into prod
    - ⏳ soaks for 1h (`soak`), until 2026-11-02 10:00 UTC
    source.yaml: in_progress: Waits: soaks for 1h (0 annotations)
    ### Waits: soaks for 1h
    #### Gates: v1.0 into prod
    - ⏳ soaks for 1h (`soak`), until 2026-11-02 10:00 UTC
    info.yaml: in_progress: Waits: soaks for 1h (0 annotations)
    ### Waits: soaks for 1h
    #### Gates: v1.0 into prod
    - ⏳ soaks for 1h (`soak`), until 2026-11-02 10:00 UTC
    ");
}

#[tokio::test]
async fn what_flux_writes_is_left_to_it_and_said() {
    let marked = DEPLOYMENT.replace("# ours", "# {\"$imagepolicy\": \"flux-system:shop\"}");
    let more = [
        ("environments/dev/shop.yaml", marked.as_str()),
        ("environments/stage/shop.yaml", DEPLOYMENT),
        ("environments/prod/shop.yaml", DEPLOYMENT),
    ];
    let mut world = World::with(&repository(IMAGES, &[], &more)).await;
    let sha = merge_to_trunk(&mut world, "Sell more").await;
    assert_eq!(world.pulls(), [""; 0], "dev is Flux's");
    let number = desk(&mut world).await;
    say(&mut world, "rob", number, "/trunkline status dev\n/trunkline plan dev").await;
    insta::assert_snapshot!(world.said(number), @"
    <!-- trunkline:v1 reply-33 731c0ec64145342c -->
    > `/trunkline status dev`

    | Environment | Version | Since | Next |
    |:--|:--|:--|:--|
    | `dev` | `v0.9` [`68113e6`](http://github.test/acme/shop/commit/68113e662d18f396ee6e25c677f274c6d66acc1a) | 2026-11-02 09:00 UTC | left to Flux |

    > `/trunkline plan dev`

    This is what would happen now. Nothing was done.

    **`dev`**

    - ✅ this line is written by Flux (`$imagepolicy`), so the version of ghcr.io/acme/shop is left to it (environments/dev/shop.yaml:11:18). **Next:** Remove the marker comment if Trunkline shall set the version.
    ");
    // Flux bumps dev; the way on is ours.
    let bumped = marked.replace("v0.9", &sha[..7]);
    world.github.push_files(
        ENVIRONMENTS,
        "main",
        "ben",
        "Flux bumps",
        &[("environments/dev/shop.yaml", text(&bumped))],
    );
    world.settle().await;
    tag(&mut world, "v1.0-rc.1", &sha).await;
    insta::assert_snapshot!(lines(&world, "shop.yaml", "image:", "after the candidate"), @r#"
    after the candidate
      dev: image: ghcr.io/acme/shop:f910cce # {"$imagepolicy": "flux-system:shop"}
      stage: image: ghcr.io/acme/shop:v1.0-rc.1 # ours
      prod: image: ghcr.io/acme/shop:v0.9 # ours
    "#);
}

#[tokio::test]
async fn what_cannot_be_written_is_explained_before_it_is_tried() {
    let anchored = DEPLOYMENT.replace(
        "image: ghcr.io/acme/shop:v0.9 # ours",
        "image: &image ghcr.io/acme/shop:v0.9\n          env: [{ name: IMAGE, value: *image }]",
    );
    let range = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: OCIRepository\nmetadata: { name: shop, namespace: flux-system }\nspec: { interval: 5m, url: \"oci://ghcr.io/acme/shop\", ref: { semver: \">=0.9\" } }\n";
    let more = [
        ("environments/dev/shop.yaml", anchored.as_str()),
        ("environments/stage/source.yaml", range),
        ("environments/prod/kustomization.yaml", "resources: [other.yaml]\n"),
        ("environments/prod/other.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a, namespace: shop }\n"),
    ];
    let mut world = World::with(&repository(IMAGES, &[], &more)).await;
    merge_to_trunk(&mut world, "Sell more").await;
    let number = desk(&mut world).await;
    for environment in ["dev", "stage", "prod"] {
        say(&mut world, "rob", number, &format!("/trunkline plan {environment}")).await;
    }
    insta::assert_snapshot!(world.talk(number), @"
    comment by rob eyes:trunkline[bot] rocket:trunkline[bot]
    /trunkline plan dev

    comment by trunkline[bot]
    <!-- trunkline:v1 reply-29 a1055c556d63b6b7 -->
    This is what would happen now. Nothing was done.

    **`dev`**

    - ⛔ the version of ghcr.io/acme/shop cannot be written: line 11 is an anchor that other fields share, and would change them as well; write its value out where it is used (environments/dev/shop.yaml:11:25) (`no-version-field`). **Next:** write the version where Trunkline finds it: `trunkline check` shows where


    comment by rob eyes:trunkline[bot] rocket:trunkline[bot]
    /trunkline plan stage

    comment by trunkline[bot]
    <!-- trunkline:v1 reply-36 db5e18422631aace -->
    This is what would happen now. Nothing was done.

    **`stage`**

    - ✅ `>=0.9` lets Flux choose the version of ghcr.io/acme/shop, so it is left to Flux (environments/stage/source.yaml:4:70). **Next:** Write one exact version there if Trunkline shall set it.


    comment by rob eyes:trunkline[bot] rocket:trunkline[bot]
    /trunkline plan prod

    comment by trunkline[bot]
    <!-- trunkline:v1 reply-42 8adbca093228f519 -->
    This is what would happen now. Nothing was done.

    **`prod`**

    - ⛔ nothing in environments/prod uses the image ghcr.io/acme/shop (`no-version-field`). **Next:** Check `images` of the app in .github/trunkline.yaml.
    ");
}

#[tokio::test]
async fn digests_of_an_old_build_do_not_stay() {
    let pinned = DEPLOYMENT.replace("v0.9 # ours", "v0.9@sha256:aa # ours");
    let mut world = World::with(&repository(IMAGES, &[("shop.yaml", &pinned)], &[])).await;
    merge_to_trunk(&mut world, "Sell more").await;
    world.advance(Duration::from_secs(60)).await;
    insta::assert_snapshot!(lines(&world, "shop.yaml", "image:", "after the merge"), @"
    after the merge
      dev: image: ghcr.io/acme/shop:f910cce # ours
      stage: image: ghcr.io/acme/shop:v0.9@sha256:aa # ours
      prod: image: ghcr.io/acme/shop:v0.9@sha256:aa # ours
    ");
}
