//! The schemas at hand: compact lines, unpacked once a process, each parsed when it is first asked for.

use std::collections::{BTreeSet, HashMap};
use std::io::Read as _;
use std::sync::{LazyLock, OnceLock};

use regex::Regex;
use serde_json::Value as Json;
use smol_str::SmolStr;

use super::validations::Check;

/// What a value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Any,
    Object,
    Array,
    Text,
    Int,
    Number,
    Bool,
    /// Text or a number, never null.
    Quantity,
    /// Text or a whole number, never null.
    IntOrText,
}

/// One field of an object.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: SmolStr,
    pub(super) required: bool,
    pub(super) schema: u32,
}

/// What fields besides the named ones are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    Unknown,
    Open,
    Of(u32),
}

/// One schema. Others are named by their number in the same [`Catalog`].
#[derive(Debug)]
pub(super) struct Schema {
    pub(super) kind: Kind,
    /// Sorted by name.
    pub(super) fields: Vec<Field>,
    pub(super) rest: Rest,
    pub(super) items: Option<u32>,
    /// Whether null is a value, where the schema itself says so.
    pub(super) nullable: bool,
    pub(super) rules: Option<Box<Rules>>,
}

impl Schema {
    /// What the API server puts where nothing is written.
    pub(super) fn default(&self) -> Option<&Json> {
        self.rules.as_ref()?.default.as_ref()
    }

    /// The schema of a field, named or not.
    pub(super) fn of_field(&self, name: &str) -> Option<u32> {
        match (self.fields.binary_search_by(|field| field.name.as_str().cmp(name)), self.rest) {
            (Ok(at), _) => self.fields.get(at).map(|field| field.schema),
            (Err(_), Rest::Of(of)) => Some(of),
            (Err(_), _) => None,
        }
    }
}

/// What only schemas of custom resources say.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) one_of_these: Vec<Json>,
    pub(super) pattern: Option<Regex>,
    pub(super) format: Option<SmolStr>,
    /// Least and most, and whether the bound itself is outside.
    pub(super) least: Option<(f64, bool)>,
    pub(super) most: Option<(f64, bool)>,
    /// Characters, items or fields.
    pub(super) size: (Option<u64>, Option<u64>),
    pub(super) all: Vec<u32>,
    pub(super) any: Vec<u32>,
    pub(super) one: Vec<u32>,
    pub(super) not: Option<u32>,
    /// What stands where nothing is written; never null.
    pub(super) default: Option<Json>,
    /// The fields that tell a list's items apart.
    pub(super) list_keys: Vec<SmolStr>,
    /// Rules in CEL.
    pub(super) checks: Vec<Check>,
}

impl Rules {
    fn is_empty(&self) -> bool {
        self.one_of_these.is_empty()
            && self.pattern.is_none()
            && self.format.is_none()
            && self.least.is_none()
            && self.most.is_none()
            && self.size == (None, None)
            && self.not.is_none()
            && self.default.is_none()
            && self.list_keys.is_empty()
            && self.checks.is_empty()
            && [&self.all, &self.any, &self.one].iter().all(|of| of.is_empty())
    }

    /// Nothing at all when nothing is asked.
    pub(super) fn boxed(self) -> Option<Box<Self>> {
        (!self.is_empty()).then(|| Box::new(self))
    }

    /// The keywords that ask something of a value.
    pub(super) const KEYWORDS: &[&str] = &[
        "default",
        "enum",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "format",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minProperties",
        "minimum",
        "pattern",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-validations",
    ];

    /// Takes one keyword of JSON Schema; what is none of these asks nothing of a value.
    pub(super) fn take(&mut self, keyword: &str, value: &Json) {
        match keyword {
            "enum" => self.one_of_these = value.as_array().cloned().unwrap_or_default(),
            "pattern" => self.pattern = value.as_str().and_then(pattern),
            "format" => self.format = value.as_str().map(SmolStr::new),
            "minimum" => self.least = value.as_f64().map(|least| (least, self.least.is_some_and(|(_, open)| open))),
            "maximum" => self.most = value.as_f64().map(|most| (most, self.most.is_some_and(|(_, open)| open))),
            "exclusiveMinimum" if value == true => self.least = Some((self.least.map_or(f64::MIN, |(at, _)| at), true)),
            "exclusiveMaximum" if value == true => self.most = Some((self.most.map_or(f64::MAX, |(at, _)| at), true)),
            "default" => self.default = (!value.is_null()).then(|| value.clone()),
            "x-kubernetes-list-map-keys" => {
                self.list_keys =
                    value.as_array().into_iter().flatten().filter_map(Json::as_str).map(SmolStr::new).collect();
            }
            "x-kubernetes-validations" => {
                self.checks = value.as_array().into_iter().flatten().map(Check::read).collect()
            }
            "minLength" | "minItems" | "minProperties" => self.size.0 = value.as_u64(),
            "maxLength" | "maxItems" | "maxProperties" => self.size.1 = value.as_u64(),
            _ => {}
        }
    }
}

/// A pattern's compiled size; the largest public ones take a tenth. What is larger, or not ours to read, is not asked for.
const MAX_PATTERN_BYTES: usize = 4 << 20;

fn pattern(text: &str) -> Option<Regex> {
    regex::RegexBuilder::new(text).size_limit(MAX_PATTERN_BYTES).build().ok()
}

/// From which minor on an API has which schema; none where it is gone.
type Spans = Vec<(u32, Option<u32>)>;

/// Schemas and the APIs they belong to.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    /// From which minor on an API has which schema; none: it is not served any more.
    apis: HashMap<(SmolStr, SmolStr), Spans>,
    /// When an API goes.
    ends: HashMap<(SmolStr, SmolStr), End>,
    lines: Vec<&'static str>,
    schemas: Vec<OnceLock<Schema>>,
    /// Kubernetes' own kinds: null is nothing wherever a field may be missing.
    pub(super) is_kubernetes: bool,
}

/// The end of an API.
#[derive(Debug, Clone)]
pub(super) struct End {
    /// The minor that deprecates it.
    pub(super) deprecated: u32,
    /// The minor that no longer serves it.
    pub(super) removed: Option<u32>,
    /// The API version to use instead.
    pub(super) instead: Option<SmolStr>,
}

impl Catalog {
    /// The schema of this number.
    pub(super) fn schema(&self, number: u32) -> Option<&Schema> {
        let at = number as usize;
        Some(self.schemas.get(at)?.get_or_init(|| parse(self.lines.get(at).copied().unwrap_or_default())))
    }

    /// Adds a schema made elsewhere.
    pub(super) fn add(&mut self, schema: Schema) -> u32 {
        self.schemas.push(OnceLock::from(schema));
        u32::try_from(self.schemas.len() - 1).unwrap_or(u32::MAX)
    }

    /// Makes a schema that of an API.
    pub(super) fn serve(&mut self, api: String, kind: &str, schema: u32) {
        self.apis.entry((api.into(), kind.into())).or_default().push((0, Some(schema)));
    }

    /// The schema of an API in a minor; `None`: it is not known at all; `Some(None)`: not in this minor.
    pub(super) fn find(&self, api: &str, kind: &str, minor: u32) -> Option<Option<u32>> {
        let ages = self.apis.get(&(SmolStr::new(api), SmolStr::new(kind)))?;
        Some(ages.iter().rev().find(|(from, _)| *from <= minor).and_then(|(_, schema)| *schema))
    }

    /// The first minor of those known that serves an API.
    pub(super) fn first(&self, api: &str, kind: &str) -> Option<u32> {
        self.apis
            .get(&(SmolStr::new(api), SmolStr::new(kind)))?
            .iter()
            .find(|(_, schema)| schema.is_some())
            .map(|age| age.0)
    }

    /// When an API goes, where that is known.
    pub(super) fn end(&self, api: &str, kind: &str) -> Option<&End> {
        self.ends.get(&(SmolStr::new(api), SmolStr::new(kind)))
    }

    /// The API versions that serve a kind in a minor.
    pub(super) fn versions_of(&self, kind: &str, minor: u32) -> BTreeSet<&str> {
        let of_kind = self.apis.keys().filter(|(_, known)| known == kind);
        of_kind
            .filter(|(api, _)| self.find(api, kind, minor).flatten().is_some())
            .map(|(api, _)| api.as_str())
            .collect()
    }

    /// The kinds an API version has in a minor.
    pub(super) fn kinds_of(&self, api: &str, minor: u32) -> BTreeSet<&str> {
        let of_api = self.apis.keys().filter(|(known, _)| known == api);
        of_api
            .filter(|(_, kind)| self.find(api, kind, minor).flatten().is_some())
            .map(|(_, kind)| kind.as_str())
            .collect()
    }

    /// Whether a group, empty for the core, is among those known.
    pub(super) fn has_group(&self, group: &str) -> bool {
        let of = |api: &SmolStr| api.split_once('/').map_or("", |(group, _)| group) == group;
        self.apis.keys().chain(self.ends.keys()).any(|(api, _)| of(api))
    }

    fn read(packed: &[u8]) -> Self {
        let mut text = String::new();
        // Checked in and tested; what could not be read would be found empty by every test.
        let _ = flate2::read::GzDecoder::new(packed).read_to_string(&mut text);
        let text: &'static str = Box::leak(text.into_boxed_str());
        let mut catalog = Self::default();
        let mut lines = text.lines();
        for line in lines.by_ref().take_while(|line| *line != "N") {
            let mut words = line.split(' ');
            match words.next() {
                Some("A") => catalog.api(words),
                Some("L") => catalog.ending(words),
                _ => {}
            }
        }
        catalog.lines = lines.collect();
        catalog.schemas.resize_with(catalog.lines.len(), OnceLock::new);
        catalog
    }

    fn api<'t>(&mut self, mut words: impl Iterator<Item = &'t str>) {
        let (Some(api), Some(kind)) = (words.next(), words.next()) else { return };
        let age = |word: &str| {
            let (minor, schema) = word.split_once(':')?;
            Some((minor.parse().ok()?, u32::from_str_radix(schema, 36).ok()))
        };
        self.apis.insert((api.into(), kind.into()), words.filter_map(age).collect());
    }

    fn ending<'t>(&mut self, mut words: impl Iterator<Item = &'t str>) {
        let (Some(api), Some(kind)) = (words.next(), words.next()) else { return };
        let Some(deprecated) = words.next().and_then(|word| word.parse().ok()) else { return };
        let removed = words.next().and_then(|word| word.parse().ok());
        let instead = words.next().and_then(|word| word.rsplit_once('/')).map(|(api, _)| api.into());
        self.ends.insert((api.into(), kind.into()), End { deprecated, removed, instead });
    }
}

/// One line: the kind's letter with `*` (open) and `?` (nullable), then fields `name:schema` or, required, `name!schema`, other fields
/// `+schema`, items `schema`, junctors `^a`, `^y`, `^o`, `^n`, and after `|` the other keywords as JSON.
fn parse(line: &str) -> Schema {
    let (words, tail) = line.split_once("\t|").map_or((line, None), |(words, tail)| (words, Some(tail)));
    let mut words = words.split('\t');
    let head = words.next().unwrap_or_default();
    let kind = match head.bytes().next() {
        Some(b'o') => Kind::Object,
        Some(b'a') => Kind::Array,
        Some(b's') => Kind::Text,
        Some(b'i') => Kind::Int,
        Some(b'n') => Kind::Number,
        Some(b'b') => Kind::Bool,
        Some(b'q') => Kind::Quantity,
        Some(b'x') => Kind::IntOrText,
        _ => Kind::Any,
    };
    let rest = if head.get(1..).unwrap_or_default().contains('*') { Rest::Open } else { Rest::Unknown };
    let mut schema = Schema { kind, fields: Vec::new(), rest, items: None, nullable: head.ends_with('?'), rules: None };
    let mut rules = Rules::default();
    let number = |text: &str| u32::from_str_radix(text, 36).unwrap_or(u32::MAX);
    for word in words {
        if let Some(of) = word.strip_prefix('+') {
            schema.rest = Rest::Of(number(of));
        } else if let Some(of) = word.strip_prefix('^') {
            let at = number(of.get(1..).unwrap_or_default());
            match of.as_bytes().first() {
                Some(b'a') => rules.all.push(at),
                Some(b'y') => rules.any.push(at),
                Some(b'o') => rules.one.push(at),
                _ => rules.not = Some(at),
            }
        } else if let Some(at) = word.rfind([':', '!']) {
            let required = word.as_bytes()[at] == b'!';
            schema.fields.push(Field { name: word[..at].into(), required, schema: number(&word[at + 1..]) });
        } else {
            schema.items = Some(number(word));
        }
    }
    let tail = tail.and_then(|tail| serde_json::from_str::<Json>(tail).ok());
    for (keyword, value) in tail.iter().filter_map(Json::as_object).flatten() {
        rules.take(keyword, value);
    }
    schema.rules = rules.boxed();
    // What may be anything may be a mapping of anything, such as a schema within a CustomResourceDefinition.
    if schema.kind == Kind::Any && schema.fields.is_empty() && matches!(schema.rest, Rest::Unknown) {
        schema.rest = Rest::Open;
    }
    schema
}

/// The custom resources that come along.
pub(super) static CUSTOM: LazyLock<Catalog> = LazyLock::new(|| Catalog::read(include_bytes!("data/crds.txt.gz")));

/// Kubernetes' own kinds.
pub(super) static KUBERNETES: LazyLock<Catalog> = LazyLock::new(|| {
    let catalog = Catalog::read(include_bytes!("data/kubernetes.txt.gz"));
    Catalog { is_kubernetes: true, ..catalog }
});
