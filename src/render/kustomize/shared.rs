//! Labels that are one value in several places, as Kustomize's own are.
//!
//! A label that is new to an object is one node in all the places a transformer adds it to: what later sets it at one place sets
//! it at all. So a patch of a base's label also changes the selector. Measured on kustomize v5.8; JSON patches end it.

use std::sync::Arc;

use crate::manifest::node::{Made, Node, Value};

/// What the transformer calls itself that adds such values.
pub(super) const BY: &str = "labels";

/// Lets what was just set in `object` also stand where it is the same value.
pub(super) fn follow(object: &mut Node) {
    let mut set = Vec::new();
    each(object, &mut |node| {
        let past = node.made.as_ref().and_then(|made| made.past.as_ref());
        // Held by this step and by at least one other place.
        if let Some(past) = past.filter(|past| Arc::strong_count(past) > 1 && is_label(past)) {
            set.push((Arc::clone(past), node.clone()));
        }
    });
    for (old, new) in set {
        each(object, &mut |node| {
            let is_old = |made: &Arc<Made>| Arc::ptr_eq(made, &old);
            if node.made.as_ref().is_some_and(|made| is_old(made) || made.past.as_ref().is_some_and(is_old)) {
                *node = new.clone();
            }
        });
    }
}

/// Makes every value of `object` its own again: what a JSON patch has been through is read anew.
pub(super) fn part(object: &mut Node) {
    each(object, &mut |node| {
        if let Some(made) = node.made.as_mut().filter(|made| Arc::strong_count(made) > 1 && is_label(made)) {
            *made = Arc::new(Made::clone(made));
        }
    });
}

fn is_label(made: &Made) -> bool {
    std::iter::successors(Some(made), |made| made.past.as_deref()).last().is_some_and(|first| first.by == BY)
}

/// Visits all values. Recursion is bounded by the reader's depth limit.
fn each(node: &mut Node, visit: &mut dyn FnMut(&mut Node)) {
    match &mut node.value {
        Value::List(list) => list.iter_mut().for_each(|item| each(item, visit)),
        Value::Map(map) => map.iter_mut().for_each(|(_, value)| each(value, visit)),
        _ => visit(node),
    }
}
