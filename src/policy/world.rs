//! What a rule sees: every object of one environment at once, and the few questions all rules ask of them.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use crate::manifest::{Node, Object, Value};
use crate::model::finding::{ObjectName, Problem};
use crate::model::path::RepoPath;
use crate::model::pipeline::{App, NEWEST_KUBERNETES};
use crate::model::tree::Tree;
use crate::render::Layer;

use super::Class;
use super::schema::{Definition, Fault, faults};

/// One environment as rules see it.
pub struct World<'a> {
    /// How grave things are here.
    pub class: Class,
    /// Every object Flux would apply.
    pub objects: &'a [Object],
    /// The kustomization files that were read to render them.
    pub kustomizations: &'a [Node],
    /// What is good to know of how the objects were read.
    pub notes: &'a [Problem],
    /// The repository, for rules about paths.
    pub tree: Tree<'a>,
    /// The objects that run pods.
    pub workloads: Vec<Workload<'a>>,
    /// The environment's folder.
    pub folder: &'a RepoPath,
    /// The minor of its Kubernetes.
    pub kubernetes: u32,
    /// The minor of its Flux 2, where that is configured.
    pub flux: Option<u32>,
    /// Its name in the configuration, or its folder.
    pub environment: &'a str,
    /// Which Flux Kustomization applies which of the objects, as far as that is known.
    pub layers: &'a [Layer],
    /// The objects before the change; nothing where no change is judged.
    pub before: Option<&'a [Object]>,
    /// Whether it renders; where it does not there are no objects.
    pub renders: bool,
    /// The configured applications.
    pub apps: &'a [App],
    /// What the rest of the repository defines of the objects' kinds.
    pub definitions: &'a [Definition],
    /// Where images may come from; nothing: from everywhere.
    pub images_from: &'a [String],
    faults: OnceCell<Vec<(&'a Object, Fault)>>,
    made: OnceCell<Made<'a>>,
    whole: OnceCell<bool>,
    index: Index<'a>,
}

/// What is looked up once a reference, so that a thousand references to a thousand objects stay a thousand look-ups.
struct Index<'a> {
    objects: HashMap<(&'a str, &'a str), Vec<&'a Object>>,
    kinds: HashMap<&'a str, Vec<&'a Object>>,
    /// The workloads (by place) whose pods carry a label.
    labels: HashMap<(&'a str, &'a str), Vec<usize>>,
    /// The namespaces in which something makes objects that cannot be seen.
    unseen: HashSet<&'a str>,
    /// Objects of operators' kinds.
    custom: Vec<&'a Object>,
}

/// An object that runs pods.
pub struct Workload<'a> {
    /// The object.
    pub object: &'a Object,
    /// Its pod template: a mapping with `metadata` and `spec`.
    pub template: &'a Node,
}

/// A container of a workload.
#[derive(Clone, Copy)]
pub struct Container<'a> {
    /// The container.
    pub node: &'a Node,
    /// Whether it runs before the others and ends, so that it serves and measures nothing.
    pub init: bool,
}

impl<'a> Container<'a> {
    /// Its name, empty when it has none.
    pub fn name(&self) -> &'a str {
        self.node.str_at(&["name"]).unwrap_or_default()
    }
}

impl<'a> World<'a> {
    /// An environment's objects, indexed.
    pub fn new(class: Class, folder: &'a RepoPath, objects: &'a [Object], tree: Tree<'a>) -> Self {
        let workloads: Vec<Workload> = objects.iter().filter_map(workload).collect();
        let index = Index::new(objects, &workloads);
        Self {
            class,
            objects,
            kustomizations: &[],
            notes: &[],
            tree,
            workloads,
            folder,
            kubernetes: NEWEST_KUBERNETES,
            flux: None,
            environment: folder.as_str(),
            layers: &[],
            before: None,
            renders: true,
            apps: &[],
            definitions: &[],
            images_from: &[],
            faults: OnceCell::new(),
            made: OnceCell::new(),
            whole: OnceCell::new(),
            index,
        }
    }

    /// What the schemas say, found once for all the rules that tell of it.
    pub fn faults(&self) -> &[(&'a Object, Fault)] {
        self.faults.get_or_init(|| faults(self.objects, (self.definitions, self.before), self.kubernetes))
    }

    /// The objects of one kind in one API group.
    pub fn of(&self, group: &'a str, kind: &'a str) -> impl Iterator<Item = &'a Object> {
        let all = self.index.kinds.get(kind).map(Vec::as_slice).unwrap_or_default();
        all.iter().copied().filter(move |object| group_of(object) == group)
    }

    /// Whether something here makes objects that cannot be seen, in `namespace`.
    ///
    /// A chart or a generator may bring the very Service or Secret a rule misses, so rules about missing things stay silent then.
    pub fn makes_unseen(&self, namespace: &str) -> bool {
        let unseen = &self.index.unseen;
        unseen.contains(namespace) || unseen.contains("") || (namespace.is_empty() && !unseen.is_empty())
    }

    /// The object of this kind and name.
    pub fn find(&self, namespace: &str, kind: &str, name: &str) -> Option<&'a Object> {
        let named = self.index.objects.get(&(kind, name))?;
        named.iter().copied().find(|object| same_namespace(namespace_of(object), namespace))
    }

    /// The object of this group, kind and name.
    pub fn find_of(&self, (group, kind): (&str, &str), namespace: &str, name: &str) -> Option<&'a Object> {
        let named = self.index.objects.get(&(kind, name))?;
        let is = |object: &&Object| group_of(object) == group && same_namespace(namespace_of(object), namespace);
        named.iter().copied().find(is)
    }

    /// Whether a reference surely leads nowhere, and what to add when that is said.
    ///
    /// Most of what objects refer to is applied by somebody else. Only two things prove a fault: a name of this environment from which
    /// this one differs by a slip of the keyboard, and an environment that is a whole cluster.
    pub fn leads_nowhere(&self, (group, kind): (&'a str, &'a str), namespace: &str, name: &str) -> Option<String> {
        /// Names compared for a slip: where there are more, most are made by a program, and programs do not slip.
        const MOST: usize = 200;
        if name.is_empty() || is_placeholder(name) || self.find_of((group, kind), namespace, name).is_some() {
            return None;
        }
        let there = |object: &&Object| same_namespace(namespace_of(object), namespace);
        let names = self.of(group, kind).take(MOST).filter(there).map(name_of);
        if let Some(near) = names.filter(|near| is_slip(near, name)).min() {
            return Some(format!("; did you mean `{near}`?"));
        }
        (self.is_whole_cluster() && !self.makes_unseen(namespace)).then(String::new)
    }

    /// Whether everything Flux applies in its cluster is here: its own Kustomization is, from which all others follow, and each of those was
    /// followed, so that none brings what is in another repository.
    pub fn is_whole_cluster(&self) -> bool {
        const KUSTOMIZE: (&str, &str) = ("kustomize.toolkit.fluxcd.io", "Kustomization");
        *self.whole.get_or_init(|| {
            let text = |node: &'a Node, key| node.str_at(&["metadata", key]).unwrap_or_default();
            let id = |node: &'a Node| (text(node, "namespace"), text(node, "name"));
            let own = ("flux-system", "flux-system");
            let followed: HashSet<_> =
                self.layers.iter().filter_map(|layer| layer.by.as_ref()).map(id).chain([own]).collect();
            let mut all = self.of(KUSTOMIZE.0, KUSTOMIZE.1).map(|object| id(&object.node));
            self.find_of(KUSTOMIZE, own.0, own.1).is_some()
                && all.all(|one| followed.contains(&one))
                && self.of("fluxcd.controlplane.io", "ResourceSet").next().is_none()
        })
    }

    /// What each Flux Kustomization applies; nothing where it is not known who does.
    pub fn layers(&self) -> impl Iterator<Item = (Option<&'a Node>, &'a [Object])> {
        let ends = self.layers.iter().skip(1).map(|layer| layer.from).chain([self.objects.len()]);
        let objects = self.objects;
        self.layers
            .iter()
            .zip(ends)
            .filter_map(move |(layer, end)| Some((layer.by.as_ref(), objects.get(layer.from..end)?)))
    }

    /// Each object that the change leaves, with what it was before; objects that stay as they are are left out.
    pub fn changed(&self) -> Vec<(&'a Object, &'a Object)> {
        let before: HashMap<_, _> =
            self.before.unwrap_or_default().iter().map(|object| (identity(object), object)).collect();
        let pair = |now: &'a Object| before.get(&identity(now)).filter(|was| **was != now).map(|was| (now, *was));
        self.objects.iter().filter_map(pair).collect()
    }

    /// The objects that the change takes away.
    pub fn removed(&self) -> Vec<&'a Object> {
        let now: HashSet<_> = self.objects.iter().map(identity).collect();
        self.before.unwrap_or_default().iter().filter(|was| !now.contains(&identity(was))).collect()
    }

    /// Whether an operator's object of this environment stands behind `name`: it is called so (`db` behind `db-app`), or it writes the name down.
    ///
    /// Operators make Secrets, Services and pods from their own kinds; what those kinds mention is taken as made.
    pub fn made_by_operator(&self, namespace: &str, name: &str) -> bool {
        let made = self.made.get_or_init(|| Made::of(&self.index.custom));
        let dashes = name.match_indices('-').map(|(at, _)| &name[..at]);
        made.texts.has(namespace, name) || dashes.chain([name]).any(|own| made.names.has(namespace, own))
    }

    /// The workloads of `namespace` whose pods carry all of `labels`.
    pub fn selected(&self, namespace: &'a str, labels: &'a Node) -> impl Iterator<Item = &Workload<'a>> {
        let first = labels.as_map().and_then(|labels| labels.iter().next());
        let first = first.and_then(|(key, value)| Some((key.text.as_str(), value.as_str()?)));
        let near = first.and_then(|label| self.index.labels.get(&label)).map(Vec::as_slice).unwrap_or_default();
        near.iter().map(|at| &self.workloads[*at]).filter(move |workload| {
            same_namespace(namespace_of(workload.object), namespace) && workload.has_labels(labels)
        })
    }

    /// The names of one kind, for "does it exist" questions over many references.
    pub fn names(&self, kind: &'a str) -> HashSet<(&'a str, &'a str)> {
        let named =
            |object: &'a Object| (namespace_of(object), object.node.str_at(&["metadata", "name"]).unwrap_or(""));
        self.objects.iter().filter(|object| object.kind() == kind).map(named).collect()
    }
}

impl<'a> Index<'a> {
    fn new(objects: &'a [Object], workloads: &[Workload<'a>]) -> Self {
        let mut index = Self {
            objects: HashMap::new(),
            kinds: HashMap::new(),
            labels: HashMap::new(),
            unseen: HashSet::new(),
            custom: Vec::new(),
        };
        for object in objects {
            let name = object.node.str_at(&["metadata", "name"]).unwrap_or_default();
            index.objects.entry((object.kind(), name)).or_default().push(object);
            index.kinds.entry(object.kind()).or_default().push(object);
            if is_custom(object) {
                index.custom.push(object);
            }
            if makes_others(object) {
                let target = object.node.str_at(&["spec", "targetNamespace"]);
                index.unseen.insert(target.unwrap_or_else(|| namespace_of(object)));
            }
        }
        for (at, workload) in workloads.iter().enumerate() {
            let labels = workload.template.at(&["metadata", "labels"]).and_then(Node::as_map);
            for (key, value) in labels.into_iter().flat_map(|labels| labels.iter()) {
                let label = (key.text.as_str(), value.as_str().unwrap_or_default());
                index.labels.entry(label).or_default().push(at);
            }
        }
        index
    }
}

fn makes_others(object: &Object) -> bool {
    matches!(
        (group_of(object), object.kind()),
        ("helm.toolkit.fluxcd.io", "HelmRelease")
            | ("fluxcd.controlplane.io", "ResourceSet")
            | ("infra.contrib.fluxcd.io", "Terraform")
            | ("argoproj.io", "Application" | "ApplicationSet")
    )
}

impl<'a> Workload<'a> {
    /// Who it is.
    pub fn name(&self) -> ObjectName {
        self.object.name()
    }

    /// The pod's specification.
    pub fn spec(&self) -> Option<&'a Node> {
        self.template.get("spec")
    }

    /// All containers, those that run first included.
    pub fn containers(&self) -> impl Iterator<Item = Container<'a>> {
        let list = |key| self.template.list_at(&["spec", key]);
        let first = list("initContainers").iter().map(|node| {
            // An init container that always restarts is a sidecar: it stays.
            let init = node.str_at(&["restartPolicy"]) != Some("Always");
            Container { node, init }
        });
        first.chain(list("containers").iter().map(|node| Container { node, init: false }))
    }

    /// Whether its pods carry all of `labels` (a mapping of plain texts).
    pub fn has_labels(&self, labels: &Node) -> bool {
        let own = self.template.at(&["metadata", "labels"]);
        let has = |(key, value): (&crate::manifest::node::Key, &Node)| {
            own.and_then(|own| own.get(&key.text)).is_some_and(|own| own == value)
        };
        labels.as_map().is_some_and(|labels| !labels.is_empty() && labels.iter().all(has))
    }

    /// Whether it runs until stopped, unlike a job.
    pub fn is_long_running(&self) -> bool {
        !matches!(self.object.kind(), "Job" | "CronJob")
    }
}

fn workload(object: &Object) -> Option<Workload<'_>> {
    let template = match object.kind() {
        "Pod" => Some(&object.node),
        "CronJob" => object.node.at(&["spec", "jobTemplate", "spec", "template"]),
        // Not by kind: Argo Rollouts, Knative Services and many more have the same shape.
        _ => object.node.at(&["spec", "template"]),
    }?;
    template.at(&["spec", "containers"])?.as_list()?;
    Some(Workload { object, template })
}

/// The API group, empty for the core.
pub(super) fn group_of(object: &Object) -> &str {
    object.api_version().split_once('/').map_or("", |(group, _)| group)
}

/// The namespace, empty when none is written.
pub(super) fn namespace_of(object: &Object) -> &str {
    object.node.str_at(&["metadata", "namespace"]).unwrap_or_default()
}

/// The name, empty when none is written.
pub(super) fn name_of(object: &Object) -> &str {
    object.node.str_at(&["metadata", "name"]).unwrap_or_default()
}

/// What makes two objects of two versions the same one.
pub(super) fn identity(object: &Object) -> (&str, &str, &str, &str) {
    (group_of(object), object.kind(), namespace_of(object), name_of(object))
}

/// Whether one name is the other with a letter too many, one too few, or two swapped. Names that differ in a digit, or in a letter put in
/// place of another (`app-a`, `app-b`), are mostly two things; and short ones are near each other by chance.
pub(super) fn is_slip(a: &str, b: &str) -> bool {
    const SHORTEST: usize = 5;
    let (long, short) = if a.len() >= b.len() { (a.as_bytes(), b.as_bytes()) } else { (b.as_bytes(), a.as_bytes()) };
    if short.len() < SHORTEST || long.len() > short.len() + 1 {
        return false;
    }
    let is_letter = |at: usize| long[at].is_ascii_alphabetic();
    let same = long.iter().zip(short).take_while(|(a, b)| a == b).count();
    if long.len() > short.len() {
        return is_letter(same) && long[same + 1..] == short[same..];
    }
    let swapped = same + 1 < long.len() && long[same] == short[same + 1] && long[same + 1] == short[same];
    swapped && is_letter(same) && is_letter(same + 1) && long[same + 2..] == short[same + 2..]
}

/// Whether two namespaces may be the same: an unwritten one is decided by whoever applies it.
pub(super) fn same_namespace(a: &str, b: &str) -> bool {
    a == b || a.is_empty() || b.is_empty()
}

/// Whether `(namespace, name)` is among `names`, under the same leniency.
pub(super) fn has_name(names: &HashSet<(&str, &str)>, namespace: &str, name: &str) -> bool {
    names.contains(&(namespace, name))
        || names.contains(&("", name))
        || (namespace.is_empty() && names.iter().any(|(_, other)| *other == name))
}

/// Whether the object's kind is none of Kubernetes' own.
pub(super) fn is_custom(object: &Object) -> bool {
    let group = group_of(object);
    group.contains('.') && !group.ends_with(".k8s.io")
}

/// Whether the text stands in for something that is filled in later: by Flux, by the kubelet, by a person.
pub(super) fn is_placeholder(text: &str) -> bool {
    let text = text.trim();
    text.is_empty()
        || text.contains("${")
        || text.contains("$(")
        || text.contains("{{")
        || (text.starts_with('<') && text.ends_with('>'))
        || text.starts_with("ENC[")
        || text.chars().all(|c| matches!(c, '*' | 'x' | 'X' | '.'))
}

/// Texts, each with the namespaces it was met in.
#[derive(Default)]
struct Met<'a>(HashMap<&'a str, HashSet<&'a str>>);

impl<'a> Met<'a> {
    fn add(&mut self, namespace: &'a str, text: &'a str) {
        self.0.entry(text).or_default().insert(namespace);
    }

    fn has(&self, namespace: &str, text: &str) -> bool {
        let there = |all: &HashSet<&str>| namespace.is_empty() || all.contains(namespace) || all.contains("");
        !text.is_empty() && self.0.get(text).is_some_and(there)
    }
}

/// What operators' objects are called and what they write down, gathered once for all the questions about it.
#[derive(Default)]
struct Made<'a> {
    names: Met<'a>,
    texts: Met<'a>,
}

impl<'a> Made<'a> {
    fn of(custom: &[&'a Object]) -> Self {
        let mut made = Self::default();
        for object in custom {
            made.names.add(namespace_of(object), name_of(object));
            if let Some(spec) = object.node.get("spec") {
                made.mention(namespace_of(object), spec);
            }
        }
        made
    }

    /// Recursion over rendered values is bounded by the loader's own depth limit.
    fn mention(&mut self, namespace: &'a str, node: &'a Node) {
        match &node.value {
            Value::String(text) => self.texts.add(namespace, text),
            Value::List(list) => list.iter().for_each(|node| self.mention(namespace, node)),
            Value::Map(map) => map.iter().for_each(|(_, node)| self.mention(namespace, node)),
            _ => {}
        }
    }
}
