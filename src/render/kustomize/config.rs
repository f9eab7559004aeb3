//! The places transformers write to: Kustomize's built-in ones, and what `configurations` and `crds` add to them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, OnceLock};

use super::field::{self, Field};
use super::form::{Form, Text, note};
use super::resource::Gvk;
use super::{order, spec, tables};
use crate::manifest::node::Node;
use crate::model::finding::Problem;
use crate::model::path::RepoPath;
use crate::render::source::{Reading, Source};

/// Places one file may add: each is looked for in every object. The built-in ones are about 400.
const MAX_FIELDS: usize = 1_000;

/// A field that names an object of another kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    /// The kind it names; empty parts match all.
    pub(super) target: Gvk,
    /// Where the name stands: a text, a list of texts, or mappings with `name`.
    pub(super) field: Field,
}

impl Reference {
    pub(super) fn names(&self, gvk: &Gvk) -> bool {
        gvk.is_selected_by(&self.target)
    }
}

/// Where each transformer writes.
#[derive(Debug, Clone)]
pub(super) struct Config {
    pub(super) prefix: Vec<Field>,
    pub(super) suffix: Vec<Field>,
    pub(super) namespace: Vec<Field>,
    /// Labels with selectors.
    pub(super) common_labels: Vec<Field>,
    /// Labels, however far they go.
    pub(super) labels: Vec<Field>,
    pub(super) template_labels: Vec<Field>,
    pub(super) claim_labels: Vec<Field>,
    pub(super) annotations: Vec<Field>,
    pub(super) images: Vec<Field>,
    pub(super) replicas: Vec<Field>,
    /// Where `$(NAME)` is replaced.
    pub(super) variables: Vec<Field>,
    references: Vec<Reference>,
    /// Which references objects of a kind hold; the empty kind stands for those of every kind.
    by_kind: OnceLock<HashMap<String, Vec<usize>>>,
    /// Whether the built-in places are among these.
    complete: bool,
}

static BUILT_IN: LazyLock<Arc<Config>> = LazyLock::new(|| {
    let mut common_labels = tables::METADATA_LABELS.to_vec();
    common_labels.extend_from_slice(tables::TEMPLATE_LABELS);
    common_labels.extend_from_slice(tables::CLAIM_LABELS);
    common_labels.extend_from_slice(&tables::SELECTORS);
    let mut config = Config {
        prefix: tables::NAMES.to_vec(),
        suffix: tables::NAMES.to_vec(),
        namespace: tables::NAMESPACES.to_vec(),
        common_labels,
        labels: Vec::new(),
        template_labels: tables::TEMPLATE_LABELS.to_vec(),
        claim_labels: tables::CLAIM_LABELS.to_vec(),
        annotations: tables::ANNOTATIONS.to_vec(),
        images: tables::IMAGES.to_vec(),
        replicas: tables::REPLICAS.to_vec(),
        variables: tables::variables(),
        references: tables::REFERENCES.clone(),
        by_kind: OnceLock::new(),
        complete: true,
    };
    config.sort();
    Arc::new(config)
});

static EMPTY: LazyLock<Arc<Config>> = LazyLock::new(|| Arc::new(Config::empty()));

impl Config {
    fn empty() -> Self {
        Self {
            prefix: Vec::new(),
            suffix: Vec::new(),
            namespace: Vec::new(),
            common_labels: Vec::new(),
            labels: Vec::new(),
            template_labels: Vec::new(),
            claim_labels: Vec::new(),
            annotations: Vec::new(),
            images: Vec::new(),
            replicas: Vec::new(),
            variables: Vec::new(),
            references: Vec::new(),
            by_kind: OnceLock::new(),
            complete: false,
        }
    }

    /// Nothing at all, for who has gathered nothing yet.
    pub(super) fn none() -> Arc<Self> {
        Arc::clone(&EMPTY)
    }

    /// What is built in, shared by all who add nothing.
    pub(super) fn built_in() -> Arc<Self> {
        Arc::clone(&BUILT_IN)
    }

    /// The references that objects of a kind may hold, in order.
    pub(super) fn references(&self, kind: &str) -> impl Iterator<Item = &Reference> {
        let by_kind = self.by_kind.get_or_init(|| {
            let mut found: HashMap<String, Vec<usize>> = HashMap::new();
            for (at, reference) in self.references.iter().enumerate() {
                found.entry(reference.field.kind.clone().into_owned()).or_default().push(at);
            }
            found
        });
        let of = |kind: &str| by_kind.get(kind).map(Vec::as_slice).unwrap_or_default();
        let mut all: Vec<usize> = of(kind).to_vec();
        if !kind.is_empty() && !of("").is_empty() {
            all.extend(of(""));
            all.sort_unstable();
        }
        all.into_iter().map(|at| &self.references[at])
    }

    /// The places of every transformer, by the name they have in a file.
    fn lists(&mut self) -> [(&'static str, &mut Vec<Field>); 11] {
        [
            ("namePrefix", &mut self.prefix),
            ("nameSuffix", &mut self.suffix),
            ("namespace", &mut self.namespace),
            ("commonLabels", &mut self.common_labels),
            ("labels", &mut self.labels),
            ("templateLabels", &mut self.template_labels),
            ("volumeClaimTemplateLabels", &mut self.claim_labels),
            ("commonAnnotations", &mut self.annotations),
            ("images", &mut self.images),
            ("replicas", &mut self.replicas),
            ("varReference", &mut self.variables),
        ]
    }

    fn count(&self) -> usize {
        let labels =
            self.common_labels.len() + self.labels.len() + self.template_labels.len() + self.claim_labels.len();
        let names = self.prefix.len() + self.suffix.len() + self.namespace.len() + self.references.len();
        labels + names + self.annotations.len() + self.images.len() + self.replicas.len() + self.variables.len()
    }

    /// The order in which the original keeps places. It matters: a place of one kind that comes before the same place of all
    /// kinds takes its place when lists are merged anew.
    fn sort(&mut self) {
        let rank = |group: &str, version: &str, kind: &str| {
            (order::rank(kind, spec::FIRST, spec::LAST), order::type_key(group, version, kind))
        };
        for (_, list) in self.lists() {
            list.sort_by_cached_key(|field| rank(&field.group, &field.version, &field.kind));
        }
        self.references.sort_by_cached_key(|reference| {
            let Gvk { group, version, kind } = &reference.target;
            rank(group, version, kind)
        });
    }

    /// How many places there are beyond the built-in ones: every object is asked for each.
    pub(super) fn extra(&self) -> usize {
        self.count().saturating_sub(BUILT_IN.count())
    }
}

/// Adds the places of `other`.
///
/// # Errors
/// When both know a place and only one of them makes it where it is missing.
pub(super) fn merge(config: &mut Arc<Config>, other: &Arc<Config>) -> Result<(), String> {
    // Files know no places, most kustomizations add none, and all know what is built in.
    let known = Arc::ptr_eq(config, other) || (Arc::ptr_eq(other, &BUILT_IN) && config.complete);
    if known || Arc::ptr_eq(other, &EMPTY) {
        return Ok(());
    }
    if Arc::ptr_eq(config, &EMPTY) && Arc::ptr_eq(other, &BUILT_IN) {
        *config = Arc::clone(other);
        return Ok(());
    }
    let mut merged = Config::clone(config);
    let mut more = Config::clone(other);
    for ((_, all), (_, more)) in merged.lists().into_iter().zip(more.lists()) {
        field::join(all, more)?;
    }
    for reference in &other.references {
        let mut same = merged.references.iter().filter(|known| known.target == reference.target);
        match same.find(|known| known.field.covers(&reference.field)) {
            Some(known) if known.field.create != reference.field.create => {
                return Err(format!("`{}` is a reference with and without `create`", reference.field.path));
            }
            Some(_) => {}
            None => merged.references.push(reference.clone()),
        }
    }
    merged.complete |= other.complete;
    merged.by_kind = OnceLock::new();
    merged.sort();
    *config = Arc::new(merged);
    Ok(())
}

/// Reads the files of `configurations`; nothing when something is wrong, which is noted.
pub(super) fn read(source: &mut Source<'_>, folder: &RepoPath, files: &[Text]) -> Option<Arc<Config>> {
    let mut config = Config::built_in();
    for file in files {
        let mut added = Config::empty();
        let (documents, mut problems) = (document(source, folder, file)?, Vec::new());
        // Strictly read by the original: only the first document counts, and unknown fields are refused.
        if let Some(node) = documents.first() {
            parse(node, &mut added, &mut problems);
        }
        if !problems.is_empty() {
            problems.into_iter().for_each(|problem| source.add_problem(problem));
            return None;
        }
        if let Err(why) = merge(&mut config, &Arc::new(added)) {
            source.wrong(&file.span, format!("`{}` does not fit the places that are known: {why}", file.value), "");
            return None;
        }
    }
    Some(config)
}

/// The documents of a file that a list names.
pub(super) fn document(
    source: &mut Source<'_>,
    folder: &RepoPath,
    file: &Text,
) -> Option<crate::render::source::Documents> {
    let help = "Name a file of this repository, relative to this folder.";
    match folder.join(&file.value) {
        Err(error) => source.wrong(&file.span, error.to_string(), help),
        Ok(path) => match source.documents(&path, Reading::Plain) {
            Ok(documents) => return documents,
            Err(error) => source.wrong(&file.span, error.to_string(), help),
        },
    }
    None
}

fn parse(node: &Node, config: &mut Config, problems: &mut Vec<Problem>) {
    let mut form = Form::new("this configuration", node, problems);
    let mut names: Vec<&str> = config.lists().map(|(name, _)| name).to_vec();
    names.push("nameReference");
    form.only(&names);
    for (name, list) in config.lists() {
        *list = fields(&mut form, name, true);
    }
    for (at, node) in form.list("nameReference").iter().enumerate() {
        let mut form = Form::new(format!("nameReference[{at}]"), node, form.problems);
        form.only(&["group", "version", "kind", "fieldSpecs"]);
        let target = gvk(&mut form);
        let fields = fields(&mut form, "fieldSpecs", true);
        config.references.extend(fields.into_iter().map(|field| Reference { target: target.clone(), field }));
    }
    let most = config.lists().iter().map(|(_, list)| list.len()).max().unwrap_or_default();
    if most.max(config.references.len()) > MAX_FIELDS {
        note(problems, &node.span, format!("more than {MAX_FIELDS} places of one kind"), "");
    }
}

fn gvk(form: &mut Form<'_>) -> Gvk {
    let mut word = |name| form.text(name).map(|text| text.value).unwrap_or_default();
    Gvk { group: word("group"), version: word("version"), kind: word("kind") }
}

/// A list of field specs; a plugin's may say more than anybody reads.
pub(super) fn fields(form: &mut Form<'_>, name: &str, strict: bool) -> Vec<Field> {
    let mut all = Vec::new();
    let nodes = form.list(name);
    if nodes.len() > MAX_FIELDS {
        note(form.problems, &nodes[0].span, format!("`{name}` has more than {MAX_FIELDS} places"), "");
        return all;
    }
    for (at, node) in nodes.iter().enumerate() {
        let mut form = Form::new(format!("{name}[{at}]"), node, form.problems);
        if strict {
            form.only(&["group", "version", "kind", "path", "create"]);
        }
        let Gvk { group, version, kind } = gvk(&mut form);
        let path = form.text("path").map(|text| text.value).unwrap_or_default();
        let word = |text: String| Cow::<'static, str>::Owned(text);
        all.push(Field {
            group: word(group),
            version: word(version),
            kind: word(kind),
            base: Cow::Borrowed(""),
            path: word(path),
            create: form.flag("create"),
        });
    }
    all
}

/// How deep the schema of a kind is followed through its references.
const MAX_DEPTH: usize = 16;

/// Reads the files of `crds`: what their schemas say about annotations, selectors, names and references.
pub(super) fn read_crds(source: &mut Source<'_>, folder: &RepoPath, files: &[Text]) -> Option<Arc<Config>> {
    let mut config = Config::built_in();
    for file in files {
        let documents = document(source, folder, file)?;
        let Some(definitions) = documents.first() else {
            source.wrong(&file.span, format!("`{}` is empty", file.value), "");
            return None;
        };
        let mut added = Config::empty();
        for (name, definition) in definitions.as_map().into_iter().flat_map(|map| map.iter()) {
            let properties =
                definition.at(&["Schema", "properties"]).or_else(|| definition.at(&["schema", "properties"]));
            let is_kind =
                |node: &Node| ["kind", "apiVersion", "metadata"].iter().all(|field| node.get(field).is_some());
            if !properties.is_some_and(is_kind) {
                continue;
            }
            let kind = name.text.rsplit('.').next().unwrap_or_default().to_owned();
            let mut crd = Crd { definitions, kind, added: &mut added, steps: 0 };
            crd.follow(&name.text, &mut Vec::new());
            if crd.steps > MAX_FIELDS {
                let message = format!("this schema has more than {MAX_FIELDS} fields, counted once for each use");
                source.wrong(&name.span, message, "List only the kinds whose fields are references.");
                return None;
            }
        }
        if let Err(why) = merge(&mut config, &Arc::new(added)) {
            source.wrong(&file.span, format!("`{}` does not fit the places that are known: {why}", file.value), "");
            return None;
        }
    }
    Some(config)
}

/// A kind whose schema is read.
struct Crd<'c> {
    definitions: &'c Node,
    kind: String,
    added: &'c mut Config,
    steps: usize,
}

impl Crd<'_> {
    fn follow(&mut self, name: &str, path: &mut Vec<String>) {
        let Some(definition) = self.definitions.get(name) else { return };
        let schema = definition.get("Schema").or_else(|| definition.get("schema"));
        let Some(properties) = schema.and_then(|schema| schema.get("properties")).and_then(Node::as_map) else {
            return;
        };
        for (name, property) in properties.iter() {
            self.steps += 1;
            if self.steps > MAX_FIELDS || path.len() >= MAX_DEPTH {
                return;
            }
            path.push(name.text.to_string());
            self.look(property, path);
            if let Some(target) = property.str_at(&["$ref"]) {
                self.follow(target, path);
            }
            path.pop();
        }
    }

    fn look(&mut self, property: &Node, path: &[String]) {
        let says = |word: &str| property.get(&format!("x-kubernetes-{word}")).and_then(Node::as_str);
        let field = |path: String| Field {
            group: Cow::Borrowed(""),
            version: Cow::Borrowed(""),
            kind: Cow::Owned(self.kind.clone()),
            base: Cow::Borrowed(""),
            path: Cow::Owned(path),
            create: false,
        };
        let here = || field(path.join("/"));
        if says("annotation").is_some() {
            self.added.annotations.push(here());
        }
        if says("label-selector").is_some() {
            self.added.common_labels.push(here());
        }
        if says("identity").is_some() {
            self.added.prefix.push(here());
        }
        if let (Some(version), Some(kind)) = (says("object-ref-api-version"), says("object-ref-kind")) {
            let name = says("object-ref-name-key").unwrap_or("name");
            let target = Gvk { group: String::new(), version: version.to_owned(), kind: kind.to_owned() };
            self.added.references.push(Reference { target, field: field(format!("{}/{name}", path.join("/"))) });
        }
    }
}
