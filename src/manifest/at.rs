//! Finding the line a path means: schemas and policies speak in JSON pointers, people in files and lines.

use super::node::{Node, Value};

/// The node at a JSON pointer such as `/spec/containers/0/image`.
pub fn at<'a>(node: &'a Node, pointer: &str) -> Option<&'a Node> {
    parts(pointer).try_fold(node, |node, part| step(node, &part))
}

/// The node at a JSON pointer or, where the path breaks off, the last one on the way: the line to show when something is
/// missing.
pub fn nearest<'a>(node: &'a Node, pointer: &str) -> &'a Node {
    let mut found = node;
    for part in parts(pointer) {
        match step(found, &part) {
            Some(next) => found = next,
            None => break,
        }
    }
    found
}

fn parts(pointer: &str) -> impl Iterator<Item = String> {
    pointer
        .strip_prefix('/')
        .into_iter()
        .flat_map(|rest| rest.split('/'))
        .map(|part| part.replace("~1", "/").replace("~0", "~"))
}

fn step<'a>(node: &'a Node, part: &str) -> Option<&'a Node> {
    match &node.value {
        Value::Map(map) => map.get(part),
        Value::List(list) => list.get(part.parse::<usize>().ok()?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::path::RepoPath;

    #[test]
    fn pointers_lead_to_lines() {
        let text = "a:\n- b: 1\n- c/d: 2\n  ~e: 3\n";
        let root = &super::super::load(&RepoPath::root(), text.as_bytes()).documents[0].node;
        assert_eq!(at(root, "/a/1/c~1d").and_then(Node::as_int), Some(2));
        assert_eq!(at(root, "/a/1/~0e").and_then(Node::as_int), Some(3));
        assert_eq!(at(root, "").map(|node| node.span.line), Some(1));
        assert!(at(root, "/a/x").is_none() && at(root, "/a/7").is_none() && at(root, "/a/0/b/c").is_none());
        assert_eq!(nearest(root, "/a/1/missing/x").span.line, 3);
        assert_eq!(nearest(root, "/z").span.line, 1);
    }
}
