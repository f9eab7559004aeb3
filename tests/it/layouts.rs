//! Repositories laid out like those of the corpus, met by Trunkline: what they are offered holds, and leads to a first promotion.

use std::path::Path;

use trunkline::config;
use trunkline::model::id::RepoName;
use trunkline::model::path::RepoPath;
use trunkline::model::tree::{EntryKind, MemoryObjects};
use trunkline::render::Memory;
use trunkline::render::propose::{Here, propose};

use crate::fields_corpus::corpus;

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
