//! KARP-001: nodes have a ceiling.

use super::{E, Hit, Rule, W};
use crate::manifest::Object;
use crate::policy::world::World;

pub(super) const RULE: Rule = Rule {
    id: "KARP-001",
    title: "A Karpenter NodePool has limits, and its node class exists.",
    severities: [W, E, E],
    why: "Without limits one workload that scales without end buys machines without end.",
    fix: "Set `spec.limits.cpu` (and memory) to the most you would pay for, and correct `nodeClassRef`.",
    good: "# file: env/pool.yaml
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: { name: default }
spec:
  limits: { cpu: 100, memory: 400Gi }
  template: { spec: { nodeClassRef: { group: karpenter.k8s.aws, kind: EC2NodeClass, name: default } } }
---
apiVersion: karpenter.k8s.aws/v1
kind: EC2NodeClass
metadata: { name: default }
",
    bad: "# file: env/pool.yaml
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: { name: default }
spec:
  template: { spec: { nodeClassRef: { group: karpenter.k8s.aws, kind: EC2NodeClass, name: defalut } } }
---
apiVersion: karpenter.k8s.aws/v1
kind: EC2NodeClass
metadata: { name: default }
",
    check,
};

/// A pool that keeps a fixed number of nodes (`replicas`) has its ceiling in that number.
fn check(world: &World) -> Vec<Hit> {
    world.of("karpenter.sh", "NodePool").flat_map(|pool| judge(world, pool)).collect()
}

fn judge(world: &World, pool: &Object) -> Vec<Hit> {
    let mut hits = Vec::new();
    let limit = |key| pool.node.at(&["spec", "limits", key]).is_some();
    if !["cpu", "memory", "nodes"].into_iter().any(limit) && pool.node.at(&["spec", "replicas"]).is_none() {
        hits.push(Hit::at_key(pool, &["spec", "limits"], "has no `limits`: it may buy nodes without end".to_owned()));
    }
    let reference = pool.node.at(&["spec", "template", "spec", "nodeClassRef"]);
    if let Some((node, name)) =
        reference.and_then(|reference| Some((reference.get("name")?, reference.str_at(&["name"])?)))
        && reference.and_then(|reference| reference.str_at(&["kind"])) == Some("EC2NodeClass")
        && let Some(near) = world.leads_nowhere(("karpenter.k8s.aws", "EC2NodeClass"), "", name)
    {
        hits.push(Hit::new(pool, node, format!("makes nodes of EC2NodeClass `{name}`, which is not there{near}")));
    }
    hits
}
