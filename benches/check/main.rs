//! `trunkline check` as a whole process against those who do parts of it: kubeconform for schemas, conftest for Rego; see
//! `docs/benchmarks.md`. Ours and theirs take turns in one run over the same files, so that only ratios need to be believed.
//!
//! `cargo bench --bench check` runs everything; words after `--` choose parts: `schemas`, `rego`, `grow`. A peer that is neither in
//! `.tools/bin` nor on the PATH is left out, and said so.
#![expect(clippy::print_stdout, reason = "a benchmark is its output")]

#[expect(dead_code, reason = "the other benchmarks use more of it")]
#[path = "../main_job/figures.rs"]
mod figures;
mod input;
mod run;

use std::path::{Path, PathBuf};

use figures::Series;
use input::{DOCUMENTS_A_FILE, INVALID, Repository};
use run::{Ran, run};

/// Documents of the comparison: what `perf.md`'s ceilings were measured with.
const DOCUMENTS: usize = 10_000;
/// Turns each: enough for a middle that does not jump.
const TURNS: usize = 5;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let want = |part: &str| wanted.is_empty() || wanted.iter().any(|word| word == part);
    if want("schemas") {
        schemas();
    }
    if want("rego") {
        rego();
    }
    if want("grow") {
        grow();
    }
}

/// Where a peer is, if it is anywhere.
fn peer(name: &str) -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/bin").join(name);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::iter::once(own).chain(std::env::split_paths(&path).map(|folder| folder.join(name))).find(|at| at.exists());
    if found.is_none() {
        println!("{name}: left out, it is not installed (bash tests/tools/install)");
    }
    found
}

fn ours(repository: &Repository) -> Ran {
    run(Path::new(env!("CARGO_BIN_EXE_trunkline")), &["check", "--format", "json"], repository.root())
}

/// Objects with a finding of the schemas, by our report.
fn invalid(output: &str) -> usize {
    let report: serde_json::Value = serde_json::from_str(output).unwrap();
    let environments = report["environments"].as_array().unwrap().iter();
    let findings = environments.flat_map(|environment| environment["findings"].as_array().unwrap());
    let mut names: Vec<String> = findings
        .filter(|finding| matches!(finding["rule"].as_str(), Some("SCH-001" | "SCH-002" | "SCH-003")))
        .map(|finding| finding["object"].to_string())
        .collect();
    names.sort();
    names.dedup();
    names.len()
}

/// Parse, render, schemas and the whole recommended pack, against a tool that only knows schemas.
fn schemas() {
    let repository = Repository::new(DOCUMENTS, "");
    let oracle = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/schemas/oracle");
    let version = std::fs::read_dir(&oracle).ok().and_then(|mut all| all.next()?.ok()?.file_name().into_string().ok());
    let (Some(kubeconform), Some(version)) = (peer("kubeconform"), version) else { return };
    let minor = version.trim_start_matches('v').trim_end_matches("-standalone-strict").to_owned();
    let location = oracle.join(
        "{{ .NormalizedKubernetesVersion }}-standalone{{ .StrictSuffix }}/{{ .ResourceKind }}{{ .KindSuffix }}.json",
    );
    let location = location.to_str().unwrap();
    println!(
        "\n## {DOCUMENTS} documents, files of {DOCUMENTS_A_FILE}: check (schemas and the pack) and kubeconform -strict -n 2 (schemas)"
    );
    let args = [
        "-strict",
        "-n",
        "2",
        "-summary",
        "-output",
        "json",
        "-kubernetes-version",
        &minor,
        "-schema-location",
        location,
        "environments",
    ];
    let (mut mine, mut theirs) = (Table::default(), Table::default());
    for _ in 0..TURNS {
        let ran = ours(&repository);
        assert_eq!(invalid(&ran.output), INVALID, "objects that break their schema, by us");
        mine.add(&ran);
        let ran = run(&kubeconform, &args, repository.root());
        let report: serde_json::Value = serde_json::from_str(&ran.output).unwrap();
        assert_eq!(
            report["summary"]["invalid"], INVALID,
            "documents that break their schema, by kubeconform: {}",
            report["summary"]
        );
        theirs.add(&ran);
    }
    compare(("trunkline check", &mine), ("kubeconform", &theirs));
}

/// The same with Rego of ten rules, against a tool that only knows Rego.
fn rego() {
    let Some(conftest) = peer("conftest") else { return };
    let repository = Repository::new(DOCUMENTS, input::POLICY);
    println!(
        "\n## {DOCUMENTS} documents, Rego of ten rules: check (with schemas and the pack) and conftest test (Rego)"
    );
    let args = ["test", "--no-fail", "--output", "json", "--policy", "policies", "environments"];
    let (mut mine, mut theirs) = (Table::default(), Table::default());
    for turn in 0..TURNS {
        let ran = ours(&repository);
        mine.add(&ran);
        let other = run(&conftest, &args, repository.root());
        if turn == 0 {
            assert_eq!(denials(&ran.output), other.output.matches("\"msg\"").count(), "denials, ours and theirs");
        }
        theirs.add(&other);
    }
    compare(("trunkline check", &mine), ("conftest", &theirs));
}

/// Findings of the policy, those counted in "more findings" included.
fn denials(output: &str) -> usize {
    let report: serde_json::Value = serde_json::from_str(output).unwrap();
    let environments = report["environments"].as_array().unwrap().iter();
    let findings = environments.flat_map(|environment| environment["findings"].as_array().unwrap());
    let own = findings.filter(|finding| finding["rule"].as_str().is_some_and(|rule| rule.contains("deny")));
    own.map(|finding| {
        let message = finding["message"].as_str().unwrap_or_default();
        let more = message.split_once(" more findings").and_then(|(count, _)| count.parse().ok());
        more.unwrap_or(1)
    })
    .sum()
}

/// Ten times the documents, ten times the work.
fn grow() {
    println!(
        "\n## How it grows: check, no Rego\ndocuments            wall ms             cpu ms       µs of cpu a document      MB"
    );
    for documents in [1_000, 10_000, 100_000] {
        let repository = Repository::new(documents, "");
        let mut table = Table::default();
        for _ in 0..3 {
            table.add(&ours(&repository));
        }
        let each = table.cpu.median() * 1e3 / documents as f64;
        println!("{documents:>9} {:>18} {:>18} {each:>15.1} {:>15.0}", table.wall, table.cpu, table.memory.median());
    }
}

#[derive(Default)]
struct Table {
    wall: Series,
    cpu: Series,
    memory: Series,
}

impl Table {
    fn add(&mut self, ran: &Ran) {
        self.wall.took(ran.wall);
        self.cpu.took(ran.cpu);
        self.memory.add(ran.memory);
    }
}

fn compare(ours: (&str, &Table), theirs: (&str, &Table)) {
    println!("{:18} {:>22} {:>22} {:>18}", "", "wall ms", "cpu ms", "most MB");
    for (name, table) in [ours, theirs] {
        println!("{name:18} {:>22} {:>22} {:>18}", table.wall, table.cpu, table.memory);
    }
    let times = |of: fn(&Table) -> &Series| of(theirs.1).median() / of(ours.1).median();
    println!("{:18} {:>21.1}x {:>21.1}x", "faster by", times(|t| &t.wall), times(|t| &t.cpu));
}
