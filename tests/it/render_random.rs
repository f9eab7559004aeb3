//! Random trees of kustomizations render as the original renders them: same objects, same order, same values.
//!
//! Needs `kustomize` (v5.8) on the PATH or in `.tools/bin`, else it is skipped. One case costs a process, so only a few run by
//! default; `TRUNKLINE_RANDOM_OVERLAYS=10000` runs more, `TRUNKLINE_RANDOM_SEED=7` begins at another seed. A case that differs is
//! made smaller before it is shown, and `TRUNKLINE_RANDOM_KEEP=folder` writes its tree there.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value};
use trunkline::manifest::load;
use trunkline::model::path::RepoPath;
use trunkline::model::tree::{EntryKind, MemoryObjects, Tree};
use trunkline::render::render;

mod grow;
mod shrink;

use self::grow::{File, Grown};

/// Cases run when nothing is asked for: a few seconds.
const CASES: u64 = 60;
/// Differences shown: each is made smaller first, which costs some hundred processes.
const SHOWN: usize = 5;

/// What one program made of a tree.
type Outcome = Result<Vec<Value>, String>;

/// How two outcomes compare; the text of a difference says where.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Same,
    /// Both refuse: the original's reason.
    BothRefuse(String),
    /// Ours says that it cannot, by name: honest.
    Unsupported(String),
    /// Ours refuses what the original renders.
    Refused(String),
    /// Ours renders what the original refuses.
    Accepted(String),
    /// A wrong object: the worst.
    Wrong(String),
}

impl Verdict {
    /// What stays the same while a case is made smaller: the kind, and of a refusal the words that are no names.
    fn class(&self) -> Option<String> {
        let words = |text: &str| {
            let plain = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase());
            text.split_whitespace().filter(plain).take(8).collect::<Vec<_>>().join(" ")
        };
        match self {
            Verdict::Refused(why) => Some(format!("refused: {}", words(why))),
            Verdict::Accepted(why) => Some(format!("accepted: {}", words(why))),
            Verdict::Wrong(_) => Some("wrong".to_owned()),
            Verdict::Same | Verdict::BothRefuse(_) | Verdict::Unsupported(_) => None,
        }
    }
}

fn program() -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/bin/kustomize");
    [own, "kustomize".into()]
        .into_iter()
        .find(|name| Command::new(name).arg("version").output().is_ok_and(|output| output.status.success()))
}

/// The files of a tree as text.
fn files(grown: &Grown) -> BTreeMap<String, String> {
    let yaml = |documents: &[Value]| -> String {
        documents.iter().map(|document| serde_yaml::to_string(document).unwrap()).collect::<Vec<_>>().join("---\n")
    };
    let mut files = BTreeMap::new();
    for folder in &grown.folders {
        let kustomization = Value::Object(folder.kustomization.clone());
        files.insert(format!("{}/kustomization.yaml", folder.name), yaml(&[kustomization]));
        for (name, file) in &folder.files {
            let text = match file {
                File::Yaml(documents) => yaml(documents),
                File::Text(text) => text.clone(),
            };
            files.insert(format!("{}/{name}", folder.name), text);
        }
    }
    files
}

fn ours(files: &BTreeMap<String, String>) -> Outcome {
    let mut objects = MemoryObjects::default();
    let entries = files.iter().map(|(path, text)| (path.parse().unwrap(), EntryKind::File, text.clone().into_bytes()));
    let root = objects.add(entries);
    let rendered = render(&Tree::new(root, &objects), &"env".parse().unwrap());
    if rendered.ok {
        return Ok(rendered.objects.iter().map(|object| object.node.to_json()).collect());
    }
    let why = |problem: &trunkline::model::finding::Problem| match &problem.location {
        Some(place) => format!("{}:{}: {}", place.path, place.line, problem.message),
        None => problem.message.clone(),
    };
    Err(rendered.problems.iter().map(why).collect::<Vec<_>>().join("\n"))
}

fn write(files: &BTreeMap<String, String>, to: &Path) {
    for (path, text) in files {
        let path = to.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

fn theirs(program: &Path, files: &BTreeMap<String, String>) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    write(files, folder.path());
    let output = Command::new(program)
        .args(["build", "--load-restrictor", "LoadRestrictionsNone"])
        .arg(folder.path().join("env"))
        .output()
        .unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let loaded = load(&RepoPath::root(), &output.stdout);
    if !loaded.problems.is_empty() {
        return Err(format!("prints no YAML: {:?}", loaded.problems));
    }
    Ok(loaded.documents.iter().map(|document| document.node.to_json()).collect())
}

/// Where two values first differ.
fn difference(path: &str, ours: Option<&Value>, theirs: Option<&Value>) -> Option<String> {
    match (ours, theirs) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let keys: Vec<&String> = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))).collect();
            keys.into_iter().find_map(|key| difference(&format!("{path}.{key}"), a.get(key), b.get(key)))
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            (0..a.len().max(b.len())).find_map(|at| difference(&format!("{path}[{at}]"), a.get(at), b.get(at)))
        }
        (a, b) if a == b => None,
        (a, b) => {
            let show = |value: Option<&Value>| value.map_or("nothing".to_owned(), ToString::to_string);
            Some(format!("{path}\n  ours   {}\n  theirs {}", show(a), show(b)))
        }
    }
}

fn verdict(program: &Path, grown: &Grown) -> Verdict {
    let files = files(grown);
    match (ours(&files), theirs(program, &files)) {
        (Err(why), _) if why.contains("not supported") => Verdict::Unsupported(why),
        (Err(_), Err(why)) => Verdict::BothRefuse(why),
        (Err(why), Ok(_)) => Verdict::Refused(why),
        (Ok(_), Err(why)) => Verdict::Accepted(why),
        (Ok(ours), Ok(theirs)) => {
            let differs = (0..ours.len().max(theirs.len()))
                .find_map(|at| difference(&format!("object {at}"), ours.get(at), theirs.get(at)));
            differs.map_or(Verdict::Same, Verdict::Wrong)
        }
    }
}

/// A tree as a case of `render_cases`, so that it can be kept as one.
fn shown(grown: &Grown) -> String {
    let mut text = String::new();
    for (path, content) in files(grown) {
        let _ = write!(text, "-- {path} --\n{content}");
    }
    text
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn random_overlays_render_as_the_original_does() {
    let Some(program) = program() else {
        eprintln!("skipped: no kustomize on the PATH or in .tools/bin");
        return;
    };
    let first = number("TRUNKLINE_RANDOM_SEED").unwrap_or(0);
    let cases = number("TRUNKLINE_RANDOM_OVERLAYS").unwrap_or(CASES);
    let next = AtomicU64::new(first);
    let counts: Mutex<BTreeMap<String, usize>> = Mutex::default();
    let differing: Mutex<Vec<(u64, Verdict)>> = Mutex::default();
    std::thread::scope(|scope| {
        // Two at a time: the other program is one process each.
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first.saturating_add(cases) {
                        return;
                    }
                    let verdict = verdict(&program, &grow::grow(seed));
                    let name = format!("{verdict:?}");
                    let name = name.split('(').next().unwrap_or_default().to_owned();
                    *counts.lock().unwrap().entry(name).or_default() += 1;
                    if verdict.class().is_some() {
                        differing.lock().unwrap().push((seed, verdict));
                    }
                }
            });
        }
    });
    let mut differing = differing.into_inner().unwrap();
    differing.sort_by_key(|(seed, _)| *seed);
    eprintln!("{cases} trees from seed {first}: {:?}", counts.into_inner().unwrap());
    let mut told = String::new();
    for (seed, verdict) in differing.iter().take(SHOWN) {
        let _ = write!(told, "\n{}", smallest(&program, *seed, verdict));
    }
    let rest: Vec<String> = differing.iter().skip(SHOWN).map(|(seed, _)| seed.to_string()).collect();
    assert!(differing.is_empty(), "{} differ:\n{told}\nalso the seeds {}", differing.len(), rest.join(" "));
}

/// The smallest tree found that differs in the same way.
fn smallest(program: &Path, seed: u64, found: &Verdict) -> String {
    let small = shrink::shrink(grow::grow(seed), |tree| verdict(program, tree).class() == found.class());
    if let Some(folder) = std::env::var_os("TRUNKLINE_RANDOM_KEEP") {
        write(&files(&small), &Path::new(&folder).join(seed.to_string()));
    }
    format!("seed {seed}: {:#?}\n{}", verdict(program, &small), shown(&small))
}

/// Bases alone must mostly be sound, or the comparison compares refusals.
#[test]
fn random_trees_mostly_render() {
    let outcomes: Vec<Outcome> = (0..200).map(|seed| ours(&files(&grow::grow(seed)))).collect();
    let sound = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!(sound > 100, "only {sound} of 200 render");
    assert_eq!(grow::grow(7), grow::grow(7), "a seed is always the same tree");
}

/// A map's entries, for making it smaller.
fn without(map: &Map<String, Value>, key: &str) -> Map<String, Value> {
    map.iter().filter(|(name, _)| *name != key).map(|(name, value)| (name.clone(), value.clone())).collect()
}
