//! Everything that needs more than one module: one binary, so that it links once.

mod cli;
mod contract;
mod days;
mod faults;
mod features;
mod freeze;
mod fuzz;
mod git;
mod github;
mod kill;
mod manifest;
mod own_source;
mod pulls;
mod queue;
mod receiver;
mod render_cases;
mod render_corpus;
mod render_random;
mod sandbox;
mod schema;
mod stories;
mod threats;
mod tidy;
mod trust;
mod worker;
mod world;
