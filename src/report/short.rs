//! What a change comes to in one environment, in one line: images, replicas, resources.

use std::collections::HashMap;

use super::markdown::cell_code;
use crate::model::finding::{AmountChange, EnvironmentEvaluation, ImageChange};

/// A line with more is a list; the diffs have them all.
const MOST_IMAGES: usize = 4;
/// The same for replicas and resources, which are shorter.
const MOST_AMOUNTS: usize = 6;
/// Words of ours, which need no quoting.
const PLAIN: [&str; 9] = [
    "replicas",
    "min replicas",
    "max replicas",
    "cpu",
    "cpu request",
    "cpu limit",
    "memory",
    "memory request",
    "memory limit",
];

/// Images, replicas and resources of one environment, for a table cell or a line; empty when none of them changes.
pub(super) fn short(environment: &EnvironmentEvaluation) -> String {
    let mut parts: Vec<String> = parts(&environment.images);
    parts.extend(environment.amounts.iter().take(MOST_AMOUNTS).map(amount));
    let more = environment.amounts.len().saturating_sub(MOST_AMOUNTS);
    if more > 0 {
        parts.push(format!("{more} more"));
    }
    parts.join(" · ")
}

/// Images alone, where nothing else is known.
pub(super) fn images(images: &[ImageChange]) -> String {
    parts(images).join(" · ")
}

fn parts(images: &[ImageChange]) -> Vec<String> {
    let mut names: HashMap<&str, Vec<&str>> = HashMap::new();
    for image in images {
        let all = names.entry(last(&image.name)).or_default();
        if !all.contains(&image.name.as_str()) && all.len() < 2 {
            all.push(&image.name);
        }
    }
    let shown = images.iter().take(MOST_IMAGES).map(|one| {
        // Two registries' images of one name are told apart.
        let is_clear = names.get(last(&one.name)).is_none_or(|all| all.len() < 2);
        image(one, if is_clear { last(&one.name) } else { &one.name })
    });
    let mut parts: Vec<String> = shown.collect();
    if images.len() > MOST_IMAGES {
        parts.push(format!("{} more", images.len() - MOST_IMAGES));
    }
    parts
}

fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn image(image: &ImageChange, name: &str) -> String {
    let name = cell_code(name);
    let short = |tag: &str| match tag.strip_prefix("sha256:") {
        Some(digest) => cell_code(&format!("sha256:{}…", digest.chars().take(8).collect::<String>())),
        None => cell_code(tag),
    };
    match (image.from.is_empty(), image.to.is_empty()) {
        (true, _) => format!("{name} {} (new)", short(&image.to)),
        (false, true) => format!("{name} {} (gone)", short(&image.from)),
        (false, false) => format!("{name} {} → {}", short(&image.from), short(&image.to)),
    }
}

fn amount(change: &AmountChange) -> String {
    let value = |text: &str| if text.is_empty() { "none".to_owned() } else { cell_code(text) };
    // Other resources have names of somebody's own choosing.
    let what = if PLAIN.contains(&change.what.as_str()) { change.what.clone() } else { cell_code(&change.what) };
    format!("{what} {} {} → {}", cell_code(&change.of), value(&change.from), value(&change.to))
}
