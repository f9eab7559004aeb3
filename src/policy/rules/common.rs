//! What several rules know: Flux's kinds, durations, quantities, images, and which images are databases.

use std::collections::{HashMap, HashSet};

use crate::manifest::quantity::{BILLION, billionths};
use crate::manifest::{Node, Object};
use crate::policy::Class;
use crate::policy::schema::go_duration;
use crate::policy::world::{World, name_of, namespace_of};

/// Flux's `Kustomization`.
pub(super) const KUSTOMIZATION: (&str, &str) = ("kustomize.toolkit.fluxcd.io", "Kustomization");
/// Flux's `HelmRelease`.
pub(super) const HELM_RELEASE: (&str, &str) = ("helm.toolkit.fluxcd.io", "HelmRelease");
/// The group of Flux's sources.
pub(super) const SOURCE: &str = "source.toolkit.fluxcd.io";

/// The namespace a reference of `object` leads to: its own, unless the reference names one.
pub(super) fn namespace_in<'a>(reference: &'a Node, object: &'a Object) -> &'a str {
    reference.str_at(&["namespace"]).unwrap_or_else(|| namespace_of(object))
}

/// Who an object waits for, as written in `dependsOn`: the places of those that are here.
pub(super) fn depends_on(world: &World, of: (&str, &str), object: &Object) -> Vec<*const Object> {
    let named = object.node.list_at(&["spec", "dependsOn"]).iter();
    let found = named.filter_map(|one| world.find_of(of, namespace_in(one, object), one.str_at(&["name"])?));
    found.map(std::ptr::from_ref).collect()
}

/// Everybody whom a place waits for, however far: each is visited once, so rings end.
pub(super) fn reachable<T: Copy + Eq + std::hash::Hash>(from: T, edges: &HashMap<T, Vec<T>>) -> HashSet<T> {
    let (mut seen, mut open) = (HashSet::new(), vec![from]);
    while let Some(next) = open.pop() {
        for to in edges.get(&next).into_iter().flatten() {
            if seen.insert(*to) {
                open.push(*to);
            }
        }
    }
    seen
}

/// The seconds of a duration as Go writes it: `90s`, `10m`, `1h30m`.
pub(super) fn seconds(text: &str) -> Option<f64> {
    Some(go_duration(text)? as f64 / 1e9)
}

/// A quantity of Kubernetes, to be compared with others: `10Gi`, `500M`, `1`.
pub(super) fn quantity(node: &Node) -> Option<i128> {
    match node.as_int() {
        Some(number) => i128::from(number).checked_mul(BILLION),
        None => billionths(node.as_str()?),
    }
}

/// An image's name, tag and digest.
pub(super) fn image_parts(image: &str) -> (&str, Option<&str>, Option<&str>) {
    let (rest, digest) = image.split_once('@').map_or((image, None), |(rest, digest)| (rest, Some(digest)));
    match rest.rsplit_once(':') {
        // A colon before a slash belongs to the registry's port.
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag), digest),
        _ => (rest, None, digest),
    }
}

/// The names of images that hold data and speak to applications only.
const DATABASES: [&str; 22] = [
    "postgres",
    "postgresql",
    "postgis",
    "timescaledb",
    "mysql",
    "mysql-server",
    "mariadb",
    "percona-server",
    "mongo",
    "mongodb",
    "mongodb-community-server",
    "redis",
    "valkey",
    "keydb",
    "cassandra",
    "scylla",
    "elasticsearch",
    "opensearch",
    "clickhouse-server",
    "cockroach",
    "couchdb",
    "influxdb",
];

/// Whether a pod template runs a database: one of its lasting containers has such an image.
pub(super) fn is_database(template: &Node) -> bool {
    let images = template.list_at(&["spec", "containers"]).iter().filter_map(|one| one.str_at(&["image"]));
    images.into_iter().any(|image| {
        let name = image_parts(image).0;
        DATABASES.contains(&name.rsplit('/').next().unwrap_or(name))
    })
}

/// Annotations, labels or another mapping of texts.
pub(super) fn texts<'a>(object: &'a Object, path: &[&str]) -> impl Iterator<Item = (&'a str, &'a Node)> {
    let map = object.node.at(path).and_then(Node::as_map);
    map.into_iter().flat_map(|map| map.iter()).map(|(key, value)| (key.text.as_str(), value))
}

/// Whether Flux itself brings the object: `flux bootstrap` and `flux install` write these, and nobody edits them.
pub(super) fn is_part_of_flux(object: &Object) -> bool {
    object.node.str_at(&["metadata", "labels", "app.kubernetes.io/part-of"]) == Some("flux")
        || (name_of(object) == "flux-system" && object.kind() == "Namespace")
}

/// Whether a version is exactly one: three numbers, and what may follow them.
pub(super) fn is_exact(version: &str) -> bool {
    let version = version.strip_prefix('v').unwrap_or(version);
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let parts: Vec<&str> = core.split('.').collect();
    parts.len() == 3 && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The class of environment that a name says outright; less certain words say nothing.
pub(super) fn class_of(name: &str) -> Option<Class> {
    let mut classes = name.split(['-', '_', '.', '/']).filter_map(|word| match word {
        "dev" | "development" => Some(Class::Dev),
        "stage" | "staging" => Some(Class::Stage),
        "prod" | "production" => Some(Class::Prod),
        _ => None,
    });
    let class = classes.next()?;
    // `dev-prod` and `non-prod` say nothing.
    let is_none = name.contains("non-") || name.contains("pre-") || classes.any(|other| other != class);
    (!is_none).then_some(class)
}

/// A class in a sentence.
pub(super) fn class_word(class: Class) -> &'static str {
    match class {
        Class::Dev => "a development environment",
        Class::Stage => "a staging environment",
        Class::Prod => "production",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::load::load;

    #[test]
    fn durations_quantities_images_and_versions() {
        assert_eq!(
            ["90s", "1h30m", "10m0s", "5", "soon"].map(seconds),
            [Some(90.0), Some(5400.0), Some(600.0), None, None]
        );
        let of = |text: &str| quantity(&load(&"a".parse().unwrap(), text.as_bytes()).documents[0].node);
        assert_eq!(
            ["10Gi", "1G", "7", "100m", "x"].map(of),
            [
                Some(10 * 1024 * 1024 * 1024 * BILLION),
                Some(BILLION * BILLION),
                Some(7 * BILLION),
                Some(BILLION / 10),
                None
            ]
        );
        assert_eq!(image_parts("host:5000/a/b:v1@sha256:0"), ("host:5000/a/b", Some("v1"), Some("sha256:0")));
        assert_eq!(image_parts("host:5000/a"), ("host:5000/a", None, None));
        let exact = ["1.2.3", "v1.2.3-rc.1", "1.2", "1.x", ">=1.0.0", "^1.2.3", "1.2.*"];
        assert_eq!(exact.map(is_exact), [true, true, false, false, false, false, false]);
    }
}
