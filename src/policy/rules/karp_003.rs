//! KARP-003: spot is no promise.

use super::{Hit, I, Rule, W};
use crate::manifest::{Node, Object};
use crate::policy::world::World;

pub(super) const RULE: Rule = Rule {
    id: "KARP-003",
    title: "Some NodePool offers machines that are not taken back.",
    severities: [None, I, W],
    why: "When the cloud takes its spot machines back, and it does so everywhere at once, nothing is left to run on.",
    fix: "Add `on-demand` to `karpenter.sh/capacity-type`, or a second NodePool of lower weight with it.",
    good: "# file: env/pool.yaml
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: { name: default }
spec:
  template:
    spec: { requirements: [{ key: karpenter.sh/capacity-type, operator: In, values: [spot, on-demand] }] }
",
    bad: "# file: env/pool.yaml
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: { name: default }
spec:
  template:
    spec: { requirements: [{ key: karpenter.sh/capacity-type, operator: In, values: [spot] }] }
",
    check,
};

fn check(world: &World) -> Vec<Hit> {
    let pools: Vec<(&Object, Option<&Node>)> =
        world.of("karpenter.sh", "NodePool").map(|pool| (pool, spot_only(pool))).collect();
    // One pool that offers others is enough for all.
    if pools.iter().any(|(_, only)| only.is_none()) {
        return Vec::new();
    }
    let tell = |(pool, only): (&Object, Option<&Node>)| {
        Some(Hit::new(pool, only?, "offers spot machines only, and so does every other pool here".to_owned()))
    };
    pools.into_iter().filter_map(tell).collect()
}

/// The requirement that allows spot machines alone.
fn spot_only(pool: &Object) -> Option<&Node> {
    let requirements = pool.node.list_at(&["spec", "template", "spec", "requirements"]);
    let own = requirements.iter().find(|one| one.str_at(&["key"]) == Some("karpenter.sh/capacity-type"))?;
    let values = own.list_at(&["values"]);
    let only = !values.is_empty() && values.iter().all(|value| value.as_str() == Some("spot"));
    own.get("values").filter(|_| only && own.str_at(&["operator"]) == Some("In"))
}
