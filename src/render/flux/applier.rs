//! A Flux `Kustomization`: the folder it applies, its settings, and the variables it sets.

use std::collections::{BTreeSet, HashMap};

use super::substitute::Variables;
use crate::manifest::node::{Node, Object, Value};
use crate::model::finding::{Location, Problem};
use crate::model::path::RepoPath;
use crate::render::kustomize::{long, weigh};

/// The API group of Flux's `Kustomization`.
pub(super) const GROUP: &str = "kustomize.toolkit.fluxcd.io";
/// The fields that change what is applied, apart from variables.
const SETTINGS: [&str; 8] = [
    "targetNamespace",
    "namePrefix",
    "nameSuffix",
    "commonMetadata",
    "patches",
    "images",
    "components",
    "ignoreMissingComponents",
];
/// Variables of one Kustomization: people set twenty.
const MAX_VARIABLES: usize = 1_000;
/// ConfigMaps and Secrets one Kustomization takes variables from: people name three.
const MAX_SOURCES: usize = 100;

/// A Flux `Kustomization` that applies a folder of this repository, with all that is known of its variables.
#[derive(Debug, Clone)]
pub struct Applier {
    /// Its namespace and name, such as `flux-system/apps`.
    pub name: String,
    /// The folder it applies.
    pub folder: RepoPath,
    /// Where it is written.
    pub location: Location,
    /// The object itself.
    pub(super) node: Node,
    pub(super) variables: Variables,
    /// What its source leaves out, in the words of `spec.ignore`.
    pub(super) ignore: Option<String>,
    /// The files that say all this.
    pub(super) reads: BTreeSet<RepoPath>,
    /// What is wrong with its variables.
    pub(super) problems: Vec<Problem>,
    /// The values that were copied to learn its variables.
    pub(super) cost: usize,
}

/// Where variables may come from: the places of objects among others, by kind, namespace and name; the first one counts.
#[derive(Default)]
pub(super) struct Holders {
    places: HashMap<(String, String, String), usize>,
    count: usize,
}

impl Holders {
    pub(super) fn of(objects: &[Object]) -> Self {
        let mut holders = Self::default();
        holders.learn(objects);
        holders
    }

    /// Takes up the objects that come after those known already.
    pub(super) fn learn(&mut self, objects: &[Object]) {
        for (at, object) in objects.iter().enumerate() {
            if object.api_version() == "v1" && matches!(object.kind(), "ConfigMap" | "Secret") {
                let text = |name| object.node.str_at(&["metadata", name]).map(str::to_owned);
                let id = (object.kind().to_owned(), text("namespace").unwrap_or_default(), text("name"));
                if let (kind, namespace, Some(name)) = id {
                    self.places.entry((kind, namespace, name)).or_insert(self.count + at);
                }
            }
        }
        self.count += objects.len();
    }

    fn find<'o>(&self, objects: &'o [Object], kind: &str, namespace: &str, name: &str) -> Option<&'o Object> {
        let id = (kind.to_owned(), namespace.to_owned(), name.to_owned());
        self.places.get(&id).and_then(|at| objects.get(*at))
    }
}

impl Applier {
    pub(super) fn new(object: &Object, folder: RepoPath) -> Self {
        let mut reads = BTreeSet::new();
        files(&object.node, &mut reads);
        Self {
            name: full_name(object),
            folder,
            location: object.node.at(&["metadata", "name"]).unwrap_or(&object.node).span.location(),
            node: object.node.clone(),
            variables: Variables::default(),
            ignore: None,
            reads,
            problems: Vec::new(),
            cost: 0,
        }
    }

    /// Whether it changes anything about what it applies.
    pub fn has_settings(&self) -> bool {
        self.variables.apply() || self.ignore.is_some() || SETTINGS.iter().any(|name| self.spec(name).is_some())
    }

    /// Whether both make the same of one folder.
    pub fn is_like(&self, other: &Applier) -> bool {
        self.folder == other.folder
            && self.variables == other.variables
            && self.ignore == other.ignore
            && SETTINGS.iter().all(|name| self.spec(name) == other.spec(name))
            && self.problems.is_empty() == other.problems.is_empty()
    }

    /// What it says of its settings, in words: their fields.
    pub fn settings(&self) -> Vec<&'static str> {
        let mut all: Vec<_> = SETTINGS.iter().copied().filter(|name| self.spec(name).is_some()).collect();
        all.extend(self.variables.apply().then_some("postBuild"));
        all
    }

    /// The files that say who it is and what it sets.
    pub fn reads(&self) -> &BTreeSet<RepoPath> {
        &self.reads
    }

    pub(super) fn spec(&self, name: &str) -> Option<&Node> {
        self.node.at(&["spec", name])
    }

    /// The folders of the components it adds.
    pub fn components(&self) -> impl Iterator<Item = RepoPath> {
        let texts = self.node.list_at(&["spec", "components"]).iter().filter_map(Node::as_str);
        texts.filter_map(|text| self.folder.join(text).ok())
    }

    /// Whether it takes variables from what was not found.
    pub(super) fn lacks(&self) -> bool {
        !self.variables.unseen.is_empty() || !self.variables.optional.is_empty()
    }

    /// Forgets variables that are too much to keep; what it applies cannot be known then.
    pub(super) fn gives_up(&mut self) {
        self.variables = Variables::default();
        let message = "the Kustomizations of this repository set more variables than can be read".to_owned();
        self.problems = vec![Problem { location: Some(self.location.clone()), message, help: None }];
    }

    pub(super) fn namespace(&self) -> &str {
        self.node.str_at(&["metadata", "namespace"]).unwrap_or_default()
    }

    /// Learns its variables from `objects`; true when every source was found.
    pub(super) fn learn(&mut self, objects: &[Object], holders: &Holders) -> bool {
        let mut variables = Variables::default();
        let mut problems = Vec::new();
        let mut reads = BTreeSet::new();
        let mut cost = 0;
        let sources = self.node.list_at(&["spec", "postBuild", "substituteFrom"]);
        if let Some(more) = sources.get(MAX_SOURCES) {
            let message = format!("variables come from more than {MAX_SOURCES} sources");
            problems.push(Problem { location: Some(more.span.location()), message, help: None });
        }
        for from in sources.iter().take(MAX_SOURCES) {
            let (kind, name) = (from.str_at(&["kind"]).unwrap_or_default(), from.str_at(&["name"]).unwrap_or_default());
            match holders.find(objects, kind, self.namespace(), name) {
                Some(object) => {
                    cost += weigh(&object.node, usize::MAX);
                    files(&object.node, &mut reads);
                    take(&mut variables, object, &mut problems);
                }
                None => {
                    let optional = from.get("optional").and_then(Node::as_bool) == Some(true);
                    let list = if optional { &mut variables.optional } else { &mut variables.unseen };
                    list.push(format!("{kind} {}/{name}", self.namespace()));
                }
            }
        }
        if let Some(node) = self.node.at(&["spec", "postBuild", "substitute"]) {
            pairs(node, &mut problems, &mut |name, value| {
                cost += 1 + long(&value);
                variables.secret.remove(name);
                variables.values.insert(name.to_owned(), value);
            });
        }
        variables.always = self.node.str_at(&["spec", "postBuild", "substituteStrategy"]) == Some("Always");
        self.reads.extend(reads);
        (self.variables, self.problems, self.cost) = (variables, problems, cost);
        !self.lacks()
    }
}

/// Takes the variables of a ConfigMap or Secret; a Secret's values stay where they are.
fn take(variables: &mut Variables, object: &Object, problems: &mut Vec<Problem>) {
    let secret = object.kind() == "Secret";
    for field in ["data", "stringData"] {
        let Some(node) = object.node.get(field).filter(|_| secret || field == "data") else { continue };
        pairs(node, problems, &mut |name, value| {
            if secret {
                variables.values.remove(name);
                variables.secret.insert(name.to_owned());
            } else {
                variables.secret.remove(name);
                variables.values.insert(name.to_owned(), value);
            }
        });
    }
}

/// Names and texts of a mapping; Flux takes line breaks out of the texts.
fn pairs(node: &Node, problems: &mut Vec<Problem>, each: &mut dyn FnMut(&str, String)) {
    let mut wrong = |node: &Node, message: String, help: &str| {
        let help = Some(help.to_owned());
        problems.push(Problem { location: Some(node.span.location()), message, help });
    };
    let Some(map) = node.as_map() else {
        if !node.is_null() {
            wrong(node, "variables are a mapping of names to texts".to_owned(), "");
        }
        return;
    };
    for (key, value) in map.iter().take(MAX_VARIABLES) {
        let is_name = |c: char| c == '_' || c.is_ascii_alphanumeric();
        if key.text.is_empty() || !key.text.chars().all(is_name) || key.text.starts_with(|c: char| c.is_ascii_digit()) {
            let shown: String = key.text.chars().take(60).collect();
            let help = "A name has letters, digits and `_`, and begins with no digit. Flux applies nothing while one is wrong.";
            wrong(value, format!("`{shown}` cannot be the name of a variable"), help);
            continue;
        }
        match &value.value {
            Value::String(text) => each(&key.text, text.replace('\n', "")),
            Value::Null => each(&key.text, String::new()),
            _ => wrong(value, format!("the value of the variable `{}` is not text", key.text), "Put it in quotes."),
        }
    }
}

/// The namespace and name of an object.
fn full_name(object: &Object) -> String {
    let text = |name| object.node.str_at(&["metadata", name]).unwrap_or_default();
    match text("namespace") {
        "" => text("name").to_owned(),
        namespace => format!("{namespace}/{}", text("name")),
    }
}

/// Every file a value's parts were written in. Recursion is bounded by the reader's depth limit.
fn files(node: &Node, all: &mut BTreeSet<RepoPath>) {
    if !all.contains(&*node.span.file) {
        all.insert((*node.span.file).clone());
    }
    match &node.value {
        Value::List(list) => list.iter().for_each(|node| files(node, all)),
        Value::Map(map) => map.iter().for_each(|(_, node)| files(node, all)),
        _ => {}
    }
}
