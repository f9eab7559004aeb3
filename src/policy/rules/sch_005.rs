//! SCH-005: every API is one the environment's Kubernetes serves.

use super::{E, Rule, told_by_schemas};
use crate::policy::schema::NOT_SERVED;

pub(super) const RULE: Rule = Rule {
    id: NOT_SERVED,
    title: "Every API is one the environment's Kubernetes serves.",
    severities: [E; 3],
    why: "The API server refuses an API version it does not serve, and Flux stops there.",
    fix: "Use an API version that this Kubernetes serves, and the fields it has.",
    good: "# file: env/app.yaml
apiVersion: batch/v1
kind: CronJob
metadata: { name: report }
spec:
  schedule: \"0 4 * * *\"
  jobTemplate:
    spec: { template: { spec: { restartPolicy: Never, containers: [{ name: report, image: 'report:1' }] } } }
",
    bad: "# file: env/app.yaml
apiVersion: batch/v1beta1
kind: CronJob
metadata: { name: report }
spec:
  schedule: \"0 4 * * *\"
  jobTemplate:
    spec: { template: { spec: { restartPolicy: Never, containers: [{ name: report, image: 'report:1' }] } } }
---
apiVersion: v1
kind: Deployment
metadata: { name: shop }
",
    check: |world| told_by_schemas(world, NOT_SERVED),
};
