//! Which lists strategic merge patches merge, and by which keys: facts of the built-in kinds, read from `merge_keys.txt`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// A name of the built-in table, or of a file.
pub(super) type Name = Cow<'static, str>;

/// What is known about one type: its fields that lead to merged lists.
#[derive(Debug, Default, Clone)]
pub(super) struct Type {
    pub(super) fields: HashMap<Name, FieldType>,
    /// What all other fields are, in a mapping from any name.
    pub(super) others: Option<FieldType>,
}

/// What is known about a field.
#[derive(Debug, Clone)]
pub(super) struct FieldType {
    /// The type of the mapping, or of the list's items; empty when nothing below is merged by key.
    pub(super) of: Name,
    /// For a list that is merged: its keys; none for a set of plain values.
    pub(super) keys: Option<Vec<Name>>,
}

/// Types, and which kinds are of which.
#[derive(Debug, Default, Clone)]
pub(super) struct Schema {
    pub(super) types: HashMap<Name, Type>,
    /// `apiVersion/Kind` to type.
    pub(super) kinds: HashMap<Name, Name>,
    /// Kinds that a file describes as being of no namespace, as `apiVersion/Kind`.
    pub(super) of_no_namespace: Vec<String>,
}

static BUILT_IN: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    let mut schema = Schema::default();
    for line in include_str!("merge_keys.txt").lines().filter(|line| !line.starts_with('#')) {
        let Some((name, rest)) = line.split_once(": ") else { continue };
        match rest.strip_prefix("@ ") {
            Some(kinds) => schema.kinds.extend(kinds.split(' ').map(|kind| (Cow::Borrowed(kind), Cow::Borrowed(name)))),
            None => {
                let fields =
                    rest.split(' ').filter_map(field).map(|(name, field)| (Cow::Borrowed(name), field)).collect();
                schema.types.insert(Cow::Borrowed(name), Type { fields, others: None });
            }
        }
    }
    Arc::new(schema)
});

fn field(text: &'static str) -> Option<(&'static str, FieldType)> {
    if let Some((name, of)) = text.split_once('=') {
        return Some((name, FieldType { of: Cow::Borrowed(of), keys: None }));
    }
    let (name, rest) = text.split_once('[')?;
    let (keys, of) = rest.split_once(']')?;
    let keys = keys.split('+').filter(|key| !key.is_empty()).map(Cow::Borrowed).collect();
    Some((name, FieldType { of: Cow::Borrowed(of), keys: Some(keys) }))
}

impl Schema {
    /// The kinds Kustomize knows by itself.
    pub(super) fn built_in() -> Arc<Self> {
        Arc::clone(&BUILT_IN)
    }

    /// The type of an object; nothing for kinds that are not described.
    pub(super) fn of_kind(&self, api_version: &str, kind: &str) -> Option<&Type> {
        let name = self.kinds.get(format!("{api_version}/{kind}").as_str())?;
        self.types.get(name)
    }

    /// The type of the mapping at a field, or of the list's items.
    pub(super) fn inner(&self, field: &FieldType) -> Option<&Type> {
        self.types.get(&field.of)
    }
}

impl Type {
    pub(super) fn field(&self, name: &str) -> Option<&FieldType> {
        self.fields.get(name).or(self.others.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_knows_pods_and_no_custom_kinds() {
        let schema = Schema::built_in();
        let below = |of: &Type, name: &str| schema.inner(of.field(name).unwrap()).unwrap().clone();
        let deployment = schema.of_kind("apps/v1", "Deployment").unwrap();
        let pod = below(&below(&below(deployment, "spec"), "template"), "spec");
        let containers = pod.field("containers").unwrap();
        assert_eq!(containers.keys.as_deref(), Some(&["name".into()][..]));
        let ports = schema.inner(containers).unwrap().field("ports").unwrap();
        assert_eq!(ports.keys.as_deref(), Some(&["containerPort".into(), "protocol".into()][..]));
        assert!(pod.field("tolerations").is_none());
        assert!(schema.of_kind("helm.toolkit.fluxcd.io/v2", "HelmRelease").is_none());
    }

    #[test]
    fn every_type_the_table_names_is_described() {
        let schema = Schema::built_in();
        for kind in schema.kinds.values() {
            assert!(schema.types.contains_key(kind), "{kind}");
        }
        let named = schema.types.values().flat_map(|t| t.fields.values()).filter(|f| f.keys.is_none());
        assert!(named.into_iter().all(|f| schema.inner(f).is_some()));
    }
}
