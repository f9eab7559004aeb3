use super::*;
use crate::model::tree::{MemoryObjects, ObjectError};
use std::sync::Mutex;

/// A store that counts what is asked of it.
#[derive(Default)]
struct Counted {
    store: MemoryObjects,
    blobs: Mutex<usize>,
}

impl Objects for Counted {
    fn tree(&self, id: Oid) -> Result<Arc<[crate::model::tree::Entry]>, ObjectError> {
        self.store.tree(id)
    }

    fn blob(&self, id: Oid) -> Result<Arc<[u8]>, ObjectError> {
        *self.blobs.lock().unwrap() += 1;
        self.store.blob(id)
    }
}

impl Counted {
    fn took(&self) -> usize {
        std::mem::take(&mut *self.blobs.lock().unwrap())
    }
}

fn path(text: &str) -> RepoPath {
    text.parse().unwrap()
}

const BASE: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: v}\n";

fn files(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let mut all = vec![
        ("base/kustomization.yaml", "resources: [a.yaml]\n"),
        ("base/a.yaml", BASE),
        ("one/kustomization.yaml", "resources: [../base]\nnamePrefix: one-\n"),
        ("two/kustomization.yaml", "resources: [../base]\nnamePrefix: two-\n"),
        ("README.md", "hello"),
    ];
    for (path, text) in more {
        all.retain(|(known, _)| known != path);
        all.push((path, text));
    }
    all
}

#[test]
fn a_base_is_read_once_however_many_use_it() {
    let mut store = Counted::default();
    let before = store.store.add_text(files(&[])).unwrap();
    let after =
        store.store.add_text(files(&[("one/kustomization.yaml", "resources: [../base]\nnamePrefix: x-\n")])).unwrap();
    let mut memory = Memory::new(&store);
    assert!(memory.render(before, &path("one")).ok);
    // Three files, each once.
    assert_eq!(store.took(), 3);
    assert!(memory.render(before, &path("two")).ok);
    assert_eq!(store.took(), 1);
    assert_eq!(memory.render(after, &path("one")).objects[0].name().name, "x-a");
    assert_eq!(store.took(), 1);
}

#[test]
fn what_did_not_change_is_not_rendered_again() {
    let mut store = Counted::default();
    let roots: Vec<Oid> = [
        files(&[]),
        files(&[("README.md", "else"), ("base/unused.yaml", "x")]),
        files(&[("base/Kustomization", "resources: []")]),
        files(&[("base/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n")]),
    ]
    .into_iter()
    .map(|files| store.store.add_text(files).unwrap())
    .collect();
    let mut memory = Memory::new(&store);
    let first = memory.render(roots[0], &path("one"));
    store.took();
    for root in [roots[0], roots[1], roots[0]] {
        assert!(Arc::ptr_eq(&first, &memory.render(root, &path("one"))));
    }
    assert_eq!(store.took(), 0);
    // What was looked for and not found counts too.
    assert!(!memory.render(roots[2], &path("one")).ok);
    assert_eq!(memory.render(roots[3], &path("one")).objects[0].name().name, "one-b");
    assert!(Arc::ptr_eq(&first, &memory.render(roots[1], &path("one"))));
}

#[test]
fn t14_a_link_that_leads_elsewhere_is_seen() {
    let file = |path_: &str, text: &str| (path(path_), EntryKind::File, text.as_bytes().to_vec());
    let link = |path_: &str, to: &str| (path(path_), EntryKind::Symlink, to.as_bytes().to_vec());
    let tree = |to: Option<&str>| {
        let mut files = vec![
            file("env/kustomization.yaml", "resources: [../link/a.yaml]\n"),
            file("one/a.yaml", BASE),
            file("two/a.yaml", &BASE.replace("name: a", "name: b")),
        ];
        files.extend(to.map(|to| link("link", to)));
        files
    };
    let mut store = MemoryObjects::default();
    let [none, one, two] = [None, Some("one"), Some("two")].map(|to| store.add(tree(to)));
    let mut memory = Memory::new(&store);
    assert!(!memory.render(none, &path("env")).ok);
    assert_eq!(memory.render(one, &path("env")).objects[0].name().name, "a");
    assert_eq!(memory.render(two, &path("env")).objects[0].name().name, "b");
    assert_eq!(memory.render(one, &path("env")).objects[0].name().name, "a");
    assert!(!memory.render(none, &path("env")).ok);
}

#[test]
fn t11_a_memory_forgets_before_it_grows_too_large() {
    let mut store = MemoryObjects::default();
    let many: String = (0..60_000).map(|n| format!("  k{n}: v\n")).collect();
    let texts: Vec<(String, String)> = (0..20)
        .flat_map(|n| {
            let object = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a{n}}}\ndata:\n{many}");
            [(format!("e{n}/kustomization.yaml"), "resources: [a.yaml]\n".to_owned()), (format!("e{n}/a.yaml"), object)]
        })
        .collect();
    let root = store.add_text(texts.iter().map(|(path, text)| (path.as_str(), text.as_str()))).unwrap();
    let mut memory = Memory::new(&store);
    for n in 0..20 {
        assert!(memory.render(root, &path(&format!("e{n}"))).ok);
        assert!(memory.parsed.values <= MAX_PARSED_VALUES && memory.values <= MAX_RENDERED_VALUES);
    }
    assert!(memory.rendered.len() < 20 && memory.rendered.contains_key(&path("e19")));
    let kept: usize = memory.rendered.values().flatten().map(|known| known.values).sum();
    assert_eq!(kept, memory.values);
}
