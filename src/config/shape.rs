//! The file against the table: unknown keys, wrong types, wrong words, missing keys, texts of the wrong form.

use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};

use regex::Regex;

use super::table::{self, Format, Key, Kind, Word};
use super::{nearest, problem};
use crate::manifest::node::{self, Map, Node, Value};
use crate::model::finding::Problem;

/// YAML 1.1 reads these as booleans, YAML 1.2 mostly does not: as a name they mean different things to different tools.
const YAML_BOOLEANS: [&str; 8] = ["y", "n", "yes", "no", "on", "off", "true", "false"];

/// Adds a problem for everything in the file that the table does not allow.
pub(super) fn check(root: &Node, text: &str, problems: &mut Vec<Problem>) {
    let mut walk = Walk { text, problems };
    walk.record("", root, table::FILE);
}

struct Walk<'a> {
    text: &'a str,
    problems: &'a mut Vec<Problem>,
}

/// The table's patterns, each compiled once: the file is read in every pass, and compiling them takes longer than reading it.
/// As many as the table has; nothing from outside gets in.
static PATTERNS: LazyLock<RwLock<HashMap<&'static str, Option<Regex>>>> = LazyLock::new(RwLock::default);

/// Whether a text is of a format.
pub(super) fn matches(format: &Format, text: &str) -> bool {
    if text.is_empty() || text.chars().count() > format.max {
        return false;
    }
    let is = |found: &Option<Regex>| found.as_ref().is_some_and(|pattern| pattern.is_match(text));
    if let Some(found) = PATTERNS.read().unwrap_or_else(PoisonError::into_inner).get(format.pattern) {
        return is(found);
    }
    let mut patterns = PATTERNS.write().unwrap_or_else(PoisonError::into_inner);
    is(patterns.entry(format.pattern).or_insert_with(|| Regex::new(format.pattern).ok()))
}

impl Walk<'_> {
    fn value(&mut self, at: &str, node: &Node, kind: &'static Kind) {
        match kind {
            Kind::One => self.one(at, node),
            Kind::Truth if node.as_bool().is_none() => self.wrong(at, node, "`true` or `false`", ""),
            Kind::Truth => {}
            Kind::Number { min, max } => match node.as_int() {
                Some(number) if (*min..=*max).contains(&number) => {}
                _ => self.wrong(at, node, &format!("a whole number from {min} to {max}"), ""),
            },
            Kind::Text(format) => self.text(at, node, format),
            Kind::Word(words) => self.word(at, node, words),
            Kind::List { of, max } => self.list(at, node, of, *max),
            Kind::Record(keys) => self.record(at, node, keys),
            Kind::Named { of, min, max } => self.named(at, node, of, *min..=*max),
            Kind::TextOrRecord(_, keys) if node.as_map().is_some() => self.record(at, node, keys),
            Kind::TextOrRecord(format, _) => self.text(at, node, format),
            Kind::Listed { what, keys, of } => self.listed(at, node, (what, keys), of),
            Kind::PerEnvironment(of) => self.per_environment(at, node, of),
            Kind::Either(_, mapping) if node.as_map().is_some() => self.value(at, node, mapping),
            Kind::Either(plain, _) => self.value(at, node, plain),
        }
    }

    fn listed(&mut self, at: &str, node: &Node, (what, keys): (&str, &[&str]), of: &'static Kind) {
        let Some(map) = self.map(at, node) else { return };
        for (key, value) in map.iter() {
            if keys.contains(&key.text.as_str()) {
                self.value(&below(at, &key.text), value, of);
                continue;
            }
            let help = match nearest(&key.text, keys.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("a {what} is written like `{}`", keys.first().copied().unwrap_or_default()),
            };
            let message = format!("`{}` in {} is no {what}", shown(&key.text), place(at));
            self.problems.push(problem(key.span.location(), message, help));
        }
    }

    /// Which names are environments is asked where all environments are known.
    fn per_environment(&mut self, at: &str, node: &Node, of: &'static Kind) {
        for (key, value) in node.as_map().into_iter().flat_map(|map| map.iter()).take(table::MAX_ENVIRONMENTS) {
            self.value(&below(at, &key.text), value, of);
        }
    }

    fn one(&mut self, at: &str, node: &Node) {
        if node.as_int() != Some(1) {
            self.wrong(at, node, "the number 1", "this Trunkline reads version 1 of the format only");
        }
    }

    fn record(&mut self, at: &str, node: &Node, keys: &'static [Key]) {
        let Some(map) = self.map(at, node) else { return };
        let mut meant = Vec::new();
        for (key, value) in map.iter() {
            match keys.iter().find(|known| known.name == key.text) {
                Some(known) => self.value(&below(at, known.name), value, &known.kind),
                None => meant.extend(self.unknown(at, key, keys)),
            }
        }
        // A slip in a key is one mistake, not an unknown key and a missing one.
        let missing = |key: &&Key| key.required && map.get(key.name).is_none() && !meant.contains(&key.name);
        for missing in keys.iter().filter(missing) {
            let message = format!("{} has no `{}`", place(at), missing.name);
            let help = format!("add `{}`. {}", sample(missing), missing.about);
            self.problems.push(problem(node.span.location(), message, help));
        }
    }

    /// Tells of an unknown key, and returns the one that was probably meant.
    fn unknown(&mut self, at: &str, key: &node::Key, keys: &[Key]) -> Option<&'static str> {
        let names = keys.iter().map(|key| key.name);
        let near = nearest(&key.text, names.clone());
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the keys here are {}", listed(names, "and")),
        };
        let message = format!("unknown key `{}` in {}", shown(&key.text), place(at));
        self.problems.push(problem(key.span.location(), message, help));
        near
    }

    fn named(&mut self, at: &str, node: &Node, of: &'static [Key], count: std::ops::RangeInclusive<usize>) {
        let Some(map) = self.map(at, node) else { return };
        if !count.contains(&map.len()) {
            let message = format!("{} has {} entries", place(at), map.len());
            let help = format!("there must be {} to {}", count.start(), count.end());
            self.problems.push(problem(node.span.location(), message, help));
        }
        for (key, value) in map.iter().take(*count.end()) {
            let written = self.text.get(key.span.start as usize..key.span.end as usize).unwrap_or(&key.text);
            if YAML_BOOLEANS.contains(&written.to_ascii_lowercase().as_str()) {
                let message = format!("the name `{written}` in {} is a boolean in YAML 1.1", place(at));
                self.problems.push(problem(
                    key.span.location(),
                    message,
                    format!("put it in quotes: `\"{written}\":`"),
                ));
            } else if !matches(&table::NAME, &key.text) {
                let message = format!("`{}` in {} is not {}", shown(&key.text), place(at), table::NAME.what);
                self.problems.push(problem(key.span.location(), message, "rename it: it becomes part of branch names"));
            }
            self.record(&below(at, &key.text), value, of);
        }
    }

    fn map<'n>(&mut self, at: &str, node: &'n Node) -> Option<&'n Map> {
        if node.as_map().is_none() {
            self.wrong(at, node, "a mapping", "write its keys on the lines below, indented");
        }
        node.as_map()
    }

    fn list(&mut self, at: &str, node: &Node, of: &'static Kind, max: usize) {
        let Some(list) = node.as_list() else {
            let help = node.as_str().map_or(String::new(), |text| format!("write `[{}]`", shown(text)));
            return self.wrong(at, node, "a list", &help);
        };
        if list.len() > max {
            let message = format!("{} has {} items", place(at), list.len());
            self.problems.push(problem(node.span.location(), message, format!("at most {max} are read")));
        }
        for (index, item) in list.iter().take(max).enumerate() {
            self.value(&format!("{at}[{index}]"), item, of);
        }
    }

    fn word(&mut self, at: &str, node: &Node, words: &[Word]) {
        let names = words.iter().map(|word| word.word);
        let expected = listed(names.clone(), "or");
        // `off` is a boolean of YAML 1.1, and read as it was written here.
        let written = self.text.get(node.span.start as usize..node.span.end as usize);
        match node.as_str().or(written.filter(|_| node.as_bool().is_some())) {
            Some(text) if names.clone().any(|name| name == text) => {}
            Some(text) => {
                let help = nearest(text, names).map_or(String::new(), |near| format!("did you mean `{near}`?"));
                self.wrong(at, node, &expected, &help);
            }
            None => self.wrong(at, node, &expected, ""),
        }
    }

    fn text(&mut self, at: &str, node: &Node, format: &'static Format) {
        let help = format!("for example `{}`", format.example);
        match (&node.value, node.as_str()) {
            (_, Some(text)) if matches(format, text) => {}
            (Value::Int(_) | Value::Float(_) | Value::Bool(_), _) if format.pattern != table::DURATION.pattern => {
                self.wrong(at, node, format.what, &format!("{help}; put it in quotes if you mean text"));
            }
            _ => self.wrong(at, node, format.what, &help),
        }
    }

    fn wrong(&mut self, at: &str, node: &Node, expected: &str, help: &str) {
        let message = format!("{} should be {expected}, but is {}", place(at), found(node));
        self.problems.push(problem(node.span.location(), message, help));
    }
}

/// `environments.dev.takes`, growing downwards.
fn below(at: &str, key: &str) -> String {
    let key = shown(key);
    if at.is_empty() { key } else { format!("{at}.{key}") }
}

fn place(at: &str) -> String {
    if at.is_empty() { "this file".to_owned() } else { format!("`{at}`") }
}

/// What was found instead, short enough for one line.
fn found(node: &Node) -> String {
    match &node.value {
        Value::Null => "empty".to_owned(),
        Value::Bool(truth) => format!("the boolean `{truth}`"),
        Value::Int(number) => format!("the number {number}"),
        Value::Float(number) => format!("the number {number}"),
        Value::String(text) => format!("`{}`", shown(text)),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a mapping".to_owned(),
    }
}

/// Text of the author's, cut and without line breaks, to stand inside a message.
pub(super) fn shown(text: &str) -> String {
    let clean = |c: char| if c.is_control() || c == '`' { '\u{fffd}' } else { c };
    let mut short: String = text.chars().take(60).map(clean).collect();
    if text.chars().nth(60).is_some() {
        short.push('…');
    }
    short
}

/// `a`, `b` and `c`.
pub(super) fn listed<'a>(words: impl Iterator<Item = &'a str>, joint: &str) -> String {
    let words: Vec<String> = words.map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} {joint} {last}", rest.join(", ")),
    }
}

/// A line that would be right, for a key that is missing.
fn sample(key: &Key) -> String {
    let name = key.name;
    match &key.kind {
        Kind::One => format!("{name}: 1"),
        Kind::Truth => format!("{name}: true"),
        Kind::Number { min, .. } => format!("{name}: {min}"),
        Kind::Text(format) if format.example.contains(['*', '{', ':']) => format!("{name}: \"{}\"", format.example),
        Kind::Text(format) => format!("{name}: {}", format.example),
        Kind::Word(words) => format!("{name}: {}", words.first().map_or("", |word| word.word)),
        Kind::List { of: Kind::Text(format) | Kind::TextOrRecord(format, _), .. } => {
            format!("{name}: [{}]", format.example)
        }
        Kind::List { .. }
        | Kind::Record(_)
        | Kind::Named { .. }
        | Kind::TextOrRecord(..)
        | Kind::Listed { .. }
        | Kind::PerEnvironment(_)
        | Kind::Either(..) => format!("{name}:"),
    }
}
