//! IMG-002: images come from where the organisation looks.

use super::common::image_parts;
use super::{E, Hit, I, Rule, W};
use crate::policy::world::{World, is_placeholder};

pub(super) const RULE: Rule = Rule {
    id: "IMG-002",
    title: "Every image comes from a place that `policies.images-from` lists.",
    severities: [I, W, E],
    why: "An image from anywhere is code from anybody, and nobody scans it, signs it or keeps it.",
    fix: "Use the image from a listed registry, copy it there, or add its place to `policies.images-from`.",
    good: "# file: env/pod.yaml
apiVersion: v1
kind: Pod
metadata: { name: shop }
spec: { containers: [{ name: shop, image: 'ghcr.io/acme/shop:v1' }] }
",
    bad: "# file: env/pod.yaml
apiVersion: v1
kind: Pod
metadata: { name: shop }
spec: { containers: [{ name: shop, image: 'nginx:1.29' }] }
",
    check,
};

/// Without a list every place is as good as another, and the rule says nothing.
fn check(world: &World) -> Vec<Hit> {
    let mut hits = Vec::new();
    if world.images_from.is_empty() {
        return hits;
    }
    for workload in &world.workloads {
        for container in workload.containers() {
            let Some(node) = container.node.get("image") else { continue };
            let Some(image) = node.as_str().filter(|image| !is_placeholder(image)) else { continue };
            let name = full(image_parts(image).0);
            let is_below = |place: &String| {
                name.strip_prefix(full_place(place).as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            if !world.images_from.iter().any(is_below) {
                let message = format!(
                    "image `{image}` of container `{}` comes from a place that is not listed",
                    container.name()
                );
                hits.push(Hit::new(workload.object, node, message));
            }
        }
    }
    hits
}

/// An image's whole name: what names no host is Docker Hub's, and a single word there is `library`'s.
fn full(name: &str) -> String {
    match name.split_once('/') {
        None => format!("docker.io/library/{name}"),
        Some(("index.docker.io", rest)) => format!("docker.io/{rest}"),
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => name.to_owned(),
        Some(_) => format!("docker.io/{name}"),
    }
}

/// A listed place is a host, or a host and more.
fn full_place(place: &str) -> String {
    match place.split_once('/') {
        Some((host, _)) if !host.contains(['.', ':']) && host != "localhost" => format!("docker.io/{place}"),
        _ => place.to_owned(),
    }
}
