//! SCH-008: every custom resource is as its kind's author asks.

use super::{E, Rule, told_by_schemas};
use crate::policy::schema::BROKEN;

pub(super) const RULE: Rule = Rule {
    id: BROKEN,
    title: "Every custom resource is as the rules of its definition ask.",
    severities: [E; 3],
    why: "The API server refuses a custom resource that breaks a rule of its definition (`x-kubernetes-validations`), and Flux stops there.",
    fix: "Change the object as its kind's author says. Where a rule could not be judged, correct it in the CustomResourceDefinition.",
    good: GOOD,
    bad: BAD,
    check: |world| told_by_schemas(world, BROKEN),
};

const GOOD: &str = "# file: env/crd.yaml
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
            spec:
              type: object
              properties: { cups: { type: integer }, pots: { type: integer, default: 1 } }
              x-kubernetes-validations: [{ rule: self.cups <= 6 * self.pots, message: a pot holds six cups, fieldPath: .cups }]
---
apiVersion: acme.dev/v1
kind: Tea
metadata: { name: green }
spec: { cups: 6 }
";

const BAD: &str = "# file: env/crd.yaml
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
            spec:
              type: object
              properties: { cups: { type: integer }, pots: { type: integer, default: 1 } }
              x-kubernetes-validations: [{ rule: self.cups <= 6 * self.pots, message: a pot holds six cups, fieldPath: .cups }]
---
apiVersion: acme.dev/v1
kind: Tea
metadata: { name: green }
spec: { cups: 9 }
";
