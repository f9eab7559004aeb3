//! What strangers write, against every reader: the seeds of the fuzz targets as they are, and mutated. No panic, bounded time,
//! and what the pages promise. `fuzz/` runs the same readers for as long as one likes.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value as Json, json};
use trunkline::model::id::Oid;
use trunkline::model::path::{RepoPath, is_ref_name};
use trunkline::model::version::Version;
use trunkline::report::markdown;
use trunkline::web::delivery::{Us, wakes};

#[path = "../../fuzz/src/entries.rs"]
#[expect(unreachable_pub, reason = "in the fuzz targets' crate these are its doors")]
mod entries;

/// One small input takes microseconds; this is for a debug build on a machine that builds other things.
const SOON: Duration = Duration::from_secs(5);
/// A case that makes a repository waits for the disk as well, which others write to at the same time.
const SOON_ON_DISK: Duration = Duration::from_secs(60);
/// Cases for each reader: together a few seconds in a debug build.
const CASES: u32 = 200;

fn soon<T>(work: impl FnOnce() -> T) -> T {
    within(SOON, work)
}

fn within<T>(limit: Duration, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = work();
    assert!(begun.elapsed() < limit, "took {:?}", begun.elapsed());
    done
}

/// Text made of a seed: pieces cut out, doubled, moved and replaced by noise.
fn mutated(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
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
        let mut bytes = seed;
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

/// The files of a target's folder, in the order of their names.
fn files(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    files(target).into_iter().map(|(_, bytes)| bytes).collect()
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

#[test]
fn every_seed_of_every_fuzz_target_holds() {
    let targets: Vec<_> = entries::ALL.iter().map(|(name, _)| *name).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    for folder in ["fuzz_targets", "seeds"] {
        let mut there: Vec<_> = std::fs::read_dir(root.join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        there.sort();
        let mut wanted = targets.clone();
        wanted.sort_unstable();
        assert_eq!(there, wanted, "fuzz/{folder}");
    }
    for (target, entry) in entries::ALL {
        for (path, bytes) in files(target) {
            // The name first: a panic in a reader says nothing of the file.
            eprintln!("{}", path.display());
            within(if target == "git" { SOON_ON_DISK } else { SOON }, || entry(&bytes));
        }
    }
}

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
    // Each case makes a repository of its own.
    #![proptest_config(ProptestConfig { cases: CASES / 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn t17_answers_of_a_git_server(bytes in mutated(seeds("git"))) {
        within(SOON_ON_DISK, || entries::git(&bytes));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn t11_manifests(bytes in mutated(seeds("manifest"))) {
        soon(|| entries::manifest(&bytes));
    }

    #[test]
    fn t11_t13_small_trees(bytes in mutated(seeds("kustomization"))) {
        soon(|| entries::kustomization(&bytes));
    }

    #[test]
    fn t11_t13_fleets(bytes in mutated(seeds("flux"))) {
        soon(|| entries::flux(&bytes));
    }

    #[test]
    fn t14_configurations(bytes in mutated(seeds("configuration"))) {
        soon(|| entries::configuration(&bytes));
    }

    #[test]
    fn t27_comments(bytes in mutated(seeds("comment"))) {
        soon(|| entries::comment(&bytes));
    }

    #[test]
    fn edits_mean_what_was_asked_or_are_refused(bytes in mutated(seeds("edit"))) {
        soon(|| entries::edit(&bytes));
    }

    #[test]
    fn t8_bodies_of_any_shape(bytes in mutated(seeds("delivery"))) {
        soon(|| entries::delivery(&bytes));
    }

    #[test]
    fn t36_markdown(bytes in mutated(texts(WORDS))) {
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
    fn t14_t18_names(bytes in mutated(texts(NAMES))) {
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
