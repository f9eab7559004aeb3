//! Writing a version changes the version and nothing else: over real repositories, and over files of every style.

use std::collections::BTreeSet;
use std::path::Path;

use proptest::prelude::*;
use trunkline::model::path::RepoPath;
use trunkline::model::pipeline::{App, Image, TagTemplate};
use trunkline::model::tree::{EntryKind, MemoryObjects, Tree};
use trunkline::render::render;
use trunkline::render::versions::{
    Holder, NewVersion, Shelf, VersionField, VersionKind, digests, left_alone, shared_versions, tags, version_edits,
    version_fields,
};

type Files = Vec<(RepoPath, EntryKind, Vec<u8>)>;

const DIGEST: &str = "sha256:00000000000000000000000000000000000000000000000000000000000000bb";

fn path(text: &str) -> RepoPath {
    text.parse().unwrap()
}

fn app(images: &[&str]) -> App {
    App::of_images("app", images)
}

fn read(root: &Path, here: &Path, found: &mut Files) {
    for entry in std::fs::read_dir(here).unwrap().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() && entry.file_name() != ".git" {
            read(root, &path, found);
        } else if kind.is_file()
            && let Some(Ok(name)) = path.strip_prefix(root).unwrap().to_str().map(str::parse)
        {
            found.push((name, EntryKind::File, std::fs::read(&path).unwrap()));
        }
    }
}

/// One repository of the corpus, with the scripts that its copy lacks; none where there is no corpus.
pub(crate) fn corpus(name: &str) -> Option<Files> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus").join(name);
    if !root.is_dir() {
        eprintln!("skipped: no ../shared/corpus/{name}");
        return None;
    }
    let mut files = Vec::new();
    read(&root, &root, &mut files);
    if name == "podinfo" {
        for script in [
            "frontend/scripts/warm-cache.sh",
            "frontend/scripts/warm-cache-init.sh",
            "database/scripts/rollup.sh",
            "database/scripts/backup.sh",
        ] {
            let path = path(&format!("deploy/bases/{script}"));
            if !files.iter().any(|(known, ..)| *known == path) {
                files.push((path, EntryKind::File, b"#!/bin/sh\n".to_vec()));
            }
        }
    }
    Some(files)
}

/// Writes a version in `folder` and holds what must hold; the number of fields it was written to, none where it cannot be.
fn write(files: &Files, folder: &RepoPath, app: &App, new: &[NewVersion]) -> Option<usize> {
    let mut objects = MemoryObjects::default();
    let root = objects.add(files.clone());
    write_in((files, Tree::new(root, &objects)), folder, app, new)
}

/// The same, of files that are in a store already.
fn write_in((files, tree): (&Files, Tree<'_>), folder: &RepoPath, app: &App, new: &[NewVersion]) -> Option<usize> {
    // Why nothing is found takes a render, and is not asked for here.
    if !Shelf::default().look(&tree, folder, app).is_whole() {
        return None;
    }
    let before = version_fields(&tree, folder, app).ok()?;
    if before.iter().all(|field| field.left.is_some()) {
        return None;
    }
    let rehearsal = {
        let mut shelf = Shelf::default();
        let look = shelf.look(&tree, folder, app);
        shelf.rehearse(&tree, &look, app)
    };
    let edits = match version_edits(&tree, folder, app, new) {
        Ok(edits) => edits,
        Err(problems) => {
            assert_ne!(rehearsal, [], "a refusal that comes too late: {problems:?}");
            return None;
        }
    };
    assert_eq!(rehearsal, [], "{folder}: rehearsed in vain");
    let mut edited = files.clone();
    for (path, bytes) in &edits {
        assert!(path.is_within(folder), "{path} is not in {folder}");
        edited.iter_mut().find(|(known, ..)| known == path).unwrap().2.clone_from(bytes);
    }
    let mut later = MemoryObjects::default();
    let root = later.add(edited);
    let head = Tree::new(root, &later);
    let after = version_fields(&head, folder, app).unwrap();
    let (held, pinned) = (tags(&after), digests(&after));
    for version in new {
        assert_eq!(held.get(&version.image), Some(&version.tag), "{folder} {}", version.image);
        let values = after.iter().any(|field| field.image == version.image && field.holder == Holder::Values);
        match (&version.digest, pinned.get(&version.image)) {
            (None, found) => assert_eq!(found, None, "a stale digest of {}", version.image),
            (Some(_), None) => assert!(values, "{} is not pinned", version.image),
            (Some(digest), found) => assert_eq!(found, Some(digest)),
        }
    }
    for (path, bytes) in &edits {
        let old = &files.iter().find(|(known, ..)| known == path).unwrap().2;
        untouched(path, (old, &before), (bytes, &after));
    }
    renders_alike((&tree, &head), folder, new);
    Some(after.len())
}

/// All bytes that hold no version are the same; an entry that was added is one piece.
fn untouched(path: &RepoPath, (old, before): (&[u8], &[VersionField]), (new, after): (&[u8], &[VersionField])) {
    let added = before.iter().any(|field| field.file == *path && field.holder == Holder::Base);
    let reshaped = |fields: &[VersionField]| {
        fields.iter().filter(|field| field.file == *path && field.kind == VersionKind::Digest).count()
    };
    let missing = before.iter().any(|field| field.file == *path && field.kind == VersionKind::MissingTag);
    if added || missing || reshaped(before) != reshaped(after) {
        let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
        let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(a, b)| a == b).count();
        assert!(!added || head + tail >= old.len(), "{path}: {}", String::from_utf8_lossy(new));
        return;
    }
    let rest = |bytes: &[u8], fields: &[VersionField]| {
        let spans: BTreeSet<(u32, u32)> =
            fields.iter().filter(|f| f.file == *path).map(|f| (f.location.start, f.location.end)).collect();
        let (mut out, mut at) = (Vec::new(), 0);
        for (start, end) in spans {
            out.extend_from_slice(&bytes[at..start as usize]);
            at = end as usize;
        }
        out.extend_from_slice(&bytes[at..]);
        String::from_utf8_lossy(&out).into_owned()
    };
    assert_eq!(rest(old, before), rest(new, after), "{path}");
}

/// What is rendered differs in nothing but the new version.
fn renders_alike((base, head): (&Tree<'_>, &Tree<'_>), folder: &RepoPath, new: &[NewVersion]) {
    let (old, new_render) = (render(base, folder), render(head, folder));
    assert_eq!(old.ok, new_render.ok, "{folder}");
    assert_eq!(old.objects.len(), new_render.objects.len());
    for (a, b) in old.objects.iter().zip(&new_render.objects) {
        differs_only((&a.node.to_json(), &b.node.to_json()), new);
    }
}

fn differs_only((a, b): (&serde_json::Value, &serde_json::Value), new: &[NewVersion]) {
    use serde_json::Value::{Array, Object, String};
    match (a, b) {
        (Object(a), Object(b)) => {
            for (key, value) in a {
                // A digest that is stale goes away.
                match b.get(key) {
                    Some(other) => differs_only((value, other), new),
                    None => assert_eq!(key, "digest"),
                }
            }
            for key in b.keys().filter(|key| !a.contains_key(*key)) {
                assert!(key == "digest" || key == "tag", "{key} is new");
            }
        }
        (Array(a), Array(b)) => {
            assert_eq!(a.len(), b.len());
            a.iter().zip(b).for_each(|pair| differs_only(pair, new));
        }
        (a, b) if a == b => {}
        (_, String(text)) => {
            let is = |version: &NewVersion| {
                let whole = format!("{}:{}", version.image, version.tag);
                let pinned = version.digest.as_ref().is_some_and(|digest| text.ends_with(digest.as_str()));
                *text == version.tag || *text == whole || text.is_empty() || pinned
            };
            assert!(new.iter().any(is), "{text} is no version that was written");
        }
        (a, b) => panic!("{a} became {b}"),
    }
}

/// Every image that stands anywhere in the files.
fn images(files: &Files) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (_, _, bytes) in files {
        for line in String::from_utf8_lossy(bytes).lines() {
            let line = line.trim_start_matches([' ', '-']);
            let image = ["image: ", "name: ", "repository: "].iter().find_map(|key| line.strip_prefix(key));
            let Some(image) = image.map(|image| image.trim_matches(['"', '\'']).trim()) else { continue };
            let name = image.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(image, |(name, _)| name);
            if line.starts_with("image: ") || name.contains('/') {
                found.insert(name.to_owned());
            }
        }
    }
    found
}

#[test]
fn every_image_of_the_corpus_in_every_folder() {
    let (mut written, mut refused) = (0, 0);
    for name in ["podinfo", "microservices-demo", "flux2-kustomize-helm-example"] {
        let Some(files) = corpus(name) else { return };
        let folders: BTreeSet<RepoPath> =
            files.iter().map(|(path, ..)| path.parent()).filter(|folder| !folder.is_root()).collect();
        let mut objects = MemoryObjects::default();
        let root = objects.add(files.clone());
        for image in images(&files) {
            for folder in &folders {
                for digest in [None, Some(DIGEST.to_owned())] {
                    let new = NewVersion { image: image.clone(), tag: "1.10".to_owned(), digest };
                    match write_in((&files, Tree::new(root, &objects)), folder, &app(&[&image]), &[new]) {
                        Some(fields) => written += fields,
                        None => refused += 1,
                    }
                }
            }
        }
    }
    eprintln!("{written} fields written, {refused} pairs of image and folder without one");
    assert!(written > 200, "{written}");
}

#[test]
fn prom_001_podinfo_becomes_promotable() {
    let Some(files) = corpus("podinfo") else { return };
    let podinfo = app(&["ghcr.io/stefanprodan/podinfo"]);
    let new = NewVersion { image: podinfo.images[0].name.clone(), tag: "6.15.0".to_owned(), digest: None };
    for environment in ["dev", "staging", "production"] {
        let folder = path(&format!("deploy/overlays/{environment}"));
        assert_eq!(write(&files, &folder, &podinfo, std::slice::from_ref(&new)), Some(1));
        let mut objects = MemoryObjects::default();
        let root = objects.add(files.clone());
        let tree = Tree::new(root, &objects);
        let edits = version_edits(&tree, &folder, &podinfo, std::slice::from_ref(&new)).unwrap();
        let [(file, bytes)] = edits.as_slice() else { panic!("{edits:?}") };
        assert_eq!(*file, folder.child("kustomization.yaml"));
        let entry = "images:\n  - name: ghcr.io/stefanprodan/podinfo\n    newTag: 6.15.0\n";
        assert!(String::from_utf8_lossy(bytes).ends_with(entry), "{}", String::from_utf8_lossy(bytes));
        let shared = shared_versions(&tree, &folder, &podinfo);
        assert!(!shared.is_empty() && shared.iter().all(|p| p.message.contains("which other environments share")));
        assert!(shared[0].help.as_ref().unwrap().contains("newTag: 6.14.1 }]`"), "{shared:?}");
    }
}

#[test]
fn prom_001_microservices_demo_becomes_promotable() {
    let Some(mut files) = corpus("microservices-demo") else { return };
    let names = [
        "adservice",
        "cartservice",
        "checkoutservice",
        "currencyservice",
        "emailservice",
        "frontend",
        "loadgenerator",
        "paymentservice",
        "productcatalogservice",
        "recommendationservice",
        "shippingservice",
    ];
    let images = names.map(|name| format!("us-central1-docker.pkg.dev/online-boutique-ci/microservices-demo/{name}"));
    let boutique = app(&images.each_ref().map(String::as_str));
    let new: Vec<NewVersion> = images
        .iter()
        .map(|image| NewVersion { image: image.clone(), tag: "v0.11.0".to_owned(), digest: None })
        .collect();
    assert_eq!(write(&files, &path("kustomize"), &boutique, &new), Some(11), "the folder that holds its base");
    let overlay = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n- ../../kustomize\n";
    files.push((path("environments/prod/kustomization.yaml"), EntryKind::File, overlay.as_bytes().to_vec()));
    assert_eq!(write(&files, &path("environments/prod"), &boutique, &new), Some(11), "an overlay of it");
}

#[test]
fn prom_001_ranges_of_the_flux_example_are_explained() {
    let Some(files) = corpus("flux2-kustomize-helm-example") else { return };
    let mut objects = MemoryObjects::default();
    let root = objects.add(files);
    let tree = Tree::new(root, &objects);
    let mut podinfo = app(&[]);
    podinfo.charts.push(Image { name: "podinfo".to_owned(), tag: TagTemplate::Custom("{semver}".to_owned()) });
    let fields = version_fields(&tree, &path("apps/production"), &podinfo).unwrap();
    let left = left_alone(&fields).unwrap();
    insta::assert_snapshot!(format!("{}: {}. {}", left.location.unwrap(), left.message, left.help.unwrap()), @"apps/production/podinfo-values.yaml:9:16: `>=1.0.0` lets Flux choose the version of chart podinfo, so it is left to Flux. Write one exact version there if Trunkline shall set it.");
    let redis = app(&["public.ecr.aws/docker/library/redis"]);
    let problems = version_fields(&tree, &path("apps/production"), &redis).unwrap_err();
    insta::assert_snapshot!(format!("{}: {}. {}", problems[0].location.as_ref().unwrap(), problems[0].message, problems[0].help.as_ref().unwrap()), @"apps/base/podinfo/release.yaml:27:12: the tag of public.ecr.aws/docker/library/redis is part of Helm values in apps/base/podinfo, which other environments share. Give apps/production a patch of that object that sets its own `tag: 8.6.2`; from then on it is promoted there.");
}

/// A tag, tricky ones often: what YAML takes for a number, a boolean, a date or nothing.
fn tag() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z0-9_][A-Za-z0-9_.-]{0,12}",
        prop::sample::select(vec![
            "1.0",
            "1.10",
            "1e3",
            "0777",
            "0x10",
            "0o7",
            "1_000",
            "123e4567",
            "yes",
            "no",
            "on",
            "null",
            "true",
            "2024-01-02",
            "latest",
            "v1.0-rc.1",
            "00",
            "0012345",
            "1.2.3",
        ])
        .prop_map(str::to_owned),
    ]
}

/// A file that holds the image `ghcr.io/acme/shop` in one of many styles; `{q}` quotes, `{t}` is the tag.
fn file() -> impl Strategy<Value = (String, String)> {
    let shapes = vec![
        (
            "kustomization.yaml",
            "resources: [pod.yaml]\nimages: # ours\n- name: ghcr.io/acme/shop # the shop\n  newTag: {q}{t}{q} # now\n- name: other\n  newTag: v1\n",
        ),
        (
            "kustomization.yaml",
            "images:\n    -   newTag: {q}{t}{q}\n        name: ghcr.io/acme/shop\nresources:\n    -   pod.yaml\n",
        ),
        ("kustomization.yaml", "images: [ { name: ghcr.io/acme/shop, newTag: {q}{t}{q} } ]\nresources: [pod.yaml]\n"),
        (
            "kustomization.yaml",
            "images:\n- name: shop\n  newName: ghcr.io/acme/shop\n  newTag: {q}{t}{q}\n  digest: sha256:aa # old\nresources: [pod.yaml]\n",
        ),
        (
            "pod.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: shop}\nspec:\n  containers:\n  - name: a\n    image: {q}ghcr.io/acme/shop:{t}{q}   # here\n  - {image: {q}ghcr.io/acme/shop:{t}{q}, name: b}\n",
        ),
        (
            "pod.yaml",
            "# head\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: other:v1}]}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: b}\nspec:\n  initContainers: [{name: i, image: {q}ghcr.io/acme/shop:{t}@sha256:aa{q}}]\n",
        ),
        (
            "release.yaml",
            "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: shop}\nspec:\n  values:\n    a: {image: {repository: ghcr.io/acme/shop, tag: {q}{t}{q}}}\n    b:\n      repository: ghcr.io/acme/shop\n      tag: {q}{t}{q} # b\n",
        ),
        (
            "release.yaml",
            "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: shop}\nspec:\n  values:\n    image:\n      # by hand\n      tag: {q}{t}{q}\n",
        ),
        (
            "source.yaml",
            "apiVersion: source.toolkit.fluxcd.io/v1\nkind: OCIRepository\nmetadata: {name: shop}\nspec:\n  url: oci://ghcr.io/acme/shop\n  ref:\n    tag: {q}{t}{q}\n",
        ),
        (
            "flux.yaml",
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: shop}\nspec:\n  images:\n  - name: ghcr.io/acme/shop\n    newTag: {q}{t}{q}\n",
        ),
        (
            "score.yaml",
            "apiVersion: score.dev/v1b1\nmetadata: {name: shop}\ncontainers:\n  a:\n    image: {q}ghcr.io/acme/shop:{t}{q}\n",
        ),
    ];
    (prop::sample::select(shapes), prop::sample::select(vec!["", "'", "\""]), tag(), any::<bool>(), any::<bool>())
        .prop_map(|((name, shape), quote, tag, windows, open)| {
            // A tag that YAML takes for something else is only a tag in quotes.
            let quote = if quote.is_empty() && !shape.contains(":{t}") { "\"" } else { quote };
            // Brackets around a plain text with a colon in it are read as one would think.
            let mut text = shape.replace("{q}", quote).replace("{t}", &tag);
            if open {
                text = text.trim_end().to_owned();
            }
            (name.to_owned(), if windows { text.replace('\n', "\r\n") } else { text })
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_version_in_any_style_is_written_and_read_again((name, text) in file(), tag in tag(), pinned in any::<bool>()) {
        let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: shop}\nspec: {containers: [{name: shop, image: 'ghcr.io/acme/shop:v0'}, {name: other, image: other}]}\n";
        let mut files: Files = vec![(path(&format!("env/{name}")), EntryKind::File, text.clone().into_bytes())];
        if name == "kustomization.yaml" {
            files.push((path("env/pod.yaml"), EntryKind::File, pod.as_bytes().to_vec()));
        }
        let new = NewVersion {
            image: "ghcr.io/acme/shop".to_owned(),
            tag: tag.clone(),
            digest: pinned.then(|| DIGEST.to_owned()),
        };
        let written = write(&files, &path("env"), &app(&["ghcr.io/acme/shop"]), &[new]);
        prop_assert!(written.is_some(), "{text}");
    }
}
