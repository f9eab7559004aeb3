//! SCH-003: every required field is there.

use super::{E, Rule, told_by_schemas};
use crate::policy::schema::MISSING;

pub(super) const RULE: Rule = Rule {
    id: MISSING,
    title: "Every required field is there.",
    severities: [E; 3],
    why: "The API server refuses an object that lacks a required field, and Flux stops there.",
    fix: "Add the field.",
    good: "# file: env/app.yaml
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: shop }
spec:
  rules: [{ http: { paths: [{ path: /, pathType: Prefix, backend: { service: { name: shop } } }] } }]
",
    bad: "# file: env/app.yaml
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: shop }
spec:
  rules: [{ http: { paths: [{ path: /, backend: { service: { name: shop } } }] } }]
",
    check: |world| told_by_schemas(world, MISSING),
};
