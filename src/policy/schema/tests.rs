use super::catalog::{CUSTOM, KUBERNETES};
use super::*;
use crate::manifest::{load, objects};
use crate::model::pipeline::{NEWEST_KUBERNETES, OLDEST_KUBERNETES};

/// What is said of a text, as `line rule message`.
fn said(text: &str, minor: u32) -> Vec<String> {
    let loaded = load(&"app.yaml".parse().unwrap(), text.as_bytes());
    assert_eq!(loaded.problems, []);
    let (objects, problems) = objects(&loaded);
    assert_eq!(problems, []);
    let show = |(_, fault): (&Object, Fault)| format!("{} {} {}", fault.at.line, fault.rule, fault.message);
    faults(&objects, (&[], None), minor).into_iter().map(show).collect()
}

#[test]
fn every_minor_has_its_kinds() {
    for minor in OLDEST_KUBERNETES..=NEWEST_KUBERNETES {
        for (api, kind) in [("apps/v1", "Deployment"), ("v1", "Secret"), ("networking.k8s.io/v1", "Ingress")] {
            let schema = KUBERNETES.find(api, kind, minor).flatten().and_then(|at| KUBERNETES.schema(at)).unwrap();
            assert!(schema.fields.len() >= 4, "{kind} in 1.{minor}");
        }
    }
    let gone = KUBERNETES.find("flowcontrol.apiserver.k8s.io/v1beta3", "FlowSchema", 32);
    assert_eq!((gone, KUBERNETES.find("acme.dev/v1", "Tea", 32)), (Some(None), None));
    for (api, kind) in [
        ("kustomize.toolkit.fluxcd.io/v1", "Kustomization"),
        ("cert-manager.io/v1", "Certificate"),
        ("external-secrets.io/v1", "ExternalSecret"),
        ("gateway.networking.k8s.io/v1", "HTTPRoute"),
        ("monitoring.coreos.com/v1", "ServiceMonitor"),
        ("flagger.app/v1beta1", "Canary"),
        ("networking.istio.io/v1", "VirtualService"),
        ("karpenter.sh/v1", "NodePool"),
        ("argoproj.io/v1alpha1", "Application"),
        ("velero.io/v1", "Backup"),
    ] {
        assert!(CUSTOM.find(api, kind, 0).flatten().is_some(), "{api} {kind}");
    }
}

#[test]
fn what_is_filled_in_or_decrypted_later_is_not_judged() {
    let text = "apiVersion: apps/v1
kind: Deployment
metadata: { name: a, labels: { '${key}': '${value}' } }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: a } }
  template: { metadata: { labels: { app: a } }, spec: { containers: [{ name: a, ports: '${ports}' }] } }
---
apiVersion: v1
kind: Secret
metadata: { name: b }
immutable: ENC[AES256_GCM,data:dHJ1ZQ==,type:bool]
data: { key: 'ENC[AES256_GCM,data:abc,type:str]' }
sops: { mac: 'ENC[AES256_GCM,data:abc,type:str]', version: 3.9.0 }
";
    assert_eq!(said(text, 33), [""; 0]);
    assert_eq!(said(&text.replace("sops: { mac:", "sops: { x:"), 33), ["14 SCH-001 `sops` is no field of Secret"]);
}

#[test]
fn nothing_is_not_everything() {
    let text = "apiVersion: v1
kind: Pod
metadata: { name: a, labels: null }
spec:
  nodeName: null
  containers:
    - { name: null, resources: { limits: { cpu: null, memory: 1Gi, x: 2 } } }
";
    assert_eq!(
        said(text, 33),
        [
            "7 SCH-002 `spec.containers[0].name` is null, and text is needed",
            "7 SCH-002 `spec.containers[0].resources.limits.cpu` is null, and an amount such as `500m` or `2Gi` is needed",
        ]
    );
}

#[test]
fn apis_come_and_go_with_the_minors() {
    let of = |api: &str, kind: &str, minor| {
        said(&format!("apiVersion: {api}\nkind: {kind}\nmetadata: {{ name: a }}\n"), minor)
    };
    insta::assert_snapshot!(of("flowcontrol.apiserver.k8s.io/v1beta3", "FlowSchema", 31).join("\n"), @"1 SCH-006 `flowcontrol.apiserver.k8s.io/v1beta3` FlowSchema is no longer served in Kubernetes 1.32; use `flowcontrol.apiserver.k8s.io/v1`");
    insta::assert_snapshot!(of("flowcontrol.apiserver.k8s.io/v1beta3", "FlowSchema", 33).join("\n"), @"1 SCH-005 Kubernetes 1.33 does not serve `flowcontrol.apiserver.k8s.io/v1beta3` FlowSchema; use `flowcontrol.apiserver.k8s.io/v1`");
    insta::assert_snapshot!(of("networking.k8s.io/v1", "ServiceCIDR", 31).join("\n"), @"1 SCH-005 Kubernetes 1.31 does not serve `networking.k8s.io/v1` ServiceCIDR yet; 1.33 is the first to");
    insta::assert_snapshot!(of("extensions/v1beta1", "Ingress", 33).join("\n"), @"1 SCH-005 Kubernetes 1.33 does not serve `extensions/v1beta1` Ingress; use `networking.k8s.io/v1`");
    insta::assert_snapshot!(of("apps/v1", "Deploymnt", 33).join("\n"), @"1 SCH-005 Kubernetes 1.33 does not serve `apps/v1` Deploymnt; did you mean Deployment?");
    insta::assert_snapshot!(of("v1", "StatefulSet", 33).join("\n"), @"1 SCH-005 Kubernetes 1.33 does not serve `v1` StatefulSet; StatefulSet is in `apps/v1`");
    assert_eq!(of("apps/v1", "ControllerRevision", 33), ["1 SCH-003 `revision` is missing"]);
}

#[test]
fn custom_resources_are_held_to_what_the_repository_brings_first() {
    let crd = |versions: &str| {
        format!(
            "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{ name: canaries.flagger.app }}
spec:
  group: flagger.app
  scope: Namespaced
  names: {{ kind: Canary, plural: canaries }}
  versions: [{{ name: v1beta1, served: true, storage: true, schema: {{ openAPIV3Schema: {versions} }} }}]
---
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {{ name: a }}
spec: {{ size: 3, port: 8x, when: 5x }}
more: {{ a: 1 }}
"
        )
    };
    let own = "{ type: object, required: [status], properties: { spec: { type: object, properties: {
      size: { type: integer, maximum: 2 }, port: { x-kubernetes-int-or-string: true, anyOf: [{ type: integer }, { type: string }], pattern: '^[0-9]+$' },
      when: { type: string, format: duration }, list: { type: array, items: { type: object, properties: { a: { type: string } } } } }, not: { required: [port] } } } }";
    insta::assert_snapshot!(said(&crd(own), 33).join("\n"), @"
    15 SCH-004 `spec.size` is above 2
    15 SCH-004 `spec.port` does not match `^[0-9]+$`
    15 SCH-004 `spec.when` is no duration
    15 SCH-004 `spec` has a form its schema rules out
    16 SCH-001 `more` is no field of Canary
    12 SCH-003 `status` is missing
    ");
    let free = "{ type: object, x-kubernetes-preserve-unknown-fields: true }";
    assert_eq!(said(&crd(free), 33), [""; 0]);
}

#[test]
fn a_large_object_costs_what_it_holds() {
    let items: String = (0..20_000).map(|n| format!("  key{n}: value\n")).collect();
    assert_eq!(said(&format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: a }}\ndata:\n{items}"), 33), [""; 0]);
    let wrong: String = (0..2_000).map(|n| format!("key{n}: value\n")).collect();
    assert_eq!(said(&format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: a }}\n{wrong}"), 33).len(), 50);
}

#[test]
fn kinds_that_come_along_bring_their_defaults_and_rules() {
    let gateway = |address: &str, hostname: &str| {
        format!(
            "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{ name: web }}
spec:
  gatewayClassName: c
  addresses: [{address}]
  listeners: [{{ name: http, port: 80, protocol: {hostname} }}]
"
        )
    };
    assert_eq!(said(&gateway("{ value: 192.0.2.1 }", "HTTP"), 33), [""; 0]);
    assert_eq!(
        said(&gateway("{ type: Hostname, value: 192.0.2.1 }, { type: Hostname, value: 192.0.2.1 }", "HTTP"), 33),
        ["6 SCH-008 Hostname values must be unique"]
    );
}
