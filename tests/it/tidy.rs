//! The house rules, held against the sources themselves.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The pure modules, lowest first: each may use those before it, and nothing else of the house.
const PURE: [&str; 9] = ["model", "manifest", "config", "command", "render", "policy", "report", "decide", "evaluate"];

/// What pure code never touches: the outside world, and time.
const IMPURE: [&str; 12] = [
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "SystemTime",
    "tokio::",
    "async fn",
    "crate::clock",
    "Timestamp::now",
    "rand::",
];

/// Crates that stay behind one door.
const DOORS: [(&str, &[&str]); 6] = [
    ("octocrab", &["github"]),
    ("git2", &["git", "sandbox"]),
    ("axum", &["web", "sandbox"]),
    ("sqlx", &["queue"]),
    ("regorus", &["policy"]),
    ("comrak", &["command", "report", "sandbox"]),
];

/// Adapters and who may know them.
const ADAPTERS: [(&str, &[&str]); 7] = [
    ("github", &["reconcile", "cli"]),
    ("git", &["reconcile", "cli"]),
    ("queue", &["reconcile", "web", "cli", "telemetry"]),
    ("registry", &["reconcile", "cli", "settings"]),
    ("worker", &["reconcile", "cli"]),
    ("web", &["cli", "settings"]),
    ("sandbox", &["cli"]),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(here) = open.pop() {
        for entry in fs::read_dir(&here).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}

/// The module a file belongs to: the first folder or file below `src`.
fn module(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    inside.components().next().unwrap().as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// The file without its tests and without comments.
fn code(text: &str) -> String {
    let body = text.split("#[cfg(test)]").next().unwrap_or_default();
    body.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn is_test_file(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_string_lossy();
    name.ends_with("tests.rs") || path.components().any(|c| c.as_os_str() == "tests")
}

#[test]
fn pure_modules_stay_pure_and_look_only_down() {
    let mut wrong = Vec::new();
    for (path, text) in sources(&root().join("src")) {
        let module = module(&path);
        let Some(level) = PURE.iter().position(|m| *m == module) else { continue };
        if is_test_file(&path) {
            continue;
        }
        let code = code(&text);
        for word in IMPURE.iter().filter(|word| code.contains(**word)) {
            wrong.push(format!("{}: `{word}` in a pure module", path.display()));
        }
        for used in code.split("crate::").skip(1) {
            let used: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let below = PURE[..=level].contains(&used.as_str());
            if !below && !used.is_empty() {
                wrong.push(format!("{}: uses crate::{used}, which is not below it", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn crates_stay_behind_their_door() {
    let mut wrong = Vec::new();
    for (path, text) in sources(&root().join("src")) {
        let module = module(&path);
        let code = code(&text);
        for (krate, allowed) in DOORS {
            let named = code.contains(&format!("{krate}::")) || code.contains(&format!("use {krate};"));
            if named && !allowed.contains(&module.as_str()) {
                wrong.push(format!("{}: `{krate}` outside {}", path.display(), allowed.join(", ")));
            }
        }
        for (adapter, allowed) in ADAPTERS {
            let named =
                code.contains(&format!("crate::{adapter}::")) || code.contains(&format!("use crate::{adapter};"));
            if named && module != adapter && !allowed.contains(&module.as_str()) {
                wrong.push(format!("{}: knows `{adapter}`, which only {} may", path.display(), allowed.join(", ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_unfinished_marks_and_no_machine_paths() {
    let mut wrong = Vec::new();
    let words = [concat!("tod", "o!("), concat!("unimple", "mented!("), concat!("#[ig", "nore"), concat!("FIX", "ME")];
    for folder in ["src", "tests", "benches", "fuzz/src", "fuzz/fuzz_targets"] {
        if !root().join(folder).exists() {
            continue;
        }
        for (path, text) in sources(&root().join(folder)) {
            for word in words.iter().filter(|word| text.contains(**word)) {
                wrong.push(format!("{}: {word}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_have_one_job() {
    let mut long: BTreeMap<String, usize> = BTreeMap::new();
    for (path, text) in sources(&root().join("src")) {
        let lines = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().lines().count();
        if lines > 500 && !is_test_file(&path) {
            long.insert(path.display().to_string(), lines);
        }
    }
    assert!(long.is_empty(), "longer than 500 lines without tests: {long:#?}");
}
