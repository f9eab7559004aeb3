//! Real folders, rendered by us and by the original: every folder with a kustomization below `../shared/corpus`, or below the folder
//! that `CORPUS` names.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::input;
use trunkline::model::id::Oid;
use trunkline::model::path::RepoPath;
use trunkline::model::tree::{EntryKind, MemoryObjects, Tree};
use trunkline::render::{Memory, render};

type File = (RepoPath, EntryKind, Vec<u8>);

struct Repository {
    root: PathBuf,
    store: MemoryObjects,
    /// The tree as it is, and with one more file that no folder reads.
    trees: [Oid; 2],
    folders: Vec<RepoPath>,
}

/// Turns of ours over all folders; the fastest counts, of theirs the only one: that is kind to them on a busy machine too.
const TURNS: usize = 5;

pub(crate) fn run() {
    let corpus = std::env::var_os("CORPUS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"), PathBuf::from);
    let Ok(entries) = std::fs::read_dir(&corpus) else {
        println!("corpus: skipped, there is no {}", corpus.display());
        return;
    };
    let repositories: Vec<Repository> = entries.flatten().filter_map(|entry| Repository::read(&entry.path())).collect();
    let count: usize = repositories.iter().map(|repository| repository.folders.len()).sum();
    println!("corpus: {count} folders that render");
    let each = |seconds: f64| seconds * 1e6 / count as f64;
    let cold = fastest(|| repositories.iter().for_each(Repository::cold));
    let together = fastest(|| repositories.iter().for_each(Repository::together));
    let mut memories: Vec<Memory<'_>> = repositories.iter().map(|repository| Memory::new(&repository.store)).collect();
    let mut warm = |tree: usize| {
        for (repository, memory) in repositories.iter().zip(&mut memories) {
            for folder in &repository.folders {
                assert!(memory.render(repository.trees[tree], folder).ok);
            }
        }
    };
    warm(0);
    let mut turn = 0;
    let cached = fastest(|| {
        turn += 1;
        warm(turn % 2);
    });
    println!("  ours, cold         {:>9.0} µs a folder", each(cold));
    println!(
        "  ours, one memory   {:>9.0} µs a folder (what folders of a repository share is read once)",
        each(together)
    );
    println!("  ours, nothing new  {:>9.1} µs a folder (ids are compared)", each(cached));
    let Some((program, arguments)) = program() else {
        println!("  neither kustomize nor kubectl is here to compare with");
        return;
    };
    let begun = Instant::now();
    for repository in &repositories {
        for folder in &repository.folders {
            let output =
                Command::new(program).args(&arguments).arg(repository.root.join(folder.as_str())).output().unwrap();
            assert!(output.status.success(), "{folder}");
        }
    }
    let theirs = begun.elapsed().as_secs_f64();
    println!("  {program:<18} {:>9.0} µs a folder", each(theirs));
    let ratios = [cold, together, cached].map(|ours| format!("{:.0}", theirs / ours));
    println!(
        "  ours is {} times faster, each with nothing known, with one memory, and with nothing new",
        ratios.join(", ")
    );
    large(program, &arguments);
}

/// One overlay of two thousand objects.
fn large(program: &str, arguments: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in input::files(2_000, 1) {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let (store, root) = input::repository(2_000, 1);
    let ours = fastest(|| assert!(render(&Tree::new(root, &store), &"env/0".parse().unwrap()).ok));
    let begun = Instant::now();
    let output = Command::new(program).args(arguments).arg(folder.path().join("env/0")).output().unwrap();
    assert!(output.status.success());
    let theirs = begun.elapsed().as_secs_f64();
    let ratio = theirs / ours;
    println!(
        "2,000 objects in one overlay: ours {:.0} ms, {program} {:.0} ms, {ratio:.0} times",
        ours * 1e3,
        theirs * 1e3
    );
}

fn fastest(mut work: impl FnMut()) -> f64 {
    let times = (0..TURNS).map(|_| {
        let begun = Instant::now();
        work();
        begun.elapsed().as_secs_f64()
    });
    times.fold(f64::INFINITY, f64::min)
}

/// The original on this machine.
fn program() -> Option<(&'static str, Vec<&'static str>)> {
    let restrict = ["--load-restrictor", "LoadRestrictionsNone"];
    let candidates = [("kustomize", vec!["build"]), ("kubectl", vec!["kustomize"])];
    candidates.into_iter().find_map(|(name, mut arguments)| {
        arguments.extend(restrict);
        Command::new(name).arg("help").output().ok()?.status.success().then_some((name, arguments))
    })
}

impl Repository {
    fn read(root: &Path) -> Option<Self> {
        let mut files = Vec::new();
        read(root, root, &mut files);
        let names = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
        let mut folders: Vec<RepoPath> =
            files.iter().filter(|file| names.contains(&file.0.name())).map(|file| file.0.parent()).collect();
        let mut store = MemoryObjects::default();
        let tree = store.add(files.clone());
        files.push(("zzz-nothing-reads-this".parse().unwrap(), EntryKind::File, b"x".to_vec()));
        let trees = [tree, store.add(files)];
        folders.retain(|folder| render(&Tree::new(tree, &store), folder).ok);
        (!folders.is_empty()).then(|| Self { root: root.to_owned(), store, trees, folders })
    }

    fn together(&self) {
        let mut memory = Memory::new(&self.store);
        for folder in &self.folders {
            assert!(memory.render(self.trees[0], folder).ok);
        }
    }

    fn cold(&self) {
        for folder in &self.folders {
            assert!(render(&Tree::new(self.trees[0], &self.store), folder).ok);
        }
    }
}

fn read(root: &Path, here: &Path, files: &mut Vec<File>) {
    for entry in std::fs::read_dir(here).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() && entry.file_name() != ".git" {
            read(root, &path, files);
        }
        let name = path.strip_prefix(root).unwrap().to_str().and_then(|text| text.parse().ok());
        let Some(name) = name else { continue };
        if kind.is_symlink() {
            let target = std::fs::read_link(&path).unwrap();
            files.push((name, EntryKind::Symlink, target.to_string_lossy().into_owned().into_bytes()));
        } else if kind.is_file() && path.metadata().is_ok_and(|data| data.len() < 5 << 20) {
            files.push((name, EntryKind::File, std::fs::read(&path).unwrap()));
        }
    }
}
