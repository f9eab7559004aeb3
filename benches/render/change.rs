//! A change to a repository of many environments: what evaluating it costs besides the rules, and what remembering would save.

use trunkline::manifest::{MaskKey, changes};
use trunkline::model::id::Oid;
use trunkline::model::path::RepoPath;
use trunkline::model::tree::{MemoryObjects, Tree, changed_paths};
use trunkline::render::Memory;
use trunkline::render::reach::{Reach, closure_touches};

use super::{Series, input, took};

const ENVIRONMENTS: usize = 900;

pub(crate) fn run() {
    println!("{ENVIRONMENTS} environments on one base of 8 objects; a pull request's first and its next push");
    for (what, path, from) in
        [("one overlay", "env/7/patch.yaml", "replicas: 5"), ("the base", "base/app-0.yaml", "cpu: 100m")]
    {
        let mut files = input::files(8, ENVIRONMENTS);
        let mut store = MemoryObjects::default();
        let mut trees = vec![add(&mut store, &files)];
        for push in ["6", "7"] {
            let file = files.iter_mut().find(|file| file.0 == path).unwrap();
            file.1 = file.1.replace(from, &format!("{}{push}", &from[..from.len() - 1]));
            assert!(file.1.contains(&format!("{}{push}", &from[..from.len() - 1])));
            trees.push(add(&mut store, &files));
            // The next push changes the same line again.
            files = if push == "6" { input::files(8, ENVIRONMENTS) } else { files };
        }
        let (mut first, mut again, mut kept) = (Series::default(), Series::default(), Series::default());
        let mut touched = 0;
        for _ in 0..5 {
            let mut memory = Memory::new(&store);
            first.add(took(|| touched = evaluate(&store, &mut memory, trees[0], trees[1])).0);
            kept.add(took(|| evaluate(&store, &mut memory, trees[0], trees[2])).0);
            again.add(took(|| evaluate(&store, &mut Memory::new(&store), trees[0], trees[2])).0);
        }
        println!("  {what:<12} {touched:>4} touched: first {first}, next {again}, next if all were remembered {kept}");
    }
}

fn add(store: &mut MemoryObjects, files: &[(String, String)]) -> Oid {
    store.add_text(files.iter().map(|(path, text)| (path.as_str(), text.as_str()))).unwrap()
}

/// What `policy::evaluate` does, without the rules.
fn evaluate(store: &MemoryObjects, memory: &mut Memory<'_>, base: Oid, head: Oid) -> usize {
    let changed = changed_paths(store, base, head).unwrap();
    let mut reach = Reach::new(Tree::new(head, store), &changed);
    let mut touched = 0;
    for n in 0..ENVIRONMENTS {
        let folder: RepoPath = format!("env/{n}").parse().unwrap();
        if !reach.may_touch(memory, &folder) {
            continue;
        }
        let after = memory.render(head, &folder);
        if closure_touches(&after.reads, &changed) {
            let before = memory.render(base, &folder);
            assert!(!changes(&before.objects, &after.objects, &MaskKey([1; 32])).is_empty());
            touched += 1;
        }
    }
    touched
}
