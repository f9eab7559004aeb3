//! The order of the result: by kind, what others need first, unless the kustomization says `fifo`.

use super::resource::{Gvk, Resource};
use super::spec::Sort;

/// Sorts as the original does.
pub(super) fn sort(all: &mut [Resource], sort: &Sort) {
    let Sort::Legacy { first, last } = sort else { return };
    let rank = |kind: &str| {
        let at = |list: &[String]| list.iter().rposition(|word| word == kind).map(|at| at as i64);
        match (at(last), at(first)) {
            (Some(at), _) => at + 1,
            (None, Some(at)) => at - first.len() as i64,
            (None, None) => 0,
        }
    };
    let known = |text: &str, unknown: &str| if text.is_empty() { unknown.to_owned() } else { text.to_owned() };
    all.sort_by_cached_key(|resource| {
        let Gvk { group, version, kind } = Gvk::of(&resource.node);
        let by_type = format!("{}_{}_{}", known(&group, "~G"), known(&version, "~V"), known(&kind, "~K"));
        // Joined, not compared one by one: `a|z` and `a-b|c` differ in which comes first.
        let by_name = format!("{}|{}", known(resource.namespace(), "~X"), known(resource.name(), "~N"));
        // The core Namespace comes before those of other groups.
        let core = kind != "Namespace" || group.is_empty();
        (rank(&kind), !core, by_type, by_name)
    });
}
