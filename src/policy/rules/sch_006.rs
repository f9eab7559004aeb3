//! SCH-006: no API is deprecated, or gone with the next minor of Kubernetes.

use super::{Rule, W, told_by_schemas};
use crate::policy::schema::GOES;

pub(super) const RULE: Rule = Rule {
    id: GOES,
    title: "No API is deprecated, or gone with the next minor of Kubernetes.",
    severities: [W; 3],
    why: "The next upgrade of the cluster stops Flux here.",
    fix: "Move to the API version that stays, before the upgrade.",
    good: "# file: env/app.yaml
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: shop }
addressType: IPv4
endpoints: []
",
    bad: "# file: env/app.yaml
apiVersion: resource.k8s.io/v1beta1
kind: DeviceClass
metadata: { name: gpu }
spec: {}
",
    check: |world| told_by_schemas(world, GOES),
};
