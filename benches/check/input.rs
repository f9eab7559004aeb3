//! A repository of many documents: seven kinds an application, a few of them broken.

use std::fmt::Write as _;
use std::path::Path;

/// One of each kind.
pub(crate) const DOCUMENTS_A_FILE: usize = 7;
/// Documents that break their schema, whatever the size.
pub(crate) const INVALID: usize = 32;
/// Documents of one environment: a cluster's worth.
const IN_ONE: usize = 10_000;
/// A hundred folders, as platform repositories have them; in one, a directory listing would be part of the figures.
const FOLDERS: usize = 100;

/// Written to a temporary folder, which goes with it.
pub(crate) struct Repository(tempfile::TempDir);

impl Repository {
    pub(crate) fn new(documents: usize, policy: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        // What Trunkline looks for to know where the repository begins.
        std::fs::create_dir(root.path().join(".git")).unwrap();
        let paths = if policy.is_empty() { "[]" } else { "[policies]" };
        let environments = documents.div_ceil(IN_ONE);
        let mut settings = String::from("version: 1\nmode: enforce\napps: {}\nenvironments:\n");
        for at in 0..environments {
            // Writing to a String cannot fail.
            let _ = writeln!(
                settings,
                "  prod-{at}: {{ path: environments/prod-{at}, takes: releases, kubernetes: \"1.33\" }}"
            );
        }
        let _ = writeln!(settings, "policies: {{ packs: [recommended], paths: {paths} }}");
        write(".github/trunkline.yaml", &settings);
        if !policy.is_empty() {
            write("policies/rules.rego", policy);
        }
        let files = documents.div_ceil(DOCUMENTS_A_FILE);
        let every = (files / INVALID).max(1);
        for file in 0..files {
            let broken = file % every == 0 && file / every < INVALID;
            let path = format!("environments/prod-{}/{:02}/app-{file:05}.yaml", file % environments, file % FOLDERS);
            write(&path, &application(file, broken));
        }
        Self(root)
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }
}

fn application(number: usize, broken: bool) -> String {
    let name = format!("app-{number:05}");
    let replicas = if broken { "\"two\"" } else { "2" };
    let mut out = format!(
        "apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  namespace: {name}
  labels: {{ app: {name}, team: checkout }}
spec:
  replicas: {replicas}
  selector:
    matchLabels:
      app: {name}
  template:
    metadata:
      labels:
        app: {name}
        team: checkout
    spec:
      securityContext:
        runAsNonRoot: true
        seccompProfile:
          type: RuntimeDefault
      containers:
        - name: app
          image: ghcr.io/acme/{name}:v1.{number}.0
          ports:
            - name: http
              containerPort: 8080
          env:
            - name: LOG_LEVEL
              value: info
            - name: GREETING
              valueFrom:
                configMapKeyRef:
                  name: {name}
                  key: greeting
          readinessProbe:
            httpGet:
              path: /ready
              port: http
            periodSeconds: 5
          resources:
            requests:
              cpu: 100m
              memory: 128Mi
            limits:
              memory: 256Mi
          securityContext:
            allowPrivilegeEscalation: false
            capabilities:
              drop: [ALL]
---
apiVersion: v1
kind: Service
metadata:
  name: {name}
  namespace: {name}
spec:
  selector:
    app: {name}
  ports:
    - name: http
      port: 80
      targetPort: http
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {name}
  namespace: {name}
data:
  greeting: hello
"
    );
    for line in 0..12 {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "  setting-{line}: \"value {line} of {name}\"");
    }
    let _ = write!(
        out,
        "---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {name}
  namespace: {name}
spec:
  minAvailable: 1
  selector:
    matchLabels:
      app: {name}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {name}
  namespace: {name}
spec:
  podSelector:
    matchLabels:
      app: {name}
  policyTypes: [Ingress]
  ingress:
    - from:
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: ingress
      ports:
        - protocol: TCP
          port: 8080
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {name}
  namespace: {name}
spec:
  ingressClassName: public
  tls:
    - hosts: [{name}.acme.example]
      secretName: {name}-tls
  rules:
    - host: {name}.acme.example
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service:
                name: {name}
                port:
                  name: http
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {name}
  namespace: {name}
  labels:
    team: checkout
"
    );
    out
}

/// Ten rules of the kind that conftest's users write; two of them find something.
pub(crate) const POLICY: &str = r#"package main

import rego.v1

containers contains container if some container in input.spec.template.spec.containers

deny contains msg if {
	input.kind == "Deployment"
	not input.metadata.annotations.owner
	msg := sprintf("%s has no owner", [input.metadata.name])
}

deny contains msg if {
	input.kind == "Service"
	input.spec.type == "LoadBalancer"
	msg := sprintf("%s is open to the world", [input.metadata.name])
}

deny contains msg if {
	some container in containers
	endswith(container.image, ":latest")
	msg := sprintf("%s uses latest", [container.name])
}

deny contains msg if {
	some container in containers
	not container.resources.limits.memory
	msg := sprintf("%s has no memory limit", [container.name])
}

deny contains msg if {
	some container in containers
	container.securityContext.privileged
	msg := sprintf("%s is privileged", [container.name])
}

deny contains msg if {
	input.spec.template.spec.hostNetwork
	msg := sprintf("%s uses the host's network", [input.metadata.name])
}

deny contains msg if {
	some container in containers
	not startswith(container.image, "ghcr.io/acme/")
	msg := sprintf("%s comes from elsewhere", [container.image])
}

deny contains msg if {
	input.kind == "Ingress"
	some rule in input.spec.rules
	not endswith(rule.host, ".acme.example")
	msg := sprintf("%s is not ours", [rule.host])
}

deny contains msg if {
	input.kind == "ConfigMap"
	some key, value in input.data
	contains(lower(key), "password")
	msg := sprintf("%s holds a password", [key])
}

deny contains msg if {
	input.kind == "PodDisruptionBudget"
	input.spec.minAvailable == 1
	not input.metadata.labels.team
	msg := sprintf("%s has no team", [input.metadata.name])
}
"#;
