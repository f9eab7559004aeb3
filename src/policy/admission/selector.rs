//! Label selectors and the globs of names, as admission has them.

use crate::manifest::Node;

/// The labels of an object, or what is known of them.
pub(super) type Labels = Vec<(String, String)>;

/// The labels an object carries.
pub(super) fn labels(object: &Node) -> Labels {
    let map = object.at(&["metadata", "labels"]).and_then(Node::as_map);
    let pairs = map.into_iter().flat_map(|map| map.iter());
    pairs.map(|(key, value)| (key.text.to_string(), value.as_str().unwrap_or_default().to_owned())).collect()
}

/// Whether a selector, which selects everything when it is not there, selects these labels.
pub(super) fn selects(selector: Option<&Node>, labels: &Labels) -> bool {
    let Some(selector) = selector else { return true };
    let value = |key: &str| labels.iter().find(|(own, _)| own == key).map(|(_, value)| value.as_str());
    let wanted = selector.get("matchLabels").and_then(Node::as_map);
    let all = wanted.into_iter().flat_map(|map| map.iter());
    all.into_iter().all(|(key, wanted)| value(&key.text) == wanted.as_str())
        && selector.list_at(&["matchExpressions"]).iter().all(|expression| {
            let own = value(expression.str_at(&["key"]).unwrap_or_default());
            let values = expression.list_at(&["values"]);
            let listed = || own.is_some_and(|own| values.iter().any(|value| value.as_str() == Some(own)));
            match expression.str_at(&["operator"]) {
                Some("In") => listed(),
                Some("NotIn") => !listed(),
                Some("Exists") => own.is_some(),
                Some("DoesNotExist") => own.is_none(),
                _ => false,
            }
        })
}

/// Whether a selector asks for anything.
pub(super) fn is_set(selector: Option<&Node>) -> bool {
    selector.is_some_and(|selector| {
        selector.get("matchLabels").and_then(Node::as_map).is_some_and(|labels| !labels.is_empty())
            || !selector.list_at(&["matchExpressions"]).is_empty()
    })
}

/// Whether a selector asks for nothing but the namespace's name.
pub(super) fn only_by_name(selector: &Node) -> bool {
    let name = "kubernetes.io/metadata.name";
    let labels = selector.get("matchLabels").and_then(Node::as_map);
    labels.into_iter().flat_map(|map| map.iter()).all(|(key, _)| key.text == name)
        && selector.list_at(&["matchExpressions"]).iter().all(|one| one.str_at(&["key"]) == Some(name))
}
