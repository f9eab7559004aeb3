//! SCH-004: every value is among those its schema allows.

use super::{E, Rule, told_by_schemas};
use crate::policy::schema::NOT_ALLOWED;

pub(super) const RULE: Rule = Rule {
    id: NOT_ALLOWED,
    title: "Every value is among those its schema allows.",
    severities: [E; 3],
    why: "The API server refuses an object with a value outside what its schema allows, and Flux stops there.",
    fix: "Choose a value that is allowed.",
    good: "# file: env/crd.yaml
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: teas.acme.dev }
spec:
  group: acme.dev
  scope: Namespaced
  names: { kind: Tea, plural: teas }
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: { type: object, properties: { size: { type: string, enum: [small, large] } } }
---
apiVersion: acme.dev/v1
kind: Tea
metadata: { name: green }
spec: { size: small }
",
    bad: "# file: env/crd.yaml
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: teas.acme.dev }
spec:
  group: acme.dev
  scope: Namespaced
  names: { kind: Tea, plural: teas }
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: { type: object, properties: { size: { type: string, enum: [small, large] } } }
---
apiVersion: acme.dev/v1
kind: Tea
metadata: { name: green }
spec: { size: medium }
",
    check: |world| told_by_schemas(world, NOT_ALLOWED),
};
