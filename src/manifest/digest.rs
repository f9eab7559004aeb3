//! One short text for what objects are, wherever they were written: two renderings are the same when theirs are.

use sha2::{Digest, Sha256};

use super::node::{Map, Node, Object, Value};

/// The digest of some objects, in any order; maps have none either.
pub fn digest(objects: &[Object]) -> String {
    let one = |object: &Object| {
        let mut hash = Sha256::new();
        // The depth of a node is bounded by the reader's own.
        walk(&object.node, &mut hash);
        hash.finalize()
    };
    let mut each: Vec<_> = objects.iter().map(one).collect();
    each.sort_unstable();
    let whole = each.iter().fold(Sha256::new(), |hash, one| hash.chain_update(one));
    whole.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Every value with its kind and length before it, so that no two trees give the same bytes.
fn walk(node: &Node, hash: &mut Sha256) {
    match &node.value {
        Value::Null => hash.update([0]),
        Value::Bool(value) => hash.update([1, u8::from(*value)]),
        Value::Int(value) => {
            hash.update([2]);
            hash.update(value.to_be_bytes());
        }
        Value::Float(value) => {
            hash.update([3]);
            hash.update(value.to_bits().to_be_bytes());
        }
        Value::String(value) => text(4, value, hash),
        Value::List(items) => {
            hash.update([5]);
            hash.update(items.len().to_be_bytes());
            items.iter().for_each(|item| walk(item, hash));
        }
        Value::Map(map) => entries(map, hash),
    }
}

fn entries(map: &Map, hash: &mut Sha256) {
    let mut sorted: Vec<(&str, &Node)> = map.iter().map(|(key, value)| (key.text.as_str(), value)).collect();
    sorted.sort_unstable_by_key(|(key, _)| *key);
    hash.update([6]);
    hash.update(sorted.len().to_be_bytes());
    for (key, value) in sorted {
        text(7, key, hash);
        walk(value, hash);
    }
}

fn text(kind: u8, value: &str, hash: &mut Sha256) {
    hash.update([kind]);
    hash.update(value.len().to_be_bytes());
    hash.update(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{load, objects};

    fn of(text: &str) -> String {
        digest(&objects(&load::load(&"a.yaml".parse().unwrap(), text.as_bytes())).0)
    }

    #[test]
    fn e35_the_same_objects_have_the_same_digest_wherever_they_stand() {
        let pair = "{apiVersion: v1, kind: A, metadata: {name: a}, x: [1, 'b']}\n---\n{apiVersion: v1, kind: B, metadata: {name: b}}\n";
        let same = "# moved\nkind: B\nmetadata: {name: b}\napiVersion: v1\n---\nx: [1, b]\napiVersion: v1\nkind: A\nmetadata: {name: a}\n";
        assert_eq!(of(pair), of(same));
        for (from, to) in
            [("x: [1, 'b']", "x: ['1', 'b']"), ("[1, 'b']", "[1, b, 2]"), ("'b'", "'c'"), ("kind: B", "kind: C")]
        {
            assert_ne!(of(pair), of(&pair.replace(from, to)), "{to}");
        }
        assert_ne!(of(pair), of(pair.split("---").next().unwrap()));
    }
}
