//! Manifests against hostile input and real repositories: what needs a clock or the file system.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use trunkline::manifest::{Document, Loaded, MaskKey, Node, Object, Value, changes, load, objects, set_scalar, yaml};
use trunkline::model::path::RepoPath;

const KEY: MaskKey = MaskKey([7; 32]);

fn read(text: impl AsRef<[u8]>) -> Loaded {
    load(&"apps/a.yaml".parse::<RepoPath>().unwrap(), text.as_ref())
}

fn read_objects(text: &str) -> Vec<Object> {
    objects(&read(text)).0
}

fn documents(text: &str) -> Vec<Document> {
    let loaded = read(text);
    assert!(loaded.problems.is_empty(), "{:?}\n{text}", loaded.problems);
    loaded.documents
}

fn config(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  a: {value}\n")
}

/// Wall-clock bounds are wide: they tell linear from quadratic on a busy machine, nothing finer.
fn quick(text: impl AsRef<[u8]>) -> Loaded {
    let start = Instant::now();
    let loaded = read(text);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert!(loaded.problems.len() <= 50);
    loaded
}

fn first_message(loaded: &Loaded) -> &str {
    &loaded.problems[0].message
}

#[test]
fn t11_alias_bombs_end_at_a_limit() {
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    let mut maps = "a0: &a0 {k: v}\n".to_owned();
    for n in 1..40 {
        let refs = vec![format!("*a{}", n - 1); 9].join(",");
        writeln!(bomb, "a{n}: &a{n} [{refs}]").unwrap();
        writeln!(maps, "a{n}: &a{n} {{l: *a{}, r: *a{}}}", n - 1, n - 1).unwrap();
    }
    for text in [bomb, maps] {
        let loaded = quick(text);
        assert!(first_message(&loaded).contains("250000 values"), "{loaded:?}");
        assert!(loaded.documents.is_empty());
    }
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1_000_000), vec!["*a"; 1000].join(","));
    assert!(first_message(&quick(long)).contains("bytes of text"));
    let chain: String =
        (1..100).fold("a0: &a0 [x]\n".to_owned(), |text, n| format!("{text}a{n}: &a{n} [*a{}]\n", n - 1));
    assert!(first_message(&quick(chain)).contains("64 levels"));
}

#[test]
fn t11_deep_nesting_ends_at_a_limit() {
    for text in ["[".repeat(100_000), "{a: ".repeat(50_000), "- ".repeat(100_000), "? ".repeat(100_000)] {
        let loaded = quick(&text);
        assert_eq!(loaded.problems.len(), 1, "{loaded:?}");
    }
    let nested: String = (0..70).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
    assert!(!quick(&nested).problems.is_empty());
    let mixed: String = (0..40).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
    let mixed = format!("{mixed}{}{}{}", " ".repeat(40), "[".repeat(40), "]".repeat(40));
    assert!(first_message(&quick(mixed)).contains("64 levels"));
}

#[test]
fn t11_many_of_everything_stays_linear() {
    let anchors: String = (0..200_000).map(|n| format!("- &a{n} x\n")).collect();
    assert!(quick(anchors).problems.is_empty());
    let keys: String = (0..200_000).map(|n| format!("k{n}: 1\n")).collect();
    assert!(quick(keys).problems[0].message.contains("250000 values"));
    let keys: String = (0..100_000).map(|n| format!("k{n}: 1\n")).collect();
    assert!(quick(keys).problems.is_empty());
    let loaded = quick("---\na: 1\n".repeat(100_000));
    assert!(first_message(&loaded).contains("1024 documents"));
    assert_eq!(loaded.problems[0].location.as_ref().unwrap().line, 2049);
    assert_eq!(loaded.documents.len(), 1024);
    quick("--- [\n".repeat(100_000));
    quick("---\n".repeat(1_000_000));
    quick("a: [1\n---\n".repeat(100_000));
    quick("[1,".repeat(10).repeat(100_000));
    assert!(first_message(&quick("- x\n".repeat(600_000))).contains("250000 values"));
    quick("\"".repeat(1_000_000));
    quick("a: |\n".repeat(80_000));
    quick("- |\n a\n".repeat(60_000) + &" ".repeat(3 << 20));
    quick("a: b\n\t# c\n".repeat(60_000));
    quick("- |\n a\n \t\n".repeat(60_000));
    quick("# comment\n".repeat(400_000));
    quick("a:\n#\n".repeat(80_000));
    quick("&a ".repeat(1_000_000));
    quick("!a ".repeat(1_000_000));
    quick("x: y: ".repeat(500_000));
    assert!(first_message(&quick(" ".repeat(6 << 20))).contains("bytes"));
}

#[test]
fn a_large_honest_config_map_reads_at_once() {
    let lines: String =
        (0..70_000).map(|n| format!("    line {n} of a dashboard, with some text in it, as it is usual\n")).collect();
    let text = format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: big\ndata:\n  x.json: |\n{lines}");
    assert!(text.len() > 4_400_000 && text.len() < 5_200_000, "{}", text.len());
    let loaded = quick(&text);
    assert!(loaded.problems.is_empty());
    assert!(loaded.documents[0].node.str_at(&["data", "x.json"]).unwrap().len() > 4_000_000);
}

#[test]
fn t11_large_maps_and_many_objects_are_compared_in_bounded_time() {
    let start = Instant::now();
    let entries = |step: usize| -> String { (0..20_000).map(|n| format!("  k{}: x\n", (n * step) % 20_000)).collect() };
    let object = |data: String| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: big}}\ndata:\n{data}");
    let (up, mixed) = (object(entries(1)), object(entries(7)));
    assert_eq!(changes(&read_objects(&up), &read_objects(&mixed), &KEY), []);
    let other = mixed.replace("k777: x", "k777: y");
    assert_eq!(changes(&read_objects(&up), &read_objects(&other), &KEY)[0].lines, (1, 1));
    let many = |value: &str| -> Vec<Object> {
        (0..1000).flat_map(|n| read_objects(&config(&format!("c{n}"), value))).collect()
    };
    assert_eq!(changes(&many("1"), &many("2"), &KEY).len(), 1000);
    let gone = |tail: &str| -> Vec<Object> {
        (0..1000).flat_map(|n| read_objects(&config(&format!("c{n}-{tail}"), "1"))).collect()
    };
    assert_eq!(changes(&gone("2222222222"), &gone("4444444444"), &KEY).len(), 1000);
    let up: String = (0..100_000).map(|n| format!("    {n}\n")).collect();
    let down: String = (0..100_000).rev().map(|n| format!("    {n}\n")).collect();
    let few = |step: u64| -> String { (0..100_000_u64).map(|n| format!("    {}\n", n * n % step)).collect() };
    for (old, new) in [(up, down), (few(7), few(11))] {
        let text = |lines: &str| object(format!("  x: |\n{lines}"));
        assert_eq!(changes(&read_objects(&text(&old)), &read_objects(&text(&new)), &KEY).len(), 1);
    }
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

fn corpus() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let mut folders: Vec<PathBuf> = vec![root];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "yaml" || ext == "yml") {
                files.push(path);
            }
        }
    }
    files.sort();
    files.iter().filter_map(|file| std::fs::read_to_string(file).ok()).filter(|text| text.len() < 20_000).collect()
}

fn scalars<'a>(node: &'a Node, found: &mut Vec<&'a Node>) {
    match &node.value {
        Value::Map(map) => map.iter().for_each(|(_, value)| scalars(value, found)),
        Value::List(list) => list.iter().for_each(|item| scalars(item, found)),
        _ => found.push(node),
    }
}

#[test]
fn any_scalar_of_real_files_can_be_set() {
    let files = corpus();
    if files.is_empty() {
        eprintln!("skipped: ../shared/corpus is not here");
        return;
    }
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let input = (
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        "[a-z0-9.:/ #'\"{}\\[\\],&*!|>%@_-]{0,14}|\\PC{0,8}",
    );
    let checked = runner.run(&input, |(file, scalar, new)| {
        let text = file.get(&files);
        let loaded = documents(text);
        let mut before = Vec::new();
        loaded.iter().for_each(|document| scalars(&document.node, &mut before));
        prop_assume!(!before.is_empty());
        let at = scalar.index(before.len());
        let span = &before[at].span;
        let out = set_scalar(text.as_bytes(), span, &new).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let out = String::from_utf8(out).unwrap();
        prop_assert!(out.starts_with(&text[..span.start as usize]) && out.ends_with(&text[span.end as usize..]));
        let reread = documents(&out);
        let mut after = Vec::new();
        reread.iter().for_each(|document| scalars(&document.node, &mut after));
        prop_assert_eq!(after[at].as_str(), Some(new.as_str()));
        prop_assert_eq!(before.len(), after.len());
        Ok(())
    });
    checked.unwrap();
}

#[test]
fn real_files_are_written_and_read_back() {
    for text in corpus() {
        for document in documents(&text) {
            let again = documents(&yaml(&document.node));
            assert!(again.first().is_some_and(|again| again.node == document.node), "{text}");
        }
    }
}
