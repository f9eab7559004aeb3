//! SCORE-001: a Score file says what can be made of it.

use super::{E, Hit, Rule};
use crate::manifest::load::load;
use crate::manifest::{Node, Value};
use crate::model::tree::EntryKind;
use crate::policy::world::World;

pub(super) const RULE: Rule = Rule {
    id: "SCORE-001",
    title: "A Score file is whole, and what it refers to is among its resources.",
    severities: [E; 3],
    why: "The program that makes manifests of it stops at the first fault, and the environment keeps the old ones.",
    fix: "Add what is missing, correct the placeholder, or declare the resource under `resources`.",
    good: "# file: env/score.yaml
apiVersion: score.dev/v1b1
metadata: { name: shop }
containers:
  web:
    image: ghcr.io/acme/shop:v1
    variables: { DATABASE: '${resources.db.host}', NAME: '${metadata.name}' }
resources: { db: { type: postgres } }
# file: env/kustomization.yaml
resources: []
",
    bad: "# file: env/score.yaml
apiVersion: score.dev/v1b1
metadata: { name: shop }
containers:
  web:
    image: .
    variables: { DATABASE: '${resources.database.host}' }
resources: { db: { type: postgres } }
# file: env/kustomization.yaml
resources: []
",
    check,
};

const KEYS: [&str; 5] = ["apiVersion", "metadata", "service", "containers", "resources"];
/// Files looked at in one folder: an environment has one for each of its workloads.
const MOST: usize = 100;

/// The Score files that stand in the environment's folder. Which types of resources can be made, only whoever makes them knows.
fn check(world: &World) -> Vec<Hit> {
    let entries = world.tree.list(world.folder).unwrap_or_default();
    let is_score = |name: &str| {
        let stem = name.strip_suffix(".yaml").or(name.strip_suffix(".yml"));
        stem.is_some_and(|stem| stem == "score" || stem.ends_with(".score"))
    };
    let files = entries.iter().filter(|entry| entry.kind == EntryKind::File && is_score(&entry.name)).take(MOST);
    let mut hits = Vec::new();
    for path in files.map(|entry| world.folder.child(&entry.name)) {
        let Ok(bytes) = world.tree.read(&path) else { continue };
        for document in load(&path, &bytes).documents {
            // Others use the name for other things.
            if document.node.str_at(&["apiVersion"]).is_some_and(|api| api.starts_with("score.dev/")) {
                hits.extend(judge(&document.node));
            }
        }
    }
    hits
}

fn hit(at: &Node, message: String) -> Hit {
    Hit::in_file(at.span.location(), message)
}

fn judge(file: &Node) -> Vec<Hit> {
    let mut hits = Vec::new();
    for (key, value) in file.as_map().into_iter().flat_map(|map| map.iter()) {
        if !KEYS.contains(&key.text.as_str()) {
            hits.push(hit(value, format!("`{}` is no key of a Score file", key.text)));
        }
    }
    if file.str_at(&["metadata", "name"]).is_none() {
        hits.push(hit(file, "has no `metadata.name`".to_owned()));
    }
    let Some(containers) = file.get("containers").and_then(Node::as_map).filter(|map| !map.is_empty()) else {
        hits.push(hit(file, "has no `containers`".to_owned()));
        return hits;
    };
    for (name, container) in containers.iter() {
        match container.get("image").map(|image| (image, image.as_str())) {
            None => hits.push(hit(container, format!("container `{}` has no image", name.text))),
            Some((node, Some("."))) => {
                let message = format!("container `{}` still has the image `.`, for which nobody put one in", name.text);
                hits.push(hit(node, message));
            }
            _ => {}
        }
        placeholders(file, container, &mut hits);
    }
    hits
}

/// Every `${…}` in the texts of a container. Recursion is bounded by the reader's depth limit.
fn placeholders(file: &Node, node: &Node, hits: &mut Vec<Hit>) {
    match &node.value {
        Value::Map(map) if map.get("noExpand").and_then(Node::as_bool) == Some(true) => {}
        Value::Map(map) => map.iter().for_each(|(_, node)| placeholders(file, node, hits)),
        Value::List(list) => list.iter().for_each(|node| placeholders(file, node, hits)),
        Value::String(text) => {
            let text = text.replace("$$", "");
            for part in text.split("${").skip(1) {
                let Some((inside, _)) = part.split_once('}') else { continue };
                hits.extend(unknown(file, inside).map(|message| hit(node, message)));
            }
        }
        _ => {}
    }
}

fn unknown(file: &Node, inside: &str) -> Option<String> {
    // A dot inside a name is written `\.`; such names are left alone.
    let mut parts = inside.split('.');
    match (parts.next(), parts.next()) {
        _ if inside.contains('\\') => None,
        (Some("metadata"), Some(_)) => None,
        (Some("resources"), Some(name)) if file.at(&["resources", name]).is_some() => None,
        (Some("resources"), Some(name)) => Some(format!("refers to resource `{name}`, which is not among `resources`")),
        _ => Some(format!("`${{{inside}}}` is neither of `metadata` nor of `resources`")),
    }
}
