//! Each kind of field: found where it stands, written so that nothing else changes, read back as what was written.

use std::collections::BTreeMap;

use super::tests::app;
use super::*;
use crate::model::pipeline::{Image, TagTemplate, Write};
use crate::model::tree::MemoryObjects;

const SHOP: &str = "ghcr.io/acme/shop";

fn path(text: &str) -> RepoPath {
    text.parse().unwrap()
}

fn with<T>(files: &[(&str, &str)], act: impl FnOnce(&Tree<'_>) -> T) -> T {
    let mut objects = MemoryObjects::default();
    let root = objects.add_text(files.iter().copied()).unwrap();
    act(&Tree::new(root, &objects))
}

/// The fields of `env`, one a line.
fn fields(files: &[(&str, &str)], app: &App) -> String {
    with(files, |tree| match version_fields(tree, &path("env"), app) {
        Ok(fields) => {
            let line = |f: &VersionField| {
                let left = f.left.map_or(String::new(), |left| format!(", left: {left:?}"));
                format!("{} {:?} {:?} {:?} = {}{left}\n", f.location.location(), f.image, f.holder, f.kind, f.value)
            };
            fields.iter().map(line).collect()
        }
        Err(problems) => problems.iter().map(told).collect(),
    })
}

fn told(problem: &Problem) -> String {
    let place = problem.location.as_ref().map_or(String::new(), |at| format!("{at}: "));
    format!("{place}{}. {}\n", problem.message, problem.help.as_deref().unwrap_or_default())
}

/// The files after writing, and what is read back.
fn written(
    files: &[(&str, &str)],
    app: &App,
    values: &[(&str, &str)],
    digest: Option<&str>,
) -> BTreeMap<String, String> {
    let new = |(image, tag): &(&str, &str)| NewVersion {
        image: (*image).to_owned(),
        tag: (*tag).to_owned(),
        digest: digest.map(str::to_owned),
    };
    let new: Vec<NewVersion> = values.iter().map(new).collect();
    let edits = with(files, |tree| version_edits(tree, &path("env"), app, &new)).unwrap();
    let mut after: BTreeMap<String, String> = files.iter().map(|(p, t)| ((*p).to_owned(), (*t).to_owned())).collect();
    after.extend(edits.into_iter().map(|(path, bytes)| (path.to_string(), String::from_utf8(bytes).unwrap())));
    let again: Vec<(&str, &str)> = after.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let read = with(&again, |tree| version_fields(tree, &path("env"), app)).unwrap();
    let tags = tags(&read);
    for (carrier, value) in values {
        assert_eq!(tags.get(*carrier).map(String::as_str), Some(*value), "{after:?}");
    }
    with(&again, |tree| assert_eq!(version_edits(tree, &path("env"), app, &new), Ok(Vec::new()), "a second time"));
    after
}

/// Writes `tag` for the shop and expects only these replacements in `env/x.yaml`.
fn swaps(text: &str, app: &App, (carrier, tag): (&str, &str), replaced: &[(&str, &str)]) {
    let files = [("env/x.yaml", text)];
    let after = written(&files, app, &[(carrier, tag)], None);
    let wanted = replaced.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    });
    assert_eq!(after["env/x.yaml"], wanted);
}

#[test]
fn plain_container_images() {
    let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: shop} # ours\nspec:\n  template:\n    spec:\n      initContainers:\n        - {name: init, image: \"ghcr.io/acme/shop:v1.0\"}\n      containers:\n        - name: shop\n          image: ghcr.io/acme/shop:v1.0   # pinned\n        - name: other\n          image: ghcr.io/acme/shop-admin:v1.0\n";
    let shop = app(&[SHOP]);
    insta::assert_snapshot!(fields(&[("env/x.yaml", text)], &shop), @r#"
    env/x.yaml:8:31 "ghcr.io/acme/shop" Container NewTag = v1.0
    env/x.yaml:11:18 "ghcr.io/acme/shop" Container NewTag = v1.0
    "#);
    swaps(text, &shop, (SHOP, "1.10"), &[("acme/shop:v1.0", "acme/shop:1.10")]);
    let crlf = text.replace('\n', "\r\n");
    swaps(&crlf, &shop, (SHOP, "v2"), &[("acme/shop:v1.0", "acme/shop:v2")]);
    let pinned = text.replace("shop:v1.0 ", "shop:v0@sha256:aa ");
    let files = [("env/x.yaml", pinned.as_str())];
    let after = written(&files, &shop, &[(SHOP, "v2")], Some("sha256:bb"));
    assert_eq!(after["env/x.yaml"].matches("ghcr.io/acme/shop:v2@sha256:bb").count(), 2);
    let after = written(&files, &shop, &[(SHOP, "v2")], None);
    assert!(!after["env/x.yaml"].contains("sha256"), "a stale digest would pin the old image");
    swaps(
        "kind: Pod\nspec: {containers: [{name: a, image: ghcr.io/acme/shop}]}\n",
        &shop,
        (SHOP, "v2"),
        &[("ghcr.io/acme/shop}", "'ghcr.io/acme/shop:v2'}")],
    );
}

#[test]
fn helm_values_of_every_shape() {
    let text = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: shop}\nspec:\n  values:\n    image:\n      repository: ghcr.io/acme/shop\n      tag: \"v1.0\" # by hand\n      digest: sha256:aa\n    admin: {image: {registry: ghcr.io, repository: acme/admin, tag: v1.0}}\n    worker:\n      image: ghcr.io/acme/worker:v1.0\n    redis:\n      image: {repository: redis, tag: 7}\n";
    let all = app(&[SHOP, "ghcr.io/acme/admin", "ghcr.io/acme/worker"]);
    insta::assert_snapshot!(fields(&[("env/x.yaml", text)], &all), @r#"
    env/x.yaml:8:12 "ghcr.io/acme/shop" Values NewTag = v1.0
    env/x.yaml:9:15 "ghcr.io/acme/shop" Values Digest = sha256:aa
    env/x.yaml:10:69 "ghcr.io/acme/admin" Values NewTag = v1.0
    env/x.yaml:12:14 "ghcr.io/acme/worker" Values NewTag = v1.0
    "#);
    let values = [(SHOP, "1.1"), ("ghcr.io/acme/admin", "1.1"), ("ghcr.io/acme/worker", "1.1")];
    let after = written(&[("env/x.yaml", text)], &all, &values, None);
    let wanted = text.replace("\"v1.0\"", "\"1.1\"").replace("sha256:aa", "\"\"");
    let wanted = wanted.replace("tag: v1.0", "tag: \"1.1\"").replace("worker:v1.0", "worker:1.1");
    assert_eq!(after["env/x.yaml"], wanted, "an own digest would bring back that of the chart if it were taken out");
    let after = written(&[("env/x.yaml", text)], &all, &values, Some("sha256:bb"));
    assert!(after["env/x.yaml"].contains("digest: sha256:bb"));
    assert!(
        after["env/x.yaml"].contains("repository: acme/admin, tag: \"1.1\"}"),
        "no key that the chart may not know"
    );
}

#[test]
fn a_patch_of_a_release_knows_its_repository_and_chart_from_the_base() {
    let base = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: web}\nspec:\n  chart: {spec: {chart: shop-chart}}\n  values: {frontend: {image: {repository: ghcr.io/acme/shop, tag: v0}}}\n";
    let patch = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: web}\nspec:\n  chart: {spec: {version: 1.2.3}}\n  values: {frontend: {image: {tag: v1}}, other: {image: {tag: v1}}}\n";
    let files = [
        ("base/kustomization.yaml", "resources: [release.yaml]\n"),
        ("base/release.yaml", base),
        ("env/kustomization.yaml", "resources: [../base]\npatches: [{path: patch.yaml}]\n"),
        ("env/patch.yaml", patch),
    ];
    let mut both = app(&[SHOP]);
    both.charts.push(Image { name: "shop-chart".into(), tag: TagTemplate::Custom("{semver}".into()) });
    insta::assert_snapshot!(fields(&files, &both), @r#"
    env/patch.yaml:5:27 "chart shop-chart" Chart NewTag = 1.2.3
    env/patch.yaml:6:36 "ghcr.io/acme/shop" Values NewTag = v1
    "#);
    let after = written(&files, &both, &[(SHOP, "v2"), ("chart shop-chart", "1.3.0")], None);
    let wanted = patch.replace("1.2.3", "1.3.0").replacen("tag: v1", "tag: v2", 1);
    assert_eq!((after["env/patch.yaml"].as_str(), after["base/release.yaml"].as_str()), (wanted.as_str(), base));
    // Without a patch that sets it, the base's value is everybody's.
    let alone = [files[0], files[1], ("env/kustomization.yaml", "resources: [../base]\n")];
    insta::assert_snapshot!(fields(&alone, &app(&[SHOP])), @"base/release.yaml:6:67: the tag of ghcr.io/acme/shop is part of Helm values in base, which other environments share. Give env a patch of that object that sets its own `tag: v0`; from then on it is promoted there.");
}

#[test]
fn image_tag_without_repository_is_met_by_name() {
    let release = |name: &str, values: &str| {
        format!(
            "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{name: {name}}}\nspec:\n  chart: {{spec: {{chart: generic}}}}\n  values: {values}\n"
        )
    };
    let shop = app(&[SHOP]);
    let found = |name: &str, values: &str| {
        let text = release(name, values);
        with(&[("env/x.yaml", text.as_str())], |tree| {
            version_fields(tree, &path("env"), &shop).map(|f| f.len()).unwrap_or(0)
        })
    };
    assert_eq!(found("shop", "{image: {tag: v1}}"), 1, "the release is called as the image");
    assert_eq!(found("any", "{shop: {image: {tag: v1}}}"), 1, "what stands above is");
    assert_eq!(found("any", "{image: {tag: v1}}"), 0);
    assert_eq!(found("shop", "{redis: {image: {tag: v1}}}"), 0, "another component's");
    assert_eq!(found("shop", "{tag: v1}"), 0);
}

#[test]
fn flux_sources() {
    let oci = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: OCIRepository\nmetadata: {name: shop}\nspec:\n  url: oci://ghcr.io/acme/shop\n  ref:\n    tag: v1.0 # here\n    digest: sha256:aa\n";
    let shop = app(&[SHOP]);
    insta::assert_snapshot!(fields(&[("env/x.yaml", oci)], &shop), @r#"
    env/x.yaml:7:10 "ghcr.io/acme/shop" OciRef NewTag = v1.0
    env/x.yaml:8:13 "ghcr.io/acme/shop" OciRef Digest = sha256:aa
    "#);
    swaps(oci, &shop, (SHOP, "v1.1"), &[("v1.0", "v1.1"), ("    digest: sha256:aa\n", "")]);
    let range = oci.replace("tag: v1.0", "semver: \">=1.0\"").replace("    digest: sha256:aa\n", "");
    insta::assert_snapshot!(fields(&[("env/x.yaml", &range)], &shop), @r#"env/x.yaml:7:13 "ghcr.io/acme/shop" OciRef NewTag = >=1.0, left: Range"#);
    let git = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: shop}\nspec:\n  url: ssh://git@github.com/acme/Shop.git\n  ref: {tag: shop/v1.0}\n";
    let mut source = app(&[]);
    source.source = Some("acme/shop".parse().unwrap());
    insta::assert_snapshot!(fields(&[("env/x.yaml", git)], &source), @r#"env/x.yaml:6:14 "tag of acme/shop" GitTag NewTag = shop/v1.0"#);
    swaps(git, &source, ("tag of acme/shop", "shop/v1.1"), &[("shop/v1.0", "shop/v1.1")]);
    let commit = git.replace("tag: shop/v1.0", "commit: abc");
    swaps(&commit, &source, ("commit of acme/shop", "def"), &[("commit: abc", "commit: def")]);
    let other = git.replace("acme/Shop", "other-acme/shop");
    insta::assert_snapshot!(fields(&[("env/x.yaml", &other)], &source), @"nothing in env holds a version of shop. List what carries it under `images`, `charts` or `writes` of the app in .github/trunkline.yaml.");
    let branch = git.replace("tag: shop/v1.0", "branch: main");
    let left = with(&[("env/x.yaml", branch.as_str())], |tree| {
        left_alone(&version_fields(tree, &path("env"), &source).unwrap())
    });
    insta::assert_snapshot!(left.iter().map(told).collect::<String>(), @"env/x.yaml:6:17: Flux follows `main` of the source here by itself. Write `ref.tag` if Trunkline shall set the version.");
}

#[test]
fn images_of_a_flux_kustomization_and_score_files() {
    let flux = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: shop}\nspec:\n  path: ./shop\n  images:\n    - name: ghcr.io/acme/shop\n      newTag: v1.0\n";
    let shop = app(&[SHOP]);
    swaps(flux, &shop, (SHOP, "v1.1"), &[("v1.0", "v1.1")]);
    let after = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: shop}\nspec:\n  postRenderers:\n    - kustomize:\n        images: [{name: ghcr.io/acme/shop, newTag: v1.0}]\n";
    swaps(after, &shop, (SHOP, "v1.1"), &[("v1.0", "v1.1")]);
    let score =
        "apiVersion: score.dev/v1b1\nmetadata: {name: shop}\ncontainers:\n  web:\n    image: ghcr.io/acme/shop:v1.0\n";
    let files = [("env/kustomization.yaml", "resources: []\n"), ("env/score.yaml", score)];
    insta::assert_snapshot!(fields(&files, &shop), @r#"env/score.yaml:5:12 "ghcr.io/acme/shop" Score NewTag = v1.0"#);
    assert_eq!(written(&files, &shop, &[(SHOP, "v1.1")], None)["env/score.yaml"], score.replace("v1.0", "v1.1"));
}

#[test]
fn chart_versions_and_ranges() {
    let release = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: any}\nspec:\n  chart:\n    spec:\n      chart: shop\n      version: 1.0.0\n";
    let mut chart = app(&[]);
    chart.charts.push(Image { name: "shop".into(), tag: TagTemplate::Custom("{semver}".into()) });
    swaps(release, &chart, ("chart shop", "1.1.0-rc.1"), &[("1.0.0", "1.1.0-rc.1")]);
    for range in ["\">=1.0.0\"", "1.x", "\"*\"", "~1.2"] {
        let text = release.replace("1.0.0", range);
        let left = with(&[("env/x.yaml", text.as_str())], |tree| {
            left_alone(&version_fields(tree, &path("env"), &chart).unwrap())
        });
        assert!(left.unwrap().message.contains("lets Flux choose the version of chart shop"), "{range}");
    }
    let none = release.replace("      version: 1.0.0\n", "");
    insta::assert_snapshot!(fields(&[("env/x.yaml", &none)], &chart), @"no HelmRelease in env sets a version of the chart shop. Write `spec.chart.spec.version` in the HelmRelease there, or in a patch of it.");
}

#[test]
fn configured_fields() {
    let text = "kind: ConfigMap\nmetadata: {name: a}\ndata: {version: v1.0}\n---\nkind: ConfigMap\nmetadata: {name: b}\ndata: {version: v1.0, image: 'ghcr.io/acme/shop:v1.0'}\n";
    let write = |field: &str, image: Option<&str>| Write {
        file: path("x.yaml"),
        kind: Some("ConfigMap".into()),
        name: Some("b".into()),
        field: field.into(),
        image: image.map(Into::into),
        value: TagTemplate::Custom("{version}".into()),
    };
    let mut both = app(&[SHOP]);
    both.writes = vec![write("data.version", None), write("data.image", Some(SHOP))];
    insta::assert_snapshot!(fields(&[("env/x.yaml", text)], &both), @r#"
    env/x.yaml:7:17 "x.yaml data.version" Configured NewTag = v1.0
    env/x.yaml:7:30 "ghcr.io/acme/shop" Configured NewTag = v1.0
    "#);
    let after = written(&[("env/x.yaml", text)], &both, &[(SHOP, "v1.1"), ("x.yaml data.version", "1.1")], None);
    let (first, second) = text.split_once("---").unwrap();
    let second = second.replace("version: v1.0", "version: \"1.1\"").replace("shop:v1.0", "shop:v1.1");
    assert_eq!(after["env/x.yaml"], format!("{first}---{second}"));
    both.writes = vec![write("data.gone", None)];
    insta::assert_snapshot!(fields(&[("env/x.yaml", text)], &both), @"
    env/x.yaml:5: ConfigMap b in env/x.yaml has no field `data.gone` that could hold a version. Correct `writes` of the app in .github/trunkline.yaml, or add the field with the version that runs now.
    ");
    both.writes[0].file = path("y.yaml");
    assert!(fields(&[("env/x.yaml", text)], &both).contains("`writes` names env/y.yaml, which is no readable file"));
}

#[test]
fn what_flux_writes_and_what_anchors_share_is_left_alone() {
    let marked = "kind: Pod\nspec:\n  containers:\n    - image: ghcr.io/acme/shop:v1.0 # {\"$imagepolicy\": \"flux-system:shop\"}\n    - image: ghcr.io/acme/shop:v1.0\n";
    let shop = app(&[SHOP]);
    let files = [("env/x.yaml", marked)];
    let after = with(&files, |tree| {
        version_edits(tree, &path("env"), &shop, &[NewVersion { image: SHOP.into(), tag: "v2".into(), digest: None }])
    });
    let after = String::from_utf8(after.unwrap().remove(0).1).unwrap();
    assert_eq!(after, marked.replace("shop:v1.0\n", "shop:v2\n"), "the other line is ours");
    let anchored = "kind: Pod\nmetadata: {labels: {version: &v v1.0}}\nspec:\n  values: {image: {repository: ghcr.io/acme/shop, tag: *v}}\n";
    let refused = with(&[("env/x.yaml", anchored)], |tree| {
        let mut shelf = Shelf::default();
        let look = shelf.look(tree, &path("env"), &shop);
        shelf.rehearse(tree, &look, &shop)
    });
    insta::assert_snapshot!(refused.iter().map(told).collect::<String>(), @"env/x.yaml:2:33: the version of ghcr.io/acme/shop cannot be written: line 2 is an anchor that other fields share, and would change them as well; write its value out where it is used. ");
    let shared = "kind: Pod\nspec:\n  a: {repository: ghcr.io/acme/shop, tag: &v v1.0}\n  b: {repository: ghcr.io/acme/shop, tag: *v}\n";
    swaps(shared, &shop, (SHOP, "v2"), &[("v1.0", "v2")]);
}

#[test]
fn a_variable_is_named() {
    let files = [
        ("base/kustomization.yaml", "resources: [pod.yaml]\n"),
        ("base/pod.yaml", "kind: Pod\nspec: {containers: [{image: \"ghcr.io/acme/shop:${tag}\"}]}\n"),
        ("env/kustomization.yaml", "resources: [../base]\n"),
    ];
    insta::assert_snapshot!(fields(&files, &app(&[SHOP])), @"base/pod.yaml:2:29: the tag of ghcr.io/acme/shop is the variable `${tag}`, which Flux fills in. Name the field that holds the variable's value under `writes` of the app in .github/trunkline.yaml.");
}
