//! Every rule stays near linear in the objects of an environment: sixteen times as many cost far less than 256 times as much, also where
//! memory no longer fits the caches, which alone makes ten of it.

use std::fmt::Write;
use std::time::{Duration, Instant};

use super::*;
use crate::policy::fixture::Example;

/// Applications of one namespace, each with all that rules look at, and each speaking to the next.
fn environment(apps: usize) -> String {
    let mut text = String::new();
    for n in 0..apps {
        let next = (n + 1) % apps;
        if n % 50 == 0 {
            writeln!(text, "# file: env/part-{n}.yaml").unwrap();
        }
        write!(
            text,
            "apiVersion: apps/v1
kind: Deployment
metadata: {{ name: app{n}, namespace: shop }}
spec:
  selector: {{ matchLabels: {{ app: app{n} }} }}
  template:
    metadata: {{ labels: {{ part: shop, app: app{n} }} }}
    spec:
      containers:
        - name: web
          image: ghcr.io/acme/app{n}:v1
          ports: [{{ name: http, containerPort: 8080 }}]
          env: [{{ name: NEXT, value: 'http://app{next}:80' }}, {{ name: LOST, value: 'http://lost{n}:80' }}]
          envFrom: [{{ configMapRef: {{ name: app{n} }} }}]
      volumes: [{{ name: data, persistentVolumeClaim: {{ claimName: app{n} }} }}]
---
apiVersion: v1
kind: Service
metadata: {{ name: app{n}, namespace: shop, labels: {{ app: app{n} }} }}
spec: {{ selector: {{ app: app{n} }}, ports: [{{ name: http, port: 80, targetPort: http }}] }}
---
apiVersion: v1
kind: ConfigMap
metadata: {{ name: app{n}, namespace: shop }}
data: {{ next: 'http://app{next}:80/' }}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{ name: app{n}, namespace: shop }}
spec: {{ accessModes: [ReadWriteOnce], resources: {{ requests: {{ storage: 1Gi }} }} }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{ name: app{n}, namespace: shop }}
spec:
  podSelector: {{ matchLabels: {{ app: app{n} }} }}
  policyTypes: [Ingress, Egress]
  ingress: [{{ from: [{{ podSelector: {{ matchLabels: {{ part: shop }} }} }}] }}]
  egress: [{{ to: [{{ podSelector: {{ matchLabels: {{ app: app{next} }} }} }}] }}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{ name: app{n}, namespace: shop }}
spec: {{ minAvailable: 1, selector: {{ matchLabels: {{ app: app{n} }} }} }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{ name: app{n}, namespace: shop }}
spec: {{ scaleTargetRef: {{ apiVersion: apps/v1, kind: Deployment, name: app{n} }}, minReplicas: 1, maxReplicas: 3 }}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{ name: app{n}, namespace: shop }}
spec: {{ hosts: [app{n}], http: [{{ route: [{{ destination: {{ host: app{next} }} }}] }}] }}
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {{ name: app{n}, namespace: shop }}
spec: {{ selector: {{ matchLabels: {{ app: app{n} }} }}, endpoints: [{{ port: http }}] }}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{ name: app{n}, namespace: shop }}
spec: {{ secretStoreRef: {{ kind: SecretStore, name: vault{n} }} }}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{ name: app{n}, namespace: flux-system }}
spec: {{ path: ./env, dependsOn: [{{ name: app{next} }}], sourceRef: {{ kind: GitRepository, name: lost{n} }} }}
---
"
        )
        .unwrap();
    }
    text
}

/// The least of three: what else the machine does only adds.
fn time(rule: &Rule, example: &Example, objects: &[Object]) -> Duration {
    let once = || {
        let mut world = World::new(Class::Prod, &example.folder, objects, example.tree());
        world.before = Some(objects);
        let start = Instant::now();
        let hits = (rule.check)(&world).len();
        (start.elapsed(), hits).0
    };
    (0..3).map(|_| once()).min().unwrap()
}

#[test]
fn rules_grow_with_their_objects() {
    let (few, many) = (30, 480);
    let examples = [few, many].map(|apps| Example::new(&environment(apps)));
    let objects = [&examples[0], &examples[1]].map(|example| example.read().0);
    assert_eq!(objects[1].len(), 16 * objects[0].len());
    let mut slow = Vec::new();
    for rule in all() {
        let factor = || {
            let (small, large) = (time(rule, &examples[0], &objects[0]), time(rule, &examples[1], &objects[1]));
            // What takes no time at all cannot be compared.
            if large < Duration::from_millis(20) { 0.0 } else { large.as_secs_f64() / small.as_secs_f64() }
        };
        // A busy machine can make one measurement wrong, and hardly three.
        if (0..3).all(|_| factor() > 200.0) {
            slow.push(rule.id);
        }
    }
    assert!(slow.is_empty(), "{}", slow.join(", "));
}
