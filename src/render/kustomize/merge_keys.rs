//! Which lists strategic merge patches merge, and by which keys: facts of the built-in kinds, read from `merge_keys.txt`.

use std::collections::HashMap;
use std::sync::LazyLock;

/// What is known about one type: its fields that lead to merged lists.
#[derive(Debug, Default)]
pub(super) struct Type {
    fields: HashMap<&'static str, FieldType>,
}

/// What is known about a field.
#[derive(Debug, Clone)]
pub(super) struct FieldType {
    /// The type of the mapping, or of the list's items; empty when nothing below is merged by key.
    of: &'static str,
    /// For a list that is merged: its keys; none for a set of plain values.
    pub(super) keys: Option<Vec<&'static str>>,
}

struct Schema {
    types: HashMap<&'static str, Type>,
    /// `apiVersion/Kind` to type.
    kinds: HashMap<&'static str, &'static str>,
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let mut schema = Schema { types: HashMap::new(), kinds: HashMap::new() };
    for line in include_str!("merge_keys.txt").lines().filter(|line| !line.starts_with('#')) {
        let Some((name, rest)) = line.split_once(": ") else { continue };
        match rest.strip_prefix("@ ") {
            Some(kinds) => schema.kinds.extend(kinds.split(' ').map(|kind| (kind, name))),
            None => {
                schema.types.insert(name, Type { fields: rest.split(' ').filter_map(field).collect() });
            }
        }
    }
    schema
});

fn field(text: &'static str) -> Option<(&'static str, FieldType)> {
    if let Some((name, of)) = text.split_once('=') {
        return Some((name, FieldType { of, keys: None }));
    }
    let (name, rest) = text.split_once('[')?;
    let (keys, of) = rest.split_once(']')?;
    let keys = keys.split('+').filter(|key| !key.is_empty()).collect();
    Some((name, FieldType { of, keys: Some(keys) }))
}

/// The type of an object; nothing for kinds that are not built in.
pub(super) fn of_kind(api_version: &str, kind: &str) -> Option<&'static Type> {
    let name = SCHEMA.kinds.get(format!("{api_version}/{kind}").as_str())?;
    SCHEMA.types.get(name)
}

impl Type {
    pub(super) fn field(&self, name: &str) -> Option<&FieldType> {
        self.fields.get(name)
    }
}

impl FieldType {
    /// The type of the mapping, or of the list's items.
    pub(super) fn inner(&self) -> Option<&'static Type> {
        SCHEMA.types.get(self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_knows_pods_and_no_custom_kinds() {
        let pod = of_kind("apps/v1", "Deployment").unwrap();
        let spec = pod.field("spec").unwrap().inner().unwrap().field("template").unwrap().inner().unwrap();
        let containers = spec.field("spec").unwrap().inner().unwrap().field("containers").unwrap();
        assert_eq!(containers.keys.as_deref(), Some(&["name"][..]));
        let ports = containers.inner().unwrap().field("ports").unwrap();
        assert_eq!(ports.keys.as_deref(), Some(&["containerPort", "protocol"][..]));
        assert!(spec.field("spec").unwrap().inner().unwrap().field("tolerations").is_none());
        assert!(of_kind("helm.toolkit.fluxcd.io/v2", "HelmRelease").is_none());
    }

    #[test]
    fn every_type_the_table_names_is_described() {
        for kind in SCHEMA.kinds.values() {
            assert!(SCHEMA.types.contains_key(kind), "{kind}");
        }
        let named = SCHEMA.types.values().flat_map(|t| t.fields.values()).filter(|f| f.keys.is_none());
        assert!(named.into_iter().all(|f| f.inner().is_some()));
    }
}
