//! SCH-002: every value has the type its field needs.

use super::{E, Rule, told_by_schemas};
use crate::policy::schema::WRONG_TYPE;

pub(super) const RULE: Rule = Rule {
    id: WRONG_TYPE,
    title: "Every value has the type its field needs.",
    severities: [E; 3],
    why: "The API server refuses an object with a value of another type, and Flux stops there.",
    fix: "Write the value as the field needs it.",
    good: "# file: env/app.yaml
apiVersion: v1
kind: Service
metadata: { name: shop, annotations: { retries: \"3\" } }
spec: { ports: [{ port: 80, targetPort: web }] }
",
    bad: "# file: env/app.yaml
apiVersion: v1
kind: Service
metadata: { name: shop, annotations: { retries: 3 } }
spec:
  ports: [{ port: \"80\", targetPort: true }]
",
    check: |world| told_by_schemas(world, WRONG_TYPE),
};
