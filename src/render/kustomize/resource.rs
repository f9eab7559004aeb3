//! A resource on its way through a build: the object, and what Kustomize remembers about where its name came from.

use std::collections::HashSet;

use crate::manifest::node::{Key, Map, Node, Span, Value};
use crate::manifest::scalar;

/// Group, version and kind; empty parts of a selector match everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Gvk {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
}

impl Gvk {
    pub(super) fn of(node: &Node) -> Self {
        let api = node.str_at(&["apiVersion"]).unwrap_or_default();
        let (group, version) = api.split_once('/').unwrap_or(("", api));
        let kind = node.str_at(&["kind"]).unwrap_or_default();
        Self { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() }
    }

    /// Whether it has what `selector` asks for; empty parts match all.
    pub(super) fn is_selected_by(&self, selector: &Gvk) -> bool {
        (selector.kind.is_empty() || selector.kind == self.kind)
            && (selector.group.is_empty() || selector.group == self.group)
            && (selector.version.is_empty() || selector.version == self.version)
    }

    /// Whether this is a built-in kind that belongs to no namespace. Kinds nobody described count as namespaced.
    pub(super) fn is_cluster_scoped(&self) -> bool {
        CLUSTER_SCOPED.iter().any(|(group, versions, kinds)| {
            *group == self.group && versions.contains(&self.version.as_str()) && kinds.contains(&self.kind.as_str())
        })
    }
}

/// The built-in kinds without namespace in the Kubernetes description that Kustomize carries: group, versions, kinds.
const CLUSTER_SCOPED: &[(&str, &[&str], &[&str])] = &[
    ("", &["v1"], &["ComponentStatus", "Namespace", "Node", "NodeProxyOptions", "PersistentVolume"]),
    (
        "admissionregistration.k8s.io",
        &["v1", "v1beta1"],
        &["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"],
    ),
    ("admissionregistration.k8s.io", &["v1"], &["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"]),
    ("apiextensions.k8s.io", &["v1", "v1beta1"], &["CustomResourceDefinition"]),
    ("apiregistration.k8s.io", &["v1", "v1beta1"], &["APIService"]),
    ("certificates.k8s.io", &["v1", "v1beta1"], &["CertificateSigningRequest"]),
    ("flowcontrol.apiserver.k8s.io", &["v1beta1"], &["FlowSchema", "PriorityLevelConfiguration"]),
    ("networking.k8s.io", &["v1", "v1beta1"], &["IngressClass"]),
    ("node.k8s.io", &["v1", "v1beta1"], &["RuntimeClass"]),
    ("policy", &["v1beta1"], &["PodSecurityPolicy"]),
    ("rbac.authorization.k8s.io", &["v1", "v1beta1"], &["ClusterRole", "ClusterRoleBinding"]),
    ("scheduling.k8s.io", &["v1", "v1beta1"], &["PriorityClass"]),
    ("storage.k8s.io", &["v1", "v1beta1"], &["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"]),
];

/// The namespace of what has none: a word no namespace can be called.
pub(super) const NO_NAMESPACE: &str = "_non_namespaceable_";

/// Who a resource is, now or before.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Id {
    pub(super) gvk: Gvk,
    /// The effective namespace: `default` when none is written, [`NO_NAMESPACE`] when there can be none.
    pub(super) namespace: String,
    pub(super) name: String,
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ", self.gvk.kind)?;
        if self.namespace != NO_NAMESPACE && self.namespace != "default" {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

/// What a generator may do with an object that exists already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Behavior {
    #[default]
    Create,
    Merge,
    Replace,
}

/// A name a resource had before a transformer changed it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Earlier {
    namespace: String,
    name: String,
    kind: String,
}

/// An object and its history.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    pub(super) node: Node,
    earlier: Vec<Earlier>,
    pub(super) prefixes: Vec<String>,
    pub(super) suffixes: Vec<String>,
    /// Whether a hash of the content is appended to the name at the end.
    pub(super) hashed: bool,
    pub(super) behavior: Behavior,
    /// Whether a generator made it.
    pub(super) generated: bool,
    /// The vars that mean it.
    pub(super) variables: Vec<String>,
}

impl Resource {
    pub(super) fn new(node: Node) -> Self {
        Self {
            node,
            earlier: Vec::new(),
            prefixes: Vec::new(),
            suffixes: Vec::new(),
            hashed: false,
            behavior: Behavior::Create,
            generated: false,
            variables: Vec::new(),
        }
    }

    pub(super) fn name(&self) -> &str {
        self.node.str_at(&["metadata", "name"]).unwrap_or_default()
    }

    /// The namespace as written; empty when none is.
    pub(super) fn namespace(&self) -> &str {
        self.node.str_at(&["metadata", "namespace"]).unwrap_or_default()
    }

    pub(super) fn kind(&self) -> &str {
        self.node.str_at(&["kind"]).unwrap_or_default()
    }

    pub(super) fn id(&self) -> Id {
        let gvk = Gvk::of(&self.node);
        let namespace = match self.namespace() {
            _ if gvk.is_cluster_scoped() => NO_NAMESPACE,
            "" => "default",
            namespace => namespace,
        };
        Id { namespace: namespace.to_owned(), name: self.name().to_owned(), gvk }
    }

    /// Who it was before each change, oldest first; without who it is now.
    pub(super) fn earlier_ids(&self) -> Vec<Id> {
        self.earlier.iter().map(|earlier| self.id_of(earlier)).collect()
    }

    fn id_of(&self, earlier: &Earlier) -> Id {
        let gvk = Gvk { kind: earlier.kind.clone(), ..Gvk::of(&self.node) };
        let namespace = if gvk.is_cluster_scoped() { NO_NAMESPACE } else { &earlier.namespace };
        Id { namespace: namespace.to_owned(), name: earlier.name.clone(), gvk }
    }

    /// Who it is and ever was, the namespace as written.
    pub(super) fn all_ids(&self) -> Vec<Id> {
        let now = Id { gvk: Gvk::of(&self.node), namespace: self.namespace().to_owned(), name: self.name().to_owned() };
        std::iter::once(now).chain(self.earlier_ids()).collect()
    }

    /// Who it was when it was read.
    pub(super) fn original_id(&self) -> Id {
        self.earlier.first().map_or_else(|| self.id(), |earlier| self.id_of(earlier))
    }

    /// Whether it is, or ever was, `id`.
    pub(super) fn ever_was(&self, id: &Id) -> bool {
        // Of many objects few have the name; only those are looked at closely.
        (self.name() == id.name && self.id() == *id)
            || self.earlier.iter().any(|earlier| earlier.name == id.name && self.id_of(earlier) == *id)
    }

    /// Remembers who it is now, before that changes.
    pub(super) fn remember(&mut self) {
        let Id { gvk, namespace, name } = self.id();
        self.earlier.push(Earlier { namespace, name, kind: gvk.kind });
    }

    /// Takes over another resource's history, when this one stands in for it.
    pub(super) fn inherit(&mut self, old: &Resource) {
        self.earlier.clone_from(&old.earlier);
        self.prefixes.clone_from(&old.prefixes);
        self.suffixes.clone_from(&old.suffixes);
        self.behavior = old.behavior;
        self.generated = old.generated;
        self.variables.clone_from(&old.variables);
        self.hashed = self.hashed && old.hashed;
    }

    /// Whether Kustomize keeps notes in this object's annotations, which makes the mapping exist for a JSON patch.
    pub(super) fn has_notes(&self) -> bool {
        self.generated || self.hashed || !self.earlier.is_empty() || !self.prefixes.is_empty()
    }

    /// Every name it had before.
    pub(super) fn earlier_names(&self) -> impl Iterator<Item = &str> {
        self.earlier.iter().map(|earlier| earlier.name.as_str())
    }
}

/// Appends resources, refusing those whose id is taken.
pub(super) fn append(
    all: &mut Vec<Resource>,
    taken: &mut HashSet<Id>,
    more: Vec<Resource>,
) -> Result<(), Box<(Id, Span)>> {
    for resource in more {
        let id = resource.id();
        if !taken.insert(id.clone()) {
            return Err(Box::new((id, resource.node.span.clone())));
        }
        all.push(resource);
    }
    Ok(())
}

/// A scalar as it would be written plainly; nothing for collections.
pub(super) fn scalar_text(node: &Node) -> Option<String> {
    match &node.value {
        Value::Null => Some(String::new()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Int(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::String(text) => Some(text.to_string()),
        Value::List(_) | Value::Map(_) => None,
    }
}

/// A number or boolean as the text it was written as; nothing when that is not its usual form.
pub(super) fn as_text(node: &Node) -> Option<Node> {
    let text = match &node.value {
        Value::Float(_) | Value::List(_) | Value::Map(_) => return None,
        Value::String(_) => return Some(node.clone()),
        _ => scalar_text(node)?,
    };
    (!node.odd).then(|| Node { made: node.made.clone(), ..text_node(&text, &node.span) })
}

/// A text node at a place. What would be no text without quotes gets them, as the original does it.
pub(super) fn text_node(text: &str, span: &Span) -> Node {
    let quoted = !text.is_empty() && !scalar::is_text(text);
    Node { quoted, ..Node::new(Value::String(text.into()), span.clone()) }
}

/// A key at a place.
pub(in crate::render) fn key(text: &str, span: &Span) -> Key {
    Key { text: text.into(), span: span.clone() }
}

/// The mapping at `path` below `node`, made where it is missing or null; nothing when something else stands there.
pub(in crate::render) fn ensure_map<'n>(node: &'n mut Node, path: &[&str], span: &Span) -> Option<&'n mut Map> {
    if node.is_null() {
        *node = Node::new(Value::Map(Map::default()), span.clone());
    }
    let map = node.as_map_mut()?;
    let Some((first, rest)) = path.split_first() else { return Some(map) };
    if map.get(first).is_none() {
        map.push_new(key(first, span), Node::new(Value::Map(Map::default()), span.clone()));
    }
    ensure_map(map.get_mut(first)?, rest, span)
}

/// How many values a node holds, itself included; stops counting at `limit`.
pub(in crate::render) fn weigh(node: &Node, limit: usize) -> usize {
    let mut count = 0;
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        count += 1;
        if let Value::String(text) = &node.value {
            count += long(text);
        }
        if count >= limit {
            break;
        }
        match &node.value {
            Value::List(list) => open.extend(list),
            Value::Map(map) => {
                for (key, value) in map.iter() {
                    count += long(&key.text);
                    open.push(value);
                }
            }
            _ => {}
        }
    }
    count
}

/// What a text costs beside its place: a value takes about as long to copy as 64 bytes, and about as much memory as two times that.
pub(in crate::render) fn long(text: &str) -> usize {
    text.len() / 64
}

/// Values inside each other that may be made: the reader allows 64, and what is put into them may be as deep. Whatever recurses
/// into a value relies on it.
pub(super) const MAX_DEPTH: usize = 128;

/// Why a value cannot stand below `above` others, if it cannot.
pub(super) fn too_deep(above: usize, depth: usize) -> Result<(), String> {
    match above.saturating_add(depth) {
        all if all > MAX_DEPTH => Err(format!("this makes more than {MAX_DEPTH} values inside each other")),
        _ => Ok(()),
    }
}

/// How many values stand inside each other. Recursion is bounded by [`MAX_DEPTH`].
pub(super) fn depth(node: &Node) -> usize {
    1 + match &node.value {
        Value::List(list) => list.iter().map(depth).max().unwrap_or_default(),
        Value::Map(map) => map.iter().map(|(_, value)| depth(value)).max().unwrap_or_default(),
        _ => 0,
    }
}

/// Why a node is no Kubernetes object, if it is none.
pub(super) fn complaint(node: &Node) -> Option<(Span, String)> {
    if node.as_map().is_none() {
        return Some((node.span.clone(), "this is not a Kubernetes object".to_owned()));
    }
    let text = |path: &[&str]| node.str_at(path).is_some_and(|text| !text.is_empty());
    let list = node.str_at(&["kind"]).is_some_and(|kind| kind.ends_with("List"));
    for path in [&["apiVersion"][..], &["kind"], &["metadata", "name"]] {
        let optional = list && path.len() == 2;
        if !(text(path) || optional) {
            let place = node.at(path).unwrap_or(node).span.clone();
            return Some((place, format!("this object has no `{}`", path.join("."))));
        }
    }
    empty_item(node).map(|span| (span, "this list item is empty".to_owned()))
}

/// The first list item that is null, which Kustomize refuses.
fn empty_item(node: &Node) -> Option<Span> {
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        match &node.value {
            Value::List(list) => {
                if let Some(null) = list.iter().find(|item| item.is_null()) {
                    return Some(null.span.clone());
                }
                open.extend(list);
            }
            Value::Map(map) => open.extend(map.iter().map(|(_, value)| value)),
            _ => {}
        }
    }
    None
}
