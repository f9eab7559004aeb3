//! SCH-001: every field is one its kind has.

use super::{E, Rule, told_by_schemas};
use crate::policy::schema::UNKNOWN;

pub(super) const RULE: Rule = Rule {
    id: UNKNOWN,
    title: "Every field is one its kind has.",
    severities: [E; 3],
    why: "The API server drops a field it does not know, or refuses the object: what was meant does not happen.",
    fix: "Correct the name, or move the field to where it belongs.",
    good: "# file: env/app.yaml
apiVersion: apps/v1
kind: Deployment
metadata: { name: shop }
spec:
  replicas: 2
  selector: { matchLabels: { app: shop } }
  template:
    metadata: { labels: { app: shop } }
    spec: { containers: [{ name: shop, image: 'shop:1' }] }
",
    bad: "# file: env/app.yaml
apiVersion: apps/v1
kind: Deployment
metadata: { name: shop }
spec:
  replica: 2
  selector: { matchLabels: { app: shop } }
  template:
    metadata: { labels: { app: shop } }
    spec: { containers: [{ name: shop, image: 'shop:1', enviroment: [] }] }
",
    check: |world| told_by_schemas(world, UNKNOWN),
};
