use super::*;
use crate::model::path::RepoPath;
use crate::policy::compile;
use crate::policy::files::PolicyFile;

fn files(files: &[(&str, &str)]) -> PolicyFiles {
    let folder: RepoPath = "policies".parse().unwrap();
    let file = |(path, text): &(&str, &str)| PolicyFile {
        path: folder.join(path).unwrap(),
        folder: folder.clone(),
        text: (*text).into(),
    };
    PolicyFiles { files: files.iter().map(file).collect(), problems: Vec::new() }
}

fn read(path: &str, yaml: &str) -> Vec<Object> {
    let (objects, problems) = objects(&load(&path.parse().unwrap(), yaml.as_bytes()));
    assert_eq!(problems, []);
    objects
}

fn shown(finding: &Finding) -> String {
    let place = finding.location.as_ref().map(|at| format!("{}:{}", at.path, at.line)).unwrap_or_default();
    let object = finding.object.as_ref().map(|object| format!("{object}: ")).unwrap_or_default();
    format!("{place} {} {}: {object}{}", finding.severity, finding.rule, finding.message)
}

/// What `policies` say of the objects in `yaml`, of which `before` is what they were.
fn change(policies: &str, before: Option<&str>, yaml: &str) -> Vec<String> {
    let compiled = compile(&files(&[("all.yaml", policies)]));
    let (objects, before) = (read("env/a.yaml", yaml), before.map(|before| read("env/a.yaml", before)));
    let mut told = compiled.problems.clone();
    let with = compiled.admission.with(before.as_deref().unwrap_or(&objects), &mut told);
    told.extend(with.as_ref().unwrap_or(&compiled.admission).judge(&objects, before.as_deref()));
    told.iter().map(shown).collect()
}

fn ask(policies: &str, yaml: &str) -> Vec<String> {
    change(policies, None, yaml)
}

const OBJECTS: &str = "apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop, labels: { team: a } }
spec:
  type: NodePort
---
apiVersion: v1
kind: ConfigMap
metadata: { name: settings }
---
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { tier: gold } }
";

/// A template of one Rego rule, which says the name of everything it is shown.
fn template(rego: &str) -> String {
    let rego: String = rego.lines().map(|line| format!("        {line}\n")).collect();
    format!(
        "apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {{ name: seen }}
spec:
  crd:
    spec:
      names: {{ kind: Seen }}
      validation:
        openAPIV3Schema:
          properties:
            word: {{ type: string, default: saw }}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
{rego}"
    )
}

const SEEN: &str = "package seen

violation[{\"msg\": msg}] {
  msg := sprintf(\"%v %v %v\", [input.parameters.word, input.review.kind.kind, input.review.name])
}";

fn constraint(spec: &str) -> String {
    format!("---\napiVersion: constraints.gatekeeper.sh/v1beta1\nkind: Seen\nmetadata: {{ name: all }}\nspec: {spec}\n")
}

#[test]
fn a_constraint_says_what_its_template_finds() {
    let said = ask(&(template(SEEN) + &constraint("{ parameters: { word: met } }")), OBJECTS);
    insta::assert_snapshot!(said.join("\n"), @"
    env/a.yaml:1 error Seen/all: Service shop/web: met Service web
    env/a.yaml:7 error Seen/all: ConfigMap settings: met ConfigMap settings
    env/a.yaml:11 error Seen/all: Namespace shop: met Namespace shop
    ");
}

#[test]
fn a_constraint_looks_at_what_it_matches() {
    let seen = |asks: &str| {
        let said = ask(&(template(SEEN) + &constraint(&format!("{{ match: {asks} }}"))), OBJECTS);
        said.iter().map(|line| line.split("saw ").nth(1).unwrap_or(line).to_owned()).collect::<Vec<_>>().join(", ")
    };
    let (service, map, namespace) = ("Service web", "ConfigMap settings", "Namespace shop");
    for (asks, answer) in [
        ("{}", format!("{service}, {map}, {namespace}")),
        ("{ kinds: [{ apiGroups: [''], kinds: [Service, Namespace] }] }", format!("{service}, {namespace}")),
        ("{ kinds: [{ apiGroups: [apps], kinds: ['*'] }] }", String::new()),
        ("{ kinds: [{ apiGroups: ['*'], kinds: [ConfigMap] }] }", map.to_owned()),
        ("{ namespaces: ['sh*'] }", format!("{service}, {namespace}")),
        ("{ excludedNamespaces: ['*op'] }", map.to_owned()),
        ("{ excludedNamespaces: [default] }", format!("{service}, {namespace}")),
        ("{ labelSelector: { matchLabels: { team: a } } }", service.to_owned()),
        (
            "{ labelSelector: { matchExpressions: [{ key: team, operator: NotIn, values: [a] }] } }",
            format!("{map}, {namespace}"),
        ),
        ("{ labelSelector: { matchExpressions: [{ key: team, operator: Exists }] } }", service.to_owned()),
        ("{ scope: Cluster }", namespace.to_owned()),
        ("{ scope: Namespaced }", format!("{service}, {map}")),
        ("{ name: 'we*' }", service.to_owned()),
        ("{ source: Generated }", String::new()),
        ("{ source: Original, name: shop }", namespace.to_owned()),
        (
            "{ scope: Namespaced, namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: shop } } }",
            service.to_owned(),
        ),
    ] {
        assert_eq!(seen(asks), answer, "{asks}");
    }
    // Of `default` nobody here knows the labels.
    let said = ask(
        &(template(SEEN)
            + &constraint("{ match: { scope: Namespaced, namespaceSelector: { matchLabels: { tier: gold } } } }")),
        OBJECTS,
    );
    insta::assert_snapshot!(said.join("\n"), @"
    env/a.yaml:1 error Seen/all: Service shop/web: saw Service web
    env/a.yaml:7 warning Seen/all: ConfigMap settings: saw ConfigMap settings (if the labels of the namespace `default`, which is not in this environment, are what the constraint asks for)
    ");
}

#[test]
fn what_a_constraint_would_do_is_how_grave_it_is() {
    let grave = |spec: &str| {
        ask(&(template(SEEN) + &constraint(spec)), "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n")[0]
            .split(' ')
            .nth(1)
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(grave("{ }"), "error");
    assert_eq!(grave("{ enforcementAction: deny }"), "error");
    assert_eq!(grave("{ enforcementAction: warn }"), "warning");
    assert_eq!(grave("{ enforcementAction: dryrun }"), "info");
    assert_eq!(
        grave("{ enforcementAction: scoped, scopedEnforcementActions: [{ action: warn }, { action: dryrun }] }"),
        "warning"
    );
}

#[test]
fn a_review_knows_old_objects_namespaces_and_the_others() {
    let rego = "package seen

violation[{\"msg\": msg}] {
  input.review.kind.kind == \"Service\"
  others := [name | data.inventory.namespace[_][_][\"ConfigMap\"][name]]
  old := object.get(input.review, [\"oldObject\", \"spec\", \"type\"], \"nothing\")
  tier := input.review._unstable.namespace.metadata.labels.tier
  msg := sprintf(\"%v of %v, was %v, among %v, tier %v\", [input.review.operation, input.review.namespace, old, others, tier])
}";
    let policies = template(rego) + &constraint("{}");
    let old = OBJECTS.replace("NodePort", "ClusterIP");
    let said = [ask(&policies, OBJECTS), change(&policies, Some(&old), OBJECTS)].concat();
    insta::assert_snapshot!(said.join("\n"), @r#"
    env/a.yaml:1 error Seen/all: Service shop/web: CREATE of shop, was nothing, among ["settings"], tier gold
    env/a.yaml:1 error Seen/all: Service shop/web: UPDATE of shop, was ClusterIP, among ["settings"], tier gold
    "#);
}

#[test]
fn what_gatekeeper_cannot_judge_is_a_finding() {
    let said = |rego: &str| {
        ask(&(template(rego) + &constraint("{ match: { kinds: [{ kinds: [Service] }] } }")), OBJECTS).join("\n")
    };
    let rule =
        |body: &str| said(&format!("package seen\nviolation[{{\"msg\": msg}}] {{\n  msg := \"no\"\n  {body}\n}}"));
    let all = [
        said("package seen\nviolation[{"),
        rule("crypto.sha256(input.review.name) == \"x\""),
        rule("http.send({})"),
        rule("to_number(input.review.name) > 1"),
        rule("sprintf(\"%T\", [1]) == \"x\""),
        rule("frobnicate(input)"),
        said("package seen\nf(x) = 1 { x == 1 } else = 2 { x == 2 } {\n  x == 3\n}\nviolation[{\"msg\": \"x\"}] { f(2) }"),
        rule("numbers.range(1, 1000)[_] + numbers.range(1, 1000)[_] + numbers.range(1, 1000)[_] == 0"),
        ask(&constraint("{}"), OBJECTS).join("\n"),
        ask("apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\nmetadata: { name: a }\nspec: { targets: [] }\n", OBJECTS).join("\n"),
    ];
    insta::assert_snapshot!(all.join("\n"), @"
    policies/all.yaml:17 error POLICY: the template's Rego does not parse: expecting expression
    policies/all.yaml:18 error POLICY: `Seen/all` could not be judged: its template is broken
    policies/all.yaml:15 error POLICY: Service shop/web: `Seen/all` could not be judged: could not find function crypto.sha256
    policies/all.yaml:18 error POLICY: the policy calls `http.send`, whose answer changes from run to run
    policies/all.yaml:21 error POLICY: `Seen/all` could not be judged: its template is broken
    policies/all.yaml:15 error POLICY: Service shop/web: `Seen/all` could not be judged: could not parse string as number
    policies/all.yaml:18 error POLICY: `%T` is a format the engine does not know
    policies/all.yaml:21 error POLICY: `Seen/all` could not be judged: its template is broken
    policies/all.yaml:15 error POLICY: Service shop/web: `Seen/all` could not be judged: could not find function frobnicate
    policies/all.yaml:16 error POLICY: a second `{ … }` body follows the first; the engine would lose it
    policies/all.yaml:16 error POLICY: the template's Rego does not parse: expected `else` keyword
    policies/all.yaml:21 error POLICY: `Seen/all` could not be judged: its template is broken
    policies/all.yaml:15 error POLICY: `Seen/all` could not be judged: it took more than 1 s
    policies/all.yaml:2 error POLICY: there is no ConstraintTemplate for Seen, so nothing can be judged by it
    policies/all.yaml:1 error POLICY: the template does not name the kind of its constraints (`spec.crd.spec.names.kind`)
    ");
}

#[test]
fn libraries_and_todays_rego() {
    let policies = "apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: { name: seen }
spec:
  crd: { spec: { names: { kind: Seen } } }
  targets:
    - target: admission.k8s.gatekeeper.sh
      code:
        - engine: Rego
          source:
            version: v1
            rego: |
              package seen
              import data.lib.words
              violation contains {\"msg\": words.no(input.review.name)} if input.review.kind.kind == \"Service\"
            libs:
              - |
                package lib.words
                no(name) := sprintf(\"no %v\", [name])
"
    .to_owned()
        + &constraint("{}");
    assert_eq!(ask(&policies, OBJECTS), ["env/a.yaml:1 error Seen/all: Service shop/web: no web"]);
}

#[test]
fn a_template_in_cel() {
    let policies = "apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: { name: seen }
spec:
  crd: { spec: { names: { kind: Seen } } }
  targets:
    - target: admission.k8s.gatekeeper.sh
      code:
        - engine: K8sNativeValidation
          source:
            variables: [{ name: kinds, expression: '[variables.params.kind]' }]
            validations:
              - expression: '!(variables.anyObject.kind in variables.kinds) || object.spec.type != \"NodePort\"'
                messageExpression: '\"a node port: \" + object.metadata.name'
"
    .to_owned()
        + &constraint("{ parameters: { kind: Service } }");
    assert_eq!(ask(&policies, OBJECTS), ["env/a.yaml:5 error Seen/all: Service shop/web: a node port: web"]);
}

fn policy(spec: &str, binding: &str) -> String {
    let spec: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    format!(
        "apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{ name: ports }}
spec:
{spec}---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{ name: ports }}
spec: {{ policyName: ports, {binding} }}
"
    )
}

const SERVICES: &str = "matchConstraints:
  resourceRules:
    - { apiGroups: [''], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [services] }
";

#[test]
fn a_policy_and_its_binding() {
    let spec = format!(
        "{SERVICES}matchConditions:
  - {{ name: not-system, expression: '!request.namespace.startsWith(\"kube-\")' }}
variables:
  - {{ name: type, expression: object.spec.type }}
  - {{ name: missing, expression: object.spec.nothing }}
validations:
  - expression: variables.type in params.data.types.split(',')
    messageExpression: '\"type \" + variables.type + \" in \" + namespaceObject.metadata.labels.tier'
  - expression: oldObject == null || oldObject.spec.type == object.spec.type
    message: the type stays
  - expression: request.operation == 'CREATE'
  - expression: variables.missing == 1
auditAnnotations:
  - {{ key: type, valueExpression: variables.type }}
"
    );
    let policies = policy(&spec, "validationActions: [Deny, Audit], paramRef: { name: types, namespace: shop }");
    let params =
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: types }\ndata: { types: 'ClusterIP,LoadBalancer' }\n";
    let policies =
        policies.replace("spec:\n  match", "spec:\n  paramKind: { apiVersion: v1, kind: ConfigMap }\n  match") + params;
    let old = OBJECTS.replace("NodePort", "ClusterIP");
    let said = [ask(&policies, OBJECTS), vec![String::new()], change(&policies, Some(&old), OBJECTS)].concat();
    insta::assert_snapshot!(said.join("\n"), @"
    env/a.yaml:5 error ports: Service shop/web: type NodePort in gold
    env/a.yaml:1 error POLICY: Service shop/web: `ports` could not be judged: the variable `missing`: No such key: nothing

    env/a.yaml:5 error ports: Service shop/web: type NodePort in gold
    env/a.yaml:5 error ports: Service shop/web: the type stays
    env/a.yaml:1 error ports: Service shop/web: failed expression: request.operation == 'CREATE'
    env/a.yaml:1 error POLICY: Service shop/web: `ports` could not be judged: the variable `missing`: No such key: nothing
    ");
}

#[test]
fn a_policy_matches_as_the_api_server_does() {
    let count = |constraints: &str, binding: &str| {
        let spec =
            format!("matchConstraints: {constraints}\nvalidations: [{{ expression: 'false', message: forbidden }}]\n");
        let said = ask(&policy(&spec, &format!("validationActions: [Warn]{binding}")), OBJECTS);
        said.iter().map(|line| line.split(": ").nth(1).unwrap_or(line).to_owned()).collect::<Vec<_>>().join(", ")
    };
    let rule = |rest: &str| format!("{{ apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], {rest} }}");
    let all = rule("resources: ['*']");
    for (constraints, binding, answer) in [
        (format!("{{ resourceRules: [{all}] }}"), "", "Service shop/web, ConfigMap settings, Namespace shop"),
        (
            format!("{{ resourceRules: [{}] }}", rule("resources: ['services/*', namespaces/status]")),
            "",
            "Service shop/web",
        ),
        (format!("{{ resourceRules: [{}] }}", rule("resources: ['*/*'], scope: Cluster")), "", "Namespace shop"),
        (
            format!("{{ resourceRules: [{}] }}", rule("resources: ['*'], resourceNames: [settings]")),
            "",
            "ConfigMap settings",
        ),
        (
            format!("{{ resourceRules: [{all}], excludeResourceRules: [{}] }}", rule("resources: [services]")),
            "",
            "ConfigMap settings, Namespace shop",
        ),
        (
            format!("{{ resourceRules: [{all}], objectSelector: {{ matchLabels: {{ team: a }} }} }}"),
            "",
            "Service shop/web",
        ),
        (
            format!("{{ resourceRules: [{all}] }}"),
            ", matchResources: { objectSelector: { matchLabels: { team: b } } }",
            "",
        ),
        (
            format!("{{ resourceRules: [{all}] }}"),
            ", matchResources: { namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: default } } }",
            "ConfigMap settings",
        ),
        (
            "{ resourceRules: [{ apiGroups: [''], apiVersions: [v1], operations: [DELETE], resources: ['*'] }] }"
                .to_owned(),
            "",
            "",
        ),
    ] {
        assert_eq!(count(&constraints, binding), answer, "{constraints} {binding}");
    }
}

#[test]
fn what_a_policy_cannot_judge_follows_its_failure_policy() {
    let said = |rest: &str, binding: &str| {
        let spec = format!("{rest}\n{SERVICES}");
        ask(&policy(&spec, &format!("validationActions: [Deny]{binding}")), OBJECTS).join("\n")
    };
    let all = [
        said("validations: [{ expression: object.spec.nothing == 1 }]", ""),
        said("failurePolicy: Ignore\nvalidations: [{ expression: object.spec.nothing == 1 }]", ""),
        said("validations: [{ expression: object.spec.type }]", ""),
        said("validations: [{ expression: 'object.spec.' }]", ""),
        said("validations: [{ expression: 'authorizer.requestResource.check(\"x\").allowed()' }]", ""),
        said("matchConditions: [{ name: a, expression: object.nothing }]\nvalidations: [{ expression: 'false' }]", ""),
        said("auditAnnotations: [{ key: a, valueExpression: object.nothing }]", ""),
        said("paramKind: { apiVersion: v1, kind: ConfigMap }\nvalidations: [{ expression: 'true' }]", ", paramRef: { name: none, parameterNotFoundAction: Deny }"),
        said("paramKind: { apiVersion: v1, kind: ConfigMap }\nvalidations: [{ expression: 'true' }]", ", paramRef: { name: none, parameterNotFoundAction: Allow }"),
        ask("apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\nmetadata: { name: a }\nspec: { policyName: none }\n", OBJECTS).join("\n"),
    ];
    insta::assert_snapshot!(all.join("\n"), @"
    env/a.yaml:1 error POLICY: Service shop/web: `ports` could not be judged: No such key: nothing
    env/a.yaml:1 info POLICY: Service shop/web: `ports` could not be judged: No such key: nothing
    env/a.yaml:1 error POLICY: Service shop/web: `ports` could not be judged: it is neither true nor false
    policies/all.yaml:5 error POLICY: `expression` is no expression that can be evaluated: Syntax error: no viable alternative at input '.'
    policies/all.yaml:1 error POLICY: `ports` could not be judged: the policy is broken
    env/a.yaml:1 error POLICY: Service shop/web: `ports` could not be judged: Undeclared reference to 'authorizer'
    env/a.yaml:1 error POLICY: Service shop/web: `ports` could not be judged: the condition `a`: No such key: nothing
    env/a.yaml:1 error POLICY: Service shop/web: `ports` could not be judged: the annotation `a`: No such key: nothing
    env/a.yaml:1 error POLICY: Service shop/web: `ports` could not be judged: its parameters (ConfigMap `none`) are neither in this environment nor in a policy folder

    policies/all.yaml:1 error POLICY: there is no ValidatingAdmissionPolicy `none` to bind
    ");
}

#[test]
fn an_environments_own_policies_are_those_of_before() {
    let spec = format!("{SERVICES}validations: [{{ expression: 'false', message: forbidden }}]\n");
    let with = format!("{OBJECTS}---\n{}", policy(&spec, "validationActions: [Deny]"));
    // The change brings a policy: nothing is judged by it yet. The change takes one away: it still counts.
    assert_eq!(change("", Some(OBJECTS), &with), [""; 0]);
    assert_eq!(
        change("", Some(&with), OBJECTS),
        ["env/a.yaml:5 error ports: Service shop/web: forbidden"].map(|line| line.replace(":5", ":1"))
    );
    assert_eq!(ask("", &with).len(), 1);
}
