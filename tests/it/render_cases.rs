//! Written cases, one feature each, with the output of the original (kustomize v5.8) as the expectation.
//!
//! A case is a text: `-- path --` begins a file, `-- expected --` what `kustomize build env` prints.

use std::path::Path;

use trunkline::manifest::load;
use trunkline::model::path::RepoPath;
use trunkline::model::tree::{EntryKind, MemoryObjects, Tree};
use trunkline::render::render;

/// What stands for a file that is no text.
const BINARY: &[u8] = b"\xff\xfe\x00binary";

fn parts(text: &str) -> Vec<(&str, String)> {
    let mut parts: Vec<(&str, String)> = Vec::new();
    for line in text.split_inclusive('\n') {
        let head = line.trim_end().strip_prefix("-- ").and_then(|line| line.strip_suffix(" --"));
        match (head, parts.last_mut()) {
            (Some(name), _) => parts.push((name, String::new())),
            (None, Some(last)) => last.1.push_str(line),
            (None, None) => {}
        }
    }
    parts
}

fn file(path: &str, text: &str) -> (RepoPath, EntryKind, Vec<u8>) {
    let bytes = if text == "(binary)\n" { BINARY.repeat(9) } else { text.as_bytes().to_vec() };
    (path.parse().unwrap(), EntryKind::File, bytes)
}

#[test]
fn written_cases_render_as_the_original_does() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/render_cases");
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(entry.path()).unwrap();
        let mut parts = parts(&text);
        let (_, expected) = parts.pop().unwrap();
        let mut objects = MemoryObjects::default();
        let root = objects.add(parts.iter().map(|(path, text)| file(path, text)));
        let rendered = render(&Tree::new(root, &objects), &"env".parse().unwrap());
        count += 1;
        if !rendered.ok {
            let why: Vec<_> =
                rendered.problems.iter().map(|p| format!("{}: {}", p.location.as_ref().unwrap(), p.message)).collect();
            wrong.push(format!("{name}: {}", why.join("\n  ")));
            continue;
        }
        let theirs = load(&RepoPath::root(), expected.as_bytes());
        assert_eq!(theirs.problems, [], "{name}");
        let theirs: Vec<_> = theirs.documents.iter().map(|document| document.node.to_json()).collect();
        let ours: Vec<_> = rendered.objects.iter().map(|object| object.node.to_json()).collect();
        if let Some(at) = (0..ours.len().max(theirs.len())).find(|at| ours.get(*at) != theirs.get(*at)) {
            let show = |json: Option<&serde_json::Value>| json.map_or("nothing".to_owned(), ToString::to_string);
            wrong.push(format!(
                "{name}: object {at}\n  ours   {}\n  theirs {}",
                show(ours.get(at)),
                show(theirs.get(at))
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 30, "cases are missing: {count}");
}
