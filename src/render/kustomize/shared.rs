//! One value in several places: when the original adds a label to several fields of an object, it puts the very same value into
//! all of them, and what later changes one of them in place changes all. What is applied is what it makes, so this does too.

use std::sync::Arc;

use crate::manifest::node::{Made, Node, Value};

/// Values that were changed in place: how the old one came to be, and what stands there now.
#[derive(Default)]
pub(super) struct Changed(Vec<(Arc<Made>, Node)>);

impl Changed {
    /// Remembers a change, when the old value may stand in several places.
    pub(super) fn note(&mut self, old: Option<&Arc<Made>>, new: &Node) {
        if let Some(made) =
            old.filter(|made| made.before.is_none() && matches!(made.by, "labels" | "commonAnnotations"))
        {
            self.0.push((Arc::clone(made), new.clone()));
        }
    }

    /// Changes the other places of the same values.
    pub(super) fn spread(&self, root: &mut Node) {
        if self.0.is_empty() {
            return;
        }
        let mut open = vec![root];
        while let Some(node) = open.pop() {
            let same = node.made.as_ref().and_then(|made| self.0.iter().find(|(old, _)| Arc::ptr_eq(old, made)));
            if let Some((_, new)) = same {
                *node = new.clone();
                continue;
            }
            match &mut node.value {
                Value::List(list) => open.extend(list),
                Value::Map(map) => open.extend(map.iter_mut().map(|(_, value)| value)),
                _ => {}
            }
        }
    }
}
