//! `replacements`: a value of one object, copied into fields of others.

use std::cell::Cell;

use super::form::{Form, Text, note};
use super::path::{self, Leaf, Matcher, Regexes};
use super::resource::{Gvk, Resource, depth, scalar_text, text_node, too_deep, weigh};
use super::select::Selector;
use super::shared;
use super::spec::{self, Target};
use super::transform::{Failure, is_text};
use super::{config, structured};
use crate::manifest::node::{Node, Span, Value};
use crate::model::finding::Problem;
use crate::model::path::RepoPath;
use crate::render::reading;
use crate::render::source::Source;

/// What a value says set it.
const BY: &str = "replacements";
/// The field that is meant when none is named.
const NAME: &str = "metadata.name";
/// Targets and paths of one replacement: each is looked for in every object.
const MAX_TARGETS: usize = 1_000;

/// One replacement: where the value comes from, and where it goes.
#[derive(Debug, Clone)]
pub(super) struct Replacement {
    /// A file with replacements, instead of all else.
    path: Option<Text>,
    from: Option<From>,
    value: Option<Text>,
    to: Option<Vec<To>>,
    span: Span,
}

/// The object and field a value is taken from.
#[derive(Debug, Clone)]
struct From {
    gvk: Gvk,
    name: String,
    namespace: String,
    path: Option<Text>,
    part: Part,
    span: Span,
}

/// The objects and fields a value goes to.
#[derive(Debug, Clone)]
struct To {
    select: Option<Target>,
    reject: Vec<Target>,
    paths: Vec<Text>,
    part: Part,
    span: Span,
}

/// Which part of a text is meant, and whether a missing field is made.
#[derive(Debug, Clone, Default)]
pub(super) struct Part {
    pub(super) delimiter: String,
    pub(super) index: i64,
    pub(super) create: bool,
}

/// Reads a list of replacements.
pub(super) fn read(form: &mut Form<'_>, name: &str) -> Vec<Replacement> {
    let nodes = form.list(name);
    nodes.iter().enumerate().map(|(at, node)| one(&format!("{name}[{at}]"), node, form.problems)).collect()
}

fn one(what: &str, node: &Node, problems: &mut Vec<Problem>) -> Replacement {
    let mut form = Form::new(what, node, problems);
    form.only(&["path", "source", "sourceValue", "targets"]);
    let (path, value) = (form.text("path"), form.get("sourceValue"));
    let value = value.and_then(|node| match node.as_str() {
        Some(text) => Some(Text { value: text.to_owned(), span: node.span.clone() }),
        None => {
            note(form.problems, &node.span, "`sourceValue` is text".to_owned(), "Put it in quotes.");
            None
        }
    });
    let from = form.get("source").map(|node| from(&mut Form::new("source", node, form.problems), node));
    let to = form.get("targets").and_then(Node::as_list).map(|nodes| {
        let each = |(at, node): (usize, &Node)| to(&mut Form::new(format!("targets[{at}]"), node, form.problems), node);
        nodes.iter().enumerate().map(each).collect::<Vec<_>>()
    });
    let count = to.iter().flatten().map(|to| to.paths.len() + to.reject.len() + 1).sum::<usize>();
    if count > MAX_TARGETS {
        note(problems, &node.span, format!("more than {MAX_TARGETS} targets and paths in one replacement"), "");
    }
    Replacement { path, from, value, to, span: node.span.clone() }
}

fn from(form: &mut Form<'_>, node: &Node) -> From {
    form.only(&["group", "version", "kind", "name", "namespace", "fieldPath", "options"]);
    let mut word = |name| form.text(name).map(|text| text.value).unwrap_or_default();
    let gvk = Gvk { group: word("group"), version: word("version"), kind: word("kind") };
    let (name, namespace) = (word("name"), word("namespace"));
    From { gvk, name, namespace, path: form.text("fieldPath"), part: part(form), span: node.span.clone() }
}

fn to(form: &mut Form<'_>, node: &Node) -> To {
    form.only(&["select", "reject", "fieldPaths", "options"]);
    let select = form.get("select").map(|node| spec::target("select", node, form.problems));
    let reject = form.list("reject").iter().map(|node| spec::target("reject", node, form.problems)).collect();
    To { select, reject, paths: form.texts("fieldPaths"), part: part(form), span: node.span.clone() }
}

fn part(form: &mut Form<'_>) -> Part {
    let Some(node) = form.get("options") else { return Part::default() };
    let mut form = Form::new("options", node, form.problems);
    // Nothing comes of `encoding`, in the original as here.
    form.only(&["delimiter", "index", "encoding", "create"]);
    let index = form.get("index").map_or(Some(0), Node::as_int);
    if index.is_none() {
        note(form.problems, &node.span, "`index` of `options` is a number".to_owned(), "");
    }
    let delimiter = form.text("delimiter").map(|text| text.value).unwrap_or_default();
    Part { delimiter, index: index.unwrap_or_default(), create: form.flag("create") }
}

/// Puts the replacements of files in the place of those that name them; nothing when something is wrong, which is noted.
pub(super) fn with_files(source: &mut Source<'_>, folder: &RepoPath, all: &[Replacement]) -> Option<Vec<Replacement>> {
    let mut found = Vec::new();
    for entry in all {
        let Some(path) = &entry.path else {
            found.push(entry.clone());
            continue;
        };
        if entry.from.is_some() || entry.to.as_ref().is_some_and(|to| !to.is_empty()) {
            source.wrong(
                &entry.span,
                "a replacement has a `path`, or `source` and `targets`",
                "Leave one of them out.",
            );
            return None;
        }
        let (documents, mut problems) = (config::document(source, folder, path)?, Vec::new());
        match documents.first().map(|node| (node, &node.value)) {
            Some((_, Value::List(list))) => {
                let each = |(at, node)| one(&format!("replacement {at}"), node, &mut problems);
                found.extend(list.iter().enumerate().map(each));
            }
            Some((node, Value::Map(_))) => found.push(one("this replacement", node, &mut problems)),
            _ => source.wrong(&path.span, "this file holds neither a replacement nor a list of them", ""),
        }
        if !problems.is_empty() {
            problems.into_iter().for_each(|problem| source.add_problem(problem));
            return None;
        }
    }
    Some(found)
}

/// A value on its way: what it is, and its text as it was written.
pub(super) struct Given {
    pub(super) node: Node,
    /// Empty for lists and mappings, whose text the original takes for empty, too.
    pub(super) text: String,
    pub(super) work: Work,
}

/// What a replacement costs, and what it need not do twice.
#[derive(Default)]
pub(super) struct Work {
    pub(super) regexes: Regexes,
    bytes: Cell<usize>,
    /// The values that are copied each time, and how many of them stand inside each other.
    weight: usize,
    depth: usize,
}

impl Work {
    /// Counts a text that is parsed.
    pub(super) fn spend(&self, bytes: usize) {
        self.bytes.set(self.bytes.get().saturating_add(bytes));
    }
}

fn fail<T>(span: &Span, why: impl Into<String>) -> Result<T, Failure> {
    Err(Box::new((span.clone(), why.into())))
}

/// Makes all replacements, in order.
pub(super) fn apply(source: &mut Source<'_>, all: &mut [Resource], entries: &[Replacement]) -> Result<(), Failure> {
    for entry in entries {
        let (Some(to), true) = (&entry.to, entry.from.is_some() || entry.value.is_some()) else {
            return fail(&entry.span, "a replacement needs a `source` (or a `sourceValue`) and `targets`");
        };
        let mut given = match (&entry.from, &entry.value) {
            (Some(_), Some(value)) => return fail(&value.span, "`source` and `sourceValue` exclude each other"),
            (Some(from), None) => take(source, all, from)?,
            (None, Some(value)) => {
                let node = Node {
                    value: reading::plain(&value.value).or_else(|why| fail(&value.span, why))?,
                    ..text_node("", &value.span)
                };
                Given { node, text: value.value.clone(), work: Work::default() }
            }
            // Seen to above.
            (None, None) => continue,
        };
        (given.work.weight, given.work.depth) = (weigh(&given.node, source.room()), depth(&given.node));
        for to in to {
            put(source, all, &given, to)?;
        }
    }
    Ok(())
}

/// Finds the value of a source.
fn take(source: &mut Source<'_>, all: &[Resource], from: &From) -> Result<Given, Failure> {
    let namespace = |text: &str| if text.is_empty() { "default" } else { text }.to_owned();
    let fits = |resource: &&Resource| {
        resource.all_ids().iter().any(|id| {
            (from.name.is_empty() || from.name == id.name)
                && (from.namespace.is_empty() || namespace(&from.namespace) == namespace(&id.namespace))
                && id.gvk.is_selected_by(&from.gvk)
        })
    };
    let mut found = all.iter().filter(fits);
    let (Some(resource), more) = (found.next(), found.next()) else {
        return fail(&from.span, "no object is what this `source` names");
    };
    if let Some(other) = more {
        let message = format!("this `source` could be {} and {}", resource.id(), other.id());
        return fail(&from.span, message);
    }
    let (path, span) = from.path.as_ref().map_or((NAME, &from.span), |path| (path.value.as_str(), &path.span));
    let found = path::lookup(&resource.node, &path::split(path)).or_else(|why| fail(span, why))?;
    let empty = |node: &Node| match &node.value {
        Value::List(list) => list.is_empty(),
        Value::Map(map) => map.is_empty(),
        _ => false,
    };
    let Some(node) = found.filter(|node| !empty(node)) else {
        return fail(span, format!("{} has no `{path}`", resource.id()));
    };
    let text = reading::text(source, node).or_else(|why| fail(span, why))?;
    refined(Given { node: node.clone(), text, work: Work::default() }, &from.part).or_else(|why| fail(span, why))
}

/// The part of a text that the options of a source mean.
fn refined(given: Given, part: &Part) -> Result<Given, String> {
    if part.delimiter.is_empty() {
        return Ok(given);
    }
    if Leaf::of(&given.node) != Leaf::Scalar {
        return Err("`delimiter` splits plain text, and this is a list or a mapping".to_owned());
    }
    let piece = usize::try_from(part.index).ok().and_then(|at| given.text.split(&part.delimiter).nth(at));
    let Some(piece) = piece else {
        return Err(format!("the value has no part {} when it is split at `{}`", part.index, part.delimiter));
    };
    let value = retyped(&given.node.value, piece)?;
    Ok(Given { text: piece.to_owned(), node: Node { value, ..given.node }, work: given.work })
}

/// A text in the place of a value: what was a number stays one, as the original keeps the type of what stood there.
pub(super) fn retyped(old: &Value, text: &str) -> Result<Value, String> {
    let value = match old {
        Value::String(_) | Value::List(_) | Value::Map(_) => return Ok(Value::String(text.into())),
        _ => reading::plain(text)?,
    };
    match (old, &value) {
        (Value::Null, Value::Null) | (Value::Bool(_), Value::Bool(_)) | (Value::Int(_), Value::Int(_)) => Ok(value),
        (Value::Float(_), Value::Int(_) | Value::Float(_)) => Ok(value),
        (Value::Null, _) => {
            Err("nothing stands there, and a value cannot take the place of an explicit null".to_owned())
        }
        (Value::Bool(_), _) => Err("true or false stands there, and the value is neither".to_owned()),
        _ => Err("a number stands there, and the value is none".to_owned()),
    }
}

/// Puts a value into all fields a target names.
fn put(source: &mut Source<'_>, all: &mut [Resource], given: &Given, to: &To) -> Result<(), Failure> {
    let Some(select) = &to.select else { return fail(&to.span, "this target has no `select`") };
    let select = Selector::new(select)?;
    let reject = to.reject.iter().map(Selector::new).collect::<Result<Vec<_>, _>>()?;
    let default = [Text { value: NAME.to_owned(), span: to.span.clone() }];
    let paths = if to.paths.is_empty() { &default[..] } else { &to.paths };
    for resource in all {
        let ids = resource.all_ids();
        let described = |reject: &Selector| reject.has_descriptions() && reject.describes(resource);
        let named = |reject: &Selector| reject.has_names() && ids.iter().any(|id| reject.names(id));
        if !select.describes(resource) || reject.iter().any(|reject| described(reject) || named(reject)) {
            continue;
        }
        if !ids.iter().any(|id| select.names(id)) {
            continue;
        }
        let who = resource.id();
        for path in paths {
            // A value takes about as long to copy as 64 bytes take to parse.
            let parsed = given.work.bytes.take() / 64;
            if !source.afford(parsed + 1 + given.work.weight, &to.span.location()) {
                return Ok(());
            }
            copy(&mut resource.node, given, path, &to.part)
                .or_else(|why| fail(&path.span, format!("`{}` of {who}: {why}", path.value)))?;
        }
        // A name that was prefixed has no type of its own any more, and an object needs a name.
        let (name, renamed) = (resource.name(), !(resource.prefixes.is_empty() && resource.suffixes.is_empty()));
        if name.is_empty() || (renamed && !is_text(name)) {
            return fail(&to.span, format!("this leaves {who} without a name that is text"));
        }
    }
    Ok(())
}

/// Where an object's labels stand.
const LABELS: [&str; 2] = ["metadata", "labels"];

fn copy(node: &mut Node, given: &Given, path: &Text, part: &Part) -> Result<(), String> {
    let parts = path::split(&path.value);
    too_deep(parts.len(), given.work.depth)?;
    // Text that is YAML or JSON itself comes first; what does not work out there is no fault.
    if structured::set(node, &parts, given, part)? {
        return Ok(());
    }
    let mut visit = |field: &mut Node, fresh: bool| {
        set(field, fresh, given, part)?;
        // Whether the original prints null or the text depends on what else touches the labels later.
        if fresh && field.is_null() && parts.starts_with(&LABELS.map(str::to_owned)) {
            return Err("a new label with the value `null` is not supported: a label is text".to_owned());
        }
        Ok(())
    };
    let create = part.create.then(|| Leaf::of(&given.node));
    let count = Matcher { create, span: &path.span, regexes: &given.work.regexes, visit: &mut visit }
        .run(node, &parts, false)?;
    shared::follow(node);
    match count {
        0 => Err("there is no such field; `options: {create: true}` would make it".to_owned()),
        _ => Ok(()),
    }
}

/// Sets one field.
pub(super) fn set(field: &mut Node, fresh: bool, given: &Given, part: &Part) -> Result<(), String> {
    let scalar = Leaf::of(field) == Leaf::Scalar;
    let mut text = given.text.clone();
    if !part.delimiter.is_empty() {
        if !scalar {
            return Err("`delimiter` splits plain text, and there is a list or a mapping".to_owned());
        }
        let old = if fresh { String::new() } else { scalar_text(field).unwrap_or_default() };
        // Splitting and joining take several times as long as reading.
        given.work.spend(old.len().saturating_mul(8));
        let mut pieces: Vec<&str> = old.split(&part.delimiter).collect();
        match usize::try_from(part.index) {
            Err(_) => pieces.insert(0, &given.text),
            Ok(at) if at >= pieces.len() => pieces.push(&given.text),
            Ok(at) => pieces[at] = &given.text,
        }
        text = pieces.join(&part.delimiter);
    }
    let value = match (scalar, fresh) {
        (false, _) if part.delimiter.is_empty() => given.node.value.clone(),
        (false, _) => retyped(&given.node.value, &text)?,
        // Nothing that is made stays empty text, and not null.
        (true, true) if text.is_empty() => Value::String(text.into()),
        (true, true) => reading::plain(&text)?,
        (true, false) => retyped(&field.value, &text)?,
    };
    let new = Node::new(value, given.node.span.clone());
    *field = if fresh { new.set_by(BY) } else { new.over(field, BY) };
    Ok(())
}
