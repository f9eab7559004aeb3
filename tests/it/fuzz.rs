//! What strangers write, against every reader: seeds of real-looking input, mutated. No panic, bounded time, and what the
//! pages promise.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value as Json, json};
use trunkline::manifest::{load, objects, yaml};
use trunkline::model::id::Oid;
use trunkline::model::path::{RepoPath, is_ref_name};
use trunkline::model::tree::{EntryKind, MemoryObjects, Tree};
use trunkline::model::version::Version;
use trunkline::report::markdown;
use trunkline::web::delivery::{Us, wakes};
use trunkline::{command, config, render};

/// One small input takes microseconds; this is for a debug build on a machine that builds other things.
const SOON: Duration = Duration::from_secs(5);
/// Cases for each reader: together a few seconds in a debug build.
const CASES: u32 = 200;

fn soon<T>(work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = work();
    assert!(begun.elapsed() < SOON, "took {:?}", begun.elapsed());
    done
}

/// Text made of a seed: pieces cut out, doubled, moved and replaced by noise.
fn mutated(seeds: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let noise = select(vec![
        "",
        ":",
        ": ",
        "- ",
        "\n",
        "\t",
        "  ",
        "&a ",
        "*a",
        "<<: *a",
        "\"",
        "'",
        "|\n",
        "{",
        "}",
        "[",
        "]",
        "---\n",
        "\u{feff}",
        "\0",
        "\u{202e}",
        "é",
        "%",
        "!!binary ",
        "../",
        "/",
        "\\",
        "`",
        "```",
        "<!--",
        "-->",
        "@acme/sre",
        "#1",
        "999999999999999999999",
        "\r\n",
    ]);
    let cut = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), noise, 0u8..4);
    (select(seeds), prop::collection::vec(cut, 0..6)).prop_map(|(seed, cuts)| {
        let mut bytes = seed.as_bytes().to_vec();
        for (from, length, noise, kind) in cuts {
            let from = from.index(bytes.len() + 1);
            let to = from + length.index((bytes.len() - from).min(40) + 1);
            let piece = bytes[from..to].to_vec();
            match kind {
                0 => drop(bytes.splice(from..to, noise.bytes())),
                1 => drop(bytes.splice(from..from, noise.bytes())),
                2 => drop(bytes.splice(from..from, piece)),
                _ => bytes.extend(piece),
            }
        }
        bytes
    })
}

const MANIFESTS: &[&str] = &[
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app # here\n  labels: {a: b, 'c': \"d\"}\ndata:\n  on: \"yes\"\n  text: |-\n    a\n    b\n",
    "apiVersion: v1\nkind: List\nitems:\n- &x\n  apiVersion: v1\n  kind: Secret\n  metadata: {name: s}\n  stringData: {k: v}\n- <<: *x\n  metadata: {name: t}\n",
    "---\na: 0x1F\nb: 1e3\nc: ~\nd: !!str 1\n...\n---\n- [1, 2.5, .inf]\n- ? complex\n  : key\n",
    "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
];

const KUSTOMIZATIONS: &[&str] = &[
    "resources: [app.yaml, ../base]\nnamespace: dev\nnamePrefix: a-\nimages:\n- {name: app, newTag: v1}\n",
    "resources:\n- app.yaml\npatches:\n- patch: |-\n    - op: replace\n      path: /data/a\n      value: b\n  target: {kind: ConfigMap}\n",
    "components: [../part]\nconfigMapGenerator:\n- name: c\n  literals: [a=b, c]\nreplicas:\n- {name: app, count: 3}\n",
    "resources: [., .., ../env, https://example.com/x, app.yaml]\nlabels:\n- pairs: {a: b}\n  includeSelectors: true\n",
];

const CONFIGS: &[&str] = &[
    include_str!("../../.github/trunkline.yaml"),
    "version: 1\nenvironments:\n  dev: { path: env/dev, takes: trunk }\n  prod: { path: env/prod, takes: releases, after: [dev], soak: 24h }\n",
];

const COMMENTS: &[&str] = &[
    "/trunkline promote prod v1.0 --force \"it burns\"\n",
    "Hi\n\n> /trunkline hold prod\n\n```\n/trunkline hold prod\n```\n<!-- /freeze prod -->\n/rollback prod v0.9\n",
    "- /trunkline status\n\n    /trunkline status\n\n/TRUNKLINE help promote\r\n/trunkline\r/promote\n",
];

const WORDS: &[&str] = &[
    "@acme/sre see #12 and https://example.com/x?y=z, `code`, ``two``, ![x](http://e.com/b.png) <img src=x onerror=1>",
    "</details>\n<!-- trunkline:v1 sticky -->\n| a | b |\n|---|---|\n1. one\n* two\nGH-12 acme/shop#3 www.example.com",
    "\u{1b}[31mred\u{202e}evil\u{200b}\r\n```diff\n+x\n```\n",
];

const NAMES: &[&str] = &[
    "environments/dev/kustomization.yaml",
    "../../etc/passwd",
    ".git/config",
    "a//b",
    "v1.0-rc.1",
    "1.2.3+build",
    "v99999999999999999999.0",
    "refs/heads/main",
    "--upload-pack=x",
    "a..b",
    "a.lock",
    "@{-1}",
    "trunkline/dev/shop/v1.0",
    "0123456789012345678901234567890123456789",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn t11_manifests(bytes in mutated(MANIFESTS)) {
        let file: RepoPath = "a.yaml".parse().unwrap();
        let loaded = soon(|| load(&file, &bytes));
        let _ = soon(|| objects(&loaded));
        for document in &loaded.documents {
            // What we print is read back as the same: what is judged is what is shown.
            let text = soon(|| yaml(&document.node));
            let again = load(&file, text.as_bytes());
            prop_assert!(again.problems.is_empty(), "{:?}\n{}", again.problems, text);
            prop_assert_eq!(&again.documents[0].node, &document.node, "{}", text);
        }
    }

    #[test]
    fn t11_t13_small_trees(
        over in mutated(KUSTOMIZATIONS), base in mutated(KUSTOMIZATIONS), app in mutated(MANIFESTS), link in mutated(NAMES),
    ) {
        let path = |text: &str| text.parse::<RepoPath>().unwrap();
        let mut store = MemoryObjects::default();
        let root = store.add([
            (path("env/kustomization.yaml"), EntryKind::File, over),
            (path("env/app.yaml"), EntryKind::File, app),
            (path("base/kustomization.yaml"), EntryKind::File, base),
            (path("base/app.yaml"), EntryKind::Symlink, link),
            (path("part"), EntryKind::Submodule, Vec::new()),
        ]);
        let tree = Tree::new(root, &store);
        let rendered = soon(|| render::render(&tree, &path("env")));
        prop_assert_eq!(rendered.ok, rendered.problems.is_empty());
        prop_assert!(rendered.ok || rendered.objects.is_empty(), "a wrong object was given out");
        let again = render::render(&tree, &path("env"));
        prop_assert_eq!(rendered.problems, again.problems);
    }

    #[test]
    fn t14_configurations(bytes in mutated(CONFIGS)) {
        let text = String::from_utf8_lossy(&bytes);
        let parsed = soon(|| config::parse(&config::FILE.parse().unwrap(), &text));
        prop_assert_eq!(parsed.pipeline.is_some(), parsed.problems.is_empty());
        for environment in parsed.pipeline.iter().flat_map(|pipeline| &pipeline.environments) {
            prop_assert!(is_ref_name(&environment.name), "{}", environment.name);
        }
    }

    #[test]
    fn t27_comments(bytes in mutated(COMMENTS)) {
        let text = String::from_utf8_lossy(&bytes);
        let parsed = soon(|| command::parse(&text));
        prop_assert!(parsed.len() <= 11, "{} commands", parsed.len());
        for said in parsed {
            prop_assert!(said.text.chars().count() <= 200 && !said.text.contains(['\n', '\0']));
        }
    }

    #[test]
    fn t36_markdown(bytes in mutated(WORDS)) {
        let text = String::from_utf8_lossy(&bytes);
        soon(|| {
            for said in [markdown::text(&text), markdown::code(&text), markdown::prose(&text), markdown::html(&text), markdown::line(&text, 80)] {
                assert!(!said.contains(['\n', '\r', '\u{202e}', '\u{1b}']), "{said:?}");
            }
            assert!(markdown::line(&text, 8).chars().count() <= 8);
            assert!(!markdown::html(&text).contains(['<', '>']));
            assert!(!markdown::path_in_url(&text).contains([' ', ')', '(', '"', '\n']));
            let block = markdown::block("", &text);
            let fence: String = block.chars().take_while(|c| *c == '`').collect();
            assert_eq!(block.lines().filter(|line| line.starts_with(&fence)).count(), 2, "{block}");
        });
    }

    #[test]
    fn t8_deliveries(seed in 0usize..4, event in select(vec!["push", "pull_request", "issue_comment", "installation", "check_run"]), at in any::<u16>(), with in 0usize..9) {
        let mut payload = payloads()[seed].clone();
        let mut places = Vec::new();
        spots(&payload, String::new(), &mut places);
        let spot = places[usize::from(at) % places.len()].clone();
        *payload.pointer_mut(&spot).unwrap() = [
            json!(null), json!(-1), json!(u64::MAX), json!(1e300), json!(""), json!([]), json!({}), json!("refs/tags/\u{0}"), json!([[[[1]]]]),
        ][with].clone();
        let us = Us { app_id: 1, login: Some("trunkline[bot]".into()) };
        let body = payload.to_string();
        let once = soon(|| wakes(event, body.as_bytes(), &us));
        prop_assert_eq!(once, wakes(event, body.as_bytes(), &us));
    }

    #[test]
    fn t14_t18_names(bytes in mutated(NAMES)) {
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(path) = text.parse::<RepoPath>() {
            prop_assert_eq!(path.to_string().parse::<RepoPath>().unwrap(), path.clone());
            prop_assert!(path.parts().all(|part| part != ".." && part != "." && !part.eq_ignore_ascii_case(".git")), "{}", path);
            if let Ok(joined) = path.join("../x") {
                prop_assert!(joined.parts().all(|part| part != ".."));
            }
        }
        if is_ref_name(&text) {
            prop_assert!(!text.contains("..") && !text.contains([' ', '\n', '~', '^', ':', '\0']) && !text.ends_with(".lock"));
        }
        if let Some(version) = Version::parse(&text) {
            prop_assert_eq!(version.as_str(), &*text);
            prop_assert_eq!(version.cmp(&version), std::cmp::Ordering::Equal);
        }
        let _any_answer_will_do = text.parse::<Oid>();
    }
}

/// Bodies as GitHub sends them, cut to what matters.
fn payloads() -> [Json; 4] {
    let sha = "5".repeat(40);
    let sender = json!({ "login": "ann", "id": 3 });
    let (repo, app) = (json!({ "id": 10, "full_name": "acme/shop" }), json!({ "id": 5 }));
    [
        json!({ "ref": "refs/tags/v1.0", "before": "0".repeat(40), "after": sha, "created": true, "deleted": false, "forced": false,
            "repository": repo, "installation": app, "sender": sender, "pusher": { "name": "ann" }, "commits": [] }),
        json!({ "action": "opened", "number": 7, "pull_request": { "number": 7, "head": { "sha": sha } }, "repository": repo,
            "installation": app, "sender": sender }),
        json!({ "action": "created", "issue": { "number": 7 }, "comment": { "id": 1, "body": "/trunkline help" }, "repository": repo,
            "installation": app, "sender": sender }),
        json!({ "action": "created", "installation": app, "repositories": [{ "id": 10 }, { "id": 11 }], "sender": sender }),
    ]
}

/// Where every value of a body stands.
fn spots(value: &Json, here: String, found: &mut Vec<String>) {
    match value {
        Json::Object(map) => map.iter().for_each(|(key, value)| spots(value, format!("{here}/{key}"), found)),
        Json::Array(list) => {
            list.iter().enumerate().for_each(|(at, value)| spots(value, format!("{here}/{at}"), found))
        }
        _ => {}
    }
    found.push(here);
}
