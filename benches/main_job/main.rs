//! The main job, measured end to end against what people use today; see `docs/benchmarks.md`.
//!
//! `cargo bench --bench main_job` runs everything; words after `--` choose parts: `webhooks`, `pulls`, `large`, `day`, `fleet`, `promotions`, `restart`.
//! Ours and theirs take turns within one run, so that only ratios need to be believed. Figures are min/median/max.
#![expect(clippy::print_stdout, reason = "a benchmark is its output")]

mod day;
mod figures;
mod fleet;
mod promotions;
mod pulls;
mod repository;
mod restart;
mod webhooks;
mod world;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let want = |part: &str| wanted.is_empty() || wanted.iter().any(|word| word == part);
    let begun = std::time::Instant::now();
    if want("webhooks") {
        webhooks::run();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if want("pulls") {
        runtime.block_on(pulls::run(300, &[(1, 7, 3), (5, 7, 3), (100, 5, 1)]));
    }
    if want("large") {
        runtime.block_on(pulls::run(3_000, &[(1, 3, 2), (5, 3, 1), (100, 3, 1)]));
    }
    if want("day") {
        runtime.block_on(day::run());
    }
    if want("fleet") {
        runtime.block_on(fleet::run());
    }
    if want("promotions") {
        runtime.block_on(promotions::run());
    }
    if want("restart") {
        runtime.block_on(restart::run());
    }
    println!("\nin all: {:.0} s", begun.elapsed().as_secs_f64());
}
