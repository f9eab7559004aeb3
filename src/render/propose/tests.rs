//! What is proposed for small repositories of every layout.

use super::*;
use crate::model::tree::MemoryObjects;

fn proposed(files: &[(&str, &str)], sources: &[&str]) -> Option<Proposal> {
    let mut objects = MemoryObjects::default();
    let root = objects.add_text(files.iter().copied()).unwrap();
    let sources: Vec<RepoName> = sources.iter().map(|name| name.parse().unwrap()).collect();
    let name = "acme/environments".parse().unwrap();
    propose(&mut Memory::new(&objects), root, &Here { name: &name, sources: &sources })
}

fn pod(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or_default().split(':').next().unwrap_or_default();
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{ name: {name} }}\nspec:\n  containers: [{{ name: x, image: \"{image}\" }}]\n"
    )
}

#[test]
fn what_speaks_for_nothing_gets_nothing() {
    let object = pod("ghcr.io/acme/shop:v1");
    assert_eq!(proposed(&[], &[]), None);
    assert_eq!(proposed(&[("README.md", "# Hi"), ("main.go", "package main")], &[]), None);
    // A manifest in a source repository is no environment, nor is what only others build.
    assert_eq!(proposed(&[("deploy/pod.yaml", &object)], &[]), None);
    assert_eq!(proposed(&[("prod/pod.yaml", &pod("redis:7"))], &[]), None);
    assert_eq!(proposed(&[("prod/pod.yaml", &pod("quay.io/jetstack/cert-manager:v1"))], &[]), None);
}

#[test]
fn an_application_a_folder_in_each_environment() {
    let (shop, cart) = (pod("ghcr.io/acme/shop:v1.0"), pod("ghcr.io/acme/cart:2.0"));
    let redis = pod("redis:7");
    let files = [
        ("apps/shop/dev/pod.yaml", shop.as_str()),
        ("apps/shop/prod/pod.yaml", &shop),
        ("apps/cart/dev/pod.yaml", &cart),
        ("apps/cart/dev/redis.yaml", &redis),
        ("apps/cart/prod/pod.yaml", &cart),
        ("infrastructure/prod/x.yaml", &shop),
    ];
    let proposal = proposed(&files, &["acme/shop"]).unwrap();
    insta::assert_snapshot!(proposal.text);
    insta::assert_snapshot!(proposal.questions.join("\n"), @r"
    Where are trunk and the tags of cart? Without `source`, they are taken to be in this repository.
    1 more folder holds versions and is listed at the end of the file: does it belong to an environment?
    ");
}

#[test]
fn hostile_names_are_not_proposed_or_quoted() {
    let shop = pod("ghcr.io/acme/shop:v1.0");
    let evil = "env # x: [1]\u{202e}/prod";
    let files =
        [(format!("{evil}/pod.yaml"), shop.clone()), ("env # x: [1]\u{202e}/\"}{/dev/pod.yaml".to_owned(), shop)];
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    if let Some(proposal) = proposed(&files, &[]) {
        assert!(proposal.pipeline.environments.iter().all(|env| !env.path.contains('\n')));
    }
}
