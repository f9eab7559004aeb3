//! Grows random trees of kustomizations: bases, components and overlays with all that is rendered, mixed as people never would.

use serde_json::{Map, Value, json};

/// One file of a tree: a YAML document stream, or plain text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum File {
    Yaml(Vec<Value>),
    Text(String),
}

/// A folder with its kustomization and the files beside it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Folder {
    pub(super) name: String,
    pub(super) kustomization: Map<String, Value>,
    pub(super) files: Vec<(String, File)>,
}

/// A tree: `env` is rendered.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Grown {
    pub(super) folders: Vec<Folder>,
}

/// Chance, the same for the same seed on every machine (splitmix64).
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// True in `percent` of a hundred cases.
    fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn some<'t>(&mut self, percent: usize, all: &[&'t str]) -> Option<&'t str> {
        self.percent(percent).then(|| self.pick(all))
    }
}

const NAMES: &[&str] = &["web", "api", "db", "conf"];
const NAMESPACES: &[&str] = &["default", "prod", "team-a"];
const IMAGES: &[&str] = &[
    "nginx",
    "nginx:1.19",
    "ghcr.io/acme/web:v1",
    "localhost:5000/web",
    "ghcr.io/acme/web@sha256:24a0c4b4a4c0eb97a1aabb8e29f18e917d05abfe1b7a7c07857230879ce7d3d3",
    "busybox:1@sha256:24a0c4b4a4c0eb97a1aabb8e29f18e917d05abfe1b7a7c07857230879ce7d3d3",
];
const TEXTS: &[&str] = &[
    "a",
    "x y",
    "true",
    "1",
    "1.10",
    "",
    "yes",
    "null",
    "0777",
    "a: b",
    "# no",
    "two\nlines\n",
    "ü",
    "'q'",
    "$(X)",
    "%d",
];
const LABELS: &[&str] = &["app", "tier", "app.kubernetes.io/name", "env"];
/// Kinds, their apiVersion, and whether they have a pod template at `spec.template`.
const KINDS: &[(&str, &str)] = &[
    ("Deployment", "apps/v1"),
    ("Deployment", "apps/v1"),
    ("StatefulSet", "apps/v1"),
    ("DaemonSet", "apps/v1"),
    ("Job", "batch/v1"),
    ("CronJob", "batch/v1"),
    ("Pod", "v1"),
    ("Service", "v1"),
    ("Service", "v1"),
    ("Ingress", "networking.k8s.io/v1"),
    ("ConfigMap", "v1"),
    ("ConfigMap", "v1"),
    ("Secret", "v1"),
    ("ServiceAccount", "v1"),
    ("Role", "rbac.authorization.k8s.io/v1"),
    ("ClusterRole", "rbac.authorization.k8s.io/v1"),
    ("RoleBinding", "rbac.authorization.k8s.io/v1"),
    ("ClusterRoleBinding", "rbac.authorization.k8s.io/v1"),
    ("HorizontalPodAutoscaler", "autoscaling/v2"),
    ("PodDisruptionBudget", "policy/v1"),
    ("NetworkPolicy", "networking.k8s.io/v1"),
    ("PersistentVolumeClaim", "v1"),
    ("PersistentVolume", "v1"),
    ("StorageClass", "storage.k8s.io/v1"),
    ("Namespace", "v1"),
    ("CustomResourceDefinition", "apiextensions.k8s.io/v1"),
    ("Widget", "example.com/v1"),
    ("ValidatingWebhookConfiguration", "admissionregistration.k8s.io/v1"),
    ("APIService", "apiregistration.k8s.io/v1"),
    ("PriorityClass", "scheduling.k8s.io/v1"),
];
const PODDED: &[&str] = &["Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod"];

/// What is known of an object while growing: enough to aim a patch at it.
#[derive(Debug, Clone)]
struct Known {
    kind: &'static str,
    version: &'static str,
    name: String,
    namespace: Option<&'static str>,
}

/// The tree of a seed.
pub(super) fn grow(seed: u64) -> Grown {
    let mut chance = Chance::new(seed);
    let c = &mut chance;
    let mut known = Vec::new();
    let mut folders = vec![folder(c, "base", &[], &mut known, true)];
    let mut below = vec!["../base"];
    if c.percent(15) {
        folders.push(folder(c, "base2", &[], &mut known, true));
        if c.percent(70) {
            below.push("../base2");
        }
    }
    if c.percent(40) {
        folders.push(folder(c, "mid", &below, &mut known, false));
        // Sometimes a diamond.
        below = if c.percent(20) {
            folders.push(folder(c, "other", &["../base"], &mut known, false));
            vec!["../mid", "../other"]
        } else {
            vec!["../mid"]
        };
    }
    let mut env = folder(c, "env", &below, &mut known, false);
    if c.percent(25) {
        let mut part = folder(c, "part", &[], &mut known, false);
        part.kustomization.insert("apiVersion".into(), json!("kustomize.config.k8s.io/v1alpha1"));
        part.kustomization.insert("kind".into(), json!("Component"));
        env.kustomization.insert("components".into(), json!(["../part"]));
        folders.push(part);
    }
    if let Some(order) = c.percent(30).then(|| c.below(3)) {
        let order = match order {
            0 => json!({"order": "fifo"}),
            1 => json!({"order": "legacy"}),
            _ => {
                json!({"order": "legacy", "legacySortOptions": {"orderFirst": ["Service", "Deployment"], "orderLast": ["Namespace"]}})
            }
        };
        env.kustomization.insert("sortOptions".into(), order);
    }
    folders.push(env);
    Grown { folders }
}

fn folder(c: &mut Chance, name: &str, below: &[&str], known: &mut Vec<Known>, base: bool) -> Folder {
    let mut folder = Folder { name: name.to_owned(), kustomization: Map::new(), files: Vec::new() };
    let mut resources: Vec<String> = below.iter().map(|path| (*path).to_owned()).collect();
    let count = if base { 1 + c.below(5) } else { c.below(10).saturating_sub(7) };
    let mut objects = Vec::new();
    for _ in 0..count {
        let (kind, version) = c.pick(KINDS);
        let name = c.pick(NAMES);
        let namespace = c.some(20, NAMESPACES);
        if known.iter().any(|k| k.kind == kind && k.name == name) {
            continue;
        }
        objects.push(object(c, kind, version, name, namespace));
        known.push(Known { kind, version, name: name.to_owned(), namespace });
    }
    if !objects.is_empty() {
        resources.push("objects.yaml".to_owned());
        folder.files.push(("objects.yaml".to_owned(), File::Yaml(objects)));
    }
    if !resources.is_empty() {
        folder.kustomization.insert("resources".into(), json!(resources));
    }
    generators(c, &mut folder, known);
    fields(c, &mut folder, known);
    patches(c, &mut folder, known);
    later(c, &mut folder, known);
    folder
}

/// Fields of one value, and lists of little things.
fn fields(c: &mut Chance, folder: &mut Folder, known: &[Known]) {
    let k = &mut folder.kustomization;
    let mut put = |name: &str, value: Value| k.insert(name.to_owned(), value);
    if c.percent(25) {
        put("namespace", json!(c.pick(NAMESPACES)));
    }
    if c.percent(25) {
        put("namePrefix", json!(c.pick(&["p-", "x-"])));
    }
    if c.percent(20) {
        put("nameSuffix", json!(c.pick(&["-s", "-v2"])));
    }
    if c.percent(15) {
        put("commonLabels", json!({c.pick(LABELS): c.pick(&["one", "two", "1", "true"])}));
    }
    if c.percent(20) {
        let mut labels = json!({"pairs": {c.pick(LABELS): c.pick(&["l1", "l2", "3"])}});
        for flag in ["includeSelectors", "includeTemplates"] {
            if c.percent(30) {
                labels[flag] = json!(c.percent(80));
            }
        }
        if c.percent(3) {
            labels["fields"] = json!([{"path": "spec/extra/labels", "create": c.percent(60), "kind": "Widget"}]);
        }
        put("labels", json!([labels]));
    }
    if c.percent(20) {
        put("commonAnnotations", json!({c.pick(&["note", "acme.com/x"]): c.pick(&["en", "1", "a b"])}));
    }
    if c.percent(25) {
        let images: Vec<Value> = (0..1 + c.below(2)).map(|_| image(c)).collect();
        put("images", json!(images));
    }
    if c.percent(15) {
        // What has no such object is refused: seldom of interest.
        let scaled = known.iter().find(|known| matches!(known.kind, "Deployment" | "StatefulSet"));
        let name = scaled.map_or("none", |known| known.name.as_str());
        if scaled.is_some() || c.percent(5) {
            put("replicas", json!([{"name": name, "count": c.below(9)}]));
        }
    }
    if c.percent(10) {
        let mut options = json!({});
        if c.percent(50) {
            options["disableNameSuffixHash"] = json!(true);
        }
        if c.percent(50) {
            options["labels"] = json!({"gen": "shared"});
        }
        if c.percent(30) {
            options["annotations"] = json!({"gen": "note"});
        }
        if c.percent(20) {
            options["immutable"] = json!(true);
        }
        put("generatorOptions", options);
    }
}

fn image(c: &mut Chance) -> Value {
    let name = c.pick(&["nginx", "ghcr.io/acme/web", "localhost:5000/web", "busybox", "web"]);
    let mut image = json!({"name": name});
    if c.percent(40) {
        image["newName"] = json!(c.pick(&["registry:443/new/nginx", "other"]));
    }
    match c.below(4) {
        0 => image["digest"] = json!("sha256:aaaa"),
        1 => {}
        _ => image["newTag"] = json!(c.pick(&["v2", "1.20", "latest"])),
    }
    image
}

fn generators(c: &mut Chance, folder: &mut Folder, known: &mut Vec<Known>) {
    for (field, kind) in [("configMapGenerator", "ConfigMap"), ("secretGenerator", "Secret")] {
        if !c.percent(25) {
            continue;
        }
        let name = c.pick(NAMES);
        let exists = known.iter().any(|k| k.kind == kind && k.name == name);
        let mut entry = json!({"name": name});
        if exists {
            entry["behavior"] = json!(c.pick(&["merge", "replace"]));
        } else if c.percent(20) {
            entry["behavior"] = json!("create");
        }
        if c.percent(15) {
            entry["namespace"] = json!(c.pick(NAMESPACES));
        }
        if c.percent(70) {
            entry["literals"] = json!([format!("A={}", c.pick(TEXTS).replace('\n', " ")), "B=two"]);
        }
        if c.percent(35) {
            folder.files.push((format!("{kind}.txt"), File::Text(c.pick(TEXTS).repeat(1 + c.below(3)))));
            entry["files"] = json!([c.pick(&["K.txt", "key=K.txt"]).replace('K', kind)]);
        }
        if c.percent(25) {
            let text = format!("# no\nE1={}\n\n E2=b \n", c.pick(&["1", "a b", "\"q\"", ""]));
            folder.files.push((format!("{kind}.env"), File::Text(text)));
            entry["envs"] = json!([format!("{kind}.env")]);
        }
        if kind == "Secret" && c.percent(30) {
            entry["type"] = json!("Opaque");
        }
        if c.percent(30) {
            let mut options = json!({"labels": {"own": c.pick(&["o", "1"])}});
            if c.percent(40) {
                options["disableNameSuffixHash"] = json!(true);
            }
            if c.percent(20) {
                options["immutable"] = json!(true);
            }
            entry["options"] = options;
        }
        folder.kustomization.insert(field.to_owned(), json!([entry]));
        if !exists {
            known.push(Known { kind, version: "v1", name: name.to_owned(), namespace: None });
        }
    }
}

fn object(c: &mut Chance, kind: &str, version: &str, name: &str, namespace: Option<&str>) -> Value {
    let mut metadata = json!({"name": name});
    if let Some(namespace) = namespace {
        metadata["namespace"] = json!(namespace);
    }
    if c.percent(40) {
        metadata["labels"] = json!({c.pick(LABELS): name});
    }
    if c.percent(20) {
        metadata["annotations"] = json!({"note": c.pick(TEXTS), "kept": "1"});
    }
    let mut object = json!({"apiVersion": version, "kind": kind, "metadata": metadata});
    if let Some(Value::Object(body)) = Some(body(c, kind, name)) {
        for (key, value) in body {
            object[key] = value;
        }
    }
    object
}

fn body(c: &mut Chance, kind: &str, name: &str) -> Value {
    let other = c.pick(NAMES);
    let namespace = c.pick(NAMESPACES);
    match kind {
        "Pod" => json!({"spec": pod(c)}),
        "Job" => json!({"spec": {"template": template(c, name)}}),
        "CronJob" => {
            json!({"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": template(c, name)}}}})
        }
        "Deployment" | "StatefulSet" | "DaemonSet" => {
            let mut spec = json!({"selector": {"matchLabels": {"app": name}}, "template": template(c, name)});
            if kind != "DaemonSet" && c.percent(60) {
                spec["replicas"] = json!(c.below(5));
            }
            if kind == "StatefulSet" {
                spec["serviceName"] = json!(other);
                if c.percent(50) {
                    spec["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": other}}]);
                }
            }
            json!({"spec": spec})
        }
        "Service" => {
            let mut spec = json!({"selector": {"app": name}, "ports": [{"port": 80, "targetPort": "http"}, {"port": 53, "protocol": "UDP", "name": "dns"}]});
            if c.percent(20) {
                spec.as_object_mut().unwrap().remove("selector");
            }
            if c.percent(20) {
                spec["type"] = json!("LoadBalancer");
            }
            json!({"spec": spec})
        }
        "Ingress" => json!({"spec": {
            "tls": [{"secretName": other, "hosts": ["a.example"]}],
            "rules": [{"host": "a.example", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": other, "port": {"number": 80}}}}]}}],
        }}),
        "ConfigMap" => json!({"data": {"A": c.pick(TEXTS), "only": c.pick(TEXTS)}}),
        "Secret" => json!({"type": "Opaque", "data": {"A": "YQ=="}}),
        "ServiceAccount" => json!({"imagePullSecrets": [{"name": other}], "secrets": [{"name": other}]}),
        "Role" | "ClusterRole" => {
            json!({"rules": [{"apiGroups": [""], "resources": ["secrets", "configmaps"], "resourceNames": [other, name], "verbs": ["get"]}]})
        }
        "RoleBinding" | "ClusterRoleBinding" => {
            let role = if kind == "RoleBinding" { c.pick(&["Role", "ClusterRole"]) } else { "ClusterRole" };
            let mut subject = json!({"kind": "ServiceAccount", "name": c.pick(&["default", "web", "api"])});
            if c.percent(70) {
                subject["namespace"] = json!(namespace);
            }
            json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": other}, "subjects": [subject]})
        }
        "HorizontalPodAutoscaler" => {
            let target = c.pick(&["Deployment", "StatefulSet"]);
            json!({"spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": target, "name": other}}})
        }
        "PodDisruptionBudget" => json!({"spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": name}}}}),
        "NetworkPolicy" => json!({"spec": {
            "podSelector": {"matchLabels": {"app": name}},
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": other}}}, {"namespaceSelector": {"matchLabels": {"x": "y"}}}]}],
        }}),
        "PersistentVolumeClaim" => {
            json!({"spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": other, "volumeName": other}})
        }
        "PersistentVolume" => {
            json!({"spec": {"storageClassName": other, "claimRef": {"name": other, "namespace": namespace}}})
        }
        "StorageClass" => json!({"provisioner": "x"}),
        "CustomResourceDefinition" => json!({"spec": {
            "group": "example.com", "names": {"kind": "Widget", "plural": "widgets"}, "scope": "Namespaced",
            "conversion": {"strategy": "Webhook", "webhook": {"clientConfig": {"service": {"name": other, "namespace": namespace}}}},
        }}),
        "Widget" => json!({"spec": {
            "size": c.below(9), "image": c.pick(IMAGES), "replicas": 1, "list": [{"name": "a", "v": 1}, {"name": "b", "v": 2}], "words": ["x", "y"],
            "selector": {"matchLabels": {"app": name}}, "text": c.pick(TEXTS), "none": null, "empty": {}, "nothing": [],
        }}),
        "ValidatingWebhookConfiguration" => {
            json!({"webhooks": [{"name": "a.example.com", "clientConfig": {"service": {"name": other, "namespace": namespace}}}]})
        }
        "APIService" => json!({"spec": {"service": {"name": other, "namespace": namespace}, "version": "v1"}}),
        "PriorityClass" => json!({"value": 5}),
        _ => json!({}),
    }
}

fn template(c: &mut Chance, name: &str) -> Value {
    json!({"metadata": {"labels": {"app": name}}, "spec": pod(c)})
}

fn pod(c: &mut Chance) -> Value {
    let containers: Vec<Value> = ["main", "side"][..1 + c.below(2)].iter().map(|name| container(c, name)).collect();
    let mut pod = json!({"containers": containers});
    let other = c.pick(NAMES);
    if c.percent(20) {
        pod["initContainers"] = json!([container(c, "init")]);
    }
    if c.percent(30) {
        pod["serviceAccountName"] = json!(other);
    }
    if c.percent(15) {
        pod["imagePullSecrets"] = json!([{"name": other}]);
    }
    if c.percent(10) {
        pod["priorityClassName"] = json!(other);
    }
    if c.percent(30) {
        pod["volumes"] = json!([
            {"name": "c", "configMap": {"name": other}},
            {"name": "s", "secret": {"secretName": c.pick(NAMES)}},
            {"name": "p", "persistentVolumeClaim": {"claimName": c.pick(NAMES)}},
            {"name": "m", "projected": {"sources": [{"configMap": {"name": c.pick(NAMES)}}, {"secret": {"name": other}}]}},
        ]);
    }
    if c.percent(10) {
        let term = json!({"labelSelector": {"matchLabels": {"app": other}}, "topologyKey": "kubernetes.io/hostname"});
        pod["affinity"] = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}});
    }
    if c.percent(10) {
        pod["topologySpreadConstraints"] =
            json!([{"maxSkew": 1, "topologyKey": "zone", "labelSelector": {"matchLabels": {"app": other}}}]);
    }
    pod
}

fn container(c: &mut Chance, name: &str) -> Value {
    let mut container = json!({"name": name, "image": c.pick(IMAGES)});
    let other = c.pick(NAMES);
    if c.percent(40) {
        container["env"] = json!([
            {"name": "PLAIN", "value": c.pick(TEXTS)},
            {"name": "CONF", "valueFrom": {"configMapKeyRef": {"name": other, "key": "A"}}},
            {"name": "SEC", "valueFrom": {"secretKeyRef": {"name": c.pick(NAMES), "key": "A"}}},
        ]);
    }
    if c.percent(20) {
        container["envFrom"] = json!([{"configMapRef": {"name": other}}, {"secretRef": {"name": c.pick(NAMES)}}]);
    }
    if c.percent(30) {
        container["ports"] = json!([{"containerPort": 8080, "name": "http"}, {"containerPort": 53, "protocol": "UDP"}]);
    }
    if c.percent(20) {
        container["args"] = json!(["--x", c.pick(TEXTS)]);
    }
    if c.percent(20) {
        container["resources"] = json!({"limits": {"cpu": "1", "memory": "1Gi"}});
    }
    if c.percent(15) {
        container["volumeMounts"] =
            json!([{"name": "c", "mountPath": "/c"}, {"name": "s", "mountPath": "/s", "readOnly": true}]);
    }
    container
}

#[path = "patch.rs"]
mod patch;
use self::patch::{later, patches};
