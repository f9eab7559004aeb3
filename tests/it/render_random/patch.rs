//! Random patches, and the fields that reach into other objects.

use serde_json::{Map, Value, json};

use super::{Chance, File, Folder, IMAGES, Known, LABELS, NAMES, NAMESPACES, PODDED, TEXTS};

/// Patches of all four fields, most aimed at something that exists.
pub(super) fn patches(c: &mut Chance, folder: &mut Folder, known: &[Known]) {
    if known.is_empty() || !c.percent(55) {
        return;
    }
    let mut all: Map<String, Value> = Map::new();
    for at in 0..1 + c.below(2) {
        let aim = known[c.below(known.len())].clone();
        let field = c.pick(&["patches", "patches", "patches", "patchesStrategicMerge", "patchesJson6902"]);
        let json_patch = field == "patchesJson6902" || (field == "patches" && c.percent(40));
        let patch = if json_patch { operations(c, &aim) } else { strategic(c, &aim) };
        let text = serde_yaml::to_string(&patch).unwrap();
        let file = format!("patch-{at}.yaml");
        let in_file = c.percent(40);
        if in_file {
            folder.files.push((file.clone(), File::Yaml(vec![patch])));
        }
        let entry = if field == "patchesStrategicMerge" {
            json!(if in_file { file } else { text })
        } else {
            let mut entry = if in_file { json!({"path": file}) } else { json!({"patch": text}) };
            if field == "patchesJson6902" {
                entry["target"] = exact(&aim);
            } else if json_patch || c.percent(40) {
                entry["target"] = target(c, &aim);
            }
            if field == "patches" && c.percent(8) {
                entry["options"] = json!({"allowNameChange": true, "allowKindChange": c.percent(50)});
            }
            entry
        };
        all.entry(field).or_insert_with(|| json!([])).as_array_mut().unwrap().push(entry);
    }
    folder.kustomization.extend(all);
}

fn group(version: &str) -> Option<&str> {
    version.split_once('/').map(|(group, _)| group)
}

fn exact(aim: &Known) -> Value {
    let mut target = json!({"version": aim.version.rsplit('/').next(), "kind": aim.kind, "name": aim.name});
    if let Some(group) = group(aim.version) {
        target["group"] = json!(group);
    }
    if let Some(namespace) = aim.namespace {
        target["namespace"] = json!(namespace);
    }
    target
}

fn target(c: &mut Chance, aim: &Known) -> Value {
    match c.below(6) {
        0 => json!({"kind": aim.kind}),
        1 => json!({"kind": aim.kind, "name": c.pick(&[".*", "w.*", "web|api", "(p-)?[a-z]+"])}),
        2 => json!({"kind": "Deployment|StatefulSet|DaemonSet"}),
        3 => {
            json!({"kind": aim.kind, "labelSelector": c.pick(&["app", "app=web", "tier in (web,api)", "!app", "app!=web"])})
        }
        4 => json!({"kind": aim.kind, "annotationSelector": "note"}),
        _ => exact(aim),
    }
}

/// A pod template inside the shape its kind has.
fn around(kind: &str, pod: Value) -> Value {
    match kind {
        "Pod" => json!({"spec": pod}),
        "CronJob" => json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": pod}}}}}),
        _ => json!({"spec": {"template": {"spec": pod}}}),
    }
}

fn strategic(c: &mut Chance, aim: &Known) -> Value {
    let mut patch = json!({"apiVersion": aim.version, "kind": aim.kind, "metadata": {"name": aim.name}});
    if let Some(namespace) = aim.namespace {
        patch["metadata"]["namespace"] = json!(namespace);
    }
    let body = match c.below(8) {
        0 => {
            patch["metadata"]["labels"] =
                json!({c.pick(LABELS): c.pick(&[json!("new"), Value::Null, json!("2")].each_ref()).clone()});
            json!({})
        }
        1 => {
            patch["metadata"]["annotations"] = json!({"note": null, "more": c.pick(TEXTS)});
            json!({})
        }
        2 if c.percent(20) => json!({"$patch": c.pick(&["delete", "replace"])}),
        3 => json!({"spec": {"replicas": c.below(9)}}),
        _ if PODDED.contains(&aim.kind) => around(aim.kind, pod_patch(c)),
        _ => plain_patch(c, aim.kind),
    };
    if let Value::Object(body) = body {
        patch.as_object_mut().unwrap().extend(body);
    }
    patch
}

fn pod_patch(c: &mut Chance) -> Value {
    let container = c.pick(&["main", "side", "new"]);
    match c.below(9) {
        0 => json!({"containers": [{"name": container, "image": c.pick(IMAGES)}]}),
        1 => {
            json!({"containers": [{"name": container, "env": [{"name": c.pick(&["PLAIN", "NEW"]), "value": c.pick(TEXTS)}]}]})
        }
        2 => json!({"containers": [{"name": container, "env": [{"name": "CONF", "$patch": "delete"}]}]}),
        3 => json!({"containers": [{"name": "side", "$patch": "delete"}]}),
        4 => json!({"containers": [{"name": "only", "image": "x"}, {"$patch": "replace"}]}),
        5 => {
            json!({"containers": [{"name": container, "ports": [{"containerPort": c.pick(&[8080, 53, 9090]), "protocol": c.pick(&["TCP", "UDP"])}]}]})
        }
        6 => {
            json!({"volumes": [{"name": c.pick(&["c", "v"]), "emptyDir": {}, "configMap": null}], "serviceAccountName": c.pick(NAMES)})
        }
        7 => {
            json!({"containers": [{"name": container, "args": ["--new"], "resources": {"limits": {"cpu": null, "x": "1"}}}]})
        }
        _ => {
            json!({"tolerations": [{"key": "a"}], "nodeSelector": {"$patch": "replace", "x": "y"}, "initContainers": null})
        }
    }
}

fn plain_patch(c: &mut Chance, kind: &str) -> Value {
    match kind {
        "ConfigMap" | "Secret" => {
            json!({"data": {"A": c.pick(&[json!("bmV3"), Value::Null].each_ref()).clone(), "N": "bmV3"}})
        }
        "Service" => {
            json!({"spec": {"ports": [{"port": c.pick(&[80, 53, 443]), "name": c.pick(&["dns", "n"])}], "selector": {"tier": "x"}}})
        }
        "Ingress" => json!({"spec": {"ingressClassName": "x", "rules": [{"host": "b.example"}]}}),
        "Widget" => match c.below(3) {
            0 => json!({"spec": {"list": [{"name": "a", "v": 9}], "words": ["z"]}}),
            1 => json!({"spec": {"size": null, "empty": {"x": {}}, "nothing": null, "none": 1}}),
            _ => json!({"spec": {"$patch": "replace", "only": [1, {"a": null}]}}),
        },
        "Role" | "ClusterRole" => json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["*"]}]}),
        "RoleBinding" | "ClusterRoleBinding" => json!({"subjects": [{"kind": "User", "name": "me"}]}),
        "ServiceAccount" => {
            json!({"imagePullSecrets": [{"name": c.pick(NAMES)}], "automountServiceAccountToken": false})
        }
        _ => json!({"spec": {"extra": {"labels": {"a": "b"}}}}),
    }
}

fn operations(c: &mut Chance, aim: &Known) -> Value {
    let containers = match aim.kind {
        "Pod" => "/spec/containers",
        "CronJob" => "/spec/jobTemplate/spec/template/spec/containers",
        _ => "/spec/template/spec/containers",
    };
    let mut all = Vec::new();
    for _ in 0..1 + c.below(2) {
        let podded = PODDED.contains(&aim.kind);
        let operation = match c.below(10) {
            1 => {
                all.push(json!({"op": "add", "path": "/metadata/annotations", "value": {"a": "1"}}));
                json!({"op": c.pick(&["add", "replace"]), "path": "/metadata/annotations/note", "value": c.pick(TEXTS)})
            }
            2 if podded => json!({"op": c.pick(&["add", "replace"]), "path": "/spec/replicas", "value": c.below(9)}),
            3 if podded => json!({"op": "replace", "path": format!("{containers}/0/image"), "value": c.pick(IMAGES)}),
            4 if podded => {
                json!({"op": "add", "path": format!("{containers}/{}", c.pick(&["-", "0", "1", "-1"])), "value": {"name": "j", "image": "nginx"}})
            }
            5 if podded => json!({"op": "remove", "path": format!("{containers}/{}", c.pick(&["0", "1", "-1"]))}),
            6 => {
                json!({"op": "copy", "from": c.pick(&["/metadata/name", "/metadata/none"]), "path": "/metadata/copied"})
            }
            7 => json!({"op": "test", "path": "/metadata/name", "value": aim.name}),
            8 if c.percent(20) => json!({"op": "remove", "path": "/metadata/labels/app"}),
            _ => {
                all.push(json!({"op": "add", "path": "/metadata/labels", "value": {"only": "this"}}));
                json!({"op": "add", "path": "/metadata/labels/acme.com~1x", "value": c.pick(&["1", "v"])})
            }
        };
        all.push(operation);
    }
    json!(all)
}

/// What reaches from one object into another, and transformers given as files.
pub(super) fn later(c: &mut Chance, folder: &mut Folder, known: &[Known]) {
    if known.is_empty() {
        return;
    }
    let aim = known[c.below(known.len())].clone();
    let source = known[c.below(known.len())].clone();
    if c.percent(3) {
        let path = c.pick(&["metadata.name", "metadata.namespace", "spec.replicas", "data.A"]);
        let to = c.pick(&[
            "metadata.annotations.note",
            "spec.replicas",
            "spec.template.spec.containers.[name=main].image",
            "metadata.labels.app",
        ]);
        let mut target = json!({"select": {"kind": aim.kind}, "fieldPaths": [to]});
        if c.percent(60) {
            target["options"] = json!({"create": true});
        }
        folder.kustomization.insert(
            "replacements".into(),
            json!([{"source": {"kind": source.kind, "name": source.name, "fieldPath": path}, "targets": [target]}]),
        );
    }
    if c.percent(1) {
        folder.kustomization.insert(
            "vars".into(),
            json!([{"name": "X", "objref": {"apiVersion": source.version, "kind": source.kind, "name": source.name}}]),
        );
    }
    if c.percent(1) {
        let transformer = match c.below(4) {
            0 => {
                json!({"apiVersion": "builtin", "kind": "PrefixTransformer", "metadata": {"name": "t"}, "prefix": "t-", "fieldSpecs": [{"path": "metadata/name"}]})
            }
            1 => {
                json!({"apiVersion": "builtin", "kind": "LabelTransformer", "metadata": {"name": "t"}, "labels": {"t": "l"}, "fieldSpecs": [{"path": "metadata/labels", "create": true}]})
            }
            2 => {
                json!({"apiVersion": "builtin", "kind": "NamespaceTransformer", "metadata": {"name": "t", "namespace": c.pick(NAMESPACES)}, "unsetOnly": c.percent(50)})
            }
            _ => {
                json!({"apiVersion": "builtin", "kind": "AnnotationsTransformer", "metadata": {"name": "t"}, "annotations": {"t": "a"}, "fieldSpecs": [{"path": "metadata/annotations", "create": true}]})
            }
        };
        folder.files.push(("transformer.yaml".to_owned(), File::Yaml(vec![transformer])));
        folder.kustomization.insert("transformers".into(), json!(["transformer.yaml"]));
    }
    if c.percent(1) {
        let extra = json!({
            "images": [{"path": "spec/image", "kind": "Widget"}], "namePrefix": [{"path": "metadata/name"}],
            "nameReference": [{"kind": "ConfigMap", "fieldSpecs": [{"path": "spec/text", "kind": "Widget"}]}],
        });
        folder.files.push(("config.yaml".to_owned(), File::Yaml(vec![extra])));
        folder.kustomization.insert("configurations".into(), json!(["config.yaml"]));
    }
}
