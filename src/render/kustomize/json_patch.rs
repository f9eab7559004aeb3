//! JSON patches (RFC 6902): add, remove, replace, move, copy, test.

use super::resource::{depth, key, scalar_text, too_deep, weigh};
use crate::manifest::node::{Node, Span, Value};

/// An operation that cannot be done, and where it is written.
pub(super) type Refusal = Box<(Span, String)>;

fn refuse<T>(at: &Node, why: impl Into<String>) -> Result<T, Refusal> {
    Err(Box::new((at.span.clone(), why.into())))
}

/// What a value says set it.
const BY: &str = "JSON patch";

/// Applies a list of operations to an object, in order. They copy at most as many values as are `left`: a mapping copied into itself
/// doubles each time.
pub(super) fn apply(object: &mut Node, operations: &Node, left: &mut usize) -> Result<(), Refusal> {
    let Some(list) = operations.as_list() else {
        return refuse(operations, "a JSON patch is a list of operations");
    };
    list.iter().try_for_each(|operation| run(object, operation, left))
}

fn run(object: &mut Node, operation: &Node, left: &mut usize) -> Result<(), Refusal> {
    let Some(word) = operation.str_at(&["op"]) else {
        return refuse(operation, "this operation has no `op`");
    };
    let path = pointer(operation, "path")?;
    // Left out it is null, as for the original.
    let value = || operation.get("value").cloned().unwrap_or_else(|| null(operation));
    let place = || operation.get("path").unwrap_or(operation);
    let mut afford = |object: &mut Node, path: &[String]| {
        *left = left.saturating_sub(cost(object, path, *left));
        if *left > 0 { Ok(()) } else { refuse(operation, "the operations of this patch copy too much") }
    };
    afford(object, &path)?;
    let value = || {
        let value = value();
        too_deep(path.len(), depth(&value)).or_else(|why| refuse(operation, why)).map(|()| value)
    };
    match word {
        "add" => add(object, &path, value()?).or_else(|why| refuse(place(), why)),
        "replace" => replace(object, &path, value()?).or_else(|why| refuse(place(), why)),
        "remove" => remove(object, &path).map(drop).or_else(|why| refuse(place(), why)),
        "move" | "copy" => {
            let from = pointer(operation, "from")?;
            let at = || operation.get("from").unwrap_or(operation);
            afford(object, &from)?;
            let value = match word {
                "move" => remove(object, &from).or_else(|why| refuse(at(), why))?,
                _ => get(object, &from).or_else(|why| refuse(at(), why))?.unwrap_or_else(|| null(operation)),
            };
            too_deep(path.len(), depth(&value)).or_else(|why| refuse(operation, why))?;
            add(object, &path, value).or_else(|why| refuse(place(), why))
        }
        "test" => test(object, &path, operation.get("value")).or_else(|why| refuse(operation, why)),
        other => {
            let at = operation.get("op").unwrap_or(operation);
            refuse(at, format!("`{other}` is no operation: add, remove, replace, move, copy or test"))
        }
    }
}

/// What it costs to look at, copy or move what stands at a path: its values, and its neighbours in a list.
fn cost(object: &mut Node, path: &[String], limit: usize) -> usize {
    let Ok((node, last)) = parent(object, path) else { return 1 };
    let here = match &node.value {
        Value::Map(map) => map.get(last),
        Value::List(list) => index(last, list.len(), list.len()).ok().and_then(|at| list.get(at)),
        _ => None,
    };
    let neighbours = node.as_list().map_or(0, |list| list.len() / 16);
    here.map_or(1, |here| weigh(here, limit)) + neighbours
}

fn pointer(operation: &Node, field: &str) -> Result<Vec<String>, Refusal> {
    let Some(node) = operation.get(field) else { return refuse(operation, format!("this operation has no `{field}`")) };
    match node.as_str().and_then(|text| text.strip_prefix('/')) {
        Some(rest) => Ok(rest.split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect()),
        None => refuse(node, format!("`{field}` begins with `/` and names a field, such as `/spec/replicas`")),
    }
}

/// What an operation without a value sets.
fn null(operation: &Node) -> Node {
    Node { value: Value::Null, ..operation.clone() }
}

/// A place among `places`; negative numbers count from the end, as the original has it.
fn index(part: &str, places: usize, length: usize) -> Result<usize, String> {
    let number: i64 =
        part.parse().map_err(|_| format!("`{part}` is no place in a list: use a number, or `-` to append"))?;
    let from_start = if number < 0 { number.saturating_add_unsigned(places as u64) } else { number };
    match usize::try_from(from_start) {
        Ok(at) if at < places => Ok(at),
        _ => Err(format!("the list has {length} items, so there is no item {number}")),
    }
}

fn step<'n>(node: &'n mut Node, part: &str) -> Result<&'n mut Node, String> {
    match &mut node.value {
        Value::Map(map) => map.get_mut(part).ok_or_else(|| format!("`{part}` does not exist")),
        Value::List(list) => {
            let at = index(part, list.len(), list.len())?;
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
            let at = index(last, list.len() + 1, list.len())?;
            list.insert(at, value.set_by(BY));
        }
        _ => return Err(format!("there is nothing below which `{last}` could stand")),
    }
    Ok(())
}

/// Replaces what stands at `path`. A field of a map need not be there yet: the original sets it all the same.
fn replace(object: &mut Node, path: &[String], value: Node) -> Result<(), String> {
    let (node, last) = parent(object, path)?;
    if node.as_map().is_some_and(|map| map.get(last).is_none()) {
        return add(object, path, value);
    }
    let found = step(node, last)?;
    *found = value.over(found, BY);
    Ok(())
}

/// What stands at `path`: nothing for a field that a map does not have.
fn get(object: &mut Node, path: &[String]) -> Result<Option<Node>, String> {
    let (node, last) = parent(object, path)?;
    match &node.value {
        Value::Map(map) => Ok(map.get(last).cloned()),
        _ => step(node, last).map(|found| Some(found.clone())),
    }
}

fn remove(object: &mut Node, path: &[String]) -> Result<Node, String> {
    let (node, last) = parent(object, path)?;
    match &mut node.value {
        Value::Map(map) => map.remove(last).ok_or_else(|| format!("`{last}` does not exist")),
        Value::List(list) => {
            let at = index(last, list.len(), list.len())?;
            Ok(list.remove(at))
        }
        _ => Err(format!("`{last}` does not exist")),
    }
}

fn test(object: &mut Node, path: &[String], wanted: Option<&Node>) -> Result<(), String> {
    let found = get(object, path)?;
    let null = |node: Option<&Node>| node.is_none_or(Node::is_null);
    if found.as_ref() == wanted || (null(found.as_ref()) && null(wanted)) {
        return Ok(());
    }
    let said = match found.as_ref().map(|node| (node, scalar_text(node))) {
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
        apply(&mut object, &node(patch), &mut 10_000).map_err(|refusal| refusal.1)?;
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
            // Not the standard's, the original's: as is measured on kustomize v5.8.
            ("{a: {}}", "[{op: replace, path: /a/b, value: 1}]", r#"{"a":{"b":1}}"#),
            ("{a: 1}", "[{op: copy, from: /none, path: /b}]", r#"{"a":1,"b":null}"#),
            ("{a: 1}", "[{op: add, path: /b}, {op: test, path: /b}]", r#"{"a":1,"b":null}"#),
            (
                "{a: [1, 2]}",
                "[{op: remove, path: /a/-1}, {op: add, path: /a/-1, value: 3}, {op: replace, path: /a/-2, value: 0}]",
                r#"{"a":[0,3]}"#,
            ),
        ] {
            assert_eq!(patched(object, patch).unwrap(), expected, "{patch}");
        }
    }

    #[test]
    fn a_mapping_copied_into_itself_comes_to_an_end() {
        let patch = |place: &dyn Fn(u32) -> String| {
            let operation = |at| format!("{{op: copy, from: /a, path: {}}}", place(at));
            format!("[{}]", (0..40).map(operation).collect::<Vec<_>>().join(", "))
        };
        let wide = patched("{a: {b: 1}}", &patch(&|at| format!("/a/x{at}")));
        assert_eq!(wide.unwrap_err(), "the operations of this patch copy too much");
        let deep = patched("{a: {b: 1}}", &patch(&|at| format!("/a{}", "/x".repeat((1 << at.min(12)) as usize))));
        assert_eq!(deep.unwrap_err(), "this makes more than 128 values inside each other");
    }

    #[test]
    fn what_cannot_be_done_says_why() {
        for (patch, why) in [
            ("[{op: remove, path: /x}]", "`x` does not exist"),
            ("[{op: replace, path: /a/b/c, value: 1}]", "`b` does not exist"),
            ("[{op: add, path: /l/5, value: 1}]", "the list has 1 items, so there is no item 5"),
            ("[{op: remove, path: /l/-2}]", "the list has 1 items, so there is no item -2"),
            ("[{op: replace, path: /l/1, value: 1}]", "the list has 1 items, so there is no item 1"),
            ("[{op: copy, from: /none/x, path: /b}]", "`none` does not exist"),
            ("[{op: test, path: /none/x}]", "`none` does not exist"),
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
