//! Gatekeeper's constraints and ValidatingAdmissionPolicies: what a cluster would refuse is told in the pull request.

use crate::stories::{example, pull, text};
use crate::world::World;

const DEV: &str = "environments/dev/kustomization.yaml";

const CONSTRAINT: &str = "apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: { name: bannedtags }
spec:
  crd: { spec: { names: { kind: BannedTags } } }
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package bannedtags

        violation[{\"msg\": msg}] {
          image := input.review.object.spec.template.spec.containers[_].image
          endswith(image, concat(\"\", [\":\", input.parameters.tags[_]]))
          msg := sprintf(\"%v is not allowed\", [image])
        }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: BannedTags
metadata: { name: no-latest }
spec:
  match: { kinds: [{ apiGroups: [apps], kinds: [Deployment] }] }
  parameters: { tags: [latest] }
";

fn policy(limit: u32) -> String {
    format!(
        "apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{ name: few-replicas }}
spec:
  matchConstraints:
    resourceRules: [{{ apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments, statefulsets] }}]
  validations:
    - expression: '!has(object.spec.replicas) || object.spec.replicas <= {limit}'
      messageExpression: '\"%d replicas, and no more than {limit} are allowed\".format([object.spec.replicas])'
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{ name: few-replicas }}
spec: {{ policyName: few-replicas, validationActions: [Deny] }}
"
    )
}

async fn world() -> World {
    let mut files = trunkline::sandbox::seed::environments();
    files.push(("policies/tags.yaml", CONSTRAINT.into()));
    files.push(("policies/replicas.yaml", policy(5).into_bytes()));
    World::with(&files).await
}

#[tokio::test]
async fn what_a_cluster_would_refuse_fails_the_check() {
    let mut world = world().await;
    let replicas = "\nreplicas:\n  - { name: frontend, count: 9 }\n";
    let changed = example(DEV, "newTag: v0.9", "newTag: latest");
    let changed = changed.map(|bytes| [bytes, replicas.as_bytes().to_vec()].concat());
    let number = pull(&mut world, "More of the latest", &[(DEV, changed)]).await;
    insta::assert_snapshot!(world.check(number), @"failure: 4 new errors in dev, and 2 warnings (6 annotations)");
    let said = world.said(number);
    for part in
        ["`BannedTags/no-latest`", "is not allowed", "`few-replicas`", "9 replicas, and no more than 5 are allowed"]
    {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}

#[tokio::test]
async fn a_stricter_policy_is_foreseen_and_not_obeyed() {
    let mut world = world().await;
    let number = pull(&mut world, "Fewer replicas", &[("policies/replicas.yaml", text(&policy(0)))]).await;
    insta::assert_snapshot!(world.check(number), @"success: Touches no environment (0 annotations)");
    let said = world.said(number);
    for part in ["Once this is merged", "`few-replicas`", "no more than 0 are allowed"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}
