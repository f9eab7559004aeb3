//! Repositories laid out like those of the corpus, met by Trunkline: what they are offered holds, and leads to a first promotion.

use trunkline::config;
use trunkline::model::id::RepoName;
use trunkline::model::onboarding::ONBOARDING_BRANCH;
use trunkline::model::path::RepoPath;
use trunkline::model::tree::{EntryKind, MemoryObjects};
use trunkline::render::Memory;
use trunkline::render::propose::{Here, propose};
use trunkline::sandbox::seed::ENVIRONMENTS;

use crate::fields_corpus::corpus;
use crate::onboarding::{CONFIG, enforce, file};
use crate::stories::{merge_to_trunk, tag, text};
use crate::world::World;

/// Where the repositories stand as they are.
pub(crate) const ALL: [&str; 3] = ["flux2-kustomize-helm-example", "microservices-demo", "podinfo"];

fn offered(files: Vec<(RepoPath, EntryKind, Vec<u8>)>) -> Option<trunkline::model::onboarding::Proposal> {
    let mut objects = MemoryObjects::default();
    let root = objects.add(files);
    let name: RepoName = "acme/environments".parse().unwrap();
    propose(&mut Memory::new(&objects), root, &Here { name: &name, sources: &["acme/shop".parse().unwrap()] })
}

#[test]
fn what_is_offered_to_real_repositories_holds() {
    for name in ALL {
        let Some(files) = corpus(name) else { return };
        let proposal = offered(files).unwrap_or_else(|| panic!("{name} speaks for itself"));
        let parsed = config::parse(&config::FILE.parse().unwrap(), &proposal.text);
        assert_eq!(parsed.problems, [], "{name}");
        assert_eq!(parsed.pipeline.as_ref(), Some(&proposal.pipeline), "{name}");
        insta::assert_snapshot!(format!("offered_{name}"), proposal.text);
        let notes: Vec<String> =
            proposal.notes.iter().map(|(environment, note)| format!("{environment}: {note:?}")).collect();
        insta::assert_snapshot!(
            format!("notes_{name}"),
            format!("{}\n\n{}", notes.join("\n"), proposal.questions.join("\n"))
        );
    }
}

/// Parts of real repositories: whatever folders are missing, what is offered holds by our own rules.
#[test]
fn what_is_offered_to_parts_of_real_repositories_holds() {
    let mut offers = 0;
    for name in ALL {
        let Some(files) = corpus(name) else { return };
        let mut folders: Vec<RepoPath> = files.iter().map(|(path, ..)| path.parent()).collect();
        folders.sort();
        folders.dedup();
        for without in folders {
            let rest = files.iter().filter(|(path, ..)| !path.is_within(&without)).cloned().collect();
            let Some(proposal) = offered(rest) else { continue };
            offers += 1;
            let parsed = config::parse(&config::FILE.parse().unwrap(), &proposal.text);
            assert_eq!(
                (parsed.problems, parsed.pipeline),
                (Vec::new(), Some(proposal.pipeline)),
                "{name} without {without}"
            );
        }
    }
    assert!(offers > 20, "{offers}");
}

/// Names of folders, kind and unkind.
#[test]
fn whatever_folders_are_called_what_is_offered_holds() {
    use proptest::prelude::*;
    let part = prop_oneof![
        Just("dev".to_owned()),
        Just("prod".to_owned()),
        Just("Prod".to_owned()),
        Just("staging-eu".to_owned()),
        Just("shop".to_owned()),
        Just("apps".to_owned()),
        Just("yes".to_owned()),
        Just("1e3".to_owned()),
        Just("{app}".to_owned()),
        "[ -~]{1,12}",
        "\\PC{1,8}",
    ];
    let folder = prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("/"));
    let image =
        prop_oneof![Just("ghcr.io/acme/shop:v1".to_owned()), Just("ghcr.io/acme/cart:1.2".to_owned()), "[ -~]{1,20}"];
    let files = prop::collection::vec((folder, image), 1..6);
    proptest!(ProptestConfig::with_cases(300), |(files in files)| {
        let mut all: Vec<(RepoPath, EntryKind, Vec<u8>)> = Vec::new();
        for (folder, image) in &files {
            let Ok(folder) = folder.parse::<RepoPath>() else { continue };
            let pod = serde_json::json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "x" }, "spec": { "containers": [{ "name": "x", "image": image }] } });
            let parts: Vec<&str> = folder.parts().collect();
            // A file cannot stand where a folder of another path does.
            if all.iter().any(|(path, ..)| path.parts().any(|part| part.ends_with(".yaml")) && path.parts().count() <= parts.len() && parts.iter().any(|part| part.ends_with(".yaml"))) {
                continue;
            }
            all.push((folder.child("pod.yaml"), EntryKind::File, pod.to_string().into_bytes()));
            all.push((folder.child("kustomization.yaml"), EntryKind::File, b"resources: [pod.yaml]\n".to_vec()));
        }
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all.dedup_by(|a, b| a.0 == b.0);
        if let Some(proposal) = offered(all) {
            let parsed = config::parse(&config::FILE.parse().unwrap(), &proposal.text);
            prop_assert_eq!(parsed.pipeline, Some(proposal.pipeline));
        }
    });
}

/// Somebody answers the one question that must be answered, merges, and lets it act.
async fn onboarded(files: Vec<(RepoPath, EntryKind, Vec<u8>)>) -> World {
    let files = files.into_iter().map(|(path, _, bytes)| (&*path.to_string().leak(), bytes));
    let files: Vec<(&'static str, Vec<u8>)> = files.collect();
    let mut world = World::with(&files).await;
    let offered = file(&world, ONBOARDING_BRANCH);
    let question = offered.lines().find(|line| line.contains("# source:")).expect("it asks for the source");
    let answered = text(&offered.replace(question, "    source: acme/shop"));
    world.github.push_files(ENVIRONMENTS, ONBOARDING_BRANCH, "sam", "It is the shop", &[(CONFIG, answered)]);
    world.settle().await;
    assert!(world.check(1).starts_with("success"), "{}", world.check(1));
    world.github.merge_pull(ENVIRONMENTS, "sam", 1);
    world.settle().await;
    enforce(&mut world).await;
    world
}

#[tokio::test]
async fn podinfo_whose_version_only_a_base_sets_comes_to_a_first_promotion() {
    let Some(files) = corpus("podinfo") else { return };
    let mut world = onboarded(files).await;
    assert!(world.body(1).contains("which other environments share"), "{}", world.body(1));
    assert!(world.body(1).contains("The first promotion adds"), "{}", world.body(1));
    let sha = merge_to_trunk(&mut world, "Sell more").await;
    tag(&mut world, "7.0.0-rc.1", &sha).await;
    tag(&mut world, "7.0.0", &sha).await;
    insta::assert_snapshot!(world.pulls().join("\n"), @r#"
    #1 merged: "Let Trunkline watch these environments", by trunkline[bot]
    #3 merged: "Promote podinfo 1123e8d to dev", by trunkline[bot]
    #4 merged: "Promote podinfo 7.0.0-rc.1 to staging", by trunkline[bot]
    #5 open: "Promote podinfo 7.0.0 to production", by trunkline[bot]
    "#);
    let staging = world.github.read_file(ENVIRONMENTS, "main", "deploy/overlays/staging/kustomization.yaml").unwrap();
    assert!(staging.contains("newTag: 7.0.0-rc.1"), "{staging}");
    let base = world.github.read_file(ENVIRONMENTS, "main", "deploy/bases/backend/deployment.yaml").unwrap();
    assert!(base.contains("podinfo:6.14.1"), "the base stays: {base}");
}

#[tokio::test]
async fn microservices_demo_whose_folders_say_nothing_comes_to_a_first_promotion() {
    let Some(files) = corpus("microservices-demo") else { return };
    let mut world = onboarded(files).await;
    let sha = merge_to_trunk(&mut world, "Sell more").await;
    tag(&mut world, "v1.0", &sha).await;
    insta::assert_snapshot!(world.pulls().join("\n"), @r#"
    #1 merged: "Let Trunkline watch these environments", by trunkline[bot]
    #3 open: "Promote microservices-demo v1.0 to kustomize", by trunkline[bot]
    "#);
}

#[tokio::test]
async fn flux2_kustomize_helm_example_whose_chart_flux_chooses_comes_to_a_first_promotion() {
    let Some(files) = corpus("flux2-kustomize-helm-example") else { return };
    let mut world = onboarded(files).await;
    let body = world.body(1);
    assert!(body.contains("Write one exact version there if Trunkline shall set it"), "{body}");
    let sha = merge_to_trunk(&mut world, "Sell more").await;
    tag(&mut world, "v1.0-rc.1", &sha).await;
    assert_eq!(world.pulls().len(), 1, "what Flux chooses is left to it: {:?}", world.pulls());
    let path = "apps/staging/podinfo-values.yaml";
    let now = world.github.read_file(ENVIRONMENTS, "main", path).unwrap();
    let exact = text(&now.replace(">=1.0.0-alpha", "1.0.0-rc.0"));
    world.github.push_files(ENVIRONMENTS, "main", "sam", "One exact version", &[(path, exact)]);
    world.settle().await;
    tag(&mut world, "v1.0-rc.2", &sha).await;
    insta::assert_snapshot!(world.pulls().join("\n"), @r#"
    #1 merged: "Let Trunkline watch these environments", by trunkline[bot]
    #3 merged: "Promote podinfo v1.0-rc.2 to staging", by trunkline[bot]
    "#);
    let staging = world.github.read_file(ENVIRONMENTS, "main", path).unwrap();
    assert!(staging.contains("1.0.0-rc.2"), "{staging}");
}
