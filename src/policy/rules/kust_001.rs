//! KUST-001: the environment builds.

use super::{E, Rule};
use crate::model::finding::{Finding, Problem};

/// The rule's id, for who must tell it from the others.
pub const KUST_001: &str = "KUST-001";

const UNSUPPORTED: &str = "Trunkline does not render this yet, and what it cannot render it cannot check.";

pub(super) const RULE: Rule = Rule {
    id: KUST_001,
    title: "The environment builds, and everything it names exists.",
    severities: [E; 3],
    why: "Flux stops at the first thing it cannot build, and nothing of this environment is applied any more.",
    fix: "Correct the line, or add the file it names.",
    good: "# file: env/kustomization.yaml
resources: [app.yaml]
# file: env/app.yaml
apiVersion: v1
kind: ConfigMap
metadata: { name: app }
",
    bad: "# file: env/kustomization.yaml
resources: [app.yaml]
",
    // What does not build is met while rendering, not afterwards: see `from_render_problem`.
    check: |_| Vec::new(),
};

/// The finding a problem of rendering is; it holds under every pack, because without it silence would look like health.
pub fn from_render_problem(problem: &Problem) -> Finding {
    let finding = super::from_problem(RULE.id, problem);
    let fix = if finding.fix.is_empty() { RULE.fix.to_owned() } else { finding.fix };
    // What the renderer refuses by name may well build elsewhere; only Trunkline cannot tell.
    let why = if finding.message.ends_with(" is not supported") { UNSUPPORTED } else { RULE.why };
    Finding { why: why.to_owned(), fix, ..finding }
}
