//! Makes a tree smaller for as long as it still differs in the same way.

use serde_json::Value;

use super::grow::{File, Grown};
use super::without;

/// Trials for one tree: each is a process of the original; a tree has about 200 places to cut.
const TRIALS: usize = 600;

/// Keys that make an object one.
const KEPT: [&str; 4] = ["apiVersion", "kind", "metadata", "name"];

/// Cuts whatever can be cut, largest first, until nothing more can.
pub(super) fn shrink(mut tree: Grown, still: impl Fn(&Grown) -> bool) -> Grown {
    let mut trials = 0;
    loop {
        let mut cut = false;
        let mut at = 0;
        while let Some(smaller) = smaller(&tree, at) {
            if trials >= TRIALS {
                return tree;
            }
            trials += 1;
            if still(&smaller) {
                // What is now at this place has not been tried yet.
                (tree, cut) = (smaller, true);
            } else {
                at += 1;
            }
        }
        if !cut {
            return tree;
        }
    }
}

/// The tree without its `at`th part; none when it has fewer parts.
fn smaller(tree: &Grown, at: usize) -> Option<Grown> {
    let mut left = at;
    let mut cut = tree.clone();
    for folder in 0..tree.folders.len() {
        if tree.folders[folder].name != "env" && take(&mut left) {
            let name = format!("../{}", cut.folders.remove(folder).name);
            for other in &mut cut.folders {
                for field in ["resources", "components"] {
                    if let Some(list) = other.kustomization.get_mut(field).and_then(Value::as_array_mut) {
                        list.retain(|path| *path != name);
                    }
                }
            }
            return Some(cut);
        }
    }
    for (folder, known) in tree.folders.iter().enumerate() {
        for file in 0..known.files.len() {
            if take(&mut left) {
                cut.folders[folder].files.remove(file);
                return Some(cut);
            }
        }
        for key in known.kustomization.keys() {
            if take(&mut left) {
                cut.folders[folder].kustomization = without(&known.kustomization, key);
                return Some(cut);
            }
        }
    }
    for folder in 0..tree.folders.len() {
        let mut kustomization = Value::Object(cut.folders[folder].kustomization.clone());
        if cut_value(&mut kustomization, &mut left) {
            cut.folders[folder].kustomization = kustomization.as_object().cloned()?;
            return Some(cut);
        }
        for (_, file) in &mut cut.folders[folder].files {
            let File::Yaml(documents) = file else { continue };
            for document in 0..documents.len() {
                if documents.len() > 1 && take(&mut left) {
                    documents.remove(document);
                    return Some(cut);
                }
            }
            if documents.iter_mut().any(|document| cut_value(document, &mut left)) {
                return Some(cut);
            }
        }
    }
    None
}

/// Whether this is the place, counting down.
fn take(left: &mut usize) -> bool {
    if *left == 0 {
        return true;
    }
    *left -= 1;
    false
}

/// Removes one entry somewhere below; inline patches are read as YAML and cut inside.
fn cut_value(value: &mut Value, left: &mut usize) -> bool {
    match value {
        Value::Object(map) => {
            for key in map.keys().cloned().collect::<Vec<_>>() {
                // Without these it is no object any more, which is another difference.
                if !KEPT.contains(&key.as_str()) && take(left) {
                    *map = without(map, &key);
                    return true;
                }
            }
            map.values_mut().any(|value| cut_value(value, left))
        }
        Value::Array(list) => {
            for at in 0..list.len() {
                if list.len() > 1 && take(left) {
                    list.remove(at);
                    return true;
                }
            }
            list.iter_mut().any(|value| cut_value(value, left))
        }
        Value::String(text) if text.contains(": ") && text.contains('\n') => {
            let Ok(mut inner) = serde_yaml::from_str::<Value>(text) else { return false };
            let cut = (inner.is_object() || inner.is_array()) && cut_value(&mut inner, left);
            if cut {
                *text = serde_yaml::to_string(&inner).unwrap();
            }
            cut
        }
        _ => false,
    }
}
