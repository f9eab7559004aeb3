//! KUST-005: what is written is what is applied.

use super::{Hit, I, Rule};
use crate::policy::world::World;

pub(super) const RULE: Rule = Rule {
    id: "KUST-005",
    title: "Kustomize reads a manifest as everybody else does.",
    severities: [I; 3],
    why: "Kustomize reads some YAML otherwise than `kubectl` and the API server, and what it reads is what Flux applies.",
    fix: "Write a folded text (`>`) that has more-indented lines with `|` instead.",
    good: "# file: env/a.yaml
apiVersion: v1
kind: ConfigMap
metadata: { name: shop }
data:
  rule: |-
    all(c,
      c.ok
    )
",
    bad: "# file: env/a.yaml
apiVersion: v1
kind: ConfigMap
metadata: { name: shop }
data:
  rule: >-
    all(c,
      c.ok
    )
",
    // Seen by who reads the files, and carried here.
    check: notes,
};

fn notes(world: &World) -> Vec<Hit> {
    let placed = world.notes.iter().filter_map(|note| Some((note, note.location.clone()?)));
    placed.map(|(note, at)| Hit::in_file(at, note.message.clone())).collect()
}
