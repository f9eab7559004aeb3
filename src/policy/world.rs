//! What a rule sees: every object of one environment at once, and the few questions all rules ask of them.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use crate::manifest::{Node, Object, Value};
use crate::model::finding::{ObjectName, Problem};
use crate::model::path::RepoPath;
use crate::model::pipeline::NEWEST_KUBERNETES;
use crate::model::tree::Tree;

use super::Class;
use super::schema::{Fault, faults};

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
    faults: OnceCell<Vec<(&'a Object, Fault)>>,
    index: Index<'a>,
}

/// What is looked up once a reference, so that a thousand references to a thousand objects stay a thousand look-ups.
struct Index<'a> {
    objects: HashMap<(&'a str, &'a str), Vec<&'a Object>>,
    /// The workloads (by place) whose pods carry a label.
    labels: HashMap<(&'a str, &'a str), Vec<usize>>,
    /// The namespaces in which something makes objects that cannot be seen.
    unseen: Vec<&'a str>,
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
            faults: OnceCell::new(),
            index,
        }
    }

    /// What the schemas say, found once for all the rules that tell of it.
    pub fn faults(&self) -> &[(&'a Object, Fault)] {
        self.faults.get_or_init(|| faults(self.objects, self.kubernetes))
    }

    /// The objects of one kind in one API group.
    pub fn of(&self, group: &'a str, kind: &'a str) -> impl Iterator<Item = &'a Object> {
        self.objects.iter().filter(move |object| object.kind() == kind && group_of(object) == group)
    }

    /// Whether something here makes objects that cannot be seen, in `namespace`.
    ///
    /// A chart or a generator may bring the very Service or Secret a rule misses, so rules about missing things stay silent then.
    pub fn makes_unseen(&self, namespace: &str) -> bool {
        self.index.unseen.iter().any(|there| same_namespace(there, namespace))
    }

    /// The object of this kind and name.
    pub fn find(&self, namespace: &str, kind: &str, name: &str) -> Option<&'a Object> {
        let named = self.index.objects.get(&(kind, name))?;
        named.iter().copied().find(|object| same_namespace(namespace_of(object), namespace))
    }

    /// Whether an operator's object of this environment stands behind `name`: it is called so (`db` behind `db-app`), or it writes the name down.
    ///
    /// Operators make Secrets, Services and pods from their own kinds; what those kinds mention is taken as made.
    pub fn made_by_operator(&self, namespace: &str, name: &str) -> bool {
        self.index.custom.iter().any(|object| {
            let own = object.node.str_at(&["metadata", "name"]).unwrap_or_default();
            same_namespace(namespace_of(object), namespace)
                && (own == name
                    || name.strip_prefix(own).is_some_and(|rest| !own.is_empty() && rest.starts_with('-'))
                    || object.node.get("spec").is_some_and(|spec| mentions(spec, name)))
        })
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
        let mut index =
            Self { objects: HashMap::new(), labels: HashMap::new(), unseen: Vec::new(), custom: Vec::new() };
        for object in objects {
            let name = object.node.str_at(&["metadata", "name"]).unwrap_or_default();
            index.objects.entry((object.kind(), name)).or_default().push(object);
            if is_custom(object) {
                index.custom.push(object);
            }
            if makes_others(object) {
                let target = object.node.str_at(&["spec", "targetNamespace"]);
                index.unseen.push(target.unwrap_or_else(|| namespace_of(object)));
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

/// Recursion over rendered values is bounded by the loader's own depth limit.
fn mentions(node: &Node, name: &str) -> bool {
    match &node.value {
        Value::String(text) => text == name,
        Value::List(list) => list.iter().any(|node| mentions(node, name)),
        Value::Map(map) => map.iter().any(|(_, node)| mentions(node, name)),
        _ => false,
    }
}
