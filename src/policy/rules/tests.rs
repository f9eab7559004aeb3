use super::*;
use crate::config;
use crate::policy::fixture::Example;

/// What is configured where the examples are.
const CONFIGURATION: &str = "version: 1
apps: { shop: { images: [ghcr.io/acme/shop] } }
environments: { prod: { path: env, takes: releases } }
policies: { images-from: [ghcr.io/acme, registry.k8s.io] }
";

/// What one rule says about an example, as `line: object: message`.
pub(super) fn hits(id: &str, text: &str) -> Vec<String> {
    hits_in(id, (before(id), text), Class::Prod)
}

/// The same, of what a change makes of `before`, in an environment of a class.
pub(super) fn hits_in(id: &str, (before, text): (Option<&str>, &str), class: Class) -> Vec<String> {
    let example = Example::new(text);
    let (rendered, kustomizations) = example.rendered();
    // A remote base is refused by name, and still told of.
    assert!(rendered.problems.is_empty() || id == "KUST-003", "{id}: {:?}", rendered.problems);
    let rule = all().find(|rule| rule.id == id).unwrap();
    let mut world = World::new(class, &example.folder, &rendered.objects, example.tree());
    world.kustomizations = &kustomizations;
    world.notes = &rendered.readings;
    world.layers = &rendered.layers;
    world.renders = rendered.ok;
    let before = before.map(|before| Example::new(before).read().0);
    world.before = before.as_deref();
    let configured = config::parse(&config::FILE.parse().unwrap(), CONFIGURATION).pipeline.unwrap();
    world.apps = &configured.apps;
    world.images_from = &configured.policies.images_from;
    let shown = |hit: Hit| {
        let object = hit.object.map(|object| format!("{object}: ")).unwrap_or_default();
        format!("{}: {object}{}", hit.at.line, hit.message)
    };
    (rule.check)(&world).into_iter().map(shown).collect()
}

#[test]
fn examples_hold() {
    let mut wrong = Vec::new();
    for rule in all().filter(|rule| rule.id != "KUST-001") {
        let (good, bad) = (hits(rule.id, rule.good), hits(rule.id, rule.bad));
        wrong.extend(good.iter().map(|hit| format!("{} finds fault with its good example: {hit}", rule.id)));
        wrong.extend(bad.is_empty().then(|| format!("{} finds nothing in its bad example", rule.id)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
    let said: Vec<String> = all()
        .filter(|rule| rule.id != "KUST-001")
        .flat_map(|rule| hits(rule.id, rule.bad).into_iter().map(|hit| format!("{} {hit}", rule.id)))
        .collect();
    insta::assert_snapshot!(said.join("\n"), @"
    KUST-003 1: remote base `https://github.com/acme/bases//shop` follows the branch `main`
    KUST-004 2: `images` names `acme/shop`, and no container of this environment uses it
    KUST-005 5: Flux applies this text with an empty line before its more-indented lines
    HELM-001 14: HelmRelease apps/other: names no chart: neither `chart` nor `chartRef`
    HELM-001 9: HelmRelease apps/podinfo: takes its chart from HelmRepository `podinfos`, which is not there; did you mean `podinfo`?
    FLUX-001 4: Kustomization flux-system/configs: waits for Kustomization `controlers`, which is not there; did you mean `controllers`?
    FLUX-001 9: Kustomization flux-system/controllers: waits for itself through `dependsOn`, so it is never applied
    FLUX-002 4: Kustomization flux-system/apps: `spec.path` is `./app`, and this repository has no such folder
    FLUX-003 4: Kustomization flux-system/apps: neither `wait: true` nor `healthChecks`: applied will be taken for healthy
    FLUX-004 4: Kustomization flux-system/apps: waits up to 60 minutes, for want of a `timeout`, and tries again only after 60 minutes, for want of a `retryInterval`
    FLUX-005 1: Kustomization flux-system/apps: since 2.8 Flux does not serve `kustomize.toolkit.fluxcd.io/v1beta2` Kustomization; write `kustomize.toolkit.fluxcd.io/v1`
    FLUX-006 4: Pod shop: `ghcr.io/acme/shop:${TAG}` stays as it is: Kustomization `apps` replaces no variables
    FLUX-007 4: HelmRelease podinfo: takes any chart version that fits `>=1.0.0`
    FLUX-008 2: Tea green: is a Tea, whose definition Kustomization `kinds` installs, and Kustomization `teas` does not wait for it
    FLUX-009 8: Kustomization dev-team/apps: deploys into tenant `dev-team` with Flux's own rights: no `serviceAccountName`
    FLUX-009 8: Kustomization dev-team/apps: takes its content from namespace `flux-system`, which is not the tenant's
    FLUX-012 3: PersistentVolumeClaim data: holds data, and Flux deletes it when it is taken out of git
    IMG-001 4: Pod shop: image `ghcr.io/acme/shop` of container `shop` has no tag, which means `latest`
    IMG-002 4: Pod shop: image `nginx:1.29` of container `shop` comes from a place that is not listed
    IMG-003 7: Pod shop: image `proxy` of container `proxy` has no digest, while most beside it have one
    IMG-004 4: Pod pause: image `k8s.gcr.io/pause` of container `pause` comes from a closed catalog: it was frozen in 2023; `registry.k8s.io` took over
    IMG-005 14: Pod shop: tag `v1.0` has no three numbers, so ImagePolicy `shop` never chooses it
    PROM-001 4: Pod shop: the version of `shop` stands in `base/pod.yaml`, outside this environment's folder
    WL-001 15: Deployment shop: container `shop` has no readiness probe, and Service `shop` sends it traffic
    WL-002 8: Pod shop: container `shop` lacks a memory request and a memory limit
    WL-003 12: PodDisruptionBudget shop: `minAvailable: 2` of 2 lets no pod go: no node that has one can be drained
    WL-004 4: Service shop: sends traffic to port `web`, which no container behind it lists
    WL-005 13: Pod shop/shop: container `shop` lacks `allowPrivilegeEscalation: false` and a seccomp profile
    WL-006 5: Pod shop: container `shop` is privileged
    WL-006 6: Pod shop: volume `tmp` mounts `/tmp` of the node
    WL-007 9: Deployment db: an update starts a second pod on volume claim `data`, which one node at a time can mount
    REF-001 6: Pod shop: needs Secret `shop-db`, which nothing in this environment makes
    REF-002 13: Pod shop: speaks to port 5433 of Service `db`, which has no such port
    REF-002 13: Pod shop: speaks to `cache`, and this environment has no such Service
    HPA-001 11: HorizontalPodAutoscaler shop: `minReplicas` 5 is more than `maxReplicas` 4
    HPA-001 13: HorizontalPodAutoscaler shop: scales by cpu utilisation, but container `shop` of Deployment shop requests no cpu
    HPA-002 4: Deployment shop: `spec.replicas` is set, while HorizontalPodAutoscaler `shop` decides the number
    VPA-001 4: VerticalPodAutoscaler shop: changes the cpu request that a HorizontalPodAutoscaler of the same target measures by
    KARP-001 4: NodePool default: has no `limits`: it may buy nodes without end
    KARP-001 5: NodePool default: makes nodes of EC2NodeClass `defalut`, which is not there; did you mean `default`?
    KARP-002 4: NodePool default: `expireAfter: Never` keeps every node for ever
    KARP-002 4: NodePool default: this budget lets no node go at any time
    KARP-004 4: EC2NodeClass default: `al2023@latest` follows the newest machine image
    KARP-004 4: EC2NodeClass default: `httpTokens: optional` gives the node's credentials to whoever can make it fetch an address
    NP-001 8: NetworkPolicy shop: no policy denies egress by default to all pods of this environment
    NP-002 7: NetworkPolicy shop: restricts egress and does not allow DNS over UDP and TCP port 53
    NP-003 4: Pod db: is called, as this setting says, and no policy allows that ingress (NetworkPolicy `db` denies what it does not name)
    ING-001 6: Ingress shop: host `shop.example.org` has no TLS
    ING-002 9: Ingress shop: sends requests to port 8080 of Service `shop`, which has no such port
    ING-003 6: Ingress shop: `configuration-snippet` is code that runs in the controller
    ING-003 6: Ingress shop: is for ingress-nginx, which is retired and gets no security fixes
    ING-004 4: Service db: opens the database of Pod db to the world outside the cluster: type `NodePort`
    ISTIO-001 19: VirtualService shop/shop: sends requests to subset `v2`, which no DestinationRule of `shop` has
    ISTIO-001 19: VirtualService shop/shop: the weights of this route add up to 110, not 100
    ISTIO-002 8: PeerAuthentication shop/default: `DISABLE` lets everything through in plain text
    ISTIO-002 3: Namespace shop: has a PeerAuthentication, and no label that takes its pods into the mesh
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
    SCH-008 24: Tea green: a pot holds six cups
    SEC-001 4: Secret database: holds `password` readable in git
    SEC-002 8: Pod shop: `DATABASE_URL` of container `shop` holds what looks like a URL with a password
    SEC-003 10: ExternalSecret shop/cache: external-secrets 0.17 and later do not serve `external-secrets.io/v1beta1` ExternalSecret
    SEC-003 8: ExternalSecret shop/db: takes its content from SecretStore `valut`, which is not there; did you mean `vault`?
    SEC-003 13: ExternalSecret shop/cache: takes its content from `vault-dev`, which by its name is the store of a development environment
    SEC-003 13: ExternalSecret shop/cache: `refreshInterval: 0` never fetches a changed secret; where that is meant, say `refreshPolicy: CreatedOnce`
    RBAC-001 4: ClusterRoleBinding shop: makes `shop` an administrator of the whole cluster
    DATA-001 3: PersistentVolumeClaim shop/data: volume claim `data` is in no backup schedule
    DATA-002 5: Deployment shop: `spec.selector` changes, which Kubernetes does not allow
    SH-001 7: Table orders: column `note` is dropped, and its content with it
    SH-001 12: Table orders: new column `remark` may not be empty and has no default: it fails on every table that has rows
    XP-001 9: Composition database: composes `acme.dev/v1alpha1` Database, and its definition has no such version
    XP-001 14: Provider aws: `xpkg.crossplane.io/upbound/provider-aws-rds` has no version
    TF-001 4: Terraform network: `approvePlan: auto` carries out every plan unseen
    TF-001 4: Terraform network: destroys its resources when it is taken out of git
    FLG-001 5: Deployment shop: is a canary's target, and its selector has none of the labels `app`, `name`, `app.kubernetes.io/name`
    FLG-001 10: Service shop: is made by Flagger for Canary `shop`, and Flux would change it back
    FLG-001 19: Canary shop: has neither metrics nor webhooks: every version passes
    OBS-001 9: ServiceMonitor shop: watches port `metrics`, which none of the Services it selects has
    SCORE-001 5: container `web` still has the image `.`, for which nobody put one in
    SCORE-001 6: refers to resource `database`, which is not among `resources`
    KUST-002 2: `commonLabels` is deprecated; `labels` took its place
    FLUX-010 4: Kustomization flux-system/apps: `suspend: true`: Flux does not apply it
    FLUX-011 2: Canary shop: Kustomization `apps` waits, and takes every Canary for ready at once
    KARP-003 6: NodePool default: offers spot machines only, and so does every other pool here
    SEC-004 6: HelmRelease vault: Vault runs without three replicas, raft storage and an audit log
    CAT-001 3: component `shop` has no owner
    CAT-001 3: Pod shop: is `shops` to Backstage, and the catalog of this repository has no such id
    ");
}

#[test]
fn texts_are_for_people() {
    for rule in all() {
        for text in [rule.title, rule.why, rule.fix] {
            assert!(text.ends_with('.') && text.len() < 200, "{}: {text}", rule.id);
        }
    }
}

#[test]
fn the_configuration_knows_every_rule() {
    let ids: Vec<&str> = all().map(|rule| rule.id).collect();
    assert_eq!(ids, crate::model::pack::RULE_IDS);
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
