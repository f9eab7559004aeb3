//! Every reason has a name that is explained, and every no and every wait says what ends it: held against the sources themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Where a verdict is made.
struct Made {
    place: String,
    answer: &'static str,
    code: String,
    /// What follows the call, from the first character that is no space.
    then: String,
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// The length of a call's arguments, the closing bracket included; text in quotes holds no brackets of ours.
fn arguments(text: &str) -> usize {
    let (mut depth, mut quoted, mut escaped) = (1, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    panic!("a call without end: {}", &text[..text.len().min(80)]);
}

/// The code a call begins with: in quotes, or as a constant of its file.
fn named<'c>(code: &'c str, call: &'c str) -> Option<&'c str> {
    let in_quotes = |text: &'c str| text.strip_prefix('"').and_then(|rest| rest.split('"').next());
    let constant = call.split(|c: char| !c.is_ascii_uppercase() && c != '_').next().filter(|name| !name.is_empty());
    let constant = constant.and_then(|name| code.split(&format!("const {name}: &str = ")).nth(1));
    in_quotes(call).or_else(|| in_quotes(constant?))
}

fn made() -> Vec<Made> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src/decide"), &mut files);
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for (call, answer) in
            [("Verdict::yes(", "yes"), ("Verdict::wait(", "wait"), ("Verdict::no(", "no"), ("Verdict::all(", "all")]
        {
            for (at, _) in code.match_indices(call) {
                let inside = &code[at + call.len()..];
                // A name that is passed on stands where it was first said.
                let Some(name) = named(code, inside.trim_start()) else { continue };
                let line = code[..at].lines().count();
                let place = format!("{}:{line}", file.strip_prefix(root).unwrap().display());
                let then = inside[arguments(inside)..].trim_start_matches([')', ' ', '\n']).to_owned();
                all.push(Made { place, answer, code: name.to_owned(), then });
            }
        }
        // Names passed to the functions that make a verdict of what is not known yet.
        let calls = code.match_indices("unknown(").filter(|(at, _)| !code[..*at].ends_with("fn "));
        for (at, _) in calls {
            let inside = &code[at..at + arguments(&code[at + "unknown(".len()..]) + "unknown(".len()];
            for name in inside.split('"').skip(1).step_by(2).filter(|name| !name.contains(' ')) {
                let place = file.strip_prefix(root).unwrap().display().to_string();
                all.push(Made { place, answer: "wait", code: name.to_owned(), then: ".next(".to_owned() });
            }
        }
    }
    assert!(all.len() > 50, "only {} verdicts found", all.len());
    all
}

#[test]
fn every_no_and_every_wait_says_what_ends_it() {
    let silent = |made: &&Made| match made.answer {
        "no" => !made.then.starts_with(".next("),
        "wait" => !made.then.starts_with(".next(") && !made.then.starts_with(".until("),
        _ => false,
    };
    let all = made();
    let silent: Vec<String> =
        all.iter().filter(silent).map(|made| format!("{}: {} `{}`", made.place, made.answer, made.code)).collect();
    assert!(silent.is_empty(), "these say no next step:\n{}", silent.join("\n"));
}

#[test]
fn every_reason_code_is_explained() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reasons.md")).unwrap();
    let mut told: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("| `")) {
        let cells: Vec<&str> = line.split(" | ").collect();
        let [code, answers, meaning, who] = cells.as_slice() else { panic!("not four cells: {line}") };
        assert!(!meaning.is_empty() && !who.trim_end_matches([' ', '|']).is_empty(), "{line}");
        let known = told.insert(code.trim_end_matches('`'), answers.split(", ").collect());
        assert!(known.is_none(), "{code} stands twice");
    }
    let all = made();
    let mut given: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for made in all.iter().filter(|made| matches!(made.answer, "no" | "wait")) {
        given.entry(&made.code).or_default().insert(made.answer);
    }
    assert_eq!(told, given, "docs/reasons.md (left) and the sources (right) do not tell the same");
}
