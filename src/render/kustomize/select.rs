//! Which objects a patch is for: anchored regular expressions, and selectors over labels and annotations.

use super::form::Text;
use super::pattern::Pattern;
use super::resource::{Gvk, Id, Resource, scalar_text};
use super::spec::Target;
use crate::manifest::node::Span;

/// Memory of one compiled expression: real ones are a name or two, hostile ones repeat repetitions.
const MAX_REGEX_BYTES: usize = 1 << 20;

/// A mistake in a target, and where.
pub(super) type Mistake = Box<(Span, String)>;

/// A target, ready to be asked.
pub(super) struct Selector {
    group: Option<Pattern>,
    version: Option<Pattern>,
    kind: Option<Pattern>,
    name: Option<Pattern>,
    namespace: Option<Pattern>,
    labels: Vec<Requirement>,
    annotations: Vec<Requirement>,
}

impl Selector {
    pub(super) fn new(target: &Target) -> Result<Self, Mistake> {
        Ok(Self {
            group: anchored(target.group.as_ref())?,
            version: anchored(target.version.as_ref())?,
            kind: anchored(target.kind.as_ref())?,
            name: anchored(target.name.as_ref())?,
            namespace: anchored(target.namespace.as_ref())?,
            labels: requirements(target.labels.as_ref())?,
            annotations: requirements(target.annotations.as_ref())?,
        })
    }

    /// Whether it selects a resource: by the name and namespace it was read with, or those it has now.
    pub(super) fn selects(&self, resource: &Resource) -> bool {
        let fits = |regex: &Option<Pattern>, text: &str| regex.as_ref().is_none_or(|regex| regex.is_match(text));
        // Most objects are of another kind, which costs nothing to see.
        if !fits(&self.kind, resource.kind()) {
            return false;
        }
        let (now, original) = (resource.id(), resource.original_id());
        let gvk = Gvk::of(&resource.node);
        (fits(&self.namespace, &original.namespace) || fits(&self.namespace, &now.namespace))
            && (fits(&self.name, &original.name) || fits(&self.name, &now.name))
            && fits(&self.group, &gvk.group)
            && fits(&self.version, &gvk.version)
            && fits(&self.kind, &gvk.kind)
            && self.describes(resource)
    }

    /// Whether an id is what it names; the namespace as written.
    pub(super) fn names(&self, id: &Id) -> bool {
        let fits = |regex: &Option<Pattern>, text: &str| regex.as_ref().is_none_or(|regex| regex.is_match(text));
        fits(&self.group, &id.gvk.group)
            && fits(&self.version, &id.gvk.version)
            && fits(&self.kind, &id.gvk.kind)
            && fits(&self.name, &id.name)
            && fits(&self.namespace, &id.namespace)
    }

    /// Whether it says anything of kind, name or namespace.
    pub(super) fn has_names(&self) -> bool {
        [&self.group, &self.version, &self.kind, &self.name, &self.namespace].iter().any(|regex| regex.is_some())
    }

    /// Whether it says anything of labels or annotations.
    pub(super) fn has_descriptions(&self) -> bool {
        !self.labels.is_empty() || !self.annotations.is_empty()
    }

    /// Whether labels and annotations are what it asks for.
    pub(super) fn describes(&self, resource: &Resource) -> bool {
        self.labels.iter().all(|requirement| requirement.holds(resource, "labels"))
            && self.annotations.iter().all(|requirement| requirement.holds(resource, "annotations"))
    }
}

fn anchored(pattern: Option<&Text>) -> Result<Option<Pattern>, Mistake> {
    let Some(pattern) = pattern else { return Ok(None) };
    let built = Pattern::new(&pattern.value, MAX_REGEX_BYTES);
    let why = "this is no regular expression that can be used";
    built.map(Some).map_err(|_| Box::new((pattern.span.clone(), why.to_owned())))
}

/// One condition of a selector.
#[derive(Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, PartialEq, Eq)]
enum Test {
    Exists,
    Missing,
    In(Vec<String>),
    NotIn(Vec<String>),
    Above(i64),
    Below(i64),
}

impl Requirement {
    fn holds(&self, resource: &Resource, map: &str) -> bool {
        let value = resource.node.at(&["metadata", map, &self.key]).and_then(scalar_text);
        let number = || value.as_ref().and_then(|value| value.parse::<i64>().ok());
        match &self.test {
            Test::Exists => value.is_some(),
            Test::Missing => value.is_none(),
            Test::In(values) => value.is_some_and(|value| values.contains(&value)),
            Test::NotIn(values) => value.is_none_or(|value| !values.contains(&value)),
            Test::Above(limit) => number().is_some_and(|number| number > *limit),
            Test::Below(limit) => number().is_some_and(|number| number < *limit),
        }
    }
}

fn requirements(text: Option<&Text>) -> Result<Vec<Requirement>, Mistake> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let mistake =
        || Box::new((text.span.clone(), "this is no selector, such as `app=shop,tier in (web, api)`".to_owned()));
    split(&text.value).iter().map(|part| requirement(part).ok_or_else(mistake)).collect()
}

/// The parts between commas, those inside parentheses left alone.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut inside) = (vec![String::new()], false);
    for c in text.chars() {
        inside = (inside || c == '(') && c != ')';
        if c == ',' && !inside {
            parts.push(String::new());
        } else if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts
}

fn requirement(part: &str) -> Option<Requirement> {
    let part = part.trim();
    let made = |key: &str, test| {
        let key = key.trim();
        let word = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
        word.then(|| Requirement { key: key.to_owned(), test })
    };
    let one = |value: &str| vec![value.trim().to_owned()];
    if let Some(key) = part.strip_prefix('!') {
        return made(key, Test::Missing);
    }
    if let Some((head, values)) = part.split_once('(') {
        let values = values.strip_suffix(')')?.split(',').map(|value| value.trim().to_owned()).collect();
        let (key, word) = head.trim().split_once(char::is_whitespace)?;
        return match word.trim() {
            "in" => made(key, Test::In(values)),
            "notin" => made(key, Test::NotIn(values)),
            _ => None,
        };
    }
    if let Some((key, value)) = part.split_once("!=") {
        return made(key, Test::NotIn(one(value)));
    }
    if let Some((key, value)) = part.split_once('=') {
        return made(key, Test::In(one(value.strip_prefix('=').unwrap_or(value))));
    }
    if let Some((key, value)) = part.split_once('>') {
        return made(key, Test::Above(value.trim().parse().ok()?));
    }
    if let Some((key, value)) = part.split_once('<') {
        return made(key, Test::Below(value.trim().parse().ok()?));
    }
    made(part, Test::Exists)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_read_as_kubectl_reads_them() {
        let read = |text: &str| split(text).iter().map(|part| requirement(part)).collect::<Option<Vec<_>>>();
        let made = |key: &str, test| Requirement { key: key.to_owned(), test };
        let text = |text: &str| text.to_owned();
        assert_eq!(
            read("a=b, c==d,e!=f, g in (h, i),j notin (k), l, !m, n>1"),
            Some(vec![
                made("a", Test::In(vec![text("b")])),
                made("c", Test::In(vec![text("d")])),
                made("e", Test::NotIn(vec![text("f")])),
                made("g", Test::In(vec![text("h"), text("i")])),
                made("j", Test::NotIn(vec![text("k")])),
                made("l", Test::Exists),
                made("m", Test::Missing),
                made("n", Test::Above(1)),
            ])
        );
        for bad in ["a in b", "a near (b)", "=b", "a b", "a>x", "a in (b"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
