//! Names follow their objects: a reference to an object whose name or namespace changed is rewritten.

use std::collections::{HashMap, HashSet};

use super::config::{Config, Reference};
use super::field::{Make, Walk};
use super::resource::{Gvk, Id, NO_NAMESPACE, Resource, key};
use super::transform::is_text;
use crate::manifest::node::{Node, Span, Value};

/// Why references cannot be told apart, and where the referring object begins.
pub(super) type Failure = Box<(Span, String)>;

/// What sets a reference anew.
const FOLLOWS: &str = "the object it refers to";

/// What is known of an object that may be referred to.
struct Candidate {
    id: Id,
    earlier: Vec<Id>,
    /// The name and where what gave it stands: a rewritten reference carries that place.
    name: Node,
    written_namespace: Option<Node>,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
}

/// Every object, and which were ever called what.
struct Index {
    candidates: Vec<Candidate>,
    by_name: HashMap<String, Vec<usize>>,
    kinds: HashSet<String>,
}

impl Index {
    fn new(all: &[Resource]) -> Self {
        let mut index =
            Self { candidates: Vec::with_capacity(all.len()), by_name: HashMap::new(), kinds: HashSet::new() };
        for (at, resource) in all.iter().enumerate() {
            for name in resource.earlier_names().collect::<HashSet<_>>() {
                index.by_name.entry(name.to_owned()).or_default().push(at);
            }
            let earlier = resource.earlier_ids();
            index.kinds.extend(earlier.iter().map(|id| id.gvk.kind.clone()));
            let metadata = |field: &str| resource.node.at(&["metadata", field]).cloned();
            index.candidates.push(Candidate {
                id: resource.id(),
                earlier,
                name: metadata("name").unwrap_or_else(|| Node::new(Value::Null, resource.node.span.clone())),
                written_namespace: metadata("namespace")
                    .filter(|node| node.as_str().is_some_and(|text| !text.is_empty())),
                prefixes: resource.prefixes.clone(),
                suffixes: resource.suffixes.clone(),
            });
        }
        index
    }
}

/// Rewrites all references.
pub(super) fn follow(all: &mut [Resource], config: &Config) -> Result<(), Failure> {
    let index = Index::new(all);
    for (at, resource) in all.iter_mut().enumerate() {
        let original = resource.original_id().gvk;
        let gvk = Gvk::of(&resource.node);
        let referrer =
            Referrer { at, index: &index, role: role(&resource.node), subjects: subject_namespaces(&resource.node)? };
        let here = resource.node.span.clone();
        for reference in config.references(&original.kind) {
            let kind = &reference.target.kind;
            if !(kind.is_empty() || index.kinds.contains(kind)) || !reference.field.applies(&original) {
                continue;
            }
            let mut visit = |node: &mut Node| referrer.rewrite(node, reference);
            let mut walk = Walk { make: Make::Nothing, span: &here, visit: &mut visit };
            // The field is meant for this object, whatever became of its kind.
            walk.follow(&mut resource.node, &reference.field, &gvk).map_err(|why| Box::new((here.clone(), why)))?;
        }
    }
    Ok(())
}

/// Group and kind of the role a binding names.
fn role(node: &Node) -> Option<(String, String)> {
    let role = node.get("roleRef")?;
    Some((role.str_at(&["apiGroup"])?.to_owned(), role.str_at(&["kind"])?.to_owned()))
}

/// Namespaces of the service accounts a RoleBinding names.
fn subject_namespaces(node: &Node) -> Result<Vec<String>, Failure> {
    if node.str_at(&["kind"]) != Some("RoleBinding") {
        return Ok(Vec::new());
    }
    let accounts = node.list_at(&["subjects"]).iter().filter(|s| s.str_at(&["kind"]) == Some("ServiceAccount"));
    let namespaces = accounts.filter_map(|subject| subject.get("namespace"));
    let text = |node: &Node| match node.as_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(Box::new((node.span.clone(), "the `namespace` of this subject is empty".to_owned()))),
    };
    namespaces.map(text).collect()
}

/// The object that refers.
struct Referrer<'r> {
    at: usize,
    index: &'r Index,
    role: Option<(String, String)>,
    subjects: Vec<String>,
}

impl Referrer<'_> {
    fn rewrite(&self, node: &mut Node, reference: &Reference) -> Result<(), String> {
        match &mut node.value {
            Value::Null => Ok(()),
            Value::Map(_) => self.rewrite_mapping(node, reference),
            Value::List(list) => list.iter_mut().try_for_each(|item| match item.value {
                Value::Null => Ok(()),
                Value::Map(_) => self.rewrite_mapping(item, reference),
                Value::List(_) => Err("text or a mapping was expected".to_owned()),
                _ => self.rewrite_text(item, reference),
            }),
            _ => self.rewrite_text(node, reference),
        }
    }

    fn rewrite_text(&self, node: &mut Node, reference: &Reference) -> Result<(), String> {
        let Some(old) = node.as_str() else { return Ok(()) };
        let found = self.select(old, reference, |_| true)?;
        let Some(name) = self.agreed(&found, old, |candidate| (candidate.name.as_str(), None))? else { return Ok(()) };
        if name.name.as_str() != Some(old) {
            if !name.name.as_str().is_some_and(is_text) {
                return Err(
                    "Kustomize would write the new name without quotes, so that it is no text any more".to_owned()
                );
            }
            *node = name.name.clone().over(node, FOLLOWS);
        }
        Ok(())
    }

    /// A mapping with `name` and perhaps `namespace`: a subject, a webhook's service.
    fn rewrite_mapping(&self, node: &mut Node, reference: &Reference) -> Result<(), String> {
        let Some(name) = node.get("name") else { return Err("a `name` was expected".to_owned()) };
        let old = name.as_str().unwrap_or_default().to_owned();
        let namespace = node.get("namespace").map(|node| node.as_str().unwrap_or_default().to_owned());
        let original = |candidate: &Candidate| candidate.earlier.first().unwrap_or(&candidate.id).namespace.clone();
        let group = namespace.as_ref().map(|wanted| {
            let known = wanted != NO_NAMESPACE;
            known && self.index.candidates.iter().any(|c| self.reachable(c) && original(c) == *wanted)
        });
        let fits = |candidate: &Candidate| match (&namespace, group) {
            (None, _) => true,
            (Some(wanted), Some(true)) => original(candidate) == *wanted,
            (Some(wanted), _) => candidate.id.namespace == *wanted && wanted != NO_NAMESPACE,
        };
        let found = self.select(&old, reference, fits)?;
        let both = |c: &Candidate| {
            (
                c.name.as_str().map(str::to_owned),
                c.written_namespace.as_ref().and_then(|n| n.as_str().map(str::to_owned)),
            )
        };
        let same = found.windows(2).all(|pair| both(pair[0]) == both(pair[1]));
        let Some(candidate) = found.first() else { return Ok(()) };
        if !same {
            return Err(ambiguous(&old, &found));
        }
        if candidate.name.as_str() == Some(&old) && candidate.written_namespace.is_none() {
            return Ok(());
        }
        let Some(map) = node.as_map_mut() else { return Ok(()) };
        if candidate.name.as_str() != Some(&old) {
            map.set(key("name", &candidate.name.span), candidate.name.clone(), FOLLOWS);
        }
        if let Some(namespace) = &candidate.written_namespace
            && map.get("namespace").and_then(Node::as_str) != namespace.as_str()
        {
            map.set(key("namespace", &namespace.span), namespace.clone(), FOLLOWS);
        }
        Ok(())
    }

    /// The one name all found agree on.
    fn agreed<'c>(
        &self,
        found: &[&'c Candidate],
        old: &str,
        facts: impl Fn(&'c Candidate) -> (Option<&'c str>, Option<&'c str>),
    ) -> Result<Option<&'c Candidate>, String> {
        let Some(first) = found.first() else { return Ok(None) };
        if found.iter().any(|candidate| facts(candidate) != facts(first)) {
            return Err(ambiguous(old, found));
        }
        Ok(Some(first))
    }

    /// Whether the referrer could mean an object at all: one of its namespace, of none, or of a namespace it names.
    fn reachable(&self, candidate: &Candidate) -> bool {
        let own = &self.index.candidates[self.at].id.namespace;
        let written = candidate.written_namespace.as_ref().and_then(Node::as_str);
        own == NO_NAMESPACE
            || candidate.id.namespace == NO_NAMESPACE
            || candidate.id.namespace == *own
            || written.is_some_and(|written| self.subjects.iter().any(|namespace| namespace == written))
    }

    /// The objects that were once called `old`, narrowed down the way the original does.
    fn select(
        &self,
        old: &str,
        reference: &Reference,
        fits: impl Fn(&Candidate) -> bool,
    ) -> Result<Vec<&Candidate>, String> {
        let own = &self.index.candidates[self.at];
        let is_role = reference.field.path.ends_with("roleRef/name");
        let in_role = |candidate: &Candidate| match &self.role {
            Some((group, kind)) if is_role => candidate
                .earlier
                .iter()
                .any(|id| (kind.is_empty() || id.gvk.kind == *kind) && (group.is_empty() || id.gvk.group == *group)),
            _ => true,
        };
        let near = |candidate: &Candidate| {
            own.id.namespace == NO_NAMESPACE
                || candidate.id.namespace == NO_NAMESPACE
                || candidate.id.gvk.kind == "ServiceAccount"
                || candidate.id.namespace == own.id.namespace
        };
        let known = self.index.by_name.get(old).map(Vec::as_slice).unwrap_or_default();
        let mut found: Vec<&Candidate> = known
            .iter()
            .map(|at| &self.index.candidates[*at])
            .filter(|c| self.reachable(c) && fits(c) && c.earlier.iter().any(|id| reference.names(&id.gvk)))
            .filter(|candidate| in_role(candidate) && near(candidate))
            .collect();
        if found.len() == 1 {
            return Ok(found);
        }
        found.retain(|candidate| same_affixes(candidate, own, true));
        if found.len() > 1 {
            found.retain(|candidate| same_affixes(candidate, own, false));
        }
        Ok(found)
    }
}

/// Whether two objects got their prefixes and suffixes together.
fn same_affixes(a: &Candidate, b: &Candidate, allow_none: bool) -> bool {
    let ends_alike = |a: &[String], b: &[String]| {
        if a.is_empty() || b.is_empty() {
            return allow_none || (a.is_empty() && b.is_empty());
        }
        a.iter().rev().zip(b.iter().rev()).all(|(a, b)| a == b)
    };
    ends_alike(&a.prefixes, &b.prefixes) && ends_alike(&a.suffixes, &b.suffixes)
}

fn ambiguous(old: &str, found: &[&Candidate]) -> String {
    let names: Vec<String> = found.iter().take(3).map(|candidate| candidate.id.to_string()).collect();
    format!("`{old}` could mean several objects: {}", names.join(", "))
}
