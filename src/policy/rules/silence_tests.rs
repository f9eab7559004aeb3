//! Where rules speak and, more important, where they do not: what well-kept repositories do must stay silent.

use super::tests::{hits, hits_in};
use super::*;

const SILENT: [&str; 0] = [];

fn flux(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{ name: {name}, namespace: flux-system }}\nspec: {{ {spec} }}\n---\n"
    )
}

#[test]
fn flux_001_misses_only_what_is_surely_not_there() {
    let env = |all: &[String]| hits("FLUX-001", &format!("# file: env/flux.yaml\n{}", all.concat()));
    let on = |name: &str| format!("dependsOn: [{{ name: {name} }}]");
    // Somewhere else in the cluster, as far as this environment knows.
    assert_eq!(env(&[flux("apps", &on("controllers")), flux("app-b", &on("app-a"))]), SILENT);
    // The whole cluster is here, and then a part of it is another repository's.
    let cluster = |more: &str| {
        let source = "sourceRef: { kind: GitRepository, name: flux-system }";
        let apps = flux("apps", &format!("path: ./apps, {}, {source}", on("controllers")));
        let root = flux("flux-system", &format!("path: ./clusters/prod, {source}"));
        let repository = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: { name: flux-system, namespace: flux-system }\n";
        let app = "# file: apps/a.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n";
        format!(
            "# file: clusters/prod/apps.yaml\n{apps}{more}# file: clusters/prod/flux-system/gotk-sync.yaml\n{root}{repository}{app}"
        )
    };
    assert_eq!(hits("FLUX-001", &cluster("")).len(), 1);
    let team = flux("team", "path: ./deploy, sourceRef: { kind: GitRepository, name: team }");
    assert_eq!(hits("FLUX-001", &cluster(&team)), SILENT);
    // One finding for a ring, none for who only waits for it.
    let ring = [flux("a", &on("b")), flux("b", &on("c")), flux("c", &on("a")), flux("d", &on("a"))];
    assert_eq!(
        env(&ring),
        ["4: Kustomization flux-system/a: waits for itself through `dependsOn`, so it is never applied"]
    );
}

#[test]
fn flux_004_speaks_of_those_that_wait() {
    let of = |spec: &str| hits("FLUX-004", &format!("# file: env/flux.yaml\n{}", flux("a", spec)));
    for fine in [
        "interval: 10m, wait: true",
        "interval: 1h",
        "interval: 1h, timeout: 5m, retryInterval: 1m, wait: true",
        "interval: soon, wait: true",
    ] {
        assert_eq!(of(fine), SILENT, "{fine}");
    }
    assert_eq!(of("interval: 1h, timeout: 30m, retryInterval: 1m, wait: true").len(), 1);
    let gate = "# file: flux-system/kustomization.yaml\npatches: [{ patch: --feature-gates=CancelHealthCheckOnNewRevision=true }]\n";
    let with = format!("# file: env/flux.yaml\n{}{gate}", flux("a", "interval: 1h, wait: true"));
    assert_eq!(hits("FLUX-004", &with), SILENT);
}

#[test]
fn flux_005_goes_by_the_flux_that_is_installed() {
    let release = "apiVersion: helm.toolkit.fluxcd.io/v2beta2\nkind: HelmRelease\nmetadata: { name: a }\n---\n";
    let installed = |version: &str| {
        format!(
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: flux-system\n  labels: {{ app.kubernetes.io/part-of: flux, app.kubernetes.io/version: {version} }}\n"
        )
    };
    let said = |version: &str| hits("FLUX-005", &format!("# file: env/a.yaml\n{release}{}", installed(version)));
    assert_eq!(said("v2.6.4"), SILENT);
    assert!(said("v2.7.0")[0].contains("Flux 2.8, the next"));
    assert!(said("v2.8.1")[0].contains("Flux 2.8 does not serve"));
}

#[test]
fn flux_012_tells_what_a_change_takes_away() {
    let claim = |more: &str| {
        format!("# file: env/a.yaml\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{ name: data{more} }}\n")
    };
    let empty = "# file: env/a.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: other }\n";
    let gone = |before: &str| hits_in("FLUX-012", (Some(before), empty), Class::Prod);
    assert_eq!(gone(&claim("")).len(), 1);
    let kept = ", annotations: { kustomize.toolkit.fluxcd.io/prune: disabled }";
    assert_eq!(gone(&claim(kept)), SILENT);
    // Without Flux nobody is known to delete what is here.
    assert_eq!(hits("FLUX-012", &claim("")), SILENT);
}

#[test]
fn data_002_knows_what_kubernetes_refuses() {
    let change = |kind: &str, before: &str, after: &str| {
        let of = |spec: &str| {
            let api = match kind {
                "Job" => "batch/v1",
                "StatefulSet" => "apps/v1",
                _ => "v1",
            };
            format!("# file: env/a.yaml\napiVersion: {api}\nkind: {kind}\nmetadata: {{ name: a }}\n{spec}\n")
        };
        hits_in("DATA-002", (Some(&of(before)), &of(after)), Class::Dev)
    };
    let size = |size: &str| format!("spec: {{ resources: {{ requests: {{ storage: {size} }} }} }}");
    assert_eq!(change("PersistentVolumeClaim", &size("10Gi"), &size("20Gi")), SILENT);
    assert_eq!(change("PersistentVolumeClaim", &size("10Gi"), &size("9000Mi")).len(), 1);
    let job = |image: &str, more: &str| {
        format!("spec: {{ template: {{ spec: {{ containers: [{{ name: a, image: {image} }}] }} }}{more} }}")
    };
    assert_eq!(change("Job", &job("a:1", ""), &job("a:2", "")).len(), 1);
    let cleared = ", ttlSecondsAfterFinished: 60";
    assert_eq!(change("Job", &job("a:1", cleared), &job("a:2", cleared)), SILENT);
    assert_eq!(change("Job", &job("a:1", ""), &job("'${IMAGE}'", "")), SILENT);
    assert_eq!(
        change("StatefulSet", "spec: { serviceName: a, replicas: 1 }", "spec: { serviceName: a, replicas: 3 }"),
        SILENT
    );
    assert_eq!(change("StatefulSet", "spec: { serviceName: a }", "spec: { serviceName: b }").len(), 1);
    assert_eq!(change("ConfigMap", "immutable: true\ndata: { a: x }", "immutable: true\ndata: { a: y }").len(), 1);
    assert_eq!(change("ConfigMap", "data: { a: x }", "data: { a: y }"), SILENT);
    // Without something to compare with there is no change.
    assert_eq!(hits_in("DATA-002", (None, data_002::RULE.bad), Class::Prod), SILENT);
}

#[test]
fn sh_001_lets_a_table_grow() {
    let table = |columns: &str| {
        format!(
            "# file: env/a.yaml\napiVersion: schemas.schemahero.io/v1alpha4\nkind: Table\nmetadata: {{ name: a }}\nspec: {{ schema: {{ postgres: {{ columns: [{columns}] }} }} }}\n"
        )
    };
    let change = |before: &str, after: &str| hits_in("SH-001", (Some(&table(before)), &table(after)), Class::Prod);
    let column = |kind: &str| format!("{{ name: a, type: {kind} }}");
    assert_eq!(change(&column("integer"), &column("bigint")), SILENT);
    assert_eq!(change(&column("bigint"), &column("integer")).len(), 1);
    assert_eq!(change(&column("varchar(10)"), &column("text")), SILENT);
    assert_eq!(change(&column("text"), &column("varchar(10)")).len(), 1);
    assert_eq!(change("", &column("text")), SILENT);
    let strict = "{ name: b, type: text, default: x, constraints: { notNull: true } }";
    assert_eq!(change(&column("text"), &format!("{}, {strict}", column("text"))), SILENT);
}

#[test]
fn ref_002_reads_addresses_and_nothing_else() {
    let env = |value: &str| {
        hits(
            "REF-002",
            &format!(
                "# file: env/a.yaml
apiVersion: v1
kind: Service
metadata: {{ name: database, namespace: shop }}
spec: {{ ports: [{{ port: 5432 }}] }}
---
apiVersion: v1
kind: Pod
metadata: {{ name: shop, namespace: shop }}
spec: {{ containers: [{{ name: shop, image: shop:v1, env: [{{ name: X, value: '{value}' }}] }}] }}
"
            ),
        )
    };
    for fine in [
        "database:5432",
        "postgres://user:$(PASSWORD)@database:5432/shop",
        "http://database.shop.svc.cluster.local:5432/",
        "https://example.org:8443/a",
        "http://localhost:8080",
        "s3://bucket/key",
        "http://other.elsewhere.svc:80",
        "12:30",
        "key:value",
        "nginx:1.29-alpine",
        "0.0.0.0:8080",
        "http://$(HOST):80",
    ] {
        assert_eq!(env(fine), SILENT, "{fine}");
    }
    assert_eq!(
        env("databse:5432"),
        ["9: Pod shop/shop: speaks to `databse`, and this environment has no such Service; did you mean `database`?"]
    );
    assert_eq!(env("jdbc:postgresql://database:5433/shop").len(), 1);
    // Alone it may be another folder's; beside one that arrives it is missed.
    assert_eq!(env("http://cache.shop.svc"), SILENT);
    assert_eq!(env("http://database:5432 http://cache.shop.svc").len(), 1);
}

#[test]
fn np_003_adds_policies_up_and_trusts_what_it_cannot_see() {
    let with = |ingress: &str, egress: &str| {
        hits(
            "NP-003",
            &format!(
                "# file: env/a.yaml
apiVersion: v1
kind: Pod
metadata: {{ name: shop, namespace: shop, labels: {{ app: shop }} }}
spec: {{ containers: [{{ name: shop, image: shop:v1, env: [{{ name: DB, value: 'db.data:5432' }}] }}] }}
---
apiVersion: v1
kind: Pod
metadata: {{ name: db, namespace: data, labels: {{ app: db }} }}
spec: {{ containers: [{{ name: db, image: postgres:17, ports: [{{ name: sql, containerPort: 5432 }}] }}] }}
---
apiVersion: v1
kind: Service
metadata: {{ name: db, namespace: data }}
spec: {{ selector: {{ app: db }}, ports: [{{ port: 5432, targetPort: sql }}] }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{ name: db, namespace: data }}
spec: {{ podSelector: {{}}, policyTypes: [Ingress], ingress: [{ingress}] }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{ name: shop, namespace: shop }}
spec: {{ podSelector: {{ matchLabels: {{ app: shop }} }}, policyTypes: [Egress], egress: [{egress}] }}
"
            ),
        )
    };
    let from = "{ from: [{ namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: shop } } }] }";
    let to = "{ to: [{ namespaceSelector: {} }], ports: [{ port: 5432 }] }";
    assert_eq!(with(from, to), SILENT);
    assert_eq!(with("{}", "{}"), SILENT);
    assert_eq!(with("{ from: [{ ipBlock: { cidr: 10.0.0.0/8 } }] }", to), SILENT);
    // Labels of a namespace that is not here may be any.
    assert_eq!(with("{ from: [{ namespaceSelector: { matchLabels: { team: shop } } }] }", to), SILENT);
    // Pods named by labels alone are in the policy's own namespace.
    assert_eq!(with("{ from: [{ podSelector: { matchLabels: { app: shop } } }] }", to).len(), 1);
    assert!(with(from, "{ ports: [{ port: 53 }] }")[0].contains("that egress"));
}

#[test]
fn wl_003_asks_of_production_what_it_means() {
    let app = |replicas: u32, budget: &str| {
        format!(
            "# file: env/a.yaml
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: shop }}
spec:
  replicas: {replicas}
  selector: {{ matchLabels: {{ app: shop }} }}
  template: {{ metadata: {{ labels: {{ app: shop }} }}, spec: {{ containers: [{{ name: shop, image: shop:v1 }}] }} }}
---
apiVersion: v1
kind: Service
metadata: {{ name: shop }}
spec: {{ selector: {{ app: shop }}, ports: [{{ port: 80 }}] }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{ name: shop }}
spec: {{ {budget}, selector: {{ matchLabels: {{ app: shop }} }} }}
"
        )
    };
    let said = |replicas, budget: &str, class| hits_in("WL-003", (None, &app(replicas, budget)), class);
    assert_eq!(said(3, "minAvailable: 2", Class::Prod), SILENT);
    assert_eq!(said(2, "minAvailable: 50%", Class::Prod), SILENT);
    assert_eq!(said(2, "maxUnavailable: 0", Class::Stage).len(), 1);
    assert_eq!(said(1, "maxUnavailable: 1", Class::Stage), SILENT);
    assert!(said(1, "maxUnavailable: 1", Class::Prod)[0].contains("runs one pod"));
}

#[test]
fn rbac_001_lets_people_and_flux_be() {
    let binding = |subject: &str, labels: &str| {
        hits(
            "RBAC-001",
            &format!(
                "# file: env/a.yaml
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{ name: a{labels} }}
roleRef: {{ apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin }}
subjects: [{subject}]
"
            ),
        )
    };
    assert_eq!(binding("{ kind: Group, name: 'oidc:sre' }", ""), SILENT);
    assert_eq!(binding("{ kind: ServiceAccount, name: a }", ", labels: { app.kubernetes.io/part-of: flux }"), SILENT);
    assert_eq!(binding("{ kind: Group, name: 'system:authenticated' }", "").len(), 1);
}

#[test]
fn img_002_reads_names_as_docker_does() {
    let image = |image: &str| {
        hits(
            "IMG-002",
            &format!(
                "# file: env/a.yaml\napiVersion: v1\nkind: Pod\nmetadata: {{ name: a }}\nspec: {{ containers: [{{ name: a, image: '{image}' }}] }}\n"
            ),
        )
    };
    for fine in ["ghcr.io/acme/shop:v1", "registry.k8s.io/pause:3.10", "ghcr.io/acme", "${IMAGE}"] {
        assert_eq!(image(fine), SILENT, "{fine}");
    }
    for wrong in ["ghcr.io/acmeother/shop:v1", "nginx", "acme/shop", "registry.k8s.io.evil.org/pause"] {
        assert_eq!(image(wrong).len(), 1, "{wrong}");
    }
}

#[test]
fn slips_of_the_keyboard_and_other_names() {
    use crate::policy::world::is_slip;
    for (a, b) in
        [("podinfo", "podinfos"), ("controllers", "controlers"), ("default", "defalut"), ("podinfo", "opdinfo")]
    {
        assert!(is_slip(a, b) && is_slip(b, a), "{a} {b}");
    }
    for (a, b) in [
        ("app-a", "app-b"),
        ("redis1", "redis2"),
        ("redis", "redis2"),
        ("app", "apps"),
        ("podinfo", "podinfo"),
        ("", ""),
    ] {
        assert!(!is_slip(a, b) && !is_slip(b, a), "{a} {b}");
    }
}
