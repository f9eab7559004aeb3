//! Patches: read from files or inline text, found to be strategic or JSON, and applied to what they are for.

use std::collections::HashSet;
use std::sync::Arc;

use super::Place;
use super::form::Text;
use super::json_patch;
use super::merge;
use super::merge_keys::Schema;
use super::resource::{Id, Resource, key, scalar_text, weigh};
use super::select::Selector;
use super::shared;
use super::spec::Patch;
use crate::manifest::node::{Node, Span, Value};
use crate::render::source::{Documents, Reading, Source};

/// Weighing stops here: one patch this large is refused by the budget at its first use.
const WEIGH_LIMIT: usize = 1_000_000;

/// What a file or text turned out to be.
enum Body {
    Strategic(Vec<Node>),
    Json(Node),
    Empty,
}

/// `patchesStrategicMerge`: files or inline texts, each for the object it names.
pub(super) fn strategic(source: &mut Source<'_>, place: &Place<'_>, entries: &[Text], all: &mut Vec<Resource>) {
    let (problems, mut count) = (source.problems.len(), 0);
    for entry in entries {
        let is_inline = looks_inline(&entry.value);
        let documents = if is_inline { inline(source, entry, Reading::Kustomize) } else { file(source, place, entry) };
        let Some(documents) = documents else { continue };
        count += documents.len();
        for patch in documents.iter() {
            if sound(source, patch, &entry.span) {
                named((source, &place.schema), &texts_in_metadata(patch), (false, false), all);
            }
        }
    }
    if let (Some(first), 0) = (entries.first(), count)
        && source.problems.len() == problems
    {
        source.wrong(&first.span, "these patches are empty", "Remove them from `patchesStrategicMerge`.");
    }
}

/// Whether an entry is a text in place, not the name of a file.
pub(super) fn looks_inline(text: &str) -> bool {
    text.contains('\n') || text.trim_start().starts_with('{')
}

/// `patches`, or `patchesJson6902` when `legacy`.
pub(super) fn targeted(
    source: &mut Source<'_>,
    place: &Place<'_>,
    patch: &Patch,
    legacy: bool,
    all: &mut Vec<Resource>,
) {
    let documents = match (&patch.path, &patch.inline) {
        (Some(path), _) => file(source, place, path),
        (None, Some(text)) => {
            // The original trims it: a block text at its end loses its line break.
            let end = if legacy { text.value.len() } else { text.value.trim_end().len() };
            let text = Text { value: text.value[..end].to_owned(), ..text.clone() };
            inline(source, &text, Reading::Kustomize)
        }
        (None, None) => None,
    };
    let Some(documents) = documents else { return };
    if !strict_json(source, place, patch) {
        return;
    }
    let selector = match patch.target.as_ref().map(Selector::new).transpose() {
        Ok(selector) => selector,
        Err(mistake) => return source.wrong(&mistake.0, mistake.1, "The whole name must match, as in `web|api-.*`."),
    };
    match (body(source, &documents, &patch.span), selector) {
        (Some(Body::Json(operations)), Some(selector)) => json(source, &operations, (&selector, legacy), all),
        (Some(Body::Json(_)), None) => {
            source.wrong(
                &patch.span,
                "a JSON patch needs a `target`",
                "Add `target:` with the kind and name of the object.",
            );
        }
        (Some(Body::Strategic(_)), _) if legacy => {
            source.wrong(&patch.span, "`patchesJson6902` takes JSON patches only", "Use `patches` for this one.");
        }
        (Some(Body::Strategic(patches)), Some(selector)) => {
            if let [one] = patches.as_slice() {
                selected((source, &place.schema), one, (&selector, patch), all);
            } else {
                let message = "a patch with `target` holds one document";
                source.wrong(&patch.span, message, "Use one entry of `patches` for each.");
            }
        }
        (Some(Body::Strategic(patches)), None) => {
            for one in &patches {
                // The options are notes among the patch's annotations, which become text by that.
                let noted = patch.rename || patch.change_kind;
                let one = if noted { &texts_in(one, &["annotations"]) } else { one };
                named((source, &place.schema), one, (patch.rename, patch.change_kind), all);
            }
        }
        (Some(Body::Empty) | None, _) => {}
    }
}

/// A patch that begins with `[` must be JSON itself: Kustomize reads only what begins otherwise as YAML.
fn strict_json(source: &mut Source<'_>, place: &Place<'_>, patch: &Patch) -> bool {
    let (text, span) = match (&patch.path, &patch.inline) {
        (Some(path), _) => {
            let Some(bytes) = place.folder.join(&path.value).ok().and_then(|path| source.bytes(&path).ok()) else {
                return true;
            };
            (bytes, &path.span)
        }
        (None, Some(text)) => (Arc::from(text.value.trim().as_bytes()), &text.span),
        (None, None) => return true,
    };
    if text.first() != Some(&b'[') || serde_json::from_slice::<serde_json::Value>(&text).is_ok() {
        return true;
    }
    let help = "Put keys and texts in double quotes, or write one operation a line, each beginning with `- `.";
    source.wrong(span, "a JSON patch that begins with `[` must be JSON, not YAML", help);
    false
}

fn file(source: &mut Source<'_>, place: &Place<'_>, entry: &Text) -> Option<Documents> {
    if super::is_remote(&entry.value) {
        source.wrong(&entry.span, "a patch from the network is not fetched", "Commit the file to this repository.");
        return None;
    }
    let path = match place.folder.join(&entry.value) {
        Ok(path) => path,
        Err(error) => {
            source.wrong(&entry.span, error.to_string(), "Name a file of this repository, relative to this folder.");
            return None;
        }
    };
    match source.documents(&path, Reading::Kustomize) {
        Ok(documents) => documents,
        Err(error) => {
            source.wrong(&entry.span, error.to_string(), "");
            None
        }
    }
}

/// The documents of a text inside a file, their places moved to where the text stands.
pub(super) fn inline(source: &mut Source<'_>, entry: &Text, reading: Reading) -> Option<Documents> {
    // The file was read already, for the entry to be known; without it, all places are that of the entry.
    let file = source.bytes(&entry.span.file).unwrap_or_else(|_| Arc::from(&[][..]));
    let shift = Shift::new(&file, entry);
    let before = source.problems.len();
    let documents = source.read(&entry.span.file, entry.value.as_bytes(), reading);
    for problem in source.problems.iter_mut().skip(before) {
        if let Some(location) = &mut problem.location {
            (location.line, location.column) = shift.line(location.line, location.column);
        }
    }
    let moved = |node: &Node| {
        let mut node = node.clone();
        shift.node(&mut node);
        node
    };
    documents.map(|documents| documents.iter().map(moved).collect())
}

/// How places inside a block text map to the file around it.
struct Shift {
    whole: Span,
    /// For each line of the text, the offset in the file of its first character; none when the text is not a literal block.
    starts: Vec<u32>,
    /// How far the text is indented.
    indent: u32,
}

impl Shift {
    fn new(file: &[u8], entry: &Text) -> Self {
        let whole = entry.span.clone();
        let none = Self { whole: whole.clone(), starts: Vec::new(), indent: 0 };
        let block = file.get(whole.start as usize..).unwrap_or_default();
        if block.first() != Some(&b'|') {
            return none;
        }
        let mut starts = Vec::new();
        let (mut offset, mut indent) = (whole.start as usize, None);
        let mut lines = block.split_inclusive(|byte| *byte == b'\n');
        offset += lines.next().map_or(0, <[u8]>::len);
        for (inner, outer) in entry.value.lines().zip(lines) {
            let text = outer.strip_suffix(b"\n").unwrap_or(outer);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            if indent.is_none() && !inner.is_empty() {
                indent = text.len().checked_sub(inner.len());
            }
            let skip = if inner.is_empty() { 0 } else { indent.unwrap_or_default() };
            if text.get(skip..) != Some(inner.as_bytes()) && !inner.is_empty() {
                return none;
            }
            starts.push((offset + skip) as u32);
            offset += outer.len();
        }
        Self { whole, starts, indent: indent.unwrap_or_default() as u32 }
    }

    fn line(&self, line: u32, column: u32) -> (u32, u32) {
        if self.starts.is_empty() {
            return (self.whole.line, self.whole.column);
        }
        (self.whole.line + line, if column > 0 { column + self.indent } else { 0 })
    }

    /// Moves all places in a node, by lines for block texts and to the whole text otherwise.
    fn node(&self, root: &mut Node) {
        let mut open = vec![root];
        while let Some(node) = open.pop() {
            self.span(&mut node.span);
            match &mut node.value {
                Value::List(list) => open.extend(list),
                Value::Map(map) => {
                    let taken = std::mem::take(map);
                    for (mut key, value) in taken {
                        self.span(&mut key.span);
                        map.push_new(key, value);
                    }
                    open.extend(map.iter_mut().map(|(_, value)| value));
                }
                _ => {}
            }
        }
    }

    fn span(&self, span: &mut Span) {
        span.file = Arc::clone(&self.whole.file);
        let length = span.end.saturating_sub(span.start);
        match self.starts.get((span.line as usize).saturating_sub(1)) {
            Some(start) => {
                let start = start + span.column.saturating_sub(1);
                (span.line, span.column) = self.line(span.line, span.column);
                // What spans several lines ends where its text ends at the latest.
                (span.start, span.end) = (start, (start + length).min(self.whole.end.max(start)));
            }
            None => *span = self.whole.clone(),
        }
    }
}

/// Tells strategic from JSON patches: a mapping or a list.
fn body(source: &mut Source<'_>, documents: &Documents, span: &Span) -> Option<Body> {
    match documents.first().map(|node| &node.value) {
        None => Some(Body::Empty),
        Some(Value::List(_)) => {
            if documents.len() > 1 {
                source.note(
                    span,
                    "only the first document of this JSON patch counts",
                    "Use one entry of `patches` for each.",
                );
            }
            Some(Body::Json(documents[0].clone()))
        }
        Some(_) => {
            let good = documents.iter().all(|patch| sound(source, patch, span));
            good.then(|| Body::Strategic(documents.to_vec()))
        }
    }
}

/// Whether a document can be a strategic patch: it says kind and name.
fn sound(source: &mut Source<'_>, patch: &Node, entry: &Span) -> bool {
    let missing = ["kind", "metadata.name"].into_iter().find(|path| {
        let path: Vec<&str> = path.split('.').collect();
        patch.str_at(&path).is_none_or(str::is_empty)
    });
    let Some(field) = missing else { return true };
    let span = if patch.as_map().is_some() { &patch.span } else { entry };
    source.wrong(
        span,
        format!("this patch has no `{field}`"),
        "A patch names the object it is for, like the object itself.",
    );
    false
}

/// Applies a strategic patch to the object it names.
fn named(
    (source, schema): (&mut Source<'_>, &Schema),
    patch: &Node,
    (rename, change_kind): (bool, bool),
    all: &mut Vec<Resource>,
) {
    if !source.afford(weigh(patch, WEIGH_LIMIT), &patch.span.location()) {
        return;
    }
    let id: Id = Resource::new(patch.clone()).id();
    let found: Vec<usize> = (0..all.len()).filter(|at| all[*at].ever_was(&id)).collect();
    match found.as_slice() {
        [at] => lay((source, schema), patch, (rename, change_kind), (*at, all)),
        [] => {
            let near = all.iter().find(|resource| resource.name() == id.name && resource.kind() == id.gvk.kind);
            let help = match near {
                Some(near) if near.id().namespace != id.namespace => {
                    format!("There is {}: write its namespace into the patch, or use `target`.", near.id())
                }
                Some(_) => {
                    "An object of this kind and name has another apiVersion: write the same one here.".to_owned()
                }
                None => "It must have the kind, name and namespace of an object in `resources`.".to_owned(),
            };
            source.wrong(&patch.span, format!("this patch is for {id}, which is not there"), &help);
        }
        _ => source.wrong(&patch.span, format!("this patch could be for several objects called {id}"), "Use `target`."),
    }
}

/// A patch as the original copies it for a target: labels and annotations become text, a null among them the word `null`.
fn texts_in_metadata(patch: &Node) -> Node {
    texts_in(patch, &["labels", "annotations"])
}

/// A patch with the values of these fields of its metadata as text.
fn texts_in(patch: &Node, fields: &[&str]) -> Node {
    let mut patch = patch.clone();
    let metadata = patch.as_map_mut().and_then(|map| map.get_mut("metadata")).and_then(Node::as_map_mut);
    let Some(metadata) = metadata else { return patch };
    for field in fields {
        let Some(map) = metadata.get_mut(field).and_then(Node::as_map_mut) else { continue };
        for (_, value) in map.iter_mut().filter(|(_, value)| value.as_str().is_none()) {
            let word = if value.is_null() && value.span.end > value.span.start {
                Some("null".to_owned())
            } else {
                scalar_text(value)
            };
            if let Some(word) = word {
                value.value = Value::String(word.into());
            }
        }
    }
    patch
}

/// Applies a strategic patch to all objects a target selects.
fn selected(
    (source, schema): (&mut Source<'_>, &Schema),
    patch: &Node,
    (selector, entry): (&Selector, &Patch),
    all: &mut Vec<Resource>,
) {
    // Counted before the first is patched, so that a refusal costs nothing.
    let count = all.iter().filter(|resource| selector.selects(resource)).count();
    if !source.afford(weigh(patch, WEIGH_LIMIT).saturating_mul(count), &patch.span.location()) {
        return;
    }
    let mut at = 0;
    while at < all.len() {
        if !selector.selects(&all[at]) {
            at += 1;
            continue;
        }
        let (count, problems) = (all.len(), source.problems.len());
        let mut patch = texts_in_metadata(patch);
        if let (Some(map), Some(version)) = (patch.as_map_mut(), all[at].node.get("apiVersion")) {
            map.insert(key("apiVersion", &version.span), version.clone());
        }
        lay((&mut *source, schema), &patch, (entry.rename, entry.change_kind), (at, all));
        if source.problems.len() > problems {
            return;
        }
        at += usize::from(all.len() == count);
    }
    // The original gathers the objects anew here.
    let mut seen = HashSet::new();
    for id in all.iter().map(Resource::id).filter(|_| entry.rename || entry.change_kind) {
        if !seen.insert(id.clone()) {
            let message = format!("after this patch two objects are called {id}");
            return source.wrong(&patch.span, message, "Let `target` select one object only.");
        }
    }
}

/// Lays a patch over one object, which goes away when the patch deletes it. Kind, name and namespace stay unless allowed.
fn lay(
    (source, schema): (&mut Source<'_>, &Schema),
    patch: &Node,
    (rename, change_kind): (bool, bool),
    (at, all): (usize, &mut Vec<Resource>),
) {
    let resource = &mut all[at];
    let before = resource.node.clone();
    if rename || change_kind {
        resource.remember();
    }
    match merge::merge(before.clone(), patch, schema) {
        Ok(Some(node)) => {
            resource.node = node;
            shared::follow(&mut resource.node);
        }
        Ok(None) => {
            all.remove(at);
            return;
        }
        Err(refusal) => return source.wrong(&refusal.0.span, refusal.1, ""),
    }
    if !change_kind {
        keep(&mut resource.node, &before, "kind");
    }
    let empty = Node::new(Value::Null, before.span.clone());
    let old = before.get("metadata").unwrap_or(&empty);
    if resource.node.get("metadata").is_none()
        && let Some(map) = resource.node.as_map_mut()
    {
        map.push_new(key("metadata", &old.span), Node::new(Value::Map(Default::default()), old.span.clone()));
    }
    if let Some(metadata) = resource.node.as_map_mut().and_then(|map| map.get_mut("metadata")) {
        if !rename {
            keep(metadata, old, "name");
        }
        keep(metadata, old, "namespace");
    }
}

/// Puts a field back as it was, also when it was not there.
fn keep(node: &mut Node, before: &Node, field: &str) {
    let Some(map) = node.as_map_mut() else { return };
    match before.get(field) {
        Some(old) => {
            let at = before.as_map().and_then(|map| map.key(field)).map_or(&old.span, |key| &key.span);
            map.insert(key(field, at), old.clone());
        }
        None => {
            map.remove(field);
        }
    }
}

/// Applies JSON operations to all objects a target selects.
fn json(source: &mut Source<'_>, operations: &Node, (selector, legacy): (&Selector, bool), all: &mut [Resource]) {
    let count = all.iter().filter(|resource| selector.selects(resource)).count();
    if !source.afford(weigh(operations, WEIGH_LIMIT).saturating_mul(count), &operations.span.location()) {
        return;
    }
    for resource in all.iter_mut().filter(|resource| selector.selects(resource)) {
        // The original's notes stand in the annotations, so that the mapping is always there for a patch of its kind.
        let noted = !legacy || resource.has_notes();
        let missing = resource.node.at(&["metadata", "annotations"]).is_none();
        if noted && missing {
            super::resource::ensure_map(&mut resource.node, &["metadata", "annotations"], &operations.span);
        }
        if !legacy {
            resource.remember();
        }
        let mut left = source.room();
        let before = left;
        let done = json_patch::apply(&mut resource.node, operations, &mut left);
        source.weight += before - left;
        if let Err(refusal) = done {
            let message = format!("{}: {}", resource.original_id(), refusal.1);
            return source.wrong(&refusal.0, message, "");
        }
        shared::part(&mut resource.node);
        let empty = |node: &Node| node.as_map().is_some_and(|map| map.is_empty());
        if noted
            && missing
            && resource.node.at(&["metadata", "annotations"]).is_some_and(empty)
            && let Some(metadata) = resource.node.as_map_mut().and_then(|map| map.get_mut("metadata"))
            && let Some(metadata) = metadata.as_map_mut()
        {
            metadata.remove("annotations");
        }
        if resource.name().is_empty() || resource.kind().is_empty() {
            let message = format!("this patch leaves {} without name or kind", resource.original_id());
            return source.wrong(&operations.span, message, "");
        }
    }
}
