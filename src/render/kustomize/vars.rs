//! `vars`: `$(NAME)` in the places that know it, replaced by a field of an object.

use std::cell::Cell;
use std::collections::BTreeMap;

use super::config::Config;
use super::field::{Make, Walk};
use super::form::{Form, Text, note};
use super::path;
use super::resource::{Gvk, Resource, long, scalar_text, weigh};
use super::shared;
use super::transform::Failure;
use crate::manifest::node::{Node, Span, Value};
use crate::render::source::Source;

/// What a value says set it.
const BY: &str = "vars";
/// Vars in one environment: each is looked for in every text.
const MAX_VARS: usize = 1_000;
/// Bytes of one text after its variables were replaced: a megabyte is what the cluster stores of an object.
const MAX_TEXT: usize = 1 << 20;

/// A name, and the field it stands for.
#[derive(Debug, Clone)]
pub(super) struct Var {
    pub(super) name: Text,
    gvk: Gvk,
    object: String,
    namespace: String,
    path: Text,
    span: Span,
}

/// Reads the vars of a kustomization.
pub(super) fn read(form: &mut Form<'_>) -> Vec<Var> {
    let mut all = Vec::new();
    for (at, node) in form.list("vars").iter().enumerate() {
        let mut form = Form::new(format!("vars[{at}]"), node, form.problems);
        form.only(&["name", "objref", "fieldref"]);
        let Some(name) = form.text("name") else {
            note(form.problems, &node.span, format!("`{}` needs a `name`", form.what), "");
            continue;
        };
        let (mut gvk, mut object, mut namespace) = (Gvk::default(), String::new(), String::new());
        if let Some(node) = form.get("objref") {
            let mut form = Form::new("objref", node, form.problems);
            form.only(&["apiVersion", "group", "version", "kind", "name", "namespace"]);
            let mut word = |name| form.text(name).map(|text| text.value).unwrap_or_default();
            gvk = Gvk { group: word("group"), version: word("version"), kind: word("kind") };
            let api = word("apiVersion");
            match api.split_once('/') {
                Some((group, version)) => (gvk.group, gvk.version) = (group.to_owned(), version.to_owned()),
                None if !api.is_empty() => gvk.version = api,
                None => {}
            }
            (object, namespace) = (word("name"), word("namespace"));
        }
        let path = form.get("fieldref").and_then(|node| {
            let mut form = Form::new("fieldref", node, form.problems);
            form.only(&["fieldPath", "fieldpath"]);
            form.text("fieldPath")
        });
        let path = path.unwrap_or_else(|| Text { value: "metadata.name".to_owned(), span: node.span.clone() });
        all.push(Var { name, gvk, object, namespace, path, span: node.span.clone() });
    }
    if all.len() > MAX_VARS {
        note(form.problems, &all[0].span, format!("more than {MAX_VARS} vars"), "");
    }
    all
}

/// Adds vars to those of the bases and marks the objects they mean.
pub(super) fn join(known: &mut Vec<Var>, more: &[Var], all: &mut [Resource]) -> Result<(), Failure> {
    for var in more {
        let cluster = var.gvk.is_cluster_scoped();
        let namespace = match var.namespace.as_str() {
            _ if cluster => super::resource::NO_NAMESPACE,
            "" => "default",
            namespace => namespace,
        };
        let fits = |resource: &Resource| {
            let mut ids = resource.earlier_ids();
            ids.push(resource.id());
            let anywhere = var.namespace.is_empty() && !cluster;
            ids.iter().any(|id| id.name == var.object && id.gvk == var.gvk && (anywhere || id.namespace == namespace))
        };
        let mut found = all.iter_mut().filter(|resource| fits(resource));
        let (one, more) = (found.next(), found.next());
        if more.is_some() {
            let message = format!("the var `{}` could mean several objects called {}", var.name.value, var.object);
            return Err(Box::new((var.span.clone(), message)));
        }
        if let Some(resource) = one {
            resource.variables.push(var.name.value.clone());
        }
    }
    merge(known, more)
}

/// Adds vars to others, each name once.
pub(super) fn merge(known: &mut Vec<Var>, more: &[Var]) -> Result<(), Failure> {
    for var in more {
        if let Some(first) = known.iter().find(|known| known.name.value == var.name.value) {
            let message = format!("the var `{}` is already there, at {}", var.name.value, first.span.location());
            return Err(Box::new((var.span.clone(), message)));
        }
        known.push(var.clone());
    }
    Ok(())
}

/// Puts the values of vars where their names stand.
pub(super) fn resolve(
    source: &mut Source<'_>,
    all: &mut [Resource],
    vars: &[Var],
    config: &Config,
) -> Result<(), Failure> {
    if vars.is_empty() {
        return Ok(());
    }
    let mut values = BTreeMap::new();
    for var in vars {
        values.insert(var.name.value.as_str(), value(source, all, var)?);
    }
    let count = values.len();
    let values = Values { known: values, left: Cell::new(source.room()) };
    for resource in all.iter_mut() {
        let (gvk, here) = (Gvk::of(&resource.node), resource.node.span.clone());
        if !source.afford(count, &here.location()) {
            return Ok(());
        }
        for field in &config.variables {
            let mut visit = |node: &mut Node| replace(node, &values);
            let mut walk = Walk { make: Make::Nothing, span: &here, visit: &mut visit };
            walk.run(&mut resource.node, field, &gvk).map_err(|why| Box::new((here.clone(), why)))?;
        }
        shared::follow(&mut resource.node);
    }
    Ok(())
}

fn fail<T>(span: &Span, why: impl Into<String>) -> Result<T, Failure> {
    Err(Box::new((span.clone(), why.into())))
}

/// What a var stands for.
fn value(source: &mut Source<'_>, all: &[Resource], var: &Var) -> Result<(Node, String), Failure> {
    let Some(resource) = all.iter().find(|resource| resource.variables.contains(&var.name.value)) else {
        return fail(&var.span, format!("there is no object that the var `{}` could mean", var.name.value));
    };
    let parts = with_places(path::split(&var.path.value));
    let found = path::lookup(&resource.node, &parts).or_else(|why| fail(&var.path.span, why))?;
    let Some(node) = found else {
        return fail(&var.path.span, format!("{} has no `{}`", resource.id(), var.path.value));
    };
    let text = match node.value {
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        _ => crate::render::reading::text(source, node).or_else(|why| fail(&var.path.span, why))?,
    };
    Ok((node.clone(), text))
}

/// `ports[0]` means the first of `ports`.
fn with_places(parts: Vec<String>) -> Vec<String> {
    let mut found = Vec::new();
    for part in parts {
        let place =
            part.strip_suffix(']').and_then(|text| text.rsplit_once('[')).map(|(a, b)| (a.to_owned(), b.to_owned()));
        match place.filter(|(_, at)| !at.is_empty() && at.bytes().all(|byte| byte.is_ascii_digit())) {
            Some((name, at)) => found.extend([name, at].into_iter().filter(|part| !part.is_empty())),
            None => found.push(part),
        }
    }
    found
}

type Known<'v> = BTreeMap<&'v str, (Node, String)>;

/// The values of all vars.
struct Values<'v> {
    known: Known<'v>,
    /// How many more values they may make.
    left: Cell<usize>,
}

impl Values<'_> {
    fn spend(&self, weight: usize) -> Result<(), String> {
        match self.left.get().checked_sub(weight) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => Err("the vars make more of this environment than can be rendered".to_owned()),
        }
    }
}

fn replace(node: &mut Node, values: &Values<'_>) -> Result<(), String> {
    match &mut node.value {
        Value::String(_) => text(node, values),
        Value::Map(map) => map.iter_mut().try_for_each(|(_, value)| text(value, values)),
        Value::List(list) => list.iter_mut().try_for_each(|item| match item.value {
            Value::String(_) => text(item, values),
            _ => Err("only text can hold `$(NAME)`, and the list has another item".to_owned()),
        }),
        _ => Ok(()),
    }
}

fn text(node: &mut Node, values: &Values<'_>) -> Result<(), String> {
    let Some(old) = node.as_str().filter(|text| text.contains('$')) else { return Ok(()) };
    let (new, whole, by) = expanded(old, &values.known)?;
    values.spend(whole.map_or(1 + long(&new), |value| weigh(value, values.left.get() + 1)))?;
    if let Some(value) = whole {
        // Alone in its text, a variable brings its type along.
        *node = Node::new(value.value.clone(), value.span.clone()).over(node, BY);
    } else if new != old {
        let span = by.unwrap_or_else(|| node.span.clone());
        *node = Node::new(Value::String(new.into()), span).over(node, BY);
    }
    Ok(())
}

/// A text with its variables replaced; the value itself when the text is nothing but one; and where the first one came from.
fn expanded<'v>(text: &str, values: &'v Known<'_>) -> Result<(String, Option<&'v Node>, Option<Span>), String> {
    let (mut new, mut rest, mut by) = (String::with_capacity(text.len()), text, None);
    while let Some(at) = rest.find('$') {
        new.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.chars().next() {
            None => new.push('$'),
            // Two stand for one.
            Some('$') => {
                new.push('$');
                rest = &rest[1..];
            }
            Some('(') => match rest.find(')') {
                Some(end) => {
                    let name = &rest[1..end];
                    let plain = |(node, _): &&(Node, String)| scalar_text(node).is_some();
                    match values.get(name).filter(plain) {
                        Some((node, _)) if text.len() == name.len() + 3 => {
                            return Ok((String::new(), Some(node), None));
                        }
                        Some((node, value)) => {
                            new.push_str(value);
                            by.get_or_insert_with(|| node.span.clone());
                        }
                        None => new.push_str(&format!("$({name})")),
                    }
                    rest = &rest[end + 1..];
                }
                None => {
                    new.push_str("$(");
                    rest = &rest[1..];
                }
            },
            // The original takes the first byte for a letter.
            Some(other) if !other.is_ascii() => {
                return Err(format!("Kustomize breaks the letter after `$` in `${other}`"));
            }
            Some(other) => {
                new.push('$');
                new.push(other);
                rest = &rest[other.len_utf8()..];
            }
        }
        if new.len() > MAX_TEXT {
            return Err(format!("with its variables replaced, this text has more than {MAX_TEXT} bytes"));
        }
    }
    new.push_str(rest);
    Ok((new, None, by))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::kustomize::resource::text_node;

    #[test]
    fn variables_are_replaced_as_the_original_does() {
        let here = path::read("x").unwrap().span;
        let mut values = Known::new();
        values.insert("A", (text_node("a", &here), "a".to_owned()));
        values.insert("N", (Node::new(Value::Int(5), here.clone()), "5".to_owned()));
        values.insert("M", (path::read("{x: 1}").unwrap(), String::new()));
        for (text, expected) in [
            ("$(A)-$(N)", "a-5"),
            ("$$(A) $(B) $(", "$(A) $(B) $("),
            ("$(M)x $A 5$", "$(M)x $A 5$"),
            ("$($(A))", "$($(A))"),
        ] {
            assert_eq!(expanded(text, &values).unwrap().0, expected, "{text}");
        }
        assert_eq!(expanded("$(N)", &values).unwrap().1.and_then(Node::as_int), Some(5));
    }
}
