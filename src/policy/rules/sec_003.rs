//! SEC-003: secrets come from where they are, and from this environment's store.

use super::common::{class_of, class_word};
use super::{E, Hit, Rule};
use crate::manifest::{Node, Object};
use crate::model::finding::Severity;
use crate::policy::world::{World, namespace_of};

pub(super) const RULE: Rule = Rule {
    id: "SEC-003",
    title: "An ExternalSecret is of a served version, and its store exists and is this environment's.",
    severities: [E; 3],
    why: "Until its store answers there is no Secret, and no pod that needs it starts; another environment's store gives away its secrets.",
    fix: "Write `external-secrets.io/v1`, and name this environment's store.",
    good: "# file: env/secret.yaml
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: { name: vault, namespace: shop }
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: { name: db, namespace: shop }
spec: { secretStoreRef: { kind: SecretStore, name: vault }, refreshInterval: 1h }
",
    bad: "# file: env/secret.yaml
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: { name: vault, namespace: shop }
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: { name: db, namespace: shop }
spec: { secretStoreRef: { kind: SecretStore, name: valut }, refreshInterval: 1h }
---
apiVersion: external-secrets.io/v1beta1
kind: ExternalSecret
metadata: { name: cache, namespace: shop }
spec: { secretStoreRef: { kind: ClusterSecretStore, name: vault-dev }, refreshInterval: '0' }
",
    check,
};

const GROUP: &str = "external-secrets.io";
const VAULT: &str = "secrets.hashicorp.com";

/// Stores are mostly another folder's; a missing one is told where this is the whole cluster, or the name is a slip.
fn check(world: &World) -> Vec<Hit> {
    let mut hits = Vec::new();
    for kind in ["ExternalSecret", "ClusterExternalSecret", "SecretStore", "ClusterSecretStore", "PushSecret"] {
        let old =
            |object: &&Object| object.api_version() == "external-secrets.io/v1beta1" && object.kind() != "PushSecret";
        for object in world.of(GROUP, kind).filter(old) {
            let message = format!("external-secrets 0.17 and later do not serve `external-secrets.io/v1beta1` {kind}");
            // Which release is installed is not known here.
            hits.push(Hit::at_key(object, &["apiVersion"], message).at_most(Severity::Warning));
        }
    }
    for secret in world.of(GROUP, "ExternalSecret") {
        if let Some(reference) = secret.node.at(&["spec", "secretStoreRef"]) {
            let kind = if reference.str_at(&["kind"]) == Some("ClusterSecretStore") {
                "ClusterSecretStore"
            } else {
                "SecretStore"
            };
            hits.extend(store(world, secret, (GROUP, kind), reference.get("name")));
        }
        hits.extend(never_again(secret));
    }
    for kind in ["VaultStaticSecret", "VaultDynamicSecret", "VaultPKISecret"] {
        for secret in world.of(VAULT, kind) {
            // A reference with a slash names another namespace.
            let reference = secret.node.at(&["spec", "vaultAuthRef"]);
            let reference = reference.filter(|name| name.as_str().is_some_and(|name| !name.contains('/')));
            hits.extend(store(world, secret, (VAULT, "VaultAuth"), reference));
        }
    }
    hits
}

fn store(world: &World, secret: &Object, of: (&'static str, &'static str), name: Option<&Node>) -> Option<Hit> {
    let (name, text) = (name?, name?.as_str()?);
    let namespace = if of.1 == "ClusterSecretStore" { "" } else { namespace_of(secret) };
    if let Some(near) = world.leads_nowhere(of, namespace, text) {
        return Some(Hit::new(
            secret,
            name,
            format!("takes its content from {} `{text}`, which is not there{near}", of.1),
        ));
    }
    let class = class_of(text).filter(|class| *class != world.class)?;
    let message = format!("takes its content from `{text}`, which by its name is the store of {}", class_word(class));
    Some(Hit::new(secret, name, message))
}

/// An interval of nothing means: fetched once. That is right only where it is said so.
fn never_again(secret: &Object) -> Option<Hit> {
    let interval = secret.node.at(&["spec", "refreshInterval"])?;
    let never = matches!(interval.as_str(), Some("0" | "0s" | "0m" | "0h")) || interval.as_int() == Some(0);
    let said = secret.node.str_at(&["spec", "refreshPolicy"]).is_some_and(|policy| policy != "Periodic");
    let message =
        "`refreshInterval: 0` never fetches a changed secret; where that is meant, say `refreshPolicy: CreatedOnce`";
    (never && !said).then(|| Hit::new(secret, interval, message.to_owned()).at_most(Severity::Warning))
}
