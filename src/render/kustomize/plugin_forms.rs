//! The configurations of built-in plugins, read into what the fields of a kustomization are read into.

use super::config;
use super::form::{Form, Text, note};
use super::resource::{Resource, ensure_map, key, scalar_text, text_node};
use super::select::Selector;
use super::spec::{self, Generator, Image, Patch, Replicas, Target};
use super::transform::{self, Failure, Namespace, Subjects};
use crate::manifest::node::{Map, Node, Span, Value};
use crate::model::path::RepoPath;
use crate::render::source::Source;

/// A generator: as in a kustomization, its name also as that of the configuration.
pub(super) fn generator(form: &mut Form<'_>, node: &Node) -> Generator {
    let mut entry = spec::generator(form, node);
    if let Some(node) = form.get("metadata") {
        let mut metadata = Form::new("metadata", node, form.problems);
        entry.name = entry.name.or_else(|| metadata.text("name"));
        entry.namespace = entry.namespace.or_else(|| metadata.text("namespace"));
    }
    entry
}

/// The namespace of a `NamespaceTransformer`, which is its own, and the subjects it is for.
pub(super) fn namespace(form: &mut Form<'_>) -> Option<(Text, Subjects)> {
    let node = form.get("metadata")?;
    let name = Form::new("metadata", node, form.problems).name("namespace")?;
    let word = form.text("setRoleBindingSubjects");
    let subjects = match word.as_ref().map(|word| word.value.as_str()) {
        None | Some("defaultOnly") => Subjects::Default,
        Some("allServiceAccounts") => Subjects::Accounts,
        Some("none") => Subjects::None,
        Some(_) => {
            let span = &word.as_ref()?.span;
            let message = "`setRoleBindingSubjects` is `defaultOnly`, `allServiceAccounts` or `none`";
            note(form.problems, span, message.to_owned(), "");
            return None;
        }
    };
    Some((name, subjects))
}

/// A prefix or suffix; an empty one counts, too.
pub(super) fn affix(form: &mut Form<'_>, name: &str) -> Text {
    form.name(name).unwrap_or_else(|| Text { value: String::new(), span: form.span().clone() })
}

/// The image of an `ImageTagTransformer`.
pub(super) fn image(form: &mut Form<'_>) -> Option<Image> {
    let node = needed(form, "imageTag")?;
    spec::image(&mut Form::new("imageTag", node, form.problems), node)
}

/// The count of a `ReplicaCountTransformer`.
pub(super) fn replicas(form: &mut Form<'_>) -> Option<Replicas> {
    let node = needed(form, "replica")?;
    spec::replicas(&mut Form::new("replica", node, form.problems), node)
}

/// A field that must be there.
fn needed<'f>(form: &mut Form<'f>, name: &str) -> Option<&'f Node> {
    let found = form.get(name);
    if found.is_none() {
        let span = form.span().clone();
        note(form.problems, &span, format!("`{}` has no `{name}`", form.what), "");
    }
    found
}

/// The patch of a `PatchTransformer`, or of a `PatchJson6902Transformer` when `legacy`.
pub(super) fn patch(form: &mut Form<'_>, legacy: bool, span: &Span) -> Option<Patch> {
    let field = if legacy { "jsonOp" } else { "patch" };
    let path = form.text("path");
    let inline = form.text(field).filter(|text| !text.value.trim().is_empty());
    if path.is_some() == inline.is_some() {
        note(form.problems, span, format!("`{}` needs either `path` or `{field}`", form.what), "");
    }
    let target = form.get("target").map(|node| spec::target("target", node, form.problems));
    if legacy && target.as_ref().is_none_or(|target| target.name.is_none()) {
        note(form.problems, span, format!("`{}` needs the `name` of its `target`", form.what), "");
    }
    let (mut rename, mut change_kind) = (false, false);
    if let Some(options) = form.get("options") {
        let mut form = Form::new("options", options, form.problems);
        (rename, change_kind) = (form.flag("allowNameChange"), form.flag("allowKindChange"));
    }
    form.problems.is_empty().then(|| Patch { path, inline, target, rename, change_kind, span: span.clone() })
}

/// A `ValueAddTransformer`: a text that is put into fields, or into file paths in them.
pub(super) struct ValueAdd {
    value: Text,
    targets: Vec<(Option<Target>, Text, i64)>,
}

/// Reads a `ValueAddTransformer`; without a value, it adds the name of the folder.
pub(super) fn value_add(source: &mut Source<'_>, folder: &RepoPath, form: &mut Form<'_>) -> Option<ValueAdd> {
    let own = || Text { value: folder.name().to_owned(), span: form.span().clone() };
    let fallback = own();
    let value = form.text("value").map(|text| Text { value: text.value.trim().to_owned(), span: text.span });
    let value = value.filter(|text| !text.value.is_empty()).unwrap_or(fallback);
    let mut targets = value_targets(form);
    if let Some(path) = form.text("targetFilePath") {
        let documents = config::document(source, folder, &path)?;
        let node = documents.first()?;
        targets.extend(value_targets(&mut Form::new("the file of `targetFilePath`", node, form.problems)));
    }
    if targets.is_empty() {
        let span = form.span().clone();
        note(form.problems, &span, format!("`{}` needs `targets`", form.what), "");
    }
    Some(ValueAdd { value, targets })
}

fn value_targets(form: &mut Form<'_>) -> Vec<(Option<Target>, Text, i64)> {
    let mut all = Vec::new();
    for (at, node) in form.list("targets").iter().enumerate() {
        let mut form = Form::new(format!("targets[{at}]"), node, form.problems);
        let selector = form.get("selector").map(|node| spec::target("selector", node, form.problems));
        let position = form.get("filePathPosition").map_or(Some(0), Node::as_int).filter(|at| *at >= 0);
        match (form.text("fieldPath"), position) {
            (Some(path), Some(position)) => all.push((selector, path, position)),
            (None, _) => note(form.problems, &node.span, format!("`{}` needs a `fieldPath`", form.what), ""),
            (_, None) => note(form.problems, &node.span, "`filePathPosition` is a number from 0".to_owned(), ""),
        }
    }
    all
}

impl ValueAdd {
    /// Puts the value into all targets.
    pub(super) fn run(&self, all: &mut [Resource]) -> Result<(), Failure> {
        for (target, path, position) in &self.targets {
            let selector = target.as_ref().map(Selector::new).transpose()?;
            for resource in all.iter_mut().filter(|r| selector.as_ref().is_none_or(|selector| selector.selects(r))) {
                if path.value == "metadata/namespace" {
                    transform::set_namespace(resource, &Namespace::new(&self.value))?;
                    continue;
                }
                let parts = super::field::split(&path.value);
                let done = add(&mut resource.node, &parts, &self.value, *position);
                done.map_err(|why| Box::new((path.span.clone(), format!("`{}`: {why}", path.value))))?;
            }
        }
        Ok(())
    }
}

/// Sets the text at a path, made where it is missing. Recursion is bounded by the path's length.
fn add(node: &mut Node, parts: &[String], value: &Text, position: i64) -> Result<(), String> {
    let Some((first, rest)) = parts.split_first() else {
        let Some(old) = scalar_text(node) else { return Err("plain text was expected".to_owned()) };
        let new = if position > 0 { inserted(&old, position as usize - 1, &value.value) } else { value.value.clone() };
        *node = text_node(&new, &value.span).over(node, "ValueAddTransformer");
        return Ok(());
    };
    if let Value::List(list) = &mut node.value {
        let at = first.parse::<usize>().ok().filter(|at| *at < list.len());
        let at = at.ok_or_else(|| format!("the list has no item `{first}`"))?;
        return add(&mut list[at], rest, value, position);
    }
    let Some(map) = ensure_map(node, &[], &value.span) else { return Err("a mapping was expected".to_owned()) };
    if map.get(first).is_none() {
        let made = if rest.is_empty() { Value::String("".into()) } else { Value::Map(Map::default()) };
        map.push_new(key(first, &value.span), Node::new(made, value.span.clone()));
    }
    map.get_mut(first).map_or(Ok(()), |node| add(node, rest, value, position))
}

/// A file path with a part put in at a place; an absolute path stays one.
fn inserted(path: &str, at: usize, part: &str) -> String {
    let path = path.trim_end_matches('/');
    let absolute = path.starts_with('/');
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    parts.insert(at.min(parts.len()), part);
    let joined = parts.join("/");
    if absolute { format!("/{joined}") } else { joined }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_put_into_a_path() {
        for (path, at, expected) in [
            ("", 0, "PEACH"),
            ("pie", 0, "PEACH/pie"),
            ("/pie", 0, "/PEACH/pie"),
            ("raw", 1, "raw/PEACH"),
            ("/raw", 8, "/raw/PEACH"),
            ("a/nice/warm/pie", 3, "a/nice/warm/PEACH/pie"),
        ] {
            assert_eq!(inserted(path, at, "PEACH"), expected, "{path}");
        }
    }
}
