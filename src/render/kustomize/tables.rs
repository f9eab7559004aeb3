//! Kustomize's built-in places: where labels, annotations, images and replicas go, and which fields name other objects.

use std::borrow::Cow;
use std::sync::LazyLock;

use super::config::Reference;
use super::field::Field;
use super::resource::Gvk;

const fn at(group: &'static str, version: &'static str, kind: &'static str, path: &'static str, create: bool) -> Field {
    Field {
        group: Cow::Borrowed(group),
        version: Cow::Borrowed(version),
        kind: Cow::Borrowed(kind),
        base: Cow::Borrowed(""),
        path: Cow::Borrowed(path),
        create,
    }
}

const fn field(group: &'static str, version: &'static str, kind: &'static str, path: &'static str) -> Field {
    at(group, version, kind, path, false)
}

const fn made(group: &'static str, version: &'static str, kind: &'static str, path: &'static str) -> Field {
    at(group, version, kind, path, true)
}

/// Where a label always goes.
pub(super) const METADATA_LABELS: &[Field] = &[made("", "", "", "metadata/labels")];

/// Where a label goes with `includeTemplates`, and with selectors.
pub(super) const TEMPLATE_LABELS: &[Field] = &[
    made("", "v1", "ReplicationController", "spec/template/metadata/labels"),
    made("", "", "Deployment", "spec/template/metadata/labels"),
    made("", "", "ReplicaSet", "spec/template/metadata/labels"),
    made("", "", "DaemonSet", "spec/template/metadata/labels"),
    made("apps", "", "StatefulSet", "spec/template/metadata/labels"),
    made("batch", "", "Job", "spec/template/metadata/labels"),
    made("batch", "", "CronJob", "spec/jobTemplate/metadata/labels"),
    made("batch", "", "CronJob", "spec/jobTemplate/spec/template/metadata/labels"),
];

/// Where a label goes with `includeVolumeClaimTemplates`, and with selectors.
pub(super) const CLAIM_LABELS: &[Field] =
    &[made("apps", "", "StatefulSet", "spec/volumeClaimTemplates[]/metadata/labels")];

const AFFINITY: &[&str] = &[
    "spec/template/spec/affinity/podAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels",
    "spec/template/spec/affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels",
    "spec/template/spec/affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels",
    "spec/template/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels",
    "spec/template/spec/topologySpreadConstraints/labelSelector/matchLabels",
];

/// Where a label goes with selectors, besides metadata, templates and claims.
pub(super) static SELECTORS: LazyLock<Vec<Field>> = LazyLock::new(|| {
    let mut fields = vec![
        made("", "v1", "Service", "spec/selector"),
        made("", "v1", "ReplicationController", "spec/selector"),
        made("", "", "Deployment", "spec/selector/matchLabels"),
        made("", "", "ReplicaSet", "spec/selector/matchLabels"),
        made("", "", "DaemonSet", "spec/selector/matchLabels"),
        made("apps", "", "StatefulSet", "spec/selector/matchLabels"),
        field("batch", "", "Job", "spec/selector/matchLabels"),
        field("batch", "", "CronJob", "spec/jobTemplate/spec/selector/matchLabels"),
        field("policy", "", "PodDisruptionBudget", "spec/selector/matchLabels"),
        field("networking.k8s.io", "", "NetworkPolicy", "spec/podSelector/matchLabels"),
        field("networking.k8s.io", "", "NetworkPolicy", "spec/ingress/from/podSelector/matchLabels"),
        field("networking.k8s.io", "", "NetworkPolicy", "spec/egress/to/podSelector/matchLabels"),
    ];
    for kind in ["Deployment", "StatefulSet"] {
        fields.extend(AFFINITY.iter().map(|path| field("apps", "", kind, path)));
    }
    fields
});

/// Where `commonAnnotations` go.
pub(super) const ANNOTATIONS: &[Field] = &[
    made("", "", "", "metadata/annotations"),
    made("", "v1", "ReplicationController", "spec/template/metadata/annotations"),
    made("", "", "Deployment", "spec/template/metadata/annotations"),
    made("", "", "ReplicaSet", "spec/template/metadata/annotations"),
    made("", "", "DaemonSet", "spec/template/metadata/annotations"),
    made("", "", "StatefulSet", "spec/template/metadata/annotations"),
    made("batch", "", "Job", "spec/template/metadata/annotations"),
    made("batch", "", "CronJob", "spec/jobTemplate/metadata/annotations"),
    made("batch", "", "CronJob", "spec/jobTemplate/spec/template/metadata/annotations"),
];

/// Where images stand, besides every `containers` and `initContainers` list. Nothing is made for them, whatever `create` says.
pub(super) const IMAGES: &[Field] = &[
    made("", "", "", "spec/containers[]/image"),
    made("", "", "", "spec/initContainers[]/image"),
    made("", "", "", "spec/volumes[]/image/reference"),
    made("", "", "", "spec/template/spec/containers[]/image"),
    made("", "", "", "spec/template/spec/initContainers[]/image"),
    made("", "", "", "spec/template/spec/volumes[]/image/reference"),
    made("", "", "", "spec/jobTemplate/spec/template/spec/volumes[]/image/reference"),
];

/// Where replica counts stand.
pub(super) const REPLICAS: &[Field] = &[
    made("", "", "Deployment", "spec/replicas"),
    made("", "", "ReplicationController", "spec/replicas"),
    made("", "", "ReplicaSet", "spec/replicas"),
    made("", "", "StatefulSet", "spec/replicas"),
];

/// Where a prefix or suffix goes.
pub(super) const NAMES: &[Field] = &[field("", "", "", "metadata/name")];

/// Where a namespace stands besides `metadata.namespace` and the subjects of role bindings.
pub(super) const NAMESPACES: &[Field] = &[
    made("", "", "Namespace", "metadata/name"),
    made("apiregistration.k8s.io", "", "APIService", "spec/service/namespace"),
    field(
        "apiextensions.k8s.io",
        "",
        "CustomResourceDefinition",
        "spec/conversion/webhook/clientConfig/service/namespace",
    ),
];

/// Kinds with a pod in them, and where it stands.
const PODS: &[(&str, &str, &str)] = &[
    ("v1", "Pod", "spec"),
    ("", "PodTemplate", "template/spec"),
    ("", "Deployment", "spec/template/spec"),
    ("", "ReplicaSet", "spec/template/spec"),
    ("", "DaemonSet", "spec/template/spec"),
    ("", "StatefulSet", "spec/template/spec"),
    ("", "Job", "spec/template/spec"),
    ("", "CronJob", "spec/jobTemplate/spec/template/spec"),
];

/// The same for the references that know fewer kinds.
const OLD_PODS: &[(&str, &str, &str)] = &[
    ("", "Pod", "spec"),
    ("", "StatefulSet", "spec/template/spec"),
    ("", "Deployment", "spec/template/spec"),
    ("", "ReplicationController", "spec/template/spec"),
    ("", "CronJob", "spec/jobTemplate/spec/template/spec"),
    ("", "Job", "spec/template/spec"),
    ("", "DaemonSet", "spec/template/spec"),
];

const CONFIG_MAP_IN_POD: &[&str] = &[
    "volumes/configMap/name",
    "containers/env/valueFrom/configMapKeyRef/name",
    "initContainers/env/valueFrom/configMapKeyRef/name",
    "containers/envFrom/configMapRef/name",
    "initContainers/envFrom/configMapRef/name",
    "volumes/projected/sources/configMap/name",
];

const SECRET_IN_POD: &[&str] = &[
    "volumes/secret/secretName",
    "containers/env/valueFrom/secretKeyRef/name",
    "initContainers/env/valueFrom/secretKeyRef/name",
    "containers/envFrom/secretRef/name",
    "initContainers/envFrom/secretRef/name",
    "imagePullSecrets/name",
    "volumes/projected/sources/secret/name",
];

const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";

/// Group, version and kind of what is named.
type Target = (&'static str, &'static str, &'static str);
/// Group, kind and path of the field that names it.
type Place = (&'static str, &'static str, &'static str);

/// References outside pods: what is named, then group, kind and path of the field. Their order decides, as in the original.
const OTHERS: &[(Target, &[Place])] = &[
    (("", "", "Deployment"), &[("", "HorizontalPodAutoscaler", "spec/scaleTargetRef/name")]),
    (("", "", "ReplicationController"), &[("", "HorizontalPodAutoscaler", "spec/scaleTargetRef/name")]),
    (("", "", "ReplicaSet"), &[("", "HorizontalPodAutoscaler", "spec/scaleTargetRef/name")]),
    (("", "", "StatefulSet"), &[("", "HorizontalPodAutoscaler", "spec/scaleTargetRef/name")]),
    (
        ("", "v1", "ConfigMap"),
        &[
            ("", "Node", "spec/configSource/configMap"),
            ("", "Role", "rules/resourceNames"),
            ("", "ClusterRole", "rules/resourceNames"),
            ("", "Ingress", r"metadata/annotations/nginx.ingress.kubernetes.io\/fastcgi-params-configmap"),
        ],
    ),
    (
        ("", "v1", "Secret"),
        &[
            ("", "Ingress", "spec/tls/secretName"),
            ("", "Ingress", r"metadata/annotations/ingress.kubernetes.io\/auth-secret"),
            ("", "Ingress", r"metadata/annotations/nginx.ingress.kubernetes.io\/auth-secret"),
            ("", "Ingress", r"metadata/annotations/nginx.ingress.kubernetes.io\/auth-tls-secret"),
            ("", "ServiceAccount", "imagePullSecrets/name"),
            ("", "StorageClass", "parameters/secretName"),
            ("", "StorageClass", "parameters/adminSecretName"),
            ("", "StorageClass", "parameters/userSecretName"),
            ("", "StorageClass", "parameters/secretRef"),
            ("", "Role", "rules/resourceNames"),
            ("", "ClusterRole", "rules/resourceNames"),
            ("serving.knative.dev", "Service", "spec/template/spec/containers/env/valueFrom/secretKeyRef/name"),
            ("", "PersistentVolume", "spec/azureFile/secretName"),
        ],
    ),
    (
        ("", "v1", "Service"),
        &[
            ("apps", "StatefulSet", "spec/serviceName"),
            ("", "Ingress", "spec/rules/http/paths/backend/serviceName"),
            ("", "Ingress", "spec/backend/serviceName"),
            ("", "Ingress", "spec/rules/http/paths/backend/service/name"),
            ("", "Ingress", "spec/defaultBackend/service/name"),
            ("apiregistration.k8s.io", "APIService", "spec/service/name"),
            (ADMISSION, "ValidatingWebhookConfiguration", "webhooks/clientConfig/service"),
            (ADMISSION, "MutatingWebhookConfiguration", "webhooks/clientConfig/service"),
        ],
    ),
    ((RBAC, "", "Role"), &[(RBAC, "RoleBinding", "roleRef/name")]),
    ((RBAC, "", "ClusterRole"), &[(RBAC, "RoleBinding", "roleRef/name"), (RBAC, "ClusterRoleBinding", "roleRef/name")]),
    (("", "v1", "ServiceAccount"), &[(RBAC, "RoleBinding", "subjects"), (RBAC, "ClusterRoleBinding", "subjects")]),
    (("", "v1", "PersistentVolumeClaim"), &[]),
    (
        ("", "v1", "PersistentVolume"),
        &[("", "PersistentVolumeClaim", "spec/volumeName"), ("", "ClusterRole", "rules/resourceNames")],
    ),
    (
        ("storage.k8s.io", "v1", "StorageClass"),
        &[
            ("", "PersistentVolume", "spec/storageClassName"),
            ("", "PersistentVolumeClaim", "spec/storageClassName"),
            ("", "StatefulSet", "spec/volumeClaimTemplates/spec/storageClassName"),
        ],
    ),
    (("scheduling.k8s.io", "v1", "PriorityClass"), &[]),
    // IngressClass is listed by Kustomize under the group `networking.k8s.io/v1`, which no object has: it is never renamed.
    (
        (ADMISSION, "", "ValidatingAdmissionPolicy"),
        &[(ADMISSION, "ValidatingAdmissionPolicyBinding", "spec/policyName")],
    ),
];

/// The references, in the order in which they are followed.
pub(super) static REFERENCES: LazyLock<Vec<Reference>> = LazyLock::new(|| {
    let mut found = Vec::new();
    let mut add = |(group, version, kind): Target, field: Field| {
        let target = Gvk { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() };
        found.push(Reference { target, field });
    };
    for (target, others) in OTHERS {
        let (pods, paths): (_, &[&str]) = match target.2 {
            "ConfigMap" => (PODS, CONFIG_MAP_IN_POD),
            "Secret" => (PODS, SECRET_IN_POD),
            "ServiceAccount" => (OLD_PODS, &["serviceAccountName"]),
            "PersistentVolumeClaim" => (OLD_PODS, &["volumes/persistentVolumeClaim/claimName"]),
            "PriorityClass" => (OLD_PODS, &["priorityClassName"]),
            _ => (OLD_PODS, &[]),
        };
        for (version, kind, pod) in pods {
            for path in paths {
                add(*target, Field { base: Cow::Borrowed(pod), ..field("", version, kind, path) });
            }
        }
        others.iter().for_each(|(group, kind, path)| add(*target, field(group, "", kind, path)));
    }
    found
});

/// Kinds with a pod template, and where the pod stands in it.
const TEMPLATES: &[(&str, &str)] = &[
    ("CronJob", "spec/jobTemplate/spec/template/spec"),
    ("DaemonSet", "spec/template/spec"),
    ("Deployment", "spec/template/spec"),
    ("Job", "spec/template/spec"),
    ("Pod", "spec"),
    ("ReplicaSet", "spec/template/spec"),
    ("StatefulSet", "spec/template/spec"),
];

const VARIABLES_IN_POD: &[&str] = &["args", "command", "env/value", "volumeMounts/mountPath"];

/// Where `$(NAME)` is replaced, besides pods.
const OTHER_VARIABLES: &[(&str, &str)] = &[
    ("CronJob", "spec/jobTemplate/spec/template/volumes/nfs/server"),
    ("DaemonSet", "spec/template/spec/volumes/nfs/server"),
    ("Deployment", "spec/template/spec/volumes/nfs/server"),
    ("Deployment", "spec/template/metadata/annotations"),
    ("Ingress", "spec/rules/host"),
    ("Ingress", "spec/tls/hosts"),
    ("Ingress", "spec/tls/secretName"),
    ("Job", "spec/template/spec/volumes/nfs/server"),
    ("Pod", "spec/volumes/nfs/server"),
    ("ReplicaSet", "spec/template/spec/volumes/nfs/server"),
    ("Service", "spec/ports/port"),
    ("Service", "spec/ports/targetPort"),
    ("StatefulSet", "spec/volumeClaimTemplates/spec/nfs/server"),
    ("PersistentVolume", "spec/nfs/server"),
    ("", "metadata/labels"),
    ("", "metadata/annotations"),
];

/// Where `$(NAME)` is replaced by a var.
pub(super) fn variables() -> Vec<Field> {
    let mut found = Vec::new();
    for (kind, pod) in TEMPLATES {
        for list in ["containers", "initContainers"] {
            let paths = VARIABLES_IN_POD.iter().map(|path| Cow::Owned(format!("{pod}/{list}/{path}")));
            found.extend(paths.map(|path| Field { path, ..field("", "", kind, "") }));
        }
    }
    found.extend(OTHER_VARIABLES.iter().map(|(kind, path)| field("", "", kind, path)));
    found
}
