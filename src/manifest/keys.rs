//! The keys of a mapping that is being read: each may stand there once.

use std::collections::HashMap;

use smol_str::SmolStr;

use super::node::Map;

/// From here on a mapping's keys are looked up in a hash table, so that reading stays linear.
const SMALL_MAP: usize = 16;

/// The keys a mapping has: the mapping itself while it is small, a hash table from then on.
#[derive(Default)]
pub(super) struct Keys(HashMap<SmolStr, u32>);

impl Keys {
    /// The line of `key` when it is there already; otherwise remembers it, as the caller is about to add it.
    pub(super) fn first_line(&mut self, map: &Map, key: &str, line: u32) -> Option<u32> {
        if map.len() < SMALL_MAP {
            return map.key(key).map(|key| key.span.line);
        }
        if self.0.is_empty() {
            self.0 = map.iter().map(|(key, _)| (key.text.clone(), key.span.line)).collect();
        }
        let first = self.0.get(key).copied();
        if first.is_none() {
            self.0.insert(key.into(), line);
        }
        first
    }
}
