//! ConfigMaps and Secrets made from literals and files, and the hash of their content that ends their name.

use std::collections::{BTreeMap, HashSet};

use sha2::{Digest, Sha256};
use smol_str::SmolStr;

use super::form::Text;
use super::origin::ORIGIN;
use super::resource::{Behavior, Resource, as_text, key, scalar_text, text_node};
use super::spec::Generator;
use super::transform::Failure;
use crate::manifest::node::{Map, Node, Span, Value};
use crate::manifest::scalar;
use crate::model::path::RepoPath;
use crate::render::source::Source;

/// What is generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    ConfigMap,
    Secret,
}

impl Kind {
    /// What makes it.
    pub(super) fn generator(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMapGenerator",
            Self::Secret => "SecretGenerator",
        }
    }
}

/// Generated values by key, in the order of keys.
type Data = BTreeMap<String, (Vec<u8>, Span)>;

/// The longest line of an env file: what the original's scanner takes.
const MAX_ENV_LINE: usize = 64 * 1024 - 1;

/// Makes the object an entry asks for; what is wrong is noted at its line.
pub(super) fn generate(source: &mut Source<'_>, folder: &RepoPath, entry: &Generator, kind: Kind) -> Option<Resource> {
    let before = source.problems.len();
    let mut data = Data::new();
    for file in &entry.envs {
        env_file(source, folder, file, &mut data);
    }
    for literal in &entry.literals {
        match literal.value.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                add(source, &mut data, name, (unquoted(value).into(), literal.span.clone()));
            }
            _ => source.wrong(&literal.span, format!("`{}` is no literal: write `key=value`", cut(&literal.value)), ""),
        }
    }
    for file in &entry.files {
        whole_file(source, folder, file, &mut data);
    }
    let name = entry.name.as_ref()?;
    let weight = data.values().map(|(value, _)| value.len() / 64 + 1).sum();
    if source.problems.len() > before || !source.afford(weight, &entry.span.location()) {
        return None;
    }
    let mut resource = Resource::new(object(entry, name, kind, &data));
    resource.generated = true;
    resource.hashed = !entry.options.no_hash;
    resource.behavior = match entry.behavior.as_ref().map(|word| word.value.as_str()) {
        Some("merge") => Behavior::Merge,
        Some("replace") => Behavior::Replace,
        _ => Behavior::Create,
    };
    Some(resource)
}

fn cut(text: &str) -> String {
    text.chars().take(60).collect()
}

fn add(source: &mut Source<'_>, data: &mut Data, name: &str, (value, span): (Vec<u8>, Span)) {
    if let Some((_, first)) = data.get(name) {
        let message = format!("the key `{}` is already set at {}", cut(name), first.location());
        source.wrong(&span, message, "Keep one of them.");
        return;
    }
    data.insert(name.to_owned(), (value, span));
}

/// A value without the quotes around it.
fn unquoted(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner;
        }
    }
    value
}

/// The bytes of a file an entry names, and where they are.
fn file(
    source: &mut Source<'_>,
    folder: &RepoPath,
    path: &str,
    entry: &Text,
) -> Option<(RepoPath, std::sync::Arc<[u8]>)> {
    let there = match folder.join(path) {
        Ok(there) => there,
        Err(error) => {
            source.wrong(&entry.span, error.to_string(), "Name a file of this repository, relative to this folder.");
            return None;
        }
    };
    match source.bytes(&there) {
        Ok(bytes) => Some((there, bytes)),
        Err(error) => {
            source.wrong(&entry.span, error.to_string(), "");
            None
        }
    }
}

fn env_file(source: &mut Source<'_>, folder: &RepoPath, entry: &Text, data: &mut Data) {
    let Some((path, bytes)) = file(source, folder, &entry.value, entry) else { return };
    let file = std::sync::Arc::new(path);
    let mut start = 0;
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let span = |end: usize| Span {
            file: std::sync::Arc::clone(&file),
            line: number as u32 + 1,
            column: 1,
            start: start as u32,
            end: end as u32,
        };
        let here = span(start + line.len());
        start += line.len() + 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = if number == 0 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        let Ok(text) = std::str::from_utf8(line) else {
            source.wrong(&here, "this line is not UTF-8 text", "Save the file as UTF-8.");
            continue;
        };
        if text.len() > MAX_ENV_LINE {
            source.wrong(&here, "this line has 64 KiB or more, which Kustomize silently skips", "Use `files` for it.");
            continue;
        }
        let text = text.trim_start();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        add(source, data, name, (value.into(), here));
    }
}

fn whole_file(source: &mut Source<'_>, folder: &RepoPath, entry: &Text, data: &mut Data) {
    let (name, path) = match entry.value.split_once('=') {
        None => (entry.value.rsplit('/').next().unwrap_or_default(), entry.value.as_str()),
        Some((name, path)) => (name, path),
    };
    if name.is_empty() || path.is_empty() || path.contains('=') {
        let message = format!("`{}` is no file source: write `path` or `key=path`", cut(&entry.value));
        return source.wrong(&entry.span, message, "");
    }
    let Some((path, bytes)) = file(source, folder, path, entry) else { return };
    let end = bytes.len() as u32;
    let span = Span { file: std::sync::Arc::new(path), line: 1, column: 1, start: 0, end };
    add(source, data, name, (bytes.to_vec(), span));
}

fn map(entries: impl IntoIterator<Item = (String, Node)>) -> Map {
    let mut map = Map::default();
    for (name, value) in entries {
        map.push_new(key(&name, &value.span.clone()), value);
    }
    map
}

fn object(entry: &Generator, name: &Text, kind: Kind, data: &Data) -> Node {
    let here = &entry.span;
    let mut metadata = map([("name".to_owned(), text_node(&name.value, &name.span))]);
    if let Some(namespace) = &entry.namespace {
        metadata.push_new(key("namespace", &namespace.span), text_node(&namespace.value, &namespace.span));
    }
    for (field, pairs) in [("labels", &entry.options.labels), ("annotations", &entry.options.annotations)] {
        if !pairs.is_empty() {
            // The original writes these in quotes, whatever they are.
            let quoted = |value: &Text| Node { quoted: true, ..text_node(&value.value, &value.span) };
            let pairs = pairs.iter().map(|(key, value)| (key.value.clone(), quoted(value)));
            metadata.push_new(key(field, here), Node::new(Value::Map(map(pairs)), here.clone()));
        }
    }
    let (word, by) = match kind {
        Kind::Secret => ("Secret", "secretGenerator"),
        Kind::ConfigMap => ("ConfigMap", "configMapGenerator"),
    };
    let mut object = map([
        ("apiVersion".to_owned(), text_node("v1", here)),
        ("kind".to_owned(), text_node(word, here)),
        ("metadata".to_owned(), Node::new(Value::Map(metadata), here.clone())),
    ]);
    let (mut plain, mut binary) = (Map::default(), Map::default());
    for (name, (value, span)) in data {
        let (map, text) = match (kind, std::str::from_utf8(value)) {
            (Kind::ConfigMap, Ok(text)) => (&mut plain, text.to_owned()),
            (Kind::ConfigMap, Err(_)) => (&mut binary, base64(value)),
            (Kind::Secret, _) => (&mut plain, base64(value)),
        };
        let mut node = text_node(&text, span).set_by(by);
        node.quoted |= text.contains('\n');
        map.push_new(key(name, span), node);
    }
    if kind == Kind::Secret {
        let word =
            entry.kind.as_ref().map_or_else(|| text_node("Opaque", here), |kind| text_node(&kind.value, &kind.span));
        object.push_new(key("type", here), word);
    }
    if kind == Kind::Secret || !plain.is_empty() {
        object.push_new(key("data", here), Node::new(Value::Map(plain), here.clone()));
    }
    if !binary.is_empty() {
        object.push_new(key("binaryData", here), Node::new(Value::Map(binary), here.clone()));
    }
    if let Some(span) = &entry.options.immutable {
        object.push_new(key("immutable", span), Node::new(Value::Bool(true), span.clone()));
    }
    Node::new(Value::Map(object), here.clone())
}

/// Base64 in lines of 70 characters once it is longer than that, as Kustomize writes it.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const LINE: usize = 70;
    let mut flat = String::with_capacity(bytes.len() * 4 / 3 + 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let sextet = (word >> (18 - 6 * i) & 63) as usize;
            flat.push(if i <= chunk.len() { ALPHABET[sextet] as char } else { '=' });
        }
    }
    if flat.len() < LINE {
        return flat;
    }
    let mut lines = String::with_capacity(flat.len() + flat.len() / LINE + 1);
    for (i, c) in flat.chars().enumerate() {
        lines.push(c);
        if (i + 1) % LINE == 0 {
            lines.push('\n');
        }
    }
    if !flat.len().is_multiple_of(LINE) {
        lines.push('\n');
    }
    lines
}

/// Adds a generated object to what is there: beside it, over it, or into it, as its `behavior` says.
pub(super) fn absorb(all: &mut Vec<Resource>, mut made: Resource, entry: &Span) -> Result<(), Failure> {
    let id = made.id();
    let at: Vec<usize> = (0..all.len()).filter(|at| all[*at].ever_was(&id)).collect();
    let refuse = |why: String| Err(Box::new((entry.clone(), why)));
    match (at.as_slice(), made.behavior) {
        ([], Behavior::Create) => all.push(made),
        ([], _) => return refuse(format!("there is no {id} that could be merged or replaced")),
        ([_], Behavior::Create) => {
            return refuse(format!("{id} exists already; `behavior: merge` or `replace` changes it"));
        }
        ([at], behavior) => {
            let old = &all[*at];
            inherit(&mut made, old, behavior)?;
            all[*at] = made;
        }
        _ => return refuse(format!("several objects are called {id}, so it is unclear which one is meant")),
    }
    Ok(())
}

/// Takes over name, namespace, labels and annotations of the old object, and its data when merging.
fn inherit(made: &mut Resource, old: &Resource, behavior: Behavior) -> Result<(), Failure> {
    made.inherit(old);
    let here = made.node.span.clone();
    let Some(map) = made.node.as_map_mut() else { return Ok(()) };
    if behavior == Behavior::Merge {
        for field in ["data", "binaryData"] {
            overlay(map, field, old.node.get(field), &here)?;
        }
        // The original takes an empty mapping away here, which the hash of a Secret without any values shows.
        if map.get("data").and_then(Node::as_map).is_some_and(Map::is_empty) {
            map.remove("data");
        }
        // What a Secret holds as plain text is encoded first, as the API server does.
        if let Some(plain) = old.node.get("stringData").and_then(Node::as_map)
            && old.kind() == "Secret"
        {
            let encoded = plain.iter().filter_map(|(key, value)| {
                Some((key.text.to_string(), text_node(&base64(scalar_text(value)?.as_bytes()), &value.span)))
            });
            let encoded = Node::new(Value::Map(self::map(encoded)), here.clone());
            overlay(map, "data", Some(&encoded), &here)?;
        }
    }
    let Some(metadata) = map.get_mut("metadata").and_then(Node::as_map_mut) else { return Ok(()) };
    for field in ["labels", "annotations"] {
        overlay(metadata, field, old.node.at(&["metadata", field]), &here)?;
        if metadata.get(field).and_then(Node::as_map).is_some_and(Map::is_empty) {
            metadata.remove(field);
        }
    }
    // What was only added to comes from where it was.
    if let (Behavior::Merge, Some(origin)) = (behavior, old.node.at(&["metadata", "annotations", ORIGIN])) {
        let annotations = metadata.get_mut("annotations").and_then(Node::as_map_mut);
        annotations.into_iter().for_each(|map| map.insert(key(ORIGIN, &origin.span), origin.clone()));
    }
    for field in ["name", "namespace"] {
        metadata.remove(field);
        if let Some(node) = old.node.at(&["metadata", field]) {
            metadata.push_new(key(field, &node.span), node.clone());
        }
    }
    Ok(())
}

/// Adds the entries of `below` that the mapping at `field` does not have itself. All become text, as the original reads them.
fn overlay(map: &mut Map, field: &str, below: Option<&Node>, here: &Span) -> Result<(), Failure> {
    let Some(below) = below.and_then(Node::as_map) else { return Ok(()) };
    if map.get(field).is_none() {
        map.push_new(key(field, here), Node::new(Value::Map(Map::default()), here.clone()));
    }
    let Some(own) = map.get_mut(field).and_then(Node::as_map_mut) else { return Ok(()) };
    let known: HashSet<SmolStr> = own.iter().map(|(key, _)| key.text.clone()).collect();
    for (_, value) in own.iter_mut() {
        value.quoted = value.as_str().is_some_and(quoted_in_data);
    }
    for (name, value) in below.iter().filter(|(name, _)| !known.contains(&name.text)) {
        let Some(mut text) = as_text(value) else {
            let message =
                format!("`{}` becomes text here, and how it was written is not known: put it in quotes", name.text);
            return Err(Box::new((value.span.clone(), message)));
        };
        text.quoted = text.as_str().is_some_and(quoted_in_data);
        own.push_new(name.clone(), text);
    }
    Ok(())
}

/// Whether the original puts quotes around a text that it copies, or writes it as a block.
fn quoted_in_data(text: &str) -> bool {
    text.contains('\n') || (!text.is_empty() && !scalar::is_text(text))
}

/// The ten characters that end the name: a hash of kind and content, in an alphabet that spells no words.
pub(super) fn hash(node: &Node) -> String {
    let text = |path: &[&str]| node.at(path).and_then(scalar_text).unwrap_or_default();
    let quoted = |text: &str| go_json(&serde_json::Value::String(text.to_owned()));
    let kind = text(&["kind"]);
    let field = |name: &str| node.get(name).map_or_else(|| quoted(""), |node| go_json(&node.to_json()));
    let present = |name: &str| node.get(name).is_some_and(|node| node.as_map().is_some());
    let mut parts: Vec<(&str, String)> = vec![("data", field("data"))];
    parts.push(("kind", quoted(&kind)));
    // The original means to hash the name too, but looks for a field called `metadata/name`, which no object has.
    parts.push(("name", quoted("")));
    if kind == "Secret" {
        parts.push(("type", quoted(&text(&["type"]))));
    }
    let extra = if kind == "Secret" { "stringData" } else { "binaryData" };
    if present(extra) {
        parts.push((extra, field(extra)));
    }
    parts.sort();
    let body: Vec<String> = parts.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    let digest = Sha256::digest(format!("{{{}}}", body.join(",")).as_bytes());
    let hex: String = digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect();
    let letter = |c| match c {
        '0' => 'g',
        '1' => 'h',
        '3' => 'k',
        'a' => 'm',
        'e' => 't',
        other => other,
    };
    hex.chars().map(letter).collect()
}

/// JSON as Go's encoder writes it: keys sorted, `<`, `>`, `&` and the line separators escaped.
pub(super) fn go_json(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|a, b| a.0.cmp(b.0));
            let entry = |(key, value): (&String, &serde_json::Value)| {
                format!("{}:{}", go_json(&serde_json::Value::String(key.clone())), go_json(value))
            };
            format!("{{{}}}", entries.into_iter().map(entry).collect::<Vec<_>>().join(","))
        }
        serde_json::Value::Array(list) => format!("[{}]", list.iter().map(go_json).collect::<Vec<_>>().join(",")),
        serde_json::Value::String(text) => {
            let mut quoted = String::with_capacity(text.len() + 2);
            for c in serde_json::Value::String(text.clone()).to_string().chars() {
                match c {
                    '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => quoted.push_str(&format!("\\u{:04x}", c as u32)),
                    c => quoted.push(c),
                }
            }
            quoted
        }
        other => other.to_string(),
    }
}
