//! Reading: bytes to documents whose every node knows its place, under the scalar rules of the API server (go-yaml).
//!
//! Events come from `granit-parser`; a document is first kept as a flat draft, then built as a tree, so that aliases are
//! expanded under one budget. What no two YAML readers agree on is refused: what is judged must be what is applied.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use granit_parser::{Event, Marker, Parser, ScalarStyle, Span as Range, StructureStyle};

use super::keys::Keys;
use super::node::{Key, Map, Node, Span, Value};
use super::places::{after_tab, back_to, open_end};
use super::readable::readable;
use super::{scalar, simple};
use crate::model::finding::{Location, Problem};
use crate::model::path::RepoPath;
use crate::model::tree::MAX_BLOB_BYTES;

/// Deeper nesting is an attack: the deepest real schemas (CRDs) stay below 40. Also bounds our own recursion.
const MAX_DEPTH: usize = 64;
/// Values in one file, aliases expanded: the largest real bundles (4 MB of CRDs) have about 100,000.
pub(super) const MAX_NODES: usize = 250_000;
/// Text that aliases may repeat: more than any honest file holds, less than a child process may use.
const MAX_ALIASED_BYTES: usize = 2 * MAX_BLOB_BYTES as usize;
/// Documents in one file: the largest real bundles have about 300.
pub(super) const MAX_DOCUMENTS: usize = 1024;
/// Problems shown for one file: nobody reads more, and a file of garbage must not fill the memory.
const MAX_PROBLEMS: usize = 50;

/// What was read from one file: the documents that are sound, and what is wrong with the others.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// The documents, empty ones skipped.
    pub documents: Vec<Document>,
    /// What is wrong, in the file's order.
    pub problems: Vec<Problem>,
}

/// One YAML document.
#[derive(Debug, Clone)]
pub struct Document {
    /// Its root.
    pub node: Node,
    /// Its place among the file's documents, from 0, empty and broken ones counted.
    pub index: usize,
}

/// Reads a file. Never fails: a broken document is a problem and does not hide the others.
pub fn load(file: &RepoPath, bytes: &[u8]) -> Loaded {
    let shared = Arc::new(file.clone());
    if let Some(documents) = readable(bytes).ok().and_then(|text| simple::read(&shared, text)) {
        return Loaded { documents, problems: Vec::new() };
    }
    load_generally(file, bytes)
}

/// Whether the fast half of the reader reads a text by itself, for tests.
#[doc(hidden)]
pub fn is_simple(text: &str) -> bool {
    simple::read(&Arc::new(RepoPath::root()), text).is_some()
}

/// The same by the general parser alone: what tests hold the fast half of the reader against.
#[doc(hidden)]
pub fn load_generally(file: &RepoPath, bytes: &[u8]) -> Loaded {
    let mut loader = Loader {
        file: Arc::new(file.clone()),
        loaded: Loaded::default(),
        nodes: 0,
        open_end: usize::MAX,
        aliased: 0,
        active: Vec::new(),
        sound: true,
    };
    match readable(bytes) {
        Ok(text) => loader.read(text),
        Err((at, message, help)) => {
            let before = String::from_utf8_lossy(&bytes[..at]);
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            loader.problem(line as u32, column as u32, message, Some(help));
        }
    }
    // An alias repeats the faults of its anchor; people need each once.
    loader.loaded.problems.sort();
    loader.loaded.problems.dedup();
    loader.loaded
}

/// A document as it was written: flat, aliases unexpanded.
#[derive(Default)]
struct Draft<'a> {
    nodes: Vec<Raw<'a>>,
    open: Vec<(usize, bool)>,
    anchors: HashMap<usize, usize>,
    /// Where the document's text begins: its byte and its line.
    begin: (usize, usize),
    /// Where the last event ended: what a block scalar's header is searched from.
    end: usize,
}

struct Raw<'a> {
    kind: Kind<'a>,
    span: Span,
}

enum Kind<'a> {
    Scalar {
        text: Cow<'a, str>,
        plain: bool,
        tag: Option<String>,
    },
    List(Vec<usize>),
    /// Keys and values in turn.
    Map(Vec<usize>),
    Alias(Option<usize>),
}

/// A limit was hit: the rest of the file is not read.
struct Limit(Span, String);

struct Loader {
    file: Arc<RepoPath>,
    loaded: Loaded,
    nodes: usize,
    /// A block scalar that reaches this byte has no final line break.
    open_end: usize,
    aliased: usize,
    /// Anchors being expanded, to find one that contains itself; at most `MAX_DEPTH`.
    active: Vec<usize>,
    /// Whether the document at hand is free of faults so far.
    sound: bool,
}

impl Loader {
    fn problem(&mut self, line: u32, column: u32, message: String, help: Option<String>) {
        if self.loaded.problems.len() < MAX_PROBLEMS {
            let location = Some(Location { path: (*self.file).clone(), line, column });
            self.loaded.problems.push(Problem { location, message, help });
        }
    }

    /// Notes what is wrong with the document at hand, which is then left out.
    fn fault(&mut self, span: &Span, message: String, help: &str) {
        self.sound = false;
        self.problem(span.line, span.column, message, Some(help.to_owned()));
    }

    fn read(&mut self, text: &str) {
        let options = granit_parser::options! {
            emit_comments: false,
            emit_anchor_events: true,
            flow_nesting_limit: MAX_DEPTH,
            block_nesting_limit: MAX_DEPTH,
        };
        let mut parser = Parser::new_from_str_with_options(text, options);
        self.open_end = open_end(text);
        let mut draft = Draft::default();
        let mut count = 0;
        while let Some(next) = parser.next_event() {
            let taken = match next {
                Err(error) => {
                    self.broken(text, error.marker(), &error.info());
                    // Each turn costs a document or a problem, and both are limited.
                    let more = self.loaded.problems.len() < MAX_PROBLEMS;
                    if !(more && matches!(parser.proceed_next_document(), Ok(true))) {
                        return;
                    }
                    continue;
                }
                Ok((Event::DocumentStart(explicit, _), range)) => {
                    let end = offset(&range.end);
                    draft = Draft { begin: (end, range.end.line()), end, ..Draft::default() };
                    self.sound = true;
                    count += 1;
                    if count > 1 && !explicit {
                        let message = "this document has no `---` before it: kubectl and kustomize do not read it";
                        self.fault(&self.span(&range), message.to_owned(), "Write `---` above it.");
                    }
                    let limit = || Limit(self.span(&range), format!("more than {MAX_DOCUMENTS} documents in one file"));
                    if count > MAX_DOCUMENTS { Err(limit()) } else { Ok(()) }
                }
                Ok((Event::DocumentEnd, range)) => {
                    if let Some(span) = draft.stray_tab(text, self.span(&range)) {
                        self.fault(
                            &span,
                            "a tab on an otherwise empty line".into(),
                            "Remove it: kustomize stops there.",
                        );
                    }
                    self.finish(&draft, count - 1)
                }
                Ok((event, range)) => self.take(&mut draft, text, event, &range),
            };
            if let Err(Limit(span, message)) = taken {
                let help = "The rest of this file is not read. Split it into smaller files.".to_owned();
                return self.problem(span.line, span.column, message, Some(help));
            }
        }
    }

    fn broken(&mut self, text: &str, at: &Marker, info: &str) {
        let line = text.lines().nth(at.line().saturating_sub(1)).unwrap_or_default();
        let help = if line.contains("{{") {
            "This looks like a template; Trunkline reads plain YAML. Put `{{ … }}` in quotes, or move the file away."
        } else if line.trim_start_matches(' ').starts_with('\t') {
            "YAML is indented with spaces, not tabs."
        } else {
            "Look at this line and the one before it: indentation, an open quote or bracket, or a missing `: `."
        };
        self.problem(at.line() as u32, at.col() as u32 + 1, format!("not valid YAML: {info}"), Some(help.to_owned()));
    }

    fn span(&self, range: &Range) -> Span {
        let (line, column) = (range.start.line() as u32, range.start.col() as u32 + 1);
        // Files are smaller than 4 GiB by far, so nothing is cut off.
        let (start, end) = (offset(&range.start) as u32, offset(&range.end) as u32);
        Span { file: Arc::clone(&self.file), line, column, start, end }
    }

    fn take<'a>(&mut self, draft: &mut Draft<'a>, text: &str, event: Event<'a>, range: &Range) -> Result<(), Limit> {
        let mut span = self.span(range);
        let (kind, anchor, flow) = match event {
            Event::Scalar(mut value, style, anchor, tag) => {
                let tag = tag.map(|tag| format!("{}{}", tag.handle(), tag.suffix()));
                if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
                    back_to(text, draft.end, &['|', '>'], &mut span);
                    if span.end as usize >= self.open_end && value.ends_with('\n') {
                        value.to_mut().pop();
                    }
                }
                let omitted = span.start == span.end && style == ScalarStyle::Plain;
                if omitted && text.as_bytes().get(span.end as usize) == Some(&b':') {
                    // The event stands before the colon; what is written there later must stand after it.
                    (span.start, span.end, span.column) = (span.start + 1, span.end + 1, span.column + 1);
                    if draft.in_flow() && text[span.end as usize..].starts_with([',', '}', ']']) {
                        let message = "some YAML readers take this colon for a part of the key".to_owned();
                        self.fault(&span, message, "Write a space, or `null`, after the colon.");
                    }
                }
                let value = if omitted { Cow::Borrowed("") } else { value };
                (Kind::Scalar { text: value, plain: style == ScalarStyle::Plain, tag }, anchor, None)
            }
            Event::SequenceStart(style, anchor, _) => {
                if style == StructureStyle::Block && draft.in_map() {
                    back_to(text, draft.end, &['-'], &mut span);
                }
                (Kind::List(Vec::new()), anchor, Some(style))
            }
            Event::MappingStart(style, anchor, _) => (Kind::Map(Vec::new()), anchor, Some(style)),
            Event::Alias(id) => {
                self.anchor_name(text.get(span.start as usize + 1..span.end as usize).unwrap_or_default(), &span);
                (Kind::Alias(draft.anchors.get(&id).copied()), 0, None)
            }
            Event::Anchor(_, name) => {
                self.anchor_name(&name, &span);
                return Ok(());
            }
            Event::SequenceEnd | Event::MappingEnd => {
                draft.close(span.end);
                return Ok(());
            }
            _ => return Ok(()),
        };
        draft.end = draft.end.max(span.end as usize);
        let indents = flow == Some(StructureStyle::Block) || draft.in_list();
        if !draft.in_flow() && after_tab(text, span.start as usize, indents) {
            self.fault(&span, "a tab indents this line".into(), "Indent with spaces; YAML allows no tabs there.");
        }
        if self.nodes + draft.nodes.len() / 2 > MAX_NODES {
            return Err(Limit(span, format!("more than {MAX_NODES} values in one file")));
        }
        if draft.open.len() >= MAX_DEPTH {
            return Err(Limit(span, format!("nested more than {MAX_DEPTH} levels deep")));
        }
        draft.add(Raw { kind, span }, anchor, flow);
        Ok(())
    }

    /// `&a: b` is an anchor called `a:` for YAML 1.2 and a null key for go-yaml.
    fn anchor_name(&mut self, name: &str, span: &Span) {
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
            let message = "YAML readers disagree where this anchor's name ends".to_owned();
            self.fault(span, message, "Use only letters, digits, `-` and `_` in it, and a space behind it.");
        }
    }

    fn finish(&mut self, draft: &Draft<'_>, index: usize) -> Result<(), Limit> {
        let empty = match draft.nodes.first() {
            None => true,
            Some(Raw { kind: Kind::Scalar { text, plain, tag }, .. }) => text.is_empty() && *plain && tag.is_none(),
            Some(_) => false,
        };
        if empty {
            return Ok(());
        }
        let node = self.build(draft, 0, 0)?;
        if self.sound {
            self.loaded.documents.push(Document { node, index });
        }
        Ok(())
    }

    /// The tree below a raw node. Recursion is bounded by `MAX_DEPTH`, all work by `MAX_NODES`.
    fn build(&mut self, draft: &Draft<'_>, id: usize, depth: usize) -> Result<Node, Limit> {
        let span = draft.nodes[id].span.clone();
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(Limit(span, format!("more than {MAX_NODES} values in one file, aliases expanded")));
        }
        if depth > MAX_DEPTH {
            return Err(Limit(span, format!("nested more than {MAX_DEPTH} levels deep, aliases expanded")));
        }
        let (mut quoted, mut odd) = (false, false);
        let value = match &draft.nodes[id].kind {
            Kind::Scalar { text, plain, tag } => {
                self.aliased += if self.active.is_empty() { 0 } else { text.len() };
                if self.aliased > MAX_ALIASED_BYTES {
                    return Err(Limit(span, format!("aliases repeat more than {MAX_ALIASED_BYTES} bytes of text")));
                }
                let value = scalar::read(text, *plain, tag.as_deref()).unwrap_or_else(|(message, help)| {
                    self.fault(&span, message, help);
                    Value::Null
                });
                (quoted, odd) = (!plain, scalar::is_odd(&value, text));
                value
            }
            Kind::List(items) => {
                Value::List(items.iter().map(|item| self.build(draft, *item, depth + 1)).collect::<Result<_, _>>()?)
            }
            Kind::Map(entries) => Value::Map(self.map(draft, entries, depth + 1)?),
            Kind::Alias(Some(target)) if !self.active.contains(target) => {
                self.active.push(*target);
                let node = self.build(draft, *target, depth);
                self.active.pop();
                return node;
            }
            Kind::Alias(_) => {
                self.fault(&span, "this alias stands inside its own anchor".into(), "Write the value out.");
                Value::Null
            }
        };
        Ok(Node { quoted, odd, ..Node::new(value, span) })
    }

    fn map(&mut self, draft: &Draft<'_>, entries: &[usize], depth: usize) -> Result<Map, Limit> {
        let mut keys = Keys::default();
        let mut map = Map::with_capacity(entries.len() / 2);
        let mut merge: Option<(usize, Span)> = None;
        for pair in entries.chunks_exact(2) {
            if draft.is_merge(pair[0]) {
                let span = draft.nodes[pair[0]].span.clone();
                if let Some((_, first)) = &merge {
                    self.duplicate("<<", first.line, &span);
                }
                merge = Some((pair[1], span));
                continue;
            }
            let node = self.build(draft, pair[0], depth)?;
            let value = self.build(draft, pair[1], depth)?;
            let text = match scalar::key(&node.value) {
                Ok(text) => text,
                Err(what) => {
                    let message = format!("a key cannot be {what}: Kubernetes knows only text");
                    let help = "Put the key in quotes; if this is a template (`{{ … }}`), Trunkline cannot read it.";
                    self.fault(&node.span, message, help);
                    continue;
                }
            };
            match keys.first_line(&map, &text, node.span.line) {
                Some(first) => self.duplicate(&text, first, &node.span),
                None => map.push_new(Key { text, span: node.span }, value),
            }
        }
        if let Some((source, span)) = merge {
            self.merge(draft, source, depth, (&mut map, &mut keys, &span))?;
        }
        Ok(map)
    }

    fn duplicate(&mut self, key: &str, first: u32, span: &Span) {
        let key: String = key.chars().take(100).collect();
        let message = format!("key `{key}` is already set on line {first}");
        self.fault(span, message, "Keep one: readers disagree which of them counts.");
    }

    /// Takes over what `<<` names; keys written in the mapping itself win, and earlier sources win over later ones.
    fn merge(
        &mut self,
        draft: &Draft<'_>,
        source: usize,
        depth: usize,
        (map, keys, span): (&mut Map, &mut Keys, &Span),
    ) -> Result<(), Limit> {
        let node = self.build(draft, source, depth)?;
        let sources = if let Value::List(list) = node.value { list } else { vec![node].into() };
        for source in sources {
            let Value::Map(source) = source.value else {
                self.fault(
                    span,
                    "`<<` takes a mapping or a list of mappings".into(),
                    "Point it at an anchor of a mapping.",
                );
                continue;
            };
            for (key, value) in source {
                if keys.first_line(map, &key.text, key.span.line).is_none() {
                    map.push_new(key, value);
                }
            }
        }
        Ok(())
    }
}

impl<'a> Draft<'a> {
    fn add(&mut self, raw: Raw<'a>, anchor: usize, opens: Option<StructureStyle>) {
        let id = self.nodes.len();
        if let Some((parent, _)) = self.open.last()
            && let Kind::List(children) | Kind::Map(children) = &mut self.nodes[*parent].kind
        {
            children.push(id);
        }
        self.nodes.push(raw);
        if anchor > 0 {
            self.anchors.insert(anchor, id);
        }
        if let Some(style) = opens {
            self.open.push((id, style == StructureStyle::Flow));
        }
    }

    /// Ends the innermost collection: at its bracket, or where its last child ends.
    fn close(&mut self, bracket: u32) {
        let Some((id, flow)) = self.open.pop() else { return };
        let last = match &self.nodes[id].kind {
            Kind::List(children) | Kind::Map(children) => children.last().map(|child| self.nodes[*child].span.end),
            _ => None,
        };
        let end = if flow { bracket } else { last.unwrap_or(bracket) };
        self.nodes[id].span.end = end.max(self.nodes[id].span.start);
        self.end = self.end.max(end as usize);
    }

    /// A line of blanks with a tab, or a comment behind a tab, that is part of no text and no brackets.
    fn stray_tab(&self, text: &str, end: Span) -> Option<Span> {
        let document = text.get(self.begin.0..end.start as usize).filter(|document| document.contains('\t'))?;
        let mut nodes = self.nodes.iter().peekable();
        let (mut covered, mut at) = (self.begin.0, self.begin.0);
        for (index, line) in document.split_inclusive('\n').enumerate() {
            let rest = line.trim_start_matches([' ', '\t']);
            let blanks = &line[..line.len() - rest.len()];
            if index > 0 && blanks.contains('\t') && (rest.trim().is_empty() || rest.starts_with('#')) {
                // Nodes stand in the order written, so one walk along them serves all lines.
                while let Some(node) = nodes.next_if(|node| node.span.start as usize <= at) {
                    let flow = text[node.span.start as usize..].starts_with(['[', '{']);
                    let covers = flow || matches!(node.kind, Kind::Scalar { .. });
                    covered = covered.max(if covers { node.span.end as usize } else { 0 });
                }
                if at >= covered {
                    let line = (self.begin.1 + index) as u32;
                    return Some(Span { line, column: 1, start: at as u32, end: at as u32, ..end });
                }
            }
            at += line.len();
        }
        None
    }

    fn in_map(&self) -> bool {
        self.open.last().is_some_and(|(id, _)| matches!(self.nodes[*id].kind, Kind::Map(_)))
    }

    fn in_list(&self) -> bool {
        self.open.last().is_some_and(|(id, _)| matches!(self.nodes[*id].kind, Kind::List(_)))
    }

    fn in_flow(&self) -> bool {
        self.open.last().is_some_and(|(_, flow)| *flow)
    }

    fn is_merge(&self, id: usize) -> bool {
        match &self.nodes[id].kind {
            Kind::Scalar { text, plain, tag } => {
                text == "<<" && (*plain && tag.is_none() || tag.as_deref() == Some("tag:yaml.org,2002:merge"))
            }
            _ => false,
        }
    }
}

fn offset(marker: &Marker) -> usize {
    // Text inputs always carry byte offsets; the fallback cannot be reached.
    marker.byte_offset().unwrap_or_default()
}
