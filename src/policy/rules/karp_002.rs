//! KARP-002: nodes are replaced, and not all at once.

use super::{E, Hit, Rule, W};
use crate::manifest::{Node, Object, Value};
use crate::policy::world::World;

pub(super) const RULE: Rule = Rule {
    id: "KARP-002",
    title: "A Karpenter NodePool lets its nodes be replaced.",
    severities: [None, W, E],
    why: "Nodes that never expire miss every security fix of their image, until all of them must go in one night.",
    fix: "Set `expireAfter` to some weeks (`720h`), and let a disruption budget of more than zero be open at some time.",
    good: "# file: env/pool.yaml
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: { name: default }
spec: { template: { spec: { expireAfter: 720h } }, disruption: { budgets: [{ nodes: 10% }] } }
",
    bad: "# file: env/pool.yaml
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: { name: default }
spec: { template: { spec: { expireAfter: Never } }, disruption: { budgets: [{ nodes: '0' }] } }
",
    check,
};

/// Karpenter's own defaults, 720 hours and a tenth of the nodes, are sane: what is not written is not missed. Workloads whose budget stops
/// every drain are another rule's (WL-003).
fn check(world: &World) -> Vec<Hit> {
    world.of("karpenter.sh", "NodePool").flat_map(judge).collect()
}

fn judge(pool: &Object) -> Vec<Hit> {
    let mut hits = Vec::new();
    // A pool of a fixed size is kept by hand.
    if let Some(node) =
        pool.node.at(&["spec", "template", "spec", "expireAfter"]).filter(|node| node.as_str() == Some("Never"))
    {
        hits.push(Hit::new(pool, node, "`expireAfter: Never` keeps every node for ever".to_owned()));
    }
    // A budget of nothing without a time or a reason holds always, and for everything.
    let closes = |budget: &&Node| {
        let none = match budget.get("nodes").map(|nodes| &nodes.value) {
            Some(Value::String(text)) => text == "0" || text == "0%",
            Some(Value::Int(number)) => *number == 0,
            _ => false,
        };
        none && budget.get("schedule").is_none() && budget.list_at(&["reasons"]).is_empty()
    };
    if let Some(budget) = pool.node.list_at(&["spec", "disruption", "budgets"]).iter().find(closes) {
        let at = budget.get("nodes").unwrap_or(budget);
        hits.push(Hit::new(pool, at, "this budget lets no node go at any time".to_owned()));
    }
    hits
}
