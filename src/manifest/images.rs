//! Images a change moves, summed up for the eye.

use std::collections::{BTreeMap, BTreeSet};

use super::node::{Node, Object, Value};
use crate::model::finding::ImageChange;

/// Longer image references are cut where they are shown; registries refuse names over 255 characters.
const MAX_IMAGE_CHARS: usize = 300;

/// Images that change anywhere in pod templates, each name once a tag, sorted.
pub fn image_changes(before: &[Object], after: &[Object]) -> Vec<ImageChange> {
    let (old, new) = (images(before), images(after));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let none = BTreeSet::new();
    let mut changes = Vec::new();
    for name in names {
        let (old, new) = (old.get(name).unwrap_or(&none), new.get(name).unwrap_or(&none));
        let (gone, fresh): (Vec<_>, Vec<_>) = (old.difference(new).collect(), new.difference(old).collect());
        for at in 0..gone.len().max(fresh.len()) {
            let tag = |tags: &[&String]| tags.get(at).map_or(String::new(), |tag| (*tag).clone());
            changes.push(ImageChange { name: name.clone(), from: tag(&gone), to: tag(&fresh) });
        }
    }
    changes
}

/// Every image's tags. An image without tag is `latest`, which is what Kubernetes pulls.
fn images(objects: &[Object]) -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::<String, BTreeSet<String>>::new();
    for object in objects {
        collect_images(&object.node, &mut |image| {
            let image: String = image.chars().take(MAX_IMAGE_CHARS).collect();
            let (name, tag) = split_image(&image);
            found.entry(name.to_owned()).or_default().insert(tag.to_owned());
        });
    }
    found
}

fn collect_images(node: &Node, found: &mut impl FnMut(&str)) {
    match &node.value {
        Value::Map(map) => {
            for (key, value) in map.iter() {
                if matches!(key.text.as_str(), "containers" | "initContainers" | "ephemeralContainers") {
                    value
                        .as_list()
                        .unwrap_or_default()
                        .iter()
                        .filter_map(|item| item.str_at(&["image"]))
                        .for_each(&mut *found);
                } else {
                    collect_images(value, found);
                }
            }
        }
        Value::List(list) => list.iter().for_each(|item| collect_images(item, found)),
        _ => {}
    }
}

/// An image's name, and its tag, digest, or both as written.
pub fn split_image(image: &str) -> (&str, &str) {
    let name_end = image.find('@').unwrap_or(image.len());
    let path = image[..name_end].rfind('/').map_or(0, |slash| slash + 1);
    match image[path..name_end].find(':') {
        Some(colon) => (&image[..path + colon], &image[path + colon + 1..]),
        None if name_end < image.len() => (&image[..name_end], &image[name_end + 1..]),
        None => (image, "latest"),
    }
}
