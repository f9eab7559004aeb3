//! `waivers.yaml` → waivers, and everything that is wrong with them, all at once.

use jiff::civil::Date;

use super::{NEVER, ObjectPattern, Waiver};
use crate::config::nearest;
use crate::manifest::{Node, load};
use crate::model::finding::{Finding, Location, Problem};
use crate::model::pack::RULE_IDS;
use crate::model::path::RepoPath;
use crate::model::tree::Objects;
use crate::policy::files::{PolicyId, is_waivers};
use crate::policy::rules::from_problem;

/// Waivers in all: a person could not say any more what is accepted.
const MAX_WAIVERS: usize = 1_000;
/// Bytes of all files together: a thousand waivers of generous reasons.
const MAX_BYTES: usize = 1 << 20;
/// The longest text of an entry; Kubernetes names end at 253.
const MAX_CHARS: usize = 500;

const KEYS: [&str; 7] = ["rule", "object", "path", "environments", "reason", "owner", "expires"];

/// The waivers in the files among `files` that hold them.
pub(super) fn files(objects: &dyn Objects, files: &[PolicyId], environments: &[&str]) -> (Vec<Waiver>, Vec<Finding>) {
    let mut all = Vec::new();
    let mut problems = Vec::new();
    let mut left = MAX_BYTES;
    for file in files.iter().filter(|file| is_waivers(&file.path)) {
        let mut reader = Reader { environments, meant: Vec::new(), problems: Vec::new() };
        match objects.blob(file.id) {
            Ok(bytes) if bytes.len() <= left => {
                left -= bytes.len();
                all.extend(reader.file(&file.path, &bytes));
            }
            Ok(_) => reader.refuse(
                start(&file.path),
                "this file does not count: waivers are more than 1 MiB together".to_owned(),
                "Remove old waivers.",
            ),
            Err(error) => reader.refuse(
                start(&file.path),
                format!("the file could not be read: {error}"),
                "Correct or remove it.",
            ),
        }
        problems.extend(reader.problems);
    }
    if let Some(first) = all.get(MAX_WAIVERS) {
        let problem = Problem {
            location: Some(first.at.clone()),
            message: format!("waivers from here on do not count: there are more than {MAX_WAIVERS}"),
            help: Some("Remove those that are no longer needed; `*` in `object` takes several into one.".to_owned()),
        };
        problems.push(problem);
        all.truncate(MAX_WAIVERS);
    }
    (all, problems.iter().map(|problem| from_problem(super::WAIVER, problem)).collect())
}

fn start(path: &RepoPath) -> Location {
    Location { path: path.clone(), line: 1, column: 0 }
}

struct Reader<'a> {
    /// The configured environments; empty where none is.
    environments: &'a [&'a str],
    /// The keys that slips in this entry were probably meant to be: not missing as well.
    meant: Vec<&'static str>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn refuse(&mut self, at: Location, message: String, help: &str) {
        self.problems.push(Problem { location: Some(at), message, help: Some(help.to_owned()) });
    }

    fn file(&mut self, path: &RepoPath, bytes: &[u8]) -> Vec<Waiver> {
        let loaded = load::load(path, bytes);
        if !loaded.problems.is_empty() {
            // What stands below a fault may not be what its author meant.
            self.problems.extend(loaded.problems);
            return Vec::new();
        }
        let mut all = Vec::new();
        for document in &loaded.documents {
            if document.node.is_null() {
                continue;
            }
            match document.node.as_list() {
                Some(list) => all.extend(list.iter().take(MAX_WAIVERS + 1).filter_map(|node| self.waiver(node))),
                None => self.refuse(
                    document.node.span.location(),
                    "the file should be a list of waivers".to_owned(),
                    "Begin each waiver with `- rule: …`.",
                ),
            }
        }
        all
    }

    /// One entry, when all of it is right.
    fn waiver(&mut self, node: &Node) -> Option<Waiver> {
        let before = self.problems.len();
        let at = node.span.location();
        let Some(map) = node.as_map() else {
            self.refuse(at, "a waiver is a mapping".to_owned(), "Begin it with `- rule: …`.");
            return None;
        };
        self.meant.clear();
        for (key, _) in map.iter().filter(|(key, _)| !KEYS.contains(&key.text.as_str())) {
            let near = nearest(&key.text, KEYS);
            let help = near.map_or_else(
                || format!("The keys of a waiver are {}.", KEYS.join(", ")),
                |near| format!("Did you mean `{near}`?"),
            );
            self.refuse(key.span.location(), format!("unknown key `{}` in a waiver", shown(&key.text)), &help);
            self.meant.extend(near);
        }
        let waiver = Waiver {
            rule: self.rule(node),
            object: node.get("object").and_then(|node| self.object(node)),
            path: node.get("path").and_then(|node| self.path(node)),
            environments: node.get("environments").map(|node| self.environments(node)).unwrap_or_default(),
            reason: self.text(node, "reason", "Say why this is acceptable, for whoever reads it next year."),
            owner: self.text(node, "owner", "Say who answers for it: a team or a login."),
            expires: self.expires(node),
            at,
        };
        let is_there = |key| node.get(key).is_some() || self.meant.contains(&key);
        if !is_there("object") && !is_there("path") {
            self.refuse(
                node.span.location(),
                "this waiver says nothing of where".to_owned(),
                "Add `object: Kind namespace/name`, or `path:` with the file or folder of the source.",
            );
        }
        (self.problems.len() == before).then_some(waiver)
    }

    /// The text at `key`; a waiver without it is refused.
    fn text(&mut self, node: &Node, key: &str, help: &str) -> String {
        let Some(value) = node.get(key) else {
            if self.meant.contains(&key) {
                return String::new();
            }
            self.refuse(node.span.location(), format!("this waiver has no `{key}`"), help);
            return String::new();
        };
        match value.as_str().map(str::trim) {
            Some(text) if !text.is_empty() && text.chars().count() <= MAX_CHARS => text.to_owned(),
            _ => {
                let message = format!("`{key}` should be a text of at most {MAX_CHARS} characters");
                self.refuse(value.span.location(), message, help);
                String::new()
            }
        }
    }

    fn rule(&mut self, node: &Node) -> String {
        let rule = self.text(node, "rule", "Copy the rule's name from the finding, such as `IMG-001` or `main.deny`.");
        let at = node.get("rule").map_or(node, |node| node).span.location();
        let is_ours = rule.split_once('-').is_some_and(|(group, number)| {
            group.bytes().all(|byte| byte.is_ascii_uppercase()) && number.parse::<u32>().is_ok()
        });
        if rule.contains('*') {
            let help = "Write one waiver a rule, so that nobody accepts what they have not seen.";
            self.refuse(at, "a waiver names one rule, not all that match".to_owned(), help);
        } else if NEVER.contains(&rule.as_str()) {
            let help = "Fix it: behind what could not be checked anything may stand.";
            self.refuse(at, format!("`{rule}` cannot be waived"), help);
        } else if is_ours && !RULE_IDS.contains(&rule.as_str()) {
            let near = nearest(&rule, RULE_IDS.iter().copied());
            let help = near
                .map_or("Copy the rule's name from the finding.".to_owned(), |near| format!("Did you mean `{near}`?"));
            self.refuse(at, format!("there is no rule `{}`", shown(&rule)), &help);
        }
        rule
    }

    fn object(&mut self, node: &Node) -> Option<ObjectPattern> {
        let parts: Vec<&str> = node.as_str().unwrap_or_default().split_whitespace().collect();
        let [kind, name] = parts.as_slice() else {
            let help = "Write it as findings show it, such as `Deployment shop-prod/web`; `*` stands for any text.";
            self.refuse(node.span.location(), "`object` should be `Kind namespace/name`".to_owned(), help);
            return None;
        };
        let (namespace, name) = match name.split_once('/') {
            Some((namespace, name)) => (Some(namespace.to_owned()), name),
            None => (None, *name),
        };
        Some(ObjectPattern { kind: (*kind).to_owned(), namespace, name: name.to_owned() })
    }

    fn path(&mut self, node: &Node) -> Option<RepoPath> {
        let path = node.as_str().and_then(|text| text.trim_end_matches('/').parse().ok());
        if path.is_none() {
            let help = "Write it from the top of the repository, such as `environments/prod/web.yaml`.";
            self.refuse(node.span.location(), "`path` should be a file or folder of this repository".to_owned(), help);
        }
        path
    }

    fn environments(&mut self, node: &Node) -> Vec<String> {
        let names: Vec<&str> = node.as_list().unwrap_or_default().iter().filter_map(Node::as_str).collect();
        if names.is_empty() || node.as_list().is_some_and(|list| list.len() != names.len()) {
            let help = "Write `[dev]`, or leave the key out for all of them.";
            self.refuse(node.span.location(), "`environments` should be a list of names".to_owned(), help);
        }
        for name in names.iter().filter(|name| !self.environments.is_empty() && !self.environments.contains(name)) {
            let near = nearest(name, self.environments.iter().copied());
            let help = near.map_or_else(
                || format!("The environments are {}.", self.environments.join(", ")),
                |near| format!("Did you mean `{near}`?"),
            );
            let message = format!("there is no environment `{}`", shown(name));
            self.problems.push(Problem { location: Some(node.span.location()), message, help: Some(help) });
        }
        names.into_iter().map(str::to_owned).collect()
    }

    /// The day; any will do where there is none, because the entry is refused.
    fn expires(&mut self, node: &Node) -> Date {
        const HELP: &str = "Write the last day on which it counts, such as `2027-03-31`.";
        let text = self.text(node, "expires", HELP);
        text.parse().unwrap_or_else(|_| {
            if !text.is_empty() {
                let at = node.get("expires").map_or(node, |node| node).span.location();
                self.refuse(at, format!("`{}` is no date", shown(&text)), HELP);
            }
            Date::MIN
        })
    }
}

/// Text of the author's, short enough to stand inside a message.
fn shown(text: &str) -> String {
    text.chars().take(60).map(|c| if c.is_control() || c == '`' { '\u{fffd}' } else { c }).collect()
}
