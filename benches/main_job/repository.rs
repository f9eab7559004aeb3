//! The repository that is measured: many applications, each a base and three overlays, 19 files an application.

use std::fmt::Write as _;

/// The environments of each application.
pub(crate) const ENVIRONMENTS: [&str; 3] = ["dev", "staging", "prod"];

/// An application's name.
pub(crate) fn app(number: usize) -> String {
    format!("app{number:04}")
}

/// How many of the applications the configuration lists: as many as it may.
pub(crate) fn configured(apps: usize) -> usize {
    apps.min(1_000)
}

/// The overlay that is the `number`th of all, spread over the applications.
pub(crate) fn overlay(number: usize, apps: usize) -> String {
    format!("apps/{}/overlays/{}", app(number % apps), ENVIRONMENTS[number / apps % 3])
}

/// Every file of a repository with `apps` applications: 19 each, and the configuration.
pub(crate) fn files(apps: usize) -> Vec<(String, Vec<u8>)> {
    let mut files = vec![(".github/trunkline.yaml".to_owned(), configuration(configured(apps)).into_bytes())];
    for number in 0..apps {
        let name = app(number);
        let mut put = |path: &str, text: String| files.push((format!("apps/{name}/{path}"), text.into_bytes()));
        put("base/kustomization.yaml", KUSTOMIZATION.to_owned());
        for (path, text) in BASE {
            put(&format!("base/{path}"), text.replace("NAME", &name));
        }
        for environment in ENVIRONMENTS {
            for (path, text) in OVERLAY {
                let text = text.replace("NAME", &name).replace("ENV", environment);
                put(&format!("overlays/{environment}/{path}"), text);
            }
        }
    }
    files
}

/// What a pull request writes into an overlay: the memory limit of its patch, different each time.
pub(crate) fn patch(overlay: &str, megabytes: usize) -> (String, Option<Vec<u8>>) {
    let name = overlay.split('/').nth(1).unwrap_or_default();
    let text = OVERLAY[2].1.replace("NAME", name).replace("512Mi", &format!("{megabytes}Mi"));
    (format!("{overlay}/resources.yaml"), Some(text.into_bytes()))
}

fn configuration(apps: usize) -> String {
    let mut text = String::from("version: 1\nmode: enforce\napps:\n");
    for number in 0..apps {
        let name = app(number);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {name}: {{ source: acme/shop, tags: \"{name}/v*\", images: [ghcr.io/acme/{name}] }}");
    }
    text.push_str("environments:\n");
    for (name, takes) in ENVIRONMENTS.into_iter().zip(["trunk", "prereleases", "releases"]) {
        let _ = writeln!(text, "  {name}: {{ path: \"apps/{{app}}/overlays/{name}\", takes: {takes} }}");
    }
    text.push_str("policies: { packs: [recommended] }\n");
    text
}

const KUSTOMIZATION: &str = "apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
- config.yaml
- deployment.yaml
- service.yaml
- account.yaml
- autoscaler.yaml
- ingress.yaml
";

const BASE: [(&str, &str); 6] = [
    (
        "config.yaml",
        "apiVersion: v1
kind: ConfigMap
metadata:
  name: NAME
data:
  LOG_LEVEL: info
  REGION: eu-central-1
  FEATURES: \"search,checkout,reviews\"
  UPSTREAM: http://backend.NAME.svc:8080
",
    ),
    (
        "deployment.yaml",
        "apiVersion: apps/v1
kind: Deployment
metadata:
  name: NAME
  labels:
    app.kubernetes.io/name: NAME
spec:
  replicas: 2
  selector:
    matchLabels:
      app.kubernetes.io/name: NAME
  template:
    metadata:
      labels:
        app.kubernetes.io/name: NAME
    spec:
      serviceAccountName: NAME
      automountServiceAccountToken: false
      securityContext:
        runAsNonRoot: true
        seccompProfile:
          type: RuntimeDefault
      containers:
      - name: NAME
        image: ghcr.io/acme/NAME:v1.0.0
        ports:
        - name: http
          containerPort: 8080
        envFrom:
        - configMapRef:
            name: NAME
        readinessProbe:
          httpGet:
            path: /healthz
            port: http
        resources:
          requests:
            cpu: 100m
            memory: 128Mi
          limits:
            memory: 256Mi
        securityContext:
          allowPrivilegeEscalation: false
          readOnlyRootFilesystem: true
          capabilities:
            drop: [ALL]
",
    ),
    (
        "service.yaml",
        "apiVersion: v1
kind: Service
metadata:
  name: NAME
spec:
  selector:
    app.kubernetes.io/name: NAME
  ports:
  - name: http
    port: 80
    targetPort: http
",
    ),
    (
        "account.yaml",
        "apiVersion: v1
kind: ServiceAccount
metadata:
  name: NAME
automountServiceAccountToken: false
",
    ),
    (
        "autoscaler.yaml",
        "apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: NAME
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: NAME
  minReplicas: 2
  maxReplicas: 6
  metrics:
  - type: Resource
    resource:
      name: cpu
      target:
        type: Utilization
        averageUtilization: 70
",
    ),
    (
        "ingress.yaml",
        "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: NAME
spec:
  ingressClassName: nginx
  rules:
  - host: NAME.example.com
    http:
      paths:
      - path: /
        pathType: Prefix
        backend:
          service:
            name: NAME
            port:
              name: http
",
    ),
];

const OVERLAY: [(&str, &str); 4] = [
    (
        "kustomization.yaml",
        "apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: NAME-ENV
nameSuffix: -ENV
labels:
- pairs:
    environment: ENV
resources:
- ../../base
- network-policy.yaml
patches:
- path: resources.yaml
- path: host.yaml
  target:
    kind: Ingress
    name: NAME
images:
- name: ghcr.io/acme/NAME
  newTag: v1.2.0
",
    ),
    (
        "network-policy.yaml",
        "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: NAME
spec:
  podSelector:
    matchLabels:
      app.kubernetes.io/name: NAME
  policyTypes: [Ingress]
  ingress:
  - ports:
    - port: 8080
",
    ),
    (
        "resources.yaml",
        "apiVersion: apps/v1
kind: Deployment
metadata:
  name: NAME
spec:
  replicas: 3
  template:
    spec:
      containers:
      - name: NAME
        resources:
          limits:
            memory: 512Mi
",
    ),
    (
        "host.yaml",
        "- op: replace
  path: /spec/rules/0/host
  value: NAME.ENV.example.com
",
    ),
];
