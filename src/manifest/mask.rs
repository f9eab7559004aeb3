//! Masking: secrets are replaced before anything is compared or shown, so that no later step can leak them.
//!
//! A mask carries a keyed fingerprint: equal values look equal within one diff, a changed one shows as changed, and neither
//! the value nor its length can be learnt from it. What is masked errs on the side of too much.

use std::sync::LazyLock;

use hmac::{Hmac, KeyInit, Mac};
use regex::{Captures, Regex};
use sha2::Sha256;
use smol_str::SmolStr;

use super::node::{Map, Node, Object, Value};
use super::scalar::base64;

/// A random key, made for one diff and then forgotten: without it, fingerprints of weak passwords could be guessed.
#[derive(Clone)]
pub struct MaskKey(pub [u8; 32]);

impl std::fmt::Debug for MaskKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MaskKey(…)")
    }
}

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// What every SOPS value starts with; whole files kept as text contain it.
const SOPS_VALUE: &str = "ENC[AES256_GCM,";
/// base64 of `-----BEGIN `; what follows tells keys from certificates.
const PEM_IN_BASE64: &str = "LS0tLS1CRUdJTi";

/// The object with every secret replaced by its fingerprint; places, names and keys stay.
pub fn mask(object: &Object, key: &MaskKey) -> Object {
    let mut node = object.node.clone();
    Masker { key }.node(&mut node, "");
    Object { node }
}

struct Masker<'a> {
    key: &'a MaskKey,
}

impl Masker<'_> {
    fn fingerprint(&self, value: &[u8]) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key.0).unwrap_or_else(|_| unreachable!("HMAC takes any key"));
        mac.update(value);
        let digest = mac.finalize().into_bytes();
        let shown: String = digest[..6].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("«masked, fingerprint {shown}»")
    }

    /// Looks for secrets in `node`, which stands under `name`. Recursion is as deep as the reader allows.
    fn node(&self, node: &mut Node, name: &str) {
        match &mut node.value {
            Value::String(text) if credential_name(name) || text.contains(SOPS_VALUE) => {
                *text = self.fingerprint(text.as_bytes()).into();
            }
            Value::String(text) => self.text(text),
            Value::List(list) => list.iter_mut().for_each(|item| self.node(item, name)),
            Value::Map(map) => self.map(map),
            _ => {}
        }
    }

    fn map(&self, map: &mut Map) {
        let text = |map: &Map, key: &str| map.get(key).and_then(Node::as_str).unwrap_or_default().to_owned();
        let kind = text(map, "kind");
        let secret =
            kind.eq_ignore_ascii_case("Secret") && (map.get("apiVersion").is_some() || map.get("data").is_some());
        let sops = map.get("sops").is_some_and(|sops| sops.get("mac").is_some());
        let config = kind == "ConfigMap";
        let named_secret = secret_name(&text(map, "name"));
        for (key, value) in map.iter_mut() {
            let key = key.text.as_str();
            let scalar = value.as_map().is_none() && value.as_list().is_none();
            let whole = match key {
                "apiVersion" | "kind" | "type" | "immutable" if scalar => false,
                "metadata" => false,
                "stringData" | "binaryData" | LAST_APPLIED => true,
                _ if secret || sops => true,
                "value" => named_secret,
                "data" if config => {
                    self.config(value);
                    continue;
                }
                _ => false,
            };
            if whole { self.whole(value) } else { self.node(value, key) }
        }
    }

    /// A ConfigMap's entries, judged by their names too: they often become environment variables.
    fn config(&self, data: &mut Node) {
        let Some(map) = data.as_map_mut() else { return self.node(data, "") };
        for (key, value) in map.iter_mut() {
            if secret_name(&key.text) { self.whole(value) } else { self.node(value, &key.text) }
        }
    }

    /// Masks every value below `node`; keys stay, so that people see which one changed.
    fn whole(&self, node: &mut Node) {
        match &mut node.value {
            Value::Map(map) => map.iter_mut().for_each(|(_, value)| self.whole(value)),
            Value::List(list) => list.iter_mut().for_each(|item| self.whole(item)),
            Value::String(text) => *text = self.fingerprint(text.as_bytes()).into(),
            // Prefixed, so that the number 1 and the text "1" differ; both are masked.
            _ => node.value = Value::String(self.fingerprint(format!("\0{}", node.to_json()).as_bytes()).into()),
        }
    }

    /// Masks what looks like a credential inside text; the rest of a configuration file stays readable.
    fn text(&self, text: &mut SmolStr) {
        for pattern in PATTERNS.iter() {
            if !pattern.is_match(text) {
                continue;
            }
            *text = pattern.replace_all(text, |found: &Captures<'_>| self.replacement(found)).into();
        }
    }

    fn replacement(&self, found: &Captures<'_>) -> String {
        let whole = found.get(0).map_or("", |whole| whole.as_str());
        let secret = found.name("secret").map_or(whole, |secret| secret.as_str());
        let reference = secret.starts_with(['$', '<', '«']) || secret.starts_with("{{");
        let certificate = whole.starts_with(PEM_IN_BASE64) && !names_private_key(whole);
        if reference || certificate {
            return whole.to_owned();
        }
        let at =
            found.name("secret").map_or(0, |secret| secret.start() - found.get(0).map_or(0, |whole| whole.start()));
        format!("{}{}{}", &whole[..at], self.fingerprint(secret.as_bytes()), &whole[at + secret.len()..])
    }
}

/// Whether base64 text that begins like PEM holds a private key: its first line says so.
fn names_private_key(text: &str) -> bool {
    let head = text.get(..text.len().min(64) / 4 * 4).unwrap_or_default();
    base64(head).is_none_or(|head| String::from_utf8_lossy(&head).contains("PRIVATE"))
}

/// Whether a field's name alone says that its text is a credential, wherever it stands (Helm values above all).
fn credential_name(name: &str) -> bool {
    let name = folded(name);
    let ends = ["password", "passwd", "passphrase", "apikey", "privatekey", "clientsecret", "accesstoken", "authtoken"];
    name == "token" || ends.iter().any(|end| name.ends_with(end))
}

/// The same for names of environment variables and ConfigMap entries, which have no other meaning.
fn secret_name(name: &str) -> bool {
    let name = folded(name);
    let ends = ["secret", "token", "secretkey", "accesskey", "secretaccesskey", "credential", "credentials", "pwd"];
    credential_name(&name) || ends.iter().any(|end| name.ends_with(end))
}

fn folded(name: &str) -> String {
    // Longer names are no names; the end is what counts.
    let from = name.char_indices().rev().nth(60).map_or(0, |(at, _)| at);
    name[from..].chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// What credentials look like. The regex engine is linear in the text, so hostile text costs no more than honest text.
static PATTERNS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let patterns = [
        r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----.*?(-----END [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----|\z)",
        r"LS0tLS1CRUdJTi[A-Za-z0-9+/=\s]+",
        r"\b(AKIA|ASIA)[A-Z0-9]{16}\b",
        r"\b(gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{16,}|glpat-[A-Za-z0-9_-]{16,})",
        r"\b(xox[abeoprs]-[A-Za-z0-9-]{10,}|npm_[A-Za-z0-9]{30,}|dckr_pat_[A-Za-z0-9_-]{16,}|AIza[A-Za-z0-9_-]{30,})",
        r"\b(sk|rk)_live_[A-Za-z0-9]{16,}|\bAGE-SECRET-KEY-1[A-Z0-9]+|\bhv[sb]\.[A-Za-z0-9_-]{20,}",
        r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
        r"[A-Za-z][A-Za-z0-9+.-]*://[^\s:/@]*:(?P<secret>[^\s/]+)@",
        r"(?i)\bauthorization['\x22]?\s*[:=]\s*['\x22]?(basic|bearer|token)\s+(?P<secret>[^\s'\x22]+)",
        // `password = hunter2` in a configuration file, `--token=…` among arguments, `"auth": "…"` in a registry login.
        concat!(
            r"(?i)(password|passwd|passphrase|secret|token|api[_-]?key|private[_-]?key|access[_-]?key|\bauth)",
            r#"['"]?\s*[:=]\s*(?P<secret>"[^"\n]+"|'[^'\n]+'|[^\s"',;&]+)"#
        ),
    ];
    patterns
        .iter()
        .map(|pattern| Regex::new(pattern).unwrap_or_else(|_| unreachable!("constant, and tested")))
        .collect()
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{load, objects, yaml};
    use crate::model::path::RepoPath;

    pub(crate) const CANARY: &str = "c4n4ryV4lu3";

    fn masked(text: &str) -> String {
        let loaded = load(&RepoPath::root(), text.as_bytes());
        let (objects, problems) = objects(&loaded);
        assert!(problems.is_empty() && loaded.problems.is_empty(), "{problems:?} {:?}", loaded.problems);
        objects.iter().map(|object| yaml(&mask(object, &MaskKey([7; 32])).node)).collect()
    }

    fn object(kind: &str, rest: &str) -> String {
        format!("apiVersion: v1\nkind: {kind}\nmetadata:\n  name: x\n{rest}")
    }

    #[test]
    fn t35_canaries_do_not_survive() {
        let pem = format!("-----BEGIN RSA PRIVATE KEY-----\n    {CANARY}\n    -----END RSA PRIVATE KEY-----");
        for text in [
            object("Secret", "data:\n  a: c4n4ryV4lu3\n"),
            object("Secret", "stringData: {a: c4n4ryV4lu3, b: [c4n4ryV4lu3], c: {d: c4n4ryV4lu3}}\n"),
            object("Secret", "Data: {a: c4n4ryV4lu3}\n"),
            object("Secret", "c4n4ry: 1\nspec: c4n4ryV4lu3\n").replace("c4n4ry: 1\n", ""),
            object("ConfigMap", "data:\n  password: c4n4ryV4lu3\n  DB_TOKEN: c4n4ryV4lu3\n  app-secret: c4n4ryV4lu3\n"),
            object("ConfigMap", "binaryData:\n  a: c4n4ryV4lu3\n"),
            object("ConfigMap", &format!("data:\n  key.pem: |\n    {pem}\n    rest\n")),
            object("ConfigMap", "data:\n  key.pem: |\n    -----BEGIN PRIVATE KEY-----\n    c4n4ryV4lu3\n"),
            object(
                "ConfigMap",
                "data:\n  a.properties: |\n    db.password=c4n4ryV4lu3\n    x.token: \"c4n4ryV4lu3 z\"\n",
            ),
            object("ConfigMap", "data:\n  a: '{\"auths\": {\"r\": {\"auth\": \"c4n4ryV4lu3\"}}}'\n"),
            object(
                "ConfigMap",
                "data:\n  url: postgres://user:c4n4ryV4lu3@db/x\n  b: redis://:c4n4ry@V4lu3c4n4ryV4lu3@r\n",
            ),
            object("ConfigMap", "data:\n  h: 'Authorization: Bearer c4n4ryV4lu3'\n"),
            object("ConfigMap", "data:\n  e: ENC[AES256_GCM,data:c4n4ryV4lu3,iv:x]\n"),
            object("ConfigMap", "data:\n  e: |\n    a: ENC[AES256_GCM,data:c4n4ryV4lu3]\n"),
            object("Other", "spec: {a: c4n4ryV4lu3, n: 1}\nsops: {mac: x, age: [{enc: c4n4ryV4lu3}]}\n"),
            object("ConfigMap", "data: {a: c4n4ryV4lu3}\nsops: {mac: x}\n"),
            object("Secret", "value: c4n4ryV4lu3\n"),
            object("Schema", "properties: {type: {password: c4n4ryV4lu3}}\n"),
            object("SopsSecret", "spec: {templates: [{stringData: {a: c4n4ryV4lu3}}]}\n"),
            object("Wrapper", "spec: {objects: [{apiVersion: v1, kind: Secret, data: {a: c4n4ryV4lu3}}]}\n"),
            object("Wrapper", "spec: {kind: Secret, data: {a: c4n4ryV4lu3}}\n"),
            object("Deployment", "spec: {containers: [{env: [{name: DB_PASSWORD, value: c4n4ryV4lu3}]}]}\n"),
            object("Deployment", "spec: {containers: [{args: ['--password=c4n4ryV4lu3']}]}\n"),
            object("HelmRelease", "spec: {values: {auth: {password: c4n4ryV4lu3, apiKey: c4n4ryV4lu3}}}\n"),
            object("X", "").replace("name: x", &format!("name: x\n  annotations: {{{LAST_APPLIED}: c4n4ryV4lu3}}")),
        ] {
            let out = masked(&text);
            assert!(!out.contains("c4n4ryV4lu3") && out.contains("«masked, fingerprint "), "{text}\n{out}");
        }
        for token in [
            "AKIAIOSFODNN7EXAMPLE",
            "ghp_0123456789abcdefghij0123456789abcdef",
            "ghs_0123456789abcdefghij0123456789abcdef",
            "github_pat_0123456789abcdefghij_0123456789",
            "xoxb-1234567890-abcdef",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
            "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQpNSUlFcFFJQkFBS0NBUUVB",
        ] {
            let out = masked(&object("Any", &format!("spec: {{x: [\"a {token} b\"]}}\n")));
            assert!(!out.contains(&token[4..]) && out.contains("a «masked, fingerprint "), "{out}");
        }
    }

    proptest::proptest! {
        #[test]
        fn t35_no_shape_of_a_secret_lets_its_values_through(
            keys in proptest::collection::vec("data|stringData|Data|spec|a|items|value|name", 1..6),
            lists in proptest::collection::vec(proptest::bool::ANY, 6),
            before in "c4n4ry[a-z ]{0,20}",
            after in "c4n4ry[a-z\n]{0,20}",
        ) {
            let secret = |value: &str| {
                let mut json = serde_json::json!(value);
                for (key, list) in keys.iter().zip(&lists) {
                    json = if *list { serde_json::json!({key: [json, value]}) } else { serde_json::json!({key: json}) };
                }
                let mut object = serde_json::json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}});
                object.as_object_mut().unwrap().extend(json.as_object().unwrap().clone());
                objects(&load(&RepoPath::root(), object.to_string().as_bytes())).0
            };
            for change in crate::manifest::changes(&secret(&before), &secret(&after), &MaskKey([3; 32])) {
                proptest::prop_assert!(!change.diff.contains("c4n4ry") && change.diff.contains("masked"), "{}", change.diff);
            }
        }
    }

    #[test]
    fn t35_a_mask_tells_neither_value_nor_length() {
        let at = |value: &str, key: u8| {
            let loaded = load(&RepoPath::root(), object("Secret", &format!("data:\n  a: '{value}'\n")).as_bytes());
            let object = objects(&loaded).0.remove(0);
            mask(&object, &MaskKey([key; 32])).node.str_at(&["data", "a"]).unwrap().to_owned()
        };
        assert_eq!(at("a", 1), at("a", 1));
        assert_ne!(at("a", 1), at("b", 1));
        assert_ne!(at("a", 1), at("a", 2));
        assert_eq!(at("", 1).len(), at(&"x".repeat(5000), 1).len());
        assert_eq!(format!("{:?}", MaskKey([1; 32])), "MaskKey(…)");
    }

    #[test]
    fn what_is_no_secret_stays() {
        for rest in [
            "spec: {secretName: shop-db, secretKeyRef: {name: shop, key: password}}\n",
            "spec: {automountServiceAccountToken: false, tokenName: x, image: 'ghcr.io/a/b:1@sha256:00'}\n",
            "spec: {url: 'https://example.com:8080/a?b=c', args: ['--password=$(PASSWORD)', '--verbose']}\n",
            "spec: {caBundle: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUM1ekNDQWMrZ0F3SUJBZ0lCQVRBTkJna3E=}\n",
            "spec: {pem: '-----BEGIN CERTIFICATE-----'}\n",
        ] {
            let out = masked(&object("Any", rest));
            assert!(!out.contains('«'), "{out}");
        }
    }
}
