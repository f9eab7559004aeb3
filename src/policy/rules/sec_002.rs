//! SEC-002: no credential hides among ordinary settings.

use std::sync::LazyLock;

use regex::Regex;

use super::{E, Hit, Rule};
use crate::manifest::{Node, Object, Value};
use crate::policy::world::{World, is_placeholder};

pub(super) const RULE: Rule = Rule {
    id: "SEC-002",
    title: "No credential stands among ordinary settings.",
    severities: [E; 3],
    why: "ConfigMaps, environment variables and arguments are shown, logged and copied freely; nobody guards them as secrets.",
    fix: "Move it into a secret store and refer to it (`secretKeyRef`), and change the credential itself: git remembers.",
    good: "# file: env/pod.yaml
apiVersion: v1
kind: Pod
metadata: { name: shop }
spec:
  containers:
    - name: shop
      image: shop:v1
      env: [{ name: DATABASE_URL, value: 'postgres://shop:$(DATABASE_PASSWORD)@db/shop' }]
",
    bad: "# file: env/pod.yaml
apiVersion: v1
kind: Pod
metadata: { name: shop }
spec:
  containers:
    - name: shop
      image: shop:v1
      env: [{ name: DATABASE_URL, value: 'postgres://shop:correct-horse@db/shop' }]
",
    check,
};

/// What a credential looks like: a pattern whose first group, or whole match, is the credential itself, and its name for people.
static LOOKS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let table = [
        (r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@]*:([^\s/@]+)@", "a URL with a password"),
        (r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b", "an AWS access key"),
        (r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----[A-Za-z0-9+/=\s-]*", "a private key"),
        (r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})", "a GitHub token"),
        (r"\bglpat-[A-Za-z0-9_-]{20,}", "a GitLab token"),
        (r"\bxox[abeprs]-[A-Za-z0-9-]{10,}", "a Slack token"),
        (r"\b[rs]k_live_[A-Za-z0-9]{16,}", "a Stripe key"),
        (r"\bAIza[0-9A-Za-z_-]{35}", "a Google API key"),
        (r"\bnpm_[A-Za-z0-9]{36}\b", "an npm token"),
        (r"\bhvs\.[A-Za-z0-9_-]{24,}", "a Vault token"),
        (r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}", "a signed token (JWT)"),
    ];
    // The table is fixed and each pattern is tried by the tests, so none is dropped here.
    table.into_iter().filter_map(|(pattern, name)| Some((Regex::new(pattern).ok()?, name))).collect()
});

/// Names whose plain value is a credential, whatever it looks like.
static NAMED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)(?:^|[_.-])(?:password|passwd|api[_-]?key|access[_-]?key|secret[_-]?key|client[_-]?secret|auth[_-]?token|access[_-]?token|api[_-]?token)$").ok()
});

fn check(world: &World) -> Vec<Hit> {
    let mut hits = Vec::new();
    for workload in &world.workloads {
        for container in workload.containers() {
            let place = |what: &str| format!("{what} of container `{}`", container.name());
            for env in container.node.list_at(&["env"]) {
                let name = env.str_at(&["name"]).unwrap_or_default();
                let found =
                    env.get("value").and_then(|value| Some((value, named(name, value).or_else(|| look(value))?)));
                hits.extend(
                    found.map(|(value, looks)| hit(workload.object, value, &place(&format!("`{name}`")), looks)),
                );
            }
            for key in ["command", "args"] {
                for value in container.node.list_at(&[key]) {
                    hits.extend(
                        look(value).map(|looks| hit(workload.object, value, &place(&format!("`{key}`")), looks)),
                    );
                }
            }
        }
    }
    for object in world.objects {
        let settings: &[&[&str]] = match object.kind() {
            "ConfigMap" => &[&["data"]],
            "HelmRelease" => &[&["spec", "values"]],
            "Kustomization" => &[&["spec", "postBuild", "substitute"]],
            _ => continue,
        };
        for path in settings {
            if let Some(node) = object.node.at(path) {
                walk(object, node, &mut path.join("."), &mut hits);
            }
        }
    }
    hits
}

fn hit(object: &Object, at: &Node, place: &str, looks: &str) -> Hit {
    Hit::new(object, at, format!("{place} holds what looks like {looks}"))
}

/// Recursion over rendered values is bounded by the loader's own depth limit.
fn walk(object: &Object, node: &Node, path: &mut String, hits: &mut Vec<Hit>) {
    let length = path.len();
    match &node.value {
        Value::Map(map) => {
            for (key, value) in map.iter() {
                path.push('.');
                path.push_str(&key.text);
                match named(&key.text, value) {
                    Some(looks) => hits.push(hit(object, value, &format!("`{path}`"), looks)),
                    None => walk(object, value, path, hits),
                }
                path.truncate(length);
            }
        }
        Value::List(list) => list.iter().for_each(|value| walk(object, value, path, hits)),
        _ => hits.extend(look(node).map(|looks| hit(object, node, &format!("`{path}`"), looks))),
    }
}

/// What the value looks like, if like a credential.
fn look(node: &Node) -> Option<&'static str> {
    let text = node.as_str()?;
    LOOKS.iter().find(|(pattern, _)| pattern.captures_iter(text).any(|found| is_real(&found))).map(|(_, name)| *name)
}

fn is_real(found: &regex::Captures) -> bool {
    let credential = found.get(1).or(found.get(0)).map_or("", |found| found.as_str());
    // Flux, the kubelet and shells write variables as $x, ${x} and $(x); documents write <x> and {x}.
    !is_placeholder(credential) && !credential.starts_with(['$', '<', '{', '%'])
}

/// Whether a setting of this name holds a plain value.
fn named(name: &str, value: &Node) -> Option<&'static str> {
    let text = value.as_str()?;
    let plain = !is_placeholder(text) && !text.contains([' ', '\n', '/', '$', '<']) && text.len() >= 4;
    let is_word = matches!(text, "true" | "false" | "none" | "null");
    let credential = NAMED.as_ref().is_some_and(|names| names.is_match(name));
    (plain && !is_word && credential).then_some("a credential, by its name")
}

/// The credentials in a text, so that whoever shows it can take them out.
pub(in crate::policy) fn scrub_patterns(text: &str) -> Vec<&str> {
    LOOKS
        .iter()
        .flat_map(|(pattern, _)| pattern.captures_iter(text))
        .filter(is_real)
        .filter_map(|found| found.get(1).or(found.get(0)).map(|found| found.as_str()))
        .collect()
}

/// Whether a setting is a credential by its name.
pub(in crate::policy) fn is_named_credential(name: &str, value: &Node) -> bool {
    named(name, value).is_some()
}
