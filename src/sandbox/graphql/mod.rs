//! GraphQL at `/api/graphql`: a small generic executor over the types a bot needs.

mod commit;
mod mutate;
mod node;
mod parse;
mod pull;
mod queue;
mod repo;

use serde_json::{Map, Value, json};

use super::Sandbox;
use super::auth::Actor;
use super::cx::Cx;
use super::http::{Answer, Call};
use super::refusal::Refusal;
pub(crate) use node::{Node, Out};
use parse::{Document, Field, Operation, Selection, Val};

/// Arguments with their variables filled in.
pub(crate) type Args = Map<String, Value>;
/// GitHub counts nodes; this bounds the work of one document in the same spirit (its limit is 500,000).
const FIELDS: usize = 500_000;

/// Answers one request; the second value is the name of the first top-level field, for the log.
pub(crate) fn answer(sandbox: &Sandbox, actor: Actor, call: &Call) -> (Answer, Option<String>) {
    let refuse = |message: String| (Answer::ok(json!({ "errors": [{ "message": message }] })), None);
    if let Actor::Anonymous = actor {
        let refusal = Refusal::new(401, "This endpoint requires you to be authenticated.");
        return (Answer::new(401, refusal.body()), None);
    }
    let Some(text) = call.text("query") else {
        return refuse("A query attribute must be specified and must be a string.".into());
    };
    let document = match parse::parse(text) {
        Ok(document) => document,
        Err(message) => return refuse(format!("Parse error: {message}")),
    };
    let wanted = call.text("operationName");
    let found = document.operations.iter().find(|one| wanted.is_none() || one.name.as_deref() == wanted);
    let Some(operation) = found else { return refuse("An operation name is required".into()) };
    let top = operation.selection.iter().find_map(|one| match one {
        Selection::Field(field) => Some(field.name.clone()),
        _ => None,
    });
    // All queries ask for the repository; their names tell them apart.
    let top = operation.name.clone().filter(|_| !operation.mutation).or(top);
    let variables = match variables(operation, &call.body["variables"]) {
        Ok(variables) => variables,
        Err(message) => return (refuse(message).0, top),
    };
    let run = |cx: &mut Cx<'_>| {
        let mut exec = Exec { document: &document, variables, errors: Vec::new(), fields: 0, depth: 0 };
        let root = if operation.mutation { Node::Mutation } else { Node::Query };
        let data = exec.select(cx, &root, &operation.selection, &[]);
        let failed = !exec.errors.is_empty();
        let mut body = json!({ "data": data });
        if failed {
            body["errors"] = Value::Array(exec.errors);
        }
        (Answer::ok(body), failed)
    };
    if !operation.mutation {
        return (sandbox.read(actor, call.stale, run).0, top);
    }
    let mut answer = None;
    let done = sandbox.act(actor, |cx| {
        let (body, failed) = run(cx);
        answer = Some(body);
        // A mutation that failed wholly changes nothing, not even what "before" means.
        if failed && cx.sent.is_empty() && !cx.wrote { Err(Refusal::not_found()) } else { Ok(()) }
    });
    drop(done);
    (answer.unwrap_or_else(Answer::empty), top)
}

fn variables(operation: &Operation, given: &Value) -> Result<Args, String> {
    let mut found = Map::new();
    for variable in &operation.variables {
        let value = given.get(&variable.name).cloned();
        let value = value.or_else(|| variable.default.as_ref().map(|default| default.fill(&Map::new())));
        match value {
            Some(value) if !(value.is_null() && variable.required) => {
                found.insert(variable.name.clone(), value);
            }
            _ if variable.required => {
                return Err(format!("Variable ${} was provided invalid value", variable.name));
            }
            _ => {}
        }
    }
    Ok(found)
}

struct Exec<'d> {
    document: &'d Document,
    variables: Args,
    errors: Vec<Value>,
    fields: usize,
    /// Fragments may name each other in a circle.
    depth: usize,
}

impl Exec<'_> {
    fn wanted(&self, conditions: &[(bool, Val)]) -> bool {
        conditions.iter().all(|(include, val)| (val.fill(&self.variables) == Value::Bool(true)) == *include)
    }

    fn select(&mut self, cx: &mut Cx<'_>, node: &Node, selection: &[Selection], path: &[Value]) -> Value {
        let mut found = Map::new();
        self.gather(cx, node, selection, (path, &mut found));
        Value::Object(found)
    }

    fn gather(
        &mut self,
        cx: &mut Cx<'_>,
        node: &Node,
        selection: &[Selection],
        (path, found): (&[Value], &mut Map<String, Value>),
    ) {
        // Twice what the parser lets through: the rest can only be a circle of fragments.
        if self.depth > 80 {
            return;
        }
        self.depth += 1;
        for one in selection {
            match one {
                Selection::Field(field) if self.wanted(&field.conditions) => {
                    let value = self.field(cx, node, field, path);
                    merge(found, &field.alias, value);
                }
                Selection::Inline(on, conditions, inner)
                    if self.wanted(conditions) && on.as_ref().is_none_or(|on| node.is(cx, on)) =>
                {
                    self.gather(cx, node, inner, (path, found));
                }
                Selection::Spread(name, conditions) if self.wanted(conditions) => {
                    let Some((on, inner)) = self.document.fragments.get(name) else {
                        self.errors.push(json!({ "message": format!("Fragment {name} was used, but not defined") }));
                        continue;
                    };
                    if node.is(cx, on) {
                        self.gather(cx, node, inner, (path, found));
                    }
                }
                _ => {}
            }
        }
        self.depth -= 1;
    }

    fn field(&mut self, cx: &mut Cx<'_>, node: &Node, field: &Field, path: &[Value]) -> Value {
        self.fields += 1;
        let mut here = path.to_vec();
        here.push(field.alias.clone().into());
        if self.fields > FIELDS {
            return Value::Null;
        }
        if field.name == "__typename" {
            return node.typename(cx).into();
        }
        let args: Args = field.args.iter().map(|(name, val)| (name.clone(), val.fill(&self.variables))).collect();
        let out = if matches!(node, Node::Mutation) {
            mutate::run(cx, &field.name, &args)
        } else {
            node.field(cx, &field.name, &args)
        };
        match out {
            Ok(Some(out)) => self.complete(cx, out, field, (&args, &here)),
            Ok(None) => {
                let kind = node.typename(cx);
                self.errors.push(json!({
                    "path": here,
                    "extensions": { "code": "undefinedField", "typeName": kind, "fieldName": field.name },
                    "locations": [{ "line": field.line, "column": field.column }],
                    "message": format!("Field '{}' doesn't exist on type '{kind}'", field.name),
                }));
                Value::Null
            }
            Err(refusal) => self.refuse(&refusal, field, &here),
        }
    }

    fn refuse(&mut self, refusal: &Refusal, field: &Field, path: &[Value]) -> Value {
        self.errors.push(json!({
            "type": refusal.kind,
            "path": path,
            "locations": [{ "line": field.line, "column": field.column }],
            "message": refusal.text(),
        }));
        Value::Null
    }

    fn complete(&mut self, cx: &mut Cx<'_>, out: Out, field: &Field, (args, path): (&Args, &[Value])) -> Value {
        match out {
            Out::Value(value) => value,
            Out::Node(node) => self.select(cx, &node, &field.selection, path),
            Out::List(nodes) => {
                let mut rows = Vec::new();
                for (index, node) in nodes.iter().enumerate() {
                    let mut here = path.to_vec();
                    here.push(index.into());
                    rows.push(self.select(cx, node, &field.selection, &here));
                }
                Value::Array(rows)
            }
            Out::Page(kind, nodes) => match window(kind, nodes, args, &field.name) {
                Ok(page) => self.select(cx, &page, &field.selection, path),
                Err(refusal) => self.refuse(&refusal, field, path),
            },
        }
    }
}

/// Two selections of the same field become one.
fn merge(found: &mut Map<String, Value>, alias: &str, value: Value) {
    match (found.get_mut(alias), value) {
        (Some(Value::Object(old)), Value::Object(new)) => {
            for (name, value) in new {
                merge(old, &name, value);
            }
        }
        (Some(Value::Array(old)), Value::Array(new)) => {
            for (old, new) in old.iter_mut().zip(new) {
                if let (Value::Object(old), Value::Object(new)) = (old, new) {
                    new.into_iter().for_each(|(name, value)| merge(old, &name, value));
                }
            }
        }
        (_, value) => {
            found.insert(alias.to_owned(), value);
        }
    }
}

/// The part of a connection that `first`/`after` or `last`/`before` ask for; GitHub insists on one of them, up to 100.
fn window(kind: &'static str, nodes: Vec<Node>, args: &Args, name: &str) -> Result<Node, Refusal> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let count = |name: &str| args.get(name).and_then(Value::as_i64);
    let cursor = |name: &str| {
        let text = args.get(name)?.as_str()?;
        let text = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
        text.strip_prefix("cursor:")?.parse::<usize>().ok()
    };
    let (first, last) = (count("first"), count("last"));
    let Some(size) = first.or(last) else {
        let what = format!("You must provide a `first` or `last` value to properly paginate the `{name}` connection.");
        return Err(Refusal::new(200, what).of_kind("MISSING_PAGINATION_BOUNDARIES"));
    };
    if !(0..=100).contains(&size) {
        let what =
            format!("Requesting {size} records on the `{name}` connection exceeds the `first` limit of 100 records.");
        return Err(Refusal::new(200, what).of_kind("EXCESSIVE_PAGINATION"));
    }
    let size = usize::try_from(size).unwrap_or_default();
    let total = nodes.len();
    let (mut from, mut to) = (cursor("after").unwrap_or(0).min(total), total);
    if let Some(before) = cursor("before") {
        to = before.saturating_sub(1).clamp(from, total);
    }
    if first.is_some() {
        to = to.min(from + size);
    } else {
        from = from.max(to.saturating_sub(size));
    }
    let mark = |at: usize| Value::from(STANDARD.encode(format!("cursor:{at}")));
    let shown: Vec<Node> = nodes.into_iter().skip(from).take(to - from).collect();
    let empty = shown.is_empty();
    let edges = shown.iter().enumerate().map(|(index, node)| {
        Node::plain("Edge", [("node", Out::Node(node.clone())), ("cursor", Out::Value(mark(from + index + 1)))])
    });
    let info = Node::plain(
        "PageInfo",
        [
            ("hasNextPage", Out::Value((to < total).into())),
            ("hasPreviousPage", Out::Value((from > 0).into())),
            ("startCursor", Out::Value(if empty { Value::Null } else { mark(from + 1) })),
            ("endCursor", Out::Value(if empty { Value::Null } else { mark(to) })),
        ],
    );
    Ok(Node::plain(
        kind,
        [
            ("edges", Out::List(edges.collect())),
            ("nodes", Out::List(shown)),
            ("totalCount", Out::Value(total.into())),
            ("pageInfo", Out::Node(info)),
        ],
    ))
}
