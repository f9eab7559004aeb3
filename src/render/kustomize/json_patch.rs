//! JSON patches (RFC 6902): add, remove, replace, move, copy, test.

use super::resource::{key, scalar_text};
use crate::manifest::node::{Node, Span, Value};

/// An operation that cannot be done, and where it is written.
pub(super) type Refusal = Box<(Span, String)>;

fn refuse<T>(at: &Node, why: impl Into<String>) -> Result<T, Refusal> {
    Err(Box::new((at.span.clone(), why.into())))
}

/// What a value says set it.
const BY: &str = "JSON patch";

/// Applies a list of operations to an object, in order.
pub(super) fn apply(object: &mut Node, operations: &Node) -> Result<(), Refusal> {
    let Some(list) = operations.as_list() else {
        return refuse(operations, "a JSON patch is a list of operations");
    };
    list.iter().try_for_each(|operation| run(object, operation))
}

fn run(object: &mut Node, operation: &Node) -> Result<(), Refusal> {
    let Some(word) = operation.str_at(&["op"]) else {
        return refuse(operation, "this operation has no `op`");
    };
    let path = pointer(operation, "path")?;
    let value = || match operation.get("value") {
        Some(value) => Ok(value.clone()),
        None => refuse(operation, format!("`{word}` needs a `value`")),
    };
    let place = || operation.get("path").unwrap_or(operation);
    match word {
        "add" => add(object, &path, value()?).or_else(|why| refuse(place(), why)),
        "replace" => {
            let value = value()?;
            replace(object, &path, value).or_else(|why| refuse(place(), why))
        }
        "remove" => remove(object, &path).map(drop).or_else(|why| refuse(place(), why)),
        "move" | "copy" => {
            let from = pointer(operation, "from")?;
            let at = || operation.get("from").unwrap_or(operation);
            let value = match word {
                "move" => remove(object, &from).or_else(|why| refuse(at(), why))?,
                _ => find(object, &from).or_else(|why| refuse(at(), why))?.clone(),
            };
            add(object, &path, value).or_else(|why| refuse(place(), why))
        }
        "test" => test(object, &path, operation.get("value")).or_else(|why| refuse(operation, why)),
        other => {
            let at = operation.get("op").unwrap_or(operation);
            refuse(at, format!("`{other}` is no operation: add, remove, replace, move, copy or test"))
        }
    }
}

fn pointer(operation: &Node, field: &str) -> Result<Vec<String>, Refusal> {
    let Some(node) = operation.get(field) else { return refuse(operation, format!("this operation has no `{field}`")) };
    match node.as_str().and_then(|text| text.strip_prefix('/')) {
        Some(rest) => Ok(rest.split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect()),
        None => refuse(node, format!("`{field}` begins with `/` and names a field, such as `/spec/replicas`")),
    }
}

fn index(part: &str, length: usize) -> Result<usize, String> {
    let number: usize =
        part.parse().map_err(|_| format!("`{part}` is no place in a list: use a number, or `-` to append"))?;
    if number < length { Ok(number) } else { Err(format!("the list has {length} items, so there is no item {number}")) }
}

fn step<'n>(node: &'n mut Node, part: &str) -> Result<&'n mut Node, String> {
    match &mut node.value {
        Value::Map(map) => map.get_mut(part).ok_or_else(|| format!("`{part}` does not exist")),
        Value::List(list) => {
            let at = index(part, list.len())?;
            Ok(&mut list[at])
        }
        _ => Err(format!("there is nothing below which `{part}` could stand")),
    }
}

fn find<'n>(object: &'n mut Node, path: &[String]) -> Result<&'n mut Node, String> {
    path.iter().try_fold(object, |node, part| step(node, part))
}

fn parent<'n, 'p>(object: &'n mut Node, path: &'p [String]) -> Result<(&'n mut Node, &'p str), String> {
    // `pointer` always yields at least one part.
    let (last, before) = path.split_last().ok_or("the path is empty")?;
    Ok((find(object, before)?, last))
}

fn add(object: &mut Node, path: &[String], value: Node) -> Result<(), String> {
    let (node, last) = parent(object, path)?;
    match &mut node.value {
        Value::Map(map) => map.set(key(last, &value.span.clone()), value, BY),
        Value::List(list) if last == "-" => list.push(value.set_by(BY)),
        Value::List(list) => {
            let at = index(last, list.len() + 1)?;
            list.insert(at, value.set_by(BY));
        }
        _ => return Err(format!("there is nothing below which `{last}` could stand")),
    }
    Ok(())
}

/// In a mapping, the original replaces also what is not there.
fn replace(object: &mut Node, path: &[String], value: Node) -> Result<(), String> {
    let (node, last) = parent(object, path)?;
    if let Value::Map(map) = &mut node.value {
        map.set(key(last, &value.span.clone()), value, BY);
        return Ok(());
    }
    let found = step(node, last)?;
    *found = value.over(found, BY);
    Ok(())
}

fn remove(object: &mut Node, path: &[String]) -> Result<Node, String> {
    let (node, last) = parent(object, path)?;
    match &mut node.value {
        Value::Map(map) => map.remove(last).ok_or_else(|| format!("`{last}` does not exist")),
        Value::List(list) => {
            let at = index(last, list.len())?;
            Ok(list.remove(at))
        }
        _ => Err(format!("`{last}` does not exist")),
    }
}

fn test(object: &mut Node, path: &[String], wanted: Option<&Node>) -> Result<(), String> {
    let found = find(object, path).ok();
    let null = |node: Option<&Node>| node.is_none_or(Node::is_null);
    if found.as_deref() == wanted || (null(found.as_deref()) && null(wanted)) {
        return Ok(());
    }
    let said = match found.as_deref().map(|node| (node, scalar_text(node))) {
        Some((_, Some(text))) => format!("it is `{}`", text.chars().take(60).collect::<String>()),
        Some(_) => "it is something else".to_owned(),
        None => "there is nothing".to_owned(),
    };
    Err(format!("the test fails: {said} at `/{}`", path.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::load;
    use crate::model::path::RepoPath;

    fn node(text: &str) -> Node {
        load(&RepoPath::root(), text.as_bytes()).documents.remove(0).node
    }

    fn patched(object: &str, patch: &str) -> Result<String, String> {
        let mut object = node(object);
        apply(&mut object, &node(patch)).map_err(|refusal| refusal.1)?;
        Ok(object.to_json().to_string())
    }

    #[test]
    fn operations_do_what_the_standard_says() {
        for (object, patch, expected) in [
            ("{a: 1}", "[{op: add, path: /b, value: 2}]", r#"{"a":1,"b":2}"#),
            ("{a: [1]}", "[{op: add, path: /a/-, value: 2}, {op: add, path: /a/0, value: 0}]", r#"{"a":[0,1,2]}"#),
            (
                "{a: {b/c: 1, d~e: 2}}",
                "[{op: remove, path: /a/b~1c}, {op: replace, path: /a/d~0e, value: 3}]",
                r#"{"a":{"d~e":3}}"#,
            ),
            ("{a: 1}", "[{op: move, from: /a, path: /b}]", r#"{"b":1}"#),
            (
                "{a: {x: 1}}",
                "[{op: copy, from: /a, path: /b}, {op: test, path: /b/x, value: 1}]",
                r#"{"a":{"x":1},"b":{"x":1}}"#,
            ),
        ] {
            assert_eq!(patched(object, patch).unwrap(), expected, "{patch}");
        }
    }

    #[test]
    fn what_cannot_be_done_says_why() {
        for (patch, why) in [
            ("[{op: remove, path: /x}]", "`x` does not exist"),
            ("[{op: replace, path: /a/b/c, value: 1}]", "`b` does not exist"),
            ("[{op: add, path: /l/5, value: 1}]", "the list has 2 items, so there is no item 5"),
            ("[{op: test, path: /s, value: y}]", "the test fails: it is `x` at `/s`"),
            ("[{op: frob, path: /s}]", "`frob` is no operation: add, remove, replace, move, copy or test"),
            ("[{op: add, path: s, value: 1}]", "`path` begins with `/` and names a field, such as `/spec/replicas`"),
            ("[{op: add, path: /s/t, value: 1}]", "there is nothing below which `t` could stand"),
            ("{op: add}", "a JSON patch is a list of operations"),
        ] {
            assert_eq!(patched("{a: {}, l: [1], s: x}", patch).unwrap_err(), why);
        }
    }
}
