use super::evaluate::*;
use super::files::{self, PolicyFiles};
use super::fixture;
use super::waivers::Waivers;
use jiff::civil::date;

use crate::manifest::MaskKey;
use crate::model::finding::{Blocks, ChangeKind, Evaluation, Finding};
use crate::model::pipeline::{Environment, Merge, Mode, OnNewer, Pipeline, Policies, Rights, Takes, Via};
use crate::model::tree::{MemoryObjects, Tree};

pub(super) fn pipeline() -> Pipeline {
    let environment = |name: &str, takes| Environment {
        name: name.to_owned(),
        path: format!("environments/{name}"),
        takes,
        via: Via::PullRequest,
        merge: Merge::Auto,
        on_newer: OnNewer::Supersede,
        after: Vec::new(),
        ships: None,
        soak: None,
        approvals: None,
        windows: None,
        health: None,
        checks: Vec::new(),
        rights: Rights::default(),
        url: None,
        kubernetes: None,
        flux: None,
    };
    Pipeline {
        mode: Mode::Enforce,
        apps: Vec::new(),
        environments: [("dev", Takes::Trunk), ("stage", Takes::Prereleases), ("prod", Takes::Releases)]
            .map(|(name, takes)| environment(name, takes))
            .into(),
        policies: Policies {
            packs: vec!["recommended".into()],
            paths: vec!["policies".parse().unwrap()],
            ..Policies::default()
        },
        registries: Vec::new(),
    }
}

pub(super) type Files<'a> = &'a [(&'a str, &'a str)];

pub(super) fn change(before: Files, after: Files) -> Evaluation {
    change_under(&pipeline(), before, after)
}

pub(super) fn change_under(pipeline: &Pipeline, before: Files, after: Files) -> Evaluation {
    let mut store = MemoryObjects::default();
    let base = store.add_text(before.iter().copied()).unwrap();
    let head = store.add_text(after.iter().copied()).unwrap();
    let base = Tree::new(base, &store);
    let policies: PolicyFiles = files::read(&store, &files::list(&base, &pipeline.policies.paths));
    let listed = files::list(&base, &pipeline.policies.paths);
    let job = Job {
        base,
        head: Tree::new(head, &store),
        pipeline,
        policies: &policies,
        waivers: &Waivers::read(&store, &listed, pipeline, date(2026, 11, 27)),
        mask: &MaskKey([1; 32]),
    };
    evaluate(&job, &mut |_| {})
}

/// The affected environments with what changes in them.
fn affected(evaluation: &Evaluation) -> Vec<String> {
    let show = |env: &crate::model::finding::EnvironmentEvaluation| {
        let changes: Vec<String> =
            env.changes.iter().map(|change| format!("{:?} {}", change.kind, change.object)).collect();
        format!("{}: {}", env.environment, changes.join(", "))
    };
    evaluation.environments.iter().map(show).collect()
}

const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: app }\ndata: { a: '1' }\n";

fn repository<'a>() -> Vec<(&'a str, &'a str)> {
    vec![
        ("base/kustomization.yaml", "resources: [app.yaml]\n"),
        ("base/app.yaml", CONFIG_MAP),
        ("base/README.md", "words"),
        ("environments/dev/kustomization.yaml", "resources: [../../base]\n"),
        ("environments/stage/app.yaml", CONFIG_MAP),
        ("environments/prod/kustomization.yaml", "resources: [../../base]\nnamePrefix: p-\n"),
    ]
}

fn with<'a>(path: &'a str, text: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut files = repository();
    files.retain(|(other, _)| *other != path);
    files.push((path, text));
    files
}

#[test]
fn an_environment_is_affected_through_its_base_and_by_nothing_else() {
    let to = |after: Files| affected(&change(&repository(), after));
    let other = CONFIG_MAP.replace('1', "2").replace("v2", "v1");
    assert_eq!(to(&repository()), [""; 0]);
    assert_eq!(to(&with("base/README.md", "more words")), [""; 0]);
    assert_eq!(to(&with("elsewhere/app.yaml", CONFIG_MAP)), [""; 0]);
    assert_eq!(to(&with("base/app.yaml", &other)), ["dev: Changed ConfigMap app", "prod: Changed ConfigMap p-app"]);
    assert_eq!(to(&with("environments/prod/kustomization.yaml", "resources: [../../base]\n")).len(), 1);
    // A folder without kustomization takes whatever is put there.
    let added = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: new }\n";
    assert_eq!(to(&with("environments/stage/new.yaml", added)), ["stage: Added ConfigMap new"]);
}

#[test]
fn an_environment_is_affected_by_whoever_applies_it() {
    let cluster = |variable: &str, interval: &str| {
        format!(
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{ name: app, namespace: flux-system }}\nspec:\n  interval: {interval}\n  path: ./environments/prod\n  sourceRef: {{ kind: GitRepository, name: x }}\n  postBuild: {{ substitute: {{ a: '{variable}' }} }}\n"
        )
    };
    let (before, after, same) = (cluster("1", "1m"), cluster("2", "1m"), cluster("1", "2m"));
    let app = CONFIG_MAP.replace("'1'", "'${a:=0}'");
    let at = |cluster: &str| {
        let mut files: Vec<(String, String)> =
            with("base/app.yaml", &app).into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect();
        files.push(("clusters/prod/app.yaml".to_owned(), cluster.to_owned()));
        files
    };
    let to = |head: &str| {
        let (base, head) = (at(&before), at(head));
        let texts = |files: &'_ [(String, String)]| -> Vec<(&'static str, &'static str)> {
            // Leaked for the length of a test.
            files.iter().map(|(path, text)| (&*path.clone().leak(), &*text.clone().leak())).collect()
        };
        change(&texts(&base), &texts(&head))
    };
    let changed = to(&after);
    assert_eq!(affected(&changed), ["prod: Changed ConfigMap p-app"]);
    assert!(changed.environments[0].changes[0].diff.contains("-  a: 1\n+  a: 2"), "{changed:?}");
    // The file is among what prod is made of, though nothing of it changes.
    assert_eq!(affected(&to(&same)), ["prod: "]);
    assert_eq!(affected(&to("# gone\n")), ["prod: Changed ConfigMap p-app"]);
}

#[test]
fn new_and_removed_environments() {
    let mut without = repository();
    without.retain(|(path, _)| !path.starts_with("environments/prod/"));
    let added = change(&without, &repository());
    assert_eq!(affected(&added), ["prod: Added ConfigMap p-app"]);
    assert!(!added.blocks(), "{added:?}");
    let removed = change(&repository(), &without);
    assert_eq!(removed.environments[0].changes[0].kind, ChangeKind::Removed);
    assert!(removed.blocks(), "a configured folder that goes is said: {removed:?}");
}

#[test]
fn an_overlay_that_does_not_build_is_said_once_at_its_line() {
    let broken = change(&repository(), &with("environments/prod/kustomization.yaml", "resources: [../../bose]\n"));
    let [prod] = broken.environments.as_slice() else { panic!("{broken:?}") };
    assert!(!prod.rendered && prod.changes.is_empty());
    assert_eq!(prod.findings[0].location.as_ref().unwrap().to_string(), "environments/prod/kustomization.yaml:1:13");
    assert!(prod.findings.iter().all(|finding| finding.blocks()), "{:?}", prod.findings);
}

#[test]
fn broken_policies_of_the_default_branch_are_listed_and_do_not_block_others() {
    let mut before = repository();
    before.push(("policies/a.rego", "package main\ndeny contains if if\n"));
    let mut after = with("environments/stage/app.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: app }\n");
    after.push(before[before.len() - 1]);
    let evaluation = change(&before, &after);
    assert_eq!(evaluation.findings.len(), 1);
    assert!(!evaluation.blocks(), "{evaluation:?}");
    // Mending them shows as fixed.
    let mut mended = repository();
    mended.push(("policies/a.rego", "package main\ndeny contains \"x\" if input.nothing\n"));
    let evaluation = change(&before, &mended);
    assert_eq!(evaluation.findings[0].delta, crate::model::finding::Delta::Fixed);
}

#[test]
fn missing_trees_are_a_finding() {
    let store = MemoryObjects::default();
    let pipeline = pipeline();
    let tree = |byte| Tree::new(crate::model::id::Oid([byte; 20]), &store);
    let job = Job {
        base: tree(1),
        head: tree(2),
        pipeline: &pipeline,
        policies: &PolicyFiles::default(),
        waivers: &Waivers::read(&store, &[], &pipeline, date(2026, 11, 27)),
        mask: &MaskKey([1; 32]),
    };
    let evaluation = evaluate(&job, &mut |_| {});
    assert!(evaluation.blocks() && evaluation.findings[0].rule == LIMIT, "{evaluation:?}");
}

#[test]
fn what_does_not_build_says_nothing_of_its_images() {
    let path = "environments/dev/kustomization.yaml";
    let images = "images: [{ name: acme/other, newTag: v1 }]\n";
    let rules = |resources: &str| {
        let text = format!("resources: [{resources}]\n{images}");
        let evaluation = change(&repository(), &with(path, &text));
        evaluation.environments[0].findings.iter().map(|finding| finding.rule.clone()).collect::<Vec<_>>()
    };
    assert_eq!(rules("../../base"), ["KUST-004"]);
    assert_eq!(rules("../../base, missing.yaml"), ["KUST-001"]);
}

const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata: { name: shop }
spec:
  selector: { matchLabels: { app: shop } }
  template: { metadata: { labels: { app: shop, tier: front } }, spec: { containers: [{ name: shop, image: shop:v1 }] } }
";

#[test]
fn rules_about_a_change_see_what_was_before() {
    let after = DEPLOYMENT.replace("{ app: shop } }\n  template", "{ tier: front } }\n  template");
    let (was, is) = ([("environments/dev/a.yaml", DEPLOYMENT)], [("environments/dev/a.yaml", after.as_str())]);
    let told = |before: Files, after: Files| {
        let evaluation = change(before, after);
        let findings = evaluation.environments.iter().flat_map(|environment| environment.findings.clone());
        findings.filter(|finding| finding.rule == "DATA-002").collect::<Vec<_>>()
    };
    let found = told(&was, &is);
    assert!(found.len() == 1 && found[0].blocks() && found[0].location.as_ref().unwrap().line == 5, "{found:?}");
    // An environment that is new, and one that did not render before, changes nothing.
    assert_eq!(told(&[("other", "x")], &is), []);
    assert_eq!(told(&[("environments/dev/a.yaml", "kind: [")], &is), []);
}

/// What is wrong with a change, as `severity delta rule: message`, and who accepted it.
fn judged(evaluation: &Evaluation) -> String {
    let show = |(environment, finding): (Option<&crate::model::finding::EnvironmentEvaluation>, &Finding)| {
        let place = environment.map_or_else(String::new, |one| format!("{}: ", one.environment));
        let by = finding.accepted.as_ref().map_or_else(String::new, |by| format!(" ({by})"));
        format!("{place}{} {:?} {}: {}{by}\n", finding.severity, finding.delta, finding.rule, finding.message)
    };
    evaluation.all_findings().map(show).collect()
}

/// A production of one Deployment with many containers, each of `image`.
fn many(image: &str) -> String {
    let containers: String = (0..150).map(|n| format!("      - {{name: c{n}, image: '{image}'}}\n")).collect();
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: shop}}\nspec:\n  template:\n    spec:\n      containers:\n{containers}"
    )
}

#[test]
fn waivers_count_from_the_default_branch_alone_and_also_for_what_is_not_listed() {
    const WAIVER: &str =
        "- {rule: IMG-001, object: Deployment shop/web, reason: agreed, owner: '@sue', expires: 2026-12-01}\n";
    let (good, bad) = (many("web:1.0"), many("web:latest"));
    const WEB: &str = "environments/prod/web.yaml";
    const FILE: &str = "policies/waivers.yaml";
    let img = |evaluation: &Evaluation| {
        let lines = judged(evaluation);
        lines.lines().filter(|line| line.contains(" IMG-001:")).map(str::to_owned).collect::<Vec<_>>()
    };
    // On the default branch it counts, for more than the hundred that are listed as well.
    let accepted = change(&[(WEB, &good), (FILE, WAIVER)], &[(WEB, &bad), (FILE, WAIVER)]);
    assert_eq!(img(&accepted).len(), 101);
    assert!(img(&accepted).iter().all(|line| line.ends_with("(waived until 2026-12-01 by @sue: agreed)")));
    assert_eq!((accepted.blocks(), accepted.waived_until), (false, Some(date(2026, 12, 1))));
    // The change's own does not, and says what it would do.
    let own = change(&[(WEB, &good)], &[(WEB, &bad), (FILE, WAIVER)]);
    assert!(own.blocks() && img(&own).iter().all(|line| !line.contains("waived")));
    let said = own.findings.iter().find(|finding| finding.rule == "WAIVER").unwrap();
    assert_eq!(said.message, "this waiver counts once it is on the default branch; until then what it is for stands");
    // Taken away, it still counts for this change.
    let removed = change(&[(WEB, &good), (FILE, WAIVER)], &[(WEB, &bad)]);
    assert!(!removed.blocks());
    // One more object is not covered, and is not pushed out of the list by those that are.
    let other = bad.replace("name: web, namespace", "name: other, namespace");
    let other = format!("{bad}---\n{}", other.split("      - {name: c1,").next().unwrap());
    let other = change(&[(WEB, &good), (FILE, WAIVER)], &[(WEB, &other), (FILE, WAIVER)]);
    assert!(other.blocks() && !img(&other)[0].contains("waived"), "{}", img(&other)[0]);
}

#[test]
fn a_change_of_waivers_is_checked_at_its_lines() {
    const FILE: &str = "policies/waivers.yaml";
    let web = many("web:1.0");
    let before = [("environments/prod/web.yaml", web.as_str()), (FILE, "- {rule: IMG-01, path: a}\n")];
    let after = [before[0], (FILE, "- rule: IMG-001\n  path: environments\n  reason: a\n  owner: b\n")];
    let evaluation = change(&before, &after);
    let shown = evaluation
        .findings
        .iter()
        .map(|finding| format!("{:?} {} {}", finding.delta, finding.location.as_ref().unwrap(), finding.message));
    insta::assert_snapshot!(shown.collect::<Vec<_>>().join("\n"), @"
    Existing policies/waivers.yaml:1:3 this waiver has no `expires`
    Fixed policies/waivers.yaml:1:3 this waiver has no `owner`
    Fixed policies/waivers.yaml:1:3 this waiver has no `reason`
    Fixed policies/waivers.yaml:1:10 there is no rule `IMG-01`
    ");
}

/// The definition of a Tea whose `spec` has one field, a text.
fn tea(field: &str) -> String {
    fixture::tea(field, "string")
}

#[test]
fn definitions_elsewhere_are_those_of_each_side() {
    const GREEN: &str = "apiVersion: acme.dev/v1\nkind: Tea\nmetadata: { name: green }\nspec: { size: a }\n";
    const FILE: &str = "environments/prod/tea.yaml";
    const CRD: &str = "infrastructure/crds/tea.yaml";
    let (size, x) = (tea("size"), tea("x"));
    let other = GREEN.replace("green", "black");
    let said = |before: Files, after: Files| {
        let evaluation = change(before, after);
        let lines = judged(&evaluation);
        lines.lines().filter(|line| line.contains(" SCH-")).map(str::to_owned).collect::<Vec<_>>()
    };
    let unknown = "`spec.size` is no field of Tea";
    // Wrong before and after, and wrong in what is new.
    assert_eq!(
        said(&[(FILE, GREEN), (CRD, &x)], &[(FILE, &other), (CRD, &x)]),
        [format!("prod: error New SCH-001: {unknown}"), format!("prod: error Fixed SCH-001: {unknown}")]
    );
    // Head's definition judges head, base's judges base, also where nothing else changes and the environment is not touched.
    assert_eq!(
        said(&[(FILE, GREEN), (CRD, &size)], &[(FILE, GREEN), (CRD, &x)]),
        [format!("prod: error New SCH-001: {unknown}")]
    );
    assert_eq!(
        said(&[(FILE, GREEN), (CRD, &x)], &[(FILE, GREEN), (CRD, &size)]),
        [format!("prod: error Fixed SCH-001: {unknown}")]
    );
    // A definition that changes nothing here lists nothing here.
    let more = size.replace("size: {", "more: { type: string }, size: {");
    let evaluation = change(&[(FILE, GREEN), (CRD, &size)], &[(FILE, GREEN), (CRD, &more)]);
    assert_eq!(affected(&evaluation), [""; 0]);
}

#[test]
fn a_definition_is_held_against_so_many_environments_and_no_more() {
    let mut pipeline = pipeline();
    let first = pipeline.environments.remove(0);
    let numbered =
        |n: usize| Environment { name: format!("e{n:03}"), path: format!("environments/e{n:03}"), ..first.clone() };
    let told = |count: usize| {
        let pipeline = Pipeline { environments: (0..count).map(numbered).collect(), ..pipeline.clone() };
        let green = "apiVersion: acme.dev/v1\nkind: Tea\nmetadata: { name: green }\nspec: { size: a }\n";
        let with = |definition: &str| {
            let files = (0..count).flat_map(|n| {
                let file = |name: &str, text: &str| (format!("environments/e{n:03}/{name}"), text.to_owned());
                [file("tea.yaml", green), file("kustomization.yaml", "resources: [tea.yaml]\n")]
            });
            files.chain([("crds/tea.yaml".to_owned(), definition.to_owned())]).collect::<Vec<_>>()
        };
        let (before, after) = (with(&tea("size")), with(&tea("x")));
        let shown = |files: &'_ [(String, String)]| -> Vec<(&'static str, &'static str)> {
            // Leaked for the length of a test.
            files.iter().map(|(path, text)| (&*path.clone().leak(), &*text.clone().leak())).collect()
        };
        let evaluation = change_under(&pipeline, &shown(&before), &shown(&after));
        (evaluation.environments.len(), evaluation.findings.iter().map(|one| one.message.clone()).collect::<Vec<_>>())
    };
    assert_eq!(told(100), (100, Vec::new()));
    let (listed, said) = told(101);
    assert_eq!(listed, 100);
    insta::assert_snapshot!(said.join("\n"), @"a CustomResourceDefinition changes, and only the first 100 environments were held to it");
}

#[test]
fn each_environment_says_what_blocks_in_it_and_what_was_not_seen_blocks_everywhere() {
    let mut pipeline = pipeline();
    pipeline.policies.blocks = Blocks::Nothing;
    pipeline.policies.blocks_in = [("prod".to_owned(), Blocks::AllErrors)].into();
    let with = |app: &'static str| [("base/app.yaml", app), ("environments/stage/app.yaml", app)];
    let before = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: app, nmae: x }\n";
    let after = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: app, nmae: x }\ndata: { a: b }\n";
    let overlays = [
        ("base/kustomization.yaml", "resources: [app.yaml]\n"),
        ("environments/dev/kustomization.yaml", "resources: [../../base]\n"),
        ("environments/prod/kustomization.yaml", "resources: [../../base]\n"),
    ];
    let files = |app| [overlays.as_slice(), &with(app)].concat();
    let blocking = |evaluation: &Evaluation| -> Vec<String> {
        let blocks = evaluation.all_findings().filter(|(_, finding)| finding.blocks());
        blocks.map(|(environment, finding)| format!("{} {}", environment.unwrap().environment, finding.rule)).collect()
    };
    // It was there before, and only prod asks for that.
    assert_eq!(blocking(&change_under(&pipeline, &files(before), &files(after))), ["prod SCH-001"]);
    // What is new blocks where people asked for it; by default everywhere.
    let nothing: [(&str, &str); 1] = [("x", "y")];
    assert_eq!(blocking(&change_under(&pipeline, &nothing, &files(after))), ["prod SCH-001"]);
    assert_eq!(blocking(&change(&nothing, &files(after))), ["dev SCH-001", "stage SCH-001", "prod SCH-001"]);
    let broken = files("apiVersion: v1\nkind: [\n");
    let blind = ["dev KUST-001", "stage KUST-001", "prod KUST-001"];
    assert_eq!(blocking(&change_under(&pipeline, &files(after), &broken)), blind);
}
