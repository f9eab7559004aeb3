//! Reading a mapping of `kustomization.yaml` as a form: typed fields, each mistake at its place, nothing unknown accepted.

use crate::manifest::node::{Map, Node, Span, Value};
use crate::model::finding::Problem;

/// Labels or annotations in one mapping: people write ten, and each is looked for in every object.
const MAX_PAIRS: usize = 1_000;
/// Bytes of a name: an object's has at most 253, an image's 255, and each is copied to many places.
pub(super) const MAX_NAME: usize = 300;

/// A text and where it is written.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) value: String,
    pub(super) span: Span,
}

/// A mapping being read; what is wrong is collected, not thrown.
pub(super) struct Form<'f> {
    /// What people call it: `images[2]`, or the file's name.
    pub(super) what: String,
    map: Option<&'f Map>,
    span: &'f Span,
    lenient: bool,
    pub(super) problems: &'f mut Vec<Problem>,
}

impl<'f> Form<'f> {
    pub(super) fn new(what: impl Into<String>, node: &'f Node, problems: &'f mut Vec<Problem>) -> Self {
        let what = what.into();
        if node.as_map().is_none() && !node.is_null() {
            note(problems, &node.span, format!("`{what}` is a mapping"), "");
        }
        Self { what, map: node.as_map(), span: &node.span, lenient: false, problems }
    }

    /// Takes numbers and truth values for text, as the original does in files other than its own.
    pub(super) fn lenient(mut self) -> Self {
        self.lenient = true;
        self
    }

    /// The text of a node, when it is one or is taken for one.
    fn read(&self, node: &Node) -> Option<String> {
        match &node.value {
            Value::String(text) => Some(text.to_string()),
            Value::Int(number) if self.lenient => Some(number.to_string()),
            Value::Bool(truth) if self.lenient => Some(truth.to_string()),
            _ => None,
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&'f Node> {
        let map = self.map?;
        // Go reads a field whatever the case of its letters.
        let node = map.get(name).or_else(|| map.iter().find(|(key, _)| same(&key.text, name)).map(|(_, node)| node));
        node.filter(|node| !node.is_null())
    }

    /// Where the mapping begins.
    pub(super) fn span(&self) -> &'f Span {
        self.span
    }

    /// Refuses fields nobody knows, with the nearest one that is known.
    pub(super) fn only(&mut self, known: &[&str]) {
        for (key, _) in self.map.into_iter().flat_map(Map::iter) {
            if known.iter().any(|known| same(&key.text, known)) {
                continue;
            }
            let help = match nearest(&key.text, known) {
                Some(near) => format!("Did you mean `{near}`?"),
                None => format!("Known here: {}.", known.join(", ")),
            };
            let text: String = key.text.chars().take(60).collect();
            note(self.problems, &key.span, format!("`{}` has no field `{text}`", self.what), &help);
        }
    }

    fn wrong(&mut self, node: &Node, name: &str, wanted: &str) {
        let help = match node.value {
            Value::Int(_) | Value::Float(_) | Value::Bool(_) if wanted == "text" => "Put it in quotes.",
            _ => "",
        };
        note(self.problems, &node.span, format!("`{name}` of `{}` is {wanted}", self.what), help);
    }

    /// A text that is set and not empty.
    pub(super) fn text(&mut self, name: &str) -> Option<Text> {
        let node = self.get(name)?;
        match self.read(node) {
            Some(value) if value.is_empty() => None,
            Some(value) => Some(Text { value, span: node.span.clone() }),
            None => {
                self.wrong(node, name, "text");
                None
            }
        }
    }

    /// A text that is a name or a part of one.
    pub(super) fn name(&mut self, name: &str) -> Option<Text> {
        let text = self.text(name)?;
        if text.value.len() > MAX_NAME {
            let message = format!("`{name}` of `{}` has more than {MAX_NAME} bytes", self.what);
            note(self.problems, &text.span, message, "No cluster takes such a name.");
            return None;
        }
        Some(text)
    }

    pub(super) fn flag(&mut self, name: &str) -> bool {
        let Some(node) = self.get(name) else { return false };
        if node.as_bool().is_none() {
            self.wrong(node, name, "true or false");
        }
        node.as_bool().unwrap_or_default()
    }

    pub(super) fn list(&mut self, name: &str) -> &'f [Node] {
        let Some(node) = self.get(name) else { return &[] };
        if node.as_list().is_none() {
            self.wrong(node, name, "a list");
        }
        node.as_list().unwrap_or_default()
    }

    pub(super) fn texts(&mut self, name: &str) -> Vec<Text> {
        let mut texts = Vec::new();
        for node in self.list(name) {
            match node.as_str() {
                Some(value) => texts.push(Text { value: value.to_owned(), span: node.span.clone() }),
                None => self.wrong(node, name, "text"),
            }
        }
        texts
    }

    /// A mapping from text to text, sorted by key.
    pub(super) fn pairs(&mut self, name: &str) -> Vec<(Text, Text)> {
        let Some(node) = self.get(name) else { return Vec::new() };
        let Some(map) = node.as_map() else {
            self.wrong(node, name, "a mapping");
            return Vec::new();
        };
        if map.len() > MAX_PAIRS {
            note(self.problems, &node.span, format!("`{name}` has more than {MAX_PAIRS} entries"), "");
            return Vec::new();
        }
        let mut pairs = Vec::new();
        for (key, value) in map.iter() {
            match self.read(value) {
                Some(text) => pairs.push((
                    Text { value: key.text.to_string(), span: key.span.clone() },
                    Text { value: text, span: value.span.clone() },
                )),
                None if value.is_null() => pairs.push((
                    Text { value: key.text.to_string(), span: key.span.clone() },
                    Text { value: String::new(), span: value.span.clone() },
                )),
                None => self.wrong(value, &key.text, "text"),
            }
        }
        pairs.sort_by(|a, b| a.0.value.cmp(&b.0.value));
        pairs
    }
}

/// Whether a key names a field: in the case of its letters, Go is not strict.
fn same(key: &str, field: &str) -> bool {
    key.eq_ignore_ascii_case(field)
}

/// Notes a mistake at a place.
pub(super) fn note(problems: &mut Vec<Problem>, span: &Span, message: String, help: &str) {
    let help = (!help.is_empty()).then(|| help.to_owned());
    problems.push(Problem { location: Some(span.location()), message, help });
}

/// The known word most like `text`, when one is like it.
fn nearest<'k>(text: &str, known: &[&'k str]) -> Option<&'k str> {
    let text: String = text.chars().take(60).collect::<String>().to_lowercase();
    let best = known.iter().map(|word| (strsim::jaro_winkler(&text, &word.to_lowercase()), *word));
    // Below this, words only share letters: `foo` is not `fields`.
    best.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(score, _)| *score >= 0.8).map(|(_, word)| word)
}
