//! SCH-007: every kind has a schema.

use super::{I, Rule, told_by_schemas};
use crate::policy::schema::NO_SCHEMA;

pub(super) const RULE: Rule = Rule {
    id: NO_SCHEMA,
    title: "Every kind has a schema.",
    severities: [I; 3],
    why: "Without a schema a typing slip in a field shows only in the cluster.",
    fix: "Keep the kind's CustomResourceDefinition in the repository, or accept that its fields are not checked.",
    good: "# file: env/app.yaml
apiVersion: v1
kind: ConfigMap
metadata: { name: shop }
",
    bad: "# file: env/app.yaml
apiVersion: acme.dev/v1
kind: Tea
metadata: { name: green }
---
apiVersion: acme.dev/v1
kind: Tea
metadata: { name: black }
",
    check: |world| told_by_schemas(world, NO_SCHEMA),
};
