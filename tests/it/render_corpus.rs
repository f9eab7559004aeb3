//! Our render of every kustomization in the corpus equals that of `kustomize build`: same objects, same order, same values.
//!
//! The corpus is `../shared/corpus`, or the folder of checked-out repositories that `CORPUS` names.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use trunkline::manifest::load;
use trunkline::model::path::RepoPath;
use trunkline::model::tree::{EntryKind, MemoryObjects, Tree};
use trunkline::render::render;

fn files(root: &Path, here: &Path, found: &mut Vec<(RepoPath, EntryKind, Vec<u8>)>) {
    for entry in std::fs::read_dir(here).unwrap().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() && entry.file_name() != ".git" {
            files(root, &path, found);
        }
        let name = path.strip_prefix(root).unwrap().to_str().and_then(|text| text.parse().ok());
        let Some(name) = name else { continue };
        if kind.is_symlink() {
            let target = std::fs::read_link(&path).unwrap();
            found.push((name, EntryKind::Symlink, target.to_string_lossy().into_owned().into_bytes()));
        } else if kind.is_file() {
            found.push((name, EntryKind::File, std::fs::read(&path).unwrap()));
        }
    }
}

/// The reference program on this machine, ready for a folder.
fn program() -> Option<(&'static str, Vec<&'static str>)> {
    let restrict = ["--load-restrictor", "LoadRestrictionsNone"];
    let candidates = [("kustomize", vec!["build"]), ("kubectl", vec!["kustomize"])];
    candidates.into_iter().find_map(|(name, mut arguments)| {
        arguments.extend(restrict);
        let works = Command::new(name).arg(if name == "kubectl" { "help" } else { "version" }).output().ok()?;
        works.status.success().then_some((name, arguments))
    })
}

fn theirs(program: &(&str, Vec<&str>), folder: &Path) -> Result<Vec<serde_json::Value>, String> {
    let output = Command::new(program.0).args(&program.1).arg(folder).output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    // One by one: all together they can be more than is read of one file.
    let text = String::from_utf8(output.stdout).unwrap();
    let documents = text.split("\n---\n").flat_map(|document| {
        let loaded = load(&RepoPath::root(), format!("{document}\n").as_bytes());
        assert_eq!(loaded.problems, [], "{document}");
        loaded.documents
    });
    Ok(documents.map(|document| document.node.to_json()).collect())
}

#[test]
fn the_corpus_renders_as_the_original_does() {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let corpus = std::env::var_os("CORPUS").map_or_else(own, PathBuf::from);
    let (Ok(repositories), Some(program)) = (std::fs::read_dir(&corpus), program()) else {
        eprintln!("skipped: no ../shared/corpus, or neither kustomize nor kubectl on the PATH");
        return;
    };
    let (mut same, mut failing, mut refused, mut wrong) = (0, 0, Vec::new(), Vec::new());
    let (mut ours_took, mut theirs_took) = (Duration::ZERO, Duration::ZERO);
    for repository in repositories.flatten() {
        let root = repository.path();
        let mut found = Vec::new();
        files(&root, &root, &mut found);
        let is_kustomization =
            |path: &RepoPath| matches!(path.name(), "kustomization.yaml" | "kustomization.yml" | "Kustomization");
        let folders: Vec<RepoPath> =
            found.iter().filter(|(path, ..)| is_kustomization(path)).map(|(path, ..)| path.parent()).collect();
        let mut objects = MemoryObjects::default();
        let tree = objects.add(found);
        for folder in folders {
            let name = format!("{}/{folder}", repository.file_name().to_string_lossy());
            let start = Instant::now();
            let ours = render(&Tree::new(tree, &objects), &folder);
            ours_took += start.elapsed();
            let start = Instant::now();
            let theirs = theirs(&program, &PathBuf::from(&root).join(folder.as_str()));
            theirs_took += start.elapsed();
            let json: Vec<_> = ours.objects.iter().map(|object| object.node.to_json()).collect();
            match theirs {
                Ok(theirs) if ours.ok && json == theirs => same += 1,
                Err(_) if !ours.ok => failing += 1,
                Ok(_) if !ours.ok => {
                    let why = ours.problems.iter().map(|p| p.message.clone()).collect::<Vec<_>>().join("; ");
                    // What is refused by name is honest; anything else would be a fault of ours.
                    let known = why.contains("is not supported");
                    if known { refused.push(name) } else { wrong.push(format!("{name}: refused: {why}")) }
                }
                Ok(theirs) => {
                    let at = (0..json.len().max(theirs.len())).find(|at| json.get(*at) != theirs.get(*at)).unwrap_or(0);
                    wrong.push(format!(
                        "{name}: object {at}\n  ours   {:?}\n  theirs {:?}",
                        json.get(at),
                        theirs.get(at)
                    ));
                }
                Err(why) => wrong.push(format!("{name}: rendered, but the original says {why}")),
            }
        }
    }
    refused.sort();
    eprintln!("{same} the same, {failing} fail for both, {} refused: {}", refused.len(), refused.join(", "));
    eprintln!("ours {ours_took:?}, {} {theirs_took:?}", program.0);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
