//! The order of the result: by kind, what others need first, unless the kustomization says `fifo`.

use super::resource::{Gvk, Resource};
use super::spec::Sort;

/// Sorts as the original does.
pub(super) fn sort(all: &mut [Resource], sort: &Sort) {
    let Sort::Legacy { first, last } = sort else { return };
    all.sort_by_cached_key(|resource| {
        let Gvk { group, version, kind } = Gvk::of(&resource.node);
        let by_type = type_key(&group, &version, &kind);
        // Joined, not compared one by one: `a|z` and `a-b|c` differ in which comes first.
        let by_name = format!("{}|{}", known(resource.namespace(), "~X"), known(resource.name(), "~N"));
        // The core Namespace comes before those of other groups.
        let core = kind != "Namespace" || group.is_empty();
        (rank(&kind, first, last), !core, by_type, by_name)
    });
}

/// Where a kind stands: before all others, among them, or after them.
pub(super) fn rank(kind: &str, first: &[impl AsRef<str>], last: &[impl AsRef<str>]) -> i64 {
    fn at(list: &[impl AsRef<str>], kind: &str) -> Option<i64> {
        list.iter().rposition(|word| word.as_ref() == kind).map(|at| at as i64)
    }
    match (at(last, kind), at(first, kind)) {
        (Some(at), _) => at + 1,
        (None, Some(at)) => at - first.len() as i64,
        (None, None) => 0,
    }
}

/// Group, version and kind as the text that the original sorts by.
pub(super) fn type_key(group: &str, version: &str, kind: &str) -> String {
    format!("{}_{}_{}", known(group, "~G"), known(version, "~V"), known(kind, "~K"))
}

fn known<'t>(text: &'t str, unknown: &'t str) -> &'t str {
    if text.is_empty() { unknown } else { text }
}
