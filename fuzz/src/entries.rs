//! What strangers write, against every reader: one function a reader, from bytes to promises.
//!
//! The fuzz targets and `cargo test` (`tests/it/fuzz.rs`, over the seeds) run these same functions. Each gives a reader
//! what the input says and asserts what the reader promises; how fast it must be is for the caller to say.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use trunkline::git::{Cache, Content, GitError, RefSpec, Remote, RepoSlot};
use trunkline::manifest::edit::{EditError, insert_after, remove_key, set_scalar};
use trunkline::manifest::{Node, Span, Value, load, objects, yaml};
use trunkline::model::id::{InstallationId, RepoId};
use trunkline::model::path::{RepoPath, is_ref_name};
use trunkline::model::pipeline::App;
use trunkline::model::tree::{EntryKind, MemoryObjects, Tree};
use trunkline::render::flux::Fleet;
use trunkline::render::versions::{NewVersion, version_edits, version_fields};
use trunkline::render::{Memory, Rendered, render};
use trunkline::transport::{HttpRequest, Transport};
use trunkline::web::delivery::{Mapped, Us, wakes};
use trunkline::{command, config};

/// A reader of one kind of input.
pub type Entry = fn(&[u8]);

/// Every reader by name: the fuzz target's, and that of its folder of seeds.
pub const ALL: [(&str, Entry); 8] = [
    ("manifest", manifest),
    ("kustomization", kustomization),
    ("flux", flux),
    ("configuration", configuration),
    ("comment", comment),
    ("delivery", delivery),
    ("edit", edit),
    ("git", git),
];

/// Any YAML file: it is read, cut into objects, and what we print of it is read back as the same.
pub fn manifest(bytes: &[u8]) {
    let file = RepoPath::root();
    let loaded = load(&file, bytes);
    let _any_answer_will_do = objects(&loaded);
    for document in &loaded.documents {
        spans_fit(&document.node, bytes);
        let text = yaml(&document.node);
        let again = load(&file, text.as_bytes());
        // What is printed may be longer than what may be read (aliases are written out); nothing else may come of it.
        if text.len() < 100_000 {
            assert!(again.problems.is_empty(), "{:?}\n{text}", again.problems);
            assert_eq!(again.documents.len(), 1, "{text}");
            assert_eq!(again.documents[0].node, document.node, "{text}");
        }
    }
}

/// Every node stands inside its file.
fn spans_fit(node: &Node, bytes: &[u8]) {
    let Span { start, end, line, column, .. } = node.span;
    assert!(start <= end && end as usize <= bytes.len() && line > 0 && column > 0, "{:?}", node.span);
    match &node.value {
        Value::Map(map) => map.iter().for_each(|(_, value)| spans_fit(value, bytes)),
        Value::List(list) => list.iter().for_each(|item| spans_fit(item, bytes)),
        _ => {}
    }
}

/// A tree of files: `-- path --` begins a file, `-- path -> target --` is a link, `-- path / --` a submodule.
/// The folder `env` is rendered, and the version of `app` in it is set.
pub fn kustomization(bytes: &[u8]) {
    let files = files(bytes);
    let mut store = MemoryObjects::default();
    let root = store.add(files);
    let tree = Tree::new(root, &store);
    let env: RepoPath = "env".parse().expect("a plain name is a path");
    let rendered = render(&tree, &env);
    same(&rendered, &render(&tree, &env));
    version(&tree, &env);
}

/// A tree of files, written as for [`kustomization`]: whoever applies the folders `env` and `clusters/prod` is found, and each is
/// rendered as they do.
pub fn flux(bytes: &[u8]) {
    let mut store = MemoryObjects::default();
    let root = store.add(files(bytes));
    let folders: Vec<RepoPath> = ["env", "clusters/prod"].iter().filter_map(|path| path.parse().ok()).collect();
    let (mut memory, mut other) = (Memory::new(&store), Memory::new(&store));
    let (fleet, again) = (Fleet::find(&mut memory, root, &folders), Fleet::find(&mut other, root, &folders));
    assert_eq!(fleet.is_used(), again.is_used());
    for folder in &folders {
        assert!(fleet.agrees(&again, folder), "{folder}");
        for (way, known) in fleet.of(folder).into_iter().zip(again.of(folder)) {
            let rendered = memory.render_as(root, folder, way, fleet.is_used());
            same(&rendered, &other.render_as(root, folder, known, again.is_used()));
            let remembered = memory.render_as(root, folder, way, fleet.is_used());
            // What is wrong is not kept.
            assert!(!rendered.ok || Arc::ptr_eq(&rendered, &remembered), "{folder} was rendered twice");
            same(&rendered, &remembered);
        }
    }
}

/// A render is all or nothing, and the same each time.
fn same(rendered: &Rendered, again: &Rendered) {
    for one in [rendered, again] {
        assert_eq!(one.ok, one.problems.is_empty(), "{:?}", one.problems);
        assert!(one.ok || one.objects.is_empty(), "a wrong object was given out");
    }
    assert_eq!(rendered.problems, again.problems);
    assert_eq!((&rendered.notes, &rendered.readings), (&again.notes, &again.readings));
    assert_eq!(rendered.objects.len(), again.objects.len());
    for (one, other) in rendered.objects.iter().zip(&again.objects) {
        assert_eq!(one.node, other.node);
    }
}

/// After the edits, every field holds the new version.
fn version(tree: &Tree<'_>, env: &RepoPath) {
    let app = App::of_images("app", &["app"]);
    let new = NewVersion { image: "app".into(), tag: "v9.8".into(), digest: None };
    let (Ok(fields), Ok(edits)) = (version_fields(tree, env, &app), version_edits(tree, env, &app, &[new])) else {
        return;
    };
    assert!(!fields.is_empty());
    for (path, bytes) in edits {
        assert!(fields.iter().any(|field| field.file == path), "{path} holds no field");
        assert!(String::from_utf8_lossy(&bytes).contains("v9.8"), "{path}");
    }
}

/// The files of a tree.
fn files(bytes: &[u8]) -> Vec<(RepoPath, EntryKind, Vec<u8>)> {
    let text = String::from_utf8_lossy(bytes);
    let mut files: Vec<(RepoPath, EntryKind, Vec<u8>)> = Vec::new();
    for line in text.split_inclusive('\n') {
        let head = line.trim_end().strip_prefix("-- ").and_then(|line| line.strip_suffix(" --"));
        match (head, files.last_mut()) {
            (Some(head), _) => files.extend(file(head)),
            (None, Some((_, EntryKind::File, bytes))) => bytes.extend(line.bytes()),
            _ => {}
        }
    }
    // A name is a file or a folder, and there once.
    let mut taken = BTreeSet::new();
    files.retain(|(path, _, _)| {
        let free = !taken.iter().any(|other: &RepoPath| path.is_within(other) || other.is_within(path));
        free && taken.insert(path.clone())
    });
    files
}

fn file(head: &str) -> Option<(RepoPath, EntryKind, Vec<u8>)> {
    let (path, kind, bytes) = match (head.split_once(" -> "), head.strip_suffix(" /")) {
        (Some((path, target)), _) => (path, EntryKind::Symlink, target.as_bytes().to_vec()),
        (None, Some(path)) => (path, EntryKind::Submodule, Vec::new()),
        (None, None) => (head, EntryKind::File, Vec::new()),
    };
    let path: RepoPath = path.parse().ok()?;
    (!path.is_root()).then_some((path, kind, bytes))
}

/// `.github/trunkline.yaml`: a pipeline or problems, never both, never neither.
pub fn configuration(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let parsed = config::parse(&config::FILE.parse().expect("a constant path"), &text);
    assert_eq!(parsed.pipeline.is_some(), parsed.problems.is_empty());
    for problem in &parsed.problems {
        if let Some(at) = &problem.location {
            // One behind the last line is where something is missing.
            assert!(at.line as usize <= text.split(['\n', '\r']).count() + 1, "{problem:?}");
        }
    }
    for environment in parsed.pipeline.iter().flat_map(|pipeline| &pipeline.environments) {
        assert!(is_ref_name(&environment.name), "{}", environment.name);
    }
}

/// A comment: few commands, each of one short line.
pub fn comment(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let parsed = command::parse(&text);
    assert!(parsed.len() <= 11, "{} commands", parsed.len());
    for said in parsed {
        assert!(said.text.chars().count() <= 200 && !said.text.contains(['\n', '\0']), "{:?}", said.text);
    }
}

/// A delivery: the first line is the event's name, the rest its body.
pub fn delivery(bytes: &[u8]) {
    let cut = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (event, body) = (String::from_utf8_lossy(&bytes[..cut]), bytes.get(cut + 1..).unwrap_or_default());
    let us = Us { app_id: 1, login: Some("trunkline[bot]".into()) };
    let once = wakes(&event, body, &us);
    assert_eq!(once, wakes(&event, body, &us));
    if let Ok(Mapped::Wakes(wakes)) = once {
        assert!((1..=1000).contains(&wakes.len()), "{} wakes", wakes.len());
        for wake in wakes {
            let key = wake.key.to_string();
            assert_eq!(key.parse(), Ok(wake.key), "{key}");
        }
    }
}

/// An edit: the first line says which (`set <n> <text>`, `remove <n>`, `insert <n> <key> <text>`), the rest is the file.
/// `<n>` counts scalars, for `set`, or keys.
pub fn edit(bytes: &[u8]) {
    let cut = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (line, file) = (String::from_utf8_lossy(&bytes[..cut]), bytes.get(cut + 1..).unwrap_or_default());
    let mut words = line.splitn(3, ' ');
    let (verb, at, text) = (words.next(), words.next(), words.next().unwrap_or_default());
    let Some(at) = at.and_then(|at| at.parse::<usize>().ok()) else { return };
    let before = load(&RepoPath::root(), file);
    let (mut scalars, mut keys) = (Vec::new(), Vec::new());
    before.documents.iter().for_each(|document| places(&document.node, &mut scalars, &mut keys));
    let pick = |from: &[Span]| from.get(at % from.len().max(1)).cloned();
    let done = match verb {
        Some("set") => pick(&scalars).map(|at| set_scalar(file, &at, text)),
        Some("remove") => pick(&keys).map(|at| remove_key(file, &at)),
        Some("insert") => pick(&keys).map(|at| {
            let (key, value) = text.split_once(' ').unwrap_or((text, ""));
            insert_after(file, &at, key, value)
        }),
        _ => None,
    };
    let sound = before.problems.is_empty();
    let after = match done {
        Some(Ok(after)) => after,
        Some(Err(error)) => {
            assert_eq!(!sound, matches!(error, EditError::Unreadable { .. }), "{error:?}");
            return;
        }
        None => return,
    };
    assert!(sound, "an unsound file was edited");
    untouched(file, &after, verb == Some("remove"));
    let read = load(&RepoPath::root(), &after);
    assert!(read.problems.is_empty(), "{:?}\n{}", read.problems, String::from_utf8_lossy(&after));
    assert_eq!(read.documents.len(), before.documents.len());
    if verb == Some("set") {
        let mut now = (Vec::new(), Vec::new());
        read.documents.iter().for_each(|document| places(&document.node, &mut now.0, &mut now.1));
        assert_eq!((now.0.len(), now.1.len()), (scalars.len(), keys.len()));
    }
}

/// One piece was taken out and one put in: what stands before and after is the same, to the byte; a removal adds nothing.
fn untouched(before: &[u8], after: &[u8], removed: bool) {
    let head = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let tail = before[head..].iter().rev().zip(after[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    assert!(!removed || head + tail == after.len(), "a removal wrote something");
}

fn places(node: &Node, scalars: &mut Vec<Span>, keys: &mut Vec<Span>) {
    match &node.value {
        Value::Map(map) => {
            for (key, value) in map.iter() {
                keys.push(key.span.clone());
                places(value, scalars, keys);
            }
        }
        Value::List(list) => list.iter().for_each(|item| places(item, scalars, keys)),
        _ => scalars.push(node.span.clone()),
    }
}

/// What a git server answers: the list of refs up to the line `=====`, then the pack; both as packet lines.
/// Whatever it is, nothing in it is mistaken for trouble of our own.
pub fn git(bytes: &[u8]) {
    const CUT: &[u8] = b"\n=====\n";
    let cut = bytes.windows(CUT.len()).position(|window| window == CUT);
    let (list, pack) = cut.map_or((bytes, &b""[..]), |cut| (&bytes[..cut], &bytes[cut + CUT.len()..]));
    let (list, pack) = (Bytes::copy_from_slice(list), Bytes::copy_from_slice(pack));
    let server = tower::service_fn(move |request: HttpRequest| {
        let (list, pack) = (list.clone(), pack.clone());
        async move {
            let asked = http_body_util::BodyExt::collect(request.into_body()).await?.to_bytes();
            let lists = asked.windows(15).any(|window| window == b"command=ls-refs");
            let answer = http::Response::builder()
                .header("content-type", "application/x-git-upload-pack-result")
                .body(Full::new(if lists { list } else { pack }))
                .expect("a constant head");
            Ok::<_, Infallible>(answer)
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Cache::new(folder.path().join("git")).expect("an empty cache");
    let slot = RepoSlot { installation: InstallationId(1), repo: RepoId(1), content: Content::All };
    let remote = Remote::http("https://git.invalid/a/b.git", None, &Transport::of(server)).expect("a plain address");
    let remote = remote.with_limits(1 << 20, 1000);
    let done = runtime.block_on(cache.sync(slot, &remote, &[RefSpec::Heads, RefSpec::Tags]));
    match done {
        Ok((store, refs)) => {
            for (name, id) in &refs.heads {
                assert!(is_ref_name(name), "{name:?}");
                // A server may name anything a branch; reading it must end either way.
                let _any_answer_will_do = store.log_between(None, *id, 3);
            }
        }
        Err(GitError::Broken(why)) => panic!("what a server sends is never our cache's fault: {why}"),
        Err(_) => {}
    }
}
