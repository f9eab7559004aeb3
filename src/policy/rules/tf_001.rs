//! TF-001: infrastructure changes after somebody looked.

use super::{E, Hit, Rule, W};
use crate::manifest::Object;
use crate::policy::world::World;

pub(super) const RULE: Rule = Rule {
    id: "TF-001",
    title: "A Terraform object waits for its plan's approval, and keeps what it made.",
    severities: [None, W, E],
    why: "With `auto` a plan that deletes a database is carried out as soon as it is made, with nobody having read it.",
    fix: "Take `approvePlan: auto` out, and set it to the plan's name in a pull request; leave `destroyResourcesOnDeletion` false.",
    good: "# file: env/infra.yaml
apiVersion: infra.contrib.fluxcd.io/v1alpha2
kind: Terraform
metadata: { name: network }
spec: { path: ./network, approvePlan: plan-main-b8e362c206 }
",
    bad: "# file: env/infra.yaml
apiVersion: infra.contrib.fluxcd.io/v1alpha2
kind: Terraform
metadata: { name: network }
spec: { path: ./network, approvePlan: auto, destroyResourcesOnDeletion: true }
",
    check,
};

/// A plan check for `*.tf` files is a named check of the environment (`checks` in the configuration), and waited for by the gates.
fn check(world: &World) -> Vec<Hit> {
    world.of("infra.contrib.fluxcd.io", "Terraform").flat_map(judge).collect()
}

fn judge(terraform: &Object) -> Vec<Hit> {
    let spec = |key| terraform.node.at(&["spec", key]);
    let auto = spec("approvePlan").filter(|node| node.as_str() == Some("auto"));
    let destroys = spec("destroyResourcesOnDeletion").filter(|node| node.as_bool() == Some(true));
    let tell = |node, message: &str| Hit::new(terraform, node, message.to_owned());
    let auto = auto.map(|node| tell(node, "`approvePlan: auto` carries out every plan unseen"));
    let destroys = destroys.map(|node| tell(node, "destroys its resources when it is taken out of git"));
    auto.into_iter().chain(destroys).collect()
}
