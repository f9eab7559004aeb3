use proptest::prelude::*;

use super::table::{MAX_APPS, MAX_ENVIRONMENTS};
use super::*;
use crate::model::finding::{Blocks, Severity};
use crate::model::pipeline::{Environment, Image, Merge, Mode, RuleSeverity, TagTemplate, Takes, Via};

const EXAMPLE: &str = r#"version: 1
mode: enforce                          # observe: neutral checks and plans, no promotion is written
apps:
  shop:
    source: acme/shop                  # where trunk and the tags are; default: this repository
    tags: "v*"                         # monorepo: "shop/v*"; what follows the fixed part is the version
    images:                            # tag: {tag}, {version}, {short-sha}, {sha}; default {tag}, on trunk {short-sha}
      - ghcr.io/acme/shop-frontend
      - { name: ghcr.io/acme/shop-backend, tag: "{version}" }
environments:                          # listed in the order people think of them
  dev:
    path: environments/dev             # may hold {app}
    takes: trunk                       # trunk | prereleases | releases
    via: pull-request                  # or commit: straight to the branch, for quiet low environments
    merge: auto                        # auto | manual: who presses merge once every gate is open
  stage:
    path: environments/stage
    takes: prereleases
    after: [dev]                       # a list: pipelines are graphs
    merge: auto
  prod:
    path: environments/prod
    takes: releases
    after: [stage]
    ships: { tested-in: stage, match: digest }   # digest: stage's very image; commit: accepts a rebuild of the same commit
    soak: 24h
    approvals: { teams: [acme/sre], min: 1, four-eyes: true }
    windows:
      timezone: Europe/Berlin
      allow: [{ cron: "0 9 * * 1-4", for: 7h }]
      exclude: [{ from: 2026-12-20, to: 2027-01-02, reason: holidays }]   # exclude beats allow
    health: { timeout: 20m, unknown: wait }      # wait | block | ignore; ignored while no cluster is connected
    checks: [{ name: e2e, of: source, app: github-actions }]
    merge: manual
    rights: { promote: [acme/release], rollback: [acme/sre], freeze: [acme/sre], bypass: [acme/sre-leads] }
policies: { packs: [recommended], paths: [policies] }
"#;

fn file() -> RepoPath {
    FILE.parse().unwrap()
}

fn parsed(text: &str) -> Parsed {
    parse(&file(), text)
}

/// The problems as a person sees them.
fn problems(text: &str) -> String {
    let lines = parsed(text).problems.into_iter().map(|problem| {
        let place = problem.location.map_or(String::new(), |at| format!("{}:{}: ", at.line, at.column));
        let help = problem.help.map_or(String::new(), |help| format!("\n    help: {help}"));
        format!("{place}{}{help}", problem.message)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn environment(text: &str) -> Environment {
    let parsed = parsed(text);
    assert_eq!(parsed.problems, [], "{text}");
    parsed.pipeline.unwrap().environments.into_iter().next_back().unwrap()
}

#[test]
fn the_designs_example_is_right() {
    let parsed = parsed(EXAMPLE);
    assert_eq!(parsed.problems, []);
    let pipeline = parsed.pipeline.unwrap();
    assert_eq!(pipeline.mode, Mode::Enforce);
    let shop = pipeline.app("shop").unwrap();
    assert_eq!(shop.source.as_ref().unwrap().to_string(), "acme/shop");
    assert_eq!(
        shop.images,
        [
            Image { name: "ghcr.io/acme/shop-frontend".into(), tag: TagTemplate::Default },
            Image { name: "ghcr.io/acme/shop-backend".into(), tag: TagTemplate::Custom("{version}".into()) },
        ]
    );
    let names: Vec<&str> = pipeline.environments.iter().map(|env| env.name.as_str()).collect();
    assert_eq!(names, ["dev", "stage", "prod"]);
    insta::assert_debug_snapshot!(pipeline.environment("prod").unwrap(), @r#"
    Environment {
        name: "prod",
        path: "environments/prod",
        takes: Releases,
        via: PullRequest,
        merge: Manual,
        on_newer: Supersede,
        after: [
            "stage",
        ],
        ships: Some(
            Ships {
                tested_in: "stage",
                matches: Digest,
            },
        ),
        soak: Some(
            86400s,
        ),
        approvals: Some(
            Approvals {
                teams: [
                    "acme/sre",
                ],
                min: 1,
                four_eyes: true,
            },
        ),
        windows: Some(
            Windows {
                timezone: "Europe/Berlin",
                allow: [
                    Window {
                        cron: "0 9 * * 1-4",
                        length: 25200s,
                    },
                ],
                exclude: [
                    Exclusion {
                        from: 2026-12-20,
                        to: 2027-01-02,
                        reason: "holidays",
                    },
                ],
            },
        ),
        health: Some(
            Health {
                timeout: 1200s,
                unknown: Wait,
            },
        ),
        checks: [
            NamedCheck {
                name: "e2e",
                of: Source,
                app: Some(
                    "github-actions",
                ),
            },
        ],
        rights: Rights {
            promote: [
                "acme/release",
            ],
            rollback: [
                "acme/sre",
            ],
            freeze: [
                "acme/sre",
            ],
            bypass: [
                "acme/sre-leads",
            ],
        },
        url: None,
        kubernetes: None,
        flux: None,
    }
    "#);
}

#[test]
fn defaults_are_the_careful_ones() {
    let parsed = parsed("version: 1\nenvironments: { dev: { path: dev/, takes: trunk } }\n");
    assert_eq!(parsed.problems, []);
    let pipeline = parsed.pipeline.unwrap();
    assert_eq!(pipeline.policies.packs, ["recommended"]);
    assert_eq!(pipeline.policies.paths, ["policies".parse().unwrap()]);
    let dev = pipeline.environment("dev").unwrap();
    assert_eq!(
        (dev.via, dev.merge, dev.takes, dev.path.as_str()),
        (Via::PullRequest, Merge::Manual, Takes::Trunk, "dev")
    );
    assert!(pipeline.apps.is_empty());

    let prod = environment("version: 1\nenvironments: { prod: { path: p, takes: releases, approvals: {} } }\n");
    let approvals = prod.approvals.unwrap();
    assert!(approvals.four_eyes && approvals.min == 1 && approvals.teams.is_empty());
}

#[test]
fn severities_are_said_for_all_environments_or_for_each() {
    let environments = "version: 1\nenvironments: { dev: { path: d, takes: trunk }, prod: { path: p, takes: releases, flux: \"2.8\" } }\n";
    let file = |policies: &str| format!("{environments}policies:\n{policies}");
    let parsed = parsed(&file(
        "  packs: [recommended, optional]
  images-from: [ghcr.io/acme, 123456789012.dkr.ecr.eu-central-1.amazonaws.com]
  severities:
    WL-001: info
    WL-002: off
    WL-003: { dev: \"off\", prod: error }
",
    ));
    assert_eq!(parsed.problems, []);
    let pipeline = parsed.pipeline.unwrap();
    assert_eq!(pipeline.environment("prod").unwrap().flux, Some(8));
    assert_eq!(pipeline.policies.images_from.len(), 2);
    let said = |one: &RuleSeverity| (one.rule.clone(), one.environment.clone(), one.severity);
    let all: Vec<_> = pipeline.policies.severities.iter().map(said).collect();
    let dev = Some("dev".to_owned());
    let prod = Some("prod".to_owned());
    assert_eq!(
        all,
        [
            ("WL-001".to_owned(), None, Some(Severity::Info)),
            ("WL-002".to_owned(), None, None),
            ("WL-003".to_owned(), dev, None),
            ("WL-003".to_owned(), prod, Some(Severity::Error)),
        ]
    );
    insta::assert_snapshot!(problems(&file(
        "  severities:
    WL-01: error
    shop: error
    KUST-001: off
    WL-002: { prd: error }
    WL-003: fatal
    WL-004: no
    WL-005: [error]
"
    )), @"
    5:5: `WL-01` in `policies.severities` is no rule
        help: Did you mean `WL-001`?
    6:5: `shop` in `policies.severities` is no rule
        help: A rule is written like `KUST-001`.
    7:5: `policies.severities.KUST-001` would change what cannot be changed
        help: What does not build cannot be checked, so it stays an error; remove the line.
    8:15: `policies.severities.WL-002` names `prd`, which is no environment here
        help: Did you mean `prod`?
    9:13: `policies.severities.WL-003` should be `error`, `warning`, `info` or `off`, but is `fatal`
    10:13: `policies.severities.WL-004` should be `error`, `warning`, `info` or `off`, but is the boolean `false`
    11:13: `policies.severities.WL-005` should be `error`, `warning`, `info` or `off`, but is a list
    ");
}

#[test]
fn every_mistake_is_told_at_once_and_at_its_place() {
    insta::assert_snapshot!(problems(r#"
version: 2
mod: enforce
apps:
  Shop:
    source: https://github.com/acme/shop
    tags: "v*-rc"
    images:
      - ghcr.io/acme/shop:latest
      - { name: ghcr.io/acme/back, tag: "{verson}" }
      - { tag: "{version}" }
environments:
  dev:
    path: environments/dev
    takes: realeases
    via: commit
    merge: manual
    approvals: { teams: [sre], min: 0, four-eyes: maybe }
  stage:
    path: environments/dev/stage
    afer: [dev]
    after: dev
    soak: 24
  no:
    path: ../prod
    takes: [releases]
    after: [stge, no]
    windows: { timezone: Europe/Berlln, allow: [{ cron: "0 25 * * *", for: 0h }], exclude: [{ from: 2026-02-30, to: 2026-01-01 }] }
policies: recommended
"#), @r#"
    2:10: `version` should be the number 1, but is the number 2
        help: This Trunkline reads version 1 of the format only.
    3:1: unknown key `mod` in this file
        help: Did you mean `mode`?
    5:3: `Shop` in `apps` is not a name of lower-case letters, digits and dashes, at most 40
        help: Rename it: it becomes part of branch names.
    6:13: `apps.Shop.source` should be a repository as owner/name, but is `https://github.com/acme/shop`
        help: For example `acme/shop`.
    7:11: `apps.Shop.tags` should be a tag pattern with one `*`, at its end, but is `v*-rc`
        help: For example `v*`.
    9:9: `apps.Shop.images[0]` should be an image name without tag or digest, but is `ghcr.io/acme/shop:latest`
        help: For example `ghcr.io/acme/shop`.
    10:41: `apps.Shop.images[1].tag` should be an image tag with `{tag}`, `{version}`, `{semver}`, `{short-sha}` or `{sha}` in it, but is `{verson}`
        help: For example `{version}`.
    11:9: `apps.Shop.images[2]` has no `name`
        help: Add `name: ghcr.io/acme/shop`. The image's name, without tag and digest.
    15:12: `environments.dev.takes` should be `trunk`, `prereleases` or `releases`, but is `realeases`
        help: Did you mean `releases`?
    17:12: `environments.dev.merge` is `manual`, but `via: commit` leaves nothing to merge
        help: Use `via: pull-request`, or drop `merge`.
    18:16: `environments.dev.approvals` asks people, but `via: commit` shows them nothing to approve
        help: Use `via: pull-request`, or drop the approvals.
    18:26: `environments.dev.approvals.teams[0]` should be a team as org/slug, but is `sre`
        help: For example `acme/sre`.
    18:37: `environments.dev.approvals.min` should be a whole number from 1 to 10, but is the number 0
    18:51: `environments.dev.approvals.four-eyes` should be `true` or `false`, but is `maybe`
    20:5: `environments.stage` has no `takes`
        help: Add `takes: trunk`. Which versions enter by themselves.
    20:11: `environments.stage.path` and the folder of `dev` lie inside each other
        help: Give each environment a folder of its own: a change must belong to one environment.
    21:5: unknown key `afer` in `environments.stage`
        help: Did you mean `after`?
    22:12: `environments.stage.after` should be a list, but is `dev`
        help: Write `[dev]`.
    23:11: `environments.stage.soak` should be a duration in days, hours and minutes, but is the number 24
        help: For example `24h`.
    24:3: the name `no` in `environments` is a boolean in YAML 1.1
        help: Put it in quotes: `"no":`.
    25:11: `environments.false.path` is `../prod`, which leads out of the repository
        help: Write a folder relative to the repository's root, without `..`.
    26:12: `environments.false.takes` should be `trunk`, `prereleases` or `releases`, but is a list
    27:13: `environments.false.after` names `stge`, which is no environment here
        help: Did you mean `stage`?
    27:19: `environments.false.after[1]` should be a name of lower-case letters, digits and dashes, at most 40, but is the boolean `false`
        help: For example `stage`; put it in quotes if you mean text.
    28:26: `environments.false.windows.timezone` is `Europe/Berlln`, which is no time zone
        help: Did you mean `Europe/Berlin`?
    28:57: `environments.false.windows.allow` opens at `0 25 * * *`, which is no cron expression
        help: Minute 0-59, hour 0-23, day 1-31, month 1-12, day of week 0-7; for example `0 9 * * 1-4`.
    28:76: `environments.false.windows.allow` is `0h`
        help: A duration is at least a minute and at most a year.
    28:93: `environments.false.windows.exclude[0]` has no `reason`
        help: Add `reason: holidays`. Why; people who wait are shown it.
    28:101: `environments.false.windows.exclude` names `2026-02-30`, a day no calendar has
        help: Write it as year-month-day, such as `2026-12-20`.
    29:11: `policies` should be a mapping, but is `recommended`
        help: Write its keys on the lines below, indented.
    "#);
}

#[test]
fn graphs_that_cannot_be_meant() {
    insta::assert_snapshot!(problems(r#"
version: 1
environments:
  a: { path: a, takes: trunk, after: [c] }
  b: { path: b, takes: trunk, after: [a] }
  c: { path: c, takes: trunk, after: [b, b] }
  d: { path: d, takes: trunk, after: [d] }
  e: { path: e, takes: releases, soak: 1d, ships: { tested-in: a } }
  f: { path: f, takes: releases, soak: 1d }
  g: { path: g, takes: releases, after: [a], ships: { tested-in: h } }
"#), @"
    4:38: `c`, `b` and `a` wait for each other, so nothing would ever enter
        help: Take one `after` out of the ring.
    6:42: `environments.c.after` names `b` twice
        help: Once is enough.
    7:39: `environments.d.after` names the environment itself
        help: Name the environment a version passes before it.
    8:64: `environments.e.ships.tested-in` names `a`, but nothing leads from there to `e`
        help: Add it: `after: [a]`.
    9:40: `environments.f.soak` has nothing to soak in
        help: Say where with `after: [...]`.
    10:66: `environments.g.ships.tested-in` names `h`, which is no environment here
        help: The others are `a`, `b`, `c`, `d`, `e` and `f`.
    ");
}

#[test]
fn what_carries_a_version() {
    let text = r#"
version: 1
apps:
  nothing: { source: acme/nothing }
  shop:
    images: [ghcr.io/acme/shop]
    charts: [shop, { name: admin, version: "{version}" }, shop]
    writes:
      - { file: release.yaml, field: spec.values.image.tag, image: ghcr.io/acme/shp }
      - { file: ../release.yaml, field: spec.x, value: "{version}" }
      - { file: a.yaml, kind: HelmRelease, name: shop, field: "data[\"a.b\"].c[name=x][0]", image: ghcr.io/acme/shop, value: "{tag}" }
      - { file: b.yaml, field: spec..x, value: fixed }
      - { file: c.yaml, field: spec.x }
      - { file: c.yaml, field: spec.x, value: "oci://ghcr.io/a/b:{semver}" }
environments: { dev: { path: dev, takes: trunk } }
"#;
    insta::assert_snapshot!(problems(text), @"
    4:12: `apps.nothing` has no `images`
        help: Add `images: [ghcr.io/acme/shop]`. The images that carry the version, as Kustomize or the pod spec names them; where a chart or another field carries it, add `charts` or `writes`.
    7:59: `apps.shop.charts` names `shop` twice
        help: Once is enough.
    9:68: `apps.shop.writes[0].image` names `ghcr.io/acme/shp`, which is no image of `shop`
        help: Did you mean `ghcr.io/acme/shop`?
    10:17: `apps.shop.writes[1].file` is `../release.yaml`, which leads out of the repository
        help: Write a folder relative to the repository's root, without `..`.
    11:126: `apps.shop.writes[2]` has an `image` and a `value`
        help: An image says itself what its tag is, with `tag` in `images`; remove one of the two.
    12:32: `apps.shop.writes[3].field` should be the way to a field: keys with dots between, `[name=web]` for an item of a list, but is `spec..x`
        help: For example `spec.values.image.tag`.
    12:48: `apps.shop.writes[3].value` should be text with `{tag}`, `{version}`, `{semver}`, `{short-sha}` or `{sha}` in it, but is `fixed`
        help: For example `{version}`.
    14:9: `apps.shop.writes[5]` is the same field as one above it
        help: A field holds one value; remove one of the two.
    ");
    let good = "version: 1\napps: { shop: { charts: [shop], writes: [{ file: x/r.yaml, field: spec.x }] } }\nenvironments: { dev: { path: dev, takes: trunk } }\n";
    let shop = parsed(good).pipeline.unwrap().apps.remove(0);
    let commit = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
    assert_eq!(
        shop.values(Some("v1.0"), &commit),
        [("chart shop".to_owned(), "1.0.0".to_owned()), ("x/r.yaml spec.x".to_owned(), "v1.0".to_owned())]
    );
    assert_eq!(shop.values(None, &commit)[0].1, "0.0.0-0123456");
}

#[test]
fn folders_belong_to_one_environment() {
    insta::assert_snapshot!(problems(r#"
version: 1
apps:
  shop: { images: [shop] }
  blog: { images: [blog, shop] }
environments:
  dev: { path: "apps/{app}/dev", takes: trunk }
  one: { path: "apps/shop/dev/", takes: trunk }
  two: { path: "apps/blog", takes: trunk }
  all: { path: ".", takes: trunk }
"#), @"
    5:26: the image `shop` stands twice: in `apps.shop` and in `apps.blog`
        help: An image carries the version of one application; remove one of the two.
    8:16: `environments.one.path` is the folder of `dev` as well
        help: Give each environment a folder of its own: a change must belong to one environment.
    9:16: `environments.two.path` and the folder of `dev` lie inside each other
        help: Give each environment a folder of its own: a change must belong to one environment.
    10:16: `environments.all.path` is the whole repository
        help: Give it a folder of its own.
    ");
    assert_eq!(problems("version: 1\nenvironments: { a: { path: \"x/{app}\", takes: trunk } }\n").lines().count(), 2);
}

#[test]
fn t14_no_folder_leads_out_or_into_gits_own() {
    for bad in [
        "../x",
        "../../..",
        "/etc",
        "a/../../b",
        "a/./b",
        "a//b",
        ".",
        "./",
        ".git",
        "a/.git/hooks",
        ".GIT/x",
        ".github",
        ".github/workflows",
        ".GitHub/workflows",
        "git~1/x",
        ".git./x",
        "a\\b",
        "..%2fx",
        "a%2e%2e/b",
        "a\\0b",
        "a/.gi\u{200c}t",
        "{env}/x",
        "{app",
        "c:/x",
        " .github",
    ] {
        // As JSON text, so that odd characters reach the parser as a person would smuggle them.
        let text =
            format!("version: 1\nenvironments: {{ dev: {{ path: {}, takes: trunk }} }}\n", serde_json::json!(bad));
        let parsed = parsed(&text);
        assert!(parsed.pipeline.is_none() && !parsed.problems.is_empty(), "{bad:?}");
        let text = format!(
            "version: 1\nenvironments: {{ d: {{ path: d, takes: trunk }} }}\npolicies: {{ paths: [{}] }}\n",
            serde_json::json!(bad)
        );
        assert!(self::parsed(&text).pipeline.is_none(), "{bad:?} as policies");
    }
}

#[test]
fn yaml_booleans_are_no_names() {
    let text =
        "version: 1\nenvironments:\n  on: { path: a, takes: trunk }\n  \"yes\": { path: b, takes: trunk, via: no }\n";
    insta::assert_snapshot!(problems(text), @r#"
    3:3: the name `on` in `environments` is a boolean in YAML 1.1
        help: Put it in quotes: `"on":`.
    4:40: `environments.yes.via` should be `pull-request` or `commit`, but is the boolean `false`
    "#);
}

#[test]
fn files_that_are_no_configuration() {
    for text in [
        "",
        "# nothing\n",
        "---\n---\n",
        "[]",
        "just text",
        "a: [",
        "version: 1\n---\nversion: 1\n",
        "version: 1\nversion: 1\nenvironments: {}",
    ] {
        let parsed = parsed(text);
        assert!(parsed.pipeline.is_none() && !parsed.problems.is_empty(), "{text:?}");
    }
    insta::assert_snapshot!(problems(""), @"
    1:1: this file is empty
        help: Start with `version: 1` and `environments:`.
    ");
    insta::assert_snapshot!(problems("[]"), @"
    1:1: this file should be a mapping, but is a list
        help: Write its keys on the lines below, indented.
    ");
    let long = format!("version: 1\n# {}\n", "x".repeat(MAX_BYTES));
    assert_eq!(parsed(&long).problems.len(), 1);
    let many: String = (0..500).map(|i| format!("x{i}: 1\n")).collect();
    let parsed = parsed(&many);
    assert_eq!(parsed.problems.len(), MAX_PROBLEMS + 1);
    assert_eq!(parsed.problems.last().unwrap().message, "and 402 more problems");
}

#[test]
fn names_stand_once() {
    let text = "version: 1\nenvironments:\n  dev: { path: a, takes: trunk }\n  dev: { path: b, takes: trunk }\n";
    let parsed = parsed(text);
    assert!(parsed.pipeline.is_none());
    assert_eq!(parsed.problems.iter().map(|problem| problem.location.as_ref().unwrap().line).collect::<Vec<_>>(), [4]);
}

#[test]
fn durations_are_days_hours_and_minutes() {
    let minutes = |text| read::duration(text).map(|d| d.as_mins());
    assert_eq!(minutes("24h"), Some(1440));
    assert_eq!(minutes("30m"), Some(30));
    assert_eq!(minutes("7d"), Some(7 * 1440));
    assert_eq!(minutes("1d12h"), Some(36 * 60));
    for bad in ["", "0h", "24", "h", "1w", "1.5h", "-1h", "999d", "99999999999999999999d"] {
        assert_eq!(minutes(bad), None, "{bad}");
    }
}

/// Files the schema must refuse as well: what is wrong with each is its shape.
const BAD_SHAPES: [&str; 24] = [
    "{}",
    "[]",
    "version: 2\nenvironments: { d: { path: d, takes: trunk } }",
    "version: 1",
    "version: 1\nenvironments: {}",
    "version: 1\nenvironments: []",
    "version: 1\nenvironments: { d: { path: d, takes: trunk } }\nmode: on",
    "version: 1\nenvironments: { d: { path: d, takes: trunk } }\nextra: 1",
    "version: 1\nenvironments: { D: { path: d, takes: trunk } }",
    "version: 1\nenvironments: { d: { path: d } }",
    "version: 1\nenvironments: { d: { takes: trunk } }",
    "version: 1\nenvironments: { d: { path: 1, takes: trunk } }",
    "version: 1\nenvironments: { d: { path: /d, takes: trunk } }",
    "version: 1\nenvironments: { d: { path: d, takes: main } }",
    "version: 1\nenvironments: { d: { path: d, takes: trunk, after: d } }",
    "version: 1\nenvironments: { d: { path: d, takes: trunk, soak: 24 } }",
    "version: 1\nenvironments: { d: { path: d, takes: trunk, soak: 1w } }",
    "version: 1\nenvironments: { d: { path: d, takes: trunk, approvals: { teams: [sre] } } }",
    "version: 1\nenvironments: { d: { path: d, takes: trunk, approvals: { min: 0 } } }",
    "version: 1\nenvironments: { d: { path: d, takes: trunk, windows: { allow: [] } } }",
    "version: 1\nenvironments: { d: { path: d, takes: trunk, windows: { timezone: UTC, allow: [{ cron: \"9\", for: 1h }] } } }",
    "version: 1\napps: { s: { images: [\"a:1\"] } }\nenvironments: { d: { path: d, takes: trunk } }",
    "version: 1\napps: { s: { images: [{ name: a, tag: fixed }] } }\nenvironments: { d: { path: d, takes: trunk } }",
    "version: 1\napps: { s: { tags: \"v*-rc*\", images: [a] } }\nenvironments: { d: { path: d, takes: trunk } }",
];

fn as_json(text: &str) -> serde_json::Value {
    crate::manifest::load::load(&file(), text.as_bytes()).documents[0].node.to_json()
}

#[test]
fn the_schema_and_the_bot_agree() {
    let schema = jsonschema::validator_for(&schema()).unwrap();
    assert!(schema.is_valid(&as_json(EXAMPLE)), "{:?}", schema.iter_errors(&as_json(EXAMPLE)).next());
    for bad in BAD_SHAPES {
        assert!(parsed(bad).pipeline.is_none(), "the bot accepts {bad}");
        assert!(!schema.is_valid(&as_json(bad)), "the schema accepts {bad}");
    }
}

/// A flat monorepo: so many applications, each with a folder in so many environments that follow each other.
fn monorepo(apps: usize, environments: usize) -> String {
    let mut text = "version: 1\napps:\n".to_owned();
    for n in 0..apps {
        text += &format!(
            "  app-{n:04}:\n    source: acme/shop-{n:04}\n    tags: \"app-{n:04}/v*\"\n    images: [ghcr.io/acme/app-{n:04}]\n"
        );
    }
    text += "environments:\n";
    for n in 0..environments {
        let after = if n > 0 { format!(", after: [env-{}]", n - 1) } else { String::new() };
        text += &format!("  env-{n}: {{ path: \"apps/{{app}}/env-{n}\", takes: releases{after} }}\n");
    }
    text
}

/// The shortest of a few readings: what else the machine does only makes one longer.
fn reading(text: &str) -> std::time::Duration {
    let read = |_| {
        let begun = std::time::Instant::now();
        assert_eq!(parsed(text).problems, []);
        begun.elapsed()
    };
    (0..5).map(read).min().unwrap()
}

#[test]
fn the_largest_configuration_is_read_in_time_that_grows_with_its_length() {
    let (quarter, whole) = (reading(&monorepo(MAX_APPS / 4, 3)), reading(&monorepo(MAX_APPS, 3)));
    // Four times as long; sixteen times would be the square.
    assert!(whole < quarter * 9, "{quarter:?} for a quarter, {whole:?} for the whole");
    assert!(whole.as_secs() < 10, "{whole:?} even in a debug build on a busy machine");
    let many = monorepo(100, MAX_ENVIRONMENTS);
    assert_eq!(parsed(&many).problems, []);
    assert!(problems(&monorepo(101, MAX_ENVIRONMENTS)).contains("more than 20000 folders"));
    assert!(problems(&monorepo(MAX_APPS + 1, 1)).contains("There must be 0 to 1000"));
    assert!(problems(&monorepo(1, MAX_ENVIRONMENTS + 1)).contains("There must be 1 to 200"));
}

proptest! {
    #[test]
    fn no_text_breaks_the_reader(text in "[ \\-a-z0-9:{}\\[\\]\"',\n*&!|>#~.]{0,200}") {
        let parsed = parsed(&text);
        prop_assert_eq!(parsed.pipeline.is_some(), parsed.problems.is_empty());
    }

    /// Any one line of the example replaced by noise: never a panic, and what the bot takes the schema takes.
    #[test]
    fn what_the_bot_accepts_the_schema_accepts(line in 0usize..36, noise in "[a-z]{1,8}: [a-z0-9{}*/-]{0,12}") {
        let mut lines: Vec<&str> = EXAMPLE.lines().collect();
        let indent = lines[line].len() - lines[line].trim_start().len();
        let replaced = format!("{}{noise}", " ".repeat(indent));
        lines[line] = &replaced;
        let text = lines.join("\n");
        if parsed(&text).pipeline.is_some() {
            let schema = jsonschema::validator_for(&schema()).unwrap();
            prop_assert!(schema.is_valid(&as_json(&text)), "{}", text);
        }
    }
}

#[test]
fn an_unknown_kubernetes_is_a_problem() {
    let of = |written: &str| {
        let parsed = parsed(&format!(
            "version: 1\nenvironments: {{ dev: {{ path: dev, takes: trunk, kubernetes: {written} }} }}\n"
        ));
        let minor = parsed.pipeline.map(|pipeline| pipeline.environments[0].kubernetes);
        (
            minor,
            parsed
                .problems
                .into_iter()
                .map(|problem| format!("{} ({})", problem.message, problem.help.unwrap_or_default()))
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(of("\"1.33\""), (Some(Some(33)), Vec::new()));
    insta::assert_snapshot!(of("\"1.29\"").1.join("\n"), @"`environments.dev.kubernetes` is 1.29, whose schemas are not at hand (Choose one from 1.30 to 1.37, the nearest to what runs there.)");
    insta::assert_snapshot!(of("1.30").1.join("\n"), @"`environments.dev.kubernetes` should be a minor version of Kubernetes in quotes, but is the number 1.3 (For example `1.33`; put it in quotes if you mean text.)");
}

#[test]
fn what_blocks_is_one_word_for_all_or_one_for_each_environment() {
    let file = |blocks: &str| {
        format!(
            "version: 1\nenvironments:\n  dev: {{ path: dev, takes: trunk }}\n  prod: {{ path: prod, takes: releases }}\n\
             policies:\n  blocks: {blocks}\n"
        )
    };
    let said = |text: &str| {
        let parsed = parsed(text);
        assert_eq!(parsed.problems, [], "{text}");
        let policies = parsed.pipeline.unwrap().policies;
        ["dev", "prod"].map(|name| policies.blocks_in(name))
    };
    assert_eq!(said(&file("all-errors")), [Blocks::AllErrors; 2]);
    assert_eq!(said(&file("new-warnings")), [Blocks::NewWarnings; 2]);
    assert_eq!(said(&file("{ dev: nothing }")), [Blocks::Nothing, Blocks::NewErrors]);
    assert_eq!(said(&file("new-errors").replace("policies", "apps: {}\npolicies")), [Blocks::NewErrors; 2]);
    insta::assert_snapshot!(problems(&file("warnings")), @"
    6:11: `policies.blocks` should be `new-errors`, `new-warnings`, `all-errors` or `nothing`, but is `warnings`
        help: Did you mean `new-warnings`?
    ");
    insta::assert_snapshot!(problems(&file("{ prd: nothing, dev: off }")), @"
    6:13: `policies.blocks` names `prd`, which is no environment here
        help: Did you mean `prod`?
    6:32: `policies.blocks.dev` should be `new-errors`, `new-warnings`, `all-errors` or `nothing`, but is the boolean `false`
    ");
}

#[test]
fn suggestions_are_made_unless_they_are_not_wanted() {
    let quiet = |policies: &str| {
        let text =
            format!("version: 1\nenvironments: {{ dev: {{ path: dev, takes: trunk }} }}\npolicies: {{ {policies} }}\n");
        let parsed = parsed(&text);
        assert_eq!(parsed.problems, [], "{text}");
        parsed.pipeline.unwrap().policies.no_suggestions
    };
    assert_eq!([quiet("suggest: false"), quiet("suggest: true"), quiet("packs: [strict]")], [true, false, false]);
}
