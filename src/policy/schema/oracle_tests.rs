//! Held against `kubeconform -strict`: every document of a public corpus, as it is and broken in many ways, gets the same verdict.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value as Json, json};

use super::*;
use crate::manifest::load;

/// The minor whose JSON Schemas `tests/tools/install` makes for kubeconform.
const MINOR: u32 = 33;

fn documents(folder: &Path, found: &mut Vec<Json>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            documents(&path, found);
        } else if path.extension().is_some_and(|end| end == "yaml" || end == "yml") {
            let loaded = load(&"a.yaml".parse().unwrap(), &std::fs::read(&path).unwrap());
            found.extend(loaded.documents.iter().map(|document| document.node.to_json()).filter(|document| {
                let text = document.to_string();
                document["kind"].is_string()
                    && !document["kind"].as_str().unwrap().ends_with("List")
                    && !text.contains("${")
                    && !text.contains("ENC[")
            }));
        }
    }
}

fn pointers(value: &Json, at: String, found: &mut Vec<String>) {
    let steps: Vec<(String, &Json)> = match value {
        Json::Object(map) => map.iter().map(|(k, v)| (k.replace('~', "~0").replace('/', "~1"), v)).collect(),
        Json::Array(list) => list.iter().enumerate().map(|(at, v)| (at.to_string(), v)).collect(),
        _ => Vec::new(),
    };
    for (step, value) in steps {
        let at = format!("{at}/{step}");
        if !["/apiVersion", "/kind"].contains(&at.as_str()) {
            found.push(at.clone());
            pointers(value, at, found);
        }
    }
}

/// The document with one thing wrong, or merely other: a slip in a key, a value of another type, null, a key gone.
fn broken(document: &Json) -> Vec<Json> {
    let mut all = Vec::new();
    pointers(document, String::new(), &mut all);
    let mut made = Vec::new();
    for (count, pointer) in all.iter().enumerate() {
        let mut copy = document.clone();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let key = key.replace("~1", "/").replace("~0", "~");
        match (count % 6, copy.pointer_mut(parent).unwrap()) {
            (0 | 5, Json::Object(map)) => {
                let value = map.remove(&key).unwrap();
                if count % 6 == 0 {
                    map.insert(format!("{key}x"), value);
                }
            }
            (kind, _) => {
                let other = [json!("text"), json!(7), json!(["text"]), json!({ "a": "b" }), Json::Null, json!(true)];
                *copy.pointer_mut(pointer).unwrap() = other[(kind + count / 6) % 6].clone();
            }
        }
        made.push(copy);
    }
    made
}

/// kubeconform's verdict on each file: whether it is valid; what it has no schema for is left out.
fn theirs(tool: &Path, schemas: &Path, files: &Path) -> HashMap<String, bool> {
    let version = std::fs::read_dir(schemas).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
    let version = version.filter(|name| name.starts_with(&format!("v1.{MINOR}."))).max().unwrap();
    let version = version.trim_start_matches('v').trim_end_matches("-standalone-strict");
    let location = schemas.join(
        "{{ .NormalizedKubernetesVersion }}-standalone{{ .StrictSuffix }}/{{ .ResourceKind }}{{ .KindSuffix }}.json",
    );
    let output = Command::new(tool)
        .args(["-strict", "-ignore-missing-schemas", "-verbose", "-output", "json", "-kubernetes-version", version])
        .arg("-schema-location")
        .arg(location)
        .arg(files)
        .output()
        .unwrap();
    let report: Json = serde_json::from_slice(&output.stdout).unwrap();
    let resources = report["resources"].as_array().unwrap().iter();
    resources
        .filter(|resource| resource["status"] != "statusSkipped" && resource["status"] != "statusError")
        .map(|resource| {
            let name = Path::new(resource["filename"].as_str().unwrap()).file_name().unwrap().to_str().unwrap();
            (name.to_owned(), resource["status"] == "statusValid")
        })
        .collect()
}

#[test]
fn verdicts_are_kubeconforms() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let (tool, schemas) = (root.join(".tools/bin/kubeconform"), root.join(".tools/schemas/oracle"));
    let corpus = root.join("../shared/corpus");
    if !tool.exists() || !schemas.is_dir() || !corpus.is_dir() {
        eprintln!("skipped: kubeconform, its schemas (tests/tools/install) or the corpus are not there");
        return;
    }
    let mut all = Vec::new();
    documents(&corpus, &mut all);
    all.sort_by_cached_key(ToString::to_string);
    all.dedup();
    let mutated: Vec<Json> = all.iter().flat_map(broken).collect();
    all.extend(mutated);
    let folder = tempfile::tempdir().unwrap();
    for (at, document) in all.iter().enumerate() {
        std::fs::write(folder.path().join(format!("{at}.json")), document.to_string()).unwrap();
    }
    let theirs = theirs(&tool, &schemas, folder.path());
    let (mut invalid, mut differ) = (0, Vec::new());
    for (at, document) in all.iter().enumerate() {
        let Some(valid) = theirs.get(&format!("{at}.json")) else { continue };
        let text = document.to_string();
        let node = load(&"a.yaml".parse().unwrap(), text.as_bytes()).documents.remove(0).node;
        let object = [Object { node }];
        let ours: Vec<String> = faults(&object, (&[], None), MINOR)
            .into_iter()
            .filter(|(_, fault)| [UNKNOWN, WRONG_TYPE, MISSING, NOT_ALLOWED].contains(&fault.rule))
            .map(|(_, fault)| fault.message)
            .collect();
        invalid += usize::from(!valid);
        if ours.is_empty() != *valid {
            differ.push(format!("kubeconform valid: {valid}; ours: {ours:?}; {}", &text[..text.len().min(300)]));
        }
    }
    eprintln!("{} documents compared, {invalid} of them invalid", theirs.len());
    assert!(theirs.len() > 1_000 && invalid > 300, "too few compared: {}, {invalid}", theirs.len());
    assert!(differ.is_empty(), "{} differ:\n{}", differ.len(), differ[..differ.len().min(20)].join("\n"));
}
