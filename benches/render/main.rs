//! Rendering, measured in one run; see `docs/benchmarks.md`. Figures are min/median/max in milliseconds of processor time, so that
//! a busy machine changes them less; where another program is compared with, the wall clock counts.
//!
//! `cargo bench --bench render` runs everything; words after `--` choose parts: `grow`, `overlays`, `change`, `corpus`.
#![expect(clippy::print_stdout, reason = "a benchmark is its output")]

mod change;
mod corpus;
#[expect(dead_code, reason = "the other benchmark uses more of it")]
#[path = "../main_job/figures.rs"]
mod figures;
mod input;

use figures::Series;
use trunkline::model::path::RepoPath;
use trunkline::model::tree::Tree;
use trunkline::render::{Memory, render};

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let want = |part: &str| wanted.is_empty() || wanted.iter().any(|word| word == part);
    if want("grow") {
        grow();
    }
    if want("overlays") {
        overlays();
    }
    if want("change") {
        change::run();
    }
    if want("corpus") {
        corpus::run();
    }
    println!("most memory at once: {} MB", most_memory());
}

/// Megabytes this process held at its worst, where the system says.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()).unwrap_or_default() / 1024
}

/// Seconds this thread has run; by the wall where the system does not say.
fn processor_time() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = text.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    nanoseconds.map_or_else(|| std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64(), |ns| ns / 1e9)
}

/// Milliseconds of processor time that something takes.
fn took<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let begun = processor_time();
    let done = work();
    ((processor_time() - begun) * 1e3, done)
}

fn grow() {
    println!("objects in one overlay    ms    µs an object");
    for objects in [100, 1_000, 2_000, 10_000] {
        let (store, root) = input::repository(objects, 1);
        let tree = Tree::new(root, &store);
        let folder = "env/0".parse().unwrap();
        let mut series = Series::default();
        for _ in 0..(20_000 / objects).clamp(5, 50) {
            let (time, rendered) = took(|| render(&tree, &folder));
            series.add(time);
            assert!(rendered.ok, "{:?}", rendered.problems);
            assert_eq!(rendered.objects.len(), objects + 1);
        }
        println!("{objects:>8} {series:>25} {:>8.1}", series.median() * 1e3 / objects as f64);
    }
}

fn overlays() {
    let (store, root) = input::repository(40, 100);
    let folders: Vec<RepoPath> = (0..100).map(|n| format!("env/{n}").parse().unwrap()).collect();
    let mut series: [Series; 2] = Default::default();
    for _ in 0..9 {
        series[0]
            .add(took(|| folders.iter().for_each(|folder| assert!(render(&Tree::new(root, &store), folder).ok))).0);
        let mut memory = Memory::new(&store);
        series[1].add(took(|| folders.iter().for_each(|folder| assert!(memory.render(root, folder).ok))).0);
    }
    let [apart, together] = &series;
    let ratio = apart.median() / together.median();
    println!(
        "100 overlays on one base of 40 objects: each for itself {apart}, with one memory {together}, {ratio:.1} times faster"
    );
}
