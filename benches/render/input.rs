//! What is rendered: an overlay of any number of objects, and many overlays on one base.

use trunkline::model::id::Oid;
use trunkline::model::tree::MemoryObjects;

/// An application of four objects as people write them: about 100 lines.
fn application(n: usize) -> String {
    let name = format!("app-{n}");
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  labels:
    app.kubernetes.io/name: {name}
    app.kubernetes.io/component: server
  annotations:
    example.com/owner: team-{team}
    example.com/description: \"Serves what people of team {team} need, every day\"
spec:
  replicas: 2
  revisionHistoryLimit: 3
  selector:
    matchLabels:
      app.kubernetes.io/name: {name}
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxUnavailable: 0
      maxSurge: 1
  template:
    metadata:
      labels:
        app.kubernetes.io/name: {name}
    spec:
      serviceAccountName: default
      securityContext:
        runAsNonRoot: true
        seccompProfile:
          type: RuntimeDefault
      containers:
      - name: server
        image: ghcr.io/acme/server:v1.2.3
        args: [--listen=:8080, --config=/etc/app/config.yaml]
        ports:
        - name: http
          containerPort: 8080
          protocol: TCP
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
            path: /healthz
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
          readOnlyRootFilesystem: true
          capabilities:
            drop: [ALL]
        volumeMounts:
        - name: config
          mountPath: /etc/app
      volumes:
      - name: config
        configMap:
          name: {name}
---
apiVersion: v1
kind: Service
metadata:
  name: {name}
  labels:
    app.kubernetes.io/name: {name}
spec:
  selector:
    app.kubernetes.io/name: {name}
  ports:
  - name: http
    port: 80
    targetPort: http
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {name}
  labels:
    app.kubernetes.io/name: {name}
data:
  greeting: hello from {name}
  config.yaml: |
    server:
      port: 8080
      workers: 4
    features: [a, b, c]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {name}
  labels:
    app.kubernetes.io/name: {name}
  annotations:
    cert-manager.io/cluster-issuer: letsencrypt
spec:
  ingressClassName: nginx
  rules:
  - host: {name}.example.com
    http:
      paths:
      - path: /
        pathType: Prefix
        backend:
          service:
            name: {name}
            port:
              name: http
",
        team = n % 7,
    )
}

/// What overlays do in practice.
const OVERLAY: &str = "namespace: shop
namePrefix: acme-
labels:
- pairs:
    env: prod
  includeSelectors: false
  includeTemplates: true
images:
- name: ghcr.io/acme/server
  newTag: v2.0.0
patches:
- path: patch.yaml
- target:
    kind: Ingress
  patch: |-
    - op: replace
      path: /spec/ingressClassName
      value: internal
configMapGenerator:
- name: settings
  literals: [mode=prod]
";

const PATCH: &str = "apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-0
spec:
  replicas: 5
  template:
    spec:
      containers:
      - name: server
        resources:
          requests:
            memory: 512Mi
";

/// A base of `objects` objects, four a file, and `overlays` overlays on it: `env/0` and so on.
pub(crate) fn files(objects: usize, overlays: usize) -> Vec<(String, String)> {
    let applications = objects.div_ceil(4);
    let mut files: Vec<(String, String)> =
        (0..applications).map(|n| (format!("base/app-{n}.yaml"), application(n))).collect();
    let list: String = (0..applications).map(|n| format!("- app-{n}.yaml\n")).collect();
    files.push(("base/kustomization.yaml".to_owned(), format!("resources:\n{list}")));
    for n in 0..overlays {
        files.push((format!("env/{n}/kustomization.yaml"), format!("resources: [../../base]\n{OVERLAY}")));
        files.push((format!("env/{n}/patch.yaml"), PATCH.to_owned()));
    }
    files
}

/// The same as git objects.
pub(crate) fn repository(objects: usize, overlays: usize) -> (MemoryObjects, Oid) {
    let mut store = MemoryObjects::default();
    let files = files(objects, overlays);
    let root = store.add_text(files.iter().map(|(path, text)| (path.as_str(), text.as_str()))).unwrap();
    (store, root)
}
