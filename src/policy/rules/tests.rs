use super::*;
use crate::policy::fixture::Example;

/// What one rule says about an example, as `line: object: message`.
fn hits(id: &str, text: &str) -> Vec<String> {
    let example = Example::new(text);
    let (objects, kustomizations, problems) = example.read();
    assert_eq!(problems, [], "{id}");
    let rule = RULES.iter().find(|rule| rule.id == id).unwrap();
    let mut world = World::new(Class::Prod, &example.folder, &objects, example.tree());
    world.kustomizations = &kustomizations;
    let notes = example.readings();
    world.notes = &notes;
    let shown = |hit: Hit| {
        let object = hit.object.map(|object| format!("{object}: ")).unwrap_or_default();
        format!("{}: {object}{}", hit.at.line, hit.message)
    };
    (rule.check)(&world).into_iter().map(shown).collect()
}

#[test]
fn examples_hold() {
    for rule in RULES.iter().filter(|rule| rule.id != "KUST-001") {
        assert_eq!(hits(rule.id, rule.good), [""; 0], "{} finds fault with its good example", rule.id);
        assert_ne!(hits(rule.id, rule.bad), [""; 0], "{} finds nothing in its bad example", rule.id);
    }
}

#[test]
fn kust_001_examples_hold() {
    let rule = RULES.iter().find(|rule| rule.id == KUST_001).unwrap();
    let problems = |text| Example::new(text).read().2;
    assert_eq!(problems(rule.good), []);
    let findings: Vec<Finding> = problems(rule.bad).iter().map(from_render_problem).collect();
    let [finding] = findings.as_slice() else { panic!("{findings:?}") };
    assert_eq!(finding.location.as_ref().unwrap().to_string(), "env/kustomization.yaml:1:13");
    assert!(finding.blocks() && finding.message.contains("app.yaml") && !finding.fix.is_empty(), "{finding:?}");
}

#[test]
fn bad_examples_say_what_is_wrong() {
    let said: Vec<String> = RULES
        .iter()
        .filter(|rule| rule.id != "KUST-001")
        .flat_map(|rule| hits(rule.id, rule.bad).into_iter().map(|hit| format!("{} {hit}", rule.id)))
        .collect();
    insta::assert_snapshot!(said.join("\n"), @"
    KUST-004 2: `images` names `acme/shop`, and no container of this environment uses it
    KUST-005 5: Flux applies this text with an empty line before its more-indented lines
    FLUX-002 4: Kustomization flux-system/apps: `spec.path` is `./app`, and this repository has no such folder
    FLUX-003 4: Kustomization flux-system/apps: neither `wait: true` nor `healthChecks`: applied will be taken for healthy
    IMG-001 4: Pod shop: image `ghcr.io/acme/shop` of container `shop` has no tag, which means `latest`
    IMG-004 4: Pod pause: image `k8s.gcr.io/pause:3.5` of container `pause` comes from a closed catalog: it was frozen in 2023; `registry.k8s.io` took over
    WL-001 15: Deployment shop: container `shop` has no readiness probe, and Service `shop` sends it traffic
    WL-002 8: Pod shop: container `shop` lacks a memory request and a memory limit
    WL-004 4: Service shop: sends traffic to port `web`, which no container behind it lists
    WL-006 5: Pod shop: container `shop` is privileged
    WL-006 6: Pod shop: volume `tmp` mounts `/tmp` of the node
    REF-001 6: Pod shop: needs Secret `shop-db`, which nothing in this environment makes
    HPA-001 11: HorizontalPodAutoscaler shop: `minReplicas` 5 is more than `maxReplicas` 4
    HPA-001 13: HorizontalPodAutoscaler shop: scales by cpu utilisation, but container `shop` of Deployment shop requests no cpu
    HPA-002 4: Deployment shop: `spec.replicas` is set, while HorizontalPodAutoscaler `shop` decides the number
    NP-002 7: NetworkPolicy shop: restricts egress and does not allow DNS over UDP and TCP port 53
    ING-002 9: Ingress shop: sends requests to port 8080 of Service `shop`, which has no such port
    SCH-001 5: Deployment shop: `spec.replica` is no field of Deployment; did you mean `replicas`?
    SCH-001 9: Deployment shop: `spec.template.spec.containers[shop].enviroment` is no field of Deployment
    SCH-002 5: Service shop: `spec.ports[0].port` is text, and a whole number is needed: take the quotes off
    SCH-002 5: Service shop: `spec.ports[0].targetPort` is a boolean, and a whole number or text is needed
    SCH-003 5: Ingress shop: `spec.rules[0].http.paths[0].pathType` is missing
    SCH-004 21: Tea green: `spec.size` is none of `small`, `large`
    SCH-005 9: Deployment shop: Kubernetes 1.37 does not serve `v1` Deployment; Deployment is in `apps/v1`
    SCH-005 1: CronJob report: Kubernetes 1.37 does not serve `batch/v1beta1` CronJob; use `batch/v1`
    SCH-006 1: DeviceClass gpu: `resource.k8s.io/v1beta1` DeviceClass is no longer served in Kubernetes 1.38
    SCH-007 6: Tea black: no schema is known for `acme.dev/v1` Tea, so its fields are not checked
    SEC-001 4: Secret database: holds `password` readable in git
    SEC-002 8: Pod shop: `DATABASE_URL` of container `shop` holds what looks like a URL with a password
    ");
}

#[test]
fn texts_are_for_people() {
    for rule in RULES {
        for text in [rule.title, rule.why, rule.fix] {
            assert!(text.ends_with('.') && text.len() < 200, "{}: {text}", rule.id);
        }
    }
}

#[test]
fn packs_choose_severities() {
    let rule = RULES.iter().find(|rule| rule.id == "FLUX-003").unwrap();
    let all = |pack| [Class::Dev, Class::Stage, Class::Prod].map(|class| rule.severity(&[pack], class));
    assert_eq!(all(Pack::Minimal), [None; 3]);
    assert_eq!(all(Pack::Recommended), [I, W, E]);
    assert_eq!(all(Pack::Strict), [I, E, E]);
    assert_eq!(rule.severity(&[], Class::Prod), None);
    assert_eq!(rule.severity(&[Pack::Minimal, Pack::Recommended], Class::Stage), W);
}

#[test]
fn ref_001_counts_what_controllers_make() {
    let pod = "# file: env/a.yaml
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: shop }
spec:
  serviceAccountName: default
  containers:
    - name: web
      envFrom: [{ secretRef: { name: db-app } }, { secretRef: { name: maybe, optional: true } }]
  volumes: [{ name: ca, configMap: { name: kube-root-ca.crt } }]
---
";
    assert_eq!(
        hits("REF-001", pod),
        ["8: Pod shop/web: needs Secret `db-app`, which nothing in this environment makes"]
    );
    for made in [
        "apiVersion: v1\nkind: Secret\nmetadata: { name: db-app }\n",
        "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: { name: db-app }\n",
        "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: { name: db-app }\n",
        "apiVersion: secrets.hashicorp.com/v1beta1\nkind: VaultStaticSecret\nmetadata: { name: x }\nspec: { destination: { name: db-app } }\n",
        "apiVersion: postgresql.cnpg.io/v1\nkind: Cluster\nmetadata: { name: db, namespace: shop }\n",
        "apiVersion: db.example.org/v1\nkind: Thing\nmetadata: { name: x }\nspec: { writes: [{ to: db-app }] }\n",
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: { name: x, namespace: shop }\n",
    ] {
        assert_eq!(hits("REF-001", &format!("{pod}{made}")), [""; 0], "{made}");
    }
    let elsewhere = "apiVersion: v1\nkind: Secret\nmetadata: { name: db-app, namespace: other }\n";
    assert_eq!(hits("REF-001", &format!("{pod}{elsewhere}")).len(), 1);
}

#[test]
fn wl_004_knows_numbers_names_and_missing_pods() {
    let with = |service: &str, ports: &str| {
        format!(
            "# file: env/a.yaml
apiVersion: v1
kind: Service
metadata: {{ name: web }}
spec: {service}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: web }}
spec:
  selector: {{ matchLabels: {{ app: web }} }}
  template:
    metadata: {{ labels: {{ app: web, tier: front }} }}
    spec: {{ containers: [{{ name: web, image: 'w:1'{ports} }}] }}
"
        )
    };
    let listed = ", ports: [{ containerPort: 8080 }]";
    let hit = |service: &str, ports: &str| hits("WL-004", &with(service, ports)).join("\n");
    assert_eq!(hit("{ selector: { app: web }, ports: [{ port: 8080 }] }", listed), "");
    assert_eq!(hit("{ selector: { app: web }, ports: [{ port: 80, targetPort: 9999 }] }", ""), "");
    assert_eq!(
        hit("{ selector: { app: web }, ports: [{ port: 80, targetPort: 9999 }] }", listed),
        "4: Service web: sends traffic to port 9999, which no container behind it lists"
    );
    assert_eq!(
        hit("{ selector: { app: wep }, ports: [{ port: 80 }] }", listed),
        "4: Service web: selector `app=wep` matches the pods of no workload in this environment"
    );
    assert_eq!(hit("{ type: ExternalName, selector: { app: x } }", listed), "");
}

#[test]
fn np_002_adds_policies_up() {
    let deny = "# file: env/a.yaml
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: deny }
spec: { podSelector: {}, policyTypes: [Ingress, Egress] }
";
    let dns = "---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: dns }
spec:
  podSelector: { matchLabels: { app: web } }
  egress: [{ ports: [{ port: 53, protocol: UDP }, { port: 53 }] }]
";
    let pod = |name: &str| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{ name: {name}, labels: {{ app: {name} }} }}\nspec: {{ containers: [] }}\n"
        )
    };
    assert_eq!(hits("NP-002", deny), [""; 0]);
    assert_eq!(
        hits(
            "NP-002",
            &format!(
                "{deny}  egress: [{{ ports: [{{ port: 5432 }}] }}]
"
            )
            .replace(
                "spec: { podSelector: {}, policyTypes: [Ingress, Egress] }",
                "spec:
  podSelector: {}"
            )
        ),
        ["6: NetworkPolicy deny: restricts egress and does not allow DNS over UDP and TCP port 53"]
    );
    assert_eq!(hits("NP-002", &format!("{deny}{dns}{}", pod("web"))), [""; 0]);
    assert_eq!(
        hits("NP-002", &format!("{deny}{dns}{}{}", pod("web"), pod("db"))),
        ["4: NetworkPolicy deny: restricts egress of Pod db, and nothing allows it DNS over UDP and TCP port 53"]
    );
}

#[test]
fn flux_002_judges_only_this_repository() {
    let flux = |name: &str, path: &str, source: &str| {
        format!(
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{ name: {name} }}\nspec: {{ path: {path}, sourceRef: {{ kind: GitRepository, name: {source} }} }}\n---\n"
        )
    };
    let all = |docs: &[String]| {
        hits("FLUX-002", &format!("# file: env/flux.yaml\n{}\n# file: apps/prod/a.yaml\na: 1\n", docs.concat()))
    };
    assert_eq!(all(&[flux("a", "./deploy", "other")]), [""; 0]);
    assert_eq!(all(&[flux("a", "./deploy", "own"), flux("b", "./apps/prod", "own")]).len(), 1);
    assert_eq!(all(&[flux("a", "/apps/prod/", "flux-system"), flux("b", "./", "flux-system")]), [""; 0]);
    assert_eq!(all(&[flux("a", "../../etc", "flux-system")]).len(), 1);
}

#[test]
fn kust_004_follows_chains_of_overlays() {
    let pod = "# file: env/pod.yaml
apiVersion: v1
kind: Pod
metadata: { name: shop }
spec: { containers: [{ name: shop, image: 'registry:5000/shop:v1' }] }
";
    let with = |images: &str| {
        hits("KUST-004", &format!("# file: env/kustomization.yaml\nresources: [pod.yaml]\nimages: {images}\n{pod}"))
    };
    assert_eq!(with("[{ name: shop, newName: registry:5000/shop }]"), [""; 0]);
    assert_eq!(with("[{ name: a, newName: b }, { name: b, newName: registry:5000/shop }]"), [""; 0]);
    assert_eq!(with("[{ name: registry, newTag: v2 }]").len(), 1);
}

#[test]
fn t35_sec_002_knows_credentials_and_quotes_none() {
    let canaries = [
        ("URL", "postgres://shop:canary-1234@db:5432/shop"),
        ("ID", "AKIAABCDEFGHIJKLMNOP"),
        ("KEY", "-----BEGIN RSA PRIVATE KEY-----\\ncanary\\n-----END RSA PRIVATE KEY-----"),
        ("T", "ghp_0123456789012345678901234567890123456789"),
        ("T", "github_pat_0123456789012345678901234567890123456789"),
        ("T", "glpat-01234567890123456789"),
        ("T", "xoxb-0123456789-canary"),
        ("T", "sk_live_0123456789012345"),
        ("T", "AIza01234567890123456789012345678901234"),
        ("T", "npm_012345678901234567890123456789012345"),
        ("T", "hvs.012345678901234567890123"),
        ("T", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlLWNhbmFyeQ"),
        ("DB_PASSWORD", "canary-1234"),
        ("aws_secret_key", "canary-1234"),
    ];
    let config = |key: &str, value: &str| {
        format!(
            "# file: env/a.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: web }}\ndata:\n  {key}: \"{value}\"\n"
        )
    };
    for (key, value) in canaries {
        let said = hits("SEC-002", &config(key, value));
        assert_eq!(said.len(), 1, "{value}");
        assert!(said[0].starts_with("5: ConfigMap web: `data.") && !said[0].contains(&value[8..]), "{said:?}");
    }
    for (key, value) in [
        ("URL", "postgres://shop:$(PASSWORD)@db/shop"),
        ("URL", "postgres://shop:${PASSWORD}@db/shop"),
        ("URL", "postgres://user:<password>@db/shop"),
        ("URL", "http://frontend:8080/a@b"),
        ("PASSWORD", "${password}"),
        ("PASSWORD", ""),
        ("DISABLE_PASSWORD", "true"),
        ("API_TOKEN", "/var/run/token"),
        ("PASSWORD_FILE", "secret-file"),
        ("secretKeyRef", "name"),
        ("IMAGE", "npm_install"),
    ] {
        assert_eq!(hits("SEC-002", &config(key, value)), [""; 0], "{key}: {value}");
    }
}

#[test]
fn sec_001_lets_ciphers_and_placeholders_pass() {
    let secret = |body: &str| {
        hits("SEC-001", &format!("# file: env/a.yaml\napiVersion: v1\nkind: Secret\nmetadata: {{ name: s }}\n{body}\n"))
    };
    for sealed in [
        "stringData: { a: '${PASSWORD}' }",
        "stringData: { a: 'ENC[AES256_GCM,data:x]' }",
        "data: { a: RU5DW0FFUzI1Nl9HQ00sZGF0YTp4XQ== }",
        "data: { a: '' }",
        "type: kubernetes.io/service-account-token",
        "data: { a: eA== }\nsops: { version: 3.9.0 }",
    ] {
        assert_eq!(secret(sealed), [""; 0], "{sealed}");
    }
    assert_eq!(
        secret("data: { a: eA==, b: eA==, c: eA==, d: eA== }"),
        ["4: Secret s: holds `a`, `b`, `c` and more readable in git"]
    );
}
