//! One value in several places. When the original adds a label or annotation that is new to an object, it puts the very same value into
//! all its places, and what later sets it at one sets it at all: a patch of a base's label also changes the selector.
//!
//! What is applied is what the original makes, so this does too. Measured on kustomize v5.8; JSON patches end it.

use std::sync::Arc;

use crate::manifest::node::{Made, Node, Value};
use crate::manifest::{emit, scalar};

/// What the transformers call themselves that add such values.
const BY: &[&str] = &["labels", "commonAnnotations"];

/// Lets what was just set in `object` also stand where it is the same value.
pub(super) fn follow(object: &mut Node) {
    // Most objects hold none, and looking copies nothing.
    if !any(object, &|node| node.made.as_ref().and_then(|made| made.past.as_ref()).is_some_and(|past| is_common(past)))
    {
        return;
    }
    let mut set = Vec::new();
    each(object, &mut |node| {
        let past = node.made.as_ref().and_then(|made| made.past.as_ref());
        // Held by this step and by at least one other place.
        if let Some(past) = past.filter(|past| Arc::strong_count(past) > 1 && is_common(past)) {
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

/// Makes every value of `object` its own again, with the quotes it needs: what a JSON patch has been through is written and read anew.
pub(super) fn part(object: &mut Node) {
    each(object, &mut |node| {
        node.quoted = node.as_str().is_some_and(needs_quotes);
        if let Some(made) = node.made.as_mut().filter(|made| Arc::strong_count(made) > 1 && is_common(made)) {
            *made = Arc::new(Made::clone(made));
        }
    });
}

/// Whether Go's encoder writes a text in quotes, or as a block.
fn needs_quotes(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let date = digits == 4
        && bytes.get(4) == Some(&b'-')
        && bytes.iter().all(|byte| byte.is_ascii_digit() || b"-:.tTzZ+ ".contains(byte));
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let base_60 = unsigned.contains(':')
        && unsigned.starts_with(|c: char| c.is_ascii_digit())
        && unsigned.bytes().all(|byte| byte.is_ascii_digit() || b":._".contains(&byte));
    text.contains('\n') || date || base_60 || !scalar::is_text(text) || !emit::plain_syntax(text, false)
}

/// Whether a value came to be as a common label or annotation.
fn is_common(made: &Made) -> bool {
    std::iter::successors(Some(made), |made| made.past.as_deref()).last().is_some_and(|first| BY.contains(&first.by))
}

/// Whether a value is as asked for. Recursion is bounded by the reader's depth limit.
fn any(node: &Node, wanted: &dyn Fn(&Node) -> bool) -> bool {
    match &node.value {
        Value::List(list) => list.iter().any(|item| any(item, wanted)),
        Value::Map(map) => map.iter().any(|(_, value)| any(value, wanted)),
        _ => wanted(node),
    }
}

/// Visits all values. Recursion is bounded by the reader's depth limit.
fn each(node: &mut Node, visit: &mut dyn FnMut(&mut Node)) {
    match &mut node.value {
        Value::List(list) => list.iter_mut().for_each(|item| each(item, visit)),
        Value::Map(map) => map.iter_mut().for_each(|(_, value)| each(value, visit)),
        _ => visit(node),
    }
}
