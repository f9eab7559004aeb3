//! SEC-001: no Secret lies open in git.

use super::{E, Hit, Rule, W};
use crate::manifest::{Node, Object};
use crate::policy::scrub::decode;
use crate::policy::world::{World, is_placeholder};

pub(super) const RULE: Rule = Rule {
    id: "SEC-001",
    title: "No Secret stands readable in git.",
    severities: [W, E, E],
    why: "Base64 hides nothing: everybody who can read the repository, now or ever, has the secret.",
    fix: "Use an ExternalSecret or encrypt it (SOPS, SealedSecret), and change the secret itself: git remembers.",
    good: "# file: env/secret.yaml
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: { name: database }
spec: { secretStoreRef: { kind: ClusterSecretStore, name: vault }, target: { name: database } }
",
    bad: "# file: env/secret.yaml
apiVersion: v1
kind: Secret
metadata: { name: database }
stringData: { password: correct-horse }
",
    check,
};

fn check(world: &World) -> Vec<Hit> {
    world.of("", "Secret").filter(|secret| secret.node.get("sops").is_none()).filter_map(judge).collect()
}

fn judge(secret: &Object) -> Option<Hit> {
    let open: Vec<(&str, &Node)> = ["data", "stringData"]
        .into_iter()
        .filter_map(|field| secret.node.get(field)?.as_map())
        .flat_map(|map| map.iter())
        .filter(|(_, value)| value.as_str().is_some_and(is_open) || value.as_int().is_some())
        .map(|(key, value)| (key.text.as_str(), value))
        .collect();
    let (_, first) = open.first()?;
    let keys: Vec<String> = open.iter().take(3).map(|(key, _)| format!("`{key}`")).collect();
    let mut keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    if open.len() > keys.len() {
        keys.push("more");
    }
    Some(Hit::new(secret, first, format!("holds {} readable in git", super::and(&keys))))
}

/// Neither filled in later nor encrypted: a generator over a SOPS file yields base64 of its ciphers, which Flux decrypts.
fn is_open(text: &str) -> bool {
    let sops = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).contains("ENC[AES256_GCM,");
    !is_placeholder(text) && !decode(text).is_some_and(sops)
}
