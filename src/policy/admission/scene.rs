//! What an admission request knows: the object, what it was before, its namespace, and everything else in its environment.

use std::collections::HashMap;

use serde_json::{Value as Json, json};

use super::selector::{Labels, labels};
use crate::manifest::Object;
use crate::model::finding::ObjectName;
use crate::policy::world::{group_of, name_of};

/// One environment's objects, as if each were being applied.
pub(super) struct Scene<'a> {
    /// What is applied.
    pub(super) objects: &'a [Object],
    before: HashMap<ObjectName, &'a Object>,
    namespaces: HashMap<&'a str, &'a Object>,
    /// Kinds that CustomResourceDefinitions of the environment make: their plural, and whether they belong to a namespace.
    custom: HashMap<(&'a str, &'a str), (&'a str, bool)>,
}

/// Built-in kinds that belong to no namespace.
const CLUSTER_SCOPED: &[(&str, &[&str])] = &[
    ("", &["ComponentStatus", "Namespace", "Node", "PersistentVolume"]),
    (
        "admissionregistration.k8s.io",
        &[
            "MutatingAdmissionPolicy",
            "MutatingAdmissionPolicyBinding",
            "MutatingWebhookConfiguration",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "ValidatingWebhookConfiguration",
        ],
    ),
    ("apiextensions.k8s.io", &["CustomResourceDefinition"]),
    ("apiregistration.k8s.io", &["APIService"]),
    ("certificates.k8s.io", &["CertificateSigningRequest", "ClusterTrustBundle"]),
    ("constraints.gatekeeper.sh", &["*"]),
    ("flowcontrol.apiserver.k8s.io", &["FlowSchema", "PriorityLevelConfiguration"]),
    ("gateway.networking.k8s.io", &["GatewayClass"]),
    ("cert-manager.io", &["ClusterIssuer"]),
    ("external-secrets.io", &["ClusterExternalSecret", "ClusterSecretStore"]),
    ("networking.k8s.io", &["IngressClass", "IPAddress", "ServiceCIDR"]),
    ("node.k8s.io", &["RuntimeClass"]),
    ("policy", &["PodSecurityPolicy"]),
    ("rbac.authorization.k8s.io", &["ClusterRole", "ClusterRoleBinding"]),
    ("resource.k8s.io", &["DeviceClass", "ResourceSlice"]),
    ("scheduling.k8s.io", &["PriorityClass"]),
    ("storage.k8s.io", &["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment", "VolumeAttributesClass"]),
    ("templates.gatekeeper.sh", &["ConstraintTemplate"]),
];

/// The user that applies what Flux applies. A policy may ask for it; who it is in a cluster is not known here.
const APPLIER: &str = "system:serviceaccount:flux-system:kustomize-controller";

impl<'a> Scene<'a> {
    /// An environment as it is, and as it was before a change, if there was one.
    pub(super) fn new(objects: &'a [Object], before: Option<&'a [Object]>) -> Self {
        let of = |kind: &'static str| objects.iter().filter(move |object| object.kind() == kind);
        let namespaces = of("Namespace").filter(|object| group_of(object).is_empty());
        let custom = of("CustomResourceDefinition").filter_map(|object| {
            let text = |path: &[&str]| object.node.at(&["spec"])?.str_at(path);
            let scoped = text(&["scope"]) != Some("Cluster");
            Some(((text(&["group"])?, text(&["names", "kind"])?), (text(&["names", "plural"])?, scoped)))
        });
        Self {
            objects,
            before: before.unwrap_or_default().iter().map(|object| (object.name(), object)).collect(),
            namespaces: namespaces.map(|object| (name_of(object), object)).collect(),
            custom: custom.collect(),
        }
    }

    /// One of its objects as the object of a request.
    pub(super) fn subject(&self, object: &'a Object) -> Subject<'a> {
        let (group, kind) = (group_of(object), object.kind());
        let version = object.api_version().rsplit('/').next().unwrap_or_default();
        let known = self.custom.get(&(group, kind)).copied();
        let of_cluster = || {
            let kinds = CLUSTER_SCOPED.iter().find(|(known, _)| *known == group).map(|(_, kinds)| *kinds);
            kinds.is_some_and(|kinds| kinds.contains(&kind) || kinds.contains(&"*"))
        };
        let is_namespaced = known.map_or_else(|| !of_cluster(), |(_, scoped)| scoped);
        let written = object.node.str_at(&["metadata", "namespace"]).filter(|name| !name.is_empty());
        let namespace = if is_namespaced { written.unwrap_or("default") } else { "" };
        Subject {
            object,
            group,
            version,
            kind,
            resource: known.map_or_else(|| plural(kind), |(plural, _)| plural.to_owned()),
            name: name_of(object),
            namespace,
            old: self.before.get(&object.name()).copied(),
            of: self.namespaces.get(namespace).copied(),
        }
    }

    /// Everything, as Gatekeeper's `data.inventory` has it.
    pub(super) fn inventory(&self) -> Json {
        let (mut cluster, mut namespaced) = (json!({}), json!({}));
        for object in self.objects {
            let subject = self.subject(object);
            let (api, kind) = (object.api_version(), subject.kind);
            let json = object.node.to_json();
            if subject.namespace.is_empty() {
                cluster[api][kind][subject.name] = json;
            } else {
                namespaced[subject.namespace][api][kind][subject.name] = json;
            }
        }
        json!({ "cluster": cluster, "namespace": namespaced })
    }
}

/// An object on its way into a cluster.
pub(super) struct Subject<'a> {
    pub(super) object: &'a Object,
    pub(super) group: &'a str,
    pub(super) version: &'a str,
    pub(super) kind: &'a str,
    pub(super) resource: String,
    pub(super) name: &'a str,
    /// Empty when it belongs to none; `default` when none is written.
    pub(super) namespace: &'a str,
    /// What it was before.
    pub(super) old: Option<&'a Object>,
    /// Its Namespace, when that is in the environment too.
    of: Option<&'a Object>,
}

impl Subject<'_> {
    /// Whether it is a Namespace.
    pub(super) fn is_namespace(&self) -> bool {
        self.group.is_empty() && self.kind == "Namespace"
    }

    /// Whether the labels of its namespace are known.
    pub(super) fn knows_namespace(&self) -> bool {
        self.of.is_some()
    }

    /// The labels of its namespace; of one that is not in the environment, the one label every namespace has.
    pub(super) fn namespace_labels(&self) -> Labels {
        let named = ("kubernetes.io/metadata.name".to_owned(), self.namespace.to_owned());
        let mut all = self.of.map(|namespace| labels(&namespace.node)).unwrap_or_default();
        all.retain(|(key, _)| *key != named.0);
        all.push(named);
        all
    }

    /// Its namespace as an object; null for what belongs to none.
    pub(super) fn namespace_object(&self) -> Json {
        if self.namespace.is_empty() {
            return Json::Null;
        }
        let labels: serde_json::Map<String, Json> =
            self.namespace_labels().into_iter().map(|(key, value)| (key, value.into())).collect();
        let mut object = self.of.map_or_else(
            || json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": self.namespace } }),
            |namespace| namespace.node.to_json(),
        );
        object["metadata"]["labels"] = Json::Object(labels);
        object
    }

    /// What is done with it.
    pub(super) fn operation(&self) -> &'static str {
        if self.old.is_some() { "UPDATE" } else { "CREATE" }
    }

    /// The request's facts beside the objects.
    pub(super) fn request(&self) -> Json {
        let kind = json!({ "group": self.group, "version": self.version, "kind": self.kind });
        let resource = json!({ "group": self.group, "version": self.version, "resource": self.resource });
        json!({
            "uid": "", "kind": kind, "resource": resource, "requestKind": kind, "requestResource": resource,
            "subResource": "", "requestSubResource": "", "name": self.name, "namespace": self.namespace,
            "operation": self.operation(), "dryRun": false, "options": {},
            "userInfo": { "username": APPLIER, "uid": "", "groups": ["system:serviceaccounts", "system:authenticated"], "extra": {} },
        })
    }
}

/// The plural a kind has unless a definition says otherwise, as Kubernetes guesses it.
fn plural(kind: &str) -> String {
    let lower = kind.to_lowercase();
    if lower == "endpoints" {
        return lower;
    }
    match lower.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ if lower.ends_with(['s', 'x']) || lower.ends_with("ch") => format!("{lower}es"),
        _ => format!("{lower}s"),
    }
}
